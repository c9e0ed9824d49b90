//! What is asked and what an answer is worth: a question to signed bytes, signed bytes to a judged answer. No I/O.

use mutant::Mutant;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::CitizenNumber;
use processor::{Code, Kind, Rrn, TxKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::RegistryConfigError;

/// An answer's `iat` may be so many seconds off, either way; a request's `exp` is so far behind its `iat`.
const CLOCK_S_MAX: i64 = 30;

/// ECDSA on P-256 with SHA-256 (RFC 7518, 3.4), both ways.
const ALGORITHM: &str = "ES256";

/// So many `registry_ref` are remembered, the oldest forgotten first. An answer lives 30 s, so none that could still
/// be believed is forgotten below 8,700 answers a second; the nonce binds an answer to its request in any case.
const REFERENCES_REMEMBERED_MAX: usize = 262_144;

/// The purpose of a question about a withdrawal that went out in the registry's stead: the registry judges the biometric
/// session as of `transaction_time`.
const STAND_IN_PURPOSE: &str = "stand-in";

/// What the registry is asked. Has no `Debug`: it is personal data from end to end.
pub struct RegistryQuestion {
    /// Acquirer, terminal, STAN and time of the terminal's request.
    pub key: TxKey,
    /// DE37.
    pub rrn: Rrn,
    /// What the citizen wants.
    pub kind: Kind,
    /// Minor units; 0 where there is none.
    pub amount_minor: u64,
    /// ISO 4217 numeric; 0 where there is none.
    pub currency: u16,
    /// Who the card says it is.
    pub citizen: CitizenNumber,
    /// DG1: document number, 9 characters.
    pub document_number: String,
    /// DG1: date of expiry, `YYMMDD`.
    pub expiry: String,
    /// SHA-256 of the SOD.
    pub sod_sha256: [u8; 32],
    /// SHA-256 of DG15.
    pub dg15_sha256: [u8; 32],
    /// The document signer's issuer, RFC 4514.
    pub dsc_issuer: String,
    /// The document signer's serial number, big-endian.
    pub dsc_serial: Vec<u8>,
    /// The switch has checked the SOD up to a country signer.
    pub passive: bool,
    /// The switch has checked the chip's signature.
    pub active: bool,
    /// The first 8 bytes of SHA-256 of the country signer's certificate.
    pub csca_id: [u8; 8],
    /// Age of the revocation list; `None` where none is loaded.
    pub crl_age_s: Option<u64>,
    /// The chip's signature, where the registry shall check it again.
    pub active_proof: Option<ActiveProof>,
    /// DF32 and what was compared.
    pub biometric: Option<([u8; 16], Modality)>,
}

/// An active-authentication signature.
pub struct ActiveProof {
    /// `ecdsa-sha256` and so on.
    pub algorithm: String,
    /// The challenge, 8 bytes.
    pub challenge: Vec<u8>,
    /// DF22.
    pub signature: Vec<u8>,
}

/// What was compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Modality {
    /// The face.
    Face,
    /// A finger.
    Finger,
}

/// The judged answer, with what proves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What the switch makes of it.
    pub outcome: Outcome,
    /// The compact JWS whose signature, request and time were found right; kept in the log. Absent where there was
    /// none to be believed.
    pub jws: Option<Box<[u8]>>,
    /// The registry's name for its answer, where `jws` is there.
    pub registry_ref: Option<String>,
    /// Seconds since 1970: for so long the registry's word on citizen and card holds, where `jws` is there.
    pub status_valid_until_s: Option<i64>,
}

/// What the switch makes of an answer, or of having none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Citizen, card and chip are in order.
    Verified {
        /// The registry signed that face or finger matched.
        biometric_matched: bool,
    },
    /// Something is not in order: DE39.
    Refused(Code),
    /// No verdict: 91.
    Unavailable(Reason),
}

