//! Real cryptography in the town: MACs on every link, chips that sign, a registry whose answers are signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use credential::{Algorithms, CitizenNumber, Pan, SodCache, TrustStore};
use iso8583::Message;
use keys::{Key, LinkMac, MacKey};
use processor::{Evidence, Verdict, VerifyRequest};
use server::proofs::{self, Proofs};
use server::registry::{Answer, Contract, Reason};
use sha2::{Digest, Sha256};
use simulators::citizens::{self, Country};
use simulators::pilot::Chance;
use simulators::registry::{
    CardStatus, Machine, MachineConfig, Override, Population, Reply, SecretKey, SeenCard, VERIFICATIONS_PATH,
};
use simulators::terminal::{Biometrics, Chip, matching_faces};

use super::net::End;
use super::plan::{BANKS, CITIZENS, IIN, Plan, challenge_key, terminal_name};
use super::world::World;

/// Under these names the switch and the registry know each other's keys.
const SWITCH_KID: &str = "switch-1";
const REGISTRY_KID: &str = "registry-1";
/// Security objects that the switch keeps: fewer than there are citizens, so that some are forgotten.
const SODS_MAX: usize = 6;

/// Keys, cards and the registry of a town.
pub(super) struct Crypto {
    seed: u64,
    terminals: Vec<Keys>,
    banks: Vec<Keys>,
    /// Keys that nobody of the town has.
    forger: Keys,
    /// What the switch holds of a terminal whose key it has changed before the terminal has.
    changed: Keys,
    cards: Vec<CardOfTown>,
    country: Country,
    trust: TrustStore,
    registry: Machine,
    switch_key_pem: String,
    registry_keys: BTreeMap<String, Vec<u8>>,
    /// The process of the switch that asks, by its start, and what it holds in memory.
    asking: Option<(u64, Asking)>,
    chance: Chance,
}

/// A link's two keys, as each of its ends holds them.
struct Keys {
    peer: LinkMac,
    switch: LinkMac,
}

struct CardOfTown {
    pan: Pan,
    chip: Arc<citizens::Chip>,
}

/// What is gone with a process: security objects and answers seen.
struct Asking {
    proofs: Proofs,
    contract: Contract,
}

/// The registry's files: the town's citizens, prepared, since a card is minted each time it is asked for.
struct OnFile(BTreeMap<CitizenNumber, SeenCard>);

impl Population for OnFile {
    fn card_of(&self, number: &CitizenNumber) -> Option<SeenCard> {
        self.0.get(number).cloned()
    }
}

impl Keys {
    /// The keys of one link of a seed, by its name.
    fn of(seed: u64, link: &str) -> Keys {
        let key = |direction: &str| {
            let digest = Sha256::digest(format!("{seed}/{link}/{direction}"));
            MacKey::new(&Key::new(digest.into()))
        };
        let (there, back) = (key("to the switch"), key("from the switch"));
        let peer = LinkMac { sign: there.clone(), verify: back.clone() };
        Keys { peer, switch: LinkMac { sign: back, verify: there } }
    }

    fn end(&self, is_peer: bool) -> &LinkMac {
        if is_peer { &self.peer } else { &self.switch }
    }
}

impl Crypto {
    /// All keys and cards come from the plan's seed.
    pub(super) fn new(plan: &Plan) -> Crypto {
        let seed = plan.seed;
        let country = Country::new(seed);
        let cards: Vec<CardOfTown> = (0..u64::from(CITIZENS))
            .map(|index| CardOfTown {
                pan: Pan::new(IIN, &country.citizen(index).number),
                chip: Arc::new(country.chip(index)),
            })
            .collect();
        let on_file = cards.iter().filter_map(|card| {
            let number = card.pan.citizen_number();
            country.card_of(&number).map(|on_file| (number, on_file))
        });
        let switch_key = SecretKey::from_seed(seed, "switch", SWITCH_KID);
        let registry = Machine::new(MachineConfig {
            seed,
            kid: REGISTRY_KID.to_owned(),
            switches: BTreeMap::from([(SWITCH_KID.to_owned(), switch_key.public())]),
            population: Box::new(OnFile(on_file.collect())),
            overrides: BTreeMap::new(),
            faults: Box::new(|_| None),
        });
        let trust = TrustStore::new([country.csca_der()], Algorithms::all());
        let links = |count: usize, kind: &str| {
            (0..count).map(|number| Keys::of(seed, &format!("{kind} {number}"))).collect()
        };
        Crypto {
            seed,
            terminals: links(plan.terminals, "terminal"),
            banks: links(BANKS.len(), "bank"),
            forger: Keys::of(seed, "forger"),
            changed: Keys::of(seed, "changed"),
            cards,
            trust: trust.expect("the country's authority can be trusted"),
            country,
            switch_key_pem: switch_key.to_pkcs8_pem(),
            registry_keys: BTreeMap::from([(
                REGISTRY_KID.to_owned(),
                registry.public_key().to_pem().into_bytes(),
            )]),
            registry,
            asking: None,
            chance: Chance::new(seed, "registry"),
        }
    }

