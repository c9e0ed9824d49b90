//! From the file's text to settings, section by section.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use credential::{Algorithms, ListRule, StaleList};
use keys::KeyFile;
use processor::{ASK_AGAIN_MS, Code, Config, Day, IssuerConfig, Limits, STAND_INS_MAX, StandIn, Timers};

use super::console::console;
use super::hsm::hsm;
use super::links::{is_private, issuers, terminal_listener, terminals};
use super::reader::{Mistake, Section, Source};
use super::reconciliation::reconciliation;
use super::{
    CredentialSettings, PinFormats, RegistrySettings, SecretPem, Settings, SwitchSettings,
    TerminalLinkSettings, deadlines_fit,
};

use crate::heads::HeadsSettings;
use crate::registry::{BreakerBounds, RegistryBounds, RegistryClient, RegistryConfigError, Surroundings};
use crate::trust::{StartTrust, TrustFiles, TrustMistake};

/// A day in milliseconds: the longest wait that makes sense for most timers.
pub(super) const DAY_MS: u64 = 86_400_000;

/// Behind a clock that ran ahead a start is a person's word that it is right again: as much as four years.
const CLOCK_BEHIND_MS_MAX: u64 = 4 * 366 * DAY_MS;

/// How old a revocation list may be unless it is said: authorities issue one every 90 days (ICAO 9303-12, 5.2.1).
const CRL_AGE_S_MAX: u64 = 90 * 86_400;

/// The smallest segment of the log.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// What a request in flight may still write when the disk is full: OUTCOME, REVERSAL, REVERSED or COMPLETE, a NOTE.
const ENDS_BYTES_MAX: u64 = 2_048;

/// Reads a configuration file and the files that it names, but for what stands in `csca_dir` and `crl_dir`: neither a reload nor
/// an act of an operator waits until these are good.
///
/// # Errors
/// Every mistake in it, in the order of the lines.
pub fn load(file: &Path) -> Result<Settings, Vec<Mistake>> {
    load_with(file, |_| Ok(())).map(|(settings, ())| settings)
}

/// As [`load`], with what a start trusts.
///
/// # Errors
/// As [`load`], and what [`TrustFiles::read`] refuses.
pub fn load_to_run(file: &Path) -> Result<(Settings, StartTrust), Vec<Mistake>> {
    load_with(file, TrustFiles::read)
}

fn load_with<T>(
    file: &Path,
    read_trust: impl FnOnce(&TrustFiles) -> Result<T, TrustMistake>,
) -> Result<(Settings, T), Vec<Mistake>> {
    let whole_file =
        |reason: String| vec![Mistake { file: file.to_owned(), line: 0, path: String::new(), reason }];
    let text = std::fs::read_to_string(file).map_err(|error| whole_file(error.to_string()))?;
    let source = Source::new(file, &text);
    let table = source.parse();
    let settings = settings(file, source.root(&table), read_trust);
    drop(table);
    let mistakes = source.into_mistakes();
    match settings {
        Some(settings) if mistakes.is_empty() => Ok(settings),
        Some(_) | None => Err(mistakes),
    }
}

