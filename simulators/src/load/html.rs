//! A load's report as one page that needs nothing else: plots are SVG within it.

use std::fmt::Write as _;

use super::live::Point;
use super::measure::Phase;
use super::report::Report;
use super::stages::{STAGES, quantile_us};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 34.0;
const TOP: f64 = 14.0;
const TICKS: usize = 5;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:820px;margin:2em auto;padding:0 1em;color:#1c2430;\
background:#fff}h2{font-size:1.1em;margin:1.6em 0 .3em}pre{overflow-x:auto;background:#f3f5f8;padding:1em;font-size:12px}\
svg{width:100%;height:auto}svg text{font-size:11px;fill:#5b6675}.grid{stroke:#dfe4ea}.key{font-size:13px;color:#5b6675}";

const COLOURS: [&str; 4] = ["#1f6feb", "#d1495b", "#2a9d6f", "#8a63d2"];

/// One line of a plot.
struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>atm-switch under load</title><style>{STYLE}</style><h1>atm-switch under load</h1>"
    );
    if let Some((rate, phase)) = &report.held {
        phase_plots(&mut html, &format!("{rate}/s"), phase);
    }
    if let Some(overload) = &report.overload {
        phase_plots(&mut html, &format!("overload, {}/s", overload.rate), &overload.phase);
    }
    let _ = write!(html, "<h2>All figures</h2><pre>{}</pre>", escaped(&report.to_string()));
    html.push_str("</html>\n");
    html
}

fn phase_plots(html: &mut String, name: &str, phase: &Phase) {
    let series = |of: fn(&Point) -> f64| phase.points.iter().map(|point| (point.at_s, of(point))).collect();
    let latency = [
        Line { name: "p50", points: series(|point| point.p50_us as f64 / 1e3) },
        Line { name: "p99", points: series(|point| point.p99_us as f64 / 1e3) },
    ];
    plot(html, &format!("{name}: latency over time"), "s", "ms", &latency);
    let goodput = [Line { name: "approved a second", points: series(|point| point.goodput) }];
    plot(html, &format!("{name}: goodput"), "s", "/s", &goodput);
    // Each nine is as wide as the one before.
    let nines = (0..=40).map(|tenth| f64::from(tenth) / 10.0);
    let curve = |histogram: &hdrhistogram::Histogram<u64>| {
        let at = |nines: f64| histogram.value_at_quantile(1.0 - 10f64.powf(-nines)) as f64 / 1e3;
        nines.clone().map(|nines| (nines, at(nines))).collect()
    };
    let curves = [
        Line { name: "0200 to 0210", points: curve(&phase.accepted_us) },
        Line { name: "less what the bank held it", points: curve(&phase.added_us) },
    ];
    let label = "nines: 1 is p90, 2 is p99, 3 is p99.9";
    plot(html, &format!("{name}: percentiles"), label, "ms", &curves);
    stage_bars(html, name, phase);
}

fn plot(html: &mut String, title: &str, x_name: &str, y_name: &str, lines: &[Line]) {
    let all = || lines.iter().flat_map(|line| &line.points);
    if all().count() < 2 {
        return;
    }
    let x_max = all().map(|(x, _)| *x).fold(f64::MIN_POSITIVE, f64::max);
    let y_max = all().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max) * 1.05;
    let x = |value: f64| LEFT + value / x_max * (WIDTH - LEFT - 10.0);
    let y = |value: f64| HEIGHT - BOTTOM - value / y_max * (HEIGHT - BOTTOM - TOP);
    let _ = write!(html, "<h2>{}</h2><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">", escaped(title));
    for tick in 0..=TICKS {
        let share = tick as f64 / TICKS as f64;
        let (at_x, at_y) = (x(x_max * share), y(y_max * share));
        let _ = write!(
            html,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at_y:.1}\" y2=\"{at_y:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text x=\"{at_x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            WIDTH - 10.0,
            LEFT - 6.0,
            at_y + 4.0,
            short(y_max * share),
            HEIGHT - BOTTOM + 14.0,
            short(x_max * share),
        );
    }
    for (line, colour) in lines.iter().zip(COLOURS) {
        let _ = write!(html, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"");
        for (at_x, at_y) in &line.points {
            let _ = write!(html, "{:.1},{:.1} ", x(*at_x), y(*at_y));
        }
        html.push_str("\"/>");
    }
    let _ = write!(
        html,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text></svg><p class=\"key\">{}",
        WIDTH - 10.0,
        HEIGHT - 4.0,
        escaped(x_name),
        escaped(y_name)
    );
    for (line, colour) in lines.iter().zip(COLOURS) {
        let _ = write!(html, " <span style=\"color:{colour}\">■</span> {}", escaped(line.name));
    }
    html.push_str("</p>");
}

/// Two bars for each stage: p50 and p99.
fn stage_bars(html: &mut String, name: &str, phase: &Phase) {
    let bars: Vec<_> = STAGES
        .iter()
        .filter_map(|(key, name)| {
            let counts = phase.stages.get(*key).filter(|counts| !counts.is_empty())?;
            Some((*name, quantile_us(counts, 0.5), quantile_us(counts, 0.99)))
        })
        .collect();
    let max_us = bars.iter().map(|(_, _, p99)| *p99).fold(f64::MIN_POSITIVE, f64::max);
    let height = bars.len() as f64 * 34.0 + 4.0;
    let _ = write!(
        html,
        "<h2>{}: where the time went, p50 and p99</h2><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">",
        escaped(name)
    );
    for (number, (stage, p50_us, p99_us)) in bars.into_iter().enumerate() {
        let top = number as f64 * 34.0;
        let _ = write!(html, "<text x=\"0\" y=\"{}\">{}</text>", top + 18.0, escaped(stage));
        for (us, offset, colour) in [(p50_us, 3.0, COLOURS[0]), (p99_us, 16.0, COLOURS[1])] {
            let width = us / max_us * (WIDTH - 290.0);
            let _ = write!(
                html,
                "<rect x=\"200\" y=\"{}\" width=\"{width:.1}\" height=\"11\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{} µs</text>",
                top + offset,
                206.0 + width,
                top + offset + 10.0,
                short(us)
            );
        }
    }
    html.push_str("</svg>");
}

/// As many digits as a person reads.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::measure::note;

    #[test]
    fn a_page_holds_its_plots_and_asks_for_nothing_else() {
        let mut phase = Phase::new();
        for second in 1..=9 {
            note(&mut phase.accepted_us, 100 * second);
            note(&mut phase.added_us, 90 * second);
            let at_s = second as f64;
            phase.points.push(Point { at_s, goodput: 5.0, p50_us: second, p99_us: 2 * second });
        }
        phase.stages.insert("bank".to_owned(), [(1_000_000, 5)].into());
        let report = Report { held: Some((1_000, phase)), ..Report::default() };
        let page = page(&report);
        assert_eq!(page.matches("<svg").count(), 4, "{page}");
        assert_eq!(page.matches("<polyline").count(), 5);
        assert!(page.contains("bank, its links included") && page.contains("1000/s"));
        for outside in ["http", "<script", "<link", "<img", "NaN", "inf\""] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
