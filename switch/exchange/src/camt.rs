//! ISO 20022: a bank's day as a statement (camt.053.001.08) and as notifications (camt.054.001.08).
//!
//! The account is the bank's with the switch. What the bank owes is a debit of it, what it is owed a credit; every entry is booked in the
//! business day. The statement begins with nothing owed and ends with the day's net.

use std::collections::BTreeMap;

use processor::Side;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use time::OffsetDateTime;

use crate::currency::CURRENCIES;
use crate::settlement::{Settlement, asked_name, owes};

/// A message could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CamtError {
    /// The system's own.
    #[error("the message cannot be written: {0}")]
    Io(#[from] std::io::Error),
    /// [`CURRENCIES`] has none of this number: its letters and decimal places are not known.
    #[error("currency {0:03}: its letters and decimal places are not known here")]
    Currency(u16),
}

/// A currency as messages write it.
#[derive(Clone, Copy, Debug)]
struct Money {
    letters: &'static str,
    decimals: u32,
}

impl Money {
    fn of(number: u16) -> Result<Money, CamtError> {
        let known = CURRENCIES.iter().find(|known| known.number == number);
        let money = known.map(|known| Money { letters: known.letters, decimals: known.decimals });
        money.ok_or(CamtError::Currency(number))
    }

    /// `1500.00`, `1500` where it has no smaller unit.
    fn decimal(self, minor: u64) -> String {
        match 10u64.pow(self.decimals) {
            1 => minor.to_string(),
            unit => {
                format!("{}.{:0decimals$}", minor / unit, minor % unit, decimals = self.decimals as usize)
            }
        }
    }
}

type Out = Writer<Vec<u8>>;
type Written = Result<(), std::io::Error>;

/// Which message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Camt {
    /// camt.053: the day's statement with balances.
    Statement,
    /// camt.054: each entry, without balances.
    Notification,
}

impl Camt {
    fn namespace(self) -> &'static str {
        match self {
            Camt::Statement => "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08",
            Camt::Notification => "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08",
        }
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Camt::Statement => ("BkToCstmrStmt", "Stmt"),
            Camt::Notification => ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
        }
    }
}

/// What a message is about, and how its money is written.
#[derive(Clone, Copy)]
struct Page<'s> {
    settlement: &'s Settlement,
    money: Money,
}

/// Writes a message; it is created when the day was closed, seconds since 1970, so that the same day gives the same bytes.
///
/// # Errors
/// [`CamtError`].
pub fn write_camt(camt: Camt, settlement: &Settlement, created_s: i64) -> Result<Vec<u8>, CamtError> {
    let page = Page { settlement, money: Money::of(settlement.currency)? };
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 1);
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let (message, part) = camt.names();
    let id = format!("{}-{}", settlement.bank, settlement.day);
    out.create_element("Document").with_attribute(("xmlns", camt.namespace())).write_inner_content(
        |out| {
            element(out, message, |out| {
                element(out, "GrpHdr", |out| {
                    leaf(out, "MsgId", &id)?;
                    leaf(out, "CreDtTm", &moment(created_s))
                })?;
                element(out, part, |out| {
                    leaf(out, "Id", &id)?;
                    leaf(out, "CreDtTm", &moment(created_s))?;
                    element(out, "Acct", |out| {
                        element(out, "Id", |out| {
                            element(out, "Othr", |out| leaf(out, "Id", &settlement.bank.to_string()))
                        })?;
                        leaf(out, "Ccy", page.money.letters)
                    })?;
                    if camt == Camt::Statement {
                        balance(out, page, "OPBD", 0)?;
                        balance(out, page, "CLBD", -settlement.net_minor())?;
                    }
                    entries(out, page)
                })
            })
        },
    )?;
    let mut bytes = out.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

