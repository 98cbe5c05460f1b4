//! Holds the rules of `docs/architecture.md`: who may use whom, which files reach outside of the program, and that
//! nobody uses each other in a circle. Reads the table of that page and the paths in `src/`.

mod circles;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use circles::Graph;
use source::{Source, code, paths, shipped, sources, test_modules};

/// Modules by name, with the modules that they may use.
type Rules = BTreeMap<String, BTreeSet<String>>;

const PAGE: &str = include_str!("../../docs/architecture.md");

/// A way out of the program, and the files that may take it. A name that ends with `/` is a whole folder. A file that
/// stands in none of these lists is pure.
struct Edge {
    what: &'static str,
    /// Paths that begin like this.
    paths: &'static [&'static str],
    /// Other text that takes this way.
    text: &'static [&'static str],
    files: &'static [&'static str],
}

const EDGES: &[Edge] = &[
    Edge {
        what: "files",
        paths: &["std::fs", "tempfile", "tokio::fs"],
        text: &[],
        files: &[
            "evidence/bag.rs",
            "evidence/bucket.rs",
            "evidence/folder.rs",
            "files.rs",
            "manifest/discover.rs",
            "platform/",
            "sandbox/store.rs",
            "state/local.rs",
            "state/shared/",
            "cli/",
        ],
    },
    Edge {
        what: "threads",
        paths: &["std::thread"],
        text: &[],
        files: &["manifest/load.rs", "manifest/load/side_by_side.rs", "state/folder.rs", "cli/"],
    },
    Edge {
        what: "the async runtime",
        paths: &["tokio"],
        text: &[],
        files: &[
            "engine/",
            "evidence/download.rs",
            "evidence/store.rs",
            "defender/",
            "drill/play.rs",
            "drill/service.rs",
            "platform/",
            "sandbox/http.rs",
            "state/shared/",
            "cli/",
        ],
    },
    Edge {
        what: "the network",
        paths: &["reqwest", "std::net", "object_store"],
        text: &[],
        files: &[
            "defender/",
            "evidence/bucket.rs",
            "sandbox/http.rs",
            "state/shared/object_fault.rs",
            "state/shared/objects.rs",
            "cli/",
        ],
    },
    Edge { what: "the environment", paths: &["std::env"], text: &[], files: &["cli/"] },
    Edge {
        what: "processes",
        paths: &["std::process", "tokio::process"],
        text: &[],
        files: &["platform/", "defender/auth/sign_in_tool.rs", "state/shared/command.rs", "cli/"],
    },
    Edge {
        what: "clocks",
        paths: &["std::time::SystemTime", "std::time::Instant"],
        text: &["SystemTime::now", "Timestamp::now", "Zoned::now", "Instant::now"],
        files: &["defender/client.rs", "drill/service.rs", "platform/windows.rs", "sandbox/http.rs", "cli/"],
    },
    Edge {
        what: "real paths",
        paths: &[],
        // Windows writes them in a form that git does not take.
        text: &["canonicalize("],
        files: &["platform/"],
    },
    Edge {
        what: "new ids",
        paths: &[],
        text: &["Uuid::new_v4"],
        files: &["defender/auth/certificate.rs", "session.rs", "cli/"],
    },
];

/// The folders whose files use each other in no circle.
const UNTIED: [&str; 6] = ["plan/", "engine/", "defender/", "state/", "manifest/", "seal/"];

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

/// The words for what flows between the modules in a picture of them.
const FLOWS: [&str; 12] = [
    "service", "journal", "human", "json", "intent", "call", "outcome", "snapshot", "events", "progress",
    "lines", "summary",
];

/// The first block of a page that shows boxes and arrows.
fn picture(page: &str) -> Option<&str> {
    let blocks = page.split("```").skip(1).step_by(2);
    // The rest of the line that opens a block names its language.
    blocks.filter_map(|block| Some(block.split_once('\n')?.1)).find(|block| block.contains('▶'))
}

/// Words without capitals, as modules are written.
fn words(picture: &str) -> impl Iterator<Item = &str> {
    let words = picture.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|w| w.starts_with(|c: char| c.is_ascii_lowercase()))
}

/// The top-level module that a file belongs to.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// Top-level modules that the code names: `crate::a::B`, `crate::{a::B, c}`, and chains of `super` that reach the
/// crate's root (`depth` is how many of them do).
fn uses(code: &str, depth: usize) -> BTreeSet<String> {
    let down = |mut path: Vec<String>| (!path.is_empty()).then(|| path.swap_remove(0));
    let up = |path: Vec<String>| {
        let supers = 1 + path.iter().take_while(|s| *s == "super").count();
        path.into_iter().nth(supers - 1).filter(|_| supers == depth)
    };
    let mut found: BTreeSet<String> = paths(code, "crate").into_iter().filter_map(down).collect();
    found.extend(paths(code, "super").into_iter().filter_map(up));
    found
}

