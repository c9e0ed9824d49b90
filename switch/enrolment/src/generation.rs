//! One generation: a file sorted by pseudonym, written once, read page by page.
//!
//! Layout: a header page; the data pages; the index, 8 bytes a data page, which are the first bytes of its first key.
//! The header is the magic, the version (4 bytes, little-endian as all numbers), the generation's number (8), data
//! pages (4), citizens (8), accounts (8), the index's checksum (4), the number of banks (1) and for each 1 byte length
//! and 11 of digits; its last four bytes are the checksum of those before.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use credential::Pseudonym;
use processor::{Institution, LinkedAccount};

use crate::Error;
use crate::entry::{BANKS_MAX, Entry};
use crate::page::{self, Key, PAGE_BYTES, PageBuilder};

const MAGIC: &[u8; 8] = b"ATMENROL";
const VERSION: u32 = 1;
const BANKS_AT: usize = 45;
const BANK_BYTES: usize = 12;
const CHECKSUM_AT: usize = PAGE_BYTES - 4;

const _: () = assert!(BANKS_AT + BANKS_MAX * BANK_BYTES <= CHECKSUM_AT);

/// A write of the file gathers so many bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// A generation, open for reading.
pub(crate) struct Generation {
    path: PathBuf,
    file: File,
    header: Header,
    index: Vec<u64>,
}

#[derive(Clone, Default)]
struct Header {
    number: u64,
    pages: u32,
    citizens: u64,
    accounts: u64,
    index_checksum: u32,
    banks: Vec<Institution>,
}

impl Generation {
    /// Opens a generation and reads its header and index.
    pub(crate) fn open(path: &Path, number: u64) -> Result<Generation, Error> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        if length < PAGE_BYTES as u64 {
            return Err(Error::damaged(path, "the header is cut"));
        }
        let mut page = [0; PAGE_BYTES];
        file.read_exact(&mut page).map_err(Error::io(path))?;
        let header = Header::decode(&page).map_err(|what| Error::damaged(path, what))?;
        if header.number != number {
            return Err(Error::damaged(path, format!("it is generation {}", header.number)));
        }
        let data = (1 + u64::from(header.pages)) * PAGE_BYTES as u64;
        if length != data + 8 * u64::from(header.pages) {
            return Err(Error::damaged(
                path,
                format!("{length} bytes are not those of {} pages", header.pages),
            ));
        }
        let mut bytes = vec![0; header.pages as usize * 8];
        file.read_exact_at(&mut bytes, data).map_err(Error::io(path))?;
        if crc32fast::hash(&bytes) != header.index_checksum {
            return Err(Error::damaged(path, "the index's checksum is wrong"));
        }
        let (keys, _) = bytes.as_chunks::<8>();
        let index = keys.iter().map(|key| u64::from_be_bytes(*key)).collect();
        Ok(Generation { path: path.to_owned(), file, header, index })
    }

    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }

    pub(crate) fn citizens(&self) -> u64 {
        self.header.citizens
    }

    pub(crate) fn accounts_count(&self) -> u64 {
        self.header.accounts
    }

    pub(crate) fn banks(&self) -> &[Institution] {
        &self.header.banks
    }

    /// The citizen's accounts, in the order in which they were linked; none when the citizen is not here.
    pub(crate) fn find(&self, citizen: &Pseudonym) -> Result<Vec<LinkedAccount>, Error> {
        let prefix = prefix(&citizen.0);
        // A run of keys with the same first 8 bytes may begin in the page before the one that starts with them.
        let first = self.index.partition_point(|start| *start < prefix).saturating_sub(1);
        let end = self.index.partition_point(|start| *start <= prefix);
        for number in first..end {
            let page = self.page(number as u32)?;
            if let Some(body) = page::find(&page, &citizen.0) {
                return self.accounts(number as u32, body);
            }
        }
        Ok(Vec::new())
    }

    /// Reads everything and holds it against header and index.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (mut citizens, mut accounts, mut last) = (0_u64, 0, None);
        let banks = self.header.banks.len();
        let mut cursor = Cursor::new(self);
        while let Some((key, body)) = cursor.peek()? {
            let entry = Entry::decode(body);
            let entry = entry.filter(|entry| entry.0.iter().all(|held| usize::from(held.bank) < banks));
            let entry =
                entry.ok_or_else(|| Error::damaged(&self.path, format!("entry {citizens} is none")))?;
            if last >= Some(*key) {
                return Err(Error::damaged(&self.path, format!("entry {citizens} is out of order")));
            }
            last = Some(*key);
            citizens += 1;
            accounts += entry.0.len() as u64;
            cursor.advance();
        }
        if (citizens, accounts) != (self.header.citizens, self.header.accounts) {
            return Err(Error::damaged(
                &self.path,
                "it holds another number of entries than its header says",
            ));
        }
        Ok(())
    }

    fn accounts(&self, page: u32, body: &[u8]) -> Result<Vec<LinkedAccount>, Error> {
        let entry = Entry::decode(body);
        let accounts = entry.and_then(|entry| {
            let linked = entry.0.iter().map(|held| {
                let bank = *self.header.banks.get(usize::from(held.bank))?;
                Some(LinkedAccount { bank, number: held.account.text().into(), default: held.default })
            });
            linked.collect()
        });
        accounts.ok_or_else(|| self.nonsense(page))
    }

    pub(crate) fn nonsense(&self, page: u32) -> Error {
        Error::damaged(&self.path, format!("page {page} holds an entry that is none"))
    }

    fn page(&self, number: u32) -> Result<[u8; PAGE_BYTES], Error> {
        let mut page = [0; PAGE_BYTES];
        let at = (1 + u64::from(number)) * PAGE_BYTES as u64;
        self.file.read_exact_at(&mut page, at).map_err(Error::io(&self.path))?;
        if !page::is_whole(number, &page) {
            return Err(Error::damaged(&self.path, format!("page {number}: the checksum is wrong")));
        }
        Ok(page)
    }
}

