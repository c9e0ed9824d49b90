//! Records as bytes: each thing is written and read side by side (docs/log.md#records). Version 2 is written; version 1
//! is read.

use credential::{CitizenNumber, Pan, Pseudonym, Reference};
use keys::{DataKeys, OpenError, PAN_DIGITS, SEAL_TAG_BYTES, SEALED_PAN_BYTES};
use mutant::Mutant;
use processor::{
    AccountNumber, Advice, AskedAgain, BankIdentity, Block, BlockSubject, Body, Carried, ClaimReason, Class,
    Code, Content, Day, Declined, Evidence, Figures, Institution, Intent, Kind, LinkedBank, NoteReason,
    Outcome, Position, Record, RegistryWord, Request, Resolution, Reversal, Rrn, Side, Spend, Suspense,
    TOTALS_ELEMENTS, TerminalId, Totals, TotalsStep, TxKey, UtcSeconds, Verification,
};

use crate::wire::{DecodeError, DecodeFault, Decoded, Reader, Writer};

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

/// In front of a record's body: the generation of the key that sealed what is personal in it (0 where nothing is), and how
/// many bytes that has (2).
const SEAL_NOTE_BYTES: usize = 3;

/// What is personal in a request, its account and what it carries has room in so many bytes, most often.
const PRIVATE_ROOM_BYTES: usize = 256;

/// Where a record's fields are put: those that are personal are gathered apart.
struct Put<'a> {
    clear: Writer<'a>,
    private: Writer<'a>,
}

impl Put<'_> {
    /// Whether there is a value stands in clear, and in front of it.
    fn optional<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.clear.u8(value.is_some().into());
        if let Some(value) = value {
            put(self, value);
        }
    }

    /// As [`Put::optional`], of a value that is personal.
    fn private_optional<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Writer<'_>, T)) {
        self.optional(value, |fields, value| put(&mut fields.private, value));
    }
}

/// Where a record's fields are taken from.
struct Take<'a, 'k> {
    clear: Reader<'a>,
    private: Private<'a, 'k>,
}

