//! From a good configuration to a running switch and back: recover first, then accept; drain, then stop.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use casework::ActFile;
use enrolment::Enrolment;
use hsm::{Hsm, Owner};
use journal::{Options, Recovered, SegmentLog};
use keys::LinkMac;
use processor::{Command, Institution, Now, Processor, TerminalId};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};

use crate::admin::{self, Health};
use crate::audit_file::AuditFile;
use crate::bus::{Bus, Inbound, bus};
use crate::clock::Clock;
use crate::config::{self, PinFormats, Settings, TerminalLinkSettings};
use crate::console_switch::ConsoleSwitch;
use crate::current::Current;
use crate::cutover::{self, Acknowledgements, Overdue};
use crate::day_clock::KeptFile;
use crate::event_loop::{EventLoop, LogNews, ROOM_RECORDS_MIN};
use crate::finder::Finders;
use crate::heads::{self, HeadsKeeper, HeadsSettings, check_second_place};
use crate::key_keeper::{Keeping, KeyKeeper};
use crate::key_rotation;
use crate::key_versions::KeyVersions;
use crate::links::bank::BankLink;
use crate::links::door::{BankDoor, Handshakes, TerminalDoor};
use crate::links::macs::ExchangedMacs;
use crate::links::outbox::BankMac;
use crate::links::terminal::{self, Shared, TerminalKeyMap, TerminalKeyStore};
use crate::links::threads::LinkThreads;
use crate::list_memory::ListMemory;
use crate::operator;
use crate::pins::{PinBounds, Pins};
use crate::process_files;
use crate::process_memory;
use crate::restart;
use crate::rows_process::RowsProcess;
use crate::security_module;
use crate::tls::{self, Watched};
use crate::totals_count::TotalsCounter;
use crate::trust::{StartTrust, TrustKeeper};
use crate::verifier::Verifier;

/// Threads for terminals' and banks' sockets: one for two cores, for the event loop and the log have their own.
const LINK_THREADS_MAX: usize = 4;

/// Threads for the registry, operators and metrics; as many for chips' signatures, and as many for what waits for a disk or for names.
const OTHER_THREADS_MAX: usize = 4;

/// Messages of the switch's own on a bank's link beside requests and reversals: sign-on, echo, cutover, totals.
const NETWORK_MESSAGES_MAX: usize = 16;

/// What connections may still write when the event loop has ended.
const LAST_WRITES_MAX: Duration = Duration::from_secs(1);

/// Runs the switch until SIGTERM or SIGINT, then drains it. It begins with `trust`. `addresses` is a file that gets the
/// real addresses, as JSON, once terminals are accepted.
///
/// # Errors
/// Why it could not start, or did not end well.
pub fn run(settings: Settings, trust: StartTrust, addresses: Option<&Path>) -> Result<(), String> {
    let threads = cores().min(OTHER_THREADS_MAX);
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).max_blocking_threads(threads).thread_name("others").enable_all();
    let runtime = builder.build();
    let runtime = runtime.map_err(|error| format!("threads: {error}"))?;
    let result = runtime.block_on(serve(settings, trust, addresses));
    runtime.shutdown_timeout(LAST_WRITES_MAX);
    result
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

