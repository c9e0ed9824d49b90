//! The fold of all acts: how cases, files and days stand, and what may be done next and by whom.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Digest, FileKey, Intake, Layout, Numbering};
use mutant::Mutant;
use processor::{Day, Institution, Position};
use reconciliation::{
    Aspect, Book, CaseId, Claimed, DECISIONS_MAX, Decision, FeeTable, Group, Kind, LineId, State,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::act::{About, Act, Deed, NOTE_CHARACTERS_MAX, Resolution, WHO_CHARACTERS_MAX};

/// So many cases have something written beside them; an act on one more is refused.
pub const CASES_MAX: usize = 1_000_000;
/// A refund or adjustment of what proves no amount itself (totals, files, and what comes to nothing) is no more than this without sign, minor units; or
/// than what a member's totals differ by.
pub const UNPROVEN_MINOR_MAX: i64 = 1_000_000_000;
/// A day comes in so many parts at most.
pub const PARTS_MAX: u32 = 10_000;
/// Characters of a layout's name.
const NAME_CHARACTERS_MAX: usize = 64;

/// Where a case stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// Nobody has said how it is to end.
    #[default]
    Open,
    /// Somebody has, and somebody else has to check it.
    Proposed,
    /// Disputed with the member.
    Disputed,
    /// Checked.
    Resolved,
}

impl Proposal {
    /// Money moves by it.
    fn moves(&self) -> bool {
        matches!(self.resolution, Resolution::Refund | Resolution::Adjustment)
    }

    /// What the bank owes the acquirer more by it, minor units; negative where the acquirer owes the bank, as for a refund of cash that is still in its
    /// machine.
    pub fn between_minor(&self) -> i64 {
        match self.resolution {
            Resolution::Adjustment => self.amount_minor,
            Resolution::Refund if self.about.acquirer_owes_refund => -self.amount_minor,
            Resolution::Refund | Resolution::Accept | Resolution::Undo => 0,
        }
    }
}

/// A day's file that comes in parts, those with a number among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    /// Those that were taken.
    pub here: u32,
    /// As many as the most that was told of with one that is there; 1 where nothing was told of parts.
    pub wanted: u32,
}

impl Parts {
    /// None is missing: from here on the day is held against them.
    pub fn are_all_here(self) -> bool {
        self.here == self.wanted
    }
}

/// The case of a file that was refused, or was taken and can be read no more: one for its bytes, kind, bank, machine and day, whatever the part. Its line is none that
/// a file has.
pub fn file_case(digest: Digest, key: FileKey) -> CaseId {
    let place = serde_json::to_vec(&of_all_parts(key)).expect("a place has plain values");
    let line = Digest::of(&place).file() | 1 << 63;
    CaseId { of: LineId { file: digest.file(), line }, aspect: Aspect::Bank }
}

fn of_all_parts(key: FileKey) -> FileKey {
    FileKey { part: 0, ..key }
}

impl CaseState {
    /// The word in lists.
    pub fn name(self) -> &'static str {
        match self {
            CaseState::Open => "open",
            CaseState::Proposed => "proposed",
            CaseState::Disputed => "disputed",
            CaseState::Resolved => "resolved",
        }
    }
}

/// What somebody has proposed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// The act that proposed it: what a checker names.
    pub act: u64,
    /// Who: never who approves it.
    pub maker: String,
    /// The exception as the maker saw it.
    pub about: About,
    /// How it is to end.
    pub resolution: Resolution,
    /// How much, minor units.
    pub amount_minor: i64,
    /// The member that pays or is paid.
    pub bank: Option<Institution>,
    /// Why.
    pub why: String,
    /// Who has approved it.
    pub checker: Option<String>,
}

/// A refund or adjustment that was checked, or the undoing of one: what settlement files list. It is never taken out again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Booked {
    /// The act that booked it.
    pub act: u64,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// What was approved; the amount's sign is turned where it was undone.
    pub proposal: Proposal,
}

