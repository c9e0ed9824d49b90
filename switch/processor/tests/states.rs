//! The state table: printed for docs/states.md, and held against the lifecycle's rows, transcribed one by one.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use processor::{Answer, Ask, Kind, State, Step, Suspense, Trigger, Write, step};

/// from | event | records | answer to the request | ask | to | flags (S suspense by claim, A by age, ! alarm).
/// "=" keeps the state. Rows of docs/lifecycle.md#states, for a withdrawal and a deposit.
const ROWS: &str = "
Unknown | Request | - | - | verifier | Verifying |
Verifying | Verified | INTENT | - | - | IntentSyncing |
Verifying | Refused | DECLINED | refusal | - | Declined |
Verifying | BankLinkDown | - | - | - | = |
Verifying | Deadline | DECLINED | 91 | - | Declined |
Verifying | ReversalWhole | TOMBSTONE | - | - | Tombstone |
Verifying | Completion | TOMBSTONE | - | - | Tombstone | S!
Verifying | ReversalPart ReversalNothing | TOMBSTONE | - | - | Tombstone | S!
Verifying | CompletionOther AdviceMismatch ReversalOver | TOMBSTONE CLAIM | - | - | Tombstone | S!
IntentSyncing | IntentSynced | - | - | 0200 | Sent |
IntentSyncing | BankLinkDown Deadline ReversalWhole | DECLINED | 91 | - | Declined |
IntentSyncing | Completion ReversalPart ReversalNothing | DECLINED | 91 | - | Declined | S!
IntentSyncing | CompletionOther AdviceMismatch ReversalOver | DECLINED CLAIM | 91 | - | Declined | S!
Sent | BankApproves | OUTCOME(COMPLETE) | - | - | OutcomeSyncing |
Sent | BankDeclines | DECLINED | refusal | - | Declined |
Sent | BankSawTwice BankLinkDown | - | - | - | = |
Sent | Deadline | REVERSAL | 91 | 0420 | Reversing |
Sent | BankApprovesOther BankDeclinesOther | REVERSAL | 96 | 0420 | Reversing | !
Sent | ReversalWhole | REVERSAL | - | 0420 | Reversing |
Sent | ReversalPart | REVERSAL | - | 0420 | Reversing | S!
Sent | Completion CompletionOther AdviceMismatch ReversalNothing ReversalOver | CLAIM | - | - | = | S!
OutcomeSyncing | OutcomeSynced | - | 00 | - | Approved |
OutcomeSyncing | Deadline | REVERSAL | 91 | 0420 | Reversing |
OutcomeSyncing Approved | ReversalWhole ReversalPart | REVERSAL | - | 0420 | Reversing |
OutcomeSyncing Approved | Completion ReversalNothing | COMPLETE | - | - | Completed |
OutcomeSyncing Approved | CompletionOther | COMPLETE CLAIM | - | - | Completed | S!
OutcomeSyncing Approved | ReversalOver AdviceMismatch | CLAIM | - | - | = | S!
OutcomeSyncing Approved | BankDeclines BankApprovesOther BankDeclinesOther | NOTE | - | - | = | S!
OutcomeSyncing Approved | BankApproves BankSawTwice BankLinkDown | - | - | - | = |
Approved | Aged | NOTE | - | - | = | A
Reversing | Acknowledged UnknownTombstoned | REVERSED | - | - | Reversed |
Reversing | UnknownSecond | REVERSED | - | - | Reversed | S!
Reversing | UnknownFirst | - | - | later | = |
Reversing | UnknownThoughApproved ReversalRefused | - | - | 0421 | = | !
Reversing | ReversalRefusedOften | NOTE | - | 0421 | = | S!
Reversing | ReversalSilence | - | - | 0421 | = | !
Reversing | BankApproves | NOTE | - | - | = |
Reversing | BankDeclines BankSawTwice BankApprovesOther BankDeclinesOther BankLinkDown | - | - | - | = |
Declined Reversed | BankApproves BankApprovesOther | REVERSAL | - | 0420 | Reversing | !
Declined Reversed | BankDeclines BankSawTwice BankDeclinesOther | - | - | - | = |
Reversed | Acknowledged UnknownThoughApproved UnknownTombstoned UnknownFirst UnknownSecond ReversalRefused ReversalRefusedOften | - | - | - | = |
Reversing Reversed | Completion CompletionOther AdviceMismatch | CLAIM | - | - | = | S!
Reversing Reversed | ReversalSame | NOTE | - | - | = |
Reversing Reversed | ReversalWhole ReversalPart ReversalNothing ReversalOver | CLAIM | - | - | = | S!
Completed | Completion ReversalNothing | NOTE | - | - | = |
Completed | CompletionOther | NOTE CLAIM | - | - | = | S!
Completed | ReversalWhole ReversalPart ReversalOver AdviceMismatch | CLAIM | - | - | = | S!
Completed | BankDeclines BankApprovesOther BankDeclinesOther | NOTE | - | - | = | S!
Completed | BankApproves BankSawTwice | - | - | - | = |
Declined Tombstone | ReversalWhole | NOTE | - | - | = |
Declined Tombstone | Completion CompletionOther AdviceMismatch ReversalPart ReversalNothing ReversalOver | CLAIM | - | - | = | S!
Unknown | ReversalWhole | TOMBSTONE | - | - | Tombstone |
Unknown | ReversalPart ReversalNothing | TOMBSTONE | - | - | Tombstone | S!
Unknown | Completion CompletionOther ReversalOver | CLAIM | - | - | Tombstone | S!
";

