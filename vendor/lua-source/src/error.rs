//! What can go wrong between the registry and the compiler, and what to do about it.

use std::path::PathBuf;

/// Why sources could not be found, trusted or patched. [`SourceError::hint`] says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file or folder could not be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {path}: {cause}")]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Cargo could not say where it unpacked the crate with the sources.
    #[error("cannot find the sources of Lua: {reason}")]
    NotFound {
        /// What cargo answered.
        reason: String,
    },
    /// The environment variable names a folder without Lua sources.
    #[error("no Lua sources in {path}: it holds no lua.h")]
    NotASource {
        /// The folder that was tried.
        path: PathBuf,
    },
    /// A pinned file is not there.
    #[error("{file} is missing from the Lua sources in {dir}")]
    Missing {
        /// Name of the file.
        file: String,
        /// Where the sources are.
        dir: PathBuf,
    },
    /// A source file is there that no sum vouches for.
    #[error("{file} in {dir} is not a file of Lua {version}")]
    Unknown {
        /// Name of the file.
        file: String,
        /// Where the sources are.
        dir: PathBuf,
        /// The release that the sums describe.
        version: &'static str,
    },
    /// A file differs from the pinned one.
    #[error("{file} in {dir} was altered: its sha-256 is {found}, pinned is {pinned}")]
    Altered {
        /// Name of the file.
        file: String,
        /// Where the sources are.
        dir: PathBuf,
        /// The sum in our repository.
        pinned: String,
        /// The sum of what is there.
        found: String,
    },
    /// A line of a sums file is not `SHA-256  NAME`.
    #[error("{path}:{line}: expected `SHA-256  FILE`, found `{text}`")]
    SumsSyntax {
        /// The sums file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A patch lacks one of the fields of its header.
    #[error("{patch} does not say `{field}`")]
    Header {
        /// Name of the patch.
        patch: String,
        /// The missing field.
        field: &'static str,
    },
    /// A patch is not a unified diff that modifies files.
    #[error("{patch} is not a patch: {reason}")]
    PatchSyntax {
        /// Name of the patch.
        patch: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A patch names a file that Lua does not have.
    #[error("{patch} changes {file}, which Lua {version} does not have")]
    UnknownTarget {
        /// Name of the patch.
        patch: String,
        /// The file it names.
        file: String,
        /// The release that was to be patched.
        version: &'static str,
    },
    /// A hunk does not fit at the line it names.
    #[error("{patch}: hunk {hunk} for {file} does not fit at line {line}{}", found_elsewhere(*.elsewhere))]
    HunkMoved {
        /// Name of the patch.
        patch: String,
        /// The file it changes.
        file: String,
        /// Number of the hunk in that file, from 1.
        hunk: usize,
        /// Line the hunk names.
        line: usize,
        /// Line where it would fit, if there is one.
        elsewhere: Option<usize>,
    },
    /// A patched file is not what the author of the patches pinned.
    #[error("patched {file} has sha-256 {found}, {pinned} is pinned")]
    Result {
        /// Name of the file.
        file: String,
        /// The sum in our repository, or `nothing`.
        pinned: String,
        /// The sum of the result, or `nothing`.
        found: String,
    },
    /// The series names a patch that is not there, or a patch is not in the series.
    #[error("{path}: {reason}")]
    Series {
        /// The series file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl SourceError {
    /// The next step for whoever reads the error, as one sentence without a full stop.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } | Self::Write { .. } => "check that the path exists and is yours",
            Self::NotFound { .. } => {
                "run `cargo fetch`, or set MOONHIVE_LUA_SRC to a copy of the folder `lua-5.5.1` of \
                 the crate lua-src 551.1.0"
            }
            Self::NotASource { .. } => {
                "MOONHIVE_LUA_SRC must name the folder `lua-5.5.1` of the crate lua-src 551.1.0 or \
                 the unpacked crate itself"
            }
            Self::Missing { .. } | Self::Unknown { .. } | Self::Altered { .. } => {
                "remove the unpacked crate (or your copy in MOONHIVE_LUA_SRC) and let cargo fetch \
                 lua-src 551.1.0 again; a new Lua release needs new pinned sums"
            }
            Self::SumsSyntax { .. } => "restore the file from the repository",
            Self::Header { .. } => {
                "a patch opens with the fields `Why:`, `Touches:` and `Tested:`, each with text"
            }
            Self::PatchSyntax { .. } => "see patches/README.md for the form of a patch",
            Self::UnknownTarget { .. } | Self::HunkMoved { .. } => {
                "work on the sources with `cargo xtask patch apply DIR`, then write the patches \
                 anew with `cargo xtask patch refresh DIR`"
            }
            Self::Result { .. } => "run `cargo xtask patch refresh` if the change is meant",
            Self::Series { .. } => "one name of a patch per line, in the order they apply",
        }
    }
}

fn found_elsewhere(line: Option<usize>) -> String {
    line.map_or_else(
        || " or anywhere else".to_owned(),
        |line| format!(", it would fit at line {line}"),
    )
}
