//! Pages in Markdown: which there are, and their blocks.

use std::path::{Path, PathBuf};

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A page, by its path below the root of the repository.
pub struct Page {
    pub path: String,
    pub text: String,
}

impl Page {
    pub fn read(path: &str) -> Page {
        Page { path: path.to_owned(), text: std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap() }
    }

    /// The path of what a link of this page names, below the root; none if it leads out of the repository.
    pub fn beside(&self, link: &str) -> Option<String> {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        parts.pop();
        for part in link.split('/') {
            match part {
                "." | "" => {}
                ".." => drop(parts.pop()?),
                part => parts.push(part),
            }
        }
        Some(parts.join("/"))
    }
}

/// The pages at the root, and all of those in `docs` and `examples`.
pub fn pages() -> Vec<Page> {
    let mut found = vec!["CONTRIBUTING.md".to_owned(), "README.md".to_owned()];
    let mut folders = vec![PathBuf::from("docs"), PathBuf::from("examples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(Path::new(ROOT).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found.iter().map(|path| Page::read(path)).collect()
}

/// A comment before a block, which readers do not see.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark<'a> {
    /// `<!-- not run: WHY -->`: the commands need what a test has not.
    NotRun(&'a str),
    /// `<!-- file: PATH -->`: the block is the text of this file, in the folder of the commands.
    File(&'a str),
    /// `<!-- before: COMMAND -->`: run first, for what a reader of this page has already.
    Before(&'a str),
    /// `<!-- exits: CODE -->`: what the last command of the block exits with.
    Exits(i32),
}

fn mark(line: &str) -> Option<Mark<'_>> {
    let text = line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    let (name, value) = text.split_once(": ")?;
    match name {
        "not run" => Some(Mark::NotRun(value)),
        "file" => Some(Mark::File(value)),
        "before" => Some(Mark::Before(value)),
        "exits" => Some(Mark::Exits(value.parse().unwrap_or_else(|_| panic!("no exit code: {line}")))),
        _ => panic!("an unknown mark: {line}"),
    }
}

/// A fenced block with the marks above it.
#[derive(Debug, PartialEq)]
pub struct Block<'a> {
    /// The line of the fence, from 1.
    pub line: usize,
    pub language: &'a str,
    pub marks: Vec<Mark<'a>>,
    pub lines: Vec<&'a str>,
}

/// The fenced blocks of a page, in order. Marks count for the block right below them.
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut out: Vec<Block<'_>> = Vec::new();
    let mut marks = Vec::new();
    let mut inside = false;
    for (n, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(language) if !inside => {
                inside = true;
                out.push(Block {
                    line: n + 1,
                    language,
                    marks: std::mem::take(&mut marks),
                    lines: Vec::new(),
                });
            }
            Some(_) => inside = false,
            None if inside => out.last_mut().expect("a block was begun").lines.push(line),
            None => match mark(line) {
                Some(mark) => marks.push(mark),
                None if line.is_empty() => {}
                None => assert!(marks.is_empty(), "a mark that stands above no block, before line {}", n + 1),
            },
        }
    }
    out
}

#[test]
fn blocks_have_the_marks_above_them() {
    let text = "text\n<!-- before: cd a -->\n<!-- exits: 1 -->\n```console\n$ casefile plan\n```\n```yaml\na: b\n```\n";
    let marks = vec![Mark::Before("cd a"), Mark::Exits(1)];
    let first = Block { line: 4, language: "console", marks, lines: vec!["$ casefile plan"] };
    let second = Block { line: 7, language: "yaml", marks: vec![], lines: vec!["a: b"] };
    assert_eq!(blocks(text), [first, second]);
}

#[test]
fn links_are_read_from_where_their_page_is() {
    let page = Page { path: "docs/how-to/a.md".into(), text: String::new() };
    assert_eq!(page.beside("../cli.md").as_deref(), Some("docs/cli.md"));
    assert_eq!(page.beside("../../README.md").as_deref(), Some("README.md"));
    assert_eq!(page.beside("../../../x"), None);
}