fn settings<T>(
    file: &Path,
    root: Section<'_>,
    read_trust: impl FnOnce(&TrustFiles) -> Result<T, TrustMistake>,
) -> Option<(Settings, T)> {
    let (switch, general) = switch(root.section("switch"));
    let keys = key_file(&root.section("switch"));
    let log_dir = switch.as_ref().map(|switch| switch.log_dir.as_path());
    let heads = heads(root.section("log"), log_dir, keys.as_ref());
    let listener = terminal_listener(root.section("terminals"));
    let has_tls = root.section("terminals").has("tls");
    let has_hsm = root.has("hsm");
    let hsm = has_hsm.then(|| hsm(root.section("hsm")));
    let mut pin_formats = PinFormats::default();
    let found = terminals(root.sections("terminal"), keys.as_ref(), has_tls, &mut pin_formats);
    let (terminals, certificates) = found;
    if terminals.is_empty() && !root.has("terminal") {
        root.refuse("terminal", "is missing: no terminal may speak");
    }
    let (issuers, issuer_links) = issuers(root.sections("issuer"), keys.as_ref(), has_hsm, &mut pin_formats);
    if issuers.is_empty() && !root.has("issuer") {
        root.refuse("issuer", "is missing: no bank can be asked");
    }
    let timers = timers(root.section("timers"), has_hsm);
    let limits = limits(root.section("limits"), switch.as_ref().map(|switch| switch.segment_bytes));
    let has_stand_in = root.has("stand_in");
    let stand_in = has_stand_in.then(|| stand_in(root.section("stand_in"), limits.as_ref()));
    let registry = registry(root.section("registry"));
    let credential = credential(root.section("credential"), read_trust);
    let operator = root.section("operator");
    let operator_socket = operator.path("socket");
    operator.finish();
    let admin = root.section("admin");
    let admin_listen = admin.parsed("listen", address);
    admin.finish();
    let console = root.has("console").then(|| console(root.section("console"), &issuers));
    let has_reconciliation = root.has("reconciliation");
    let reconciliation = has_reconciliation.then(|| reconciliation(root.section("reconciliation"), &issuers));
    root.finish();

    let General { iin, currency, first_day } = general?;
    let switch = switch?;
    let console = match console {
        Some(console) => {
            let acquirers = terminals.values().map(|terminal| terminal.acquirer);
            let members = issuers.keys().copied().chain(acquirers).collect();
            Some(::console::Settings { switch: switch.id.clone(), currency, first_day, members, ..console? })
        }
        None => None,
    };
    let (credential, trust) = credential?;
    let settings = Settings {
        file: file.to_owned(),
        switch,
        processor: Config {
            terminals,
            issuers,
            timers: timers?,
            limits: limits?,
            iin,
            currency,
            first_day,
            stand_in: match stand_in {
                Some(stand_in) => Some(stand_in?),
                None => None,
            },
        },
        keys: keys?,
        heads,
        terminals: TerminalLinkSettings { certificates, ..listener? },
        issuers: issuer_links,
        registry: registry?,
        hsm: match hsm {
            Some(hsm) => Some(hsm?),
            None => None,
        },
        pin_formats,
        credential,
        operator_socket: operator_socket?,
        admin_listen: admin_listen?,
        console,
        reconciliation: match reconciliation {
            Some(reconciliation) => Some(reconciliation?),
            None => None,
        },
    };
    Some((settings, trust))
}

/// What `[switch]` says to the processor.
struct General {
    iin: [u8; 6],
    currency: u16,
    first_day: Day,
}

fn switch(section: Section<'_>) -> (Option<SwitchSettings>, Option<General>) {
    let id = section.parsed("id", |text| named(text, 64));
    let log_dir = section.path("log_dir");
    let enrolment_dir = section.path("enrolment_dir");
    let clock_behind_ms_max = section.number_or("clock_behind_ms_max", 5_000, 0..=CLOCK_BEHIND_MS_MAX);
    let drain_ms_max = section.number_or("drain_ms_max", 30_000, 0..=DAY_MS);
    let segment_bytes = section.number_or("segment_bytes", 64 << 20, SEGMENT_BYTES_MIN..=1 << 30);
    let iin = section.parsed_or("iin", *b"970499", |text| {
        let iin: Option<[u8; 6]> = text.as_bytes().try_into().ok();
        iin.filter(|iin| iin.iter().all(u8::is_ascii_digit)).ok_or_else(|| "is not 6 digits".to_owned())
    });
    let currency = section.number_or("currency", 704, 1..=999);
    let first_day = section.parsed("first_day", |text| text.parse::<Day>());
    section.text("keys_file");
    section.finish();
    let settings = || {
        Some(SwitchSettings {
            id: id?,
            log_dir: log_dir?,
            enrolment_dir: enrolment_dir?,
            clock_behind_ms_max: clock_behind_ms_max?,
            drain_ms_max: drain_ms_max?,
            segment_bytes: segment_bytes?,
        })
    };
    let general = || Some(General { iin: iin?, currency: currency? as u16, first_day: first_day? });
    (settings(), general())
}

/// The key file has to be its owner's alone: whoever reads it can sign for every terminal and bank.
fn key_file(section: &Section<'_>) -> Option<KeyFile> {
    if !section.has("keys_file") {
        return None;
    }
    let (path, bytes) = section.file("keys_file")?;
    if !is_private(section, "keys_file", &path) {
        return None;
    }
    let text = String::from_utf8_lossy(&bytes);
    match KeyFile::parse(&text) {
        Ok(keys) => Some(keys),
        Err(error) => {
            section.refuse_file(&path, 0, error.to_string());
            None
        }
    }
}

