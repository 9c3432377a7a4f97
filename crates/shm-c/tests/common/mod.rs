//! What the tests of the library share: where it is, programs that may be missing, dictionaries
//! that go away.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use moonhive_shm::{Dictionary, Options};

/// The root of the project.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).expect("the package lies two folders below the root")
}

/// A file of the examples.
pub fn example(name: &str) -> PathBuf {
    root().join("examples/shm").join(name)
}

/// The shared library, built now if need be: cargo does not build it for tests.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(build_library)
}

fn build_library() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this program");
    let folder = program.ancestors().nth(2).expect("cargo puts it into target/PROFILE/deps");
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--package", "moonhive-shm-c", "--lib", "--target-dir"]);
    command.arg(folder.parent().expect("target")).current_dir(root());
    if folder.ends_with("release") {
        command.arg("--release");
    }
    output_of(&mut command);
    folder.join("libmoonhive_shm.so")
}

/// The `moonhive` that cargo has built beside this program, which it does for the tests of the
/// whole.
pub fn host() -> Option<PathBuf> {
    let program = std::env::current_exe().expect("the path of this program");
    let beside = program.ancestors().nth(2).map(|folder| folder.join("moonhive"));
    let given = std::env::var_os("MOONHIVE_BINARY").map(PathBuf::from);
    let host = given.or(beside).filter(|host| host.is_file());
    if host.is_none() {
        skip("moonhive is not built (hint: cargo build, or MOONHIVE_BINARY=...)");
    }
    host
}

/// Says that a test cannot run here, and why; a failure where everything is required.
pub fn skip(what: &str) {
    let is_required = std::env::var("MOONHIVE_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!is_required, "required, but {what}");
    // Straight to the terminal: the test runner would keep what `eprintln!` prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

/// A program, if it is installed.
pub fn found(program: &str, hint: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let folders = std::env::split_paths(&path).chain(more);
    let place = folders.map(|folder| folder.join(program)).find(|place| place.is_file());
    if place.is_none() {
        skip(&format!("{program} is missing (hint: {hint})"));
    }
    place
}

/// Compiles a program in C; `None`, said loudly, without a compiler.
pub fn compiled(folder: &tempfile::TempDir, source: &Path) -> Option<PathBuf> {
    let compiler = found("cc", "apt-get install gcc libc6-dev")?;
    let program = folder.path().join("program");
    let mut command = Command::new(compiler);
    command.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"]);
    command.arg(source).arg("-o").arg(&program);
    command.arg("-I").arg(root().join("crates/shm-c/include"));
    command.arg(library()).arg(format!("-Wl,-rpath,{}", folder.path().display()));
    output_of(&mut command);
    let link = folder.path().join("libmoonhive_shm.so.1");
    std::os::unix::fs::symlink(library(), link).expect("a link");
    Some(program)
}

/// What a program prints; it must succeed.
#[track_caller]
pub fn output_of(command: &mut Command) -> String {
    let output = command.output().expect("it can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A named dictionary that is removed at the end, whatever happens.
pub struct Named {
    pub name: String,
    pub dictionary: Dictionary,
}

impl Named {
    /// Makes one, of a name that no other test has.
    pub fn new(what: &str, size_bytes: u64) -> Self {
        Self::exactly(&format!("{what}-{}", std::process::id()), size_bytes)
    }

    /// Makes one of that very name.
    pub fn exactly(name: &str, size_bytes: u64) -> Self {
        let _ = Dictionary::unlink(name);
        let dictionary = Dictionary::create(name, &Options::new(size_bytes)).expect("memory");
        Self { name: name.to_owned(), dictionary }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Dictionary::unlink(&self.name);
    }
}
