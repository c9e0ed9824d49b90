//! Security objects that openssl has minted, held against the verifier: what is accepted, what is refused and why.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use std::sync::Arc;

use credential::{
    Algorithm, Algorithms, CertificateError, Dg1, SOD_BYTES_MAX, SodCache, SodError, SodPart, TrustStore,
    VerifiedSod,
};

/// 2027-01-15: the fixtures' certificates are valid.
const NOW_S: i64 = 1_800_000_000;

const KINDS: [(&str, Algorithm); 7] = [
    ("p256", Algorithm::EcdsaP256),
    ("p384", Algorithm::EcdsaP384),
    ("bp256", Algorithm::EcdsaBrainpoolP256r1),
    ("bp384", Algorithm::EcdsaBrainpoolP384r1),
    ("explicit", Algorithm::EcdsaP256),
    ("pkcs1", Algorithm::RsaPkcs1),
    ("pss", Algorithm::RsaPss),
];

fn file(name: &str) -> Vec<u8> {
    // From the workspace's root: the program of the broken rules (tests/tests/defences) holds these tests too.
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut fixtures = above.map(|dir| dir.join("switch/credential/tests/fixtures"));
    let path = fixtures.find(|dir| dir.is_dir()).unwrap().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sod(name: &str) -> Vec<u8> {
    file(&format!("{name}.sod"))
}

fn trust_with(authorities: &[&str], algorithms: Algorithms) -> TrustStore {
    let files: Vec<Vec<u8>> = authorities.iter().map(|name| file(&format!("{name}.csca.der"))).collect();
    TrustStore::new(files.iter().map(Vec::as_slice), algorithms).unwrap()
}

fn trust(authorities: &[&str]) -> TrustStore {
    trust_with(authorities, Algorithms::all())
}

fn verify(name: &str, trust: &TrustStore) -> Result<VerifiedSod, SodError> {
    VerifiedSod::verify(&sod(name), trust, NOW_S)
}

#[test]
fn every_kind_of_sod_is_accepted_and_signs_its_data_groups() {
    for (kind, _) in KINDS {
        let verified = verify(kind, &trust(&[kind])).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(verified.signs_dg1(&file("dg1")) && verified.signs_dg15(&file("dg15")), "{kind}");
        assert!(!verified.signs_dg1(&file("dg15")) && !verified.signs_dg15(&file("p384.dg15")), "{kind}");
        assert_eq!(verified.dsc_issuer, "CN=CSCA,O=Synthetic Authority,C=VN");
        assert!(verified.dsc_serial.starts_with(&[0xC0, 0xFF, 0xEE]), "{:02x?}", verified.dsc_serial);
    }
    assert!(verify("keyid", &trust(&["p256"])).is_ok(), "a signer named by its key");
    assert_eq!(Dg1::parse(&file("dg1")).unwrap().number.digits(), b"001203000001");
}

#[test]
fn an_algorithm_that_is_not_allowed_is_named() {
    for (kind, algorithm) in KINDS {
        let others = KINDS.iter().map(|(_, other)| other).filter(|other| **other != algorithm);
        let names: Vec<&str> = others.map(|algorithm| algorithm.name()).collect();
        let algorithms = Algorithms::from_names(names.iter().copied()).unwrap();
        let files = file(&format!("{kind}.csca.der"));
        match TrustStore::new([files.as_slice()], algorithms) {
            Ok(trust) => assert_eq!(verify(kind, &trust), Err(SodError::NotAllowed(algorithm)), "{kind}"),
            Err(error) => assert_eq!(error, (0, CertificateError::NotAllowed(algorithm)), "{kind}"),
        }
    }
}

/// The verifier's promise: each byte is signed, equal to a signed copy, or a constant.
#[test]
fn no_byte_can_be_flipped_unnoticed() {
    let single_bits = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80];
    for (kind, masks) in [
        ("p256", [single_bits.as_slice(), &[0x0A, 0x33, 0xFF]].concat()),
        ("p384", vec![0x01, 0x20, 0x80]),
        ("bp256", vec![0x01, 0x20, 0x80]),
        ("bp384", vec![0x01]),
        ("explicit", vec![0x01, 0x02, 0x20, 0x80]),
        ("pkcs1", [single_bits.as_slice(), &[0x0A, 0x0C, 0x0D, 0xFF]].concat()),
        ("pss", [single_bits.as_slice(), &[0x0B, 0xFF]].concat()),
        ("keyid", vec![0x01, 0x02, 0x20, 0x80]),
    ] {
        flip(kind, &masks);
    }
}

fn flip(kind: &str, masks: &[u8]) {
    let whole = sod(kind);
    let trust = trust(&[if kind == "keyid" { "p256" } else { kind }]);
    assert!(VerifiedSod::verify(&whole, &trust, NOW_S).is_ok(), "{kind}");
    for at in 0..whole.len() {
        for mask in masks {
            let mut flipped = whole.clone();
            flipped[at] ^= mask;
            let verdict = VerifiedSod::verify(&flipped, &trust, NOW_S);
            assert!(verdict.is_err(), "{kind}: byte {at} of {} flipped by {mask:02x}", whole.len());
        }
    }
}

