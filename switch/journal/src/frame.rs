//! A record's frame: length, position, synced position, checksum and chain link around its bytes.

use keys::DataKeys;
use mutant::Mutant;
use processor::{Position, Record};

use crate::codec::{self, RECORD_BYTES_MAX};

/// Bytes in front of a record's own: CRC-32 (4), chain link (32), generation of K_log that made it, less 1 (1), length (3), frame
/// version (1), position (8), synced position (8).
pub(crate) const HEAD_BYTES: usize = 4 + LINK_BYTES + 4 + 1 + 8 + 8;

/// No frame is longer.
pub(crate) const FRAME_BYTES_MAX: usize = HEAD_BYTES + RECORD_BYTES_MAX;

const LINK_BYTES: usize = 32;
const FRAME_VERSION: u8 = 1;
/// The checksum covers everything behind itself, the link everything behind the link.
const CHECKED_FROM: usize = 4;
const LINKED_FROM: usize = 4 + LINK_BYTES;

/// The state of the chain after a record: HMAC-SHA-256 over the link before it and the record.
pub(crate) type Link = [u8; LINK_BYTES];

/// The link that the first record of a log follows.
pub(crate) fn genesis(keys: &DataKeys) -> Link {
    keys.first_chain(&[0; LINK_BYTES], b"atm-switch log 1")
}

/// Appends a framed record and gives its link. `Err` names the field that is too long; nothing is appended then.
pub(crate) fn write(
    record: &Record,
    position: Position,
    synced: Position,
    before: &Link,
    keys: &DataKeys,
    out: &mut Vec<u8>,
) -> Result<Link, &'static str> {
    let start = out.len();
    out.resize(start + HEAD_BYTES, 0);
    if let Err(field) = codec::encode(record, position, keys, out) {
        out.truncate(start);
        return Err(field);
    }
    Ok(close(&mut out[start..], position, synced, before, keys))
}

/// Fills in the head of a frame in front of its record's bytes, and gives its link.
pub(crate) fn close(
    frame: &mut [u8],
    position: Position,
    synced: Position,
    before: &Link,
    keys: &DataKeys,
) -> Link {
    // A record has fewer than 2^24 bytes.
    let of_generation = u32::from(keys.chaining_generation() - 1) << 24;
    let length = (frame.len() - HEAD_BYTES) as u32 | of_generation;
    let mut head = &mut frame[LINKED_FROM..HEAD_BYTES];
    for part in [&length.to_be_bytes()[..], &[FRAME_VERSION], &position.to_be_bytes(), &synced.to_be_bytes()]
    {
        let (front, rest) = head.split_at_mut(part.len());
        front.copy_from_slice(part);
        head = rest;
    }
    let link = keys.chain(before, &frame[LINKED_FROM..]);
    frame[CHECKED_FROM..LINKED_FROM].copy_from_slice(&link);
    let crc = crc32fast::hash(&frame[CHECKED_FROM..]);
    frame[..CHECKED_FROM].copy_from_slice(&crc.to_be_bytes());
    link
}

/// A frame whose length and checksum are right.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    bytes: &'a [u8],
}

/// What stands where a frame could begin.
pub(crate) enum Next<'a> {
    /// A frame with the right checksum.
    Frame(Frame<'a>),
    /// Zeros, or fewer bytes than any frame has: nothing was written here.
    Blank,
    /// Something else.
    Broken(&'static str),
}

/// Why a frame does not follow from the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unfollowed {
    /// Its link is another.
    Other,
    /// The one before it has a newer K_log.
    OlderKey,
    /// There is no K_log of the generation that it names: nothing can be said of it.
    NoKey,
}

