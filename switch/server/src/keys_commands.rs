//! `atm-switch keys …`: exchanged keys in the security module's sealed file, told by check values and never shown
//! (docs/operations.md#exchanged-keys). Each act leaves a line in the audit file before it is done, and one after it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hsm::{
    HsmError, Import, KeyCustody, KeyInfo, KeyKind, KeyName, KeyRole, Owner, PayShield, SharedKeys,
    SoftwareHsm,
};
use keys::{CheckValue, KEY_BLOCK_CHARACTERS_MAX, KeyAlgorithm};
use processor::UtcSeconds;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::audit_file::AuditFile;
use crate::config::{HsmModule, Settings};
use crate::key_versions::near_their_end;
use crate::log_view::utc;
use crate::security_module;

/// A file of key blocks holds at most so many bytes: a block and a name for each of 600,000 keys.
const BLOCKS_BYTES_MAX: u64 = 256 << 20;
/// A part of a key is one line of hex digits.
const PART_BYTES_MAX: u64 = 256;

/// How a key is brought.
pub enum Brought<'a> {
    /// Parts, each in a file of its own, brought by different people.
    Parts(&'a [PathBuf]),
    /// One key block.
    Block(&'a Path),
    /// Many: a line each, the key's name, a space, its block.
    Blocks(&'a Path),
}

/// Makes the sealed file of the configuration, without keys.
///
/// # Errors
/// It is there already, or cannot be written.
pub fn create(settings: &Settings, out: &mut impl Write) -> Result<(), String> {
    let module = &settings.hsm.as_ref().ok_or(NO_HSM)?.module;
    let file = match module {
        HsmModule::Software { file, .. } | HsmModule::PayShield { tokens: file, .. } => file,
    };
    audited(settings, "keys create", &[], || {
        let made = match module {
            HsmModule::Software { file, sealing } => SoftwareHsm::create(file, sealing.clone()).map(drop),
            HsmModule::PayShield { tokens, .. } => PayShield::create_file(tokens),
        };
        made.map(|()| Vec::new()).map_err(|error| error.to_string())
    })?;
    writeln!(out, "{}: made, without keys", file.display()).map_err(|error| error.to_string())
}

/// Lists all keys.
///
/// # Errors
/// The module cannot be asked.
pub fn list(settings: &Settings, json: bool, out: &mut impl Write) -> Result<(), String> {
    let hsm = open(settings)?;
    let keys = hsm.keys().map_err(|error| error.to_string())?;
    let offered = hsm.offered_keys().map_err(|error| error.to_string())?;
    let shared = hsm.shared_keys().map_err(|error| error.to_string())?;
    let near: BTreeSet<KeyName> = near_their_end(&keys).map(|key| key.name).collect();
    let mut all: Vec<(&KeyInfo, bool)> = keys.iter().map(|key| (key, false)).collect();
    all.extend(offered.iter().map(|key| (key, true)));
    // Behind the one in use, where there is one.
    all.sort_by_key(|(key, is_offered)| (key.name, *is_offered));
    let mut text = String::new();
    for (key, is_offered) in all {
        let is_near_end = !is_offered && near.contains(&key.name);
        let is_shared = shared.names.contains(&key.name);
        if json {
            let mut object = object(key);
            object["offered"] = json!(is_offered);
            object["near_end"] = json!(is_near_end);
            object["shared"] = json!(is_shared);
            text += &format!("{object}\n");
            continue;
        }
        text += if is_offered { offered_line(key) } else { line(key) }.trim_end();
        if is_near_end {
            text += "  near its last version, 99";
        }
        if is_shared {
            text += &format!("  {}", shared.reason());
        }
        text += "\n";
    }
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// Takes keys in. Nothing is taken where one of them is refused.
///
/// # Errors
/// The file, or the key that is refused.
pub fn import(
    settings: &Settings,
    name: Option<&str>,
    brought: &Brought<'_>,
    out: &mut impl Write,
) -> Result<(), String> {
    let hsm = open(settings)?;
    let named = || name.ok_or("the key's name is missing")?.parse::<KeyName>();
    let imports = match brought {
        Brought::Parts(files) => vec![(named()?, parts(files)?)],
        Brought::Block(file) => {
            vec![(named()?, Import::Block(block(&read(file, BLOCKS_BYTES_MAX)?).to_vec()))]
        }
        Brought::Blocks(file) => blocks(file)?,
    };
    let names: Vec<KeyName> = imports.iter().map(|(name, _)| *name).collect();
    warn_of_strangers(settings, &names);
    let taken = audited(settings, "keys import", &names, || {
        let taken = hsm.import_all(&imports, now_s());
        taken.map_err(|(name, error)| {
            let name = name.map_or_else(String::new, |name| format!("{name}: "));
            format!("{name}{error}; nothing was taken")
        })
    })?;
    warn_of_shared(&*hsm, &names);
    tell(&taken, out)
}

/// A payShield cannot be asked whether two keys are one: where check values agree, people have to look.
fn warn_of_shared(hsm: &dyn KeyCustody, names: &[KeyName]) {
    match hsm.shared_keys() {
        Ok(shared) => {
            for name in names.iter().filter(|name| shared.names.contains(name)) {
                let (reason, next) = (shared.reason(), SharedKeys::next(*name));
                tracing::warn!(key = %name, "{reason}: if it is the same one, {next}");
            }
        }
        Err(error) => tracing::error!(%error, "the security module's keys"),
    }
}

/// The block in what is brought: the last line, for `keys generate` and `rotate` print what they have made before it.
fn block(bytes: &[u8]) -> &[u8] {
    let lines = bytes.trim_ascii().rsplit(|byte| *byte == b'\n');
    lines.map(<[u8]>::trim_ascii).next().unwrap_or_default()
}

/// Keys may be brought before their owner is configured; mostly the name is a slip.
fn warn_of_strangers(settings: &Settings, names: &[KeyName]) {
    let processor = &settings.processor;
    let terminals = processor.terminals.keys().map(|terminal| Owner::terminal(&terminal.0));
    let banks = processor.issuers.keys().filter_map(|bank| Owner::bank(bank.to_string().as_bytes()));
    let known: BTreeSet<Owner> = terminals.chain(banks).collect();
    let is_stranger = |name: &&KeyName| !known.contains(&name.owner);
    for name in names.iter().filter(is_stranger) {
        tracing::warn!(key = %name, "its owner is not in the configuration");
    }
}

/// Makes a key where there is none, and prints its key block for the other end.
///
/// # Errors
/// There is one already, no exchange key, or a kind that the role has not.
pub fn generate(
    settings: &Settings,
    name: &str,
    kind: Option<KeyKind>,
    out: &mut impl Write,
) -> Result<(), String> {
    let (hsm, name) = (open(settings)?, name.parse::<KeyName>()?);
    let keys = hsm.keys().map_err(|error| error.to_string())?;
    if keys.iter().any(|key| key.name == name) {
        return Err(format!("{name}: there is one already; rotate it"));
    }
    make(settings, &*hsm, name, kind.unwrap_or(usual(name.role)), "keys generate", out)
}

/// Makes the key behind the one that is there, of the same kind where none is named, and prints its key block. One with which the
/// switch makes what its owner reads is only offered: [`use_offered`] takes it into use.
///
/// # Errors
/// As [`generate`]; there is none yet.
pub fn rotate(
    settings: &Settings,
    name: &str,
    kind: Option<KeyKind>,
    out: &mut impl Write,
) -> Result<(), String> {
    let (hsm, name) = (open(settings)?, name.parse::<KeyName>()?);
    let keys = hsm.keys().map_err(|error| error.to_string())?;
    let before = keys.iter().find(|key| key.name == name);
    let before = before.ok_or_else(|| format!("{name}: there is none; generate or import it"))?;
    let kind = kind.unwrap_or(KeyKind { algorithm: before.algorithm, bytes: before.bytes });
    if waits_for_its_owner(&*hsm, name) {
        return offer(settings, &*hsm, name, kind, out);
    }
    make(settings, &*hsm, name, kind, "keys rotate", out)
}

/// The switch makes something with it that its owner reads. In use before its owner has it, and any start takes up the newest, it
/// would cost every PIN of a bank, or every message of a link; and as versions only rise, nothing would lead back.
fn waits_for_its_owner(hsm: &dyn KeyCustody, name: KeyName) -> bool {
    match name.role {
        KeyRole::Pin => name.owner.bank_id().is_some(),
        KeyRole::MacFromSwitch => hsm.has_link_macs(),
        KeyRole::Exchange | KeyRole::Derivation | KeyRole::MacToSwitch => false,
    }
}

/// Keeps the next key beside the one in use, and prints its block; the same once more where it is offered already.
fn offer(
    settings: &Settings,
    hsm: &dyn KeyCustody,
    name: KeyName,
    kind: KeyKind,
    out: &mut impl Write,
) -> Result<(), String> {
    let mut block = String::new();
    let offered = audited_as(settings, "keys rotate", "offered", &[name], || {
        let offer = hsm.offer_key(name, kind, now_s()).map_err(|error| error.to_string())?;
        let all = hsm.offered_keys().map_err(|error| error.to_string())?;
        block = offer.block;
        Ok(all.into_iter().filter(|key| key.name == name && key.check_value == offer.check_value).collect())
    })?;
    for key in &offered {
        let then = format!(
            "bring {} the block; when it has taken it in: keys use {name} --check-value {}, and SIGHUP",
            name.owner, key.check_value
        );
        write!(out, "{}{then}\n{block}\n", offered_line(key)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Takes a key into use that was rotated by hand, or that the switch has sent, and whose 0810 it never saw: its owner has said
/// otherwise that it has it.
///
/// # Errors
/// No key of this check value is offered under this name.
pub fn use_offered(
    settings: &Settings,
    name: &str,
    check_value: &str,
    out: &mut impl Write,
) -> Result<(), String> {
    let (hsm, name) = (open(settings)?, name.parse::<KeyName>()?);
    let value = CheckValue::of_hex(check_value)
        .ok_or_else(|| format!("`{check_value}` is no check value in hex digits"))?;
    let used = audited(settings, "keys use", &[name], || {
        let used = hsm.use_offered_key(name, value, now_s());
        let none = || format!("{name}: no key of check value {value} is offered; keys list says which are");
        Ok(vec![used.map_err(|error| match error {
            HsmError::NoKey(_) => none(),
            error => error.to_string(),
        })?])
    })?;
    tell(&used, out)
}

/// Prints the newest key's block, under its owner's exchange key.
///
/// # Errors
/// There is no such key, or no exchange key.
pub fn export(settings: &Settings, name: &str, out: &mut impl Write) -> Result<(), String> {
    let (hsm, name) = (open(settings)?, name.parse::<KeyName>()?);
    let mut block = String::new();
    audited(settings, "keys export", &[name], || {
        block = hsm.wrap_key(&name).map_err(|error| error.to_string())?;
        Ok(Vec::new())
    })?;
    writeln!(out, "{block}").map_err(|error| error.to_string())
}

fn make(
    settings: &Settings,
    hsm: &dyn KeyCustody,
    name: KeyName,
    kind: KeyKind,
    act: &str,
    out: &mut impl Write,
) -> Result<(), String> {
    if name.role == KeyRole::Exchange {
        return Err(format!("{name}: exchange keys are imported as parts; one made here could never leave"));
    }
    let has_exchange = |key: &KeyInfo| key.name == name.owner.key(KeyRole::Exchange);
    if !hsm.keys().map_err(|error| error.to_string())?.iter().any(has_exchange) {
        return Err(format!("{name}: {}.exchange is missing, under which it would leave", name.owner));
    }
    let made = audited(settings, act, &[name], || {
        Ok(vec![hsm.generate_key(name, kind, now_s()).map_err(|error| error.to_string())?])
    })?;
    let block = hsm.wrap_key(&name).map_err(|error| error.to_string())?;
    tell(&made, out)?;
    writeln!(out, "{block}").map_err(|error| error.to_string())
}

/// What is usual for a role: two-key triple DES for PINs, 32 bytes of HMAC for MACs, AES for the others.
fn usual(role: KeyRole) -> KeyKind {
    match role {
        KeyRole::Pin => KeyKind { algorithm: KeyAlgorithm::Tdes, bytes: 16 },
        KeyRole::MacToSwitch | KeyRole::MacFromSwitch => KeyKind { algorithm: KeyAlgorithm::Hmac, bytes: 32 },
        KeyRole::Exchange | KeyRole::Derivation => KeyKind { algorithm: KeyAlgorithm::Aes, bytes: 16 },
    }
}

const NO_HSM: &str = "the configuration has no [hsm]";

/// The module of the configuration. A payShield is not asked before it has to be.
fn open(settings: &Settings) -> Result<Box<dyn KeyCustody>, String> {
    let hsm = settings.hsm.as_ref().ok_or(NO_HSM)?;
    let opened: Result<Box<dyn KeyCustody>, HsmError> = match &hsm.module {
        HsmModule::Software { file, sealing } => {
            SoftwareHsm::open(file, sealing.clone()).map(|hsm| Box::new(hsm) as Box<dyn KeyCustody>)
        }
        HsmModule::PayShield { addresses, tokens } => {
            let answer_max = Duration::from_millis(settings.processor.timers.hsm_ms_max);
            let hsm = PayShield::open(security_module::payshield(addresses, tokens, hsm.threads, answer_max));
            hsm.map(|hsm| Box::new(hsm) as Box<dyn KeyCustody>)
        }
    };
    opened.map_err(|error| security_module::refused(&hsm.module, &error))
}

/// Has something done about keys: what is intended is durable in the audit file before it is done, the outcome behind it.
fn audited(
    settings: &Settings,
    act: &str,
    names: &[KeyName],
    change: impl FnOnce() -> Result<Vec<KeyInfo>, String>,
) -> Result<Vec<KeyInfo>, String> {
    audited_as(settings, act, "done", names, change)
}

/// [`audited`], with another word for the outcome that was wanted.
fn audited_as(
    settings: &Settings,
    act: &str,
    outcome: &str,
    names: &[KeyName],
    change: impl FnOnce() -> Result<Vec<KeyInfo>, String>,
) -> Result<Vec<KeyInfo>, String> {
    let of = |name: &KeyName, stage: &str| json!({ "act": act, "stage": stage, "key": name.to_string() });
    let each = |stage: &str| match names {
        [] => vec![json!({ "act": act, "stage": stage })],
        names => names.iter().map(|name| of(name, stage)).collect(),
    };
    let audit = AuditFile::of(settings);
    let record = |acts: Vec<Value>| audit.record_all(acts);
    record(each("intent"))?;
    match change() {
        Ok(keys) if keys.is_empty() => record(each(outcome)).map(|()| keys),
        Ok(keys) => {
            let done = |key: &KeyInfo| {
                let mut line = of(&key.name, outcome);
                line["version"] = json!(key.version.to_string());
                line["check_value"] = json!(key.check_value.to_string());
                line
            };
            record(keys.iter().map(done).collect()).map(|()| keys)
        }
        Err(error) => {
            record(vec![json!({ "act": act, "stage": "failed", "error": error })])?;
            Err(error)
        }
    }
}

/// Says what was taken or made.
fn tell(keys: &[KeyInfo], out: &mut impl Write) -> Result<(), String> {
    let lines: String = keys.iter().map(line).collect();
    out.write_all(lines.as_bytes()).map_err(|error| error.to_string())
}

/// A key that its owner was sent, or is brought, and that is not in use.
fn offered_line(key: &KeyInfo) -> String {
    format!("{}  offered since {}, not in use yet\n", kind(key), utc(UtcSeconds(key.since_s)))
}

fn kind(key: &KeyInfo) -> String {
    let [front, back] = key.usage.code();
    let usage = format!("{}{}", char::from(front), char::from(back));
    let under = key.under.map_or_else(String::new, |under| format!("  under exchange key {under}"));
    format!(
        "{}  version {}  {usage} {:?} of {} bytes  check value {}{under}",
        key.name, key.version, key.algorithm, key.bytes, key.check_value
    )
}

fn line(key: &KeyInfo) -> String {
    let mut text = format!("{}  since {}", kind(key), utc(UtcSeconds(key.since_s)));
    if let Some((version, check_value)) = &key.before {
        let until = match key.before_until_s() {
            Some(until_s) => format!("until {}", utc(UtcSeconds(until_s))),
            None => "until a day after the first message under this one".to_owned(),
        };
        text += &format!("  before it version {version}, check value {check_value}, read {until}");
    }
    text + "\n"
}

fn object(key: &KeyInfo) -> Value {
    let [front, back] = key.usage.code();
    let before = key.before.as_ref().map(|(version, check_value)| {
        let until = key.before_until_s().map(|until_s| utc(UtcSeconds(until_s)));
        json!({ "version": version.to_string(), "check_value": check_value.to_string(), "until": until })
    });
    json!({
        "key": key.name.to_string(),
        "version": key.version.to_string(),
        "exchange_version": key.under.map(|under| under.to_string()),
        "usage": format!("{}{}", char::from(front), char::from(back)),
        "algorithm": format!("{:?}", key.algorithm),
        "bytes": key.bytes,
        "check_value": key.check_value.to_string(),
        "since": utc(UtcSeconds(key.since_s)),
        "before": before,
    })
}

/// Two or three parts. Exchange keys wrap key blocks of version D, so they are AES.
fn parts(files: &[PathBuf]) -> Result<Import, String> {
    if !(2..=3).contains(&files.len()) {
        return Err("a key comes as two or three parts, each brought by another person".to_owned());
    }
    let part = |file: &PathBuf| {
        let text = Zeroizing::new(read(file, PART_BYTES_MAX)?);
        let digits = text.trim_ascii();
        let form = || format!("{}: a part is one line of hex digits", file.display());
        let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
        let bytes: Option<Vec<u8>> = pairs.collect();
        let bytes =
            bytes.filter(|_| digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit));
        bytes.map(Zeroizing::new).ok_or_else(form)
    };
    let parts: Result<Vec<_>, String> = files.iter().map(part).collect();
    Ok(Import::Parts { algorithm: KeyAlgorithm::Aes, parts: parts? })
}

fn blocks(file: &Path) -> Result<Vec<(KeyName, Import)>, String> {
    let text = String::from_utf8(read(file, BLOCKS_BYTES_MAX)?)
        .map_err(|_| format!("{}: no text", file.display()))?;
    let mut imports = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}:{}", file.display(), index + 1);
        let (name, block) =
            line.split_once(' ').ok_or_else(|| format!("{}: a name, a space, a block", place()))?;
        let name = name.parse().map_err(|error| format!("{}: {error}", place()))?;
        imports.push((name, Import::Block(block.trim().as_bytes().to_vec())));
    }
    if imports.is_empty() { Err(format!("{}: no key block", file.display())) } else { Ok(imports) }
}

/// A file, or standard input where it is `-`.
fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let named = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut bytes = Vec::new();
    let mut limited: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().take(bytes_max + 1))
    } else {
        Box::new(File::open(file).map_err(named)?.take(bytes_max + 1))
    };
    limited.read_to_end(&mut bytes).map_err(named)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("{}: longer than {bytes_max} bytes", file.display()));
    }
    Ok(bytes)
}

/// The longest key block is one line: what `Brought::Block` may hold.
const _: () = assert!(KEY_BLOCK_CHARACTERS_MAX < BLOCKS_BYTES_MAX as usize);

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that `keys generate` has written was refused: its first line is the check value.
    #[test]
    fn a_block_is_taken_in_as_it_was_printed() {
        let told = b"bank.970418.pin  version 01  P0 Tdes of 16 bytes  check value 2D3E43  since \nD0112P0TB02E0000AB\n";
        for file in [&told[..], b"D0112P0TB02E0000AB", b" D0112P0TB02E0000AB \r\n\n"] {
            assert_eq!(block(file), b"D0112P0TB02E0000AB");
        }
        assert_eq!(block(b""), b"");
    }
}
