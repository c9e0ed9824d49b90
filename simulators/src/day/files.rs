//! What banks and machines hand in, and the truth beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use reconciliation::Kind;

use super::plan::{
    BANKS, Names, Plan, Retry, SUMMING_BANK, Twin, UTC_OFFSET_S, Use, Way, What, bank_id, terminal_id,
};

/// So many machines' journals are in one file.
const MACHINES_A_FILE: usize = 100;
const NOTE: i64 = 50_000;

/// A file in the order in which it is handed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Delivery {
    /// Below the day's directory.
    pub(super) path: String,
    pub(super) form: Handed,
}

/// What is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handed {
    /// A bank's postings, and whether of the next day.
    Postings(usize, bool),
    Journal,
    Counters,
}

/// An exception that was planted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Planted {
    pub(super) kind: Kind,
    /// The RRN of one of ours, `FILE:LINE` of a line that is none of ours, the cassette, the bank or the file.
    pub(super) of: String,
}

/// What is true of the files.
#[derive(Clone, Default, Debug)]
pub(super) struct Truth {
    pub(super) planted: Vec<Planted>,
    /// The RRN that a line of a file belongs to, by file and line; of none for a phantom.
    pub(super) lines: BTreeMap<(String, u64), Option<String>>,
    /// The RRNs of a line that sums up several.
    pub(super) summed: BTreeMap<(String, u64), Vec<String>>,
    /// Lines that nobody can lay to one of ours.
    pub(super) ambiguous: Vec<(String, u64)>,
    pub(super) deliveries: Vec<Delivery>,
    /// What each bank claims in its totals, by bank and element.
    pub(super) claims: Vec<(usize, u8, i64)>,
}

/// A line of a bank's or a machine's file before it has a place.
struct Line {
    at_s: i64,
    text: String,
    amount: i64,
    of: Option<String>,
    summed: Vec<String>,
    planted: Option<Kind>,
    is_ambiguous: bool,
}

