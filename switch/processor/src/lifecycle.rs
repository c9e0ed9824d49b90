//! The state table: every state against every event, without wildcards (docs/lifecycle.md#states).

use mutant::Mutant;

use crate::record::{ClaimReason, Kind, NoteReason, Suspense};

/// Where a transaction stands. INTENT_SYNCING and OUTCOME_SYNCING are SENT and APPROVED whose record is not durable yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// The log has nothing under this key, and nothing is under way.
    Unknown,
    /// Card and citizen are being checked; nothing is recorded.
    Verifying,
    /// INTENT is appended, not durable; the bank has heard nothing.
    IntentSyncing,
    /// The bank has been asked.
    Sent,
    /// OUTCOME is appended, not durable; the terminal has heard nothing.
    OutcomeSyncing,
    /// The terminal may pay out.
    Approved,
    /// Cash has left (or entered) as approved; an inquiry or transfer was answered.
    Completed,
    /// Ended without a debit.
    Declined,
    /// A reversal is owed to the bank.
    Reversing,
    /// The bank has acknowledged the reversal.
    Reversed,
    /// The key is burnt by an advice that came first.
    Tombstone,
    /// An identity was proved and a reference given out.
    Verified,
}

impl State {
    /// All of them, in the order of the table.
    pub const ALL: [State; 12] = [
        State::Unknown,
        State::Verifying,
        State::IntentSyncing,
        State::Sent,
        State::OutcomeSyncing,
        State::Approved,
        State::Completed,
        State::Declined,
        State::Reversing,
        State::Reversed,
        State::Tombstone,
        State::Verified,
    ];

    /// The name in docs, logs and reports.
    pub fn name(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Verifying => "VERIFYING",
            State::IntentSyncing => "INTENT_SYNCING",
            State::Sent => "SENT",
            State::OutcomeSyncing => "OUTCOME_SYNCING",
            State::Approved => "APPROVED",
            State::Completed => "COMPLETED",
            State::Declined => "DECLINED",
            State::Reversing => "REVERSING",
            State::Reversed => "REVERSED",
            State::Tombstone => "TOMBSTONE",
            State::Verified => "VERIFIED",
        }
    }

    /// The switch still owes or awaits something: kept in memory, in checkpoints, and taken up again at a restart.
    pub fn is_open(self) -> bool {
        match self {
            State::Verifying
            | State::IntentSyncing
            | State::Sent
            | State::OutcomeSyncing
            | State::Approved
            | State::Reversing => true,
            State::Unknown
            | State::Completed
            | State::Declined
            | State::Reversed
            | State::Tombstone
            | State::Verified => false,
        }
    }
}

/// What can happen to a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Trigger {
    /// 0100 or 0200 whose key the log does not have, and that may go on.
    Request,
    /// Card, citizen, reference, limits and bank are in order.
    Verified,
    /// Any of them is not, or not to be had in time.
    Refused,
    /// The last connection to the bank is gone.
    BankLinkDown,
    /// INTENT is durable.
    IntentSynced,
    /// OUTCOME is durable.
    OutcomeSynced,
    /// The wait for the bank, or for the answer as a whole, is over.
    Deadline,
    /// 0210 with 00 whose echoed elements are those of the 0200.
    BankApproves,
    /// 0210 with another code than 00 and 94, rightly echoed.
    BankDeclines,
    /// 0210 with 94: the bank saw our 0200 twice.
    BankSawTwice,
    /// 0210 with 00 whose echoed elements are not those of the 0200.
    BankApprovesOther,
    /// 0210 with another code than 00, wrongly echoed.
    BankDeclinesOther,
    /// 0220, DE95 absent or equal to DE4.
    Completion,
    /// 0220 whose DE95 is not DE4.
    CompletionOther,
    /// 0420, DE95 absent or 0.
    ReversalWhole,
    /// 0420, DE95 above 0 and below DE4.
    ReversalPart,
    /// 0420 where a reversal is recorded already, with its DE95.
    ReversalSame,
    /// 0420, DE95 equal to DE4: all the cash has left.
    ReversalNothing,
    /// 0420, DE95 above DE4.
    ReversalOver,
    /// 0220 or 0420 under a good key whose citizen or DE4 is not the original's.
    AdviceMismatch,
    /// APPROVED is past its age.
    Aged,
    /// 0430 with 00.
    Acknowledged,
    /// 0430 with 25, an approval was seen.
    UnknownThoughApproved,
    /// 0430 with 25, no approval was seen, the bank keeps tombstones.
    UnknownTombstoned,
    /// 0430 with 25, no approval was seen, the bank keeps no tombstones: the first.
    UnknownFirst,
    /// The same, the second.
    UnknownSecond,
    /// 0430 with another code.
    ReversalRefused,
    /// The same so often that a person has to know.
    ReversalRefusedOften,
    /// No 0430.
    ReversalSilence,
}

