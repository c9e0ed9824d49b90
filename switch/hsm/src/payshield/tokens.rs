//! The file of a payShield's keys: a line each, the key's name, the key under the box's LMK, its check value, and since when it is
//! used; behind it the key before it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use keys::{CheckValue, KeyAlgorithm, KeyUsage, KeyVersion, ModeOfUse};

use crate::KeyInfo;
use crate::error::HsmError;
use crate::name::KeyName;
use crate::sealed::{self, SyncDirectory};
use crate::slot::{KEYS_MAX, OLD_KEY_LIFE_S};

/// A longer line is none of a key.
const LINE_BYTES_MAX: usize = 1_200;
const NO_KEY: &str = "no key under an LMK: U and 32 hex digits, T and 48, or S and a key block";
/// What stands behind a key that is not the newest.
const BEFORE: &str = "before";
const SINCE: &str = "since=";
const BYTES: &str = "bytes=";

/// All keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens(BTreeMap<KeyName, Slot>);

/// The newest key of a name, and the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    newest: Token,
    before: Option<Token>,
}

/// One key under the LMK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// As it stands in commands.
    pub(super) text: String,
    pub(super) usage: KeyUsage,
    pub(super) algorithm: KeyAlgorithm,
    /// Any, where it is not in a block.
    pub(super) mode: ModeOfUse,
    /// Where it is known: a block does not tell it.
    bytes: Option<usize>,
    pub(super) version: KeyVersion,
    pub(super) check_value: CheckValue,
    /// Seconds since 1970; 0 where a person has written the line.
    since_s: i64,
}

impl Token {
    /// What a key under the LMK says of itself, and what it does not: its check value, its length, since when it is used.
    pub(super) fn parse(
        name: KeyName,
        text: &str,
        check_value: CheckValue,
        bytes: Option<usize>,
        since_s: i64,
    ) -> Result<Token, &'static str> {
        let Kind { usage, algorithm, mode, bytes: length, version } = kind(text).ok_or(NO_KEY)?;
        let usage = usage.unwrap_or(name.role.usages()[0]);
        if !name.role.usages().contains(&usage) {
            return Err("it is for something else");
        }
        let text = text.to_owned();
        Ok(Token { text, usage, algorithm, mode, bytes: bytes.or(length), version, check_value, since_s })
    }

    /// The longest that a block of its algorithm may hold, where nothing better is known.
    fn bytes(&self) -> usize {
        self.bytes.unwrap_or(match self.algorithm {
            KeyAlgorithm::Tdes => 16,
            KeyAlgorithm::Aes | KeyAlgorithm::Hmac => 32,
        })
    }
}

impl Tokens {
    pub(super) fn read(path: &Path) -> Result<Tokens, HsmError> {
        let refuse = |reason: String| HsmError::File { path: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let mut tokens = Tokens::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            tokens.add(line).map_err(|reason| refuse(format!("line {number}: {reason}")))?;
            if tokens.0.len() > KEYS_MAX {
                return Err(HsmError::Full);
            }
        }
        Ok(tokens)
    }

    /// Writes the file whole or not at all.
    pub(super) fn write(&self, path: &Path, sync_directory: SyncDirectory) -> Result<(), HsmError> {
        let mut text =
            String::from("# keys under the LMK: name, key, check value; the key before it behind it\n");
        for (name, Slot { newest, before }) in &self.0 {
            line(&mut text, *name, newest, "");
            if let Some(before) = before {
                line(&mut text, *name, before, BEFORE);
            }
        }
        let written = sealed::put(path, text.as_bytes(), sync_directory);
        written.map_err(|reason| HsmError::File { path: path.display().to_string(), reason })
    }

    pub(super) fn newest(&self, name: KeyName) -> Result<&Token, HsmError> {
        self.0.get(&name).map(|slot| &slot.newest).ok_or(HsmError::NoKey(name))
    }

    /// The keys that are good now, the newest first.
    pub(super) fn good(&self, name: KeyName, now_s: i64) -> Result<impl Iterator<Item = &Token>, HsmError> {
        let slot = self.0.get(&name).ok_or(HsmError::NoKey(name))?;
        let until_s = slot.newest.since_s.saturating_add(OLD_KEY_LIFE_S);
        Ok(std::iter::once(&slot.newest).chain(slot.before.as_ref().filter(move |_| now_s < until_s)))
    }

