//! Where our own files about Lua lie in the repository, and the whole way from there to patched
//! sources.

use std::path::{Path, PathBuf};

use crate::{Series, SourceError, Sums, Tree, locate};

/// The repository's files about Lua's sources.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout of the repository at `root` (the folder with `patches/` and `vendor/`).
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The repository that this crate was built from.
    pub fn here() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::new(package.ancestors().nth(2).expect("the package lies two folders deep"))
    }

    /// Folder of the patches and their series.
    pub fn patches(&self) -> PathBuf {
        self.root.join("patches")
    }

    /// Sums of the pristine files.
    pub fn sums(&self) -> PathBuf {
        self.lua_sys().join("lua-5.5.1.sha256")
    }

    /// Sums of the files that the patches change.
    pub fn patched_sums(&self) -> PathBuf {
        self.patches().join("patched.sha256")
    }

    /// The package that builds Lua.
    pub fn lua_sys(&self) -> PathBuf {
        self.root.join("vendor/lua-sys")
    }

    /// Our own C, compiled along with Lua's.
    pub fn own_c(&self) -> PathBuf {
        self.lua_sys().join("c")
    }

    /// Finds the pristine sources and checks every file. `scratch_dir` takes temporary files.
    ///
    /// # Errors
    /// Those of [`locate`], [`Tree::read`] and [`Sums::check`].
    pub fn pristine(&self, scratch_dir: &Path) -> Result<Tree, SourceError> {
        let tree = Tree::read(&locate(&self.root, scratch_dir)?)?;
        Sums::read(&self.sums())?.check(&tree)?;
        Ok(tree)
    }

    /// The series of patches, each parsed.
    ///
    /// # Errors
    /// Those of [`Series::read`].
    pub fn series(&self) -> Result<Series, SourceError> {
        Series::read(&self.patches())
    }

    /// Applies the series to checked sources and checks the results.
    ///
    /// # Errors
    /// Those of [`Series::apply`] and [`Sums::check_results`].
    pub fn patched(&self, pristine: &Tree) -> Result<Tree, SourceError> {
        let mut tree = pristine.clone();
        self.series()?.apply(&mut tree)?;
        Sums::read(&self.patched_sums())?.check_results(&Sums::of_changed(&tree, pristine))?;
        Ok(tree)
    }
}
