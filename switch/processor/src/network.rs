//! Links up and down, terminals' sign-on and echo, and what operators command.

use credential::{ProofBuilder, Tag};
use iso8583::Message;

use crate::config::TerminalConfig;
use crate::ids::{Class, Code, TerminalId, TxKey, UtcSeconds};
use crate::io::{Command, Event, LinkId, Output, Ticket};
use crate::key_exchange::{KEY_EXCHANGE, KeyOwner};
use crate::messages;
use crate::processor::Processor;
use crate::record::{BlockSubject, Body, Position, Record};

/// Challenge seeds that a terminal may have used: the one of its newest sign-on and the one before it, for a request
/// that was under way.
const SEEDS_PER_TERMINAL_MAX: usize = 2;

/// Seeds, newest first; the rest of the places is empty.
pub(crate) type Seeds = [Option<[u8; 8]>; SEEDS_PER_TERMINAL_MAX];

/// A cutover opens no day further away: a day that was typed wrong could never be taken back.
pub const CUTOVER_DAYS_MAX: i64 = 31;

/// A terminal that has signed on.
pub(crate) struct Session {
    link: LinkId,
    seed_ids: Seeds,
}

impl Session {
    pub(crate) fn link(&self) -> LinkId {
        self.link
    }
}

impl Processor {
    pub(crate) fn link_up(&mut self, link: LinkId) {
        if let LinkId::Bank(bank, number) = link {
            self.bank_link_up(bank, number);
        }
    }

    pub(crate) fn link_down(&mut self, link: LinkId) {
        match link {
            LinkId::Bank(bank, number) => self.bank_link_down(bank, number),
            LinkId::Terminal(_) => self.sessions.retain(|_, session| session.link != link),
        }
    }

    /// 0800 of a terminal.
    pub(crate) fn terminal_network(
        &mut self,
        link: LinkId,
        terminal_id: TerminalId,
        terminal: &TerminalConfig,
        message: Message,
    ) {
        let sent_at = message.get(7).and_then(|de7| UtcSeconds::from_de7(de7, self.now_seconds()));
        let (Some(sent_at), Some(stan), Some(code)) = (sent_at, message.number(11), message.number(70))
        else {
            let missing = [7, 11, 70].into_iter().find(|&element| !message.has(element)).unwrap_or(7);
            self.event(Event::FormatError(link, missing));
            return self.send(link, messages::bare(&message, Code::FORMAT));
        };
        match code {
            1 => {
                let acquirer = terminal.acquirer;
                let carrier = TxKey {
                    class: Class::Financial,
                    acquirer,
                    terminal: terminal_id,
                    sent_at,
                    stan: stan as u32,
                };
                self.status_of_last(&message, carrier, terminal);
                let seed_id = self.sign_on(terminal_id, link);
                let mut answer = messages::bare(&message, Code::APPROVED);
                answer.set(112, &ProofBuilder::new().with(Tag::SeedId, &seed_id).build());
                self.send(link, answer);
                self.event(Event::TerminalSignedOn(terminal_id));
            }
            2 => {
                self.sessions.remove(&terminal_id);
                self.send(link, messages::bare(&message, Code::APPROVED));
            }
            KEY_EXCHANGE => self.exchange_key(link, KeyOwner::Terminal(terminal_id), message),
            301 => self.send(link, messages::bare(&message, Code::APPROVED)),
            _ => self.send(link, messages::bare(&message, Code::FUNCTION_UNKNOWN)),
        }
    }

    fn sign_on(&mut self, terminal: TerminalId, link: LinkId) -> [u8; 8] {
        let seed_id = self.entropy.seed_id();
        let empty = Session { link, seed_ids: Seeds::default() };
        let session = self.sessions.entry(terminal).or_insert(empty);
        session.link = link;
        session.seed_ids.rotate_right(1);
        session.seed_ids[0] = Some(seed_id);
        seed_id
    }

    /// The seeds whose challenges are good, newest first; `None` unless the terminal has signed on on this connection.
    pub(crate) fn session(&self, terminal: TerminalId, link: LinkId) -> Option<Seeds> {
        let session = self.sessions.get(&terminal).filter(|session| session.link == link)?;
        Some(session.seed_ids)
    }

    pub(crate) fn command(&mut self, ticket: Ticket, command: Command) {
        match command {
            Command::Cutover(day) if day <= self.day() => {
                let refusal = format!("business day {day} is not later than the open one, {}", self.day());
                self.emit(Output::Commanded(ticket, Err(refusal)));
            }
            // Where nothing is recorded yet nothing stands in the day before.
            Command::Cutover(day)
                if day.days_after(self.day()) > CUTOVER_DAYS_MAX && self.next_position() > 0 =>
            {
                let refusal = format!(
                    "business day {day} is more than {CUTOVER_DAYS_MAX} days after the open one, {}",
                    self.day()
                );
                self.emit(Output::Commanded(ticket, Err(refusal)));
            }
            Command::Cutover(day) => {
                self.give_up_forgotten_day();
                let position = self.append_act(Body::Cutover(day));
                self.commands.push_back((position, ticket, Some(day)));
            }
            Command::Block(block) if block.set && !self.is_configured(block.subject) => {
                let refusal = "it is not in the configuration: look at the id".to_owned();
                self.emit(Output::Commanded(ticket, Err(refusal)));
            }
            Command::Block(block) => {
                let position = self.append_act(Body::Block(block));
                self.commands.push_back((position, ticket, None));
            }
            Command::Resolve(key, resolution) => self.resolve(ticket, key, resolution),
            Command::SafRetry(which) => self.retry_reversals(ticket, which),
            Command::SendKey(key) => self.send_key(ticket, key),
            Command::Drain => {
                self.is_draining = true;
                if let Some(earlier) = self.draining.replace(ticket) {
                    self.emit(Output::Commanded(earlier, Ok(())));
                }
            }
            Command::Resume => {
                let resumed = match (self.is_draining, self.draining) {
                    (false, _) => Err("requests are taken: there is nothing to resume".to_owned()),
                    (true, Some(_)) => {
                        Err("a drain is under way: resume when nothing is in flight".to_owned())
                    }
                    (true, None) => Ok(()),
                };
                self.is_draining = resumed.is_err() && self.is_draining;
                self.emit(Output::Commanded(ticket, resumed));
            }
        }
    }

    /// A citizen is known by a pseudonym alone: whether anybody has it, nothing says.
    fn is_configured(&self, subject: BlockSubject) -> bool {
        match subject {
            BlockSubject::Terminal(terminal) => self.config.terminals.contains_key(&terminal),
            BlockSubject::Bank(bank) => self.config.issuers.contains_key(&bank),
            BlockSubject::Citizen(_) => true,
        }
    }

    fn append_act(&mut self, body: Body) -> Position {
        let record = Record { at_ms: self.now.wall_ms, transaction: None, suspense: None, spend: None, body };
        self.append(None, record)
    }

    /// Commands whose records are durable are done.
    pub(crate) fn commands_synced(&mut self, below: Position) {
        while let Some(&(position, ticket, day)) = self.commands.front()
            && position < below
        {
            self.commands.pop_front();
            self.emit(Output::Commanded(ticket, Ok(())));
            if let Some(day) = day {
                self.tell_cutover(day);
                self.ask_totals();
            }
        }
    }

    /// A drain is done when nobody waits for an answer.
    pub(crate) fn finish_drain(&mut self) {
        if self.in_flight.is_empty()
            && self.finds.is_empty()
            && let Some(ticket) = self.draining.take()
        {
            self.emit(Output::Commanded(ticket, Ok(())));
        }
    }
}
