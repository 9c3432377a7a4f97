//! What must hold for the patches: each says why it is there, fits at exactly the line it names,
//! and yields the pinned result.

use anyhow::{Result, bail};
use moonhive_lua_source::{Layout, PatchFile, SourceError, Sums, Tree};

use super::Source;

/// Checks the whole series and prints a line for each patch.
pub fn run(layout: &Layout, source: &Source) -> Result<()> {
    let pristine = source.read(layout)?;
    let series = layout.series()?;
    let mut tree = pristine.clone();
    let mut problems = 0;
    for patch in series.patches() {
        problems += usize::from(!is_good(patch, &mut tree));
    }
    if problems > 0 {
        bail!("{problems} of {} patches need work", series.patches().len());
    }
    let results = Sums::of_changed(&tree, &pristine);
    if source.is_pinned() {
        Sums::read(&layout.patched_sums())?.check_results(&results)?;
    }
    let count = results.to_string().lines().count();
    println!("{} patches apply exactly and change {count} files", series.patches().len());
    Ok(())
}

fn is_good(patch: &PatchFile, tree: &mut Tree) -> bool {
    match check(patch, tree) {
        Ok(summary) => println!("{:<34} {summary}", patch.name()),
        Err(error) => {
            println!("{:<34} FAILED", patch.name());
            println!("  error: {error}");
            println!("  hint: {}", error.hint());
            return false;
        }
    }
    true
}

fn check(patch: &PatchFile, tree: &mut Tree) -> Result<String, SourceError> {
    patch.check_header()?;
    patch.apply(tree)?;
    let changes = patch.changes()?;
    let files = patch.targets()?;
    Ok(format!("{:>3} lines in, {:>3} out: {}", changes.added, changes.removed, files.join(" ")))
}
