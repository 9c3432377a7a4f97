//! What goes beyond keys and values, in C and Python: updates, counters, and what else services
//! have. Each of them is used by a program and by this process at the same time.

mod common;

use std::process::Command;
use std::thread;

use moonhive_shm::{Number, OwnedValue, Remaining, SetOptions, Value};

use common::{Named, compiled, example, found, library, output_of};

const SALES: i64 = 2000;

/// Does what the program does, so often.
fn sell(named: &Named) {
    let (dictionary, plain) = (&named.dictionary, SetOptions::default());
    let one_less = |old: Option<&moonhive_shm::Entry<'_>>| match old.map(|entry| entry.value) {
        Some(Value::Integer(stock)) => Some(OwnedValue::Integer(stock - 1)),
        other => panic!("{other:?}"),
    };
    for _ in 0..SALES {
        dictionary.update("stock:apples", plain, one_less).unwrap();
        let longer = |old: Option<&moonhive_shm::Entry<'_>>| match old.map(|entry| entry.value) {
            Some(Value::Bytes(text)) => Some(OwnedValue::Bytes([text, b"R"].concat())),
            _ => Some(OwnedValue::Bytes(b"R".to_vec())),
        };
        dictionary.update("stock:journal", plain, longer).unwrap();
        dictionary.counter("sales").add(1.into()).unwrap();
    }
}

/// Lets a program and this process sell at once, and looks at what came of it.
fn sells_with(named: &Named, letter: u8, mut command: Command) {
    let dictionary = &named.dictionary;
    let ends = SetOptions::default().ttl_ms(3_600_000).flags(7);
    dictionary.set("stock:apples", Value::Integer(2 * SALES), ends).unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(|| sell(named));
        output_of(command.arg(&named.name).arg(SALES.to_string()))
    });
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines[0].starts_with("sales ") && lines.len() == 3, "{output}");
    assert!(lines.contains(&"in stock: stock:journal"), "{output}");
    let left = dictionary.get("stock:apples").unwrap().unwrap();
    assert_eq!((left.value, left.flags), (OwnedValue::Integer(0), 7));
    assert!(matches!(dictionary.ttl("stock:apples"), Ok(Remaining::Us(_))), "it keeps its end");
    assert_eq!(dictionary.counter("sales").read(), Ok(Number::Integer(2 * SALES)));
    let journal = dictionary.get("stock:journal").unwrap().unwrap().value;
    let OwnedValue::Bytes(journal) = journal else { panic!("{journal:?}") };
    let count = |letter: u8| journal.iter().filter(|byte| **byte == letter).count() as i64;
    assert_eq!((count(letter), count(b'R')), (SALES, SALES));
    assert_eq!(dictionary.lock_owner("report:lock"), Ok(None), "it was given back");
}

#[test]
fn a_program_in_c_updates_and_counts_beside_us_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compiled(&folder, &example("stock.c")) else { return };
    sells_with(&Named::new("stock-c", 4 << 20), b'C', Command::new(program));
}

#[test]
fn a_program_in_python_updates_and_counts_beside_us_and_nothing_is_lost() {
    let Some(python) = found("python3", "apt-get install python3") else { return };
    let mut command = Command::new(python);
    command.env("MOONHIVE_SHM_LIBRARY", library()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(example("stock.py"));
    sells_with(&Named::new("stock-python", 4 << 20), b'P', command);
}
