//! How a terminal's request ends: which notes move, what the switch is told of it, what a fault makes of it.

use iso8583::Message;

use super::card::Answered;
use super::io::{Event, Now, Output};
use super::machine::{APPROVED, PROOF, Stage, Terminal, is_answer_to};
use super::memory::{End, Status};
use super::message::{self, Original, Reason};
use super::notes::Notes;
use super::order::{Fault, Finished, NotTried, Outcome, Point, What};
use super::vault::MovementKind;

/// A fault that has struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Struck {
    Link { give_up: bool },
    Death,
}

impl Terminal {
    /// 00 for what was asked.
    pub(super) fn approved(&mut self, message: &Message, now: Now) {
        let Some(serving) = &mut self.serving else { return };
        let text = |element| message.text(element).map(Into::into);
        (serving.told.amounts, serving.told.statement) = (text(54), text(62));
        match serving.order.what {
            What::Withdrawal => self.pay_out(now),
            What::Deposit => self.store(now),
            What::Transfer { .. } => {
                let Some(original) = self.original() else { return };
                self.close_request(&original, original.amount_vnd, End::CarriedOut);
                self.finish(Outcome::Whole, Some(APPROVED));
            }
            What::Balance | What::MiniStatement => self.end_inquiry(Outcome::Whole, Some(APPROVED)),
        }
    }

    fn pay_out(&mut self, now: Now) {
        let Some(original) = self.original() else { return };
        let Some(serving) = &mut self.serving else { return };
        let (wanted, fault) = (serving.notes, serving.fault);
        let out = match fault {
            Some(Fault::DispenseNothing) => Notes::NONE,
            Some(Fault::DispensePart { notes }) => wanted.first(notes),
            Some(
                Fault::NotTaken | Fault::LoseLink { .. } | Fault::JamInEscrow { .. } | Fault::Die { .. },
            )
            | None => wanted,
        };
        self.shift(MovementKind::Out, &out, &original.key, now);
        let left = if fault == Some(Fault::NotTaken) {
            self.shift(MovementKind::Retracted, &out, &original.key, now);
            Notes::NONE
        } else {
            out
        };
        let (outcome, reason, end) = if left == wanted {
            (Outcome::Whole, None, End::CarriedOut)
        } else if left != Notes::NONE {
            (Outcome::Part, Some(Reason::Part), End::CarriedOut)
        } else if out != Notes::NONE {
            (Outcome::Nothing, Some(Reason::Cancelled), End::Told)
        } else {
            (Outcome::Nothing, Some(Reason::Dispense), End::Told)
        };
        self.tell(&original, left.amount_vnd(), reason, end, now);
        self.finish(outcome, Some(APPROVED));
    }

    fn store(&mut self, now: Now) {
        let Some(original) = self.original() else { return };
        let escrow = self.memory.vault.contents().escrow;
        let returnable = self.returnable(&escrow);
        if returnable == escrow {
            self.shift(MovementKind::Stored, &escrow, &original.key, now);
        } else {
            self.shift(MovementKind::Rejected, &escrow, &original.key, now);
        }
        self.tell(&original, escrow.amount_vnd(), None, End::CarriedOut, now);
        self.finish(Outcome::Whole, Some(APPROVED));
    }

    /// Any other code than 00.
    pub(super) fn refused(&mut self, message: &Message, code: [u8; 2], now: Now) {
        let Some(original) = self.original() else { return };
        let Some(serving) = &mut self.serving else { return };
        let Stage::Asked(asked) = &serving.stage else { return };
        let repeated = asked.repeated;
        let wants_sod = code == PROOF && serving.reference.is_none() && Answered::read(message).send_sod;
        if !wants_sod || serving.with_sod {
            return self.not_carried_out(Outcome::Declined, Some(code), repeated, now);
        }
        serving.with_sod = true;
        if self.is_money() {
            self.close_request(&original, 0, if repeated { End::Told } else { End::Refused });
            if repeated {
                self.advise(&original, 0, Some(Reason::Late), now);
            }
        }
        self.send_financial(now);
    }

    /// The wait is over, or the machine cannot go on with it.
    pub(super) fn give_up(&mut self, now: Now) {
        match self.serving.as_ref().map(|serving| &serving.stage) {
            Some(Stage::NoLink) => self.finish(Outcome::NotTried(NotTried::NoLink), None),
            Some(Stage::Verifying(_)) => self.finish(Outcome::NoAnswer, None),
            Some(Stage::Asked(_)) => self.not_carried_out(Outcome::NoAnswer, None, true, now),
            None => {}
        }
    }

    /// Without an approval: notes in escrow go back. The switch is told when it may believe in an approval
    /// (`uncertain`), and when notes were kept.
    pub(super) fn not_carried_out(
        &mut self,
        outcome: Outcome,
        code: Option<[u8; 2]>,
        uncertain: bool,
        now: Now,
    ) {
        let Some(original) = self.original() else { return };
        if !self.is_money() {
            return self.end_inquiry(outcome, code);
        }
        let escrow = self.memory.vault.contents().escrow;
        let returned = self.returnable(&escrow);
        let kept = escrow.minus(&returned).unwrap_or(Notes::NONE);
        self.shift(MovementKind::Returned, &returned, &original.key, now);
        self.shift(MovementKind::Rejected, &kept, &original.key, now);
        if kept != Notes::NONE {
            self.tell(&original, kept.amount_vnd(), None, End::Told, now);
        } else if uncertain {
            self.tell(&original, 0, Some(Reason::Late), End::Told, now);
        } else {
            self.close_request(&original, 0, End::Refused);
        }
        self.finish(outcome, code);
    }