impl Trigger {
    /// All of them, in the order of the table.
    pub const ALL: [Trigger; 29] = [
        Trigger::Request,
        Trigger::Verified,
        Trigger::Refused,
        Trigger::BankLinkDown,
        Trigger::IntentSynced,
        Trigger::OutcomeSynced,
        Trigger::Deadline,
        Trigger::BankApproves,
        Trigger::BankDeclines,
        Trigger::BankSawTwice,
        Trigger::BankApprovesOther,
        Trigger::BankDeclinesOther,
        Trigger::Completion,
        Trigger::CompletionOther,
        Trigger::ReversalWhole,
        Trigger::ReversalPart,
        Trigger::ReversalSame,
        Trigger::ReversalNothing,
        Trigger::ReversalOver,
        Trigger::AdviceMismatch,
        Trigger::Aged,
        Trigger::Acknowledged,
        Trigger::UnknownThoughApproved,
        Trigger::UnknownTombstoned,
        Trigger::UnknownFirst,
        Trigger::UnknownSecond,
        Trigger::ReversalRefused,
        Trigger::ReversalRefusedOften,
        Trigger::ReversalSilence,
    ];

    /// A terminal's 0220 or 0420.
    pub fn is_advice(self) -> bool {
        match self {
            Trigger::Completion
            | Trigger::CompletionOther
            | Trigger::ReversalWhole
            | Trigger::ReversalPart
            | Trigger::ReversalSame
            | Trigger::ReversalNothing
            | Trigger::ReversalOver
            | Trigger::AdviceMismatch => true,
            Trigger::Request
            | Trigger::Verified
            | Trigger::Refused
            | Trigger::BankLinkDown
            | Trigger::IntentSynced
            | Trigger::OutcomeSynced
            | Trigger::Deadline
            | Trigger::BankApproves
            | Trigger::BankDeclines
            | Trigger::BankSawTwice
            | Trigger::BankApprovesOther
            | Trigger::BankDeclinesOther
            | Trigger::Aged
            | Trigger::Acknowledged
            | Trigger::UnknownThoughApproved
            | Trigger::UnknownTombstoned
            | Trigger::UnknownFirst
            | Trigger::UnknownSecond
            | Trigger::ReversalRefused
            | Trigger::ReversalRefusedOften
            | Trigger::ReversalSilence => false,
        }
    }
}

/// The record that a step appends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Write {
    /// None.
    Nothing,
    /// INTENT; VERIFICATION for a 0100.
    Intent,
    /// OUTCOME.
    Outcome,
    /// OUTCOME, and COMPLETE at once where a 0220 was there before it.
    OutcomeThenClaimed,
    /// DECLINED.
    Declined,
    /// REVERSAL.
    Reversal,
    /// REVERSED.
    Reversed,
    /// COMPLETE.
    Complete,
    /// COMPLETE, then CLAIM.
    CompleteAndClaim(ClaimReason),
    /// DECLINED, then CLAIM.
    DeclinedAndClaim(ClaimReason),
    /// TOMBSTONE, then CLAIM.
    TombstoneAndClaim(ClaimReason),
    /// NOTE, then CLAIM.
    NoteAndClaim(NoteReason, ClaimReason),
    /// CLAIM.
    Claim(ClaimReason),
    /// NOTE.
    Note(NoteReason),
    /// TOMBSTONE.
    Tombstone,
}

