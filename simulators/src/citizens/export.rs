//! A synthetic citizen's card as JSON, its chip's key included: for clients that are not built from this code.

use serde_json::{Value, json};

use super::{CITIZENS_MAX, Country, authority};
use crate::signing::Signing;

/// Which card is printed.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Whose population the citizen is of
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Number of the citizen in the population
    #[arg(long, value_parser = clap::value_parser!(u64).range(..CITIZENS_MAX))]
    pub citizen: u64,
}

/// The card of a citizen: `citizen_number`, and as hex digits `dg1`, `dg15`, `sod` and `chip_key`, the scalar of the
/// chip's P-256 key. A real chip never gives its key away; these are synthetic.
///
/// # Panics
/// When the citizen's number is [`CITIZENS_MAX`] or above.
pub fn card(arguments: &Arguments) -> Value {
    let country = Country::new(arguments.seed);
    let chip = country.chip(arguments.citizen);
    let number = country.citizen(arguments.citizen).number;
    json!({
        "citizen_number": String::from_utf8_lossy(number.digits()),
        "dg1": hex(chip.dg1()),
        "dg15": hex(chip.dg15()),
        "sod": hex(chip.sod()),
        "chip_key": hex(authority::key(arguments.seed, "chip", arguments.citizen, Signing::Repeatable).scalar()),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use p256::ecdsa::SigningKey;

    use super::*;

    #[test]
    fn the_key_is_the_one_of_dg15() {
        let card = card(&Arguments { seed: 3, citizen: 9 });
        let octets = |name: &str| -> Vec<u8> {
            let digits = card[name].as_str().unwrap();
            (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect()
        };
        let key = SigningKey::from_slice(&octets("chip_key")).unwrap();
        assert!(octets("dg15").ends_with(key.verifying_key().to_sec1_point(false).as_bytes()));
        assert_eq!(octets("dg15"), Country::new(3).chip(9).dg15());
        assert_eq!(octets("dg1")[20..32], *card["citizen_number"].as_str().unwrap().as_bytes());
    }
}
