//! What a load runs against: files, the registry in this process, banks and switch in processes of their own.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use credential::CitizenNumber;
use hmac::{Hmac, KeyInit, Mac};
use hsm::{KeyRole, Owner};
use keys::{BoundKey, Key, KeyError, LinkMac, MacKey, PinFormat};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::engine::{Engine, Waits};
use super::exporter::Exporter;
use super::machines::{ACQUIRER, Citizens, Machine, Pad, name};
use super::mix::Mix;
use super::prepare::WINDOW;
use super::watch::Processes;
use crate::citizens::Country;
use crate::link_certificates::{LinkCertificates, TERMINALS_SECTION, bank_section};
use crate::module_keys::{HSM_SECTION, ModuleKeys};
use crate::pilot::console::People;
use crate::pilot::switch::Switch;
use crate::pins::{PinPad, Pins, pin_key};
use crate::registry::{self, Certificates, Population, Registry, RegistryConfig, SecretKey, SeenCard};
use crate::terminal::matching_faces;

/// The population, its registry, and all keys come from this.
const SEED: u64 = 5;

/// The IIN of citizens' PANs.
const IIN: [u8; 6] = *b"970499";

/// In which PINs travel on both sides.
const PIN_FORMAT: PinFormat = PinFormat::Iso0;

/// So many banks there can be.
pub(super) const BANKS_MAX: u32 = 100;

/// Whom a connection's certificate names.
fn certificate_of(connection: usize) -> String {
    format!("connection {connection}")
}

/// A bank's institution, by its number from 0.
fn bank_id(number: usize) -> String {
    format!("{}", 970_300 + number)
}

const REGISTRY_KID: &str = "registry-1";
const SWITCH_KID: &str = "switch-1";

/// Every account begins with this, đồng: more than any load takes out of one, and what it puts in still has the twelve
/// digits of a balance's answer.
const OPENING_VND: i64 = 500_000_000_000;

/// A bank has to say where it listens, and to end when it is told to, within so many seconds.
const BANK_S_MAX: u64 = 30;

/// The banks have to be ready, and everything owed to them done, within so many seconds.
const SETTLE_S_MAX: u64 = 60;

/// So often it is looked whether all of them still run.
const LOOK: Duration = Duration::from_millis(200);

/// The switch's deadlines in a load, milliseconds: short, so that an answer that misses its own is noticed; the
/// terminal's wait is the usual one, for so long are shed keys refused again.
const REGISTRY_MS_MAX: u64 = 1_500;
const BANK_MS_MAX: u64 = 3_000;
const MARGIN_MS: u64 = 500;

/// What the security module has of the bank's time where there are PINs.
const HSM_MS_MAX: u64 = 500;
const ANSWER_MS_MAX: u64 = REGISTRY_MS_MAX + BANK_MS_MAX + MARGIN_MS;
const TERMINAL_WAIT_MS: u64 = 30_000;

/// References have to outlive everything between the first 0100 and the last 0200. A search has many steps, and the switch
/// keeps no more than 900,000 of them, used ones too: there they outlive one step.
const REFERENCE_LIFE_MS: u64 = 3_600_000;
const REFERENCE_LIFE_IN_SEARCH_MS: u64 = 240_000;

/// When more are asked for, those are relied on that are younger than this share of their life: the rest is for
/// asking and for the step itself.
const REFERENCE_LIFE_SHARE: u64 = 4;

/// How large a town is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Terminals.
    pub(super) machines: u32,
    /// Citizens that visit them.
    pub(super) citizens: u32,
    /// Connections that they share.
    pub(super) connections: usize,
    /// Banks.
    pub(super) banks: usize,
    /// Requests in flight in the switch.
    pub(super) in_flight_max: u32,
    /// Links in TLS.
    pub(super) tls: bool,
    /// Every 0200 carries a PIN, and the banks want it.
    pub(super) pin: bool,
    /// The switch has a console, and somebody may log in.
    pub(super) console: bool,
    /// Many rates are offered one after the other.
    pub(super) is_search: bool,
}

impl Size {
    fn bank_ms_max(&self) -> u64 {
        if self.pin { BANK_MS_MAX - HSM_MS_MAX } else { BANK_MS_MAX }
    }

    fn reference_life_ms(&self) -> u64 {
        if self.is_search { REFERENCE_LIFE_IN_SEARCH_MS } else { REFERENCE_LIFE_MS }
    }
}

