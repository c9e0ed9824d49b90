//! Template E1, the proof in DE112 (docs/interface.md#proof): one BER-TLV data object E1 around tags DFxx. Read
//! strictly, written with DER lengths.

use std::fmt;

use thiserror::Error;

use crate::algorithm::Hash;
use crate::names::Reference;

/// The most bytes of a template: what LLLVAR carries.
pub const TEMPLATE_BYTES_MAX: usize = 999;
/// The most linked accounts in DF52.
pub const LINKED_ACCOUNTS_MAX: usize = 16;

/// The tag around all others.
const WRAPPER: u8 = 0xE1;

/// A tag of the template: the second byte behind DF.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Tag {
    /// DF01, version.
    Version = 0x01,
    /// DF02, methods done at the terminal.
    Methods = 0x02,
    /// DF10, DG1.
    Dg1 = 0x10,
    /// DF11, DG15.
    Dg15 = 0x11,
    /// DF12, SHA-256 of the SOD.
    SodSha256 = 0x12,
    /// DF20, id of the challenge seed.
    SeedId = 0x20,
    /// DF22, active-authentication signature.
    Signature = 0x22,
    /// DF23, its hash.
    SignatureHash = 0x23,
    /// DF24, when the chip was read.
    ReadAt = 0x24,
    /// DF30, verification reference.
    Reference = 0x30,
    /// DF31, biometric result as the terminal was told.
    BiometricHint = 0x31,
    /// DF32, the registry's biometric session.
    BiometricSession = 0x32,
    /// DF50, verdict.
    Verdict = 0x50,
    /// DF51, the reference given out.
    ReferenceGiven = 0x51,
    /// DF52, linked accounts.
    Linked = 0x52,
    /// DF53, "send the SOD".
    SendSod = 0x53,
}

/// Every tag with the lengths that it may have, in bytes.
const TAGS: [(Tag, usize, usize); 16] = [
    (Tag::Version, 1, 1),
    (Tag::Methods, 1, 1),
    (Tag::Dg1, 95, 95),
    (Tag::Dg15, 1, 512),
    (Tag::SodSha256, 32, 32),
    (Tag::SeedId, 8, 8),
    (Tag::Signature, 64, 256),
    (Tag::SignatureHash, 1, 1),
    (Tag::ReadAt, 7, 7),
    (Tag::Reference, 16, 16),
    (Tag::BiometricHint, 2, 2),
    (Tag::BiometricSession, 16, 16),
    (Tag::Verdict, 1, 1),
    (Tag::ReferenceGiven, 16, 16),
    (Tag::Linked, 0, TEMPLATE_BYTES_MAX),
    (Tag::SendSod, 0, 0),
];

/// Why bytes are no template E1. Never holds a value of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// More than 999 bytes.
    #[error("a proof has at most {TEMPLATE_BYTES_MAX} bytes")]
    TooLong,
    /// Not one data object E1 whose length is that of the element.
    #[error("not one data object E1")]
    Wrapper,
    /// A tag that the template does not have.
    #[error("byte {offset}: not a tag of the proof")]
    Tag {
        /// From the start of the template.
        offset: usize,
    },
    /// A tag for the second time.
    #[error("byte {offset}: tag DF{:02X} stands twice", *tag as u8)]
    Twice {
        /// The tag.
        tag: Tag,
        /// From the start of the template.
        offset: usize,
    },
    /// A length that is not written in its shortest form, or runs past the end.
    #[error("byte {offset}: the length is not the shortest form, or runs past the end")]
    Length {
        /// From the start of the template.
        offset: usize,
    },
    /// A value that is too short or too long for its tag.
    #[error("byte {offset}: tag DF{:02X} cannot have {length} bytes", *tag as u8)]
    Size {
        /// The tag.
        tag: Tag,
        /// From the start of the template.
        offset: usize,
        /// Bytes of the value.
        length: usize,
    },
    /// Another version than 1.
    #[error("not version 1 of the proof")]
    Version,
    /// DF52 is not a list of linked accounts.
    #[error("DF52 is not a list of linked accounts")]
    Linked,
}

