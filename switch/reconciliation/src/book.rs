//! The log's records folded into what reconciliation needs of them: our side of each transaction, and what each day comes to.

use std::collections::{BTreeMap, BTreeSet};

use processor::{
    Body, Day, Institution, Intent, Kind as Asked, NoteReason, Position, Record, Reversal, Side, Suspense,
    TxKey,
};

use crate::fees::FeeTable;
use crate::item::{Ended, LineId, Ours};
use crate::matcher::ITEMS_MAX;
use crate::sheet::{Entry, Sheet, State};

/// So many transactions are held at once: for one more the oldest days are let go.
pub const TRANSACTIONS_MAX: usize = 20_000_000;

/// So many transactions of money are held: for one more the oldest days are let go, never the open one. With a posting and a journal's line each, and one
/// line in ten beside, a matcher has room for them.
pub const MONEY_MAX: usize = ITEMS_MAX as usize / 10 * 3;

/// Of so many days single transactions are held, the open one among them, and of more where the oldest but one is not closed; of those before, what they
/// came to.
pub const DAYS_HELD: usize = 62;

/// How much a book holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// Days of which single transactions are held.
    pub days: usize,
    /// Transactions.
    pub transactions: usize,
    /// Of these such as move money, of which a matcher has three items and more.
    pub of_money: usize,
}

impl Default for Held {
    fn default() -> Held {
        Held { days: DAYS_HELD, transactions: TRANSACTIONS_MAX, of_money: MONEY_MAX }
    }
}

/// A record that does not follow from those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// Its transaction has no INTENT, or no such record can follow.
    #[error("record {0}: it does not follow from the records before it")]
    Sequence(Position),
    /// The open day alone has as many transactions as are held.
    #[error("record {0}: the open day has more transactions than are held")]
    Full(Position),
}

/// One transaction as far as it is told.
#[derive(Clone, Debug)]
struct Told {
    ours: Ours,
    suspense: Option<Suspense>,
    asked: Asked,
    /// The bank has approved, by OUTCOME or behind our back.
    is_approved: bool,
    /// It is counted, in this day.
    counted: Option<Counted>,
    /// What was given back is counted, in this day.
    given_back: Option<Counted>,
    reversal: Option<(Day, i64)>,
}

impl Told {
    fn entry(&self, day: Day, amount_minor: i64, is_reversal: bool) -> Entry {
        Entry {
            day,
            bank: self.ours.bank,
            acquirer: self.ours.acquirer,
            asked: self.asked,
            amount_minor,
            is_reversal,
            is_whole: amount_minor == self.ours.gross_minor,
        }
    }
}

/// An entry, the day in which it is counted, and its fee.
#[derive(Clone, Copy, Debug)]
struct Counted {
    settles: Day,
    entry: Entry,
    fee_minor: i64,
}

/// One line of a member's day: what the settlement file lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Detail {
    /// Where the member stands: as issuer of its citizens it owes, as acquirer at its terminals it is owed.
    pub side: Side,
    /// The INTENT's position: with `is_reversal` it names the line.
    pub position: Position,
    /// What it counts, with the day that it belongs to: another than the file's is an adjustment.
    pub entry: Entry,
    /// What the issuer owes the acquirer for it beside, minor units.
    pub fee_minor: i64,
    /// DE37.
    pub rrn: processor::Rrn,
    /// DE41.
    pub terminal: processor::TerminalId,
    /// Wall clock of the INTENT, seconds since 1970.
    pub at_s: i64,
    /// ISO 4217.
    pub currency: u16,
}

/// The fold. The same records give the same book, byte for byte.
#[derive(Clone, Debug)]
pub struct Book {
    fees: FeeTable,
    /// Of closed days those that were in force when they were closed.
    fees_of: BTreeMap<Day, FeeTable>,
    told: BTreeMap<TxKey, Told>,
    /// How many of these move money.
    of_money: usize,
    changed: BTreeSet<TxKey>,
    /// Those of `told` that no bank has approved and that were taken back.
    lost_answers: BTreeSet<TxKey>,
    sheets: BTreeMap<Day, Sheet>,
    /// The last record that was counted in each day.
    counted_last: BTreeMap<Day, Position>,
    open: Option<Day>,
    next: Position,
    held: Held,
    /// Days are closed here, also while none is.
    is_closing: bool,
    /// Of days before this one single transactions were let go.
    held_from: Option<Day>,
    left_out: u64,
}

