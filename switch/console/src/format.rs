//! Amounts and times as clerks read them: 22.730.000.000 ₫, and the clock of Asia/Ho_Chi_Minh.

use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// ISO 4217 of the đồng.
const VND: u16 = 704;

/// Vietnam has had one time without summer time since 1975 (IANA tzdata, Asia/Ho_Chi_Minh): UTC+7.
const VIETNAM_S: i32 = 7 * 3_600;

/// A whole number with points between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    text
}

/// An amount in minor units: the đồng has none below it. Other currencies are shown in minor units with their number.
pub(crate) fn amount(minor: u64, currency: u16) -> String {
    let unit = if currency == VND || currency == 0 { "₫".to_owned() } else { format!("({currency})") };
    format!("{}\u{a0}{unit}", grouped(minor))
}

/// An amount with its sign.
pub(crate) fn signed(minor: i64, currency: u16) -> String {
    let text = amount(minor.unsigned_abs(), currency);
    if minor < 0 { format!("−{text}") } else { text }
}

fn vietnam(at_ms: i64) -> Option<OffsetDateTime> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000).ok()?;
    // The calendar's last seven hours are none in Việt Nam.
    at.checked_to_offset(UtcOffset::from_whole_seconds(VIETNAM_S).ok()?)
}

fn shown(at_ms: i64, items: &(impl time::formatting::Formattable + ?Sized)) -> String {
    vietnam(at_ms).and_then(|at| at.format(items).ok()).unwrap_or_else(|| "–".to_owned())
}

/// `04/05/2026 14:31:12`.
pub(crate) fn date_time(at_ms: i64) -> String {
    shown(at_ms, format_description!("[day]/[month]/[year] [hour]:[minute]:[second]"))
}

/// `14:31:12.250`.
pub(crate) fn clock_ms(at_ms: i64) -> String {
    shown(at_ms, format_description!("[hour]:[minute]:[second].[subsecond digits:3]"))
}

/// `14:31:12`.
pub(crate) fn clock(at_ms: i64) -> String {
    shown(at_ms, format_description!("[hour]:[minute]:[second]"))
}

/// `2026-05-04T14:31:12+07:00`, for machines.
pub(crate) fn machine(at_ms: i64) -> String {
    shown(at_ms, &time::format_description::well_known::Rfc3339)
}

/// `04/05/2026` of `2026-05-04`.
pub(crate) fn day(day: processor::Day) -> String {
    let number = day.yyyymmdd();
    format!("{:02}/{:02}/{:04}", number % 100, number / 100 % 100, number / 10_000)
}

/// Reads what the browser's field for a time sends, with or without seconds, or a day alone.
pub(crate) fn read_field(text: &str) -> Option<i64> {
    let minutes = format_description!("[year]-[month]-[day]T[hour]:[minute]");
    let seconds = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let day = format_description!("[year]-[month]-[day]");
    let at = PrimitiveDateTime::parse(text, minutes)
        .or_else(|_| PrimitiveDateTime::parse(text, seconds))
        .or_else(|_| Date::parse(text, day).map(Date::midnight));
    let at = at.ok()?.assume_offset(UtcOffset::from_whole_seconds(VIETNAM_S).ok()?);
    Some(at.unix_timestamp() * 1_000)
}

/// `1,4 ms` or `1.4 ms`: microseconds in the unit that suits them.
pub(crate) fn span_us(us: f64, comma: bool) -> String {
    let text = if us < 1_000.0 {
        format!("{us:.0} µs")
    } else if us < 100_000.0 {
        format!("{:.1} ms", us / 1e3)
    } else if us < 1_000_000.0 {
        format!("{:.0} ms", us / 1e3)
    } else {
        format!("{:.1} s", us / 1e6)
    };
    if comma { text.replace('.', ",") } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn amounts_read_as_in_vietnam() {
        let cases = [(0, "0\u{a0}₫"), (500, "500\u{a0}₫"), (2_000_000, "2.000.000\u{a0}₫")];
        for (minor, expected) in cases {
            assert_eq!(amount(minor, 704), expected);
        }
        assert_eq!(amount(22_730_000_000, 704), "22.730.000.000\u{a0}₫");
        assert_eq!(amount(1_050, 840), "1.050\u{a0}(840)");
    }

    /// A line of a file may stand there: showing it ended the program.
    #[test]
    fn a_moment_that_the_calendar_has_not_here_is_shown_as_none() {
        // 9999-12-31T16:59:59Z, and the last second of UTC.
        assert_eq!(date_time(253_402_275_599_000), "31/12/9999 23:59:59");
        assert_eq!(date_time(253_402_300_799_000), "–");
        assert_eq!(date_time(i64::MAX), "–");
    }

    #[test]
    fn times_are_those_of_vietnam_and_a_field_reads_back() {
        // 2022-05-03T01:02:03.123Z.
        let at_ms = 1_651_539_723_123;
        assert_eq!(date_time(at_ms), "03/05/2022 08:02:03");
        assert_eq!(clock_ms(at_ms), "08:02:03.123");
        assert_eq!(machine(at_ms), "2022-05-03T08:02:03.123+07:00");
        assert_eq!(read_field("2022-05-03T08:02"), Some(at_ms - 3_123));
        assert_eq!(read_field("2022-05-03T08:02:03"), Some(at_ms - 123));
        assert_eq!(read_field("2022-05-03").map(date_time).unwrap(), "03/05/2022 00:00:00");
        assert_eq!(read_field("2022-02-30"), None);
        // The last evening of a year in UTC is the new year in Vietnam.
        assert_eq!(date_time(1_672_502_400_000), "31/12/2022 23:00:00");
        assert_eq!(date_time(i64::MAX), "–");
    }
}
