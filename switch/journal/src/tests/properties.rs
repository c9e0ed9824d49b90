//! Any record that can be made reads back as it was written, and no other bytes do.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use credential::{CitizenNumber, Pan, Pseudonym, Reference};
use processor::{
    Advice, AskedAgain, BankIdentity, Block, BlockSubject, Body, Carried, ClaimReason, Class, Code, Content,
    Day, Declined, Evidence, Figures, Institution, Intent, Kind, LinkedBank, NoteReason, Outcome, Record,
    RegistryWord, Request, Resolution, Reversal, Rrn, Side, Spend, Suspense, TOTALS_ELEMENTS, TerminalId,
    Totals, TotalsStep, TxKey, UtcSeconds, Verification,
};

use crate::codec::{RECORD_VERSION, Unseal, decode, encode};
use crate::frame::{self, Next};
use crate::samples::keys;

fn institution() -> impl Strategy<Value = Institution> {
    "[0-9]{1,11}".prop_map(|digits| digits.parse().unwrap())
}

fn day() -> impl Strategy<Value = Day> {
    (2000..2100_u32, 1..=12_u32, 1..=28_u32)
        .prop_map(|(year, month, day)| Day::new(year * 10_000 + month * 100 + day).unwrap())
}

fn key() -> impl Strategy<Value = TxKey> {
    let classes = [Class::Verification, Class::Financial, Class::Completion, Class::Reversal];
    (prop::sample::select(classes.to_vec()), institution(), any::<[u8; 8]>(), any::<i64>(), any::<u32>())
        .prop_map(|(class, acquirer, terminal, sent_at, stan)| TxKey {
            class,
            acquirer,
            terminal: TerminalId(terminal),
            sent_at: UtcSeconds(sent_at),
            stan,
        })
}

fn identity() -> impl Strategy<Value = BankIdentity> {
    (any::<i64>(), any::<u32>())
        .prop_map(|(sent_at, stan)| BankIdentity { sent_at: UtcSeconds(sent_at), stan })
}

fn text() -> impl Strategy<Value = Box<str>> {
    "\\PC{0,40}".prop_map(String::into_boxed_str)
}

fn carried() -> impl Strategy<Value = Carried> {
    vec((any::<u8>(), vec(any::<u8>(), 0..50)), 0..8).prop_map(|elements| {
        let mut carried = Carried::default();
        elements.iter().for_each(|(element, value)| carried.set(*element, value));
        carried
    })
}

fn code() -> impl Strategy<Value = Code> {
    any::<[u8; 2]>().prop_map(Code)
}

fn content() -> BoxedStrategy<Content> {
    let numbers = (any::<[u8; 16]>(), any::<[u8; 6]>(), any::<u64>(), any::<u16>(), option::of(any::<u64>()));
    let names = (option::of(key()), option::of(institution()), option::of(text()), option::of(text()));
    (numbers, names)
        .prop_map(|(numbers, names)| {
            let (citizen, processing, amount_minor, currency, left_minor) = numbers;
            let (original, institution, from_account, to_account) = names;
            Content {
                citizen: Pseudonym(citizen),
                processing,
                amount_minor,
                currency,
                original,
                left_minor,
                institution,
                from_account: from_account.map(Into::into),
                to_account: to_account.map(Into::into),
            }
        })
        .boxed()
}

fn request() -> BoxedStrategy<Request> {
    let kinds = [
        Kind::Withdrawal,
        Kind::Deposit,
        Kind::Balance,
        Kind::MiniStatement,
        Kind::Transfer,
        Kind::Verification,
    ];
    let kind = prop::sample::select(kinds.to_vec());
    (kind, "[0-9]{6}", "(001|022|096|101)[0-9]{9}", content(), any::<[u8; 12]>(), any::<bool>(), carried())
        .prop_map(|(kind, iin, number, content, rrn, rrn_from_terminal, carried)| {
            let number = CitizenNumber::parse(number.as_bytes()).unwrap();
            let pan = Pan::new(iin.as_bytes().try_into().unwrap(), &number);
            Request { kind, pan, content, rrn: Rrn(rrn), rrn_from_terminal, carried }
        })
        .boxed()
}

