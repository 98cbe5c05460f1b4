//! The one place of this module that touches the file system: finds manifest files and reads bytes.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Place};
use super::project::{PROJECT_FILE, Project};

/// Larger files are refused; 50,000 resources are a third of it.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A manifest file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Relative to the project folder, with `/`.
    pub name: String,
    pub path: PathBuf,
}

/// Finds the files that `spec.manifests` names, each once, sorted by name. What cannot be walked is
/// reported.
pub(super) fn find(project_dir: &Path, project: &Project) -> (Vec<Found>, Vec<Diagnostic>) {
    let mut walk = Walk::new(is_manifest);
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
        match fs::metadata(&path) {
            Err(error) => walk.problems.push(missing(entry, &path, &error, place)),
            Ok(meta) if meta.is_dir() => {
                let (met, known) = (walk.met, walk.folders.len());
                walk.folder(&path, &name, &mut Vec::new());
                // A folder that another entry holds was searched with that one.
                if met == walk.met && known != walk.folders.len() {
                    let message = format!("no manifests in `{entry}`");
                    let problem = Diagnostic::of_file("no-manifests", PROJECT_FILE, message).as_warning();
                    walk.problems
                        .push(at_entry(problem.with_help("manifests are files named *.yaml or *.yml")));
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
    walk.found.sort();
    (walk.found, walk.problems)
}

/// Finds and reads the files `*.sealed.yaml` beside the manifests that `spec.manifests` names, by name. What
/// is wrong with the folders themselves is told where the manifests are read.
///
/// # Errors
/// The seals that cannot be read.
pub fn find_seals(project_dir: &Path, project: &Project) -> Result<Vec<(String, Vec<u8>)>, Vec<Diagnostic>> {
    let mut walk = Walk::new(is_seal);
    for name in project.spec.manifests.iter().map(|entry| normal(entry)) {
        let path = if name.is_empty() { project_dir.to_path_buf() } else { project_dir.join(&name) };
        if path.is_dir() {
            walk.folder(&path, &name, &mut Vec::new());
        } else if let Some((stem, end)) = name.rsplit_once('.') {
            let name = format!("{stem}.sealed.{end}");
            let path = project_dir.join(&name);
            if path.is_file() {
                walk.file(path, name);
            }
        }
    }
    walk.found.sort();
    let (mut seals, mut problems) = (Vec::new(), Vec::new());
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

fn is_manifest(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")) {
        Some(stem) => !stem.ends_with(".sealed") && !file.starts_with('.') && name != PROJECT_FILE,
        None => false,
    }
}

/// Whether a file can hold a runbook: a look at its words, before it is read in full.
pub(super) fn may_hold_runbook(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"Runbook").is_some()
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
    files.any(|file| file.is_file() && fs::read(file).is_ok_and(|bytes| may_hold_runbook(&bytes)))
}

/// The cases of a runbook's file: `NAME/cases/*.yaml` beside `NAME.yaml`, `cases/*.yaml` beside
/// `runbook.yaml`; by name.
pub(super) fn cases(runbook: &Found) -> Vec<Found> {
    let stem = runbook.name.rsplit_once('.').map_or(&*runbook.name, |(stem, _)| stem);
    let (name, path) = match stem.rsplit_once('/').map_or(stem, |(_, file)| file) {
        "runbook" => (
            stem.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/")) + "cases",
            runbook.path.with_file_name("cases"),
        ),
        _ => (format!("{stem}/cases"), runbook.path.with_extension("").join("cases")),
    };
    let Ok(entries) = fs::read_dir(&path) else { return Vec::new() };
    let entries = entries.flatten().map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()));
    let mut found: Vec<Found> = entries
        .map(|(file, path)| Found { name: format!("{name}/{file}"), path })
        .filter(|f| is_manifest(&f.name) && f.path.is_file())
        .collect();
    found.sort();
    found
}

fn is_seal(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    !file.starts_with('.') && (file.ends_with(".sealed.yaml") || file.ends_with(".sealed.yml"))
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
    /// How many manifests and problems were met, those found before included.
    met: usize,
}

impl Walk {
    fn new(wanted: fn(&str) -> bool) -> Walk {
        Walk {
            wanted,
            found: Vec::new(),
            seen: HashSet::new(),
            folders: HashSet::new(),
            problems: Vec::new(),
            met: 0,
        }
    }

    fn problem(&mut self, problem: Diagnostic) {
        self.met += 1;
        self.problems.push(problem);
    }

    fn file(&mut self, path: PathBuf, name: String) {
        self.met += 1;
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if self.seen.insert(real) {
            self.found.push(Found { name, path });
        }
    }

