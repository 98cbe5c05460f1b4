//! `new package`, `new incident`: a manifest from the command line, checked before it is written.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::args::{Label, NewIncidentArgs, NewPackageArgs, Placing};
use super::context::{Context, complain};
use super::exit::{Code, Error};
use super::parameters::{self, about, items, property, required, typed};
use super::project::{self, errors, style_err};
use crate::manifest::{self, Diagnostic, Project, load_draft, nearest, runbook_parameters};
use crate::model::MachineId;
use crate::render::diagnostic::{Looked, human};
use crate::render::drafts::{self, Blank, Labels, Machine};
use crate::render::escape::one_line;
use crate::render::messages::first;

/// How large the list of `--set KEY=@FILE` may be, in bytes: an incident holds 20,000 values.
const MAX_LIST: u64 = 4 << 20;

/// How many parameters are named.
const NAMED: usize = 20;

/// Writes the manifests of packages: a file for each machine, or one for all of them.
pub fn package(ctx: &Context, args: &NewPackageArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let mut hosts = args.hosts.clone();
    if let Some(file) = &args.from_file {
        hosts.extend(lines(ctx, file)?);
    }
    // Who is named twice is asked once.
    let mut seen = BTreeSet::new();
    hosts.retain(|host| seen.insert(host.to_ascii_lowercase()));
    if hosts.is_empty() {
        return Err(Error::Usage("the file names no machine".to_owned()));
    }
    let labels = labels(&args.label);
    let mut drafts: Vec<(String, String)> = Vec::new();
    for host in &hosts {
        let id = host.parse::<MachineId>().ok();
        let machine = id.as_ref().map_or(Machine::Name(host), Machine::Id);
        let name = match &args.name {
            Some(name) if hosts.len() == 1 => name.clone(),
            Some(name) => format!("{name}-{}", label(host)),
            None => label(host),
        };
        if name.is_empty() {
            return Err(Error::Usage(format!("no name can be made from {host}: add --name")));
        }
        drafts.push((name.clone(), drafts::package(&name, &labels, machine, &args.comment)));
    }
    let together = args.name.is_some() || args.placing.out.is_some() || args.placing.dry_run;
    if let (true, Some(first)) = (together, drafts.first().map(|(name, _)| name.clone())) {
        let name = args.name.clone().unwrap_or(first);
        let texts: Vec<String> = drafts.into_iter().map(|(_, text)| text).collect();
        drafts = vec![(name, drafts::documents(&texts))];
    }
    place(ctx, &project, &drafts, &args.placing).map(|_| Code::Done)
}

/// The labels that were typed.
pub fn labels(typed: &[Label]) -> Labels {
    typed.iter().map(|label| (label.key.clone(), label.value.clone())).collect()
}

/// Writes an incident's manifest.
pub fn incident(ctx: &Context, args: &NewIncidentArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let runbooks = runbook_parameters(&ctx.dir, &project);
    // An unknown runbook is told with the names that there are, once the manifest is read back.
    let schema = runbooks.get(&args.runbook).cloned().unwrap_or_default();
    let text = |with: &Map<String, Value>| drafts::incident(&args.name, &Labels::new(), &args.runbook, with);
    let with = match args.set.is_empty() && !required(&schema).is_empty() {
        true if ctx.converses => {
            let wrong = |with: &Map<String, Value>, key: &str| {
                let (draft, file) = (text(with), "(new)");
                let problems = load_draft(&ctx.dir, &project, file, draft.as_bytes());
                let (values, _) = parameters::of_values(problems, &draft, file);
                values.into_iter().find(|(of, _)| of == key).map(|(_, why)| why)
            };
            parameters::ask(&schema, &mut std::io::stdin().lock(), wrong)?
        }
        true => return blank(ctx, &project, args, &schema),
        false => values(ctx, &args.set, &schema)?,
    };
    refuse_keys(&with, &schema)?;
    let drafts = [(args.name.clone(), text(&with))];
    let holds = |file: &str, text: &str| {
        let (values, others) =
            parameters::of_values(load_draft(&ctx.dir, &project, file, text.as_bytes()), text, file);
        // There is no file whose lines could be shown.
        if !values.is_empty() {
            let rows = values.into_iter().map(|(key, why)| format!("--set {key}=: {why}")).collect();
            return Err(Error::WrongValues(rows));
        }
        told(ctx, others)
    };
    write(ctx, &project, &drafts, &args.placing, &holds).map(|_| Code::Done)
}

