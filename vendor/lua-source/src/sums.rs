//! Pinned SHA-256 sums, in the format of `sha256sum`, so that anyone can check them by hand.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::locate::LUA_VERSION;
use crate::{SourceError, Tree};

/// File names with the sum of what each must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums(BTreeMap<String, String>);

impl Sums {
    /// Reads a file of lines `SHA-256  NAME`.
    ///
    /// # Errors
    /// [`SourceError::Read`] or, with the line, [`SourceError::SumsSyntax`].
    pub fn read(path: &Path) -> Result<Self, SourceError> {
        let text = fs::read_to_string(path)
            .map_err(|cause| SourceError::Read { path: path.to_owned(), cause })?;
        let lines = text.lines().enumerate();
        lines
            .map(|(number, line)| parse_line(path, number + 1, line))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The sums of every file of a tree.
    pub fn of(tree: &Tree) -> Self {
        Self(
            tree.files()
                .map(|(name, text)| (name.to_owned(), sha256_hex(text.as_bytes())))
                .collect(),
        )
    }

    /// The sums of those files of `tree` that differ from `other`'s.
    pub fn of_changed(tree: &Tree, other: &Tree) -> Self {
        let changed = tree.files().filter(|(name, text)| other.file(name) != Some(text));
        Self(changed.map(|(name, text)| (name.to_owned(), sha256_hex(text.as_bytes()))).collect())
    }

    /// Checks that the tree is exactly what is pinned: every file present, none altered, none more.
    ///
    /// # Errors
    /// [`SourceError::Missing`], [`SourceError::Altered`] or [`SourceError::Unknown`] for the first
    /// such file.
    pub fn check(&self, tree: &Tree) -> Result<(), SourceError> {
        let dir = || tree.dir().to_owned();
        for (file, pinned) in &self.0 {
            let text = tree
                .file(file)
                .ok_or_else(|| SourceError::Missing { file: file.clone(), dir: dir() })?;
            let found = sha256_hex(text.as_bytes());
            if found != *pinned {
                let (file, pinned) = (file.clone(), pinned.clone());
                return Err(SourceError::Altered { file, dir: dir(), pinned, found });
            }
        }
        match tree.files().find(|(name, _)| !self.0.contains_key(*name)) {
            Some((file, _)) => Err(SourceError::Unknown {
                file: file.to_owned(),
                dir: dir(),
                version: LUA_VERSION,
            }),
            None => Ok(()),
        }
    }

    /// Checks that `found`, the sums of patched files, are the pinned ones.
    ///
    /// # Errors
    /// [`SourceError::Result`] for the first file that is not.
    pub fn check_results(&self, found: &Self) -> Result<(), SourceError> {
        let sum =
            |sums: &Self, file: &str| sums.0.get(file).map_or("nothing", |sum| sum).to_owned();
        let mut files = self.0.keys().chain(found.0.keys());
        match files.find(|file| self.0.get(*file) != found.0.get(*file)) {
            Some(file) => Err(SourceError::Result {
                file: file.clone(),
                pinned: sum(self, file),
                found: sum(found, file),
            }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(file, sum)| writeln!(out, "{sum}  {file}"))
    }
}

/// The SHA-256 of some bytes in lower-case hexadecimal digits.
///
/// ```
/// let sum = moonhive_lua_source::sha256_hex(b"");
/// assert!(sum.starts_with("e3b0c442") && sum.len() == 64);
/// ```
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_line(path: &Path, line: usize, text: &str) -> Result<(String, String), SourceError> {
    let is_sum = |sum: &str| sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.split_once("  ") {
        Some((sum, file)) if is_sum(sum) && !file.is_empty() => {
            Ok((file.to_owned(), sum.to_owned()))
        }
        _ => Err(SourceError::SumsSyntax { path: path.to_owned(), line, text: text.to_owned() }),
    }
}
