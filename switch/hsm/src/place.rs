//! Where a key stands among those of its name: no key comes back, and versions begin anew under each exchange key
//! (docs/decisions/0017-key-versions.md).

use keys::KeyVersion;
use mutant::Mutant;

use crate::error::HsmError;
use crate::name::KeyName;

/// Keys of one name that were offered and are not in use: one under the exchange key that is there, and the last one under
/// another, which its owner may have taken in.
pub(crate) const OFFERED_MAX: usize = 2;

/// A key's place: those that came under a newer exchange key stand above all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The version of the exchange key under which it counts; 0: there was none, or it is one.
    pub(crate) under: KeyVersion,
    /// Its own.
    pub(crate) version: KeyVersion,
}

impl Place {
    /// The place behind the last one that was given, under this version of the exchange key.
    ///
    /// # Errors
    /// [`HsmError::VersionsUsedUp`]; [`HsmError::ExchangeKeyChanged`] where the last one counts under a newer one.
    pub(crate) fn behind(last: Option<Place>, name: KeyName, under: KeyVersion) -> Result<Place, HsmError> {
        let version = match last {
            Some(last) if last.under > under => return Err(HsmError::ExchangeKeyChanged(name)),
            Some(last) if last.under < under && mutant::is(Mutant::VersionsNeverAnew) => last.version,
            Some(last) if last.under == under && !mutant::is(Mutant::VersionStandsStill) => last.version,
            _ => KeyVersion::UNUSED,
        };
        let version = version.next().ok_or(HsmError::VersionsUsedUp(name))?;
        Ok(Place { under, version })
    }

    /// Whether a key in this place may follow the newest: none that came before it does.
    pub(crate) fn is_above(self, newest: Place) -> bool {
        self > newest || mutant::is(Mutant::KeyRollsBack)
    }

    /// Whether a key in this place, which is above the newest's, leaves versions behind it: it is at most so many above the newest, or,
    /// where it is the first under its exchange key, above 00. So an end that counts on under a new exchange key is understood as well.
    pub(crate) fn is_near(self, newest: Option<Place>, jump_max: u8) -> bool {
        let (version, last) = (self.version.number(), newest.map_or(0, |newest| newest.version.number()));
        let is_within = version <= last.saturating_add(jump_max);
        let is_first = newest.is_none_or(|newest| newest.under < self.under);
        if is_first { version <= jump_max || version > last && is_within } else { is_within }
    }

    /// For people; `None` where it counts under no exchange key.
    pub(crate) fn exchange_version(self) -> Option<KeyVersion> {
        Some(self.under).filter(|under| *under != KeyVersion::UNUSED)
    }
}
