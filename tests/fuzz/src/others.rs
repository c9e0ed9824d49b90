//! What must hold for any bytes behind the codec: proofs, security objects, registry's answers, key blocks, records, heads,
//! and the texts that people write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use credential::{Algorithms, ChipKey, Dg1, ListRule, Proof, StaleList, Tag, TrustStore, VerifiedSod};
use hsm::{payshield_keys, payshield_pin_block};
use iso8583::Dialect;
use journal::{RECORD_VERSION, SignedHeads, decode_record, encode_record, record_json};
use keys::{
    Attributes, BoundKey, DataKeys, Expected, Exportability, HeadKey, KEY_BLOCK_CHARACTERS_MAX,
    KEY_BLOCK_RANDOM_BYTES, Key, KeyAlgorithm, KeyBlockKey, KeyFile, KeyUsage, KeyVersion, LinkCodec,
    LinkMac, MacKey, ModeOfUse, PinFormat, Received,
};
use processor::{Class, Kind, Rrn, TerminalId, TxKey, UtcSeconds};
use server::registry::{Asked, Contract, Outcome, RegistryQuestion};
use simulators::citizens::Country;
use simulators::registry::SecretKey;

/// 2026-06-01: citizens' cards and their signers are valid then.
pub const NOW_S: i64 = 1_780_272_000;

/// The seed of the country whose cards are genuine here.
pub const SEED: u64 = 7;

static COUNTRY: LazyLock<Country> = LazyLock::new(|| Country::new(SEED));

static TRUST: LazyLock<TrustStore> = LazyLock::new(|| {
    TrustStore::new([COUNTRY.csca_der()], Algorithms::all()).expect("the country's authority is one")
});

/// The genuine security objects of three citizens.
pub static SODS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| (0..3).map(|citizen| COUNTRY.chip(citizen).sod().to_vec()).collect());

/// A genuine revocation list.
pub static LIST: LazyLock<Vec<u8>> = LazyLock::new(|| COUNTRY.revocation_list(&[2], b"260531000000Z"));

