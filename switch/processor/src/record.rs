//! The records of the durable log: every fact that a transaction leaves behind, and nothing that can be derived.

use credential::{Pan, Pseudonym, Reference};
use serde::{Deserialize, Serialize};

use crate::figures::Figures;
use crate::ids::{AccountNumber, BankIdentity, Code, Day, Institution, Rrn, TerminalId, TxKey};

/// Place of a record in the log, counted from 0 without gaps.
pub type Position = u64;

/// One record. Its position, the synced position known when it was written, checksum and chain are the log's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Wall clock at the append, milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// The transaction it belongs to (that of the original, never of an advice); `None` for acts on the switch itself.
    pub transaction: Option<TxKey>,
    /// Raised when a person must decide; docs/architecture.md#suspense.
    pub suspense: Option<Suspense>,
    /// What it adds to the citizen's use of the day: the sum over all records is what counts against the limits.
    pub spend: Option<Spend>,
    /// The fact.
    pub body: Body,
}

/// Why a transaction waits for a person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Suspense {
    /// APPROVED past its age: a later 0220 or 0420 clears it.
    Age,
    /// Raised by what a terminal or bank said, or by the registry asked again: only a clerk's resolution clears it.
    Claim,
}

/// A change of what a citizen has used of the limits of one business day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Spend {
    /// Whose limits.
    pub citizen: Pseudonym,
    /// The business day fixed at INTENT.
    pub day: Day,
    /// Minor units; negative when a decline or a reversal gives back.
    pub amount_minor: i64,
    /// Number of uses; -1 when the use is undone whole.
    pub count: i32,
}

/// The kinds of record and what each holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// A bank is about to be asked.
    Intent(Box<Intent>),
    /// A bank has approved.
    Outcome(Outcome),
    /// Ended without a debit.
    Declined(Box<Declined>),
    /// A reversal is owed to the bank until it acknowledges it.
    Reversal(Reversal),
    /// The bank has acknowledged the reversal with this DE39.
    Reversed(Code),
    /// Cash has left (or entered) as approved.
    Complete(Option<Advice>),
    /// A terminal or bank says what the state does not allow: a person decides.
    Claim(ClaimReason, Option<Advice>),
    /// Seen, kept as evidence, changes no state.
    Note(NoteReason, Option<Advice>),
    /// An advice came before its original, whose key is burnt.
    Tombstone(Option<Advice>),
    /// An identity was proved; a reference is given out.
    Verification(Box<Verification>),
    /// The business day changed to this one.
    Cutover(Day),
    /// An operator blocked or unblocked something.
    Block(Block),
    /// A person has decided: SUSPENSE is over.
    Resolution(Resolution),
    /// What a business day comes to for a member.
    Totals(Box<Totals>),
    /// What the registry said later of a withdrawal that went out in its stead ([`RegistryWord::Owed`]).
    AskedAgain(Box<AskedAgain>),
}

impl Body {
    /// The kind's name in logs, metrics and docs.
    pub fn name(&self) -> &'static str {
        match self {
            Body::Intent(_) => "INTENT",
            Body::Outcome(_) => "OUTCOME",
            Body::Declined(_) => "DECLINED",
            Body::Reversal(_) => "REVERSAL",
            Body::Reversed(_) => "REVERSED",
            Body::Complete(_) => "COMPLETE",
            Body::Claim(..) => "CLAIM",
            Body::Note(..) => "NOTE",
            Body::Tombstone(_) => "TOMBSTONE",
            Body::Verification(_) => "VERIFICATION",
            Body::Cutover(_) => "CUTOVER",
            Body::Block(_) => "BLOCK",
            Body::Resolution(_) => "RESOLUTION",
            Body::Totals(_) => "TOTALS",
            Body::AskedAgain(_) => "ASKED-AGAIN",
        }
    }
}

/// What a transaction is, by DE3 positions 1-2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// 01.
    Withdrawal,
    /// 21.
    Deposit,
    /// 31.
    Balance,
    /// 38.
    MiniStatement,
    /// 40, both accounts at one bank.
    Transfer,
    /// 33 under MTI 0100.
    Verification,
}

