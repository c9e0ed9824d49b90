//! The checkpoint at a segment's seal: the switch's standing and what is open, so that a start reads only what follows.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use keys::DataKeys;
use processor::{Position, Standing};
use serde::{Deserialize, Serialize};

use crate::frame::Link;
use crate::names::Place;

/// Another meaning of the fields has another number here; a checkpoint of a different one is passed over.
const LAYOUT: u32 = 1;
const SUFFIX: &str = ".checkpoint";
const UNFINISHED: &str = "checkpoint.part";
/// The newest, and the one before it.
const KEPT: usize = 2;
const MAC_BYTES: usize = 32;

/// What a checkpoint says: all of it is about the records below `next`, which were synced.
#[derive(Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    layout: u32,
    /// The log's length.
    pub(crate) next: Position,
    /// The chain's head.
    pub(crate) link: Link,
    pub(crate) standing: Standing,
    /// The records of each open transaction.
    pub(crate) open: Vec<Vec<Place>>,
}

impl Checkpoint {
    pub(crate) fn new(next: Position, link: Link, standing: Standing, open: Vec<Vec<Place>>) -> Checkpoint {
        Checkpoint { layout: LAYOUT, next, link, standing, open }
    }

    /// Writes it beside the log, durable before older ones are removed.
    pub(crate) fn write(&self, dir: &Path, keys: &DataKeys) -> io::Result<()> {
        let mut body = Vec::new();
        ciborium::into_writer(self, &mut body).map_err(io::Error::other)?;
        let unfinished = dir.join(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(&mac(keys, &body))?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(&unfinished, dir.join(format!("{:020}{SUFFIX}", self.next)))?;
        File::open(dir)?.sync_all()?;
        for old in all(dir)?.into_iter().rev().skip(KEPT) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// The newest one that is whole and ours.
    pub(crate) fn newest(dir: &Path, keys: &DataKeys) -> io::Result<Option<Checkpoint>> {
        for path in all(dir)?.into_iter().rev() {
            if let Some(checkpoint) = read(&fs::read(path)?, keys) {
                return Ok(Some(checkpoint));
            }
        }
        Ok(None)
    }
}

fn read(bytes: &[u8], keys: &DataKeys) -> Option<Checkpoint> {
    let (claimed, body) = bytes.split_first_chunk::<MAC_BYTES>()?;
    let checkpoint: Checkpoint = ciborium::from_reader(body).ok().filter(|_| *claimed == mac(keys, body))?;
    (checkpoint.layout == LAYOUT).then_some(checkpoint)
}

fn mac(keys: &DataKeys, body: &[u8]) -> [u8; MAC_BYTES] {
    // No link of the chain has this in front: a checkpoint is no record, and no record a checkpoint.
    keys.chain(b"atm-switch log checkpoint  1    ", body)
}

fn all(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.strip_suffix(SUFFIX).is_some_and(|digits| digits.len() == 20)) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
