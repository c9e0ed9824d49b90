//! Exchanged keys: by commands, over the link, with a payShield.

use std::net::{SocketAddr, TcpStream};
use std::process::Output;
use std::time::Instant;

use serde_json::Value;

use crate::switch::{PATIENCE, Switch, address, audit, page, write};
use crate::terminal::{exchange, network};

/// A switch with the software module, and no key in it.
fn with_module() -> Switch {
    let switch = Switch::new();
    let mut config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    config += "[hsm]\nkind = \"software\"\nfile = \"hsm.keys\"\nkey_file = \"hsm.key\"\n";
    write(switch.dir.path(), "atm-switch.toml", &config);
    write(switch.dir.path(), "hsm.key", SEALED_UNDER);
    switch.told(&["keys", "create"]);
    switch
}

/// The key file of [`with_module`].
const SEALED_UNDER: &str = "5555555555555555555555555555555555555555555555555555555555555555";

/// Two parts of an exchange key, in files.
fn bring_exchange(switch: &Switch, name: &str, digits: &str) {
    let output = brought_by_people(switch, name, digits);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The command that takes them in, as it ends.
fn brought_by_people(switch: &Switch, name: &str, digits: &str) -> Output {
    write(switch.dir.path(), "first", &digits.repeat(32));
    write(switch.dir.path(), "second", &"01".repeat(32));
    let (first, second) = (switch.path("first"), switch.path("second"));
    let parts = ["--part", first.to_str().unwrap(), "--part", second.to_str().unwrap()];
    switch.command(&[&["keys", "import", name][..], &parts].concat())
}

/// A terminal's PIN key in a block under the exchange key that [`bring_exchange`] makes of this byte.
fn pin_block_of(exchange: u8, version: u8, value: u8) -> String {
    let bytes = [exchange ^ 1; 32];
    let (usage, mode) = (keys::KeyUsage::KeyBlockProtection, keys::ModeOfUse::Both);
    let exchange = keys::BoundKey::new(usage, mode, keys::KeyAlgorithm::Aes, &bytes).unwrap();
    let bytes: Vec<u8> = (0..16).map(|place| place * 16 + value).collect();
    let usage = keys::KeyUsage::PinEncryption;
    let key = keys::BoundKey::new(usage, mode, keys::KeyAlgorithm::Tdes, &bytes).unwrap();
    let version = keys::KeyVersion::new(version).unwrap();
    let attributes = keys::Attributes { version, ..keys::Attributes::default() };
    keys::KeyBlockKey::new(&exchange).unwrap().wrap(&key, &attributes, &[9; 32]).unwrap()
}

/// What the switch answers to a key that the terminal brings.
fn brought(terminal: &mut TcpStream, stan: u64, block: &str) -> String {
    let mut message = network("101", stan);
    message.set_text(120, block);
    exchange(terminal, &message).unwrap().text(39).unwrap().to_owned()
}

#[test]
fn keys_of_a_payshield_are_made_taken_in_rotated_and_listed_by_the_same_commands() {
    let switch = Switch::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let machine = simulators::payshield::Machine::new(1).unwrap();
    let (usage, mode) = (keys::KeyUsage::KeyBlockProtection, keys::ModeOfUse::Both);
    let exchange = keys::BoundKey::new(usage, mode, keys::KeyAlgorithm::Aes, &[0x5A; 32]).unwrap();
    write(switch.dir.path(), "exchange.token", &machine.token(&exchange).unwrap());
    let handle = runtime.block_on(simulators::payshield::start(machine, listen)).unwrap();
    let mut config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    config +=
        &format!("[hsm]\nkind = \"payshield\"\naddresses = [\"{}\"]\nfile = \"box.keys\"\n", handle.addr());
    write(switch.dir.path(), "atm-switch.toml", &config);

    switch.told(&["keys", "create"]);
    assert!(!switch.command(&["keys", "create"]).status.success(), "it is there already");
    let part = switch.path("part");
    std::fs::write(&part, "5A".repeat(32)).unwrap();
    let part = part.to_str().unwrap();
    let parts = switch.command(&["keys", "import", "bank.970418.exchange", "--part", part, "--part", part]);
    assert!(String::from_utf8(parts.stderr).unwrap().contains("put together at its own console"));
    let token = switch.path("exchange.token");
    switch.told(&["keys", "import", "bank.970418.exchange", "--block", token.to_str().unwrap()]);
    let made = switch.told(&["keys", "generate", "bank.970418.pin"]);
    let block_of = |told: &str| told.lines().nth(1).unwrap().to_owned();
    assert!(block_of(&made).starts_with("D0"), "{made}");
    let under = keys::KeyBlockKey::new(&exchange).unwrap();
    let version_min = keys::KeyVersion::new(1).unwrap();
    let expected = keys::Expected { usage: keys::KeyUsage::PinEncryption, version_min };
    let unwrapped = |block: &str| under.unwrap(block.trim().as_bytes(), expected).unwrap().key.check_value();
    let rotated = switch.told(&["keys", "rotate", "bank.970418.pin"]);
    let offered = unwrapped(rotated.lines().last().unwrap()).to_string();
    assert!(rotated.contains("version 02") && rotated.contains("not in use yet"), "{rotated}");
    assert!(rotated.contains(&format!("keys use bank.970418.pin --check-value {offered}, ")), "{rotated}");
    let exported = switch.told(&["keys", "export", "bank.970418.pin"]);
    assert_eq!(unwrapped(&exported), unwrapped(&block_of(&made)), "the one in use");
    let used = switch.told(&["keys", "use", "bank.970418.pin", "--check-value", &offered]);
    assert!(used.contains("version 02") && used.contains("before it version 01"), "{used}");
    let exported = switch.told(&["keys", "export", "bank.970418.pin"]);
    assert_eq!(unwrapped(&exported).to_string(), offered);
    let listed = switch.told(&["keys", "list"]);
    assert!(listed.contains(&unwrapped(&exported).to_string()), "{listed}");
    std::fs::write(switch.path("old.tr31"), block_of(&made)).unwrap();
    let old = switch.path("old.tr31");
    let back = switch.command(&["keys", "import", "bank.970418.pin", "--block", old.to_str().unwrap()]);
    let back = String::from_utf8(back.stderr).unwrap();
    assert!(back.contains("has version 02: a new one has to be above it; nothing was taken"), "{back}");
    let audit = audit(&switch);
    for act in ["keys create", "keys import", "keys generate", "keys rotate", "keys use", "keys export"] {
        assert!(audit.contains(act), "{act}");
    }
}

/// Versions ended with 99, and nothing led back.
#[test]
fn a_terminal_whose_versions_are_used_up_brings_its_next_key_under_a_new_exchange_key() {
    let mut switch = with_module();
    bring_exchange(&switch, "terminal.HN000001.exchange", "5A");
    write(switch.dir.path(), "block", &pin_block_of(0x5A, 98, 1));
    let block = switch.path("block");
    switch.told(&["keys", "import", "terminal.HN000001.pin", "--block", block.to_str().unwrap()]);

    let addresses = switch.start();
    let dial = |addresses: &Value| {
        let mut terminal = TcpStream::connect(address(addresses, "terminals")).unwrap();
        assert_eq!(exchange(&mut terminal, &network("001", 1)).unwrap().text(39), Some("00"));
        terminal
    };
    let mut terminal = dial(&addresses);
    let old = pin_block_of(0x5A, 99, 2);
    assert_eq!(brought(&mut terminal, 2, &old), "00");
    for (stan, version) in [(3, 1), (4, 99)] {
        assert_eq!(brought(&mut terminal, stan, &pin_block_of(0x5A, version, 3)), "88", "version {version}");
    }
    let near_end = |switch: &Switch| -> Value {
        let status: Value = serde_json::from_str(&switch.told(&["status"])).unwrap();
        status["keys_near_end"].clone()
    };
    assert_eq!(near_end(&switch), 1);
    assert!(page(&addresses, "/metrics").contains("atm_switch_keys_near_end 1\n"));
    let stderr = std::fs::read_to_string(switch.path("stderr")).unwrap();
    assert!(stderr.contains("bring a new terminal.HN000001.exchange"), "{stderr}");
    let listed = switch.told(&["keys", "list", "--json"]);
    let pin: Value = serde_json::from_str(listed.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&pin["version"], &pin["exchange_version"]), (&Value::from("99"), &Value::from("01")));
    assert_eq!(pin["near_end"], true);

    bring_exchange(&switch, "terminal.HN000001.exchange", "5C");
    assert_eq!(brought(&mut terminal, 5, &old), "00", "the exchange key of before is in use until SIGHUP");
    switch.signal("HUP");
    let since = Instant::now();
    while near_end(&switch) != 0 {
        assert!(since.elapsed() < PATIENCE, "the new exchange key is not taken up");
    }
    assert_eq!(brought(&mut terminal, 6, &old), "88", "a block of before");
    assert_eq!(brought(&mut terminal, 7, &pin_block_of(0x5C, 11, 4)), "88", "more than 10 above none");
    assert_eq!(brought(&mut terminal, 8, &pin_block_of(0x5C, 1, 1)), "88", "a key of before");
    let first = pin_block_of(0x5C, 1, 4);
    assert_eq!(brought(&mut terminal, 9, &first), "00");
    switch.end("KILL");
    let mut terminal = dial(&switch.start());
    for (stan, block, code) in
        [(10, &first, "00"), (11, &old, "88"), (12, &pin_block_of(0x5C, 2, 5), "00"), (13, &first, "88")]
    {
        assert_eq!(brought(&mut terminal, stan, block), code, "{stan}");
    }
    let listed = switch.told(&["keys", "list"]);
    assert!(
        listed.contains("terminal.HN000001.pin  version 02  ") && listed.contains("under exchange key 02")
    );
}