/// What is owed to the terminal for its request once everything appended is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nothing more than before.
    Nothing,
    /// 00.
    Approved,
    /// The bank's code, or the reason of the refusal.
    Refusal,
    /// 91.
    Unavailable,
    /// 96.
    Unsafe,
}

/// What is owed to the bank (or the verifier) once everything appended is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Nothing.
    Nothing,
    /// Chip and registry are asked.
    Verifier,
    /// 0200.
    Request,
    /// 0420, and 0421 until it is acknowledged.
    Reversal,
    /// 0421 with the same identity, after a pause.
    ReversalAgain,
    /// One more 0421, after the bank's own timer.
    ReversalAfterBankTimer,
}

/// One cell of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What is appended.
    pub write: Write,
    /// What the terminal's request is owed.
    pub answer: Answer,
    /// What the bank is asked.
    pub ask: Ask,
    /// Where it leads.
    pub to: State,
    /// The flag that it raises.
    pub suspense: Option<Suspense>,
    /// A person has to look.
    pub alarm: bool,
}

impl Step {
    const fn to(to: State) -> Step {
        let (write, answer, ask) = (Write::Nothing, Answer::Nothing, Ask::Nothing);
        Step { write, answer, ask, to, suspense: None, alarm: false }
    }

    const fn write(mut self, write: Write) -> Step {
        self.write = write;
        self
    }

    const fn answer(mut self, answer: Answer) -> Step {
        self.answer = answer;
        self
    }

    const fn ask(mut self, ask: Ask) -> Step {
        self.ask = ask;
        self
    }

    const fn suspend(mut self) -> Step {
        self.suspense = Some(Suspense::Claim);
        self.alarm = true;
        self
    }

    const fn suspend_for_age(mut self) -> Step {
        self.suspense = Some(Suspense::Age);
        self
    }

    const fn alarm(mut self) -> Step {
        self.alarm = true;
        self
    }
}

/// The cell for a transaction of this kind. `None`: no code path leads there, and one that did would be a broken
/// invariant. Advices are always answered with 00 once everything is durable, whatever the cell says.
pub fn step(kind: Kind, state: State, trigger: Trigger) -> Option<Step> {
    match kind {
        Kind::Withdrawal | Kind::Deposit => cash(state, trigger),
        Kind::Transfer => transfer(state, trigger),
        Kind::Balance | Kind::MiniStatement => inquiry(state, trigger),
        Kind::Verification => verification(state, trigger),
    }
}

/// A transfer lives as a withdrawal does, but that its OUTCOME ends it: there is no cash to complete, and a terminal
/// that no longer waits takes it back with 0420 (docs/decisions/0003-lifecycle.md).
fn transfer(state: State, trigger: Trigger) -> Option<Step> {
    match (state, trigger) {
        (State::OutcomeSyncing, Trigger::OutcomeSynced) => {
            Some(Step::to(State::Completed).answer(Answer::Approved))
        }
        (State::Completed, Trigger::ReversalWhole) => {
            Some(Step::to(State::Reversing).write(Write::Reversal).ask(Ask::Reversal))
        }
        (
            State::OutcomeSyncing,
            Trigger::Completion
            | Trigger::CompletionOther
            | Trigger::ReversalPart
            | Trigger::ReversalNothing
            | Trigger::ReversalOver
            | Trigger::AdviceMismatch,
        ) => cash(State::Completed, trigger).map(|step| Step { to: state, ..step }),
        (State::Sent, Trigger::BankApproves) => Some(Step::to(State::OutcomeSyncing).write(Write::Outcome)),
        (state, trigger) => cash(state, trigger),
    }
}

