//! A day of everything that can happen, audited whole, and then with one note, posting or record taken out at a time.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::bank::tests::{config, request, reversal};
use crate::bank::{Input, Ledger, Machine, Output};
use crate::terminal::{MovementKind, Now};

const NOW: Now = Now { mono_us: 0, wall_ms: 1_651_539_723_000 };

/// Key `stan` at the machine; the switch's name for it at the bank has the same STAN.
fn key(mti: u16, stan: u64) -> TxKey {
    format!("{mti:04}/970436/HN000001/2022-05-03T01:02:00Z/{stan:06}").parse().unwrap()
}

struct Day {
    movements: Vec<Movement>,
    machine: Machine,
    ledger: Vec<Line>,
    log: Vec<String>,
}

impl Day {
    fn note(&mut self, kind: MovementKind, stan: Option<u64>, denomination_vnd: u64, count: u32) {
        let key = stan.map(|stan| key(200, stan));
        let (terminal, at_ms) = ("HN000001".into(), NOW.wall_ms);
        self.movements.push(Movement { terminal, key, new_key: None, kind, denomination_vnd, count, at_ms });
    }

    fn bank(&mut self, message: &iso8583::Message) {
        let mut out = Vec::new();
        self.machine.handle(NOW, Input::Received(1, Box::new(message.clone())), &mut out);
        self.ledger.extend(out.into_iter().filter_map(|output| match output {
            Output::Append(line) => Some(line),
            Output::Send(..) | Output::Away(_) | Output::Rekey(_) => None,
        }));
    }

    fn record(&mut self, kind: &str, mti: u16, stan: u64, body: Value) {
        let key = (mti != 0).then(|| key(mti, stan));
        let record = json!({
            "position": self.log.len(), "at_ms": NOW.wall_ms, "kind": kind, "key": key, "suspense": null,
            "spend": null, "body": body,
        });
        self.log.push(record.to_string());
    }

    fn intent(&mut self, stan: u64, kind: &str, amount: u64) {
        let account = if stan == 3 { "********2222" } else { "********1111" };
        let body = json!({
            "request": asked(stan, kind, amount), "bank": "970418", "account": account,
            "identity": { "sent_at": "2022-05-03T01:02:03Z", "de7": "0503010203", "stan": format!("{stan:06}") },
        });
        self.record("INTENT", 200, stan, body);
    }

    fn reversed(&mut self, stan: u64, left: u64) {
        let identity = json!({ "sent_at": "2022-05-03T01:02:03Z", "stan": format!("{:06}", stan + 500) });
        self.record("REVERSAL", 200, stan, json!({ "identity": identity, "left_minor": left }));
        self.record("REVERSED", 200, stan, json!({ "code": "00" }));
    }

    fn log(&self) -> Vec<LogRecord> {
        read_log(self.log.join("\n").as_bytes()).unwrap()
    }

    fn audit(&self) -> Audit {
        audit_of(&self.movements, &self.ledger, &self.log())
    }
}

fn asked(stan: u64, kind: &str, amount: u64) -> Value {
    json!({ "kind": kind, "rrn": format!("2123{stan:08}"), "content": { "amount_minor": amount } })
}

fn audit_of(movements: &[Movement], ledger: &[Line], log: &[LogRecord]) -> Audit {
    audit(&Evidence { movements, ledgers: &[ledger.to_vec()], log })
}

