//! `docs/cli.md` and `casefile --help` say the same: each command has a heading, and its table has
//! exactly the arguments that clap knows, with values, default and words.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, ArgAction, Command};

const DOC: &str = include_str!("../docs/cli.md");

/// Rows of `| argument | default | |` tables by the heading that they stand under.
fn documented(doc: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut tables = BTreeMap::new();
    let mut heading = String::new();
    let mut in_table = false;
    for line in doc.lines() {
        if let Some(text) = line.strip_prefix("### ") {
            heading = text.trim_matches('`').to_owned();
        }
        if line == "| argument | default | |" {
            in_table = true;
            tables.insert(heading.clone(), BTreeSet::new());
        } else if !line.starts_with('|') {
            in_table = false;
        } else if in_table && !line.starts_with("|--") {
            tables.get_mut(&heading).unwrap().insert(line.to_owned());
        }
    }
    tables
}

fn values(arg: &Arg) -> Option<String> {
    let possible = arg.get_possible_values();
    if matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Count) {
        return None;
    }
    if possible.is_empty() {
        return arg.get_value_names().map(|n| n[0].to_string());
    }
    Some(possible.iter().map(|v| v.get_name()).collect::<Vec<_>>().join("\\|"))
}

fn row(arg: &Arg) -> String {
    let mut name = match (arg.get_short(), arg.get_long()) {
        (Some(s), Some(l)) => format!("-{s}, --{l}"),
        (Some(s), None) => format!("-{s}"),
        (None, Some(l)) => format!("--{l}"),
        (None, None) => String::new(),
    };
    if let Some(values) = values(arg) {
        let optional = name.is_empty() && !arg.is_required_set();
        let open_list = arg.get_possible_values().is_empty();
        match (name.is_empty(), optional) {
            (false, _) => name.push_str(&format!(" {values}")),
            (true, true) => name = format!("[{values}]"),
            (true, false) => name = values,
        }
        if optional && open_list && matches!(arg.get_action(), ArgAction::Append) {
            name.push_str("...");
        }
    }
    let default = arg.get_default_values().first().map(|v| format!("`{}` ", v.to_string_lossy()));
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    format!("| `{name}` | {}| {help} |", default.unwrap_or_default())
}

fn known() -> BTreeMap<String, BTreeSet<String>> {
    fn walk(command: &Command, path: &str, tables: &mut BTreeMap<String, BTreeSet<String>>) {
        let rows = |global: bool| {
            command
                .get_arguments()
                .filter(|a| {
                    a.is_global_set() == global && !["help", "version"].contains(&a.get_id().as_str())
                })
                .map(row)
                .collect::<BTreeSet<_>>()
        };
        if path == "casefile" {
            tables.insert("Every command".into(), rows(true));
        } else if !command.has_subcommands() {
            tables.insert(path.to_owned(), rows(false));
        }
        for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
            walk(sub, &format!("{path} {}", sub.get_name()), tables);
        }
    }
    let mut tables = BTreeMap::new();
    walk(&casefile::cli::command(), "casefile", &mut tables);
    tables
}

#[test]
fn tables_are_those_of_help() {
    let (doc, clap) = (documented(DOC), known());
    assert_eq!(
        doc.keys().collect::<Vec<_>>(),
        clap.keys().collect::<Vec<_>>(),
        "headings of docs/cli.md, commands of clap"
    );
    for (command, rows) in &clap {
        let missing: Vec<_> = rows.difference(&doc[command]).collect();
        let wrong: Vec<_> = doc[command].difference(rows).collect();
        assert!(
            missing.is_empty() && wrong.is_empty(),
            "{command}\nmissing in docs/cli.md: {missing:#?}\nin docs/cli.md only: {wrong:#?}"
        );
    }
}

#[test]
fn every_next_line_of_the_examples_can_be_typed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for file in files.filter(|file| file.extension().is_some_and(|e| e == "trycmd")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for command in text.lines().filter_map(|line| line.strip_prefix("next: ")) {
            for part in command.split(" && ").filter(|part| part.starts_with("casefile ")) {
                let words = casefile::cli::exec::words(part).unwrap();
                let parsed = casefile::cli::command().try_get_matches_from(&words);
                let is_help = parsed.as_ref().is_err_and(|e| e.exit_code() == 0);
                assert!(parsed.is_ok() || is_help, "{}: {part}", file.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn exit_codes_are_documented() {
    use casefile::cli::exit::Code;
    let section = DOC.split("## Exit codes").nth(1).unwrap().split("\n## ").next().unwrap();
    let documented: Vec<u8> =
        section.lines().filter_map(|l| l.strip_prefix("| ")?.split(' ').next()?.parse().ok()).collect();
    assert_eq!(documented, Code::ALL.map(Code::as_u8));
}

#[test]
fn environment_variables_are_documented() {
    let section = DOC.split("## Environment").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|l| l.starts_with("| `"));
    let documented: BTreeSet<&str> =
        rows.flat_map(|l| l.split(" | ").next().unwrap().split('`').skip(1).step_by(2)).collect();
    use casefile::cli::context::Environment;
    let families = Environment::FAMILIES.map(|begin| format!("{begin}*"));
    let read = Environment::NAMES.into_iter().chain(families.iter().map(String::as_str));
    assert_eq!(documented, read.collect());
}

/// The fields of a schema that need not be there, but for those of which one or another has to.
fn optional(schema: &serde_json::Value) -> BTreeSet<String> {
    let names = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().into_iter().flatten().map(|n| n.as_str().unwrap().to_owned()).collect()
    };
    let ways = schema["oneOf"].as_array().into_iter().flatten().map(|way| &way["required"]);
    let needed = [&schema["required"], &schema["else"]["required"]].into_iter().chain(ways);
    let needed: BTreeSet<String> = needed.flat_map(names).collect();
    schema["properties"].as_object().unwrap().keys().filter(|n| !needed.contains(*n)).cloned().collect()
}

#[test]
fn optional_fields_are_documented() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../schemas/manifest.schema.json")).unwrap();
    let table = DOC.split("| kind | optional field |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows: Vec<(&str, &str)> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | `"))
        .map(|(kind, rest)| (kind, rest.split('`').next().unwrap()))
        .collect();
    for (kind, word) in [("InvestigationPackage", "package"), ("Alert", "alert")] {
        let manifest = &schema["$defs"][kind];
        let spec = optional(&manifest["properties"]["spec"]).into_iter().map(|name| format!("spec.{name}"));
        let known: BTreeSet<String> = optional(manifest).into_iter().chain(spec).collect();
        let of_kind =
            rows.iter().filter(|(kind, _)| *kind == "both" || *kind == word).map(|(_, field)| field);
        let documented = of_kind.map(|field| match field.strip_prefix("spec.") {
            Some(inner) => format!("spec.{}", inner.split('.').next().unwrap()),
            None => field.split('.').next().unwrap().to_owned(),
        });
        assert_eq!(documented.collect::<BTreeSet<_>>(), known, "docs/cli.md, optional fields of {kind}");
    }
}

#[test]
fn what_is_not_there_is_not_accepted() {
    assert!(casefile::cli::command().try_get_matches_from(["casefile", "isolate"]).is_err());
}
