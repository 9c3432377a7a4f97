//! What tests of dumps in files need: a folder that goes away, and another user.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

use rustix::process::{Uid, geteuid};
use rustix::thread::set_thread_res_uid;

/// A user who is not root, and a group that root is not in.
pub const NOBODY: u32 = 65534;

/// A folder that goes away.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("shm-{}-{test}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn names(&self) -> Vec<OsString> {
        let files = fs::read_dir(&self.0).unwrap();
        files.map(|file| file.unwrap().file_name()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Gives a file to another user; false, and says so, if only root could.
pub fn give_away(path: &Path) -> bool {
    let is_given = geteuid().is_root() && lchown(path, Some(NOBODY), Some(NOBODY)).is_ok();
    if !is_given {
        // Past the capture of the test runner.
        let _ = writeln!(std::io::stderr(), "SKIPPED files of others: only root gives files away");
    }
    is_given
}

/// Does something as a user to whom permissions apply: in a thread of its own, as the kernel asks
/// each thread.
pub fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let acting = scope.spawn(|| {
            if geteuid().is_root() {
                let nobody = Uid::from_raw(NOBODY);
                set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            act()
        });
        acting.join().unwrap()
    })
}
