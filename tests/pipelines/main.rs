//! The pipelines of `examples/pipelines` and the hooks of `.pre-commit-hooks.yaml`: the shell in them is
//! run as it stands there, with the built binary, the simulated service and a code host on loopback.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests write their own files and read the environment")]

mod blocks;
mod forge;
mod installed;
mod merged;
#[path = "../cli/sandbox.rs"]
mod sandbox;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use blocks::{Block, blocks, document, expanded};
use forge::{Forge, Kind, TOKEN};
use sandbox::{BIN, Sandbox};
use serde_json::{Value, json};

const SERVICE_TOKEN: &str = "service-token-41cc";
const ID_TOKEN: &str = "id-token-9a2d";
const JOB_TOKEN: &str = "job-token-50fd";
const KINDS: [Kind; 3] = [Kind::Github, Kind::Gitlab, Kind::Azure];

/// Whether the programs of the scripts are there. A gate must not pass because one is missing.
#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn runnable() -> bool {
    let missing: Vec<&str> = ["bash", "curl", "jq", "git"]
        .into_iter()
        .filter(|p| Command::new(p).arg("--version").stdout(Stdio::null()).status().is_err())
        .collect();
    assert!(missing.is_empty() || std::env::var_os("CI").is_none(), "missing: {missing:?}");
    if !missing.is_empty() {
        eprintln!("not run: {missing:?} cannot be found");
    }
    missing.is_empty()
}

/// A repository with a project, the service that it asks, and a pull request. The tool is in no folder that programs are
/// looked for in: an archive of it is there, which each job installs.
struct Case {
    root: tempfile::TempDir,
    /// The SHA-256 of the archive.
    sha256: String,
    sandbox: Sandbox,
    forge: Forge,
    /// The digest that a person gives who runs the pipeline by hand.
    expect: String,
}

fn package(name: &str, comment: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec:\n  \
         machineId: \"{:040x}\"\n  comment: {}\n",
        1,
        json!(comment)
    )
}

