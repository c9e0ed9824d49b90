//! The names by which transactions, banks, terminals and days are known, each a type of its own.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use credential::CitizenNumber;
use mutant::Mutant;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, UtcDateTime};

/// Seconds since 1970-01-01T00:00:00Z; what DE7 says once its year is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct UtcSeconds(pub i64);

/// Less than half of the shortest year, in seconds.
const NEAR_S: i64 = 182 * 86_400;

impl UtcSeconds {
    /// Reads DE7 (`MMDDhhmmss`, UTC) with the year that brings it nearest to `now` (docs/interface.md#de-7).
    /// `None` when the ten bytes are not a date and time in any of the three years around `now`.
    pub fn from_de7(de7: &[u8], now: UtcSeconds) -> Option<UtcSeconds> {
        let digits = decimal_pairs::<5>(de7)?;
        let month = Month::try_from(digits[0]).ok()?;
        let year_now = UtcDateTime::from_unix_timestamp(now.0).ok()?.year();
        let in_year = |year| {
            let date = Date::from_calendar_date(year, month, digits[1]).ok()?;
            let at = date.with_hms(digits[2], digits[3], digits[4]).ok()?;
            Some(UtcSeconds(at.assume_utc().unix_timestamp()))
        };
        let this_year = in_year(year_now);
        // No other year can bring it nearer, and nearly always it is so.
        if this_year.is_some_and(|at| (at.0 - now.0).abs() < NEAR_S) {
            return this_year;
        }
        (year_now - 1..=year_now + 1)
            .filter(|year| *year == year_now || !mutant::is(Mutant::YearOfTheClock))
            .filter_map(in_year)
            .min_by_key(|at| (at.0 - now.0).abs())
    }

    /// DE7, `MMDDhhmmss` in UTC.
    pub fn to_de7(self) -> [u8; 10] {
        let at = OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut de7 = [0; 10];
        let parts = [u8::from(at.month()), at.day(), at.hour(), at.minute(), at.second()];
        for (index, part) in parts.into_iter().enumerate() {
            de7[index * 2] = b'0' + part / 10;
            de7[index * 2 + 1] = b'0' + part % 10;
        }
        de7
    }
}

fn decimal_pairs<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    if bytes.len() != N * 2 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut pairs = [0; N];
    for (pair, two) in pairs.iter_mut().zip(bytes.chunks_exact(2)) {
        *pair = (two[0] - b'0') * 10 + (two[1] - b'0');
    }
    Some(pairs)
}

/// A business day (settlement date, DE15): the calendar day as `yyyymmdd`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Day(u32);

impl Day {
    /// The day `yyyymmdd`; `None` when the calendar has no such day.
    pub fn new(yyyymmdd: u32) -> Option<Day> {
        let month = Month::try_from(u8::try_from(yyyymmdd / 100 % 100).ok()?).ok()?;
        let day = u8::try_from(yyyymmdd % 100).ok()?;
        Date::from_calendar_date(i32::try_from(yyyymmdd / 10_000).ok()?, month, day).ok()?;
        Some(Day(yyyymmdd))
    }

    /// The UTC calendar day of a moment given in milliseconds since 1970.
    pub fn of_unix_ms(at_ms: i64) -> Day {
        let at =
            OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Day(at.year() as u32 * 10_000 + u32::from(u8::from(at.month())) * 100 + u32::from(at.day()))
    }

    /// Midnight (UTC) with which it begins, milliseconds since 1970.
    pub fn begins_ms(self) -> i64 {
        self.date().map_or(0, |date| date.midnight().assume_utc().unix_timestamp() * 1000)
    }

    /// `yyyymmdd` as a number.
    pub fn yyyymmdd(self) -> u32 {
        self.0
    }

    /// DE15, `MMDD`.
    pub fn to_de15(self) -> [u8; 4] {
        let mmdd = self.0 % 10_000;
        [mmdd / 1000, mmdd / 100 % 10, mmdd / 10 % 10, mmdd % 10].map(|digit| b'0' + digit as u8)
    }

    /// Reads DE15 with the year that brings it nearest to `near`; `None` when no year around has such a day.
    pub fn from_de15(de15: &[u8], near: Day) -> Option<Day> {
        let [month, day] = decimal_pairs::<2>(de15)?.map(u32::from);
        let year = near.0 / 10_000;
        (year - 1..=year + 1)
            .filter_map(|year| Day::new(year * 10_000 + month * 100 + day))
            .min_by_key(|day| day.days_after(near).abs())
    }