/// A file that somebody wants to take back out of its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TakingBack {
    /// The act that proposed it: what a checker names.
    pub act: u64,
    /// Who: never who approves it.
    pub maker: String,
    /// Why.
    pub why: String,
}

/// Why nothing is said about taking a file back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotTakenBack {
    /// As it says.
    #[error("it was not taken for this place")]
    NotThere,
    /// As it says.
    #[error("it is proposed already")]
    ProposedAlready,
    /// As it says.
    #[error("nobody has proposed it")]
    NotProposed,
}

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

/// What people have done to a case.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Where it stands. What was resolved was so of [`Case::about`]: of another exception in its place see [`crate::Row::is_open`].
    pub state: CaseState,
    /// Whose it is.
    pub owner: Option<String>,
    /// What is proposed, or was approved last.
    pub proposal: Option<Proposal>,
    /// Refunds and adjustments of this case that are booked and stand.
    #[serde(default)]
    pub standing: Vec<Proposal>,
    /// The exception that was last proposed or disputed upon.
    #[serde(default)]
    pub about: Option<About>,
    /// Who wrote what when, oldest first.
    pub notes: Vec<(i64, String, String)>,
    /// The acts that were about it, by number.
    pub acts: Vec<u64>,
}

/// An act that may not be done; nothing was recorded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The maker of a proposal is never its checker.
    #[error("{0} has proposed it and cannot check it: somebody else has to")]
    OwnProposal(String),
    /// The case is not where it would have to be.
    #[error("the case is {}, and not {wanted}", .found.name())]
    State {
        /// Where it stands.
        found: CaseState,
        /// Where it would have to stand.
        wanted: &'static str,
    },
    /// A text is missing, too long or not printable.
    #[error("{0}: 1 to {1} printable characters are taken")]
    Text(&'static str, usize),
    /// A file that was taken before.
    #[error("{0}")]
    File(#[from] exchange::Refusal),
    /// A file that is not there to be taken back, or of which that is proposed already.
    #[error("taking a file back: {0}")]
    TakeBack(NotTakenBack),
    /// Not a part of so many.
    #[error("part {0} of {1}: 1 to {PARTS_MAX} parts are taken, each with its number among them")]
    Parts(u32, u32),
    /// The day cannot be closed or settled.
    #[error("business day {day}: {reason}")]
    Day {
        /// The day.
        day: Day,
        /// Why not.
        reason: NotDay,
    },
    /// An amount that does not fit the resolution.
    #[error("an amount of {0} does not fit what is proposed")]
    Amount(i64),
    /// An adjustment in the other direction than what is open of its exception.
    #[error("an adjustment of {amount_minor} goes the other way than what is open, {open_minor}: {}", ends(*.amount_minor))]
    OtherWay {
        /// What was proposed, minor units.
        amount_minor: i64,
        /// What the member owes more by the other side's word, without what is booked and stands.
        open_minor: i64,
    },
    /// A refund or adjustment that names nobody.
    #[error("a refund or an adjustment names the bank that pays or is paid")]
    NoBank,
    /// An adjustment that would stand in one file alone: the files of all members would not come to nothing.
    #[error(
        "an adjustment names the acquirer on its other side: the case does not say whose terminal it was"
    )]
    NobodyOpposite,
    /// An amount that nothing in the case bears out.
    #[error(
        "an amount of {amount_minor} is more than the case bears out: {most_minor} at most, without sign"
    )]
    AboveOpen {
        /// What was proposed, minor units.
        amount_minor: i64,
        /// The most, without sign.
        most_minor: i64,
    },
    /// A refund of what is no citizen's transaction: a bank could give it back to nobody.
    #[error("a refund needs a citizen's transaction with its RRN: the case has none")]
    NobodyToRefund,
    /// What stands is another member's: its file was taken for another place when it was booked. Beside it nothing of the case is decided.
    #[error(
        "money is booked of this case for another bank or terminal: reopen the case to take it back first"
    )]
    BookedElsewhere,
    /// The checker has seen another proposal than that which stands there.
    #[error("another proposal stands there by now: look at it first")]
    OtherProposal,
    /// [`Resolution::Undo`] is proposed by reopening alone.
    #[error("what was booked is taken back by reopening its case")]
    Undo,
    /// A match or parting by hand of what is no line, or no transaction, or said already.
    #[error("by hand: {0}")]
    Hand(NotByHand),
    /// [`CASES_MAX`].
    #[error("{CASES_MAX} cases have something written beside them")]
    Full,
}

