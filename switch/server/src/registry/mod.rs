//! The adapter to the identity registry: docs/interface.md#registry in one folder, so that another contract can take its place.

mod breaker;
mod client;
mod connection;
mod contract;
mod failure;
mod names;

use thiserror::Error;

pub use breaker::{Breaker, BreakerBounds, Leave, Paused, Turn};
pub use client::{Random, RegistryBounds, RegistryClient, Surroundings};
pub use contract::{ActiveProof, Answer, Asked, Contract, Modality, Outcome, Reason, RegistryQuestion};

/// Why no client could be made of a configuration.
#[derive(Debug, Error)]
pub enum RegistryConfigError {
    /// Not `https://host:port`.
    #[error("the registry's url is not https://host:port")]
    Url,
    /// No certificate in PEM, or one that is no authority's.
    #[error("the registry's CA file holds no certificate that can be used")]
    Authority,
    /// Not PKCS#8 in PEM with a P-256 key.
    #[error("the signing key is no P-256 key in PKCS#8 PEM")]
    SigningKey,
    /// Not a P-256 public key in PEM.
    #[error("the registry's key `{0}` is no P-256 public key in PEM")]
    PinnedKey(String),
    /// Certificate and key do not go together.
    #[error("the client certificate or its key cannot be used: {0}")]
    Client(String),
}