/// Walks a generation's entries in the order of their keys, one page in memory.
pub(crate) struct Cursor<'g> {
    generation: &'g Generation,
    page: [u8; PAGE_BYTES],
    next_page: u32,
    /// Entries of the page from here on.
    left: u16,
    at: usize,
}

impl<'g> Cursor<'g> {
    pub(crate) fn new(generation: &'g Generation) -> Cursor<'g> {
        Cursor { generation, page: [0; PAGE_BYTES], next_page: 0, left: 0, at: 0 }
    }

    /// The entry at which it stands; `None` behind the last.
    pub(crate) fn peek(&mut self) -> Result<Option<(&Key, &[u8])>, Error> {
        while self.left == 0 {
            if self.next_page >= self.generation.header.pages {
                return Ok(None);
            }
            self.page = self.generation.page(self.next_page)?;
            self.next_page += 1;
            self.left = page::count(&self.page);
            self.at = page::FIRST_AT;
        }
        let entry = page::entry_at(&self.page, self.at).map(|(key, body, _)| (key, body));
        entry.map(Some).ok_or_else(|| self.generation.nonsense(self.page_number()))
    }

    /// The page of the entry at which it stands.
    pub(crate) fn page_number(&self) -> u32 {
        self.next_page.saturating_sub(1)
    }

    /// Goes on to the next, after a [`Cursor::peek`] that gave one.
    pub(crate) fn advance(&mut self) {
        if let Some((_, _, next)) = page::entry_at(&self.page, self.at) {
            self.at = next;
            self.left -= 1;
        }
    }
}

/// Writes a generation, entry by entry.
pub(crate) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    header: Header,
    page: PageBuilder,
    index: Vec<u8>,
}