/// Everything beside the terminals.
pub(super) struct Town {
    /// The switch.
    pub(super) switch: Switch,
    banks: Vec<Child>,
    registry: registry::Handle,
    ledgers: Vec<PathBuf>,
    people: Option<People>,
}

impl Town {
    /// Sets all up below `directory`, the banks' ledgers in `ledgers_in`, and starts it; terminals are connected and have to sign on.
    ///
    /// # Errors
    /// What the system or a part said.
    pub(super) async fn set_up(
        size: Size,
        mix: Mix,
        directory: &Path,
        ledgers_in: &Path,
    ) -> Result<(Town, Engine), Box<dyn Error>> {
        let country = Country::quick(SEED);
        let citizens = Citizens::of(&country, size.citizens, IIN);
        let registry = start_registry(&country, &citizens, directory).await?;
        let certificates = size.tls.then(LinkCertificates::mint).transpose()?;
        if let Some(certificates) = &certificates {
            certificates.write_switch(directory)?;
        }
        let (mut banks, mut addresses, mut ledgers) = (Vec::new(), Vec::new(), Vec::new());
        for bank in (0..size.banks).map(bank_id) {
            let (child, address) =
                start_bank(&bank, directory, ledgers_in, certificates.as_ref(), size.pin).await?;
            banks.push(child);
            addresses.push(address);
            ledgers.push(ledgers_in.join(format!("{bank}.jsonl")));
        }
        if size.pin {
            module_keys(size)?.write(directory, key("hsm").bytes())?;
        }
        fs::create_dir_all(directory.join("csca"))?;
        fs::write(directory.join("csca/csca.pem"), country.csca_pem())?;
        let program = Switch::find().await?;
        let configured = |name: &str, size: Size| -> io::Result<Switch> {
            let keys_file = format!("{name}-keys.toml");
            write_private(&directory.join(&keys_file), &key_file(size))?;
            let config = directory.join(format!("{name}.toml"));
            fs::write(&config, switch_config(&keys_file, size, &registry.url(), &addresses))?;
            Ok(Switch::new(program.clone(), config))
        };
        // Each import is a process that reads the whole configuration: that of one terminal will do.
        let importing = configured("enrolment", Size { machines: 1, ..size })?;
        for (number, bank) in (0..size.banks).map(bank_id).enumerate() {
            let file = directory.join(format!("{bank}.csv"));
            write_private(&file, &accounts(&citizens, number, size.banks))?;
            let file = file.to_string_lossy().into_owned();
            importing.command(&["enrolment", "import", &file, "--bank", &bank]).await?;
        }
        importing.command(&["log", "begin-heads"]).await?;
        let mut switch = configured("atm-switch", size)?;
        let config = directory.join("atm-switch.toml");
        let people = if size.console { Some(People::let_in(&config, &switch).await?) } else { None };
        let address = switch.start().await?;
        let mut town = Town { switch, banks, registry, ledgers, people };
        town.banks_ready(size.banks).await?;
        let machines = machines(size, &citizens)?;
        let window = WINDOW.min(size.in_flight_max as usize);
        let waits = Waits {
            answer_us_max: ANSWER_MS_MAX * 1_000,
            terminal_us: TERMINAL_WAIT_MS * 1_000,
            window,
            reference_us_max: size.reference_life_ms() * 1_000 / REFERENCE_LIFE_SHARE,
        };
        let processes = town.processes()?;
        let dialler = |number| {
            certificates
                .as_ref()
                .map(|certificates| certificates.terminal(&certificate_of(number)))
                .transpose()
        };
        let connections = (0..size.connections).map(dialler).collect::<Result<Vec<_>, _>>()?;
        let engine = Engine::new(address, connections, machines, citizens, processes, waits, mix)?;
        Ok((town, engine))
    }

    /// A clerk who exports from now on, where there is a console.
    ///
    /// # Errors
    /// Nobody is let in.
    pub(super) fn exporter(&self) -> Result<Option<Exporter>, Box<dyn Error>> {
        let Some(people) = &self.people else { return Ok(None) };
        let (name, password) = people.clerk();
        Ok(Some(Exporter::start(self.switch.console()?, name, password)?))
    }

