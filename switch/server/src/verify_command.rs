//! `atm-switch log verify|begin-heads|heads-key`: the durable log checked from its files, against itself and against kept
//! heads; and the audit beside it.

use std::io::{ErrorKind, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use journal::{Bad, Harm, Head, Report, SignedHeads, verify as verify_log};
use keys::HeadPublicKey;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::audit_file::{AuditFile, Audited, PLAIN_FILE};
use crate::config::Settings;
use crate::heads;
use crate::log_view::utc_ms;

/// What was kept elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct KeptHeads<'a> {
    /// One head, as a check prints it.
    pub head: Option<&'a str>,
    /// A file of signed ones.
    pub file: Option<&'a Path>,
    /// Who has signed them, PEM; without it the key file says so.
    pub key: Option<&'a Path>,
}

/// A log, a file of heads or an audit that is not what it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLog {
    /// Exit status: what was done.
    pub status: u8,
    /// The first bad record or line, and what is wrong with it.
    pub reason: String,
}

/// Exit status where lines of the heads have the form of one and not the signature.
const FORGED_STATUS: u8 = 16;

/// Exit status where the file holds no head of this log, though its directory says that heads were kept.
const MISSING_STATUS: u8 = 17;

/// Exit status where the log is good, and the audit beside it is not what was written.
const AUDIT_STATUS: u8 = 18;

fn status(harm: Harm) -> u8 {
    match harm {
        Harm::Changed => 10,
        Harm::Moved => 11,
        Harm::Gone => 12,
        Harm::Cut => 13,
        Harm::RolledBack => 14,
        Harm::Replaced => 15,
    }
}

/// Checks the whole log: checksums, positions, chain, seals, lifecycle; and that it still holds the heads that were kept
/// elsewhere; and every line of the audit beside it. `None`: all is good.
///
/// # Errors
/// It cannot be checked: log, audit or heads cannot be read, or there is no key to judge heads by.
pub fn verify(
    settings: &Settings,
    kept: &KeptHeads<'_>,
    json: bool,
    out: &mut impl Write,
) -> Result<Option<BadLog>, String> {
    let noted: Option<Head> = kept.head.map(str::parse).transpose()?;
    let signed = kept.file.map(|file| signed_heads(settings, file, kept.key)).transpose()?;
    let of_file = signed.iter().flat_map(|signed| &signed.heads).map(|signed| signed.head);
    let heads: Vec<Head> = noted.into_iter().chain(of_file).collect();
    let report = verify_log(&settings.switch.log_dir, &settings.keys.data, &heads);
    let report = report.map_err(|error| error.to_string())?;
    let were_kept = heads::were_kept(&settings.switch.log_dir);
    let audited = AuditFile::of(settings).check()?;
    let bad = bad_log(&report, signed.as_ref(), were_kept).or_else(|| bad_audit(&audited));
    let text = if json {
        format!("{:#}\n", report_json(&report, signed.as_ref(), &audited, bad.as_ref()))
    } else {
        report_text(&report, signed.as_ref(), &audited)
    };
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(bad)
}

/// Begins the heads of a log in their second place: a person says that this is the first time.
///
/// # Errors
/// None are configured, they are begun already, the log is not good, or one of both places cannot be written.
pub fn begin_heads(settings: &Settings, out: &mut impl Write) -> Result<(), String> {
    let kept = settings.heads.as_ref().ok_or("the configuration has no log.heads_file")?;
    let (log_dir, node) = (&settings.switch.log_dir, &settings.switch.id);
    // It is a place of its own, mostly on another machine's disk: a directory made here would stand in for one that is not mounted.
    if let Some(place) = kept.file.parent().filter(|place| !place.as_os_str().is_empty() && !place.is_dir()) {
        return Err(format!("{}: there is no such directory: make it, or mount it, first", place.display()));
    }
    let head = heads::begin(kept, log_dir, node, &settings.keys.data)?;
    AuditFile::of(settings).record(json!({ "act": "log begin-heads", "head": head.to_string() }))?;
    writeln!(out, "{}: vouches for {} records; head {head}", kept.file.display(), head.records)
        .map_err(|error| error.to_string())
}

/// Prints the public half of the key that signs heads.
///
/// # Errors
/// The key file has none, or nobody reads the output.
pub fn heads_key(settings: &Settings, out: &mut impl Write) -> Result<(), String> {
    let key = settings.keys.heads.as_ref().ok_or("the key file has no data.k_heads")?;
    let text = STANDARD.encode(key.public().to_spki());
    writeln!(out, "-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----")
        .map_err(|error| error.to_string())
}

