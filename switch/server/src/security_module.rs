//! The security module of `[hsm]`: opened, and held against what the banks want (docs/security.md#hsm).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hsm::{Hsm, HsmError, KeyInfo, KeyName, KeyRole, Owner, PayShield, PayShieldSettings, SoftwareHsm};
use keys::{KeyAlgorithm, PinFormat};
use metrics::gauge;
use processor::Institution;

use crate::config::{HsmModule, HsmSettings, PinFormats};

/// Keys that are not in use yet and are written out at once; the others are counted.
const OFFERED_TOLD_MAX: usize = 20;

/// Opens it. A payShield that does not answer yet is told of, and asked again with each PIN.
///
/// # Errors
/// The file of keys cannot be read, or does not open.
pub fn open(settings: &HsmSettings, answer_max: Duration) -> Result<Arc<dyn Hsm>, String> {
    let failed = |error: HsmError| format!("hsm: {}", refused(&settings.module, &error));
    match &settings.module {
        HsmModule::Software { file, sealing } => {
            Ok(Arc::new(SoftwareHsm::open(file, sealing.clone()).map_err(failed)?))
        }
        HsmModule::PayShield { addresses, tokens } => {
            let opened = PayShield::open(payshield(addresses, tokens, settings.threads, answer_max));
            let opened = opened.map_err(failed)?;
            if let Err(error) = opened.echo() {
                tracing::warn!(%error, "the payShield does not answer yet");
            }
            Ok(Arc::new(opened))
        }
    }
}

/// Why a module does not open, and which command makes what is missing.
pub(crate) fn refused(module: &HsmModule, error: &HsmError) -> String {
    let (HsmModule::Software { file, .. } | HsmModule::PayShield { tokens: file, .. }) = module;
    match file.exists() {
        true => error.to_string(),
        false => format!("{error}; `atm-switch keys create` makes it"),
    }
}

/// A payShield as the configuration has it, with a connection for each thread, and one for keys: no PIN waits behind one.
pub(crate) fn payshield(
    addresses: &[SocketAddr],
    tokens: &Path,
    threads: usize,
    answer_max: Duration,
) -> PayShieldSettings {
    let (addresses, tokens) = (addresses.to_vec(), tokens.to_owned());
    PayShieldSettings { addresses, connections_max: threads + 1, answer_max, tokens }
}

/// Tells of banks that want PINs and have no key for their format: these alone are 91, and a right key serves as soon as it
/// is there. Terminals without a key are counted: their PINs will be 88. Keys that were sent or rotated by hand and are not in use are
/// told of too.
pub fn check(hsm: &dyn Hsm, formats: &PinFormats) {
    let keys = match hsm.keys() {
        Ok(keys) => keys,
        Err(error) => return tracing::error!(%error, "the security module's keys"),
    };
    match hsm.offered_keys() {
        Ok(offered) => tell_of_offered(&offered),
        Err(error) => tracing::error!(%error, "the security module's keys"),
    }
    let algorithms: BTreeMap<KeyName, KeyAlgorithm> =
        keys.iter().map(|key| (key.name, key.algorithm)).collect();
    let missing = banks_without_key(&algorithms, formats);
    for (bank, format) in &missing {
        let (wanted, format) = (format.algorithm(), format.number());
        tracing::error!(%bank, "its PINs, in format {format}, are 91 until there is a {wanted:?} key bank.{bank}.pin");
    }
    gauge!("atm_switch_banks_without_pin_key").set(missing.len() as f64);
    if formats.banks.is_empty() {
        return;
    }
    let with_pins: BTreeSet<Owner> = algorithms
        .keys()
        .filter(|name| matches!(name.role, KeyRole::Pin | KeyRole::Derivation))
        .map(|name| name.owner)
        .collect();
    let without = formats.terminals.keys().filter(|id| !with_pins.contains(&Owner::terminal(&id.0)));
    let without = without.count();
    if without > 0 {
        tracing::warn!(terminals = without, "no PIN key: PINs entered there cannot be read");
    }
}

/// Their owners may have them, and drop the ones before a day after they took them in.
fn tell_of_offered(offered: &[KeyInfo]) {
    for key in offered.iter().take(OFFERED_TOLD_MAX) {
        let (name, version, check_value) = (key.name, key.version, &key.check_value);
        tracing::warn!(
            %name, %version, %check_value,
            "offered and not in use: where its owner has it, keys use {name} --check-value {check_value}, and SIGHUP"
        );
    }
    if offered.len() > OFFERED_TOLD_MAX {
        tracing::warn!(keys = offered.len(), "keys are offered and not in use: keys list tells which");
    }
}

/// The banks that want PINs and have no key of their format's algorithm.
fn banks_without_key(
    algorithms: &BTreeMap<KeyName, KeyAlgorithm>,
    formats: &PinFormats,
) -> Vec<(Institution, PinFormat)> {
    let has = |bank: &Institution, format: &PinFormat| {
        let name = Owner::bank(bank.to_string().as_bytes()).map(|owner| owner.key(KeyRole::Pin));
        name.and_then(|name| algorithms.get(&name)) == Some(&format.algorithm())
    };
    let banks = formats.banks.iter().filter(|(bank, format)| !has(bank, format));
    banks.map(|(bank, format)| (*bank, *format)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_have_a_connection_of_their_own_beside_those_of_pins() {
        let of = payshield(&[], Path::new("payshield.keys"), 2, Duration::from_secs(1));
        assert_eq!(of.connections_max, 3);
    }

    #[test]
    fn a_file_of_keys_that_is_missing_is_told_with_the_command_that_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let sealing = hsm::Sealing::key_file("5c".repeat(32).as_bytes()).unwrap();
        let module = HsmModule::Software { file: dir.path().join("hsm.keys"), sealing };
        let settings = HsmSettings { module, threads: 1, waiting_max: 1, rotate_days: 0 };
        let refused = open(&settings, Duration::from_secs(1)).err().unwrap();
        assert!(refused.ends_with("; `atm-switch keys create` makes it"), "{refused}");
    }

    /// One bank's key of the wrong algorithm once refused the start of the whole switch.
    #[test]
    fn a_bank_without_its_key_is_told_of_and_the_others_are_not() {
        let (tdes, aes) = (KeyAlgorithm::Tdes, KeyAlgorithm::Aes);
        let keys =
            [("bank.1.pin", tdes), ("bank.2.pin", tdes), ("bank.3.exchange", aes), ("bank.5.pin", aes)];
        let keys = keys.map(|(name, algorithm)| (name.parse().unwrap(), algorithm)).into();
        let formats = [("1", 0), ("2", 4), ("3", 4), ("4", 3), ("5", 4)];
        let format =
            |(bank, number): (&str, u8)| (bank.parse().unwrap(), PinFormat::of_number(number).unwrap());
        let formats = PinFormats { banks: formats.map(format).into(), ..PinFormats::default() };
        let missing = banks_without_key(&keys, &formats);
        let names: Vec<String> = missing.iter().map(|(bank, _)| bank.to_string()).collect();
        assert_eq!(names, ["2", "3", "4"]);
    }
}
