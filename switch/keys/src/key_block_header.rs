//! The header of a key block: 16 characters and optional blocks (X9.143, 6.2 and 6.3).

use std::fmt;

use crate::bound_key::BoundKey;
use crate::cipher::AES_BLOCK;
use crate::key_block::{KEY_BLOCK_CHARACTERS_MAX, KeyBlockError, hex_byte};
use crate::usage::{KeyAlgorithm, KeyUsage, ModeOfUse};

/// The fixed part: version, length, usage, algorithm, mode of use, key version, exportability, optional blocks, context.
const FIXED: usize = 16;
/// An optional block's id and length.
const OPTIONAL_HEAD: usize = 4;
/// The longest content of an optional block whose length stands in two hex digits.
const OPTIONAL_CONTENT_MAX: usize = 0xFF - OPTIONAL_HEAD;
/// X9.143, table 13: SHA-256, the only hash of HMAC keys here.
const HASH_BLOCK: (&[u8; 2], &str) = (b"HM", "21");

/// What a header says beside usage, mode and algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Counts the keys that follow each other; 0: not used.
    pub version: KeyVersion,
    /// Whether the key may leave again.
    pub exportability: Exportability,
    /// Optional blocks, all authentic. The switch reads HM (the hash of an HMAC key) and writes it by itself; padding (PB) is
    /// neither here nor asked for; the others are carried and not looked at.
    pub optional: Vec<OptionalBlock>,
}

/// A key's version number, 0 to 99.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyVersion(u8);

/// Whether a key may leave again in a key block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exportability {
    /// E: under a key of a trusted key block.
    Exportable,
    /// N: not at all.
    NonExportable,
    /// S: also in other ways.
    Sensitive,
}

/// An optional block: an id of two letters or digits, and printable ASCII of at most 251 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionalBlock {
    /// Its id, as KS.
    pub id: [u8; 2],
    /// Its content.
    pub content: String,
}

/// A header that has a form, and is not authentic yet.
pub(crate) struct Header<'b> {
    block: &'b [u8],
    /// Its characters, optional blocks included.
    pub(crate) length: usize,
    optional: Vec<OptionalBlock>,
}

impl Default for Attributes {
    /// No version, exportable, no optional blocks.
    fn default() -> Attributes {
        Attributes {
            version: KeyVersion::UNUSED,
            exportability: Exportability::Exportable,
            optional: Vec::new(),
        }
    }
}

impl KeyVersion {
    /// 00: version numbers are not used.
    pub const UNUSED: KeyVersion = KeyVersion(0);

    /// 99: none is behind it.
    pub const LAST: KeyVersion = KeyVersion(99);

    /// A version; `None` above 99.
    pub fn new(number: u8) -> Option<KeyVersion> {
        (number <= KeyVersion::LAST.0).then_some(KeyVersion(number))
    }

    /// The version behind this one, which is the lowest that may follow it; `None` behind 99.
    pub fn next(self) -> Option<KeyVersion> {
        KeyVersion::new(self.0 + 1)
    }

    /// The number.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

impl Exportability {
    /// The letter in a key block.
    pub fn code(self) -> u8 {
        match self {
            Exportability::Exportable => b'E',
            Exportability::NonExportable => b'N',
            Exportability::Sensitive => b'S',
        }
    }

    /// What a letter says; `None` for one that says nothing.
    pub fn of_code(code: u8) -> Option<Exportability> {
        [Exportability::Exportable, Exportability::NonExportable, Exportability::Sensitive]
            .into_iter()
            .find(|one| one.code() == code)
    }
}

impl<'b> Header<'b> {
    /// The header of a key's block, behind which `rest` characters will stand.
    pub(crate) fn write(
        key: &BoundKey,
        attributes: &Attributes,
        rest: usize,
    ) -> Result<String, KeyBlockError> {
        let (mut optional, mut count) = (String::new(), 0);
        let (hash_id, hash) = HASH_BLOCK;
        if key.algorithm() == KeyAlgorithm::Hmac && !attributes.optional.iter().any(|one| &one.id == hash_id)
        {
            push_optional(&mut optional, *hash_id, hash);
            count += 1;
        }
        for one in &attributes.optional {
            if !is_good(one) {
                return Err(KeyBlockError::Header("an optional block cannot be written"));
            }
            push_optional(&mut optional, one.id, &one.content);
            count += 1;
        }
        if !optional.len().is_multiple_of(AES_BLOCK) {
            let whole = (optional.len() + OPTIONAL_HEAD).next_multiple_of(AES_BLOCK);
            let padding = "0".repeat(whole - optional.len() - OPTIONAL_HEAD);
            push_optional(&mut optional, *b"PB", &padding);
            count += 1;
        }
        let characters = FIXED + optional.len() + rest;
        if characters > KEY_BLOCK_CHARACTERS_MAX {
            return Err(KeyBlockError::TooLong { characters });
        }
        let [usage, second] = key.usage().code().map(char::from);
        let [algorithm, mode, exportability] =
            [key.algorithm().code(), key.mode().code(), attributes.exportability.code()].map(char::from);
        let version = attributes.version;
        Ok(format!(
            "D{characters:04}{usage}{second}{algorithm}{mode}{version}{exportability}{count:02}00{optional}"
        ))
    }

