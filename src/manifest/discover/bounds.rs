//! The files that a project may read: those of its repository, but for the hidden ones.
//!
//! A manifest, a seal, a case, a list of devices and `casefile.yaml` itself are what a pull request makes of them: a link
//! to any file of the machine, or the name of a file that a checkout left there. Problems quote lines of what was read, and
//! are shown in public. So a path is admitted by where it really leads, before anything of it is read.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::platform;

/// The folder of a project and the root of its repository.
#[derive(Clone, Debug)]
pub(in crate::manifest) struct Bounds {
    /// As it was typed.
    given: PathBuf,
    project: PathBuf,
    root: PathBuf,
}

/// Why a path is not read.
#[derive(Debug)]
pub(in crate::manifest) enum Refusal {
    /// It leads out of the repository.
    Outside,
    /// It leads to a file or a folder whose name begins with a dot.
    Hidden,
    /// It leads nowhere, or nobody can tell.
    Failed(io::Error),
}

impl Refusal {
    /// Returns what is wrong with it, in words that go on after its name.
    pub fn words(&self) -> &'static str {
        match self {
            Refusal::Outside => "leads out of the repository",
            Refusal::Hidden => "leads to a file or folder that begins with a dot",
            Refusal::Failed(_) => "cannot be read",
        }
    }
}

impl Bounds {
    /// Returns the bounds of a project folder. Without a repository around it the folder itself is the bound.
    pub fn of(project_dir: &Path) -> Self {
        let project = platform::real_path(project_dir).unwrap_or_else(|_| project_dir.to_owned());
        let root = project.ancestors().find(|a| a.join(".git").symlink_metadata().is_ok());
        let root = root.map_or_else(|| project.clone(), Path::to_owned);
        Bounds { given: project_dir.to_owned(), project, root }
    }

    /// The root of the repository.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The real path of a file or folder, by its name relative to the project folder.
    pub fn admit_name(&self, name: &str) -> Result<PathBuf, Refusal> {
        if name.split('/').any(is_hidden) {
            return Err(Refusal::Hidden);
        }
        // What is outside by its name alone is not even looked for.
        let mut path = self.project.clone();
        for part in Path::new(name).components() {
            match part {
                Component::ParentDir => drop(path.pop()),
                Component::CurDir => {}
                part => path.push(part),
            }
        }
        if !path.starts_with(&self.root) {
            return Err(Refusal::Outside);
        }
        self.admit(&self.given.join(name))
    }

    /// The real path of a file or folder.
    pub fn admit(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let real = platform::real_path(path).map_err(Refusal::Failed)?;
        self.check(&real)?;
        Ok(real)
    }

    /// Checks whether a real path may be read.
    fn check(&self, real: &Path) -> Result<(), Refusal> {
        let below = real.strip_prefix(&self.project).or_else(|_| real.strip_prefix(&self.root));
        let below = below.map_err(|_| Refusal::Outside)?;
        let hidden = below.components().any(|part| part.as_os_str().to_str().is_some_and(is_hidden));
        if hidden { Err(Refusal::Hidden) } else { Ok(()) }
    }
}

/// Returns whether a file or folder is hidden by its name. Two dots in front are those of a mounted folder, whose files
/// are links into `..data`, itself a link to a folder such as `..2026_03_01_09_15_42.183`.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && !name.starts_with("..") && name != "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_judged_by_where_it_leads() {
        let Some(unix) = platform::testing::unix() else { return };
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in [
            "outside",
            "repo/.git",
            "repo/.github",
            "repo/shared",
            "repo/.ir/m/..2026_03",
            "repo/.ir/.secret",
        ] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "outside/x",
            "repo/.git/config",
            "repo/.github/x",
            "repo/shared/x",
            "repo/.ir/m/x",
            "repo/.ir/.env",
        ] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::fs::write(root.join("repo/.ir/m/..2026_03/x"), "").unwrap();
        let project = root.join("repo/.ir");
        for (target, link) in [
            ("../../outside/x", "out"),
            ("../../outside", "out-folder"),
            ("/etc/passwd", "absolute"),
            ("../.git/config", "git"),
            (".env", "env"),
            (".secret", "secret-folder"),
            ("../shared", "shared"),
            ("..2026_03", "m/..data"),
            ("..data/x", "m/mounted"),
            ("out", "twice"),
            ("nothing", "dangling"),
        ] {
            unix.link(target, project.join(link));
        }
        // The folder of the project itself was chosen by whoever runs the tool.
        let bounds = Bounds::of(&project);
        let verdict = |name: &str| match bounds.admit_name(name) {
            Ok(_) => "fine",
            Err(Refusal::Outside) => "outside",
            Err(Refusal::Hidden) => "hidden",
            Err(Refusal::Failed(_)) => "failed",
        };
        for (name, expected) in [
            ("m/x", "fine"),
            ("./m/x", "fine"),
            ("m/mounted", "fine"),
            ("m/..data/x", "fine"),
            ("shared/x", "fine"),
            ("../shared/x", "fine"),
            ("out", "outside"),
            ("out-folder/x", "outside"),
            ("absolute", "outside"),
            ("twice", "outside"),
            ("../../outside/x", "outside"),
            ("../../nothing", "outside"),
            ("../../../../../../../../etc/passwd", "outside"),
            ("/etc/passwd", "outside"),
            ("git", "hidden"),
            ("env", "hidden"),
            (".env", "hidden"),
            ("secret-folder", "hidden"),
            ("../.git/config", "hidden"),
            ("../.github/x", "hidden"),
            ("dangling", "failed"),
            ("m/gone", "failed"),
        ] {
            assert_eq!(verdict(name), expected, "{name}");
        }
    }
}
