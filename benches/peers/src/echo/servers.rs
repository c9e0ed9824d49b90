//! The echo servers that this program is itself: one of iso8583_rs, one written by hand.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use iso8583_rs::iso8583::IsoError;
use iso8583_rs::iso8583::iso_spec::IsoMsg;
use iso8583_rs::iso8583::mli::MLIType;
use iso8583_rs::iso8583::server::{ISOServer, MsgProcessor};

use crate::foreign_spec;

/// Elements that an 0810 carries as its 0800 had them.
const ECHOED: [u32; 4] = [7, 11, 41, 70];

/// Runs the server of iso8583_rs until the process ends: a thread for each connection, one message at a time.
///
/// # Errors
/// An address that is none, or a listener that ended.
pub fn serve_peer(address: &str) -> Result<(), Box<dyn Error>> {
    let (spec, _) = foreign_spec::layout();
    let server = ISOServer::new(address.to_owned(), spec, MLIType::MLI2E, Box::new(Echo));
    let server = server.map_err(|error| error.msg)?;
    server.start().join().map_err(|_| format!("the listener on {address} ended"))?;
    Ok(())
}

/// Answers with 00, on the crate's own codec.
struct Echo;

impl MsgProcessor for Echo {
    fn process(&self, server: &ISOServer, bytes: &mut Vec<u8>) -> Result<(Vec<u8>, IsoMsg), IsoError> {
        let request = server.spec.parse(bytes).map_err(|error| IsoError { msg: error.msg })?;
        let mut answer = foreign_spec::message("0810");
        answer.echo_from(&request, &ECHOED)?;
        answer.set_on(39, "00")?;
        Ok((answer.assemble()?, answer))
    }
}

/// Length of two bytes, MTI, and the first bitmap of 16 hex digits: what the floor looks at.
const FRONT: usize = 2 + 4 + 16;

/// Where DE39 goes in an answer of `ascii-1987`: behind the front, the second bitmap, DE7 and DE11.
const RESPONSE_CODE: usize = FRONT + 16 + 10 + 6;

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// Runs the server written by hand until the process ends: a thread for each connection, all messages that one read brings,
/// one write.
///
/// # Errors
/// The system's own.
pub fn serve_floor(address: &str) -> Result<(), Box<dyn Error>> {
    for stream in TcpListener::bind(address)?.incoming() {
        let stream = stream?;
        thread::spawn(move || match echo(stream) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => eprintln!("serve-floor: {error}"),
        });
    }
    Ok(())
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = vec![0; READ_BYTES];
    let mut answers = Vec::with_capacity(2 * READ_BYTES);
    let mut held = 0;
    loop {
        match stream.read(&mut received[held..])? {
            0 => return Ok(()),
            count => held += count,
        }
        let taken = answer_all(&received[..held], &mut answers)?;
        stream.write_all(&answers)?;
        answers.clear();
        received.copy_within(taken..held, 0);
        held -= taken;
    }
}

/// Answers every whole frame; gives how many bytes they were.
fn answer_all(received: &[u8], answers: &mut Vec<u8>) -> io::Result<usize> {
    let mut taken = 0;
    while let Some(front) = received[taken..].first_chunk::<2>() {
        let length = 2 + usize::from(u16::from_be_bytes(*front));
        let Some(frame) = received[taken..].get(..length) else {
            if length > READ_BYTES {
                return Err(io::Error::other("a frame is too long"));
            }
            break;
        };
        answer(frame, answers)?;
        taken += length;
    }
    Ok(taken)
}

/// 0800 becomes 0810, bit 39 is set, and 00 goes in between.
fn answer(frame: &[u8], answers: &mut Vec<u8>) -> io::Result<()> {
    let (front, rest) = match frame.split_at_checked(RESPONSE_CODE) {
        Some((front, rest)) if front[2..6] == *b"0800" => (front, rest),
        _ => return Err(io::Error::other("no 0800")),
    };
    let at = answers.len();
    answers.extend_from_slice(&u16::try_from(frame.len()).map_err(io::Error::other)?.to_be_bytes());
    answers.extend_from_slice(&front[2..]);
    answers.extend_from_slice(b"00");
    answers.extend_from_slice(rest);
    answers[at + 4] = b'1';
    // Element 39 is the second bit from above of the tenth hex digit; no element from 37 to 40 is in the requests.
    answers[at + 6 + 9] = b'2';
    Ok(())
}

#[cfg(test)]
mod tests {
    use iso8583::{Dialect, Message, Mti};

    use super::*;

    #[test]
    fn the_floor_answers_every_whole_frame() {
        let mut request = Message::new(Mti::new(800));
        request.set_text(7, "0315021531").set_text(11, "004711").set_text(41, "P0000000").set_text(70, "301");
        let mut payload = Vec::new();
        Dialect::ascii_1987().encode(&request, &mut payload).expect("a request can be written");
        let mut frame = (payload.len() as u16).to_be_bytes().to_vec();
        frame.extend_from_slice(&payload);
        let received = [&frame[..], &frame[..], &frame[..30]].concat();
        let mut answers = Vec::new();
        assert_eq!(answer_all(&received, &mut answers).ok(), Some(2 * frame.len()));
        let (first, second) = answers.split_at(answers.len() / 2);
        assert_eq!(first, second);
        assert_eq!(usize::from(u16::from_be_bytes([first[0], first[1]])), first.len() - 2);
        let answer = Dialect::ascii_1987().parse(&first[2..]).expect("an answer can be read").to_message();
        request.set_mti(Mti::new(810));
        request.set_text(39, "00");
        assert_eq!(answer, request);
        assert!(answer_all(&[&[0, 4][..], b"0800"].concat(), &mut answers).is_err());
    }
}
