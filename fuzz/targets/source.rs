//! Arbitrary text as a Lua chunk, compiled and shared.
//!
//! One VM compiles it as stock Lua does, another one makes an image of it and clones that. What
//! holds: both take it or both refuse it with the same words; both functions use the same globals;
//! and a chunk that compiles does so with the meaning of Lua 5.4, too. Nothing is run.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use moonhive::vm::{GlobalUse, LoadMode, Vm};

/// VMs do not share what they intern, so old ones go after so many inputs.
const INPUTS_PER_VM: u32 = 200;

struct Subjects {
    stock: Vm,
    shared: Vm,
    compatible: Vm,
    inputs: u32,
}

impl Subjects {
    fn new() -> Self {
        let build = |builder: moonhive::vm::VmBuilder| builder.build().expect("memory for a VM");
        Self {
            stock: build(Vm::builder()),
            shared: build(Vm::builder().share_all_chunks(true)),
            compatible: build(Vm::builder().share_all_chunks(true).compat_54(true)),
            inputs: 0,
        }
    }
}

thread_local! {
    static SUBJECTS: RefCell<Subjects> = RefCell::new(Subjects::new());
}

fuzz_target!(|text: &[u8]| SUBJECTS.with_borrow_mut(|subjects| check(subjects, text)));

fn check(subjects: &mut Subjects, text: &[u8]) {
    if subjects.inputs == INPUTS_PER_VM {
        *subjects = Subjects::new();
    }
    subjects.inputs += 1;
    let stock = compile(&mut subjects.stock, text);
    assert_eq!(compile(&mut subjects.shared, text), stock, "an image differs");
    let compatible = compile(&mut subjects.compatible, text);
    if stock.is_ok() {
        assert_eq!(compatible, stock, "5.4's meaning is for what 5.5 refuses");
    }
}

/// What a text compiles to, as far as it can be seen without running it.
fn compile(vm: &mut Vm, text: &[u8]) -> Result<Option<Vec<GlobalUse>>, String> {
    let mut stack = vm.stack();
    let loaded = stack.load(text, "=input", LoadMode::Text);
    loaded.map(|()| stack.global_uses(-1)).map_err(|error| error.message)
}
