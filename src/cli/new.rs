//! `new package`, `new incident`: a manifest from the command line, checked before it is written.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use super::args::{NewIncidentArgs, NewPackageArgs, Placing};
use super::context::{Context, complain};
use super::exit::{Code, Error};
use super::project::{self, errors, style_err};
use crate::manifest::{self, Project, load_draft, look_through, runbook_parameters};
use crate::model::MachineId;
use crate::render::diagnostic::{Looked, human};
use crate::render::drafts::{self, Machine};
use crate::render::escape::one_line;

/// How large the list of `--set KEY=@FILE` may be, in bytes: an incident holds 20,000 values.
const MAX_LIST: u64 = 4 << 20;

/// Writes a package's manifest.
pub fn package(ctx: &Context, args: &NewPackageArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let id = args.host.parse::<MachineId>().ok();
    let machine = id.as_ref().map_or(Machine::Name(&args.host), Machine::Id);
    let name = args.name.clone().unwrap_or_else(|| label(&args.host));
    if name.is_empty() {
        return Err(Error::Usage(format!("no name can be made from {}: add --name", args.host)));
    }
    place(ctx, &project, &name, &args.placing, &drafts::package(&name, machine, &args.comment))
}

/// Writes an incident's manifest.
pub fn incident(ctx: &Context, args: &NewIncidentArgs) -> Result<Code, Error> {
    let project = project::load(ctx)?;
    let runbooks = runbook_parameters(&ctx.dir, &project);
    // An unknown runbook is told with the names that there are, once the manifest is read back.
    let schema = runbooks.get(&args.runbook).cloned().unwrap_or_default();
    let mut with = Map::new();
    for set in &args.set {
        let Some((key, value)) = set.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Error::Usage(format!("--set {set}: write KEY=VALUE")));
        };
        let wanted = schema.get("properties").and_then(|p| p.get(key)).unwrap_or(&Value::Null);
        let value = match value.strip_prefix('@') {
            Some(file) => {
                let lines = lines(ctx, file)?;
                let items = lines.iter().map(|line| typed(line, items(wanted, &schema), &schema));
                items.collect::<Result<Vec<Value>, String>>().map(Value::Array)
            }
            None => typed(value, wanted, &schema),
        };
        let value = value.map_err(|why| Error::Usage(format!("--set {key}: {why}")))?;
        if with.insert(key.to_owned(), value).is_some() {
            return Err(Error::Usage(format!("--set {key} is there twice")));
        }
    }
    let text = drafts::incident(&args.name, &args.runbook, &with);
    place(ctx, &project, &args.name, &args.placing, &text)
}

/// Refuses a manifest that its project would refuse; shows why on stderr.
pub fn check(ctx: &Context, project: &Project, file: &str, text: &str) -> Result<(), Error> {
    let problems = load_draft(&ctx.dir, project, file, text.as_bytes());
    if !problems.is_empty() {
        complain(&human(&problems, Looked { files: 1, resources: 0 }, style_err(ctx)));
    }
    match errors(&problems) {
        0 => Ok(()),
        n => Err(Error::InvalidDraft(n)),
    }
}

/// The schema of manifests that `init` writes.
const SCHEMA: &str = "schemas/manifest.schema.json";

/// Returns a manifest for a file of the project, with the project's schema for editors if it has one.
fn for_editors(ctx: &Context, file: &Path, text: &str) -> String {
    let folders = file.parent().map(|folder| folder.components().collect::<Vec<_>>()).unwrap_or_default();
    let inside = folders.iter().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !inside || !ctx.dir.join(SCHEMA).is_file() {
        return text.to_owned();
    }
    let depth = folders.iter().filter(|c| matches!(c, Component::Normal(_))).count();
    drafts::with_schema(text, &format!("{}{SCHEMA}", "../".repeat(depth)))
}

