//! Acts on disk: a file that is only appended to, each line chained to the one before it under K_log.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use keys::DataKeys;
use serde_json::Value;

use crate::act::{Act, Deed};
use crate::cases::{Casework, Refused};

/// The file's name.
pub const ACTS_FILE: &str = "casework.jsonl";

/// Beside it: how many acts there are, so that lines cut from the end are missed.
pub const HEAD_FILE: &str = "casework.head";

/// Bytes of one line; an act that would have more is refused.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What stands in front of a line where it is chained, so that no link of another file is one of this.
const CHAINED: &[u8] = b"atm-switch casework 1\0";
const FIRST: [u8; 32] = [0; 32];

/// What stands in front of a head where it is chained.
const HEAD: &[u8] = b"atm-switch casework head 1\0";

/// Why an act could not be recorded, or the acts not be read.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The system's own.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A line that is not what was written.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// It may not be done.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// The acts of one switch. Several processes may append to them.
#[derive(Clone, Debug)]
pub struct ActFile {
    path: PathBuf,
    keys: DataKeys,
}

/// All acts as they were read, and where the next one goes.
struct Whole {
    casework: Casework,
    acts: Vec<Act>,
    /// The link behind each act, and the generation of K_log that made it: none is older than the one before it.
    links: Vec<([u8; 32], u8)>,
    /// Bytes of whole lines; what a crash left of one more was told to nobody.
    bytes: u64,
}

impl Whole {
    fn link(&self) -> [u8; 32] {
        self.links.last().map_or(FIRST, |(link, _)| *link)
    }
}

impl ActFile {
    /// The acts in a directory; nothing is opened yet.
    pub fn new(dir: &Path, keys: DataKeys) -> ActFile {
        ActFile { path: dir.join(ACTS_FILE), keys }
    }

