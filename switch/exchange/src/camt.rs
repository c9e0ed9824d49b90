//! ISO 20022: a bank's day as a statement (camt.053.001.08) and as notifications (camt.054.001.08).
//!
//! The account is the bank's with the switch. What the bank owes is a debit of it, what it is owed a credit; every entry is booked in the
//! business day. The statement begins with nothing owed and ends with the day's net.

use processor::Kind as Asked;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use time::OffsetDateTime;

use crate::settlement::{Settlement, asked_name};

/// A message could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the message cannot be written: {0}")]
pub struct CamtError(#[from] std::io::Error);

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

/// Writes a message; it is created when the day was closed, seconds since 1970, so that the same day gives the same bytes.
///
/// # Errors
/// [`CamtError`].
pub fn write_camt(camt: Camt, settlement: &Settlement, created_s: i64) -> Result<Vec<u8>, CamtError> {
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
                        leaf(out, "Ccy", currency(settlement.currency))
                    })?;
                    if camt == Camt::Statement {
                        balance(out, settlement, "OPBD", 0)?;
                        balance(out, settlement, "CLBD", -settlement.net_minor())?;
                    }
                    entries(out, settlement)
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
fn amount(out: &mut Out, settlement: &Settlement, minor: i64) -> Written {
    let text = decimal(minor.unsigned_abs(), settlement.currency);
    out.create_element("Amt")
        .with_attribute(("Ccy", currency(settlement.currency)))
        .write_text_content(BytesText::new(&text))?;
    leaf(out, "CdtDbtInd", if minor < 0 { "DBIT" } else { "CRDT" })
}

fn balance(out: &mut Out, settlement: &Settlement, code: &str, minor: i64) -> Written {
    element(out, "Bal", |out| {
        element(out, "Tp", |out| element(out, "CdOrPrtry", |out| leaf(out, "Cd", code)))?;
        amount(out, settlement, minor)?;
        element(out, "Dt", |out| leaf(out, "Dt", &settlement.day.to_string()))
    })
}

/// One entry for each detail that moves money between members, one for its fee, one for each adjustment between members.
fn entries(out: &mut Out, settlement: &Settlement) -> Written {
    for detail in &settlement.details {
        let entry = &detail.entry;
        let name = format!("{}{}", detail.position, if entry.is_reversal { "R" } else { "" });
        let owes = if entry.is_reversal { -entry.amount_minor } else { entry.amount_minor };
        let info = asked_name(entry.asked);
        let moves = matches!(entry.asked, Asked::Withdrawal | Asked::Deposit);
        let rrn = detail.rrn.to_string();
        if moves && owes != 0 {
            one_entry(out, settlement, &name, -owes, entry.is_reversal, Some(&rrn), info)?;
        }
        if detail.fee_minor != 0 {
            let info = format!("fee of {info}");
            one_entry(
                out,
                settlement,
                &format!("{name}F"),
                -detail.fee_minor,
                entry.is_reversal,
                Some(&rrn),
                &info,
            )?;
        }
    }
    for one in settlement.adjustments.iter().filter(|one| one.resolution == "adjustment") {
        let name = format!("A{}", one.act);
        one_entry(out, settlement, &name, -one.amount_minor, false, one.rrn.as_deref(), "adjustment")?;
    }
    Ok(())
}

fn one_entry(
    out: &mut Out,
    settlement: &Settlement,
    name: &str,
    minor: i64,
    is_reversal: bool,
    rrn: Option<&str>,
    info: &str,
) -> Written {
    element(out, "Ntry", |out| {
        leaf(out, "NtryRef", name)?;
        amount(out, settlement, minor)?;
        if is_reversal {
            leaf(out, "RvslInd", "true")?;
        }
        element(out, "Sts", |out| leaf(out, "Cd", "BOOK"))?;
        element(out, "BookgDt", |out| leaf(out, "Dt", &settlement.day.to_string()))?;
        element(out, "BkTxCd", |out| element(out, "Prtry", |out| leaf(out, "Cd", info)))?;
        element(out, "NtryDtls", |out| {
            element(out, "TxDtls", |out| {
                element(out, "Refs", |out| leaf(out, "EndToEndId", rrn.unwrap_or("NOTPROVIDED")))?;
                amount(out, settlement, minor)
            })
        })
    })
}

fn currency(number: u16) -> &'static str {
    match number {
        704 => "VND",
        840 => "USD",
        978 => "EUR",
        _ => "XXX",
    }
}

/// VND has no decimal places.
fn decimal(minor: u64, currency: u16) -> String {
    match currency {
        704 => minor.to_string(),
        _ => format!("{}.{:02}", minor / 100, minor % 100),
    }
}
