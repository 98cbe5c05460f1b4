//! The least that reading YAML can cost: the parser's events alone, over every manifest of a folder.
//!
//! `cargo bench --bench floor -- FOLDER`; `scripts/bench` runs it beside `casefile` on the same bytes.

use std::path::Path;
use std::process::ExitCode;

use granit_parser::{Parser, options};

fn main() -> ExitCode {
    // `cargo bench` passes flags of its own.
    let folders = std::env::args().skip(1).filter(|a| !a.starts_with('-'));
    let mut events = 0_usize;
    for folder in folders {
        walk(Path::new(&folder), &mut events);
    }
    // So that nothing is optimised away.
    ExitCode::from(u8::from(events == 0))
}

fn walk(folder: &Path, events: &mut usize) {
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, events);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(path).unwrap();
            let options = options! { emit_comments: false, strict_indentation: false };
            for event in Parser::new_from_str_with_options(&text, options) {
                event.unwrap();
                *events += 1;
            }
        }
    }
}
