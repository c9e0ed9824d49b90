//! A log on a disk with any uses of the switch, for this crate's tests.

#![allow(clippy::unwrap_used)]

use std::sync::mpsc;
use std::time::Duration;

use credential::{CitizenNumber, Pan, Pseudonym, Reference};
use journal::{Journal as _, LogEvent, LogReader, Options, SegmentLog};
use keys::{DataKeys, Key};
use processor::{
    BankIdentity, Body, Carried, Class, Code, Content, Day, Declined, Evidence, Institution, Intent, Kind,
    Outcome, Record, Request, Reversal, Rrn, TerminalId, TxKey, UtcSeconds, Verification,
};

/// 2026-05-04T01:00:00Z: 08:00 in Vietnam.
pub(crate) const BEGINS_S: i64 = 1_777_856_400;

pub(crate) fn data_keys() -> DataKeys {
    DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]))
}

pub(crate) fn number(citizen: u32) -> CitizenNumber {
    CitizenNumber::parse(format!("001203{citizen:06}").as_bytes()).unwrap()
}

pub(crate) fn citizen(citizen: u32) -> Pseudonym {
    data_keys().pseudonym(&number(citizen))
}

/// One use of a terminal.
#[derive(Clone)]
pub(crate) struct Use {
    pub(crate) stan: u32,
    pub(crate) kind: Kind,
    pub(crate) amount_minor: u64,
    pub(crate) citizen: u32,
    pub(crate) terminal: [u8; 8],
    pub(crate) declined: bool,
    pub(crate) reversed: bool,
    /// The bank's answer was lost.
    pub(crate) unheard: bool,
    /// The first record alone.
    pub(crate) bare: bool,
    /// All but the first record: they follow from nothing.
    pub(crate) stray: bool,
}

impl Default for Use {
    fn default() -> Use {
        Use {
            stan: 1,
            kind: Kind::Withdrawal,
            amount_minor: 2_000_000,
            citizen: 17,
            terminal: *b"HN000001",
            declined: false,
            reversed: false,
            unheard: false,
            bare: false,
            stray: false,
        }
    }
}

/// A log that holds uses, each a minute behind the one before it.
pub(crate) struct LogOf {
    log: SegmentLog,
    keys: Vec<TxKey>,
    _dir: tempfile::TempDir,
}

impl LogOf {
    pub(crate) fn uses(uses: &[Use]) -> LogOf {
        LogOf::uses_and_then(uses, &[])
    }

    /// The uses, and behind them these days opened, an hour each.
    pub(crate) fn uses_and_then(uses: &[Use], opened: &[Day]) -> LogOf {
        let dir = tempfile::tempdir().unwrap();
        let (tell, told) = mpsc::channel();
        let mut options = Options::new(dir.path().join("log"), data_keys());
        options.segment_bytes = 1 << 20;
        let told_by_log = Box::new(move |event| {
            if let LogEvent::Synced(position) = event {
                let _ = tell.send(position);
            }
        });
        let (mut log, _) = SegmentLog::open(options, told_by_log).unwrap();
        let mut position = 0;
        let mut keys = Vec::new();
        for (number, one) in uses.iter().enumerate() {
            let at_s = BEGINS_S + 60 * number as i64;
            let (key, records) = records(one, at_s);
            keys.push(key);
            for record in records.into_iter().skip(usize::from(one.stray)) {
                while log.append(position, &record).is_err() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                position += 1;
            }
        }
        for (number, day) in opened.iter().enumerate() {
            let at_ms = (BEGINS_S + 3_600 * (number as i64 + 1)) * 1_000;
            let body = Body::Cutover(*day);
            let record = Record { at_ms, transaction: None, suspense: None, spend: None, body };
            while log.append(position, &record).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
            position += 1;
        }
        while log.reader().synced() < position {
            told.recv_timeout(Duration::from_secs(30)).unwrap();
        }
        LogOf { log, keys, _dir: dir }
    }

    pub(crate) fn reader(&self) -> LogReader {
        self.log.reader()
    }

    pub(crate) fn key(&self, stan: u32) -> TxKey {
        *self.keys.iter().find(|key| key.stan == stan).unwrap()
    }

    pub(crate) fn begins_ms(&self, stan: u32) -> i64 {
        self.key(stan).sent_at.0 * 1_000
    }

    pub(crate) fn rrn(&self, stan: u32) -> Rrn {
        rrn(stan)
    }
}