/// Why there is no verdict.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Reason {
    /// [`crate::registry::RegistryBounds::in_flight_max`] questions wait already.
    #[error("too many questions wait for the registry")]
    Overload,
    /// [`crate::registry::BreakerBounds::failures_in_row_max`] questions in a row had no verdict.
    #[error(transparent)]
    Paused(#[from] super::breaker::Paused),
    /// [`crate::registry::RegistryBounds::timeout_ms`] are over.
    #[error("no answer in time")]
    Late,
    /// Nobody is there: no connection, or it was closed.
    #[error("{0}")]
    Transport(String),
    /// Somebody is there, and not the registry, or it does not know the switch: a certificate was refused, or what came under
    /// TLS was spoiled. Nobody has been asked.
    #[error("not the registry, or not it alone: {0}")]
    Tls(String),
    /// What came is no HTTP.
    #[error("no answer in HTTP: {0}")]
    Http(String),
    /// An HTTP status other than 200.
    #[error("HTTP status {0}")]
    Status(u16),
    /// A body above [`processor::Evidence::ANSWER_BYTES_MAX`].
    #[error("the answer is too long")]
    TooLong,
    /// Not a compact JWS with `alg` and `kid`, or not the fields of an answer.
    #[error("the answer has not the form of the contract")]
    Form,
    /// Not ES256.
    #[error("the answer is not signed with ES256")]
    Algorithm,
    /// No key is pinned under the answer's `kid`.
    #[error("the answer is signed with a key that is not pinned")]
    Kid,
    /// The signature does not verify.
    #[error("the answer's signature is wrong")]
    Signature,
    /// `request_id`, `request_sha256` or `nonce` are of another request.
    #[error("the answer is that to another request")]
    OtherRequest,
    /// `iat` is more than 30 s off, or `exp` has passed.
    #[error("the answer is not of now")]
    Clock,
    /// `registry_ref` was seen before.
    #[error("the answer's registry_ref was seen before")]
    SeenBefore,
    /// VERIFIED, but citizen, card or chip are said not to be in order.
    #[error("the answer contradicts itself")]
    Contradiction,
    /// The registry itself said so.
    #[error("the registry says that it is not available")]
    Said,
}

/// One registry's contract: the switch's signing key, the registry's pinned keys, and what was seen of it.
pub struct Contract {
    switch_id: String,
    /// The header of every request, in base64url.
    header: String,
    /// Taken apart once: reading a key costs more than signing with it.
    signing_key: EcdsaKeyPair,
    pinned: BTreeMap<String, ParsedPublicKey>,
    seen: Mutex<SeenReferences>,
}

/// A request as it is sent.
pub struct Asked {
    /// The compact JWS: the body of the POST.
    pub compact: Vec<u8>,
    kind: Kind,
    request_id: String,
    nonce: String,
    request_sha256: String,
}

