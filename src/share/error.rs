//! Why something was not shared.

/// Why a table or module was not shared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The name cannot be one of a shared table.
    #[error("a name of a shared table has 1 to {limit_bytes} bytes and no zero byte, got {name:?}")]
    Name {
        /// The name.
        name: String,
        /// The longest one there may be.
        limit_bytes: usize,
    },
    /// Something in the table cannot be shared.
    #[error(
        "cannot share '{name}': {reason}\n\
         hint: a shared table holds strings, numbers, booleans, tables without metatables, and functions \
         that refer to globals only"
    )]
    Refused {
        /// What was to be shared.
        name: String,
        /// What it holds that cannot be, and where.
        reason: String,
    },
    /// What a module returns cannot be shared.
    #[error(
        "cannot share '{name}': {reason}\n\
         hint: a shared module returns a string, a number, a boolean, or a table of these and of such \
         tables, without functions and metatables"
    )]
    RefusedModule {
        /// The module.
        name: String,
        /// What it returns that cannot be shared, and where.
        reason: String,
    },
    /// There are as many as there may be.
    #[error("{limit} tables or modules are shared already (hint: drop what is not used any more)")]
    Full {
        /// How many there may be.
        limit: usize,
    },
    /// Two modules need each other before either is there.
    #[error("shared module '{name}' requires itself while it is being loaded")]
    Cycle {
        /// The module that was asked for.
        name: String,
    },
}
