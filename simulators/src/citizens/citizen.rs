//! Who a synthetic citizen is: every index of a seed has one number, and every number one index.

use credential::{CitizenNumber, PROVINCES};

use super::authority;

const BIRTH_YEAR_FIRST: u64 = 1950;
const BIRTH_YEARS: u64 = 58;
const SERIALS: u64 = 1_000_000;

/// Citizens of one seed: more than 7 billion, so that 73 million are a beginning.
pub const CITIZENS_MAX: u64 = PROVINCES.len() as u64 * BIRTH_YEARS * 2 * SERIALS;

const SURNAMES: [&str; 12] =
    ["NGUYEN", "TRAN", "LE", "PHAM", "HOANG", "PHAN", "VU", "DANG", "BUI", "DO", "HO", "NGO"];
const GIVEN: [&str; 16] = [
    "ANH", "BINH", "CHAU", "DUNG", "GIANG", "HA", "HUNG", "KHANH", "LAN", "LINH", "MAI", "NAM", "PHUONG",
    "QUANG", "THU", "TUAN",
];

/// A synthetic citizen.
#[derive(Clone, Debug)]
pub struct Citizen {
    /// Place in the population.
    pub index: u64,
    /// The citizen number.
    pub number: CitizenNumber,
    /// As the machine-readable zone has it: `NGUYEN<<VAN<ANH`.
    pub(super) name: String,
    /// `YYMMDD`.
    pub(super) birth: String,
    /// `M` or `F`.
    pub(super) sex: char,
    /// `YYMMDD`.
    pub(super) expiry: String,
}

impl Citizen {
    /// The citizen of this index.
    ///
    /// # Panics
    /// From [`CITIZENS_MAX`] on.
    pub(super) fn of(seed: u64, index: u64) -> Citizen {
        assert!(index < CITIZENS_MAX, "a population has {CITIZENS_MAX} citizens");
        let province = PROVINCES[(index % PROVINCES.len() as u64) as usize].code;
        let rest = index / PROVINCES.len() as u64;
        let year = BIRTH_YEAR_FIRST + rest % BIRTH_YEARS;
        let sex = rest / BIRTH_YEARS % 2;
        let serial = (rest / BIRTH_YEARS / 2 + serial_offset(seed)) % SERIALS;
        let century = (year / 100 - 19) * 2 + sex;
        let digits = format!("{province:03}{century}{:02}{serial:06}", year % 100);
        let chance = authority::derive(seed, "citizen", index);
        let pick = |place: usize, of: usize| usize::from(chance[place]) % of;
        let (month, day) = (1 + chance[0] % 12, 1 + chance[1] % 28);
        let expiry_year = 31 + chance[2] % 12;
        let [surname, middle, given] = [SURNAMES[pick(3, 12)], GIVEN[pick(4, 16)], GIVEN[pick(5, 16)]];
        Citizen {
            index,
            number: CitizenNumber::parse(digits.as_bytes()).expect("the layout gives citizen numbers"),
            name: format!("{surname}<<{middle}<{given}"),
            birth: format!("{:02}{month:02}{day:02}", year % 100),
            sex: if sex == 0 { 'M' } else { 'F' },
            expiry: format!("{expiry_year:02}{month:02}{day:02}"),
        }
    }

    /// When the card expires, `YYMMDD`.
    pub(crate) fn expiry_digits(&self) -> &str {
        &self.expiry
    }

    /// The index of a number, if the population has it.
    pub(super) fn index_of(seed: u64, number: &CitizenNumber) -> Option<u64> {
        let digits = std::str::from_utf8(number.digits()).ok()?;
        let part = |range: std::ops::Range<usize>| digits[range].parse::<u64>().ok();
        let province = place_of(number.province()?.code)?;
        let century = part(3..4)?;
        let year = 1900 + century / 2 * 100 + part(4..6)?;
        let years = year.checked_sub(BIRTH_YEAR_FIRST).filter(|years| *years < BIRTH_YEARS)?;
        let serial = (part(6..12)? + SERIALS - serial_offset(seed)) % SERIALS;
        let rest = (serial * 2 + century % 2) * BIRTH_YEARS + years;
        Some(rest * PROVINCES.len() as u64 + province)
    }
}

/// The index of the `rank`-th citizen of a province, from 0: every 63rd index is in the same one.
pub(super) fn index_in(province_code: u16, rank: u64) -> Option<u64> {
    let index = rank.checked_mul(PROVINCES.len() as u64)?.checked_add(place_of(province_code)?)?;
    (index < CITIZENS_MAX).then_some(index)
}

fn place_of(province_code: u16) -> Option<u64> {
    PROVINCES.iter().position(|province| province.code == province_code).map(|place| place as u64)
}

/// Two seeds number their citizens from different serials.
fn serial_offset(seed: u64) -> u64 {
    let digest = authority::derive(seed, "first serial", 0);
    u64::from_be_bytes(*digest.first_chunk().expect("a digest has eight bytes")) % SERIALS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_index_has_its_number_and_every_number_its_index() {
        for seed in [1, 2] {
            let indices = (0..20_000).chain((0..2_000).map(|step| step * 3_653_999 % CITIZENS_MAX));
            let mut seen = BTreeSet::new();
            for index in indices.collect::<BTreeSet<_>>() {
                let citizen = Citizen::of(seed, index);
                assert_eq!(Citizen::index_of(seed, &citizen.number), Some(index));
                assert!(seen.insert(citizen.number));
            }
        }
        assert_eq!(Citizen::of(1, 0).number.digits()[..3], *b"001", "Hà Nội comes first");
        assert_eq!(Citizen::of(1, 13).number.digits()[..3], *b"022", "Quảng Ninh");
    }

    #[test]
    fn citizens_of_a_province() {
        for (code, name) in [(1, "Hà Nội"), (22, "Quảng Ninh"), (96, "Cà Mau")] {
            for index in (0..100).filter_map(|rank| index_in(code, rank)) {
                assert_eq!(Citizen::of(1, index).number.province().map(|province| province.name), Some(name));
            }
        }
        assert_eq!((index_in(1, 1), index_in(22, 0), index_in(3, 0)), (Some(63), Some(13), None));
        assert_eq!(index_in(1, CITIZENS_MAX), None);
    }
}
