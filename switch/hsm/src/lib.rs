//! The security module (HSM): the one place where exchanged keys are used; a software one whose keys stand in a sealed
//! file, and a payShield that is asked by host commands. docs/security.md#hsm.

mod error;
mod name;
mod owners;
mod payshield;
mod place;
mod sealed;
mod slot;
mod software;

use std::collections::BTreeSet;

use keys::{
    CheckValue, KeyAlgorithm, KeyUsage, KeyVersion, MAC_BYTES, MacAlgorithm, MacKey, MacPurpose, PinBlock,
    PinFormat, PinPan,
};

pub use error::HsmError;
pub use name::{KeyName, KeyRole, OWNER_CHARACTERS_MAX, Owner};
pub use payshield::{
    PAYSHIELD_ANSWER_BYTES_MAX, PAYSHIELD_HEADER_BYTES, PayShield, PayShieldSettings, payshield_keys,
    payshield_pin_block,
};
pub use sealed::{SEALED_FILE_BYTES_MAX, Sealing};
pub use slot::{KEYS_MAX, OLD_KEY_LIFE_S};
pub use software::{Import, KeyKind, SoftwareHsm};

/// What the switch needs of a security module. No answer holds a key or a clear PIN, and no error does. `now_s` is the wall
/// clock, seconds since 1970: it decides whether the key before the newest is still good.
pub trait Hsm: Send + Sync {
    /// Translates a PIN block from a terminal's key to a bank's. The PAN never changes.
    ///
    /// # Errors
    /// [`HsmError::NoKey`], [`HsmError::Pin`], [`HsmError::Dukpt`], [`HsmError::Away`].
    fn translate_pin(&self, ask: &PinTranslation<'_>, now_s: i64) -> Result<PinBlock, HsmError>;

    /// Whether [`Hsm::translate_pin`] is a few microseconds of work that waits for nothing, neither a peer nor a file: then it may be
    /// asked on a thread that must not wait.
    fn translates_at_once(&self) -> bool;

    /// The MAC of a text under the newest key.
    ///
    /// # Errors
    /// [`HsmError::NoKey`], [`HsmError::Key`] of a key for something else, [`HsmError::Away`].
    fn mac(&self, key: &KeyName, algorithm: MacAlgorithm, text: &[u8]) -> Result<[u8; MAC_BYTES], HsmError>;

    /// Checks a MAC under the newest key, and while it is good under the one before.
    ///
    /// # Errors
    /// [`HsmError::Mac`] of a wrong MAC; as [`Hsm::mac`].
    fn verify_mac(
        &self,
        key: &KeyName,
        algorithm: MacAlgorithm,
        text: &[u8],
        mac: &[u8],
        now_s: i64,
    ) -> Result<(), HsmError>;

    /// Makes a new key of random bytes, one version above the one that is there; that one stays good for
    /// [`OLD_KEY_LIFE_S`], which begins for keys that their owners make MACs with at [`Hsm::mac_keys_seen`].
    ///
    /// # Errors
    /// [`HsmError::Key`] of a kind that the role has not, [`HsmError::VersionsUsedUp`], [`HsmError::Full`],
    /// [`HsmError::OfAnotherOwner`], [`HsmError::File`], [`HsmError::Away`].
    fn generate_key(&self, key: KeyName, kind: KeyKind, now_s: i64) -> Result<KeyInfo, HsmError>;

    /// The newest key in a key block under its owner's exchange key.
    ///
    /// # Errors
    /// [`HsmError::NoKey`] of either, [`HsmError::KeyBlock`], [`HsmError::Away`].
    fn wrap_key(&self, key: &KeyName) -> Result<String, HsmError>;

    /// Makes the key behind the one that is there and keeps it beside that one: it reads PIN blocks and verifies MACs, and makes
    /// none before [`Hsm::use_offered_key`]. One of this kind that was offered before is offered again: its answer may
    /// have been lost. It stays until it is used, or a key of its version or above is. Where the exchange key has changed meanwhile
    /// another one is made, and the last one of before stays beside it.
    ///
    /// # Errors
    /// [`HsmError::NoKey`] without an exchange key, [`HsmError::NotHere`] of a role that the module sends none of,
    /// [`HsmError::ExchangeKeyChanged`], and as [`Hsm::generate_key`] and [`Hsm::wrap_key`].
    fn offer_key(&self, name: KeyName, kind: KeyKind, now_s: i64) -> Result<Offer, HsmError>;

    /// Takes the key of this check value that was offered into use: the other end has said that it has it.
    ///
    /// # Errors
    /// [`HsmError::NoKey`]: none like that is offered. [`HsmError::File`], [`HsmError::Away`].
    fn use_offered_key(
        &self,
        name: KeyName,
        check_value: CheckValue,
        now_s: i64,
    ) -> Result<KeyInfo, HsmError>;

    /// Whether it has a part in links' MACs: keys for them are exchanged with it.
    fn has_link_macs(&self) -> bool;

    /// The keys of one direction's MACs, for a link that makes and checks them itself: ready for that, and without their bytes.
    /// Keys of another algorithm are left out, but for the newest.
    ///
    /// # Errors
    /// [`HsmError::Key`] of a newest key for something else, [`HsmError::NotHere`] of a module that has no part in links' MACs,
    /// [`HsmError::Away`].
    fn link_mac_keys(
        &self,
        name: &KeyName,
        algorithm: MacAlgorithm,
        purpose: MacPurpose,
        now_s: i64,
    ) -> Result<LinkMacKeys, HsmError>;

    /// Notes of keys that their owners make MACs with that one under the newest was seen: the day of the key before it begins. What
    /// was noted before, and what is no longer the newest, changes nothing.
    ///
    /// # Errors
    /// [`HsmError::NotHere`] of a module that has no part in links' MACs, [`HsmError::File`], [`HsmError::Away`].
    fn mac_keys_seen(&self, names: &[KeyName], now_s: i64) -> Result<(), HsmError>;

    /// What [`Hsm::unwrap_key`] would take in, by the keys in memory. Nothing is changed, and no file touched.
    ///
    /// # Errors
    /// As [`Hsm::unwrap_key`], but for the file's.
    fn examine_key(&self, key: KeyName, block: &[u8], wanted: Wanted) -> Result<Examined, HsmError>;

    /// Takes a key in from a key block under its owner's exchange key. Its version has to be above the one that is there, unless that
    /// one came under another exchange key; the very key that is there is taken for a repeat, and changes nothing.
    ///
    /// # Errors
    /// [`HsmError::NoKey`] without an exchange key, [`HsmError::KeyBlock`], [`HsmError::OtherAlgorithm`], [`HsmError::Jump`],
    /// [`HsmError::ComesBack`], [`HsmError::ExchangeKeyChanged`], [`HsmError::Key`] of a key whose mode of use forbids what it is here for, and as [`Hsm::generate_key`].
    fn unwrap_key(&self, key: KeyName, block: &[u8], wanted: Wanted, now_s: i64)
    -> Result<KeyInfo, HsmError>;

    /// All keys by name, with check values, and none of their bytes.
    ///
    /// # Errors
    /// [`HsmError::Away`].
    fn keys(&self) -> Result<Vec<KeyInfo>, HsmError>;

    /// Those that were offered and are not in use yet, by name, the newest of a name last. Their `since_s` is when they were made.
    ///
    /// # Errors
    /// [`HsmError::Away`].
    fn offered_keys(&self) -> Result<Vec<KeyInfo>, HsmError>;

    /// Keys that more than one owner has: none comes in any more, and those that came before that was refused are told of. Base
    /// derivation keys, which are sets' of terminals, are none.
    ///
    /// # Errors
    /// [`HsmError::Away`].
    fn shared_keys(&self) -> Result<SharedKeys, HsmError>;

    /// One of them, where it is there.
    ///
    /// # Errors
    /// [`HsmError::Away`].
    fn key(&self, name: &KeyName) -> Result<Option<KeyInfo>, HsmError> {
        Ok(self.keys()?.into_iter().find(|key| key.name == *name))
    }

    /// Takes up what another process has changed. What was there stays where that cannot be read.
    ///
    /// # Errors
    /// [`HsmError::File`], [`HsmError::Away`].
    fn reload(&self) -> Result<(), HsmError>;
}

/// A module whose keys people look after by `atm-switch keys`.
pub trait KeyCustody: Hsm {
    /// Takes many keys in at once: the file is written once, and stays as it was where one of them is refused. A block may
    /// come under an exchange key that stands before it. A payShield also takes a block that is under its LMK already: S, as its
    /// own console shows it.
    ///
    /// # Errors
    /// As [`SoftwareHsm::import_parts`] and [`Hsm::unwrap_key`], with the key that is refused where it was one;
    /// [`HsmError::NotHere`] of parts, which never come to a payShield through the switch.
    fn import_all(
        &self,
        keys: &[(KeyName, Import)],
        now_s: i64,
    ) -> Result<Vec<KeyInfo>, (Option<KeyName>, HsmError)>;
}

/// A PIN block that is to be translated.
#[derive(Clone, Debug)]
pub struct PinTranslation<'a> {
    /// Whose key it came under.
    pub from: Owner,
    /// The key serial number of DE122 where the terminal derives its keys.
    pub ksn: Option<&'a [u8]>,
    /// The block.
    pub block: &'a PinBlock,
    /// The PAN that it is bound to.
    pub pan: &'a PinPan,
    /// Under whose key it shall go on.
    pub to: Owner,
    /// In which format.
    pub format: PinFormat,
}

