//! `simulators example`: the files of one switch, one bank and one terminal that fit each other, for each part started by hand (README).

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use hsm::{KeyRole, Owner};
use keys::PinFormat;
use processor::Day;
use sha2::{Digest, Sha256};

use crate::citizens::Country;
use crate::module_keys::{HSM_SECTION, ModuleKeys, write_private};
use crate::pins::pin_key;

/// So many citizens of the population have an account.
const CITIZENS: u64 = 100;

const TERMINAL: &str = "HN000001";
const BANK: &str = "970418";

/// Where the files go, and where each part listens.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Example:\n  simulators example --out example")]
pub struct Arguments {
    /// What keys and citizens are drawn from: the registry's --seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the files go: a directory that is not there yet, or empty.
    #[arg(long)]
    pub out: PathBuf,
    /// Where the switch listens for terminals.
    #[arg(long, default_value = "127.0.0.1:8583")]
    pub switch: SocketAddr,
    /// Where the switch's metrics are.
    #[arg(long, default_value = "127.0.0.1:9090")]
    pub admin: SocketAddr,
    /// Where the clerks' console is.
    #[arg(long, default_value = "127.0.0.1:8600")]
    pub console: SocketAddr,
    /// Where the bank listens.
    #[arg(long, default_value = "127.0.0.1:9001")]
    pub bank: SocketAddr,
    /// Where the registry listens: its --listen.
    #[arg(long, default_value = "127.0.0.1:8443")]
    pub registry: SocketAddr,
}

/// Writes the files. What the registry's certificate is, it says itself: it writes into `registry-files` below the directory.
///
/// # Errors
/// The directory is not empty, or a file cannot be written.
pub fn write(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let dir = &arguments.out;
    fs::create_dir_all(dir)?;
    if fs::read_dir(dir)?.next().is_some() {
        return Err(format!("{}: it is not empty", dir.display()).into());
    }
    let seed = arguments.seed;
    let country = Country::new(seed);
    fs::create_dir(dir.join("csca"))?;
    fs::write(dir.join("csca/csca.pem"), country.csca_pem())?;
    fs::create_dir(dir.join("witness"))?;
    fs::write(dir.join("atm-switch.toml"), switch_config(arguments))?;
    write_private(&dir.join("keys.toml"), &key_file(seed))?;
    write_private(&dir.join("bank.toml"), &bank_config(arguments))?;
    write_private(&dir.join("terminal.toml"), &terminal_config(arguments))?;
    write_private(&dir.join("citizens.csv"), &feed(&country))?;
    let owners = [Owner::terminal(b"HN000001"), Owner::bank(BANK.as_bytes()).ok_or("no bank")?];
    let mut module = ModuleKeys::default();
    for owner in owners {
        let pin = pin_key(PinFormat::Iso0, &pin_key_bytes(seed, &owner.to_string()))?;
        module.add(owner, KeyRole::Pin, &bytes(seed, &format!("{owner} exchange")), &pin)?;
    }
    module.write(dir, &bytes(seed, "hsm"))
}

fn switch_config(arguments: &Arguments) -> String {
    let Arguments { switch, admin, console, bank, registry, .. } = arguments;
    format!(
        "[switch]\nid = \"switch-hn-1\"\nlog_dir = \"log\"\nenrolment_dir = \"enrolment\"\nkeys_file = \"keys.toml\"\n\
         first_day = \"{}\"\n\n[terminals]\nlisten = \"{switch}\"\n\n[[terminal]]\nid = \"{TERMINAL}\"\nacquirer = \"{BANK}\"\n\
         pin_format = \"0\"\n\n[[issuer]]\nid = \"{BANK}\"\nname = \"BIDV\"\naddresses = [\"{bank}\"]\npin_format = \"0\"\n\n\
         [registry]\nurl = \"https://{registry}\"\nca_file = \"registry-files/ca.pem\"\n\
         signing_key_file = \"registry-files/switch-1.key\"\nkid = \"switch-1\"\n\n[[registry.key]]\nkid = \"registry-1\"\n\
         file = \"registry-files/registry-1.pem\"\n\n[credential]\ncsca_dir = \"csca\"\n{HSM_SECTION}\n[log]\n\
         heads_file = \"witness/switch-hn-1.heads\"\n\n[operator]\nsocket = \"operator.sock\"\n\n[admin]\nlisten = \"{admin}\"\n\n\
         [console]\nlisten = \"{console}\"\ndir = \"console\"\n\n[reconciliation]\ndir = \"clerks\"\n",
        today()
    )
}

