//! Passwords of people: argon2id hashes in the PHC string format, made and compared here alone.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

/// argon2id: 19 MiB, 2 passes, 1 lane (OWASP's first choice): 20 to 40 ms of one core for a log-in.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash that asks for more is not of this program, and is refused before it is computed.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// The shortest password, in characters.
pub(crate) const PASSWORD_CHARACTERS_MIN: usize = 12;

/// The longest, in bytes: more is cut by nobody and refused.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// Why a password or a hash is not taken. Never holds either.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PasswordError {
    /// Too few characters.
    #[error("the password has less than {PASSWORD_CHARACTERS_MIN} characters")]
    Short,
    /// Too many bytes.
    #[error("the password has more than {PASSWORD_BYTES_MAX} bytes")]
    Long,
    /// One character again and again, or the person's own name.
    #[error("the password can be guessed: it is one character again and again, or holds the name")]
    Weak,
    /// Not what this program writes.
    #[error("the hash is no argon2id hash of 19 to 256 MiB")]
    Hash,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Chance,
}

/// A password as it came. Cannot be printed, and is overwritten when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// As it was typed.
    pub fn new(text: String) -> Password {
        Password(Zeroizing::new(text))
    }

    /// Whether it may become somebody's.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn check_new(&self, name: &str) -> Result<(), PasswordError> {
        if self.0.chars().count() < PASSWORD_CHARACTERS_MIN {
            return Err(PasswordError::Short);
        }
        if self.0.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::Long);
        }
        let mut characters = self.0.chars();
        let first = characters.next();
        let same = characters.all(|it| Some(it) == first);
        if same || self.0.to_lowercase().contains(&name.to_lowercase()) {
            return Err(PasswordError::Weak);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// An argon2id hash as a PHC string. Cannot be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl PasswordHash {
    /// Hashes under a new salt.
    ///
    /// # Errors
    /// [`PasswordError::Chance`]; [`PasswordError::Long`].
    pub fn make(password: &Password) -> Result<PasswordHash, PasswordError> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| PasswordError::Chance)?;
        let parameters = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES));
        let parameters = parameters.map_err(|_| PasswordError::Hash)?;
        let hash = compute(password, &salt, parameters)?;
        Ok(PasswordHash(format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(*hash)
        )))
    }

    /// A hash that no password has: comparing with it takes as long as with a person's, so that nobody learns from the
    /// time who is there.
    pub fn of_nobody() -> PasswordHash {
        PasswordHash(format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
            STANDARD_NO_PAD.encode([0; SALT_BYTES]),
            STANDARD_NO_PAD.encode([0; HASH_BYTES])
        ))
    }

    /// Whether the hash can be computed with.
    ///
    /// # Errors
    /// [`PasswordError::Hash`].
    pub fn check(&self) -> Result<(), PasswordError> {
        self.parts().map(|_| ())
    }

    /// Whether this is the password. Takes tens of milliseconds of one core.
    pub fn is_of(&self, password: &Password) -> bool {
        let Ok((parameters, salt, hash)) = self.parts() else { return false };
        compute(password, &salt, parameters).is_ok_and(|computed| computed.ct_eq(&hash).into())
    }

    /// Changes with the password and tells nothing of it: sessions are bound to it.
    pub(crate) fn mark(&self) -> [u8; 32] {
        use sha2::Digest as _;
        sha2::Sha256::digest(self.0.as_bytes()).into()
    }

    fn parts(&self) -> Result<(Params, Vec<u8>, [u8; HASH_BYTES]), PasswordError> {
        let bad = PasswordError::Hash;
        let rest = self.0.strip_prefix("$argon2id$v=19$").ok_or(bad)?;
        let [numbers, salt, hash] = rest.split('$').collect::<Vec<_>>().try_into().map_err(|_| bad)?;
        let [memory, passes, lanes] = numbers.split(',').collect::<Vec<_>>().try_into().map_err(|_| bad)?;
        let number = |text: &str, name: &str| -> Result<u32, PasswordError> {
            text.strip_prefix(name).and_then(|digits| digits.parse().ok()).ok_or(bad)
        };
        let (memory, passes) = (number(memory, "m=")?, number(passes, "t=")?);
        if !(MEMORY_KIB..=MEMORY_KIB_MAX).contains(&memory) || !(PASSES..=PASSES_MAX).contains(&passes) {
            return Err(bad);
        }
        let parameters = Params::new(memory, passes, number(lanes, "p=")?, Some(HASH_BYTES));
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| bad)?;
        let hash = STANDARD_NO_PAD.decode(hash).map_err(|_| bad)?;
        Ok((parameters.map_err(|_| bad)?, salt, hash.try_into().map_err(|_| bad)?))
    }
}

fn compute(
    password: &Password,
    salt: &[u8],
    parameters: Params,
) -> Result<Zeroizing<[u8; HASH_BYTES]>, PasswordError> {
    if password.0.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::Long);
    }
    let mut hash = Zeroizing::new([0; HASH_BYTES]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    argon2.hash_password_into(password.0.as_bytes(), salt, &mut *hash).map_err(|_| PasswordError::Hash)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn typed(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[test]
    fn a_hash_is_of_its_password_alone_and_two_hashes_of_one_differ() {
        let (one, two) =
            (PasswordHash::make(&typed("một mật khẩu dài")), PasswordHash::make(&typed("một mật khẩu dài")));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(one.is_of(&typed("một mật khẩu dài")) && two.is_of(&typed("một mật khẩu dài")));
        assert!(!one.is_of(&typed("một mật khẩu dai")) && !one.is_of(&typed("")));
        assert_ne!(one, two);
        assert!(!PasswordHash::of_nobody().is_of(&typed("")));
    }

    #[test]
    fn neither_a_password_nor_a_hash_can_be_printed() {
        let hash = PasswordHash::make(&typed("correct horse battery")).unwrap();
        assert_eq!(format!("{:?} {hash:?}", typed("correct horse battery")), "Password PasswordHash");
    }

    #[test]
    fn the_hash_of_another_implementation_is_read() {
        // echo -n "correct horse battery" | argon2 saltsaltsaltsalt -id -m 16 -t 2 -p 1 -l 32 has m=65536 (argon2-cffi
        // writes the same).
        let known = "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$";
        let made = STANDARD_NO_PAD.encode(
            *compute(&typed("x"), b"saltsaltsaltsalt", Params::new(65_536, 2, 1, Some(32)).unwrap()).unwrap(),
        );
        assert!(PasswordHash(format!("{known}{made}")).is_of(&typed("x")));
    }

    #[test]
    fn what_is_no_hash_of_ours_is_refused_and_of_nobody() {
        for text in [
            "",
            "plain text password",
            "$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
            "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=99999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            let hash = PasswordHash(text.to_owned());
            assert_eq!(hash.check(), Err(PasswordError::Hash), "{text}");
            assert!(!hash.is_of(&typed("plain text password")), "{text}");
        }
    }

    #[test]
    fn a_password_that_can_be_guessed_is_not_taken() {
        for (text, expected) in [
            ("short", Err(PasswordError::Short)),
            ("aaaaaaaaaaaaaaaa", Err(PasswordError::Weak)),
            ("nguyen.LAN.2026", Err(PasswordError::Weak)),
            ("a lamp by the river", Ok(())),
        ] {
            assert_eq!(typed(text).check_new("lan"), expected, "{text}");
        }
        assert_eq!(typed(&"ab".repeat(129)).check_new("lan"), Err(PasswordError::Long));
    }
}
