//! What the log holds before a seed's day begins: an ended transaction at each bank, whose STAN is close to its end
//! where STANs are to come round.

use credential::Pan;
use keys::DataKeys;
use processor::{
    BankIdentity, Body, Carried, Class, Code, Content, Day, Declined, Intent, Kind, Record, Request, Rrn,
    TxKey, UtcSeconds,
};

use super::faults::Fault;
use super::plan::{BANKS, Plan, acquirer, institution, terminal_id};

/// An hour before the day.
const BEFORE_S: i64 = 3_600;

/// The records, oldest first.
pub(super) fn records(plan: &Plan, keys: &DataKeys, pan: impl Fn(u32) -> Pan) -> Vec<Record> {
    let stan = if plan.faults.has(Fault::StanWrap) { 999_985 } else { 1_000 };
    (0..BANKS.len()).flat_map(|bank| ended(plan, keys, bank, stan, pan(90 + bank as u32))).collect()
}

fn ended(plan: &Plan, keys: &DataKeys, bank: usize, stan: u32, pan: Pan) -> [Record; 2] {
    let sent_at = UtcSeconds(plan.start_ms / 1000 - BEFORE_S);
    let at_ms = sent_at.0 * 1000;
    let citizen = keys.pseudonym(&pan.citizen_number());
    let key = TxKey {
        class: Class::Financial,
        acquirer: institution(acquirer(0)),
        terminal: terminal_id(0),
        sent_at,
        stan: 900_000 + bank as u32,
    };
    let content = Content {
        citizen,
        processing: *b"010000",
        amount_minor: 500_000,
        currency: 704,
        original: None,
        left_minor: None,
        institution: None,
        from_account: None,
        to_account: None,
    };
    let rrn = Rrn(*b"000000000001");
    let request = Request {
        kind: Kind::Withdrawal,
        pan,
        content,
        rrn,
        rrn_from_terminal: true,
        carried: Carried::default(),
    };
    let identity = BankIdentity { sent_at, stan };
    let intent = Intent {
        request,
        bank: institution(BANKS[bank]),
        account: Some("129".into()),
        identity,
        day: Day::of_unix_ms(plan.start_ms),
        reference: None,
        evidence: None,
    };
    let declined = Declined {
        request: None,
        code: Code::FUNDS,
        bank_code: Some(Code::FUNDS),
        send_sod: false,
        evidence: None,
    };
    [Body::Intent(Box::new(intent)), Body::Declined(Box::new(declined))].map(|body| Record {
        at_ms,
        transaction: Some(key),
        suspense: None,
        spend: None,
        body,
    })
}
