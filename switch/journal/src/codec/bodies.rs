//! What each kind of record says, as bytes: each thing is written and read side by side (docs/log.md#records).

use credential::{Pseudonym, Reference};
use processor::{
    AccountNumber, Advice, AskedAgain, BankIdentity, Block, BlockSubject, Body, Carried, ClaimReason, Class,
    Code, Content, Day, Declined, Evidence, Figures, Institution, Intent, Kind, LinkedBank, NoteReason,
    Outcome, RegistryWord, Request, Resolution, Reversal, Rrn, Side, Spend, TOTALS_ELEMENTS, TerminalId,
    Totals, TotalsStep, TxKey, UtcSeconds, Verification,
};

use super::private::{Put, Take, take_pan};
use crate::wire::{DecodeFault, Decoded, Reader, Writer};

pub(super) fn kind_of(body: &Body) -> u8 {
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

pub(super) fn put_body(fields: &mut Put<'_>, body: &Body) {
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

pub(super) fn take_body(fields: &mut Take<'_, '_>, kind: u8) -> Decoded<Body> {
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

pub(super) fn put_key(writer: &mut Writer<'_>, key: &TxKey) {
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

pub(super) fn take_key(reader: &mut Reader<'_>) -> Decoded<TxKey> {
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

pub(super) fn put_spend(writer: &mut Writer<'_>, spend: &Spend) {
    writer.raw(&spend.citizen.0);
    put_day(writer, spend.day);
    writer.i64(spend.amount_minor);
    writer.raw(&spend.count.to_be_bytes());
}

pub(super) fn take_spend(reader: &mut Reader<'_>) -> Decoded<Spend> {
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
