//! A bank comes back after a day: how long its reversals take, what another bank's customers feel of it, and whether each
//! was taken exactly once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use credential::Pan;
use keys::{DataKeys, Key, LinkCodec, LinkMac, MacKey};
use serde_json::{Value, json};
use simulators::bank::{self, Bank, BankConfig, Line, MachineConfig, no_faults, read_lines};
use simulators::citizens::Country;
use simulators::registry::{self, Certificates, Registry, RegistryConfig, SecretKey};
use simulators::terminal::{self, Card, Fleet, Notes, Order, Setup, Steps, What, matching_faces};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::owed::{self, fill};
use crate::program::{Switch, write_private};

/// The bank whose customers are served meanwhile.
const LIVE_BANK: &str = "970418";

/// Machines that serve them, one citizen after the other at each.
const MACHINES: usize = 8;

/// The pause behind each visit.
const VISIT_PAUSE: Duration = Duration::from_millis(30);

/// Visits at each machine before its cassettes are filled again.
const VISITS_BEFORE_SERVICE: u64 = 400;

const SEED: u64 = 7;

/// A drain that takes longer has failed.
const DRAIN_MAX: Duration = Duration::from_secs(1_800);

/// What has to come about by itself within it, or has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// The pause between two looks at how far it is.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// Reversals that are owed when the bank comes back.
    pub reversals: u32,
    /// Visits of the other bank's customers before it comes back.
    pub visits_before: usize,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Report {
    /// Reversals that were owed.
    pub reversals: u32,
    /// From the start of the process to its accepting terminals: the log is read, every reversal taken up.
    pub start: Duration,
    /// From the bank's coming back to the last acknowledgement.
    pub drain: Duration,
    /// Visits of the other bank's customers, from the card to the advice's leaving, before the bank came back.
    pub before: Vec<Duration>,
    /// And while its reversals were drained.
    pub during: Vec<Duration>,
    /// Visits that ended otherwise than with cash.
    pub refused: usize,
    /// What `saf list` said before the bank came back.
    pub listed: Value,
    /// Metrics before the bank came back.
    pub metrics: String,
    /// Reversals that the bank's ledger has once, with their money.
    pub applied_once: usize,
    /// Money of the withdrawals that is still gone from the bank's accounts, minor units.
    pub left_minor: i64,
    /// Reversals that are still owed.
    pub open: u64,
    /// REVERSED records, and what `log verify` said.
    pub verified: String,
}

/// Where the measurement stands.
const BEFORE: u8 = 0;
const DURING: u8 = 1;
const OVER: u8 = 2;

impl Drain {
    /// Measures.
    ///
    /// # Panics
    /// When a part does not start, or what has to come about does not.
    pub async fn run(self) -> Report {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let certificates = Certificates::mint().expect("certificates");
        let registry = start_registry(&certificates).await;
        let live_bank = start_bank(dir.path(), 0).await;
        let data = DataKeys::new(&Key::new(key(90)), &Key::new(key(91)), &Key::new(key(92)));
        let log_dir = dir.path().join("log");
        std::fs::create_dir(&log_dir).expect("a directory");
        let machine = machine(owed::BANK);
        fill(&log_dir, &data, &ledger(dir.path(), owed::BANK), machine, self.reversals, wall_ms());
        let away = start_bank(dir.path(), 1).await;
        away.pause().await;
        configure(dir.path(), &[live_bank.addr(), away.addr()], &registry, &certificates);
        let mut switch = Switch::new(dir.path());
        enrol(&switch, dir.path());
        let since = Instant::now();
        let addresses = switch.start();
        let start = since.elapsed();
        let listen = addresses["terminals"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        let fleet =
            Fleet::start((0..MACHINES).map(|number| setup(number, listen))).expect("the terminals start");
        let load = Load::start(&fleet);
        load.visited(BEFORE, self.visits_before).await;
        let listed = serde_json::from_str(&switch.told(&["saf", "list", "--json"])).expect("JSON");
        let metrics = metrics(&addresses).await;

        load.enter(DURING);
        let since = Instant::now();
        away.resume().await.expect("the bank's port is free");
        let socket = dir.path().join("operator.sock");
        while open(&socket).await > 0 {
            assert!(since.elapsed() < DRAIN_MAX, "not drained in {DRAIN_MAX:?}");
            sleep(LOOK_PAUSE).await;
        }
        let drain = since.elapsed();
        let open = open(&socket).await;
        let (before, during, refused) = load.end().await;
        fleet.settled().await.expect("the terminals run");
        fleet.stop();
        assert!(switch.end("TERM").success(), "an orderly end");
        away.stop().await;
        live_bank.stop().await;
        registry.stop().await;
        let (applied_once, left_minor) = applied(&ledger(dir.path(), owed::BANK));
        let verified = switch.told(&["log", "verify"]);
        Report {
            reversals: self.reversals,
            start,
            drain,
            before,
            during,
            refused,
            listed,
            metrics,
            applied_once,
            left_minor,
            open,
            verified,
        }
    }
}

impl Report {
    /// Reversals acknowledged in a second.
    pub fn per_second(&self) -> f64 {
        f64::from(self.reversals) / self.drain.as_secs_f64()
    }

