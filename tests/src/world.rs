//! A whole small world on loopback: one bank, the identity registry, one terminal, and the switch as its own process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use credential::Pan;
use keys::{BoundKey, Key, KeyAlgorithm, KeyUsage, LinkCodec, LinkMac, MacKey, ModeOfUse};
use serde_json::Value;
use simulators::audit::{Audit, Evidence, audit, read_log};
use simulators::bank::{self, Bank, BankConfig, Entry, FaultRule, Line, read_lines};
use simulators::citizens::Country;
use simulators::exchange::ExchangeKey;
use simulators::payshield::Machine;
use simulators::pins::{PinCheck, PinPad, Pins};
use simulators::registry::{self, Certificates, Registry, RegistryConfig, SecretKey, Sessions};
use simulators::terminal::{self, Card, Fault, Notes, Order, Setup, Steps, What, net_out_vnd};
use tokio::time::{sleep, timeout};

use crate::program::{Switch, write_private};

/// The seed of citizens and their PINs.
pub const SEED: u64 = 7;
const BANK: &str = "970418";
const TERMINAL: &str = "HN000001";

/// A terminal of the switch that no simulator plays: a test speaks for it, with [`bare_keys`]. The golden messages name it.
pub const BARE_TERMINAL: &str = "HN000017";

/// Longer than anything here takes: a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks at something that comes about by itself.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Citizens of this world by their index, each with one account at the bank.
pub const CITIZENS: u64 = 3;

/// The parts. Ends with its last field's drop.
pub struct World {
    /// The switch.
    pub switch: Switch,
    /// The terminal.
    pub terminal: terminal::Handle,
    /// The bank.
    pub bank: bank::Handle,
    /// The registry.
    pub registry: registry::Handle,
    /// Where the switch takes terminals.
    pub terminals: SocketAddr,
    dir: tempfile::TempDir,
    next_order: u64,
    sessions: Minted,
}

/// The biometric sessions that were minted, oldest first.
type Minted = Arc<Mutex<Vec<[u8; 16]>>>;

/// What the switch connects to in the bank's place.
#[derive(Clone, Copy, Debug)]
pub struct Issuer {
    /// Where it listens.
    pub address: SocketAddr,
    /// More lines of its `[[issuer]]`.
    pub settings: &'static str,
}

impl World {
    /// Starts everything; the terminal signs on by itself.
    ///
    /// # Panics
    /// When a part does not start: a test cannot go on.
    pub async fn start(faults: FaultRule) -> World {
        World::start_with(faults, None).await
    }

    /// The same; the switch may take somebody else for the bank.
    ///
    /// # Panics
    /// As [`World::start`].
    pub async fn start_with(faults: FaultRule, issuer: Option<Issuer>) -> World {
        World::start_whole(faults, issuer, None).await
    }

    /// The same with PINs: the terminal has a pad, the bank checks, and the keys are brought to the switch's security module
    /// by its own commands.
    ///
    /// # Panics
    /// As [`World::start`].
    pub async fn start_with_pins(faults: FaultRule, pins: PinSetting) -> World {
        World::start_whole(faults, None, Some(pins)).await
    }

