//! The box without I/O: one host command in, one answer out. Its keys come with each command, as key blocks (S) under its LMK;
//! keys that it makes come from its seed.

use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use keys::clear_pin::{decipher_to_clear_pin, encipher_clear_pin};
use keys::{
    AES_KSN_BYTES, AesDukptKind, AesKsn, Attributes, BoundKey, DukptPurpose, Expected, Exportability,
    KEY_BLOCK_RANDOM_BYTES, KeyAlgorithm, KeyBlockError, KeyBlockKey, KeyError, KeyUsage, KeyVersion,
    MacAlgorithm, MacKey, MacPurpose, ModeOfUse, Padding, PinBlock, PinFormat, PinKey, PinPan,
    TDES_KSN_BYTES, TdesKsn, Unwrapped, aes_dukpt_key, tdes_dukpt_key,
};
use sha2::Sha256;
use thiserror::Error;

/// Characters in front of each command, given back as they came.
const HEADER_BYTES: usize = 4;

/// Error codes of host commands.
const VERIFICATION_FAILED: u8 = 1;
const HMAC_LENGTH: u8 = 4;
const HASH: u8 = 5;
const KEY_FORMAT: u8 = 7;
const KEY_PARITY: u8 = 10;
const SECOND_KEY_PARITY: u8 = 11;
const BAD_INPUT: u8 = 15;
const PIN_BLOCK: u8 = 20;
const BAD_ACCOUNT: u8 = 22;
const BAD_FORMAT: u8 = 23;
const PIN_LENGTH: u8 = 24;
const NOT_EXPORTABLE: u8 = 29;
const UNKNOWN_COMMAND: u8 = 68;

const PIN_DIGITS_MAX: usize = 12;
const SHA_256: &[u8] = b"06";
const SHA_256_BYTES: usize = 32;
const HMAC_KEY_IN_BLOCK: &[u8] = b"04";
/// The shortest HMAC that it is set to verify.
const HMAC_VERIFIED_BYTES_MIN: usize = 8;

/// A box with its LMK.
pub struct Machine {
    lmk: KeyBlockKey,
    seed: u64,
    /// How often it has drawn random bytes.
    drawn: AtomicU64,
}

/// Why a key is not put under the LMK.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// Its block.
    #[error("{0}")]
    Block(#[from] KeyBlockError),
    /// The version.
    #[error("a key has version 1 to 99")]
    Version,
}

impl Machine {
    /// The box whose LMK comes from a seed.
    ///
    /// # Errors
    /// [`KeyError`]: none in practice, for 32 bytes are always an AES key.
    pub fn new(seed: u64) -> Result<Machine, KeyError> {
        let bytes = seeded(seed, b"payshield lmk");
        let lmk = BoundKey::new(KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes, &bytes)?;
        Ok(Machine { lmk: KeyBlockKey::new(&lmk)?, seed, drawn: AtomicU64::new(0) })
    }

