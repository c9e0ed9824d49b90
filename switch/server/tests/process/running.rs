//! Started, signed on to, watched, drained, killed; what it makes and holds meanwhile.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::switch::{Switch, address, page};
use crate::terminal::{exchange, network};

#[test]
fn it_is_started_commanded_watched_and_drained() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
    assert_eq!(exchange(&mut terminal, &network("301", 1)).unwrap().text(39), Some("00"));
    let signed_on = exchange(&mut terminal, &network("001", 2)).unwrap();
    assert_eq!((signed_on.text(39), signed_on.has(112)), (Some("00"), true));

    assert!(page(&addresses, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(page(&addresses, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(page(&addresses, "/metrics").contains("atm_switch_events_total{event=\"terminal_signed_on\"} 1"));

    assert_eq!(switch.told(&["cutover", "2026-05-04"]), "done\n");
    let refused = switch.command(&["cutover", "2026-05-03"]);
    assert!(!refused.status.success(), "an earlier day");
    assert_eq!(switch.told(&["block", "terminal", "HN000001"]), "done\n");
    assert_eq!(switch.told(&["block", "citizen", "001203000001"]), "done\n");
    assert_eq!(switch.told(&["unblock", "terminal", "HN000001"]), "done\n");
    let status: Value = serde_json::from_str(&switch.told(&["status"])).unwrap();
    assert_eq!(status["business_day"], "2026-05-04");
    assert_eq!(status["blocks"].as_array().unwrap().len(), 1);
    assert_eq!(status["terminal_links_up"], 1);

    for stranger in [["terminal", "HN999999"], ["bank", "970499"]] {
        let refused = switch.command(&["block", stranger[0], stranger[1]]);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && told.contains("not in the configuration"), "{told}");
    }
    let draining = |switch: &Switch| {
        serde_json::from_str::<Value>(&switch.told(&["status"])).unwrap()["draining"] == true
    };
    assert!(!draining(&switch));
    assert!(switch.told(&["drain"]).contains("atm-switch resume"));
    assert!(draining(&switch) && page(&addresses, "/readyz").starts_with("HTTP/1.1 503"));
    assert_eq!(switch.told(&["resume"]), "done\n");
    assert!(!draining(&switch) && page(&addresses, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(!switch.command(&["resume"]).status.success(), "there is nothing to resume");
    assert_eq!(switch.log().len(), 4, "also beside the running switch");
    let in_use = switch.command(&["run"]);
    assert!(String::from_utf8_lossy(&in_use.stderr).contains("in use by another process"));

    assert!(switch.end("TERM").success());
    let kinds: Vec<Value> = switch.log().into_iter().map(|mut record| record["record"].take()).collect();
    assert_eq!(kinds, ["CUTOVER", "BLOCK", "BLOCK", "BLOCK"]);
    let verified = switch.told(&["log", "verify"]);
    assert!(verified.contains("4 records are good"), "{verified}");
    let head = verified.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert!(switch.command(&["log", "verify", "--head", &head]).status.success());
    let other = head.replace("4:", "3:");
    assert!(!switch.command(&["log", "verify", "--head", &other]).status.success(), "another head");
    assert!(!switch.told(&["log", "show"]).contains("001203000001"), "a citizen is a pseudonym in the log");
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut switch = Switch::new();
    switch.start();
    switch.told(&["cutover", "2026-05-04"]);
    switch.told(&["block", "bank", "970418"]);
    switch.end("KILL");
    switch.start();
    let status: Value = serde_json::from_str(&switch.told(&["status"])).unwrap();
    assert_eq!(status["business_day"], "2026-05-04");
    assert_eq!(status["blocks"].as_array().unwrap().len(), 1);
    assert!(switch.end("INT").success());
    assert_eq!(switch.log().len(), 2);
}

/// Other users of the machine read the log, and kept the switch from starting by holding its lock.
#[test]
fn what_the_switch_makes_is_its_users_alone() {
    let mut switch = Switch::new();
    switch.start();
    switch.told(&["block", "terminal", "HN000001"]);
    assert!(switch.end("TERM").success());
    let log = switch.path("log");
    let made = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    for path in made.chain([log.clone()]) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

/// Connections of whoever watches were held for ever, as many as came: terminals got none any more.
#[test]
fn connections_to_the_metrics_that_say_nothing_are_bounded_and_closed() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    let admin = address(&addresses, "admin");
    let silent: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(admin).unwrap()).collect();
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        match stream.read(&mut [0; 1]) {
            Ok(read) => assert_eq!(read, 0, "closed, not answered"),
            // Not a wait that has run out: that is a connection which is kept.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
    assert!(page(&addresses, "/healthz").contains("healthy"));
}

#[test]
fn memory_is_locked_where_that_is_allowed_and_else_it_is_told() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    let id = switch.process.as_ref().unwrap().id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    let locked_kb: u64 = line("VmLck:").trim_end_matches(" kB").parse().unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let is_unlimited = limits.lines().any(|line| line.starts_with("Max locked memory         unlimited"));
    // CAP_IPC_LOCK.
    let may = is_unlimited || u64::from_str_radix(line("CapEff:"), 16).unwrap() >> 14 & 1 == 1;
    assert_eq!(may, locked_kb > 0);
    assert!(page(&addresses, "/metrics").contains(&format!("atm_switch_memory_locked {}", u8::from(may))));
    assert!(switch.end("TERM").success());
    let stderr = std::fs::read_to_string(switch.path("stderr")).unwrap();
    assert_eq!(stderr.contains("memory is not locked"), !may, "{stderr}");
}
