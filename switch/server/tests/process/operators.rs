//! What operators are told and decide: reversals, what waits for a person, totals.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use iso8583::{Message, Mti};
use processor::UtcSeconds;
use serde_json::Value;

use crate::switch::{PATIENCE, Switch, address, page, write};
use crate::terminal::{exchange, totals};

#[test]
fn what_waits_for_a_bank_is_told_also_when_nothing_does() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    let told = switch.told(&["saf", "list"]);
    assert_eq!(told, "970418 no link: 0 reversals, 0 at the bank, 0 resting, oldest -, last error -\n");
    let listed: Value = serde_json::from_str(&switch.told(&["saf", "list", "--json"])).unwrap();
    assert_eq!((&listed["more"], listed["reversals"].as_array().unwrap().len()), (&Value::from(0), 0));
    assert_eq!(listed["banks"][0]["bank"], "970418");
    assert_eq!(switch.told(&["saf", "retry"]), "0 taken up, 0 rest on\n");
    assert_eq!(switch.told(&["saf", "retry", "--bank", "970418"]), "0 taken up, 0 rest on\n");
    let key = "0200/970418/HN000001/2026-05-03T01:02:03Z/000017";
    for (arguments, reason) in [
        (&["saf", "retry", key][..], "no reversal of it is owed"),
        (&["saf", "retry", "17"], "`17` is no transaction key"),
        (&["saf", "show", key], "no transaction of that name is in the log"),
        (&["saf", "list", "--limit", "1001"], "limit: 1001 is more than 1000"),
        (&["saf", "list", "--bank", "x"], "`x` is not 1 to 11 digits"),
    ] {
        let output = switch.command(arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(reason), "{arguments:?}: {told}");
    }
    let status: Value = serde_json::from_str(&switch.told(&["status"])).unwrap();
    assert_eq!(status["saf"][0]["reversals"], 0);
    let metrics = page(&addresses, "/metrics");
    for line in [
        "atm_switch_saf_reversals{bank=\"970418\"} 0",
        "atm_switch_saf_oldest_age_seconds{bank=\"970418\"} 0",
        "atm_switch_saf_errors_total{bank=\"970418\",error=\"silent\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(switch.end("TERM").success());
    assert!(!switch.command(&["saf", "list"]).status.success(), "no switch is there to ask");
}

/// A 0220 about a withdrawal that the switch has never seen.
fn unexplained_completion(stan: u64) -> Message {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let de7 = UtcSeconds(now.as_secs() as i64).to_de7();
    let mut message = Message::new(Mti::new(220));
    message.set_text(2, "9704990012030000017").set_text(3, "010000").set_number(4, 500_000, 12);
    message.set(7, &de7).set_number(11, stan, 6).set_text(12, "080203").set_text(13, "0503");
    message.set_text(32, "970418").set_text(41, "HN000001").set_text(49, "704");
    let de7 = String::from_utf8_lossy(&de7).into_owned();
    message.set_text(90, &format!("0200{:06}{de7}{:0>11}{:011}", stan + 500, "970418", 0));
    message
}

