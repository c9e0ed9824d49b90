//! The town's PINs: the pads' one key, the banks' keys, and the security module that translates between them, away or late.

use keys::{BoundKey, PinBlock, PinFormat, PinKey, PinPan, translate_pin};
use processor::{Enciphered, PinRequest, PinVerdict, Ticket};
use simulators::pins::{PinCheck, PinPad, Pins, pin_key};

use super::faults::Fault;
use super::plan::BANKS;
use super::world::{Event, World};

/// The PINs of the town's cards.
pub(super) const PINS: Pins = Pins::new(7);

/// The banks that want PINs, and in which format.
const FORMATS: [Option<PinFormat>; 3] = [Some(PinFormat::Iso0), Some(PinFormat::Iso4), None];

/// Whether this bank of [`BANKS`] wants PINs.
pub(super) fn wants_pin(bank: usize) -> bool {
    FORMATS[bank].is_some()
}

/// The pad of every machine.
pub(super) fn pad() -> PinPad {
    PinPad::fixed(&pad_key(), PinFormat::Iso0).expect("a PIN key")
}

/// What a bank checks with.
pub(super) fn check(bank: usize) -> Option<PinCheck> {
    let format = FORMATS[bank]?;
    Some(PinCheck::new(&bank_key(bank, format), format, PINS).expect("a PIN key"))
}

fn pad_key() -> BoundKey {
    pin_key(PinFormat::Iso0, b"the town's pads.").expect("two keys that differ")
}

fn bank_key(bank: usize, format: PinFormat) -> BoundKey {
    let mut bytes = *b"a bank's PIN key";
    bytes[0] = b'A' + bank as u8;
    pin_key(format, &bytes).expect("two keys that differ")
}

impl World {
    /// The module answers, if it is there and in time.
    pub(super) fn translate_pin(&mut self, ticket: Ticket, request: &PinRequest) {
        let verdict =
            if self.strikes(Fault::HsmAway) { PinVerdict::Unavailable } else { translated(request) };
        let mut us = u64::from(self.switch_chance.between(50, 20_000));
        if self.strikes(Fault::HsmLate) {
            us += 1_500_000;
        }
        if self.script.is_some() {
            us = 0;
        }
        self.after_us(us, Event::PinVerdict { start: self.starts, ticket, verdict });
    }
}

/// What a security module does.
fn translated(request: &PinRequest) -> PinVerdict {
    let translate = || {
        let bank = BANKS.iter().position(|bank| *bank == request.bank.to_string())?;
        let format = FORMATS[bank]?;
        let block = PinBlock::new(PinFormat::Iso0, request.block.bytes()).ok()?;
        let (from, to) = (PinKey::new(&pad_key()).ok()?, PinKey::new(&bank_key(bank, format)).ok()?);
        let pan = PinPan::from(&request.pan);
        let block = translate_pin(&block, &pan, &from, &to, format, &[0; 8]).ok()?;
        Enciphered::new(block.bytes())
    };
    translate().map_or(PinVerdict::Unreadable, PinVerdict::Translated)
}
