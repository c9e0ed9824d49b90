//! The configuration file of a terminal that is started alone.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keys::Key;
use serde::Deserialize;
use thiserror::Error;

use crate::exchange::exchange;
use crate::link::{hmac, mac};
use crate::pin_sections::PadSection;
use crate::registry::Sessions;
use crate::tls::{Dialler, TlsError, TlsSection};

use super::config::{Biometrics, Config, Timers};
use super::driver::Setup;
use super::notes::Notes;

/// The score of every face that is compared: a match.
const SCORE: u8 = 97;

/// The longest wait that a file may set, milliseconds: a day.
const WAIT_MS_MAX: u64 = 86_400_000;

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
    #[error("{path}: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, and what is wrong.
        reason: String,
    },
}

/// A terminal that is started alone, and the population that its citizens come from.
#[derive(Debug)]
pub struct Settings {
    /// The terminal.
    pub setup: Setup,
    /// The IIN of citizen PANs.
    pub iin: [u8; 6],
    /// The seed of the synthetic population.
    pub population_seed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    switch: SocketAddr,
    terminal: String,
    acquirer: String,
    location: String,
    #[serde(default = "default_iin")]
    iin: String,
    population_seed: u64,
    registry_seed: u64,
    #[serde(default = "hmac")]
    mac_algorithm: String,
    mac_to_switch: String,
    mac_from_switch: String,
    challenge: String,
    exchange_key: Option<String>,
    #[serde(default = "default_cassettes")]
    cassettes: Notes,
    #[serde(default)]
    timers: TimersSection,
    pin: Option<PadSection>,
    tls: Option<TlsSection>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TimersSection {
    answer_ms_max: Option<u64>,
    link_ms_max: Option<u64>,
    advice_repeat_ms_min: Option<u64>,
    advice_repeat_ms_max: Option<u64>,
    echo_interval_ms: Option<u64>,
    network_answer_ms_max: Option<u64>,
}

fn default_iin() -> String {
    "970499".to_owned()
}

fn default_cassettes() -> Notes {
    Notes([1_000; 4])
}

/// Reads a terminal's configuration.
///
/// ```toml
/// switch = "127.0.0.1:8583"
/// terminal = "HN000001"              # DE41
/// acquirer = "970418"                # DE32
/// location = "BIDV Hoan Kiem, Ha Noi"
/// iin = "970499"                     # of citizen PANs
/// population_seed = 1                # of the citizens whose cards are read
/// registry_seed = 1                  # of the registry whose biometric service compares faces
/// mac_algorithm = "hmac-sha256"      # as in the switch's key file
/// mac_to_switch = "…"                # 64 hex digits each with HMAC, as there
/// mac_from_switch = "…"
/// challenge = "…"
/// exchange_key = "…"                 # 64 hex digits; without it the switch's 0800/101 is 40
/// cassettes = [1000, 1000, 1000, 1000]   # notes of 500,000, 200,000, 100,000 and 50,000
/// [timers]                           # all of Timers, milliseconds
/// answer_ms_max = 30000
/// [pin]                              # without it no PIN is asked for
/// format = 0                         # 0, 3 or 4
/// key = "…"                          # hex; a pad that derives its keys has initial_key and ksn instead
/// [tls]                              # without it the link is in clear
/// ca_file = "switch-ca.pem"          # who signed the switch's certificate
/// certificate_file = "HN000001.pem"
/// key_file = "HN000001.key.pem"
/// name = "127.0.0.1"                 # what the switch's certificate has to name; its address when left out
/// ```
///
/// # Errors
/// [`SettingsError`].
pub fn load(path: &Path) -> Result<Settings, SettingsError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| SettingsError::Io { path: path.to_owned(), error })?;
    let file: File = toml::from_str(&text).map_err(|error| SettingsError::Form {
        path: path.to_owned(),
        line: error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        reason: error.message().lines().next().unwrap_or("not TOML").to_owned(),
    })?;
    let directory = path.parent().unwrap_or(Path::new("."));
    settings(&file, directory).map_err(|reason| SettingsError::Value { path: path.to_owned(), reason })
}