    async fn start_whole(faults: FaultRule, issuer: Option<Issuer>, pins: Option<PinSetting>) -> World {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let certificates = Certificates::mint().expect("certificates");
        let registry = start_registry(&certificates, SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let check = pins.as_ref().map(|pins| pins.check.clone());
        let bank = start_bank(dir.path(), faults, check).await;
        let issuer = issuer.unwrap_or(Issuer { address: bank.addr(), settings: "" });
        configure(dir.path(), &registry, &certificates, issuer);
        let mut switch = Switch::new(dir.path());
        if let Some(pins) = &pins {
            pins.bring_keys(dir.path(), &switch);
        }
        let lines: String =
            (0..CITIZENS).map(|index| format!("{},860001234{index},1\n", number(index))).collect();
        write_private(&dir.path().join("bank.csv"), &lines).expect("a bank's file");
        let file = dir.path().join("bank.csv");
        switch.told(&["enrolment", "import", &file.to_string_lossy(), "--bank", BANK]);
        let addresses = switch.start();
        let terminals = address(&addresses);
        let sessions = Minted::default();
        let terminal = start_terminal(terminals, pins.map(|pins| pins.pad), sessions.clone());
        World { switch, terminal, bank, registry, terminals, dir, next_order: 0, sessions }
    }

    /// The biometric sessions that the terminal has sent, oldest first.
    ///
    /// # Panics
    /// When one was being minted in a panic.
    pub fn sessions(&self) -> Vec<[u8; 16]> {
        self.sessions.lock().expect("no panic holds it").clone()
    }

    /// The registry is gone. Another, of another authority, is there: in its place, or elsewhere, where nobody asks it.
    ///
    /// # Panics
    /// When that does not start.
    pub async fn with_another_registry(mut self, is_in_its_place: bool) -> World {
        let at =
            SocketAddr::from(([127, 0, 0, 1], if is_in_its_place { self.registry.addr().port() } else { 0 }));
        self.registry.stop().await;
        self.registry = start_registry(&Certificates::mint().expect("certificates"), at).await;
        self
    }

    /// Kills the switch with SIGKILL and starts it again on the same port.
    pub fn kill_and_restart(&mut self) {
        self.switch.end("KILL");
        self.switch.start();
    }

    /// What a citizen wants; told in few words by the caller.
    pub fn order(&mut self, citizen: u64, what: What, amount_vnd: u64, steps: Steps) -> Order {
        self.next_order += 1;
        let country = Country::new(SEED);
        let notes = Notes([(amount_vnd / 500_000) as u32, 0, 0, 0]);
        Order {
            id: self.next_order,
            notes: (what == What::Deposit).then_some(notes),
            what,
            amount_vnd,
            card: Card {
                pan: Pan::new(*b"970499", &country.citizen(citizen).number),
                chip: Arc::new(country.chip(citizen)),
            },
            steps,
            bank: None,
            from_account: None,
            rrn_front: None,
            pin: Some(Pins::new(SEED).of(Pan::new(*b"970499", &country.citizen(citizen).number).digits())),
            fault: None,
        }
    }

    /// Has the first citizen served, and tells in one line how the visit ended.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn visit(&mut self, what: What, amount_vnd: u64, steps: Steps, fault: Option<Fault>) -> String {
        let mut order = self.order(0, what, amount_vnd, steps);
        order.fault = fault;
        self.carried_out(order).await
    }

    /// Has this order carried out, and tells in one line how the visit ended.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn carried_out(&mut self, order: Order) -> String {
        let finished = timeout(PATIENCE, self.terminal.perform(order)).await.expect("the visit ends");
        let finished = finished.expect("the terminal runs");
        let code = finished.code.map_or("--".to_owned(), |code| String::from_utf8_lossy(&code).into_owned());
        let told = [finished.told.amounts.as_deref(), finished.told.statement.as_deref()];
        let told =
            told.into_iter().flatten().map(|told| format!(" {} characters", told.len())).collect::<String>();
        format!("{code} {:?} {}{told}", finished.outcome, finished.net_out_vnd)
    }

    /// Waits until every advice is answered.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn advices_answered(&self) {
        let settled = timeout(PATIENCE, self.terminal.settled()).await;
        settled.expect("advices are answered").expect("the terminal runs");
    }

    /// Waits until every advice is answered and the ledger agrees with the notes.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn settled(&self) {
        self.advices_answered().await;
        let cash = net_out_vnd(&self.terminal.movements()).values().sum::<i64>();
        let since = Instant::now();
        while self.net_minor() != cash {
            assert!(since.elapsed() < PATIENCE, "ledger {} and cash {cash}", self.net_minor());
            sleep(LOOK_PAUSE).await;
        }
    }

    /// Waits until the switch says of itself, by `atm-switch status`, what is asked for.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn status(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let since = Instant::now();
        loop {
            let status = serde_json::from_str(&self.switch.told(&["status"])).expect("a status is JSON");
            if is_so(&status) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "not {what}: {status}");
            sleep(LOOK_PAUSE).await;
        }
    }

    /// Waits until the bank can be asked.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn bank_ready(&self) {
        self.status("a bank ready", |status| status["banks_ready"] == serde_json::json!([BANK])).await;
    }

    /// Waits until the bank has acknowledged every reversal.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn reversals_acknowledged(&self) {
        self.status("all reversed", |status| status["reversals_open"] == 0).await;
    }

    /// The bank's money entries so far.
    ///
    /// # Panics
    /// When the ledger cannot be read.
    pub fn entries(&self) -> Vec<Entry> {
        let lines = read_lines(self.bank.ledger_path()).expect("the ledger reads back");
        lines
            .into_iter()
            .filter_map(|line| if let Line::Entry(entry) = line { Some(*entry) } else { None })
            .collect()
    }

    /// Holds cassettes, ledger and log against each other; the switch must have ended.
    ///
    /// # Panics
    /// When one of them cannot be read.
    pub fn audit(&self) -> Audit {
        let movements = self.terminal.movements();
        let ledgers = [read_lines(self.bank.ledger_path()).expect("the ledger reads back")];
        let log =
            read_log(self.switch.told(&["log", "show", "--json"]).as_bytes()).expect("the log is as told");
        audit(&Evidence { movements: &movements, ledgers: &ledgers, log: &log })
    }

    /// What machines paid out by the bank's ledger, less what they took in, minor units.
    pub fn net_minor(&self) -> i64 {
        let postings = self.entries().into_iter().flat_map(|entry| entry.postings);
        postings
            .filter(|posting| &*posting.account == bank::SETTLEMENT)
            .map(|posting| posting.amount_minor)
            .sum()
    }

    /// The directory with log, ledger and configuration.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// How PINs go in a world with PINs.
