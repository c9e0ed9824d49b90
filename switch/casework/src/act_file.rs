//! Acts on disk: chained lines, a head beside them, and how everything stands behind them, kept so that only what has come since is read.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use chained::{ChainError, ChainedFile, Checked, Line, Told, Work, from_hex, to_hex};
use keys::DataKeys;
use serde_json::Value;

use crate::act::{Act, Deed};
use crate::cases::{Casework, Refused};

/// The file's name.
pub const ACTS_FILE: &str = "casework.jsonl";

/// Beside it: how many acts there are, so that lines cut from the end are missed.
pub const HEAD_FILE: &str = "casework.head";

/// What stands in front of a head where it is chained.
const HEAD: &[u8] = b"atm-switch casework head 1\0";

/// Why an act could not be recorded, or the acts not be read.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The file cannot be read or written, or a line is not what was written.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It may not be done.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// All acts, by number.
pub type Acts = Arc<Vec<Arc<Act>>>;

/// The acts of one switch. Several processes may append to them. What was read once is kept, by all its clones together: 40 bytes an act, the act itself,
/// and what it says of its case.
#[derive(Clone, Debug)]
pub struct ActFile {
    file: ChainedFile<Act>,
    known: Arc<Mutex<Known>>,
}

/// The acts as they were read.
#[derive(Default, Debug)]
struct Known {
    checked: Checked,
    casework: Arc<Casework>,
    acts: Acts,
}

impl Known {
    fn take(casework: &mut Arc<Casework>, acts: &mut Acts, told: Told<Act>) {
        match told {
            Told::Anew => (*casework, *acts) = (Arc::default(), Arc::default()),
            Told::Line(act) => {
                Arc::make_mut(casework).apply(&act);
                Arc::make_mut(acts).push(Arc::new(act));
            }
        }
    }
}

impl Line for Act {
    const CHAINED: &'static [u8] = b"atm-switch casework 1\0";
    const BYTES_MAX: usize = 64 * 1024;
    const NONE: &'static str = "is no line of acts";

    fn number(&self) -> u64 {
        self.number
    }

    fn bare(&self) -> String {
        let value: Value = serde_json::to_value(self).expect("an act has texts alone for keys");
        value.to_string()
    }

    fn written(&self, link: &str) -> String {
        format!("{}\t{link}", self.bare())
    }

    fn read(line: &str) -> Option<(Act, String)> {
        let (body, link) = line.rsplit_once('\t')?;
        Some((serde_json::from_str(body).ok()?, link.to_owned()))
    }
}

impl ActFile {
    /// The acts in a directory; nothing is opened yet.
    pub fn new(dir: &Path, keys: DataKeys) -> ActFile {
        ActFile { file: ChainedFile::new(dir.join(ACTS_FILE), keys), known: Arc::default() }
    }

    /// How everything stands, and all acts. Each is checked against the chain, those that were checked before only where the file is not what it was
    /// ([`ChainedFile::read_on`]). Without a file there is none.
    ///
    /// # Errors
    /// [`ChainError::Line`] names the first line that is not what was written; or lines are gone from the end.
    pub fn read(&self) -> Result<(Arc<Casework>, Acts), ActError> {
        let mut known = self.known();
        // Before the acts: of those that come between, the head says nothing.
        let head = self.head()?;
        let Known { checked, casework, acts } = &mut *known;
        self.file.read_on(checked, |told| Known::take(casework, acts, told))?;
        self.check_head(head.as_deref(), checked)?;
        Ok((Arc::clone(casework), Arc::clone(acts)))
    }

    /// What reading has cost so far.
    pub fn work(&self) -> Work {
        self.known().checked.work()
    }

    /// Does something: checks it against all that was done, records it, and gives how everything stands then. It is durable when this returns.
    ///
    /// The head is written behind the line: where that fails the act stands all the same, a warning tells of it, and the next act writes the head of both.
    ///
    /// # Errors
    /// [`ActError`]; nothing was recorded.
    pub fn act(&self, at_ms: i64, who: &str, from: &str, deed: Deed) -> Result<Arc<Casework>, ActError> {
        let mut locked = self.file.lock()?;
        let mut known = self.known();
        let head = self.head()?;
        let Known { checked, casework, acts } = &mut *known;
        let end = locked.read_on(checked, |told| Known::take(casework, acts, told))?;
        self.check_head(head.as_deref(), checked)?;
        casework.check(who, &deed)?;
        let (before, after) = casework.before_and_after(who, &deed);
        let act = Act {
            number: casework.next(),
            at_ms,
            who: who.to_owned(),
            from: from.to_owned(),
            deed,
            before,
            after,
        };
        // Before the line: several lines without a head are refused, and a line that is durable was recorded.
        if head.is_none() {
            self.keep_head(act.number, &end.link).map_err(|error| self.io(error))?;
        }
        if head.is_none() || end.bytes == 0 {
            locked.sync_dir()?;
        }
        let link = locked.append(end, &act, Some(checked))?;
        if let Err(error) = self.keep_head(act.number + 1, &link) {
            let file = HEAD_FILE;
            tracing::warn!(file, %error, act = act.number, "an act is recorded, and the head tells of fewer");
        }
        Known::take(casework, acts, Told::Line(act));
        Ok(Arc::clone(casework))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nobody panics while reading acts")
    }

    fn head(&self) -> Result<Option<String>, ActError> {
        match std::fs::read_to_string(self.file.path().with_file_name(HEAD_FILE)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    /// Written behind the act: a crash between leaves a head that tells of fewer acts than there are.
    fn keep_head(&self, acts: u64, link: &[u8; 32]) -> std::io::Result<()> {
        let path = self.file.path().with_file_name(HEAD_FILE);
        let part = path.with_extension("part");
        let opened = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&part);
        let mut file = opened?;
        file.write_all(self.head_of(acts, link).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, &path)
    }

    fn head_of(&self, acts: u64, link: &[u8; 32]) -> String {
        format!("{acts}\t{}\n", to_hex(&self.file.keys().chain(link, HEAD)))
    }

    /// Whether it was written behind this link, under its generation of K_log or a higher one.
    fn is_head(&self, head: &str, acts: u64, link: &[u8; 32], least: u8) -> bool {
        let told =
            head.strip_prefix(&format!("{acts}\t")).and_then(|rest| from_hex(rest.strip_suffix('\n')?));
        told.is_some_and(|told| self.file.keys().chained_by(least, link, HEAD, &told).is_some())
    }

    /// Without a head there is one act at most: a head of none stands there before the first. Lines ahead of the head follow from those that it tells of.
    fn check_head(&self, head: Option<&str>, checked: &Checked) -> Result<(), ActError> {
        let acts = checked.lines();
        let Some(head) = head else {
            return if acts <= 1 {
                Ok(())
            } else {
                Err(self.bad(acts, "has no head beside it: it may be cut"))
            };
        };
        let told = head.split('\t').next().and_then(|text| text.parse::<u64>().ok());
        let told = told.ok_or_else(|| self.bad(acts, "has a head that is none"))?;
        match checked.link_behind(told) {
            None => Err(self.bad(acts + 1, "is gone, and what came behind it: the head tells of more acts")),
            Some((link, generation)) if !self.is_head(head, told, &link, generation) => {
                Err(self.bad(told, "is not the line that the head was written behind"))
            }
            Some(_) => Ok(()),
        }
    }

    fn io(&self, error: std::io::Error) -> ActError {
        ChainError::Io { path: self.file.path().to_owned(), error }.into()
    }

    fn bad(&self, line: u64, reason: &'static str) -> ActError {
        self.file.bad(line, reason).into()
    }
}
