//! Revocation lists that openssl has made, held against the trust store: what is taken, what is refused, who is revoked.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use std::sync::Arc;

use credential::{
    Algorithms, CertificateError, ListError, ListRule, RevocationError, SodCache, SodError, StaleList,
    TrustStore, VerifiedSod,
};

/// 2027-01-15: the fixtures' certificates are valid, their lists some weeks old.
const NOW_S: i64 = 1_800_000_000;
const YEAR_S: u64 = 366 * 86_400;

const REFUSE: ListRule = ListRule { age_s_max: YEAR_S, stale: StaleList::Refuse };
const ACCEPT: ListRule = ListRule { age_s_max: YEAR_S, stale: StaleList::Accept };

fn file(name: &str) -> Vec<u8> {
    // From the workspace's root: the program of the broken rules (tests/tests/defences) holds these tests too.
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut fixtures = above.map(|dir| dir.join("switch/credential/tests/fixtures"));
    let path = fixtures.find(|dir| dir.is_dir()).unwrap().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn trust(authorities: &[&str]) -> TrustStore {
    let files: Vec<Vec<u8>> = authorities.iter().map(|name| file(&format!("{name}.csca.der"))).collect();
    TrustStore::new(files.iter().map(Vec::as_slice), Algorithms::all()).unwrap()
}

fn with(trust: &TrustStore, lists: &[&str], rule: ListRule) -> Result<TrustStore, (usize, ListError)> {
    let files: Vec<Vec<u8>> = lists.iter().map(|name| file(&format!("{name}.crl"))).collect();
    trust.clone().with_lists(files.iter().map(Vec::as_slice), rule)
}

fn sod(trust: &TrustStore) -> VerifiedSod {
    VerifiedSod::verify(&file("revoked.sod"), trust, NOW_S).unwrap()
}

#[test]
fn a_revoked_signer_is_refused_also_from_the_cache() {
    let before = with(&trust(&["revoked"]), &["nobody"], REFUSE).unwrap();
    let known = Arc::new(sod(&before));
    assert_eq!(before.check_revocation(&known, NOW_S), Ok(()));
    let mut cache = SodCache::new(1);
    cache.insert(Arc::clone(&known));
    for rule in [REFUSE, ACCEPT] {
        let after = with(&before, &["signer"], rule).unwrap();
        let cached = cache.get(&known.sod_sha256, &after, NOW_S).unwrap();
        assert_eq!(after.check_revocation(&cached, NOW_S), Err(RevocationError::Revoked));
        let both = with(&before, &["signer", "nobody"], rule).unwrap();
        assert_eq!(both.check_revocation(&cached, NOW_S), Err(RevocationError::Revoked), "any list counts");
    }
}

#[test]
fn another_authoritys_serial_numbers_are_not_revoked() {
    let trust = with(&trust(&["revoked", "p256"]), &["signer"], ACCEPT).unwrap();
    let other = VerifiedSod::verify(&file("p256.sod"), &trust, NOW_S).unwrap();
    assert_eq!(trust.check_revocation(&other, NOW_S), Ok(()));
}

#[test]
fn a_missing_or_old_list_refuses_or_is_told_but_never_unsaid() {
    let bare = trust(&["revoked"]);
    let known = sod(&bare);
    assert_eq!(
        (bare.check_revocation(&known, NOW_S), bare.lists(NOW_S)),
        (Ok(()), Vec::new()),
        "no lists kept"
    );
    let name = "CN=CSCA,O=Synthetic Authority,C=VN";
    let missing = with(&bare, &[], REFUSE).unwrap();
    assert_eq!(missing.check_revocation(&known, NOW_S), Err(RevocationError::NotKnown));
    assert_eq!((missing.lists(NOW_S), missing.list_age_s(&known, NOW_S)), (vec![(name, None, true)], None));

    let listed = with(&bare, &["nobody"], REFUSE).unwrap();
    let age_s = listed.list_age_s(&known, NOW_S).unwrap();
    assert!((86_400..YEAR_S).contains(&age_s), "{age_s}");
    let rule = |age_s_max, stale| ListRule { age_s_max, stale };
    let at_the_limit = with(&bare, &["nobody"], rule(age_s, StaleList::Refuse)).unwrap();
    assert_eq!(at_the_limit.check_revocation(&known, NOW_S), Ok(()));
    assert_eq!(at_the_limit.check_revocation(&known, NOW_S + 1), Err(RevocationError::NotKnown));
    assert_eq!(at_the_limit.lists(NOW_S + 1), [(name, Some(age_s + 1), true)]);
    let accepted = with(&bare, &["nobody"], rule(age_s, StaleList::Accept)).unwrap();
    assert_eq!(accepted.check_revocation(&known, NOW_S + 1), Ok(()));
    assert!(accepted.lists(NOW_S + 1)[0].2, "told all the same");
    let ahead = NOW_S - age_s as i64 - 100;
    assert_eq!(listed.list_age_s(&known, ahead), Some(0), "a list from a clock ahead of ours");
}

#[test]
fn only_an_authoritys_whole_list_is_taken() {
    let own = trust(&["revoked"]);
    let table: [(&TrustStore, &str, ListError); 4] = [
        (&own, "part", ListError::Extension),
        (&own, "forged-list", ListError::UnknownIssuer),
        (&trust(&["p256"]), "signer", ListError::UnknownIssuer),
        (&trust(&[]), "signer", ListError::UnknownIssuer),
    ];
    for (trust, list, error) in table {
        assert_eq!(with(trust, &[list], REFUSE).map(drop), Err((0, error)), "{list}");
    }
    assert_eq!(with(&own, &["signer", "part"], REFUSE).map(drop), Err((1, ListError::Extension)));
    let refused = own.clone().with_lists([file("revoked.csca.der").as_slice()], REFUSE);
    assert_eq!(refused.map(drop), Err((0, ListError::Form)));
}

#[test]
fn no_byte_of_a_list_can_be_flipped_unnoticed() {
    let (own, whole) = (trust(&["revoked"]), file("signer.crl"));
    assert!(own.clone().with_lists([whole.as_slice()], REFUSE).is_ok());
    for at in 0..whole.len() {
        for mask in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF] {
            let mut flipped = whole.clone();
            flipped[at] ^= mask;
            let taken = own.clone().with_lists([flipped.as_slice()], REFUSE);
            assert!(taken.is_err(), "byte {at} of {} flipped by {mask:02x}", whole.len());
        }
    }
    for cut in 0..whole.len() {
        assert!(own.clone().with_lists([&whole[..cut]], REFUSE).is_err(), "{cut}");
    }
}