    /// How everything stands, and all acts. Each is checked against the chain. Without a file there is none.
    ///
    /// # Errors
    /// [`ActError::Line`] names the first line that is not what was written; or lines are gone from the end.
    pub fn read(&self) -> Result<(Casework, Vec<Act>), ActError> {
        // Before the acts: of those that come between, the head says nothing.
        let head = self.head()?;
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(self.io(error)),
        };
        let whole = self.whole(&bytes)?;
        self.check_head(head.as_deref(), &whole)?;
        Ok((whole.casework, whole.acts))
    }

    /// Does something: checks it against all that was done, records it, and gives how everything stands then. It is durable when this returns.
    ///
    /// The head is written behind the line: where that fails the act stands all the same, a warning tells of it, and the next act writes the head of both.
    ///
    /// # Errors
    /// [`ActError`]; nothing was recorded.
    pub fn act(&self, at_ms: i64, who: &str, from: &str, deed: Deed) -> Result<Casework, ActError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| self.io(error))?;
        let opened = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path);
        let mut file = opened.map_err(|error| self.io(error))?;
        file.lock().map_err(|error| self.io(error))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| self.io(error))?;
        let whole = self.whole(&bytes)?;
        let head = self.head()?;
        self.check_head(head.as_deref(), &whole)?;
        let link = whole.link();
        let Whole { mut casework, bytes: whole_bytes, .. } = whole;
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
        let line = self.line(&link, &act);
        if line.len() > LINE_BYTES_MAX {
            return Err(self.bad(act.number + 1, "would be longer than a line may be"));
        }
        // Before the line: several lines without a head are refused, and a line that is durable was recorded.
        if head.is_none() {
            self.keep_head(act.number, &link).map_err(|error| self.io(error))?;
        }
        if head.is_none() || whole_bytes == 0 {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| self.io(error))?;
        }
        if whole_bytes < bytes.len() as u64 {
            file.set_len(whole_bytes).map_err(|error| self.io(error))?;
        }
        if let Err(error) = file.write_all(line.as_bytes()).and_then(|()| file.sync_all()) {
            // It is told as not recorded, and must not be read back.
            file.set_len(whole_bytes).ok();
            return Err(self.io(error));
        }
        if let Err(error) = self.keep_head(act.number + 1, &self.link(&link, &act)) {
            let file = HEAD_FILE;
            tracing::warn!(file, %error, act = act.number, "an act is recorded, and the head tells of fewer");
        }
        casework.apply(&act);
        Ok(casework)
    }

    fn head(&self) -> Result<Option<String>, ActError> {
        match std::fs::read_to_string(self.path.with_file_name(HEAD_FILE)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    /// Written behind the act: a crash between leaves a head that tells of fewer acts than there are.
    fn keep_head(&self, acts: u64, link: &[u8; 32]) -> std::io::Result<()> {
        let path = self.path.with_file_name(HEAD_FILE);
        let part = path.with_extension("part");
        let opened = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&part);
        let mut file = opened?;
        file.write_all(self.head_of(acts, link).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, &path)
    }

    fn head_of(&self, acts: u64, link: &[u8; 32]) -> String {
        format!("{acts}\t{}\n", hex(&self.keys.chain(link, HEAD)))
    }

    /// Whether it was written behind this link, under its generation of K_log or a higher one.
    fn is_head(&self, head: &str, acts: u64, link: &[u8; 32], least: u8) -> bool {
        let told = head.strip_prefix(&format!("{acts}\t")).and_then(|rest| unhex(rest.strip_suffix('\n')?));
        told.is_some_and(|told| self.keys.chained_by(least, link, HEAD, &told).is_some())
    }

    /// Without a head there is one act at most: a head of none stands there before the first. Lines ahead of the head follow from those that it tells of.
    fn check_head(&self, head: Option<&str>, whole: &Whole) -> Result<(), ActError> {
        let acts = whole.links.len() as u64;
        let Some(head) = head else {
            return if acts <= 1 {
                Ok(())
            } else {
                Err(self.bad(acts, "has no head beside it: it may be cut"))
            };
        };
        let told = head.split('\t').next().and_then(|text| text.parse::<u64>().ok());
        let told = told.ok_or_else(|| self.bad(acts, "has a head that is none"))?;
        let link = match told {
            0 => Some((FIRST, 0)),
            _ => usize::try_from(told - 1).ok().and_then(|last| whole.links.get(last).copied()),
        };
        match link {
            None => Err(self.bad(acts + 1, "is gone, and what came behind it: the head tells of more acts")),
            Some((link, generation)) if !self.is_head(head, told, &link, generation) => {
                Err(self.bad(told, "is not the line that the head was written behind"))
            }
            Some(_) => Ok(()),
        }
    }

    fn whole(&self, bytes: &[u8]) -> Result<Whole, ActError> {
        let mut whole =
            Whole { casework: Casework::default(), acts: Vec::new(), links: Vec::new(), bytes: 0 };
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let place = whole.casework.next() + 1;
            let generation = whole.links.last().map_or(0, |(_, generation)| *generation);
            let (act, link, generation) = self.checked(line, place, &whole.link(), generation)?;
            whole.links.push((link, generation));
            whole.bytes += line.len() as u64;
            whole.casework.apply(&act);
            whole.acts.push(act);
        }
        Ok(whole)
    }

    fn checked(
        &self,
        line: &[u8],
        place: u64,
        before: &[u8; 32],
        least: u8,
    ) -> Result<(Act, [u8; 32], u8), ActError> {
        let (body, chain) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.trim_end_matches('\n').rsplit_once('\t'))
            .ok_or_else(|| self.bad(place, "is no line of acts"))?;
        let act: Act = serde_json::from_str(body).map_err(|_| self.bad(place, "is no line of acts"))?;
        if act.number + 1 != place {
            return Err(self.bad(place, "has another number than its place: lines are gone or were moved"));
        }
        let link = unhex(chain).filter(|_| text(&act) == body);
        let chained = |link: &[u8; 32]| self.keys.chained_by(least, before, &chained_text(&act), link);
        let followed = link.and_then(|link| Some((link, chained(&link)?)));
        let (link, generation) = followed
            .ok_or_else(|| self.bad(place, "does not follow from the line before it: it was changed"))?;
        Ok((act, link, generation))
    }

    fn line(&self, before: &[u8; 32], act: &Act) -> String {
        format!("{}\t{}\n", text(act), hex(&self.link(before, act)))
    }

    fn link(&self, before: &[u8; 32], act: &Act) -> [u8; 32] {
        self.keys.chain(before, &chained_text(act))
    }

    fn io(&self, error: std::io::Error) -> ActError {
        ActError::Io { path: self.path.clone(), error }
    }

    fn bad(&self, line: u64, reason: &'static str) -> ActError {
        ActError::Line { path: self.path.clone(), line, reason }
    }
}

fn text(act: &Act) -> String {
    let value: Value = serde_json::to_value(act).expect("an act has texts alone for keys");
    value.to_string()
}

fn chained_text(act: &Act) -> Vec<u8> {
    [CHAINED, text(act).as_bytes()].concat()
}

/// 64 hex digits, in digits and small letters: a link has one spelling.
fn unhex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_hex = digits.len() == 64 && digits.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)).filter(|_| is_hex) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    is_hex.then_some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
