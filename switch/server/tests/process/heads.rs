//! Heads of the log in a second place.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::switch::{PATIENCE, Switch, page};

/// Copies the files of a directory, not those of directories in it.
fn copy_files(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            std::fs::copy(&entry, to.join(entry.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_log_that_was_put_back_is_refused_and_named_by_the_heads_that_were_kept() {
    let mut switch = Switch::new();
    std::fs::create_dir(switch.path("witness")).unwrap();
    switch.keep_heads("witness/heads");
    switch.start();
    switch.told(&["block", "terminal", "HN000001"]);
    assert!(switch.end("TERM").success());
    let earlier = switch.path("earlier");
    copy_files(&switch.path("log"), &earlier);
    switch.start();
    switch.told(&["unblock", "terminal", "HN000001"]);
    switch.told(&["block", "bank", "970418"]);
    assert!(switch.end("TERM").success());
    let heads = switch.path("witness/heads").to_str().unwrap().to_owned();
    let verify = ["log", "verify", "--heads", &heads];
    assert!(switch.told(&verify).contains("; 3 records are vouched for"), "the last head is that of the end");

    let later = switch.path("later");
    copy_files(&switch.path("log"), &later);
    copy_files(&earlier, &switch.path("log"));
    let refused = switch.command(&["run"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("vouches for 3, and it ends before that"), "{told}");
    let checked = switch.command(&[&verify[..], &["--json"]].concat());
    assert_eq!(checked.status.code(), Some(14));
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((&report["bad"]["harm"], &report["bad"]["position"]), (&"rolled_back".into(), &1.into()));
    assert!(switch.command(&["log", "verify"]).status.success(), "the log alone does not know");

    // Gone on with where no heads are asked for, it is as long as what was kept: an alarm there, and refused here.
    let configured = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    let without: Vec<&str> = configured.lines().filter(|line| !line.contains("heads_file")).collect();
    std::fs::write(switch.path("atm-switch.toml"), without.join("\n")).unwrap();
    let addresses = switch.start();
    assert!(page(&addresses, "/metrics").contains("atm_switch_log_heads_missing 1"));
    for citizen in ["001203000001", "001203000002", "001203000003"] {
        switch.told(&["block", "citizen", citizen]);
    }
    assert!(switch.end("TERM").success());
    std::fs::write(switch.path("atm-switch.toml"), &configured).unwrap();
    let refused = switch.command(&["run"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("vouches for 3, and it holds other records"), "{told}");
    copy_files(&earlier, &switch.path("log"));

    // Gone on with, it is another log.
    std::fs::rename(switch.path("witness/heads"), switch.path("moved")).unwrap();
    assert_eq!(switch.command(&verify).status.code(), Some(17), "no head is left where some were kept");
    let addresses = switch.start();
    assert!(page(&addresses, "/metrics").contains("atm_switch_log_heads_missing 1"));
    switch.told(&["block", "citizen", "001203000001"]);
    switch.told(&["block", "citizen", "001203000002"]);
    assert!(switch.end("TERM").success());
    std::fs::rename(switch.path("moved"), switch.path("witness/heads")).unwrap();
    assert_eq!(switch.command(&verify).status.code(), Some(15));
    assert_eq!(switch.command(&["run"]).status.code(), Some(1));

    // The whole log again, and an auditor with the public half.
    copy_files(&later, &switch.path("log"));
    let key = switch.path("heads-key.pem");
    std::fs::write(&key, switch.told(&["log", "heads-key"])).unwrap();
    let with_key = [&verify[..], &["--public-key", key.to_str().unwrap()]].concat();
    assert!(switch.command(&with_key).status.success());
    let text = std::fs::read_to_string(&heads).unwrap();
    std::fs::write(&heads, text.replacen(" 3:", " 5:", 1)).unwrap();
    assert_eq!(switch.command(&with_key).status.code(), Some(16), "a head that nobody has signed");
    std::fs::write(&heads, text).unwrap();
    switch.start();
}

#[test]
fn a_place_for_heads_that_takes_nothing_is_an_alarm_and_stops_nothing() {
    let mut switch = Switch::new();
    std::fs::create_dir(switch.path("mount")).unwrap();
    switch.configure_heads("mount/heads");
    let refused = switch.command(&["run"]);
    assert_eq!(refused.status.code(), Some(1), "nobody has said that it is the first start with them");
    assert!(String::from_utf8(refused.stderr).unwrap().contains("begin-heads"));
    switch.told(&["log", "begin-heads"]);
    std::fs::rename(switch.path("mount"), switch.path("unmounted")).unwrap();
    let addresses = switch.start();
    assert!(page(&addresses, "/metrics").contains("atm_switch_log_heads_missing 1"));
    switch.told(&["block", "terminal", "HN000001"]);
    let since = Instant::now();
    while !page(&addresses, "/metrics").contains("atm_switch_log_heads_failing 1") {
        assert!(since.elapsed() < PATIENCE, "it was not told");
        std::thread::sleep(Duration::from_millis(20));
    }
    switch.told(&["unblock", "terminal", "HN000001"]);
    assert!(switch.end("TERM").success());
    let stderr = std::fs::read_to_string(switch.path("stderr")).unwrap();
    assert_eq!(stderr.matches("a head of the log cannot be kept").count(), 1, "{stderr}");
    assert_eq!(stderr.matches("the second place does not vouch for the log").count(), 1, "{stderr}");
}
