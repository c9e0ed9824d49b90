//! The fold of all acts: how cases, files and days stand, and what may be done next and by whom.

mod amounts;
mod case;
mod checks;
mod files;
mod fold;
mod refused;

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Digest, FileKey, Intake, Layout, Numbering};
use processor::{Day, Institution, Position};
use reconciliation::{Book, CaseId, Claimed, Decision, FeeTable, Kind, State};

use self::files::of_all_parts;
use crate::act::Deed;

pub use amounts::UNPROVEN_MINOR_MAX;
pub(crate) use amounts::{has_citizen, open_minor, refund_minor_max};
pub use case::{Booked, Case, CaseState, Proposal};
pub(crate) use case::{booked_minor, is_booked_elsewhere, is_debited_else};
pub use files::{Parts, TakingBack, file_case};
pub use refused::{NotByHand, NotDay, NotTakenBack, Refused};

/// So many cases have something written beside them; an act on one more is refused.
pub const CASES_MAX: usize = 1_000_000;
/// A day comes in so many parts at most.
pub const PARTS_MAX: u32 = 10_000;

/// A day that was closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closed {
    /// The first record that comes too late.
    pub position: Position,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// The act that closed it.
    pub act: u64,
    /// The fees that were in force.
    pub fees: FeeTable,
    /// Its single transactions were let go before it was closed: no file of it was ever to be made, and nothing that was booked goes into it.
    pub is_let_go: bool,
}

/// How everything stands behind all acts.
#[derive(Clone, Default, Debug)]
pub struct Casework {
    next: u64,
    cases: BTreeMap<CaseId, Case>,
    intake: Intake,
    taken: BTreeMap<(Digest, FileKey), Option<Layout>>,
    /// How lines are counted, of all files that were ever taken.
    numbered: BTreeMap<Digest, Numbering>,
    /// In how many parts its day comes, as it was told with each file that is there.
    parts: BTreeMap<FileKey, u32>,
    taking_back: BTreeMap<(Digest, FileKey), TakingBack>,
    refused: Vec<(i64, Digest, FileKey, Kind, String)>,
    /// By the front of a file's digest the place that it was refused for last, or taken for.
    handed_in: BTreeMap<u64, (Digest, FileKey)>,
    layouts: BTreeMap<String, Layout>,
    claims: BTreeMap<(Day, Institution), Claimed>,
    acknowledged: BTreeMap<(Day, Institution), i64>,
    decisions: Vec<Decision>,
    /// Of each the act that said it.
    decision_acts: Vec<u64>,
    /// By the front of a file's digest the act that took it back last.
    taken_back: BTreeMap<u64, u64>,
    booked: Vec<Booked>,
    closed: BTreeMap<Day, Closed>,
    settled: BTreeMap<Day, i64>,
}

impl Casework {
    /// The next act's number.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What people have done to a case; nothing yet where it is not known.
    pub fn case(&self, id: CaseId) -> Option<&Case> {
        self.cases.get(&id)
    }

    /// What people have done to the cases that the same transaction has by its other sides.
    pub(crate) fn beside(&self, id: CaseId) -> Vec<Case> {
        id.beside().filter_map(|other| self.case(other)).cloned().collect()
    }

    /// All cases that people have done something to.
    pub fn cases(&self) -> impl Iterator<Item = (&CaseId, &Case)> {
        self.cases.iter()
    }

    /// Files that were taken, with how they are read, in the order of their digests.
    pub fn files(&self) -> impl Iterator<Item = (&Digest, &FileKey, Option<&Layout>)> {
        self.taken.iter().map(|((digest, key), layout)| (digest, key, layout.as_ref()))
    }

    /// How the lines of a file are counted: as when it was taken first, whether or not it was taken back since.
    pub fn numbering(&self, digest: Digest) -> Numbering {
        self.numbered.get(&digest).copied().unwrap_or(Numbering::AsShown)
    }

    /// Of a file's kind, bank, machine and day how many parts were taken, of how many.
    pub fn parts(&self, key: FileKey) -> Parts {
        let of_day = self.parts.range(of_all_parts(key)..=FileKey { part: u32::MAX, ..key });
        let wanted = of_day.map(|(_, parts)| *parts).max().unwrap_or(1);
        let here = self.intake.parts(key).filter(|part| (1..=wanted).contains(part)).count();
        Parts { here: u32::try_from(here).unwrap_or(u32::MAX), wanted }
    }

