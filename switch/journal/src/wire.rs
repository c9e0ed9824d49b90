//! Numbers, bytes and texts as they stand in records: big-endian, lengths in front, nothing left over.

use keys::OpenError;
use processor::Position;
use thiserror::Error;

/// A record that does not read as one: where, and what is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("record {position}: {field}: {fault}")]
pub struct DecodeError {
    /// The record.
    pub position: Position,
    /// The field of docs/log.md#records.
    pub field: &'static str,
    /// What is wrong.
    pub fault: DecodeFault,
}

/// What is wrong with a field of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DecodeFault {
    /// The record ends inside the field.
    #[error("cut short")]
    Short,
    /// Bytes follow the last field.
    #[error("followed by bytes that belong to nothing")]
    Trailing,
    /// No such value.
    #[error("not a value of this field")]
    Value,
    /// A version that this program does not know.
    #[error("a version that is not known")]
    Version,
    /// What is sealed does not open: another key, another record, or bytes that were changed.
    #[error("does not open with this key")]
    Sealed,
    /// It was sealed with a key of this generation, which the key file does not have.
    #[error("the key file has no data.k_enc of generation {0}")]
    NoKey(u8),
}

impl DecodeFault {
    pub(crate) fn of(error: OpenError) -> DecodeFault {
        match error {
            OpenError::Sealed => DecodeFault::Sealed,
            OpenError::NoKey(generation) => DecodeFault::NoKey(generation),
        }
    }
}

/// Appends fields to a buffer. A text or list that is longer than its length can say is noted, not cut.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    too_long: Option<&'static str>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer { out, too_long: None }
    }

    /// The first field that was longer than its length can say.
    pub(crate) fn too_long(&self) -> Option<&'static str> {
        self.too_long
    }

    /// Bytes that stand in the buffer.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A length of two bytes, then the bytes.
    pub(crate) fn bytes(&mut self, field: &'static str, bytes: &[u8]) {
        self.length(field, bytes.len());
        self.raw(bytes);
    }

    pub(crate) fn length(&mut self, field: &'static str, length: usize) {
        match u16::try_from(length) {
            Ok(length) => self.u16(length),
            Err(_) => {
                self.too_long = self.too_long.or(Some(field));
                self.u16(u16::MAX);
            }
        }
    }

    /// A byte 0, or a byte 1 and the value.
    pub(crate) fn optional<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.u8(0),
            Some(value) => {
                self.u8(1);
                put(self, value);
            }
        }
    }
}

/// Takes fields from a record's bytes, front to back.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    position: Position,
}

pub(crate) type Decoded<T> = Result<T, DecodeError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], position: Position) -> Reader<'a> {
        Reader { rest: bytes, position }
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    pub(crate) fn error(&self, field: &'static str, fault: DecodeFault) -> DecodeError {
        DecodeError { position: self.position, field, fault }
    }

    /// Refuses what the field's type does not take.
    pub(crate) fn check<T>(&self, field: &'static str, value: Option<T>) -> Decoded<T> {
        value.ok_or_else(|| self.error(field, DecodeFault::Value))
    }

    pub(crate) fn raw(&mut self, field: &'static str, length: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| self.error(field, DecodeFault::Short))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes the last bytes away from those that are to be read.
    pub(crate) fn split_off(&mut self, field: &'static str, length: usize) -> Decoded<&'a [u8]> {
        let at = self.rest.len().checked_sub(length).ok_or_else(|| self.error(field, DecodeFault::Short))?;
        let (rest, last) = self.rest.split_at(at);
        self.rest = rest;
        Ok(last)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Decoded<[u8; N]> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or_else(|| self.error(field, DecodeFault::Short))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Decoded<u8> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Decoded<u16> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Decoded<u32> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Decoded<u64> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Decoded<i64> {
        self.array(field).map(i64::from_be_bytes)
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Decoded<&'a [u8]> {
        let length = self.u16(field)?;
        self.raw(field, usize::from(length))
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Decoded<Box<str>> {
        let bytes = self.bytes(field)?;
        self.check(field, std::str::from_utf8(bytes).ok().map(Into::into))
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Decoded<bool> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error(field, DecodeFault::Value)),
        }
    }

    pub(crate) fn optional<T>(
        &mut self,
        field: &'static str,
        take: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.flag(field)? { take(self).map(Some) } else { Ok(None) }
    }

    pub(crate) fn end(&self) -> Decoded<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error("end", DecodeFault::Trailing)) }
    }
}