/// Why a day cannot be closed or settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotDay {
    /// The log has no such day.
    #[error("the log does not know it")]
    Unknown,
    /// No later day was opened.
    #[error("it is open; cut over first")]
    Open,
    /// What is not read yet would come too late for its own day.
    #[error("the log is not read to its end yet; try again in a moment")]
    Reading,
    /// Money would be lacking in it.
    #[error("records of the log do not follow from those before them, and no day counts them")]
    Broken,
    /// Days are closed in their order.
    #[error("an earlier day is not closed")]
    EarlierOpen,
    /// Once is all.
    #[error("it is closed already")]
    ClosedAlready,
    /// What was closed later was closed with all that came before.
    #[error("a day was closed behind this position")]
    ClosedBehind,
    /// Days are closed in their order.
    #[error("a later day is closed already")]
    LaterClosed,
    /// It may still change.
    #[error("it is not closed")]
    NotClosed,
    /// Once is all.
    #[error("it is settled already")]
    SettledAlready,
}

impl NotDay {
    /// All of them.
    pub const ALL: [NotDay; 10] = [
        NotDay::Unknown,
        NotDay::Open,
        NotDay::Reading,
        NotDay::Broken,
        NotDay::EarlierOpen,
        NotDay::ClosedAlready,
        NotDay::ClosedBehind,
        NotDay::LaterClosed,
        NotDay::NotClosed,
        NotDay::SettledAlready,
    ];
}

/// Why a line and a transaction are not matched or parted by hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotByHand {
    /// Something else was named.
    #[error("a line of a taken file and a transaction of the log are named")]
    Unnamed,
    /// It is the last thing that was said of the line.
    #[error("it was said already")]
    SaidAlready,
    /// [`DECISIONS_MAX`].
    #[error("no more is kept")]
    Full,
}

impl NotByHand {
    /// All of them.
    pub const ALL: [NotByHand; 3] = [NotByHand::Unnamed, NotByHand::SaidAlready, NotByHand::Full];
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

    /// The act by which a file was taken back last, by [`LineId::file`] of its lines.
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

