//! The standard cell in the shape of loom's, which watches every access to what is in it.

/// A cell whose content is reached by a raw pointer. Reading and writing through that is up to the
/// caller.
#[derive(Debug)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// A cell with that in it.
    pub fn new(content: T) -> Self {
        Self(std::cell::UnsafeCell::new(content))
    }

    /// Calls `act` with a pointer for exclusive use.
    #[inline(always)]
    pub fn with_mut<R>(&self, act: impl FnOnce(*mut T) -> R) -> R {
        act(self.0.get())
    }
}
