//! The one place of this module that touches the file system: finds manifest files and reads bytes.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Place};
use super::documents::declares_runbook;
use super::project::{PROJECT_FILE, Project};
use super::yaml::syntax::shown;

mod bounds;

pub(super) use bounds::{Bounds, Refusal};

/// Larger files are refused; 50,000 resources are a third of it.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// How deep folders may lie in each other. Each is resolved from the root, so that deeper ones cost more and more.
const MAX_FOLDERS: usize = 64;

/// A manifest file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Relative to the project folder, with `/`.
    pub name: String,
    pub path: PathBuf,
}

/// The files in the folders that a project's manifests are looked for in.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The manifests, each once, sorted by name.
    pub manifests: Vec<Found>,
    /// The files in folders of a runbook's cases, seals among them, sorted by name.
    pub cases: Vec<Found>,
    /// The files that are named like a seal and stand without a manifest beside them, sorted by name.
    pub orphans: Vec<Found>,
    /// The places that cannot be walked.
    pub problems: Vec<Diagnostic>,
    /// The places in folders of cases that cannot be walked.
    pub case_problems: Vec<Diagnostic>,
}

/// Searches what `spec.manifests` names.
pub(super) fn find(project_dir: &Path, project: &Project) -> Search {
    let mut walk = Walk::new(is_manifest, Bounds::of(project_dir));
    for (index, entry) in project.spec.manifests.iter().enumerate() {
        let name = normal(entry);
        let path = if name.is_empty() { project_dir.to_path_buf() } else { project_dir.join(&name) };
        let place = project.places.get(index);
        let at_entry = |problem: Diagnostic| match place {
            Some(place) => problem.at(place),
            None => problem,
        };
        if Path::new(entry).is_absolute() {
            let problem =
                Diagnostic::of_file("bad-path", PROJECT_FILE, format!("`{entry}` is an absolute path"));
            walk.problems.push(at_entry(problem.with_help("write it relative to the project folder")));
            continue;
        }
        if let Err(refusal @ (Refusal::Outside | Refusal::Hidden)) = walk.bounds.admit_name(&name) {
            let problem =
                Diagnostic::of_file("bad-path", PROJECT_FILE, format!("`{entry}` {}", refusal.words()));
            walk.problems.push(at_entry(problem.with_help("keep manifests in a folder of this repository")));
            continue;
        }
        match fs::metadata(&path) {
            Err(error) => walk.problems.push(missing(entry, &path, &error, place)),
            Ok(meta) if meta.is_dir() => {
                let (met, known) = (walk.met, walk.folders.len());
                walk.folder(&path, &name, &mut Vec::new());
                // A folder that another entry holds was searched with that one.
                if met == walk.met && known != walk.folders.len() {
                    let message = format!("no manifests in `{entry}`");
                    let problem = Diagnostic::of_file("no-manifests", PROJECT_FILE, message).as_warning();
                    walk.problems.push(at_entry(problem.with_help(
                        "manifests are files named *.yaml or *.yml; where the folder is a submodule: \
                         git submodule update --init",
                    )));
                }
            }
            Ok(meta) if meta.is_file() && is_manifest(&name) => walk.file(path, name),
            Ok(_) => {
                let message = format!("`{entry}` is no manifest");
                let problem = Diagnostic::of_file("not-a-manifest", PROJECT_FILE, message);
                walk.problems.push(at_entry(
                    problem.with_help("name folders, or files *.yaml or *.yml that are not *.sealed.yaml"),
                ));
            }
        }
    }
    let (manifests, problems) = (std::mem::take(&mut walk.found), std::mem::take(&mut walk.problems));
    // What another entry of `spec.manifests` names in a folder of cases was found as a manifest, and is not met again.
    walk.wanted = |name| is_manifest(name) || is_seal(name);
    while let Some((path, name)) = walk.case_folders.pop() {
        walk.entry(path, name);
    }
    let Walk { found: cases, orphans, problems: case_problems, .. } = walk;
    let mut search = Search { manifests, cases, orphans, problems, case_problems };
    search.manifests.sort();
    search.cases.sort();
    search.orphans.sort();
    search
}

