//! What one business day comes to: totals of each bank by the elements of 0500 and 0520, and who owes whom.

use std::collections::BTreeMap;

use processor::{Day, Figures, Institution, Kind as Asked, Position, Side, TotalsStep};
use serde::{Deserialize, Serialize};

/// Where a day stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// New transactions belong to it.
    Open,
    /// The next day is open; what is in flight of this one still ends, members acknowledge, files come.
    CuttingOver,
    /// A person has closed it: what comes now is an adjustment of the open day.
    Closed,
    /// The banks have settled it.
    Settled,
}

impl State {
    /// Its name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::CuttingOver => "cutting over",
            State::Closed => "closed",
            State::Settled => "settled",
        }
    }
}

/// Something that counts: an approved transaction, or what was given back of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The day that it belongs to: of the INTENT, or of the reversal.
    pub day: Day,
    /// The issuer.
    pub bank: Institution,
    /// Whose terminal.
    pub acquirer: Institution,
    /// What was asked for.
    pub asked: Asked,
    /// Minor units; positive for what the bank owes. Of a reversal what is given back, with the original's sign.
    pub amount_minor: i64,
    /// It gives back.
    pub is_reversal: bool,
    /// The whole of the transaction.
    pub is_whole: bool,
}

/// How many, and how much.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// How much, minor units.
    pub amount_minor: i64,
}

impl Tally {
    fn add(&mut self, amount_minor: i64) {
        self.count += 1;
        self.amount_minor += amount_minor;
    }
}

/// A member's totals.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Totals {
    /// Deposits.
    pub credits: Tally,
    /// Deposits taken back.
    pub credit_reversals: Tally,
    /// Withdrawals.
    pub debits: Tally,
    /// Withdrawals taken back, whole or in part.
    pub debit_reversals: Tally,
    /// Transfers: no bank owes another for them.
    pub transfers: Tally,
    /// Transfers taken back.
    pub transfer_reversals: Tally,
    /// Balance inquiries and mini statements.
    pub inquiries: Tally,
    /// Fees for deposits.
    pub credit_fees_minor: i64,
    /// Fees for all else.
    pub debit_fees_minor: i64,
}

/// An element of a member's totals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Element {
    /// DE74 to DE89 or DE97.
    pub number: u8,
    /// What it is.
    pub name: &'static str,
}

/// The elements, in order. 82 and 84 are 0: this switch charges transaction fees alone.
pub const ELEMENTS: [Element; 17] = [
    Element { number: 74, name: "credits, number" },
    Element { number: 75, name: "credits, reversal number" },
    Element { number: 76, name: "debits, number" },
    Element { number: 77, name: "debits, reversal number" },
    Element { number: 78, name: "transfer, number" },
    Element { number: 79, name: "transfer, reversal number" },
    Element { number: 80, name: "inquiries, number" },
    Element { number: 81, name: "authorisations, number" },
    Element { number: 82, name: "credits, processing fee amount" },
    Element { number: 83, name: "credits, transaction fee amount" },
    Element { number: 84, name: "debits, processing fee amount" },
    Element { number: 85, name: "debits, transaction fee amount" },
    Element { number: 86, name: "credits, amount" },
    Element { number: 87, name: "credits, reversal amount" },
    Element { number: 88, name: "debits, amount" },
    Element { number: 89, name: "debits, reversal amount" },
    Element { number: 97, name: "amount, net settlement" },
];

impl Totals {
    fn add(&mut self, entry: &Entry, fee_minor: i64) {
        let tally = match (entry.asked, entry.is_reversal) {
            (Asked::Withdrawal, false) => &mut self.debits,
            (Asked::Withdrawal, true) => &mut self.debit_reversals,
            (Asked::Deposit, false) => &mut self.credits,
            (Asked::Deposit, true) => &mut self.credit_reversals,
            (Asked::Transfer, false) => &mut self.transfers,
            (Asked::Transfer, true) => &mut self.transfer_reversals,
            (Asked::Balance | Asked::MiniStatement | Asked::Verification, _) => &mut self.inquiries,
        };
        tally.add(entry.amount_minor.abs());
        match entry.asked {
            Asked::Deposit => self.credit_fees_minor += fee_minor,
            _ => self.debit_fees_minor += fee_minor,
        }
    }

    /// What the bank owes, fees included; negative where it is owed.
    pub fn net_minor(&self) -> i64 {
        self.debits.amount_minor - self.debit_reversals.amount_minor - self.credits.amount_minor
            + self.credit_reversals.amount_minor
            + self.credit_fees_minor
            + self.debit_fees_minor
    }

    /// The value of an element of [`ELEMENTS`]; 0 of any other.
    pub fn element(&self, number: u8) -> i64 {
        let count = |tally: Tally| i64::try_from(tally.count).unwrap_or(i64::MAX);
        match number {
            74 => count(self.credits),
            75 => count(self.credit_reversals),
            76 => count(self.debits),
            77 => count(self.debit_reversals),
            78 => count(self.transfers),
            79 => count(self.transfer_reversals),
            80 => count(self.inquiries),
            83 => self.credit_fees_minor,
            85 => self.debit_fees_minor,
            86 => self.credits.amount_minor,
            87 => self.credit_reversals.amount_minor,
            88 => self.debits.amount_minor,
            89 => self.debit_reversals.amount_minor,
            97 => self.net_minor(),
            _ => 0,
        }
    }
}