fn signed_heads(settings: &Settings, file: &Path, key: Option<&Path>) -> Result<SignedHeads, String> {
    let named = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let key = match key {
        Some(path) => {
            let pem = std::fs::read(path).map_err(|error| named(path, &error))?;
            let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|error| named(path, &error))?;
            HeadPublicKey::from_spki(&der).ok_or_else(|| named(path, &"is no public key of Ed25519"))?
        }
        None => {
            let key = settings.keys.heads.as_ref();
            key.ok_or("the key file has no data.k_heads; give --public-key")?.public()
        }
    };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        // Told as heads that are missing.
        Err(error) if error.kind() == ErrorKind::NotFound && heads::were_kept(&settings.switch.log_dir) => {
            Vec::new()
        }
        Err(error) => return Err(named(file, &error)),
    };
    Ok(SignedHeads::read(&String::from_utf8_lossy(&bytes), &settings.switch.id, &key))
}

fn bad_log(report: &Report, signed: Option<&SignedHeads>, were_kept: bool) -> Option<BadLog> {
    if let Some(bad) = &report.bad {
        let Bad { position, harm, path, reason } = bad;
        let reason = format!("{}: record {position} is bad ({}): {reason}", path.display(), harm.name());
        return Some(BadLog { status: status(*harm), reason });
    }
    let signed = signed?;
    if let Some(line) = signed.forged.first() {
        let reason = format!("line {line} of the heads is not signed by the key");
        return Some(BadLog { status: FORGED_STATUS, reason });
    }
    (were_kept && signed.heads.is_empty()).then(|| {
        let reason = "the file holds no head of this log, though heads of it were kept".to_owned();
        BadLog { status: MISSING_STATUS, reason }
    })
}

fn bad_audit(audited: &Audited) -> Option<BadLog> {
    audited.bad.clone().map(|reason| BadLog { status: AUDIT_STATUS, reason })
}

fn report_text(report: &Report, signed: Option<&SignedHeads>, audited: &Audited) -> String {
    let mut text = String::new();
    for (kind, count) in &report.kinds {
        text += &format!("{count:>10} {kind}\n");
    }
    text += &format!("{:>10} transactions open, {} wait for a person\n", report.open, report.suspense);
    if let Some(tail) = &report.tail {
        text += &format!("a start would be {tail}\n");
    }
    if let Some(signed) = signed {
        let [torn, forged] = [&signed.torn, &signed.forged].map(Vec::len);
        text += &format!(
            "{:>10} heads signed, {} of other nodes, {torn} torn, {forged} forged; {} records are vouched for\n",
            signed.heads.len(),
            signed.others,
            report.vouched_records
        );
    }
    text += &format!("{:>10} lines of the audit\n", audited.lines);
    if audited.unvouched_bytes > 0 {
        text += &format!("{:>10} bytes of {PLAIN_FILE} that no line vouches for\n", audited.unvouched_bytes);
    }
    text + &format!("{} records are good; head {}\n", report.head.records, report.head)
}

fn report_json(
    report: &Report,
    signed: Option<&SignedHeads>,
    audited: &Audited,
    bad: Option<&BadLog>,
) -> Value {
    let heads = signed.map(|signed| {
        json!({
            "signed": signed.heads.len(),
            "of_other_nodes": signed.others,
            "torn_lines": signed.torn,
            "forged_lines": signed.forged,
            "longest": signed.longest().map(|longest| {
                json!({ "head": longest.head.to_string(), "at": utc_ms(longest.at_ms) })
            }),
        })
    });
    let of_record = report.bad.as_ref().map(|bad| {
        json!({
            "position": bad.position,
            "harm": bad.harm.name(),
            "path": bad.path,
            "reason": bad.reason,
        })
    });
    json!({
        "good": bad.is_none(),
        "status": bad.map_or(0, |bad| bad.status),
        "records": report.head.records,
        "head": report.head.to_string(),
        "vouched_records": report.vouched_records,
        "kinds": report.kinds,
        "open": report.open,
        "suspense": report.suspense,
        "tail": report.tail.as_ref().map(|tail| json!({ "position": tail.position, "reason": tail.reason })),
        "heads": heads,
        "audit": {
            "lines": audited.lines,
            "unvouched_bytes": audited.unvouched_bytes,
            "bad": audited.bad,
        },
        "bad": of_record,
    })
}
