//! The hand-written floors under the codec: `ascii-1987` in code instead of a table, checked as strictly.
//!
//! The wide one knows every element of the dialect, in a `match`; it is what somebody would write who needs just this
//! dialect. The narrow one knows only the elements of the message that is measured, each in its line, with constant
//! lengths; it bounds what any codec could reach, and is of no other use. Both refuse what the codec refuses.

/// The elements that the narrow floor knows: those of a withdrawal on its way to a bank, with a proof and a status.
pub const ELEMENTS: [u8; 22] =
    [2, 3, 4, 7, 11, 12, 13, 15, 18, 22, 25, 32, 37, 41, 42, 43, 48, 49, 100, 102, 112, 128];

/// A value of each element of [`ELEMENTS`].
pub type Values<'a> = [Option<&'a [u8]>; ELEMENTS.len()];

/// What the wide floor finds: the MTI, the bitmaps, and where each element begins.
pub type Found = ([u8; 4], u128, [u16; 129]);

const BIT_1: u128 = 1 << 127;
const BIT_65: u128 = 1 << 63;

/// The wide floor: any element. `None` where the message is refused.
#[inline(never)]
pub fn parse_wide(bytes: &[u8]) -> Option<Found> {
    let (mti, bits, start) = front(bytes)?;
    if bits & BIT_65 != 0 {
        return None;
    }
    let mut rest = Rest { bytes, at: start };
    let mut starts = [0; 129];
    let mut left = bits & !BIT_1;
    while left != 0 {
        let element = left.leading_zeros() as u8 + 1;
        left &= !(1 << (128 - element));
        starts[usize::from(element)] = rest.at as u16;
        element_of(element, &mut rest)?;
    }
    (rest.at == bytes.len()).then_some((mti, bits, starts))
}

/// The wide floor: appends a message of any elements, in ascending order. `None`, and `out` as it was, where it is
/// refused.
#[inline(never)]
pub fn build_wide(mti: [u8; 4], values: &[(u8, &[u8])], out: &mut Vec<u8>) -> Option<()> {
    let front = out.len();
    let append = |out: &mut Vec<u8>| {
        let (mut bits, mut last) = (0, 1);
        for &(element, _) in values {
            if element <= last || element == 65 || element > 128 {
                return None;
            }
            last = element;
            bits |= 1u128 << (128 - element);
        }
        push_front(mti, bits, out)?;
        for &(element, value) in values {
            element_of(element, &mut Target { value, out: &mut *out })?;
        }
        Some(())
    };
    let done = append(out);
    if done.is_none() {
        out.truncate(front);
    }
    done
}

/// One element of the dialect, read or written.
#[inline(always)]
fn element_of(element: u8, side: &mut impl Side) -> Option<()> {
    match element {
        2 => side.variable::<2>(19, digits),
        3 | 11 | 12 | 73 => side.fixed::<6>(digits),
        4..=6 | 82..=85 => side.fixed::<12>(digits),
        7 | 74..=81 => side.fixed::<10>(digits),
        8..=10 => side.fixed::<8>(digits),
        13..=18 | 71 | 72 => side.fixed::<4>(digits),
        19..=24 | 49..=51 | 68..=70 => side.fixed::<3>(digits),
        25 | 26 | 67 => side.fixed::<2>(digits),
        27 | 66 => side.fixed::<1>(digits),
        28..=31 => side.fixed::<9>(signed),
        32 | 33 | 99 | 100 => side.variable::<2>(11, digits),
        34 => side.variable::<2>(28, numeric_special),
        35 => side.variable::<2>(37, track),
        36 => side.variable::<3>(104, track),
        37 => side.fixed::<12>(alphanumeric),
        38 => side.fixed::<6>(alphanumeric),
        39 | 92 => side.fixed::<2>(alphanumeric),
        40 => side.fixed::<3>(alphanumeric),
        41 => side.fixed::<8>(printable),
        42 => side.fixed::<15>(printable),
        43 => side.fixed::<40>(printable),
        44 => side.variable::<2>(25, printable),
        45 => side.variable::<2>(76, printable),
        46..=48 | 55..=63 | 105..=111 | 116..=120 | 123..=127 => side.variable::<3>(999, printable),
        52 | 64 | 96 | 128 => side.fixed::<8>(any),
        53 | 86..=89 => side.fixed::<16>(digits),
        54 => side.variable::<3>(120, alphanumeric),
        90 => side.fixed::<42>(digits),
        91 => side.fixed::<1>(alphanumeric),
        93 => side.fixed::<5>(alphanumeric),
        94 => side.fixed::<7>(alphanumeric),
        95 => side.fixed::<42>(alphanumeric),
        97 => side.fixed::<17>(signed),
        98 => side.fixed::<25>(printable),
        101 => side.variable::<2>(17, printable),
        102 | 103 => side.variable::<2>(28, printable),
        104 => side.variable::<3>(100, printable),
        112..=115 => side.variable::<3>(999, any),
        121 => side.fixed::<16>(any),
        122 => side.variable::<3>(12, any),
        _ => None,
    }
}

