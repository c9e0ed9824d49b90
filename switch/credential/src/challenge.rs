//! The active-authentication challenge: what the chip signs, so that its signature is for this request alone
//! (docs/interface.md#proof).

use hmac::{Hmac, KeyInit, Mac};
use iso8583::Message;
use sha2::Sha256;

/// Says what the challenge is for, and in which version of the rule.
const PURPOSE: &[u8] = b"CCCD-AA-1";

/// The elements that a challenge covers, in order; an absent one is empty.
const COVERED: [u8; 7] = [41, 11, 4, 49, 7, 37, 2];

/// The seed of a sign-on: HMAC-SHA-256 keyed with the terminal's challenge key over DF20.
pub fn seed(challenge_key: &[u8; 32], seed_id: &[u8; 8]) -> [u8; 32] {
    let mut mac = keyed(challenge_key);
    mac.update(seed_id);
    mac.finalize().into_bytes().into()
}

/// The challenge of a request: HMAC-SHA-256 keyed with the seed over purpose and elements as the message has them in
/// `ascii-1987`, each behind one length byte, cut to 8 bytes.
pub fn challenge(seed: &[u8; 32], message: &Message) -> [u8; 8] {
    let mut mac = keyed(seed);
    let mut field = |bytes: &[u8]| {
        mac.update(&[bytes.len() as u8]);
        mac.update(bytes);
    };
    field(PURPOSE);
    for element in COVERED {
        field(message.get(element).unwrap_or_default());
    }
    *mac.finalize().into_bytes().first_chunk().expect("SHA-256 has 32 bytes")
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

#[cfg(test)]
mod tests {
    use iso8583::Mti;

    use super::*;

    fn request() -> Message {
        let mut message = Message::new(Mti::new(200));
        message.set_text(2, "9704990012030000017").set_number(4, 2_000_000, 12).set_text(7, "0503010203");
        message.set_number(11, 17, 6).set_text(41, "HN000001").set_text(49, "704");
        message
    }

    #[test]
    fn every_covered_element_changes_the_challenge_and_no_other_does() {
        let seed_of = |byte| seed(&[byte; 32], &[1; 8]);
        let before = challenge(&seed_of(1), &request());
        assert_ne!(before, challenge(&seed_of(2), &request()));
        for (element, value) in
            [(41, "HN000002"), (11, "000018"), (4, "000002000001"), (49, "840"), (7, "0503010204")]
        {
            let mut other = request();
            other.set_text(element, value);
            assert_ne!(before, challenge(&seed_of(1), &other), "DE{element}");
        }
        let mut with_rrn = request();
        with_rrn.set_text(37, "212300000001");
        assert_ne!(before, challenge(&seed_of(1), &with_rrn));
        let mut moved = request();
        moved.remove(4).set_text(49, "000002000000");
        assert_ne!(before, challenge(&seed_of(1), &moved), "an element cannot stand for its neighbour");
        let mut other = request();
        other.set_text(12, "080203");
        assert_eq!(before, challenge(&seed_of(1), &other));
    }

    /// Against openssl: the same bytes through `openssl dgst -sha256 -mac HMAC`.
    #[test]
    fn openssl_agrees() {
        let mut text = vec![];
        for field in [
            "CCCD-AA-1",
            "HN000001",
            "000017",
            "000002000000",
            "704",
            "0503010203",
            "",
            "9704990012030000017",
        ] {
            text.push(field.len() as u8);
            text.extend_from_slice(field.as_bytes());
        }
        let output = {
            use std::io::Write as _;
            use std::process::{Command, Stdio};
            let mut openssl = Command::new("openssl")
                .args([
                    "dgst",
                    "-sha256",
                    "-mac",
                    "HMAC",
                    "-macopt",
                    &format!("hexkey:{}", "07".repeat(32)),
                    "-r",
                ])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("openssl is installed");
            openssl.stdin.take().expect("a pipe").write_all(&text).expect("openssl reads");
            String::from_utf8(openssl.wait_with_output().expect("openssl ends").stdout).expect("hex")
        };
        let ours: String = challenge(&[7; 32], &request()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(output[..16], ours);
    }
}
