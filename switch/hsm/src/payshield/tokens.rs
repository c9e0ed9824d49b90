//! The file of a payShield's keys: a line each, the key's name, the key under the box's LMK, its check value, and since when it is
//! used; behind it the key before it, and those that were offered to the other end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::BuildHasher as _;
use std::path::Path;

use keys::{CheckValue, KeyAlgorithm, KeyUsage, KeyVersion, ModeOfUse};

use crate::KeyInfo;
use crate::error::HsmError;
use crate::name::{KeyName, KeyRole, Owner};
use crate::owners::{Told, shared};
use crate::place::{OFFERED_MAX, Place};
use crate::sealed::{self, SyncDirectory};
use crate::slot::{KEYS_MAX, OLD_KEY_LIFE_S};

/// A longer line is none of a key: its name and block, and the check values of 98 exchange keys before it.
const LINE_BYTES_MAX: usize = 2_400;
const NO_KEY: &str = "no key under an LMK: U and 32 hex digits, T and 48, or S and a key block";
/// What stands behind a key that is not the newest.
const BEFORE: &str = "before";
/// What stands behind one that the other end was offered.
const OFFERED: &str = "offered";
const UNDER: &str = "under=";
const PASSED: &str = "passed=";
const SINCE: &str = "since=";
const BYTES: &str = "bytes=";
const CHECK_VALUE_BYTES_MIN: usize = 3;

/// All keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    held: BTreeMap<KeyName, Slot>,
    /// Those that the other end was offered, the newest last: they read, and make nothing before it has said that it has them.
    offered: BTreeMap<KeyName, Vec<Token>>,
}