/// Finds and reads the files `*.sealed.yaml` beside the manifests that `spec.manifests` names, by name. What
/// is wrong with the folders themselves is told where the manifests are read.
///
/// # Errors
/// The seals that cannot be read.
pub fn find_seals(project_dir: &Path, project: &Project) -> Result<Vec<(String, Vec<u8>)>, Vec<Diagnostic>> {
    let mut walk = Walk::new(is_seal, Bounds::of(project_dir));
    for name in project.spec.manifests.iter().map(|entry| normal(entry)) {
        let path = if name.is_empty() { project_dir.to_path_buf() } else { project_dir.join(&name) };
        if walk.bounds.admit_name(&name).is_err() && !is_manifest(&name) {
            continue;
        }
        if path.is_dir() {
            walk.folder(&path, &name, &mut Vec::new());
        } else if let Some((stem, end)) = name.rsplit_once('.') {
            let name = format!("{stem}.sealed.{end}");
            let path = project_dir.join(&name);
            match walk.bounds.admit_name(&name) {
                Err(refusal @ (Refusal::Outside | Refusal::Hidden)) => walk.refuse(name, &refusal),
                _ if path.is_file() => walk.file(path, name),
                _ => {}
            }
        }
    }
    walk.found.sort();
    // What is wrong with the folders, and with what is no seal, is told where the manifests are read.
    let mut seals = Vec::new();
    let mut problems: Vec<Diagnostic> =
        walk.problems.into_iter().filter(|p| is_seal(&p.file.to_ascii_lowercase())).collect();
    for file in walk.found {
        match read(&file.path, &file.name) {
            Ok(bytes) => seals.push((file.name, bytes)),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(seals) } else { Err(problems) }
}

fn missing(entry: &str, path: &Path, error: &io::Error, place: Option<&Place>) -> Diagnostic {
    // A link that leads nowhere or in circles is there, but cannot be followed.
    let link = fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
    let problem = if link && error.kind() != io::ErrorKind::NotFound {
        Diagnostic::of_file("symlink-loop", PROJECT_FILE, format!("the link `{entry}` leads in circles"))
            .with_help("remove the link")
    } else if error.kind() == io::ErrorKind::NotFound {
        let problem =
            Diagnostic::of_file("path-not-found", PROJECT_FILE, format!("`{entry}` does not exist"));
        problem.with_help(match place {
            Some(_) => "create it, or correct spec.manifests",
            None => "create the folder, or name others in spec.manifests",
        })
    } else {
        Diagnostic::of_file(
            "unreadable-file",
            PROJECT_FILE,
            format!("`{entry}` cannot be read: {}", reason(error)),
        )
    };
    match place {
        Some(place) => problem.at(place),
        None => problem,
    }
}

/// `./a//b/` is `a/b`.
fn normal(entry: &str) -> String {
    let parts = entry.split(['/', std::path::MAIN_SEPARATOR]).filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

/// Returns whether a file is a manifest by its name.
fn is_manifest(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")) {
        Some(stem) => !stem.ends_with(".sealed") && !file.starts_with('.') && name != PROJECT_FILE,
        None => false,
    }
}

/// Whether the folder `cases` in `folder` holds the cases of a runbook: one beside it, `runbook.yaml`, or the
/// file that `folder` is named after. Such a folder holds no manifests.
fn holds_cases(folder: &Path) -> bool {
    let named = folder.file_name().map(|name| folder.with_file_name(name));
    let stems = named.into_iter().chain([folder.join("runbook")]);
    let mut files = stems.flat_map(|stem| {
        ["yaml", "yml"].map(|end| {
            let mut name = stem.clone().into_os_string();
            name.push(".");
            name.push(end);
            PathBuf::from(name)
        })
    });
    files.any(|file| file.is_file() && read(&file, "").is_ok_and(|bytes| declares_runbook(&bytes)))
}

/// The cases of a runbook's file, by name, and what is wrong with their folder: `NAME/cases/*.yaml` beside
/// `NAME.yaml`, `cases/*.yaml` beside `runbook.yaml`.
pub(super) fn cases(runbook: &Found, bounds: &Bounds) -> (Vec<Found>, Vec<Diagnostic>) {
    let stem = runbook.name.rsplit_once('.').map_or(&*runbook.name, |(stem, _)| stem);
    let (name, path) = match stem.rsplit_once('/').map_or(stem, |(_, file)| file) {
        "runbook" => (
            stem.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/")) + "cases",
            runbook.path.with_file_name("cases"),
        ),
        _ => (format!("{stem}/cases"), runbook.path.with_extension("").join("cases")),
    };
    let mut walk = Walk::new(is_manifest, bounds.clone());
    walk.entry(path, name);
    walk.found.sort();
    (walk.found, walk.problems)
}

/// Returns whether a file is a seal by its name.
pub(super) fn is_seal(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    !file.starts_with('.') && (file.ends_with(".sealed.yaml") || file.ends_with(".sealed.yml"))
}

/// Returns whether a file of a folder is a seal by its name, and no manifest that it could be the seal of stands in
/// `siblings`, which are sorted.
fn is_orphan(file: &str, siblings: &[(OsString, fs::DirEntry)]) -> bool {
    let Some((stem, end)) = file.rsplit_once(".sealed.").filter(|_| is_seal(file)) else { return false };
    let manifest = OsString::from(format!("{stem}.{end}"));
    siblings.binary_search_by(|(name, _)| name.cmp(&manifest)).is_err()
}

struct Walk {
    /// Which files are meant, by name.
    wanted: fn(&str) -> bool,
    found: Vec<Found>,
    /// Real paths of the files found so far.
    seen: HashSet<PathBuf>,
    /// Real paths of the folders searched so far.
    folders: HashSet<PathBuf>,
    problems: Vec<Diagnostic>,
    /// The folders of cases that were passed over.
    case_folders: Vec<(PathBuf, String)>,
    /// Files named like a seal, without a manifest beside them.
    orphans: Vec<Found>,
    bounds: Bounds,
    /// How many manifests and problems were met, those found before included.
    met: usize,
    /// How many of the folders that are being searched have a name that is no UTF-8.
    unnameable: usize,
}

impl Walk {
    fn new(wanted: fn(&str) -> bool, bounds: Bounds) -> Walk {
        Walk {
            wanted,
            found: Vec::new(),
            seen: HashSet::new(),
            folders: HashSet::new(),
            problems: Vec::new(),
            case_folders: Vec::new(),
            orphans: Vec::new(),
            bounds,
            met: 0,
            unnameable: 0,
        }
    }

    fn problem(&mut self, problem: Diagnostic) {
        self.met += 1;
        self.problems.push(problem);
    }

    fn unreadable_folder(&mut self, name: &str, error: &io::Error) {
        let message = format!("the folder cannot be read: {}", reason(error));
        self.problem(Diagnostic::of_file("unreadable-file", name, message));
    }

    /// Reports a file that is not read because of what it is called or what it is; `true` if it is to be read.
    ///
    /// Two files whose names are no UTF-8 could be shown by one name: one of them would pass for the other.
    fn is_meant(&mut self, name: &str, is_utf8: bool, is_file: bool) -> bool {
        let wanted = (self.wanted)(name);
        let problem = |code, message: &str, help: &str| {
            Diagnostic::of_file(code, name.to_owned(), message).with_help(help)
        };
        if !wanted && !(self.wanted)(&name.to_ascii_lowercase()) {
            return false;
        }
        if !is_file {
            self.problem(problem(
                "unreadable-file",
                "this is no ordinary file",
                "remove it, or give it another name",
            ));
        } else if !is_utf8 || self.unnameable > 0 {
            let message = "the name of this file, or of a folder that it lies in, is no UTF-8 text";
            self.problem(problem("bad-file-name", message, "rename it"));
        } else if !wanted {
            let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
            let stem = stem.rsplit('/').next().unwrap_or(stem);
            let help = format!("rename it to {}.{}", shown(stem), end.to_ascii_lowercase());
            self.problem(problem("bad-file-name", "the ending of a manifest's name is lower-case", &help));
        } else {
            return true;
        }
        false
    }

    fn refuse(&mut self, name: String, refusal: &Refusal) {
        let problem = Diagnostic::of_file("bad-path", name, format!("this link {}", refusal.words()));
        self.problem(problem.with_help("put a copy of what it names in its place"));
    }

    fn file(&mut self, path: PathBuf, name: String) {
        let real = match self.bounds.admit(&path) {
            Ok(real) => real,
            Err(Refusal::Failed(_)) => path.clone(),
            Err(refusal) => return self.refuse(name, &refusal),
        };
        self.met += 1;
        if self.seen.insert(real) {
            self.found.push(Found { name, path });
        }
    }

    /// Searches a folder, or a link to one, by itself; nothing else and nothing is fine too.
    fn entry(&mut self, path: PathBuf, name: String) {
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() => self.link(path, name, &mut Vec::new()),
            Ok(meta) if meta.is_dir() => self.folder(&path, &name, &mut Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.unreadable_folder(&name, &error)
            }
            _ => {}
        }
    }

    /// `above` are the real paths of the folders that this one lies in.
    fn folder(&mut self, path: &Path, name: &str, above: &mut Vec<PathBuf>) {
        let shown = if name.is_empty() { "." } else { name };
        if above.len() >= MAX_FOLDERS {
            let message = format!("this folder lies deeper than {MAX_FOLDERS} folders");
            self.problem(Diagnostic::of_file("too-deep", shown, message).with_help("move it up"));
            return;
        }
        let real = match self.bounds.admit(path) {
            Ok(real) => real,
            Err(Refusal::Failed(error)) => return self.unreadable_folder(shown, &error),
            Err(refusal) => return self.refuse(shown.to_owned(), &refusal),
        };
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable_folder(shown, &error),
        };
        if above.contains(&real) {
            let message = "this link leads back to a folder that it lies in";
            self.problem(Diagnostic::of_file("symlink-loop", shown, message).with_help("remove the link"));
            return;
        }
        if !self.folders.insert(real.clone()) {
            return;
        }
        let mut children: Vec<(OsString, fs::DirEntry)> = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => children.push((entry.file_name(), entry)),
                Err(error) => self.unreadable_folder(shown, &error),
            }
        }
        children.sort_by(|a, b| a.0.cmp(&b.0));
        above.push(real.clone());
        for (child, entry) in &children {
            let (text, is_utf8) = (child.to_string_lossy(), child.to_str().is_some());
            if text.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let name = if name.is_empty() { text.clone().into_owned() } else { format!("{name}/{text}") };
            if text == "cases" && path.is_dir() && holds_cases(entry.path().parent().unwrap_or(&path)) {
                self.case_folders.push((path, name));
                continue;
            }
            if is_utf8 && !(self.wanted)(&name) && is_orphan(&text, &children) && path.is_file() {
                self.orphans.push(Found { name: name.clone(), path: path.clone() });
            }
            self.unnameable += usize::from(!is_utf8);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.folder(&path, &name, above),
                Ok(kind) if kind.is_symlink() => self.link(path, name, above),
                // The folder's real path and the name are the file's; no call for each file.
                Ok(kind) if self.is_meant(&name, is_utf8, kind.is_file()) => {
                    self.met += 1;
                    if self.seen.insert(real.join(child)) {
                        self.found.push(Found { name, path });
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    let message = format!("it cannot be told what this is: {}", reason(&error));
                    self.problem(Diagnostic::of_file("unreadable-file", name, message));
                }
            }
            self.unnameable -= usize::from(!is_utf8);
        }
        above.pop();
    }

    fn link(&mut self, path: PathBuf, name: String, above: &mut Vec<PathBuf>) {
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => self.folder(&path, &name, above),
            Ok(meta) => {
                if self.is_meant(&name, true, meta.is_file()) {
                    self.file(path, name);
                }
            }
            // Nobody can tell whether a folder of manifests was meant.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let problem = Diagnostic::of_file("path-not-found", name, "this link leads to nothing");
                self.problem(problem.with_help("remove the link, or restore what it names"));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let message = "this link leads to where nothing can be read: no permission";
                self.problem(Diagnostic::of_file("unreadable-file", name, message));
            }
            Err(_) => {
                let problem = Diagnostic::of_file("symlink-loop", name, "this link leads in circles");
                self.problem(problem.with_help("remove the link"));
            }
        }
    }
}