#[test]
fn what_waits_for_a_person_is_listed_and_resolved_across_kills() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    assert_eq!(switch.told(&["suspense", "list"]), "");
    let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
    for stan in [1, 2] {
        let answer = exchange(&mut terminal, &unexplained_completion(stan)).unwrap();
        assert_eq!((answer.mti().value(), answer.text(39)), (230, Some("00")));
    }
    let list = |switch: &Switch, more: &[&str]| -> Value {
        let arguments = [&["suspense", "list", "--json"], more].concat();
        serde_json::from_str(&switch.told(&arguments)).unwrap()
    };
    let listed = list(&switch, &[]);
    let waiting = listed["suspense"].as_array().unwrap().clone();
    assert_eq!((waiting.len(), &waiting[0]["reason"]), (2, &Value::from("claim")));
    assert_eq!((&listed["more"], &listed["list_full"]), (&0.into(), &false.into()));
    assert_eq!(list(&switch, &["--limit", "1"])["more"], 1);
    assert_eq!(list(&switch, &["--since", "2099-01-01"])["suspense"].as_array().unwrap().len(), 0);
    assert_eq!(list(&switch, &["--since", "2022-05-03"])["suspense"].as_array().unwrap().len(), 2);
    switch.end("KILL");

    let addresses = switch.start();
    assert_eq!(list(&switch, &[]), listed, "a kill loses none");
    let key = waiting[0]["transaction"].as_str().unwrap();
    let shown = switch.told(&["suspense", "show", key]);
    assert!(shown.contains("TOMBSTONE, waits for a person (claim)") && shown.contains(" CLAIM "), "{shown}");
    let resolve = ["suspense", "resolve", key, "--by", "Lan", "--why", "cassettes counted"];
    assert_eq!(switch.told(&resolve), "done\n");
    let again = switch.command(&resolve);
    assert!(String::from_utf8_lossy(&again.stderr).contains("does not wait for a person"));
    let nameless = switch.command(&["suspense", "resolve", key, "--by", "", "--why", "x"]);
    assert!(!nameless.status.success());
    switch.end("KILL");

    std::fs::remove_dir_all(switch.path("log/index")).unwrap();
    let status = switch.start();
    assert_ne!(addresses["admin"], Value::Null);
    let left = list(&switch, &[]);
    assert_eq!(left["suspense"].as_array().unwrap(), &waiting[1..], "nor does a lost index");
    assert!(switch.told(&["suspense", "show", key]).contains("TOMBSTONE, waits for nobody"));
    let since = Instant::now();
    while !page(&status, "/metrics").contains("atm_switch_suspense_open 1\n") {
        assert!(since.elapsed() < PATIENCE, "the gauge is set with the next beat");
        std::thread::sleep(Duration::from_millis(20));
    }
    let record = switch.log().pop().unwrap();
    assert_eq!((&record["record"], &record["why"]), (&"RESOLUTION".into(), &"cassettes counted".into()));
    let by = record["by"].as_str().unwrap();
    assert!(by.starts_with("Lan (uid "), "{by}");
    assert!(switch.end("TERM").success());
    assert!(switch.told(&["log", "verify"]).contains("1 wait for a person"));
}

#[test]
fn an_acquirer_s_totals_are_answered_recorded_and_shown_with_the_day() {
    let mut switch = Switch::new();
    let config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    write(switch.dir.path(), "atm-switch.toml", &(config + "[reconciliation]\ndir = \"clerks\"\n"));
    let addresses = switch.start();
    let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
    assert_eq!(switch.told(&["cutover", "2026-05-02"]), "done\n");
    let said = [
        (totals(1, "0501", "C0000000000000000"), "00", "1"),
        (totals(2, "0501", "D0000000000000005"), "00", "2"),
        (totals(3, "0502", "D0000000000000005"), "00", "2"),
        (totals(4, "0430", "C0000000000000000"), "95", "3"),
    ];
    let mut first = Vec::new();
    for (message, code, settlement) in &said {
        let answer = exchange(&mut terminal, message).unwrap();
        let texts = [39, 66].map(|element| answer.text(element));
        assert_eq!((answer.mti().value(), texts), (510, [Some(*code), Some(*settlement)]), "{message:?}");
        first.push(answer);
    }
    assert_eq!(first[0].text(97), Some("C0000000000000000"));

    // Killed, and asked again by a repeat.
    switch.end("KILL");
    let addresses = switch.start();
    let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
    for ((message, ..), first) in said.iter().zip(&first).take(3) {
        let mut repeat = message.clone();
        repeat.set_mti(Mti::new(501));
        assert_eq!(exchange(&mut terminal, &repeat).as_ref(), Some(first));
    }
    let log = switch.log();
    let kinds: Vec<&str> = log.iter().map(|record| record["record"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["CUTOVER", "TOTALS", "TOTALS", "TOTALS"]);
    assert_eq!((&log[2]["ours"]["97"], &log[2]["theirs"]["97"]), (&Value::from(0), &Value::from(5)));

    // The newest of an ended day counts; what was said of the open one claims nothing.
    for (day, in_balance, exceptions) in
        [("2026-05-01", Value::from(false), 1), ("2026-05-02", Value::Null, 0)]
    {
        let shown: Value = serde_json::from_str(&switch.told(&["day", "show", day, "--json"])).unwrap();
        let acquirer = &shown["acquirers"][0];
        assert_eq!(
            (&acquirer["bank"], &acquirer["in_balance"]),
            (&Value::from("970418"), &in_balance),
            "{shown:#}"
        );
        assert_eq!(shown["open_exceptions"], exceptions, "{day}");
    }
    let shown = switch.told(&["day", "show", "2026-05-01"]);
    assert!(shown.contains("acquirer 970418: owes 0, OUT OF BALANCE"), "{shown}");
}
