//! Everything around the switch, set up from the plan: keys, files, banks, registry, terminals.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use hsm::{KeyRole, Owner};
use iso8583::Dialect;
use iso8583::framing::Framing;
use keys::{
    BoundKey, Key, KeyAlgorithm, KeyUsage, LinkCodec, LinkMac, MacAlgorithm, MacKey, ModeOfUse, Padding,
    PinFormat, aes_dukpt_initial_key,
};
use sha2::Sha256;

use crate::bank::{self, Bank, BankConfig, MachineConfig};
use crate::citizens::Country;
use crate::exchange::ExchangeKey;
use crate::link_certificates::{LinkCertificates, TERMINALS_SECTION, bank_section};
use crate::module_keys::{HSM_SECTION, ModuleKeys};
use crate::payshield;
use crate::pins::{PinCheck, PinPad, Pins, pin_key};
use crate::registry::{self, CardStatus, Certificates, Override, Registry, RegistryConfig, SecretKey};
use crate::terminal::{self, Config, Setup, matching_faces};
use crate::tls::Answerer;

use super::command::PilotHsm;
use super::plan::{CASSETTES, CardState, Plan, PlannedTerminal};
use super::{BANKS, BRANCHES};

/// The switch waits so long for its security module, milliseconds.
const HSM_MS_MAX: u64 = 1_000;

/// The switch's deadlines during a pilot, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// For a bank.
    pub(super) issuer_response_ms_max: u64,
    /// For chip check and registry.
    pub(super) registry_ms_max: u64,
}

impl Waits {
    /// Long enough that a busy machine does not miss them, short enough that the hundred troubles of a plan pass in
    /// a minute. A kill has to find eight uses in flight, which takes a busy machine longer.
    pub(super) fn new(with_kills: bool) -> Waits {
        if with_kills {
            Waits { issuer_response_ms_max: 6_000, registry_ms_max: 3_000 }
        } else {
            Waits { issuer_response_ms_max: 2_000, registry_ms_max: 1_500 }
        }
    }

    fn answer_ms_max(self) -> u64 {
        self.issuer_response_ms_max + self.registry_ms_max + HSM_MS_MAX + 1_500
    }

    fn terminal_wait_ms(self) -> u64 {
        self.answer_ms_max() + 2_000
    }
}

/// The IIN of citizens' PANs.
pub(super) const IIN: [u8; 6] = *b"970499";

const REGISTRY_KID: &str = "registry-2022";
const SWITCH_KID: &str = "switch-pilot-2022";

/// The dialects and headers that the four banks speak, one each, in the order of [`BANKS`].
const LINKS: [(&str, &str); 4] = [
    ("ascii-1987", "length2"),
    ("bcd-1987", "length2-tpdu"),
    ("ascii-binary-bitmap-1987", "ascii4"),
    ("ebcdic-1987", "length2"),
];

/// The formats in which the four banks want PIN blocks, in the order of [`BANKS`].
const PIN_FORMATS: [PinFormat; 4] = [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4, PinFormat::Iso0];

/// The algorithms of the MACs on the links of the four banks, in the order of [`BANKS`].
const MAC_ALGORITHMS: [MacAlgorithm; 4] = [
    MacAlgorithm::HmacSha256,
    MacAlgorithm::AesCmac,
    MacAlgorithm::Retail(Padding::Zeros),
    MacAlgorithm::Retail(Padding::OneThenZeros),
];

/// Who meets which fault, at bank and registry.
pub(super) struct Faults {
    /// One for each of [`BANKS`].
    pub(super) banks: Vec<bank::FaultRule>,
    /// The registry's.
    pub(super) registry: registry::FaultRule,
}

/// What runs beside the switch.
pub(super) struct Town {
    /// In the order of [`BANKS`].
    pub(super) banks: Vec<bank::Handle>,
    /// The identity registry.
    pub(super) registry: registry::Handle,
    /// The citizens.
    pub(super) country: Arc<Country>,
    /// The switch's configuration file.
    pub(super) config: PathBuf,
    /// One enrolment file for each bank.
    pub(super) enrolment: Vec<PathBuf>,
    waits: Waits,
    certificates: LinkCertificates,
    hsm: PilotHsm,
    /// The switch's, where it has one.
    _payshield: Option<payshield::Handle>,
}

