//! A folder that is a repository, with files and links, and what projects in it hold.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The beginning of a project file.
pub const HEAD: &str = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n";

/// Returns a package's manifest with a line that names its device.
pub fn package(name: &str, target: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec:\n  {target}\n  comment: c\n"
    )
}

/// Returns a package's manifest with a device id.
pub fn by_id(name: &str) -> String {
    package(name, "machineId: fb9ab6be3965095a09c057be7c90f0a2")
}

/// A temporary folder.
pub struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { dir: tempfile::tempdir().unwrap() }
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Makes a link; another one takes the place of one that is there.
    pub fn link(&self, target: &str, name: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = std::fs::remove_file(&path);
        symlink(target, path).unwrap();
    }
}
