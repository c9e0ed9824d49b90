//! The enrolment, and the audit beside the log.

use serde_json::Value;

use crate::switch::{Switch, write};

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
    let audit = std::fs::read_to_string(switch.path("log/audit.log")).unwrap();
    let acts: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = acts.iter().map(|act| act["act"].as_str().unwrap()).collect();
    assert_eq!(names, ["enrolment import", "enrolment show", "enrolment import", "enrolment show"]);
    assert!(!audit.contains("001203000001"), "a citizen is a pseudonym in the audit file");
}

/// A full disk that had torn the audit file, and was full still, once kept the switch from starting.
#[test]
fn an_audit_file_that_cannot_be_mended_is_an_alarm_and_keeps_no_switch_from_starting() {
    let mut switch = Switch::new();
    let whole = std::fs::read(switch.path("log/audit.log")).unwrap();
    let torn = vec![b'x'; 1 << 21];
    std::fs::write(switch.path("log/audit.log"), &torn).unwrap();
    switch.start();
    let stderr = std::fs::read_to_string(switch.path("stderr")).unwrap();
    assert_eq!(stderr.matches("the audit file's end cannot be mended").count(), 1, "{stderr}");
    assert_eq!(std::fs::read(switch.path("log/audit.log")).unwrap(), torn);
    let refused = switch.command(&["enrolment", "show", "001203000001"]);
    assert!(!refused.status.success(), "nothing is shown without a record of it");
    std::fs::write(switch.path("log/audit.log"), whole).unwrap();
    switch.told(&["enrolment", "show", "001203000001"]);
    assert!(switch.end("TERM").success());
}
