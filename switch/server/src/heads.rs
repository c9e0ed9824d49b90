//! Signed heads of the log, kept in a second place: begun by a person, appended at intervals and at the end, compared at a
//! start (docs/log.md#heads). Nothing of the switch ever waits for that place.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use journal::{Head, LogReader, SignedHead, SignedHeads, verify};
use keys::{DataKeys, HeadKey};
use mutant::Mutant;

use crate::clock::Clock;

/// `[log]`.
#[derive(Clone, Debug)]
pub struct HeadsSettings {
    /// The file that heads are appended to.
    pub file: PathBuf,
    /// A head is signed at least so often while records come.
    pub interval_ms: u64,
    /// And when so many records are durable that none vouches for.
    pub records_max: u64,
    /// Signs them.
    pub key: HeadKey,
}

/// How often it is looked whether a head is due.
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(1);

/// The end of the process waits so long for its last head: a place that does not answer holds nothing up.
const LAST_HEAD_MAX: Duration = Duration::from_secs(2);

/// A start waits so long for the file.
const READ_MAX: Duration = Duration::from_secs(5);

/// A start looks at so much of the file's end: some 4,000 heads.
const READ_BYTES_MAX: u64 = 1 << 20;

/// In the log's directory: that heads of this log are kept elsewhere. A second place that is empty is then no first start.
const NOTE_FILE: &str = "heads.note";
const NOTE: &str =
    "Heads of this log are kept in a second place: one that is empty was emptied, or is not mounted.\n";

/// What a start knows of the second place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SecondPlace {
    /// It holds heads, and the log agrees with them.
    Vouches,
    /// It holds none, though heads were kept there, or could not be read.
    Silent,
}

/// The thread that signs. Dropped, it signs no more.
pub(crate) struct HeadsKeeper {
    ends: Sender<()>,
    ended: Receiver<()>,
}

impl HeadsKeeper {
    /// Starts it. A file that a start has not found is not made anew: it may be one that is not mounted.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(crate) fn start(
        settings: &HeadsSettings,
        node: &str,
        found: SecondPlace,
        reader: LogReader,
        clock: Clock,
    ) -> Result<HeadsKeeper, String> {
        let (ends, told) = channel();
        let (ending, ended) = channel();
        let pause = LOOK_PAUSE_MAX.min(Duration::from_millis(settings.interval_ms));
        let mut writer = HeadWriter {
            settings: settings.clone(),
            node: node.to_owned(),
            clock,
            kept_records: 0,
            may_create: found == SecondPlace::Vouches,
            tried: Instant::now(),
            has_failed: false,
        };
        let run = move || {
            while told.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                writer.look(reader.head(), false);
            }
            writer.look(reader.head(), true);
            // Nobody waits any more when this took too long.
            let _ = ending.send(());
        };
        let thread = std::thread::Builder::new().name("log-heads".to_owned()).spawn(run);
        thread.map_err(|error| format!("threads: {error}"))?;
        Ok(HeadsKeeper { ends, ended })
    }

    /// Signs the last head, of a log that takes no more.
    pub(crate) fn end(self) {
        let told = self.ends.send(());
        if told.is_err() || self.ended.recv_timeout(LAST_HEAD_MAX).is_err() {
            tracing::error!("the last head of the log could not be kept in time");
        }
    }
}

struct HeadWriter {
    settings: HeadsSettings,
    node: String,
    clock: Clock,
    /// The last head that was kept vouches for so many.
    kept_records: u64,
    /// Whether the file, when it is not there, was moved away while this process had it.
    may_create: bool,
    tried: Instant,
    has_failed: bool,
}

impl HeadWriter {
    /// Keeps a head where one is due.
    fn look(&mut self, head: Head, is_last: bool) {
        let new = head.records - self.kept_records;
        let interval = Duration::from_millis(self.settings.interval_ms);
        let is_due = is_last || self.tried.elapsed() >= interval || new >= self.settings.records_max;
        if new == 0 || !is_due {
            return;
        }
        self.tried = Instant::now();
        let signed = SignedHead { head, at_ms: self.clock.now().wall_ms, node: self.node.clone() };
        let kept = append(&self.settings.file, &signed.line(&self.settings.key), self.may_create);
        self.may_create |= kept.is_ok();
        self.tell(head, kept);
    }

