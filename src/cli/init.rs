//! `init [DIR]`: a project whose first plan needs no account.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use super::args::{Forge, InitArgs, SchemaKind, StatePlace};
use super::context::Context;
use super::exit::{Code, Error};
use super::nearby::project_above;
use super::project;
use super::schema;
use super::store;
use crate::files::{self, FileError, Links};
use crate::manifest::{PROJECT_FILE, load_project};
use crate::model::Advice;
use crate::model::location::{Location, SharedPlace};
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

/// A longer file is none that `init` has written.
const LONGEST: u64 = 1 << 20;

/// Writes all files of a new project, or none if one of them exists. A project that is there gets the pipelines that it
/// lacks, if a forge is named.
pub fn run(ctx: &Context, args: &InitArgs) -> Result<Code, Error> {
    let dir = ctx.path(&args.dir);
    if let Some(forge) = args.pipeline
        && dir.join(PROJECT_FILE).symlink_metadata().is_ok()
    {
        return add_pipelines(ctx, args, &dir, forge);
    }
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
    write_all(&dir, &files)?;
    let mut told = format!("Wrote a project to {}:\n", one_line(&dir.to_string_lossy()));
    for (name, _) in &files {
        told.push_str(&format!("  {name}\n"));
    }
    let there = from_here(args, &dir);
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

/// Writes the pipelines that a project lacks, and says which files were there. Nothing that is there is touched.
fn add_pipelines(ctx: &Context, args: &InitArgs, dir: &Path, forge: Forge) -> Result<Code, Error> {
    let project = load_project(dir).map_err(|problems| project::refused(ctx, &problems))?;
    let in_git = matches!(store::location(ctx, &project)?, Location::Shared(SharedPlace::Git { .. }));
    if args.state == StatePlace::Git && !in_git {
        let there = from_here(args, dir);
        return Err(Error::Forbidden {
            message: "the state of this project is not in git: nothing was written".to_owned(),
            next: Advice::then(
                "leave --state out, or move the state first",
                format!("casefile{there} state migrate --to {}", git_url(forge, &project.name)),
            ),
        });
    }
    let (mut lacking, mut there) = (Vec::new(), String::new());
    for (name, text) in pipeline_files(forge, in_git) {
        let path = dir.join(name);
        if path.symlink_metadata().is_err() {
            lacking.push((name, text.to_owned()));
            continue;
        }
        let same = files::read_text(&path, Links::Followed, LONGEST).is_ok_and(|there| there == text);
        there.push_str(&format!("  {name}{}\n", if same { "" } else { "  (another text)" }));
    }
    write_all(dir, &lacking)?;
    let shown = dir.to_string_lossy();
    let mut told = match lacking.is_empty() {
        true => "Nothing was written: every file is there.\n".to_owned(),
        false => format!("Added to the project in {}:\n", one_line(&shown)),
    };
    lacking.iter().for_each(|(name, _)| told.push_str(&format!("  {name}\n")));
    if !there.is_empty() {
        told.push_str(&format!("There already, and left as they are:\n{there}"));
    }
    if there.contains("(another text)") {
        let word = forge.to_possible_value().map(|word| word.get_name().to_owned()).unwrap_or_default();
        let state = if in_git { " --state git" } else { "" };
        told.push_str(&format!(
            "To compare them, write a project that you throw away: casefile init another-folder --pipeline {word}{state}\n"
        ));
    }
    told.push_str(match in_git {
        true => "\nThe comments at the top of the pipelines name the variables and permissions that they need.\n",
        false => {
            "\nThese pipelines check and plan. Once the state is in git, the same command adds those that apply what is \
             merged.\n"
        }
    });
    ctx.out(&told)?;
    Ok(Code::Done)
}

/// The option that leads to a folder from here; none where it is the current one.
fn from_here(args: &InitArgs, dir: &Path) -> String {
    match args.dir == Path::new(".") {
        true => String::new(),
        false => format!(" -C {}", one_line(&dir.to_string_lossy())),
    }
}

/// Writes files that are not there, each inside of the folder.
fn write_all(dir: &Path, files: &[(&'static str, String)]) -> Result<(), Error> {
    for (name, _) in files {
        let path = dir.join(name);
        let outside = |e: FileError| Error::Io { what: "write", path: path.clone(), source: e.into() };
        files::stays_inside(dir, &path).map_err(outside)?;
    }
    files.iter().try_for_each(|(name, text)| write_new(&dir.join(name), text))
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

/// The files of a new project, each with its text.
fn project_files(name: &str, args: &InitArgs) -> Vec<(&'static str, String)> {
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
    let pipelines = pipeline_files(forge(args), args.state == StatePlace::Git);
    files.extend(pipelines.into_iter().map(|(name, text)| (name, text.to_owned())));
    files.push((".gitignore", format!("{gitignore}{}", include_str!("template/gitignore-written"))));
    files
}

/// The forge of a new project, if none is named: GitHub.
fn forge(args: &InitArgs) -> Forge {
    args.pipeline.unwrap_or(Forge::Github)
}

/// The pipelines of a forge where it reads them, and their scripts, each with its text; `shared` asks for those that apply
/// what is merged too.
fn pipeline_files(forge: Forge, shared: bool) -> Vec<(&'static str, &'static str)> {
    let mut files = match forge {
        Forge::Github => vec![(".github/workflows/casefile.yaml", example!("github-actions.yaml"))],
        // GitLab reads one file: what applies takes the other in.
        Forge::Gitlab if shared => vec![
            (".gitlab-ci.yml", example!("gitlab-ci-apply.yaml")),
            (".gitlab/casefile.yml", example!("gitlab-ci.yaml")),
        ],
        Forge::Gitlab => vec![(".gitlab-ci.yml", example!("gitlab-ci.yaml"))],
        Forge::Azure => vec![("azure-pipelines.yml", example!("azure-pipelines.yaml"))],
    };
    match forge {
        Forge::Github if shared => {
            files.push((".github/workflows/casefile-apply.yaml", example!("github-actions-apply.yaml")));
        }
        Forge::Azure if shared => {
            files.push(("azure-pipelines-apply.yml", example!("azure-pipelines-apply.yaml")));
        }
        Forge::Github | Forge::Gitlab | Forge::Azure => {}
    }
    files.extend([
        ("scripts/install-casefile.sh", example!("install-casefile.sh")),
        ("scripts/plan-comment.sh", example!("plan-comment.sh")),
        ("scripts/state-token.sh", example!("state-token.sh")),
    ]);
    if shared {
        files.extend([
            ("scripts/apply-merged.sh", example!("apply-merged.sh")),
            ("scripts/nightly-plan.sh", example!("nightly-plan.sh")),
        ]);
    }
    files
}

fn project_file(name: &str, args: &InitArgs) -> String {
    let (forget, state) = match args.state {
        StatePlace::Folder => {
            ("remove the folder .casefile,\n    # which belongs to the sandbox", String::new())
        }
        StatePlace::Git => {
            let url = git_url(forge(args), name);
            let state = include_str!("template/state-git.yaml").replace("{{url}}", &url);
            ("name another ref in state.url,\n    # for the first one belongs to the sandbox", state)
        }
    };
    let text = include_str!("template/casefile.yaml");
    text.replace("{{name}}", name).replace("{{forget}}", forget).replace("{{state}}", &state)
}

/// The `state.url` for a repository of a forge. Every forge takes branches; of other refs that is sure for GitHub alone.
fn git_url(forge: Forge, name: &str) -> String {
    match forge {
        Forge::Github => "git:".to_owned(),
        Forge::Gitlab | Forge::Azure => format!("git:refs/heads/casefile/{name}"),
    }
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
