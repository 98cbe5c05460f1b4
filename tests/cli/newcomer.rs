//! First steps of somebody new: where commands are run, what stands where a path is expected, and what is told next.

use std::process::{Command, Stdio};

use crate::case::Case;
use crate::sandbox::BIN;

const MANIFEST: &str = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: first-look, labels: { \
                        incident: INC-2042 } }\nspec: { machineName: hr-ws-007, comment: x }\n";

fn case() -> Case {
    let case = Case::new("delays: { pending: 0, running: 0 }", "{}");
    case.write("manifests/a.yaml", MANIFEST);
    case
}

/// The line of an error that names the next command.
fn next(err: &str) -> &str {
    err.lines().find_map(|line| line.strip_prefix("next: ")).unwrap_or_default()
}

/// Runs without `-C` in a folder: exit code and stderr.
fn runs_in(folder: &std::path::Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(BIN);
    command.args(args).current_dir(folder).stdin(Stdio::null()).env_remove("CASEFILE_STATE_URL");
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

mod folders {
    use super::*;

    #[test]
    fn a_project_below_is_named_before_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let (code, err) = runs_in(dir.path(), &["plan"]);
        assert_eq!(code, Some(1));
        assert_eq!(next(&err), "casefile init my-cases && casefile -C my-cases plan");
        for (folder, command) in [
            ("work/my cases", "casefile -C 'work/my cases' plan"),
            ("b", "casefile -C b plan"),
            ("a", "casefile -C a plan"),
        ] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
            std::fs::write(dir.path().join(folder).join("casefile.yaml"), "").unwrap();
            let (code, err) = runs_in(dir.path(), &["plan"]);
            assert_eq!((code, next(&err)), (Some(1), command), "{err}");
        }
        let (_, err) = runs_in(dir.path(), &["status"]);
        assert!(err.contains("  projects are in the folders a, b, work/my cases\n"), "{err}");
        // The same by -C, and for doctor.
        let (_, err) = runs_in(dir.path(), &["-C", "work", "plan"]);
        assert_eq!(next(&err), "casefile -C 'work/my cases' plan", "{err}");
        let mut doctor = Command::new(BIN);
        let told = doctor.arg("doctor").current_dir(dir.path()).output().unwrap().stdout;
        assert!(String::from_utf8(told).unwrap().contains("casefile -C a plan"));
    }

    #[test]
    fn a_missing_project_is_told_before_a_missing_approval() {
        let dir = tempfile::tempdir().unwrap();
        for args in [
            &["apply"][..],
            &["apply", "nope.json"],
            &["cancel", "x", "--comment", "y"],
            &["import", "--discover"],
        ] {
            let (code, err) = runs_in(dir.path(), args);
            assert_eq!(code, Some(1), "{args:?}");
            assert!(err.starts_with("error: there is no casefile.yaml in .\n"), "{args:?}: {err}");
        }
    }

    #[test]
    fn what_is_no_folder_leads_to_the_one_that_was_meant() {
        let case = case();
        let dir = case.dir.path();
        for (typed, message, command) in [
            (
                "casefile.yaml",
                "casefile.yaml is a file, and -C takes the folder of a project",
                "casefile -C . plan",
            ),
            ("./casefile.yaml", "is a file", "casefile -C . plan"),
            ("manifests/a.yaml", "is a file", "casefile -C manifests/.. plan"),
        ] {
            for word in ["plan", "apply", "validate", "status"] {
                let (code, err) = runs_in(dir, &["-C", typed, word]);
                assert!(code == Some(1) && err.contains(message), "{typed} {word}: {err}");
                assert_eq!(next(&err), command, "{typed} {word}");
            }
            let words: Vec<&str> = command.split(' ').skip(1).collect();
            let (_, err) = runs_in(dir, &[&words[..2], &["validate"]].concat());
            assert!(!err.contains("error"), "the command works: {err}");
        }
        let (_, err) = runs_in(dir, &["-C", "no-such-folder-at-all", "plan"]);
        assert!(err.contains("there is no folder no-such-folder-at-all"), "{err}");
        std::fs::create_dir(dir.join("my-cases")).unwrap();
        std::fs::write(dir.join("my-cases/casefile.yaml"), "").unwrap();
        let (_, err) = runs_in(dir, &["-C", "my-case", "plan"]);
        assert!(err.contains("there is no folder my-case\n"), "{err}");
        assert_eq!(next(&err), "casefile -C my-cases plan", "{err}");
    }
}

mod paths {
    use super::*;

