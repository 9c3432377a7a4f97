//! Runs the programs in `docs/hive.md`: blocks that begin with the name of their file.
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

#[test]
fn the_programs_in_the_documents_run() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/hive.md");
    let document = std::fs::read_to_string(document).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut mains = 0;
    for (name, line, text) in programs(&document) {
        let file = folder.path().join(&name);
        std::fs::write(&file, text).unwrap();
        if name == "main.lua" {
            mains += 1;
            run(&file).unwrap_or_else(|failure| panic!("docs/hive.md:{line}: {failure}"));
        }
    }
    assert!(mains > 5, "found {mains} programs only");
}