fn settings(file: &File, directory: &Path) -> Result<Settings, String> {
    let key = |name: &str, hex: &str| Key::from_hex(hex).ok_or(format!("{name}: a key is 64 hex digits"));
    let mac = mac(&file.mac_algorithm, &file.mac_to_switch, &file.mac_from_switch)?;
    let challenge = key("challenge", &file.challenge)?;
    let digits = file.iin.bytes().all(|byte| byte.is_ascii_digit());
    let iin = file.iin.as_bytes().try_into().ok().filter(|_| digits).ok_or("iin: not 6 digits")?;
    let biometrics = matching_faces(file.registry_seed);
    let mut config = Config::new(&file.terminal, &file.acquirer, &file.location, challenge, biometrics)
        .map_err(|error| error.to_string())?;
    config.timers = timers(&file.timers)?;
    config.exchange =
        exchange(file.exchange_key.as_deref()).map_err(|reason| format!("exchange_key: {reason}"))?;
    let pad = file.pin.as_ref().map(PadSection::pad).transpose();
    config.pin_pad = pad.map_err(|reason| format!("pin.{reason}"))?;
    if file.cassettes.0.iter().any(|count| *count > config.cassette_notes_max) {
        return Err(format!("cassettes: above {} notes", config.cassette_notes_max));
    }
    let dialler = |section: &TlsSection| {
        let (ca_pem, own) = section.read(directory)?;
        let address = file.switch.ip().to_string();
        Dialler::new(&ca_pem, &own, section.name.as_deref().unwrap_or(&address))
    };
    let tls: Result<_, TlsError> = file.tls.as_ref().map(dialler).transpose();
    let tls = tls.map_err(|error| format!("tls: {error}"))?;
    let setup = Setup {
        switch: file.switch,
        tls,
        mac: Some(mac),
        config,
        cassettes: file.cassettes,
        redial_ms_min: 100,
        redial_ms_max: 5_000,
        keep_movements: true,
    };
    Ok(Settings { setup, iin, population_seed: file.population_seed })
}

/// The biometric service of the registry with this seed, before which every face is the citizen's.
pub fn matching_faces(registry_seed: u64) -> Biometrics {
    let sessions = Sessions::from_seed(registry_seed);
    Arc::new(move |asked| sessions.mint(asked.at_s, asked.number, &asked.citizen, &asked.terminal, SCORE))
}

fn timers(section: &TimersSection) -> Result<Timers, String> {
    let mut timers = Timers::default();
    for (name, given, place) in [
        ("answer_ms_max", section.answer_ms_max, &mut timers.answer_ms_max),
        ("link_ms_max", section.link_ms_max, &mut timers.link_ms_max),
        ("advice_repeat_ms_min", section.advice_repeat_ms_min, &mut timers.advice_repeat_ms_min),
        ("advice_repeat_ms_max", section.advice_repeat_ms_max, &mut timers.advice_repeat_ms_max),
        ("echo_interval_ms", section.echo_interval_ms, &mut timers.echo_interval_ms),
        ("network_answer_ms_max", section.network_answer_ms_max, &mut timers.network_answer_ms_max),
    ] {
        let Some(ms) = given else { continue };
        if !(1..=WAIT_MS_MAX).contains(&ms) {
            return Err(format!("timers.{name}: {ms} is not from 1 to {WAIT_MS_MAX}"));
        }
        *place = ms;
    }
    Ok(timers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text() -> String {
        let key = |byte: u8| format!("{byte:02x}").repeat(32);
        format!(
            "switch = \"127.0.0.1:8583\"\nterminal = \"HN000001\"\nacquirer = \"970418\"\nlocation = \"Ha Noi\"\n\
             population_seed = 1\nregistry_seed = 1\nmac_to_switch = \"{}\"\nmac_from_switch = \"{}\"\n\
             challenge = \"{}\"\ncassettes = [10, 20, 30, 40]\n[timers]\nanswer_ms_max = 900\n",
            key(1),
            key(2),
            key(3)
        )
    }

    fn read(text: &str) -> Result<Settings, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("terminal.toml");
        std::fs::write(&path, text).unwrap();
        let short = |error: SettingsError| error.to_string().replace(path.to_str().unwrap(), "terminal.toml");
        load(&path).map_err(short)
    }

    #[test]
    fn a_file_is_read_and_mistakes_are_named() {
        let settings = read(&text()).unwrap();
        assert_eq!(settings.setup.cassettes, Notes([10, 20, 30, 40]));
        assert_eq!(settings.setup.config.timers.answer_ms_max, 900);
        assert_eq!(settings.iin, *b"970499");
        for (from, to, error) in [
            ("switch", "swich", "terminal.toml:1: unknown field `swich`"),
            ("\"HN000001\"", "\"HN0000001\"", "terminal.toml: terminal `HN0000001` is not 1 to 8"),
            (
                "acquirer = \"970418\"",
                "acquirer = \"BIDV\"",
                "terminal.toml: acquirer `BIDV` is not 1 to 11 digits",
            ),
            ("0101", "", "terminal.toml: mac_to_switch: no key of hmac-sha256"),
            ("[10", "[2501", "terminal.toml: cassettes: above 2500 notes"),
            (
                "answer_ms_max = 900",
                "answer_ms_max = 0",
                "terminal.toml: timers.answer_ms_max: 0 is not from 1 to",
            ),
            ("acquirer", "iin = \"97049X\"\nacquirer", "terminal.toml: iin: not 6 digits"),
        ] {
            let found = read(&text().replacen(from, to, 1)).unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
        let missing = load(Path::new("/nowhere/terminal.toml")).unwrap_err();
        assert!(missing.to_string().starts_with("/nowhere/terminal.toml: "));
    }
}
