//! Dictionaries in files: what survives the processes, and what an opener does about another start
//! of the machine. The latter is faked: other numbers in the header, and what a death would have
//! left.
//!
//! A child is this test binary again; see [`child_entry`]. With `--features fault-injection` the
//! one who renews a file dies at each of its steps.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use moonhive_shm::segment::File;
use moonhive_shm::{Dictionary, Error, Options, OwnedValue, Remaining, SetOptions, Side, Value};
use siphasher::sip::SipHasher13;

/// Where the header says what a file is fit for, see docs/shm-format.md.
const PID_NAMESPACE: u64 = 72;
const BOOT: u64 = 80;
const CHECKSUM: usize = 176;
const CLOCK: u64 = 192;
/// The first shard, and in it the word of its lock, its sequence, its mark.
const SHARDS: u64 = 4096 + 32 * 64;
const SEQUENCE: u64 = SHARDS + 56;
const DIRTY: u64 = SHARDS + 40;

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("files-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("kept.dict")
    }

    fn file(&self) -> File {
        File::new(self.path()).expect("a path")
    }

    /// Names of what lies in it.
    fn content(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("it is there");
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    Options::new(64 << 10)
}

fn open(folder: &Folder) -> Dictionary {
    Dictionary::open_in(&folder.file(), &options()).expect("it can be opened")
}

/// A file with a few entries that nobody has open.
fn make(folder: &Folder) {
    let dictionary = Dictionary::create_in(&folder.file(), &options()).expect("there is room");
    let plain = SetOptions::default();
    dictionary.set("word", "kept".into(), plain.flags(7)).unwrap();
    dictionary.set("large", Value::Bytes(&[7; 5000]), plain).unwrap();
    dictionary.set("ends", 1.into(), plain.ttl_ms(100_000)).unwrap();
    for number in 0..3 {
        dictionary.push("list", number.into(), Side::Right, plain).unwrap();
    }
}

fn verify(dictionary: &Dictionary) {
    let word = dictionary.get("word").unwrap().expect("it was stored");
    assert_eq!((word.value, word.flags), (OwnedValue::Bytes(b"kept".to_vec()), 7));
    let large = dictionary.get("large").unwrap().expect("it was stored");
    assert_eq!(large.value, OwnedValue::Bytes(vec![7; 5000]));
    let list = dictionary.range("list", 0, -1).unwrap();
    assert_eq!(list, [0, 1, 2].map(OwnedValue::Integer));
    assert_eq!(dictionary.check(), Ok(Vec::new()));
}

/// Seconds that the entry with an end still lives.
fn left_s(dictionary: &Dictionary) -> f64 {
    match dictionary.ttl("ends") {
        Ok(Remaining::Us(left_us)) => left_us as f64 / 1e6,
        other => panic!("{other:?}"),
    }
}

/// Changes bytes of the file and corrects the checksum of its header.
fn patch(path: &Path, changes: &[(u64, u64)]) {
    let file = fs::File::options().read(true).write(true).open(path).expect("it is there");
    for (at, word) in changes {
        file.write_all_at(&word.to_ne_bytes(), *at).unwrap();
    }
    let mut header = [0; CHECKSUM];
    file.read_exact_at(&mut header, 0).unwrap();
    let magic = u64::from_ne_bytes(header[..8].try_into().unwrap());
    let version = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
    let sum = SipHasher13::new_with_keys(magic, version.into()).hash(&header);
    file.write_all_at(&sum.to_ne_bytes(), CHECKSUM as u64).unwrap();
}

fn word(path: &Path, at: u64) -> u64 {
    let mut bytes = [0; 8];
    fs::File::open(path).unwrap().read_exact_at(&mut bytes, at).unwrap();
    u64::from_ne_bytes(bytes)
}

/// What a machine leaves that loses its power in the middle of a change: a lock that is held, links
/// that lead anywhere.
fn fake_other_boot(path: &Path) {
    patch(path, &[(BOOT, 1), (BOOT + 8, 2), (SHARDS, 0x1234), (SEQUENCE, 77), (DIRTY, 1)]);
}

