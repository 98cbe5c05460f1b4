//! Completion of addresses from the state: the printed scripts are run in the shells themselves.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read the environment")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const BIN: &str = env!("CARGO_BIN_EXE_casefile");

/// A project with three resources in its state, in a folder whose name needs quotes.
struct Case(tempfile::TempDir);

impl Case {
    fn new() -> Case {
        let case = Case(tempfile::tempdir().unwrap());
        let project = case.project();
        std::fs::create_dir_all(project.join("manifests")).unwrap();
        std::fs::create_dir(case.0.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(BIN, case.0.path().join("bin/casefile")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(project.join(name), text).unwrap();
        write(
            "casefile.yaml",
            "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n\
             spec: { defender: { cloud: sandbox } }\n",
        );
        let package = |name: &str, n: usize| {
            format!(
                "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name}, labels: {{ incident: INC-1 }} }}\n\
                 spec: {{ machineId: \"{n:040x}\", comment: c }}\n---\n"
            )
        };
        let alert = "apiVersion: casefile/v1\nkind: Alert\nmetadata: { name: phish }\nspec:\n  machineId: \
                     1e5bc9d7e413ddd7902c2932e418702b84d0cc07\n  severity: Low\n  title: t\n  description: d\n  \
                     recommendedAction: r\n  eventTime: 2018-08-03T16:45:21Z\n  reportId: \"20776\"\n  \
                     category: Exploit\n";
        write("manifests/a.yaml", &(package("ws-1", 1) + &package("ws-2", 2) + alert));
        let applied = Command::new(BIN)
            .args(["apply", "--auto-approve"])
            .current_dir(&project)
            .env_remove("CASEFILE_ENDPOINT")
            .output()
            .unwrap();
        // One of the two packages may be rejected by the simulated service; all are recorded.
        assert!(project.join(".casefile/state.json").exists(), "{applied:?}");
        case
    }

    fn project(&self) -> PathBuf {
        self.0.path().join("my cases")
    }

    /// A command in the folder above the project, with the tool on its path and nothing of ours.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", self.0.path().join("bin").display(), std::env::var("PATH").unwrap());
        command.env_clear().env("PATH", path).env("HOME", self.0.path()).stdin(Stdio::null());
        command.current_dir(self.0.path());
        command
    }

    /// Every file below the project with its content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(dir: &Path, out: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(&path, out),
                    false => drop(out.insert(path.clone(), std::fs::read(&path).unwrap())),
                }
            }
        }
        let mut out = BTreeMap::new();
        walk(&self.project(), &mut out);
        out
    }
}