/// The newest key of a name, and the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    newest: Token,
    before: Option<Token>,
    /// Of an exchange key: those that were there before, by their check values. None of them comes back.
    passed: Vec<CheckValue>,
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
    pub(super) bytes: Option<usize>,
    /// Its version in the block, counted under this one of the exchange key. Exchange keys are counted by the switch.
    pub(super) place: Place,
    pub(super) check_value: CheckValue,
    /// Seconds since 1970; 0 where a person has written the line.
    pub(super) since_s: i64,
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
        let (text, place) = (text.to_owned(), Place { under: KeyVersion::UNUSED, version });
        Ok(Token { text, usage, algorithm, mode, bytes: bytes.or(length), place, check_value, since_s })
    }

    /// Counted under this version of its owner's exchange key.
    pub(super) fn counted(mut self, under: KeyVersion) -> Token {
        self.place.under = under;
        self
    }

    /// The same key, as far as check values tell: the box shows no more of it.
    pub(super) fn is(&self, other: &Token) -> bool {
        self.algorithm == other.algorithm && self.check_value.agrees_with(&other.check_value)
    }

    /// The longest that a block of its algorithm may hold, where nothing better is known.
    pub(super) fn bytes(&self) -> usize {
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
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let parsed = parse(line).map_err(|reason| refuse(format!("line {number}: {reason}")))?;
            lines.push((number, parsed));
        }
        // Exchange keys first: the others count under them.
        lines.sort_by_key(|(_, line)| line.name.role != KeyRole::Exchange);
        let mut tokens = Tokens::default();
        for (number, line) in lines {
            tokens.add(line).map_err(|reason| refuse(format!("line {number}: {reason}")))?;
            if tokens.len() > KEYS_MAX {
                return Err(HsmError::Full);
            }
        }
        Ok(tokens)
    }

    /// Writes the file whole or not at all.
    pub(super) fn write(&self, path: &Path, sync_directory: SyncDirectory) -> Result<(), HsmError> {
        let mut text = String::from(
            "# keys under the LMK: name, key, check value; behind it the key before it, and what is offered\n",
        );
        for (name, Slot { newest, before, passed }) in &self.held {
            line(&mut text, *name, newest, passed, "");
            if let Some(before) = before {
                line(&mut text, *name, before, &[], BEFORE);
            }
        }
        for (name, offered) in &self.offered {
            offered.iter().for_each(|token| line(&mut text, *name, token, &[], OFFERED));
        }
        let written = sealed::put(path, text.as_bytes(), sync_directory);
        written.map_err(|reason| HsmError::File { path: path.display().to_string(), reason })
    }

    fn len(&self) -> usize {
        self.held.len() + self.offered.len()
    }

    pub(super) fn newest(&self, name: KeyName) -> Result<&Token, HsmError> {
        self.held.get(&name).map(|slot| &slot.newest).ok_or(HsmError::NoKey(name))
    }

    pub(super) fn before(&self, name: KeyName) -> Option<&Token> {
        self.held.get(&name)?.before.as_ref()
    }

    /// The keys that are good now and may have made what comes in, the likeliest first.
    pub(super) fn reading(&self, name: KeyName, now_s: i64) -> Result<Vec<&Token>, HsmError> {
        let good = self.held.get(&name).into_iter().flat_map(|slot| {
            let until_s = slot.newest.since_s.saturating_add(OLD_KEY_LIFE_S);
            std::iter::once(&slot.newest).chain(slot.before.as_ref().filter(move |_| now_s < until_s))
        });
        let reading: Vec<&Token> = good.chain(self.offered(name)).collect();
        if reading.is_empty() { Err(HsmError::NoKey(name)) } else { Ok(reading) }
    }

    /// What the other end was offered, the newest last.
    pub(super) fn offered(&self, name: KeyName) -> &[Token] {
        self.offered.get(&name).map_or(&[], Vec::as_slice)
    }

    /// How many exchange keys an owner has had, the one in use included: what its other keys count under. 0 without one.
    pub(super) fn exchange_version(&self, owner: Owner) -> KeyVersion {
        let exchange = self.held.get(&owner.key(KeyRole::Exchange));
        exchange.map_or(KeyVersion::UNUSED, Slot::exchange_version)
    }

    /// Exchange keys of a bank with the check value of another owner's, and that owner's: the newest ones, beside all newest ones and those before
    /// them. Two keys in 16 million have one of 3 bytes in common by chance, so terminals are held against banks alone: among themselves, as
    /// many as there are, some always agree.
    pub(super) fn shared_exchange_keys(&self) -> BTreeSet<KeyName> {
        let exchange = || self.held.iter().filter(|(name, _)| name.role == KeyRole::Exchange);
        let newest = || exchange().map(|(name, slot)| (*name, &slot.newest));
        let before = || exchange().filter_map(|(name, slot)| Some((*name, slot.before.as_ref()?)));
        let is_bank = |(name, _): &(KeyName, &Token)| name.owner.bank_id().is_some();
        let by_check_value =
            Told { hash: &|state, token: &Token| state.hash_one(front(token)), is_same: &Token::is };
        let of_banks: Vec<(KeyName, &Token)> = newest().filter(is_bank).collect();
        let mut names = shared(&of_banks, newest().chain(before()), &by_check_value);
        let banks: Vec<&Token> = newest().chain(before()).filter(is_bank).map(|(_, token)| token).collect();
        let terminals = newest().filter(|of| !is_bank(of));
        let alike = terminals.filter(|(_, token)| banks.iter().any(|bank| bank.is(token)));
        names.extend(alike.map(|(name, _)| name));
        names
    }

    /// The place behind all that were ever given to a key of this name, counted under this version of its exchange key.
    pub(super) fn next_place(&self, name: KeyName, under: KeyVersion) -> Result<Place, HsmError> {
        let newest = self.held.get(&name).map(|slot| slot.newest.place);
        Place::behind(newest.max(self.offered(name).last().map(|token| token.place)), name, under)
    }

    /// Keeps a key beside the newest of its name until it is taken into use, or another one is; in place of one that was offered
    /// under the same exchange key, and beside the last one that was offered under another.
    pub(super) fn offer(&mut self, name: KeyName, token: Token) -> Result<(), HsmError> {
        if self.len() >= KEYS_MAX {
            return Err(HsmError::Full);
        }
        let offered = self.offered.entry(name).or_default();
        offered.retain(|other| other.place.under != token.place.under);
        offered.push(token);
        let too_many = offered.len().saturating_sub(OFFERED_MAX);
        offered.drain(..too_many);
        Ok(())
    }

    /// Puts a key in; the newest becomes the one before. Its place has to be above the newest's; an exchange key is one that was not
    /// there before. What was offered and is not above it is void.
    pub(super) fn put(&mut self, name: KeyName, token: Token) -> Result<KeyInfo, HsmError> {
        if self.len() >= KEYS_MAX && !self.held.contains_key(&name) {
            return Err(HsmError::Full);
        }
        let mut passed = Vec::new();
        let stood = self.held.get(&name);
        match stood {
            Some(stood) if name.role == KeyRole::Exchange => {
                if stood.has_had(&token) {
                    return Err(HsmError::ComesBack(name));
                }
                stood.exchange_version().next().ok_or(HsmError::VersionsUsedUp(name))?;
                passed.clone_from(&stood.passed);
                passed.push(stood.newest.check_value);
            }
            Some(stood) if !token.place.is_above(stood.newest.place) => {
                return Err(HsmError::Rollback { name, version: stood.newest.place.version });
            }
            Some(_) | None => {}
        }
        let before = stood.map(|stood| stood.newest.clone());
        if let Some(offered) = self.offered.get_mut(&name) {
            offered.retain(|other| other.place > token.place);
            if offered.is_empty() {
                self.offered.remove(&name);
            }
        }
        let slot = Slot { newest: token, before, passed };
        let info = slot.info(name);
        self.held.insert(name, slot);
        Ok(info)
    }

    /// What differs between two readings of the file is taken up; of what is offered all, whoever has offered it: it reads, and
    /// makes nothing.
    pub(super) fn take_changes(&mut self, before: &Tokens, after: &Tokens) {
        let changed = after.held.iter().filter(|(name, slot)| before.held.get(name) != Some(slot));
        self.held.extend(changed.map(|(name, slot)| (*name, slot.clone())));
        // One that was offered here, and taken into use by another process: its owner has it.
        for (name, offered) in &self.offered {
            let used = after.held.get(name).filter(|slot| offered.iter().any(|token| token.is(&slot.newest)));
            if let Some(slot) = used {
                self.held.insert(*name, slot.clone());
            }
        }
        self.offered.clone_from(&after.offered);
    }

    pub(super) fn info(&self, name: KeyName) -> Result<KeyInfo, HsmError> {
        self.held.get(&name).map(|slot| slot.info(name)).ok_or(HsmError::NoKey(name))
    }

    pub(super) fn infos(&self) -> Vec<KeyInfo> {
        self.held.iter().map(|(name, slot)| slot.info(*name)).collect()
    }

    pub(super) fn offered_infos(&self) -> Vec<KeyInfo> {
        let of = |(name, offered): (&KeyName, &Vec<Token>)| -> Vec<KeyInfo> {
            offered.iter().map(|token| token.info(*name)).collect()
        };
        self.offered.iter().flat_map(of).collect()
    }

    fn add(&mut self, line: Line) -> Result<(), String> {
        let Line { name, token, under, passed, stands } = line;
        let exchange = self.exchange_version(name.owner);
        // Without a word it came under the exchange key that is there, and it cannot count under one that is not.
        let token = match name.role {
            KeyRole::Exchange => token,
            _ => token.counted(under.map_or(exchange, |under| under.min(exchange))),
        };
        if name.role == KeyRole::Exchange && stands == Stands::Offered {
            return Err(format!("{name} is never offered"));
        }
        match (self.held.get_mut(&name), stands) {
            (_, Stands::Offered) => {
                let offered = self.offered.entry(name).or_default();
                if offered.len() == OFFERED_MAX
                    || offered.last().is_some_and(|last| last.place >= token.place)
                {
                    return Err(format!("{name} is offered twice"));
                }
                offered.push(token);
            }
            (None, Stands::Newest) => {
                drop(self.held.insert(name, Slot { newest: token, before: None, passed }));
            }
            (None, Stands::Before) => {
                return Err(format!("{name} has no newest key in front of the one before it"));
            }
            (Some(slot), Stands::Before) if slot.before.is_none() && slot.may_follow(name, &token) => {
                // As it was written before: the last one alone is known.
                if name.role == KeyRole::Exchange && slot.passed.is_empty() {
                    slot.passed.push(token.check_value);
                }
                slot.before = Some(token);
            }
            (Some(_), Stands::Before) => {
                return Err(format!("{name} has another key before, or one that is newer"));
            }
            (Some(_), Stands::Newest) => return Err(format!("{name} stands twice")),
        }
        Ok(())
    }
}

