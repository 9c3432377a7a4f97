//! Making, opening, removing and listing dictionaries; what version of the library this is.

use std::ffi::{c_char, c_int};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::time::Duration;

use moonhive_shm::{Description, Dictionary};

use crate::argument::{Array, Handle, HandleOut, In, Place, Text};
use crate::failure::{Failure, Outcome, code_of_error};
use crate::layout::{ABI_VERSION, Object, Options, copy_text};

/// The options of the library, with its defaults where C left a zero.
pub fn options_of(options: In<'_, Options>) -> Outcome<moonhive_shm::Options> {
    let given = options.get()?;
    let mut options = moonhive_shm::Options::default();
    if given.size_bytes != 0 {
        options.size_bytes = given.size_bytes;
    }
    if given.mode != 0 {
        options.mode = given.mode;
    }
    if given.lock_timeout_ms != 0 {
        options.lock_timeout = Duration::from_millis(given.lock_timeout_ms.into());
    }
    options.shards = (given.shards != 0).then_some(given.shards);
    Ok(options)
}

exported! {
    /// Makes a dictionary that has a name.
    fn mhshm_create(name: Text<'_>, options: In<'_, Options>, dictionary: HandleOut<'_>) {
        dictionary.clear()?;
        dictionary.give(Dictionary::create(name.get()?, &options_of(options)?)?)
    }

    /// Opens a dictionary that has a name.
    fn mhshm_open(name: Text<'_>, options: In<'_, Options>, dictionary: HandleOut<'_>) {
        dictionary.clear()?;
        dictionary.give(Dictionary::open(name.get()?, &options_of(options)?)?)
    }

    /// Opens a dictionary, making it if it does not exist.
    fn mhshm_open_or_create(
        name: Text<'_>,
        options: In<'_, Options>,
        dictionary: HandleOut<'_>,
        made: Place<'_, c_int>,
    ) {
        dictionary.clear()?;
        let (opened, was_made) = Dictionary::open_or_create(name.get()?, &options_of(options)?)?;
        made.write(c_int::from(was_made));
        dictionary.give(opened)
    }

    /// Makes a dictionary without a name.
    fn mhshm_create_unnamed(label: Text<'_>, options: In<'_, Options>, dictionary: HandleOut<'_>) {
        dictionary.clear()?;
        dictionary.give(Dictionary::create_unnamed(label.get()?, &options_of(options)?)?)
    }

    /// Opens the dictionary behind a descriptor, which stays the caller's.
    fn mhshm_open_descriptor(
        descriptor: c_int,
        options: In<'_, Options>,
        dictionary: HandleOut<'_>,
    ) {
        dictionary.clear()?;
        if descriptor < 0 {
            return Err(Failure::Argument("the descriptor is negative"));
        }
        // SAFETY: not -1, and open for the time of the call as the header demands.
        let own = unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned();
        let own = own.map_err(|_| Failure::Argument("the descriptor is not open"))?;
        dictionary.give(Dictionary::from_descriptor(own, &options_of(options)?)?)
    }

    /// The descriptor of a dictionary, which stays the library's.
    fn mhshm_descriptor(dictionary: Handle<'_>, descriptor: Place<'_, c_int>) {
        descriptor.write(dictionary.get()?.as_fd().as_raw_fd());
        Ok(())
    }

    /// Closes a dictionary.
    fn mhshm_close(dictionary: Handle<'_>) {
        drop(dictionary.take());
        Ok(())
    }

    /// Takes the name of a dictionary away.
    fn mhshm_unlink(name: Text<'_>) {
        Ok(Dictionary::unlink(name.get()?)?)
    }

    /// Every object that has a name.
    fn mhshm_list(objects: Array<'_, Object>, capacity: usize, count: Place<'_, usize>) {
        let found: Vec<Object> = moonhive_shm::list()?.iter().map(describe).collect();
        count.write(found.len());
        objects.fill(capacity, &found)
    }
}

fn describe(found: &Description) -> Object {
    let header = found.header.as_ref();
    let mut object = Object {
        struct_bytes: 0,
        code: header.err().map_or(0, code_of_error),
        size_bytes: found.size_bytes,
        created_s: header.map_or(0, |header| header.created_s),
        user: found.user,
        group: found.group,
        mode: found.mode,
        creator_pid: header.map_or(0, |header| header.creator_pid),
        attached: found.attached.map_or(-1, c_int::from),
        name: [0; 204],
    };
    copy_text(&mut object.name, found.name.as_str());
    object
}

/// The version of the functions and structures.
// SAFETY: the prefix is ours; no other symbol of a program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn mhshm_abi_version() -> u32 {
    ABI_VERSION
}

version_symbol!(mhshm_abi_version, "MOONHIVE_SHM_1");

/// The version of the library, as text.
// SAFETY: the prefix is ours; no other symbol of a program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn mhshm_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

version_symbol!(mhshm_version, "MOONHIVE_SHM_1");
