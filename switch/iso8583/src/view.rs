//! A message as it lies in somebody's buffer: which elements it has and where they begin.

use std::borrow::Cow;
use std::fmt;

use crate::bitmap::{Bitmap, ELEMENTS, place};
use crate::describe;
use crate::dialect::Dialect;
use crate::message::Message;
use crate::mti::Mti;
use crate::parse;
use crate::slot::Wire;

/// A parsed message that borrows its bytes. It was checked whole; reading from it cannot fail.
///
/// Offsets are a fixed array, so that a view lives on the stack.
#[derive(Clone)]
pub struct View<'a> {
    dialect: &'a Dialect,
    bytes: &'a [u8],
    pub(crate) mti: Mti,
    pub(crate) present: Bitmap,
    /// Where each element that is present begins, its length prefix included.
    starts: [u16; ELEMENTS],
}

impl<'a> View<'a> {
    /// The message type indicator.
    pub fn mti(&self) -> Mti {
        self.mti
    }

    /// The dialect that the message was parsed in.
    pub fn dialect(&self) -> &'a Dialect {
        self.dialect
    }

    /// All bytes of the message, from the MTI on.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the message has this element. Always false for 1 and 65, the bitmaps.
    pub fn has(&self, element: u8) -> bool {
        self.present.has(element)
    }

    /// The numbers of the elements, ascending, without 1 and 65.
    pub fn elements(&self) -> impl Iterator<Item = u8> {
        self.present.iter()
    }

    /// Where its MAC belongs: DE128 when any other element from 65 on is there, else DE64.
    pub fn mac_element(&self) -> u8 {
        self.present.mac_element()
    }

    /// The value as it stands on the wire, without its length prefix. In `ascii-1987` these are the canonical bytes.
    pub fn raw(&self, element: u8) -> Option<&'a [u8]> {
        let (start, end) = self.span(element)?;
        Some(&self.bytes[start + self.dialect.slot(element).prefix.bytes()..end])
    }

    /// Where the element begins, its length prefix included: the bytes before are the ones that a MAC in it covers.
    pub fn offset(&self, element: u8) -> Option<usize> {
        Some(self.span(element)?.0)
    }

    /// The canonical bytes of the value. They are borrowed where the wire holds them so; packed digits, EBCDIC and
    /// hex allocate.
    pub fn canonical(&self, element: u8) -> Option<Cow<'a, [u8]>> {
        let raw = self.raw(element)?;
        let slot = self.dialect.slot(element);
        if slot.wire == Wire::Canonical {
            return Some(Cow::Borrowed(raw));
        }
        let mut canonical = Vec::with_capacity(raw.len() * 2);
        slot.push_canonical(self.units(element), raw, &mut canonical);
        Some(Cow::Owned(canonical))
    }

    /// A copy that owns its values, in canonical form.
    pub fn to_message(&self) -> Message {
        let mut message = Message::with_capacity(self.mti, self.bytes.len() * 2);
        let mut elements = self.present.iter().peekable();
        while let Some(element) = elements.next() {
            let slot = self.dialect.slot(element);
            let start = usize::from(self.starts[place(element)]) + slot.prefix.bytes();
            let end = elements.peek().map_or(self.bytes.len(), |next| usize::from(self.starts[place(*next)]));
            let raw = &self.bytes[start..end];
            if slot.wire == Wire::Canonical {
                message.push(element, |buffer| buffer.extend_from_slice(raw));
            } else {
                message.push(element, |buffer| slot.push_canonical(self.units(element), raw, buffer));
            }
        }
        message
    }

    #[inline(always)]
    pub(crate) fn empty(dialect: &'a Dialect, bytes: &'a [u8]) -> View<'a> {
        View { dialect, bytes, mti: Mti::new(0), present: Bitmap(0), starts: [0; ELEMENTS] }
    }

    #[inline(always)]
    pub(crate) fn set_start(&mut self, element: u8, at: usize) {
        self.starts[place(element)] = at as u16;
    }

    fn span(&self, element: u8) -> Option<(usize, usize)> {
        if !self.has(element) {
            return None;
        }
        let start_of = |element: u8| usize::from(self.starts[place(element)]);
        let end = self.present.first_above(element).map_or(self.bytes.len(), start_of);
        Some((start_of(element), end))
    }

    /// Canonical bytes of a value that is present.
    fn units(&self, element: u8) -> u16 {
        let slot = self.dialect.slot(element);
        if slot.prefix.bytes() == 0 {
            return slot.units_max;
        }
        let start = usize::from(self.starts[place(element)]);
        parse::length(slot.prefix, self.bytes, start).expect("parse has read this length")
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe::debug(f, self.mti, &self.to_message(), self.dialect)
    }
}
