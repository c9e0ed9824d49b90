//! `simulators payshield`: a box that is started alone, with keys that are put under its LMK.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use hsm::KeyName;
use keys::{BoundKey, KeyAlgorithm, KeyUsage, ModeOfUse};

use super::driver::start;
use super::machine::Machine;

/// A small payShield that answers host commands B2, CA, G0, M6, M8, LQ, LS, A0, L0, A6, A8 and BU.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  simulators payshield --seed 1 --listen 127.0.0.1:1500 --keys clear-keys.txt --tokens payshield.keys")]
pub struct Arguments {
    /// What its LMK is made of.
    #[arg(long)]
    seed: u64,
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Keys in clear, for simulations alone: a line each, its name, its usage and algorithm (P0T, P0A, B0T, B0A, K1A,
    /// M3T, M6A, M7H), hex digits.
    #[arg(long, requires = "tokens")]
    keys: Option<PathBuf>,
    /// Where they are written to under the LMK, as the switch's configuration names them.
    #[arg(long, requires = "keys")]
    tokens: Option<PathBuf>,
}

/// Runs until it is ended.
///
/// # Errors
/// The address, or a key that is none.
pub async fn run(arguments: Arguments) -> Result<bool, Box<dyn Error>> {
    let machine = Machine::new(arguments.seed)?;
    if let (Some(keys), Some(tokens)) = (&arguments.keys, &arguments.tokens) {
        write_tokens(&machine, keys, tokens)?;
    }
    let handle = start(machine, arguments.listen).await?;
    println!("listens on {}, a payShield", handle.addr());
    std::future::pending::<()>().await;
    Ok(true)
}

fn write_tokens(machine: &Machine, keys: &Path, tokens: &Path) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(keys)?;
    let mut out = String::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}:{}", keys.display(), index + 1);
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, kind, digits] = words[..] else {
            return Err(format!("{}: a name, a usage and algorithm, hex digits", place()).into());
        };
        let name: KeyName = name.parse().map_err(|error| format!("{}: {error}", place()))?;
        let key = key(kind, digits).ok_or_else(|| format!("{}: no key", place()))?;
        out += &format!("{name} {} {}\n", machine.token(&key)?, key.check_value());
    }
    Ok(std::fs::write(tokens, out)?)
}

fn key(kind: &str, digits: &str) -> Option<BoundKey> {
    let code: [u8; 3] = kind.as_bytes().try_into().ok()?;
    let usage = KeyUsage::of_code([code[0], code[1]])?;
    let mode = match usage {
        KeyUsage::PinEncryption | KeyUsage::KeyBlockProtection | KeyUsage::KeyEncryption => ModeOfUse::Both,
        KeyUsage::BaseDerivation | KeyUsage::DukptInitial => ModeOfUse::Derive,
        _ => ModeOfUse::GenerateAndVerify,
    };
    let is_hex = digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let pairs = (0..digits.len()).step_by(2).filter(|_| is_hex);
    let bytes: Option<Vec<u8>> = pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect();
    BoundKey::new(usage, mode, KeyAlgorithm::of_code(code[2])?, &bytes?).ok()
}
