//! The PIN on its way from the terminal's key to the bank's: asked of the security module between verification and INTENT
//! (docs/interface.md#pin). Never recorded.

use credential::Pan;
use iso8583::Message;
use mutant::Mutant;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ids::{Code, Institution, TerminalId, TxKey};
use crate::io::{Output, Ticket};
use crate::lifecycle::State;
use crate::processor::Processor;
use crate::record::Kind;

/// Bytes of a PIN block under triple DES (ISO 9564-1 formats 0 and 3).
const DE52_BYTES: usize = 8;
/// Bytes of a PIN block under AES (format 4).
const DE121_BYTES: usize = 16;

/// A PIN block under a key, as it travels. It cannot print itself, and is overwritten when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub enum Enciphered {
    /// DE52: formats 0 and 3.
    Short([u8; DE52_BYTES]),
    /// DE121: format 4.
    Long([u8; DE121_BYTES]),
}

impl Enciphered {
    /// A block of 8 or 16 bytes; `None` for any other length.
    pub fn new(bytes: &[u8]) -> Option<Enciphered> {
        match bytes.len() {
            DE52_BYTES => bytes.try_into().ok().map(Enciphered::Short),
            DE121_BYTES => bytes.try_into().ok().map(Enciphered::Long),
            _ => None,
        }
    }

    /// The element that it travels in: 52 or 121.
    pub fn element(&self) -> u8 {
        match self {
            Enciphered::Short(_) => 52,
            Enciphered::Long(_) => 121,
        }
    }

    /// Its 8 or 16 bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Enciphered::Short(bytes) => bytes,
            Enciphered::Long(bytes) => bytes,
        }
    }
}

impl std::fmt::Debug for Enciphered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enciphered(DE{})", self.element())
    }
}

/// What the security module needs to translate a PIN.
#[derive(Clone, PartialEq, Debug)]
pub struct PinRequest {
    /// Whose key the block came under.
    pub terminal: TerminalId,
    /// DE122: the key serial number, where the terminal derives a key for each transaction.
    pub ksn: Option<Box<[u8]>>,
    /// The block.
    pub block: Enciphered,
    /// The PAN that it is bound to. It never changes.
    pub pan: Pan,
    /// Under whose key it goes on.
    pub bank: Institution,
}

/// What the security module says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PinVerdict {
    /// The block under the bank's key.
    Translated(Enciphered),
    /// No PIN comes out under the terminal's key, format and PAN, or there is no such key: 88.
    Unreadable,
    /// The module is away, late or has its hands full: 91.
    Unavailable,
}

/// Where the PIN of a request stands.
#[derive(Default)]
pub(crate) enum PinStage {
    /// The bank was not looked at yet, or wants none.
    #[default]
    NotAsked,
    /// The module was asked.
    Asked(Ticket),
    /// It has answered: the block waits in [`crate::live::Live::pin`].
    Translated,
}

/// Whether a bank that asks for PINs asks for one here: what pays out or shows an account does, what pays in does not.
fn takes_a_pin(kind: Kind) -> bool {
    match kind {
        Kind::Withdrawal | Kind::Transfer | Kind::Balance | Kind::MiniStatement => true,
        Kind::Deposit | Kind::Verification => false,
    }
}

impl Processor {
    fn bank_wants_pin(&self, bank: Institution, kind: Kind) -> bool {
        takes_a_pin(kind) && self.config.issuers.get(&bank).is_some_and(|issuer| issuer.wants_pin)
    }

    /// Before anybody is asked: a request without the PIN that its bank wants is 55, so that the terminal asks the citizen
    /// for it; one with two PIN blocks is 30.
    pub(crate) fn check_pin(&self, key: TxKey, bank: Institution, kind: Kind) -> Result<(), Code> {
        if !self.bank_wants_pin(bank, kind) {
            return Ok(());
        }
        let has = |element| self.asked(key).is_some_and(|message| message.has(element));
        match (has(52), has(121)) {
            (true, true) => Err(Code::FORMAT),
            (false, false) if mutant::is(Mutant::PinLeftOutTaken) => Ok(()),
            (false, false) => Err(Code::WRONG_PIN),
            (true, false) | (false, true) => Ok(()),
        }
    }

    /// Asks the security module where the bank wants a PIN that is not translated yet; `true`: the request waits for it.
    pub(crate) fn waits_for_pin(&mut self, key: TxKey, kind: Kind) -> Result<bool, Code> {
        let work = self.work(key);
        let Some(bank) = work.account.as_ref().map(|account| account.bank) else { return Ok(false) };
        match work.pin {
            PinStage::Translated => return Ok(false),
            PinStage::Asked(_) => return Ok(true),
            PinStage::NotAsked => {}
        }
        if !self.bank_wants_pin(bank, kind) {
            return Ok(false);
        }
        // The configuration may have been read again since the request came.
        self.check_pin(key, bank, kind)?;
        let pan = self.work(key).pan.ok_or(Code::BAD_PAN)?;
        let message = self.asked(key).ok_or(Code::UNAVAILABLE)?;
        let block = pin_block(message).ok_or(Code::PIN_BLOCK)?;
        let ksn = message.get(122).map(Into::into);
        let request = PinRequest { terminal: key.terminal, ksn, block, pan, bank };
        let ticket = self.ticket();
        self.work(key).pin = PinStage::Asked(ticket);
        self.pins.insert(ticket, key);
        self.emit(Output::TranslatePin(ticket, Box::new(request)));
        let module_by_us = self.in_ms(self.config.timers.hsm_ms_max);
        let answer_by_us = self.live.get(&key).map_or(0, |live| live.answer_by_us);
        self.wait_until(key, Some(answer_by_us.min(module_by_us)));
        Ok(true)
    }

    /// The security module's answer. One that comes too late finds nobody.
    pub(crate) fn pin_translated(&mut self, ticket: Ticket, verdict: PinVerdict) {
        let Some(key) = self.pins.remove(&ticket) else { return };
        let Some(live) = self.live.get_mut(&key).filter(|live| live.state == State::Verifying) else {
            return;
        };
        match verdict {
            PinVerdict::Translated(block) => {
                live.pin = Some(block);
                self.work(key).pin = PinStage::Translated;
                self.go_on(key);
            }
            PinVerdict::Unreadable => self.refuse(key, Code::PIN_BLOCK),
            PinVerdict::Unavailable if mutant::is(Mutant::PinPassedOver) => {
                self.work(key).pin = PinStage::Translated;
                self.go_on(key);
            }
            PinVerdict::Unavailable => self.refuse(key, Code::UNAVAILABLE),
        }
    }
}

/// The block of a request that has one.
fn pin_block(message: &Message) -> Option<Enciphered> {
    Enciphered::new(message.get(52).or_else(|| message.get(121))?)
}
