//! An act: who did what, when, from where, and how things stood before and after.

use std::collections::BTreeMap;

use exchange::{Digest, FileKey, Layout, Numbering};
use processor::{Day, Institution, Position, Rrn, TerminalId};
use reconciliation::{CaseId, Exception, FeeTable, Kind, LineId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Characters of a name.
pub const WHO_CHARACTERS_MAX: usize = 64;
/// Characters of a note or a reason.
pub const NOTE_CHARACTERS_MAX: usize = 1_000;

/// Something that a person has done.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// From 0 without gaps.
    pub number: u64,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: i64,
    /// A person's name, or `uid 1000` of whoever uses the command line.
    pub who: String,
    /// An address, or `command line`.
    pub from: String,
    /// What.
    pub deed: Deed,
    /// How it was before; null where there was nothing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// How it is then.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
}

/// How a case is to end, other than by matching.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It stands as it is.
    Accept,
    /// The bank gives the citizen the money back.
    Refund,
    /// An adjustment between members, in the day that is open.
    Adjustment,
    /// What was booked of the case is booked with the other sign: what [`Deed::Reopen`] proposes, never [`Deed::Propose`].
    Undo,
}

impl Resolution {
    /// Its name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Resolution::Accept => "accept",
            Resolution::Refund => "refund",
            Resolution::Adjustment => "adjustment",
            Resolution::Undo => "undo",
        }
    }

    /// The whole of it one member owes another. A refund is the bank's with its citizen; what the acquirer owes the bank for it is
    /// [`crate::Proposal::between_minor`].
    pub fn is_between_members(self) -> bool {
        self == Resolution::Adjustment
    }

    /// Those that a person may propose.
    pub const PROPOSED: [Resolution; 3] = [Resolution::Refund, Resolution::Adjustment, Resolution::Accept];

    /// What is offered by itself: a refund where the journal proves that no cash, or not all of it, has left.
    pub fn offered(kind: Kind) -> Option<Resolution> {
        match kind {
            Kind::DebitedNotDispensed | Kind::PartDispensed | Kind::Retracted => Some(Resolution::Refund),
            _ => None,
        }
    }
}

fn one() -> u32 {
    1
}

fn is_one(parts: &u32) -> bool {
    *parts == 1
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The exception that somebody had before them: what was decided of it says nothing of another one in the same place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its kind.
    pub kind: Kind,
    /// Its business day.
    pub day: Day,
    /// Its bank, where it has one.
    pub bank: Option<Institution>,
    /// Whose terminal it is, where that is known or the maker of an adjustment has named it: an adjustment of the bank is this one's with the other
    /// sign.
    pub acquirer: Option<Institution>,
    /// Its terminal, where it has one.
    pub terminal: Option<TerminalId>,
    /// DE37, where it is known, and not where it may be a citizen's number: acts stand on a disk in clear, and in files for banks.
    pub rrn: Option<Rrn>,
    /// Seconds since 1970.
    pub at_s: i64,
    /// What is due by the log, minor units.
    pub ours_minor: i64,
    /// What the other side has.
    pub theirs_minor: i64,
    /// No side showed it any more: what was decided was said of what is booked upon it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_gone: bool,
    /// The cash of it is still in another member's machine: what the bank refunds of it that member owes the bank. Acts before this had refunds of which
    /// no member owed anything, and stay so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub acquirer_owes_refund: bool,
    /// What the bank has debited by its own file, where that is not what the log has: no more is given back. Acts before this do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debited_minor: Option<i64>,
}

impl About {
    /// What is known of an exception that is there.
    pub fn of(exception: &Exception) -> About {
        About {
            kind: exception.kind,
            day: exception.day,
            bank: exception.bank,
            acquirer: exception.acquirer,
            terminal: exception.terminal,
            rrn: exception.rrn.filter(|rrn| !rrn.may_be_citizens(exception.day)),
            at_s: exception.at_s,
            ours_minor: exception.ours_minor,
            theirs_minor: exception.theirs_minor,
            is_gone: false,
            acquirer_owes_refund: is_cash_another_s(exception),
            debited_minor: None,
        }
    }

