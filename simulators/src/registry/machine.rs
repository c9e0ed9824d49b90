//! The registry itself: request bytes and a second in, answer bytes out. No clock, socket or chance.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::{ChipKey, CitizenNumber, Hash};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::contract::{
    Active, Answer, CardStatus, CitizenStatus, Matched, Purpose, Request, SessionAnswer, SessionRequest,
    from_hex, to_hex,
};
use super::fault::{Fault, FaultRule, RequestKey, Wrong};
use super::jws::{self, JwsError, PublicKey, SecretKey, derive};
use super::session::Sessions;
use super::{SESSIONS_PATH, VERIFICATIONS_PATH};

/// A request's `iat` may be so many seconds off, either way.
const CLOCK_S_MAX: i64 = 30;

/// So many nonces of requests that have not expired are remembered; beyond it the answer is UNAVAILABLE.
const NONCES_MAX: usize = 1_000_000;

/// A status is said to hold for so many seconds.
const STATUS_LIFE_S: i64 = 86_400;

/// Vietnam's hours ahead of UTC: a card expires when its last day there has passed.
const VIETNAM_S: i64 = 7 * 3600;

/// Whose files the registry keeps.
pub trait Population: Send {
    /// The citizen's card of today; `None` when no such citizen was ever registered.
    fn card_of(&self, number: &CitizenNumber) -> Option<SeenCard>;
}

/// A card as the registry has it on file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenCard {
    /// DG1's document number, 9 characters.
    pub document_number: String,
    /// DG1's date of expiry, `YYMMDD`.
    pub expiry: String,
    /// SHA-256 of the SOD.
    pub sod_sha256: [u8; 32],
    /// DG15, the chip's public key.
    pub dg15: Vec<u8>,
}

/// What stands on file beside the population: somebody died, a card was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Override {
    /// In place of `ALIVE`.
    pub citizen: Option<CitizenStatus>,
    /// In place of what the card itself says.
    pub card: Option<CardStatus>,
}

/// What a registry is made of.
pub struct MachineConfig {
    /// Signs with the key of the role `registry` of this seed, and mints sessions from it.
    pub seed: u64,
    /// The `kid` of its key.
    pub kid: String,
    /// The switches' keys, by `kid`.
    pub switches: BTreeMap<String, PublicKey>,
    /// Citizens and cards.
    pub population: Box<dyn Population>,
    /// Exceptions from it.
    pub overrides: BTreeMap<CitizenNumber, Override>,
    /// Faults, by the transaction that asks.
    pub faults: FaultRule,
}

/// The registry.
pub struct Machine {
    key: SecretKey,
    /// Signs where a fault wants another key.
    other: SecretKey,
    sessions: Sessions,
    references: Hmac<Sha256>,
    switches: BTreeMap<String, PublicKey>,
    population: Box<dyn Population>,
    overrides: BTreeMap<CitizenNumber, Override>,
    faults: FaultRule,
    always: Option<Fault>,
    nonces: BTreeSet<String>,
    nonces_by_end: BTreeSet<(i64, String)>,
    session_counter: u32,
}

/// What comes back on the socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// This answer.
    Answer(HttpAnswer),
    /// Nothing, and the connection stays open.
    Silence,
    /// Nothing, and the connection is closed.
    Gone,
}

/// An HTTP answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpAnswer {
    /// Sent so many milliseconds after the request came.
    pub delay_ms: u64,
    /// Status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Location`.
    pub location: Option<&'static str>,
    /// Body.
    pub body: Vec<u8>,
}

impl Machine {
    /// A registry that has answered nothing yet.
    pub fn new(config: MachineConfig) -> Machine {
        let references = derive(config.seed, "registry references");
        Machine {
            key: SecretKey::from_seed(config.seed, "registry", &config.kid),
            other: SecretKey::from_seed(config.seed, "impostor", &config.kid),
            sessions: Sessions::from_seed(config.seed),
            references: Hmac::new_from_slice(&references).expect("HMAC takes a key of any length"),
            switches: config.switches,
            population: config.population,
            overrides: config.overrides,
            faults: config.faults,
            always: None,
            nonces: BTreeSet::new(),
            nonces_by_end: BTreeSet::new(),
            session_counter: 0,
        }
    }

    /// The same, signing in half the time: no answer has the same signature in a second run.
    pub(super) fn quick(self) -> Machine {
        Machine { key: self.key.quick(), ..self }
    }

