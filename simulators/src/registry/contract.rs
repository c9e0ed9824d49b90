//! The bodies of request and answer, field by field as docs/interface.md#registry writes them.

use credential::CitizenNumber;
use serde::{Deserialize, Serialize};

/// What the registry knows of a citizen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CitizenStatus {
    /// Nothing against the citizen.
    Alive,
    /// Dead.
    Deceased,
    /// Declared missing.
    Missing,
    /// May not act, by a court or an authority.
    Restricted,
    /// No such number.
    Unknown,
}

/// What the registry knows of a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CardStatus {
    /// The citizen's card of today.
    Valid,
    /// Past its date.
    Expired,
    /// Taken back by the authority.
    Revoked,
    /// Reported lost.
    Lost,
    /// Another card was issued since.
    Replaced,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) request_id: String,
    #[serde(rename = "switch_id")]
    pub(super) switch: String,
    #[serde(rename = "acquirer_id")]
    pub(super) acquirer: String,
    #[serde(rename = "terminal_id")]
    pub(super) terminal: String,
    pub(super) stan: String,
    pub(super) rrn: String,
    pub(super) transaction_time: String,
    pub(super) transaction_type: String,
    pub(super) amount_minor: u64,
    pub(super) currency: u16,
    pub(super) purpose: Purpose,
    pub(super) citizen_number: String,
    pub(super) card: Card,
    pub(super) local: Local,
    pub(super) active: Option<Active>,
    pub(super) biometric: Option<Biometric>,
    pub(super) nonce: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Purpose {
    CashOut,
    CashIn,
    Inquiry,
    Transfer,
    Verification,
    /// The withdrawal has gone out in the registry's stead: a biometric session is judged as of `transaction_time`.
    StandIn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Card {
    pub(super) document_number: String,
    pub(super) expiry: String,
    pub(super) sod_sha256: String,
    pub(super) dg15_sha256: String,
    pub(super) dsc_issuer: String,
    pub(super) dsc_serial: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Local {
    pub(super) passive: bool,
    pub(super) active: bool,
    pub(super) csca_id: String,
    pub(super) crl_age_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Active {
    pub(super) algorithm: String,
    pub(super) challenge: String,
    pub(super) signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Biometric {
    pub(super) session: String,
    pub(super) modality: String,
}

#[derive(Clone, Serialize)]
pub(super) struct Answer {
    pub(super) request_id: String,
    pub(super) nonce: String,
    pub(super) request_sha256: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) result: &'static str,
    pub(super) citizen_status: CitizenStatus,
    pub(super) card_status: CardStatus,
    pub(super) chip_authentic: bool,
    pub(super) biometric: Option<Matched>,
    pub(super) reason: Option<String>,
    pub(super) registry_ref: String,
    pub(super) status_valid_until: i64,
}

#[derive(Clone, Serialize)]
pub(super) struct Matched {
    pub(super) matched: bool,
    pub(super) score: u8,
}

/// The side door's request: docs/decisions/0006-registry.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionRequest {
    pub(super) citizen_number: String,
    pub(super) terminal_id: String,
    pub(super) score: u8,
}

#[derive(Serialize)]
pub(super) struct SessionAnswer {
    pub(super) session: String,
}

impl Request {
    /// The citizen number, once every field has the form that the contract gives it; else the name of the first
    /// field that has not.
    pub(super) fn check(&self) -> Result<CitizenNumber, &'static str> {
        let format = &time::format_description::well_known::Rfc3339;
        let known = [
            ("verification", Purpose::Verification),
            ("withdrawal", Purpose::CashOut),
            ("deposit", Purpose::CashIn),
            ("balance inquiry", Purpose::Inquiry),
            ("mini statement", Purpose::Inquiry),
            ("transfer", Purpose::Transfer),
        ];
        let purpose = known.iter().find(|(name, _)| *name == self.transaction_type);
        let at = time::OffsetDateTime::parse(&self.transaction_time, format);
        let base64url = |text: &str| !text.is_empty() && text.bytes().all(is_base64url);
        let rules = [
            ("request_id", (1..=64).contains(&self.request_id.len())),
            ("switch_id", !self.switch.is_empty()),
            ("acquirer_id", !self.acquirer.is_empty() && self.acquirer.bytes().all(|b| b.is_ascii_digit())),
            ("terminal_id", !self.terminal.is_empty() && self.terminal.len() <= 8),
            ("stan", self.stan.len() == 6 && self.stan.bytes().all(|b| b.is_ascii_digit())),
            ("rrn", self.rrn.len() == 12),
            ("transaction_time", at.is_ok_and(|at| at.offset().is_utc())),
            ("transaction_type", purpose.is_some()),
            ("purpose", purpose.is_none_or(|(_, purpose)| self.is_for(*purpose))),
            ("amount_minor", self.amount_minor == 0 || self.currency != 0),
            ("card.document_number", self.card.document_number.len() == 9),
            (
                "card.expiry",
                self.card.expiry.len() == 6 && self.card.expiry.bytes().all(|b| b.is_ascii_digit()),
            ),
            ("card.sod_sha256", is_hex(&self.card.sod_sha256, 64)),
            ("card.dg15_sha256", is_hex(&self.card.dg15_sha256, 64)),
            ("card.dsc_issuer", !self.card.dsc_issuer.is_empty()),
            ("card.dsc_serial", is_hex(&self.card.dsc_serial, self.card.dsc_serial.len())),
            ("local.csca_id", is_hex(&self.local.csca_id, 16)),
            ("local.crl_age_s", self.local.crl_age_s.is_none_or(|age_s| age_s < 1 << 40)),
            ("active.algorithm", self.active.as_ref().is_none_or(|active| !active.algorithm.is_empty())),
            ("active.challenge", self.active.as_ref().is_none_or(|active| base64url(&active.challenge))),
            ("active.signature", self.active.as_ref().is_none_or(|active| base64url(&active.signature))),
            ("biometric.session", self.biometric.as_ref().is_none_or(|seen| is_hex(&seen.session, 32))),
            (
                "biometric.modality",
                self.biometric
                    .as_ref()
                    .is_none_or(|seen| ["face", "finger"].contains(&seen.modality.as_str())),
            ),
            ("nonce", self.nonce.len() == 22 && base64url(&self.nonce)),
            ("exp", self.exp == self.iat + 30),
        ];
        if let Some((field, _)) = rules.iter().find(|(_, holds)| !holds) {
            return Err(field);
        }
        CitizenNumber::parse(self.citizen_number.as_bytes()).map_err(|_| "citizen_number")
    }
}

impl Request {
    fn is_for(&self, purpose: Purpose) -> bool {
        self.purpose == purpose || purpose == Purpose::CashOut && self.purpose == Purpose::StandIn
    }

    /// When the biometric session has to have been fresh, seconds since 1970.
    pub(super) fn session_at_s(&self, now_s: i64) -> i64 {
        let format = &time::format_description::well_known::Rfc3339;
        match (self.purpose, time::OffsetDateTime::parse(&self.transaction_time, format)) {
            (Purpose::StandIn, Ok(at)) => at.unix_timestamp(),
            _ => now_s,
        }
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn is_hex(text: &str, length: usize) -> bool {
    !text.is_empty()
        && text.len() == length
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Lower-case hex.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 16 bytes from 32 hex digits.
pub(super) fn from_hex(text: &str) -> Option<[u8; 16]> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(u128::to_be_bytes)
}
