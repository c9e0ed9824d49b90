//! The card reader: what it asks of a chip, and the proof that it writes into DE112 (docs/interface.md#proof).

use hmac::{Hmac, KeyInit, Mac};
use iso8583::Message;
use keys::{Key, MacKey};
use sha2::{Digest, Sha256};

use super::key::utc;
use super::order::LinkedAccount;

/// What a reader can ask of a citizen's chip. The same question has the same answer: signatures are deterministic.
pub trait Chip: Send + Sync {
    /// DG1, 95 bytes.
    fn dg1(&self) -> &[u8];
    /// DG15, the public key, at most 512 bytes.
    fn dg15(&self) -> &[u8];
    /// The security object, at most 2,997 bytes.
    fn sod(&self) -> &[u8];
    /// Active authentication: DF22 and DF23.
    fn sign(&self, challenge: &[u8; 8]) -> (Vec<u8>, u8);
}

/// Passive and active authentication, and the face: DF02.
const METHODS: u8 = 0b0000_1011;

/// The most bytes of the SOD in one of DE113 to 115.
const SOD_PART_BYTES: usize = 999;

/// The challenge seed that the switch and this terminal share between two sign-ons.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    id: [u8; 8],
    key: MacKey,
}

impl Seed {
    /// From the DE112 of a sign-on's answer; `None` when it holds no DF20.
    pub(crate) fn from_sign_on(de112: &[u8], challenge_key: &Key) -> Option<Seed> {
        let id: [u8; 8] = read(de112)?.into_iter().find(|(tag, _)| *tag == 0xDF20)?.1.try_into().ok()?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(challenge_key.bytes()).expect("HMAC takes a key of any length");
        mac.update(&id);
        Some(Seed { id, key: MacKey::new(&Key::new(mac.finalize().into_bytes().into())) })
    }

    /// The active-authentication challenge for a message whose elements, but for DE112, are all there.
    fn challenge(&self, message: &Message) -> [u8; 8] {
        let mut fields = vec![b"CCCD-AA-1".as_slice()];
        fields.extend([41, 11, 4, 49, 7, 37, 2].map(|element| message.get(element).unwrap_or_default()));
        let mut signed = Vec::with_capacity(96);
        for field in fields {
            signed.push(field.len() as u8);
            signed.extend_from_slice(field);
        }
        self.key.sign(&signed)
    }
}

/// Lets the chip prove the message: DE112, and DE113 to 115 when the switch has asked for the SOD.
pub(crate) fn prove(
    message: &mut Message,
    chip: &dyn Chip,
    seed: &Seed,
    session: &[u8; 16],
    read_at_s: i64,
    with_sod: bool,
) {
    let (signature, hash) = chip.sign(&seed.challenge(message));
    let mut inner = Vec::with_capacity(700);
    push(0xDF01, &[1], &mut inner);
    push(0xDF02, &[METHODS], &mut inner);
    push(0xDF10, chip.dg1(), &mut inner);
    push(0xDF11, chip.dg15(), &mut inner);
    push(0xDF12, &Sha256::digest(chip.sod()), &mut inner);
    push(0xDF20, &seed.id, &mut inner);
    push(0xDF22, &signature, &mut inner);
    push(0xDF23, &[hash], &mut inner);
    push(0xDF24, &bcd_time(read_at_s), &mut inner);
    push(0xDF32, session, &mut inner);
    message.set(112, &template(&inner));
    if with_sod {
        for (element, part) in (113..=115).zip(chip.sod().chunks(SOD_PART_BYTES)) {
            message.set(element, part);
        }
    }
}

/// DE112 of a two-step 0200: the reference alone.
pub(crate) fn reference_template(reference: &[u8; 16]) -> Vec<u8> {
    let mut inner = Vec::new();
    push(0xDF30, reference, &mut inner);
    template(&inner)
}

/// What an answer's DE112 says.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// DF51.
    pub(crate) reference: Option<[u8; 16]>,
    /// DF52.
    pub(crate) accounts: Vec<LinkedAccount>,
    /// DF53: the digest of the SOD is not known.
    pub(crate) send_sod: bool,
}

impl Answered {
    /// Absent or malformed says nothing.
    pub(crate) fn read(message: &Message) -> Answered {
        let mut answered = Answered::default();
        for (tag, value) in message.get(112).and_then(read).unwrap_or_default() {
            match tag {
                0xDF51 => answered.reference = value.try_into().ok(),
                0xDF52 => answered.accounts = accounts(value).unwrap_or_default(),
                0xDF53 => answered.send_sod = true,
                _ => {}
            }
        }
        answered
    }
}

fn accounts(mut rest: &[u8]) -> Option<Vec<LinkedAccount>> {
    let mut accounts = Vec::new();
    while let Some((flags, after)) = rest.split_first() {
        let (bank, after) = text(after)?;
        let (alias, after) = text(after)?;
        accounts.push(LinkedAccount { bank, alias, default: flags & 1 == 1 });
        rest = after;
    }
    Some(accounts)
}

