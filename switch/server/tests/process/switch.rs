//! A switch with one terminal and one bank, as a process in a directory of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use server::audit_file::AUDIT_FILE;

/// Longer than anything here takes: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_atm-switch");

/// A switch with one terminal and one bank, in a directory of its own.
pub(crate) struct Switch {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) process: Option<Child>,
    /// The bank's listener: the switch's connections stay in its queue.
    _bank: TcpListener,
}

impl Switch {
    pub(crate) fn new() -> Switch {
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
    pub(crate) fn keep_heads(&self, file: &str) {
        self.configure_heads(file);
        self.told(&["log", "begin-heads"]);
    }

    pub(crate) fn configure_heads(&self, file: &str) {
        let mut config = std::fs::read_to_string(self.path("atm-switch.toml")).unwrap();
        config += &format!("[log]\nheads_file = \"{file}\"\nheads_records_max = 1\n");
        write(self.dir.path(), "atm-switch.toml", &config);
    }

    /// There is a console from the next start on.
    pub(crate) fn open_console(&self, more: &str) {
        let mut config = std::fs::read_to_string(self.path("atm-switch.toml")).unwrap();
        config += &format!("[console]\nlisten = \"127.0.0.1:0\"\ndir = \"console\"\n{more}");
        write(self.dir.path(), "atm-switch.toml", &config);
    }

    /// A command that is given a line on standard input.
    pub(crate) fn told_with(&self, arguments: &[&str], line: &str) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--config").arg(self.path("atm-switch.toml"));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = spawned.unwrap();
        process.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        process.wait_with_output().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the process and waits until it accepts; gives the addresses that it tells.
    pub(crate) fn start(&mut self) -> Value {
        self.spawn();
        self.accepting()
    }

    pub(crate) fn spawn(&mut self) {
        let _ = std::fs::remove_file(self.path("addresses.json"));
        let process = Command::new(PROGRAM)
            .args(["run", "--config"])
            .arg(self.path("atm-switch.toml"))
            .arg("--addresses")
            .arg(self.path("addresses.json"))
            .stderr(Stdio::from(std::fs::File::create(self.path("stderr")).unwrap()))
            .spawn();
        self.process = Some(process.unwrap());
    }

    /// Waits until the process accepts; gives the addresses that it tells.
    pub(crate) fn accepting(&mut self) -> Value {
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

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").arg(format!("-{name}")).arg(id).status().unwrap().success());
    }

    /// Signals and waits for the process to end.
    pub(crate) fn end(&mut self, name: &str) -> std::process::ExitStatus {
        self.signal(name);
        self.process.take().unwrap().wait().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let config = self.path("atm-switch.toml");
        Command::new(PROGRAM).args(arguments).arg("--config").arg(config).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn log(&self) -> Vec<Value> {
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

pub(crate) fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn address(addresses: &Value, name: &str) -> SocketAddr {
    addresses[name].as_str().unwrap().parse().unwrap()
}

/// The body and status line of a page.
pub(crate) fn page(addresses: &Value, path: &str) -> String {
    let mut stream = TcpStream::connect(address(addresses, "admin")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: switch\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

/// The audit beside the switch's log.
pub(crate) fn audit(switch: &Switch) -> String {
    std::fs::read_to_string(switch.path("log").join(AUDIT_FILE)).unwrap()
}
