//! TLS on the links: who is let in and who is not, whom a certificate speaks for, and what openssl says to it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustls::pki_types::ServerName;
use server::config::{SecretPem, TerminalTls};
use server::tls::{ClientTls, ServerTls, TlsFiles};
use simulators::tls::{Answerer, Authority, Dialler, Identity};
use tokio::sync::mpsc::Receiver;
use tokio_rustls::TlsStream;

use super::*;

/// The authorities of both sides, and what the switch has of them.
struct Certificates {
    switch: Authority,
    terminals: Authority,
    listener: Identity,
}

impl Certificates {
    fn mint() -> Certificates {
        let switch = Authority::mint("switch CA").unwrap();
        let listener = switch.server("atm-switch", &["127.0.0.1"]).unwrap();
        Certificates { switch, terminals: Authority::mint("terminals CA").unwrap(), listener }
    }

    /// HN000001 has a certificate of its name, HN000002 one that says so of it.
    fn settings(&self) -> TerminalLinkSettings {
        let server = ServerTls::new(&files(&self.listener, &self.terminals.ca_pem)).unwrap();
        let tls = TerminalTls { server, handshake_ms_max: 300, handshakes_max: 100 };
        let speaks = [(*b"HN000001", "HN000001"), (*b"HN000002", "branch 2")];
        let certificates = speaks.map(|(id, name)| (TerminalId(id), name.to_owned())).into();
        TerminalLinkSettings { tls: Some(tls), certificates, first_message_ms_max: 60_000, ..settings() }
    }

    async fn dial(&self, address: std::net::SocketAddr, own: &Identity) -> TlsStream<TcpStream> {
        let dialler = Dialler::new(&self.switch.ca_pem, own, "127.0.0.1").unwrap();
        dialler.shake(TcpStream::connect(address).await.unwrap()).await.unwrap()
    }
}

fn files(own: &Identity, ca_pem: &str) -> TlsFiles {
    let pem = |name: &str, text: &str| (PathBuf::from(name), text.as_bytes().to_vec());
    TlsFiles {
        certificate: pem("own.pem", &own.certificate_pem),
        key: SecretPem(own.key_pem.as_bytes().to_vec()),
        authority: pem("ca.pem", ca_pem),
    }
}

fn signed(terminal: &str, stan: u64) -> Vec<u8> {
    framed(&echo(terminal, stan), Some(&peer_end()))
}

/// What comes next of connections: the link, once it is there.
async fn let_in(queue: &mut Receiver<Inbound>) -> Outbox {
    link_up(queue).await.1
}

#[tokio::test]
async fn a_certificate_speaks_for_its_terminals_alone() {
    let certificates = Certificates::mint();
    let (address, _threads, mut end, _) = listening(certificates.settings()).await;
    let own = certificates.terminals.client("HN000001").unwrap();
    let mut stream = certificates.dial(address, &own).await;
    stream.write_all(&signed("HN000001", 1)).await.unwrap();
    let outbox = let_in(&mut end.advices).await;
    assert_eq!(told(&mut end.advices).await, "000001 Authentic");
    // The MAC of another terminal's key is right, and counts for nothing; an answer would be signed for that terminal.
    stream.write_all(&signed("HN000002", 2)).await.unwrap();
    assert_eq!(told(&mut end.terminals).await, "000002 Foreign");
    stream.write_all(&signed("HN000001", 3)).await.unwrap();
    assert_eq!(told(&mut end.advices).await, "000003 Authentic", "the connection goes on");
    let mut answer = echo("HN000001", 3);
    answer.set_mti(Mti::new(810));
    answer.set_text(39, "00");
    send(&outbox, [answer]);
    assert_eq!(heard(&mut stream).await, "0810 00 Ok(())");
    // A format error is answered with the key of the terminal that it names: not to another's certificate.
    let mut trailing = signed("HN000002", 4);
    trailing.push(b'x');
    trailing[1] += 1;
    stream.write_all(&trailing).await.unwrap();
    assert_eq!(heard(&mut stream).await, "closed");
    assert_eq!(told(&mut end.terminals).await, "link down");

    let branch = certificates.terminals.client("branch 2").unwrap();
    let mut stream = certificates.dial(address, &branch).await;
    stream.write_all(&signed("HN000002", 5)).await.unwrap();
    let _outbox = let_in(&mut end.advices).await;
    assert_eq!(told(&mut end.advices).await, "000005 Authentic");
}

