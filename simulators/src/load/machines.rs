//! The terminals of a load and the citizens before them: messages made from templates, so that making them costs little.

use std::error::Error;
use std::sync::Arc;
use std::thread;

use credential::{CitizenNumber, Pan};
use iso8583::{Message, Mti, View};
use keys::{Key, LinkMac};

use super::books::AMOUNT_VND;
use super::engine::Answer;
use super::mix::{KINDS, Kind};
use super::template::{Template, six_digits};
use crate::citizens::{Chip, Country};
use crate::pins::{PinPad, Pins};
use crate::terminal::card::{self, Seed};
use crate::terminal::message::{self, Original, Reason};
use crate::terminal::{Biometrics, Card, Comparison, Config, Order, Steps, TxKey, What};

/// The acquirer of all machines.
pub(super) const ACQUIRER: &str = "970418";

/// STAN goes from 1 to this, then round.
const STAN_MAX: u32 = 999_999;

/// Bytes of DE52, a PIN block of format 0.
const PIN_BLOCK_BYTES: usize = 8;

/// Bytes of a verification reference.
pub(super) const REFERENCE_BYTES: usize = 16;

/// What a machine is called, DE41.
pub(super) fn name(machine: u32) -> Box<str> {
    format!("L{machine:07}").into()
}

/// The machine that a message is for.
pub(super) fn number(message: &View<'_>) -> Option<u32> {
    let digits = message.raw(41)?.strip_prefix(b"L")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The cards that are put into the machines.
pub(super) struct Citizens {
    pans: Vec<Pan>,
    chips: Vec<Arc<Chip>>,
    /// Whose SOD the switch has seen.
    pub(super) known: Vec<bool>,
}

impl Citizens {
    /// The first so many of a population, minted on all cores.
    pub(super) fn of(country: &Country, count: u32, iin: [u8; 6]) -> Citizens {
        let mint = |index: u64| {
            let pan = Pan::new(iin, &country.citizen(index).number);
            (pan, Arc::new(country.chip(index)))
        };
        let count = u64::from(count);
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let share = count.div_ceil(cores).max(1);
        let (pans, chips) = thread::scope(|scope| {
            let minting: Vec<_> = (0..count)
                .step_by(share as usize)
                .map(|from| {
                    scope.spawn(move || (from..count.min(from + share)).map(mint).collect::<Vec<_>>())
                })
                .collect();
            minting.into_iter().flat_map(|part| part.join().expect("minting does not panic")).unzip()
        });
        Citizens { pans, chips, known: vec![false; count as usize] }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.pans.len()
    }

    /// DE2 of a citizen.
    pub(super) fn pan(&self, citizen: u32) -> &Pan {
        &self.pans[citizen as usize]
    }

    /// Number and chip of each.
    pub(super) fn cards(&self) -> impl Iterator<Item = (CitizenNumber, &Chip)> {
        self.pans.iter().zip(&self.chips).map(|(pan, chip)| (pan.citizen_number(), &**chip))
    }

    fn order(&self, citizen: u32, kind: Kind) -> Order {
        let (what, amount_vnd) = match kind {
            Kind::Withdrawal => (What::Withdrawal, AMOUNT_VND),
            Kind::Deposit => (What::Deposit, AMOUNT_VND),
            Kind::Inquiry => (What::Balance, 0),
        };
        let (pan, chip) = (self.pans[citizen as usize], Arc::clone(&self.chips[citizen as usize]));
        Order {
            id: 0,
            what,
            amount_vnd,
            notes: None,
            card: Card { pan, chip },
            steps: Steps::Two,
            bank: None,
            from_account: None,
            rrn_front: None,
            pin: None,
            fault: None,
        }
    }
}

/// DE7 of the second that it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Second {
    /// Seconds since 1970.
    pub(super) at_s: i64,
    de7: [u8; 10],
}

impl Second {
    /// The second that began `at_s` seconds after 1970.
    pub(super) fn new(at_s: i64) -> Second {
        let text = key(100, "", at_s, 0).de7();
        let mut de7 = [b'0'; 10];
        de7.copy_from_slice(text.as_bytes());
        Second { at_s, de7 }
    }
}

