//! The terminal HN000001 as tests speak for it, with the MAC keys of their key files.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use iso8583::{Message, Mti};
use keys::{Key, LinkCodec, LinkMac, MacKey, Received};
use processor::UtcSeconds;

/// Longer than an answer takes: a test that waits so long has failed.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Sends one message as the terminal HN000001 and gives the answer, whose MAC must be right; nothing when the switch
/// closes the connection instead.
pub(crate) fn exchange(stream: &mut TcpStream, message: &Message) -> Option<Message> {
    stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
    exchange_over(stream, message)
}

/// The same over what waits no longer than a test may.
pub(crate) fn exchange_over(stream: &mut (impl Read + Write), message: &Message) -> Option<Message> {
    let mac = |byte: u8| MacKey::new(&Key::new([byte; 32]));
    let keys = LinkMac { sign: mac(1), verify: mac(2) };
    let codec = LinkCodec::terminal();
    let mut bytes = Vec::new();
    codec.send(message, Some(&keys), &mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
    let mut buffer = Vec::new();
    loop {
        match codec.receive(&buffer, |_| Some(&keys)).unwrap() {
            Received::Message { message, mac, .. } => {
                assert_eq!(mac, Ok(()));
                return Some(*message);
            }
            Received::Incomplete => {}
            other => panic!("{other:?}"),
        }
        let mut part = [0; 1024];
        let count = stream.read(&mut part).unwrap();
        if count == 0 {
            return None;
        }
        buffer.extend_from_slice(&part[..count]);
    }
}

/// A 0800 with a code of DE70.
pub(crate) fn network(code: &str, stan: u64) -> Message {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut message = Message::new(Mti::new(800));
    message.set(7, &UtcSeconds(now.as_secs() as i64).to_de7()).set_number(11, stan, 6);
    message.set_text(41, "HN000001").set_text(70, code);
    message
}

/// A 0500 of HN000001's acquirer for a day.
pub(crate) fn totals(stan: u64, day: &str, net: &str) -> Message {
    let mut message = network("301", stan);
    message.remove(70).set_mti(Mti::new(500));
    message.set_text(15, day).set_text(76, "0000000000").set_text(97, net);
    message
}
