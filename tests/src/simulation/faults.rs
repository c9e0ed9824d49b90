//! What can go wrong in the simulated town, each kind by its name, and how often it did.

use std::fmt;

macro_rules! faults {
    ($($(#[doc = $says:literal])+ $kind:ident = $name:literal,)*) => {
        /// A kind of fault. A seed has some of them on and the others off.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Fault { $($(#[doc = $says])+ $kind,)* }

        impl Fault {
            /// All of them.
            pub const ALL: &[Fault] = &[$(Fault::$kind,)*];

            /// The name in reports and on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$kind => $name,)* }
            }
        }
    };
}

faults! {
    /// A message does not arrive, and the connection stays.
    NetLoss = "net-loss",
    /// A message arrives a second time, later.
    NetDouble = "net-double",
    /// A message is late and is overtaken by others.
    NetDelay = "net-delay",
    /// A connection breaks, with all that is under way on it.
    NetReset = "net-reset",
    /// A message's MAC is wrong when it arrives.
    Forged = "forged",
    /// An old message of a terminal comes again on another connection.
    Replay = "replay",
    /// The same with another amount.
    OtherContent = "other-content",
    /// A machine uses a reference again that has served.
    ReferenceReused = "reference-reused",
    /// Few citizens with a small limit come to all machines at once.
    TightLimits = "tight-limits",
    /// A bank's answer comes in over another bank's connection.
    BankCrossed = "bank-crossed",
    /// Carried out at once, answered late.
    BankLate = "bank-late",
    /// Carried out, never answered.
    BankSilent = "bank-silent",
    /// Not carried out, never answered.
    BankLost = "bank-lost",
    /// Looked at late, behind what came after it.
    BankHeld = "bank-held",
    /// Looked at so late, by a bank that keeps no tombstones, that its reversal was over before.
    BankHeldLong = "bank-held-long",
    /// The answer echoes another value.
    BankEcho = "bank-echo",
    /// Refused with a code of the bank's own; a reversal is asked for again.
    BankDecline = "bank-decline",
    /// Answered twice.
    BankTwice = "bank-twice",
    /// Answered with a refusal, then with the truth.
    BankDeclineThenTruth = "bank-decline-then-truth",
    /// Answered with the truth, then with a refusal.
    BankTruthThenDecline = "bank-truth-then-decline",
    /// All connections of a bank close for a while instead of an answer.
    BankAway = "bank-away",
    /// A bank is down for a long time.
    BankDown = "bank-down",
    /// A reversal of what the bank does not know leaves no tombstone there.
    BankKeepsNoTombstones = "bank-keeps-no-tombstones",
    /// The registry refuses card or person.
    RegistryRefuses = "registry-refuses",
    /// The registry answers too late.
    RegistryLate = "registry-late",
    /// The registry gives no verdict.
    RegistryDown = "registry-down",
    /// The chip's SOD is not known.
    SendSod = "send-sod",
    /// Approved, and no note leaves.
    DispenseNothing = "dispense-nothing",
    /// Approved, and a part of the notes leaves.
    DispensePart = "dispense-part",
    /// Presented, not taken, drawn in again.
    NotTaken = "not-taken",
    /// Notes that should come back out of the escrow do not.
    Jam = "jam",
    /// A terminal loses its connection at a chosen moment of a transaction.
    TerminalLink = "terminal-link",
    /// A terminal is gone for good.
    TerminalDies = "terminal-dies",
    /// A terminal loses its power and starts again.
    TerminalPower = "terminal-power",
    /// The switch's process is killed.
    Kill = "kill",
    /// The switch's machine loses its power, and what was not synced with it.
    PowerLoss = "power-loss",
    /// The machine stops in the middle of a start.
    RecoveryCrash = "recovery-crash",
    /// A sync fails.
    SyncFails = "sync-fails",
    /// Syncs take seconds.
    SyncSlow = "sync-slow",
    /// The index is gone at a start.
    IndexLost = "index-lost",
    /// The index has lost names without a word at a start.
    IndexRots = "index-rots",
    /// The log answers look-ups late, with what it held when it was asked.
    FindSlow = "find-slow",
    /// The switch's wall clock jumps.
    ClockJump = "clock-jump",
    /// A calendar day, or a year, ends in the middle of the traffic.
    Midnight = "midnight",
    /// STANs towards banks come round.
    StanWrap = "stan-wrap",
    /// The business day changes.
    Cutover = "cutover",
    /// The configuration is read again, with other limits and codes.
    Reload = "reload",
    /// A terminal's key changes at one end before the other.
    KeyChange = "key-change",
    /// An operator blocks a terminal, a bank or a citizen, and lifts the block.
    Block = "block",
    /// The switch is drained, stopped and started.
    Drain = "drain",
    /// Only few requests may be in flight.
    Overload = "overload",
    /// A byte of the log that was synced is another at a start.
    ByteFlips = "byte-flips",
    /// No segment can be allocated for a while.
    DiskFull = "disk-full",
    /// The security module translates no PIN.
    HsmAway = "hsm-away",
    /// The security module answers too late.
    HsmLate = "hsm-late",
}

impl Fault {
    /// The fault of this name.
    pub fn from_name(name: &str) -> Option<Fault> {
        Fault::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    fn bit(self) -> u64 {
        1 << self as u8
    }
}

const _: () = assert!(Fault::ALL.len() <= 64);

/// Some kinds of fault.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultSet(u64);

impl FaultSet {
    /// None.
    pub const NONE: FaultSet = FaultSet(0);

    /// Whether it holds this kind.
    pub fn has(self, fault: Fault) -> bool {
        self.0 & fault.bit() != 0
    }

    /// The same with this kind.
    #[must_use]
    pub fn with(self, fault: Fault) -> FaultSet {
        FaultSet(self.0 | fault.bit())
    }

    /// The same without this kind.
    #[must_use]
    pub fn without(self, fault: Fault) -> FaultSet {
        FaultSet(self.0 & !fault.bit())
    }

    /// All that it holds.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |fault| self.has(*fault))
    }
}

impl fmt::Debug for FaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Fault::name)).finish()
    }
}

/// How often each kind struck.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultCounts([u64; Fault::ALL.len()]);

impl Default for FaultCounts {
    fn default() -> FaultCounts {
        FaultCounts([0; Fault::ALL.len()])
    }
}

impl FaultCounts {
    /// Counts one.
    pub fn add(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often this one struck.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Adds another seed's counts.
    pub fn merge(&mut self, other: &FaultCounts) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    /// How many kinds struck.
    pub fn kinds(&self) -> usize {
        self.0.iter().filter(|count| **count > 0).count()
    }
}