    /// Every reversal was taken exactly once, and nothing is owed.
    pub fn is_good(&self) -> bool {
        self.applied_once == self.reversals as usize && self.left_minor == 0 && self.open == 0
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({
            "reversals": self.reversals,
            "start_ms": self.start.as_millis() as u64,
            "drain_ms": self.drain.as_millis() as u64,
            "reversals_per_second": self.per_second() as u64,
            "visits_before": self.before.len(),
            "visits_during": self.during.len(),
            "visits_refused": self.refused,
            "visit_p50_us_before": percentile(&self.before, 50),
            "visit_p99_us_before": percentile(&self.before, 99),
            "visit_p50_us_during": percentile(&self.during, 50),
            "visit_p99_us_during": percentile(&self.during, 99),
            "applied_once": self.applied_once,
            "left_minor": self.left_minor,
            "open": self.open,
            "good": self.is_good(),
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        let visits = |name: &str, visits: &[Duration]| {
            let (middle, high) = (percentile(visits, 50), percentile(visits, 99));
            format!("  {name:<7} {:>6} visits, p50 {middle:>7} us, p99 {high:>7} us\n", visits.len())
        };
        format!(
            "{} reversals owed; the switch started in {:.2} s\ndrained in {:.2} s: {:.0} reversals a second\n\
             another bank's customers, card to advice ({} refused):\n{}{}\
             applied once {} of {}; money left {}; still owed {}\n{}",
            self.reversals,
            self.start.as_secs_f64(),
            self.drain.as_secs_f64(),
            self.per_second(),
            self.refused,
            visits("before", &self.before),
            visits("during", &self.during),
            self.applied_once,
            self.reversals,
            self.left_minor,
            self.open,
            if self.is_good() { "everything agrees\n" } else { "IT DOES NOT AGREE\n" }
        )
    }
}

/// Microseconds; 0 of none.
fn percentile(visits: &[Duration], percent: usize) -> u64 {
    let mut sorted = visits.to_vec();
    sorted.sort();
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).map_or(0, |visit| visit.as_micros() as u64)
}

/// Withdrawals at all machines.
struct Load {
    told: Arc<Told>,
    machines: JoinSet<()>,
}

#[derive(Default)]
struct Told {
    phase: AtomicU8,
    visits: Mutex<Vec<(u8, Duration)>>,
    refused: Mutex<usize>,
}

impl Load {
    fn start(fleet: &Fleet) -> Load {
        let told = Arc::new(Told::default());
        let mut machines = JoinSet::new();
        for (number, handle) in fleet.iter().enumerate() {
            machines.spawn(serve(handle.clone(), card(number), told.clone()));
        }
        Load { told, machines }
    }

    fn enter(&self, phase: u8) {
        self.told.phase.store(phase, Ordering::Release);
    }

