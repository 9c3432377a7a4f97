//! Many processes that open one name again and again, and what they leave behind: nothing.
//!
//! `SHM_PROCESSES=200 SHM_ROUNDS=50 SHM_KILLS=300 SHM_SEED=1 cargo test -p moonhive-shm --release
//! --test attach -- --nocapture --test-threads=1` is the long form: 10,000 attaches by 200
//! processes at once.

mod children;
mod random;

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use children::{Kept, Task, say_ready, start};
use moonhive_shm::{Dictionary, Entry, Error, Options, OwnedValue, SetOptions, Value};
use random::{Random, variable};

/// The short form.
const PROCESSES: u64 = 16;
const ROUNDS: u64 = 20;
const KILLS: u64 = 60;

/// Others who write and read all the time.
const WRITERS: u64 = 2;
const READERS: u64 = 2;

/// Keys that the writers overwrite.
const BUSY_KEYS: u64 = 64;

/// The longest value in eight-byte words.
const WORDS_MOST: u64 = 300;

/// Room for all keys of 200 processes.
const SIZE_BYTES: u64 = 4 << 20;

/// A dictionary of which one is made for each round.
const SMALL_BYTES: u64 = 64 << 10;

/// What a process may own more at its end than after its first round.
const GROWTH_MOST_KIB: u64 = 1024;

/// No step of the others takes as long.
const WATCHDOG: Duration = Duration::from_secs(300);

/// A name that is given back at the end, whatever happens; others may begin with it.
struct Name(String);

impl Name {
    fn new(what: &str) -> Self {
        // The number first: no other name contains this one.
        Self(format!("attach-{}-{what}", std::process::id()))
    }

    /// Names of objects on this machine that begin with this one, from the files.
    fn files(&self) -> Vec<String> {
        let files = fs::read_dir("/dev/shm").expect("there is shared memory");
        let names = files.map(|file| file.expect("it can be listed").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name.contains(&self.0)).collect()
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        for file in self.files() {
            let _ = fs::remove_file(format!("/dev/shm/{file}"));
        }
    }
}

#[test]
fn child_entry() {
    let Some(Task { role, name, arguments }) = Task::of_this_process() else { return };
    match role.as_str() {
        "attacher" => attach_often(&name, &arguments),
        "racer" => race(&name, &arguments),
        "mortal" => attach_until_killed(&name, &arguments),
        "maker" => make_and_remove_until_killed(&name, &arguments),
        "writer" => write_for_ever(&name),
        "reader" => read_for_ever(&name),
        _ => panic!("no role {role}"),
    }
    // Not the way of the test runner: nobody reads what it would print.
    std::process::exit(0);
}

fn numbers<const COUNT: usize>(arguments: &str) -> [u64; COUNT] {
    let numbers = arguments.split(' ').map(|number| number.parse().expect("a number"));
    numbers.collect::<Vec<u64>>().try_into().expect("so many numbers")
}

/// Says that this child is ready and waits until all are.
fn wait_for_the_others() {
    say_ready();
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing).expect("the parent closes it");
}

/// Lets all children go at once.
fn begin(children: &mut [Kept]) {
    for child in children {
        drop(child.stdin.take());
    }
}

fn wait_for_success(children: Vec<Kept>) {
    for mut child in children {
        let status = child.wait().expect("it is ours");
        assert!(status.success(), "a child failed: {status}");
    }
}

/// Descriptors of this process, and the one that looks.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("there is procfs").count()
}

fn mappings(name: &str) -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").expect("there is procfs");
    maps.lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
}

