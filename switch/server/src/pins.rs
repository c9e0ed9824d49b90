//! Has PINs translated by the security module (docs/interface.md#pin): on the thread that decides where that takes microseconds,
//! off it where it takes a journey.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hsm::{Hsm, HsmError, KeyName, Owner, PinTranslation};
use keys::{PinBlock, PinFormat, PinPan};
use metrics::counter;
use processor::{Enciphered, Input, PinRequest, PinVerdict, Ticket};
use tokio::sync::mpsc;

use crate::bus::Inbound;
use crate::clock::Clock;
use crate::config::PinFormats;
use crate::current::Current;

/// A module that gives no answer is told of so often; each PIN is counted.
const MODULE_TOLD_EVERY: Duration = Duration::from_secs(1);

/// The way to the module.
pub(crate) struct Pins(Way);

enum Way {
    /// No module is there.
    Nowhere,
    /// It answers at once. Two threads' wake-ups cost more than what it does ([figures](docs/performance.md#load)).
    Here(Translator),
    /// Questions that wait for the threads that ask it.
    Threads(SyncSender<Asked>),
}

struct Asked {
    ticket: Ticket,
    request: Box<PinRequest>,
    at: Instant,
}

/// What a question is asked with.
#[derive(Clone)]
struct Translator {
    hsm: Arc<dyn Hsm>,
    formats: Arc<Current<PinFormats>>,
    clock: Clock,
    /// Banks' keys that do not serve, and that people were told of.
    told: Arc<Mutex<BTreeSet<KeyName>>>,
    /// When it was last told that the module gives no answer.
    module_told: Arc<Mutex<Option<Instant>>>,
}

/// How much is asked at once, and how much waits, of a module that does not answer at once.
#[derive(Clone, Copy)]
pub(crate) struct PinBounds {
    /// Questions at the module at once.
    pub(crate) threads: usize,
    /// Questions that wait for a thread.
    pub(crate) waiting_max: usize,
    /// How long the processor waits for an answer.
    pub(crate) wait_max: Duration,
}

impl Pins {
    /// A switch without a module: no bank wants PINs.
    pub(crate) fn none() -> Pins {
        Pins(Way::Nowhere)
    }

    /// Starts the threads, if it takes threads; they end with the process.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        hsm: &Arc<dyn Hsm>,
        formats: &Arc<Current<PinFormats>>,
        bounds: PinBounds,
        clock: Clock,
        answers: &mpsc::Sender<Inbound>,
    ) -> Result<Pins, String> {
        let translator = Translator {
            hsm: Arc::clone(hsm),
            formats: Arc::clone(formats),
            clock,
            told: Arc::default(),
            module_told: Arc::default(),
        };
        if hsm.translates_at_once() {
            return Ok(Pins(Way::Here(translator)));
        }
        let (queue, waiting) = sync_channel(bounds.waiting_max);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..bounds.threads {
            let translator = translator.clone();
            let (waiting, answers) = (Arc::clone(&waiting), answers.clone());
            let thread = std::thread::Builder::new().name(format!("hsm-{number}"));
            thread
                .spawn(move || translator.answer_all(&waiting, bounds.wait_max, &answers))
                .map_err(|error| format!("threads: {error}"))?;
        }
        Ok(Pins(Way::Threads(queue)))
    }

    /// The verdict, or none where it comes through the bus later.
    pub(crate) fn translate(&self, ticket: Ticket, request: Box<PinRequest>) -> Option<PinVerdict> {
        let queue = match &self.0 {
            Way::Nowhere => return Some(unavailable("no_module")),
            Way::Here(translator) => return Some(translator.verdict(&request)),
            Way::Threads(queue) => queue,
        };
        match queue.try_send(Asked { ticket, request, at: Instant::now() }) {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => Some(unavailable("full")),
            Err(TrySendError::Disconnected(_)) => unreachable!("the threads live as long as the process"),
        }
    }
}

fn unavailable(reason: &'static str) -> PinVerdict {
    counter!("atm_switch_pins_unavailable_total", "reason" => reason).increment(1);
    PinVerdict::Unavailable
}

impl Translator {
    /// Who has waited longer than `wait_max` has been answered 91 meanwhile, and is not asked for.
    fn answer_all(
        &self,
        waiting: &Mutex<Receiver<Asked>>,
        wait_max: Duration,
        answers: &mpsc::Sender<Inbound>,
    ) {
        loop {
            let next = waiting.lock().expect("no thread panics while it waits").recv();
            let Ok(Asked { ticket, request, at }) = next else { return };
            let is_late = at.elapsed() > wait_max;
            let verdict = if is_late { unavailable("late") } else { self.verdict(&request) };
            let input = Input::PinTranslated(ticket, verdict);
            if answers.blocking_send(Inbound::Input(Box::new(input))).is_err() {
                return;
            }
        }
    }