impl Slot {
    fn exchange_version(&self) -> KeyVersion {
        let count = u8::try_from(self.passed.len() + 1).ok();
        count.and_then(KeyVersion::new).unwrap_or(KeyVersion::LAST)
    }

    /// Whether an exchange key is or was there.
    fn has_had(&self, token: &Token) -> bool {
        let known = self.passed.iter().chain([&self.newest.check_value]);
        known.into_iter().any(|value| value.agrees_with(&token.check_value))
    }

    /// Whether the newest may have come behind this one.
    fn may_follow(&self, name: KeyName, before: &Token) -> bool {
        name.role == KeyRole::Exchange || before.place < self.newest.place
    }

    fn info(&self, name: KeyName) -> KeyInfo {
        let number = |version| if name.role == KeyRole::Exchange { self.exchange_version() } else { version };
        let Slot { newest, before, .. } = self;
        KeyInfo {
            version: number(newest.place.version),
            proven_s: Some(newest.since_s),
            before: before.as_ref().map(|before| (before.place.version, before.check_value)),
            ..newest.info(name)
        }
    }
}

impl Token {
    fn info(&self, name: KeyName) -> KeyInfo {
        KeyInfo {
            name,
            usage: self.usage,
            algorithm: self.algorithm,
            bytes: self.bytes(),
            version: self.place.version,
            under: self.place.exchange_version(),
            check_value: self.check_value,
            since_s: self.since_s,
            proven_s: None,
            before: None,
        }
    }
}