    /// What an end of a link signs and checks a message with: the peer's keys, or the switch's. The switch has another
    /// key than the terminal whose key is `changed` there.
    pub(super) fn mac(&self, end: End, is_peer: bool, message: &Message, changed: Option<usize>) -> &LinkMac {
        let terminal = match end {
            End::Bank(bank, _) => return self.banks[bank].end(is_peer),
            End::Terminal(number) => Some(number),
            // It says what a terminal has said, and so is taken for that terminal.
            End::Stranger => self.named(message),
        };
        match terminal.and_then(|number| self.terminals.get(number)) {
            Some(_) if !is_peer && terminal == changed => self.changed.end(false),
            Some(keys) => keys.end(is_peer),
            None => self.forger.end(is_peer),
        }
    }

    /// What somebody signs with who has no key.
    pub(super) fn forger(&self) -> &LinkMac {
        &self.forger.peer
    }

    /// The terminal that a message says it is from.
    pub(super) fn named(&self, message: &Message) -> Option<usize> {
        (0..self.terminals.len()).find(|number| message.text(41) == Some(&terminal_name(*number)))
    }

    /// The biometric service, before which every face is the citizen's.
    pub(super) fn biometrics(&self) -> Biometrics {
        matching_faces(self.seed)
    }

    pub(super) fn chip(&self, citizen: u32) -> Arc<dyn Chip> {
        let chip: Arc<citizens::Chip> = Arc::clone(&self.cards[citizen as usize].chip);
        chip
    }

    /// Also of citizens who never come.
    pub(super) fn pan(&self, citizen: u32) -> Pan {
        let of_country = || Pan::new(IIN, &self.country.citizen(u64::from(citizen)).number);
        self.cards.get(citizen as usize).map_or_else(of_country, |card| card.pan)
    }

    /// What the process of this start checks with.
    fn asking(&mut self, start: u64) -> &Asking {
        if self.asking.as_ref().is_none_or(|(of, _)| *of != start) {
            let contract =
                Contract::new("switch-hn", SWITCH_KID, self.switch_key_pem.as_bytes(), &self.registry_keys);
            let asking = Asking {
                proofs: Proofs::new(self.trust.clone(), SodCache::new(SODS_MAX)),
                contract: contract.expect("the town's keys can be used"),
            };
            self.asking = Some((start, asking));
        }
        let asking = self.asking.as_ref().map(|(_, asking)| asking);
        asking.expect("it was made above")
    }

    /// The checks of the switch and the registry's judgement, each by its own clock, seconds since 1970.
    fn verdict(
        &mut self,
        request: &VerifyRequest,
        start: u64,
        (switch_s, registry_s): (i64, i64),
        on_file: Override,
    ) -> Verdict {
        let mut chance = [0; 32];
        chance.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.chance.bits().to_be_bytes()));
        let terminal = (0..self.terminals.len())
            .find(|number| super::plan::terminal_id(*number) == request.key.terminal)
            .map(challenge_key);
        let asking = self.asking(start);
        let key = terminal.as_ref().map(Key::bytes);
        let chip = match asking.proofs.check(request, key, switch_s) {
            Ok(chip) => chip,
            Err(refusal) => return refusal.verdict(),
        };
        let asked = asking.contract.ask(&proofs::question(request, &chip), &chance, switch_s);
        self.registry.set_override(chip.dg1.number, on_file);
        let reply = self.registry.post(registry_s, VERIFICATIONS_PATH, "application/jose", &asked.compact);
        let answer = match reply {
            Reply::Answer(http) if http.status != 200 => Answer::unavailable(Reason::Status(http.status)),
            Reply::Answer(http) if http.body.len() > Evidence::ANSWER_BYTES_MAX => {
                Answer::unavailable(Reason::TooLong)
            }
            Reply::Answer(http) => self.asking(start).contract.judge(&asked, &http.body, switch_s),
            Reply::Silence | Reply::Gone => Answer::unavailable(Reason::Late),
        };
        proofs::verdict(answer, &chip)
    }
}

impl World {
    /// What the switch's own checks and the registry's signed answer come to. `refused`: the registry has something
    /// against the card.
    pub(super) fn real_verdict(&mut self, request: &VerifyRequest, refused: bool) -> Option<Verdict> {
        let times_s = (self.switch_now().wall_ms.div_euclid(1000), self.wall_ms().div_euclid(1000));
        let card = refused.then(|| {
            let statuses = [CardStatus::Lost, CardStatus::Revoked, CardStatus::Replaced, CardStatus::Expired];
            *self.net_chance.pick(&statuses)
        });
        let start = self.starts;
        let crypto = self.crypto.as_mut()?;
        let verdict = crypto.verdict(request, start, times_s, Override { citizen: None, card });
        Some(verdict)
    }
}
