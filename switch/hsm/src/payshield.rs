//! A Thales payShield: host commands over TCP, a bounded pool of connections, a deadline for each answer. Its keys stand under
//! its LMK in a file beside the switch.

mod commands;
mod connection;
mod tokens;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use keys::{
    AesKsn, CheckValue, DukptError, KEY_BLOCK_CHARACTERS_MAX, KeyAlgorithm, KeyBlockError, KeyError,
    KeyUsage, KeyVersion, MAC_BYTES, MacAlgorithm, MacPurpose, PinBlock, PinError, PinFormat, TDES_KSN_BYTES,
    TdesKsn,
};

use crate::error::HsmError;
use crate::name::{KeyName, KeyRole};
use crate::place::Place;
use crate::sealed::{lock, sync_directory};
use crate::software::{Import, KeyKind, may_serve, mode_of_new, usage_of_new};
use crate::{Examined, Hsm, KeyCustody, KeyInfo, LinkMacKeys, Offer, PinTranslation, SharedKeys, Wanted};

use commands::{Asked, Made};
use connection::{Answer, Pool};
pub use connection::{PAYSHIELD_ANSWER_BYTES_MAX, PAYSHIELD_HEADER_BYTES};
use tokens::{Token, Tokens};

/// Where a payShield is, and what it holds keys for.
#[derive(Clone, Debug)]
pub struct PayShieldSettings {
    /// Its addresses, or those of several that share their LMK: the one that has answered last is asked first, then the
    /// others, each for an equal share of what is left of `answer_max`. One that says how it stands itself is as one that is away.
    pub addresses: Vec<SocketAddr>,
    /// Connections at once; who finds none free waits, within the deadline.
    pub connections_max: usize,
    /// From a command to its answer, the wait for a free connection included.
    pub answer_max: Duration,
    /// The keys under the box's LMK, by name.
    pub tokens: PathBuf,
}

/// A payShield. Its keys stand in a file beside the switch, each under the box's LMK: nobody else can use them.
pub struct PayShield {
    settings: PayShieldSettings,
    pool: Pool,
    tokens: RwLock<Arc<Tokens>>,
    /// Held while the file and what is held change together.
    changing: Mutex<()>,
}

impl PayShield {
    /// Makes a file without keys. One that is there is left alone.
    ///
    /// # Errors
    /// [`HsmError::File`].
    pub fn create_file(path: &Path) -> Result<(), HsmError> {
        let _lock = lock(path)?;
        if path.exists() {
            return Err(HsmError::File {
                path: path.display().to_string(),
                reason: "is there already".to_owned(),
            });
        }
        Tokens::default().write(path, sync_directory)
    }

    /// Reads the file of keys; connections are made when they are needed.
    ///
    /// # Errors
    /// [`HsmError::File`].
    pub fn open(settings: PayShieldSettings) -> Result<PayShield, HsmError> {
        let tokens = RwLock::new(Arc::new(Tokens::read(&settings.tokens)?));
        let pool = Pool::new(&settings.addresses, settings.connections_max, settings.answer_max);
        Ok(PayShield { settings, pool, tokens, changing: Mutex::new(()) })
    }

    /// Asks whether it is there (B2, echo).
    ///
    /// # Errors
    /// [`HsmError::Away`].
    pub fn echo(&self) -> Result<(), HsmError> {
        const TEXT: &[u8] = b"atm-switch";
        let mut fields = format!("{:04X}", TEXT.len()).into_bytes();
        fields.extend_from_slice(TEXT);
        match self.ask(&Asked { command: "B2", fields })? {
            (code, data) if &code == b"00" && data == TEXT => Ok(()),
            (code, _) => Err(unexpected("B2", code)),
        }
    }

    /// The error code and what follows it.
    fn ask(&self, asked: &Asked) -> Result<Answer, HsmError> {
        self.pool.ask(asked.command, &asked.fields).map_err(HsmError::Away)
    }

    /// Of a question about keys: what follows a code 00 or, where it is good too, 01. Any other finds fault with what was asked,
    /// or says how the box stands.
    fn ask_of_keys(&self, asked: &Asked) -> Result<Answer, HsmError> {
        match self.ask(asked)? {
            (code, data) if matches!(&code, b"00" | b"01") => Ok((code, data)),
            (code, _) if commands::is_of_the_box(code) => Err(unexpected(asked.command, code)),
            (code, _) => Err(HsmError::Refused { command: asked.command, code: text(code) }),
        }
    }

    fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the file, which is read again first, under a lock: no change of another process is lost. What is used from then on
    /// is what this changed; what others have put into the file is for [`Hsm::reload`], but for keys that are offered. A change that
    /// changes nothing writes nothing.
    fn change<T>(&self, change: impl FnOnce(&mut Tokens) -> Result<T, HsmError>) -> Result<T, HsmError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = &self.settings.tokens;
        let _lock = lock(path)?;
        let before = Tokens::read(path)?;
        let mut tokens = before.clone();
        let changed = change(&mut tokens)?;
        if tokens != before {
            tokens.write(path, sync_directory)?;
        }
        let mut used = Tokens::clone(&self.tokens());
        used.take_changes(&before, &tokens);
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(used);
        Ok(changed)
    }

    /// A key that the box has made or taken: what its block says has to be what was asked for, with its check value, which is asked
    /// for where the answer had none.
    fn token(&self, name: KeyName, made: Made, bytes: Option<usize>, now_s: i64) -> Result<Token, HsmError> {
        let unread = |reason| HsmError::Away(format!("its answer holds a key that cannot be read: {reason}"));
        let (usage, algorithm) = tokens::kind_of_block(&made.token).map_err(unread)?;
        if !name.role.usages().contains(&usage) {
            return Err(KeyBlockError::Usage { usage }.into());
        }
        let check_value = match made.check_value {
            Some(check_value) => check_value,
            None => self.check_value(algorithm, &made.token)?,
        };
        Token::parse(name, &made.token, check_value, bytes, now_s).map_err(unread)
    }

    fn check_value(&self, algorithm: KeyAlgorithm, token: &str) -> Result<CheckValue, HsmError> {
        let asked = commands::check_value(algorithm, token);
        let (code, data) = self.ask_of_keys(&asked)?;
        commands::check_value_told(algorithm, &data).ok_or_else(|| unexpected(asked.command, code))
    }

    /// A new key of the box's, in this place.
    fn make(&self, name: KeyName, kind: KeyKind, place: Place, now_s: i64) -> Result<Token, HsmError> {
        let usage = usage_of_new(name.role, kind.algorithm)?;
        let asked = commands::generate(kind, usage, mode_of_new(name.role), place.version)?;
        let (code, data) = self.ask_of_keys(&asked)?;
        let made = commands::generated(kind.algorithm, &data);
        let made = made.ok_or_else(|| unexpected(asked.command, code))?;
        let token = self.token(name, made, Some(kind.bytes), now_s)?.counted(place.under);
        if (token.usage, token.algorithm, token.place) != (usage, kind.algorithm, place) {
            return Err(HsmError::Away("it has made another key than was asked for".to_owned()));
        }
        Ok(token)
    }

    /// A key in a block for the other end.
    fn exported(&self, exchange: &Token, token: &Token) -> Result<String, HsmError> {
        let asked = commands::export(&exchange.text, &token.text);
        let (code, data) = self.ask_of_keys(&asked)?;
        commands::exported(&data).ok_or_else(|| unexpected(asked.command, code))
    }

    /// A key out of a block under its owner's exchange key.
    fn import_block(
        &self,
        tokens: &Tokens,
        name: KeyName,
        block: &[u8],
        now_s: i64,
    ) -> Result<Token, HsmError> {
        let block = whole_block(block)?;
        let exchange = tokens.newest(name.owner.key(KeyRole::Exchange))?;
        let asked = commands::import(&exchange.text, block);
        let (code, data) = self.ask_of_keys(&asked)?;
        let made = commands::imported(code, &data).ok_or_else(|| unexpected(asked.command, code))?;
        Ok(self.token(name, made, None, now_s)?.counted(tokens.exchange_version(name.owner)))
    }

    /// A key that is under the LMK already, as the box's own console shows it.
    fn import_token(
        &self,
        tokens: &Tokens,
        name: KeyName,
        token: &[u8],
        now_s: i64,
    ) -> Result<Token, HsmError> {
        let block = whole_block(token.get(1..).unwrap_or_default())?;
        let token = format!("S{block}");
        let read = tokens::kind_of_block(&token);
        read.map_err(|reason| HsmError::KeyBlock(KeyBlockError::Form { position: 0, reason }))?;
        let token = self.token(name, Made { token, check_value: None }, None, now_s)?;
        Ok(match name.role {
            KeyRole::Exchange => token,
            _ => token.counted(tokens.exchange_version(name.owner)),
        })
    }

    fn import(
        &self,
        tokens: &mut Tokens,
        name: KeyName,
        import: &Import,
        now_s: i64,
    ) -> Result<KeyInfo, HsmError> {
        let token = match import {
            Import::Parts { .. } => {
                return Err(HsmError::NotHere("parts of a key: they are put together at its own console"));
            }
            Import::Block(block) if block.starts_with(b"S") => {
                self.import_token(tokens, name, block, now_s)?
            }
            Import::Block(block) => self.import_block(tokens, name, block, now_s)?,
        };
        take(tokens, name, token, Wanted::ANY)
    }

    /// A PIN block from one key, by CA or G0.
    fn translated(&self, asked: &Asked, format: PinFormat) -> Result<PinBlock, HsmError> {
        match self.ask(asked)? {
            (code, data) if &code == b"00" => {
                commands::translated(&data, format).ok_or_else(|| unexpected(asked.command, code))
            }
            (code, _) if commands::is_of_the_block(code) => Err(PinError::Unreadable.into()),
            (code, _) => Err(unexpected(asked.command, code)),
        }
    }
}