    /// The day that an RRN names by the last digit of its year and its number in that year, in the year nearest to
    /// that of `near`.
    pub fn of_rrn(year_digit: u32, ordinal: u32, near: Day) -> Option<Day> {
        let year_near = near.0 / 10_000;
        let year = (year_near + 5) - (year_near + 5 + 10 - year_digit) % 10;
        let date = Date::from_ordinal_date(i32::try_from(year).ok()?, u16::try_from(ordinal).ok()?).ok()?;
        Day::new(year * 10_000 + u32::from(u8::from(date.month())) * 100 + u32::from(date.day()))
    }

    /// Calendar days from another day to this one.
    pub fn days_after(self, other: Day) -> i64 {
        let julian = |day: Day| i64::from(day.date().map_or(0, Date::to_julian_day));
        julian(self) - julian(other)
    }

    fn date(self) -> Option<Date> {
        let month = Month::try_from((self.0 / 100 % 100) as u8).ok()?;
        Date::from_calendar_date((self.0 / 10_000) as i32, month, (self.0 % 100) as u8).ok()
    }

    /// Day of the year, 1 to 366.
    pub fn ordinal(self) -> u16 {
        self.date().map_or(1, Date::ordinal)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

impl std::str::FromStr for Day {
    type Err = String;

    /// Reads `yyyy-mm-dd` or `yyyymmdd`.
    fn from_str(text: &str) -> Result<Day, String> {
        let bytes = text.as_bytes();
        let dashed = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
        let digits = if dashed { text.replace('-', "") } else { text.to_owned() };
        let valid = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| valid);
        number.and_then(Day::new).ok_or_else(|| format!("`{text}` is not a day; write it as 2022-05-03"))
    }
}

/// An institution identification code: 1 to 11 digits (DE32 acquirer, DE100 issuer), ISO 8583:1987.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Institution {
    digits: u64,
    length: u8,
}

impl Institution {
    /// Reads 1 to 11 ASCII digits.
    pub fn parse(bytes: &[u8]) -> Option<Institution> {
        if bytes.is_empty() || bytes.len() > 11 || !bytes.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let digits = bytes.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
        Some(Institution { digits, length: bytes.len() as u8 })
    }

    /// The code whose digits make this number when zeros in front fill it up to `length`; `None` when they are not 1
    /// to 11 digits or do not hold the number.
    pub fn from_parts(digits: u64, length: u8) -> Option<Institution> {
        let holds = (1..=11).contains(&length) && digits < 10u64.pow(u32::from(length));
        holds.then_some(Institution { digits, length })
    }

    /// The digits as a number, and how many they are: `0970418` is (970418, 7).
    pub fn parts(self) -> (u64, u8) {
        (self.digits, self.length)
    }

    /// The code as it stands in DE90: right-justified in 11 zeros.
    pub fn to_eleven(self) -> [u8; 11] {
        let mut eleven = [b'0'; 11];
        let mut rest = self.digits;
        for digit in eleven.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        eleven
    }

    /// Its digits as they stand in DE32 and DE100, written into `eleven`.
    pub(crate) fn digits_in(self, eleven: &mut [u8; 11]) -> &[u8] {
        *eleven = self.to_eleven();
        self.without_zeros(eleven)
    }

    /// Of [`Institution::to_eleven`] what is the code itself.
    pub(crate) fn without_zeros(self, eleven: &[u8; 11]) -> &[u8] {
        &eleven[11 - usize::from(self.length).min(11)..]
    }
}

impl fmt::Display for Institution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.digits, width = usize::from(self.length))
    }
}

impl fmt::Debug for Institution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Institution {
    type Err = String;

    fn from_str(text: &str) -> Result<Institution, String> {
        Institution::parse(text.as_bytes()).ok_or_else(|| format!("`{text}` is not 1 to 11 digits"))
    }
}

/// The number of a citizen's account at a bank: 1 to 28 printable characters (DE102, DE103). Cannot be printed but masked.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountNumber(Box<str>);

impl AccountNumber {
    /// All but the last four characters hidden, and never less than half.
    pub fn masked(&self) -> String {
        let characters = self.0.chars().count();
        let hidden = characters.saturating_sub(4).max(characters.div_ceil(2));
        self.0.chars().enumerate().map(|(index, shown)| if index < hidden { '*' } else { shown }).collect()
    }
}

