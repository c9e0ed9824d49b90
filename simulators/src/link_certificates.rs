//! The certificates of a whole town: a switch, its terminals, its banks, each side signed by an authority of its own.

use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::tls::{Answerer, Authority, Dialler, Identity, TlsError};

/// Where the switch listens: what its certificate names.
const SWITCH: &str = "127.0.0.1";

/// Three authorities.
pub(crate) struct LinkCertificates {
    switch: Authority,
    terminals: Authority,
    banks: Authority,
}

impl LinkCertificates {
    /// Mints the authorities.
    ///
    /// # Errors
    /// When the system gives no entropy.
    pub(crate) fn mint() -> Result<LinkCertificates, rcgen::Error> {
        Ok(LinkCertificates {
            switch: Authority::mint("simulated switch CA")?,
            terminals: Authority::mint("simulated terminals CA")?,
            banks: Authority::mint("simulated banks CA")?,
        })
    }

    /// The switch's own files, as [`TERMINALS_SECTION`] and [`bank_section`] name them.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write_switch(&self, directory: &Path) -> Result<(), Box<dyn Error>> {
        fs::write(directory.join("terminals-ca.pem"), &self.terminals.ca_pem)?;
        fs::write(directory.join("banks-ca.pem"), &self.banks.ca_pem)?;
        write_identity(directory, "switch-listener", &self.switch.server("atm-switch", &[SWITCH])?)?;
        write_identity(directory, "switch", &self.switch.client("atm-switch")?)?;
        Ok(())
    }

    /// For a terminal, or for whoever has connections of several.
    ///
    /// # Errors
    /// [`TlsError`], or no entropy.
    pub(crate) fn terminal(&self, name: &str) -> Result<Dialler, Box<dyn Error>> {
        Ok(Dialler::new(&self.switch.ca_pem, &self.terminals.client(name)?, SWITCH)?)
    }

    /// For a bank in this process.
    ///
    /// # Errors
    /// [`TlsError`], or no entropy.
    pub(crate) fn bank(&self, institution: &str) -> Result<Answerer, Box<dyn Error>> {
        let identity = self.bank_identity(institution)?;
        Answerer::new(&self.switch.ca_pem, &identity).map_err(|error: TlsError| error.into())
    }

    /// For a bank in a process of its own: writes its files and gives the `[tls]` of its configuration.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write_bank(&self, directory: &Path, institution: &str) -> Result<String, Box<dyn Error>> {
        fs::write(directory.join("switch-ca.pem"), &self.switch.ca_pem)?;
        write_identity(directory, institution, &self.bank_identity(institution)?)?;
        Ok(format!(
            "[tls]\nca_file = \"switch-ca.pem\"\ncertificate_file = \"{institution}.pem\"\nkey_file = \
             \"{institution}.key.pem\"\n"
        ))
    }

    fn bank_identity(&self, institution: &str) -> Result<Identity, rcgen::Error> {
        self.banks.server(institution, &[&bank_name(institution)])
    }
}

/// `[terminals.tls]` of the switch's configuration.
pub(crate) const TERMINALS_SECTION: &str = "\n[terminals.tls]\ncertificate_file = \"switch-listener.pem\"\nkey_file = \
     \"switch-listener.key.pem\"\nca_file = \"terminals-ca.pem\"\n";

/// `[issuer.tls]` of a bank.
pub(crate) fn bank_section(institution: &str) -> String {
    format!(
        "[issuer.tls]\ncertificate_file = \"switch.pem\"\nkey_file = \"switch.key.pem\"\nca_file = \"banks-ca.pem\"\nname = \
         \"{}\"\n",
        bank_name(institution)
    )
}

/// A name that no bank has (RFC 2606).
fn bank_name(institution: &str) -> String {
    format!("bank-{institution}.example")
}

fn write_identity(directory: &Path, name: &str, identity: &Identity) -> io::Result<()> {
    use std::io::Write as _;
    fs::write(directory.join(format!("{name}.pem")), &identity.certificate_pem)?;
    let mut options = fs::OpenOptions::new();
    let path = directory.join(format!("{name}.key.pem"));
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(identity.key_pem.as_bytes())
}
