//! What a terminal's keyed message says, checked for form: key, content, amounts.

use credential::{Pan, Pseudonym};
use iso8583::Message;
use mutant::Mutant;

use crate::amount;
use crate::broken;
use crate::config::{Config, TerminalConfig};
use crate::ids::{Class, Code, Institution, Rrn, TerminalId, TxKey, UtcSeconds};
use crate::io::{LinkId, Now};
use crate::network::Seeds;
use crate::record::{Advice, Carried, Content, Kind, Request};

/// A keyed message: 0100, 0200, 0201, 0220, 0221, 0420, 0421.
pub(crate) struct Incoming {
    /// Where it came from; `None` for a status that travelled in DE48 and gets no answer of its own.
    pub(crate) link: Option<LinkId>,
    /// As it came: answers echo it.
    pub(crate) message: Message,
    pub(crate) key: TxKey,
    /// DE3; `None` when the switch knows no such transaction.
    pub(crate) kind: Option<Kind>,
    /// DE2; `None` when it is no citizen card's PAN.
    pub(crate) pan: Option<Pan>,
    pub(crate) content: Content,
    /// DE4 has a fraction of the smallest unit.
    pub(crate) fraction: bool,
    /// Monotonic, microseconds.
    pub(crate) arrived_us: u64,
    /// When the processor took it, likewise.
    pub(crate) taken_us: u64,
    /// The challenge seeds of the terminal's session as it was when the message came, newest first; `None` when it had
    /// not signed on. A connection that is lost later takes nothing from what came before.
    pub(crate) session: Option<Seeds>,
}

/// What every request carries, whatever its kind (docs/interface.md#elements).
const VERIFICATION_ELEMENTS: [u8; 14] = [2, 3, 7, 11, 12, 13, 18, 22, 25, 32, 41, 42, 43, 112];
const REQUEST_ELEMENTS: [u8; 16] = [2, 3, 4, 7, 11, 12, 13, 18, 22, 25, 32, 41, 42, 43, 49, 112];
const ADVICE_ELEMENTS: [u8; 11] = [2, 3, 4, 7, 11, 12, 13, 32, 41, 49, 90];

/// Carried on to the bank as they came.
const CARRIED_ELEMENTS: [u8; 7] = [12, 13, 18, 22, 25, 42, 43];

/// What a keyed message says.
struct Said {
    key: TxKey,
    kind: Option<Kind>,
    pan: Option<Pan>,
    content: Content,
    fraction: bool,
}

/// Reads a message whose MTI has a class. Errors: the element that is wrong, for a 30, and the message.
pub(crate) fn read(
    message: Message,
    link: LinkId,
    citizen: Option<Pseudonym>,
    terminal: &TerminalConfig,
    taken: Now,
    arrived_us: u64,
) -> Result<Box<Incoming>, (u8, Message)> {
    match said(&message, citizen, terminal, taken) {
        Ok(Said { key, kind, pan, content, fraction }) => Ok(Box::new(Incoming {
            link: Some(link),
            message,
            key,
            kind,
            pan,
            content,
            fraction,
            arrived_us,
            taken_us: taken.mono_us,
            session: None,
        })),
        Err(element) => Err((element, message)),
    }
}

fn said(
    message: &Message,
    citizen: Option<Pseudonym>,
    terminal: &TerminalConfig,
    taken: Now,
) -> Result<Said, u8> {
    let class = Class::of_mti(message.mti().value()).ok_or(0)?;
    let needed: &[u8] = match class {
        Class::Verification => &VERIFICATION_ELEMENTS,
        Class::Financial => &REQUEST_ELEMENTS,
        Class::Completion | Class::Reversal => &ADVICE_ELEMENTS,
    };
    if let Some(missing) = needed.iter().find(|&&element| !message.has(element)) {
        return Err(*missing);
    }
    let now = UtcSeconds(taken.wall_ms.div_euclid(1000));
    let value = |element: u8| message.get(element).unwrap_or_default();
    let key = key(message, class, now)?;
    let is_undated = mutant::is(Mutant::KeyWithoutDate) && message.mti().is_repeat();
    let key = if is_undated { broken::dated_today(key, now) } else { key };
    let processing: [u8; 6] = value(3).try_into().map_err(|_| 3)?;
    let kind = kind(class, processing);
    let scaled = amount::from_link(message.number(4).unwrap_or(0), terminal.amount_exponent);
    let is_advice = matches!(class, Class::Completion | Class::Reversal);
    let (original, left_minor) = if is_advice {
        let left = match message.get(95) {
            Some(de95) => {
                let left = amount::from_de95(de95).ok_or(95)?;
                Some(amount::from_link(left, terminal.amount_exponent).map_err(|_| 95)?)
            }
            None => None,
        };
        (Some(original(value(90), &key, now).ok_or(90)?), left)
    } else {
        (None, None)
    };
    if is_advice && scaled.is_err() {
        return Err(4);
    }
    let text = |element: u8| message.text(element).map(|text| text.trim_end().into());
    let content = Content {
        citizen: citizen.unwrap_or(NOBODY),
        processing,
        amount_minor: scaled.unwrap_or(0),
        currency: message.number(49).unwrap_or(0) as u16,
        original,
        left_minor,
        institution: message.get(100).map(|digits| Institution::parse(digits).ok_or(100)).transpose()?,
        from_account: text(102),
        to_account: text(103),
    };
    let pan = citizen.and_then(|_| Pan::parse(value(2)).ok());
    Ok(Said { key, kind, pan, content, fraction: scaled.is_err() })
}

