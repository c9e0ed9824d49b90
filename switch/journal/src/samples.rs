//! Records for this crate's tests: one of each kind written out, and any number of drawn ones.

#![allow(clippy::unwrap_used)]

use credential::{CitizenNumber, Pan, Pseudonym, Reference};
use keys::{DataKeys, Key};
use processor::{
    Advice, AskedAgain, BankIdentity, Block, BlockSubject, Body, Carried, ClaimReason, Class, Code, Content,
    Day, Declined, Evidence, Figures, Institution, Intent, Kind, LinkedBank, NoteReason, Outcome, Record,
    RegistryWord, Request, Resolution, Reversal, Rrn, Side, Spend, Suspense, TerminalId, Totals, TotalsStep,
    TxKey, UtcSeconds, Verification,
};

/// 2022-05-03T01:02:03Z, in the pilot's first days.
pub(crate) const AT_S: i64 = 1_651_539_723;

pub(crate) fn keys() -> DataKeys {
    DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]))
}

pub(crate) fn bank(digits: &str) -> Institution {
    digits.parse().unwrap()
}

pub(crate) fn day() -> Day {
    Day::new(20_220_503).unwrap()
}

pub(crate) fn key(stan: u32) -> TxKey {
    TxKey {
        class: Class::Financial,
        acquirer: bank("970418"),
        terminal: TerminalId(*b"HN000001"),
        sent_at: UtcSeconds(AT_S),
        stan,
    }
}

pub(crate) fn advice_key(class: Class, stan: u32) -> TxKey {
    TxKey { class, ..key(stan) }
}

pub(crate) fn identity(stan: u32) -> BankIdentity {
    BankIdentity { sent_at: UtcSeconds(AT_S + 1), stan }
}

pub(crate) fn citizen(number: u32) -> Pseudonym {
    keys().pseudonym(&CitizenNumber::parse(format!("001203{number:06}").as_bytes()).unwrap())
}

pub(crate) fn content(number: u32) -> Content {
    Content {
        citizen: citizen(number),
        processing: *b"010000",
        amount_minor: 2_000_000,
        currency: 704,
        original: None,
        left_minor: None,
        institution: Some(bank("970415")),
        from_account: None,
        to_account: None,
    }
}

pub(crate) fn request(number: u32) -> Request {
    let mut carried = Carried::default();
    for (element, value) in [
        (12, &b"080203"[..]),
        (13, b"0503"),
        (18, b"6011"),
        (22, b"051"),
        (25, b"00"),
        (42, b"BIDV HANOI 0001"),
        (43, b"194 TRAN QUANG KHAI  HA NOI           VN"),
    ] {
        carried.set(element, value);
    }
    let citizen_number = CitizenNumber::parse(format!("001203{number:06}").as_bytes()).unwrap();
    Request {
        kind: Kind::Withdrawal,
        pan: Pan::new(*b"970499", &citizen_number),
        content: content(number),
        rrn: Rrn(*b"212300000001"),
        rrn_from_terminal: false,
        carried,
    }
}

pub(crate) fn evidence() -> Evidence {
    Evidence {
        registry: RegistryWord::Signed(b"eyJhbGciOiJFUzI1NiJ9.eyJyZXN1bHQiOiJWRVJJRklFRCJ9.c2ln"[..].into()),
        sod_sha256: [0x5d; 32],
        dg15_sha256: [0x15; 32],
        passive: true,
        active: true,
    }
}

pub(crate) fn advice(class: Class, stan: u32, of: TxKey) -> Advice {
    let content = Content { original: Some(of), left_minor: Some(500_000), ..content(1) };
    Advice { key: advice_key(class, stan), content, reason: Some(Code(*b"32")) }
}

pub(crate) fn record(of: Option<TxKey>, body: Body) -> Record {
    Record { at_ms: AT_S * 1000 + 123, transaction: of, suspense: None, spend: None, body }
}

pub(crate) fn intent(stan: u32) -> Record {
    let spend = Spend { citizen: citizen(stan), day: day(), amount_minor: 2_000_000, count: 1 };
    let intent = Intent {
        request: request(stan),
        bank: bank("970415"),
        account: Some("101000012345".into()),
        identity: identity(stan),
        day: day(),
        reference: Some(Reference([0xab; 16])),
        evidence: None,
    };
    Record { spend: Some(spend), ..record(Some(key(stan)), Body::Intent(Box::new(intent))) }
}

pub(crate) fn outcome(stan: u32) -> Record {
    record(
        Some(key(stan)),
        Body::Outcome(Outcome { approval: Some(*b"A1B2C3"), carried: Carried::default() }),
    )
}

pub(crate) fn complete(stan: u32) -> Record {
    let advice = advice(Class::Completion, stan + 500_000, key(stan));
    record(Some(key(stan)), Body::Complete(Some(advice)))
}

pub(crate) fn reversal(stan: u32) -> Record {
    let reversal = Reversal {
        identity: identity(stan + 500_000),
        day: day(),
        left_minor: 500_000,
        reason: Code(*b"32"),
        answer: Code::APPROVED,
        advice: Some(advice(Class::Reversal, stan + 600_000, key(stan))),
    };
    let spend = Spend { citizen: citizen(stan), day: day(), amount_minor: -1_500_000, count: 0 };
    Record { spend: Some(spend), ..record(Some(key(stan)), Body::Reversal(reversal)) }
}

