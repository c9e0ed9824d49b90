//! The enrolment, and the audit beside the log.

use serde_json::Value;
use server::audit_file::{AUDIT_FILE, PLAIN_FILE};

use crate::switch::{Switch, audit, write};

#[test]
fn accounts_are_imported_and_every_look_is_recorded() {
    let switch = Switch::new();
    let shown = switch.told(&["enrolment", "show", "001203000001"]);
    assert!(shown.ends_with("1 accounts\n970418 BIDV  ******2345  default\n"), "{shown}");
    let changes = "unlink,001203000001,8600012345\nlink,00120300000x,1\nlink,001203000003,8600099999\n";
    write(switch.dir.path(), "changes.csv", changes);
    let file = switch.path("changes.csv");
    let import = ["enrolment", "import", file.to_str().unwrap(), "--bank", "970418", "--changes"];
    let strict = switch.command(&[&import[..], &["--strict"]].concat());
    assert!(!strict.status.success());
    let told = switch.told(&import);
    assert!(told.starts_with("line 2: "), "{told}");
    assert!(told.contains("1 linked, 1 unlinked, 0 defaults changed, 1 rejected"), "{told}");
    assert!(switch.told(&["enrolment", "show", "001203000001"]).ends_with("0 accounts\n"));
    let audit = audit(&switch);
    let acts: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = acts.iter().map(|act| act["act"].as_str().unwrap()).collect();
    assert_eq!(names, ["enrolment import", "enrolment show", "enrolment import", "enrolment show"]);
    assert!(!audit.contains("001203000001"), "a citizen is a pseudonym in the audit file");
}

/// A full disk that had torn the audit file, and was full still, once kept the switch from starting.
#[test]
fn an_audit_file_that_cannot_be_mended_is_an_alarm_and_keeps_no_switch_from_starting() {
    let mut switch = Switch::new();
    let file = switch.path("log").join(AUDIT_FILE);
    let whole = std::fs::read(&file).unwrap();
    let torn = vec![b'x'; 1 << 21];
    std::fs::write(&file, &torn).unwrap();
    switch.start();
    let stderr = std::fs::read_to_string(switch.path("stderr")).unwrap();
    assert_eq!(stderr.matches("the audit file's end cannot be mended").count(), 1, "{stderr}");
    assert_eq!(std::fs::read(&file).unwrap(), torn);
    let refused = switch.command(&["enrolment", "show", "001203000001"]);
    assert!(!refused.status.success(), "nothing is shown without a record of it");
    std::fs::write(&file, whole).unwrap();
    switch.told(&["enrolment", "show", "001203000001"]);
    assert!(switch.end("TERM").success());
}

#[test]
fn an_audit_that_was_edited_is_named_by_log_verify() {
    let mut switch = Switch::new();
    let file = switch.path("log").join(AUDIT_FILE);
    let plain = switch.path("log").join(PLAIN_FILE);
    std::fs::rename(&file, &plain).unwrap();
    std::fs::write(&plain, "{\"act\":\"keys create\",\"at\":\"2026-05-03T00:00:00Z\",\"by\":0}\n").unwrap();
    switch.start();
    for _ in 0..2 {
        switch.told(&["enrolment", "show", "001203000001"]);
    }
    assert!(switch.end("TERM").success());
    let verified = switch.told(&["log", "verify"]);
    assert!(verified.contains("         3 lines of the audit\n"), "{verified}");

    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let edited = [lines[0], &lines[1].replace("enrolment show", "enrolment look"), lines[2]].concat();
    for (changed, place, reason) in [
        (edited, 2, "does not follow from the line before it: it was changed"),
        ([lines[0], lines[2]].concat(), 2, "has another number than its place: lines are gone or were moved"),
        (
            [lines[0], lines[2], lines[1]].concat(),
            2,
            "has another number than its place: lines are gone or were moved",
        ),
    ] {
        std::fs::write(&file, changed).unwrap();
        let told = format!("{}:{place}: {reason}", file.display());
        let verified = switch.command(&["log", "verify"]);
        assert_eq!(verified.status.code(), Some(18));
        let said = String::from_utf8(verified.stderr).unwrap();
        assert_eq!(said.trim_end(), format!("atm-switch: {told}"));
        let verified = switch.command(&["log", "verify", "--json"]);
        let report: Value = serde_json::from_slice(&verified.stdout).unwrap();
        assert_eq!((&report["good"], &report["status"]), (&Value::from(false), &Value::from(18)));
        assert_eq!(report["audit"]["bad"], Value::from(told));
    }
    std::fs::write(&file, whole).unwrap();
    switch.told(&["log", "verify"]);
    std::fs::write(&plain, "").unwrap();
    let verified = switch.command(&["log", "verify"]);
    assert_eq!(verified.status.code(), Some(18), "what was kept before is gone");
    let said = String::from_utf8(verified.stderr).unwrap();
    assert!(said.contains("log/audit.log: is not what line 1 of switch-audit.jsonl vouches for"), "{said}");
}
