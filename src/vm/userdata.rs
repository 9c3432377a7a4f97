//! Rust values inside Lua: full userdata with a checked type, dropped by the collector.
//!
//! Layout of the block: a [`Header`], then the value (boxed if it needs more alignment than Lua's
//! blocks have). The metatable of a type is found by its address in the context; a block counts as
//! ours only if its metatable, its size and the type in its header all agree.
//!
//! Values are reached by shared reference only; what changes uses cells. A value is dropped by the
//! collector, by [`Stack::take_userdata`], or when the VM closes, always on the VM's thread.

use std::any::TypeId;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use moonhive_lua_sys::{lua, quick};

use super::alloc::BLOCK_ALIGNMENT;
use super::context::Context;
use super::native::Native;
use super::raise::Raise;
use super::read::Kind;
use super::stack::Stack;

/// A Rust type whose values scripts may hold.
pub trait Userdata: Send + Sized + 'static {
    /// How messages name the type.
    const NAME: &'static str;

    /// True if each value has room for one Lua value beside it, see [`Stack::set_companion`].
    const HAS_COMPANION: bool = false;

    /// Methods, found by name on each value.
    fn methods() -> &'static [(&'static str, Native)] {
        &[]
    }

    /// Metamethods such as `__close` and `__tostring`; not `__gc`, `__index` or `__name`.
    fn metamethods() -> &'static [(&'static str, Native)] {
        &[]
    }

    /// Bytes outside Lua that the VM counts for the value (see [`Stack::count_outside`]): given
    /// back when the value is dropped.
    fn counted_bytes(&self) -> usize {
        0
    }
}

/// In front of each value.
struct Header {
    type_id: TypeId,
    alive: Cell<bool>,
}

/// A block of userdata. The value is boxed when its alignment asks for it.
#[repr(C)]
struct Block<P> {
    header: Header,
    payload: P,
}

/// True if values of `T` fit into Lua's blocks directly.
const fn fits<T>() -> bool {
    align_of::<T>() <= BLOCK_ALIGNMENT
}

