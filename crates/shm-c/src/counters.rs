//! Counters for many writers. Since version 3 of the functions.

use crate::argument::{Bytes, Handle, Out, ValueIn};
use crate::layout::{Sum, number_of, sum_of};

exported! {
    since "MOONHIVE_SHM_3";

    /// Adds to a counter.
    fn mhshm_counter_add(
        dictionary: Handle<'_>,
        name: Bytes<'_>,
        name_bytes: usize,
        by: ValueIn<'_>,
    ) {
        let by = number_of(&by.get()?)?;
        Ok(dictionary.tidied()?.counter(name.get(name_bytes)?).add(by)?)
    }

    /// What was added to a counter.
    fn mhshm_counter_read(
        dictionary: Handle<'_>,
        name: Bytes<'_>,
        name_bytes: usize,
        sum: Out<'_, Sum>,
    ) {
        sum.check()?;
        let total = dictionary.tidied()?.counter(name.get(name_bytes)?).read()?;
        sum.write(sum_of(total, false))
    }

    /// Begins a counter anew.
    fn mhshm_counter_reset(dictionary: Handle<'_>, name: Bytes<'_>, name_bytes: usize) {
        Ok(dictionary.tidied()?.counter(name.get(name_bytes)?).reset()?)
    }
}
