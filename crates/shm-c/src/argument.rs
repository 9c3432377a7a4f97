//! What C hands in, as types: the one place where its pointers are followed.
//!
//! Values of these types come into being only as arguments of an exported function, so whoever
//! holds one may rely on what the header demands of the caller: a pointer is null or points to as
//! much as the function says, readable or writable, for the time of the call; a handle is open.
//! Null is refused politely where the header does not allow it. Nothing here outlives the call.

use std::ffi::{CStr, OsStr, c_char};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::slice;

use moonhive_shm::{Dictionary, Value};

use crate::failure::{Failure, Outcome};
use crate::layout::{Growing, InValue, kind};

/// An open dictionary.
#[repr(transparent)]
pub struct Handle<'c>(*const Dictionary, PhantomData<&'c ()>);

impl<'c> Handle<'c> {
    /// The dictionary.
    #[inline]
    pub fn get(self) -> Outcome<&'c Dictionary> {
        // SAFETY: null, or a handle that `give` made and nobody has closed, as the header demands.
        unsafe { self.0.as_ref() }.ok_or(Failure::Argument("the dictionary is null"))
    }

    /// The dictionary, for an operation on a key that gives expired entries back on the way.
    #[inline]
    pub fn tidied(self) -> Outcome<&'c Dictionary> {
        let dictionary = self.get()?;
        dictionary.tidy();
        Ok(dictionary)
    }

    /// Takes the dictionary back from C.
    pub fn take(self) -> Option<Box<Dictionary>> {
        let pointer = self.0.cast_mut();
        // SAFETY: as in `get`; the caller gives the handle up, and no other call uses it.
        (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer) })
    }
}

/// A place for a handle.
#[repr(transparent)]
pub struct HandleOut<'c>(*mut *const Dictionary, PhantomData<&'c ()>);

impl HandleOut<'_> {
    /// Fails if there is no place; empties it.
    pub fn clear(&self) -> Outcome {
        if self.0.is_null() {
            return Err(Failure::Argument("the place for the dictionary is null"));
        }
        // SAFETY: not null, so writable as the header demands.
        unsafe { self.0.write(std::ptr::null()) };
        Ok(())
    }

    /// Hands a dictionary to C, which closes it.
    pub fn give(self, dictionary: Dictionary) -> Outcome {
        self.clear()?;
        // SAFETY: `clear` has written there.
        unsafe { self.0.write(Box::into_raw(Box::new(dictionary))) };
        Ok(())
    }
}

/// A name or a path: text that ends with a zero byte.
#[repr(transparent)]
pub struct Text<'c>(*const c_char, PhantomData<&'c ()>);

impl<'c> Text<'c> {
    /// The text.
    pub fn get(self) -> Outcome<&'c str> {
        let text = self.bytes().ok_or(Failure::Argument("the name is null"))?.to_str();
        text.map_err(|_| Failure::Argument("the name is not UTF-8"))
    }

    /// The path that it is.
    pub fn path(self) -> Outcome<&'c Path> {
        let path = self.bytes().ok_or(Failure::Argument("the path is null"))?;
        Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
    }

    fn bytes(&self) -> Option<&'c CStr> {
        // SAFETY: not null, so it ends with a zero byte as the header demands.
        (!self.0.is_null()).then(|| unsafe { CStr::from_ptr(self.0) })
    }
}

/// Bytes whose length is another argument.
#[repr(transparent)]
pub struct Bytes<'c>(*const u8, PhantomData<&'c ()>);

impl<'c> Bytes<'c> {
    /// So many of them.
    #[inline]
    pub fn get(self, length_bytes: usize) -> Outcome<&'c [u8]> {
        bytes_at(self.0, length_bytes)
    }
}

/// Bytes at a pointer that C handed in.
#[inline]
fn bytes_at<'c>(start: *const u8, length_bytes: usize) -> Outcome<&'c [u8]> {
    match (start.is_null(), length_bytes) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Failure::Argument("bytes are null, but their length is not 0")),
        (false, _) if length_bytes > isize::MAX as usize => {
            Err(Failure::Argument("a length is negative"))
        }
        // SAFETY: not null, so readable for that length as the header demands.
        _ => Ok(unsafe { slice::from_raw_parts(start, length_bytes) }),
    }
}

/// A buffer whose size is another argument.
#[repr(transparent)]
pub struct Buffer<'c>(*mut u8, PhantomData<&'c ()>);

impl Buffer<'_> {
    /// Copies bytes into it, if they fit.
    #[inline]
    pub fn fill(self, capacity_bytes: usize, bytes: &[u8]) -> Outcome {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.0.is_null() || bytes.len() > capacity_bytes {
            return Err(Failure::TooSmall);
        }
        // SAFETY: not null, so writable for its capacity as the header demands; our bytes lie
        // elsewhere.
        unsafe { self.0.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }
}

/// A structure to read, or null for its defaults.
#[repr(transparent)]
pub struct In<'c, T>(*const T, PhantomData<&'c T>);

impl<T: Growing + Default> In<'_, T> {
    /// Its fields as this library knows them.
    #[inline]
    pub fn get(self) -> Outcome<T> {
        if self.0.is_null() {
            return Ok(T::default());
        }
        let struct_bytes = size_of_growing(self.0)?;
        if struct_bytes > size_of::<T>() {
            self.refuse_unknown(struct_bytes)?;
        }
        // SAFETY: it has at least that size, and any bits are valid.
        Ok(unsafe { self.0.read() })
    }

    /// What a newer header has added must be zero: we cannot do what it asks for.
    #[cold]
    fn refuse_unknown(&self, struct_bytes: usize) -> Outcome {
        let start = self.0.cast::<u8>().wrapping_add(size_of::<T>());
        let unknown = bytes_at(start, struct_bytes - size_of::<T>())?;
        if unknown.iter().any(|byte| *byte != 0) {
            return Err(Failure::Argument(
                "a structure has fields that this library is too old for",
            ));
        }
        Ok(())
    }
}