/// Reading or writing one element.
trait Side {
    fn fixed<const N: usize>(&mut self, good: impl Fn(&[u8]) -> bool) -> Option<()>;
    fn variable<const N: usize>(&mut self, max: usize, good: impl Fn(&[u8]) -> bool) -> Option<()>;
}

/// The narrow floor: the MTI and the values of a message of [`ELEMENTS`]; `None` where it is refused.
#[inline(never)]
pub fn parse_narrow(bytes: &[u8]) -> Option<([u8; 4], Values<'_>)> {
    let (mti, bits, start) = front(bytes)?;
    if bits & !(KNOWN | BIT_1) != 0 {
        return None;
    }
    let mut rest = Rest { bytes, at: start };
    let rest = &mut rest;
    let values = [
        if has(bits, 2) { Some(rest.read_variable::<2>(19, digits)?) } else { None },
        if has(bits, 3) { Some(rest.read_fixed::<6>(digits)?) } else { None },
        if has(bits, 4) { Some(rest.read_fixed::<12>(digits)?) } else { None },
        if has(bits, 7) { Some(rest.read_fixed::<10>(digits)?) } else { None },
        if has(bits, 11) { Some(rest.read_fixed::<6>(digits)?) } else { None },
        if has(bits, 12) { Some(rest.read_fixed::<6>(digits)?) } else { None },
        if has(bits, 13) { Some(rest.read_fixed::<4>(digits)?) } else { None },
        if has(bits, 15) { Some(rest.read_fixed::<4>(digits)?) } else { None },
        if has(bits, 18) { Some(rest.read_fixed::<4>(digits)?) } else { None },
        if has(bits, 22) { Some(rest.read_fixed::<3>(digits)?) } else { None },
        if has(bits, 25) { Some(rest.read_fixed::<2>(digits)?) } else { None },
        if has(bits, 32) { Some(rest.read_variable::<2>(11, digits)?) } else { None },
        if has(bits, 37) { Some(rest.read_fixed::<12>(alphanumeric)?) } else { None },
        if has(bits, 41) { Some(rest.read_fixed::<8>(printable)?) } else { None },
        if has(bits, 42) { Some(rest.read_fixed::<15>(printable)?) } else { None },
        if has(bits, 43) { Some(rest.read_fixed::<40>(printable)?) } else { None },
        if has(bits, 48) { Some(rest.read_variable::<3>(999, printable)?) } else { None },
        if has(bits, 49) { Some(rest.read_fixed::<3>(digits)?) } else { None },
        if has(bits, 100) { Some(rest.read_variable::<2>(11, digits)?) } else { None },
        if has(bits, 102) { Some(rest.read_variable::<2>(28, printable)?) } else { None },
        if has(bits, 112) { Some(rest.read_variable::<3>(999, any)?) } else { None },
        if has(bits, 128) { Some(rest.read_fixed::<8>(any)?) } else { None },
    ];
    (rest.at == bytes.len()).then_some((mti, values))
}

/// The narrow floor: appends a message of [`ELEMENTS`]; `None`, and `out` as it was, where it is refused.
#[inline(never)]
pub fn build_narrow(mti: [u8; 4], values: &Values<'_>, out: &mut Vec<u8>) -> Option<()> {
    let front = out.len();
    let done = append_narrow(mti, values, out);
    if done.is_none() {
        out.truncate(front);
    }
    done
}

