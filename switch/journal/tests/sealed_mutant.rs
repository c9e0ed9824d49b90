//! The rule that a sealed piece belongs to its record, broken on purpose (docs/mutants.md): then it opens in another. A
//! program of its own, for a rule is broken for the whole process.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used)]

use journal::{decode_record, encode_record};
use keys::{DataKeys, Key};
use mutant::Mutant;
use processor::{Body, Record, Resolution};

/// What one clerk wrote, behind another's name and another clock.
fn opens_elsewhere() -> bool {
    let keys = DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]));
    let record = |at_ms, by: &str, why: &str| Record {
        at_ms,
        transaction: None,
        suspense: None,
        spend: None,
        body: Body::Resolution(Resolution::new(by, why).unwrap()),
    };
    let here = encode_record(&record(1, "lan", "counted: no cash has left"), 7, &keys).unwrap();
    let there = encode_record(&record(2, "hoa", "counted: the notes went.."), 8, &keys).unwrap();
    assert_eq!(here.len(), there.len());
    let sealed = "counted: no cash has left".len() + 2 + keys::SEAL_TAG_BYTES;
    let moved = [&here[..here.len() - sealed], &there[there.len() - sealed..]].concat();
    assert!(decode_record(&here, 7, &keys).is_ok());
    decode_record(&moved, 7, &keys).is_ok()
}

#[test]
fn without_the_rule_a_sealed_piece_opens_in_another_record() {
    assert!(!opens_elsewhere());
    mutant::activate(Some(Mutant::SealedOpensAnywhere));
    assert!(opens_elsewhere());
    mutant::activate(None);
}
