//! A log read from its files alone, without index or lock: for tools, also beside a switch that is running.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use keys::DataKeys;
use processor::{Body, Name, Position, Record, Transaction, TxKey};

use crate::codec::{Unseal, transaction_of};
use crate::error::ReadError;
use crate::frame::{self, HEAD_BYTES, Next};
use crate::reader::{Told, read_record};
use crate::storage::{Directory, SEGMENT_HEAD_BYTES, Shelf};

/// The files of a log.
pub struct LogFiles {
    shelf: Arc<dyn Shelf>,
    keys: DataKeys,
}

/// What transactions are looked for by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The transaction's own key.
    Key(TxKey),
    /// A name in any of its records.
    Name(Name),
}

impl LogFiles {
    /// Names the log; nothing is read yet.
    pub fn new(dir: &Path, keys: DataKeys) -> LogFiles {
        LogFiles::on(Arc::new(Directory::new(dir, 0)), keys)
    }

    pub(crate) fn on(shelf: Arc<dyn Shelf>, keys: DataKeys) -> LogFiles {
        LogFiles { shelf, keys }
    }

    /// Every record from `from` on, up to where nothing or nothing whole is written yet.
    ///
    /// # Errors
    /// [`ReadError::Io`]: the directory cannot be read.
    pub fn scan(&self, from: Position) -> Result<FileScan<'_>, ReadError> {
        let io = |error| ReadError::Io { path: self.shelf.path().to_owned(), error };
        let bases = self.shelf.bases().map_err(io)?;
        let first = bases.partition_point(|base| *base <= from).saturating_sub(1);
        let bases = bases.get(first..).unwrap_or_default().to_vec();
        let (bytes, is_sealed) = (None, false);
        Ok(FileScan {
            files: self,
            bases,
            segment: 0,
            bytes,
            offset: 0,
            next: 0,
            from,
            is_sealed,
            ended: false,
        })
    }

    /// The same without what is personal, as [`crate::LogReader::scan_sealed`].
    ///
    /// # Errors
    /// As there.
    pub fn scan_sealed(&self, from: Position) -> Result<FileScan<'_>, ReadError> {
        Ok(FileScan { is_sealed: true, ..self.scan(from)? })
    }

    /// The transactions that are wanted, in the order in which they began. Reads the whole log twice.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn find(&self, wanted: &Wanted) -> Result<Vec<Told>, ReadError> {
        let mut keys = BTreeSet::new();
        match wanted {
            Wanted::Key(key) => drop(keys.insert(*key)),
            Wanted::Name(name) => {
                let mut scan = self.scan(0)?;
                while let Some((position, frame)) = scan.next_frame()? {
                    // A name stands in no PAN: none is opened for it.
                    let record = read_record(frame, position, Unseal::Leave)?;
                    keys.extend(record.transaction.filter(|_| may_have(&record, name)));
                }
            }
        }
        let mut told: BTreeMap<TxKey, Told> = BTreeMap::new();
        let mut order = Vec::new();
        let mut scan = self.scan(0)?;
        while let Some((position, frame)) = scan.next_frame()? {
            let of_frame = transaction_of(frame.get(HEAD_BYTES..).unwrap_or_default());
            let Some(key) = of_frame.filter(|key| keys.contains(key)) else { continue };
            let record = read_record(frame, position, Unseal::Open(&self.keys))?;
            let entry = told.entry(key).or_insert_with(|| {
                order.push(key);
                Told { transaction: Transaction::new(key), records: Vec::new() }
            });
            let applied = entry.transaction.apply(&record);
            applied.map_err(|broken| ReadError::Damaged { position, reason: broken.to_string() })?;
            entry.records.push((position, record));
        }
        let mut found: Vec<Told> = order.iter().filter_map(|key| told.remove(key)).collect();
        if let Wanted::Name(Name::Bank(bank, _)) = wanted {
            found.retain(|told| told.transaction.bank() == Some(*bank));
        }
        Ok(found)
    }
}

/// A reversal does not say at which bank: that stands in its transaction.
fn may_have(record: &Record, name: &Name) -> bool {
    match (name, &record.body) {
        (Name::Bank(_, identity), Body::Reversal(reversal)) => reversal.identity == *identity,
        (_, _) => record.names(None).contains(name),
    }
}

/// Records in order, from files; an error is the last item.
pub struct FileScan<'a> {
    files: &'a LogFiles,
    bases: Vec<Position>,
    /// The segment that is read, by its place in `bases`.
    segment: usize,
    bytes: Option<Vec<u8>>,
    offset: usize,
    next: Position,
    from: Position,
    /// What is personal is left sealed.
    is_sealed: bool,
    ended: bool,
}

impl FileScan<'_> {
    /// The next record's frame, whose checksum and position are right.
    fn next_frame(&mut self) -> Result<Option<(Position, &[u8])>, ReadError> {
        loop {
            let Some(base) = self.bases.get(self.segment).copied() else {
                return Ok(None);
            };
            let following = self.bases.get(self.segment + 1).copied();
            let bytes = match &self.bytes {
                Some(bytes) => bytes,
                None => {
                    let shelf = &self.files.shelf;
                    (self.offset, self.next) = (SEGMENT_HEAD_BYTES, base);
                    let read = shelf.read(base);
                    self.bytes
                        .insert(read.map_err(|error| ReadError::Io { path: shelf.segment(base), error })?)
                }
            };
            if Some(self.next) == following {
                self.segment += 1;
                self.bytes = None;
                continue;
            }
            let position = self.next;
            let frame = match frame::read(bytes.get(self.offset..).unwrap_or_default()) {
                Next::Frame(frame) if frame.position() == position => frame,
                // A running switch is writing here, or what was written last is torn.
                Next::Frame(_) | Next::Blank | Next::Broken(_) if following.is_none() => return Ok(None),
                Next::Frame(_) | Next::Blank | Next::Broken(_) => {
                    let reason = "its frame is not whole".to_owned();
                    return Err(ReadError::Damaged { position, reason });
                }
            };
            let length = frame.len();
            self.offset += length;
            self.next += 1;
            if position >= self.from {
                let bytes = self.bytes.as_deref().unwrap_or_default();
                return Ok(Some((position, &bytes[self.offset - length..self.offset])));
            }
        }
    }
}

impl Iterator for FileScan<'_> {
    type Item = Result<(Position, Record), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let unseal = if self.is_sealed { Unseal::Leave } else { Unseal::Open(&self.files.keys) };
        let read = match self.next_frame() {
            Ok(Some((position, frame))) => {
                Some(read_record(frame, position, unseal).map(|record| (position, record)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        self.ended = !matches!(read, Some(Ok(_)));
        read
    }
}