impl Stack<'_> {
    /// Pushes a value that scripts may hold.
    pub fn push_userdata<T: Userdata>(&mut self, value: T) {
        if fits::<T>() {
            self.push_block(Block { header: Header::new::<T>(), payload: value }, T::HAS_COMPANION);
        } else {
            let payload = Box::new(value);
            self.push_block(Block { header: Header::new::<T>(), payload }, T::HAS_COMPANION);
        }
        self.push_type::<T>();
        self.set_metatable(-2);
    }

    /// Pops a value and keeps it beside the userdata at `index`, of a type that has room for it. It
    /// lives as long as the userdata: a place for what the VM's memory accounting should see.
    pub fn set_companion(&mut self, index: c_int) {
        let (index, _) = (self.occupied(index), self.occupied(-1));
        assert!(self.kind(index) == Kind::Userdata, "no userdata at stack index {index}");
        // SAFETY: the index holds full userdata and there is a value to keep.
        let kept = unsafe { lua::lua_setiuservalue(self.state(), index, 1) };
        assert!(kept != 0, "this userdata has no room for a companion");
    }

    /// Pushes the value beside the userdata at `index`: nil before one was set.
    pub fn push_companion(&mut self, index: c_int) -> Kind {
        let index = self.occupied(index);
        assert!(self.kind(index) == Kind::Userdata, "no userdata at stack index {index}");
        self.take_slot();
        // SAFETY: the index holds full userdata and there is room.
        unsafe { lua::lua_getiuservalue(self.state(), index, 1) };
        self.kind(-1)
    }

    fn push_block<P>(&mut self, block: Block<P>, has_companion: bool) {
        assert!(align_of::<Block<P>>() <= BLOCK_ALIGNMENT);
        self.take_slot();
        // SAFETY: there is room, memory is not refused, and the block is large and aligned enough.
        unsafe {
            let size = size_of::<Block<P>>();
            let place = lua::lua_newuserdatauv(self.state(), size, has_companion.into());
            place.cast::<Block<P>>().write(block);
        }
    }

    /// The value at `index`, if it is a live one of type `T`.
    pub fn userdata<T: Userdata>(&self, index: c_int) -> Option<&T> {
        let block = self.block::<T>(index)?;
        // SAFETY: `block` is one of ours for `T`, and alive. It stays in place and alive while
        // `self` is borrowed: no Lua code runs and nothing is collected.
        unsafe { block.as_ref().alive.get().then(|| value_of::<T>(block)) }
    }

    /// The argument as a live value of type `T`.
    ///
    /// # Errors
    /// `channel expected, got nil`, or that the value is closed.
    pub fn check_userdata<T: Userdata>(&self, argument: c_int) -> Result<&T, Raise> {
        self.userdata(argument).ok_or_else(|| match self.block::<T>(argument) {
            Some(_) => Raise::argument(argument, format!("this {} is closed", T::NAME)),
            None => self.type_error(argument, T::NAME),
        })
    }

    /// Takes the value out; from now on it counts as closed.
    pub fn take_userdata<T: Userdata>(&mut self, index: c_int) -> Option<T> {
        let block = self.block::<T>(index)?;
        // SAFETY: the block is one of ours for `T`; its value is moved out only while it is alive,
        // and marked dead nobody reads it again.
        let value = unsafe { block.as_ref().alive.replace(false).then(|| move_out::<T>(block)) }?;
        self.uncount_outside(value.counted_bytes());
        Some(value)
    }

    /// The block at `index` if it is one of ours for `T`, alive or not.
    #[inline]
    fn block<T: Userdata>(&self, index: c_int) -> Option<NonNull<Header>> {
        if T::HAS_COMPANION || !(1..=self.top()).contains(&index) {
            return self.block_by_calls::<T>(index);
        }
        let wanted = self.known_type::<T>()?;
        // SAFETY: the index holds a value. A full userdata of this size with our metatable is large
        // enough for a header.
        unsafe {
            let found = quick::userdata_at(self.state(), index)?;
            if found.metatable != wanted || found.size_bytes != block_size::<T>() {
                return None;
            }
            let block = NonNull::new(found.bytes.cast::<Header>())?;
            (block.as_ref().type_id == TypeId::of::<T>()).then_some(block)
        }
    }

    /// The same for an index from the top, an upvalue, and for types that have a value beside each
    /// block.
    #[inline(never)]
    fn block_by_calls<T: Userdata>(&self, index: c_int) -> Option<NonNull<Header>> {
        let index = self.readable(index)?;
        let wanted = self.known_type::<T>()?;
        if self.kind(index) != Kind::Userdata || self.raw_len(index) != block_size::<T>() {
            return None;
        }
        // SAFETY: full userdata whose metatable is compared by address; what is pushed is popped.
        unsafe {
            lua::lua_checkstack(self.state(), 1);
            if lua::lua_getmetatable(self.state(), index) == 0 {
                return None;
            }
            let metatable = lua::lua_topointer(self.state(), -1);
            lua::lua_settop(self.state(), -2);
            let block = NonNull::new(lua::lua_touserdata(self.state(), index).cast::<Header>())?;
            (metatable == wanted && block.as_ref().type_id == TypeId::of::<T>()).then_some(block)
        }
    }

    /// The metatable of `T`, if it was made. Loops ask for the same type over and over.
    #[inline]
    fn known_type<T: Userdata>(&self) -> Option<*const c_void> {
        match self.context().last_metatable.get() {
            Some((id, address)) if id == TypeId::of::<T>() => Some(address),
            _ => self.find_type(TypeId::of::<T>()),
        }
    }

    #[inline(never)]
    fn find_type(&self, wanted: TypeId) -> Option<*const c_void> {
        let context = self.context();
        let known = context.metatables.borrow().iter().find(|(id, _)| *id == wanted).copied();
        if known.is_some() {
            context.last_metatable.set(known);
        }
        known.map(|(_, address)| address)
    }

    /// Pushes the metatable of `T`, made on first use and kept in the registry for good.
    fn push_type<T: Userdata>(&mut self) {
        if let Some(address) = self.known_type::<T>() {
            self.take_slot();
            // SAFETY: there is room; the registry holds the metatable under its own address.
            unsafe { lua::lua_rawgetp(self.state(), lua::LUA_REGISTRYINDEX, address) };
            return;
        }
        self.push_new_type::<T>();
        let address = self.identity(-1);
        self.push_value(-1);
        // SAFETY: the registry is a table, there is a value, memory is not refused.
        unsafe { lua::lua_rawsetp(self.state(), lua::LUA_REGISTRYINDEX, address) };
        self.context().metatables.borrow_mut().push((TypeId::of::<T>(), address));
    }

    /// Pushes the table of the methods of a type, for the half of a module that is written in Lua.
    pub fn push_methods<T: Userdata>(&mut self) {
        self.push_type::<T>();
        self.raw_get_field(-1, "__index");
        self.remove(-2);
    }

    fn push_new_type<T: Userdata>(&mut self) {
        self.push_table(0, T::metamethods().len() + 3);
        self.set_natives(T::metamethods());
        self.push_table(0, T::methods().len());
        self.set_natives(T::methods());
        self.raw_set_field(-2, "__index");
        self.push_str(T::NAME);
        self.raw_set_field(-2, "__name");
        self.take_slot();
        // SAFETY: there is room and memory is not refused.
        unsafe { lua::lua_pushcclosure(self.state(), collect::<T>, 0) };
        self.raw_set_field(-2, "__gc");
    }

    /// Stores natives in the table on top of the stack.
    pub fn set_natives(&mut self, natives: &[(&str, Native)]) {
        for (name, native) in natives {
            self.push_native(*native);
            self.raw_set_field(-2, name);
        }
    }
}

