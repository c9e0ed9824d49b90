//! The configuration file: what the switch is told before it starts (docs/operations.md#configuration).

mod console;
mod hsm;
mod links;
mod load;
mod reader;
mod reconciliation;
mod summary;
mod wanting;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ::reconciliation::calendar::Calendar;
use ::reconciliation::{FeeTable, Rules};
use casework::DueRules;
use iso8583::Dialect;
use iso8583::framing::Framing;
use keys::KeyFile;
use processor::{Institution, TerminalId, Timers};

use crate::links::networks::Networks;
use crate::tls::{ClientTls, ServerTls, Validity, Watched};

use crate::heads::HeadsSettings;
use crate::registry::BreakerBounds;
use crate::trust::TrustFiles;

pub use hsm::{HsmModule, HsmSettings, PinFormats};
pub use load::{load, load_to_run};
pub use reader::Mistake;

/// Addresses of one bank at most: a connection to each is held open.
pub const ADDRESSES_MAX: usize = 8;

/// A configuration without a mistake.
#[derive(Debug)]
pub struct Settings {
    /// The file it was read from.
    pub file: PathBuf,
    /// The switch itself.
    pub switch: SwitchSettings,
    /// What the processor decides by.
    pub processor: processor::Config,
    /// All keys.
    pub keys: KeyFile,
    /// Where heads of the log are kept, if they are.
    pub heads: Option<HeadsSettings>,
    /// The terminals' listener.
    pub terminals: TerminalLinkSettings,
    /// The banks' links.
    pub issuers: BTreeMap<Institution, IssuerLinkSettings>,
    /// The identity registry.
    pub registry: RegistrySettings,
    /// The security module, where there is one.
    pub hsm: Option<HsmSettings>,
    /// In which formats PIN blocks come and go.
    pub pin_formats: PinFormats,
    /// The chips' trust.
    pub credential: CredentialSettings,
    /// Unix socket of the operator's commands.
    pub operator_socket: PathBuf,
    /// Address of /metrics, /healthz and /readyz.
    pub admin_listen: SocketAddr,
    /// The clerks' console, if there is one.
    pub console: Option<::console::Settings>,
    /// Where files of banks and machines, and what people do with them, are kept.
    pub reconciliation: Option<ReconciliationSettings>,
}

/// `[reconciliation]`.
#[derive(Clone, Debug)]
pub struct ReconciliationSettings {
    /// Directory of taken files and of acts.
    pub dir: PathBuf,
    /// Working days, local time, and when a day ends.
    pub calendar: Calendar,
    /// How near is near.
    pub rules: Rules,
    /// What banks owe acquirers.
    pub fees: FeeTable,
    /// When cases are due.
    pub due: DueRules,
}

/// `[switch]`.
#[derive(Clone, Debug)]
pub struct SwitchSettings {
    /// Its name towards the registry.
    pub id: String,
    /// Directory of the durable log.
    pub log_dir: PathBuf,
    /// Directory of the enrolment.
    pub enrolment_dir: PathBuf,
    /// The wall clock may stand so far behind the log's last record at a start.
    pub clock_behind_ms_max: u64,
    /// A shutdown waits so long for what is in flight.
    pub drain_ms_max: u64,
    /// Bytes of a segment of the log; two are allocated ahead of the one that is written to.
    pub segment_bytes: u64,
}

/// `[terminals]`.
#[derive(Clone, Debug)]
pub struct TerminalLinkSettings {
    /// Where terminals connect to.
    pub listen: SocketAddr,
    /// Connections at once; at the limit no more are accepted until one ends.
    pub connections_max: usize,
    /// New connections in a second; more wait in the kernel's queue.
    pub accepts_per_second_max: u64,
    /// A connection has to bring an authentic message within this time.
    pub first_message_ms_max: u64,
    /// Silence after which a connection is closed.
    pub idle_ms_max: u64,
    /// A frame that has begun has to be whole within this time; so has a write.
    pub frame_ms_max: u64,
    /// Connections of one address at once; the next is closed.
    pub connections_per_address_max: usize,
    /// Who may connect.
    pub allow: Networks,
    /// TLS; without it the link is on loopback.
    pub tls: Option<TerminalTls>,
    /// For each terminal the common name of the certificate that speaks for it.
    pub certificates: BTreeMap<TerminalId, String>,
}

/// `[terminals.tls]`.
#[derive(Clone, Debug)]
pub struct TerminalTls {
    /// Certificate, key and authority.
    pub server: ServerTls,
    /// A handshake has to be over within this time.
    pub handshake_ms_max: u64,
    /// Handshakes under way at once; the next waits, within its time.
    pub handshakes_max: usize,
}