#[test]
fn a_key_that_was_sent_and_whose_answer_was_lost_is_taken_into_use_by_hand() {
    let mut switch = with_module();
    bring_exchange(&switch, "bank.970418.exchange", "5A");
    // As a running switch has left it, which gave the exchange up.
    let sealing = hsm::Sealing::key_file(SEALED_UNDER.as_bytes()).unwrap();
    let module = hsm::SoftwareHsm::open(&switch.path("hsm.keys"), sealing).unwrap();
    let name = "bank.970418.mac-from-switch";
    let kind = hsm::KeyKind { algorithm: keys::KeyAlgorithm::Hmac, bytes: 32 };
    let offer = hsm::Hsm::offer_key(&module, name.parse().unwrap(), kind, 1).unwrap();
    switch.start();
    let stderr = std::fs::read_to_string(switch.path("stderr")).unwrap();
    let told =
        format!("where its owner has it, keys use {name} --check-value {}, and SIGHUP", offer.check_value);
    assert!(stderr.contains("WARN") && stderr.contains(&told), "{stderr}");
    switch.end("KILL");
    let take = |check_value: &str| switch.command(&["keys", "use", name, "--check-value", check_value]);
    let listed = switch.told(&["keys", "list"]);
    let line = listed.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line.contains("version 01  M7 Hmac of 32 bytes"), "{listed}");
    assert!(line.contains(&offer.check_value.to_string()), "{listed}");
    assert!(line.ends_with("offered since 1970-01-01T00:00:01Z, not in use yet"), "{listed}");
    let listed = switch.told(&["keys", "list", "--json"]);
    let object: Value =
        serde_json::from_str(listed.lines().find(|line| line.contains(name)).unwrap()).unwrap();
    assert_eq!((&object["offered"], &object["before"]), (&Value::from(true), &Value::Null));
    for (wrong, reason) in [("1A2B3C", "no key of check value 1A2B3C is offered"), ("x", "is no check value")]
    {
        let refused = String::from_utf8(take(wrong).stderr).unwrap();
        assert!(refused.contains(reason), "{refused}");
    }
    let value = offer.check_value.to_string();
    let used = String::from_utf8(take(&value).stdout).unwrap();
    assert!(used.starts_with(name) && used.contains("version 01") && used.contains(&value), "{used}");
    assert!(!take(&value).status.success(), "once");
    assert!(switch.told(&["keys", "list"]).contains(&used));
    let audit = audit(&switch);
    assert_eq!(audit.matches("keys use").count(), 6, "{audit}");

    // One that the switch makes MACs with is kept for its owner as well; what its owner makes them with need not be.
    let rotated = switch.told(&["keys", "rotate", name]);
    let lines: Vec<&str> = rotated.lines().collect();
    assert!(lines[0].contains("version 02") && lines[0].ends_with("not in use yet"), "{rotated}");
    let again = switch.told(&["keys", "rotate", name]);
    assert_eq!(again.lines().take(2).collect::<Vec<_>>(), lines[..2], "the same, in another block");
    let listed = switch.told(&["keys", "list"]);
    assert!(listed.contains(&used) && listed.contains(lines[0]), "{listed}");
    let theirs = "bank.970418.mac-to-switch";
    switch.told(&["keys", "generate", theirs]);
    let rotated = switch.told(&["keys", "rotate", theirs]);
    assert!(rotated.contains("version 02") && !rotated.contains("not in use yet"), "{rotated}");
}

