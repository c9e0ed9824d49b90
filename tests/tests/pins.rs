//! PINs from a pad through the switch's security module to the bank that checks them, with the switch as its own process and
//! its keys brought by `atm-switch keys`.
#![allow(clippy::unwrap_used)]

use keys::{
    Attributes, BoundKey, Expected, Exportability, KeyAlgorithm, KeyBlockKey, KeyUsage, KeyVersion,
    ModeOfUse, PinFormat,
};
use simulators::bank::no_faults;
use simulators::exchange::ExchangeKey;
use simulators::pins::{PinCheck, PinPad, Pins, pin_key};
use simulators::terminal::{Order, Steps, What};
use tests::world::{BANK_EXCHANGE_KEY, PinSetting, SEED, TERMINAL_EXCHANGE_KEY, World, bring_exchange_key};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const PAD: [u8; 16] = *b"the pad's key: 1";
const BANK: [u8; 16] = *b"the bank's key 1";

fn exchange(key: &[u8; 32]) -> KeyBlockKey {
    let key = BoundKey::new(KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes, key);
    KeyBlockKey::new(&key.unwrap()).unwrap()
}

/// The bank's end of its exchange key.
fn at_bank() -> KeyBlockKey {
    exchange(&BANK_EXCHANGE_KEY)
}

/// A key's name, and the block in which it comes, under the terminal's or the bank's exchange key.
fn block(name: &str, key: &BoundKey, version: u8) -> (String, String) {
    let of_terminal = name.starts_with("terminal.");
    let under = exchange(if of_terminal { &TERMINAL_EXCHANGE_KEY } else { &BANK_EXCHANGE_KEY });
    let version = KeyVersion::new(version).unwrap();
    let attributes =
        Attributes { version, exportability: Exportability::NonExportable, optional: Vec::new() };
    (name.to_owned(), under.wrap(key, &attributes, &[9; keys::KEY_BLOCK_RANDOM_BYTES]).unwrap())
}

fn check(format: PinFormat) -> PinCheck {
    PinCheck::new(&pin_key(format, &BANK).unwrap(), format, Pins::new(SEED)).unwrap()
}

/// A pad with one triple DES key, a bank that wants another format.
fn fixed(format: PinFormat) -> PinSetting {
    let key = pin_key(PinFormat::Iso0, &PAD).unwrap();
    PinSetting {
        pad: PinPad::fixed(&key, PinFormat::Iso0).unwrap(),
        check: check(format),
        format: format.number(),
        payshield: None,
        blocks: vec![
            block("terminal.HN000001.pin", &key, 1),
            block("bank.970418.pin", &pin_key(format, &BANK).unwrap(), 1),
        ],
    }
}

/// A pad that derives AES keys.
fn derived() -> PinSetting {
    let initial = BoundKey::new(KeyUsage::DukptInitial, ModeOfUse::Derive, KeyAlgorithm::Aes, &PAD).unwrap();
    PinSetting {
        blocks: vec![
            block("terminal.HN000001.derivation", &initial, 1),
            block("bank.970418.pin", &pin_key(PinFormat::Iso0, &BANK).unwrap(), 1),
        ],
        pad: PinPad::aes_dukpt(initial, *b"HN000001"),
        ..fixed(PinFormat::Iso0)
    }
}