/// A template that borrows its bytes. `Debug` names its tags and shows no value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proof<'a> {
    values: [Option<&'a [u8]>; 16],
}

/// An account in DF52.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Linked {
    /// The bank's institution code, 1 to 11 digits.
    pub institution: String,
    /// The masked account number, at most 28 printable characters.
    pub alias: String,
    /// Used when the citizen chooses none.
    pub default: bool,
}

impl<'a> Proof<'a> {
    /// Reads DE112. Every length is checked before anything is read by it.
    ///
    /// # Errors
    /// [`ProofError`], the first mistake.
    pub fn parse(template: &'a [u8]) -> Result<Proof<'a>, ProofError> {
        if template.len() > TEMPLATE_BYTES_MAX {
            return Err(ProofError::TooLong);
        }
        let mut proof = Proof { values: [None; 16] };
        let [WRAPPER, behind @ ..] = template else { return Err(ProofError::Wrapper) };
        let (whole, length_bytes) = length(behind).ok_or(ProofError::Wrapper)?;
        if 1 + length_bytes + whole != template.len() {
            return Err(ProofError::Wrapper);
        }
        let mut at = 1 + length_bytes;
        while at < template.len() {
            let offset = at;
            let index = match template[at..] {
                [0xDF, low, ..] => TAGS.iter().position(|(tag, ..)| *tag as u8 == low),
                _ => None,
            };
            let index = index.ok_or(ProofError::Tag { offset })?;
            let (tag, min, max) = TAGS[index];
            if proof.values[index].is_some() {
                return Err(ProofError::Twice { tag, offset });
            }
            let (length, header_bytes) = length(&template[at + 2..]).ok_or(ProofError::Length { offset })?;
            let start = at + 2 + header_bytes;
            if length < min || length > max {
                return Err(ProofError::Size { tag, offset, length });
            }
            at = start + length;
            proof.values[index] = Some(template.get(start..at).ok_or(ProofError::Length { offset })?);
        }
        if proof.get(Tag::Version).is_some_and(|version| version != [1]) {
            return Err(ProofError::Version);
        }
        Ok(proof)
    }

    /// The value of a tag; its length is within the tag's bounds.
    pub fn get(&self, tag: Tag) -> Option<&'a [u8]> {
        TAGS.iter().position(|(it, ..)| *it == tag).and_then(|index| self.values[index])
    }

    /// DF30, the reference of a two-step request.
    pub fn reference(&self) -> Option<Reference> {
        Some(Reference(self.get(Tag::Reference)?.try_into().ok()?))
    }

    /// DF51, the reference that an answer gives out.
    pub fn reference_given(&self) -> Option<Reference> {
        Some(Reference(self.get(Tag::ReferenceGiven)?.try_into().ok()?))
    }

    /// DF20.
    pub fn seed_id(&self) -> Option<[u8; 8]> {
        self.get(Tag::SeedId)?.try_into().ok()
    }

    /// DF12.
    pub fn sod_sha256(&self) -> Option<[u8; 32]> {
        self.get(Tag::SodSha256)?.try_into().ok()
    }

    /// DF32.
    pub fn biometric_session(&self) -> Option<[u8; 16]> {
        self.get(Tag::BiometricSession)?.try_into().ok()
    }

    /// DF02 says that a finger was matched, and no face: a hint for the registry's log alone.
    pub fn says_finger(&self) -> bool {
        self.get(Tag::Methods).is_some_and(|methods| methods[0] & 0b0001_1000 == 0b0001_0000)
    }

    /// DF23; `None` also for a number that means no hash.
    pub fn signature_hash(&self) -> Option<Hash> {
        self.get(Tag::SignatureHash).and_then(|code| Hash::from_code(code[0]))
    }

