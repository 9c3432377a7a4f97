//! What `moonhive shm` shows to a terminal: no control characters out of a dictionary, and how far
//! long work is.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::shm::made;
use crate::support::{Scratch, WATCHDOG};

/// A terminal, and what was shown on it.
struct Terminal {
    pieces: Receiver<Vec<u8>>,
    shown: Vec<u8>,
    /// The end of the programs.
    programs: OwnedFd,
}

impl Terminal {
    fn open() -> Self {
        let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&own).expect("it is ours");
        unlockpt(&own).expect("it opens");
        let path = ptsname(&own, Vec::new()).expect("it has a name");
        let path = path.to_str().expect("an ordinary one");
        let programs = OpenOptions::new().read(true).write(true).open(path).expect("it opens");
        let (sender, pieces) = mpsc::channel();
        let mut own = File::from(own);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // The last program that leaves ends it with an error.
            while let Ok(length) = own.read(&mut piece) {
                if sender.send(piece[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { pieces, shown: Vec::new(), programs: programs.into() }
    }

    fn handle(&self) -> Stdio {
        self.programs.try_clone().expect("a descriptor").into()
    }

    /// True once this was shown, of what has arrived.
    fn has_shown(&mut self, wanted: &str) -> bool {
        self.shown.extend(self.pieces.try_iter().flatten());
        self.shown.windows(wanted.len()).any(|window| window == wanted.as_bytes())
    }

    /// All that was shown until the last program has left.
    fn rest(mut self) -> String {
        drop(self.programs);
        while let Ok(piece) = self.pieces.recv_timeout(WATCHDOG) {
            self.shown.extend(piece);
        }
        String::from_utf8(self.shown).expect("what is shown is text")
    }
}

/// What a command shows to a terminal.
fn shown(mut command: Command) -> String {
    let terminal = Terminal::open();
    let status = command.stdout(terminal.handle()).status();
    assert!(status.expect("it can be started").success());
    // Its own copy of the descriptor.
    drop(command);
    terminal.rest()
}

const FILL: &str = r#"
local dict = require("shared").open((...))
dict:flush_all()
dict:set("\27]0;title\7", "red \27[31m\n\tnext\r")
dict:set("two\nlines", 1)
dict:set("bytes\255", { "\27" })
"#;

#[test]
fn a_terminal_is_shown_no_control_characters_of_keys_and_values() {
    let scratch = Scratch::new("shm_terminal");
    let name = made(&scratch, "terminal");
    scratch.file("fill.lua", FILL);
    scratch.run(["run", "fill.lua", name.as_str()]).expect_code(0);
    let keys = shown(scratch.moonhive(["shm", "keys", name.as_str()]));
    let mut keys: Vec<&str> = keys.lines().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["\\x1b]0;title\\x07", "bytes\\xff", "two\\nlines"]);
    let key = ["shm", "get", name.as_str(), "--key-hex", "1b5d303b7469746c6507"];
    assert_eq!(shown(scratch.moonhive(key)), "red \\x1b[31m\r\n\tnext\\r\r\n");
    let table = ["shm", "get", name.as_str(), "--key-hex", "6279746573ff"];
    assert_eq!(shown(scratch.moonhive(table)), "[\"\\u001b\"]\r\n");
}

#[test]
fn raw_output_and_programs_get_the_bytes() {
    let scratch = Scratch::new("shm_raw");
    let name = made(&scratch, "raw");
    scratch.file("fill.lua", FILL);
    scratch.run(["run", "fill.lua", name.as_str()]).expect_code(0);
    let prefix = ["shm", "keys", name.as_str(), "--prefix", "two"];
    assert_eq!(scratch.run(prefix).expect_code(0).stdout, "two\nlines\n");
    let raw = ["shm", "keys", name.as_str(), "--prefix", "\x1b", "--raw"];
    assert_eq!(shown(scratch.moonhive(raw)), "\x1b]0;title\x07\r\n");
    let key = ["shm", "get", name.as_str(), "\x1b]0;title\x07", "--raw"];
    assert_eq!(shown(scratch.moonhive(key)), "red \x1b[31m\r\n\tnext\r\r\n");
}

/// Gives lines to a load until the terminal shows how far it is.
fn feed_until_shown(load: &mut Child, terminal: &mut Terminal, wanted: &str) -> u64 {
    let mut input = load.stdin.take().expect("piped");
    let deadline = Instant::now() + WATCHDOG;
    let mut count = 0;
    while !terminal.has_shown(wanted) {
        assert!(Instant::now() < deadline, "{:?}", String::from_utf8_lossy(&terminal.shown));
        count += 1;
        let key = count % 100;
        writeln!(input, r#"{{"key":"key{key}","type":"integer","value":1}}"#).expect("it reads");
    }
    count
}

#[test]
fn long_work_shows_how_far_it_is_and_clears_its_line() {
    let scratch = Scratch::new("shm_progress");
    let name = made(&scratch, "progress");
    let mut terminal = Terminal::open();
    let mut load = scratch.moonhive(["shm", "load", name.as_str(), "--json"]);
    load.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(terminal.handle());
    let mut running = load.spawn().expect("it can be started");
    drop(load);
    let count = feed_until_shown(&mut running, &mut terminal, "\rloaded: ");
    let ended = running.wait_with_output().expect("it ends");
    assert!(ended.status.success());
    let told: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(told["entries"], count);
    let shown = terminal.rest();
    assert!(shown.starts_with("\rloaded: ") && shown.ends_with("\r\x1b[K"), "{shown:?}");
}
