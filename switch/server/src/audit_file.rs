//! The audit file: acts of people that change or look at what the log does not record, a JSON line each.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use processor::UtcSeconds;
use serde_json::{Value, json};

use crate::process_memory::user;

/// Its name in the log's directory.
pub const AUDIT_FILE: &str = "audit.log";

/// Appends one JSON line with time and user, durable before this returns.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn audit(log_dir: &Path, mut act: Value) -> Result<(), String> {
    let path = log_dir.join(AUDIT_FILE);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    act["at"] = json!(crate::log_view::utc(UtcSeconds(now_s)));
    act["by"] = json!(user());
    let write = || {
        std::fs::create_dir_all(log_dir)?;
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        file.write_all(format!("{act}\n").as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}
