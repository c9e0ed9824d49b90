//! What can go wrong at the registry, chosen by the transaction that asks and never by timing.

use std::str::FromStr;

/// Which transaction asks: faults hang on it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RequestKey {
    /// `acquirer_id`.
    pub acquirer: String,
    /// `terminal_id`, without trailing spaces.
    pub terminal: String,
    /// `stan`, 6 digits.
    pub stan: String,
    /// `rrn`, 12 characters.
    pub rrn: String,
    /// `transaction_time` as it was sent.
    pub transaction_time: String,
    /// `transaction_type` as it was sent.
    pub transaction_type: String,
}

/// Says which fault a request meets: a pure function of its key.
pub type FaultRule = Box<dyn Fn(&RequestKey) -> Option<Fault> + Send>;

/// A fault of the registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The right answer, so many milliseconds late.
    Slow(u64),
    /// The request is taken and never answered.
    Silent,
    /// The connection is closed without an answer.
    Gone,
    /// An answer in time that must not be believed.
    Wrong(Wrong),
}

/// The ways in which an answer is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// A `kid` that nobody has pinned.
    Kid,
    /// The right `kid`, another key.
    Signature,
    /// `alg` is `none`, the signature empty.
    Unsigned,
    /// `alg` is HS256, keyed with the public key's PEM: the classic confusion of algorithms.
    Confused,
    /// Another `request_id`.
    RequestId,
    /// Another `nonce`.
    Nonce,
    /// Another `request_sha256`.
    Digest,
    /// `iat` 31 s in the past.
    Stale,
    /// `iat` 31 s in the future.
    Early,
    /// `exp` has passed.
    Expired,
    /// `registry_ref` is the same in all answers.
    SameRef,
    /// VERIFIED, though the citizen is said to be dead.
    VerifiedDead,
    /// VERIFIED, though the card is said to be lost.
    VerifiedLost,
    /// VERIFIED, though the chip is said not to be authentic.
    VerifiedClone,
    /// A body above the contract's 8,192 bytes.
    Oversize,
    /// The right body under HTTP 500.
    Status,
    /// HTTP 307 to this very place.
    Redirect,
    /// Signed, but no JSON.
    NoJson,
    /// A result that the contract does not name.
    NoResult,
}

impl Wrong {
    /// Every way, with its name on the command line.
    pub const ALL: [(&'static str, Wrong); 19] = [
        ("kid", Wrong::Kid),
        ("signature", Wrong::Signature),
        ("unsigned", Wrong::Unsigned),
        ("confused", Wrong::Confused),
        ("request-id", Wrong::RequestId),
        ("nonce", Wrong::Nonce),
        ("digest", Wrong::Digest),
        ("stale", Wrong::Stale),
        ("early", Wrong::Early),
        ("expired", Wrong::Expired),
        ("same-ref", Wrong::SameRef),
        ("verified-dead", Wrong::VerifiedDead),
        ("verified-lost", Wrong::VerifiedLost),
        ("verified-clone", Wrong::VerifiedClone),
        ("oversize", Wrong::Oversize),
        ("status", Wrong::Status),
        ("redirect", Wrong::Redirect),
        ("no-json", Wrong::NoJson),
        ("no-result", Wrong::NoResult),
    ];
}

impl FromStr for Fault {
    type Err = String;

    /// Reads `slow:MS`, `silent`, `gone` or `wrong:WAY`.
    fn from_str(text: &str) -> Result<Fault, String> {
        let way = |name: &str| Wrong::ALL.iter().find(|(known, _)| *known == name).map(|(_, wrong)| *wrong);
        let fault = match text.split_once(':') {
            None if text == "silent" => Some(Fault::Silent),
            None if text == "gone" => Some(Fault::Gone),
            Some(("slow", ms)) => ms.parse().ok().map(Fault::Slow),
            Some(("wrong", name)) => way(name).map(Fault::Wrong),
            Some(_) | None => None,
        };
        fault.ok_or_else(|| {
            let ways: Vec<&str> = Wrong::ALL.iter().map(|(name, _)| *name).collect();
            format!(
                "`{text}` is no fault; write slow:MS, silent, gone or wrong: and one of {}",
                ways.join(" ")
            )
        })
    }
}
