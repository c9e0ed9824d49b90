//! What a phase shows while it runs: a line on a terminal, and a point a second for the plots.

use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::measure::{histogram, note};

/// Points that a phase keeps; past it every other one is dropped, and each stands for twice as long.
const POINTS_MAX: usize = 4_096;

/// One second, or more of them in a long run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    /// Seconds since the first point.
    pub(super) at_s: f64,
    /// Approvals a second.
    pub(super) goodput: f64,
    /// Of these approvals, microseconds from the moment that they were due.
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
}

/// Seconds of a phase.
pub(super) struct Live {
    bar: ProgressBar,
    second_us: Histogram<u64>,
    began_us: u64,
    next_us: u64,
    points: Vec<Point>,
    /// Every so many seconds a point is kept.
    stride: u64,
    seconds: u64,
}

impl Live {
    /// Of a phase whose clock starts at `began_us`. Nothing is drawn where standard error is no terminal.
    pub(super) fn new(began_us: u64, rate: u64, seconds: u64) -> Live {
        let bar = ProgressBar::with_draw_target(Some(seconds), ProgressDrawTarget::stderr());
        let template = format!("{rate}/s {{bar:24}} {{pos}}/{{len}} s  {{msg}}");
        let style = ProgressStyle::with_template(&template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Live {
            bar,
            second_us: histogram(),
            began_us,
            next_us: began_us + 1_000_000,
            points: Vec::new(),
            stride: 1,
            seconds: 0,
        }
    }

    /// An approval.
    pub(super) fn approved(&mut self, waited_us: u64) {
        note(&mut self.second_us, waited_us);
    }

    /// The clock: closes what seconds are over. `cpu` is asked for the line's last words.
    pub(super) fn tick(&mut self, now_us: u64, cpu: impl FnOnce(Duration) -> String) {
        if now_us < self.next_us {
            return;
        }
        let span_us = now_us - (self.next_us - 1_000_000);
        self.next_us = now_us + 1_000_000;
        self.seconds += 1;
        let at = |quantile| self.second_us.value_at_quantile(quantile);
        let point = Point {
            at_s: (now_us - self.began_us) as f64 / 1e6,
            goodput: self.second_us.len() as f64 * 1e6 / span_us as f64,
            p50_us: at(0.5),
            p99_us: at(0.99),
        };
        self.second_us.reset();
        if self.seconds.is_multiple_of(self.stride) {
            self.points.push(point);
        }
        if self.points.len() > POINTS_MAX {
            halve(&mut self.points);
            self.stride *= 2;
        }
        self.bar.set_position(self.seconds);
        if !self.bar.is_hidden() {
            let Point { goodput, p50_us, p99_us, .. } = point;
            let ms = |us: u64| us as f64 / 1e3;
            let cpu = cpu(Duration::from_micros(span_us));
            let (p50, p99) = (ms(p50_us), ms(p99_us));
            self.bar.set_message(format!("{goodput:.0}/s approved, p50 {p50:.2} ms, p99 {p99:.2} ms, {cpu}"));
        }
    }

    /// The points; the line is gone.
    pub(super) fn end(self) -> Vec<Point> {
        self.bar.finish_and_clear();
        self.points
    }
}

/// Puts points behind others, with no more than [`POINTS_MAX`] in all.
pub(super) fn join(points: &mut Vec<Point>, more: Vec<Point>) {
    let from_s = points.last().map_or(0.0, |last| last.at_s);
    points.extend(more.into_iter().map(|point| Point { at_s: from_s + point.at_s, ..point }));
    while points.len() > POINTS_MAX {
        halve(points);
    }
}

fn halve(points: &mut Vec<Point>) {
    let mut number = 0;
    points.retain(|_| {
        number += 1;
        number % 2 == 0
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_own_quantiles_and_points_are_bounded() {
        let mut live = Live::new(5_000_000, 10, 3);
        for us in [100, 100, 900] {
            live.approved(us);
        }
        live.tick(5_999_999, |_| String::new());
        live.tick(6_000_000, |_| String::new());
        live.tick(8_000_000, |_| String::new());
        let points = live.end();
        assert_eq!(points[0], Point { at_s: 1.0, goodput: 3.0, p50_us: 100, p99_us: 900 });
        assert_eq!((points.len(), points[1].goodput), (2, 0.0));
        let mut all = points.clone();
        for _ in 0..5_000 {
            join(&mut all, points.clone());
        }
        assert!(all.len() <= POINTS_MAX && all.is_sorted_by(|one, two| one.at_s < two.at_s));
    }
}
