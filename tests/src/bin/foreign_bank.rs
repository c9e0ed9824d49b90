//! The program `foreign_bank ADDRESS`: a bank on the crate iso8583_rs. SPEC_FILE names its specification.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(address) = env::args().nth(1) else {
        eprintln!("usage: foreign_bank ADDRESS");
        return ExitCode::from(2);
    };
    match tests::foreign_bank::run(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
