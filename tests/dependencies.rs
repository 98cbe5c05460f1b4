//! What the tool is built from: each direct dependency is accounted for in `docs/dependencies.md`,
//! licences are among those of `deny.toml`, and what must not come in twice or at all does not.

#![allow(clippy::disallowed_methods, reason = "cargo hands its own path to tests through the environment")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const MANIFEST: &str = include_str!("../Cargo.toml");
const LOCK: &str = include_str!("../Cargo.lock");
const DENY: &str = include_str!("../deny.toml");
const DOC: &str = include_str!("../docs/dependencies.md");

/// Keys of the dependency tables of `Cargo.toml`.
fn direct() -> BTreeSet<&'static str> {
    let mut out = BTreeSet::new();
    let mut inside = false;
    for line in MANIFEST.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
        } else if inside && let Some((name, _)) = line.split_once(" = ") {
            out.insert(name);
        }
    }
    out
}

/// Versions by name.
fn locked(lock: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        let text = || line.split('"').nth(1).unwrap_or_default();
        if line.starts_with("name = ") {
            name = text();
        } else if line.starts_with("version = \"") && !name.is_empty() {
            out.entry(name).or_default().push(text());
        }
    }
    out
}

/// Crates that `deny.toml` bans, and those that it wants once.
fn bans(deny: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut never, mut once) = (BTreeSet::new(), BTreeSet::new());
    for line in deny.lines() {
        let Some(rest) = line.trim().strip_prefix("{ name = \"") else { continue };
        let name = rest.split('"').next().unwrap_or_default();
        if rest.contains("deny-multiple-versions") {
            once.insert(name)
        } else {
            never.insert(name)
        };
    }
    (never, once)
}

fn broken_bans(lock: &str) -> Vec<String> {
    let locked = locked(lock);
    let (never, once) = bans(DENY);
    let banned = never.into_iter().filter(|n| locked.contains_key(n)).map(|n| format!("{n} is banned"));
    let twice = once.into_iter().filter_map(|n| match locked.get(n) {
        Some(v) if v.len() > 1 => Some(format!("{n} comes in several versions: {}", v.join(", "))),
        _ => None,
    });
    banned.chain(twice).collect()
}

/// Whether an SPDX expression can be met with the allowed licences. `/` is an old way to write OR.
fn met(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let flat = expression.replace('/', " OR ").replace(" WITH LLVM-exception", "");
    // AND binds tighter than OR; the one pair of brackets in use stands around an OR.
    if let Some((group, rest)) = flat.trim().strip_prefix('(').and_then(|t| t.split_once(')')) {
        let rest = rest.trim().trim_start_matches("AND").trim();
        return met(group, allowed) && (rest.is_empty() || met(rest, allowed));
    }
    flat.split(" OR ").any(|side| side.split(" AND ").all(|l| allowed.contains(l.trim())))
}

fn allowed_licences() -> BTreeSet<&'static str> {
    let list = DENY.split("allow = [").nth(1).and_then(|t| t.split(']').next()).expect("an allow list");
    list.split('"').skip(1).step_by(2).collect()
}

#[test]
fn each_direct_dependency_is_accounted_for() {
    let documented: BTreeSet<&str> =
        DOC.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(documented, direct(), "docs/dependencies.md on the left, Cargo.toml on the right");
}

#[test]
fn nothing_banned_and_nothing_twice() {
    assert!(locked(LOCK).contains_key("casefile"), "Cargo.lock was not understood");
    assert_eq!(broken_bans(LOCK), Vec::<String>::new());
}

#[test]
fn a_planted_crate_is_found() {
    let planted = |name: &str| format!("{LOCK}\n[[package]]\nname = \"{name}\"\nversion = \"0.0.1\"\n");
    assert_eq!(broken_bans(&planted("openssl-sys")), ["openssl-sys is banned"]);
    assert_eq!(broken_bans(&planted("reqwest")).len(), 1);
}

#[test]
fn licences_are_among_the_allowed() {
    let run = |program: &str, args: &[&str]| {
        let out = Command::new(program).args(args).output().unwrap();
        assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    // Only this platform's crates: they are on disk already, so no network is needed.
    let rustc = run("rustc", &["-vV"]);
    let host = rustc.lines().find_map(|l| l.strip_prefix("host: ")).unwrap();
    let cargo = std::env::var("CARGO").unwrap();
    let text = run(
        &cargo,
        &["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host],
    );
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "cargo metadata was not understood");
    let allowed = allowed_licences();
    let refused: Vec<String> = packages
        .iter()
        .filter(|p| !met(p["license"].as_str().unwrap_or("none"), &allowed))
        .map(|p| format!("{} {}: {}", p["name"], p["version"], p["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn licence_expressions() {
    let allowed = allowed_licences();
    for fine in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "MIT AND BSD-3-Clause",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR MIT",
    ] {
        assert!(met(fine, &allowed), "{fine}");
    }
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "none", ""] {
        assert!(!met(refused, &allowed), "{refused}");
    }
}

/// The fuzz targets have a lock file of their own, which no build of the tool looks at.
#[test]
fn the_fuzz_targets_are_locked_with_the_same_dependencies() {
    let lock = include_str!("../fuzz/Cargo.lock");
    let casefile = lock.split("[[package]]").find(|p| p.contains("name = \"casefile\"")).unwrap();
    let locked: BTreeSet<&str> =
        casefile.lines().filter_map(|l| l.strip_prefix(" \"")?.split(['"', ' ']).next()).collect();
    let (tables, _) = MANIFEST.split_once("[dev-dependencies]").unwrap();
    let renamed = |name| if name == "serde_yaml" { "yaml_serde" } else { name };
    let wanted: BTreeSet<&str> = direct()
        .into_iter()
        .filter(|name| tables.lines().any(|l| l.strip_prefix(name).is_some_and(|r| r.starts_with(" = "))))
        .map(renamed)
        .collect();
    assert_eq!(locked, wanted, "run `cargo metadata` in fuzz/: its Cargo.lock is out of date");
}
