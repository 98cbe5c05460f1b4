//! git, the one program that the tool itself starts, called so that nothing in a repository runs.
//!
//! A project is text of others: a pull request can bring files that git would take for a repository of its own, and a
//! folder from an archive can bring settings. So git starts at the root whose work tree holds the project and searches
//! nowhere else, with a fixed environment and without all that its settings could start: hooks, file system monitors,
//! filters, pagers, external differences, fetches of missing objects.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::context::Context;
use super::exit::Error;
use crate::manifest::nearest;
use crate::model::Advice;
use crate::platform;
use crate::render::escape;
use crate::state::shared::command::{PARAMETERS, add_parameter};

/// The settings that count before every setting of a repository.
const SETTINGS: [&str; 4] =
    ["safe.bareRepository=explicit", "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.pager=cat"];

/// The variables that are given to git beside where it finds itself and its user's settings.
const ENVIRONMENT: [(&str, &str); 8] = [
    // Messages are shown as they are; file names keep their encoding.
    ("LC_MESSAGES", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    // A look writes nothing, not even a fresher index.
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    // An object that is missing stays missing.
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_PAGER", "cat"),
];

/// A repository, by the root of its work tree.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

/// A revision that was most likely meant by a name that there is none of.
pub enum Revision {
    /// A branch of a remote, of the same name.
    OfRemote(String),
    /// A branch or tag of another name.
    Near(String),
}

/// The root of the work tree that holds a folder; the folder is a real path. A bare repository has none.
pub fn root_of(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|a| a.join(".git").symlink_metadata().is_ok())
}

/// The commit that is checked out where the project is; none where there is no repository, or git cannot tell.
pub fn checked_out(ctx: &Context) -> Option<String> {
    let folder = platform::real_path(&ctx.dir).ok()?;
    let root = root_of(&folder)?;
    Repository::at(ctx, root).ok()?.commit("HEAD").ok()
}

/// The branches and tags of the project's repository; none where there is no repository.
pub fn revisions(ctx: &Context) -> Option<Vec<String>> {
    let folder = platform::real_path(&ctx.dir).ok()?;
    let repository = Repository::at(ctx, root_of(&folder)?).ok()?;
    let names = repository.names(&["refs/heads", "refs/tags", "refs/remotes"])?;
    Some(["HEAD".to_owned()].into_iter().chain(names).collect())
}

/// Tells whether a folder lies in a work tree in which git does not ignore it; no, where git cannot tell.
pub fn could_be_committed(ctx: &Context, folder: &Path) -> bool {
    let asked = || {
        let folder = platform::real_path(folder).ok()?;
        let root = root_of(&folder)?;
        Repository::at(ctx, root).ok()?.shows_new(folder.strip_prefix(root).ok()?).ok()
    };
    asked().unwrap_or(false)
}

impl Repository {
    /// The repository with that root.
    pub fn at(ctx: &Context, root: &Path) -> Result<Self, Error> {
        let mut environment: Vec<(OsString, OsString)> =
            ENVIRONMENT.map(|(k, v)| (k.into(), v.into())).into();
        environment.extend(ctx.child_environment.iter().map(|(k, v)| ((*k).into(), usable(k, v))));
        if let Some(above) = root.parent() {
            environment.push(("GIT_CEILING_DIRECTORIES".into(), above.into()));
        }
        let mut found = Repository { root: root.to_owned(), environment };
        found.disarm()?;
        Ok(found)
    }

    /// Takes their commands from the filters that the repository itself sets. A file that only a filter makes equal
    /// to the recorded one then counts as changed.
    fn disarm(&mut self) -> Result<(), Error> {
        let words = ["config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\."];
        let output = self.output(&words)?;
        // Exit code 1: there is none.
        if !matches!(output.status.code(), Some(0 | 1)) {
            return Err(refused(&output.stderr));
        }
        let words = strings(&output.stdout);
        let theirs =
            words.as_chunks::<2>().0.iter().filter(|[scope, _]| scope == "local" || scope == "worktree");
        let mut settings = OsString::new();
        for [_, name] in theirs {
            if name.contains('=') {
                let why =
                    format!("this repository sets `{name}`, which cannot be set aside: rename that filter");
                return Err(cannot(&why));
            }
            add_parameter(&mut settings, name, if name.ends_with(".required") { "false" } else { "" });
        }
        self.environment.push((PARAMETERS.into(), settings));
        Ok(())
    }