impl Town {
    /// Writes all files of a plan below `directory` and starts banks and registry.
    ///
    /// # Errors
    /// What the system or a part said.
    pub(super) async fn set_up(
        plan: &Plan,
        waits: Waits,
        directory: &Path,
        faults: Faults,
        hsm: PilotHsm,
    ) -> Result<Town, Box<dyn std::error::Error>> {
        let country = Arc::new(Country::new(plan.seed));
        let link_certificates = LinkCertificates::mint()?;
        link_certificates.write_switch(directory)?;
        let mut banks = Vec::new();
        for (number, rule) in faults.banks.into_iter().enumerate() {
            let tls = link_certificates.bank(BANKS[number].institution)?;
            banks.push(Bank::start(bank_config(plan, number, directory, rule, tls)?).await?);
        }
        let switch_key = SecretKey::from_seed(plan.seed, "switch", SWITCH_KID);
        let certificates = Certificates::mint()?;
        write(directory, "registry-ca.pem", &certificates.ca_pem)?;
        write_private(directory, "signing.pem", &switch_key.to_pkcs8_pem())?;
        let config = RegistryConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            certificates,
            client_certificate: false,
            http2: false,
            machine: registry::MachineConfig {
                seed: plan.seed,
                kid: REGISTRY_KID.to_owned(),
                switches: BTreeMap::from([(SWITCH_KID.to_owned(), switch_key.public())]),
                population: Box::new(Country::new(plan.seed)),
                overrides: overrides(plan, &country),
                faults: faults.registry,
            },
        };
        let registry = Registry::start(config).await?;
        write(directory, "registry.pem", &registry.public_key().to_pem())?;
        fs::create_dir_all(directory.join("csca"))?;
        write(&directory.join("csca"), "csca.pem", &country.csca_pem())?;
        write_private(directory, "keys.toml", &key_file(plan))?;
        let (payshield, hsm_section) = match hsm {
            PilotHsm::Software => {
                module_keys(plan)?.write(directory, key(plan.seed, "hsm").bytes())?;
                (None, HSM_SECTION.to_owned())
            }
            PilotHsm::Payshield => {
                let machine = payshield::Machine::new(plan.seed)?;
                write_private(directory, "payshield.keys", &payshield_keys(plan, &machine)?)?;
                let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let payshield = payshield::start(machine, listen).await?;
                let section = payshield_section(payshield.addr());
                (Some(payshield), section)
            }
        };
        let config = directory.join("atm-switch.toml");
        let addresses: Vec<SocketAddr> = banks.iter().map(bank::Handle::addr).collect();
        fs::write(&config, switch_config(plan, waits, &registry.url(), &addresses, &hsm_section))?;
        let enrolment = enrolment_files(plan, &country, directory)?;
        Ok(Town {
            banks,
            registry,
            country,
            config,
            enrolment,
            waits,
            certificates: link_certificates,
            hsm,
            _payshield: payshield,
        })
    }

    /// The terminals of the plan, ready to start.
    ///
    /// # Errors
    /// A name or place that its element cannot carry; no entropy for a certificate.
    pub(super) fn terminals(
        &self,
        plan: &Plan,
        switch: SocketAddr,
    ) -> Result<Vec<Setup>, Box<dyn std::error::Error>> {
        let setup = |planned: &PlannedTerminal| {
            let tls = self.certificates.terminal(&planned.id)?;
            Ok(Setup { tls: Some(tls), ..terminal_setup(plan, self.waits, planned, switch, self.hsm)? })
        };
        plan.terminals.iter().map(setup).collect()
    }

    /// Ends banks and registry; the ledgers are complete then.
    pub(super) async fn stop(self) -> Vec<PathBuf> {
        let ledgers = self.banks.iter().map(|bank| bank.ledger_path().to_owned()).collect();
        for bank in self.banks {
            bank.stop().await;
        }
        self.registry.stop().await;
        ledgers
    }
}

/// The keys of all PIN pads and banks, in the switch's security module.
fn module_keys(plan: &Plan) -> Result<ModuleKeys, Box<dyn std::error::Error>> {
    let mut keys = ModuleKeys::default();
    for terminal in &plan.terminals {
        let owner = Owner::terminal(terminal.id.as_bytes().try_into()?);
        let exchange = terminal_exchange_key(plan, terminal);
        let (role, pin_key) = match terminal.recycler {
            true => (KeyRole::Derivation, initial_key(plan, terminal)?),
            false => (KeyRole::Pin, pad_key(plan, terminal)?),
        };
        keys.add(owner, role, exchange.bytes(), &pin_key)?;
    }
    for (number, bank) in BANKS.iter().enumerate() {
        let owner = Owner::bank(bank.institution.as_bytes()).ok_or("a bank's id has digits")?;
        let exchange = bank_exchange_key(plan, number);
        keys.add(owner, KeyRole::Pin, exchange.bytes(), &bank_pin_key(plan, number)?)?;
    }
    Ok(keys)
}

