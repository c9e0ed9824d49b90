//! Why an act may not be done.

use processor::Day;

use super::{CASES_MAX, CaseState, PARTS_MAX};

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
    /// The transaction's other case has the same debt booked or proposed.
    #[error("the same debt is booked or proposed of the transaction's other case: accept this one")]
    BookedBeside,
    /// The bank has debited no more than the cash that left.
    #[error("a refund gives back what was debited: the bank has debited no more than the cash that left")]
    NothingDebited,
    /// The checker has seen another proposal than that which stands there.
    #[error("another proposal stands there by now: look at it first")]
    OtherProposal,
    /// [`crate::Resolution::Undo`] is proposed by reopening alone.
    #[error("what was booked is taken back by reopening its case")]
    Undo,
    /// A match or parting by hand of what is no line, or no transaction, or said already.
    #[error("by hand: {0}")]
    Hand(NotByHand),
    /// [`CASES_MAX`].
    #[error("{CASES_MAX} cases have something written beside them")]
    Full,
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
    /// [`reconciliation::DECISIONS_MAX`].
    #[error("no more is kept")]
    Full,
}

impl NotByHand {
    /// All of them.
    pub const ALL: [NotByHand; 3] = [NotByHand::Unnamed, NotByHand::SaidAlready, NotByHand::Full];
}

fn ends(amount_minor: i64) -> &'static str {
    if amount_minor > 0 { "the member would owe more" } else { "the member would owe less" }
}