pub struct PinSetting {
    /// The terminal's pad.
    pub pad: PinPad,
    /// The bank's check.
    pub check: PinCheck,
    /// In which format the bank wants them: 0, 3 or 4.
    pub format: u8,
    /// The security module is the simulated payShield of seed 1 at this address; otherwise the software one.
    pub payshield: Option<SocketAddr>,
    /// What `atm-switch keys import` takes in: a key's name and its block under the owner's exchange key, which is
    /// [`TERMINAL_EXCHANGE_KEY`] or [`BANK_EXCHANGE_KEY`].
    pub blocks: Vec<(String, String)>,
}

/// The exchange key of the terminal in a world with PINs: both parts are brought as files.
pub const TERMINAL_EXCHANGE_KEY: [u8; 32] = [0x3C; 32];
/// That of its bank.
pub const BANK_EXCHANGE_KEY: [u8; 32] = [0x4D; 32];

impl PinSetting {
    /// Adds `[hsm]` and the bank's format to the configuration, and brings the keys.
    fn bring_keys(&self, dir: &Path, switch: &Switch) {
        let config = dir.join("atm-switch.toml");
        let text = std::fs::read_to_string(&config).expect("the configuration");
        let format = format!("name = \"BIDV\"\npin_format = \"{}\"\n", self.format);
        let text = text.replacen("name = \"BIDV\"\n", &format, 1);
        // A box is asked over TCP, and on a machine that has much else to do its answer takes its time.
        let (hsm_ms_max, answer_ms_max) =
            if self.payshield.is_some() { (3_000, 7_500) } else { (500, 5_000) };
        let waits = format!("registry_ms_max = 2000\nhsm_ms_max = {hsm_ms_max}");
        let text = text.replacen("registry_ms_max = 2000", &waits, 1);
        let text = text.replacen("answer_ms_max = 5000", &format!("answer_ms_max = {answer_ms_max}"), 1);
        let hsm = match self.payshield {
            Some(at) => {
                format!("[hsm]\nkind = \"payshield\"\naddresses = [\"{at}\"]\nfile = \"hsm.keys\"\n")
            }
            None => {
                write_private(&dir.join("passphrase"), "a passphrase of this world\n").expect("a file");
                "[hsm]\nkind = \"software\"\nfile = \"hsm.keys\"\npassphrase_file = \"passphrase\"\n"
                    .to_owned()
            }
        };
        write_private(&config, &format!("{text}{hsm}")).expect("the configuration");
        switch.told(&["keys", "create"]);
        let owners = [
            (format!("terminal.{TERMINAL}"), TERMINAL_EXCHANGE_KEY),
            (format!("bank.{BANK}"), BANK_EXCHANGE_KEY),
        ];
        for (owner, key) in owners {
            bring_exchange_key(dir, switch, &owner, &key, self.payshield.is_some());
        }
        let file = dir.join("block").to_string_lossy().into_owned();
        for (name, block) in &self.blocks {
            write_private(&dir.join("block"), block).expect("a block");
            switch.told(&["keys", "import", name, "--block", &file]);
        }
    }
}