/// What a key has to be, beside what its name asks for, to be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its algorithm; `None`: any that its role has.
    pub algorithm: Option<KeyAlgorithm>,
    /// How far its version may be above the one that is there, no key counting as 0; under a new exchange key also above 0. Versions end with 99: whoever could jump
    /// to it would leave none behind.
    pub jump_max: u8,
}

impl Wanted {
    /// Whatever its role allows.
    pub const ANY: Wanted = Wanted { algorithm: None, jump_max: u8::MAX };
}

/// A key for the other end.
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its block, under the exchange key that both ends share.
    pub block: String,
    /// Its version.
    pub version: KeyVersion,
    /// Its check value, which the other end's answer has to say.
    pub check_value: CheckValue,
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Offer(version {}, check value {})", self.version, self.check_value)
    }
}

/// The keys of one direction's MACs; none where none was exchanged.
#[derive(Clone, Debug, Default)]
pub struct LinkMacKeys {
    /// The one that makes MACs.
    pub newest: Option<MacKey>,
    /// There was one before it here, of the link's algorithm, that was seen in use.
    pub has_before: bool,
    /// The one before it, while that is good.
    pub before: Option<MacKey>,
    /// Until when the one before is good, wherever it came from: seconds since 1970; `i64::MAX` while none is seen.
    pub before_until_s: i64,
    /// A MAC under the newest was seen, or need not be.
    pub is_seen: bool,
    /// Those that the other end was offered, and may use already.
    pub offered: Vec<MacKey>,
}