    /// The key that a switch has to pin.
    pub fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// Every request from here on meets this fault, whatever the rule says; `None` lifts it.
    pub fn set_fault(&mut self, always: Option<Fault>) {
        self.always = always;
    }

    /// Puts an exception on file, in place of the one before.
    pub fn set_override(&mut self, number: CitizenNumber, exception: Override) {
        self.overrides.insert(number, exception);
    }

    /// Answers one POST at `now_s`, seconds since 1970. `content_type` is the request's.
    pub fn post(&mut self, now_s: i64, path: &str, content_type: &str, body: &[u8]) -> Reply {
        match path {
            VERIFICATIONS_PATH if content_type == "application/jose" => self.verification(now_s, body),
            VERIFICATIONS_PATH => refused(415, "Content-Type is not application/jose"),
            SESSIONS_PATH => self.session(now_s, body),
            _ => refused(404, "no such path"),
        }
    }

    fn verification(&mut self, now_s: i64, body: &[u8]) -> Reply {
        let (kid, payload) = match jws::verify(body, |kid| self.switches.get(kid)) {
            Ok(verified) => verified,
            Err(error @ JwsError::Form) => return refused(400, &error.to_string()),
            Err(error) => return refused(401, &error.to_string()),
        };
        let request: Request = match serde_json::from_slice(&payload) {
            Ok(request) => request,
            // Only the place: the text of the error may quote a value.
            Err(error) => return refused(400, &format!("not a request, from column {} on", error.column())),
        };
        let number = match request.check() {
            Ok(number) => number,
            Err(field) => return refused(400, &format!("{field} has not the form that it must have")),
        };
        if (request.iat - now_s).abs() > CLOCK_S_MAX || request.exp < now_s {
            return refused(400, "iat or exp is off the registry's clock");
        }
        self.forget_nonces(now_s);
        let nonce = format!("{kid}/{}", request.nonce);
        if self.nonces.contains(&nonce) {
            return refused(409, "the nonce was seen before");
        }
        let full = self.nonces.len() >= NONCES_MAX;
        if !full {
            self.nonces_by_end.insert((request.exp, nonce.clone()));
            self.nonces.insert(nonce);
        }
        let answer = self.judge(now_s, &request, &payload, number, full);
        let key = RequestKey {
            acquirer: request.acquirer,
            terminal: request.terminal,
            stan: request.stan,
            rrn: request.rrn,
            transaction_time: request.transaction_time,
            transaction_type: request.transaction_type,
        };
        match self.always.or_else(|| (self.faults)(&key)) {
            None => signed(&self.key, &answer, 0),
            Some(Fault::Slow(delay_ms)) => signed(&self.key, &answer, delay_ms),
            Some(Fault::Silent) => Reply::Silence,
            Some(Fault::Gone) => Reply::Gone,
            Some(Fault::Wrong(wrong)) => self.wrong(wrong, answer),
        }
    }