    #[test]
    fn a_name_in_place_of_a_path_is_told_what_selects_it() {
        let case = case();
        let dir = format!("casefile -C {}", case.dir.path().display());
        for (typed, message, command) in [
            (
                "first-look",
                "; it is InvestigationPackage/first-look, which manifests/a.yaml declares",
                "plan manifests/a.yaml",
            ),
            (
                "InvestigationPackage/first-look",
                "; it is InvestigationPackage/first-look",
                "plan manifests/a.yaml",
            ),
            ("hr-ws-007", "; it is InvestigationPackage/first-look", "plan manifests/a.yaml"),
            ("HR-WS-007", "; it is InvestigationPackage/first-look", "plan manifests/a.yaml"),
            ("INC-2042", "; it is the label incident=INC-2042", "plan -l incident=INC-2042"),
            ("incident=INC-2042", "; it is the label incident=INC-2042", "plan -l incident=INC-2042"),
            ("INC-2024", "; did you mean INC-2042?", "plan -l incident=INC-2042"),
            ("hr-ws-07", "; did you mean hr-ws-007?", "plan manifests/a.yaml"),
            ("a.yaml", "; it is InvestigationPackage/first-look", "plan manifests/a.yaml"),
            ("manifest/a.yaml", "; did you mean manifests/a.yaml?", "plan manifests/a.yaml"),
            ("something-else-altogether", "cannot read something-else-altogether: ", "status"),
        ] {
            for args in [&["plan", typed][..], &["apply", "--auto-approve", typed]] {
                let (out, err) = case.exits(1, args);
                assert!(err.contains(message) && out.is_empty(), "{typed}: {err}");
                assert_eq!(next(&err), format!("{dir} {command}"), "{typed}: {err}");
            }
        }
        // Who takes no labels is told the files.
        for command in ["seal", "validate"] {
            let (_, err) = case.exits(1, &[command, "INC-2042"]);
            assert_eq!(next(&err), format!("{dir} {command} manifests/a.yaml"), "{err}");
        }
        let (_, err) = case.exits(1, &["render", "INC-2042"]);
        assert_eq!(next(&err), format!("{dir} render -l incident=INC-2042"), "{err}");
        // Where the project was found above, the file is named as it is typed there.
        let (_, _, err) = case.below("manifests", &["plan", "hr-ws-007"]);
        assert_eq!(next(&err), "casefile plan ../manifests/a.yaml", "{err}");
        assert!(case.effects().is_empty());
    }

    #[test]
    fn a_plan_that_was_never_saved_is_told_how_to_save_one() {
        let case = case();
        let dir = format!("casefile -C {}", case.dir.path().display());
        for args in [&["apply", "nope.json"][..], &["show", "nope.json"], &["plan", "nope.json"]] {
            let (_, err) = case.exits(1, args);
            assert!(err.contains("cannot read nope.json: "), "{err}");
            assert_eq!(next(&err), format!("{dir} plan --out nope.json"), "{args:?}: {err}");
        }
        case.exits(0, &["plan", "--out", "plan-1.json"]);
        let (_, err) = case.exits(1, &["apply", "plan-l.json"]);
        assert!(err.contains("; did you mean plan-1.json?"), "{err}");
        assert_eq!(next(&err), format!("{dir} show plan-1.json"));
        let (_, err) = case.exits(1, &["plan", "plan-1.json"]);
        assert_eq!(next(&err), format!("{dir} show plan-1.json"), "{err}");
    }

    #[test]
    fn a_name_that_is_not_recorded_is_told_the_nearest_by_every_command() {
        let case = case();
        case.exits(0, &["apply", "--auto-approve"]);
        for args in [
            &["fetch"][..],
            &["log"],
            &["status"],
            &["report"],
            &["export", "--bagit", "bag"],
            &["state", "show"],
            &["state", "rm"],
            &["cancel", "--comment", "x", "--auto-approve"],
        ] {
            for (typed, meant) in [
                ("hr-ws-07", "hr-ws-007"),
                ("frist-look", "first-look"),
                ("InvestigationPackage/first-lok", "InvestigationPackage/first-look"),
            ] {
                let (_, err) = case.exits(1, &[args, &[typed]].concat());
                assert!(err.contains(&format!("{typed}; did you mean {meant}?")), "{args:?}: {err}");
            }
            let (_, err) = case.exits(1, &[args, &["zebra"]].concat());
            assert!(!err.contains("did you mean"), "{args:?}: {err}");
        }
        let (_, err) = case.exits(1, &["state", "mv", "hr-ws-07", "InvestigationPackage/b"]);
        assert!(err.contains("; did you mean hr-ws-007?"), "{err}");
    }

    #[test]
    fn status_of_labels_never_points_at_itself() {
        let case = case();
        let (_, err) = case.exits(1, &["status", "-l", "incident=INC-2024"]);
        assert!(err.contains("declares or records has the label incident=INC-2024"), "{err}");
        assert!(
            err.contains("; did you mean -l incident=INC-2042?") && next(&err).ends_with(" render"),
            "{err}"
        );
        std::fs::remove_file(case.path("manifests/a.yaml")).unwrap();
        let (_, err) = case.exits(1, &["status", "-l", "incident=INC-2042"]);
        assert!(next(&err).ends_with(" render"), "{err}");
    }
}

