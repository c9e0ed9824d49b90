//! What a citizen wants of a machine, what is to go wrong on the way, and how it ended.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use credential::Pan;

use super::card::Chip;
use super::key::TxKey;
use super::notes::Notes;
use crate::pins::Pin;

/// What a citizen wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Cash out.
    Withdrawal,
    /// Cash in.
    Deposit,
    /// The balance of an account.
    Balance,
    /// The last movements of an account.
    MiniStatement,
    /// From the citizen's account to another at the same bank.
    Transfer {
        /// DE103, 1 to 28 characters.
        to_account: Box<str>,
    },
}

/// How the citizen is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// The proof travels in the 0200.
    One,
    /// A 0100 with the proof first, then a 0200 with the reference.
    Two,
}

/// A moment in a transaction at which a fault can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The 0200 has been sent.
    AfterRequest,
    /// The 0210 is there; the machine does not see it.
    BeforeAnswer,
    /// The cash has moved; the advice of it is not sent.
    BeforeAdvice,
}

/// What goes wrong. Each hangs on its order, never on timing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Approved, and no note leaves.
    DispenseNothing,
    /// Approved, and only so many notes leave, the largest first.
    DispensePart {
        /// Number of notes; the order's own number or more is no fault.
        notes: u32,
    },
    /// The notes are presented, not taken, and drawn in again.
    NotTaken,
    /// The connection is lost.
    LoseLink {
        /// When.
        at: Point,
        /// Gives the request up at once, as after its whole wait; otherwise it is repeated on the next connection.
        /// Without a meaning at [`Point::BeforeAdvice`].
        give_up: bool,
    },
    /// Notes that should be returned from escrow cannot be, but for the first ones.
    JamInEscrow {
        /// Notes that still come out.
        returned: u32,
    },
    /// The machine is gone for good.
    Die {
        /// When.
        at: Point,
    },
}

impl FromStr for Point {
    type Err = String;

    /// Reads `after-request`, `before-answer` or `before-advice`.
    fn from_str(text: &str) -> Result<Point, String> {
        match text {
            "after-request" => Ok(Point::AfterRequest),
            "before-answer" => Ok(Point::BeforeAnswer),
            "before-advice" => Ok(Point::BeforeAdvice),
            _ => Err(format!("`{text}` is no point; write after-request, before-answer or before-advice")),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    /// Reads `nothing`, `part:NOTES`, `not-taken`, `jam:NOTES`, `link:POINT`, `link:POINT:give-up` or `die:POINT`.
    fn from_str(text: &str) -> Result<Fault, String> {
        let notes = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number of notes"));
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            ["nothing"] => Ok(Fault::DispenseNothing),
            ["part", count] => Ok(Fault::DispensePart { notes: notes(count)? }),
            ["not-taken"] => Ok(Fault::NotTaken),
            ["jam", count] => Ok(Fault::JamInEscrow { returned: notes(count)? }),
            ["link", point] => Ok(Fault::LoseLink { at: point.parse()?, give_up: false }),
            ["link", point, "give-up"] => Ok(Fault::LoseLink { at: point.parse()?, give_up: true }),
            ["die", point] => Ok(Fault::Die { at: point.parse()? }),
            _ => Err(format!(
                "`{text}` is no fault; write nothing, part:NOTES, not-taken, jam:NOTES, link:POINT, link:POINT:give-up \
                 or die:POINT"
            )),
        }
    }
}

/// The card on the reader: its PAN, and the chip behind it.
#[derive(Clone)]
pub struct Card {
    /// DE2.
    pub pan: Pan,
    /// What the reader can ask of the chip.
    pub chip: Arc<dyn Chip>,
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Card({})", self.pan)
    }
}

/// One visit of one citizen.
#[derive(Clone, Debug)]
pub struct Order {
    /// The caller's name for it, given back in [`Finished`].
    pub id: u64,
    /// What is wanted.
    pub what: What,
    /// Đồng; 0 for inquiries. Cash is a multiple of 50,000.
    pub amount_vnd: u64,
    /// The notes: for a deposit always, and worth `amount_vnd`; for a withdrawal a wish, `None` lets the machine choose.
    pub notes: Option<Notes>,
    /// The card.
    pub card: Card,
    /// How the citizen is verified.
    pub steps: Steps,
    /// DE100, when the citizen chooses a bank.
    pub bank: Option<Box<str>>,
    /// DE102: an account number, or the alias that DF52 told.
    pub from_account: Option<Box<str>>,
    /// Ten characters (letters and digits) that all its requests carry at the front of DE37, so that bank and registry
    /// know it; the last two count its requests. `None` leaves DE37 to the switch.
    pub rrn_front: Option<[u8; 10]>,
    /// What the citizen types where the machine asks for a PIN; `None` types nothing.
    pub pin: Option<Pin>,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Approved, and carried out whole.
    Whole,
    /// Approved, and a part of the cash left.
    Part,
    /// Approved, and no cash moved: the approval is taken back.
    Nothing,
    /// Refused, with a code.
    Declined,
    /// No answer that the machine still waited for.
    NoAnswer,
    /// Not sent: the machine could not begin.
    NotTried(NotTried),
    /// The machine is gone for good.
    Dead,
}

