//! Reads tests/golden/iso8583: the messages with their values, and each dialect's bytes and descriptions of them.

use std::fs;
use std::path::PathBuf;

use iso8583::{Message, Mti};

/// A message of messages.txt.
pub(crate) struct Source {
    /// The name that all files know it by.
    pub(crate) name: String,
    /// Its values.
    pub(crate) message: Message,
}

/// The same message in the file of a dialect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Golden {
    /// The name in messages.txt.
    pub(crate) name: String,
    /// The message as the dialect writes it.
    pub(crate) bytes: Vec<u8>,
    /// What `Dialect::describe` says of it.
    pub(crate) description: String,
}

/// Where the file `name` of the golden set is.
pub(crate) fn path(name: &str) -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    while !root.join("Cargo.lock").exists() {
        assert!(root.pop(), "a directory above has Cargo.lock");
    }
    root.join("tests/golden/iso8583").join(name)
}

/// All messages, in the order of messages.txt.
pub(crate) fn sources() -> Vec<Source> {
    let text = fs::read_to_string(path("messages.txt")).expect("messages.txt can be read");
    let mut sources: Vec<Source> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let wrong = || -> ! { panic!("messages.txt, line {}: {line}", index + 1) };
        if line.is_empty() || line.starts_with('#') {
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sources.push(Source { name: name.to_owned(), message: Message::new(Mti::new(0)) });
        } else {
            let (key, value) = line.split_once(' ').unwrap_or_else(|| wrong());
            let message = &mut sources.last_mut().unwrap_or_else(|| wrong()).message;
            if key == "mti" {
                message.set_mti(value.parse().unwrap_or_else(|_| wrong()));
            } else {
                let element = key.parse().unwrap_or_else(|_| wrong());
                let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let value = text.map_or_else(|| from_hex(value), |text| text.as_bytes().to_vec());
                message.set(element, &value);
            }
        }
    }
    sources
}

/// All messages of a dialect's file.
pub(crate) fn goldens(dialect: &str) -> Vec<Golden> {
    let text = fs::read_to_string(path(&format!("{dialect}.txt"))).expect("the dialect's file can be read");
    let mut goldens: Vec<Golden> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            goldens.push(Golden { name: name.to_owned(), bytes: Vec::new(), description: String::new() });
        } else if let Some(golden) = goldens.last_mut() {
            match line.strip_prefix("> ") {
                Some(digits) => golden.bytes.extend(from_hex(digits)),
                None if line.is_empty() => {}
                None => golden.description.extend([line, "\n"]),
            }
        }
    }
    goldens
}

fn from_hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("pairs of hex digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}
