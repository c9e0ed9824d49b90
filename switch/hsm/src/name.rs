//! Names of keys: whose key, for what.

use std::fmt;
use std::str::FromStr;

use keys::{KeyUsage, ModeOfUse};

/// The longest id of an owner: an institution's.
pub const OWNER_CHARACTERS_MAX: usize = 11;

/// Whose key it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    kind: OwnerKind,
    id: [u8; OWNER_CHARACTERS_MAX],
    length: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum OwnerKind {
    Terminal,
    Bank,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRole {
    /// The others travel under it: TMK, ZMK (K1, K0).
    Exchange,
    /// PIN blocks: TPK, ZPK (P0).
    Pin,
    /// MACs of what the owner sends: TAK, ZAK (M7, M6, M3).
    MacToSwitch,
    /// MACs of what the switch sends.
    MacFromSwitch,
    /// Keys of one transaction are derived from it: BDK or initial key (B0, B1).
    Derivation,
}

/// A key's name: `terminal.HN000001.pin`, `bank.970418.exchange`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    /// Whose it is.
    pub owner: Owner,
    /// What it is for.
    pub role: KeyRole,
}

impl Owner {
    /// A terminal by its DE41: 8 characters.
    pub fn terminal(id: &[u8; 8]) -> Owner {
        Owner::new(OwnerKind::Terminal, id).expect("8 characters are no more than 11")
    }

    /// A bank by its institution, 1 to 11 digits; `None` for anything else.
    pub fn bank(id: &[u8]) -> Option<Owner> {
        Owner::new(OwnerKind::Bank, id).filter(|_| id.iter().all(u8::is_ascii_digit))
    }

    /// Its DE41, where it is a terminal.
    pub fn terminal_id(self) -> Option<[u8; 8]> {
        if self.kind == OwnerKind::Terminal { self.id.first_chunk().copied() } else { None }
    }

    /// Its digits, where it is a bank.
    pub fn bank_id(&self) -> Option<&str> {
        let digits = &self.id[..usize::from(self.length)];
        if self.kind == OwnerKind::Bank { str::from_utf8(digits).ok() } else { None }
    }

    pub(crate) fn kind(self) -> OwnerKind {
        self.kind
    }

    /// The key of one of its roles.
    pub fn key(self, role: KeyRole) -> KeyName {
        KeyName { owner: self, role }
    }

    fn new(kind: OwnerKind, id: &[u8]) -> Option<Owner> {
        let mut owner = Owner { kind, id: [0; OWNER_CHARACTERS_MAX], length: id.len() as u8 };
        owner.id.get_mut(..id.len()).filter(|own| !own.is_empty())?.copy_from_slice(id);
        Some(owner)
    }
}

impl KeyRole {
    /// All roles, as names and files order them.
    pub const ALL: [KeyRole; 5] =
        [KeyRole::Exchange, KeyRole::Pin, KeyRole::MacToSwitch, KeyRole::MacFromSwitch, KeyRole::Derivation];

    /// As it stands in a key's name.
    pub fn name(self) -> &'static str {
        match self {
            KeyRole::Exchange => "exchange",
            KeyRole::Pin => "pin",
            KeyRole::MacToSwitch => "mac-to-switch",
            KeyRole::MacFromSwitch => "mac-from-switch",
            KeyRole::Derivation => "derivation",
        }
    }

    /// What the key of a block that a terminal or bank sends says that it is for: PINs, or MACs of one direction, by its mode of
    /// use at this end. Nothing of it is believed before the block is opened. `None` for any other.
    pub fn brought(block: &[u8]) -> Option<KeyRole> {
        let usage = KeyUsage::of_code(*block.get(5..)?.first_chunk()?)?;
        let mode = ModeOfUse::of_code(*block.get(8)?)?;
        match (usage, mode) {
            (KeyUsage::PinEncryption, _) => Some(KeyRole::Pin),
            (KeyUsage::Hmac | KeyUsage::Cmac | KeyUsage::RetailMac, ModeOfUse::Verify) => {
                Some(KeyRole::MacToSwitch)
            }
            (KeyUsage::Hmac | KeyUsage::Cmac | KeyUsage::RetailMac, ModeOfUse::Generate) => {
                Some(KeyRole::MacFromSwitch)
            }
            (_, _) => None,
        }
    }

    /// The usages that a key of this role may have; the first is that of new ones.
    pub fn usages(self) -> &'static [KeyUsage] {
        match self {
            KeyRole::Exchange => &[KeyUsage::KeyBlockProtection, KeyUsage::KeyEncryption],
            KeyRole::Pin => &[KeyUsage::PinEncryption],
            KeyRole::MacToSwitch | KeyRole::MacFromSwitch => {
                &[KeyUsage::Hmac, KeyUsage::Cmac, KeyUsage::RetailMac]
            }
            KeyRole::Derivation => &[KeyUsage::BaseDerivation, KeyUsage::DukptInitial],
        }
    }
}

impl FromStr for KeyName {
    type Err = String;

    fn from_str(text: &str) -> Result<KeyName, String> {
        let form =
            || format!("`{text}` is no key's name; write it as terminal.HN000001.pin or bank.970418.pin");
        let (kind, rest) = text.split_once('.').ok_or_else(form)?;
        let (id, role) = rest.rsplit_once('.').ok_or_else(form)?;
        let owner = match kind {
            "terminal" => {
                let id: &[u8; 8] = id.as_bytes().try_into().map_err(|_| form())?;
                id.iter().all(u8::is_ascii_graphic).then(|| Owner::terminal(id))
            }
            "bank" => Owner::bank(id.as_bytes()),
            _ => None,
        };
        let owner = owner.ok_or_else(form)?;
        let known = || KeyRole::ALL.map(KeyRole::name).join(", ");
        let role = KeyRole::ALL.into_iter().find(|known| known.name() == role);
        let role = role.ok_or_else(|| format!("{}; known are {}", form(), known()))?;
        Ok(owner.key(role))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            OwnerKind::Terminal => "terminal",
            OwnerKind::Bank => "bank",
        };
        write!(f, "{kind}.{}", String::from_utf8_lossy(&self.id[..usize::from(self.length)]))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.owner, self.role.name())
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
