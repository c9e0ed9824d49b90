//! Many terminals in one runtime: orders go to each by its name, and the books of all are read together.

use std::collections::BTreeMap;

use thiserror::Error;

use super::config::ConfigError;
use super::driver::{self, Handle, Setup, Stopped};
use super::io::Event;
use super::order::{Finished, Order};
use super::vault::Movement;

/// Running terminals, by DE41 without trailing spaces.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    terminals: BTreeMap<Box<str>, Handle>,
}

/// Why an order found no end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FleetError {
    /// No terminal has this name.
    #[error("no terminal `{0}`")]
    Unknown(Box<str>),
    /// The terminal is stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Fleet {
    /// Starts them all inside the tokio runtime around the call.
    ///
    /// # Errors
    /// [`ConfigError`]: the first that cannot be set up; none runs then.
    pub fn start(setups: impl IntoIterator<Item = Setup>) -> Result<Fleet, ConfigError> {
        let handles = setups.into_iter().map(|setup| {
            let name = setup.config.terminal.clone();
            Ok((name, driver::start(setup)?))
        });
        Ok(Fleet { terminals: handles.collect::<Result<_, ConfigError>>()? })
    }

    /// One of them.
    pub fn get(&self, terminal: &str) -> Option<&Handle> {
        self.terminals.get(terminal)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Handle> {
        self.terminals.values()
    }

    /// As [`Handle::perform`], at the terminal of this name.
    ///
    /// # Errors
    /// [`FleetError`].
    pub async fn perform(&self, terminal: &str, order: Order) -> Result<Finished, FleetError> {
        let handle = self.get(terminal).ok_or_else(|| FleetError::Unknown(terminal.into()))?;
        Ok(handle.perform(order).await?)
    }

    /// Waits until nobody is served anywhere and every advice is answered.
    ///
    /// # Errors
    /// [`Stopped`]: one of them is.
    pub async fn settled(&self) -> Result<(), Stopped> {
        for handle in self.iter() {
            handle.settled().await?;
        }
        Ok(())
    }

    /// Every movement, terminal by terminal, each in order.
    pub fn movements(&self) -> Vec<Movement> {
        self.iter().flat_map(Handle::movements).collect()
    }

    /// What has happened at all of them, and how often.
    pub fn events(&self) -> BTreeMap<Event, u64> {
        let mut sum = BTreeMap::new();
        for (event, count) in self.iter().flat_map(Handle::events) {
            *sum.entry(event).or_insert(0) += count;
        }
        sum
    }

    /// Ends all of them as a power loss does.
    pub fn stop(&self) {
        self.iter().for_each(Handle::stop);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::SocketAddr;
    use std::sync::Arc;

    use credential::Pan;
    use iso8583::{Message, Mti};
    use keys::{Key, LinkCodec, LinkMac, MacKey};
    use tokio::net::TcpListener;

    use super::super::*;
    use super::*;
    use crate::link::{self, Arrival};

    struct NoChip;

    impl Chip for NoChip {
        fn dg1(&self) -> &[u8] {
            &[0; 95]
        }

        fn dg15(&self) -> &[u8] {
            &[0; 91]
        }

        fn sod(&self) -> &[u8] {
            &[0; 900]
        }

        fn sign(&self, challenge: &[u8; 8]) -> (Vec<u8>, u8) {
            (challenge.repeat(8), 1)
        }
    }

    fn ends() -> (LinkMac, LinkMac) {
        let [there, back] = [1, 2].map(|byte| MacKey::new(&Key::new([byte; 32])));
        let near = LinkMac { sign: there.clone(), verify: back.clone() };
        (near, LinkMac { sign: back, verify: there })
    }

    /// A switch that takes every sign-on, approves amounts with an even number of 100,000 and refuses the others with
    /// 51.
    async fn switch(mac: LinkMac) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut reader, mut writer) =
                    link::open(stream, LinkCodec::terminal(), Some(mac.clone())).unwrap();
                tokio::spawn(async move {
                    while let Ok(Some(Arrival::Message(request))) = reader.receive().await {
                        if writer.send(&answer(&request)).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        addr
    }

    fn answer(request: &Message) -> Message {
        let mut answer = request.clone();
        answer.set_mti(request.mti().response());
        for element in [12, 13, 18, 22, 25, 43, 48, 64, 90, 95, 112, 128] {
            answer.remove(element);
        }
        let is_cash = request.mti().class() == 2 && request.mti().is_request();
        let refused = is_cash && request.number(4).unwrap() / 100_000 % 2 == 1;
        answer.set_text(39, if refused { "51" } else { "00" });
        if request.text(70) == Some("001") {
            answer.set(112, b"\xE1\x0B\xDF\x20\x08\x01\x02\x03\x04\x05\x06\x07\x08");
        }
        if request.mti() == Mti::new(100) {
            answer.set(112, &[b"\xE1\x13\xDF\x51\x10".as_slice(), &[5; 16]].concat());
        }
        answer
    }

    fn setup(switch: SocketAddr, terminal: &str) -> Setup {
        let key = Key::new([7; 32]);
        let mut config = Config::new(terminal, "970418", "Ha Long", key, Arc::new(|_| [0; 16])).unwrap();
        config.timers.link_ms_max = 20_000;
        config.timers.advice_repeat_ms_min = 200;
        Setup {
            switch,
            tls: None,
            mac: Some(ends().0),
            config,
            cassettes: Notes([500; 4]),
            redial_ms_min: 1,
            redial_ms_max: 50,
            keep_movements: true,
        }
    }

    fn order(id: u64, what: What, amount_vnd: u64, steps: Steps, fault: Option<Fault>) -> Order {
        let notes = (what == What::Deposit).then(|| mix(amount_vnd, &Notes([200; 4]), 200)).flatten();
        let card = Card { pan: Pan::parse(b"9704990012030000017").unwrap(), chip: Arc::new(NoChip) };
        let (bank, from_account, rrn_front) = (None, None, None);
        Order { id, what, amount_vnd, notes, card, steps, bank, from_account, rrn_front, pin: None, fault }
    }

    #[tokio::test]
    async fn a_fleet_serves_and_its_books_are_right() {
        let addr = switch(ends().1).await;
        let names: Vec<String> = (1..=12).map(|number| format!("HN{number:06}")).collect();
        let fleet = Fleet::start(names.iter().map(|name| setup(addr, name))).unwrap();
        let lose = |at| Some(Fault::LoseLink { at, give_up: false });
        let visits = [
            (What::Withdrawal, 2_000_000, None, Outcome::Whole, 2_000_000),
            (What::Deposit, 4_600_000, None, Outcome::Whole, -4_600_000),
            (What::Withdrawal, 2_100_000, None, Outcome::Declined, 0),
            (What::Withdrawal, 800_000, lose(Point::AfterRequest), Outcome::Whole, 800_000),
            (What::Withdrawal, 800_000, lose(Point::BeforeAnswer), Outcome::Whole, 800_000),
            (What::Deposit, 800_000, lose(Point::BeforeAdvice), Outcome::Whole, -800_000),
            (What::Withdrawal, 1_000_000, Some(Fault::DispensePart { notes: 1 }), Outcome::Part, 500_000),
            (What::Deposit, 700_000, Some(Fault::JamInEscrow { returned: 1 }), Outcome::Declined, -200_000),
            (What::Balance, 0, None, Outcome::Whole, 0),
        ];
        let mut queues = Vec::new();
        for name in &names {
            for (id, (what, amount_vnd, fault, outcome, net)) in visits.clone().into_iter().enumerate() {
                let (fleet, name) = (fleet.clone(), name.clone());
                let steps = if id % 2 == 0 { Steps::One } else { Steps::Two };
                queues.push(tokio::spawn(async move {
                    let order = order(id as u64, what, amount_vnd, steps, fault);
                    let finished = fleet.perform(&name, order).await.unwrap();
                    assert_eq!((finished.order, finished.outcome), (id as u64, outcome));
                    assert_eq!(finished.net_out_vnd, net);
                    net
                }));
            }
        }
        let mut nets = 0;
        for queue in queues {
            nets += queue.await.unwrap();
        }
        fleet.settled().await.unwrap();
        let movements = fleet.movements();
        assert_eq!(net_out_vnd(&movements).values().sum::<i64>(), nets);
        for handle in fleet.iter() {
            assert_eq!(Contents::after(&handle.movements()).unwrap(), handle.standing().contents);
        }
        assert_eq!(fleet.events()[&Event::Repeated], 24);
        fleet.stop();
        let late = fleet.perform("HN000001", order(1, What::Balance, 0, Steps::One, None)).await;
        assert_eq!(late, Err(FleetError::Stopped(Stopped)));
        let nowhere = fleet.perform("HN000099", order(1, What::Balance, 0, Steps::One, None)).await;
        assert_eq!(nowhere, Err(FleetError::Unknown("HN000099".into())));
    }

    #[tokio::test]
    async fn a_dead_machine_answers_its_queue_and_a_service_team_finds_the_cassettes() {
        let addr = switch(ends().1).await;
        let handle = start(setup(addr, "QN000001")).unwrap();
        handle.service(Notes([9; 4])).await.unwrap();
        assert_eq!(handle.standing().contents.cassettes, Notes([9; 4]));
        let dies = Some(Fault::Die { at: Point::BeforeAdvice });
        let visit = |fault| handle.perform(order(1, What::Withdrawal, 1_000_000, Steps::One, fault));
        let finished = visit(dies).await.unwrap();
        assert_eq!((finished.outcome, finished.net_out_vnd), (Outcome::Dead, 1_000_000));
        assert_eq!(visit(None).await.unwrap().outcome, Outcome::Dead);
        handle.settled().await.unwrap();
        assert!(handle.standing().dead);
    }

    #[tokio::test]
    async fn a_terminal_without_a_switch_and_one_with_a_wrong_key_never_sign_on() {
        let (near, far) = ends();
        let addr = switch(far).await;
        let wrong = LinkMac { sign: near.verify.clone(), verify: near.sign.clone() };
        let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        for (switch, mac) in [(addr, wrong), (nowhere, near)] {
            let mut setup = setup(switch, "QN000001");
            setup.mac = Some(mac);
            setup.config.timers.link_ms_max = 50;
            let handle = start(setup).unwrap();
            let visit = handle.perform(order(1, What::Balance, 0, Steps::One, None)).await.unwrap();
            assert_eq!(visit.outcome, Outcome::NotTried(NotTried::NoLink));
        }
    }
}