    /// A place that takes nothing is told once, and once when it takes heads again.
    fn tell(&mut self, head: Head, kept: io::Result<()>) {
        let had_failed = std::mem::replace(&mut self.has_failed, kept.is_err());
        metrics::gauge!("atm_switch_log_heads_failing").set(f64::from(u8::from(kept.is_err())));
        match kept {
            Ok(()) => {
                self.kept_records = head.records;
                metrics::gauge!("atm_switch_log_heads_records").set(head.records as f64);
                metrics::counter!("atm_switch_log_heads_total").increment(1);
                if had_failed {
                    tracing::info!(file = %self.settings.file.display(), "heads of the log are kept again");
                }
            }
            Err(error) if !had_failed => {
                tracing::error!(file = %self.settings.file.display(), %error, "a head of the log cannot be kept: the log goes on, and what is cut from here on may not be found out");
            }
            Err(_) => {}
        }
    }
}

/// Opened anew each time, so that the file may be moved away at any moment. A line that a power loss has torn is ended.
fn append(path: &Path, line: &str, may_create: bool) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(may_create).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let torn = if last == *b"\n" { "" } else { "\n" };
    file.write_all(format!("{torn}{line}").as_bytes())?;
    file.sync_data()?;
    if is_new && let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Begins the second place of a log, which is a person's act and no program's: the head of what the log holds now is signed
/// into it, and noted in the log's directory. Gives the head.
///
/// # Errors
/// Heads of this log are kept there already, the log is not good, or one of both places cannot be written.
pub fn begin(settings: &HeadsSettings, log_dir: &Path, node: &str, data: &DataKeys) -> Result<Head, String> {
    let file = settings.file.display();
    let found = match end_of(&settings.file) {
        Ok(text) => SignedHeads::read(&text, node, &settings.key.public()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => SignedHeads::default(),
        Err(error) => return Err(format!("{file}: {error}")),
    };
    if let Some(longest) = found.longest() {
        return Err(format!(
            "{file}: heads of `{node}` are kept there already, up to {}",
            longest.head.records
        ));
    }
    std::fs::create_dir_all(log_dir).map_err(|error| format!("{}: {error}", log_dir.display()))?;
    let report = verify(log_dir, data, &[]).map_err(|error| error.to_string())?;
    if let Some(bad) = report.bad {
        return Err(format!("{}: record {} is bad: {}", bad.path.display(), bad.position, bad.reason));
    }
    let signed = SignedHead { head: report.head, at_ms: Clock::start().now().wall_ms, node: node.to_owned() };
    append(&settings.file, &signed.line(&settings.key), true).map_err(|error| format!("{file}: {error}"))?;
    write_note(log_dir)?;
    Ok(report.head)
}

/// Whether heads of this log were kept in a second place before.
pub fn were_kept(log_dir: &Path) -> bool {
    log_dir.join(NOTE_FILE).exists()
}

fn write_note(log_dir: &Path) -> Result<(), String> {
    let path = log_dir.join(NOTE_FILE);
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(NOTE.as_bytes())?;
        file.sync_all()?;
        File::open(log_dir)?.sync_all()
    };
    write().map_err(|error: io::Error| format!("{}: {error}", path.display()))
}

/// Refuses a log that has less than what was signed as durable, or another end: nobody may be paid twice because an
/// earlier copy was put back. Refuses one of which no head was ever kept: that nothing vouches for it yet, a person says
/// ([`begin`]). A place that was emptied, or cannot be read in time, is an alarm, and the start goes on.
///
/// # Errors
/// What the log lacks, or that its heads were never begun.
pub(crate) fn check_second_place(
    settings: &HeadsSettings,
    log_dir: &Path,
    node: &str,
    log: &LogReader,
) -> Result<SecondPlace, String> {
    let link_behind = |records| log.link_behind(records).map_err(|error| format!("log: {error}"));
    let checked = check(settings, log_dir, node, log.head().records, &link_behind)?;
    let is_silent = checked == SecondPlace::Silent;
    metrics::gauge!("atm_switch_log_heads_missing").set(f64::from(u8::from(is_silent)));
    Ok(checked)
}