fn evidence() -> BoxedStrategy<Evidence> {
    let registry = vec(any::<u8>(), 0..3000).prop_map(|bytes| RegistryWord::Signed(bytes.into()));
    (registry, any::<[u8; 32]>(), any::<[u8; 32]>(), any::<bool>(), any::<bool>())
        .prop_map(|(registry, sod_sha256, dg15_sha256, passive, active)| Evidence {
            registry,
            sod_sha256,
            dg15_sha256,
            passive,
            active,
        })
        .boxed()
}

fn advice() -> BoxedStrategy<Option<Advice>> {
    option::of((key(), content(), option::of(code())).prop_map(|(key, content, reason)| Advice {
        key,
        content,
        reason,
    }))
    .boxed()
}

fn money_body() -> BoxedStrategy<Body> {
    let intent = (request(), institution(), option::of(text()), identity(), day(), any::<Option<[u8; 16]>>());
    let intent = (intent, option::of(evidence()), any::<bool>()).prop_map(|(intent, evidence, is_owed)| {
        let evidence = evidence.map(|signed| match signed.registry {
            RegistryWord::Signed(bytes) if is_owed => {
                Evidence { registry: RegistryWord::Owed(bytes), ..signed }
            }
            RegistryWord::Signed(_) | RegistryWord::Owed(_) => signed,
        });
        let (request, bank, account, identity, day, reference) = intent;
        let reference = reference.map(Reference);
        let account = account.map(Into::into);
        Body::Intent(Box::new(Intent { request, bank, account, identity, day, reference, evidence }))
    });
    let declined = (option::of(request()), code(), option::of(code()), any::<bool>(), option::of(evidence()))
        .prop_map(|(request, code, bank_code, send_sod, evidence)| {
            Body::Declined(Box::new(Declined { request, code, bank_code, send_sod, evidence }))
        });
    let reversal = (identity(), day(), any::<u64>(), code(), code(), advice()).prop_map(
        |(identity, day, left_minor, reason, answer, advice)| {
            Body::Reversal(Reversal { identity, day, left_minor, reason, answer, advice })
        },
    );
    let outcome = (any::<Option<[u8; 6]>>(), carried())
        .prop_map(|(approval, carried)| Body::Outcome(Outcome { approval, carried }));
    prop_oneof![
        intent.boxed(),
        declined.boxed(),
        reversal.boxed(),
        outcome.boxed(),
        code().prop_map(Body::Reversed)
    ]
    .boxed()
}