fn day() -> Day {
    let header = r#"{"line":"ledger","version":1,"bank":"970418","currency":704}"#;
    let machine = Machine::new(config(), Ledger::default());
    let ledger = vec![serde_json::from_str(header).unwrap()];
    let mut day = Day { movements: Vec::new(), machine, ledger, log: Vec::new() };
    let empty = || json!({});
    for denomination_vnd in [500_000, 200_000] {
        day.note(MovementKind::Loaded, None, denomination_vnd, 100);
    }
    day.record("VERIFICATION", 100, 90, json!({ "request": asked(90, "verification", 0) }));

    day.intent(1, "withdrawal", 2_000_000);
    day.bank(&request(1, "01", "1111", 2_000_000));
    day.record("OUTCOME", 200, 1, json!({ "approval": "000001" }));
    day.note(MovementKind::Out, Some(1), 500_000, 4);
    day.record("COMPLETE", 200, 1, json!({ "advice": null }));

    // A part was dispensed.
    day.intent(2, "withdrawal", 2_000_000);
    day.bank(&request(2, "01", "1111", 2_000_000));
    day.record("OUTCOME", 200, 2, empty());
    day.note(MovementKind::Out, Some(2), 500_000, 4);
    day.note(MovementKind::Retracted, Some(2), 500_000, 1);
    day.bank(&reversal(502, &request(2, "01", "1111", 2_000_000), 1_500_000));
    day.reversed(2, 1_500_000);

    day.intent(3, "withdrawal", 500_000);
    day.bank(&request(3, "01", "2222", 500_000));
    day.record("DECLINED", 200, 3, json!({ "request": null, "code": "51", "send_sod": false }));

    day.intent(4, "deposit", 700_000);
    day.note(MovementKind::In, Some(4), 500_000, 1);
    day.note(MovementKind::In, Some(4), 200_000, 1);
    day.bank(&request(4, "21", "1111", 700_000));
    day.record("OUTCOME", 200, 4, empty());
    day.note(MovementKind::Stored, Some(4), 500_000, 1);
    day.note(MovementKind::Stored, Some(4), 200_000, 1);
    day.record("COMPLETE", 200, 4, json!({ "advice": null }));

    // The bank was late.
    day.intent(5, "withdrawal", 500_000);
    day.bank(&request(5, "01", "1111", 500_000));
    day.bank(&reversal(505, &request(5, "01", "1111", 500_000), 0));
    day.reversed(5, 0);

    let mut transfer = request(6, "40", "1111", 300_000);
    transfer.set_text(103, "2222");
    day.intent(6, "transfer", 300_000);
    day.bank(&transfer);
    day.record("OUTCOME", 200, 6, empty());

    day.intent(7, "balance inquiry", 0);
    day.bank(&request(7, "31", "1111", 0));
    day.record("OUTCOME", 200, 7, empty());

    let refused = |stan, send_sod| json!({ "request": asked(stan, "withdrawal", 900_000), "code": "63", "send_sod": send_sod });
    day.record("DECLINED", 200, 8, refused(8, false));
    day.record("DECLINED", 200, 9, refused(9, true));
    // Nothing was dispensed.
    day.intent(11, "withdrawal", 500_000);
    day.bank(&request(11, "01", "1111", 500_000));
    day.record("OUTCOME", 200, 11, empty());
    day.bank(&reversal(511, &request(11, "01", "1111", 500_000), 0));
    day.reversed(11, 0);
    day.record("CUTOVER", 0, 0, json!({ "day": "2022-05-04" }));
    day.intent(10, "withdrawal", 200_000);
    day.bank(&request(10, "01", "1111", 200_000));
    day.record("OUTCOME", 200, 10, empty());
    day.note(MovementKind::Out, Some(10), 200_000, 1);
    day.record("COMPLETE", 200, 10, json!({ "advice": null }));
    day
}

#[test]
fn a_whole_day_agrees_to_the_dong() {
    let found = day().audit();
    assert_eq!(found.findings, []);
    assert!(found.is_clean());
    assert_eq!((found.uses, found.amount_vnd), (4, 2_000_000 + 1_500_000 + 700_000 + 200_000));
    assert_eq!((found.approved, found.declined, found.reversed), (4, 2, 3));
    assert_eq!((found.suspense, found.difference_vnd), (0, 0));
}

#[test]
fn every_note_that_is_taken_out_is_missed() {
    let day = day();
    let mut taken = 0;
    for (index, movement) in day.movements.iter().enumerate().filter(|(_, movement)| movement.key.is_some()) {
        let mut movements = day.movements.clone();
        movements[index].count -= 1;
        let found = audit_of(&movements, &day.ledger, &day.log());
        assert!(found.findings.iter().any(|finding| finding.key == movement.key), "{movement:?}");
        // A note that is in escrow instead of in its cassette is still in the machine.
        let moved = if movement.kind == MovementKind::Stored { 0 } else { movement.denomination_vnd };
        assert_eq!(found.difference_vnd, 2 * moved, "{movement:?}");
        taken += 1;
    }
    assert_eq!(taken, 8);
}

