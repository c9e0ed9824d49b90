//! Known values planted in a run of the whole, and looked for in all that the run leaves and tells.
#![allow(clippy::unwrap_used)]

#[path = "secrets/console.rs"]
mod console;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use credential::Pan;
use hsm::{Hsm, KeyRole, Owner, PinTranslation, Sealing, SoftwareHsm};
use iso8583::Dialect;
use journal::LogFiles;
use keys::clear_pin::{ClearPin, encipher_clear_pin};
use keys::{
    Attributes, BoundKey, Exportability, Key, KeyAlgorithm, KeyBlockKey, KeyFile, KeyUsage, KeyVersion,
    LinkCodec, MacAlgorithm, MacKey, ModeOfUse, PinBlock, PinFormat, PinKey, PinPan,
};
use processor::{AccountNumber, LinkedAccount, Transaction};
use sha2::{Digest, Sha256};
use simulators::bank::no_faults;
use simulators::citizens::Country;
use simulators::pins::{Pin, PinCheck, PinPad, Pins, pin_key};
use simulators::terminal::{Fault, Steps, What};
use tests::goldens::goldens;
use tests::planted::{Finding, Planted, search};
use tests::program::{program, write_private};
use tests::world::{
    BANK_EXCHANGE_KEY, CITIZENS, PATIENCE, PinSetting, SEED, TERMINAL_EXCHANGE_KEY, World, bare_keys, number,
};
use tokio::time::timeout;
use zeroize::Zeroizing;

const TO_ACCOUNT: &str = "8600099999";
const PIN_BLOCK: [u8; 8] = [0x8F, 0x1E, 0x2D, 0x3C, 0x4B, 0x5A, 0x69, 0x78];
const LONG_PIN: &str = "730519284615";
const PAD_KEY: [u8; 16] = *b"the pad's key: 1";
const BANK_KEY: [u8; 16] = *b"the bank's key 1";
const PASSWORD: &str = "a lamp by the river";
const GOLDEN_NUMBER: &str = "001203000001";

/// Files of the world's directory that are other people's, or where secrets belong: keys and passphrase stand in files of mode
/// 600, parts and blocks of keys are brought by people, the bank's file comes from the bank, its ledger is the bank's.
const NOT_THE_SWITCHS: [&str; 11] = [
    "keys.toml",
    "signing.pem",
    "passphrase",
    "first",
    "second",
    "block",
    "bank.csv",
    "ledger.jsonl",
    "broken.toml",
    "broken.csv",
    "broken.part",
];

/// What is found in all that a run has left.
#[derive(Default)]
struct Search {
    planted: Vec<Planted>,
    found: BTreeSet<Finding>,
    bytes: usize,
}

impl Search {
    fn plant_text(&mut self, name: &str, value: &str) {
        self.planted.push(Planted::text(name, value));
    }

    fn plant_bytes(&mut self, name: &str, value: &[u8]) {
        self.planted.push(Planted::bytes(name, value));
    }

    fn look(&mut self, place: &str, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.found.extend(search(&self.planted, place, bytes));
    }

    /// Each file below a directory, without the zeros behind a preallocated one's last byte.
    fn look_in(&mut self, dir: &Path) -> usize {
        let mut files = 0;
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                files += self.look_in(&path);
            } else if path.is_file() && !NOT_THE_SWITCHS.contains(&&*name) {
                let mut bytes = fs::read(&path).unwrap();
                bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
                self.look(&path.display().to_string(), &bytes);
                files += 1;
            }
        }
        files
    }

    fn look_at_command(&mut self, arguments: &[&str]) {
        let output = Command::new(program()).args(arguments).output().unwrap();
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{arguments:?} says nothing");
        for bytes in [output.stdout, output.stderr] {
            self.look(&format!("atm-switch {}", arguments.join(" ")), &bytes);
        }
    }
}

/// The key file's keys, by their lines.
fn keys_of(text: &str) -> Vec<(String, Vec<u8>)> {
    let quoted = text.lines().filter_map(|line| line.split_once(" = \""));
    quoted
        .map(|(name, hex)| {
            (name.to_owned(), Key::from_hex(hex.trim_end_matches('"')).unwrap().bytes().to_vec())
        })
        .collect()
}