/// The values that were typed, by the types of their parameters.
pub fn values(ctx: &Context, sets: &[String], schema: &Value) -> Result<Map<String, Value>, Error> {
    let mut with: Map<String, Value> = Map::new();
    for set in sets {
        let Some((key, value)) = set.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Error::Usage(format!("--set {set}: write KEY=VALUE")));
        };
        let wanted = property(schema, key).unwrap_or(&Value::Null);
        let value = match value.strip_prefix('@') {
            Some(file) => {
                let lines = lines(ctx, Path::new(file))?;
                let items = lines.iter().map(|line| typed(line, items(wanted, schema), schema));
                items.collect::<Result<Vec<Value>, String>>().map(Value::Array)
            }
            None => typed(value, wanted, schema),
        };
        let value = value.map_err(|why| Error::Usage(format!("--set {key}: {why}")))?;
        match (with.get_mut(key), value) {
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more),
            (Some(_), _) => return Err(Error::Usage(format!("--set {key} is there twice"))),
            (None, value) => drop(with.insert(key.to_owned(), value)),
        }
    }
    Ok(with)
}

/// Refuses values that the runbook does not take, and asks for those that it lacks, in the words of the command line.
pub fn refuse_keys(with: &Map<String, Value>, schema: &Value) -> Result<(), Error> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    let open = schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    if let Some(key) = with.keys().find(|key| !open && !properties.contains_key(*key)) {
        let meant = nearest(key, properties.keys().map(String::as_str));
        let hint = match meant {
            Some(meant) => format!("did you mean {meant}?"),
            None => {
                format!("it has {}", first(&properties.keys().collect::<Vec<_>>(), NAMED, |k| (*k).clone()))
            }
        };
        return Err(Error::Usage(format!("--set {key}: the runbook has no such parameter; {hint}")));
    }
    let lacking: Vec<String> = required(schema)
        .into_iter()
        .filter(|key| {
            !with.contains_key(*key) && property(schema, key).is_none_or(|p| p.get("default").is_none())
        })
        .map(|key| {
            let about = property(schema, key).map(|p| about(p, schema)).unwrap_or_default();
            if about.is_empty() {
                format!("--set {key}=VALUE")
            } else {
                format!("--set {key}=VALUE    {about}")
            }
        })
        .collect();
    if lacking.is_empty() { Ok(()) } else { Err(Error::LackingValues(lacking)) }
}

/// Writes an incident whose values are to be filled in by hand.
fn blank(ctx: &Context, project: &Project, args: &NewIncidentArgs, schema: &Value) -> Result<Code, Error> {
    let blanks: Vec<Blank<'_>> = parameters::in_order(schema)
        .into_iter()
        .map(|(key, property)| Blank {
            key,
            about: about(property, schema),
            required: parameters::is_needed(key, property, schema),
            default: property.get("default"),
        })
        .collect();
    let text = drafts::blank_incident(&args.name, &args.runbook, &blanks);
    let open: Vec<&str> = blanks.iter().filter(|b| b.required).map(|b| b.key).collect();
    let written = write(ctx, project, &[(args.name.clone(), text)], &args.placing, &|_, _| Ok(()))?;
    if let [file] = written.as_slice() {
        let keys = first(&open, open.len(), |key| (*key).to_owned());
        ctx.out(&format!("Fill in {keys} there, then: casefile validate {}\n", one_line(file)))?;
    }
    Ok(Code::Done)
}

/// Refuses a manifest that its project would refuse; shows why on stderr.
pub fn check(ctx: &Context, project: &Project, file: &str, text: &str) -> Result<(), Error> {
    told(ctx, load_draft(&ctx.dir, project, file, text.as_bytes()))
}

/// Shows the problems of a manifest on stderr; an error if one of them is one.
fn told(ctx: &Context, problems: Vec<Diagnostic>) -> Result<(), Error> {
    if !problems.is_empty() {
        complain(&human(&problems, Looked { files: 1, resources: 0 }, style_err(ctx)));
    }
    match errors(&problems) {
        0 => Ok(()),
        n => Err(Error::InvalidDraft(n)),
    }
}

/// Checks manifests and puts them where they belong, by their names; returns the files that were written.
pub fn place(
    ctx: &Context,
    project: &Project,
    drafts: &[(String, String)],
    at: &Placing,
) -> Result<Vec<String>, Error> {
    write(ctx, project, drafts, at, &|file, text| check(ctx, project, file, text))
}