/// Which of two advices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Advice {
    /// 0220: the note has left, or was kept.
    Completion,
    /// 0420: none has, or it was given back.
    Reversal,
}

/// A machine's PIN pad, and who types what into it.
#[derive(Clone)]
pub(super) struct Pad {
    /// The pad, with one key and format 0.
    pub(super) pad: PinPad,
    /// Each citizen's PIN.
    pub(super) pins: Pins,
}

impl Pad {
    /// Puts the citizen's PIN into DE52 of a message that has DE2.
    fn enter(&self, pan: &Pan, message: &mut Message) {
        let pin = self.pins.of(pan.digits());
        self.pad
            .enter(&pin, 0, &[], message)
            .expect("a pad of format 0 with a key of its own takes every PAN");
    }

    /// DE52 alone.
    fn block(&self, pan: &Pan) -> [u8; PIN_BLOCK_BYTES] {
        let mut message = Message::new(Mti::new(200));
        message.set(2, pan.digits());
        self.enter(pan, &mut message);
        message.get(52).and_then(|block| block.try_into().ok()).expect("a block of format 0 has 8 bytes")
    }
}

/// One terminal.
pub(super) struct Machine {
    /// The connection that it speaks on.
    pub(super) connection: usize,
    /// Its keys for messages.
    pub(super) mac: LinkMac,
    config: Config,
    pad: Option<Pad>,
    seed: Option<Seed>,
    stan: u32,
    /// By kind: 0200, 0220, 0420; an inquiry has no advices of its own.
    templates: [[Template; 3]; KINDS.len()],
}

impl Machine {
    /// The machine of a number.
    ///
    /// # Errors
    /// A text that its element cannot carry.
    pub(super) fn new(
        number: u32,
        connection: usize,
        mac: LinkMac,
        challenge: Key,
        pad: Option<Pad>,
        faces: Biometrics,
        citizens: &Citizens,
    ) -> Result<Machine, Box<dyn Error>> {
        let name = name(number);
        let config = Config::new(&name, ACQUIRER, "LOAD, HA NOI", challenge, faces)?;
        let at = key(200, &name, 0, 0);
        let templates = |kind: Kind| {
            let order = citizens.order(0, kind);
            let mut request = message::financial(&config, &at, &order, None, None);
            request.set(112, &card::reference_template(&[0; REFERENCE_BYTES]));
            if let Some(pad) = &pad {
                pad.enter(&order.card.pan, &mut request);
            }
            let original = Original {
                key: at.clone(),
                pan: *order.card.pan.digits(),
                processing_code: order.what.processing_code().into(),
                amount_vnd: order.amount_vnd,
                rrn: None,
            };
            let [completion, reversal] = [220, 420].map(|mti| key(mti, &name, 0, 0));
            let reason = if kind == Kind::Deposit { Reason::Cancelled } else { Reason::Dispense };
            let completion = message::advice(&config, &completion, &original, order.amount_vnd, None);
            let reversal = message::advice(&config, &reversal, &original, 0, Some(reason));
            let template = |message| Template::new(message, &mac);
            Ok::<_, Box<dyn Error>>([template(&request)?, template(&completion)?, template(&reversal)?])
        };
        let [withdrawal, deposit, inquiry] = KINDS.map(templates);
        let templates = [withdrawal?, deposit?, inquiry?];
        Ok(Machine { connection, mac, config, pad, seed: None, stan: 0, templates })
    }

    /// The next DE11.
    pub(super) fn next_stan(&mut self) -> u32 {
        self.stan = if self.stan == STAN_MAX { 1 } else { self.stan + 1 };
        self.stan
    }

    /// 0800/001.
    pub(super) fn sign_on(&mut self, second: Second) -> Message {
        let stan = self.next_stan();
        let at = key(800, &self.config.terminal, second.at_s, stan);
        message::network(&self.config, &at, "001", None)
    }

    /// Takes the seed out of a sign-on's answer; whether there was one.
    pub(super) fn signed_on(&mut self, answer: &Answer) -> bool {
        let de112 = answer.whole.as_ref().and_then(|whole| whole.get(112));
        self.seed = de112.and_then(|de112| Seed::from_sign_on(de112, &self.config.challenge));
        self.seed.is_some()
    }