    /// Finds where the header ends. What it says is not believed before the MAC has been checked.
    pub(crate) fn frame(block: &'b [u8]) -> Result<Header<'b>, KeyBlockError> {
        let form = |position, reason| KeyBlockError::Form { position, reason };
        if block.len() < FIXED {
            return Err(form(block.len(), "it ends within its header"));
        }
        if block[0] != b'D' {
            return Err(KeyBlockError::Version);
        }
        let length = number(&block[1..5]).ok_or(form(1, "the length is 4 digits"))?;
        if length != block.len() || length > KEY_BLOCK_CHARACTERS_MAX {
            return Err(form(1, "the length is not the block's, or above 999"));
        }
        let count = number(&block[12..14]).ok_or(form(12, "the number of optional blocks is 2 digits"))?;
        if &block[14..16] != b"00" {
            return Err(form(14, "two zeros have to stand here"));
        }
        let mut header = Header { block, length: FIXED, optional: Vec::new() };
        let mut has_ended = false;
        for _ in 0..count {
            let position = header.length;
            if has_ended {
                return Err(form(position, "an optional block behind the padding"));
            }
            let one = optional_block(&block[position..])
                .ok_or(form(position, "an optional block is an id, a length and printable ASCII"))?;
            header.length += OPTIONAL_HEAD + one.content.len();
            match &one.id {
                b"PB" => has_ended = true,
                _ => header.optional.push(one),
            }
        }
        if !header.length.is_multiple_of(AES_BLOCK) {
            return Err(form(FIXED, "the optional blocks are not filled up to 16 characters"));
        }
        Ok(header)
    }

    /// What an authentic header says.
    pub(crate) fn read(self) -> Result<(KeyUsage, ModeOfUse, KeyAlgorithm, Attributes), KeyBlockError> {
        let header = |reason| KeyBlockError::Header(reason);
        let block = self.block;
        let usage =
            KeyUsage::of_code([block[5], block[6]]).ok_or(header("a usage that the switch has not"))?;
        let algorithm =
            KeyAlgorithm::of_code(block[7]).ok_or(header("an algorithm that the switch has not"))?;
        let mode = ModeOfUse::of_code(block[8]).ok_or(header("a mode of use that the switch has not"))?;
        if block[9] == b'c' {
            return Err(header("it holds a component of a key, not a key"));
        }
        let version = number(&block[9..11]).ok_or(header("a key version that is not two digits"))?;
        let exportability =
            Exportability::of_code(block[11]).ok_or(header("an exportability that is not E, N or S"))?;
        let (hash_id, hash) = HASH_BLOCK;
        if algorithm == KeyAlgorithm::Hmac
            && self.optional.iter().any(|one| &one.id == hash_id && one.content != hash)
        {
            return Err(header("the hash of an HMAC key is not SHA-256"));
        }
        let version = KeyVersion(version as u8);
        Ok((usage, mode, algorithm, Attributes { version, exportability, optional: self.optional }))
    }
}

/// A decimal number; `None` if there is another character than a digit.
fn number(digits: &[u8]) -> Option<usize> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| 10 * number + usize::from(digit - b'0')))
}

/// The first optional block of a text. A length of 00 begins a longer form, for contents above 251 characters, which DE120
/// has no room for but by way of exception: it is not read.
fn optional_block(text: &[u8]) -> Option<OptionalBlock> {
    let (head, rest) = text.split_first_chunk::<OPTIONAL_HEAD>()?;
    let [first, second, length @ ..] = head;
    let content = rest.get(..usize::from(hex_byte(length)?).checked_sub(OPTIONAL_HEAD)?)?;
    let one = OptionalBlock { id: [*first, *second], content: String::from_utf8(content.to_vec()).ok()? };
    (is_good(&one) || &one.id == b"PB").then_some(one)
}

/// Whether it can be written, PB not being one that is asked for.
fn is_good(one: &OptionalBlock) -> bool {
    one.id.iter().all(u8::is_ascii_alphanumeric)
        && &one.id != b"PB"
        && one.content.len() <= OPTIONAL_CONTENT_MAX
        && one.content.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn push_optional(text: &mut String, id: [u8; 2], content: &str) {
    text.extend(id.map(char::from));
    text.push_str(&format!("{:02X}{content}", OPTIONAL_HEAD + content.len()));
}
