//! What goes into the processor and what comes out of it: the whole of its contact with the world.

use credential::Pseudonym;
use iso8583::Message;

use crate::figures::Figures;
use crate::ids::{AccountNumber, BankIdentity, Code, Day, Institution, Rrn, TerminalId, TxKey};
use crate::key_exchange::{KeyOwner, KeyRequest, KeyVerdict};
use crate::key_offers::{KeyNotSent, KeyOffer, OfferedKey};
use crate::pin::{PinRequest, PinVerdict};
use crate::record::{AskedAgain, Block, Evidence, Kind, Position, Record, Resolution, Side, Suspense};
use crate::saf::SafRetry;
use crate::transaction::Transaction;

/// The two clocks, handed in with every input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Monotonic, microseconds from any fixed start: timers run on it.
    pub mono_us: u64,
    /// Wall clock, milliseconds since 1970 (UTC): data, never a timer.
    pub wall_ms: i64,
}

/// A connection, as the server numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LinkId {
    /// A connection that a terminal opened; the number is never used again while the process lives.
    Terminal(u64),
    /// A connection that the switch opened to a bank; one number for each configured address.
    Bank(Institution, u8),
}

/// What the link's stage found of a message's MAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authenticity {
    /// The MAC is right, or the link's policy asks for none.
    Authentic,
    /// The MAC is wrong or absent.
    Forged,
    /// The connection has proved to be somebody else's than whom the message names: nobody there may have an answer that is
    /// signed for that one.
    Foreign,
}

/// Names a question to the log, the verifier or an operator's command, so that its answer finds back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What the processor is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// A connection is open.
    LinkUp(LinkId),
    /// A connection is gone, with all that was not yet delivered on it.
    LinkDown(LinkId),
    /// A message came. `citizen` is the pseudonym of DE2's citizen number, where DE2 is a citizen PAN.
    Received {
        /// On which connection.
        link: LinkId,
        /// The message, canonical.
        message: Message,
        /// The link's verdict on its MAC.
        authenticity: Authenticity,
        /// Pseudonym of the citizen in DE2.
        citizen: Option<Pseudonym>,
    },
    /// Every record below this position is durable.
    Synced(Position),
    /// The answer to [`Output::Find`].
    Found(Ticket, Box<Found>),
    /// The answer to [`Output::Verify`].
    Verified(Ticket, Verdict),
    /// The answer to [`Output::AskAgain`]. `None`: the registry is still away.
    AskedAgain(Ticket, Option<AskedAgain>),
    /// The answer to [`Output::TranslatePin`].
    PinTranslated(Ticket, PinVerdict),
    /// The answer to [`Output::TakeKey`].
    KeyTaken(Ticket, KeyVerdict),
    /// The answer to [`Output::CountTotals`].
    TotalsCounted(Ticket, TotalsVerdict),
    /// The answer to [`Output::OfferKey`]: the key in a block, or why there is none.
    KeyOffered(Ticket, Result<KeyOffer, String>),
    /// The answer to [`Output::UseOfferedKey`].
    OfferedKeyUsed(Ticket, Result<(), String>),
    /// The moment named by `next_deadline` has come.
    Deadline,
    /// The log's disk has no more room than what is kept for the ends of transactions (`true`), or has room again. New
    /// requests are refused meanwhile, with 96 and without a record; what is known, and every advice, goes on.
    DiskFull(bool),
    /// An operator commands; answered by [`Output::Commanded`] with the same ticket.
    Operator(Ticket, Command),
}