    /// It is still the same exception: of the same kind, and as much, and the same members' on the same day. A line's case is known by its file's bytes
    /// alone: taken for another place it is another bank's. Whose terminal it was counts where the exception says so itself, and not where a maker did.
    pub fn is(&self, exception: &Exception) -> bool {
        let is_opposite = exception.acquirer.is_none_or(|acquirer| self.acquirer == Some(acquirer));
        is_opposite && self.is_like(&About::of(exception))
    }

    /// Of the same kind, as much, and of the same day, bank and terminal.
    pub(crate) fn is_like(&self, other: &About) -> bool {
        (self.kind, self.ours_minor, self.theirs_minor, self.day)
            == (other.kind, other.ours_minor, other.theirs_minor, other.day)
            && self.is_at(other)
    }

    /// Of the same bank and terminal: what is booked of the one is money of the other.
    pub(crate) fn is_at(&self, other: &About) -> bool {
        (self.bank, self.terminal) == (other.bank, other.terminal)
    }

    /// What the other side has more than the log.
    pub(crate) fn difference_minor(&self) -> i64 {
        self.theirs_minor.saturating_sub(self.ours_minor)
    }

    /// The exception as it was, of a case that no side shows any more.
    pub(crate) fn as_it_was(&self, case: CaseId) -> Exception {
        Exception {
            case,
            kind: self.kind,
            day: self.day,
            bank: self.bank,
            acquirer: self.acquirer,
            terminal: self.terminal,
            rrn: self.rrn,
            at_s: self.at_s,
            ours_minor: self.ours_minor,
            theirs_minor: self.theirs_minor,
            rule: None,
            lines: Vec::new(),
        }
    }
}

/// The journal proves that not all cash left, and the machine is another member's than the citizen's bank.
fn is_cash_another_s(exception: &Exception) -> bool {
    let is_proven = Resolution::offered(exception.kind) == Some(Resolution::Refund);
    let members = exception.bank.zip(exception.acquirer);
    is_proven && members.is_some_and(|(bank, acquirer)| bank != acquirer)
}

/// What a person does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Deed {
    /// Takes a file.
    Take {
        /// What it is known by.
        digest: Digest,
        /// The place that it fills.
        key: FileKey,
        /// How it is read, where it is not in its normal form.
        layout: Option<Box<Layout>>,
        /// Its lines.
        count: u64,
        /// The sum of its amounts without sign, minor units.
        sum_minor: i64,
        /// The day comes in so many parts: before they are all here nothing of it is missing.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        parts: u32,
        /// How its lines are counted.
        #[serde(default, skip_serializing_if = "Numbering::is_first")]
        numbering: Numbering,
    },
    /// Says that a file was taken for a place that is not its own, and proposes to take it back; somebody else has to check it.
    TakeBack {
        /// What it is known by.
        digest: Digest,
        /// The place that it fills.
        key: FileKey,
        /// Why.
        why: String,
    },
    /// Approves that: the place is free again, and nothing of the file is matched any more. Its bytes are kept.
    ApproveTakeBack {
        /// What it is known by.
        digest: Digest,
        /// The place that it fills.
        key: FileKey,
        /// The number of the act that proposed what the checker has seen.
        proposal: u64,
    },
    /// Refuses it: the file stays where it is.
    RejectTakeBack {
        /// What it is known by.
        digest: Digest,
        /// The place that it fills.
        key: FileKey,
        /// The number of the act that proposed what the checker has seen.
        proposal: u64,
        /// Why.
        why: String,
    },
    /// Handed in a file that was refused: an exception of its own.
    Refuse {
        /// What it is known by.
        digest: Digest,
        /// The place that it would have filled.
        key: FileKey,
        /// Why.
        kind: Kind,
        /// The first thing that is wrong.
        reason: String,
    },
    /// Keeps a layout under a name; another of that name is replaced.
    KeepLayout {
        /// The name.
        name: String,
        /// The layout.
        layout: Box<Layout>,
    },
    /// Takes what a member says its totals are.
    Claim {
        /// The member.
        bank: Institution,
        /// The day.
        day: Day,
        /// By element.
        claimed: BTreeMap<u8, i64>,
    },
    /// A member has acknowledged the cutover to a day: recorded by the switch itself.
    Acknowledge {
        /// The member.
        bank: Institution,
        /// The day.
        day: Day,
    },
    /// Gives a case to somebody, or to nobody.
    Assign {
        /// The case.
        case: CaseId,
        /// Whom.
        owner: Option<String>,
    },
    /// Writes something down beside a case.
    Note {
        /// The case.
        case: CaseId,
        /// What.
        text: String,
    },
    /// Says that a line belongs to a transaction.
    Match {
        /// The line.
        line: LineId,
        /// The transaction.
        ours: LineId,
    },
    /// Says that it does not: the undo of a match, also of one that the rules made.
    Part {
        /// The line.
        line: LineId,
        /// The transaction.
        ours: LineId,
    },
    /// Proposes how a case is to end; somebody else has to check it.
    Propose {
        /// The case.
        case: CaseId,
        /// The exception as the maker sees it.
        about: Box<About>,
        /// How.
        resolution: Resolution,
        /// How much, minor units; 0 where it is accepted. Of an adjustment what the member owes more.
        amount_minor: i64,
        /// The member that pays or is paid: of a refund or adjustment there is always one.
        bank: Option<Institution>,
        /// Why.
        why: String,
    },
    /// Approves what somebody else has proposed: the case is resolved.
    Approve {
        /// The case.
        case: CaseId,
        /// The number of the act that proposed what the checker has seen; another one is not approved.
        proposal: u64,
    },
    /// Refuses what somebody else has proposed: the case stands as it stood before.
    Reject {
        /// The case.
        case: CaseId,
        /// The number of the act that proposed what the checker has seen.
        proposal: u64,
        /// Why.
        why: String,
    },
    /// Disputes a case with the member.
    Dispute {
        /// The case.
        case: CaseId,
        /// The exception as it is seen.
        about: Box<About>,
        /// Why.
        why: String,
    },
    /// Undoes how a case ended, or takes back a proposal or dispute: it is open again. Where something was booked it is a proposal to book it
    /// with the other sign, which somebody else has to check.
    Reopen {
        /// The case.
        case: CaseId,
        /// Why.
        why: String,
    },
    /// Closes a day: what the log says from this position on is an adjustment of the open day.
    Close {
        /// The day.
        day: Day,
        /// The first record that comes too late.
        position: Position,
        /// The fees that were in force: whatever settles in the day follows them for ever.
        fees: Box<FeeTable>,
        /// Its single transactions were let go before: it has no files, and what was booked goes into those of a later day.
        #[serde(default, skip_serializing_if = "is_false")]
        is_let_go: bool,
    },
    /// Says that the banks have settled a closed day.
    Settle {
        /// The day.
        day: Day,
    },
}