/// The name of a message. Errors: the element that is wrong.
pub(crate) fn key(message: &Message, class: Class, now: UtcSeconds) -> Result<TxKey, u8> {
    let value = |element: u8| message.get(element).unwrap_or_default();
    Ok(TxKey {
        class,
        acquirer: Institution::parse(value(32)).ok_or(32)?,
        terminal: TerminalId::parse(value(41)).ok_or(41)?,
        sent_at: UtcSeconds::from_de7(value(7), now).ok_or(7)?,
        stan: message.number(11).ok_or(11)? as u32,
    })
}

/// Stands for the citizen of a PAN that names none: HMAC-SHA-256 gives it to nobody but by a chance of 2^-128.
const NOBODY: Pseudonym = Pseudonym([0; 16]);

fn kind(class: Class, processing: [u8; 6]) -> Option<Kind> {
    match (class, &processing[..2]) {
        (Class::Verification, b"33") => Some(Kind::Verification),
        (Class::Verification, _) => None,
        (_, b"01") => Some(Kind::Withdrawal),
        (_, b"21") => Some(Kind::Deposit),
        (_, b"31") => Some(Kind::Balance),
        (_, b"38") => Some(Kind::MiniStatement),
        (_, b"40") => Some(Kind::Transfer),
        (_, _) => None,
    }
}

/// DE90's first 20 digits with the advice's own DE32 and DE41 (docs/interface.md#keys). Only a 0200 can be advised of.
fn original(de90: &[u8], advice: &TxKey, now: UtcSeconds) -> Option<TxKey> {
    original_of_status(de90.get(..20)?, advice.acquirer, advice.terminal, now)
}

/// The same 20 digits as DE48 has them.
pub(crate) fn original_of_status(
    twenty: &[u8],
    acquirer: Institution,
    terminal: TerminalId,
    now: UtcSeconds,
) -> Option<TxKey> {
    let digits = |range: std::ops::Range<usize>| decimal(twenty.get(range)?);
    let class =
        Class::of_mti(u16::try_from(digits(0..4)?).ok()?).filter(|class| *class == Class::Financial)?;
    let sent_at = UtcSeconds::from_de7(twenty.get(10..20)?, now)?;
    Some(TxKey { class, acquirer, terminal, sent_at, stan: digits(4..10)? })
}

/// What ASCII digits say, nine at most.
pub(crate) fn decimal(digits: &[u8]) -> Option<u32> {
    let digit = |digit: u8| digit.is_ascii_digit().then(|| u32::from(digit - b'0'));
    digits.iter().try_fold(0, |sum: u32, &it| sum.checked_mul(10)?.checked_add(digit(it)?))
}

impl Incoming {
    /// The transaction that it is about: its own for a request, the original for an advice.
    pub(crate) fn subject(&self) -> TxKey {
        self.content.original.unwrap_or(self.key)
    }

    /// As the log keeps an advice.
    pub(crate) fn into_advice(self) -> Advice {
        Advice { key: self.key, content: self.content, reason: self.message.get(39).and_then(Code::parse) }
    }

    /// As the log keeps a request; `None` when no citizen stands behind it.
    pub(crate) fn request(&self, rrn: Rrn, config: &Config) -> Option<Request> {
        let carried =
            CARRIED_ELEMENTS.iter().filter_map(|&element| Some((element, self.message.get(element)?)));
        Some(Request {
            kind: self.kind?,
            pan: self.pan.filter(|pan| pan.iin() == config.iin)?,
            content: self.content.clone(),
            rrn,
            rrn_from_terminal: self.message.has(37),
            carried: Carried::of(carried),
        })
    }
}
