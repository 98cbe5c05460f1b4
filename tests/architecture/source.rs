//! Reads Rust source as far as these checks need it: what a file ships, and which paths it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file below `src/`, by its path from there: `plan/build.rs`.
pub struct Source {
    pub file: String,
    /// The text without comments and string contents.
    pub code: String,
}

/// Returns every file below `src/` but `main.rs`, sorted by path.
pub fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&src, &mut paths);
    paths.sort();
    let read = |path: PathBuf| Source {
        file: path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/"),
        code: code(&fs::read_to_string(&path).unwrap()),
    };
    paths.into_iter().map(read).filter(|s| s.file != "main.rs").collect()
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Returns the text without comments and string contents, so that words in prose are no imports.
pub fn code(text: &str) -> String {
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
        } else if rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
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

/// Returns the code without the items that only tests see: tests may read files and clocks.
pub fn shipped(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((start, attribute)) = test_attribute(rest) {
        out.push_str(&rest[..start]);
        rest = &rest[start + attribute..];
        rest = &rest[item_len(rest)..];
    }
    out + rest
}

/// Finds the first `#[cfg(test)]` or `#[cfg(all(test, ...))]`: where it begins, and its length.
fn test_attribute(code: &str) -> Option<(usize, usize)> {
    let found = ["#[cfg(test)]", "#[cfg(all(test,"].iter().filter_map(|a| code.find(a)).min()?;
    Some((found, code[found..].find(']')? + 1))
}

/// Returns how long the item is that begins here: up to its `;`, or the `}` that closes its body.
fn item_len(code: &str) -> usize {
    let mut depth = 0;
    for (i, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            ';' if depth == 0 => return i + 1,
            _ => {}
        }
    }
    code.len()
}

/// Returns the names of the modules that the code declares for tests alone: `#[cfg(test)] mod samples;`.
pub fn test_modules(code: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut rest = code;
    while let Some((start, attribute)) = test_attribute(rest) {
        rest = &rest[start + attribute..];
        let item = &rest[..item_len(rest)];
        if let Some((_, name)) = item.strip_suffix(';').and_then(|i| i.rsplit_once("mod ")) {
            out.insert(name.trim().to_owned());
        }
    }
    out
}

/// Returns every path in the code that begins with the segment `root`, with groups written out:
/// `std::{fs, io::Read}` gives `[fs]` and `[io, Read]`.
pub fn paths(code: &str, root: &str) -> Vec<Vec<String>> {
    let prefix = format!("{root}::");
    let mut out = Vec::new();
    for (i, _) in code.match_indices(&prefix) {
        let inside = code[..i].ends_with(|c: char| c.is_alphanumeric() || "_$:".contains(c));
        if !inside {
            tree(&code[i + prefix.len()..], &mut Vec::new(), &mut out);
        }
    }
    out
}

/// Reads one path or group of a `use`, and returns how much of the text it took.
fn tree(text: &str, above: &mut Vec<String>, out: &mut Vec<Vec<String>>) -> usize {
    let depth = above.len();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if text[at..].starts_with('{') {
            at += 1;
            loop {
                at += tree(&text[at..], above, out);
                at += text[at..].len() - text[at..].trim_start().len();
                match text[at..].chars().next() {
                    Some(',') => at += 1,
                    Some('}') => {
                        at += 1;
                        break;
                    }
                    _ => break,
                }
                at += text[at..].len() - text[at..].trim_start().len();
                if text[at..].starts_with('}') {
                    at += 1;
                    break;
                }
            }
            above.truncate(depth);
            return at;
        }
        let word: String =
            text[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '*').collect();
        at += word.len();
        if word.is_empty() {
            break;
        }
        above.push(word);
        if !text[at..].starts_with("::") {
            break;
        }
        at += 2;
    }
    if above.len() > depth {
        out.push(above.clone());
    }
    above.truncate(depth);
    // `name as other` is the same path.
    if let Some(rest) = text[at..].strip_prefix(" as ") {
        at += 4 + rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').count();
    }
    at
}
