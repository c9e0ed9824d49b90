//! The judge: banks' ledgers, cassettes, what terminals heard and the log's bytes held against each other. It knows
//! nothing of the processor's state, and folds the records by rules of its own.

use std::collections::{BTreeMap, BTreeSet};

use credential::Pseudonym;
use processor::{
    BankIdentity, Body, ClaimReason, Class, Code, Day, Evidence, Institution, Kind, NoteReason, Record,
    StandIn, Suspense, TxKey,
};
use simulators::bank::{Identity, Line, SETTLEMENT};
use simulators::terminal::{self, MovementKind, net_out_vnd};

use super::faults::Fault;
use super::people::{Heard, key_of};
use super::plan::{BANKS, START_US, institution, timers};
use super::rows::Row;
use super::world::World;

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule, in a few words that do not change from seed to seed.
    pub rule: &'static str,
    /// Which transaction, which amounts.
    pub what: String,
}

/// Where a transaction stands by its records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Nothing,
    Sent,
    Approved,
    Completed,
    Declined,
    Reversing,
    Reversed,
    Burnt,
    Verified,
}

/// The sum of a transaction's records.
#[derive(Debug)]
struct Told {
    key: TxKey,
    standing: Standing,
    kind: Option<Kind>,
    amount_vnd: i64,
    bank: Option<(Institution, BankIdentity)>,
    day: Option<Day>,
    rrn: Option<[u8; 12]>,
    intent_at_ms: i64,
    reversal: Option<(BankIdentity, i64)>,
    reversal_days: Vec<Day>,
    reversed_at_ms: Option<i64>,
    suspense: Option<Suspense>,
    has_outcome: bool,
    /// DE39 of its DECLINED.
    declined: Option<[u8; 2]>,
    kinds: Vec<&'static str>,
}

impl Told {
    fn new(key: TxKey) -> Told {
        Told {
            key,
            standing: Standing::Nothing,
            kind: None,
            amount_vnd: 0,
            bank: None,
            day: None,
            rrn: None,
            intent_at_ms: 0,
            reversal: None,
            reversal_days: Vec::new(),
            reversed_at_ms: None,
            suspense: None,
            has_outcome: false,
            declined: None,
            kinds: Vec::new(),
        }
    }

    /// Đồng out of the citizen's account for cash, by the log; a deposit's are negative.
    fn net_vnd(&self) -> i64 {
        let moved = match self.standing {
            Standing::Approved | Standing::Completed => self.amount_vnd,
            Standing::Reversing | Standing::Reversed => self.reversal.map_or(0, |(_, left_vnd)| left_vnd),
            _ => 0,
        };
        match self.kind {
            Some(Kind::Withdrawal | Kind::Transfer) => moved,
            Some(Kind::Deposit) => -moved,
            _ => 0,
        }
    }
}

/// What of the log the judge keeps.
pub(super) struct Log {
    told: BTreeMap<TxKey, Told>,
    advices: BTreeSet<TxKey>,
    verifications: BTreeSet<TxKey>,
}

/// What went out in the registry's stead and it has not been asked about since, by citizen.
#[derive(Default)]
struct Owed(BTreeMap<TxKey, Pseudonym>);

impl Owed {
    fn stand_in(
        &mut self,
        key: TxKey,
        citizen: Pseudonym,
        amount_minor: u64,
        rule: Option<StandIn>,
    ) -> Result<(), String> {
        let Some(rule) = rule else {
            // A script may have allowed it.
            self.0.insert(key, citizen);
            return Ok(());
        };
        if amount_minor > rule.amount_minor_max {
            return Err(format!("{amount_minor} above the floor limit"));
        }
        if self.0.values().any(|owing| *owing == citizen) {
            return Err("a citizen of whom the registry is owed a question".to_owned());
        }
        self.0.insert(key, citizen);
        if self.0.len() > rule.owed_max {
            return Err(format!("{} at once", self.0.len()));
        }
        Ok(())
    }

    fn settle(&mut self, key: &TxKey) -> bool {
        self.0.remove(key).is_some()
    }
}

