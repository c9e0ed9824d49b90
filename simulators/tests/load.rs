//! `simulators load` from outside: what it prints, what it refuses, and that every đồng of a mix is accounted for.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulators")).arg("load").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).to_string_lossy().into_owned()
}

#[test]
fn a_mix_is_offered_and_all_figures_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let (mix, html) = (path(directory.path(), "mix.toml"), path(directory.path(), "page.html"));
    let shares = "withdrawal_two_step = 4\nwithdrawal_one_step = 2\ndeposit = 2\ninquiry = 2\n\
                  reversals_per_thousand = 100\nrepeats_per_thousand = 100\n";
    fs::write(&mix, shares).unwrap();
    let size = ["--terminals", "20", "--connections", "20", "--banks", "3"];
    let what = ["--rate", "40", "--seconds", "3", "--pieces", "2", "--ramp", "1", "--mix", &mix];
    let output = load(&[&size[..], &what[..], &["--json", "--html", &html]].concat());
    assert!(output.status.success(), "{}", said(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    for field in [
        "/offered_per_second",
        "/goodput_per_second",
        "/latency_us/p50",
        "/latency_us/p90",
        "/latency_us/p99",
        "/latency_us/p999",
        "/latency_us/max",
        "/added_us/p50",
        "/added_us/p99",
        "/floor_us/p50",
        "/floor_us/p99",
        "/switch_cpu_us_per_transaction",
        "/written_bytes_per_second",
        "/syncs_per_second",
    ] {
        let value = figures.pointer(field).and_then(Value::as_f64).unwrap_or_default();
        assert!(value > 0.0, "{field}: {figures}");
    }
    assert_eq!(figures["difference_vnd"], 0);
    assert_eq!(figures["floor_rounds"], 5);
    assert!(figures["log_file_system"].is_string() && figures["log_device"].is_string());
    let stages: Vec<_> = figures["stages_us"].as_array().unwrap().iter().map(|it| &it["stage"]).collect();
    for stage in ["verify", "intent_sync", "bank", "outcome_sync", "write", "total"] {
        assert!(stages.iter().any(|it| *it == stage), "{stage}: {stages:?}");
    }
    let held = &figures["held"];
    let accepted = held["accepted"].as_u64().unwrap();
    let advices = held["sent_0220"].as_u64().unwrap() + held["sent_0420"].as_u64().unwrap();
    assert!(accepted > 0 && advices > 0 && held["repeats_answered"].as_u64().unwrap() > 0, "{held}");
    assert!(held["other_codes"].get("57").is_none(), "{held}");
    assert!(fs::read_to_string(&html).unwrap().contains("<svg"));

    let new = path(directory.path(), "new.json");
    fs::write(&new, &output.stdout).unwrap();
    let beside = load(&["--compare", &new, "--with", &new]);
    assert!(beside.status.success(), "{}", said(&beside));
    let table = String::from_utf8_lossy(&beside.stdout).into_owned();
    assert!(table.lines().any(|line| line.starts_with("latency p99") && line.ends_with("1.00")), "{table}");
}

#[test]
fn memory_is_no_disk() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let output = load(&["--keep", &path(directory.path(), "run")]);
    assert!(!output.status.success());
    assert!(said(&output).contains("tmpfs") && said(&output).contains("--keep"), "{}", said(&output));
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let mix = path(directory.path(), "mix.toml");
    fs::write(&mix, "transfers = 3\n").unwrap();
    for (arguments, reason) in [
        (&["--mix", &mix][..], "transfers"),
        (&["--soak", "1000"][..], "--soak 1000"),
        (&["--rate", "90000", "--seconds", "3000"][..], "the audit holds"),
        (&["--compare", &mix][..], "mix.toml"),
        (&["--banks", "101"][..], "--banks"),
        (&["--pieces", "9", "--seconds", "4"][..], "--pieces 9"),
        (&["--citizens", "1"][..], "each of 2 banks"),
        (&["--html", "/nowhere/page.html"][..], "--html /nowhere/page.html"),
    ] {
        let output = load(arguments);
        assert!(!output.status.success() && said(&output).contains(reason), "{reason}: {}", said(&output));
    }
}