/// A structure to write, or null if the caller does not care.
#[repr(transparent)]
pub struct Out<'c, T>(*mut T, PhantomData<&'c mut T>);

impl<T: Growing> Out<'_, T> {
    /// What is there already, in a structure that is added to; it must not be null.
    pub fn read(&self) -> Outcome<T> {
        if self.0.is_null() {
            return Err(Failure::Argument("a structure is null"));
        }
        size_of_growing(self.0)?;
        // SAFETY: it has at least that size, as `size_of_growing` has checked, and any bits are
        // valid.
        Ok(unsafe { self.0.read() })
    }

    /// Fills the fields that this library knows.
    #[inline]
    pub fn write(self, value: T) -> Outcome {
        if self.0.is_null() {
            return Ok(());
        }
        let struct_bytes = size_of_growing(self.0)? as u32;
        // SAFETY: it has at least that size, as `size_of_growing` has checked, and is writable.
        unsafe {
            self.0.write(value);
            self.0.cast::<u32>().write(struct_bytes);
        }
        Ok(())
    }

    /// Fails now, before anything is done, if it could not be written later.
    #[inline]
    pub fn check(&self) -> Outcome {
        if self.0.is_null() { Ok(()) } else { size_of_growing(self.0).map(drop) }
    }
}

/// The size that a structure says it has: that of the first version at least.
#[inline]
fn size_of_growing<T: Growing>(structure: *const T) -> Outcome<usize> {
    // SAFETY: not null, so at least the size is there, as the header demands.
    let struct_bytes = unsafe { structure.cast::<u32>().read() } as usize;
    if struct_bytes < size_of::<T>() {
        return Err(Failure::Argument("struct_bytes is too small: set it to the size"));
    }
    Ok(struct_bytes)
}

/// A place for one number, or null.
#[repr(transparent)]
pub struct Place<'c, T>(*mut T, PhantomData<&'c mut T>);

impl<T: Copy + Into<u64> + Default> Place<'_, T> {
    /// The number that is there.
    pub fn read(&self) -> Outcome<T> {
        self.demand()?;
        // SAFETY: not null, so readable as the header demands.
        Ok(unsafe { self.0.read() })
    }
}

impl<T> Place<'_, T> {
    /// Fails now, before anything is done, if there is no place.
    pub fn demand(&self) -> Outcome {
        if self.0.is_null() {
            Err(Failure::Argument("the place of a number is null"))
        } else {
            Ok(())
        }
    }

    /// Writes the number.
    #[inline]
    pub fn write(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: not null, so writable as the header demands.
            unsafe { self.0.write(value) }
        }
    }
}

/// An array of structures to fill, whose length is another argument.
#[repr(transparent)]
pub struct Array<'c, T>(*mut T, PhantomData<&'c mut T>);

impl<T: Growing> Array<'_, T> {
    /// Fills as many as fit; each is as large as the first one says.
    pub fn fill(self, capacity: usize, values: &[T]) -> Outcome {
        if self.0.is_null() || capacity == 0 {
            return Ok(());
        }
        let stride = size_of_growing(self.0)?;
        for (index, value) in values.iter().take(capacity).enumerate() {
            let place = self.0.cast::<u8>().wrapping_add(index * stride).cast::<T>();
            // SAFETY: within the array of `capacity` structures of this size, as the header
            // demands; their alignment follows from the size, which C keeps a multiple of it.
            unsafe {
                place.write_unaligned(*value);
                place.cast::<u32>().write_unaligned(stride as u32);
            }
        }
        Ok(())
    }
}

/// A value, or null.
#[repr(transparent)]
pub struct ValueIn<'c>(*const InValue, PhantomData<&'c InValue>);

impl<'c> ValueIn<'c> {
    /// The value.
    #[inline]
    pub fn get(self) -> Outcome<Value<'c>> {
        self.optional()?.ok_or(Failure::Argument("the value is null"))
    }

    /// The value, if there is one.
    #[inline]
    pub fn optional(self) -> Outcome<Option<Value<'c>>> {
        // SAFETY: null, or readable as the header demands.
        let Some(value) = (unsafe { self.0.as_ref() }) else { return Ok(None) };
        if value.reserved != 0 {
            return Err(Failure::Argument("`reserved` of a value is not 0"));
        }
        let bytes = || bytes_at(value.bytes.cast(), value.length_bytes);
        Ok(Some(match value.kind {
            kind::NIL => Value::Nil,
            kind::BOOLEAN => Value::Boolean(boolean(value.integer)?),
            kind::INTEGER => Value::Integer(value.integer),
            kind::DOUBLE => Value::Double(value.number),
            kind::BYTES => Value::Bytes(bytes()?),
            kind::TABLE => Value::Table(bytes()?),
            _ => return Err(Failure::Argument("unknown type of a value")),
        }))
    }
}

#[inline]
fn boolean(integer: i64) -> Outcome<bool> {
    match integer {
        0 | 1 => Ok(integer == 1),
        _ => Err(Failure::Argument("`integer` of a boolean is neither 0 nor 1")),
    }
}
