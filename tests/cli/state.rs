//! What stands in the state's place: links and devices that somebody planted, an edited `state.json`, another project's
//! record, addresses that a person types.

use serde_json::{Value, json};

use crate::case::Case;

const FLEET: &str = "
machines:
  strict: false
  list:
    - { id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, name: h01 }
    - { id: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, name: h02 }
delays: { pending: 86400 }
";

fn package(name: &str, target: &str, more: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name} }}\nspec: {{ {target}, comment: \
         INC-1 }}\n{more}---\n"
    )
}

fn by_id(n: usize) -> String {
    format!("machineId: fb{n:038x}")
}

/// Two packages that were collected.
fn applied() -> Case {
    let case = Case::new(FLEET, "{ recovery: { settle: 1s } }");
    case.write("manifests/a.yaml", &(package("one", &by_id(1), "") + &package("two", &by_id(2), "")));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 2);
    case
}

const ONE: &str = "InvestigationPackage/one";

impl Case {
    fn state_json(&self) -> Value {
        serde_json::from_str(&self.read(".casefile/state.json")).unwrap()
    }

    /// Takes a resource out of `state.json` and leaves everything else as it is.
    fn take_out_of_snapshot(&self, address: &str) {
        let mut state = self.state_json();
        state["resources"].as_object_mut().unwrap().remove(address).unwrap();
        let mut text = serde_json::to_string_pretty(&state).unwrap();
        text.push('\n');
        self.write(".casefile/state.json", &text);
    }
}

#[test]
fn an_edited_snapshot_is_not_believed() {
    let case = applied();
    case.take_out_of_snapshot(ONE);
    let edited = case.read(".casefile/state.json");
    let told = |(out, err): (String, String)| {
        assert!(err.contains("state.json was changed after it was written"), "{err}");
        out
    };
    let status = [&["status", "-v"][..], &["status", "-v", "--no-refresh"]];
    for args in [&["state", "list"][..], &["state", "show", ONE]].into_iter().chain(status) {
        let out = told(case.exits(0, args));
        assert!(out.contains(ONE), "{args:?}: {out}");
    }
    let plan: Value = serde_json::from_str(&told(case.exits(0, &["plan", "--format", "json"]))).unwrap();
    assert_eq!(plan["summary"]["create"], Value::Null, "{plan}");
    let (found, _) = case.exits(1, &["verify"]);
    assert!(found.contains("changed after it was written") && found.contains("disagree on"), "{found}");
    assert_eq!(case.read(".casefile/state.json"), edited, "whoever only looks writes nothing");

    told(case.exits(0, &["apply", "--auto-approve"]));
    assert_eq!(case.effects().len(), 2, "nothing is collected again");
    case.exits(0, &["verify"]);
    assert!(case.state_json()["resources"].get(ONE).is_some());
    let (_, err) = case.exits(0, &["plan"]);
    assert!(!err.contains("state.json"), "{err}");
}

#[test]
fn a_snapshot_without_a_digest_is_read_from_the_journal_until_it_has_one() {
    let case = applied();
    case.take_out_of_snapshot(ONE);
    let mut state = case.state_json();
    state.as_object_mut().unwrap().remove("digest").unwrap();
    case.write(".casefile/state.json", &serde_json::to_string_pretty(&state).unwrap());
    let (out, _) = case.exits(0, &["state", "list"]);
    assert!(out.contains("one"), "{out}");
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 2);
    assert!(case.state_json()["digest"].is_string());
}