/// What the processor wants done. The order of outputs is the order in which they must be carried out.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Look up in the log and the enrolment.
    Find(Ticket, Lookup),
    /// Append to the log; the position is the one that the log must give it.
    Append(Position, Record),
    /// Send on this connection.
    Send(LinkId, Message),
    /// Check chip and citizen.
    Verify(Ticket, Box<VerifyRequest>),
    /// Ask the registry what it was to be asked when the switch stood in for it, by this evidence of the INTENT
    /// ([`RegistryWord::Owed`]). Answered once, by [`Input::AskedAgain`].
    ///
    /// [`RegistryWord::Owed`]: crate::RegistryWord::Owed
    AskAgain(Ticket, Box<Evidence>),
    /// Have the security module translate a PIN; answered once, by [`Input::PinTranslated`].
    TranslatePin(Ticket, Box<PinRequest>),
    /// Have the security module take a key in; answered once, by [`Input::KeyTaken`].
    TakeKey(Ticket, Box<KeyRequest>),
    /// Count a member's totals of a day, from the log alone; answered once, by [`Input::TotalsCounted`].
    CountTotals(Ticket, TotalsQuestion),
    /// Behind what was sent on this connection, its owner's link uses the keys that were taken in: the 0810 is still under
    /// the keys of before.
    UseKeys(LinkId, KeyOwner),
    /// Have the security module make the next key and keep it beside the one in use; answered once, by
    /// [`Input::KeyOffered`].
    OfferKey(Ticket, OfferedKey),
    /// Have it take the key of this check value into use; answered once, by [`Input::OfferedKeyUsed`].
    UseOfferedKey(Ticket, OfferedKey, Box<str>),
    /// Close this connection: it said what no peer of ours says, or is silent.
    Close(LinkId),
    /// An operator's command is done, durable where it has to be; or why it was refused.
    Commanded(Ticket, Result<(), String>),
    /// [`Command::SafRetry`] is done.
    Retried {
        /// The command's.
        ticket: Ticket,
        /// Reversals that were taken up.
        taken: usize,
        /// Reversals of the same banks that rest on: above [`crate::RETRIED_MAX`], or waiting for a bank's own timer.
        resting: usize,
    },
    /// Something that metrics count and people may have to see.
    Event(Event),
}

/// Whose totals of which day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TotalsQuestion {
    /// The business day.
    pub day: Day,
    /// As what the member takes part.
    pub side: Side,
    /// The member.
    pub member: Institution,
}

/// What a count comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TotalsVerdict {
    /// So much.
    Counted {
        /// By element; all of them are there.
        ours: Figures,
        /// From the records below this position, all of them durable.
        as_of: Position,
    },
    /// The log knows no such day.
    DayUnknown,
    /// The log cannot be read, or too much waits.
    Unavailable,
}

/// A question to the log and the enrolment, all in one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lookup {
    /// The message's own name.
    pub own: OwnName,
    /// The key of the original, for advices.
    pub original: Option<TxKey>,
    /// Whose use of which business day counts against the limits.
    pub used: Option<(Pseudonym, Day)>,
    /// Whose linked accounts are wanted.
    pub accounts_of: Option<Pseudonym>,
}

/// By what a message is found in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnName {
    /// A terminal's message: its transaction key; that of an advice finds the transaction that has taken it.
    Key(TxKey),
    /// A bank's answer to nothing that is in memory: our name for the request or reversal.
    Bank(Institution, BankIdentity),
}

/// The answer to a [`Lookup`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Found {
    /// The transaction under the own name.
    pub own: Option<Box<Transaction>>,
    /// The original.
    pub original: Option<Box<Transaction>>,
    /// Sum of all [`crate::record::Spend`] of the citizen's day.
    pub used: Used,
    /// How many records the answer has seen: those below this position.
    pub as_of: Position,
    /// The citizen's linked accounts, at most [`ACCOUNTS_MAX`].
    pub accounts: Vec<LinkedAccount>,
}

/// A citizen has no more linked accounts than this: what DF52 entries of 32 bytes leave room for in DE112.
pub const ACCOUNTS_MAX: usize = 16;

/// What of a day's limits is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    /// Minor units.
    pub amount_minor: i64,
    /// Number of uses.
    pub count: i64,
}

/// A citizen's account at a bank.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkedAccount {
    /// The bank.
    pub bank: Institution,
    /// The account's number there, 1 to 28 printable characters.
    pub number: AccountNumber,
    /// Used when the citizen chooses none.
    pub default: bool,
}

impl LinkedAccount {
    /// The masked alias shown to the citizen and told to the terminal in DF52: its last four characters.
    pub fn alias(&self) -> String {
        let characters: Vec<char> = self.number.chars().collect();
        let shown = characters.len().saturating_sub(4).max(characters.len() / 2);
        characters.iter().enumerate().map(|(index, c)| if index < shown { '*' } else { *c }).collect()
    }
}

