//! Why the security module does not do what it is asked.

use keys::{DukptError, KeyAlgorithm, KeyBlockError, KeyError, KeyVersion, PinError};
use thiserror::Error;

use crate::name::{KeyName, KeyRole, Owner};

/// Why there is no answer. Never holds a key, a PIN or a right MAC.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HsmError {
    /// No key of this name is there.
    #[error("there is no key {0}")]
    NoKey(KeyName),
    /// A key of this name is there already.
    #[error("there is a key {0} already: rotate it")]
    Exists(KeyName),
    /// The PIN block cannot be translated.
    #[error("{0}")]
    Pin(#[from] PinError),
    /// The key that the block is to go on under makes none of the format that is asked for: another key has to come, the
    /// block that came may be as good as any.
    #[error("{name} does not serve: {reason}")]
    Unfit {
        /// The key.
        name: KeyName,
        /// Why.
        reason: PinError,
    },
    /// The key serial number, or the key that it derives from.
    #[error("{0}")]
    Dukpt(#[from] DukptError),
    /// A wrong MAC.
    #[error("the MAC is wrong")]
    Mac,
    /// The key block is refused or not made.
    #[error("{0}")]
    KeyBlock(#[from] KeyBlockError),
    /// The key does not serve, or its bytes are no key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The key is not above the one that is there.
    #[error("{name} has version {version}: a new one has to be above it")]
    Rollback {
        /// The key.
        name: KeyName,
        /// The version that is there.
        version: KeyVersion,
    },
    /// The key is of another algorithm than its owner's blocks or MACs.
    #[error("{name} has to be a key for {wanted:?}")]
    OtherAlgorithm {
        /// The key.
        name: KeyName,
        /// What it has to be.
        wanted: KeyAlgorithm,
    },
    /// The version is so far above the one that is there that few would be left behind it.
    #[error("{name}: version {version} is more than {jump_max} above the one that is there")]
    Jump {
        /// The key.
        name: KeyName,
        /// The version that came.
        version: KeyVersion,
        /// How far above it may be.
        jump_max: u8,
    },
    /// Messages of this owner carry no MACs, so that it has no key for them.
    #[error("messages of {0} carry no MACs")]
    NoLinkMac(Owner),
    /// Two parts of a key are the same: the key would be nothing, or one person's part alone.
    #[error("two parts are the same; each person brings another one")]
    PartsAlike,
    /// Version 99 has none behind it.
    #[error("{}", used_up(.0))]
    VersionsUsedUp(KeyName),
    /// An exchange key that was there before, or a key that was there under the exchange key before.
    #[error("{0}: this very key was there before; no key comes back")]
    ComesBack(KeyName),
    /// Another owner has this key, or had this exchange key.
    #[error("{}", of_another_owner(.0))]
    OfAnotherOwner(KeyName),
    /// The file has a newer exchange key than the one that is in use, and keys that count under it.
    #[error(
        "{0}: its owner's exchange key has changed in the file and is not in use yet: SIGHUP takes it up"
    )]
    ExchangeKeyChanged(KeyName),
    /// [`KEYS_MAX`](crate::KEYS_MAX) keys are there.
    #[error("the module is full: {} keys", crate::KEYS_MAX)]
    Full,
    /// The file of sealed keys.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// What this kind of module has not.
    #[error("not with this security module: {0}")]
    NotHere(&'static str),
    /// A payShield finds fault with a key or a key block.
    #[error("the payShield refuses {command} with error {code}")]
    Refused {
        /// The host command.
        command: &'static str,
        /// Its error code.
        code: String,
    },
    /// The module cannot be asked.
    #[error("the security module is away: {0}")]
    Away(String),
}

fn of_another_owner(name: &KeyName) -> String {
    format!("{name}: another owner has this key: {}", another_key(name))
}

/// What to do next where an owner has another's key.
pub(crate) fn another_key(name: &KeyName) -> String {
    match name.role {
        KeyRole::Exchange => format!("have another one made, and bring that: keys import {name}"),
        _ => format!("keys generate {name} makes another one, or keys rotate where there is one"),
    }
}

/// Exchange keys count by themselves; the others have a new one to begin anew under.
fn used_up(name: &KeyName) -> String {
    match name.role {
        KeyRole::Exchange => format!("{name} has version 99, the last one"),
        _ => format!(
            "{name} has version 99, the last one under its exchange key: bring a new {}.exchange, under which versions begin anew",
            name.owner
        ),
    }
}