#[test]
fn names_of_machines_are_typed_on_both_sides_of_a_move() {
    let case = Case::new(FLEET, "{ recovery: { settle: 1s } }");
    let id = |c: char| c.to_string().repeat(40);
    case.write("hosts.txt", "h01\nh02\n");
    case.write("manifests/a.yaml", &package("old", "machines: { fromFile: hosts.txt }", ""));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 2);
    // Renamed, with another text, so that the plan does not follow by itself.
    let renamed = package("sweep", "machines: { fromFile: hosts.txt }", "").replace("INC-1", "INC-2");
    case.write("manifests/a.yaml", &renamed);
    let mv = |code, from: &str, to: &str| {
        let (out, err) = case.exits(
            code,
            &["state", "mv", &format!("InvestigationPackage/{from}"), &format!("InvestigationPackage/{to}")],
        );
        out + &err
    };
    let journal = case.read(".casefile/journal.jsonl");
    for (to, why) in [
        ("sweep[h02]", "is about the machine h01, which InvestigationPackage/sweep[h02] does not name"),
        ("sweep[nobody]", "is about the machine h01"),
        (&*format!("sweep[{}]", id('b')), "is about the machine h01"),
        ("Sweep[h01]", "no manifest could declare InvestigationPackage/Sweep[h01]"),
        ("UPPER", "no manifest could declare InvestigationPackage/UPPER"),
        ("old[h02]", "the state holds a InvestigationPackage/old[h02] already"),
    ] {
        let said = mv(1, "old[h01]", to);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(why), "{to}: {said}");
    }
    assert_eq!(case.read(".casefile/journal.jsonl"), journal);

    let told = mv(0, "old[h01]", "sweep[h01]");
    assert!(told.contains(&format!("sweep[{}]", id('a'))) && !told.contains("No manifest"), "{told}");
    mv(0, "old[h02]", &format!("sweep[{}]", id('b').to_uppercase()));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.effects().len(), 2, "nothing is collected a second time");
    let (told, _) = case.exits(0, &["state", "rm", "InvestigationPackage/sweep[h02]"]);
    assert!(told.contains("still declares it"), "{told}");
}

#[test]
fn a_state_belongs_to_the_project_of_its_name() {
    let case = applied();
    let state = case.state_json();
    assert_eq!(state["binding"]["project"], "t");
    let rename = |to: &str| {
        let text = case.read("casefile.yaml").replace("name: t }", &format!("name: {to} }}"));
        case.write("casefile.yaml", &text);
    };
    rename("copy");
    let journal = case.read(".casefile/journal.jsonl");
    for args in [
        &["plan"][..],
        &["plan", "--no-refresh"],
        &["status"],
        &["apply", "--auto-approve"],
        &["cancel", ONE, "--comment", "x", "--auto-approve"],
        &["import", "--discover", "--auto-approve"],
        &["state", "rm", ONE],
        &["state", "mv", ONE, "InvestigationPackage/three"],
        &["state", "rebuild"],
        &["state", "rebuild", "--accept-damage"],
    ] {
        let (_, err) = case.exits(4, args);
        assert!(err.contains("belongs to the project t, casefile.yaml names it copy"), "{args:?}: {err}");
        assert!(err.contains(" state rename-project copy"), "{args:?}: {err}");
    }
    // To look at what is recorded is harmless.
    case.exits(0, &["state", "list"]);
    case.exits(0, &["verify"]);
    assert_eq!(case.read(".casefile/journal.jsonl"), journal);

    let (_, err) = case.exits(1, &["state", "rename-project", "t"]);
    assert!(err.contains("casefile.yaml names the project copy, and not t: nothing was recorded"), "{err}");
    let dir = case.dir.path().display();
    assert!(err.contains(&format!("next: casefile -C {dir} state rename-project copy")), "{err}");
    assert_eq!(case.read(".casefile/journal.jsonl"), journal);
    let (told, _) = case.exits(0, &["state", "rename-project", "copy"]);
    assert_eq!(told, "The state belongs to the project copy now; it was t.\n");
    let (told, _) = case.exits(0, &["state", "rename-project", "copy"]);
    assert_eq!(told, "The state belongs to the project copy already.\n");
    case.exits(0, &["plan"]);
    case.exits(0, &["verify"]);
}

#[test]
fn a_damaged_state_of_another_project_stays_as_it_is() {
    let case = applied();
    let journal = case.read(".casefile/journal.jsonl");
    // The last record is damaged, and the snapshot is gone.
    let damaged = journal.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n{}\n";
    case.write(".casefile/journal.jsonl", &damaged);
    std::fs::remove_file(case.path(".casefile/state.json")).unwrap();
    let name = |to: &str| {
        let text = case.read("casefile.yaml");
        let (head, tail) = text.split_once("name: ").unwrap();
        let tail = tail.split_once(" }").unwrap().1;
        case.write("casefile.yaml", &format!("{head}name: {to} }}{tail}"));
    };
    name("copy");
    let (_, err) = case.exits(4, &["state", "rebuild", "--accept-damage"]);
    assert!(err.contains("belongs to the project t"), "{err}");
    assert_eq!(case.read(".casefile/journal.jsonl"), damaged);
    name("t");
    case.exits(0, &["state", "rebuild", "--accept-damage"]);
}

