//! The program as a process: started, signed on to, commanded, watched, drained, killed, looked into.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use iso8583::{Message, Mti};
use keys::{Key, LinkCodec, LinkMac, MacKey};
use processor::UtcSeconds;
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use simulators::tls::{Authority, Dialler};
use terminal::{exchange, exchange_over, network, totals};

mod terminal;

/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

const PROGRAM: &str = env!("CARGO_BIN_EXE_atm-switch");

/// A switch with one terminal and one bank, in a directory of its own.
struct Switch {
    dir: tempfile::TempDir,
    process: Option<Child>,
    /// The bank's listener: the switch's connections stay in its queue.
    _bank: TcpListener,
}

impl Switch {
    fn new() -> Switch {
        let dir = tempfile::tempdir().unwrap();
        let bank = TcpListener::bind("127.0.0.1:0").unwrap();
        let key = |byte: u8| format!("{byte:02x}").repeat(32);
        let keys = format!(
            "[data]\nk_enc = \"{}\"\nk_pseudonym = \"{}\"\nk_log = \"{}\"\nk_heads = \"{}\"\n[terminal.HN000001]\n\
             mac_to_switch = \"{}\"\nmac_from_switch = \"{}\"\nchallenge = \"{}\"\n",
            key(11),
            key(12),
            key(13),
            key(14),
            key(1),
            key(2),
            key(3)
        );
        write(dir.path(), "keys.toml", &keys);
        let signing = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let pinned = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        write(dir.path(), "signing.pem", &signing.serialize_pem());
        write(dir.path(), "pinned.pem", &pinned.public_key_pem());
        write(dir.path(), "ca.pem", &ca.self_signed(&pinned).unwrap().pem());
        std::fs::create_dir(dir.path().join("csca")).unwrap();
        write(&dir.path().join("csca"), "vietnam.pem", &simulators::citizens::Country::new(1).csca_pem());
        let config = format!(
            "[switch]\nid = \"switch\"\nlog_dir = \"log\"\nenrolment_dir = \"enrolment\"\nkeys_file = \"keys.toml\"\n\
             first_day = \"2026-05-01\"\n\
             [terminals]\nlisten = \"127.0.0.1:0\"\n[[terminal]]\nid = \"HN000001\"\nacquirer = \"970418\"\n\
             [[issuer]]\nid = \"970418\"\nname = \"BIDV\"\naddresses = [\"{}\"]\nmac = false\n\
             [registry]\nurl = \"https://127.0.0.1:9\"\nca_file = \"ca.pem\"\nsigning_key_file = \"signing.pem\"\n\
             kid = \"switch\"\n[[registry.key]]\nkid = \"registry\"\nfile = \"pinned.pem\"\n\
             [credential]\ncsca_dir = \"csca\"\n[operator]\nsocket = \"operator.sock\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n",
            bank.local_addr().unwrap()
        );
        write(dir.path(), "atm-switch.toml", &config);
        let switch = Switch { dir, process: None, _bank: bank };
        write(switch.dir.path(), "bidv.csv", "001203000001,8600012345,1\n001203000002,8600054321,1\n");
        let bank_file = switch.path("bidv.csv");
        switch.told(&["enrolment", "import", bank_file.to_str().unwrap(), "--bank", "970418"]);
        switch
    }

    /// Heads of the log are kept in this file from the next start on, as somebody has said.
    fn keep_heads(&self, file: &str) {
        self.configure_heads(file);
        self.told(&["log", "begin-heads"]);
    }

    fn configure_heads(&self, file: &str) {
        let mut config = std::fs::read_to_string(self.path("atm-switch.toml")).unwrap();
        config += &format!("[log]\nheads_file = \"{file}\"\nheads_records_max = 1\n");
        write(self.dir.path(), "atm-switch.toml", &config);
    }

    /// There is a console from the next start on.
    fn open_console(&self, more: &str) {
        let mut config = std::fs::read_to_string(self.path("atm-switch.toml")).unwrap();
        config += &format!("[console]\nlisten = \"127.0.0.1:0\"\ndir = \"console\"\n{more}");
        write(self.dir.path(), "atm-switch.toml", &config);
    }