mod seals {
    use super::*;

    #[test]
    fn calls_without_a_seal_lead_to_seal_and_outdated_ones_to_validate() {
        let case = case();
        case.write(
            "manifests/b.yaml",
            &MANIFEST.replace("first-look", "second").replace("INC-2042", "INC-7"),
        );
        let dir = format!("casefile -C {}", case.dir.path().display());
        for (args, command) in [
            (&[][..], "seal"),
            (&["manifests/b.yaml"], "seal manifests/b.yaml"),
            (&["-l", "incident=INC-7"], "seal manifests/b.yaml"),
            (&["-l", "incident"], "seal manifests/a.yaml manifests/b.yaml"),
        ] {
            let (_, err) = case.exits(4, &[&["apply", "--sealed"], args].concat());
            assert_eq!(next(&err), format!("{dir} {command}"), "{args:?}: {err}");
        }
        case.exits(0, &["seal"]);
        case.write("manifests/a.yaml", &MANIFEST.replace("comment: x", "comment: z"));
        let (_, err) = case.exits(4, &["apply", "--sealed"]);
        assert_eq!(next(&err), format!("{dir} validate --sealed"), "{err}");
    }
}

mod git {
    use super::*;

    #[test]
    fn a_state_in_git_outside_of_a_repository_leads_to_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(runs_in(dir.path(), &["init", "p", "--state", "git"]).0, Some(0));
        let (code, err) = runs_in(dir.path(), &["-C", "p", "plan"]);
        assert!(code == Some(1) && err.contains("the project lies in no git repository"), "{err}");
        assert!(err.contains("git remote add origin URL") && next(&err) == "git -C p init", "{err}");
        let made = Command::new("git").current_dir(dir.path()).args(["-C", "p", "init", "-q"]).status();
        assert!(made.unwrap().success());
        let (_, err) = runs_in(dir.path(), &["-C", "p", "plan"]);
        assert!(err.contains("has no remote `origin`") && err.contains("git remote add origin URL"), "{err}");
    }
}

mod files {
    use super::*;

    #[test]
    fn what_a_person_names_lies_among_no_part_of_the_project() {
        let case = case();
        case.exits(0, &["apply", "--auto-approve"]);
        let before = case.read(".casefile/state.json");
        for (file, why) in [
            ("manifests/x.yaml", "manifests are read there"),
            ("manifests/deep/x.json", "manifests are read there"),
            ("./manifests/../manifests/x.html", "manifests are read there"),
            (".casefile/x.json", "the state is kept there"),
            ("evidence/x.json", "evidence is kept there"),
        ] {
            let (_, err) = case.exits(64, &["plan", "--trace-http", file]);
            assert!(err.contains(&format!("--trace-http {file}: {why}")), "{file}: {err}");
            let (_, err) = case.exits(64, &["report", "--out", file]);
            assert!(err.contains(&format!("--out {file}: {why}")), "{file}: {err}");
            let plan = file.replace(".yaml", ".json").replace(".html", ".json");
            let (_, err) = case.exits(64, &["plan", "--out", &plan]);
            assert!(err.contains(&format!("--out {plan}: {why}")), "{file}: {err}");
            for folder in [&["export", "--bagit", file][..], &["state", "pull", file]] {
                let (_, err) = case.exits(1, folder);
                assert!(err.contains(why), "{folder:?}: {err}");
            }
        }
        case.exits(64, &["plan", "--out", ".casefile/state.json"]);
        assert_eq!(case.read(".casefile/state.json"), before);
        assert_eq!(std::fs::read_dir(case.path("manifests")).unwrap().count(), 1);
        // A project whose manifests are all of its folder has no other place.
        case.project("{ manifests: [.] }");
        case.exits(0, &["plan", "--out", "plan.json", "--trace-http", "trace.har"]);
        let (_, err) = case.exits(64, &["plan", "--trace-http", "x.yaml"]);
        assert!(err.contains("manifests are read there"), "{err}");
        // One that lists its files reads the next one of that name too.
        case.project("{ manifests: [manifests/a.yaml, b.yaml] }");
        let (_, err) = case.exits(64, &["report", "--out", "b.yaml"]);
        assert!(err.contains("manifests are read there"), "{err}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_and_nothing_else() {
        let case = case();
        case.exits(0, &["apply", "--auto-approve"]);
        for args in [
            &["report", "--out", "no/such/x.html"][..],
            &["report", "--format", "json", "--out", "no/such/x.html"],
            &["plan", "--out", "no/such/x.json"],
            &["plan", "--trace-http", "no/such/x.har"],
        ] {
            let (_, err) = case.exits(1, args);
            let folder = case.path("no/such");
            assert!(err.contains(&format!(": there is no folder {}\n", folder.display())), "{args:?}: {err}");
            assert!(!err.contains("no/such/.") && err.contains("  make the folder first"), "{args:?}: {err}");
        }
    }
}
