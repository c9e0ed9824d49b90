//! The registry adapter against the simulated registry, over TLS on loopback.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use credential::CitizenNumber;
use processor::{Class, Code, Institution, Kind, Rrn, TerminalId, TxKey, UtcSeconds};
use server::config::{RegistrySettings, SecretPem};
use server::registry::{
    ActiveProof, Answer, BreakerBounds, Leave, Modality, Outcome, Paused, Reason, RegistryBounds,
    RegistryClient, RegistryConfigError, RegistryQuestion, Surroundings,
};
use sha2::{Digest, Sha256};
use simulators::citizens::{Chip, Country};
use simulators::registry::{
    CardStatus, Certificates, CitizenStatus, Fault, Handle, MachineConfig, Override, Population, Registry,
    RegistryConfig, SecretKey, SeenCard, Sessions, Wrong,
};
use simulators::tls::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SEED: u64 = 7;
const DG15: &[u8] = b"no key: nothing is signed with it";
const BREAKER: BreakerBounds = BreakerBounds { failures_in_row_max: 20, pause_ms: 3_600_000 };
const BOUNDS: RegistryBounds =
    RegistryBounds { timeout_ms: 5_000, in_flight_max: 64, connections_max: 4, breaker: BREAKER };
/// For questions that must not be answered in time.
const SHORT: RegistryBounds = RegistryBounds { timeout_ms: 300, ..BOUNDS };

fn number() -> CitizenNumber {
    CitizenNumber::parse(b"001203000001").unwrap()
}

/// One citizen with one card.
struct One;

impl Population for One {
    fn card_of(&self, asked: &CitizenNumber) -> Option<SeenCard> {
        (*asked == number()).then(|| SeenCard {
            document_number: "203000001".to_owned(),
            expiry: "421231".to_owned(),
            sod_sha256: [1; 32],
            dg15: DG15.to_vec(),
        })
    }
}

fn registry(certificates: &Certificates, port: u16) -> RegistryConfig {
    let switch = SecretKey::from_seed(SEED, "switch", "switch-1");
    RegistryConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        certificates: certificates.clone(),
        client_certificate: false,
        http2: true,
        machine: MachineConfig {
            seed: SEED,
            kid: "registry-1".to_owned(),
            switches: BTreeMap::from([("switch-1".to_owned(), switch.public())]),
            population: Box::new(One),
            overrides: BTreeMap::new(),
            faults: Box::new(|key| (key.stan == "000666").then_some(Fault::Gone)),
        },
    }
}

fn settings(handle: &Handle, certificates: &Certificates) -> RegistrySettings {
    RegistrySettings {
        url: handle.url(),
        ca_pem: certificates.ca_pem.clone().into(),
        signing_key_pem: SecretPem(SecretKey::from_seed(SEED, "switch", "switch-1").to_pkcs8_pem().into()),
        kid: "switch-1".to_owned(),
        pinned: BTreeMap::from([("registry-1".to_owned(), handle.public_key().to_pem().into())]),
        client: None,
        breaker: BREAKER,
    }
}

/// The system's clock; random bytes that count, so that a run is like the one before.
fn surroundings() -> Surroundings {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let random = |bytes: &mut [u8]| {
        let call = CALLS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.iter_mut().zip(call.iter().cycle()).for_each(|(byte, call)| *byte = *call);
    };
    Surroundings { random: Box::new(random), ..Surroundings::system() }
}

fn client(settings: &RegistrySettings, bounds: RegistryBounds) -> RegistryClient {
    RegistryClient::new(settings, "switch-hn", bounds, surroundings()).unwrap()
}

async fn started() -> (Handle, RegistrySettings) {
    let certificates = Certificates::mint().unwrap();
    let handle = Registry::start(registry(&certificates, 0)).await.unwrap();
    let settings = settings(&handle, &certificates);
    (handle, settings)
}

fn now_s() -> i64 {
    (Surroundings::system().now_s)()
}