/// What the verifier needs: it checks the chip, then asks the registry.
#[derive(Clone, PartialEq, Debug)]
pub struct VerifyRequest {
    /// The request's key.
    pub key: TxKey,
    /// What it asks for.
    pub kind: Kind,
    /// DE37 that the transaction has from here on.
    pub rrn: Rrn,
    /// DE4 in minor units, 0 where there is none.
    pub amount_minor: u64,
    /// DE49, 0 where there is none.
    pub currency: u16,
    /// The challenge seeds that the terminal may have used, newest first.
    pub seed_ids: Vec<[u8; 8]>,
    /// The terminal's message: PAN, proof, SOD and the elements that the challenge covers.
    pub message: Message,
    /// By its kind and amount it may go out in the registry's stead, should that be away (docs/security.md#stand-in).
    pub may_stand_in: bool,
}

/// What the verifier found.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// Chip authentic, citizen and card in order, said the registry's signed answer.
    Verified {
        /// The registry signed that face or finger matched: without it no cash leaves.
        biometric_matched: bool,
        /// What was signed and checked.
        evidence: Evidence,
    },
    /// Refused with this code.
    Refused(Code, Option<Evidence>),
    /// The digest of the SOD is not known: the terminal has to send the SOD.
    SendSod,
    /// The registry is late or not to be believed: no verdict.
    Unavailable,
    /// The chip is authentic, and the registry is away: the processor may stand in for it.
    RegistryAway(Box<Away>),
}

/// What is known of a card whose registry is away.
#[derive(Clone, PartialEq, Debug)]
pub struct Away {
    /// The chip's checks, and what the registry is to be asked ([`RegistryWord::Owed`]).
    ///
    /// [`RegistryWord::Owed`]: crate::RegistryWord::Owed
    pub evidence: Evidence,
    /// The request names a biometric session, which the registry can be asked about later.
    pub has_biometric: bool,
    /// What the registry last signed of this very card, if that was good and is remembered.
    pub known: Option<KnownStatus>,
}

/// A status that the registry has signed: citizen and card in order, face or finger matched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownStatus {
    /// When, wall clock, milliseconds since 1970.
    pub at_ms: i64,
    /// The registry's own word how long it holds (`status_valid_until`), milliseconds since 1970.
    pub valid_until_ms: i64,
}

/// What an operator can command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Open this business day: later than the open one.
    Cutover(Day),
    /// Block or unblock.
    Block(Block),
    /// Take no new requests; what is in flight ends. For a shutdown, or until [`Command::Resume`].
    Drain,
    /// Take requests again, once nothing of a drain is in flight any more.
    Resume,
    /// A clerk has decided about a transaction that waits for a person.
    Resolve(TxKey, Resolution),
    /// Take resting reversals up now; answered by [`Output::Retried`].
    SafRetry(SafRetry),
    /// Send an owner its next key; done when it is in use at both ends.
    SendKey(OfferedKey),
}

/// What metrics count and people may have to see. Those for which [`Event::is_alarm`] holds go to the log as warnings.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A request was answered.
    Answered(Answered),
    /// An advice was answered.
    AdviceAnswered(TxKey),
    /// An advice that nothing waits for was neither recorded nor answered: its terminal sends too many of them.
    AdviceNotTaken(TxKey),
    /// That has begun.
    AdviceFlood(TerminalId),
    /// A repeat was answered from what is recorded.
    Repeated(TxKey),
    /// A bank has acknowledged a reversal.
    Reversed(TxKey),
    /// A transaction waits for a person.
    Suspended(TxKey, Suspense),
    /// A known key came with other content.
    OtherContent(TxKey),
    /// A chip's signature came in a second request.
    SignatureUsedBefore(TxKey),
    /// The switch stood in for the registry.
    StoodIn(TxKey),
    /// The registry was asked again; the code with which it would have refused.
    AskedAgain(TxKey, Option<Code>),
    /// A message with a wrong or absent MAC.
    Forged(LinkId),
    /// A bank's answer that belongs to nothing that waits.
    StrayAnswer(LinkId, BankIdentity),
    /// A bank's answer whose echoed elements are not those of the request.
    OtherEcho(TxKey),
    /// An approval came after its deadline.
    LateApproval(TxKey),
    /// A bank says otherwise than before.
    BankSaysOtherwise(TxKey),
    /// A bank has refused a reversal with this code; it is sent again.
    ReversalRefused(TxKey, Code),
    /// A bank does not answer a reversal; it is sent again, with growing pauses.
    ReversalSilent(TxKey),
    /// A reversal has no form on its bank's link any more; it waits, and is tried again.
    ReversalUnsendable(TxKey),
    /// An advice speaks of cash where nothing was approved.
    CashUnexplained(TxKey),
    /// A message that no peer of ours sends, by the element that is wrong.
    FormatError(LinkId, u8),
    /// A terminal has signed on.
    TerminalSignedOn(TerminalId),
    /// A connection to a bank can carry transactions.
    BankReady(LinkId),
    /// A connection to a bank can carry none.
    BankAway(LinkId),
    /// A bank has acknowledged the cutover to this day.
    CutoverAcknowledged(Institution, Day),
    /// A member's totals of a day are ours.
    TotalsInBalance(Institution, Day),
    /// They are not.
    TotalsOutOfBalance(Institution, Day),
    /// A bank does not answer the 0520 of a day; it is asked no more.
    TotalsUnanswered(Institution, Day),
    /// A request was refused before anything was recorded: too much is in flight, or the log's disk is full.
    Shed(TxKey),
    /// A key that was sent is in use.
    KeySent(OfferedKey),
    /// A key that was sent is not: the one before it stays.
    KeyNotSent(OfferedKey, KeyNotSent),
}