impl Contract {
    /// `switch_id` is the switch's name towards the registry, `kid` the name of its signing key (PKCS#8 PEM, P-256)
    /// there; `pinned` are the registry's keys by their names (SPKI PEM, P-256).
    ///
    /// # Errors
    /// [`RegistryConfigError::SigningKey`] and [`RegistryConfigError::PinnedKey`].
    pub fn new(
        switch_id: &str,
        kid: &str,
        signing_key_pem: &[u8],
        pinned: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Contract, RegistryConfigError> {
        let signing_key = signing_key(signing_key_pem).ok_or(RegistryConfigError::SigningKey)?;
        let pinned = pinned.iter().map(|(kid, pem)| {
            let key = public_key(pem).ok_or_else(|| RegistryConfigError::PinnedKey(kid.clone()))?;
            Ok((kid.clone(), key))
        });
        let header = JoseHeader { alg: ALGORITHM.to_owned(), kid: kid.to_owned() };
        let header = serde_json::to_vec(&header).expect("two texts have a JSON form");
        Ok(Contract {
            switch_id: switch_id.to_owned(),
            header: BASE64URL.encode(header),
            signing_key,
            pinned: pinned.collect::<Result<_, _>>()?,
            seen: Mutex::default(),
        })
    }

    /// The signed request at `now_s`, seconds since 1970. `request_id` and nonce are made of `chance`, which nobody can
    /// guess.
    pub fn ask(&self, question: &RegistryQuestion, chance: &[u8; 32], now_s: i64) -> Asked {
        let request_id = hex(&chance[..16]);
        let nonce = BASE64URL.encode(&chance[16..]);
        let body = RequestBody::new(question, &self.switch_id, &request_id, &nonce, now_s);
        let payload = serde_json::to_vec(&body).expect("the body has a JSON form");
        self.signed(payload, question.kind, request_id, nonce)
    }

    /// What is kept of a question that had no answer, so that it can be put again: the payload without what is new each
    /// time.
    pub fn keep(&self, question: &RegistryQuestion) -> Box<[u8]> {
        let body = RequestBody::new(question, &self.switch_id, "", "", 0);
        serde_json::to_vec(&body).expect("the body has a JSON form").into()
    }

    /// The signed request for a question that was kept ([`Contract::keep`]): the withdrawal has gone out meanwhile, and
    /// its purpose says so.
    ///
    /// # Errors
    /// [`Reason::Form`]: it was not kept by this contract.
    pub fn ask_again(&self, kept: &[u8], chance: &[u8; 32], now_s: i64) -> Result<Asked, Reason> {
        let request_id = hex(&chance[..16]);
        let nonce = BASE64URL.encode(&chance[16..]);
        let mut body: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(kept).map_err(|_| Reason::Form)?;
        let new = [
            ("request_id", request_id.as_str().into()),
            ("nonce", nonce.as_str().into()),
            ("purpose", STAND_IN_PURPOSE.into()),
            ("iat", now_s.into()),
            ("exp", (now_s + CLOCK_S_MAX).into()),
        ];
        for (field, value) in new {
            *body.get_mut(field).ok_or(Reason::Form)? = value;
        }
        let payload = serde_json::to_vec(&body).expect("what was read from JSON has a JSON form");
        Ok(self.signed(payload, Kind::Withdrawal, request_id, nonce))
    }

    fn signed(&self, payload: Vec<u8>, kind: Kind, request_id: String, nonce: String) -> Asked {
        let request_sha256 = hex(&Sha256::digest(&payload));
        let mut compact = format!("{}.{}", self.header, BASE64URL.encode(payload));
        let signature = self.signing_key.sign(&SystemRandom::new(), compact.as_bytes());
        let signature = signature.expect("the key has signed before, and the system gives entropy");
        compact.push('.');
        BASE64URL.encode_string(signature, &mut compact);
        Asked { compact: compact.into_bytes(), kind, request_id, nonce, request_sha256 }
    }

    /// Judges the body of an answer with status 200 that came at `now_s`. Remembers its `registry_ref`.
    pub fn judge(&self, asked: &Asked, compact: &[u8], now_s: i64) -> Answer {
        match self.believe(asked, compact, now_s) {
            Ok(body) => Answer {
                outcome: judge(&body, asked.kind),
                jws: Some(compact.into()),
                registry_ref: Some(body.registry_ref),
                status_valid_until_s: Some(body.status_valid_until),
            },
            Err(reason) => Answer::unavailable(reason),
        }
    }

    /// The answer's body, once its signature, its request and its time are found right.
    fn believe(&self, asked: &Asked, compact: &[u8], now_s: i64) -> Result<AnswerBody, Reason> {
        let payload = verify(compact, &self.pinned)?;
        let body: AnswerBody = serde_json::from_slice(&payload).map_err(|_| Reason::Form)?;
        let is_to_this = body.request_id == asked.request_id
            && body.nonce == asked.nonce
            && body.request_sha256 == asked.request_sha256;
        if !is_to_this && !mutant::is(Mutant::RegistryAnswerToAnother) {
            return Err(Reason::OtherRequest);
        }
        let off_s = body.iat.saturating_sub(now_s);
        let is_of_now = (-CLOCK_S_MAX..=CLOCK_S_MAX).contains(&off_s) && body.exp >= now_s;
        if !is_of_now && !mutant::is(Mutant::RegistryAnswerOfAnotherTime) {
            return Err(Reason::Clock);
        }
        let score = body.biometric.as_ref().map_or(0, |biometric| biometric.score);
        if !(1..=64).contains(&body.registry_ref.chars().count()) || score > 100 {
            return Err(Reason::Form);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = seen.insert(&body.registry_ref, REFERENCES_REMEMBERED_MAX);
        if !is_new && !mutant::is(Mutant::RegistryReferenceAgain) {
            return Err(Reason::SeenBefore);
        }
        Ok(body)
    }
}

impl Reason {
    /// The registry is not there, rather than there and not to be believed: only then may the switch stand in for it.
    pub fn is_away(&self) -> bool {
        match self {
            Reason::Paused(paused) => paused.was_away,
            Reason::Late | Reason::Transport(_) | Reason::Said => true,
            Reason::Status(status) => (500..=599).contains(status),
            Reason::Overload
            | Reason::Tls(_)
            | Reason::Http(_)
            | Reason::TooLong
            | Reason::Form
            | Reason::Algorithm
            | Reason::Kid
            | Reason::Signature
            | Reason::OtherRequest
            | Reason::Clock
            | Reason::SeenBefore
            | Reason::Contradiction => mutant::is(Mutant::SpoiledIsAway),
        }
    }
}

impl Answer {
    /// No verdict, for this reason.
    pub fn unavailable(reason: Reason) -> Answer {
        Answer {
            outcome: Outcome::Unavailable(reason),
            jws: None,
            registry_ref: None,
            status_valid_until_s: None,
        }
    }
}

/// Citizen, card, chip, biometric: the first that fails gives the code (docs/interface.md#registry).
fn judge(body: &AnswerBody, kind: Kind) -> Outcome {
    let matched = body.biometric.as_ref().map(|biometric| biometric.matched);
    let cash_out = kind == Kind::Withdrawal && !mutant::is(Mutant::RegistryMatchNotAsked);
    let citizen = match mutant::is(Mutant::CitizenStatusIgnored) {
        false => body.citizen_status,
        true => CitizenStatus::Alive,
    };
    let card = match mutant::is(Mutant::CardStatusIgnored) {
        false => body.card_status,
        true => CardStatus::Valid,
    };
    let code = match (citizen, card) {
        (CitizenStatus::Unknown, _) => Some(Code::NO_BANK),
        (CitizenStatus::Deceased | CitizenStatus::Missing | CitizenStatus::Restricted, _) => {
            Some(Code::RESTRICTED)
        }
        (CitizenStatus::Alive, CardStatus::Expired) => Some(Code::EXPIRED),
        (CitizenStatus::Alive, CardStatus::Revoked | CardStatus::Lost | CardStatus::Replaced) => {
            Some(Code::LOST)
        }
        (CitizenStatus::Alive, CardStatus::Valid) => (!body.chip_authentic).then_some(Code::PROOF),
    };
    match (body.result, code) {
        (ResultClass::Unavailable, _) => Outcome::Unavailable(Reason::Said),
        (ResultClass::Verified, Some(_)) if !mutant::is(Mutant::VerifiedThoughDead) => {
            Outcome::Unavailable(Reason::Contradiction)
        }
        (ResultClass::Verified, None) if cash_out && matched != Some(true) => Outcome::Refused(Code::PROOF),
        (ResultClass::Verified, _) => Outcome::Verified { biometric_matched: matched == Some(true) },
        (ResultClass::Refused, Some(code)) => Outcome::Refused(code),
        (ResultClass::Refused, None) if matched == Some(false) || (cash_out && matched.is_none()) => {
            Outcome::Refused(Code::PROOF)
        }
        // Refused for a reason that the contract has no field for.
        (ResultClass::Refused, None) => Outcome::Refused(Code::NOT_PERMITTED),
    }
}

/// The payload of a compact JWS (RFC 7515) whose header is `alg` and `kid` and nothing else: a header that means more
/// (`crit`, `jwk`, `b64`) is refused, not ignored.
fn verify(compact: &[u8], pinned: &BTreeMap<String, ParsedPublicKey>) -> Result<Vec<u8>, Reason> {
    let text = std::str::from_utf8(compact).map_err(|_| Reason::Form)?;
    let (signed, signature) = text.rsplit_once('.').ok_or(Reason::Form)?;
    let (header, payload) = signed.split_once('.').ok_or(Reason::Form)?;
    let decode = |part: &str| BASE64URL.decode(part).map_err(|_| Reason::Form);
    let header: JoseHeader = serde_json::from_slice(&decode(header)?).map_err(|_| Reason::Form)?;
    if header.alg != ALGORITHM {
        return Err(Reason::Algorithm);
    }
    let key = pinned.get(&header.kid).ok_or(Reason::Kid)?;
    let signature = BASE64URL.decode(signature).map_err(|_| Reason::Signature)?;
    let is_signed = key.verify_sig(signed.as_bytes(), &signature).is_ok();
    if !is_signed && !mutant::is(Mutant::RegistrySignatureUnchecked) {
        return Err(Reason::Signature);
    }
    decode(payload)
}

/// A P-256 key in PKCS#8 PEM that signs; `None` when it is none.
fn signing_key(pem: &[u8]) -> Option<EcdsaKeyPair> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der()).ok()?;
    key.sign(&SystemRandom::new(), b"").is_ok().then_some(key)
}

