//! What must hold for any bytes of a link. Stands alone: the codec's own tests run it over the corpus.

use std::sync::LazyLock;

use iso8583::framing::{Decoded, Framing, TPDU_BYTES};
use iso8583::{Dialect, FRAME_BYTES_MAX};

/// Dialects that the first byte of an input picks from: the built-in ones, and one with every encoding in it.
pub const DIALECTS: usize = 5;

/// Framings that the first byte of an input picks from.
pub const FRAMINGS: usize = 3;

static MIXED: LazyLock<Dialect> = LazyLock::new(|| {
    Dialect::from_toml(
        r#"
            name = "mixed"
            base = "bcd-1987"
            bitmap = "hex"
            lengths = "ebcdic"
            element = [
                { number = 2, form = "n...19", encoding = "ebcdic" },
                { number = 34, form = "a..28" },
                { number = 41, encoding = "ebcdic" },
                { number = 52, encoding = "hex" },
                { number = 63, defined = false },
                { number = 97, encoding = "ebcdic" },
            ]
        "#,
    )
    .expect("the text is a dialect")
});

/// A message in the dialect that the first byte picks.
pub fn message(input: &[u8]) {
    let Some((&pick, bytes)) = input.split_first() else { return };
    let dialect = Dialect::all_built_in().into_iter().chain([&*MIXED]).nth(usize::from(pick) % DIALECTS);
    in_dialect(dialect.expect("there are that many dialects"), bytes);
}

/// Bytes of a message: accepted and written again the same, or refused at a place that they have.
pub fn in_dialect(dialect: &Dialect, bytes: &[u8]) {
    let description = dialect.describe(bytes);
    match dialect.parse(bytes) {
        Ok(view) => {
            let message = view.to_message();
            let mut again = Vec::new();
            dialect.encode(&message, &mut again).expect("what was accepted can be written");
            assert_eq!(again, bytes, "written again");
            assert_eq!(dialect.salvage(bytes), Some(message), "salvaged");
            assert!(!description.contains("refused"));
            let values: usize = view.elements().map(|element| view.raw(element).map_or(0, <[u8]>::len)).sum();
            assert!(values < bytes.len() || view.elements().next().is_none());
        }
        Err(error) => {
            assert!(error.offset <= bytes.len().min(FRAME_BYTES_MAX), "{error}");
            assert!(error.element.is_none_or(|element| element <= 128), "{error}");
            assert!(description.ends_with(&format!("refused: {error}\n")));
            if let Some(salvaged) = dialect.salvage(bytes) {
                dialect.encode(&salvaged, &mut Vec::new()).expect("what was salvaged can be written");
            }
        }
    }
}

/// A stream in the framing that the first byte picks.
pub fn frame(input: &[u8]) {
    let Some((&pick, stream)) = input.split_first() else { return };
    let framing = match usize::from(pick) % FRAMINGS {
        0 => Framing::Length2,
        1 => Framing::Ascii4,
        _ => Framing::Length2Tpdu { tpdu: [0x60, 0, 0, 0, 0] },
    };
    let mut rest = stream;
    while let Some(consumed) = front(&framing, rest) {
        rest = &rest[consumed..];
    }
}

/// Checks the first frame of a stream and gives its length, or `None` where the stream ends or is wrong.
fn front(framing: &Framing, stream: &[u8]) -> Option<usize> {
    match framing.decode(stream) {
        Ok(Decoded::Incomplete { needed }) => {
            assert!(needed > 0);
            assert!(
                stream.len() + needed <= 2 + TPDU_BYTES + FRAME_BYTES_MAX,
                "what is waited for is bounded"
            );
            None
        }
        Ok(Decoded::Frame { payload, consumed }) => {
            assert!(!payload.is_empty() && payload.end == consumed && consumed <= stream.len());
            assert!(payload.len() <= framing.payload_bytes_max());
            no_frame_before(framing, stream, consumed);
            let same = match framing {
                // The addresses are the peer's.
                Framing::Length2Tpdu { .. } => Framing::Length2Tpdu {
                    tpdu: *stream[2..].first_chunk().expect("a frame has its TPDU header"),
                },
                Framing::Length2 | Framing::Ascii4 => *framing,
            };
            let mut again = Vec::new();
            same.encode(&stream[payload], &mut again).expect("what was read can be framed");
            assert_eq!(again, &stream[..consumed]);
            Some(consumed)
        }
        Ok(Decoded::KeepAlive { consumed }) => {
            assert!(consumed > 0 && consumed <= stream.len());
            no_frame_before(framing, stream, consumed);
            Some(consumed)
        }
        Err(error) => {
            let mut longer = stream.to_vec();
            longer.push(0);
            assert_eq!(framing.decode(&longer), Err(error), "no byte that follows mends it");
            None
        }
    }
}

/// Fewer bytes are incomplete, and never claim to need more than there are.
fn no_frame_before(framing: &Framing, stream: &[u8], consumed: usize) {
    for end in (0..consumed.min(8)).chain([consumed - 1]) {
        match framing.decode(&stream[..end]) {
            Ok(Decoded::Incomplete { needed }) => assert!((1..=consumed - end).contains(&needed)),
            other => panic!("{end} of {consumed} bytes: {other:?}"),
        }
    }
}
