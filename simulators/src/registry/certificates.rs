//! TLS certificates for loopback: an authority of its own, the registry's certificate, a switch's.

use crate::tls::{Authority, Identity};

/// All that both ends of a TLS connection on 127.0.0.1 need.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority that both ends trust.
    pub ca_pem: String,
    /// The registry, for 127.0.0.1 and localhost.
    pub server: Identity,
    /// A switch, for connections that ask for a client's certificate.
    pub client: Identity,
}

impl Certificates {
    /// Mints an authority and two certificates under it, from the system's entropy.
    ///
    /// # Errors
    /// When the system gives no entropy.
    pub fn mint() -> Result<Certificates, rcgen::Error> {
        let authority = Authority::mint("simulated registry CA")?;
        let server = authority.server("simulated registry", &["127.0.0.1", "localhost"])?;
        let client = authority.client("atm-switch")?;
        Ok(Certificates { ca_pem: authority.ca_pem, server, client })
    }
}
