//! A counted handle of one table image.

use std::ptr::NonNull;

use moonhive_lua_sys::share;

/// An immutable tree of tables. Clones share it; the last owner, be it a handle or a VM, frees it.
#[derive(Debug)]
pub struct TableImage(NonNull<share::Image>);

// SAFETY: an image never changes after `lua_sharetable` returns it, its counts and its flag are
// atomic, and the C interface allows every thread to use and to release it.
unsafe impl Send for TableImage {}
// SAFETY: as above.
unsafe impl Sync for TableImage {}

impl TableImage {
    /// Takes over one reference; `None` for null.
    ///
    /// # Safety
    /// `raw` is null or an image made by `lua_sharetable`, of which the caller owns a reference
    /// that it gives away.
    pub(crate) unsafe fn from_raw(raw: *mut share::Image) -> Option<TableImage> {
        NonNull::new(raw).map(TableImage)
    }

    /// The image for the C interface. It lives at least as long as this handle.
    pub(crate) fn as_ptr(&self) -> *mut share::Image {
        self.0.as_ptr()
    }

    /// Images of tables in the process that somebody uses.
    pub fn live() -> usize {
        let mut stats = share::ShareStats::default();
        // SAFETY: the call fills in the structure and keeps nothing.
        unsafe { share::lua_sharestats(&raw mut stats) };
        stats.shares
    }

    /// Bytes it occupies, beside strings that other images may use as well.
    pub fn size_bytes(&self) -> usize {
        // SAFETY: the handle owns a reference, so the image is alive.
        unsafe { share::lua_imagesize(self.as_ptr()) }
    }

    /// Tables in it.
    pub fn tables(&self) -> usize {
        // SAFETY: as above.
        unsafe { share::lua_imagetables(self.as_ptr()) }
    }

    /// VMs that use it right now.
    pub fn users(&self) -> usize {
        // SAFETY: as above.
        unsafe { share::lua_imageusers(self.as_ptr()) as usize }
    }

    /// Nobody will be given it any more: VMs that have it look from now on whether they still use
    /// it.
    pub(super) fn retire(&self) {
        // SAFETY: as above.
        unsafe { share::lua_retireimage(self.as_ptr()) };
    }
}

impl Clone for TableImage {
    fn clone(&self) -> TableImage {
        // SAFETY: the image is alive, and the new handle owns the reference taken here.
        unsafe { share::lua_retainimage(self.as_ptr()) };
        TableImage(self.0)
    }
}

impl Drop for TableImage {
    fn drop(&mut self) {
        // SAFETY: gives back the one reference that this handle owns.
        unsafe { share::lua_releaseimage(self.as_ptr()) };
    }
}
