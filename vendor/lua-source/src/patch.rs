//! One patch of the series: a header that people read, then a unified diff.

use std::fs;
use std::path::Path;

use diffy::patch_set::{FileOperation, ParseOptions, PatchKind, PatchSet};
use diffy::{Line, Patch};

use crate::hunk;
use crate::locate::LUA_VERSION;
use crate::{SourceError, Tree};

/// What the header of every patch must say, each followed by text.
pub const HEADER_FIELDS: [&str; 3] = ["Why:", "Touches:", "Tested:"];

/// A patch as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchFile {
    name: String,
    text: String,
}

/// The size of a patch, in lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    /// Lines that the patch adds.
    pub added: usize,
    /// Lines that it takes away.
    pub removed: usize,
}

impl PatchFile {
    /// A patch from its text.
    pub fn new(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text }
    }

    /// Reads `dir/name`.
    ///
    /// # Errors
    /// [`SourceError::Read`].
    pub fn read(dir: &Path, name: &str) -> Result<Self, SourceError> {
        let path = dir.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(cause) => Err(SourceError::Read { path, cause }),
        }
    }

    /// The name of the file, such as `0001-hooks.patch`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything before the first `--- ` line.
    pub fn header(&self) -> &str {
        let start = if self.text.starts_with("--- ") { Some(0) } else { None };
        let end = start.or_else(|| self.text.find("\n--- ").map(|at| at + 1));
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// Checks that the header says each of [`HEADER_FIELDS`] with text behind it.
    ///
    /// # Errors
    /// [`SourceError::Header`] with the first field that is missing or empty.
    pub fn check_header(&self) -> Result<(), SourceError> {
        match HEADER_FIELDS.into_iter().find(|field| !says(self.header(), field)) {
            Some(field) => Err(SourceError::Header { patch: self.name.clone(), field }),
            None => Ok(()),
        }
    }

    /// Names of the files that the patch changes, in its order.
    ///
    /// # Errors
    /// [`SourceError::PatchSyntax`] when it is not a patch.
    pub fn targets(&self) -> Result<Vec<String>, SourceError> {
        Ok(self.parse()?.into_iter().map(|(file, _)| file).collect())
    }

    /// How many lines the patch adds and takes away.
    ///
    /// # Errors
    /// [`SourceError::PatchSyntax`] when it is not a patch.
    pub fn changes(&self) -> Result<Changes, SourceError> {
        let files = self.parse()?;
        let hunks = files.iter().flat_map(|(_, patch)| patch.hunks());
        let mut changes = Changes::default();
        for line in hunks.flat_map(|hunk| hunk.lines()) {
            match line {
                Line::Insert(_) => changes.added += 1,
                Line::Delete(_) => changes.removed += 1,
                Line::Context(_) => {}
            }
        }
        Ok(changes)
    }

    /// Applies the patch to a tree, each hunk at exactly the line it names.
    ///
    /// # Errors
    /// [`SourceError::PatchSyntax`], [`SourceError::UnknownTarget`] or [`SourceError::HunkMoved`];
    /// the tree may then be changed in part.
    pub fn apply(&self, tree: &mut Tree) -> Result<(), SourceError> {
        for (file, patch) in self.parse()? {
            let old = tree.file(&file).ok_or_else(|| SourceError::UnknownTarget {
                patch: self.name.clone(),
                file: file.clone(),
                version: LUA_VERSION,
            })?;
            let new = self.apply_file(&file, old, &patch)?;
            tree.replace(&file, new);
        }
        Ok(())
    }

    fn apply_file(
        &self,
        file: &str,
        old: &str,
        patch: &Patch<'_, str>,
    ) -> Result<String, SourceError> {
        let moved = |misfit| self.moved(file, misfit);
        hunk::check_all(old, patch.hunks()).map_err(moved)?;
        let new = diffy::apply(old, patch).map_err(|cause| self.malformed(cause.to_string()))?;
        hunk::check_all(&new, patch.reverse().hunks()).map_err(moved)?;
        Ok(new)
    }

    fn moved(&self, file: &str, misfit: hunk::Misfit) -> SourceError {
        let hunk::Misfit { hunk, line, elsewhere } = misfit;
        let (patch, file) = (self.name.clone(), file.to_owned());
        SourceError::HunkMoved { patch, file, hunk, line, elsewhere }
    }

    fn parse(&self) -> Result<Vec<(String, Patch<'_, str>)>, SourceError> {
        let diff = &self.text[self.header().len()..];
        PatchSet::parse(diff, ParseOptions::unidiff())
            .map(|file| {
                let file = file.map_err(|cause| self.malformed(cause.to_string()))?;
                let name = self.target(file.operation())?;
                match file.into_patch() {
                    PatchKind::Text(patch) => Ok((name, patch)),
                    PatchKind::Binary(_) => Err(self.malformed("it is binary".into())),
                }
            })
            .collect()
    }

    /// The one file that an entry modifies: `a/lgc.c` and `b/lgc.c`.
    fn target(&self, operation: &FileOperation<'_, str>) -> Result<String, SourceError> {
        match operation.strip_prefix(1) {
            FileOperation::Modify { original, modified } if original == modified => {
                Ok(original.into_owned())
            }
            other => Err(self.malformed(format!("it does more than modify a file: {other:?}"))),
        }
    }

    fn malformed(&self, reason: String) -> SourceError {
        SourceError::PatchSyntax { patch: self.name.clone(), reason }
    }
}

fn says(header: &str, field: &str) -> bool {
    let mut lines = header.lines().skip_while(|line| !line.starts_with(field));
    let first = lines.next().map(|line| &line[field.len()..]);
    first.is_some_and(|rest| {
        let more = lines.next().filter(|line| line.starts_with(' ')).unwrap_or_default();
        [rest, more].iter().any(|text| !text.trim().is_empty())
    })
}
