//! The switch's log of the day, written by the real journal.

use std::path::Path;

use credential::{CitizenNumber, Pan};
use journal::{AppendError, Journal, Options, SegmentLog};
use keys::{DataKeys, Key};
use processor::{
    BankIdentity, Body, Carried, ClaimReason, Class, Code, Content, Day, Declined, Figures, Intent,
    Kind as Asked, NoteReason, Outcome, Record, Request, Reversal, Rrn, Side, Suspense, Totals, TotalsStep,
    TxKey, UtcSeconds,
};
use reconciliation::Kind;
use sha2::{Digest, Sha256};

use super::plan::{BANKS, Plan, UTC_OFFSET_S, Use, What, midnight_s};

/// Cutover by local time.
const CUTOVER_S: i64 = 23 * 3_600;

/// The key of this name, in hexadecimal: synthetic, like all that it seals.
pub(super) fn key_hex(seed: u64, name: &str) -> String {
    Sha256::digest(format!("day {seed} {name}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn data_keys(seed: u64) -> DataKeys {
    let key = |name: &str| Key::new(Sha256::digest(format!("day {seed} {name}")).into());
    DataKeys::new(&key("k_enc"), &key("k_pseudonym"), &key("k_log"))
}

/// Writes the log.
pub(super) fn write(plan: &Plan, seed: u64, dir: &Path) -> Result<u64, String> {
    let keys = data_keys(seed);
    let (mut log, _) = SegmentLog::open(Options::new(dir.to_owned(), keys.clone()), Box::new(|_| {}))
        .map_err(|error| error.to_string())?;
    if log.next() != 0 {
        return Err(format!("{}: there is a log already", dir.display()));
    }
    let records = records(plan, &keys);
    for (position, record) in (0..).zip(&records) {
        loop {
            match log.append(position, record) {
                Ok(()) => break,
                Err(AppendError::Full) => std::thread::sleep(std::time::Duration::from_millis(1)),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
    log.close();
    Ok(records.len() as u64)
}

/// All records in the order of their moments.
fn records(plan: &Plan, keys: &DataKeys) -> Vec<Record> {
    let act = |at_s: i64, day: Day| Record {
        at_ms: at_s * 1_000,
        transaction: None,
        suspense: None,
        spend: None,
        body: Body::Cutover(day),
    };
    let cutover_s = midnight_s(plan.day) + CUTOVER_S;
    let mut records = vec![act(cutover_s - 86_400, plan.day), act(cutover_s, plan.next_day)];
    for one in &plan.uses {
        let key = key(one);
        for (at_ms, suspense, body) in bodies(plan, one, cutover_s, keys) {
            records.push(Record { at_ms, transaction: Some(key), suspense, spend: None, body });
        }
    }
    for bank in (0..BANKS.len()).filter(|bank| plan.is_silent_about_totals(*bank)) {
        records.extend(asked_in_vain(plan, bank, cutover_s));
    }
    records.sort_by_key(|record| record.at_ms);
    records
}

/// A 0520 that the bank leaves unanswered. What the switch counted is not what its page shows: that comes from the whole log.
fn asked_in_vain(plan: &Plan, bank: usize, cutover_s: i64) -> [Record; 2] {
    let name = BankIdentity { sent_at: UtcSeconds(cutover_s + 25), stan: 999_999 };
    [(TotalsStep::Asked, 25), (TotalsStep::GivenUp, 1_800)].map(|(step, behind_s)| Record {
        at_ms: (cutover_s + behind_s) * 1_000,
        transaction: None,
        suspense: None,
        spend: None,
        body: Body::Totals(Box::new(Totals {
            step,
            side: Side::Issuer,
            member: super::plan::bank_id(bank),
            terminal: None,
            name,
            day: plan.day,
            as_of: 0,
            ours: Figures::default(),
            theirs: Figures::default(),
        })),
    })
}

fn key(one: &Use) -> TxKey {
    TxKey {
        class: Class::Financial,
        acquirer: super::plan::bank_id(one.acquirer),
        terminal: one.terminal_id(),
        sent_at: UtcSeconds(one.at_s),
        stan: one.terminal_stan(),
    }
}

type Told = (i64, Option<Suspense>, Body);

fn bodies(plan: &Plan, one: &Use, cutover_s: i64, keys: &DataKeys) -> Vec<Told> {
    let at_ms = one.at_s * 1_000;
    let intent = (at_ms, None, Body::Intent(Box::new(intent(plan, one, keys))));
    let outcome = || {
        (
            at_ms + 200,
            None,
            Body::Outcome(Outcome { approval: Some(*b"A1B2C3"), carried: Carried::default() }),
        )
    };
    let complete = || (at_ms + 15_000, None, Body::Complete(None));
    let reversal = |at_ms: i64, day: Day, left_minor: u64| {
        let identity = BankIdentity { sent_at: UtcSeconds(at_ms / 1_000), stan: one.bank_stan() };
        let (reason, answer) = (Code(*b"32"), Code::APPROVED);
        let body = Body::Reversal(Reversal { identity, day, left_minor, reason, answer, advice: None });
        [(at_ms, None, body), (at_ms + 300, None, Body::Reversed(Code::APPROVED))]
    };
    let mut told = vec![intent];
    match (one.damage, one.what) {
        // Every other one is approved and nothing more is heard; the rest is completed, and a claim says otherwise.
        (Some(Kind::Suspense), _) if one.variant.is_multiple_of(2) => {
            let aged = (
                cutover_s * 1_000 + 3_600_000,
                Some(Suspense::Age),
                Body::Note(NoteReason::PastItsAge, None),
            );
            told.extend([outcome(), aged]);
        }
        (Some(Kind::Suspense), _) => {
            let claim = (at_ms + 20_000, Some(Suspense::Claim), Body::Claim(ClaimReason::OtherAmount, None));
            told.extend([outcome(), complete(), claim]);
        }
        (Some(Kind::LateReversal), _) => {
            told.push(outcome());
            told.extend(reversal(cutover_s * 1_000 + 60_000, plan.next_day, 0));
        }
        (_, What::Withdrawal | What::Deposit) => told.extend([outcome(), complete()]),
        (_, What::Transfer) => told.push(outcome()),
        (_, What::Declined) => {
            let declined = Declined {
                request: None,
                code: Code::FUNDS,
                bank_code: Some(Code::FUNDS),
                send_sod: false,
                evidence: None,
            };
            told.push((at_ms + 200, None, Body::Declined(Box::new(declined))));
        }
        (_, What::Reversed) => {
            told.push(outcome());
            told.extend(reversal(at_ms + 20_000, plan.day, 0));
        }
        (_, What::PartReversed) => {
            told.push(outcome());
            told.extend(reversal(at_ms + 20_000, plan.day, 500_000));
        }
        (_, What::TimedOut) => told.extend(reversal(at_ms + 15_000, plan.day, 0)),
    }
    told
}

fn intent(plan: &Plan, one: &Use, keys: &DataKeys) -> Intent {
    let number = format!("001203{:06}", one.number % 1_000_000);
    let citizen = CitizenNumber::parse(number.as_bytes()).expect("a province of 001 and twelve digits");
    let (asked, processing) = match one.what {
        What::Deposit => (Asked::Deposit, *b"210000"),
        What::Transfer => (Asked::Transfer, *b"400000"),
        _ => (Asked::Withdrawal, *b"010000"),
    };
    let content = Content {
        citizen: keys.pseudonym(&citizen),
        processing,
        amount_minor: one.amount.unsigned_abs(),
        currency: 704,
        original: None,
        left_minor: None,
        institution: Some(one.bank_id()),
        from_account: None,
        to_account: None,
    };
    let mut carried = Carried::default();
    let local = UtcSeconds(one.at_s + UTC_OFFSET_S).to_de7();
    carried.set(12, &local[4..]);
    carried.set(13, &local[..4]);
    carried.set(18, b"6011");
    let request = Request {
        kind: asked,
        pan: Pan::new(*b"970499", &citizen),
        content,
        rrn: Rrn(*one.rrn().as_bytes().first_chunk().expect("twelve digits")),
        rrn_from_terminal: false,
        carried,
    };
    Intent {
        request,
        bank: one.bank_id(),
        account: Some(format!("{:012}", one.number).into()),
        identity: BankIdentity { sent_at: UtcSeconds(one.at_s), stan: one.bank_stan() },
        day: plan.day,
        reference: None,
        evidence: None,
    }
}
