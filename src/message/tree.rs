//! The quick way for tables: the tree is read from the inside and written in one pass.
//!
//! It gives up wherever something would have to be done about a value: what cannot be sent, a
//! cycle, too deep a nesting, a metatable that may have `__pairs`, elements that lie in the hash
//! part. The long way ([`pack`](super::pack)) then begins from the start. Both write the same
//! bytes.
//!
//! Invariant: nothing here runs code of the VM, and all that is allocated in it are the contents of
//! deferred tables, so that no table changes that was looked into and no string moves while it is
//! read.

use std::ffi::c_int;

use moonhive_lua_sys::external::Long;
use moonhive_lua_sys::inside::{Item, Table};
use moonhive_lua_sys::lua::lua_State;
use moonhive_lua_sys::quick::Plain;

use super::format::{Shape, Writer};
use super::keys::KeyCache;
use super::large::{Heap, LARGE_BYTES, buffer_of};
use super::pack::PackOptions;
use super::scratch::Scratch;
use super::{MAX_DEPTH, MAX_PAYLOAD_BYTES};

/// Writes the `count` values from `first` on; `None`, with anything written, if they need the long
/// way.
///
/// # Safety
/// `state` is a valid state that this thread may use, with that many values at positive indices.
pub(super) unsafe fn pack_tree(
    state: *mut lua_State,
    scratch: &mut Scratch,
    (first, count): (c_int, c_int),
    options: &PackOptions,
) -> Option<()> {
    let Scratch { writer, keys, ancestors } = scratch;
    let asks_pairs = options.pairs.is_some();
    let limit_bytes = options.limit_bytes.min(MAX_PAYLOAD_BYTES);
    let heap = options.heap;
    let mut tree = Tree { state, writer, keys, ancestors, limit_bytes, asks_pairs, heap };
    (first..first + count).try_for_each(|index| {
        // SAFETY: the caller vouches for the values; nothing changes them meanwhile.
        unsafe { tree.value(Item::at(state, index), 0) }
    })
}

struct Tree<'a> {
    state: *mut lua_State,
    writer: &'a mut Writer,
    keys: &'a mut KeyCache,
    /// The tables that are being read, outermost first.
    ancestors: &'a mut [usize; MAX_DEPTH],
    limit_bytes: usize,
    asks_pairs: bool,
    heap: Option<Heap>,
}

impl Tree<'_> {
    /// Writes a value that `depth` tables hold.
    ///
    /// # Safety
    /// It is one of the VM and does not change meanwhile.
    #[inline]
    unsafe fn value(&mut self, item: Item<'_>, depth: usize) -> Option<()> {
        match item {
            Item::Plain(plain) => self.plain(plain),
            // SAFETY: by contract.
            Item::Long(string) => unsafe { self.long(string) },
            // SAFETY: by contract.
            Item::Table(table) => unsafe { self.table(table, depth) },
            Item::Other => None,
        }
    }

    #[inline]
    fn plain(&mut self, plain: Plain<'_>) -> Option<()> {
        match plain {
            Plain::String(bytes) => return self.string(bytes),
            Plain::Integer(value) => self.writer.integer(value),
            Plain::Float(value) => self.writer.float(value),
            Plain::Boolean(value) => self.writer.boolean(value),
            Plain::Nil => self.writer.nil(),
            Plain::Pointer(address) => self.writer.pointer(address),
        }
        self.fits()
    }

    /// `None` as soon as more is written than a payload may hold.
    #[inline]
    fn fits(&self) -> Option<()> {
        (self.writer.len() <= self.limit_bytes).then_some(())
    }

    #[inline]
    fn string(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.len() > self.limit_bytes {
            return None;
        }
        self.writer.string(bytes);
        self.fits()
    }

    /// # Safety
    /// As [`value`](Self::value).
    #[inline]
    unsafe fn long(&mut self, string: Long<'_>) -> Option<()> {
        let bytes = string.bytes();
        match self.heap {
            Some(heap) if bytes.len() >= LARGE_BYTES && bytes.len() <= self.limit_bytes => {
                // SAFETY: by contract.
                self.writer.attach(unsafe { buffer_of(self.state, string, heap) });
                self.fits()
            }
            _ => self.string(bytes),
        }
    }

    /// # Safety
    /// As [`value`](Self::value).
    #[inline]
    unsafe fn key(&mut self, item: Item<'_>, depth: usize) -> Option<()> {
        match item {
            Item::Plain(Plain::String(key)) => return self.name(key),
            Item::Long(key) => return self.name(key.bytes()),
            Item::Plain(Plain::Integer(key)) => self.writer.wide_integer(key),
            // SAFETY: by contract.
            _ => return unsafe { self.value(item, depth) },
        }
        Some(())
    }

    /// A string in the place of a key.
    #[inline]
    fn name(&mut self, key: &[u8]) -> Option<()> {
        match self.keys.find_or_remember(key) {
            Some(number) => self.writer.key_reference(number),
            None => return self.string(key),
        }
        Some(())
    }

    /// # Safety
    /// As [`value`](Self::value).
    unsafe fn table(&mut self, table: &Table, depth: usize) -> Option<()> {
        let may_have_pairs = self.asks_pairs && table.has_metatable();
        if depth == MAX_DEPTH
            || may_have_pairs
            || self.ancestors[..depth].contains(&table.address())
        {
            return None;
        }
        self.ancestors[depth] = table.address();
        // SAFETY: by contract; places are within the bounds that the table states.
        unsafe {
            let elements = table.border(self.state);
            if elements > table.slots() || elements > self.limit_bytes {
                return None;
            }
            let open = self.writer.begin_table(elements);
            for place in 0..elements {
                self.value(table.slot(place), depth + 1)?;
            }
            let pairs = self.rest(table, elements, depth)?;
            self.writer.finish_table(open, Shape { elements, pairs });
        }
        self.fits()
    }

    /// Writes the entries that are no elements, and returns how many there are.
    ///
    /// # Safety
    /// As [`value`](Self::value).
    #[inline]
    unsafe fn rest(&mut self, table: &Table, elements: usize, depth: usize) -> Option<usize> {
        let mut pairs = 0;
        // SAFETY: as in `table`.
        unsafe {
            for place in elements..table.slots() {
                let item = table.slot(place);
                if !matches!(item, Item::Plain(Plain::Nil)) {
                    self.writer.wide_integer(place as i64 + 1);
                    self.value(item, depth + 1)?;
                    pairs += 1;
                }
            }
            for place in 0..table.nodes() {
                if let Some((key, value)) = table.node(place) {
                    self.key(key, depth + 1)?;
                    self.value(value, depth + 1)?;
                    pairs += 1;
                }
            }
        }
        Some(pairs)
    }
}
