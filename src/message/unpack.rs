//! From bytes to the Lua stack, in one pass.
//!
//! The bytes may come from anywhere: whatever they hold, the outcome is values or an error, in
//! memory proportional to their length: at most 61 times as much, for tables of one table each. One
//! byte announces such a table, which takes 48 bytes itself, 9 for its place in the one around it,
//! and 4 for having places of its own; this is asked for ahead. Only raw writes into fresh tables
//! happen here. Creating tables and strings may run finalizers; they cannot reach what is being
//! built. Nothing here owns memory while Lua is called.

use std::ffi::{c_int, c_uint, c_void};

use moonhive_lua_sys::inside::Fresh;
use moonhive_lua_sys::lua::{self, lua_State};
use moonhive_lua_sys::{quick, row};

use super::MAX_DEPTH;
use super::buffer::Buffer;
use super::error::UnpackError;
use super::format::{KeyToken, Reader, Shape, Token};
use super::handle::{Handle, RebuildHandle};
use super::large::{Heap, push_large};
use super::packed::Packed;
use super::plain::unpack_plain;
use super::rows::{MODELS, Model};

/// Stack slots that one level of nesting uses: the table, a key, its value, and one to spare.
const SLOTS_PER_LEVEL: c_int = 4;
/// So many values of a table need memory that is worth asking for, and so many tables together.
const ASKED_VALUES: usize = 256;
const ASKED_TABLES: u32 = 256;
/// Bytes of a value in a table, and of a table itself, at least.
const VALUE_BYTES: usize = 9;
const TABLE_BYTES: usize = 48;
/// Elements of lists that are made the short way.
const SHORT_ARRAY: usize = 1024;

/// How values are unpacked.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnpackOptions {
    /// Makes the Lua value for a handle; without it handles are refused.
    pub rebuild: Option<RebuildHandle>,
    /// The bytes come from another process: light userdata are refused.
    pub foreign: bool,
    /// Leave to let large strings lie in the buffers of the payload; without it they are copied.
    pub heap: Option<Heap>,
    /// Whether the VM may use so many bytes more. Asked before large tables and many of them are
    /// made, in a VM that is refused no memory meanwhile: a few bytes announce a table.
    pub has_room: Option<HasRoom>,
}

/// See [`UnpackOptions::has_room`]. The state is the one that is unpacked into.
pub type HasRoom = unsafe fn(state: *mut lua_State, size_bytes: usize) -> bool;

/// Pushes the values of a payload and returns how many there are. After an error the stack is as it
/// was.
///
/// # Errors
/// [`UnpackError`] says at which offset the bytes stop being a payload.
///
/// # Safety
/// `state` must be a valid state that this thread may use. Memory errors of the VM are raised as
/// usual (a `longjmp`), so the caller's frames must not own anything then; Moonhive's own VMs raise
/// none while native code runs. [`UnpackOptions::heap`] must suit the VM.
pub unsafe fn unpack<'a>(
    state: *mut lua_State,
    payload: impl Into<Packed<'a>>,
    options: &UnpackOptions,
) -> Result<c_int, UnpackError> {
    let packed = payload.into();
    if !options.foreign {
        // SAFETY: the caller vouches for the state.
        if let Some(count) = unsafe { unpack_plain(state, packed.bytes) } {
            return Ok(count);
        }
    }
    let reader = Reader::new(packed)?;
    // SAFETY: the caller vouches for the state; `settop` only pops what was pushed here.
    unsafe {
        let base = quick::gettop(state);
        let models = [Model::NONE; MODELS];
        let mut unpacker =
            Unpacker { state, reader, base, keys_seen: 0, models, tables: 0, options };
        let result = unpacker.values();
        if result.is_err() {
            lua::lua_settop(state, base);
        }
        result
    }
}

/// The state of one unpacking. Remembered keys take the stack slots right above `base`, then come
/// those of the models, if any key is to be remembered.
pub(super) struct Unpacker<'a> {
    pub(super) state: *mut lua_State,
    pub(super) reader: Reader<'a>,
    pub(super) base: c_int,
    /// String keys met so far, up to the number that must be remembered.
    pub(super) keys_seen: usize,
    pub(super) models: [Model; MODELS],
    /// Tables that were begun.
    tables: u32,
    options: &'a UnpackOptions,
}

