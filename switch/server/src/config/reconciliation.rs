//! `[reconciliation]`: where files and acts are kept, the calendar of business days, fees, due dates.

use std::collections::BTreeMap;

use ::reconciliation::calendar::Calendar;
use ::reconciliation::{Fee, FeeTable, Kind, Rules};
use casework::DueRules;
use processor::{Day, Institution, IssuerConfig, Kind as Asked};

use super::ReconciliationSettings;
use super::load::DAY_MS;
use super::reader::Section;

/// Local times are at most so far ahead of UTC, in minutes.
const OFFSET_MINUTES_MAX: u64 = 840;
/// A fee is no larger, minor units.
const FEE_MINOR_MAX: u64 = 1_000_000_000;

/// Reads the section.
pub(super) fn reconciliation(
    section: Section<'_>,
    banks: &BTreeMap<Institution, IssuerConfig>,
) -> Option<ReconciliationSettings> {
    let default = Rules::default();
    let dir = section.path("dir");
    let offset = section.number_or("utc_offset_minutes", 420, 0..=OFFSET_MINUTES_MAX);
    let cutover = section.parsed_or("cutover", None, |text| minute(text).map(Some));
    let weekends_closed = section.flag_or("weekends_closed", false);
    let holidays = section.list("holidays", |text| text.parse::<Day>());
    let seconds = |key, default: u32| section.number_or(key, default.into(), 1..=DAY_MS / 1_000);
    let stan_window_s = seconds("stan_window_s", default.stan_window_s);
    let near_window_s = seconds("near_window_s", default.near_window_s);
    let in_flight_s = seconds("in_flight_s", default.in_flight_s);
    let due = section.list("due_working_days", |text| {
        let (kind, days) = text.split_once('=').ok_or("write it as missing_at_bank=10")?;
        let days = days.trim().parse::<u32>().ok().filter(|days| *days <= 366);
        Ok((kind.trim().parse::<Kind>()?, days.ok_or("no more than 366 working days")?))
    });
    let fees: Vec<Option<Fee>> =
        section.sections("fee").into_iter().map(|section| fee(section, banks)).collect();
    let fees = fees.into_iter().collect::<Option<Vec<Fee>>>().map(FeeTable::new);
    if let Some(Err(reason)) = &fees {
        section.refuse("fee", reason.clone());
    }
    let calendar = || {
        Some(Calendar {
            holidays: holidays.into_iter().collect(),
            weekends_closed: weekends_closed?,
            utc_offset_minutes: offset? as i64,
            cutover_minute: cutover?,
        })
    };
    let calendar = calendar();
    section.finish();
    Some(ReconciliationSettings {
        dir: dir?,
        calendar: calendar?,
        rules: Rules {
            stan_window_s: stan_window_s? as u32,
            near_window_s: near_window_s? as u32,
            in_flight_s: in_flight_s? as u32,
        },
        fees: fees?.ok()?,
        due: DueRules::with(due),
    })
}

fn fee(section: Section<'_>, banks: &BTreeMap<Institution, IssuerConfig>) -> Option<Fee> {
    let bank = section.parsed_or("bank", None, |text| {
        let bank = text.parse::<Institution>()?;
        if banks.contains_key(&bank) { Ok(Some(bank)) } else { Err(format!("{bank} is no [[issuer]]")) }
    });
    let asked = section.parsed("kind", |text| match text {
        "withdrawal" => Ok(Asked::Withdrawal),
        "deposit" => Ok(Asked::Deposit),
        "transfer" => Ok(Asked::Transfer),
        "balance" => Ok(Asked::Balance),
        "mini statement" => Ok(Asked::MiniStatement),
        _ => Err("is none of withdrawal, deposit, transfer, balance, mini statement".to_owned()),
    });
    let fixed_minor = section.number_or("fixed_minor", 0, 0..=FEE_MINOR_MAX);
    let basis_points = section.number_or("basis_points", 0, 0..=10_000);
    section.finish();
    Some(Fee {
        bank: bank?,
        asked: asked?,
        fixed_minor: fixed_minor? as i64,
        basis_points: basis_points? as u32,
    })
}

/// `23:00` as minutes behind midnight.
fn minute(text: &str) -> Result<i64, String> {
    let pair = |text: &str, below: i64| {
        text.parse::<i64>().ok().filter(|number| text.len() == 2 && (0..below).contains(number))
    };
    let parts =
        text.split_once(':').and_then(|(hour, minute)| Some(pair(hour, 24)? * 60 + pair(minute, 60)?));
    parts.ok_or_else(|| format!("`{text}` is no time of day; write it as 23:00"))
}
