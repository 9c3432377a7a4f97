//! What runs the suite.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::c_program::{CProgram, compiler};
use crate::lua_sources::{self, Kind};
use crate::suite::Suite;
use crate::workspace;

/// Modules in C that the suite loads, with the names it expects.
const MODULES: [(&str, &str); 5] = [
    ("lib1.c", "lib1.so"),
    ("lib11.c", "lib11.so"),
    ("lib2.c", "lib2.so"),
    ("lib21.c", "lib21.so"),
    ("lib22.c", "lib2-v2.so"),
];

/// Long enough for a shell to print a line, short enough for a hundred runs.
const LATE_S: f64 = 0.05;

/// How a stand-alone interpreter is compiled.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// With Lua's internal tests.
    pub torture: bool,
    /// With AddressSanitizer and UBSan.
    pub sanitize: bool,
    /// With images in read-only memory.
    pub read_only: bool,
}

/// A program that takes the arguments of `lua`.
#[derive(Debug)]
pub struct Interpreter {
    /// The program.
    pub program: PathBuf,
    /// A script that waits a moment and becomes the program, under its own name.
    pub late_program: PathBuf,
    /// A word for people.
    pub name: String,
    /// True for our own binary: it has options where the other one reads the environment.
    pub is_moonhive: bool,
}

impl Interpreter {
    /// `moonhive lua`, built by cargo unless `program` names a binary.
    pub fn moonhive(suite: &Suite, program: Option<PathBuf>) -> Result<Self> {
        build_modules(suite)?;
        let program = match program {
            Some(program) => fs::canonicalize(&program)
                .with_context(|| format!("cannot find {}", program.display()))?,
            None => build_moonhive()?,
        };
        // `main.lua` calls the interpreter by the name it has in `arg`: for us that is `lua`.
        let late_program = workspace::scratch("late").join("lua");
        write_late_program(&program, &late_program)?;
        Ok(Self { program, late_program, name: "moonhive".into(), is_moonhive: true })
    }

    /// The distribution's interpreter on our library, and the modules it loads.
    pub fn stand_alone(suite: &Suite, build: Build) -> Result<Self> {
        build_modules(suite)?;
        let name = program_name(build);
        let program = stand_alone_program(suite, build)?.build()?;
        let late_program = program.with_extension("late");
        write_late_program(&program, &late_program)?;
        Ok(Self { program, late_program, name, is_moonhive: false })
    }
}

fn write_late_program(program: &Path, late: &Path) -> Result<()> {
    let text =
        format!("#!/bin/bash\nsleep {LATE_S}\nexec -a \"$0\" '{}' \"$@\"\n", program.display());
    fs::create_dir_all(late.parent().context("the program lies in no folder")?)?;
    fs::write(late, text)?;
    fs::set_permissions(late, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn build_moonhive() -> Result<PathBuf> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "moonhive", "--bin", "moonhive"])
        .current_dir(workspace::root())
        .status()
        .context("cargo does not start")?;
    ensure!(status.success(), "moonhive does not build");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    Ok(workspace::root().join(target).join("debug/moonhive"))
}

fn stand_alone_program(suite: &Suite, build: Build) -> Result<CProgram> {
    let mut program = lua_sources::program(Kind::Patched, &program_name(build))?;
    let own = workspace::root().join("tests/puc");
    program.includes.push(own.clone());
    program.sources.push(own.join("driver.c"));
    program.flags.push(format!("-include{}", own.join("driver.h").display()));
    program.flags.push("-DLUA_READLINELIB=\"libreadline.so\"".into());
    program.link_flags.push("-Wl,--wrap=lua_newstate,--wrap=luaL_openselectedlibs".into());
    add_suite_files(suite, build, &mut program)?;
    let flags: &[&str] = match build.sanitize {
        true => &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
        false => &["-O2"],
    };
    program.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
    if build.read_only {
        program.flags.push("-DLUAI_SHARE_READONLY".into());
    }
    // The suite's tables are small: all that main functions make are filled later here.
    program.flags.push("-DMINDEFERRED=1".into());
    Ok(program)
}

fn program_name(build: Build) -> String {
    let base = if build.torture { "torture" } else { "stand-alone" };
    let sanitize = if build.sanitize { "-sanitize" } else { "" };
    let read_only = if build.read_only { "-read-only" } else { "" };
    format!("{base}{sanitize}{read_only}")
}

/// Copies what the library lacks away from the distribution's own headers, which must not win.
fn add_suite_files(suite: &Suite, build: Build, program: &mut CProgram) -> Result<()> {
    let dir = workspace::scratch("suite").join("sources");
    fs::create_dir_all(&dir)?;
    for name in ["lua.c", "ltests.c", "ltests.h"] {
        fs::copy(suite.file(name), dir.join(name)).with_context(|| format!("no {name}"))?;
    }
    program.sources.push(dir.join("lua.c"));
    if build.torture {
        program.sources.push(dir.join("ltests.c"));
        program.includes.push(dir);
        program.flags.push("-DLUA_USER_H=\"ltests.h\"".into());
    } else {
        lua_sources::with_compatibility(program);
    }
    Ok(())
}

/// Compiles the suite's C modules against stock headers, as their author would.
fn build_modules(suite: &Suite) -> Result<()> {
    let headers = lua_sources::pristine_headers()?;
    let dir = suite.tests().join("libs");
    for (source, module) in MODULES {
        build_module(&headers, &dir.join(source), &dir.join(module))?;
    }
    Ok(())
}

fn build_module(headers: &Path, source: &Path, module: &Path) -> Result<()> {
    let status = Command::new(compiler())
        .args(["-std=gnu11", "-O2", "-fPIC", "-shared", "-I"])
        .arg(headers)
        .arg("-o")
        .arg(module)
        .arg(source)
        .status()
        .context("no C compiler (hint: apt-get install gcc libc6-dev)")?;
    ensure!(status.success(), "{} does not compile", source.display());
    Ok(())
}