impl Writer {
    /// Begins a file, readable by its owner alone.
    pub(crate) fn create(path: &Path, number: u64, banks: &[Institution]) -> Result<Writer, Error> {
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, create_private(path)?);
        file.write_all(&[0; PAGE_BYTES]).map_err(Error::io(path))?;
        let header = Header { number, banks: banks.to_vec(), ..Header::default() };
        Ok(Writer { path: path.to_owned(), file, header, page: PageBuilder::new(), index: Vec::new() })
    }

    /// Takes an entry, with so many accounts; its key lies above all before it.
    pub(crate) fn push(&mut self, key: &Key, body: &[u8], accounts: u64) -> Result<(), Error> {
        if !self.page.push(key, body) {
            self.flush_page()?;
            let fits = self.page.push(key, body);
            assert!(fits, "an empty page takes the longest entry");
        }
        if self.index.len() == self.header.pages as usize * 8 {
            self.index.extend(&key[..8]);
        }
        self.header.citizens += 1;
        self.header.accounts += accounts;
        Ok(())
    }

    /// Writes the rest and makes the file durable.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if !self.page.is_empty() {
            self.flush_page()?;
        }
        self.header.index_checksum = crc32fast::hash(&self.index);
        let write = |file: &mut BufWriter<File>| {
            file.write_all(&self.index)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&self.header.encode())?;
            file.flush()?;
            file.get_ref().sync_all()
        };
        write(&mut self.file).map_err(Error::io(&self.path))
    }

    fn flush_page(&mut self) -> Result<(), Error> {
        let page = self.page.finish(self.header.pages);
        self.header.pages += 1;
        self.file.write_all(&page).map_err(Error::io(&self.path))
    }
}

/// Creates or empties a file that only its owner may read.
pub(crate) fn create_private(path: &Path) -> Result<File, Error> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.create(true).truncate(true).write(true).mode(0o600);
    options.open(path).map_err(Error::io(path))
}

fn prefix(key: &Key) -> u64 {
    u64::from_be_bytes(*key.first_chunk().expect("a key has 16 bytes"))
}

impl Header {
    fn encode(&self) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        page[..8].copy_from_slice(MAGIC);
        page[8..12].copy_from_slice(&VERSION.to_le_bytes());
        page[12..20].copy_from_slice(&self.number.to_le_bytes());
        page[20..24].copy_from_slice(&self.pages.to_le_bytes());
        page[24..32].copy_from_slice(&self.citizens.to_le_bytes());
        page[32..40].copy_from_slice(&self.accounts.to_le_bytes());
        page[40..44].copy_from_slice(&self.index_checksum.to_le_bytes());
        page[44] = self.banks.len() as u8;
        for (slot, bank) in page[BANKS_AT..].chunks_exact_mut(BANK_BYTES).zip(&self.banks) {
            let digits = bank.to_string();
            slot[0] = digits.len() as u8;
            slot[1..=digits.len()].copy_from_slice(digits.as_bytes());
        }
        let checksum = crc32fast::hash(&page[..CHECKSUM_AT]);
        page[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        page
    }

    fn decode(page: &[u8; PAGE_BYTES]) -> Result<Header, String> {
        if &page[..8] != MAGIC {
            return Err("it is no enrolment file".to_owned());
        }
        if crc32fast::hash(&page[..CHECKSUM_AT]).to_le_bytes() != page[CHECKSUM_AT..] {
            return Err("the header's checksum is wrong".to_owned());
        }
        let four = |at: usize| u32::from_le_bytes(*page[at..].first_chunk().expect("within the page"));
        let eight = |at: usize| u64::from_le_bytes(*page[at..].first_chunk().expect("within the page"));
        if four(8) != VERSION {
            return Err(format!("version {} is not known", four(8)));
        }
        let slots = page[BANKS_AT..CHECKSUM_AT].chunks_exact(BANK_BYTES).take(usize::from(page[44]));
        let banks = slots.map(|slot| Institution::parse(slot[1..].get(..usize::from(slot[0]))?));
        Ok(Header {
            number: eight(12),
            pages: four(20),
            citizens: eight(24),
            accounts: eight(32),
            index_checksum: four(40),
            banks: banks.collect::<Option<_>>().ok_or("a bank in the header is none")?,
        })
    }
}