/// How many `super` lead from a file to the crate's root: `a/mod.rs` and `a.rs` one, `a/b.rs` two.
fn depth_of(file: &str) -> usize {
    file.trim_end_matches("/mod.rs").matches('/').count() + 1
}

/// Lists what a file does that it may not. `file` is relative to `src/`.
fn violations(rules: &Rules, file: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let module = module_of(file);
    let mut out = Vec::new();
    match rules.get(module) {
        None => out.push(format!("{file}: module `{module}` has no row in docs/architecture.md")),
        Some(allowed) => {
            for used in uses(&code, depth_of(file)) {
                if used != module && rules.contains_key(&used) && !allowed.contains(&used) && module != "cli"
                {
                    out.push(format!("{file}: `{module}` may not use `{used}`"));
                }
            }
        }
    }
    for edge in EDGES.iter().filter(|e| !e.allows(file)) {
        let ways = edge.taken(&shipped(&code));
        if !ways.is_empty() {
            out.push(format!("{file}: reaches {} by `{}`", edge.what, ways.join("`, `")));
        }
    }
    out
}

impl Edge {
    fn allows(&self, file: &str) -> bool {
        self.files.iter().any(|name| stands_in(name, file))
    }

    /// The ways of this edge that the code takes.
    fn taken(&self, code: &str) -> Vec<&'static str> {
        let named = |way: &&&str| {
            let mut segments = way.split("::");
            let root = segments.next().unwrap_or_default();
            let rest: Vec<&str> = segments.collect();
            paths(code, root)
                .iter()
                .any(|path| path.len() >= rest.len() && path.iter().zip(&rest).all(|(a, b)| a == b))
        };
        let said = |way: &&&str| code.contains(**way);
        self.paths.iter().filter(named).chain(self.text.iter().filter(said)).copied().collect()
    }
}

/// Returns whether a file is the one of that name, or in the folder of that name.
fn stands_in(name: &str, file: &str) -> bool {
    if name.ends_with('/') { file.starts_with(name) } else { file == name }
}

/// Source files that are part of what is built for users.
fn built() -> Vec<Source> {
    let all = sources();
    let tests: BTreeSet<String> = all
        .iter()
        .flat_map(|s| {
            let folder = s.file.trim_end_matches(".rs").trim_end_matches("/mod").to_owned();
            test_modules(&s.code).into_iter().map(move |name| format!("{folder}/{name}"))
        })
        .collect();
    let of_tests = |file: &str| {
        tests.iter().any(|t| file.strip_prefix(t.as_str()).is_some_and(|r| r == ".rs" || r.starts_with('/')))
    };
    all.into_iter().filter(|s| s.file != "lib.rs" && !of_tests(&s.file)).collect()
}

#[test]
fn every_module_keeps_to_its_row_and_every_file_to_its_side_of_the_edge() {
    let rules = rules(PAGE);
    let mut out = Vec::new();
    for source in built() {
        out.extend(violations(&rules, &source.file, &source.code));
    }
    assert!(out.is_empty(), "\n{}", out.join("\n"));
}

/// A permission that nobody needs is taken back.
#[test]
fn every_file_at_an_edge_is_there_for_a_reason() {
    let files = built();
    let mut out = Vec::new();
    for edge in EDGES {
        for name in edge.files {
            let needed = files.iter().filter(|s| stands_in(name, &s.file));
            let needed = needed.map(|s| shipped(&s.code)).any(|code| !edge.taken(&code).is_empty());
            if !needed {
                out.push(format!("{name} does not reach {} any more: take it out of EDGES", edge.what));
            }
        }
    }
    assert!(out.is_empty(), "\n{}", out.join("\n"));
}

#[test]
fn the_page_names_exactly_the_modules_that_there_are() {
    let rules = rules(PAGE);
    let there: BTreeSet<String> = built().iter().map(|s| module_of(&s.file).to_owned()).collect();
    let named: BTreeSet<String> = rules.keys().cloned().collect();
    assert_eq!(named, there, "the table of docs/architecture.md, and the modules of src/");
    for (module, used) in &rules {
        let unknown: Vec<&String> = used.iter().filter(|u| *u != "nothing" && !there.contains(*u)).collect();
        assert!(unknown.is_empty(), "the row of `{module}` names {unknown:?}, which are no modules");
    }
    let lib = include_str!("../../src/lib.rs");
    for (page, picture) in
        [("docs/architecture.md", picture(PAGE)), ("src/lib.rs", picture(&lib.replace("//! ", "")))]
    {
        let Some(picture) = picture else {
            // The crate's own page may do without one.
            assert_eq!(page, "src/lib.rs", "{page} has no picture");
            continue;
        };
        let wrong: Vec<&str> = words(picture).filter(|w| !FLOWS.contains(w) && !there.contains(*w)).collect();
        assert!(wrong.is_empty(), "the picture in {page} names {wrong:?}: no module, and not in FLOWS");
    }
}