#[test]
fn what_was_stored_is_there_for_the_next_process() {
    let folder = Folder::new("kept");
    make(&folder);
    let first = folder.content();
    let dictionary = open(&folder);
    verify(&dictionary);
    assert!(left_s(&dictionary) > 90.0);
    dictionary.sync().expect("it can be written");
    assert_eq!(folder.content(), first, "nothing lies beside it");
    let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn creating_and_opening_are_distinct() {
    let folder = Folder::new("distinct");
    let code = |result: Result<Dictionary, Error>| result.map_or_else(|error| error.code(), |_| "");
    assert_eq!(code(Dictionary::open_in(&folder.file(), &options())), "no_such_object");
    let (made, is_new) = Dictionary::open_or_create_in(&folder.file(), &options()).unwrap();
    assert!(is_new);
    assert_eq!(code(Dictionary::create_in(&folder.file(), &options())), "already_exists");
    let (opened, is_new) = Dictionary::open_or_create_in(&folder.file(), &options()).unwrap();
    assert!(!is_new);
    made.set("key", 1.into(), SetOptions::default()).unwrap();
    assert_eq!(opened.get("key").unwrap().unwrap().value, OwnedValue::Integer(1));
    assert_eq!(made.identity(), opened.identity());
}

#[test]
fn what_is_no_dictionary_is_left_as_it_is() {
    let folder = Folder::new("strange");
    let opened = |path: &Path| {
        let opened = Dictionary::open_in(&File::new(path).unwrap(), &options());
        opened.expect_err("it is no dictionary").code()
    };
    fs::write(folder.path(), [1; 8192]).unwrap();
    assert_eq!(opened(&folder.path()), "wrong_magic");
    assert_eq!(fs::read(folder.path()).unwrap(), [1; 8192]);
    fs::write(folder.path(), "short").unwrap();
    assert_eq!(opened(&folder.path()), "wrong_size");
    assert_eq!(opened(&folder.0), "system", "a folder");
    fs::remove_file(folder.path()).unwrap();
    std::os::unix::fs::symlink("elsewhere", folder.path()).unwrap();
    assert_eq!(opened(&folder.path()), "system", "a link");
    fs::remove_file(folder.path()).unwrap();
    make(&folder);
    let file = fs::File::options().write(true).open(folder.path()).unwrap();
    file.set_len(40_960).unwrap();
    assert_eq!(opened(&folder.path()), "wrong_size", "cut off");
    for path in ["", "/", "..", "a/"] {
        assert_eq!(File::new(path).expect_err(path).code(), "invalid_name");
    }
}

#[test]
fn a_disk_that_is_too_full_is_refused_with_figures() {
    let folder = Folder::new("full");
    let created = Dictionary::create_in(&folder.file(), &Options::new(1 << 42));
    let error = created.expect_err("no disk of ours is so large");
    assert!(matches!(error.code(), "no_space" | "invalid_option"), "{error}");
    assert_eq!(folder.content(), Vec::<String>::new());
}

#[test]
fn a_file_of_another_start_of_the_machine_is_renewed_by_one_of_many() {
    let folder = Folder::new("boot");
    make(&folder);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o640)).unwrap();
    fake_other_boot(&folder.path());
    let before = fs::metadata(folder.path()).unwrap().ino();
    let opened: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&folder))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let after = fs::metadata(folder.path()).unwrap();
    assert_ne!(after.ino(), before);
    assert_eq!(after.permissions().mode() & 0o777, 0o640);
    for dictionary in &opened {
        assert_eq!(dictionary.identity().unwrap().1, after.ino(), "all have the new one open");
        verify(dictionary);
    }
    assert_eq!(folder.content(), ["kept.dict"]);
    assert!(left_s(&opened[0]) > 90.0);
    opened[0].set("word", "new".into(), SetOptions::default()).unwrap();
}

#[test]
fn entries_end_at_the_time_of_day_that_they_were_to() {
    for (later_s, expected_s) in [(50, Some(50.0)), (-50, Some(150.0)), (200, None)] {
        let folder = Folder::new("clock");
        make(&folder);
        fake_other_boot(&folder.path());
        // The other start of the machine was so much earlier, and the machine was off since.
        let clock = word(&folder.path(), CLOCK) as i64 - later_s * 1_000_000;
        patch(&folder.path(), &[(CLOCK, clock as u64)]);
        let dictionary = open(&folder);
        verify(&dictionary);
        match expected_s {
            Some(expected_s) => {
                let left_s = left_s(&dictionary);
                assert!((left_s - expected_s).abs() < 10.0, "{later_s}: {left_s}");
            }
            None => assert_eq!(dictionary.ttl("ends"), Err(Error::NotFound)),
        }
    }
}