/// Writes all files and the truth.
pub(super) fn write(plan: &Plan, dir: &Path) -> Result<Truth, String> {
    let mut truth = Truth::default();
    for part in ["banks", "machines"] {
        fs::create_dir_all(dir.join(part)).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    for one in &plan.uses {
        truth.planted.extend(of_ours(one).map(|kind| Planted { kind, of: one.rrn() }));
    }
    write_banks(plan, dir, &mut truth)?;
    write_journals(plan, dir, &mut truth)?;
    write_counters(plan, dir, &mut truth)?;
    write_claims(plan, dir, &mut truth)?;
    truth.planted.sort();
    let rows = truth.planted.iter().map(|planted| format!("{},{}\n", planted.kind, planted.of));
    put(dir, "truth.csv", &format!("kind,of\n{}", rows.collect::<String>()))?;
    let rows = truth
        .lines
        .iter()
        .map(|((file, line), of)| format!("{file},{line},{}\n", of.as_deref().unwrap_or("")));
    put(dir, "truth-lines.csv", &format!("file,line,rrn\n{}", rows.collect::<String>()))?;
    let rows = truth.deliveries.iter().map(|delivery| format!("{}\n", delivery.path));
    put(dir, "deliveries.txt", &rows.collect::<String>())?;
    Ok(truth)
}

/// Planted on a transaction itself; the others are planted on a line.
fn of_ours(one: &Use) -> Option<Kind> {
    // The bank has given it back, by a line that may as well be another's.
    let given_back = (one.twin == Some(Twin::Back)).then_some(Kind::MissingAtBank);
    one.damage.filter(|kind| !matches!(kind, Kind::MissingAtSwitch | Kind::Duplicate)).or(given_back)
}

fn put(dir: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = dir.join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn local(at_s: i64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(at_s + UTC_OFFSET_S)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// One posting's cells; the sequence is written when the file's order is known.
struct Posted<'a> {
    one: &'a Use,
    rrn: String,
    terminal: String,
    stan: Option<u32>,
    at_s: i64,
    amount: i64,
    currency: u16,
    is_next_day: bool,
    has_sequence: bool,
    is_ambiguous: bool,
}

impl<'a> Posted<'a> {
    fn new(one: &'a Use) -> Posted<'a> {
        let is = |names: &[Names]| names.contains(&one.bank_names);
        Posted {
            one,
            rrn: if is(&[Names::All]) { one.rrn() } else { String::new() },
            terminal: one.terminal_id().to_string(),
            stan: is(&[Names::All, Names::Stan]).then(|| one.bank_stan()),
            at_s: one.at_s + 1,
            amount: one.gross(),
            currency: 704,
            is_next_day: false,
            has_sequence: one.bank_names != Names::None,
            is_ambiguous: one.twin == Some(Twin::Nameless),
        }
    }

    /// The sequence stands for `#`.
    fn line(&self, plan: &Plan, count: usize) -> Line {
        let direction = if self.amount < 0 { "C" } else { "D" };
        let day = if self.is_next_day { plan.next_day } else { plan.day };
        let sequence = if self.has_sequence { "#" } else { "" };
        Line {
            at_s: self.at_s,
            text: format!(
                "{},{},{},{sequence},{},{},{direction},{},{day},{count}",
                self.rrn,
                self.terminal,
                self.stan.map_or(String::new(), |stan| format!("{stan:06}")),
                local(self.at_s),
                self.amount.abs(),
                self.currency
            ),
            amount: self.amount,
            of: Some(self.one.rrn()),
            summed: Vec::new(),
            planted: None,
            is_ambiguous: self.is_ambiguous,
        }
    }
}

/// What the bank has posted of one transaction: lines of the day's file, and of the next day's.
fn posted(plan: &Plan, one: &Use) -> Vec<(bool, Line)> {
    let plain = || Posted::new(one);
    let today = |posted: Posted<'_>| (posted.is_next_day, posted.line(plan, 1));
    let back = |part: i64| Posted { amount: -part, at_s: one.at_s + 21, ..plain() };
    match one.damage {
        Some(Kind::MissingAtBank) => return Vec::new(),
        Some(Kind::MissingAtSwitch) if one.variant.is_multiple_of(2) => {
            let phantom = Posted {
                rrn: format!("9{}", &one.rrn()[1..]),
                stan: Some(999_999),
                at_s: one.at_s + 70,
                ..plain()
            };
            let mut line = phantom.line(plan, 1);
            (line.of, line.planted) = (None, Some(Kind::MissingAtSwitch));
            return vec![today(plain()), (false, line)];
        }
        Some(Kind::Duplicate) => {
            // Every other one has lost its reference.
            let rrn = if one.variant.is_multiple_of(2) { one.rrn() } else { String::new() };
            let mut line = Posted { at_s: one.at_s + 30, rrn, ..plain() }.line(plan, 1);
            line.planted = Some(Kind::Duplicate);
            return vec![today(plain()), (false, line)];
        }
        Some(Kind::AmountOver) => return vec![today(Posted { amount: one.amount + 500_000, ..plain() })],
        Some(Kind::AmountUnder) => {
            return vec![today(Posted { amount: (one.amount - 50_000).max(20_000), ..plain() })];
        }
        Some(Kind::Currency) => return vec![today(Posted { currency: 840, ..plain() })],
        Some(Kind::DataMismatch) if one.variant.is_multiple_of(2) => {
            return vec![today(Posted { terminal: terminal_id(one.terminal + 1).to_string(), ..plain() })];
        }
        Some(Kind::DataMismatch) => {
            return vec![today(Posted { rrn: format!("8{}", &one.rrn()[1..]), ..plain() })];
        }
        Some(Kind::OtherDay) => return vec![today(Posted { is_next_day: true, ..plain() })],
        Some(Kind::LateReversal) => {
            let late = Posted { amount: -one.amount, is_next_day: true, at_s: one.at_s + 86_000, ..plain() };
            return vec![today(plain()), today(late)];
        }
        _ => {}
    }
    if one.twin == Some(Twin::Missing) || one.is_summed {
        return Vec::new();
    }
    match one.what {
        What::Declined | What::TimedOut => Vec::new(),
        What::Reversed if one.twin == Some(Twin::Back) => {
            let (rrn, has_sequence) = (String::new(), one.variant.is_multiple_of(2));
            let nameless = Posted { rrn, stan: None, has_sequence, is_ambiguous: true, ..back(one.amount) };
            vec![today(plain()), today(nameless)]
        }
        What::Reversed => vec![today(plain()), today(back(one.amount))],
        // Half of the banks net a part at once.
        What::PartReversed if one.bank.is_multiple_of(2) => {
            vec![today(Posted { amount: one.net(), ..plain() })]
        }
        What::PartReversed => vec![today(plain()), today(back(one.amount - one.net()))],
        What::Withdrawal | What::Deposit | What::Transfer if one.is_split => {
            let first = one.gross() / 100_000 * 50_000;
            [first, one.gross() - first].map(|amount| today(Posted { amount, ..plain() })).into()
        }
        What::Withdrawal | What::Deposit | What::Transfer => vec![today(plain())],
    }
}

fn write_banks(plan: &Plan, dir: &Path, truth: &mut Truth) -> Result<(), String> {
    let mut files: BTreeMap<(usize, bool), Vec<Line>> = BTreeMap::new();
    for bank in 0..BANKS.len() {
        files.insert((bank, false), Vec::new());
        files.insert((bank, true), Vec::new());
    }
    for one in &plan.uses {
        for (is_next_day, line) in posted(plan, one) {
            files.entry((one.bank, is_next_day)).or_default().push(line);
        }
    }
    files.entry((SUMMING_BANK, false)).or_default().extend(summed(plan));
    let broken = |kind: Kind| plan.damages.count(kind) > 0;
    for ((bank, is_next_day), mut lines) in files {
        lines.sort_by(|one, other| (one.at_s, &one.text).cmp(&(other.at_s, &other.text)));
        let day = if is_next_day { plan.next_day } else { plan.day };
        let name = format!("banks/{}-{day}.csv", BANKS[bank]);
        let mut text = "rrn,terminal,stan,sequence,at,amount,direction,currency,day,count\n".to_owned();
        for (place, line) in (2u64..).zip(&lines) {
            text += &format!("{}\n", line.text.replacen('#', &place.to_string(), 1));
            note(truth, &name, place, line);
        }
        let sum: i64 = lines.iter().map(|line| line.amount.abs()).sum();
        let trailer = format!("TRAILER,{},{sum}\n", lines.len());
        let mut hand_in = |name: &str, text: &str, kind: Option<Kind>| {
            put(dir, name, text)?;
            truth
                .deliveries
                .push(Delivery { path: name.to_owned(), form: Handed::Postings(bank, is_next_day) });
            truth.planted.extend(kind.map(|kind| Planted { kind, of: name.to_owned() }));
            Ok::<_, String>(())
        };
        // A bad file comes first, and the bank hands in a good one.
        if !is_next_day && bank == 0 && broken(Kind::UnreadableLine) {
            let bad = format!("{text}612300000001,HN1,,,yesterday,much,D,,,\n{trailer}");
            hand_in(&name.replace(".csv", "-unreadable.csv"), &bad, Some(Kind::UnreadableLine))?;
        }
        if !is_next_day && bank == 1 && broken(Kind::ControlTotalWrong) {
            let bad = format!("{text}TRAILER,{},{}\n", lines.len(), sum + 1);
            hand_in(&name.replace(".csv", "-wrong-sum.csv"), &bad, Some(Kind::ControlTotalWrong))?;
        }
        hand_in(&name, &format!("{text}{trailer}"), None)?;
        if !is_next_day && bank == 2 && broken(Kind::DuplicateFile) {
            hand_in(
                &name.replace(".csv", "-again.csv"),
                &format!("{text}{trailer}"),
                Some(Kind::DuplicateFile),
            )?;
        }
    }
    Ok(())
}

fn note(truth: &mut Truth, name: &str, place: u64, line: &Line) {
    truth.lines.insert((name.to_owned(), place), line.of.clone());
    if !line.summed.is_empty() {
        truth.summed.insert((name.to_owned(), place), line.summed.clone());
    }
    if line.is_ambiguous {
        truth.ambiguous.push((name.to_owned(), place));
    }
    truth.planted.extend(line.planted.map(|kind| Planted { kind, of: format!("{name}:{place}") }));
}

/// One line a machine for all that it did for the bank that sums up.
fn summed(plan: &Plan) -> Vec<Line> {
    let mut by_terminal: BTreeMap<usize, Vec<&Use>> = BTreeMap::new();
    for one in plan.uses.iter().filter(|one| one.is_summed) {
        by_terminal.entry(one.terminal).or_default().push(one);
    }
    by_terminal
        .into_values()
        .map(|uses| {
            let last = uses[uses.len() - 1];
            let amount = uses.iter().map(|one| one.amount).sum();
            let is_one = uses.len() == 1;
            let stan = is_one.then(|| last.bank_stan());
            let posted =
                Posted { rrn: String::new(), stan, amount, at_s: last.at_s + 1, ..Posted::new(last) };
            let mut line = posted.line(plan, uses.len());
            line.text = line.text.replacen('#', "", 1);
            line.summed = uses.iter().map(|one| one.rrn()).collect();
            line
        })
        .collect()
}

/// What the machine has written down: what was asked for, what moved, and how it ended.
fn journal_lines(plan: &Plan, one: &Use) -> Vec<Line> {
    let is_silent = one.damage == Some(Kind::MissingInJournal)
        || one.damage == Some(Kind::Suspense) && one.variant.is_multiple_of(2);
    if !one.is_cash() || is_silent {
        return Vec::new();
    }
    let moved = match one.damage {
        Some(Kind::DebitedNotDispensed | Kind::Retracted | Kind::LateReversal) => 0,
        Some(Kind::PartDispensed) => (one.amount / 2).max(20_000),
        Some(Kind::DispensedNotDebited) => one.amount,
        _ => one.net(),
    };
    let outcome = match moved.signum() {
        _ if one.damage == Some(Kind::Retracted) => "retracted",
        1 => "taken",
        0 => "none",
        _ => "kept",
    };
    let cells = |rrn: &str, stan: &str, at_s: i64, requested: i64, moved: i64, outcome: &str| {
        let terminal = one.terminal_id();
        format!("{terminal},{},{rrn},{stan},#,{},{requested},{moved},704,{outcome}", plan.day, local(at_s))
    };
    let named = |names: Names| {
        let rrn = if names == Names::All { one.rrn() } else { String::new() };
        let has_stan = matches!(names, Names::All | Names::Stan);
        (rrn, if has_stan { one.terminal_stan().to_string() } else { String::new() })
    };
    let line = |text: String, of: Option<String>, planted: Option<Kind>| Line {
        at_s: one.at_s,
        text,
        amount: moved,
        of,
        summed: Vec::new(),
        planted,
        is_ambiguous: false,
    };
    let told = |names: Names, behind_s: i64, moved: i64, outcome: &str| {
        let ((rrn, stan), at_s) = (named(names), one.at_s + behind_s);
        let text = cells(&rrn, &stan, at_s + 5, one.gross(), moved, outcome);
        Line { at_s, amount: moved, ..line(text, Some(one.rrn()), None) }
    };
    let mut lines = match one.retry {
        None => vec![told(one.machine_names, 0, moved, outcome)],
        Some(Retry { way, names: [first, second] }) => {
            let part = one.amount / 100_000 * 50_000;
            let [(before, how), (then, how_then)] = match way {
                Way::InParts if part > 0 => [(part, "taken"), (one.amount - part, "taken")],
                Way::NoneThenAll | Way::InParts => [(0, "none"), (one.amount, "taken")],
                Way::RetractedThenAll => [(0, "retracted"), (one.amount, "taken")],
                Way::InVain => [(0, "none"), (0, "none")],
            };
            vec![told(first, 0, before, how), told(second, 20, then, how_then)]
        }
    };
    if one.damage == Some(Kind::MissingAtSwitch) && !one.variant.is_multiple_of(2) {
        let phantom = cells("", "999998", one.at_s + 75, one.amount, one.amount, "taken");
        lines.push(Line { at_s: one.at_s + 75, ..line(phantom, None, Some(Kind::MissingAtSwitch)) });
    }
    lines
}

fn write_journals(plan: &Plan, dir: &Path, truth: &mut Truth) -> Result<(), String> {
    let mut machines: Vec<Vec<Line>> = (0..plan.terminals).map(|_| Vec::new()).collect();
    for one in &plan.uses {
        machines[one.terminal].extend(journal_lines(plan, one));
    }
    for (number, machines) in (1..).zip(machines.chunks_mut(MACHINES_A_FILE)) {
        let name = format!("machines/journal-{number:03}.csv");
        let mut text = "terminal,day,rrn,stan,sequence,at,requested,moved,currency,outcome\n".to_owned();
        let mut place = 2;
        for machine in machines {
            machine.sort_by(|one, other| (one.at_s, &one.text).cmp(&(other.at_s, &other.text)));
            for (sequence, line) in (1u64..).zip(machine.iter()) {
                text += &format!("{}\n", line.text.replacen('#', &sequence.to_string(), 1));
                note(truth, &name, place, line);
                place += 1;
            }
        }
        put(dir, &name, &text)?;
        truth.deliveries.push(Delivery { path: name, form: Handed::Journal });
    }
    Ok(())
}

fn write_counters(plan: &Plan, dir: &Path, truth: &mut Truth) -> Result<(), String> {
    let mut dispensed = vec![0; plan.terminals];
    for one in plan.uses.iter().filter(|one| one.is_cash()) {
        dispensed[one.terminal] += one.net() / NOTE;
    }
    let (over, short) = (plan.damages.count(Kind::CashOver), plan.damages.count(Kind::CashShort));
    let name = "machines/counters.csv";
    let mut text = "terminal,day,at,cassette,note,opening,loaded,dispensed,counted\n".to_owned();
    for (terminal, dispensed) in dispensed.into_iter().enumerate() {
        let (opening, loaded) = (20_000, 20_000);
        let (kind, wrong) = match terminal {
            terminal if terminal < over => (Some(Kind::CashOver), 2),
            terminal if terminal < over + short => (Some(Kind::CashShort), -3),
            _ => (None, 0),
        };
        let at = format!("{} 22:30:00", plan.day);
        let id = terminal_id(terminal);
        let counted = opening + loaded - dispensed + wrong;
        text += &format!("{id},{},{at},1,{NOTE},{opening},{loaded},{dispensed},{counted}\n", plan.day);
        truth.planted.extend(kind.map(|kind| Planted { kind, of: format!("{name}:{}", terminal + 2) }));
    }
    put(dir, name, &text)?;
    truth.deliveries.push(Delivery { path: name.to_owned(), form: Handed::Counters });
    Ok(())
}

/// What each bank says its day came to, by the messages that it answered; who was asked in vain by 0520 says nothing in a file either.
fn write_claims(plan: &Plan, dir: &Path, truth: &mut Truth) -> Result<(), String> {
    let mut text = "bank,element,value\n".to_owned();
    for (bank, name) in BANKS.into_iter().enumerate() {
        if plan.is_silent_about_totals(bank) {
            truth.planted.push(Planted { kind: Kind::TotalsMissing, of: bank_id(bank).to_string() });
            continue;
        }
        let mut claims: BTreeMap<u8, i64> =
            (74..=89).filter(|number| !(81..=85).contains(number)).map(|number| (number, 0)).collect();
        let mut add = |count: u8, amount: Option<u8>, minor: i64| {
            *claims.entry(count).or_default() += 1;
            amount.into_iter().for_each(|amount| *claims.entry(amount).or_default() += minor);
        };
        for one in plan.uses.iter().filter(|one| one.bank == bank) {
            match one.what {
                What::Withdrawal => add(76, Some(88), one.amount),
                What::Deposit => add(74, Some(86), one.amount),
                What::Transfer => add(78, None, 0),
                What::Declined | What::TimedOut => {}
                What::Reversed | What::PartReversed => {
                    add(76, Some(88), one.amount);
                    // What is taken back behind the cutover settles in the next day.
                    if one.damage != Some(Kind::LateReversal) {
                        add(77, Some(89), one.amount - one.net());
                    }
                }
            }
        }
        if bank < plan.damages.count(Kind::TotalsOutOfBalance) {
            *claims.entry(88).or_default() += 1_000_000;
            truth.planted.push(Planted { kind: Kind::TotalsOutOfBalance, of: bank_id(bank).to_string() });
        }
        for (element, value) in claims {
            text += &format!("{name},{element},{value}\n");
            truth.claims.push((bank, element, value));
        }
    }
    put(dir, "banks/totals.csv", &text)
}
