//! Where code comes from: reading a file as Lua's own loader would, and telling text from binary.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Files above this size are data, not modules; they stay with the stock loader, which streams.
pub(super) const MAX_SOURCE_BYTES: u64 = 16 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// First byte of a precompiled chunk.
const SIGNATURE: u8 = 0x1B;

/// What a chunk is made of; the mode argument of `loadfile` admits one or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lua source.
    Text,
    /// What `string.dump` wrote.
    Binary,
}

impl Kind {
    /// The kind of a chunk, by its first byte.
    pub(super) fn of(chunk: &[u8]) -> Kind {
        if chunk.first() == Some(&SIGNATURE) { Kind::Binary } else { Kind::Text }
    }

    /// True if a load with this mode argument takes chunks of this kind.
    pub(super) fn is_admitted_by(self, mode: Option<&[u8]>) -> bool {
        match (mode, self) {
            (None, _) => true,
            (Some(mode), Kind::Text) => mode.contains(&b't'),
            // 'B' is a binary chunk in a buffer that stays; the cache copies it anyway.
            (Some(mode), Kind::Binary) => mode.contains(&b'b') || mode.contains(&b'B'),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Text => "text",
            Kind::Binary => "binary",
        })
    }
}

/// Reads a regular file of at most [`MAX_SOURCE_BYTES`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > MAX_SOURCE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    // One byte more than allowed shows a file that has grown meanwhile.
    file.take(MAX_SOURCE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SOURCE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// The part of a file that is code: without byte order mark and without a first line that starts
/// with `#`, whose newline stays so that line numbers are right.
pub(super) fn code_of(file: &[u8]) -> &[u8] {
    let text = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
    if text.first() != Some(&b'#') {
        return text;
    }
    let rest = match text.iter().position(|&byte| byte == b'\n') {
        Some(end) => &text[end..],
        None => b"\n",
    };
    // A precompiled chunk starts at its signature.
    if rest.get(1) == Some(&SIGNATURE) { &rest[1..] } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_and_a_hash_line_are_skipped() {
        let cases: [(&[u8], &[u8]); 9] = [
            (b"", b""),
            (b"return 1", b"return 1"),
            (b"\xEF\xBB\xBFreturn 1", b"return 1"),
            (b"#!/usr/bin/lua\nreturn 1", b"\nreturn 1"),
            (b"\xEF\xBB\xBF# x\n\nreturn 1", b"\n\nreturn 1"),
            (b"# only a comment", b"\n"),
            (b"\x1BLua", b"\x1BLua"),
            (b"#!moonhive\n\x1BLua", b"\x1BLua"),
            (b"\n# not the first line", b"\n# not the first line"),
        ];
        for (file, code) in cases {
            assert_eq!(code_of(file), code, "{:?}", file.escape_ascii().to_string());
        }
    }

    #[test]
    fn the_mode_argument_admits_kinds() {
        for (mode, text, binary) in [("bt", true, true), ("t", true, false), ("b", false, true)] {
            assert_eq!(Kind::Text.is_admitted_by(Some(mode.as_bytes())), text, "{mode}");
            assert_eq!(Kind::Binary.is_admitted_by(Some(mode.as_bytes())), binary, "{mode}");
        }
        assert!(Kind::Binary.is_admitted_by(None));
    }

    #[test]
    fn a_directory_and_a_huge_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_err());
        let path = folder.path().join("huge.lua");
        File::create(&path).unwrap().set_len(MAX_SOURCE_BYTES + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