/// Names of events, and which of them are alarms: one list for whoever counts and whoever shows them.
macro_rules! event_names {
    (alarms { $($alarm:pat => $alarm_name:literal,)* } others { $($other:pat => $other_name:literal,)* }) => {
        /// The names of the events for which a person has to look.
        pub const ALARMS: &[&str] = &[$($alarm_name),*];

        impl Event {
            /// What metrics and console call it.
            pub fn name(&self) -> &'static str {
                match self {
                    $($alarm => $alarm_name,)*
                    $($other => $other_name,)*
                }
            }

            /// A person has to look.
            pub fn is_alarm(&self) -> bool {
                match self {
                    $($alarm => true,)*
                    $($other => false,)*
                }
            }
        }
    };
}

event_names! {
    alarms {
        Event::Suspended(..) => "suspended",
        Event::OtherContent(_) => "other_content",
        Event::SignatureUsedBefore(_) => "signature_used_before",
        Event::StoodIn(_) => "stood_in",
        Event::AskedAgain(_, Some(_)) => "asked_again_refused",
        Event::Forged(_) => "forged",
        Event::StrayAnswer(..) => "stray_answer",
        Event::OtherEcho(_) => "other_echo",
        Event::LateApproval(_) => "late_approval",
        Event::BankSaysOtherwise(_) => "bank_says_otherwise",
        Event::ReversalRefused(..) => "reversal_refused",
        Event::ReversalSilent(_) => "reversal_silent",
        Event::ReversalUnsendable(_) => "reversal_unsendable",
        Event::CashUnexplained(_) => "cash_unexplained",
        Event::AdviceFlood(_) => "advice_flood",
        Event::KeyNotSent(..) => "key_not_sent",
        Event::TotalsOutOfBalance(..) => "totals_out_of_balance",
        Event::TotalsUnanswered(..) => "totals_unanswered",
    }
    others {
        Event::Answered(_) => "answered",
        Event::AdviceAnswered(_) => "advice_answered",
        Event::AdviceNotTaken(_) => "advice_not_taken",
        Event::Repeated(_) => "repeated",
        Event::Reversed(_) => "reversed",
        Event::AskedAgain(_, None) => "asked_again",
        Event::FormatError(..) => "format_error",
        Event::TerminalSignedOn(_) => "terminal_signed_on",
        Event::BankReady(_) => "bank_ready",
        Event::BankAway(_) => "bank_away",
        Event::CutoverAcknowledged(..) => "cutover_acknowledged",
        Event::TotalsInBalance(..) => "totals_in_balance",
        Event::KeySent(_) => "key_sent",
        Event::Shed(_) => "shed",
    }
}

/// How a request ended for the terminal, and where its time went. Stages that it did not pass are 0.
#[derive(Clone, PartialEq, Debug)]
pub struct Answered {
    /// Whose.
    pub key: TxKey,
    /// What it asked for.
    pub kind: Kind,
    /// DE39.
    pub code: Code,
    /// From the request's arrival to the moment that the processor took it.
    pub read_us: u64,
    /// Look-up in log and enrolment.
    pub find_us: u64,
    /// Chip and registry.
    pub verify_us: u64,
    /// INTENT's way to the disk.
    pub intent_sync_us: u64,
    /// The bank.
    pub bank_us: u64,
    /// The last record's way to the disk.
    pub outcome_sync_us: u64,
    /// From the request's arrival to the answer's leaving.
    pub total_us: u64,
}
