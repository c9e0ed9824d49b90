//! `[hsm]`: the security module, and in which format PIN blocks come and go.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use hsm::Sealing;
use keys::PinFormat;
use processor::{Institution, TerminalId};

use super::ADDRESSES_MAX;
use super::links::is_private;
use super::load::address;
use super::reader::Section;
use crate::links::door::is_loopback;

/// `[hsm]`.
#[derive(Debug)]
pub struct HsmSettings {
    /// Which module.
    pub module: HsmModule,
    /// Questions that are asked of it at once.
    pub threads: usize,
    /// Questions that wait; one more is answered 91.
    pub waiting_max: usize,
    /// Keys for PINs, and with the software module for MACs, that are as old are sent anew by themselves; 0: by nobody.
    pub rotate_days: u64,
}

/// The security module behind the trait `Hsm`.
#[derive(Debug)]
pub enum HsmModule {
    /// Keys in memory and in one sealed file.
    Software {
        /// The file.
        file: PathBuf,
        /// What it is sealed with.
        sealing: Sealing,
    },
    /// Host commands to a Thales payShield.
    PayShield {
        /// Its addresses, on loopback: the boxes themselves stand behind a tunnel.
        addresses: Vec<SocketAddr>,
        /// The keys under its LMK.
        tokens: PathBuf,
    },
}

/// In which formats PIN blocks come and go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PinFormats {
    /// Per terminal: what DE52 holds, format 0 or 3. DE121 holds format 4.
    pub terminals: BTreeMap<TerminalId, PinFormat>,
    /// Per bank that wants PINs.
    pub banks: BTreeMap<Institution, PinFormat>,
}

pub(super) fn hsm(section: Section<'_>) -> Option<HsmSettings> {
    let is_software = section.parsed("kind", |text| match text {
        "software" => Ok(true),
        "payshield" => Ok(false),
        _ => Err(format!("`{text}` is none of software, payshield")),
    });
    let file = section.path("file");
    let module = match is_software {
        Some(true) => {
            let sealing = sealing(&section);
            file.zip(sealing).map(|(file, sealing)| HsmModule::Software { file, sealing })
        }
        Some(false) => {
            let addresses = addresses(&section);
            file.filter(|_| !addresses.is_empty()).map(|tokens| HsmModule::PayShield { addresses, tokens })
        }
        None => None,
    };
    let threads = section.number_or("threads", 2, 1..=64);
    let waiting_max = section.number_or("waiting_max", 4_096, 1..=1_000_000);
    let rotate_days = section.number_or("rotate_days", 0, 0..=3_650);
    section.finish();
    Some(HsmSettings {
        module: module?,
        threads: threads? as usize,
        waiting_max: waiting_max? as usize,
        rotate_days: rotate_days?,
    })
}

/// Commands go in clear, PIN blocks and PANs in them: whatever is not on this machine stands behind a tunnel.
fn addresses(section: &Section<'_>) -> Vec<SocketAddr> {
    let addresses = section.list("addresses", |text| {
        let address = address(text)?;
        let reason = || {
            format!(
                "{address} is not loopback, and host commands go in clear: lead them through a tunnel in TLS"
            )
        };
        if is_loopback(address) { Ok(address) } else { Err(reason()) }
    });
    if !section.has("addresses") || addresses.len() > ADDRESSES_MAX {
        section.refuse("addresses", format!("are 1 to {ADDRESSES_MAX}"));
    }
    addresses
}

/// A key file or a passphrase file, which is for the switch's user alone.
fn sealing(section: &Section<'_>) -> Option<Sealing> {
    type Read = fn(&[u8]) -> Result<Sealing, String>;
    let (key, read): (_, Read) = match (section.has("key_file"), section.has("passphrase_file")) {
        (true, false) => ("key_file", Sealing::key_file),
        (false, true) => ("passphrase_file", Sealing::passphrase),
        (false, false) | (true, true) => {
            section
                .refuse("key_file", "or passphrase_file says what the file is sealed with, and one of them");
            return None;
        }
    };
    let (path, text) = section.file(key)?;
    if !is_private(section, key, &path) {
        return None;
    }
    read(&text).map_err(|reason| section.refuse(key, reason)).ok()
}

/// `pin_format` of a terminal: what its DE52 holds.
pub(super) fn terminal_format(section: &Section<'_>) -> Option<PinFormat> {
    section.parsed_or("pin_format", PinFormat::Iso0, |text| match text {
        "0" => Ok(PinFormat::Iso0),
        "3" => Ok(PinFormat::Iso3),
        _ => Err(format!("`{text}` is none of 0, 3; a block of format 4 travels in DE121 and needs no word")),
    })
}

/// `pin_format` of a bank that wants PINs.
pub(super) fn bank_format(section: &Section<'_>, has_hsm: bool) -> Option<Option<PinFormat>> {
    if section.has("pin_format") && !has_hsm {
        section.refuse("pin_format", "needs [hsm], where PINs are translated");
        return None;
    }
    section.parsed_or("pin_format", None, |text| {
        let format = text.parse().ok().and_then(PinFormat::of_number);
        format.map(Some).ok_or_else(|| format!("`{text}` is none of 0, 3, 4"))
    })
}