#[test]
fn a_body_that_is_laid_out_anew_says_the_same() {
    let case = applied();
    let sound = case.read(".casefile/state.json");
    let spaced = sound.replace("\"Comment\":\"INC-1\"", " \"Comment\" : \"INC-1\" ");
    assert_ne!(spaced, sound);
    case.write(".casefile/state.json", &spaced);
    let (out, _) = case.exits(1, &["verify"]);
    assert!(out.contains("changed after it was written") && !out.contains("disagree"), "{out}");
    case.write(".casefile/state.json", &sound.replace("\"INC-1\"", "\"INC-2\""));
    let (out, _) = case.exits(1, &["verify"]);
    assert!(out.contains("disagree on InvestigationPackage/one"), "{out}");
}

#[test]
fn a_resource_does_not_take_the_place_of_a_whole_group() {
    let case = Case::new(FLEET, "{ recovery: { settle: 1s } }");
    case.write("hosts.txt", "h01\nh02\n");
    case.write("manifests/a.yaml", &package("g", "machines: { fromFile: hosts.txt }", ""));
    case.exits(0, &["apply", "--auto-approve"]);
    case.write("manifests/a.yaml", &package("sweep", "machines: { fromFile: hosts.txt }", ""));
    let (from, to) = ("InvestigationPackage/g[h02]", "InvestigationPackage/sweep");
    let (_, err) = case.exits(1, &["state", "mv", from, to]);
    assert!(err.contains("InvestigationPackage/sweep stands for several machines"), "{err}");
    let next = "state mv 'InvestigationPackage/g[h02]' 'InvestigationPackage/sweep[h02]'";
    assert!(err.contains(&format!("next: casefile -C {} {next}", case.dir.path().display())), "{err}");
    case.exits(0, &["state", "mv", from, "InvestigationPackage/sweep[h02]"]);
    let (_, err) = case.exits(64, &["state", "mv", "g[h01]", "sweep"]);
    assert!(err.contains("its kind is missing") && err.contains("InvestigationPackage/g[h01]"), "{err}");
}

#[test]
fn a_saved_plan_is_of_one_project() {
    let case = Case::new(FLEET, "{ recovery: { settle: 1s } }");
    case.write("manifests/a.yaml", &package("one", &by_id(1), ""));
    case.exits(0, &["plan", "--out", "plan.json"]);
    case.write("casefile.yaml", &case.read("casefile.yaml").replace("name: t }", "name: other }"));
    let (_, err) = case.exits(4, &["apply", "plan.json"]);
    assert!(err.contains("made for the project t, this run is for the project other"), "{err}");
}

mod removals {
    use super::*;

    /// So many collections that run, to be cancelled when their manifests go.
    fn running(resources: usize) -> Case {
        let case = Case::new(FLEET, "{ recovery: { settle: 1s } }");
        let all: String = (0..resources)
            .map(|n| package(&format!("p{n:02}"), &by_id(n + 1), "lifecycle: { onRemove: Cancel }\n"))
            .collect();
        case.write("manifests/a.yaml", &all);
        case.exits(0, &["apply", "--auto-approve"]);
        case
    }

    /// Keeps the first so many manifests.
    fn keep(case: &Case, kept: usize) {
        let text = case.read("manifests/a.yaml");
        let left: Vec<&str> = text.split_inclusive("---\n").take(kept).collect();
        case.write("manifests/a.yaml", &format!("{}# the rest is gone\n", left.concat()));
    }

    fn cancels(case: &Case) -> usize {
        let kind = |e: &Value| e["kind"].as_str().is_some_and(|k| k.to_lowercase().contains("cancel"));
        case.effects().iter().filter(|e| kind(e)).count()
    }

    #[test]
    fn of_most_resources_need_a_yes_of_their_own() {
        let case = running(10);
        keep(&case, 4);
        let plan = case.plan(&[]);
        let warning = &plan["warnings"][0];
        assert_eq!(warning["code"], "many-removals", "{plan}");
        assert!(warning["message"].as_str().unwrap().contains("6 resources of 10"), "{warning}");
        let (_, err) = case.exits(4, &["apply", "--auto-approve"]);
        assert!(err.contains("cancels or resolves 6 of 10 resources, nothing was sent"), "{err}");
        assert!(err.contains("--allow-removals"), "{err}");
        assert_eq!(cancels(&case), 0);
        // A digest names each call.
        case.exits(0, &["apply", "--expect", plan["digest"].as_str().unwrap()]);
        assert_eq!(cancels(&case), 6);
    }

    #[test]
    fn of_half_or_of_few_are_sent_as_ever() {
        let case = running(10);
        keep(&case, 5);
        assert_eq!(case.plan(&[])["warnings"], json!([]));
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(cancels(&case), 5);
        let case = running(9);
        keep(&case, 0);
        case.exits(0, &["apply", "--auto-approve"]);
        assert_eq!(cancels(&case), 9);
    }