/// A P-256 key in SPKI PEM; `None` when it is none.
fn public_key(pem: &[u8]) -> Option<ParsedPublicKey> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, der.as_ref()).ok()
}

/// The `registry_ref` seen last, by the first 16 bytes of their digests.
#[derive(Default)]
struct SeenReferences {
    known: BTreeSet<[u8; 16]>,
    order: VecDeque<[u8; 16]>,
}

impl SeenReferences {
    /// `false` when it was seen before. Forgets the oldest beyond `remembered_max`.
    fn insert(&mut self, reference: &str, remembered_max: usize) -> bool {
        let digest = Sha256::digest(reference.as_bytes());
        let digest = *digest.first_chunk().expect("SHA-256 has 32 bytes");
        if !self.known.insert(digest) {
            return false;
        }
        self.order.push_back(digest);
        if self.order.len() > remembered_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoseHeader {
    alg: String,
    kid: String,
}

#[derive(Serialize)]
struct RequestBody<'a> {
    request_id: &'a str,
    switch_id: &'a str,
    acquirer_id: String,
    terminal_id: String,
    stan: String,
    rrn: String,
    transaction_time: String,
    transaction_type: &'static str,
    amount_minor: u64,
    currency: u16,
    purpose: &'static str,
    citizen_number: &'a str,
    card: CardBody<'a>,
    local: LocalBody,
    active: Option<ActiveBody<'a>>,
    biometric: Option<BiometricBody>,
    nonce: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Serialize)]