    /// Puts a key in; the newest becomes the one before. The version has to be above the newest's.
    pub(super) fn put(&mut self, name: KeyName, token: Token) -> Result<KeyInfo, HsmError> {
        if self.0.len() >= KEYS_MAX && !self.0.contains_key(&name) {
            return Err(HsmError::Full);
        }
        let before = self.0.get(&name).map(|slot| slot.newest.clone());
        if let Some(before) = before.as_ref().filter(|before| token.version <= before.version) {
            return Err(HsmError::Rollback { name, version: before.version });
        }
        let slot = Slot { newest: token, before };
        let info = slot.info(name);
        self.0.insert(name, slot);
        Ok(info)
    }

    /// What differs between two readings of the file is taken up.
    pub(super) fn take_changes(&mut self, before: &Tokens, after: &Tokens) {
        let changed = after.0.iter().filter(|(name, slot)| before.0.get(name) != Some(slot));
        self.0.extend(changed.map(|(name, slot)| (*name, slot.clone())));
    }

    pub(super) fn info(&self, name: KeyName) -> Result<KeyInfo, HsmError> {
        self.0.get(&name).map(|slot| slot.info(name)).ok_or(HsmError::NoKey(name))
    }

    pub(super) fn infos(&self) -> Vec<KeyInfo> {
        self.0.iter().map(|(name, slot)| slot.info(*name)).collect()
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (name, token, is_before) = parse(line)?;
        match (self.0.get_mut(&name), is_before) {
            (None, false) => drop(self.0.insert(name, Slot { newest: token, before: None })),
            (None, true) => return Err(format!("{name} has no newest key in front of the one before it")),
            (Some(slot), true) if slot.before.is_none() && token.version < slot.newest.version => {
                slot.before = Some(token);
            }
            (Some(_), true) => return Err(format!("{name} has another key before, or one that is newer")),
            (Some(_), false) => return Err(format!("{name} stands twice")),
        }
        Ok(())
    }
}

impl Slot {
    fn info(&self, name: KeyName) -> KeyInfo {
        let Slot { newest, before } = self;
        KeyInfo {
            name,
            usage: newest.usage,
            algorithm: newest.algorithm,
            bytes: newest.bytes(),
            version: newest.version,
            check_value: newest.check_value,
            since_s: newest.since_s,
            proven_s: Some(newest.since_s),
            before: before.as_ref().map(|before| (before.version, before.check_value)),
        }
    }
}

fn line(text: &mut String, name: KeyName, token: &Token, behind: &str) {
    let _ = write!(text, "{name} {} {}", token.text, token.check_value);
    if token.since_s != 0 {
        let _ = write!(text, " {SINCE}{}", token.since_s);
    }
    if let Some(bytes) = token.bytes.filter(|_| token.text.starts_with('S')) {
        let _ = write!(text, " {BYTES}{bytes}");
    }
    let space = if behind.is_empty() { "" } else { " " };
    let _ = writeln!(text, "{space}{behind}");
}

fn parse(line: &str) -> Result<(KeyName, Token, bool), String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
    }
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [name, text, check_value, rest @ ..] = &words[..] else {
        return Err("a name, a key under the LMK, a check value".to_owned());
    };
    let name: KeyName = name.parse()?;
    let check_value = CheckValue::of_hex(check_value).ok_or("a check value has 6 to 10 hex digits")?;
    let (mut since_s, mut bytes, mut is_before) = (0, None, false);
    for word in rest {
        let number = |digits: &str| digits.parse::<u32>().ok();
        if let Some(at) = word.strip_prefix(SINCE).and_then(number) {
            since_s = at.into();
        } else if let Some(length) = word.strip_prefix(BYTES).and_then(number) {
            bytes = Some(length as usize);
        } else if *word == BEFORE {
            is_before = true;
        } else {
            return Err(format!("`{word}` is none of since=SECONDS, bytes=NUMBER, before"));
        }
    }
    let token = Token::parse(name, text, check_value, bytes, since_s);
    Ok((name, token.map_err(|reason| format!("{name}: {reason}"))?, is_before))
}

/// Usage and algorithm that a key block under the LMK says.
///
/// # Errors
/// It is none.
pub(super) fn kind_of_block(text: &str) -> Result<(KeyUsage, KeyAlgorithm), &'static str> {
    kind(text).and_then(|kind| Some((kind.usage?, kind.algorithm))).ok_or(NO_KEY)
}

struct Kind {
    usage: Option<KeyUsage>,
    algorithm: KeyAlgorithm,
    mode: ModeOfUse,
    bytes: Option<usize>,
    version: KeyVersion,
}

