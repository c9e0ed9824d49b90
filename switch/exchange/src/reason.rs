//! Why a line or a file is not taken: each reason has a name, so that it can be said in another language too.

use std::fmt;

macro_rules! reasons {
    ($($name:ident: $text:literal;)*) => {
        /// A reason. What differs from one time to the next are its values, which stand for `{}` in its text.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Reason {
            $(#[doc = $text] $name,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];

            /// In English, with `{}` where a value stands.
            pub fn text(self) -> &'static str {
                match self {
                    $(Reason::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    NoAmount: "it is not an amount";
    Thousands: "its thousands are not separated by three digits";
    MaybeThousands: "more than {} digits stand behind its point: they may be thousands";
    Fraction: "it has a fraction of the smallest unit";
    NoDateAs: "it is not a date written as {}";
    NoDate: "it is not a date";
    NoTime: "it is not a time written as hh:mm:ss";
    NoTimeBehindDate: "there is no time behind the date, as in {} hh:mm:ss";
    NoNumber: "it is not a whole number, or too large";
    NoRrn: "an RRN has 12 characters";
    NoTerminal: "a terminal has 8 characters";
    NoStan: "a STAN is a number up to 999999";
    NoCurrency: "a currency is three digits, or letters such as VND";
    MinusBesideDirection: "a minus beside a direction";
    NoDirection: "it is neither a debit ({}) nor a credit ({})";
    NothingPosted: "nothing is posted";
    NoCount: "a line stands for one transaction at least";
    BehindTrailer: "it stands behind the trailer";
    TwoTrailers: "there is a trailer already";
    NoTrailer: "the file has no trailer: it may have been cut";
    OtherCount: "there are {} lines";
    OtherSum: "the lines come to {}";
    NoColumn: "the file has no column of this name";
    EmptyFile: "the file is empty";
    Empty: "it is empty";
    NoUtf8: "it is not UTF-8";
    NoCsv: "it cannot be read as CSV: {}";
    QuotationOpen: "it goes on in the next line: a quotation mark is not closed";
    MoreValues: "it has {} values, and the first row has {}: one with the delimiter in it has to be in quotation marks";
    LineEnds: "the line ends within its columns, and it may have been cut: fill the line up with blanks, or name the columns as {}- where its end is the value's";
    Delimiter: "one ASCII character is taken";
    BytesMost: "{} bytes are the most";
    LinesMost: "{} lines are the most";
    ColumnsMost: "{} columns are the most";
    ValueBytesMost: "{} bytes are the most of a value";
    NoOutcome: "it is taken, none, kept or retracted";
    OtherMoved: "the amount that moved is {}";
    DigitsBehind: "digits follow behind a blank: where they belong to it, a layout with thousands = \" \" reads amounts so";
    MinusInJournal: "a minus: whether notes left or were put in is said by the journal's words for it";
    HalfDay: "a time of 24 hours is read, and {} stands behind it";
    NotesUnclear: "notes move more than once in this transaction, and how many is not in front of each time: hand the day in as a normalised journal, or name other words in the layout";
    AnotherBefore: "another one is in front of it in this transaction: an end between two of them is missing, or the layout's word stands for two things";
    NoRequested: "notes moved, and no amount that was asked for is in the transaction: look at the layout's word for it";
    NoEnd: "the last transaction has no end: the journal may have been cut";
    NotesMost: "{} notes are the most";
    CassetteImpossible: "the cassette would hold more than any machine can";
    SameFile: "the same file was taken for {}, part {}";
    OtherMachine: "it is of another machine than the one that is named";
    NothingBegins: "no transaction begins in it: its words are another make's, or it is not UTF-8";
    OtherFile: "another file was taken for {}, part {}: {}";
    BankMissing: "postings are of a bank: name it";
    TerminalMissing: "a raw journal is of one machine: name it";
    BankNotWanted: "it is named of postings alone: leave it out";
    TerminalNotWanted: "it is named of journals alone: leave it out";
    OtherLayout: "the layout is for another kind of file";
    NoBank: "it is not a bank's number";
    NoElement: "it is not an element of 74 to 89, or 97";
    ElementTwice: "the bank has it twice";
    NoSheet: "it has no sheet";
    SheetUnordered: "its rows are not in their order";
    SheetUnreadable: "it cannot be read: {}";
    Unpacks: "it unpacks to more than {} bytes";
    TextsUnpack: "its texts unpack to more than {} bytes";
    StylesUnpack: "its styles unpack to more than {} bytes";
    TextsMost: "it says that it has more than {} texts";
    StyleTagMost: "a tag of its styles has more than {} bytes";
    FormatsMost: "it has more than {} formats of cells";
    NoReader: "nothing can read it: {}";
    ReaderLate: "it was not read within {} ms";
    ReaderOdd: "its reader said what is no row: {}";
    ReaderDied: "its reader has ended by {}: it takes more than {} bytes or {} s of work, or it is harmful";
}

impl Reason {
    /// With its values, in their order.
    pub fn of(self, values: &[&dyn fmt::Display]) -> Said {
        let say = |text: String, value: &&dyn fmt::Display| text.replacen("{}", &value.to_string(), 1);
        Said(values.iter().fold(self.text().to_owned(), say))
    }

    /// The reason that a text is, and its values; nothing where it is none.
    pub fn read(text: &str) -> Option<(Reason, Vec<&str>)> {
        Reason::ALL.iter().find_map(|reason| Some((*reason, values_of(reason.text(), text)?)))
    }
}

/// A reason in English, with its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said(String);

impl Said {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl From<Reason> for Said {
    fn from(reason: Reason) -> Said {
        reason.of(&[])
    }
}

/// What stands in a text where its pattern has `{}`; nothing where the text is not the pattern's.
pub fn values_of<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut values = Vec::new();
    for part in parts {
        let at = if part.is_empty() { rest.len() } else { rest.find(part)? };
        values.push(&rest[..at]);
        rest = &rest[at + part.len()..];
    }
    rest.is_empty().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_read_from_its_own_text() {
        for reason in Reason::ALL {
            let values = vec!["4 711"; reason.text().matches("{}").count()];
            let shown: Vec<&dyn fmt::Display> =
                values.iter().map(|value| value as &dyn fmt::Display).collect();
            let said = reason.of(&shown).into_text();
            assert_eq!(Reason::read(&said), Some((*reason, values)), "{said}");
        }
        assert_eq!(Reason::read("something that nobody says"), None);
    }
}
