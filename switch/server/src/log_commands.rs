//! `atm-switch log show|find`: reads the durable log from its files, also beside a running switch.

use std::io::Write;

use journal::{LogFiles, Wanted, record_json};
use processor::{Name, Position, Record, Rrn, TerminalId};

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
    let log = files(settings);
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    for next in log.scan(from).map_err(|error| error.to_string())?.take(limit) {
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
    let criteria = Criteria::parse(by)?;
    let log = files(settings);
    let mut found = false;
    match criteria.wanted {
        Some(wanted) => {
            for told in log.find(&wanted).map_err(|error| error.to_string())? {
                for (position, record) in told.records.iter().filter(|(_, record)| criteria.fits(record)) {
                    found = true;
                    print(*position, record, json, out)?;
                }
            }
        }
        None => {
            for next in log.scan(0).map_err(|error| error.to_string())? {
                let (position, record) = next.map_err(|error| error.to_string())?;
                if criteria.fits(&record) {
                    found = true;
                    print(position, &record, json, out)?;
                }
            }
        }
    }
    if found { Ok(()) } else { Err("no transaction matches".to_owned()) }
}

pub(crate) fn files(settings: &Settings) -> LogFiles {
    LogFiles::new(&settings.switch.log_dir, settings.keys.data.clone())
}

pub(crate) fn print(
    position: Position,
    record: &Record,
    json: bool,
    out: &mut impl Write,
) -> Result<(), String> {
    let written = if json {
        writeln!(out, "{}", record_json(position, record))
    } else {
        writeln!(out, "{}", log_view::line(position, record))
    };
    written.map_err(|error| error.to_string())
}

struct Criteria {
    /// What leads to transactions; without it every record is looked at.
    wanted: Option<Wanted>,
    stan: Option<u32>,
    terminal: Option<TerminalId>,
}

impl Criteria {
    fn parse(by: &FindBy) -> Result<Criteria, String> {
        let key = named("key", by.key.as_deref(), |text| text.parse().ok())?.map(Wanted::Key);
        let rrn = named("rrn", by.rrn.as_deref(), |text| Rrn::parse(text.as_bytes()))?;
        let terminal = named("terminal", by.terminal.as_deref(), |text| TerminalId::parse(text.as_bytes()))?;
        let wanted = key.or(rrn.map(|rrn| Wanted::Name(Name::Rrn(rrn))));
        Ok(Criteria { wanted, stan: by.stan, terminal })
    }

    fn fits(&self, record: &Record) -> bool {
        record.transaction.is_some_and(|key| {
            self.stan.is_none_or(|stan| key.stan == stan)
                && self.terminal.is_none_or(|terminal| key.terminal == terminal)
        })
    }
}

fn named<T>(name: &str, text: Option<&str>, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
    let Some(text) = text else { return Ok(None) };
    parse(text).map(Some).ok_or_else(|| format!("--{name}: `{text}` is not well formed"))
}
