//! The frames of one segment, checked one after the other: checksum, position, chain.

use keys::DataKeys;
use mutant::Mutant;
use processor::Position;

use crate::frame::{self, Link, Next, Unfollowed};
use crate::storage::{SEGMENT_HEAD_BYTES, read_segment_head};

/// A segment's frames as far as they follow from each other.
pub(crate) struct Walked {
    /// Bytes of head and good frames; 0 where the head is bad.
    pub(crate) end: usize,
    pub(crate) next: Position,
    pub(crate) link: Link,
    /// The generation of K_log of the last good frame, or of what stands before the segment; 0 before the first record.
    pub(crate) generation: u8,
    /// The highest synced position that a good frame states.
    pub(crate) synced: Position,
    /// Length of each good frame.
    pub(crate) frames: Vec<u32>,
    /// Why the walk ended where something still stands, or where something is missing.
    pub(crate) broken: Option<&'static str>,
    /// It ended at a frame whose K_log is not at hand: that says nothing about the frame, and nothing may be cut for it.
    pub(crate) is_keyless: bool,
}

/// Follows a segment's frames from its head on, up to `following` or as far as they are good.
pub(crate) fn walk(
    bytes: &[u8],
    base: Position,
    following: Option<Position>,
    before: (&Link, u8),
    keys: &DataKeys,
) -> Walked {
    let (link, generation) = before;
    let mut walked = Walked {
        end: 0,
        next: base,
        link: *link,
        generation,
        synced: 0,
        frames: Vec::new(),
        broken: None,
        is_keyless: false,
    };
    if read_segment_head(bytes, base) != Some(*link) {
        walked.broken = Some("its segment's head does not follow from the record before it");
        return walked;
    }
    walked.end = SEGMENT_HEAD_BYTES;
    while Some(walked.next) != following {
        let rest = &bytes[walked.end..];
        let frame = match frame::read(rest) {
            Next::Frame(frame) => frame,
            Next::Broken(reason) => {
                walked.broken = Some(reason);
                break;
            }
            Next::Blank => {
                let blank = following.is_none() && is_zero(rest);
                walked.broken = (!blank).then_some("nothing stands in its place");
                break;
            }
        };
        let followed = frame.link_after((&walked.link, walked.generation), keys);
        walked.is_keyless = followed == Err(Unfollowed::NoKey);
        let link = match followed {
            Ok(link) if frame.position() == walked.next => link,
            Ok(_) | Err(Unfollowed::Other) if mutant::is(Mutant::RecordFollowsNothing) => frame::link(rest),
            Ok(_) | Err(Unfollowed::Other) => {
                walked.broken = Some("it does not follow from the record before it");
                break;
            }
            Err(Unfollowed::OlderKey) => {
                walked.broken = Some("it is chained under an older data.k_log than the record before it");
                break;
            }
            Err(Unfollowed::NoKey) => {
                walked.broken = Some("the key file has no data.k_log of its generation, or it was changed");
                break;
            }
        };
        walked.generation = frame.generation();
        walked.frames.push(frame.len() as u32);
        walked.synced = walked.synced.max(frame.synced());
        walked.link = link;
        walked.end += frame.len();
        walked.next += 1;
    }
    walked
}

/// Whole pages at once: a last segment has mostly nothing but zeros.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(4096).all(|page| page.iter().fold(0, |all, byte| all | byte) == 0)
}
