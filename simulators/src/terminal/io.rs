//! What goes into the terminal's machine and what comes out of it: the whole of its contact with the world.

use iso8583::Message;

use crate::exchange::TakenKey;

use super::notes::Notes;
use super::order::{Finished, Order};
use super::totals::TotalsElements;
use super::vault::Movement;

/// The two clocks, handed in with every input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Monotonic, microseconds from any fixed start: timers run on it.
    pub mono_us: u64,
    /// Wall clock, milliseconds since 1970 (UTC): data, never a timer.
    pub wall_ms: i64,
}

/// What the machine is told.
#[derive(Debug)]
pub enum Input {
    /// A connection to the switch is open.
    LinkUp,
    /// The connection is gone. Also the answer to [`Output::Hangup`].
    LinkDown,
    /// A message came whose MAC is right; others never get here.
    Received(Box<Message>),
    /// A citizen comes.
    Order(Box<Order>),
    /// The acquirer says what its day comes to, over this machine.
    Totals(TotalsElements),
    /// A service team fills and empties the cassettes until they hold this.
    Service(Notes),
    /// The moment named by `next_deadline` has come.
    Deadline,
}

/// What the machine wants done, in this order.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Send to the switch, on the connection that is open.
    Send(Message),
    /// The link's MACs are under this key from here on; what is received is checked by the one before it as well.
    Rekey(TakenKey),
    /// Close the connection and, unless the machine is dead, open another.
    Hangup,
    /// Notes have moved.
    Moved(Movement),
    /// A visit is over.
    Finished(Finished),
    /// The 0510 to the totals that were said; none where nobody answers.
    Totals(Option<Box<Message>>),
    /// Something to count.
    Event(Event),
}

/// What a test or a report counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Event {
    /// The switch has signed the terminal on.
    SignedOn,
    /// The switch refused the sign-on with this code.
    SignOnRefused([u8; 2]),
    /// A request went out again as 0201.
    Repeated,
    /// An advice was answered with 00 and is forgotten.
    AdviceAnswered,
    /// An advice was answered otherwise and is kept.
    AdviceRefused([u8; 2]),
    /// A second 00 for what was carried out already: ignored.
    SecondApproval,
    /// A 00 after its 0420 was made: ignored, the 0420 takes it back.
    LateApproval,
    /// A 00 for what was refused before: answered with 0420.
    ApprovalAfterRefusal,
    /// A 00 whose DE3 or DE4 is not what was asked for: taken as a refusal and answered with 0420.
    OtherApproval,
    /// An answer to nothing that is remembered.
    Stray,
}
