//! The scenarios of docs/lifecycle.md#scenarios that a simulation can come to, counted.

use processor::{Class, Code, Event as Told, LinkId};

macro_rules! rows {
    ($($(#[doc = $says:literal])+ $row:ident = $name:literal,)*) => {
        /// A row of the scenario table.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Row { $($(#[doc = $says])+ $row,)* }

        impl Row {
            /// All of them.
            pub const ALL: &[Row] = &[$(Row::$row,)*];

            /// The name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Row::$row => $name,)* }
            }
        }
    };
}

rows! {
    /// 91 at the deadline, a reversal by SAF.
    BankSilent = "bank silent past its deadline",
    /// Never forwarded; the reversal stands.
    LateApproval = "late approval",
    /// The reversal is still sent.
    LateDecline = "late decline",
    /// 91 and DECLINED behind an INTENT that never left, or before one.
    BankLinkDownBeforeSend = "bank link down before the send",
    /// 91 at the deadline, or the answer over another connection.
    LinkLostAfterSend = "link lost after the send",
    /// 91, DECLINED.
    RegistryDown = "registry late or down",
    /// 00 within the floor limit, marked, and asked again.
    RegistryStandsIn = "registry away, the switch stands in",
    /// Its own code, DECLINED.
    RegistryRefuses = "registry refuses",
    /// APPROVED, until its 0220 or 0420.
    TerminalGone = "terminal gone before its 0210",
    /// A full reversal.
    NoCash = "no cash dispensed",
    /// A partial reversal.
    PartDispensed = "part dispensed",
    /// Reversal; a late approval is not forwarded.
    ReversalBeforeAnswer = "0420 before the bank has answered",
    /// 0430 00 and nothing.
    ReversalOfDeclined = "0420 for DECLINED",
    /// TOMBSTONE; its 0200 gets 94.
    ReversalOfUnknown = "0420 whose original is unknown",
    /// The stored answer.
    AdviceRepeated = "0421, 0221",
    /// Silence, or the answer that its record holds.
    RequestRepeated = "0201 or the same key",
    /// 94.
    OtherContent = "same key, other content",
    /// Counted, dropped.
    StrayAnswer = "0210 that says the same, matches nothing or comes from another bank",
    /// Dropped; the deadline decides.
    ForgedAnswer = "0210 with a wrong MAC",
    /// 96 and a reversal.
    OtherEcho = "0210 whose echo differs",
    /// 0421 under the same identity.
    ReversalRepeated = "0421 after silence or an error",
    /// SAF, drained when the bank is back.
    BankDown = "bank down for long",
    /// Executed when it is repeated.
    CrashBeforeIntent = "crash before INTENT",
    /// 91 and a reversal.
    CrashBetweenIntentAndOutcome = "crash between INTENT and OUTCOME",
    /// 00 to a repeat.
    CrashAfterOutcome = "crash after OUTCOME",
    /// 96 to new requests.
    DiskFull = "disk full",
    /// Silence, then 91 when its REVERSAL is synced.
    FsyncSlow = "fsync slow",
    /// Silence, and a stop at once.
    FsyncFails = "fsync fails",
    /// Nothing.
    ClockJumps = "wall clock jumps",
    /// Nothing.
    Midnight = "midnight, a year's end",
    /// The day was fixed at INTENT.
    CutoverInFlight = "cutover with transactions in flight",
    /// Nothing.
    StanWraps = "STAN wraps",
    /// What is in flight keeps its snapshot.
    Reload = "configuration reload",
    /// 63, before INTENT.
    WrongMac = "wrong MAC of a terminal",
    /// 91 before INTENT, and to its repeats.
    Overload = "overload",
    /// Recover first.
    EveryoneReconnects = "everyone reconnects at once",
    /// 57, 91, 62.
    Blocked = "terminal, bank or citizen blocked",
    /// 91; what is in flight ends.
    Drained = "drained",
}

/// How often each row was come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rows {
    hits: [u64; Row::ALL.len()],
    /// DE39 of the bank's 0210 that the switch is looking at.
    pub(super) bank_says: Option<Code>,
}

impl Default for Rows {
    fn default() -> Rows {
        Rows { hits: [0; Row::ALL.len()], bank_says: None }
    }
}

impl Rows {
    /// Counts one.
    pub fn hit(&mut self, row: Row) {
        self.hits[row as usize] += 1;
    }

    /// How often it was come to.
    pub fn of(&self, row: Row) -> u64 {
        self.hits[row as usize]
    }

    /// Adds another seed's.
    pub fn merge(&mut self, other: &Rows) {
        self.hits.iter_mut().zip(other.hits).for_each(|(sum, more)| *sum += more);
    }

    /// What the switch tells of itself.
    pub(super) fn told(&mut self, event: &Told) {
        match event {
            Told::LateApproval(_) => self.hit(Row::LateApproval),
            Told::OtherEcho(_) => self.hit(Row::OtherEcho),
            Told::OtherContent(_) => self.hit(Row::OtherContent),
            Told::Shed(_) => self.hit(Row::Overload),
            Told::StrayAnswer(..) => match self.bank_says {
                Some(code) if code != Code::APPROVED => self.hit(Row::LateDecline),
                _ => self.hit(Row::StrayAnswer),
            },
            Told::Forged(LinkId::Bank(..)) => self.hit(Row::ForgedAnswer),
            Told::Forged(LinkId::Terminal(_)) => self.hit(Row::WrongMac),
            Told::Repeated(key) if key.class == Class::Financial => self.hit(Row::RequestRepeated),
            Told::Repeated(_) => self.hit(Row::AdviceRepeated),
            Told::Answered(answered) if answered.code == Code::UNAVAILABLE && answered.bank_us > 0 => {
                self.hit(Row::BankSilent);
            }
            _ => {}
        }
    }
}