/// One that two owners had let each read the keys that were sent to the other.
#[test]
fn an_exchange_key_that_another_owner_has_is_refused_by_hand() {
    let switch = with_module();
    bring_exchange(&switch, "bank.970418.exchange", "5A");
    let output = brought_by_people(&switch, "terminal.HN000001.exchange", "5A");
    let refused = String::from_utf8(output.stderr).unwrap();
    let says = "terminal.HN000001.exchange: another owner has this key: have another one made, and bring that: \
                keys import terminal.HN000001.exchange; nothing was taken";
    assert!(!output.status.success() && refused.contains(says) && !refused.contains("970418"), "{refused}");
    let listed = switch.told(&["keys", "list"]);
    assert!(listed.lines().count() == 1 && !listed.contains("another owner"), "{listed}");
    bring_exchange(&switch, "terminal.HN000001.exchange", "5C");
    let audit = audit(&switch);
    assert!(
        audit.contains("\"stage\":\"failed\"") && audit.contains("another owner has this key"),
        "{audit}"
    );
}

/// A file that was written before that was refused, with one exchange key for `bank.970418` and `terminal.HN000001`, sealed under
/// [`SEALED_UNDER`].
const ONE_KEY_OF_TWO: &[u8] = include_bytes!("../../../../tests/golden/keys/one-key-of-two.keys");