    /// Whether an answer asks for the SOD.
    pub fn asks_for_sod(&self) -> bool {
        self.get(Tag::SendSod).is_some()
    }

    /// DF52, read.
    ///
    /// # Errors
    /// [`ProofError::Linked`].
    pub fn linked(&self) -> Result<Vec<Linked>, ProofError> {
        let mut rest = self.get(Tag::Linked).unwrap_or_default();
        let mut linked = Vec::new();
        while !rest.is_empty() {
            let (account, behind) = linked_account(rest).ok_or(ProofError::Linked)?;
            if linked.len() == LINKED_ACCOUNTS_MAX {
                return Err(ProofError::Linked);
            }
            linked.push(account);
            rest = behind;
        }
        Ok(linked)
    }
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = TAGS.iter().zip(&self.values).filter(|(_, value)| value.is_some());
        f.debug_list().entries(present.map(|((tag, ..), _)| tag)).finish()
    }
}

/// Writes a template.
#[derive(Default)]
pub struct ProofBuilder(Vec<u8>);

impl ProofBuilder {
    /// An empty template.
    pub fn new() -> ProofBuilder {
        ProofBuilder::default()
    }

    /// Appends a tag. Nothing is checked here: [`Proof::parse`] is the reader's.
    #[must_use]
    pub fn with(mut self, tag: Tag, value: &[u8]) -> ProofBuilder {
        self.0.extend_from_slice(&[0xDF, tag as u8]);
        push_length(&mut self.0, value.len());
        self.0.extend_from_slice(value);
        self
    }

    /// Appends DF52. Accounts beyond [`LINKED_ACCOUNTS_MAX`] are left out.
    #[must_use]
    pub fn with_linked<'a>(
        self,
        accounts: impl IntoIterator<Item = (&'a str, &'a str, bool)>,
    ) -> ProofBuilder {
        let mut value = Vec::new();
        for (institution, alias, default) in accounts.into_iter().take(LINKED_ACCOUNTS_MAX) {
            value.extend_from_slice(&[u8::from(default), institution.len() as u8]);
            value.extend_from_slice(institution.as_bytes());
            value.push(alias.len() as u8);
            value.extend_from_slice(alias.as_bytes());
        }
        self.with(Tag::Linked, &value)
    }

    /// The bytes of DE112.
    pub fn build(self) -> Vec<u8> {
        let mut template = vec![WRAPPER];
        push_length(&mut template, self.0.len());
        template.extend_from_slice(&self.0);
        template
    }
}

fn push_length(bytes: &mut Vec<u8>, length: usize) {
    match length {
        0..=0x7F => bytes.push(length as u8),
        0x80..=0xFF => bytes.extend_from_slice(&[0x81, length as u8]),
        _ => bytes.extend_from_slice(&[0x82, (length >> 8) as u8, length as u8]),
    }
}

/// Length and bytes of the length; `None` unless it is the shortest form.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [length @ 0..=0x7F, ..] => Some((usize::from(length), 1)),
        [0x81, length @ 0x80..=0xFF, ..] => Some((usize::from(length), 2)),
        [0x82, high @ 1..=0xFF, low, ..] => Some((usize::from(high) << 8 | usize::from(low), 3)),
        _ => None,
    }
}

