//! Links against a peer made of bare sockets: what reaches the event loop, what comes back, what is closed.
#![allow(clippy::unwrap_used)]

mod attacks;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hsm::Owner;
use iso8583::{Dialect, Message, Mti};
use keys::{Key, LinkCodec, LinkMac, MacKey, Received, TerminalKeys};
use processor::{Input, Institution, LinkId, TerminalId};
use server::bus::{Bus, BusEnd, Inbound, bus};
use server::clock::Clock;
use server::config::{IssuerLinkSettings, TerminalLinkSettings};
use server::current::Current;
use server::links::bank::BankLink;
use server::links::door::{BankDoor, Handshakes, TerminalDoor};
use server::links::networks::Networks;
use server::links::outbox::{BankMac, Outbox, Outgoing};
use server::links::terminal::{self, Shared, TerminalKeyStore};
use server::links::threads::LinkThreads;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn mac_key(byte: u8) -> MacKey {
    MacKey::new(&Key::new([byte; 32]))
}

fn switch_end() -> LinkMac {
    LinkMac { sign: mac_key(2), verify: mac_key(1) }
}

fn peer_end() -> LinkMac {
    LinkMac { sign: mac_key(1), verify: mac_key(2) }
}

/// In clear, with deadlines of 300 ms for first messages and frames.
fn settings() -> TerminalLinkSettings {
    TerminalLinkSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        connections_max: 2_000,
        connections_per_address_max: 1_000,
        accepts_per_second_max: 10_000,
        first_message_ms_max: 300,
        idle_ms_max: 60_000,
        frame_ms_max: 300,
        allow: Networks::default(),
        tls: None,
        certificates: BTreeMap::new(),
    }
}

async fn terminals() -> (std::net::SocketAddr, LinkThreads, BusEnd) {
    let (address, threads, end, _) = listening(settings()).await;
    (address, threads, end)
}

/// Listens for the terminals HN000001 and HN000002, which have the same keys.
async fn listening(
    settings: TerminalLinkSettings,
) -> (std::net::SocketAddr, LinkThreads, BusEnd, Arc<Current<TerminalDoor>>) {
    let keys = TerminalKeys { mac: switch_end(), challenge: Key::new([3; 32]) };
    let data = keys::DataKeys::new(&Key::new([4; 32]), &Key::new([5; 32]), &Key::new([6; 32]));
    let (bus, end) = bus();
    let store = Arc::new(TerminalKeyStore::default());
    store.replace([(TerminalId(*b"HN000001"), keys.clone()), (TerminalId(*b"HN000002"), keys)].into());
    let listener = terminal::bind(settings.listen).unwrap();
    let address = listener.local_addr().unwrap();
    let door = Arc::new(Current::new(TerminalDoor::new(&settings)));
    let shared = Shared {
        keys: store,
        macs: Arc::default(),
        door: Arc::clone(&door),
        handshakes: Handshakes::new(&settings),
        settings,
        data,
        iin: *b"970499",
        bus,
        clock: Clock::start(),
    };
    let threads = LinkThreads::start(2, PATIENCE).unwrap();
    tokio::spawn(terminal::listen(listener, threads.all().to_vec(), Arc::new(shared)));
    (address, threads, end, door)
}

/// What one turn of the event loop has for a connection.
fn send(outbox: &Outbox, messages: impl IntoIterator<Item = Message>) {
    let outgoing = messages.into_iter().map(|message| Outgoing::Send(outbox.connection(), message));
    assert!(outbox.mailbox().put(&mut outgoing.collect()));
}

fn echo(terminal: &str, stan: u64) -> Message {
    let mut message = Message::new(Mti::new(800));
    message.set_text(7, "0503010203").set_number(11, stan, 6).set_text(41, terminal).set_text(70, "301");
    message
}

fn framed(message: &Message, keys: Option<&LinkMac>) -> Vec<u8> {
    let mut bytes = Vec::new();
    LinkCodec::terminal().send(message, keys, &mut bytes).unwrap();
    bytes
}

/// The next messages on a socket, as "MTI DE39", with what the MAC is; "closed" at its end.
async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let keys = peer_end();
    let mut buffer = Vec::new();
    loop {
        match LinkCodec::terminal().receive(&buffer, |_| Some(&keys)).unwrap() {
            Received::Message { message, mac, .. } => {
                return format!("{:04} {} {mac:?}", message.mti().value(), message.text(39).unwrap_or(""));
            }
            Received::Incomplete => {}
            other => panic!("{other:?}"),
        }
        match tokio::time::timeout(PATIENCE, stream.read_buf(&mut buffer)).await.expect("something is heard")
        {
            Ok(0) | Err(_) => return "closed".to_owned(),
            Ok(_) => {}
        }
    }
}

async fn next(queue: &mut tokio::sync::mpsc::Receiver<Inbound>) -> Inbound {
    tokio::time::timeout(PATIENCE, queue.recv()).await.expect("an input comes").unwrap()
}