impl Kind {
    /// The name in logs, metrics and docs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Withdrawal => "withdrawal",
            Kind::Deposit => "deposit",
            Kind::Balance => "balance inquiry",
            Kind::MiniStatement => "mini statement",
            Kind::Transfer => "transfer",
            Kind::Verification => "verification",
        }
    }
}

/// The elements that make a request what it is: other content under a known key is refused with 94
/// (docs/interface.md#keys).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Content {
    /// DE2, by the pseudonym of its citizen number.
    pub citizen: Pseudonym,
    /// DE3.
    pub processing: [u8; 6],
    /// DE4 in the switch's minor units; 0 where there is none.
    pub amount_minor: u64,
    /// DE49 as a number; 0 where there is none.
    pub currency: u16,
    /// DE90 as the key of the original: advices only.
    pub original: Option<TxKey>,
    /// DE95's first 12 digits in minor units: advices only.
    pub left_minor: Option<u64>,
    /// DE100.
    pub institution: Option<Institution>,
    /// DE102, trailing spaces cut.
    pub from_account: Option<AccountNumber>,
    /// DE103, trailing spaces cut.
    pub to_account: Option<AccountNumber>,
}

/// Elements kept as they came, to be carried on: 12, 13, 18, 22, 25, 42, 43 of a request; 54, 62 of a bank's answer.
/// None of them may be Account, Personal or Secret, but 54 and 62, which are shown to the citizen alone and masked.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Carried(Vec<u8>);

/// In front of each value of [`Carried`]: its element, and its length in two bytes.
const CARRIED_HEAD_BYTES: usize = 3;

/// What a request carries has room in so many bytes: its seven elements have 77 and their heads 21.
const CARRIED_ROOM_BYTES: usize = 104;

impl Carried {
    /// Keeps the value of an element.
    ///
    /// # Panics
    /// When the value has more than 65,535 bytes; no element of a message has.
    pub fn set(&mut self, element: u8, value: &[u8]) {
        let [high, low] = u16::try_from(value.len()).expect("an element has at most 999 bytes").to_be_bytes();
        self.0.reserve(CARRIED_HEAD_BYTES + value.len());
        self.0.extend_from_slice(&[element, high, low]);
        self.0.extend_from_slice(value);
    }

    /// As [`Carried::set`] of each, in one piece of memory.
    pub(crate) fn of<'a>(values: impl Iterator<Item = (u8, &'a [u8])>) -> Carried {
        let mut carried = Carried(Vec::with_capacity(CARRIED_ROOM_BYTES));
        values.for_each(|(element, value)| carried.set(element, value));
        carried
    }

    /// In the order in which they were kept.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let ([element, high, low], behind) = rest.split_first_chunk()?;
            let (value, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
            rest = behind;
            Some((*element, value))
        })
    }
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(|(element, _)| element)).finish()
    }
}

/// A request as the terminal sent it, as far as anything later needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What it asks for.
    pub kind: Kind,
    /// DE2; sealed in the log.
    pub pan: Pan,
    /// What makes it this request and no other.
    pub content: Content,
    /// DE37 for the whole life of the transaction.
    pub rrn: Rrn,
    /// The terminal gave the RRN: it says nothing about our own counter.
    pub rrn_from_terminal: bool,
    /// Elements carried on to the bank.
    pub carried: Carried,
}

/// INTENT: durable before the bank hears of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// The terminal's request.
    pub request: Request,
    /// The issuer that is asked.
    pub bank: Institution,
    /// The citizen's account there, DE102 towards the bank.
    pub account: Option<AccountNumber>,
    /// Our name for the 0200 at the bank.
    pub identity: BankIdentity,
    /// The business day, fixed here.
    pub day: Day,
    /// The reference that this record consumes (two-step).
    pub reference: Option<Reference>,
    /// What the registry signed (one-step).
    pub evidence: Option<Evidence>,
}