    /// Whether somebody may do this now.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, who: &str, deed: &Deed) -> Result<(), Refused> {
        text("who", who, WHO_CHARACTERS_MAX)?;
        let case = deed.case().and_then(|case| self.cases.get(&case));
        let state = case.map_or(CaseState::Open, |case| case.state);
        if deed.case().is_some() && case.is_none() && self.cases.len() >= CASES_MAX {
            return Err(Refused::Full);
        }
        let must_be = |wanted: CaseState| match state == wanted {
            true => Ok(()),
            false => Err(Refused::State { found: state, wanted: wanted.name() }),
        };
        match deed {
            Deed::Take { digest, key, parts, count, .. } => {
                self.intake.check(*digest, *key, *count)?;
                if !(1..=PARTS_MAX).contains(parts) || *parts > 1 && !(1..=*parts).contains(&key.part) {
                    return Err(Refused::Parts(key.part, *parts));
                }
            }
            Deed::TakeBack { digest, key, why } => {
                if !self.has_taken(*digest, *key) {
                    return Err(Refused::TakeBack(NotTakenBack::NotThere));
                }
                if self.taking_back.contains_key(&(*digest, *key)) {
                    return Err(Refused::TakeBack(NotTakenBack::ProposedAlready));
                }
                text("why", why, NOTE_CHARACTERS_MAX)?;
            }
            Deed::ApproveTakeBack { digest, key, proposal }
            | Deed::RejectTakeBack { digest, key, proposal, .. } => {
                let found = self.taking_back.get(&(*digest, *key));
                let found = found.ok_or(Refused::TakeBack(NotTakenBack::NotProposed))?;
                not_own(&found.maker, who)?;
                if found.act != *proposal {
                    return Err(Refused::OtherProposal);
                }
                if let Deed::RejectTakeBack { why, .. } = deed {
                    text("why", why, NOTE_CHARACTERS_MAX)?;
                }
            }
            Deed::KeepLayout { name, .. } => text("name", name, NAME_CHARACTERS_MAX)?,
            Deed::Assign { owner: Some(owner), .. } => text("owner", owner, WHO_CHARACTERS_MAX)?,
            Deed::Note { text: note, .. } => text("note", note, NOTE_CHARACTERS_MAX)?,
            Deed::Propose { case: id, about, resolution, amount_minor, bank, why } => {
                let may_be = matches!(state, CaseState::Open | CaseState::Disputed);
                if !may_be && !is_resolved_of_another(case, about) {
                    return Err(Refused::State { found: state, wanted: "open or disputed" });
                }
                text("why", why, NOTE_CHARACTERS_MAX)?;
                if is_booked_elsewhere(case, about) {
                    return Err(Refused::BookedElsewhere);
                }
                let fits = match resolution {
                    Resolution::Accept => *amount_minor == 0,
                    Resolution::Refund => *amount_minor > 0,
                    Resolution::Adjustment => *amount_minor != 0,
                    Resolution::Undo => return Err(Refused::Undo),
                };
                if !fits {
                    return Err(Refused::Amount(*amount_minor));
                }
                match resolution {
                    Resolution::Refund if !has_citizen(*id, about) => return Err(Refused::NobodyToRefund),
                    Resolution::Refund if about.acquirer_owes_refund => {
                        is_borne_out(case, about, Resolution::Adjustment, -*amount_minor)?;
                        is_borne_out(case, about, Resolution::Refund, *amount_minor)?;
                    }
                    Resolution::Refund | Resolution::Adjustment => {
                        is_borne_out(case, about, *resolution, *amount_minor)?;
                    }
                    Resolution::Accept | Resolution::Undo => {}
                }
                if *resolution != Resolution::Accept && bank.is_none() {
                    return Err(Refused::NoBank);
                }
                if resolution.is_between_members() && about.acquirer.is_none() {
                    return Err(Refused::NobodyOpposite);
                }
            }
            Deed::Approve { proposal, .. } | Deed::Reject { proposal, .. } => {
                must_be(CaseState::Proposed)?;
                let found = case.and_then(|case| case.proposal.as_ref());
                found.map_or(Ok(()), |found| not_own(&found.maker, who))?;
                let is_another = found.is_none_or(|found| found.act != *proposal);
                if is_another && !mutant::is(Mutant::OtherProposalChecked) {
                    return Err(Refused::OtherProposal);
                }
                if let Deed::Reject { why, .. } = deed {
                    text("why", why, NOTE_CHARACTERS_MAX)?;
                }
            }
            Deed::Dispute { about, why, .. } => {
                if state != CaseState::Open && !is_resolved_of_another(case, about) {
                    return Err(Refused::State { found: state, wanted: CaseState::Open.name() });
                }
                text("why", why, NOTE_CHARACTERS_MAX)?;
            }
            Deed::Match { line, ours } | Deed::Part { line, ours } => {
                let is_of_file = self.taken.keys().any(|(digest, _)| digest.file() == line.file);
                if !is_of_file || ours.file != LineId::LOG {
                    return Err(Refused::Hand(NotByHand::Unnamed));
                }
                let last = self.decisions.iter().rev().find(|decision| decision.line() == *line);
                if last.copied() == decision(deed) {
                    return Err(Refused::Hand(NotByHand::SaidAlready));
                }
                if self.decisions.len() >= DECISIONS_MAX {
                    return Err(Refused::Hand(NotByHand::Full));
                }
            }
            Deed::Reopen { why, .. } => {
                if state == CaseState::Open {
                    return Err(Refused::State { found: state, wanted: "proposed, disputed or resolved" });
                }
                text("why", why, NOTE_CHARACTERS_MAX)?;
            }
            Deed::Close { day, position, .. } => {
                if self.closed.contains_key(day) {
                    return Err(Refused::Day { day: *day, reason: NotDay::ClosedAlready });
                }
                // What was closed later was closed with all that came before.
                if self.closed.values().any(|later| later.position > *position) {
                    return Err(Refused::Day { day: *day, reason: NotDay::ClosedBehind });
                }
                if self.closed.keys().any(|later| later > day) {
                    return Err(Refused::Day { day: *day, reason: NotDay::LaterClosed });
                }
            }
            Deed::Settle { day } => {
                let reason = match (self.closed.contains_key(day), self.settled.contains_key(day)) {
                    (true, false) => return Ok(()),
                    (true, true) => NotDay::SettledAlready,
                    (false, _) => NotDay::NotClosed,
                };
                return Err(Refused::Day { day: *day, reason });
            }
            Deed::Assign { owner: None, .. }
            | Deed::Refuse { .. }
            | Deed::Claim { .. }
            | Deed::Acknowledge { .. } => {}
        }
        Ok(())
    }

    /// How it stands before and would stand behind the act, for its record.
    pub(crate) fn before_and_after(&self, who: &str, deed: &Deed) -> (Value, Value) {
        let told = |casework: &Casework| match deed {
            Deed::KeepLayout { name, .. } => json!(casework.layouts.get(name)),
            Deed::TakeBack { digest, key, .. }
            | Deed::ApproveTakeBack { digest, key, .. }
            | Deed::RejectTakeBack { digest, key, .. } => json!(casework.taking_back.get(&(*digest, *key))),
            Deed::Claim { bank, day, .. } => json!(casework.claims.get(&(*day, *bank))),
            Deed::Close { day, .. } | Deed::Settle { day } => {
                json!({ "closed": casework.closed.contains_key(day), "settled": casework.settled.contains_key(day) })
            }
            _ => deed.case().map_or(Value::Null, |case| {
                let case = casework.cases.get(&case);
                json!(case.map(|case| json!({
                    "state": case.state.name(),
                    "owner": case.owner,
                    "proposal": case.proposal,
                })))
            }),
        };
        let mut behind = Casework {
            cases: deed.case().and_then(|id| Some((id, self.cases.get(&id)?.clone()))).into_iter().collect(),
            ..Casework::default()
        };
        let before = told(self);
        (behind.closed, behind.settled) = (self.closed.clone(), self.settled.clone());
        behind.taking_back = self.taking_back.clone();
        behind.apply(&Act {
            number: self.next,
            at_ms: 0,
            who: who.to_owned(),
            from: String::new(),
            deed: deed.clone(),
            before: Value::Null,
            after: Value::Null,
        });
        (before, told(&behind))
    }

    /// Adds an act that was recorded.
    pub fn apply(&mut self, act: &Act) {
        self.next = act.number + 1;
        match &act.deed {
            Deed::Take { digest, key, layout, parts, count, numbering, .. } => {
                // What was recorded was checked; a file of records that says otherwise takes the first.
                if self.intake.take(*digest, *key, *count).is_ok() {
                    self.numbered.entry(*digest).or_insert(*numbering);
                    self.taken.insert((*digest, *key), layout.as_deref().cloned());
                    self.parts.insert(*key, *parts);
                    // It was read with a wrong layout, or for a wrong place, and then with the right one. Without lines it is another one for each place.
                    let is_made_good =
                        |place: &FileKey| *count > 0 || of_all_parts(*place) == of_all_parts(*key);
                    self.refused.retain(|(_, refused, place, ..)| refused != digest || !is_made_good(place));
                    self.handed_in.entry(digest.file()).or_insert((*digest, *key));
                }
            }
            Deed::TakeBack { digest, key, why } => {
                let (maker, why) = (act.who.clone(), why.clone());
                self.taking_back.insert((*digest, *key), TakingBack { act: act.number, maker, why });
            }
            Deed::ApproveTakeBack { digest, key, .. } => {
                self.taking_back.remove(&(*digest, *key));
                self.taken.remove(&(*digest, *key));
                self.intake.give_back(*digest, *key);
                self.taken_back.insert(digest.file(), act.number);
                self.parts.remove(key);
            }
            Deed::RejectTakeBack { digest, key, .. } => drop(self.taking_back.remove(&(*digest, *key))),
            Deed::Refuse { digest, key, kind, reason } => {
                self.refused.push((act.at_ms, *digest, *key, *kind, reason.clone()));
                self.handed_in.insert(digest.file(), (*digest, *key));
            }
            Deed::KeepLayout { name, layout } => drop(self.layouts.insert(name.clone(), (**layout).clone())),
            Deed::Claim { bank, day, claimed } => drop(self.claims.insert((*day, *bank), claimed.clone())),
            Deed::Acknowledge { bank, day } => {
                self.acknowledged.entry((*day, *bank)).or_insert(act.at_ms);
            }
            Deed::Match { .. } | Deed::Part { .. } => {
                self.decisions.extend(decision(&act.deed));
                self.decision_acts.push(act.number);
            }
            Deed::Close { day, position, fees, is_let_go } => {
                let closed = Closed {
                    position: *position,
                    at_ms: act.at_ms,
                    act: act.number,
                    fees: (**fees).clone(),
                    is_let_go: *is_let_go,
                };
                self.closed.insert(*day, closed);
            }
            Deed::Settle { day } => drop(self.settled.insert(*day, act.at_ms)),
            Deed::Assign { .. }
            | Deed::Note { .. }
            | Deed::Propose { .. }
            | Deed::Approve { .. }
            | Deed::Reject { .. }
            | Deed::Dispute { .. }
            | Deed::Reopen { .. } => self.apply_to_case(act),
        }
    }

    /// Versions before had one case for all that had handed in the same bytes, and showed it for the place of the newest refusal: what was done there
    /// was done to that place's.
    fn now_known_as(&self, id: CaseId) -> CaseId {
        let is_before = (id.of.line, id.aspect) == (0, Aspect::Bank);
        match self.handed_in.get(&id.of.file).filter(|_| is_before) {
            Some((digest, key)) => file_case(*digest, *key),
            None => id,
        }
    }

    fn apply_to_case(&mut self, act: &Act) {
        let Some(id) = act.deed.case() else { return };
        let case = self.cases.entry(self.now_known_as(id)).or_default();
        case.acts.push(act.number);
        let note =
            |case: &mut Case, text: &str| case.notes.push((act.at_ms, act.who.clone(), text.to_owned()));
        match &act.deed {
            Deed::Assign { owner, .. } => case.owner.clone_from(owner),
            Deed::Note { text, .. } => note(case, text),
            Deed::Propose { about, resolution, amount_minor, bank, why, .. } => {
                case.about = Some((**about).clone());
                case.propose(Proposal {
                    act: act.number,
                    maker: act.who.clone(),
                    about: (**about).clone(),
                    resolution: *resolution,
                    amount_minor: *amount_minor,
                    bank: *bank,
                    why: why.clone(),
                    checker: None,
                });
            }
            Deed::Approve { .. } => {
                let booked = case.approve(&act.who);
                let book = |proposal| Booked { act: act.number, at_ms: act.at_ms, proposal };
                self.booked.extend(booked.into_iter().map(book));
            }
            Deed::Reject { why, .. } => {
                case.step_back();
                note(case, why);
            }
            Deed::Reopen { why, .. } => {
                let undo = case.undo(act.number, &act.who, why);
                match undo {
                    Some(_) if mutant::is(Mutant::BookedUndoneByOne) => {
                        case.standing.clear();
                        case.step_back();
                    }
                    Some(undo) => case.propose(undo),
                    None => case.step_back(),
                }
                note(case, why);
            }
            Deed::Dispute { about, why, .. } => {
                case.about = Some((**about).clone());
                case.state = CaseState::Disputed;
                note(case, why);
            }
            _ => {}
        }
    }
}

