//! The configuration file of a bank that is started alone.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use iso8583::Dialect;
use iso8583::framing::{Framing, TPDU_BYTES};
use keys::LinkCodec;
use serde::Deserialize;
use thiserror::Error;

use crate::exchange::exchange;
use crate::link::{hmac, mac};
use crate::pin_sections::CheckSection;
use crate::tls::{Answerer, TlsError, TlsSection};

use super::driver::BankConfig;
use super::fault::{Rule, rules};
use super::ledger::{OPENING, SETTLEMENT};
use super::machine::MachineConfig;

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No TOML, an unknown key, a value of another type.
    #[error("{path}:{line}: {reason}")]
    Form {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 where it is not known.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A value that its key does not allow.
    #[error("{path}: {key}: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    listen: Vec<SocketAddr>,
    ledger: PathBuf,
    #[serde(default = "ascii_1987")]
    dialect: String,
    #[serde(default = "length2")]
    header: String,
    tpdu: Option<String>,
    #[serde(default = "hmac")]
    mac_algorithm: String,
    mac_to_switch: Option<String>,
    mac_from_switch: Option<String>,
    #[serde(default = "vnd")]
    currency: u16,
    #[serde(default)]
    amount_exponent: u8,
    #[serde(default = "yes")]
    tombstones: bool,
    #[serde(default)]
    repeats_refused: bool,
    #[serde(default)]
    fsync: bool,
    #[serde(default = "right")]
    totals: String,
    holds: Option<PathBuf>,
    opening_minor: Option<i64>,
    #[serde(default)]
    account: Vec<Account>,
    #[serde(default)]
    fault: Vec<FaultSection>,
    exchange_key: Option<String>,
    pin: Option<CheckSection>,
    tls: Option<TlsSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    number: String,
    balance_minor: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultSection {
    mti: Option<u16>,
    rrn: Option<Box<str>>,
    terminal: Option<Box<str>>,
    amount_minor: Option<i64>,
    #[serde(default = "once")]
    times: u32,
    does: String,
}

/// Reads a bank's configuration. Relative paths start at the file's directory.
///
/// ```toml
/// id = "970418"                      # its institution, DE100
/// listen = ["127.0.0.1:8601"]        # one or more
/// ledger = "970418.jsonl"
/// dialect = "ascii-1987"             # or ascii-binary-bitmap-1987, bcd-1987, ebcdic-1987
/// header = "length2"                 # or ascii4, length2-tpdu (with tpdu = "6000000000")
/// mac_algorithm = "hmac-sha256"      # or aes-cmac, retail, retail-padding-2, as in the switch's key file
/// mac_to_switch = "…"                # 64 hex digits each with HMAC; both or none
/// mac_from_switch = "…"
/// exchange_key = "…"                 # 64 hex digits; without it the switch's 0800/101 is 40
/// currency = 704
/// amount_exponent = 0                # or 2
/// tombstones = true
/// repeats_refused = false            # a repeated 0200 is answered 94
/// totals = "right"                   # its answer to 0520: right, off:MINOR, silent, late:MS
/// fsync = false
/// holds = "970418.holds"             # how long each 0200 was held: entries of 16 bytes
/// opening_minor = 1000000000         # every number of digits is an account, opened with this
/// [[account]]
/// number = "1234567890"
/// balance_minor = 50000000
/// [[fault]]                          # all that is named has to hold; the first that holds decides
/// mti = 200                          # 200, 220 or 420
/// terminal = "HN000001"
/// amount_minor = 2000000             # or rrn = "…"
/// times = 1                          # so many first sightings of each identity
/// does = "late:2000"                 # see Fault
/// [pin]                              # without it no PIN is asked for
/// format = 0                         # 0, 3 or 4
/// key = "…"                          # hex, as in the switch's security module
/// population_seed = 1                # of the citizens whose PINs they are
/// [tls]                              # without it the links are in clear
/// ca_file = "switch-ca.pem"          # who signed the switch's certificate
/// certificate_file = "970418.pem"
/// key_file = "970418.key.pem"
/// ```
///
/// # Errors
/// [`SettingsError`].
pub fn load(path: &Path) -> Result<BankConfig, SettingsError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| SettingsError::Io { path: path.to_owned(), error })?;
    let file: File = toml::from_str(&text).map_err(|error| SettingsError::Form {
        path: path.to_owned(),
        line: error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        reason: error.message().lines().next().unwrap_or("not TOML").to_owned(),
    })?;
    let directory = path.parent().unwrap_or(Path::new("."));
    config(file, directory).map_err(|(key, reason)| SettingsError::Value {
        path: path.to_owned(),
        key,
        reason: reason.to_owned(),
    })
}