/// A pad with a triple DES key, a bank with an AES key.
fn pins() -> PinSetting {
    let attributes = Attributes {
        version: KeyVersion::new(1).unwrap(),
        exportability: Exportability::NonExportable,
        optional: Vec::new(),
    };
    let block = |exchange: &[u8; 32], key: &BoundKey| {
        let usage = KeyUsage::KeyBlockProtection;
        let exchange = BoundKey::new(usage, ModeOfUse::Both, KeyAlgorithm::Aes, exchange).unwrap();
        let exchange = KeyBlockKey::new(&exchange).unwrap();
        exchange.wrap(key, &attributes, &[9; keys::KEY_BLOCK_RANDOM_BYTES]).unwrap()
    };
    let pad = pin_key(PinFormat::Iso0, &PAD_KEY).unwrap();
    let bank = pin_key(PinFormat::Iso4, &BANK_KEY).unwrap();
    PinSetting {
        pad: PinPad::fixed(&pad, PinFormat::Iso0).unwrap(),
        check: PinCheck::new(&bank, PinFormat::Iso4, Pins::new(SEED)).unwrap(),
        format: PinFormat::Iso4.number(),
        payshield: None,
        blocks: vec![
            ("terminal.HN000001.pin".to_owned(), block(&TERMINAL_EXCHANGE_KEY, &pad)),
            ("bank.970418.pin".to_owned(), block(&BANK_EXCHANGE_KEY, &bank)),
        ],
    }
}

async fn serve(
    world: &mut World,
    what: What,
    amount_vnd: u64,
    steps: Steps,
    account: bool,
) -> [Option<Box<str>>; 2] {
    let mut order = world.order(0, what.clone(), amount_vnd, steps);
    order.from_account = account.then(|| "8600012340".into());
    order.fault = (amount_vnd == 700_000).then_some(Fault::DispenseNothing);
    let finished = timeout(PATIENCE, world.terminal.perform(order)).await.unwrap().unwrap();
    assert_eq!(finished.code, Some(*b"00"), "{what:?}");
    [finished.told.amounts, finished.told.statement]
}

fn http(address: &str, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = Vec::new();
    stream.read_to_end(&mut page).unwrap();
    assert!(page.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&page));
    page
}

/// Golden messages with a PIN block and personal data: signed well, signed badly, and with a byte too few.
fn send_golden_messages(world: &World) {
    for golden in goldens("ascii-1987") {
        let message = Dialect::ascii_1987().parse(&golden.bytes).unwrap().to_message();
        if !golden.name.starts_with("0200-") {
            continue;
        }
        let mut good = Vec::new();
        LinkCodec::terminal().send(&message, Some(&bare_keys()), &mut good).unwrap();
        let mut forged = good.clone();
        *forged.last_mut().unwrap() ^= 1;
        let mut short = good.clone();
        short.truncate(good.len() - 40);
        let length = (short.len() - 2) as u16;
        short[..2].copy_from_slice(&length.to_be_bytes());
        for frame in [good, forged, short] {
            let mut stream = TcpStream::connect(world.terminals).unwrap();
            stream.write_all(&frame).unwrap();
            let mut answer = [0; 2];
            // It answers, or closes.
            let _ = stream.read_exact(&mut answer);
        }
    }
}

/// What commands say of key files and bank's files in which something is wrong, near each key and each number.
fn look_at_mistakes(search: &mut Search, dir: &Path, keys: &str) {
    let config = fs::read_to_string(dir.join("atm-switch.toml")).unwrap();
    let path = dir.join("with-mistakes.toml");
    let config = config.replace("\"keys.toml\"", "\"broken.toml\"");
    fs::write(&path, config).unwrap();
    let lines: Vec<&str> = keys.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = \"")) {
        let spoiled = [
            line.trim_end_matches('"').to_owned(),
            line.replace('"', ""),
            line[..line.len() - 2].to_owned() + "\"",
            format!("{line}\n{line}"),
            line.replacen(" = ", "_x = ", 1),
        ];
        for spoiled in spoiled {
            let mut lines: Vec<&str> = lines.clone();
            lines[at] = &spoiled;
            write_private(&dir.join("broken.toml"), &lines.join("\n")).unwrap();
            let output = Command::new(program()).arg("check").arg(&path).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{line} spoiled");
            search.look("check of a key file with a mistake", &output.stdout);
            search.look("check of a key file with a mistake", &output.stderr);
        }
    }
    let number = number(0);
    let lines = [
        format!("{number}x,8600012340,1"),
        format!("{number},86000123408600012340860001234086000,1"),
        format!("{number},8600012340"),
        format!("{number},8600012340,1\n{number},8600012340,1"),
        format!("{number},8600012340,1,"),
    ];
    for lines in lines {
        let file = dir.join("broken.csv");
        write_private(&file, &format!("{lines}\n")).unwrap();
        let config = dir.join("atm-switch.toml");
        let [file, config] = [file, config].map(|path| path.to_str().unwrap().to_owned());
        search.look_at_command(&[
            "enrolment",
            "import",
            &file,
            "--bank",
            "970418",
            "--strict",
            "--config",
            &config,
        ]);
    }
}

