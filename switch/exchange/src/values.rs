//! Amounts, dates, times and names as files write them.

use processor::{Day, Rrn, TerminalId};
use time::{Date, Month, Time};

use crate::currency::CURRENCIES;
use crate::reason::{Reason, Said};

/// Behind a written point so many zeros are borne, as banks write amounts of currencies without a smaller unit; three may be thousands.
const ZEROS_MAX: usize = 2;

/// An amount in minor units: `2000000`, `2.000.000`, `-1,500.00`, by the mapping's thousands and decimals. A fraction of a minor unit is
/// refused, and so is one that may be thousands: `500.000` where no thousands are separated so.
pub(crate) fn amount_minor(text: &str, thousands: Option<char>, decimals: u8) -> Result<i64, Said> {
    let wrong = || Said::from(Reason::NoAmount);
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let point = if thousands == Some('.') { ',' } else { '.' };
    let (whole, fraction) = match digits.split_once(point) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let whole = match thousands {
        Some(separator) if whole.contains(separator) => {
            let mut groups = whole.split(separator);
            let first = groups.next().unwrap_or("");
            if !(1..=3).contains(&first.len()) || !groups.all(|group| group.len() == 3) {
                return Err(Reason::Thousands.into());
            }
            whole.replace(separator, "")
        }
        _ => whole.to_owned(),
    };
    let is_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let is_number = |text: &str| !text.is_empty() && is_digits(text);
    if whole.len() > 15 || !is_number(&whole) || !fraction.is_none_or(is_number) {
        return Err(wrong());
    }
    let fraction = fraction.unwrap_or("");
    if fraction.len() > ZEROS_MAX {
        return Err(Reason::MaybeThousands.of(&[&ZEROS_MAX]));
    }
    let units: i64 = whole.parse().map_err(|_| wrong())?;
    // Places behind a point stand for themselves; without one the mapping says how many of the digits they are.
    let factor =
        if digits.contains(point) { 1 } else { 10_i64.checked_pow(decimals.into()).ok_or_else(wrong)? };
    if units % factor != 0 || fraction.bytes().any(|digit| digit != b'0') {
        return Err(Reason::Fraction.into());
    }
    let minor = units / factor;
    Ok(if is_negative { -minor } else { minor })
}

/// A date by a format of `yyyy`, `mm` and `dd`.
pub(crate) fn date(text: &str, format: &str) -> Result<Day, Said> {
    let wrong = || Reason::NoDateAs.of(&[&format]);
    if text.len() != format.len() || !text.is_ascii() {
        return Err(wrong());
    }
    let part = |token: &str| {
        let at = format.find(token)?;
        text.get(at..at + token.len())?.parse::<u32>().ok()
    };
    let between = format.bytes().zip(text.bytes()).all(|(wanted, found)| match wanted {
        b'y' | b'm' | b'd' => found.is_ascii_digit(),
        other => other == found,
    });
    let number = part("yyyy").zip(part("mm")).zip(part("dd"));
    let day = number.and_then(|((year, month), day)| Day::new(year * 10_000 + month * 100 + day));
    day.filter(|_| between).ok_or_else(wrong)
}

/// Seconds since 1970 of a local date and time, `hh:mm:ss`, `hh:mm` or `hhmmss`.
pub(crate) fn moment_s(day: Day, text: &str, utc_offset_minutes: i64) -> Result<i64, Said> {
    let wrong = || Said::from(Reason::NoTime);
    let digits: String = match text.len() {
        8 if text.bytes().enumerate().all(|(at, byte)| (byte == b':') == (at == 2 || at == 5)) => {
            text.replace(':', "")
        }
        5 if text.as_bytes()[2] == b':' => text.replace(':', "") + "00",
        6 => text.to_owned(),
        _ => return Err(wrong()),
    };
    if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    let pair = |at: usize| digits[at..at + 2].parse::<u8>().map_err(|_| wrong());
    let time = Time::from_hms(pair(0)?, pair(2)?, pair(4)?).map_err(|_| wrong())?;
    let number = day.yyyymmdd();
    let month = Month::try_from((number / 100 % 100) as u8).map_err(|_| wrong())?;
    let date = Date::from_calendar_date((number / 10_000) as i32, month, (number % 100) as u8)
        .map_err(|_| wrong())?;
    Ok(date.with_time(time).assume_utc().unix_timestamp() - utc_offset_minutes * 60)
}