/// Puts manifests where they belong, if all of them hold; returns the files.
fn write(
    ctx: &Context,
    project: &Project,
    drafts: &[(String, String)],
    at: &Placing,
    holds: &dyn Fn(&str, &str) -> Result<(), Error>,
) -> Result<Vec<String>, Error> {
    let shown = at.dry_run || at.out.as_deref() == Some(Path::new("-"));
    let mut files = Vec::new();
    for (name, text) in drafts {
        let file = match &at.out {
            Some(out) if !shown => ctx.typed(out),
            _ => folder(ctx, project)?.join(format!("{name}.yaml")),
        };
        // A file that is there already would be read beside its own new text.
        if !shown && ctx.path(&file).symlink_metadata().is_ok() {
            return Err(Error::FileExists { path: file });
        }
        let text = for_editors(ctx, &file, text);
        files.push((file, text));
    }
    let name = |file: &Path| file.to_string_lossy().replace('\\', "/");
    let label = match files.as_slice() {
        [(file, _)] if !shown => name(file),
        _ => "(new)".to_owned(),
    };
    let texts: Vec<String> = files.iter().map(|(_, text)| text.clone()).collect();
    holds(&label, &drafts::documents(&texts))?;
    let mut written = Vec::new();
    for (file, text) in &files {
        if shown {
            ctx.document(text)?;
            continue;
        }
        write_new(ctx, &ctx.path(file), file, text)?;
        ctx.out(&format!("Wrote {}\n", one_line(&file.to_string_lossy())))?;
        written.push(name(file));
    }
    Ok(written)
}

/// Where `init` puts the schema of manifests.
const SCHEMA: &str = "schemas/manifest.schema.json";

/// A manifest for a file of the project, with the project's schema for editors if it has one.
fn for_editors(ctx: &Context, file: &Path, text: &str) -> String {
    match project::inside(&ctx.dir, file).filter(|_| ctx.path(Path::new(SCHEMA)).is_file()) {
        Some(name) => {
            drafts::with_schema(text, &format!("{}{SCHEMA}", "../".repeat(name.matches('/').count())))
        }
        None => text.to_owned(),
    }
}

/// The first folder of `spec.manifests` in the project folder, relative to it.
fn folder(ctx: &Context, project: &Project) -> Result<PathBuf, Error> {
    let file = |entry: &str| {
        Path::new(entry).extension().is_some_and(|e| e == "yaml" || e == "yml")
            && !ctx.dir.join(entry).is_dir()
    };
    let beside = manifest::beside(project);
    let mut folders = project.spec.manifests.iter().filter(|entry| !file(entry) && !beside.contains(entry));
    let folder = folders.next().map(PathBuf::from);
    folder.ok_or_else(|| {
        Error::Usage("spec.manifests names no folder of the project: add --out FILE".to_owned())
    })
}

/// Fails if the file has appeared since it was looked for.
fn write_new(ctx: &Context, path: &Path, shown: &Path, text: &str) -> Result<(), Error> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => Error::FileExists { path: shown.to_owned() },
        _ => Error::Io { what: "write", path: shown.to_owned(), source },
    };
    project::stays_inside(ctx, shown).map_err(|e| failed(e.into()))?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// A host's name as a `metadata.name`.
pub fn label(host: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        '.' => '.',
        _ => '-',
    };
    let lower: String = host.chars().map(plain).collect();
    let labels = lower.split('.').map(|l| {
        let short: String = l.trim_matches('-').chars().take(63).collect();
        short.trim_end_matches('-').to_owned()
    });
    labels.filter(|l| !l.is_empty()).collect::<Vec<_>>().join(".")
}

/// The lines of a list: without blank ones and those that begin with `#`.
fn lines(ctx: &Context, file: &Path) -> Result<Vec<String>, Error> {
    let path = ctx.typed(file);
    let failed = |source| Error::Io { what: "read", path: path.clone(), source };
    let bad = |why: String| Error::BadFile { path: path.clone(), why };
    // To open a pipe that nobody writes into would wait for ever.
    if !fs::metadata(ctx.path(&path)).map_err(failed)?.is_file() {
        return Err(bad("it is no ordinary file".to_owned()));
    }
    let mut bytes = Vec::new();
    let opened = fs::File::open(ctx.path(&path)).map_err(failed)?;
    opened.take(MAX_LIST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_LIST {
        return Err(bad(format!("it is larger than {} MiB", MAX_LIST >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|_| bad("it is no UTF-8 text".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let kept = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    Ok(kept.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_becomes_a_name() {
        for (host, name) in [
            ("FIN-WS-042", "fin-ws-042"),
            ("fin_ws_042.Contoso.com", "fin-ws-042.contoso.com"),
            ("-x-.", "x"),
            ("東京", ""),
        ] {
            assert_eq!(label(host), name);
        }
    }
}
