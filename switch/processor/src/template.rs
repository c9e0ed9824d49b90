//! The part of template E1 (DE112) that the processor reads and writes; chip and proof are the verifier's.

use credential::Reference;
use iso8583::Message;

use crate::record::LinkedBank;

/// Reads DF30 of a request. `Ok(None)`: the proof has no reference, so it is one-step. Errors: not the template.
pub(crate) fn reference(message: &Message) -> Result<Option<Reference>, Malformed> {
    let mut rest = message.get(112).unwrap_or_default();
    let mut reference = None;
    while !rest.is_empty() {
        let (tag, value, behind) = entry(rest).ok_or(Malformed)?;
        if tag == 0x30 {
            reference = Some(Reference(value.try_into().map_err(|_| Malformed)?));
        }
        rest = behind;
    }
    Ok(reference)
}

/// DE112 is not a list of tags DFxx.
pub(crate) struct Malformed;

/// DE112 of the answer to a sign-on: DF20.
pub(crate) fn seed(id: [u8; 8]) -> Vec<u8> {
    let mut template = Vec::new();
    push(&mut template, 0x20, &id);
    template
}

/// DE112 of the answer to a 0100: DF50 (verified), DF51, DF52.
pub(crate) fn verified(reference: Reference, banks: &[LinkedBank]) -> Vec<u8> {
    let mut linked = Vec::new();
    for bank in banks {
        let institution = bank.bank.to_string();
        linked.push(u8::from(bank.default));
        linked.push(institution.len() as u8);
        linked.extend_from_slice(institution.as_bytes());
        linked.push(bank.alias.len() as u8);
        linked.extend_from_slice(bank.alias.as_bytes());
    }
    let mut template = Vec::new();
    push(&mut template, 0x50, &[1]);
    push(&mut template, 0x51, &reference.0);
    push(&mut template, 0x52, &linked);
    template
}

/// DE112 that asks for the chip's SOD: DF53.
pub(crate) fn send_sod() -> Vec<u8> {
    let mut template = Vec::new();
    push(&mut template, 0x53, &[]);
    template
}

fn push(template: &mut Vec<u8>, tag: u8, value: &[u8]) {
    template.extend_from_slice(&[0xDF, tag]);
    match value.len() {
        length @ 0..=0x7F => template.push(length as u8),
        length @ 0x80..=0xFF => template.extend_from_slice(&[0x81, length as u8]),
        length => template.extend_from_slice(&[0x82, (length >> 8) as u8, length as u8]),
    }
    template.extend_from_slice(value);
}

/// The first entry: second byte of its tag, value, what lies behind. BER-TLV, lengths of one to three bytes.
fn entry(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [0xDF, tag, first, rest @ ..] = bytes else { return None };
    let (length, rest) = match (first, rest) {
        (0..=0x7F, rest) => (usize::from(*first), rest),
        (0x81, [length, rest @ ..]) => (usize::from(*length), rest),
        (0x82, [high, low, rest @ ..]) => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    (length <= rest.len()).then(|| {
        let (value, behind) = rest.split_at(length);
        (*tag, value, behind)
    })
}