/// What a key block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The key's version.
    pub version: KeyVersion,
    /// Its check value.
    pub check_value: CheckValue,
    /// It is the newest key already: a repeat.
    pub is_there: bool,
}

/// Names whose key another owner has too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedKeys {
    /// The names of all who have it.
    pub names: BTreeSet<KeyName>,
    /// By check values alone, which two keys in millions have in common by chance: a payShield shows no more of its keys.
    pub by_check_value: bool,
}

impl SharedKeys {
    /// What is to be told of each, and not of whom.
    pub fn reason(&self) -> &'static str {
        if self.by_check_value {
            "another owner's exchange key has this check value"
        } else {
            "another owner has this key"
        }
    }

    /// What to do about one of them.
    pub fn next(name: KeyName) -> String {
        error::another_key(&name)
    }
}

/// What may be told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name.
    pub name: KeyName,
    /// What it is for.
    pub usage: KeyUsage,
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// Its length.
    pub bytes: usize,
    /// Its version.
    pub version: KeyVersion,
    /// The version of the exchange key under which its own counts; `None` of exchange keys, and of one that came without.
    pub under: Option<KeyVersion>,
    /// Its check value.
    pub check_value: CheckValue,
    /// Since when it is used, seconds since 1970.
    pub since_s: i64,
    /// From when on the day of the key before it counts, seconds since 1970; `None`: its owner makes MACs with it, and none was seen
    /// yet.
    pub proven_s: Option<i64>,
    /// The key before it: version, check value.
    pub before: Option<(KeyVersion, CheckValue)>,
}

impl KeyInfo {
    /// Until when the key before it is good, seconds since 1970; `None`: that is not known yet.
    pub fn before_until_s(&self) -> Option<i64> {
        self.proven_s.map(|proven_s| proven_s.saturating_add(OLD_KEY_LIFE_S))
    }
}
