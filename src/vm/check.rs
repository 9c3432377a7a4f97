//! Arguments of natives: checked as Lua's own library does, with the same messages.

use std::ffi::c_int;

use super::raise::Raise;
use super::read::Kind;
use super::stack::Stack;

impl Stack<'_> {
    /// The argument as an integer.
    ///
    /// # Errors
    /// `number expected, got nil`, or `number has no integer representation`.
    #[inline]
    pub fn check_integer(&self, argument: c_int) -> Result<i64, Raise> {
        self.integer(argument).ok_or_else(|| self.not_an_integer(argument))
    }

    #[cold]
    fn not_an_integer(&self, argument: c_int) -> Raise {
        if self.number(argument).is_some() {
            Raise::argument(argument, "number has no integer representation")
        } else {
            self.type_error(argument, "number")
        }
    }

    /// The argument as a float.
    ///
    /// # Errors
    /// `number expected, got nil`.
    #[inline]
    pub fn check_number(&self, argument: c_int) -> Result<f64, Raise> {
        self.number(argument).ok_or_else(|| self.type_error(argument, "number"))
    }

    /// The argument as an integer, or `None` if it is nil or missing.
    ///
    /// # Errors
    /// As [`Stack::check_integer`].
    pub fn optional_integer(&self, argument: c_int) -> Result<Option<i64>, Raise> {
        self.optional(argument, Stack::check_integer)
    }

    /// The argument as a float, or `None` if it is nil or missing.
    ///
    /// # Errors
    /// As [`Stack::check_number`].
    pub fn optional_number(&self, argument: c_int) -> Result<Option<f64>, Raise> {
        self.optional(argument, Stack::check_number)
    }

    /// The bytes of a string argument. A number becomes its text, as everywhere in Lua.
    ///
    /// # Errors
    /// `string expected, got nil`.
    #[inline]
    pub fn check_bytes(&self, argument: c_int) -> Result<&[u8], Raise> {
        match self.bytes(argument) {
            Some(bytes) => Ok(bytes),
            None => self.check_bytes_of_number(argument),
        }
    }

    #[cold]
    fn check_bytes_of_number(&self, argument: c_int) -> Result<&[u8], Raise> {
        if self.kind(argument) == Kind::Number {
            self.number_to_text(argument);
        }
        self.bytes(argument).ok_or_else(|| self.type_error(argument, "string"))
    }

    /// The bytes of a string argument, or `None` if it is nil or missing.
    ///
    /// # Errors
    /// As [`Stack::check_bytes`].
    pub fn optional_bytes(&self, argument: c_int) -> Result<Option<&[u8]>, Raise> {
        if self.is_none_or_nil(argument) { Ok(None) } else { self.check_bytes(argument).map(Some) }
    }

    /// The text of a string argument.
    ///
    /// # Errors
    /// `string expected, got nil`, or `invalid UTF-8`.
    pub fn check_str(&self, argument: c_int) -> Result<&str, Raise> {
        std::str::from_utf8(self.check_bytes(argument)?)
            .map_err(|_| Raise::argument(argument, "invalid UTF-8"))
    }

    /// The text of a string argument, or `None` if it is nil or missing.
    ///
    /// # Errors
    /// As [`Stack::check_str`].
    pub fn optional_str(&self, argument: c_int) -> Result<Option<&str>, Raise> {
        if self.is_none_or_nil(argument) { Ok(None) } else { self.check_str(argument).map(Some) }
    }

    /// Checks the kind of an argument.
    ///
    /// # Errors
    /// `table expected, got nil`, for instance.
    pub fn check_kind(&self, argument: c_int, kind: Kind) -> Result<(), Raise> {
        if self.kind(argument) == kind {
            Ok(())
        } else {
            Err(self.type_error(argument, kind.name()))
        }
    }

    /// Checks that there is an argument, be it nil.
    ///
    /// # Errors
    /// `value expected`.
    pub fn check_any(&self, argument: c_int) -> Result<(), Raise> {
        if self.kind(argument) == Kind::None {
            Err(Raise::argument(argument, "value expected"))
        } else {
            Ok(())
        }
    }

    /// The error for an argument of the wrong kind: `number expected, got nil`.
    #[cold]
    pub fn type_error(&self, argument: c_int, expected: &str) -> Raise {
        Raise::argument(argument, format!("{expected} expected, got {}", self.describe(argument)))
    }

    fn optional<T>(
        &self,
        argument: c_int,
        check: impl Fn(&Self, c_int) -> Result<T, Raise>,
    ) -> Result<Option<T>, Raise> {
        if self.is_none_or_nil(argument) { Ok(None) } else { check(self, argument).map(Some) }
    }
}
