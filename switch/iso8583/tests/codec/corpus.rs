//! The fuzz targets' checks over their corpus, on stable Rust.
//!
//! `UPDATE_GOLDEN=1 cargo test -p iso8583 --test codec corpus` adds the golden messages, whole and framed.

use std::path::PathBuf;
use std::{env, fs};

use iso8583::framing::Framing;
use iso8583::{Dialect, FRAME_BYTES_MAX};

use crate::{fuzz, golden_files};

#[test]
fn messages() {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        for (pick, dialect) in (0..).zip(Dialect::all_built_in()) {
            for name in ["0800-sign-on", "0100-verification", "0200-every-form", "0430-reversal"] {
                keep("message", &format!("{}-{name}", dialect.name()), pick, &bytes_of(dialect, name));
            }
        }
    }
    run("message", fuzz::DIALECTS, fuzz::message);
}

#[test]
fn frames() {
    let framings = [Framing::Length2, Framing::Ascii4, Framing::Length2Tpdu { tpdu: [0x60, 0, 1, 0, 2] }];
    if env::var_os("UPDATE_GOLDEN").is_some() {
        for (pick, framing) in (0..).zip(&framings) {
            let mut stream = Vec::new();
            for payload in [&bytes_of(Dialect::bcd_1987(), "0800-sign-on")[..], b"", b"0"] {
                framing.encode(payload, &mut stream).expect("a golden message fits");
            }
            keep("frame", &format!("{pick}-three"), pick, &stream);
            keep("frame", &format!("{pick}-cut"), pick, &stream[..stream.len() - 1]);
        }
        let above = (FRAME_BYTES_MAX as u16 + 1).to_be_bytes();
        keep("frame", "0-too-long", 0, &above);
        keep("frame", "1-sign", 1, b"+005hello");
        keep("frame", "2-no-room", 2, &[0, 4, 0x60, 0, 0, 0]);
    }
    run("frame", fuzz::FRAMINGS, fuzz::frame);
}

/// Every file of a corpus, under each first byte that picks something else; also with a byte behind it, and without its last: the
/// files alone once showed nothing of a codec that passed over what stands behind a message.
fn run(target: &str, picks: usize, check: fn(&[u8])) {
    let mut files = 0;
    for entry in fs::read_dir(directory(target)).expect("the corpus can be read") {
        let path = entry.expect("the corpus can be read").path();
        let mut input = fs::read(&path).expect("a file of the corpus can be read");
        for pick in 0..picks {
            if let Some(first) = input.first_mut() {
                *first = pick as u8;
            }
            check(&input);
            check(&[&input[..], b"0"].concat());
            check(&input[..input.len().saturating_sub(1)]);
        }
        files += 1;
    }
    assert!(files >= 9, "{target} has a corpus");
}

fn bytes_of(dialect: &Dialect, name: &str) -> Vec<u8> {
    let golden = golden_files::goldens(dialect.name()).into_iter().find(|golden| golden.name == name);
    golden.expect("the golden set has it").bytes
}

fn keep(target: &str, name: &str, pick: u8, bytes: &[u8]) {
    let path = directory(target).join(name);
    fs::create_dir_all(directory(target)).expect("the corpus can be made");
    fs::write(path, [&[pick], bytes].concat()).expect("the corpus can be written");
}

fn directory(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target)
}