impl std::ops::Deref for AccountNumber {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Box<str>>> From<T> for AccountNumber {
    fn from(text: T) -> AccountNumber {
        AccountNumber(text.into())
    }
}

impl fmt::Debug for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// A terminal, DE41: 8 printable characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TerminalId(pub [u8; 8]);

impl Ord for TerminalId {
    /// That of the characters; eight at once.
    fn cmp(&self, other: &TerminalId) -> Ordering {
        u64::from_be_bytes(self.0).cmp(&u64::from_be_bytes(other.0))
    }
}

impl PartialOrd for TerminalId {
    fn partial_cmp(&self, other: &TerminalId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TerminalId {
    /// Reads DE41; `None` unless it is 8 printable ASCII characters.
    pub fn parse(bytes: &[u8]) -> Option<TerminalId> {
        let id: [u8; 8] = bytes.try_into().ok()?;
        id.iter().all(|byte| (b' '..=b'~').contains(byte)).then_some(TerminalId(id))
    }
}

impl fmt::Display for TerminalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TerminalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The message class of a transaction key: a repeat has the class of its first sending (docs/interface.md#keys).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Class {
    /// 0100.
    Verification,
    /// 0200 and 0201.
    Financial,
    /// 0220 and 0221.
    Completion,
    /// 0420 and 0421.
    Reversal,
}

impl Class {
    /// The MTI of the first sending, as a number: 0200 is 200.
    pub fn mti(self) -> u16 {
        match self {
            Class::Verification => 100,
            Class::Financial => 200,
            Class::Completion => 220,
            Class::Reversal => 420,
        }
    }

    /// The class of an MTI that carries a key.
    pub fn of_mti(mti: u16) -> Option<Class> {
        match mti {
            100 => Some(Class::Verification),
            200 | 201 => Some(Class::Financial),
            220 | 221 => Some(Class::Completion),
            420 | 421 => Some(Class::Reversal),
            _ => None,
        }
    }
}

/// The transaction key: what makes two requests the same (docs/interface.md#keys).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TxKey {
    /// Message class.
    pub class: Class,
    /// DE32.
    pub acquirer: Institution,
    /// DE41.
    pub terminal: TerminalId,
    /// DE7 with its year.
    pub sent_at: UtcSeconds,
    /// DE11, 0 to 999999.
    pub stan: u32,
}

impl Hash for TxKey {
    /// In one word: it is looked up dozens of times in a transaction's life.
    fn hash<H: Hasher>(&self, state: &mut H) {
        const ODD: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F];
        let class = u64::from(self.class.mti());
        let acquirer = self.acquirer.digits ^ class << 40 ^ u64::from(self.acquirer.length) << 56;
        let terminal = u64::from_be_bytes(self.terminal.0);
        let moment = (self.sent_at.0 as u64).rotate_left(24) ^ u64::from(self.stan);
        // Both halves of a product of 128 bits, so that every bit has its part.
        let product = u128::from(terminal ^ ODD[0]) * u128::from(acquirer ^ ODD[1]);
        state.write_u64((product as u64 ^ (product >> 64) as u64).wrapping_mul(ODD[0]) ^ moment);
    }
}

impl fmt::Display for TxKey {
    /// `0200/970418/HN000001/2026-05-03T01:02:03Z/000017`: one word, fit for logs and command lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = OffsetDateTime::from_unix_timestamp(self.sent_at.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}/{}/{}/{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z/{:06}",
            self.class.mti(),
            self.acquirer,
            self.terminal,
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            self.stan
        )
    }
}

impl std::str::FromStr for TxKey {
    type Err = String;

    /// Reads what [`TxKey`] writes: the terminal is 8 characters of any kind, so the others are taken off both ends.
    fn from_str(text: &str) -> Result<TxKey, String> {
        let read = || {
            let (class, rest) = text.split_once('/')?;
            let (acquirer, rest) = rest.split_once('/')?;
            let (rest, stan) = rest.rsplit_once('/')?;
            let (terminal, at) = rest.rsplit_once('/')?;
            Some(TxKey {
                class: Class::of_mti(class.parse().ok()?)?,
                acquirer: Institution::parse(acquirer.as_bytes())?,
                terminal: TerminalId::parse(terminal.as_bytes())?,
                sent_at: UtcSeconds(OffsetDateTime::parse(at, &Rfc3339).ok()?.unix_timestamp()),
                stan: stan.parse().ok().filter(|stan| *stan <= 999_999)?,
            })
        };
        read().ok_or_else(|| format!("`{text}` is no transaction key"))
    }
}

/// The switch's own name for a message at one bank: (DE7, DE11), unique for that bank (docs/interface.md#keys).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct BankIdentity {
    /// DE7 towards the bank.
    pub sent_at: UtcSeconds,
    /// DE11 towards the bank, 1 to 999999.
    pub stan: u32,
}