/// Where a transfer differs: OUTCOME ends it, there is no cash to complete, and a whole reversal takes it back.
const TRANSFER: &str = "
Sent | BankApproves | OUTCOME | - | - | OutcomeSyncing |
OutcomeSyncing | OutcomeSynced | - | 00 | - | Completed |
OutcomeSyncing | Completion ReversalNothing | NOTE | - | - | = |
OutcomeSyncing | CompletionOther | NOTE CLAIM | - | - | = | S!
OutcomeSyncing | ReversalPart ReversalOver AdviceMismatch | CLAIM | - | - | = | S!
Completed | ReversalWhole | REVERSAL | - | 0420 | Reversing |
";

/// Balance and mini statement, whole.
const INQUIRY: &str = "
Unknown | Request | - | - | verifier | Verifying |
Verifying | Verified | INTENT | - | - | IntentSyncing |
Verifying | Refused | DECLINED | refusal | - | Declined |
Verifying IntentSyncing Sent | Deadline | DECLINED | 91 | - | Declined |
IntentSyncing | IntentSynced | - | - | 0200 | Sent |
IntentSyncing | BankLinkDown | DECLINED | 91 | - | Declined |
Verifying Sent OutcomeSyncing | BankLinkDown | - | - | - | = |
Sent | BankApproves | OUTCOME | - | - | OutcomeSyncing |
Sent | BankDeclines | DECLINED | refusal | - | Declined |
Sent | BankSawTwice | - | - | - | = |
Sent | BankApprovesOther BankDeclinesOther | DECLINED | 96 | - | Declined | !
OutcomeSyncing | OutcomeSynced | - | 00 | - | Completed |
OutcomeSyncing | Deadline | - | - | - | = |
OutcomeSyncing Completed Declined | BankApproves BankDeclines BankSawTwice BankApprovesOther BankDeclinesOther | - | - | - | = |
Verifying | ReversalWhole | TOMBSTONE | - | - | Tombstone |
Verifying | Completion CompletionOther ReversalPart ReversalSame ReversalNothing ReversalOver AdviceMismatch | TOMBSTONE CLAIM | - | - | Tombstone | S!
IntentSyncing Sent | ReversalWhole | DECLINED | 91 | - | Declined |
OutcomeSyncing Completed Declined | ReversalWhole | NOTE | - | - | = |
IntentSyncing Sent OutcomeSyncing Completed Declined | Completion CompletionOther ReversalPart ReversalSame ReversalNothing ReversalOver AdviceMismatch | CLAIM | - | - | = | S!
Unknown | ReversalWhole | TOMBSTONE | - | - | Tombstone |
Unknown | ReversalPart ReversalNothing | TOMBSTONE | - | - | Tombstone | S!
Unknown | Completion CompletionOther ReversalOver | CLAIM | - | - | Tombstone | S!
Tombstone | ReversalWhole | NOTE | - | - | = |
Tombstone | Completion CompletionOther AdviceMismatch ReversalPart ReversalNothing ReversalOver | CLAIM | - | - | = | S!
";

const VERIFICATION: &str = "
Unknown | Request | - | - | verifier | Verifying |
Verifying | Verified | INTENT | - | - | IntentSyncing |
Verifying | Refused | DECLINED | refusal | - | Declined |
Verifying | Deadline | DECLINED | 91 | - | Declined |
IntentSyncing | IntentSynced | - | 00 | - | Verified |
IntentSyncing | Deadline | - | - | - | = |
";