    fn verdict(&self, request: &PinRequest) -> PinVerdict {
        match self.translate(request) {
            Ok(block) => {
                counter!("atm_switch_pins_translated_total").increment(1);
                self.forget_told(request);
                PinVerdict::Translated(block)
            }
            Err(error) if is_the_terminals(&error, request) => {
                tracing::debug!(terminal = %request.terminal, bank = %request.bank, %error, "PIN block refused");
                counter!("atm_switch_pins_unreadable_total").increment(1);
                PinVerdict::Unreadable
            }
            Err(HsmError::NoKey(name) | HsmError::Unfit { name, .. }) if !self.is_first_told(name) => {
                unavailable("key")
            }
            Err(error @ (HsmError::NoKey(_) | HsmError::Unfit { .. })) => {
                tracing::error!(bank = %request.bank, %error, "its PINs are 91 until it has a key that serves");
                unavailable("key")
            }
            Err(error) => {
                self.tell_of_module(request, &error);
                unavailable("module")
            }
        }
    }

    /// A bank's key that does not serve is told of once, not with each PIN.
    fn is_first_told(&self, name: KeyName) -> bool {
        self.told.lock().expect("no thread panics while it holds the names").insert(name)
    }

    /// Once a second at most: whoever decides may be asking, and does not wait for who reads the program's log.
    fn tell_of_module(&self, request: &PinRequest, error: &HsmError) {
        let mut last = self.module_told.lock().expect("no thread panics while it holds the moment");
        if last.is_none_or(|last| last.elapsed() >= MODULE_TOLD_EVERY) {
            *last = Some(Instant::now());
            tracing::error!(terminal = %request.terminal, bank = %request.bank, %error, "PIN not translated");
        }
    }

    /// The bank's key serves again: should it fail once more, that is told.
    fn forget_told(&self, request: &PinRequest) {
        let mut told = self.told.lock().expect("no thread panics while it holds the names");
        if !told.is_empty() {
            told.retain(|name| Some(name.owner) != bank_of(request));
        }
    }

    fn translate(&self, request: &PinRequest) -> Result<Enciphered, HsmError> {
        let formats = self.formats.get();
        let from = match &request.block {
            Enciphered::Short(_) => formats.terminals.get(&request.terminal).copied(),
            Enciphered::Long(_) => Some(PinFormat::Iso4),
        };
        let to = formats.banks.get(&request.bank).copied();
        let bank = bank_of(request);
        let (Some(from), Some(to), Some(bank)) = (from, to, bank) else {
            return Err(HsmError::Away("terminal or bank has left the configuration".to_owned()));
        };
        let block = PinBlock::new(from, request.block.bytes())?;
        let pan = PinPan::from(&request.pan);
        let ask = PinTranslation {
            from: Owner::terminal(&request.terminal.0),
            ksn: request.ksn.as_deref(),
            block: &block,
            pan: &pan,
            to: bank,
            format: to,
        };
        let now_s = self.clock.now().wall_ms.div_euclid(1_000);
        let translated = self.hsm.translate_pin(&ask, now_s)?;
        Enciphered::new(translated.bytes()).ok_or_else(|| HsmError::Away("no PIN block came back".to_owned()))
    }
}

fn bank_of(request: &PinRequest) -> Option<Owner> {
    Owner::bank(request.bank.to_string().as_bytes())
}

