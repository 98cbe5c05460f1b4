//! What code hosts read of `validate`: SARIF that fits its schema, and workflow commands that say what the
//! finding says and nothing else. Over every broken example.
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read the environment")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use casefile::manifest::{Diagnostic, Level, Project, load};
use casefile::render::annotations;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What is wrong with the examples: a list for each of them alone, and one for all.
fn examples() -> Vec<Vec<Diagnostic>> {
    let folder = Path::new(ROOT).join("examples/invalid");
    let found = |manifests: &str| {
        let mut project = Project::new("examples");
        project.spec.manifests = vec![manifests.into()];
        load(&folder, &project).diagnostics
    };
    let names = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<Vec<Diagnostic>> = names.map(|name| found(&name)).collect();
    assert!(all.len() > 40 && all.iter().all(|d| !d.is_empty()));
    all.push(found("."));
    all.push(Vec::new());
    all
}

fn schema(path: &Path) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// Our words for the part in use, and the official schema where `SARIF_SCHEMA` names a copy of it.
fn sarif_schemas() -> Vec<jsonschema::Validator> {
    let ours = Path::new(ROOT).join("tests/schemas/sarif-2.1.0-subset.schema.json");
    let official = std::env::var_os("SARIF_SCHEMA").map(Into::into);
    std::iter::once(ours).chain(official).map(|p| schema(&p)).collect()
}

#[test]
fn sarif_fits_the_standard() {
    let schemas = sarif_schemas();
    for diagnostics in examples() {
        let text = annotations::sarif(&diagnostics, "incidents/contoso ir", "0.1.0").unwrap();
        let log: Value = serde_json::from_str(&text).unwrap();
        for schema in &schemas {
            let wrong: Vec<String> =
                schema.iter_errors(&log).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(wrong.is_empty(), "{wrong:#?}\n{text}");
        }
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), diagnostics.len());
        for (result, d) in results.iter().zip(&diagnostics) {
            // What no schema can say: references lead somewhere, and lengths are not negative.
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert_eq!(result["ruleId"], d.code);
            let at = &result["locations"][0]["physicalLocation"];
            assert!(at["region"]["endColumn"].as_u64() >= at["region"]["startColumn"].as_u64());
            let uri = at["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.starts_with("incidents/contoso%20ir/"), "{uri}");
            let related = result["relatedLocations"].as_array().map_or(0, Vec::len);
            assert_eq!(related, d.related.len());
        }
    }
}

#[test]
fn a_broken_log_is_seen() {
    let diagnostics = examples().remove(0);
    let log: Value = serde_json::from_str(&annotations::sarif(&diagnostics, "", "0.1.0").unwrap()).unwrap();
    for (place, value) in [
        ("/version", Value::from("2.0.0")),
        ("/runs/0/results/0/level", Value::from("fatal")),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", Value::from(0)),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", Value::from("a b")),
        ("/runs/0/tool/driver/name", Value::Null),
    ] {
        let mut broken = log.clone();
        *broken.pointer_mut(place).unwrap() = value;
        assert!(!sarif_schemas()[0].is_valid(&broken), "{place}");
    }
}

/// A workflow command as the runner reads it: level, properties, text.
fn command(line: &str) -> (String, BTreeMap<String, String>, String) {
    let plain = |t: &str| t.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let rest = line.strip_prefix("::").unwrap();
    let (head, text) = rest.split_once("::").unwrap();
    let (level, properties) = head.split_once(' ').unwrap();
    let property = |p: &str| {
        let (name, value) = p.split_once('=').unwrap();
        let value = plain(&value.replace("%3A", ":").replace("%2C", ","));
        (name.to_owned(), value)
    };
    (level.to_owned(), properties.split(',').map(property).collect(), plain(text))
}

#[test]
fn workflow_commands_say_what_was_found() {
    for diagnostics in examples() {
        let text = annotations::github(&diagnostics, "incidents");
        assert_eq!(text.lines().count(), diagnostics.len(), "{text}");
        for (line, d) in text.lines().zip(&diagnostics) {
            let (level, properties, message) = command(line);
            let value = |name: &str| properties[name].as_str();
            assert_eq!(level, if d.severity == Level::Error { "error" } else { "warning" });
            assert_eq!(value("file"), format!("incidents/{}", d.file));
            assert_eq!((value("line"), value("col")), (&*d.line.to_string(), &*d.column.to_string()));
            assert_eq!(value("title"), d.code);
            assert!(message.lines().count() >= d.message.lines().count());
            assert_eq!(message.contains("\nhelp: "), d.help.is_some());
        }
    }
}

#[test]
fn what_separates_is_escaped() {
    let name = "a,b:c%2C\r\nd.yaml";
    let d = Diagnostic::of_file("x", name, "100%\r\n::error::two, %0A: and so on");
    let text = annotations::github(&[d], "ir:1,2/");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.trim_end().contains('\r'));
    let (level, properties, message) = command(text.trim_end());
    assert_eq!(level, "error");
    // Hidden characters are shown, everything else comes out as it went in.
    assert_eq!(properties["file"], "ir:1,2/a,b:c%2C\\r\nd.yaml");
    assert_eq!(message, "100%\\r\n::error::two, %0A: and so on");
}

#[test]
fn paths_are_those_of_the_repository() {
    let repository = tempfile::tempdir().unwrap();
    let project = repository.path().join("incidents/contoso");
    std::fs::create_dir_all(repository.path().join(".git")).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_casefile"))
            .current_dir(repository.path())
            .args(["-C", "incidents/contoso"])
            .args(args)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["init", "."]);
    assert!(project.join("casefile.yaml").exists());
    std::fs::write(project.join("manifests/bad.yaml"), "kind: Nothing\n").unwrap();
    let file = "incidents/contoso/manifests/bad.yaml";
    assert!(run(&["validate", "--format", "github"]).starts_with(&format!("::error file={file},line=1,")));
    let sarif: Value = serde_json::from_str(&run(&["validate", "--format", "sarif"])).unwrap();
    let at = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(at["uri"], file);
    assert!(run(&["validate"]).contains("--> manifests/bad.yaml:1:"), "people work in the project");
}
