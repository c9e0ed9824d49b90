//! Log, files and acts of a configuration joined: what `day` and `recon` commands show.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use casework::{ActFile, Casework, Days, Deed, Desk, Matching, Row};
use journal::ReadError;
use reconciliation::Book;

use console::Permission;

use crate::cli::PersonArgs;
use crate::config::{ReconciliationSettings, Settings};
use crate::log_commands::files;
use crate::people_commands::{password, people};
use crate::process_memory;
use crate::rows_process::RowsProcess;

/// The desk of a configuration, and who uses it.
pub(crate) struct Seat<'a> {
    settings: &'a Settings,
    pub(crate) reconciliation: &'a ReconciliationSettings,
    pub(crate) desk: Desk,
    /// Who acts: the user of the command line.
    pub(crate) who: String,
}

/// Everything joined.
pub(crate) struct Joined {
    pub(crate) casework: Arc<Casework>,
    pub(crate) book: Book,
    pub(crate) matching: Matching,
    pub(crate) rows: Vec<Row>,
}

/// Who acts, and from where.
pub(crate) struct By {
    pub(crate) who: String,
    pub(crate) from: String,
}

/// From where an act comes.
pub(crate) const COMMAND_LINE: &str = "command line";

impl<'a> Seat<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Result<Seat<'a>, String> {
        let reconciliation =
            settings.reconciliation.as_ref().ok_or("the configuration has no [reconciliation]")?;
        let desk = Desk::new(
            &reconciliation.dir,
            settings.keys.data.clone(),
            reconciliation.calendar.clone(),
            reconciliation.due.clone(),
            Arc::new(RowsProcess::default()),
        );
        let who = format!("uid {}", process_memory::user());
        Ok(Seat { settings, reconciliation, desk, who })
    }

    pub(crate) fn acts(&self) -> &ActFile {
        self.desk.acts()
    }

    /// Does something in a person's name.
    pub(crate) fn act(&self, by: &By, deed: Deed) -> Result<Arc<Casework>, String> {
        self.acts().act(now_ms(), &by.who, &by.from, deed).map_err(|error| error.to_string())
    }

    /// A person who acts: a name of the console's file of people, whose roles allow it, and whose password is the first line of the file that is named, or of
    /// `input`. The command line's user is everybody, and so nobody: that user alone hands files in.
    ///
    /// # Errors
    /// Nobody has the name, the roles do not allow it, or it is not the person's password, which is recorded; it is refused.
    pub(crate) fn by(
        &self,
        person: &PersonArgs,
        permission: Permission,
        input: &mut impl Read,
    ) -> Result<By, String> {
        let PersonArgs { name, password_file } = person;
        let people = people(self.settings)?;
        let found = people.get(name).map_err(|error| error.to_string())?;
        let found = found.ok_or_else(|| format!("nobody is called {name}"))?;
        if !found.may(permission) {
            let roles: Vec<&str> = permission.roles().iter().map(|role| role.name()).collect();
            return Err(format!("{name} may not do this: it is for {}", roles.join(", ")));
        }
        let by = console::By { who: &self.who, from: COMMAND_LINE, at_ms: now_ms() };
        let (password, place) = match password_file {
            Some(path) => (password(&mut secret_file(path)?)?, path.display().to_string()),
            None => (password(input)?, "standard input".to_owned()),
        };
        match people.is_password(&found, &password, by).map_err(|error| error.to_string())? {
            true => Ok(By { who: found.name, from: format!("{COMMAND_LINE}, {}", self.who) }),
            false => Err(format!("it is not the password of {name}: it is the first line of {place}")),
        }
    }

    /// The person who hands a file in, or the command line's user: what brings files at night is no person.
    ///
    /// # Errors
    /// As [`Seat::by`].
    pub(crate) fn by_whom(
        &self,
        person: Option<&PersonArgs>,
        permission: Permission,
        input: &mut impl Read,
    ) -> Result<By, String> {
        match person {
            Some(person) => self.by(person, permission, input),
            None => Ok(By { who: self.who.clone(), from: COMMAND_LINE.to_owned() }),
        }
    }

    /// What the log comes to, with the days as people have closed them.
    pub(crate) fn book(&self, casework: &Casework) -> Result<Book, String> {
        let first_day = self.settings.processor.first_day;
        let unread = Book::new(self.reconciliation.fees.clone(), Some(first_day));
        let mut days = Days::new(unread.holding_unclosed());
        let log = files(self.settings);
        let records = log.scan_sealed(0).map_err(|error| error.to_string())?;
        days.read_on(casework, |_| records, |_, _| true).map_err(|error: ReadError| error.to_string())?;
        match days.first_broken() {
            Some(broken) => Err(broken.to_string()),
            None => Ok(days.into_book()),
        }
    }

    pub(crate) fn joined(&self) -> Result<Joined, String> {
        let (casework, _) = self.acts().read().map_err(|error| error.to_string())?;
        let mut book = self.book(&casework)?;
        let matched = self.desk.matched(&casework, &mut book, self.reconciliation.rules, now_ms() / 1_000);
        let matching = matched.map_err(|error| error.to_string())?;
        let rows = self.desk.rows(&casework, &book, &matching).map_err(|error| error.to_string())?;
        Ok(Joined { casework, book, matching, rows })
    }
}

/// A file that its owner alone can read.
fn secret_file(path: &Path) -> Result<File, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(told)?;
    match file.metadata().map_err(told)?.mode() & 0o077 {
        0 => Ok(file),
        _ => Err(format!("{}: others can read it; chmod 600", path.display())),
    }
}

/// Wall clock, milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