    /// 0100 of a citizen, with the SOD where the switch has not seen it; `None` before the sign-on.
    pub(super) fn verification(
        &self,
        second: Second,
        stan: u32,
        citizens: &Citizens,
        citizen: u32,
    ) -> Option<Message> {
        let order = citizens.order(citizen, Kind::Withdrawal);
        let at = key(100, &self.config.terminal, second.at_s, stan);
        let mut message = message::verification(&self.config, &at, &order, None);
        let with_sod = !citizens.known[citizen as usize];
        self.prove(&mut message, &order, second, stan, with_sod).then_some(message)
    }

    /// 0200 of a withdrawal with its proof, of a citizen whose SOD the switch has seen; `None` before the sign-on.
    pub(super) fn one_step(
        &self,
        second: Second,
        stan: u32,
        citizens: &Citizens,
        citizen: u32,
    ) -> Option<Message> {
        let order = citizens.order(citizen, Kind::Withdrawal);
        let at = key(200, &self.config.terminal, second.at_s, stan);
        let mut message = message::financial(&self.config, &at, &order, None, None);
        if let Some(pad) = &self.pad {
            pad.enter(&order.card.pan, &mut message);
        }
        self.prove(&mut message, &order, second, stan, false).then_some(message)
    }

    /// Whether there is a seed to prove it with.
    fn prove(&self, message: &mut Message, order: &Order, second: Second, stan: u32, with_sod: bool) -> bool {
        let Some(seed) = &self.seed else { return false };
        let session = (self.config.biometrics)(&Comparison {
            citizen: order.card.pan.citizen_number(),
            terminal: self.config.terminal.clone(),
            at_s: second.at_s,
            number: stan,
        });
        card::prove(message, &*order.card.chip, seed, &session, second.at_s, with_sod);
        true
    }

    /// Appends 0200 with a reference, or 0201.
    pub(super) fn request(
        &self,
        kind: Kind,
        (second, stan): (Second, u32),
        pan: &Pan,
        reference: &[u8; REFERENCE_BYTES],
        is_repeat: bool,
        out: &mut Vec<u8>,
    ) {
        let stan = six_digits(stan);
        let proof = card::reference_template(reference);
        let template = &self.templates[kind as usize][0];
        let values: [(u8, &[u8]); 4] = [(2, pan.digits()), (7, &second.de7), (11, &stan), (112, &proof)];
        let Some(pad) = &self.pad else { return template.write(&values, is_repeat, &self.mac, out) };
        let [pan_digits, at, stan, proof] = values;
        let block = pad.block(pan);
        template.write(&[pan_digits, at, stan, (52, &block), proof], is_repeat, &self.mac, out);
    }

    /// Appends 0220 or 0420 to a request of the same citizen, or its repeat.
    pub(super) fn advice(
        &self,
        (kind, advice): (Kind, Advice),
        (second, stan): (Second, u32),
        (original_at, original_stan): (Second, u32),
        pan: &Pan,
        is_repeat: bool,
        out: &mut Vec<u8>,
    ) {
        let template = match advice {
            Advice::Completion => &self.templates[kind as usize][1],
            Advice::Reversal => &self.templates[kind as usize][2],
        };
        let mut de90 = [b'0'; 42];
        de90[..4].copy_from_slice(b"0200");
        de90[4..10].copy_from_slice(&six_digits(original_stan));
        de90[10..20].copy_from_slice(&original_at.de7);
        de90[31 - ACQUIRER.len()..31].copy_from_slice(ACQUIRER.as_bytes());
        let stan = six_digits(stan);
        let values: [(u8, &[u8]); 4] = [(2, pan.digits()), (7, &second.de7), (11, &stan), (90, &de90)];
        template.write(&values, is_repeat, &self.mac, out);
    }
}

fn key(mti: u16, terminal: &str, sent_at_s: i64, stan: u32) -> TxKey {
    TxKey { mti, acquirer: ACQUIRER.into(), terminal: terminal.into(), sent_at_s, stan }
}
