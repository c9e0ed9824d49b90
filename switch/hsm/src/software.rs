//! The software module: keys in memory, and sealed in one file that is read again before each change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use keys::{
    AesDukptKind, AesKsn, Attributes, BoundKey, CheckValue, DukptPurpose, Expected, Exportability,
    KEY_BLOCK_RANDOM_BYTES, KEY_BYTES_MAX, KeyAlgorithm, KeyBlockError, KeyBlockKey, KeyError, KeyUsage,
    KeyVersion, MAC_BYTES, MacAlgorithm, MacKey, MacPurpose, ModeOfUse, PinBlock, PinError, PinKey,
    TDES_KSN_BYTES, TdesKsn, aes_dukpt_key, tdes_dukpt_key, translate_pin,
};
use mutant::Mutant;
use zeroize::Zeroizing;

use crate::error::HsmError;
use crate::name::{KeyName, KeyRole, Owner, OwnerKind};
use crate::owners::{self, must_have_one_owner};
use crate::place::Place;
use crate::sealed::{self, SealKey, Sealing, SyncDirectory, file_error, lock, random};
use crate::slot::{self, Held, Slot, Slots};
use crate::{Examined, Hsm, KeyCustody, KeyInfo, LinkMacKeys, Offer, PinTranslation, SharedKeys, Wanted};

/// What a new key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyKind {
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// Its length in bytes.
    pub bytes: usize,
}

/// How a key comes in.
pub enum Import {
    /// As two or three parts that people brought; for exchange keys.
    Parts {
        /// The key's algorithm.
        algorithm: KeyAlgorithm,
        /// The key is their exclusive or.
        parts: Vec<Zeroizing<Vec<u8>>>,
    },
    /// As a key block under its owner's exchange key.
    Block(Vec<u8>),
}

/// Keys in memory, and in one sealed file.
pub struct SoftwareHsm {
    path: PathBuf,
    sealing: Sealing,
    held: RwLock<Arc<State>>,
    /// Held while the file and what is held change together: what was read before a change never replaces it.
    changing: Mutex<()>,
    sync_directory: SyncDirectory,
}

struct State {
    seal: SealKey,
    slots: Slots,
}

impl SoftwareHsm {
    /// Makes a new file without keys. One that is there is left alone.
    ///
    /// # Errors
    /// [`HsmError::File`].
    pub fn create(path: &Path, sealing: Sealing) -> Result<SoftwareHsm, HsmError> {
        SoftwareHsm::create_with(path, sealing, sealed::sync_directory)
    }

    fn create_with(
        path: &Path,
        sealing: Sealing,
        sync_directory: SyncDirectory,
    ) -> Result<SoftwareHsm, HsmError> {
        let _lock = lock(path)?;
        if path.exists() {
            return Err(file_error(path, "is there already"));
        }
        let seal = SealKey::new(&sealing).map_err(|reason| file_error(path, reason))?;
        let slots = Slots::default();
        sealed::write(path, &seal, slot::encode(&slots), sync_directory)
            .map_err(|reason| file_error(path, reason))?;
        Ok(SoftwareHsm::of(path, sealing, State { seal, slots }, sync_directory))
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`HsmError::File`]: it cannot be read, or does not open with this passphrase or key.
    pub fn open(path: &Path, sealing: Sealing) -> Result<SoftwareHsm, HsmError> {
        let state = State::read(path, &sealing, None)?;
        Ok(SoftwareHsm::of(path, sealing, state, sealed::sync_directory))
    }

    fn of(path: &Path, sealing: Sealing, state: State, sync_directory: SyncDirectory) -> SoftwareHsm {
        let held = RwLock::new(Arc::new(state));
        SoftwareHsm { path: path.to_owned(), sealing, held, changing: Mutex::new(()), sync_directory }
    }