    /// The judgement of docs/interface.md#registry, in its order.
    fn judge(
        &self,
        now_s: i64,
        request: &Request,
        payload: &[u8],
        number: CitizenNumber,
        full: bool,
    ) -> Answer {
        let exception = self.overrides.get(&number).copied().unwrap_or_default();
        let on_file = self.population.card_of(&number);
        let registered = if on_file.is_some() { CitizenStatus::Alive } else { CitizenStatus::Unknown };
        let citizen_status = exception.citizen.unwrap_or(registered);
        let card_status = exception.card.unwrap_or_else(|| card_status(now_s, request, on_file.as_ref()));
        let same_chip = on_file.is_some_and(|card| {
            to_hex(&card.sod_sha256) == request.card.sod_sha256
                && to_hex(&Sha256::digest(&card.dg15)) == request.card.dg15_sha256
                && request.active.as_ref().is_none_or(|active| chip_signed(&card.dg15, active))
        });
        let chip_authentic = same_chip && request.local.passive && request.local.active;
        let biometric = request.biometric.as_ref().map(|seen| {
            let session = from_hex(&seen.session);
            let found = session.and_then(|session| {
                self.sessions.check(&session, request.session_at_s(now_s), &number, &request.terminal)
            });
            found.map_or(Matched { matched: false, score: 0 }, |found| Matched {
                matched: found.matched,
                score: found.score,
            })
        });
        let face_or_none = match &biometric {
            Some(found) => found.matched,
            None => !matches!(request.purpose, Purpose::CashOut | Purpose::StandIn),
        };
        let reasons = [
            (citizen_status != CitizenStatus::Alive, "the citizen may not act"),
            (card_status != CardStatus::Valid, "the card is not good"),
            (!chip_authentic, "the chip is not the one on file, or was not authenticated"),
            (!face_or_none, "no biometric match"),
        ];
        let reason = reasons.iter().find(|(holds, _)| *holds).map(|(_, reason)| *reason);
        let (result, reason) = match reason {
            _ if full => ("UNAVAILABLE", Some("too many requests at once")),
            None => ("VERIFIED", None),
            Some(reason) => ("REFUSED", Some(reason)),
        };
        let request_sha256 = Sha256::digest(payload);
        let mut reference = self.references.clone();
        reference.update(&request_sha256);
        Answer {
            request_id: request.request_id.clone(),
            nonce: request.nonce.clone(),
            request_sha256: to_hex(&request_sha256),
            iat: now_s,
            exp: now_s + 30,
            result,
            citizen_status,
            card_status,
            chip_authentic,
            biometric,
            reason: reason.map(str::to_owned),
            registry_ref: to_hex(&reference.finalize().into_bytes()[..16]),
            status_valid_until: now_s + STATUS_LIFE_S,
        }
    }

    fn wrong(&self, wrong: Wrong, right: Answer) -> Reply {
        let mut answer = right.clone();
        match wrong {
            Wrong::Kid => return signed(&self.other.clone_as("nobody"), &right, 0),
            Wrong::Signature => return signed(&self.other, &right, 0),
            Wrong::Unsigned => return jose(200, resign(&right, "none", self.key.kid(), |_| Vec::new())),
            Wrong::Confused => {
                let pem = self.key.public().to_pem();
                let hs256 = |input: &[u8]| {
                    let mut mac = Hmac::<Sha256>::new_from_slice(pem.as_bytes())
                        .expect("HMAC takes a key of any length");
                    mac.update(input);
                    mac.finalize().into_bytes().to_vec()
                };
                return jose(200, resign(&right, "HS256", self.key.kid(), hs256));
            }
            Wrong::Oversize => {
                answer.reason = Some("long ".repeat(2_000));
            }
            Wrong::Status => return jose(500, self.key.sign(&to_json(&right))),
            Wrong::Redirect => {
                let location = Some(VERIFICATIONS_PATH);
                return Reply::Answer(HttpAnswer { location, ..http(307, "text/plain", Vec::new()) });
            }
            Wrong::NoJson => return jose(200, self.key.sign(b"VERIFIED")),
            Wrong::RequestId => answer.request_id.push('x'),
            Wrong::Nonce => answer.nonce = BASE64URL.encode([0; 16]),
            Wrong::Digest => answer.request_sha256 = to_hex(&Sha256::digest(b"another request")),
            Wrong::Stale => answer.iat -= CLOCK_S_MAX + 1,
            // One second more: the switch's clock may have gone on by one when it looks.
            Wrong::Early => answer.iat += CLOCK_S_MAX + 2,
            Wrong::Expired => answer.exp = answer.iat - 1,
            Wrong::SameRef => answer.registry_ref = "always-the-same".to_owned(),
            Wrong::VerifiedDead => answer.citizen_status = CitizenStatus::Deceased,
            Wrong::VerifiedLost => answer.card_status = CardStatus::Lost,
            Wrong::VerifiedClone => answer.chip_authentic = false,
            Wrong::NoResult => answer.result = "PERHAPS",
        }
        if matches!(wrong, Wrong::VerifiedDead | Wrong::VerifiedLost | Wrong::VerifiedClone) {
            answer.result = "VERIFIED";
        }
        signed(&self.key, &answer, 0)
    }

    fn session(&mut self, now_s: i64, body: &[u8]) -> Reply {
        let asked = serde_json::from_slice::<SessionRequest>(body).ok().and_then(|asked| {
            let number = CitizenNumber::parse(asked.citizen_number.as_bytes()).ok()?;
            Some((number, asked))
        });
        let Some((number, asked)) = asked else {
            return refused(400, "not citizen_number, terminal_id and score");
        };
        self.session_counter = self.session_counter.wrapping_add(1);
        let session = self.sessions.mint(
            now_s,
            self.session_counter,
            &number,
            asked.terminal_id.trim_end(),
            asked.score,
        );
        let answer = SessionAnswer { session: to_hex(&session) };
        Reply::Answer(http(200, "application/json", to_json(&answer)))
    }

