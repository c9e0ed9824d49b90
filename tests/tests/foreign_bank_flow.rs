//! The whole switch with the bank on the crate iso8583_rs: sign-on, a withdrawal with its completion, a reversal.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use simulators::bank::no_faults;
use simulators::terminal::{Fault, Steps, What};
use tests::foreign_bank::ForeignBank;
use tests::world::{Issuer, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_nobody_here_wrote_is_switched_to() {
    let bank = ForeignBank::start(Path::new(env!("CARGO_BIN_EXE_foreign_bank"))).unwrap();
    let settings = "dialect = \"ascii-binary-bitmap-1987\"\nmac = false\n";
    let issuer = Issuer { address: bank.address(), settings };
    let mut world = World::start_with(no_faults(), Some(issuer)).await;
    world.bank_ready().await;
    let table = [(None, "00 Whole 2000000"), (Some(Fault::DispenseNothing), "00 Nothing 0")];
    for (fault, expected) in table {
        assert_eq!(world.visit(What::Withdrawal, 2_000_000, Steps::Two, fault).await, expected, "{fault:?}");
        world.advices_answered().await;
    }
    world.reversals_acknowledged().await;
    assert!(world.entries().is_empty(), "the simulated bank was not asked");
    assert!(world.switch.end("TERM").success());
    let expected = [
        // The chip's security object is asked for once.
        ["DECLINED"].as_slice(),
        &["VERIFICATION", "INTENT", "OUTCOME", "COMPLETE"],
        &["VERIFICATION", "INTENT", "OUTCOME", "REVERSAL", "REVERSED"],
    ];
    assert_eq!(world.switch.log_kinds(), expected.concat());
    let log = world.switch.log();
    let approved = log.iter().filter(|record| record["approval"] == "FB0001").count();
    assert_eq!(approved, 2, "the bank's approval code is in the log");
}
