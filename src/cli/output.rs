//! Files that commands write because a person named them: where none may lie, and how each is written.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};

use super::context::Context;
use super::exit::Error;
use super::{evidence, project, store};
use crate::files::{self, FileError};
use crate::manifest::Project;
use crate::model::Advice;
use crate::model::location::Location;
use crate::platform;

/// Returns the part of a project that a file or folder of that name would lie among, in words, if there is one. What is
/// written there would be read as such a part, or be in its way.
fn kept_at(ctx: &Context, project: &Project, typed: &Path) -> Option<&'static str> {
    let path = ctx.path(&ctx.typed(typed));
    // What is kept in all of the project's folder has no other place for anything else.
    let is_all = |kept: &Path| stands_in(&ctx.dir.join("x"), kept);
    let within = |kept: &Path| stands_in(&path, kept) && !is_all(kept);
    let state = match store::location(ctx, project) {
        Ok(Location::Folder(folder)) => ctx.path(Path::new(&folder)),
        _ => ctx.path(Path::new(".casefile")),
    };
    // Where it is in object storage, what is fetched lies in a folder of this machine first.
    let evidence = evidence::store(ctx, project).ok();
    let manifests = || project.spec.manifests.iter().map(|entry| ctx.path(Path::new(entry)));
    let is_read = |name: &Path| name.extension().is_some_and(|e| e == "yaml" || e == "yml");
    if within(&state) {
        Some("the state is kept there")
    } else if evidence.is_some_and(|evidence| within(&evidence.downloads().path(""))) {
        Some("evidence is kept there")
    } else if manifests().any(|entry| within(&entry) || is_read(&path) && stands_in(&path, &entry)) {
        Some("manifests are read there")
    } else {
        None
    }
}

/// Returns whether a path is a kept file or lies in a kept folder, whatever links lead there.
fn stands_in(path: &Path, kept: &Path) -> bool {
    let (folder, kept) = (real(files::folder_of(path)), real(kept));
    let is_it = || path.file_name().is_some_and(|name| folder.join(name) == kept) && !path.is_dir();
    folder.starts_with(&kept) || is_it()
}

/// The real path of something that may not be there yet: what is not there has no links on its way.
fn real(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        let there = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        let Ok(mut real) = platform::real_path(there) else { continue };
        for part in path.strip_prefix(above).into_iter().flat_map(Path::components) {
            match part {
                Component::ParentDir => drop(real.pop()),
                part => real.push(part),
            }
        }
        return real;
    }
    path.to_owned()
}

/// Refuses a file that would lie among the parts of a project. `option` named it, and `what` is to be written.
pub fn refuse_kept(
    ctx: &Context,
    project: &Project,
    option: &str,
    typed: &Path,
    what: &str,
) -> Result<(), Error> {
    match kept_at(ctx, project, typed) {
        Some(kept) => Err(Error::Usage(format!(
            "{option} {}: {kept}, and {what} is no part of it; name a file elsewhere",
            typed.display()
        ))),
        None => Ok(()),
    }
}

/// Refuses a folder that would lie among the parts of a project. `what` is to be written.
pub fn refuse_kept_folder(ctx: &Context, project: &Project, typed: &Path, what: &str) -> Result<(), Error> {
    // What is in the folder lies there too, and is what would be in the way.
    match kept_at(ctx, project, &typed.join("data")) {
        Some(kept) => Err(Error::Forbidden {
            message: format!(
                "{} lies where {what} must not: {kept}, and what is in the folder would be taken for a part of it",
                typed.display()
            ),
            next: Advice::say("name another folder"),
        }),
        None => Ok(()),
    }
}

/// Writes a file, readable by its owner alone: whole or not at all. Returns where it lies.
pub fn write_whole(ctx: &Context, file: &Path, text: &str) -> Result<PathBuf, Error> {
    let file = &*ctx.typed(file);
    let path = ctx.path(file);
    project::stays_inside(ctx, file).map_err(|e| unwritten(&path, e.into()))?;
    // Files that this makes are 0600.
    replace(&path, text, &tempfile::Builder::new())?;
    Ok(path)
}

/// Replaces a file whole, by one that is made as the builder says.
pub fn replace(path: &Path, text: &str, builder: &tempfile::Builder<'_, '_>) -> Result<(), Error> {
    let failed = |e| unwritten(path, e);
    let mut new = builder.tempfile_in(files::folder_of(path)).map_err(failed)?;
    new.write_all(text.as_bytes()).and_then(|()| new.as_file().sync_all()).map_err(failed)?;
    new.persist(path).map(drop).map_err(|e| failed(e.error))
}

/// The error of a file that cannot be written. It names the file that was asked for: an error of a file that stands in
/// for it until it is whole ends with a name that means nothing to anybody.
pub fn unwritten(path: &Path, e: io::Error) -> Error {
    let folder = files::folder_of(path);
    match e.kind() {
        ErrorKind::NotFound if !folder.exists() => {
            Error::NoFolder { path: path.to_owned(), folder: folder.to_owned() }
        }
        kind => {
            let is_of_system = e.raw_os_error().is_some() || e.get_ref().is_some_and(|e| e.is::<FileError>());
            let source = if is_of_system { e } else { kind.into() };
            Error::Io { what: "write", path: path.to_owned(), source }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_no_file_that_stands_in_for_another() {
        let dir = tempfile::Builder::new().prefix("output").tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let told = |name: &str| replace(&at(name), "x", &tempfile::Builder::new()).unwrap_err().to_string();
        let missing = told("no/x.html");
        assert!(missing.ends_with(&format!("there is no folder {}", at("no").display())), "{missing}");
        std::fs::write(at("file"), "").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        for name in ["file/x.html", "folder"] {
            let text = told(name);
            assert!(text.starts_with("cannot write ") && !text.contains(".tmp"), "{text}");
        }
    }

    #[test]
    fn what_lies_in_a_folder_is_found_by_links_and_plain_names() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("manifests/deep")).unwrap();
        for (path, kept, lies) in [
            ("manifests/x.yaml", "manifests", true),
            ("manifests/deep/x.yaml", "manifests", true),
            ("manifests/not/there/x.yaml", "manifests", true),
            ("manifests/deep/../x.yaml", "manifests", true),
            ("no/../manifests/such/x.yaml", "manifests", true),
            ("manifests/no/../../x.yaml", "manifests", false),
            ("x.yaml", "manifests", false),
            ("x.yaml", "./x.yaml", true),
            // Whether a folder can be written over is told by whoever tries.
            ("manifests", "manifests", false),
            ("manifests-too/x.yaml", "manifests", false),
        ] {
            assert_eq!(stands_in(&at(path), &at(kept)), lies, "{path} {kept}");
        }
        if let Some(unix) = platform::testing::unix() {
            unix.link(at("manifests"), at("link"));
            assert!(stands_in(&at("link/x.yaml"), &at("manifests")));
        }
    }
}
