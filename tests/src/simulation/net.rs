//! The network of the town: connections, bytes under way, and what happens to them there.

use std::rc::Rc;

use iso8583::Message;
use keys::{LinkCodec, LinkMac, Received};
use processor::{Authenticity, LinkId};

use super::faults::Fault;
use super::plan::{HELD_MS_MAX, Plan, institution};
use super::world::{Event, World};

/// Who is at the other end of one of the switch's connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Terminal(usize),
    Bank(usize, u8),
    /// Nobody who keeps books: it says again what it has overheard.
    Stranger,
}

/// A connection.
pub(super) struct Conn {
    pub(super) end: End,
    /// The process that has the switch's end is alive.
    pub(super) switch_lives: bool,
    /// When the newest message of each direction arrives: those that are not delayed keep their order.
    last_us: [u64; 2],
}

/// A message under way.
pub(super) struct Delivery {
    pub(super) conn: u64,
    pub(super) to_switch: bool,
    pub(super) bytes: Rc<Vec<u8>>,
    /// Its MAC is wrong on arrival.
    pub(super) forged: bool,
    /// When it was sent, and by which process where the switch sent it.
    pub(super) sent: (u64, u64),
}

impl World {
    /// A new connection; both ends are told by the caller.
    pub(super) fn connect(&mut self, end: End) -> u64 {
        self.next_conn += 1;
        self.conns.insert(self.next_conn, Conn { end, switch_lives: true, last_us: [0; 2] });
        self.next_conn
    }

    /// The switch's name of a connection.
    pub(super) fn link_of(conn: u64, end: End) -> LinkId {
        match end {
            End::Bank(bank, number) => LinkId::Bank(institution(super::plan::BANKS[bank]), number),
            End::Terminal(_) | End::Stranger => LinkId::Terminal(conn),
        }
    }

    pub(super) fn conn_of(&self, link: LinkId) -> Option<u64> {
        match link {
            LinkId::Terminal(conn) => self.conns.get(&conn).filter(|conn| conn.switch_lives).map(|_| conn),
            LinkId::Bank(bank, number) => self
                .conns
                .iter()
                .find(|(_, conn)| {
                    let is_it = matches!(conn.end, End::Bank(index, at) if at == number
                            && institution(super::plan::BANKS[index]) == bank);
                    is_it && conn.switch_lives
                })
                .map(|(id, _)| *id),
        }
    }

    fn codec(end: End) -> LinkCodec {
        match end {
            End::Bank(bank, _) => Plan::codec(bank),
            End::Terminal(_) | End::Stranger => LinkCodec::terminal(),
        }
    }

    /// Puts a machine's message on its way that its own memory knows nothing of.
    pub(super) fn carry_quietly(&mut self, conn: u64, message: &Message) {
        let said = self.said.clone();
        self.carry(conn, true, message);
        self.said = said;
    }

    /// Puts a message on its way, through the codec of its link.
    pub(super) fn carry(&mut self, conn: u64, to_switch: bool, message: &Message) {
        let Some(end) = self.conns.get(&conn).map(|conn| conn.end) else { return };
        let mac = self.mac_for_sending(end, to_switch, message);
        let mut bytes = Vec::with_capacity(512);
        if let Err(error) = Self::codec(end).send(message, mac.as_ref(), &mut bytes) {
            return self.violations.push(format!("a message that cannot be sent: {error}"));
        }
        self.note(|world| {
            let direction = if to_switch { "->" } else { "<-" };
            format!("{} {direction} switch {}", world.end_name(end), told(message))
        });
        if let (true, End::Terminal(number)) = (to_switch, end) {
            self.remember_said(number, message);
        }
        let bytes = Rc::new(bytes);
        let sent = (self.now_us, self.starts);
        if let Some(bend) = self.bend(end, to_switch, message) {
            return self.carry_bent(Delivery { conn, to_switch, bytes, forged: false, sent }, bend);
        }
        if self.strikes(Fault::NetLoss) {
            return self.note(|_| "  lost on the way".to_owned());
        }
        let spoilt = self.strikes(Fault::Forged);
        let bytes = if spoilt { self.forge(end, message).unwrap_or(bytes) } else { bytes };
        let forged = spoilt || self.is_key_changed(end, message);
        // What arrives spoilt is not doubled: the good copy would be taken after the bad one was refused, which no
        // network does to one frame.
        if !forged && self.strikes(Fault::NetDouble) {
            let us = u64::from(self.net_chance.between(1, HELD_MS_MAX)) * 1000;
            let bytes = Rc::clone(&bytes);
            self.after_us(us, Event::Deliver(Delivery { conn, to_switch, bytes, forged: false, sent }));
        }
        let us = if self.strikes(Fault::NetDelay) {
            u64::from(self.net_chance.between(1, HELD_MS_MAX)) * 1000
        } else {
            let us = u64::from(self.net_chance.between(100, 3_000));
            let now_us = self.now_us;
            match self.conns.get_mut(&conn) {
                Some(conn) => {
                    let last_us = &mut conn.last_us[usize::from(to_switch)];
                    *last_us = (*last_us).max(now_us + us);
                    *last_us - now_us
                }
                None => us,
            }
        };
        self.after_us(us, Event::Deliver(Delivery { conn, to_switch, bytes, forged, sent }));
    }

