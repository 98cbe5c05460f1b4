//! What users see: the diagnostics of every broken example, and what no input may do.

use std::fmt::Write;
use std::path::Path;

use super::*;

/// A diagnostic as text, each part on a line of its own.
fn told(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in diagnostics {
        let level = if d.severity == Level::Error { "error" } else { "warning" };
        writeln!(out, "{}:{}:{}: {level}[{}]: {}", d.file, d.line, d.column, d.code, d.message).unwrap();
        if !d.source_line.is_empty() {
            let before = (d.column - 1 - d.source_offset) as usize;
            let width = (d.end_column - d.column).max(1) as usize;
            writeln!(out, "  | {}\n  | {}{}", d.source_line, " ".repeat(before), "^".repeat(width)).unwrap();
        }
        for r in &d.related {
            writeln!(out, "  see {}:{}:{}: {}", r.file, r.line, r.column, r.message).unwrap();
        }
        if let Some(help) = &d.help {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    out
}

fn examples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/invalid")
}

#[test]
fn every_invalid_example() {
    let mut names: Vec<String> = std::fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 35, "{}", names.len());
    for name in names {
        let mut project = Project::new("examples");
        project.spec.manifests = vec![name.clone()];
        let loaded = load(&examples(), &project);
        assert!(!loaded.diagnostics.is_empty(), "{name} is fine");
        insta::assert_snapshot!(name, told(&loaded.diagnostics));
    }
}