/// Whether the terminal's block or keys are at fault, or we are: no key of the bank, a module that is away.
fn is_the_terminals(error: &HsmError, request: &PinRequest) -> bool {
    match error {
        HsmError::NoKey(name) => Some(name.owner) != bank_of(request),
        HsmError::Pin(_) | HsmError::Dukpt(_) => true,
        HsmError::Exists(_)
        | HsmError::Unfit { .. }
        | HsmError::OtherAlgorithm { .. }
        | HsmError::NoLinkMac(_)
        | HsmError::Jump { .. }
        | HsmError::Mac
        | HsmError::KeyBlock(_)
        | HsmError::Key(_)
        | HsmError::Rollback { .. }
        | HsmError::VersionsUsedUp(_)
        | HsmError::ComesBack(_)
        | HsmError::OfAnotherOwner(_)
        | HsmError::ExchangeKeyChanged(_)
        | HsmError::PartsAlike
        | HsmError::Full
        | HsmError::NotHere(_)
        | HsmError::Refused { .. }
        | HsmError::File { .. }
        | HsmError::Away(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc as channel;

    use credential::{CitizenNumber, Pan};
    use hsm::{Examined, KeyInfo, KeyKind, KeyRole, LinkMacKeys, Offer, SharedKeys, Wanted};
    use keys::{CheckValue, MAC_BYTES, MacAlgorithm, MacPurpose, PinError};
    use processor::TerminalId;

    use super::*;

    /// A module that answers as it is told, after it was let.
    struct Scripted {
        answer: fn(&PinTranslation<'_>) -> Result<PinBlock, HsmError>,
        lets: Mutex<Receiver<()>>,
        is_at_once: bool,
    }

    impl Hsm for Scripted {
        fn translates_at_once(&self) -> bool {
            self.is_at_once
        }

        fn translate_pin(&self, ask: &PinTranslation<'_>, _: i64) -> Result<PinBlock, HsmError> {
            self.lets.lock().unwrap().recv().unwrap();
            (self.answer)(ask)
        }

        fn mac(&self, key: &KeyName, _: MacAlgorithm, _: &[u8]) -> Result<[u8; MAC_BYTES], HsmError> {
            Err(HsmError::NoKey(*key))
        }

        fn verify_mac(
            &self,
            key: &KeyName,
            _: MacAlgorithm,
            _: &[u8],
            _: &[u8],
            _: i64,
        ) -> Result<(), HsmError> {
            Err(HsmError::NoKey(*key))
        }

        fn generate_key(&self, key: KeyName, _: KeyKind, _: i64) -> Result<KeyInfo, HsmError> {
            Err(HsmError::NoKey(key))
        }

        fn wrap_key(&self, key: &KeyName) -> Result<String, HsmError> {
            Err(HsmError::NoKey(*key))
        }

        fn offer_key(&self, key: KeyName, _: KeyKind, _: i64) -> Result<Offer, HsmError> {
            Err(HsmError::NoKey(key))
        }

        fn use_offered_key(&self, key: KeyName, _: CheckValue, _: i64) -> Result<KeyInfo, HsmError> {
            Err(HsmError::NoKey(key))
        }

        fn has_link_macs(&self) -> bool {
            false
        }

        fn link_mac_keys(
            &self,
            _: &KeyName,
            _: MacAlgorithm,
            _: MacPurpose,
            _: i64,
        ) -> Result<LinkMacKeys, HsmError> {
            Ok(LinkMacKeys::default())
        }

        fn mac_keys_seen(&self, _: &[KeyName], _: i64) -> Result<(), HsmError> {
            Ok(())
        }

        fn examine_key(&self, key: KeyName, _: &[u8], _: Wanted) -> Result<Examined, HsmError> {
            Err(HsmError::NoKey(key))
        }

        fn unwrap_key(&self, key: KeyName, _: &[u8], _: Wanted, _: i64) -> Result<KeyInfo, HsmError> {
            Err(HsmError::NoKey(key))
        }

        fn keys(&self) -> Result<Vec<KeyInfo>, HsmError> {
            Ok(Vec::new())
        }

        fn offered_keys(&self) -> Result<Vec<KeyInfo>, HsmError> {
            Ok(Vec::new())
        }

        fn shared_keys(&self) -> Result<SharedKeys, HsmError> {
            Ok(SharedKeys { names: BTreeSet::new(), by_check_value: false })
        }

        fn reload(&self) -> Result<(), HsmError> {
            Ok(())
        }
    }

    struct Bench {
        pins: Pins,
        lets: channel::Sender<()>,
        answers: mpsc::Receiver<Inbound>,
    }

    type Answer = fn(&PinTranslation<'_>) -> Result<PinBlock, HsmError>;

    fn bench(answer: Answer, waiting_max: usize, wait_ms: u64) -> Bench {
        bench_of(answer, false, waiting_max, wait_ms)
    }

    fn bench_of(answer: Answer, is_at_once: bool, waiting_max: usize, wait_ms: u64) -> Bench {
        let (lets, lets_end) = channel::channel();
        let (bus, answers) = mpsc::channel(16);
        let hsm: Arc<dyn Hsm> = Arc::new(Scripted { answer, lets: Mutex::new(lets_end), is_at_once });
        let terminal = TerminalId::parse(b"HN000001").unwrap();
        let formats = PinFormats {
            terminals: [(terminal, PinFormat::Iso3)].into(),
            banks: [("970418".parse().unwrap(), PinFormat::Iso4)].into(),
        };
        let bounds = PinBounds { threads: 1, waiting_max, wait_max: Duration::from_millis(wait_ms) };
        let formats = Arc::new(Current::new(formats));
        let pins = Pins::start(&hsm, &formats, bounds, Clock::start(), &bus).unwrap();
        Bench { pins, lets, answers }
    }

    fn request(terminal: &[u8; 8], block: &[u8]) -> Box<PinRequest> {
        let number = CitizenNumber::parse(b"001203000001").unwrap();
        Box::new(PinRequest {
            terminal: TerminalId::parse(terminal).unwrap(),
            ksn: None,
            block: Enciphered::new(block).unwrap(),
            pan: Pan::new(*b"970499", &number),
            bank: "970418".parse().unwrap(),
        })
    }

    impl Bench {
        fn verdict(&mut self, request: Box<PinRequest>) -> PinVerdict {
            if let Some(verdict) = self.pins.translate(Ticket(1), request) {
                return verdict;
            }
            self.lets.send(()).unwrap();
            self.told()
        }

        fn told(&mut self) -> PinVerdict {
            match self.answers.blocking_recv().unwrap() {
                Inbound::Input(input) => match *input {
                    Input::PinTranslated(_, verdict) => verdict,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
    }

    const LONG_MS: u64 = 60_000;

    #[test]
    fn formats_and_owners_are_those_of_the_configuration() {
        let mut bench = bench(
            |ask| {
                assert_eq!((ask.block.format(), ask.format), (PinFormat::Iso3, PinFormat::Iso4));
                assert_eq!(
                    (ask.from.to_string(), ask.to.to_string()),
                    ("terminal.HN000001".into(), "bank.970418".into())
                );
                Ok(PinBlock::new(ask.format, &[7; 16])?)
            },
            4,
            LONG_MS,
        );
        let verdict = bench.verdict(request(b"HN000001", &[1; 8]));
        assert_eq!(verdict, PinVerdict::Translated(Enciphered::new(&[7; 16]).unwrap()));
        // A terminal that has left the configuration meanwhile.
        assert_eq!(bench.pins.translate(Ticket(2), request(b"HN000009", &[1; 8])), None);
        assert_eq!(bench.told(), PinVerdict::Unavailable);
    }

    #[test]
    fn what_is_the_terminals_fault_is_told_from_what_is_ours() {
        let cases: [(Answer, PinVerdict); 5] = [
            (|_| Err(PinError::Unreadable.into()), PinVerdict::Unreadable),
            (|ask| Err(HsmError::NoKey(ask.from.key(KeyRole::Pin))), PinVerdict::Unreadable),
            (|ask| Err(HsmError::NoKey(ask.to.key(KeyRole::Pin))), PinVerdict::Unavailable),
            (
                |ask| {
                    let reason = PinError::Algorithm { format: ask.format };
                    Err(HsmError::Unfit { name: ask.to.key(KeyRole::Pin), reason })
                },
                PinVerdict::Unavailable,
            ),
            (|_| Err(HsmError::Away("no answer".to_owned())), PinVerdict::Unavailable),
        ];
        for (answer, expected) in cases {
            for is_at_once in [false, true] {
                let mut bench = bench_of(answer, is_at_once, 4, LONG_MS);
                bench.lets.send(()).unwrap();
                let verdict = bench.pins.translate(Ticket(1), request(b"HN000001", &[1; 8]));
                assert_eq!(verdict.is_some(), is_at_once, "asked on the thread that decides");
                assert_eq!(verdict.unwrap_or_else(|| bench.told()), expected);
            }
        }
    }

    #[test]
    fn what_waits_is_bounded_and_who_has_waited_too_long_is_not_asked_for() {
        let mut slow = bench(|ask| Ok(PinBlock::new(ask.format, &[7; 16])?), 1, LONG_MS);
        let mut full = 0;
        for _ in 0..3 {
            full += usize::from(slow.pins.translate(Ticket(1), request(b"HN000001", &[1; 8])).is_some());
        }
        assert!((1..=2).contains(&full), "one is asked at most, one waits");
        (0..3 - full).for_each(|_| slow.lets.send(()).unwrap());
        assert!(matches!(slow.told(), PinVerdict::Translated(_)));
        let mut late = bench(|_| panic!("nobody waits for it"), 4, 0);
        assert_eq!(late.pins.translate(Ticket(1), request(b"HN000001", &[1; 8])), None);
        assert_eq!(late.told(), PinVerdict::Unavailable);
        let none = Pins::none().translate(Ticket(1), request(b"HN000001", &[1; 8]));
        assert_eq!(none, Some(PinVerdict::Unavailable));
    }
}