fn cash(state: State, trigger: Trigger) -> Option<Step> {
    use ClaimReason as Claimed;
    use NoteReason as Noted;
    use State as S;
    use Trigger as T;
    let stays = Step::to(state);
    Some(match state {
        S::Unknown => match trigger {
            T::Request => Step::to(S::Verifying).ask(Ask::Verifier),
            T::Completion | T::CompletionOther => {
                Step::to(S::Tombstone).write(Write::Claim(Claimed::CompletionWithoutApproval)).suspend()
            }
            T::ReversalWhole if mutant::is(Mutant::UnknownOriginalWithoutTombstone) => stays,
            T::ReversalWhole => Step::to(S::Tombstone).write(Write::Tombstone),
            T::ReversalPart | T::ReversalNothing => Step::to(S::Tombstone).write(Write::Tombstone).suspend(),
            T::ReversalOver => Step::to(S::Tombstone).write(Write::Claim(Claimed::MoreThanAsked)).suspend(),
            T::Verified
            | T::Refused
            | T::BankLinkDown
            | T::IntentSynced
            | T::OutcomeSynced
            | T::Deadline
            | T::BankApproves
            | T::BankDeclines
            | T::BankSawTwice
            | T::BankApprovesOther
            | T::BankDeclinesOther
            | T::AdviceMismatch
            | T::Aged
            | T::Acknowledged
            | T::UnknownThoughApproved
            | T::UnknownTombstoned
            | T::UnknownFirst
            | T::UnknownSecond
            | T::ReversalRefused
            | T::ReversalRefusedOften
            | T::ReversalSame
            | T::ReversalSilence => return None,
        },
        S::Verifying => match trigger {
            T::Verified if mutant::is(Mutant::RequestBeforeIntentDurable) => {
                Step::to(S::Sent).write(Write::Intent).ask(Ask::Request)
            }
            T::Verified => Step::to(S::IntentSyncing).write(Write::Intent),
            T::Refused => Step::to(S::Declined).write(Write::Declined).answer(Answer::Refusal),
            T::BankLinkDown => stays,
            T::Deadline => Step::to(S::Declined).write(Write::Declined).answer(Answer::Unavailable),
            T::Completion => Step::to(S::Tombstone).write(Write::Tombstone).suspend(),
            T::CompletionOther => {
                Step::to(S::Tombstone).write(Write::TombstoneAndClaim(Claimed::OtherAmount)).suspend()
            }
            T::ReversalWhole => Step::to(S::Tombstone).write(Write::Tombstone),
            T::ReversalPart | T::ReversalNothing => Step::to(S::Tombstone).write(Write::Tombstone).suspend(),
            T::ReversalOver => {
                Step::to(S::Tombstone).write(Write::TombstoneAndClaim(Claimed::MoreThanAsked)).suspend()
            }
            T::AdviceMismatch => {
                Step::to(S::Tombstone).write(Write::TombstoneAndClaim(Claimed::OtherAmount)).suspend()
            }
            T::Request
            | T::IntentSynced
            | T::OutcomeSynced
            | T::BankApproves
            | T::BankDeclines
            | T::BankSawTwice
            | T::BankApprovesOther
            | T::BankDeclinesOther
            | T::Aged
            | T::Acknowledged
            | T::UnknownThoughApproved
            | T::UnknownTombstoned
            | T::UnknownFirst
            | T::UnknownSecond
            | T::ReversalRefused
            | T::ReversalRefusedOften
            | T::ReversalSame
            | T::ReversalSilence => return None,
        },
        S::IntentSyncing => match trigger {
            T::IntentSynced => Step::to(S::Sent).ask(Ask::Request),
            T::ReversalWhole if mutant::is(Mutant::ReversalWhileIntentSyncsIgnored) => {
                stays.write(Write::Note(Noted::AdviceAgain))
            }
            T::BankLinkDown | T::Deadline | T::ReversalWhole => {
                Step::to(S::Declined).write(Write::Declined).answer(Answer::Unavailable)
            }
            T::Completion | T::ReversalPart | T::ReversalNothing => {
                Step::to(S::Declined).write(Write::Declined).answer(Answer::Unavailable).suspend()
            }
            T::ReversalOver => Step::to(S::Declined)
                .write(Write::DeclinedAndClaim(Claimed::MoreThanAsked))
                .answer(Answer::Unavailable)
                .suspend(),
            T::CompletionOther | T::AdviceMismatch => Step::to(S::Declined)
                .write(Write::DeclinedAndClaim(Claimed::OtherAmount))
                .answer(Answer::Unavailable)
                .suspend(),
            T::Request
            | T::Verified
            | T::Refused
            | T::OutcomeSynced
            | T::BankApproves
            | T::BankDeclines
            | T::BankSawTwice
            | T::BankApprovesOther
            | T::BankDeclinesOther
            | T::Aged
            | T::Acknowledged
            | T::UnknownThoughApproved
            | T::UnknownTombstoned
            | T::UnknownFirst
            | T::UnknownSecond
            | T::ReversalRefused
            | T::ReversalRefusedOften
            | T::ReversalSame
            | T::ReversalSilence => return None,
        },
        S::Sent => match trigger {
            T::BankApproves => Step::to(S::OutcomeSyncing).write(Write::OutcomeThenClaimed),
            T::BankDeclines => Step::to(S::Declined).write(Write::Declined).answer(Answer::Refusal),
            T::BankSawTwice | T::BankLinkDown => stays,
            T::Deadline if mutant::is(Mutant::NoReversalOnTimeout) => {
                Step::to(S::Declined).write(Write::Declined).answer(Answer::Unavailable)
            }
            T::Deadline => {
                Step::to(S::Reversing).write(Write::Reversal).answer(Answer::Unavailable).ask(Ask::Reversal)
            }
            T::BankApprovesOther | T::BankDeclinesOther => Step::to(S::Reversing)
                .write(Write::Reversal)
                .answer(Answer::Unsafe)
                .ask(Ask::Reversal)
                .alarm(),
            T::ReversalWhole if mutant::is(Mutant::ReversalBeforeAnswerIgnored) => {
                stays.write(Write::Note(Noted::AdviceAgain))
            }
            T::ReversalWhole => Step::to(S::Reversing).write(Write::Reversal).ask(Ask::Reversal),
            T::ReversalPart => Step::to(S::Reversing).write(Write::Reversal).ask(Ask::Reversal).suspend(),
            T::ReversalNothing => stays.write(Write::Claim(Claimed::CashWithoutApproval)).suspend(),
            T::ReversalOver => stays.write(Write::Claim(Claimed::MoreThanAsked)).suspend(),
            T::Completion => stays.write(Write::Claim(Claimed::CompletionBeforeOutcome)).suspend(),
            T::CompletionOther | T::AdviceMismatch => {
                stays.write(Write::Claim(Claimed::OtherAmount)).suspend()
            }
            T::Request
            | T::Verified
            | T::Refused
            | T::IntentSynced
            | T::OutcomeSynced
            | T::Aged
            | T::Acknowledged
            | T::UnknownThoughApproved
            | T::UnknownTombstoned
            | T::UnknownFirst
            | T::UnknownSecond
            | T::ReversalRefused
            | T::ReversalRefusedOften
            | T::ReversalSame
            | T::ReversalSilence => return None,
        },
        S::OutcomeSyncing | S::Approved => match trigger {
            T::OutcomeSynced if state == S::OutcomeSyncing => Step::to(S::Approved).answer(Answer::Approved),
            T::Deadline if state == S::OutcomeSyncing => {
                Step::to(S::Reversing).write(Write::Reversal).answer(Answer::Unavailable).ask(Ask::Reversal)
            }
            T::Aged if mutant::is(Mutant::UnconfirmedApprovalReversed) => {
                Step::to(S::Reversing).write(Write::Reversal).ask(Ask::Reversal)
            }
            T::Aged if state == S::Approved => stays.write(Write::Note(Noted::PastItsAge)).suspend_for_age(),
            T::ReversalWhole | T::ReversalPart => {
                Step::to(S::Reversing).write(Write::Reversal).ask(Ask::Reversal)
            }
            T::Completion | T::ReversalNothing => Step::to(S::Completed).write(Write::Complete),
            T::CompletionOther => {
                Step::to(S::Completed).write(Write::CompleteAndClaim(Claimed::OtherAmount)).suspend()
            }
            T::ReversalOver => stays.write(Write::Claim(Claimed::MoreThanAsked)).suspend(),
            T::AdviceMismatch => stays.write(Write::Claim(Claimed::OtherAmount)).suspend(),
            T::BankDeclines | T::BankApprovesOther | T::BankDeclinesOther => {
                stays.write(Write::Note(Noted::BankSaysOtherwise)).suspend()
            }
            T::BankApproves | T::BankSawTwice | T::BankLinkDown => stays,
            T::Request
            | T::Verified
            | T::Refused
            | T::IntentSynced
            | T::OutcomeSynced
            | T::Deadline
            | T::Aged
            | T::Acknowledged
            | T::UnknownThoughApproved
            | T::UnknownTombstoned
            | T::UnknownFirst
            | T::UnknownSecond
            | T::ReversalRefused
            | T::ReversalRefusedOften
            | T::ReversalSame
            | T::ReversalSilence => return None,
        },
        S::Completed => match trigger {
            T::Completion | T::ReversalNothing => stays.write(Write::Note(Noted::AdviceAgain)),
            T::CompletionOther => {
                stays.write(Write::NoteAndClaim(Noted::AdviceAgain, Claimed::OtherAmount)).suspend()
            }
            T::ReversalWhole | T::ReversalPart if mutant::is(Mutant::PaidOutReversed) => {
                Step::to(S::Reversing).write(Write::Reversal).ask(Ask::Reversal)
            }
            T::ReversalWhole | T::ReversalPart => {
                stays.write(Write::Claim(Claimed::ReversalAfterCompletion)).suspend()
            }
            T::ReversalOver => stays.write(Write::Claim(Claimed::MoreThanAsked)).suspend(),
            T::AdviceMismatch => stays.write(Write::Claim(Claimed::OtherAmount)).suspend(),
            T::BankDeclines | T::BankApprovesOther | T::BankDeclinesOther => {
                stays.write(Write::Note(Noted::BankSaysOtherwise)).suspend()
            }
            T::BankApproves | T::BankSawTwice => stays,
            T::Request
            | T::Verified
            | T::Refused
            | T::BankLinkDown
            | T::IntentSynced
            | T::OutcomeSynced
            | T::Deadline
            | T::Aged
            | T::Acknowledged
            | T::UnknownThoughApproved
            | T::UnknownTombstoned
            | T::UnknownFirst
            | T::UnknownSecond
            | T::ReversalRefused
            | T::ReversalRefusedOften
            | T::ReversalSame
            | T::ReversalSilence => return None,
        },
        S::Declined | S::Tombstone => match trigger {
            T::Completion => stays.write(Write::Claim(Claimed::CompletionWithoutApproval)).suspend(),
            T::CompletionOther | T::AdviceMismatch => {
                stays.write(Write::Claim(Claimed::OtherAmount)).suspend()
            }
            T::ReversalWhole => stays.write(Write::Note(Noted::AdviceAgain)),
            T::ReversalPart | T::ReversalNothing => {
                stays.write(Write::Claim(Claimed::CashWithoutApproval)).suspend()
            }
            T::ReversalOver => stays.write(Write::Claim(Claimed::MoreThanAsked)).suspend(),
            T::BankApproves if mutant::is(Mutant::LateApprovalOfDeclinedDropped) => stays,
            T::BankApproves | T::BankApprovesOther if state == S::Declined => {
                Step::to(S::Reversing).write(Write::Reversal).ask(Ask::Reversal).alarm()
            }
            T::BankDeclines | T::BankSawTwice | T::BankDeclinesOther if state == S::Declined => stays,
            T::Request
            | T::Verified
            | T::Refused
            | T::BankLinkDown
            | T::IntentSynced
            | T::OutcomeSynced
            | T::Deadline
            | T::BankApproves
            | T::BankDeclines
            | T::BankSawTwice
            | T::BankApprovesOther
            | T::BankDeclinesOther
            | T::Aged
            | T::Acknowledged
            | T::UnknownThoughApproved
            | T::UnknownTombstoned
            | T::UnknownFirst
            | T::UnknownSecond
            | T::ReversalRefused
            | T::ReversalRefusedOften
            | T::ReversalSame
            | T::ReversalSilence => return None,
        },
        S::Reversing => match trigger {
            T::Acknowledged | T::UnknownTombstoned => Step::to(S::Reversed).write(Write::Reversed),
            T::UnknownSecond => Step::to(S::Reversed).write(Write::Reversed).suspend(),
            T::UnknownFirst => stays.ask(Ask::ReversalAfterBankTimer),
            T::UnknownThoughApproved | T::ReversalRefused => stays.ask(Ask::ReversalAgain).alarm(),
            T::ReversalRefusedOften => {
                stays.write(Write::Note(Noted::ReversalRefused)).ask(Ask::ReversalAgain).suspend()
            }
            T::ReversalSilence => stays.ask(Ask::ReversalAgain).alarm(),
            T::BankApproves => stays.write(Write::Note(Noted::ApprovalSeen)),
            T::BankDeclines if mutant::is(Mutant::LateDeclineEndsReversal) => {
                Step::to(S::Reversed).write(Write::Reversed)
            }
            T::BankDeclines
            | T::BankSawTwice
            | T::BankApprovesOther
            | T::BankDeclinesOther
            | T::BankLinkDown => stays,
            T::Completion => stays.write(Write::Claim(Claimed::CashAfterReversal)).suspend(),
            T::CompletionOther | T::AdviceMismatch => {
                stays.write(Write::Claim(Claimed::OtherAmount)).suspend()
            }
            T::ReversalWhole => stays.write(Write::Claim(Claimed::OtherAmount)).suspend(),
            T::ReversalNothing | T::ReversalPart | T::ReversalOver => {
                stays.write(Write::Claim(Claimed::CashAfterReversal)).suspend()
            }
            T::ReversalSame => stays.write(Write::Note(Noted::AdviceAgain)),
            T::Request
            | T::Verified
            | T::Refused
            | T::IntentSynced
            | T::OutcomeSynced
            | T::Deadline
            | T::Aged => return None,
        },
        S::Reversed => match trigger {
            T::BankApproves if mutant::is(Mutant::LateApprovalAfterReversedDropped) => stays,
            T::BankApproves | T::BankApprovesOther => {
                Step::to(S::Reversing).write(Write::Reversal).ask(Ask::Reversal).alarm()
            }
            T::BankDeclines
            | T::BankSawTwice
            | T::BankDeclinesOther
            | T::Acknowledged
            | T::UnknownThoughApproved
            | T::UnknownTombstoned
            | T::UnknownFirst
            | T::UnknownSecond
            | T::ReversalRefused
            | T::ReversalRefusedOften => stays,
            T::Completion => stays.write(Write::Claim(Claimed::CashAfterReversal)).suspend(),
            T::CompletionOther | T::AdviceMismatch => {
                stays.write(Write::Claim(Claimed::OtherAmount)).suspend()
            }
            T::ReversalWhole => stays.write(Write::Claim(Claimed::OtherAmount)).suspend(),
            T::ReversalNothing | T::ReversalPart | T::ReversalOver => {
                stays.write(Write::Claim(Claimed::CashAfterReversal)).suspend()
            }
            T::ReversalSame => stays.write(Write::Note(Noted::AdviceAgain)),
            T::Request
            | T::Verified
            | T::Refused
            | T::BankLinkDown
            | T::IntentSynced
            | T::OutcomeSynced
            | T::Deadline
            | T::Aged
            | T::ReversalSilence => return None,
        },
        S::Verified => return None,
    })
}

