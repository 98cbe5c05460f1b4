//! `--since REF`: which files of a project git says have changed.
//!
//! A resource is made from files that the project may reach by links, in submodules, and in folders beside its own.
//! Each counts by all that it is read through: a link that leads elsewhere now and a submodule that was moved are changes
//! of the files behind them. What git cannot tell of counts as changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::context::Context;
use super::exit::Error;
use super::git::{self, Repository, Revision};
use crate::model::Advice;
use crate::platform;
use crate::render::escape::one_line;
use crate::render::ways_out::shell;

/// More links in a row than a system follows.
const MOST_LINKS: usize = 40;

/// The changes since a revision.
pub struct Changes<'c> {
    ctx: &'c Context,
    /// The project folder's real path.
    folder: PathBuf,
    /// The root of the repository that holds it.
    root: PathBuf,
    /// The repositories by root; none where git cannot tell.
    repositories: RefCell<BTreeMap<PathBuf, Option<Rc<Since>>>>,
    /// The answers by file name, as files are asked for once for each of their resources.
    asked: RefCell<BTreeMap<String, bool>>,
}

/// One repository.
struct Since {
    repository: Repository,
    commit: String,
    /// Relative to the root, with `/`.
    names: BTreeSet<String>,
}

impl Since {
    fn new(repository: Repository, commit: String) -> Result<Self, Error> {
        let names = repository.changes(&commit)?.into_iter().collect();
        Ok(Since { repository, commit, names })
    }

    /// Returns whether a path or a folder above it has changed.
    fn touches(&self, path: &Path) -> bool {
        let Some(name) = below(self.repository.root(), path) else { return true };
        self.names.contains(&name) || name.match_indices('/').any(|(at, _)| self.names.contains(&name[..at]))
    }
}

impl<'c> Changes<'c> {
    /// Asks git for what has changed since a revision. `command` is the safe one that is told with the revision that was
    /// meant, where there is no such one.
    pub fn since(ctx: &'c Context, revision: &str, command: &str) -> Result<Self, Error> {
        let none = || Error::Git {
            why: "the project is in no git repository".to_owned(),
            next: Some(Advice::then(
                "leave --since out, or work in a clone of its repository",
                format!("casefile {command}"),
            )),
        };
        let folder = platform::real_path(&ctx.dir).map_err(|_| none())?;
        let root = git::root_of(&folder).ok_or_else(none)?.to_owned();
        let repository = Repository::at(ctx, &root)?;
        let commit = repository.commit(revision).map_err(|e| meant(&repository, revision, command, e))?;
        let own = Rc::new(Since::new(repository, commit)?);
        let repositories = RefCell::new(BTreeMap::from([(root.clone(), Some(own))]));
        Ok(Changes { ctx, folder, root, repositories, asked: RefCell::default() })
    }

    /// Returns whether a file has changed that a resource is made from; relative to the project folder, with `/`.
    pub fn touch(&self, file: &str) -> bool {
        if let Some(known) = self.asked.borrow().get(file) {
            return *known;
        }
        let changed = trail(&self.folder, file).iter().any(|path| self.is_changed(path));
        self.asked.borrow_mut().insert(file.to_owned(), changed);
        changed
    }

    fn is_changed(&self, path: &Path) -> bool {
        let root = path.parent().and_then(git::root_of);
        root.and_then(|root| self.in_repository(root)).is_none_or(|since| since.touches(path))
    }

    fn in_repository(&self, root: &Path) -> Option<Rc<Since>> {
        if let Some(known) = self.repositories.borrow().get(root) {
            return known.clone();
        }
        let found = self.nested(root);
        self.repositories.borrow_mut().insert(root.to_owned(), found.clone());
        found
    }

    /// A repository inside of ours: what has changed since the commit that was recorded for it then.
    fn nested(&self, root: &Path) -> Option<Rc<Since>> {
        if !root.starts_with(&self.root) {
            return None;
        }
        let around = self.in_repository(git::root_of(root.parent()?)?)?;
        let path = below(around.repository.root(), root)?;
        let commit = around.repository.submodule(&around.commit, &path).ok()??;
        // The commit may be missing here, in a shallow clone.
        Since::new(Repository::at(self.ctx, root).ok()?, commit).ok().map(Rc::new)
    }
}

/// The error of a revision that git does not know, with the one that was most likely meant.
fn meant(repository: &Repository, revision: &str, command: &str, e: Error) -> Error {
    // What git names itself comes first.
    let Error::Git { why, next: None } = e else { return e };
    let (name, dots) = revision.strip_suffix("...").map_or((revision, ""), |name| (name, "..."));
    let with = |name: &str| {
        Some(Advice::run(format!("casefile {command} --since {}", shell(&format!("{name}{dots}")))))
    };
    match repository.meant(name) {
        Some(Revision::OfRemote(twin)) => Error::Git {
            why: format!("there is no branch {} here, but {}", one_line(name), one_line(&twin)),
            next: with(&twin),
        },
        Some(Revision::Near(near)) => {
            Error::Git { why: format!("{why}; did you mean {}?", one_line(&near)), next: with(&near) }
        }
        None => Error::Git { why, next: None },
    }
}

/// A path relative to a root, with `/`.
fn below(root: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(root).ok()?.components();
    Some(parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
}

/// Every path that a file is read through: each link on the way by its own path, and the file at the end. `folder` is
/// a real path.
fn trail(folder: &Path, file: &str) -> Vec<PathBuf> {
    let mut passed = Vec::new();
    let mut at = folder.to_owned();
    let mut left: Vec<PathBuf> = pieces(Path::new(file));
    while let Some(piece) = left.pop() {
        if piece == Path::new("..") {
            at.pop();
            continue;
        }
        // An absolute one takes the place of all before.
        at.push(piece);
        if let Ok(target) = at.read_link()
            && passed.len() < MOST_LINKS
        {
            passed.push(at.clone());
            at.pop();
            left.extend(pieces(&target));
        }
    }
    passed.push(at);
    passed
}

/// The components of a path, the last one first.
fn pieces(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev().filter(|part| *part != Component::CurDir);
    parts.map(|part| PathBuf::from(part.as_os_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_through_all_links_on_its_way() {
        let Some(unix) = platform::testing::unix() else { return };
        let dir = tempfile::tempdir().unwrap();
        let root = platform::real_path(dir.path()).unwrap();
        for folder in ["project/m", "shared", "elsewhere"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        unix.link("../../shared", root.join("project/m/linked"));
        unix.link(root.join("elsewhere/b.yaml"), root.join("shared/a.yaml"));
        unix.link("loop", root.join("project/loop"));
        let trail = |file: &str| -> Vec<String> {
            let passed = trail(&root.join("project"), file);
            passed.iter().map(|p| below(&root, p).unwrap()).collect()
        };
        assert_eq!(trail("m/a.yaml"), ["project/m/a.yaml"]);
        assert_eq!(trail("../shared/./c.yaml"), ["shared/c.yaml"]);
        assert_eq!(trail("m/linked/a.yaml"), ["project/m/linked", "shared/a.yaml", "elsewhere/b.yaml"]);
        assert_eq!(trail("loop").len(), MOST_LINKS + 1);
    }
}
