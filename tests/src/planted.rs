//! Values that are planted in a run, and the search for them in whatever the run leaves: raw and in each spelling in which
//! a value may have got out.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// A value that must not be found.
#[derive(Clone)]
pub struct Planted {
    /// What it is, in a finding.
    pub name: String,
    forms: Vec<(&'static str, Vec<u8>)>,
}

/// A planted value that was found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Finding {
    /// Which value.
    pub name: String,
    /// In which spelling.
    pub form: &'static str,
    /// Where.
    pub place: String,
}

impl Planted {
    /// Bytes: raw, hex of either case, base64 of either alphabet at any place in a longer text, and as a list of decimal numbers.
    ///
    /// # Panics
    /// Of fewer than six bytes: those are found by chance.
    pub fn bytes(name: &str, value: &[u8]) -> Planted {
        assert!(value.len() >= 6, "{name} is too short to be looked for");
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let decimal: Vec<String> = value.iter().map(u8::to_string).collect();
        let mut forms = vec![
            ("raw", value.to_vec()),
            ("hex", hex.to_uppercase().into_bytes()),
            ("hex", hex.into_bytes()),
            ("decimal numbers", decimal.join(", ").into_bytes()),
            ("decimal numbers", decimal.join(",").into_bytes()),
        ];
        for alphabet in [STANDARD, URL_SAFE] {
            forms.extend((0..3).map(|shift| ("base64", base64_inside(value, shift, alphabet.clone()))));
        }
        Planted { name: name.to_owned(), forms }
    }

    /// A text: as [`Planted::bytes`], and in EBCDIC where it is digits, and these also as BCD, from either half of a byte, and as a
    /// binary number.
    ///
    /// # Panics
    /// As [`Planted::bytes`].
    pub fn text(name: &str, value: &str) -> Planted {
        let mut planted = Planted::bytes(name, value.as_bytes());
        if value.bytes().all(|byte| byte.is_ascii_digit()) {
            planted.forms.push(("EBCDIC", value.bytes().map(|digit| digit + 0xC0).collect()));
            for from in 0..2 {
                planted.forms.push(("BCD", bcd_inside(&value.as_bytes()[from..])));
            }
            if let Ok(number) = value.parse::<u64>() {
                planted.forms.push(("binary number", number.to_be_bytes().to_vec()));
                planted.forms.push(("binary number", number.to_le_bytes().to_vec()));
            }
        }
        planted
    }
}

/// What of a text's base64 depends on the value alone, where the value begins `shift` bytes behind a multiple of three.
fn base64_inside(value: &[u8], shift: usize, alphabet: base64::alphabet::Alphabet) -> Vec<u8> {
    let text = [&vec![0; shift], value].concat();
    let whole = GeneralPurpose::new(&alphabet, NO_PAD).encode(&text).into_bytes();
    whole[(shift * 8).div_ceil(6)..text.len() * 8 / 6].to_vec()
}

/// Whole bytes of two digits each; a digit that is left over is not looked for.
fn bcd_inside(digits: &[u8]) -> Vec<u8> {
    digits.as_chunks::<2>().0.iter().map(|[high, low]| (high - b'0') << 4 | (low - b'0')).collect()
}

/// All that is found of these values in what stands at a place.
pub fn search(planted: &[Planted], place: &str, bytes: &[u8]) -> BTreeSet<Finding> {
    let mut found = BTreeSet::new();
    for value in planted {
        for (form, wanted) in &value.forms {
            if holds(bytes, wanted) {
                found.insert(Finding { name: value.name.clone(), form, place: place.to_owned() });
            }
        }
    }
    found
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    let (Some(first), Some(last)) = (wanted.first(), bytes.len().checked_sub(wanted.len())) else {
        return false;
    };
    let mut from = 0;
    while let Some(at) = bytes[from..=last].iter().position(|byte| byte == first) {
        if bytes[from + at..].starts_with(wanted) {
            return true;
        }
        from += at + 1;
        if from > last {
            return false;
        }
    }
    false
}
