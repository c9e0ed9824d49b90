//! What came out, as tables and as JSON.

use std::fmt::Write as _;
use std::fs;

use serde::Serialize;

use crate::codecs;
use crate::echo;
use crate::rounds::Median;

/// A whole run.
#[derive(Serialize, Debug)]
pub struct Report {
    /// Rounds that the medians are of.
    pub rounds: u32,
    /// The machine's load over the minute before the end.
    pub load_average: f64,
    /// Codecs, ours before others of the same dialect; empty where they were not measured.
    pub codecs: Vec<codecs::Row>,
    /// Echo servers, ours first of each number of connections; empty where they were not measured.
    pub echoes: Vec<echo::Row>,
}

impl Report {
    /// As tables for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "Medians of {} interleaved rounds; load average {:.1}.\n",
            self.rounds, self.load_average
        );
        if !self.codecs.is_empty() {
            self.write_codecs(&mut text);
        }
        if !self.echoes.is_empty() {
            self.write_echoes(&mut text);
        }
        text
    }

    fn write_codecs(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\nA message of 22 elements, 429 bytes in ascii-1987; `/ours` is the ratio to ours in the same dialect\n\
             {:<34} {:>10} {:>7} {:>10} {:>7}",
            "codec", "parse", "/ours", "build", "/ours"
        );
        for row in &self.codecs {
            let [parse, build] = [row.parse_ns, row.build_ns].map(nanoseconds);
            let _ = writeln!(text, "{:<34} {parse} {build}", row.name);
            let cut = row.cut_short;
            if cut.panics + cut.taken > 0 {
                let all = cut.panics + cut.taken + cut.refused;
                let _ = writeln!(
                    text,
                    "    cut short, at {all} lengths: panics at {}, takes it at {}",
                    cut.panics, cut.taken
                );
            }
            for (what, wrong) in [("parse", &row.parse_wrong), ("build", &row.build_wrong)] {
                if let Some(wrong) = wrong {
                    let _ = writeln!(text, "    {what}: {wrong}");
                }
            }
        }
        let _ = writeln!(
            text,
            "iso8583 0.1.1: does not build: cargo check --manifest-path benches/peers/does_not_build/Cargo.toml"
        );
    }

    fn write_echoes(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\n0800 to 0810 on loopback, {} in flight on each connection\n\
             {:<38} {:>5} {:>10} {:>6} {:>10} {:>6} {:>9} {:>9}",
            echo::IN_FLIGHT,
            "server",
            "links",
            "echoes/s",
            "/ours",
            "CPU, us",
            "/ours",
            "p50, us",
            "p99, us"
        );
        for row in &self.echoes {
            let (rate, cpu) = (row.rate_per_second, row.server_cpu_us);
            let _ = writeln!(
                text,
                "{:<38} {:>5} {:>10.0} {:>6.2} {:>10.2} {:>6.2} {:>9.0} {:>9.0}",
                row.name,
                row.connections,
                rate.value,
                rate.to_ours,
                cpu.value,
                cpu.to_ours,
                row.p50_us.value,
                row.p99_us.value
            );
        }
    }
}

fn nanoseconds(figure: Option<Median>) -> String {
    match figure {
        Some(figure) => format!("{:>7.0} ns {:>7.2}", figure.value, figure.to_ours),
        None => format!("{:>10} {:>7}", "wrong", ""),
    }
}

/// The machine's load over the last minute, as it stands in /proc; 0 where there is none.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}
