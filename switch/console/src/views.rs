//! Filters that people keep by name: few of each person, in one file of the console's directory, written whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::people::make_directory;

/// The file's name in the console's directory.
const VIEWS_FILE: &str = "views.toml";

/// Views of one person; one more is refused.
pub const VIEWS_OF_ONE_MAX: usize = 20;

/// Views of all people; one more is refused.
pub const VIEWS_MAX: usize = 5_000;

/// Characters of a view's name.
pub(crate) const VIEW_CHARACTERS_MAX: usize = 40;

/// Bytes of a view's address.
const ADDRESS_BYTES_MAX: usize = 1_024;

/// Bytes of the file: all views with the longest names and addresses have room.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Pages whose filters can be kept.
const PAGES: [&str; 4] = ["/exceptions", "/approvals", "/transactions", "/workbench"];

/// Why a view is not kept, or views cannot be read.
#[derive(Debug, Error)]
pub(crate) enum ViewError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}: it is not what this program writes")]
    Form(PathBuf),
    #[error("a view's name has 1 to {VIEW_CHARACTERS_MAX} printable characters")]
    Name,
    #[error("this page is no view")]
    Address,
    #[error("there are {VIEWS_OF_ONE_MAX} views already")]
    Full,
}

/// By person and name: addresses.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewsFile {
    #[serde(default)]
    person: BTreeMap<String, BTreeMap<String, String>>,
}

/// The views of all people. One process has them.
pub(crate) struct Views {
    dir: PathBuf,
    writing: Mutex<()>,
}

impl Views {
    /// Those of a console's directory; nothing is read yet.
    pub(crate) fn new(dir: &Path) -> Views {
        Views { dir: dir.to_owned(), writing: Mutex::default() }
    }

    /// A person's names and addresses, by name.
    ///
    /// # Errors
    /// [`ViewError::Io`] and [`ViewError::Form`].
    pub(crate) fn of(&self, person: &str) -> Result<Vec<(String, String)>, ViewError> {
        Ok(self.read()?.person.remove(person).unwrap_or_default().into_iter().collect())
    }

    /// Keeps an address under a name; another of that name is replaced.
    ///
    /// # Errors
    /// [`ViewError`]; nothing is changed then.
    pub(crate) fn keep(&self, person: &str, name: &str, address: &str) -> Result<(), ViewError> {
        let name = name.trim();
        let count = name.chars().count();
        if !(1..=VIEW_CHARACTERS_MAX).contains(&count) || name.chars().any(char::is_control) {
            return Err(ViewError::Name);
        }
        if !may_be_kept(address) {
            return Err(ViewError::Address);
        }
        self.change(|file| {
            let all: usize = file.person.values().map(BTreeMap::len).sum();
            let own = file.person.entry(person.to_owned()).or_default();
            if !own.contains_key(name) && (own.len() >= VIEWS_OF_ONE_MAX || all >= VIEWS_MAX) {
                return Err(ViewError::Full);
            }
            own.insert(name.to_owned(), address.to_owned());
            Ok(())
        })
    }

    /// Lets a view go.
    ///
    /// # Errors
    /// [`ViewError::Io`] and [`ViewError::Form`].
    pub(crate) fn forget(&self, person: &str, name: &str) -> Result<(), ViewError> {
        self.change(|file| {
            if let Some(own) = file.person.get_mut(person) {
                own.remove(name);
            }
            file.person.retain(|_, own| !own.is_empty());
            Ok(())
        })
    }

    fn change(&self, change: impl FnOnce(&mut ViewsFile) -> Result<(), ViewError>) -> Result<(), ViewError> {
        let _writing = self.writing.lock().expect("nobody panics while keeping views");
        let mut file = self.read()?;
        change(&mut file)?;
        make_directory(&self.dir).map_err(|error| io::Error::other(error.to_string()))?;
        let path = self.dir.join(VIEWS_FILE);
        let text = toml::to_string(&file).map_err(|_| ViewError::Form(path.clone()))?;
        let part = path.with_extension("part");
        let opened = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&part);
        let mut written = opened?;
        written.write_all(text.as_bytes())?;
        written.sync_all()?;
        fs::rename(&part, &path)?;
        Ok(File::open(&self.dir)?.sync_all()?)
    }

    fn read(&self) -> Result<ViewsFile, ViewError> {
        let path = self.dir.join(VIEWS_FILE);
        match fs::metadata(&path) {
            Ok(found) if found.len() > FILE_BYTES_MAX => return Err(ViewError::Form(path)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ViewsFile::default()),
            Err(error) => return Err(error.into()),
        }
        toml::from_str(&fs::read_to_string(&path)?).map_err(|_| ViewError::Form(path))
    }
}

/// A citizen's pseudonym is looked up anew each time, and recorded: it stands in no file.
fn may_be_kept(address: &str) -> bool {
    let (page, query) = address.split_once('?').unwrap_or((address, ""));
    PAGES.contains(&page)
        && address.len() <= ADDRESS_BYTES_MAX
        && address.bytes().all(|byte| (b'!'..=b'~').contains(&byte))
        && query.split('&').all(|field| !field.starts_with("citizen="))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn views_are_kept_by_person_and_name_and_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let views = Views::new(dir.path());
        views.keep("lan", "Tệp BIDV", "/exceptions?bank=970418").unwrap();
        views.keep("lan", "Tệp BIDV", "/exceptions?bank=970418&state=open").unwrap();
        views.keep("minh", "hôm nay", "/approvals").unwrap();
        let own = [("Tệp BIDV".to_owned(), "/exceptions?bank=970418&state=open".to_owned())];
        assert_eq!(Views::new(dir.path()).of("lan").unwrap(), own);
        views.forget("lan", "Tệp BIDV").unwrap();
        assert_eq!((views.of("lan").unwrap().len(), views.of("minh").unwrap().len()), (0, 1));
    }

    #[test]
    fn what_is_no_view_or_one_too_many_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let views = Views::new(dir.path());
        for (name, address) in [
            ("", "/exceptions"),
            ("a\nb", "/exceptions"),
            (&*"x".repeat(VIEW_CHARACTERS_MAX + 1), "/exceptions"),
            ("elsewhere", "https://elsewhere.example/exceptions"),
            ("people", "/people"),
            ("citizen", "/transactions?state=DECLINED&citizen=00ff"),
            ("long", &*format!("/exceptions?owner={}", "x".repeat(ADDRESS_BYTES_MAX))),
        ] {
            assert!(views.keep("lan", name, address).is_err(), "{name:?} {address}");
        }
        for number in 0..VIEWS_OF_ONE_MAX {
            views.keep("lan", &number.to_string(), "/exceptions").unwrap();
        }
        assert!(matches!(views.keep("lan", "one more", "/exceptions"), Err(ViewError::Full)));
        views.keep("lan", "7", "/approvals").unwrap();
        assert_eq!(views.of("lan").unwrap().len(), VIEWS_OF_ONE_MAX);
        fs::write(dir.path().join(VIEWS_FILE), "person = 5").unwrap();
        assert!(matches!(views.of("lan"), Err(ViewError::Form(_))));
    }
}