    #[test]
    fn a_flag_or_a_saved_plan_allows_them() {
        let case = running(12);
        std::fs::remove_file(case.path("manifests/a.yaml")).unwrap();
        let (_, err) = case.exits(4, &["apply", "--auto-approve"]);
        assert!(err.contains("no manifests in `manifests`") && err.contains("git submodule update"), "{err}");
        case.exits(0, &["plan", "--out", "plan.json"]);
        case.exits(0, &["apply", "plan.json"]);
        assert_eq!(cancels(&case), 12);
        let case = running(11);
        keep(&case, 0);
        case.exits(0, &["apply", "--auto-approve", "--allow-removals"]);
        assert_eq!(cancels(&case), 11);
    }
}

#[cfg(unix)]
mod planted {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;
    use std::process::Command;

    use super::*;

    const WRITES: [&[&str]; 6] = [
        &["apply", "--auto-approve"],
        &["state", "rm", "InvestigationPackage/nobody"],
        &["state", "mv", ONE, "InvestigationPackage/three"],
        &["cancel", ONE, "--comment", "x", "--auto-approve"],
        &["import", "--discover", "--auto-approve"],
        &["state", "rebuild", "--accept-damage"],
    ];
    const LOOKS: [&[&str]; 4] = [&["plan"], &["status"], &["state", "list"], &["verify"]];

    /// Rescued outcomes are no matter of `verify` and `state rebuild`.
    fn reads(args: &[&str], name: &str) -> bool {
        name != "rescue.jsonl" || !args.contains(&"verify") && !args.contains(&"rebuild")
    }

    fn fifo(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        for name in ["lock", "journal.jsonl", "state.json", "rescue.jsonl"] {
            let case = applied();
            let outside = case.path("outside");
            std::fs::rename(case.path(".casefile").join(name), &outside)
                .unwrap_or_else(|_| std::fs::write(&outside, "mine\n").unwrap());
            let before = std::fs::read(&outside).unwrap();
            symlink(&outside, case.path(".casefile").join(name)).unwrap();
            for args in WRITES.iter().filter(|args| reads(args, name)) {
                let (_, err) = case.exits(1, args);
                assert!(err.contains(name) && err.contains("it is a link"), "{name} {args:?}: {err}");
            }
            assert_eq!(std::fs::read(&outside).unwrap(), before, "{name}");
            for args in LOOKS.iter().filter(|args| name != "lock" && reads(args, name)) {
                case.exits(1, args);
            }
        }
        assert_eq!(applied().effects().len(), 2);
    }

    #[test]
    fn names_that_files_have_while_they_are_written_are_taken_from_links() {
        let case = applied();
        case.write("outside", "mine\n");
        for name in ["state.json.new", "journal.jsonl.new"] {
            symlink(case.path("outside"), case.path(".casefile").join(name)).unwrap();
        }
        case.exits(0, &["state", "rm", ONE]);
        case.exits(0, &["state", "rebuild"]);
        assert_eq!(case.read("outside"), "mine\n");
        assert!(!std::fs::symlink_metadata(case.path(".casefile/state.json")).unwrap().is_symlink());
    }

    #[test]
    fn nothing_hangs_and_nothing_is_read_without_end() {
        for name in ["journal.jsonl", "state.json", "rescue.jsonl"] {
            for device in [false, true] {
                let case = applied();
                let path = case.path(".casefile").join(name);
                let _ = std::fs::remove_file(&path);
                match device {
                    true => symlink("/dev/zero", &path).unwrap(),
                    false => fifo(&path),
                }
                for args in WRITES.iter().chain(&LOOKS).filter(|args| reads(args, name)) {
                    let (_, err) = case.exits(1, args);
                    assert!(err.contains("it is a"), "{name} {args:?}: {err}");
                }
            }
        }
        let case = applied();
        std::fs::remove_file(case.path(".casefile/lock")).unwrap();
        fifo(&case.path(".casefile/lock"));
        let (_, err) = case.exits(1, &["state", "rm", ONE]);
        assert!(err.contains("a FIFO, not a regular file") && err.contains("spec.state.url"), "{err}");

        fifo(&case.path("plan.json"));
        let (_, err) = case.exits(1, &["apply", "plan.json"]);
        assert!(err.contains("a FIFO"), "{err}");
    }