async fn serve(settings: Settings, trust: StartTrust, addresses: Option<&Path>) -> Result<(), String> {
    // From here on: without it a hangup ends the process, and one that comes during the start is for its end.
    let hangups = listen(SignalKind::hangup())?;
    let clock = Clock::start();
    let metrics = admin::collect_metrics()?;
    process_memory::lock();
    let bank_links = settings.issuers.values().map(|link| link.addresses.len()).sum();
    let connections_max =
        process_files::room_for_connections(settings.terminals.connections_max, bank_links)?;
    let health = Arc::new(Health::new(clock));
    let (bus, bus_end) = bus();
    let stop = Arc::new(Notify::new());

    let log_news = Arc::new(LogNews::default());
    let news = Arc::clone(&log_news);
    let mut options = Options::new(settings.switch.log_dir.clone(), settings.keys.data.clone());
    options.segment_bytes = settings.switch.segment_bytes;
    let opened = SegmentLog::open(options, Box::new(move |event| news.told(event)));
    let (log, recovered) = opened.map_err(|error| format!("log: {error}"))?;
    tell_recovered(&recovered, &settings);
    mend_audit(&AuditFile::of(&settings));
    refuse_without_reserve(&log, &log_news)?;
    let now = clock.now();
    refuse_old_clock(&recovered, now, settings.switch.clock_behind_ms_max)?;
    let node = &settings.switch.id;
    let keep_heads = |heads: &HeadsSettings| {
        let found = check_second_place(heads, &settings.switch.log_dir, node, &log.reader())?;
        HeadsKeeper::start(heads, node, found, log.reader(), clock)
    };
    if settings.heads.is_none() {
        heads::tell_left_out(&settings.switch.log_dir);
    }
    let heads_keeper = settings.heads.as_ref().map(keep_heads).transpose()?;

    let enrolment = Enrolment::open(&settings.switch.enrolment_dir);
    let enrolment = Arc::new(enrolment.map_err(|error| format!("enrolment: {error}"))?);
    let finders = Finders::start(log.reader(), enrolment, &bus.others);
    let finders = finders.map_err(|error| format!("threads: {error}"))?;
    let keys = Arc::new(TerminalKeyStore::default());
    keys.replace(terminal_keys(&settings));
    let list_memory = ListMemory::open(&settings.switch.log_dir)?;
    trust.tell();
    let trust = list_memory.check(trust.trust);
    let chip_threads = cores().min(OTHER_THREADS_MAX);
    let verifier = Verifier::start(&settings, trust, chip_threads, &keys, clock, &bus.others)?;
    let hsm_max = Duration::from_millis(settings.processor.timers.hsm_ms_max);
    let hsm = settings.hsm.as_ref().map(|hsm| security_module::open(hsm, hsm_max)).transpose()?;
    let key_versions = Arc::new(KeyVersions::default());
    if let Some(hsm) = &hsm {
        security_module::check(&**hsm, &settings.pin_formats);
        tokio::spawn(Arc::clone(&key_versions).keep(Arc::clone(hsm)));
    }
    let formats = Arc::new(Current::new(settings.pin_formats.clone()));
    let pins = pins(&settings, hsm.as_ref(), &formats, clock, &bus)?;
    let macs = Arc::new(ExchangedMacs::new(hsm.clone(), Arc::clone(&keys), bank_macs(&settings)));
    let keeper = key_keeper(&settings, hsm.as_ref(), &formats, &macs, clock, &bus)?;
    let (desk, first_day) = (settings.reconciliation.as_ref(), settings.processor.first_day);
    let totals = TotalsCounter::start(log.reader(), desk, &settings.keys.data, first_day, &bus.others);
    let totals = totals.map_err(|error| format!("threads: {error}"))?;
    let trust = TrustKeeper::new(settings.credential.files.clone(), list_memory, verifier.proofs(), clock);
    let Recovered { standing, open, next, .. } = recovered;
    let processor = Processor::new(settings.processor.clone(), entropy()?, now, standing, open, next);

    let terminals = terminal::bind(settings.terminals.listen)?;
    let admin = terminal::bind(settings.admin_listen)?;
    let operators = operator::bind(&settings.operator_socket)?;
    let console = settings.console.as_ref().map(|console| bind_console(console.listen)).transpose()?;
    let console_at = console.as_ref().and_then(|listener| listener.local_addr().ok());
    let bound = Bound { terminals: local(&terminals)?, admin: local(&admin)?, console: console_at };

    let acknowledgements = match &settings.reconciliation {
        Some(reconciliation) => {
            let (acknowledgements, noted) = Acknowledgements::new();
            let acts = ActFile::new(&reconciliation.dir, settings.keys.data.clone());
            tokio::spawn(cutover::record(acts, noted));
            acknowledgements
        }
        None => Acknowledgements::default(),
    };
    let overdue = Arc::new(Overdue::default());
    let event_loop = EventLoop {
        processor,
        overdue: Arc::clone(&overdue),
        log,
        synced: next,
        log_news,
        bus: bus_end,
        clock,
        finders,
        verifier,
        pins,
        keeper,
        totals,
        macs: Arc::clone(&macs),
        key_versions: Arc::clone(&key_versions),
        acknowledgements,
        health: Arc::clone(&health),
        stop: Arc::clone(&stop),
    };
    let reader = event_loop.log.reader();
    let ended = start_event_loop(event_loop)?;
    if let (Some(settings_of_console), Some(listener)) = (&settings.console, console) {
        let data = settings.keys.data.clone();
        let switch =
            ConsoleSwitch { data: data.clone(), loop_queue: bus.others.clone(), metrics: metrics.clone() };
        let desk = settings.reconciliation.as_ref().map(|of| console::DeskSettings {
            dir: of.dir.clone(),
            calendar: of.calendar.clone(),
            rules: of.rules,
            fees: of.fees.clone(),
            due: of.due.clone(),
            rows: Arc::new(RowsProcess::default()),
        });
        let settings_of_console = console::Settings { desk, ..settings_of_console.clone() };
        console::start(settings_of_console, data, reader, Arc::new(switch), listener)
            .map_err(|error| format!("threads: {error}"))?;
    }
    tokio::spawn(admin::serve(admin, metrics, Arc::clone(&health)));
    if let Some(reconciliation) = &settings.reconciliation {
        let kept = KeptFile::of_this_machine(&settings.switch.log_dir);
        tokio::spawn(cutover::keep(reconciliation.calendar.clone(), bus.others.clone(), overdue, kept));
    }
    tokio::spawn(operator::serve(operators, settings.keys.data.clone(), bus.others.clone()));
    let links = LinkThreads::start((cores() / 2).clamp(1, LINK_THREADS_MAX), LAST_WRITES_MAX);
    let links = links.map_err(|error| format!("threads: {error}"))?;
    let doors = Doors::new(&settings);
    connect_banks(&settings, &links, &doors, &macs, &bus);
    let shared = Shared {
        settings: TerminalLinkSettings { connections_max, ..settings.terminals.clone() },
        keys: Arc::clone(&keys),
        macs: Arc::clone(&macs),
        door: Arc::clone(&doors.terminals),
        handshakes: Handshakes::new(&settings.terminals),
        data: settings.keys.data.clone(),
        iin: settings.processor.iin,
        bus: bus.clone(),
        clock,
    };
    tokio::spawn(terminal::listen(terminals, links.all().to_vec(), Arc::new(shared)));
    let look_again = Arc::new(Notify::new());
    tokio::spawn(trust.run(Arc::clone(&look_again)));
    tokio::spawn(tls::watch(Arc::clone(&doors.certificates)));
    tokio::spawn(Arc::clone(&macs).keep());
    if let (Some(hsm), Some(own)) = (&hsm, settings.hsm.as_ref().filter(|own| own.rotate_days > 0)) {
        tokio::spawn(key_rotation::keep(Arc::clone(hsm), own.rotate_days, bus.others.clone()));
    }
    let started_with = restart::parts(&settings);
    let reloaded = Reloaded { started_with, keys, doors, hsm, formats, macs, key_versions, look_again };
    tokio::spawn(reload_on_hangup(hangups, settings.file.clone(), reloaded, bus.clone()));
    // Whoever reads the addresses may end it at once.
    let told_to_end = EndSignals::listen()?;
    health.set_ready(true);
    bound.tell(addresses, &settings)?;

    let result = wait_for_the_end(ended, told_to_end, &bus, &stop, &settings).await;
    links.end();
    if let Some(keeper) = heads_keeper {
        keeper.end();
    }
    result
}

