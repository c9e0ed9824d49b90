//! Several banks, the identity registry and many terminals around the switch as its own process, on loopback; every link of
//! the switch to a terminal or a bank goes through a proxy.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use credential::Pan;
use keys::{Key, LinkCodec, LinkMac, MacKey};
use serde_json::Value;
use simulators::audit::{Audit, Evidence, audit, read_log};
use simulators::bank::{self, Bank, BankConfig, Fault, FaultRule, read_lines};
use simulators::citizens::Country;
use simulators::registry::{self, Certificates, Registry, RegistryConfig, SecretKey};
use simulators::terminal::{self, Card, Fleet, Notes, Setup, matching_faces};
use tokio::sync::Notify;

use crate::acknowledged::{Acknowledged, mti};
use crate::program::{Switch, write_private};
use crate::proxy::{Proxy, Tap, Way};

/// The banks' institutions.
pub const BANKS: [&str; 3] = ["970418", "970415", "970436"];

/// Machines; machine N stands at bank N modulo their number.
pub const TERMINALS: usize = 24;

/// Citizens with an account each; that of citizen N is at bank N modulo their number.
pub const CITIZENS: u64 = 60;

/// What a cassette is filled with.
pub const CASSETTES: Notes = Notes([1_000, 1_000, 1_000, 1_000]);

/// The switch's deadline for a bank, milliseconds.
pub const ISSUER_MS: u64 = 2_000;

/// APPROVED without its advice is flagged after so long, milliseconds.
pub const APPROVED_AGE_MS: u64 = 4_000;

/// All parts, running.
pub struct Town {
    /// The switch.
    pub switch: Switch,
    /// The machines.
    pub fleet: Fleet,
    /// What they were told.
    pub acknowledged: Acknowledged,
    /// Moments at which a kill hurts most.
    pub moments: Arc<Moments>,
    banks: Vec<bank::Handle>,
    registry: registry::Handle,
    proxies: Vec<Proxy>,
    cards: Vec<Card>,
    sick: Arc<AtomicBool>,
    dir: tempfile::TempDir,
}

/// What the proxies see.
#[derive(Debug, Default)]
pub struct Moments {
    /// The switch has asked a bank.
    pub bank_asked: Notify,
    /// A bank has answered a request.
    pub bank_answered: Notify,
    /// The switch has answered a request.
    pub answered: Notify,
    /// A terminal sends an advice.
    pub advised: Notify,
}

impl Town {
    /// Starts everything; the machines sign on by themselves. With `wild`, the proxies make faults.
    ///
    /// # Panics
    /// When a part does not start.
    pub async fn start(seed: u64, wild: bool, settings: &str) -> Town {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let certificates = Certificates::mint().expect("certificates");
        let registry = start_registry(seed, &certificates).await;
        let (acknowledged, moments) = (Acknowledged::default(), Arc::new(Moments::default()));
        let sick = Arc::new(AtomicBool::new(true));
        let (mut banks, mut proxies) = (Vec::new(), Vec::new());
        for number in 0..BANKS.len() {
            let bank = start_bank(dir.path(), number, seed, sick.clone()).await;
            let proxy_seed = wild.then_some(seed + 1 + number as u64);
            let proxy = Proxy::start(bank.addr(), proxy_seed, bank_tap(moments.clone())).await;
            proxies.push(proxy.expect("a proxy starts"));
            banks.push(bank);
        }
        let addresses: Vec<SocketAddr> = proxies.iter().map(Proxy::address).collect();
        let listen = free_address();
        configure(dir.path(), seed, listen, &addresses, &registry, &certificates, settings);
        let mut switch = Switch::new(dir.path());
        enrol(&mut switch, dir.path(), seed);
        switch.start();
        let tap = terminal_tap(acknowledged.clone(), moments.clone());
        let front = Proxy::start(listen, wild.then_some(seed), tap).await.expect("a proxy starts");
        let setups = (0..TERMINALS).map(|number| terminal_setup(number, seed, front.address()));
        let fleet = Fleet::start(setups).expect("the terminals start");
        proxies.push(front);
        let country = Country::new(seed);
        let card = |index| Card {
            pan: Pan::new(*b"970499", &country.citizen(index).number),
            chip: Arc::new(country.chip(index)),
        };
        let cards = (0..CITIZENS).map(card).collect();
        Town { switch, fleet, acknowledged, moments, banks, registry, proxies, cards, sick, dir }
    }