    /// What a business day has in parts of which not all are here: one place for each kind, bank and machine (of part 0), in their order.
    pub fn unfinished(&self, day: Day) -> impl Iterator<Item = (FileKey, Parts)> {
        let of_day = self.parts.keys().filter(move |key| key.day == day);
        let places: BTreeSet<FileKey> = of_day.map(|key| of_all_parts(*key)).collect();
        places.into_iter().map(|place| (place, self.parts(place))).filter(|(_, parts)| !parts.are_all_here())
    }

    /// Files that somebody wants to take back.
    pub fn taking_back(&self) -> &BTreeMap<(Digest, FileKey), TakingBack> {
        &self.taking_back
    }

    /// The file was taken for this place, and is there.
    pub fn has_taken(&self, digest: Digest, key: FileKey) -> bool {
        self.taken.contains_key(&(digest, key))
    }

    /// Files that were refused and have not been taken since: when, which, for which place, why.
    pub fn refused(&self) -> &[(i64, Digest, FileKey, Kind, String)] {
        &self.refused
    }

    /// Which files were taken.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The layout of this name.
    pub fn layout(&self, name: &str) -> Option<&Layout> {
        self.layouts.get(name)
    }

    /// All layouts by name.
    pub fn layouts(&self) -> impl Iterator<Item = (&str, &Layout)> {
        self.layouts.iter().map(|(name, layout)| (name.as_str(), layout))
    }

    /// What members say their totals are, by day and bank.
    pub fn claims(&self) -> &BTreeMap<(Day, Institution), Claimed> {
        &self.claims
    }

    /// Members that have acknowledged the cutover to a day, and when.
    pub fn acknowledged(&self) -> &BTreeMap<(Day, Institution), i64> {
        &self.acknowledged
    }

    /// Matches and partings by hand, oldest first.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Of each of these the act that said it.
    pub fn decision_acts(&self) -> &[u64] {
        &self.decision_acts
    }

    /// The act by which a file was taken back last, by [`reconciliation::LineId::file`] of its lines.
    pub fn taken_back(&self, file: u64) -> Option<u64> {
        self.taken_back.get(&file).copied()
    }

    /// Refunds and adjustments that were checked, and undone ones, in order.
    pub fn booked(&self) -> &[Booked] {
        &self.booked
    }

    /// Closed days.
    pub fn closed(&self) -> &BTreeMap<Day, Closed> {
        &self.closed
    }

    /// The act that closes a day of the book at its end, and tells whether files of it can be made. Days are closed in their order, each once it is cut over.
    ///
    /// # Errors
    /// [`Refused::Day`].
    pub fn close(&self, book: &Book, day: Day, fees: FeeTable) -> Result<Deed, Refused> {
        let refused = |reason| Err(Refused::Day { day, reason });
        match book.sheet(day).map(|sheet| sheet.state) {
            None => return refused(NotDay::Unknown),
            Some(State::Open) => return refused(NotDay::Open),
            Some(State::CuttingOver | State::Closed | State::Settled) => {}
        }
        if book.sheets().any(|sheet| sheet.day < day && !self.closed.contains_key(&sheet.day)) {
            return refused(NotDay::EarlierOpen);
        }
        let (position, is_let_go) = (book.next(), !book.is_held(day));
        Ok(Deed::Close { day, position, fees: Box::new(fees), is_let_go })
    }

    /// The day whose file an act belongs to: the first that was closed behind it and had files then. What no file of a day can say, that of a later one
    /// does, under the day that it is of.
    pub fn settles_in(&self, act: u64) -> Option<Day> {
        let has_it = |closed: &Closed| closed.act > act && (!closed.is_let_go);
        self.closed.iter().find(|(_, closed)| has_it(closed)).map(|(day, _)| *day)
    }

    /// Files of a closed day can be made: its single transactions are held, and were when it was closed.
    pub fn has_files(&self, book: &Book, day: Day) -> bool {
        book.is_held(day) && self.closed.get(&day).is_none_or(|closed| !closed.is_let_go)
    }

    /// Settled days, and when.
    pub fn settled(&self) -> &BTreeMap<Day, i64> {
        &self.settled
    }
}
