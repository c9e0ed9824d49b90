//! The links' part of the file: the terminals' listener and terminals, the banks' addresses, TLS, allowed networks.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use iso8583::Dialect;
use iso8583::framing::{Framing, TPDU_BYTES};
use keys::KeyFile;
use mutant::Mutant;
use processor::{Institution, IssuerConfig, TerminalConfig, TerminalId};
use rustls::pki_types::ServerName;

use super::hsm::{PinFormats, bank_format, terminal_format};
use super::load::{DAY_MS, address, exponent, issuer_config, named};
use super::reader::Section;
use super::{ADDRESSES_MAX, IssuerLinkSettings, SecretPem, TerminalLinkSettings, TerminalTls};
use crate::links::door::is_loopback;
use crate::links::networks::{NETWORKS_MAX, Networks};
use crate::tls::{ClientTls, ServerTls, TlsError, TlsFiles};

/// Characters of a certificate's common name (RFC 5280, `ub-common-name`).
const COMMON_NAME_CHARACTERS_MAX: usize = 64;

pub(super) fn terminal_listener(section: Section<'_>) -> Option<TerminalLinkSettings> {
    let listen = section.parsed("listen", address);
    let connections_max = section.number_or("connections_max", 20_000, 1..=1_000_000);
    let connections_per_address_max = section.number_or("connections_per_address_max", 500, 1..=1_000_000);
    let accepts_per_second_max = section.number_or("accepts_per_second_max", 500, 1..=100_000);
    let first_message_ms_max = section.number_or("first_message_ms_max", 10_000, 10..=DAY_MS);
    let idle_ms_max = section.number_or("idle_ms_max", 300_000, 10..=DAY_MS);
    let frame_ms_max = section.number_or("frame_ms_max", 5_000, 10..=DAY_MS);
    let allow = networks(&section);
    let tls = if section.has("tls") { terminal_tls(section.section("tls")).map(Some) } else { Some(None) };
    if let Some(listen) = listen
        && !section.has("tls")
        && !is_loopback(listen)
    {
        section.refuse(
            "listen",
            format!("{listen} is not loopback, and everything would go in clear: add [terminals.tls]"),
        );
    }
    section.finish();
    Some(TerminalLinkSettings {
        listen: listen?,
        connections_max: connections_max? as usize,
        connections_per_address_max: connections_per_address_max? as usize,
        accepts_per_second_max: accepts_per_second_max?,
        first_message_ms_max: first_message_ms_max?,
        idle_ms_max: idle_ms_max?,
        frame_ms_max: frame_ms_max?,
        allow,
        tls: tls?,
        certificates: BTreeMap::new(),
    })
}

fn terminal_tls(section: Section<'_>) -> Option<TerminalTls> {
    let files = tls_files(&section);
    let handshake_ms_max = section.number_or("handshake_ms_max", 5_000, 10..=DAY_MS);
    let handshakes_max = section.number_or("handshakes_max", 1_000, 1..=100_000);
    let server = files.and_then(|files| usable(&section, ServerTls::new(&files)));
    section.finish();
    Some(TerminalTls {
        server: server?,
        handshake_ms_max: handshake_ms_max?,
        handshakes_max: handshakes_max? as usize,
    })
}

fn issuer_tls(section: Section<'_>) -> Option<ClientTls> {
    let files = tls_files(&section);
    let name = section.parsed("name", |text| {
        ServerName::try_from(text.to_owned()).map_err(|_| format!("`{text}` is no DNS name and no address"))
    });
    let client = files.zip(name).and_then(|(files, name)| usable(&section, ClientTls::new(&files, name)));
    section.finish();
    client
}

fn tls_files(section: &Section<'_>) -> Option<TlsFiles> {
    let certificate = section.file("certificate_file");
    let key = section.file("key_file").filter(|(path, _)| is_private(section, "key_file", path));
    let authority = section.file("ca_file");
    Some(TlsFiles { certificate: certificate?, key: SecretPem(key?.1), authority: authority? })
}

fn usable<T>(section: &Section<'_>, made: Result<T, TlsError>) -> Option<T> {
    made.map_err(|error| {
        if mutant::is(Mutant::BadCertificatePassedOver) {
            return;
        }
        let key = match error {
            TlsError::Certificate(_) => "certificate_file",
            TlsError::Key => "key_file",
            TlsError::Authority(_) => "ca_file",
        };
        section.refuse(key, error.to_string());
    })
    .ok()
}

