//! Records as bytes, version 1: each thing is written and read side by side (docs/log.md#records).

use credential::{CitizenNumber, Pan, Pseudonym, Reference};
use keys::{DataKeys, SEALED_BYTES};
use processor::{
    Advice, BankIdentity, Block, BlockSubject, Body, Carried, ClaimReason, Class, Code, Content, Day,
    Declined, Evidence, Institution, Intent, Kind, LinkedBank, NoteReason, Outcome, Position, Record,
    Request, Resolution, Reversal, Rrn, Spend, Suspense, TerminalId, TxKey, UtcSeconds, Verification,
};

use crate::wire::{DecodeError, DecodeFault, Decoded, Reader, Writer};

/// The version that is written.
pub const RECORD_VERSION: u8 = 1;

/// A record's bytes are no more than this: a registry's answer of 8,192, sixteen linked banks and the longest elements
/// fill less than two thirds of it.
pub const RECORD_BYTES_MAX: usize = 16_384;

/// How much of a record is read.
#[derive(Clone, Copy)]
pub(crate) enum Unseal<'a> {
    /// All of it, the PAN opened: every record that leaves this crate.
    Open(&'a DataKeys),
    /// What folds and names need: a PAN of zeros stands for the sealed one, and no carried elements and no registry's
    /// answer are kept. A start reads a million such records a second.
    Leave,
}

impl Unseal<'_> {
    fn is_whole(self) -> bool {
        match self {
            Unseal::Open(_) => true,
            Unseal::Leave => false,
        }
    }
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
    let mut writer = Writer::new(out);
    writer.u8(RECORD_VERSION);
    writer.u8(kind_of(&record.body));
    writer.i64(record.at_ms);
    writer.optional(record.transaction.as_ref(), put_key);
    writer.u8(match record.suspense {
        None => 0,
        Some(Suspense::Age) => 1,
        Some(Suspense::Claim) => 2,
    });
    writer.optional(record.spend.as_ref(), put_spend);
    put_body(&mut writer, &record.body, &Seal { keys, position });
    let fault = writer.too_long().or((out.len() - start > RECORD_BYTES_MAX).then_some("record"));
    match fault {
        None => Ok(()),
        Some(field) => {
            out.truncate(start);
            Err(field)
        }
    }
}

/// Reads a record's bytes: all of them and nothing else.
pub(crate) fn decode(bytes: &[u8], position: Position, unseal: Unseal<'_>) -> Result<Record, DecodeError> {
    let mut reader = Reader::new(bytes, position);
    if reader.u8("version")? != RECORD_VERSION {
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
    let body = take_body(&mut reader, kind, unseal)?;
    reader.end()?;
    Ok(Record { at_ms, transaction, suspense, spend, body })
}

/// The transaction of a record, read from the front of its bytes alone.
pub(crate) fn transaction_of(bytes: &[u8]) -> Option<TxKey> {
    // Version, kind and clock stand in front of it.
    let mut reader = Reader::new(bytes.get(10..)?, 0);
    reader.optional("transaction", take_key).ok().flatten()
}

/// A record of these bytes may speak of a business day: it is an INTENT, REVERSAL or CUTOVER.
pub(crate) fn may_name_day(bytes: &[u8]) -> bool {
    matches!(bytes.get(1), Some(1 | 4 | 11))
}

struct Seal<'a> {
    keys: &'a DataKeys,
    position: Position,
}

/// The nonce is the position, so that none is used twice in one log; RFC 8452 keeps its promise even where a cut
/// tail's positions are given anew.
fn nonce_of(position: Position) -> [u8; 12] {
    let mut nonce = *b"DE2\x01\0\0\0\0\0\0\0\0";
    nonce[4..].copy_from_slice(&position.to_be_bytes());
    nonce
}

fn put_pan(writer: &mut Writer<'_>, pan: &Pan, seal: &Seal<'_>) {
    writer.raw(&seal.keys.seal_pan(pan, nonce_of(seal.position), &seal.position.to_be_bytes()));
}

fn take_pan(reader: &mut Reader<'_>, unseal: Unseal<'_>) -> Decoded<Pan> {
    let sealed: [u8; SEALED_BYTES] = reader.array("pan")?;
    match unseal {
        Unseal::Open(keys) => {
            let position = reader.position();
            keys.open_pan(&sealed, nonce_of(position), &position.to_be_bytes())
                .map_err(|_| reader.error("pan", DecodeFault::Sealed))
        }
        Unseal::Leave => {
            let nobody = CitizenNumber::parse(b"001000000000").expect("twelve digits behind a province");
            Ok(Pan::new(*b"000000", &nobody))
        }
    }
}