impl Case {
    fn new(kind: Kind) -> Case {
        let root = tempfile::tempdir().unwrap();
        let forge = Forge::start(kind);
        let sandbox = Sandbox::start("{}");
        let mut case = Case { root, sha256: String::new(), sandbox, forge, expect: String::new() };
        for folder in ["repo/manifests", "repo/scripts", "bin", "temp", "tool"] {
            std::fs::create_dir_all(case.path(folder)).unwrap();
        }
        case.pack();
        // What a runner installs beside the tool is here already.
        std::os::unix::fs::symlink("/bin/true", case.path("bin/apt-get")).unwrap();
        for name in ["install-casefile.sh", "plan-comment.sh", "state-token.sh"] {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipelines").join(name);
            std::fs::copy(script, case.path("repo/scripts").join(name)).unwrap();
        }
        case.write("casefile.yaml", "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: t }\n");
        case.write("manifests/a.yaml", &package("a", "first"));
        case.commit();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path("repo").join(name), text).unwrap();
    }

    /// Makes an archive as a release has it. Its program is a short way to the one that was built.
    fn pack(&mut self) {
        std::os::unix::fs::symlink(BIN, self.path("tool/casefile")).unwrap();
        let packed = self.path("packed/casefile-0.0.0-here");
        std::fs::create_dir_all(&packed).unwrap();
        let program = format!("#!/bin/sh\nexec '{}' \"$@\"\n", self.path("tool/casefile").display());
        std::fs::write(packed.join("casefile"), program).unwrap();
        std::fs::write(packed.join("README.md"), "of the archive\n").unwrap();
        let made = "chmod 755 casefile-0.0.0-here/casefile && tar -czf archive.tar.gz casefile-0.0.0-here && sha256sum archive.tar.gz";
        let output = Command::new("sh").args(["-c", made]).current_dir(self.path("packed")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        self.sha256 = String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned();
    }

    fn archive(&self) -> String {
        format!("file://{}", self.path("packed/archive.tar.gz").display())
    }

    fn commit(&self) {
        for args in [&["init", "-q"][..], &["add", "-A"]] {
            assert!(self.command("git").args(args).status().unwrap().success());
        }
    }

    /// A program in the repository, with a runner's environment and nothing of ours.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        command.current_dir(self.path("repo")).env_clear().env("PATH", path).stdin(Stdio::null());
        command
            .env("HOME", self.root.path())
            .env("TMPDIR", self.path("temp"))
            .env("CI", "true")
            .env("CASEFILE_ENDPOINT", &self.sandbox.url)
            .env("CASEFILE_ACCESS_TOKEN", SERVICE_TOKEN);
        command
    }

    fn casefile(&self, args: &[&str]) {
        assert!(self.command(BIN).args(args).output().unwrap().status.success(), "{args:?}");
    }

    /// What the forge's own variables and expressions stand for.
    fn environment(&self) -> (Vec<(&'static str, String)>, BTreeMap<&'static str, String>) {
        let text = |p: PathBuf| p.display().to_string();
        let url = self.forge.url.clone();
        match self.forge.kind {
            Kind::Github => (
                vec![
                    ("GITHUB_API_URL", url),
                    ("GITHUB_PATH", text(self.path("temp/path"))),
                    ("GITHUB_REPOSITORY", "contoso/cases".into()),
                    ("GITHUB_RUN_ID", "11".into()),
                    ("GITHUB_SERVER_URL", "https://github.example".into()),
                    ("GITHUB_STEP_SUMMARY", text(self.path("temp/casefile-summary.md"))),
                    ("RUNNER_TEMP", text(self.path("temp"))),
                ],
                BTreeMap::from([
                    ("${{ vars.CASEFILE_ARCHIVE }}", self.archive()),
                    ("${{ vars.CASEFILE_SHA256 }}", self.sha256.clone()),
                    ("${{ vars.CASEFILE_SOURCE }}", String::new()),
                    ("${{ vars.CASEFILE_REV }}", String::new()),
                    ("${{ vars.AZURE_TENANT_ID }}", "tenant".into()),
                    ("${{ vars.AZURE_CLIENT_ID }}", "client".into()),
                    ("${{ vars.AZURE_APPLY_CLIENT_ID }}", "client".into()),
                    ("${{ inputs.expect }}", self.expect.clone()),
                    ("${{ github.token }}", TOKEN.into()),
                    ("${{ github.event.pull_request.number }}", "7".into()),
                ]),
            ),
            Kind::Gitlab => (
                vec![
                    ("CI_API_V4_URL", url),
                    ("CI_PROJECT_ID", "5".into()),
                    ("CI_MERGE_REQUEST_IID", "7".into()),
                    ("CI_PROJECT_DIR", text(self.path("repo"))),
                    ("CI_SERVER_URL", "https://gitlab.example".into()),
                    ("CI_DEFAULT_BRANCH", "main".into()),
                    ("CI_JOB_URL", "https://gitlab.example/contoso/cases/-/jobs/11".into()),
                    ("CI_JOB_TOKEN", JOB_TOKEN.into()),
                    ("CASEFILE_COMMENT_TOKEN", TOKEN.into()),
                    ("CASEFILE_EXPECT", self.expect.clone()),
                ],
                BTreeMap::from([("$ID_TOKEN", ID_TOKEN.into())]),
            ),
            Kind::Azure => (
                vec![
                    ("TF_BUILD", "True".into()),
                    ("SYSTEM_COLLECTIONURI", format!("{url}/contoso/")),
                    ("SYSTEM_TEAMPROJECTID", "project-id".into()),
                    ("BUILD_REPOSITORY_ID", "repository-id".into()),
                    ("SYSTEM_PULLREQUEST_PULLREQUESTID", "7".into()),
                    ("BUILD_ARTIFACTSTAGINGDIRECTORY", text(self.path("temp"))),
                    ("AGENT_TEMPDIRECTORY", text(self.path("temp"))),
                    ("AZURESUBSCRIPTION_TENANT_ID", "tenant".into()),
                    ("AZURESUBSCRIPTION_CLIENT_ID", "client".into()),
                ],
                BTreeMap::from([
                    ("$(project)", ".".into()),
                    ("$(System.AccessToken)", TOKEN.into()),
                    // A parameter cannot be empty.
                    ("${{ parameters.expect }}", format!("{} ", self.expect)),
                ]),
            ),
        }
    }

    fn job(&self, job: &str) -> (bool, String) {
        let blocks: Vec<_> = blocks(self.forge.kind).into_iter().filter(|b| b.job == job).collect();
        assert!(!blocks.is_empty(), "{job}");
        let (code, told) = self.run(&blocks);
        (code == 0, told)
    }

    /// Runs blocks one after the other until one fails, as a runner does. Returns its exit code and what all told.
    fn run(&self, blocks: &[Block]) -> (i32, String) {
        let (builtin, known) = self.environment();
        let mut told = String::new();
        // A runner that nothing was installed on yet.
        let _ = std::fs::remove_dir_all(self.path(".local"));
        let _ = std::fs::remove_file(self.path("temp/path"));
        let mut path = self
            .command("bash")
            .get_envs()
            .find_map(|(k, v)| (k == "PATH").then_some(v))
            .flatten()
            .unwrap()
            .to_owned();
        for block in blocks {
            let mut command = self.command("bash");
            command.args(["--noprofile", "--norc", "-c", &block.shell]);
            command.env("CASEFILE_ARCHIVE", self.archive()).env("CASEFILE_SHA256", &self.sha256);
            command.env("PATH", &path);
            command.envs(builtin.iter().cloned());
            command.envs(block.variables.iter().map(|(k, v)| (k, expanded(v, &known))));
            let output = command.output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            // Where programs are looked for from here on, in the words that each runner obeys.
            const PREPEND: &str = "##vso[task.prependpath]";
            let (obeyed, shown): (Vec<&str>, Vec<&str>) =
                said.split_inclusive('\n').partition(|l| l.starts_with(PREPEND));
            let added = std::fs::read_to_string(self.path("temp/path")).unwrap_or_default();
            let _ = std::fs::remove_file(self.path("temp/path"));
            for folder in added.lines().chain(obeyed.iter().map(|l| l[PREPEND.len()..].trim_end())) {
                path = format!("{folder}:{}", path.to_str().unwrap()).into();
            }
            told += &shown.concat();
            told += &String::from_utf8(output.stderr).unwrap();
            for secret in [TOKEN, SERVICE_TOKEN, ID_TOKEN, JOB_TOKEN] {
                assert!(!told.contains(secret), "{told}");
            }
            if !output.status.success() {
                return (output.status.code().unwrap(), told);
            }
        }
        (0, told)
    }

    #[track_caller]
    fn passes(&self, job: &str) -> String {
        let (passed, told) = self.job(job);
        assert!(passed, "{job}: {told}");
        told
    }

    #[track_caller]
    fn fails(&self, job: &str) -> String {
        let (passed, told) = self.job(job);
        assert!(!passed, "{job}: {told}");
        told
    }
}

