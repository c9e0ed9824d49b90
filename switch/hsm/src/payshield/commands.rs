//! Host commands of a payShield as fields and answers, without I/O. Its manual is read here and nowhere else: what could be read
//! otherwise is said in docs/security.md#payshield-reading, and a box that wants it otherwise is served by a change of this file.

use keys::{
    CheckValue, KEY_BLOCK_CHARACTERS_MAX, KeyAlgorithm, KeyError, KeyUsage, KeyVersion, MAC_BYTES,
    MacAlgorithm, ModeOfUse, Padding, PinBlock, PinFormat, PinPan, TDES_KSN_BYTES,
};

use crate::name::OwnerKind;
use crate::software::KeyKind;

/// The longest PIN that it may find: all that ISO 9564-1 allows.
const PIN_DIGITS_MAX: &str = "12";
/// A key's type, where its block says itself what it is for.
const TYPE_OF_BLOCK: &str = "FFF";
/// SHA-256 among the hashes of HMAC.
const SHA_256: &str = "06";
const SHA_256_BYTES: usize = 32;
/// An HMAC key that stands in a key block.
const HMAC_KEY_IN_BLOCK: &str = "04";
/// Which digits of a key serial number name the key set, a sub-key and the device, in hex digits each.
const KSN_DESCRIPTOR_TDES: &str = "A05";
const KSN_DESCRIPTOR_AES: &str = "808";

/// What is asked for: a command and its fields.
pub(super) struct Asked {
    pub(super) command: &'static str,
    pub(super) fields: Vec<u8>,
}

/// A key as a host keeps it, with its check value where the answer has one.
pub(super) struct Made {
    pub(super) token: String,
    pub(super) check_value: Option<CheckValue>,
}

fn asked(command: &'static str, fields: impl Into<Vec<u8>>) -> Asked {
    Asked { command, fields: fields.into() }
}

/// CA: a PIN block from a TPK to a ZPK.
pub(super) fn translate(from: &str, to: &str, block: &PinBlock, pan: &PinPan, format: PinFormat) -> Asked {
    let fields = format!("{from}{to}{PIN_DIGITS_MAX}");
    asked("CA", pin_fields(fields, block, pan, format))
}

/// G0: the same from a key that a terminal has derived from its BDK, by AES-DUKPT or TDES-DUKPT. CI would derive single DES keys.
pub(super) fn translate_derived(
    base: &str,
    to: &str,
    ksn: &[u8],
    block: &PinBlock,
    pan: &PinPan,
    format: PinFormat,
) -> Asked {
    let descriptor = if ksn.len() == TDES_KSN_BYTES { KSN_DESCRIPTOR_TDES } else { KSN_DESCRIPTOR_AES };
    let fields = format!("{base}{to}{descriptor}{}", hex(ksn));
    asked("G0", pin_fields(fields, block, pan, format))
}

/// The block, both formats, and the account: the 12 rightmost digits without the check digit; where format 4 is on one side,
/// the whole PAN and a delimiter.
fn pin_fields(front: String, block: &PinBlock, pan: &PinPan, format: PinFormat) -> Vec<u8> {
    let formats = [block.format(), format];
    let mut fields = front.into_bytes();
    fields.extend_from_slice(hex(block.bytes()).as_bytes());
    formats.iter().for_each(|format| fields.extend_from_slice(code_of(*format)));
    let digits = pan.digits_for_module();
    if formats.contains(&PinFormat::Iso4) {
        fields.extend_from_slice(&digits);
        fields.push(b';');
    } else {
        fields.extend_from_slice(&digits[digits.len() - 13..digits.len() - 1]);
    }
    fields
}

/// The answer to both: the PIN's length, the block, its format.
pub(super) fn translated(data: &[u8], format: PinFormat) -> Option<PinBlock> {
    let (_, rest) = data.split_at_checked(2)?;
    let (block, rest) = rest.split_at_checked(2 * format.block_bytes())?;
    if rest != code_of(format) {
        return None;
    }
    PinBlock::new(format, &bytes_of(block)?).ok()
}

/// Error codes that find fault with the PIN block: the block, the account, the format, the PIN's length in it.
pub(super) fn is_of_the_block(code: [u8; 2]) -> bool {
    matches!(&code, b"20" | b"22" | b"23" | b"24")
}