impl Hsm for PayShield {
    fn translates_at_once(&self) -> bool {
        false
    }

    fn translate_pin(&self, ask: &PinTranslation<'_>, now_s: i64) -> Result<PinBlock, HsmError> {
        let tokens = self.tokens();
        let name = ask.to.key(KeyRole::Pin);
        let bank = tokens.newest(name)?;
        if bank.algorithm != ask.format.algorithm() {
            return Err(HsmError::Unfit { name, reason: PinError::Algorithm { format: ask.format } });
        }
        let to = &bank.text;
        let role = if ask.ksn.is_some() { KeyRole::Derivation } else { KeyRole::Pin };
        let mut last = HsmError::Pin(PinError::Unreadable);
        for from in tokens.reading(ask.from.key(role), now_s)? {
            let asked = match ask.ksn {
                None => commands::translate(&from.text, to, ask.block, ask.pan, ask.format),
                Some(ksn) => {
                    must_derive(from, ksn)?;
                    commands::translate_derived(&from.text, to, ksn, ask.block, ask.pan, ask.format)
                }
            };
            match self.translated(&asked, ask.format) {
                Err(error @ HsmError::Pin(_)) => last = error,
                done => return done,
            }
        }
        Err(last)
    }

    fn mac(&self, key: &KeyName, algorithm: MacAlgorithm, text: &[u8]) -> Result<[u8; MAC_BYTES], HsmError> {
        let tokens = self.tokens();
        let asked = commands::mac(key.owner.kind(), &tokens.newest(*key)?.text, algorithm, text);
        match self.ask(&asked)? {
            (code, data) if &code == b"00" => {
                commands::mac_made(algorithm, &data).ok_or_else(|| unexpected(asked.command, code))
            }
            (code, _) => Err(unexpected(asked.command, code)),
        }
    }

    fn verify_mac(
        &self,
        key: &KeyName,
        algorithm: MacAlgorithm,
        text: &[u8],
        mac: &[u8],
        now_s: i64,
    ) -> Result<(), HsmError> {
        let mac = mac.try_into().map_err(|_| HsmError::Mac)?;
        for token in self.tokens().reading(*key, now_s)? {
            let asked = commands::verify_mac(key.owner.kind(), &token.text, algorithm, text, mac);
            match self.ask(&asked)? {
                (code, _) if &code == b"00" => return Ok(()),
                (code, _) if commands::is_wrong_mac(code) => {}
                (code, _) => return Err(unexpected(asked.command, code)),
            }
        }
        Err(HsmError::Mac)
    }

    fn generate_key(&self, name: KeyName, kind: KeyKind, now_s: i64) -> Result<KeyInfo, HsmError> {
        self.change(|tokens| {
            let under = match name.role {
                KeyRole::Exchange => KeyVersion::UNUSED,
                _ => tokens.exchange_version(name.owner),
            };
            let token = self.make(name, kind, tokens.next_place(name, under)?, now_s)?;
            tokens.put(name, token)
        })
    }

    /// The box does not number a key anew in the block that it makes: one that counts under an exchange key of before stays here.
    fn wrap_key(&self, key: &KeyName) -> Result<String, HsmError> {
        let tokens = self.tokens();
        let exchange = tokens.newest(key.owner.key(KeyRole::Exchange))?;
        let newest = tokens.newest(*key)?;
        if key.role != KeyRole::Exchange && newest.place.under != tokens.exchange_version(key.owner) {
            return Err(HsmError::NotHere(
                "handing out a key whose version counts under an exchange key of before: rotate it",
            ));
        }
        self.exported(exchange, newest)
    }

    fn examine_key(&self, key: KeyName, block: &[u8], wanted: Wanted) -> Result<Examined, HsmError> {
        let tokens = self.tokens();
        let token = self.import_block(&tokens, key, block, 0)?;
        let is_there = is_there(&tokens, key, &token, wanted)?;
        Ok(Examined { version: token.place.version, check_value: token.check_value, is_there })
    }