/// A file with a key in it is for the switch's user alone.
pub(super) fn is_private(section: &Section<'_>, key: &'static str, path: &Path) -> bool {
    let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    let private = mode & 0o077 == 0;
    if !private {
        let reason = format!("{}: mode {:03o} lets others in; chmod 600", path.display(), mode & 0o777);
        section.refuse(key, reason);
    }
    private
}

fn networks(section: &Section<'_>) -> Networks {
    let networks = section.list("allow", str::parse);
    if networks.len() > NETWORKS_MAX {
        section.refuse("allow", format!("has more than {NETWORKS_MAX} networks"));
    }
    if section.has("allow") && networks.is_empty() {
        section.refuse("allow", "allows nobody; leave it out to allow every address");
    }
    Networks(networks)
}

/// The terminals, and for each the common name of the certificate that speaks for it.
pub(super) type Terminals = (BTreeMap<TerminalId, TerminalConfig>, BTreeMap<TerminalId, String>);

pub(super) fn terminals(
    sections: Vec<Section<'_>>,
    keys: Option<&KeyFile>,
    has_tls: bool,
    pin_formats: &mut PinFormats,
) -> Terminals {
    let (mut terminals, mut certificates) = Terminals::default();
    for section in sections {
        let id = section.parsed("id", |text| {
            TerminalId::parse(text.as_bytes()).ok_or_else(|| "is not 8 printable characters".to_owned())
        });
        let acquirer = section.parsed("acquirer", str::parse);
        let amount_exponent = exponent(&section);
        if let (Some(id), Some(format)) = (id, terminal_format(&section)) {
            pin_formats.terminals.insert(id, format);
        }
        let own = id.map(|id| id.to_string()).unwrap_or_default();
        let certificate =
            section.parsed_or("certificate", own, |text| named(text, COMMON_NAME_CHARACTERS_MAX));
        if section.has("certificate") && !has_tls {
            section.refuse("certificate", "goes with [terminals.tls]");
        }
        if let (Some(id), Some(keys)) = (id, keys)
            && !keys.terminals.contains_key(&id.to_string())
        {
            section.refuse("id", format!("the key file has no [terminal.{id}]"));
        }
        if let (Some(id), Some(certificate)) = (id, certificate) {
            certificates.insert(id, certificate);
        }
        if let (Some(id), Some(acquirer), Some(amount_exponent)) = (id, acquirer, amount_exponent)
            && terminals.insert(id, TerminalConfig { acquirer, amount_exponent }).is_some()
        {
            section.refuse("id", "stands twice");
        }
        section.finish();
    }
    (terminals, certificates)
}

type Issuers = (BTreeMap<Institution, IssuerConfig>, BTreeMap<Institution, IssuerLinkSettings>);

pub(super) fn issuers(
    sections: Vec<Section<'_>>,
    keys: Option<&KeyFile>,
    has_hsm: bool,
    pin_formats: &mut PinFormats,
) -> Issuers {
    let (mut issuers, mut links) = Issuers::default();
    for section in sections {
        let id: Option<Institution> = section.parsed("id", str::parse);
        let pin_format = bank_format(&section, has_hsm).flatten();
        if let (Some(id), Some(format)) = (id, pin_format) {
            pin_formats.banks.insert(id, format);
        }
        let config = issuer_config(&section, pin_format.is_some());
        let link = issuer_link(&section);
        if let (Some(id), Some(link), Some(keys)) = (id, &link, keys)
            && link.mac
            && !keys.banks.contains_key(&id.to_string())
        {
            let reason = format!("the key file has no [bank.{id}]; a link without MACs says mac = \"none\"");
            section.refuse("mac", reason);
        }
        if let (Some(id), Some(config), Some(link)) = (id, config, link) {
            links.insert(id, link);
            if issuers.insert(id, config).is_some() {
                section.refuse("id", "stands twice");
            }
        }
        section.finish();
    }
    (issuers, links)
}

