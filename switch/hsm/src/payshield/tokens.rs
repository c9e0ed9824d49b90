//! The file of a payShield's keys: a line each, the key's name, the key under the box's LMK, its check value.

use std::collections::BTreeMap;
use std::path::Path;

use keys::{CheckValue, KeyAlgorithm, KeyUsage, KeyVersion};

use crate::KeyInfo;
use crate::error::HsmError;
use crate::name::KeyName;
use crate::slot::KEYS_MAX;

/// A longer line is none of a key.
const LINE_BYTES_MAX: usize = 1_200;

/// All keys.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<KeyName, Token>);

#[derive(Debug)]
struct Token {
    text: String,
    usage: KeyUsage,
    algorithm: KeyAlgorithm,
    bytes: usize,
    version: KeyVersion,
    check_value: CheckValue,
}

impl Tokens {
    pub(super) fn read(path: &Path) -> Result<Tokens, HsmError> {
        let refuse = |reason: String| HsmError::File { path: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let mut tokens = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let (name, token) = parse(line).map_err(|reason| refuse(format!("line {number}: {reason}")))?;
            if tokens.insert(name, token).is_some() {
                return Err(refuse(format!("line {number}: {name} stands twice")));
            }
            if tokens.len() > KEYS_MAX {
                return Err(HsmError::Full);
            }
        }
        Ok(Tokens(tokens))
    }

    pub(super) fn token(&self, name: KeyName) -> Result<&str, HsmError> {
        self.0.get(&name).map(|token| token.text.as_str()).ok_or(HsmError::NoKey(name))
    }

    pub(super) fn infos(&self) -> Vec<KeyInfo> {
        let info = |(name, token): (&KeyName, &Token)| KeyInfo {
            name: *name,
            usage: token.usage,
            algorithm: token.algorithm,
            bytes: token.bytes,
            version: token.version,
            check_value: token.check_value,
            since_s: 0,
            before: None,
        };
        self.0.iter().map(info).collect()
    }
}

fn parse(line: &str) -> Result<(KeyName, Token), String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [name, text, check_value] = words[..] else {
        return Err("a name, a key under the LMK, a check value".to_owned());
    };
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
    }
    let name: KeyName = name.parse()?;
    let check_value = CheckValue::of_hex(check_value).ok_or("a check value has 6 to 10 hex digits")?;
    let kind =
        kind(text).ok_or("no key under an LMK: U and 32 hex digits, T and 48, or S and a key block")?;
    let (usage, algorithm, bytes, version) = kind;
    let usage = usage.unwrap_or(name.role.usages()[0]);
    if !name.role.usages().contains(&usage) {
        return Err(format!("{name} has a key for {usage:?}"));
    }
    Ok((name, Token { text: text.to_owned(), usage, algorithm, bytes, version, check_value }))
}

type Kind = (Option<KeyUsage>, KeyAlgorithm, usize, KeyVersion);

/// Variant LMK: the scheme and the key. Key block LMK: S and a block, whose header says usage, algorithm and version.
fn kind(text: &str) -> Option<Kind> {
    let rest = text.get(1..)?;
    let is_hex = |digits: usize| rest.len() == digits && rest.bytes().all(|digit| digit.is_ascii_hexdigit());
    match text.as_bytes().first()? {
        b'U' if is_hex(32) => Some((None, KeyAlgorithm::Tdes, 16, KeyVersion::UNUSED)),
        b'T' if is_hex(48) => Some((None, KeyAlgorithm::Tdes, 24, KeyVersion::UNUSED)),
        b'S' => {
            let block = rest.as_bytes();
            let length: usize = str::from_utf8(block.get(1..5)?).ok()?.parse().ok()?;
            if length != block.len() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
                return None;
            }
            let usage = KeyUsage::of_code([*block.get(5)?, *block.get(6)?])?;
            let algorithm = KeyAlgorithm::of_code(*block.get(7)?)?;
            let version = str::from_utf8(block.get(9..11)?).ok()?.parse().ok().and_then(KeyVersion::new);
            // How long the key is, a block does not tell.
            let bytes = if algorithm == KeyAlgorithm::Aes { 32 } else { 16 };
            Some((Some(usage), algorithm, bytes, version.unwrap_or(KeyVersion::UNUSED)))
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

    #[test]
    fn keys_are_read_and_mistakes_are_named() {
        let variant = format!("terminal.HN000001.pin U{} 1A2B3C", "0".repeat(32));
        let block = "bank.970418.pin S10024P0AB01N0000ABCDEF12 1A2B3C4D5E";
        let tokens = read(&format!("# of a box\n{variant}\n\n{block}\n")).unwrap();
        let infos = tokens.infos();
        assert_eq!((infos[0].algorithm, infos[0].usage), (KeyAlgorithm::Tdes, KeyUsage::PinEncryption));
        assert_eq!((infos[1].algorithm, infos[1].version.to_string()), (KeyAlgorithm::Aes, "01".to_owned()));
        assert!(tokens.token(infos[1].name).unwrap().starts_with("S1"));
        for (line, says) in [
            ("terminal.HN000001.pin", "keys: line 1: a name, a key under the LMK, a check value"),
            ("terminal.HN1.pin U00 1A2B3C", "keys: line 1: `terminal.HN1.pin` is no key's name"),
            ("bank.970418.pin U00 1A2B3C", "keys: line 1: no key under an LMK"),
            ("bank.970418.pin S10025P0AB01N0000ABCDEF12 1A2B3C", "keys: line 1: no key under an LMK"),
            (
                "bank.970418.exchange S10024P0AB01N0000ABCDEF12 1A2B3C",
                "keys: line 1: bank.970418.exchange has",
            ),
            (block.rsplit_once(' ').unwrap().0, "keys: line 1: a name"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
        assert!(
            read(&format!("{block}\n{block}")).unwrap_err().contains("line 2: bank.970418.pin stands twice")
        );
    }
}