fn linked_account(bytes: &[u8]) -> Option<(Linked, &[u8])> {
    let (&flags, rest) = bytes.split_first()?;
    let (institution, rest) = counted(rest)?;
    let (alias, rest) = counted(rest)?;
    let is_institution = (1..=11).contains(&institution.len()) && institution.iter().all(u8::is_ascii_digit);
    let is_alias = (1..=28).contains(&alias.len()) && alias.iter().all(|byte| (b' '..=b'~').contains(byte));
    if flags > 1 || !is_institution || !is_alias {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((Linked { institution: text(institution), alias: text(alias), default: flags == 1 }, rest))
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn whole() -> Vec<u8> {
        ProofBuilder::new()
            .with(Tag::Version, &[1])
            .with(Tag::Methods, &[0b1011])
            .with(Tag::Dg1, &[b'<'; 95])
            .with(Tag::Dg15, &[7; 200])
            .with(Tag::SodSha256, &[8; 32])
            .with(Tag::SeedId, &[9; 8])
            .with(Tag::Signature, &[10; 64])
            .with(Tag::SignatureHash, &[1])
            .with(Tag::BiometricSession, &[11; 16])
            .build()
    }

    #[test]
    fn a_proof_reads_as_it_was_written() {
        let bytes = whole();
        let proof = Proof::parse(&bytes).unwrap();
        assert_eq!(proof.get(Tag::Dg15), Some([7; 200].as_slice()));
        assert_eq!(proof.seed_id(), Some([9; 8]));
        assert_eq!(proof.signature_hash(), Some(Hash::Sha256));
        assert_eq!(proof.reference(), None);
        assert!(!proof.says_finger());
        assert!(!format!("{proof:?}").contains('8'), "no value is printed: {proof:?}");
    }

    #[test]
    fn linked_accounts() {
        let accounts = [("970418", "**********0001", true), ("970436", "*********0002", false)];
        let bytes = ProofBuilder::new().with_linked(accounts).build();
        let linked = Proof::parse(&bytes).unwrap().linked().unwrap();
        let read: Vec<_> =
            linked.iter().map(|it| (it.institution.as_str(), it.alias.as_str(), it.default)).collect();
        assert_eq!(read, accounts);
        let bad = ProofBuilder::new().with(Tag::Linked, &[0, 6, b'9']).build();
        assert_eq!(Proof::parse(&bad).unwrap().linked(), Err(ProofError::Linked));
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_place() {
        use ProofError as E;
        let cases: [(&[u8], E); 13] = [
            (&[0xE1; 1000], E::TooLong),
            (&[], E::Wrapper),
            (&[0xDF, 0x01, 1, 1], E::Wrapper),
            (&[0xE1, 3, 0xDF, 0x01, 1, 1], E::Wrapper),
            (&[0xE1, 1, 0xDF], E::Tag { offset: 2 }),
            (&[0xE1, 3, 0x9F, 0x01, 0], E::Tag { offset: 2 }),
            (&[0xE1, 3, 0xDF, 0x99, 0], E::Tag { offset: 2 }),
            (&[0xE1, 8, 0xDF, 0x01, 1, 1, 0xDF, 0x01, 1, 1], E::Twice { tag: Tag::Version, offset: 6 }),
            (&[0xE1, 3, 0xDF, 0x01, 1], E::Length { offset: 2 }),
            (&[0xE1, 5, 0xDF, 0x01, 0x81, 1, 1], E::Length { offset: 2 }),
            (&[0xE1, 5, 0xDF, 0x11, 0x82, 0, 0x90], E::Length { offset: 2 }),
            (&[0xE1, 5, 0xDF, 0x01, 2, 1, 1], E::Size { tag: Tag::Version, offset: 2, length: 2 }),
            (&[0xE1, 4, 0xDF, 0x01, 1, 2], E::Version),
        ];
        for (bytes, error) in cases {
            assert_eq!(Proof::parse(bytes), Err(error), "{:02x?}", &bytes[..bytes.len().min(8)]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let _ = Proof::parse(&bytes).map(|proof| proof.linked());
        }

        #[test]
        fn a_cut_proof_is_never_taken_for_a_whole_one(cut in 1usize..440) {
            let bytes = whole();
            let cut = cut.min(bytes.len() - 1);
            let parsed = Proof::parse(&bytes[..cut]).ok();
            prop_assert!(parsed.is_none_or(|proof| proof.get(Tag::BiometricSession).is_none()));
        }
    }
}