/// Balance and mini statement move no money: final at the answer, never reversed; what a terminal says later of cash
/// is a claim, for there was none.
fn inquiry(state: State, trigger: Trigger) -> Option<Step> {
    use State as S;
    use Trigger as T;
    let stays = Step::to(state);
    let is_advice = trigger.is_advice();
    match (state, trigger) {
        (S::Unknown, T::Request) => Some(Step::to(S::Verifying).ask(Ask::Verifier)),
        (S::Verifying, T::Verified) => Some(Step::to(S::IntentSyncing).write(Write::Intent)),
        (S::Verifying, T::Refused) => {
            Some(Step::to(S::Declined).write(Write::Declined).answer(Answer::Refusal))
        }
        (S::IntentSyncing, T::IntentSynced) => Some(Step::to(S::Sent).ask(Ask::Request)),
        (S::Verifying | S::IntentSyncing | S::Sent, T::Deadline) | (S::IntentSyncing, T::BankLinkDown) => {
            Some(Step::to(S::Declined).write(Write::Declined).answer(Answer::Unavailable))
        }
        (S::OutcomeSyncing, T::Deadline) => Some(stays),
        (S::Verifying | S::Sent | S::OutcomeSyncing, T::BankLinkDown) => Some(stays),
        (S::Sent, T::BankApproves) => Some(Step::to(S::OutcomeSyncing).write(Write::Outcome)),
        (S::Sent, T::BankDeclines) => {
            Some(Step::to(S::Declined).write(Write::Declined).answer(Answer::Refusal))
        }
        (S::Sent, T::BankSawTwice) => Some(stays),
        (S::Sent, T::BankApprovesOther | T::BankDeclinesOther) => {
            Some(Step::to(S::Declined).write(Write::Declined).answer(Answer::Unsafe).alarm())
        }
        (S::OutcomeSyncing, T::OutcomeSynced) => Some(Step::to(S::Completed).answer(Answer::Approved)),
        (
            S::OutcomeSyncing | S::Completed | S::Declined,
            T::BankApproves | T::BankDeclines | T::BankSawTwice | T::BankApprovesOther | T::BankDeclinesOther,
        ) => Some(stays),
        (S::Verifying, T::ReversalWhole) => Some(Step::to(S::Tombstone).write(Write::Tombstone)),
        (S::IntentSyncing | S::Sent, T::ReversalWhole) => {
            Some(Step::to(S::Declined).write(Write::Declined).answer(Answer::Unavailable))
        }
        (S::OutcomeSyncing | S::Completed | S::Declined, T::ReversalWhole) => {
            Some(stays.write(Write::Note(NoteReason::AdviceAgain)))
        }
        (S::Verifying, _) if is_advice => Some(
            Step::to(S::Tombstone)
                .write(Write::TombstoneAndClaim(ClaimReason::CashWithoutApproval))
                .suspend(),
        ),
        (S::IntentSyncing | S::Sent | S::OutcomeSyncing | S::Completed | S::Declined, _) if is_advice => {
            Some(stays.write(Write::Claim(ClaimReason::CashWithoutApproval)).suspend())
        }
        (S::Unknown | S::Tombstone, _) if is_advice => cash(state, trigger),
        (
            S::Unknown
            | S::Verifying
            | S::IntentSyncing
            | S::Sent
            | S::OutcomeSyncing
            | S::Approved
            | S::Completed
            | S::Declined
            | S::Reversing
            | S::Reversed
            | S::Tombstone
            | S::Verified,
            _,
        ) => None,
    }
}

/// A verification ends when its record, which stands in INTENT's place, is durable; no bank is asked.
fn verification(state: State, trigger: Trigger) -> Option<Step> {
    use State as S;
    use Trigger as T;
    match (state, trigger) {
        (S::Unknown, T::Request) => Some(Step::to(S::Verifying).ask(Ask::Verifier)),
        (S::Verifying, T::Verified) => Some(Step::to(S::IntentSyncing).write(Write::Intent)),
        (S::Verifying, T::Refused) => {
            Some(Step::to(S::Declined).write(Write::Declined).answer(Answer::Refusal))
        }
        (S::Verifying, T::Deadline) => {
            Some(Step::to(S::Declined).write(Write::Declined).answer(Answer::Unavailable))
        }
        (S::IntentSyncing, T::IntentSynced) => Some(Step::to(S::Verified).answer(Answer::Approved)),
        (S::IntentSyncing, T::Deadline) => Some(Step::to(state)),
        (
            S::Unknown
            | S::Verifying
            | S::IntentSyncing
            | S::Sent
            | S::OutcomeSyncing
            | S::Approved
            | S::Completed
            | S::Declined
            | S::Reversing
            | S::Reversed
            | S::Tombstone
            | S::Verified,
            _,
        ) => None,
    }
}
