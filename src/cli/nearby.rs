//! Projects near a folder that is none: above it, where commands find one by themselves, and below it or beside it, where
//! a person is told of one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files::folder_of;
use crate::manifest::{PROJECT_FILE, nearest};
use crate::model::Advice;
use crate::platform;
use crate::render::messages::first;
use crate::render::ways_out::shell;

/// How many levels of folders below one are looked at, and how many entries of folders in all: a home folder or a shared
/// one can hold any number.
const LEVELS: usize = 2;
const ENTRIES: usize = 1_000;

/// How many projects are named.
const NAMED: usize = 5;

/// The folder among several that is named first: the one in the source of this tool that needs no account.
const FIRST: &str = "quickstart";

/// The reason why there is no project in the folder that a command works in, and the way to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nearby {
    /// No project is near.
    Nothing,
    /// A folder above it is a project.
    Above(PathBuf),
    /// Folders below it are projects, the nearest first.
    Below(Vec<PathBuf>),
    /// The folder does not exist. A project beside it may have nearly its name.
    NoFolder(Option<PathBuf>),
    /// It is a file; the folder around it may be a project.
    File(Option<PathBuf>),
}

impl Nearby {
    /// Looks around a folder without a project. No link is followed.
    pub fn look(folder: &Path) -> Nearby {
        match folder.metadata() {
            Ok(meta) if meta.is_file() => {
                let around = folder_of(folder).to_owned();
                let is_project = around.join(PROJECT_FILE).is_file();
                let above = || project_above(&around).map(|(above, _)| above);
                Nearby::File(if is_project { Some(around) } else { above() })
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Nearby::NoFolder(meant(folder)),
            _ => match project_above(folder) {
                Some((above, _)) => Nearby::Above(above),
                None => match below(folder, LEVELS) {
                    found if found.is_empty() => Nearby::Nothing,
                    found => Nearby::Below(found),
                },
            },
        }
    }

    /// Returns what is wrong with the folder.
    pub fn told(&self, folder: &Path) -> String {
        let folder = folder.display();
        match self {
            Nearby::Nothing | Nearby::Above(_) | Nearby::Below(_) => {
                format!("there is no {PROJECT_FILE} in {folder}")
            }
            Nearby::NoFolder(_) => format!("there is no folder {folder}"),
            Nearby::File(_) => format!("{folder} is a file, and -C takes the folder of a project"),
        }
    }

    /// Returns what to do about it.
    pub fn advice(&self) -> Advice {
        let plan = |folder: &Path| format!("casefile -C {} plan", shell(&folder.to_string_lossy()));
        match self {
            Nearby::Above(folder) | Nearby::File(Some(folder)) | Nearby::NoFolder(Some(folder)) => {
                Advice::then(format!("the project is the folder {}", folder.display()), plan(folder))
            }
            Nearby::Below(folders) => {
                let words = match &**folders {
                    [one] => format!("a project is in the folder {}", one.display()),
                    all => {
                        format!(
                            "projects are in the folders {}",
                            first(all, NAMED, |f| f.display().to_string())
                        )
                    }
                };
                Advice { words: Some(words.into()), command: folders.first().map(|f| plan(f).into()) }
            }
            Nearby::Nothing | Nearby::NoFolder(None) | Nearby::File(None) => {
                Advice::run("casefile init my-cases && casefile -C my-cases plan")
            }
        }
    }
}

/// The nearest folder above a folder without a project file that has one, and the way back down. The search ends with
/// the repository, and where folders and project files belong to somebody else: what others put above a folder, in
/// `/tmp` for one, is not run.
pub fn project_above(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    if folder.join(PROJECT_FILE).symlink_metadata().is_ok() {
        return None;
    }
    let start = platform::real_path(folder).ok()?;
    let owner = owner(&start)?;
    let mut up = folder.to_owned();
    for above in start.ancestors() {
        let file = above.join(PROJECT_FILE);
        if self::owner(&file) == Some(owner) {
            let below = start.strip_prefix(above).ok()?.to_owned();
            let up = up.strip_prefix(".").unwrap_or(&up).to_owned();
            return Some((up, below));
        }
        if above.join(".git").symlink_metadata().is_ok() || self::owner(above) != Some(owner) {
            return None;
        }
        up.push("..");
    }
    None
}

/// The user that a file or folder belongs to.
fn owner(path: &Path) -> Option<u32> {
    path.symlink_metadata().ok().map(|meta| platform::owner(&meta))
}

/// The project beside a folder that does not exist whose name was most likely meant.
fn meant(folder: &Path) -> Option<PathBuf> {
    let name = folder.file_name()?.to_str()?;
    let beside = below(folder_of(folder), 1);
    let names: Vec<&str> = beside.iter().filter_map(|f| f.file_name()?.to_str()).collect();
    let meant = nearest(name, names.iter().copied())?;
    beside.iter().find(|f| f.file_name().is_some_and(|n| n == meant)).cloned()
}

/// The projects in the folders below a folder, the nearest first. Hidden folders, links and projects of other users are
/// passed over, and so is what a command line could not name.
fn below(folder: &Path, levels: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut level = vec![folder.to_owned()];
    let mut left = ENTRIES;
    for _ in 0..levels {
        let mut folders: Vec<PathBuf> = Vec::new();
        for within in &level {
            let Ok(entries) = fs::read_dir(within) else { continue };
            for entry in entries.take(left) {
                left -= 1;
                let Ok(entry) = entry else { continue };
                // Of a link this is the type of the link.
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let name = entry.file_name();
                if is_folder
                    && name.to_str().is_some_and(|n| !n.starts_with('.') && !n.contains(char::is_control))
                {
                    let path = entry.path();
                    folders.push(path.strip_prefix(".").map(Path::to_owned).unwrap_or(path));
                }
            }
        }
        folders.sort_by_cached_key(|f| (f.file_name().is_none_or(|name| name != FIRST), f.clone()));
        let (projects, others) = folders.into_iter().partition(|folder| is_project(folder));
        found.extend::<Vec<PathBuf>>(projects);
        level = others;
    }
    found
}

/// Returns whether a folder holds a project file of this user's.
fn is_project(folder: &Path) -> bool {
    let file = folder.join(PROJECT_FILE).symlink_metadata();
    file.is_ok_and(|meta| meta.is_file() && platform::is_ours(&meta))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(PROJECT_FILE), "").unwrap();
    }

    #[test]
    fn projects_are_found_two_levels_down_and_behind_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert_eq!(Nearby::look(dir.path()), Nearby::Nothing);
        project(&at("one/two/three"));
        project(&at(".hidden"));
        assert_eq!(Nearby::look(dir.path()), Nearby::Nothing);
        if let Some(unix) = platform::testing::unix() {
            let elsewhere = tempfile::tempdir().unwrap();
            project(&elsewhere.path().join("x"));
            unix.link(elsewhere.path().join("x"), at("link"));
            unix.link(elsewhere.path(), at("links"));
            assert_eq!(Nearby::look(dir.path()), Nearby::Nothing);
        }
        for name in ["examples/documented", "examples/quickstart", "zoo"] {
            project(&at(name));
        }
        let found = ["zoo", "examples/quickstart", "examples/documented"].map(at);
        assert_eq!(Nearby::look(dir.path()), Nearby::Below(found.into()));
    }

    #[test]
    fn the_look_ends_after_so_many_entries() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..ENTRIES {
            fs::write(dir.path().join(n.to_string()), "").unwrap();
        }
        fs::create_dir(dir.path().join("a")).unwrap();
        // Whichever entries come first, none of the next level is looked at.
        project(&dir.path().join("a/b"));
        assert_eq!(Nearby::look(dir.path()), Nearby::Nothing);
    }

    #[test]
    fn what_is_no_folder_leads_to_the_project_that_was_meant() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        project(&at("my-cases"));
        fs::create_dir(at("my-cases/manifests")).unwrap();
        fs::write(at("my-cases/manifests/a.yaml"), "").unwrap();
        fs::write(at("notes"), "").unwrap();
        assert_eq!(Nearby::look(&at("my-cases/casefile.yaml")), Nearby::File(Some(at("my-cases"))));
        let above = at("my-cases/manifests").join("..");
        assert_eq!(Nearby::look(&at("my-cases/manifests/a.yaml")), Nearby::File(Some(above)));
        assert_eq!(Nearby::look(&at("notes")), Nearby::File(None));
        assert_eq!(Nearby::look(&at("my-case")), Nearby::NoFolder(Some(at("my-cases"))));
        assert_eq!(Nearby::look(&at("elsewhere")), Nearby::NoFolder(None));
    }
}