    fn forget_nonces(&mut self, now_s: i64) {
        while let Some((end_s, _)) = self.nonces_by_end.first()
            && *end_s < now_s
        {
            if let Some((_, nonce)) = self.nonces_by_end.pop_first() {
                self.nonces.remove(&nonce);
            }
        }
    }
}

fn card_status(now_s: i64, request: &Request, on_file: Option<&SeenCard>) -> CardStatus {
    let today = time::OffsetDateTime::from_unix_timestamp(now_s + VIETNAM_S)
        .map_or(time::Date::MIN, time::OffsetDateTime::date);
    let yymmdd = format!("{:02}{:02}{:02}", today.year() % 100, u8::from(today.month()), today.day());
    match on_file {
        Some(card) if card.document_number != request.card.document_number => CardStatus::Replaced,
        Some(card) if card.expiry < yymmdd => CardStatus::Expired,
        Some(card) if card.expiry != request.card.expiry => CardStatus::Revoked,
        Some(_) => CardStatus::Valid,
        None => CardStatus::Revoked,
    }
}

/// The chip on file has signed the challenge: the switch's own check, made again.
fn chip_signed(dg15: &[u8], active: &Active) -> bool {
    let decode = |text: &str| BASE64URL.decode(text).ok();
    let Ok(key) = ChipKey::parse(dg15) else {
        return false;
    };
    let hashes = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
    let Some(hash) = hashes.into_iter().find(|hash| key.algorithm_text(*hash) == active.algorithm) else {
        return false;
    };
    let challenge = decode(&active.challenge).and_then(|challenge| challenge.try_into().ok());
    match (challenge, decode(&active.signature)) {
        (Some(challenge), Some(signature)) => key.verify(&challenge, &signature, hash).is_ok(),
        (None, _) | (_, None) => false,
    }
}

fn signed(key: &SecretKey, answer: &Answer, delay_ms: u64) -> Reply {
    let body = key.sign(&to_json(answer)).into_bytes();
    Reply::Answer(HttpAnswer { delay_ms, ..http(200, "application/jose", body) })
}