fn question(stan: u32) -> RegistryQuestion {
    let terminal = TerminalId(*b"HN000001");
    RegistryQuestion {
        key: TxKey {
            class: Class::Financial,
            acquirer: Institution::parse(b"970418").unwrap(),
            terminal,
            sent_at: UtcSeconds(1_651_543_323),
            stan,
        },
        rrn: Rrn(*b"212300000001"),
        kind: Kind::Withdrawal,
        amount_minor: 2_000_000,
        currency: 704,
        citizen: number(),
        document_number: "203000001".to_owned(),
        expiry: "421231".to_owned(),
        sod_sha256: [1; 32],
        dg15_sha256: Sha256::digest(DG15).into(),
        dsc_issuer: "CN=Simulated DS,C=VN".to_owned(),
        dsc_serial: vec![0x01, 0x2a],
        passive: true,
        active: true,
        csca_id: [3; 8],
        crl_age_s: None,
        active_proof: None,
        biometric: Some((
            Sessions::from_seed(SEED).mint(now_s(), stan, &number(), "HN000001", 90),
            Modality::Face,
        )),
    }
}

fn signed(chip: &Chip, challenge: &[u8; 8]) -> ActiveProof {
    let signature = chip.sign(challenge).to_vec();
    ActiveProof { algorithm: "ecdsa-sha256".to_owned(), challenge: challenge.to_vec(), signature }
}

const VERIFIED: Outcome = Outcome::Verified { biometric_matched: true };

#[tokio::test]
async fn every_transaction_is_asked_for_in_the_form_of_the_contract() {
    let (_handle, settings) = started().await;
    let client = client(&settings, BOUNDS);
    let kinds = [
        Kind::Withdrawal,
        Kind::Deposit,
        Kind::Balance,
        Kind::MiniStatement,
        Kind::Transfer,
        Kind::Verification,
    ];
    for (stan, kind) in (1..).zip(kinds) {
        let answer = client.verify(&RegistryQuestion { kind, ..question(stan) }).await;
        assert_eq!(answer.outcome, VERIFIED, "{kind:?}");
        assert_eq!(answer.registry_ref.unwrap().len(), 32);
        assert!(!answer.jws.unwrap().is_empty());
    }
    let no_face = RegistryQuestion { kind: Kind::Balance, biometric: None, ..question(7) };
    assert_eq!(client.verify(&no_face).await.outcome, Outcome::Verified { biometric_matched: false });
}

#[tokio::test]
async fn the_synthetic_citizens_are_on_file() {
    let certificates = Certificates::mint().unwrap();
    let mut config = registry(&certificates, 0);
    config.machine.population = Box::new(Country::new(SEED));
    let handle = Registry::start(config).await.unwrap();
    let client = client(&settings(&handle, &certificates), BOUNDS);
    let country = Country::new(SEED);
    for index in [0, 5, 72_999_999] {
        let (chip, citizen) = (country.chip(index), country.citizen(index).number);
        let on_file = country.card_of(&citizen).unwrap();
        let session = Sessions::from_seed(SEED).mint(now_s(), 1, &citizen, "HN000001", 90);
        let good = || RegistryQuestion {
            citizen,
            document_number: on_file.document_number.clone(),
            expiry: on_file.expiry.clone(),
            sod_sha256: Sha256::digest(chip.sod()).into(),
            dg15_sha256: Sha256::digest(chip.dg15()).into(),
            biometric: Some((session, Modality::Face)),
            active_proof: Some(signed(&chip, &[9; 8])),
            ..question(1)
        };
        assert_eq!(client.verify(&good()).await.outcome, VERIFIED, "citizen {index}");
        let other_chip = Sha256::digest(country.chip(index + 1).dg15()).into();
        let cloned = RegistryQuestion { dg15_sha256: other_chip, ..good() };
        let impostor = ActiveProof { challenge: vec![8; 8], ..signed(&chip, &[9; 8]) };
        let replayed = RegistryQuestion { active_proof: Some(impostor), ..good() };
        let elsewhere = ActiveProof { algorithm: "ecdsa-sha384".to_owned(), ..signed(&chip, &[9; 8]) };
        let confused = RegistryQuestion { active_proof: Some(elsewhere), ..good() };
        for question in [cloned, replayed, confused] {
            let outcome = client.verify(&question).await.outcome;
            assert_eq!(outcome, Outcome::Refused(Code::PROOF), "citizen {index}");
        }
    }
}