/// Heads that stand beside the log are cut with it.
fn heads(section: Section<'_>, log_dir: Option<&Path>, keys: Option<&KeyFile>) -> Option<HeadsSettings> {
    let file = section.optional_path("heads_file");
    let interval_ms = section.number_or("heads_interval_ms", 60_000, 1_000..=DAY_MS);
    let records_max = section.number_or("heads_records_max", 100_000, 1..=1_000_000_000);
    let Some(file) = file else {
        section.finish();
        return None;
    };
    if log_dir.is_some_and(|log_dir| file.starts_with(log_dir)) {
        section.refuse("heads_file", "stands in switch.log_dir; heads have to be kept elsewhere");
    }
    let key = keys?.heads.clone();
    if key.is_none() {
        section.refuse("heads_file", "the key file has no data.k_heads to sign with");
    }
    section.finish();
    Some(HeadsSettings { file, interval_ms: interval_ms?, records_max: records_max?, key: key? })
}

/// `wants_pin` is what `pin_format` of the same section says.
pub(super) fn issuer_config(section: &Section<'_>, wants_pin: bool) -> Option<IssuerConfig> {
    let name = section.parsed("name", |text| named(text, 64));
    let amount_exponent = exponent(section);
    let tombstones = section.flag_or("tombstones", true);
    let totals = section.flag_or("totals", true);
    let in_flight_max = section.number_or("in_flight_max", 2_000, 1..=1_000_000);
    let reversals_in_flight_max = section.number_or("reversals_in_flight_max", 50, 1..=100_000);
    let map = section.section("codes");
    let mut codes = BTreeMap::new();
    for (theirs, ours) in map.entries() {
        match (code(theirs), code(ours)) {
            (Some(theirs), Some(Code::APPROVED)) if theirs != Code::APPROVED => {
                map.refuse_entry(&theirs.to_string(), "a refusal cannot become an approval");
            }
            (Some(theirs), Some(ours)) => {
                codes.insert(theirs, ours);
            }
            (None, _) | (_, None) => map.refuse_entry(theirs, "a code is 2 letters or digits"),
        }
    }
    Some(IssuerConfig {
        name: name?,
        amount_exponent: amount_exponent?,
        tombstones: tombstones?,
        in_flight_max: in_flight_max? as usize,
        reversals_in_flight_max: reversals_in_flight_max? as usize,
        codes,
        wants_pin,
        totals: totals?,
    })
}

fn timers(section: Section<'_>, has_hsm: bool) -> Option<Timers> {
    let default = Timers::default();
    let wait = |key, default| section.number_or(key, default, 1..=DAY_MS);
    let registry_ms_max = wait("registry_ms_max", default.registry_ms_max);
    let hsm_ms_max = wait("hsm_ms_max", default.hsm_ms_max);
    let issuer_response_ms_max = wait("issuer_response_ms_max", default.issuer_response_ms_max);
    let answer_ms_max = wait("answer_ms_max", default.answer_ms_max);
    let terminal_wait_ms = wait("terminal_wait_ms", default.terminal_wait_ms);
    let reversal_repeat_ms_min = wait("reversal_repeat_ms_min", default.reversal_repeat_ms_min);
    let reversal_repeat_ms_max = wait("reversal_repeat_ms_max", default.reversal_repeat_ms_max);
    let issuer_own_timer_ms = wait("issuer_own_timer_ms", default.issuer_own_timer_ms);
    let approved_age_ms_max =
        section.number_or("approved_age_ms_max", default.approved_age_ms_max, 1..=366 * DAY_MS);
    let reference_life_ms = wait("reference_life_ms", default.reference_life_ms);
    let request_age_ms_max = wait("request_age_ms_max", default.request_age_ms_max);
    let echo_interval_ms = wait("echo_interval_ms", default.echo_interval_ms);
    let network_response_ms_max = wait("network_response_ms_max", default.network_response_ms_max);
    let margin_ms = wait("margin_ms", 1_000);
    let timers = || {
        Some(Timers {
            registry_ms_max: registry_ms_max?,
            hsm_ms_max: hsm_ms_max?,
            issuer_response_ms_max: issuer_response_ms_max?,
            answer_ms_max: answer_ms_max?,
            terminal_wait_ms: terminal_wait_ms?,
            reversal_repeat_ms_min: reversal_repeat_ms_min?,
            reversal_repeat_ms_max: reversal_repeat_ms_max?,
            issuer_own_timer_ms: issuer_own_timer_ms?,
            approved_age_ms_max: approved_age_ms_max?,
            reference_life_ms: reference_life_ms?,
            request_age_ms_max: request_age_ms_max?,
            echo_interval_ms: echo_interval_ms?,
            network_response_ms_max: network_response_ms_max?,
        })
    };
    let timers = timers();
    if let (Some(timers), Some(margin_ms)) = (&timers, margin_ms) {
        for (key, reason) in deadlines_fit(timers, margin_ms, has_hsm) {
            section.refuse(key, reason);
        }
    }
    section.finish();
    timers
}

