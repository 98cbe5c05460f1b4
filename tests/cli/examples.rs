//! The examples at the end of each command's help work: each is run by a shell, in a copy of `examples/runbooks` with
//! collections that were asked for.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::sandbox::BIN;

/// Examples that end otherwise than with 0, and why.
const OTHERWISE: [(&str, i32); 9] = [
    // Nobody is there to be asked.
    ("casefile apply --wait --fetch --timeout 1h", 1),
    ("casefile cancel fin-ws-042 --comment 'INC-2042: the device is rebuilt'", 1),
    // The packages are not fetched yet: the bag says so.
    ("casefile export --bagit bag", 3),
    ("casefile export -l incident=INC-2042 --bagit bags/inc-2042", 3),
    // The simulated service has no such action.
    ("casefile import inc-2042.collect-fin-ws-042 5382f7ea-7557-4ab7-9782-d50480024a4e", 1),
    // Nor such an alert.
    ("casefile draft --alert da637472900382838869_1364969609 --label incident=INC-2090 --dry-run", 1),
    // The folder is in no repository.
    ("casefile state migrate --to git:refs/casefile/ir", 1),
    // They serve until they are stopped: only their arguments are read.
    ("casefile sandbox --scenario scenario.yaml", 0),
    ("casefile sandbox --listen 127.0.0.1:9000 --world world.json", 0),
];

fn examples(command: &clap::Command, out: &mut Vec<(String, Vec<String>)>, path: &str) {
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        if sub.has_subcommands() {
            examples(sub, out, &path);
            continue;
        }
        let text = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines =
            text.lines().filter_map(|l| l.strip_prefix("  casefile ").map(|l| format!("casefile {l}")));
        out.push((path, lines.collect()));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn run(dir: &Path, line: &str) -> Output {
    let bin = Path::new(BIN).parent().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("PATH=\"{}:$PATH\" {line}", bin.display())]);
    for name in ["CASEFILE_STATE_URL", "CASEFILE_ENDPOINT", "CASEFILE_ACCESS_TOKEN", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn every_example_of_the_help_works() {
    let root = tempfile::tempdir().unwrap();
    let prepared = root.path().join("prepared");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/runbooks"), &prepared);
    // What somebody who tried the folder by hand has left there.
    let _ = std::fs::remove_dir_all(prepared.join(".casefile"));
    for line in [
        "casefile apply -l incident=INC-2042,step=collect --auto-approve",
        "casefile plan -l incident=INC-2080 --out plan.json",
        "casefile status",
    ] {
        let output = run(&prepared, line);
        assert!(output.status.success(), "{line}: {output:?}");
    }
    let query = r#"DeviceLogonEvents | where AccountName =~ "svc-backup" | distinct DeviceName"#;
    std::fs::write(prepared.join("query.kql"), query).unwrap();
    std::fs::write(prepared.join("hosts.txt"), "hr-ws-019\nops-ws-003\n").unwrap();
    let mut all = Vec::new();
    examples(&casefile::cli::command(), &mut all, "casefile");
    let mut ran = 0;
    for (command, lines) in &all {
        assert!((1..=3).contains(&lines.len()), "{command} has {} examples", lines.len());
        for line in lines {
            assert!(line.starts_with(command.as_str()), "{command}: {line}");
            if command == "casefile sandbox" {
                let words = line.split(' ');
                assert!(casefile::cli::command().try_get_matches_from(words).is_ok(), "{line}");
                continue;
            }
            ran += 1;
            let dir = root.path().join(ran.to_string());
            copy(&prepared, &dir);
            let output = run(&dir, line);
            let code = OTHERWISE.iter().find(|(other, _)| other == line).map_or(0, |(_, code)| *code);
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{line}\n{text}");
        }
    }
    let known = |line: &str| all.iter().any(|(_, lines)| lines.iter().any(|l| l == line));
    assert!(OTHERWISE.iter().all(|(line, _)| known(line)), "an example that is gone");
}
