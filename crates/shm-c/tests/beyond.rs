//! What goes beyond keys and values, in C: updates, counters, and what else services have. Each of them is
//! used by a program and by this process at the same time.

mod common;

use std::process::Command;
use std::thread;

use moonhive_shm::{Number, OwnedValue, SetOptions, Value};

use common::{Named, compiled, example, output_of};

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

#[test]
fn a_program_in_c_updates_and_counts_beside_us_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compiled(&folder, &example("stock.c")) else { return };
    let named = Named::new("stock-c", 4 << 20);
    let dictionary = &named.dictionary;
    let ends = SetOptions::default().ttl_ms(3_600_000).flags(7);
    dictionary.set("stock:apples", Value::Integer(2 * SALES), ends).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| sell(&named));
        let output = output_of(Command::new(program).arg(&named.name).arg(SALES.to_string()));
        assert!(output.starts_with("sales "), "{output}");
        let keys: Vec<&str> = output.lines().skip(1).collect();
        assert!(keys.contains(&"in stock: stock:journal") && keys.len() == 2, "{output}");
    });
    let left = dictionary.get("stock:apples").unwrap().unwrap();
    assert_eq!((left.value, left.flags), (OwnedValue::Integer(0), 7));
    assert!(matches!(dictionary.ttl("stock:apples"), Ok(moonhive_shm::Remaining::Us(_))));
    assert_eq!(dictionary.counter("sales").read(), Ok(Number::Integer(2 * SALES)));
    let journal = dictionary.get("stock:journal").unwrap().unwrap().value;
    let OwnedValue::Bytes(journal) = journal else { panic!("{journal:?}") };
    let count = |letter: u8| journal.iter().filter(|byte| **byte == letter).count() as i64;
    assert_eq!((count(b'C'), count(b'R')), (SALES, SALES));
    assert_eq!(dictionary.lock_owner("report:lock"), Ok(None), "it was given back");
}
