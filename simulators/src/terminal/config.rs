//! What a terminal is set up with: who it is, how long it waits, how many notes it handles.

use std::fmt;
use std::sync::Arc;

use credential::CitizenNumber;
use keys::Key;
use thiserror::Error;

use crate::exchange::ExchangeKey;
use crate::pins::PinPad;

/// A face or finger that the registry's biometric service is to compare.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Whose it is said to be.
    pub citizen: CitizenNumber,
    /// DE41, trailing spaces cut.
    pub terminal: Box<str>,
    /// Wall clock, seconds since 1970.
    pub at_s: i64,
    /// Tells comparisons of one second at one terminal apart.
    pub number: u32,
}

/// Gives the biometric session, DF32, of a comparison. Stands for the registry's own service, which no switch sees.
pub type Biometrics = Arc<dyn Fn(&Comparison) -> [u8; 16] + Send + Sync>;

/// The setting of one terminal.
#[derive(Clone)]
pub struct Config {
    /// DE41, 1 to 8 printable characters; filled with spaces on the wire.
    pub terminal: Box<str>,
    /// DE42, at most 15 characters.
    pub acceptor: Box<str>,
    /// DE43, at most 40 characters.
    pub location: Box<str>,
    /// DE32, 1 to 11 digits.
    pub acquirer: Box<str>,
    /// The imported challenge key.
    pub challenge: Key,
    /// Where DF32 comes from.
    pub biometrics: Biometrics,
    /// How PINs are enciphered; without a pad none is asked for.
    pub pin_pad: Option<PinPad>,
    /// Under which keys come from the switch; without it they are refused.
    pub exchange: Option<ExchangeKey>,
    /// Waits.
    pub timers: Timers,
    /// Most notes of one withdrawal.
    pub withdrawal_notes_max: u32,
    /// Most notes of one deposit: what the escrow holds.
    pub deposit_notes_max: u32,
    /// Most notes of one cassette.
    pub cassette_notes_max: u32,
}

/// All waits in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// From a request's first sending to its answer; then the request is given up.
    pub answer_ms_max: u64,
    /// How long an order waits for a signed-on connection.
    pub link_ms_max: u64,
    /// The pause before an unanswered advice is sent again: the first; it doubles up to the longest.
    pub advice_repeat_ms_min: u64,
    /// The longest pause.
    pub advice_repeat_ms_max: u64,
    /// A connection on which nothing was said for so long is asked with 0800/301.
    pub echo_interval_ms: u64,
    /// The answer to a 0800; a connection that gives none is closed.
    pub network_answer_ms_max: u64,
}

impl Default for Timers {
    /// The times of docs/interface.md#timers.
    fn default() -> Timers {
        Timers {
            answer_ms_max: 30_000,
            link_ms_max: 30_000,
            advice_repeat_ms_min: 5_000,
            advice_repeat_ms_max: 60_000,
            echo_interval_ms: 60_000,
            network_answer_ms_max: 10_000,
        }
    }
}

/// Why a terminal cannot be set up so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A text that its element cannot carry.
    #[error("{name} `{value}` is not {form}")]
    Text {
        /// The setting.
        name: &'static str,
        /// What it is.
        value: Box<str>,
        /// What it has to be.
        form: &'static str,
    },
}

impl Config {
    /// A terminal with default waits that handles 40 notes out, 200 in, 2,500 in a cassette.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(
        terminal: &str,
        acquirer: &str,
        location: &str,
        challenge: Key,
        biometrics: Biometrics,
    ) -> Result<Config, ConfigError> {
        let config = Config {
            terminal: terminal.into(),
            acceptor: format!("CCCD{acquirer}").into(),
            location: location.into(),
            acquirer: acquirer.into(),
            challenge,
            biometrics,
            pin_pad: None,
            exchange: None,
            timers: Timers::default(),
            withdrawal_notes_max: 40,
            deposit_notes_max: 200,
            cassette_notes_max: 2_500,
        };
        config.check()?;
        Ok(config)
    }

    /// DE41 as it stands on the wire.
    pub(super) fn de41(&self) -> String {
        format!("{:8}", self.terminal)
    }

    /// Checks the texts against their elements.
    ///
    /// # Errors
    /// [`ConfigError`]: the first that does not fit.
    pub fn check(&self) -> Result<(), ConfigError> {
        let printable = |text: &str, max: usize| {
            text.len() <= max && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        };
        let digits = self.acquirer.bytes().all(|byte| byte.is_ascii_digit());
        let fits = [
            (
                "terminal",
                &self.terminal,
                "1 to 8 printable characters without a space at the end",
                printable(&self.terminal, 8) && !self.terminal.is_empty() && !self.terminal.ends_with(' '),
            ),
            ("acceptor", &self.acceptor, "at most 15 printable characters", printable(&self.acceptor, 15)),
            ("location", &self.location, "at most 40 printable characters", printable(&self.location, 40)),
            ("acquirer", &self.acquirer, "1 to 11 digits", digits && (1..=11).contains(&self.acquirer.len())),
        ];
        match fits.into_iter().find(|(_, _, _, fits)| !fits) {
            Some((name, value, form, _)) => Err(ConfigError::Text { name, value: value.clone(), form }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("terminal", &self.terminal)
            .field("acquirer", &self.acquirer)
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}
