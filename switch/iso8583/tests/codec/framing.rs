//! Framings: what is a frame, what is one not yet, what can never be one.

use iso8583::FRAME_BYTES_MAX;
use iso8583::framing::{Decoded, FrameError, Framing, TPDU_BYTES};

use crate::golden_files;

const TPDU: Framing = Framing::Length2Tpdu { tpdu: [0x60, 0x00, 0x01, 0x80, 0x02] };

fn incomplete(needed: usize) -> Result<Decoded, FrameError> {
    Ok(Decoded::Incomplete { needed })
}

fn frame(start: usize, end: usize) -> Result<Decoded, FrameError> {
    Ok(Decoded::Frame { payload: start..end, consumed: end })
}

fn keep_alive(consumed: usize) -> Result<Decoded, FrameError> {
    Ok(Decoded::KeepAlive { consumed })
}

#[test]
fn the_front_of_a_buffer() {
    use FrameError::{LengthDigit, TooLong, TpduCut, TpduId};
    let above = FRAME_BYTES_MAX + 1;
    let wrong_id = Err(TpduId { found: 0x61, expected: 0x60 });
    #[rustfmt::skip]
    let rows: &[(&Framing, &[u8], Result<Decoded, FrameError>)] = &[
        (&Framing::Length2, b"", incomplete(2)),
        (&Framing::Length2, b"\x00", incomplete(1)),
        (&Framing::Length2, b"\x00\x00", keep_alive(2)),
        (&Framing::Length2, b"\x00\x00\x00", keep_alive(2)),
        (&Framing::Length2, b"\x00\x03", incomplete(3)),
        (&Framing::Length2, b"\x00\x03ab", incomplete(1)),
        (&Framing::Length2, b"\x00\x03abc", frame(2, 5)),
        (&Framing::Length2, b"\x00\x03abcd", frame(2, 5)),
        (&Framing::Length2, b"\x01\x00", incomplete(256)),
        (&Framing::Length2, b"\xA0\x00", incomplete(FRAME_BYTES_MAX)),
        (&Framing::Length2, b"\xA0\x01", Err(TooLong { length: above, max: FRAME_BYTES_MAX })),
        (&Framing::Length2, b"\xFF\xFF", Err(TooLong { length: 65_535, max: FRAME_BYTES_MAX })),
        (&Framing::Ascii4, b"", incomplete(4)),
        (&Framing::Ascii4, b"000", incomplete(1)),
        (&Framing::Ascii4, b"0000", keep_alive(4)),
        (&Framing::Ascii4, b"0003", incomplete(3)),
        (&Framing::Ascii4, b"0003abc", frame(4, 7)),
        (&Framing::Ascii4, b"0003abc0", frame(4, 7)),
        (&Framing::Ascii4, b"9999", incomplete(9_999)),
        (&Framing::Ascii4, b"+", Err(LengthDigit { offset: 0 })),
        (&Framing::Ascii4, b"+003abc", Err(LengthDigit { offset: 0 })),
        (&Framing::Ascii4, b"00 3", Err(LengthDigit { offset: 2 })),
        (&Framing::Ascii4, b"000x", Err(LengthDigit { offset: 3 })),
        (&Framing::Ascii4, b"\x00\x03abc", Err(LengthDigit { offset: 0 })),
        (&TPDU, b"", incomplete(2)),
        (&TPDU, b"\x00\x00", keep_alive(2)),
        (&TPDU, b"\x00\x04", Err(TpduCut { length: 4 })),
        (&TPDU, b"\x00\x01\x60", Err(TpduCut { length: 1 })),
        (&TPDU, b"\x00\x05", incomplete(5)),
        (&TPDU, b"\x00\x05\x60\x00\x00\x00\x00", keep_alive(7)),
        (&TPDU, b"\x00\x08", incomplete(8)),
        (&TPDU, b"\x00\x08\x61", wrong_id.clone()),
        (&TPDU, b"\x00\x08\x61\x00\x00\x00\x00abc", wrong_id),
        (&TPDU, b"\x00\x08\x60\x00\x03\x80\x04ab", incomplete(1)),
        (&TPDU, b"\x00\x08\x60\x00\x03\x80\x04abc", frame(7, 10)),
        (&TPDU, b"\xA0\x05", incomplete(FRAME_BYTES_MAX + TPDU_BYTES)),
        (&TPDU, b"\xA0\x06", Err(TooLong { length: above, max: FRAME_BYTES_MAX })),
        (&TPDU, b"\xA0\x06\x61", Err(TooLong { length: above, max: FRAME_BYTES_MAX })),
    ];
    for (framing, buffer, expected) in rows {
        assert_eq!(framing.decode(buffer), *expected, "{framing:?} {}", buffer.escape_ascii());
    }
}

