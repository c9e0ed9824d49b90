//! Two runs side by side, out of what `--json` printed of each.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

/// What is compared: a name for people, and where it stands.
const FIGURES: [(&str, &str); 24] = [
    ("offered a second", "/offered_per_second"),
    ("goodput a second", "/goodput_per_second"),
    ("latency p50, µs", "/latency_us/p50"),
    ("latency p90, µs", "/latency_us/p90"),
    ("latency p99, µs", "/latency_us/p99"),
    ("latency p99.9, µs", "/latency_us/p999"),
    ("latency max, µs", "/latency_us/max"),
    ("added p50, µs", "/added_us/p50"),
    ("added p99, µs", "/added_us/p99"),
    ("floor p50, µs", "/floor_us/p50"),
    ("floor p99, µs", "/floor_us/p99"),
    ("added / floor p50", "/added_by_floor/p50"),
    ("added / floor p99", "/added_by_floor/p99"),
    ("fdatasync p50, µs", "/floor_sync_us/p50"),
    ("switch CPU each, µs", "/switch_cpu_us_per_transaction"),
    ("banks CPU each, µs", "/banks_cpu_us_per_transaction"),
    ("load CPU each, µs", "/load_cpu_us_per_transaction"),
    ("written a second, bytes", "/written_bytes_per_second"),
    ("syncs a second", "/syncs_per_second"),
    ("switch memory, bytes", "/switch_memory_bytes"),
    ("overload goodput, share", "/goodput_share"),
    ("switch CPU a refusal, µs", "/switch_cpu_us_per_refused"),
    ("answered after deadline", "/held/answered_after_deadline"),
    ("difference, đồng", "/difference_vnd"),
];

/// A run's figures.
///
/// # Errors
/// The file, and why it holds none.
pub(super) fn read(path: &Path) -> io::Result<Value> {
    let failed = |reason: String| io::Error::other(format!("{}: {reason}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    if value.pointer("/offered_per_second").is_none() {
        return Err(failed("not what `load --json` prints: no offered_per_second".to_owned()));
    }
    Ok(value)
}

/// A table: each figure that one of them has, and the new one by the old one.
pub(super) fn table(old: &Value, new: &Value) -> String {
    let mut text = format!("{:26} {:>14} {:>14} {:>9}\n", "", "old", "new", "new / old");
    for (name, place) in FIGURES {
        line(&mut text, name, number(old, place), number(new, place));
    }
    for stage in stages(old).into_iter().flatten() {
        let name = stage.get("stage").and_then(Value::as_str).unwrap_or_default();
        let same = stages(new).into_iter().flatten().find(|it| it.get("stage") == stage.get("stage"));
        for quantile in ["p50", "p99"] {
            let place = format!("/{quantile}");
            let name = format!("stage {name} {quantile}, µs");
            line(&mut text, &name, number(stage, &place), same.and_then(|same| number(same, &place)));
        }
    }
    text
}

fn stages(run: &Value) -> Option<&Vec<Value>> {
    run.pointer("/stages_us")?.as_array()
}

fn number(value: &Value, place: &str) -> Option<f64> {
    value.pointer(place)?.as_f64()
}

fn line(text: &mut String, name: &str, old: Option<f64>, new: Option<f64>) {
    if old.is_none() && new.is_none() {
        return;
    }
    let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value}"));
    let ratio = match (old, new) {
        (Some(old), Some(new)) if old != 0.0 => format!("{:.2}", new / old),
        (Some(_) | None, _) => "-".to_owned(),
    };
    let _ = writeln!(text, "{name:26} {:>14} {:>14} {ratio:>9}", show(old), show(new));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_stand_side_by_side_with_their_ratio() {
        let run = |rate: u64, p50: u64| {
            json!({"offered_per_second": rate, "latency_us": {"p50": p50}, "difference_vnd": 0,
                "stages_us": [{"stage": "bank", "p50": p50 / 2, "p99": 9}]})
        };
        let table = table(&run(1_000, 800), &run(2_000, 600));
        let has = |words: &[&str]| {
            table.lines().any(|line| {
                let line: Vec<_> = line.split_whitespace().collect();
                words.iter().all(|word| line.contains(word))
            })
        };
        assert!(
            has(&["offered", "1000.0", "2000.0", "2.00"]) || has(&["offered", "1000", "2000", "2.00"]),
            "{table}"
        );
        assert!(has(&["latency", "p50,", "0.75"]) && has(&["stage", "bank", "p50,", "0.75"]), "{table}");
        assert!(has(&["difference,", "0", "-"]) && !table.contains("floor"), "{table}");
    }

    #[test]
    fn another_file_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("old.json");
        fs::write(&path, "{\"rate\": 3}").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("old.json: not what"));
        fs::write(&path, "{\"offered_per_second\": 3}").unwrap();
        assert!(read(&path).is_ok());
    }
}