pub(crate) fn reversed(stan: u32) -> Record {
    record(Some(key(stan)), Body::Reversed(Code::APPROVED))
}

pub(crate) fn declined(stan: u32) -> Record {
    let declined = Declined {
        request: Some(request(stan)),
        code: Code::PROOF,
        bank_code: None,
        send_sod: true,
        evidence: Some(evidence()),
    };
    record(Some(key(stan)), Body::Declined(Box::new(declined)))
}

pub(crate) fn resolution(stan: u32) -> Record {
    let resolution = Resolution::new("lan (uid 1001)", "cassettes counted: the notes were kept").unwrap();
    record(Some(key(stan)), Body::Resolution(resolution))
}

pub(crate) fn verification(stan: u32) -> Record {
    let linked =
        |digits, alias: &str, default| LinkedBank { bank: bank(digits), alias: alias.into(), default };
    let verification = Verification {
        request: Request { kind: Kind::Verification, ..request(stan) },
        reference: Reference([0xcd; 16]),
        expires_at_ms: AT_S * 1000 + 180_000,
        biometric_matched: true,
        banks: vec![linked("970415", "********2345", true), linked("970436", "******9876", false)],
        evidence: evidence(),
    };
    let of = TxKey { class: Class::Verification, ..key(stan) };
    record(Some(of), Body::Verification(Box::new(verification)))
}

/// What an acquirer says beside what the log says, or what a bank is asked.
pub(crate) fn totals(step: TotalsStep) -> Record {
    let mut ours = Figures::default();
    [(76, 12), (77, 1), (85, 39_600), (88, 24_000_000), (89, 2_000_000), (97, -22_039_600)]
        .into_iter()
        .for_each(|(element, value)| ours.set(element, value));
    let mut theirs = Figures::default();
    [(76, 12), (97, -22_000_000)].into_iter().for_each(|(element, value)| theirs.set(element, value));
    let is_said = step == TotalsStep::Said;
    let totals = Totals {
        step,
        side: if is_said { Side::Acquirer } else { Side::Issuer },
        member: bank("970418"),
        terminal: is_said.then_some(TerminalId(*b"HN000001")),
        name: BankIdentity { sent_at: UtcSeconds(AT_S), stan: 17 },
        day: day(),
        as_of: 4,
        ours,
        theirs: if is_said { theirs } else { Figures::default() },
    };
    record(None, Body::Totals(Box::new(totals)))
}

/// A withdrawal that went out in the registry's stead.
pub(crate) fn stood_in(stan: u32) -> Record {
    let mut record = intent(stan);
    if let Body::Intent(intent) = &mut record.body {
        let registry = RegistryWord::Owed(b"{\"transaction_type\":\"withdrawal\"}"[..].into());
        (intent.reference, intent.evidence) = (None, Some(Evidence { registry, ..evidence() }));
    }
    record
}

pub(crate) fn asked_again(stan: u32) -> Record {
    let asked = AskedAgain { refused: Some(Code::LOST), evidence: evidence() };
    let body = Body::AskedAgain(Box::new(asked));
    Record { suspense: Some(Suspense::Claim), ..record(Some(key(stan)), body) }
}

/// One record of each kind, by the name of its golden file.
pub(crate) fn each_kind() -> Vec<(&'static str, Record)> {
    let claim = |reason, stan| {
        let advice = advice(Class::Completion, stan + 700_000, key(stan));
        let body = Body::Claim(reason, Some(advice));
        Record { suspense: Some(Suspense::Claim), ..record(Some(key(stan)), body) }
    };
    let note = record(Some(key(8)), Body::Note(NoteReason::PastItsAge, None));
    let block = |subject| Block { subject, set: true, by: "operator lan".into() };
    vec![
        ("intent", intent(1)),
        ("outcome", outcome(1)),
        ("declined", declined(3)),
        ("reversal", reversal(1)),
        ("reversed", reversed(1)),
        ("complete", complete(6)),
        ("claim", claim(ClaimReason::CashAfterReversal, 7)),
        ("note", Record { suspense: Some(Suspense::Age), ..note }),
        ("tombstone", record(Some(key(9)), Body::Tombstone(Some(advice(Class::Reversal, 600_009, key(9)))))),
        ("verification", verification(10)),
        ("resolution", resolution(7)),
        ("intent-stood-in", stood_in(11)),
        ("asked-again", asked_again(11)),
        ("cutover", record(None, Body::Cutover(day()))),
        ("totals-said", totals(TotalsStep::Said)),
        ("totals-asked", totals(TotalsStep::Asked)),
        (
            "block-terminal",
            record(None, Body::Block(block(BlockSubject::Terminal(TerminalId(*b"HN000001"))))),
        ),
        ("block-bank", record(None, Body::Block(block(BlockSubject::Bank(bank("970415")))))),
        ("block-citizen", record(None, Body::Block(block(BlockSubject::Citizen(citizen(1)))))),
    ]
}
