//! Changing one key.

use std::ffi::c_int;

use moonhive_shm::{Dictionary, Error, SetOptions, Value};

use crate::argument::{Bytes, Handle, In, Out, Place, ValueIn};
use crate::failure::{Failure, Outcome};
use crate::layout::{StoreOptions, Stored, Sum, number_of, sum_of};

/// The arguments that every store has.
struct Store<'c> {
    dictionary: Handle<'c>,
    key: Bytes<'c>,
    key_bytes: usize,
    value: ValueIn<'c>,
    options: In<'c, StoreOptions>,
    stored: Out<'c, Stored>,
}

impl Store<'_> {
    /// Runs a store, and tells what became of it even if it failed.
    #[inline]
    fn run(
        self,
        act: impl FnOnce(
            &Dictionary,
            &[u8],
            Value<'_>,
            SetOptions,
        ) -> moonhive_shm::Result<moonhive_shm::Stored>,
    ) -> Outcome {
        let (dictionary, key) = (self.dictionary.tidied()?, self.key.get(self.key_bytes)?);
        let options = self.options.get()?.into();
        self.stored.check()?;
        let done = act(dictionary, key, self.value.get()?, options);
        self.stored.write(result_of(&done))?;
        done.map(drop).map_err(Failure::from)
    }
}

fn result_of(done: &moonhive_shm::Result<moonhive_shm::Stored>) -> Stored {
    let (forcible, version) = match done {
        Ok(stored) => (stored.forcible, stored.version),
        Err(Error::NoMemory { forcible, .. }) => (*forcible, 0),
        Err(Error::Changed { version }) => (false, *version),
        Err(_) => (false, 0),
    };
    Stored { struct_bytes: 0, forcible: u32::from(forcible), version }
}

exported! {
    /// Stores a value, whatever was there.
    fn mhshm_set(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        value: ValueIn<'_>,
        options: In<'_, StoreOptions>,
        stored: Out<'_, Stored>,
    ) {
        Store { dictionary, key, key_bytes, value, options, stored }
            .run(|dictionary, key, value, options| dictionary.set(key, value, options))
    }

    /// Stores a value if no live entry has the key.
    fn mhshm_add(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        value: ValueIn<'_>,
        options: In<'_, StoreOptions>,
        stored: Out<'_, Stored>,
    ) {
        Store { dictionary, key, key_bytes, value, options, stored }
            .run(|dictionary, key, value, options| dictionary.add(key, value, options))
    }

    /// Stores a value if a live entry has the key.
    fn mhshm_replace(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        value: ValueIn<'_>,
        options: In<'_, StoreOptions>,
        stored: Out<'_, Stored>,
    ) {
        Store { dictionary, key, key_bytes, value, options, stored }
            .run(|dictionary, key, value, options| dictionary.replace(key, value, options))
    }

    /// Stores a value if the live entry has this version.
    fn mhshm_cas(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        version: u64,
        value: ValueIn<'_>,
        options: In<'_, StoreOptions>,
        stored: Out<'_, Stored>,
    ) {
        Store { dictionary, key, key_bytes, value, options, stored }
            .run(|dictionary, key, value, options| dictionary.cas(key, version, value, options))
    }

    /// Ends an entry or a list.
    fn mhshm_delete(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        was_live: Place<'_, c_int>,
    ) {
        let deleted = dictionary.tidied()?.delete(key.get(key_bytes)?)?;
        was_live.write(c_int::from(deleted));
        Ok(())
    }

    /// Adds to a number.
    fn mhshm_incr(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        by: ValueIn<'_>,
        initial: ValueIn<'_>,
        options: In<'_, StoreOptions>,
        sum: Out<'_, Sum>,
    ) {
        sum.check()?;
        let (dictionary, key) = (dictionary.tidied()?, key.get(key_bytes)?);
        let initial = initial.optional()?.map(|value| number_of(&value)).transpose()?;
        let done = dictionary.incr(key, number_of(&by.get()?)?, initial, options.get()?.into());
        if let Err(Error::NoMemory { forcible, .. }) = done {
            sum.write(Sum { forcible: u32::from(forcible), ..Sum::default() })?;
            return Err(done.err().map_or(Failure::Absent, Failure::from));
        }
        let done = done?;
        sum.write(sum_of(done.value, done.forcible))
    }

    /// Lets a live entry or list end in so many milliseconds.
    fn mhshm_expire(dictionary: Handle<'_>, key: Bytes<'_>, key_bytes: usize, ttl_ms: u64) {
        Ok(dictionary.get()?.expire(key.get(key_bytes)?, ttl_ms)?)
    }
}

exported! {
    since "MOONHIVE_SHM_3";

    /// Ends an entry or a list if it has this version.
    fn mhshm_delete_version(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        version: u64,
    ) {
        Ok(dictionary.get()?.remove(key.get(key_bytes)?, version)?)
    }
}
