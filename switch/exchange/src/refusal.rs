//! Why a file is not taken, line by line, for people.

use reconciliation::Kind;
use serde::Serialize;

use crate::reason::Said;

/// So many lines are listed; of the others it is said how many they are.
pub const REJECTS_MAX: usize = 1_000;

/// A value is shown up to here.
const VALUE_CHARACTERS_MAX: usize = 40;

/// Digits in a row that may be a card's or a citizen's number.
const SECRET_DIGITS: usize = 12;

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reject {
    /// The line from 1, or the row of a sheet; 0 is the file as a whole.
    pub line: u64,
    /// The column, as the mapping names it.
    pub field: String,
    /// What stands there, cut, and masked where it might be a card's or a citizen's number.
    pub value: String,
    /// What is wrong with it: a [`crate::Reason`] with its values.
    pub reason: String,
}

impl Reject {
    pub(crate) fn new(line: u64, field: &str, value: &str, reason: impl Into<Said>) -> Reject {
        let reason = reason.into().into_text();
        Reject { line, field: field.to_owned(), value: masked(value, VALUE_CHARACTERS_MAX), reason }
    }
}

/// Nothing of the file was taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, Serialize)]
#[error("{kind}: {}", self.first())]
pub struct Refusal {
    /// Which exception it is.
    pub kind: Kind,
    /// What is wrong, [`REJECTS_MAX`] at most.
    pub rejects: Vec<Reject>,
    /// So many more.
    pub more: u64,
}

impl Refusal {
    pub(crate) fn whole(kind: Kind, field: &str, value: &str, reason: impl Into<Said>) -> Refusal {
        Refusal { kind, rejects: vec![Reject::new(0, field, value, reason)], more: 0 }
    }

    /// What is said about the file itself cannot be.
    pub fn place(field: &str, reason: impl Into<Said>) -> Refusal {
        Refusal::whole(Kind::UnreadableLine, field, "", reason)
    }

    fn first(&self) -> String {
        let first = self.rejects.first().map_or_else(String::new, |reject| {
            format!("line {}, {}: `{}`: {}", reject.line, reject.field, reject.value, reject.reason)
        });
        match self.rejects.len() as u64 + self.more {
            0 | 1 => first,
            all => format!("{first}; and {} more", all - 1),
        }
    }
}

/// Collects what is wrong with lines.
#[derive(Default)]
pub(crate) struct Rejects {
    list: Vec<Reject>,
    more: u64,
}

impl Rejects {
    pub(crate) fn push(&mut self, reject: Reject) {
        if self.list.len() < REJECTS_MAX { self.list.push(reject) } else { self.more += 1 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Nothing, or the refusal of the file.
    pub(crate) fn into_result(self) -> Result<(), Refusal> {
        match self.list.is_empty() {
            true => Ok(()),
            false => Err(Refusal { kind: Kind::UnreadableLine, rejects: self.list, more: self.more }),
        }
    }

    pub(crate) fn into_list(self) -> (Vec<Reject>, u64) {
        (self.list, self.more)
    }
}

/// A text of somebody else's as people may see it: without control characters, with digits in a row that may be a card's or a citizen's number hidden but for the last
/// four, and of so many characters at most.
pub fn masked(text: &str, characters_max: usize) -> String {
    let mut shown: Vec<char> = text.chars().filter(|character| !character.is_control()).collect();
    let mut run = 0;
    for end in 0..=shown.len() {
        if shown.get(end).is_some_and(char::is_ascii_digit) {
            run += 1;
        } else {
            if run >= SECRET_DIGITS {
                shown[end - run..end - 4].fill('*');
            }
            run = 0;
        }
    }
    shown.truncate(characters_max);
    shown.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_number_of_a_card_or_citizen_is_masked() {
        for (value, expected) in [
            ("2.000.000", "2.000.000"),
            ("001203000017", "********0017"),
            ("card 9704990012030000175!", "card ***************0175!"),
            ("a\nb", "ab"),
        ] {
            assert_eq!(masked(value, VALUE_CHARACTERS_MAX), expected);
        }
        assert_eq!(masked(&"x".repeat(100), VALUE_CHARACTERS_MAX).len(), VALUE_CHARACTERS_MAX);
    }
}