struct CardBody<'a> {
    document_number: &'a str,
    expiry: &'a str,
    sod_sha256: String,
    dg15_sha256: String,
    dsc_issuer: &'a str,
    dsc_serial: String,
}

#[derive(Serialize)]
struct LocalBody {
    passive: bool,
    active: bool,
    csca_id: String,
    crl_age_s: Option<u64>,
}

#[derive(Serialize)]
struct ActiveBody<'a> {
    algorithm: &'a str,
    challenge: String,
    signature: String,
}

#[derive(Serialize)]
struct BiometricBody {
    session: String,
    modality: &'static str,
}

impl<'a> RequestBody<'a> {
    fn new(
        question: &'a RegistryQuestion,
        switch_id: &'a str,
        request_id: &'a str,
        nonce: &'a str,
        iat: i64,
    ) -> RequestBody<'a> {
        let at = time::OffsetDateTime::from_unix_timestamp(question.key.sent_at.0)
            .ok()
            .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
        let purpose = match question.kind {
            Kind::Withdrawal => "cash-out",
            Kind::Deposit => "cash-in",
            Kind::Balance | Kind::MiniStatement => "inquiry",
            Kind::Transfer => "transfer",
            Kind::Verification => "verification",
        };
        let active = question.active_proof.as_ref().map(|proof| ActiveBody {
            algorithm: &proof.algorithm,
            challenge: BASE64URL.encode(&proof.challenge),
            signature: BASE64URL.encode(&proof.signature),
        });
        let biometric = question.biometric.map(|(session, modality)| BiometricBody {
            session: hex(&session),
            modality: match modality {
                Modality::Face => "face",
                Modality::Finger => "finger",
            },
        });
        RequestBody {
            request_id,
            switch_id,
            acquirer_id: question.key.acquirer.to_string(),
            terminal_id: question.key.terminal.to_string().trim_end().to_owned(),
            stan: format!("{:06}", question.key.stan),
            rrn: question.rrn.to_string(),
            transaction_time: at.expect("DE7 lies within a year of the clock"),
            transaction_type: question.kind.name(),
            amount_minor: question.amount_minor,
            currency: question.currency,
            purpose,
            citizen_number: std::str::from_utf8(question.citizen.digits()).expect("digits are ASCII"),
            card: CardBody {
                document_number: &question.document_number,
                expiry: &question.expiry,
                sod_sha256: hex(&question.sod_sha256),
                dg15_sha256: hex(&question.dg15_sha256),
                dsc_issuer: &question.dsc_issuer,
                dsc_serial: hex(&question.dsc_serial),
            },
            local: LocalBody {
                passive: question.passive,
                active: question.active,
                csca_id: hex(&question.csca_id),
                crl_age_s: question.crl_age_s,
            },
            active,
            biometric,
            nonce,
            iat,
            exp: iat + CLOCK_S_MAX,
        }
    }
}

