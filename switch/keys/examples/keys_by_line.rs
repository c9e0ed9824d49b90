//! The crate for other people's programs: one JSON object a line in, one out. tests/interop/keys.py asks it.
//!
//! Bytes are hex digits, `algorithm` is that of a key block (T, A, H). What cannot be done is answered with `error`.

use std::io::{BufRead, Write};

use keys::clear_pin::{ClearPin, decipher_to_clear_pin, encipher_clear_pin};
use keys::{
    AesDukptKind, AesKsn, Attributes, BoundKey, DukptPurpose, Expected, Exportability, KeyAlgorithm,
    KeyBlockKey, KeyUsage, KeyVersion, MacAlgorithm, MacKey, MacPurpose, ModeOfUse, OptionalBlock, Padding,
    PinBlock, PinFormat, PinKey, PinPan, TdesKsn, aes_dukpt_key, tdes_dukpt_key, translate_pin,
};
use serde_json::{Map, Value, json};

/// A request longer than this is refused.
const LINE_BYTES_MAX: usize = 64 * 1024;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&line?).unwrap_or_else(|error| json!({ "error": error }));
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<Value, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err("the line is too long".to_owned());
    }
    let fields = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let request = Request(fields);
    match request.text("do")? {
        "encipher" => encipher(&request),
        "decipher" => decipher(&request),
        "translate" => translate(&request),
        "mac" => mac(&request),
        "check_value" => check_value(&request),
        "wrap" => wrap(&request),
        "unwrap" => unwrap(&request),
        "dukpt_aes" => dukpt_aes(&request),
        "dukpt_tdes" => dukpt_tdes(&request),
        other => Err(format!("`{other}` is nothing that can be done")),
    }
}

fn encipher(request: &Request) -> Result<Value, String> {
    let pin = ClearPin::parse(request.text("pin")?.as_bytes()).ok_or("a PIN has 4 to 12 digits")?;
    let random = request.array("random")?;
    let (pan, key, format) = (request.pan()?, request.pin_key("key")?, request.format("format")?);
    let block = encipher_clear_pin(&pin, &pan, &key, format, &random).map_err(told)?;
    Ok(json!({ "block": hex(block.bytes()) }))
}

fn decipher(request: &Request) -> Result<Value, String> {
    let block = PinBlock::new(request.format("format")?, &request.bytes("block")?).map_err(told)?;
    let pin = decipher_to_clear_pin(&block, &request.pan()?, &request.pin_key("key")?).map_err(told)?;
    Ok(json!({ "pin": String::from_utf8_lossy(&pin.digits()) }))
}

fn translate(request: &Request) -> Result<Value, String> {
    let block = PinBlock::new(request.format("format")?, &request.bytes("block")?).map_err(told)?;
    let (from, to) = (request.pin_key("key")?, request.pin_key("to_key")?);
    let (format, random) = (request.format("to_format")?, request.array("random")?);
    let translated = translate_pin(&block, &request.pan()?, &from, &to, format, &random).map_err(told)?;
    Ok(json!({ "block": hex(translated.bytes()) }))
}

fn mac(request: &Request) -> Result<Value, String> {
    let (algorithm, usage, of) = match request.text("mac")? {
        "hmac" => (MacAlgorithm::HmacSha256, KeyUsage::Hmac, KeyAlgorithm::Hmac),
        "cmac" => (MacAlgorithm::AesCmac, KeyUsage::Cmac, KeyAlgorithm::Aes),
        "retail-1" => (MacAlgorithm::Retail(Padding::Zeros), KeyUsage::RetailMac, KeyAlgorithm::Tdes),
        "retail-2" => (MacAlgorithm::Retail(Padding::OneThenZeros), KeyUsage::RetailMac, KeyAlgorithm::Tdes),
        other => return Err(format!("`{other}` is no MAC")),
    };
    let key = BoundKey::new(usage, ModeOfUse::Generate, of, &request.bytes("key")?).map_err(told)?;
    let key = MacKey::bound(&key, algorithm, MacPurpose::Sign).map_err(told)?;
    Ok(json!({ "mac": hex(&key.sign(&request.bytes("text")?)) }))
}

fn check_value(request: &Request) -> Result<Value, String> {
    let algorithm = request.algorithm()?;
    let usage = if algorithm == KeyAlgorithm::Hmac { KeyUsage::Hmac } else { KeyUsage::Data };
    let key = BoundKey::new(usage, ModeOfUse::Any, algorithm, &request.bytes("key")?).map_err(told)?;
    Ok(json!({ "check_value": key.check_value().to_string() }))
}

fn wrap(request: &Request) -> Result<Value, String> {
    let key = BoundKey::new(request.usage()?, request.mode()?, request.algorithm()?, &request.bytes("key")?)
        .map_err(told)?;
    let exportability = request.text("exportability")?;
    let attributes = Attributes {
        version: request.version("version")?,
        exportability: Exportability::of_code(exportability.as_bytes()[0]).ok_or("exportability")?,
        optional: request.optional()?,
    };
    let block = request.protection()?.wrap(&key, &attributes, &request.array("random")?).map_err(told)?;
    Ok(json!({ "block": block }))
}

fn unwrap(request: &Request) -> Result<Value, String> {
    let expected = Expected { usage: request.usage()?, version_min: KeyVersion::UNUSED };
    let unwrapped =
        request.protection()?.unwrap(request.text("block")?.as_bytes(), expected).map_err(told)?;
    let optional: Map<String, Value> = unwrapped
        .attributes
        .optional
        .iter()
        .map(|one| (String::from_utf8_lossy(&one.id).into_owned(), json!(one.content)))
        .collect();
    let letter = |code: u8| char::from(code).to_string();
    Ok(json!({
        "key": hex(unwrapped.key.bytes()),
        "algorithm": letter(unwrapped.key.algorithm().code()),
        "mode": letter(unwrapped.key.mode().code()),
        "version": unwrapped.attributes.version.number(),
        "exportability": letter(unwrapped.attributes.exportability.code()),
        "optional": optional,
    }))
}

