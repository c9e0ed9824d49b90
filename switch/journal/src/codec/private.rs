//! What is personal in a record: gathered apart from what stands in clear, sealed as one piece, and opened again (docs/log.md#sealed).

use credential::{CitizenNumber, Pan};
use keys::{OpenError, PAN_DIGITS, SEAL_TAG_BYTES, SEALED_PAN_BYTES};
use mutant::Mutant;
use processor::Position;

use super::Unseal;
use crate::wire::{DecodeFault, Decoded, Reader, Writer};

/// In front of a record's body: the generation of the key that sealed what is personal in it (0 where nothing is), and how
/// many bytes that has (2).
pub(super) const SEAL_NOTE_BYTES: usize = 3;

/// What is personal in a request, its account and what it carries has room in so many bytes, most often.
pub(super) const PRIVATE_ROOM_BYTES: usize = 256;

/// Where a record's fields are put: those that are personal are gathered apart.
pub(super) struct Put<'a> {
    pub(super) clear: Writer<'a>,
    pub(super) private: Writer<'a>,
}

impl Put<'_> {
    /// Whether there is a value stands in clear, and in front of it.
    pub(super) fn optional<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.clear.u8(value.is_some().into());
        if let Some(value) = value {
            put(self, value);
        }
    }

    /// As [`Put::optional`], of a value that is personal.
    pub(super) fn private_optional<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Writer<'_>, T)) {
        self.optional(value, |fields, value| put(&mut fields.private, value));
    }
}

/// Where a record's fields are taken from.
pub(super) struct Take<'a, 'k> {
    pub(super) clear: Reader<'a>,
    pub(super) private: Private<'a, 'k>,
}

/// Where the fields stand that are personal.
pub(super) enum Private<'a, 'k> {
    /// Version 1: each in its place in clear, but the PAN.
    AmongTheOthers(Unseal<'k>),
    /// In the piece that was opened, in their order.
    Opened(Reader<'a>),
    /// In the piece that is left sealed.
    Left,
}

impl Take<'_, '_> {
    /// A field that is personal; `None` where what is personal is left.
    pub(super) fn private<T>(
        &mut self,
        take: impl FnOnce(&mut Reader<'_>) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        match &mut self.private {
            Private::AmongTheOthers(Unseal::Open(_)) => take(&mut self.clear).map(Some),
            Private::AmongTheOthers(Unseal::Leave | Unseal::LeaveOurs(_)) => {
                take(&mut self.clear).map(|_| None)
            }
            Private::Opened(reader) => take(reader).map(Some),
            Private::Left => Ok(None),
        }
    }

    pub(super) fn optional<T>(
        &mut self,
        field: &'static str,
        take: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.clear.flag(field)? { take(self).map(Some) } else { Ok(None) }
    }

    /// As [`Take::private`], of a field that a record may have or not: that it has it is not personal.
    pub(super) fn private_optional<T>(
        &mut self,
        field: &'static str,
        take: impl FnOnce(&mut Reader<'_>) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        Ok(self.optional(field, |fields| fields.private(take))?.flatten())
    }
}

/// Splits the sealed piece off the end of what is to be read, and opens it into `opened`.
pub(super) fn take_sealed<'a, 'k>(
    reader: &mut Reader<'a>,
    bytes: &[u8],
    unseal: Unseal<'k>,
    opened: &'a mut Vec<u8>,
) -> Decoded<Private<'a, 'k>> {
    let generation = reader.u8("key generation")?;
    let length = usize::from(reader.u16("sealed length")?);
    if generation == 0 || length == 0 {
        reader.check("key generation", (generation == 0 && length == 0).then_some(()))?;
        return Ok(Private::Opened(Reader::new(&[], reader.position())));
    }
    let sealed = reader.split_off("sealed", length + SEAL_TAG_BYTES)?;
    let keys = match unseal {
        Unseal::Open(keys) => keys,
        Unseal::Leave => return Ok(Private::Left),
        Unseal::LeaveOurs(keys) => {
            let fault = DecodeFault::NoKey(generation);
            return keys
                .has(generation)
                .then_some(Private::Left)
                .ok_or_else(|| reader.error("sealed", fault));
        }
    };
    let front = &bytes[..bytes.len() - sealed.len()];
    opened.extend_from_slice(sealed);
    let (nonce, beside) = seal_place(reader.position(), front);
    let private = keys.open(generation, nonce, beside, opened);
    let private = private.map_err(|error| reader.error("sealed", DecodeFault::of(error)))?;
    Ok(Private::Opened(Reader::new(private, reader.position())))
}

/// The nonce, and what is authenticated beside what is sealed: it belongs to its position, which is the nonce's, and to the
/// record's clear fields in front of it. No position has two records in one log; RFC 8452 keeps its promise even where a cut
/// tail's are given anew.
pub(super) fn seal_place(position: Position, front: &[u8]) -> ([u8; 12], &[u8]) {
    let mut nonce = *b"REC\x02\0\0\0\0\0\0\0\0";
    if mutant::is(Mutant::SealedOpensAnywhere) {
        return (nonce, &[]);
    }
    nonce[4..].copy_from_slice(&position.to_be_bytes());
    (nonce, front)
}

/// That of version 1, whose PAN was authenticated with its position alone.
fn nonce_of_version_1(position: Position) -> [u8; 12] {
    let mut nonce = *b"DE2\x01\0\0\0\0\0\0\0\0";
    nonce[4..].copy_from_slice(&position.to_be_bytes());
    nonce
}

pub(super) fn take_pan(fields: &mut Take<'_, '_>) -> Decoded<Pan> {
    let pan = match &mut fields.private {
        Private::AmongTheOthers(unseal) => take_pan_of_version_1(&mut fields.clear, *unseal)?,
        Private::Opened(reader) => {
            let digits: [u8; PAN_DIGITS] = reader.array("pan")?;
            Some(reader.check("pan", Pan::parse(&digits).ok())?)
        }
        Private::Left => None,
    };
    Ok(pan.unwrap_or_else(|| {
        let nobody = CitizenNumber::parse(b"001000000000").expect("twelve digits behind a province");
        Pan::new(*b"000000", &nobody)
    }))
}

fn take_pan_of_version_1(reader: &mut Reader<'_>, unseal: Unseal<'_>) -> Decoded<Option<Pan>> {
    let sealed: [u8; SEALED_PAN_BYTES] = reader.array("pan")?;
    let position = reader.position();
    let pan = match unseal {
        Unseal::Open(keys) => keys.open_pan(&sealed, nonce_of_version_1(position), &position.to_be_bytes()),
        Unseal::LeaveOurs(keys) if !keys.has(1) => Err(OpenError::NoKey(1)),
        Unseal::Leave | Unseal::LeaveOurs(_) => return Ok(None),
    };
    pan.map(Some).map_err(|error| reader.error("pan", DecodeFault::of(error)))
}