    /// Takes a key in that people brought as two or three parts: the key is their exclusive or. For exchange keys, under
    /// which the others then come.
    ///
    /// # Errors
    /// [`HsmError::Key`] of parts that make no key, and as [`Hsm::generate_key`].
    pub fn import_parts(
        &self,
        name: KeyName,
        algorithm: KeyAlgorithm,
        parts: &[Zeroizing<Vec<u8>>],
        now_s: i64,
    ) -> Result<KeyInfo, HsmError> {
        let key = joined(name.role, algorithm, parts)?;
        self.put_next(name, now_s, |_| Ok(key))
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was held is wiped behind the lock, by whoever used it last.
    fn replace(&self, state: State) {
        let mut next = Arc::new(state);
        std::mem::swap(&mut *self.held.write().unwrap_or_else(PoisonError::into_inner), &mut next);
    }

    /// Changes the file, which is read again first: no change of another process is lost. A second process that changes it
    /// at the same time is refused. What is used from then on is what this changed: what others have put into the file is for
    /// [`Hsm::reload`], when both ends have it, but for keys that are offered. A change that changes nothing writes nothing, and one that
    /// gives an owner another's key is refused.
    fn change<T>(&self, change: impl FnOnce(&mut Slots) -> Result<T, HsmError>) -> Result<T, HsmError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = lock(&self.path)?;
        let State { seal, mut slots } = State::read(&self.path, &self.sealing, Some(&self.state().seal))?;
        let before = slots.clone();
        let changed = change(&mut slots)?;
        // Whichever way a key came.
        must_have_one_owner(&slots, &owners::came(&before, &slots))?;
        let (clear, stood) = (slot::encode(&slots), slot::encode(&before));
        if *clear != *stood {
            sealed::write(&self.path, &seal, clear, self.sync_directory)
                .map_err(|reason| file_error(&self.path, reason))?;
        }
        let mut used = self.state().slots.clone();
        let place = |of: &Slots, name| of.held.get(name).map(|slot| (slot.newest.place, slot.proven_s));
        used.held.extend(
            slots.held.iter().filter(|(name, _)| place(&before, name) != place(&slots, name)).map(owned),
        );
        used.passed.clone_from(&slots.passed);
        // One that was offered here, and taken into use by another process: its owner has it.
        let is_used = |name: &KeyName, offered: &[Held]| {
            let newest = slots.held.get(name);
            newest.filter(|slot| offered.iter().any(|held| slot.newest.is(&held.key))).cloned()
        };
        let taken: Vec<(KeyName, Slot)> =
            used.offered.iter().filter_map(|(name, of)| Some((*name, is_used(name, of)?))).collect();
        for (name, slot) in taken {
            used.offered.remove(&name);
            used.held.insert(name, slot);
        }
        for name in before.offered.keys().filter(|name| !slots.offered.contains_key(name)) {
            used.offered.remove(name);
        }
        // Whoever has offered them: they read, and make nothing.
        used.offered.extend(slots.offered.iter().map(owned));
        self.replace(State { seal, slots: used });
        Ok(changed)
    }

    /// Puts a key in one version above the newest.
    fn put_next(
        &self,
        name: KeyName,
        now_s: i64,
        key: impl FnOnce(&Slots) -> Result<BoundKey, HsmError>,
    ) -> Result<KeyInfo, HsmError> {
        self.change(|slots| {
            let key = key(slots)?;
            put_above(slots, name, key, now_s)
        })
    }
}

fn owned<T: Clone>((name, value): (&KeyName, &T)) -> (KeyName, T) {
    (*name, value.clone())
}

/// One version above the newest, and above one that was offered, counted under the exchange key that is there.
fn put_above(slots: &mut Slots, name: KeyName, key: BoundKey, now_s: i64) -> Result<KeyInfo, HsmError> {
    let place = slots.next_place(name, counted_under(name, slots.exchange_version(name.owner)))?;
    slot::put(slots, name, Held::new(key, place, now_s)?)
}

/// Exchange keys count by themselves.
fn counted_under(name: KeyName, exchange: KeyVersion) -> KeyVersion {
    if name.role == KeyRole::Exchange { KeyVersion::UNUSED } else { exchange }
}

