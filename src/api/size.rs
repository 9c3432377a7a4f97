//! Sizes of memory as people write them: on the command line, in settings files and in options from
//! Lua.

/// What a size looks like, for messages.
pub const EXPECTED: &str = "a size like 65536, 64k, 16MiB or 1g (units are powers of 1024)";

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gib", 1 << 30),
];

/// The bytes that a text stands for: a whole number, with a unit or without, in letters of either
/// case.
///
/// ```
/// use moonhive::api::size::parse;
/// assert_eq!(parse("64k"), Some(65536));
/// assert_eq!(parse("16MiB"), Some(16 << 20));
/// assert_eq!(parse("1.5m"), None);
/// ```
pub fn parse(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary_and_of_either_case() {
        let sizes = [
            ("0", 0),
            ("7b", 7),
            ("64k", 1 << 16),
            ("64KiB", 1 << 16),
            ("2M", 2 << 20),
            ("1gib", 1 << 30),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in ["", "k", "64 k", "-1", "1.5m", "64kb", "+1", "99999999999g"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