impl Book {
    /// A book that has read nothing; `first_day` is open before the first CUTOVER.
    pub fn new(fees: FeeTable, first_day: Option<Day>) -> Book {
        let mut book = Book {
            fees,
            fees_of: BTreeMap::new(),
            told: BTreeMap::new(),
            of_money: 0,
            changed: BTreeSet::new(),
            lost_answers: BTreeSet::new(),
            sheets: BTreeMap::new(),
            counted_last: BTreeMap::new(),
            open: first_day,
            next: 0,
            held: Held::default(),
            is_closing: false,
            held_from: None,
            left_out: 0,
        };
        if let Some(day) = first_day {
            book.sheets.insert(day, Sheet::new(day));
        }
        book
    }

    /// The same, and so much is held.
    pub fn holding(self, held: Held) -> Book {
        Book { held, ..self }
    }

    /// The same, where people close days: one that is not closed is held whatever its age from the first record on, also before the first close is known.
    /// Closes are laid in where they were made, which may be behind many cutovers.
    pub fn holding_unclosed(self) -> Book {
        Book { is_closing: true, ..self }
    }

    /// Fees of a day that is closed, as they were then: whatever settles in it follows these. Before its records are applied.
    pub fn fix_fees(&mut self, day: Day, fees: FeeTable) {
        self.fees_of.insert(day, fees);
    }

    /// The fees that what settles in a day follows.
    pub fn fees(&self, day: Day) -> &FeeTable {
        self.fees_of.get(&day).unwrap_or(&self.fees)
    }

    /// Whether a record from this position on was counted in a day.
    pub fn has_counted_from(&self, day: Day, position: Position) -> bool {
        self.counted_last.get(&day).is_some_and(|last| *last >= position)
    }

    /// The first day of which single transactions are held; of all where none was let go.
    pub fn held_from(&self) -> Option<Day> {
        self.held_from
    }

    /// Single transactions of this day are held: its files can be made.
    pub fn is_held(&self, day: Day) -> bool {
        self.held_from.is_none_or(|from| day >= from)
    }

    /// Records that came so late that their transaction was let go: no day has them.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The next record to be read.
    pub fn next(&self) -> Position {
        self.next
    }

    /// The open business day.
    pub fn open_day(&self) -> Option<Day> {
        self.open
    }

    /// The days, oldest first.
    pub fn sheets(&self) -> impl DoubleEndedIterator<Item = &Sheet> {
        self.sheets.values()
    }

    /// A day.
    pub fn sheet(&self, day: Day) -> Option<&Sheet> {
        self.sheets.get(&day)
    }