/// Memory that belongs to this process alone.
fn own_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("there is procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Words that all are one number.
fn pattern(number: u64, words: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(words.max(1) as usize)
}

/// The number that words repeat; fails if they are a mixture.
fn number_in(entry: Option<Entry<'_>>) -> Option<u64> {
    let Value::Bytes(bytes) = entry?.value else { panic!("bytes") };
    let words: Vec<_> = bytes.chunks_exact(8).collect();
    assert!(words.windows(2).all(|pair| pair[0] == pair[1]), "a mixture: {words:x?}");
    Some(u64::from_le_bytes(words[0].try_into().expect("eight bytes")))
}

fn set(dictionary: &Dictionary, key: &str, value: Value<'_>) {
    dictionary.set(key, value, SetOptions::default()).expect("there is room");
}

fn count(dictionary: &Dictionary, key: &str) {
    dictionary.incr(key, 1.into(), Some(0.into()), SetOptions::default()).expect("a number");
}

fn counted(dictionary: &Dictionary, key: &str) -> u64 {
    match dictionary.get(key).expect("a plain value").map(|entry| entry.value) {
        Some(OwnedValue::Integer(value)) => value as u64,
        None => 0,
        other => panic!("{key}: {other:?}"),
    }
}

fn open(name: &str) -> Dictionary {
    Dictionary::open(name, &Options::default()).expect("it exists")
}

fn verify_whole(dictionary: &Dictionary) {
    let findings = dictionary.check().expect("locks are free");
    assert!(findings.is_empty(), "{findings:?}");
    let statistics = dictionary.statistics();
    assert_eq!((statistics.evictions, statistics.refusals), (0, 0), "it is large enough");
}

/// Nobody has it open, nothing else is there, and nothing after the name is taken away.
fn verify_only_the_object_is_left(name: &Name) {
    assert_eq!(mappings(&name.0), [""; 0]);
    assert_eq!(name.files(), [format!("moonhive.{}", name.0)]);
    let deadline = Instant::now() + WATCHDOG;
    // Somebody who lists all objects of the machine looks into this one for a moment.
    while is_attached(name) {
        assert!(Instant::now() < deadline, "somebody has it open");
        std::thread::sleep(Duration::from_millis(1));
    }
    Dictionary::unlink(&name.0).expect("it is there");
    assert_eq!(name.files(), [""; 0]);
}

fn is_attached(name: &Name) -> bool {
    let objects = moonhive_shm::list().expect("they can be listed");
    let object = objects.iter().find(|object| object.name.as_str() == name.0);
    object.expect("it is there").attached.expect("it is ours")
}

fn attach_often(name: &str, arguments: &str) {
    let [number, rounds] = numbers(arguments);
    wait_for_the_others();
    let before = descriptors();
    let mut settled_kib = 0;
    for round in 1..=rounds {
        attach(name, number, round);
        assert_eq!(mappings(name), [""; 0], "round {round}");
        assert_eq!(descriptors(), before, "round {round}");
        if round == 1 {
            settled_kib = own_kib();
        }
    }
    let kib = own_kib();
    assert!(kib < settled_kib + GROWTH_MOST_KIB, "from {settled_kib} to {kib} KiB");
}

/// Opens, finds what was left in the round before, and changes it.
fn attach(name: &str, number: u64, round: u64) {
    let dictionary = match round % 2 {
        0 => open(name),
        _ => {
            let opened = Dictionary::open_or_create(name, &Options::new(SIZE_BYTES));
            let (dictionary, is_new) = opened.expect("it exists");
            assert!(!is_new, "it was there");
            dictionary
        }
    };
    let second = round.is_multiple_of(3).then(|| open(name));
    let (key, mut buffer) = (format!("own{number}"), Vec::new());
    let found = number_in(dictionary.get_into(&key, &mut buffer).expect("a plain value"));
    assert_eq!(found.unwrap_or(0), round - 1, "{key}");
    set(&dictionary, &key, Value::Bytes(&pattern(round, number * round % WORDS_MOST)));
    count(&dictionary, "attached");
    let busy = format!("busy{}", (number + round) % BUSY_KEYS);
    number_in(dictionary.get_into(&busy, &mut buffer).expect("a plain value"));
    // A mapping of its own: what one has written the other reads, and goes on when that one is
    // closed.
    let Some(second) = second else { return };
    assert_eq!(mappings(name).len(), 2);
    drop(dictionary);
    let found = number_in(second.get_into(&key, &mut buffer).expect("a plain value"));
    assert_eq!(found, Some(round), "{key}");
}

fn write_for_ever(name: &str) {
    let (dictionary, mut random) = (open(name), Random(u64::from(std::process::id())));
    say_ready();
    loop {
        let value = pattern(random.below(1000), random.below(WORDS_MOST));
        set(&dictionary, &format!("busy{}", random.below(BUSY_KEYS)), Value::Bytes(&value));
    }
}

fn read_for_ever(name: &str) {
    let (dictionary, mut random) = (open(name), Random(u64::from(std::process::id())));
    let mut buffer = Vec::new();
    say_ready();
    loop {
        let key = format!("busy{}", random.below(BUSY_KEYS));
        number_in(dictionary.get_into(&key, &mut buffer).expect("a plain value"));
    }
}

fn start_others(name: &Name) -> Vec<Kept> {
    let writers = (0..WRITERS).map(|_| start("writer", &name.0, ""));
    let readers = (0..READERS).map(|_| start("reader", &name.0, ""));
    writers.chain(readers).collect()
}

fn verify_alive(children: &mut [Kept]) {
    for child in children {
        let ended = child.try_wait().expect("it is ours");
        assert!(ended.is_none(), "a child failed: {ended:?}");
    }
}

#[test]
fn processes_that_come_and_go_leave_nothing_behind() {
    let (processes, rounds) =
        (variable("SHM_PROCESSES", PROCESSES), variable("SHM_ROUNDS", ROUNDS));
    let name = Name::new("often");
    drop(Dictionary::create(&name.0, &Options::new(SIZE_BYTES)).expect("memory"));
    let mut others = start_others(&name);
    let task = |number| start("attacher", &name.0, &format!("{number} {rounds}"));
    let mut children: Vec<Kept> = (0..processes).map(task).collect();
    let start = Instant::now();
    begin(&mut children);
    wait_for_success(children);
    println!("{} attaches by {processes} processes in {:?}", processes * rounds, start.elapsed());
    verify_alive(&mut others);
    drop(others);
    let dictionary = open(&name.0);
    assert_eq!(counted(&dictionary, "attached"), processes * rounds);
    verify_whole(&dictionary);
    drop(dictionary);
    verify_only_the_object_is_left(&name);
}

/// One of those who all want to make a dictionary, a new one in each round.
fn race(name: &str, arguments: &str) {
    let [processes, rounds] = numbers(arguments);
    let gate = open(name);
    wait_for_the_others();
    let before = descriptors();
    for round in 1..=rounds {
        count(&gate, "arrived");
        let deadline = Instant::now() + WATCHDOG;
        while counted(&gate, "arrived") < processes * round {
            assert!(Instant::now() < deadline, "round {round}: some do not arrive");
            std::thread::sleep(Duration::from_micros(200));
        }
        let name = format!("{name}-{round}");
        let opened = Dictionary::open_or_create(&name, &Options::new(SMALL_BYTES));
        let (dictionary, is_new) = opened.expect("it can be made or opened");
        count(&dictionary, if is_new { "made" } else { "opened" });
        drop(dictionary);
        assert_eq!(mappings(&name), [""; 0], "round {round}");
        assert_eq!(descriptors(), before, "round {round}");
    }
}

#[test]
fn of_all_who_want_to_make_a_dictionary_one_does() {
    let (processes, rounds) =
        (variable("SHM_PROCESSES", PROCESSES), variable("SHM_ROUNDS", ROUNDS));
    let name = Name::new("race");
    drop(Dictionary::create(&name.0, &Options::new(SMALL_BYTES)).expect("memory"));
    let task = |_| start("racer", &name.0, &format!("{processes} {rounds}"));
    let mut children: Vec<Kept> = (0..processes).map(task).collect();
    let start = Instant::now();
    begin(&mut children);
    wait_for_success(children);
    println!("{rounds} races of {processes} processes in {:?}", start.elapsed());
    assert_eq!(name.files().len() as u64, rounds + 1);
    for round in 1..=rounds {
        let name = format!("{}-{round}", name.0);
        let dictionary = open(&name);
        let (made, opened) = (counted(&dictionary, "made"), counted(&dictionary, "opened"));
        assert_eq!((made, opened), (1, processes - 1), "round {round}");
        verify_whole(&dictionary);
        Dictionary::unlink(&name).expect("it is there");
    }
    verify_only_the_object_is_left(&name);
}

/// What children have acknowledged: eight bytes of a file each, which their death cannot tear.
struct Acknowledged(File);

impl Acknowledged {
    fn path(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
    }

    fn create(name: &Name) -> Self {
        File::create(Self::path(&name.0)).expect("a file can be made");
        Self::open(&name.0)
    }

    fn open(name: &str) -> Self {
        let opened = File::options().read(true).write(true).open(Self::path(name));
        Self(opened.expect("the parent has made it"))
    }

    fn of(&self, number: u64) -> u64 {
        let mut bytes = [0; 8];
        let length = self.0.read_at(&mut bytes, number * 8).expect("it can be read");
        // Beyond the end nobody has acknowledged anything.
        if length == bytes.len() { u64::from_le_bytes(bytes) } else { 0 }
    }

    fn note(&self, number: u64, count: u64) {
        self.0.write_all_at(&count.to_le_bytes(), number * 8).expect("it can be written");
    }
}

/// Rests before or after closing, or not at all: so death comes everywhere.
fn close_at_some_time(dictionary: Dictionary, random: &mut Random) {
    let rest = Duration::from_micros(random.below(2000));
    match random.below(4) {
        0 => std::thread::sleep(rest),
        1 => {
            drop(dictionary);
            std::thread::sleep(rest);
        }
        _ => {}
    }
}

fn attach_until_killed(name: &str, arguments: &str) {
    let [number] = numbers(arguments);
    let acknowledged = Acknowledged::open(name);
    let (mut done, key) = (acknowledged.of(number), format!("own{number}"));
    let mut random = Random(u64::from(std::process::id()));
    say_ready();
    loop {
        let dictionary = open(name);
        let found = counted(&dictionary, &key);
        assert!(found >= done, "{key}: {done} acknowledged, {found} found");
        count(&dictionary, &key);
        count(&dictionary, "attached");
        done += 1;
        acknowledged.note(number, done);
        close_at_some_time(dictionary, &mut random);
        assert_eq!(mappings(name), [""; 0]);
    }
}

/// Opens the dictionary and compares it with what its users have acknowledged.
fn verify_acknowledged(name: &Name, acknowledged: &Acknowledged, deaths: &[u64], place: &str) {
    // Read first: who lives goes on.
    let least: Vec<u64> = (0..).zip(deaths).map(|(number, _)| acknowledged.of(number)).collect();
    let dictionary = open(&name.0);
    let attached = counted(&dictionary, "attached");
    for (number, least) in least.iter().enumerate() {
        let found = counted(&dictionary, &format!("own{number}"));
        assert!(found >= *least, "{place}: {number} acknowledged {least}, found {found}");
    }
    assert!(attached >= least.iter().sum(), "{place}: {attached} attached");
}

fn kill_one(children: &mut [Kept], random: &mut Random) -> usize {
    std::thread::sleep(Duration::from_micros(random.below(1500)));
    verify_alive(children);
    let index = random.below(children.len() as u64) as usize;
    children[index].kill().expect("it is ours");
    children[index].wait().expect("it is ours");
    index
}

#[test]
fn what_killed_processes_had_open_is_found_by_the_others() {
    let processes = variable("SHM_PROCESSES", PROCESSES);
    let (kills, seed) = (variable("SHM_KILLS", KILLS), variable("SHM_SEED", 1));
    println!("seed {seed}, {kills} kills");
    let (name, mut random) = (Name::new("killed"), Random(seed));
    drop(Dictionary::create(&name.0, &Options::new(SIZE_BYTES)).expect("memory"));
    let acknowledged = Acknowledged::create(&name);
    let task = |number| start("mortal", &name.0, &format!("{number}"));
    let mut children: Vec<Kept> = (0..processes).map(task).collect();
    let mut deaths = vec![0; processes as usize];
    for kill in 0..kills {
        let index = kill_one(&mut children, &mut random);
        deaths[index] += 1;
        let place = format!("seed {seed}, kill {kill}");
        verify_acknowledged(&name, &acknowledged, &deaths, &place);
        if kill % 16 == 0 {
            verify_whole(&open(&name.0));
        }
        children[index] = task(index as u64);
    }
    verify_alive(&mut children);
    drop(children);
    let dictionary = open(&name.0);
    // Whoever is killed has done one thing at most that he could not acknowledge.
    for (number, deaths) in (0..).zip(&deaths) {
        let least = acknowledged.of(number);
        let found = counted(&dictionary, &format!("own{number}"));
        let most = least + deaths + 1;
        assert!((least..=most).contains(&found), "seed {seed}: {number}: {least}, {found}, {most}");
    }
    verify_whole(&dictionary);
    let statistics = dictionary.statistics();
    println!("{} attaches, {} repairs", counted(&dictionary, "attached"), statistics.repairs);
    drop(dictionary);
    verify_only_the_object_is_left(&name);
    let _ = fs::remove_file(Acknowledged::path(&name.0));
}

/// Opens the dictionary or makes it, and sometimes takes its name away, while others do so too.
fn make_and_remove_until_killed(name: &str, arguments: &str) {
    let [number] = numbers(arguments);
    let mut random = Random(u64::from(std::process::id()));
    let key = format!("own{number}");
    say_ready();
    loop {
        let opened = Dictionary::open_or_create(name, &Options::new(SMALL_BYTES));
        let (dictionary, _) = opened.expect("it can be made or opened");
        let before = counted(&dictionary, &key);
        count(&dictionary, &key);
        if random.below(4) == 0 {
            // Another one may have been faster.
            match Dictionary::unlink(name) {
                Ok(()) | Err(Error::NoSuchObject { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        // Still this one, whatever the name leads to by now.
        assert_eq!(counted(&dictionary, &key), before + 1);
        close_at_some_time(dictionary, &mut random);
        assert_eq!(mappings(name), [""; 0]);
    }
}

#[test]
fn a_name_leads_to_a_whole_dictionary_or_none_whoever_dies() {
    let (kills, seed) = (variable("SHM_KILLS", KILLS), variable("SHM_SEED", 1));
    println!("seed {seed}, {kills} kills");
    let (name, mut random) = (Name::new("maker"), Random(seed));
    let task = |number| start("maker", &name.0, &format!("{number}"));
    let mut children: Vec<Kept> = (0..PROCESSES).map(task).collect();
    let mut found = 0;
    for _ in 0..kills {
        let index = kill_one(&mut children, &mut random);
        match Dictionary::open(&name.0, &Options::default()) {
            Ok(dictionary) => {
                found += 1;
                verify_whole(&dictionary);
            }
            Err(Error::NoSuchObject { .. }) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
        children[index] = task(index as u64);
    }
    verify_alive(&mut children);
    drop(children);
    println!("{found} times there");
    let (dictionary, _) =
        Dictionary::open_or_create(&name.0, &Options::new(SMALL_BYTES)).expect("memory");
    verify_whole(&dictionary);
    drop(dictionary);
    verify_only_the_object_is_left(&name);
}
