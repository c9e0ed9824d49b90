//! Counting: this very program again, under callgrind, with one case.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, io};

use super::cases::Case;

/// What [`super::cases`] counts in has this in its name; callgrind counts between its entry and its end alone.
const COUNTED: &str = "*instructions*counted*";

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum CallgrindError {
    /// Not installed, or it cannot be started.
    #[error("valgrind: {0}; Debian has it in the package `valgrind`")]
    Start(io::Error),
    /// The case failed under it.
    #[error("{case}: valgrind ended with {status}\n{said}")]
    Failed {
        /// Its name.
        case: &'static str,
        /// Of valgrind.
        status: std::process::ExitStatus,
        /// What it and the case wrote.
        said: String,
    },
    /// The file that callgrind leaves behind has no total above 0, or twice as many repetitions were not more.
    #[error("{case}: callgrind counted {once} and {twice} instructions, which cannot be")]
    Senseless {
        /// Its name.
        case: &'static str,
        /// With N repetitions.
        once: u64,
        /// With 2 N.
        twice: u64,
    },
}

/// Instructions of one repetition.
///
/// # Errors
/// [`CallgrindError`].
pub fn count(case: &'static Case) -> Result<u64, CallgrindError> {
    let once = run(case, case.repetitions)?;
    let twice = run(case, 2 * case.repetitions)?;
    if once == 0 || twice <= once {
        return Err(CallgrindError::Senseless { case: case.name, once, twice });
    }
    let repetitions = case.repetitions as u64;
    Ok((twice - once + repetitions / 2) / repetitions)
}

fn run(case: &'static Case, repetitions: usize) -> Result<u64, CallgrindError> {
    let out = env::temp_dir().join(format!("instructions-{}.callgrind", std::process::id()));
    let done = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .args(["--collect-atstart=no", &format!("--toggle-collect={COUNTED}")])
        .arg(env::current_exe().map_err(CallgrindError::Start)?)
        .args(["--run", case.name, "--repetitions", &repetitions.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(CallgrindError::Start)?;
    let total = total(&out);
    // Whether it is there or not.
    let _ = fs::remove_file(&out);
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(CallgrindError::Failed { case: case.name, status: done.status, said });
    }
    Ok(total)
}

/// 0 where the file says none.
fn total(out: &Path) -> u64 {
    let text = fs::read(out).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("totals:"));
    total.and_then(|total| total.trim().parse().ok()).unwrap_or(0)
}