    /// An answer to a request that does not wait any more.
    pub(super) fn late_answer(&mut self, message: &Message, code: [u8; 2], now: Now) {
        let Some(ended) = self.memory.ended(|key| is_answer_to(message, key)) else {
            return self.event(Event::Stray);
        };
        match (ended.end, code) {
            (End::CarriedOut, APPROVED) => self.event(Event::SecondApproval),
            (End::Told, APPROVED) => self.event(Event::LateApproval),
            (End::Refused, APPROVED) => {
                ended.end = End::Told;
                let original = ended.original.clone();
                self.event(Event::ApprovalAfterRefusal);
                self.advise(&original, 0, Some(Reason::Late), now);
            }
            (End::CarriedOut | End::Told | End::Refused | End::Inquiry, _) => self.event(Event::Stray),
        }
    }

    /// Ends a request and owes the switch an advice of it: 0220, or with a reason 0420.
    fn tell(&mut self, original: &Original, moved_vnd: u64, reason: Option<Reason>, end: End, now: Now) {
        self.close_request(original, moved_vnd, end);
        self.advise(original, moved_vnd, reason, now);
        match self.strike(Point::BeforeAdvice) {
            Some(Struck::Link { .. }) => self.hang_up(),
            Some(Struck::Death) => self.die(),
            None => {}
        }
    }

    /// `moved_vnd` is what left, was kept, or was transferred.
    pub(super) fn close_request(&mut self, original: &Original, moved_vnd: u64, end: End) {
        self.memory.open = None;
        let (key, amount_vnd) = (original.key.clone(), original.amount_vnd);
        self.memory.status = Some(Status { key, amount_vnd, moved_vnd });
        self.memory.remember(original.clone(), end);
    }

    pub(super) fn advise(&mut self, original: &Original, moved_vnd: u64, reason: Option<Reason>, now: Now) {
        let key = self.new_key(if reason.is_some() { 420 } else { 220 }, now);
        let message = message::advice(&self.config, &key, original, moved_vnd, reason);
        self.memory.advices.add(key, message);
    }

    fn end_inquiry(&mut self, outcome: Outcome, code: Option<[u8; 2]>) {
        if let Some(original) = self.original() {
            self.memory.remember(original, End::Inquiry);
        }
        self.finish(outcome, code);
    }

    /// Whether the order's fault strikes at this point; it strikes once.
    pub(super) fn strike(&mut self, point: Point) -> Option<Struck> {
        let serving = self.serving.as_mut()?;
        let struck = match serving.fault? {
            Fault::LoseLink { at, give_up } if at == point => Struck::Link { give_up },
            Fault::Die { at } if at == point => Struck::Death,
            Fault::LoseLink { .. }
            | Fault::Die { .. }
            | Fault::DispenseNothing
            | Fault::DispensePart { .. }
            | Fault::NotTaken
            | Fault::JamInEscrow { .. } => return None,
        };
        serving.fault = None;
        Some(struck)
    }

    /// What a fault makes of a request that has been sent.
    pub(super) fn suffer(&mut self, struck: Struck, now: Now) {
        match struck {
            Struck::Link { give_up } => {
                self.hang_up();
                if give_up {
                    self.give_up(now);
                }
            }
            Struck::Death => self.die(),
        }
    }

    /// Nothing is said or done from here on.
    fn die(&mut self) {
        self.hang_up();
        self.dead = true;
        self.finish(Outcome::Dead, None);
    }

    /// Lets the citizen go, if one is there.
    pub(super) fn finish(&mut self, outcome: Outcome, code: Option<[u8; 2]>) {
        let Some(serving) = self.serving.take() else { return };
        let (key, rrn) = match serving.stage {
            Stage::Asked(asked) => (Some(asked.original.key), asked.original.rrn),
            Stage::NoLink | Stage::Verifying(_) => (None, None),
        };
        let (order, net_out_vnd, told) = (serving.order.id, serving.net_out_vnd, serving.told);
        let finished = Finished { order, outcome, code, net_out_vnd, key, rrn, told };
        self.outputs.push_back(Output::Finished(finished));
    }

    pub(super) fn is_money(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.order.what.is_money())
    }

    fn original(&mut self) -> Option<Original> {
        self.asked().map(|asked| asked.original.clone())
    }

    /// Which of these notes come out of the escrow again.
    fn returnable(&self, escrow: &Notes) -> Notes {
        match self.serving.as_ref().and_then(|serving| serving.fault) {
            Some(Fault::JamInEscrow { returned }) => escrow.first(returned),
            Some(
                Fault::DispenseNothing
                | Fault::DispensePart { .. }
                | Fault::NotTaken
                | Fault::LoseLink { .. }
                | Fault::Die { .. },
            )
            | None => *escrow,
        }
    }
}
