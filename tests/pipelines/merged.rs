//! What is merged is applied, with the state in a bare repository; and the nightly plan tells what needs a person.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::blocks::{applying_blocks, applying_document};
use super::forge::{Issue, Kind, TOKEN};
use super::sandbox::{BIN, Sandbox};
use super::{Case, JOB_TOKEN, KINDS, package, runnable};

impl Case {
    /// A project as `init` writes it, pushed to a bare repository, with a service where collections are over at once.
    fn merged(kind: Kind) -> Case {
        let mut case = Case::new(kind);
        case.sandbox = Sandbox::start("delays: { pending: 0, running: 0 }");
        std::fs::remove_dir_all(case.path("repo")).unwrap();
        std::fs::create_dir(case.path("repo")).unwrap();
        let forge = match kind {
            Kind::Github => "github",
            Kind::Gitlab => "gitlab",
            Kind::Azure => "azure",
        };
        case.casefile(&["init", "--pipeline", forge, "--state", "git"]);
        std::fs::remove_file(case.path("repo/manifests/example.yaml")).unwrap();
        let remote = case.path("remote.git").display().to_string();
        case.git(&["init", "-q", "--bare", &remote]);
        case.git(&["init", "-q"]);
        case.git(&["remote", "add", "origin", &remote]);
        case.write("manifests/a.yaml", &package("a", "first"));
        case.merge(true);
        case
    }

    fn git(&self, words: &[&str]) -> String {
        let who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
        let output = self.command("git").args(who).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits what is there, sealed or not, and pushes it to `main`.
    fn merge(&self, sealed: bool) {
        if sealed {
            self.casefile(&["seal"]);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "merged"]);
        self.git(&["push", "-q", "origin", "HEAD:main"]);
    }

    /// Runs a job of the main branch on a runner that has never seen the project; returns the exit code, the log and
    /// the summary.
    fn on_main(&self, job: &str) -> (i32, String, String) {
        let summary = match self.forge.kind {
            Kind::Gitlab => self.path("repo/casefile-summary.md"),
            _ => self.path("temp/casefile-summary.md"),
        };
        for left in [&summary, &self.path(".cache")] {
            let _ = std::fs::remove_file(left);
            let _ = std::fs::remove_dir_all(left);
        }
        let blocks: Vec<_> = applying_blocks(self.forge.kind).into_iter().filter(|b| b.job == job).collect();
        assert!(!blocks.is_empty(), "{job}");
        let (code, told) = self.run(&blocks);
        let shown = std::fs::read_to_string(&summary).unwrap_or_default();
        if self.forge.kind == Kind::Azure {
            assert!(told.contains(&format!("##vso[task.uploadsummary]{}", summary.display())), "{told}");
        }
        let _ = std::fs::remove_file(&summary);
        (code, told, shown)
    }

