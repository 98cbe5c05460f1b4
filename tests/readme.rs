//! The commands of `README.md` work: each `console` block is run with the built binary, in a copy of
//! the examples. A line without `$` is output that has to appear; `[..]` in it stands for anything.

#![allow(clippy::disallowed_methods, reason = "sets up folders of its own")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const README: &str = include_str!("../README.md");

/// A command line, and the output that the document shows below it.
#[derive(Debug, PartialEq)]
struct Step<'a> {
    line: &'a str,
    shown: Vec<&'a str>,
}

/// The `console` blocks of a document, in order.
fn blocks(doc: &str) -> Vec<Vec<Step<'_>>> {
    let mut out: Vec<Vec<Step<'_>>> = Vec::new();
    let mut inside = false;
    for line in doc.lines() {
        match line {
            "```console" => {
                inside = true;
                out.push(Vec::new());
            }
            "```" => inside = false,
            _ if !inside => {}
            _ => {
                let block = out.last_mut().expect("a block was begun");
                match line.strip_prefix("$ ") {
                    Some(line) => block.push(Step { line, shown: Vec::new() }),
                    None => block.last_mut().expect("output belongs to a command").shown.push(line),
                }
            }
        }
    }
    out
}

/// The arguments of `casefile`, if the line runs it.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let rest = line.strip_prefix("cargo run -- ").or_else(|| line.strip_prefix("casefile "))?;
    Some(rest.split_whitespace().collect())
}

/// Whether the parts of `pattern` around `[..]` stand in one line of `output`, in order.
fn appears(pattern: &str, output: &str) -> bool {
    output.lines().any(|line| {
        let mut rest = line;
        pattern.trim().split("[..]").all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        // What an earlier run by hand has left behind.
        if name == ".casefile" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name))
        } else {
            fs::copy(&path, to.join(name)).map(drop).unwrap()
        }
    }
}

/// Runs every line of `casefile`; `cd` counts, other programs do not. Returns how many were run.
fn run() -> usize {
    let root = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), &root.path().join("examples"));
    let mut ran = 0;
    for block in blocks(README) {
        let mut dir: PathBuf = root.path().to_owned();
        for step in block {
            if let Some(to) = step.line.strip_prefix("cd ") {
                dir.push(to);
                continue;
            }
            let Some(args) = arguments(step.line) else { continue };
            let out = Command::new(env!("CARGO_BIN_EXE_casefile"))
                .args(&args)
                .current_dir(&dir)
                .env("CI", "true")
                .output()
                .unwrap();
            let text =
                String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{}: {}\n{text}", step.line, out.status);
            for shown in step.shown {
                assert!(appears(shown, &text), "{}: no line like `{shown}` in\n{text}", step.line);
            }
            ran += 1;
        }
    }
    ran
}

#[test]
fn every_command_works() {
    assert!(run() >= 7);
}

#[test]
fn what_is_extracted() {
    let doc = "text\n```console\n$ casefile plan -v\na [..] c\n$ cargo test\n```\n```yaml\n$ no\n```\n";
    let want = [[
        Step { line: "casefile plan -v", shown: vec!["a [..] c"] },
        Step { line: "cargo test", shown: vec![] },
    ]];
    assert_eq!(blocks(doc), want);
    assert_eq!(arguments("casefile plan -v"), Some(vec!["plan", "-v"]));
    assert_eq!(arguments("cargo run -- -C x apply"), Some(vec!["-C", "x", "apply"]));
    assert_eq!(arguments("cargo test"), None);
    assert!(appears("a [..] c", "x\n a b c\n") && !appears("a [..] c", "a\nc\n"));
}
