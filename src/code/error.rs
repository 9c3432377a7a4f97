//! Why a chunk could not be loaded.

use std::ffi::{CString, c_int};
use std::io;
use std::sync::Arc;

use super::source::Kind;

/// What Lua's compiler said about a chunk. Everyone who waited for that compilation gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The status that stock Lua returns with it, `LUA_ERRSYNTAX` as a rule.
    pub status: c_int,
    /// The message, byte for byte what stock Lua says; it begins with the chunk's name.
    pub message: Box<[u8]>,
    /// The name under which the chunk was compiled.
    pub chunk_name: CString,
}

/// Why a chunk could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The compiler refuses the chunk.
    #[error("{}", String::from_utf8_lossy(&.0.message))]
    Rejected(Arc<Rejection>),

    /// The VM that asked has no memory left for the compilation.
    #[error("not enough memory")]
    OutOfMemory,

    /// The VM that asked was interrupted. The interruption is still pending there.
    #[error("interrupted while compiling")]
    Interrupted,

    /// The mode argument excludes this kind of chunk.
    #[error("attempt to load a {found} chunk (mode is '{mode}')")]
    WrongKind {
        /// What the chunk is.
        found: Kind,
        /// What the caller allows.
        mode: String,
    },

    /// There is no such file, it cannot be read, or it is not a regular file.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The path as given.
        path: String,
        /// What the system said.
        reason: io::Error,
    },

    /// The cache has reached its limit.
    #[error(
        "the code cache holds {limit} chunks and takes no more\n\
         hint: generated files fill it; load them with the cache OFF, or clear it"
    )]
    Full {
        /// Chunks it may hold.
        limit: usize,
    },
}
