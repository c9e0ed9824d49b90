//! The switch as a process of its own: built when it is not there, started, killed, told things, ended.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// A start has to be over in so many seconds, recovery included.
const START_S_MAX: u64 = 30;
/// The page of metrics is read up to so many bytes.
const METRICS_BYTES_MAX: u64 = 8 << 20;
/// So has an orderly end, which waits for what is in flight.
const END_S_MAX: u64 = 60;
/// And a command to the running switch.
const COMMAND_S_MAX: u64 = 20;
/// Showing the whole log of a long load takes longer.
const LOG_S_MAX: u64 = 900;
/// So many lines are told of what a switch said that has ended.
const LINES_TOLD_MAX: usize = 5;

/// What went wrong with the switch's process.
#[derive(Debug, Error)]
pub(crate) enum SwitchError {
    /// The program is not there and cannot be built.
    #[error("atm-switch cannot be built; try `cargo build --release -p server` yourself: {0}")]
    Build(String),
    /// The system refused.
    #[error("atm-switch: {0}")]
    Io(#[from] io::Error),
    /// It ended before it was ready, or was not ready in time.
    #[error("atm-switch did not start: {0}")]
    Start(String),
    /// It did not end in time, or not well.
    #[error("atm-switch did not end well: {0}")]
    End(String),
    /// A command was refused.
    #[error("atm-switch {command}: {reason}")]
    Command {
        /// The command.
        command: String,
        /// What it said.
        reason: String,
    },
}

/// The program and the directory in which it runs.
pub(crate) struct Switch {
    program: PathBuf,
    config: PathBuf,
    addresses: PathBuf,
    log: PathBuf,
    process: Option<Child>,
}

#[derive(Clone, Copy, Deserialize)]
struct Addresses {
    terminals: SocketAddr,
    admin: SocketAddr,
    console: Option<SocketAddr>,
}

/// What the pilot reads of `atm-switch status`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Status {
    /// Requests between arrival and answer.
    pub(crate) requests_in_flight: usize,
    /// Reversals that no bank has acknowledged.
    pub(crate) reversals_open: usize,
    /// Banks that can be asked.
    pub(crate) banks_ready: Vec<String>,
}

impl Switch {
    /// The program beside this one, built first when it is not there. Under cargo it is always built, so that it is the one
    /// of these sources.
    ///
    /// # Errors
    /// [`SwitchError::Build`].
    pub(crate) async fn find() -> Result<PathBuf, SwitchError> {
        let own = std::env::current_exe()?;
        // Tests run one directory further down.
        let directory = own
            .parent()
            .map(|parent| if parent.ends_with("deps") { parent.join("..") } else { parent.into() });
        let directory = directory.unwrap_or_default();
        let program = directory.join("atm-switch");
        let cargo = match std::env::var_os("CARGO") {
            Some(cargo) => cargo,
            None if program.is_file() => return Ok(program),
            None => "cargo".into(),
        };
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "server", "--bin", "atm-switch"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        let built = build.stdin(Stdio::null()).output().await?;
        if built.status.success() {
            Ok(program)
        } else {
            Err(SwitchError::Build(String::from_utf8_lossy(&built.stderr).into_owned()))
        }
    }

    /// The switch of a configuration file; its own log goes beside it, to `switch.log`.
    pub(crate) fn new(program: PathBuf, config: PathBuf) -> Switch {
        let beside = |name: &str| config.with_file_name(name);
        Switch {
            program,
            addresses: beside("addresses.json"),
            log: beside("switch.log"),
            config,
            process: None,
        }
    }

