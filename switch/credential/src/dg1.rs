//! DG1: the machine-readable zone of the citizen card, as the chip holds it.

use std::fmt;

use thiserror::Error;
use time::{Date, Duration, Month};

use crate::number::{CitizenNumber, Sex};

/// Bytes of DG1: tag 61, tag 5F1F, 90 characters.
pub const DG1_BYTES: usize = 95;

/// Tag and length of DG1 and of the MRZ in it (ICAO 9303-10, 4.7.1).
const FRONT: [u8; 5] = [0x61, 0x5B, 0x5F, 0x1F, 0x5A];

/// Document code, issuing state (ICAO 9303-5, 4.2.2).
const KIND_AND_STATE: &[u8; 5] = b"IDVNM";

/// Vietnam's hours ahead of UTC, the whole year: a card expires when its last day there has passed.
const VIETNAM_S: i64 = 7 * 3600;

/// What the MRZ of a citizen card says (ICAO 9303-5, size TD1). `Debug` masks.
#[derive(Clone, PartialEq, Eq)]
pub struct Dg1 {
    /// The citizen number, from the optional data of the upper line. The document number is its last nine digits.
    pub number: CitizenNumber,
    /// The character behind the number and `<<`: a digit whose rule the issuer has not published, so it is not judged.
    pub number_trailer: u8,
    /// Date of birth, `YYMMDD`. Months and days not known are `<<` or zeros.
    pub birth: [u8; 6],
    /// `M` or `F`; `None` is `<`.
    pub sex: Option<Sex>,
    /// Last day of validity, `YYMMDD`; a card without end says `991231`.
    pub expiry: CardDate,
    /// The 30 characters of the names: surname, `<<`, given names, fillers.
    pub names: [u8; 30],
}

/// A day of this century as a card writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CardDate(Date);

/// Why bytes are no DG1 of a citizen card. Positions count the MRZ's 90 characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Dg1Error {
    /// Not 95 bytes with the tags and lengths of a TD1 MRZ.
    #[error("not the tags and lengths of a DG1 with a TD1 machine-readable zone")]
    Form,
    /// A character that does not belong there.
    #[error("character {0} of the machine-readable zone does not belong there")]
    Character(usize),
    /// A check digit is wrong.
    #[error("the check digit at character {0} of the machine-readable zone is wrong")]
    CheckDigit(usize),
    /// The number in the optional data is no citizen number, or the document number is not its last nine digits.
    #[error("the machine-readable zone holds no citizen number")]
    Number,
    /// The expiry is no day of the calendar.
    #[error("the card's expiry is no day")]
    Expiry,
}

impl Dg1 {
    /// Reads DG1 as it lies on the chip and in DF10. All check digits are verified.
    ///
    /// # Errors
    /// [`Dg1Error`], which holds no character of it.
    pub fn parse(bytes: &[u8]) -> Result<Dg1, Dg1Error> {
        let bytes: &[u8; DG1_BYTES] = bytes.try_into().map_err(|_| Dg1Error::Form)?;
        let mrz = bytes.strip_prefix(&FRONT).ok_or(Dg1Error::Form)?;
        if let Some(at) = mrz.iter().position(|&character| value(character).is_none()) {
            return Err(Dg1Error::Character(at + 1));
        }
        expect(mrz, 0, KIND_AND_STATE)?;
        expect(mrz, 27, b"<<")?;
        expect(mrz, 45, b"VNM")?;
        expect(mrz, 48, b"<<<<<<<<<<<")?;
        digits(mrz, 15..27)?;
        digits(mrz, 29..30)?;
        digits(mrz, 38..44)?;
        for (checked, at) in [(&mrz[5..14], 14), (&mrz[30..36], 36), (&mrz[38..44], 44)] {
            check(mrz, at, check_digit(checked))?;
        }
        check(mrz, 59, composite(mrz))?;
        let number = CitizenNumber::parse(&mrz[15..27]).map_err(|_| Dg1Error::Number)?;
        if mrz[5..14] != number.digits()[3..] {
            return Err(Dg1Error::Number);
        }
        if let Some(at) = (60..90).find(|&at| mrz[at].is_ascii_digit()) {
            return Err(Dg1Error::Character(at + 1));
        }
        let sex = match mrz[37] {
            b'M' => Some(Sex::Male),
            b'F' => Some(Sex::Female),
            b'<' => None,
            _ => return Err(Dg1Error::Character(38)),
        };
        Ok(Dg1 {
            number,
            number_trailer: mrz[29],
            birth: array(&mrz[30..36]),
            sex,
            expiry: CardDate::parse(&array(&mrz[38..44])).ok_or(Dg1Error::Expiry)?,
            names: array(&mrz[60..90]),
        })
    }

