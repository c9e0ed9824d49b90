//! What of a configuration a reload does not take up: each such part is named, so that nobody takes a new key or address for one
//! that is in use (docs/operations.md#reload). Pure.

use std::collections::BTreeMap;
use std::fmt::Debug;

use credential::CitizenNumber;
use keys::{DataKeys, LinkMac};
use sha2::{Digest, Sha256};

use crate::config::{IssuerLinkSettings, RegistrySettings, SecretPem, Settings};

/// What is made with a key, so that two keys can be held against each other without being shown.
const TEXT: &[u8] = b"the same key makes the same of this";

/// A part's name in the configuration, and what tells it from another: never shown, for it may come from a key.
pub(crate) type Parts = BTreeMap<String, String>;

/// The parts that need a restart, as this configuration has them.
pub(crate) fn parts(settings: &Settings) -> Parts {
    let mut parts = Parts::new();
    let mut put = |name: &str, value: &dyn Debug| drop(parts.insert(name.to_owned(), format!("{value:?}")));
    let Settings { switch, terminals, credential, .. } = settings;
    put("switch.id", &switch.id);
    put("switch.log_dir", &switch.log_dir);
    put("switch.enrolment_dir", &switch.enrolment_dir);
    put("switch.segment_bytes", &switch.segment_bytes);
    put("switch.drain_ms_max", &switch.drain_ms_max);
    put("switch.iin", &settings.processor.iin);
    put("[data] of switch.keys_file", &data_keys(&settings.keys.data));
    let heads = settings.heads.as_ref();
    put("[log]", &heads.map(|heads| (&heads.file, heads.interval_ms, heads.records_max)));
    put("k_heads of switch.keys_file", &heads.map(|heads| heads.key.public()));
    put("terminals.listen", &terminals.listen);
    let waits = (terminals.first_message_ms_max, terminals.idle_ms_max, terminals.frame_ms_max);
    put("terminals.first_message_ms_max, idle_ms_max, frame_ms_max", &waits);
    let connections = (terminals.connections_max, terminals.accepts_per_second_max);
    put("terminals.connections_max, accepts_per_second_max", &connections);
    put("[hsm]", &settings.hsm);
    put("timers.registry_ms_max", &settings.processor.timers.registry_ms_max);
    put("timers.hsm_ms_max", &settings.processor.timers.hsm_ms_max);
    put("[credential]", &(&credential.files, credential.sods_cached_max));
    put("operator.socket", &settings.operator_socket);
    put("admin.listen", &settings.admin_listen);
    put("[console]", &settings.console);
    put("[reconciliation]", &settings.reconciliation);
    registry(&settings.registry, &mut parts);
    for (bank, link) in &settings.issuers {
        issuer(&bank.to_string(), link, settings.keys.banks.get(&bank.to_string()), &mut parts);
    }
    parts
}

fn registry(registry: &RegistrySettings, parts: &mut Parts) {
    let mut put =
        |name: &str, value: &dyn Debug| drop(parts.insert(format!("registry.{name}"), format!("{value:?}")));
    put("url", &registry.url);
    put("kid", &registry.kid);
    put("ca_file", &registry.ca_pem);
    put("signing_key_file", &secret(&registry.signing_key_pem));
    put("key", &registry.pinned);
    let client = registry.client.as_ref().map(|(certificate, key)| (certificate, secret(key)));
    put("client_certificate_file, client_key_file", &client);
    put("failures_in_row_max, pause_ms", &registry.breaker);
}

fn issuer(bank: &str, link: &IssuerLinkSettings, mac: Option<&LinkMac>, parts: &mut Parts) {
    let mut put = |name: &str, value: &dyn Debug| {
        parts.insert(format!("{name} of bank {bank}"), format!("{value:?}"));
    };
    put("addresses", &link.addresses);
    put("dialect, framing", &(link.dialect, link.framing));
    put("mac", &link.mac);
    put("reconnect_ms_min, reconnect_ms_max", &(link.reconnect_ms_min, link.reconnect_ms_max));
    put("MAC keys in switch.keys_file", &mac.map(|mac| (mac.sign.sign(TEXT), mac.verify.sign(TEXT))));
}

fn secret(pem: &SecretPem) -> [u8; 32] {
    Sha256::digest(&pem.0).into()
}

fn data_keys(data: &DataKeys) -> impl Debug + use<> {
    let somebody = CitizenNumber::parse(b"001203000001").map(|number| data.pseudonym(&number).0);
    (data.sealing_generation(), data.chaining_generation(), data.chain(&[0; 32], TEXT), somebody.ok())
}

/// The parts that are in both and are not the same: what is there now is kept until a restart. Banks that came or went are the
/// processor's to tell.
pub(crate) fn changed<'p>(before: &'p Parts, now: &Parts) -> Vec<&'p str> {
    let is_other = |(name, value): &(&String, &String)| now.get(*name).is_some_and(|now| now != *value);
    before.iter().filter(is_other).map(|(name, _)| name.as_str()).collect()
}