/// The link's part of `[[issuer]]`.
#[derive(Clone, Debug)]
pub struct IssuerLinkSettings {
    /// `host:port`, each connected to.
    pub addresses: Vec<String>,
    /// How its messages are written.
    pub dialect: &'static Dialect,
    /// What stands in front of each.
    pub framing: Framing,
    /// Its messages carry MACs.
    pub mac: bool,
    /// Which of its addresses may be talked to.
    pub allow: Networks,
    /// TLS; without it all addresses are on loopback.
    pub tls: Option<ClientTls>,
    /// The pause before a lost connection is tried again: the first; it doubles up to the longest, with jitter.
    pub reconnect_ms_min: u64,
    /// The longest.
    pub reconnect_ms_max: u64,
}

/// `[registry]`.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// `https://host:port`.
    pub url: String,
    /// PEM: who may have signed the registry's TLS certificate.
    pub ca_pem: Vec<u8>,
    /// The switch's signing key, PKCS#8 PEM, P-256.
    pub signing_key_pem: SecretPem,
    /// The name of that key at the registry.
    pub kid: String,
    /// The registry's keys by their names: public keys, SPKI PEM, P-256.
    pub pinned: BTreeMap<String, Vec<u8>>,
    /// Client certificate and key, PEM, where the registry asks for them.
    pub client: Option<(Vec<u8>, SecretPem)>,
    /// When the registry is left alone.
    pub breaker: BreakerBounds,
}

/// A PEM text that cannot be printed.
#[derive(Clone)]
pub struct SecretPem(pub Vec<u8>);

impl std::fmt::Debug for SecretPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretPem")
    }
}

/// `[credential]`.
#[derive(Clone, Debug)]
pub struct CredentialSettings {
    /// Where the country signers that are trusted and the revocation lists are, and the algorithms that are allowed.
    pub files: TrustFiles,
    /// Verified SODs that are remembered, about 600 bytes each; the oldest is forgotten first, and its card has to send
    /// its SOD again.
    pub sods_cached_max: usize,
}

impl Settings {
    /// Lines that tell a person what this configuration makes of the switch.
    pub fn summary(&self) -> String {
        summary::summary(self)
    }

    /// The certificates of all links, for their ends to be watched.
    pub fn certificates(&self) -> Vec<Watched> {
        let both = |link: String, validity: &[Validity; 2]| {
            ["own", "authority"].into_iter().zip(validity.clone()).map(move |(whose, validity)| {
                let link = link.clone();
                Watched { link, whose, validity }
            })
        };
        let terminals = self.terminals.tls.iter().map(|tls| ("terminals".to_owned(), &tls.server.validity));
        let banks =
            self.issuers.iter().filter_map(|(id, link)| Some((id.to_string(), &link.tls.as_ref()?.validity)));
        terminals.chain(banks).flat_map(|(link, validity)| both(link, validity)).collect()
    }
}

/// The parts of an answer have to fit into the terminal's wait, with `margin_ms` for two syncs and the ways between:
/// registry + security module, where there is one, + bank + margin ≤ answer, answer + margin ≤ terminal wait. Errors name
/// the key and say the sum.
pub(crate) fn deadlines_fit(timers: &Timers, margin_ms: u64, has_hsm: bool) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    let hsm_ms_max = if has_hsm { timers.hsm_ms_max } else { 0 };
    let module = if has_hsm { format!(" + security module {hsm_ms_max}") } else { String::new() };
    let parts = timers.registry_ms_max + hsm_ms_max + timers.issuer_response_ms_max + margin_ms;
    if parts > timers.answer_ms_max {
        mistakes.push((
            "answer_ms_max",
            format!(
                "registry {}{module} + bank {} + margin {margin_ms} = {parts} ms do not fit into the answer's {} ms",
                timers.registry_ms_max, timers.issuer_response_ms_max, timers.answer_ms_max
            ),
        ));
    }
    let whole = timers.answer_ms_max + margin_ms;
    if whole > timers.terminal_wait_ms {
        mistakes.push((
            "terminal_wait_ms",
            format!(
                "answer {} + margin {margin_ms} = {whole} ms do not fit into the terminal's wait of {} ms",
                timers.answer_ms_max, timers.terminal_wait_ms
            ),
        ));
    }
    if timers.reversal_repeat_ms_min > timers.reversal_repeat_ms_max {
        mistakes.push((
            "reversal_repeat_ms_min",
            format!("is above reversal_repeat_ms_max, {} ms", timers.reversal_repeat_ms_max),
        ));
    }
    if timers.network_response_ms_max > timers.echo_interval_ms {
        mistakes.push((
            "network_response_ms_max",
            format!("is above echo_interval_ms, {} ms", timers.echo_interval_ms),
        ));
    }
    mistakes
}