/// A torn end may have been left by a full disk, which may be full still: money goes on, and acts of people are refused until it
/// can be mended, by the next of them.
fn mend_audit(audit: &AuditFile) {
    if let Err(error) = audit.mend() {
        tracing::error!(%error, "the audit file's end cannot be mended; acts that it has to record are refused until it can");
    }
}

fn tell_recovered(recovered: &Recovered, settings: &Settings) {
    if let Some(cut) = &recovered.cut {
        tracing::warn!(%cut, "the log's end");
    }
    let day = recovered.standing.day.map(|day| day.to_string());
    tracing::info!(records = recovered.next, open = recovered.open.len(), day, "log recovered");
    let mut unreachable = BTreeMap::new();
    for bank in recovered.open.iter().filter_map(processor::Transaction::bank) {
        if !settings.issuers.contains_key(&bank) {
            *unreachable.entry(bank).or_insert(0_usize) += 1;
        }
    }
    for (bank, open) in unreachable {
        tracing::error!(%bank, open, "transactions are open at a bank that is not configured: they wait");
    }
}

/// Identities and days come from the wall clock: one that stands far behind the log would give them twice.
fn refuse_old_clock(recovered: &Recovered, now: Now, behind_ms_max: u64) -> Result<(), String> {
    let behind_ms = recovered.standing.last_at_ms - now.wall_ms;
    if behind_ms > behind_ms_max as i64 {
        return Err(format!("the clock stands {behind_ms} ms behind the log's last record; set it right"));
    }
    Ok(())
}