fn limits(section: Section<'_>, segment_bytes: Option<u64>) -> Option<Limits> {
    let default = Limits::default();
    let amount = |key, default| section.number_or(key, default, 1..=999_999_999_999);
    let transaction_minor_max = amount("transaction_minor_max", default.transaction_minor_max);
    let deposit_minor_max = amount("deposit_minor_max", default.deposit_minor_max);
    let citizen_day_minor_max = amount("citizen_day_minor_max", default.citizen_day_minor_max);
    let citizen_day_count_max =
        section.number_or("citizen_day_count_max", u64::from(default.citizen_day_count_max), 1..=1_000_000);
    let in_flight_max = section.number_or("in_flight_max", default.in_flight_max as u64, 1..=1_000_000);
    if let (Some(in_flight_max), Some(segment_bytes)) = (in_flight_max, segment_bytes)
        && in_flight_max * ENDS_BYTES_MAX > segment_bytes
    {
        let reason = format!(
            "{in_flight_max} requests may need {ENDS_BYTES_MAX} bytes each when the disk is full; switch.segment_bytes is {segment_bytes}"
        );
        section.refuse("in_flight_max", reason);
    }
    let terminal_in_flight_max =
        section.number_or("terminal_in_flight_max", default.terminal_in_flight_max as u64, 1..=10_000);
    section.finish();
    Some(Limits {
        transaction_minor_max: transaction_minor_max?,
        deposit_minor_max: deposit_minor_max?,
        citizen_day_minor_max: citizen_day_minor_max?,
        citizen_day_count_max: citizen_day_count_max? as u32,
        in_flight_max: in_flight_max? as usize,
        terminal_in_flight_max: terminal_in_flight_max? as usize,
    })
}

fn stand_in(section: Section<'_>, limits: Option<&Limits>) -> Option<StandIn> {
    let amount_minor_max = section.number_or("amount_minor_max", 2_000_000, 1..=999_999_999_999);
    if let (Some(floor), Some(limits)) = (amount_minor_max, limits)
        && floor > limits.transaction_minor_max
    {
        let reason = format!("is above limits.transaction_minor_max, {}", limits.transaction_minor_max);
        section.refuse("amount_minor_max", reason);
    }
    let status_age_ms_max = section.number_or("status_age_ms_max", DAY_MS, 1..=30 * DAY_MS);
    let owed_max = section.number_or("owed_max", 100, 1..=STAND_INS_MAX as u64);
    let ask_again_ms = section.number_or("ask_again_ms", ASK_AGAIN_MS, 100..=DAY_MS);
    section.finish();
    Some(StandIn {
        amount_minor_max: amount_minor_max?,
        status_age_ms_max: status_age_ms_max?,
        owed_max: owed_max? as usize,
        ask_again_ms: ask_again_ms?,
    })
}

fn registry(section: Section<'_>) -> Option<RegistrySettings> {
    let url = section.parsed("url", |text| {
        let host = text.strip_prefix("https://").filter(|host| !host.is_empty() && !host.contains('/'));
        host.map(|_| text.to_owned()).ok_or_else(|| "is not https://host:port".to_owned())
    });
    let ca_pem = section.file("ca_file");
    let signing_key_pem = section.file("signing_key_file");
    if let Some((path, _)) = &signing_key_pem {
        is_private(&section, "signing_key_file", path);
    }
    let kid = section.parsed("kid", |text| named(text, 64));
    let mut pinned = BTreeMap::new();
    for key in section.sections("key") {
        let (kid, pem) = (key.parsed("kid", |text| named(text, 64)), key.file("file"));
        if let (Some(kid), Some((_, pem))) = (kid, pem)
            && pinned.insert(kid, pem).is_some()
        {
            key.refuse("kid", "stands twice");
        }
        key.finish();
    }
    if !section.has("key") {
        section.refuse("key", "is missing: no answer of the registry could be believed");
    }
    let certificate = section.optional_file("client_certificate_file");
    let key = section.optional_file("client_key_file");
    if let Some((path, _)) = &key {
        is_private(&section, "client_key_file", path);
    }
    if certificate.is_some() != key.is_some() {
        section.refuse("client_certificate_file", "and client_key_file go together");
    }
    let failures_in_row_max = section.number_or("failures_in_row_max", 20, 1..=1_000_000);
    let pause_ms = section.number_or("pause_ms", 1_000, 1..=DAY_MS);
    let settings = || {
        Some(RegistrySettings {
            url: url?,
            ca_pem: ca_pem?.1,
            signing_key_pem: SecretPem(signing_key_pem?.1),
            kid: kid?,
            pinned,
            client: certificate.zip(key).map(|((_, certificate), (_, key))| (certificate, SecretPem(key))),
            breaker: BreakerBounds { failures_in_row_max: failures_in_row_max? as u32, pause_ms: pause_ms? },
        })
    };
    let settings = settings();
    if let Some(settings) = &settings {
        refuse_unusable(settings, &section);
    }
    section.finish();
    settings
}