/// How a run ended.
pub(super) fn judge(world: &mut World) -> Vec<Violation> {
    let mut found: Vec<Violation> =
        world.violations.iter().map(|what| Violation { rule: rule_of(what), what: what.clone() }).collect();
    if !found.is_empty() {
        return found;
    }
    let records = match read(world) {
        Ok(records) => records,
        Err(what) => return vec![Violation { rule: "the log reads back", what }],
    };
    let log = fold(world, &records, &mut found);
    count_rows(world, &records);
    judge_books(world, &log, &mut found);
    judge_banks(world, &log, &mut found);
    judge_answers(world, &log, &mut found);
    judge_limits(world, &records, &log, &mut found);
    super::totals::judge(world, &records, &mut found);
    found
}

/// So many transactions with an INTENT of its own day are in the log.
pub(super) fn transactions(world: &World) -> u64 {
    let history = BANKS.len() as u64;
    let intents = read(world)
        .map_or(0, |records| records.iter().filter(|record| matches!(record.body, Body::Intent(_))).count());
    (intents as u64).saturating_sub(history)
}

fn rule_of(what: &str) -> &'static str {
    let rules = [
        ("does not come to rest", "everything comes to rest"),
        ("goes round", "everything comes to rest"),
        ("the switch refuses to start", "a switch starts on what a crash leaves"),
        ("record ", "the log takes every record"),
        ("the log cannot be read", "the log answers look-ups"),
        ("panic", "no invariant breaks"),
        ("a 0200 without the PIN", "a bank that wants PINs gets one"),
    ];
    rules
        .iter()
        .find(|(front, _)| what.starts_with(front))
        .map_or("nothing impossible happens", |(_, rule)| rule)
}

fn read(world: &World) -> Result<Vec<Record>, String> {
    let files = world.disk.files(world.data_keys.clone());
    let scan = files.scan(0).map_err(|error| error.to_string())?;
    scan.map(|read| read.map(|(_, record)| record).map_err(|error| error.to_string())).collect()
}

