//! The lines of a dump, none of them longer than an entry of the dictionary can be: what has no
//! lines, such as `/dev/zero`, must not take all the memory there is.

use std::io::{self, BufRead, Read as _};

use super::DumpError;

/// Bytes of a line for each byte of a dictionary, at most. A control character is spelled in six; a
/// number of a list, with the names of its fields, in less than the cell of 64 bytes that it takes.
const LINE_PER_BYTE: u64 = 8;

/// Bytes that every line may have: for a key of 65,535 control characters, and for what a table of
/// some larger dictionary says to people.
const LINE_LIMIT_LEAST_BYTES: u64 = 16 << 20;

/// Bytes of a line that are read before they are looked at.
const PIECE_BYTES: usize = 64 << 10;

/// Longest line that a dictionary of this size writes, or can store: what is longer is no entry of
/// it.
pub fn line_limit_bytes(capacity_bytes: u64) -> u64 {
    LINE_LIMIT_LEAST_BYTES.saturating_add(capacity_bytes.saturating_mul(LINE_PER_BYTE))
}

/// Reads lines into one buffer.
pub(super) struct Lines<R> {
    input: R,
    limit_bytes: u64,
    line: Vec<u8>,
    /// Of the line in the buffer, from 1.
    number: u64,
    has_failed: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, limit_bytes: u64) -> Self {
        Self { input, limit_bytes, line: Vec::new(), number: 0, has_failed: false }
    }

    /// The next line with its number; nothing at the end, and behind an error.
    pub(super) fn next(&mut self) -> Option<Result<(u64, &str), DumpError>> {
        if self.has_failed {
            return None;
        }
        self.number += 1;
        self.has_failed = true;
        match self.read() {
            Err(error) => return Some(Err(error)),
            Ok(()) if self.line.is_empty() => return None,
            Ok(()) => {}
        }
        let Ok(text) = std::str::from_utf8(&self.line) else {
            return Some(Err(wrong(self.number, "it is no UTF-8".to_owned())));
        };
        self.has_failed = false;
        Some(Ok((self.number, text)))
    }

    /// Reads up to the end of the line, piece by piece, as long as it can be one.
    fn read(&mut self) -> Result<(), DumpError> {
        self.line.clear();
        loop {
            let start = self.line.len();
            self.line.try_reserve(PIECE_BYTES).map_err(io::Error::from)?;
            let mut piece = self.input.by_ref().take(PIECE_BYTES as u64);
            let read = piece.read_until(b'\n', &mut self.line)?;
            if let Some(at) = self.line[start..].iter().position(is_never_json) {
                let (column, byte) = (start + at + 1, self.line[start + at]);
                let reason = format!("column {column}: no JSON: it has a byte {byte:#04x}");
                return Err(wrong(self.number, reason));
            }
            if self.line.len() as u64 > self.limit_bytes {
                let limit = self.limit_bytes;
                let reason = format!("it is longer than the {limit} bytes of an entry's line");
                return Err(wrong(self.number, reason));
            }
            if read == 0 || self.line.ends_with(b"\n") {
                return Ok(());
            }
        }
    }
}

fn wrong(number: u64, reason: String) -> DumpError {
    DumpError::Line { number, reason }
}

/// Control characters stand nowhere in JSON, but for white space: a device or a program that is
/// read by mistake is known by them long before its line is too long.
fn is_never_json(byte: &u8) -> bool {
    *byte < b'\t' || (0x0e..b' ').contains(byte)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// What comes of the lines of an input: the lines, or the error at their end.
    fn read(input: impl io::Read, limit_bytes: u64) -> Vec<String> {
        let mut lines = Lines::new(BufReader::new(input), limit_bytes);
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            found.push(match line {
                Ok((number, line)) => format!("{number}:{}", line.trim_end()),
                Err(error) => error.to_string(),
            });
        }
        found
    }

    #[test]
    fn lines_have_numbers_and_end_with_the_input() {
        assert_eq!(read(&b"a\n\nb\r\nc"[..], 100), ["1:a", "2:", "3:b", "4:c"]);
        assert!(read(&b""[..], 100).is_empty());
        assert_eq!(read(&b"a\n\xff\nb\n"[..], 100), ["1:a", "line 2: it is no UTF-8"]);
    }

    #[test]
    fn a_line_may_be_as_long_as_its_limit_with_its_end() {
        let long = "x".repeat(PIECE_BYTES + 9);
        let input = format!("{long}\n{long}x\n");
        let limit_bytes = long.len() as u64 + 1;
        let refusal =
            format!("line 2: it is longer than the {limit_bytes} bytes of an entry's line");
        assert_eq!(read(input.as_bytes(), limit_bytes), [format!("1:{long}"), refusal]);
    }

    /// Counts what is read of it.
    struct Endless(u8, u64);

    impl io::Read for &mut Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(self.0);
            self.1 += buffer.len() as u64;
            Ok(buffer.len())
        }
    }

    #[test]
    fn what_has_no_lines_is_not_read_to_its_end() {
        let mut text = Endless(b'x', 0);
        let refusal = "line 1: it is longer than the 1000000 bytes of an entry's line";
        assert_eq!(read(&mut text, 1_000_000), [refusal]);
        assert!(text.1 < 1_200_000, "{}", text.1);
        let mut zeros = Endless(0, 0);
        let refusal = "line 1: column 1: no JSON: it has a byte 0x00";
        assert_eq!(read(&mut zeros, 1_000_000), [refusal]);
        assert!(zeros.1 < 200_000, "{}", zeros.1);
    }

    #[test]
    fn a_key_of_control_characters_fits_in_every_line() {
        let key = "\\u0000".len() * crate::KEY_LIMIT_BYTES;
        assert!(line_limit_bytes(0) > 2 * key as u64);
        assert_eq!(line_limit_bytes(u64::MAX), u64::MAX);
    }
}