fn kind_of(body: &Body) -> u8 {
    match body {
        Body::Intent(_) => 1,
        Body::Outcome(_) => 2,
        Body::Declined(_) => 3,
        Body::Reversal(_) => 4,
        Body::Reversed(_) => 5,
        Body::Complete(_) => 6,
        Body::Claim(..) => 7,
        Body::Note(..) => 8,
        Body::Tombstone(_) => 9,
        Body::Verification(_) => 10,
        Body::Cutover(_) => 11,
        Body::Block(_) => 12,
        Body::Resolution(_) => 13,
    }
}

fn put_body(writer: &mut Writer<'_>, body: &Body, seal: &Seal<'_>) {
    match body {
        Body::Intent(intent) => put_intent(writer, intent, seal),
        Body::Outcome(outcome) => {
            writer.optional(outcome.approval, |writer, approval| writer.raw(&approval));
            put_carried(writer, &outcome.carried);
        }
        Body::Declined(declined) => {
            writer.optional(declined.request.as_ref(), |writer, request| put_request(writer, request, seal));
            writer.raw(&declined.code.0);
            writer.optional(declined.bank_code, |writer, code| writer.raw(&code.0));
            writer.u8(declined.send_sod.into());
            writer.optional(declined.evidence.as_ref(), put_evidence);
        }
        Body::Reversal(reversal) => {
            put_identity(writer, &reversal.identity);
            put_day(writer, reversal.day);
            writer.u64(reversal.left_minor);
            writer.raw(&reversal.reason.0);
            writer.raw(&reversal.answer.0);
            writer.optional(reversal.advice.as_ref(), put_advice);
        }
        Body::Reversed(code) => writer.raw(&code.0),
        Body::Complete(advice) | Body::Tombstone(advice) => writer.optional(advice.as_ref(), put_advice),
        Body::Claim(reason, advice) => {
            writer.u8(match reason {
                ClaimReason::CompletionBeforeOutcome => 1,
                ClaimReason::CompletionWithoutApproval => 2,
                ClaimReason::CashAfterReversal => 3,
                ClaimReason::CashWithoutApproval => 4,
                ClaimReason::ReversalAfterCompletion => 5,
                ClaimReason::OtherAmount => 6,
                ClaimReason::MoreThanAsked => 7,
            });
            writer.optional(advice.as_ref(), put_advice);
        }
        Body::Note(reason, advice) => {
            writer.u8(match reason {
                NoteReason::ApprovalSeen => 1,
                NoteReason::PastItsAge => 2,
                NoteReason::BankSaysOtherwise => 3,
                NoteReason::AdviceAgain => 4,
                NoteReason::ReversalRefused => 5,
            });
            writer.optional(advice.as_ref(), put_advice);
        }
        Body::Verification(verification) => put_verification(writer, verification, seal),
        Body::Cutover(day) => put_day(writer, *day),
        Body::Block(block) => put_block(writer, block),
        Body::Resolution(resolution) => {
            writer.bytes("by", resolution.by.as_bytes());
            writer.bytes("why", resolution.why.as_bytes());
        }
    }
}

