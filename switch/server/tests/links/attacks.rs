//! Many bad peers at once beside a good one: each is closed at its deadline or bound, and the good one is answered.

use server::config::{SecretPem, TerminalTls};
use server::tls::{ServerTls, TlsFiles};
use simulators::tls::{Authority, Dialler};
use tokio::io::AsyncWrite;
use tokio::task::JoinSet;

use super::*;

/// Bad peers of each kind.
const EACH: usize = 40;

/// Messages of the good peer, meanwhile.
const GOOD_MESSAGES: u64 = 300;

/// Answers every echo as the processor would, and lets connections go that are down.
async fn answer_all(mut end: BusEnd) {
    let mut outboxes = std::collections::HashMap::new();
    loop {
        let inbound = tokio::select! {
            Some(inbound) = end.advices.recv() => inbound,
            Some(inbound) = end.terminals.recv() => inbound,
            else => return,
        };
        match inbound {
            Inbound::LinkUp(link, outbox) => {
                outboxes.insert(link, outbox);
            }
            Inbound::Input(input) | Inbound::Arrived(_, input) => match *input {
                Input::LinkDown(link) => {
                    outboxes.remove(&link);
                }
                Input::Received { link, mut message, .. } => {
                    message.set_mti(Mti::new(810));
                    message.set_text(39, "00");
                    if let Some(outbox) = outboxes.get(&link) {
                        send(outbox, [message]);
                    }
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

/// Sends what a bad peer sends, at first and every 5 ms, and ends when it is closed.
async fn until_closed(address: std::net::SocketAddr, first: Vec<u8>, then: Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A peer that is closed may find it out when it writes.
    if stream.write_all(&first).await.is_err() {
        return;
    }
    let mut sink = [0; 1_024];
    loop {
        tokio::select! {
            read = stream.read(&mut sink) => {
                if matches!(read, Ok(0) | Err(_)) {
                    return;
                }
            }
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                if stream.write_all(&then).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Echoes for as long as bad peers are there, and as often as it has to.
async fn go_on_beside(mut good: impl AsyncRead + AsyncWrite + Unpin, mut bad: JoinSet<()>) {
    let mut stan = 0;
    while stan < GOOD_MESSAGES || !bad.is_empty() {
        stan += 1;
        good.write_all(&framed(&echo("HN000001", stan % 1_000_000), Some(&peer_end()))).await.unwrap();
        assert_eq!(heard(&mut good).await, "0810 00 Ok(())", "message {stan}");
        while let Some(ended) = bad.try_join_next() {
            ended.unwrap();
        }
        assert!(stan < 200_000, "{} bad peers are still there", bad.len());
    }
}

fn deadlines() -> TerminalLinkSettings {
    TerminalLinkSettings { first_message_ms_max: 1_000, frame_ms_max: 1_000, ..settings() }
}

#[tokio::test]
async fn slow_silent_half_and_flooding_peers_are_closed_and_a_good_one_goes_on() {
    let (address, _threads, end, _) = listening(deadlines()).await;
    tokio::spawn(answer_all(end));
    let good = framed(&echo("HN000001", 1), Some(&peer_end()));
    let forged = framed(&echo("HN000001", 1), Some(&switch_end()));
    let kinds = [
        ("silent", Vec::new(), Vec::new()),
        ("half a frame", good[..20].to_vec(), Vec::new()),
        ("byte by byte", vec![1, 0], vec![b'0']),
        ("one zero length after the other", vec![0; 2], vec![0; 2]),
        ("a flood of zero lengths", vec![0; 2_000], vec![0; 2_000]),
        ("nothing authentic", forged.clone(), forged),
    ];
    let mut bad = JoinSet::new();
    for (_, first, then) in kinds {
        for _ in 0..EACH {
            bad.spawn(until_closed(address, first.clone(), then.clone()));
        }
    }
    go_on_beside(TcpStream::connect(address).await.unwrap(), bad).await;
}

#[tokio::test]
async fn the_same_of_handshakes() {
    let (switch, terminals) =
        (Authority::mint("switch CA").unwrap(), Authority::mint("terminals CA").unwrap());
    let listener = switch.server("atm-switch", &["127.0.0.1"]).unwrap();
    let pem = |text: &str| ("x.pem".into(), text.as_bytes().to_vec());
    let files = TlsFiles {
        certificate: pem(&listener.certificate_pem),
        key: SecretPem(listener.key_pem.as_bytes().to_vec()),
        authority: pem(&terminals.ca_pem),
    };
    // Fewer handshakes at once than come: those that say nothing take no place, and slow ones give theirs back.
    let server = ServerTls::new(&files).unwrap();
    let tls = TerminalTls { server, handshake_ms_max: 1_000, handshakes_max: 2 * EACH };
    let certificates = [(TerminalId(*b"HN000001"), "HN000001".to_owned())].into();
    let settings = TerminalLinkSettings { tls: Some(tls), certificates, ..deadlines() };
    let (address, _threads, end, _) = listening(settings).await;
    tokio::spawn(answer_all(end));
    let own = terminals.client("HN000001").unwrap();
    let dialler = Dialler::new(&switch.ca_pem, &own, "127.0.0.1").unwrap();
    let in_clear = framed(&echo("HN000001", 1), Some(&peer_end()));
    let kinds = [
        ("silent", Vec::new(), Vec::new()),
        ("half a handshake", vec![0x16, 3, 1, 2, 0, 1], Vec::new()),
        ("a handshake byte by byte", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3], vec![0]),
        ("in clear", in_clear, Vec::new()),
        ("a flood of zero lengths", vec![0; 2_000], vec![0; 2_000]),
    ];
    let mut bad = JoinSet::new();
    for (_, first, then) in kinds {
        for _ in 0..EACH {
            bad.spawn(until_closed(address, first.clone(), then.clone()));
        }
    }
    for _ in 0..EACH {
        let dialler = dialler.clone();
        bad.spawn(async move {
            // Its handshake may find no place in time; if it does, it says nothing afterwards.
            if let Ok(mut stream) = dialler.shake(TcpStream::connect(address).await.unwrap()).await {
                assert_eq!(heard(&mut stream).await, "closed");
            }
        });
    }
    // It may have to come again until it finds a place.
    let mut good = None;
    for _ in 0..20 {
        good = dialler.shake(TcpStream::connect(address).await.unwrap()).await.ok();
        if good.is_some() {
            break;
        }
    }
    go_on_beside(good.expect("a place is free within the deadline of others"), bad).await;
}

#[tokio::test]
async fn an_address_that_is_not_allowed_and_one_with_its_share_are_closed_unheard() {
    let allow = Networks(vec!["10.0.0.0/8".parse().unwrap()]);
    let (address, _threads, mut end, door) = listening(TerminalLinkSettings { allow, ..settings() }).await;
    until_closed(address, Vec::new(), Vec::new()).await;
    assert!(end.advices.try_recv().is_err(), "the event loop does not hear of it");
    let allow = Networks(vec!["127.0.0.0/8".parse().unwrap()]);
    door.replace(TerminalDoor::new(&TerminalLinkSettings { allow, ..settings() }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&framed(&echo("HN000001", 1), Some(&peer_end()))).await.unwrap();
    let _up = link_up(&mut end.advices).await;
    assert_eq!(told(&mut end.advices).await, "000001 Authentic");

    let two =
        TerminalLinkSettings { connections_per_address_max: 2, first_message_ms_max: 60_000, ..settings() };
    let (address, _threads, mut end, _) = listening(two).await;
    let first = TcpStream::connect(address).await.unwrap();
    let (_, _first) = link_up(&mut end.advices).await;
    let _second = TcpStream::connect(address).await.unwrap();
    let (_, _second_up) = link_up(&mut end.advices).await;
    let third = until_closed(address, Vec::new(), Vec::new());
    tokio::time::timeout(PATIENCE, third).await.expect("closed at once, not at its deadline");
    assert!(end.advices.try_recv().is_err(), "the event loop does not hear of it");
    drop(first);
    assert_eq!(told(&mut end.terminals).await, "link down");
    // The place is given back behind the news of it: whoever comes too early comes again.
    let again = async {
        loop {
            let _stream = TcpStream::connect(address).await.unwrap();
            if let Ok(Some(Inbound::LinkUp(..))) =
                tokio::time::timeout(Duration::from_millis(100), end.advices.recv()).await
            {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("who has left leaves room");
}

/// Few messages, each of the largest size: the bytes are bounded, not only their number.
#[tokio::test]
async fn bytes_that_wait_for_a_peer_are_bounded() {
    // Nothing but the bound closes it.
    let patient = TerminalLinkSettings { first_message_ms_max: 60_000, frame_ms_max: 60_000, ..settings() };
    let (address, _threads, mut end, _) = listening(patient).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (_, outbox) = link_up(&mut end.advices).await;
    let mut large = echo("HN000001", 1);
    large.set(62, &[b'x'; 999]).set(63, &[b'x'; 999]).set(112, &[0; 999]).set(113, &[0; 999]);
    large.set(114, &[0; 999]).set(115, &[0; 999]);
    // 200 messages of 6,000 bytes are above 256 times 4,096 bytes, and fewer than 256.
    send(&outbox, std::iter::repeat_n(large, 200));
    assert_eq!(told(&mut end.terminals).await, "link down");
    drop(stream);
}