/// Every page and export of the console, for each role; then a day closed with its files, a bank's file with a citizen's number in it, and a
/// search by number. The page that shows one full number for a reason is the only one that has it.
fn look_at_console(search: &mut Search, sealed: &Search, address: &str) {
    search.planted.extend(sealed.planted.iter().filter(|planted| planted.name == "account").cloned());
    let browsers = console::PEOPLE.map(|(name, _)| console::Browser::log_in(address, name, PASSWORD));
    for browser in &browsers {
        let id: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&browser.session[2 * at..2 * at + 2], 16).unwrap()).collect();
        search.plant_bytes("session of a person", &id);
    }
    let [clerk, checker, operator, auditor] = &browsers;
    let place = [("kind", "postings"), ("bank", "970418"), ("day", "2026-05-01"), ("part", "1")];
    let head = "rrn,terminal,stan,sequence,at,amount,direction,currency,day,count\n";
    // Where a bank has put a citizen's number in place of something else.
    let wrong = format!(
        "{head},{},,,2026-05-01 08:00:00,5,D,,,\n,,,,{},5,D,,,\n,,,,2026-05-01 08:00:00,5,{},,,\nTRAILER,3,15\n",
        number(0),
        number(1),
        number(0)
    );
    // And into the file's name.
    let name = format!("{}.csv", number(0));
    for answer in clerk.load(&place, &name, &wrong) {
        search.look("a file that is wrong", &answer.seen());
    }
    // Where it can be read: an RRN has 12 characters as well.
    let read = format!("{head}{},,,,2026-05-01 08:00:00,5,D,,,\nTRAILER,1,5\n", number(1));
    for answer in clerk.load(&place, &name, &read) {
        search.look("a file with a number for an RRN", &answer.seen());
    }
    operator.post("/day/cutover", "day=2026-05-02");
    let closed = checker.post("/day/close", "day=2026-05-01");
    assert!(closed.head.contains("closed=2026-05-01"), "{}", closed.head);
    let found = clerk.post("/transactions/citizen", &format!("number={}", number(0)));
    search.look("a citizen found", found.head.as_bytes());
    let mut walked = BTreeSet::new();
    for (browser, (name, _)) in browsers.iter().zip(console::PEOPLE) {
        walked.extend(browser.walk(|path, seen| search.look(&format!("{name}: {path}"), seen)));
    }
    for page in [
        "/exceptions.csv",
        "/exceptions.xlsx",
        "/transactions.csv",
        "/totals.csv",
        "/totals/file?day=2026-05-01&bank=970418&form=camt053",
        "/case?id=",
        "/evidence?key=",
        "/workbench",
        "/approvals",
        "/load",
        "/people",
        "/audit.csv",
        "/live",
        "/account",
    ] {
        assert!(walked.iter().any(|path| path.starts_with(page)), "nobody came to {page}: {walked:?}");
    }
    let evidence = walked.iter().find(|path| path.starts_with("/evidence?key=")).unwrap();
    let key = evidence.trim_start_matches("/evidence?key=");
    let shown = clerk.post("/evidence/number", &format!("key={key}&why=complaint"));
    let number = number(0);
    assert!(shown.seen().windows(12).any(|twelve| twelve == number.as_bytes()), "it is shown for a reason");
    let refused = auditor.post("/evidence/number", &format!("key={key}&why=complaint"));
    search.look("a look that is refused", &refused.seen());
    // The directory of accounts is where accounts belong.
    search.planted.retain(|planted| planted.name != "account");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_value_is_in_what_a_run_leaves_or_tells() {
    let mut world = World::start_with_pins(no_faults(), pins()).await;
    world.switch.set("RUST_LOG", "trace");
    world.switch.set("RUST_BACKTRACE", "full");
    let config = world.dir().join("atm-switch.toml");
    console::configure(&config);
    console::let_in(config.to_str().unwrap(), PASSWORD);
    world.kill_and_restart();
    world.bank_ready().await;
    let mut search = Search::default();
    let mut sealed = Search::default();
    let country = Country::new(SEED);
    for citizen in 0..CITIZENS {
        search.plant_text("citizen number", &number(citizen));
        let chip = country.chip(citizen);
        search.plant_bytes("DG1", chip.dg1());
        search.plant_bytes("SOD", &chip.sod()[chip.sod().len() - 40..]);
        sealed.plant_bytes("SOD digest", &Sha256::digest(chip.sod()));
        let account = format!("860001234{citizen}");
        // The directory of accounts is where accounts belong.
        sealed.plant_text("account", &account);
    }
    search.plant_text("golden citizen number", GOLDEN_NUMBER);
    search.plant_text("account of a transfer", TO_ACCOUNT);
    search.plant_bytes("PIN block", &PIN_BLOCK);
    search.plant_text("PIN", LONG_PIN);
    search.plant_text("a person's password", PASSWORD);
    search.plant_text("passphrase", "a passphrase of this world");
    for (name, key) in [("pad's key", PAD_KEY), ("bank's PIN key", BANK_KEY)] {
        search.plant_bytes(name, &key);
    }
    let first = Key::from_hex(&fs::read_to_string(world.dir().join("first")).unwrap()).unwrap();
    search.plant_bytes("part of a key", first.bytes());
    let exchange_keys = [
        ("the terminal's exchange key", TERMINAL_EXCHANGE_KEY),
        ("the bank's exchange key", BANK_EXCHANGE_KEY),
    ];
    for (name, key) in exchange_keys {
        search.plant_bytes(name, &key);
        let second: Vec<u8> = key.iter().zip(first.bytes()).map(|(byte, first)| byte ^ first).collect();
        search.plant_bytes("part of a key", &second);
    }
    search.plant_text("registry's answer", "eyJhbGciOiJFUzI1Ni");
    let key_file = fs::read_to_string(world.dir().join("keys.toml")).unwrap();
    let keys = keys_of(&key_file);
    assert_eq!(keys.len(), 12, "the key file has other keys now");
    keys.iter().for_each(|(name, key)| search.plant_bytes(name, key));
    let signing_key = fs::read_to_string(world.dir().join("signing.pem")).unwrap();
    search.plant_text("signing key", &signing_key.lines().nth(1).unwrap()[16..]);

    let transfer = What::Transfer { to_account: TO_ACCOUNT.into() };
    let mut told = Vec::new();
    for (what, amount_vnd, steps, named) in [
        (What::Withdrawal, 2_000_000, Steps::Two, false),
        (What::Withdrawal, 500_000, Steps::One, true),
        (What::Withdrawal, 700_000, Steps::Two, false),
        (What::Deposit, 1_500_000, Steps::Two, false),
        (transfer, 300_000, Steps::Two, false),
        (What::Balance, 0, Steps::Two, true),
        (What::MiniStatement, 0, Steps::One, false),
    ] {
        told.extend(serve(&mut world, what, amount_vnd, steps, named).await.into_iter().flatten());
    }
    let mut mistyped = world.order(0, What::Withdrawal, 500_000, Steps::Two);
    mistyped.pin = Pin::parse(LONG_PIN.as_bytes());
    let finished = timeout(PATIENCE, world.terminal.perform(mistyped)).await.unwrap().unwrap();
    assert_eq!(finished.code, Some(*b"55"), "the PIN has come to the bank, and is not the card's");
    assert_eq!(told.len(), 2, "a balance and a statement");
    told.iter().for_each(|told| search.plant_text("told of an account", told));
    let sessions = world.sessions();
    assert!(sessions.len() >= 7, "{}", sessions.len());
    sessions.iter().for_each(|session| search.plant_bytes("biometric session", session));
    send_golden_messages(&world);
    world.settled().await;

    let dir = world.dir().to_owned();
    let config = dir.join("atm-switch.toml").to_str().unwrap().to_owned();
    let addresses: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dir.join("addresses.json")).unwrap()).unwrap();
    look_at_console(&mut search, &sealed, addresses["console"].as_str().unwrap());
    let broken = dir.join("broken.part");
    let second = fs::read_to_string(dir.join("second")).unwrap();
    write_private(&broken, &second[..second.len() - 1]).unwrap();
    let admin = addresses["admin"].as_str().unwrap();
    for path in ["/metrics", "/healthz", "/readyz"] {
        let page = http(admin, path);
        search.look(path, &page);
        sealed.look(path, &page);
    }
    for command in [
        "status",
        "saf list --json",
        "suspense list --json",
        "block citizen NUMBER",
        "unblock citizen NUMBER",
        "block citizen 1NUMBER",
        "enrolment show NUMBER",
        "enrolment show NUMBER9",
        "saf show 000000000000",
        "suspense show 000000000000",
        "keys list",
        "keys list --json",
        "keys export bank.970418.pin",
        "keys generate terminal.HN000017.pin",
        "keys rotate bank.970418.pin",
        "keys import bank.970418.exchange --part FIRST --part BROKEN",
        "keys import bank.970418.pin --block FIRST",
        "cutover 2026-05-03",
        "drain",
    ] {
        let with_number = command.replace("NUMBER", &number(0));
        let with_number = with_number.replace("FIRST", dir.join("first").to_str().unwrap());
        let with_number = with_number.replace("BROKEN", broken.to_str().unwrap());
        let words: Vec<&str> = with_number.split(' ').chain(["--config", &config]).collect();
        let output = Command::new(program()).args(&words).output().unwrap();
        for bytes in [output.stdout, output.stderr] {
            search.look(command, &bytes);
            sealed.look(command, &bytes);
        }
    }
    assert!(world.switch.end("TERM").success());
    for command in ["log show", "log show --json", "log verify", "log verify --json", "log heads-key"] {
        let words: Vec<&str> = command.split(' ').chain(["--config", &config]).collect();
        search.look_at_command(&words);
        let output = Command::new(program()).args(&words).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        // Digests are shown to whoever may read the log.
        sealed.planted.retain(|planted| planted.name != "SOD digest" || !command.ends_with("--json"));
        sealed.look(command, &output.stdout);
    }
    for command in
        ["--help", "run --help", "log --help", "log find --help", "enrolment --help", "--version", "no-such"]
    {
        search.look_at_command(&command.split(' ').collect::<Vec<_>>());
    }
    search.look_at_command(&["check", &config]);
    look_at_mistakes(&mut search, &dir, &key_file);

    let files = search.look_in(&dir);
    assert!(files >= 8, "{files} files");
    // Planted again: the SOD's digest is shown, and sealed on disk.
    for citizen in 0..CITIZENS {
        sealed.plant_bytes("SOD digest", &Sha256::digest(country.chip(citizen).sod()));
    }
    sealed.look_in(&dir.join("log"));
    sealed.look("standard error", &fs::read(world.switch.stderr_path()).unwrap());
    // A bank's file is kept as it came, and nothing else has the number that stands in it.
    let kept = dir.join("desk/files");
    let is_kept = |finding: &Finding| finding.place.starts_with(kept.to_str().unwrap());
    let (of_file, found) = std::mem::take(&mut search.found).into_iter().partition(is_kept);
    let of_file: BTreeSet<Finding> = of_file;
    assert_eq!(of_file.len(), 1, "{of_file:?}");
    search.found = found;
    assert_eq!(search.found, BTreeSet::new());
    assert_eq!(sealed.found, BTreeSet::new());
    assert!(search.bytes > 100_000, "{} bytes were looked through", search.bytes);
    let trace = world.switch.stderr();
    assert!(trace.contains("TRACE"), "every level was on");
    assert!(!trace.contains("panicked"), "{trace}");

    // What the records hold in clear once they are opened does not print either, and it is there.
    let keys = KeyFile::parse(&key_file).unwrap();
    let log = LogFiles::new(&dir.join("log"), keys.data);
    let mut numbers = 0;
    for record in log.scan(0).unwrap() {
        let (_, record) = record.unwrap();
        numbers += usize::from(
            record
                .request()
                .is_some_and(|request| request.pan.citizen_number().digits() == number(0).as_bytes()),
        );
        let printed = match record.transaction {
            Some(key) => format!("{record:?} {:?}", Transaction::new(key).apply(&record)),
            None => format!("{record:?}"),
        };
        search.look("a record printed", printed.as_bytes());
        sealed.look("a record printed", printed.as_bytes());
    }
    assert!(numbers >= 7, "{numbers} records have the citizen's number");
    assert_eq!(search.found, BTreeSet::new());
    assert_eq!(sealed.found, BTreeSet::new());
}