    /// Writes DG1 as a chip holds it, with its check digits.
    pub fn encode(&self) -> [u8; DG1_BYTES] {
        let mut mrz = [b'<'; 90];
        mrz[..5].copy_from_slice(KIND_AND_STATE);
        mrz[5..14].copy_from_slice(&self.document_number());
        mrz[14] = check_digit(&self.document_number());
        mrz[15..27].copy_from_slice(self.number.digits());
        mrz[29] = self.number_trailer;
        mrz[30..36].copy_from_slice(&self.birth);
        mrz[36] = check_digit(&self.birth);
        mrz[37] = match self.sex {
            Some(Sex::Male) => b'M',
            Some(Sex::Female) => b'F',
            None => b'<',
        };
        mrz[38..44].copy_from_slice(&self.expiry.digits());
        mrz[44] = check_digit(&self.expiry.digits());
        mrz[45..48].copy_from_slice(b"VNM");
        mrz[60..].copy_from_slice(&self.names);
        mrz[59] = composite(&mrz);
        let mut bytes = [0; DG1_BYTES];
        bytes[..5].copy_from_slice(&FRONT);
        bytes[5..].copy_from_slice(&mrz);
        bytes
    }

    /// The card's document number: the last nine digits of the citizen number.
    pub fn document_number(&self) -> [u8; 9] {
        array(&self.number.digits()[3..])
    }
}

impl CardDate {
    /// Reads `YYMMDD` of the years 2000 to 2099; `None` when it is no day.
    pub fn parse(digits: &[u8; 6]) -> Option<CardDate> {
        let two = |at: usize| {
            let pair = &digits[at..at + 2];
            pair.iter().all(u8::is_ascii_digit).then(|| (pair[0] - b'0') * 10 + pair[1] - b'0')
        };
        let month = Month::try_from(two(2)?).ok()?;
        Date::from_calendar_date(2000 + i32::from(two(0)?), month, two(4)?).ok().map(CardDate)
    }

    /// The day as `YYMMDD`.
    pub fn digits(self) -> [u8; 6] {
        let (year, month, day) = self.0.to_calendar_date();
        let two = |value: u8| [b'0' + value / 10, b'0' + value % 10];
        let [year, month, day] = [two((year % 100) as u8), two(month.into()), two(day)];
        [year[0], year[1], month[0], month[1], day[0], day[1]]
    }

    /// Whether the day has passed in Vietnam at a second since 1970.
    pub fn has_passed(self, now_s: i64) -> bool {
        let end = self.0.saturating_add(Duration::DAY).midnight().assume_utc().unix_timestamp() - VIETNAM_S;
        now_s >= end
    }
}

impl fmt::Debug for Dg1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dg1")
            .field("number", &self.number)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

/// The check digit over characters of an MRZ (ICAO 9303-3, 4.9).
pub fn check_digit(characters: &[u8]) -> u8 {
    digit_over(characters.iter())
}

fn composite(mrz: &[u8]) -> u8 {
    digit_over(mrz[5..30].iter().chain(&mrz[30..37]).chain(&mrz[38..45]).chain(&mrz[48..59]))
}

fn digit_over<'a>(characters: impl Iterator<Item = &'a u8>) -> u8 {
    let weighed = characters.zip([7, 3, 1].into_iter().cycle());
    let sum: u32 =
        weighed.map(|(&character, weight)| u32::from(value(character).unwrap_or(0)) * weight).sum();
    b'0' + (sum % 10) as u8
}

/// What a character counts; `None` when the MRZ does not have it.
fn value(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'A'..=b'Z' => Some(character - b'A' + 10),
        b'<' => Some(0),
        _ => None,
    }
}

