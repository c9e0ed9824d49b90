//! `atm-switch enrolment import|show`: takes banks' files in, shows a citizen's accounts; both leave a line in the audit
//! file.

use std::io::{BufReader, Read, Write};
use std::path::Path;

use credential::CitizenNumber;
use enrolment::{Enrolment, Error, Mode, Options, Report};
use processor::Institution;
use serde_json::json;

use crate::audit_file::AuditFile;
use crate::cli::or_standard_input;
use crate::config::Settings;

/// Longer than any citizen number with its line's end.
const NUMBER_BYTES_MAX: u64 = 64;

/// Takes a bank's file in and lists the lines that were rejected.
///
/// # Errors
/// The directory stays as it was.
pub fn import(
    settings: &Settings,
    file: &Path,
    bank: &str,
    mode: Mode,
    strict: bool,
    out: &mut impl Write,
) -> Result<(), String> {
    let bank: Institution = bank.parse()?;
    if !settings.issuers.contains_key(&bank) {
        return Err(format!("{bank} is no [[issuer]] of the configuration"));
    }
    let named = |error: std::io::Error| format!("{}: {error}", file.display());
    let reader = BufReader::new(std::fs::File::open(file).map_err(named)?);
    let options = Options { mode, strict, lines_expected: None };
    let pseudonym = |number: &CitizenNumber| settings.keys.data.pseudonym(number);
    let taken = enrolment::import(&settings.switch.enrolment_dir, bank, reader, options, pseudonym, |_| {});
    let report = match &taken {
        Ok(report) => report,
        Err(Error::Refused(report) | Error::Empty(report)) => report,
        Err(error) => return Err(error.to_string()),
    };
    list(report, out).map_err(|error| error.to_string())?;
    if let Err(error) = taken {
        return Err(error.to_string());
    }
    let generation = report.generation;
    let file = file.display().to_string();
    AuditFile::of(settings).record(
        json!({ "act": "enrolment import", "bank": bank.to_string(), "file": file, "generation": generation }),
    )?;
    writeln!(
        out,
        "{} lines: {} linked, {} unlinked, {} defaults changed, {} rejected; generation {generation}",
        report.lines, report.linked, report.unlinked, report.changed, report.rejected_count
    )
    .map_err(|error| error.to_string())
}

/// Shows a citizen's accounts, masked. Who looked is recorded first: without the record nothing is shown.
///
/// # Errors
/// No citizen number, no enrolment, or no audit file.
pub fn show(
    settings: &Settings,
    number: String,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let number = or_standard_input(number, &mut input.take(NUMBER_BYTES_MAX))?;
    let number = CitizenNumber::parse(number.as_bytes()).map_err(|error| error.to_string())?;
    let citizen = settings.keys.data.pseudonym(&number);
    let look = json!({ "act": "enrolment show", "citizen": citizen.to_string() });
    AuditFile::of(settings).record(look)?;
    let enrolment = Enrolment::open(&settings.switch.enrolment_dir).map_err(|error| error.to_string())?;
    let accounts = enrolment.accounts(&citizen).map_err(|error| error.to_string())?;
    let mut lines = format!("citizen {citizen}: {} accounts\n", accounts.len());
    for account in accounts {
        let name = settings.processor.issuers.get(&account.bank).map_or("", |issuer| issuer.name.as_str());
        let default = if account.default { "  default" } else { "" };
        lines += &format!("{} {name}  {}{default}\n", account.bank, account.alias());
    }
    out.write_all(lines.as_bytes()).map_err(|error| error.to_string())
}

fn list(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    for (line, problem) in &report.rejected {
        writeln!(out, "line {line}: {problem}")?;
    }
    let unlisted = report.rejected_count - report.rejected.len() as u64;
    if unlisted > 0 {
        writeln!(out, "and {unlisted} more")?;
    }
    Ok(())
}