#[test]
fn a_sod_that_is_cut_or_goes_on_is_refused() {
    let (whole, trust) = (sod("p256"), trust(&["p256"]));
    for cut in 0..whole.len() {
        assert!(VerifiedSod::verify(&whole[..cut], &trust, NOW_S).is_err(), "{cut}");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    let refused = VerifiedSod::verify(&longer, &trust, NOW_S);
    assert_eq!(refused, Err(SodError::Form(SodPart::Envelope)));
    let huge = vec![0x77; SOD_BYTES_MAX + 1];
    assert_eq!(VerifiedSod::verify(&huge, &trust, NOW_S), Err(SodError::TooLong));
}

#[test]
fn what_stands_behind_nobody_trusted_is_refused_by_kind() {
    use SodError as E;
    let table: [(&str, &[&str], SodError); 9] = [
        ("p256", &[], E::UnknownAuthority),
        // Every fixture's authority has the same name; the id of its key tells them apart.
        ("p256", &["same-name"], E::UnknownAuthority),
        ("p256", &["p384", "bp256", "pss"], E::UnknownAuthority),
        ("usage", &["p256"], E::Signer(CertificateError::Usage)),
        ("authority", &["p256"], E::Signer(CertificateError::Usage)),
        ("critical", &["p256"], E::Signer(CertificateError::Extension)),
        ("sha1", &["p256"], E::Signer(CertificateError::Algorithm)),
        ("two-certificates", &["p256"], E::Form(SodPart::SignedData)),
        ("no-key-id", &["same-name"], E::Signer(CertificateError::Signature)),
    ];
    for (name, authorities, error) in table {
        assert_eq!(verify(name, &trust(authorities)), Err(error), "{name} under {authorities:?}");
    }
    assert!(verify("no-key-id", &trust(&["same-name", "p256"])).is_ok(), "each key of the name is tried");
}

#[test]
fn certificates_are_valid_on_the_day() {
    let (whole, trust) = (sod("p256"), trust(&["p256"]));
    let at = |now_s| VerifiedSod::verify(&whole, &trust, now_s);
    let last_s = at(NOW_S).unwrap().valid_until_s;
    assert!(at(last_s).is_ok());
    assert_eq!(at(last_s + 1), Err(SodError::SignerExpired));
    assert_eq!(at(1_700_000_000), Err(SodError::SignerExpired));
}

#[test]
fn an_authority_has_to_be_one() {
    let refused = |der: &[u8]| TrustStore::new([der], Algorithms::all()).unwrap_err();
    assert_eq!(refused(b"no certificate"), (0, CertificateError::Form));
    let mut changed = file("p256.csca.der");
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert_eq!(refused(&changed), (0, CertificateError::Signature));
    assert_eq!(refused(&file("signer.der")), (0, CertificateError::Usage));
    let good = file("p256.csca.der");
    let second = TrustStore::new([good.as_slice(), &changed], Algorithms::all());
    assert_eq!(second.unwrap_err(), (1, CertificateError::Signature));
}

#[test]
fn the_cache_is_bounded_and_forgets_what_no_longer_holds() {
    let (first, other) = (trust(&["p256"]), trust(&["p256", "p384"]));
    let sods = ["p256", "keyid"].map(|name| Arc::new(verify(name, &first).unwrap()));
    let digests = sods.clone().map(|sod| sod.sod_sha256);
    let mut cache = SodCache::new(1);
    sods.iter().for_each(|sod| cache.insert(Arc::clone(sod)));
    assert_eq!((cache.len(), cache.get(&digests[0], &first, NOW_S)), (1, None));
    assert!(cache.get(&digests[1], &first, NOW_S).is_some());
    assert_eq!(cache.get(&digests[1], &other, NOW_S), None, "other authorities");
    assert!(cache.is_empty(), "dropped");

    let mut cache = SodCache::new(2);
    sods.iter().chain(&sods).for_each(|sod| cache.insert(Arc::clone(sod)));
    assert_eq!(cache.len(), 2);
    assert_eq!(cache.get(&digests[0], &first, sods[0].valid_until_s + 1), None, "expired");
    assert_eq!(cache.len(), 1);
    assert!(cache.get(&digests[1], &first, NOW_S).is_some());
    let again = trust(&["p256"]);
    assert!(cache.get(&digests[1], &again, NOW_S).is_some(), "the same authorities, loaded again");
}

#[test]
fn debug_shows_no_digest_of_a_person() {
    let verified = verify("p256", &trust(&["p256"])).unwrap();
    let text = format!("{verified:?}");
    assert!(text.contains("dsc_serial") && !text.contains("dg1") && !text.contains("sod_sha256"), "{text}");
}
