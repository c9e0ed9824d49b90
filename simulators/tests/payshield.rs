//! The switch's payShield back end beside the simulated box: PINs in all formats, MACs, and a box that is away, silent or slow.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use hsm::{Hsm, HsmError, KeyName, PayShield, PayShieldSettings, PinTranslation};
use keys::{
    BoundKey, KeyAlgorithm, KeyUsage, MacAlgorithm, ModeOfUse, Padding, PinBlock, PinError, PinFormat,
    PinKey, PinPan, translate_pin,
};
use simulators::payshield::{Handle, Machine, start};
use simulators::pins::pin_key;

const PAN: &[u8] = b"9704990012030000017";
const FORMATS: [PinFormat; 3] = [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4];
const LONG: Duration = Duration::from_secs(30);

fn pad_bytes(format: PinFormat) -> [u8; 16] {
    let mut bytes = *b"a pad's PIN key.";
    bytes[0] = b'0' + format.number();
    bytes
}

fn bank_bytes(format: PinFormat) -> [u8; 16] {
    let mut bytes = *b"a bank's PIN key";
    bytes[0] = b'0' + format.number();
    bytes
}

fn mac_key(usage: KeyUsage, algorithm: KeyAlgorithm) -> BoundKey {
    BoundKey::new(usage, ModeOfUse::GenerateAndVerify, algorithm, b"a key for MACs 1").unwrap()
}

fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

/// One terminal and one bank for each format, by their last digit.
fn write_tokens(machine: &Machine, path: &Path) {
    let mut text = String::new();
    let mut add = |name: String, key: &BoundKey| {
        text += &format!("{name} {} {}\n", machine.token(key).unwrap(), key.check_value());
    };
    for format in FORMATS {
        let number = format.number();
        add(format!("terminal.HN00000{number}.pin"), &pin_key(format, &pad_bytes(format)).unwrap());
        add(format!("bank.97041{number}.pin"), &pin_key(format, &bank_bytes(format)).unwrap());
    }
    add("bank.970410.mac-from-switch".to_owned(), &mac_key(KeyUsage::RetailMac, KeyAlgorithm::Tdes));
    add("bank.970413.mac-from-switch".to_owned(), &mac_key(KeyUsage::Cmac, KeyAlgorithm::Aes));
    std::fs::write(path, text).unwrap();
}

fn back_end(dir: &Path, address: SocketAddr, answer_max: Duration, connections_max: usize) -> PayShield {
    back_end_of(dir, vec![address], answer_max, connections_max)
}

fn back_end_of(
    dir: &Path,
    addresses: Vec<SocketAddr>,
    answer_max: Duration,
    connections_max: usize,
) -> PayShield {
    let tokens = dir.join("tokens");
    write_tokens(&Machine::new(1).unwrap(), &tokens);
    PayShield::open(PayShieldSettings { addresses, connections_max, answer_max, tokens }).unwrap()
}

fn simulated() -> (tokio::runtime::Runtime, Handle) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let handle = runtime.block_on(start(Machine::new(1).unwrap(), listen)).unwrap();
    (runtime, handle)
}

/// A block of 1234 under a pad's key, and what the back end makes of it.
fn translated(hsm: &PayShield, from: PinFormat, to: PinFormat, pan: &[u8]) -> Result<PinBlock, HsmError> {
    let pin = simulators::pins::Pin::parse(b"1234").unwrap();
    let key = pin_key(from, &pad_bytes(from)).unwrap();
    let pad = simulators::pins::PinPad::fixed(&key, from).unwrap();
    let mut message = iso8583::Message::new(iso8583::Mti::new(200));
    message.set(2, PAN);
    pad.enter(&pin, 0, b"1", &mut message).unwrap();
    let block = message.get(52).or_else(|| message.get(121)).unwrap();
    let block = PinBlock::new(from, block).unwrap();
    let ask = PinTranslation {
        from: name(&format!("terminal.HN00000{}.pin", from.number())).owner,
        ksn: None,
        block: &block,
        pan: &PinPan::parse(pan).unwrap(),
        to: name(&format!("bank.97041{}.pin", to.number())).owner,
        format: to,
    };
    hsm.translate_pin(&ask, 0)
}

#[test]
fn pins_go_from_every_format_to_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let (_runtime, handle) = simulated();
    let hsm = back_end(dir.path(), handle.addr(), LONG, 2);
    hsm.echo().unwrap();
    let pan = PinPan::parse(PAN).unwrap();
    for from in FORMATS {
        for to in FORMATS {
            let block = translated(&hsm, from, to, PAN).unwrap();
            // Read back as a block of format 0: each format's bytes are the same but for their fill.
            let bank = PinKey::new(&pin_key(to, &bank_bytes(to)).unwrap()).unwrap();
            let plain = pin_key(PinFormat::Iso0, b"to compare with.").unwrap();
            let plain = PinKey::new(&plain).unwrap();
            let read = translate_pin(&block, &pan, &bank, &plain, PinFormat::Iso0, &[0; 8]).unwrap();
            let expected = translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN).unwrap();
            let own = PinKey::new(&pin_key(PinFormat::Iso0, &bank_bytes(PinFormat::Iso0)).unwrap()).unwrap();
            let expected = translate_pin(&expected, &pan, &own, &plain, PinFormat::Iso0, &[0; 8]).unwrap();
            assert_eq!(read.bytes(), expected.bytes(), "{from:?} to {to:?}");
        }
        let other = translated(&hsm, from, PinFormat::Iso0, b"9704990012039999995");
        assert_eq!(other.unwrap_err(), HsmError::Pin(PinError::Unreadable), "{from:?} for another PAN");
    }
    let names: Vec<String> = hsm.keys().unwrap().iter().map(|key| key.name.to_string()).collect();
    assert_eq!(names.len(), 8);
    assert!(matches!(hsm.wrap_key(&name("bank.970410.pin")), Err(HsmError::NotHere(_))));
    let unknown = hsm.mac(&name("bank.1.mac-from-switch"), MacAlgorithm::AesCmac, b"");
    assert_eq!(unknown, Err(HsmError::NoKey(name("bank.1.mac-from-switch"))));
}

