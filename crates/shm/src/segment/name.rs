//! Names of objects: what is allowed, and where a name leads.

use crate::error::{Error, Result};

/// Longest name, in bytes: what a file name can hold beside our prefix.
pub const NAME_LIMIT_BYTES: usize = 200;

/// Before every file of ours in the folder of shared memory.
const PREFIX: &str = "moonhive.";

/// The name of an object that keeps the rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::InvalidName`] with the rule that it breaks.
    pub fn new(name: &str) -> Result<Self> {
        match broken_rule(name) {
            Some(reason) => Err(Error::InvalidName { name: name.to_owned(), reason }),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file that bears it.
    pub(super) fn file_name(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// The name that a file bears, if it is one of ours.
    pub(super) fn of_file(file_name: &str) -> Option<Self> {
        Self::new(file_name.strip_prefix(PREFIX)?).ok()
    }
}

fn broken_rule(name: &str) -> Option<&'static str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Some("it is empty"),
        _ if name.len() > NAME_LIMIT_BYTES => Some("it has more than 200 bytes"),
        _ if name.starts_with('.') => Some("it begins with a dot"),
        _ if !name.chars().all(is_allowed) => {
            Some("only letters, digits, dots, dashes and underscores are allowed")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        for name in ["", ".", "..", ".hidden", "a/b", "a b", "a\0b", "\u{e4}"] {
            let error = Name::new(name).expect_err(name);
            assert_eq!(error.code(), "invalid_name", "{name:?}");
        }
        assert!(Name::new(&"x".repeat(NAME_LIMIT_BYTES + 1)).is_err());
        assert!(Name::new(&"x".repeat(NAME_LIMIT_BYTES)).is_ok());
    }

    #[test]
    fn a_file_name_leads_back_to_its_name() {
        let name = Name::new("web.sessions-1_a").unwrap();
        assert_eq!(Name::of_file(&name.file_name()), Some(name));
        assert_eq!(Name::of_file("sem.other"), None);
    }
}