    /// A citizen's card.
    pub fn card(&self, citizen: usize) -> Card {
        self.cards[citizen % self.cards.len()].clone()
    }

    /// From now on banks and proxies make no faults.
    pub fn heal(&self) {
        self.sick.store(false, Ordering::Release);
        self.proxies.iter().for_each(Proxy::heal);
    }

    /// Faults that the proxies made, by kind, and the frames that went through them.
    pub fn proxied(&self) -> (BTreeMap<&'static str, u64>, u64) {
        let mut sum = BTreeMap::new();
        for (kind, count) in self.proxies.iter().flat_map(Proxy::faults) {
            *sum.entry(kind).or_insert(0) += count;
        }
        (sum, self.proxies.iter().map(Proxy::frames).sum())
    }

    /// What `atm-switch status` says.
    ///
    /// # Panics
    /// When it says nothing.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.switch.told(&["status"])).expect("a status is JSON")
    }

    /// Ends banks and registry, and holds cassettes, ledgers and log against each other; the switch must have ended.
    ///
    /// # Panics
    /// When one of them cannot be read.
    pub async fn audit(self) -> (Audit, Vec<Value>) {
        let movements = self.fleet.movements();
        self.fleet.stop();
        let paths: Vec<_> = self.banks.iter().map(|bank| bank.ledger_path().to_owned()).collect();
        for bank in self.banks {
            bank.stop().await;
        }
        self.registry.stop().await;
        let ledgers: Vec<_> =
            paths.iter().map(|path| read_lines(path).expect("a ledger reads back")).collect();
        let text = self.switch.told(&["log", "show", "--json"]);
        let log = read_log(text.as_bytes()).expect("the log is as told");
        let audit = audit(&Evidence { movements: &movements, ledgers: &ledgers, log: &log });
        let records = text.lines().map(|line| serde_json::from_str(line).expect("a record is JSON"));
        (audit, records.collect())
    }

    /// The directory with log, ledgers and configuration.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// The name of a machine.
pub fn terminal_id(number: usize) -> String {
    format!("HN{number:06}")
}

fn terminal_tap(acknowledged: Acknowledged, moments: Arc<Moments>) -> Tap {
    Arc::new(move |way, frame| match (way, mti(frame)) {
        (Way::There, said) => {
            acknowledged.note_asked(frame);
            if matches!(said, Some(220 | 420)) {
                moments.advised.notify_waiters();
            }
        }
        (Way::Back, said) => {
            // Noted before it goes on: what was sent counts, whether it arrives or not.
            acknowledged.note(frame);
            if said == Some(210) {
                moments.answered.notify_waiters();
            }
        }
    })
}

fn bank_tap(moments: Arc<Moments>) -> Tap {
    Arc::new(move |way, frame| match (way, mti(frame)) {
        (Way::There, Some(200)) => moments.bank_asked.notify_waiters(),
        (Way::Back, Some(210)) => moments.bank_answered.notify_waiters(),
        (Way::There | Way::Back, _) => {}
    })
}

/// The switch listens there after every start.
fn free_address() -> SocketAddr {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a free port")
}