    /// A key as a host keeps it: S and a key block under the LMK.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn token(&self, key: &BoundKey) -> Result<String, TokenError> {
        let version = KeyVersion::new(1).ok_or(TokenError::Version)?;
        let exportability = Exportability::NonExportable;
        let attributes = Attributes { version, exportability, optional: Vec::new() };
        let block = self.lmk.wrap(key, &attributes, &[0x3C; KEY_BLOCK_RANDOM_BYTES])?;
        Ok(format!("S{block}"))
    }

    /// The answer to a command, both without their length.
    pub fn answer(&self, command: &[u8]) -> Vec<u8> {
        let Some((header, rest)) = command.split_at_checked(HEADER_BYTES) else { return Vec::new() };
        let Some((code, fields)) = rest.split_at_checked(2) else { return Vec::new() };
        let mut fields = Fields(fields);
        let done = match code {
            b"B2" => echo(&mut fields),
            b"CA" => self.translate(&mut fields),
            b"G0" => self.translate_derived(&mut fields),
            b"M6" => self.mac(&mut fields),
            b"M8" => self.verify(&mut fields),
            b"LQ" => self.hmac(&mut fields),
            b"LS" => self.verify_hmac(&mut fields),
            b"A0" => self.generate(&mut fields),
            b"L0" => self.generate_hmac(&mut fields),
            b"A6" => self.import(&mut fields),
            b"A8" => self.export(&mut fields),
            b"BU" => self.check_value(&mut fields),
            _ => Err(UNKNOWN_COMMAND),
        };
        let (error, data) = match done {
            Ok(data) => (0, data),
            Err(error) => (error, Vec::new()),
        };
        let mut answer = header.to_vec();
        answer.extend_from_slice(&[code[0], code[1].wrapping_add(1)]);
        answer.extend_from_slice(format!("{error:02}").as_bytes());
        answer.extend_from_slice(&data);
        answer
    }

    /// CA: a PIN from TPK to ZPK.
    fn translate(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        let from = self.key(fields, KeyUsage::PinEncryption)?;
        let to = self.key(fields, KeyUsage::PinEncryption)?;
        let longest = fields.number(2)?;
        if !(4..=12).contains(&longest) {
            return Err(BAD_INPUT);
        }
        translate_block(&from, &to, longest as usize, fields)
    }

    /// G0: the same from the key of one transaction that a terminal has derived. The descriptor says how many of the key serial
    /// number's hex digits name key set, sub-key and device; the counter stands behind them.
    fn translate_derived(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        let base = self.key(fields, KeyUsage::BaseDerivation)?;
        let to = self.key(fields, KeyUsage::PinEncryption)?;
        let descriptor = fields.take(3)?;
        let named: u32 = descriptor.iter().filter_map(|digit| char::from(*digit).to_digit(16)).sum();
        let (counter, ksn_bytes) = match base.algorithm() {
            KeyAlgorithm::Aes => (8, AES_KSN_BYTES),
            KeyAlgorithm::Tdes | KeyAlgorithm::Hmac => (5, TDES_KSN_BYTES),
        };
        if (named + counter) as usize != 2 * ksn_bytes {
            return Err(BAD_INPUT);
        }
        let ksn = fields.hex(2 * ksn_bytes)?;
        let derived = match base.algorithm() {
            KeyAlgorithm::Aes => AesKsn::parse(&ksn).and_then(|ksn| {
                let kind = AesDukptKind::Aes { bytes: base.bytes().len() };
                aes_dukpt_key(&base, &ksn, DukptPurpose::Pin, kind)
            }),
            KeyAlgorithm::Tdes | KeyAlgorithm::Hmac => {
                TdesKsn::parse(&ksn).and_then(|ksn| tdes_dukpt_key(&base, &ksn, DukptPurpose::Pin))
            }
        };
        translate_block(&derived.map_err(|_| BAD_INPUT)?, &to, PIN_DIGITS_MAX, fields)
    }

    fn mac(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        let (key, text) = self.mac_fields(fields, MacPurpose::Sign)?;
        Ok(hex(&key.sign(text)).into_bytes())
    }

    fn verify(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        let (key, text) = self.mac_fields(fields, MacPurpose::Verify)?;
        let mac = fields.hex(16)?;
        if key.verify(text, &mac) { Ok(Vec::new()) } else { Err(VERIFICATION_FAILED) }
    }

    /// One whole message in binary, a MAC of 16 hex digits; the key's type is what its block says.
    fn mac_fields<'f>(&self, fields: &mut Fields<'f>, purpose: MacPurpose) -> Result<(MacKey, &'f [u8]), u8> {
        if fields.take(3)? != b"001" {
            return Err(BAD_INPUT);
        }
        let (algorithm, usage) = match fields.take(2)? {
            b"31" => (MacAlgorithm::Retail(Padding::Zeros), KeyUsage::RetailMac),
            b"32" => (MacAlgorithm::Retail(Padding::OneThenZeros), KeyUsage::RetailMac),
            b"60" => (MacAlgorithm::AesCmac, KeyUsage::Cmac),
            _ => return Err(BAD_INPUT),
        };
        if fields.take(3)? != b"FFF" {
            return Err(BAD_INPUT);
        }
        let key = self.key(fields, usage)?;
        let length = fields.hex(4)?;
        let text = fields.take(usize::from(length[0]) << 8 | usize::from(length[1]))?;
        let key = MacKey::bound(&key, algorithm, purpose).map_err(|_| KEY_PARITY)?;
        Ok((key, text))
    }

    /// LQ: the length that is asked for, and the HMAC's first so many bytes.
    fn hmac(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        if fields.take(2)? != SHA_256 {
            return Err(HASH);
        }
        let length = fields.number(4)? as usize;
        if !(SHA_256_BYTES / 2..=SHA_256_BYTES).contains(&length) {
            return Err(HMAC_LENGTH);
        }
        let (key, text) = self.hmac_fields(fields)?;
        let whole = hmac_sha256(&key, text);
        Ok([format!("{length:04}").as_bytes(), &whole[..length]].concat())
    }

    /// LS: as short as the box is set to take.
    fn verify_hmac(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        if fields.take(2)? != SHA_256 {
            return Err(HASH);
        }
        let length = fields.number(4)? as usize;
        if !(HMAC_VERIFIED_BYTES_MIN..=SHA_256_BYTES).contains(&length) {
            return Err(HMAC_LENGTH);
        }
        let mac = fields.take(length)?;
        let (key, text) = self.hmac_fields(fields)?;
        if hmac_sha256(&key, text)[..length] == *mac { Ok(Vec::new()) } else { Err(VERIFICATION_FAILED) }
    }

    /// The key in its block, and the text behind its length.
    fn hmac_fields<'f>(&self, fields: &mut Fields<'f>) -> Result<(BoundKey, &'f [u8]), u8> {
        if fields.take(2)? != HMAC_KEY_IN_BLOCK {
            return Err(KEY_FORMAT);
        }
        let length = fields.number(4)? as usize;
        let mut token = Fields(fields.take(length)?);
        let key = self.key(&mut token, KeyUsage::Hmac)?;
        if !token.0.is_empty() || fields.take(1)? != b";" {
            return Err(BAD_INPUT);
        }
        let length = fields.number(5)? as usize;
        Ok((key, fields.take(length)?))
    }

    /// A0: a new key under the LMK, of what the fields behind `#` say.
    fn generate(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        if fields.take(6)? != b"0FFFS#" {
            return Err(BAD_INPUT);
        }
        let usage = fields.take(2)?.try_into().ok().and_then(KeyUsage::of_code).ok_or(BAD_INPUT)?;
        let (algorithm, bytes) = match fields.take(2)? {
            b"T2" => (KeyAlgorithm::Tdes, 16),
            b"T3" => (KeyAlgorithm::Tdes, 24),
            b"A1" => (KeyAlgorithm::Aes, 16),
            b"A2" => (KeyAlgorithm::Aes, 24),
            b"A3" => (KeyAlgorithm::Aes, 32),
            _ => return Err(BAD_INPUT),
        };
        let mode = ModeOfUse::of_code(fields.take(1)?[0]).ok_or(BAD_INPUT)?;
        let attributes = fields.attributes()?;
        let key = BoundKey::from_random(usage, mode, algorithm, &self.draw()[..bytes]);
        let key = key.map_err(|_| BAD_INPUT)?;
        let token = self.token_with(&key, &attributes)?;
        Ok(format!("{token}{}", check_value(&key)).into_bytes())
    }

    /// L0: a new key of HMAC-SHA-256 that generates and verifies.
    fn generate_hmac(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        if fields.take(2)? != SHA_256 {
            return Err(HASH);
        }
        if fields.take(2)? != b"03" {
            return Err(BAD_INPUT);
        }
        let bytes = fields.number(4)? as usize;
        if fields.take(2)? != HMAC_KEY_IN_BLOCK || fields.take(1)? != b"#" {
            return Err(KEY_FORMAT);
        }
        let attributes = fields.attributes()?;
        let drawn = [self.draw(), self.draw()].concat();
        let random = drawn.get(..bytes).ok_or(HMAC_LENGTH)?;
        let mode = ModeOfUse::GenerateAndVerify;
        let key = BoundKey::from_random(KeyUsage::Hmac, mode, KeyAlgorithm::Hmac, random);
        let token = self.token_with(&key.map_err(|_| HMAC_LENGTH)?, &attributes)?;
        Ok(format!("{:04}{token}", token.len()).into_bytes())
    }

    /// A6: a key from a key block under a ZMK or TMK to one under the LMK.
    fn import(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        let exchange = self.exchange_key(fields)?;
        if fields.take(1)? != b"R" {
            return Err(BAD_INPUT);
        }
        let block = fields.block()?;
        // What it is for, its own header says: the key says whether that is authentic.
        let usage =
            block.get(5..7).and_then(|code| KeyUsage::of_code([code[0], code[1]])).ok_or(BAD_INPUT)?;
        let expected = Expected { usage, version_min: KeyVersion::UNUSED };
        let unwrapped = exchange.unwrap(block, expected).map_err(|_| SECOND_KEY_PARITY)?;
        if fields.rest() != b"S" {
            return Err(BAD_INPUT);
        }
        let attributes = Attributes { optional: Vec::new(), ..unwrapped.attributes };
        let token = self.token_with(&unwrapped.key, &attributes)?;
        Ok(format!("{token}{}", check_value(&unwrapped.key)).into_bytes())
    }

    /// A8: the other way, with another exportability where one is named behind `&`.
    fn export(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        let exchange = self.exchange_key(fields)?;
        let Unwrapped { key, attributes } = self.unwrapped(fields)?;
        if attributes.exportability == Exportability::NonExportable {
            return Err(NOT_EXPORTABLE);
        }
        let exportability = match fields.rest() {
            b"R&N!D" => Exportability::NonExportable,
            b"R&E!D" | b"R!D" => attributes.exportability,
            _ => return Err(BAD_INPUT),
        };
        let attributes = Attributes { exportability, ..attributes };
        let block = exchange.wrap(&key, &attributes, &self.draw()).map_err(|_| SECOND_KEY_PARITY)?;
        Ok(format!("R{block}{}", check_value(&key)).into_bytes())
    }

    /// BU: 6 hex digits.
    fn check_value(&self, fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
        if fields.take(3)? != b"FFF" {
            return Err(BAD_INPUT);
        }
        let key = self.unwrapped(fields)?.key;
        if fields.rest() == b";FFF;001" { Ok(check_value(&key).into_bytes()) } else { Err(BAD_INPUT) }
    }

    fn exchange_key(&self, fields: &mut Fields<'_>) -> Result<KeyBlockKey, u8> {
        if fields.take(3)? != b"FFF" {
            return Err(BAD_INPUT);
        }
        KeyBlockKey::new(&self.unwrapped(fields)?.key).map_err(|_| KEY_PARITY)
    }

    fn key(&self, fields: &mut Fields<'_>, usage: KeyUsage) -> Result<BoundKey, u8> {
        let key = self.unwrapped(fields)?.key;
        if key.usage() == usage { Ok(key) } else { Err(KEY_PARITY) }
    }

    /// A key under the LMK, whatever it is for.
    fn unwrapped(&self, fields: &mut Fields<'_>) -> Result<Unwrapped, u8> {
        if fields.take(1)? != b"S" {
            return Err(BAD_INPUT);
        }
        let block = fields.block()?;
        let usage =
            block.get(5..7).and_then(|code| KeyUsage::of_code([code[0], code[1]])).ok_or(BAD_INPUT)?;
        let expected = Expected { usage, version_min: KeyVersion::UNUSED };
        self.lmk.unwrap(block, expected).map_err(|_| KEY_PARITY)
    }

    fn token_with(&self, key: &BoundKey, attributes: &Attributes) -> Result<String, u8> {
        let block = self.lmk.wrap(key, attributes, &self.draw()).map_err(|_| BAD_INPUT)?;
        Ok(format!("S{block}"))
    }

    /// The next random bytes: the same in each run of a seed.
    fn draw(&self) -> [u8; KEY_BLOCK_RANDOM_BYTES] {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        seeded(self.seed, &[&b"payshield random"[..], &number.to_be_bytes()].concat())
    }
}

