//! Unpacking tables that have the same keys as one before: rows of a list, points, items.
//!
//! Such a table begins as a copy of that one's hash part: the keys lie where they must, and each
//! value goes to its place without a lookup. What a row costs then is its two blocks and its
//! values, a third of what inserting key after key takes.
//!
//! Nothing is believed: a table counts as a model only if all its keys were remembered ones, and a
//! value goes to a place only if its key lies there. Rows that turn out different are filled as any
//! table.

use std::ffi::c_int;

use moonhive_lua_sys::inside::{Bare, Fresh};
use moonhive_lua_sys::lua;
use moonhive_lua_sys::{quick, row};

use super::error::UnpackError;
use super::format::Shape;
use super::unpack::Unpacker;

/// Models that are kept at a time. Each takes a stack slot.
pub(super) const MODELS: usize = 4;
/// Pairs of a table that may be a model.
const PAIRS: std::ops::RangeInclusive<usize> = 2..=PAIRS_MAX;
const PAIRS_MAX: usize = 16;
/// Tables with other keys in a row that make a model give up its slot.
const MISSES_MAX: u8 = 4;

/// Which keys a table has, in the order of the bytes, and where they lie in its hash part.
#[derive(Clone, Copy)]
pub(super) struct Model {
    pairs: u8,
    misses: u8,
    /// Numbers of remembered keys.
    keys: [u8; PAIRS_MAX],
    places: [u8; PAIRS_MAX],
}

impl Model {
    /// No model: it fits no table.
    pub const NONE: Model =
        Model { pairs: 0, misses: MISSES_MAX, keys: [0; PAIRS_MAX], places: [0; PAIRS_MAX] };

    /// Whether a table may be like it.
    #[inline]
    fn fits(&self, first: u8, pairs: usize) -> bool {
        usize::from(self.pairs) == pairs && self.keys[0] == first
    }
}

impl Unpacker<'_> {
    /// The number of the remembered key that a table begins with, if it may be a row.
    #[inline]
    pub(super) fn first_key_of_row(&self, shape: Shape) -> Option<u8> {
        let may_be_row = shape.elements == 0 && PAIRS.contains(&shape.pairs);
        let first = self.reader.next_reference().filter(|_| may_be_row)?;
        (usize::from(first) < self.keys_seen).then_some(first)
    }

    /// The stack slot of the model for tables that begin with that key.
    #[inline]
    fn model_slot(&self, first: u8) -> c_int {
        let number = usize::from(first) % MODELS;
        self.base + (1 + self.reader.remembered_keys() + number) as c_int
    }

    /// Pushes a table of so many pairs that begins with the remembered key `first`.
    ///
    /// # Safety
    /// There must be room for what a level of nesting takes.
    pub(super) unsafe fn row(
        &mut self,
        first: u8,
        pairs: usize,
        owed: usize,
        depth: usize,
    ) -> Result<(), UnpackError> {
        let model = self.models[usize::from(first) % MODELS];
        // SAFETY: there is room; the slot of a model that fits holds its table.
        unsafe {
            if model.fits(first, pairs) {
                row::lua_pushrow(self.state, self.model_slot(first));
                return self.fill_row(&model, owed, depth);
            }
            lua::lua_createtable(self.state, 0, pairs as c_int);
            let keys = self.fill_and_note(pairs, owed, depth)?;
            if let Some(keys) = keys {
                self.keep_model(pairs, keys);
            }
        }
        Ok(())
    }

    /// Fills the table on top, a copy of a model.
    ///
    /// # Safety
    /// As [`row`](Self::row), and the table is there.
    unsafe fn fill_row(
        &mut self,
        model: &Model,
        owed: usize,
        depth: usize,
    ) -> Result<(), UnpackError> {
        let pairs = usize::from(model.pairs);
        // SAFETY: by contract; remembered keys lie above `base`.
        unsafe {
            let table = quick::gettop(self.state);
            let fresh = Fresh::at(self.state, table);
            for at in 0..pairs {
                let left = 2 * (pairs - at);
                match self.reader.next_reference() {
                    Some(key) if key == model.keys[at] => {
                        self.reader.skip_reference();
                        match self.reader.bare() {
                            Some(bare) => self.set_bare(fresh, table, model.places[at], key, bare),
                            None => {
                                self.value(owed + left - 2, depth)?;
                                self.set_at(table, model.places[at], key);
                            }
                        }
                    }
                    _ => self.pair(table, owed + left - 2, depth)?,
                }
            }
        }
        Ok(())
    }

    /// Gives a number or a boolean to a remembered key of the table at `table`, on top.
    ///
    /// # Safety
    /// As [`set_at`](Self::set_at), and the table is `fresh`.
    #[inline]
    unsafe fn set_bare(&mut self, fresh: Fresh, table: c_int, place: u8, key: u8, bare: Bare) {
        let slot = self.base + 1 + c_int::from(key);
        // SAFETY: by contract; the key is one that was remembered, a string.
        unsafe {
            if !fresh.set_node(self.state, place.into(), slot, bare) {
                bare.push(self.state);
                self.set_at(table, place, key);
            }
        }
    }

    /// Gives the value on top to a remembered key, at its place if it lies there.
    ///
    /// # Safety
    /// The table lies at `table` and the value above it, with room for another.
    #[inline]
    unsafe fn set_at(&mut self, table: c_int, place: u8, key: u8) {
        let key = self.base + 1 + c_int::from(key);
        // SAFETY: by contract; the key is one that was remembered, a string.
        unsafe {
            if row::lua_setplace(self.state, table, place.into(), key) == 0 {
                quick::pushvalue(self.state, key);
                lua::lua_insert(self.state, -2);
                lua::lua_rawset(self.state, table);
            }
        }
    }

    /// Fills the empty table on top; returns its keys if all were remembered ones.
    ///
    /// # Safety
    /// As [`row`](Self::row), and the table is there.
    unsafe fn fill_and_note(
        &mut self,
        pairs: usize,
        owed: usize,
        depth: usize,
    ) -> Result<Option<[u8; PAIRS_MAX]>, UnpackError> {
        let mut keys = [0; PAIRS_MAX];
        let mut are_known = true;
        // SAFETY: by contract.
        unsafe {
            let table = quick::gettop(self.state);
            for (at, key) in keys.iter_mut().enumerate().take(pairs) {
                match self.reader.next_reference() {
                    Some(number) => *key = number,
                    None => are_known = false,
                }
                self.pair(table, owed + 2 * (pairs - at) - 2, depth)?;
            }
        }
        Ok(are_known.then_some(keys))
    }

    /// Makes the table on top a model, if it can be one and the place is free.
    ///
    /// # Safety
    /// The table is there, and its keys are those.
    unsafe fn keep_model(&mut self, pairs: usize, keys: [u8; PAIRS_MAX]) {
        let first = keys[0];
        let kept = &mut self.models[usize::from(first) % MODELS];
        if kept.misses < MISSES_MAX {
            kept.misses += 1;
            return;
        }
        let mut places = [0; PAIRS_MAX];
        // SAFETY: by contract; remembered keys lie above `base`, and a slot is set aside for the
        // model.
        unsafe {
            let table = quick::gettop(self.state);
            for (place, key) in places.iter_mut().zip(keys).take(pairs) {
                let found = row::lua_rowplace(self.state, table, self.base + 1 + c_int::from(key));
                let Ok(found) = u8::try_from(found) else { return };
                *place = found;
            }
            lua::lua_copy(self.state, table, self.model_slot(first));
        }
        let model = Model { pairs: pairs as u8, misses: 0, keys, places };
        self.models[usize::from(first) % MODELS] = model;
    }
}