type Refused = (String, String);

fn refuse<T>(key: &str, reason: impl Into<String>) -> Result<T, Refused> {
    Err((key.to_owned(), reason.into()))
}

fn config(file: File, directory: &Path) -> Result<BankConfig, Refused> {
    if file.id.is_empty() || file.id.len() > 11 || !file.id.bytes().all(|byte| byte.is_ascii_digit()) {
        return refuse("id", format!("`{}` is not 1 to 11 digits", file.id));
    }
    if file.listen.is_empty() {
        return refuse("listen", "has no address");
    }
    if !matches!(file.amount_exponent, 0 | 2) {
        return refuse("amount_exponent", "is 0 or 2");
    }
    if file.currency > 999 {
        return refuse("currency", "has more than 3 digits");
    }
    let Some(dialect) = Dialect::built_in(&file.dialect) else {
        return refuse("dialect", format!("`{}` is not built in", file.dialect));
    };
    let framing = match (file.header.as_str(), &file.tpdu) {
        ("length2", None) => Framing::Length2,
        ("ascii4", None) => Framing::Ascii4,
        ("length2-tpdu", tpdu) => match read_tpdu(tpdu.as_deref().unwrap_or("6000000000")) {
            Some(tpdu) => Framing::Length2Tpdu { tpdu },
            None => return refuse("tpdu", "is not 10 hex digits"),
        },
        ("length2" | "ascii4", Some(_)) => {
            return refuse("tpdu", "goes with header = \"length2-tpdu\" alone");
        }
        (header, _) => {
            return refuse("header", format!("`{header}` is none of length2, ascii4, length2-tpdu"));
        }
    };
    let mac = match (file.mac_to_switch, file.mac_from_switch) {
        (None, None) => None,
        (Some(to_switch), Some(from_switch)) => {
            let made = mac(&file.mac_algorithm, &to_switch, &from_switch);
            Some(made.map_err(|reason| ("mac".to_owned(), reason))?)
        }
        (Some(_), None) | (None, Some(_)) => {
            return refuse("mac_to_switch", "and mac_from_switch go together");
        }
    };
    let pins = file.pin.as_ref().map(CheckSection::check).transpose();
    let pins = pins.map_err(|reason| ("pin".to_owned(), reason))?;
    let totals = file.totals.parse().map_err(|reason| ("totals".to_owned(), reason))?;
    let exchange = exchange(file.exchange_key.as_deref());
    let exchange = exchange.map_err(|reason| ("exchange_key".to_owned(), reason))?;
    let machine = MachineConfig {
        id: file.id.into(),
        currency: file.currency,
        amount_exponent: file.amount_exponent,
        accounts: accounts(file.account)?,
        opening_minor: file.opening_minor,
        tombstones: file.tombstones,
        repeats_refused: file.repeats_refused,
        totals,
        pins,
        exchange,
        faults: rules(faults(file.fault)?),
    };
    let ledger = directory.join(file.ledger);
    let holds = file.holds.map(|holds| directory.join(holds));
    let codec = LinkCodec { dialect, framing };
    let answerer = |section: TlsSection| {
        let (ca_pem, own) = section.read(directory)?;
        Answerer::new(&ca_pem, &own)
    };
    let tls: Result<_, TlsError> = file.tls.map(answerer).transpose();
    let tls = tls.map_err(|error| ("tls".to_owned(), error.to_string()))?;
    Ok(BankConfig { machine, listen: file.listen, codec, tls, mac, ledger, fsync: file.fsync, holds })
}

