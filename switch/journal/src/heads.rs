//! Signed heads: what the switch leaves in a second place, so that a log that was put back or written anew is found out
//! (docs/log.md#heads).

use std::collections::BTreeMap;
use std::fmt;

use keys::{HEAD_SIGNATURE_BYTES, HeadKey, HeadPublicKey};
use mutant::Mutant;
use processor::Position;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::frame::Link;
use crate::json::{hex, time_text};
use crate::verify::Head;

/// In front of every line: the form that follows.
const FORM: &str = "atm-switch-head-1";

/// A head with who has seen it, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedHead {
    /// Length and link of what was durable.
    pub head: Head,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: i64,
    /// The switch, `switch.id`.
    pub node: String,
}

impl SignedHead {
    /// A line of the file, its end included.
    pub fn line(&self, key: &HeadKey) -> String {
        let text = self.to_string();
        format!("{text} {}\n", hex(&key.sign(text.as_bytes())))
    }

    /// Reads what is signed: a name may have spaces, and so stands last.
    fn parse(text: &str) -> Option<SignedHead> {
        let rest = text.strip_prefix(FORM)?.strip_prefix(' ')?;
        let (head, rest) = rest.split_once(' ')?;
        let (at, node) = rest.split_once(' ')?;
        let at = OffsetDateTime::parse(at, &Rfc3339).ok()?;
        let at_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()?;
        Some(SignedHead { head: head.parse().ok()?, at_ms, node: node.to_owned() })
    }
}

/// What is signed.
impl fmt::Display for SignedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = time_text(i128::from(self.at_ms) * 1_000_000);
        write!(f, "{FORM} {} {at} {}", self.head, self.node)
    }
}

/// A file of signed heads, read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SignedHeads {
    /// Those of the node that was asked for, in the file's order.
    pub heads: Vec<SignedHead>,
    /// Good ones of other nodes.
    pub others: u64,
    /// Lines that are no whole head, from 1: a power loss leaves such a one.
    pub torn: Vec<u64>,
    /// Lines that have the form of a head and not the signature.
    pub forged: Vec<u64>,
}

impl SignedHeads {
    /// Reads a file's text.
    pub fn read(text: &str, node: &str, key: &HeadPublicKey) -> SignedHeads {
        let mut read = SignedHeads::default();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty()) {
            let parts = line.rsplit_once(' ').and_then(|(text, signature)| {
                Some((text, SignedHead::parse(text)?, signature_of(signature)?))
            });
            let is_forged = |text: &str, signature: &[u8]| {
                !key.has_signed(text.as_bytes(), signature) && !mutant::is(Mutant::HeadSignatureUnchecked)
            };
            match parts {
                None => read.torn.push(number),
                Some((text, _, signature)) if is_forged(text, &signature) => read.forged.push(number),
                Some((_, head, _)) if head.node == node => read.heads.push(head),
                Some(_) => read.others += 1,
            }
        }
        read
    }

    /// The longest log that was signed.
    pub fn longest(&self) -> Option<&SignedHead> {
        self.heads.iter().max_by_key(|signed| signed.head.records)
    }
}

/// A signature as it is written: in digits and small letters, so that each line has one spelling.
fn signature_of(hex: &str) -> Option<[u8; HEAD_SIGNATURE_BYTES]> {
    let mut signature = [0; HEAD_SIGNATURE_BYTES];
    if hex.len() != 2 * HEAD_SIGNATURE_BYTES || !hex.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    for (byte, at) in signature.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(signature)
}

/// Heads as a check meets them, by the log's length.
pub(crate) struct Vouching {
    /// Each with whether it was kept elsewhere.
    links: BTreeMap<Position, Vec<(Link, bool)>>,
    /// The longest log that is vouched for.
    pub(crate) longest: Position,
    /// Up to here the log is what those say that were kept elsewhere.
    pub(crate) matched: Position,
}

impl Vouching {
    /// Of heads that were kept elsewhere, and of what the log's own checkpoint says.
    pub(crate) fn new(kept: &[Head], own: Option<Head>) -> Vouching {
        let mut links: BTreeMap<Position, Vec<(Link, bool)>> = BTreeMap::new();
        let all = kept.iter().map(|head| (*head, true)).chain(own.map(|head| (head, false)));
        all.for_each(|(head, is_kept)| links.entry(head.records).or_default().push((head.link, is_kept)));
        let longest = links.last_key_value().map_or(0, |(records, _)| *records);
        Vouching { links, longest, matched: 0 }
    }

    /// Whether a head says otherwise of a log of this length.
    pub(crate) fn contradicts(&mut self, now: Head) -> bool {
        let Some(links) = self.links.get(&now.records) else { return false };
        let differs = links.iter().any(|(link, _)| *link != now.link);
        let differs = differs && !mutant::is(Mutant::ReplacedLogTaken);
        if !differs && links.iter().any(|(_, is_kept)| *is_kept) {
            self.matched = now.records;
        }
        differs
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use keys::Key;

    use super::*;

    fn signed(records: Position, node: &str) -> SignedHead {
        let head = Head { records, link: [7; 32] };
        SignedHead { head, at_ms: 1_777_777_777_123, node: node.to_owned() }
    }

    #[test]
    fn lines_are_read_as_they_are_written_and_no_byte_of_them_can_be_another() {
        let key = HeadKey::new(&Key::new([1; 32]));
        let line = signed(5, "switch hn 1").line(&key);
        let read = |text: &str| SignedHeads::read(text, "switch hn 1", &key.public());
        assert_eq!(read(&line).heads, [signed(5, "switch hn 1")]);
        for at in 0..line.len() - 1 {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1;
            let read = read(&String::from_utf8(bytes).unwrap());
            assert!(read.heads.is_empty() && read.others == 0, "byte {at}");
        }
        let (text, signature) = line.trim_end().rsplit_once(' ').unwrap();
        for other in [signature.to_uppercase(), format!("+{}", &signature[1..])] {
            let read = read(&format!("{text} {other}\n"));
            assert!(read.heads.is_empty(), "a signature has one spelling: {other}");
        }
        let other = HeadKey::new(&Key::new([2; 32]));
        assert_eq!(SignedHeads::read(&line, "switch hn 1", &other.public()).forged, [1]);
    }

    #[test]
    fn torn_lines_and_other_nodes_are_told_apart() {
        let key = HeadKey::new(&Key::new([1; 32]));
        let [own, other] = ["a", "b"].map(|node| signed(9, node).line(&key));
        let text = format!("{}\n\n{other}{own}", &own[..own.len() - 9]);
        let read = SignedHeads::read(&text, "a", &key.public());
        assert_eq!((read.heads.len(), read.others), (1, 1));
        assert_eq!((read.torn, read.forged), (vec![1], vec![]));
        assert_eq!(read.heads[0].head.records, 9);
    }
}