#[test]
fn a_file_with_one_key_for_two_owners_is_an_alarm_and_no_hindrance() {
    let mut switch = with_module();
    std::fs::write(switch.path("hsm.keys"), ONE_KEY_OF_TWO).unwrap();
    let addresses = switch.start();
    let metric = |wanted: u8| {
        let since = Instant::now();
        while !page(&addresses, "/metrics").contains(&format!("atm_switch_keys_shared {wanted}\n")) {
            assert!(since.elapsed() < PATIENCE, "{wanted} keys are told of");
        }
    };
    metric(2);
    const ALIKE: &str = "another owner has this key";
    let stderr = || std::fs::read_to_string(switch.path("stderr")).unwrap();
    let since = Instant::now();
    // The lines come behind the number.
    while stderr().matches(ALIKE).count() < 2 {
        assert!(since.elapsed() < PATIENCE, "the log tells of both");
    }
    let stderr = stderr();
    let names = ["terminal.HN000001.exchange", "bank.970418.exchange"];
    for name in names {
        let told = |line: &str| {
            let next = format!(
                "another owner has this key: have another one made, and bring that: keys import {name}"
            );
            line.contains("ERROR") && line.contains(&next)
        };
        assert_eq!(stderr.lines().filter(|line| told(line)).count(), 1, "{stderr}");
    }
    let listed = switch.told(&["keys", "list"]);
    assert_eq!(
        listed.lines().filter(|line| line.ends_with("  another owner has this key")).count(),
        2,
        "{listed}"
    );

    bring_exchange(&switch, names[0], "5A");
    bring_exchange(&switch, names[1], "5C");
    assert!(!switch.told(&["keys", "list"]).contains("another owner"));
    switch.signal("HUP");
    metric(0);
}

/// A payShield shows of its keys no more than check values: it is taken, and people are told to look.
#[test]
fn an_exchange_key_with_the_check_value_of_another_owners_is_told_of_with_a_payshield() {
    let mut switch = Switch::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let machine = simulators::payshield::Machine::new(1).unwrap();
    let token = |value: u8| {
        let (usage, mode) = (keys::KeyUsage::KeyBlockProtection, keys::ModeOfUse::Both);
        let key = keys::BoundKey::new(usage, mode, keys::KeyAlgorithm::Aes, &[value; 32]).unwrap();
        machine.token(&key).unwrap()
    };
    for (file, value) in [("one", 0x5A), ("other", 0x5B)] {
        write(switch.dir.path(), file, &token(value));
    }
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let handle = runtime.block_on(simulators::payshield::start(machine, listen)).unwrap();
    let mut config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    config +=
        &format!("[hsm]\nkind = \"payshield\"\naddresses = [\"{}\"]\nfile = \"box.keys\"\n", handle.addr());
    write(switch.dir.path(), "atm-switch.toml", &config);
    switch.told(&["keys", "create"]);
    let bring = |switch: &Switch, name: &str, file: &str| {
        let file = switch.path(file);
        let output = switch.command(&["keys", "import", name, "--block", file.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    };
    const ALIKE: &str = "another owner's exchange key has this check value";
    assert!(!bring(&switch, "bank.970418.exchange", "one").contains(ALIKE));
    let told = bring(&switch, "terminal.HN000001.exchange", "one");
    assert!(told.contains("WARN") && told.contains(ALIKE) && !told.contains("970418"), "{told}");
    assert_eq!(switch.told(&["keys", "list"]).matches(ALIKE).count(), 2);
    let listed = switch.told(&["keys", "list", "--json"]);
    let shared = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["shared"].clone());
    assert_eq!(shared.collect::<Vec<_>>(), [true, true]);
    switch.start();
    let since = Instant::now();
    let warned = || std::fs::read_to_string(switch.path("stderr")).unwrap().matches(ALIKE).count();
    while warned() < 2 {
        assert!(since.elapsed() < PATIENCE, "the log tells of both");
    }

    // The one that had it keeps it as the key before: who has it in use is told of still.
    assert!(!bring(&switch, "bank.970418.exchange", "other").contains(ALIKE));
    let listed = switch.told(&["keys", "list"]);
    let alike: Vec<&str> = listed.lines().filter(|line| line.contains(ALIKE)).collect();
    assert!(alike.len() == 1 && alike[0].starts_with("terminal.HN000001.exchange"), "{listed}");
}