/// Takes the key of a block under this exchange key in.
fn take(
    slots: &mut Slots,
    exchange: &Held,
    name: KeyName,
    block: &[u8],
    wanted: Wanted,
    now_s: i64,
) -> Result<KeyInfo, HsmError> {
    let Opened { key, place, is_there } = open(slots, exchange, name, block, wanted)?;
    if is_there {
        return Err(HsmError::ComesBack(name));
    }
    slot::put(slots, name, Held::new(key, place, now_s)?)
}

/// What a block holds.
struct Opened {
    key: BoundKey,
    place: Place,
    /// It is the newest key already.
    is_there: bool,
}

/// [`open`], of a key that would be taken in by itself.
fn looked_at(
    slots: &Slots,
    exchange: &Held,
    name: KeyName,
    block: &[u8],
    wanted: Wanted,
) -> Result<Opened, HsmError> {
    let opened = open(slots, exchange, name, block, wanted)?;
    if !opened.is_there {
        must_have_one_owner(slots, &[(name, &opened.key)])?;
    }
    Ok(opened)
}

/// The key of a block under this exchange key: one that could be taken in, or the one that is there.
fn open(
    slots: &Slots,
    exchange: &Held,
    name: KeyName,
    block: &[u8],
    wanted: Wanted,
) -> Result<Opened, HsmError> {
    // What the header says is believed by `unwrap` alone: it has to be a usage that the role may have.
    let said = block.get(5..7).and_then(|code| KeyUsage::of_code([code[0], code[1]]));
    let usages = name.role.usages();
    let usage = said.filter(|usage| usages.contains(usage)).unwrap_or(usages[0]);
    let under = counted_under(name, exchange.place.version);
    let slot = slots.held.get(&name);
    let counted = slot.map(|slot| slot.newest.place).filter(|newest| newest.under == under);
    let version_min = counted.map_or(KeyVersion::UNUSED, |newest| newest.version);
    let taken = KeyBlockKey::new(&exchange.key)?.unwrap(block, Expected { usage, version_min })?;
    let place = Place { under, version: taken.attributes.version };
    if let Some(Slot { newest, before, .. }) = slot {
        if newest.place.under > under {
            return Err(HsmError::ExchangeKeyChanged(name));
        }
        let is_anew = newest.place.under < under;
        if newest.is(&taken.key) && (is_anew || place == newest.place) {
            return Ok(Opened { key: taken.key, place, is_there: true });
        }
        if is_anew && before.as_ref().is_some_and(|before| before.is(&taken.key)) {
            return Err(HsmError::ComesBack(name));
        }
        if !place.is_above(newest.place) {
            return Err(HsmError::Rollback { name, version: newest.place.version });
        }
    }
    let is_near = place.is_near(slot.map(|slot| slot.newest.place), wanted.jump_max);
    if !is_near && !mutant::is(Mutant::KeyVersionJumps) {
        return Err(HsmError::Jump { name, version: place.version, jump_max: wanted.jump_max });
    }
    let other = wanted.algorithm.filter(|wanted| *wanted != taken.key.algorithm());
    if let Some(algorithm) = other.filter(|_| !mutant::is(Mutant::KeyOfAnotherAlgorithm)) {
        return Err(HsmError::OtherAlgorithm { name, wanted: algorithm });
    }
    may_serve(name, taken.key.mode())?;
    Ok(Opened { key: taken.key, place, is_there: false })
}

/// A key's mode of use has to allow what it is here for: blocks come from terminals and go to banks, and a MAC key is one
/// direction's.
pub(crate) fn may_serve(name: KeyName, mode: ModeOfUse) -> Result<(), HsmError> {
    let may = match (name.role, name.owner.kind()) {
        (KeyRole::Pin, OwnerKind::Terminal) => mode.may_decrypt(),
        (KeyRole::Pin, OwnerKind::Bank) => mode.may_encrypt(),
        (KeyRole::Exchange, _) => mode.may_decrypt(),
        (KeyRole::MacToSwitch, _) => mode.may_verify(),
        (KeyRole::MacFromSwitch, _) => mode.may_generate(),
        (KeyRole::Derivation, _) => true,
    };
    if may || mutant::is(Mutant::KeyThatMayNotServe) {
        Ok(())
    } else {
        Err(KeyError::Forbidden { mode }.into())
    }
}

