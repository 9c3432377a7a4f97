//! A counted handle of one image, and what the rest of the cache wants to know of one.

use std::ffi::CStr;
use std::ptr::NonNull;

use moonhive_lua_sys::share;

/// What the cache needs from compiled code; tests put something lighter in its place.
pub(super) trait Code: Clone + Send + Sync {
    /// Bytes it occupies.
    fn size_bytes(&self) -> usize;

    /// VMs that use it right now.
    fn users(&self) -> usize;

    /// Nothing new will be loaded from it: VMs may ask whether they hold such code.
    fn retire(&self);

    /// The same code under another chunk name; `None` when there is no memory for it.
    fn renamed(&self, chunk_name: &CStr) -> Option<Self>;
}

/// The immutable form of one compiled chunk. Clones share it; the last owner, be it a handle or a
/// VM, frees it.
#[derive(Debug)]
pub struct Image(NonNull<share::Image>);

// SAFETY: an image never changes after `lua_sharefunction` returns it, its counts are atomic, and
// the C interface allows every thread to use and to release it.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Image {
    /// Takes over one reference; `None` for null.
    ///
    /// # Safety
    /// `raw` is null or an image of which the caller owns a reference that it gives away.
    pub(super) unsafe fn from_raw(raw: *mut share::Image) -> Option<Image> {
        NonNull::new(raw).map(Image)
    }

    /// The image for the C interface. It lives at least as long as this handle.
    pub(super) fn as_ptr(&self) -> *mut share::Image {
        self.0.as_ptr()
    }
}

/// Figures of all images and shared strings of the process.
pub(super) fn share_stats() -> share::ShareStats {
    let mut stats = share::ShareStats::default();
    // SAFETY: the call fills in the structure and keeps nothing.
    unsafe { share::lua_sharestats(&raw mut stats) };
    stats
}

impl Code for Image {
    fn size_bytes(&self) -> usize {
        // SAFETY: the handle owns a reference, so the image is alive.
        unsafe { share::lua_imagesize(self.as_ptr()) }
    }

    fn users(&self) -> usize {
        // SAFETY: as above.
        let users = unsafe { share::lua_imageusers(self.as_ptr()) };
        users as usize
    }

    fn retire(&self) {
        // SAFETY: as above.
        unsafe { share::lua_retireimage(self.as_ptr()) };
    }

    fn renamed(&self, chunk_name: &CStr) -> Option<Image> {
        // SAFETY: the image is alive; the caller owns the reference in the result.
        unsafe { Image::from_raw(share::lua_renameimage(self.as_ptr(), chunk_name.as_ptr())) }
    }
}

impl Clone for Image {
    fn clone(&self) -> Image {
        // SAFETY: the image is alive, and the new handle owns the reference taken here.
        unsafe { share::lua_retainimage(self.as_ptr()) };
        Image(self.0)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: gives back the one reference that this handle owns.
        unsafe { share::lua_releaseimage(self.as_ptr()) };
    }
}