#[inline(always)]
fn append_narrow(mti: [u8; 4], values: &Values<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut bits = 0;
    for (element, value) in ELEMENTS.iter().zip(values) {
        bits |= u128::from(value.is_some()) << (128 - element);
    }
    push_front(mti, bits, out)?;
    if let Some(value) = values[0] {
        push_variable::<2>(value, 19, digits, out)?;
    }
    if let Some(value) = values[1] {
        push_fixed::<6>(value, digits, out)?;
    }
    if let Some(value) = values[2] {
        push_fixed::<12>(value, digits, out)?;
    }
    if let Some(value) = values[3] {
        push_fixed::<10>(value, digits, out)?;
    }
    if let Some(value) = values[4] {
        push_fixed::<6>(value, digits, out)?;
    }
    if let Some(value) = values[5] {
        push_fixed::<6>(value, digits, out)?;
    }
    if let Some(value) = values[6] {
        push_fixed::<4>(value, digits, out)?;
    }
    if let Some(value) = values[7] {
        push_fixed::<4>(value, digits, out)?;
    }
    if let Some(value) = values[8] {
        push_fixed::<4>(value, digits, out)?;
    }
    if let Some(value) = values[9] {
        push_fixed::<3>(value, digits, out)?;
    }
    if let Some(value) = values[10] {
        push_fixed::<2>(value, digits, out)?;
    }
    if let Some(value) = values[11] {
        push_variable::<2>(value, 11, digits, out)?;
    }
    if let Some(value) = values[12] {
        push_fixed::<12>(value, alphanumeric, out)?;
    }
    if let Some(value) = values[13] {
        push_fixed::<8>(value, printable, out)?;
    }
    if let Some(value) = values[14] {
        push_fixed::<15>(value, printable, out)?;
    }
    if let Some(value) = values[15] {
        push_fixed::<40>(value, printable, out)?;
    }
    if let Some(value) = values[16] {
        push_variable::<3>(value, 999, printable, out)?;
    }
    if let Some(value) = values[17] {
        push_fixed::<3>(value, digits, out)?;
    }
    if let Some(value) = values[18] {
        push_variable::<2>(value, 11, digits, out)?;
    }
    if let Some(value) = values[19] {
        push_variable::<2>(value, 28, printable, out)?;
    }
    if let Some(value) = values[20] {
        push_variable::<3>(value, 999, any, out)?;
    }
    if let Some(value) = values[21] {
        push_fixed::<8>(value, any, out)?;
    }
    Some(())
}

/// The bits of [`ELEMENTS`] in both bitmaps.
const KNOWN: u128 = {
    let mut bits = 0;
    let mut index = 0;
    while index < ELEMENTS.len() {
        bits |= 1 << (128 - ELEMENTS[index]);
        index += 1;
    }
    bits
};

#[inline(always)]
fn has(bits: u128, element: u8) -> bool {
    bits >> (128 - element) & 1 == 1
}

/// MTI, bitmaps, and where the first element begins.
#[inline(always)]
fn front(bytes: &[u8]) -> Option<([u8; 4], u128, usize)> {
    let mti: [u8; 4] = *bytes.first_chunk()?;
    if !digits(&mti) {
        return None;
    }
    let primary = from_hex(bytes.get(4..20)?.first_chunk()?)?;
    if primary >> 63 == 0 {
        return Some((mti, u128::from(primary) << 64, 20));
    }
    let secondary = from_hex(bytes.get(20..36)?.first_chunk()?)?;
    if secondary == 0 {
        return None;
    }
    Some((mti, u128::from(primary) << 64 | u128::from(secondary), 36))
}

#[inline(always)]
fn push_front(mti: [u8; 4], bits: u128, out: &mut Vec<u8>) -> Option<()> {
    if !digits(&mti) {
        return None;
    }
    out.extend_from_slice(&mti);
    if bits as u64 == 0 {
        out.extend_from_slice(&to_hex((bits >> 64) as u64));
    } else {
        out.extend_from_slice(&to_hex(((bits | BIT_1) >> 64) as u64));
        out.extend_from_slice(&to_hex(bits as u64));
    }
    Some(())
}

struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    #[inline(always)]
    fn read_fixed<const N: usize>(&mut self, good: impl Fn(&[u8]) -> bool) -> Option<&'a [u8]> {
        let value: &[u8; N] = self.bytes.get(self.at..self.at + N)?.first_chunk()?;
        self.at += N;
        good(value).then_some(value)
    }

    #[inline(always)]
    fn read_variable<const N: usize>(
        &mut self,
        max: usize,
        good: impl Fn(&[u8]) -> bool,
    ) -> Option<&'a [u8]> {
        let prefix: &[u8; N] = self.bytes.get(self.at..self.at + N)?.first_chunk()?;
        if !digits(prefix) {
            return None;
        }
        let length = prefix.iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
        let start = self.at + N;
        let value = self.bytes.get(start..start + length)?;
        self.at = start + length;
        (length <= max && good(value)).then_some(value)
    }
}

impl Side for Rest<'_> {
    #[inline(always)]
    fn fixed<const N: usize>(&mut self, good: impl Fn(&[u8]) -> bool) -> Option<()> {
        self.read_fixed::<N>(good).map(|_| ())
    }

    #[inline(always)]
    fn variable<const N: usize>(&mut self, max: usize, good: impl Fn(&[u8]) -> bool) -> Option<()> {
        self.read_variable::<N>(max, good).map(|_| ())
    }
}

struct Target<'a> {
    value: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl Side for Target<'_> {
    #[inline(always)]
    fn fixed<const N: usize>(&mut self, good: impl Fn(&[u8]) -> bool) -> Option<()> {
        push_fixed::<N>(self.value, good, self.out)
    }

    #[inline(always)]
    fn variable<const N: usize>(&mut self, max: usize, good: impl Fn(&[u8]) -> bool) -> Option<()> {
        push_variable::<N>(self.value, max, good, self.out)
    }
}

#[inline(always)]
fn push_fixed<const N: usize>(value: &[u8], good: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) -> Option<()> {
    let value: &[u8; N] = value.try_into().ok()?;
    if !good(value) {
        return None;
    }
    out.extend_from_slice(value);
    Some(())
}

#[inline(always)]
fn push_variable<const N: usize>(
    value: &[u8],
    max: usize,
    good: impl Fn(&[u8]) -> bool,
    out: &mut Vec<u8>,
) -> Option<()> {
    if value.len() > max || !good(value) {
        return None;
    }
    let digits = [value.len() / 100, value.len() / 10 % 10, value.len() % 10].map(|digit| b'0' + digit as u8);
    out.extend_from_slice(&digits[3 - N..]);
    out.extend_from_slice(value);
    Some(())
}

// No early exit in these: they go over whole values, which the compiler turns into wide instructions.

#[inline(always)]
fn signed(value: &[u8]) -> bool {
    matches!(value, [b'C' | b'D', rest @ ..] if digits(rest))
}

#[inline(always)]
fn numeric_special(value: &[u8]) -> bool {
    value.iter().fold(true, |good, byte| good & matches!(byte, 0x20..=0x7E) & !byte.is_ascii_alphabetic())
}

#[inline(always)]
fn track(value: &[u8]) -> bool {
    value.iter().fold(true, |good, byte| good & matches!(byte, 0x30..=0x3F))
}

#[inline(always)]
fn digits(value: &[u8]) -> bool {
    value.iter().fold(true, |good, byte| good & byte.is_ascii_digit())
}

#[inline(always)]
fn alphanumeric(value: &[u8]) -> bool {
    value.iter().fold(true, |good, byte| good & (byte.is_ascii_alphanumeric() | (*byte == b' ')))
}

#[inline(always)]
fn printable(value: &[u8]) -> bool {
    value.iter().fold(true, |good, byte| good & matches!(byte, 0x20..=0x7E))
}

#[inline(always)]
fn any(_: &[u8]) -> bool {
    true
}

#[inline(always)]
fn from_hex(digits: &[u8; 16]) -> Option<u64> {
    const NONE: u8 = 0xFF;
    const VALUES: [u8; 256] = {
        let mut values = [NONE; 256];
        let mut value = 0;
        while value < 16 {
            values[b"0123456789ABCDEF"[value] as usize] = value as u8;
            value += 1;
        }
        values
    };
    let (mut half, mut seen) = (0, 0);
    for &digit in digits {
        let value = VALUES[usize::from(digit)];
        seen |= value;
        half = half << 4 | u64::from(value & 0xF);
    }
    (seen & 0xF0 == 0).then_some(half)
}

#[inline(always)]
fn to_hex(half: u64) -> [u8; 16] {
    std::array::from_fn(|place| b"0123456789ABCDEF"[(half >> (60 - 4 * place) & 0xF) as usize])
}