/// The exclusive or of two or three parts of one length.
fn joined(
    role: KeyRole,
    algorithm: KeyAlgorithm,
    parts: &[Zeroizing<Vec<u8>>],
) -> Result<BoundKey, HsmError> {
    let bytes = parts.first().map_or(0, |part| part.len());
    let mut whole = Zeroizing::new([0; KEY_BYTES_MAX]);
    let is_good = (2..=3).contains(&parts.len())
        && bytes <= KEY_BYTES_MAX
        && parts.iter().all(|part| part.len() == bytes);
    if !is_good {
        return Err(KeyError::Length { algorithm, bytes }.into());
    }
    // Two that are alike cancel each other out: nothing, or the third alone, would be left.
    let are_alike =
        parts.iter().enumerate().any(|(index, part)| parts[..index].iter().any(|other| other == part));
    if are_alike {
        return Err(HsmError::PartsAlike);
    }
    for part in parts {
        whole.iter_mut().zip(part.iter()).for_each(|(byte, part)| *byte ^= part);
    }
    let usage = usage_of_new(role, algorithm)?;
    Ok(BoundKey::new(usage, mode_of_new(role), algorithm, &whole[..bytes])?)
}

impl State {
    fn read(path: &Path, sealing: &Sealing, known: Option<&SealKey>) -> Result<State, HsmError> {
        let (seal, clear) = sealed::read(path, sealing, known).map_err(|reason| file_error(path, reason))?;
        let slots = slot::decode(&clear).map_err(|reason| file_error(path, reason))?;
        Ok(State { seal, slots })
    }

    fn slot(&self, name: KeyName) -> Result<&Slot, HsmError> {
        self.slots.held.get(&name).ok_or(HsmError::NoKey(name))
    }

    /// A key in a block for the other end. One that counts under an exchange key of before has version 00 under this one: all that
    /// come behind it are above that.
    fn wrap(&self, name: KeyName, held: &Held) -> Result<String, HsmError> {
        let exchange = exchange(&self.slots, name.owner)?;
        let is_counted = held.place.under == counted_under(name, exchange.place.version);
        let attributes = Attributes {
            version: if is_counted { held.place.version } else { KeyVersion::UNUSED },
            exportability: Exportability::NonExportable,
            optional: Vec::new(),
        };
        let random = random::<KEY_BLOCK_RANDOM_BYTES>().map_err(HsmError::Away)?;
        let Held { key, .. } = held;
        let theirs =
            BoundKey::new(key.usage(), mode_of_theirs(name.role, key), key.algorithm(), key.bytes())?;
        Ok(KeyBlockKey::new(&exchange.key)?.wrap(&theirs, &attributes, &random)?)
    }

    fn bank_pin_key(&self, ask: &PinTranslation<'_>) -> Result<&PinKey, HsmError> {
        let name = ask.to.key(KeyRole::Pin);
        let key = self.slot(name)?.newest.pin.as_ref().ok_or(HsmError::NoKey(name))?;
        key.makes(ask.format).map_err(|reason| HsmError::Unfit { name, reason })?;
        Ok(key)
    }
}

impl Hsm for SoftwareHsm {
    /// What is held is never locked for longer than a pointer takes to change.
    fn translates_at_once(&self) -> bool {
        true
    }

    fn translate_pin(&self, ask: &PinTranslation<'_>, now_s: i64) -> Result<PinBlock, HsmError> {
        let state = self.state();
        let to = state.bank_pin_key(ask)?;
        let random = random().map_err(HsmError::Away)?;
        let translate = |from: &PinKey| translate_pin(ask.block, ask.pan, from, to, ask.format, &random);
        let mut last = HsmError::Pin(PinError::Unreadable);
        match ask.ksn {
            Some(ksn) => {
                for held in state.slots.reading(ask.from.key(KeyRole::Derivation), now_s)? {
                    match translate(&PinKey::new(&derived(&held.key, ksn)?)?) {
                        Ok(block) => return Ok(block),
                        Err(error) => last = error.into(),
                    }
                }
            }
            None => {
                for from in state.slots.reading(ask.from.key(KeyRole::Pin), now_s)? {
                    match from.pin.as_ref().map(translate) {
                        Some(Ok(block)) => return Ok(block),
                        Some(Err(error)) => last = error.into(),
                        None => {}
                    }
                }
            }
        }
        Err(last)
    }