/// OUTCOME: the bank's approval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// DE38.
    pub approval: Option<[u8; 6]>,
    /// DE54 and DE62 of the bank's answer.
    pub carried: Carried,
}

/// DECLINED: ended with this code and without a debit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declined {
    /// The request, when this is the transaction's first record.
    pub request: Option<Request>,
    /// DE39 to the terminal.
    pub code: Code,
    /// DE39 of the bank, where the bank declined.
    pub bank_code: Option<Code>,
    /// The switch asked for the chip's SOD (DF53): not a refusal of the citizen.
    pub send_sod: bool,
    /// What the registry signed.
    pub evidence: Option<Evidence>,
}

/// REVERSAL: owed to the bank from here on, with one identity for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reversal {
    /// Our name for the 0420 at the bank; every 0421 keeps it.
    pub identity: BankIdentity,
    /// DE15: the business day open when this was appended.
    pub day: Day,
    /// DE95: what really left (or was kept), minor units; the bank gives back the rest.
    pub left_minor: u64,
    /// DE39 of the 0420: 17, 22, 32 or 68.
    pub reason: Code,
    /// The answer that the terminal's request gets from here on.
    pub answer: Code,
    /// The terminal's advice that asked for it.
    pub advice: Option<Advice>,
}

/// A terminal's 0220 or 0420, kept under its own key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    /// Its own transaction key.
    pub key: TxKey,
    /// What makes it this advice and no other.
    pub content: Content,
    /// DE39 of the advice: the reason.
    pub reason: Option<Code>,
}

/// Why a CLAIM was recorded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum ClaimReason {
    /// 0220 before the bank has answered.
    CompletionBeforeOutcome,
    /// 0220 though nothing was approved.
    CompletionWithoutApproval,
    /// 0220 or 0420 that names cash after the transaction was reversed.
    CashAfterReversal,
    /// 0420 that names cash though nothing was approved.
    CashWithoutApproval,
    /// 0420 for what is already completed.
    ReversalAfterCompletion,
    /// DE95 says another amount than was approved.
    OtherAmount,
    /// DE95 says more than was asked for.
    MoreThanAsked,
}

/// Why a NOTE was recorded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum NoteReason {
    /// An approval came while the reversal was under way.
    ApprovalSeen,
    /// APPROVED is past its age.
    PastItsAge,
    /// A bank said otherwise after its answer.
    BankSaysOtherwise,
    /// Another advice with the same meaning.
    AdviceAgain,
    /// A bank refuses to take back a credit.
    ReversalRefused,
}

/// VERIFICATION: who stood there, proved by what, and the reference given out for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verification {
    /// The 0100.
    pub request: Request,
    /// Given out in DF51.
    pub reference: Reference,
    /// Wall clock, milliseconds since 1970: not good afterwards.
    pub expires_at_ms: i64,
    /// The registry signed that the face or finger matched.
    pub biometric_matched: bool,
    /// The banks shown to the citizen in DF52.
    pub banks: Vec<LinkedBank>,
    /// What the registry signed.
    pub evidence: Evidence,
}

/// A linked bank as the terminal is told of it (DF52).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkedBank {
    /// The bank.
    pub bank: Institution,
    /// Masked account, at most 28 characters.
    pub alias: Box<str>,
    /// Used when the citizen chooses none.
    pub default: bool,
}

/// The evidence of an identity check: what was signed, and digests of what was checked. No data group.
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What the registry said, or what it is still to be asked; [`Evidence::ANSWER_BYTES_MAX`] at most.
    pub registry: RegistryWord,
    /// SHA-256 of the SOD.
    pub sod_sha256: [u8; 32],
    /// SHA-256 of DG15.
    pub dg15_sha256: [u8; 32],
    /// Passive authentication passed.
    pub passive: bool,
    /// Active authentication passed.
    pub active: bool,
}

/// On what an identity check rests.
#[derive(Clone, PartialEq, Eq)]
pub enum RegistryWord {
    /// The registry's signed answer, compact JWS.
    Signed(Box<[u8]>),
    /// The registry was away and the switch stood in: what it is to be asked again, the payload of the question that had
    /// no answer.
    Owed(Box<[u8]>),
}