fn fold(world: &World, records: &[Record], found: &mut Vec<Violation>) -> Log {
    let mut log = Log { told: BTreeMap::new(), advices: BTreeSet::new(), verifications: BTreeSet::new() };
    let mut day = world.plan.config().first_day;
    let mut names: BTreeMap<(Institution, BankIdentity), TxKey> = BTreeMap::new();
    let mut newest: BTreeMap<Institution, i64> = BTreeMap::new();
    let mut references: BTreeMap<[u8; 16], (Pseudonym, TxKey, Vec<TxKey>)> = BTreeMap::new();
    let mut rrns: BTreeMap<[u8; 12], TxKey> = BTreeMap::new();
    let (mut owes, rule) = (Owed::default(), world.plan.stand_in());
    for record in records {
        if let Body::Cutover(next) = &record.body {
            if *next <= day {
                found.push(Violation { rule: "days only go forward", what: format!("{day} then {next}") });
            }
            day = *next;
        }
        let Some(key) = record.transaction else { continue };
        if let Some(advice) = record.advice()
            && !log.advices.insert(advice.key)
        {
            let what = format!("{} of {key}", advice.key);
            found.push(Violation { rule: "an advice is taken once", what });
        }
        if let Some(request) = record.request().filter(|request| !request.rrn_from_terminal)
            && let Some(other) = rrns.insert(request.rrn.0, key)
            && other != key
        {
            let what = format!("{} of {other} and of {key}", request.rrn);
            found.push(Violation { rule: "an RRN is given out once", what });
        }
        let told = log.told.entry(key).or_insert_with(|| Told::new(key));
        let before = told.standing;
        told.kinds.push(record.body.name());
        let mut broken = |rule, what: String| found.push(Violation { rule, what: format!("{key}: {what}") });
        let mut name = |bank: Institution, identity: BankIdentity, is_new: bool| {
            let owner = names.entry((bank, identity)).or_insert(key);
            if *owner != key {
                return Err(format!("{identity:?} at {bank} is also that of {owner}"));
            }
            if is_new {
                let newest = newest.entry(bank).or_insert(identity.sent_at.0);
                if identity.sent_at.0 < *newest {
                    return Err(format!("DE7 towards {bank} falls to {identity:?}"));
                }
                *newest = identity.sent_at.0;
            }
            Ok(())
        };
        match &record.body {
            Body::Intent(intent) => {
                if before != Standing::Nothing {
                    broken("a key is executed once", format!("INTENT after {before:?}"));
                }
                if intent.day != day {
                    broken("the business day is the one open at INTENT", format!("{} not {day}", intent.day));
                }
                if let Err(what) = name(intent.bank, intent.identity, true) {
                    broken("no name towards a bank is given twice, and none falls", what);
                }
                if let Some(reference) = intent.reference {
                    match references.get_mut(&reference.0) {
                        None => broken("a reference was given out", "no VERIFICATION has it".to_owned()),
                        Some((citizen, given, uses)) => {
                            let content = &intent.request.content;
                            if *citizen != content.citizen || given.terminal != key.terminal {
                                broken("a reference serves who got it", format!("it is that of {given}"));
                            }
                            uses.push(key);
                        }
                    }
                }
                if intent.evidence.as_ref().is_some_and(Evidence::is_owed) {
                    let content = &intent.request.content;
                    if let Err(what) = owes.stand_in(key, content.citizen, content.amount_minor, rule) {
                        broken("the switch stands in within its bounds", what);
                    }
                }
                told.kind = Some(intent.request.kind);
                told.amount_vnd = intent.request.content.amount_minor as i64;
                told.bank = Some((intent.bank, intent.identity));
                told.day = Some(intent.day);
                told.rrn = Some(intent.request.rrn.0);
                told.intent_at_ms = record.at_ms;
                told.standing = Standing::Sent;
            }
            Body::Outcome(_) => {
                if before != Standing::Sent {
                    broken("records follow the lifecycle", format!("OUTCOME after {before:?}"));
                }
                told.has_outcome = true;
                told.standing = match told.kind {
                    Some(Kind::Withdrawal | Kind::Deposit) => Standing::Approved,
                    _ => Standing::Completed,
                };
            }
            Body::Declined(declined) => {
                if !matches!(before, Standing::Nothing | Standing::Sent) {
                    broken("records follow the lifecycle", format!("DECLINED after {before:?}"));
                }
                if let Some(request) = &declined.request {
                    told.kind = Some(request.kind);
                }
                told.declined = Some(declined.code.0);
                told.standing = Standing::Declined;
            }
            Body::Reversal(reversal) => {
                let may = matches!(
                    before,
                    Standing::Sent | Standing::Approved | Standing::Declined | Standing::Reversed
                ) || before == Standing::Completed && told.kind == Some(Kind::Transfer);
                if !may {
                    broken("records follow the lifecycle", format!("REVERSAL after {before:?}"));
                }
                let is_new = told.reversal.is_none();
                if told.reversal.is_some_and(|(identity, _)| identity != reversal.identity) {
                    broken("one reversal identity for ever", format!("{:?}", reversal.identity));
                }
                if reversal.day != day {
                    broken("a reversal settles in the open day", format!("{} not {day}", reversal.day));
                }
                if let Some((bank, _)) = told.bank
                    && let Err(what) = name(bank, reversal.identity, is_new)
                {
                    broken("no name towards a bank is given twice, and none falls", what);
                }
                let late_ms = record.at_ms - told.intent_at_ms;
                let by_timer = before == Standing::Approved && reversal.advice.is_none();
                if by_timer
                    && !world.plan.faults.has(Fault::ClockJump)
                    && late_ms > timers().answer_ms_max as i64 + 1_000
                {
                    broken("APPROVED is never reversed by a timer", format!("{late_ms} ms after INTENT"));
                }
                told.reversal = Some((reversal.identity, reversal.left_minor as i64));
                told.reversed_at_ms = told.reversed_at_ms.or(Some(record.at_ms));
                told.reversal_days.push(reversal.day);
                told.standing = Standing::Reversing;
            }
            Body::Reversed(_) => {
                if before != Standing::Reversing {
                    broken("records follow the lifecycle", format!("REVERSED after {before:?}"));
                }
                told.standing = Standing::Reversed;
            }
            Body::Complete(_) => {
                if before != Standing::Approved {
                    broken("records follow the lifecycle", format!("COMPLETE after {before:?}"));
                }
                told.standing = Standing::Completed;
            }
            Body::Tombstone(_) => {
                if before != Standing::Nothing {
                    broken("records follow the lifecycle", format!("TOMBSTONE after {before:?}"));
                }
                told.standing = Standing::Burnt;
            }
            Body::AskedAgain(said) => {
                if !owes.settle(&key) {
                    broken("the registry is asked once about what went out in its stead", String::new());
                }
                if said.refused.is_some() && record.suspense.is_none() {
                    broken("what the registry refuses afterwards waits for a person", String::new());
                }
            }
            Body::Claim(..) if before == Standing::Nothing => told.standing = Standing::Burnt,
            Body::Verification(verification) => {
                if before != Standing::Nothing {
                    broken("a key is executed once", format!("VERIFICATION after {before:?}"));
                }
                told.kind = Some(Kind::Verification);
                log.verifications.insert(key);
                let given = (verification.request.content.citizen, key, Vec::new());
                references.insert(verification.reference.0, given);
                told.standing = Standing::Verified;
            }
            _ => {}
        }
        if told.standing != Standing::Approved && told.suspense == Some(Suspense::Age) {
            told.suspense = None;
        }
        told.suspense = told.suspense.max(record.suspense);
    }
    if let Some(key) = owes.0.keys().next() {
        let what = format!("not about {key}");
        found.push(Violation { rule: "the registry is asked about all that went out in its stead", what });
    }
    for (_, given, uses) in references.values() {
        let standing = |key: &&TxKey| log.told.get(*key).map(|told| told.standing);
        let served = uses.iter().filter(|key| standing(key).is_some_and(|it| it != Standing::Declined));
        let served: Vec<String> = served.map(ToString::to_string).collect();
        if served.len() > 1 {
            let what = format!("that of {given} by {}", served.join(" and "));
            found.push(Violation { rule: "a reference serves once", what });
        }
    }
    log
}

