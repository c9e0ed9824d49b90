//! The box without I/O: one host command in, one answer out. Its keys come with each command, as key blocks (S) under its LMK.

use hmac::{Hmac, KeyInit, Mac};
use keys::clear_pin::{decipher_to_clear_pin, encipher_clear_pin};
use keys::{
    Attributes, BoundKey, Expected, Exportability, KEY_BLOCK_RANDOM_BYTES, KeyAlgorithm, KeyBlockError,
    KeyBlockKey, KeyError, KeyUsage, KeyVersion, MacAlgorithm, MacKey, MacPurpose, ModeOfUse, Padding,
    PinBlock, PinFormat, PinKey, PinPan,
};
use sha2::Sha256;
use thiserror::Error;

/// Characters in front of each command, given back as they came.
const HEADER_BYTES: usize = 4;

/// Error codes of host commands.
const VERIFICATION_FAILED: u8 = 1;
const KEY_PARITY: u8 = 10;
const BAD_INPUT: u8 = 15;
const PIN_BLOCK: u8 = 20;
const BAD_ACCOUNT: u8 = 22;
const BAD_FORMAT: u8 = 23;
const PIN_LENGTH: u8 = 24;
const UNKNOWN_COMMAND: u8 = 68;

/// A box with its LMK.
pub struct Machine {
    lmk: KeyBlockKey,
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
        let mut mac: Hmac<Sha256> =
            Hmac::new_from_slice(&seed.to_be_bytes()).expect("HMAC takes a key of any length");
        mac.update(b"payshield lmk");
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        let lmk = BoundKey::new(KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes, &bytes)?;
        Ok(Machine { lmk: KeyBlockKey::new(&lmk)? })
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
            b"M6" => self.mac(&mut fields),
            b"M8" => self.verify(&mut fields),
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
        // The source block is as long as its format says, which comes behind it: what is behind it is as long for both.
        let source_bytes = if from.algorithm() == KeyAlgorithm::Aes { 16 } else { 8 };
        let block = fields.hex(2 * source_bytes)?;
        let (from_format, to_format) = (fields.format()?, fields.format()?);
        let account = fields.rest();
        let pan = match (from_format, to_format, account.split_last()) {
            (PinFormat::Iso4, ..) | (_, PinFormat::Iso4, _) => match account.split_last() {
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
        let (from, to) = (pin_key(&from)?, pin_key(&to)?);
        let pin = decipher_to_clear_pin(&block, &pan, &from).map_err(|_| PIN_BLOCK)?;
        let length = pin.digits().len();
        if length > longest as usize {
            return Err(PIN_LENGTH);
        }
        let translated = encipher_clear_pin(&pin, &pan, &to, to_format, &[0x5C; 8]);
        let translated = translated.map_err(|_| BAD_FORMAT)?;
        let mut data = format!("{length:02}").into_bytes();
        data.extend_from_slice(hex(translated.bytes()).as_bytes());
        data.extend_from_slice(code_of(to_format));
        Ok(data)
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

    fn key(&self, fields: &mut Fields<'_>, usage: KeyUsage) -> Result<BoundKey, u8> {
        if fields.take(1)? != b"S" {
            return Err(BAD_INPUT);
        }
        let length = fields.0.get(1..5).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        let block = fields.take(length.ok_or(BAD_INPUT)?)?;
        let expected = Expected { usage, version_min: KeyVersion::UNUSED };
        Ok(self.lmk.unwrap(block, expected).map_err(|_| KEY_PARITY)?.key)
    }
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