#[test]
fn a_list_that_was_put_back_is_noticed() {
    let own = trust(&["revoked"]);
    let name = ["CN=CSCA,O=Synthetic Authority,C=VN"];
    let (bare, listed) = (with(&own, &[], REFUSE).unwrap(), with(&own, &["nobody"], REFUSE).unwrap());
    let (of_listed, of_bare) = (listed.list_times(), bare.list_times());
    assert_eq!(bare.goes_back_behind(&of_listed), name);
    assert_eq!(listed.goes_back_behind(&of_bare), [""; 0]);
    assert_eq!(listed.goes_back_behind(&of_listed), [""; 0]);
    let without = |authorities: &[&str]| with(&trust(authorities), &[], REFUSE).unwrap();
    assert_eq!(
        without(&["pss"]).goes_back_behind(&of_listed),
        name,
        "all fixtures' authorities have one name"
    );
    assert_eq!(without(&[]).goes_back_behind(&of_listed), [""; 0], "an authority that is trusted no more");
    assert_eq!(own.goes_back_behind(&of_listed), [""; 0], "no lists are kept");
}

#[test]
fn a_list_that_was_put_back_counts_as_missing_but_whom_it_names_is_revoked() {
    let own = trust(&["revoked"]);
    for (list, accepts, expected) in [
        ("nobody", REFUSE, Err(RevocationError::NotKnown)),
        ("nobody", ACCEPT, Ok(())),
        ("signer", REFUSE, Err(RevocationError::Revoked)),
        ("signer", ACCEPT, Err(RevocationError::Revoked)),
    ] {
        let listed = with(&own, &[list], accepts).unwrap();
        let mut known = listed.list_times();
        let as_new = listed.clone().distrusting_lists_behind(&known);
        assert!(as_new.lists(NOW_S).iter().all(|(_, age_s, is_stale)| age_s.is_some() && !is_stale));
        known.values_mut().for_each(|time| time.this_update_s += 1);
        let put_back = listed.distrusting_lists_behind(&known);
        assert_eq!(put_back.check_revocation(&sod(&own), NOW_S), expected, "{list}, {accepts:?}");
        assert_eq!(put_back.lists(NOW_S), [("CN=CSCA,O=Synthetic Authority,C=VN", None, true)]);
        assert!(put_back.list_times().is_empty(), "it is not learnt from");
    }
}

/// A signer whose certificate was checked before costs one signature less; what is checked of the SOD is the same.
#[test]
fn a_known_signer_vouches_for_its_certificate_alone() {
    let own = trust(&["revoked"]);
    let first = sod(&own);
    assert_eq!(sod(&own), first);
    let mut forged = file("revoked.sod");
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(VerifiedSod::verify(&forged, &own, NOW_S), Err(SodError::Signature));
    assert_eq!(
        VerifiedSod::verify(&file("revoked.sod"), &own, first.valid_until_s + 1),
        Err(SodError::SignerExpired)
    );
    // Another store knows nothing of it.
    assert!(matches!(
        VerifiedSod::verify(&file("revoked.sod"), &trust(&["pss"]), NOW_S),
        Err(SodError::UnknownAuthority | SodError::Signer(CertificateError::Signature))
    ));
}