/// The transaction key as machines write it.
fn machine_key(key: &TxKey) -> terminal::TxKey {
    terminal::TxKey {
        mti: 200,
        acquirer: key.acquirer.to_string().into(),
        terminal: String::from_utf8_lossy(&key.terminal.0).into(),
        sent_at_s: key.sent_at.0,
        stan: key.stan,
    }
}

#[derive(Default)]
struct BankSide {
    settled_vnd: i64,
    debited_vnd: i64,
}

type Sides = BTreeMap<(Institution, Identity), BankSide>;

fn sides(world: &World) -> Sides {
    let mut sides = Sides::new();
    for (number, site) in world.banks.iter().enumerate() {
        for line in &site.lines {
            let Line::Entry(entry) = line else { continue };
            let original = entry.original.unwrap_or(entry.identity);
            let side = sides.entry((institution(BANKS[number]), original)).or_default();
            for posting in &entry.postings {
                if &*posting.account == SETTLEMENT {
                    side.settled_vnd += posting.amount_minor;
                } else if posting.account == entry.account {
                    side.debited_vnd -= posting.amount_minor;
                }
            }
        }
    }
    sides
}

/// Bank, log and cash of every transaction are the same, but where a person was told and a machine is the reason.
fn judge_books(world: &World, log: &Log, found: &mut Vec<Violation>) {
    let sides = sides(world);
    let movements: Vec<_> = world.terminals.iter().flat_map(|site| site.movements.iter().cloned()).collect();
    let mut cash = net_out_vnd(&movements);
    let kept = notes_kept(world);
    for told in log.told.values() {
        let key = machine_key(&told.key);
        let cash_vnd = cash.remove(&key).unwrap_or(0);
        let side = told.bank.and_then(|(bank, name)| {
            sides.get(&(bank, Identity { sent_at_s: name.sent_at.0, stan: name.stan }))
        });
        let is_transfer = told.kind == Some(Kind::Transfer);
        let bank_vnd = side.map_or(0, |side| if is_transfer { side.debited_vnd } else { side.settled_vnd });
        let cash_vnd = if is_transfer { bank_vnd } else { cash_vnd };
        let log_vnd = told.net_vnd();
        let line = || {
            format!(
                "{} {:?}: cash {cash_vnd}, bank {bank_vnd}, log {log_vnd}, {:?}, records {:?}",
                told.key, told.standing, told.suspense, told.kinds
            )
        };
        match told.standing {
            Standing::Sent | Standing::Reversing => {
                found.push(Violation { rule: "everything ends", what: line() });
            }
            Standing::Approved => {
                let dead = is_dead(world, &told.key);
                if !dead || told.suspense.is_none() {
                    let rule = "APPROVED stays only where its terminal is gone, and is flagged";
                    found.push(Violation { rule, what: line() });
                }
            }
            _ => {}
        }
        // A machine that keeps notes after a decline and dies for good shows only when its notes are counted.
        let is_deposit = told.kind == Some(Kind::Deposit);
        let is_explained = is_dead(world, &told.key) && (told.suspense.is_some() || is_deposit)
            || kept.contains(&key) && told.suspense.is_some();
        let is_lied_to = is_lied_to(world, told);
        if bank_vnd != cash_vnd && !is_explained && !is_lied_to {
            found.push(Violation { rule: "net debit = cash that moved", what: line() });
        }
        let claims_cash = told.suspense == Some(Suspense::Claim) && bank_vnd == 0 && kept.contains(&key);
        if bank_vnd != log_vnd && !claims_cash && !is_lied_to {
            found.push(Violation { rule: "the log says what the bank says", what: line() });
        }
    }
    for (key, cash_vnd) in cash.into_iter().filter(|(_, cash_vnd)| *cash_vnd != 0) {
        // A machine that died with notes in it, and of which the log has heard nothing, shows only when it is counted.
        let dead = world
            .terminals
            .iter()
            .any(|site| site.machine.is_dead() && *site.config.terminal == *key.terminal);
        if !dead {
            let what = format!("{key}: {cash_vnd}, and the log does not know it");
            found.push(Violation { rule: "net debit = cash that moved", what });
        }
    }
}

