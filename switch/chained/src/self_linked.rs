//! Lines that are one JSON object, with their own link as one of its fields.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Line;

/// A line that is a JSON object. Its link is a field of it, which is left out where it is empty: what is chained is the line without it.
pub trait SelfLinked: Clone + Serialize + DeserializeOwned {
    /// As [`Line::CHAINED`].
    const CHAINED: &'static [u8];
    /// As [`Line::BYTES_MAX`].
    const BYTES_MAX: usize;
    /// As [`Line::NONE`].
    const NONE: &'static str;

    /// Its place, from 0 without gaps.
    fn number(&self) -> u64;

    /// The field that its link stands in, as hex digits.
    fn link(&mut self) -> &mut String;
}

impl<T: SelfLinked> Line for T {
    const CHAINED: &'static [u8] = <T as SelfLinked>::CHAINED;
    const BYTES_MAX: usize = <T as SelfLinked>::BYTES_MAX;
    const NONE: &'static str = <T as SelfLinked>::NONE;

    fn number(&self) -> u64 {
        SelfLinked::number(self)
    }

    fn bare(&self) -> String {
        self.written("")
    }

    fn written(&self, link: &str) -> String {
        let mut line = self.clone();
        link.clone_into(line.link());
        serde_json::to_string(&line).expect("a line has texts alone for keys")
    }

    fn read(line: &str) -> Option<(T, String)> {
        let mut line: T = serde_json::from_str(line).ok()?;
        let link = line.link().clone();
        Some((line, link))
    }
}