/// What a member has said of a day over its link, or was asked.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Exchanged {
    /// When the newest 0520 of ours was written down, milliseconds since 1970.
    pub asked_at_ms: Option<i64>,
    /// It was never answered, and is sent no more.
    pub is_unanswered: bool,
    /// What it says, behind the day's end: the newest, and when.
    pub claimed: Option<(i64, Claimed)>,
}

/// What one member says its totals are, element by element; an absent one is not claimed.
pub type Claimed = BTreeMap<u8, i64>;

/// An element on which the sides disagree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// Which.
    pub element: Element,
    /// Ours.
    pub ours: i64,
    /// Theirs.
    pub theirs: i64,
}

/// The elements on which a member's claim is not ours.
pub fn differences(ours: &Figures, claimed: &Claimed) -> Vec<Difference> {
    let differs = |element: &Element| {
        let (ours, theirs) = (ours.get(element.number)?, *claimed.get(&element.number)?);
        (ours != theirs).then_some(Difference { element: *element, ours, theirs })
    };
    ELEMENTS.iter().filter_map(differs).collect()
}

/// What one owes another for its citizens' use of the other's terminals.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Owed {
    /// Cash.
    pub amount_minor: i64,
    /// Fees.
    pub fee_minor: i64,
}

/// A business day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sheet {
    /// The day.
    pub day: Day,
    /// Where it stands.
    pub state: State,
    /// Its CUTOVER's position and wall clock, milliseconds since 1970; none for a log's first day.
    pub opened: Option<(Position, i64)>,
    /// Those of the next day's CUTOVER.
    pub ended: Option<(Position, i64)>,
    /// When a person closed it, and from which position on.
    pub closed: Option<(Position, i64)>,
    /// Members that have acknowledged its CUTOVER, and when.
    pub acknowledged: BTreeMap<Institution, i64>,
    /// Each bank's totals, adjustments included.
    pub members: BTreeMap<Institution, Totals>,
    /// Of these, what belongs to days that were closed already, by day and bank.
    pub adjustments: BTreeMap<(Day, Institution), Totals>,
    /// Each acquirer's totals: what all banks' citizens did at its terminals, adjustments included.
    pub acquirers: BTreeMap<Institution, Totals>,
    /// What members have said over their links.
    pub exchanged: BTreeMap<(Side, Institution), Exchanged>,
    /// What an issuer owes an acquirer: (issuer, acquirer).
    pub owed: BTreeMap<(Institution, Institution), Owed>,
}

impl Sheet {
    pub(crate) fn new(day: Day) -> Sheet {
        Sheet {
            day,
            state: State::Open,
            opened: None,
            ended: None,
            closed: None,
            acknowledged: BTreeMap::new(),
            members: BTreeMap::new(),
            adjustments: BTreeMap::new(),
            acquirers: BTreeMap::new(),
            exchanged: BTreeMap::new(),
            owed: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, entry: &Entry, fee_minor: i64) {
        self.members.entry(entry.bank).or_default().add(entry, fee_minor);
        self.acquirers.entry(entry.acquirer).or_default().add(entry, fee_minor);
        if entry.day != self.day {
            self.adjustments.entry((entry.day, entry.bank)).or_default().add(entry, fee_minor);
        }
        let owed = self.owed.entry((entry.bank, entry.acquirer)).or_default();
        if matches!(entry.asked, Asked::Withdrawal | Asked::Deposit) {
            owed.amount_minor += if entry.is_reversal { -entry.amount_minor } else { entry.amount_minor };
        }
        owed.fee_minor += fee_minor;
    }

    /// A member's totals by element, as it has them: DE97 is positive where the member owes.
    pub fn figures(&self, side: Side, member: Institution) -> Figures {
        let of = match side {
            Side::Issuer => &self.members,
            Side::Acquirer => &self.acquirers,
        };
        let totals = of.get(&member).copied().unwrap_or_default();
        let mut figures = Figures::default();
        for element in ELEMENTS {
            figures.set(element.number, totals.element(element.number));
        }
        if side == Side::Acquirer {
            figures.set(97, -totals.net_minor());
        }
        figures
    }

    /// Adds what a member has said or was asked. What it says while the day is open claims nothing: the day still changes.
    pub(crate) fn exchange(&mut self, totals: &processor::Totals, is_open: bool, at_ms: i64) {
        let exchanged = self.exchanged.entry((totals.side, totals.member)).or_default();
        match totals.step {
            TotalsStep::Asked => (exchanged.asked_at_ms, exchanged.is_unanswered) = (Some(at_ms), false),
            TotalsStep::GivenUp => exchanged.is_unanswered = true,
            TotalsStep::Said | TotalsStep::Answered => {
                if totals.step == TotalsStep::Answered {
                    exchanged.is_unanswered = false;
                }
                if !is_open {
                    exchanged.claimed = Some((at_ms, totals.theirs.iter().collect()));
                }
            }
        }
    }

    /// What each member owes all others together; negative where it is owed. They sum to zero.
    pub fn net_positions(&self) -> BTreeMap<Institution, i64> {
        let mut net = BTreeMap::new();
        for ((issuer, acquirer), owed) in &self.owed {
            let owes = owed.amount_minor + owed.fee_minor;
            *net.entry(*issuer).or_insert(0) += owes;
            *net.entry(*acquirer).or_insert(0) -= owes;
        }
        net
    }
}