    /// The root of the work tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The id of the commit that a revision names; of `REV...`, that of the commit where the branch left REV.
    pub fn commit(&self, revision: &str) -> Result<String, Error> {
        let answer = match revision.strip_suffix("...") {
            Some(of) => {
                let found = self.output(&["merge-base", "--end-of-options", of, "HEAD"])?;
                if !found.status.success() && found.stderr.is_empty() {
                    let why = format!("`{of}` and HEAD have no commit in common; a shallow clone lacks it");
                    return Err(cannot(&why));
                }
                self.checked(found)?
            }
            None => {
                self.run(&["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")])?
            }
        };
        Ok(String::from_utf8_lossy(&answer).trim().to_owned())
    }

    /// Returns the branch of a remote that a revision is called after, or else the branch or tag whose name is nearest.
    pub fn meant(&self, revision: &str) -> Option<Revision> {
        let remotes = self.names(&["refs/remotes"])?;
        let is_of_remote = |name: &&String| name.split_once('/').is_some_and(|(_, of)| of == revision);
        if let Some(twin) = remotes.iter().find(is_of_remote) {
            return Some(Revision::OfRemote(twin.clone()));
        }
        let names = [self.names(&["refs/heads", "refs/tags"])?, remotes].concat();
        nearest(revision, names.iter().map(String::as_str)).map(|name| Revision::Near(name.to_owned()))
    }

    /// The short names of references; none where git cannot tell.
    fn names(&self, of: &[&str]) -> Option<Vec<String>> {
        let words = [&["for-each-ref", "--format=%(refname:short)"], of].concat();
        let listed = self.run(&words).ok()?;
        Some(String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect())
    }

    /// Lists what differs from a commit, new files that git does not ignore, and files that git was told to overlook, of
    /// which it cannot tell: relative to the root, with `/`.
    pub fn changes(&self, commit: &str) -> Result<Vec<String>, Error> {
        let diff = [
            "diff",
            "--name-only",
            "-z",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            // What is inside a submodule is asked there.
            "--ignore-submodules=dirty",
            "--end-of-options",
            commit,
            "--",
        ];
        let mut names = strings(&self.run(&diff)?);
        names.extend(strings(&self.run(&["ls-files", "--others", "--exclude-standard", "-z"])?));
        names.extend(self.overlooked()?);
        Ok(names)
    }

    /// Lists the files that no difference names, whatever becomes of them: `assume-unchanged` and `skip-worktree`.
    fn overlooked(&self) -> Result<impl Iterator<Item = String>, Error> {
        // A letter and a space stand before each name: `S` means `skip-worktree`, small letters `assume-unchanged`.
        let overlooked = |entry: String| {
            let (tag, name) = entry.split_once(' ')?;
            tag.starts_with(|c: char| c == 'S' || c.is_lowercase()).then(|| name.to_owned())
        };
        let entries = strings(&self.run(&["ls-files", "-v", "-z"])?);
        Ok(entries.into_iter().filter_map(overlooked))
    }

    /// Tells whether there is something new below a path from the root that git does not ignore.
    fn shows_new(&self, path: &Path) -> Result<bool, Error> {
        let words = ["ls-files", "--others", "--exclude-standard", "--directory", "-z", "--"];
        Ok(!self.run(&[&words[..], &[&path.to_string_lossy()]].concat())?.is_empty())
    }

    /// The commit that is recorded for a submodule; none if there is no submodule at that path.
    pub fn submodule(&self, commit: &str, path: &str) -> Result<Option<String>, Error> {
        let entry =
            strings(&self.run(&["ls-tree", "-z", "--full-tree", "--end-of-options", commit, "--", path])?);
        let id = |entry: &String| Some(entry.strip_prefix("160000 commit ")?.split_once('\t')?.0.to_owned());
        Ok(entry.first().and_then(id))
    }

    fn run(&self, words: &[&str]) -> Result<Vec<u8>, Error> {
        self.checked(self.output(words)?)
    }

    fn checked(&self, output: std::process::Output) -> Result<Vec<u8>, Error> {
        if output.status.success() { Ok(output.stdout) } else { Err(refused(&output.stderr)) }
    }

    fn output(&self, words: &[&str]) -> Result<std::process::Output, Error> {
        let mut git = Command::new("git");
        git.arg("--no-pager");
        for setting in SETTINGS {
            git.args(["-c", setting]);
        }
        git.args(words).current_dir(&self.root).stdin(Stdio::null());
        git.env_clear().envs(self.environment.iter().map(|(k, v)| (k, v)));
        git.output().map_err(|e| cannot(&e.to_string()))
    }
}

/// A value for a program's environment. Programs are not looked for in folders that depend on where we are.
fn usable(name: &str, value: &OsStr) -> OsString {
    if name != "PATH" {
        return value.to_owned();
    }
    let absolute = std::env::split_paths(value).filter(|folder| folder.is_absolute());
    std::env::join_paths(absolute).unwrap_or_default()
}

/// git's own words in one line, and the command that it names itself, if it names one.
fn refused(stderr: &[u8]) -> Error {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let named = lines.iter().find(|line| line.starts_with("git "));
    let next = named.map(|line| Advice::run(escape::one_line(line).into_owned()));
    Error::Git { why: escape::one_line(&lines.join(" ")).into_owned(), next }
}

/// A refusal of our own.
fn cannot(why: &str) -> Error {
    Error::Git { why: escape::one_line(why).into_owned(), next: None }
}

fn strings(output: &[u8]) -> Vec<String> {
    let parts = output.split(|b| *b == 0).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}
