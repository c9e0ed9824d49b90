//! TLS 1.3 on the links of simulated terminals and banks, and authorities of their own that mint the certificates.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde::Deserialize;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// A certificate with its key, both in PEM. `Debug` shows neither.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// Its key, PKCS#8.
    pub key_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// An authority that mints certificates, from the system's entropy.
pub struct Authority {
    /// What those who believe it have.
    pub ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one of this name.
    ///
    /// # Errors
    /// When the system gives no entropy.
    pub fn mint(name: &str) -> Result<Authority, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = named(name, Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = params.self_signed(&key)?.pem();
        Ok(Authority { ca_pem, issuer: Issuer::new(params, key) })
    }

    /// A certificate for who is connected to, at these names and addresses.
    ///
    /// # Errors
    /// When the system gives no entropy.
    pub fn server(&self, name: &str, addresses: &[&str]) -> Result<Identity, rcgen::Error> {
        self.leaf(name, addresses, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for who connects; its common name says who that is.
    ///
    /// # Errors
    /// When the system gives no entropy.
    pub fn client(&self, name: &str) -> Result<Identity, rcgen::Error> {
        self.leaf(name, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A certificate for who is connected to, from the day and until the day that these say.
    ///
    /// # Errors
    /// When the system gives no entropy.
    pub fn server_of(&self, params: CertificateParams) -> Result<Identity, rcgen::Error> {
        self.signed(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn leaf(
        &self,
        name: &str,
        addresses: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity, rcgen::Error> {
        self.signed(named(name, addresses.iter().map(ToString::to_string).collect())?, usage)
    }

    fn signed(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity, rcgen::Error> {
        let key = KeyPair::generate()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate_pem, key_pem: key.serialize_pem() })
    }
}

fn named(name: &str, addresses: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(addresses)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No PEM.
    #[error("{0}")]
    Pem(#[from] pem::Error),
    /// Certificate, key and authority do not go together.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// No authority.
    #[error("{0}")]
    Verifier(#[from] VerifierBuilderError),
    /// What the other side has to be called.
    #[error("`{0}` is no DNS name and no address")]
    Name(String),
}

/// The files of `[tls]` in the configuration of a simulated part.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// Who signed the other side's certificate.
    pub ca_file: String,
    /// The own certificate.
    pub certificate_file: String,
    /// Its key.
    pub key_file: String,
    /// Of who connects alone: what the other side's certificate has to name; the address where it is left out.
    pub name: Option<String>,
}

impl TlsSection {
    /// The authority's PEM, and the own identity. Relative paths start at `directory`.
    ///
    /// # Errors
    /// [`TlsError::Io`].
    pub fn read(&self, directory: &Path) -> Result<(String, Identity), TlsError> {
        let read = |file: &str| {
            let path = directory.join(file);
            let named = |error| io::Error::other(format!("{}: {error}", path.display()));
            std::fs::read_to_string(&path).map_err(named)
        };
        let identity =
            Identity { certificate_pem: read(&self.certificate_file)?, key_pem: read(&self.key_file)? };
        Ok((read(&self.ca_file)?, identity))
    }
}

/// Who connects: shows a certificate, and believes one of an authority.
#[derive(Clone, Debug)]
pub struct Dialler {
    /// As the handshake has it.
    pub config: Arc<ClientConfig>,
    /// What the other side's certificate has to name.
    pub name: ServerName<'static>,
}

impl Dialler {
    /// Of these files and this name.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(ca_pem: &str, own: &Identity, name: &str) -> Result<Dialler, TlsError> {
        let (chain, key) = parts(own)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots(ca_pem)?)
            .with_client_auth_cert(chain, key)?;
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))?;
        Ok(Dialler { config: Arc::new(config), name })
    }

    /// Shakes hands on a connection.
    ///
    /// # Errors
    /// The socket's, or that the other side is not who it has to be.
    pub async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        Ok(connector.connect(self.name.clone(), stream).await?.into())
    }
}

/// Who is connected to: asks for a certificate of an authority.
#[derive(Clone)]
pub struct Answerer(TlsAcceptor);

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answerer")
    }
}

impl Answerer {
    /// Of these files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(ca_pem: &str, own: &Identity) -> Result<Answerer, TlsError> {
        let (chain, key) = parts(own)?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca_pem)?), provider()).build()?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        Ok(Answerer(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands on a connection.
    ///
    /// # Errors
    /// The socket's, or that the other side shows no certificate of the authority.
    pub async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        Ok(self.0.accept(stream).await?.into())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn parts(own: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), pem::Error> {
    let chain = CertificateDer::pem_slice_iter(own.certificate_pem.as_bytes()).collect::<Result<_, _>>()?;
    Ok((chain, PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes())?))
}

fn roots(ca_pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    Ok(roots)
}