/// A crash loses what came so short before it: a sync may take as long.
const LOST_US: u64 = 60_000_000;

/// The bank has refused what it had carried out, and its truth never came, or came to a process that crashed upon it:
/// nothing but reconciliation shows that.
fn is_lied_to(world: &World, told: &Told) -> bool {
    let Some((bank, name)) = told.bank else { return false };
    let number = BANKS.iter().position(|it| institution(it) == bank).unwrap_or(0);
    let name = (number, name.sent_at.to_de7().to_vec(), format!("{:06}", name.stan).into_bytes());
    let is_lost = |at_us: u64| world.crashed_us.iter().any(|it| (at_us..at_us + LOST_US).contains(it));
    match told.standing {
        Standing::Declined => match world.lies.get(&name) {
            None => false,
            Some(None) => true,
            Some(Some(truth_us)) => is_lost(*truth_us),
        },
        // It has carried out what its reversal had ended without it: its approval alone can tell.
        Standing::Reversed if told.suspense.is_some() && !world.plan.tombstones[number] => {
            let is_held = world.plan.faults.has(Fault::BankHeldLong);
            is_held && world.approvals.get(&name).is_none_or(|at_us| is_lost(*at_us))
        }
        _ => false,
    }
}

fn is_dead(world: &World, key: &TxKey) -> bool {
    let name = String::from_utf8_lossy(&key.terminal.0);
    world.terminals.iter().any(|site| site.machine.is_dead() && *site.config.terminal == *name.trim_end())
}

/// The requests for which a machine kept notes that it should have given back.
fn notes_kept(world: &World) -> BTreeSet<terminal::TxKey> {
    let movements = world.terminals.iter().flat_map(|site| &site.movements);
    movements.filter(|it| it.kind == MovementKind::Rejected).filter_map(|it| it.key.clone()).collect()
}

