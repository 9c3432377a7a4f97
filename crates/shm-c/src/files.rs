//! Dictionaries in files: making, opening, writing them to the disk, since version 2 of the
//! functions. All entries to a file and back, since version 3.

use std::ffi::c_int;

use moonhive_shm::Dictionary;
use moonhive_shm::segment::File;

use crate::argument::{Handle, HandleOut, In, Place, Text};
use crate::layout::Options;
use crate::objects::options_of;

exported! {
    since "MOONHIVE_SHM_2";

    /// Makes a dictionary in a file.
    fn mhshm_create_file(path: Text<'_>, options: In<'_, Options>, dictionary: HandleOut<'_>) {
        dictionary.clear()?;
        let file = File::new(path.path()?)?;
        dictionary.give(Dictionary::create_in(&file, &options_of(options)?)?)
    }

    /// Opens a dictionary in a file.
    fn mhshm_open_file(path: Text<'_>, options: In<'_, Options>, dictionary: HandleOut<'_>) {
        dictionary.clear()?;
        let file = File::new(path.path()?)?;
        dictionary.give(Dictionary::open_in(&file, &options_of(options)?)?)
    }

    /// Opens a dictionary in a file, making it if it does not exist.
    fn mhshm_open_or_create_file(
        path: Text<'_>,
        options: In<'_, Options>,
        dictionary: HandleOut<'_>,
        made: Place<'_, c_int>,
    ) {
        dictionary.clear()?;
        let file = File::new(path.path()?)?;
        let (opened, was_made) = Dictionary::open_or_create_in(&file, &options_of(options)?)?;
        made.write(c_int::from(was_made));
        dictionary.give(opened)
    }

    /// Writes a dictionary in a file to the disk.
    fn mhshm_sync(dictionary: Handle<'_>) {
        Ok(dictionary.get()?.sync()?)
    }
}

exported! {
    since "MOONHIVE_SHM_3";

    /// Writes all entries to a file.
    fn mhshm_save(dictionary: Handle<'_>, path: Text<'_>, count: Place<'_, u64>) {
        count.write(dictionary.get()?.save(path.path()?)?);
        Ok(())
    }

    /// Stores the entries of a file; how many, even if it fails.
    fn mhshm_load(dictionary: Handle<'_>, path: Text<'_>, count: Place<'_, u64>) {
        let loaded = dictionary.get()?.load(path.path()?);
        let stored = loaded.as_ref().map_or_else(|error| error.loaded.unwrap_or(0), |stored| *stored);
        count.write(stored);
        Ok(loaded.map(drop)?)
    }
}