    fn mac(&self, key: &KeyName, algorithm: MacAlgorithm, text: &[u8]) -> Result<[u8; MAC_BYTES], HsmError> {
        let state = self.state();
        let key = &state.slot(*key)?.newest.key;
        Ok(MacKey::bound(key, algorithm, MacPurpose::Sign)?.sign(text))
    }

    fn verify_mac(
        &self,
        key: &KeyName,
        algorithm: MacAlgorithm,
        text: &[u8],
        mac: &[u8],
        now_s: i64,
    ) -> Result<(), HsmError> {
        for held in self.state().slots.reading(*key, now_s)? {
            if MacKey::bound(&held.key, algorithm, MacPurpose::Verify)?.verify(text, mac) {
                return Ok(());
            }
        }
        Err(HsmError::Mac)
    }

    fn generate_key(&self, key: KeyName, kind: KeyKind, now_s: i64) -> Result<KeyInfo, HsmError> {
        let made = new_key(key.role, kind)?;
        self.put_next(key, now_s, |_| Ok(made))
    }

    fn wrap_key(&self, key: &KeyName) -> Result<String, HsmError> {
        let state = self.state();
        state.wrap(*key, &state.slot(*key)?.newest)
    }

    fn offer_key(&self, name: KeyName, kind: KeyKind, now_s: i64) -> Result<Offer, HsmError> {
        let is_wanted =
            |held: &Held| held.key.algorithm() == kind.algorithm && held.key.bytes().len() == kind.bytes;
        // Under the exchange key that is in use: the file may have one that the other end has not taken in yet.
        let state = self.state();
        let under = exchange(&state.slots, name.owner)?.place.version;
        // By what the file says: another process may have taken it into use, or brought one above it.
        let held = self.change(|slots| {
            let offered = slots.offered.get(&name).and_then(|offered| offered.last());
            if let Some(held) = offered.filter(|held| held.place.under == under && is_wanted(held)) {
                return Ok(held.clone());
            }
            let place = slots.next_place(name, under)?;
            let held = Held::new(new_key(name.role, kind)?, place, now_s)?;
            slot::offer(slots, name, held.clone())?;
            Ok(held)
        })?;
        let block = state.wrap(name, &held)?;
        Ok(Offer { block, version: held.place.version, check_value: held.key.check_value() })
    }

    fn use_offered_key(
        &self,
        name: KeyName,
        check_value: CheckValue,
        now_s: i64,
    ) -> Result<KeyInfo, HsmError> {
        self.change(|slots| {
            let mut offered = slots.offered.get(&name).into_iter().flatten();
            let offered = offered.find(|held| held.key.check_value() == check_value);
            let Held { key, place, .. } = offered.cloned().ok_or(HsmError::NoKey(name))?;
            slot::put(slots, name, Held::new(key, place, now_s)?)
        })
    }

    fn has_link_macs(&self) -> bool {
        true
    }

    fn link_mac_keys(
        &self,
        name: &KeyName,
        algorithm: MacAlgorithm,
        purpose: MacPurpose,
        now_s: i64,
    ) -> Result<LinkMacKeys, HsmError> {
        let state = self.state();
        let prepared = |held: &Held| MacKey::bound(&held.key, algorithm, purpose);
        let slot = state.slots.held.get(name);
        // Of an algorithm that the link had once: it has made none of this link's MACs, and hinders nobody.
        let of_link = |held: &Held| prepared(held).ok();
        let before = slot.and_then(|slot| slot.before.as_ref()).and_then(of_link);
        let until_s = slot.map_or(0, Slot::before_until_s);
        Ok(LinkMacKeys {
            newest: slot.map(|slot| prepared(&slot.newest)).transpose()?,
            has_before: before.is_some(),
            before: before.filter(|_| now_s < until_s),
            before_until_s: until_s,
            is_seen: slot.is_none_or(|slot| slot.proven_s.is_some()),
            offered: state.slots.offered.get(name).into_iter().flatten().filter_map(of_link).collect(),
        })
    }