fn text(bytes: &[u8]) -> Option<(Box<str>, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((str::from_utf8(text).ok()?.into(), rest))
}

fn template(inner: &[u8]) -> Vec<u8> {
    let mut whole = vec![0xE1];
    push_length(inner.len(), &mut whole);
    whole.extend_from_slice(inner);
    whole
}

fn push(tag: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&tag.to_be_bytes());
    push_length(value.len(), out);
    out.extend_from_slice(value);
}

/// The shortest form (ISO/IEC 8825-1, 10.1).
fn push_length(length: usize, out: &mut Vec<u8>) {
    match length {
        0..=0x7F => out.push(length as u8),
        0x80..=0xFF => out.extend_from_slice(&[0x81, length as u8]),
        _ => out.extend_from_slice(&[0x82, (length >> 8) as u8, length as u8]),
    }
}

/// The data objects inside E1: tag and value.
fn read(template: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let (0xE1, rest) = template.split_first().map(|(tag, rest)| (*tag, rest))? else { return None };
    let (mut rest, after) = value(rest)?;
    let mut objects = Vec::new();
    while !rest.is_empty() {
        let (tag, after) = rest.split_first_chunk::<2>()?;
        let (value, after) = value(after)?;
        objects.push((u16::from_be_bytes(*tag), value));
        rest = after;
    }
    after.is_empty().then_some(objects)
}

/// The value behind a length, and what follows it.
fn value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(*first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), &rest[2..]),
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn bcd_time(at_s: i64) -> [u8; 7] {
    let at = utc(at_s);
    let year = at.year() as u32;
    let parts = [
        year / 100,
        year % 100,
        u8::from(at.month()).into(),
        at.day().into(),
        at.hour().into(),
        at.minute().into(),
        at.second().into(),
    ];
    parts.map(|two| ((two / 10) * 16 + two % 10) as u8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use iso8583::Mti;

    use super::*;

    /// Against openssl: `printf '\x09CCCD-AA-1\x08HN000001\x06000017\x00\x00\x0a0503010203\x00\x139704990012030000017' |
    /// openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '\1\2\3\4\5\6\7\10' | openssl dgst -sha256 -mac HMAC
    /// -macopt hexkey:070707…07 -r | cut -c-64)`, the first eight bytes.
    #[test]
    fn the_challenge_is_what_openssl_makes_of_it() {
        let mut inner = Vec::new();
        push(0xDF20, &[1, 2, 3, 4, 5, 6, 7, 8], &mut inner);
        let seed = Seed::from_sign_on(&template(&inner), &Key::new([7; 32])).unwrap();
        let mut message = Message::new(Mti::new(100));
        message.set_text(2, "9704990012030000017").set_text(7, "0503010203").set_text(11, "000017");
        message.set_text(41, "HN000001");
        assert_eq!(seed.challenge(&message), OPENSSL_CHALLENGE);
        assert!(Seed::from_sign_on(&template(&[]), &Key::new([7; 32])).is_none());
    }

    const OPENSSL_CHALLENGE: [u8; 8] = [0x6A, 0x70, 0xAE, 0xD0, 0xE8, 0xCD, 0x88, 0x93];

    #[test]
    fn an_answer_is_read_and_a_malformed_one_says_nothing() {
        let mut inner = Vec::new();
        push(0xDF51, &[5; 16], &mut inner);
        push(0xDF52, b"\x01\x06970418\x06**4321\x00\x06970436\x04**77", &mut inner);
        push(0xDF53, &[], &mut inner);
        let mut message = Message::new(Mti::new(110));
        message.set(112, &template(&inner));
        let answered = Answered::read(&message);
        assert_eq!(answered.reference, Some([5; 16]));
        assert!(answered.send_sod);
        let accounts: Vec<_> = answered.accounts.iter().map(|a| (&*a.bank, &*a.alias, a.default)).collect();
        assert_eq!(accounts, [("970418", "**4321", true), ("970436", "**77", false)]);
        let whole = template(&inner);
        for cut in 0..whole.len() {
            message.set(112, &whole[..cut]);
            let answered = Answered::read(&message);
            assert!(answered.reference.is_none() && !answered.send_sod, "{cut}");
        }
    }

    #[test]
    fn lengths_and_times_have_the_shortest_form() {
        for (length, front) in [(127, vec![127]), (128, vec![0x81, 128]), (256, vec![0x82, 1, 0])] {
            let whole = template(&vec![0; length]);
            assert_eq!(whole[1..=front.len()], front[..]);
            assert_eq!(value(&whole[1..]).unwrap().0.len(), length);
        }
        assert_eq!(bcd_time(1_651_539_723), [0x20, 0x22, 0x05, 0x03, 0x01, 0x02, 0x03]);
    }
}