/// The retrieval reference number, DE37: 12 printable characters, kept over the life of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rrn(pub [u8; 12]);

impl Rrn {
    /// Reads DE37.
    pub fn parse(bytes: &[u8]) -> Option<Rrn> {
        let rrn: [u8; 12] = bytes.try_into().ok()?;
        rrn.iter().all(|byte| (b' '..=b'~').contains(byte)).then_some(Rrn(rrn))
    }

    /// As people are shown one that a bank or machine has written into a line of this business day: the last four characters alone where
    /// it may be a citizen's number.
    pub fn shown(&self, day: Day) -> String {
        let whole = self.to_string();
        if self.may_be_citizens(day) { format!("********{}", &whole[8..]) } else { whole }
    }

    /// It reads as a citizen's number, and names no day around this business day, as ours do and most terminals' (last digit of the year,
    /// day of the year). In a year that ends in 0 a few numbers name such a day as well: then nobody can tell.
    pub fn may_be_citizens(&self, day: Day) -> bool {
        if CitizenNumber::parse(&self.0).is_err() || mutant::is(Mutant::RrnShownAsItIs) {
            return false;
        }
        let digit = |at: usize| u32::from(self.0[at] - b'0');
        let named = Day::of_rrn(digit(0), digit(1) * 100 + digit(2) * 10 + digit(3), day);
        let around = -RRN_DAYS_BEFORE_MAX..=RRN_DAYS_BEHIND_MAX;
        named.is_none_or(|named| !around.contains(&named.days_after(day)))
    }
}

/// An RRN of a business day was given so many days before it at most: a withdrawal is taken back late.
const RRN_DAYS_BEFORE_MAX: i64 = 62;

/// And so many behind its date: a day that is cut over late.
const RRN_DAYS_BEHIND_MAX: i64 = 7;

