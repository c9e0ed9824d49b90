//! Reads TOML key by key and keeps every mistake with its path and line, so that all are told at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One mistake in a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The key's path, as `issuer[1].header`; empty where none is meant.
    pub path: String,
    /// What is wrong. Holds no secret.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        f.write_str(": ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

/// A file's text, and what is wrong in it so far.
pub(crate) struct Source<'t> {
    file: &'t Path,
    text: &'t str,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(file: &'t Path, text: &'t str) -> Source<'t> {
        Source { file, text, mistakes: RefCell::default() }
    }

    /// Parses what can be parsed; mistakes of form are kept like all others.
    pub(crate) fn parse(&self) -> DeTable<'t> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = error.span().map_or(0, |span| self.line(&span));
            self.add(line, String::new(), error.message().lines().collect::<Vec<_>>().join(" "));
        }
        table.into_inner()
    }

    /// The file as a table without a name.
    pub(crate) fn root<'a>(&'a self, table: &'a DeTable<'a>) -> Section<'a> {
        Section { source: self, path: String::new(), line: 1, table: Some(table), asked: RefCell::default() }
    }

    /// All mistakes, in the order of the lines.
    pub(crate) fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes
    }

    fn add(&self, line: usize, path: String, reason: impl Into<String>) {
        let mistake = Mistake { file: self.file.to_owned(), line, path, reason: reason.into() };
        self.mistakes.borrow_mut().push(mistake);
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let front = &self.text.as_bytes()[..span.start.min(self.text.len())];
        front.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// One table of the file. Every getter returns `None` only after the mistake is kept.
pub(crate) struct Section<'a> {
    source: &'a Source<'a>,
    path: String,
    line: usize,
    table: Option<&'a DeTable<'a>>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    /// Whether the key stands here.
    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// The table under this key; an absent one has no keys, so that what must be there is asked for by name.
    pub(crate) fn section(&self, key: &'static str) -> Section<'a> {
        let (table, line) = match self.value(key) {
            None => (None, self.line),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => (Some(table), self.source.line(&value.span())),
                other => {
                    self.refuse(key, format!("is a {}, not a table", other.type_str()));
                    (None, self.line)
                }
            },
        };
        Section { source: self.source, path: self.path_of(key), line, table, asked: RefCell::default() }
    }

    /// The tables of `[[key]]`.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.refuse(key, format!("is a {}; write [[{}]]", value.get_ref().type_str(), self.path_of(key)));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            let line = self.source.line(&item.span());
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section {
                    source: self.source,
                    path,
                    line,
                    table: Some(table),
                    asked: RefCell::default(),
                }),
                other => self.source.add(line, path, format!("is a {}, not a table", other.type_str())),
            }
        }
        sections
    }

    /// The keys of this table with their texts, for maps whose keys are data.
    pub(crate) fn entries(&self) -> Vec<(&'a str, &'a str)> {
        let mut entries = Vec::new();
        for (key, value) in self.table.into_iter().flatten() {
            match value.get_ref() {
                DeValue::String(text) => entries.push((key.get_ref().as_ref(), text.as_ref())),
                other => {
                    let path = format!("{}.{}", self.path, key.get_ref());
                    let reason = format!("is a {}, not a text", other.type_str());
                    self.source.add(self.source.line(&key.span()), path, reason);
                }
            }
        }
        entries
    }

    /// A text that must be there.
    pub(crate) fn text(&self, key: &'static str) -> Option<String> {
        let text = self.optional_text(key);
        if text.is_none() && !self.has(key) {
            self.absent(key);
        }
        text
    }

    /// A text that may be absent.
    pub(crate) fn optional_text(&self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            other => {
                self.refuse(key, format!("is a {}, not a text", other.type_str()));
                None
            }
        }
    }

    /// A text that must be there and mean something.
    pub(crate) fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.accept(key, self.text(key)?, parse)
    }

    /// A text that means something where it is there; otherwise the default.
    pub(crate) fn parsed_or<T>(
        &self,
        key: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            return Some(default);
        }
        self.accept(key, self.optional_text(key)?, parse)
    }

    /// A path: relative ones are relative to the file.
    pub(crate) fn path(&self, key: &'static str) -> Option<PathBuf> {
        Some(self.beside_the_file(&self.text(key)?))
    }

    /// As [`Section::path`], may be absent.
    pub(crate) fn optional_path(&self, key: &'static str) -> Option<PathBuf> {
        Some(self.beside_the_file(&self.optional_text(key)?))
    }

    /// The content of the file that a path names, and the path.
    pub(crate) fn file(&self, key: &'static str) -> Option<(PathBuf, Vec<u8>)> {
        self.read(key, self.path(key)?)
    }

    /// As [`Section::file`], may be absent.
    pub(crate) fn optional_file(&self, key: &'static str) -> Option<(PathBuf, Vec<u8>)> {
        self.read(key, self.optional_path(key)?)
    }

    /// A whole number within bounds, or the default.
    pub(crate) fn number_or(
        &self,
        key: &'static str,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> Option<u64> {
        let Some(value) = self.value(key) else { return Some(default) };
        let number = match value.get_ref() {
            DeValue::Integer(integer) => {
                u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
            }
            other => {
                self.refuse(key, format!("is a {}, not a whole number", other.type_str()));
                return None;
            }
        };
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => Some(number),
            None => {
                self.refuse(key, format!("is not between {} and {}", bounds.start(), bounds.end()));
                None
            }
        }
    }

    /// Whether `true` or `false` stands here.
    pub(crate) fn is_flag(&self, key: &'static str) -> bool {
        self.value(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Boolean(_)))
    }

    /// `true` or `false`, or the default.
    pub(crate) fn flag_or(&self, key: &'static str, default: bool) -> Option<bool> {
        let Some(value) = self.value(key) else { return Some(default) };
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                self.refuse(key, format!("is a {}, not true or false", other.type_str()));
                None
            }
        }
    }

    /// A list of texts, each meaning something. An absent list is empty.
    pub(crate) fn list<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.refuse(key, format!("is a {}, not a list", value.get_ref().type_str()));
            return Vec::new();
        };
        let mut list = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let parsed = match item.get_ref() {
                DeValue::String(text) => parse(text),
                other => Err(format!("is a {}, not a text", other.type_str())),
            };
            match parsed {
                Ok(item) => list.push(item),
                Err(reason) => {
                    self.source.add(
                        self.source.line(&item.span()),
                        format!("{}[{index}]", self.path_of(key)),
                        reason,
                    );
                }
            }
        }
        list
    }

    /// Keeps a mistake at this key, or at the table where the key is absent.
    pub(crate) fn refuse(&self, key: &'static str, reason: impl Into<String>) {
        let line = self.key_span(key).map_or(self.line, |span| self.source.line(&span));
        self.source.add(line, self.path_of(key), reason);
    }

    /// Keeps a mistake of one entry of a map.
    pub(crate) fn refuse_entry(&self, key: &str, reason: impl Into<String>) {
        let line = self.key_span(key).map_or(self.line, |span| self.source.line(&span));
        self.source.add(line, format!("{}.{key}", self.path), reason);
    }

    /// Keeps a mistake of another file that a key here names.
    pub(crate) fn refuse_file(&self, file: &Path, line: usize, reason: impl Into<String>) {
        let mistake = Mistake { file: file.to_owned(), line, path: String::new(), reason: reason.into() };
        self.source.mistakes.borrow_mut().push(mistake);
    }

    /// Refuses every key that nobody has asked for. Call it last.
    pub(crate) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            if !asked.contains(key.get_ref().as_ref()) {
                let known = asked.iter().copied().collect::<Vec<_>>().join(", ");
                self.refuse_unknown(key, &known);
            }
        }
    }

    fn refuse_unknown(&self, key: &Spanned<std::borrow::Cow<'_, str>>, known: &str) {
        let path = if self.path.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{}.{}", self.path, key.get_ref())
        };
        self.source.add(self.source.line(&key.span()), path, format!("is not known here; known are {known}"));
    }

    fn absent(&self, key: &'static str) {
        self.source.add(self.line, self.path_of(key), "is missing");
    }

    fn accept<T>(
        &self,
        key: &'static str,
        text: String,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        parse(&text).map_err(|reason| self.refuse(key, reason)).ok()
    }

    fn read(&self, key: &'static str, path: PathBuf) -> Option<(PathBuf, Vec<u8>)> {
        match std::fs::read(&path) {
            Ok(bytes) => Some((path, bytes)),
            Err(error) => {
                self.refuse(key, format!("{}: {error}", path.display()));
                None
            }
        }
    }

    fn beside_the_file(&self, path: &str) -> PathBuf {
        self.source.file.parent().unwrap_or(Path::new("")).join(path)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        self.table?.get(key)
    }

    fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.table?.get_key_value(key).map(|(key, _)| key.span())
    }
}
