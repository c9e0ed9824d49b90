//! The settlement file: what a bank's day comes to, line by line, with counts and sums behind it.

use processor::{Day, Institution, Kind as Asked, Side};
use reconciliation::{Detail, ELEMENTS, Totals};

use crate::camt::moment;

/// What a settlement file is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// The switch's name.
    pub switch: String,
    /// Whose file.
    pub bank: Institution,
    /// The business day.
    pub day: Day,
    /// ISO 4217.
    pub currency: u16,
    /// The day's totals, as issuer.
    pub totals: Totals,
    /// What the member owes all others by the log, as issuer and as acquirer; negative where it is owed.
    pub position_minor: i64,
    /// In order.
    pub details: Vec<Detail>,
    /// Adjustments between members that were proposed and checked in this day.
    pub adjustments: Vec<Adjustment>,
}

/// An adjustment that two people have made: what the bank owes more, or less.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adjustment {
    /// The case: its act's number.
    pub act: u64,
    /// `adjustment` or `refund`.
    pub resolution: &'static str,
    /// The transaction's RRN, where it has one.
    pub rrn: Option<String>,
    /// The business day of the case.
    pub of_day: Day,
    /// Minor units.
    pub amount_minor: i64,
}

impl Adjustment {
    /// What the member owes the others more by it, minor units. A refund is the bank's with its citizen: what the acquirer owes for it is
    /// an adjustment of its own.
    pub fn owed_minor(&self) -> i64 {
        if self.resolution == "adjustment" { self.amount_minor } else { 0 }
    }
}

impl Settlement {
    /// What the member owes: its position, and the adjustments of members.
    pub fn net_minor(&self) -> i64 {
        self.position_minor + self.adjustments.iter().map(Adjustment::owed_minor).sum::<i64>()
    }

    /// The file: lines of fields between `|`. `H` the header, `D` a detail, `A` an adjustment, `E` an element of the totals as issuer, `T` the trailer with the
    /// number of `D` and `A` lines, the sum of their amounts without sign, and the net that the member owes. The same day gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text =
            format!("H|ATM-SETTLEMENT|2|{}|{}|{}|{:03}\n", self.switch, self.bank, self.day, self.currency);
        let mut sum_minor: i128 = 0;
        for detail in &self.details {
            let entry = &detail.entry;
            sum_minor += i128::from(entry.amount_minor).abs();
            text += &format!(
                "D|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}\n",
                side_name(detail.side),
                detail.position,
                detail.rrn,
                detail.terminal,
                counterparty(detail),
                asked_name(entry.asked),
                if entry.is_reversal { "reversal" } else { "original" },
                moment(detail.at_s),
                entry.day,
                entry.amount_minor,
                detail.fee_minor
            );
        }
        for one in &self.adjustments {
            sum_minor += i128::from(one.amount_minor).abs();
            let rrn = one.rrn.as_deref().unwrap_or("");
            text += &format!("A|{}|{}|{rrn}|{}|{}\n", one.act, one.resolution, one.of_day, one.amount_minor);
        }
        for element in ELEMENTS {
            text += &format!("E|{}|{}\n", element.number, self.totals.element(element.number));
        }
        let lines = self.details.len() + self.adjustments.len();
        text += &format!("T|{lines}|{sum_minor}|{}\n", self.net_minor());
        text.into_bytes()
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Issuer => "issuer",
        Side::Acquirer => "acquirer",
    }
}

/// The member on the other side.
fn counterparty(detail: &Detail) -> Institution {
    match detail.side {
        Side::Issuer => detail.entry.acquirer,
        Side::Acquirer => detail.entry.bank,
    }
}

/// What the member owes for a detail, and for its fee; negative where it is owed. Accounts of one bank are no matter between members.
pub(crate) fn owes(detail: &Detail) -> (i64, i64) {
    let entry = &detail.entry;
    let sign = match detail.side {
        Side::Issuer => 1,
        Side::Acquirer => -1,
    };
    let amount_minor = match entry.asked {
        Asked::Withdrawal | Asked::Deposit if entry.is_reversal => -entry.amount_minor,
        Asked::Withdrawal | Asked::Deposit => entry.amount_minor,
        Asked::Balance | Asked::MiniStatement | Asked::Transfer | Asked::Verification => 0,
    };
    (sign * amount_minor, sign * detail.fee_minor)
}

pub(crate) fn asked_name(asked: Asked) -> &'static str {
    match asked {
        Asked::Withdrawal => "withdrawal",
        Asked::Deposit => "deposit",
        Asked::Balance => "balance",
        Asked::MiniStatement => "mini_statement",
        Asked::Transfer => "transfer",
        Asked::Verification => "verification",
    }
}