/// Checks a manifest and puts it where it belongs.
fn place(ctx: &Context, project: &Project, name: &str, at: &Placing, text: &str) -> Result<Code, Error> {
    let shown = at.dry_run || at.out.as_deref() == Some(Path::new("-"));
    let file = match &at.out {
        Some(out) if !shown => out.clone(),
        _ => folder(ctx, project)?.join(format!("{name}.yaml")),
    };
    let path = ctx.path(&file);
    // A file that is there already would be read beside its own new text.
    if !shown && path.symlink_metadata().is_ok() {
        return Err(Error::FileExists { path: file });
    }
    let text = &if shown { text.to_owned() } else { for_editors(ctx, &file, text) };
    let label = if shown { "(new)".to_owned() } else { file.to_string_lossy().replace('\\', "/") };
    check(ctx, project, &label, text)?;
    if shown {
        ctx.document(text)?;
        return Ok(Code::Done);
    }
    write_new(ctx, &path, &file, text)?;
    ctx.out(&format!("Wrote {}\n", one_line(&file.to_string_lossy())))?;
    Ok(Code::Done)
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
fn label(host: &str) -> String {
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
fn lines(ctx: &Context, file: &str) -> Result<Vec<String>, Error> {
    let path = PathBuf::from(file);
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

/// Follows a reference into `$defs`.
fn resolved<'a>(wanted: &'a Value, schema: &'a Value) -> &'a Value {
    let name = wanted.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
    name.and_then(|name| schema.get("$defs")?.get(name)).unwrap_or(wanted)
}

fn items<'a>(wanted: &'a Value, schema: &'a Value) -> &'a Value {
    resolved(wanted, schema).get("items").unwrap_or(&Value::Null)
}

/// A typed value: a text where the schema takes texts only, else what the value is in YAML.
///
/// # Errors
/// A key of it is set twice.
fn typed(value: &str, wanted: &Value, schema: &Value) -> Result<Value, String> {
    let wanted = resolved(wanted, schema);
    let types: Vec<&str> = match wanted.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words =
        || wanted.get("enum").and_then(Value::as_array).is_some_and(|e| e.iter().all(Value::is_string));
    if types == ["string"] || types.is_empty() && words() {
        // A text in JSON's quotes is meant to be read.
        let quoted = if value.starts_with('"') { serde_json::from_str(value).ok() } else { None };
        return Ok(Value::String(quoted.unwrap_or_else(|| value.to_owned())));
    }
    Ok(match read(value)? {
        Some(list @ Value::Array(_)) => list,
        _ if types == ["array"] => Value::Array(vec![typed(value, items(wanted, schema), schema)?]),
        Some(value) if !value.is_null() || types.contains(&"null") => value,
        _ => Value::String(value.to_owned()),
    })
}

/// Reads a text as JSON or as YAML; none if it is neither.
///
/// # Errors
/// A key of it is set twice.
fn read(text: &str) -> Result<Option<Value>, String> {
    let json = serde_json::from_str::<Value>(text).ok();
    match look_through(text) {
        Ok(()) => Ok(json.or_else(|| serde_yaml::from_str::<Value>(text).ok())),
        Err(e) if e.is_duplicate => Err(e.why),
        Err(_) => Ok(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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

    #[test]
    fn values_follow_the_schema() {
        let schema = json!({ "$defs": { "port": { "type": "integer" } } });
        for (wanted, text, value) in [
            (json!({ "type": "string" }), "0123", json!("0123")),
            (json!({ "type": "string" }), "no", json!("no")),
            (json!({ "type": "string" }), "\"a\\n\"", json!("a\n")),
            (json!({ "enum": ["1", "2"] }), "1", json!("1")),
            (json!({ "type": "integer" }), "3", json!(3)),
            (json!({ "type": "integer" }), "three", json!("three")),
            (json!({ "type": "boolean" }), "true", json!(true)),
            (json!({ "type": "array", "items": { "type": "string" } }), "007", json!(["007"])),
            (json!({ "type": "array" }), "[a, b]", json!(["a", "b"])),
            (json!({ "type": "array" }), "[\"a\", 1]", json!(["a", 1])),
            (json!({ "type": "object" }), "{\"a\": 1}", json!({ "a": 1 })),
            (json!({ "$ref": "#/$defs/port" }), "443", json!(443)),
            (json!({ "type": ["string", "null"] }), "null", json!(null)),
            (json!(null), "a: b", json!({ "a": "b" })),
            (json!(null), "", json!("")),
        ] {
            assert_eq!(typed(text, &wanted, &schema), Ok(value), "{wanted} {text}");
        }
        for twice in [r#"{"a":1,"b":{"a":2},"a":3}"#, "{ a: 1, a: 2 }", r#"[{"a":1},{"x":0,"a":1,"a":2}]"#] {
            for wanted in [json!(null), json!({ "type": "object" }), json!({ "type": "array" })] {
                assert_eq!(typed(twice, &wanted, &schema), Err("`a` is set twice".to_owned()), "{twice}");
            }
        }
    }
}
