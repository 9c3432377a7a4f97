//! How a VM uses the cache.

use std::fmt;
use std::str::FromStr;

/// How a VM uses the cache; each VM has a mode of its own.
///
/// ```
/// use moonhive::code::Mode;
/// assert_eq!("EXIST".parse(), Ok(Mode::Exist));
/// assert!("exist".parse::<Mode>().unwrap_err().to_string().contains("OFF, EXIST or ON"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Compile everything privately.
    Off,
    /// Use what is cached and compile the rest privately.
    Exist,
    /// Use what is cached and publish the rest.
    #[default]
    On,
}

impl Mode {
    /// Every mode, in the order in which messages list them.
    pub const ALL: [Mode; 3] = [Mode::Off, Mode::Exist, Mode::On];

    /// The word that scripts, flags and statistics use.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Off => "OFF",
            Mode::Exist => "EXIST",
            Mode::On => "ON",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A word that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown cache mode '{}': expected OFF, EXIST or ON", given.escape_debug())]
pub struct UnknownMode {
    /// What was given.
    pub given: String,
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(word: &str) -> Result<Mode, UnknownMode> {
        let named = Mode::ALL.into_iter().find(|mode| mode.name() == word);
        named.ok_or_else(|| UnknownMode { given: word.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_found_by_its_own_name() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
    }

    #[test]
    fn an_unknown_word_is_told_the_choices() {
        let error = "on".parse::<Mode>().unwrap_err();
        assert_eq!(error.to_string(), "unknown cache mode 'on': expected OFF, EXIST or ON");
    }
}
