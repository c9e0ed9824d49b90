//! The real atm-switch with what it needs to echo: terminals, their keys, an authority, a registry and a bank that nobody asks
//! and that are not there.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;

use keys::{Key, LinkMac, MacKey};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde::Deserialize;

use super::process::{LOOK_PAUSE, LOOKS_MAX, Server};
use super::terminal;

/// A citizen who is nobody, for the switch does not start without an enrolment.
const ACCOUNTS: &str = "citizen_number,account,default\n001203000001,0001000000,1\n";

#[derive(Deserialize)]
struct Addresses {
    terminals: SocketAddr,
}

/// The program: the one that was named, or that of these sources.
///
/// # Errors
/// It is not there.
pub fn find(named: Option<&Path>) -> Result<PathBuf, Box<dyn Error>> {
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"));
    let program = named.map_or_else(|| target.join("release/atm-switch"), Path::to_owned);
    if program.is_file() {
        return Ok(program);
    }
    Err(format!(
        "{} is not there; `cargo build --release -p server` makes it, or `--switch PATH` names another",
        program.display()
    )
    .into())
}

/// Starts it with so many terminals; gives it with their keys.
///
/// # Errors
/// What the system said, or a switch that does not start: its words are in the error.
pub fn start(
    program: &Path,
    directory: &Path,
    terminals: usize,
) -> Result<(Server, Vec<LinkMac>), Box<dyn Error>> {
    write_certificates(directory)?;
    write_private(&directory.join("keys.toml"), &key_file(terminals))?;
    let [config, addresses, log] =
        ["atm-switch.toml", "addresses.json", "switch.log"].map(|name| directory.join(name));
    fs::write(&config, configuration(terminals))?;
    let accounts = directory.join("970418.csv");
    write_private(&accounts, ACCOUNTS)?;
    let mut import = Command::new(program);
    import.args(["enrolment", "import"]).arg(&accounts).args(["--bank", "970418", "--config"]).arg(&config);
    let import = import.stdin(Stdio::null()).output()?;
    if !import.status.success() {
        let said = String::from_utf8_lossy(&import.stderr);
        return Err(format!("{} enrolment import: {}", program.display(), said.trim_end()).into());
    }
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(&config).arg("--addresses").arg(&addresses);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log)?);
    // Until its address is known it has none; a drop on the way out of here ends it.
    let mut server = Server::new(command.spawn()?, SocketAddr::from(([127, 0, 0, 1], 0)));
    for _ in 0..LOOKS_MAX {
        if let Ok(text) = fs::read(&addresses)
            && let Ok(addresses) = serde_json::from_slice::<Addresses>(&text)
        {
            server.set_address(addresses.terminals);
            return Ok((server, (0..terminals).map(link_mac).collect()));
        }
        if server.has_ended()? {
            break;
        }
        sleep(LOOK_PAUSE);
    }
    Err(format!("{} did not start: {}", program.display(), fs::read_to_string(&log)?.trim_end()).into())
}

/// A certificate of an authority, for the registry and for chips alike, and the registry's and the switch's key. None of them
/// is used by an echo.
fn write_certificates(directory: &Path) -> Result<(), Box<dyn Error>> {
    let (authority_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CountryName, "VN");
    authority.distinguished_name.push(DnType::CommonName, "authority of a measurement");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = authority.self_signed(&authority_key)?.pem();
    fs::create_dir(directory.join("csca"))?;
    fs::write(directory.join("csca/csca.pem"), &pem)?;
    fs::write(directory.join("registry-ca.pem"), &pem)?;
    fs::write(directory.join("registry.pem"), key.public_key_pem())?;
    write_private(&directory.join("signing.pem"), &key.serialize_pem())?;
    Ok(())
}

fn configuration(terminals: usize) -> String {
    let mut text = String::from(
        r#"[switch]
id = "atm-switch-echo"
log_dir = "log"
enrolment_dir = "enrolment"
keys_file = "keys.toml"
first_day = "2026-01-05"

[terminals]
listen = "127.0.0.1:0"

[registry]
url = "https://127.0.0.1:9"
ca_file = "registry-ca.pem"
signing_key_file = "signing.pem"
kid = "switch-1"

[[registry.key]]
kid = "registry-1"
file = "registry.pem"

[credential]
csca_dir = "csca"

[operator]
socket = "operator.sock"

[admin]
listen = "127.0.0.1:0"

[[issuer]]
id = "970418"
name = "nobody"
addresses = ["127.0.0.1:9"]
"#,
    );
    for number in 0..terminals {
        let _ = write!(text, "\n[[terminal]]\nid = \"{}\"\nacquirer = \"970418\"\n", terminal(number));
    }
    text
}

/// A terminal's keys, in the order of [`ROLES`].
const ROLES: [&str; 3] = ["mac_to_switch", "mac_from_switch", "challenge"];

fn key_file(terminals: usize) -> String {
    let mut text = String::from("[data]\n");
    for (role, byte) in ["k_enc", "k_pseudonym", "k_log"].into_iter().zip(0xD0..) {
        let _ = writeln!(text, "{role} = \"{}\"", hex(&[byte; 32]));
    }
    text.push_str("[bank.970418]\n");
    for (role, byte) in ["mac_to_switch", "mac_from_switch"].into_iter().zip(0xB0..) {
        let _ = writeln!(text, "{role} = \"{}\"", hex(&[byte; 32]));
    }
    for number in 0..terminals {
        let _ = writeln!(text, "[terminal.{}]", terminal(number));
        for (role, key) in ROLES.into_iter().zip(keys_of(number)) {
            let _ = writeln!(text, "{role} = \"{}\"", hex(&key));
        }
    }
    text
}

fn link_mac(number: usize) -> LinkMac {
    let [sign, verify, _] = keys_of(number).map(|key| MacKey::new(&Key::new(key)));
    LinkMac { sign, verify }
}

/// Keys that protect nothing: both ends are here.
fn keys_of(number: usize) -> [[u8; 32]; ROLES.len()] {
    std::array::from_fn(|role| {
        let mut key = [role as u8 + 1; 32];
        key[..8].copy_from_slice(&(number as u64).to_be_bytes());
        key
    })
}

fn hex(key: &[u8; 32]) -> String {
    key.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// For nobody else to read, as the switch wants it.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}