/// Reads the frame at the front of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Next<'_> {
    let Some(head) = bytes.get(..HEAD_BYTES) else {
        let blank = bytes.iter().all(|byte| *byte == 0);
        return if blank { Next::Blank } else { Next::Broken("its head is cut short") };
    };
    let length = number(&head[LINKED_FROM + 1..LINKED_FROM + 4]) as usize;
    if length == 0 && head.iter().all(|byte| *byte == 0) {
        return Next::Blank;
    }
    if head[LINKED_FROM + 4] != FRAME_VERSION {
        return Next::Broken("its version is not known");
    }
    if length == 0 || length > RECORD_BYTES_MAX {
        return Next::Broken("its length is out of bounds");
    }
    let Some(bytes) = bytes.get(..HEAD_BYTES + length) else {
        return Next::Broken("it is cut short");
    };
    if crc32fast::hash(&bytes[CHECKED_FROM..]) != number(&head[..CHECKED_FROM]) as u32 {
        return Next::Broken("its checksum is wrong");
    }
    Next::Frame(Frame { bytes })
}

impl<'a> Frame<'a> {
    /// The record's place in the log.
    pub(crate) fn position(self) -> Position {
        number(&self.bytes[LINKED_FROM + 5..LINKED_FROM + 13])
    }

    /// Records below this position were durable when this one was framed.
    pub(crate) fn synced(self) -> Position {
        number(&self.bytes[LINKED_FROM + 13..LINKED_FROM + 21])
    }

    /// The generation of K_log that made its link.
    pub(crate) fn generation(self) -> u8 {
        generation(self.bytes)
    }

    /// Bytes of the frame.
    pub(crate) fn len(self) -> usize {
        self.bytes.len()
    }

    /// The record's bytes.
    pub(crate) fn record(self) -> &'a [u8] {
        &self.bytes[HEAD_BYTES..]
    }

    /// The link that it carries, when it follows from `before` under the K_log that it names, which is none older than the one
    /// before it: who had an old key goes on with no log.
    pub(crate) fn link_after(self, before: (&Link, u8), keys: &DataKeys) -> Result<Link, Unfollowed> {
        let (link_before, generation_before) = before;
        let generation = generation(self.bytes);
        let link = keys.chain_of(generation, link_before, &self.bytes[LINKED_FROM..]);
        let link = link.ok_or(Unfollowed::NoKey)?;
        if generation < generation_before && !mutant::is(Mutant::OldChainKeyTaken) {
            return Err(Unfollowed::OlderKey);
        }
        if link == self.bytes[CHECKED_FROM..LINKED_FROM] { Ok(link) } else { Err(Unfollowed::Other) }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The highest synced position that any whole frame in `bytes` states for records from `bad` on: what follows a bad
/// record is searched at every byte, for the bad record's own length cannot be believed.
pub(crate) fn highest_synced(bytes: &[u8], bad: Position) -> Position {
    let records_max = (bytes.len() / HEAD_BYTES) as u64;
    let mut highest = 0;
    let mut offset = 0;
    while offset + HEAD_BYTES <= bytes.len() {
        let rest = &bytes[offset..];
        // A length above zero and below 2^16 has a zero byte in front: most places are passed over here.
        let looks = rest[LINKED_FROM + 1] == 0 && rest[LINKED_FROM + 4] == FRAME_VERSION;
        if looks
            && let Next::Frame(frame) = read(rest)
            && frame.position() > bad
            && frame.position() - bad <= records_max
        {
            highest = highest.max(frame.synced());
            offset += frame.len();
        } else {
            offset += 1;
        }
    }
    highest
}

/// The link that the frame in front carries; nothing of it is checked.
pub(crate) fn link(bytes: &[u8]) -> Link {
    bytes.get(CHECKED_FROM..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default()
}

/// The generation of K_log that the frame in front names; nothing of it is checked. A last one would be 256, and no key's.
pub(crate) fn generation(bytes: &[u8]) -> u8 {
    bytes.get(LINKED_FROM).map_or(0, |less_1| less_1.wrapping_add(1))
}

/// Bytes of the frame in front, as its length says; nothing of it is checked.
pub(crate) fn length(bytes: &[u8]) -> usize {
    let length = bytes.get(LINKED_FROM + 1..LINKED_FROM + 4).map_or(0, number);
    HEAD_BYTES.saturating_add(usize::try_from(length).unwrap_or(usize::MAX))
}