fn terminal_exchange_key(plan: &Plan, terminal: &PlannedTerminal) -> Key {
    key(plan.seed, &format!("terminal {} exchange", terminal.id))
}

fn bank_exchange_key(plan: &Plan, number: usize) -> Key {
    key(plan.seed, &format!("bank {} exchange", BANKS[number].institution))
}

fn bank_pin_key(plan: &Plan, number: usize) -> Result<BoundKey, keys::KeyError> {
    pin_key(PIN_FORMATS[number], &half(&key(plan.seed, &format!("bank {} pin", BANKS[number].institution))))
}

/// The one key of a pad that derives none.
fn pad_key(plan: &Plan, terminal: &PlannedTerminal) -> Result<BoundKey, keys::KeyError> {
    pin_key(PinFormat::Iso0, &half(&key(plan.seed, &format!("terminal {} pin", terminal.id))))
}

/// The key from which a recycler's pad derives one for each PIN.
fn initial_key(plan: &Plan, terminal: &PlannedTerminal) -> Result<BoundKey, keys::KeyError> {
    let bytes = half(&key(plan.seed, &format!("terminal {} initial", terminal.id)));
    BoundKey::from_random(KeyUsage::DukptInitial, ModeOfUse::Derive, KeyAlgorithm::Aes, &bytes)
}

/// The key from which a payShield derives those of all recyclers' pads (BDK).
fn base_key(plan: &Plan) -> Result<BoundKey, keys::KeyError> {
    let bytes = half(&key(plan.seed, "recyclers base"));
    BoundKey::from_random(KeyUsage::BaseDerivation, ModeOfUse::Derive, KeyAlgorithm::Aes, &bytes)
}

/// The keys of all PIN pads and banks under the LMK of a payShield.
fn payshield_keys(plan: &Plan, machine: &payshield::Machine) -> Result<String, Box<dyn std::error::Error>> {
    let mut text = String::new();
    for terminal in &plan.terminals {
        let (role, key) = match terminal.recycler {
            true => ("derivation", base_key(plan)?),
            false => ("pin", pad_key(plan, terminal)?),
        };
        writeln!(text, "terminal.{}.{role} {} {}", terminal.id, machine.token(&key)?, key.check_value())?;
    }
    for (number, bank) in BANKS.iter().enumerate() {
        let key = bank_pin_key(plan, number)?;
        writeln!(text, "bank.{}.pin {} {}", bank.institution, machine.token(&key)?, key.check_value())?;
    }
    Ok(text)
}

fn payshield_section(addr: SocketAddr) -> String {
    format!("\n[hsm]\nkind = \"payshield\"\naddresses = [\"{addr}\"]\nfile = \"payshield.keys\"\n")
}

/// Recyclers derive a key for each PIN (AES-DUKPT, format 4 in DE121), the others have one (format 0 in DE52).
fn pin_pad(
    plan: &Plan,
    terminal: &PlannedTerminal,
    hsm: PilotHsm,
) -> Result<PinPad, Box<dyn std::error::Error>> {
    if terminal.recycler {
        let id: [u8; 8] = terminal.id.as_bytes().try_into()?;
        let initial = match hsm {
            PilotHsm::Software => initial_key(plan, terminal)?,
            PilotHsm::Payshield => aes_dukpt_initial_key(&base_key(plan)?, &id)?,
        };
        return Ok(PinPad::aes_dukpt(initial, id));
    }
    Ok(PinPad::fixed(&pad_key(plan, terminal)?, PinFormat::Iso0)?)
}

fn half(key: &Key) -> [u8; 16] {
    *key.bytes().first_chunk().expect("a key has 32 bytes")
}

fn terminal_setup(
    plan: &Plan,
    waits: Waits,
    planned: &PlannedTerminal,
    switch: SocketAddr,
    hsm: PilotHsm,
) -> Result<Setup, Box<dyn std::error::Error>> {
    let branch = &BRANCHES[planned.branch];
    let key = |role: &str| key(plan.seed, &format!("terminal {} {role}", planned.id));
    let faces = matching_faces(plan.seed);
    let acquirer = BANKS[branch.bank].institution;
    let mut config = Config::new(&planned.id, acquirer, &branch.location(), key("challenge"), faces)?;
    config.pin_pad = Some(pin_pad(plan, planned, hsm)?);
    config.exchange = Some(ExchangeKey::new(terminal_exchange_key(plan, planned).bytes())?);
    config.timers = terminal::Timers {
        answer_ms_max: waits.terminal_wait_ms(),
        link_ms_max: 20_000,
        advice_repeat_ms_min: 1_000,
        advice_repeat_ms_max: 4_000,
        ..terminal::Timers::default()
    };
    let mac =
        LinkMac { sign: MacKey::new(&key("mac_to_switch")), verify: MacKey::new(&key("mac_from_switch")) };
    Ok(Setup {
        switch,
        tls: None,
        mac: Some(mac),
        config,
        cassettes: CASSETTES,
        // Long enough that a request that was under way when the link broke has ended at the switch.
        redial_ms_min: 400,
        redial_ms_max: 1_000,
        keep_movements: true,
    })
}

