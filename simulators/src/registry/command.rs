//! The registry started alone: its command line, and the files that a switch needs to ask it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use super::certificates::Certificates;
use super::contract::{CardStatus, CitizenStatus};
use super::driver::{Handle, Registry, RegistryConfig, StartError};
use super::fault::Fault;
use super::jws::{PublicKey, SecretKey};
use super::machine::{MachineConfig, Override};
use crate::citizens::{CITIZENS_MAX, Country};

/// The `kid` of the registry's key.
const KID: &str = "registry-1";

/// The `kid` of the switch's key that is minted from the seed.
const SWITCH_KID: &str = "switch-1";

/// How a registry is started from the command line.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Where it listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Whose population it keeps, and from what its keys are derived
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Writes here what a switch needs: ca.pem, registry-1.pem, switch-1.key, client.pem, client.key, csca.pem
    #[arg(long)]
    pub out: PathBuf,
    /// Pins another switch's public key: KID=FILE, SPKI in PEM
    #[arg(long = "switch-key", value_name = "KID=FILE")]
    pub switch_keys: Vec<String>,
    /// Refuses connections without the client certificate
    #[arg(long)]
    pub client_certificate: bool,
    /// Speaks HTTP/1.1 alone
    #[arg(long)]
    pub http1: bool,
    /// A fault of every answer: slow:MS, silent, gone, wrong:WAY
    #[arg(long)]
    pub fault: Option<Fault>,
    /// A fault of one transaction's answer: TERMINAL/STAN=FAULT
    #[arg(long = "fault-at", value_name = "TERMINAL/STAN=FAULT")]
    pub faults_at: Vec<FaultAt>,
    /// What stands on file of a citizen: INDEX=STATUS with dead, missing, restricted, unknown, expired, revoked,
    /// lost or replaced
    #[arg(long = "on-file", value_name = "INDEX=STATUS")]
    pub on_file: Vec<OnFile>,
}

/// A fault of one transaction's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultAt {
    terminal: String,
    stan: String,
    fault: Fault,
}

/// What stands on file of a citizen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OnFile {
    index: u64,
    exception: Override,
}

/// Why a registry did not start from its command line.
#[derive(Debug, Error)]
pub enum CommandError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// `--switch-key` is not `KID=FILE` with a P-256 public key.
    #[error("--switch-key {0}: not KID=FILE with a P-256 public key in PEM")]
    SwitchKey(String),
    /// No entropy for the TLS certificates.
    #[error("certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    /// It cannot listen.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Starts the registry of a seed's population and writes the files that a switch needs. Needs a tokio runtime around
/// it.
///
/// # Errors
/// [`CommandError`].
pub async fn start(arguments: Arguments) -> Result<Handle, CommandError> {
    let country = Country::new(arguments.seed);
    let certificates = Certificates::mint()?;
    let switch = SecretKey::from_seed(arguments.seed, "switch", SWITCH_KID);
    let mut switches = BTreeMap::from([(SWITCH_KID.to_owned(), switch.public())]);
    for text in &arguments.switch_keys {
        let wrong = || CommandError::SwitchKey(text.clone());
        let (kid, path) = text.split_once('=').ok_or_else(wrong)?;
        let pem = std::fs::read_to_string(path).map_err(in_file(Path::new(path)))?;
        switches.insert(kid.to_owned(), PublicKey::from_pem(&pem).ok_or_else(wrong)?);
    }
    let overrides =
        arguments.on_file.iter().map(|it| (country.citizen(it.index).number, it.exception)).collect();
    let faults_at: BTreeMap<(String, String), Fault> =
        arguments.faults_at.into_iter().map(|at| ((at.terminal, at.stan), at.fault)).collect();
    let always = arguments.fault;
    let registry = SecretKey::from_seed(arguments.seed, "registry", KID).public();
    std::fs::create_dir_all(&arguments.out).map_err(in_file(&arguments.out))?;
    let files = [
        ("ca.pem", certificates.ca_pem.clone()),
        ("registry-1.pem", registry.to_pem()),
        ("switch-1.key", switch.to_pkcs8_pem()),
        ("client.pem", certificates.client.certificate_pem.clone()),
        ("client.key", certificates.client.key_pem.clone()),
        ("csca.pem", country.csca_pem()),
    ];
    for (name, text) in files {
        write(&arguments.out.join(name), &text)?;
    }
    let machine = MachineConfig {
        seed: arguments.seed,
        kid: KID.to_owned(),
        switches,
        population: Box::new(country),
        overrides,
        faults: Box::new(move |key| {
            always.or_else(|| faults_at.get(&(key.terminal.clone(), key.stan.clone())).copied())
        }),
    };
    let config = RegistryConfig {
        listen: arguments.listen,
        certificates,
        client_certificate: arguments.client_certificate,
        http2: !arguments.http1,
        machine,
    };
    Ok(Registry::start(config).await?)
}

