//! Chips whose keys and signatures openssl has made, held against active authentication.
#![allow(clippy::unwrap_used)]

use credential::{ActiveError, Algorithm, ChipKey, Hash};

const CHALLENGE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// Name of the chip's files, DG15, hash, algorithm, bytes of a coordinate (0: RSA), what the registry is told.
const CHIPS: [(&str, &str, Hash, Algorithm, usize, &str); 5] = [
    ("p256", "dg15", Hash::Sha256, Algorithm::EcdsaP256, 32, "ecdsa-sha256"),
    ("p384", "p384.dg15", Hash::Sha384, Algorithm::EcdsaP384, 48, "ecdsa-sha384"),
    ("bp256", "bp256.dg15", Hash::Sha256, Algorithm::EcdsaBrainpoolP256r1, 32, "ecdsa-sha256"),
    ("bp384", "bp384.dg15", Hash::Sha512, Algorithm::EcdsaBrainpoolP384r1, 48, "ecdsa-sha512"),
    ("rsa", "rsa.dg15", Hash::Sha256, Algorithm::RsaIso9796, 0, "rsa-iso9796-2-sha256"),
];

fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// DF22: openssl writes ECDSA in DER, a chip answers with r and s side by side.
fn signature(name: &str, coordinate_bytes: usize) -> Vec<u8> {
    let der = file(&format!("{name}.aa"));
    if coordinate_bytes == 0 {
        return der;
    }
    let r_bytes = usize::from(der[3]);
    let (r, s) = (&der[4..4 + r_bytes], &der[6 + r_bytes..]);
    let mut plain = vec![0; 2 * coordinate_bytes];
    for (number, end) in [(r, coordinate_bytes), (s, 2 * coordinate_bytes)] {
        let digits = number.strip_prefix(&[0]).unwrap_or(number);
        plain[end - digits.len()..end].copy_from_slice(digits);
    }
    plain
}

#[test]
fn a_chip_that_signed_is_believed_and_any_other_is_not() {
    for (name, dg15, hash, algorithm, coordinate_bytes, text) in CHIPS {
        let key = ChipKey::parse(&file(dg15)).unwrap();
        assert_eq!((key.algorithm(), key.algorithm_text(hash).as_str()), (algorithm, text));
        let right = signature(name, coordinate_bytes);
        assert_eq!(key.verify(&CHALLENGE, &right, hash), Ok(()), "{name}");
        let refused = |challenge: &[u8; 8], signature: &[u8], hash: Hash| {
            assert_eq!(key.verify(challenge, signature, hash), Err(ActiveError::Signature), "{name}");
        };
        for at in 0..right.len() {
            let mut flipped = right.clone();
            flipped[at] ^= 1;
            refused(&CHALLENGE, &flipped, hash);
        }
        for other in [Hash::Sha256, Hash::Sha384, Hash::Sha512].into_iter().filter(|other| *other != hash) {
            refused(&CHALLENGE, &right, other);
        }
        refused(&[1, 2, 3, 4, 5, 6, 7, 9], &right, hash);
        refused(&CHALLENGE, &right[..right.len() - 1], hash);
        refused(&CHALLENGE, &[right.as_slice(), &[0]].concat(), hash);
        refused(&CHALLENGE, &vec![0; right.len()], hash);
        refused(&CHALLENGE, &vec![0xFF; right.len()], hash);
        refused(&CHALLENGE, &[], hash);
    }
}

#[test]
fn a_chip_does_not_sign_with_another_chips_key() {
    for (name, dg15, hash, _, coordinate_bytes, _) in CHIPS {
        for (other, _, _, _, other_bytes, _) in CHIPS.into_iter().filter(|(other, ..)| *other != name) {
            let key = ChipKey::parse(&file(dg15)).unwrap();
            let theirs = signature(other, other_bytes);
            let refused = Err(ActiveError::Signature);
            assert_eq!(key.verify(&CHALLENGE, &theirs, hash), refused, "{name} {other} {coordinate_bytes}");
        }
    }
}

/// A curve that is described has to be a listed one in every value; a named one has to be listed.
#[test]
fn what_is_no_dg15_is_refused() {
    let explicit = file("bp384.dg15");
    let parameters = 30..explicit.len() - 100;
    for at in parameters {
        let mut changed = explicit.clone();
        changed[at] ^= 0x10;
        assert_eq!(ChipKey::parse(&changed), Err(ActiveError::Key), "byte {at}");
    }
    let named = file("dg15");
    for cut in 0..named.len() {
        assert_eq!(ChipKey::parse(&named[..cut]), Err(ActiveError::Key), "{cut}");
    }
    assert_eq!(ChipKey::parse(&[named.as_slice(), &[0]].concat()), Err(ActiveError::Key));
    let mut off_the_curve = named.clone();
    *off_the_curve.last_mut().unwrap() ^= 1;
    let key = ChipKey::parse(&off_the_curve).unwrap();
    let verdict = key.verify(&CHALLENGE, &signature("p256", 32), Hash::Sha256);
    assert_eq!(verdict, Err(ActiveError::Signature));
}