impl Case {
    fn propose(&mut self, proposal: Proposal) {
        (self.state, self.proposal) = (CaseState::Proposed, Some(proposal));
    }

    /// What is booked by it: the proposal itself, or of an undo all that stands, with the other sign.
    fn approve(&mut self, checker: &str) -> Vec<Proposal> {
        let Some(proposal) = self.proposal.take() else { return Vec::new() };
        let proposal = Proposal { checker: Some(checker.to_owned()), ..proposal };
        if proposal.resolution == Resolution::Undo {
            self.state = CaseState::Open;
            let turned = |stood: Proposal| Proposal {
                amount_minor: -stood.amount_minor,
                checker: proposal.checker.clone(),
                ..stood
            };
            return std::mem::take(&mut self.standing).into_iter().map(turned).collect();
        }
        self.state = CaseState::Resolved;
        self.proposal = Some(proposal.clone());
        if !proposal.moves() {
            return Vec::new();
        }
        self.standing.push(proposal.clone());
        vec![proposal]
    }

    /// The case behind a proposal that came to nothing: resolved where something booked stands, else open.
    fn step_back(&mut self) {
        self.proposal = self.standing.last().cloned();
        self.state = if self.proposal.is_some() { CaseState::Resolved } else { CaseState::Open };
        if let Some(stands) = &self.proposal {
            self.about = Some(stands.about.clone());
        }
    }

