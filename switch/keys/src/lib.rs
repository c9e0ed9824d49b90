//! Keys of links and data: message authentication, sealing, pseudonyms.

mod data;
mod file;
mod key;
mod link;
mod mac;

pub use data::{DataKeys, OpenError, SEALED_BYTES};
pub use file::{KeyFile, KeyFileError, TerminalKeys};
pub use key::Key;
pub use link::{LinkCodec, LinkError, Received};
pub use mac::{LinkMac, MAC_BYTES, MacError, MacKey};
