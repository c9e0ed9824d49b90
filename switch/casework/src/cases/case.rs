//! One case: what is proposed of it, what is booked, and where it stands then.

use processor::Institution;
use serde::{Deserialize, Serialize};

use crate::act::{About, Resolution};

/// Where a case stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// Nobody has said how it is to end.
    #[default]
    Open,
    /// Somebody has, and somebody else has to check it.
    Proposed,
    /// Disputed with the member.
    Disputed,
    /// Checked.
    Resolved,
}

impl CaseState {
    /// The word in lists.
    pub fn name(self) -> &'static str {
        match self {
            CaseState::Open => "open",
            CaseState::Proposed => "proposed",
            CaseState::Disputed => "disputed",
            CaseState::Resolved => "resolved",
        }
    }
}

/// What somebody has proposed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// The act that proposed it: what a checker names.
    pub act: u64,
    /// Who: never who approves it.
    pub maker: String,
    /// The exception as the maker saw it.
    pub about: About,
    /// How it is to end.
    pub resolution: Resolution,
    /// How much, minor units.
    pub amount_minor: i64,
    /// The member that pays or is paid.
    pub bank: Option<Institution>,
    /// Why.
    pub why: String,
    /// Who has approved it.
    pub checker: Option<String>,
}

impl Proposal {
    /// Money moves by it.
    fn moves(&self) -> bool {
        matches!(self.resolution, Resolution::Refund | Resolution::Adjustment)
    }

    /// What the bank owes the acquirer more by it, minor units; negative where the acquirer owes the bank, as for a refund of cash that is still in its
    /// machine.
    pub fn between_minor(&self) -> i64 {
        match self.resolution {
            Resolution::Adjustment => self.amount_minor,
            Resolution::Refund if self.about.acquirer_owes_refund => -self.amount_minor,
            Resolution::Refund | Resolution::Accept | Resolution::Undo => 0,
        }
    }
}

/// A refund or adjustment that was checked, or the undoing of one: what settlement files list. It is never taken out again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Booked {
    /// The act that booked it.
    pub act: u64,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// What was approved; the amount's sign is turned where it was undone.
    pub proposal: Proposal,
}

/// What people have done to a case.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Where it stands. What was resolved was so of [`Case::about`]: of another exception in its place see [`crate::Row::is_open`].
    pub state: CaseState,
    /// Whose it is.
    pub owner: Option<String>,
    /// What is proposed, or was approved last.
    pub proposal: Option<Proposal>,
    /// Refunds and adjustments of this case that are booked and stand.
    #[serde(default)]
    pub standing: Vec<Proposal>,
    /// What two people have agreed on last, and what the case stands by again behind a proposal that came to nothing. Behind an undo nothing.
    #[serde(default)]
    pub agreed: Option<Proposal>,
    /// The exception that was last proposed or disputed upon.
    #[serde(default)]
    pub about: Option<About>,
    /// Who wrote what when, oldest first.
    pub notes: Vec<(i64, String, String)>,
    /// The acts that were about it, by number.
    pub acts: Vec<u64>,
}

impl Case {
    pub(super) fn propose(&mut self, proposal: Proposal) {
        (self.state, self.proposal) = (CaseState::Proposed, Some(proposal));
    }

    /// What is booked by it: the proposal itself, or of an undo all that stands, with the other sign.
    pub(super) fn approve(&mut self, checker: &str) -> Vec<Proposal> {
        let Some(proposal) = self.proposal.take() else { return Vec::new() };
        let proposal = Proposal { checker: Some(checker.to_owned()), ..proposal };
        if proposal.resolution == Resolution::Undo {
            (self.state, self.agreed) = (CaseState::Open, None);
            let turned = |stood: Proposal| Proposal {
                amount_minor: -stood.amount_minor,
                checker: proposal.checker.clone(),
                ..stood
            };
            return std::mem::take(&mut self.standing).into_iter().map(turned).collect();
        }
        self.state = CaseState::Resolved;
        (self.proposal, self.agreed) = (Some(proposal.clone()), Some(proposal.clone()));
        if !proposal.moves() {
            return Vec::new();
        }
        self.standing.push(proposal.clone());
        vec![proposal]
    }

    /// The case behind a proposal that came to nothing: where something booked stands resolved as two people have agreed last, which may be to accept
    /// what came later; else open.
    pub(super) fn step_back(&mut self) {
        self.agreed = self.agreed.take().filter(|_| !self.standing.is_empty());
        self.proposal.clone_from(&self.agreed);
        self.state = if self.proposal.is_some() { CaseState::Resolved } else { CaseState::Open };
        if let Some(agreed) = &self.proposal {
            self.about = Some(agreed.about.clone());
        }
    }

    /// The proposal that a reopening of a case is that has something booked.
    pub(super) fn undo(&self, act: u64, maker: &str, why: &str) -> Option<Proposal> {
        let last = self.standing.last().filter(|_| self.state == CaseState::Resolved)?;
        Some(Proposal {
            act,
            maker: maker.to_owned(),
            about: last.about.clone(),
            resolution: Resolution::Undo,
            amount_minor: -self.standing.iter().map(|stood| stood.amount_minor).sum::<i64>(),
            bank: last.bank,
            why: why.to_owned(),
            checker: None,
        })
    }
}

/// A case that was resolved, of another exception than this one, or of one that was there and is gone. Whose terminal it was is not compared: a maker may
/// have named it.
pub(super) fn is_resolved_of_another(case: Option<&Case>, about: &About) -> bool {
    let resolved = case.filter(|case| case.state == CaseState::Resolved);
    let before = resolved.and_then(|case| Some((case, case.about.as_ref()?)));
    before.is_some_and(|(case, before)| {
        let is_other = before.is_gone != about.is_gone || !before.is_like(about);
        is_other || !about.is_gone && is_debited_else(case, before, about.debited_minor)
    })
}

/// What the bank has debited by its file is another sum than when the case was decided: a posting that came late makes a refund due that was
/// not, and one that is missing makes a refund that stands one of nothing. Where nothing stands and nothing was known, nothing changes.
pub(crate) fn is_debited_else(case: &Case, before: &About, debited_minor: Option<i64>) -> bool {
    let counted = before.debited_minor.is_some() || !case.standing.is_empty();
    counted && before.debited_minor != debited_minor
}

/// Money is booked of the case for another bank or terminal than this exception's: its file was taken for another place then.
pub(crate) fn is_booked_elsewhere(case: Option<&Case>, about: &About) -> bool {
    case.into_iter().flat_map(|case| &case.standing).any(|stood| !stood.about.is_at(about))
}

/// What is booked and stands, minor units: of refunds what citizens got, of adjustments what the bank owes the acquirer more, for refunds too.
pub(crate) fn booked_minor(case: Option<&Case>, resolution: Resolution) -> i64 {
    let minor = |stood: &Proposal| match resolution {
        Resolution::Adjustment => stood.between_minor(),
        _ if stood.resolution == resolution => stood.amount_minor,
        _ => 0,
    };
    case.into_iter().flat_map(|case| &case.standing).map(minor).sum()
}
