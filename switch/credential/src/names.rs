//! Names that stand for a citizen or a proof without telling who it is.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The keyed digest of a citizen number, cut to 16 bytes: its only form in indexes, logs and metrics
/// (docs/architecture.md#keys). Without the key it says nothing, so it may be printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pseudonym(pub [u8; 16]);

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A verification reference, DF30 and DF51: 16 random bytes. Who holds it can withdraw, so only its front is printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference(pub [u8; 16]);

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0[..4], f)?;
        f.write_str("…")
    }
}

/// The order of the bytes, sixteen at once.
macro_rules! ordered_by_bytes {
    ($($name:ident)*) => {
        $(
            impl Ord for $name {
                fn cmp(&self, other: &$name) -> Ordering {
                    u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
                }
            }

            impl PartialOrd for $name {
                fn partial_cmp(&self, other: &$name) -> Option<Ordering> {
                    Some(self.cmp(other))
                }
            }
        )*
    };
}

ordered_by_bytes!(Pseudonym Reference);

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
