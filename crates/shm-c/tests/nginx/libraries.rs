//! Libraries for nginx as they are, on our dictionaries: beside nginx's own, with several workers,
//! and in a host. But for one they are no packages of Debian, so the tests are given a folder with
//! them:
//!
//! `MOONHIVE_RESTY=FOLDER cargo test -p moonhive-shm-c --test nginx -- --ignored`
//!
//! `FOLDER/resty` holds `lock.lua`, `mlcache.lua`, `mlcache/ipc.lua` and `limit/`, and the folder
//! itself `prometheus_resty_counter.lua` and `prometheus_keys.lua`; Debian's packages
//! lua-resty-lrucache, lua-cjson and lua-dkjson are needed, too.

use std::process::{Command, Stdio};
use std::thread;

use moonhive_shm::{Dictionary, OwnedValue, SetOptions, Side};
use rustix::process::Signal;

use crate::common::{self, Named, output_of, root};
use crate::server::{self, Nginx, signal};

const SIZE_BYTES: u64 = 1 << 20;
const PARTS: [&str; 4] = ["cache", "misses", "locks", "events"];

/// The dictionaries of one test, in the order of `PARTS`, and an nginx that has them open.
struct Site {
    // Ends before the dictionaries do.
    nginx: Nginx,
    parts: [Named; 4],
    /// The one that every nginx of the tests has.
    base: Named,
}

impl Site {
    fn new(what: &str, workers: u32) -> Self {
        let folder = server::libraries().expect("MOONHIVE_RESTY names a folder");
        assert!(folder.join("resty/lock.lua").is_file(), "{} has no lock", folder.display());
        Self::without_libraries(what, workers).expect("nginx is installed")
    }

    /// One for what Debian has; `None`, said loudly, where nginx is missing.
    fn without_libraries(what: &str, workers: u32) -> Option<Self> {
        let base = Named::new(&format!("resty-{what}"), SIZE_BYTES);
        let parts = PARTS.map(|part| Named::exactly(&format!("{}-{part}", base.name), SIZE_BYTES));
        let nginx = Nginx::start(&base.name, workers, "1m")?;
        Some(Self { nginx, parts, base })
    }

    fn cache(&self) -> &Named {
        &self.parts[0]
    }

    fn events(&self) -> &Named {
        &self.parts[3]
    }

    /// A host that lets so many services do something.
    fn host(&self, what: &str, services: u32, number: u32) -> Command {
        let scripts = root().join("crates/shm-c/tests/nginx");
        let mut command = Command::new(common::host().expect("the host is built"));
        command
            .arg("run")
            .arg("--path")
            .arg(scripts.join("host"))
            .arg(scripts.join("host/main.lua"));
        command.args([what, &services.to_string(), &number.to_string(), &self.base.name]);
        command.arg(server::libraries().unwrap_or_else(|| scripts.clone())).arg(scripts);
        command
    }

    /// What services of a host answer, each on a line.
    fn in_host(&self, what: &str, services: u32, number: u32) -> Vec<String> {
        output_of(&mut self.host(what, services, number)).lines().map(str::to_owned).collect()
    }

    fn in_nginx(&self, what: &str, number: u32) -> String {
        self.in_worker("ours", what, number)
    }

    /// What a worker answers after doing something on our dictionaries or on nginx's own.
    fn in_worker(&self, which: &str, what: &str, number: u32) -> String {
        self.nginx.ask(&format!("/work?which={which}&what={what}&n={number}")).unwrap()
    }

    /// What so many requests at once answer.
    fn in_workers(&self, which: &str, what: &str, requests: u32, number: u32) -> Vec<String> {
        thread::scope(|scope| {
            let ask = || self.in_worker(which, what, number);
            let asked: Vec<_> = (0..requests).map(|_| scope.spawn(ask)).collect();
            asked.into_iter().map(|one| one.join().unwrap()).collect()
        })
    }

    /// What so many requests at once and so many services at once answer.
    fn everywhere(&self, what: &str, requests: u32, services: u32, number: u32) -> Vec<String> {
        thread::scope(|scope| {
            let host = scope.spawn(|| self.in_host(what, services, number));
            let mut answers = self.in_workers("ours", what, requests, number);
            answers.extend(host.join().unwrap());
            answers
        })
    }

    fn integer(&self, key: &str) -> Option<i64> {
        match self.cache().dictionary.get(key).unwrap().map(|entry| entry.value) {
            Some(OwnedValue::Integer(number)) => Some(number),
            _ => None,
        }
    }

    /// Kills a worker that holds a lock, which ends after a second, and waits for its successor.
    fn kill_a_holder(&self, which: &str) {
        let _request = self.nginx.send(&format!("/work?which={which}&what=hold&n=1")).unwrap();
        let holder = pop_integer(&self.events().dictionary, "holders") as u32;
        signal(holder, Signal::KILL);
        self.nginx.wait_until("the worker is replaced", || {
            let workers = self.nginx.workers();
            workers.len() == 2 && !workers.contains(&holder)
        });
    }

