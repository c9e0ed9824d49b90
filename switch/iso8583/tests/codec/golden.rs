//! The golden messages in every dialect: values to bytes, bytes to values, bytes to what people see.
//!
//! `UPDATE_GOLDEN=1 cargo test -p iso8583 --test codec golden::values` writes the dialects' files anew from messages.txt.

use std::collections::BTreeSet;
use std::{env, fs};

use iso8583::{Dialect, Sensitivity};

use crate::golden_files::{self, Golden};

#[test]
fn values_bytes_and_descriptions_agree_in_every_dialect() {
    for dialect in Dialect::all_built_in() {
        let made: Vec<Golden> = golden_files::sources()
            .into_iter()
            .map(|source| {
                let mut bytes = Vec::new();
                let written = dialect.encode(&source.message, &mut bytes);
                assert_eq!(written, Ok(()), "{}", source.name);
                let description = dialect.describe(&bytes);
                Golden { name: source.name, bytes, description }
            })
            .collect();
        if env::var_os("UPDATE_GOLDEN").is_some() {
            let path = golden_files::path(&format!("{}.txt", dialect.name()));
            fs::write(path, file(&made)).expect("the golden file can be written");
        }
        let kept = golden_files::goldens(dialect.name());
        for (made, kept) in made.iter().zip(&kept) {
            assert_eq!(made, kept, "{} of {}", made.name, dialect.name());
        }
        assert_eq!(made.len(), kept.len(), "{}", dialect.name());
    }
}

#[test]
fn golden_bytes_read_back_as_their_source() {
    for dialect in Dialect::all_built_in() {
        for (source, golden) in golden_files::sources().iter().zip(golden_files::goldens(dialect.name())) {
            let view = dialect.parse(&golden.bytes).expect("golden bytes are good");
            assert_eq!(view.to_message(), source.message, "{} of {}", golden.name, dialect.name());
            assert_eq!(dialect.salvage(&golden.bytes).as_ref(), Some(&source.message));
            for (element, value) in source.message.elements() {
                assert_eq!(view.canonical(element).as_deref(), Some(value), "element {element}");
            }
            assert!(view.elements().eq(source.message.elements().map(|(element, _)| element)));
        }
    }
}

/// docs/examples.md shows the golden messages of the terminal link; `UPDATE_GOLDEN=1` writes it anew too.
#[test]
fn the_examples_in_docs_are_the_golden_messages() {
    let mut page = String::from(
        "# Examples: every message as hex and described\n\nIn `ascii-1987`, without the frame's header; MACs, keys and citizens are made up. Written by a test from\n`tests/golden/iso8583/messages.txt`, where the other dialects' files lie too. What is sensitive is masked, as in every log.\n",
    );
    for golden in golden_files::goldens(Dialect::ascii_1987().name()) {
        let hex: String = golden.bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        let lines: Vec<&str> =
            hex.as_bytes().chunks(96).map(|line| str::from_utf8(line).expect("hex")).collect();
        let title = golden.name.replace('-', " ");
        page += &format!(
            "\n## {title}\n\n```text\n{}\n```\n\n```text\n{}```\n",
            lines.join("\n"),
            golden.description
        );
    }
    let path = golden_files::path("../../../docs/examples.md");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let kept = fs::read_to_string(path).expect("docs/examples.md can be read");
    assert!(kept == page, "docs/examples.md is not the golden set; UPDATE_GOLDEN=1 writes it");
}

#[test]
fn every_message_type_of_the_interface_is_there() {
    let there: BTreeSet<String> =
        golden_files::sources().iter().map(|source| source.message.mti().to_string()).collect();
    let interface = "0100 0110 0200 0201 0210 0220 0221 0230 0420 0421 0430 0500 0510 0520 0530 0800 0810";
    assert_eq!(there, interface.split(' ').map(str::to_owned).collect());
}

/// Whether whole or behind a mistake at any byte: nothing of a value that is not open shows.
#[test]
fn no_description_shows_what_is_sensitive() {
    for dialect in Dialect::all_built_in() {
        for (source, golden) in golden_files::sources().iter().zip(golden_files::goldens(dialect.name())) {
            let secrets: Vec<String> = source
                .message
                .elements()
                .filter(|(element, _)| {
                    dialect.element(*element).is_some_and(|row| row.sensitivity != Sensitivity::Open)
                })
                .flat_map(|(_, value)| [value.escape_ascii().to_string(), hex(value)])
                // Shorter values are found by chance: `A` in every name.
                .filter(|secret| secret.len() >= 7)
                .collect();
            let debug = format!("{:?} {:?}", source.message, dialect.parse(&golden.bytes));
            let cut = (0..golden.bytes.len()).map(|end| dialect.describe(&golden.bytes[..end]));
            let flipped = (0..golden.bytes.len()).map(|place| {
                let mut bytes = golden.bytes.clone();
                bytes[place] ^= 1;
                // A flip in the bitmap can make another message of the same bytes; only what is refused is bound to hide.
                if dialect.parse(&bytes).is_ok() { String::new() } else { dialect.describe(&bytes) }
            });
            for shown in [golden.description, debug].into_iter().chain(cut).chain(flipped) {
                for secret in &secrets {
                    assert!(!shown.contains(secret), "{}: {secret} in\n{shown}", golden.name);
                }
            }
        }
    }
}

/// The file of a dialect, as `golden_files::goldens` reads it.
fn file(goldens: &[Golden]) -> String {
    let mut text = "# Made of messages.txt, which says how.\n".to_owned();
    for golden in goldens {
        text.push_str(&format!("\n[{}]\n", golden.name));
        for bytes in golden.bytes.chunks(48) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            text.push_str(&format!("> {digits}\n"));
        }
        text.push_str(&golden.description);
    }
    text
}

fn hex(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02X}")).collect()
}
