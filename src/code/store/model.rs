//! Any sequence of loads, edits, clears and replacements against a model that is a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::version::fake::{FakeCode, compiled, named};
use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
    /// A VM loads a chunk and uses it from then on.
    Load {
        name: usize,
        compiles: bool,
    },
    /// A chunk is compiled afresh.
    Replace {
        name: usize,
        compiles: bool,
    },
    Clear,
    ClearOne {
        name: usize,
    },
    /// The VM that loaded longest ago ends.
    End,
}

/// What must be true of the store.
#[derive(Default)]
struct Model {
    /// Texts of current versions, by name.
    current: BTreeMap<&'static str, String>,
    /// Code in use, oldest first.
    used: Vec<FakeCode>,
    edits: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0..NAMES.len();
    let step = prop_oneof![
        6 => (name.clone(), any::<bool>()).prop_map(|(name, compiles)| Step::Load { name, compiles }),
        2 => (name.clone(), any::<bool>()).prop_map(|(name, compiles)| Step::Replace { name, compiles }),
        1 => Just(Step::Clear),
        1 => name.prop_map(|name| Step::ClearOne { name }),
        3 => Just(Step::End),
    ];
    prop::collection::vec(step, 0..60)
}

/// A compilation that yields `text` or a lack of memory.
fn compile(text: &str, compiles: bool) -> Result<Compiled<FakeCode>, LoadError> {
    if compiles { Ok(compiled(text)) } else { Err(LoadError::OutOfMemory) }
}

impl Model {
    fn apply(&mut self, store: &Store<FakeCode>, step: &Step) {
        match *step {
            Step::Load { name, compiles } => self.load(store, NAMES[name], compiles),
            Step::Replace { name, compiles } => self.replace(store, NAMES[name], compiles),
            Step::Clear => {
                assert_eq!(store.clear(), self.current.len());
                self.current.clear();
            }
            Step::ClearOne { name } => {
                let expected = usize::from(self.current.remove(NAMES[name]).is_some());
                assert_eq!(store.clear_chunk(&named(NAMES[name]).chunk), expected);
            }
            Step::End if !self.used.is_empty() => {
                self.used.remove(0).0.users.fetch_sub(1, Ordering::SeqCst);
            }
            Step::End => {}
        }
    }

    fn load(&mut self, store: &Store<FakeCode>, name: &'static str, compiles: bool) {
        let text = self.new_text(name);
        let mut was_compiled = false;
        let version = store.fetch(&named(name), c"@x.lua", || {
            was_compiled = true;
            compile(&text, compiles)
        });
        assert_eq!(was_compiled, !self.current.contains_key(name));
        if was_compiled && compiles {
            self.current.insert(name, text);
        }
        assert_eq!(version.is_ok(), self.current.contains_key(name));
        if let Ok(version) = version {
            let code = version.code_named(c"@x.lua").unwrap();
            assert_eq!(code.0.text, self.current[name]);
            code.0.users.fetch_add(1, Ordering::SeqCst);
            self.used.push(code);
        }
    }

    fn replace(&mut self, store: &Store<FakeCode>, name: &'static str, compiles: bool) {
        let text = self.new_text(name);
        let replaced = store.replace(&named(name), || compile(&text, compiles));
        assert_eq!(replaced.is_ok(), compiles);
        if compiles {
            self.current.insert(name, text);
        }
    }

    fn new_text(&mut self, name: &str) -> String {
        self.edits += 1;
        format!("{name} {}", self.edits)
    }

    /// Retired versions are those in use that are not current.
    fn check(&self, store: &Store<FakeCode>) {
        let text = |version: &Arc<Version<FakeCode>>| {
            version.code_named(c"@x.lua").unwrap().0.text.clone()
        };
        let sorted = |mut texts: Vec<String>| {
            texts.sort();
            texts.dedup();
            texts
        };
        let current = sorted(store.current_versions().iter().map(text).collect());
        assert_eq!(current, sorted(self.current.values().cloned().collect()));
        let retired = sorted(store.retired_versions().iter().map(text).collect());
        let used = self.used.iter().map(|code| code.0.text.clone());
        assert_eq!(retired, sorted(used.filter(|text| !current.contains(text)).collect()));
        assert_eq!(store.chunks.load(Ordering::SeqCst), current.len());
    }
}

proptest! {
    #[test]
    fn the_store_does_what_the_model_does(steps in steps()) {
        let store = Store::new(MAX_CHUNKS);
        let mut model = Model::default();
        for step in &steps {
            model.apply(&store, step);
            model.check(&store);
        }
    }
}