fn accounts(sections: Vec<Account>) -> Result<BTreeMap<Box<str>, i64>, Refused> {
    let mut accounts = BTreeMap::new();
    for Account { number, balance_minor } in sections {
        let key = format!("account.{number}");
        if number.is_empty() || number.len() > 28 || number == SETTLEMENT || number == OPENING {
            return refuse(&key, "an account has 1 to 28 characters, and is none of the bank's own");
        }
        if accounts.insert(number.into(), balance_minor).is_some() {
            return refuse(&key, "stands twice");
        }
    }
    Ok(accounts)
}

fn faults(sections: Vec<FaultSection>) -> Result<Vec<Rule>, Refused> {
    let mut rules = Vec::new();
    for (index, section) in sections.into_iter().enumerate() {
        let FaultSection { mti, rrn, terminal, amount_minor, times, does } = section;
        if mti.is_some_and(|mti| !matches!(mti, 200 | 220 | 420)) {
            return refuse(&format!("fault[{index}].mti"), "is 200, 220 or 420");
        }
        let fault = does.parse().map_err(|reason| (format!("fault[{index}].does"), reason))?;
        rules.push(Rule { mti, rrn, terminal, amount_minor, times, fault });
    }
    Ok(rules)
}

fn read_tpdu(hex: &str) -> Option<[u8; TPDU_BYTES]> {
    let mut tpdu = [0; TPDU_BYTES];
    if hex.len() != 2 * TPDU_BYTES || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in tpdu.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(tpdu)
}

fn ascii_1987() -> String {
    "ascii-1987".to_owned()
}

fn length2() -> String {
    "length2".to_owned()
}

fn vnd() -> u16 {
    704
}

fn right() -> String {
    "right".to_owned()
}

fn yes() -> bool {
    true
}

fn once() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LEAST: &str = "id = \"970418\"\nlisten = [\"127.0.0.1:0\"]\nledger = \"l.jsonl\"\n";

    fn loaded(more: &str) -> Result<BankConfig, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bank.toml");
        std::fs::write(&path, format!("{LEAST}{more}")).unwrap();
        load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_least_and_the_most_that_can_be_said() {
        let config = loaded("").unwrap();
        assert_eq!(config.codec.framing, Framing::Length2);
        assert!(config.machine.tombstones && config.mac.is_none() && !config.fsync);
        let keys =
            format!("mac_to_switch = \"{}\"\nmac_from_switch = \"{}\"", "01".repeat(32), "02".repeat(32));
        let more = "dialect = \"bcd-1987\"\nheader = \"length2-tpdu\"\ntpdu = \"60000a0000\"\namount_exponent = 2\n\
                    [[account]]\nnumber = \"1\"\nbalance_minor = 5\n\
                    [[fault]]\nmti = 420\nterminal = \"HN000001\"\ndoes = \"silent\"";
        let config = loaded(&format!("{keys}\n{more}")).unwrap();
        assert_eq!(config.codec.framing, Framing::Length2Tpdu { tpdu: [0x60, 0, 10, 0, 0] });
        assert_eq!(config.codec.dialect.name(), "bcd-1987");
        assert_eq!(config.machine.accounts.get("1"), Some(&5));
        assert!(config.mac.is_some());
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (more, says) in [
            ("colour = 1", "bank.toml:4: unknown field `colour`"),
            ("fsync = 1", "bank.toml:4: invalid type"),
            ("dialect = \"x\"", "dialect: `x` is not built in"),
            ("header = \"x\"", "header: `x` is none of"),
            ("tpdu = \"60\"", "tpdu: goes with"),
            ("amount_exponent = 1", "amount_exponent: is 0 or 2"),
            ("mac_to_switch = \"00\"", "go together"),
            ("[[account]]\nnumber = \"atm-settlement\"\nbalance_minor = 5", "account.atm-settlement: "),
            ("[[fault]]\ndoes = \"late\"", "fault[0].does: `late` is no fault"),
        ] {
            let error = loaded(more).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
