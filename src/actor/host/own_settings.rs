//! Settings that services make while the host runs (`skynet.setenv`). They belong to the host and
//! stay, whatever becomes of the service that made them, so the host limits them.

use std::collections::HashMap;

use crate::actor::fault::{Code, Fault};
use crate::actor::limits::{OWN_SETTINGS_BYTES_MAX, OWN_SETTINGS_MAX};

/// Texts by their names; none is ever changed or taken out.
#[derive(Debug, Default)]
pub(super) struct OwnSettings {
    texts: HashMap<Vec<u8>, Vec<u8>>,
    /// Bytes of names and texts.
    size_bytes: usize,
}

impl OwnSettings {
    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.texts.get(name).map(Vec::as_slice)
    }

    /// Makes a setting; false if there is one of that name.
    ///
    /// # Errors
    /// `overload` when there are too many, or too many bytes in them.
    pub(super) fn add(&mut self, name: &[u8], text: &[u8]) -> Result<bool, Fault> {
        if self.texts.contains_key(name) {
            return Ok(false);
        }
        let size_bytes = self.size_bytes + name.len() + text.len();
        if self.texts.len() == OWN_SETTINGS_MAX || size_bytes > OWN_SETTINGS_BYTES_MAX {
            return Err(self.too_much(name, name.len() + text.len()));
        }
        self.size_bytes = size_bytes;
        self.texts.insert(name.to_owned(), text.to_owned());
        Ok(true)
    }

    #[cold]
    fn too_much(&self, name: &[u8], more_bytes: usize) -> Fault {
        let (count, bytes) = (self.texts.len(), self.size_bytes);
        let name: String = String::from_utf8_lossy(name).chars().take(NAME_SHOWN).collect();
        let text = format!(
            "the setting `{name}` of {more_bytes} bytes is one too much: there are {count} settings with {bytes} \
             bytes, and a host keeps {OWN_SETTINGS_MAX} with {OWN_SETTINGS_BYTES_MAX} bytes at most"
        );
        Fault::new(Code::Overload, text)
    }
}

/// Letters of a name that an error shows.
const NAME_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_made_once() {
        let mut settings = OwnSettings::default();
        assert_eq!(settings.add(b"a", b"1"), Ok(true));
        assert_eq!(settings.add(b"a", b"2"), Ok(false));
        assert_eq!((settings.get(b"a"), settings.get(b"b")), (Some(b"1".as_slice()), None));
    }

    #[test]
    fn settings_and_their_bytes_are_limited() {
        let mut settings = OwnSettings::default();
        let half = b"x".repeat(OWN_SETTINGS_BYTES_MAX / 2 - 1);
        assert_eq!(settings.add(b"a", &half), Ok(true));
        assert_eq!(settings.add(b"b", &half), Ok(true));
        let fault = settings.add(b"c", b"").unwrap_err();
        assert_eq!(fault.code, Code::Overload);
        assert!(
            fault.message.starts_with("the setting `c` of 1 bytes is one too much: there are 2")
        );
        let mut settings = OwnSettings::default();
        for number in 0..OWN_SETTINGS_MAX {
            assert_eq!(settings.add(number.to_string().as_bytes(), b""), Ok(true));
        }
        assert!(settings.add(b"more", b"").is_err());
        assert_eq!(settings.add(b"7", b""), Ok(false));
    }
}
