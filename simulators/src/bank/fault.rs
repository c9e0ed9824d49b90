//! What can go wrong at a bank, chosen by the transaction and never by timing.

use std::str::FromStr;
use std::sync::Arc;

use super::identity::Identity;

/// The money message that a bank has received: faults hang on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen<'a> {
    /// 200, 220 or 420; repeats have the MTI of the first sending.
    pub mti: u16,
    /// DE7 and DE11.
    pub identity: Identity,
    /// How often this identity was received, from 1.
    pub sighting: u32,
    /// DE3.
    pub processing: &'a str,
    /// DE4, the ledger's minor units.
    pub amount_minor: i64,
    /// DE37.
    pub rrn: &'a str,
    /// DE41.
    pub terminal: &'a str,
    /// DE102.
    pub account: &'a str,
}

/// Says which fault a message meets: a pure function of what was seen. One that says `None` at the first sighting of
/// an identity is not asked about its repeats with a higher count.
pub type FaultRule = Arc<dyn Fn(&Seen<'_>) -> Option<Fault> + Send + Sync>;

/// A fault of the bank. Delays are in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Carried out at once, answered late.
    Late(u64),
    /// Carried out, never answered.
    Silent,
    /// Never carried out, never answered: the message did not arrive.
    Lost,
    /// Looked at late: what comes after it overtakes it.
    Held(u64),
    /// Carried out; the answer echoes another value in this element: 4, 37 or 41.
    Echo(u8),
    /// Refused with this DE39. A reversal is then neither carried out nor remembered.
    Decline([u8; 2]),
    /// Carried out once, answered twice.
    Twice,
    /// Carried out; answered with this DE39, and so late with the truth.
    DeclineThenTruth([u8; 2], u64),
    /// Carried out and answered so; then late with this DE39.
    TruthThenDecline([u8; 2], u64),
    /// Carried out; instead of an answer all links close for so long.
    Away(u64),
}

impl FromStr for Fault {
    type Err = String;

    /// Reads `late:MS`, `silent`, `lost`, `held:MS`, `echo:ELEMENT`, `decline:CODE`, `twice`,
    /// `decline-then-truth:CODE:MS`, `truth-then-decline:CODE:MS`, `away:MS`.
    fn from_str(text: &str) -> Result<Fault, String> {
        let code = |text: &str| {
            let code: [u8; 2] = text.as_bytes().try_into().ok()?;
            (code.iter().all(u8::is_ascii_alphanumeric) && code != *b"00").then_some(code)
        };
        let parts: Vec<&str> = text.split(':').collect();
        let fault = match parts[..] {
            ["late", ms] => ms.parse().ok().map(Fault::Late),
            ["silent"] => Some(Fault::Silent),
            ["lost"] => Some(Fault::Lost),
            ["held", ms] => ms.parse().ok().map(Fault::Held),
            ["echo", element] => element.parse().ok().filter(|e| matches!(e, 4 | 37 | 41)).map(Fault::Echo),
            ["decline", refusal] => code(refusal).map(Fault::Decline),
            ["twice"] => Some(Fault::Twice),
            ["decline-then-truth", refusal, ms] => {
                code(refusal).zip(ms.parse().ok()).map(|(code, ms)| Fault::DeclineThenTruth(code, ms))
            }
            ["truth-then-decline", refusal, ms] => {
                code(refusal).zip(ms.parse().ok()).map(|(code, ms)| Fault::TruthThenDecline(code, ms))
            }
            ["away", ms] => ms.parse().ok().map(Fault::Away),
            _ => None,
        };
        fault.ok_or_else(|| {
            format!(
                "`{text}` is no fault; write late:MS, silent, lost, held:MS, echo:4, echo:37, echo:41, decline:CODE, \
                 twice, decline-then-truth:CODE:MS, truth-then-decline:CODE:MS or away:MS"
            )
        })
    }
}

/// Which messages meet a fault: those for which everything that is named here holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The MTI of the first sending: 200, 220 or 420.
    pub mti: Option<u16>,
    /// DE37.
    pub rrn: Option<Box<str>>,
    /// DE41.
    pub terminal: Option<Box<str>>,
    /// DE4, the ledger's minor units.
    pub amount_minor: Option<i64>,
    /// So many first sightings of each identity meet it.
    pub times: u32,
    /// The fault.
    pub fault: Fault,
}

impl Rule {
    fn holds(&self, seen: &Seen<'_>) -> bool {
        self.mti.is_none_or(|mti| mti == seen.mti)
            && self.rrn.as_deref().is_none_or(|rrn| rrn == seen.rrn)
            && self.terminal.as_deref().is_none_or(|terminal| terminal.trim_end() == seen.terminal.trim_end())
            && self.amount_minor.is_none_or(|amount_minor| amount_minor == seen.amount_minor)
            && seen.sighting <= self.times
    }
}

/// The first rule that holds decides.
pub fn rules(rules: Vec<Rule>) -> FaultRule {
    Arc::new(move |seen| rules.iter().find(|rule| rule.holds(seen)).map(|rule| rule.fault))
}

/// A bank without faults.
pub fn no_faults() -> FaultRule {
    Arc::new(|_| None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn faults_are_read_and_others_refused() {
        for (text, fault) in [
            ("late:2000", Fault::Late(2000)),
            ("silent", Fault::Silent),
            ("lost", Fault::Lost),
            ("held:5", Fault::Held(5)),
            ("echo:37", Fault::Echo(37)),
            ("decline:51", Fault::Decline(*b"51")),
            ("twice", Fault::Twice),
            ("decline-then-truth:05:9", Fault::DeclineThenTruth(*b"05", 9)),
            ("truth-then-decline:05:9", Fault::TruthThenDecline(*b"05", 9)),
            ("away:70", Fault::Away(70)),
        ] {
            assert_eq!(text.parse(), Ok(fault));
        }
        for text in ["", "late", "late:x", "echo:11", "decline:00", "decline:5", "twice:2", "away:1:2"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_rule_that_holds_decides_and_only_so_often() {
        let rule = |rrn: Option<&str>, amount_minor, times, fault| Rule {
            mti: Some(200),
            rrn: rrn.map(Into::into),
            terminal: None,
            amount_minor,
            times,
            fault,
        };
        let faults = rules(vec![
            rule(Some("212300000001"), None, 2, Fault::Silent),
            rule(None, Some(50_000), 1, Fault::Twice),
        ]);
        let met = |mti, rrn, amount_minor, sighting| {
            let identity = Identity { sent_at_s: 0, stan: 1 };
            let (processing, terminal, account) = ("010000", "HN000001", "1");
            faults(&Seen { mti, identity, sighting, processing, amount_minor, rrn, terminal, account })
        };
        assert_eq!(met(200, "212300000001", 50_000, 2), Some(Fault::Silent));
        assert_eq!(met(200, "212300000001", 10, 3), None);
        assert_eq!(met(200, "212300000002", 50_000, 1), Some(Fault::Twice));
        assert_eq!(met(420, "212300000001", 50_000, 1), None);
    }
}