fn take_body(reader: &mut Reader<'_>, kind: u8, unseal: Unseal<'_>) -> Decoded<Body> {
    Ok(match kind {
        1 => Body::Intent(Box::new(take_intent(reader, unseal)?)),
        2 => Body::Outcome(Outcome {
            approval: reader.optional("approval", |reader| reader.array("approval"))?,
            carried: take_carried(reader, unseal)?,
        }),
        3 => Body::Declined(Box::new(Declined {
            request: reader.optional("request", |reader| take_request(reader, unseal))?,
            code: take_code(reader, "code")?,
            bank_code: reader.optional("bank code", |reader| take_code(reader, "bank code"))?,
            send_sod: reader.flag("send SOD")?,
            evidence: reader.optional("evidence", |reader| take_evidence(reader, unseal))?,
        })),
        4 => Body::Reversal(Reversal {
            identity: take_identity(reader)?,
            day: take_day(reader)?,
            left_minor: reader.u64("left")?,
            reason: take_code(reader, "reason")?,
            answer: take_code(reader, "answer")?,
            advice: reader.optional("advice", take_advice)?,
        }),
        5 => Body::Reversed(take_code(reader, "code")?),
        6 => Body::Complete(reader.optional("advice", take_advice)?),
        7 => {
            let reason = match reader.u8("claim reason")? {
                1 => ClaimReason::CompletionBeforeOutcome,
                2 => ClaimReason::CompletionWithoutApproval,
                3 => ClaimReason::CashAfterReversal,
                4 => ClaimReason::CashWithoutApproval,
                5 => ClaimReason::ReversalAfterCompletion,
                6 => ClaimReason::OtherAmount,
                7 => ClaimReason::MoreThanAsked,
                _ => return Err(reader.error("claim reason", DecodeFault::Value)),
            };
            Body::Claim(reason, reader.optional("advice", take_advice)?)
        }
        8 => {
            let reason = match reader.u8("note reason")? {
                1 => NoteReason::ApprovalSeen,
                2 => NoteReason::PastItsAge,
                3 => NoteReason::BankSaysOtherwise,
                4 => NoteReason::AdviceAgain,
                5 => NoteReason::ReversalRefused,
                _ => return Err(reader.error("note reason", DecodeFault::Value)),
            };
            Body::Note(reason, reader.optional("advice", take_advice)?)
        }
        9 => Body::Tombstone(reader.optional("advice", take_advice)?),
        10 => Body::Verification(Box::new(take_verification(reader, unseal)?)),
        11 => Body::Cutover(take_day(reader)?),
        12 => Body::Block(take_block(reader)?),
        13 => Body::Resolution(Resolution { by: reader.text("by")?, why: reader.text("why")? }),
        _ => return Err(reader.error("kind", DecodeFault::Value)),
    })
}

fn put_intent(writer: &mut Writer<'_>, intent: &Intent, seal: &Seal<'_>) {
    put_request(writer, &intent.request, seal);
    put_institution(writer, intent.bank);
    writer.optional(intent.account.as_deref(), |writer, text| writer.bytes("account", text.as_bytes()));
    put_identity(writer, &intent.identity);
    put_day(writer, intent.day);
    writer.optional(intent.reference, |writer, reference| writer.raw(&reference.0));
    writer.optional(intent.evidence.as_ref(), put_evidence);
}

fn take_intent(reader: &mut Reader<'_>, unseal: Unseal<'_>) -> Decoded<Intent> {
    Ok(Intent {
        request: take_request(reader, unseal)?,
        bank: take_institution(reader, "bank")?,
        account: reader.optional("account", |reader| reader.text("account"))?,
        identity: take_identity(reader)?,
        day: take_day(reader)?,
        reference: reader.optional("reference", |reader| reader.array("reference").map(Reference))?,
        evidence: reader.optional("evidence", |reader| take_evidence(reader, unseal))?,
    })
}

fn put_verification(writer: &mut Writer<'_>, verification: &Verification, seal: &Seal<'_>) {
    put_request(writer, &verification.request, seal);
    writer.raw(&verification.reference.0);
    writer.i64(verification.expires_at_ms);
    writer.u8(verification.biometric_matched.into());
    writer.length("banks", verification.banks.len());
    for linked in &verification.banks {
        put_institution(writer, linked.bank);
        writer.bytes("alias", linked.alias.as_bytes());
        writer.u8(linked.default.into());
    }
    put_evidence(writer, &verification.evidence);
}

fn take_verification(reader: &mut Reader<'_>, unseal: Unseal<'_>) -> Decoded<Verification> {
    Ok(Verification {
        request: take_request(reader, unseal)?,
        reference: Reference(reader.array("reference")?),
        expires_at_ms: reader.i64("expires at")?,
        biometric_matched: reader.flag("biometric matched")?,
        banks: (0..reader.u16("banks")?)
            .map(|_| {
                Ok(LinkedBank {
                    bank: take_institution(reader, "bank")?,
                    alias: reader.text("alias")?,
                    default: reader.flag("default")?,
                })
            })
            .collect::<Decoded<_>>()?,
        evidence: take_evidence(reader, unseal)?,
    })
}

fn put_request(writer: &mut Writer<'_>, request: &Request, seal: &Seal<'_>) {
    writer.u8(match request.kind {
        Kind::Withdrawal => 1,
        Kind::Deposit => 2,
        Kind::Balance => 3,
        Kind::MiniStatement => 4,
        Kind::Transfer => 5,
        Kind::Verification => 6,
    });
    put_pan(writer, &request.pan, seal);
    put_content(writer, &request.content);
    writer.raw(&request.rrn.0);
    writer.u8(request.rrn_from_terminal.into());
    put_carried(writer, &request.carried);
}