    fn mac_keys_seen(&self, names: &[KeyName], now_s: i64) -> Result<(), HsmError> {
        let state = self.state();
        self.change(|slots| {
            for name in names {
                // Another process may have brought one above it, which nobody has seen.
                let seen = state.slots.held.get(name).map(|slot| slot.newest.place);
                if let Some(slot) = slots.held.get_mut(name).filter(|slot| Some(slot.newest.place) == seen) {
                    slot.proven_s.get_or_insert(now_s);
                }
            }
            Ok(())
        })
    }

    fn examine_key(&self, key: KeyName, block: &[u8], wanted: Wanted) -> Result<Examined, HsmError> {
        let state = self.state();
        let exchange = exchange(&state.slots, key.owner)?;
        let opened = looked_at(&state.slots, exchange, key, block, wanted)?;
        let Opened { key, place, is_there } = opened;
        Ok(Examined { version: place.version, check_value: key.check_value(), is_there })
    }

    fn unwrap_key(
        &self,
        key: KeyName,
        block: &[u8],
        wanted: Wanted,
        now_s: i64,
    ) -> Result<KeyInfo, HsmError> {
        // Against the keys in memory first: what will not be taken touches no file. Under the exchange key that is in use: the file
        // may have one that the other end has not taken in yet.
        let state = self.state();
        let exchange = exchange(&state.slots, key.owner)?;
        if looked_at(&state.slots, exchange, key, block, wanted)?.is_there {
            return Ok(state.slot(key)?.info(key));
        }
        self.change(|slots| take(slots, exchange, key, block, wanted, now_s))
    }

    fn keys(&self) -> Result<Vec<KeyInfo>, HsmError> {
        Ok(self.state().slots.held.iter().map(|(name, slot)| slot.info(*name)).collect())
    }

    fn offered_keys(&self) -> Result<Vec<KeyInfo>, HsmError> {
        let state = self.state();
        let offered = state.slots.offered.iter();
        Ok(offered.flat_map(|(name, of)| of.iter().map(|held| held.info(*name))).collect())
    }

    fn shared_keys(&self) -> Result<SharedKeys, HsmError> {
        Ok(SharedKeys { names: owners::shared_keys(&self.state().slots), by_check_value: false })
    }

    fn key(&self, name: &KeyName) -> Result<Option<KeyInfo>, HsmError> {
        Ok(self.state().slots.held.get(name).map(|slot| slot.info(*name)))
    }

    fn reload(&self) -> Result<(), HsmError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = State::read(&self.path, &self.sealing, Some(&self.state().seal))?;
        self.replace(state);
        Ok(())
    }
}

impl KeyCustody for SoftwareHsm {
    fn import_all(
        &self,
        keys: &[(KeyName, Import)],
        now_s: i64,
    ) -> Result<Vec<KeyInfo>, (Option<KeyName>, HsmError)> {
        let mut refused = None;
        let taken = self.change(|slots| {
            let take_one = |(name, import): &(KeyName, Import)| {
                refused = Some(*name);
                match import {
                    Import::Parts { algorithm, parts } => {
                        put_above(slots, *name, joined(name.role, *algorithm, parts)?, now_s)
                    }
                    Import::Block(block) => {
                        let exchange = exchange(slots, name.owner)?.clone();
                        take(slots, &exchange, *name, block, Wanted::ANY, now_s)
                    }
                }
            };
            let taken: Vec<KeyInfo> = keys.iter().map(take_one).collect::<Result<_, _>>()?;
            // What is refused from here on is not the last one's fault.
            refused = None;
            Ok(taken)
        });
        taken.map_err(|error| (refused, error))
    }
}

