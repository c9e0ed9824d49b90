//! The baseline file: what one repetition of each case cost when it was last written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the baseline stands in the repository.
pub const BASELINE: &str = "benches/baselines/instructions.toml";

const HEAD: &str = "\
# Instructions of one repetition of each case, under callgrind. Written by
#   cargo run --release -p benches --bin instructions -- --write
# in the same commit as the change that explains it (docs/performance.md#instructions).
";

/// Instructions by [`super::Case::name`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Of one repetition.
    pub instructions: BTreeMap<String, u64>,
}

/// Why there is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The disk's own.
    #[error("{}: {error}", path.display())]
    Io {
        /// Of the baseline.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// No baseline is written so; the message names the line.
    #[error("{}: {error}", path.display())]
    Form {
        /// Of the baseline.
        path: PathBuf,
        /// Why.
        error: toml::de::Error,
    },
}

impl Baseline {
    /// Reads one.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn read(path: &Path) -> Result<Baseline, BaselineError> {
        let io = |error| BaselineError::Io { path: path.to_owned(), error };
        let text = fs::read_to_string(path).map_err(io)?;
        toml::from_str(&text).map_err(|error| BaselineError::Form { path: path.to_owned(), error })
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`BaselineError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), BaselineError> {
        let io = |error| BaselineError::Io { path: path.to_owned(), error };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(io)?;
        }
        fs::write(path, self.text()).map_err(io)
    }

    fn text(&self) -> String {
        let body = toml::to_string(self).expect("names and numbers have a form in TOML");
        format!("{HEAD}\n{body}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let baseline =
            Baseline { instructions: [("codec: parse".to_owned(), 1_234), ("a".to_owned(), 5)].into() };
        assert_eq!(toml::from_str::<Baseline>(&baseline.text()).unwrap(), baseline);
    }

    #[test]
    fn every_case_has_its_baseline() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(BASELINE);
        let known: Vec<String> = Baseline::read(&path).unwrap().instructions.into_keys().collect();
        let mut cases: Vec<&str> = super::super::CASES.iter().map(|case| case.name).collect();
        cases.sort_unstable();
        assert_eq!(known, cases);
    }
}
