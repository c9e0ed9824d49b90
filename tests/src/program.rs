//! The program atm-switch as a process of its own, for tests: built first, started, signalled, asked.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A start that takes longer has failed.
const START_MAX: Duration = Duration::from_secs(60);

/// The program, built once in the profile of whoever asks.
///
/// # Panics
/// When it does not build.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built(&["--package", "server"], "atm-switch"))
}

/// The program of the simulators, in the same way.
///
/// # Panics
/// When it does not build.
pub fn simulators() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built(&["--workspace"], "simulators"))
}

/// What belongs to it is built with the features that these packages have together.
fn built(packages: &[&str], name: &str) -> PathBuf {
    let (profile, more): (_, &[&str]) =
        if cfg!(debug_assertions) { ("debug", &[]) } else { ("release", &["--release"]) };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--bin", name])
        .args(packages)
        .args(more)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status();
    assert!(built.is_ok_and(|status| status.success()), "{name} does not build");
    let mut directory = std::env::current_exe().expect("a test has a path");
    while directory.file_name().is_none_or(|name| name != "debug" && name != "release") {
        assert!(directory.pop(), "a test stands in cargo's target directory");
    }
    directory.pop();
    directory.join(profile).join(name)
}

/// Writes a file that its owner alone can read.
///
/// # Errors
/// The system's own.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

/// A switch in a directory that holds `atm-switch.toml`. Killed when dropped.
#[derive(Debug)]
pub struct Switch {
    dir: PathBuf,
    process: Option<Child>,
    environment: Vec<(String, OsString)>,
}

impl Switch {
    /// Not started yet.
    pub fn new(dir: &Path) -> Switch {
        Switch { dir: dir.to_owned(), process: None, environment: Vec::new() }
    }

    /// Sets a variable of the environment for every run from now on, not for commands.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Starts it and waits until it accepts terminals; gives the addresses that it tells.
    ///
    /// # Panics
    /// With what it wrote, when it does not come up.
    pub fn start(&mut self) -> Value {
        self.launch();
        match self.wait_ready() {
            Ok(addresses) => addresses,
            Err(status) => panic!("not started, {status}: {}", self.stderr()),
        }
    }

    /// Starts it without waiting for anything.
    ///
    /// # Panics
    /// When there is no such program.
    pub fn launch(&mut self) {
        let addresses = self.dir.join("addresses.json");
        let _ = std::fs::remove_file(&addresses);
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(self.stderr_path());
        let process = Command::new(program())
            .arg("run")
            .arg("--config")
            .arg(self.config_path())
            .arg("--addresses")
            .arg(&addresses)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stderr(Stdio::from(stderr.expect("the directory can be written")))
            .spawn();
        self.process = Some(process.expect("the program starts"));
    }

    /// Waits until what was launched accepts terminals; gives the addresses that it tells.
    ///
    /// # Errors
    /// The status with which it has ended instead.
    ///
    /// # Panics
    /// With what it wrote, when neither comes about.
    pub fn wait_ready(&mut self) -> Result<Value, ExitStatus> {
        let since = Instant::now();
        let process = self.process.as_mut().expect("it was launched");
        loop {
            if let Ok(text) = std::fs::read_to_string(self.dir.join("addresses.json")) {
                return Ok(serde_json::from_str(&text).expect("addresses are JSON"));
            }
            if let Some(status) = process.try_wait().expect("a child can be waited for") {
                self.process = None;
                return Err(status);
            }
            assert!(since.elapsed() < START_MAX, "not started in {START_MAX:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it goes on.
    pub fn wait_end(&mut self) -> ExitStatus {
        let since = Instant::now();
        let process = self.process.as_mut().expect("it was launched");
        loop {
            if let Some(status) = process.try_wait().expect("a child can be waited for") {
                self.process = None;
                return status;
            }
            assert!(since.elapsed() < START_MAX, "still there after {START_MAX:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it wrote to standard error in all its runs.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.stderr_path()).unwrap_or_default()
    }

    /// Its process.
    ///
    /// # Panics
    /// When it was not started, or has ended by itself.
    pub fn pid(&mut self) -> u32 {
        let process = self.process.as_mut().expect("it was started");
        let ended = process.try_wait().expect("a child can be waited for");
        assert!(ended.is_none(), "it has ended by itself: {ended:?}");
        process.id()
    }

    /// Sends a signal by its name, as `kill` knows it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("it runs").id().to_string();
        let told = Command::new("kill").arg(format!("-{name}")).arg(id).status();
        assert!(told.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Signals and waits for its end.
    ///
    /// # Panics
    /// As [`Switch::signal`].
    pub fn end(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        let mut process = self.process.take().expect("it runs");
        process.wait().expect("a child can be waited for")
    }

    /// Starts one of its commands, and waits for nothing.
    ///
    /// # Panics
    /// When the program cannot be run.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(program());
        command.args(arguments).arg("--config").arg(self.config_path()).spawn().expect("the program runs")
    }

    /// Runs one of its commands.
    ///
    /// # Panics
    /// When the program cannot be run.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.args(arguments).arg("--config").arg(self.config_path()).output().expect("the program runs")
    }

    /// Standard output of a command that must succeed.
    ///
    /// # Panics
    /// With what it wrote, when it fails.
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Every record of its log, as `log show --json` tells it.
    ///
    /// # Panics
    /// As [`Switch::told`].
    pub fn log(&self) -> Vec<Value> {
        let lines = self.told(&["log", "show", "--json"]);
        lines.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
    }

    /// Kinds of its log's records, in order.
    ///
    /// # Panics
    /// As [`Switch::told`].
    pub fn log_kinds(&self) -> Vec<String> {
        let kind = |record: &Value| record["record"].as_str().expect("a record has a kind").to_owned();
        self.log().iter().map(kind).collect()
    }

    /// The file that standard error goes to.
    pub fn stderr_path(&self) -> PathBuf {
        self.dir.join("stderr")
    }

    fn config_path(&self) -> PathBuf {
        self.dir.join("atm-switch.toml")
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