#[tokio::test]
async fn refusals_carry_their_code_and_their_evidence() {
    let (handle, settings) = started().await;
    let client = client(&settings, BOUNDS);
    let citizen = |status| Override { citizen: Some(status), card: None };
    let card = |status| Override { citizen: None, card: Some(status) };
    let on_file = [
        (citizen(CitizenStatus::Deceased), b"62"),
        (citizen(CitizenStatus::Missing), b"62"),
        (citizen(CitizenStatus::Restricted), b"62"),
        (citizen(CitizenStatus::Unknown), b"56"),
        (card(CardStatus::Expired), b"54"),
        (card(CardStatus::Revoked), b"41"),
        (card(CardStatus::Lost), b"41"),
        (card(CardStatus::Replaced), b"41"),
    ];
    for (exception, code) in on_file {
        handle.set_override(number(), exception);
        let answer = client.verify(&question(1)).await;
        assert_eq!(answer.outcome, Outcome::Refused(Code(*code)), "{exception:?}");
        assert!(answer.jws.is_some());
    }
    handle.set_override(number(), Override::default());
    let stranger = CitizenNumber::parse(b"001203000002").unwrap();
    let cases = [
        (RegistryQuestion { citizen: stranger, ..question(1) }, b"56"),
        (RegistryQuestion { document_number: "203000002".to_owned(), ..question(1) }, b"41"),
        (RegistryQuestion { dg15_sha256: [9; 32], ..question(1) }, b"63"),
        (RegistryQuestion { active: false, ..question(1) }, b"63"),
        (RegistryQuestion { biometric: None, ..question(1) }, b"63"),
        (RegistryQuestion { biometric: Some(([0; 16], Modality::Finger)), ..question(1) }, b"63"),
    ];
    for (index, (question, code)) in cases.into_iter().enumerate() {
        let answer = client.verify(&question).await;
        assert_eq!(answer.outcome, Outcome::Refused(Code(*code)), "case {index}");
    }
}