#[test]
fn what_is_written() {
    let most = |framing: &Framing| framing.payload_bytes_max();
    assert_eq!([most(&Framing::Length2), most(&Framing::Ascii4), most(&TPDU)], [40_960, 9_999, 40_960]);
    for (framing, payload, written) in [
        (Framing::Length2, "0800", &b"\x00\x040800"[..]),
        (Framing::Length2, "", b"\x00\x00"),
        (Framing::Ascii4, "0800", b"00040800"),
        (Framing::Ascii4, "", b"0000"),
        (TPDU, "0800", b"\x00\x09\x60\x00\x01\x80\x020800"),
        (TPDU, "", b"\x00\x00"),
    ] {
        let mut out = b"in front".to_vec();
        assert_eq!(framing.encode(payload.as_bytes(), &mut out), Ok(()));
        assert_eq!(out[8..], *written, "{framing:?} {payload:?}");
    }
    for framing in [Framing::Length2, Framing::Ascii4, TPDU] {
        let max = most(&framing);
        let mut out = Vec::new();
        assert_eq!(framing.encode(&vec![b'0'; max], &mut out), Ok(()));
        assert!(matches!(framing.decode(&out), Ok(Decoded::Frame { payload, .. }) if payload.len() == max));
        out.clear();
        let too_long = Err(FrameError::TooLong { length: max + 1, max });
        assert_eq!(framing.encode(&vec![b'0'; max + 1], &mut out), too_long);
        assert!(out.is_empty());
    }
}

/// All golden messages in one stream, keep-alives between them, that comes one byte at a time: `needed` never says more
/// than there is to come, and the messages come out in order.
#[test]
fn one_byte_at_a_time() {
    for framing in [Framing::Length2, Framing::Ascii4, TPDU] {
        let messages: Vec<Vec<u8>> =
            golden_files::goldens("bcd-1987").into_iter().map(|golden| golden.bytes).collect();
        let mut stream = Vec::new();
        let mut frame_ends = Vec::new();
        for payload in messages.iter().flat_map(|message| [&message[..], b""]) {
            assert_eq!(framing.encode(payload, &mut stream), Ok(()));
            frame_ends.push(stream.len());
        }
        let (mut received, mut keep_alives, mut consumed_bytes) = (Vec::new(), 0, 0);
        let mut buffer = Vec::new();
        for byte in &stream {
            buffer.push(*byte);
            let to_come = frame_ends[received.len() + keep_alives] - consumed_bytes - buffer.len();
            match framing.decode(&buffer) {
                Ok(Decoded::Incomplete { needed }) => assert!((1..=to_come).contains(&needed)),
                Ok(Decoded::Frame { payload, consumed }) => {
                    received.push(buffer[payload].to_vec());
                    buffer.drain(..consumed);
                    consumed_bytes += consumed;
                }
                Ok(Decoded::KeepAlive { consumed }) => {
                    keep_alives += 1;
                    buffer.drain(..consumed);
                    consumed_bytes += consumed;
                }
                Err(error) => panic!("{framing:?}: {error}"),
            }
        }
        assert!(buffer.is_empty());
        assert_eq!(keep_alives, messages.len());
        assert_eq!(received, messages);
    }
}

/// A length that says one byte too few or too many gives a message that no dialect takes, or one that waits.
#[test]
fn lengths_that_lie() {
    for golden in golden_files::goldens("ascii-1987") {
        for lie in [-1i32, 1] {
            let mut stream = Vec::new();
            let length = golden.bytes.len() as i32 + lie;
            stream.extend_from_slice(&(length as u16).to_be_bytes());
            stream.extend_from_slice(&golden.bytes);
            match Framing::Length2.decode(&stream) {
                Ok(Decoded::Frame { payload, consumed }) => {
                    assert_eq!((lie, consumed), (-1, stream.len() - 1));
                    assert!(iso8583::Dialect::ascii_1987().parse(&stream[payload]).is_err());
                }
                other => assert_eq!((lie, other), (1, incomplete(1))),
            }
        }
    }
}
