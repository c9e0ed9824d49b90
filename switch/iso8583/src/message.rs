//! A message that owns its values, in canonical form: what all logic sees and what every dialect writes.

use std::fmt;

use zeroize::Zeroize;

use crate::bitmap::{Bitmap, ELEMENTS, place, set_of};
use crate::describe;
use crate::dialect::Dialect;
use crate::mti::Mti;

/// A message, whatever dialect it comes from or goes to.
///
/// Values are canonical: the bytes that `ascii-1987` has without a length prefix. Nothing is checked here;
/// [`Dialect::encode`] checks everything. `Debug` masks by the sensitivity of `ascii-1987`.
///
/// PIN blocks and key blocks (DE52, 120, 121) are overwritten in memory when they are taken out and when the message is dropped.
///
/// It is one pointer wide: a message that is handed on costs no copy of its table.
#[derive(Clone)]
pub struct Message(Box<Inner>);

#[derive(Clone)]
struct Inner {
    mti: Mti,
    present: Bitmap,
    /// The last number given to [`Message::set`] that is no data element's; encode refuses it.
    not_an_element: Option<u8>,
    /// All values in ascending order.
    buffer: Vec<u8>,
    /// Where the value of each element that is present ends. It begins where the one before it ends.
    ends: [u32; ELEMENTS],
}

/// PIN blocks and key blocks: their bytes are overwritten when they, or the message, are done with.
const OVERWRITTEN: Bitmap = set_of(&[52, 120, 121]);

/// Bytes that a new message has room for at once: what nearly all money messages have without proof and MAC.
const NEW_BYTES: usize = 256;

/// Digits of [`u64::MAX`].
const NUMBER_DIGITS_MAX: usize = 20;

impl Message {
    /// A message without elements.
    pub fn new(mti: Mti) -> Message {
        Message::with_capacity(mti, NEW_BYTES)
    }

    /// The message type indicator.
    pub fn mti(&self) -> Mti {
        self.0.mti
    }

    /// A message of these values: the shortest way to one whose elements are known. Where numbers do not ascend it is as if
    /// each were [`Message::set`].
    pub fn of(mti: Mti, values: &[(u8, &[u8])]) -> Message {
        let bytes = values.iter().map(|(_, value)| value.len()).sum();
        let mut message = Message::with_capacity(mti, bytes);
        let mut last = 1;
        for &(element, value) in values {
            if element > last && element <= 128 && element != 65 {
                last = element;
                message.push(element, |buffer| buffer.extend_from_slice(value));
            } else {
                message.set(element, value);
                last = 128;
            }
        }
        message
    }

    /// Gives the message another type.
    pub fn set_mti(&mut self, mti: Mti) {
        self.0.mti = mti;
    }

    /// Empties the message and keeps its memory, so that another can be built in it without an allocation.
    pub fn clear(&mut self, mti: Mti) {
        self.0.overwrite();
        self.0.mti = mti;
        self.0.present = Bitmap::default();
        self.0.not_an_element = None;
        self.0.buffer.clear();
    }

    /// Whether the element is there, if only as an empty value.
    pub fn has(&self, element: u8) -> bool {
        self.0.present.has(element)
    }

    /// The canonical bytes of an element.
    pub fn get(&self, element: u8) -> Option<&[u8]> {
        if !self.has(element) {
            return None;
        }
        let (start, end) = self.span(element);
        Some(&self.0.buffer[start..end])
    }

    /// An element as text: `None` when it is absent or not UTF-8.
    pub fn text(&self, element: u8) -> Option<&str> {
        str::from_utf8(self.get(element)?).ok()
    }