impl fmt::Display for Rrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Rrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A response code, DE39 (docs/interface.md#response-codes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Code(pub [u8; 2]);

macro_rules! codes {
    ($($name:ident = $text:literal, $says:literal;)*) => {
        impl Code {
            $(#[doc = $says] pub const $name: Code = Code(*$text);)*
        }
    };
}

codes! {
    APPROVED = b"00", "Approved.";
    NOT_SUPPORTED = b"12", "The transaction is not supported.";
    BAD_AMOUNT = b"13", "The amount is not valid.";
    BAD_PAN = b"14", "PAN malformed, Luhn wrong, or not a citizen number.";
    ORIGINAL_UNKNOWN = b"25", "A bank does not know the original of a reversal.";
    FORMAT = b"30", "Format error.";
    FUNCTION_UNKNOWN = b"40", "The function is not supported.";
    LOST = b"41", "Card lost, revoked or replaced.";
    OVER_AMOUNT = b"61", "Over a limit on amounts.";
    RESTRICTED = b"62", "Citizen or card restricted.";
    PROOF = b"63", "MAC or proof wrong, replayed, stale; no biometric match; reference used or expired.";
    OVER_COUNT = b"65", "Over a limit on the number of withdrawals.";
    LATE = b"68", "Late.";
    EXPIRED = b"54", "Card expired.";
    NO_BANK = b"56", "Citizen unknown, or no bank linked.";
    NOT_PERMITTED = b"57", "This citizen, card or terminal may not do this.";
    FUNDS = b"51", "Not enough funds.";
    WRONG_PIN = b"55", "PIN wrong.";
    PIN_TRIES = b"75", "PIN wrong too often.";
    PIN_BLOCK = b"88", "PIN block cannot be read, or key unknown.";
    UNAVAILABLE = b"91", "Bank, registry or log not available.";
    DUPLICATE = b"94", "Known key with other content.";
    RECONCILE = b"95", "Totals of a day that the switch does not know.";
    UNSAFE = b"96", "The switch cannot go on safely.";
}

impl Code {
    /// What a bank may say to a terminal in its own words (docs/interface.md#response-codes); anything else needs the
    /// bank's table.
    pub const FROM_BANKS: [Code; 14] = [
        Code::NOT_SUPPORTED,
        Code::BAD_AMOUNT,
        Code::BAD_PAN,
        Code::LOST,
        Code::FUNDS,
        Code::EXPIRED,
        Code::WRONG_PIN,
        Code::NO_BANK,
        Code::NOT_PERMITTED,
        Code::OVER_AMOUNT,
        Code::RESTRICTED,
        Code::OVER_COUNT,
        Code::PIN_TRIES,
        Code::UNAVAILABLE,
    ];

    /// Reads DE39.
    pub fn parse(bytes: &[u8]) -> Option<Code> {
        Some(Code(bytes.try_into().ok()?))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        for text in [
            "0200/970418/HN000001/2026-05-03T01:02:03Z/000017",
            "0420/1/A/B C/D /2026-12-31T23:59:59Z/999999",
        ] {
            assert_eq!(text.parse::<TxKey>().unwrap().to_string(), text);
        }
        for text in
            ["0210/970418/HN000001/2026-05-03T01:02:03Z/000017", "0200/970418/HN1/2026-05-03T01:02:03Z/1", ""]
        {
            assert!(text.parse::<TxKey>().is_err(), "{text}");
        }
    }

    /// A citizen's number in a bank's column of RRNs was shown to all who saw its lines.
    #[test]
    fn an_rrn_is_shown_whole_unless_it_may_be_a_citizens_number() {
        for (rrn, day, shown) in [
            ("612400000017", "2026-05-04", "612400000017"),
            ("612400000017", "2026-07-05", "612400000017"),
            ("612400000017", "2026-07-06", "********0017"),
            ("613100000017", "2026-05-04", "613100000017"),
            ("613200000017", "2026-05-04", "********0017"),
            ("536500000017", "2026-01-01", "536500000017"),
            ("001203000017", "2026-05-04", "********0017"),
            ("001203000017", "2030-05-04", "********0017"),
            // In January of 2030 the same digits name the day: nobody can tell.
            ("001203000017", "2030-01-15", "001203000017"),
            ("000000000017", "2026-05-04", "000000000017"),
            ("A01203000017", "2026-05-04", "A01203000017"),
        ] {
            let day: Day = day.parse().unwrap();
            assert_eq!(Rrn::parse(rrn.as_bytes()).unwrap().shown(day), shown, "{rrn} {day}");
        }
    }

    #[test]
    fn de7_takes_the_year_nearest_to_the_clock() {
        let at = |text: &str| {
            let format = &Rfc3339;
            UtcSeconds(OffsetDateTime::parse(text, format).unwrap().unix_timestamp())
        };
        let cases = [
            ("2026-01-01T00:00:05Z", "1231235959", "2025-12-31T23:59:59Z"),
            ("2025-12-31T23:59:58Z", "0101000003", "2026-01-01T00:00:03Z"),
            ("2026-06-15T12:00:00Z", "0615120001", "2026-06-15T12:00:01Z"),
            ("2027-06-15T12:00:00Z", "0229000000", "2028-02-29T00:00:00Z"),
        ];
        for (now, de7, expected) in cases {
            assert_eq!(
                UtcSeconds::from_de7(de7.as_bytes(), at(now)),
                Some(at(expected)),
                "{de7} seen at {now}"
            );
        }
        for bad in ["0001000000", "0230000000", "0101240000", "01010000", "01010000 0"] {
            assert_eq!(UtcSeconds::from_de7(bad.as_bytes(), at("2026-06-15T12:00:00Z")), None, "{bad}");
        }
        assert_eq!(&at("2026-06-15T12:00:01Z").to_de7(), b"0615120001");
    }

    #[test]
    fn days_and_institutions_read_back_as_written() {
        assert_eq!("2022-05-03".parse::<Day>().unwrap().to_string(), "2022-05-03");
        assert_eq!("20220503".parse::<Day>().unwrap().to_de15(), *b"0503");
        for (de15, near, expected) in [
            ("0503", "2022-05-04", Some("2022-05-03")),
            ("1231", "2023-01-01", Some("2022-12-31")),
            ("0101", "2022-12-31", Some("2023-01-01")),
            ("0229", "2023-06-01", Some("2024-02-29")),
            ("0230", "2023-06-01", None),
            ("053", "2023-06-01", None),
        ] {
            let expected = expected.map(|day| day.parse::<Day>().unwrap());
            assert_eq!(
                Day::from_de15(de15.as_bytes(), near.parse().unwrap()),
                expected,
                "{de15} near {near}"
            );
        }
        for bad in ["2022-13-01", "2022-02-30", "2022", "20-22-0503"] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
        let bank = Institution::parse(b"0970418").unwrap();
        assert_eq!(bank.to_string(), "0970418");
        assert_eq!(&bank.to_eleven(), b"00000970418");
        assert!(Institution::parse(b"123456789012").is_none());
        assert_eq!(bank.parts(), (970_418, 7));
        assert_eq!(Institution::from_parts(970_418, 7), Some(bank));
        for (digits, length) in [(970_418, 5), (0, 0), (1, 12)] {
            assert_eq!(Institution::from_parts(digits, length), None, "{digits} in {length}");
        }
    }
}