/// The key under which the others of an owner travel.
fn exchange(slots: &Slots, owner: Owner) -> Result<&Held, HsmError> {
    let name = owner.key(KeyRole::Exchange);
    slots.held.get(&name).map(|slot| &slot.newest).ok_or(HsmError::NoKey(name))
}

/// A key of random bytes.
fn new_key(role: KeyRole, kind: KeyKind) -> Result<BoundKey, HsmError> {
    let KeyKind { algorithm, bytes } = kind;
    if bytes > KEY_BYTES_MAX {
        return Err(KeyError::Length { algorithm, bytes }.into());
    }
    let usage = usage_of_new(role, algorithm)?;
    let random = Zeroizing::new(random::<KEY_BYTES_MAX>().map_err(HsmError::Away)?);
    Ok(BoundKey::from_random(usage, mode_of_new(role), algorithm, &random[..bytes])?)
}

/// What the other end does with a key: it makes the MACs that this one checks, and checks those that this one makes. So the
/// mode of use in a block tells a direction's key from the other's.
fn mode_of_theirs(role: KeyRole, key: &BoundKey) -> ModeOfUse {
    match role {
        KeyRole::MacToSwitch => ModeOfUse::Generate,
        KeyRole::MacFromSwitch => ModeOfUse::Verify,
        KeyRole::Exchange | KeyRole::Pin | KeyRole::Derivation => key.mode(),
    }
}

/// The PIN key of one transaction.
fn derived(base: &BoundKey, ksn: &[u8]) -> Result<BoundKey, HsmError> {
    if ksn.len() == TDES_KSN_BYTES {
        return Ok(tdes_dukpt_key(base, &TdesKsn::parse(ksn)?, DukptPurpose::Pin)?);
    }
    let kind = AesDukptKind::Aes { bytes: base.bytes().len() };
    Ok(aes_dukpt_key(base, &AesKsn::parse(ksn)?, DukptPurpose::Pin, kind)?)
}

/// The usage of a new key of this role and algorithm.
pub(crate) fn usage_of_new(role: KeyRole, algorithm: KeyAlgorithm) -> Result<KeyUsage, HsmError> {
    let usage = match (role, algorithm) {
        (KeyRole::MacToSwitch | KeyRole::MacFromSwitch, KeyAlgorithm::Tdes) => KeyUsage::RetailMac,
        (KeyRole::MacToSwitch | KeyRole::MacFromSwitch, KeyAlgorithm::Aes) => KeyUsage::Cmac,
        (KeyRole::MacToSwitch | KeyRole::MacFromSwitch, KeyAlgorithm::Hmac) => KeyUsage::Hmac,
        // Exchange keys wrap key blocks of version D, which are AES.
        (KeyRole::Exchange, KeyAlgorithm::Tdes | KeyAlgorithm::Hmac) => {
            let usage = KeyUsage::KeyBlockProtection;
            return Err(KeyBlockError::Key(KeyError::Algorithm { usage, algorithm }).into());
        }
        (KeyRole::Exchange | KeyRole::Pin | KeyRole::Derivation, _) => role.usages()[0],
    };
    Ok(usage)
}

/// The mode of use of a new key of this role.
pub(crate) fn mode_of_new(role: KeyRole) -> ModeOfUse {
    match role {
        KeyRole::Exchange | KeyRole::Pin => ModeOfUse::Both,
        KeyRole::MacToSwitch | KeyRole::MacFromSwitch => ModeOfUse::GenerateAndVerify,
        KeyRole::Derivation => ModeOfUse::Derive,
    }
}