    /// `above` are the real paths of the folders that this one lies in.
    fn folder(&mut self, path: &Path, name: &str, above: &mut Vec<PathBuf>) {
        let shown = if name.is_empty() { "." } else { name };
        let listed = path.canonicalize().and_then(|real| Ok((real, fs::read_dir(path)?)));
        let (real, entries) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let message = format!("the folder cannot be read: {}", reason(&error));
                self.problem(Diagnostic::of_file("unreadable-file", shown, message));
                return;
            }
        };
        if above.contains(&real) {
            let message = "this link leads back to a folder that it lies in";
            self.problem(Diagnostic::of_file("symlink-loop", shown, message).with_help("remove the link"));
            return;
        }
        if !self.folders.insert(real.clone()) {
            return;
        }
        let mut children: Vec<(String, fs::DirEntry)> = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => children.push((entry.file_name().to_string_lossy().into_owned(), entry)),
                Err(error) => {
                    let message = format!("the folder cannot be read: {}", reason(&error));
                    self.problem(Diagnostic::of_file("unreadable-file", shown, message));
                }
            }
        }
        children.sort_by(|a, b| a.0.cmp(&b.0));
        above.push(real.clone());
        for (child, entry) in children {
            if child.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let name = if name.is_empty() { child.clone() } else { format!("{name}/{child}") };
            if child == "cases" && path.is_dir() && holds_cases(entry.path().parent().unwrap_or(&path)) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.folder(&path, &name, above),
                Ok(kind) if kind.is_symlink() => self.link(path, name, above),
                // The folder's real path and the name are the file's; no call for each file.
                Ok(kind) if kind.is_file() && (self.wanted)(&name) => {
                    self.met += 1;
                    if self.seen.insert(real.join(&child)) {
                        self.found.push(Found { name, path });
                    }
                }
                _ => {}
            }
        }
        above.pop();
    }

    fn link(&mut self, path: PathBuf, name: String, above: &mut Vec<PathBuf>) {
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => self.folder(&path, &name, above),
            Ok(meta) if meta.is_file() => {
                if (self.wanted)(&name) {
                    self.file(path, name);
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if (self.wanted)(&name) {
                    let problem = Diagnostic::of_file("path-not-found", name, "this link leads to nothing");
                    self.problem(problem.with_help("remove the link, or restore what it names"));
                }
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

/// Reads a file that a manifest names, relative to the project folder with `/`; never one outside of it.
pub(super) fn read_named(project_dir: &Path, name: &str) -> Result<Vec<u8>, Box<Diagnostic>> {
    let path = project_dir.join(name);
    let inside = match (project_dir.canonicalize(), path.canonicalize()) {
        (Ok(root), Ok(real)) => real.starts_with(&root).then_some(real),
        // Reading it tells what is wrong.
        _ => Some(path),
    };
    let Some(real) = inside else {
        let message = format!("`{name}` is a link that leads out of the project folder");
        return Err(Box::new(Diagnostic::of_file("bad-path", name, message)));
    };
    match fs::metadata(&real) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Box::new(Diagnostic::of_file("path-not-found", name, format!("`{name}` does not exist"))))
        }
        Ok(meta) if !meta.is_file() => {
            let message = format!("`{name}` is no ordinary file");
            Err(Box::new(Diagnostic::of_file("unreadable-file", name, message)))
        }
        _ => read(&real, name),
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
    let path = project_dir.join(PROJECT_FILE);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(meta) if !meta.is_file() => {
            let message = "the project file is no ordinary file";
            Err(Box::new(Diagnostic::of_file("unreadable-file", PROJECT_FILE, message)))
        }
        _ => read(&path, PROJECT_FILE).map(Some),
    }
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
            "b/.hidden/x.yaml",
            "b/.x.yaml",
            "b/notes.txt",
            "a.yaml",
        ]);
        let (found, problems) = find(dir.path(), &project(&["b/z.yml", "b", "./a.yaml", "."]));
        assert_eq!(names(&found), ["a.yaml", "b/a.yaml", "b/z.yml"]);
        assert_eq!(problems, []);
    }

    #[test]
    fn what_is_not_there_is_reported() {
        let dir = tree(&["empty/notes.txt", "x.txt", "x.sealed.yaml"]);
        let manifests = ["nowhere", "empty", "x.txt", "x.sealed.yaml", "/etc"];
        let (found, problems) = find(dir.path(), &project(&manifests));
        assert_eq!(names(&found), Vec::<&str>::new());
        let codes: Vec<_> = problems.iter().map(|p| p.code).collect();
        assert_eq!(codes, ["path-not-found", "no-manifests", "not-a-manifest", "not-a-manifest", "bad-path"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let dir = tree(&["m/a.yaml", "shared/s.yaml"]);
        symlink("../shared", dir.path().join("m/shared")).unwrap();
        symlink("..", dir.path().join("m/up")).unwrap();
        symlink("self.yaml", dir.path().join("m/self.yaml")).unwrap();
        symlink("gone", dir.path().join("m/gone.yaml")).unwrap();
        let (found, problems) = find(dir.path(), &project(&["m"]));
        assert!(names(&found).contains(&"m/a.yaml"), "{found:?}");
        assert_eq!(found.iter().filter(|f| f.name.ends_with("s.yaml")).count(), 1);
        let mut codes: Vec<_> = problems.iter().map(|p| (p.code, &*p.file)).collect();
        codes.sort_unstable();
        assert_eq!(
            codes,
            [("path-not-found", "m/gone.yaml"), ("symlink-loop", "m/self.yaml"), ("symlink-loop", "m/up/m")]
        );
    }
}