    fn collections(&self) -> usize {
        let url = format!("{}/api/machineactions", self.sandbox.url);
        let output =
            self.command("curl").args(["-s", "-H", "Authorization: Bearer t", &url]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().matches("\"CollectInvestigationPackage\"").count()
    }

    /// Puts a program into the place where the runner finds its own, or the tool into that where its archive does.
    pub fn stub(&self, name: &str, text: &str) {
        let path = self.path(if name == "casefile" { "tool" } else { "bin" }).join(name);
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn what_is_merged_is_applied_once() {
    if !runnable() {
        return;
    }
    for kind in KINDS {
        let mut case = Case::merged(kind);
        // A pull request is planned with the same state.
        case.passes("plan");
        assert!(case.forge.ours()[0].body.contains("### casefile plan: 1 to create"));
        let (code, told, shown) = case.on_main("apply");
        assert_eq!((code, case.collections()), (0, 1), "{kind:?}: {told}");
        assert!(shown.contains("Everything that was reviewed is sent (exit code 0)."), "{shown}");
        assert!(shown.contains("    Result: "), "{shown}");
        let name = case.path("repo/casefile.yaml");
        let reference = match kind {
            Kind::Github => "refs/casefile/repo",
            _ => "refs/heads/casefile/repo",
        };
        let text = std::fs::read_to_string(name).unwrap();
        assert!(case.git(&["ls-remote", "origin"]).contains(reference), "{text}");

        case.passes("plan");
        assert!(!case.forge.ours()[0].body.contains("to create"));

        // Another runner sends nothing again.
        let (code, told, _) = case.on_main("apply");
        assert_eq!((code, case.collections()), (0, 1), "{kind:?}: {told}");

        // A change that nobody sealed is a conflict; the digest of its plan approves it, given by hand.
        case.write("manifests/b.yaml", &package("b", "second").replace("0001", "0002"));
        case.merge(false);
        let (code, told, shown) = case.on_main("apply");
        assert_eq!((code, case.collections()), (4, 1), "{kind:?}: {told}");
        assert!(shown.contains("A conflict stopped the run (exit code 4)"), "{shown}");
        assert!(shown.contains("InvestigationPackage/b"), "{shown}");
        let plan = case.command(BIN).args(["plan", "--format", "json"]).output().unwrap();
        let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
        case.expect = plan["digest"].as_str().unwrap().to_owned();
        let (code, told, _) = case.on_main("apply");
        assert_eq!((code, case.collections()), (0, 2), "{kind:?}: {told}");
        case.expect.clear();

        // The job of an older commit, run anew, takes nothing back.
        case.git(&["checkout", "-q", "--detach", "HEAD^1"]);
        let (code, told, shown) = case.on_main("apply");
        assert_eq!((code, case.collections()), (0, 2), "{kind:?}: {told}");
        assert!(
            shown.contains("Nothing was sent: ") && shown.contains("is not the tip of main, which is "),
            "{shown}"
        );

        // Neither does a commit that nobody has pushed.
        case.git(&["checkout", "-q", "main"]);
        case.git(&["commit", "-q", "--allow-empty", "-m", "not pushed"]);
        let (code, told, shown) = case.on_main("apply");
        assert_eq!((code, case.collections()), (0, 2), "{kind:?}: {told}");
        assert!(shown.contains("is not pushed yet, push it"), "{shown}");
    }
}

#[test]
fn each_exit_code_of_apply_has_its_words() {
    if !runnable() {
        return;
    }
    for kind in KINDS {
        let case = Case::merged(kind);
        for (code, result, words) in [
            (0, 0, "Everything that was reviewed is sent"),
            (3, 0, "time ran out while collections still run (exit code 3)"),
            (4, 4, "A conflict stopped the run (exit code 4)"),
            (130, 130, "The run was interrupted (exit code 130)"),
            (1, 1, "The run failed, or a row needs a person (exit code 1)"),
        ] {
            case.stub("casefile", &format!("#!/bin/sh\necho \"$*\"\necho '# why' >&2\nexit {code}\n"));
            let (ended, told, shown) = case.on_main("apply");
            assert_eq!(ended, result, "{kind:?}: {told}");
            assert!(shown.contains(words) && shown.contains("\n    # why\n"), "{shown}");
            assert!(told.contains("apply --sealed --lock-timeout 10m --wait --timeout 30m\n"), "{told}");
        }
    }
}

/// What the real `gh` does with these words, kept in a folder: one file an issue, which is moved when it is closed.
const GH: &str = r#"#!/bin/sh
set -eu
[ "$GH_TOKEN" = TOKEN ] && [ "$GH_REPO" = contoso/cases ] && [ "$1" = issue ]
cd "$(dirname "$0")/../issues"
case $2 in
list)
    case "$*" in *'--state open'*'--json number,body'*'author:app/github-actions'*) ;; *) exit 2 ;; esac
    for file in *.open; do
        [ -e "$file" ] || continue
        jq -Rs --arg n "${file%.open}" '{ number: ($n | tonumber), body: . }' "$file"
    done | jq -s .
    ;;