impl Deed {
    /// The word in lists and in the audit.
    pub fn name(&self) -> &'static str {
        match self {
            Deed::Take { .. } => "take",
            Deed::TakeBack { .. } => "take back",
            Deed::ApproveTakeBack { .. } => "approve take back",
            Deed::RejectTakeBack { .. } => "reject take back",
            Deed::Refuse { .. } => "refuse",
            Deed::KeepLayout { .. } => "keep layout",
            Deed::Claim { .. } => "claim",
            Deed::Acknowledge { .. } => "acknowledge",
            Deed::Assign { .. } => "assign",
            Deed::Note { .. } => "note",
            Deed::Match { .. } => "match",
            Deed::Part { .. } => "part",
            Deed::Propose { .. } => "propose",
            Deed::Approve { .. } => "approve",
            Deed::Reject { .. } => "reject",
            Deed::Dispute { .. } => "dispute",
            Deed::Reopen { .. } => "reopen",
            Deed::Close { .. } => "close",
            Deed::Settle { .. } => "settle",
        }
    }

    /// The case that it is about.
    pub fn case(&self) -> Option<CaseId> {
        match self {
            Deed::Assign { case, .. }
            | Deed::Note { case, .. }
            | Deed::Propose { case, .. }
            | Deed::Approve { case, .. }
            | Deed::Reject { case, .. }
            | Deed::Dispute { case, .. }
            | Deed::Reopen { case, .. } => Some(*case),
            Deed::Take { .. }
            | Deed::TakeBack { .. }
            | Deed::ApproveTakeBack { .. }
            | Deed::RejectTakeBack { .. }
            | Deed::Refuse { .. }
            | Deed::KeepLayout { .. }
            | Deed::Claim { .. }
            | Deed::Acknowledge { .. }
            | Deed::Match { .. }
            | Deed::Part { .. }
            | Deed::Close { .. }
            | Deed::Settle { .. } => None,
        }
    }
}
