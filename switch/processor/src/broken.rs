//! What broken rules do where one line does not say it (docs/mutants.md). Nothing of it is left in what serves.

use iso8583::Message;
use mutant::Mutant;

use crate::banks::Bank;
use crate::ids::{BankIdentity, Day, Institution, TxKey, UtcSeconds};
use crate::lifecycle::{State, Trigger};
use crate::live::Live;
use crate::processor::Processor;
use crate::record::{Body, Kind};
use crate::standing::Standing;

const DAY_S: i64 = 86_400;

/// Whether the request is answered before the records of this step are durable.
pub(crate) fn answers_early(kind: Kind, before: State, trigger: Trigger, to: State) -> bool {
    let (is_outcome, is_intent) = (to == State::OutcomeSyncing, to == State::IntentSyncing);
    let is_overtaken = before == State::OutcomeSyncing && trigger == Trigger::Deadline;
    is_outcome && before != to && mutant::is(Mutant::ApprovalBeforeOutcomeDurable)
        || is_overtaken && mutant::is(Mutant::UnavailableBeforeReversalDurable)
        || is_intent && kind == Kind::Verification && mutant::is(Mutant::VerificationBeforeDurable)
}

/// Whether nothing waits for this record.
pub(crate) fn is_not_waited_for(body: &Body) -> bool {
    matches!(body, Body::Reversal(_)) && mutant::is(Mutant::ReversalBeforeDurable)
        || matches!(body, Body::Declined(_)) && mutant::is(Mutant::DeclineBeforeDurable)
}

/// What a start takes over of what recovery found.
pub(crate) fn at_start(standing: Standing) -> Standing {
    let forgets_banks = mutant::is(Mutant::BankCountersForgotten);
    let forgets_totals = mutant::is(Mutant::TotalsForgottenAtRestart);
    Standing {
        day: standing.day.filter(|_| !mutant::is(Mutant::CutoverForgottenAtRestart)),
        rrn: standing.rrn.filter(|_| !mutant::is(Mutant::RrnCounterForgotten)),
        banks: if forgets_banks { Default::default() } else { standing.banks },
        totals: if forgets_totals { Default::default() } else { standing.totals },
        ..standing
    }
}

/// A repeat's key with the day of the switch's clock.
pub(crate) fn dated_today(key: TxKey, now: UtcSeconds) -> TxKey {
    let sent_at = UtcSeconds(now.0.div_euclid(DAY_S) * DAY_S + key.sent_at.0.rem_euclid(DAY_S));
    TxKey { sent_at, ..key }
}

/// Another name for a reversal that was sent.
pub(crate) fn rename_reversal(live: &mut Live, bank: &mut Bank, identity: BankIdentity) {
    if let Some(reversal) = &mut live.transaction.reversal {
        bank.names.insert(identity, live.transaction.key);
        reversal.identity = identity;
    }
}

/// A 0200 with another business day.
pub(crate) fn with_day(mut message: Message, day: Day) -> Message {
    message.set(15, &day.to_de15());
    message
}

impl Processor {
    /// The newest name in memory with this STAN at a bank.
    pub(crate) fn named_by_stan(&self, bank: Institution, identity: BankIdentity) -> BankIdentity {
        let names = self.banks.get(&bank).map(|bank| bank.names.keys_sorted()).unwrap_or_default();
        names.into_iter().rfind(|name| name.stan == identity.stan).unwrap_or(identity)
    }

    /// What any bank knows by this name.
    pub(crate) fn named_by_any_bank(&self, identity: BankIdentity) -> Option<TxKey> {
        self.banks.values().find_map(|bank| bank.names.get(&identity)).copied()
    }
}