/// A start appends what the last end has left open. One that could not do so is refused before it appends anything: however
/// often it is tried, the log stays as it is.
fn refuse_without_reserve(log: &SegmentLog, news: &LogNews) -> Result<(), String> {
    if news.is_disk_full() && log.allocated_records() < ROOM_RECORDS_MIN {
        return Err("the disk is full and the log's reserve is used up; give it room".to_owned());
    }
    Ok(())
}

fn entropy() -> Result<[u8; 32], String> {
    let mut entropy = [0; 32];
    aws_lc_rs::rand::fill(&mut entropy).map_err(|_| "the system gives no randomness".to_owned())?;
    Ok(entropy)
}

/// The console's listener, for the runtime of its own thread.
fn bind_console(listen: SocketAddr) -> Result<std::net::TcpListener, String> {
    let listener = std::net::TcpListener::bind(listen);
    listener.map_err(|error| format!("console.listen: {listen}: {error}"))
}

fn local(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| error.to_string())
}

/// The event loop on a thread of its own; the channel tells when it has ended.
fn start_event_loop(event_loop: EventLoop) -> Result<oneshot::Receiver<()>, String> {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| format!("threads: {error}"))?;
    let (ending, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name("event-loop".to_owned()).spawn(move || {
        runtime.block_on(event_loop.run());
        // Nobody listens any more when the process is on its way out for another reason.
        let _ = ending.send(());
    });
    thread.map(|_| ended).map_err(|error| format!("threads: {error}"))
}

/// The key file's MAC keys of the banks whose messages carry MACs.
fn bank_macs(settings: &Settings) -> HashMap<Owner, LinkMac> {
    let with_macs = settings.issuers.iter().filter(|(_, link)| link.mac);
    let mac = |bank: &Institution| {
        let id = bank.to_string();
        Some((Owner::bank(id.as_bytes())?, settings.keys.banks.get(&id)?.clone()))
    };
    with_macs.filter_map(|(bank, _)| mac(bank)).collect()
}

fn connect_banks(
    settings: &Settings,
    links: &LinkThreads,
    doors: &Doors,
    macs: &Arc<ExchangedMacs>,
    bus: &Bus,
) {
    let mut threads = links.all().iter().cycle();
    for (bank, link) in &settings.issuers {
        let (Some(config), Some(door)) = (settings.processor.issuers.get(bank), doors.banks.get(bank)) else {
            continue;
        };
        let outbox_max = config.in_flight_max + config.reversals_in_flight_max + NETWORK_MESSAGES_MAX;
        let id = bank.to_string();
        let mac = settings.keys.banks.get(&id).zip(Owner::bank(id.as_bytes()));
        let mac = mac.map(|(file, owner)| BankMac { file: file.clone(), owner, exchanged: Arc::clone(macs) });
        for link in BankLink::all(*bank, link, door, mac.as_ref(), outbox_max) {
            if let Some(thread) = threads.next() {
                thread.spawn(link.keep(thread.clone(), bus.clone()));
            }
        }
    }
}

