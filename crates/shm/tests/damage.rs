//! Damage of one kind each: `check` finds it, operations come to an end, and a repair leaves a
//! dictionary that works. Random damage is in `hostile`.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::Duration;

use moonhive_shm::segment::{Backing as _, Posix};
use moonhive_shm::{Cursor, Dictionary, Error, Options, SetOptions, Value};

const PLAIN: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

/// Offsets of fields of the only shard, as `docs/shm-format.md` draws it.
const SHARD_AT: u64 = 4096 + 2048;
const VERSION_AT: u64 = SHARD_AT + 48;
const FLUSHED_AT: u64 = SHARD_AT + 64;
const OWNERS_AT: u64 = SHARD_AT + 640 + 64;

/// A dictionary of one shard and its file.
struct Subject {
    dictionary: Dictionary,
    file: File,
}

impl Subject {
    fn new() -> Self {
        let options = Options::new(64 << 10);
        let dictionary = Dictionary::create_unnamed("damage", &options).expect("memory");
        assert_eq!(dictionary.shards(), 1);
        let file = File::from(dictionary.as_fd().try_clone_to_owned().expect("a descriptor"));
        Self { dictionary, file }
    }

    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at).expect("inside");
        u64::from_le_bytes(bytes)
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, at).expect("inside");
    }

    fn cells_at(&self) -> u64 {
        self.file.metadata().expect("a file").len() - self.word(136) * 64
    }

    fn buckets_at(&self) -> u64 {
        self.cells_at() - (self.word(152) * 4).next_multiple_of(64)
    }

    /// Where the first entry begins.
    fn entry_at(&self) -> u64 {
        let cells = (0..self.word(136)).map(|cell| self.cells_at() + cell * 64);
        cells.into_iter().find(|at| self.word(*at) & 3 == 1).expect("an entry")
    }

    fn finds(&self, what: &str) {
        let findings = self.dictionary.check().expect("the lock is free");
        assert!(findings.iter().any(|it| it.what == what), "{what} in {findings:?}");
        assert!(findings.len() < 10, "{} findings", findings.len());
    }

    /// After a repair nothing is found, and what is stored can be read.
    fn is_repaired(&self) {
        self.dictionary.repair().expect("the lock is free");
        assert_eq!(self.dictionary.check(), Ok(vec![]));
        let stored = self.dictionary.set("after", Value::Integer(1), PLAIN).expect("room");
        assert_eq!(self.dictionary.version("after"), Ok(Some(stored.version)));
        assert!(self.dictionary.get("after").expect("the lock is free").is_some());
    }
}

#[test]
fn a_flush_of_what_is_still_to_come() {
    let subject = Subject::new();
    subject.dictionary.set("a", Value::Integer(1), PLAIN).expect("room");
    for flushed in [1 << 40, 1 << 62, u64::MAX] {
        subject.write(FLUSHED_AT, &flushed.to_le_bytes());
        subject.finds("a flush from the future");
        subject.is_repaired();
    }
}

#[test]
fn a_version_that_no_entry_can_have() {
    let subject = Subject::new();
    subject.dictionary.set("a", Value::Integer(1), PLAIN).expect("room");
    for version in [1 << 62, u64::MAX] {
        subject.write(VERSION_AT, &u64::to_le_bytes(version));
        subject.finds("a version beyond the last one");
        subject.is_repaired();
        assert!(subject.dictionary.get("a").expect("the lock is free").is_some());
    }
}

#[test]
fn owners_that_are_no_shards() {
    let subject = Subject::new();
    let cells = subject.word(136) as usize;
    let free_bytes = subject.dictionary.free_bytes();
    for owner in [0x55, 0x80, 0x02] {
        subject.write(OWNERS_AT, &vec![owner; cells / 2]);
        subject.finds("cells of shards that there are not");
        subject.is_repaired();
    }
    subject.dictionary.delete("after").expect("the lock is free");
    let mut stored = 0;
    while subject.dictionary.set(format!("k{stored}"), true.into(), PLAIN.never_evict()).is_ok() {
        stored += 1;
    }
    assert_eq!(stored * 64, free_bytes, "all cells can be taken again");
}

#[test]
fn links_that_lead_nowhere() {
    let subject = Subject::new();
    let (at, count) = (subject.buckets_at(), subject.word(152) as usize);
    subject.write(at, &vec![0xff; count * 4]);
    subject.finds("links that lead nowhere");
    subject.is_repaired();
}