fn rrn(stan: u32) -> Rrn {
    Rrn(format!("6124{stan:08}").as_bytes().try_into().unwrap())
}

fn bank(digits: &str) -> Institution {
    digits.parse().unwrap()
}

fn evidence() -> Evidence {
    Evidence {
        registry: processor::RegistryWord::Signed(
            b"eyJhbGciOiJFUzI1NiJ9.eyJyZXN1bHQiOiJWRVJJRklFRCJ9.c2ln"[..].into(),
        ),
        sod_sha256: [0x5d; 32],
        dg15_sha256: [0x15; 32],
        passive: true,
        active: true,
    }
}

fn records(one: &Use, at_s: i64) -> (TxKey, Vec<Record>) {
    let class = if one.kind == Kind::Verification { Class::Verification } else { Class::Financial };
    let key = TxKey {
        class,
        acquirer: bank("970418"),
        terminal: TerminalId(one.terminal),
        sent_at: UtcSeconds(at_s),
        stan: one.stan,
    };
    let mut carried = Carried::default();
    carried.set(43, b"194 TRAN QUANG KHAI  HA NOI           VN");
    let content = Content {
        citizen: citizen(one.citizen),
        processing: *b"010000",
        amount_minor: one.amount_minor,
        currency: 704,
        original: None,
        left_minor: None,
        institution: Some(bank("970415")),
        from_account: None,
        to_account: None,
    };
    let pan = Pan::new(*b"970499", &number(one.citizen));
    let request =
        Request { kind: one.kind, pan, content, rrn: rrn(one.stan), rrn_from_terminal: false, carried };
    let identity = BankIdentity { sent_at: UtcSeconds(at_s), stan: one.stan };
    let day = Day::of_unix_ms(at_s * 1_000);
    let mut records = Vec::new();
    let mut append = |after_ms: i64, body: Body| {
        let at_ms = at_s * 1_000 + after_ms;
        records.push(Record { at_ms, transaction: Some(key), suspense: None, spend: None, body });
    };
    if one.kind == Kind::Verification {
        append(
            40,
            Body::Verification(Box::new(Verification {
                request,
                reference: Reference([one.stan as u8; 16]),
                expires_at_ms: at_s * 1_000 + 180_000,
                biometric_matched: true,
                banks: Vec::new(),
                evidence: evidence(),
            })),
        );
        return (key, records);
    }
    if one.declined {
        append(
            30,
            Body::Declined(Box::new(Declined {
                request: Some(request),
                code: Code::FUNDS,
                bank_code: Some(Code::FUNDS),
                send_sod: false,
                evidence: None,
            })),
        );
        return (key, records);
    }
    append(
        12,
        Body::Intent(Box::new(Intent {
            request,
            bank: bank("970415"),
            account: Some("101000012345".into()),
            identity,
            day,
            reference: None,
            evidence: Some(evidence()),
        })),
    );
    if one.bare {
        return (key, records);
    }
    if !one.unheard {
        append(150, Body::Outcome(Outcome { approval: Some(*b"A1B2C3"), carried: Carried::default() }));
    }
    if one.reversed {
        append(
            9_000,
            Body::Reversal(Reversal {
                identity: BankIdentity { stan: one.stan + 500_000, ..identity },
                day,
                left_minor: 0,
                reason: Code::LATE,
                answer: Code::UNAVAILABLE,
                advice: None,
            }),
        );
        append(9_200, Body::Reversed(Code::APPROVED));
    } else {
        append(8_000, Body::Complete(None));
    }
    (key, records)
}

pub(crate) fn settings() -> crate::Settings {
    let banks = [("970415", "VietinBank"), ("970418", "BIDV")];
    crate::Settings {
        listen: ([127, 0, 0, 1], 8600).into(),
        names: Vec::new(),
        dir: std::path::PathBuf::new(),
        tls: None,
        sessions: crate::SessionBounds::default(),
        banks: banks.into_iter().map(|(digits, name)| (bank(digits), name.to_owned())).collect(),
        members: ["970415", "970418", "970425"].map(bank).into(),
        switch: "switch-1".to_owned(),
        currency: 704,
        first_day: day(),
        desk: None,
    }
}

/// The business day of all uses.
pub(crate) fn day() -> Day {
    Day::of_unix_ms(BEGINS_S * 1_000)
}