/// Heads were kept, and the configuration says no more where: nothing vouches for the log, and nobody has said that this is meant.
pub(crate) fn tell_left_out(log_dir: &Path) {
    if were_kept(log_dir) {
        metrics::gauge!("atm_switch_log_heads_missing").set(1.0);
        tracing::error!(
            "heads of this log were kept, and the configuration has no log.heads_file: it is not known whether the log was put back"
        );
    }
}

/// `records` are durable; `link_behind` gives the chain's link behind so many of them.
fn check(
    settings: &HeadsSettings,
    log_dir: &Path,
    node: &str,
    records: u64,
    link_behind: &dyn Fn(u64) -> Result<Option<[u8; 32]>, String>,
) -> Result<SecondPlace, String> {
    let (sender, read) = channel();
    let path = settings.file.clone();
    let reading = move || {
        // Nobody waits any more when this took too long.
        let _ = sender.send(end_of(&path));
    };
    let thread = std::thread::Builder::new().name("log-heads".to_owned()).spawn(reading);
    thread.map_err(|error| format!("threads: {error}"))?;
    let file = settings.file.display();
    let text = match read.recv_timeout(READ_MAX) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Ok(Err(error)) => return Ok(silent(settings, &error.to_string())),
        Err(_) => return Ok(silent(settings, "it was not read in time")),
    };
    let heads = SignedHeads::read(&text, node, &settings.key.public());
    let Some(longest) = heads.longest() else {
        if mutant::is(Mutant::EmptyPlaceIsFirstStart) {
            return Ok(SecondPlace::Vouches);
        }
        if were_kept(log_dir) {
            return Ok(silent(settings, "no head of this log is there any more"));
        }
        return Err(format!(
            "log: {file} holds no head of `{node}`, and none was ever kept there; \
             `atm-switch log begin-heads` says that this is the first start with it"
        ));
    };
    if !were_kept(log_dir) {
        write_note(log_dir)?;
    }
    let kept = longest.head;
    let reason = match link_behind(kept.records)? {
        _ if mutant::is(Mutant::OlderLogStarted) => return Ok(SecondPlace::Vouches),
        None => "it ends before that, and so was cut or put back",
        Some(link) if link != kept.link => "it holds other records, and so was put back and gone on with",
        Some(_) => return Ok(SecondPlace::Vouches),
    };
    Err(format!(
        "log: {records} records; {file} vouches for {}, and {reason}; `atm-switch log verify --heads` tells more",
        kept.records
    ))
}

fn silent(settings: &HeadsSettings, reason: &str) -> SecondPlace {
    let file = settings.file.display();
    tracing::error!(%file, reason, "the second place does not vouch for the log: it is not known whether the log was put back");
    SecondPlace::Silent
}

fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(READ_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cmp::Ordering;

    use keys::Key;

    use super::*;

    fn writer(file: PathBuf, records_max: u64) -> HeadWriter {
        let key = HeadKey::new(&Key::new([9; 32]));
        let settings = HeadsSettings { file, interval_ms: 3_600_000, records_max, key };
        let clock = Clock::start();
        let node = "a".to_owned();
        let tried = Instant::now();
        HeadWriter { settings, node, clock, kept_records: 0, may_create: true, tried, has_failed: false }
    }

    fn data() -> DataKeys {
        DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]))
    }

    fn head(records: u64) -> Head {
        Head { records, link: [records as u8; 32] }
    }

    fn kept(writer: &HeadWriter) -> Vec<u64> {
        let text = std::fs::read_to_string(&writer.settings.file).unwrap_or_default();
        let read = SignedHeads::read(&text, "a", &writer.settings.key.public());
        read.heads.iter().map(|signed| signed.head.records).collect()
    }

    #[test]
    fn heads_are_kept_by_number_and_at_the_end_and_no_more_than_that() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path().join("heads"), 100);
        for records in [0, 99, 100, 150, 199, 200] {
            writer.look(head(records), false);
        }
        assert_eq!(kept(&writer), [100, 200]);
        writer.look(head(200), true);
        writer.look(head(201), true);
        assert_eq!(kept(&writer), [100, 200, 201]);
    }

    #[test]
    fn a_place_that_takes_nothing_is_tried_again_and_a_torn_line_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path().join("away/heads"), 1);
        writer.look(head(1), false);
        assert!(writer.has_failed);
        std::fs::create_dir(dir.path().join("away")).unwrap();
        std::fs::write(&writer.settings.file, "atm-switch-head-1 1:00").unwrap();
        writer.look(head(2), false);
        assert!(!writer.has_failed);
        assert_eq!(kept(&writer), [2]);
    }

    #[test]
    fn a_start_refuses_what_is_shorter_or_other_than_was_signed() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path().join("heads"), 1);
        let start = |writer: &HeadWriter, node: &str, now: Head| {
            let link = |records: u64| match records.cmp(&now.records) {
                Ordering::Less => Ok(Some(head(records).link)),
                Ordering::Equal => Ok(Some(now.link)),
                Ordering::Greater => Ok(None),
            };
            check(&writer.settings, dir.path(), node, now.records, &link)
        };
        writer.look(head(5), false);
        assert_eq!(start(&writer, "a", head(5)), Ok(SecondPlace::Vouches));
        assert_eq!(start(&writer, "a", head(6)), Ok(SecondPlace::Vouches));
        let other_node = start(&writer, "b", head(4));
        assert_eq!(other_node, Ok(SecondPlace::Silent), "another switch's heads say nothing of this log");
        assert!(start(&writer, "a", head(4)).unwrap_err().contains("vouches for 5"));
        let other = Head { link: [7; 32], ..head(5) };
        assert!(start(&writer, "a", other).unwrap_err().contains("other records"));
    }

    #[test]
    fn a_second_place_that_is_not_mounted_is_an_alarm_and_no_first_start() {
        let dir = tempfile::tempdir().unwrap();
        let (log_dir, mount) = (dir.path().join("log"), dir.path().join("mount"));
        std::fs::create_dir(&mount).unwrap();
        let mut writer = writer(mount.join("heads"), 1);
        let settings = writer.settings.clone();
        let start = |now: Head| {
            let link = |records: u64| match records.cmp(&now.records) {
                Ordering::Less => Ok(Some(head(records).link)),
                Ordering::Equal => Ok(Some(now.link)),
                Ordering::Greater => Ok(None),
            };
            check(&settings, &log_dir, "a", now.records, &link)
        };
        assert!(start(head(0)).unwrap_err().contains("begin-heads"), "nobody has said that it is the first");
        let begun = begin(&settings, &log_dir, "a", &data()).unwrap();
        assert_eq!((begun.records, start(begun)), (0, Ok(SecondPlace::Vouches)));
        assert!(begin(&settings, &log_dir, "a", &data()).unwrap_err().contains("already"));

        // What is behind the mount is gone, and an empty directory in its place.
        std::fs::rename(&mount, dir.path().join("unmounted")).unwrap();
        std::fs::create_dir(&mount).unwrap();
        assert_eq!(start(head(0)), Ok(SecondPlace::Silent));
        writer.may_create = false;
        writer.look(head(3), false);
        assert!(writer.has_failed && !settings.file.exists(), "no second beginning is made in its place");
        std::fs::remove_dir(&mount).unwrap();
        std::fs::rename(dir.path().join("unmounted"), &mount).unwrap();
        writer.look(head(4), false);
        assert_eq!(kept(&writer), [0, 4]);

        std::fs::write(&settings.file, "").unwrap();
        assert_eq!(start(head(4)), Ok(SecondPlace::Silent), "emptied");
        std::fs::remove_file(log_dir.join(NOTE_FILE)).unwrap();
        assert!(
            start(head(4)).unwrap_err().contains("begin-heads"),
            "emptied, and the log put back without a note"
        );
    }
}