#[test]
fn a_file_of_another_pid_namespace_is_renewed_only_if_nobody_has_it_open() {
    let folder = Folder::new("namespace");
    make(&folder);
    patch(&folder.path(), &[(PID_NAMESPACE, 1)]);
    let other = fs::File::open(folder.path()).unwrap();
    rustix::fs::flock(&other, rustix::fs::FlockOperation::LockShared).unwrap();
    let opened = Dictionary::open_in(&folder.file(), &options());
    assert_eq!(opened.expect_err("somebody else has it open").code(), "wrong_pid_namespace");
    drop(other);
    let dictionary = open(&folder);
    verify(&dictionary);
    assert!(left_s(&dictionary) > 90.0);
}

#[test]
fn a_copy_made_while_a_lock_was_held_can_be_opened() {
    let folder = Folder::new("copy");
    make(&folder);
    patch(&folder.path(), &[(SHARDS, u64::from(std::process::id())), (SEQUENCE, 5)]);
    wait_until_closed(&folder);
    verify(&open(&folder));
}

/// Waits until nobody has the file open: a child that another test starts just now has, until it
/// becomes another program, what this process had.
fn wait_until_closed(folder: &Folder) {
    let file = fs::File::open(folder.path()).expect("it is there");
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("in a moment");
}

/// What a child is to be, and where.
const ROLE: &str = "SHM_TEST_ROLE";
const FOLDER: &str = "SHM_TEST_FOLDER";
const ROUNDS: &str = "SHM_TEST_ROUNDS";

/// What a writer says after its rounds.
const WRITTEN: &str = "written";

fn child(role: &str, folder: &Folder) -> Command {
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(program);
    command
        .args(["child_entry", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(FOLDER, folder.path());
    command
}

/// Starts a writer, and waits until it has made so many rounds of changes and goes on with them.
fn start_writer(folder: &Folder, rounds: u64) -> Child {
    let mut command = child("writer", folder);
    command.env(ROUNDS, rounds.to_string()).stdout(Stdio::piped());
    let mut writer = command.spawn().expect("it can be started");
    let mut lines = BufReader::new(writer.stdout.take().expect("it is a pipe")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains(WRITTEN))), "it writes nothing");
    writer
}

/// What a child runs; nothing in the parent.
#[test]
fn child_entry() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let file = File::new(std::env::var(FOLDER).expect("a path")).unwrap();
    #[cfg(feature = "fault-injection")]
    if let Ok(step) = role.parse() {
        moonhive_shm::fault::arm(step);
        drop(Dictionary::open_in(&file, &options()).expect("it can be renewed"));
        std::process::exit(0);
    }
    assert_eq!(role, "writer");
    let rounds: u64 = std::env::var(ROUNDS).expect("a number").parse().expect("a number");
    let dictionary = Dictionary::open_in(&file, &options()).expect("it exists");
    for round in 0_u64.. {
        // What `verify` looks at stays as it is.
        let key = format!("noise{}", round % 50);
        let size = (round * 37 % 600) as usize;
        dictionary.set(&key, Value::Bytes(&vec![1; size]), SetOptions::default()).unwrap();
        let _ = dictionary.push("noise", 1.into(), Side::Left, SetOptions::default());
        let _ = dictionary.pop("noise", Side::Right);
        dictionary.delete(format!("noise{}", round % 7)).unwrap();
        if round == rounds {
            println!("{WRITTEN}");
        }
    }
}

#[test]
fn writers_that_are_killed_leave_a_file_that_can_be_opened() {
    let folder = Folder::new("killed");
    make(&folder);
    for round in 0..12 {
        // Killed at another moment each time.
        let mut writers = [50, 300].map(|rounds| start_writer(&folder, rounds + round * 37));
        writers.iter_mut().for_each(|writer| writer.kill().unwrap());
        writers.iter_mut().for_each(|writer| drop(writer.wait()));
        if round % 3 == 0 {
            fake_other_boot(&folder.path());
        }
        verify(&open(&folder));
    }
}

/// A file is renewed wholly or not at all, whenever the one who does it dies.
#[cfg(feature = "fault-injection")]
#[test]
fn a_death_at_each_step_of_a_renewal_harms_nothing() {
    for step in 1..10_000 {
        let folder = Folder::new("deaths");
        make(&folder);
        fake_other_boot(&folder.path());
        let mut renewer = child(&step.to_string(), &folder);
        let is_alive = renewer.stdout(Stdio::null()).status().unwrap().success();
        verify(&open(&folder));
        assert_eq!(folder.content(), ["kept.dict"]);
        if is_alive {
            assert!(step > 10, "a renewal has more steps");
            return;
        }
    }
    panic!("a renewal has no end");
}