#[tokio::test]
async fn a_certificate_that_names_nobody_of_ours_or_is_anothers_is_not_let_in() {
    let certificates = Certificates::mint();
    let (address, _threads, mut end, _) = listening(certificates.settings()).await;
    let stranger = Authority::mint("terminals CA").unwrap();
    for (name, own) in [
        ("no terminal of ours", certificates.terminals.client("HN000003").unwrap()),
        (
            "a terminal that another certificate speaks for",
            certificates.terminals.client("HN000002").unwrap(),
        ),
        ("another authority of the same name", stranger.client("HN000001").unwrap()),
        ("a certificate for who is connected to", certificates.terminals.server("HN000001", &["x"]).unwrap()),
        ("the switch's authority", certificates.switch.client("HN000001").unwrap()),
    ] {
        let mut stream = certificates.dial(address, &own).await;
        // The switch may have closed already.
        let _ = stream.write_all(&signed("HN000001", 1)).await;
        assert_eq!(heard(&mut stream).await, "closed", "{name}");
    }
    let own = certificates.terminals.client("HN000001").unwrap();
    let mut stream = certificates.dial(address, &own).await;
    stream.write_all(&signed("HN000001", 7)).await.unwrap();
    let _outbox = let_in(&mut end.advices).await;
    assert_eq!(told(&mut end.advices).await, "000007 Authentic", "nothing of the others was heard of");
}

#[tokio::test]
async fn another_door_lets_in_others_and_leaves_open_connections_alone() {
    let certificates = Certificates::mint();
    let (address, _threads, mut end, door) = listening(certificates.settings()).await;
    let old = certificates.terminals.client("HN000001").unwrap();
    let mut open = certificates.dial(address, &old).await;
    open.write_all(&signed("HN000001", 1)).await.unwrap();
    let _open = let_in(&mut end.advices).await;
    assert_eq!(told(&mut end.advices).await, "000001 Authentic");

    let next = Certificates { terminals: Authority::mint("terminals CA 2").unwrap(), ..Certificates::mint() };
    door.replace(TerminalDoor::new(&next.settings()));
    let new = next.terminals.client("HN000001").unwrap();
    let mut stream = next.dial(address, &new).await;
    stream.write_all(&signed("HN000001", 2)).await.unwrap();
    let _new = let_in(&mut end.advices).await;
    assert_eq!(told(&mut end.advices).await, "000002 Authentic");
    open.write_all(&signed("HN000001", 3)).await.unwrap();
    assert_eq!(told(&mut end.advices).await, "000003 Authentic", "the open connection goes on");
    let mut stream = next.dial(address, &old).await;
    let _ = stream.write_all(&signed("HN000001", 4)).await;
    assert_eq!(heard(&mut stream).await, "closed", "the old authority is believed no more");
}

fn write(dir: &Path, name: &str, identity: &Identity) -> [String; 2] {
    let [certificate, key] =
        [("pem", &identity.certificate_pem), ("key", &identity.key_pem)].map(|(end, text)| {
            let path = dir.join(format!("{name}.{end}"));
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        });
    [certificate, key]
}

fn openssl(arguments: &[&str]) -> Child {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("openssl is there")
}

#[tokio::test]
async fn openssl_is_let_in_with_tls_1_3_and_a_certificate_alone() {
    let certificates = Certificates::mint();
    let (address, _threads, mut end, _) = listening(certificates.settings()).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), &certificates.switch.ca_pem).unwrap();
    let ca = dir.path().join("ca.pem").to_str().unwrap().to_owned();
    let own = write(dir.path(), "own", &certificates.terminals.client("HN000001").unwrap());
    let other = write(dir.path(), "other", &Authority::mint("x").unwrap().client("HN000001").unwrap());
    let to = address.to_string();
    let base = ["s_client", "-connect", &to, "-CAfile", &ca, "-verify_return_error", "-quiet"];
    let with = |identity: &[String; 2]| {
        ["-cert".to_owned(), identity[0].clone(), "-key".to_owned(), identity[1].clone()]
    };
    let table = [
        ("TLS 1.2", "-tls1_2", with(&own).to_vec()),
        ("no certificate", "-tls1_3", Vec::new()),
        ("another authority", "-tls1_3", with(&other).to_vec()),
    ];
    for (name, version, identity) in table {
        let mut arguments = base.to_vec();
        arguments.push(version);
        arguments.extend(identity.iter().map(String::as_str));
        let mut refused = openssl(&arguments);
        let _ = refused.stdin.as_mut().unwrap().write_all(&signed("HN000001", 1));
        // Its standard input stays open: it ends because the switch has closed.
        let output = tokio::task::spawn_blocking(move || {
            let status = refused.wait().unwrap();
            let mut told = String::new();
            std::io::Read::read_to_string(refused.stderr.as_mut().unwrap(), &mut told).unwrap();
            (status, told)
        });
        let (status, told) = tokio::time::timeout(PATIENCE, output).await.expect("it is closed").unwrap();
        assert!(!status.success() && told.contains("alert"), "{name}: {told}");
    }
    let mut arguments = base.to_vec();
    arguments.push("-tls1_3");
    let identity = with(&own);
    arguments.extend(identity.iter().map(String::as_str));
    let mut accepted = openssl(&arguments);
    accepted.stdin.as_mut().unwrap().write_all(&signed("HN000001", 2)).unwrap();
    let _outbox = let_in(&mut end.advices).await;
    assert_eq!(told(&mut end.advices).await, "000002 Authentic", "the first that was let in");
    accepted.kill().unwrap();
    accepted.wait().unwrap();
}