fn take_request(reader: &mut Reader<'_>, unseal: Unseal<'_>) -> Decoded<Request> {
    Ok(Request {
        kind: match reader.u8("transaction kind")? {
            1 => Kind::Withdrawal,
            2 => Kind::Deposit,
            3 => Kind::Balance,
            4 => Kind::MiniStatement,
            5 => Kind::Transfer,
            6 => Kind::Verification,
            _ => return Err(reader.error("transaction kind", DecodeFault::Value)),
        },
        pan: take_pan(reader, unseal)?,
        content: take_content(reader)?,
        rrn: Rrn(reader.array("RRN")?),
        rrn_from_terminal: reader.flag("RRN from terminal")?,
        carried: take_carried(reader, unseal)?,
    })
}

fn put_content(writer: &mut Writer<'_>, content: &Content) {
    writer.raw(&content.citizen.0);
    writer.raw(&content.processing);
    writer.u64(content.amount_minor);
    writer.u16(content.currency);
    writer.optional(content.original.as_ref(), put_key);
    writer.optional(content.left_minor, Writer::u64);
    writer.optional(content.institution, put_institution);
    writer.optional(content.from_account.as_deref(), |writer, text| {
        writer.bytes("from account", text.as_bytes());
    });
    writer.optional(content.to_account.as_deref(), |writer, text| {
        writer.bytes("to account", text.as_bytes());
    });
}

fn take_content(reader: &mut Reader<'_>) -> Decoded<Content> {
    Ok(Content {
        citizen: Pseudonym(reader.array("citizen")?),
        processing: reader.array("processing code")?,
        amount_minor: reader.u64("amount")?,
        currency: reader.u16("currency")?,
        original: reader.optional("original", take_key)?,
        left_minor: reader.optional("left", |reader| reader.u64("left"))?,
        institution: reader.optional("institution", |reader| take_institution(reader, "institution"))?,
        from_account: reader.optional("from account", |reader| reader.text("from account"))?,
        to_account: reader.optional("to account", |reader| reader.text("to account"))?,
    })
}

fn put_advice(writer: &mut Writer<'_>, advice: &Advice) {
    put_key(writer, &advice.key);
    put_content(writer, &advice.content);
    writer.optional(advice.reason, |writer, code| writer.raw(&code.0));
}

fn take_advice(reader: &mut Reader<'_>) -> Decoded<Advice> {
    Ok(Advice {
        key: take_key(reader)?,
        content: take_content(reader)?,
        reason: reader.optional("advice reason", |reader| take_code(reader, "advice reason"))?,
    })
}

fn put_evidence(writer: &mut Writer<'_>, evidence: &Evidence) {
    writer.bytes("registry answer", &evidence.registry_answer);
    writer.raw(&evidence.sod_sha256);
    writer.raw(&evidence.dg15_sha256);
    writer.u8(evidence.passive.into());
    writer.u8(evidence.active.into());
}

fn take_evidence(reader: &mut Reader<'_>, unseal: Unseal<'_>) -> Decoded<Evidence> {
    let registry_answer = reader.bytes("registry answer")?;
    Ok(Evidence {
        registry_answer: if unseal.is_whole() { registry_answer.into() } else { Box::default() },
        sod_sha256: reader.array("SOD digest")?,
        dg15_sha256: reader.array("DG15 digest")?,
        passive: reader.flag("passive")?,
        active: reader.flag("active")?,
    })
}

fn put_block(writer: &mut Writer<'_>, block: &Block) {
    match block.subject {
        BlockSubject::Terminal(terminal) => {
            writer.u8(1);
            writer.raw(&terminal.0);
        }
        BlockSubject::Bank(bank) => {
            writer.u8(2);
            put_institution(writer, bank);
        }
        BlockSubject::Citizen(citizen) => {
            writer.u8(3);
            writer.raw(&citizen.0);
        }
    }
    writer.u8(block.set.into());
    writer.bytes("by", block.by.as_bytes());
}

fn take_block(reader: &mut Reader<'_>) -> Decoded<Block> {
    let subject = match reader.u8("block subject")? {
        1 => BlockSubject::Terminal(TerminalId(reader.array("terminal")?)),
        2 => BlockSubject::Bank(take_institution(reader, "bank")?),
        3 => BlockSubject::Citizen(Pseudonym(reader.array("citizen")?)),
        _ => return Err(reader.error("block subject", DecodeFault::Value)),
    };
    Ok(Block { subject, set: reader.flag("set")?, by: reader.text("by")? })
}

fn put_carried(writer: &mut Writer<'_>, carried: &Carried) {
    writer.length("carried", carried.iter().count());
    for (element, value) in carried.iter() {
        writer.u8(element);
        writer.bytes("carried element", value);
    }
}