/// A key of a link or machine: each number its own.
fn key(number: usize) -> [u8; 32] {
    let mut key = [0xA5; 32];
    key[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    key
}

/// The three keys of a machine, or the first two of a bank.
fn keys_of(owner: usize) -> [[u8; 32]; 3] {
    [key(owner * 3), key(owner * 3 + 1), key(owner * 3 + 2)]
}

fn peer(owner: usize) -> LinkMac {
    let [to_switch, from_switch, _] = keys_of(owner).map(|key| MacKey::new(&Key::new(key)));
    LinkMac { sign: to_switch, verify: from_switch }
}

/// The owner's number of a bank's keys; machines have theirs from 0.
fn bank_owner(number: usize) -> usize {
    1_000 + number
}

async fn start_registry(seed: u64, certificates: &Certificates) -> registry::Handle {
    let switch = SecretKey::from_seed(seed, "switch", "switch-1");
    let config = RegistryConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        certificates: certificates.clone(),
        client_certificate: false,
        http2: true,
        machine: registry::MachineConfig {
            seed,
            kid: "registry-1".to_owned(),
            switches: BTreeMap::from([("switch-1".to_owned(), switch.public())]),
            population: Box::new(Country::new(seed)),
            overrides: BTreeMap::new(),
            faults: Box::new(|_| None),
        },
    };
    Registry::start(config).await.expect("the registry starts")
}

async fn start_bank(dir: &Path, number: usize, seed: u64, sick: Arc<AtomicBool>) -> bank::Handle {
    let config = BankConfig {
        machine: bank::MachineConfig {
            id: BANKS[number].into(),
            currency: 704,
            amount_exponent: 0,
            accounts: BTreeMap::new(),
            opening_minor: Some(900_000_000_000),
            tombstones: true,
            repeats_refused: false,
            totals: Default::default(),
            pins: None,
            exchange: None,
            faults: bank_faults(seed, sick),
        },
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        codec: LinkCodec::terminal(),
        tls: None,
        mac: Some(peer(bank_owner(number))),
        ledger: dir.join(format!("ledger-{}.jsonl", BANKS[number])),
        holds: None,
        fsync: false,
    };
    Bank::start(config).await.expect("the bank starts")
}

