//! The commands of README's "Each part by hand", as they stand there.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::program::{program, simulators};

/// Longer than any part takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Other programs may take a port between its being free and its being listened on; then all begins anew, with others.
const PORTS_TRIES_MAX: usize = 3;

/// A part in the background, which says its mistakes to a file. Killed when dropped.
struct Background {
    child: Child,
    said: PathBuf,
}

/// Why a part does not listen: it has ended.
struct Ended(String);

impl Background {
    /// As soon as it listens.
    fn listening(words: &[&str], dir: &Path, address: SocketAddr) -> Result<Background, Ended> {
        let said = dir.join(format!("{}.said", address.port()));
        let stderr = File::create(&said).unwrap();
        let child = of(words, dir).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        let mut part = Background { child, said };
        let since = Instant::now();
        loop {
            if part.child.try_wait().unwrap().is_some() {
                return Err(Ended(part.said()));
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(part);
            }
            assert!(since.elapsed() < PATIENCE, "{words:?}: {}", part.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ports that nobody has at the moment.
fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

/// The commands of the section, without their comments.
fn commands() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("## Each part by hand").unwrap();
    let (_, rest) = rest.split_once("```sh\n").unwrap();
    let lines = rest.split_once("```").unwrap().0.lines();
    lines.map(|line| line.split(" #").next().unwrap().trim().to_owned()).collect()
}

fn of(words: &[&str], dir: &Path) -> Command {
    let path = match words[0] {
        "target/release/atm-switch" => program(),
        "target/release/simulators" => simulators(),
        other => panic!("{other} is none of ours"),
    };
    let mut command = Command::new(path);
    command.args(&words[1..]).current_dir(dir);
    command
}

fn told(words: &[&str], dir: &Path) -> String {
    let output = of(words, dir).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{words:?}: {stdout}{stderr}");
    stdout
}

/// The ports are others than README's, so that the test stands in nobody's way.
#[test]
fn each_part_by_hand_comes_to_a_withdrawal() {
    for attempt in 1..=PORTS_TRIES_MAX {
        match by_hand() {
            Ok(last) => {
                let kinds = ["VERIFICATION", "INTENT", "OUTCOME", "COMPLETE"];
                return assert!(kinds.iter().all(|kind| last.contains(kind)), "{last}");
            }
            Err(Ended(said)) => {
                let is_taken = said.contains("Address already in use");
                assert!(is_taken && attempt < PORTS_TRIES_MAX, "a part has ended: {said}");
            }
        }
    }
}

/// What the last command says.
fn by_hand() -> Result<String, Ended> {
    let dir = tempfile::tempdir().unwrap();
    let [switch, bank, registry, admin, console] = free_addresses();
    let listening = [registry, bank, switch];
    let ports = [
        ("--switch", switch),
        ("--bank", bank),
        ("--registry", registry),
        ("--admin", admin),
        ("--console", console),
    ];
    let ports: Vec<String> = ports.iter().map(|(flag, address)| format!("{flag}={address}")).collect();
    let mut parts: Vec<Background> = Vec::new();
    let mut last = String::new();
    let commands = commands();
    assert_eq!(commands[0], "cargo build --release");
    for line in &commands[1..] {
        let line = line.replace("127.0.0.1:8443", &registry.to_string());
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words[1] == "example" {
            words.extend(ports.iter().map(String::as_str));
        }
        if words.last() != Some(&"&") {
            last = told(&words, dir.path());
            continue;
        }
        words.pop();
        let address = listening[parts.len()];
        parts.push(Background::listening(&words, dir.path(), address)?);
        if address == switch {
            let status = ["target/release/atm-switch", "status", "--config", "example/atm-switch.toml"];
            until("the bank is not ready", || !told(&status, dir.path()).contains("\"banks_ready\": []"));
        }
    }
    Ok(last)
}