impl fmt::Debug for SoftwareHsm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareHsm({})", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io;

    use super::*;

    const AES: KeyKind = KeyKind { algorithm: KeyAlgorithm::Aes, bytes: 16 };

    fn sealing() -> Sealing {
        Sealing::key_file(&[b'5'; 64]).unwrap()
    }

    fn failing(_: &Path) -> io::Result<()> {
        Err(io::Error::other("no sync"))
    }

    fn names(module: &SoftwareHsm) -> Vec<(KeyName, KeyVersion)> {
        module.keys().unwrap().iter().map(|key| (key.name, key.version)).collect()
    }

    #[test]
    fn a_change_that_cannot_be_made_durable_is_taken_back_in_the_file_and_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hsm.keys");
        let failed = SoftwareHsm::create_with(&path, sealing(), failing).unwrap_err();
        assert!(failed.to_string().ends_with("no sync") && !path.exists(), "{failed}");

        let mut module = SoftwareHsm::create(&path, sealing()).unwrap();
        let name: KeyName = "bank.970418.derivation".parse().unwrap();
        module.generate_key(name, AES, 1).unwrap();
        let before = std::fs::read(&path).unwrap();
        module.sync_directory = failing;
        for _ in 0..2 {
            let failed = module.generate_key(name, AES, 2).unwrap_err();
            assert!(failed.to_string().ends_with("no sync"), "{failed}");
            let opened = SoftwareHsm::open(&path, sealing()).unwrap();
            assert_eq!((names(&module), std::fs::read(&path).unwrap()), (names(&opened), before.clone()));
        }
        module.sync_directory = sealed::sync_directory;
        assert_eq!(module.generate_key(name, AES, 3).unwrap().version, KeyVersion::new(2).unwrap());
        assert_eq!(names(&SoftwareHsm::open(&path, sealing()).unwrap()), names(&module));
    }

    /// A change was once refused because a program that another thread started had the lock's file for a moment longer.
    #[test]
    fn a_lock_is_given_back_though_its_file_is_open_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hsm.keys");
        let held = lock(&path).unwrap();
        let _inherited = held.0.try_clone().unwrap();
        assert!(lock(&path).is_err());
        drop(held);
        assert!(lock(&path).is_ok());
    }

    /// As files were written before that was refused: the switch goes on, and people are told.
    #[test]
    fn a_file_with_one_key_for_two_owners_is_opened_told_of_and_mended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hsm.keys");
        let [one, two]: [KeyName; 2] =
            ["bank.970418.exchange", "terminal.HN000001.exchange"].map(|name| name.parse().unwrap());
        let parts = |of| [vec![of; 32], vec![0x33; 32]].map(Zeroizing::new);
        let mut slots = Slots::default();
        for name in [one, two] {
            let key = joined(KeyRole::Exchange, KeyAlgorithm::Aes, &parts(1)).unwrap();
            put_above(&mut slots, name, key, 1).unwrap();
        }
        let seal = SealKey::new(&sealing()).unwrap();
        sealed::write(&path, &seal, slot::encode(&slots), sealed::sync_directory).unwrap();

        let module = SoftwareHsm::open(&path, sealing()).unwrap();
        let told = |module: &SoftwareHsm| module.shared_keys().unwrap().names.into_iter().collect::<Vec<_>>();
        assert_eq!(told(&module), [two, one]);
        module.generate_key(one.owner.key(KeyRole::Pin), AES, 2).unwrap();
        module.import_parts(one, KeyAlgorithm::Aes, &parts(2), 2).unwrap();
        assert_eq!(told(&module), [two], "whoever had it knows it");
        module.import_parts(two, KeyAlgorithm::Aes, &parts(3), 2).unwrap();
        assert_eq!(told(&SoftwareHsm::open(&path, sealing()).unwrap()), []);
    }

    #[test]
    fn a_file_is_only_made_by_who_has_locked_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hsm.keys");
        let held = lock(&path).unwrap();
        // Another process makes it meanwhile: who waits must not have looked before.
        std::fs::write(&path, "another's").unwrap();
        let refused = SoftwareHsm::create(&path, sealing()).unwrap_err().to_string();
        assert!(refused.ends_with("another process is changing it; try again"), "{refused}");
        drop(held);
        let refused = SoftwareHsm::create(&path, sealing()).unwrap_err().to_string();
        assert!(refused.ends_with("is there already"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), b"another's");
    }
}
