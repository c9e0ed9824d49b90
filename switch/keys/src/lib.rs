//! Keys of links and data: PIN blocks and their translation, key blocks, keys derived for one transaction, MACs,
//! key check values, sealing, pseudonyms. No I/O and no chance: what has to be random is handed in.

mod bound_key;
mod check_value;
mod cipher;
pub mod clear_pin;
mod data;
#[cfg(all(test, feature = "mutants"))]
mod defences;
mod dukpt_aes;
mod dukpt_tdes;
mod file;
mod head_key;
mod key;
mod key_block;
mod key_block_header;
mod link;
mod mac;
mod pin_block;
mod pin_field;
mod retail_mac;
mod usage;

pub use bound_key::{BoundKey, KEY_BYTES_MAX, KeyError};
pub use check_value::{CHECK_VALUE_BYTES_MIN, CheckValue};
pub use data::{DataKeys, GENERATION_MAX, OpenError, PAN_DIGITS, SEAL_TAG_BYTES, SEALED_PAN_BYTES};
pub use dukpt_aes::{
    AES_COUNTER_BITS_MAX, AES_KSN_BYTES, AesDukptKind, AesKsn, DukptError, DukptPurpose,
    INITIAL_KEY_ID_BYTES, aes_dukpt_initial_key, aes_dukpt_key,
};
pub use dukpt_tdes::{
    TDES_COUNTER_BITS_MAX, TDES_KSN_BYTES, TdesKsn, tdes_dukpt_initial_key, tdes_dukpt_key,
};
pub use file::{KeyFile, KeyFileError, TerminalKeys};
pub use head_key::{HEAD_SIGNATURE_BYTES, HeadKey, HeadPublicKey};
pub use key::Key;
pub use key_block::{
    Expected, KEY_BLOCK_CHARACTERS_MAX, KEY_BLOCK_RANDOM_BYTES, KeyBlockError, KeyBlockKey, Unwrapped,
};
pub use key_block_header::{Attributes, Exportability, KeyVersion, OptionalBlock};
pub use link::{LinkCodec, LinkError, Received};
pub use mac::{LinkMac, MAC_BYTES, MacAlgorithm, MacError, MacKey, MacPurpose};
pub use pin_block::{
    PIN_DIGITS_MAX, PIN_DIGITS_MIN, PinBlock, PinError, PinFormat, PinKey, PinPan, RANDOM_BYTES,
    translate_pin,
};
pub use retail_mac::Padding;
pub use usage::{KeyAlgorithm, KeyUsage, ModeOfUse};