/// A few of a hundred requests meet a fault, by their identity.
fn bank_faults(seed: u64, sick: Arc<AtomicBool>) -> FaultRule {
    Arc::new(move |seen| {
        if !sick.load(Ordering::Acquire) || seen.sighting != 1 {
            return None;
        }
        let drawn = seed
            .wrapping_add(u64::from(seen.identity.stan))
            .wrapping_add(seen.identity.sent_at_s as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            >> 40;
        match (seen.mti, drawn % 200) {
            (200, 0) => Some(Fault::Silent),
            (200, 1) => Some(Fault::Late(ISSUER_MS + 300)),
            (200, 2 | 3) => Some(Fault::Twice),
            (200, 4..=7) => Some(Fault::Decline(*b"51")),
            (200, 8) => Some(Fault::Lost),
            (200, 9..=12) => Some(Fault::Late(80)),
            (420, 0..=3) => Some(Fault::Silent),
            (420, 4..=7) => Some(Fault::Lost),
            _ => None,
        }
    })
}

fn terminal_setup(number: usize, seed: u64, switch: SocketAddr) -> Setup {
    Setup {
        switch,
        tls: None,
        mac: Some(peer(number)),
        config: terminal::Config {
            terminal: terminal_id(number).into(),
            acceptor: "BRANCH".into(),
            location: "Hanoi".into(),
            acquirer: BANKS[number % BANKS.len()].into(),
            challenge: Key::new(keys_of(number)[2]),
            biometrics: matching_faces(seed),
            pin_pad: None,
            exchange: None,
            timers: terminal::Timers {
                answer_ms_max: 8_000,
                link_ms_max: 20_000,
                advice_repeat_ms_min: 300,
                advice_repeat_ms_max: 1_000,
                network_answer_ms_max: 3_000,
                ..terminal::Timers::default()
            },
            withdrawal_notes_max: 40,
            deposit_notes_max: 200,
            cassette_notes_max: 60_000,
        },
        cassettes: CASSETTES,
        redial_ms_min: 20,
        redial_ms_max: 200,
        keep_movements: true,
    }
}

fn enrol(switch: &mut Switch, dir: &Path, seed: u64) {
    let country = Country::new(seed);
    for (number, bank) in BANKS.iter().enumerate() {
        let mut lines = String::new();
        for index in (0..CITIZENS).filter(|index| *index as usize % BANKS.len() == number) {
            let citizen = country.citizen(index);
            let digits = String::from_utf8_lossy(citizen.number.digits()).into_owned();
            let _ = writeln!(lines, "{digits},{},1", account(index as usize));
        }
        let file = dir.join(format!("{bank}.csv"));
        write_private(&file, &lines).expect("a bank's file");
        switch.told(&["enrolment", "import", &file.to_string_lossy(), "--bank", bank]);
    }
}

/// The account of a citizen.
pub fn account(citizen: usize) -> String {
    format!("86{:08}", citizen % CITIZENS as usize)
}

fn configure(
    dir: &Path,
    seed: u64,
    listen: SocketAddr,
    banks: &[SocketAddr],
    registry: &registry::Handle,
    certificates: &Certificates,
    settings: &str,
) {
    let write = |name: &str, text: &str| write_private(&dir.join(name), text).expect("a file");
    write("keys.toml", &key_file());
    write("ca.pem", &certificates.ca_pem);
    write("signing.pem", &SecretKey::from_seed(seed, "switch", "switch-1").to_pkcs8_pem());
    write("registry.pem", &registry.public_key().to_pem());
    std::fs::create_dir(dir.join("csca")).expect("a directory");
    write("csca/vietnam.pem", &Country::new(seed).csca_pem());
    let mut text = format!(
        "[switch]\nid = \"switch-1\"\nlog_dir = \"log\"\nenrolment_dir = \"enrolment\"\nkeys_file = \"keys.toml\"\n\
         first_day = \"2026-05-01\"\n{settings}\
         [terminals]\nlisten = \"{listen}\"\naccepts_per_second_max = 100000\n\
         [registry]\nurl = \"{}\"\nca_file = \"ca.pem\"\nsigning_key_file = \"signing.pem\"\nkid = \"switch-1\"\n\
         [[registry.key]]\nkid = \"registry-1\"\nfile = \"registry.pem\"\n\
         [credential]\ncsca_dir = \"csca\"\n[operator]\nsocket = \"operator.sock\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [limits]\ncitizen_day_minor_max = 999_999_999_999\ncitizen_day_count_max = 1_000_000\nin_flight_max = 500\n\
         [timers]\nregistry_ms_max = 2000\nissuer_response_ms_max = {ISSUER_MS}\nmargin_ms = 500\nanswer_ms_max = 5000\n\
         terminal_wait_ms = 8000\nreversal_repeat_ms_min = 200\nreversal_repeat_ms_max = 1000\n\
         approved_age_ms_max = {APPROVED_AGE_MS}\n",
        registry.url()
    );
    for number in 0..TERMINALS {
        let (id, acquirer) = (terminal_id(number), BANKS[number % BANKS.len()]);
        let _ = write!(text, "[[terminal]]\nid = \"{id}\"\nacquirer = \"{acquirer}\"\n");
    }
    for (id, address) in BANKS.iter().zip(banks) {
        let _ = write!(
            text,
            "[[issuer]]\nid = \"{id}\"\nname = \"{id}\"\naddresses = [\"{address}\"]\nreconnect_ms_min = 20\n\
             reconnect_ms_max = 200\n"
        );
    }
    write("atm-switch.toml", &text);
}

fn key_file() -> String {
    let hex = |key: [u8; 32]| {
        key.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let mut text = String::from("[data]\n");
    for (number, name) in (9_000..).zip(["k_enc", "k_pseudonym", "k_log"]) {
        let _ = writeln!(text, "{name} = \"{}\"", hex(key(number)));
    }
    let mut owner = |name: String, number: usize, roles: &[&str]| {
        let _ = writeln!(text, "[{name}]");
        for (role, key) in roles.iter().zip(keys_of(number)) {
            let _ = writeln!(text, "{role} = \"{}\"", hex(key));
        }
    };
    for number in 0..TERMINALS {
        let roles = ["mac_to_switch", "mac_from_switch", "challenge"];
        owner(format!("terminal.{}", terminal_id(number)), number, &roles);
    }
    for (number, bank) in BANKS.iter().enumerate() {
        owner(format!("bank.{bank}"), bank_owner(number), &["mac_to_switch", "mac_from_switch"]);
    }
    text
}