#[test]
fn macs_are_made_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (_runtime, handle) = simulated();
    let hsm = back_end(dir.path(), handle.addr(), LONG, 2);
    for (bank, algorithm) in [
        ("970410", MacAlgorithm::Retail(Padding::Zeros)),
        ("970410", MacAlgorithm::Retail(Padding::OneThenZeros)),
        ("970413", MacAlgorithm::AesCmac),
    ] {
        let key = name(&format!("bank.{bank}.mac-from-switch"));
        for text in [&b"0800"[..], &[0xFF; 700], b""] {
            let mac = hsm.mac(&key, algorithm, text).unwrap();
            assert_eq!(hsm.verify_mac(&key, algorithm, text, &mac, 0), Ok(()));
            let wrong = [mac[0] ^ 1, mac[1], mac[2], mac[3], mac[4], mac[5], mac[6], mac[7]];
            assert_eq!(hsm.verify_mac(&key, algorithm, text, &wrong, 0), Err(HsmError::Mac));
            assert_eq!(hsm.verify_mac(&key, algorithm, text, &mac[..4], 0), Err(HsmError::Mac));
        }
    }
    let other = hsm.mac(&name("bank.970410.mac-from-switch"), MacAlgorithm::AesCmac, b"0800");
    assert!(matches!(other, Err(HsmError::Away(_))), "a key for another algorithm");
}

#[test]
fn a_box_that_is_away_silent_or_out_of_step_is_an_error_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let is_away = |hsm: &PayShield, says: &str| match translated(hsm, PinFormat::Iso0, PinFormat::Iso0, PAN)
        .unwrap_err()
    {
        HsmError::Away(reason) => assert!(reason.contains(says), "{reason}"),
        other => panic!("{other}"),
    };
    // Its connection waits to be accepted, and nobody answers.
    is_away(&back_end(dir.path(), address, Duration::from_millis(50), 1), "no answer in time");
    let answers = std::thread::spawn(move || {
        for answer in [&b""[..], b"\x00\x089999CB00", b"", b"\xFF\xFF"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            stream.read_exact(&mut vec![0; usize::from(u16::from_be_bytes(length))]).unwrap();
            // Who has not waited is gone.
            let _ = stream.write_all(answer);
        }
    });
    let hsm = back_end(dir.path(), address, LONG, 1);
    is_away(&hsm, "something else");
    is_away(&hsm, "closed");
    is_away(&hsm, "65535 bytes");
    answers.join().unwrap();
    is_away(&hsm, &address.to_string());
}

#[test]
fn a_box_that_accepts_and_is_silent_is_passed_over_and_the_second_answers_in_time() {
    let dir = tempfile::tempdir().unwrap();
    // Its connections are accepted by the system, as by a tunnel behind which no box is.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let (_runtime, handle) = simulated();
    let addresses = vec![silent.local_addr().unwrap(), handle.addr()];
    let hsm = back_end_of(dir.path(), addresses, Duration::from_secs(4), 1);
    for _ in 0..4 {
        translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN).unwrap();
    }
    assert!(silent.accept().is_ok(), "it was asked first");
    assert!(silent.accept().is_err(), "and not again: good is who has answered");
}

#[test]
fn when_no_address_answers_each_is_named_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses = vec![silent.local_addr().unwrap(), away];
    let hsm = back_end_of(dir.path(), addresses.clone(), Duration::from_millis(200), 1);
    for _ in 0..2 {
        let HsmError::Away(reason) = hsm.echo().unwrap_err() else { panic!("another error") };
        let parts: Vec<&str> = reason.split("; ").collect();
        assert_eq!(parts.len(), 2, "{reason}");
        assert!(parts[0].starts_with(&format!("{}: no answer in time", addresses[0])), "{reason}");
        assert!(parts[1].starts_with(&format!("{}: ", addresses[1])), "{reason}");
    }
}

#[test]
fn many_share_few_connections_and_a_box_that_comes_back_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (runtime, handle) = simulated();
    let address = handle.addr();
    let hsm = back_end(dir.path(), address, LONG, 2);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    translated(&hsm, PinFormat::Iso0, PinFormat::Iso4, PAN).unwrap();
                }
            });
        }
    });
    drop(handle);
    drop(runtime);
    assert!(matches!(translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN), Err(HsmError::Away(_))));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _handle = runtime.block_on(start(Machine::new(1).unwrap(), address)).unwrap();
    translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN).unwrap();
}