#[test]
fn every_posting_that_is_taken_out_is_missed() {
    let day = day();
    let mut taken = 0;
    for (index, line) in day.ledger.iter().enumerate() {
        let Line::Entry(entry) = line else { continue };
        for side in 0..entry.postings.len() {
            let mut changed = entry.clone();
            changed.postings.remove(side);
            let mut ledger = day.ledger.clone();
            ledger[index] = Line::Entry(changed);
            let found = audit_of(&day.movements, &ledger, &day.log());
            let names = |finding: &Finding| finding.rrn.as_ref() == Some(&entry.rrn);
            assert!(found.difference_vnd > 0 && found.findings.iter().any(names), "{entry:?}");
            taken += 1;
        }
        if !entry.postings.is_empty() {
            let mut ledger = day.ledger.clone();
            ledger.remove(index);
            let found = audit_of(&day.movements, &ledger, &day.log());
            let names = |finding: &Finding| finding.rrn.as_ref() == Some(&entry.rrn) && finding.key.is_some();
            assert!(found.difference_vnd > 0 && found.findings.iter().any(names), "{entry:?}");
        }
    }
    assert_eq!(taken, 20);
}

#[test]
fn money_on_an_account_that_nobody_named_is_told() {
    let day = day();
    let first = day.ledger.iter().position(|line| matches!(line, Line::Entry(_))).unwrap();
    let told = |change: fn(&mut Entry)| {
        let mut ledger = day.ledger.clone();
        let Line::Entry(entry) = &mut ledger[first] else { unreachable!("an entry stands there") };
        change(entry);
        let found = audit_of(&day.movements, &ledger, &day.log());
        assert_eq!(found.difference_vnd, 0, "cash, settlement and log still agree");
        assert!(found.findings.iter().all(|finding| finding.key == Some(key(200, 1))));
        found.findings.iter().map(|finding| finding.what.clone()).collect::<Vec<_>>()
    };
    let of_another = |entry: &mut Entry| {
        entry
            .postings
            .iter_mut()
            .filter(|it| &*it.account == "1111")
            .for_each(|it| it.account = "2222".into());
    };
    assert_eq!(told(of_another), [Misfit::OtherAccount("2222".into())], "another citizen was debited");
    let between_others = |entry: &mut Entry| entry.postings.extend(Posting::pair("3333", "4444", 700_000));
    let both = ["3333", "4444"].map(|account| Misfit::OtherAccount(account.into()));
    assert_eq!(told(between_others), both, "a transfer that nobody asked for");
    let for_another = |entry: &mut Entry| {
        entry.account = "2222".into();
        entry
            .postings
            .iter_mut()
            .filter(|it| &*it.account == "1111")
            .for_each(|it| it.account = "2222".into());
    };
    let (bank, log) = ("2222".into(), "1111".into());
    assert_eq!(told(for_another), [Misfit::TakenFor { bank, log }], "the whole entry is another citizen's");
}

/// A 0420 does without DE103: it was once taken for money on an account that nobody named.
#[test]
fn a_transfer_that_is_taken_back_agrees() {
    let mut day = day();
    let mut transfer = request(12, "40", "1111", 300_000);
    transfer.set_text(103, "2222");
    day.intent(12, "transfer", 300_000);
    day.bank(&transfer);
    day.bank(&reversal(512, &transfer, 0));
    day.reversed(12, 0);
    assert_eq!(day.audit().findings, []);
}

#[test]
fn every_record_that_is_taken_out_is_missed() {
    let day = day();
    let log = day.log();
    for (index, record) in log.iter().enumerate() {
        let mut cut = log.clone();
        cut.remove(index);
        let found = audit_of(&day.movements, &day.ledger, &cut);
        assert!(!found.is_clean(), "{record:?}");
        // What stands alone in the log, and reached no bank, leaves nothing that could name it but its place.
        let alone = log.iter().filter(|other| other.key == record.key).count() == 1;
        let gap = Misfit::Gap { position: record.position, count: 1 };
        let named = |finding: &Finding| if alone { finding.what == gap } else { finding.key == record.key };
        assert!(found.findings.iter().any(named), "{record:?}: {:?}", found.findings);
    }
}