    /// Starts it and waits until terminals are accepted; gives the address for them.
    ///
    /// # Errors
    /// [`SwitchError`].
    pub(crate) async fn start(&mut self) -> Result<SocketAddr, SwitchError> {
        let _ = std::fs::remove_file(&self.addresses);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--config").arg(&self.config).arg("--addresses").arg(&self.addresses);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut process = command.spawn()?;
        let until = Instant::now() + Duration::from_secs(START_S_MAX);
        loop {
            if let Some(status) = process.try_wait()? {
                return Err(SwitchError::Start(format!("{status}; see {}", self.log.display())));
            }
            if let Ok(text) = std::fs::read(&self.addresses)
                && let Ok(addresses) = serde_json::from_slice::<Addresses>(&text)
            {
                self.process = Some(process);
                return Ok(addresses.terminals);
            }
            if Instant::now() > until {
                return Err(SwitchError::Start(format!(
                    "not ready in {START_S_MAX} s; see {}",
                    self.log.display()
                )));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Where its metrics are.
    ///
    /// # Errors
    /// [`SwitchError::Io`]: it does not run.
    pub(crate) fn admin(&self) -> Result<SocketAddr, SwitchError> {
        let text = std::fs::read(&self.addresses)?;
        let addresses: Addresses = serde_json::from_slice(&text).map_err(io::Error::other)?;
        Ok(addresses.admin)
    }

    /// Where the clerks' console is.
    ///
    /// # Errors
    /// [`SwitchError::Io`]: it does not run, or has none.
    pub(crate) fn console(&self) -> Result<SocketAddr, SwitchError> {
        let text = std::fs::read(&self.addresses)?;
        let addresses: Addresses = serde_json::from_slice(&text).map_err(io::Error::other)?;
        Ok(addresses.console.ok_or_else(|| io::Error::other("the switch has no console"))?)
    }

    /// The page of metrics.
    ///
    /// # Errors
    /// [`SwitchError::Io`].
    pub(crate) async fn metrics(&self) -> Result<String, SwitchError> {
        let mut stream = TcpStream::connect(self.admin()?).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut page = String::new();
        timeout(Duration::from_secs(COMMAND_S_MAX), stream.take(METRICS_BYTES_MAX).read_to_string(&mut page))
            .await
            .map_err(io::Error::other)??;
        Ok(page)
    }

    /// SIGKILL, in the middle of whatever it does.
    ///
    /// # Errors
    /// [`SwitchError::Io`].
    pub(crate) async fn kill(&mut self) -> Result<(), SwitchError> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// SIGTERM, and waits for the orderly end.
    ///
    /// # Errors
    /// [`SwitchError`].
    pub(crate) async fn end(&mut self) -> Result<(), SwitchError> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        if let Some(id) = process.id() {
            let told = Command::new("kill").arg("-TERM").arg(id.to_string()).status().await?;
            if !told.success() {
                return Err(SwitchError::End("it could not be told".to_owned()));
            }
        }
        match timeout(Duration::from_secs(END_S_MAX), process.wait()).await {
            Ok(status) => {
                let status = status?;
                if status.success() { Ok(()) } else { Err(SwitchError::End(status.to_string())) }
            }
            Err(_) => {
                process.kill().await?;
                Err(SwitchError::End(format!("still there after {END_S_MAX} s")))
            }
        }
    }

    /// Runs another command of the program with this configuration; gives what it prints.
    ///
    /// # Errors
    /// [`SwitchError::Command`] with what it said.
    pub(crate) async fn command<I: AsRef<OsStr>>(&self, arguments: &[I]) -> Result<Vec<u8>, SwitchError> {
        command(&self.program, &self.config, arguments, b"").await
    }

    /// How it ended, with the last it said, where it has without being told.
    ///
    /// # Errors
    /// [`SwitchError::Io`].
    pub(crate) fn ended(&mut self) -> Result<Option<String>, SwitchError> {
        let Some(process) = &mut self.process else { return Ok(None) };
        let Some(status) = process.try_wait()? else { return Ok(None) };
        let said = String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned();
        let last: Vec<_> = said.lines().rev().take(LINES_TOLD_MAX).collect();
        let last = last.into_iter().rev().fold(String::new(), |text, line| text + "\n  " + line);
        Ok(Some(format!("atm-switch has ended by itself, {status}; the last it said:{last}")))
    }

    /// The same for a command that reads a line from standard input.
    ///
    /// # Errors
    /// [`SwitchError::Command`] with what it said.
    pub(crate) async fn command_with<I: AsRef<OsStr>>(
        &self,
        arguments: &[I],
        line: &str,
    ) -> Result<Vec<u8>, SwitchError> {
        command(&self.program, &self.config, arguments, line.as_bytes()).await
    }

    /// Its process, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Writes its whole log to a file, as `log show --json` prints it: a long one never stands in memory as text.
    ///
    /// # Errors
    /// [`SwitchError`].
    pub(crate) async fn log_to(&self, file: &Path) -> Result<(), SwitchError> {
        let mut command = Command::new(&self.program);
        command.args(["log", "show", "--json"]).arg("--config").arg(&self.config);
        command.stdin(Stdio::null()).stdout(std::fs::File::create(file)?).kill_on_drop(true);
        let failed = |reason: String| SwitchError::Command { command: "log show".to_owned(), reason };
        let status = timeout(Duration::from_secs(LOG_S_MAX), command.status())
            .await
            .map_err(|_| failed(format!("not done in {LOG_S_MAX} s")))??;
        if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
    }

    /// How things stand.
    ///
    /// # Errors
    /// [`SwitchError::Command`].
    pub(crate) async fn status(&self) -> Result<Status, SwitchError> {
        let text = self.command(&["status"]).await?;
        serde_json::from_slice(&text)
            .map_err(|error| SwitchError::Command { command: "status".to_owned(), reason: error.to_string() })
    }
}

async fn command<I: AsRef<OsStr>>(
    program: &Path,
    config: &Path,
    arguments: &[I],
    input: &[u8],
) -> Result<Vec<u8>, SwitchError> {
    let mut command = Command::new(program);
    command.args(arguments).arg("--config").arg(config);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let name = || arguments.iter().map(|it| it.as_ref().to_string_lossy()).collect::<Vec<_>>().join(" ");
    let failed = |reason: String| SwitchError::Command { command: name(), reason };
    let run = async {
        let mut process = command.spawn()?;
        if let Some(mut stdin) = process.stdin.take() {
            // A command that refuses before it reads says why.
            let _ = stdin.write_all(input).await;
        }
        process.wait_with_output().await
    };
    let output: Output = timeout(Duration::from_secs(COMMAND_S_MAX), run)
        .await
        .map_err(|_| failed(format!("no answer in {COMMAND_S_MAX} s")))??;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
        Err(failed(String::from_utf8_lossy(said).trim_end().to_owned()))
    }
}
