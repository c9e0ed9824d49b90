//! A proof is of now, and of a terminal whose challenge key is known.
#![allow(clippy::unwrap_used)]

use credential::{Algorithms, ChipRefusal, SodCache, TrustStore};
use iso8583::{Message, Mti};
use processor::{
    Class, Institution, Kind, PROOF_AGE_MS_MAX, Rrn, TerminalId, TxKey, UtcSeconds, VerifyRequest,
};
use server::proofs::{Proofs, Refusal};

const NOW_S: i64 = 1_651_543_323;
const PROOF_AGE_S_MAX: i64 = PROOF_AGE_MS_MAX / 1_000;

fn request(sent_at_s: i64) -> VerifyRequest {
    VerifyRequest {
        key: TxKey {
            class: Class::Financial,
            acquirer: Institution::parse(b"970418").unwrap(),
            terminal: TerminalId(*b"HN000001"),
            sent_at: UtcSeconds(sent_at_s),
            stan: 1,
        },
        kind: Kind::Withdrawal,
        rrn: Rrn(*b"212300000001"),
        amount_minor: 2_000_000,
        currency: 704,
        seed_ids: Vec::new(),
        message: Message::new(Mti::new(200)),
        may_stand_in: false,
    }
}

#[test]
fn a_proof_is_of_now_and_of_a_known_terminal() {
    let trust = TrustStore::new([], Algorithms::all()).unwrap();
    let proofs = Proofs::new(trust, SodCache::new(1));
    let refusal =
        |off_s: i64, key: Option<&[u8; 32]>| proofs.check(&request(NOW_S + off_s), key, NOW_S).unwrap_err();
    for off_s in [-PROOF_AGE_S_MAX - 1, PROOF_AGE_S_MAX + 1] {
        assert!(matches!(refusal(off_s, Some(&[1; 32])), Refusal::Stale(said) if said == off_s));
    }
    for off_s in [-PROOF_AGE_S_MAX, PROOF_AGE_S_MAX] {
        assert!(matches!(refusal(off_s, None), Refusal::NoKey));
        assert!(matches!(refusal(off_s, Some(&[1; 32])), Refusal::Chip(ChipRefusal::Pan(_))));
    }
}
