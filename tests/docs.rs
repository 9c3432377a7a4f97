//! Runs the programs in documents: blocks that begin with the name of their file.
//!
//! The blocks of a document share one folder, so that a later program uses the services of earlier
//! ones; each `main.lua` is run.

use std::path::Path;
use std::time::Duration;

use moonhive::actor::Host;

/// The Lua blocks of a document: name of the file, line in the document, text.
fn programs(document: &str) -> Vec<(String, usize, String)> {
    let mut programs = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (number, line) in document.lines().enumerate() {
        match (&mut block, line) {
            (None, "```lua") => block = Some((number + 2, String::new())),
            (Some(_), "```") => {
                let (number, text) = block.take().expect("inside a block");
                let name = text.lines().next().and_then(|line| line.strip_prefix("-- "));
                if let Some(name) = name.filter(|name| name.ends_with(".lua")) {
                    programs.push((name.to_owned(), number, text));
                }
            }
            (Some((_, text)), line) => *text += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    programs
}

fn run(main: &Path) -> Result<(), String> {
    let directory = main.parent().expect("a file lies in a folder");
    let host = Host::builder().threads(2).path(directory).grace(Duration::from_secs(1));
    let host = host.build().map_err(|error| error.to_string())?;
    let main = main.to_str().expect("a name of ours");
    let finish = host.run(main, ()).map_err(|error| error.to_string())?;
    match finish.failure {
        Some(failure) => Err(failure.report()),
        None => Ok(()),
    }
}

/// Runs every program of a document, of which there are at least `least`.
fn check(document: &str, least: usize) {
    let text = format!("{}/docs/{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut mains = 0;
    for (name, line, text) in programs(&text) {
        let file = folder.path().join(&name);
        std::fs::write(&file, text).unwrap();
        if name == "main.lua" {
            mains += 1;
            run(&file).unwrap_or_else(|failure| panic!("docs/{document}:{line}: {failure}"));
        }
    }
    assert!(mains >= least, "found {mains} programs only");
}

#[test]
fn the_programs_about_hive_run() {
    check("hive.md", 6);
}

#[test]
fn the_programs_about_porting_from_skynet_run() {
    check("porting-from-skynet.md", 2);
}

#[test]
#[cfg(feature = "skynet")]
fn the_programs_about_libraries_run() {
    check("libraries.md", 7);
}

#[test]
fn the_program_of_the_page_on_shared_tables_runs() {
    check("shared-tables.md", 1);
}
