//! The configuration beside a simulated day: for the commands that read its log, and for a switch whose console shows it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::log::key_hex;
use super::plan::{BANKS, Plan, terminal_id};
use crate::citizens::Country;
use crate::module_keys::write_private;
use crate::registry::{Certificates, SecretKey};

/// Its file, below the day's directory.
pub(super) const CONFIG_FILE: &str = "atm-switch.toml";

/// The banks' names, in the order of [`BANKS`].
const BANK_NAMES: [&str; BANKS.len()] = ["BIDV", "VietinBank", "BVBank", "Vietcombank"];
/// The names by which registry and switch know each other's keys.
const KIDS: [&str; 2] = ["registry-1", "switch-1"];
/// Keys of the one terminal that the switch lets in: it needs one to start.
const TERMINAL_KEYS: [&str; 3] = ["mac_to_switch", "mac_from_switch", "challenge"];
/// So many citizens have an account: without any no switch starts.
const CITIZENS: u64 = 10;

/// Writes `atm-switch.toml` and all that it names, but for what the switch and its commands make themselves. Nobody listens where it has its banks and
/// its registry.
///
/// # Errors
/// A file cannot be written, or the system gives no entropy for a certificate.
pub(super) fn write(plan: &Plan, seed: u64, dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let country = Country::new(seed);
    fs::create_dir_all(dir.join("csca"))?;
    fs::create_dir_all(dir.join("registry-files"))?;
    fs::write(dir.join("csca/csca.pem"), country.csca_pem())?;
    let [registry, switch] = KIDS.map(|kid| {
        let role = if kid == KIDS[0] { "registry" } else { "switch" };
        SecretKey::from_seed(seed, role, kid)
    });
    fs::write(dir.join("registry-files/ca.pem"), Certificates::mint()?.ca_pem)?;
    fs::write(dir.join("registry-files/registry-1.pem"), registry.public().to_pem())?;
    write_private(&dir.join("registry-files/switch-1.key"), &switch.to_pkcs8_pem())?;
    let data = data_keys(seed);
    write_private(&dir.join("keys.toml"), &data)?;
    write_private(&dir.join("switch-keys.toml"), &(data + &terminal_keys(seed)))?;
    write_private(&dir.join("citizens.csv"), &feed(&country))?;
    fs::write(dir.join(CONFIG_FILE), config(plan))?;
    Ok(())
}

/// What reads the log.
fn data_keys(seed: u64) -> String {
    let names = ["k_enc", "k_pseudonym", "k_log"];
    let keys = names.map(|name| format!("{name} = \"{}\"\n", key_hex(seed, name)));
    format!("[data]\n{}", keys.concat())
}

fn terminal_keys(seed: u64) -> String {
    let key = |name: &str| format!("{name} = \"{}\"\n", key_hex(seed, &format!("terminal {name}")));
    format!("[terminal.{}]\n{}", terminal_id(0), TERMINAL_KEYS.map(key).concat())
}

fn feed(country: &Country) -> String {
    let mut text = String::from("citizen_number,account,default\n");
    for index in 0..CITIZENS {
        let number = country.citizen(index).number;
        let _ = writeln!(text, "{},86{index:08},1", String::from_utf8_lossy(number.digits()));
    }
    text
}

fn config(plan: &Plan) -> String {
    let issuer = |(bank, name): (&str, &str)| {
        format!(
            "[[issuer]]\nid = \"{bank}\"\nname = \"{name}\"\naddresses = [\"127.0.0.1:9\"]\nmac = \"none\"\n\n"
        )
    };
    let issuers: String = BANKS.into_iter().zip(BANK_NAMES).map(issuer).collect();
    let [registry, switch] = KIDS;
    format!(
        "[switch]\nid = \"switch-hn-1\"\nlog_dir = \"log\"\nenrolment_dir = \"enrolment\"\nkeys_file = \"switch-keys.toml\"\n\
         first_day = \"{}\"\n\n[terminals]\nlisten = \"127.0.0.1:8583\"\n\n[[terminal]]\nid = \"{}\"\nacquirer = \"{}\"\n\n{issuers}\
         [registry]\nurl = \"https://127.0.0.1:9\"\nca_file = \"registry-files/ca.pem\"\n\
         signing_key_file = \"registry-files/switch-1.key\"\nkid = \"{switch}\"\n\n[[registry.key]]\nkid = \"{registry}\"\n\
         file = \"registry-files/registry-1.pem\"\n\n[credential]\ncsca_dir = \"csca\"\n\n[operator]\nsocket = \"operator.sock\"\n\n\
         [admin]\nlisten = \"127.0.0.1:9090\"\n\n[console]\nlisten = \"127.0.0.1:8600\"\ndir = \"console\"\n\n\
         [reconciliation]\ndir = \"clerks\"\n",
        plan.day_before,
        terminal_id(0),
        BANKS[0]
    )
}