fn bank_config(
    plan: &Plan,
    number: usize,
    directory: &Path,
    faults: bank::FaultRule,
    tls: Answerer,
) -> Result<BankConfig, keys::KeyError> {
    let bank = &BANKS[number];
    let pins = PinCheck::new(&bank_pin_key(plan, number)?, PIN_FORMATS[number], Pins::new(plan.seed))?;
    let (dialect, header) = LINKS[number];
    let accounts = plan.citizens.iter().flat_map(|citizen| &citizen.accounts);
    let accounts = accounts.filter(|account| account.bank == number);
    Ok(BankConfig {
        machine: MachineConfig {
            id: bank.institution.into(),
            currency: 704,
            amount_exponent: 0,
            accounts: accounts.map(|account| (account.number.clone(), account.opening_vnd as i64)).collect(),
            opening_minor: None,
            tombstones: true,
            repeats_refused: false,
            totals: Default::default(),
            pins: Some(pins),
            exchange: Some(ExchangeKey::new(bank_exchange_key(plan, number).bytes())?),
            faults,
        },
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        codec: LinkCodec {
            dialect: Dialect::built_in(dialect).expect("the pilot names built-in dialects"),
            framing: match header {
                "ascii4" => Framing::Ascii4,
                "length2-tpdu" => Framing::Length2Tpdu { tpdu: [0x60, 0, 0, 0, 0] },
                _ => Framing::Length2,
            },
        },
        tls: Some(tls),
        mac: Some(bank_mac(plan.seed, number)),
        ledger: directory.join(format!("ledger-{}.jsonl", bank.institution)),
        holds: None,
        fsync: false,
    })
}

/// The bank's end of its link.
fn bank_mac(seed: u64, number: usize) -> LinkMac {
    let [to_switch, from_switch] = bank_mac_keys(seed, number);
    LinkMac::of_hex(MAC_ALGORITHMS[number], &to_switch, &from_switch).expect("keys of the algorithm's length")
}

/// `mac_to_switch` and `mac_from_switch` in hex, as long as the algorithm's keys are.
fn bank_mac_keys(seed: u64, number: usize) -> [String; 2] {
    let digits = match MAC_ALGORITHMS[number] {
        MacAlgorithm::HmacSha256 => 64,
        MacAlgorithm::AesCmac | MacAlgorithm::Retail(_) => 32,
    };
    ["mac_to_switch", "mac_from_switch"].map(|role| {
        let mut hex = hex(&key(seed, &format!("bank {} {role}", BANKS[number].institution)));
        hex.truncate(digits);
        hex
    })
}

fn overrides(plan: &Plan, country: &Country) -> BTreeMap<credential::CitizenNumber, Override> {
    let bad = plan.citizens.iter().filter_map(|citizen| {
        let card = match citizen.card {
            CardState::Valid => return None,
            CardState::Revoked => CardStatus::Revoked,
            CardState::Lost => CardStatus::Lost,
        };
        Some((country.citizen(citizen.index).number, Override { citizen: None, card: Some(card) }))
    });
    bad.collect()
}

