//! What cannot be seen from outside: that nothing of a service is kept when it has ended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Host, ServiceId, Spawn};
use crate::actor::service::Service;

/// A test that waits longer hangs.
const WATCHDOG: Duration = Duration::from_secs(30);

fn start(host: &Host, name: &str, text: &str) -> (ServiceId, Weak<Service>) {
    let id = host.spawn(Spawn::text(name, text).register(name), ()).unwrap();
    let service = host.core.service(id.0).unwrap();
    (id, Arc::downgrade(&service))
}

#[track_caller]
fn expect_freed(service: &Weak<Service>) {
    let begun = Instant::now();
    while service.strong_count() > 0 {
        assert!(begun.elapsed() < WATCHDOG, "{} owners are left", service.strong_count());
        std::thread::yield_now();
    }
}

#[test]
fn nothing_keeps_a_killed_service() {
    let host = Host::builder().threads(1).build().unwrap();
    let (id, service) = start(&host, "idle", "return {}");
    assert!(host.kill(id, ""));
    expect_freed(&service);
}

#[test]
fn nothing_keeps_the_timers_of_a_killed_service() {
    let host = Host::builder().threads(1).build().unwrap();
    let text = "local hive = require 'hive'
        local function ring() end
        for i = 1, 1000 do hive.after(1000, ring, i); hive.every(1000 + i, ring) end
        hive.fork(hive.sleep, 1000)
        return {}";
    let before = host.core.handle.timers();
    let (id, service) = start(&host, "alarmed", text);
    host.call::<()>(id, "none", ()).unwrap_err();
    assert_eq!(host.core.handle.timers(), before + 2001);
    assert!(host.kill(id, ""));
    expect_freed(&service);
    assert_eq!(host.core.handle.timers(), before);
}

#[test]
fn nothing_keeps_services_that_watch_each_other() {
    let host = Host::builder().threads(2).build().unwrap();
    let watch = "local hive = require 'hive'
        return { watch = function(name) hive.monitor(name, function() end) end }";
    let (first, service) = start(&host, "first", watch);
    let (second, other) = start(&host, "second", watch);
    host.call::<()>(first, "watch", ("second",)).unwrap();
    host.call::<()>(second, "watch", ("first",)).unwrap();
    assert!(host.kill(first, "") && host.kill(second, ""));
    expect_freed(&service);
    expect_freed(&other);
}

#[test]
fn nothing_keeps_a_service_that_failed_and_left() {
    let host = Host::builder().threads(1).build().unwrap();
    let text = "local hive = require 'hive'
        return { leave = function() hive.exit 'enough' end, fail = function() error {} end }";
    let (id, service) = start(&host, "leaving", text);
    host.call::<()>(id, "fail", ()).unwrap_err();
    host.call::<()>(id, "leave", ()).unwrap_err();
    expect_freed(&service);
}

#[test]
fn every_worker_is_asked_to_give_the_memory_of_ended_services_back() {
    static TRIMS: AtomicUsize = AtomicUsize::new(0);
    let host = Host::builder()
        .threads(3)
        .trim(|| {
            TRIMS.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let (small, service) = start(&host, "small", "return {}");
    assert!(host.kill(small, ""));
    expect_freed(&service);
    for _ in 0..5 {
        let (large, service) = start(&host, "large", "KEPT = ('x'):rep(1 << 20) return {}");
        assert_eq!(TRIMS.load(Ordering::SeqCst), 0, "too little has ended");
        assert!(host.kill(large, ""));
        expect_freed(&service);
    }
    let begun = Instant::now();
    while TRIMS.load(Ordering::SeqCst) < 3 {
        assert!(begun.elapsed() < WATCHDOG, "{} workers were asked", TRIMS.load(Ordering::SeqCst));
        std::thread::yield_now();
    }
}

#[test]
fn who_spawns_a_service_is_told_when_somebody_kills_it_before_it_begins() {
    let host = Host::builder().threads(1).build().unwrap();
    let (caller, pending) = host.core.waiting.begin(host.core.outside().unwrap());
    let service = host.core.create(&Spawn::text("short", "return {}").register("short")).unwrap();
    assert!(super::kill(&service, Some("too early".to_owned())));
    host.core.start(&service, crate::message::Payload::EMPTY, caller);
    let error = pending.wait(Some(WATCHDOG)).unwrap_err();
    assert!(error.to_string().contains("too early"), "{error}");
    let weak = Arc::downgrade(&service);
    drop(service);
    expect_freed(&weak);
}

#[test]
fn nobody_finds_a_service_whose_kill_says_that_it_has_ended() {
    let host = Host::builder().threads(1).build().unwrap();
    let (_, service) = start(&host, "once", "return {}");
    let service = service.upgrade().unwrap();
    // As far as another one who kills it has come.
    assert!(service.note_end(crate::actor::end::End::Killed(None)).is_some());
    assert!(!super::kill(&service, None));
    assert!(host.core.names.find("once").is_none());
    assert!(host.core.table.get(service.address()).is_none());
}

#[test]
fn the_service_of_the_rust_side_cannot_be_killed_or_stopped() {
    let host = Host::builder().threads(1).build().unwrap();
    let text = "local hive = require 'hive'
        return { try = function()
          local caller = hive.caller()
          return hive.kill(caller), hive.stop(caller)
        end }";
    let (id, _) = start(&host, "rude", text);
    assert_eq!(host.call::<(bool, bool)>(id, "try", ()).unwrap(), (false, false));
    assert_eq!(host.call::<(bool, bool)>(id, "try", ()).unwrap(), (false, false));
}

#[test]
fn a_service_that_ends_among_timers_that_are_due_runs_none_of_the_others() {
    let host = Host::builder().threads(1).build().unwrap();
    let text = "local count = 0
        return { add = function() count = count + 1 end, get = function() return count end }";
    let (counter, _) = start(&host, "counter", text);
    let text = "local hive = require 'hive'
        local function go()
            local ran = 0
            for i = 1, 200 do
                hive.after(0.001, function()
                    ran = ran + 1
                    hive.send('counter', 'add')
                    if ran == 100 then hive.kill(hive.self(), 'enough') end
                end)
            end
            local begun = hive.now()
            while hive.now() < begun + 0.02 do end
        end
        return { go = go }";
    let (burst, service) = start(&host, "burst", text);
    host.call::<()>(burst, "go", ()).unwrap();
    expect_freed(&service);
    assert_eq!(host.call::<i64>(counter, "get", ()).unwrap(), 100);
}