/// The words of `cfg` that tell operating systems apart.
const SYSTEMS: [&str; 6] = ["unix", "windows", "target_os", "target_family", "target_env", "target_vendor"];

/// Lists what a file says that holds for one operating system alone.
fn of_one_system(code: &str) -> Vec<String> {
    let asked = code.match_indices("cfg").filter_map(|(at, word)| {
        let rest = code[at + word.len()..].trim_start_matches("_attr").trim_start_matches('!');
        let rest = rest.strip_prefix('(')?;
        let mut depth = 1;
        let closed = rest.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let closed = closed.unwrap_or(rest.len());
        let mut words = rest[..closed].split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|w| SYSTEMS.contains(&w)).then(|| format!("cfg({})", &rest[..closed]))
    });
    let ways = ["std::os", "rustix", "windows_sys", "libc", "tokio::signal", "anstyle_query"];
    let named = ways.into_iter().filter(|way| {
        let (root, rest) = way.split_once("::").unwrap_or((way, ""));
        paths(code, root).iter().any(|path| rest.is_empty() || path.first().is_some_and(|p| p == rest))
    });
    asked.chain(named.map(str::to_owned)).collect()
}

/// Tests too: what they need of one system, `platform::testing` makes.
#[test]
fn what_holds_for_one_operating_system_stands_in_platform() {
    let others = sources().into_iter().filter(|s| module_of(&s.file) != "platform");
    let found: Vec<String> = others
        .flat_map(|s| of_one_system(&s.code).into_iter().map(move |w| format!("{}: {w}", s.file)))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    for (text, found) in [
        ("#[cfg(unix)]\nfn f() {}", 1),
        ("#[cfg(all(test, unix))]\nmod tests {}", 1),
        ("#[cfg(not(any(target_os = \"linux\", target_os = \"android\")))]\nfn f() {}", 1),
        ("#[cfg_attr(windows, path = \"a.rs\")]\nmod a;", 1),
        ("let n = if cfg!(unix) { 77 } else { 37 };", 1),
        ("use std::os::fd::AsFd as _;", 1),
        ("fn f() { rustix::process::geteuid(); }", 1),
        ("use tokio::{signal::unix::signal, time};", 1),
        ("#[cfg(test)]\nmod tests { fn f() { let unix = unix(); windows(unix); } }", 0),
        ("use std::{io, path::Path};\nuse tokio::sync::watch;", 0),
    ] {
        assert_eq!(of_one_system(&code(text)).len(), found, "{text}: {:?}", of_one_system(&code(text)));
    }
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let mut graph = Graph::new();
    for source in built() {
        let module = module_of(&source.file);
        let used = uses(&shipped(&source.code), depth_of(&source.file));
        graph.entry(module.to_owned()).or_default().extend(used.into_iter().filter(|u| u != module));
    }
    assert_eq!(circles::circles(&graph), BTreeSet::new());
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let sources = sources();
    let graphs = UNTIED.map(|folder| circles::files_of(&sources, folder));
    assert!(graphs.iter().all(|g| g.len() > 3), "the files were not found");
    let found: BTreeSet<Vec<String>> = graphs.iter().flat_map(circles::circles).collect();
    let pairs: Vec<String> = graphs.iter().flat_map(circles::pairs).collect();
    assert_eq!(found, BTreeSet::new(), "these files use each other; directly: {pairs:#?}");
}

mod checker {
    use super::*;