    /// The proposal that a reopening of a case is that has something booked.
    fn undo(&self, act: u64, maker: &str, why: &str) -> Option<Proposal> {
        let last = self.standing.last().filter(|_| self.state == CaseState::Resolved)?;
        Some(Proposal {
            act,
            maker: maker.to_owned(),
            about: last.about.clone(),
            resolution: Resolution::Undo,
            amount_minor: -self.standing.iter().map(|stood| stood.amount_minor).sum::<i64>(),
            bank: last.bank,
            why: why.to_owned(),
            checker: None,
        })
    }
}

/// A case that was resolved, of another exception than this one, or of one that was there and is gone. Whose terminal it was is not compared: a maker may
/// have named it.
fn is_resolved_of_another(case: Option<&Case>, about: &About) -> bool {
    let resolved = case.filter(|case| case.state == CaseState::Resolved);
    let before = resolved.and_then(|case| case.about.as_ref());
    before.is_some_and(|before| before.is_gone != about.is_gone || !before.is_like(about))
}

/// Money is booked of the case for another bank or terminal than this exception's: its file was taken for another place then.
pub(crate) fn is_booked_elsewhere(case: Option<&Case>, about: &About) -> bool {
    case.into_iter().flat_map(|case| &case.standing).any(|stood| !stood.about.is_at(about))
}

