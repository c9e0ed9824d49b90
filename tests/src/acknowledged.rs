//! What terminals were told, noted on the wire, and held against the log afterwards: nothing that was acknowledged may
//! be missing there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iso8583::Message;
use keys::{LinkCodec, Received};
use serde_json::Value;
use simulators::terminal::TxKey;

/// A terminal's message by what names it on the wire: class, DE32, DE41, DE7, DE11.
type Name = (u16, String, String, String, u32);

/// Answers of the switch to terminals, noted as they pass.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    /// What was answered, with all codes.
    answers: BTreeMap<Name, BTreeSet<String>>,
    /// What an advice speaks of, by its DE90.
    originals: BTreeMap<Name, Name>,
}

/// What the log says of the answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backed {
    /// 0110 and 0210 with 00, 0230 and 0430 with 00 that terminals were told, each once however often it was told.
    pub acknowledged: u64,
    /// 0210 with another code.
    pub refused: u64,
    /// Everything without its record, in a line each.
    pub lost: Vec<String>,
}

impl Acknowledged {
    /// Takes a frame of a terminal to the switch.
    pub fn note_asked(&self, frame: &[u8]) {
        let class = match mti(frame) {
            Some(220 | 221) => 220,
            Some(420 | 421) => 420,
            _ => return,
        };
        let named = message(frame).and_then(|message| Some((name(class, &message)?, original(&message)?)));
        self.lock().originals.extend(named);
    }

    /// Takes a frame of the switch to a terminal.
    pub fn note(&self, frame: &[u8]) {
        let class = match mti(frame) {
            Some(110) => 100,
            Some(210) => 200,
            Some(230) => 220,
            Some(430) => 420,
            _ => return,
        };
        let Some(message) = message(frame) else { return };
        if let (Some(name), Some(code)) = (name(class, &message), text(&message, 39)) {
            self.lock().answers.entry(name).or_default().insert(code);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds what was noted against every record of the log, as `log show --json` tells them.
    ///
    /// 00 to a request needs the record of its approval; 00 to an advice a record that took it, or, where nothing had
    /// left for the bank yet, the DECLINED of its original; and whoever was told otherwise than 00 must not stand in the
    /// log as approved for good.
    pub fn against(&self, log: &[Value]) -> Backed {
        let mut kinds: BTreeMap<Name, BTreeSet<&str>> = BTreeMap::new();
        let mut advices = BTreeSet::new();
        for record in log {
            if let Some(name) = named(&record["transaction"]) {
                kinds.entry(name).or_default().insert(record["record"].as_str().unwrap_or_default());
            }
            advices.extend(named(&record["advice"]));
        }
        let mut backed = Backed::default();
        let nothing = BTreeSet::new();
        let noted = self.lock();
        let declined = |original: &Name| kinds.get(original).is_some_and(|kinds| kinds.contains("DECLINED"));
        for (name, codes) in &noted.answers {
            let known = kinds.get(name).unwrap_or(&nothing);
            let has = |kind: &str| known.contains(kind);
            let approved = codes.contains("00");
            let is_backed = match name.0 {
                100 => has("VERIFICATION"),
                200 => has("OUTCOME"),
                _ => advices.contains(name) || noted.originals.get(name).is_some_and(declined),
            };
            backed.acknowledged += u64::from(approved);
            if approved && !is_backed {
                backed.lost.push(format!("{name:?} was told 00; the log has {known:?}"));
            }
            if name.0 == 200 && codes.iter().any(|code| code != "00") {
                backed.refused += 1;
                if has("OUTCOME") && !has("REVERSAL") {
                    backed.lost.push(format!("{name:?} was told {codes:?}; the log has {known:?}"));
                }
            }
        }
        backed
    }
}

/// The MTI of a frame on a terminal's or a bank's link in `ascii-1987`; `None` for what is no message.
pub fn mti(frame: &[u8]) -> Option<u16> {
    std::str::from_utf8(frame.get(..4)?).ok()?.parse().ok()
}

fn message(frame: &[u8]) -> Option<Message> {
    let mut whole = u16::try_from(frame.len()).ok()?.to_be_bytes().to_vec();
    whole.extend_from_slice(frame);
    match LinkCodec::terminal().receive(&whole, |_| None).ok()? {
        Received::Message { message, .. } => Some(*message),
        _ => None,
    }
}

fn name(class: u16, message: &Message) -> Option<Name> {
    let text = |element| text(message, element);
    Some((class, text(32)?, text(41)?, text(7)?, text(11)?.parse().ok()?))
}

/// DE90: MTI, STAN and DE7 of a request of the same terminal.
fn original(message: &Message) -> Option<Name> {
    let named = text(message, 90)?;
    let (class, stan) = (named.get(..4)?.parse().ok()?, named.get(4..10)?.parse().ok()?);
    Some((class, text(message, 32)?, text(message, 41)?, named.get(10..20)?.to_owned(), stan))
}

fn text(message: &Message, element: u8) -> Option<String> {
    message.text(element).map(|text| text.trim_end().to_owned())
}

fn named(part: &Value) -> Option<Name> {
    let key = part["key"].as_str().or_else(|| part["key"]["key"].as_str())?;
    let key: TxKey = key.parse().ok()?;
    Some((key.mti, key.acquirer.to_string(), key.terminal.trim_end().to_owned(), key.de7(), key.stan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_acknowledged_and_is_not_in_the_log_is_named() {
        let name = |class, stan| (class, "1".into(), "HN".into(), "0503010203".into(), stan);
        let noted = Acknowledged::default();
        for (class, stan, code) in [
            (100, 1, "00"),
            (200, 2, "00"),
            (200, 3, "00"),
            (200, 4, "91"),
            (200, 5, "91"),
            (200, 6, "51"),
            (220, 7, "00"),
            (420, 8, "00"),
            (420, 9, "00"),
        ] {
            noted.lock().answers.entry(name(class, stan)).or_default().insert(code.to_owned());
        }
        noted.lock().originals.insert(name(420, 8), name(200, 2));
        noted.lock().originals.insert(name(420, 9), name(200, 10));
        let key = |class, stan| json!({"key": format!("{class:04}/1/HN/2026-05-03T01:02:03Z/{stan:06}")});
        let record = |kind: &str, class, stan| json!({"record": kind, "transaction": key(class, stan)});
        let log = [
            record("VERIFICATION", 100, 1),
            record("OUTCOME", 200, 2),
            record("INTENT", 200, 3),
            record("OUTCOME", 200, 4),
            record("OUTCOME", 200, 5),
            record("REVERSAL", 200, 5),
            record("DECLINED", 200, 10),
            json!({"record": "COMPLETE", "transaction": key(200, 2), "advice": {"key": key(220, 7)}}),
        ];
        let backed = noted.against(&log);
        assert_eq!((backed.acknowledged, backed.refused), (6, 3));
        let lost: Vec<bool> = [200, 200, 420]
            .iter()
            .zip([3, 4, 8])
            .map(|(class, stan)| {
                backed.lost.iter().any(|line| line.starts_with(&format!("{:?}", name(*class, stan))))
            })
            .collect();
        assert_eq!((backed.lost.len(), lost), (3, vec![true; 3]), "{:?}", backed.lost);
    }
}