    async fn visited(&self, phase: u8, count: usize) {
        let since = Instant::now();
        loop {
            let visits = self.told.visits.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if visits.iter().filter(|(of, _)| *of == phase).count() >= count {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{} of {count} visits", visits.len());
            sleep(LOOK_PAUSE).await;
        }
    }

    async fn end(mut self) -> (Vec<Duration>, Vec<Duration>, usize) {
        self.enter(OVER);
        while let Some(ended) = self.machines.join_next().await {
            ended.expect("a machine serves until it is told to stop");
        }
        let visits = std::mem::take(&mut *self.told.visits.lock().unwrap_or_else(PoisonError::into_inner));
        let of = |phase| visits.iter().filter(|(of, _)| *of == phase).map(|(_, took)| *took).collect();
        let refused = *self.told.refused.lock().unwrap_or_else(PoisonError::into_inner);
        (of(BEFORE), of(DURING), refused)
    }
}

async fn serve(handle: terminal::Handle, card: Card, told: Arc<Told>) {
    for id in 1.. {
        let phase = told.phase.load(Ordering::Acquire);
        if phase == OVER {
            return;
        }
        if id % VISITS_BEFORE_SERVICE == 0 {
            handle.service(CASSETTES).await.expect("the machine runs");
        }
        let order = Order {
            id,
            notes: None,
            what: What::Withdrawal,
            amount_vnd: 500_000,
            card: card.clone(),
            steps: Steps::One,
            bank: None,
            from_account: None,
            rrn_front: None,
            pin: None,
            fault: None,
        };
        let since = Instant::now();
        let finished = handle.perform(order).await.expect("the machine runs");
        let took = since.elapsed();
        if finished.net_out_vnd == 500_000 {
            // A visit that began before the bank was back and ended behind it belongs to neither.
            if told.phase.load(Ordering::Acquire) == phase {
                told.visits.lock().unwrap_or_else(PoisonError::into_inner).push((phase, took));
            }
        } else if finished.code.is_some() {
            *told.refused.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        sleep(VISIT_PAUSE).await;
    }
}

/// Reversals of which the ledger has one entry with their money each, and the sum of what is still gone.
fn applied(ledger: &Path) -> (usize, i64) {
    let mut reversals: BTreeMap<bank::Identity, usize> = BTreeMap::new();
    let mut left_minor = 0;
    for line in read_lines(ledger).expect("the ledger reads back") {
        let Line::Entry(entry) = line else { continue };
        if let Some(original) = entry.original.filter(|_| !entry.postings.is_empty()) {
            *reversals.entry(original).or_default() += 1;
        }
        let settled = entry.postings.iter().filter(|posting| &*posting.account == bank::SETTLEMENT);
        left_minor += settled.map(|posting| posting.amount_minor).sum::<i64>();
    }
    (reversals.values().filter(|count| **count == 1).count(), left_minor)
}

/// Reversals that are owed, as the switch says on its operators' socket.
async fn open(socket: &Path) -> u64 {
    let mut stream = UnixStream::connect(socket).await.expect("the switch runs");
    stream.write_all(b"{\"command\":\"status\"}\n").await.expect("it listens");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.expect("it answers");
    let answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
    answer["status"]["reversals_open"].as_u64().expect("a number")
}

async fn metrics(addresses: &Value) -> String {
    let address = addresses["admin"].as_str().expect("an address");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("the switch runs");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.expect("it listens");
    let mut page = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut page).await.expect("it answers");
    page
}

const CASSETTES: Notes = Notes([1_000, 1_000, 1_000, 1_000]);

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn key(number: u8) -> [u8; 32] {
    [number; 32]
}

/// The keys of a bank's or machine's end: to the switch, and from it.
fn peer(number: u8) -> LinkMac {
    let key = |number| MacKey::new(&Key::new(key(number)));
    LinkMac { sign: key(number), verify: key(number + 1) }
}

fn bank_key(index: usize) -> u8 {
    60 + 3 * index as u8
}

fn machine_key(index: usize) -> u8 {
    1 + 3 * index as u8
}

fn card(index: usize) -> Card {
    let country = Country::new(SEED);
    let number = country.citizen(index as u64).number;
    Card { pan: Pan::new(*b"970499", &number), chip: Arc::new(country.chip(index as u64)) }
}

fn machine(id: &str) -> MachineConfig {
    MachineConfig {
        id: id.into(),
        currency: 704,
        amount_exponent: 0,
        accounts: BTreeMap::new(),
        opening_minor: Some(1_000_000_000_000_000),
        tombstones: true,
        repeats_refused: false,
        totals: Default::default(),
        pins: None,
        exchange: None,
        faults: no_faults(),
    }
}

fn ledger(dir: &Path, bank: &str) -> std::path::PathBuf {
    dir.join(format!("{bank}.jsonl"))
}

async fn start_bank(dir: &Path, index: usize) -> bank::Handle {
    let id = [LIVE_BANK, owed::BANK][index];
    let config = BankConfig {
        machine: machine(id),
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        codec: LinkCodec::terminal(),
        tls: None,
        mac: Some(peer(bank_key(index))),
        ledger: ledger(dir, id),
        holds: None,
        fsync: false,
    };
    Bank::start(config).await.expect("the bank starts")
}

async fn start_registry(certificates: &Certificates) -> registry::Handle {
    let switch = SecretKey::from_seed(SEED, "switch", "switch-1");
    let config = RegistryConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
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

fn setup(index: usize, switch: SocketAddr) -> Setup {
    Setup {
        switch,
        tls: None,
        mac: Some(peer(machine_key(index))),
        config: terminal::Config {
            terminal: terminal_id(index).into(),
            acceptor: "BRANCH".into(),
            location: "Hanoi".into(),
            acquirer: LIVE_BANK.into(),
            challenge: Key::new(key(machine_key(index) + 2)),
            biometrics: matching_faces(SEED),
            pin_pad: None,
            exchange: None,
            timers: terminal::Timers { link_ms_max: 20_000, ..terminal::Timers::default() },
            withdrawal_notes_max: 40,
            deposit_notes_max: 200,
            cassette_notes_max: 60_000,
        },
        cassettes: CASSETTES,
        redial_ms_min: 20,
        redial_ms_max: 200,
        keep_movements: false,
    }
}

fn terminal_id(index: usize) -> String {
    format!("HN{index:06}")
}

fn enrol(switch: &Switch, dir: &Path) {
    let country = Country::new(SEED);
    let mut lines = String::new();
    for index in 0..MACHINES as u64 {
        let number = country.citizen(index).number;
        let _ = writeln!(lines, "{},86000{index:05},1", String::from_utf8_lossy(number.digits()));
    }
    let file = dir.join("bank.csv");
    write_private(&file, &lines).expect("a bank's file");
    switch.told(&["enrolment", "import", &file.to_string_lossy(), "--bank", LIVE_BANK]);
}

fn configure(dir: &Path, banks: &[SocketAddr; 2], registry: &registry::Handle, certificates: &Certificates) {
    let write = |name: &str, text: &str| write_private(&dir.join(name), text).expect("a file");
    let hex = |number: u8| format!("{number:02x}").repeat(32);
    let mut keys =
        format!("[data]\nk_enc = \"{}\"\nk_pseudonym = \"{}\"\nk_log = \"{}\"\n", hex(90), hex(91), hex(92));
    let mut text = format!(
        "[switch]\nid = \"switch-1\"\nlog_dir = \"log\"\nenrolment_dir = \"enrolment\"\nkeys_file = \"keys.toml\"\n\
         first_day = \"2026-05-01\"\n[terminals]\nlisten = \"127.0.0.1:0\"\n\
         [registry]\nurl = \"{}\"\nca_file = \"ca.pem\"\nsigning_key_file = \"signing.pem\"\nkid = \"switch-1\"\n\
         [[registry.key]]\nkid = \"registry-1\"\nfile = \"registry.pem\"\n\
         [credential]\ncsca_dir = \"csca\"\n[operator]\nsocket = \"operator.sock\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [limits]\ncitizen_day_minor_max = 999_999_999_999\ncitizen_day_count_max = 1_000_000\n",
        registry.url()
    );
    for index in 0..MACHINES {
        let (id, first) = (terminal_id(index), machine_key(index));
        let _ = write!(text, "[[terminal]]\nid = \"{id}\"\nacquirer = \"{LIVE_BANK}\"\n");
        let _ = write!(
            keys,
            "[terminal.{id}]\nmac_to_switch = \"{}\"\nmac_from_switch = \"{}\"\nchallenge = \"{}\"\n",
            hex(first),
            hex(first + 1),
            hex(first + 2)
        );
    }
    for (index, (id, address)) in [LIVE_BANK, owed::BANK].into_iter().zip(banks).enumerate() {
        let first = bank_key(index);
        let _ = write!(
            text,
            "[[issuer]]\nid = \"{id}\"\nname = \"{id}\"\naddresses = [\"{address}\"]\nreconnect_ms_min = 20\n\
             reconnect_ms_max = 200\n"
        );
        let _ = write!(
            keys,
            "[bank.{id}]\nmac_to_switch = \"{}\"\nmac_from_switch = \"{}\"\n",
            hex(first),
            hex(first + 1)
        );
    }
    write("keys.toml", &keys);
    write("atm-switch.toml", &text);
    write("ca.pem", &certificates.ca_pem);
    write("signing.pem", &SecretKey::from_seed(SEED, "switch", "switch-1").to_pkcs8_pem());
    write("registry.pem", &registry.public_key().to_pem());
    std::fs::create_dir(dir.join("csca")).expect("a directory");
    write("csca/vietnam.pem", &Country::new(SEED).csca_pem());
}
