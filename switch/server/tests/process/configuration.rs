//! The configuration and its certificates: told where they are bad, read again while the switch runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use keys::{Key, LinkCodec, LinkMac, MacKey};
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use simulators::tls::{Authority, Dialler};

use crate::switch::{PATIENCE, PROGRAM, Switch, address, page, write};
use crate::terminal::{exchange, exchange_over, network};

#[test]
fn a_bad_configuration_is_told_line_by_line() {
    let switch = Switch::new();
    let config = switch.path("atm-switch.toml");
    let bad = std::fs::read_to_string(&config).unwrap().replace("\"970418\"", "\"9704x8\"");
    std::fs::write(&config, bad).unwrap();
    let output = Command::new(PROGRAM).arg("check").arg(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(
        lines[0].ends_with("atm-switch.toml:11: terminal[0].acquirer: `9704x8` is not 1 to 11 digits"),
        "{told}"
    );
}

#[test]
fn a_hangup_reads_the_configuration_again() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    let config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    let signs_on = |expected: &str| {
        let since = Instant::now();
        loop {
            let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
            let answer = exchange(&mut terminal, &network("001", 2));
            if answer.as_ref().map_or("closed", |answer| answer.text(39).unwrap()) == expected {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "never {expected}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    signs_on("00");
    write(switch.dir.path(), "atm-switch.toml", &config.replace("id = \"HN000001\"", "id = \"HN000002\""));
    let keys = std::fs::read_to_string(switch.path("keys.toml")).unwrap();
    let other = (21..24).fold(
        keys.split("[terminal").nth(1).unwrap().replace("HN000001", "HN000002"),
        |text, byte| {
            text.replace(&format!("{:02x}", byte - 20).repeat(32), &format!("{byte:02x}").repeat(32))
        },
    );
    write(switch.dir.path(), "keys.toml", &format!("{keys}[terminal{other}"));
    switch.signal("HUP");
    signs_on("closed");
    write(switch.dir.path(), "atm-switch.toml", "[switch]\n");
    switch.signal("HUP");
    write(switch.dir.path(), "atm-switch.toml", &config);
    switch.signal("HUP");
    signs_on("00");
}

/// A hangup that came before the task that hears it had begun ended the process.
#[test]
fn a_hangup_during_the_start_is_heard_at_its_end() {
    let mut switch = Switch::new();
    switch.spawn();
    let stderr = |switch: &Switch| std::fs::read_to_string(switch.path("stderr")).unwrap();
    let wait_for = |switch: &Switch, text: &str| {
        let since = Instant::now();
        while !stderr(switch).contains(text) {
            assert!(since.elapsed() < PATIENCE, "{text} is not in {}", stderr(switch));
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    wait_for(&switch, "memory is ");
    switch.signal("HUP");
    switch.accepting();
    wait_for(&switch, "configuration read again");
    assert!(switch.end("TERM").success());
}

/// A file that a script left in `crl_dir` kept the switch down behind a restart, and a terminal in that was to be shut out.
#[test]
fn a_bad_file_among_revocation_lists_keeps_neither_a_start_nor_a_reload_nor_an_operator_waiting() {
    let mut switch = Switch::new();
    let config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    let config = config.replace("csca_dir = \"csca\"", "csca_dir = \"csca\"\ncrl_dir = \"crl\"");
    write(switch.dir.path(), "atm-switch.toml", &config);
    std::fs::create_dir(switch.path("crl")).unwrap();
    write(&switch.path("crl"), "fetched.crl", "<html>404</html>");
    let bad = switch.path("crl/fetched.crl");
    let check = |switch: &Switch| {
        Command::new(PROGRAM).arg("check").arg(switch.path("atm-switch.toml")).output().unwrap()
    };
    let checked = check(&switch);
    let told = String::from_utf8(checked.stdout).unwrap();
    let line =
        format!("left aside  WARNING, credential.crl_dir: {}: not an X.509 revocation list", bad.display());
    assert!(checked.status.success() && told.lines().any(|told| told.starts_with(&line)), "{told}");

    let addresses = switch.start();
    let stderr = |switch: &Switch| std::fs::read_to_string(switch.path("stderr")).unwrap();
    let told = stderr(&switch);
    let left_aside = told.lines().find(|line| line.contains("left aside")).unwrap();
    assert!(left_aside.contains("ERROR") && left_aside.contains("fetched.crl"), "{left_aside}");
    let metrics = page(&addresses, "/metrics");
    assert!(metrics.contains("\natm_switch_trust_files_refused 1\n"), "{metrics}");

    write(&switch.path("csca"), "fetched.pem", "<html>404</html>");
    write(switch.dir.path(), "atm-switch.toml", &config.replace("id = \"HN000001\"", "id = \"HN000002\""));
    let keys = std::fs::read_to_string(switch.path("keys.toml")).unwrap();
    write(switch.dir.path(), "keys.toml", &keys.replace("HN000001", "HN000002"));
    switch.signal("HUP");
    let since = Instant::now();
    while !stderr(&switch).contains("configuration read again") {
        assert!(since.elapsed() < PATIENCE, "{}", stderr(&switch));
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
    assert!(exchange(&mut terminal, &network("001", 2)).is_none(), "HN000001 is shut out");
    let told = switch.told(&["status"]);
    assert!(told.contains("\"crl_stale\": [\n"), "a list is wanting: {told}");
    assert_eq!(check(&switch).status.code(), Some(2), "a start needs all of csca_dir");
}

/// Each part that is kept until a restart is named, and none that is not.
#[test]
fn a_hangup_names_what_needs_a_restart() {
    let mut switch = Switch::new();
    let with_keys_of_bank = |switch: &Switch, byte: u8| {
        let keys = std::fs::read_to_string(switch.path("keys.toml")).unwrap();
        let (front, _) = keys.split_once("[bank.").unwrap_or((&keys, ""));
        let key = |byte: u8| format!("{byte:02x}").repeat(32);
        let bank = format!(
            "[bank.970418]\nmac_to_switch = \"{}\"\nmac_from_switch = \"{}\"\n",
            key(byte),
            key(byte + 1)
        );
        write(switch.dir.path(), "keys.toml", &format!("{front}{bank}"));
    };
    with_keys_of_bank(&switch, 31);
    let config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    let config = config.replace("mac = false", "mac = true");
    write(switch.dir.path(), "atm-switch.toml", &config);
    switch.start();
    let named_by_a_hangup = |switch: &Switch| {
        let stderr = || std::fs::read_to_string(switch.path("stderr")).unwrap();
        let before = stderr().len();
        switch.signal("HUP");
        let since = Instant::now();
        while !stderr()[before..].contains("configuration read again") {
            assert!(since.elapsed() < PATIENCE, "{}", stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
        let told = stderr()[before..].to_owned();
        let named = told.lines().filter(|line| line.contains("that needs a restart"));
        named.map(|line| line.split('"').nth(1).unwrap_or(line).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named_by_a_hangup(&switch), [""; 0], "nothing has changed");

    with_keys_of_bank(&switch, 41);
    let pinned = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    write(switch.dir.path(), "pinned.pem", &pinned.public_key_pem());
    assert_eq!(named_by_a_hangup(&switch), ["MAC keys in switch.keys_file of bank 970418", "registry.key"]);

    let elsewhere = [
        ("https://127.0.0.1:9", "https://127.0.0.1:10"),
        ("[terminals]\nlisten = \"127.0.0.1:0\"", "[terminals]\nlisten = \"127.0.0.1:1\""),
        ("[admin]\nlisten = \"127.0.0.1:0\"", "[admin]\nlisten = \"127.0.0.1:1\""),
        ("enrolment_dir = \"enrolment\"", "enrolment_dir = \"other\""),
        ("operator.sock", "other.sock"),
        ("name = \"BIDV\"", "name = \"BIDV again\""),
    ];
    let other = elsewhere.iter().fold(config, |config, (from, to)| {
        assert!(config.contains(from), "{from}");
        config.replace(from, to)
    });
    let console = "[console]\nlisten = \"127.0.0.1:0\"\ndir = \"console\"\n";
    write(switch.dir.path(), "atm-switch.toml", &format!("{other}{console}"));
    assert_eq!(
        named_by_a_hangup(&switch),
        [
            "MAC keys in switch.keys_file of bank 970418",
            "[console]",
            "admin.listen",
            "operator.socket",
            "registry.key",
            "registry.url",
            "switch.enrolment_dir",
            "terminals.listen",
        ]
    );
}

/// A terminal's connection in TLS; nothing when the switch does not let it in.
fn dial(addresses: &Value, switch: &Authority, terminals: &Authority) -> Option<impl Read + Write + use<>> {
    let own = terminals.client("HN000001").unwrap();
    let dialler = Dialler::new(&switch.ca_pem, &own, "127.0.0.1").unwrap();
    let stream = TcpStream::connect(address(addresses, "terminals")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let connection = ClientConnection::new(dialler.config, dialler.name).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let mut bytes = Vec::new();
    let mac = |byte: u8| MacKey::new(&Key::new([byte; 32]));
    let keys = LinkMac { sign: mac(1), verify: mac(2) };
    LinkCodec::terminal().send(&network("301", 900_000), Some(&keys), &mut bytes).unwrap();
    let mut first = [0; 2];
    let heard = stream.write_all(&bytes).and_then(|()| stream.read_exact(&mut first));
    let length = heard.ok().map(|()| u16::from_be_bytes(first))?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer.starts_with(b"0810"));
    Some(stream)
}

#[test]
fn certificates_are_read_again_and_a_bad_file_keeps_the_old() {
    let mut switch = Switch::new();
    let [own, old, new] = ["switch CA", "old CA", "new CA"].map(|name| Authority::mint(name).unwrap());
    let listener = own.server("atm-switch", &["127.0.0.1"]).unwrap();
    let put = |switch: &Switch, certificate: &str, authority: &Authority| {
        write(switch.dir.path(), "listener.pem", certificate);
        write(switch.dir.path(), "listener.key.pem", &listener.key_pem);
        write(switch.dir.path(), "terminals-ca.pem", &authority.ca_pem);
    };
    put(&switch, &listener.certificate_pem, &old);
    let config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    let section = "[terminals.tls]\ncertificate_file = \"listener.pem\"\nkey_file = \"listener.key.pem\"\n\
                   ca_file = \"terminals-ca.pem\"\n[[terminal]]";
    write(switch.dir.path(), "atm-switch.toml", &config.replacen("[[terminal]]", section, 1));
    let addresses = switch.start();
    let mut open = dial(&addresses, &own, &old).expect("the old authority's certificate is let in");
    assert!(dial(&addresses, &own, &new).is_none());
    let page = page(&addresses, "/metrics");
    for certificate in ["own", "authority"] {
        let line = format!(
            "atm_switch_certificate_not_after_seconds{{link=\"terminals\",certificate=\"{certificate}\"}} 6"
        );
        assert!(page.contains(&line), "{line} is not in {page}");
    }

    put(&switch, "no certificate", &new);
    let checked = Command::new(PROGRAM).arg("check").arg(switch.path("atm-switch.toml")).output().unwrap();
    let told = String::from_utf8(checked.stderr).unwrap();
    let mistake =
        "terminals.tls.certificate_file: the certificate cannot be used: it holds no certificate in PEM";
    assert_eq!(checked.status.code(), Some(2));
    assert!(told.contains(mistake), "{told}");
    switch.signal("HUP");
    let since = Instant::now();
    while !std::fs::read_to_string(switch.path("stderr")).unwrap().contains(mistake) {
        assert!(since.elapsed() < PATIENCE, "the mistake is told in the program's log");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(dial(&addresses, &own, &old).is_some(), "the old files are kept");

    put(&switch, &listener.certificate_pem, &new);
    switch.signal("HUP");
    let since = Instant::now();
    while dial(&addresses, &own, &new).is_none() {
        assert!(since.elapsed() < PATIENCE, "the new authority's certificate is let in");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(dial(&addresses, &own, &old).is_none(), "the old one's no more");
    let answer = exchange_over(&mut open, &network("301", 17)).unwrap();
    assert_eq!(answer.text(39), Some("00"), "what is open goes on");
    assert!(switch.end("TERM").success());
}