fn switch_config(plan: &Plan, waits: Waits, registry: &str, banks: &[SocketAddr], hsm: &str) -> String {
    let mut text = format!(
        r#"# The switch of the pilot with seed {}.
[switch]
id = "atm-switch-pilot"
log_dir = "log"
enrolment_dir = "enrolment"
keys_file = "keys.toml"
first_day = "{}"

[terminals]
listen = "127.0.0.1:0"

[registry]
url = "{registry}"
ca_file = "registry-ca.pem"
signing_key_file = "signing.pem"
kid = "{SWITCH_KID}"

[[registry.key]]
kid = "{REGISTRY_KID}"
file = "registry.pem"

[credential]
csca_dir = "csca"

[timers]
registry_ms_max = {}
hsm_ms_max = {HSM_MS_MAX}
issuer_response_ms_max = {}
answer_ms_max = {}
terminal_wait_ms = {}
reversal_repeat_ms_min = 500
reversal_repeat_ms_max = 2000

[log]
heads_file = "witness.heads"

[operator]
socket = "operator.sock"

[admin]
listen = "127.0.0.1:0"
"#,
        plan.seed,
        plan.days.first().map(ToString::to_string).unwrap_or_default(),
        waits.registry_ms_max,
        waits.issuer_response_ms_max,
        waits.answer_ms_max(),
        waits.terminal_wait_ms()
    );
    text.push_str(TERMINALS_SECTION);
    text.push_str(hsm);
    for (((bank, (dialect, header)), address), format) in BANKS.iter().zip(LINKS).zip(banks).zip(PIN_FORMATS)
    {
        let _ = write!(
            text,
            "\n[[issuer]]\nid = \"{}\"\nname = \"{}\"\naddresses = [\"{address}\"]\ndialect = \"{dialect}\"\nheader = \
             \"{header}\"\nreconnect_ms_min = 100\nreconnect_ms_max = 400\n",
            bank.institution, bank.name
        );
        let _ = writeln!(text, "pin_format = \"{}\"", format.number());
        if header == "length2-tpdu" {
            text.push_str("tpdu = \"6000000000\"\n");
        }
        text.push_str(&bank_section(bank.institution));
    }
    for terminal in &plan.terminals {
        let acquirer = BANKS[BRANCHES[terminal.branch].bank].institution;
        let _ = write!(text, "\n[[terminal]]\nid = \"{}\"\nacquirer = \"{acquirer}\"\n", terminal.id);
    }
    text
}

/// The switch listens where it did before: terminals know one address.
///
/// # Errors
/// The file cannot be read or written.
pub(super) fn keep_address(config: &Path, address: SocketAddr) -> io::Result<()> {
    let text = fs::read_to_string(config)?;
    fs::write(
        config,
        text.replacen(
            "[terminals]\nlisten = \"127.0.0.1:0\"",
            &format!("[terminals]\nlisten = \"{address}\""),
            1,
        ),
    )
}

fn key_file(plan: &Plan) -> String {
    let hex = |role: &str| hex(&key(plan.seed, role));
    let mut text = String::from("[data]\n");
    for name in ["k_enc", "k_pseudonym", "k_log", "k_heads"] {
        let _ = writeln!(text, "{name} = \"{}\"", hex(name));
    }
    for terminal in &plan.terminals {
        let _ = writeln!(text, "[terminal.{}]", terminal.id);
        for role in ["mac_to_switch", "mac_from_switch", "challenge"] {
            let _ = writeln!(text, "{role} = \"{}\"", hex(&format!("terminal {} {role}", terminal.id)));
        }
    }
    for (number, bank) in BANKS.iter().enumerate() {
        let [to_switch, from_switch] = bank_mac_keys(plan.seed, number);
        let algorithm = MAC_ALGORITHMS[number].name();
        let _ = write!(
            text,
            "[bank.{}]\nalgorithm = \"{algorithm}\"\nmac_to_switch = \"{to_switch}\"\nmac_from_switch = \"{from_switch}\"\n",
            bank.institution
        );
    }
    text
}

/// What each bank would send: number, account, default.
fn enrolment_files(plan: &Plan, country: &Country, directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for (number, bank) in BANKS.iter().enumerate() {
        let mut text = String::from("citizen_number,account,default\n");
        for citizen in &plan.citizens {
            let digits = country.citizen(citizen.index).number;
            for (place, account) in citizen.accounts.iter().enumerate().filter(|(_, it)| it.bank == number) {
                let digits = String::from_utf8_lossy(digits.digits()).into_owned();
                let _ = writeln!(text, "{digits},{},{}", account.number, u8::from(place == 0));
            }
        }
        write_private(directory, &format!("enrolment-{}.csv", bank.institution), &text)?;
        files.push(directory.join(format!("enrolment-{}.csv", bank.institution)));
    }
    Ok(files)
}

fn hex(key: &Key) -> String {
    key.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key that belongs to a seed and a role.
fn key(seed: u64, role: &str) -> Key {
    let mut mac: Hmac<Sha256> =
        Hmac::new_from_slice(&seed.to_be_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"pilot key ");
    mac.update(role.as_bytes());
    Key::new(mac.finalize().into_bytes().into())
}

fn write(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::write(directory.join(name), text)
}

/// For nobody else to read.
fn write_private(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(directory.join(name))?;
    file.write_all(text.as_bytes())
}
