//! The bank on the crate iso8583_rs answers what the switch sends to a bank, over a socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use iso8583::framing::{Decoded, Framing};
use iso8583::{Dialect, Message, Mti};
use tests::foreign_bank::ForeignBank;

#[test]
fn it_answers_network_management_withdrawals_and_reversals() {
    let bank = ForeignBank::start(Path::new(env!("CARGO_BIN_EXE_foreign_bank"))).expect("the bank starts");
    let mut link = TcpStream::connect(bank.address()).expect("the bank listens");
    link.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket has a timeout");
    let mut sign_on = Message::new(Mti::new(800));
    sign_on.set_text(7, "0315021530").set_text(11, "000001").set_text(70, "001");
    let mut withdrawal = Message::new(Mti::new(200));
    for (element, value) in [
        (2, "9704990012030000017"),
        (3, "010000"),
        (4, "000002000000"),
        (7, "0315021531"),
        (11, "004711"),
        (37, "607409000123"),
        (41, "HN000017"),
        (49, "704"),
        (102, "19001234567890"),
    ] {
        withdrawal.set_text(element, value);
    }
    let mut reversal = withdrawal.clone();
    reversal.set_mti(Mti::new(421));
    reversal.set_text(11, "004712");
    reversal.set_text(90, &format!("0200004711031502153100000970418{}", "0".repeat(11)));
    for (request, mti, echoed) in [
        (sign_on, 810, &[7, 11, 70][..]),
        (withdrawal, 210, &[3, 4, 7, 11, 37, 41, 102]),
        (reversal, 430, &[4, 7, 11, 37, 41]),
    ] {
        let answer = ask(&mut link, &request);
        assert_eq!(answer.mti(), Mti::new(mti));
        assert_eq!(answer.text(39), Some("00"));
        for &element in echoed {
            assert_eq!(answer.get(element), request.get(element), "DE{element}");
        }
        assert!(!answer.has(2) && !answer.has(90));
    }
}

fn ask(link: &mut TcpStream, request: &Message) -> Message {
    let dialect = Dialect::ascii_binary_bitmap_1987();
    let (mut bytes, mut frame) = (Vec::new(), Vec::new());
    dialect.encode(request, &mut bytes).expect("the request can be written");
    Framing::Length2.encode(&bytes, &mut frame).expect("the request fits");
    link.write_all(&frame).expect("the bank reads");
    let mut buffer = Vec::new();
    loop {
        match Framing::Length2.decode(&buffer).expect("the bank sends frames") {
            Decoded::Incomplete { needed } => {
                let front = buffer.len();
                buffer.resize(front + needed, 0);
                link.read_exact(&mut buffer[front..]).expect("the bank answers");
            }
            Decoded::Frame { payload, .. } => {
                return dialect.parse(&buffer[payload]).expect("the answer is good").to_message();
            }
            Decoded::KeepAlive { .. } => panic!("the bank sends no keep-alives"),
        }
    }
}