/// Reads a file; the error is a finished diagnostic.
pub(super) fn read(path: &Path, name: &str) -> Result<Vec<u8>, Box<Diagnostic>> {
    let unreadable = |error: io::Error| {
        let message = format!("the file cannot be read: {}", reason(&error));
        let mut problem = Diagnostic::of_file("unreadable-file", name, message);
        if error.kind() == io::ErrorKind::PermissionDenied {
            problem.help = Some("give yourself the right to read it".into());
        }
        Box::new(problem)
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(MAX_BYTES)).unwrap_or(0) + 1);
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Box::new(Diagnostic::of_file("file-too-large", name, message).with_help("split it")));
    }
    Ok(bytes)
}

/// Reads a file that a project's files name, relative to the project folder with `/`: one of the repository, none
/// that is hidden.
pub(super) fn read_named(bounds: &Bounds, name: &str) -> Result<Vec<u8>, Box<Diagnostic>> {
    let refused = |code, why: String| Box::new(Diagnostic::of_file(code, name, why));
    match bounds.admit_name(name) {
        Ok(real) if real.is_file() => read(&real, name),
        Ok(_) => Err(refused("unreadable-file", format!("`{name}` is no ordinary file"))),
        Err(Refusal::Failed(error)) if error.kind() == io::ErrorKind::NotFound => {
            Err(refused("path-not-found", format!("`{name}` does not exist")))
        }
        Err(Refusal::Failed(error)) => {
            Err(refused("unreadable-file", format!("the file cannot be read: {}", reason(&error))))
        }
        Err(refusal) => Err(refused("bad-path", format!("`{name}` {}", refusal.words()))),
    }
}