fn dukpt_aes(request: &Request) -> Result<Value, String> {
    let base = BoundKey::new(
        KeyUsage::BaseDerivation,
        ModeOfUse::Derive,
        KeyAlgorithm::Aes,
        &request.bytes("base")?,
    )
    .map_err(told)?;
    let bytes = usize::try_from(request.number("bytes")?).map_err(told)?;
    let kind = match request.algorithm()? {
        KeyAlgorithm::Hmac => AesDukptKind::Hmac { bytes },
        KeyAlgorithm::Aes | KeyAlgorithm::Tdes => AesDukptKind::Aes { bytes },
    };
    let ksn = AesKsn::parse(&request.bytes("ksn")?).map_err(told)?;
    let key = aes_dukpt_key(&base, &ksn, request.purpose()?, kind).map_err(told)?;
    Ok(json!({ "key": hex(key.bytes()) }))
}

fn dukpt_tdes(request: &Request) -> Result<Value, String> {
    let base = BoundKey::new(
        KeyUsage::BaseDerivation,
        ModeOfUse::Derive,
        KeyAlgorithm::Tdes,
        &request.bytes("base")?,
    )
    .map_err(told)?;
    let ksn = TdesKsn::parse(&request.bytes("ksn")?).map_err(told)?;
    let key = tdes_dukpt_key(&base, &ksn, request.purpose()?).map_err(told)?;
    Ok(json!({ "key": hex(key.bytes()) }))
}

struct Request(Map<String, Value>);

impl Request {
    fn text(&self, name: &str) -> Result<&str, String> {
        self.0.get(name).and_then(Value::as_str).ok_or_else(|| format!("`{name}` is missing"))
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        self.0.get(name).and_then(Value::as_u64).ok_or_else(|| format!("`{name}` is missing"))
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let text = self.text(name)?;
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2));
        let digits = digits.ok_or_else(|| format!("`{name}` is not hex digits"))?;
        Ok(digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
    }

    fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], String> {
        self.bytes(name)?.try_into().map_err(|_| format!("`{name}` has not {N} bytes"))
    }

    fn pan(&self) -> Result<PinPan, String> {
        PinPan::parse(self.text("pan")?.as_bytes()).map_err(told)
    }

    fn format(&self, name: &str) -> Result<PinFormat, String> {
        let number = u8::try_from(self.number(name)?).map_err(told)?;
        PinFormat::of_number(number).ok_or_else(|| format!("{number} is no format"))
    }

    fn pin_key(&self, name: &str) -> Result<PinKey, String> {
        let format = self.format(if name == "key" { "format" } else { "to_format" })?;
        let algorithm = match format {
            PinFormat::Iso4 => KeyAlgorithm::Aes,
            PinFormat::Iso0 | PinFormat::Iso3 => KeyAlgorithm::Tdes,
        };
        let key = BoundKey::new(KeyUsage::PinEncryption, ModeOfUse::Both, algorithm, &self.bytes(name)?);
        PinKey::new(&key.map_err(told)?).map_err(told)
    }

    fn protection(&self) -> Result<KeyBlockKey, String> {
        let (usage, mode) = (KeyUsage::KeyBlockProtection, ModeOfUse::Both);
        let key = BoundKey::new(usage, mode, KeyAlgorithm::Aes, &self.bytes("protection")?);
        KeyBlockKey::new(&key.map_err(told)?).map_err(told)
    }

    fn usage(&self) -> Result<KeyUsage, String> {
        let code = self.text("usage")?.as_bytes().try_into().map_err(told)?;
        KeyUsage::of_code(code).ok_or_else(|| "no such usage".to_owned())
    }

    fn algorithm(&self) -> Result<KeyAlgorithm, String> {
        let [code] = self.text("algorithm")?.as_bytes().try_into().map_err(told)?;
        KeyAlgorithm::of_code(code).ok_or_else(|| "no such algorithm".to_owned())
    }

    fn mode(&self) -> Result<ModeOfUse, String> {
        let [code] = self.text("mode")?.as_bytes().try_into().map_err(told)?;
        ModeOfUse::of_code(code).ok_or_else(|| "no such mode of use".to_owned())
    }

    fn version(&self, name: &str) -> Result<KeyVersion, String> {
        let number = u8::try_from(self.number(name)?).map_err(told)?;
        KeyVersion::new(number).ok_or_else(|| "a version is 0 to 99".to_owned())
    }

    fn optional(&self) -> Result<Vec<OptionalBlock>, String> {
        let all = self.0.get("optional").and_then(Value::as_object).ok_or("`optional` is missing")?;
        all.iter()
            .map(|(id, content)| {
                let id = id.as_bytes().try_into().map_err(told)?;
                let content = content.as_str().ok_or("a content is text")?.to_owned();
                Ok(OptionalBlock { id, content })
            })
            .collect()
    }

    fn purpose(&self) -> Result<DukptPurpose, String> {
        Ok(match self.text("purpose")? {
            "pin" => DukptPurpose::Pin,
            "mac-from-terminal" => DukptPurpose::MacFromTerminal,
            "mac-to-terminal" => DukptPurpose::MacToTerminal,
            "mac-both-ways" => DukptPurpose::MacBothWays,
            other => return Err(format!("`{other}` is no purpose")),
        })
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
