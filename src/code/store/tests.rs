//! The table without Lua: who compiles, who waits, what a clear leaves.

use std::sync::Barrier;
use std::sync::mpsc;
use std::time::Duration;

use super::super::version::fake::{FakeCode, compiled, named};
use super::*;

/// What a test waits for at most; reaching it means a hang.
const WATCHDOG: Duration = Duration::from_secs(60);

fn store() -> Store<FakeCode> {
    Store::new(MAX_CHUNKS)
}

fn rejected(chunk_name: &CStr) -> LoadError {
    LoadError::Rejected(Arc::new(Rejection {
        status: 3,
        message: Box::from(*b"x.lua:1: unexpected symbol"),
        chunk_name: chunk_name.to_owned(),
    }))
}

/// Fetches `name`, which must not have to be compiled.
fn fetch_cached(store: &Store<FakeCode>, name: &str) -> Arc<Version<FakeCode>> {
    store.fetch(&named(name), c"@x.lua", || panic!("{name} is compiled again")).unwrap()
}

fn fetch(store: &Store<FakeCode>, name: &str, text: &str) -> Arc<Version<FakeCode>> {
    store.fetch(&named(name), c"@x.lua", || Ok(compiled(text))).unwrap()
}

fn text_of(version: &Version<FakeCode>) -> String {
    version.code_named(c"@x.lua").unwrap().0.text.clone()
}

/// Runs `builder` as the compilation of "m" on one thread and, once it is under way, `other` on
/// another. `builder` gets a receiver that hears when `other` has begun to wait.
fn while_compiling<T: Send>(
    store: &Store<FakeCode>,
    result: Result<&str, LoadError>,
    other: impl FnOnce() -> T + Send,
    meanwhile: impl FnOnce() + Send,
) -> (Result<Arc<Version<FakeCode>>, LoadError>, T) {
    let (begun, has_begun) = mpsc::channel();
    std::thread::scope(|scope| {
        let builder = scope.spawn(move || {
            store.fetch(&named("m"), c"@x.lua", || {
                begun.send(()).unwrap();
                while store.counts.waited.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                meanwhile();
                result.map(compiled)
            })
        });
        has_begun.recv_timeout(WATCHDOG).unwrap();
        let other = scope.spawn(other);
        (builder.join().unwrap(), other.join().unwrap())
    })
}

#[test]
fn loads_go_on_while_a_clear_waits_for_the_list_of_the_retired() {
    let store = &store();
    let version = fetch(store, "m", "text");
    std::thread::scope(|scope| {
        let retired = store.retired.lock();
        scope.spawn(|| store.clear());
        while version.is_current() {
            std::thread::yield_now();
        }
        // The clear is behind the table now, and in front of the list.
        let (found, is_found) = mpsc::channel();
        scope.spawn(move || found.send(store.current(&named("m")).is_none()));
        let answer = is_found.recv_timeout(WATCHDOG);
        drop(retired);
        assert_eq!(answer, Ok(true), "a load spins");
    });
}

#[test]
fn the_second_load_finds_what_the_first_compiled() {
    let store = store();
    let first = fetch(&store, "m", "one");
    assert_eq!(first.number, 1);
    assert!(Arc::ptr_eq(&fetch_cached(&store, "m"), &first));
    assert_eq!(fetch(&store, "other", "two").number, 2);
}

#[test]
fn dialects_are_kept_apart() {
    let store = store();
    fetch(&store, "m", "new");
    let key = Key { compat_54: true, ..named("m") };
    let old = store.fetch(&key, c"@x.lua", || Ok(compiled("old"))).unwrap();
    assert_eq!(text_of(&old), "old");
    assert_eq!(store.clear_chunk(&key.chunk), 2);
}

#[test]
fn threads_that_miss_together_compile_once() {
    let store = store();
    let compilations = AtomicUsize::new(0);
    let together = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                together.wait();
                let version = store.fetch(&named("m"), c"@x.lua", || {
                    compilations.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    Ok(compiled("once"))
                });
                assert_eq!(text_of(&version.unwrap()), "once");
            });
        }
    });
    assert_eq!(compilations.into_inner(), 1);
}

#[test]
fn waiters_get_the_syntax_error_and_the_next_load_compiles_again() {
    let store = store();
    let error = Err(rejected(c"@x.lua"));
    let other = || store.fetch(&named("m"), c"@x.lua", || panic!("the waiter compiles as well"));
    let (first, second) = while_compiling(&store, error, other, || {});
    assert!(matches!(first, Err(LoadError::Rejected(_))));
    assert!(matches!(second, Err(LoadError::Rejected(_))));
    assert_eq!(store.chunks.load(Ordering::SeqCst), 0);
    assert_eq!(text_of(&fetch(&store, "m", "repaired")), "repaired");
}

#[test]
fn a_waiter_with_another_spelling_gets_a_syntax_error_of_its_own() {
    let store = store();
    let other = || store.fetch(&named("m"), c"@./x.lua", || Err(rejected(c"@./x.lua")));
    let (_, second) = while_compiling(&store, Err(rejected(c"@x.lua")), other, || {});
    let Err(LoadError::Rejected(rejection)) = second else { panic!("{second:?}") };
    assert_eq!(rejection.chunk_name.as_c_str(), c"@./x.lua");
}