fn issuer_link(section: &Section<'_>) -> Option<IssuerLinkSettings> {
    let has_tls = section.has("tls");
    let addresses = section.list("addresses", |text| bank_address(text, has_tls));
    if !section.has("addresses") {
        section.refuse("addresses", "is missing");
    } else if addresses.len() > ADDRESSES_MAX {
        section.refuse("addresses", format!("are more than {ADDRESSES_MAX}"));
    } else if addresses.is_empty() {
        section.refuse("addresses", "has no address");
    }
    let allow = networks(section);
    let tls = if has_tls { issuer_tls(section.section("tls")).map(Some) } else { Some(None) };
    let dialect = dialect(section);
    let mac = mac(section);
    let reconnect_ms_min = section.number_or("reconnect_ms_min", 200, 1..=DAY_MS);
    let reconnect_ms_max = section.number_or("reconnect_ms_max", 10_000, 1..=DAY_MS);
    if reconnect_ms_min > reconnect_ms_max {
        section.refuse("reconnect_ms_min", "is above reconnect_ms_max");
    }
    let framing = framing(section);
    Some(IssuerLinkSettings {
        addresses,
        dialect: dialect?,
        framing: framing?,
        mac: mac?,
        allow,
        tls: tls?,
        reconnect_ms_min: reconnect_ms_min?,
        reconnect_ms_max: reconnect_ms_max?,
    })
}

/// `host:port`; in clear on loopback alone.
fn bank_address(text: &str, has_tls: bool) -> Result<String, String> {
    let parts = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let parts = parts.filter(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    let Some((host, _)) = parts else { return Err(format!("`{text}` is not host:port")) };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stays = bare == "localhost"
        || bare.parse::<IpAddr>().is_ok_and(|address| is_loopback(SocketAddr::new(address, 0)));
    if !stays && !has_tls {
        return Err(format!("`{text}` is not loopback, and everything would go in clear: add [issuer.tls]"));
    }
    Ok(text.to_owned())
}

/// `required` or `none`; `true` and `false` are older words for them.
fn mac(section: &Section<'_>) -> Option<bool> {
    if section.is_flag("mac") {
        return section.flag_or("mac", true);
    }
    section.parsed_or("mac", true, |text| match text {
        "required" => Ok(true),
        "none" => Ok(false),
        _ => Err(format!("`{text}` is neither required nor none")),
    })
}

fn framing(section: &Section<'_>) -> Option<Framing> {
    let tpdu = section.parsed_or("tpdu", [0x60, 0, 0, 0, 0], |text| {
        let bytes: Option<Vec<u8>> =
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect();
        let bytes: Option<[u8; TPDU_BYTES]> = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| "is not 10 hex digits".to_owned())
    });
    let header = section.parsed_or("header", "length2".to_owned(), |text| match text {
        "length2" | "ascii4" | "length2-tpdu" => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is none of length2, ascii4, length2-tpdu")),
    })?;
    match header.as_str() {
        "length2-tpdu" => Some(Framing::Length2Tpdu { tpdu: tpdu? }),
        _ if section.has("tpdu") => {
            section.refuse("tpdu", "goes with header = \"length2-tpdu\" alone");
            None
        }
        "ascii4" => Some(Framing::Ascii4),
        _ => Some(Framing::Length2),
    }
}

/// A dialect of one's own lives as long as the process: links hold it by reference.
fn dialect(section: &Section<'_>) -> Option<&'static Dialect> {
    if !section.has("dialect_file") {
        return section.parsed_or("dialect", Dialect::ascii_1987(), |name| {
            let known = Dialect::all_built_in().map(|dialect| dialect.name().to_owned()).join(", ");
            Dialect::built_in(name).ok_or_else(|| format!("`{name}` is not built in; known are {known}"))
        });
    }
    if section.has("dialect") {
        section.refuse("dialect", "stands beside dialect_file: one of them");
    }
    let (path, bytes) = section.file("dialect_file")?;
    match Dialect::from_toml(&String::from_utf8_lossy(&bytes)) {
        Ok(dialect) => Some(Box::leak(Box::new(dialect))),
        Err(error) => {
            let line = error.line.unwrap_or(0);
            let element = error.element.map_or(String::new(), |element| format!("element {element}: "));
            section.refuse_file(&path, line, format!("{element}{}", error.reason));
            None
        }
    }
}
