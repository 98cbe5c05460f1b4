//! A release: its archives, their names and checksums, the action that installs them, the image, and the workflows that make
//! all of it. What can be run on one machine is run, with the shell as it stands there.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read the environment")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BIN: &str = env!("CARGO_BIN_EXE_casefile");
const MANIFEST: &str = include_str!("../Cargo.toml");
const DOCKERFILE: &str = include_str!("../Dockerfile");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Does what a release asks of its program, in no time.
const STAND_IN: &str = r#"#!/bin/sh
case "$*" in
--version) echo "casefile VERSION" ;;
completions*) echo "completions for $2" ;;
'-q man '*)
    mkdir -p "$3/man1" "$3/man7"
    for page in man1/casefile.1 man1/casefile-apply.1 man7/casefile-exit-codes.7; do echo page >"$3/$page"; done
    ;;
*) exit 64 ;;
esac
"#;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&read(name)).unwrap()
}

/// Runs a script of the repository; its files go to `dist`.
fn release(dist: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(Path::new(ROOT).join("scripts/release"));
    command.args(words).env("DIST", dist);
    for name in ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

#[track_caller]
fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stand_in(folder: &Path) -> String {
    script(folder, &STAND_IN.replace("VERSION", VERSION))
}

/// Writes a program into a folder, and returns its path.
fn script(folder: &Path, text: &str) -> String {
    let path = folder.join("stand-in");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// The targets that archives are made for.
fn targets() -> Vec<String> {
    let matrix: Value = serde_json::from_str(&told(&release(Path::new(ROOT), &["matrix"]))).unwrap();
    let targets = matrix["include"].as_array().unwrap().iter();
    targets.map(|row| row["target"].as_str().unwrap().to_owned()).collect()
}

/// The targets that a machine like this one runs archives of.
fn linux() -> Vec<String> {
    targets().into_iter().filter(|t| t.contains("linux")).collect()
}

#[test]
fn the_program_that_was_built_becomes_an_archive_that_holds_what_it_has_to() {
    let dist = tempfile::tempdir().unwrap();
    // A short way to the program: it is large, and packing it takes a while.
    let program = script(dist.path(), &format!("#!/bin/sh\nexec '{BIN}' \"$@\"\n"));
    let said = told(&release(dist.path(), &["--local", "--bin", &program]));
    assert!(said.ends_with("holds what it has to"), "{said}");
    let name = said.split(' ').next().unwrap();
    let archive = dist.path().join(name).display().to_string();
    let list = Command::new("tar").args(["-tzf", &archive]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let stem = name.trim_end_matches(".tar.gz");
    let files: BTreeSet<&str> = list.lines().map(|l| l.strip_prefix(stem).unwrap()).collect();
    // Each command has a page, and each topic.
    let mut expected: BTreeSet<String> = BTreeSet::from(["/man/man1/casefile.1".to_owned()]);
    fn pages(command: &clap::Command, path: &str, out: &mut BTreeSet<String>) {
        for sub in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
            let path = format!("{path}-{}", sub.get_name());
            out.insert(format!("/man/man1/{path}.1"));
            pages(sub, &path, out);
        }
    }
    pages(&casefile::cli::command(), "casefile", &mut expected);
    let found: BTreeSet<String> =
        files.iter().filter(|f| f.starts_with("/man/man1/")).map(|f| (*f).to_owned()).collect();
    assert_eq!(found, expected);
    let topics = told(&Command::new(BIN).args(["help", "topics"]).output().unwrap());
    let topics = topics.lines().filter_map(|l| l.strip_prefix("  ")?.split(' ').next());
    for topic in topics {
        assert!(files.contains(&*format!("/man/man7/casefile-{topic}.7")), "{topic}");
    }
    let others: Vec<&&str> = files.iter().filter(|f| !f.starts_with("/man/")).collect();
    assert_eq!(
        others,
        [
            &"/LICENSE-APACHE",
            &"/LICENSE-MIT",
            &"/LICENSES-OF-OTHERS",
            &"/README.md",
            &"/casefile",
            &"/completions/_casefile",
            &"/completions/_casefile.ps1",
            &"/completions/casefile.bash",
            &"/completions/casefile.elv",
            &"/completions/casefile.fish",
        ]
    );
    let licences =
        Command::new("tar").args(["-xzOf", &archive, &format!("{stem}/LICENSES-OF-OTHERS")]).output();
    let licences = String::from_utf8_lossy(&licences.unwrap().stdout).into_owned();
    for part in
        ["== ring ", "== tokio ", "Permission is hereby granted", "Apache License", "the same text as of"]
    {
        assert!(licences.contains(part), "{part}");
    }
}

/// An archive is all that its reader has: no checkout, and no Rust.
#[test]
fn the_readme_of_an_archive_is_about_the_archive() {
    let dir = tempfile::tempdir().unwrap();
    let program = stand_in(dir.path());
    let usual = read("README.md");
    let first = usual.split("\n\n").nth(1).unwrap();
    for target in targets() {
        let archive = told(&release(dir.path(), &["archive", &target, "--bin", &program]));
        let stem =
            Path::new(&archive).file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.gz").to_owned();
        let work = tempfile::tempdir().unwrap();
        let unpacked = Command::new("tar").args(["-xzf", &archive, "-C"]).arg(work.path()).status().unwrap();
        assert!(unpacked.success());
        let top = work.path().join(stem);
        let text = std::fs::read_to_string(top.join("README.md")).unwrap();
        assert!(text.starts_with(&format!("# casefile {VERSION}\n\n{first}\n")), "{text}");
        assert!(!text.contains("cargo") && !text.contains("](") && text.contains(&target), "{text}");
        let own = if target.contains("windows") { "casefile.exe" } else { "casefile" };
        let commands: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("$ ./")).collect();
        assert_eq!(commands[0], format!("{own} init my-cases"));
        for command in commands {
            let words = command.split(' ').enumerate().map(|(i, w)| if i == 0 { "casefile" } else { w });
            casefile::cli::command().try_get_matches_from(words).unwrap();
        }
        // What it says is here is here.
        let cells = text.lines().filter_map(|l| l.strip_prefix("| `")?.split("` | ").next());
        let files = cells.flat_map(|cell| cell.split("`, `")).filter(|f| !f.contains(' '));
        for file in files.chain(["completions/casefile.bash", "completions/_casefile"]) {
            assert!(top.join(file).exists(), "{target}: {file}");
        }
        // docs/install.md says it of the folder above.
        if !target.contains("windows") {
            let install = read("docs/install.md").replace("casefile-VERSION-TARGET/", "");
            for line in [
                "mkdir -p ~/.local/bin ~/.local/share/man",
                "install casefile ~/.local/bin/",
                "cp -r man/. ~/.local/share/man/",
            ] {
                assert!(
                    text.contains(&format!("\n{line}\n")) && install.contains(&format!("\n{line}\n")),
                    "{line}"
                );
            }
        }
    }
}

/// The image with a program that was built: `scripts/release build x86_64-unknown-linux-musl` takes minutes, so it is done
/// by hand.
#[test]
#[ignore = "it needs a static program that was built, and root for chroot"]
fn the_image_runs_what_was_built() {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let program = Path::new(ROOT).join("target").join(&target).join("release/casefile");
    assert!(program.exists(), "first: scripts/release build {target}");
    let platform = if target.starts_with("x86_64") { "amd64" } else { "arm64" };
    let dist = tempfile::tempdir().unwrap();
    let archive = told(&release(dist.path(), &["archive", &target]));
    told(&release(dist.path(), &["check", &archive]));
    told(&release(dist.path(), &["image", platform]));
    assert_eq!(
        told(&release(dist.path(), &["try-image", platform])),
        format!("the image for {platform} does what it has to")
    );
}

#[test]
fn the_same_files_give_the_same_archive() {
    let [a, b] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let target = &linux()[0];
    let made = |dir: &Path| {
        let path = told(&release(dir, &["archive", target, "--bin", &stand_in(dir)]));
        std::fs::read(path).unwrap()
    };
    assert!(made(a.path()) == made(b.path()));
}

#[test]
fn an_archive_that_lacks_something_is_no_release() {
    let dir = tempfile::tempdir().unwrap();
    let target = &linux()[0];
    let path =
        PathBuf::from(told(&release(dir.path(), &["archive", target, "--bin", &stand_in(dir.path())])));
    told(&release(dir.path(), &["check", path.to_str().unwrap()]));
    let stem = path.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.gz").to_owned();
    for (change, why) in [
        (format!("rm {stem}/LICENSE-MIT"), "lacks LICENSE-MIT"),
        (format!("rm {stem}/completions/_casefile"), "lacks the completions for zsh"),
        (format!("rm {stem}/man/man1/casefile.1"), "lacks man/man1/casefile.1"),
        (format!("echo more >>{stem}/README.md"), "another README.md"),
        (format!("chmod 644 {stem}/casefile"), "cannot be run"),
        (format!("sed -i 's/casefile {VERSION}/casefile 9.9.9/' {stem}/casefile"), "of another version"),
        ("mkdir beside; echo x >beside/x".to_owned(), "files outside"),
    ] {
        let work = tempfile::tempdir().unwrap();
        let packed = work.path().join(path.file_name().unwrap());
        let words = format!("tar -xzf {} && {change}; tar -czf {} *", path.display(), packed.display());
        let shell = Command::new("bash").args(["-c", &words]).current_dir(&work).status().unwrap();
        assert!(shell.success(), "{change}");
        let why_not = refused(&release(dir.path(), &["check", packed.to_str().unwrap()]));
        assert!(why_not.contains(why), "{change}: {why_not}");
    }
    let renamed = dir.path().join("casefile-9.9.9-x.tar.gz");
    std::fs::rename(&path, &renamed).unwrap();
    assert!(
        refused(&release(dir.path(), &["check", renamed.to_str().unwrap()]))
            .contains("no archive of version")
    );
}

#[test]
fn cargo_binstall_looks_for_the_names_that_archives_have() {
    let field = |name: &str| {
        let section =
            MANIFEST.split("[package.metadata.binstall]").nth(1).unwrap().split("\n[").next().unwrap();
        let line = section.lines().find_map(|l| l.strip_prefix(&format!("{name} = \""))).unwrap();
        line.trim_end_matches('"').to_owned()
    };
    assert_eq!(field("pkg-fmt"), "tgz");
    for target in targets() {
        let filled = |text: &str| {
            let text = text.replace("{ name }", "casefile").replace("{ version }", VERSION);
            let text = text.replace("{ target }", &target).replace("{ bin }", "casefile");
            text.replace("{ binary-ext }", if target.contains("windows") { ".exe" } else { "" })
        };
        let name = told(&release(Path::new(ROOT), &["name", &target]));
        assert_eq!(filled(&field("pkg-url")), format!("{{ repo }}/releases/download/v{VERSION}/{name}"));
        let stem = name.trim_end_matches(".tar.gz");
        let program = if target.contains("windows") { "casefile.exe" } else { "casefile" };
        assert_eq!(filled(&field("bin-dir")), format!("{stem}/{program}"));
    }
}

#[test]
fn a_tag_of_another_version_or_repository_makes_no_release() {
    let tag = |tag: &str| release(Path::new(ROOT), &["tag", tag]);
    assert!(refused(&tag("v9.9.9")).contains(&format!("is not v{VERSION}")));
    let named = MANIFEST.lines().any(|l| l.starts_with("repository = "));
    match named {
        true => drop(told(&tag(&format!("v{VERSION}")))),
        false => assert!(refused(&tag(&format!("v{VERSION}"))).contains("names no repository")),
    }
    assert_eq!(told(&release(Path::new(ROOT), &["version"])), VERSION);
    assert_eq!(told(&release(Path::new(ROOT), &["rust"])), env!("CARGO_PKG_RUST_VERSION"));
}

/// A release in a folder, as the action finds it.
struct Released {
    dir: tempfile::TempDir,
    /// The SHA-256 of its archive for this machine.
    sha256: String,
}

impl Released {
    fn new() -> Released {
        let dir = tempfile::tempdir().unwrap();
        let dist = dir.path().join(format!("releases/v{VERSION}"));
        std::fs::create_dir_all(&dist).unwrap();
        let program = stand_in(dir.path());
        for target in linux() {
            told(&release(&dist, &["archive", &target, "--bin", &program]));
        }
        let sums = told(&release(&dist, &["sums"]));
        assert_eq!(sums.lines().count(), 2, "{sums}");
        let sha256 =
            sums.lines().find(|l| l.contains("x86_64")).unwrap().split(' ').next().unwrap().to_owned();
        Released { dir, sha256 }
    }

    /// Runs the shell of `action.yml` as a runner would, with its inputs; returns what it told and the folder.
    fn action(&self, machine: (&str, &str), sha256: &str, releases: &str) -> (Output, tempfile::TempDir) {
        let action = yaml("action.yml");
        let steps = action["runs"]["steps"].as_array().unwrap();
        let [step] = steps.as_slice() else { panic!("{steps:?}") };
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join("programs");
        std::fs::create_dir(&bin).unwrap();
        let cargo = "#!/bin/sh\necho cargo \"$@\"\n";
        std::fs::write(bin.join("cargo"), cargo).unwrap();
        std::fs::set_permissions(bin.join("cargo"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("bash");
        // What `shell: bash` means.
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
        command.env_clear().current_dir(&home).env("HOME", home.path());
        command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
        command.env("RUNNER_OS", machine.0).env("RUNNER_ARCH", machine.1);
        command.env("GITHUB_PATH", home.path().join("path"));
        for (name, value) in step["env"].as_object().unwrap() {
            let value = match value.as_str().unwrap() {
                "${{ github.action_path }}" => ROOT,
                "${{ inputs.sha256 }}" => sha256,
                "${{ inputs.releases }}" => releases,
                beside => {
                    let of = "${{ github.server_url }}/${{ github.action_repository || github.repository }}";
                    assert_eq!(beside, format!("{of}/releases/download"));
                    // Nothing may be asked of it here.
                    "https://action.invalid/releases"
                }
            };
            command.env(name, value);
        }
        (command.output().unwrap(), home)
    }

    fn url(&self) -> String {
        format!("file://{}", self.dir.path().join("releases").display())
    }
}

#[test]
fn the_action_installs_the_release_whose_checksum_is_right() {
    let released = Released::new();
    let machine = ("Linux", "X64");
    for sha256 in ["", &released.sha256] {
        let (output, home) = released.action(machine, sha256, &released.url());
        told(&output);
        let installed = home.path().join(".local/bin/casefile");
        let version = told(&Command::new(&installed).arg("--version").output().unwrap());
        assert_eq!(version, format!("casefile {VERSION}"));
        let path = std::fs::read_to_string(home.path().join("path")).unwrap();
        assert_eq!(path, format!("{}\n", home.path().join(".local/bin").display()));
    }
    let (output, home) = released.action(machine, &"0".repeat(64), &released.url());
    assert!(refused(&output).contains("it is not installed"));
    assert!(!home.path().join(".local/bin/casefile").exists(), "nor is it built");
    // An archive that is not the one of the sums.
    let name = told(&release(Path::new(ROOT), &["name", &linux()[0]]));
    let archive = released.dir.path().join(format!("releases/v{VERSION}/{name}"));
    let mut bytes = std::fs::read(&archive).unwrap();
    bytes.push(0);
    std::fs::write(&archive, bytes).unwrap();
    assert!(refused(&released.action(machine, "", &released.url()).0).contains("it is not installed"));
}

#[test]
fn the_action_builds_where_there_is_no_archive() {
    let released = Released::new();
    for (machine, releases, why) in [
        (("Linux", "RISCV64"), released.url(), "there is no archive for Linux on RISCV64"),
        (("macOS", "ARM64"), released.url(), "the release has no casefile-"),
        (("Linux", "X64"), "file:///nowhere".to_owned(), "there is no release at file:///nowhere/v"),
    ] {
        let (output, home) = released.action(machine, "", &releases);
        let said = told(&output);
        let built =
            format!("cargo install --locked --path {ROOT} --root {}", home.path().join(".local").display());
        assert!(said.contains(why) && said.ends_with(&built), "{said}");
        assert!(home.path().join("path").exists());
    }
    // A release that cannot be asked for is no release that is not there.
    let (output, _) = released.action(("Linux", "X64"), "", "http://127.0.0.1:9");
    assert!(!refused(&output).is_empty());
}

#[test]
fn the_image_is_the_program_alone_for_a_user_without_rights() {
    let lines: Vec<&str> = DOCKERFILE.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    let last = lines.iter().rposition(|l| l.starts_with("FROM ")).unwrap();
    assert_eq!(lines[last], "FROM scratch");
    let of =
        |word: &str| -> Vec<&str> { lines[last..].iter().filter_map(|l| l.strip_prefix(word)).collect() };
    assert_eq!(of("USER "), ["65532:65532"], "a number, and not that of the superuser");
    assert_eq!(of("ENTRYPOINT "), [r#"["/casefile"]"#]);
    assert!(of("RUN ").is_empty() && of("ADD ").is_empty(), "nothing runs, and nothing is fetched");
    assert!(lines[..last].iter().all(|l| l.starts_with("FROM ")));

    let dir = tempfile::tempdir().unwrap();
    let program = stand_in(dir.path());
    for target in linux() {
        told(&release(dir.path(), &["archive", &target, "--bin", &program]));
    }
    let context = PathBuf::from(told(&release(dir.path(), &["image"])));
    let copied: Vec<&str> = of("COPY ").into_iter().filter(|c| !c.contains("--from=")).collect();
    assert_eq!(copied.len(), 1, "{copied:?}");
    let words: Vec<&str> = copied[0].split(' ').collect();
    let [owner, source, target] = words.as_slice() else { panic!("{words:?}") };
    assert_eq!((*owner, *target), ("--chown=65532:65532", "/"));
    for platform in ["amd64", "arm64"] {
        let root = context.join(source.replace("${TARGETARCH}", platform));
        for file in
            ["casefile", "usr/share/doc/casefile/LICENSE-MIT", "usr/share/doc/casefile/LICENSES-OF-OTHERS"]
        {
            assert!(root.join(file).is_file(), "{platform}: {file}");
        }
        let mode = |name: &str| std::fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("tmp"), mode("casefile")), (0o1777, 0o755));
        assert!(root.join("work").is_dir(), "{platform}");
    }
    let workdir = of("WORKDIR ");
    assert_eq!(workdir, ["/work"]);
}

fn steps(workflow: &Value) -> Vec<(&String, &Value)> {
    let jobs = workflow["jobs"].as_object().unwrap().iter();
    jobs.flat_map(|(job, body)| body["steps"].as_array().unwrap().iter().map(move |step| (job, step)))
        .collect()
}

#[test]
fn workflows_have_the_least_rights_and_pinned_actions() {
    for name in [".github/workflows/release.yaml", ".github/workflows/ci.yaml"] {
        let (text, workflow) = (read(name), yaml(name));
        assert_eq!(workflow["permissions"], json!({}), "{name}");
        for line in text.lines().filter_map(|l| l.trim().trim_start_matches("- ").strip_prefix("uses: ")) {
            let (action, version) = line.split_once(" # v").expect(line);
            let commit = action.split_once('@').unwrap().1;
            assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
            assert_eq!(version.split('.').count(), 3, "{line}");
        }
        for (job, step) in steps(&workflow) {
            if step["uses"].as_str().is_some_and(|u| u.starts_with("actions/checkout@")) {
                assert_eq!(step["with"]["persist-credentials"], false, "{name}: {job}");
            }
            // What is typed into shell comes from the environment.
            let run = step["run"].as_str().unwrap_or_default();
            assert!(!run.contains("${{"), "{name}: {job}: {run}");
        }
    }
    let release = yaml(".github/workflows/release.yaml");
    assert_eq!(release["on"], json!({ "push": { "tags": ["v*"] } }));
    let rights = |job: &str| release["jobs"][job]["permissions"].clone();
    assert_eq!(rights("plan"), json!({ "contents": "read" }));
    assert_eq!(rights("archive"), json!({ "contents": "read" }));
    assert_eq!(
        rights("publish"),
        json!({ "contents": "write", "id-token": "write", "attestations": "write" })
    );
    assert_eq!(
        rights("image"),
        json!({ "contents": "read", "packages": "write", "id-token": "write", "attestations": "write" })
    );
    assert_eq!(release["jobs"].as_object().unwrap().len(), 4);
    let ci = yaml(".github/workflows/ci.yaml");
    for (job, body) in ci["jobs"].as_object().unwrap() {
        assert_eq!(body["permissions"], json!({ "contents": "read" }), "{job}");
    }
    let gate: Vec<&str> = steps(&ci)
        .into_iter()
        .filter(|(job, _)| *job == "gate")
        .filter_map(|(_, s)| s["run"].as_str())
        .collect();
    assert_eq!(gate, [".ci/run"]);
}

/// Words of `scripts/release` that the workflow says, and those that the script knows.
#[test]
fn the_workflow_asks_the_script_for_what_it_knows() {
    let release = yaml(".github/workflows/release.yaml");
    let script = read("scripts/release");
    let known: BTreeSet<&str> =
        script.lines().filter_map(|l| l.strip_prefix("#   scripts/release ")?.split(' ').next()).collect();
    let mut asked = BTreeSet::new();
    for (_, step) in steps(&release) {
        for call in step["run"].as_str().unwrap_or_default().split("scripts/release ").skip(1) {
            let word = call.split(|c: char| !c.is_alphanumeric() && c != '-').next().unwrap();
            assert!(known.contains(word), "{word}");
            asked.insert(word.to_owned());
        }
    }
    for word in [
        "tag",
        "matrix",
        "rust",
        "build",
        "archive",
        "check",
        "sbom",
        "sums",
        "image",
        "try-image",
        "version",
    ] {
        assert!(asked.contains(word), "{word}");
    }
    let page = read("docs/install.md");
    let rows = page.lines().filter_map(|l| l.strip_prefix("| ")?.split_once("| `")?.1.strip_suffix("` |"));
    assert_eq!(rows.collect::<Vec<_>>(), targets(), "docs/install.md, and scripts/release");
    let runs = |name: &str| read(name).contains(VERSION);
    assert!(!runs(".github/workflows/release.yaml") && !runs("action.yml") && !runs("Dockerfile"));
}