    fn unwrap_key(
        &self,
        key: KeyName,
        block: &[u8],
        wanted: Wanted,
        now_s: i64,
    ) -> Result<KeyInfo, HsmError> {
        // Against the keys in memory first: what will not be taken touches no file.
        let tokens = self.tokens();
        let token = self.import_block(&tokens, key, block, now_s)?;
        if is_there(&tokens, key, &token, wanted)? {
            return tokens.info(key);
        }
        let under = tokens.exchange_version(key.owner);
        self.change(|tokens| {
            if tokens.exchange_version(key.owner) != under {
                return Err(HsmError::ExchangeKeyChanged(key));
            }
            take(tokens, key, token, wanted)
        })
    }

    fn offer_key(&self, name: KeyName, kind: KeyKind, now_s: i64) -> Result<Offer, HsmError> {
        if name.role != KeyRole::Pin {
            return Err(HsmError::NotHere(LINK_MACS));
        }
        // Under the exchange key that is in use: the file may have one that the other end has not taken in yet.
        let used = self.tokens();
        let exchange = used.newest(name.owner.key(KeyRole::Exchange))?;
        let under = used.exchange_version(name.owner);
        let token = self.change(|tokens| {
            let is_wanted = |token: &&Token| {
                token.place.under == under && (token.algorithm, token.bytes()) == (kind.algorithm, kind.bytes)
            };
            if let Some(token) = tokens.offered(name).last().filter(is_wanted) {
                return Ok(token.clone());
            }
            let token = self.make(name, kind, tokens.next_place(name, under)?, now_s)?;
            tokens.offer(name, token.clone())?;
            Ok(token)
        })?;
        let block = self.exported(exchange, &token)?;
        Ok(Offer { block, version: token.place.version, check_value: token.check_value })
    }

    fn use_offered_key(
        &self,
        name: KeyName,
        check_value: CheckValue,
        now_s: i64,
    ) -> Result<KeyInfo, HsmError> {
        self.change(|tokens| {
            let mut offered = tokens.offered(name).iter();
            let offered = offered.find(|token| token.check_value.agrees_with(&check_value));
            let token = offered.cloned().ok_or(HsmError::NoKey(name))?;
            tokens.put(name, Token { since_s: now_s, ..token })
        })
    }

    fn has_link_macs(&self) -> bool {
        false
    }

    /// Links' MACs are under the keys of the key file: two commands for each message would be too many.
    fn link_mac_keys(
        &self,
        _: &KeyName,
        _: MacAlgorithm,
        _: MacPurpose,
        _: i64,
    ) -> Result<LinkMacKeys, HsmError> {
        Err(HsmError::NotHere(LINK_MACS))
    }

    fn mac_keys_seen(&self, _: &[KeyName], _: i64) -> Result<(), HsmError> {
        Err(HsmError::NotHere(LINK_MACS))
    }

    fn keys(&self) -> Result<Vec<KeyInfo>, HsmError> {
        Ok(self.tokens().infos())
    }

    fn offered_keys(&self) -> Result<Vec<KeyInfo>, HsmError> {
        Ok(self.tokens().offered_infos())
    }

    /// Of exchange keys alone, and of pairs with a bank in them: of the many keys of terminals hundreds have a check value of 3 bytes in common by chance.
    fn shared_keys(&self) -> Result<SharedKeys, HsmError> {
        Ok(SharedKeys { names: self.tokens().shared_exchange_keys(), by_check_value: true })
    }

    fn key(&self, name: &KeyName) -> Result<Option<KeyInfo>, HsmError> {
        Ok(self.tokens().info(*name).ok())
    }

    fn reload(&self) -> Result<(), HsmError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = Tokens::read(&self.settings.tokens)?;
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
        Ok(())
    }
}

impl KeyCustody for PayShield {
    fn import_all(
        &self,
        keys: &[(KeyName, Import)],
        now_s: i64,
    ) -> Result<Vec<KeyInfo>, (Option<KeyName>, HsmError)> {
        let mut refused = None;
        let taken = self.change(|tokens| {
            let mut infos = Vec::with_capacity(keys.len());
            for (name, import) in keys {
                refused = Some(*name);
                infos.push(self.import(tokens, *name, import, now_s)?);
            }
            refused = None;
            Ok(infos)
        });
        taken.map_err(|error| (refused, error))
    }
}

