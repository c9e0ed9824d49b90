//! `[console]`: where browsers connect to, and the directory of people and audit.

use std::collections::{BTreeMap, BTreeSet};

use ::console::{ConsoleTls, SessionBounds, Settings};
use processor::{Day, Institution, IssuerConfig};

use super::SecretPem;
use super::links::is_private;
use super::load::{DAY_MS, address, named};
use super::reader::Section;
use crate::tls;

/// Names under which browsers know it at most.
const NAMES_MAX: usize = 16;

/// Reads the section. Off loopback it has to have TLS: passwords go over it.
pub(super) fn console(section: Section<'_>, banks: &BTreeMap<Institution, IssuerConfig>) -> Option<Settings> {
    let default = SessionBounds::default();
    let listen = section.parsed("listen", address);
    let dir = section.path("dir");
    let names = section.list("names", host_name);
    if names.len() > NAMES_MAX {
        section.refuse("names", format!("has more than {NAMES_MAX}"));
    }
    let bounded = |key, default| section.number_or(key, default, 1_000..=DAY_MS);
    let idle_ms_max = bounded("idle_ms_max", default.idle_ms_max);
    let whole_ms_max = bounded("session_ms_max", default.whole_ms_max);
    let has_tls = section.has("tls");
    let tls = if has_tls { console_tls(section.section("tls")).map(Some) } else { Some(None) };
    if let Some(listen) = listen
        && !listen.ip().is_loopback()
        && !has_tls
    {
        section.refuse(
            "listen",
            format!("{listen} is not loopback, and passwords would go in clear: add [console.tls]"),
        );
    }
    section.finish();
    Some(Settings {
        listen: listen?,
        names,
        dir: dir?,
        tls: tls?,
        sessions: SessionBounds { idle_ms_max: idle_ms_max?, whole_ms_max: whole_ms_max? },
        banks: banks.iter().map(|(bank, config)| (*bank, config.name.clone())).collect(),
        members: BTreeSet::new(),
        switch: String::new(),
        currency: 0,
        desk: None,
        first_day: Day::of_unix_ms(0),
    })
}

/// Browsers bring no certificate: people bring passwords.
fn console_tls(section: Section<'_>) -> Option<ConsoleTls> {
    let certificate = section.file("certificate_file");
    let key = section.file("key_file").filter(|(path, _)| is_private(&section, "key_file", path));
    let made = || {
        let ((_, certificate), (_, key)) = (certificate?, key?);
        match tls::server_without_client_certificates(&certificate, &SecretPem(key)) {
            Ok(config) => Some(ConsoleTls(config)),
            Err(error) => {
                section.refuse("certificate_file", error.to_string());
                None
            }
        }
    };
    let made = made();
    section.finish();
    made
}

fn host_name(text: &str) -> Result<String, String> {
    let name = named(text, 253)?;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    if name.bytes().all(known) { Ok(name) } else { Err(format!("`{text}` is no host name without a port")) }
}