/// M6, or LQ for HMAC, of which the whole is asked for and cut here: a box makes no HMAC that is shorter than half of its hash.
pub(super) fn mac(owner: OwnerKind, token: &str, algorithm: MacAlgorithm, text: &[u8]) -> Asked {
    match algorithm_code(algorithm) {
        Some(code) => asked("M6", mac_fields(owner, token, code, text)),
        None => {
            let front = format!("{SHA_256}{SHA_256_BYTES:04}");
            asked("LQ", hmac_fields(front.into_bytes(), token, text))
        }
    }
}

/// The answer: 16 hex digits; of LQ the length and the whole HMAC in binary.
pub(super) fn mac_made(algorithm: MacAlgorithm, data: &[u8]) -> Option<[u8; MAC_BYTES]> {
    if algorithm_code(algorithm).is_some() {
        return bytes_of(data)?.try_into().ok();
    }
    let (length, whole) = data.split_at_checked(4)?;
    let is_whole = length == format!("{SHA_256_BYTES:04}").as_bytes() && whole.len() == SHA_256_BYTES;
    whole.first_chunk().copied().filter(|_| is_whole)
}

/// M8, or LS for HMAC. Where a box is set to refuse HMACs of 8 bytes, that has to be set lower.
pub(super) fn verify_mac(
    owner: OwnerKind,
    token: &str,
    algorithm: MacAlgorithm,
    text: &[u8],
    mac: &[u8; MAC_BYTES],
) -> Asked {
    match algorithm_code(algorithm) {
        Some(code) => {
            let mut fields = mac_fields(owner, token, code, text);
            fields.extend_from_slice(hex(mac).as_bytes());
            asked("M8", fields)
        }
        None => {
            let mut front = format!("{SHA_256}{MAC_BYTES:04}").into_bytes();
            front.extend_from_slice(mac);
            asked("LS", hmac_fields(front, token, text))
        }
    }
}

/// The code that says that a MAC is wrong.
pub(super) fn is_wrong_mac(code: [u8; 2]) -> bool {
    &code == b"01"
}

/// Algorithm and padding; `None` of HMAC, which has commands of its own.
fn algorithm_code(algorithm: MacAlgorithm) -> Option<&'static str> {
    match algorithm {
        MacAlgorithm::Retail(Padding::Zeros) => Some("31"),
        MacAlgorithm::Retail(Padding::OneThenZeros) => Some("32"),
        MacAlgorithm::AesCmac => Some("60"),
        MacAlgorithm::HmacSha256 => None,
    }
}

/// One whole message in binary, a MAC of 16 hex digits.
fn mac_fields(owner: OwnerKind, token: &str, code: &str, text: &[u8]) -> Vec<u8> {
    let key_type = match owner {
        _ if token.starts_with('S') => TYPE_OF_BLOCK,
        OwnerKind::Terminal => "003",
        OwnerKind::Bank => "008",
    };
    let mut fields = format!("001{code}{key_type}{token}{:04X}", text.len()).into_bytes();
    fields.extend_from_slice(text);
    fields
}

fn hmac_fields(mut fields: Vec<u8>, token: &str, text: &[u8]) -> Vec<u8> {
    let key = format!("{HMAC_KEY_IN_BLOCK}{:04}{token};{:05}", token.len(), text.len());
    fields.extend_from_slice(key.as_bytes());
    fields.extend_from_slice(text);
    fields
}

/// A0: a new key, in a block under the LMK that says all of it; it may leave under an exchange key. L0 for HMAC, which A0 has
/// not.
///
/// # Errors
/// [`KeyError::Length`].
pub(super) fn generate(
    kind: KeyKind,
    usage: KeyUsage,
    mode: ModeOfUse,
    version: KeyVersion,
) -> Result<Asked, KeyError> {
    let KeyKind { algorithm, bytes } = kind;
    let code = match (algorithm, bytes) {
        (KeyAlgorithm::Tdes, 16) => "T2",
        (KeyAlgorithm::Tdes, 24) if usage != KeyUsage::RetailMac => "T3",
        (KeyAlgorithm::Aes, 16) => "A1",
        (KeyAlgorithm::Aes, 24) => "A2",
        (KeyAlgorithm::Aes, 32) => "A3",
        (KeyAlgorithm::Hmac, 16..=64) => {
            // Generates and verifies; version, exportability, no optional blocks.
            return Ok(asked("L0", format!("{SHA_256}03{bytes:04}{HMAC_KEY_IN_BLOCK}#{version}E00")));
        }
        _ => return Err(KeyError::Length { algorithm, bytes }),
    };
    let [front, back] = usage.code().map(char::from);
    let mode = char::from(mode.code());
    Ok(asked("A0", format!("0{TYPE_OF_BLOCK}S#{front}{back}{code}{mode}{version}E00")))
}