/// A compact JWS under another algorithm than the registry's own.
fn resign(answer: &Answer, alg: &str, kid: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let header = format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#);
    let input = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(to_json(answer)));
    let signature = BASE64URL.encode(sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn jose(status: u16, compact: String) -> Reply {
    Reply::Answer(http(status, "application/jose", compact.into_bytes()))
}

fn refused(status: u16, reason: &str) -> Reply {
    let body = to_json(&serde_json::json!({ "error": reason }));
    Reply::Answer(http(status, "application/json", body))
}

fn http(status: u16, content_type: &'static str, body: Vec<u8>) -> HttpAnswer {
    HttpAnswer { delay_ms: 0, status, content_type, location: None, body }
}

fn to_json(body: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("an answer has a JSON form")
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    const NOW_S: i64 = 1_651_543_323;
    const NUMBER: &str = "001203000001";
    const DG15: &[u8] = b"no key";

    struct One;

    impl Population for One {
        fn card_of(&self, number: &CitizenNumber) -> Option<SeenCard> {
            let card = SeenCard {
                document_number: "203000001".to_owned(),
                expiry: "321231".to_owned(),
                sod_sha256: [1; 32],
                dg15: DG15.to_vec(),
            };
            (number.digits() == NUMBER.as_bytes()).then_some(card)
        }
    }

    fn switch() -> SecretKey {
        SecretKey::from_seed(1, "switch", "switch-1")
    }

    /// A registry of one citizen.
    pub(crate) fn config(overrides: BTreeMap<CitizenNumber, Override>) -> MachineConfig {
        MachineConfig {
            seed: 1,
            kid: "registry-1".to_owned(),
            switches: BTreeMap::from([("switch-1".to_owned(), switch().public())]),
            population: Box::new(One),
            overrides,
            faults: Box::new(|key| (key.stan == "000666").then_some(Fault::Gone)),
        }
    }

    /// A signed request for a withdrawal, changed.
    pub(crate) fn body(now_s: i64, change: impl Fn(&mut Value)) -> String {
        let number = CitizenNumber::parse(NUMBER.as_bytes()).unwrap();
        let session = Sessions::from_seed(1).mint(now_s, 1, &number, "HN000001", 90);
        let mut request = json!({
            "request_id": "r-1", "switch_id": "switch-hn", "acquirer_id": "970418", "terminal_id": "HN000001",
            "stan": "000017", "rrn": "212300000001", "transaction_time": "2022-05-03T02:02:03Z",
            "transaction_type": "withdrawal", "amount_minor": 2_000_000, "currency": 704, "purpose": "cash-out",
            "citizen_number": NUMBER,
            "card": {
                "document_number": "203000001", "expiry": "321231", "sod_sha256": to_hex(&[1; 32]),
                "dg15_sha256": to_hex(&Sha256::digest(DG15)), "dsc_issuer": "CN=DS 1", "dsc_serial": "01",
            },
            "local": { "passive": true, "active": true, "csca_id": "0011223344556677", "crl_age_s": 5 },
            "active": null,
            "biometric": { "session": to_hex(&session), "modality": "face" },
            "nonce": BASE64URL.encode([9; 16]), "iat": now_s, "exp": now_s + 30,
        });
        change(&mut request);
        switch().sign(&serde_json::to_vec(&request).unwrap())
    }

    fn post(machine: &mut Machine, body: &str) -> (u16, Value) {
        match machine.post(NOW_S, VERIFICATIONS_PATH, "application/jose", body.as_bytes()) {
            Reply::Answer(answer) if answer.status == 200 => {
                let key = machine.public_key();
                let payload =
                    jws::verify(&answer.body, |kid| (kid == "registry-1").then_some(&key)).unwrap().1;
                (200, serde_json::from_slice(&payload).unwrap())
            }
            Reply::Answer(answer) => (answer.status, Value::Null),
            reply @ (Reply::Silence | Reply::Gone) => panic!("{reply:?}"),
        }
    }

    fn set(path: &str, value: Value) -> impl Fn(&mut Value) {
        move |request| *request.pointer_mut(path).unwrap() = value.clone()
    }

    #[test]
    fn a_good_request_is_verified_and_bound() {
        let body = body(NOW_S, |_| {});
        let (status, answer) = post(&mut Machine::new(config(BTreeMap::new())), &body);
        let payload = BASE64URL.decode(body.split('.').nth(1).unwrap()).unwrap();
        assert_eq!(status, 200);
        let expected = json!({
            "request_id": "r-1", "nonce": BASE64URL.encode([9; 16]),
            "request_sha256": to_hex(&Sha256::digest(payload)), "iat": NOW_S, "exp": NOW_S + 30,
            "result": "VERIFIED", "citizen_status": "ALIVE", "card_status": "VALID", "chip_authentic": true,
            "biometric": { "matched": true, "score": 90 }, "reason": null,
            "registry_ref": answer["registry_ref"], "status_valid_until": NOW_S + STATUS_LIFE_S,
        });
        assert_eq!(answer, expected);
        assert_eq!(answer["registry_ref"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn what_is_judged() {
        let cases: [(&str, Value, [&str; 4]); 11] = [
            ("/citizen_number", json!("001203000002"), ["REFUSED", "UNKNOWN", "REVOKED", "false"]),
            ("/card/document_number", json!("203000009"), ["REFUSED", "ALIVE", "REPLACED", "true"]),
            ("/card/expiry", json!("991231"), ["REFUSED", "ALIVE", "REVOKED", "true"]),
            ("/card/sod_sha256", json!(to_hex(&[3; 32])), ["REFUSED", "ALIVE", "VALID", "true"]),
            ("/card/dg15_sha256", json!(to_hex(&[3; 32])), ["REFUSED", "ALIVE", "VALID", "true"]),
            ("/local/passive", json!(false), ["REFUSED", "ALIVE", "VALID", "true"]),
            ("/local/active", json!(false), ["REFUSED", "ALIVE", "VALID", "true"]),
            ("/terminal_id", json!("HN000002"), ["REFUSED", "ALIVE", "VALID", "false"]),
            ("/biometric", Value::Null, ["REFUSED", "ALIVE", "VALID", "null"]),
            ("/biometric/session", json!(to_hex(&[0; 16])), ["REFUSED", "ALIVE", "VALID", "false"]),
            ("/rrn", json!("212300000009"), ["VERIFIED", "ALIVE", "VALID", "true"]),
        ];
        for (path, value, expected) in cases {
            let (_, answer) =
                post(&mut Machine::new(config(BTreeMap::new())), &body(NOW_S, set(path, value.clone())));
            let matched = answer["biometric"].get("matched").unwrap_or(&Value::Null).to_string();
            let text = |field: &str| answer[field].as_str().unwrap().to_owned();
            assert_eq!(
                [text("result"), text("citizen_status"), text("card_status"), matched],
                expected,
                "{path} {value}"
            );
            let cloned = path.contains("sha256") || path.contains("local") || path == "/citizen_number";
            assert_eq!(answer["chip_authentic"], !cloned, "{path} {value}");
        }
    }

    #[test]
    fn inquiries_need_no_face() {
        let inquiry = |request: &mut Value| {
            set("/transaction_type", json!("balance inquiry"))(request);
            set("/purpose", json!("inquiry"))(request);
            set("/biometric", Value::Null)(request);
        };
        let (_, answer) = post(&mut Machine::new(config(BTreeMap::new())), &body(NOW_S, inquiry));
        assert_eq!(answer["result"], "VERIFIED");
    }

    #[test]
    fn exceptions_on_file() {
        let number = CitizenNumber::parse(NUMBER.as_bytes()).unwrap();
        let citizen = |status| Override { citizen: Some(status), card: None };
        let card = |status| Override { citizen: None, card: Some(status) };
        let cases = [
            (citizen(CitizenStatus::Deceased), "DECEASED", "VALID"),
            (citizen(CitizenStatus::Missing), "MISSING", "VALID"),
            (citizen(CitizenStatus::Restricted), "RESTRICTED", "VALID"),
            (citizen(CitizenStatus::Unknown), "UNKNOWN", "VALID"),
            (card(CardStatus::Lost), "ALIVE", "LOST"),
            (card(CardStatus::Revoked), "ALIVE", "REVOKED"),
            (card(CardStatus::Replaced), "ALIVE", "REPLACED"),
            (card(CardStatus::Expired), "ALIVE", "EXPIRED"),
        ];
        for (exception, citizen_status, card_status) in cases {
            let mut machine = Machine::new(config(BTreeMap::from([(number, exception)])));
            let (_, answer) = post(&mut machine, &body(NOW_S, |_| {}));
            assert_eq!(answer["result"], "REFUSED");
            assert_eq!(answer["citizen_status"], citizen_status);
            assert_eq!(answer["card_status"], card_status);
        }
        let mut machine = Machine::new(config(BTreeMap::new()));
        machine.set_override(number, card(CardStatus::Lost));
        assert_eq!(post(&mut machine, &body(NOW_S, |_| {})).1["card_status"], "LOST");
    }

    #[test]
    fn a_card_expires_when_its_last_day_in_vietnam_is_over() {
        let last_s = time::macros::datetime!(2032-12-31 16:59:59 UTC).unix_timestamp();
        for (now_s, expected) in [(last_s, "VALID"), (last_s + 1, "EXPIRED")] {
            let mut machine = Machine::new(config(BTreeMap::new()));
            let body = body(now_s, |_| {});
            let reply = machine.post(now_s, VERIFICATIONS_PATH, "application/jose", body.as_bytes());
            let Reply::Answer(answer) = reply else { panic!("{reply:?}") };
            let payload = String::from_utf8(answer.body).unwrap();
            let payload = BASE64URL.decode(payload.split('.').nth(1).unwrap()).unwrap();
            let answer: Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(answer["card_status"], expected);
        }
    }

    #[test]
    fn what_is_no_request_of_the_contract_is_refused() {
        let cases = [
            (400, "", json!(null)),
            (400, "/stan", json!("17")),
            (400, "/stan", json!(17)),
            (400, "/rrn", json!("1")),
            (400, "/citizen_number", json!("1203000001")),
            (400, "/transaction_time", json!("2022-05-03T09:02:03+07:00")),
            (400, "/purpose", json!("cash-in")),
            (400, "/transaction_type", json!("loan")),
            (400, "/nonce", json!("AAAA")),
            (400, "/exp", json!(NOW_S + 31)),
            (400, "/iat", json!(NOW_S - 31)),
            (400, "/card/expiry", json!("2032")),
            (400, "/card/sod_sha256", json!("00")),
            (400, "/biometric/modality", json!("voice")),
            (200, "/active", json!({ "algorithm": "ecdsa-sha256", "challenge": "AA", "signature": "AA" })),
        ];
        for (expected, path, value) in cases {
            let body = body(NOW_S, set(path, value.clone()));
            let (status, _) = post(&mut Machine::new(config(BTreeMap::new())), &body);
            assert_eq!(status, expected, "{path} {value}");
        }
        let mut machine = Machine::new(config(BTreeMap::new()));
        let stranger = SecretKey::from_seed(1, "switch", "switch-2").sign(b"{}");
        assert_eq!(post(&mut machine, &stranger).0, 401);
        let impostor = SecretKey::from_seed(2, "switch", "switch-1").sign(b"{}");
        assert_eq!(post(&mut machine, &impostor).0, 401);
        let reply = machine.post(NOW_S, VERIFICATIONS_PATH, "application/json", b"");
        assert!(matches!(reply, Reply::Answer(HttpAnswer { status: 415, .. })));
    }

    #[test]
    fn a_nonce_serves_once_and_is_forgotten_when_its_request_has_expired() {
        let mut machine = Machine::new(config(BTreeMap::new()));
        assert_eq!(post(&mut machine, &body(NOW_S, |_| {})).0, 200);
        assert_eq!(post(&mut machine, &body(NOW_S, set("/request_id", json!("r-2")))).0, 409);
        machine.forget_nonces(NOW_S + 30);
        assert_eq!(machine.nonces.len(), 1);
        machine.forget_nonces(NOW_S + 31);
        assert_eq!((machine.nonces.len(), machine.nonces_by_end.len()), (0, 0));
    }

    #[test]
    fn faults_hang_on_the_transaction() {
        let mut machine = Machine::new(config(BTreeMap::new()));
        let mut reply = |stan: &str, nonce: u8, always| {
            machine.set_fault(always);
            let body = body(NOW_S, |request| {
                set("/stan", json!(stan))(request);
                set("/nonce", json!(BASE64URL.encode([nonce; 16])))(request);
            });
            machine.post(NOW_S, VERIFICATIONS_PATH, "application/jose", body.as_bytes())
        };
        assert_eq!(reply("000666", 1, None), Reply::Gone);
        assert!(matches!(reply("000667", 2, None), Reply::Answer(_)));
        assert_eq!(reply("000667", 3, Some(Fault::Silent)), Reply::Silence);
        let slow = reply("000667", 4, Some(Fault::Slow(250)));
        assert!(matches!(slow, Reply::Answer(HttpAnswer { delay_ms: 250, status: 200, .. })));
        for (name, wrong) in Wrong::ALL {
            assert_eq!(format!("wrong:{name}").parse(), Ok(Fault::Wrong(wrong)));
        }
        assert_eq!("slow:250".parse(), Ok(Fault::Slow(250)));
        assert!("wrong:moon".parse::<Fault>().is_err());
    }

    #[test]
    fn the_side_door_mints_what_terminals_mint_themselves() {
        let mut machine = Machine::new(config(BTreeMap::new()));
        let body = format!(r#"{{"citizen_number":"{NUMBER}","terminal_id":"HN000001","score":90}}"#);
        let reply = machine.post(NOW_S, SESSIONS_PATH, "application/json", body.as_bytes());
        let number = CitizenNumber::parse(NUMBER.as_bytes()).unwrap();
        let session = to_hex(&Sessions::from_seed(1).mint(NOW_S, 1, &number, "HN000001", 90));
        let Reply::Answer(answer) = reply else { panic!("{reply:?}") };
        assert_eq!(answer.body, format!(r#"{{"session":"{session}"}}"#).into_bytes());
        let reply = machine.post(NOW_S, SESSIONS_PATH, "application/json", b"{}");
        assert!(matches!(reply, Reply::Answer(HttpAnswer { status: 400, .. })));
    }

    #[test]
    fn one_seed_one_answer() {
        let body = body(NOW_S, |_| {});
        let answer = || {
            let mut machine = Machine::new(config(BTreeMap::new()));
            machine.post(NOW_S, VERIFICATIONS_PATH, "application/jose", body.as_bytes())
        };
        assert_eq!(answer(), answer());
    }
}