/// What CA and G0 share: the block, both formats, the account.
fn translate_block(
    from: &BoundKey,
    to: &BoundKey,
    digits_max: usize,
    fields: &mut Fields<'_>,
) -> Result<Vec<u8>, u8> {
    // The source block is as long as its format says, which comes behind it: what is behind it is as long for both.
    let source_bytes = if from.algorithm() == KeyAlgorithm::Aes { 16 } else { 8 };
    let block = fields.hex(2 * source_bytes)?;
    let (from_format, to_format) = (fields.format()?, fields.format()?);
    let account = fields.rest();
    let pan = match (from_format, to_format) {
        (PinFormat::Iso4, _) | (_, PinFormat::Iso4) => match account.split_last() {
            Some((b';', digits)) => PinPan::parse(digits),
            _ => return Err(BAD_ACCOUNT),
        },
        // Of formats 0 and 3 only the 12 digits are a part: any digit stands for the check digit.
        _ if account.len() == 12 => PinPan::parse(&[account, b"0"].concat()),
        _ => return Err(BAD_ACCOUNT),
    };
    let pan = pan.map_err(|_| BAD_ACCOUNT)?;
    let block = PinBlock::new(from_format, &block).map_err(|_| BAD_FORMAT)?;
    let pin_key = |key| PinKey::new(key).map_err(|_| KEY_PARITY);
    let (from, to) = (pin_key(from)?, pin_key(to)?);
    let pin = decipher_to_clear_pin(&block, &pan, &from).map_err(|_| PIN_BLOCK)?;
    let length = pin.digits().len();
    if length > digits_max {
        return Err(PIN_LENGTH);
    }
    let translated = encipher_clear_pin(&pin, &pan, &to, to_format, &[0x5C; 8]);
    let translated = translated.map_err(|_| BAD_FORMAT)?;
    let mut data = format!("{length:02}").into_bytes();
    data.extend_from_slice(hex(translated.bytes()).as_bytes());
    data.extend_from_slice(code_of(to_format));
    Ok(data)
}