/// What is booked and stands, minor units: of refunds what citizens got, of adjustments what the bank owes the acquirer more, for refunds too.
pub(crate) fn booked_minor(case: Option<&Case>, resolution: Resolution) -> i64 {
    let minor = |stood: &Proposal| match resolution {
        Resolution::Adjustment => stood.between_minor(),
        _ if stood.resolution == resolution => stood.amount_minor,
        _ => 0,
    };
    case.into_iter().flat_map(|case| &case.standing).map(minor).sum()
}

/// There is somebody to give back to: a transaction of the log, or a line that names one.
fn has_citizen(case: CaseId, about: &About) -> bool {
    let is_of_cash_or_papers = matches!(about.kind, Kind::CashOver | Kind::CashShort)
        || matches!(about.kind.group(), Group::Totals | Group::File);
    !is_of_cash_or_papers && (case.of.file == LineId::LOG || about.rrn.is_some())
}

/// The case bears out a refund or adjustment: it goes the way of what is open, and is no more.
///
/// Of a transaction of a bank at a terminal it is known who owes more: an adjustment that goes the other way would make the difference twice as large.
/// Of cash nobody knows it, nor of what has no end: no day counts it. Totals may count pieces, and what is gone comes to nothing.
fn is_borne_out(
    case: Option<&Case>,
    about: &About,
    resolution: Resolution,
    amount_minor: i64,
) -> Result<(), Refused> {
    let is_known =
        about.bank.is_some() && about.terminal.is_some() && !about.is_gone && about.kind != Kind::Suspense;
    let open_minor = about.difference_minor() - booked_minor(case, Resolution::Adjustment);
    let is_adjusted = is_known && resolution == Resolution::Adjustment;
    if is_adjusted && open_minor.signum() * amount_minor.signum() < 0 {
        return Err(Refused::OtherWay { amount_minor, open_minor });
    }
    let most_minor = most_minor(case, about, resolution);
    if amount_minor.saturating_abs() > most_minor {
        return Err(Refused::AboveOpen { amount_minor, most_minor });
    }
    Ok(())
}

