//! Holds "who may use whom": reads the table of `docs/architecture.md` and the `crate::` paths of
//! `src/`, and the purity rules below it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by name, with the modules that they may use.
type Rules = BTreeMap<String, BTreeSet<String>>;

/// Source files that hold no tokio, no reqwest, no clock and no environment. Of `state`, the store
/// on disk is left out: it is the edge.
const PURE: [&str; 8] = [
    "manifest/",
    "model/",
    "plan/",
    "render/",
    "seal/",
    "state/record.rs",
    "state/fold.rs",
    "state/resource.rs",
];
const IMPURE: [&str; 8] = [
    "tokio::",
    "reqwest::",
    "std::env",
    "std::net",
    "std::process",
    "SystemTime",
    "Timestamp::now",
    "Instant::now",
];

fn rules(doc: &str) -> Rules {
    let names =
        |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let rows = doc.lines().skip_while(|l| *l != "| module | responsible for | uses |").skip(2);
    rows.take_while(|l| l.starts_with('|'))
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let module = names(cells[0]).pop_first().expect("a module in the first column");
            (module, names(cells[2]))
        })
        .collect()
}

/// The text without comments and string contents, so that words in prose are no imports.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |i| i + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |i| i + 5)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(rest.len(), |i| i + 2)
        } else if c == '"' {
            string_len(rest)
        } else {
            out.push(c);
            c.len_utf8()
        };
        rest = &rest[skip..];
    }
    out
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// First segments of all `crate::` paths: `crate::a::B`, `crate::{a::B, c}`, and `super::` chains that
/// leave the module (`depth` is how many of them reach the crate's root).
fn uses(code: &str, depth: usize) -> BTreeSet<String> {
    let chain = "super::".repeat(depth);
    let mut found = BTreeSet::new();
    for prefix in ["crate::", chain.as_str()] {
        for (i, _) in code.match_indices(prefix) {
            if code[..i].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
                || (prefix != "crate::" && code[..i].ends_with("super::"))
            {
                continue;
            }
            found.extend(first_segments(&code[i + prefix.len()..]));
        }
    }
    found.remove("super");
    found
}

fn first_segments(path: &str) -> Vec<String> {
    let word = |s: &str| -> String {
        s.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                out.push(word(&group[start..i]));
                start = i + 1;
            }
            '}' if depth == 0 => {
                out.push(word(&group[start..i]));
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    out.retain(|w| !w.is_empty());
    out
}

/// What a file does that it may not. `file` is relative to `src/`.
fn violations(rules: &Rules, file: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let module = file.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let mut out = Vec::new();
    // `a/mod.rs` and `a.rs` are one `super::` below the root, `a/b.rs` is two.
    let depth =
        if file.ends_with("mod.rs") || !file.contains('/') { 1 } else { file.matches('/').count() + 1 };
    match rules.get(module) {
        None => out.push(format!("{file}: module `{module}` has no row in docs/architecture.md")),
        Some(allowed) => {
            for used in uses(&code, depth) {
                if used != module && rules.contains_key(&used) && !allowed.contains(&used) && module != "cli"
                {
                    out.push(format!("{file}: `{module}` may not use `{used}`"));
                }
            }
        }
    }
    // Tests may read files and clocks: only what stands before them is the module.
    let shipped = code.split("#[cfg(test)]").next().unwrap_or_default();
    if PURE.iter().any(|p| file.starts_with(p)) {
        for word in IMPURE.iter().filter(|w| shipped.contains(**w)) {
            out.push(format!("{file}: is pure, but has `{word}`"));
        }
    }
    out
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn every_module_keeps_to_its_row() {
    let rules = rules(include_str!("../docs/architecture.md"));
    assert!(rules.len() >= 9, "the table was not found: {rules:?}");
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut out = Vec::new();
    for path in files {
        let file = path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
        if file != "lib.rs" && file != "main.rs" {
            out.extend(violations(&rules, &file, &fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(out.is_empty(), "\n{}", out.join("\n"));
}

mod checker {
    use super::*;

    fn check(file: &str, text: &str) -> Vec<String> {
        violations(&rules(include_str!("../docs/architecture.md")), file, text)
    }

    #[test]
    fn finds_each_way_to_write_a_planted_import() {
        for text in [
            "use crate::plan::Plan;",
            "use crate::{model::Address, plan::Plan};",
            "use crate::{\n    model::{Address, Kind},\n    plan,\n};",
            "pub use crate::plan::*;",
            "fn f() { crate::plan::decide() }",
            "use super::super::plan::Plan;",
        ] {
            assert_eq!(
                check("defender/client.rs", text),
                ["defender/client.rs: `defender` may not use `plan`"]
            );
        }
        assert_eq!(check("sandbox/mod.rs", "use super::state::State;").len(), 1);
        assert_eq!(check("files.rs", "use super::cli::main;").len(), 1);
    }

    #[test]
    fn every_rule_can_fail() {
        for (file, text) in [
            ("model/call.rs", "use crate::state::State;"),
            ("plan/decide.rs", "use crate::manifest::Project;"),
            ("plan/decide.rs", "use crate::defender::Client;"),
            ("defender/client.rs", "use crate::state::State;"),
            ("sandbox/world.rs", "use crate::defender::wire;"),
            ("render/human.rs", "use crate::cli::context::Context;"),
            ("engine/mod.rs", "use crate::cli::exit::Code;"),
            ("manifest/schema.rs", "let home = std::env::var(\"HOME\");"),
            ("plan/decide.rs", "let now = jiff::Timestamp::now();"),
            ("state/fold.rs", "let now = std::time::SystemTime::now();"),
            ("render/json.rs", "use tokio::io::AsyncWrite;"),
            ("model/time.rs", "use reqwest::Client;"),
            ("helpers/mod.rs", ""),
        ] {
            assert_eq!(check(file, text).len(), 1, "{file}: {text}");
        }
    }

    #[test]
    fn what_is_allowed_and_what_is_no_code_passes() {
        for (file, text) in [
            ("plan/decide.rs", "use crate::{model::Address, state::State};"),
            ("plan/decide.rs", "use crate::plan::Change;"),
            ("plan/decide.rs", "use super::change::Change;"),
            ("plan/decide.rs", "// not crate::defender\nlet s = \"crate::defender \\\" crate::cli\";"),
            ("plan/decide.rs", "/// See [`crate::engine`].\nfn f() { let q = '\"'; }"),
            ("cli/plan.rs", "use crate::{engine, defender, manifest, plan, render, sandbox, state};"),
            ("state/local.rs", "let now = std::time::SystemTime::now();"),
            ("plan/decide.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use std::env; }"),
        ] {
            assert_eq!(check(file, text), Vec::<String>::new(), "{file}: {text}");
        }
    }
}