    /// Our side of each transaction of money of which something was told since the last time, by key.
    pub fn take_changed(&mut self) -> impl Iterator<Item = &Ours> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|key| self.told.get(&key)).map(|told| &told.ours)
    }

    /// Our side of each transaction of money that is held.
    pub fn ours(&self) -> impl Iterator<Item = &Ours> {
        self.told.values().map(|told| &told.ours).filter(|ours| ours.gross_minor != 0)
    }

    /// Lets go of what ended in days before this one, and still stands in what they came to; what settles in this one or later is a line of a file of
    /// a day that is held. A record that comes later of it is counted by no day, and told by [`Book::left_out`].
    fn let_go_before(&mut self, day: Day) {
        self.held_from = self.held_from.max(Some(day));
        let settles_later = |told: &Told| {
            let counted = [told.counted, told.given_back];
            counted.into_iter().flatten().any(|counted| counted.settles >= day)
        };
        let has_no_end = |told: &Told| matches!(told.ours.ended, Ended::Unknown | Ended::Approved);
        let is_held = |told: &Told| told.ours.day >= day || has_no_end(told) || settles_later(told);
        self.told.retain(|_, told| is_held(told));
        self.count_of_money();
        let told = &self.told;
        self.changed.retain(|key| told.contains_key(key));
        self.lost_answers.retain(|key| told.contains_key(key));
    }

    fn count_of_money(&mut self) {
        self.of_money = self.told.values().filter(|told| told.ours.gross_minor != 0).count();
    }

    /// Lets go of the oldest day that is held, never of the open one; gives whether there was another. For who has no room for what is held.
    pub fn let_go_oldest(&mut self) -> bool {
        let oldest = self.held_from.or_else(|| self.sheets.keys().next().copied());
        let next = self.sheets.keys().copied().find(|day| Some(*day) > oldest);
        next.into_iter().for_each(|day| self.let_go_before(day));
        next.is_some()
    }

    /// Lets go of the oldest days until there is room for one more, never of the open one.
    fn make_room(&mut self, is_of_money: bool) {
        let is_full = |book: &Book| {
            book.told.len() >= book.held.transactions || is_of_money && book.of_money >= book.held.of_money
        };
        while is_full(self) && self.let_go_oldest() {}
    }

    /// Lets go of transactions that change no day any more, for who only counts: cash that has moved, and what was only asked. A transfer may
    /// still be taken back. Our side of each is then not told.
    pub fn forget_completed(&mut self) {
        self.changed.clear();
        let is_over = |told: &Told| told.ours.ended == Ended::Completed && told.asked != Asked::Transfer;
        self.told.retain(|_, told| !is_over(told));
        self.count_of_money();
    }

    /// A person has closed a day: from this position on what belongs to it is an adjustment of the day that is open. Before the records
    /// behind the position are applied, or where none of them was counted in the day ([`Book::has_counted_from`]).
    pub fn close(&mut self, day: Day, at: Position, at_ms: i64) {
        if let Some(sheet) = self.sheets.get_mut(&day) {
            sheet.closed = Some((at, at_ms));
            sheet.state = State::Closed;
        }
    }

    /// A closed day's banks have settled.
    pub fn settle(&mut self, day: Day) {
        if let Some(sheet) = self.sheets.get_mut(&day).filter(|sheet| sheet.state == State::Closed) {
            sheet.state = State::Settled;
        }
    }

    /// A member has acknowledged the cutover to this day.
    pub fn acknowledge(&mut self, day: Day, bank: Institution, at_ms: i64) {
        if let Some(sheet) = self.sheets.get_mut(&day) {
            sheet.acknowledged.entry(bank).or_insert(at_ms);
        }
    }

    /// What counts in a member's day, line by line, in the order in which the transactions began: of its citizens as issuer, of its terminals as
    /// acquirer. Both are there of its own citizens at its own terminals.
    pub fn details(&self, day: Day, bank: Institution) -> Vec<Detail> {
        let mut details = Vec::new();
        for told in self.told.values() {
            let sides = [(told.ours.bank, Side::Issuer), (told.ours.acquirer, Side::Acquirer)];
            let counted = [told.counted, told.given_back].into_iter().flatten();
            let counted = counted.filter(|counted| counted.settles == day).flat_map(|counted| {
                let of_bank = sides.into_iter().filter(|(member, _)| *member == bank);
                of_bank.map(move |(_, side)| (counted, side))
            });
            details.extend(counted.map(|(counted, side)| Detail {
                side,
                position: told.ours.id.line,
                entry: counted.entry,
                fee_minor: counted.fee_minor,
                rrn: told.ours.rrn,
                terminal: told.ours.terminal,
                at_s: told.ours.at_s,
                currency: told.ours.currency,
            }));
        }
        details.sort_by_key(|detail| (detail.position, detail.entry.is_reversal, detail.side));
        details
    }

    /// What a bank may count in a day and we do not: of transactions whose answer was lost and that were taken back those that began in it, and what
    /// of them was taken back in it. Of days that are held.
    pub fn lost_answers(&self, day: Day, bank: Institution) -> Vec<Entry> {
        let told = self.lost_answers.iter().filter_map(|key| self.told.get(key));
        let of_bank = told.filter(|told| told.ours.bank == bank);
        let both = of_bank.flat_map(|told| {
            let begun = told.entry(told.ours.day, told.ours.gross_minor, false);
            let back = told.reversal.map(|(day, back_minor)| told.entry(day, back_minor, true));
            [Some(begun), back].into_iter().flatten()
        });
        both.filter(|entry| entry.day == day).collect()
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn apply(&mut self, position: Position, record: &Record) -> Result<(), Broken> {
        self.next = position + 1;
        match (&record.body, record.transaction) {
            (Body::Cutover(day), _) => self.cut_over(*day, position, record.at_ms),
            (Body::Totals(totals), _) => {
                let is_open = self.open == Some(totals.day);
                if let Some(sheet) = self.sheets.get_mut(&totals.day) {
                    sheet.exchange(totals, is_open, record.at_ms);
                }
            }
            (Body::Intent(intent), Some(key)) => return self.begin(position, key, record.at_ms, intent),
            (body, Some(key)) if self.told.contains_key(&key) => {
                self.go_on(key, body, record.suspense, record.at_ms);
                if self.told.get(&key).is_some_and(|told| told.ours.gross_minor != 0) {
                    self.changed.insert(key);
                }
            }
            // A decline before INTENT, a tombstone, a verification and its resolution: no bank has heard of them.
            (Body::Outcome(_) | Body::Reversal(_) | Body::Reversed(_) | Body::Complete(_), Some(_)) => {
                if self.held_from.is_none() {
                    return Err(Broken::Sequence(position));
                }
                // An acknowledgement of what was counted long ago changes no day.
                self.left_out += u64::from(!matches!(record.body, Body::Reversed(_)));
            }
            (_, _) => {}
        }
        Ok(())
    }

    fn cut_over(&mut self, day: Day, position: Position, at_ms: i64) {
        if let Some(sheet) = self.open.and_then(|open| self.sheets.get_mut(&open)) {
            sheet.ended = Some((position, at_ms));
            if sheet.state == State::Open {
                sheet.state = State::CuttingOver;
            }
        }
        let mut sheet = Sheet::new(day);
        sheet.opened = Some((position, at_ms));
        self.sheets.insert(day, sheet);
        self.open = Some(day);
        let first = self.sheets.keys().rev().nth(self.held.days.saturating_sub(1)).copied();
        let first = first.map(|first| self.before_first_to_close().map_or(first, |before| before.min(first)));
        if let Some(first) =
            first.filter(|first| self.sheets.keys().next().is_some_and(|oldest| oldest < first))
        {
            self.let_go_before(first);
        }
    }

    /// The day before the oldest that is not closed, where people close days at all (it was said, or one is closed): the files of that one are still to be made, and what is held
    /// against its own reaches into the day before.
    fn before_first_to_close(&self) -> Option<Day> {
        let is_closing = self.is_closing || self.sheets.values().any(|sheet| sheet.closed.is_some());
        let to_close = self.sheets.values().find(|sheet| is_closing && sheet.closed.is_none())?.day;
        self.sheets.range(..=to_close).rev().take(2).last().map(|(day, _)| *day)
    }

    fn begin(&mut self, position: Position, key: TxKey, at_ms: i64, intent: &Intent) -> Result<(), Broken> {
        let asked = intent.request.kind;
        let amount_minor = i64::try_from(intent.request.content.amount_minor).unwrap_or(i64::MAX);
        let gross_minor = match asked {
            Asked::Deposit => -amount_minor,
            Asked::Withdrawal | Asked::Transfer => amount_minor,
            Asked::Balance | Asked::MiniStatement | Asked::Verification => 0,
        };
        self.make_room(gross_minor != 0);
        if self.told.len() >= self.held.transactions {
            return Err(Broken::Full(position));
        }
        // A switch may have run before its first CUTOVER.
        if self.open.is_none() {
            self.open = Some(intent.day);
            self.sheets.insert(intent.day, Sheet::new(intent.day));
        }
        let ours = Ours {
            id: LineId { file: LineId::LOG, line: position },
            rrn: intent.request.rrn,
            terminal: key.terminal,
            terminal_stan: key.stan,
            bank: intent.bank,
            acquirer: key.acquirer,
            identity: intent.identity,
            at_s: at_ms.div_euclid(1000),
            day: intent.day,
            reversal_day: None,
            reversal_at_s: None,
            reversed_at_s: None,
            gross_minor,
            net_minor: gross_minor,
            currency: intent.request.content.currency,
            ended: Ended::Unknown,
            is_cash: matches!(asked, Asked::Withdrawal | Asked::Deposit),
            is_suspense: false,
        };
        let told = Told {
            ours,
            suspense: None,
            asked,
            is_approved: false,
            counted: None,
            given_back: None,
            reversal: None,
        };
        let known = self.told.insert(key, told);
        if gross_minor != 0 {
            self.changed.insert(key);
            self.of_money += usize::from(known.is_none());
        }
        if known.is_some() { Err(Broken::Sequence(position)) } else { Ok(()) }
    }

    fn go_on(&mut self, key: TxKey, body: &Body, suspense: Option<Suspense>, at_ms: i64) {
        let Some(told) = self.told.get_mut(&key) else { return };
        let (ours, at_s) = (&mut told.ours, at_ms.div_euclid(1000));
        match body {
            Body::Outcome(_) => {
                told.is_approved = true;
                ours.ended = if ours.is_cash { Ended::Approved } else { Ended::Completed };
            }
            Body::Declined(_) => (ours.ended, ours.net_minor) = (Ended::Declined, 0),
            Body::Reversal(Reversal { day, left_minor, .. }) => {
                // Only a late approval leads back from an end.
                told.is_approved |= matches!(ours.ended, Ended::Declined | Ended::Reversed);
                let left = i64::try_from(*left_minor).unwrap_or(i64::MAX) * ours.gross_minor.signum();
                told.reversal = Some((*day, ours.gross_minor - left));
                (ours.ended, ours.net_minor, ours.reversal_day) = (Ended::Reversed, left, Some(*day));
                let begun_s = ours.reversal_at_s.filter(|_| ours.reversed_at_s.is_none());
                (ours.reversal_at_s, ours.reversed_at_s) = (begun_s.or(Some(at_s)), None);
            }
            Body::Complete(_) => ours.ended = Ended::Completed,
            Body::Note(NoteReason::ApprovalSeen, _) => told.is_approved = true,
            Body::Resolution(_) => told.suspense = None,
            Body::Reversed(_) => ours.reversed_at_s = Some(at_s),
            Body::Claim(..) | Body::Note(..) | Body::Tombstone(_) | Body::AskedAgain(_) => {}
            Body::Intent(_) | Body::Verification(_) | Body::Cutover(_) | Body::Block(_) | Body::Totals(_) => {
            }
        }
        // As in the transaction's own fold: what ends the wait clears age, a person alone clears a claim.
        if ours.ended != Ended::Approved && told.suspense == Some(Suspense::Age) {
            told.suspense = None;
        }
        told.suspense = told.suspense.max(suspense);
        ours.is_suspense = told.suspense.is_some();
        if matches!(body, Body::Reversal(_) | Body::Note(NoteReason::ApprovalSeen, _)) {
            match ours.ended == Ended::Reversed && !told.is_approved {
                true => self.lost_answers.insert(key),
                false => self.lost_answers.remove(&key),
            };
        }
        self.count(key);
    }

    /// Adds to the days what has become sure.
    fn count(&mut self, key: TxKey) {
        let Some(open) = self.open else { return };
        let position = self.next.saturating_sub(1);
        let Some(told) = self.told.get_mut(&key) else { return };
        if !told.is_approved {
            return;
        }
        let original =
            told.counted.is_none().then(|| told.entry(told.ours.day, told.ours.gross_minor, false));
        let back = told.reversal.filter(|_| told.given_back.is_none());
        let back = back.map(|(day, back_minor)| told.entry(day, back_minor, true));
        let mut counted = [told.counted, None];
        for (place, entry) in [original, back].into_iter().enumerate() {
            let Some(entry) = entry else { continue };
            let is_closed = self.sheets.get(&entry.day).is_none_or(|sheet| sheet.closed.is_some());
            let settles = if is_closed { open } else { entry.day };
            let fee_minor = match (entry.is_reversal, entry.is_whole) {
                (false, _) => self.fees_of.get(&settles).unwrap_or(&self.fees).fee_minor(&entry),
                // The whole gives back what was taken, a part gives back nothing.
                (true, true) => -counted[0].map_or(0, |original| original.fee_minor),
                (true, false) => 0,
            };
            if let Some(sheet) = self.sheets.get_mut(&settles) {
                sheet.add(&entry, fee_minor);
                self.counted_last.insert(settles, position);
            }
            counted[place] = Some(Counted { settles, entry, fee_minor });
        }
        let [original, back] = counted;
        told.counted = original;
        told.given_back = told.given_back.or(back);
    }
}
