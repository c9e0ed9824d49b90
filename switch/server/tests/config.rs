//! Configuration files: the example of docs/operations.md is good, and every mistake is named with path and line.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use server::config::{Mistake, Settings, load, load_to_run};
use simulators::citizens::Country;
use simulators::tls::{Authority, Identity};

/// The block of docs/operations.md between ```toml and ```, the first after the heading.
fn example(heading: &str) -> String {
    let docs = include_str!("../../../docs/operations.md");
    let (_, rest) = docs.split_once(heading).unwrap();
    let (_, rest) = rest.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A directory with everything that the example names.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut next = 0u8;
    let keys: String = example("## Keys")
        .lines()
        .map(|line| {
            next += 1;
            line.replace('…', &format!("{next:02x}").repeat(32)) + "\n"
        })
        .collect();
    write(dir.path(), "keys.toml", &keys);
    write(dir.path(), "hsm.key", &"5c".repeat(32));
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    write(dir.path(), "registry-ca.pem", &ca.self_signed(&key).unwrap().pem());
    write(dir.path(), "signing.pem", &key.serialize_pem());
    write(dir.path(), "registry-2026.pem", &key.public_key_pem());
    std::fs::create_dir(dir.path().join("csca")).unwrap();
    write(&dir.path().join("csca"), "vietnam.pem", &Country::new(1).csca_pem());
    dir
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn load_text(text: &str) -> Result<Settings, Vec<Mistake>> {
    let dir = directory();
    load_to_run(&write(dir.path(), "atm-switch.toml", text)).map(|(settings, _)| settings)
}

/// The example with one text in the place of another; the mistakes as "line path: reason", the line from 1.
fn mistakes(change: (&str, &str)) -> Vec<String> {
    let text = example("## Configuration");
    assert!(text.contains(change.0), "the example has no {}", change.0);
    let text = text.replacen(change.0, change.1, 1);
    let line_of =
        |needle: &str| text.lines().position(|line| line.contains(needle)).map_or(0, |line| line + 1);
    let changed = line_of(change.1.lines().last().unwrap_or(""));
    load_text(&text)
        .map(drop)
        .unwrap_err()
        .iter()
        .map(|mistake| {
            let place = if mistake.line == changed { "here".to_owned() } else { mistake.line.to_string() };
            format!("{place} {}: {}", mistake.path, mistake.reason)
        })
        .collect()
}

#[test]
fn the_example_of_the_operations_page_is_good() {
    let settings =
        load_text(&example("## Configuration")).map_err(|mistakes| format!("{mistakes:#?}")).unwrap();
    let summary = settings.summary();
    assert!(summary.contains("970418 BIDV"), "{summary}");
    assert!(!format!("{settings:?}").contains("BEGIN"));
}

#[test]
#[rustfmt::skip]
fn each_mistake_is_named_with_its_place() {
    let table: &[(&str, &str, &str)] = &[
        ("currency = 704", "currency = 7040", "here switch.currency: is not between 1 and 999"),
        ("currency = 704", "currency = \"704\"", "here switch.currency: is a string, not a whole number"),
        ("iin = \"970499\"", "iin = \"97049\"", "here switch.iin: is not 6 digits"),
        ("first_day = \"2026-01-05\"", "first_day = \"2026-02-30\"", "here switch.first_day: `2026-02-30` is not a day; write it as 2022-05-03"),
        ("log_dir", "log_dri", "here switch.log_dri: is not known here; known are clock_behind_ms_max, currency, drain_ms_max, enrolment_dir, first_day, id, iin, keys_file, log_dir, segment_bytes"),
        ("listen = \"127.0.0.1:8583\"", "listen = \"localhost\"", "here terminals.listen: `localhost` is not an IP address with a port, as 127.0.0.1:8583"),
        ("id = \"HN000001\"", "id = \"HN1\"", "here terminal[0].id: is not 8 printable characters"),
        ("id = \"HN000001\"", "id = \"HN000009\"", "here terminal[0].id: the key file has no [terminal.HN000009]"),
        ("acquirer = \"970418\"", "acquirer = \"97o418\"", "here terminal[0].acquirer: `97o418` is not 1 to 11 digits"),
        ("dialect = \"bcd-1987\"", "dialect = \"bcd\"", "here issuer[1].dialect: `bcd` is not built in; known are ascii-1987, ascii-binary-bitmap-1987, bcd-1987, ebcdic-1987"),
        ("header = \"length2-tpdu\"", "header = \"tpdu\"", "here issuer[1].header: `tpdu` is none of length2, ascii4, length2-tpdu"),
        ("addresses = [\"127.0.0.1:9001\", \"127.0.0.1:9002\"]", "addresses = [\"127.0.0.1\"]", "here issuer[0].addresses[0]: `127.0.0.1` is not host:port"),
        ("14 = \"56\"", "14 = \"00\"", "here issuer[1].codes.14: a refusal cannot become an approval"),
        ("url = \"https://", "url = \"http://", "here registry.url: is not https://host:port"),
        ("[switch]", "stand_in.amount_minor_max = 30_000_000\n[switch]", "1 stand_in.amount_minor_max: is above limits.transaction_minor_max, 20000000"),
        ("[switch]", "stand_in.owed_max = 4_097\n[switch]", "1 stand_in.owed_max: is not between 1 and 4096"),
        ("ca_file = \"registry-ca.pem\"", "ca_file = \"none.pem\"", "here registry.ca_file: "),
        ("ca_file = \"registry-ca.pem\"", "ca_file = \"signing.pem\"", "here registry.ca_file: the registry's CA file holds no certificate that can be used"),
        ("signing_key_file = \"signing.pem\"", "signing_key_file = \"registry-2026.pem\"", "here registry.signing_key_file: the signing key is no P-256 key in PKCS#8 PEM"),
        ("heads_file = \"witness/", "heads_file = \"log/", "here log.heads_file: stands in switch.log_dir; heads have to be kept elsewhere"),
        ("csca_dir = \"csca\"", "csca_dir = \"none\"", "here credential.csca_dir: "),
        ("csca_dir = \"csca\"", "csca_dir = \".\"", "here credential.csca_dir: "),
        ("algorithms = []", "algorithms = [\"rot13\"]", "here credential.algorithms: "),
        ("answer_ms_max = 25_000", "answer_ms_max = 18_500", "here timers.answer_ms_max: registry 3000 + security module 1000 + bank 15000 + margin 1000 = 20000 ms do not fit into the answer's 18500 ms"),
        ("terminal_wait_ms = 30_000", "terminal_wait_ms = 25_500", "here timers.terminal_wait_ms: answer 25000 + margin 1000 = 26000 ms do not fit into the terminal's wait of 25500 ms"),
        ("currency = 704", "segment_bytes = 1_048_575", "here switch.segment_bytes: is not between 1048576 and 1073741824"),
        ("transaction_minor_max = 20_000_000", "in_flight_max = 32_769", "here limits.in_flight_max: 32769 requests may need 2048 bytes each when the disk is full; switch.segment_bytes is 67108864"),
        ("listen = \"127.0.0.1:8583\"", "listen = \"10.20.0.1:8583\"", "here terminals.listen: 10.20.0.1:8583 is not loopback, and everything would go in clear: add [terminals.tls]"),
        ("listen = \"127.0.0.1:8583\"", "listen = \"0.0.0.0:8583\"", "here terminals.listen: 0.0.0.0:8583 is not loopback, and everything would go in clear: add [terminals.tls]"),
        ("\"127.0.0.1:9001\", ", "\"bank.example:9001\", ", "here issuer[0].addresses[0]: `bank.example:9001` is not loopback, and everything would go in clear: add [issuer.tls]"),
        ("\"127.0.0.1:9003\"", "\"[2001:db8::1]:9003\"", "here issuer[1].addresses[0]: `[2001:db8::1]:9003` is not loopback, and everything would go in clear: add [issuer.tls]"),
        ("mac = \"none\"", "mac =  \"required\"", "here issuer[1].mac: the key file has no [bank.970415]; a link without MACs says mac = \"none\""),
        ("mac = \"none\"", "mac = \"no\"", "here issuer[1].mac: `no` is neither required nor none"),
        ("currency = 704", "currency = 704\n[terminals.tls]\nca_file = \"none\"", "here terminals.tls.ca_file: "),
        ("connections_max = 20_000", "allow = []", "here terminals.allow: allows nobody; leave it out to allow every address"),
        ("connections_max = 20_000", "allow = [\"10.0.0.1/8\"]", "here terminals.allow[0]: `10.0.0.1/8` has bits behind its prefix of 8"),
        ("amount_exponent = 0 ", "certificate = \"branch\"", "here terminal[0].certificate: goes with [terminals.tls]"),
        ("kind = \"software\"", "kind = \"hard\"", "here hsm.kind: `hard` is none of software, payshield"),
        ("kind = \"software\"", "kind = \"payshield\"", "63 hsm.addresses: are 1 to 8"),
        ("kind = \"software\"", "kind = \"payshield\"\naddresses = [\"10.0.0.1:1500\"]", "here hsm.addresses[0]: 10.0.0.1:1500 is not loopback, and host commands go in clear: lead them through a tunnel in TLS"),
        ("key_file = \"hsm.key\"", "key_file = \"none\"", "here hsm.key_file: "),
        ("key_file = \"hsm.key\"", "key_file = \"keys.toml\"", "here hsm.key_file: a key file has 64 hex digits"),
        ("key_file = \"hsm.key\"", "passphrase_file = \"hsm.key\"\nkey_file = \"hsm.key\"", "here hsm.key_file: or passphrase_file says what the file is sealed with, and one of them"),
        ("[hsm] ", "[hsn] ", "31 issuer[0].pin_format: needs [hsm], where PINs are translated"),
        ("pin_format = \"0\"                # what", "pin_format = \"4\"                # what", "here terminal[0].pin_format: `4` is none of 0, 3; a block of format 4 travels in DE121 and needs no word"),
        ("pin_format = \"0\"                # it", "pin_format = \"1\"                # it", "here issuer[0].pin_format: `1` is none of 0, 3, 4"),
        ("listen = \"127.0.0.1:8600\"", "listen = \"10.20.0.1:8600\"", "here console.listen: 10.20.0.1:8600 is not loopback, and passwords would go in clear: add [console.tls]"),
        ("dir = \"console\"", "dirs = \"console\"", "here console.dirs: is not known here; known are dir, idle_ms_max, listen, names, session_ms_max, tls"),
        ("dir = \"console\"", "dir = \"console\"\nnames = [\"a:1\"]", "here console.names[0]: `a:1` is no host name without a port"),
        ("dir = \"console\"", "dir = \"console\"\ntls = { certificate_file = \"registry-ca.pem\" }", "here console.tls.key_file: is missing"),
        ("[admin]", "[admin", "here : unclosed table, expected `]`"),
    ];
    for (from, to, expected) in table {
        let told = mistakes((from, to));
        assert!(told.iter().any(|told| told.starts_with(expected)), "{to}: {told:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = example("## Configuration")
        .replace("currency = 704", "currency = 0")
        .replace("\"HN000001\"", "\"HN1\"")
        .replace("\"bcd-1987\"", "\"bcd\"");
    let told = load_text(&text).map(drop).unwrap_err();
    let paths: Vec<&str> = told.iter().map(|mistake| mistake.path.as_str()).collect();
    assert_eq!(paths, ["switch.currency", "terminal[0].id", "issuer[1].dialect"]);
    assert!(told.is_sorted_by_key(|mistake| mistake.line));
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    for name in ["keys.toml", "signing.pem"] {
        let dir = directory();
        let file = write(dir.path(), "atm-switch.toml", &example("## Configuration"));
        std::fs::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(0o640)).unwrap();
        let told = load(&file).map(drop).unwrap_err();
        assert!(told[0].reason.ends_with("mode 640 lets others in; chmod 600"), "{told:?}");
    }
}

/// The second example of the page, in the first: every file there, mode 600 where it holds a key.
fn example_in_tls(dir: &Path) -> String {
    let (terminals, rest) = tls_example();
    for (name, identity) in identities() {
        write(dir, &format!("{name}.pem"), &identity.certificate_pem);
        write(dir, &format!("{name}.key.pem"), &identity.key_pem);
    }
    for ca in ["terminals-ca.pem", "bidv-ca.pem"] {
        write(dir, ca, &Authority::mint("CA").unwrap().ca_pem);
    }
    let whole = example("## Configuration");
    let (front, behind) = whole.split_once("[terminals]\n").unwrap();
    let (_, behind) = behind.split_once("[[issuer]]\n").unwrap();
    let (_, behind) = behind.split_once("[registry]\n").unwrap();
    let keys = std::fs::read_to_string(dir.join("keys.toml")).unwrap().replace("QN000001", "HN000002");
    write(dir, "keys.toml", &keys);
    format!("{front}{terminals}{rest}\n[registry]\n{behind}")
}

/// `check` gave 0 and said nothing where `run` was refused: without the directory of heads, the module's file, an enrolment.
#[test]
fn what_a_start_would_be_refused_for_is_told_by_check() {
    let dir = directory();
    let path = write(dir.path(), "atm-switch.toml", &example("## Configuration"));
    let settings = load(&path).map_err(|told| format!("{told:#?}")).unwrap();
    let (heads, hsm) = (settings.heads.as_ref().unwrap().file.clone(), dir.path().join("hsm.keys"));
    let warned = || {
        let summary = settings.summary();
        let lines = summary.lines().filter_map(|line| line.strip_prefix("before run  WARNING, "));
        lines.map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(
        settings
            .summary()
            .contains(&format!("{} is not there; `atm-switch keys create` makes it", hsm.display()))
    );
    assert_eq!(warned(), ["hsm.file", "switch.enrolment_dir", "log.heads_file"]);
    hsm::SoftwareHsm::create(&hsm, hsm::Sealing::key_file("5c".repeat(32).as_bytes()).unwrap()).unwrap();
    assert_eq!(warned(), ["switch.enrolment_dir", "log.heads_file"]);
    assert!(settings.summary().contains("make it"));
    std::fs::create_dir_all(heads.parent().unwrap()).unwrap();
    assert!(settings.summary().contains("`atm-switch log begin-heads` says"));
    write(heads.parent().unwrap(), heads.file_name().unwrap().to_str().unwrap(), "");
    assert_eq!(warned(), ["switch.enrolment_dir"]);
}

fn tls_example() -> (String, String) {
    let text = example("## TLS");
    let (terminals, rest) = text.split_once("[[terminal]]").unwrap();
    (terminals.to_owned(), format!("[[terminal]]{rest}"))
}

fn identities() -> [(&'static str, Identity); 2] {
    let authority = Authority::mint("switch CA").unwrap();
    let listener = authority.server("atm-switch", &["10.20.0.1"]).unwrap();
    [("switch-listener", listener), ("switch", authority.client("atm-switch").unwrap())]
}

#[test]
fn links_off_loopback_go_through_tls() {
    let dir = directory();
    let text = example_in_tls(dir.path());
    let settings =
        load(&write(dir.path(), "atm-switch.toml", &text)).map_err(|told| format!("{told:#?}")).unwrap();
    let summary = settings.summary();
    for line in [
        "at 10.20.0.1:8583 in TLS",
        "switch.bidv.example:9001 in TLS",
        "certificate terminals, own: CN=atm-switch until ",
        "certificate 970418, authority: CN=CA until ",
    ] {
        assert!(summary.contains(line), "{line} is not in {summary}");
    }
    let names: Vec<&str> = settings.terminals.certificates.values().map(String::as_str).collect();
    assert_eq!(names, ["HN000001", "branch-hanoi-2"]);
    assert!(!format!("{settings:?}").contains("BEGIN"));
}

#[test]
#[rustfmt::skip]
fn each_mistake_in_tls_files_is_named_with_its_place() {
    let table: &[(&str, &str, &str)] = &[
        ("\"switch-listener.key.pem\"", "\"switch.key.pem\"", "terminals.tls.certificate_file: the certificate cannot be used: "),
        ("\"switch-listener.pem\"", "\"keys.toml\"", "terminals.tls.certificate_file: the certificate cannot be used: it holds no certificate in PEM"),
        ("\"switch-listener.key.pem\"", "\"switch.pem\"", "terminals.tls.key_file: the key cannot be used: no private key in PEM"),
        ("\"terminals-ca.pem\"", "\"keys.toml\"", "terminals.tls.ca_file: the authority cannot be used: it holds no certificate in PEM"),
        ("\"bidv-ca.pem\"", "\"none.pem\"", "issuer[0].tls.ca_file: "),
        ("name = \"switch.bidv.example\"", "name = \"switch bidv\"", "issuer[0].tls.name: `switch bidv` is no DNS name and no address"),
        ("name = \"switch.bidv.example\"", "", "issuer[0].tls.name: is missing"),
        ("certificate = \"branch-hanoi-2\"", "certificate = \"\"", "terminal[1].certificate: is not 1 to 64 printable characters"),
    ];
    let dir = directory();
    let good = example_in_tls(dir.path());
    for (from, to, expected) in table {
        assert!(good.contains(from), "the example has no {from}");
        let file = write(dir.path(), "atm-switch.toml", &good.replacen(from, to, 1));
        let told = load(&file).map(drop).unwrap_err();
        let told: Vec<String> = told.iter().map(|it| format!("{}: {}", it.path, it.reason)).collect();
        assert!(told.iter().any(|told| told.starts_with(expected)), "{to}: {told:#?}");
    }
    let file = write(dir.path(), "atm-switch.toml", &good);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(dir.path().join("switch.key.pem"), open).unwrap();
    let told = load(&file).map(drop).unwrap_err();
    assert!(told[0].reason.ends_with("mode 644 lets others in; chmod 600"), "{told:?}");
}