create) [ "$3 $5" = '--title --body-file' ] && cp "$6" "$(($(ls | wc -l) + 1)).open" ;;
edit) [ "$4" = --body-file ] && [ -e "$3.open" ] && cp "$5" "$3.open" ;;
close) [ "$4" = --comment ] && mv "$3.open" "$3.closed" ;;
*) exit 2 ;;
esac
"#;

/// The open issues, by the forge's own API or by the folder of the stub.
fn open_issues(case: &Case) -> Vec<(u64, String)> {
    if case.forge.kind == Kind::Gitlab {
        let ours = |i: &&Issue| i.open && i.author == 99;
        return case.forge.issues().iter().filter(ours).map(|i| (i.number, i.body.clone())).collect();
    }
    let files = std::fs::read_dir(case.path("issues")).unwrap().map(|e| e.unwrap().path());
    let number = |p: &Path| p.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let open = files.filter(|p| p.extension().is_some_and(|e| e == "open"));
    open.map(|p| (number(&p), std::fs::read_to_string(&p).unwrap())).collect()
}

#[test]
fn the_nightly_plan_keeps_one_issue_while_something_needs_a_person() {
    if !runnable() {
        return;
    }
    for kind in KINDS {
        let case = Case::merged(kind);
        let marker = "<!-- casefile nightly plan: . -->";
        std::fs::create_dir(case.path("issues")).unwrap();
        case.stub("gh", &GH.replace("TOKEN ]", &format!("{TOKEN} ]")));
        case.forge.issues().push(Issue { number: 1, author: 13, open: true, body: marker.into() });
        let tells = |code: i32, words: &str| {
            let (ended, told, shown) = case.on_main("nightly");
            assert_eq!(ended, if kind == Kind::Azure { code } else { 0 }, "{kind:?}: {told}");
            assert!(shown.contains(words) && told.contains(words), "{kind:?}: {told}{shown}");
            let open = if kind == Kind::Azure { Vec::new() } else { open_issues(&case) };
            for (_, body) in &open {
                assert!(body.starts_with(&format!("{marker}\n")) && body.contains(words), "{body}");
            }
            open
        };

        let first = tells(2, "There is something to do that no run has sent (exit code 2)");
        assert_eq!(first.len(), usize::from(kind != Kind::Azure));
        assert!(first.iter().all(|(_, body)| body.contains("### casefile plan: 1 to create")), "{first:?}");

        case.write("manifests/a.yaml", "kind: Nothing\n");
        let second = tells(1, "The plan failed, or a row needs a person (exit code 1)");
        let numbers = |open: &[(u64, String)]| open.iter().map(|(n, _)| *n).collect::<Vec<_>>();
        assert_eq!(numbers(&second), numbers(&first), "the issue is updated");

        case.write("manifests/a.yaml", &package("a", "first"));
        assert_eq!(case.on_main("apply").0, 0);
        assert_eq!(tells(0, "Nothing needs a person."), [], "the issue is closed");
        assert_eq!(tells(0, "Nothing needs a person."), []);
        assert_eq!(case.collections(), 1, "the plan sends nothing");
        if kind == Kind::Gitlab {
            let other = &case.forge.issues()[0];
            assert!(other.open && other.body == marker, "the issue of somebody else is left alone");
        }
    }
}

