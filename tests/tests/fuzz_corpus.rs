//! The fuzz targets' checks over their corpus, on stable Rust; those of the codec run in `switch/iso8583`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p tests --test fuzz_corpus` adds what is genuine, and what is nearly so.
#![allow(clippy::unwrap_used)]

use std::{env, fs};

use credential::{ProofBuilder, Tag};
use iso8583::{Message, Mti};
use journal::{Head, SignedHead};
use keys::{Key, LinkCodec, LinkMac, MacKey};
use simulators::citizens::Country;

#[path = "../fuzz/src/codec.rs"]
#[allow(dead_code, unreachable_pub)]
mod codec;
#[path = "../fuzz/src/others.rs"]
#[allow(dead_code, unreachable_pub)]
mod others;

/// Inputs that a target's fuzzing begins with.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let chip = Country::new(others::SEED).chip(0);
    let named = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    match target {
        "proof" => {
            let whole = ProofBuilder::new()
                .with(Tag::Version, &[1])
                .with(Tag::Dg1, chip.dg1())
                .with(Tag::Dg15, chip.dg15())
                .with(Tag::SeedId, &[5; 8])
                .with(Tag::Signature, &[6; 64])
                .with(Tag::BiometricSession, &[7; 16]);
            let linked = ProofBuilder::new().with_linked([("970418", "******2341", true), ("970415", "**12", false)]);
            vec![named("whole", &whole.build()), named("linked", &linked.build())]
        }
        "dg1" => vec![named("genuine", chip.dg1())],
        "sod" => (0..).zip(others::SODS.iter()).map(|(at, sod): (u8, _)| named(&format!("genuine-{at}"), sod)).collect(),
        "list" => vec![named("genuine", &others::LIST), named("authority", Country::new(others::SEED).csca_der())],
        "answer" => {
            let body = br#"{"request_id":"05050505050505050505050505050505","nonce":"BQUFBQUFBQUFBQUFBQUFBQ","request_sha256":"00","iat":1780272000,"exp":1780272060,"registry_ref":"r","citizen":{"status":"ALIVE"},"card":{"status":"VALID"},"biometric":{"matched":true,"score":90}}"#;
            let jws = b"eyJhbGciOiJFUzI1NiIsImtpZCI6InJlZ2lzdHJ5LTEifQ.eyJpYXQiOjF9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
            vec![named("body", body), named("unsigned", jws), named("none", br#"{"alg":"none"}.."#)]
        }
        "key_block" => (0..).zip(others::BLOCKS.iter()).map(|(at, block): (u8, _)| named(&format!("genuine-{at}"), block.as_bytes())).collect(),
        "payshield" => vec![
            named("format-0", b"0001CB0004A1B2C3D4E5F6071801"),
            named("format-4", b"0001CB0006A1B2C3D4E5F60718A1B2C3D4E5F6071848"),
            named("refused", b"0001CB20"),
            named("key-in", b"0001A700S10024P0AB01N0000ABCDEF121A2B3C"),
            named("key-out", b"0001A900RD0024P0AB01N0000ABCDEF121A2B3C"),
        ],
        "link" => {
            let mut message = Message::new(Mti::new(800));
            message.set_text(7, "0315021530").set_number(11, 1, 6).set_text(41, "HN000001").set_text(70, "001");
            let key = |byte: u8| MacKey::new(&Key::new([byte; 32]));
            let mut frame = Vec::new();
            // Signed with keys that are nobody's here.
            let keys = LinkMac { sign: key(3), verify: key(4) };
            LinkCodec::terminal().send(&message, Some(&keys), &mut frame).unwrap();
            vec![named("sign-on", &frame), named("twice", &frame.repeat(2)), named("keep-alive", &[0, 0])]
        }
        "record" => fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/records"))
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let golden: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                let hex = golden["bytes"].as_str().unwrap().to_owned();
                let bytes: Vec<u8> =
                    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
                named(path.file_stem().unwrap().to_str().unwrap(), &bytes)
            })
            .collect(),
        "heads" => {
            let head = |records| Head { records, link: [records as u8; 32] };
            let line = |records| {
                let signed = SignedHead { head: head(records), at_ms: 1_651_539_723_000, node: others::NODE.to_owned() };
                signed.line(&others::head_key())
            };
            let two = [line(1), line(300)].concat();
            vec![named("two", two.as_bytes()), named("torn", &two.as_bytes()[..two.len() - 30])]
        }
        "dialect" => vec![
            named("mixed", b"name = \"mixed\"\nbase = \"bcd-1987\"\nbitmap = \"hex\"\nlengths = \"ebcdic\"\nelement = [{ number = 2, form = \"n...19\", encoding = \"ebcdic\" }, { number = 63, defined = false }]\n"),
            named("bare", b"name = \"bare\"\nbase = \"ascii-1987\"\n"),
        ],
        "key_file" => {
            let key = |byte: u8| format!("{byte:02x}").repeat(32);
            let one = format!("[data]\nk_enc = \"{}\"\nk_pseudonym = \"{}\"\nk_log = \"{}\"\n", key(1), key(2), key(3));
            let many = one.replace(&format!("\"{}\"", key(1)), &format!("{{ 1 = \"{}\", 2 = \"{}\" }}", key(1), key(4)));
            vec![named("one", one.as_bytes()), named("generations", many.as_bytes())]
        }
        other => panic!("{other} has no seeds"),
    }
}

/// Each file of the corpus; what is genuine with each of its bits turned and cut at each length, too.
#[test]
fn every_target_holds_over_its_corpus() {
    for (target, check) in others::TARGETS {
        let corpus = others::corpus(target);
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(&corpus).unwrap();
            for (name, bytes) in seeds(target) {
                fs::write(corpus.join(name), bytes).unwrap();
            }
        }
        let mut files = 0;
        for entry in fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display())) {
            check(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        let seeds = seeds(target);
        assert!(files >= seeds.len(), "{target} has {files} files");
        for (name, bytes) in seeds {
            for cut in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
                check(&bytes[..cut]);
            }
            for at in (0..bytes.len()).step_by(bytes.len() / 200 + 1) {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                check(&changed);
            }
            assert!(!name.is_empty());
        }
    }
}

/// A check that takes everything for granted would pass the test above.
#[test]
fn what_is_genuine_is_accepted() {
    for (target, genuine) in
        [("sod", &others::SODS[0][..]), ("list", &others::LIST), ("key_block", others::BLOCKS[0].as_bytes())]
    {
        // Each asserts that the genuine one is taken, and that nothing else is.
        others::target(target)(genuine);
        let wrong = std::panic::catch_unwind(|| others::target(target)(&genuine[..genuine.len() - 1]));
        assert!(wrong.is_ok(), "{target}: cut short, it is refused");
    }
    for (name, answer) in seeds("payshield").into_iter().filter(|(name, _)| name.starts_with("format")) {
        let format = if name == "format-0" { keys::PinFormat::Iso0 } else { keys::PinFormat::Iso4 };
        assert!(hsm::payshield_pin_block(&answer, "0001", format).is_some(), "{name}");
    }
    let told = seeds("payshield").into_iter().map(|(_, answer)| hsm::payshield_keys(&answer, "0001"));
    let told: Vec<[bool; 2]> = told.map(|told| told.map(|key| key.is_some())).collect();
    assert_eq!(told[3..], [[true, false], [false, true]]);
    let keys = others::data_keys();
    let (_, intent) = seeds("record").into_iter().find(|(name, _)| name == "v2-intent").unwrap();
    assert!(journal::decode_record(&intent, others::POSITION, &keys).is_ok());
}
