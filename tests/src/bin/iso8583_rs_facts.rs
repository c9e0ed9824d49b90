//! Shows what keeps the crate iso8583_rs off the switch's network path: docs/decisions/0001-iso8583-rs.md.
//!
//! `cargo run -p tests --bin iso8583_rs_facts` ends well when each fact is still one, in about 6 s.

use std::env;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use iso8583::Dialect;
use iso8583_rs::crypto::mac::{MacAlgo, PaddingType, generate_mac};
use iso8583_rs::crypto::pin::{PinFormat, generate_pin_block, verify_pin};
use tests::foreign_spec;

const KEY: [u8; 16] = *b"0123456789ABCDEF";
const PAN: &str = "9704990012030000017";
const PIN: &str = "271828";

/// Messages that are changed by one byte.
const MUTATIONS: u32 = 20_000;

/// How long a process is watched.
const WATCH_MS: u64 = 2_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => every_fact(),
        ["bank", address] => {
            tests::foreign_bank::run(address).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        ["mutations"] => mutations(),
        ["leniency"] => leniency(),
        ["prints"] => prints(),
        _ => {
            eprintln!("usage: iso8583_rs_facts");
            ExitCode::from(2)
        }
    }
}

fn every_fact() -> ExitCode {
    let facts = [
        ("a frame of 00 00 spins a core for good", spins()),
        ("bytes of the network make it panic", panics()),
        ("it reads no hex bitmaps and takes what is malformed", takes_what_is_malformed()),
        ("it prints messages, PIN and key", prints_secrets()),
        ("its PIN blocks of format 0 have a random fill", random_fill()),
        ("its retail MAC forgets padding 2 on 8 bytes", padding_forgotten()),
        ("there are advisories against its dependencies", advisories()),
    ];
    let mut all = ExitCode::SUCCESS;
    for (fact, shown) in facts {
        let (verdict, detail) = match shown {
            Ok(detail) => ("shown", detail),
            Err(detail) => ("NOT SHOWN", detail),
        };
        if verdict != "shown" {
            all = ExitCode::FAILURE;
        }
        println!("{verdict:<9} {fact}: {detail}");
    }
    all
}

/// What was seen: a fact shown, or not.
type Shown = Result<String, String>;

fn shown_if(fact: bool, detail: String) -> Shown {
    if fact { Ok(detail) } else { Err(detail) }
}

/// The server takes a length of 0 for "no length read yet", and asks again without reading, also when the peer has gone.
/// The process is watched twice, for [`WATCH_MS`] each, and killed.
fn spins() -> Shown {
    let spec = foreign_spec::write(Dialect::ascii_binary_bitmap_1987()).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    drop(listener);
    let mut bank = again(&["bank", &address.to_string()], spec.path()).map_err(|error| error.to_string())?;
    let seen = watched(&bank, &address.to_string());
    let ended = bank.kill().and_then(|()| bank.wait());
    ended.map_err(|error| format!("the bank cannot be stopped: {error}"))?;
    let (quiet, linked, alone) = seen?;
    let detail = format!(
        "{quiet} % of a core before it, {linked} % after it, {alone} % after its sender has gone, over {WATCH_MS} ms each"
    );
    shown_if(quiet < 10 && linked > 25 && alone > 25, detail)
}

