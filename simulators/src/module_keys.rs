//! The keys of a simulated town in the switch's security module: brought as people and key blocks bring them, written to a
//! sealed file.

use std::io;
use std::path::Path;

use hsm::{Import, KeyCustody, KeyName, KeyRole, Owner, Sealing, SoftwareHsm};
use keys::{
    Attributes, BoundKey, Exportability, KEY_BLOCK_RANDOM_BYTES, KeyAlgorithm, KeyBlockKey, KeyUsage,
    KeyVersion, ModeOfUse,
};
use zeroize::Zeroizing;

/// What the switch's configuration says of the module that [`ModuleKeys::write`] makes.
pub const HSM_SECTION: &str = "\n[hsm]\nkind = \"software\"\nfile = \"hsm.keys\"\nkey_file = \"hsm.key\"\n";

/// Keys on their way into the module. Each owner has one exchange key, made with its first key.
#[derive(Default)]
pub struct ModuleKeys {
    imports: Vec<(KeyName, Import)>,
}

impl ModuleKeys {
    /// Adds a key of an owner, under an exchange key made of `exchange`.
    ///
    /// # Errors
    /// The key, or the exchange key, is none.
    pub fn add(
        &mut self,
        owner: Owner,
        role: KeyRole,
        exchange: &[u8; 32],
        key: &BoundKey,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let transport =
            BoundKey::new(KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes, exchange)?;
        let name = owner.key(KeyRole::Exchange);
        if self.imports.last().is_none_or(|(last, _)| last.owner != owner) {
            let mask = [0x5A; 32];
            let other: Vec<u8> = exchange.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
            let parts = vec![Zeroizing::new(mask.to_vec()), Zeroizing::new(other)];
            self.imports.push((name, Import::Parts { algorithm: KeyAlgorithm::Aes, parts }));
        }
        let attributes = Attributes {
            version: KeyVersion::new(1).ok_or("no version")?,
            exportability: Exportability::NonExportable,
            optional: Vec::new(),
        };
        let random = [0xA5; KEY_BLOCK_RANDOM_BYTES];
        let block = KeyBlockKey::new(&transport)?.wrap(key, &attributes, &random)?;
        self.imports.push((owner.key(role), Import::Block(block.into_bytes())));
        Ok(())
    }

    /// Writes `hsm.keys` and the key that seals it, `hsm.key`, for nobody else to read.
    ///
    /// # Errors
    /// What the system or the module said.
    pub fn write(self, directory: &Path, sealing: &[u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
        let text: String = sealing.iter().map(|byte| format!("{byte:02x}")).collect();
        write_private(&directory.join("hsm.key"), &text)?;
        let module = SoftwareHsm::create(&directory.join("hsm.keys"), Sealing::key_file(text.as_bytes())?)?;
        let taken = module.import_all(&self.imports, 0);
        taken.map_err(|(name, error)| format!("{name:?}: {error}"))?;
        Ok(())
    }
}

/// For nobody else to read.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