#[tokio::test]
async fn what_was_kept_of_a_question_is_put_again_when_the_registry_is_back() {
    let (handle, settings) = started().await;
    let client = client(&settings, BOUNDS);
    // A session that is too old now, and was not when the withdrawal went out.
    let then_s = now_s() - 3_600;
    let session = Sessions::from_seed(SEED).mint(then_s, 1, &number(), "HN000001", 90);
    let asked = || RegistryQuestion {
        key: TxKey { sent_at: UtcSeconds(then_s), ..question(1).key },
        biometric: Some((session, Modality::Face)),
        ..question(1)
    };
    let kept = client.keep(&asked());
    handle.set_fault(Some(Fault::Gone));
    let away = client.verify_again(&kept).await;
    assert!(matches!(&away.outcome, Outcome::Unavailable(reason) if reason.is_away()), "{away:?}");
    handle.set_fault(None);
    assert_eq!(client.verify(&asked()).await.outcome, Outcome::Refused(Code::PROOF), "asked for now");
    for _ in 0..2 {
        let answer = client.verify_again(&kept).await;
        assert_eq!(answer.outcome, VERIFIED, "asked for then");
        assert!(answer.jws.is_some() && answer.status_valid_until_s > Some(now_s()));
    }
    handle.set_override(number(), Override { citizen: None, card: Some(CardStatus::Lost) });
    assert_eq!(client.verify_again(&kept).await.outcome, Outcome::Refused(Code::LOST));
    for nothing in [&b""[..], b"{}", b"[]", &kept[1..]] {
        assert_eq!(client.verify_again(nothing).await.outcome, Outcome::Unavailable(Reason::Form));
    }
    let text = std::str::from_utf8(&kept).unwrap();
    assert!(
        text.contains(r#""nonce":"""#) && text.contains(r#""iat":0"#),
        "nothing that is new each time is kept"
    );
}

#[test]
fn only_a_registry_that_is_not_there_is_away() {
    let away = [
        Reason::Paused(Paused { was_away: true }),
        Reason::Late,
        Reason::Transport(String::new()),
        Reason::Said,
        Reason::Status(503),
    ];
    let there = [
        Reason::Paused(Paused { was_away: false }),
        Reason::Overload,
        Reason::Tls(String::new()),
        Reason::Http(String::new()),
        Reason::Status(307),
        Reason::Status(401),
        Reason::TooLong,
        Reason::Form,
        Reason::Algorithm,
        Reason::Kid,
        Reason::Signature,
        Reason::OtherRequest,
        Reason::Clock,
        Reason::SeenBefore,
        Reason::Contradiction,
    ];
    away.iter().for_each(|reason| assert!(reason.is_away(), "{reason}"));
    there.iter().for_each(|reason| assert!(!reason.is_away(), "{reason}"));
}

#[tokio::test]
async fn no_wrong_answer_is_believed() {
    let (handle, settings) = started().await;
    let client = client(&settings, BOUNDS);
    for (name, wrong) in Wrong::ALL {
        let expected = match wrong {
            Wrong::Kid => Reason::Kid,
            Wrong::Signature => Reason::Signature,
            Wrong::Unsigned | Wrong::Confused => Reason::Algorithm,
            Wrong::RequestId | Wrong::Nonce | Wrong::Digest => Reason::OtherRequest,
            Wrong::Stale | Wrong::Early | Wrong::Expired => Reason::Clock,
            Wrong::SameRef => Reason::SeenBefore,
            Wrong::VerifiedDead | Wrong::VerifiedLost | Wrong::VerifiedClone => Reason::Contradiction,
            Wrong::Oversize => Reason::TooLong,
            Wrong::Status => Reason::Status(500),
            Wrong::Redirect => Reason::Status(307),
            Wrong::NoJson | Wrong::NoResult => Reason::Form,
        };
        handle.set_fault(Some(Fault::Wrong(wrong)));
        if wrong == Wrong::SameRef {
            assert_eq!(client.verify(&question(1)).await.outcome, VERIFIED);
        }
        assert_eq!(client.verify(&question(1)).await.outcome, Outcome::Unavailable(expected), "{name}");
        handle.set_fault(None);
        assert_eq!(client.verify(&question(1)).await.outcome, VERIFIED, "after {name}");
    }
}

#[tokio::test]
async fn a_registry_that_is_slow_or_silent_is_waited_for_no_longer_than_configured() {
    let (handle, settings) = started().await;
    let client = client(&settings, SHORT);
    // One whose answer would be right a little later, and two that say nothing.
    for fault in [Fault::Slow(1_500), Fault::Slow(3_600_000), Fault::Silent] {
        handle.set_fault(Some(fault));
        let answer = client.verify(&question(1)).await;
        assert_eq!(answer.outcome, Outcome::Unavailable(Reason::Late), "{fault:?}");
        assert_eq!((answer.jws, answer.registry_ref), (None, None));
    }
}

#[tokio::test]
async fn a_registry_that_is_gone_is_asked_again_once_it_is_back() {
    for http2 in [true, false] {
        let certificates = Certificates::mint().unwrap();
        let config = |port| RegistryConfig { http2, ..registry(&certificates, port) };
        let handle = Registry::start(config(0)).await.unwrap();
        let client = client(&settings(&handle, &certificates), BOUNDS);
        let gone = |answer: Answer| matches!(answer.outcome, Outcome::Unavailable(Reason::Transport(_)));
        assert_eq!(client.verify(&question(1)).await.outcome, VERIFIED);
        assert!(gone(client.verify(&question(666)).await), "the connection is closed for this one");
        assert_eq!(client.verify(&question(2)).await.outcome, VERIFIED);
        let port = handle.addr().port();
        handle.stop().await;
        assert!(gone(client.verify(&question(3)).await));
        let _handle = Registry::start(config(port)).await.unwrap();
        assert_eq!(client.verify(&question(4)).await.outcome, VERIFIED);
    }
}

/// After so many failures in a row the registry is not asked at all; a probe finds it again.
#[tokio::test]
async fn a_registry_that_fails_too_often_is_left_alone_until_a_probe_is_answered() {
    let (handle, settings) = started().await;
    let breaker = BreakerBounds { failures_in_row_max: 3, pause_ms: 3_600_000 };
    let shy = client(&settings, RegistryBounds { breaker, ..BOUNDS });
    handle.set_fault(Some(Fault::Wrong(Wrong::Status)));
    for _ in 0..3 {
        assert!(!shy.is_left_alone());
        assert_eq!(shy.verify(&question(1)).await.outcome, Outcome::Unavailable(Reason::Status(500)));
    }
    handle.set_fault(None);
    let paused = shy.verify(&question(2)).await;
    assert_eq!(
        (paused.outcome, paused.jws),
        (Outcome::Unavailable(Reason::Paused(Paused { was_away: true })), None)
    );
    assert!(shy.is_left_alone());

    let breaker = BreakerBounds { failures_in_row_max: 1, pause_ms: 1 };
    let probing = client(&settings, RegistryBounds { breaker, ..BOUNDS });
    handle.set_fault(Some(Fault::Wrong(Wrong::Kid)));
    assert_eq!(probing.verify(&question(3)).await.outcome, Outcome::Unavailable(Reason::Kid));
    assert!(probing.is_left_alone());
    handle.set_fault(None);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(probing.verify(&question(4)).await.outcome, VERIFIED);
    assert!(!probing.is_left_alone());

    // What the registry says of one citizen is said, and no failure.
    handle.set_override(number(), Override { citizen: Some(CitizenStatus::Deceased), card: None });
    for stan in 5..8 {
        assert_eq!(probing.verify(&question(stan)).await.outcome, Outcome::Refused(Code::RESTRICTED));
    }
    handle.set_override(number(), Override::default());
    handle.set_fault(Some(Fault::Wrong(Wrong::VerifiedDead)));
    assert_eq!(probing.verify(&question(8)).await.outcome, Outcome::Unavailable(Reason::Contradiction));
    assert!(!probing.is_left_alone());
}

/// A citizen for whom the switch may stand in need not be the one who finds out whether the registry is back.
#[tokio::test]
async fn a_probe_is_told_from_the_other_questions_and_its_answer_lets_them_through() {
    let (handle, settings) = started().await;
    let breaker = BreakerBounds { failures_in_row_max: 1, pause_ms: 1 };
    let client = client(&settings, RegistryBounds { breaker, ..BOUNDS });
    assert_eq!(client.leave(), Ok(Leave::Asked));
    handle.set_fault(Some(Fault::Gone));
    client.put(&question(1)).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(client.leave(), Ok(Leave::Probe(Paused { was_away: true })));
    handle.set_fault(None);
    assert_eq!(client.put(&question(2)).await.outcome, VERIFIED);
    assert_eq!(client.leave(), Ok(Leave::Asked));
}

/// Whoever can spoil its answers does not bring the switch to stand in for it, however often.
#[tokio::test]
async fn a_registry_that_was_left_alone_for_spoiled_answers_is_not_away() {
    let (handle, settings) = started().await;
    let breaker = BreakerBounds { failures_in_row_max: 3, pause_ms: 3_600_000 };
    let is_away =
        |answer: &Answer| matches!(&answer.outcome, Outcome::Unavailable(reason) if reason.is_away());
    for (faults, expected) in [
        ([Fault::Gone, Fault::Gone, Fault::Gone], true),
        ([Fault::Gone, Fault::Wrong(Wrong::Kid), Fault::Gone], false),
        ([Fault::Wrong(Wrong::Signature); 3], false),
    ] {
        let client = client(&settings, RegistryBounds { breaker, ..BOUNDS });
        for fault in faults {
            handle.set_fault(Some(fault));
            client.verify(&question(1)).await;
        }
        assert!(client.is_left_alone());
        assert_eq!(is_away(&client.verify(&question(2)).await), expected, "{faults:?}");
    }
}

/// What is asked again costs the citizens at the machines nothing.
#[tokio::test]
async fn questions_put_again_do_not_bring_the_registry_to_be_left_alone() {
    let (handle, settings) = started().await;
    let breaker = BreakerBounds { failures_in_row_max: 1, pause_ms: 3_600_000 };
    let client = client(&settings, RegistryBounds { breaker, ..BOUNDS });
    let kept = client.keep(&question(1));
    for fault in [Fault::Gone, Fault::Wrong(Wrong::Kid)] {
        handle.set_fault(Some(fault));
        assert!(matches!(client.verify_again(&kept).await.outcome, Outcome::Unavailable(_)));
        assert!(!client.is_left_alone());
    }
    handle.set_fault(None);
    assert_eq!(client.verify(&question(2)).await.outcome, VERIFIED);
}

#[tokio::test]
async fn questions_and_connections_are_bounded() {
    let (handle, settings) = started().await;
    let one = client(&settings, RegistryBounds { in_flight_max: 1, ..SHORT });
    handle.set_fault(Some(Fault::Silent));
    let (asked, also) = (question(1), question(2));
    let (first, second) = tokio::join!(one.verify(&asked), one.verify(&also));
    assert_eq!(first.outcome, Outcome::Unavailable(Reason::Late));
    assert_eq!(second.outcome, Outcome::Unavailable(Reason::Overload));
    let third = one.verify(&question(3)).await;
    assert_eq!(third.outcome, Outcome::Unavailable(Reason::Late), "the first has made room");

    let certificates = Certificates::mint().unwrap();
    let config = RegistryConfig { http2: false, ..registry(&certificates, 0) };
    let handle = Registry::start(config).await.unwrap();
    let settings = self::settings(&handle, &certificates);
    let narrow = client(&settings, RegistryBounds { connections_max: 1, ..BOUNDS });
    let asked = [1, 2, 3].map(question);
    let [first, second, third] = &asked;
    let answers = tokio::join!(narrow.verify(first), narrow.verify(second), narrow.verify(third));
    assert_eq!([answers.0.outcome, answers.1.outcome, answers.2.outcome], [VERIFIED; 3]);
    assert_eq!(handle.connections_seen(), 1);
}

#[tokio::test]
async fn tls_is_checked_on_both_ends() {
    let certificates = Certificates::mint().unwrap();
    let config = RegistryConfig { client_certificate: true, ..registry(&certificates, 0) };
    let handle = Registry::start(config).await.unwrap();
    let settings = settings(&handle, &certificates);
    let identity = |certificates: &Certificates| {
        let key = SecretPem(certificates.client.key_pem.clone().into());
        Some((certificates.client.certificate_pem.clone().into(), key))
    };
    let other = Certificates::mint().unwrap();
    let refused = [
        RegistrySettings { client: None, ..settings.clone() },
        RegistrySettings { client: identity(&other), ..settings.clone() },
        RegistrySettings {
            ca_pem: other.ca_pem.clone().into(),
            client: identity(&certificates),
            ..settings.clone()
        },
    ];
    for (index, settings) in refused.iter().enumerate() {
        let answer = client(settings, BOUNDS).verify(&question(1)).await;
        assert!(matches!(answer.outcome, Outcome::Unavailable(Reason::Tls(_))), "case {index}: {answer:?}");
    }
    let good = RegistrySettings { client: identity(&certificates), ..settings };
    assert_eq!(client(&good, BOUNDS).verify(&question(1)).await.outcome, VERIFIED);
}

/// What a listener says to whoever connects, before it closes.
async fn says(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // What the client says is read, so that closing does not take back what is said to it.
            let mut hello = [0; 4_096];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(bytes).await;
        }
    });
    at
}