impl RegistryWord {
    /// The bytes, whichever they are.
    pub fn bytes(&self) -> &[u8] {
        match self {
            RegistryWord::Signed(bytes) | RegistryWord::Owed(bytes) => bytes,
        }
    }
}

/// Which it is, and how long: both hold personal data.
impl std::fmt::Debug for RegistryWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if matches!(self, RegistryWord::Owed(_)) { "Owed" } else { "Signed" };
        f.debug_struct(name).field("bytes", &self.bytes().len()).finish()
    }
}

impl Evidence {
    /// A registry's answer that is longer is refused: four times what the contract's fields can fill.
    pub const ANSWER_BYTES_MAX: usize = 8_192;

    /// The switch stood in: the registry is still to be asked.
    pub fn is_owed(&self) -> bool {
        matches!(self.registry, RegistryWord::Owed(_))
    }
}

/// ASKED-AGAIN: the registry is back, and has said what it thinks of a withdrawal that went out in its stead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AskedAgain {
    /// The code with which it would have been refused; the money has gone, and a person decides.
    pub refused: Option<Code>,
    /// What the registry signed.
    pub evidence: Evidence,
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evidence")
            .field("registry", &self.registry)
            .field("passive", &self.passive)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// An operator's block, set or lifted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Block {
    /// What is blocked.
    pub subject: BlockSubject,
    /// Set or lifted.
    pub set: bool,
    /// Who did it, as the operator's channel knows them; 64 characters at most.
    pub by: Box<str>,
}

/// RESOLUTION: who has decided, and why. It changes no state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolution {
    /// Who, as the operator's channel knows them; [`Resolution::BY_CHARACTERS_MAX`] at most.
    pub by: Box<str>,
    /// Why; [`Resolution::WHY_CHARACTERS_MAX`] at most.
    pub why: Box<str>,
}

impl Resolution {
    /// Characters of a name.
    pub const BY_CHARACTERS_MAX: usize = 64;
    /// Characters of a reason.
    pub const WHY_CHARACTERS_MAX: usize = 200;

    /// A resolution that can be recorded.
    ///
    /// # Errors
    /// Which of the two is empty, too long or not printable.
    pub fn new(by: &str, why: &str) -> Result<Resolution, String> {
        for (name, text, characters_max) in
            [("by", by, Resolution::BY_CHARACTERS_MAX), ("why", why, Resolution::WHY_CHARACTERS_MAX)]
        {
            let characters = text.chars().count();
            if text.trim().is_empty() || characters > characters_max || text.chars().any(char::is_control) {
                return Err(format!("{name}: 1 to {characters_max} printable characters are taken"));
            }
        }
        Ok(Resolution { by: by.into(), why: why.into() })
    }
}

/// TOTALS: what a business day comes to for a member, by us and by the member itself (docs/interface.md#totals).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Totals {
    /// What has happened.
    pub step: TotalsStep,
    /// As what the member takes part.
    pub side: Side,
    /// The member.
    pub member: Institution,
    /// The terminal that spoke for its acquirer.
    pub terminal: Option<TerminalId>,
    /// DE7 and DE11 of its 0500 or 0520, or of our 0520.
    pub name: BankIdentity,
    /// The business day.
    pub day: Day,
    /// Ours are counted from the records below this position.
    pub as_of: Position,
    /// Ours.
    pub ours: Figures,
    /// The member's; what it does not say is not there.
    pub theirs: Figures,
}

/// What has happened to totals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum TotalsStep {
    /// A member has said its totals, by 0500 or 0520.
    Said,
    /// A bank is asked for its totals by 0520, until it answers.
    Asked,
    /// It has answered, by 0530.
    Answered,
    /// It has not, and is asked no more.
    GivenUp,
}

