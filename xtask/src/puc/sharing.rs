//! What the stand-alone interpreter says about its images when it ends: the proof that a run which
//! was to share did share, and left nothing behind.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// The figures of one process at its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Sharing {
    images_left: u64,
    images_freed: u64,
    images_with_private_prototypes: u64,
    strings_left: u64,
    strings_in_limbo: u64,
}

impl Sharing {
    /// Reads the five numbers that `tests/puc/driver.c` writes.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).context("the interpreter left no report of sharing")?;
        Self::parse(&text).with_context(|| format!("`{}` is no report of sharing", text.trim()))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            images_left: next()?,
            images_freed: next()?,
            images_with_private_prototypes: next()?,
            strings_left: next()?,
            strings_in_limbo: next()?,
        })
    }

    /// Checks that images were made if and only if they were asked for, and that all were freed.
    pub fn check(&self, shares: bool) -> Result<()> {
        let made = self.images_left + self.images_freed;
        ensure!(self.images_left == 0, "{} images are left at the end", self.images_left);
        ensure!((made > 0) == shares, "{made} images were made");
        Ok(())
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        format!(
            "{} images, {} of them with private prototypes, none left; {} strings, {} in limbo",
            self.images_freed,
            self.images_with_private_prototypes,
            self.strings_left,
            self.strings_in_limbo
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_shared_nothing_is_no_proof() {
        let idle = Sharing::parse("0 0 0 250 0\n").unwrap();
        idle.check(false).unwrap();
        idle.check(true).unwrap_err();
    }

    #[test]
    fn an_image_that_outlives_the_last_vm_is_a_leak() {
        let leak = Sharing::parse("1 900 20 250 0\n").unwrap();
        assert_eq!(leak.check(true).unwrap_err().to_string(), "1 images are left at the end");
        Sharing::parse("0 901 20 250 0\n").unwrap().check(true).unwrap();
    }

    #[test]
    fn a_torn_report_is_none() {
        assert_eq!(Sharing::parse("1 2 3"), None);
        assert_eq!(Sharing::parse("1 2 x 4 5"), None);
    }
}
