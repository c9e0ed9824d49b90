//! The citizen card as a bank card: number, PAN, proof, chip authentication. No I/O.

mod active;
mod challenge;
mod names;
mod number;
mod pan;
mod proof;

pub use active::{ActiveError, ChipKey};
pub use challenge::{challenge, seed};
pub use names::{Pseudonym, Reference};
pub use number::{CitizenNumber, NumberError};
pub use pan::{Pan, PanError};
pub use proof::{
    LINKED_ACCOUNTS_MAX, Linked, Proof, ProofBuilder, ProofError, SignatureHash, TEMPLATE_BYTES_MAX, Tag,
};
