//! TLS 1.3 with certificates on both sides: what is made of a link's files, and whom a certificate names
//! (docs/interface.md#tls).

#[cfg(feature = "mutants")]
mod anybody;
mod certificate;
mod expiry;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use mutant::Mutant;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;

use crate::config::SecretPem;

#[cfg(feature = "mutants")]
pub(crate) use anybody::Anybody;
pub use certificate::{Validity, common_name};
pub use expiry::{EXPIRY_WARNING_DAYS, Watched, expires_soon, watch};
pub(crate) use expiry::{now_s, tell};

/// Certificates in one file at most: a chain, or the authorities of one side.
pub const CERTIFICATES_MAX: usize = 64;

/// The three files of a link, as they were read: PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The switch's certificate, and behind it those between it and the authority.
    pub certificate: (PathBuf, Vec<u8>),
    /// Its key, PKCS#8, SEC1 or PKCS#1.
    pub key: SecretPem,
    /// Who may have signed the other side's certificate; nobody else is believed.
    pub authority: (PathBuf, Vec<u8>),
}

/// Which file cannot be used, and why. Never holds a key.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The switch's certificate, or a key that is another's.
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
    /// The key.
    #[error("the key cannot be used: no private key in PEM")]
    Key,
    /// The authority.
    #[error("the authority cannot be used: {0}")]
    Authority(String),
}

/// The switch's end where it is connected to. Cannot be printed.
#[derive(Clone)]
pub struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
    /// How long its certificates are good.
    pub validity: [Validity; 2],
}

/// The switch's end where it connects. Cannot be printed.
#[derive(Clone)]
pub struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    /// What the other side's certificate has to name.
    pub name: ServerName<'static>,
    /// How long its certificates are good.
    pub validity: [Validity; 2],
}

impl ServerTls {
    /// Asks for a certificate of the authority's, and takes no connection without one.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(files: &TlsFiles) -> Result<ServerTls, TlsError> {
        let parts = Parts::read(files)?;
        let authority = |error: &dyn fmt::Display| TlsError::Authority(error.to_string());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(parts.roots), provider());
        let verifier = match mutant::is(Mutant::CertificateNotAsked) {
            false => verifier,
            true => verifier.allow_unauthenticated(),
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider speaks TLS 1.3")
            .with_client_cert_verifier(verifier.build().map_err(|error| authority(&error))?)
            .with_single_cert(parts.chain, parts.key)
            .map_err(|error| TlsError::Certificate(error.to_string()))?;
        // Nobody comes back on the strength of an earlier handshake: each connection proves its certificate to the
        // authority of the day.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(ServerTls { config: Arc::new(config), validity: parts.validity })
    }
}

impl ClientTls {
    /// Shows the switch's certificate and believes one of the authority's that names `name`.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(files: &TlsFiles, name: ServerName<'static>) -> Result<ClientTls, TlsError> {
        let parts = Parts::read(files)?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider speaks TLS 1.3")
            .with_root_certificates(parts.roots)
            .with_client_auth_cert(parts.chain, parts.key)
            .map_err(|error| TlsError::Certificate(error.to_string()))?;
        config.resumption = Resumption::disabled();
        #[cfg(feature = "mutants")]
        if mutant::is(Mutant::BankOfAnybody) {
            config.dangerous().set_certificate_verifier(Arc::new(Anybody(provider())));
        }
        Ok(ClientTls { config: Arc::new(config), name, validity: parts.validity })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTls({:?})", self.validity)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientTls({:?}, {:?})", self.name, self.validity)
    }
}

/// The switch's end where browsers come, who show no certificate.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn server_without_client_certificates(
    certificate: &[u8],
    key: &SecretPem,
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(certificate).map_err(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&key.0).map_err(|_| TlsError::Key)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider speaks TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Certificate(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What the files hold.
struct Parts {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: RootCertStore,
    /// The switch's certificate, and of the authorities the first that ends.
    validity: [Validity; 2],
}

impl Parts {
    fn read(files: &TlsFiles) -> Result<Parts, TlsError> {
        let chain = certificates(&files.certificate.1).map_err(TlsError::Certificate)?;
        let own = Validity::of(&files.certificate.0, &chain[..1]).map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&files.key.0).map_err(|_| TlsError::Key)?;
        let authorities = certificates(&files.authority.1).map_err(TlsError::Authority)?;
        let authority = Validity::of(&files.authority.0, &authorities).map_err(TlsError::Authority)?;
        let mut roots = RootCertStore::empty();
        for certificate in authorities {
            roots.add(certificate).map_err(|error| TlsError::Authority(error.to_string()))?;
        }
        Ok(Parts { chain, key, roots, validity: [own, authority] })
    }
}

/// At least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_slice_iter(pem).take(CERTIFICATES_MAX + 1).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| format!("no PEM: {error}"))?;
    match all.len() {
        0 => Err("it holds no certificate in PEM".to_owned()),
        count if count > CERTIFICATES_MAX => {
            Err(format!("it holds more than {CERTIFICATES_MAX} certificates"))
        }
        _ => Ok(all),
    }
}
