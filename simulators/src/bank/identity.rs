//! The name of a message at one bank: DE7 with its year, and DE11.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime};

/// What makes two messages at a bank the same (docs/interface.md#keys). As text it is one word:
/// `2022-05-03T01:02:03Z/000017`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Identity {
    /// DE7 with its year, seconds since 1970.
    pub sent_at_s: i64,
    /// DE11.
    pub stan: u32,
}

const TIME: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

impl Identity {
    /// Reads DE7 (`MMDDhhmmss`, UTC) and DE11, or the same parts of DE90; the year is the one that brings DE7 nearest
    /// to `near_ms` (milliseconds since 1970). `None` when they are no moment and no six digits.
    pub fn read(de7: &[u8], de11: &[u8], near_ms: i64) -> Option<Identity> {
        if de7.len() != 10 || de11.len() != 6 {
            return None;
        }
        let stan = digits(de11)?;
        let part = |at: usize| digits(&de7[at..at + 2]).map(|two| two as u8);
        let month = Month::try_from(part(0)?).ok()?;
        let near_s = near_ms.div_euclid(1000);
        let year = OffsetDateTime::from_unix_timestamp(near_s).ok()?.year();
        let (day, hour, minute, second) = (part(2)?, part(4)?, part(6)?, part(8)?);
        let sent_at_s = (year - 1..=year + 1)
            .filter_map(|year| {
                let date = Date::from_calendar_date(year, month, day).ok()?;
                Some(date.with_hms(hour, minute, second).ok()?.assume_utc().unix_timestamp())
            })
            .min_by_key(|at_s| (at_s - near_s).abs())?;
        Some(Identity { sent_at_s, stan })
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = OffsetDateTime::from_unix_timestamp(self.sent_at_s).map_err(|_| fmt::Error)?;
        write!(f, "{}/{:06}", at.format(TIME).map_err(|_| fmt::Error)?, self.stan)
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> String {
        identity.to_string()
    }
}

impl TryFrom<String> for Identity {
    type Error = String;

    fn try_from(text: String) -> Result<Identity, String> {
        text.parse()
    }
}

impl FromStr for Identity {
    type Err = String;

    fn from_str(text: &str) -> Result<Identity, String> {
        let read = || {
            let (at, stan) = text.split_once('/')?;
            let at = PrimitiveDateTime::parse(at, TIME).ok()?;
            let stan = if stan.len() == 6 { digits(stan.as_bytes())? } else { return None };
            Some(Identity { sent_at_s: at.assume_utc().unix_timestamp(), stan })
        };
        read().ok_or_else(|| format!("`{text}` is no identity; one looks like 2022-05-03T01:02:03Z/000017"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_year_is_the_one_nearest_to_the_clock() {
        for (near, de7, expected) in [
            ("2026-01-01T00:00:05Z/000000", "1231235959", "2025-12-31T23:59:59Z/000017"),
            ("2025-12-31T23:59:58Z/000000", "0101000003", "2026-01-01T00:00:03Z/000017"),
            ("2026-06-15T12:00:00Z/000000", "0615120001", "2026-06-15T12:00:01Z/000017"),
        ] {
            let near_ms = near.parse::<Identity>().unwrap().sent_at_s * 1000;
            let read = Identity::read(de7.as_bytes(), b"000017", near_ms).unwrap();
            assert_eq!(read.to_string(), expected);
            assert_eq!(expected.parse::<Identity>(), Ok(read));
        }
    }

    #[test]
    fn what_is_no_moment_or_number_is_no_identity() {
        for (de7, de11) in [
            ("0230000000", "000001"),
            ("0101240000", "000001"),
            ("01010000", "000001"),
            ("0101000000", "00001x"),
        ] {
            assert_eq!(Identity::read(de7.as_bytes(), de11.as_bytes(), 0), None, "{de7} {de11}");
        }
        for text in ["", "2022-05-03T01:02:03Z", "2022-05-03T01:02:03Z/17", "2022-02-30T01:02:03Z/000017"] {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }
}
