//! The Live page: how the running switch does right now.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use crate::app::{Console, Visitor};
use crate::evidence::bank_name;
use crate::format;
use crate::live::{Alarm, MOMENTS_MAX, Rate, Shown, alarms};
use crate::pages::problem::Refused;
use crate::pages::{Section, Shell, failed, need, shown};
use crate::role::Permission;
use crate::texts::{Texts, with};

#[derive(Template)]
#[template(path = "live.html")]
struct LivePage {
    shell: Shell,
    part: LivePart,
}

/// What the page replaces by itself.
#[derive(Template)]
#[template(path = "live_part.html")]
struct LivePart {
    t: &'static Texts,
    as_of: String,
    machine_as_of: String,
    answers: String,
    refusals: String,
    figures: Vec<(&'static str, String)>,
    chart: Chart,
    alarms: Vec<(&'static str, String)>,
    stages: Vec<StageRow>,
    banks: Vec<BankRow>,
    codes: Vec<(String, &'static str, String)>,
    events: Vec<(&'static str, String)>,
}

struct StageRow {
    name: &'static str,
    times: Option<[String; 3]>,
}

struct BankRow {
    name: String,
    ready: bool,
    waiting: String,
    resting: String,
    oldest: String,
    error: String,
}

/// Answers a second as an area, and refusals over it. 600 wide, 120 high.
struct Chart {
    answers: String,
    refusals: String,
    most: String,
    is_empty: bool,
}

const CHART_WIDTH: f64 = 600.0;
const CHART_HEIGHT: f64 = 120.0;

impl Chart {
    fn of(rates: &[Rate], comma: bool) -> Chart {
        let most = rates.iter().map(|rate| rate.answers).fold(0.0, f64::max);
        let scale = if most > 0.0 { most } else { 1.0 };
        let line = |value: fn(&Rate) -> f64| {
            let from = MOMENTS_MAX - 1 - rates.len().min(MOMENTS_MAX - 1);
            let x = |index: usize| (from + index) as f64 * CHART_WIDTH / (MOMENTS_MAX - 2) as f64;
            let points = rates.iter().enumerate().map(|(index, rate)| {
                let y = CHART_HEIGHT - value(rate) / scale * (CHART_HEIGHT - 6.0);
                format!("{:.1},{y:.1}", x(index))
            });
            let points: Vec<String> = points.collect();
            match (points.is_empty(), rates.len()) {
                (true, _) => String::new(),
                (false, count) => {
                    let (first, last) = (x(0), x(count - 1));
                    format!("{first:.1},{CHART_HEIGHT} {} {last:.1},{CHART_HEIGHT}", points.join(" "))
                }
            }
        };
        Chart {
            answers: line(|rate| rate.answers),
            refusals: line(|rate| rate.refusals),
            most: rate(most, comma),
            is_empty: most == 0.0,
        }
    }
}

fn rate(a_second: f64, comma: bool) -> String {
    if a_second >= 100.0 {
        return format::grouped(a_second.round() as u64);
    }
    let text = format!("{a_second:.1}");
    if comma { text.replace('.', ",") } else { text }
}

impl LivePart {
    fn new(console: &Console, status: &Value, moments: &Shown, t: &'static Texts) -> LivePart {
        let comma = t.is_vietnamese();
        let now_ms = console.clock.wall_ms();
        let number = |name: &str| status[name].as_u64().map_or("–".to_owned(), format::grouped);
        let last = moments.rates.last();
        let day = status["business_day"].as_str().and_then(|day| day.parse().ok()).map(format::day);
        let bank_ids: Vec<String> = console.settings.banks.keys().map(ToString::to_string).collect();
        let alarms = alarms(status, bank_ids.iter().map(String::as_str));
        let stages = moments.stages.iter().map(|times| StageRow {
            name: t.stage(times.stage),
            times: times.us.map(|us| us.map(|us| format::span_us(us, comma))),
        });
        let ready: Vec<&str> =
            status["banks_ready"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let queues = status["saf"].as_array();
        let banks = bank_ids.iter().map(|id| {
            let queue = queues.into_iter().flatten().find(|queue| queue["bank"] == id.as_str());
            let number = |name: &str| {
                queue.and_then(|queue| queue[name].as_u64()).map_or("0".to_owned(), format::grouped)
            };
            let oldest = queue.and_then(|queue| queue["oldest_age_ms"].as_u64());
            let error = queue.map(|queue| &queue["last_error"]);
            let error = error.and_then(|error| error["error"].as_str().map(|name| (name, &error["code"])));
            BankRow {
                name: bank_name(id, &console.settings),
                ready: ready.contains(&id.as_str()),
                waiting: number("reversals"),
                resting: number("resting"),
                oldest: oldest.map_or("–".to_owned(), |ms| format::span_us(ms as f64 * 1e3, comma)),
                error: error.map_or("–".to_owned(), |(name, code)| match code.as_str() {
                    Some(code) => format!("{name} {code}"),
                    None => name.to_owned(),
                }),
            }
        });
        LivePart {
            t,
            as_of: format::clock(now_ms),
            machine_as_of: format::machine(now_ms),
            answers: last.map_or("–".to_owned(), |last| rate(last.answers, comma)),
            refusals: last.map_or("–".to_owned(), |last| rate(last.refusals, comma)),
            figures: vec![
                (t.business_day, day.unwrap_or_else(|| "–".to_owned())),
                (t.in_flight, number("requests_in_flight")),
                (t.terminals_up, number("terminal_links_up")),
                (t.reversals_open, number("reversals_open")),
                (t.suspense_open, number("suspense_open")),
            ],
            chart: Chart::of(&moments.rates, comma),
            alarms: alarms.iter().map(|alarm| alarm_words(alarm, console, t)).collect(),
            stages: stages.collect(),
            banks: banks.collect(),
            codes: moments
                .codes
                .iter()
                .map(|(code, count)| (code.clone(), t.code(code), format::grouped(*count)))
                .collect(),
            events: moments
                .alarms
                .iter()
                .map(|(event, count)| (t.event(event), format::grouped(*count)))
                .collect(),
        }
    }
}

/// How bad it is, and what it is.
fn alarm_words(alarm: &Alarm, console: &Console, t: &Texts) -> (&'static str, String) {
    let name = |bank: &str| bank_name(bank, &console.settings);
    match alarm {
        Alarm::Draining => ("bad", t.alarm_draining.to_owned()),
        Alarm::DiskFull => ("bad", t.alarm_disk_full.to_owned()),
        Alarm::DayOverdue(due) => ("bad", with(t.alarm_day_overdue, due)),
        Alarm::DayHeld { day, clock_ahead_s } => {
            let ahead = with(t.alarm_day_held, format::grouped(*clock_ahead_s));
            ("bad", with(&ahead, day))
        }
        Alarm::RegistryLeftAlone => ("bad", t.alarm_registry.to_owned()),
        Alarm::RevocationListsStale(count) => ("bad", with(t.alarm_lists, count)),
        Alarm::KeysNearEnd(count) => ("warn", with(t.alarm_keys, count)),
        Alarm::BankAway(bank) => ("bad", with(t.alarm_bank_away, name(bank))),
        Alarm::ReversalsOld { bank, .. } => ("warn", with(t.alarm_reversals, name(bank))),
        Alarm::Suspense(count) => ("warn", with(t.alarm_suspense, format::grouped(*count))),
    }
}

async fn now(console: &Console, visitor: &Visitor) -> Result<LivePart, Refused> {
    need(console, visitor, Permission::Look)?;
    let status = console.switch.status().await.map_err(|error| failed(visitor, error))?;
    Ok(LivePart::new(console, &status, &console.moments.shown(), visitor.t()))
}

pub(crate) async fn page(State(console): State<Arc<Console>>, visitor: Visitor) -> Result<Response, Refused> {
    let part = now(&console, &visitor).await?;
    let shell = Shell::of(&visitor, Section::Live, visitor.t().live);
    Ok(shown(&LivePage { shell, part }))
}

pub(crate) async fn part(State(console): State<Arc<Console>>, visitor: Visitor) -> Result<Response, Refused> {
    Ok(shown(&now(&console, &visitor).await?))
}