/// Percent of a core: after a connection, after `00 00`, after the connection is closed.
fn watched(bank: &Child, address: &str) -> Result<(u64, u64, u64), String> {
    let mut link = None;
    for _ in 0..200 {
        link = TcpStream::connect(address).ok();
        if link.is_some() {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    let mut link = link.ok_or("the bank does not listen")?;
    let quiet = core_percent(bank)?;
    link.write_all(&[0, 0]).map_err(|error| error.to_string())?;
    let linked = core_percent(bank)?;
    drop(link);
    Ok((quiet, linked, core_percent(bank)?))
}

/// The share of a core that a process uses, from the ticks of 10 ms that Linux counts.
fn core_percent(process: &Child) -> Result<u64, String> {
    let ticks = || -> Result<u64, String> {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", process.id())).map_err(|error| error.to_string())?;
        let behind_name = stat.rsplit_once(')').ok_or("no process")?.1;
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        let user_and_system = fields.get(11..13).ok_or("no times")?;
        user_and_system.iter().map(|field| field.parse::<u64>().map_err(|error| error.to_string())).sum()
    };
    let before = ticks()?;
    sleep(Duration::from_millis(WATCH_MS));
    Ok((ticks()? - before) * 10 * 100 / WATCH_MS)
}

fn panics() -> Shown {
    let text = child(&["mutations"], "ascii-binary-bitmap-1987")?;
    let counts: Vec<f64> = text.split_whitespace().filter_map(|count| count.parse().ok()).collect();
    let [parsing, reading] = counts[..] else { return Err(text) };
    let percent = |count| count * 100.0 / f64::from(MUTATIONS);
    let detail = format!(
        "of {MUTATIONS} golden messages with one byte changed {:.1} % when they are parsed, {:.1} % with those whose values \
         are then read",
        percent(parsing),
        percent(parsing + reading)
    );
    shown_if(parsing > 0.0 && reading > 0.0, detail)
}

/// Prints how many messages made the crate panic when parsed, and how many more when read.
fn mutations() -> ExitCode {
    panic::set_hook(Box::new(|_| {}));
    let goldens = golden_bytes("ascii-binary-bitmap-1987");
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut parsing, mut reading) = (0, 0);
    for _ in 0..MUTATIONS {
        let mut bytes = goldens[random(goldens.len())].clone();
        let place = random(bytes.len());
        bytes[place] = random(256) as u8;
        match parses(bytes.clone()) {
            Ok(true) => reading += u32::from(elements(bytes).is_none()),
            Ok(false) => {}
            Err(_) => parsing += 1,
        }
    }
    println!("{parsing} {reading}");
    ExitCode::SUCCESS
}

/// Whether the crate takes a message, or how it panicked.
fn parses(mut bytes: Vec<u8>) -> std::thread::Result<bool> {
    panic::catch_unwind(move || foreign_spec::layout().0.parse(&mut bytes).is_ok())
}

/// The elements that the crate reads, each with its value; `None` where it refuses the message or panics.
fn elements(mut bytes: Vec<u8>) -> Option<Vec<(u32, String)>> {
    let read = move || {
        let message = foreign_spec::layout().0.parse(&mut bytes).ok()?;
        let there = (2..=128).filter(|&element| element != 65 && message.bmp.is_on(element));
        there.map(|element| Some((element, message.bmp_child_value(element).ok()?))).collect()
    };
    panic::catch_unwind(read).ok().flatten()
}

fn takes_what_is_malformed() -> Shown {
    let text = child(&["leniency"], "ascii-binary-bitmap-1987")?;
    let detail = text.trim().replace('\n', "; ");
    shown_if(
        detail
            == "LL +5 taken; a byte behind taken; a letter in n taken; 0 of the golden messages with hex bitmaps read",
        detail,
    )
}

/// Prints what is taken.
fn leniency() -> ExitCode {
    panic::set_hook(Box::new(|_| {}));
    for (what, bytes) in [
        ("LL +5", &b"0200\x40\x00\x00\x00\x00\x00\x00\x00+597049"[..]),
        ("a byte behind", b"0800\x00\x20\x00\x00\x00\x00\x00\x000000011"),
        ("a letter in n", b"0800\x00\x20\x00\x00\x00\x00\x00\x0000000A"),
    ] {
        let taken = matches!(parses(bytes.to_vec()), Ok(true));
        println!("{what} {}", if taken { "taken" } else { "refused" });
    }
    let dialect = Dialect::ascii_1987();
    let read = golden_bytes(dialect.name()).into_iter().filter(|bytes| {
        let message = dialect.parse(bytes).expect("golden bytes are good").to_message();
        let right = message
            .elements()
            .map(|(element, value)| (u32::from(element), foreign_spec::value(dialect, element, value)));
        elements(bytes.clone()) == Some(right.collect())
    });
    println!("{} of the golden messages with hex bitmaps read", read.count());
    ExitCode::SUCCESS
}

fn prints_secrets() -> Shown {
    let text = child(&["prints"], "ascii-binary-bitmap-1987")?;
    let key = format!("{:?}", KEY);
    let leaks = [
        (
            "the message under a MAC, with no log asked for",
            text.contains(&format!("on {}", hex(PAN.as_bytes()))),
        ),
        ("the PIN", text.contains(PIN)),
        ("the key", text.contains(&key)),
    ];
    let seen: Vec<&str> = leaks.iter().filter(|(_, leaked)| *leaked).map(|&(what, _)| what).collect();
    shown_if(seen.len() == leaks.len(), seen.join(", "))
}

/// A MAC, then a PIN that is verified with the log on.
fn prints() -> ExitCode {
    let mac = generate_mac(&MacAlgo::RetailMac, &PaddingType::Type1, &PAN.as_bytes().to_vec(), &KEY.to_vec());
    let logged = log::set_logger(&StandardOutput).map(|()| log::set_max_level(log::LevelFilter::Debug));
    let block = generate_pin_block(&PinFormat::ISO0, PIN, PAN, &KEY.to_vec()).unwrap_or_default();
    let verified = verify_pin(&PinFormat::ISO0, PIN, &block, PAN, &KEY.to_vec());
    if mac.is_ok() && logged.is_ok() && verified.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct StandardOutput;

impl log::Log for StandardOutput {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        println!("{}", record.args());
    }

    fn flush(&self) {}
}

/// ISO 9564-1 fills format 0 with F. Another fill makes another block each time, and no two systems agree on it.
fn random_fill() -> Shown {
    let block = || generate_pin_block(&PinFormat::ISO0, PIN, PAN, &KEY.to_vec()).map_err(|error| error.msg);
    let (first, second) = (block()?, block()?);
    shown_if(first != second, format!("one PIN, PAN and key give {} and {}", hex(&first), hex(&second)))
}

/// Padding 2 of ISO/IEC 9797-1 adds 80 and zeros to every message, so its MAC is that of the longer message under padding
/// 1. On 16 bytes the crate agrees with itself, on 8 it does not.
fn padding_forgotten() -> Shown {
    let mac = |padding, data: &[u8]| {
        generate_mac(&MacAlgo::RetailMac, &padding, &data.to_vec(), &KEY.to_vec()).map_err(|error| error.msg)
    };
    let padded = |bytes: usize| [&b"ABCDEFGHIJKLMNOP"[..bytes], &[0x80, 0, 0, 0, 0, 0, 0, 0]].concat();
    let right_on_16 = mac(PaddingType::Type2, &padded(16)[..16])? == mac(PaddingType::Type1, &padded(16))?;
    let (found, right) = (mac(PaddingType::Type2, &padded(8)[..8])?, mac(PaddingType::Type1, &padded(8))?);
    shown_if(right_on_16 && found != right, format!("{} instead of {}", hex(&found), hex(&right)))
}

/// The versions that the advisories name, in the lock file. What they say stands in the decision's page.
fn advisories() -> Shown {
    let lock = fs::read_to_string(root().join("Cargo.lock")).map_err(|error| error.to_string())?;
    let rows = [
        ("lock_api", "0.3.4", "RUSTSEC-2020-0070"),
        ("block-cipher", "0.7.1", "RUSTSEC-2020-0057"),
        ("yaml-rust", "0.4.5", "RUSTSEC-2024-0320"),
        ("rand", "0.7.3", "RUSTSEC-2026-0097"),
    ];
    let locked = rows
        .iter()
        .filter(|(name, version, _)| lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")));
    let found: Vec<String> = locked.map(|(name, version, id)| format!("{name} {version} {id}")).collect();
    shown_if(found.len() == rows.len(), found.join(", "))
}

/// The output of this program with other arguments and a dialect's specification.
fn child(arguments: &[&str], dialect: &str) -> Result<String, String> {
    let dialect = Dialect::built_in(dialect).ok_or("no such dialect")?;
    let spec = foreign_spec::write(dialect).map_err(|error| error.to_string())?;
    let process = again(arguments, spec.path()).map_err(|error| error.to_string())?;
    let output = process.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{arguments:?} ends with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // The crate tells where it looks for the specification.
    Ok(text
        .lines()
        .filter(|line| !line.starts_with("current-dir:") && !line.starts_with("spec-file:"))
        .fold(String::new(), |text, line| text + line + "\n"))
}

fn again(arguments: &[&str], spec: &Path) -> std::io::Result<Child> {
    Command::new(env::current_exe()?)
        .args(arguments)
        .env(foreign_spec::SPEC_FILE, spec)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
}

fn golden_bytes(dialect: &str) -> Vec<Vec<u8>> {
    let path = root().join(format!("tests/golden/iso8583/{dialect}.txt"));
    let text = fs::read_to_string(path).expect("the golden file can be read");
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            messages.push(Vec::new());
        } else if let (Some(digits), Some(message)) = (line.strip_prefix("> "), messages.last_mut()) {
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("pairs of hex digits");
            message.extend((0..digits.len()).step_by(2).map(byte));
        }
    }
    messages
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
