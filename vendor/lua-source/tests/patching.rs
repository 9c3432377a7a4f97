//! What the build refuses: sources that are not the pinned ones, patches that do not fit exactly.

use std::fs;
use std::path::Path;

use moonhive_lua_source::{PatchFile, Series, SourceError, Sums, Tree, sha256_hex};

const OLD: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
const HEADER: &str = "Count better\n\nWhy: because\nTouches: a.c\nTested: here\n\n";

/// A tree with one file `a.c`.
fn tree(text: &str) -> Tree {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.c"), text).unwrap();
    Tree::read(dir.path()).unwrap()
}

fn patch(hunks: &str) -> PatchFile {
    PatchFile::new("0001-count.patch", format!("{HEADER}--- a/a.c\n+++ b/a.c\n{hunks}"))
}

/// What `a.c` is after the patch.
fn apply(text: &str, hunks: &str) -> Result<String, SourceError> {
    let mut tree = tree(text);
    patch(hunks).apply(&mut tree)?;
    Ok(tree.file("a.c").unwrap().to_owned())
}

fn message(result: Result<String, SourceError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_hunk_applies_at_its_line() {
    let new = apply(OLD, "@@ -2,3 +2,4 @@\n two\n-three\n+3\n+3.5\n four\n").unwrap();
    assert_eq!(new, "one\ntwo\n3\n3.5\nfour\nfive\nsix\nseven\n");
}

#[test]
fn a_second_hunk_counts_what_the_first_one_added() {
    let hunks = "@@ -1,2 +1,3 @@\n one\n+1.5\n two\n@@ -6,2 +7,2 @@\n six\n-seven\n+7\n";
    assert_eq!(apply(OLD, hunks).unwrap(), "one\n1.5\ntwo\nthree\nfour\nfive\nsix\n7\n");
    let wrong = hunks.replace("+7,2", "+6,2");
    assert!(message(apply(OLD, &wrong)).contains("hunk 2 for a.c does not fit at line 6"));
}

#[test]
fn a_moved_hunk_is_an_error_that_says_where_it_would_fit() {
    let moved = format!("zero\n{OLD}");
    let said = message(apply(&moved, "@@ -2,2 +2,2 @@\n two\n-three\n+3\n"));
    assert_eq!(
        said,
        "0001-count.patch: hunk 1 for a.c does not fit at line 2, it would fit at line 3"
    );
}

#[test]
fn a_hunk_that_fits_nowhere_says_so() {
    let said = message(apply(OLD, "@@ -2,2 +2,2 @@\n two\n-drei\n+3\n"));
    assert!(said.ends_with("does not fit at line 2 or anywhere else"), "{said}");
}

#[test]
fn hunks_that_overlap_are_refused() {
    let hunks = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n@@ -2,2 +2,2 @@\n two\n-three\n+3\n";
    apply(OLD, hunks).unwrap_err();
}

#[test]
fn a_patch_only_modifies_files_that_lua_has() {
    let mut tree = tree(OLD);
    let other = "--- a/b.c\n+++ b/b.c\n@@ -1 +1 @@\n-x\n+y\n";
    let error = PatchFile::new("p", other.to_owned()).apply(&mut tree).unwrap_err();
    assert!(matches!(error, SourceError::UnknownTarget { .. }), "{error}");
    let new_file = "--- /dev/null\n+++ b/b.c\n@@ -0,0 +1 @@\n+y\n";
    let error = PatchFile::new("p", new_file.to_owned()).apply(&mut tree).unwrap_err();
    assert!(matches!(error, SourceError::PatchSyntax { .. }), "{error}");
}

#[test]
fn text_without_a_diff_is_no_patch() {
    let error = PatchFile::new("p", HEADER.to_owned()).apply(&mut tree(OLD)).unwrap_err();
    assert!(error.to_string().starts_with("p is not a patch"), "{error}");
}

#[test]
fn a_header_must_say_each_field() {
    let hunk = "@@ -1 +1 @@\n-one\n+1\n";
    patch(hunk).check_header().unwrap();
    for field in ["Why: because", "Touches: a.c", "Tested: here"] {
        let text = format!("{HEADER}--- a/a.c\n+++ b/a.c\n{hunk}");
        let name = &field[..=field.find(':').unwrap()];
        for silent in [text.replace(field, ""), text.replace(field, name)] {
            let said = PatchFile::new("p", silent).check_header().unwrap_err().to_string();
            assert_eq!(said, format!("p does not say `{name}`"));
        }
    }
}

#[test]
fn the_size_of_a_patch_is_counted_in_lines() {
    let changes = patch("@@ -2,3 +2,4 @@\n two\n-three\n+3\n+3.5\n four\n").changes().unwrap();
    assert_eq!((changes.added, changes.removed), (2, 1));
}

/// Writes `text` as a sums file and checks `tree` against it.
fn check_sums(text: &str, tree: &Tree) -> Result<(), SourceError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sums");
    fs::write(&path, text).unwrap();
    Sums::read(&path)?.check(tree)
}

