//! Whether somebody may do an act now.

use mutant::Mutant;
use reconciliation::{CaseId, DECISIONS_MAX, LineId};

use super::amounts::{has_citizen, is_borne_out};
use super::case::{is_booked_elsewhere, is_resolved_of_another};
use super::fold::decision;
use super::{
    CASES_MAX, Case, CaseState, Casework, NotByHand, NotDay, NotTakenBack, PARTS_MAX, Proposal, Refused,
};
use crate::act::{Deed, NOTE_CHARACTERS_MAX, Resolution, WHO_CHARACTERS_MAX};

/// Characters of a layout's name.
const NAME_CHARACTERS_MAX: usize = 64;

impl Casework {
    /// Whether somebody may do this now.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, who: &str, deed: &Deed) -> Result<(), Refused> {
        text("who", who, WHO_CHARACTERS_MAX)?;
        let case = deed.case().and_then(|case| self.cases.get(&case));
        let state = case.map_or(CaseState::Open, |case| case.state);
        if deed.case().is_some() && case.is_none() && self.cases.len() >= CASES_MAX {
            return Err(Refused::Full);
        }
        let must_be = |wanted: CaseState| match state == wanted {
            true => Ok(()),
            false => Err(Refused::State { found: state, wanted: wanted.name() }),
        };
        match deed {
            Deed::Take { digest, key, parts, count, .. } => {
                self.intake.check(*digest, *key, *count)?;
                if !(1..=PARTS_MAX).contains(parts) || *parts > 1 && !(1..=*parts).contains(&key.part) {
                    return Err(Refused::Parts(key.part, *parts));
                }
            }
            Deed::TakeBack { digest, key, why } => {
                if !self.has_taken(*digest, *key) {
                    return Err(Refused::TakeBack(NotTakenBack::NotThere));
                }
                if self.taking_back.contains_key(&(*digest, *key)) {
                    return Err(Refused::TakeBack(NotTakenBack::ProposedAlready));
                }
                text("why", why, NOTE_CHARACTERS_MAX)?;
            }
            Deed::ApproveTakeBack { digest, key, proposal }
            | Deed::RejectTakeBack { digest, key, proposal, .. } => {
                let found = self.taking_back.get(&(*digest, *key));
                let found = found.ok_or(Refused::TakeBack(NotTakenBack::NotProposed))?;
                not_own(&found.maker, who)?;
                if found.act != *proposal {
                    return Err(Refused::OtherProposal);
                }
                if let Deed::RejectTakeBack { why, .. } = deed {
                    text("why", why, NOTE_CHARACTERS_MAX)?;
                }
            }
            Deed::KeepLayout { name, .. } => text("name", name, NAME_CHARACTERS_MAX)?,
            Deed::Assign { owner: Some(owner), .. } => text("owner", owner, WHO_CHARACTERS_MAX)?,
            Deed::Note { text: note, .. } => text("note", note, NOTE_CHARACTERS_MAX)?,
            Deed::Propose { case: id, about, resolution, amount_minor, bank, why } => {
                let may_be = matches!(state, CaseState::Open | CaseState::Disputed);
                if !may_be && !is_resolved_of_another(case, about) {
                    return Err(Refused::State { found: state, wanted: "open or disputed" });
                }
                text("why", why, NOTE_CHARACTERS_MAX)?;
                if is_booked_elsewhere(case, about) {
                    return Err(Refused::BookedElsewhere);
                }
                if *resolution == Resolution::Refund && !has_citizen(*id, about) {
                    return Err(Refused::NobodyToRefund);
                }
                let fits = match resolution {
                    Resolution::Accept => *amount_minor == 0,
                    Resolution::Refund => *amount_minor > 0,
                    Resolution::Adjustment => *amount_minor != 0,
                    Resolution::Undo => return Err(Refused::Undo),
                };
                if !fits {
                    return Err(Refused::Amount(*amount_minor));
                }
                let beside = self.beside(*id);
                match resolution {
                    Resolution::Refund if about.acquirer_owes_refund => {
                        is_borne_out(case, &beside, about, Resolution::Adjustment, -*amount_minor)?;
                        is_borne_out(case, &beside, about, Resolution::Refund, *amount_minor)?;
                    }
                    Resolution::Refund | Resolution::Adjustment => {
                        is_borne_out(case, &beside, about, *resolution, *amount_minor)?;
                    }
                    Resolution::Accept | Resolution::Undo => {}
                }
                if *resolution != Resolution::Accept && bank.is_none() {
                    return Err(Refused::NoBank);
                }
                if resolution.is_between_members() && about.acquirer.is_none() {
                    return Err(Refused::NobodyOpposite);
                }
            }
            Deed::Approve { proposal, .. } | Deed::Reject { proposal, .. } => {
                must_be(CaseState::Proposed)?;
                let found = case.and_then(|case| case.proposal.as_ref());
                found.map_or(Ok(()), |found| not_own(&found.maker, who))?;
                let is_another = found.is_none_or(|found| found.act != *proposal);
                if is_another && !mutant::is(Mutant::OtherProposalChecked) {
                    return Err(Refused::OtherProposal);
                }
                if let Deed::Reject { why, .. } = deed {
                    text("why", why, NOTE_CHARACTERS_MAX)?;
                }
                if let (Deed::Approve { case: id, .. }, Some(found)) = (deed, found) {
                    self.is_booked_once(*id, case, found)?;
                }
            }
            Deed::Dispute { about, why, .. } => {
                if state != CaseState::Open && !is_resolved_of_another(case, about) {
                    return Err(Refused::State { found: state, wanted: CaseState::Open.name() });
                }
                text("why", why, NOTE_CHARACTERS_MAX)?;
            }
            Deed::Match { line, ours } | Deed::Part { line, ours } => {
                let is_of_file = self.taken.keys().any(|(digest, _)| digest.file() == line.file);
                if !is_of_file || ours.file != LineId::LOG {
                    return Err(Refused::Hand(NotByHand::Unnamed));
                }
                let last = self.decisions.iter().rev().find(|decision| decision.line() == *line);
                if last.copied() == decision(deed) {
                    return Err(Refused::Hand(NotByHand::SaidAlready));
                }
                if self.decisions.len() >= DECISIONS_MAX {
                    return Err(Refused::Hand(NotByHand::Full));
                }
            }
            Deed::Reopen { why, .. } => {
                if state == CaseState::Open {
                    return Err(Refused::State { found: state, wanted: "proposed, disputed or resolved" });
                }
                text("why", why, NOTE_CHARACTERS_MAX)?;
            }
            Deed::Close { day, position, .. } => {
                if self.closed.contains_key(day) {
                    return Err(Refused::Day { day: *day, reason: NotDay::ClosedAlready });
                }
                // What was closed later was closed with all that came before.
                if self.closed.values().any(|later| later.position > *position) {
                    return Err(Refused::Day { day: *day, reason: NotDay::ClosedBehind });
                }
                if self.closed.keys().any(|later| later > day) {
                    return Err(Refused::Day { day: *day, reason: NotDay::LaterClosed });
                }
            }
            Deed::Settle { day } => {
                let reason = match (self.closed.contains_key(day), self.settled.contains_key(day)) {
                    (true, false) => return Ok(()),
                    (true, true) => NotDay::SettledAlready,
                    (false, _) => NotDay::NotClosed,
                };
                return Err(Refused::Day { day: *day, reason });
            }
            Deed::Assign { owner: None, .. }
            | Deed::Refuse { .. }
            | Deed::Claim { .. }
            | Deed::Acknowledge { .. } => {}
        }
        Ok(())
    }

    /// Versions before took a proposal upon each of a transaction's cases: of two that wait for one debt the first that is approved is booked.
    fn is_booked_once(&self, id: CaseId, case: Option<&Case>, proposal: &Proposal) -> Result<(), Refused> {
        let mut beside = self.beside(id);
        beside.retain(|other| !other.standing.is_empty());
        if beside.is_empty() || proposal.between_minor() == 0 {
            return Ok(());
        }
        // What waits there is checked when it is approved.
        beside.iter_mut().for_each(|other| other.proposal = None);
        is_borne_out(case, &beside, &proposal.about, Resolution::Adjustment, proposal.between_minor())
    }
}

/// Maker is never checker.
fn not_own(maker: &str, who: &str) -> Result<(), Refused> {
    let is_own = maker == who && !mutant::is(Mutant::OwnProposalChecked);
    if is_own { Err(Refused::OwnProposal(who.to_owned())) } else { Ok(()) }
}

fn text(name: &'static str, text: &str, characters_max: usize) -> Result<(), Refused> {
    let is_good = !text.trim().is_empty()
        && text.chars().count() <= characters_max
        && !text.chars().any(|character| character.is_control() && character != '\n');
    if is_good { Ok(()) } else { Err(Refused::Text(name, characters_max)) }
}