    /// An element as a number: `None` when it is absent, empty, has other characters than digits, or is above
    /// [`u64::MAX`].
    pub fn number(&self, element: u8) -> Option<u64> {
        let digits = self.get(element)?;
        if digits.is_empty() {
            return None;
        }
        digits.iter().try_fold(0u64, |number, &digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        })
    }

    /// Sets or replaces an element; ascending order is the quickest. The value is not checked; [`Dialect::encode`]
    /// refuses what cannot be written, and a number that is no data element's (0, 1, 65, above 128).
    ///
    /// # Panics
    /// When all values together pass 4 GiB.
    #[inline]
    pub fn set(&mut self, element: u8, value: &[u8]) -> &mut Message {
        if matches!(element, 0 | 1 | 65 | 129..) {
            self.0.not_an_element = Some(element);
        } else if self.0.present.first_above(element).is_none() && !self.has(element) {
            self.push(element, |buffer| buffer.extend_from_slice(value));
        } else {
            self.replace(element, value);
            self.0.present.insert(element);
        }
        self
    }

    /// As [`Message::set`].
    pub fn set_text(&mut self, element: u8, value: &str) -> &mut Message {
        self.set(element, value.as_bytes())
    }

    /// Sets an element to a number with zeros in front, `digits` in all. A number with more digits keeps them all,
    /// and [`Dialect::encode`] refuses it.
    pub fn set_number(&mut self, element: u8, value: u64, digits: usize) -> &mut Message {
        let mut text = [b'0'; NUMBER_DIGITS_MAX];
        let (mut rest, mut start) = (value, NUMBER_DIGITS_MAX);
        while rest > 0 {
            start -= 1;
            text[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if digits > NUMBER_DIGITS_MAX {
            let text = format!("{value:0digits$}");
            return self.set(element, text.as_bytes());
        }
        self.set(element, &text[start.min(NUMBER_DIGITS_MAX - digits)..])
    }

    /// Whether it has a PIN block or a key block (DE52, 120, 121): the bytes that it came in or went out as are to be overwritten
    /// too.
    #[inline]
    pub fn has_secrets(&self) -> bool {
        !self.0.present.and(OVERWRITTEN).is_empty()
    }

    /// Where its MAC belongs: DE128 when any other element from 65 on is there, else DE64.
    pub fn mac_element(&self) -> u8 {
        self.0.present.mac_element()
    }

    /// Takes an element out.
    pub fn remove(&mut self, element: u8) -> &mut Message {
        if self.has(element) {
            self.replace(element, &[]);
            self.0.present.remove(element);
        }
        self
    }

    /// Numbers and canonical bytes of the elements, ascending, without 1 and 65.
    #[inline]
    pub fn elements(&self) -> impl Iterator<Item = (u8, &[u8])> + Clone {
        let mut start = 0;
        self.0.present.iter().map(move |element| {
            let end = self.end(element);
            let value = &self.0.buffer[start..end];
            start = end;
            (element, value)
        })
    }

    pub(crate) fn with_capacity(mti: Mti, bytes: usize) -> Message {
        let buffer = Vec::with_capacity(bytes);
        let (present, not_an_element, ends) = (Bitmap::default(), None, [0; ELEMENTS]);
        Message(Box::new(Inner { mti, present, not_an_element, buffer, ends }))
    }

    /// Appends the value of an element above all that are there.
    #[inline]
    pub(crate) fn push(&mut self, element: u8, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.0.buffer);
        self.0.present.insert(element);
        self.0.ends[place(element)] = offset(self.0.buffer.len());
    }

    pub(crate) fn present(&self) -> Bitmap {
        self.0.present
    }

    pub(crate) fn not_an_element(&self) -> Option<u8> {
        self.0.not_an_element
    }

    /// Bytes of all values together.
    pub(crate) fn value_bytes(&self) -> usize {
        self.0.buffer.len()
    }

    /// Where the value of an element that is present ends in the buffer.
    #[inline(always)]
    pub(crate) fn end(&self, element: u8) -> usize {
        self.0.ends[place(element)] as usize
    }

    /// Where the value lies in the buffer; for an element that is absent, the empty place where it would.
    fn span(&self, element: u8) -> (usize, usize) {
        let start = self.0.present.last_below(element).map_or(0, |before| self.end(before));
        (start, if self.has(element) { self.end(element) } else { start })
    }

    /// Puts `value` where the element is or would be, and moves what lies behind.
    fn replace(&mut self, element: u8, value: &[u8]) {
        let (start, old_end) = self.span(element);
        let new_end = start + value.len();
        let inner = &mut *self.0;
        let (old_bytes, new_bytes) = (inner.buffer.len(), inner.buffer.len() - old_end + new_end);
        offset(new_bytes);
        let has_secrets = !inner.present.and(OVERWRITTEN).is_empty();
        if new_bytes > old_bytes {
            inner.buffer.resize(new_bytes, 0);
        }
        inner.buffer.copy_within(old_end..old_bytes, new_end);
        inner.buffer[start..new_end].copy_from_slice(value);
        if has_secrets && new_bytes < old_bytes {
            inner.buffer[new_bytes..].zeroize();
        }
        inner.buffer.truncate(new_bytes);
        inner.ends[place(element)] = new_end as u32;
        if new_end != old_end {
            for later in inner.present.above(element).iter() {
                let end = &mut inner.ends[place(later)];
                *end = (*end as usize - old_end + new_end) as u32;
            }
        }
    }
}

impl Inner {
    /// Overwrites what must not stay in memory.
    #[inline]
    fn overwrite(&mut self) {
        let secrets = self.present.and(OVERWRITTEN);
        if secrets.is_empty() {
            return;
        }
        for element in secrets.iter() {
            let start =
                self.present.last_below(element).map_or(0, |before| self.ends[place(before)] as usize);
            self.buffer[start..self.ends[place(element)] as usize].zeroize();
        }
    }
}

impl Drop for Inner {
    #[inline]
    fn drop(&mut self) {
        self.overwrite();
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.0.mti == other.0.mti
            && self.0.not_an_element == other.0.not_an_element
            && self.0.present == other.0.present
            && self.elements().eq(other.elements())
    }
}

impl Eq for Message {}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("the values of a message stay below 4 GiB")
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe::debug(f, self.0.mti, self, Dialect::ascii_1987())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pin_blocks_and_key_blocks_are_overwritten_and_nothing_else() {
        let values: [(u8, &[u8]); 5] = [
            (11, b"000001"),
            (52, b"PINBLOCK"),
            (70, b"101"),
            (120, b"KEYBLOCK"),
            (121, b"LONGPINBLOCKFOUR"),
        ];
        let mut message = Message::of(Mti::new(200), &values);
        assert!(message.has_secrets());
        message.0.overwrite();
        for (element, value) in values {
            let is_secret = matches!(element, 52 | 120 | 121);
            let expected = if is_secret { vec![0; value.len()] } else { value.to_vec() };
            assert_eq!(message.get(element), Some(&expected[..]), "DE{element}");
        }
        assert!(!Message::of(Mti::new(200), &values[..1]).has_secrets());
    }
}
