//! The citizen card as a bank card: number, PAN, proof, chip authentication. No I/O.

mod names;
mod number;
mod pan;

pub use names::{Pseudonym, Reference};
pub use number::{CitizenNumber, NumberError};
pub use pan::{Pan, PanError};