#[test]
fn the_plan_is_one_comment_that_is_kept_up_to_date() {
    if !runnable() {
        return;
    }
    for kind in KINDS {
        let case = Case::new(kind);
        // More than a page of them, and some that look like ours: one quotes it, one is somebody else's.
        let marker = "<!-- casefile plan: . -->";
        for n in 0..120 {
            case.forge.other(&format!("comment {n}"));
        }
        case.forge.other(&format!("> {marker}"));
        case.forge.other(&format!("{marker}\nlooks fine to me"));
        let others = case.forge.comments().clone();

        case.passes("plan");
        let first = case.forge.ours();
        assert_eq!(first.len(), 1, "{kind:?}");
        assert!(first[0].body.starts_with(&format!("{marker}\n### casefile plan: 1 to create\n")));
        assert!(first[0].body.contains("casefile apply --expect sha256:"), "{}", first[0].body);

        case.write("manifests/b.yaml", &package("b", "second"));
        case.passes("plan");
        let second = case.forge.ours();
        assert_eq!((second.len(), second[0].id), (1, first[0].id), "{kind:?}");
        assert!(second[0].body.contains("### casefile plan: 2 to create"), "{}", second[0].body);

        // Nothing to do is a plan too.
        case.casefile(&["apply", "--auto-approve"]);
        case.passes("plan");
        assert!(case.forge.ours()[0].body.contains("### casefile plan:"));
        assert!(!case.forge.ours()[0].body.contains("to create"));

        // A plan that cannot be made does not leave the last one standing, and fails.
        case.write("manifests/b.yaml", "kind: \"##vso[task.setvariable variable=x]y\"\n");
        let told = case.fails("plan");
        assert!(!told.contains("##vso"), "{told}");
        let last = case.forge.ours();
        assert_eq!(last.len(), 1);
        assert!(last[0].body.contains("`casefile plan` failed with exit code 1"), "{}", last[0].body);
        assert!(!last[0].body.contains("### casefile plan"), "{}", last[0].body);

        assert_eq!(case.forge.comments()[..others.len()], others, "comments of others are left alone");
        let left =
            std::fs::read_dir(case.path("temp")).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir());
        assert_eq!(left.count(), 0, "the script removes its folder");
    }
}

