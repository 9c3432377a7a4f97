//! The layout, pinned by a segment that an earlier build has written.
//!
//! `tests/segments/version-3.bin` is such a segment, as far as its last byte that is not zero. It
//! was made by `SHM_WRITE_SEGMENT=1 cargo test -p moonhive-shm --test format`. A build that
//! understands version 3 must find in it what was stored. A layout that changes needs a new version
//! and a new file; the file of the layout before stays, and must be refused by a message that names
//! both versions.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use moonhive_shm::{
    Dictionary, Error, Options, OwnedValue, Remaining, SetOptions, Side, Value, segment,
};
use siphasher::sip::SipHasher13;

/// Fields that differ from machine to machine: bytes of pointer and page, of the mutex, and the
/// place.
const MACHINE: [u64; 6] = [24, 32, 72, 80, 88, 96];

/// The version that this build writes.
const VERSION: u32 = 3;

fn path(version: u32) -> PathBuf {
    let name = format!("tests/segments/version-{version}.bin");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The segment of that version on file, as long as it was.
fn on_file(version: u32, size_bytes: usize) -> Vec<u8> {
    let mut bytes = std::fs::read(path(version)).expect("it is part of the sources");
    bytes.resize(size_bytes, 0);
    bytes
}

fn options() -> Options {
    Options::new(4096)
}

fn fill(dictionary: &Dictionary) {
    let plain = SetOptions::default();
    let set = |key: &str, value: Value<'_>, options| {
        dictionary.set(key, value, options).expect("there is room");
    };
    set("nil", Value::Nil, plain);
    set("true", true.into(), plain);
    set("false", false.into(), plain);
    set("integer", i64::MIN.into(), plain.flags(7));
    set("double", (-0.5).into(), plain);
    set("bytes", "some bytes".into(), plain.flags(u32::MAX));
    set("table", Value::Table(b"\x01\x02"), plain);
    // The gap makes the long value go on in another place.
    set("gap", "x".into(), plain);
    set("bound", "y".into(), plain);
    dictionary.delete("gap").expect("the lock is free");
    set("long", Value::Bytes(&[0xab; 700]), plain);
    set("lives on", 1.into(), plain.ttl_ms(1));
    dictionary.expire("lives on", 0).expect("it was just stored");
    for number in 0..3 {
        dictionary.push("list", number.into(), Side::Right, plain).expect("there is room");
    }
    dictionary.push("list", "first".into(), Side::Left, plain).expect("there is room");
}

fn verify(dictionary: &Dictionary) {
    let value = |key: &str| dictionary.get(key).expect(key).expect(key);
    assert_eq!(value("nil").value, OwnedValue::Nil);
    assert_eq!(value("true").value, OwnedValue::Boolean(true));
    assert_eq!(value("false").value, OwnedValue::Boolean(false));
    assert_eq!(value("integer").value, OwnedValue::Integer(i64::MIN));
    assert_eq!(value("integer").flags, 7);
    assert_eq!(value("double").value, OwnedValue::Double(-0.5));
    assert_eq!(value("bytes").value, OwnedValue::Bytes(b"some bytes".to_vec()));
    assert_eq!(value("bytes").flags, u32::MAX);
    assert_eq!(value("table").value, OwnedValue::Table(vec![1, 2]));
    assert_eq!(value("long").value, OwnedValue::Bytes(vec![0xab; 700]));
    assert_eq!(dictionary.get("gap"), Ok(None));
    assert_eq!(dictionary.ttl("lives on"), Ok(Remaining::Forever));
    let list = dictionary.range("list", 0, -1).expect("a list");
    assert_eq!(list[0], OwnedValue::Bytes(b"first".to_vec()));
    assert_eq!(list[1..], [0, 1, 2].map(OwnedValue::Integer));
    assert_eq!(dictionary.get("list"), Err(Error::ValueIsList));
    assert_eq!(dictionary.check(), Ok(Vec::new()));
}

fn bytes_of(dictionary: &Dictionary) -> Vec<u8> {
    let file = File::from(dictionary.as_fd().try_clone_to_owned().expect("a descriptor"));
    let mut bytes = vec![0; file.metadata().expect("a file").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("all of it");
    bytes
}

/// Takes the fields of the machine from a segment made here, and corrects the checksum.
fn adopt(bytes: &mut [u8], here: &[u8]) {
    for at in MACHINE {
        let at = at as usize;
        bytes[at..at + 8].copy_from_slice(&here[at..at + 8]);
    }
    let magic = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    let version = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
    let sum = SipHasher13::new_with_keys(magic, version.into()).hash(&bytes[..176]);
    bytes[176..184].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn a_segment_of_this_build_holds_what_was_stored() {
    let dictionary = Dictionary::create_unnamed("format", &options()).expect("memory");
    fill(&dictionary);
    verify(&dictionary);
    if std::env::var_os("SHM_WRITE_SEGMENT").is_some() {
        let mut bytes = bytes_of(&dictionary);
        let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(length);
        std::fs::create_dir_all(path(VERSION).parent().expect("a folder")).expect("a folder");
        std::fs::write(path(VERSION), bytes).expect("it can be written");
    }
}

#[test]
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn a_segment_of_an_earlier_build_is_understood() {
    let here = Dictionary::create_unnamed("here", &options()).expect("memory");
    let here_bytes = bytes_of(&here);
    let mut bytes = on_file(VERSION, here_bytes.len());
    adopt(&mut bytes, &here_bytes);
    let file = File::from(here.as_fd().try_clone_to_owned().expect("a descriptor"));
    file.write_all_at(&bytes, 0).expect("the same size");
    let copy = here.as_fd().try_clone_to_owned().expect("a descriptor");
    let earlier = Dictionary::from_descriptor(copy, &options()).expect("version 3 is understood");
    verify(&earlier);
    earlier.repair().expect("the lock is free");
    verify(&earlier);
    fill(&earlier);
}

/// A file that is removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let file = format!("format-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(file))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Refused, with both versions in the message and a way out of it.
#[track_caller]
fn verify_refusal(version: u32, error: &Error) {
    assert_eq!(*error, Error::WrongVersion { found: version, known: VERSION });
    assert_eq!((error.code(), error.errno()), ("wrong_version", libc::EBADMSG));
    let expected = format!("layout version {version}, this program knows {VERSION}");
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().is_some_and(|hint| hint.contains("save it")), "{:?}", error.hint());
}

#[test]
fn a_segment_of_an_older_layout_is_refused_by_both_versions_and_left_alone() {
    let here = Dictionary::create_unnamed("here", &options()).expect("memory");
    let size_bytes = bytes_of(&here).len();
    for version in 1..VERSION {
        let bytes = on_file(version, size_bytes);
        assert_eq!(bytes[8..12], version.to_le_bytes(), "the file is what its name says");
        let place = Place::new(&version.to_string());
        std::fs::write(&place.0, &bytes).expect("it can be written");
        let open = || File::options().read(true).write(true).open(&place.0).expect("it is there");
        let given = Dictionary::from_descriptor(open().into(), &options()).expect_err("older");
        verify_refusal(version, &given);
        let file = segment::File::new(&place.0).expect("the path of a file");
        verify_refusal(version, &Dictionary::open_in(&file, &options()).expect_err("older"));
        let made = Dictionary::open_or_create_in(&file, &options()).map(|_| ());
        verify_refusal(version, &made.expect_err("it exists"));
        let left = std::fs::read(&place.0).expect("it is there");
        assert!(left == bytes, "what an older program needs is as it was");
    }
}
