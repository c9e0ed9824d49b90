//! A workbook looked through before it is read: what its parts really unpack to is counted, and no number that it states about itself is believed.

use std::io::{self, BufRead, BufReader, Read, Seek};

use mutant::Mutant;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use crate::reason::{Reason, Said};

/// A workbook that unpacks to more bytes is refused.
pub const WORKBOOK_BYTES_MAX: u64 = 512 << 20;
/// Its table of texts is held in memory while it is read: one that unpacks to more bytes is refused.
pub const WORKBOOK_TEXTS_BYTES_MAX: u64 = 128 << 20;
/// A table that says it has more texts is refused: room is made for as many as it says.
pub const WORKBOOK_TEXTS_MAX: u64 = 4_000_000;
/// Styles that unpack to more bytes are refused.
pub const WORKBOOK_STYLES_BYTES_MAX: u64 = 8 << 20;

/// Formats of cells; a spreadsheet program writes no more. Each takes copies of its font's and its number format's names.
const CELL_FORMATS_MAX: usize = 65_536;
/// One tag among the styles, and so such a name: the root with its namespaces is the longest that is written.
const STYLE_TAG_BYTES_MAX: usize = 2_048;

/// Whether a workbook may be read: reading it takes no more memory than its real bytes account for, and no count in it ends the program.
///
/// # Errors
/// What it has too much of; it is no archive, or a part cannot be unpacked.
pub(crate) fn look_through(workbook: impl Read + Seek) -> Result<(), Said> {
    let mut archive = ZipArchive::new(workbook).map_err(unreadable)?;
    let mut left = WORKBOOK_BYTES_MAX;
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).map_err(unreadable)?;
        let name = part.name().map_err(unreadable)?.to_ascii_lowercase();
        // The reader takes them wherever the workbook says that its parts are.
        let (is_texts, is_styles) = (name.ends_with("sharedstrings.xml"), name.ends_with("styles.xml"));
        let (what, own_max) = match (is_texts, is_styles) {
            (true, _) => (Reason::TextsUnpack, WORKBOOK_TEXTS_BYTES_MAX),
            (_, true) => (Reason::StylesUnpack, WORKBOOK_STYLES_BYTES_MAX),
            _ => (Reason::Unpacks, WORKBOOK_BYTES_MAX),
        };
        let unpacked = io::copy(&mut part.by_ref().take(left.min(own_max) + 1), &mut io::sink());
        let unpacked = unpacked.map_err(unreadable)?;
        if unpacked > own_max && !mutant::is(Mutant::WorkbookOfAnySize) {
            return Err(what.of(&[&own_max]));
        }
        left = left.checked_sub(unpacked).ok_or_else(|| Reason::Unpacks.of(&[&WORKBOOK_BYTES_MAX]))?;
        drop(part);
        if is_texts || is_styles {
            let part = BufReader::new(archive.by_index(index).map_err(unreadable)?);
            if is_texts { texts(part)? } else { styles(part)? }
        }
    }
    Ok(())
}

fn unreadable(error: impl std::fmt::Display) -> Said {
    Reason::SheetUnreadable.of(&[&error])
}

/// Gives each tag that opens until it is told to stop. What is no XML is left to the reader, which refuses it.
fn each_tag(
    part: impl BufRead,
    mut take: impl FnMut(&BytesStart<'_>) -> Result<bool, Said>,
) -> Result<(), Said> {
    let mut xml = Reader::from_reader(part);
    // As calamine reads it.
    xml.config_mut().check_end_names = false;
    xml.config_mut().expand_empty_elements = true;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) if !take(&tag)? => return Ok(()),
            Ok(Event::Eof) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
}

fn texts(part: impl BufRead) -> Result<(), Said> {
    each_tag(part, |tag| {
        if tag.local_name().as_ref() != "sst" {
            return Ok(true);
        }
        let mut stated = tag.attributes_raw().split("uniqueCount").skip(1).map(first_number);
        let is_too_many = stated.any(|count| count > WORKBOOK_TEXTS_MAX);
        match is_too_many && !mutant::is(Mutant::WorkbookCountBelieved) {
            true => Err(Reason::TextsMost.of(&[&WORKBOOK_TEXTS_MAX])),
            false => Ok(false),
        }
    })
}

/// The first digits; what is no number of 64 bits is the largest.
fn first_number(text: &str) -> u64 {
    let text = text.trim_start_matches(|it: char| !it.is_ascii_digit());
    let digits = text.split(|it: char| !it.is_ascii_digit()).next().unwrap_or("");
    if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u64::MAX) }
}

fn styles(part: impl BufRead) -> Result<(), Said> {
    if mutant::is(Mutant::WorkbookStylesUnbounded) {
        return Ok(());
    }
    let mut formats = 0;
    each_tag(part, |tag| {
        formats += usize::from(tag.local_name().as_ref() == "xf");
        if tag.len() > STYLE_TAG_BYTES_MAX {
            return Err(Reason::StyleTagMost.of(&[&STYLE_TAG_BYTES_MAX]));
        }
        match formats > CELL_FORMATS_MAX {
            true => Err(Reason::FormatsMost.of(&[&CELL_FORMATS_MAX])),
            false => Ok(true),
        }
    })
}
