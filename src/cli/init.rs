//! `init [DIR]`: a project whose first plan needs no account.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::args::{InitArgs, SchemaKind};
use super::context::Context;
use super::exit::{Code, Error};
use super::schema;
use crate::files::{self, FileError};
use crate::render::escape::one_line;

/// Writes all files of a new project, or none if one of them exists.
pub fn run(ctx: &Context, args: &InitArgs) -> Result<Code, Error> {
    let dir = ctx.path(&args.dir);
    let files = project_files(&project_name(&dir));
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
    told.push_str(&format!(
        "\nNext, without an account:\n  casefile{there} plan\n  casefile{there} apply --wait\n"
    ));
    ctx.out(&told)?;
    Ok(Code::Done)
}

fn project_files(name: &str) -> Vec<(&'static str, String)> {
    vec![
        ("casefile.yaml", include_str!("template/casefile.yaml").replace("{{name}}", name)),
        ("manifests/example.yaml", include_str!("template/example.yaml").to_owned()),
        ("schemas/manifest.schema.json", schema::text(SchemaKind::Manifest)),
        ("schemas/project.schema.json", schema::text(SchemaKind::Project)),
        (
            ".github/workflows/casefile.yaml",
            include_str!("../../examples/pipelines/github-actions.yaml").to_owned(),
        ),
        ("scripts/plan-comment.sh", include_str!("../../examples/pipelines/plan-comment.sh").to_owned()),
        (".gitignore", include_str!("template/gitignore").to_owned()),
    ]
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
    let full: PathBuf = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
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