impl TotalsStep {
    /// The name in the log's JSON and in lists.
    pub fn name(self) -> &'static str {
        match self {
            TotalsStep::Said => "said",
            TotalsStep::Asked => "asked",
            TotalsStep::Answered => "answered",
            TotalsStep::GivenUp => "given up",
        }
    }
}

/// As what a member takes part in a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// By its terminals.
    Acquirer,
    /// By its citizens.
    Issuer,
}

impl Side {
    /// The name in the log's JSON and in lists.
    pub fn name(self) -> &'static str {
        match self {
            Side::Acquirer => "acquirer",
            Side::Issuer => "issuer",
        }
    }
}

/// What an operator can block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum BlockSubject {
    /// Answered 57.
    Terminal(TerminalId),
    /// Answered 91.
    Bank(Institution),
    /// Answered 62.
    Citizen(Pseudonym),
}

/// The names under which the log must find a record again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// The advice that this record took.
    Advice(TxKey),
    /// DE37.
    Rrn(Rrn),
    /// A name towards a bank.
    Bank(Institution, BankIdentity),
    /// The reference that it gave out or consumed.
    Reference(Reference),
    /// The citizen.
    Citizen(Pseudonym),
    /// The business day.
    Day(Day),
}

impl Record {
    /// The advice that this record took, if it took one.
    pub fn advice(&self) -> Option<&Advice> {
        match &self.body {
            Body::Reversal(reversal) => reversal.advice.as_ref(),
            Body::Complete(advice)
            | Body::Claim(_, advice)
            | Body::Note(_, advice)
            | Body::Tombstone(advice) => advice.as_ref(),
            Body::Intent(_)
            | Body::Outcome(_)
            | Body::Declined(_)
            | Body::Reversed(_)
            | Body::Verification(_)
            | Body::Cutover(_)
            | Body::Block(_)
            | Body::Resolution(_)
            | Body::Totals(_)
            | Body::AskedAgain(_) => None,
        }
    }

    /// The request, where this is the transaction's first record and a request began it.
    pub fn request(&self) -> Option<&Request> {
        match &self.body {
            Body::Intent(intent) => Some(&intent.request),
            Body::Declined(declined) => declined.request.as_ref(),
            Body::Verification(verification) => Some(&verification.request),
            Body::Outcome(_)
            | Body::Reversal(_)
            | Body::Reversed(_)
            | Body::Complete(_)
            | Body::Claim(..)
            | Body::Note(..)
            | Body::Tombstone(_)
            | Body::Cutover(_)
            | Body::Block(_)
            | Body::Resolution(_)
            | Body::Totals(_)
            | Body::AskedAgain(_) => None,
        }
    }

    /// Every name but the transaction key. `bank` is the transaction's bank, where it has one: a REVERSAL does not
    /// repeat what its INTENT said.
    pub fn names(&self, bank: Option<Institution>) -> Vec<Name> {
        let mut names = Vec::new();
        if let Some(advice) = self.advice() {
            names.push(Name::Advice(advice.key));
        }
        if let Some(request) = self.request() {
            names.push(Name::Rrn(request.rrn));
            names.push(Name::Citizen(request.content.citizen));
        }
        match &self.body {
            Body::Intent(intent) => {
                names.push(Name::Bank(intent.bank, intent.identity));
                names.push(Name::Day(intent.day));
                names.extend(intent.reference.map(Name::Reference));
            }
            Body::Reversal(reversal) => {
                names.extend(bank.map(|bank| Name::Bank(bank, reversal.identity)));
                names.push(Name::Day(reversal.day));
            }
            Body::Verification(verification) => names.push(Name::Reference(verification.reference)),
            Body::Cutover(day) => names.push(Name::Day(*day)),
            Body::Totals(totals) => names.push(Name::Day(totals.day)),
            Body::Outcome(_)
            | Body::Declined(_)
            | Body::Reversed(_)
            | Body::Complete(_)
            | Body::Claim(..)
            | Body::Note(..)
            | Body::Tombstone(_)
            | Body::Block(_)
            | Body::Resolution(_)
            | Body::AskedAgain(_) => {}
        }
        names
    }
}
