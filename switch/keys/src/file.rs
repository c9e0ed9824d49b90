//! The key file: TOML with every key in clear hex, readable by the switch's user alone (docs/operations.md#keys).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use thiserror::Error;

use crate::data::{DataKeys, GENERATION_MAX};
use crate::head_key::HeadKey;
use crate::key::Key;
use crate::mac::{LinkMac, MacAlgorithm, hex_bytes};

/// All keys that a switch starts with.
#[derive(Debug)]
pub struct KeyFile {
    /// Keys of data at rest.
    pub data: DataKeys,
    /// Signs heads of the log, where there is such a key.
    pub heads: Option<HeadKey>,
    /// Per terminal, by DE41.
    pub terminals: BTreeMap<String, TerminalKeys>,
    /// Per bank, by institution: the switch's end.
    pub banks: BTreeMap<String, LinkMac>,
}

/// The keys of one terminal: the switch's end.
#[derive(Clone, Debug)]
pub struct TerminalKeys {
    /// MACs of its link.
    pub mac: LinkMac,
    /// The imported challenge key: seeds of active authentication are derived from it.
    pub challenge: Key,
}

/// Why a key file is refused. Never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyFileError {
    /// Not the TOML that a key file is.
    #[error("line {line}: {reason}")]
    Form {
        /// The line, from 1; 0 where it is not known.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A generation that is not a number from 1 to [`GENERATION_MAX`], or none at all.
    #[error("{path}: a generation of a key is a number from 1 to {GENERATION_MAX}")]
    Generation {
        /// The key's place in the file.
        path: String,
    },
    /// A key that is not 64 hex digits.
    #[error("{path}: a key is 64 hex digits")]
    Key {
        /// The key's place in the file.
        path: String,
    },
    /// A MAC algorithm that is not known.
    #[error("{path}: `{name}` is none of hmac-sha256, aes-cmac, retail, retail-padding-2")]
    Algorithm {
        /// Its place in the file.
        path: String,
        /// What stands there.
        name: String,
    },
    /// A MAC key that is none of its link's algorithm.
    #[error(
        "{path}: no key of {algorithm}: hmac-sha256 has 64 hex digits, aes-cmac 32, 48 or 64, retail 32 with two halves"
    )]
    Mac {
        /// The key's place in the file.
        path: String,
        /// The link's algorithm.
        algorithm: &'static str,
    },
    /// One key in two roles lets a message be sent back to its sender.
    #[error("{path}: the same key stands elsewhere in the file")]
    Twice {
        /// The key's place in the file.
        path: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Data,
    #[serde(default)]
    terminal: BTreeMap<String, Terminal>,
    #[serde(default)]
    bank: BTreeMap<String, Bank>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    k_enc: Generations,
    k_pseudonym: String,
    k_log: Generations,
    k_heads: Option<String>,
}