/// What each check value tells of a key, however many bytes of it are told.
fn front(token: &Token) -> &[u8] {
    let value = token.check_value.bytes();
    value.get(..CHECK_VALUE_BYTES_MIN).unwrap_or(value)
}

fn line(text: &mut String, name: KeyName, token: &Token, passed: &[CheckValue], behind: &str) {
    let _ = write!(text, "{name} {} {}", token.text, token.check_value);
    if token.since_s != 0 {
        let _ = write!(text, " {SINCE}{}", token.since_s);
    }
    if let Some(bytes) = token.bytes.filter(|_| token.text.starts_with('S')) {
        let _ = write!(text, " {BYTES}{bytes}");
    }
    if let Some(under) = token.place.exchange_version() {
        let _ = write!(text, " {UNDER}{}", under.number());
    }
    if !passed.is_empty() {
        let values: Vec<String> = passed.iter().map(ToString::to_string).collect();
        let _ = write!(text, " {PASSED}{}", values.join(","));
    }
    let space = if behind.is_empty() { "" } else { " " };
    let _ = writeln!(text, "{space}{behind}");
}

/// A line of the file.
struct Line {
    name: KeyName,
    token: Token,
    under: Option<KeyVersion>,
    passed: Vec<CheckValue>,
    stands: Stands,
}

/// Where a line's key stands among those of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Newest,
    Before,
    Offered,
}