fn expect(mrz: &[u8], at: usize, text: &[u8]) -> Result<(), Dg1Error> {
    let wrong = mrz[at..].iter().zip(text).position(|(character, expected)| character != expected);
    wrong.map_or(Ok(()), |wrong| Err(Dg1Error::Character(at + wrong + 1)))
}

fn digits(mrz: &[u8], range: std::ops::Range<usize>) -> Result<(), Dg1Error> {
    let wrong = mrz[range.clone()].iter().position(|character| !character.is_ascii_digit());
    wrong.map_or(Ok(()), |wrong| Err(Dg1Error::Character(range.start + wrong + 1)))
}

fn check(mrz: &[u8], at: usize, digit: u8) -> Result<(), Dg1Error> {
    if mrz[at] == digit { Ok(()) } else { Err(Dg1Error::CheckDigit(at + 1)) }
}

fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    slice.try_into().expect("the ranges of an MRZ are constants")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn card() -> Dg1 {
        Dg1 {
            number: CitizenNumber::parse(b"001203000001").unwrap(),
            number_trailer: b'8',
            birth: *b"030517",
            sex: Some(Sex::Male),
            expiry: CardDate::parse(b"430517").unwrap(),
            names: *b"NGUYEN<<VAN<AN<<<<<<<<<<<<<<<<",
        }
    }

    /// The specimen of ICAO 9303-5, appendix B.
    #[test]
    fn check_digits_of_the_icao_specimen() {
        let mrz =
            b"I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<";
        let one = |range: std::ops::Range<usize>| check_digit(&mrz[range]);
        assert_eq!([one(5..14), one(30..36), one(38..44), composite(mrz)], *b"7296");
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = card().encode();
        assert_eq!(&bytes[5..35], b"IDVNM2030000018001203000001<<8");
        assert_eq!(Dg1::parse(&bytes).unwrap(), card());
        assert_eq!(card().document_number(), *b"203000001");
    }

    #[test]
    fn every_changed_character_that_a_rule_covers_is_found() {
        let bytes = card().encode();
        let free = |at: usize| at == 37 || at >= 60;
        for at in (0..90).filter(|&at| !free(at)) {
            let mut changed = bytes;
            changed[5 + at] = if bytes[5 + at] == b'1' { b'2' } else { b'1' };
            assert!(Dg1::parse(&changed).is_err(), "character {}", at + 1);
        }
        for (at, character, error) in [
            (60, b'1', Dg1Error::Character(61)),
            (89, b'a', Dg1Error::Character(90)),
            (37, b'X', Dg1Error::Character(38)),
            (14, b'7', Dg1Error::CheckDigit(15)),
            (59, b'A', Dg1Error::CheckDigit(60)),
        ] {
            let mut changed = bytes;
            changed[5 + at] = character;
            assert_eq!(Dg1::parse(&changed), Err(error));
        }
        for cut in 0..bytes.len() {
            assert_eq!(Dg1::parse(&bytes[..cut]), Err(Dg1Error::Form));
        }
        assert_eq!(Dg1::parse(&[bytes.as_slice(), b"<"].concat()), Err(Dg1Error::Form));
    }

    #[test]
    fn a_document_number_of_another_citizen_is_refused() {
        let mut bytes = card().encode();
        let mrz = &mut bytes[5..];
        mrz[5..14].copy_from_slice(b"203000002");
        mrz[14] = check_digit(b"203000002");
        mrz[59] = composite(mrz);
        assert_eq!(Dg1::parse(&bytes), Err(Dg1Error::Number));
    }

    #[test]
    fn a_card_is_good_until_its_last_day_ends_in_vietnam() {
        let day = CardDate::parse(b"260228").unwrap();
        let end = 1_772_298_000; // 2026-02-28T17:00:00Z
        assert_eq!([day.has_passed(end - 1), day.has_passed(end)], [false, true]);
        assert!(CardDate::parse(b"260229").is_none());
        assert!(!CardDate::parse(b"991231").unwrap().has_passed(4_000_000_000));
        assert_eq!(CardDate::parse(b"280229").unwrap().digits(), *b"280229");
    }

    #[test]
    fn debug_shows_neither_name_nor_birth() {
        let text = format!("{:?}", card());
        for hidden in ["NGUYEN", "030517", "203000001"] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
}