/// The most that a case bears out, without sign: what is open of it; where the sides agree in amount, or nobody knows which of them is right, what it
/// comes to; of totals what they differ by, and there, of files and of what comes to nothing, [`UNPROVEN_MINOR_MAX`].
fn most_minor(case: Option<&Case>, about: &About, resolution: Resolution) -> i64 {
    let difference_minor = about.difference_minor();
    let whole_minor = about.ours_minor.saturating_abs().max(about.theirs_minor.saturating_abs());
    let booked_minor = booked_minor(case, resolution);
    let is_unknown = about.is_gone || about.kind == Kind::Suspense;
    match about.kind.group() {
        Group::Totals | Group::File => difference_minor.saturating_abs().max(UNPROVEN_MINOR_MAX),
        _ if whole_minor == 0 => UNPROVEN_MINOR_MAX,
        _ if is_unknown || (difference_minor == 0 && booked_minor == 0) => whole_minor,
        _ if resolution == Resolution::Refund && difference_minor == 0 => (whole_minor - booked_minor).max(0),
        _ if resolution == Resolution::Refund => (difference_minor.saturating_abs() - booked_minor).max(0),
        _ => difference_minor.saturating_sub(booked_minor).saturating_abs(),
    }
}

fn ends(amount_minor: i64) -> &'static str {
    if amount_minor > 0 { "the member would owe more" } else { "the member would owe less" }
}

/// Maker is never checker.
fn not_own(maker: &str, who: &str) -> Result<(), Refused> {
    let is_own = maker == who && !mutant::is(Mutant::OwnProposalChecked);
    if is_own { Err(Refused::OwnProposal(who.to_owned())) } else { Ok(()) }
}

fn decision(deed: &Deed) -> Option<Decision> {
    match deed {
        Deed::Match { line, ours } => Some(Decision::Match { line: *line, ours: *ours }),
        Deed::Part { line, ours } => Some(Decision::Part { line: *line, ours: *ours }),
        _ => None,
    }
}

fn text(name: &'static str, text: &str, characters_max: usize) -> Result<(), Refused> {
    let is_good = !text.trim().is_empty()
        && text.chars().count() <= characters_max
        && !text.chars().any(|character| character.is_control() && character != '\n');
    if is_good { Ok(()) } else { Err(Refused::Text(name, characters_max)) }
}