fn key_file(seed: u64) -> String {
    let mut text = String::from("[data]\n");
    for name in ["k_enc", "k_pseudonym", "k_log", "k_heads"] {
        let _ = writeln!(text, "{name} = \"{}\"", hex(&bytes(seed, name)));
    }
    let terminal = link_keys(seed, "terminal", &["mac_to_switch", "mac_from_switch", "challenge"]);
    let bank = link_keys(seed, "bank", &["mac_to_switch", "mac_from_switch"]);
    text + &format!("[terminal.{TERMINAL}]\n{terminal}[bank.{BANK}]\n{bank}")
}

fn bank_config(arguments: &Arguments) -> String {
    let Arguments { seed, bank, .. } = arguments;
    format!(
        "id = \"{BANK}\"\nlisten = [\"{bank}\"]\nledger = \"{BANK}.jsonl\"\nopening_minor = 1000000000\n{}{}\
         population_seed = {seed}\n",
        link_keys(*seed, "bank", &["mac_to_switch", "mac_from_switch"]),
        exchanged_keys(*seed, &format!("bank.{BANK}")),
    )
}

fn terminal_config(arguments: &Arguments) -> String {
    let Arguments { seed, switch, .. } = arguments;
    format!(
        "switch = \"{switch}\"\nterminal = \"{TERMINAL}\"\nacquirer = \"{BANK}\"\nlocation = \"BIDV Hoan Kiem, Ha Noi\"\n\
         population_seed = {seed}\nregistry_seed = {seed}\n{}{}",
        link_keys(*seed, "terminal", &["mac_to_switch", "mac_from_switch", "challenge"]),
        exchanged_keys(*seed, &format!("terminal.{TERMINAL}")),
    )
}

fn link_keys(seed: u64, of: &str, names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("{name} = \"{}\"\n", hex(&bytes(seed, &format!("{of} {name}")))))
        .collect()
}

/// The exchange key and the PIN key of an owner, as its own file has them.
fn exchanged_keys(seed: u64, owner: &str) -> String {
    let exchange = hex(&bytes(seed, &format!("{owner} exchange")));
    format!(
        "exchange_key = \"{exchange}\"\n\n[pin]\nformat = 0\nkey = \"{}\"\n",
        hex(&pin_key_bytes(seed, owner))
    )
}

/// The first citizens of the population, an account each.
fn feed(country: &Country) -> String {
    let mut text = String::from("citizen_number,account,default\n");
    for index in 0..CITIZENS {
        let number = country.citizen(index).number;
        let _ = writeln!(text, "{},86{index:08},1", String::from_utf8_lossy(number.digits()));
    }
    text
}

/// A synthetic key of a seed and a role.
fn bytes(seed: u64, role: &str) -> [u8; 32] {
    Sha256::digest(format!("example {seed} {role}")).into()
}

/// Triple DES of two halves, each byte of odd parity.
fn pin_key_bytes(seed: u64, owner: &str) -> [u8; 16] {
    let all = bytes(seed, &format!("{owner} pin"));
    std::array::from_fn(|index| {
        let byte = all[index] & 0xFE;
        byte | u8::from(byte.count_ones().is_multiple_of(2))
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Vietnam has one time without summer time: UTC+7.
const VIETNAM_MS: i64 = 7 * 3_600_000;

fn today() -> Day {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    day_in_vietnam(since.as_millis() as i64)
}

/// The calendar day in Vietnam of a moment, milliseconds since 1970.
fn day_in_vietnam(at_ms: i64) -> Day {
    Day::of_unix_ms(at_ms.saturating_add(VIETNAM_MS))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Between midnight and 07:00 in Vietnam the example opened the day before.
    #[test]
    fn the_first_day_is_the_day_in_vietnam() {
        let begins_ms = "2026-05-04".parse::<Day>().unwrap().begins_ms();
        for (of_day_ms, expected) in
            [(17 * 3_600_000 - 1, "2026-05-04"), (17 * 3_600_000, "2026-05-05"), (0, "2026-05-04")]
        {
            assert_eq!(day_in_vietnam(begins_ms + of_day_ms).to_string(), expected, "{of_day_ms}");
        }
    }
}
