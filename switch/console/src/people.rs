//! The file of people who may log in: who, with which roles, under which hash. Written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use crate::audit::{Act, Audit, AuditError};
use crate::password::{Password, PasswordError, PasswordHash};
use crate::role::{Permission, Role};

/// The file's name in the console's directory.
pub const PEOPLE_FILE: &str = "people.toml";

const LOCK_FILE: &str = "people.lock";

/// People in the file.
pub(crate) const PEOPLE_MAX: usize = 1_000;

/// Characters of a name to log in with.
pub(crate) const NAME_CHARACTERS_MAX: usize = 32;

/// Characters of a full name.
pub(crate) const FULL_NAME_CHARACTERS_MAX: usize = 64;

/// Bytes of the file: a thousand people with the longest names fill a tenth.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why people cannot be read or changed. Never holds a password or hash.
#[derive(Debug, Error)]
pub enum PeopleError {
    /// The system's own.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not what this program writes.
    #[error("{}: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line where that is known.
        reason: String,
    },
    /// The name is not one.
    #[error("`{0}` is no name: 2 to {NAME_CHARACTERS_MAX} small letters, digits, `.`, `-`, a letter first")]
    Name(String),
    /// The full name is not one.
    #[error("the full name is not 1 to {FULL_NAME_CHARACTERS_MAX} printable characters")]
    FullName,
    /// Somebody has that name.
    #[error("`{0}` is there already")]
    Twice(String),
    /// Nobody has that name.
    #[error("`{0}` is nobody")]
    Nobody(String),
    /// A person without a role.
    #[error("a person has at least one role")]
    NoRole,
    /// There are 1,000 people already.
    #[error("there are {PEOPLE_MAX} people already; take some away")]
    Full,
    /// The password.
    #[error("{0}")]
    Password(#[from] PasswordError),
    /// What is not recorded is not done.
    #[error("{0}")]
    Audit(#[from] AuditError),
}

/// Somebody who may log in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The name to log in with: in every record of what they do.
    pub name: String,
    /// The name for people.
    pub full_name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// May not log in, and is logged out.
    #[serde(default)]
    pub disabled: bool,
    /// The hash of the password.
    pub password: PasswordHash,
}

impl Person {
    /// A role of theirs may do it, and they are not shut out.
    pub fn may(&self, permission: Permission) -> bool {
        !self.disabled && permission.roles().iter().any(|role| self.roles.contains(role))
    }

    /// What the audit holds of a person.
    fn audited(&self) -> serde_json::Value {
        json!({ "full_name": self.full_name, "roles": self.roles, "disabled": self.disabled })
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeopleFile {
    #[serde(default)]
    person: Vec<Person>,
}

/// Who acts on people, and from where.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// A person's name, or `uid 1000` for whoever uses the command line.
    pub who: &'a str,
    /// An address, or `command line`.
    pub from: &'a str,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: i64,
}

/// The people of one console, with the audit of what is done to them. Other processes may change the file: it is read
/// again once it has changed.
#[derive(Debug)]
pub struct People {
    dir: PathBuf,
    audit: Arc<Audit>,
    read: Mutex<Option<(Mark, Arc<Vec<Person>>)>>,
}

/// What a file that was replaced differs in.
type Mark = (u64, u64, i64, i64);

impl People {
    /// The people of a console's directory; nothing is read yet.
    pub fn new(dir: &Path, audit: Arc<Audit>) -> People {
        People { dir: dir.to_owned(), audit, read: Mutex::default() }
    }

    /// A file as it stands after people were added, without the waits for the disk.
    #[cfg(test)]
    pub(crate) fn plant(dir: &Path, person: Vec<Person>) {
        use std::os::unix::fs::PermissionsExt as _;
        let text = toml::to_string(&PeopleFile { person }).expect("people have a form");
        fs::write(dir.join(PEOPLE_FILE), text).expect("the directory can be written");
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(dir.join(PEOPLE_FILE), private).expect("the file is ours");
    }

