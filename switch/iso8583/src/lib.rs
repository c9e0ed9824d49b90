//! ISO 8583 messages: elements, dialects, framing. No I/O.

mod bitmap;
mod check;
mod describe;
mod dialect;
mod ebcdic;
mod element;
mod encode;
mod error;
pub mod framing;
mod message;
mod mti;
mod overlay;
mod parse;
mod slot;
mod table;
mod view;

pub use dialect::Dialect;
pub use element::{Element, Encoding, Form, Kind, Length, Sensitivity};
pub use error::{BuildError, BuildErrorKind, DialectError, ParseError, ParseErrorKind};
pub use framing::FRAME_BYTES_MAX;
pub use message::Message;
pub use mti::{Mti, MtiError};
pub use view::View;
