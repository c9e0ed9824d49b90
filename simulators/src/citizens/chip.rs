//! A citizen card's chip: DG1, DG15 and the SOD over them, and the key that answers challenges.

use sha2::{Digest, Sha256};

use super::authority::{self, Authority};
use super::citizen::Citizen;
use super::der;
use crate::signing::{PrivateKey, Signing};

const SIGNED_DATA: [u32; 7] = [1, 2, 840, 113_549, 1, 7, 2];
const CONTENT_TYPE: [u32; 7] = [1, 2, 840, 113_549, 1, 9, 3];
const MESSAGE_DIGEST: [u32; 7] = [1, 2, 840, 113_549, 1, 9, 4];
const LDS_SECURITY_OBJECT: [u32; 6] = [2, 23, 136, 1, 1, 1];
const SHA_256: [u32; 9] = [2, 16, 840, 1, 101, 3, 4, 2, 1];

/// What a reader finds on a card.
#[derive(Clone)]
pub struct Chip {
    dg1: Vec<u8>,
    dg15: Vec<u8>,
    sod: Vec<u8>,
    key: PrivateKey,
}

impl std::fmt::Debug for Chip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chip")
    }
}

impl Chip {
    /// The chip of a citizen's card, signed by a document signer.
    pub(super) fn mint(seed: u64, citizen: &Citizen, signer: &Authority, signing: Signing) -> Chip {
        let key = authority::key(seed, "chip", citizen.index, signing);
        let dg1 = dg1(citizen);
        let dg15 = der::element(0x6F, &authority::public_key(&key));
        let sod = security_object(seed, citizen, &dg1, &dg15, signer);
        Chip { dg1, dg15, sod, key }
    }

    /// DG1: the machine-readable zone, 95 bytes.
    pub fn dg1(&self) -> &[u8] {
        &self.dg1
    }

    /// DG15: the chip's public key.
    pub fn dg15(&self) -> &[u8] {
        &self.dg15
    }

    /// EF.SOD, its tag 77 included.
    pub fn sod(&self) -> &[u8] {
        &self.sod
    }

    /// Active authentication: r‖s over the challenge, with SHA-256.
    pub fn sign(&self, challenge: &[u8; 8]) -> [u8; 64] {
        self.key.sign(challenge)
    }
}

impl crate::terminal::Chip for Chip {
    fn dg1(&self) -> &[u8] {
        Chip::dg1(self)
    }

    fn dg15(&self) -> &[u8] {
        Chip::dg15(self)
    }

    fn sod(&self) -> &[u8] {
        Chip::sod(self)
    }

    fn sign(&self, challenge: &[u8; 8]) -> (Vec<u8>, u8) {
        (Chip::sign(self, challenge).to_vec(), 1)
    }
}

/// Tag 61, tag 5F1F, the 90 characters of a TD1 machine-readable zone (ICAO 9303-5).
fn dg1(citizen: &Citizen) -> Vec<u8> {
    let number = String::from_utf8_lossy(citizen.number.digits()).into_owned();
    let (document, birth, expiry) = (&number[3..], &citizen.birth, &citizen.expiry);
    let upper = format!("IDVNM{document}{}{number}<<{}", check_digit(document), check_digit(&number));
    let dates = format!("{birth}{}", check_digit(birth));
    let until = format!("{expiry}{}", check_digit(expiry));
    let composite = check_digit(&format!("{}{dates}{until}<<<<<<<<<<<", &upper[5..]));
    let middle = format!("{dates}{}{until}VNM<<<<<<<<<<<{composite}", citizen.sex);
    let lower = format!("{:<<30}", citizen.name);
    let mrz = format!("{upper}{middle}{lower}");
    let mut dg1 = vec![0x61, 0x5B, 0x5F, 0x1F, 0x5A];
    dg1.extend_from_slice(mrz.as_bytes());
    dg1
}

/// ICAO 9303-3, 4.9: weights 7, 3, 1; letters count from 10; a filler counts 0.
fn check_digit(characters: &str) -> u32 {
    let value = |character: char| if character == '<' { 0 } else { character.to_digit(36).unwrap_or(0) };
    characters.chars().zip([7, 3, 1].into_iter().cycle()).map(|(it, weight)| value(it) * weight).sum::<u32>()
        % 10
}

/// EF.SOD (ICAO 9303-10, 4.6.2): SignedData over the hashes of the data groups. The face (DG2) and DG13 are hashes of
/// nothing: they are never read.
fn security_object(seed: u64, citizen: &Citizen, dg1: &[u8], dg15: &[u8], signer: &Authority) -> Vec<u8> {
    let sha_256 = der::sequence(&[&der::oid(&SHA_256)]);
    let unread = |group: u64| authority::derive(seed, "unread data group", citizen.index << 8 | group);
    let hashes = [(1, sha256(dg1)), (2, unread(2)), (13, unread(13)), (15, sha256(dg15))];
    let hashes = hashes.map(|(group, hash)| der::sequence(&[&der::unsigned(&[group]), &der::octets(&hash)]));
    let content = der::sequence(&[&der::unsigned(&[0]), &sha_256, &der::element(0x30, &hashes.concat())]);
    let attribute =
        |arcs: &[u32], value: Vec<u8>| der::sequence(&[&der::oid(arcs), &der::set_of(vec![value])]);
    let attributes = der::set_of(vec![
        attribute(&CONTENT_TYPE, der::oid(&LDS_SECURITY_OBJECT)),
        attribute(&MESSAGE_DIGEST, der::octets(&sha256(&content))),
    ]);
    let signature = signer.sign(&attributes);
    // Signed as SET OF, carried as [0] (RFC 5652, 5.4).
    let mut carried = attributes;
    carried[0] = 0xA0;
    let signer_info = der::sequence(&[
        &der::unsigned(&[1]),
        &der::sequence(&[&signer.name, &der::unsigned(&signer.serial)]),
        &sha_256,
        &carried,
        &authority::ecdsa_with_sha256(),
        &der::octets(&signature),
    ]);
    let signed_data = der::sequence(&[
        &der::unsigned(&[3]),
        &der::set_of(vec![sha_256.clone()]),
        &der::sequence(&[&der::oid(&LDS_SECURITY_OBJECT), &der::context(0, &der::octets(&content))]),
        &der::context(0, &signer.certificate),
        &der::set_of(vec![signer_info]),
    ]);
    let content_info = der::sequence(&[&der::oid(&SIGNED_DATA), &der::context(0, &signed_data)]);
    der::element(0x77, &content_info)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