#[test]
fn manifests_and_seals_are_checked() {
    if !runnable() {
        return;
    }
    for kind in KINDS {
        let case = Case::new(kind);
        case.passes("check");
        // From the first seal on, each manifest needs one.
        case.casefile(&["seal"]);
        case.commit();
        case.passes("check");
        case.write("manifests/a.yaml", &package("a", "edited ##vso[task.complete]"));
        let told = case.fails("check");
        assert!(told.contains("seal-outdated"), "{told}");
        case.write("manifests/a.yaml", "kind: Nothing ##vso[task.complete]\n");
        let told = case.fails("check");
        assert!(told.contains("manifests/a.yaml"), "{told}");
        match kind {
            Kind::Github => assert!(told.contains("::error file=manifests/a.yaml,line=1"), "{told}"),
            Kind::Azure => assert!(!told.contains("##vso"), "{told}"),
            Kind::Gitlab => {}
        }
        // Findings are uploaded although, and because, there are some.
        match kind {
            Kind::Github => drop(case.passes("code-scanning")),
            Kind::Azure => {
                let with = |words: &str| blocks(kind).into_iter().find(|b| b.shell.contains(words)).unwrap();
                let (code, told) = case.run(&[with("install-casefile.sh"), with("sarif")]);
                assert_eq!(code, 0, "{told}");
            }
            Kind::Gitlab => continue,
        }
        let sarif = std::fs::read_to_string(case.path("temp/casefile.sarif")).unwrap();
        let sarif: Value = serde_json::from_str(&sarif).unwrap();
        let found = &sarif["runs"][0]["results"][0];
        assert_eq!(found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "manifests/a.yaml");
    }
}

#[test]
fn rights_are_the_least_that_work() {
    let github = document(Kind::Github);
    assert_eq!(github["permissions"], json!({}));
    assert_eq!(github["on"]["pull_request_target"], Value::Null, "would run with secrets for forks");
    let rights = |job: &str| github["jobs"][job]["permissions"].clone();
    assert_eq!(rights("check"), json!({ "contents": "read" }));
    assert_eq!(rights("plan"), json!({ "contents": "read", "id-token": "write", "pull-requests": "write" }));
    assert_eq!(
        rights("code-scanning"),
        json!({ "contents": "read", "actions": "read", "security-events": "write" })
    );
    for (job, body) in github["jobs"].as_object().unwrap() {
        let own = "github.event.pull_request.head.repo.full_name == github.repository";
        let guarded = body["if"].as_str().is_some_and(|c| c.contains(own));
        assert!(guarded || job == "check", "{job} runs for forks");
        let checkout = &body["steps"][0];
        assert_eq!(checkout["with"]["persist-credentials"], false, "{job}");
    }
    // No step before the plan gets a token.
    for kind in KINDS {
        for block in blocks(kind) {
            let secret =
                |v: &String| ["github.token", "System.AccessToken", "secrets."].iter().any(|s| v.contains(s));
            let plans = block.shell.contains("plan-comment.sh");
            assert!(plans || !block.variables.values().any(secret), "{block:?}");
        }
    }
    let azure = document(Kind::Azure);
    let plan = azure["jobs"].as_array().unwrap().iter().find(|j| j["job"] == "plan").unwrap();
    assert!(
        plan["condition"].as_str().unwrap().contains("ne(variables['System.PullRequest.IsFork'], 'True')")
    );
    let gitlab = document(Kind::Gitlab);
    let rule = "$CI_MERGE_REQUEST_IID && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID";
    assert_eq!(gitlab["plan"]["rules"], json!([{ "if": rule }]));
    assert_eq!(gitlab["plan"]["id_tokens"]["CASEFILE_ID_TOKEN"]["aud"], "api://AzureADTokenExchange");
}

