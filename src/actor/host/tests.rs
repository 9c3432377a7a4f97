//! What cannot be seen from outside: that nothing of a service is kept when it has ended.

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