/// An RFC 3339 moment of a second.
pub(crate) fn moment(at_s: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn element(out: &mut Out, name: &str, inner: impl FnOnce(&mut Out) -> Written) -> Written {
    out.create_element(name).write_inner_content(inner).map(|_| ())
}

fn leaf(out: &mut Out, name: &str, text: &str) -> Written {
    out.create_element(name).write_text_content(BytesText::new(text)).map(|_| ())
}

/// What the bank is owed is positive. Amounts have no sign of their own.
fn amount(out: &mut Out, money: Money, minor: i64) -> Written {
    let text = money.decimal(minor.unsigned_abs());
    out.create_element("Amt")
        .with_attribute(("Ccy", money.letters))
        .write_text_content(BytesText::new(&text))?;
    leaf(out, "CdtDbtInd", if minor < 0 { "DBIT" } else { "CRDT" })
}

fn balance(out: &mut Out, page: Page<'_>, code: &str, minor: i64) -> Written {
    element(out, "Bal", |out| {
        element(out, "Tp", |out| element(out, "CdOrPrtry", |out| leaf(out, "Cd", code)))?;
        amount(out, page.money, minor)?;
        element(out, "Dt", |out| leaf(out, "Dt", &page.settlement.day.to_string()))
    })
}

/// One entry for each detail that moves money between members, one for its fee, one for each adjustment between members.
fn entries(out: &mut Out, page: Page<'_>) -> Written {
    for detail in &page.settlement.details {
        let entry = &detail.entry;
        let side = match detail.side {
            Side::Issuer => "",
            Side::Acquirer => "Q",
        };
        let name = format!("{}{}{side}", detail.position, if entry.is_reversal { "R" } else { "" });
        let (amount_minor, fee_minor) = owes(detail);
        let info = asked_name(entry.asked);
        let rrn = detail.rrn.to_string();
        if amount_minor != 0 {
            one_entry(out, page, &name, -amount_minor, entry.is_reversal, Some(&rrn), info)?;
        }
        if fee_minor != 0 {
            let (name, info) = (format!("{name}F"), format!("fee of {info}"));
            one_entry(out, page, &name, -fee_minor, entry.is_reversal, Some(&rrn), &info)?;
        }
    }
    let mut of_act = BTreeMap::new();
    for one in page.settlement.adjustments.iter().filter(|one| one.resolution == "adjustment") {
        // One act may take back several.
        let before: &mut u32 = of_act.entry(one.act).or_default();
        let name = if *before == 0 { format!("A{}", one.act) } else { format!("A{}-{before}", one.act) };
        *before += 1;
        one_entry(out, page, &name, -one.amount_minor, false, one.rrn.as_deref(), "adjustment")?;
    }
    Ok(())
}

fn one_entry(
    out: &mut Out,
    page: Page<'_>,
    name: &str,
    minor: i64,
    is_reversal: bool,
    rrn: Option<&str>,
    info: &str,
) -> Written {
    element(out, "Ntry", |out| {
        leaf(out, "NtryRef", name)?;
        amount(out, page.money, minor)?;
        if is_reversal {
            leaf(out, "RvslInd", "true")?;
        }
        element(out, "Sts", |out| leaf(out, "Cd", "BOOK"))?;
        element(out, "BookgDt", |out| leaf(out, "Dt", &page.settlement.day.to_string()))?;
        element(out, "BkTxCd", |out| element(out, "Prtry", |out| leaf(out, "Cd", info)))?;
        element(out, "NtryDtls", |out| {
            element(out, "TxDtls", |out| {
                element(out, "Refs", |out| leaf(out, "EndToEndId", rrn.unwrap_or("NOTPROVIDED")))?;
                amount(out, page.money, minor)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ISO 4217 has no number for was written as XXX, with two decimals.
    #[test]
    fn money_is_written_as_its_currency_counts_it_or_refused() {
        let written = |number, minor| {
            Money::of(number).map(|money| format!("{} {}", money.letters, money.decimal(minor))).ok()
        };
        for (number, minor, expected) in [
            (704, 2_000_000, Some("VND 2000000")),
            (840, 150_005, Some("USD 1500.05")),
            (392, 7, Some("JPY 7")),
            (414, 1_500, Some("KWD 1.500")),
            (418, 5, Some("LAK 0.05")),
            (999, 5, None),
            (1, 5, None),
            (0, 5, None),
        ] {
            assert_eq!(written(number, minor).as_deref(), expected, "{number}");
        }
    }
}