async fn link_up(queue: &mut tokio::sync::mpsc::Receiver<Inbound>) -> (LinkId, Outbox) {
    match next(queue).await {
        Inbound::LinkUp(link, outbox) => (link, outbox),
        other => panic!("{other:?}"),
    }
}

/// "link up", "link down", or the message's STAN with its authenticity.
async fn told(queue: &mut tokio::sync::mpsc::Receiver<Inbound>) -> String {
    match next(queue).await {
        Inbound::LinkUp(..) => "link up".to_owned(),
        Inbound::Input(input) | Inbound::Arrived(_, input) => match *input {
            Input::LinkDown(_) => "link down".to_owned(),
            Input::Received { message, authenticity, citizen, .. } => {
                let citizen = if citizen.is_some() { " citizen" } else { "" };
                format!("{} {authenticity:?}{citizen}", message.text(11).unwrap_or("-"))
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_go_in_and_answers_come_out_signed() {
    let (address, _threads, mut end) = terminals().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut withdrawal = echo("HN000001", 2);
    withdrawal.set_mti(Mti::new(200));
    withdrawal.set_text(2, "9704990012030000017");
    let mut bytes = framed(&echo("HN000001", 1), Some(&peer_end()));
    bytes.extend([0, 0]);
    bytes.extend(framed(&withdrawal, Some(&peer_end())));
    bytes.extend(framed(&echo("HN000001", 3), Some(&switch_end())));
    bytes.extend(framed(&echo("HN000001", 4), None));
    stream.write_all(&bytes).await.unwrap();
    let (_, outbox) = link_up(&mut end.advices).await;
    // What begins work, and what is forged, waits apart: an echo does not wait behind it.
    assert_eq!(told(&mut end.advices).await, "000001 Authentic");
    for expected in ["000002 Authentic citizen", "000003 Forged", "000004 Forged"] {
        assert_eq!(told(&mut end.terminals).await, expected);
    }
    let mut answer = echo("HN000001", 1);
    answer.set_mti(Mti::new(810));
    answer.set_text(39, "00");
    send(&outbox, [answer]);
    assert_eq!(heard(&mut stream).await, "0810 00 Ok(())");
    drop(outbox);
    assert_eq!(heard(&mut stream).await, "closed");
    assert_eq!(told(&mut end.terminals).await, "link down");
}

#[tokio::test]
async fn what_is_no_message_is_answered_or_closed_and_the_next_client_is_served() {
    let (address, _threads, mut end) = terminals().await;
    let good = framed(&echo("HN000001", 1), Some(&peer_end()));
    let mut trailing = good.clone();
    trailing.push(b'x');
    trailing[1] += 1;
    let mut both = echo("HN000001", 1);
    both.set(64, &[0; 8]).set(128, &[0; 8]);
    let table: &[(&str, Vec<u8>, &str)] = &[
        ("bytes behind the last element", trailing, "0810 30 Ok(())"),
        ("two MACs", framed(&both, None), "0810 30 Ok(())"),
        ("an unknown terminal", framed(&echo("HN000003", 1), Some(&peer_end())), "closed"),
        ("no message at all", vec![0, 3, b'a', b'b', b'c'], "closed"),
        ("a length above all bounds", vec![0xFF, 0xFF], "closed"),
        ("a flood of keep-alives", [0; 2_000].to_vec(), "closed"),
        ("half a frame", good[..20].to_vec(), "closed"),
        ("nothing", Vec::new(), "closed"),
    ];
    for (name, bytes, expected) in table {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert_eq!(heard(&mut stream).await, *expected, "{name}");
        let _up = link_up(&mut end.advices).await;
        drop(stream);
        assert_eq!(told(&mut end.terminals).await, "link down", "{name}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&good).await.unwrap();
    let _up = link_up(&mut end.advices).await;
    assert_eq!(told(&mut end.advices).await, "000001 Authentic");
}

/// A connection to the test's own bank, in clear.
fn keep_bank(address: String, bus: Bus) -> LinkThreads {
    let settings = IssuerLinkSettings {
        addresses: vec![address.clone()],
        dialect: Dialect::bcd_1987(),
        framing: iso8583::framing::Framing::Ascii4,
        mac: true,
        allow: Networks::default(),
        tls: None,
        reconnect_ms_min: 1,
        reconnect_ms_max: 10,
    };
    keep_bank_behind(address, BankDoor::new(&settings), bus)
}

fn keep_bank_behind(address: String, door: BankDoor, bus: Bus) -> LinkThreads {
    let link = BankLink {
        link: LinkId::Bank(Institution::parse(b"970418").unwrap(), 0),
        address,
        door: Arc::new(Current::new(door)),
        codec: LinkCodec { dialect: Dialect::bcd_1987(), framing: iso8583::framing::Framing::Ascii4 },
        mac: Some(BankMac {
            file: switch_end(),
            owner: Owner::bank(b"970418").unwrap(),
            exchanged: Arc::default(),
        }),
        reconnect_ms_min: 1,
        reconnect_ms_max: 10,
        outbox_max: 8,
    };
    let threads = LinkThreads::start(1, PATIENCE).unwrap();
    let thread = &threads.all()[0];
    thread.spawn(link.keep(thread.clone(), bus));
    threads
}

#[tokio::test]
async fn a_bank_is_connected_to_again_and_its_forged_answers_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (bus, mut end) = bus();
    let _threads = keep_bank(listener.local_addr().unwrap().to_string(), bus);
    let codec = LinkCodec { dialect: Dialect::bcd_1987(), framing: iso8583::framing::Framing::Ascii4 };
    let mut answer = Message::new(Mti::new(810));
    answer.set_text(7, "0503010203").set_text(39, "00").set_text(70, "301");
    for round in 0..2 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (_, outbox) = link_up(&mut end.others).await;
        let mut bytes = Vec::new();
        codec.send(answer.set_number(11, 1, 6), Some(&peer_end()), &mut bytes).unwrap();
        codec.send(answer.set_number(11, 2, 6), Some(&switch_end()), &mut bytes).unwrap();
        bytes.extend(b"0003abc");
        codec.send(answer.set_number(11, 3, 6), Some(&peer_end()), &mut bytes).unwrap();
        stream.write_all(&bytes).await.unwrap();
        for expected in ["000001 Authentic", "000002 Forged", "000003 Authentic"] {
            assert_eq!(told(&mut end.others).await, expected, "round {round}");
        }
        drop((stream, outbox));
        assert_eq!(told(&mut end.others).await, "link down");
    }
}

/// All that waits for a bank's link is written at once, and what somebody waits for in front of a machine comes first.
#[tokio::test]
async fn reversals_are_written_behind_live_requests() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (bus, mut end) = bus();
    let _threads = keep_bank(listener.local_addr().unwrap().to_string(), bus);
    let (mut stream, _) = listener.accept().await.unwrap();
    let (_, outbox) = link_up(&mut end.others).await;
    let said = [(420, 1), (200, 2), (421, 3), (420, 4), (800, 5), (200, 6)];
    let messages = said.map(|(mti, stan)| {
        let mut message = Message::new(Mti::new(mti));
        message.set_text(7, "0503010203").set_number(11, stan, 6);
        message
    });
    send(&outbox, messages);
    let codec = LinkCodec { dialect: Dialect::bcd_1987(), framing: iso8583::framing::Framing::Ascii4 };
    let keys = peer_end();
    let (mut buffer, mut heard) = (Vec::new(), Vec::new());
    while heard.len() < said.len() {
        match codec.receive(&buffer, |_| Some(&keys)).unwrap() {
            Received::Message { consumed, message, .. } => {
                heard.push(message.number(11).unwrap());
                buffer.drain(..consumed);
            }
            Received::Incomplete => {
                let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut buffer)).await;
                assert_ne!(read.expect("the messages come").unwrap(), 0, "closed");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard, [2, 5, 6, 1, 3, 4]);
}

/// A link that comes up again is another connection: what was decided for the last one is not written to it, and its end
/// does not close it.
#[tokio::test]
async fn what_was_for_a_lost_connection_does_not_reach_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (bus, mut end) = bus();
    let _threads = keep_bank(listener.local_addr().unwrap().to_string(), bus);
    let (lost, _) = listener.accept().await.unwrap();
    let (link, old) = link_up(&mut end.others).await;
    drop(lost);
    assert_eq!(told(&mut end.others).await, "link down");
    let (mut stream, _) = listener.accept().await.unwrap();
    let (again, new) = link_up(&mut end.others).await;
    assert_eq!(link, again);
    let request = |stan| {
        let mut message = Message::new(Mti::new(200));
        message.set_text(7, "0503010203").set_number(11, stan, 6);
        message
    };
    send(&old, [request(1)]);
    drop(old);
    send(&new, [request(2)]);
    drop(new);
    let mut written = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut written)).await.expect("it is closed").unwrap();
    let codec = LinkCodec { dialect: Dialect::bcd_1987(), framing: iso8583::framing::Framing::Ascii4 };
    let mut expected = Vec::new();
    codec.send(&request(2), Some(&switch_end()), &mut expected).unwrap();
    assert_eq!(written, expected);
}

/// A peer that does not read is closed at the bound, and what it was sent is not kept for it.
#[tokio::test]
async fn a_bank_that_does_not_read_is_closed_at_its_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (bus, mut end) = bus();
    let _threads = keep_bank(listener.local_addr().unwrap().to_string(), bus);
    let (_stream, _) = listener.accept().await.unwrap();
    let (_, outbox) = link_up(&mut end.others).await;
    let mut message = Message::new(Mti::new(200));
    message.set_text(7, "0503010203").set_number(11, 1, 6);
    // The bound is 8 messages in one turn.
    send(&outbox, std::iter::repeat_n(message, 9));
    assert_eq!(told(&mut end.others).await, "link down");
}