    #[test]
    fn the_folder_is_one_of_the_project() {
        let case = applied();
        std::fs::rename(case.path(".casefile"), case.path("elsewhere")).unwrap();
        symlink("elsewhere", case.path(".casefile")).unwrap();
        for args in WRITES.iter().chain(&LOOKS) {
            let (_, err) = case.exits(1, args);
            assert!(err.contains("it is a link"), "{args:?}: {err}");
        }
        // A folder above it is a link that leads out of the project.
        let other = tempfile::tempdir().unwrap();
        symlink(other.path(), case.path("records")).unwrap();
        case.project("{ state: { url: \"file:records/state\" } }");
        let (_, err) = case.exits(1, &["apply", "--auto-approve"]);
        assert!(err.contains("leads out of"), "{err}");
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
        // What is named outright is meant.
        case.project(&format!("{{ state: {{ url: \"file:{}/state\" }} }}", other.path().display()));
        case.exits(0, &["apply", "--auto-approve", "--fresh"]);
    }

    #[test]
    fn plans_manifests_and_projects_stay_where_they_are_named() {
        let case = Case::new(FLEET, "{ manifests: [manifests] }");
        let other = tempfile::tempdir().unwrap();
        symlink(other.path(), case.path("linked")).unwrap();
        case.write("manifests/a.yaml", &package("one", &by_id(1), ""));
        let (_, err) = case.exits(1, &["plan", "--out", "linked/plan.json"]);
        assert!(err.contains("leads out of"), "{err}");
        case.exits(1, &["new", "package", "h01", "--comment", "c", "--out", "linked/h01.yaml"]);
        case.exits(0, &["plan", "--out", &format!("{}/plan.json", other.path().display())]);
        std::fs::create_dir(case.path("young")).unwrap();
        symlink(other.path(), case.path("young/manifests")).unwrap();
        let (_, err) = case.exits(1, &["init", "young"]);
        assert!(err.contains("leads out of"), "{err}");
        assert_eq!(std::fs::read_dir(case.path("young")).unwrap().count(), 1, "all or nothing");
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_sandbox_keeps_its_world_in_files_of_its_own() {
        let case = Case::new(FLEET, "{ defender: { cloud: sandbox } }");
        case.write("manifests/a.yaml", &package("one", &by_id(1), ""));
        let exits = |code: i32, args: &[&str]| {
            let output = case.command("", args).output().unwrap();
            let err = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
            err
        };
        exits(0, &["apply", "--auto-approve"]);
        for name in ["sandbox.json", "sandbox.json.journal"] {
            let path = case.path(".casefile").join(name);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
            let outside = case.path("outside");
            std::fs::rename(&path, &outside).unwrap();
            symlink(&outside, &path).unwrap();
            let before = std::fs::read(&outside).unwrap();
            for args in [&["apply", "--auto-approve"][..], &["plan"]] {
                let err = exits(1, args);
                assert!(err.contains("it is a link"), "{name}: {err}");
            }
            assert_eq!(std::fs::read(&outside).unwrap(), before, "{name}");
            std::fs::rename(&outside, &path).unwrap();
        }
        exits(0, &["plan"]);
    }
}

#[test]
fn a_saved_plan_is_refused_by_a_state_from_a_backup() {
    let case = Case::new(FLEET, "{ recovery: { settle: 1s } }");
    case.write("manifests/a.yaml", &package("one", &by_id(1), ""));
    case.exits(0, &["apply", "--auto-approve"]);
    let backup = ["journal.jsonl", "state.json"].map(|f| (f, case.read(&format!(".casefile/{f}"))));
    case.write("manifests/b.yaml", &package("two", &by_id(2), ""));
    case.exits(0, &["apply", "--auto-approve"]);
    case.write("manifests/c.yaml", &package("three", &by_id(3), ""));
    case.exits(0, &["plan", "--out", "plan.json", "manifests/c.yaml"]);
    let later = ["journal.jsonl", "state.json"].map(|f| (f, case.read(&format!(".casefile/{f}"))));
    for (file, text) in &backup {
        case.write(&format!(".casefile/{file}"), text);
    }
    let (_, err) = case.exits(4, &["apply", "plan.json"]);
    let plan: serde_json::Value = serde_json::from_str(&case.read("plan.json")).unwrap();
    let head = plan["execution"]["head"].as_str().unwrap();
    assert!(err.contains(&format!(" verify --head sha256:{head}")), "{err}");
    for (file, text) in &later {
        case.write(&format!(".casefile/{file}"), text);
    }
    case.exits(0, &["apply", "plan.json"]);
}