    /// What somebody puts in the place of a message who has no key: where the MACs are real, the other outcome or
    /// another amount, signed with a key of nobody's; else the message is only marked.
    fn forge(&self, end: End, message: &Message) -> Option<Rc<Vec<u8>>> {
        let crypto = self.crypto.as_ref()?;
        let mut other = message.clone();
        match (message.text(39), message.number(4)) {
            (Some("00"), _) => other.set_text(39, "05"),
            (Some(_), _) => other.set_text(39, "00"),
            (None, Some(amount)) => other.set_number(4, amount + 50_000, 12),
            (None, None) => &mut other,
        };
        let mut bytes = Vec::with_capacity(512);
        Self::codec(end).send(&other, Some(crypto.forger()), &mut bytes).ok()?;
        Some(Rc::new(bytes))
    }

    /// The switch has another key than the terminal at this end, or than the one that a stranger speaks for.
    fn is_key_changed(&self, end: End, message: &Message) -> bool {
        let terminal = match end {
            End::Bank(..) => None,
            End::Terminal(number) => Some(number),
            End::Stranger => self.crypto.as_ref().and_then(|crypto| crypto.named(message)),
        };
        terminal.is_some() && terminal == self.key_change
    }

    fn mac_for_sending(&self, end: End, to_switch: bool, message: &Message) -> Option<LinkMac> {
        self.crypto.as_ref().map(|crypto| crypto.mac(end, to_switch, message, self.key_change).clone())
    }

