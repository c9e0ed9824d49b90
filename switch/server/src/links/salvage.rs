//! What can still be read of a message that cannot be parsed, for the answer 30 (docs/interface.md#messages-on-the-terminal-link).

use iso8583::{Dialect, Length, Message, Mti};

/// The elements that the answer repeats.
const REPEATED: [u8; 4] = [7, 11, 37, 41];

/// The answer 30 to the bytes of a message in `ascii-1987`: its MTI's answer with DE39 and whichever of DE7, 11, 37 and
/// 41 can be read. `None` where not even a request's MTI stands there.
pub(super) fn format_error(bytes: &[u8]) -> Option<Message> {
    let mti: Mti = std::str::from_utf8(bytes.get(..4)?).ok()?.parse().ok()?;
    if mti.is_response() || !matches!(mti.value() / 1000, 0) {
        return None;
    }
    let mut answer = Message::new(mti.response());
    answer.set_text(39, "30");
    let mut rest = &bytes[4..];
    let Some(bitmap) = bitmap(&mut rest) else { return Some(answer) };
    for element in (2..=*REPEATED.last().unwrap_or(&0))
        .filter(|element| bitmap & (1 << (128 - u32::from(*element))) != 0)
    {
        let Some(value) = value(element, &mut rest) else { break };
        if REPEATED.contains(&element) && is_writable(element, value) {
            answer.set(element, value);
        }
    }
    Some(answer)
}

/// The primary bitmap and, where bit 1 says so, the secondary.
fn bitmap(rest: &mut &[u8]) -> Option<u128> {
    let primary = u128::from(hex(take(rest, 16)?)?) << 64;
    let secondary = if primary >> 127 == 1 { u128::from(hex(take(rest, 16)?)?) } else { 0 };
    Some(primary | secondary)
}

fn value<'b>(element: u8, rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = match Dialect::ascii_1987().element(element)?.form.length {
        Length::Fixed(length) => length,
        Length::Ll(max) => decimal(take(rest, 2)?).filter(|length| *length <= max)?,
        Length::Lll(max) => decimal(take(rest, 3)?).filter(|length| *length <= max)?,
    };
    take(rest, usize::from(length))
}

/// A value that the dialect itself would refuse must not spoil the answer.
fn is_writable(element: u8, value: &[u8]) -> bool {
    let mut probe = Message::new(Mti::new(800));
    probe.set(element, value);
    Dialect::ascii_1987().encode(&probe, &mut Vec::new()).is_ok()
}

fn take<'b>(rest: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (front, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    Some(front)
}

fn hex(digits: &[u8]) -> Option<u64> {
    let upper = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    u64::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| upper)?, 16).ok()
}

fn decimal(digits: &[u8]) -> Option<u16> {
    let plain = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// DE2 7 11 32 37 41 49 of a request, and the bytes.
    fn request() -> Vec<u8> {
        let mut message = Message::new(Mti::new(200));
        message.set_text(2, "9704990012030000017").set_text(7, "0503010203").set_text(11, "000023");
        message
            .set_text(32, "970418")
            .set_text(37, "612300000001")
            .set_text(41, "HN000001")
            .set_text(49, "704");
        let mut bytes = Vec::new();
        Dialect::ascii_1987().encode(&message, &mut bytes).unwrap();
        bytes
    }

    fn answered(bytes: &[u8]) -> String {
        let Some(answer) = format_error(bytes) else { return "none".to_owned() };
        let elements = answer
            .elements()
            .map(|(element, value)| format!(" {element}={}", String::from_utf8_lossy(value)));
        format!("{:04}{}", answer.mti().value(), elements.collect::<String>())
    }

    #[test]
    fn what_could_be_read_is_repeated() {
        let whole = request();
        let place = |text: &str| whole.windows(text.len()).rposition(|part| part == text.as_bytes()).unwrap();
        let cut = |text: &str| &whole[..place(text)];
        let with = |text: &str, other: &str| {
            let mut bytes = whole.clone();
            bytes[place(text)..][..other.len()].copy_from_slice(other.as_bytes());
            bytes
        };
        let table: &[(&[u8], &str)] = &[
            (cut("704"), "0210 7=0503010203 11=000023 37=612300000001 39=30 41=HN000001"),
            (cut("HN000001"), "0210 7=0503010203 11=000023 37=612300000001 39=30"),
            (cut("000023"), "0210 7=0503010203 39=30"),
            (&with("0503010203", "05O3"), "0210 11=000023 37=612300000001 39=30 41=HN000001"),
            (&with("19970499", "+9"), "0210 39=30"),
            (&whole[..10], "0210 39=30"),
            (&with("0200", "02x0"), "none"),
            (&with("0200", "0210"), "none"),
            (b"020", "none"),
        ];
        for (bytes, expected) in table {
            assert_eq!(answered(bytes), *expected, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
