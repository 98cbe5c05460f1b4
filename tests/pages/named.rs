//! Pages that name tests name tests that are there.

use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The tests that a page names, as `FILE::TEST` in a code span.
pub fn named(page: &str) -> BTreeSet<(&str, &str)> {
    let spans = page.split('`').skip(1).step_by(2);
    spans.filter_map(|span| span.split_once(".rs::")).collect()
}

/// Returns whether a file has a test of this name.
fn is_test(file: &str, name: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(Path::new(ROOT).join(format!("{file}.rs"))) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |line: &&&str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").and_then(|l| l.split('(').next()) == Some(name)
    };
    // Attributes stand above the name, with comments between them.
    let Some(at) = lines.iter().position(|line| begins(&line)) else { return false };
    let above = lines[..at]
        .iter()
        .rev()
        .take_while(|l| l.starts_with('#') || l.starts_with("//") || l.ends_with(']'));
    above.into_iter().any(|l| l.starts_with("#[test]") || l.starts_with("#[tokio::test"))
}

#[track_caller]
pub fn all_there(page: &str, least: usize) {
    let named = named(page);
    assert!(named.len() >= least, "{}: {named:#?}", named.len());
    let missing: Vec<_> = named.iter().filter(|(file, test)| !is_test(file, test)).collect();
    assert!(missing.is_empty(), "named, and not there: {missing:#?}");
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let page = include_str!("../../docs/security.md");
    all_there(page, 50);
    // No row of a door stands there without one.
    let doors = page.split("## Doors").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = doors.lines().filter(|l| l.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 20 && rows.iter().all(|r| r.contains(".rs::")), "{rows:#?}");
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    assert!(is_test("tests/pages/named", "a_test_that_is_not_there_is_noticed"));
    assert!(!is_test("tests/pages/named", "is_test"), "a function is no test");
    assert!(!is_test("tests/pages/named", "no_such_test") && !is_test("tests/nowhere", "is_test"));
}