/// Carries the registry's connections, with one byte behind the handshake changed: the last of the first piece that comes behind
/// the first question.
async fn spoiling(registry: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (switch, _) = listener.accept().await.unwrap();
            tokio::spawn(spoil(switch, TcpStream::connect(registry).await.unwrap()));
        }
    });
    at
}

async fn spoil(switch: TcpStream, registry: TcpStream) {
    let ((mut from_switch, mut to_switch), (mut from_registry, mut to_registry)) =
        (switch.into_split(), registry.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut from_switch, &mut to_registry).await });
    let mut buffer = [0; 16_384];
    // The registry's first piece is its part of the handshake.
    for piece in 0.. {
        let Ok(read @ 1..) = from_registry.read(&mut buffer).await else { return };
        if piece > 0 {
            buffer[read - 1] ^= 1;
        }
        if to_switch.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// With `[stand_in]` whoever is away is paid for: somebody who stands in the registry's place, or between it and the switch, is
/// not away, and neither is a registry that refuses the switch.
#[tokio::test]
async fn whoever_is_not_the_registry_is_not_away() {
    for http2 in [true, false] {
        let certificates = Certificates::mint().unwrap();
        let config = |certificates: &Certificates| RegistryConfig { http2, ..registry(certificates, 0) };
        let handle = Registry::start(config(&certificates)).await.unwrap();
        let good = settings(&handle, &certificates);
        let at = |address: SocketAddr| RegistrySettings { url: format!("https://{address}"), ..good.clone() };

        let of_another = Registry::start(config(&Certificates::mint().unwrap())).await.unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let elsewhere = rcgen::CertificateParams::new(vec!["registry.example".to_owned()]).unwrap();
        let authority = Authority::mint("an authority").unwrap();
        let wrong = [params, elsewhere].map(|params| authority.server_of(params).unwrap());
        let [expired, named_otherwise] = wrong.map(|server| Certificates { server, ..certificates.clone() });
        let expired = Registry::start(config(&expired)).await.unwrap();
        let named_otherwise = Registry::start(config(&named_otherwise)).await.unwrap();
        let of_authority = |handle: &Handle| RegistrySettings {
            ca_pem: authority.ca_pem.clone().into(),
            ..at(handle.addr())
        };
        let refusing = RegistryConfig { client_certificate: true, ..config(&certificates) };
        let refusing = Registry::start(refusing).await.unwrap();
        let cases = [
            ("of another authority", at(of_another.addr())),
            ("expired", of_authority(&expired)),
            ("of another name", of_authority(&named_otherwise)),
            ("refuses the switch", at(refusing.addr())),
            ("no TLS", at(says(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await)),
            ("an alert", at(says(&[21, 3, 3, 0, 2, 2, 80]).await)),
            ("spoiled on the way", at(spoiling(handle.addr()).await)),
        ];
        for (name, settings) in cases {
            let breaker = BreakerBounds { failures_in_row_max: 1, pause_ms: 3_600_000 };
            let client = client(&settings, RegistryBounds { breaker, ..BOUNDS });
            let answer = client.verify(&question(1)).await;
            let Outcome::Unavailable(reason) = answer.outcome else { panic!("{name}, {http2}: {answer:?}") };
            assert!(matches!(reason, Reason::Tls(_)) && !reason.is_away(), "{name}, {http2}: {reason:?}");
            let paused = client.verify(&question(2)).await.outcome;
            assert_eq!(paused, Outcome::Unavailable(Reason::Paused(Paused { was_away: false })), "{name}");
        }
        // And whoever closes, or is not there, is.
        let closes = at(says(b"").await);
        let port = of_another.addr();
        of_another.stop().await;
        for (name, settings) in [("closes", closes), ("is not there", at(port))] {
            let outcome = client(&settings, BOUNDS).verify(&question(1)).await.outcome;
            assert!(
                matches!(&outcome, Outcome::Unavailable(reason @ Reason::Transport(_)) if reason.is_away()),
                "{name}, {http2}: {outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_that_the_registry_does_not_know_is_unavailable() {
    let (_handle, settings) = started().await;
    let stranger = SecretPem(SecretKey::from_seed(SEED, "stranger", "switch-1").to_pkcs8_pem().into());
    let settings = RegistrySettings { signing_key_pem: stranger, ..settings };
    let answer = client(&settings, BOUNDS).verify(&question(1)).await;
    assert_eq!(answer.outcome, Outcome::Unavailable(Reason::Status(401)));
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_at_the_start() {
    let (_handle, settings) = started().await;
    let refused = |change: &dyn Fn(&mut RegistrySettings)| {
        let mut settings = settings.clone();
        change(&mut settings);
        RegistryClient::new(&settings, "switch-hn", BOUNDS, surroundings()).err().unwrap()
    };
    let public: Vec<u8> = settings.pinned["registry-1"].clone();
    assert!(matches!(refused(&|s| s.url = "http://127.0.0.1:1".to_owned()), RegistryConfigError::Url));
    assert!(matches!(refused(&|s| s.url = "https://".to_owned()), RegistryConfigError::Url));
    assert!(matches!(refused(&|s| s.ca_pem.clear()), RegistryConfigError::Authority));
    assert!(matches!(
        refused(&|s| s.signing_key_pem = SecretPem(public.clone())),
        RegistryConfigError::SigningKey
    ));
    assert!(matches!(
        refused(&|s| drop(s.pinned.insert("registry-2".to_owned(), b"no PEM".to_vec()))),
        RegistryConfigError::PinnedKey(kid) if kid == "registry-2"
    ));
    assert!(matches!(
        refused(&|s| s.client = Some((Vec::new(), SecretPem(Vec::new())))),
        RegistryConfigError::Client(_)
    ));
}

#[tokio::test]
async fn openssl_verifies_the_evidence() {
    let (handle, settings) = started().await;
    let answer = client(&settings, BOUNDS).verify(&question(1)).await;
    let compact = String::from_utf8(answer.jws.unwrap().into()).unwrap();
    let (signed, signature) = compact.rsplit_once('.').unwrap();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let key = write("key.pem", handle.public_key().to_pem().as_bytes());
    let input = write("input", signed.as_bytes());
    let signature = write("signature", &der(&base64url(signature)));
    let run = |input: &std::path::Path| {
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-verify"]).arg(&key).arg("-signature").arg(&signature).arg(input);
        openssl.output().expect("openssl is installed").status.success()
    };
    assert!(run(&input));
    assert!(!run(&write("changed", signed.replacen('e', "f", 1).as_bytes())));
}

/// r‖s as SEQUENCE { INTEGER, INTEGER } (RFC 3279 section 2.2.3).
fn der(plain: &[u8]) -> Vec<u8> {
    let integer = |digits: &[u8]| {
        let leading = digits.iter().take_while(|byte| **byte == 0).count();
        let mut digits = digits[leading..].to_vec();
        if digits[0] >= 0x80 {
            digits.insert(0, 0);
        }
        [vec![0x02, digits.len() as u8], digits].concat()
    };
    let both = [integer(&plain[..32]), integer(&plain[32..])].concat();
    [vec![0x30, both.len() as u8], both].concat()
}

fn base64url(text: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = text.chars().fold((Vec::new(), 0_u32, 0), |(mut bytes, held, count), digit| {
        let held = held << 6 | alphabet.find(digit).unwrap() as u32;
        let count = count + 6;
        if count < 8 {
            return (bytes, held, count);
        }
        bytes.push((held >> (count - 8)) as u8);
        (bytes, held & ((1 << (count - 8)) - 1), count - 8)
    });
    bits.0
}
