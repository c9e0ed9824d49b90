//! The checkpoint at a segment's seal: the switch's standing and what is open, so that a start reads only what follows.

use std::borrow::Cow;
use std::io;

use keys::DataKeys;
use processor::{Position, Standing};
use serde::{Deserialize, Serialize};

use crate::frame::Link;
use crate::names::Place;
use crate::pace::{Pace, PacedBytes};
use crate::storage::Shelf;

/// Another meaning of the fields has another number here; a checkpoint of a different one is passed over.
const LAYOUT: u32 = 2;
const MAC_BYTES: usize = 32;

/// What a checkpoint says: all of it is about the records below `next`, which were synced.
#[derive(Serialize, Deserialize)]
pub(crate) struct Checkpoint<'s> {
    layout: u32,
    /// The log's length.
    pub(crate) next: Position,
    /// The chain's head.
    pub(crate) link: Link,
    /// The generation of K_log that made it: no record behind it has an older one. 0 where it was not written down.
    #[serde(default)]
    pub(crate) generation: u8,
    pub(crate) standing: Cow<'s, Standing>,
    /// The records of each open transaction.
    pub(crate) open: Vec<Vec<Place>>,
}

impl<'s> Checkpoint<'s> {
    pub(crate) fn new(
        next: Position,
        behind: (Link, u8),
        standing: &'s Standing,
        open: Vec<Vec<Place>>,
    ) -> Self {
        let (link, generation) = behind;
        Checkpoint { layout: LAYOUT, next, link, generation, standing: Cow::Borrowed(standing), open }
    }

    /// Its bytes, as [`Checkpoint::newest`] reads them.
    ///
    /// # Errors
    /// None that a writer into memory can have.
    pub(crate) fn to_bytes(&self, keys: &DataKeys, pace: &mut Pace) -> io::Result<Vec<u8>> {
        let mut body = PacedBytes::new(pace);
        ciborium::into_writer(self, &mut body).map_err(io::Error::other)?;
        let mut body = body.bytes;
        let mut bytes = mac(keys, &body).to_vec();
        bytes.append(&mut body);
        Ok(bytes)
    }

    /// The newest one that is whole and ours: under the newest K_log, so that no older key vouches for what was before.
    pub(crate) fn newest(shelf: &dyn Shelf, keys: &DataKeys) -> io::Result<Option<Checkpoint<'static>>> {
        Ok(shelf.checkpoints()?.iter().find_map(|bytes| read(bytes, keys)))
    }
}

fn read(bytes: &[u8], keys: &DataKeys) -> Option<Checkpoint<'static>> {
    let (claimed, body) = bytes.split_first_chunk::<MAC_BYTES>()?;
    let checkpoint: Checkpoint<'static> =
        ciborium::from_reader(body).ok().filter(|_| *claimed == mac(keys, body))?;
    (checkpoint.layout == LAYOUT).then_some(checkpoint)
}

fn mac(keys: &DataKeys, body: &[u8]) -> [u8; MAC_BYTES] {
    // No link of the chain has this in front: a checkpoint is no record, and no record a checkpoint.
    keys.chain(b"atm-switch log checkpoint  1    ", body)
}