#[test]
fn what_is_open_or_waits_for_a_person_is_told() {
    let mut day = day();
    day.intent(20, "withdrawal", 100_000);
    day.bank(&request(20, "01", "1111", 100_000));
    day.record("OUTCOME", 200, 20, json!({}));
    let flagged = day.log.pop().unwrap().replace("\"suspense\":null", "\"suspense\":\"age\"");
    day.log.push(flagged);
    let found = day.audit();
    assert_eq!((found.suspense, found.difference_vnd), (1, 200_000));
    let texts: Vec<String> = found.findings.iter().map(Finding::to_string).collect();
    assert_eq!(
        texts,
        [
            "0200/970436/HN000001/2022-05-03T01:02:00Z/000020 (RRN 212300000020): still APPROVED at the end",
            "0200/970436/HN000001/2022-05-03T01:02:00Z/000020 (RRN 212300000020): \
             cash 0, bank 100000, log 100000 đồng",
        ]
    );
    let before = found.findings.len();
    day.record("RESOLUTION", 200, 20, json!({ "by": "lan", "why": "cassettes counted" }));
    let found = day.audit();
    assert_eq!((found.suspense, found.findings.len()), (0, before), "a person has decided");
    day.record("RESOLUTION", 200, 20, json!({ "by": "lan", "why": "again" }));
    assert_eq!(day.audit().findings.len(), before + 1, "there is nothing left to decide");
    day.log.pop();
    day.note(MovementKind::Out, Some(20), 200_000, 1);
    day.note(MovementKind::Returned, Some(20), 100_000, 0);
    day.record("COMPLETE", 200, 20, json!({}));
    let found = day.audit();
    assert_eq!((found.suspense, found.difference_vnd), (0, 200_000), "twice the amount left");
}

#[test]
fn what_only_one_side_knows_is_told() {
    let mut day = day();
    day.note(MovementKind::Out, Some(30), 200_000, 1);
    day.bank(&request(31, "01", "1111", 50_000));
    let mut again = day.ledger.last().unwrap().clone();
    if let Line::Entry(entry) = &mut again {
        entry.rrn = "other".into();
    }
    day.ledger.push(again);
    let found = day.audit();
    assert_eq!(found.difference_vnd, 2 * 200_000 + 2 * 50_000);
    for says in [
        "000030: cash 200000, bank 0, log 0",
        "RRN 212300000031: bank 970418 has 2022-05-03T01:02:03Z/000031, which the log does not know",
        "RRN other: the bank has taken 2022-05-03T01:02:03Z/000031 twice",
    ] {
        assert!(found.findings.iter().any(|finding| finding.to_string().contains(says)), "{says}");
    }
    let lines = day.ledger.split_off(1);
    assert!(audit_of(&[], &lines, &[]).findings.iter().any(|finding| finding.what == Misfit::NoHeader));
}

#[test]
fn a_log_that_cannot_be_read_is_named_by_its_line() {
    let log = format!("{}\nno record\n", day().log[0]);
    assert!(read_log(log.as_bytes()).unwrap_err().to_string().starts_with("line 2: "));
}

/// The switch's own golden records, as they are shown.
fn golden(name: &str) -> LogRecord {
    let path = format!("{}/../tests/golden/records/v1-{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    read_log(file["shown"].to_string().as_bytes()).unwrap().remove(0)
}

#[test]
fn every_kind_of_record_is_read_as_the_switch_shows_it() {
    for (name, kind) in [
        ("outcome", "OUTCOME"),
        ("declined", "DECLINED"),
        ("reversed", "REVERSED"),
        ("complete", "COMPLETE"),
        ("claim", "CLAIM"),
        ("note", "NOTE"),
        ("tombstone", "TOMBSTONE"),
        ("verification", "VERIFICATION"),
    ] {
        let record = golden(name);
        assert_eq!((&*record.kind, record.position, record.key.is_some()), (kind, 5, true));
    }
    for (name, kind) in [("cutover", "CUTOVER"), ("block-bank", "BLOCK"), ("block-citizen", "BLOCK")] {
        let record = golden(name);
        assert_eq!((&*record.kind, record.key), (kind, None));
    }
    let (intent, reversal) = (golden("intent"), golden("reversal"));
    let key: TxKey = "0200/970418/HN000001/2022-05-03T01:02:03Z/000001".parse().unwrap();
    let mut told = Told::unknown(key.clone());
    let mut findings = Vec::new();
    for (record, net_vnd) in [(intent, 0), (golden("outcome"), 2_000_000), (reversal, 500_000)] {
        assert_eq!(record.key, Some(key.clone()));
        assert!(told.take(&record));
        assert_eq!(told.net_vnd(), net_vnd);
    }
    assert_eq!(told.rrn.as_deref(), Some("212300000001"));
    assert_eq!(told.sent, Some(("970415".into(), "2022-05-03T01:02:04Z/000001".parse().unwrap())));
    assert!(
        log::fold(&[golden("declined")], &mut findings).values().all(|told| !told.counts()),
        "send the SOD"
    );
}