/// Date and time in one cell, between them a space or a `T`.
pub(crate) fn date_and_time(text: &str, format: &str, utc_offset_minutes: i64) -> Result<(Day, i64), Said> {
    let split = text.split_once(['T', ' ']);
    let (date_text, time_text) = split.ok_or_else(|| Reason::NoTimeBehindDate.of(&[&format]))?;
    let day = date(date_text, format)?;
    Ok((day, moment_s(day, time_text.trim(), utc_offset_minutes)?))
}

/// Of an empty cell nothing.
pub(crate) fn optional<T>(text: &str, read: impl FnOnce(&str) -> Result<T, Said>) -> Result<Option<T>, Said> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

pub(crate) fn rrn(text: &str) -> Result<Rrn, Said> {
    Rrn::parse(text.as_bytes()).ok_or(Reason::NoRrn.into())
}

pub(crate) fn terminal(text: &str) -> Result<TerminalId, Said> {
    TerminalId::parse(text.as_bytes()).ok_or(Reason::NoTerminal.into())
}

pub(crate) fn stan(text: &str) -> Result<u32, Said> {
    let number = text.parse::<u32>().ok().filter(|number| *number <= 999_999);
    number.ok_or(Reason::NoStan.into())
}

pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T, Said> {
    text.parse().map_err(|_| Reason::NoNumber.into())
}

/// Three digits, or the letters of the currencies that machines here know.
pub(crate) fn currency(text: &str) -> Result<u16, Said> {
    if let Some(known) = CURRENCIES.iter().find(|known| known.letters == text) {
        return Ok(known.number);
    }
    match text {
        digits if digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit()) => number(digits),
        _ => Err(Reason::NoCurrency.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_or_not_at_all() {
        for (text, thousands, decimals, expected) in [
            ("2000000", None, 0, Some(2_000_000)),
            ("2.000.000", Some('.'), 0, Some(2_000_000)),
            ("-2,000,000.00", Some(','), 0, Some(-2_000_000)),
            ("1500.00", None, 2, Some(1_500)),
            ("1.500,00", Some('.'), 2, Some(1_500)),
            ("200000000", None, 2, Some(2_000_000)),
            ("200000001", None, 2, None),
            ("1500.5", None, 0, None),
            ("2.00.000", Some('.'), 0, None),
            ("2.000.000", None, 0, None),
            ("500.000", None, 0, None),
            ("500.000", Some(','), 0, None),
            ("500,000", Some('.'), 0, None),
            ("500.000", None, 2, None),
            ("500.000", Some('.'), 0, Some(500_000)),
            ("500.0000", None, 0, None),
            ("500.", None, 0, None),
            ("500.0", None, 0, Some(500)),
            ("", None, 0, None),
            ("-", None, 0, None),
            ("1e6", None, 0, None),
            ("9999999999999999", None, 0, None),
        ] {
            assert_eq!(amount_minor(text, thousands, decimals).ok(), expected, "{text}");
        }
    }

    #[test]
    fn dates_and_times_are_those_of_the_calendar() {
        assert_eq!(date("03/05/2026", "dd/mm/yyyy").map(|day| day.to_string()), Ok("2026-05-03".to_owned()));
        for bad in ["2026-02-30", "2026-5-3", "03/05/2026", "2026-05-03 "] {
            assert!(date(bad, "yyyy-mm-dd").is_err(), "{bad}");
        }
        let moment = |text| date_and_time(text, "yyyy-mm-dd", 420).map(|(_, at_s)| at_s).ok();
        assert_eq!(moment("2026-05-03 07:00:00"), Some(1_777_766_400));
        assert_eq!(moment("2026-05-03T070000"), Some(1_777_766_400));
        for bad in ["2026-05-03", "2026-05-03 24:00:00", "2026-05-03 7:00:00", "2026-05-03 07:00:61"] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }
}