/// The first 6 hex digits, which is what a box shows of every key.
fn check_value(key: &BoundKey) -> String {
    let mut digits = key.check_value().to_string();
    digits.truncate(6);
    digits
}

fn hmac_sha256(key: &BoundKey, text: &[u8]) -> [u8; SHA_256_BYTES] {
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(key.bytes()).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn seeded(seed: u64, role: &[u8]) -> [u8; 32] {
    let mut mac: Hmac<Sha256> =
        Hmac::new_from_slice(&seed.to_be_bytes()).expect("HMAC takes a key of any length");
    mac.update(role);
    mac.finalize().into_bytes().into()
}

fn echo(fields: &mut Fields<'_>) -> Result<Vec<u8>, u8> {
    let length = fields.hex(4)?;
    Ok(fields.take(usize::from(length[0]) << 8 | usize::from(length[1]))?.to_vec())
}

/// What is left of a command.
struct Fields<'f>(&'f [u8]);

impl<'f> Fields<'f> {
    fn take(&mut self, count: usize) -> Result<&'f [u8], u8> {
        let (front, rest) = self.0.split_at_checked(count).ok_or(BAD_INPUT)?;
        self.0 = rest;
        Ok(front)
    }

    fn rest(&mut self) -> &'f [u8] {
        std::mem::take(&mut self.0)
    }

    fn number(&mut self, digits: usize) -> Result<u32, u8> {
        let text =
            str::from_utf8(self.take(digits)?).ok().filter(|it| it.bytes().all(|it| it.is_ascii_digit()));
        text.and_then(|text| text.parse().ok()).ok_or(BAD_INPUT)
    }

    fn hex(&mut self, digits: usize) -> Result<Vec<u8>, u8> {
        let text = str::from_utf8(self.take(digits)?).ok();
        let text = text.filter(|text| text.bytes().all(|it| it.is_ascii_hexdigit())).ok_or(BAD_INPUT)?;
        let pairs = (0..digits).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
        pairs.collect::<Result<_, _>>().map_err(|_| BAD_INPUT)
    }

    /// A key block, as long as it says.
    fn block(&mut self) -> Result<&'f [u8], u8> {
        let length = self.0.get(1..5).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        self.take(length.ok_or(BAD_INPUT)?)
    }

    /// Version, exportability, and no optional blocks: the last fields.
    fn attributes(&mut self) -> Result<Attributes, u8> {
        let version = self.number(2)?;
        let version = u8::try_from(version).ok().and_then(KeyVersion::new).ok_or(BAD_INPUT)?;
        let exportability = Exportability::of_code(self.take(1)?[0]).ok_or(BAD_INPUT)?;
        if self.rest() != b"00" {
            return Err(BAD_INPUT);
        }
        Ok(Attributes { version, exportability, optional: Vec::new() })
    }

    fn format(&mut self) -> Result<PinFormat, u8> {
        match self.take(2)? {
            b"01" => Ok(PinFormat::Iso0),
            b"47" => Ok(PinFormat::Iso3),
            b"48" => Ok(PinFormat::Iso4),
            _ => Err(BAD_FORMAT),
        }
    }
}

fn code_of(format: PinFormat) -> &'static [u8] {
    match format {
        PinFormat::Iso0 => b"01",
        PinFormat::Iso3 => b"47",
        PinFormat::Iso4 => b"48",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
