//! Chains of made-up services.

use super::*;
use crate::actor::ServedRequest;

fn id(number: u64) -> ServiceId {
    moonhive_kernel::address::Address::from_number(number).expect("not zero").into()
}

fn task(session: u64, for_what: WaitFor, lasted_ms: u64) -> TaskWait {
    let lasted = Duration::from_millis(lasted_ms);
    TaskWait { session, for_what, has_limit: false, lasted, place: None, serves: None }
}

/// A task that serves the request of a caller that waits under a session.
fn serving(mut task: TaskWait, caller: u64, session: u64) -> TaskWait {
    let method = Some("work".to_owned());
    task.serves = Some(ServedRequest { caller: id(caller), session, method });
    task
}

fn host(services: Vec<(u64, Vec<TaskWait>)>) -> HostWaits {
    let services = services.into_iter().map(|(number, tasks)| {
        let name = char::from(b'a' + number as u8 - 1).to_string();
        ServiceWaits { name, id: id(number), tasks, untold: 0 }
    });
    HostWaits { services: services.collect(), silent: Vec::new() }
}

fn shown(waits: &HostWaits) -> Vec<(String, bool, usize)> {
    let none = HashMap::new();
    let chains = chains(waits, &none);
    chains.iter().map(|chain| (chain.to_string(), chain.is_ring(), chain.others)).collect()
}

#[test]
fn a_chain_leads_from_the_call_to_the_task_that_holds_it_up() {
    let waits = host(vec![
        (1, vec![task(11, WaitFor::Answer(id(2)), 5000)]),
        (2, vec![serving(task(21, WaitFor::Answer(id(3)), 5000), 1, 11)]),
        (3, vec![serving(task(31, WaitFor::Time, 4000), 2, 21)]),
    ]);
    let text = "\n\ta:00000001 waits for :00000002\
                \n\tb:00000002 serves work and waits for :00000003\
                \n\tc:00000003 serves work and sleeps";
    assert_eq!(shown(&waits), [(text.to_owned(), false, 0)]);
}

#[test]
fn services_that_wait_for_each_other_are_a_ring_where_the_last_one_waits_for_itself() {
    let ring = |last: TaskWait| {
        host(vec![
            (1, vec![task(11, WaitFor::Answer(id(2)), 5000), serving(last, 2, 21)]),
            (2, vec![serving(task(21, WaitFor::Answer(id(1)), 5000), 1, 11)]),
        ])
    };
    assert!(shown(&ring(task(12, WaitFor::Wakeup, 5000)))[0].1);
    assert!(!shown(&ring(task(12, WaitFor::Time, 5000)))[0].1);
    let limited = TaskWait { has_limit: true, ..task(12, WaitFor::Wakeup, 5000) };
    assert!(!shown(&ring(limited))[0].1);
}

#[test]
fn callers_of_the_same_are_told_of_once_and_the_longest_wait_comes_first() {
    let waits = host(vec![
        (1, vec![task(11, WaitFor::Answer(id(3)), 2000), task(12, WaitFor::Answer(id(4)), 7000)]),
        (2, vec![task(21, WaitFor::Answer(id(3)), 3000), task(22, WaitFor::Answer(id(3)), 900)]),
    ]);
    let shown = shown(&waits);
    assert_eq!(shown.iter().map(|(_, _, others)| *others).collect::<Vec<_>>(), [0, 1]);
    assert!(shown[0].0.starts_with("\n\ta:00000001 waits for :00000004"), "{shown:?}");
    assert!(shown[1].0.starts_with("\n\tb:00000002 waits for :00000003"), "{shown:?}");
}

#[test]
fn a_call_that_calls_itself_for_ever_is_cut() {
    let mut tasks = vec![task(1, WaitFor::Answer(id(1)), 5000)];
    for session in 2..100 {
        tasks.push(serving(task(session, WaitFor::Answer(id(1)), 5000), 1, session - 1));
    }
    let (text, is_ring, _) = shown(&host(vec![(1, tasks)])).remove(0);
    assert_eq!((text.lines().count(), is_ring), (LINKS_MAX + 2, false));
    assert!(text.ends_with("\n\t..."));
}