/// A proof template: accepted without a loss, or refused.
pub fn proof(input: &[u8]) {
    match Proof::parse(input) {
        Ok(proof) => {
            let values = [Tag::Dg1, Tag::Dg15, Tag::Signature, Tag::Linked].map(|tag| proof.get(tag));
            assert!(values.iter().flatten().map(|value| value.len()).sum::<usize>() < input.len());
            let _ = (
                proof.linked(),
                proof.reference(),
                proof.seed_id(),
                proof.sod_sha256(),
                proof.asks_for_sod(),
            );
            let _ = (proof.biometric_session(), proof.signature_hash(), proof.says_finger());
            if let Some(dg1) = proof.get(Tag::Dg1) {
                data_group_1(dg1);
            }
            if let Some(dg15) = proof.get(Tag::Dg15) {
                let _ = ChipKey::parse(dg15);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// DG1: what is accepted has one spelling.
pub fn data_group_1(input: &[u8]) {
    if let Ok(dg1) = Dg1::parse(input) {
        assert_eq!(dg1.encode(), input);
    }
}

/// A security object: none but the genuine ones is accepted.
pub fn sod(input: &[u8]) {
    let accepted = VerifiedSod::verify(input, &TRUST, NOW_S).is_ok();
    assert_eq!(accepted, SODS.iter().any(|genuine| genuine == input), "accepted: {accepted}");
}

/// A revocation list, or an authority's certificate: none but the genuine ones is taken.
pub fn list(input: &[u8]) {
    let rule = ListRule { age_s_max: 86_400, stale: StaleList::Refuse };
    let taken = TRUST.clone().with_lists([input], rule).is_ok();
    assert_eq!(taken, input == &LIST[..], "taken: {taken}");
    let _ = TrustStore::new([input], Algorithms::all());
}

static REGISTRY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::from_seed(SEED, "registry", "registry-1"));

static CONTRACT: LazyLock<(Contract, Asked)> = LazyLock::new(|| {
    let switch = SecretKey::from_seed(SEED, "switch", "switch-1");
    let pinned = BTreeMap::from([("registry-1".to_owned(), REGISTRY.public().to_pem().into_bytes())]);
    let contract = Contract::new("switch-1", "switch-1", switch.to_pkcs8_pem().as_bytes(), &pinned);
    let contract = contract.expect("the keys are keys");
    let citizen = COUNTRY.citizen(0).number;
    let question = RegistryQuestion {
        key: TxKey {
            class: Class::Verification,
            acquirer: "970418".parse().expect("six digits"),
            terminal: TerminalId(*b"HN000001"),
            sent_at: UtcSeconds(NOW_S),
            stan: 1,
        },
        rrn: Rrn(*b"615200000001"),
        kind: Kind::Withdrawal,
        amount_minor: 500_000,
        currency: 704,
        citizen,
        document_number: "203000001".to_owned(),
        expiry: "430301".to_owned(),
        sod_sha256: [1; 32],
        dg15_sha256: [2; 32],
        dsc_issuer: "CN=Synthetic CSCA".to_owned(),
        dsc_serial: vec![1, 2, 3],
        passive: true,
        active: true,
        csca_id: [3; 8],
        crl_age_s: Some(60),
        active_proof: None,
        biometric: None,
    };
    let asked = contract.ask(&question, &[5; 32], NOW_S);
    (contract, asked)
});

/// A registry's answer: as it came it is believed by nobody, for nobody but the registry can sign; and what the registry
/// might sign is judged, whatever it is.
pub fn answer(input: &[u8]) {
    let (contract, asked) = &*CONTRACT;
    let answer = contract.judge(asked, input, NOW_S);
    assert!(matches!(answer.outcome, Outcome::Unavailable(_)), "nobody has signed it");
    let signed = REGISTRY.sign(input);
    let answer = contract.judge(asked, signed.as_bytes(), NOW_S);
    assert!(answer.jws.is_none() || serde_json::from_slice::<serde_json::Value>(input).is_ok());
}

fn exchange_key() -> KeyBlockKey {
    let key = BoundKey::new(KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes, &[0x3C; 32]);
    KeyBlockKey::new(&key.expect("32 bytes are an AES key")).expect("it protects key blocks")
}

/// Genuine key blocks: a PIN key, a MAC key.
pub static BLOCKS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let keys = [
        (KeyUsage::PinEncryption, ModeOfUse::Both, KeyAlgorithm::Tdes, &b"two parts of key"[..]),
        (KeyUsage::Hmac, ModeOfUse::Generate, KeyAlgorithm::Hmac, &[0x5A; 32]),
    ];
    let wrap = |(usage, mode, algorithm, bytes)| {
        let attributes = Attributes {
            version: KeyVersion::new(1).expect("1 to 99"),
            exportability: Exportability::NonExportable,
            optional: Vec::new(),
        };
        let key = BoundKey::new(usage, mode, algorithm, bytes).expect("a key of its algorithm");
        exchange_key().wrap(&key, &attributes, &[7; KEY_BLOCK_RANDOM_BYTES]).expect("it fits")
    };
    keys.into_iter().map(wrap).collect()
});

/// A TR-31 key block: none but the genuine ones gives a key.
pub fn key_block(input: &[u8]) {
    static KEY: LazyLock<KeyBlockKey> = LazyLock::new(exchange_key);
    let version_min = KeyVersion::new(1).expect("1 to 99");
    for (usage, genuine) in [(KeyUsage::PinEncryption, &BLOCKS[0]), (KeyUsage::Hmac, &BLOCKS[1])] {
        let taken = KEY.unwrap(input, Expected { usage, version_min }).is_ok();
        assert_eq!(taken, input == genuine.as_bytes(), "taken: {taken}");
    }
}

/// A payShield's answer: a block is taken from none that has not its header, its code 00 and a block of this format; a key from
/// none that has not a block as long as it says and a check value behind it.
pub fn payshield(input: &[u8]) {
    for format in [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4] {
        if let Some(block) = payshield_pin_block(input, "0001", format) {
            assert_eq!((&input[..8], block.format()), (&b"0001CB00"[..], format));
            assert_eq!(input.len(), 8 + 2 + 2 * format.block_bytes() + 2);
        }
    }
    let [under_lmk, under_exchange] = payshield_keys(input, "0001");
    if let Some(token) = under_lmk {
        assert!(matches!(&input[..8], b"0001A700" | b"0001A701") && token.starts_with('S'));
        assert!(input[8..].starts_with(token.as_bytes()) && token.len() <= 1 + KEY_BLOCK_CHARACTERS_MAX);
    }
    if let Some(block) = under_exchange {
        assert!(input.starts_with(b"0001A900R") && input[9..].starts_with(block.as_bytes()));
    }
}

/// A terminal's stream: no MAC is right that nobody has made.
pub fn link(input: &[u8]) {
    let key = |byte: u8| MacKey::new(&Key::new([byte; 32]));
    let keys = LinkMac { sign: key(1), verify: key(2) };
    let mut rest = input;
    while let Ok(
        Received::Message { consumed, .. }
        | Received::KeepAlive { consumed }
        | Received::Malformed { consumed, .. },
    ) = LinkCodec::terminal().receive(rest, |_| Some(&keys)).inspect(|received| {
        if let Received::Message { mac, .. } = received {
            assert!(mac.is_err(), "a MAC that nobody has made is right");
        }
    }) {
        assert!((1..=rest.len()).contains(&consumed));
        rest = &rest[consumed..];
    }
}

/// The keys under which records are sealed here.
pub fn data_keys() -> DataKeys {
    DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]))
}