/// The answer: the key under the LMK, its check value; of L0 the key's length and the key.
pub(super) fn generated(algorithm: KeyAlgorithm, data: &[u8]) -> Option<Made> {
    if algorithm != KeyAlgorithm::Hmac {
        return made(data);
    }
    let (_, token) = data.split_at_checked(4)?;
    let (token, rest) = block_behind(b'S', token)?;
    rest.is_empty().then_some(Made { token, check_value: None })
}

/// A6: a key from a key block under an exchange key (R) to one under the LMK.
pub(super) fn import(exchange: &str, block: &str) -> Asked {
    asked("A6", format!("{TYPE_OF_BLOCK}{exchange}R{block}S"))
}

/// The answer to A6; 01 says that the key's parity was mended.
pub(super) fn imported(code: [u8; 2], data: &[u8]) -> Option<Made> {
    made(data).filter(|_| matches!(&code, b"00" | b"01"))
}

/// A8: a key from under the LMK to a key block (R) of version D under an exchange key, which it may not leave again.
pub(super) fn export(exchange: &str, token: &str) -> Asked {
    asked("A8", format!("{TYPE_OF_BLOCK}{exchange}{token}R&N!D"))
}

/// The answer: the key block, its check value.
pub(super) fn exported(data: &[u8]) -> Option<String> {
    let (block, rest) = block_behind(b'R', data)?;
    check_value_of(rest).map(|_| block[1..].to_owned())
}

/// What asks for a key's check value: BU; of an HMAC key its HMAC over 16 zero bytes, for which no standard says one.
pub(super) fn check_value(algorithm: KeyAlgorithm, token: &str) -> Asked {
    match algorithm {
        KeyAlgorithm::Hmac => mac(OwnerKind::Bank, token, MacAlgorithm::HmacSha256, &[0; 16]),
        KeyAlgorithm::Tdes | KeyAlgorithm::Aes => asked("BU", format!("FFF{token};{TYPE_OF_BLOCK};001")),
    }
}

/// The answer to it.
pub(super) fn check_value_told(algorithm: KeyAlgorithm, data: &[u8]) -> Option<CheckValue> {
    match algorithm {
        KeyAlgorithm::Hmac => {
            let mac = mac_made(MacAlgorithm::HmacSha256, data)?;
            CheckValue::of_hex(&hex(&mac[..3]))
        }
        KeyAlgorithm::Tdes | KeyAlgorithm::Aes => check_value_of(data),
    }
}

/// Error codes that say how the box itself stands, and nothing of what it was asked: no keys in it, its LMK, not authorised, its
/// chip, not licensed, not there or not allowed.
pub(super) fn is_of_the_box(code: [u8; 2]) -> bool {
    matches!(&code, b"12" | b"13" | b"17" | b"41" | b"47" | b"67" | b"68" | b"69")
}

/// A key under the LMK, and its check value behind it.
fn made(data: &[u8]) -> Option<Made> {
    let (token, rest) = block_behind(b'S', data)?;
    Some(Made { token, check_value: Some(check_value_of(rest)?) })
}

fn check_value_of(digits: &[u8]) -> Option<CheckValue> {
    CheckValue::of_hex(str::from_utf8(digits).ok()?)
}

/// A scheme's letter and the key block behind it, whose length stands in it; and the rest.
fn block_behind(scheme: u8, data: &[u8]) -> Option<(String, &[u8])> {
    let length: usize = str::from_utf8(data.get(2..6)?).ok()?.parse().ok()?;
    let (block, rest) = data.split_at_checked(1 + length)?;
    let is_block = block[0] == scheme && length <= KEY_BLOCK_CHARACTERS_MAX;
    let text = str::from_utf8(block).ok().filter(|_| block.iter().all(u8::is_ascii_graphic))?;
    is_block.then(|| (text.to_owned(), rest))
}

/// A format's code in host commands.
fn code_of(format: PinFormat) -> &'static [u8; 2] {
    match format {
        PinFormat::Iso0 => b"01",
        PinFormat::Iso3 => b"47",
        PinFormat::Iso4 => b"48",
    }
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
