//! Measures the directory: `cargo run --release -p enrolment --example measure -- DIR CITIZENS`.
//!
//! Imports a whole file of so many citizens (made as it is read), a change file of a hundred thousand lines of another
//! bank, and looks up a million citizens, drawn evenly; prints times, bytes and memory.

use std::error::Error;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Instant;

use credential::{CitizenNumber, Pseudonym};
use enrolment::{Enrolment, Mode, Options, Progress, import};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const LOOKUPS: usize = 1_000_000;

/// The text of a file, line by line.
struct Lines<F> {
    line: F,
    next: u64,
    end: u64,
    rest: Vec<u8>,
}

impl<F: Fn(u64) -> String> Read for Lines<F> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.len() < into.len() && self.next < self.end {
            self.rest.extend((self.line)(self.next).as_bytes());
            self.next += 1;
        }
        let taken = self.rest.len().min(into.len());
        into[..taken].copy_from_slice(&self.rest[..taken]);
        self.rest.drain(..taken);
        Ok(taken)
    }
}

/// A number of province 001 for each index below 400 million.
fn number(index: u64) -> String {
    format!("001{}{:02}{:06}", index / 100_000_000, index / 1_000_000 % 100, index % 1_000_000)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(citizens)) = (arguments.next(), arguments.next()) else {
        return Err("usage: measure DIR CITIZENS".into());
    };
    let (dir, citizens): (&Path, u64) = (Path::new(&dir), citizens.parse()?);
    let key = Hmac::<Sha256>::new_from_slice(&[7; 32])?;
    let pseudonym = |number: &CitizenNumber| {
        let mut mac = key.clone();
        mac.update(number.digits());
        Pseudonym(*mac.finalize().into_bytes().first_chunk().expect("SHA-256 has 32 bytes"))
    };
    let run = |issuer: &str, mode, line: fn(u64) -> String, lines| -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        let text = Lines { line, next: 0, end: lines, rest: Vec::new() };
        let options = Options { mode, strict: true, lines_expected: Some(lines) };
        let mut read_s = 0.0;
        let progress = |step| {
            if let Progress::Read { .. } = step {
                read_s = start.elapsed().as_secs_f64();
            }
        };
        let report = import(
            dir,
            issuer.parse()?,
            BufReader::with_capacity(1 << 16, text),
            options,
            pseudonym,
            progress,
        )?;
        println!(
            "{mode:?} of {lines} lines: {:.1} s ({read_s:.1} s reading), {} linked, peak {}",
            start.elapsed().as_secs_f64(),
            report.linked,
            peak_memory()
        );
        Ok(())
    };
    run("970418", Mode::Whole, |index| format!("{},0011004{index:08},1\n", number(index)), citizens)?;
    run("970415", Mode::Changes, |index| format!("link,{},1017{index:08}\n", number(index * 7)), 100_000)?;

    let enrolment = Enrolment::open(dir)?;
    let start = Instant::now();
    enrolment.check()?;
    let file = dir.join(format!("generation-{:010}", enrolment.generation()));
    println!(
        "{} citizens in {} bytes, checked in {:.1} s",
        enrolment.citizens(),
        file.metadata()?.len(),
        start.elapsed().as_secs_f64()
    );
    let mut state = 1_u64;
    let mut wanted = Vec::with_capacity(LOOKUPS);
    for _ in 0..LOOKUPS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        wanted.push(pseudonym(&CitizenNumber::parse(number((state >> 32) % citizens).as_bytes())?));
    }
    let mut times_ns = Vec::with_capacity(LOOKUPS);
    for pseudonym in &wanted {
        let start = Instant::now();
        let accounts = enrolment.accounts(pseudonym)?;
        times_ns.push(start.elapsed().as_nanos());
        assert!(!accounts.is_empty(), "every citizen was imported");
    }
    let mean_ns = times_ns.iter().sum::<u128>() / LOOKUPS as u128;
    times_ns.sort_unstable();
    let at = |share: usize| times_ns[LOOKUPS * share / 1_000] as f64 / 1_000.0;
    println!(
        "look-up: mean {:.2} us, median {:.2}, p99 {:.2}, p99.9 {:.2}; resident {}",
        mean_ns as f64 / 1_000.0,
        at(500),
        at(990),
        at(999),
        status("VmRSS:")
    );
    Ok(())
}

fn peak_memory() -> String {
    status("VmHWM:")
}

fn status(line: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = text.lines().find_map(|text| text.strip_prefix(line));
    found.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
}