/// The PIN block in a box's answer to CA with this header, for those who try what any bytes in its place become.
pub fn payshield_pin_block(answer: &[u8], header: &str, format: PinFormat) -> Option<PinBlock> {
    let (code, data) = connection::parsed(answer, header, "CA")?;
    commands::translated(&data, format).filter(|_| &code == b"00")
}

/// What a box's answers about keys with this header become, for the same: the key under the LMK that A6 gives, the block that A8
/// gives.
pub fn payshield_keys(answer: &[u8], header: &str) -> [Option<String>; 2] {
    let told = |command| connection::parsed(answer, header, command);
    let imported = told("A6").and_then(|(code, data)| commands::imported(code, &data));
    let exported = told("A8").filter(|(code, _)| code == b"00");
    [imported.map(|made| made.token), exported.and_then(|(_, data)| commands::exported(&data))]
}

/// What links' MACs are for this module.
const LINK_MACS: &str = "links' MACs";

/// Whether a key that came is the newest already: as far as a check value tells, for the box shows no more of it. One that could
/// neither be taken in nor is there is refused.
fn is_there(tokens: &Tokens, name: KeyName, token: &Token, wanted: Wanted) -> Result<bool, HsmError> {
    let newest = tokens.newest(name).ok();
    if let Some(newest) = newest {
        let is_anew = newest.place.under < token.place.under;
        if newest.is(token) && (is_anew || newest.place == token.place) {
            return Ok(true);
        }
        if is_anew && tokens.before(name).is_some_and(|before| before.is(token)) {
            return Err(HsmError::ComesBack(name));
        }
        if !token.place.is_above(newest.place) {
            return Err(HsmError::Rollback { name, version: newest.place.version });
        }
    }
    if !token.place.is_near(newest.map(|newest| newest.place), wanted.jump_max) {
        return Err(HsmError::Jump { name, version: token.place.version, jump_max: wanted.jump_max });
    }
    if let Some(algorithm) = wanted.algorithm.filter(|wanted| *wanted != token.algorithm) {
        return Err(HsmError::OtherAlgorithm { name, wanted: algorithm });
    }
    may_serve(name, token.mode)?;
    Ok(false)
}

/// Takes a key in that came. Exchange keys are told apart by their check values alone: a console numbers them as it likes.
fn take(tokens: &mut Tokens, name: KeyName, token: Token, wanted: Wanted) -> Result<KeyInfo, HsmError> {
    if name.role == KeyRole::Exchange {
        may_serve(name, token.mode)?;
    } else if is_there(tokens, name, &token, wanted)? {
        return Err(HsmError::ComesBack(name));
    }
    tokens.put(name, token)
}

/// A block that ends where it says, and so is one field of a command and nothing behind it.
fn whole_block(block: &[u8]) -> Result<&str, HsmError> {
    let form = |position, reason| HsmError::KeyBlock(KeyBlockError::Form { position, reason });
    let text = str::from_utf8(block).ok().filter(|_| block.iter().all(u8::is_ascii_graphic));
    let text = text.ok_or_else(|| form(0, "it is printable ASCII"))?;
    let length = text.get(1..5).and_then(|digits| digits.parse().ok());
    if length != Some(block.len()) || block.len() > KEY_BLOCK_CHARACTERS_MAX {
        return Err(form(1, "the length is not the block's, or above 999"));
    }
    Ok(text)
}

/// The box derives from a BDK, of the algorithm that the key serial number has.
fn must_derive(base: &Token, ksn: &[u8]) -> Result<(), HsmError> {
    let algorithm = if ksn.len() == TDES_KSN_BYTES {
        TdesKsn::parse(ksn).map(|_| KeyAlgorithm::Tdes)?
    } else {
        AesKsn::parse(ksn).map(|_| KeyAlgorithm::Aes)?
    };
    if base.algorithm != algorithm {
        let error = KeyError::Algorithm { usage: base.usage, algorithm: base.algorithm };
        return Err(DukptError::from(error).into());
    }
    if base.usage != KeyUsage::BaseDerivation {
        return Err(HsmError::NotHere("a terminal's initial key: the payShield derives from its BDK (B0)"));
    }
    Ok(())
}

/// An answer that cannot be read, or a code that finds no fault with what was asked.
fn unexpected(command: &str, code: [u8; 2]) -> HsmError {
    HsmError::Away(match &code {
        b"00" => format!("the payShield's answer to {command} cannot be read"),
        _ => format!("the payShield answers {command} with error {}", text(code)),
    })
}

fn text(code: [u8; 2]) -> String {
    code.map(char::from).iter().collect()
}

impl fmt::Debug for PayShield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayShield({:?})", self.settings.addresses)
    }
}