fn take_carried(reader: &mut Reader<'_>, unseal: Unseal<'_>) -> Decoded<Carried> {
    let mut carried = Carried::default();
    for _ in 0..reader.u16("carried")? {
        let element = reader.u8("carried")?;
        let value = reader.bytes("carried element")?;
        if unseal.is_whole() {
            carried.set(element, value);
        }
    }
    Ok(carried)
}

fn put_key(writer: &mut Writer<'_>, key: &TxKey) {
    writer.u8(match key.class {
        Class::Verification => 1,
        Class::Financial => 2,
        Class::Completion => 3,
        Class::Reversal => 4,
    });
    put_institution(writer, key.acquirer);
    writer.raw(&key.terminal.0);
    writer.i64(key.sent_at.0);
    writer.u32(key.stan);
}

fn take_key(reader: &mut Reader<'_>) -> Decoded<TxKey> {
    Ok(TxKey {
        class: match reader.u8("key class")? {
            1 => Class::Verification,
            2 => Class::Financial,
            3 => Class::Completion,
            4 => Class::Reversal,
            _ => return Err(reader.error("key class", DecodeFault::Value)),
        },
        acquirer: take_institution(reader, "acquirer")?,
        terminal: TerminalId(reader.array("terminal")?),
        sent_at: UtcSeconds(reader.i64("sent at")?),
        stan: reader.u32("STAN")?,
    })
}

fn put_spend(writer: &mut Writer<'_>, spend: &Spend) {
    writer.raw(&spend.citizen.0);
    put_day(writer, spend.day);
    writer.i64(spend.amount_minor);
    writer.raw(&spend.count.to_be_bytes());
}

fn take_spend(reader: &mut Reader<'_>) -> Decoded<Spend> {
    Ok(Spend {
        citizen: Pseudonym(reader.array("spend citizen")?),
        day: take_day(reader)?,
        amount_minor: reader.i64("spend amount")?,
        count: i32::from_be_bytes(reader.array("spend count")?),
    })
}

fn put_institution(writer: &mut Writer<'_>, institution: Institution) {
    let (digits, length) = institution.parts();
    writer.u8(length);
    writer.u64(digits);
}

fn take_institution(reader: &mut Reader<'_>, field: &'static str) -> Decoded<Institution> {
    let length = reader.u8(field)?;
    let digits = reader.u64(field)?;
    reader.check(field, Institution::from_parts(digits, length))
}

fn put_identity(writer: &mut Writer<'_>, identity: &BankIdentity) {
    writer.i64(identity.sent_at.0);
    writer.u32(identity.stan);
}

fn take_identity(reader: &mut Reader<'_>) -> Decoded<BankIdentity> {
    Ok(BankIdentity { sent_at: UtcSeconds(reader.i64("bank's sent at")?), stan: reader.u32("bank's STAN")? })
}

fn put_day(writer: &mut Writer<'_>, day: Day) {
    writer.u32(day.yyyymmdd());
}

fn take_day(reader: &mut Reader<'_>) -> Decoded<Day> {
    let yyyymmdd = reader.u32("day")?;
    reader.check("day", Day::new(yyyymmdd))
}

fn take_code(reader: &mut Reader<'_>, field: &'static str) -> Decoded<Code> {
    reader.array(field).map(Code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
                assert_eq!((error.position, error.fault), (7, DecodeFault::Short), "{name} cut to {length}");
            }
            bytes.push(0);
            assert_eq!(
                decode(&bytes, 7, Unseal::Open(&keys())).unwrap_err().fault,
                DecodeFault::Trailing,
                "{name}"
            );
        }
    }

    #[test]
    fn no_pan_stands_in_clear_and_none_opens_elsewhere() {
        let bytes = encoded(&intent(1), 7);
        let clear = b"001203000001";
        assert!(!bytes.windows(clear.len()).any(|window| window == clear));
        let error = decode(&bytes, 8, Unseal::Open(&keys())).unwrap_err();
        assert_eq!(error.to_string(), "record 8: pan: does not open with this key");
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
        bytes[1] = 14;
        assert_eq!(
            decode(&bytes, 3, Unseal::Open(&keys())).unwrap_err().to_string(),
            "record 3: kind: not a value of this field"
        );
        bytes[0] = 2;
        let error = decode(&bytes, 3, Unseal::Open(&keys())).unwrap_err();
        assert_eq!(error.to_string(), "record 3: version: a version that is not known");
    }
}