/// DE39 of a visit.
async fn code(world: &mut World, what: What, amount_vnd: u64, change: impl FnOnce(&mut Order)) -> String {
    let mut order = world.order(0, what, amount_vnd, Steps::Two);
    change(&mut order);
    let finished = world.terminal.perform(order).await.unwrap();
    String::from_utf8(finished.code.unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_translated_and_the_bank_knows_it() {
    for setting in [fixed(PinFormat::Iso4), derived()] {
        let mut world = World::start_with_pins(no_faults(), setting).await;
        for (what, amount) in [(What::Withdrawal, 500_000), (What::Balance, 0)] {
            assert_eq!(code(&mut world, what, amount, |_| ()).await, "00");
        }
        let mistyped =
            |order: &mut Order| order.pin = order.pin.as_ref().map(simulators::pins::Pin::mistyped);
        assert_eq!(code(&mut world, What::Withdrawal, 500_000, mistyped).await, "55");
        assert_eq!(code(&mut world, What::Withdrawal, 500_000, |order| order.pin = None).await, "55");
        world.settled().await;
        assert_eq!(world.net_minor(), 500_000);
        assert_eq!(world.entries().iter().filter(|entry| entry.code.as_ref() == "55").count(), 1);
        assert!(world.switch.end("TERM").success());
        let audit = world.audit();
        assert!(audit.is_clean(), "{:?}", audit.findings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exchanged_rotated_and_never_shown() {
    let mut world = World::start_with_pins(no_faults(), fixed(PinFormat::Iso0)).await;
    assert_eq!(code(&mut world, What::Withdrawal, 500_000, |_| ()).await, "00");
    let listed = world.switch.told(&["keys", "list"]);
    let check_value = pin_key(PinFormat::Iso0, &BANK).unwrap().check_value().to_string();
    assert!(
        listed.contains(&format!(
            "bank.970418.pin  version 01  P0 Tdes of 16 bytes  check value {check_value}"
        ))
    );

    // The bank takes the next key in before the switch uses it.
    let rotated = world.switch.told(&["keys", "rotate", "bank.970418.pin"]);
    let [line, then, printed] = rotated.lines().collect::<Vec<_>>().try_into().unwrap();
    let expected = Expected { usage: KeyUsage::PinEncryption, version_min: KeyVersion::new(2).unwrap() };
    let taken = at_bank().unwrap(printed.as_bytes(), expected).unwrap();
    assert!(
        line.contains(&format!("version 02  P0 Tdes of 16 bytes  check value {}", taken.key.check_value()))
    );
    assert_eq!(world.switch.told(&["keys", "export", "bank.970418.pin"]).len(), printed.len() + 1);
    let next = PinCheck::new(&taken.key, PinFormat::Iso0, Pins::new(SEED)).unwrap();
    world.bank.set_pins(next).await;
    assert_eq!(code(&mut world, What::Withdrawal, 500_000, |_| ()).await, "57", "88 of a bank is told as 57");
    let value = taken.key.check_value().to_string();
    let told = format!(
        "bring bank.970418 the block; when it has taken it in: keys use bank.970418.pin --check-value {value}, and SIGHUP"
    );
    assert_eq!(then, told);
    world.switch.told(&["keys", "use", "bank.970418.pin", "--check-value", &value]);
    world.switch.signal("HUP");
    let since = std::time::Instant::now();
    while code(&mut world, What::Withdrawal, 500_000, |_| ()).await != "00" {
        assert!(since.elapsed() < tests::world::PATIENCE, "the new key is not taken up");
    }

    // What is refused changes nothing.
    let dir = world.dir().to_owned();
    let refused = |name: &str, text: &str| {
        tests::program::write_private(&dir.join("refused"), text).unwrap();
        let file = dir.join("refused").to_string_lossy().into_owned();
        let output = world.switch.command(&["keys", "import", name, "--block", &file]);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let (_, old) = block("bank.970418.pin", &pin_key(PinFormat::Iso0, &BANK).unwrap(), 1);
    let before = world.switch.told(&["keys", "list"]);
    assert!(refused("bank.970418.pin", &old).contains("version"));
    assert!(refused("bank.970418.mac-to-switch", &old).contains("the key block's key is for PinEncryption"));
    assert!(refused("bank.970415.pin", &old).contains("there is no key bank.970415.exchange"));
    assert_eq!(world.switch.told(&["keys", "list"]), before);

    let audit = std::fs::read_to_string(dir.join("log/switch-audit.jsonl")).unwrap();
    let acts: Vec<&str> = audit.lines().filter(|line| line.contains("\"keys ")).collect();
    let at = |stage: &str| acts.iter().filter(|act| act.contains(&format!("\"stage\":\"{stage}\""))).count();
    assert_eq!([at("intent"), at("offered"), at("done"), at("failed")], [11, 1, 7, 3], "{acts:#?}");
    world.settled().await;
    assert!(world.switch.end("TERM").success());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let secrets = [
        &PAD[..],
        &BANK,
        &TERMINAL_EXCHANGE_KEY,
        &BANK_EXCHANGE_KEY,
        taken.key.bytes(),
        b"a passphrase of this world",
    ];
    let shown = [rotated, before, audit, world.switch.stderr()].concat().to_uppercase();
    for secret in secrets {
        let text = String::from_utf8_lossy(secret).to_uppercase();
        assert!(!shown.contains(&hex(secret)) && !shown.contains(&text), "a key is shown");
    }
}

/// It stood in the file as the newest, and any start took it into use: every PIN of the bank was refused, and nothing led back.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_rotated_by_hand_waits_until_its_bank_has_taken_it_in() {
    let mut world = World::start_with_pins(no_faults(), fixed(PinFormat::Iso0)).await;
    let rotated = world.switch.told(&["keys", "rotate", "bank.970418.pin"]);
    world.settled().await;
    world.kill_and_restart();
    world.bank_ready().await;
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "behind a restart");
    world.switch.signal("HUP");
    let since = std::time::Instant::now();
    while !world.switch.stderr().contains("configuration read again") {
        assert!(since.elapsed() < tests::world::PATIENCE, "SIGHUP is not heard");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "behind a SIGHUP");
    let again = world.switch.told(&["keys", "rotate", "bank.970418.pin"]);
    assert_eq!(again.lines().next(), rotated.lines().next(), "the same key, for a block that was lost");

    let expected = Expected { usage: KeyUsage::PinEncryption, version_min: KeyVersion::new(2).unwrap() };
    let taken = at_bank().unwrap(again.lines().last().unwrap().as_bytes(), expected).unwrap();
    world.bank.set_pins(PinCheck::new(&taken.key, PinFormat::Iso0, Pins::new(SEED)).unwrap()).await;
    let value = taken.key.check_value().to_string();
    world.switch.told(&["keys", "use", "bank.970418.pin", "--check-value", &value]);
    world.settled().await;
    world.kill_and_restart();
    world.bank_ready().await;
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "under the new one");
    world.settled().await;
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
}

/// Both ends use what the switch sends: PINs and MACs go on, across a restart too.
#[tokio::test(flavor = "multi_thread")]
async fn the_switch_sends_keys_and_both_ends_use_them() {
    let mut world = World::start_with_pins(no_faults(), fixed(PinFormat::Iso0)).await;
    assert_eq!(code(&mut world, What::Withdrawal, 500_000, |_| ()).await, "00");
    let names = ["pin", "mac-to-switch", "mac-from-switch"];
    for (round, version) in ["02", "03"].into_iter().enumerate() {
        for owner in ["terminal.HN000001", "bank.970418"] {
            for role in names {
                let name = format!("{owner}.{role}");
                assert_eq!(world.switch.told(&["keys", "rotate", &name, "--send"]), "done\n");
                let listed = world.switch.told(&["keys", "list"]);
                // The first of a link's MACs has none before it in the module.
                let expected = if role == "pin" { version } else { ["01", "02"][round] };
                assert!(listed.contains(&format!("{name}  version {expected}  ")), "{listed}");
                assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "after {name}");
            }
        }
        world.settled().await;
        world.kill_and_restart();
        world.bank_ready().await;
        assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "behind a restart");
    }
    let refused = world.switch.command(&["keys", "rotate", "terminal.HN000009.pin", "--send"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not connected and signed on"));
    let refused = world.switch.command(&["keys", "rotate", "bank.970418.exchange", "--send"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("keys for PINs and MACs are sent, no other"));

    let audit = std::fs::read_to_string(world.dir().join("log/switch-audit.jsonl")).unwrap();
    let at = |act: &str, stage: &str| {
        let act = format!("\"act\":\"{act}\"");
        audit.lines().filter(|line| line.contains(&act) && line.contains(stage)).count()
    };
    assert_eq!([at("keys send", "\"offered\""), at("keys use", "\"done\"")], [12, 12], "{audit}");
    world.settled().await;
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
}

/// What a command that has to be refused says.
fn refused(world: &World, arguments: &[&str]) -> String {
    let output = world.switch.command(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Versions ended with 99, and nothing led back; the PINs of that day and of the next are read all the while.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_exchange_key_begins_versions_anew_while_pins_go_on() {
    let mut setting = fixed(PinFormat::Iso0);
    setting.blocks[1] = block("bank.970418.pin", &pin_key(PinFormat::Iso0, &BANK).unwrap(), 99);
    let mut world = World::start_with_pins(no_faults(), setting).await;
    let send = ["keys", "rotate", "bank.970418.pin", "--send"];
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00");
    world.status("the last version", |status| status["keys_near_end"] == 1).await;
    assert!(world.switch.told(&["keys", "list"]).contains("near its last version, 99\n"));
    let used_up = refused(&world, &send);
    assert!(
        used_up.contains("version 99, the last one under its exchange key: bring a new bank.970418.exchange")
    );

    let owner = "bank.970418";
    let again = bring_again(&world, owner);
    assert!(again.contains("bank.970418.exchange: this very key was there before"), "{again}");
    bring_exchange_key(world.dir(), &world.switch, owner, &[0x3D; 32], false);
    assert!(refused(&world, &send).contains("version 99"), "it is not taken up yet");
    world.switch.signal("HUP");
    world.status("begun anew", |status| status["keys_near_end"] == 0).await;
    let early = refused(&world, &send);
    assert!(early.contains("refused with 88"), "the bank has the old one still: {early}");
    let listed = world.switch.told(&["keys", "list"]);
    assert!(
        listed.contains("bank.970418.pin  version 99  ") && listed.contains("under exchange key 01"),
        "{listed}"
    );
    let offered: Vec<&str> = listed.lines().filter(|line| line.ends_with("not in use yet")).collect();
    assert_eq!(offered.len(), 1, "{listed}");
    assert!(
        offered[0].starts_with("bank.970418.pin  version 01  ")
            && offered[0].contains("under exchange key 02")
    );
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "under the old one");

    world.settled().await;
    world.kill_and_restart();
    world.bank_ready().await;
    world.bank.set_exchange(ExchangeKey::new(&[0x3D; 32]).unwrap()).await;
    for version in ["01", "02"] {
        assert_eq!(world.switch.told(&send), "done\n");
        let listed = world.switch.told(&["keys", "list"]);
        assert!(listed.contains(&format!("bank.970418.pin  version {version}  ")), "{listed}");
        assert!(!listed.contains("not in use yet"), "{listed}");
        assert_eq!(
            code(&mut world, What::Withdrawal, 100_000, |_| ()).await,
            "00",
            "under version {version}"
        );
    }
    let (_, old) = block("bank.970418.pin", &pin_key(PinFormat::Iso0, b"another bank's 1").unwrap(), 99);
    tests::program::write_private(&world.dir().join("old"), &old).unwrap();
    let file = world.dir().join("old").to_string_lossy().into_owned();
    let back = refused(&world, &["keys", "import", "bank.970418.pin", "--block", &file]);
    assert!(back.contains("the key block's MAC is wrong"), "{back}");
    world.settled().await;
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
}

/// The exchange key that is there already, brought once more.
fn bring_again(world: &World, owner: &str) -> String {
    let file = |name: &str| world.dir().join(name).to_string_lossy().into_owned();
    let (first, second) = (file("first"), file("second"));
    refused(world, &["keys", "import", &format!("{owner}.exchange"), "--part", &first, "--part", &second])
}

/// A payShield makes the keys that leave, and both ends use them.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_payshield_are_sent_over_links() {
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let machine = simulators::payshield::Machine::new(1).unwrap();
    let the_box = simulators::payshield::start(machine, listen).await.unwrap();
    let setting = PinSetting { payshield: Some(the_box.addr()), ..fixed(PinFormat::Iso4) };
    let mut world = World::start_with_pins(no_faults(), setting).await;
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00");
    for version in ["02", "03"] {
        for owner in ["terminal.HN000001", "bank.970418"] {
            let name = format!("{owner}.pin");
            assert_eq!(world.switch.told(&["keys", "rotate", &name, "--send"]), "done\n");
            let listed = world.switch.told(&["keys", "list"]);
            assert!(listed.contains(&format!("{name}  version {version}  ")), "{listed}");
            assert!(!listed.contains("not in use yet"), "{listed}");
            assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "after {name}");
        }
        world.settled().await;
        world.kill_and_restart();
        world.bank_ready().await;
        assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "behind a restart");
    }
    let mac = refused(&world, &["keys", "rotate", "bank.970418.mac-to-switch", "--send"]);
    assert!(
        mac.contains("not with this security module: links' MACs, which stay under the keys of the key file")
    );
    world.settled().await;
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
}

/// With `rotate_days` a payShield's keys for PINs that have come of age are made anew, sent and taken into use, and nobody has to ask for it.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_payshield_that_are_old_enough_are_sent_by_themselves() {
    const DAYS: i64 = 30;
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let machine = simulators::payshield::Machine::new(1).unwrap();
    let the_box = simulators::payshield::start(machine, listen).await.unwrap();
    let setting = PinSetting { payshield: Some(the_box.addr()), ..fixed(PinFormat::Iso4) };
    let mut world = World::start_with_pins(no_faults(), setting).await;
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00");
    world.settled().await;

    // A month goes by: the file says since when each key is used.
    let config = world.dir().join("atm-switch.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let with_days =
        text.replacen("kind = \"payshield\"\n", &format!("kind = \"payshield\"\nrotate_days = {DAYS}\n"), 1);
    assert_ne!(with_days, text);
    tests::program::write_private(&config, &with_days).unwrap();
    let tokens = world.dir().join("hsm.keys");
    let mut aged = 0;
    let lines: Vec<String> = std::fs::read_to_string(&tokens)
        .unwrap()
        .lines()
        .map(|line| {
            let words = line.split(' ').map(|word| match word.strip_prefix("since=") {
                Some(since) if line.contains(".pin ") => {
                    aged += 1;
                    format!("since={}", since.parse::<i64>().unwrap() - DAYS * 86_400)
                }
                _ => word.to_owned(),
            });
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(aged, 2, "the terminal's and the bank's");
    tests::program::write_private(&tokens, &(lines.join("\n") + "\n")).unwrap();
    world.kill_and_restart();
    world.bank_ready().await;
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "under the old ones");

    let names = ["terminal.HN000001.pin", "bank.970418.pin"];
    let mut listed = String::new();
    for _ in 0..600 {
        listed = world.switch.told(&["keys", "list"]);
        if names.iter().all(|name| listed.contains(&format!("{name}  version 02  "))) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    for name in names {
        let told = world.switch.stderr();
        assert!(listed.contains(&format!("{name}  version 02  ")), "{listed}{told}");
    }
    assert!(!listed.contains("not in use yet"), "{listed}");
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "under the new ones");
    let audit = std::fs::read_to_string(world.dir().join("log/switch-audit.jsonl")).unwrap();
    let at = |act: &str, stage: &str| {
        let act = format!("\"act\":\"{act}\"");
        audit.lines().filter(|line| line.contains(&act) && line.contains(stage)).count()
    };
    assert_eq!([at("keys send", "\"offered\""), at("keys use", "\"done\"")], [2, 2], "{audit}");
    world.settled().await;
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
}

/// Stands between the switch and its bank: what the bank says waits while it is shut.
async fn gate(bank: std::net::SocketAddr) -> (std::net::SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (shut, is_shut) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((switch, _)) = listener.accept().await {
            let mut is_shut = is_shut.clone();
            let bank = TcpStream::connect(bank).await.unwrap();
            let ((mut from_switch, mut to_switch), (mut from_bank, mut to_bank)) =
                (switch.into_split(), bank.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut from_switch, &mut to_bank).await });
            tokio::spawn(async move {
                let mut bytes = [0; 4_096];
                while let Ok(length @ 1..) = from_bank.read(&mut bytes).await {
                    let is_open = is_shut.wait_for(|is_shut| !is_shut).await.is_ok();
                    if !is_open || to_switch.write_all(&bytes[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (at, shut)
}

/// How many lines of the audit say this act and stage.
fn acts(world: &World, act: &str, stage: &str) -> usize {
    let audit = std::fs::read_to_string(world.dir().join("log/switch-audit.jsonl")).unwrap();
    let (act, stage) = (format!("\"act\":\"{act}\""), format!("\"stage\":\"{stage}\""));
    audit.lines().filter(|line| line.contains(&act) && line.contains(&stage)).count()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = std::time::Instant::now();
    while !is_so() {
        assert!(since.elapsed() < tests::world::PATIENCE, "not {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A command holds the file's lock as the 0810 comes: the bank has the key, and the switch has to take it into use all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_its_bank_has_is_not_lost_to_a_command_that_holds_the_file() {
    const NAME: &str = "bank.970418.pin";
    let mut world = World::start_with_pins(no_faults(), fixed(PinFormat::Iso0)).await;
    let (at, shut) = gate(world.bank.addr()).await;
    let config = world.dir().join("atm-switch.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let through = text.replace(&world.bank.addr().to_string(), &at.to_string());
    assert_ne!(through, text);
    tests::program::write_private(&config, &through).unwrap();
    world.kill_and_restart();
    world.bank_ready().await;
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00");
    let lock = std::fs::File::open(world.dir().join("hsm.lock")).unwrap();
    let version = |world: &World, version: u8| {
        let listed = world.switch.told(&["keys", "list"]);
        let line = |from: &str| listed.lines().find(|line| line.starts_with(from)).map(str::to_owned);
        line(&format!("{NAME}  version {version:02}  ")).unwrap_or_default()
    };

    // Given back while it is tried again: the command ends well.
    shut.send_replace(true);
    let mut sending = world.switch.begin(&["keys", "rotate", NAME, "--send"]);
    until("offered", || acts(&world, "keys send", "offered") == 1).await;
    lock.lock().unwrap();
    shut.send_replace(false);
    until("tried", || acts(&world, "keys use", "intent") == 1).await;
    // For fewer tries than there are.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(sending.try_wait().unwrap().is_none(), "it is tried again");
    lock.unlock().unwrap();
    assert!(sending.wait().unwrap().success());
    assert_eq!([acts(&world, "keys use", "done"), acts(&world, "keys use", "failed")], [1, 0]);
    assert!(version(&world, 2).contains("before it version 01"));
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "under the second");

    // Held for longer than it is tried: an alarm, PINs under the key before, and the same key once more, behind a restart too.
    shut.send_replace(true);
    let mut sending = world.switch.begin(&["keys", "rotate", NAME, "--send"]);
    until("offered", || acts(&world, "keys send", "offered") == 2).await;
    lock.lock().unwrap();
    shut.send_replace(false);
    until("tried", || acts(&world, "keys use", "intent") == 2).await;
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "PINs go on meanwhile");
    assert!(!sending.wait().unwrap().success());
    assert_eq!([acts(&world, "keys use", "done"), acts(&world, "keys use", "failed")], [1, 1]);
    let told = world.switch.stderr();
    assert!(
        told.contains("its owner has the key, and it is not in use here") && told.contains("NotUsed"),
        "{told}"
    );
    lock.unlock().unwrap();
    let offered = version(&world, 3);
    assert!(offered.ends_with("not in use yet"), "{offered}");
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "the bank reads both");
    world.settled().await;
    world.kill_and_restart();
    world.bank_ready().await;
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "behind a restart");
    assert_eq!(world.switch.told(&["keys", "rotate", NAME, "--send"]), "done\n");
    let used = version(&world, 3);
    let check_value = |line: &str| line.split("check value ").nth(1).unwrap()[..6].to_owned();
    assert_eq!(check_value(&used), check_value(&offered), "the very key that the bank has");
    assert!(used.contains("before it version 02"), "{used}");
    assert_eq!(code(&mut world, What::Withdrawal, 100_000, |_| ()).await, "00", "under the third");
    world.settled().await;
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
}