/// What stands in a ledger was asked for by the log, with its day, and one reversal at most was applied.
fn judge_banks(world: &World, log: &Log, found: &mut Vec<Violation>) {
    let mut by_name: BTreeMap<(Institution, Identity), &Told> = BTreeMap::new();
    for told in log.told.values() {
        if let Some((bank, name)) = told.bank {
            by_name.insert((bank, Identity { sent_at_s: name.sent_at.0, stan: name.stan }), told);
        }
    }
    for (number, site) in world.banks.iter().enumerate() {
        let bank = institution(BANKS[number]);
        let mut reversals: BTreeMap<Identity, Identity> = BTreeMap::new();
        for line in &site.lines {
            let Line::Entry(entry) = line else { continue };
            let original = entry.original.unwrap_or(entry.identity);
            let Some(told) = by_name.get(&(bank, original)) else {
                let what = format!("{bank} has {} {}", entry.mti, entry.identity);
                found
                    .push(Violation { rule: "no request reaches a bank before its INTENT is durable", what });
                continue;
            };
            let what = |says: String| format!("{} at {bank}: {says}", told.key);
            if entry.mti == 200
                && told.has_outcome
                && world.echoes.get(&(number, entry.identity)) == Some(&false)
            {
                let what = what("no answer of the bank echoed the request".to_owned());
                found.push(Violation { rule: "an answer with another echo approves nothing", what });
            }
            if told.rrn.is_some_and(|rrn| rrn != *entry.rrn.as_bytes()) {
                let what = what(format!("RRN {} there", entry.rrn));
                found.push(Violation { rule: "the bank has the log's RRN", what });
            }
            if entry.amount_minor != told.amount_vnd {
                let what = what(format!("{} there, {} in the log", entry.amount_minor, told.amount_vnd));
                found.push(Violation { rule: "the bank has the log's amount", what });
            }
            let days = if entry.mti == 200 { told.day.as_slice() } else { &told.reversal_days };
            if !days.iter().any(|day| day.to_de15() == *entry.day.as_bytes()) {
                let what = what(format!("{} has day {}", entry.mti, entry.day));
                found.push(Violation { rule: "the bank has the log's business day", what });
            }
            if entry.mti == 420 {
                let first = *reversals.entry(original).or_insert(entry.identity);
                let known =
                    told.reversal.map(|(name, _)| Identity { sent_at_s: name.sent_at.0, stan: name.stan });
                if first != entry.identity || known != Some(entry.identity) {
                    let what = what(format!("{first} and {}, the log has {known:?}", entry.identity));
                    found.push(Violation { rule: "one reversal identity for ever", what });
                }
                let left_vnd = told.reversal.map(|(_, left_vnd)| left_vnd);
                if entry.left_minor.unwrap_or(0) != left_vnd.unwrap_or(0) {
                    let what = what(format!("DE95 {:?} there, {left_vnd:?} in the log", entry.left_minor));
                    found.push(Violation { rule: "the bank has the log's DE95", what });
                }
            }
        }
    }
}