#[test]
fn one_job_alone_can_push_and_none_runs_for_pull_requests() {
    let github = applying_document(Kind::Github);
    assert_eq!(github["permissions"], json!({}));
    let on: Vec<&String> = github["on"].as_object().unwrap().keys().collect();
    assert_eq!(on, ["push", "schedule", "workflow_dispatch"]);
    let rights = |job: &str| github["jobs"][job]["permissions"].clone();
    assert_eq!(rights("apply"), json!({ "contents": "write", "id-token": "write" }));
    assert_eq!(rights("nightly"), json!({ "contents": "read", "id-token": "write", "issues": "write" }));
    for (job, body) in github["jobs"].as_object().unwrap() {
        assert_eq!(body["concurrency"]["cancel-in-progress"], false, "{job}");
        assert_eq!(body["steps"][0]["with"]["persist-credentials"], false, "{job}");
    }
    let gitlab = applying_document(Kind::Gitlab);
    let main = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $CI_PIPELINE_SOURCE";
    assert_eq!(gitlab["apply"]["rules"], json!([{ "if": format!("{main} != \"schedule\"") }]));
    assert_eq!(gitlab["nightly"]["rules"], json!([{ "if": format!("{main} == \"schedule\"") }]));
    assert_eq!(gitlab["apply"]["resource_group"], "casefile-apply");
    let azure = applying_document(Kind::Azure);
    assert_eq!((&azure["pr"], &azure["lockBehavior"]), (&json!("none"), &json!("sequential")));
    assert_eq!(azure["trigger"], json!({ "batch": true, "branches": { "include": ["main"] } }));
    // The steps that install the tool get no token.
    for kind in KINDS {
        for block in applying_blocks(kind) {
            let token = |v: &String| v.contains("github.token") || v.contains("System.AccessToken");
            let runs = block.shell.contains("state-token.sh");
            assert!(runs || !block.variables.values().any(token), "{block:?}");
        }
    }
}

