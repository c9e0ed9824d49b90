//! A page of 4 KiB: entries in the order of their keys, behind a checksum that also covers the page's number.

/// Bytes of a page.
pub(crate) const PAGE_BYTES: usize = 4_096;

/// Checksum of 4, number of entries of 2.
const HEAD_BYTES: usize = 6;

/// Key of 16, length of the body of 2.
const ENTRY_HEAD_BYTES: usize = 18;

const _: () = assert!(HEAD_BYTES + ENTRY_HEAD_BYTES + crate::entry::BODY_BYTES_MAX <= PAGE_BYTES);

/// A key: the pseudonym's bytes, which sort as they are.
pub(crate) type Key = [u8; 16];

/// A page being filled.
pub(crate) struct PageBuilder {
    bytes: Vec<u8>,
    count: u16,
}

impl PageBuilder {
    pub(crate) fn new() -> PageBuilder {
        PageBuilder { bytes: vec![0; HEAD_BYTES], count: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes an entry behind those before it; `false` when there is no room.
    pub(crate) fn push(&mut self, key: &Key, body: &[u8]) -> bool {
        if self.bytes.len() + ENTRY_HEAD_BYTES + body.len() > PAGE_BYTES {
            return false;
        }
        self.bytes.extend(key);
        self.bytes.extend((body.len() as u16).to_le_bytes());
        self.bytes.extend(body);
        self.count += 1;
        true
    }

    /// The finished page; the builder is empty afterwards.
    pub(crate) fn finish(&mut self, number: u32) -> Vec<u8> {
        let mut page = std::mem::replace(&mut self.bytes, vec![0; HEAD_BYTES]);
        page.resize(PAGE_BYTES, 0);
        page[4..6].copy_from_slice(&std::mem::take(&mut self.count).to_le_bytes());
        let checksum = checksum(number, &page);
        page[..4].copy_from_slice(&checksum.to_le_bytes());
        page
    }
}

/// The page is as it was written, at the place where it was written.
pub(crate) fn is_whole(number: u32, page: &[u8; PAGE_BYTES]) -> bool {
    checksum(number, page).to_le_bytes() == page[..4]
}

/// Where a page's first entry begins.
pub(crate) const FIRST_AT: usize = HEAD_BYTES;

/// How many entries a page has.
pub(crate) fn count(page: &[u8; PAGE_BYTES]) -> u16 {
    u16::from_le_bytes([page[4], page[5]])
}

/// Key and body of the entry that begins at `at`, and where the next begins; `None` where the bytes make no sense,
/// which a right checksum excludes.
pub(crate) fn entry_at(page: &[u8; PAGE_BYTES], at: usize) -> Option<(&Key, &[u8], usize)> {
    let (key, rest) = page.get(at..)?.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    Some((key, rest.get(..length)?, at + ENTRY_HEAD_BYTES + length))
}

/// The body under a key.
pub(crate) fn find<'p>(page: &'p [u8; PAGE_BYTES], wanted: &Key) -> Option<&'p [u8]> {
    let mut at = FIRST_AT;
    for _ in 0..count(page) {
        let (key, body, next) = entry_at(page, at)?;
        if key == wanted {
            return Some(body);
        }
        at = next;
    }
    None
}

fn checksum(number: u32, page: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&page[4..]);
    hasher.finalize()
}
