//! The kinds of exception and their groups, by the names that clerks, files and pages use.

use serde::{Deserialize, Serialize};

/// A group of kinds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// One side has it and another has not, or has it twice.
    Presence,
    /// The sides disagree on what it is.
    Value,
    /// Cash and debit disagree.
    Terminal,
    /// The sides disagree on when.
    Timing,
    /// A member's totals.
    Totals,
    /// A file.
    File,
}

macro_rules! kinds {
    ($($kind:ident = $name:literal in $group:ident, $says:literal;)*) => {
        /// A kind of exception.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $(#[doc = $says] $kind,)*
        }

        impl Kind {
            /// All of them, in the order of the design's table.
            pub const ALL: [Kind; [$($name),*].len()] = [$(Kind::$kind),*];

            /// Its name in files, commands and JSON.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            /// What it means, for people.
            pub fn says(self) -> &'static str {
                match self { $(Kind::$kind => $says,)* }
            }

            /// Its group.
            pub fn group(self) -> Group {
                match self { $(Kind::$kind => Group::$group,)* }
            }
        }
    };
}

kinds! {
    MissingAtBank = "missing_at_bank" in Presence, "The log has it and the bank's file of the day has not.";
    MissingAtSwitch = "missing_at_switch" in Presence, "A bank or a machine has it and the log has not.";
    MissingInJournal = "missing_in_journal" in Presence, "Cash has moved by the log, and the machine's journal has no line of it.";
    Duplicate = "duplicate" in Presence, "A side has the same thing twice.";
    AmountOver = "amount_over" in Value, "The bank has posted more than was due.";
    AmountUnder = "amount_under" in Value, "The bank has posted less than was due.";
    Currency = "currency" in Value, "The currencies differ.";
    DataMismatch = "data_mismatch" in Value, "It is the same transaction, and its names differ.";
    DebitedNotDispensed = "debited_not_dispensed" in Terminal, "The citizen is debited, and the journal proves that no cash left.";
    PartDispensed = "part_dispensed" in Terminal, "Less cash has left than was debited.";
    DispensedNotDebited = "dispensed_not_debited" in Terminal, "More cash has left than was debited.";
    Retracted = "retracted" in Terminal, "Notes were presented and drawn back in, and the debit stands.";
    CashOver = "cash_over" in Terminal, "More was counted than the machine should hold.";
    CashShort = "cash_short" in Terminal, "Less was counted than the machine should hold.";
    OtherDay = "other_day" in Timing, "The bank has posted it in another business day.";
    LateReversal = "late_reversal" in Timing, "Its reversal settles in a later day than the transaction.";
    Suspense = "suspense" in Timing, "How it ended is not known: a person has to decide.";
    TotalsOutOfBalance = "totals_out_of_balance" in Totals, "A member's totals are not ours.";
    TotalsMissing = "totals_missing" in Totals, "A bank was asked for its totals of the day and has not answered.";
    UnreadableLine = "unreadable_line" in File, "A line of the file cannot be read; nothing of it was taken.";
    ControlTotalWrong = "control_total_wrong" in File, "The file's count or sum is not that of its lines; nothing was taken.";
    DuplicateFile = "duplicate_file" in File, "The file was taken before; nothing was taken again.";
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("`{text}` is no kind of exception"))
    }
}

/// How two sides were brought together, in the order in which it is tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// RRN, terminal, amount and day.
    Reference,
    /// The same RRN and terminal: several lines of the other side make up ours.
    ReferenceOneToMany,
    /// No RRN: STAN and terminal, near in time.
    Stan,
    /// No RRN, no STAN: amount and terminal, near in time, and nothing else is near on either side.
    AmountAndTime,
    /// Several of one amount are near; the neighbours in the side's own sequence are matched and prove the pair.
    Sequence,
    /// One line of the bank sums up several of ours, and says how many.
    ManyToOne,
    /// A person has said so.
    ByHand,
}

impl Rule {
    /// All of them, in order.
    pub const ALL: [Rule; 7] = [
        Rule::Reference,
        Rule::ReferenceOneToMany,
        Rule::Stan,
        Rule::AmountAndTime,
        Rule::Sequence,
        Rule::ManyToOne,
        Rule::ByHand,
    ];

    /// Its name in files, commands and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Reference => "reference",
            Rule::ReferenceOneToMany => "reference_one_to_many",
            Rule::Stan => "stan",
            Rule::AmountAndTime => "amount_and_time",
            Rule::Sequence => "sequence",
            Rule::ManyToOne => "many_to_one",
            Rule::ByHand => "by_hand",
        }
    }
}
