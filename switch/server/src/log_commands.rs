//! `atm-switch log show|find|verify`: reads the durable log of a switch that is stopped.

use std::collections::BTreeSet;
use std::io::Write;

use journal::{LogReader, Options, SegmentLog};
use processor::{Class, Institution, Name, Position, Record, Rrn, TerminalId, TxKey, UtcSeconds};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::FindBy;
use crate::config::Settings;
use crate::log_view;

/// Prints records, oldest first.
///
/// # Errors
/// The log cannot be read, or nobody reads the output.
pub fn show(
    settings: &Settings,
    json: bool,
    from: Position,
    limit: Option<u64>,
    out: &mut impl Write,
) -> Result<(), String> {
    let log = open(settings)?;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    for next in log.reader().scan(from).take(limit) {
        let (position, record) = next.map_err(|error| error.to_string())?;
        print(position, &record, json, out)?;
    }
    Ok(())
}

/// Prints all records of the transactions that match.
///
/// # Errors
/// As [`show`]; nothing matches; a name is not well formed.
pub fn find(settings: &Settings, by: &FindBy, json: bool, out: &mut impl Write) -> Result<(), String> {
    let wanted = Wanted::parse(by)?;
    let log = open(settings)?;
    let reader = log.reader();
    let keys = match wanted.key {
        Some(key) => BTreeSet::from([key]),
        None => wanted.search(&reader)?,
    };
    let mut found = false;
    for key in keys {
        let Some(told) = reader.transaction(&key).map_err(|error| error.to_string())? else { continue };
        found = true;
        for (position, record) in &told.records {
            print(*position, record, json, out)?;
        }
    }
    if found { Ok(()) } else { Err("no transaction matches".to_owned()) }
}

/// Reads every record: checksums and chain when the log is opened, the records themselves here.
///
/// # Errors
/// The first record that is bad, by its position.
pub fn verify(settings: &Settings, out: &mut impl Write) -> Result<(), String> {
    let log = open(settings)?;
    let mut records = 0u64;
    for next in log.reader().scan(0) {
        next.map_err(|error| error.to_string())?;
        records += 1;
    }
    writeln!(out, "{records} records, every checksum, chain link and sequence right")
        .map_err(|error| error.to_string())
}

fn open(settings: &Settings) -> Result<SegmentLog, String> {
    let options = Options::new(settings.switch.log_dir.clone(), settings.keys.data.clone());
    let (log, recovered) =
        SegmentLog::open(options, Box::new(|_| {})).map_err(|error| format!("log: {error}"))?;
    if let Some(cut) = recovered.cut {
        eprintln!("atm-switch: log: {cut}");
    }
    Ok(log)
}

fn print(position: Position, record: &Record, json: bool, out: &mut impl Write) -> Result<(), String> {
    let written = if json {
        writeln!(out, "{}", log_view::json(position, record))
    } else {
        writeln!(out, "{}", log_view::line(position, record))
    };
    written.map_err(|error| error.to_string())
}

struct Wanted {
    key: Option<TxKey>,
    rrn: Option<Rrn>,
    stan: Option<u32>,
    terminal: Option<TerminalId>,
}

impl Wanted {
    fn parse(by: &FindBy) -> Result<Wanted, String> {
        let named = |name: &str, text: &str| format!("--{name}: `{text}` is not well formed");
        let key = by.key.as_deref().map(|text| key(text).ok_or_else(|| named("key", text))).transpose()?;
        let rrn = by.rrn.as_deref();
        let rrn =
            rrn.map(|text| Rrn::parse(text.as_bytes()).ok_or_else(|| named("rrn", text))).transpose()?;
        let terminal = by.terminal.as_deref();
        let terminal = terminal
            .map(|text| TerminalId::parse(text.as_bytes()).ok_or_else(|| named("terminal", text)))
            .transpose()?;
        Ok(Wanted { key, rrn, stan: by.stan, terminal })
    }

    /// By the index where an RRN is given; otherwise every record is read.
    fn search(&self, reader: &LogReader) -> Result<BTreeSet<TxKey>, String> {
        if let Some(rrn) = self.rrn {
            let named = reader.named(&Name::Rrn(rrn)).map_err(|error| error.to_string())?;
            return Ok(named.into_iter().filter(|key| self.fits(key)).collect());
        }
        let mut keys = BTreeSet::new();
        for next in reader.scan(0) {
            let (_, record) = next.map_err(|error| error.to_string())?;
            if let Some(key) = record.transaction.filter(|key| self.fits(key)) {
                keys.insert(key);
            }
        }
        Ok(keys)
    }

    fn fits(&self, key: &TxKey) -> bool {
        self.stan.is_none_or(|stan| key.stan == stan)
            && self.terminal.is_none_or(|terminal| key.terminal == terminal)
    }
}

/// Reads what [`TxKey`] writes: the terminal is 8 characters of any kind, so the others are taken off both ends.
fn key(text: &str) -> Option<TxKey> {
    let (class, rest) = text.split_once('/')?;
    let (acquirer, rest) = rest.split_once('/')?;
    let (rest, stan) = rest.rsplit_once('/')?;
    let (terminal, at) = rest.rsplit_once('/')?;
    Some(TxKey {
        class: Class::of_mti(class.parse().ok()?)?,
        acquirer: Institution::parse(acquirer.as_bytes())?,
        terminal: TerminalId::parse(terminal.as_bytes())?,
        sent_at: UtcSeconds(OffsetDateTime::parse(at, &Rfc3339).ok()?.unix_timestamp()),
        stan: stan.parse().ok().filter(|stan| *stan <= 999_999)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        for text in [
            "0200/970418/HN000001/2026-05-03T01:02:03Z/000017",
            "0420/1/A/B C/D /2026-12-31T23:59:59Z/999999",
        ] {
            assert_eq!(key(text).unwrap().to_string(), text);
        }
        for text in
            ["0210/970418/HN000001/2026-05-03T01:02:03Z/000017", "0200/970418/HN1/2026-05-03T01:02:03Z/1", ""]
        {
            assert_eq!(key(text), None, "{text}");
        }
    }
}