/// What a reload replaces at the links: who may come in and whom to go to, with their certificates.
struct Doors {
    terminals: Arc<Current<TerminalDoor>>,
    banks: BTreeMap<Institution, Arc<Current<BankDoor>>>,
    certificates: Arc<Current<Vec<Watched>>>,
}

impl Doors {
    fn new(settings: &Settings) -> Doors {
        let banks = settings.issuers.iter();
        Doors {
            terminals: Arc::new(Current::new(TerminalDoor::new(&settings.terminals))),
            banks: banks.map(|(bank, link)| (*bank, Arc::new(Current::new(BankDoor::new(link))))).collect(),
            certificates: Arc::new(Current::new(settings.certificates())),
        }
    }

    /// New connections go through the new doors. Where TLS comes or goes the address is another, so it needs a restart: no
    /// reload opens in clear what was closed.
    fn replace(&self, settings: &Settings) {
        let terminals = TerminalDoor::new(&settings.terminals);
        if terminals.has_tls() == self.terminals.get().has_tls() {
            self.terminals.replace(terminals);
        } else {
            tracing::error!("[terminals.tls] came or went: the old door is kept until a restart");
        }
        for (bank, link) in &settings.issuers {
            let (Some(current), door) = (self.banks.get(bank), BankDoor::new(link)) else { continue };
            if door.has_tls() == current.get().has_tls() {
                current.replace(door);
            } else {
                tracing::error!(%bank, "[issuer.tls] came or went: the old door is kept until a restart");
            }
        }
        let certificates = settings.certificates();
        tls::tell(&certificates);
        self.certificates.replace(certificates);
    }
}

fn terminal_keys(settings: &Settings) -> TerminalKeyMap {
    let keys = settings.keys.terminals.iter();
    keys.filter_map(|(id, keys)| Some((TerminalId::parse(id.as_bytes())?, keys.clone()))).collect()
}

/// The way to the security module, where there is one.
fn pins(
    settings: &Settings,
    hsm: Option<&Arc<dyn Hsm>>,
    formats: &Arc<Current<PinFormats>>,
    clock: Clock,
    bus: &Bus,
) -> Result<Pins, String> {
    let (Some(hsm), Some(own)) = (hsm, &settings.hsm) else { return Ok(Pins::none()) };
    let bounds = PinBounds {
        threads: own.threads,
        waiting_max: own.waiting_max,
        wait_max: Duration::from_millis(settings.processor.timers.hsm_ms_max),
    };
    Pins::start(hsm, formats, bounds, clock, &bus.others)
}

/// The way of keys to it.
fn key_keeper(
    settings: &Settings,
    hsm: Option<&Arc<dyn Hsm>>,
    formats: &Arc<Current<PinFormats>>,
    macs: &Arc<ExchangedMacs>,
    clock: Clock,
    bus: &Bus,
) -> Result<KeyKeeper, String> {
    let Some(hsm) = hsm else { return Ok(KeyKeeper::none()) };
    let keeping = Keeping {
        hsm: Arc::clone(hsm),
        formats: Arc::clone(formats),
        macs: Arc::clone(macs),
        clock,
        audit: AuditFile::of(settings),
        wait_max: Duration::from_millis(settings.processor.timers.hsm_ms_max),
    };
    KeyKeeper::start(keeping, &bus.others)
}

/// What a reload replaces, and what it cannot.
struct Reloaded {
    started_with: restart::Parts,
    keys: Arc<TerminalKeyStore>,
    doors: Doors,
    hsm: Option<Arc<dyn Hsm>>,
    formats: Arc<Current<PinFormats>>,
    macs: Arc<ExchangedMacs>,
    key_versions: Arc<KeyVersions>,
    look_again: Arc<Notify>,
}