#[test]
fn a_wrong_number_of_cells_in_a_record() {
    let subject = Subject::new();
    subject.dictionary.set("long", Value::Bytes(&[1; 30_000]), PLAIN).expect("room");
    let count_at = subject.entry_at() + 36;
    subject.write(count_at, &100_000u32.to_le_bytes());
    subject.finds("a wrong count of its cells");
    subject.is_repaired();
}

#[test]
fn an_ended_entry_that_leads_to_itself() {
    let subject = Subject::new();
    subject.dictionary.set("a", Value::Integer(1), PLAIN.ttl_ms(1)).expect("room");
    while subject.dictionary.get("a").expect("the lock is free").is_some() {
        thread::yield_now();
    }
    let at = subject.entry_at();
    let link = (at - subject.cells_at()) / 64 + 1;
    subject.write(at + 8, &(link as u32).to_le_bytes());
    let reclaimed = subject.dictionary.reclaim(Cursor::default(), u64::MAX, Duration::ZERO);
    assert_eq!(reclaimed.expect("the lock is free").freed, 1);
    subject.is_repaired();
}

/// A dictionary of one shard in memory with a name, with some entries; its place and its file.
fn named(what: &str) -> (Posix, File) {
    let name = format!("damage-{}-{what}", std::process::id());
    let place = Posix::new(&name).expect("a name");
    let dictionary = Dictionary::create_in(&place, &Options::new(64 << 10)).expect("memory");
    for number in 0..100i64 {
        dictionary.set(number.to_le_bytes(), number.into(), PLAIN).expect("there is room");
    }
    let file = File::from(dictionary.as_fd().try_clone_to_owned().expect("a descriptor"));
    drop(dictionary);
    // A descriptor of its own: the one of the dictionary says that somebody has it open.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    (place, File::options().read(true).write(true).open(path).expect("its file"))
}

#[test]
fn locks_that_were_overwritten_are_made_anew_while_nobody_has_the_dictionary_open() {
    let (place, file) = named("locks");
    for (at, bytes) in [(0, &[0xff; 40][..]), (16, &[0x55; 4]), (0, &[7, 0, 0, 0]), (8, &[0xff; 4])]
    {
        file.write_all_at(bytes, SHARD_AT + at).expect("inside");
        let refusal = Dictionary::open_in(&place, &Options::default()).err();
        // Of a lock that is held, or looks like it, only who waits for it can say more.
        let is_refused = at + bytes.len() as u64 > 16;
        assert_eq!(refusal, is_refused.then_some(Error::DamagedLock { shard: 0 }), "{at}");
        assert_eq!(Dictionary::mend_locks(&place), Ok(true));
        let dictionary = Dictionary::open_in(&place, &Options::default()).expect("whole");
        assert_eq!(dictionary.check(), Ok(vec![]));
        let numbers = dictionary.statistics();
        assert_eq!(numbers.entries, 100);
        dictionary.set("new", 1.into(), PLAIN).expect("the lock is free");
        assert_eq!(dictionary.delete("new"), Ok(true));
    }
    let dictionary = Dictionary::open_in(&place, &Options::default()).expect("whole");
    let repairs = dictionary.statistics().repairs;
    drop(dictionary);
    assert_eq!(Dictionary::mend_locks(&place), Ok(true));
    let dictionary = Dictionary::open_in(&place, &Options::default()).expect("whole");
    dictionary.set("new", 1.into(), PLAIN).expect("the lock is free");
    assert_eq!(dictionary.statistics().repairs, repairs, "a whole one is left as it is");
    place.unlink().expect("it is there");
}

#[test]
fn no_lock_is_touched_while_somebody_has_the_dictionary_open() {
    let (place, file) = named("open");
    let dictionary = Dictionary::open_in(&place, &Options::default()).expect("whole");
    let damage = [0xff; 40];
    file.write_all_at(&damage, SHARD_AT).expect("inside");
    assert_eq!(Dictionary::mend_locks(&place), Ok(false));
    let mut found = [0; 40];
    file.read_exact_at(&mut found, SHARD_AT).expect("inside");
    assert_eq!(found, damage);
    let refused = Dictionary::open_in(&place, &Options::default()).expect_err("damaged");
    assert_eq!(refused, Error::DamagedLock { shard: 0 });
    drop(dictionary);
    assert_eq!(Dictionary::mend_locks(&place), Ok(true));
    place.unlink().expect("it is there");
}
