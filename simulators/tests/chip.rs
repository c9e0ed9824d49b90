//! Synthetic cards held against the switch's own check of a chip, and the attacks that it has to see through.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use credential::{
    ActiveError, Algorithms, CheckedChip, ChipContext, ChipRefusal, Dg1, ListRule, Pan, ProofBuilder,
    RevocationError, SodError, StaleList, Tag, TrustStore, VerifiedSod, challenge, check_chip, seed,
};
use iso8583::{Message, Mti};
use sha2::{Digest, Sha256};
use simulators::citizens::{Chip, Country};

/// 2027-01-15.
const NOW_S: i64 = 1_800_000_000;
const CHALLENGE_KEY: [u8; 32] = [7; 32];
const SEED_ID: [u8; 8] = *b"sign-on1";

/// A card at a terminal, and what stands in DE112 of its request.
struct Card {
    pan: Pan,
    dg1: Vec<u8>,
    dg15: Vec<u8>,
    sod: Vec<u8>,
    /// Who answers the challenge.
    chip: Chip,
}

fn card(country: &Country, index: u64) -> Card {
    let chip = country.chip(index);
    Card {
        pan: Pan::new(*b"970499", &country.citizen(index).number),
        dg1: chip.dg1().to_vec(),
        dg15: chip.dg15().to_vec(),
        sod: chip.sod().to_vec(),
        chip,
    }
}

fn trust(country: &Country) -> TrustStore {
    TrustStore::new([country.csca_der()], Algorithms::all()).unwrap()
}

impl Card {
    /// A withdrawal with the whole proof; the SOD in DE113 on.
    fn request(&self) -> Message {
        let mut message = Message::new(Mti::new(200));
        message.set(2, self.pan.digits()).set_number(4, 2_000_000, 12).set_text(7, "0115080000");
        message.set_number(11, 17, 6).set_text(41, "HN000001").set_text(49, "704");
        for (element, part) in (113..=115).zip(self.sod.chunks(999)) {
            message.set(element, part);
        }
        let signature = self.chip.sign(&challenge(&seed(&CHALLENGE_KEY, &SEED_ID), &message));
        let proof = ProofBuilder::new()
            .with(Tag::Version, &[1])
            .with(Tag::Dg1, &self.dg1)
            .with(Tag::Dg15, &self.dg15)
            .with(Tag::SodSha256, &Sha256::digest(&self.sod))
            .with(Tag::SeedId, &SEED_ID)
            .with(Tag::Signature, &signature)
            .with(Tag::SignatureHash, &[1])
            .with(Tag::BiometricSession, &[9; 16]);
        message.set(112, &proof.build());
        message
    }
}

fn check(message: &Message, trust: &TrustStore) -> Result<CheckedChip, ChipRefusal> {
    check_with(message, None, trust)
}

fn check_with(
    message: &Message,
    known: Option<Arc<VerifiedSod>>,
    trust: &TrustStore,
) -> Result<CheckedChip, ChipRefusal> {
    let seed_ids = [*b"sign-on2", SEED_ID];
    let context = ChipContext { trust, challenge_key: &CHALLENGE_KEY, seed_ids: &seed_ids, now_s: NOW_S };
    check_chip(message, known, &context)
}

fn without_sod(mut message: Message) -> Message {
    (113..=115).for_each(|element| {
        message.remove(element);
    });
    message
}

#[test]
fn a_card_is_believed_and_its_sod_need_not_be_sent_again() {
    let country = Country::new(1);
    let trust = trust(&country);
    for index in [0, 1, 2, 77_000_000] {
        let card = card(&country, index);
        let request = card.request();
        let checked = check(&request, &trust).unwrap();
        assert_eq!(checked.dg1.number, card.pan.citizen_number());
        assert_eq!(checked.sod.sod_sha256, *Sha256::digest(&card.sod));
        assert_eq!(checked.dg15_sha256, *Sha256::digest(&card.dg15));
        assert_eq!((checked.algorithm.as_str(), checked.signature.len()), ("ecdsa-sha256", 64));
        assert_eq!(checked.biometric_session, Some([9; 16]));
        let again = without_sod(request);
        assert_eq!(check(&again, &trust), Err(ChipRefusal::NeedSod));
        assert_eq!(check_with(&again, Some(checked.sod.clone()), &trust).unwrap(), checked);
    }
}

