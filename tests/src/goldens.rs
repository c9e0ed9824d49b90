//! The golden messages of tests/golden/iso8583, as bytes.

use std::fs;
use std::path::Path;

/// A message of the golden set.
#[derive(Clone, Debug)]
pub struct Golden {
    /// Its name in messages.txt.
    pub name: String,
    /// As the dialect writes it.
    pub bytes: Vec<u8>,
}

/// All messages of a dialect's file.
///
/// # Panics
/// When there is no such file, or it is not written as the codec's tests write it.
pub fn goldens(dialect: &str) -> Vec<Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/iso8583/{dialect}.txt"));
    let text = fs::read_to_string(path).expect("the dialect's file can be read");
    let mut goldens: Vec<Golden> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            goldens.push(Golden { name: name.to_owned(), bytes: Vec::new() });
        } else if let (Some(golden), Some(digits)) = (goldens.last_mut(), line.strip_prefix("> ")) {
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("pairs of hex digits");
            golden.bytes.extend((0..digits.len()).step_by(2).map(byte));
        }
    }
    goldens
}
