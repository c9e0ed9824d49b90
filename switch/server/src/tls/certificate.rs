//! What a certificate says of itself: whom it names, and until when it is good.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{ObjectIdentifier, PrintableStringRef, Utf8StringRef};

/// The attribute `commonName` of a subject (RFC 5280, A.1).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// How long the certificates of a file are good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Validity {
    /// The file.
    pub file: PathBuf,
    /// Whose certificate it is: of several that whose end comes first.
    pub subject: String,
    /// Good to this second, counted from 1970, itself included.
    pub not_after_s: i64,
}

impl Validity {
    /// Of certificates of a file, the one that ends first.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn of(file: &Path, certificates: &[CertificateDer<'_>]) -> Result<Validity, String> {
        let mut first: Option<Validity> = None;
        for (place, der) in (1..).zip(certificates) {
            let read = Certificate::from_der(der).map_err(|_| format!("certificate {place} is not X.509"))?;
            let tbs = read.tbs_certificate();
            let not_after_s = not_after_s(&read);
            if first.as_ref().is_none_or(|first| not_after_s < first.not_after_s) {
                first =
                    Some(Validity { file: file.to_owned(), subject: tbs.subject().to_string(), not_after_s });
            }
        }
        first.ok_or_else(|| "it holds no certificate".to_owned())
    }
}

fn not_after_s(certificate: &Certificate) -> i64 {
    certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs() as i64
}

/// The one common name of a certificate's subject, and until when the certificate is good; `None` where it has none, or
/// several: what speaks for somebody says so once.
pub fn common_name(der: &CertificateDer<'_>) -> Option<(String, i64)> {
    let certificate = Certificate::from_der(der).ok()?;
    let subject = certificate.tbs_certificate().subject();
    let mut names = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    let (name, more) = (names.next()?, names.next());
    if more.is_some() {
        return None;
    }
    let text = |value| {
        let utf8 = Utf8StringRef::try_from(value).map(|text| text.as_str().to_owned());
        utf8.or_else(|_| PrintableStringRef::try_from(value).map(|text| text.as_str().to_owned())).ok()
    };
    Some((text(&name.value)?, not_after_s(&certificate)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair};

    use super::*;

    fn certificate(names: &[DnValue], year: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "HN000009");
        for (place, name) in names.iter().enumerate() {
            let kind = if place == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
            params.distinguished_name.push(kind, name.clone());
        }
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_names_one_or_nobody() {
        let utf8 = DnValue::Utf8String("HN000001".to_owned());
        let printable = DnValue::PrintableString("HN000001".try_into().unwrap());
        for name in [utf8.clone(), printable] {
            let (name, not_after_s) = common_name(&certificate(&[name], 2030)).unwrap();
            assert_eq!((name.as_str(), not_after_s), ("HN000001", 1_893_456_000));
        }
        assert_eq!(common_name(&certificate(&[], 2030)), None);
        assert_eq!(common_name(&certificate(&[utf8.clone(), utf8], 2030)), None, "two names");
        assert_eq!(common_name(&CertificateDer::from(vec![0x30, 0])), None);
    }

    #[test]
    fn of_several_the_first_that_ends_is_told() {
        let all = [2031, 2029, 2030].map(|year| certificate(&[], year));
        let told = Validity::of(Path::new("ca.pem"), &all).unwrap();
        assert_eq!(told.not_after_s, 1_861_920_000);
        assert!(Validity::of(Path::new("ca.pem"), &[]).is_err());
    }
}