/// What terminals heard is backed by the log, and is the same however often it is asked.
fn judge_answers(world: &World, log: &Log, found: &mut Vec<Violation>) {
    let mut refused: BTreeMap<terminal::TxKey, (u64, u64, [u8; 2])> = BTreeMap::new();
    let own: BTreeMap<terminal::TxKey, &Told> =
        log.told.iter().map(|(key, told)| (machine_key(key), told)).collect();
    let advices: BTreeSet<terminal::TxKey> = log.advices.iter().map(advice_key).collect();
    for heard in world.overheard.iter().chain(&world.heard) {
        let told = key_of(heard, world.plan.start_ms).and_then(|key| own.get(&key).copied());
        let sent_ms = world.plan.start_ms + (heard.sent_us - START_US) as i64 / 1000;
        let after_ms = told.and_then(|told| told.reversed_at_ms).map(|at_ms| sent_ms - at_ms);
        // The append stands in the record in milliseconds of the switch's clock.
        if (heard.mti, &heard.code) == (210, b"00")
            && !world.plan.faults.has(Fault::ClockJump)
            && after_ms.is_some_and(|after_ms| after_ms > 2)
        {
            let what = format!(
                "{}: {after_ms:?} ms after its REVERSAL",
                told.map_or_else(String::new, |it| it.key.to_string())
            );
            found.push(Violation { rule: "from REVERSAL on no approval leaves", what });
        }
    }
    for heard in world.overheard.iter().chain(&world.heard).filter(|heard| heard.mti == 210) {
        // These are also said where nothing is recorded, or of what is recorded otherwise.
        if matches!(&heard.code, b"00" | b"30" | b"63" | b"91" | b"94" | b"96") {
            continue;
        }
        let Some(key) = key_of(heard, world.plan.start_ms) else { continue };
        let told = own.get(&key);
        if told.is_none_or(|told| told.declined != Some(heard.code)) {
            let code = String::from_utf8_lossy(&heard.code);
            let what = format!("{key}: {code}, records {:?}", told.map(|told| &told.kinds));
            found.push(Violation { rule: "a refusal that a terminal heard is in the log", what });
        }
    }
    let mut approved: BTreeMap<terminal::TxKey, (u64, u64)> = BTreeMap::new();
    let mut heard: Vec<_> = world.heard.iter().chain(&world.overheard).collect();
    heard.sort_by_key(|heard| heard.sent_us);
    for heard in heard {
        let near_ms = world.plan.start_ms;
        let Some(key) = key_of(heard, near_ms) else { continue };
        let told = own.get(&key);
        match (heard.mti, &heard.code) {
            (210, b"00") => {
                approved.insert(key.clone(), (heard.sent_us, heard.start));
                if !told.is_some_and(|told| told.has_outcome) {
                    let what = format!("{key}: records {:?}", told.map(|told| &told.kinds));
                    found.push(Violation { rule: "an approval that a terminal heard is in the log", what });
                }
                // A 91 or 96 may have been said before anything was recorded, and a start knows nothing of it.
                if let Some((sent_us, start, code)) = refused.get(&key)
                    && (*start == heard.start || !matches!(code, b"91" | b"96"))
                {
                    let code = String::from_utf8_lossy(code);
                    let what = format!("{key}: {code} at {sent_us}, 00 at {}", heard.sent_us);
                    found.push(Violation { rule: "the same key gets the same answer", what });
                }
            }
            // Not recorded, and what comes after it may be the truth: a wrong MAC, a format, other content.
            (210, b"63" | b"30" | b"94") => {}
            (210, code) => {
                let stands =
                    told.is_some_and(|it| matches!(it.standing, Standing::Approved | Standing::Completed));
                // Where there is no room the log is not asked: whoever comes when no terminal waits any more is told 91.
                let wait_us = timers().terminal_wait_ms * 1_000;
                let is_late = |(sent_us, start): &(u64, u64)| {
                    *start != heard.start || heard.sent_us > sent_us + wait_us
                };
                let is_answered = approved.get(&key).is_some_and(|first| code != b"91" || !is_late(first));
                if is_answered && stands {
                    let what =
                        format!("{key}: {} after its 00, without a REVERSAL", String::from_utf8_lossy(code));
                    found.push(Violation { rule: "the same key gets the same answer", what });
                }
                refused.insert(key, (heard.sent_us, heard.start, *code));
            }
            (230 | 430, b"91") => {
                let what = key.to_string();
                found.push(Violation { rule: "0220 and 0420 are never shed", what });
            }
            (230 | 430, b"00") => {
                let known = advices.contains(&key) || is_of_declined(world, heard, &own);
                if !known {
                    let what = key.to_string();
                    found.push(Violation { rule: "an advice that was answered is in the log", what });
                }
            }
            (110, b"00") => {
                let own = log.verifications.iter().any(|it| {
                    (it.stan, it.sent_at.0) == (key.stan, key.sent_at_s)
                        && *key.terminal == *String::from_utf8_lossy(&it.terminal.0)
                });
                if !own {
                    let what = key.to_string();
                    found.push(Violation { rule: "a reference that was given out is in the log", what });
                }
            }
            _ => {}
        }
    }
}

/// An advice that came while nothing had left for the bank is recorded as its original's DECLINED.
fn is_of_declined(world: &World, heard: &Heard, own: &BTreeMap<terminal::TxKey, &Told>) -> bool {
    let name = (heard.terminal, (heard.stan, heard.de7.to_vec()));
    let Some((stan, de7)) = world.originals.get(&name) else { return false };
    own.iter().any(|(key, told)| {
        (key.stan, key.de7().as_bytes()) == (*stan, de7)
            && *key.terminal == *super::plan::terminal_name(heard.terminal)
            && told.standing == Standing::Declined
    })
}

fn advice_key(key: &TxKey) -> terminal::TxKey {
    let mti = if key.class == Class::Completion { 220 } else { 420 };
    terminal::TxKey { mti, ..machine_key(key) }
}

