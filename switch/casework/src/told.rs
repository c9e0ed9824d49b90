//! Acts and proposals for people and their programs, as JSON whose ids are texts.

use exchange::FileKey;
use serde_json::{Value, json};

use crate::act::{About, Act, Deed};
use crate::cases::Proposal;

impl Proposal {
    /// As one object; `act` is what a checker names.
    pub fn to_json(&self) -> Value {
        json!({
            "act": self.act,
            "maker": self.maker,
            "about": self.about.to_json(),
            "resolution": self.resolution.name(),
            "amount_minor": self.amount_minor,
            "between_minor": self.between_minor(),
            "bank": self.bank.map(|bank| bank.to_string()),
            "why": self.why,
            "checker": self.checker,
        })
    }
}

impl About {
    fn to_json(&self) -> Value {
        json!({
            "kind": self.kind.name(),
            "day": self.day.to_string(),
            "bank": self.bank.map(|bank| bank.to_string()),
            "acquirer": self.acquirer.map(|bank| bank.to_string()),
            "terminal": self.terminal.map(|terminal| terminal.to_string()),
            "rrn": self.rrn.map(|rrn| rrn.shown(self.day)),
            "at_s": self.at_s,
            "ours_minor": self.ours_minor,
            "theirs_minor": self.theirs_minor,
            "is_gone": self.is_gone,
            "acquirer_owes_refund": self.acquirer_owes_refund,
        })
    }
}

impl Act {
    /// As one object: what its deed says stands in `what`, how things stood before and then in `before` and `after`.
    pub fn to_json(&self) -> Value {
        json!({
            "act": self.number,
            "at_ms": self.at_ms,
            "who": self.who,
            "from": self.from,
            "deed": self.deed.name(),
            "what": self.deed.to_json(),
            "before": with_texts(&self.before),
            "after": with_texts(&self.after),
        })
    }
}

impl Deed {
    fn to_json(&self) -> Value {
        match self {
            Deed::Take { digest, key, layout, count, sum_minor, parts, numbering } => json!({
                "file": digest.to_string(),
                "place": place(key),
                "layout": layout,
                "count": count,
                "sum_minor": sum_minor,
                "parts": parts,
                "numbering": numbering,
            }),
            Deed::TakeBack { digest, key, why } => {
                json!({ "file": digest.to_string(), "place": place(key), "why": why })
            }
            Deed::ApproveTakeBack { digest, key, proposal } => {
                json!({ "file": digest.to_string(), "place": place(key), "proposal": proposal })
            }
            Deed::RejectTakeBack { digest, key, proposal, why } => json!({
                "file": digest.to_string(),
                "place": place(key),
                "proposal": proposal,
                "why": why,
            }),
            Deed::Refuse { digest, key, kind, reason } => json!({
                "file": digest.to_string(),
                "place": place(key),
                "kind": kind.name(),
                "reason": reason,
            }),
            Deed::KeepLayout { name, layout } => json!({ "name": name, "layout": layout }),
            Deed::Claim { bank, day, claimed } => {
                json!({ "bank": bank.to_string(), "day": day.to_string(), "claimed": claimed })
            }
            Deed::Acknowledge { bank, day } => json!({ "bank": bank.to_string(), "day": day.to_string() }),
            Deed::Assign { case, owner } => json!({ "case": case.to_string(), "owner": owner }),
            Deed::Note { case, text } => json!({ "case": case.to_string(), "text": text }),
            Deed::Match { line, ours } | Deed::Part { line, ours } => {
                json!({ "line": line.to_string(), "ours": ours.to_string() })
            }
            Deed::Propose { case, about, resolution, amount_minor, bank, why } => json!({
                "case": case.to_string(),
                "about": about.to_json(),
                "resolution": resolution.name(),
                "amount_minor": amount_minor,
                "bank": bank.map(|bank| bank.to_string()),
                "why": why,
            }),
            Deed::Approve { case, proposal } => json!({ "case": case.to_string(), "proposal": proposal }),
            Deed::Reject { case, proposal, why } => {
                json!({ "case": case.to_string(), "proposal": proposal, "why": why })
            }
            Deed::Dispute { case, about, why } => {
                json!({ "case": case.to_string(), "about": about.to_json(), "why": why })
            }
            Deed::Reopen { case, why } => json!({ "case": case.to_string(), "why": why }),
            Deed::Close { day, position, fees, is_let_go } => json!({
                "day": day.to_string(),
                "position": position,
                "fees": fees_json(fees),
                "is_let_go": is_let_go,
            }),
            Deed::Settle { day } => json!({ "day": day.to_string() }),
        }
    }
}

fn place(key: &FileKey) -> Value {
    json!({
        "kind": key.kind,
        "bank": key.bank.map(|bank| bank.to_string()),
        "terminal": key.terminal.map(|terminal| terminal.to_string()),
        "day": key.day.to_string(),
        "part": key.part,
    })
}

fn fees_json(fees: &reconciliation::FeeTable) -> Value {
    let fee = |fee: &reconciliation::Fee| {
        json!({
            "bank": fee.bank.map(|bank| bank.to_string()),
            "asked": fee.asked,
            "fixed_minor": fee.fixed_minor,
            "basis_points": fee.basis_points,
        })
    };
    fees.lines().iter().map(fee).collect()
}

/// How a case stood: its proposal is written as the file has it, with ids as numbers.
fn with_texts(stood: &Value) -> Value {
    let mut told = stood.clone();
    if let Some(proposal) = told.get_mut("proposal")
        && let Ok(read) = serde_json::from_value::<Proposal>(proposal.clone())
    {
        *proposal = read.to_json();
    }
    told
}