impl Reloaded {
    fn replace(&self, settings: &Settings) {
        self.keys.replace(terminal_keys(settings));
        self.look_again.notify_one();
        self.doors.replace(settings);
        for part in restart::changed(&self.started_with, &restart::parts(settings)) {
            tracing::error!(
                part,
                "is another now: that needs a restart, and until then what was read at the start is in use"
            );
        }
        if let Some(hsm) = &self.hsm {
            if let Err(error) = hsm.reload() {
                tracing::error!(%error, "the security module's keys");
            }
            security_module::check(&**hsm, &settings.pin_formats);
            self.key_versions.look(&**hsm);
        }
        self.formats.replace(settings.pin_formats.clone());
        self.macs.refresh_all();
    }
}

/// SIGHUP reads the configuration again: terminals and their keys, certificates and allowed networks, banks' limits and
/// codes, timers and limits are those of the new one at once; country signers and revocation lists are looked at again
/// ([`TrustKeeper`], which keeps those in use where a file is bad), and the security module's keys. What is for a restart
/// ([`restart::parts`]) is named where it has changed. A file with a mistake changes nothing.
async fn reload_on_hangup(mut hangups: Signal, file: PathBuf, reloaded: Reloaded, bus: Bus) {
    while hangups.recv().await.is_some() {
        match config::load(&file) {
            Ok(settings) => {
                reloaded.replace(&settings);
                let told = bus.others.send(Inbound::Reconfigure(Box::new(settings.processor))).await;
                if told.is_err() {
                    return;
                }
                tracing::info!("configuration read again");
            }
            Err(mistakes) => {
                mistakes.iter().for_each(|mistake| tracing::error!(%mistake, "configuration kept"))
            }
        }
    }
}

/// The real addresses.
struct Bound {
    terminals: SocketAddr,
    admin: SocketAddr,
    console: Option<SocketAddr>,
}

impl Bound {
    /// The file appears whole or not at all.
    fn tell(&self, file: Option<&Path>, settings: &Settings) -> Result<(), String> {
        tracing::info!(terminals = %self.terminals, admin = %self.admin, "accepting");
        if let Some(console) = self.console {
            tracing::info!(%console, "the clerks' console");
        }
        let Some(file) = file else { return Ok(()) };
        let mut addresses = json!({
            "terminals": self.terminals.to_string(),
            "admin": self.admin.to_string(),
            "operator": settings.operator_socket,
        });
        if let Some(console) = self.console {
            addresses["console"] = json!(console.to_string());
        }
        let unfinished = file.with_extension("part");
        let written = std::fs::write(&unfinished, format!("{addresses}\n"));
        written
            .and_then(|()| std::fs::rename(&unfinished, file))
            .map_err(|error| format!("{}: {error}", file.display()))
    }
}

/// SIGTERM and SIGINT, from when this is there: before it either one ends the process as the system does.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn listen() -> Result<EndSignals, String> {
        Ok(EndSignals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("signals: {error}"))
}

/// SIGTERM and SIGINT drain: no new request is taken, what is in flight ends, the log is closed. A second signal stops
/// without waiting: that is what the log is for.
async fn wait_for_the_end(
    mut ended: oneshot::Receiver<()>,
    EndSignals { mut terminate, mut interrupt }: EndSignals,
    bus: &Bus,
    stop: &Notify,
    settings: &Settings,
) -> Result<(), String> {
    tokio::select! {
        _ = &mut ended => return Err("the event loop has ended by itself".to_owned()),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("draining");
    let (answer, drained) = oneshot::channel();
    if bus.others.send(Inbound::Operator(Command::Drain, answer)).await.is_ok() {
        let wait = Duration::from_millis(settings.switch.drain_ms_max);
        tokio::select! {
            drained = tokio::time::timeout(wait, drained) => match drained {
                Ok(_) => tracing::info!("nothing is in flight"),
                Err(_) => tracing::warn!("still in flight after drain_ms_max: the next start takes it up"),
            },
            _ = terminate.recv() => tracing::warn!("told again: not waiting"),
            _ = interrupt.recv() => tracing::warn!("told again: not waiting"),
        }
    }
    stop.notify_one();
    ended.await.map_err(|_| "the event loop has failed".to_owned())?;
    // A socket file without a process behind it only confuses.
    let _ = std::fs::remove_file(&settings.operator_socket);
    tracing::info!("stopped");
    Ok(())
}
