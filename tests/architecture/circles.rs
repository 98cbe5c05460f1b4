//! Finds circles: modules that use each other, directly or by way of others.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{self, Source};

/// The modules or files that each one uses, by name.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns the circles of a graph, each as the sorted names of those that reach each other.
pub fn circles(graph: &Graph) -> BTreeSet<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|from| (from.as_str(), reach(graph, from))).collect();
    let circle = |from: &str| {
        let mutual = |to: &&str| reached.get(to).is_some_and(|back| back.contains(from));
        reached[from].iter().copied().filter(mutual).map(str::to_owned).collect::<Vec<_>>()
    };
    graph.keys().map(|from| circle(from)).filter(|c| c.len() > 1).collect()
}

/// Returns those that use each other directly: `a <-> b`.
pub fn pairs(graph: &Graph) -> Vec<String> {
    let uses = |a: &String, b: &String| graph.get(a).is_some_and(|used| used.contains(b));
    let both = graph.iter().flat_map(|(a, used)| used.iter().map(move |b| (a, b)));
    both.filter(|(a, b)| a < b && uses(b, a)).map(|(a, b)| format!("{a} <-> {b}")).collect()
}

/// Returns everything that `from` uses, directly or not.
fn reach<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut todo: Vec<&str> = graph.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(next) = todo.pop() {
        if seen.insert(next) {
            todo.extend(graph.get(next).into_iter().flatten().map(String::as_str));
        }
    }
    seen
}

/// The modules of the crate: the segments of each one's path, with its file and code.
struct Tree<'a> {
    files: BTreeMap<Vec<String>, &'a Source>,
}

impl<'a> Tree<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let path = |file: &str| -> Vec<String> {
            let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
            path.split('/').filter(|s| *s != "lib").map(str::to_owned).collect()
        };
        Tree { files: sources.iter().map(|s| (path(&s.file), s)).collect() }
    }

    /// Returns the file that a path leads to, from the crate's root: the one where the name is defined, for a name
    /// that a module passes on with `pub use` too.
    fn file(&self, path: &[String], depth: usize) -> Option<&'a str> {
        let known = (0..=path.len()).rev().find(|n| self.files.contains_key(&path[..*n]))?;
        let source = self.files[&path[..known]];
        if let Some(name) = path.get(known).filter(|_| depth < 8) {
            for mut target in passed_on(&source.code) {
                let last = target.last().cloned();
                if last.as_ref() == Some(name) || last.as_deref() == Some("*") {
                    target.retain(|s| s != "*");
                    let relative: Vec<String> = path[..known].iter().cloned().chain(target).collect();
                    let found = self.file(&relative, depth + 1);
                    if found.is_some_and(|f| f != source.file) {
                        return found;
                    }
                }
            }
        }
        Some(&source.file)
    }

    /// Returns the files that the module at `path` names in what it ships. What it merely passes on is not its own use.
    fn used(&self, path: &[String], source: &Source) -> BTreeSet<&'a str> {
        let code = without_passed_on(&source::shipped(&source.code));
        let mut found = Vec::new();
        found.extend(source::paths(&code, "crate"));
        found.extend(source::paths(&code, "self").into_iter().map(|p| [path, &p].concat()));
        for up in source::paths(&code, "super") {
            let more = up.iter().take_while(|s| *s == "super").count();
            let Some(parent) = path.len().checked_sub(1 + more) else { continue };
            found.push([&path[..parent], &up[more..]].concat());
        }
        // `use child::Name`, in the module that the child belongs to.
        for (known, _) in self.files.iter().filter(|(p, _)| p.len() == path.len() + 1 && p.starts_with(path))
        {
            let child = &known[path.len()];
            found.extend(source::paths(&code, child).into_iter().map(|p| [known.as_slice(), &p].concat()));
        }
        found.iter().filter_map(|p| self.file(p, 0)).filter(|f| *f != source.file).collect()
    }
}

/// Returns what the code passes on from its own children, as paths from there.
fn passed_on(code: &str) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    for (start, end) in passing(code) {
        let text = &code[start..end];
        if let Some((_, path)) = text.split_once("use ") {
            let path = path.trim_start().trim_start_matches("self::");
            out.extend(source::paths(&format!("root::{path}"), "root"));
        }
    }
    out
}

fn without_passed_on(code: &str) -> String {
    let mut out = String::new();
    let mut from = 0;
    for (start, end) in passing(code) {
        out.push_str(&code[from..start]);
        from = end;
    }
    out + &code[from..]
}

/// Returns where the `pub use ...;` and `pub(crate) use ...;` of the code begin and end.
fn passing(code: &str) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for word in ["pub use ", "pub(crate) use ", "pub(super) use "] {
        for (i, _) in code.match_indices(word) {
            out.push((i, i + code[i..].find(';').map_or(code.len() - i, |n| n + 1)));
        }
    }
    out.sort_unstable();
    out
}

/// Returns who uses whom among the files below a folder of `src/`. Inherent methods of a type that stand in another
/// file than the type are not seen: their use names no path.
pub fn files_of(sources: &[Source], folder: &str) -> Graph {
    let tests: BTreeSet<String> = sources
        .iter()
        .flat_map(|s| {
            let dir = s.file.trim_end_matches(".rs").trim_end_matches("mod").trim_end_matches('/').to_owned();
            source::test_modules(&s.code).into_iter().map(move |name| format!("{dir}/{name}.rs"))
        })
        .collect();
    let tree = Tree::new(sources);
    let inside = |file: &str| file.starts_with(folder) && !tests.contains(file);
    let used = |(path, s): (&Vec<String>, &&Source)| {
        let used = tree.used(path, s).into_iter().filter(|f| inside(f)).map(str::to_owned).collect();
        (s.file.clone(), used)
    };
    tree.files.iter().filter(|(_, s)| inside(&s.file)).map(used).collect()
}