/// Variant LMK: the scheme and the key. Key block LMK: S and a block, whose header says usage, algorithm, mode and version.
fn kind(text: &str) -> Option<Kind> {
    let rest = text.get(1..)?;
    let is_hex = |digits: usize| rest.len() == digits && rest.bytes().all(|digit| digit.is_ascii_hexdigit());
    let variant = |bytes| Kind {
        usage: None,
        algorithm: KeyAlgorithm::Tdes,
        mode: ModeOfUse::Any,
        bytes: Some(bytes),
        version: KeyVersion::UNUSED,
    };
    match text.as_bytes().first()? {
        b'U' if is_hex(32) => Some(variant(16)),
        b'T' if is_hex(48) => Some(variant(24)),
        b'S' => {
            let block = rest.as_bytes();
            let length: usize = str::from_utf8(block.get(1..5)?).ok()?.parse().ok()?;
            if length != block.len() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
                return None;
            }
            let usage = Some(KeyUsage::of_code([*block.get(5)?, *block.get(6)?])?);
            let algorithm = KeyAlgorithm::of_code(*block.get(7)?)?;
            let mode = ModeOfUse::of_code(*block.get(8)?)?;
            let version = str::from_utf8(block.get(9..11)?).ok()?.parse().ok().and_then(KeyVersion::new);
            let version = version.unwrap_or(KeyVersion::UNUSED);
            Some(Kind { usage, algorithm, mode, bytes: None, version })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Tokens, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        std::fs::write(&path, text).unwrap();
        Tokens::read(&path).map_err(|error| error.to_string().replace(path.to_str().unwrap(), "keys"))
    }

    const VARIANT: &str = "terminal.HN000001.pin U00000000000000000000000000000000 1A2B3C";
    const BLOCK: &str = "bank.970418.pin S10024P0AB01N0000ABCDEF12 1A2B3C4D5E";
    const NEXT: &str = "bank.970418.pin S10024P0AB02N0000ABCDEF12 1A2B3C4D5F since=1651539723 bytes=16";

    #[test]
    fn keys_are_read_and_mistakes_are_named() {
        let tokens = read(&format!("# of a box\n{VARIANT}\n\n{BLOCK}\n")).unwrap();
        let infos = tokens.infos();
        assert_eq!((infos[0].algorithm, infos[0].usage), (KeyAlgorithm::Tdes, KeyUsage::PinEncryption));
        assert_eq!((infos[1].algorithm, infos[1].version.to_string()), (KeyAlgorithm::Aes, "01".to_owned()));
        assert!(tokens.newest(infos[1].name).unwrap().text.starts_with("S1"));
        for (line, says) in [
            ("terminal.HN000001.pin", "keys: line 1: a name, a key under the LMK, a check value"),
            ("terminal.HN1.pin U00 1A2B3C", "keys: line 1: `terminal.HN1.pin` is no key's name"),
            ("bank.970418.pin U00 1A2B3C", "keys: line 1: bank.970418.pin: no key under an LMK"),
            (
                "bank.970418.pin S10025P0AB01N0000ABCDEF12 1A2B3C",
                "keys: line 1: bank.970418.pin: no key under",
            ),
            (
                "bank.970418.exchange S10024P0AB01N0000ABCDEF12 1A2B3C",
                "keys: line 1: bank.970418.exchange: it is for something else",
            ),
            (BLOCK.rsplit_once(' ').unwrap().0, "keys: line 1: a name"),
            ("bank.970418.pin S10024P0AB01N0000ABCDEF12 1A2B3C after", "keys: line 1: `after` is none of"),
            (
                "bank.970418.pin S10024P0AB01N0000ABCDEF12 1A2B3C before",
                "keys: line 1: bank.970418.pin has no",
            ),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
        let twice = read(&format!("{BLOCK}\n{BLOCK}")).unwrap_err();
        assert!(twice.contains("line 2: bank.970418.pin stands twice"), "{twice}");
        let newer = read(&format!("{BLOCK}\n{NEXT} before")).unwrap_err();
        assert!(
            newer.contains("line 2: bank.970418.pin has another key before, or one that is newer"),
            "{newer}"
        );
    }

    #[test]
    fn what_is_written_is_read_again_and_the_key_before_is_good_for_a_day() {
        let tokens = read(&format!("{VARIANT}\n{NEXT}\n{BLOCK} before\n")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        tokens.write(&path, sealed::sync_directory).unwrap();
        let again = Tokens::read(&path).unwrap();
        assert_eq!(again.0, tokens.0);
        let name: KeyName = "bank.970418.pin".parse().unwrap();
        let good =
            |now_s| again.good(name, now_s).unwrap().map(|token| token.version.number()).collect::<Vec<_>>();
        assert_eq!(good(1_651_539_723 + OLD_KEY_LIFE_S - 1), [2, 1]);
        assert_eq!(good(1_651_539_723 + OLD_KEY_LIFE_S), [2]);
        assert_eq!(again.infos()[0].bytes, 16);
    }
}