/// Where the fields stand that are personal.
enum Private<'a, 'k> {
    /// Version 1: each in its place in clear, but the PAN.
    AmongTheOthers(Unseal<'k>),
    /// In the piece that was opened, in their order.
    Opened(Reader<'a>),
    /// In the piece that is left sealed.
    Left,
}

impl Take<'_, '_> {
    /// A field that is personal; `None` where what is personal is left.
    fn private<T>(&mut self, take: impl FnOnce(&mut Reader<'_>) -> Decoded<T>) -> Decoded<Option<T>> {
        match &mut self.private {
            Private::AmongTheOthers(Unseal::Open(_)) => take(&mut self.clear).map(Some),
            Private::AmongTheOthers(Unseal::Leave | Unseal::LeaveOurs(_)) => {
                take(&mut self.clear).map(|_| None)
            }
            Private::Opened(reader) => take(reader).map(Some),
            Private::Left => Ok(None),
        }
    }

    fn optional<T>(
        &mut self,
        field: &'static str,
        take: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.clear.flag(field)? { take(self).map(Some) } else { Ok(None) }
    }

    /// As [`Take::private`], of a field that a record may have or not: that it has it is not personal.
    fn private_optional<T>(
        &mut self,
        field: &'static str,
        take: impl FnOnce(&mut Reader<'_>) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        Ok(self.optional(field, |fields| fields.private(take))?.flatten())
    }
}

/// Splits the sealed piece off the end of what is to be read, and opens it into `opened`.
fn take_sealed<'a, 'k>(
    reader: &mut Reader<'a>,
    bytes: &[u8],
    unseal: Unseal<'k>,
    opened: &'a mut Vec<u8>,
) -> Decoded<Private<'a, 'k>> {
    let generation = reader.u8("key generation")?;
    let length = usize::from(reader.u16("sealed length")?);
    if generation == 0 || length == 0 {
        reader.check("key generation", (generation == 0 && length == 0).then_some(()))?;
        return Ok(Private::Opened(Reader::new(&[], reader.position())));
    }
    let sealed = reader.split_off("sealed", length + SEAL_TAG_BYTES)?;
    let keys = match unseal {
        Unseal::Open(keys) => keys,
        Unseal::Leave => return Ok(Private::Left),
        Unseal::LeaveOurs(keys) => {
            let fault = DecodeFault::NoKey(generation);
            return keys
                .has(generation)
                .then_some(Private::Left)
                .ok_or_else(|| reader.error("sealed", fault));
        }
    };
    let front = &bytes[..bytes.len() - sealed.len()];
    opened.extend_from_slice(sealed);
    let (nonce, beside) = seal_place(reader.position(), front);
    let private = keys.open(generation, nonce, beside, opened);
    let private = private.map_err(|error| reader.error("sealed", DecodeFault::of(error)))?;
    Ok(Private::Opened(Reader::new(private, reader.position())))
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

/// The nonce, and what is authenticated beside what is sealed: it belongs to its position, which is the nonce's, and to the
/// record's clear fields in front of it. No position has two records in one log; RFC 8452 keeps its promise even where a cut
/// tail's are given anew.
fn seal_place(position: Position, front: &[u8]) -> ([u8; 12], &[u8]) {
    let mut nonce = *b"REC\x02\0\0\0\0\0\0\0\0";
    if mutant::is(Mutant::SealedOpensAnywhere) {
        return (nonce, &[]);
    }
    nonce[4..].copy_from_slice(&position.to_be_bytes());
    (nonce, front)
}

/// That of version 1, whose PAN was authenticated with its position alone.
fn nonce_of_version_1(position: Position) -> [u8; 12] {
    let mut nonce = *b"DE2\x01\0\0\0\0\0\0\0\0";
    nonce[4..].copy_from_slice(&position.to_be_bytes());
    nonce
}

fn take_pan(fields: &mut Take<'_, '_>) -> Decoded<Pan> {
    let pan = match &mut fields.private {
        Private::AmongTheOthers(unseal) => take_pan_of_version_1(&mut fields.clear, *unseal)?,
        Private::Opened(reader) => {
            let digits: [u8; PAN_DIGITS] = reader.array("pan")?;
            Some(reader.check("pan", Pan::parse(&digits).ok())?)
        }
        Private::Left => None,
    };
    Ok(pan.unwrap_or_else(|| {
        let nobody = CitizenNumber::parse(b"001000000000").expect("twelve digits behind a province");
        Pan::new(*b"000000", &nobody)
    }))
}

fn take_pan_of_version_1(reader: &mut Reader<'_>, unseal: Unseal<'_>) -> Decoded<Option<Pan>> {
    let sealed: [u8; SEALED_PAN_BYTES] = reader.array("pan")?;
    let position = reader.position();
    let pan = match unseal {
        Unseal::Open(keys) => keys.open_pan(&sealed, nonce_of_version_1(position), &position.to_be_bytes()),
        Unseal::LeaveOurs(keys) if !keys.has(1) => Err(OpenError::NoKey(1)),
        Unseal::Leave | Unseal::LeaveOurs(_) => return Ok(None),
    };
    pan.map(Some).map_err(|error| reader.error("pan", DecodeFault::of(error)))
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
        Body::Totals(_) => 14,
        Body::AskedAgain(_) => 15,
    }
}

fn put_body(fields: &mut Put<'_>, body: &Body) {
    match body {
        Body::Intent(intent) => put_intent(fields, intent),
        Body::Outcome(outcome) => {
            fields.clear.optional(outcome.approval, |writer, approval| writer.raw(&approval));
            put_carried(fields, &outcome.carried);
        }
        Body::Declined(declined) => {
            fields.optional(declined.request.as_ref(), put_request);
            fields.clear.raw(&declined.code.0);
            fields.clear.optional(declined.bank_code, |writer, code| writer.raw(&code.0));
            fields.clear.u8(declined.send_sod.into());
            fields.private_optional(declined.evidence.as_ref(), put_evidence);
        }
        Body::Reversal(reversal) => {
            put_identity(&mut fields.clear, &reversal.identity);
            put_day(&mut fields.clear, reversal.day);
            fields.clear.u64(reversal.left_minor);
            fields.clear.raw(&reversal.reason.0);
            fields.clear.raw(&reversal.answer.0);
            fields.optional(reversal.advice.as_ref(), put_advice);
        }
        Body::Reversed(code) => fields.clear.raw(&code.0),
        Body::Complete(advice) | Body::Tombstone(advice) => fields.optional(advice.as_ref(), put_advice),
        Body::Claim(reason, advice) => {
            fields.clear.u8(match reason {
                ClaimReason::CompletionBeforeOutcome => 1,
                ClaimReason::CompletionWithoutApproval => 2,
                ClaimReason::CashAfterReversal => 3,
                ClaimReason::CashWithoutApproval => 4,
                ClaimReason::ReversalAfterCompletion => 5,
                ClaimReason::OtherAmount => 6,
                ClaimReason::MoreThanAsked => 7,
            });
            fields.optional(advice.as_ref(), put_advice);
        }
        Body::Note(reason, advice) => {
            fields.clear.u8(match reason {
                NoteReason::ApprovalSeen => 1,
                NoteReason::PastItsAge => 2,
                NoteReason::BankSaysOtherwise => 3,
                NoteReason::AdviceAgain => 4,
                NoteReason::ReversalRefused => 5,
            });
            fields.optional(advice.as_ref(), put_advice);
        }
        Body::Verification(verification) => put_verification(fields, verification),
        Body::Cutover(day) => put_day(&mut fields.clear, *day),
        Body::Block(block) => put_block(&mut fields.clear, block),
        Body::Resolution(resolution) => {
            fields.clear.bytes("by", resolution.by.as_bytes());
            fields.private.bytes("why", resolution.why.as_bytes());
        }
        Body::Totals(totals) => put_totals(&mut fields.clear, totals),
        Body::AskedAgain(asked) => {
            fields.clear.optional(asked.refused, |writer, code| writer.raw(&code.0));
            put_evidence(&mut fields.private, &asked.evidence);
        }
    }
}

fn take_body(fields: &mut Take<'_, '_>, kind: u8) -> Decoded<Body> {
    Ok(match kind {
        1 => Body::Intent(Box::new(take_intent(fields)?)),
        2 => Body::Outcome(Outcome {
            approval: fields.clear.optional("approval", |reader| reader.array("approval"))?,
            carried: take_carried(fields)?,
        }),
        3 => Body::Declined(Box::new(Declined {
            request: fields.optional("request", take_request)?,
            code: take_code(&mut fields.clear, "code")?,
            bank_code: fields.clear.optional("bank code", |reader| take_code(reader, "bank code"))?,
            send_sod: fields.clear.flag("send SOD")?,
            evidence: fields.private_optional("evidence", take_evidence)?,
        })),
        4 => Body::Reversal(Reversal {
            identity: take_identity(&mut fields.clear)?,
            day: take_day(&mut fields.clear)?,
            left_minor: fields.clear.u64("left")?,
            reason: take_code(&mut fields.clear, "reason")?,
            answer: take_code(&mut fields.clear, "answer")?,
            advice: fields.optional("advice", take_advice)?,
        }),
        5 => Body::Reversed(take_code(&mut fields.clear, "code")?),
        6 => Body::Complete(fields.optional("advice", take_advice)?),
        7 => {
            let reason = match fields.clear.u8("claim reason")? {
                1 => ClaimReason::CompletionBeforeOutcome,
                2 => ClaimReason::CompletionWithoutApproval,
                3 => ClaimReason::CashAfterReversal,
                4 => ClaimReason::CashWithoutApproval,
                5 => ClaimReason::ReversalAfterCompletion,
                6 => ClaimReason::OtherAmount,
                7 => ClaimReason::MoreThanAsked,
                _ => return Err(fields.clear.error("claim reason", DecodeFault::Value)),
            };
            Body::Claim(reason, fields.optional("advice", take_advice)?)
        }
        8 => {
            let reason = match fields.clear.u8("note reason")? {
                1 => NoteReason::ApprovalSeen,
                2 => NoteReason::PastItsAge,
                3 => NoteReason::BankSaysOtherwise,
                4 => NoteReason::AdviceAgain,
                5 => NoteReason::ReversalRefused,
                _ => return Err(fields.clear.error("note reason", DecodeFault::Value)),
            };
            Body::Note(reason, fields.optional("advice", take_advice)?)
        }
        9 => Body::Tombstone(fields.optional("advice", take_advice)?),
        10 => Body::Verification(Box::new(take_verification(fields)?)),
        11 => Body::Cutover(take_day(&mut fields.clear)?),
        12 => Body::Block(take_block(&mut fields.clear)?),
        13 => Body::Resolution(Resolution {
            by: fields.clear.text("by")?,
            why: fields.private(|reader| reader.text("why"))?.unwrap_or_default(),
        }),
        14 => Body::Totals(Box::new(take_totals(&mut fields.clear)?)),
        15 => Body::AskedAgain(Box::new(AskedAgain {
            refused: fields.clear.optional("refused", |reader| take_code(reader, "refused"))?,
            evidence: fields.private(take_evidence)?.unwrap_or_else(left_evidence),
        })),
        _ => return Err(fields.clear.error("kind", DecodeFault::Value)),
    })
}

const NO_EVIDENCE: u8 = 0;
const SIGNED_EVIDENCE: u8 = 1;
const OWED_EVIDENCE: u8 = 2;

fn put_intent(fields: &mut Put<'_>, intent: &Intent) {
    put_request(fields, &intent.request);
    put_institution(&mut fields.clear, intent.bank);
    fields.private_optional(intent.account.as_deref(), put_account);
    put_identity(&mut fields.clear, &intent.identity);
    put_day(&mut fields.clear, intent.day);
    fields.clear.optional(intent.reference, |writer, reference| writer.raw(&reference.0));
    // Whether the registry is owed a question stands in clear: a start that opens nothing has to know.
    fields.clear.u8(intent.evidence.as_ref().map_or(NO_EVIDENCE, |evidence| match evidence.is_owed() {
        false => SIGNED_EVIDENCE,
        true => OWED_EVIDENCE,
    }));
    if let Some(evidence) = &intent.evidence {
        put_evidence(&mut fields.private, evidence);
    }
}

fn take_intent(fields: &mut Take<'_, '_>) -> Decoded<Intent> {
    Ok(Intent {
        request: take_request(fields)?,
        bank: take_institution(&mut fields.clear, "bank")?,
        account: fields.private_optional("account", |reader| take_account(reader, "account"))?,
        identity: take_identity(&mut fields.clear)?,
        day: take_day(&mut fields.clear)?,
        reference: fields.clear.optional("reference", |reader| reader.array("reference").map(Reference))?,
        evidence: take_intent_evidence(fields)?,
    })
}

fn take_intent_evidence(fields: &mut Take<'_, '_>) -> Decoded<Option<Evidence>> {
    let owed = |evidence: Evidence| match evidence.registry {
        RegistryWord::Signed(bytes) | RegistryWord::Owed(bytes) => {
            Evidence { registry: RegistryWord::Owed(bytes), ..evidence }
        }
    };
    match fields.clear.u8("evidence")? {
        NO_EVIDENCE => Ok(None),
        SIGNED_EVIDENCE => fields.private(take_evidence),
        OWED_EVIDENCE => Ok(Some(owed(fields.private(take_evidence)?.unwrap_or_else(left_evidence)))),
        _ => Err(fields.clear.error("evidence", DecodeFault::Value)),
    }
}

fn put_verification(fields: &mut Put<'_>, verification: &Verification) {
    put_request(fields, &verification.request);
    fields.clear.raw(&verification.reference.0);
    fields.clear.i64(verification.expires_at_ms);
    fields.clear.u8(verification.biometric_matched.into());
    put_banks(&mut fields.private, &verification.banks);
    put_evidence(&mut fields.private, &verification.evidence);
}

fn take_verification(fields: &mut Take<'_, '_>) -> Decoded<Verification> {
    Ok(Verification {
        request: take_request(fields)?,
        reference: Reference(fields.clear.array("reference")?),
        expires_at_ms: fields.clear.i64("expires at")?,
        biometric_matched: fields.clear.flag("biometric matched")?,
        banks: fields.private(take_banks)?.unwrap_or_default(),
        evidence: fields.private(take_evidence)?.unwrap_or_else(left_evidence),
    })
}

fn put_banks(writer: &mut Writer<'_>, banks: &[LinkedBank]) {
    writer.length("banks", banks.len());
    for linked in banks {
        put_institution(writer, linked.bank);
        writer.bytes("alias", linked.alias.as_bytes());
        writer.u8(linked.default.into());
    }
}

fn take_banks(reader: &mut Reader<'_>) -> Decoded<Vec<LinkedBank>> {
    (0..reader.u16("banks")?)
        .map(|_| {
            Ok(LinkedBank {
                bank: take_institution(reader, "bank")?,
                alias: reader.text("alias")?,
                default: reader.flag("default")?,
            })
        })
        .collect()
}

fn take_account(reader: &mut Reader<'_>, field: &'static str) -> Decoded<AccountNumber> {
    reader.text(field).map(Into::into)
}

fn put_account(writer: &mut Writer<'_>, account: &str) {
    writer.bytes("account", account.as_bytes());
}

fn put_request(fields: &mut Put<'_>, request: &Request) {
    fields.clear.u8(match request.kind {
        Kind::Withdrawal => 1,
        Kind::Deposit => 2,
        Kind::Balance => 3,
        Kind::MiniStatement => 4,
        Kind::Transfer => 5,
        Kind::Verification => 6,
    });
    fields.private.raw(request.pan.digits());
    put_content(fields, &request.content);
    fields.clear.raw(&request.rrn.0);
    fields.clear.u8(request.rrn_from_terminal.into());
    put_carried(fields, &request.carried);
}

fn take_request(fields: &mut Take<'_, '_>) -> Decoded<Request> {
    Ok(Request {
        kind: match fields.clear.u8("transaction kind")? {
            1 => Kind::Withdrawal,
            2 => Kind::Deposit,
            3 => Kind::Balance,
            4 => Kind::MiniStatement,
            5 => Kind::Transfer,
            6 => Kind::Verification,
            _ => return Err(fields.clear.error("transaction kind", DecodeFault::Value)),
        },
        pan: take_pan(fields)?,
        content: take_content(fields)?,
        rrn: Rrn(fields.clear.array("RRN")?),
        rrn_from_terminal: fields.clear.flag("RRN from terminal")?,
        carried: take_carried(fields)?,
    })
}

fn put_content(fields: &mut Put<'_>, content: &Content) {
    let writer = &mut fields.clear;
    writer.raw(&content.citizen.0);
    writer.raw(&content.processing);
    writer.u64(content.amount_minor);
    writer.u16(content.currency);
    writer.optional(content.original.as_ref(), put_key);
    writer.optional(content.left_minor, Writer::u64);
    writer.optional(content.institution, put_institution);
    fields.private_optional(content.from_account.as_deref(), put_account);
    fields.private_optional(content.to_account.as_deref(), put_account);
}

fn take_content(fields: &mut Take<'_, '_>) -> Decoded<Content> {
    let reader = &mut fields.clear;
    Ok(Content {
        citizen: Pseudonym(reader.array("citizen")?),
        processing: reader.array("processing code")?,
        amount_minor: reader.u64("amount")?,
        currency: reader.u16("currency")?,
        original: reader.optional("original", take_key)?,
        left_minor: reader.optional("left", |reader| reader.u64("left"))?,
        institution: reader.optional("institution", |reader| take_institution(reader, "institution"))?,
        from_account: fields
            .private_optional("from account", |reader| take_account(reader, "from account"))?,
        to_account: fields.private_optional("to account", |reader| take_account(reader, "to account"))?,
    })
}

fn put_advice(fields: &mut Put<'_>, advice: &Advice) {
    put_key(&mut fields.clear, &advice.key);
    put_content(fields, &advice.content);
    fields.clear.optional(advice.reason, |writer, code| writer.raw(&code.0));
}

fn take_advice(fields: &mut Take<'_, '_>) -> Decoded<Advice> {
    Ok(Advice {
        key: take_key(&mut fields.clear)?,
        content: take_content(fields)?,
        reason: fields.clear.optional("advice reason", |reader| take_code(reader, "advice reason"))?,
    })
}

fn put_evidence(writer: &mut Writer<'_>, evidence: &Evidence) {
    writer.bytes("registry answer", evidence.registry.bytes());
    writer.raw(&evidence.sod_sha256);
    writer.raw(&evidence.dg15_sha256);
    writer.u8(evidence.passive.into());
    writer.u8(evidence.active.into());
}

/// What stands for evidence that was left closed.
fn left_evidence() -> Evidence {
    Evidence {
        registry: RegistryWord::Signed(Box::default()),
        sod_sha256: [0; 32],
        dg15_sha256: [0; 32],
        passive: false,
        active: false,
    }
}

fn take_evidence(reader: &mut Reader<'_>) -> Decoded<Evidence> {
    Ok(Evidence {
        registry: RegistryWord::Signed(reader.bytes("registry answer")?.into()),
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

fn put_totals(writer: &mut Writer<'_>, totals: &Totals) {
    writer.u8(match totals.step {
        TotalsStep::Said => 1,
        TotalsStep::Asked => 2,
        TotalsStep::Answered => 3,
        TotalsStep::GivenUp => 4,
    });
    writer.u8(match totals.side {
        Side::Acquirer => 1,
        Side::Issuer => 2,
    });
    put_institution(writer, totals.member);
    writer.optional(totals.terminal, |writer, terminal| writer.raw(&terminal.0));
    put_identity(writer, &totals.name);
    put_day(writer, totals.day);
    writer.u64(totals.as_of);
    put_figures(writer, &totals.ours);
    put_figures(writer, &totals.theirs);
}

fn take_totals(reader: &mut Reader<'_>) -> Decoded<Totals> {
    Ok(Totals {
        step: match reader.u8("step of totals")? {
            1 => TotalsStep::Said,
            2 => TotalsStep::Asked,
            3 => TotalsStep::Answered,
            4 => TotalsStep::GivenUp,
            _ => return Err(reader.error("step of totals", DecodeFault::Value)),
        },
        side: match reader.u8("side")? {
            1 => Side::Acquirer,
            2 => Side::Issuer,
            _ => return Err(reader.error("side", DecodeFault::Value)),
        },
        member: take_institution(reader, "member")?,
        terminal: reader.optional("terminal", |reader| reader.array("terminal").map(TerminalId))?,
        name: take_identity(reader)?,
        day: take_day(reader)?,
        as_of: reader.u64("as of")?,
        ours: take_figures(reader)?,
        theirs: take_figures(reader)?,
    })
}

/// How many elements, and each with its value.
fn put_figures(writer: &mut Writer<'_>, figures: &Figures) {
    writer.u8(figures.iter().count() as u8);
    for (element, value) in figures.iter() {
        writer.u8(element);
        writer.i64(value);
    }
}

fn take_figures(reader: &mut Reader<'_>) -> Decoded<Figures> {
    let (mut figures, mut before) = (Figures::default(), 0);
    for _ in 0..reader.u8("figures")? {
        let element = reader.u8("element")?;
        let is_next = element > before && TOTALS_ELEMENTS.contains(&element);
        before = reader.check("element", is_next.then_some(element))?;
        figures.set(element, reader.i64("value")?);
    }
    Ok(figures)
}

/// How many there are is in clear, and all of them are sealed, whatever they are.
fn put_carried(fields: &mut Put<'_>, carried: &Carried) {
    fields.clear.length("carried", carried.iter().count());
    for (element, value) in carried.iter() {
        fields.private.u8(element);
        fields.private.bytes("carried element", value);
    }
}

fn take_carried(fields: &mut Take<'_, '_>) -> Decoded<Carried> {
    let count = fields.clear.u16("carried")?;
    let carried = fields.private(|reader| {
        let mut carried = Carried::default();
        for _ in 0..count {
            carried.set(reader.u8("carried")?, reader.bytes("carried element")?);
        }
        Ok(carried)
    })?;
    Ok(carried.unwrap_or_default())
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