/// Some are keys: all are readable by their owner alone.
fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(in_file(path))
}

fn in_file(path: &Path) -> impl Fn(std::io::Error) -> CommandError {
    move |error| CommandError::File { path: path.to_owned(), error }
}

impl FromStr for FaultAt {
    type Err = String;

    fn from_str(text: &str) -> Result<FaultAt, String> {
        let parts = text.split_once('=').and_then(|(at, fault)| Some((at.split_once('/')?, fault)));
        let ((terminal, stan), fault) =
            parts.ok_or_else(|| format!("`{text}` is not TERMINAL/STAN=FAULT"))?;
        let stan: u32 = stan.parse().ok().filter(|stan| *stan < 1_000_000).ok_or("a STAN is 6 digits")?;
        Ok(FaultAt { terminal: terminal.to_owned(), stan: format!("{stan:06}"), fault: fault.parse()? })
    }
}

impl FromStr for OnFile {
    type Err = String;

    fn from_str(text: &str) -> Result<OnFile, String> {
        let (index, status) = text.split_once('=').ok_or_else(|| format!("`{text}` is not INDEX=STATUS"))?;
        let index = index.parse().ok().filter(|index| *index < CITIZENS_MAX);
        let index = index.ok_or_else(|| format!("an index is below {CITIZENS_MAX}"))?;
        let citizen = |status| Override { citizen: Some(status), card: None };
        let card = |status| Override { citizen: None, card: Some(status) };
        let exception = match status {
            "dead" => citizen(CitizenStatus::Deceased),
            "missing" => citizen(CitizenStatus::Missing),
            "restricted" => citizen(CitizenStatus::Restricted),
            "unknown" => citizen(CitizenStatus::Unknown),
            "expired" => card(CardStatus::Expired),
            "revoked" => card(CardStatus::Revoked),
            "lost" => card(CardStatus::Lost),
            "replaced" => card(CardStatus::Replaced),
            _ => return Err(format!("`{status}` is no status")),
        };
        Ok(OnFile { index, exception })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(rest: &[&str]) -> Result<Arguments, String> {
        let line = ["registry", "--out", "files"].iter().chain(rest);
        Line::try_parse_from(line).map(|line| line.arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line() {
        let arguments =
            parse(&["--fault-at", "HN000001/17=slow:500", "--on-file", "7=lost", "--fault", "silent"])
                .unwrap();
        let at =
            FaultAt { terminal: "HN000001".to_owned(), stan: "000017".to_owned(), fault: Fault::Slow(500) };
        assert_eq!(arguments.faults_at, [at]);
        assert_eq!(arguments.on_file[0].exception.card, Some(CardStatus::Lost));
        assert_eq!(arguments.fault, Some(Fault::Silent));
        let refused = [
            (["--fault", "odd"], "is no fault"),
            (["--fault-at", "HN000001=silent"], "is not TERMINAL/STAN=FAULT"),
            (["--fault-at", "HN000001/1000000=silent"], "a STAN is 6 digits"),
            (["--on-file", "7"], "is not INDEX=STATUS"),
            (["--on-file", "7=rich"], "is no status"),
            (["--on-file", "99999999999=lost"], "an index is below"),
        ];
        for (rest, reason) in refused {
            let error = parse(&rest).unwrap_err();
            assert!(error.contains(reason), "{rest:?}: {error}");
        }
    }

    #[tokio::test]
    async fn it_starts_and_hands_its_files_to_a_switch() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("registry");
        let arguments = Arguments { out: out.clone(), ..parse(&[]).unwrap() };
        let handle = start(arguments.clone()).await.unwrap();
        let pem = std::fs::read_to_string(out.join("registry-1.pem")).unwrap();
        assert_eq!(PublicKey::from_pem(&pem), Some(handle.public_key()));
        let mode = std::fs::metadata(out.join("switch-1.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let refused = Arguments { switch_keys: vec!["other".to_owned()], ..arguments };
        assert!(matches!(start(refused).await, Err(CommandError::SwitchKey(_))));
        handle.stop().await;
    }
}
