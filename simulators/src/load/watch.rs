//! What the processes of a load used and did while a phase's clock ran: CPU, memory, the disk, stages, what banks held.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::cpu::{self, Threads};
use super::measure::{Phase, note};
use super::stages::Page;
use crate::bank::{HOLD_BYTES, read_holds};

/// The switch's page of metrics has to come within this.
const PAGE_WAIT_MAX: Duration = Duration::from_secs(10);

/// And is read up to so many bytes.
const PAGE_BYTES_MAX: u64 = 8 << 20;

/// The processes of a load, and what they tell.
#[derive(Debug)]
pub(super) struct Processes {
    pub(super) switch: u32,
    pub(super) banks: Vec<u32>,
    /// Where the switch's metrics are.
    pub(super) admin: SocketAddr,
    /// The banks' files of holds, and what has been read of them, bytes.
    pub(super) holds: Vec<(PathBuf, u64)>,
    /// What [`Processes::shares`] saw last: switch, banks, this process.
    pub(super) shown_us: [u64; 3],
}

/// How things stood at a moment.
pub(super) struct Look {
    at_us: u64,
    switch_us: u64,
    banks_us: Vec<u64>,
    own_us: u64,
    threads_us: Threads,
    written_bytes: u64,
    /// Comes from a thread of its own: the sender does not wait for it.
    page: JoinHandle<io::Result<Page>>,
}

impl Processes {
    /// How things stand.
    ///
    /// # Errors
    /// A process is gone.
    pub(super) fn look(&self, at_us: u64) -> io::Result<Look> {
        let admin = self.admin;
        Ok(Look {
            at_us,
            switch_us: cpu::used_us(self.switch)?,
            banks_us: self.banks.iter().map(|bank| cpu::used_us(*bank)).collect::<io::Result<_>>()?,
            own_us: cpu::used_us(std::process::id())?,
            threads_us: cpu::by_thread_us(self.switch)?,
            written_bytes: written_bytes(self.switch),
            page: thread::Builder::new().name("metrics".to_owned()).spawn(move || page(admin))?,
        })
    }

    /// Shares of a core since the last call, about `span` ago, for a line on a terminal.
    pub(super) fn shares(&mut self, span: Duration) -> String {
        let used = |pid: u32| cpu::used_us(pid).unwrap_or(0);
        let now_us = [
            used(self.switch),
            self.banks.iter().map(|bank| used(*bank)).sum::<u64>(),
            used(std::process::id()),
        ];
        let before_us = std::mem::replace(&mut self.shown_us, now_us);
        let [switch, banks, own] = std::array::from_fn(|index| {
            now_us[index].saturating_sub(before_us[index]) as f64 * 100.0 / span.as_micros().max(1) as f64
        });
        format!("CPU switch {switch:.0} %, banks {banks:.0} %, load {own:.0} %")
    }

    /// What happened between two looks, into the phase.
    ///
    /// # Errors
    /// The switch's metrics cannot be read.
    pub(super) fn between(&self, before: Look, after: Look, phase: &mut Phase) -> io::Result<()> {
        phase.seconds = (after.at_us - before.at_us) as f64 / 1e6;
        phase.switch_us = after.switch_us - before.switch_us;
        phase.banks_us =
            after.banks_us.iter().zip(&before.banks_us).map(|(after, before)| after - before).collect();
        phase.own_us = after.own_us - before.own_us;
        phase.switch_threads_us = cpu::difference(&before.threads_us, &after.threads_us);
        // Threads are counted more finely than their process, and not those that have ended.
        phase.switch_us = phase.switch_us.max(phase.switch_threads_us.values().sum());
        phase.written_bytes = after.written_bytes.saturating_sub(before.written_bytes);
        phase.switch_memory_bytes = memory_bytes(self.switch);
        let took = |page: JoinHandle<io::Result<Page>>| {
            page.join().map_err(|_| io::Error::other("the reader of metrics has panicked"))?
        };
        let (before, after) = (took(before.page)?, took(after.page)?);
        phase.syncs = after.syncs.saturating_sub(before.syncs);
        phase.stages = after.since(&before);
        Ok(())
    }

    /// Takes from each approval's time what its bank held it; those that no bank has noted are left out.
    ///
    /// # Errors
    /// A file of holds cannot be read.
    pub(super) fn take_off_holds(&mut self, phase: &mut Phase) -> io::Result<()> {
        let mut held_us = HashMap::new();
        for (path, taken) in &mut self.holds {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(*taken))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            *taken += (bytes.len() / HOLD_BYTES * HOLD_BYTES) as u64;
            held_us.extend(read_holds(&bytes));
        }
        for (rrn, waited_us) in std::mem::take(&mut phase.approvals) {
            if let Some(held_us) = held_us.get(&rrn) {
                note(&mut phase.held_us, *held_us);
                note(&mut phase.added_us, waited_us.saturating_sub(*held_us));
            }
        }
        Ok(())
    }
}

fn page(admin: SocketAddr) -> io::Result<Page> {
    let mut stream = TcpStream::connect_timeout(&admin, PAGE_WAIT_MAX)?;
    stream.set_read_timeout(Some(PAGE_WAIT_MAX))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Page::read(&text))
}

/// What a process has written to files; 0 where the system does not tell. Its `write_bytes` are of no use: a page that is
/// written twice, or shares its memory with others, counts more than once.
fn written_bytes(pid: u32) -> u64 {
    number(&format!("/proc/{pid}/io"), "wchar:").unwrap_or(0)
}

/// What a process has of memory.
fn memory_bytes(pid: u32) -> u64 {
    number(&format!("/proc/{pid}/status"), "VmRSS:").map_or(0, |kib| kib * 1024)
}

fn number(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_bank_held_is_taken_off_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("holds");
        let entry = |rrn: u64, us: u64| [rrn.to_le_bytes(), us.to_le_bytes()].concat();
        fs::write(&path, [entry(1, 300), entry(2, 100)].concat()).unwrap();
        let admin = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut processes =
            Processes { switch: 1, banks: Vec::new(), admin, holds: vec![(path, 0)], shown_us: [0; 3] };
        let mut phase = Phase::new();
        phase.approvals = vec![(1, 1_000), (2, 50), (3, 9_000)];
        processes.take_off_holds(&mut phase).unwrap();
        assert_eq!((phase.added_us.len(), phase.added_us.max(), phase.added_us.min()), (2, 700, 1));
        assert_eq!(processes.holds[0].1, 32);
        phase.approvals = vec![(1, 1_000)];
        processes.take_off_holds(&mut phase).unwrap();
        assert_eq!((phase.added_us.len(), phase.approvals.len()), (2, 0));
    }

    #[test]
    fn the_system_tells_of_this_process() {
        assert!(memory_bytes(std::process::id()) > 1 << 20);
        assert_eq!(number("/proc/self/status", "NoSuchThing:"), None);
    }
}