#[test]
fn sources_are_used_only_if_every_file_is_the_pinned_one() {
    let sums = format!("{}  a.c\n", sha256_hex(OLD.as_bytes()));
    check_sums(&sums, &tree(OLD)).unwrap();
    assert!(matches!(check_sums(&sums, &tree("else")), Err(SourceError::Altered { .. })));
    assert!(matches!(check_sums("", &tree(OLD)), Err(SourceError::Unknown { .. })));
    let more = format!("{sums}{}  b.h\n", sha256_hex(b""));
    assert!(matches!(check_sums(&more, &tree(OLD)), Err(SourceError::Missing { .. })));
    let torn = check_sums("abc  a.c\n", &tree(OLD)).unwrap_err();
    assert!(torn.to_string().contains(":1: expected `SHA-256  FILE`"), "{torn}");
}

#[test]
fn a_sums_file_reads_back_as_it_was_written() {
    let sums = Sums::of(&tree(OLD));
    check_sums(&sums.to_string(), &tree(OLD)).unwrap();
}

#[test]
fn a_patched_file_must_be_the_pinned_result() {
    let pinned = Sums::of_changed(&tree("one\n"), &tree(OLD));
    pinned.check_results(&pinned).unwrap();
    let other = Sums::of_changed(&tree("two\n"), &tree(OLD));
    assert!(matches!(pinned.check_results(&other), Err(SourceError::Result { .. })));
    let nothing = Sums::of_changed(&tree(OLD), &tree(OLD));
    assert!(pinned.check_results(&nothing).unwrap_err().to_string().contains("nothing"));
}

fn read_series(dir: &Path, text: &str) -> Result<Vec<String>, SourceError> {
    fs::write(dir.join("series"), text).unwrap();
    let series = Series::read(dir)?;
    Ok(series.patches().iter().map(|patch| patch.name().to_owned()).collect())
}

#[test]
fn a_series_names_every_patch_of_its_folder_once() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["1.patch", "2.patch"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let names = read_series(dir.path(), "# order matters\n2.patch\n1.patch # last\n").unwrap();
    assert_eq!(names, ["2.patch", "1.patch"]);
    for wrong in ["1.patch\n", "1.patch\n2.patch\n1.patch\n", "1.patch\n2.patch\n3.patch\n"] {
        read_series(dir.path(), wrong).unwrap_err();
    }
}

#[test]
fn a_tree_holds_sources_only_and_writes_only_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.c", "a.h", "a.o", "Makefile"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let tree = Tree::read(dir.path()).unwrap();
    assert_eq!(tree.files().collect::<Vec<_>>(), [("a.c", "a.c"), ("a.h", "a.h")]);
    let path = dir.path().join("a.c");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    tree.write(dir.path()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
}
