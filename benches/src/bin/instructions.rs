//! `cargo run --release -p benches --bin instructions`: counts beside their baseline; more than 5 % fail.

use std::path::PathBuf;
use std::process::ExitCode;

use benches::instructions::{BASELINE, Baseline, CASES, Case, Compared, GROWTH_PERCENT_MAX, count};
use clap::Parser;

/// Counts the instructions of codec, link, processor and record encoding under callgrind, and compares them with the baseline.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --release -p benches --bin instructions
  cargo run --release -p benches --bin instructions -- --only processor
  cargo run --release -p benches --bin instructions -- --write
  cargo run --release -p benches --bin instructions -- --json")]
struct Arguments {
    /// Write what is counted as the new baseline, instead of comparing
    #[arg(long, conflicts_with = "only")]
    write: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Only the cases whose names hold this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The baseline
    #[arg(long, value_name = "FILE", default_value = BASELINE)]
    baseline: PathBuf,
    /// Run this case, without counting: what callgrind is started with
    #[arg(long, value_name = "CASE", requires = "repetitions", hide = true)]
    run: Option<String>,
    #[arg(long, hide = true)]
    repetitions: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let (Some(name), Some(repetitions)) = (&arguments.run, arguments.repetitions) {
        return run(name, repetitions);
    }
    if cfg!(debug_assertions) {
        eprintln!("instructions: the baseline is of the release profile; run it with --release");
        return ExitCode::from(2);
    }
    match compare(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(name: &str, repetitions: usize) -> ExitCode {
    let Some(case) = CASES.iter().find(|case| case.name == name) else {
        eprintln!("instructions: `{name}` is no case");
        return ExitCode::from(2);
    };
    (case.run)(repetitions);
    ExitCode::SUCCESS
}

fn compare(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let baseline = if arguments.write { Baseline::default() } else { Baseline::read(&arguments.baseline)? };
    let only = arguments.only.as_deref().unwrap_or_default();
    let mut compared = Vec::new();
    for case in CASES.iter().filter(|case| case.name.contains(only)) {
        compared.push(Compared { name: case.name, baseline: known(&baseline, case), now: count(case)? });
    }
    if arguments.write {
        let instructions = compared.iter().map(|it| (it.name.to_owned(), it.now)).collect();
        Baseline { instructions }.write(&arguments.baseline)?;
    }
    let has_grown = !arguments.write && compared.iter().any(Compared::fails);
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({ "growth_percent_max": GROWTH_PERCENT_MAX, "fails": has_grown, "cases": compared })
        );
    } else {
        print(&compared);
    }
    if has_grown {
        eprintln!(
            "instructions: more than {GROWTH_PERCENT_MAX} % above the baseline. See where with callgrind_annotate, and mend it; or, \
             where the change is worth it, write the baseline anew with --write and commit it together with the change."
        );
    }
    Ok(ExitCode::from(u8::from(has_grown)))
}

fn known(baseline: &Baseline, case: &Case) -> Option<u64> {
    baseline.instructions.get(case.name).copied()
}

fn print(compared: &[Compared]) {
    let width = compared.iter().map(|it| it.name.len()).max().unwrap_or(0);
    println!("{:width$} {:>10} {:>10} {:>8}", "instructions of one", "baseline", "now", "change");
    for it in compared {
        let baseline = it.baseline.map_or("-".to_owned(), |baseline| baseline.to_string());
        let growth = it.growth().map_or("-".to_owned(), |growth| format!("{:+.1} %", growth * 100.0));
        println!("{:width$} {baseline:>10} {:>10} {growth:>8}", it.name, it.now);
    }
}
