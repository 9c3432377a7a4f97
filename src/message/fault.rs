//! A packing error on its way out, collecting the path as it leaves each table.

use super::MAX_DEPTH;
use super::error::PackError;
use super::path::{Path, Step};

/// What went wrong; the place is added on the way out.
#[derive(Debug)]
pub(super) enum Cause {
    Unsendable(&'static str),
    UnsendableKey(&'static str),
    /// The ancestor lies this many steps from the root.
    Cycle {
        ancestor_depth: usize,
    },
    Depth,
    Memory,
    Size(usize),
    Pairs(String),
    Stack,
    Value(String),
}

/// A [`Cause`] and the steps walked back so far. Boxed by its users: the good case is the common
/// one.
#[derive(Debug)]
pub(super) struct Fault {
    cause: Cause,
    path: Path,
}

impl Fault {
    #[cold]
    pub fn new(cause: Cause) -> Box<Self> {
        Box::new(Self { cause, path: Path::default() })
    }

    /// The fault as seen from outside the step that led to it.
    #[cold]
    pub fn inside(mut self: Box<Self>, step: Step) -> Box<Self> {
        self.path.push_outer(step);
        self
    }

    /// The value at fault was the key of the table that is being walked.
    #[cold]
    pub fn as_key(mut self: Box<Self>) -> Box<Self> {
        if let (Cause::Unsendable(kind), true) = (&self.cause, self.path.is_root()) {
            self.cause = Cause::UnsendableKey(kind);
        } else {
            self.path.push_outer(Step::Other("table"));
        }
        self
    }

    /// The error for the program, with the list of values called `root`.
    #[cold]
    pub fn into_error(self, root: &'static str) -> PackError {
        let path = self.path.rooted(root);
        match self.cause {
            Cause::Unsendable(kind) => PackError::Unsendable { path, kind },
            Cause::UnsendableKey(kind) => PackError::UnsendableKey { path, kind },
            Cause::Cycle { ancestor_depth } => {
                PackError::Cycle { ancestor: path.ancestor(ancestor_depth), path }
            }
            Cause::Depth => PackError::Depth { path, limit: MAX_DEPTH },
            Cause::Memory => PackError::Memory { path },
            Cause::Size(limit_bytes) => PackError::Size { path, limit_bytes },
            Cause::Pairs(message) => PackError::Pairs { path, message },
            Cause::Stack => PackError::Stack { path },
            Cause::Value(message) => PackError::Value { path, message },
        }
    }
}