#[test]
fn the_token_goes_to_the_host_of_the_forge_alone() {
    if !runnable() {
        return;
    }
    for (forge, name, host, header) in [
        (
            "github",
            "GITHUB_SERVER_URL",
            "https://github.example",
            "Basic eC1hY2Nlc3MtdG9rZW46am9iLXRva2VuLTUwZmQ=",
        ),
        (
            "gitlab",
            "CI_SERVER_URL",
            "https://gitlab.example:8443",
            "Basic Z2l0bGFiLWNpLXRva2VuOmpvYi10b2tlbi01MGZk",
        ),
        ("azure", "SYSTEM_COLLECTIONURI", "https://dev.azure.example/contoso/", "Bearer job-token-50fd"),
    ] {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipelines/state-token.sh");
        let asked = |url: &str| {
            let output = Command::new("sh")
                .arg(&script)
                .args([
                    forge,
                    "sh",
                    "-c",
                    "echo ${STATE_TOKEN-none}; git config --get-urlmatch http.extraHeader $1",
                    "sh",
                    url,
                ])
                .envs([(name, host), ("STATE_TOKEN", JOB_TOKEN)])
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let url = format!("{}/contoso/cases.git", host.trim_end_matches('/'));
        assert_eq!(asked(&url), format!("none\nAuthorization: {header}\n"));
        assert_eq!(
            asked(&url.replace("https://", "https://user@")),
            format!("none\nAuthorization: {header}\n")
        );
        assert_eq!(asked("https://elsewhere.example/contoso/cases.git"), "none\n");
    }
}

#[test]
fn init_writes_these_pipelines_and_overwrites_nothing() {
    let read = |p: &Path| std::fs::read_to_string(p).unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipelines");
    let scripts =
        ["install-casefile.sh", "plan-comment.sh", "state-token.sh", "apply-merged.sh", "nightly-plan.sh"];
    for (forge, url, shared, alone) in [
        (
            "github",
            "git:",
            &[
                (".github/workflows/casefile.yaml", "github-actions.yaml"),
                (".github/workflows/casefile-apply.yaml", "github-actions-apply.yaml"),
            ][..],
            (".github/workflows/casefile.yaml", "github-actions.yaml"),
        ),
        (
            "gitlab",
            "git:refs/heads/casefile/my-cases",
            &[(".gitlab-ci.yml", "gitlab-ci-apply.yaml"), (".gitlab/casefile.yml", "gitlab-ci.yaml")],
            (".gitlab-ci.yml", "gitlab-ci.yaml"),
        ),
        (
            "azure",
            "git:refs/heads/casefile/my-cases",
            &[
                ("azure-pipelines.yml", "azure-pipelines.yaml"),
                ("azure-pipelines-apply.yml", "azure-pipelines-apply.yaml"),
            ],
            ("azure-pipelines.yml", "azure-pipelines.yaml"),
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("my-cases");
        let casefile =
            |words: &[&str]| Command::new(BIN).current_dir(&root).args(words).output().unwrap().status.code();
        let init = ["init", "my-cases", "--pipeline", forge, "--state", "git"];
        assert_eq!(casefile(&init), Some(0));
        let written = shared.iter().map(|(to, from)| ((*to).to_owned(), *from));
        let written = written.chain(scripts.map(|s| (format!("scripts/{s}"), s)));
        for (to, from) in written.clone() {
            assert_eq!(read(&dir.join(&to)), read(&examples.join(from)), "{to}");
        }
        let project: Value = serde_yaml::from_str(&read(&dir.join("casefile.yaml"))).unwrap();
        assert_eq!(project["spec"]["state"], json!({ "url": url }));
        assert_eq!(casefile(&["-C", "my-cases", "validate"]), Some(0));

        // One file that is there is enough: nothing is written.
        for (to, _) in written {
            let other = tempfile::tempdir().unwrap();
            let file = other.path().join("my-cases").join(&to);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "mine").unwrap();
            let output = Command::new(BIN).arg("-C").arg(other.path()).args(init).output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(String::from_utf8_lossy(&output.stderr).contains(&to));
            assert_eq!(read(&file), "mine");
            assert!(!other.path().join("my-cases/casefile.yaml").exists());
        }

        // A project that is there gets what it lacks, and keeps what it has.
        std::fs::write(dir.join("scripts/plan-comment.sh"), "mine").unwrap();
        let (first, last) = (shared[0].0, "scripts/nightly-plan.sh");
        std::fs::remove_file(dir.join(last)).unwrap();
        let project = read(&dir.join("casefile.yaml"));
        let added =
            Command::new(BIN).current_dir(&root).args(["init", "my-cases", "--pipeline", forge]).output();
        let told = String::from_utf8(added.unwrap().stdout).unwrap();
        let (written, there) = told.split_once("There already").unwrap();
        assert!(written.contains(&format!("  {last}\n")) && !written.contains(first), "{told}");
        assert!(there.contains(&format!("  {first}\n")), "{told}");
        assert!(there.contains("  scripts/plan-comment.sh  (another text)\n"), "{told}");
        assert_eq!(read(&dir.join("scripts/plan-comment.sh")), "mine");
        assert_eq!(read(&dir.join(last)), read(&examples.join("nightly-plan.sh")));
        assert_eq!(read(&dir.join("casefile.yaml")), project);
        let again = Command::new(BIN).current_dir(&dir).args(["init", "--pipeline", forge]).output().unwrap();
        assert!(String::from_utf8_lossy(&again.stdout).contains("Nothing was written"), "{again:?}");
        // Without the option the project is no place for a new one.
        assert_eq!(casefile(&["init", "my-cases"]), Some(1));

        // Without a shared state nothing is there that applies.
        assert_eq!(casefile(&["init", "alone", "--pipeline", forge]), Some(0));
        let alone_dir = root.path().join("alone");
        assert_eq!(read(&alone_dir.join(alone.0)), read(&examples.join(alone.1)));
        assert!(!alone_dir.join("scripts/apply-merged.sh").exists());
        std::fs::remove_file(alone_dir.join(alone.0)).unwrap();
        assert_eq!(casefile(&["init", "alone", "--pipeline", forge, "--state", "git"]), Some(1));
        assert!(!alone_dir.join(alone.0).exists());
        assert_eq!(casefile(&["init", "alone", "--pipeline", forge]), Some(0));
        assert_eq!(read(&alone_dir.join(alone.0)), read(&examples.join(alone.1)));
        assert!(!alone_dir.join("scripts/apply-merged.sh").exists());
        let project: Value = serde_yaml::from_str(&read(&alone_dir.join("casefile.yaml"))).unwrap();
        assert_eq!(project["spec"]["state"], Value::Null);
    }
}