/// Brings an owner's exchange key: as two parts, or to a payShield as its console shows it.
///
/// # Panics
/// When it is refused.
pub fn bring_exchange_key(dir: &Path, switch: &Switch, owner: &str, key: &[u8; 32], is_payshield: bool) {
    let name = format!("{owner}.exchange");
    let file = |name: &str, text: &str| {
        write_private(&dir.join(name), text).expect("a file");
        dir.join(name).to_string_lossy().into_owned()
    };
    if is_payshield {
        let (usage, mode) = (KeyUsage::KeyBlockProtection, ModeOfUse::Both);
        let key = BoundKey::new(usage, mode, KeyAlgorithm::Aes, key).expect("an AES key");
        let token = Machine::new(1).expect("a box").token(&key).expect("a key under its LMK");
        switch.told(&["keys", "import", &name, "--block", &file("token", &token)]);
        return;
    }
    let first = [0x11; 32];
    let second: Vec<u8> = key.iter().zip(first).map(|(byte, first)| byte ^ first).collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (first, second) = (file("first", &hex(&first)), file("second", &hex(&second)));
    switch.told(&["keys", "import", &name, "--part", &first, "--part", &second]);
}

/// The number of one of this world's citizens.
pub fn number(citizen: u64) -> String {
    String::from_utf8_lossy(Country::new(SEED).citizen(citizen).number.digits()).into_owned()
}

fn address(addresses: &Value) -> SocketAddr {
    addresses["terminals"].as_str().and_then(|text| text.parse().ok()).expect("an address")
}

/// The keys of [`BARE_TERMINAL`].
pub fn bare_keys() -> LinkMac {
    peer_keys(6, 7)
}

/// The two ends of a link's keys: the switch's and the peer's.
fn peer_keys(to_switch: u8, from_switch: u8) -> LinkMac {
    let key = |byte: u8| MacKey::new(&Key::new([byte; 32]));
    LinkMac { sign: key(to_switch), verify: key(from_switch) }
}

async fn start_registry(certificates: &Certificates, listen: SocketAddr) -> registry::Handle {
    let switch = SecretKey::from_seed(SEED, "switch", "switch-1");
    let config = RegistryConfig {
        listen,
        certificates: certificates.clone(),
        client_certificate: false,
        http2: true,
        machine: registry::MachineConfig {
            seed: SEED,
            kid: "registry-1".to_owned(),
            switches: BTreeMap::from([("switch-1".to_owned(), switch.public())]),
            population: Box::new(Country::new(SEED)),
            overrides: BTreeMap::new(),
            faults: Box::new(|_| None),
        },
    };
    Registry::start(config).await.expect("the registry starts")
}

/// The peer's end of an exchange key that the module has.
fn exchange_key(bytes: &[u8; 32]) -> ExchangeKey {
    ExchangeKey::new(bytes).expect("an AES key")
}

async fn start_bank(dir: &Path, faults: FaultRule, pins: Option<PinCheck>) -> bank::Handle {
    let config = BankConfig {
        machine: bank::MachineConfig {
            id: BANK.into(),
            currency: 704,
            amount_exponent: 0,
            accounts: BTreeMap::new(),
            opening_minor: Some(50_000_000),
            tombstones: true,
            repeats_refused: false,
            totals: Default::default(),
            exchange: pins.is_some().then(|| exchange_key(&BANK_EXCHANGE_KEY)),
            pins,
            faults,
        },
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        codec: LinkCodec::terminal(),
        tls: None,
        mac: Some(peer_keys(4, 5)),
        ledger: dir.join("ledger.jsonl"),
        holds: None,
        fsync: false,
    };
    Bank::start(config).await.expect("the bank starts")
}

