//! Whether a hunk fits at the line it names. `diffy` looks for another place when it does not;
//! for patches to a C program that is how wrong code gets in without a word.

use diffy::{Hunk, HunkRange, Line};

/// Where a hunk was meant to go and did not fit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Number of the hunk, from 1.
    pub(crate) hunk: usize,
    /// Line of the old text that the hunk names, from 1.
    pub(crate) line: usize,
    /// Line of the old text where it would fit.
    pub(crate) elsewhere: Option<usize>,
}

/// Checks every hunk of one file against the old text, then against the position that the hunks
/// before it leave for it in the new text.
pub(crate) fn check_all(old: &str, hunks: &[Hunk<'_, str>]) -> Result<(), Misfit> {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let mut shift = 0;
    let mut lowest = 0;
    for (index, hunk) in hunks.iter().enumerate() {
        let before = old_lines(hunk);
        let start = first_line(hunk.old_range());
        let new_start = first_line(hunk.new_range());
        let fits = start >= lowest
            && start.checked_add_signed(shift) == Some(new_start)
            && fits_at(&old, &before, start);
        if !fits {
            let elsewhere = (0..old.len()).find(|&at| fits_at(&old, &before, at));
            let (line, elsewhere) = (start + 1, elsewhere.map(|at| at + 1));
            return Err(Misfit { hunk: index + 1, line, elsewhere });
        }
        lowest = start + before.len();
        shift += hunk.new_range().len().cast_signed() - before.len().cast_signed();
    }
    Ok(())
}

/// The range's first line, from 0. An empty range names the line before it.
fn first_line(range: HunkRange) -> usize {
    if range.is_empty() { range.start() } else { range.start() - 1 }
}

fn old_lines<'a>(hunk: &Hunk<'a, str>) -> Vec<&'a str> {
    let lines = hunk.lines().iter();
    lines
        .filter_map(|line| match line {
            Line::Context(text) | Line::Delete(text) => Some(*text),
            Line::Insert(_) => None,
        })
        .collect()
}

fn fits_at(text: &[&str], lines: &[&str], at: usize) -> bool {
    text.get(at..at + lines.len()).is_some_and(|there| there == lines)
}
