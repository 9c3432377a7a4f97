//! Broken pipes, full disks, readers that stall: output that nobody takes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use moonhive::actor::limits::SHUTDOWN_KILL_WAIT;

use crate::support::{Scratch, WATCHDOG};

/// Most bytes of lines that wait for a reader of the log.
const BACKLOG_BYTES: usize = 4 << 20;

/// The signal that a write to a broken pipe raises.
const SIGPIPE: i32 = 13;

/// Starts a program with a standard output whose reader is gone.
fn start_unread(mut command: Command) -> Child {
    let (reader, writer) = std::io::pipe().expect("the system has pipes");
    drop(reader);
    command.stdout(writer).stderr(Stdio::piped());
    command.spawn().expect("moonhive can be started")
}

/// Waits for the end of a program; kills it when it takes too long.
#[track_caller]
fn wait(mut child: Child) -> (ExitStatus, String) {
    let deadline = Instant::now() + WATCHDOG;
    while child.try_wait().expect("a child can be waited for").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("a child that runs can be killed");
            panic!("still running after {WATCHDOG:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("it has ended");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_interpreter_ends_when_nobody_reads_what_it_prints() {
    let scratch = Scratch::new("pipes_lua");
    for text in ["while true do print(1) end", "while true do io.write('1\\n') end"] {
        let (status, stderr) = wait(start_unread(scratch.moonhive(["lua", "-e", text])));
        assert_eq!((status.signal(), stderr.as_str()), (Some(SIGPIPE), ""), "{text}");
    }
}

#[test]
fn a_host_outlives_its_reader_and_tells_who_asks() {
    let scratch = Scratch::new("pipes_run");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         print 'dropped'
         local ok, message, number = io.stdout:write(('x'):rep(1 << 17))
         hive.log.info(tostring(ok) .. ' ' .. message .. ' ' .. number)
         print 'dropped as well'
         hive.log.info 'goes on'",
    );
    let (status, stderr) = wait(start_unread(scratch.moonhive(["run", "main.lua"])));
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("nil Broken pipe 32") && stderr.contains("goes on"), "{stderr}");
}

#[test]
fn programs_that_a_script_starts_end_at_a_broken_pipe() {
    let scratch = Scratch::new("pipes_child");
    let text = "local child = io.popen('kill -PIPE $$; echo survived')
        io.write(child:read('a') == '' and 'ended' or 'survived')";
    scratch.file("main.lua", text);
    for line in [["run", "main.lua"], ["lua", "main.lua"]] {
        assert_eq!(scratch.run(line).expect_code(0).stdout.trim_end(), "ended", "{line:?}");
    }
}

#[test]
fn commands_for_people_end_quietly_when_nobody_reads() {
    let scratch = Scratch::new("pipes_commands");
    scratch.file("ok.lua", "");
    for line in [&["check", "ok.lua"][..], &["check", "--json", "ok.lua"], &["man"]] {
        let (status, stderr) = wait(start_unread(scratch.moonhive(line.iter().copied())));
        assert_eq!((status.signal(), stderr.as_str()), (Some(SIGPIPE), ""), "{line:?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let scratch = Scratch::new("pipes_full");
    scratch.file("ok.lua", "");
    if !std::path::Path::new("/dev/full").exists() {
        return crate::support::skip("a_report_that_cannot_be_written", "no /dev/full here");
    }
    for line in [&["check", "ok.lua"][..], &["check", "--json", "ok.lua"]] {
        let mut command = scratch.moonhive(line.iter().copied());
        command.stdout(File::options().write(true).open("/dev/full").expect("it is there"));
        let (status, stderr) = wait(command.stderr(Stdio::piped()).spawn().expect("it starts"));
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with("error: cannot write the report: No space left"), "{stderr}");
    }
}

#[test]
fn a_warning_that_cannot_be_written_stops_nothing() {
    let scratch = Scratch::new("pipes_warning");
    if !std::path::Path::new("/dev/full").exists() {
        return crate::support::skip("a_warning_that_cannot_be_written", "no /dev/full here");
    }
    let mut command = scratch.moonhive(["lua", "-W", "-e", "warn 'lost' print 'goes on'"]);
    command.stderr(File::options().write(true).open("/dev/full").expect("it is there"));
    let output = command.output().expect("it starts");
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"goes on\n"[..]));
}

/// Sends SIGTERM.
fn terminate(child: &Child) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(status.expect("kill can be started").success());
}

/// Reads lines of a standard output until this one comes.
#[track_caller]
fn read_until(stdout: &mut impl BufRead, wanted: &str) {
    let mut lines = stdout.lines().map_while(Result::ok);
    assert!(lines.any(|line| line == wanted), "no line {wanted:?}");
}