impl Header {
    fn new<T: Userdata>() -> Header {
        Header { type_id: TypeId::of::<T>(), alive: Cell::new(true) }
    }
}

const fn block_size<T>() -> usize {
    if fits::<T>() { size_of::<Block<T>>() } else { size_of::<Block<Box<T>>>() }
}

/// # Safety
/// `block` is a live block of ours for `T`, and stays so for `'a`.
unsafe fn value_of<'a, T: 'a>(block: NonNull<Header>) -> &'a T {
    // SAFETY: by contract a `Block` of this very type starts at the header.
    unsafe {
        if fits::<T>() {
            &(*block.as_ptr().cast::<Block<T>>()).payload
        } else {
            &(*block.as_ptr().cast::<Block<Box<T>>>()).payload
        }
    }
}

/// # Safety
/// `block` is a block of ours for `T` whose value is not used again.
unsafe fn move_out<T>(block: NonNull<Header>) -> T {
    // SAFETY: by contract a `Block` of this very type starts at the header, and its value is read
    // for the last time.
    unsafe {
        if fits::<T>() {
            ptr::read(&raw const (*block.as_ptr().cast::<Block<T>>()).payload)
        } else {
            *ptr::read(&raw const (*block.as_ptr().cast::<Block<Box<T>>>()).payload)
        }
    }
}

/// `__gc` of our types: drops the value, once.
///
/// # Safety
/// Only Lua calls it, in a state of one of our VMs.
unsafe extern "C-unwind" fn collect<T: Userdata>(state: *mut lua::lua_State) -> c_int {
    // SAFETY: Lua passes the running state; nothing here raises, so this frame may own the value.
    unsafe {
        let context = Context::of(state);
        let before = context.enter();
        let value = Stack::new(state, context).take_userdata::<T>(1);
        // A panic in a drop must not get into the collector; the panic hook has told about it.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
        context.restore(before);
    }
    0
}
