//! A money message of the switch, read: which elements have to be there and what they mean.

use iso8583::Message;

use super::identity::Identity;
use super::ledger::Entry;

/// What the message asks for, by DE3 positions 1-2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Withdrawal,
    Deposit,
    Balance,
    MiniStatement,
    Transfer,
}

/// A 0200, 0220 or 0420 whose elements are all there, its answer still open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    /// DE49.
    pub(super) currency: u16,
    /// DE100.
    pub(super) institution: Box<str>,
    /// What it leaves behind in the ledger; code, approval and postings are not filled in yet.
    pub(super) entry: Entry,
}

/// The elements that docs/interface.md lists as always there on the bank link.
const FINANCIAL: [u8; 19] = [2, 3, 4, 7, 11, 12, 13, 15, 18, 22, 25, 32, 37, 41, 42, 43, 49, 100, 102];
const REVERSAL: [u8; 15] = [2, 3, 4, 7, 11, 15, 32, 37, 41, 42, 49, 90, 95, 100, 102];
const CREDIT: [u8; 14] = [2, 3, 4, 7, 11, 15, 32, 37, 41, 42, 49, 90, 100, 102];

impl Request {
    /// Reads a message; amounts are divided by `scale`, the link's minor units to one of the ledger's.
    ///
    /// # Errors
    /// The DE39 that refuses it: 30, 12 for a processing code that no bank here knows, 13 for a fraction.
    pub(super) fn read(message: &Message, now_ms: i64, scale: u64) -> Result<Request, &'static str> {
        let mti = message.mti().original().value();
        let needed = match mti {
            420 => &REVERSAL[..],
            220 => &CREDIT[..],
            _ => &FINANCIAL[..],
        };
        if needed.iter().any(|element| !message.has(*element)) {
            return Err("30");
        }
        let text = |element| message.text(element).unwrap_or_default();
        let processing = text(3);
        let kind = match processing.get(..2) {
            Some("01") => Kind::Withdrawal,
            Some("21") => Kind::Deposit,
            Some("31") => Kind::Balance,
            Some("38") => Kind::MiniStatement,
            Some("40") => Kind::Transfer,
            Some(_) | None => return Err("12"),
        };
        let original = match message.get(90) {
            Some(de90) => Some(original(de90, now_ms).ok_or("30")?),
            None => None,
        };
        let left_minor = match message.get(95) {
            Some(de95) => Some(amount(de95.get(..12).unwrap_or_default(), scale)?),
            None => None,
        };
        let to_account = message.text(103).map(Box::from);
        if kind == Kind::Transfer && to_account.is_none() && mti == 200 {
            return Err("30");
        }
        let identity = Identity::read(text(7).as_bytes(), text(11).as_bytes(), now_ms).ok_or("30")?;
        let entry = Entry {
            at_ms: now_ms,
            mti,
            identity,
            rrn: text(37).into(),
            acquirer: text(32).into(),
            terminal: text(41).into(),
            day: text(15).into(),
            processing: processing.into(),
            amount_minor: amount(text(4).as_bytes(), scale)?,
            account: text(102).into(),
            to_account,
            original,
            left_minor,
            reason: message.text(39).map(Box::from),
            code: "".into(),
            approval: None,
            balances: None,
            statement: None,
            postings: Vec::new(),
        };
        let currency = message.number(49).ok_or("30")? as u16;
        Ok(Request { kind, currency, institution: text(100).into(), entry })
    }

    /// Whether an earlier message of the same identity asked for the same.
    pub(super) fn repeats(&self, earlier: &Entry) -> bool {
        let content = |entry: &Entry| {
            let Entry { mti, rrn, acquirer, terminal, processing, amount_minor, .. } = entry.clone();
            let Entry { account, to_account, original, left_minor, .. } = entry.clone();
            (
                (mti, rrn, acquirer, terminal, processing, amount_minor),
                (account, to_account, original, left_minor),
            )
        };
        content(&self.entry) == content(earlier)
    }
}

/// DE90: MTI, STAN, DE7, DE32 and 11 zeros.
fn original(de90: &[u8], now_ms: i64) -> Option<Identity> {
    Identity::read(de90.get(10..20)?, de90.get(4..10)?, now_ms)
}

fn amount(digits: &[u8], scale: u64) -> Result<i64, &'static str> {
    let text = str::from_utf8(digits).unwrap_or_default();
    let amount: u64 = text.parse().map_err(|_| "30")?;
    if amount.is_multiple_of(scale) { Ok((amount / scale) as i64) } else { Err("13") }
}