    fn processes(&self) -> io::Result<Processes> {
        let gone = || io::Error::other("a process has ended by itself");
        let banks = self.banks.iter().map(|bank| bank.id().ok_or_else(gone)).collect::<io::Result<_>>()?;
        let holds = self.ledgers.iter().map(|ledger| (ledger.with_extension("holds"), 0)).collect();
        let admin = self.switch.admin().map_err(io::Error::other)?;
        Ok(Processes { switch: self.switch.pid().ok_or_else(gone)?, banks, admin, holds, shown_us: [0; 3] })
    }

    /// Comes back when a process has ended that nobody has told to, and says which.
    ///
    /// # Errors
    /// The system's own.
    pub(super) async fn one_has_ended(&mut self) -> Result<String, Box<dyn Error>> {
        loop {
            if let Some(ended) = self.ended()? {
                return Ok(ended);
            }
            sleep(LOOK).await;
        }
    }

    fn ended(&mut self) -> Result<Option<String>, Box<dyn Error>> {
        for (bank, process) in (0..).map(bank_id).zip(&mut self.banks) {
            if let Some(status) = process.try_wait()? {
                return Ok(Some(format!("bank {bank} has ended by itself, {status}")));
            }
        }
        Ok(self.switch.ended()?)
    }

    async fn banks_ready(&mut self, banks: usize) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + Duration::from_secs(SETTLE_S_MAX);
        while self.switch.status().await?.banks_ready.len() < banks {
            if let Some(ended) = self.ended()? {
                return Err(ended.into());
            }
            if Instant::now() > until {
                return Err("the banks are not ready".into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until nothing is in flight and no reversal is owed.
    ///
    /// # Errors
    /// It does not come about.
    pub(super) async fn settled(&self) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + Duration::from_secs(SETTLE_S_MAX);
        loop {
            let status = self.switch.status().await?;
            if status.reversals_open == 0 && status.requests_in_flight == 0 {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("not settled after {SETTLE_S_MAX} s: {status:?}").into());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends switch, banks and registry in order; the banks' ledgers are whole then. The switch's files stay.
    ///
    /// # Errors
    /// One does not end well.
    pub(super) async fn end(mut self) -> Result<(Switch, Vec<PathBuf>), Box<dyn Error>> {
        self.switch.end().await?;
        for (name, mut bank) in (0..).map(bank_id).zip(self.banks) {
            let Some(id) = bank.id() else { return Err(format!("bank {name} has ended by itself").into()) };
            Command::new("kill").arg("-TERM").arg(id.to_string()).status().await?;
            let ended = timeout(Duration::from_secs(BANK_S_MAX), bank.wait()).await??;
            if !ended.success() {
                return Err(format!("bank {name} did not end well: {ended}").into());
            }
        }
        self.registry.stop().await;
        Ok((self.switch, self.ledgers))
    }
}

/// The cards as the registry has them on file: made once, not again for every question.
struct OnFile(BTreeMap<CitizenNumber, SeenCard>);

impl Population for OnFile {
    fn card_of(&self, number: &CitizenNumber) -> Option<SeenCard> {
        self.0.get(number).cloned()
    }
}

fn on_file(country: &Country, citizens: &Citizens) -> OnFile {
    let card = |number: CitizenNumber, sod: &[u8], dg15: &[u8]| {
        let index = country.index_of(&number)?;
        let seen = SeenCard {
            document_number: String::from_utf8_lossy(&number.digits()[3..]).into_owned(),
            expiry: country.citizen(index).expiry_digits().to_owned(),
            sod_sha256: Sha256::digest(sod).into(),
            dg15: dg15.to_vec(),
        };
        Some((number, seen))
    };
    OnFile(citizens.cards().filter_map(|(number, chip)| card(number, chip.sod(), chip.dg15())).collect())
}

async fn start_registry(
    country: &Country,
    citizens: &Citizens,
    directory: &Path,
) -> Result<registry::Handle, Box<dyn Error>> {
    let switch_key = SecretKey::from_seed(SEED, "switch", SWITCH_KID);
    let certificates = Certificates::mint()?;
    fs::write(directory.join("registry-ca.pem"), &certificates.ca_pem)?;
    write_private(&directory.join("signing.pem"), &switch_key.to_pkcs8_pem())?;
    let config = RegistryConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        certificates,
        client_certificate: false,
        http2: true,
        machine: registry::MachineConfig {
            seed: SEED,
            kid: REGISTRY_KID.to_owned(),
            switches: BTreeMap::from([(SWITCH_KID.to_owned(), switch_key.public())]),
            population: Box::new(on_file(country, citizens)),
            overrides: BTreeMap::new(),
            faults: Box::new(|_| None),
        },
    };
    let registry = Registry::start(config).await?;
    fs::write(directory.join("registry.pem"), registry.public_key().to_pem())?;
    Ok(registry)
}

/// This program's own bank, in a process of its own.
async fn start_bank(
    bank: &str,
    directory: &Path,
    ledgers_in: &Path,
    certificates: Option<&LinkCertificates>,
    pin: bool,
) -> Result<(Child, SocketAddr), Box<dyn Error>> {
    let config = directory.join(format!("bank-{bank}.toml"));
    let [to_switch, from_switch] =
        ["mac_to_switch", "mac_from_switch"].map(|role| hex(&key(&format!("bank {bank} {role}"))));
    let ledger = ledgers_in.join(bank);
    let ledger = ledger.display();
    let text = format!(
        "id = \"{bank}\"\nlisten = [\"127.0.0.1:0\"]\nledger = \"{ledger}.jsonl\"\nmac_to_switch = \"{to_switch}\"\n\
         mac_from_switch = \"{from_switch}\"\nopening_minor = {OPENING_VND}\nholds = \"{ledger}.holds\"\n"
    );
    let tls = certificates.map(|certificates| certificates.write_bank(directory, bank)).transpose()?;
    let pins = if pin { bank_pin_section(bank)? } else { String::new() };
    write_private(&config, &(text + &tls.unwrap_or_default() + &pins))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bank").arg("--config").arg(&config);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let out = child.stdout.take().ok_or("a bank has no standard output")?;
    let mut lines = BufReader::new(out).lines();
    let line = timeout(Duration::from_secs(BANK_S_MAX), lines.next_line()).await??;
    let line = line.ok_or("a bank has ended before it listened")?;
    let address = line.split(' ').find_map(|word| word.trim_end_matches(',').parse().ok());
    Ok((child, address.ok_or_else(|| format!("where does it listen? {line}"))?))
}

fn machines(size: Size, citizens: &Citizens) -> Result<Vec<Machine>, Box<dyn Error>> {
    let faces = matching_faces(SEED);
    let machine = |number: u32| {
        let name = name(number);
        let [sign, verify, challenge] = TERMINAL_ROLES.map(|role| key(&format!("terminal {name} {role}")));
        let mac = LinkMac { sign: MacKey::new(&sign), verify: MacKey::new(&verify) };
        let connection = number as usize % size.connections;
        let pad = size.pin.then(|| pad(&name)).transpose()?;
        Machine::new(number, connection, mac, challenge, pad, faces.clone(), citizens)
    };
    (0..size.machines).map(machine).collect()
}

const TERMINAL_ROLES: [&str; 3] = ["mac_to_switch", "mac_from_switch", "challenge"];

fn switch_config(keys_file: &str, size: Size, registry: &str, banks: &[SocketAddr]) -> String {
    let mut text = format!(
        r#"[switch]
id = "atm-switch-load"
log_dir = "log"
enrolment_dir = "enrolment"
keys_file = "{keys_file}"
first_day = "2026-01-05"

[terminals]
listen = "127.0.0.1:0"
idle_ms_max = 3600000
accepts_per_second_max = 20000
connections_per_address_max = {}
first_message_ms_max = 120000

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
sods_cached_max = {}

[timers]
registry_ms_max = {REGISTRY_MS_MAX}
issuer_response_ms_max = {}
hsm_ms_max = {HSM_MS_MAX}
answer_ms_max = {ANSWER_MS_MAX}
terminal_wait_ms = {TERMINAL_WAIT_MS}
margin_ms = {MARGIN_MS}
reference_life_ms = {}

[limits]
citizen_day_minor_max = 999999999999
citizen_day_count_max = 1000000
in_flight_max = {}

[log]
heads_file = "witness.heads"

[operator]
socket = "operator.sock"

[admin]
listen = "127.0.0.1:0"
"#,
        size.connections * 2,
        size.citizens,
        size.bank_ms_max(),
        size.reference_life_ms(),
        size.in_flight_max
    );
    for (bank, address) in (0..).map(bank_id).zip(banks) {
        let _ =
            write!(text, "\n[[issuer]]\nid = \"{bank}\"\nname = \"{bank}\"\naddresses = [\"{address}\"]\n");
        if size.pin {
            let _ = writeln!(text, "pin_format = \"{}\"", PIN_FORMAT.number());
        }
        if size.tls {
            text.push_str(&bank_section(&bank));
        }
    }
    if size.pin {
        text.push_str(HSM_SECTION);
    }
    if size.tls {
        text.push_str(TERMINALS_SECTION);
    }
    for number in 0..size.machines {
        let _ = write!(text, "\n[[terminal]]\nid = \"{}\"\nacquirer = \"{ACQUIRER}\"\n", name(number));
        if size.tls {
            let _ =
                writeln!(text, "certificate = \"{}\"", certificate_of(number as usize % size.connections));
        }
    }
    text
}

fn key_file(size: Size) -> String {
    let mut text = String::from("[data]\n");
    for role in ["k_enc", "k_pseudonym", "k_log", "k_heads"] {
        let _ = writeln!(text, "{role} = \"{}\"", hex(&key(role)));
    }
    for number in 0..size.machines {
        let name = name(number);
        let _ = writeln!(text, "[terminal.{name}]");
        for role in TERMINAL_ROLES {
            let _ = writeln!(text, "{role} = \"{}\"", hex(&key(&format!("terminal {name} {role}"))));
        }
    }
    for bank in (0..size.banks).map(bank_id) {
        let _ = writeln!(text, "[bank.{bank}]");
        for role in ["mac_to_switch", "mac_from_switch"] {
            let _ = writeln!(text, "{role} = \"{}\"", hex(&key(&format!("bank {bank} {role}"))));
        }
    }
    text
}

/// The module's keys: each pad's and each bank's.
fn module_keys(size: Size) -> Result<ModuleKeys, Box<dyn Error>> {
    let mut keys = ModuleKeys::default();
    for name in (0..size.machines).map(name) {
        let exchange = key(&format!("terminal {name} exchange"));
        let owner = Owner::terminal(name.as_bytes().try_into()?);
        keys.add(owner, KeyRole::Pin, exchange.bytes(), &pin_key_of(&format!("terminal {name} pin"))?)?;
    }
    for bank in (0..size.banks).map(bank_id) {
        let exchange = key(&format!("bank {bank} exchange"));
        let owner = Owner::bank(bank.as_bytes()).ok_or("a bank's id has digits")?;
        keys.add(owner, KeyRole::Pin, exchange.bytes(), &pin_key_of(&format!("bank {bank} pin"))?)?;
    }
    Ok(keys)
}

fn pin_key_of(role: &str) -> Result<BoundKey, KeyError> {
    pin_key(PIN_FORMAT, &first_half(&key(role)))
}

fn first_half(key: &Key) -> [u8; 16] {
    *key.bytes().first_chunk().expect("a key has 32 bytes")
}

fn pad(terminal: &str) -> Result<Pad, KeyError> {
    let pad = PinPad::fixed(&pin_key_of(&format!("terminal {terminal} pin"))?, PIN_FORMAT)?;
    Ok(Pad { pad, pins: Pins::new(SEED) })
}

fn bank_pin_section(bank: &str) -> Result<String, KeyError> {
    let key = pin_key_of(&format!("bank {bank} pin"))?;
    let digits = key.bytes().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    Ok(format!("[pin]\nformat = {}\nkey = \"{digits}\"\npopulation_seed = {SEED}\n", PIN_FORMAT.number()))
}

/// A bank's file of accounts: citizens go round the banks, one account each.
fn accounts(citizens: &Citizens, bank: usize, banks: usize) -> String {
    let mut text = String::from("citizen_number,account,default\n");
    for (index, (number, _)) in citizens.cards().enumerate().filter(|(index, _)| index % banks == bank) {
        let digits = String::from_utf8_lossy(number.digits()).into_owned();
        let _ = writeln!(text, "{digits},{:010},1", 1_000_000 + index);
    }
    text
}

/// A key that belongs to a role.
fn key(role: &str) -> Key {
    let mut mac: Hmac<Sha256> =
        Hmac::new_from_slice(b"keys of a load").expect("HMAC takes a key of any length");
    mac.update(role.as_bytes());
    Key::new(mac.finalize().into_bytes().into())
}

fn hex(key: &Key) -> String {
    key.bytes().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// For nobody else to read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
