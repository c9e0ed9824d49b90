//! What people have done on files, days and cases, in words: for a case's page and for the audit.

use casework::{Act, CaseState, Deed, Proposal};
use exchange::{FileKey, Layout};
use processor::Institution;
use reconciliation::{CaseId, Claimed};
use serde_json::Value;

use crate::app::Console;
use crate::evidence::bank_name;
use crate::format;
use crate::pages::cases::{resolution_words, state_words};
use crate::pages::days::is_amount;
use crate::pages::files::{kind_words, whose};
use crate::texts::{Texts, with};

/// An act in words. Each line is one thing.
pub(crate) struct ActTold {
    pub(crate) act: &'static str,
    /// Which file, day, case or line.
    pub(crate) on: String,
    /// The case's page.
    pub(crate) case: Option<CaseId>,
    pub(crate) before: String,
    pub(crate) after: String,
}

impl ActTold {
    pub(crate) fn new(act: &Act, console: &Console, t: &'static Texts) -> ActTold {
        let words = Words { console, t };
        let (before, after) = match &act.deed {
            Deed::KeepLayout { layout, .. } => (words.layout_before(&act.before), toml_of(layout)),
            Deed::Claim { claimed, .. } => (words.claimed_before(&act.before), words.claimed(claimed)),
            deed => (words.stood(&act.before), join([words.said(deed), words.stood(&act.after)])),
        };
        ActTold { act: t.deed(&act.deed), on: words.subject(&act.deed), case: act.deed.case(), before, after }
    }
}

/// In one language.
struct Words<'a> {
    console: &'a Console,
    t: &'static Texts,
}

impl Words<'_> {
    fn bank(&self, bank: Institution) -> String {
        bank_name(&bank.to_string(), &self.console.settings)
    }

    fn money(&self, minor: i64) -> String {
        format::signed(minor, self.console.settings.currency)
    }

    fn subject(&self, deed: &Deed) -> String {
        match deed {
            Deed::Take { key, .. }
            | Deed::TakeBack { key, .. }
            | Deed::ApproveTakeBack { key, .. }
            | Deed::RejectTakeBack { key, .. }
            | Deed::Refuse { key, .. } => self.place(key),
            Deed::KeepLayout { name, .. } => name.clone(),
            Deed::Claim { bank, day, .. } | Deed::Acknowledge { bank, day } => {
                join([self.bank(*bank), format::day(*day)])
            }
            Deed::Match { line, .. } | Deed::Part { line, .. } => line.to_string(),
            Deed::Close { day, .. } | Deed::Settle { day } => format::day(*day),
            deed => deed.case().map_or(String::new(), |case| case.to_string()),
        }
    }

    fn place(&self, key: &FileKey) -> String {
        let part = std::format!("{} {}", self.t.part, key.part);
        join([kind_words(key.kind, self.t).to_owned(), whose(key, self.console), format::day(key.day), part])
    }

    /// What the deed itself says, beside what it is about.
    fn said(&self, deed: &Deed) -> String {
        let t = self.t;
        let fact = |name: &str, value: String| std::format!("{name}: {value}");
        match deed {
            Deed::Take { digest, count, sum_minor, .. } => join([
                fact("SHA-256", digest.to_string()),
                fact(t.lines_count, format::grouped(*count)),
                fact(t.lines_sum, self.money(*sum_minor)),
            ]),
            Deed::Refuse { digest, kind, reason, .. } => join([
                fact("SHA-256", digest.to_string()),
                t.exception(*kind).to_owned(),
                t.recorded_refusal(reason),
            ]),
            Deed::TakeBack { digest, why, .. } | Deed::RejectTakeBack { digest, why, .. } => {
                join([fact("SHA-256", digest.to_string()), fact(t.why, why.clone())])
            }
            Deed::ApproveTakeBack { digest, .. } => fact("SHA-256", digest.to_string()),
            Deed::Note { text, .. } => text.clone(),
            Deed::Match { ours, .. } | Deed::Part { ours, .. } => fact(t.side_log, ours.to_string()),
            Deed::Reject { why, .. } | Deed::Dispute { why, .. } | Deed::Reopen { why, .. } => {
                fact(t.why, why.clone())
            }
            Deed::Close { position, is_let_go, .. } => join([
                with(t.closed_at, format::grouped(*position)),
                if *is_let_go { t.settlement_files_gone.to_owned() } else { String::new() },
            ]),
            // How the case stands then says it.
            Deed::Propose { .. } | Deed::Approve { .. } | Deed::Assign { .. } => String::new(),
            Deed::KeepLayout { .. } | Deed::Claim { .. } | Deed::Acknowledge { .. } | Deed::Settle { .. } => {
                String::new()
            }
        }
    }

    /// A case or a day as it stood.
    fn stood(&self, stood: &Value) -> String {
        let t = self.t;
        let state = stood["state"].as_str().and_then(|name| {
            let states = [CaseState::Open, CaseState::Proposed, CaseState::Disputed, CaseState::Resolved];
            states.into_iter().find(|state| state.name() == name)
        });
        let proposal = serde_json::from_value::<Proposal>(stood["proposal"].clone()).ok();
        let day = match (stood["closed"].as_bool(), stood["settled"].as_bool()) {
            (_, Some(true)) => t.day_settled,
            (Some(true), _) => t.day_closed,
            (Some(false), _) => t.day_cutting_over,
            (None, _) => "",
        };
        join([
            state.map_or(String::new(), |state| state_words(state, t).0.to_owned()),
            stood["owner"].as_str().map_or(String::new(), |owner| std::format!("{}: {owner}", t.owner)),
            proposal.map_or(String::new(), |proposal| self.proposal(&proposal)),
            day.to_owned(),
        ])
    }

    fn proposal(&self, proposal: &Proposal) -> String {
        let t = self.t;
        let fact = |name: &str, value: &str| std::format!("{name}: {value}");
        let opposite = proposal.about.acquirer.filter(|_| proposal.between_minor() != 0);
        let checker = proposal.checker.as_deref();
        join([
            std::format!(
                "{} {}",
                resolution_words(proposal.resolution, t),
                self.money(proposal.amount_minor)
            ),
            proposal.bank.map_or(String::new(), |bank| fact(t.bank, &self.bank(bank))),
            opposite.map_or(String::new(), |bank| fact(t.acquirer, &self.bank(bank))),
            fact(t.maker, &proposal.maker),
            fact(t.why, &proposal.why),
            checker.map_or(String::new(), |checker| fact(t.checked_by, checker)),
        ])
    }

    fn layout_before(&self, before: &Value) -> String {
        serde_json::from_value::<Layout>(before.clone()).map_or(String::new(), |layout| toml_of(&layout))
    }

    fn claimed_before(&self, before: &Value) -> String {
        serde_json::from_value::<Claimed>(before.clone())
            .map_or(String::new(), |claimed| self.claimed(&claimed))
    }

    fn claimed(&self, claimed: &Claimed) -> String {
        let element = |(number, value): (&u8, &i64)| {
            let value = if is_amount(*number) { self.money(*value) } else { value.to_string() };
            std::format!("{number} {}: {value}", self.t.total_element(*number))
        };
        claimed.iter().map(element).collect::<Vec<_>>().join("\n")
    }
}

fn toml_of(layout: &Layout) -> String {
    toml::to_string(layout).unwrap_or_default()
}

/// Those that say something, a line each.
fn join(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}
