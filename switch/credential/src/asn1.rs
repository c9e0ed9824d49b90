//! A cursor over DER (ITU-T X.690): every element is taken with the tag that has to stand there, and nothing is left.

use der::asn1::AnyRef;
use der::{Reader, SliceReader, Tag, TagNumber, Tagged};

/// Bytes that are not the DER that has to stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDer;

impl From<der::Error> for NotDer {
    fn from(_: der::Error) -> NotDer {
        NotDer
    }
}

/// Definite lengths in their shortest form alone, and no more bytes than there are.
pub(crate) struct Cursor<'a>(SliceReader<'a>);

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Cursor<'a>, NotDer> {
        Ok(Cursor(SliceReader::new(bytes)?))
    }

    /// The content of the next element, which has this tag.
    pub(crate) fn take(&mut self, tag: Tag) -> Result<&'a [u8], NotDer> {
        let element: AnyRef<'a> = self.0.decode()?;
        if element.tag() == tag { Ok(element.value()) } else { Err(NotDer) }
    }

    /// The next element with its tag and length.
    pub(crate) fn take_whole(&mut self, tag: Tag) -> Result<&'a [u8], NotDer> {
        if self.next_is(tag) { Ok(self.0.tlv_bytes()?) } else { Err(NotDer) }
    }

    /// The elements inside the next one, which has this tag.
    pub(crate) fn enter(&mut self, tag: Tag) -> Result<Cursor<'a>, NotDer> {
        Cursor::new(self.take(tag)?)
    }

    /// Whether the next element has this tag.
    pub(crate) fn next_is(&self, tag: Tag) -> bool {
        Tag::peek(&self.0).is_ok_and(|next| next == tag)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Nothing may follow.
    pub(crate) fn finish(self) -> Result<(), NotDer> {
        if self.is_finished() { Ok(()) } else { Err(NotDer) }
    }

    /// The digits of an INTEGER that is not negative, without the zero that keeps it so.
    pub(crate) fn unsigned(&mut self) -> Result<&'a [u8], NotDer> {
        match self.take(Tag::Integer)? {
            [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Ok(rest),
            content @ ([0] | [1..=0x7F, ..]) => Ok(content),
            _ => Err(NotDer),
        }
    }

    /// The bytes of a BIT STRING without unused bits.
    pub(crate) fn whole_bits(&mut self) -> Result<&'a [u8], NotDer> {
        match self.take(Tag::BitString)? {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(NotDer),
        }
    }
}

/// A context tag; `constructed` when it holds other elements.
pub(crate) const fn context(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: TagNumber(number) }
}

/// An application tag that holds other elements: the files of a chip.
pub(crate) const fn file(number: u32) -> Tag {
    Tag::Application { constructed: true, number: TagNumber(number) }
}