/// The position of the golden records.
pub const POSITION: u64 = 5;

/// A record's bytes: what reads is written again as it was, and is shown.
pub fn record(input: &[u8]) {
    let keys = data_keys();
    if let Ok(record) = decode_record(input, POSITION, &keys) {
        assert!(record_json(POSITION, &record).is_object());
        if input[0] == RECORD_VERSION {
            assert_eq!(encode_record(&record, POSITION, &keys).expect("it fitted before"), input);
        }
    }
}

/// The key that signs heads here.
pub fn head_key() -> HeadKey {
    HeadKey::new(&Key::new([9; 32]))
}

/// The node whose heads are read.
pub const NODE: &str = "switch-hn-1";

/// A file of signed heads: none is believed that the key has not signed.
pub fn heads(input: &[u8]) {
    static KEY: LazyLock<keys::HeadPublicKey> = LazyLock::new(|| head_key().public());
    let text = String::from_utf8_lossy(input);
    let read = SignedHeads::read(&text, NODE, &KEY);
    for head in read.heads {
        assert!(text.contains(head.line(&head_key()).trim_end()), "not as it was signed");
    }
}

/// The text of a dialect: refused, or messages can be read and written in it.
pub fn dialect(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Dialect::from_toml(text) {
        Ok(dialect) => {
            for message in
                [&b"0800822000000000000004000000000000000315021530000001001"[..], &[0x08, 0, 0x82, 0x20], b""]
            {
                crate::codec::in_dialect(&dialect, message);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The text of a key file: refused with a place, and never with 64 digits in a row.
pub fn key_file(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match KeyFile::parse(text) {
        Ok(file) => {
            // What holds keys says so, and no more.
            assert!(!format!("{file:?}").is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The check of a target by its name.
pub fn target(name: &str) -> Check {
    TARGETS.iter().find(|(it, _)| *it == name).expect("a target's name").1
}

/// A check of any bytes.
pub type Check = fn(&[u8]);

/// All targets of this file.
pub const TARGETS: [(&str, Check); 12] = [
    ("proof", proof),
    ("dg1", data_group_1),
    ("sod", sod),
    ("list", list),
    ("answer", answer),
    ("key_block", key_block),
    ("payshield", payshield),
    ("link", link),
    ("record", record),
    ("heads", heads),
    ("dialect", dialect),
    ("key_file", key_file),
];

/// Where the corpus of a target stands: this file is compiled by two packages.
pub fn corpus(target: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fuzz = if package.ends_with("fuzz") { package.to_owned() } else { package.join("fuzz") };
    fuzz.join("corpus").join(target)
}