fn parse(line: &str) -> Result<Line, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
    }
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [name, text, check_value, rest @ ..] = &words[..] else {
        return Err("a name, a key under the LMK, a check value".to_owned());
    };
    let name: KeyName = name.parse()?;
    let value = |digits: &str| CheckValue::of_hex(digits).ok_or("a check value has 6 to 10 hex digits");
    let check_value = value(check_value)?;
    let (mut since_s, mut bytes, mut under) = (0, None, None);
    let (mut passed, mut stands) = (Vec::new(), Stands::Newest);
    for word in rest {
        let number = |digits: &str| digits.parse::<u32>().ok();
        let version = |digits: &str| digits.parse().ok().and_then(KeyVersion::new);
        if let Some(at) = word.strip_prefix(SINCE).and_then(number) {
            since_s = at.into();
        } else if let Some(length) = word.strip_prefix(BYTES).and_then(number) {
            bytes = Some(length as usize);
        } else if let Some(version) = word.strip_prefix(UNDER).and_then(version) {
            under = Some(version);
        } else if let Some(values) = word.strip_prefix(PASSED) {
            passed = values.split(',').map(value).collect::<Result<_, _>>()?;
        } else if *word == BEFORE {
            stands = Stands::Before;
        } else if *word == OFFERED {
            stands = Stands::Offered;
        } else {
            return Err(format!(
                "`{word}` is none of since=SECONDS, bytes=NUMBER, under=VERSION, passed=CHECK-VALUES, before, offered"
            ));
        }
    }
    let token = Token::parse(name, text, check_value, bytes, since_s);
    let token = token.map_err(|reason| format!("{name}: {reason}"))?;
    Ok(Line { name, token, under, passed, stands })
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
    fn keys_count_under_the_exchange_key_that_their_line_or_the_file_says() {
        let exchange = "bank.970418.exchange S10024K1AB00N0000ABCDEF12 AAAAAA";
        let old = "bank.970418.exchange S10024K1AB00N0000ABCDEF34 BBBBBB before";
        let places = |text: &str| -> Vec<String> {
            let tokens = read(text).unwrap();
            let infos = tokens.infos().into_iter().chain(tokens.offered_infos());
            infos.map(|key| format!("{} {}", key.under.map_or(0, |it| it.number()), key.version)).collect()
        };
        assert_eq!(places(NEXT), ["0 02"]);
        assert_eq!(places(&format!("{NEXT}\n{exchange}")), ["0 01", "1 02"]);
        assert_eq!(
            places(&format!("{exchange}\n{old}\n{NEXT}\n")),
            ["0 02", "2 02"],
            "one is known to be before"
        );
        let passed = format!("{exchange} passed=CCCCCC,BBBBBB\n{old}");
        let offered = "bank.970418.pin S10024P0AB01N0000ABCDEF12 1A2B3C4D5E offered";
        let many = format!("{passed}\n{NEXT} under=2\n{NEXT} under=2 offered\n{offered} under=9\n");
        assert_eq!(
            places(&many),
            ["0 03", "2 02", "2 02", "3 01"],
            "none counts under one that is not there"
        );
        for (line, says) in [
            (format!("{exchange} offered"), "line 1: bank.970418.exchange is never offered"),
            (format!("{offered}\n{offered}"), "line 2: bank.970418.pin is offered twice"),
            (format!("{NEXT} under=100"), "line 1: `under=100` is none of"),
            (format!("{exchange} passed=AABB"), "line 1: a check value has 6 to 10 hex digits"),
        ] {
            let error = read(&line).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_the_key_before_is_good_for_a_day() {
        let exchange = "bank.970418.exchange S10024K1AB00N0000ABCDEF12 AAAAAA passed=BBBBBB,CCCCCC";
        let offered = format!("{NEXT} under=3 offered").replace("AB02", "AB07");
        let text = format!("{VARIANT}\n{exchange}\n{NEXT}\n{BLOCK} before\n{offered}\n");
        let tokens = read(&text).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        tokens.write(&path, sealed::sync_directory).unwrap();
        let again = Tokens::read(&path).unwrap();
        assert_eq!(again, tokens);
        let name: KeyName = "bank.970418.pin".parse().unwrap();
        let good = |now_s| {
            again.reading(name, now_s).unwrap().iter().map(|it| it.place.version.number()).collect::<Vec<_>>()
        };
        assert_eq!(good(1_651_539_723 + OLD_KEY_LIFE_S - 1), [2, 1, 7]);
        assert_eq!(good(1_651_539_723 + OLD_KEY_LIFE_S), [2, 7]);
        assert_eq!(again.infos()[0].bytes, 16);
    }
}
