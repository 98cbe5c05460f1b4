//! The least that reading YAML can cost: the parser's events alone, over every manifest of a folder.
//!
//! `cargo bench --bench floor -- FOLDER`; `scripts/bench` runs it beside `casefile` on the same bytes.

use std::path::Path;

use granit_parser::{Parser, options};

fn main() {
    // `cargo bench` passes flags of its own.
    let folders = std::env::args().skip(1).filter(|a| !a.starts_with('-'));
    let mut events = 0_usize;
    for folder in folders {
        walk(Path::new(&folder), &mut events);
    }
    println!("{events} events");
}

fn walk(folder: &Path, events: &mut usize) {
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, events);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(path).unwrap();
            let parser = Parser::new_from_str_with_options(
                &text,
                options! { emit_comments: false, strict_indentation: false },
            );
            *events += parser.map(|event| event.unwrap()).count();
        }
    }
}