    /// A message arrives, if its connection is still there.
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        let Delivery { conn, to_switch, bytes, forged, sent } = delivery;
        let Some(end) = self.conns.get(&conn).map(|conn| conn.end) else { return };
        if to_switch && !self.conns.get(&conn).is_some_and(|conn| conn.switch_lives) {
            return;
        }
        let mut is_checked = false;
        let received = Self::codec(end).receive(&bytes, |message| {
            let keys = self.crypto.as_ref().map(|it| it.mac(end, !to_switch, message, self.key_change));
            is_checked = keys.is_some();
            keys
        });
        let (message, forged) = match received {
            Ok(Received::Message { message, mac, .. }) if is_checked => {
                let may_be_refused = forged || to_switch && self.is_key_changed(end, &message);
                // What is forged and taken all the same shows in books and log, where harm is done.
                if mac.is_err() && !may_be_refused {
                    self.violations.push(format!("a right MAC is refused: {}", told(&message)));
                }
                (message, mac.is_err())
            }
            Ok(Received::Message { message, .. }) => (message, forged),
            other => {
                return self
                    .violations
                    .push(format!("what was sent does not arrive as a message: {other:?}"));
            }
        };
        self.overhear(end, to_switch, &message, forged);
        match (to_switch, end) {
            (true, End::Bank(bank, _)) => {
                if !forged {
                    self.cross(bank, &message);
                }
                if !forged && self.process.is_some() {
                    self.note_truth(bank, &message);
                }
                self.switch_receives(conn, end, *message, forged);
            }
            (true, End::Terminal(_) | End::Stranger) => self.switch_receives(conn, end, *message, forged),
            (false, End::Terminal(number)) => self.terminal_receives(number, *message, forged, sent),
            (false, End::Bank(number, _)) => self.bank_receives(number, conn, *message, forged),
            // What was changed on the way to a stranger is nobody's answer.
            (false, End::Stranger) if forged => {}
            (false, End::Stranger) => self.stranger_hears(conn, &message, sent),
        }
    }

    pub(super) fn switch_receives(&mut self, conn: u64, end: End, message: Message, forged: bool) {
        let authenticity = if forged { Authenticity::Forged } else { Authenticity::Authentic };
        let pan = message.get(2).and_then(|pan| credential::Pan::parse(pan).ok());
        let citizen = pan
            .filter(|pan| !forged && pan.iin() == super::plan::IIN)
            .map(|pan| self.data_keys.pseudonym(&pan.citizen_number()));
        let link = World::link_of(conn, end);
        self.rows.bank_says = message.get(39).and_then(processor::Code::parse);
        self.switch(processor::Input::Received { link, message, authenticity, citizen });
    }

    /// Another bank says the opposite.
    fn cross(&mut self, bank: usize, message: &Message) {
        if message.mti().value() != 210 || !self.strikes(Fault::BankCrossed) {
            return;
        }
        let other = |conn: &&Conn| matches!(conn.end, End::Bank(number, _) if number != bank);
        if let Some(end) = self.conns.values().filter(|conn| conn.switch_lives).find(other).map(|it| it.end)
            && let Some(conn) = self.conn_of(World::link_of(0, end))
        {
            let mut message = message.clone();
            let code = if message.text(39) == Some("00") { "05" } else { "00" };
            message.set_text(39, code);
            self.switch_receives(conn, end, message, false);
        }
    }

    /// A connection breaks: what is under way on it is lost, and both ends are told.
    pub(super) fn reset(&mut self, conn: u64) {
        let Some(gone) = self.conns.remove(&conn) else { return };
        self.note(|world| format!("connection of {} breaks", world.end_name(gone.end)));
        self.tell_end(gone.end, conn);
        if gone.switch_lives {
            self.switch(processor::Input::LinkDown(World::link_of(conn, gone.end)));
            self.redial_bank(gone.end);
        }
    }

    /// The peer has closed: the switch is told later, when all that was sent before has arrived.
    pub(super) fn peer_closes(&mut self, conn: u64) {
        let us = u64::from(self.net_chance.between(3_100, 6_000));
        self.after_us(us, Event::SwitchSeesDown(conn));
    }

    pub(super) fn switch_sees_down(&mut self, conn: u64) {
        let Some(gone) = self.conns.remove(&conn) else { return };
        if gone.switch_lives {
            self.switch(processor::Input::LinkDown(World::link_of(conn, gone.end)));
            self.redial_bank(gone.end);
        }
    }

    /// The switch's end is gone: what it has sent still arrives, then the peer is told.
    pub(super) fn peer_down(&mut self, conn: u64) {
        if let Some(gone) = self.conns.remove(&conn) {
            self.tell_end(gone.end, conn);
        }
    }

    fn tell_end(&mut self, end: End, conn: u64) {
        match end {
            End::Terminal(number) => self.terminal_loses(number, conn),
            End::Bank(..) | End::Stranger => {}
        }
    }

    pub(super) fn redial_bank(&mut self, end: End) {
        if let End::Bank(bank, number) = end {
            let ms = u64::from(self.net_chance.between(100, 1_000));
            self.after_ms(ms, Event::BankDial { bank, number });
        }
    }

    pub(super) fn end_name(&self, end: End) -> String {
        match end {
            End::Terminal(number) => super::plan::terminal_name(number),
            End::Bank(number, at) => format!("{}#{at}", super::plan::BANKS[number]),
            End::Stranger => "stranger".to_owned(),
        }
    }
}

/// A message in a line of the trace.
pub(super) fn told(message: &Message) -> String {
    let text = |element| message.text(element).unwrap_or("-").to_owned();
    let mut line = format!("{:04} DE7 {} DE11 {}", message.mti().value(), text(7), text(11));
    for (element, name) in [(39, "DE39"), (3, "DE3"), (4, "DE4"), (90, "DE90"), (95, "DE95"), (70, "DE70")] {
        if message.has(element) {
            line.push_str(&format!(" {name} {}", text(element)));
        }
    }
    line
}
