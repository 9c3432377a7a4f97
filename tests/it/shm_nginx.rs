//! The dictionaries beside those of a real nginx: the calls of `tests/lua/shared_calls.lua` and
//! `shared_patterns.lua` run in both, and all results must agree. Skipped where nginx and its Lua
//! module are missing.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Scratch, WATCHDOG, skip};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lua");
const MODULES: &str = "/usr/lib/nginx/modules";

/// Runs all calls on a dictionary: the folder of the scripts, the dictionary, how to sleep, how to
/// write a line.
const RUN: &str = r#"
local scripts, dict, sleep, write = ...
local recording = assert(loadfile(scripts .. "/shared_recording.lua"))()
for _, calls in ipairs { "shared_calls", "shared_patterns" } do
  assert(loadfile(scripts .. "/" .. calls .. ".lua"))()(dict, sleep, write, recording)
end
"#;

/// Runs the calls in a service of ours; prints their lines.
const OURS: &str = r#"
local run, scripts = ...
local hive = require "hive"
local shared = require "shared"
local name = "it-calls-" .. tostring({}):match "0x(%x+)"
local dict = shared.create(name, { size = "512k" })
shared.unlink(name)
assert(loadfile(run))(scripts, dict, hive.sleep, print)
"#;

fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "load_module {MODULES}/ndk_http_module.so;
         load_module {MODULES}/ngx_http_lua_module.so;
         daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
         events {{ worker_connections 64; }}
         http {{
           access_log off; lua_shared_dict calls 512k;
           client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
           fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
           scgi_temp_path {folder}/scgi;
           server {{ listen 127.0.0.1:{port}; location / {{ content_by_lua_block {{
             assert(loadfile(\"{folder}/run.lua\"))(\"{SCRIPTS}\", ngx.shared.calls, ngx.sleep, ngx.say)
           }} }} }}
         }}"
    )
}

/// The body of nginx's answer, once it listens.
fn fetch(port: u16) -> String {
    let deadline = Instant::now() + WATCHDOG;
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "nginx does not listen: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split_once("\r\n\r\n").expect("an answer of HTTP").1.to_owned()
}

#[test]
fn a_thousand_calls_answer_what_nginx_answers() {
    if !Path::new(MODULES).join("ngx_http_lua_module.so").exists() {
        return skip("shm_nginx", "apt-get install nginx libnginx-mod-http-lua");
    }
    let scratch = Scratch::new("shm_nginx");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (folder, file) = (scratch.path(""), scratch.path("nginx.conf"));
    scratch.file("run.lua", RUN);
    fs::write(&file, configuration(&folder, port)).unwrap();
    let mut nginx =
        Command::new("nginx").arg("-p").arg(&folder).arg("-c").arg(&file).spawn().unwrap();
    let theirs = fetch(port);
    nginx.kill().unwrap();
    nginx.wait().unwrap();
    scratch.file("ours.lua", OURS);
    let ours = scratch.run(["run", "ours.lua", "run.lua", SCRIPTS]).expect_code(0).stdout;
    let pairs = theirs.lines().zip(ours.lines());
    let different: Vec<_> = pairs.filter(|(theirs, ours)| theirs != ours).collect();
    assert!(different.is_empty(), "nginx and we differ: {different:#?}");
    assert_eq!(theirs.lines().count(), ours.lines().count());
    assert!(ours.lines().count() > 1300, "{} calls only", ours.lines().count());
}