/// Why an order was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTried {
    /// The machine is serving another.
    Busy,
    /// No signed-on connection in time.
    NoLink,
    /// As many advices wait as the machine may hold.
    AdvicesFull,
    /// The cassettes cannot make the amount with as many notes as one dispense has.
    CannotPay,
    /// The cassettes have no room for the notes.
    NoRoom,
    /// Amount, notes or number of notes do not fit together.
    BadOrder,
}

impl fmt::Display for NotTried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotTried::Busy => "the machine is serving another",
            NotTried::NoLink => "there was no signed-on connection in time",
            NotTried::AdvicesFull => "as many advices wait as the machine may hold",
            NotTried::CannotPay => "the cassettes cannot make the amount with the notes of one dispense",
            NotTried::NoRoom => "the cassettes have no room for the notes",
            NotTried::BadOrder => {
                "amount and notes do not fit what is wanted: an inquiry has no amount, cash and transfers have one"
            }
        })
    }
}

/// The end of a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// [`Order::id`].
    pub order: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// DE39 of the last answer; `None` when there was none.
    pub code: Option<[u8; 2]>,
    /// Đồng that left the machine less those that entered: a withdrawal's is positive, a deposit's negative. Also after
    /// a refusal: notes that a jam kept are in it.
    pub net_out_vnd: i64,
    /// The key of its last money request or inquiry; `None` when none was sent.
    pub key: Option<TxKey>,
    /// DE37 of that request's answer, or as it was sent.
    pub rrn: Option<[u8; 12]>,
    /// What the answer told.
    pub told: Told,
}

/// What answers tell beside their code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// DE54 of a balance inquiry.
    pub amounts: Option<Box<str>>,
    /// DE62 of a mini statement.
    pub statement: Option<Box<str>>,
    /// DF52 of a verification.
    pub accounts: Vec<LinkedAccount>,
}

/// An account that a verification told of (docs/interface.md#layouts, DF52).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedAccount {
    /// The bank.
    pub bank: Box<str>,
    /// The masked account number.
    pub alias: Box<str>,
    /// Used when the citizen chooses none.
    pub default: bool,
}

impl Finished {
    pub(super) fn untried(order: u64, outcome: Outcome) -> Finished {
        let (code, key, rrn, told) = (None, None, None, Told::default());
        Finished { order, outcome, code, net_out_vnd: 0, key, rrn, told }
    }

    /// It failed for a reason that passes: trying again, under a new key, makes sense.
    /// Not so after a jam has kept notes.
    pub fn is_passing(&self) -> bool {
        self.net_out_vnd == 0
            && match self.outcome {
                Outcome::Nothing | Outcome::NoAnswer => true,
                Outcome::Declined => matches!(self.code.as_ref(), Some(b"68" | b"91" | b"96")),
                Outcome::NotTried(reason) => matches!(reason, NotTried::NoLink | NotTried::AdvicesFull),
                Outcome::Whole | Outcome::Part | Outcome::Dead => false,
            }
    }
}

impl What {
    /// DE3: transaction type, and default account types.
    pub(crate) fn processing_code(&self) -> &'static str {
        match self {
            What::Withdrawal => "010000",
            What::Deposit => "210000",
            What::Balance => "310000",
            What::MiniStatement => "380000",
            What::Transfer { .. } => "400000",
        }
    }

    /// Money moves: it can be reversed, and its status travels in DE48.
    pub(super) fn is_money(&self) -> bool {
        match self {
            What::Withdrawal | What::Deposit | What::Transfer { .. } => true,
            What::Balance | What::MiniStatement => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_others_refused() {
        let link = |at, give_up| Fault::LoseLink { at, give_up };
        for (text, fault) in [
            ("nothing", Fault::DispenseNothing),
            ("part:3", Fault::DispensePart { notes: 3 }),
            ("not-taken", Fault::NotTaken),
            ("jam:0", Fault::JamInEscrow { returned: 0 }),
            ("link:after-request", link(Point::AfterRequest, false)),
            ("link:before-answer:give-up", link(Point::BeforeAnswer, true)),
            ("die:before-advice", Fault::Die { at: Point::BeforeAdvice }),
        ] {
            assert_eq!(text.parse(), Ok(fault));
        }
        for text in ["", "part", "part:x", "link", "link:soon", "link:after-request:wait", "die", "jam:-1"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