fn other_body() -> BoxedStrategy<Body> {
    let claims = [
        ClaimReason::CompletionBeforeOutcome,
        ClaimReason::CompletionWithoutApproval,
        ClaimReason::CashAfterReversal,
        ClaimReason::CashWithoutApproval,
        ClaimReason::ReversalAfterCompletion,
        ClaimReason::OtherAmount,
        ClaimReason::MoreThanAsked,
    ];
    let notes = [
        NoteReason::ApprovalSeen,
        NoteReason::PastItsAge,
        NoteReason::BankSaysOtherwise,
        NoteReason::AdviceAgain,
        NoteReason::ReversalRefused,
    ];
    let linked = (institution(), text(), any::<bool>()).prop_map(|(bank, alias, default)| LinkedBank {
        bank,
        alias,
        default,
    });
    let verification =
        (request(), any::<[u8; 16]>(), any::<i64>(), any::<bool>(), vec(linked, 0..5), evidence()).prop_map(
            |(request, reference, expires_at_ms, biometric_matched, banks, evidence)| {
                let reference = Reference(reference);
                Body::Verification(Box::new(Verification {
                    request,
                    reference,
                    expires_at_ms,
                    biometric_matched,
                    banks,
                    evidence,
                }))
            },
        );
    let subject = prop_oneof![
        any::<[u8; 8]>().prop_map(|terminal| BlockSubject::Terminal(TerminalId(terminal))),
        institution().prop_map(BlockSubject::Bank),
        any::<[u8; 16]>().prop_map(|citizen| BlockSubject::Citizen(Pseudonym(citizen))),
    ];
    let block = (subject, any::<bool>(), text())
        .prop_map(|(subject, set, by)| Body::Block(Block { subject, set, by }));
    let resolution = (text(), text()).prop_map(|(by, why)| Body::Resolution(Resolution { by, why }));
    let figures = || {
        vec((prop::sample::select(TOTALS_ELEMENTS.to_vec()), any::<i64>()), 0..20).prop_map(|values| {
            let mut figures = Figures::default();
            values.into_iter().for_each(|(element, value)| figures.set(element, value));
            figures
        })
    };
    let steps = [TotalsStep::Said, TotalsStep::Asked, TotalsStep::Answered, TotalsStep::GivenUp];
    let who = (
        prop::sample::select(steps.to_vec()),
        prop_oneof![Just(Side::Acquirer), Just(Side::Issuer)],
        institution(),
        option::of(any::<[u8; 8]>()),
        identity(),
    );
    let totals = (who, day(), any::<u64>(), figures(), figures()).prop_map(
        |((step, side, member, terminal, name), day, as_of, ours, theirs)| {
            let terminal = terminal.map(TerminalId);
            Body::Totals(Box::new(Totals { step, side, member, terminal, name, day, as_of, ours, theirs }))
        },
    );
    let asked_again = (option::of(code()), evidence())
        .prop_map(|(refused, evidence)| Body::AskedAgain(Box::new(AskedAgain { refused, evidence })));
    prop_oneof![
        resolution,
        totals,
        asked_again,
        advice().prop_map(Body::Complete),
        advice().prop_map(Body::Tombstone),
        (prop::sample::select(claims.to_vec()), advice())
            .prop_map(|(reason, advice)| Body::Claim(reason, advice)),
        (prop::sample::select(notes.to_vec()), advice())
            .prop_map(|(reason, advice)| Body::Note(reason, advice)),
        verification,
        day().prop_map(Body::Cutover),
        block,
    ]
    .boxed()
}

fn record() -> BoxedStrategy<Record> {
    let suspense = option::of(prop_oneof![Just(Suspense::Age), Just(Suspense::Claim)]);
    let spend = (any::<[u8; 16]>(), day(), any::<i64>(), any::<i32>()).prop_map(
        |(citizen, day, amount_minor, count)| Spend { citizen: Pseudonym(citizen), day, amount_minor, count },
    );
    let body = prop_oneof![money_body(), other_body()];
    (any::<i64>(), option::of(key()), suspense, option::of(spend), body)
        .prop_map(|(at_ms, transaction, suspense, spend, body)| Record {
            at_ms,
            transaction,
            suspense,
            spend,
            body,
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_record_reads_back(record in record(), position: u64) {
        let mut bytes = Vec::new();
        encode(&record, position, &keys(), &mut bytes).unwrap();
        prop_assert_eq!(decode(&bytes, position, Unseal::Open(&keys())), Ok(record));
    }

    #[test]
    fn bytes_that_read_are_written_back_as_they_were(record in record(), at: prop::sample::Index, byte: u8) {
        let mut bytes = Vec::new();
        encode(&record, 9, &keys(), &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // Version 1 is read, and not written any more.
        if let Ok(read) = decode(&bytes, 9, Unseal::Open(&keys()))
            && bytes[0] == RECORD_VERSION
        {
            let mut again = Vec::new();
            encode(&read, 9, &keys(), &mut again).unwrap();
            prop_assert_eq!(again, bytes, "two ways to write one record");
        }
    }

    #[test]
    fn a_frame_reads_back_and_no_byte_of_it_may_change(
        record in record(), position: u64, synced: u64, at: prop::sample::Index, flip in 1..=255_u8
    ) {
        let keys = keys();
        let before = frame::genesis(&keys);
        let mut bytes = Vec::new();
        let link = frame::write(&record, position, synced, &before, &keys, &mut bytes).unwrap();
        let Next::Frame(read) = frame::read(&bytes) else { panic!("a frame") };
        prop_assert_eq!((read.position(), read.synced(), read.len()), (position, synced, bytes.len()));
        prop_assert_eq!(read.link_after((&before, 1), &keys), Ok(link));
        prop_assert_eq!(read.link_after((&link, 0), &keys), Err(frame::Unfollowed::Other));
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(!matches!(frame::read(&bytes), Next::Frame(_)), "byte {}", at);
    }
}