    /// A command that is given a line on standard input.
    fn told_with(&self, arguments: &[&str], line: &str) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--config").arg(self.path("atm-switch.toml"));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = spawned.unwrap();
        process.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        process.wait_with_output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the process and waits until it accepts; gives the addresses that it tells.
    fn start(&mut self) -> Value {
        let _ = std::fs::remove_file(self.path("addresses.json"));
        let process = Command::new(PROGRAM)
            .args(["run", "--config"])
            .arg(self.path("atm-switch.toml"))
            .arg("--addresses")
            .arg(self.path("addresses.json"))
            .stderr(Stdio::from(std::fs::File::create(self.path("stderr")).unwrap()))
            .spawn();
        self.process = Some(process.unwrap());
        let since = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(self.path("addresses.json")) {
                return serde_json::from_str(&text).unwrap();
            }
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            let stderr = || std::fs::read_to_string(self.path("stderr")).unwrap();
            assert!(ended.is_none() && since.elapsed() < PATIENCE, "{}", stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").arg(format!("-{name}")).arg(id).status().unwrap().success());
    }

    /// Signals and waits for the process to end.
    fn end(&mut self, name: &str) -> std::process::ExitStatus {
        self.signal(name);
        self.process.take().unwrap().wait().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let config = self.path("atm-switch.toml");
        Command::new(PROGRAM).args(arguments).arg("--config").arg(config).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    fn told(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn log(&self) -> Vec<Value> {
        self.told(&["log", "show", "--json"])
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn address(addresses: &Value, name: &str) -> SocketAddr {
    addresses[name].as_str().unwrap().parse().unwrap()
}

/// The body and status line of a page.
fn page(addresses: &Value, path: &str) -> String {
    let mut stream = TcpStream::connect(address(addresses, "admin")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: switch\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

#[test]
fn it_is_started_commanded_watched_and_drained() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
    assert_eq!(exchange(&mut terminal, &network("301", 1)).unwrap().text(39), Some("00"));
    let signed_on = exchange(&mut terminal, &network("001", 2)).unwrap();
    assert_eq!((signed_on.text(39), signed_on.has(112)), (Some("00"), true));

    assert!(page(&addresses, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(page(&addresses, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(page(&addresses, "/metrics").contains("atm_switch_events_total{event=\"terminal_signed_on\"} 1"));

    assert_eq!(switch.told(&["cutover", "2026-05-04"]), "done\n");
    let refused = switch.command(&["cutover", "2026-05-03"]);
    assert!(!refused.status.success(), "an earlier day");
    assert_eq!(switch.told(&["block", "terminal", "HN000001"]), "done\n");
    assert_eq!(switch.told(&["block", "citizen", "001203000001"]), "done\n");
    assert_eq!(switch.told(&["unblock", "terminal", "HN000001"]), "done\n");
    let status: Value = serde_json::from_str(&switch.told(&["status"])).unwrap();
    assert_eq!(status["business_day"], "2026-05-04");
    assert_eq!(status["blocks"].as_array().unwrap().len(), 1);
    assert_eq!(status["terminal_links_up"], 1);

    for stranger in [["terminal", "HN999999"], ["bank", "970499"]] {
        let refused = switch.command(&["block", stranger[0], stranger[1]]);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && told.contains("not in the configuration"), "{told}");
    }
    let draining = |switch: &Switch| {
        serde_json::from_str::<Value>(&switch.told(&["status"])).unwrap()["draining"] == true
    };
    assert!(!draining(&switch));
    assert!(switch.told(&["drain"]).contains("atm-switch resume"));
    assert!(draining(&switch) && page(&addresses, "/readyz").starts_with("HTTP/1.1 503"));
    assert_eq!(switch.told(&["resume"]), "done\n");
    assert!(!draining(&switch) && page(&addresses, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(!switch.command(&["resume"]).status.success(), "there is nothing to resume");
    assert_eq!(switch.log().len(), 4, "also beside the running switch");
    let in_use = switch.command(&["run"]);
    assert!(String::from_utf8_lossy(&in_use.stderr).contains("in use by another process"));

    assert!(switch.end("TERM").success());
    let kinds: Vec<Value> = switch.log().into_iter().map(|mut record| record["record"].take()).collect();
    assert_eq!(kinds, ["CUTOVER", "BLOCK", "BLOCK", "BLOCK"]);
    let verified = switch.told(&["log", "verify"]);
    assert!(verified.contains("4 records are good"), "{verified}");
    let head = verified.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert!(switch.command(&["log", "verify", "--head", &head]).status.success());
    let other = head.replace("4:", "3:");
    assert!(!switch.command(&["log", "verify", "--head", &other]).status.success(), "another head");
    assert!(!switch.told(&["log", "show"]).contains("001203000001"), "a citizen is a pseudonym in the log");
}

#[test]
fn what_waits_for_a_bank_is_told_also_when_nothing_does() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    let told = switch.told(&["saf", "list"]);
    assert_eq!(told, "970418 no link: 0 reversals, 0 at the bank, 0 resting, oldest -, last error -\n");
    let listed: Value = serde_json::from_str(&switch.told(&["saf", "list", "--json"])).unwrap();
    assert_eq!((&listed["more"], listed["reversals"].as_array().unwrap().len()), (&Value::from(0), 0));
    assert_eq!(listed["banks"][0]["bank"], "970418");
    assert_eq!(switch.told(&["saf", "retry"]), "0 taken up, 0 rest on\n");
    assert_eq!(switch.told(&["saf", "retry", "--bank", "970418"]), "0 taken up, 0 rest on\n");
    let key = "0200/970418/HN000001/2026-05-03T01:02:03Z/000017";
    for (arguments, reason) in [
        (&["saf", "retry", key][..], "no reversal of it is owed"),
        (&["saf", "retry", "17"], "`17` is no transaction key"),
        (&["saf", "show", key], "no transaction of that name is in the log"),
        (&["saf", "list", "--limit", "1001"], "limit: 1001 is more than 1000"),
        (&["saf", "list", "--bank", "x"], "`x` is not 1 to 11 digits"),
    ] {
        let output = switch.command(arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(reason), "{arguments:?}: {told}");
    }
    let status: Value = serde_json::from_str(&switch.told(&["status"])).unwrap();
    assert_eq!(status["saf"][0]["reversals"], 0);
    let metrics = page(&addresses, "/metrics");
    for line in [
        "atm_switch_saf_reversals{bank=\"970418\"} 0",
        "atm_switch_saf_oldest_age_seconds{bank=\"970418\"} 0",
        "atm_switch_saf_errors_total{bank=\"970418\",error=\"silent\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(switch.end("TERM").success());
    assert!(!switch.command(&["saf", "list"]).status.success(), "no switch is there to ask");
}

#[test]
fn an_acquirer_s_totals_are_answered_recorded_and_shown_with_the_day() {
    let mut switch = Switch::new();
    let config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    write(switch.dir.path(), "atm-switch.toml", &(config + "[reconciliation]\ndir = \"clerks\"\n"));
    let addresses = switch.start();
    let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
    assert_eq!(switch.told(&["cutover", "2026-05-02"]), "done\n");
    let said = [
        (totals(1, "0501", "C0000000000000000"), "00", "1"),
        (totals(2, "0501", "D0000000000000005"), "00", "2"),
        (totals(3, "0502", "D0000000000000005"), "00", "2"),
        (totals(4, "0430", "C0000000000000000"), "95", "3"),
    ];
    let mut first = Vec::new();
    for (message, code, settlement) in &said {
        let answer = exchange(&mut terminal, message).unwrap();
        let texts = [39, 66].map(|element| answer.text(element));
        assert_eq!((answer.mti().value(), texts), (510, [Some(*code), Some(*settlement)]), "{message:?}");
        first.push(answer);
    }
    assert_eq!(first[0].text(97), Some("C0000000000000000"));

    // Killed, and asked again by a repeat.
    switch.end("KILL");
    let addresses = switch.start();
    let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
    for ((message, ..), first) in said.iter().zip(&first).take(3) {
        let mut repeat = message.clone();
        repeat.set_mti(Mti::new(501));
        assert_eq!(exchange(&mut terminal, &repeat).as_ref(), Some(first));
    }
    let log = switch.log();
    let kinds: Vec<&str> = log.iter().map(|record| record["record"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["CUTOVER", "TOTALS", "TOTALS", "TOTALS"]);
    assert_eq!((&log[2]["ours"]["97"], &log[2]["theirs"]["97"]), (&Value::from(0), &Value::from(5)));

    // The newest of an ended day counts; what was said of the open one claims nothing.
    for (day, in_balance, exceptions) in
        [("2026-05-01", Value::from(false), 1), ("2026-05-02", Value::Null, 0)]
    {
        let shown: Value = serde_json::from_str(&switch.told(&["day", "show", day, "--json"])).unwrap();
        let acquirer = &shown["acquirers"][0];
        assert_eq!(
            (&acquirer["bank"], &acquirer["in_balance"]),
            (&Value::from("970418"), &in_balance),
            "{shown:#}"
        );
        assert_eq!(shown["open_exceptions"], exceptions, "{day}");
    }
    let shown = switch.told(&["day", "show", "2026-05-01"]);
    assert!(shown.contains("acquirer 970418: owes 0, OUT OF BALANCE"), "{shown}");
}

/// A 0220 about a withdrawal that the switch has never seen.
fn unexplained_completion(stan: u64) -> Message {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let de7 = UtcSeconds(now.as_secs() as i64).to_de7();
    let mut message = Message::new(Mti::new(220));
    message.set_text(2, "9704990012030000017").set_text(3, "010000").set_number(4, 500_000, 12);
    message.set(7, &de7).set_number(11, stan, 6).set_text(12, "080203").set_text(13, "0503");
    message.set_text(32, "970418").set_text(41, "HN000001").set_text(49, "704");
    let de7 = String::from_utf8_lossy(&de7).into_owned();
    message.set_text(90, &format!("0200{:06}{de7}{:0>11}{:011}", stan + 500, "970418", 0));
    message
}

#[test]
fn what_waits_for_a_person_is_listed_and_resolved_across_kills() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    assert_eq!(switch.told(&["suspense", "list"]), "");
    let mut terminal = TcpStream::connect(address(&addresses, "terminals")).unwrap();
    for stan in [1, 2] {
        let answer = exchange(&mut terminal, &unexplained_completion(stan)).unwrap();
        assert_eq!((answer.mti().value(), answer.text(39)), (230, Some("00")));
    }
    let list = |switch: &Switch, more: &[&str]| -> Value {
        let arguments = [&["suspense", "list", "--json"], more].concat();
        serde_json::from_str(&switch.told(&arguments)).unwrap()
    };
    let listed = list(&switch, &[]);
    let waiting = listed["suspense"].as_array().unwrap().clone();
    assert_eq!((waiting.len(), &waiting[0]["reason"]), (2, &Value::from("claim")));
    assert_eq!((&listed["more"], &listed["list_full"]), (&0.into(), &false.into()));
    assert_eq!(list(&switch, &["--limit", "1"])["more"], 1);
    assert_eq!(list(&switch, &["--since", "2099-01-01"])["suspense"].as_array().unwrap().len(), 0);
    assert_eq!(list(&switch, &["--since", "2022-05-03"])["suspense"].as_array().unwrap().len(), 2);
    switch.end("KILL");

    let addresses = switch.start();
    assert_eq!(list(&switch, &[]), listed, "a kill loses none");
    let key = waiting[0]["transaction"].as_str().unwrap();
    let shown = switch.told(&["suspense", "show", key]);
    assert!(shown.contains("TOMBSTONE, waits for a person (claim)") && shown.contains(" CLAIM "), "{shown}");
    let resolve = ["suspense", "resolve", key, "--by", "Lan", "--why", "cassettes counted"];
    assert_eq!(switch.told(&resolve), "done\n");
    let again = switch.command(&resolve);
    assert!(String::from_utf8_lossy(&again.stderr).contains("does not wait for a person"));
    let nameless = switch.command(&["suspense", "resolve", key, "--by", "", "--why", "x"]);
    assert!(!nameless.status.success());
    switch.end("KILL");

    std::fs::remove_dir_all(switch.path("log/index")).unwrap();
    let status = switch.start();
    assert_ne!(addresses["admin"], Value::Null);
    let left = list(&switch, &[]);
    assert_eq!(left["suspense"].as_array().unwrap(), &waiting[1..], "nor does a lost index");
    assert!(switch.told(&["suspense", "show", key]).contains("TOMBSTONE, waits for nobody"));
    let since = Instant::now();
    while !page(&status, "/metrics").contains("atm_switch_suspense_open 1\n") {
        assert!(since.elapsed() < PATIENCE, "the gauge is set with the next beat");
        std::thread::sleep(Duration::from_millis(20));
    }
    let record = switch.log().pop().unwrap();
    assert_eq!((&record["record"], &record["why"]), (&"RESOLUTION".into(), &"cassettes counted".into()));
    let by = record["by"].as_str().unwrap();
    assert!(by.starts_with("Lan (uid "), "{by}");
    assert!(switch.end("TERM").success());
    assert!(switch.told(&["log", "verify"]).contains("1 wait for a person"));
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut switch = Switch::new();
    switch.start();
    switch.told(&["cutover", "2026-05-04"]);
    switch.told(&["block", "bank", "970418"]);
    switch.end("KILL");
    switch.start();
    let status: Value = serde_json::from_str(&switch.told(&["status"])).unwrap();
    assert_eq!(status["business_day"], "2026-05-04");
    assert_eq!(status["blocks"].as_array().unwrap().len(), 1);
    assert!(switch.end("INT").success());
    assert_eq!(switch.log().len(), 2);
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

#[test]
fn accounts_are_imported_and_every_look_is_recorded() {
    let switch = Switch::new();
    let shown = switch.told(&["enrolment", "show", "001203000001"]);
    assert!(shown.ends_with("1 accounts\n970418 BIDV  ******2345  default\n"), "{shown}");
    let changes = "unlink,001203000001,8600012345\nlink,00120300000x,1\nlink,001203000003,8600099999\n";
    write(switch.dir.path(), "changes.csv", changes);
    let file = switch.path("changes.csv");
    let import = ["enrolment", "import", file.to_str().unwrap(), "--bank", "970418", "--changes"];
    let strict = switch.command(&[&import[..], &["--strict"]].concat());
    assert!(!strict.status.success());
    let told = switch.told(&import);
    assert!(told.starts_with("line 2: "), "{told}");
    assert!(told.contains("1 linked, 1 unlinked, 0 defaults changed, 1 rejected"), "{told}");
    assert!(switch.told(&["enrolment", "show", "001203000001"]).ends_with("0 accounts\n"));
    let audit = std::fs::read_to_string(switch.path("log/audit.log")).unwrap();
    let acts: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = acts.iter().map(|act| act["act"].as_str().unwrap()).collect();
    assert_eq!(names, ["enrolment import", "enrolment show", "enrolment import", "enrolment show"]);
    assert!(!audit.contains("001203000001"), "a citizen is a pseudonym in the audit file");
}

/// A full disk that had torn the audit file, and was full still, once kept the switch from starting.
#[test]
fn an_audit_file_that_cannot_be_mended_is_an_alarm_and_keeps_no_switch_from_starting() {
    let mut switch = Switch::new();
    let whole = std::fs::read(switch.path("log/audit.log")).unwrap();
    let torn = vec![b'x'; 1 << 21];
    std::fs::write(switch.path("log/audit.log"), &torn).unwrap();
    switch.start();
    let stderr = std::fs::read_to_string(switch.path("stderr")).unwrap();
    assert_eq!(stderr.matches("the audit file's end cannot be mended").count(), 1, "{stderr}");
    assert_eq!(std::fs::read(switch.path("log/audit.log")).unwrap(), torn);
    let refused = switch.command(&["enrolment", "show", "001203000001"]);
    assert!(!refused.status.success(), "nothing is shown without a record of it");
    std::fs::write(switch.path("log/audit.log"), whole).unwrap();
    switch.told(&["enrolment", "show", "001203000001"]);
    assert!(switch.end("TERM").success());
}

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

/// Copies the files of a directory, not those of directories in it.
fn copy_files(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            std::fs::copy(&entry, to.join(entry.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_log_that_was_put_back_is_refused_and_named_by_the_heads_that_were_kept() {
    let mut switch = Switch::new();
    std::fs::create_dir(switch.path("witness")).unwrap();
    switch.keep_heads("witness/heads");
    switch.start();
    switch.told(&["block", "terminal", "HN000001"]);
    assert!(switch.end("TERM").success());
    let earlier = switch.path("earlier");
    copy_files(&switch.path("log"), &earlier);
    switch.start();
    switch.told(&["unblock", "terminal", "HN000001"]);
    switch.told(&["block", "bank", "970418"]);
    assert!(switch.end("TERM").success());
    let heads = switch.path("witness/heads").to_str().unwrap().to_owned();
    let verify = ["log", "verify", "--heads", &heads];
    assert!(switch.told(&verify).contains("; 3 records are vouched for"), "the last head is that of the end");

    let later = switch.path("later");
    copy_files(&switch.path("log"), &later);
    copy_files(&earlier, &switch.path("log"));
    let refused = switch.command(&["run"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("vouches for 3, and it ends before that"), "{told}");
    let checked = switch.command(&[&verify[..], &["--json"]].concat());
    assert_eq!(checked.status.code(), Some(14));
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((&report["bad"]["harm"], &report["bad"]["position"]), (&"rolled_back".into(), &1.into()));
    assert!(switch.command(&["log", "verify"]).status.success(), "the log alone does not know");

    // Gone on with where no heads are asked for, it is as long as what was kept: an alarm there, and refused here.
    let configured = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    let without: Vec<&str> = configured.lines().filter(|line| !line.contains("heads_file")).collect();
    std::fs::write(switch.path("atm-switch.toml"), without.join("\n")).unwrap();
    let addresses = switch.start();
    assert!(page(&addresses, "/metrics").contains("atm_switch_log_heads_missing 1"));
    for citizen in ["001203000001", "001203000002", "001203000003"] {
        switch.told(&["block", "citizen", citizen]);
    }
    assert!(switch.end("TERM").success());
    std::fs::write(switch.path("atm-switch.toml"), &configured).unwrap();
    let refused = switch.command(&["run"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("vouches for 3, and it holds other records"), "{told}");
    copy_files(&earlier, &switch.path("log"));

    // Gone on with, it is another log.
    std::fs::rename(switch.path("witness/heads"), switch.path("moved")).unwrap();
    assert_eq!(switch.command(&verify).status.code(), Some(17), "no head is left where some were kept");
    let addresses = switch.start();
    assert!(page(&addresses, "/metrics").contains("atm_switch_log_heads_missing 1"));
    switch.told(&["block", "citizen", "001203000001"]);
    switch.told(&["block", "citizen", "001203000002"]);
    assert!(switch.end("TERM").success());
    std::fs::rename(switch.path("moved"), switch.path("witness/heads")).unwrap();
    assert_eq!(switch.command(&verify).status.code(), Some(15));
    assert_eq!(switch.command(&["run"]).status.code(), Some(1));

    // The whole log again, and an auditor with the public half.
    copy_files(&later, &switch.path("log"));
    let key = switch.path("heads-key.pem");
    std::fs::write(&key, switch.told(&["log", "heads-key"])).unwrap();
    let with_key = [&verify[..], &["--public-key", key.to_str().unwrap()]].concat();
    assert!(switch.command(&with_key).status.success());
    let text = std::fs::read_to_string(&heads).unwrap();
    std::fs::write(&heads, text.replacen(" 3:", " 5:", 1)).unwrap();
    assert_eq!(switch.command(&with_key).status.code(), Some(16), "a head that nobody has signed");
    std::fs::write(&heads, text).unwrap();
    switch.start();
}

/// Other users of the machine read the log, and kept the switch from starting by holding its lock.
#[test]
fn what_the_switch_makes_is_its_users_alone() {
    let mut switch = Switch::new();
    switch.start();
    switch.told(&["block", "terminal", "HN000001"]);
    assert!(switch.end("TERM").success());
    let log = switch.path("log");
    let made = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    for path in made.chain([log.clone()]) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

/// Connections of whoever watches were held for ever, as many as came: terminals got none any more.
#[test]
fn connections_to_the_metrics_that_say_nothing_are_bounded_and_closed() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    let admin = address(&addresses, "admin");
    let silent: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(admin).unwrap()).collect();
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        match stream.read(&mut [0; 1]) {
            Ok(read) => assert_eq!(read, 0, "closed, not answered"),
            // Not a wait that has run out: that is a connection which is kept.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
    assert!(page(&addresses, "/healthz").contains("healthy"));
}

#[test]
fn a_place_for_heads_that_takes_nothing_is_an_alarm_and_stops_nothing() {
    let mut switch = Switch::new();
    std::fs::create_dir(switch.path("mount")).unwrap();
    switch.configure_heads("mount/heads");
    let refused = switch.command(&["run"]);
    assert_eq!(refused.status.code(), Some(1), "nobody has said that it is the first start with them");
    assert!(String::from_utf8(refused.stderr).unwrap().contains("begin-heads"));
    switch.told(&["log", "begin-heads"]);
    std::fs::rename(switch.path("mount"), switch.path("unmounted")).unwrap();
    let addresses = switch.start();
    assert!(page(&addresses, "/metrics").contains("atm_switch_log_heads_missing 1"));
    switch.told(&["block", "terminal", "HN000001"]);
    let since = Instant::now();
    while !page(&addresses, "/metrics").contains("atm_switch_log_heads_failing 1") {
        assert!(since.elapsed() < PATIENCE, "it was not told");
        std::thread::sleep(Duration::from_millis(20));
    }
    switch.told(&["unblock", "terminal", "HN000001"]);
    assert!(switch.end("TERM").success());
    let stderr = std::fs::read_to_string(switch.path("stderr")).unwrap();
    assert_eq!(stderr.matches("a head of the log cannot be kept").count(), 1, "{stderr}");
    assert_eq!(stderr.matches("the second place does not vouch for the log").count(), 1, "{stderr}");
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
    let rotated = switch.told(&["keys", "rotate", "bank.970418.pin"]);
    assert!(rotated.contains("version 02") && rotated.contains("before it version 01"), "{rotated}");
    let exported = switch.told(&["keys", "export", "bank.970418.pin"]);
    let under = keys::KeyBlockKey::new(&exchange).unwrap();
    let version_min = keys::KeyVersion::new(2).unwrap();
    let expected = keys::Expected { usage: keys::KeyUsage::PinEncryption, version_min };
    let unwrapped = |block: &str| under.unwrap(block.trim().as_bytes(), expected).unwrap().key.check_value();
    assert_eq!(unwrapped(&exported), unwrapped(&block_of(&rotated)));
    let listed = switch.told(&["keys", "list"]);
    assert!(listed.contains(&unwrapped(&exported).to_string()), "{listed}");
    std::fs::write(switch.path("old.tr31"), block_of(&made)).unwrap();
    let old = switch.path("old.tr31");
    let back = switch.command(&["keys", "import", "bank.970418.pin", "--block", old.to_str().unwrap()]);
    let back = String::from_utf8(back.stderr).unwrap();
    assert!(back.contains("has version 02: a new one has to be above it; nothing was taken"), "{back}");
    let audit = std::fs::read_to_string(switch.path("log/audit.log")).unwrap();
    for act in ["keys create", "keys import", "keys generate", "keys rotate", "keys export"] {
        assert!(audit.contains(act), "{act}");
    }
}

/// Two parts of an exchange key, in files.
fn bring_exchange(switch: &Switch, name: &str, digits: &str) {
    write(switch.dir.path(), "first", &digits.repeat(32));
    write(switch.dir.path(), "second", &"01".repeat(32));
    let (first, second) = (switch.path("first"), switch.path("second"));
    let parts = ["--part", first.to_str().unwrap(), "--part", second.to_str().unwrap()];
    switch.told(&[&["keys", "import", name][..], &parts].concat());
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

/// Versions ended with 99, and nothing led back.
#[test]
fn a_terminal_whose_versions_are_used_up_brings_its_next_key_under_a_new_exchange_key() {
    let mut switch = Switch::new();
    let mut config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    config += "[hsm]\nkind = \"software\"\nfile = \"hsm.keys\"\nkey_file = \"hsm.key\"\n";
    write(switch.dir.path(), "atm-switch.toml", &config);
    write(switch.dir.path(), "hsm.key", &"35".repeat(32));
    switch.told(&["keys", "create"]);
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
    let switch = Switch::new();
    let mut config = std::fs::read_to_string(switch.path("atm-switch.toml")).unwrap();
    config += "[hsm]\nkind = \"software\"\nfile = \"hsm.keys\"\nkey_file = \"hsm.key\"\n";
    write(switch.dir.path(), "atm-switch.toml", &config);
    write(switch.dir.path(), "hsm.key", &"35".repeat(32));
    switch.told(&["keys", "create"]);
    for (part, digits) in [("first", "5A"), ("second", "3C")] {
        write(switch.dir.path(), part, &digits.repeat(32));
    }
    let (first, second) = (switch.path("first"), switch.path("second"));
    let parts = ["--part", first.to_str().unwrap(), "--part", second.to_str().unwrap()];
    switch.told(&[&["keys", "import", "bank.970418.exchange"][..], &parts].concat());
    // As a running switch has left it, which gave the exchange up.
    let sealing = hsm::Sealing::key_file("35".repeat(32).as_bytes()).unwrap();
    let module = hsm::SoftwareHsm::open(&switch.path("hsm.keys"), sealing).unwrap();
    let name = "bank.970418.mac-from-switch";
    let kind = hsm::KeyKind { algorithm: keys::KeyAlgorithm::Hmac, bytes: 32 };
    let offer = hsm::Hsm::offer_key(&module, name.parse().unwrap(), kind, 1).unwrap();
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
    let audit = std::fs::read_to_string(switch.path("log/audit.log")).unwrap();
    assert_eq!(audit.matches("keys use").count(), 6, "{audit}");
}

#[test]
fn memory_is_locked_where_that_is_allowed_and_else_it_is_told() {
    let mut switch = Switch::new();
    let addresses = switch.start();
    let id = switch.process.as_ref().unwrap().id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    let locked_kb: u64 = line("VmLck:").trim_end_matches(" kB").parse().unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let is_unlimited = limits.lines().any(|line| line.starts_with("Max locked memory         unlimited"));
    // CAP_IPC_LOCK.
    let may = is_unlimited || u64::from_str_radix(line("CapEff:"), 16).unwrap() >> 14 & 1 == 1;
    assert_eq!(may, locked_kb > 0);
    assert!(page(&addresses, "/metrics").contains(&format!("atm_switch_memory_locked {}", u8::from(may))));
    assert!(switch.end("TERM").success());
    let stderr = std::fs::read_to_string(switch.path("stderr")).unwrap();
    assert_eq!(stderr.contains("memory is not locked"), !may, "{stderr}");
}

/// A request to the console as a browser sends it; the whole answer.
fn browse(
    stream: &mut (impl Read + Write),
    host: &str,
    method: &str,
    path: &str,
    more: &str,
    body: &str,
) -> String {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{more}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A peer that closes without TLS's farewell has said what it had to say.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn people_log_in_at_the_console_see_the_switch_and_are_shut_out_by_a_command() {
    let mut switch = Switch::new();
    switch.open_console("");
    let password = "a lamp by the river";
    let add = ["people", "add", "lan", "--full-name", "Nguyễn Thị Lan", "--role", "clerk"];
    let weak = switch.told_with(&add, "short");
    assert!(String::from_utf8_lossy(&weak.stderr).contains("12 characters"), "{weak:?}");
    let added = switch.told_with(&add, password);
    assert!(added.status.success(), "{added:?}");
    assert_eq!(switch.told(&["people", "list"]), "lan  Nguyễn Thị Lan  clerk\n");

    let addresses = switch.start();
    let at = address(&addresses, "console");
    let host = at.to_string();
    let ask = |method: &str, path: &str, more: &str, body: &str| {
        browse(&mut TcpStream::connect(at).unwrap(), &host, method, path, more, body)
    };
    let outside = ask("GET", "/live", "", "");
    assert!(outside.starts_with("HTTP/1.1 303") && outside.contains("/log-in?"), "{outside}");
    let form = format!("name=lan&password={}", password.replace(' ', "+"));
    let logged_in = ask("POST", "/log-in", &format!("Origin: http://{host}\r\n"), &form);
    let cookie = logged_in.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_else(|| panic!("{logged_in}"));
    let cookie = format!("Cookie: {cookie}\r\n");
    let live = ask("GET", "/live", &cookie, "");
    assert!(
        live.starts_with("HTTP/1.1 200") && live.contains("01/05/2026") && live.contains("BIDV"),
        "{live}"
    );
    assert!(ask("GET", "/transactions", &cookie, "").contains("Sổ giao dịch chưa có giao dịch nào."));

    switch.told(&["people", "disable", "lan"]);
    assert!(ask("GET", "/live", &cookie, "").starts_with("HTTP/1.1 303"));
    let audit = switch.told(&["people", "audit"]);
    let acts: Vec<&str> = ["person added: lan", "log-in: lan", "person disabled: lan"].to_vec();
    assert_eq!(audit.lines().count(), acts.len(), "{audit}");
    assert!(audit.lines().zip(acts).all(|(line, act)| line.contains(act)), "{audit}");
    assert!(!audit.contains(password) && !audit.contains("argon2"));
    assert!(switch.end("TERM").success());
}

#[test]
fn a_console_in_tls_has_a_cookie_for_tls_alone() {
    let mut switch = Switch::new();
    let authority = Authority::mint("console CA").unwrap();
    let identity = authority.server("console", &["localhost"]).unwrap();
    write(switch.dir.path(), "console.pem", &identity.certificate_pem);
    write(switch.dir.path(), "console.key.pem", &identity.key_pem);
    let key = switch.path("console.key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    switch
        .open_console("[console.tls]\ncertificate_file = \"console.pem\"\nkey_file = \"console.key.pem\"\n");
    let add = ["people", "add", "lan", "--full-name", "Lan", "--role", "clerk"];
    assert!(switch.told_with(&add, "a lamp by the river").status.success());
    let addresses = switch.start();
    let at = address(&addresses, "console");
    let host = format!("localhost:{}", at.port());
    let dial = || {
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject as _;
        roots
            .add(rustls::pki_types::CertificateDer::from_pem_slice(authority.ca_pem.as_bytes()).unwrap())
            .unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
        StreamOwned::new(connection, TcpStream::connect(at).unwrap())
    };
    let form = "name=lan&password=a+lamp+by+the+river";
    let plain = format!("Origin: http://{host}\r\n");
    assert!(browse(&mut dial(), &host, "POST", "/log-in", &plain, form).starts_with("HTTP/1.1 403"));
    let logged_in =
        browse(&mut dial(), &host, "POST", "/log-in", &format!("Origin: https://{host}\r\n"), form);
    let cookie = logged_in.lines().find(|line| line.starts_with("set-cookie: ")).unwrap();
    assert!(cookie.contains("__Host-console=") && cookie.contains("; Secure"), "{cookie}");
    assert!(logged_in.contains("strict-transport-security"), "{logged_in}");
    assert!(switch.end("TERM").success());
}
