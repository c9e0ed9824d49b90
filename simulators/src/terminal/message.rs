//! The messages that a terminal sends, element by element (docs/interface.md#elements).

use iso8583::{Message, Mti};
use time::Duration;

use super::config::Config;
use super::key::{TxKey, utc};
use super::order::{Order, What};

/// The đồng, ISO 4217 numeric.
const CURRENCY: &str = "704";

/// Vietnam has one time zone and no daylight saving.
const LOCAL_OFFSET_HOURS: i64 = 7;

/// Merchant category of a cash machine.
const MERCHANT_TYPE: &str = "6011";

/// Contactless chip; the machine can take a PIN.
const ENTRY_MODE: &str = "071";

/// Normal presentment.
const CONDITION: &str = "00";

/// DE39 of a 0420: why the approval is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The citizen has not taken the notes.
    Cancelled,
    /// The dispenser gave nothing.
    Dispense,
    /// The dispenser gave a part.
    Part,
    /// The answer was too late, or the machine could not wait for it.
    Late,
}

impl Reason {
    fn code(self) -> &'static str {
        match self {
            Reason::Cancelled => "17",
            Reason::Dispense => "22",
            Reason::Part => "32",
            Reason::Late => "68",
        }
    }
}

/// 0800 with a code of DE70. `status` is DE48 of a sign-on.
pub(crate) fn network(config: &Config, key: &TxKey, code: &str, status: Option<&str>) -> Message {
    let mut message = Message::new(Mti::new(800));
    message.set_text(7, &key.de7()).set_number(11, key.stan.into(), 6).set_text(41, &config.de41());
    message.set_text(70, code);
    if let Some(status) = status {
        message.set_text(48, status);
    }
    message
}

/// 0100 without its proof.
pub(crate) fn verification(config: &Config, key: &TxKey, order: &Order, rrn: Option<&[u8; 12]>) -> Message {
    let mut message = keyed(config, key, order.card.pan.digits(), "330000");
    push_place(&mut message, config);
    if let Some(rrn) = rrn {
        message.set(37, rrn);
    }
    message
}

/// 0200 without its proof or reference. `status` is DE48.
pub(crate) fn financial(
    config: &Config,
    key: &TxKey,
    order: &Order,
    rrn: Option<&[u8; 12]>,
    status: Option<&str>,
) -> Message {
    let mut message = keyed(config, key, order.card.pan.digits(), order.what.processing_code());
    push_place(&mut message, config);
    message.set_number(4, order.amount_vnd, 12).set_text(49, CURRENCY);
    if let Some(rrn) = rrn {
        message.set(37, rrn);
    }
    if let Some(status) = status {
        message.set_text(48, status);
    }
    if let Some(bank) = &order.bank {
        message.set_text(100, bank);
    }
    if let Some(account) = &order.from_account {
        message.set_text(102, account);
    }
    if let What::Transfer { to_account } = &order.what {
        message.set_text(103, to_account);
    }
    message
}

/// What an advice repeats of the request it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Original {
    pub(crate) key: TxKey,
    pub(crate) pan: [u8; 19],
    pub(crate) processing_code: Box<str>,
    pub(crate) amount_vnd: u64,
    /// DE37, where the request or its answer had one.
    pub(crate) rrn: Option<[u8; 12]>,
}

/// 0220, or with a reason 0420. `moved_vnd` is what really left, or was kept: DE95.
pub(crate) fn advice(
    config: &Config,
    key: &TxKey,
    original: &Original,
    moved_vnd: u64,
    reason: Option<Reason>,
) -> Message {
    let mut message = keyed(config, key, &original.pan, &original.processing_code);
    message.set_number(4, original.amount_vnd, 12).set_text(49, CURRENCY);
    if let Some(rrn) = &original.rrn {
        message.set(37, rrn);
    }
    if let Some(reason) = reason {
        message.set_text(39, reason.code());
    }
    let acquirer = &original.key.acquirer;
    message.set_text(90, &format!("{}{acquirer:0>11}{:011}", original.key.twenty_digits(), 0));
    message.set_text(95, &format!("{moved_vnd:012}{:030}", 0));
    message
}

/// The elements that all keyed messages share.
fn keyed(config: &Config, key: &TxKey, pan: &[u8; 19], processing_code: &str) -> Message {
    let local = utc(key.sent_at_s) + Duration::hours(LOCAL_OFFSET_HOURS);
    let time = format!("{:02}{:02}{:02}", local.hour(), local.minute(), local.second());
    let date = format!("{:02}{:02}", u8::from(local.month()), local.day());
    let mut message = Message::new(Mti::new(key.mti));
    message.set(2, pan).set_text(3, processing_code);
    message.set_text(7, &key.de7()).set_number(11, key.stan.into(), 6);
    message.set_text(12, &time).set_text(13, &date);
    message.set_text(32, &key.acquirer).set_text(41, &key.terminal);
    message.set_text(42, &format!("{:15}", config.acceptor));
    message
}

fn push_place(message: &mut Message, config: &Config) {
    message.set_text(18, MERCHANT_TYPE).set_text(22, ENTRY_MODE).set_text(25, CONDITION);
    message.set_text(43, &format!("{:40}", config.location));
}
