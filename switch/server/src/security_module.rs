//! The security module of `[hsm]`: opened, and checked against what the banks want (docs/security.md#hsm).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hsm::{Hsm, HsmError, KeyRole, Owner, PayShield, PayShieldSettings, SoftwareHsm};
use keys::{KeyAlgorithm, PinFormat};

use crate::config::{HsmModule, HsmSettings, PinFormats};

/// Opens it. A payShield that does not answer yet is told of, and asked again with each PIN.
///
/// # Errors
/// The file of keys cannot be read, or does not open.
pub fn open(settings: &HsmSettings, answer_max: Duration) -> Result<Arc<dyn Hsm>, String> {
    let failed = |error: HsmError| format!("hsm: {error}");
    match &settings.module {
        HsmModule::Software { file, sealing } => {
            Ok(Arc::new(SoftwareHsm::open(file, sealing.clone()).map_err(failed)?))
        }
        HsmModule::PayShield { addresses, tokens } => {
            let box_settings = PayShieldSettings {
                addresses: addresses.clone(),
                connections_max: settings.threads,
                answer_max,
                tokens: tokens.clone(),
            };
            let opened = PayShield::open(box_settings).map_err(failed)?;
            if let Err(error) = opened.echo() {
                tracing::warn!(%error, "the payShield does not answer yet");
            }
            Ok(Arc::new(opened))
        }
    }
}

/// Each bank that wants PINs has a key for its format; terminals without a key for theirs are told of: their PINs will be
/// 88.
///
/// # Errors
/// The bank whose key is missing or of another algorithm.
pub fn check(hsm: &dyn Hsm, formats: &PinFormats) -> Result<(), String> {
    let keys = hsm.keys().map_err(|error| format!("hsm: {error}"))?;
    for (bank, format) in &formats.banks {
        let name = Owner::bank(bank.to_string().as_bytes()).map(|owner| owner.key(KeyRole::Pin));
        let wanted = match format {
            PinFormat::Iso0 | PinFormat::Iso3 => KeyAlgorithm::Tdes,
            PinFormat::Iso4 => KeyAlgorithm::Aes,
        };
        if !keys.iter().any(|key| Some(key.name) == name && key.algorithm == wanted) {
            return Err(format!(
                "bank {bank} wants PINs in format {}, and the security module has no {wanted:?} key bank.{bank}.pin",
                format.number()
            ));
        }
    }
    if formats.banks.is_empty() {
        return Ok(());
    }
    let with_pins: BTreeSet<Owner> = keys
        .iter()
        .filter(|key| matches!(key.name.role, KeyRole::Pin | KeyRole::Derivation))
        .map(|key| key.name.owner)
        .collect();
    let without = formats.terminals.keys().filter(|id| !with_pins.contains(&Owner::terminal(&id.0)));
    let without = without.count();
    if without > 0 {
        tracing::warn!(terminals = without, "no PIN key: PINs entered there cannot be read");
    }
    Ok(())
}
