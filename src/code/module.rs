//! Where `require` found a module: trying the patterns of `package.path` opens file after file,
//! which costs far more than a hit. So a search that ended in the cache is remembered with it.
//!
//! What is remembered leads to code and not to a file: it is good as long as that version is
//! current, and a search that finds nothing is never remembered. A file that comes to lie earlier
//! in the path is an edit like any other, seen after a clear, be it of that file alone: whatever is
//! cleared or published anew, all searches are forgotten.
//!
//! A search stands in the front table under a spelling of its own: name, zero byte, path. No file
//! has such a name.

use std::ffi::{CStr, c_char, c_int, c_void};

use moonhive_lua_sys::lua;

use super::client::{CodeClient, Request};
use super::key::Spelling;
use super::loader::finish;

/// Longest name and path together that are remembered, in bytes. They are a script's own to choose,
/// and no limit of its VM counts what is kept of them.
const SEARCH_LIMIT_BYTES: usize = 4096;

/// The hook of the searcher of modules; [`CodeClient::install`] sets it. Without a file name it
/// pushes the function of the file and returns 1, or returns 0; with one it remembers what was
/// found.
///
/// # Safety
/// Only Lua calls it: `user_data` is the installed client, `state` a running state of its VM with
/// two free slots; the strings stay for the call.
pub(super) unsafe extern "C-unwind" fn find_module(
    user_data: *mut c_void,
    state: *mut lua::lua_State,
    name: *const c_char,
    path: *const c_char,
    filename: *const c_char,
) -> c_int {
    // SAFETY: by contract. No frame from here to Lua owns anything when something is pushed.
    unsafe {
        let client = &*user_data.cast::<CodeClient>();
        let search =
            Search { name: CStr::from_ptr(name).to_bytes(), path: CStr::from_ptr(path).to_bytes() };
        let request = Request { state, kinds: None };
        if !filename.is_null() {
            client.remember_module(search, CStr::from_ptr(filename).to_bytes(), request);
            return 0;
        }
        let Some(step) = client.prepare_module(search, request) else { return 0 };
        c_int::from(finish(client, state, step) == lua::LUA_OK)
    }
}

/// How the text of a search begins, and no name of a file.
const SEARCH_MARK: &[u8] = b"\0";

/// What `require` looks for, and where.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) name: &'a [u8],
    pub(super) path: &'a [u8],
}

impl Search<'_> {
    /// The text it stands under in the front table; `None` if that would be too long.
    pub(super) fn text(&self) -> Option<Vec<u8>> {
        let fits = self.name.len().saturating_add(self.path.len()) < SEARCH_LIMIT_BYTES;
        fits.then(|| [SEARCH_MARK, self.name, b"\0", self.path].concat())
    }

    /// Whether the search met patterns that start from the working directory before it found the
    /// file.
    pub(super) fn is_relative_up_to(&self, filename: &[u8]) -> bool {
        // Lua puts the name into the path before it takes that apart.
        if self.name.contains(&b';') {
            return true;
        }
        let name: Vec<u8> =
            self.name.iter().map(|&byte| if byte == b'.' { b'/' } else { byte }).collect();
        for pattern in self.path.split(|&byte| byte == b';') {
            if !pattern.starts_with(b"/") {
                return true;
            }
            let parts: Vec<&[u8]> = pattern.split(|&byte| byte == b'?').collect();
            if parts.join(&name[..]) == filename {
                return false;
            }
        }
        true
    }
}

/// Whether a text of the front table is that of a search.
pub(super) fn is_search(text: &[u8]) -> bool {
    text.starts_with(SEARCH_MARK)
}

/// The spelling of a search whose result depends on nothing but its text.
pub(super) fn anywhere(text: &[u8]) -> Spelling<'_> {
    Spelling::Absolute(text)
}

/// The spelling of a search that starts from the working directory.
pub(super) fn from_here(text: &[u8]) -> Option<Spelling<'_>> {
    Some(Spelling::Relative(text, std::env::current_dir().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_relative_where_a_pattern_before_the_find_is() {
        let search = Search { name: b"a.b", path: b"/x/?.lua;/y/?/?.lua;./?.lua;/z/?.lua" };
        assert!(!search.is_relative_up_to(b"/x/a/b.lua"));
        assert!(!search.is_relative_up_to(b"/y/a/b/a/b.lua"));
        assert!(search.is_relative_up_to(b"./a/b.lua"));
        assert!(search.is_relative_up_to(b"/z/a/b.lua"));
    }

    #[test]
    fn names_and_paths_do_not_run_into_each_other() {
        let one = Search { name: b"a", path: b"b" }.text().unwrap();
        assert_ne!(Some(&one), Search { name: b"ab", path: b"" }.text().as_ref());
        assert!(is_search(&one));
    }

    #[test]
    fn a_name_that_takes_the_path_apart_counts_as_relative() {
        let search = Search { name: b"a;b", path: b"/x/?.lua;/init.lua" };
        assert!(search.is_relative_up_to(b"/init.lua"));
    }

    #[test]
    fn long_paths_are_not_remembered() {
        let path = vec![b'x'; SEARCH_LIMIT_BYTES];
        assert!(Search { name: b"a", path: &path }.text().is_none());
    }
}
