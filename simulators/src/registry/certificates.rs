//! TLS certificates for loopback: an authority of its own, the registry's certificate, a switch's.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate with its key, both in PEM. `Debug` shows neither.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// Its key, PKCS#8.
    pub key_pem: String,
}

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
        let ca_key = KeyPair::generate()?;
        let mut ca = named("simulated registry CA", Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let server = leaf("simulated registry", names, ExtendedKeyUsagePurpose::ServerAuth, &issuer)?;
        let client = leaf("atm-switch", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth, &issuer)?;
        Ok(Certificates { ca_pem, server, client })
    }
}

fn leaf(
    name: &str,
    addresses: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<Identity, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = named(name, addresses)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let certificate_pem = params.signed_by(&key, issuer)?.pem();
    Ok(Identity { certificate_pem, key_pem: key.serialize_pem() })
}

fn named(name: &str, addresses: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(addresses)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}