/// Two parts of a key, and the key.
fn parts(value: u8, bytes: usize) -> [Zeroizing<Vec<u8>>; 3] {
    let one: Vec<u8> = (0..bytes).map(|place| (place as u8).wrapping_mul(37) ^ value).collect();
    let other: Vec<u8> = (0..bytes).map(|place| (place as u8).wrapping_mul(91) ^ 0x5A).collect();
    let whole = one.iter().zip(&other).map(|(one, other)| one ^ other).collect();
    [one, other, whole].map(Zeroizing::new)
}

#[test]
fn no_key_pin_or_passphrase_is_in_the_modules_file_answers_or_errors() {
    const PASSPHRASE: &str = "correct horse battery staple";
    const PIN: &[u8] = b"482915";
    const PAN: &[u8] = b"9704990012030000017";
    const NOW_S: i64 = 1_651_539_723;
    let mut search = Search::default();
    search.plant_text("passphrase", PASSPHRASE);
    search.planted.push(Planted::text("PIN", "482915"));
    search.plant_text("PAN", "9704990012030000017");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.sealed");
    let sealing = Sealing::passphrase(PASSPHRASE.as_bytes()).unwrap();
    search.look("Debug of a sealing", format!("{sealing:?}").as_bytes());
    let module = SoftwareHsm::create(&path, sealing).unwrap();
    let (terminal, bank) = (Owner::terminal(b"HN000001"), Owner::bank(b"970418").unwrap());
    let names = [
        (terminal.key(KeyRole::Exchange), KeyAlgorithm::Aes, 32),
        (terminal.key(KeyRole::Pin), KeyAlgorithm::Tdes, 16),
        (bank.key(KeyRole::Pin), KeyAlgorithm::Aes, 16),
        (bank.key(KeyRole::MacToSwitch), KeyAlgorithm::Hmac, 32),
    ];
    let mut said = Vec::new();
    let mut tpk = Vec::new();
    for (at, (name, algorithm, bytes)) in names.into_iter().enumerate() {
        let [one, other, whole] = parts(at as u8 * 16 + 3, bytes);
        for (what, key) in [("key part", &one), ("key part", &other), ("key", &whole)] {
            search.plant_bytes(&format!("{what} of {name}"), key);
        }
        if at == 1 {
            tpk = whole.to_vec();
        }
        let parts = vec![one, other];
        said.push(format!("{:?}", module.import_parts(name, algorithm, &parts, NOW_S)));
        // Once more: no key comes back.
        said.push(format!("{:?}", module.import_parts(name, algorithm, &parts, NOW_S)));
    }
    let tpk = BoundKey::new(KeyUsage::PinEncryption, ModeOfUse::Both, KeyAlgorithm::Tdes, &tpk).unwrap();
    let (pin, pan) = (ClearPin::parse(PIN).unwrap(), PinPan::parse(PAN).unwrap());
    let key = PinKey::new(&tpk).unwrap();
    let block = encipher_clear_pin(&pin, &pan, &key, PinFormat::Iso0, &[9; 8]).unwrap();
    search.plant_bytes("PIN block", block.bytes());
    let wrong = PinBlock::new(PinFormat::Iso0, &[7; 8]).unwrap();
    for block in [&block, &wrong] {
        let ask =
            PinTranslation { from: terminal, ksn: None, block, pan: &pan, to: bank, format: PinFormat::Iso4 };
        let answer = module.translate_pin(&ask, NOW_S);
        if let Ok(block) = &answer {
            search.look("the bank's PIN block", block.bytes());
        }
        said.push(format!("{answer:?}"));
    }
    let mac = MacAlgorithm::HmacSha256;
    said.push(format!("{:?}", module.mac(&bank.key(KeyRole::Pin), mac, b"text")));
    said.push(format!("{:?}", module.keys()));
    said.push(format!("{module:?} {tpk:?} {pin:?} {pan:?} {key:?} {block:?}"));
    let again = SoftwareHsm::open(&path, Sealing::passphrase(b"correct horse battery stapler").unwrap());
    said.push(format!("{:?}", again.map(drop)));
    said.iter().for_each(|said| search.look("answers, errors, Debug", said.as_bytes()));
    assert!(
        said.iter().any(|said| said.starts_with("Err")) && said.iter().any(|said| said.starts_with("Ok"))
    );
    assert_eq!(search.look_in(dir.path()), 2, "the sealed file and its lock");
    assert_eq!(search.found, BTreeSet::new());
}