#[test]
fn every_cell_is_the_lifecycles() {
    let rows = |text: &str| parse(text);
    let transfer = rows(ROWS).into_iter().chain(rows(TRANSFER)).collect();
    for (kind, expected) in [
        (Kind::Withdrawal, rows(ROWS)),
        (Kind::Deposit, rows(ROWS)),
        (Kind::Transfer, transfer),
        (Kind::Balance, rows(INQUIRY)),
        (Kind::MiniStatement, rows(INQUIRY)),
        (Kind::Verification, rows(VERIFICATION)),
    ] {
        let expected: BTreeMap<(State, Trigger), String> = expected;
        for state in State::ALL {
            for trigger in Trigger::ALL {
                let found = step(kind, state, trigger).map(|cell| shown(state, &cell));
                let wanted = expected.get(&(state, trigger)).cloned();
                // A transfer never stands in APPROVED, so what the table says of it there is of no account.
                if kind == Kind::Transfer && state == State::Approved {
                    continue;
                }
                assert_eq!(found, wanted, "{kind:?}: {state:?} × {trigger:?}");
            }
        }
    }
}

#[test]
fn the_printed_table_is_the_one_in_docs() {
    let mut text = String::from(
        "# States and events\n\nPrinted from the code by a test; `UPDATE=1 cargo test -p processor --test states` writes it anew. Records are\nappended before anything is sent; the answer is the one to the terminal's request, advices always get 00. A cell that\nis not listed cannot be reached. `S` raises SUSPENSE until a clerk resolves it, `A` until a later advice, `!` alarms.\n",
    );
    for (title, kinds) in [
        ("Withdrawal and deposit", Kind::Withdrawal),
        ("Transfer", Kind::Transfer),
        ("Balance inquiry and mini statement", Kind::Balance),
        ("Verification", Kind::Verification),
    ] {
        let _ = write!(
            text,
            "\n## {title}\n\n| from | event | records | answer | ask | to | flags |\n|---|---|---|---|---|---|---|\n"
        );
        for state in State::ALL {
            for trigger in Trigger::ALL {
                if let Some(cell) = step(kinds, state, trigger) {
                    let _ = writeln!(text, "| {} | {trigger:?} | {} |", state.name(), shown(state, &cell));
                }
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/states.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "docs/states.md is not what the code says");
}

fn shown(from: State, cell: &Step) -> String {
    let records = match cell.write {
        Write::Nothing => "-",
        Write::Intent => "INTENT",
        Write::Outcome => "OUTCOME",
        Write::OutcomeThenClaimed => "OUTCOME(COMPLETE)",
        Write::Declined => "DECLINED",
        Write::Reversal => "REVERSAL",
        Write::Reversed => "REVERSED",
        Write::Complete => "COMPLETE",
        Write::CompleteAndClaim(_) => "COMPLETE CLAIM",
        Write::DeclinedAndClaim(_) => "DECLINED CLAIM",
        Write::TombstoneAndClaim(_) => "TOMBSTONE CLAIM",
        Write::NoteAndClaim(..) => "NOTE CLAIM",
        Write::Claim(_) => "CLAIM",
        Write::Note(_) => "NOTE",
        Write::Tombstone => "TOMBSTONE",
    };
    let answer = match cell.answer {
        Answer::Nothing => "-",
        Answer::Approved => "00",
        Answer::Refusal => "refusal",
        Answer::Unavailable => "91",
        Answer::Unsafe => "96",
    };
    let ask = match cell.ask {
        Ask::Nothing => "-",
        Ask::Verifier => "verifier",
        Ask::Request => "0200",
        Ask::Reversal => "0420",
        Ask::ReversalAgain => "0421",
        Ask::ReversalAfterBankTimer => "later",
    };
    let to = if cell.to == from { "=".to_owned() } else { format!("{:?}", cell.to) };
    let flag = match cell.suspense {
        Some(Suspense::Claim) => "S",
        Some(Suspense::Age) => "A",
        None => "",
    };
    let alarm = if cell.alarm { "!" } else { "" };
    format!("{records} | {answer} | {ask} | {to} | {flag}{alarm}").trim_end().to_owned()
}

fn parse(text: &str) -> BTreeMap<(State, Trigger), String> {
    let mut cells = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (from, rest) = line.split_once(" | ").unwrap();
        let (events, rest) = rest.split_once(" | ").unwrap();
        for state in from.split(' ') {
            for event in events.split(' ') {
                let state = State::ALL.into_iter().find(|it| format!("{it:?}") == state).unwrap();
                let trigger = Trigger::ALL.into_iter().find(|it| format!("{it:?}") == event).unwrap();
                let earlier = cells.insert((state, trigger), rest.trim_end().to_owned());
                assert_eq!(earlier, None, "{state:?} × {trigger:?} stands twice");
            }
        }
    }
    cells
}