    /// Everybody, in the order of the file. Without a file there is nobody.
    ///
    /// # Errors
    /// [`PeopleError::Io`] and [`PeopleError::Form`]: then nobody may log in, and nobody stays.
    pub fn all(&self) -> Result<Arc<Vec<Person>>, PeopleError> {
        let path = self.dir.join(PEOPLE_FILE);
        let mark = match fs::metadata(&path) {
            Ok(found) => (found.ino(), found.len(), found.mtime(), found.mtime_nsec()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(PeopleError::Io { path, error }),
        };
        let mut read = self.read.lock().expect("nobody panics while reading people");
        if let Some((known, people)) = &*read
            && *known == mark
        {
            return Ok(Arc::clone(people));
        }
        let people = Arc::new(read_file(&path)?);
        *read = Some((mark, Arc::clone(&people)));
        Ok(people)
    }

    /// Somebody by the name to log in with.
    ///
    /// # Errors
    /// As [`People::all`].
    pub fn get(&self, name: &str) -> Result<Option<Person>, PeopleError> {
        Ok(self.all()?.iter().find(|person| person.name == name).cloned())
    }

    /// Adds somebody.
    ///
    /// # Errors
    /// [`PeopleError`]; nothing is changed then.
    pub fn add(
        &self,
        name: &str,
        full_name: &str,
        roles: &[Role],
        password: &Password,
        by: By<'_>,
    ) -> Result<(), PeopleError> {
        check_name(name)?;
        check_full_name(full_name)?;
        password.check_new(name)?;
        let mut roles = roles.to_vec();
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() {
            return Err(PeopleError::NoRole);
        }
        let password = PasswordHash::make(password)?;
        let (name, full_name) = (name.to_owned(), full_name.to_owned());
        self.change("person added", &name.clone(), by, move |people| {
            if people.iter().any(|person| person.name == name) {
                return Err(PeopleError::Twice(name));
            }
            if people.len() >= PEOPLE_MAX {
                return Err(PeopleError::Full);
            }
            people.push(Person { name, full_name, roles, disabled: false, password });
            Ok(())
        })
    }

    /// Whether it is a person's password, where no page asks for it; one that is not is recorded. Takes tens of milliseconds of one core.
    ///
    /// # Errors
    /// [`PeopleError`]: the audit takes nothing.
    pub fn is_password(&self, person: &Person, password: &Password, by: By<'_>) -> Result<bool, PeopleError> {
        let is_right = person.password.is_of(password);
        if !is_right {
            self.audit.append(&Act {
                at_ms: by.at_ms,
                who: by.who,
                from: by.from,
                act: "log-in failed",
                on: &person.name,
                before: serde_json::Value::Null,
                after: serde_json::Value::Null,
            })?;
        }
        Ok(is_right)
    }

    /// Shuts somebody out, or lets somebody in again. Whoever is shut out is logged out at the next request.
    ///
    /// # Errors
    /// [`PeopleError`]; nothing is changed then.
    pub fn set_disabled(&self, name: &str, disabled: bool, by: By<'_>) -> Result<(), PeopleError> {
        let act = if disabled { "person disabled" } else { "person enabled" };
        self.change(act, name, by, |people| {
            one(people, name)?.disabled = disabled;
            Ok(())
        })
    }

    /// Gives somebody another password; their sessions end.
    ///
    /// # Errors
    /// [`PeopleError`]; nothing is changed then.
    pub fn set_password(&self, name: &str, password: &Password, by: By<'_>) -> Result<(), PeopleError> {
        password.check_new(name)?;
        let password = PasswordHash::make(password)?;
        self.change("password changed", name, by, |people| {
            one(people, name)?.password = password;
            Ok(())
        })
    }

    /// One change at a time, over all processes: the new file is whole on the disk, then the change is recorded, then the
    /// file takes the old one's place.
    fn change(
        &self,
        act: &'static str,
        name: &str,
        by: By<'_>,
        change: impl FnOnce(&mut Vec<Person>) -> Result<(), PeopleError>,
    ) -> Result<(), PeopleError> {
        make_directory(&self.dir)?;
        let lock = open_private(&self.dir.join(LOCK_FILE))?;
        lock.lock().map_err(|error| PeopleError::Io { path: self.dir.join(LOCK_FILE), error })?;
        let path = self.dir.join(PEOPLE_FILE);
        let mut people = if path.exists() { read_file(&path)? } else { Vec::new() };
        let of = |people: &[Person]| {
            people.iter().find(|person| person.name == name).map(Person::audited).unwrap_or_default()
        };
        let before = of(&people);
        change(&mut people)?;
        let after = of(&people);
        let file = PeopleFile { person: people };
        let text = toml::to_string(&file)
            .map_err(|error| PeopleError::Form { path: path.clone(), reason: error.to_string() })?;
        let unfinished = path.with_extension("part");
        let io = |error| PeopleError::Io { path: unfinished.clone(), error };
        let mut written = open_private(&unfinished)?;
        written.set_len(0).and_then(|()| written.write_all(text.as_bytes())).map_err(io)?;
        written.sync_all().map_err(io)?;
        let (who, from, at_ms) = (by.who, by.from, by.at_ms);
        self.audit.append(&Act { at_ms, who, from, act, on: name, before, after })?;
        fs::rename(&unfinished, &path).map_err(io)?;
        let directory = File::open(&self.dir).and_then(|directory| directory.sync_all());
        directory.map_err(|error| PeopleError::Io { path: self.dir.clone(), error })
    }
}

fn one<'a>(people: &'a mut [Person], name: &str) -> Result<&'a mut Person, PeopleError> {
    let found = people.iter_mut().find(|person| person.name == name);
    found.ok_or_else(|| PeopleError::Nobody(name.to_owned()))
}

