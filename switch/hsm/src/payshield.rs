//! A Thales payShield: host commands over TCP, a bounded pool of connections, a deadline for each answer.

mod connection;
mod tokens;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keys::{MAC_BYTES, MacAlgorithm, Padding, PinBlock, PinError, PinFormat};

use crate::error::HsmError;
use crate::name::{KeyName, KeyRole, OwnerKind};
use crate::software::KeyKind;
use crate::{Examined, Hsm, KeyInfo, PinTranslation, Wanted};

use connection::Pool;
pub use connection::{PAYSHIELD_ANSWER_BYTES_MAX, PAYSHIELD_HEADER_BYTES};
use tokens::Tokens;

/// The longest PIN that it may find: all that ISO 9564-1 allows.
const PIN_DIGITS_MAX: &str = "12";

/// Where a payShield is, and what it holds keys for.
#[derive(Clone, Debug)]
pub struct PayShieldSettings {
    /// Its addresses, or those of several that share their LMK: the one that has answered last is asked first, then the
    /// others, each for an equal share of what is left of `answer_max`.
    pub addresses: Vec<SocketAddr>,
    /// Connections at once; who finds none free waits, within the deadline.
    pub connections_max: usize,
    /// From a command to its answer, the wait for a free connection included.
    pub answer_max: Duration,
    /// The keys under the box's LMK, by name.
    pub tokens: PathBuf,
}

/// A payShield. Its keys stand in a file beside the switch, each under the box's LMK: nobody else can use them.
pub struct PayShield {
    settings: PayShieldSettings,
    pool: Pool,
    tokens: RwLock<Arc<Tokens>>,
}

impl PayShield {
    /// Reads the file of keys; connections are made when they are needed.
    ///
    /// # Errors
    /// [`HsmError::File`].
    pub fn open(settings: PayShieldSettings) -> Result<PayShield, HsmError> {
        let tokens = RwLock::new(Arc::new(Tokens::read(&settings.tokens)?));
        let pool = Pool::new(&settings.addresses, settings.connections_max, settings.answer_max);
        Ok(PayShield { settings, pool, tokens })
    }

    /// Asks whether it is there (B2, echo).
    ///
    /// # Errors
    /// [`HsmError::Away`].
    pub fn echo(&self) -> Result<(), HsmError> {
        const TEXT: &[u8] = b"atm-switch";
        let mut fields = format!("{:04X}", TEXT.len()).into_bytes();
        fields.extend_from_slice(TEXT);
        match self.ask("B2", &fields)? {
            (0, data) if data == TEXT => Ok(()),
            (code, _) => Err(refused("B2", code)),
        }
    }

    /// The error code and what follows it.
    fn ask(&self, command: &str, fields: &[u8]) -> Result<(u8, Vec<u8>), HsmError> {
        self.pool.ask(command, fields).map_err(HsmError::Away)
    }

    fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The front that M6 and M8 share: one whole message in binary, a MAC of 16 hex digits.
    fn mac_fields(&self, name: &KeyName, algorithm: MacAlgorithm, text: &[u8]) -> Result<Vec<u8>, HsmError> {
        let (algorithm, padding) = match algorithm {
            MacAlgorithm::Retail(Padding::Zeros) => ('3', '1'),
            MacAlgorithm::Retail(Padding::OneThenZeros) => ('3', '2'),
            MacAlgorithm::AesCmac => ('6', '0'),
            MacAlgorithm::HmacSha256 => return Err(not_here("HMAC under a key of the payShield")),
        };
        let tokens = self.tokens();
        let key_type = match name.owner.kind() {
            OwnerKind::Terminal => "003",
            OwnerKind::Bank => "008",
        };
        let token = tokens.token(*name)?;
        // A key block says itself what it is for.
        let key_type = if token.starts_with('S') { "FFF" } else { key_type };
        let mut fields = format!("001{algorithm}{padding}{key_type}{token}{:04X}", text.len()).into_bytes();
        fields.extend_from_slice(text);
        Ok(fields)
    }
}