fn bank_door(own: &Identity, ca_pem: &str) -> BankDoor {
    let name = ServerName::try_from("bank.example").unwrap();
    BankDoor::new(&IssuerLinkSettings {
        addresses: Vec::new(),
        dialect: Dialect::bcd_1987(),
        framing: iso8583::framing::Framing::Ascii4,
        mac: true,
        allow: Networks::default(),
        tls: Some(ClientTls::new(&files(own, ca_pem), name).unwrap()),
        reconnect_ms_min: 1,
        reconnect_ms_max: 10,
    })
}

#[tokio::test]
async fn a_bank_has_to_be_who_it_is_said_to_be() {
    let (switch, banks) = (Authority::mint("switch CA").unwrap(), Authority::mint("banks CA").unwrap());
    let own = switch.client("atm-switch").unwrap();
    let stranger = Authority::mint("banks CA").unwrap();
    let is_let_in = async |bank: Identity| {
        let answerer = Answerer::new(&switch.ca_pem, &bank).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (bus, mut end) = bus();
        let address = listener.local_addr().unwrap().to_string();
        let _threads = keep_bank_behind(address, bank_door(&own, &banks.ca_pem), bus);
        // The switch comes again and again; two handshakes show it.
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = answerer.shake(stream).await {
                let (_, outbox) = link_up(&mut end.others).await;
                send(&outbox, [echo("HN000001", 1)]);
                let mut first = [0; 4];
                stream.read_exact(&mut first).await.unwrap();
                return true;
            }
        }
        assert!(end.others.try_recv().is_err());
        false
    };
    assert!(is_let_in(banks.server("bank", &["bank.example"]).unwrap()).await);
    assert!(!is_let_in(banks.server("bank.example", &["other.example"]).unwrap()).await, "another name");
    assert!(!is_let_in(stranger.server("bank", &["bank.example"]).unwrap()).await, "another authority");
}

/// openssl as the bank: TLS 1.3 is spoken with it, TLS 1.2 is not.
#[tokio::test]
async fn openssl_is_a_bank_with_tls_1_3_alone() {
    let (switch, banks) = (Authority::mint("switch CA").unwrap(), Authority::mint("banks CA").unwrap());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), &switch.ca_pem).unwrap();
    let ca = dir.path().join("ca.pem").to_str().unwrap().to_owned();
    let [certificate, key] = write(dir.path(), "bank", &banks.server("bank", &["bank.example"]).unwrap());
    for (version, is_spoken) in [("-tls1_2", false), ("-tls1_3", true)] {
        // Free a moment ago; nobody else asks for it.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = free.port().to_string();
        let own = ["s_server", "-accept", &port, "-cert", &certificate, "-key", &key, "-CAfile", &ca];
        let asks = ["-Verify", "1", "-verify_return_error", "-quiet", "-naccept", "1", version];
        let mut bank = openssl(&[&own[..], &asks[..]].concat());
        let (bus, mut end) = bus();
        let identity = switch.client("atm-switch").unwrap();
        let _threads = keep_bank_behind(free.to_string(), bank_door(&identity, &banks.ca_pem), bus);
        if is_spoken {
            let _outbox = link_up(&mut end.others).await;
            bank.kill().unwrap();
            bank.wait().unwrap();
        } else {
            // It takes one connection, and ends with it.
            let ended = tokio::task::spawn_blocking(move || bank.wait().unwrap());
            tokio::time::timeout(PATIENCE, ended).await.expect("it has ended").unwrap();
            assert!(end.others.try_recv().is_err(), "{version}");
        }
    }
}
