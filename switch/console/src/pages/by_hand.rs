//! Matches and partings by hand as pages list them: what counts, and what has made the rest void.

use casework::{ByHand, Void};
use reconciliation::Decision;

use crate::desk::Seen;
use crate::format;
use crate::pages::cases::line_text;
use crate::texts::{Texts, with};

/// Of one list the newest; of the others their number is told.
const SHOWN_MAX: usize = 100;

/// One that somebody has said.
pub(crate) struct SaidRow {
    pub(crate) time: String,
    pub(crate) who: String,
    pub(crate) deed: &'static str,
    pub(crate) line: String,
    pub(crate) ours: String,
    pub(crate) state: (&'static str, &'static str),
    /// What has made it void.
    pub(crate) why: Option<String>,
}

/// The newest first.
#[derive(Default)]
pub(crate) struct SaidByHand {
    pub(crate) rows: Vec<SaidRow>,
    pub(crate) more: Option<String>,
}

impl SaidByHand {
    /// What was said of what is wanted.
    pub(crate) fn of(seen: &Seen, is_wanted: impl Fn(&ByHand) -> bool, t: &'static Texts) -> SaidByHand {
        let mut wanted = seen.by_hand.iter().rev().filter(|said| is_wanted(said));
        let rows = wanted.by_ref().take(SHOWN_MAX).map(|said| row(said, seen, t)).collect();
        let more = wanted.count();
        SaidByHand { rows, more: (more > 0).then(|| with(t.and_more, format::grouped(more as u64))) }
    }
}

fn row(said: &ByHand, seen: &Seen, t: &'static Texts) -> SaidRow {
    let act = usize::try_from(said.act).ok().and_then(|number| seen.acts.get(number));
    SaidRow {
        time: act.map_or(String::new(), |act| format::date_time(act.at_ms)),
        who: act.map_or(String::new(), |act| act.who.clone()),
        deed: match said.decision {
            Decision::Match { .. } => t.deed_match,
            Decision::Part { .. } => t.deed_part,
        },
        line: line_text(said.decision.line(), t),
        ours: line_text(said.decision.ours(), t),
        state: if said.void.is_some() { (t.said_void, "bad") } else { (t.said_counts, "good") },
        why: said.void.map(|void| t.void(void)),
    }
}

impl Texts {
    /// What has made a match or parting void.
    pub(crate) fn void(&self, void: Void) -> String {
        match void {
            Void::Replaced(act) => with(self.void_replaced, act),
            Void::TakenBack(act) => with(self.void_taken_back, act),
            Void::OtherBank(act) => with(self.void_other_bank, act),
            Void::Unread => self.void_unread.to_owned(),
            Void::LetGo => self.void_let_go.to_owned(),
            Void::Misfit(misfit) => self.misfit(misfit).to_owned(),
        }
    }
}
