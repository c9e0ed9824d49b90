//! The clerks' console and its people.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use rustls::{ClientConnection, StreamOwned};
use simulators::tls::Authority;

use crate::switch::{Switch, address, write};

/// A request to the console as a browser sends it; the whole answer.
fn browse(
    stream: &mut (impl Read + Write),
    host: &str,
    method: &str,
    path: &str,
    more: &str,
    body: &str,
) -> String {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{more}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A peer that closes without TLS's farewell has said what it had to say.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn people_log_in_at_the_console_see_the_switch_and_are_shut_out_by_a_command() {
    let mut switch = Switch::new();
    switch.open_console("");
    let password = "a lamp by the river";
    let add = ["people", "add", "lan", "--full-name", "Nguyễn Thị Lan", "--role", "clerk"];
    let weak = switch.told_with(&add, "short");
    assert!(String::from_utf8_lossy(&weak.stderr).contains("12 characters"), "{weak:?}");
    let added = switch.told_with(&add, password);
    assert!(added.status.success(), "{added:?}");
    assert_eq!(switch.told(&["people", "list"]), "lan  Nguyễn Thị Lan  clerk\n");

    let addresses = switch.start();
    let at = address(&addresses, "console");
    let host = at.to_string();
    let ask = |method: &str, path: &str, more: &str, body: &str| {
        browse(&mut TcpStream::connect(at).unwrap(), &host, method, path, more, body)
    };
    let outside = ask("GET", "/live", "", "");
    assert!(outside.starts_with("HTTP/1.1 303") && outside.contains("/log-in?"), "{outside}");
    let form = format!("name=lan&password={}", password.replace(' ', "+"));
    let logged_in = ask("POST", "/log-in", &format!("Origin: http://{host}\r\n"), &form);
    let cookie = logged_in.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_else(|| panic!("{logged_in}"));
    let cookie = format!("Cookie: {cookie}\r\n");
    let live = ask("GET", "/live", &cookie, "");
    assert!(
        live.starts_with("HTTP/1.1 200") && live.contains("01/05/2026") && live.contains("BIDV"),
        "{live}"
    );
    assert!(ask("GET", "/transactions", &cookie, "").contains("Sổ giao dịch chưa có giao dịch nào."));

    switch.told(&["people", "disable", "lan"]);
    assert!(ask("GET", "/live", &cookie, "").starts_with("HTTP/1.1 303"));
    let audit = switch.told(&["people", "audit"]);
    let acts: Vec<&str> = ["person added: lan", "log-in: lan", "person disabled: lan"].to_vec();
    assert_eq!(audit.lines().count(), acts.len(), "{audit}");
    assert!(audit.lines().zip(acts).all(|(line, act)| line.contains(act)), "{audit}");
    assert!(!audit.contains(password) && !audit.contains("argon2"));
    assert!(switch.end("TERM").success());
}

#[test]
fn a_console_in_tls_has_a_cookie_for_tls_alone() {
    let mut switch = Switch::new();
    let authority = Authority::mint("console CA").unwrap();
    let identity = authority.server("console", &["localhost"]).unwrap();
    write(switch.dir.path(), "console.pem", &identity.certificate_pem);
    write(switch.dir.path(), "console.key.pem", &identity.key_pem);
    let key = switch.path("console.key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    switch
        .open_console("[console.tls]\ncertificate_file = \"console.pem\"\nkey_file = \"console.key.pem\"\n");
    let add = ["people", "add", "lan", "--full-name", "Lan", "--role", "clerk"];
    assert!(switch.told_with(&add, "a lamp by the river").status.success());
    let addresses = switch.start();
    let at = address(&addresses, "console");
    let host = format!("localhost:{}", at.port());
    let dial = || {
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject as _;
        roots
            .add(rustls::pki_types::CertificateDer::from_pem_slice(authority.ca_pem.as_bytes()).unwrap())
            .unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
        StreamOwned::new(connection, TcpStream::connect(at).unwrap())
    };
    let form = "name=lan&password=a+lamp+by+the+river";
    let plain = format!("Origin: http://{host}\r\n");
    assert!(browse(&mut dial(), &host, "POST", "/log-in", &plain, form).starts_with("HTTP/1.1 403"));
    let logged_in =
        browse(&mut dial(), &host, "POST", "/log-in", &format!("Origin: https://{host}\r\n"), form);
    let cookie = logged_in.lines().find(|line| line.starts_with("set-cookie: ")).unwrap();
    assert!(cookie.contains("__Host-console=") && cookie.contains("; Secure"), "{cookie}");
    assert!(logged_in.contains("strict-transport-security"), "{logged_in}");
    assert!(switch.end("TERM").success());
}
