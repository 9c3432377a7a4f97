//! Processes that die or stop in the middle of what they do, and what the others see of it.
//!
//! A child runs the one test [`child_entry`]. The parent kills it with SIGKILL, as the kernel does
//! when memory runs out.
//!
//! `SHM_KILLS=10000 SHM_SEED=1 SHM_STOP_MS=5000 cargo test -p moonhive-shm --release --test crash`
//! is the long form; `--features fault-injection` adds a death at each step of each operation, and
//! of the repair.

#[path = "../children/mod.rs"]
mod children;
#[cfg(feature = "fault-injection")]
mod deaths;
mod ledger;
#[path = "../random/mod.rs"]
mod random;
#[cfg(feature = "fault-injection")]
mod scenarios;
mod stopped;
mod storm;
#[path = "../values/mod.rs"]
mod values;

#[cfg(feature = "fault-injection")]
use std::fs::File;
#[cfg(feature = "fault-injection")]
use std::os::{fd::AsFd as _, unix::fs::FileExt as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use moonhive_shm::{Dictionary, Options};

use children::{Kept, Task, say_ready, start};
use random::{Random, variable};

/// How many names this process has given away.
static SERIAL: AtomicUsize = AtomicUsize::new(0);

/// A named dictionary that is removed at the end, whatever happens.
struct Named {
    name: String,
    dictionary: Dictionary,
}

impl Named {
    fn new(what: &str, options: &Options) -> Self {
        // Tests of one process run beside each other.
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("crash-{what}-{}-{serial}", std::process::id());
        let _ = Dictionary::unlink(&name);
        let dictionary = Dictionary::create(&name, options).expect("memory");
        Self { name, dictionary }
    }

    #[cfg(feature = "fault-injection")]
    fn file(&self) -> File {
        File::from(self.dictionary.as_fd().try_clone_to_owned().expect("a descriptor"))
    }

    /// Another one of the same bytes, the key of the hash included: what is alike is done alike.
    #[cfg(feature = "fault-injection")]
    fn copy(&self, what: &str) -> Self {
        let file = self.file();
        let mut bytes = vec![0; file.metadata().expect("a file").len() as usize];
        file.read_exact_at(&mut bytes, 0).expect("all of it");
        let options = Options {
            shards: Some(self.dictionary.shards()),
            ..Options::new(self.dictionary.capacity_bytes())
        };
        let mut copy = Self::new(what, &options);
        copy.file().write_all_at(&bytes, 0).expect("the same size");
        copy.dictionary = Dictionary::open(&copy.name, &options).expect("it was just made");
        copy
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Dictionary::unlink(&self.name);
    }
}

/// What a child runs; nothing in the parent.
#[test]
fn child_entry() {
    let Some(Task { role, name, arguments }) = Task::of_this_process() else { return };
    let dictionary = Dictionary::open(&name, &Options::default()).expect("it exists");
    match role.as_str() {
        "writer" => storm::write_for_ever(&dictionary, &arguments),
        "reader" => storm::read_for_ever(&dictionary, &arguments),
        "holder" => stopped::write_for_ever(&dictionary),
        #[cfg(feature = "fault-injection")]
        "victim" => deaths::act(&dictionary, &arguments),
        _ => panic!("no role {role}"),
    }
    // Not the way of the test runner: nobody reads what it would print.
    #[cfg(feature = "fault-injection")]
    std::process::exit(0);
}
