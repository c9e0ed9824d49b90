//! The citizen card as a bank card: number, PAN, proof, chip authentication. No I/O.

mod active;
mod algorithm;
mod asn1;
mod cache;
mod certificate;
mod challenge;
mod chip;
mod curve;
mod dg1;
mod iso9796;
mod key;
mod names;
mod number;
mod pan;
mod proof;
mod province;
mod revocation;
mod sod;
mod trust;

pub use active::{ActiveError, ChipKey};
pub use algorithm::{Algorithm, Algorithms, Hash, UnknownAlgorithm};
pub use cache::SodCache;
pub use certificate::CertificateError;
pub use challenge::{challenge, seed};
pub use chip::{CheckedChip, ChipContext, ChipRefusal, check_chip};
pub use dg1::{CardDate, DG1_BYTES, Dg1, Dg1Error, check_digit};
pub use names::{Pseudonym, Reference};
pub use number::{Birthplace, CitizenNumber, NumberError, Sex};
pub use pan::{Pan, PanError};
pub use proof::{LINKED_ACCOUNTS_MAX, Linked, Proof, ProofBuilder, ProofError, TEMPLATE_BYTES_MAX, Tag};
pub use province::{PROVINCES, Province};
pub use revocation::{LIST_BYTES_MAX, ListError, ListRule, ListTime, RevocationError, StaleList};
pub use sod::{SOD_BYTES_MAX, SodError, SodPart, VerifiedSod};
pub use trust::TrustStore;