fn start_terminal(switch: SocketAddr, pin_pad: Option<PinPad>, minted: Minted) -> terminal::Handle {
    let sessions = Sessions::from_seed(SEED);
    let setup = Setup {
        switch,
        tls: None,
        mac: Some(peer_keys(1, 2)),
        config: terminal::Config {
            terminal: TERMINAL.into(),
            acceptor: "BRANCH".into(),
            location: "Hanoi".into(),
            acquirer: BANK.into(),
            challenge: Key::new([3; 32]),
            exchange: pin_pad.is_some().then(|| exchange_key(&TERMINAL_EXCHANGE_KEY)),
            pin_pad,
            biometrics: Arc::new(move |comparison| {
                let session = sessions.mint(
                    comparison.at_s,
                    comparison.number,
                    &comparison.citizen,
                    &comparison.terminal,
                    90,
                );
                minted.lock().expect("no panic holds it").push(session);
                session
            }),
            timers: terminal::Timers {
                answer_ms_max: 8_000,
                link_ms_max: 20_000,
                advice_repeat_ms_min: 300,
                advice_repeat_ms_max: 1_000,
                ..terminal::Timers::default()
            },
            withdrawal_notes_max: 40,
            deposit_notes_max: 200,
            cassette_notes_max: 3_000,
        },
        cassettes: Notes([1_000, 1_000, 1_000, 1_000]),
        redial_ms_min: 50,
        redial_ms_max: 200,
        keep_movements: true,
    };
    terminal::start(setup).expect("the terminal starts")
}

fn configure(dir: &Path, registry: &registry::Handle, certificates: &Certificates, issuer: Issuer) {
    let write = |name: &str, text: &str| write_private(&dir.join(name), text).expect("a file");
    let key = |byte: u8| format!("{byte:02x}").repeat(32);
    write(
        "keys.toml",
        &format!(
            "[data]\nk_enc = \"{}\"\nk_pseudonym = \"{}\"\nk_log = \"{}\"\nk_heads = \"{}\"\n[terminal.{TERMINAL}]\nmac_to_switch = \"{}\"\n\
             mac_from_switch = \"{}\"\nchallenge = \"{}\"\n[bank.{BANK}]\nmac_to_switch = \"{}\"\nmac_from_switch = \"{}\"\n\
             [terminal.{BARE_TERMINAL}]\nmac_to_switch = \"{}\"\nmac_from_switch = \"{}\"\nchallenge = \"{}\"\n",
            key(11),
            key(12),
            key(13),
            key(14),
            key(1),
            key(2),
            key(3),
            key(4),
            key(5),
            key(6),
            key(7),
            key(8)
        ),
    );
    write("ca.pem", &certificates.ca_pem);
    write("signing.pem", &SecretKey::from_seed(SEED, "switch", "switch-1").to_pkcs8_pem());
    write("registry.pem", &registry.public_key().to_pem());
    std::fs::create_dir(dir.join("csca")).expect("a directory");
    write("csca/vietnam.pem", &Country::new(SEED).csca_pem());
    // A port that is free now: the terminal finds the switch there again after a restart.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    write(
        "atm-switch.toml",
        &format!(
            "[switch]\nid = \"switch-1\"\nlog_dir = \"log\"\nenrolment_dir = \"enrolment\"\nkeys_file = \"keys.toml\"\n\
             first_day = \"2026-05-01\"\n\
             [terminals]\nlisten = \"{}\"\naccepts_per_second_max = 100000\n\
             [[terminal]]\nid = \"{TERMINAL}\"\nacquirer = \"{BANK}\"\n\
             [[terminal]]\nid = \"{BARE_TERMINAL}\"\nacquirer = \"{BANK}\"\n\
             [[issuer]]\nid = \"{BANK}\"\nname = \"BIDV\"\naddresses = [\"{}\"]\nreconnect_ms_min = 20\n\
             reconnect_ms_max = 200\n{}\
             [registry]\nurl = \"{}\"\nca_file = \"ca.pem\"\nsigning_key_file = \"signing.pem\"\nkid = \"switch-1\"\n\
             [[registry.key]]\nkid = \"registry-1\"\nfile = \"registry.pem\"\n\
             [credential]\ncsca_dir = \"csca\"\n[operator]\nsocket = \"operator.sock\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [timers]\nregistry_ms_max = 2000\nissuer_response_ms_max = 2000\nmargin_ms = 500\nanswer_ms_max = 5000\n\
             terminal_wait_ms = 8000\nreversal_repeat_ms_min = 200\nreversal_repeat_ms_max = 1000\n",
            free.expect("a free port"),
            issuer.address,
            issuer.settings,
            registry.url()
        ),
    );
}
