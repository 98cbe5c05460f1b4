//! `init [DIR]`: a project whose first plan needs no account.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::args::{Forge, InitArgs, SchemaKind, StatePlace};
use super::context::Context;
use super::exit::{Code, Error};
use super::nearby::project_above;
use super::project;
use super::schema;
use crate::files::{self, FileError};
use crate::manifest::{PROJECT_FILE, load_project};
use crate::model::Advice;
use crate::platform;
use crate::render::escape::one_line;
use crate::render::ways_out::shell;
use crate::session::Paths;

/// The text of an example of a pipeline, which is the one that `init` writes.
macro_rules! example {
    ($name:literal) => {
        include_str!(concat!("../../examples/pipelines/", $name))
    };
}

/// Writes all files of a new project, or none if one of them exists.
pub fn run(ctx: &Context, args: &InitArgs) -> Result<Code, Error> {
    let dir = ctx.path(&args.dir);
    if let Some(above) = read_by(&dir) {
        return Err(Error::Forbidden {
            message: format!(
                "{} lies where the project in {} reads its manifests: nothing was written",
                dir.display(),
                above.display()
            ),
            next: Advice::then(
                "name another folder, or work in that project",
                format!("casefile -C {} plan", shell(&above.to_string_lossy())),
            ),
        });
    }
    let files = project_files(&project_name(&dir), args);
    let taken: Vec<String> = files
        .iter()
        .filter(|(name, _)| dir.join(name).symlink_metadata().is_ok())
        .map(|(n, _)| n.to_string())
        .collect();
    if !taken.is_empty() {
        return Err(Error::Exists(taken));
    }
    for (name, _) in &files {
        let path = dir.join(name);
        let outside = |e: FileError| Error::Io { what: "write", path: path.clone(), source: e.into() };
        files::stays_inside(&dir, &path).map_err(outside)?;
    }
    for (name, text) in &files {
        write_new(&dir.join(name), text)?;
    }
    let mut told = format!("Wrote a project to {}:\n", one_line(&dir.to_string_lossy()));
    for (name, _) in &files {
        told.push_str(&format!("  {name}\n"));
    }
    let there = match args.dir == Path::new(".") {
        true => String::new(),
        false => format!(" -C {}", one_line(&dir.to_string_lossy())),
    };
    told.push_str(&match args.state {
        StatePlace::Folder => {
            format!("\nNext, without an account:\n  casefile{there} plan\n  casefile{there} apply --wait\n")
        }
        StatePlace::Git => format!(
            "\nNext, in a git repository with a remote `origin`, without an account:\n  casefile{there} plan\n  \
             casefile{there} seal\n\nThen read the comments at the top of the pipelines: they name the permissions that they need.\n"
        ),
    });
    ctx.out(&told)?;
    Ok(Code::Done)
}

/// The folder of the project that reads the manifests in a folder, if there is one.
fn read_by(dir: &Path) -> Option<PathBuf> {
    let shown = |d: &Path| if d.as_os_str().is_empty() { PathBuf::from(".") } else { d.to_owned() };
    let there = dir.ancestors().find(|d| shown(d).is_dir())?;
    let rest = dir.strip_prefix(there).ok()?;
    let there = shown(there);
    let (above, below) = match there.join(PROJECT_FILE).exists() {
        true => (there, PathBuf::new()),
        false => project_above(&there)?,
    };
    let project = load_project(&above).ok()?;
    let folders = project.spec.manifests.iter().filter_map(|m| project::inside(Path::new("."), Path::new(m)));
    let folders = Paths(folders.filter(|name| !name.is_empty()).collect());
    let name = project::inside(Path::new("."), &below.join(rest))?;
    (!folders.is_all() && folders.covers(&name)).then_some(above)
}

/// The files of a new project, each with its text. Pipelines are where their forge reads them.
fn project_files(name: &str, args: &InitArgs) -> Vec<(&'static str, String)> {
    let shared = args.state == StatePlace::Git;
    let gitignore = match args.state {
        StatePlace::Folder => include_str!("template/gitignore"),
        StatePlace::Git => include_str!("template/gitignore-git"),
    };
    let mut files = vec![
        ("casefile.yaml", project_file(name, args)),
        ("manifests/example.yaml", include_str!("template/example.yaml").to_owned()),
        ("schemas/manifest.schema.json", schema::text(SchemaKind::Manifest)),
        ("schemas/project.schema.json", schema::text(SchemaKind::Project)),
    ];
    let mut add = |name, text: &str| files.push((name, text.to_owned()));
    match args.pipeline {
        Forge::Github => {
            add(".github/workflows/casefile.yaml", example!("github-actions.yaml"));
            if shared {
                add(".github/workflows/casefile-apply.yaml", example!("github-actions-apply.yaml"));
            }
        }
        // GitLab reads one file: what applies takes the other in.
        Forge::Gitlab if shared => {
            add(".gitlab-ci.yml", example!("gitlab-ci-apply.yaml"));
            add(".gitlab/casefile.yml", example!("gitlab-ci.yaml"));
        }
        Forge::Gitlab => add(".gitlab-ci.yml", example!("gitlab-ci.yaml")),
        Forge::Azure => {
            add("azure-pipelines.yml", example!("azure-pipelines.yaml"));
            if shared {
                add("azure-pipelines-apply.yml", example!("azure-pipelines-apply.yaml"));
            }
        }
    }
    add("scripts/install-casefile.sh", example!("install-casefile.sh"));
    add("scripts/plan-comment.sh", example!("plan-comment.sh"));
    add("scripts/state-token.sh", example!("state-token.sh"));
    if shared {
        add("scripts/apply-merged.sh", example!("apply-merged.sh"));
        add("scripts/nightly-plan.sh", example!("nightly-plan.sh"));
    }
    add(".gitignore", gitignore);
    files
}

fn project_file(name: &str, args: &InitArgs) -> String {
    let (forget, state) = match args.state {
        StatePlace::Folder => {
            ("remove the folder .casefile,\n    # which belongs to the sandbox", String::new())
        }
        StatePlace::Git => {
            // Every forge takes branches; of other refs that is sure for GitHub alone.
            let url = match args.pipeline {
                Forge::Github => "git:".to_owned(),
                Forge::Gitlab | Forge::Azure => format!("git:refs/heads/casefile/{name}"),
            };
            let state = include_str!("template/state-git.yaml").replace("{{url}}", &url);
            ("name another ref in state.url,\n    # for the first one belongs to the sandbox", state)
        }
    };
    let text = include_str!("template/casefile.yaml");
    text.replace("{{name}}", name).replace("{{forget}}", forget).replace("{{state}}", &state)
}

/// Fails if the file has appeared since it was looked for: `init` never overwrites.
fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => Error::Exists(vec![path.display().to_string()]),
        _ => Error::Io { what: "write", path: path.to_owned(), source },
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// The folder's name as a `metadata.name`; `casefile` where it has none.
fn project_name(dir: &Path) -> String {
    // A folder that is yet to be made has no canonical path, but it has a name.
    let full: PathBuf = platform::real_path(dir).unwrap_or_else(|_| dir.to_owned());
    let name = full.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    match plain.trim_matches('-') {
        "" => "casefile".to_owned(),
        name => name.chars().take(63).collect::<String>().trim_end_matches('-').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_name_becomes_a_label() {
        for (dir, name) in [
            ("/x/Contoso IR", "contoso-ir"),
            ("/x/inc_2042", "inc-2042"),
            ("/x/--", "casefile"),
            ("/", "casefile"),
            ("/x/Ünter", "nter"),
        ] {
            assert_eq!(project_name(Path::new(dir)), name);
        }
    }
}