/// What the files hold is only known once a client is made of them.
fn refuse_unusable(settings: &RegistrySettings, section: &Section<'_>) {
    let bounds =
        RegistryBounds { timeout_ms: 1, in_flight_max: 1, connections_max: 1, breaker: settings.breaker };
    let Err(error) = RegistryClient::new(settings, "", bounds, Surroundings::system()) else { return };
    let key = match error {
        RegistryConfigError::Url => "url",
        RegistryConfigError::Authority => "ca_file",
        RegistryConfigError::SigningKey => "signing_key_file",
        RegistryConfigError::PinnedKey(_) => "key",
        RegistryConfigError::Client(_) => "client_certificate_file",
    };
    section.refuse(key, error.to_string());
}

fn credential<T>(
    section: Section<'_>,
    read_trust: impl FnOnce(&TrustFiles) -> Result<T, TrustMistake>,
) -> Option<(CredentialSettings, T)> {
    let csca_dir = section.path("csca_dir");
    let crl_dir = section.has("crl_dir").then(|| section.path("crl_dir"));
    let age_s_max = section.number_or("crl_age_s_max", CRL_AGE_S_MAX, 1..=10 * 366 * DAY_MS / 1_000);
    let stale = section.parsed_or("crl_stale", StaleList::Refuse, |text| match text {
        "refuse" => Ok(StaleList::Refuse),
        "accept" => Ok(StaleList::Accept),
        _ => Err(format!("`{text}` is none of refuse, accept")),
    });
    let reread_s = section.number_or("reread_s", 60, 1..=DAY_MS / 1_000);
    for key in ["crl_age_s_max", "crl_stale"] {
        if crl_dir.is_none() && section.has(key) {
            section.refuse(key, "goes with crl_dir alone");
        }
    }
    let sods_cached_max = section.number_or("sods_cached_max", 100_000, 0..=10_000_000);
    let names = section.list("algorithms", |text| Ok(text.to_owned()));
    let algorithms = match Algorithms::from_names(names.iter().map(String::as_str)) {
        Ok(_) if names.is_empty() => Some(Algorithms::all()),
        Ok(algorithms) => Some(algorithms),
        Err(error) => {
            section.refuse("algorithms", error.to_string());
            None
        }
    };
    let files = || {
        Some(TrustFiles {
            csca_dir: csca_dir?,
            crl_dir: match crl_dir {
                Some(directory) => Some(directory?),
                None => None,
            },
            algorithms: algorithms?,
            rule: ListRule { age_s_max: age_s_max?, stale: stale? },
            reread_s: reread_s?,
        })
    };
    let files = files();
    let trust = files.as_ref().map(read_trust);
    if let Some(Err(mistake)) = &trust {
        section.refuse(mistake.key, mistake.reason.clone());
    }
    section.finish();
    let settings = CredentialSettings { files: files?, sods_cached_max: sods_cached_max? as usize };
    Some((settings, trust?.ok()?))
}

pub(super) fn exponent(section: &Section<'_>) -> Option<u8> {
    section.number_or("amount_exponent", 0, 0..=3).map(|exponent| exponent as u8)
}

fn code(text: &str) -> Option<Code> {
    let alphanumeric = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Code::parse(text.as_bytes()).filter(|_| alphanumeric)
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an IP address with a port, as 127.0.0.1:8583"))
}

pub(super) fn named(text: &str, characters_max: usize) -> Result<String, String> {
    let count = text.chars().count();
    let valid = (1..=characters_max).contains(&count) && !text.chars().any(char::is_control);
    valid.then(|| text.to_owned()).ok_or_else(|| format!("is not 1 to {characters_max} printable characters"))
}