#[derive(Deserialize)]
struct AnswerBody {
    request_id: String,
    nonce: String,
    request_sha256: String,
    iat: i64,
    exp: i64,
    result: ResultClass,
    citizen_status: CitizenStatus,
    card_status: CardStatus,
    chip_authentic: bool,
    biometric: Option<BiometricResult>,
    registry_ref: String,
    status_valid_until: i64,
}

#[derive(Deserialize)]
struct BiometricResult {
    matched: bool,
    score: u8,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ResultClass {
    Verified,
    Refused,
    Unavailable,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum CitizenStatus {
    Alive,
    Deceased,
    Missing,
    Restricted,
    Unknown,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum CardStatus {
    Valid,
    Expired,
    Revoked,
    Lost,
    Replaced,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn body(result: &str, citizen: &str, card: &str, chip: bool, matched: Option<bool>) -> AnswerBody {
        let biometric = matched.map(|matched| serde_json::json!({ "matched": matched, "score": 70 }));
        serde_json::from_value(serde_json::json!({
            "request_id": "1", "nonce": "", "request_sha256": "", "iat": 0, "exp": 0, "result": result,
            "citizen_status": citizen, "card_status": card, "chip_authentic": chip, "biometric": biometric,
            "reason": null, "registry_ref": "1", "status_valid_until": 0,
        }))
        .unwrap()
    }

    #[test]
    fn judged_in_the_order_of_the_contract() {
        use Kind::{Balance, Verification, Withdrawal};
        let (yes, no, none) = (Some(true), Some(false), None);
        let refused = |code: &[u8; 2]| Outcome::Refused(Code(*code));
        let verified = |biometric_matched| Outcome::Verified { biometric_matched };
        let contradiction = || Outcome::Unavailable(Reason::Contradiction);
        let cases = [
            (Withdrawal, body("VERIFIED", "ALIVE", "VALID", true, yes), verified(true)),
            (Withdrawal, body("VERIFIED", "ALIVE", "VALID", true, no), refused(b"63")),
            (Withdrawal, body("VERIFIED", "ALIVE", "VALID", true, none), refused(b"63")),
            (Balance, body("VERIFIED", "ALIVE", "VALID", true, none), verified(false)),
            (Verification, body("VERIFIED", "ALIVE", "VALID", true, none), verified(false)),
            (Verification, body("VERIFIED", "ALIVE", "VALID", true, yes), verified(true)),
            (Withdrawal, body("REFUSED", "UNKNOWN", "REVOKED", false, no), refused(b"56")),
            (Withdrawal, body("REFUSED", "DECEASED", "LOST", false, no), refused(b"62")),
            (Withdrawal, body("REFUSED", "MISSING", "VALID", true, yes), refused(b"62")),
            (Withdrawal, body("REFUSED", "RESTRICTED", "VALID", true, yes), refused(b"62")),
            (Withdrawal, body("REFUSED", "ALIVE", "EXPIRED", false, no), refused(b"54")),
            (Withdrawal, body("REFUSED", "ALIVE", "REVOKED", false, no), refused(b"41")),
            (Withdrawal, body("REFUSED", "ALIVE", "LOST", true, yes), refused(b"41")),
            (Withdrawal, body("REFUSED", "ALIVE", "REPLACED", true, yes), refused(b"41")),
            (Withdrawal, body("REFUSED", "ALIVE", "VALID", false, yes), refused(b"63")),
            (Withdrawal, body("REFUSED", "ALIVE", "VALID", true, no), refused(b"63")),
            (Withdrawal, body("REFUSED", "ALIVE", "VALID", true, none), refused(b"63")),
            (Balance, body("REFUSED", "ALIVE", "VALID", true, none), refused(b"57")),
            (Withdrawal, body("REFUSED", "ALIVE", "VALID", true, yes), refused(b"57")),
            (Withdrawal, body("VERIFIED", "DECEASED", "VALID", true, yes), contradiction()),
            (Withdrawal, body("VERIFIED", "ALIVE", "LOST", true, yes), contradiction()),
            (Withdrawal, body("VERIFIED", "ALIVE", "VALID", false, yes), contradiction()),
            (
                Withdrawal,
                body("UNAVAILABLE", "DECEASED", "LOST", false, no),
                Outcome::Unavailable(Reason::Said),
            ),
        ];
        for (index, (kind, body, expected)) in cases.into_iter().enumerate() {
            assert_eq!(judge(&body, kind), expected, "case {index}");
        }
    }

    #[test]
    fn a_header_that_says_more_than_alg_and_kid_is_refused() {
        let cases = [
            (r#"{"alg":"ES256","kid":"r"}"#, Reason::Kid),
            (r#"{"alg":"ES384","kid":"r"}"#, Reason::Algorithm),
            (r#"{"alg":"none","kid":"r"}"#, Reason::Algorithm),
            (r#"{"alg":"ES256","kid":"r","kid":"s"}"#, Reason::Form),
            (r#"{"alg":"ES256","kid":"r","crit":["b64"],"b64":false}"#, Reason::Form),
            (r#"{"alg":"ES256","kid":"r","jwk":{}}"#, Reason::Form),
            (r#"{"alg":"ES256"}"#, Reason::Form),
        ];
        for (header, expected) in cases {
            let compact = format!("{}.e30.AA", BASE64URL.encode(header));
            assert_eq!(verify(compact.as_bytes(), &BTreeMap::new()), Err(expected), "{header}");
        }
        for compact in ["", ".", "..", "a.b", "é.e30.AA", "e30=.e30.AA"] {
            assert_eq!(verify(compact.as_bytes(), &BTreeMap::new()), Err(Reason::Form), "{compact}");
        }
    }

    #[test]
    fn references_are_forgotten_oldest_first() {
        let mut seen = SeenReferences::default();
        let inserted: Vec<bool> =
            ["a", "b", "a", "c", "a", "b"].into_iter().map(|reference| seen.insert(reference, 2)).collect();
        assert_eq!(inserted, [true, true, false, true, true, true]);
        assert_eq!(seen.known.len(), seen.order.len());
    }
}