fn read_file(path: &Path) -> Result<Vec<Person>, PeopleError> {
    let io = |error| PeopleError::Io { path: path.to_owned(), error };
    let form = |reason: String| PeopleError::Form { path: path.to_owned(), reason };
    let found = fs::metadata(path).map_err(io)?;
    if found.len() > FILE_BYTES_MAX {
        return Err(form(format!("is longer than {FILE_BYTES_MAX} bytes")));
    }
    if found.mode() & 0o077 != 0 {
        return Err(form("may be read by others; chmod 600".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(io)?;
    // The parser's message would show the line, and with it a hash.
    let file: PeopleFile = toml::from_str(&text).map_err(|error| {
        let front = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..front].iter().filter(|byte| **byte == b'\n').count() + 1;
        form(format!("line {line}: is not the form of a person"))
    })?;
    let mut names = std::collections::BTreeSet::new();
    for (index, person) in file.person.iter().enumerate() {
        let place = |reason: String| form(format!("person[{index}]: {reason}"));
        check_name(&person.name).map_err(|error| place(error.to_string()))?;
        check_full_name(&person.full_name).map_err(|error| place(error.to_string()))?;
        person.password.check().map_err(|error| place(error.to_string()))?;
        if person.roles.is_empty() {
            return Err(place(PeopleError::NoRole.to_string()));
        }
        if !names.insert(&person.name) {
            return Err(place(format!("`{}` stands twice", person.name)));
        }
    }
    Ok(file.person)
}

fn check_name(name: &str) -> Result<(), PeopleError> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let good = first && (2..=NAME_CHARACTERS_MAX).contains(&name.len()) && name.bytes().all(known);
    if good { Ok(()) } else { Err(PeopleError::Name(name.chars().take(NAME_CHARACTERS_MAX).collect())) }
}

fn check_full_name(name: &str) -> Result<(), PeopleError> {
    let count = name.chars().count();
    let good = (1..=FULL_NAME_CHARACTERS_MAX).contains(&count)
        && !name.trim().is_empty()
        && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(PeopleError::FullName) }
}

/// The console's directory is its owner's alone.
pub(crate) fn make_directory(dir: &Path) -> Result<(), PeopleError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| PeopleError::Io { path: dir.to_owned(), error })
}