#[test]
fn what_is_secret_or_personal_does_not_print_itself() {
    let mut search = Search::default();
    let key = Key::new([0xA7; 32]);
    search.plant_bytes("key", key.bytes());
    search.plant_text("PAN", "9704990012030000017");
    search.plant_text("citizen number", GOLDEN_NUMBER);
    search.plant_text("account", "8600012340");
    search.plant_bytes("PIN block", &PIN_BLOCK);
    let pan = Pan::parse(b"9704990012030000017").unwrap();
    let account = AccountNumber::from("8600012340");
    let linked = LinkedAccount { bank: "970418".parse().unwrap(), number: account.clone(), default: true };
    let mut printed = vec![
        format!("{key:?} {:?}", MacKey::new(&key)),
        format!("{pan:?} {pan} {:?}", pan.citizen_number()),
        format!("{account:?} {linked:?} {}", linked.alias()),
    ];
    for golden in goldens("ascii-1987") {
        let dialect = Dialect::ascii_1987();
        let view = dialect.parse(&golden.bytes).unwrap();
        printed.push(format!("{view:?} {:?} {}", view.to_message(), dialect.describe(&golden.bytes)));
        let mut half = golden.bytes.clone();
        half.truncate(half.len() / 2);
        printed.push(format!("{:?} {}", dialect.parse(&half).map(drop), dialect.describe(&half)));
    }
    printed.iter().for_each(|printed| search.look("Debug, Display, a description", printed.as_bytes()));
    assert!(printed.len() > 20, "{}", printed.len());
    assert_eq!(search.found, BTreeSet::new());
}