/// Nobody has used more than the limits, and what the log counts is what moved.
fn judge_limits(world: &World, records: &[Record], log: &Log, found: &mut Vec<Violation>) {
    let limits = world.plan.config().limits;
    let mut used: BTreeMap<_, (i64, i64)> = BTreeMap::new();
    for record in records {
        let Some(spend) = record.spend else { continue };
        let sum = used.entry((spend.citizen, spend.day)).or_default();
        sum.0 += spend.amount_minor;
        sum.1 += i64::from(spend.count);
        if spend.count > 0
            && (sum.0 > limits.citizen_day_minor_max as i64
                || sum.1 > i64::from(limits.citizen_day_count_max))
        {
            let what = format!("{:?}: {} in {} uses", record.transaction, sum.0, sum.1);
            found.push(Violation { rule: "nobody uses more than the limits", what });
        }
    }
    let mut moved: BTreeMap<_, (i64, i64)> = BTreeMap::new();
    for record in records {
        let Body::Intent(intent) = &record.body else { continue };
        let Some(told) = record.transaction.and_then(|key| log.told.get(&key)) else { continue };
        let counts = matches!(told.kind, Some(Kind::Withdrawal | Kind::Transfer));
        if counts && told.net_vnd() != 0 {
            let sum = moved.entry((intent.request.content.citizen, intent.day)).or_default();
            sum.0 += told.net_vnd();
            sum.1 += 1;
        }
    }
    used.retain(|_, sum| *sum != (0, 0));
    if used != moved {
        let differs = used.iter().find(|(name, sum)| moved.get(name) != Some(sum));
        let what = format!("the log counts {differs:?}, {:?} moved", differs.and_then(|it| moved.get(it.0)));
        found.push(Violation { rule: "the limits count what moved", what });
    }
}

/// What the records tell of the scenarios that were come to.
fn count_rows(world: &mut World, records: &[Record]) {
    let mut kinds: BTreeMap<TxKey, Vec<&'static str>> = BTreeMap::new();
    let mut stans: BTreeMap<Institution, u32> = BTreeMap::new();
    let mut days = BTreeSet::new();
    for record in records {
        days.insert(Day::of_unix_ms(record.at_ms));
        let Some(key) = record.transaction else { continue };
        let before = kinds.entry(key).or_default();
        match &record.body {
            Body::Declined(declined)
                if declined.code == Code::UNAVAILABLE
                    && declined.bank_code.is_none()
                    && before.contains(&"INTENT") =>
            {
                world.rows.hit(Row::BankLinkDownBeforeSend);
            }
            Body::Declined(declined) if declined.evidence.is_some() => {
                world.rows.hit(Row::RegistryRefuses);
            }
            Body::AskedAgain(_) => world.rows.hit(Row::RegistryStandsIn),
            Body::Declined(declined)
                if matches!(declined.code, Code::RESTRICTED | Code::NOT_PERMITTED)
                    && world.counts.of(Fault::Block) > 0 =>
            {
                world.rows.hit(Row::Blocked);
            }
            Body::Reversal(reversal) => {
                let by_advice = reversal.advice.is_some();
                if by_advice && !before.contains(&"OUTCOME") {
                    world.rows.hit(Row::ReversalBeforeAnswer);
                } else if by_advice && reversal.left_minor > 0 {
                    world.rows.hit(Row::PartDispensed);
                } else if by_advice {
                    world.rows.hit(Row::NoCash);
                }
            }
            Body::Note(NoteReason::AdviceAgain, _) if before.last() == Some(&"DECLINED") => {
                world.rows.hit(Row::ReversalOfDeclined);
            }
            Body::Note(NoteReason::PastItsAge, _) => world.rows.hit(Row::TerminalGone),
            Body::Tombstone(_) => world.rows.hit(Row::ReversalOfUnknown),
            Body::Claim(ClaimReason::ReversalAfterCompletion, _) => world.rows.hit(Row::ReversalOfDeclined),
            Body::Intent(intent) => {
                let before = stans.insert(intent.bank, intent.identity.stan).unwrap_or(0);
                if before > intent.identity.stan + 900_000 {
                    world.rows.hit(Row::StanWraps);
                }
            }
            _ => {}
        }
        if let Some(kinds) = kinds.get_mut(&key) {
            kinds.push(record.body.name());
        }
    }
    if world.plan.faults.has(Fault::Midnight) && days.len() > 1 {
        world.rows.hit(Row::Midnight);
    }
    for (fault, row) in [
        (Fault::BankDown, Row::BankDown),
        (Fault::Drain, Row::Drained),
        (Fault::NetReset, Row::LinkLostAfterSend),
    ] {
        if world.counts.of(fault) > 0 {
            world.rows.hit(row);
        }
    }
    // These hang on the hour, the counter and the load, not on a draw.
    for (fault, row) in [
        (Fault::Midnight, Row::Midnight),
        (Fault::StanWrap, Row::StanWraps),
        (Fault::Overload, Row::Overload),
    ] {
        (0..world.rows.of(row)).for_each(|_| world.counts.add(fault));
    }
}
