//! Records of the log as lines for people: nothing in them has to be masked (docs/operations.md#log).

use processor::{Advice, BankIdentity, Body, Code, Record, Request, Suspense, UtcSeconds};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One line: position, time, kind, key, and what the kind is about.
pub fn line(position: u64, record: &Record) -> String {
    let key = record.transaction.map_or_else(|| "-".to_owned(), |key| key.to_string());
    let suspense = record.suspense.map_or(String::new(), |reason| format!(" SUSPENSE({})", suspense(reason)));
    format!(
        "{position:>10} {} {:<12} {key}{}{suspense}",
        utc_ms(record.at_ms),
        record.body.name(),
        gist(&record.body)
    )
}

fn gist(body: &Body) -> String {
    let asked = |request: &Request| format!(" {} {}", request.kind.name(), request.content.amount_minor);
    match body {
        Body::Intent(intent) => {
            format!(
                "{} at {} as {} rrn {}",
                asked(&intent.request),
                intent.bank,
                identity_text(intent.identity),
                intent.request.rrn
            )
        }
        Body::Outcome(outcome) => {
            format!(" approval {}", outcome.approval.map_or_else(|| "-".into(), |code| text(&code)))
        }
        Body::Declined(declined) => {
            format!("{} {}", declined.request.as_ref().map_or(String::new(), asked), declined.code)
        }
        Body::Reversal(reversal) => format!(
            " left {} reason {} answer {} as {}",
            reversal.left_minor,
            reversal.reason,
            reversal.answer,
            identity_text(reversal.identity)
        ),
        Body::Reversed(code) => format!(" {code}"),
        Body::Complete(advice) | Body::Tombstone(advice) => advice_gist(advice),
        Body::Claim(reason, advice) => format!(" {}{}", debug_name(reason), advice_gist(advice)),
        Body::Note(reason, advice) => format!(" {}{}", debug_name(reason), advice_gist(advice)),
        Body::Verification(verification) => format!(
            " reference {:?} biometric {} rrn {}",
            verification.reference, verification.biometric_matched, verification.request.rrn
        ),
        Body::Resolution(resolution) => format!(" by {}: {}", resolution.by, resolution.why),
        Body::AskedAgain(asked) => match asked.refused {
            Some(Code::UNAVAILABLE) => " the registry says nothing that can be believed".to_owned(),
            Some(code) => format!(" the registry would have refused with {code}"),
            None => " the registry agrees".to_owned(),
        },
        Body::Cutover(day) => format!(" {day}"),
        Body::Totals(totals) => format!(
            " {} of {} {} {} as {}: {}",
            totals.step.name(),
            totals.side.name(),
            totals.member,
            totals.day,
            identity_text(totals.name),
            if totals.theirs.is_empty() {
                "theirs are not said"
            } else if totals.ours.agree_with(&totals.theirs) {
                "in balance"
            } else {
                "out of balance"
            }
        ),
        Body::Block(block) => {
            format!(" {} {:?} by {}", if block.set { "set" } else { "lifted" }, block.subject, block.by)
        }
    }
}

fn advice_gist(advice: &Option<Advice>) -> String {
    advice.as_ref().map_or(String::new(), |advice| format!(" by {}", advice.key))
}

pub(crate) fn identity_text(identity: BankIdentity) -> String {
    format!("{}/{:06}", text(&identity.sent_at.to_de7()), identity.stan)
}

pub(crate) fn suspense(suspense: Suspense) -> &'static str {
    match suspense {
        Suspense::Age => "age",
        Suspense::Claim => "claim",
    }
}

/// The names of plain enums are for people as they are in the code.
fn debug_name(reason: &impl std::fmt::Debug) -> String {
    format!("{reason:?}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// RFC 3339.
pub(crate) fn utc(at: UtcSeconds) -> String {
    rfc3339(OffsetDateTime::from_unix_timestamp(at.0).ok())
}

pub(crate) fn utc_ms(at_ms: i64) -> String {
    rfc3339(OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000).ok())
}

fn rfc3339(at: Option<OffsetDateTime>) -> String {
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "out of range".to_owned())
}