impl Hsm for PayShield {
    /// CA: from TPK to ZPK.
    fn translate_pin(&self, ask: &PinTranslation<'_>, _: i64) -> Result<PinBlock, HsmError> {
        if ask.ksn.is_some() {
            return Err(not_here("DUKPT"));
        }
        let tokens = self.tokens();
        let from = tokens.token(ask.from.key(KeyRole::Pin))?;
        let to = tokens.token(ask.to.key(KeyRole::Pin))?;
        let formats = [ask.block.format(), ask.format];
        let mut fields = format!("{from}{to}{PIN_DIGITS_MAX}{}", hex(ask.block.bytes())).into_bytes();
        formats.iter().for_each(|format| fields.extend_from_slice(code_of(*format)));
        // The 12 rightmost digits without the check digit; where format 4 is on one side, the whole PAN and a delimiter.
        let digits = ask.pan.digits_for_module();
        if formats.contains(&PinFormat::Iso4) {
            fields.extend_from_slice(&digits);
            fields.push(b';');
        } else {
            fields.extend_from_slice(&digits[digits.len() - 13..digits.len() - 1]);
        }
        match self.ask("CA", &fields)? {
            (0, data) => translated(&data, ask.format).ok_or_else(|| refused("CA", 0)),
            // The block, the account, the format or the PIN's length in it.
            (20 | 22 | 23 | 24, _) => Err(PinError::Unreadable.into()),
            (code, _) => Err(refused("CA", code)),
        }
    }

    fn mac(&self, key: &KeyName, algorithm: MacAlgorithm, text: &[u8]) -> Result<[u8; MAC_BYTES], HsmError> {
        match self.ask("M6", &self.mac_fields(key, algorithm, text)?)? {
            (0, data) => bytes_of(&data).and_then(|mac| mac.try_into().ok()).ok_or_else(|| refused("M6", 0)),
            (code, _) => Err(refused("M6", code)),
        }
    }

    fn verify_mac(
        &self,
        key: &KeyName,
        algorithm: MacAlgorithm,
        text: &[u8],
        mac: &[u8],
        _: i64,
    ) -> Result<(), HsmError> {
        if mac.len() != MAC_BYTES {
            return Err(HsmError::Mac);
        }
        let mut fields = self.mac_fields(key, algorithm, text)?;
        fields.extend_from_slice(hex(mac).as_bytes());
        match self.ask("M8", &fields)? {
            (0, _) => Ok(()),
            (1, _) => Err(HsmError::Mac),
            (code, _) => Err(refused("M8", code)),
        }
    }

    fn generate_key(&self, _: KeyName, _: KeyKind, _: i64) -> Result<KeyInfo, HsmError> {
        Err(not_here("making keys"))
    }

    fn wrap_key(&self, _: &KeyName) -> Result<String, HsmError> {
        Err(not_here("wrapping keys"))
    }

    fn examine_key(&self, _: KeyName, _: &[u8], _: Wanted) -> Result<Examined, HsmError> {
        Err(not_here("taking keys in"))
    }

    fn unwrap_key(&self, _: KeyName, _: &[u8], _: Wanted, _: i64) -> Result<KeyInfo, HsmError> {
        Err(not_here("taking keys in"))
    }

    fn keys(&self) -> Result<Vec<KeyInfo>, HsmError> {
        Ok(self.tokens().infos())
    }

    fn reload(&self) -> Result<(), HsmError> {
        let tokens = Tokens::read(&self.settings.tokens)?;
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
        Ok(())
    }
}

/// The PIN block in a box's answer to CA with this header, for those who try what any bytes in its place become.
pub fn payshield_pin_block(answer: &[u8], header: &str, format: PinFormat) -> Option<PinBlock> {
    let (code, data) = connection::parsed(answer, header, "CA")?;
    translated(&data, format).filter(|_| code == 0)
}

/// The PIN's length, the block, its format.
fn translated(data: &[u8], format: PinFormat) -> Option<PinBlock> {
    let (_, rest) = data.split_at_checked(2)?;
    let (block, rest) = rest.split_at_checked(2 * format.block_bytes())?;
    if rest != code_of(format) {
        return None;
    }
    PinBlock::new(format, &bytes_of(block)?).ok()
}

/// A format's code in host commands.
fn code_of(format: PinFormat) -> &'static [u8; 2] {
    match format {
        PinFormat::Iso0 => b"01",
        PinFormat::Iso3 => b"47",
        PinFormat::Iso4 => b"48",
    }
}

fn refused(command: &str, code: u8) -> HsmError {
    HsmError::Away(match code {
        0 => format!("the payShield's answer to {command} cannot be read"),
        code => format!("the payShield answers {command} with error {code:02}"),
    })
}

fn not_here(what: &'static str) -> HsmError {
    HsmError::NotHere(what)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn bytes_of(digits: &[u8]) -> Option<Vec<u8>> {
    let pairs = digits.chunks(2).map(|pair| {
        let digits = str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|it| it.is_ascii_hexdigit()));
        u8::from_str_radix(digits?, 16).ok()
    });
    if digits.len().is_multiple_of(2) { pairs.collect() } else { None }
}

impl fmt::Debug for PayShield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayShield({:?})", self.settings.addresses)
    }
}