/// `./a//b` as `a/b`; none for a path that is absolute or leads upwards.
pub(super) fn inner_name(entry: &str) -> Option<String> {
    let name = normal(entry);
    let up = name.split('/').any(|part| part == "..");
    (!name.is_empty() && !up && !Path::new(entry).is_absolute() && !entry.starts_with('/')).then_some(name)
}

/// Reads the project file; `None` if there is none.
pub(super) fn read_project(project_dir: &Path) -> Result<Option<Vec<u8>>, Box<Diagnostic>> {
    match read_named(&Bounds::of(project_dir), PROJECT_FILE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(problem) if problem.code == "path-not-found" => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Returns whether a file really lies in the repository of a project, or in its folder where there is none.
///
/// # Errors
/// The file is not there.
pub fn is_in_repository(project_dir: &Path, path: &Path) -> io::Result<bool> {
    Ok(crate::platform::real_path(path)?.starts_with(Bounds::of(project_dir).root()))
}

/// The entries of `spec.manifests` that lead out of the project folder.
pub fn beside(project: &Project) -> Vec<String> {
    let outside = |entry: &String| normal(entry).split('/').any(|part| part == "..");
    project.spec.manifests.iter().filter(|entry| outside(entry)).cloned().collect()
}

/// The system's reason without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "no permission".into(),
        io::ErrorKind::NotFound => "it does not exist".into(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::testing::unix;

    fn project(manifests: &[&str]) -> Project {
        let mut project = Project::new("test");
        project.spec.manifests = manifests.iter().map(|m| (*m).to_owned()).collect();
        project
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    fn names(found: &[Found]) -> Vec<&str> {
        found.iter().map(|f| f.name.as_str()).collect()
    }

    #[test]
    fn files_are_found_once_and_in_order() {
        let dir = tree(&[
            "casefile.yaml",
            "b/z.yml",
            "b/a.yaml",
            "b/a.sealed.yaml",
            "b/c.sealed.yml",
            "b/.hidden/x.yaml",
            "b/.x.yaml",
            "b/notes.txt",
            "a.yaml",
        ]);
        let Search { manifests: found, problems, orphans, .. } =
            find(dir.path(), &project(&["b/z.yml", "b", "./a.yaml", "."]));
        assert_eq!(names(&found), ["a.yaml", "b/a.yaml", "b/z.yml"]);
        assert_eq!(names(&orphans), ["b/c.sealed.yml"]);
        assert_eq!(problems, []);
    }

    #[test]
    fn what_is_not_there_is_reported() {
        let dir = tree(&["empty/notes.txt", "x.txt", "x.sealed.yaml"]);
        let manifests = ["nowhere", "empty", "x.txt", "x.sealed.yaml", "/etc"];
        let Search { manifests: found, problems, .. } = find(dir.path(), &project(&manifests));
        assert_eq!(names(&found), Vec::<&str>::new());
        let codes: Vec<_> = problems.iter().map(|p| p.code).collect();
        assert_eq!(codes, ["path-not-found", "no-manifests", "not-a-manifest", "not-a-manifest", "bad-path"]);
    }

    #[test]
    fn links_are_followed_but_not_in_circles() {
        let Some(unix) = unix() else { return };
        let dir = tree(&["m/a.yaml", "shared/s.yaml"]);
        unix.link("../shared", dir.path().join("m/shared"));
        unix.link("..", dir.path().join("m/up"));
        unix.link("self.yaml", dir.path().join("m/self.yaml"));
        unix.link("gone", dir.path().join("m/gone.yaml"));
        let Search { manifests: found, problems, .. } = find(dir.path(), &project(&["m"]));
        assert!(names(&found).contains(&"m/a.yaml"), "{found:?}");
        assert_eq!(found.iter().filter(|f| f.name.ends_with("s.yaml")).count(), 1);
        let mut codes: Vec<_> = problems.iter().map(|p| (p.code, &*p.file)).collect();
        codes.sort_unstable();
        assert_eq!(
            codes,
            [("path-not-found", "m/gone.yaml"), ("symlink-loop", "m/self.yaml"), ("symlink-loop", "m/up/m")]
        );
    }

    #[test]
    fn an_ending_in_upper_case_is_no_reason_to_read_nothing() {
        let dir =
            tree(&["m/A.YAML", "m/b.Yml", "m/c.yaml", "m/notes.TXT", "m/d.SEALED.YAML", "m/x.yaml/e.yaml"]);
        let Search { manifests: found, problems, .. } = find(dir.path(), &project(&["m"]));
        assert_eq!(names(&found), ["m/c.yaml", "m/x.yaml/e.yaml"]);
        let told: Vec<_> = problems.iter().map(|p| (p.code, &*p.file, p.help.as_deref().unwrap())).collect();
        assert_eq!(
            told,
            [
                ("bad-file-name", "m/A.YAML", "rename it to A.yaml"),
                ("bad-file-name", "m/b.Yml", "rename it to b.yml")
            ]
        );
        let sealed = find_seals(dir.path(), &project(&["m"])).unwrap_err();
        assert_eq!((sealed[0].code, &*sealed[0].file), ("bad-file-name", "m/d.SEALED.YAML"));
    }

    #[test]
    fn a_folder_of_cases_is_one_only_beside_a_runbook() {
        let dir = tree(&["m/inc/cases/a.yaml", "m/triage/cases/b.yaml", "m/torn/cases/c.yaml"]);
        fs::write(dir.path().join("m/inc.yaml"), "# made by a Runbook\nkind: Incident\n").unwrap();
        fs::write(dir.path().join("m/triage.yaml"), "kind: Runbook\n").unwrap();
        fs::write(dir.path().join("m/torn.yaml"), "kind: Runbook\nspec: [\n").unwrap();
        let Search { manifests: found, cases, problems, .. } = find(dir.path(), &project(&["m"]));
        assert_eq!(names(&found), ["m/inc.yaml", "m/inc/cases/a.yaml", "m/torn.yaml", "m/triage.yaml"]);
        assert_eq!(names(&cases), ["m/torn/cases/c.yaml", "m/triage/cases/b.yaml"]);
        assert_eq!(problems, []);
        // Named by itself it is a folder like any other.
        let Search { manifests: found, cases, .. } = find(dir.path(), &project(&["m", "m/triage/cases"]));
        assert!(names(&found).contains(&"m/triage/cases/b.yaml"), "{found:?}");
        assert_eq!(names(&cases), ["m/torn/cases/c.yaml"]);
    }

    #[test]
    fn deep_folders_end_at_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let mut path = dir.path().join("m");
        for _ in 0..1_500 {
            path.push("d");
        }
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("a.yaml"), "").unwrap();
        let Search { manifests: found, problems, .. } = find(dir.path(), &project(&["m"]));
        assert_eq!(names(&found), Vec::<&str>::new());
        let told: Vec<_> = problems.iter().map(|p| (p.code, p.file.matches('/').count())).collect();
        assert_eq!(told, [("too-deep", MAX_FOLDERS)]);
    }

    mod of_unix {
        use super::*;

        fn told(problems: &[Diagnostic]) -> Vec<(&'static str, &str)> {
            problems.iter().map(|p| (p.code, &*p.file)).collect()
        }

        #[test]
        fn names_that_are_no_text_are_told_apart() {
            let Some(unix) = unix().filter(|unix| unix.takes_any_name()) else { return };
            let dir = tree(&["m/a.yaml"]);
            let m = dir.path().join("m");
            for name in [&b"x\xff.yaml"[..], b"x\xfe.yaml", b"y\xff.txt"] {
                fs::write(m.join(unix.name(name)), "").unwrap();
            }
            for name in [&b"d\xff"[..], b"d\xfe", b"e\xfe"] {
                fs::create_dir(m.join(unix.name(name))).unwrap();
            }
            fs::write(m.join(unix.name(b"d\xff")).join("b.yaml"), "").unwrap();
            fs::create_dir(m.join(unix.name(b"d\xfe")).join("in")).unwrap();
            fs::write(m.join(unix.name(b"d\xfe")).join("in/c.yaml"), "").unwrap();
            let Search { manifests: found, problems, .. } = find(dir.path(), &project(&["m"]));
            assert_eq!(names(&found), ["m/a.yaml"]);
            assert_eq!(
                told(&problems),
                [
                    ("bad-file-name", "m/d\u{fffd}/in/c.yaml"),
                    ("bad-file-name", "m/d\u{fffd}/b.yaml"),
                    ("bad-file-name", "m/x\u{fffd}.yaml"),
                    ("bad-file-name", "m/x\u{fffd}.yaml"),
                ]
            );
        }

        #[test]
        fn what_cannot_be_read_is_told() {
            let Some(unix) = unix() else { return };
            let dir = tree(&["m/r.yaml", "m/r/cases/a.yaml", "m/r/cases/deep/b.yaml", "m/r/cases/c.YAML"]);
            let m = dir.path().join("m");
            fs::write(m.join("r.yaml"), "kind: Runbook\n").unwrap();
            unix.link("/dev/null", m.join("null.yaml"));
            let _socket = unix.socket(&m.join("s.yaml"));
            unix.link("../submodule", m.join("shared"));
            unix.link("gone", m.join("r/cases/d.yaml"));
            let Search { manifests: found, problems, case_problems, .. } = find(dir.path(), &project(&["m"]));
            assert_eq!(names(&found), ["m/r.yaml"]);
            assert_eq!(
                told(&case_problems),
                [("bad-file-name", "m/r/cases/c.YAML"), ("path-not-found", "m/r/cases/d.yaml")]
            );
            assert_eq!(
                told(&problems),
                [
                    ("unreadable-file", "m/null.yaml"),
                    ("unreadable-file", "m/s.yaml"),
                    ("path-not-found", "m/shared")
                ]
            );
            let (found, problems) = cases(&found[0], &Bounds::of(dir.path()));
            assert_eq!(names(&found), ["m/r/cases/a.yaml", "m/r/cases/deep/b.yaml"]);
            assert_eq!(
                told(&problems),
                [("bad-file-name", "m/r/cases/c.YAML"), ("path-not-found", "m/r/cases/d.yaml")]
            );
            // Root reads everything.
            let closed = m.join("closed");
            fs::create_dir(&closed).unwrap();
            unix.set_mode(&closed, 0o0);
            if fs::read_dir(&closed).is_err() {
                let problems = find(dir.path(), &project(&["m"])).problems;
                assert!(told(&problems).contains(&("unreadable-file", "m/closed")), "{problems:?}");
            }
            unix.set_mode(&closed, 0o700);
        }
    }
}