/// One key, the first of its generations, or a table of them by their numbers.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a key, or a table of keys by their generation")]
enum Generations {
    One(String),
    Many(BTreeMap<String, String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Terminal {
    algorithm: Option<String>,
    mac_to_switch: String,
    mac_from_switch: String,
    challenge: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bank {
    algorithm: Option<String>,
    mac_to_switch: String,
    mac_from_switch: String,
}

impl KeyFile {
    /// Reads the text of a key file:
    ///
    /// ```toml
    /// [data]
    /// k_enc = { 1 = "…", 2 = "…" } # 64 hex digits each, and no two alike; `k_enc = "…"` is generation 1 alone
    /// k_pseudonym = "…"
    /// k_log = "…"        # or a table of generations, as k_enc
    /// k_heads = "…"      # may be left out
    /// [terminal.HN000001]
    /// algorithm = "hmac-sha256"   # or aes-cmac, retail, retail-padding-2; may be left out
    /// mac_to_switch = "…"
    /// mac_from_switch = "…"
    /// challenge = "…"
    /// [bank.970418]
    /// mac_to_switch = "…"
    /// mac_from_switch = "…"
    /// ```
    ///
    /// # Errors
    /// [`KeyFileError`] with the line or the place.
    pub fn parse(text: &str) -> Result<KeyFile, KeyFileError> {
        let file: File = toml::from_str(text).map_err(|error| KeyFileError::Form {
            line: error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1),
            reason: error.message().lines().next().unwrap_or("not TOML").to_owned(),
        })?;
        let mut seen = Seen::new();
        let encryption = generations(&mut seen, "data.k_enc", file.data.k_enc)?;
        let pseudonym = key(&mut seen, "data.k_pseudonym".to_owned(), &file.data.k_pseudonym)?;
        let log = generations(&mut seen, "data.k_log", file.data.k_log)?;
        let none = |path: &str| KeyFileError::Generation { path: path.to_owned() };
        let first = log.values().next().ok_or_else(|| none("data.k_log"))?;
        let data = DataKeys::with_generations(&encryption, &pseudonym, first).ok_or(none("data.k_enc"))?;
        let data = data.with_chains(&log).ok_or(none("data.k_log"))?;
        let heads =
            file.data.k_heads.map(|hex| key(&mut seen, "data.k_heads".to_owned(), &hex)).transpose()?;
        let heads = heads.as_ref().map(HeadKey::new);
        let mut terminals = BTreeMap::new();
        for (id, terminal) in &file.terminal {
            let challenge = key(&mut seen, format!("terminal.{id}.challenge"), &terminal.challenge)?;
            let Terminal { algorithm, mac_to_switch, mac_from_switch, .. } = terminal;
            let path = format!("terminal.{id}");
            let mac = link(&path, algorithm.as_deref(), mac_to_switch, mac_from_switch, &mut seen)?;
            terminals.insert(id.clone(), TerminalKeys { mac, challenge });
        }
        let mut banks = BTreeMap::new();
        for (id, Bank { algorithm, mac_to_switch, mac_from_switch }) in &file.bank {
            let path = format!("bank.{id}");
            let mac = link(&path, algorithm.as_deref(), mac_to_switch, mac_from_switch, &mut seen)?;
            banks.insert(id.clone(), mac);
        }
        Ok(KeyFile { data, heads, terminals, banks })
    }
}

/// The keys of a table by their generation, or the one that is the first.
fn generations(seen: &mut Seen, path: &str, written: Generations) -> Result<BTreeMap<u8, Key>, KeyFileError> {
    match written {
        Generations::One(hex) => Ok(BTreeMap::from([(1, key(seen, path.to_owned(), &hex)?)])),
        Generations::Many(keys) => {
            let one = |(number, hex): (String, String)| {
                let path = format!("{path}.{number}");
                let generation = generation(&number);
                let generation = generation.ok_or_else(|| KeyFileError::Generation { path: path.clone() })?;
                Ok((generation, key(seen, path, &hex)?))
            };
            keys.into_iter().map(one).collect()
        }
    }
}

/// Without signs and without zeros in front, so that no generation stands twice in a file.
fn generation(number: &str) -> Option<u8> {
    let generation = number.parse::<u8>().ok()?;
    (generation > 0 && generation.to_string() == number).then_some(generation)
}

/// All keys so far.
type Seen = BTreeSet<Vec<u8>>;

/// A key of 32 bytes.
fn key(seen: &mut Seen, path: String, hex: &str) -> Result<Key, KeyFileError> {
    let Some(key) = Key::from_hex(hex) else { return Err(KeyFileError::Key { path }) };
    if seen.insert(key.bytes().to_vec()) { Ok(key) } else { Err(KeyFileError::Twice { path }) }
}

/// The MAC keys of one link, at the switch's end.
fn link(
    path: &str,
    algorithm: Option<&str>,
    to_switch: &str,
    from_switch: &str,
    seen: &mut Seen,
) -> Result<LinkMac, KeyFileError> {
    let algorithm = match algorithm {
        None => MacAlgorithm::HmacSha256,
        Some(name) => MacAlgorithm::of_name(name).ok_or_else(|| KeyFileError::Algorithm {
            path: format!("{path}.algorithm"),
            name: name.to_owned(),
        })?,
    };
    for (place, hex) in [("mac_to_switch", to_switch), ("mac_from_switch", from_switch)] {
        if let Some(bytes) = hex_bytes(hex)
            && !seen.insert(bytes.to_vec())
        {
            return Err(KeyFileError::Twice { path: format!("{path}.{place}") });
        }
    }
    LinkMac::of_hex(algorithm, from_switch, to_switch).map_err(|is_sign| {
        let place = if is_sign { "mac_from_switch" } else { "mac_to_switch" };
        let path = format!("{path}.{place}");
        match algorithm {
            MacAlgorithm::HmacSha256 => KeyFileError::Key { path },
            MacAlgorithm::AesCmac | MacAlgorithm::Retail(_) => {
                KeyFileError::Mac { path, algorithm: algorithm.name() }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(last: &str) -> String {
        let key = |byte: u8| format!("{byte:02x}").repeat(32);
        format!(
            "[data]\nk_enc = \"{}\"\nk_pseudonym = \"{}\"\nk_log = \"{}\"\n[bank.970418]\nmac_to_switch = \"{}\"\nmac_from_switch = \"{last}\"\n",
            key(1),
            key(2),
            key(3),
            key(4)
        )
    }

    #[test]
    fn mistakes_are_named_and_keys_are_not() {
        assert!(KeyFile::parse(&text(&"05".repeat(32))).is_ok());
        let path = || "bank.970418.mac_from_switch".to_owned();
        let refused = |text: &str| KeyFile::parse(text).map(drop).unwrap_err();
        assert_eq!(refused(&text("0505")), KeyFileError::Key { path: path() });
        assert_eq!(refused(&text(&"04".repeat(32))), KeyFileError::Twice { path: path() });
        assert!(matches!(refused(&text("05").replace("k_log", "k_lug")), KeyFileError::Form { line: 4, .. }));
        assert!(!format!("{:?}", KeyFile::parse(&text(&"05".repeat(32))).unwrap()).contains("0505"));
    }
    #[test]
    fn generations_are_a_table_of_numbers_and_the_highest_seals() {
        let one = format!("k_enc = \"{}\"", "01".repeat(32));
        let parse = |k_enc: &str| KeyFile::parse(&text(&"05".repeat(32)).replace(&one, k_enc));
        let many = |first: &str, key: u8| {
            let (one, two) = ("01".repeat(32), format!("{key:02x}").repeat(32));
            parse(&format!("k_enc = {{ {first} = \"{one}\", 12 = \"{two}\" }}"))
        };
        assert_eq!(parse(&one).unwrap().data.sealing_generation(), 1);
        assert_eq!(many("3", 9).unwrap().data.sealing_generation(), 12);
        let generation = |path: &str| KeyFileError::Generation { path: path.to_owned() };
        for number in ["0", "01", "256", "x", "-1"] {
            assert_eq!(many(number, 9).unwrap_err(), generation(&format!("data.k_enc.{number}")));
        }
        assert_eq!(parse("k_enc = {}").unwrap_err(), generation("data.k_enc"));
        assert_eq!(many("3", 2).unwrap_err(), KeyFileError::Twice { path: "data.k_pseudonym".to_owned() });
        let k_log = format!("k_log = \"{}\"", "03".repeat(32));
        let both = format!("k_log = {{ 1 = \"{}\", 2 = \"{}\" }}", "03".repeat(32), "0a".repeat(32));
        let text = text(&"05".repeat(32));
        assert_eq!(KeyFile::parse(&text.replace(&k_log, &both)).unwrap().data.chaining_generation(), 2);
        assert_eq!(
            KeyFile::parse(&text.replace(&k_log, "k_log = {}")).unwrap_err(),
            generation("data.k_log")
        );
        let error = parse("k_enc = 5").unwrap_err();
        assert!(error.to_string().contains("a key, or a table of keys by their generation"), "{error}");
    }

    #[test]
    fn each_link_has_its_algorithm() {
        let with = |algorithm: &str, to: &str, from: &str| {
            let front = text("").split("[bank").next().unwrap().to_owned();
            let bank = format!(
                "[bank.970418]\nalgorithm = \"{algorithm}\"\nmac_to_switch = \"{to}\"\nmac_from_switch = \"{from}\"\n"
            );
            KeyFile::parse(&(front + &bank))
        };
        let (one, two) = ("0123456789abcdef0f1e2d3c4b5a6978", "fedcba98765432100f1e2d3c4b5a6978");
        for algorithm in MacAlgorithm::ALL {
            let (one, two) = match algorithm {
                MacAlgorithm::HmacSha256 => (one.repeat(2), two.repeat(2)),
                MacAlgorithm::AesCmac | MacAlgorithm::Retail(_) => (one.to_owned(), two.to_owned()),
            };
            let near = with(algorithm.name(), &one, &two).unwrap().banks.remove("970418").unwrap();
            let far = LinkMac::of_hex(algorithm, &one, &two).unwrap();
            for text in [&b"0800"[..], &[7; 400]] {
                assert!(far.verify.verify(text, &near.sign.sign(text)), "{}", algorithm.name());
                assert!(near.verify.verify(text, &far.sign.sign(text)));
                assert!(!near.verify.verify(text, &near.sign.sign(text)), "the other direction's key");
                assert!(!near.verify.verify(text, &[]), "an absent MAC is a wrong one");
            }
        }
        let refused = |algorithm: &str, to: &str, from: &str| {
            with(algorithm, to, from).map(drop).unwrap_err().to_string()
        };
        assert!(refused("rot13", one, two).starts_with("bank.970418.algorithm: `rot13` is none of"));
        assert!(
            refused("retail", one, &two.repeat(2))
                .starts_with("bank.970418.mac_from_switch: no key of retail")
        );
        assert!(
            refused("retail", &"0123456789abcdef".repeat(2), two)
                .starts_with("bank.970418.mac_to_switch: no key")
        );
        assert!(
            refused("aes-cmac", &one[..30], two).starts_with("bank.970418.mac_to_switch: no key of aes-cmac")
        );
        assert!(refused("aes-cmac", one, one).ends_with("the same key stands elsewhere in the file"));
        assert!(
            refused("hmac-sha256", one, two)
                .starts_with("bank.970418.mac_from_switch: a key is 64 hex digits")
        );
    }
}