/// The search has to find each spelling, wherever it stands, or the tests above show nothing.
#[test]
fn a_planted_value_is_found_in_every_spelling() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let number = "001203000001";
    let planted = [Planted::text("number", number), Planted::bytes("key", &[0xFB; 32])];
    let found = |place: &[u8]| {
        let found = search(&planted, "here", place);
        found.into_iter().map(|finding| format!("{} {}", finding.name, finding.form)).collect::<Vec<_>>()
    };
    let around = |value: &[u8]| [b"before ", value, b" behind"].concat();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(found(&around(number.as_bytes())), ["number raw"]);
    assert_eq!(found(&around(hex(number.as_bytes()).as_bytes())), ["number hex"]);
    assert_eq!(found(&around(hex(&[0xFB; 32]).to_uppercase().as_bytes())), ["key hex"]);
    assert_eq!(found(&around(format!("{:?}", [0xFB_u8; 32]).as_bytes())), ["key decimal numbers"]);
    assert_eq!(found(&around(&[0xFB; 32])), ["key raw"]);
    assert_eq!(
        found(&around(&[0xF0, 0xF0, 0xF1, 0xF2, 0xF0, 0xF3, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0, 0xF1])),
        ["number EBCDIC"]
    );
    assert_eq!(found(&around(&[0x00, 0x12, 0x03, 0x00, 0x00, 0x01])), ["number BCD"]);
    assert_eq!(
        found(&around(&[0x70, 0x01, 0x20, 0x30, 0x00, 0x00, 0x1D])),
        ["number BCD"],
        "from the lower half"
    );
    assert_eq!(found(&around(&1_203_000_001_u64.to_be_bytes())), ["number binary number"]);
    for shift in 0..3 {
        let text = [&b"abc"[..shift], number.as_bytes(), &[0xFB; 32], b"xyz"].concat();
        for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            assert_eq!(found(encoded.as_bytes()), ["key base64", "number base64"], "{encoded}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let inner: PathBuf = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("file"), [around(number.as_bytes()), vec![0; 5_000]].concat()).unwrap();
    let mut below = Search { planted: planted.to_vec(), ..Search::default() };
    assert_eq!(below.look_in(dir.path()), 1);
    assert_eq!(below.found.len(), 1);
    assert_eq!(found(&around(b"001203000002")), [""; 0]);
}
