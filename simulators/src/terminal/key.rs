//! The transaction key: what makes two requests the same, and what every note's movement is filed under.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// A transaction key (docs/interface.md#keys). As text it is one word, the same as in the switch's log:
/// `0200/970418/HN000001/2022-05-03T01:02:03Z/000017`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TxKey {
    /// The message class, as the MTI of its first sending: 100, 200, 220 or 420.
    pub mti: u16,
    /// DE32, 1 to 11 digits.
    pub acquirer: Box<str>,
    /// DE41, 8 characters.
    pub terminal: Box<str>,
    /// DE7 with its year, seconds since 1970.
    pub sent_at_s: i64,
    /// DE11, 1 to 999999.
    pub stan: u32,
}

const TIME: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

impl TxKey {
    /// DE7, `MMDDhhmmss` in UTC.
    pub fn de7(&self) -> String {
        let at = utc(self.sent_at_s);
        let month = u8::from(at.month());
        format!("{month:02}{:02}{:02}{:02}{:02}", at.day(), at.hour(), at.minute(), at.second())
    }

    /// The first 20 digits of DE90, which are also those of DE48: MTI, STAN, DE7.
    pub fn twenty_digits(&self) -> String {
        format!("{:04}{:06}{}", self.mti, self.stan, self.de7())
    }
}

/// A moment that lies outside the calendar stands as 1970: no clock that can be set shows it.
pub(super) fn utc(at_s: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

impl fmt::Display for TxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = utc(self.sent_at_s).format(TIME).map_err(|_| fmt::Error)?;
        write!(f, "{:04}/{}/{}/{at}/{:06}", self.mti, self.acquirer, self.terminal, self.stan)
    }
}

impl From<TxKey> for String {
    fn from(key: TxKey) -> String {
        key.to_string()
    }
}

impl TryFrom<String> for TxKey {
    type Error = String;

    fn try_from(text: String) -> Result<TxKey, String> {
        text.parse()
    }
}

impl FromStr for TxKey {
    type Err = String;

    /// Reads the text form. DE41 may hold a slash: the other parts cannot.
    fn from_str(text: &str) -> Result<TxKey, String> {
        let read = || {
            let (mti, rest) = text.split_once('/')?;
            let (acquirer, rest) = rest.split_once('/')?;
            let (rest, stan) = rest.rsplit_once('/')?;
            let (terminal, at) = rest.rsplit_once('/')?;
            let at = PrimitiveDateTime::parse(at, TIME).ok()?;
            Some(TxKey {
                mti: mti.parse().ok()?,
                acquirer: acquirer.into(),
                terminal: terminal.into(),
                sent_at_s: at.assume_utc().unix_timestamp(),
                stan: stan.parse().ok()?,
            })
        };
        read().ok_or_else(|| format!("`{text}` is no transaction key"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_reads_back_as_written() {
        for text in [
            "0200/970418/HN000001/2022-05-03T01:02:03Z/000017",
            "0420/1/QN/00/ 1/1999-12-31T23:59:59Z/999999",
        ] {
            let key: TxKey = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
        let key: TxKey = "0200/970418/HN000001/2022-05-03T01:02:03Z/000017".parse().unwrap();
        assert_eq!(&*key.terminal, "HN000001");
        assert_eq!(key.twenty_digits(), "02000000170503010203");
        for bad in ["", "0200/970418/HN000001/000017", "0200/970418/HN000001/2022-13-03T01:02:03Z/000017"] {
            assert!(bad.parse::<TxKey>().is_err(), "{bad}");
        }
    }
}