    fn expect_no_findings(&self) {
        for part in &self.parts {
            assert_eq!(part.dictionary.check().unwrap(), [], "{}", part.name);
        }
    }
}

#[test]
fn the_cache_of_debian_does_in_a_host_what_it_does_in_nginx() {
    if common::host().is_none() {
        return;
    }
    let Some(site) = Site::without_libraries("lru", 1) else { return };
    let theirs = site.nginx.ask("/lru").unwrap();
    let ours = output_of(&mut site.host("lru", 1, 0));
    crate::expect_same(&ours, &theirs, 1000);
}

/// Waits for an element of a list, which is a number.
fn pop_integer(dictionary: &Dictionary, key: &str) -> i64 {
    match dictionary.pop_wait(key, Side::Left, server::PATIENCE).unwrap() {
        OwnedValue::Integer(number) => number,
        other => panic!("{key} has {other:?}"),
    }
}

#[test]
#[ignore = "needs MOONHIVE_RESTY"]
fn libraries_do_on_our_dictionaries_what_they_do_on_those_of_nginx() {
    let site = Site::new("same", 1);
    let theirs = site.nginx.ask("/libraries?which=own").unwrap();
    let ours = site.nginx.ask("/libraries?which=ours").unwrap();
    crate::expect_same(&ours, &theirs, 100);
    site.expect_no_findings();
}

#[test]
#[ignore = "needs MOONHIVE_RESTY"]
fn libraries_do_in_a_host_what_they_do_in_nginx() {
    let site = Site::new("host", 1);
    let theirs = site.nginx.ask("/libraries?which=own").unwrap();
    let ours = output_of(&mut site.host("libraries", 1, 0));
    crate::expect_same(&ours, &theirs, 100);
    site.expect_no_findings();
}

#[test]
#[ignore = "needs MOONHIVE_RESTY"]
fn a_lock_of_the_library_excludes_workers_and_services_from_each_other() {
    let site = Site::new("contend", 3);
    assert_eq!(site.in_workers("own", "contend", 6, 50), ["done"; 6]);
    assert_eq!(site.in_worker("own", "contended", 0), (6 * 50).to_string());
    let answers = site.everywhere("contend", 6, 6, 50);
    assert_eq!(answers, ["done"; 12]);
    assert_eq!(site.integer("contended"), Some(12 * 50));
    site.expect_no_findings();
}

#[test]
#[ignore = "needs MOONHIVE_RESTY"]
fn a_lock_of_a_worker_that_was_killed_ends_with_its_time() {
    let site = Site::new("killed", 2);
    site.kill_a_holder("own");
    let answers = site.in_workers("own", "inherit", 2, 1);
    assert!(answers.iter().any(|answer| answer == "inherited"), "{answers:?}");
    site.kill_a_holder("ours");
    let answers = site.everywhere("inherit", 2, 2, 1);
    assert!(answers.iter().any(|answer| answer == "inherited"), "{answers:?}");
    site.expect_no_findings();
}

#[test]
#[ignore = "needs MOONHIVE_RESTY"]
fn one_limit_counts_for_workers_and_services() {
    let site = Site::new("limits", 2);
    let answers = site.everywhere("accept", 4, 4, 100);
    let accepted: u32 = answers.iter().map(|answer| answer.parse::<u32>().unwrap()).sum();
    assert_eq!(accepted, 500, "{answers:?}");
    assert_eq!(site.in_nginx("exceed", 3), "2.0");
    assert_eq!(site.in_host("exceed", 1, 2), ["4.0"]);
    assert_eq!(site.in_nginx("exceed", 1), "5.0");
    site.expect_no_findings();
}

#[test]
#[ignore = "needs MOONHIVE_RESTY"]
fn one_of_all_workers_and_services_computes_what_a_cache_lacks() {
    let site = Site::new("compute", 2);
    let answers = site.everywhere("compute", 6, 6, 7);
    assert_eq!(answers, ["value 7"; 12]);
    assert_eq!(site.integer("times computed"), Some(1));
    site.expect_no_findings();
}

#[test]
#[ignore = "needs MOONHIVE_RESTY"]
fn what_a_worker_or_a_service_has_changed_all_others_hear() {
    let site = Site::new("told", 1);
    let host = site.host("follow", 2, 3).stdout(Stdio::piped()).spawn().unwrap();
    let events = &site.events().dictionary;
    for number in 1..=3 {
        let ready = [(); 2].map(|()| pop_integer(events, "ready"));
        assert_ne!(ready[0], ready[1], "two services have two numbers");
        assert_eq!(site.in_nginx("tell", number), "told");
        assert_eq!(site.in_nginx("read", 0), number.to_string());
        for service in ready {
            let go = format!("go:{service}");
            events.push(go, 1.into(), Side::Right, SetOptions::default()).unwrap();
        }
    }
    let output = host.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "followed\nfollowed\n");
    site.expect_no_findings();
}