impl Unpacker<'_> {
    /// Pushes all values and returns their number.
    ///
    /// # Safety
    /// The state must be valid; nothing may have been pushed above `base`.
    unsafe fn values(&mut self) -> Result<c_int, UnpackError> {
        let keys = self.reader.remembered_keys() as c_int;
        let aside = if keys > 0 { keys + MODELS as c_int } else { 0 };
        let mut count = 0;
        // SAFETY: room for what is set aside, and for each value before it is pushed.
        unsafe {
            self.reserve_stack(aside + 1)?;
            if aside > 0 {
                lua::lua_settop(self.state, self.base + aside);
            }
            while !self.reader.is_at_end() {
                if !quick::checkstack(self.state, 1) {
                    return Err(UnpackError::Stack { count: count as usize });
                }
                self.value(0, 0)?;
                count += 1;
            }
            self.drop_aside(aside);
        }
        Ok(count)
    }

    /// Takes remembered keys and models away from below the values.
    ///
    /// # Safety
    /// They must be the first `slots` values above `base`.
    unsafe fn drop_aside(&mut self, slots: c_int) {
        if slots > 0 {
            // SAFETY: they are the first slots above `base`; they move to the top.
            unsafe {
                lua::lua_rotate(self.state, self.base + 1, -slots);
                lua::lua_settop(self.state, -slots - 1);
            }
        }
    }

    /// Makes room for `slots` values.
    ///
    /// # Safety
    /// The state must be valid.
    unsafe fn reserve_stack(&self, slots: c_int) -> Result<(), UnpackError> {
        // SAFETY: the state is valid; the call reports failure instead of raising it.
        match unsafe { quick::checkstack(self.state, slots) } {
            false => Err(UnpackError::Stack { count: 0 }),
            true => Ok(()),
        }
    }

    /// Pushes one value. `owed` values still belong to the `depth` tables around it.
    ///
    /// # Safety
    /// There must be room for it.
    #[inline]
    pub(super) unsafe fn value(&mut self, owed: usize, depth: usize) -> Result<(), UnpackError> {
        let token = self.reader.value(owed)?;
        // SAFETY: the caller made room for one value.
        unsafe { self.push(token, owed, depth) }
    }

    /// Pushes the value that `token` announces.
    ///
    /// # Safety
    /// There must be room for it.
    #[inline(always)]
    unsafe fn push(
        &mut self,
        token: Token<'_>,
        owed: usize,
        depth: usize,
    ) -> Result<(), UnpackError> {
        let state = self.state;
        // SAFETY: there is room for one value; tables make room for what they hold.
        unsafe {
            match token {
                Token::String(bytes) => {
                    lua::lua_pushlstring(state, bytes.as_ptr().cast(), bytes.len());
                }
                Token::Large(buffer) => self.large(buffer),
                Token::Integer(value) => quick::pushinteger(state, value),
                Token::Table(shape) => return self.table(shape, owed, depth),
                Token::Float(value) => quick::pushnumber(state, value),
                Token::Boolean(value) => quick::pushboolean(state, value),
                Token::Nil => quick::pushnil(state),
                Token::Pointer(address) => return self.pointer(address),
                Token::Handle { kind, value } => return self.handle(Handle { kind, value }),
            }
        }
        Ok(())
    }

    /// Pushes a string that lies beside the bytes.
    ///
    /// # Safety
    /// There must be room for it.
    #[cold]
    unsafe fn large(&self, buffer: &Buffer) {
        // SAFETY: by contract.
        unsafe {
            match self.options.heap {
                Some(heap) => push_large(self.state, buffer, heap),
                None => {
                    let bytes = buffer.bytes();
                    lua::lua_pushlstring(self.state, bytes.as_ptr().cast(), bytes.len());
                }
            }
        }
    }

    /// Pushes a light userdata.
    ///
    /// # Safety
    /// There must be room for it.
    unsafe fn pointer(&mut self, address: u64) -> Result<(), UnpackError> {
        if self.options.foreign {
            return Err(UnpackError::Pointer { offset_bytes: self.reader.position() });
        }
        let pointer = std::ptr::with_exposed_provenance_mut::<c_void>(address as usize);
        // SAFETY: there is room; Lua only carries the address.
        unsafe { lua::lua_pushlightuserdata(self.state, pointer) };
        Ok(())
    }

    /// Has a handle pushed by whoever knows its kind.
    ///
    /// # Safety
    /// There must be room for it.
    unsafe fn handle(&mut self, handle: Handle) -> Result<(), UnpackError> {
        let known = self.options.rebuild.is_some_and(|rebuild| {
            // SAFETY: the state is valid, and there is room for the value that the hook pushes.
            unsafe { rebuild(self.state, handle) }
        });
        let offset_bytes = self.reader.position();
        if known { Ok(()) } else { Err(UnpackError::Handle { kind: handle.kind, offset_bytes }) }
    }

    /// Pushes a table of `shape` and fills it.
    ///
    /// # Safety
    /// There must be room for the table; it makes room for what it holds.
    unsafe fn table(&mut self, shape: Shape, owed: usize, depth: usize) -> Result<(), UnpackError> {
        if depth == MAX_DEPTH {
            return Err(UnpackError::Depth { limit: MAX_DEPTH });
        }
        // SAFETY: room is made first. The counts fit: the reader checked them against the bytes,
        // and those against `MAX_PAYLOAD_BYTES`.
        unsafe {
            self.ask_for_memory(shape)?;
            self.reserve_stack(SLOTS_PER_LEVEL)?;
            if let Some(first) = self.first_key_of_row(shape) {
                return self.row(first, shape.pairs, owed, depth + 1);
            }
            if shape.pairs == 0 && shape.elements <= SHORT_ARRAY {
                row::lua_pusharray(self.state, shape.elements as c_uint);
            } else {
                lua::lua_createtable(self.state, shape.elements as c_int, shape.pairs as c_int);
            }
            let table = quick::gettop(self.state);
            let fresh = Fresh::at(self.state, table);
            let mut left = shape.values();
            for place in 0..shape.elements {
                left -= 1;
                if let Some(bare) = self.reader.bare() {
                    let is_set = fresh.set_slot(place, bare);
                    debug_assert!(is_set, "the table was made with that many slots");
                    continue;
                }
                self.value(owed + left, depth + 1)?;
                lua::lua_rawseti(self.state, table, place as i64 + 1);
            }
            while left > 0 {
                left -= 2;
                self.pair(table, owed + left, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Fails if there is no memory for a large table, or for some hundred of any size.
    ///
    /// # Safety
    /// The state must be valid.
    #[inline]
    unsafe fn ask_for_memory(&mut self, shape: Shape) -> Result<(), UnpackError> {
        self.tables = self.tables.wrapping_add(1);
        let values = shape.values();
        if values < ASKED_VALUES && !self.tables.is_multiple_of(ASKED_TABLES) {
            return Ok(());
        }
        let Some(has_room) = self.options.has_room else { return Ok(()) };
        let size_bytes = values * VALUE_BYTES + ASKED_TABLES as usize * TABLE_BYTES;
        // SAFETY: by contract.
        if unsafe { has_room(self.state, size_bytes) } { Ok(()) } else { Err(UnpackError::Memory) }
    }

    /// Reads a key and a value into the table at `table`. `owed` values follow them.
    ///
    /// # Safety
    /// The table is on top, and there is room for both.
    #[inline]
    pub(super) unsafe fn pair(
        &mut self,
        table: c_int,
        owed: usize,
        depth: usize,
    ) -> Result<(), UnpackError> {
        // SAFETY: by contract.
        unsafe {
            self.key(owed + 1, depth)?;
            self.value(owed, depth)?;
            lua::lua_rawset(self.state, table);
        }
        Ok(())
    }

    /// Pushes what stands in the place of a key.
    ///
    /// # Safety
    /// There must be room for it.
    #[inline]
    unsafe fn key(&mut self, owed: usize, depth: usize) -> Result<(), UnpackError> {
        // SAFETY: the table made room for its keys; slot numbers below `keys_seen` hold keys.
        unsafe {
            match self.reader.key(owed)? {
                KeyToken::Reference(number) if usize::from(number) < self.keys_seen => {
                    quick::pushvalue(self.state, self.base + 1 + c_int::from(number));
                }
                KeyToken::Reference(_) | KeyToken::Literal(Token::Nil | Token::Large(_)) => {
                    return self.bad_key();
                }
                KeyToken::Literal(Token::Float(key)) if key.is_nan() => return self.bad_key(),
                KeyToken::Literal(token) => {
                    self.push(token, owed, depth)?;
                    if matches!(token, Token::String(_)) {
                        self.remember_key();
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps the string on top of the stack for references to it.
    ///
    /// # Safety
    /// The value on top must be one.
    #[inline]
    unsafe fn remember_key(&mut self) {
        if self.keys_seen < self.reader.remembered_keys() {
            // SAFETY: `values` set a slot aside for each key to remember.
            unsafe { lua::lua_copy(self.state, -1, self.base + 1 + self.keys_seen as c_int) };
            self.keys_seen += 1;
        }
    }

    #[cold]
    fn bad_key(&self) -> Result<(), UnpackError> {
        Err(UnpackError::Key { offset_bytes: self.reader.position() })
    }
}
