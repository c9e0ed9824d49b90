//! Synthetic citizens, their cards and the authorities that sign them, any number from one seed.

mod authority;
mod chip;
mod citizen;
mod der;
mod export;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credential::CitizenNumber;
use sha2::{Digest, Sha256};

use crate::registry;
use crate::signing::Signing;
use authority::{Authority, DOCUMENT_SIGNERS};

pub use chip::Chip;
pub use citizen::{CITIZENS_MAX, Citizen};
pub use export::{Arguments, card};

/// A population and its signers. Nothing is kept of a citizen: all is derived from seed and index when it is asked for.
pub struct Country {
    seed: u64,
    csca: Authority,
    signers: Vec<Authority>,
    signing: Signing,
}

impl Country {
    /// The population of a seed. The same seed gives the same bytes: all signatures are by RFC 6979.
    pub fn new(seed: u64) -> Country {
        Country::signing(seed, Signing::Repeatable)
    }

    /// The same population with the same keys, minted and signing in a third of the time: no card has the same bytes in a
    /// second run, nor when it is asked for again.
    pub(crate) fn quick(seed: u64) -> Country {
        Country::signing(seed, Signing::Quick)
    }

    fn signing(seed: u64, signing: Signing) -> Country {
        let csca = Authority::csca(seed, signing);
        let signer = |number| Authority::document_signer(seed, number, &csca, signing);
        let signers = (0..DOCUMENT_SIGNERS).map(signer).collect();
        Country { seed, csca, signers, signing }
    }

    /// The certificate of the country signing CA, DER: what a switch has to trust.
    pub fn csca_der(&self) -> &[u8] {
        &self.csca.certificate
    }

    /// The same as PEM.
    pub fn csca_pem(&self) -> String {
        pem(&self.csca.certificate)
    }

    /// The revocation list of the country signing CA, DER: the document signers of these citizens' cards, made at a second
    /// that is written as `YYMMDDHHMMSSZ`.
    pub fn revocation_list(&self, citizens: &[u64], made_at: &[u8; 13]) -> Vec<u8> {
        let serial = |index: &u64| self.signers[(index % DOCUMENT_SIGNERS) as usize].serial.as_slice();
        let serials: Vec<&[u8]> = citizens.iter().map(serial).collect();
        self.csca.revocation_list(&serials, made_at)
    }

    /// A citizen.
    ///
    /// # Panics
    /// From [`CITIZENS_MAX`] on.
    pub fn citizen(&self, index: u64) -> Citizen {
        Citizen::of(self.seed, index)
    }

    /// The index of a citizen number; `None` when nobody has it.
    pub fn index_of(&self, number: &CitizenNumber) -> Option<u64> {
        Citizen::index_of(self.seed, number)
    }

    /// The index of the `rank`-th citizen (from 0) of a province, by its code: 1 is Hà Nội, 22 Quảng Ninh. `None` when
    /// the code is no province's, or it has not so many.
    pub fn index_in(&self, province_code: u16, rank: u64) -> Option<u64> {
        citizen::index_in(province_code, rank)
    }

    /// The chip on a citizen's card.
    pub fn chip(&self, index: u64) -> Chip {
        let signer = &self.signers[(index % DOCUMENT_SIGNERS) as usize];
        Chip::mint(self.seed, &self.citizen(index), signer, self.signing)
    }
}

impl registry::Population for Country {
    fn card_of(&self, number: &CitizenNumber) -> Option<registry::SeenCard> {
        let index = self.index_of(number)?;
        let (citizen, chip) = (self.citizen(index), self.chip(index));
        Some(registry::SeenCard {
            document_number: String::from_utf8_lossy(&number.digits()[3..]).into_owned(),
            expiry: citizen.expiry,
            sod_sha256: Sha256::digest(chip.sod()).into(),
            dg15: chip.dg15().to_vec(),
        })
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use super::*;

    #[test]
    fn a_seed_is_a_population() {
        let [one, again, other] = [1, 1, 2].map(Country::new);
        assert_eq!(one.chip(5).sod(), again.chip(5).sod());
        assert_eq!(one.chip(5).sign(&[1; 8]), again.chip(5).sign(&[1; 8]));
        assert_ne!(one.chip(5).sod(), other.chip(5).sod());
        let quick = Country::quick(1);
        assert_eq!((one.chip(5).dg1(), one.chip(5).dg15()), (quick.chip(5).dg1(), quick.chip(5).dg15()));
        assert_ne!(quick.chip(5).sod(), quick.chip(5).sod());
        assert_ne!(one.chip(5).dg15(), one.chip(6).dg15());
        let dg1 = String::from_utf8(one.chip(5).dg1()[5..].to_vec()).unwrap();
        assert_eq!(dg1.len(), 90);
        assert_eq!(&dg1.as_bytes()[15..27], one.citizen(5).number.digits());
        assert!(one.chip(5).sod().len() <= 2_997);
    }

    /// openssl reads the list, finds the signature right and the signer in it.
    #[test]
    fn openssl_accepts_the_revocation_list() {
        let country = Country::new(7);
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        std::fs::write(file("csca.pem"), country.csca_pem()).unwrap();
        for (citizens, revoked) in [(vec![4], 1), (Vec::new(), 0)] {
            std::fs::write(file("list.crl"), country.revocation_list(&citizens, b"260101000000Z")).unwrap();
            let output = Command::new("openssl")
                .args(["crl", "-inform", "DER", "-noout", "-text", "-in"])
                .arg(file("list.crl"))
                .arg("-CAfile")
                .arg(file("csca.pem"))
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
            assert!(said[1].contains("verify OK"), "{said:?}");
            assert_eq!(said[0].matches("Serial Number:").count(), revoked, "{}", said[0]);
        }
    }

    /// openssl follows the chain from the SOD over its signer to the CSCA, and gives the content back.
    #[test]
    fn openssl_accepts_what_we_sign() {
        let country = Country::new(7);
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        std::fs::write(file("csca.pem"), country.csca_pem()).unwrap();
        for index in 0..DOCUMENT_SIGNERS {
            let sod = country.chip(index).sod().to_vec();
            // openssl reads CMS, not the application tag that an EF has around it.
            assert_eq!(sod[..2], [0x77, 0x82]);
            std::fs::write(file("sod.der"), &sod[4..]).unwrap();
            let output = Command::new("openssl")
                .args(["cms", "-verify", "-inform", "DER", "-purpose", "any", "-binary", "-in"])
                .arg(file("sod.der"))
                .arg("-CAfile")
                .arg(file("csca.pem"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            let hash = Sha256::digest(country.chip(index).dg1());
            assert!(output.stdout.windows(32).any(|window| window == hash.as_slice()));
        }
    }
}