#[test]
fn waiters_try_themselves_when_the_builder_had_no_memory() {
    let store = store();
    let other = || fetch(&store, "m", "mine");
    let (first, second) = while_compiling(&store, Err(LoadError::OutOfMemory), other, || {});
    assert!(matches!(first, Err(LoadError::OutOfMemory)));
    assert_eq!(text_of(&second), "mine");
}

#[test]
fn waiters_are_woken_when_the_builder_panics() {
    let store = store();
    std::thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let builder = scope.spawn({
            let store = &store;
            move || {
                store.fetch(&named("m"), c"@x.lua", || {
                    begun.send(()).unwrap();
                    while store.counts.waited.load(Ordering::SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                    panic!("a bug in the compiler");
                })
            }
        });
        has_begun.recv_timeout(WATCHDOG).unwrap();
        assert_eq!(text_of(&fetch(&store, "m", "mine")), "mine");
        assert!(builder.join().is_err());
    });
}

#[test]
fn what_was_read_before_a_clear_is_not_published_after_it() {
    let store = store();
    let other = || store.fetch(&named("m"), c"@x.lua", || panic!("waited since before the clear"));
    let (first, second) =
        while_compiling(&store, Ok("old"), other, || assert_eq!(store.clear(), 0));
    let first = first.unwrap();
    assert!(Arc::ptr_eq(&first, &second.unwrap()));
    assert!(!first.is_current());
    assert_eq!(text_of(&fetch(&store, "m", "new")), "new");
}

#[test]
fn clearing_one_chunk_leaves_the_others() {
    let store = store();
    let old = fetch(&store, "m", "old");
    fetch(&store, "n", "other");
    assert_eq!(store.clear_chunk(&named("m").chunk), 1);
    assert_eq!(store.clear_chunk(&named("m").chunk), 0);
    assert!(!old.is_current());
    fetch_cached(&store, "n");
    assert_eq!(text_of(&fetch(&store, "m", "new")), "new");
}

#[test]
fn a_replacement_takes_the_place_only_when_it_compiles() {
    let store = store();
    let old = fetch(&store, "m", "old");
    assert!(store.replace(&named("m"), || Err(rejected(c"@x.lua"))).is_err());
    assert!(Arc::ptr_eq(&fetch_cached(&store, "m"), &old));
    assert!(old.is_current());
    let new = store.replace(&named("m"), || Ok(compiled("new"))).unwrap();
    assert!(!old.is_current());
    assert!(Arc::ptr_eq(&fetch_cached(&store, "m"), &new));
}

#[test]
fn an_older_compilation_does_not_undo_a_replacement() {
    let store = store();
    let other = || store.fetch(&named("m"), c"@x.lua", || panic!("waited for the old one"));
    let meanwhile = || drop(store.replace(&named("m"), || Ok(compiled("new"))).unwrap());
    let (old, _) = while_compiling(&store, Ok("old"), other, meanwhile);
    assert!(!old.unwrap().is_current());
    assert_eq!(text_of(&fetch_cached(&store, "m")), "new");
}

#[test]
fn a_retired_version_stays_on_the_books_until_its_last_user_lets_go() {
    let store = store();
    let code = fetch(&store, "m", "old").code_named(c"@x.lua").unwrap();
    code.0.users.store(2, Ordering::SeqCst);
    fetch_cached(&store, "m").add_hits(7);
    store.clear();
    let retired = store.retired_versions();
    assert_eq!(retired.iter().map(|version| version.users()).collect::<Vec<_>>(), [2]);
    drop(retired);
    code.0.users.store(0, Ordering::SeqCst);
    store.sweep();
    assert!(store.retired_versions().is_empty());
    assert_eq!(Arc::strong_count(&code.0), 1, "the cache lets go of the code");
    assert_eq!(store.counts.past_hits.load(Ordering::SeqCst), 7);
}

#[test]
fn a_version_about_to_be_used_is_not_swept() {
    let store = store();
    let version = fetch(&store, "m", "old");
    store.clear();
    assert_eq!(store.retired_versions().len(), 1);
    drop(version);
    assert!(store.retired_versions().is_empty());
}

#[test]
fn a_full_table_refuses_new_chunks_and_serves_the_old_ones() {
    let store = Store::new(2);
    fetch(&store, "a", "a");
    fetch(&store, "b", "b");
    let refused = store.fetch(&named("c"), c"@x.lua", || panic!("no room"));
    let text = refused.unwrap_err().to_string();
    assert!(text.starts_with("the code cache holds 2 chunks and takes no more"), "{text}");
    fetch_cached(&store, "a");
    store.clear();
    fetch(&store, "c", "c");
}

#[test]
fn clears_among_loads_never_serve_an_outdated_text() {
    let store = store();
    let (newest, cleared) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let before = cleared.load(Ordering::SeqCst);
                    let version = store.fetch(&named("m"), c"@x.lua", || {
                        Ok(compiled(&newest.load(Ordering::SeqCst).to_string()))
                    });
                    let served: u64 = text_of(&version.unwrap()).parse().unwrap();
                    assert!(served >= before, "served {served} after {before} was cleared");
                }
            });
        }
        scope.spawn(|| {
            for edit in 1..500 {
                newest.store(edit, Ordering::SeqCst);
                store.clear();
                cleared.store(edit, Ordering::SeqCst);
            }
        });
    });
    store.clear();
    assert!(store.retired_versions().is_empty());
}
