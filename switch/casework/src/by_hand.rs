//! What people have said of lines by hand, as it stands: what counts, and what has made the rest void.

use std::collections::{BTreeMap, BTreeSet};

use exchange::Digest;
use processor::{Day, Institution};
use reconciliation::{Decision, LineId, Misfit};

use crate::cases::Casework;
use crate::matching::Matching;

/// A match or parting by hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ByHand {
    /// The act that said it.
    pub act: u64,
    /// What was said.
    pub decision: Decision,
    /// Bank and business day of its transaction, where that is here.
    pub place: Option<(Institution, Day)>,
    /// Why it counts no more; none where it counts.
    pub void: Option<Void>,
}

/// Why a match or parting by hand counts no more. It counts again where what it is about is here again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Void {
    /// Something else was said of the line since, by this act.
    Replaced(u64),
    /// The file of its line was taken back by this act.
    TakenBack(u64),
    /// The file of its line was taken back by this act, and taken for another bank: its lines are none of that transaction's.
    OtherBank(u64),
    /// The file of its line cannot be read any more.
    Unread,
    /// Its transaction or its line is of a day that is held no more.
    LetGo,
    /// It was said of what cannot belong together.
    Misfit(Misfit),
}

impl Void {
    /// The word in lists.
    pub fn name(self) -> &'static str {
        match self {
            Void::Replaced(_) => "replaced",
            Void::TakenBack(_) => "taken_back",
            Void::OtherBank(_) => "other_bank",
            Void::Unread => "unread",
            Void::LetGo => "let_go",
            Void::Misfit(_) => "misfit",
        }
    }

    /// The act that has made it void, where one has.
    pub fn act(self) -> Option<u64> {
        match self {
            Void::Replaced(act) | Void::TakenBack(act) | Void::OtherBank(act) => Some(act),
            Void::Unread | Void::LetGo | Void::Misfit(_) => None,
        }
    }
}

/// All that was said by hand, oldest first, as it stands behind the matcher's last run.
pub fn by_hand(casework: &Casework, matching: &Matching) -> Vec<ByHand> {
    let replaced = replaced(casework);
    let files: BTreeSet<u64> = casework.files().map(|(digest, ..)| digest.file()).collect();
    let unread: BTreeSet<u64> = matching.unread().map(Digest::file).collect();
    let void = |misfit: Misfit, line: LineId| {
        let taken_back = casework.taken_back(line.file);
        match (misfit, taken_back) {
            (Misfit::Line, Some(act)) if !files.contains(&line.file) => Void::TakenBack(act),
            (Misfit::Line, _) if unread.contains(&line.file) => Void::Unread,
            (Misfit::Line | Misfit::Ours, _) => Void::LetGo,
            (Misfit::Bank, Some(act)) => Void::OtherBank(act),
            (Misfit::Bank | Misfit::NoCash | Misfit::Apart, _) => Void::Misfit(misfit),
        }
    };
    let decided = casework.decisions().iter().zip(casework.decision_acts());
    let said = decided.map(|(decision, act)| ByHand {
        act: *act,
        decision: *decision,
        place: matching.matcher.place_of(decision.ours()),
        void: match replaced.get(act) {
            Some(by) => Some(Void::Replaced(*by)),
            None => matching.matcher.counts(*decision).err().map(|misfit| void(misfit, decision.line())),
        },
    });
    said.collect()
}

/// By the act of what counts no more the act that has said something else: of a match the next match of its line or parting of its pair, of a parting the
/// next match of its pair.
fn replaced(casework: &Casework) -> BTreeMap<u64, u64> {
    let (mut matched, mut pairs, mut parted) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut replaced = BTreeMap::new();
    for (decision, act) in casework.decisions().iter().zip(casework.decision_acts()).rev() {
        let pair = (decision.line(), decision.ours());
        let next: Option<&u64> = match decision {
            Decision::Match { line, .. } => matched.get(line).into_iter().chain(parted.get(&pair)).min(),
            Decision::Part { .. } => pairs.get(&pair),
        };
        replaced.extend(next.map(|next| (*act, *next)));
        match decision {
            Decision::Match { line, .. } => {
                matched.insert(*line, *act);
                pairs.insert(pair, *act);
            }
            Decision::Part { .. } => drop(parted.insert(pair, *act)),
        }
    }
    replaced
}
