//! Records as bytes: what stands in front of every one, and what is sealed behind it (docs/log.md#records). Version 2 is written; version 1
//! is read.

mod bodies;
mod private;

use keys::{DataKeys, SEAL_TAG_BYTES};
use mutant::Mutant;
use processor::{Position, Record, Suspense, TxKey};

use crate::wire::{DecodeError, DecodeFault, Reader, Writer};
use bodies::{kind_of, put_body, put_key, put_spend, take_body, take_key, take_spend};
use private::{PRIVATE_ROOM_BYTES, Private, Put, SEAL_NOTE_BYTES, Take, seal_place, take_sealed};

/// The version that is written: all that is personal in a record is one sealed piece at its end.
pub const RECORD_VERSION: u8 = 2;

/// The version before it, read for ever: the PAN alone is sealed, where it stands.
const RECORD_VERSION_1: u8 = 1;

/// A record's bytes are no more than this: a registry's answer of 8,192, sixteen linked banks and the longest elements
/// fill less than two thirds of it.
pub const RECORD_BYTES_MAX: usize = 16_384;

/// How much of a record is read.
#[derive(Clone, Copy)]
pub(crate) enum Unseal<'a> {
    /// All of it, what is personal opened: every record that leaves this crate.
    Open(&'a DataKeys),
    /// What folds and names need, and nothing that is personal: a PAN of zeros stands for the sealed one, and accounts,
    /// carried elements, evidence and linked banks are left out. A start reads a million such records a second.
    Leave,
    /// As [`Unseal::Leave`], of a record that these keys could open: a start refuses a key file that has lost one.
    LeaveOurs(&'a DataKeys),
}

/// Appends the record's bytes. `Err` names a field that is longer than its length can say, or `record` when the whole
/// is longer than [`RECORD_BYTES_MAX`]; what was appended is taken back.
pub(crate) fn encode(
    record: &Record,
    position: Position,
    keys: &DataKeys,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    let start = out.len();
    let room_bytes = if record.request().is_some() { PRIVATE_ROOM_BYTES } else { 0 };
    let mut private = Vec::with_capacity(room_bytes);
    let mut fields = Put { clear: Writer::new(out), private: Writer::new(&mut private) };
    fields.clear.u8(RECORD_VERSION);
    fields.clear.u8(kind_of(&record.body));
    fields.clear.i64(record.at_ms);
    fields.clear.optional(record.transaction.as_ref(), put_key);
    fields.clear.u8(match record.suspense {
        None => 0,
        Some(Suspense::Age) => 1,
        Some(Suspense::Claim) => 2,
    });
    fields.clear.optional(record.spend.as_ref(), put_spend);
    let seal_note = fields.clear.len();
    fields.clear.raw(&[0; SEAL_NOTE_BYTES]);
    put_body(&mut fields, &record.body);
    let too_long = fields.clear.too_long().or(fields.private.too_long());
    let tag_bytes = if private.is_empty() { 0 } else { SEAL_TAG_BYTES };
    let bytes = out.len() - start + private.len() + tag_bytes;
    if let Some(field) = too_long.or((bytes > RECORD_BYTES_MAX).then_some("record")) {
        out.truncate(start);
        return Err(field);
    }
    if !private.is_empty() {
        let [high, low] = (private.len() as u16).to_be_bytes();
        out[seal_note..seal_note + SEAL_NOTE_BYTES].copy_from_slice(&[keys.sealing_generation(), high, low]);
        let (nonce, beside) = seal_place(position, &out[start..]);
        let tag = match mutant::is(Mutant::PersonalInClear) {
            false => keys.seal(nonce, beside, &mut private),
            true => [0; SEAL_TAG_BYTES],
        };
        out.extend_from_slice(&private);
        out.extend_from_slice(&tag);
    }
    Ok(())
}

/// Reads a record's bytes: all of them and nothing else.
pub(crate) fn decode(bytes: &[u8], position: Position, unseal: Unseal<'_>) -> Result<Record, DecodeError> {
    let mut reader = Reader::new(bytes, position);
    let version = reader.u8("version")?;
    if ![RECORD_VERSION_1, RECORD_VERSION].contains(&version) {
        return Err(reader.error("version", DecodeFault::Version));
    }
    let kind = reader.u8("kind")?;
    let at_ms = reader.i64("at")?;
    let transaction = reader.optional("transaction", take_key)?;
    let suspense = match reader.u8("suspense")? {
        0 => None,
        1 => Some(Suspense::Age),
        2 => Some(Suspense::Claim),
        _ => return Err(reader.error("suspense", DecodeFault::Value)),
    };
    let spend = reader.optional("spend", take_spend)?;
    let mut opened = Vec::new();
    let private = match version {
        RECORD_VERSION_1 => Private::AmongTheOthers(unseal),
        _ => take_sealed(&mut reader, bytes, unseal, &mut opened)?,
    };
    let mut fields = Take { clear: reader, private };
    let body = take_body(&mut fields, kind)?;
    fields.clear.end()?;
    if let Private::Opened(private) = fields.private {
        private.end()?;
    }
    Ok(Record { at_ms, transaction, suspense, spend, body })
}

/// The transaction of a record, read from the front of its bytes alone.
pub(crate) fn transaction_of(bytes: &[u8]) -> Option<TxKey> {
    // Version, kind and clock stand in front of it.
    let mut reader = Reader::new(bytes.get(10..)?, 0);
    reader.optional("transaction", take_key).ok().flatten()
}

/// A record of these bytes may speak of a business day: it is an INTENT, REVERSAL, CUTOVER or TOTALS.
pub(crate) fn may_name_day(bytes: &[u8]) -> bool {
    matches!(bytes.get(1), Some(1 | 4 | 11 | 14))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use processor::Body;

    use super::*;
    use crate::samples::{each_kind, intent, keys, reversed};

    fn encoded(record: &Record, position: Position) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(record, position, &keys(), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_kind_reads_back_and_no_cut_of_it_does() {
        for (name, record) in each_kind() {
            let mut bytes = encoded(&record, 7);
            assert_eq!(decode(&bytes, 7, Unseal::Open(&keys())).as_ref(), Ok(&record), "{name}");
            let sketch = decode(&bytes, 7, Unseal::Leave).unwrap();
            let names = |record: &Record| (record.transaction, record.spend, record.names(None));
            assert_eq!(names(&sketch), names(&record), "{name}");
            for length in 0..bytes.len() {
                let error = decode(&bytes[..length], 7, Unseal::Open(&keys())).unwrap_err();
                // What is sealed stands at the end: where there is enough for it, it does not open.
                let is_sealed = error.fault == DecodeFault::Sealed && length > bytes.len() / 2;
                assert!(error.fault == DecodeFault::Short || is_sealed, "{name} cut to {length}: {error}");
            }
            bytes.push(0);
            let error = decode(&bytes, 7, Unseal::Open(&keys())).unwrap_err();
            assert!([DecodeFault::Trailing, DecodeFault::Sealed].contains(&error.fault), "{name}: {error}");
        }
    }

    /// What is personal in the samples, as it would stand in clear.
    const PERSONAL: [&str; 9] = [
        "001203000001",
        "101000012345",
        "101000067890",
        "********2345",
        "eyJhbGciOiJFUzI1NiJ9",
        "BIDV HANOI",
        "0002704C000000500000",
        "cassettes counted",
        "]]]]]]]]]]]]]]]]",
    ];

    /// The samples, with accounts in an advice and a request, and with a bank's balance.
    fn personal() -> Vec<(&'static str, Record)> {
        let mut records = each_kind();
        for (_, record) in &mut records {
            match &mut record.body {
                Body::Outcome(outcome) => outcome.carried.set(54, b"0002704C000000500000"),
                Body::Complete(Some(advice)) => advice.content.from_account = Some("101000067890".into()),
                Body::Declined(declined) => {
                    let request = declined.request.as_mut().expect("the sample has one");
                    request.content.to_account = Some("101000067890".into());
                }
                _ => {}
            }
        }
        records
    }

    #[test]
    fn nothing_personal_stands_in_clear() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, record) in personal() {
            let bytes = encoded(&record, 7);
            let (mut clear, mut private) = (Vec::new(), Vec::new());
            let fields = &mut Put { clear: Writer::new(&mut clear), private: Writer::new(&mut private) };
            put_body(fields, &record.body);
            let holds =
                |bytes: &[u8], clear: &str| bytes.windows(clear.len()).any(|it| it == clear.as_bytes());
            for clear in PERSONAL {
                assert!(!holds(&bytes, clear), "{name} has {clear} in clear");
                if holds(&private, clear) {
                    seen.insert(clear);
                }
            }
        }
        assert_eq!(seen.len(), PERSONAL.len(), "{seen:?}");
    }

    #[test]
    fn what_is_sealed_opens_in_its_own_record_alone() {
        let (here, other) = (encoded(&intent(1), 7), encoded(&intent(2), 7));
        let error = decode(&here, 8, Unseal::Open(&keys())).unwrap_err();
        assert_eq!(error.to_string(), "record 8: sealed: does not open with this key");
        assert_eq!(here.len(), other.len());
        // Version, kind, clock, key, suspense and spend.
        let note = 10 + 31 + 1 + 33;
        let length = usize::from(u16::from_be_bytes([here[note + 1], here[note + 2]])) + SEAL_TAG_BYTES;
        let sealed_from = here.len() - length;
        let moved = [&here[..sealed_from], &other[sealed_from..]].concat();
        assert_eq!(decode(&moved, 7, Unseal::Open(&keys())).unwrap_err().fault, DecodeFault::Sealed);
        for bit in 0..sealed_from * 8 {
            let mut changed = here.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&changed, 7, Unseal::Open(&keys())).is_err(), "bit {bit} of the clear fields");
        }
    }

    #[test]
    fn each_generation_opens_what_it_sealed_and_the_newest_seals() {
        let with = |generations: &[u8]| {
            let encryption = generations.iter().map(|it| (*it, keys::Key::new([*it; 32]))).collect();
            DataKeys::with_generations(&encryption, &keys::Key::new([102; 32]), &keys::Key::new([103; 32]))
                .unwrap()
        };
        let record = intent(1);
        let written = |generations: &[u8]| {
            let mut bytes = Vec::new();
            encode(&record, 7, &with(generations), &mut bytes).unwrap();
            bytes
        };
        let read = |bytes: &[u8], generations: &[u8]| decode(bytes, 7, Unseal::Open(&with(generations)));
        let (old, new) = (written(&[1]), written(&[1, 2]));
        assert_eq!(read(&old, &[1, 2]).as_ref(), Ok(&record));
        assert_eq!(read(&new, &[1, 2]).as_ref(), Ok(&record));
        assert_eq!(
            read(&new, &[1]).unwrap_err().to_string(),
            "record 7: sealed: the key file has no data.k_enc of generation 2"
        );
        assert_eq!(read(&old, &[2]).unwrap_err().fault, DecodeFault::NoKey(1));
    }

    #[test]
    fn what_is_too_long_is_named_and_nothing_is_left() {
        let mut out = b"before".to_vec();
        let mut record = intent(1);
        let Body::Intent(body) = &mut record.body else { panic!("an INTENT") };
        body.account = Some("9".repeat(70_000).into());
        assert_eq!(encode(&record, 0, &keys(), &mut out), Err("account"));
        let Body::Intent(body) = &mut record.body else { panic!("an INTENT") };
        body.account = Some("9".repeat(20_000).into());
        assert_eq!(encode(&record, 0, &keys(), &mut out), Err("record"));
        assert_eq!(out, b"before");
    }

    #[test]
    fn unknown_versions_and_kinds_are_named() {
        let mut bytes = encoded(&reversed(1), 3);
        bytes[1] = 16;
        assert_eq!(
            decode(&bytes, 3, Unseal::Open(&keys())).unwrap_err().to_string(),
            "record 3: kind: not a value of this field"
        );
        bytes[0] = 3;
        let error = decode(&bytes, 3, Unseal::Open(&keys())).unwrap_err();
        assert_eq!(error.to_string(), "record 3: version: a version that is not known");
    }
}
