//! How an act changes what stands.

use exchange::FileKey;
use mutant::Mutant;
use reconciliation::{Aspect, CaseId, Decision};
use serde_json::{Value, json};

use super::files::of_all_parts;
use super::{Booked, Case, CaseState, Casework, Closed, Proposal, TakingBack, file_case};
use crate::act::{Act, Deed};

impl Casework {
    /// How it stands before and would stand behind the act, for its record.
    pub(crate) fn before_and_after(&self, who: &str, deed: &Deed) -> (Value, Value) {
        let told = |casework: &Casework| match deed {
            Deed::KeepLayout { name, .. } => json!(casework.layouts.get(name)),
            Deed::TakeBack { digest, key, .. }
            | Deed::ApproveTakeBack { digest, key, .. }
            | Deed::RejectTakeBack { digest, key, .. } => json!(casework.taking_back.get(&(*digest, *key))),
            Deed::Claim { bank, day, .. } => json!(casework.claims.get(&(*day, *bank))),
            Deed::Close { day, .. } | Deed::Settle { day } => {
                json!({ "closed": casework.closed.contains_key(day), "settled": casework.settled.contains_key(day) })
            }
            _ => deed.case().map_or(Value::Null, |case| {
                let case = casework.cases.get(&case);
                json!(case.map(|case| json!({
                    "state": case.state.name(),
                    "owner": case.owner,
                    "proposal": case.proposal,
                })))
            }),
        };
        let mut behind = Casework {
            cases: deed.case().and_then(|id| Some((id, self.cases.get(&id)?.clone()))).into_iter().collect(),
            ..Casework::default()
        };
        let before = told(self);
        (behind.closed, behind.settled) = (self.closed.clone(), self.settled.clone());
        behind.taking_back = self.taking_back.clone();
        behind.apply(&Act {
            number: self.next,
            at_ms: 0,
            who: who.to_owned(),
            from: String::new(),
            deed: deed.clone(),
            before: Value::Null,
            after: Value::Null,
        });
        (before, told(&behind))
    }

    /// Adds an act that was recorded.
    pub fn apply(&mut self, act: &Act) {
        self.next = act.number + 1;
        match &act.deed {
            Deed::Take { digest, key, layout, parts, count, numbering, .. } => {
                // What was recorded was checked; a file of records that says otherwise takes the first.
                if self.intake.take(*digest, *key, *count).is_ok() {
                    self.numbered.entry(*digest).or_insert(*numbering);
                    self.taken.insert((*digest, *key), layout.as_deref().cloned());
                    self.parts.insert(*key, *parts);
                    // It was read with a wrong layout, or for a wrong place, and then with the right one. Without lines it is another one for each place.
                    let is_made_good =
                        |place: &FileKey| *count > 0 || of_all_parts(*place) == of_all_parts(*key);
                    self.refused.retain(|(_, refused, place, ..)| refused != digest || !is_made_good(place));
                    self.handed_in.entry(digest.file()).or_insert((*digest, *key));
                }
            }
            Deed::TakeBack { digest, key, why } => {
                let (maker, why) = (act.who.clone(), why.clone());
                self.taking_back.insert((*digest, *key), TakingBack { act: act.number, maker, why });
            }
            Deed::ApproveTakeBack { digest, key, .. } => {
                self.taking_back.remove(&(*digest, *key));
                self.taken.remove(&(*digest, *key));
                self.intake.give_back(*digest, *key);
                self.taken_back.insert(digest.file(), act.number);
                self.parts.remove(key);
            }
            Deed::RejectTakeBack { digest, key, .. } => drop(self.taking_back.remove(&(*digest, *key))),
            Deed::Refuse { digest, key, kind, reason } => {
                self.refused.push((act.at_ms, *digest, *key, *kind, reason.clone()));
                self.handed_in.insert(digest.file(), (*digest, *key));
            }
            Deed::KeepLayout { name, layout } => drop(self.layouts.insert(name.clone(), (**layout).clone())),
            Deed::Claim { bank, day, claimed } => drop(self.claims.insert((*day, *bank), claimed.clone())),
            Deed::Acknowledge { bank, day } => {
                self.acknowledged.entry((*day, *bank)).or_insert(act.at_ms);
            }
            Deed::Match { .. } | Deed::Part { .. } => {
                self.decisions.extend(decision(&act.deed));
                self.decision_acts.push(act.number);
            }
            Deed::Close { day, position, fees, is_let_go } => {
                let closed = Closed {
                    position: *position,
                    at_ms: act.at_ms,
                    act: act.number,
                    fees: (**fees).clone(),
                    is_let_go: *is_let_go,
                };
                self.closed.insert(*day, closed);
            }
            Deed::Settle { day } => drop(self.settled.insert(*day, act.at_ms)),
            Deed::Assign { .. }
            | Deed::Note { .. }
            | Deed::Propose { .. }
            | Deed::Approve { .. }
            | Deed::Reject { .. }
            | Deed::Dispute { .. }
            | Deed::Reopen { .. } => self.apply_to_case(act),
        }
    }

    /// Versions before had one case for all that had handed in the same bytes, and showed it for the place of the newest refusal: what was done there
    /// was done to that place's.
    fn now_known_as(&self, id: CaseId) -> CaseId {
        let is_before = (id.of.line, id.aspect) == (0, Aspect::Bank);
        match self.handed_in.get(&id.of.file).filter(|_| is_before) {
            Some((digest, key)) => file_case(*digest, *key),
            None => id,
        }
    }

    fn apply_to_case(&mut self, act: &Act) {
        let Some(id) = act.deed.case() else { return };
        let case = self.cases.entry(self.now_known_as(id)).or_default();
        case.acts.push(act.number);
        let note =
            |case: &mut Case, text: &str| case.notes.push((act.at_ms, act.who.clone(), text.to_owned()));
        match &act.deed {
            Deed::Assign { owner, .. } => case.owner.clone_from(owner),
            Deed::Note { text, .. } => note(case, text),
            Deed::Propose { about, resolution, amount_minor, bank, why, .. } => {
                case.about = Some((**about).clone());
                case.propose(Proposal {
                    act: act.number,
                    maker: act.who.clone(),
                    about: (**about).clone(),
                    resolution: *resolution,
                    amount_minor: *amount_minor,
                    bank: *bank,
                    why: why.clone(),
                    checker: None,
                });
            }
            Deed::Approve { .. } => {
                let booked = case.approve(&act.who);
                let book = |proposal| Booked { act: act.number, at_ms: act.at_ms, proposal };
                self.booked.extend(booked.into_iter().map(book));
            }
            Deed::Reject { why, .. } => {
                case.step_back();
                note(case, why);
            }
            Deed::Reopen { why, .. } => {
                let undo = case.undo(act.number, &act.who, why);
                match undo {
                    Some(_) if mutant::is(Mutant::BookedUndoneByOne) => {
                        case.standing.clear();
                        case.step_back();
                    }
                    Some(undo) => case.propose(undo),
                    None => case.step_back(),
                }
                note(case, why);
            }
            Deed::Dispute { about, why, .. } => {
                case.about = Some((**about).clone());
                case.state = CaseState::Disputed;
                note(case, why);
            }
            _ => {}
        }
    }
}

pub(super) fn decision(deed: &Deed) -> Option<Decision> {
    match deed {
        Deed::Match { line, ours } => Some(Decision::Match { line: *line, ours: *ours }),
        Deed::Part { line, ours } => Some(Decision::Part { line: *line, ours: *ours }),
        _ => None,
    }
}
