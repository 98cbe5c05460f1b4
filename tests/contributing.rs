//! `CONTRIBUTING.md` names what is there: files, test targets, filters, variables. Its commands of the tool run.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../CONTRIBUTING.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Variables that other programs read.
const OTHERS: [&str; 2] = ["INSTA_UPDATE", "TRYCMD"];

/// The lines of `console` blocks, and inline code that is a command.
fn commands() -> BTreeSet<&'static str> {
    let lines = PAGE.lines().filter_map(|l| l.strip_prefix("$ "));
    let inline = inline().filter(|c| c.contains("cargo ") || c.starts_with("scripts/"));
    lines.chain(inline).map(|l| l.split(" > ").next().unwrap_or(l)).collect()
}

/// The code spans of the text.
fn inline() -> impl Iterator<Item = &'static str> {
    let text = PAGE.split("```").step_by(2);
    text.flat_map(|t| t.split('`').skip(1).step_by(2))
}

fn there(path: &str) -> bool {
    Path::new(ROOT).join(path).exists()
}

/// The text of all files below a folder.
fn text(folder: &str) -> String {
    let mut out = String::new();
    let mut todo = vec![Path::new(ROOT).join(folder)];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else {
            out.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    out
}

#[test]
fn every_file_and_link_is_there() {
    let folders =
        ["src/", "tests/", "docs/", "schemas/", "scripts/", "fuzz/", "examples/", "benches/", ".ci/"];
    let is_path = |c: &&str| {
        folders.iter().any(|f| c.starts_with(f)) && !c.contains(|c: char| c == ' ' || c.is_ascii_uppercase())
    };
    let files: BTreeSet<&str> = inline().filter(is_path).collect();
    assert!(files.len() > 30, "{files:?}");
    let links = PAGE.split("](").skip(1).filter_map(|l| l.split([')', '#']).next()).filter(|l| !l.is_empty());
    let missing: Vec<&str> = files.into_iter().chain(links).filter(|f| !there(f)).collect();
    assert!(missing.is_empty(), "CONTRIBUTING.md names what is not there: {missing:#?}");
}

#[test]
fn every_command_names_what_is_there() {
    let known = [text("tests"), text("scripts"), text("src"), text("benches")].concat();
    let mut wrong = Vec::new();
    let mut check = |line: &str, what: &str, holds: bool| {
        if !holds {
            wrong.push(format!("{line}: {what}"));
        }
    };
    for line in commands() {
        let words: Vec<&str> = line.split(' ').collect();
        for word in &words {
            if let Some((name, _)) = word.split_once('=')
                && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            {
                check(line, name, OTHERS.contains(&name) || known.contains(&format!("\"{name}\"")));
            }
            if word.starts_with("scripts/") || word.starts_with(".ci/") || word.starts_with("tests/") {
                check(line, word, there(word));
            }
        }
        let mut filters = words.split(|w| *w == "--").next().unwrap_or_default().iter().copied();
        while let Some(word) = filters.next() {
            let next = match word {
                "--test" => filters.next().map(|t| (t, format!("tests/{t}"))),
                "--bench" => filters.next().map(|t| (t, format!("benches/{t}"))),
                "--lib" => filters.next().map(|t| (t, format!("src/{}", t.replace("::", "/")))),
                _ => None,
            };
            if let Some((name, path)) = next {
                check(line, name, there(&path) || there(&format!("{path}.rs")));
                // What follows is a filter: part of the name of a test.
                if let Some(filter) = filters.next().filter(|f| !f.starts_with('-')) {
                    check(line, filter, known.contains(&format!("fn {filter}")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "CONTRIBUTING.md: {wrong:#?}");
}

#[test]
fn every_command_of_the_tool_works() {
    let lines = commands();
    let ours: Vec<_> = lines.iter().filter_map(|l| l.strip_prefix("cargo run -- ")).collect();
    assert!(ours.len() >= 3, "{lines:#?}");
    for args in ours {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_casefile"));
        // A plan of the example leaves nothing behind.
        command.current_dir(ROOT).args(args.split(' ')).env("CI", "true").env("HOME", folder.path());
        let out = command.output().unwrap();
        assert!(out.status.success(), "{args}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn the_table_of_rows_is_as_long_as_the_one_that_decides() {
    let page = include_str!("../docs/reconciliation.md");
    let table = page.split("## The decision table").nth(1).unwrap().split("\n### ").next().unwrap();
    let rows = table.lines().filter_map(|l| l.strip_prefix("| ")?.split(" |").next()?.parse::<u8>().ok());
    let rows: Vec<u8> = rows.collect();
    let known = (1..=u8::MAX).take_while(|n| casefile::plan::Row::from_number(*n).is_some());
    assert_eq!(rows, known.collect::<Vec<_>>());
    let readme = include_str!("../README.md");
    assert!(readme.contains(&format!("One table of {} rows", rows.len())), "README.md counts other rows");
}