fn script(shell: &str) -> String {
    let output = Command::new(BIN).args(["completions", shell]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn there(shell: &str) -> bool {
    Command::new(shell).args(["-c", "true"]).status().is_ok_and(|s| s.success())
}

fn lines(output: Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What each shell proposes for the last of the words.
const ALL: [&str; 3] = ["Alert/phish", "InvestigationPackage/ws-1", "InvestigationPackage/ws-2"];
const PACKAGES: [&str; 2] = ["InvestigationPackage/ws-1", "InvestigationPackage/ws-2"];
const CASES: [(&[&str], &[&str]); 11] = [
    (&["-C", "my\\ cases", "plan", "--replace", ""], &ALL),
    (&["-C", "'my cases'", "apply", "-l", "a=b", "--replace", "Al"], &["Alert/phish"]),
    (&["-C", "~/my\\ cases", "status", ""], &ALL),
    (&["cancel", "-C", "\"my cases\"", ""], &PACKAGES),
    (&["-C", "my\\ cases", "state", "show", "InvestigationPackage/ws-2"], &["InvestigationPackage/ws-2"]),
    (&["-C", "my\\ cases", "state", "rm", "Nothing"], &[]),
    (&["-C", "my\\ cases", "state", "mv", ""], &ALL),
    (&["-C", "my\\ cases", "import", "Al"], &["Alert/phish"]),
    (&["-C", "my\\ cases", "plan", "-l", "inc"], &["incident=INC-1"]),
    // No project here, and one that is not there: nothing to propose, and not a word.
    (&["state", "rm", ""], &[]),
    (&["-C", "nowhere", "cancel", ""], &[]),
];

fn bash(case: &Case, words: &[&str]) -> Vec<String> {
    let call = r#"
        source "$1"; shift
        COMP_WORDS=(casefile "$@") COMP_CWORD=$#
        _casefile casefile "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        [ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let file = case.0.path().join("completion.bash");
    std::fs::write(&file, script("bash")).unwrap();
    let mut command = case.command("bash");
    command.args(["--noprofile", "--norc", "-c", call, "bash"]).arg(&file).args(words);
    lines(command.output().unwrap())
}

#[test]
fn bash_proposes_addresses() {
    let case = Case::new();
    let before = case.files();
    for (words, proposed) in CASES {
        assert_eq!(bash(&case, words), proposed, "{words:?}");
    }
    // What readline makes of `--replace=A`.
    assert_eq!(bash(&case, &["-C", "my\\ cases", "plan", "--replace", "=", "A"]), ["Alert/phish"]);
    assert_eq!(bash(&case, &["-C", "my\\ cases", "plan", "--replace", "="]), ALL);
    // Everything else is clap's.
    assert_eq!(bash(&case, &["compl"]), ["completions"]);
    assert_eq!(bash(&case, &["plan", "--format", "js"]), ["json"]);
    // Topics of help stand beside its commands.
    assert_eq!(bash(&case, &["help", "exit"]), ["exit-codes"]);
    assert_eq!(bash(&case, &["help", "dr"]), ["draft", "drill"]);
    assert_eq!(bash(&case, &["-C", "my\\ cases", "cancel", "--com"]), ["--comment"]);
    assert_eq!(case.files(), before, "nothing is written");
}

#[test]
fn zsh_proposes_addresses() {
    if !there("zsh") {
        return;
    }
    let case = Case::new();
    std::fs::write(case.0.path().join("_casefile"), script("zsh")).unwrap();
    let call = r#"
        compdef() { : }
        compadd() { shift; print -l -- "$@" }
        source ./_casefile
        _casefile_static() { print static }
        words=(casefile "$@") CURRENT=$(($# + 1)) PREFIX=${@[-1]}
        _casefile
    "#;
    let zsh = |words: &[&str]| {
        let mut command = case.command("zsh");
        lines(command.args(["-f", "-c", call, "zsh"]).args(words).output().unwrap())
    };
    for (words, proposed) in CASES {
        // `compadd` itself leaves out what does not begin as typed; so does the tool.
        assert_eq!(zsh(words), proposed, "{words:?}");
    }
    let whole = ["-C", "my\\ cases", "plan", "--replace=Al"];
    assert_eq!(zsh(&whole), ["--replace=Alert/phish"]);
    assert_eq!(zsh(&["pl"]), ["static"]);
}

#[test]
fn fish_proposes_addresses() {
    if !there("fish") {
        return;
    }
    let case = Case::new();
    std::fs::write(case.0.path().join("completion.fish"), script("fish")).unwrap();
    let fish = |line: &str| {
        let mut command = case.command("fish");
        command.args(["--no-config", "-c", "source completion.fish; complete -C $argv[1]", line]);
        let proposed = lines(command.output().unwrap());
        let words = proposed.iter().map(|l| l.split('\t').next().unwrap().to_owned());
        words.collect::<Vec<_>>()
    };
    assert_eq!(fish("casefile -C my\\ cases plan --replace "), ALL);
    assert_eq!(fish("casefile -C my\\ cases plan --replace=Al"), ["--replace=Alert/phish"]);
    assert_eq!(fish("casefile -C my\\ cases cancel Inv"), PACKAGES);
    assert_eq!(fish("casefile -C my\\ cases state show A"), ["Alert/phish"]);
    assert_eq!(fish("casefile state li"), ["list"]);
    assert_eq!(fish("casefile help exit"), ["exit-codes"]);
}

#[test]
fn damage_and_nonsense_say_nothing() {
    let case = Case::new();
    let ask = |words: &[&str]| {
        let output = case.command("casefile").arg("__complete").args(words).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let rm = ["casefile", "-C", "my cases", "state", "rm", ""];
    assert_eq!(ask(&["casefile", "plan", ""]).0, Some(1), "no address is expected");
    assert_eq!(ask(&[]).0, Some(1));
    assert_eq!(ask(&rm), (Some(0), ALL.map(|a| format!("{a}\n")).concat()));
    std::fs::write(case.project().join(".casefile/journal.jsonl"), "damaged\n").unwrap();
    assert_eq!(ask(&rm), (Some(0), String::new()));
    std::fs::write(case.project().join("casefile.yaml"), "kind: [").unwrap();
    assert_eq!(ask(&rm), (Some(0), String::new()));
}