#[test]
fn init_writes_the_same_workflow() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Command::new(BIN).arg("init").arg(dir.path()).output().unwrap().status.success());
    for (written, example) in [
        (".github/workflows/casefile.yaml", "github-actions.yaml"),
        ("scripts/install-casefile.sh", "install-casefile.sh"),
        ("scripts/plan-comment.sh", "plan-comment.sh"),
        ("scripts/state-token.sh", "state-token.sh"),
    ] {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipelines").join(example);
        let read = |p: &Path| std::fs::read_to_string(p).unwrap();
        assert_eq!(read(&dir.path().join(written)), read(&example));
    }
}

/// Comments are read where the files are written: there, nothing has the name that it has among the examples.
#[test]
fn pipelines_name_files_as_they_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipelines");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.collect();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let examples: Vec<String> = files.iter().map(|f| name(f)).filter(|n| n.ends_with(".yaml")).collect();
    assert_eq!(examples.len(), 6);
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for example in &examples {
            assert!(!text.contains(example.as_str()), "{} names {example}", name(file));
        }
    }
}

#[test]
fn hooks_of_pre_commit() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml"));
    let hooks: Vec<BTreeMap<String, Value>> = serde_yaml::from_str(&text.unwrap()).unwrap();
    // No `files`: a list of devices that changed and a manifest that is gone match no pattern of names.
    let fields = ["always_run", "description", "entry", "id", "language", "name", "pass_filenames"];
    let dir = tempfile::tempdir().unwrap();
    assert!(Command::new(BIN).arg("init").arg(dir.path()).output().unwrap().status.success());
    // The commit before the one that the hooks run for.
    for words in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "begun"]] {
        let who = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let git = Command::new("git").current_dir(dir.path()).args(who).args(words).status();
        assert!(git.unwrap().success(), "{words:?}");
    }
    let run = |id: &str| {
        let hook = hooks.iter().find(|h| h["id"] == id).unwrap();
        let mut words = hook["entry"].as_str().unwrap().split(' ');
        assert_eq!(words.next(), Some("casefile"));
        let output =
            Command::new(BIN).args(words).current_dir(dir.path()).env("CI", "true").output().unwrap();
        output.status.code().unwrap()
    };
    let ids: Vec<&str> = hooks.iter().map(|h| h["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["casefile-validate", "casefile-seal-check", "casefile-seal"]);
    for hook in &hooks {
        assert_eq!(hook.keys().map(String::as_str).collect::<Vec<_>>(), fields);
        assert_eq!(hook["language"], "system");
        assert_eq!(hook["pass_filenames"], false);
        assert_eq!(hook["always_run"], true);
    }
    assert_eq!(run("casefile-validate"), 0);
    assert_eq!(run("casefile-seal-check"), 1, "nothing is sealed yet");
    assert_eq!(run("casefile-seal"), 0);
    assert_eq!(run("casefile-seal-check"), 0);
    std::fs::write(dir.path().join("manifests/example.yaml"), "kind: Nothing\n").unwrap();
    assert_eq!(run("casefile-validate"), 1);
}
