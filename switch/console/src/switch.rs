//! What the console asks of the running switch, and what it is told when it is started.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use processor::{Day, Institution, TxKey};
use rustls::ServerConfig;
use serde_json::Value;

use crate::desk::DeskSettings;
use crate::sessions::SessionBounds;

/// An answer that comes when the event loop has had time for it; an error says why there is none.
pub type Asking = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

/// The running switch, as its operators know it (docs/operations.md#operator-commands).
pub trait Switch: Send + Sync + 'static {
    /// As `atm-switch status`.
    fn status(&self) -> Asking;

    /// As `atm-switch suspense resolve`; the record has `by` and that it came by the console.
    fn resolve(&self, key: TxKey, by: &str, why: &str) -> Asking;

    /// As `atm-switch cutover`, for `by`.
    fn cut_over(&self, day: Day, by: &str) -> Asking;

    /// The page of metrics, Prometheus text.
    fn metrics(&self) -> String;
}

/// `[console]`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where browsers connect to.
    pub listen: SocketAddr,
    /// Hosts under which it is known, without ports, beside the address and, on loopback, `localhost`.
    pub names: Vec<String>,
    /// Directory of people and audit.
    pub dir: PathBuf,
    /// TLS; without it `listen` is on loopback.
    pub tls: Option<ConsoleTls>,
    /// How long sessions last.
    pub sessions: SessionBounds,
    /// The switch's name, as files for banks have it.
    pub switch: String,
    /// The banks' names: of those that have citizens here.
    pub banks: BTreeMap<Institution, String>,
    /// All members: these banks, and those whose terminals are connected.
    pub members: BTreeSet<Institution>,
    /// ISO 4217 of all amounts.
    pub currency: u16,
    /// Where files of banks and machines are taken and cases are worked on, if anywhere.
    pub desk: Option<DeskSettings>,
    /// The business day before the log's first CUTOVER.
    pub first_day: Day,
}

/// The console's end of TLS. Cannot be printed.
#[derive(Clone)]
pub struct ConsoleTls(pub Arc<ServerConfig>);

impl std::fmt::Debug for ConsoleTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConsoleTls")
    }
}