#[test]
fn a_signature_is_for_one_request_alone() {
    let country = Country::new(1);
    let (trust, request) = (trust(&country), card(&country, 3).request());
    let refused = Err(ChipRefusal::Active(ActiveError::Signature));
    for (element, value) in
        [(4, "000002000001"), (7, "0115080001"), (11, "000018"), (41, "HN000002"), (49, "840"), (37, "RRN")]
    {
        let mut other = request.clone();
        other.set_text(element, value);
        assert_eq!(check(&other, &trust), refused, "DE{element}");
    }
}

#[test]
fn forgeries_are_refused_each_by_its_reason() {
    let country = Country::new(1);
    let trust = trust(&country);
    let [victim, thief] = [3, 4].map(|index| card(&country, index));
    let with = |change: fn(&mut Card, &Card)| {
        let mut forged = card(&country, 3);
        change(&mut forged, &thief);
        check(&forged.request(), &trust).unwrap_err()
    };
    let later = |card: &mut Card| {
        let mut dg1 = Dg1::parse(&card.dg1).unwrap();
        dg1.expiry = credential::CardDate::parse(b"981231").unwrap();
        card.dg1 = dg1.encode().to_vec();
    };
    assert!(check(&victim.request(), &trust).is_ok());
    assert_eq!(
        with(|card, thief| card.chip = thief.chip.clone()),
        ChipRefusal::Active(ActiveError::Signature),
        "all the data and another key"
    );
    assert_eq!(
        with(|card, thief| {
            card.chip = thief.chip.clone();
            card.dg15.clone_from(&thief.dg15);
        }),
        ChipRefusal::NotSigned(Tag::Dg15),
        "all the data, another key, and its DG15"
    );
    assert_eq!(with(|card, thief| card.pan = thief.pan), ChipRefusal::OtherCitizen);
    assert_eq!(
        with(|card, thief| card.sod.clone_from(&thief.sod)),
        ChipRefusal::NotSigned(Tag::Dg1),
        "another card's SOD"
    );
    let mut prolonged = card(&country, 3);
    later(&mut prolonged);
    assert_eq!(check(&prolonged.request(), &trust), Err(ChipRefusal::NotSigned(Tag::Dg1)));
    let forged_country = card(&Country::new(2), 3);
    assert_eq!(
        check(&forged_country.request(), &trust),
        Err(ChipRefusal::Sod(SodError::UnknownAuthority)),
        "a country of somebody's own"
    );
    let mut exchanged = victim.request();
    exchanged.set(113, &thief.sod[..999.min(thief.sod.len())]);
    assert_eq!(check(&exchanged, &trust), Err(ChipRefusal::OtherSod));
}

#[test]
fn a_known_sod_counts_only_for_its_digest_and_its_authorities() {
    let [country, other] = [1, 2].map(Country::new);
    let trust = trust(&country);
    let [first, second] = [3, 4].map(|index| card(&country, index));
    let known = check(&first.request(), &trust).unwrap().sod;
    let request = without_sod(second.request());
    assert_eq!(check_with(&request, Some(known.clone()), &trust), Err(ChipRefusal::NeedSod));
    let wider = TrustStore::new([country.csca_der(), other.csca_der()], Algorithms::all()).unwrap();
    let request = without_sod(first.request());
    assert_eq!(check_with(&request, Some(known), &wider), Err(ChipRefusal::NeedSod));
}

