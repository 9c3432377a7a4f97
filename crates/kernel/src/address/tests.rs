//! The address table: one behaviour each, a model, and threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::{Address, AddressTable, FIRST_SEGMENT, RESTING_PLACES, SERVICES_LIMIT, locate};

#[test]
fn the_first_addresses_are_short() {
    let table = AddressTable::new();
    let texts: Vec<_> =
        (0..3).map(|_| table.insert_with(|address| address).expect("room").0.to_string()).collect();
    assert_eq!(texts, [":00000001", ":00000002", ":00000003"]);
}

#[test]
fn addresses_read_back_from_text() {
    for text in [":00000001", ":0000002a", ":01000001", ":ffffffffffffffff"] {
        let address: Address = text.parse().expect("an address");
        assert_eq!(address.to_string(), text);
    }
    for text in ["", ":", "1", ":0", ":00000000", ":+1", ":xyz", ":10000000000000000", " :1"] {
        let error = text.parse::<Address>().expect_err(text);
        assert!(error.to_string().contains("is not an address"), "{error}");
    }
}

#[test]
fn a_place_is_used_again_but_its_address_is_not() {
    let table = AddressTable::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10 * RESTING_PLACES {
        let (address, _service) = table.insert_with(|address| address).expect("room");
        assert!(seen.insert(address), "{address} was given out twice");
        assert_eq!(table.remove(address).as_deref(), Some(&address));
        assert_eq!(table.remove(address), None);
        assert_eq!(table.get(address), None);
    }
    assert!(table.vacancies.lock().fresh <= RESTING_PLACES + 2);
}

#[test]
fn a_reservation_that_is_dropped_leaves_nothing() {
    let table = AddressTable::new();
    let reserved = table.reserve().expect("room");
    let address = reserved.address();
    assert_eq!(table.get(address), None, "nobody finds it before it is entered");
    drop(reserved);
    assert!(table.is_empty());
    assert_eq!(table.get(address), None);
    let service = std::sync::Arc::new(7);
    let address = table.reserve().expect("room").enter(service);
    assert_eq!((table.get(address).as_deref(), table.len()), (Some(&7), 1));
}

#[test]
fn numbers_that_are_no_addresses_find_nothing() {
    let table = AddressTable::new();
    table.insert_with(|_| ()).expect("room");
    for number in [2, 64, 65, 1 << 24, 1 << 24 | 1, (1 << 24) - 1, u64::MAX, 1 << 63] {
        let address = Address::from_number(number).expect("not zero");
        assert_eq!(table.get(address), None, "{address}");
        assert_eq!(table.remove(address), None, "{address}");
    }
    assert_eq!(Address::from_number(0), None);
}

#[test]
fn every_place_has_one_segment_and_offset() {
    let mut expected = (0, 0);
    for place in 0..if cfg!(miri) { 500 } else { 100_000 } {
        assert_eq!(locate(place), expected);
        expected.1 += 1;
        if expected.1 == FIRST_SEGMENT << expected.0 {
            expected = (expected.0 + 1, 0);
        }
    }
    assert_eq!(locate(SERVICES_LIMIT - 1).0, super::SEGMENTS - 1);
    assert_eq!(locate(SERVICES_LIMIT).0, super::SEGMENTS);
}

/// Steps of one case.
const STEPS: usize = if cfg!(miri) { 20 } else { 500 };

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 1 } else { 128 }, ..Default::default() })]

    #[test]
    fn a_table_finds_what_a_map_holds(steps in prop::collection::vec(any::<(bool, usize)>(), 1..STEPS)) {
        let table = AddressTable::new();
        let mut model = HashMap::new();
        let mut given: Vec<Address> = Vec::new();
        for (number, (insert, which)) in steps.into_iter().enumerate() {
            if insert || given.is_empty() {
                let (address, _service) = table.insert_with(|_| number).expect("room");
                assert!(!given.contains(&address));
                given.push(address);
                model.insert(address, number);
            } else {
                let address = given[which % given.len()];
                assert_eq!(table.remove(address).as_deref(), model.remove(&address).as_ref());
            }
            assert_eq!(table.len(), model.len());
        }
        for address in given {
            assert_eq!(table.get(address).as_deref(), model.get(&address));
        }
        let all: HashMap<_, _> =
            table.snapshot().into_iter().map(|(address, service)| (address, *service)).collect();
        assert_eq!(all, model);
    }
}

#[test]
fn threads_never_find_a_stranger_under_an_address() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 5_000 };
    let table = AddressTable::new();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let owners: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let (address, _) = table.insert_with(|address| address).expect("room");
                        assert_eq!(table.get(address).as_deref(), Some(&address));
                        assert!(table.remove(address).is_some());
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                table.for_each(|address, service| assert_eq!(*service, address));
            }
        });
        for owner in owners {
            owner.join().expect("an owner ends");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(table.is_empty());
}