    fn check(file: &str, text: &str) -> Vec<String> {
        violations(&rules(PAGE), file, text)
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
            ("plan/table.rs", "use crate::manifest::Project;"),
            ("plan/table.rs", "use crate::defender::Client;"),
            ("defender/client.rs", "use crate::state::State;"),
            ("sandbox/world.rs", "use crate::defender::wire;"),
            ("render/human.rs", "use crate::cli::context::Context;"),
            ("engine/mod.rs", "use crate::cli::exit::Code;"),
            ("manifest/schema.rs", "let home = std::env::var(\"HOME\");"),
            ("plan/table.rs", "let now = jiff::Timestamp::now();"),
            ("state/fold.rs", "let now = std::time::SystemTime::now();"),
            ("render/json.rs", "use tokio::io::AsyncWrite;"),
            ("model/time.rs", "use reqwest::Client;"),
            ("state/journal.rs", "use std::{fs::File, io};"),
            ("state/fold.rs", "let t = std::thread::current();"),
            ("plan/table.rs", "use std::{io, time::Instant};"),
            ("files.rs", "use tokio::time::sleep;"),
            ("seal/format.rs", "let id = uuid::Uuid::new_v4();"),
            ("plan/table.rs", "#[cfg(test)]\nuse std::env;\nuse std::net::IpAddr;"),
            ("sandbox/world.rs", "use std::{\n    collections::{BTreeMap, BTreeSet},\n    fs,\n};"),
            ("helpers/mod.rs", ""),
        ] {
            assert_eq!(check(file, text).len(), 1, "{file}: {text}");
        }
    }

    #[test]
    fn what_is_allowed_and_what_is_no_code_passes() {
        for (file, text) in [
            ("plan/table.rs", "use crate::{model::Address, state::State};"),
            ("plan/table.rs", "use crate::plan::Change;"),
            ("plan/table.rs", "use super::change::Change;"),
            ("plan/table.rs", "// not crate::defender\nlet s = \"crate::defender \\\" crate::cli\";"),
            ("plan/table.rs", "/// See [`crate::engine`].\nfn f() { let q = '\"'; }"),
            ("cli/plan.rs", "use crate::{engine, defender, manifest, plan, render, sandbox, state};"),
            ("state/local.rs", "use std::fs::File;"),
            ("plan/table.rs", "use std::{time::Duration, io::Read};"),
            ("model/word.rs", "let fs = environment::fs(fs);"),
            ("plan/table.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use std::env; }"),
        ] {
            assert_eq!(check(file, text), Vec::<String>::new(), "{file}: {text}");
        }
    }
}

mod reader {
    use super::*;

    #[test]
    fn groups_are_written_out() {
        let found =
            paths("use std::{fs, io::{self, Read as _}, a::B};\nstd::env::var(x); my_std::no::no();", "std");
        let found: Vec<String> = found.iter().map(|p| p.join("::")).collect();
        assert_eq!(found, ["fs", "io::self", "io::Read", "a::B", "env::var"]);
    }

    #[test]
    fn what_only_tests_see_is_left_out() {
        let code = "use a;\n#[cfg(test)]\nuse b;\nfn f() {}\n#[cfg(all(test, unix))]\nmod tests { fn g() { h() } }\nfn i() {}";
        let left = shipped(code);
        for there in ["use a", "fn f", "fn i"] {
            assert!(left.contains(there), "{there}: {left}");
        }
        for gone in ["use b", "fn g", "h()"] {
            assert!(!left.contains(gone), "{gone}: {left}");
        }
        assert_eq!(
            test_modules("#[cfg(test)]\nmod samples;\nmod real;"),
            BTreeSet::from(["samples".to_owned()])
        );
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        let source = |file: &str, text: &str| Source { file: file.to_owned(), code: code(text) };
        for (a, b) in [
            ("use super::b::B;", "use super::a::A;"),
            ("use crate::plan::{b::B, c};", "use crate::plan::A;"),
            ("use super::{B, c::C};", "fn f() -> super::a::A { todo }"),
            ("use super::*;", "use super::a::*;"),
        ] {
            let passes = "mod a;\nmod b;\npub use a::A;\npub(crate) use b::*;";
            let files = [source("plan/mod.rs", passes), source("plan/a.rs", a), source("plan/b.rs", b)];
            let found = circles::circles(&circles::files_of(&files, "plan/"));
            // A glob of what a module passes on counts as its use.
            assert!(
                found.contains(&vec!["plan/a.rs".to_owned(), "plan/b.rs".to_owned()]),
                "{a} {b}: {found:?}"
            );
        }
        let files = [
            source("plan/mod.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;"),
            source("plan/a.rs", "use super::b::B;\n#[cfg(test)]\nmod tests { use super::*; }"),
            source("plan/b.rs", "use super::Z;\n#[cfg(test)]\nmod tests { use super::super::a::A; }"),
        ];
        assert_eq!(circles::circles(&circles::files_of(&files, "plan/")), BTreeSet::new());
    }
}

/// The names at the top of the repository.
const TOP: [&str; 23] = [
    ".ci",
    ".github",
    ".gitignore",
    ".pre-commit-hooks.yaml",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "action.yml",
    "benches",
    "clippy.toml",
    "deny.toml",
    "docs",
    "examples",
    "fuzz",
    "rustfmt.toml",
    "schemas",
    "scripts",
    "src",
    "tests",
];

#[test]
fn the_repository_holds_what_was_written_for_it_and_nothing_that_was_downloaded() {
    let mut git = std::process::Command::new("git");
    let listed = git.args(["ls-files", "-z"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(listed.status.success(), "this is no clone");
    let files = String::from_utf8(listed.stdout).unwrap();
    let top: BTreeSet<&str> = files.split_terminator('\0').filter_map(|f| f.split('/').next()).collect();
    assert_eq!(top.into_iter().collect::<Vec<_>>(), TOP);
}