#[test]
fn a_revoked_signer_is_refused_whether_its_sod_is_sent_or_known() {
    let country = Country::new(1);
    let request = card(&country, 3).request();
    let rule = |stale| ListRule { age_s_max: 86_400, stale };
    let with = |list: &[u8], stale| trust(&country).with_lists([list], rule(stale)).unwrap();
    let nobody = country.revocation_list(&[1, 2], b"270114080000Z");
    let before = with(&nobody, StaleList::Refuse);
    let checked = check(&request, &before).unwrap();
    assert_eq!(checked.crl_age_s, Some(NOW_S.abs_diff(1_799_913_600)));
    let after = with(&country.revocation_list(&[3], b"270114080000Z"), StaleList::Accept);
    let revoked = Err(ChipRefusal::Revocation(RevocationError::Revoked));
    assert_eq!(check(&request, &after), revoked);
    let without = without_sod(request.clone());
    assert!(check_with(&without, Some(checked.sod.clone()), &before).is_ok());
    assert_eq!(check_with(&without, Some(checked.sod.clone()), &after), revoked);

    let old = country.revocation_list(&[], b"260101000000Z");
    let not_known = Err(ChipRefusal::Revocation(RevocationError::NotKnown));
    assert_eq!(check_with(&without, Some(checked.sod.clone()), &with(&old, StaleList::Refuse)), not_known);
    assert!(check_with(&without, Some(checked.sod), &with(&old, StaleList::Accept)).is_ok());
}

#[test]
fn what_a_proof_lacks_is_named() {
    let country = Country::new(1);
    let (trust, card) = (trust(&country), card(&country, 3));
    let objects = [
        (Tag::Dg1, card.dg1.clone()),
        (Tag::Dg15, card.dg15.clone()),
        (Tag::Signature, vec![1; 64]),
        (Tag::SignatureHash, vec![1]),
        (Tag::SodSha256, vec![1; 32]),
    ];
    for (left_out, _) in &objects {
        let mut message = card.request();
        let proof = objects.iter().filter(|(tag, _)| tag != left_out);
        let proof = proof.fold(ProofBuilder::new(), |proof, (tag, value)| proof.with(*tag, value));
        message.set(112, &proof.build());
        assert_eq!(check(&message, &trust), Err(ChipRefusal::Absent(*left_out)));
    }
    let all = objects.iter().fold(ProofBuilder::new(), |proof, (tag, value)| proof.with(*tag, value));
    let mut message = card.request();
    message.set(112, &all.build());
    assert_eq!(check(&message, &trust), Err(ChipRefusal::Seed), "no DF20");
    message.set_text(2, "9704990032030000011");
    assert!(matches!(check(&message, &trust), Err(ChipRefusal::Pan(_))));
    message.set(2, card.pan.digits()).set(112, b"\xE1\x01");
    assert!(matches!(check(&message, &trust), Err(ChipRefusal::Proof(_))));
}

#[test]
fn a_card_expires_with_its_last_day() {
    let country = Country::new(1);
    let (trust, request) = (trust(&country), card(&country, 3).request());
    let seed_ids = [SEED_ID];
    let at = |now_s| {
        let context =
            ChipContext { trust: &trust, challenge_key: &CHALLENGE_KEY, seed_ids: &seed_ids, now_s };
        check_chip(&request, None, &context)
    };
    assert!(at(NOW_S).is_ok());
    assert_eq!(at(4_200_000_000), Err(ChipRefusal::Expired));
}

#[test]
fn what_is_checked_prints_nothing_of_the_citizen() {
    let country = Country::new(1);
    let card = card(&country, 3);
    let text = format!("{:?}", check(&card.request(), &trust(&country)).unwrap());
    let number = String::from_utf8_lossy(&card.pan.digits()[6..18]).into_owned();
    assert!(!text.contains(&number[..8]) && !text.contains("signature"), "{text}");
}