fn open_private(path: &Path) -> Result<File, PeopleError> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    opened.map_err(|error| PeopleError::Io { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::data_keys;

    const BY: By<'_> = By { who: "uid 1000", from: "command line", at_ms: 1_777_777_777_000 };

    fn people(dir: &Path) -> People {
        People::new(dir, Arc::new(Audit::new(dir, data_keys())))
    }

    fn password() -> Password {
        Password::new("a lamp by the river".to_owned())
    }

    #[test]
    fn people_are_added_disabled_and_given_passwords_and_each_act_is_audited() {
        let dir = tempfile::tempdir().unwrap();
        let people = people(dir.path());
        people.add("lan", "Nguyễn Thị Lan", &[Role::Clerk], &password(), BY).unwrap();
        people.add("minh", "Trần Minh", &[Role::Checker, Role::Checker], &password(), BY).unwrap();
        people.set_disabled("minh", true, BY).unwrap();
        people.set_password("lan", &Password::new("another lamp, a bridge".to_owned()), BY).unwrap();
        let all = people.all().unwrap();
        assert_eq!(all.len(), 2);
        assert!(all[0].password.is_of(&Password::new("another lamp, a bridge".to_owned())));
        assert_eq!((all[1].roles.as_slice(), all[1].disabled), (&[Role::Checker][..], true));
        let entries = people.audit.read().unwrap();
        let acts: Vec<(&str, &str)> =
            entries.iter().map(|entry| (entry.act.as_str(), entry.on.as_str())).collect();
        assert_eq!(
            acts,
            [
                ("person added", "lan"),
                ("person added", "minh"),
                ("person disabled", "minh"),
                ("password changed", "lan"),
            ]
        );
        assert_eq!(
            (&entries[2].before["disabled"], &entries[2].after["disabled"]),
            (&json!(false), &json!(true))
        );
        let text = fs::read_to_string(dir.path().join(crate::audit::AUDIT_FILE)).unwrap();
        assert!(!text.contains("argon2") && !text.contains("lamp"), "{text}");
    }

    #[test]
    fn what_is_no_person_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let people = people(dir.path());
        people.add("lan", "Lan", &[Role::Clerk], &password(), BY).unwrap();
        let before = fs::read(dir.path().join(PEOPLE_FILE)).unwrap();
        let said = [
            people.add("lan", "Lan", &[Role::Clerk], &password(), BY),
            people.add("Lan!", "Lan", &[Role::Clerk], &password(), BY),
            people.add("minh", " ", &[Role::Clerk], &password(), BY),
            people.add("minh", "Minh", &[], &password(), BY),
            people.add("minh", "Minh", &[Role::Clerk], &Password::new("short".to_owned()), BY),
            people.set_disabled("nobody", true, BY),
        ]
        .map(|refused| refused.unwrap_err().to_string());
        for (said, part) in said.iter().zip(["there already", "no name", "full name", "role", "12", "nobody"])
        {
            assert!(said.contains(part), "{said}: {part}");
        }
        assert_eq!(fs::read(dir.path().join(PEOPLE_FILE)).unwrap(), before);
    }

    #[test]
    fn a_file_that_others_may_read_or_that_is_broken_lets_nobody_in() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let people = people(dir.path());
        people.add("lan", "Lan", &[Role::Clerk], &password(), BY).unwrap();
        let path = dir.path().join(PEOPLE_FILE);
        let good = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{good}\n[[person]]\nname = 5\n")).unwrap();
        let said = people.all().unwrap_err().to_string();
        assert!(said.contains("line ") && !said.contains("argon2"), "{said}");
        fs::write(&path, &good).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(People::new(dir.path(), Arc::clone(&people.audit)).all().is_err());
    }

    #[test]
    fn a_change_of_another_process_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (people(dir.path()), people(dir.path()));
        ours.add("lan", "Lan", &[Role::Clerk], &password(), BY).unwrap();
        assert!(!ours.get("lan").unwrap().unwrap().disabled);
        theirs.set_disabled("lan", true, BY).unwrap();
        assert!(ours.get("lan").unwrap().unwrap().disabled);
    }
}