#[test]
fn a_log_that_nobody_reads_stops_no_service_and_no_signal() {
    let scratch = Scratch::new("pipes_log");
    scratch
        .file(
            "talker.lua",
            "local hive = require 'hive'
             return { talk = function(lines)
               for i = 1, lines do hive.log.info(('x'):rep(200) .. i) end
               return 'said'
             end }",
        )
        .file(
            "main.lua",
            "local hive = require 'hive'
             local calls = {}
             -- More than a pipe holds, and more than the backlog does.
             for i = 1, 3 do calls[i] = { hive.spawn 'talker', 'talk', 20000 } end
             local answers = assert(hive.gather(calls, 60))
             print(answers[1][1], answers[2][1], answers[3][1])
             hive.sleep(1000)",
        );
    let mut command = scratch.moonhive(["run", "--threads", "2", "main.lua"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    read_until(&mut stdout, "said\tsaid\tsaid");
    terminate(&child);
    // What is still to be read keeps nobody waiting for ever, and what was written is whole.
    let (status, stderr) = wait(child);
    assert_eq!(status.code(), Some(0));
    let whole = stderr.lines().filter(|line| line.contains(" INFO talker:")).count();
    assert!(whole > 100, "{whole} lines");
}

#[test]
fn lines_of_the_log_that_were_lost_are_counted_once_somebody_reads() {
    let scratch = Scratch::new("pipes_lost");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         for i = 1, 30000 do hive.log.info(('x'):rep(200) .. i) end
         print 'said'
         io.read()
         hive.log.info 'the last one'",
    );
    let mut command = scratch.moonhive(["run", "main.lua"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    read_until(&mut stdout, "said");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let (mut lines, mut bytes) = (0, 0);
    let lost: usize = loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).expect("it can be read") > 0, "it ends too early");
        match line.split_once("nobody read it for a while lines=") {
            Some((_, lost)) => break lost.trim().parse().expect("a number"),
            None => (lines, bytes) = (lines + 1, bytes + line.len()),
        }
    };
    assert_eq!(lines + lost, 30_000);
    // What has waited, and what was in the pipe.
    let waited = BACKLOG_BYTES - 1024..BACKLOG_BYTES + (256 << 10);
    assert!(waited.contains(&bytes), "{bytes} bytes");
    // Somebody reads again: nothing more is lost.
    drop(child.stdin.take());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("it can be read");
    assert!(rest.contains("the last one") && !rest.contains("were lost"), "{rest}");
    assert_eq!(wait(child).0.code(), Some(0));
}

#[test]
fn output_that_nobody_reads_does_not_keep_a_host_alive() {
    let scratch = Scratch::new("pipes_stalled");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         hive.log.info 'begins'
         while true do io.write(('x'):rep(4096)) end",
    );
    let mut command = scratch.moonhive(["run", "--grace", "100ms", "main.lua"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("it can be read");
    // It is kept for as long as the host lives, and never read.
    let stdout = child.stdout.take();
    let asked = Instant::now();
    terminate(&child);
    assert_eq!(wait(child).0.code(), Some(0));
    // The grace time, the wait for a worker that writes, and two seconds.
    let least = Duration::from_millis(100) + SHUTDOWN_KILL_WAIT + Duration::from_secs(2);
    let took = asked.elapsed();
    assert!(took < least + Duration::from_secs(4), "{took:?}");
    drop(stdout);
}

#[test]
fn output_that_is_left_in_a_buffer_does_not_keep_a_host_that_has_ended() {
    let scratch = Scratch::new("pipes_left");
    // The pipe is full, and a little waits for the end of the process.
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         io.write(('x'):rep(65536))
         io.write 'the rest'
         hive.log.info 'begins'
         hive.sleep(1000)",
    );
    let mut command = scratch.moonhive(["run", "main.lua"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    stderr.read_line(&mut String::new()).expect("it can be read");
    let stdout = child.stdout.take();
    let asked = Instant::now();
    terminate(&child);
    assert_eq!(wait(child).0.code(), Some(0));
    let took = asked.elapsed();
    assert!((Duration::from_millis(1900)..Duration::from_secs(8)).contains(&took), "{took:?}");
    drop(stdout);
}

#[test]
fn a_reader_who_pauses_loses_nothing_of_what_a_host_has_written() {
    let scratch = Scratch::new("pipes_pause");
    // More than a pipe holds, in both.
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         for i = 1, 3000 do hive.log.info(('x'):rep(100) .. i) end
         io.write(('y'):rep(70000))",
    );
    let mut command = scratch.moonhive(["run", "main.lua"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // Longer than the process may take to end once it was told to.
    thread::sleep(Duration::from_millis(2500));
    let read = |mut from: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut all = String::new();
            from.read_to_string(&mut all).expect("it can be read");
            all
        })
    };
    let stdout = read(Box::new(child.stdout.take().expect("piped")));
    let stderr = read(Box::new(child.stderr.take().expect("piped")));
    assert_eq!(wait(child).0.code(), Some(0));
    assert_eq!(stdout.join().unwrap().len(), 70_000);
    let lines = stderr.join().unwrap().lines().filter(|line| line.contains(" INFO main:")).count();
    assert_eq!(lines, 3000);
}
