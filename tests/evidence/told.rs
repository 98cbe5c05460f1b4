//! Output of `status` and `log` about resources and their packages, and the names that they take.

use serde_json::Value;

use crate::lab::{Lab, edit, machine};

/// A project whose machines have these names.
fn named(names: &[&str]) -> Lab {
    let list: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(n, name)| format!("{{ id: \"{}\", name: {name} }}", machine(n)))
        .collect();
    Lab::applied(names.len(), &format!("machines: {{ list: [{}] }}", list.join(", ")))
}

/// The stages by address.
fn stages(lab: &Lab, args: &[&str]) -> Vec<(String, String)> {
    let ran = lab.run(&[&["status", "--no-refresh", "--format", "json"], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = document["rows"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| (text(row, "address"), text(row, "stage"))).collect()
}

#[test]
fn status_sees_whether_a_package_is_there() {
    let lab = named(&["fin-ws-1.contoso.com"]);
    let stage = || stages(&lab, &[]).remove(0).1;
    assert_eq!(stage(), "done");
    lab.fetch(0);
    assert_eq!(stage(), "fetched");
    let zip = lab.held(".zip").remove(0);
    edit(&zip, b"PK");
    assert_eq!(stage(), "fetched-other-length");
    std::fs::remove_file(&zip).unwrap();
    assert_eq!(stage(), "fetched-missing");
    let ran = lab.run(&["status", "--no-refresh"]);
    assert!(
        ran.text().contains("fetched, NOT THERE") && ran.text().contains("casefile verify"),
        "{}",
        ran.text()
    );
}

#[test]
fn status_tells_what_is_declared_and_was_not_sent() {
    let lab = named(&["fin-ws-1.contoso.com"]);
    let manifest = |name: &str, target: &str| {
        let text = format!(
            "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: {name}, labels: {{ part: new }} }}\n\
             spec: {{ {target}, comment: INC-2042 }}\n"
        );
        std::fs::write(lab.path(&format!("manifests/{name}.yaml")), text).unwrap();
    };
    manifest("lt-007", "machineName: lt-007");
    manifest("sweep", "machineTag: tier1");
    let not_sent = |name: &str| (format!("InvestigationPackage/{name}"), "not-sent".to_owned());
    assert_eq!(stages(&lab, &["-l", "part=new"]), [not_sent("lt-007"), not_sent("sweep")]);
    assert_eq!(stages(&lab, &["lt-007"]), [not_sent("lt-007")]);
    assert_eq!(stages(&lab, &[]).len(), 3);
    // A renamed manifest asks for nothing again.
    let path = lab.path("manifests/a.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("name: p0", "name: renamed")).unwrap();
    assert_eq!(stages(&lab, &["-l", "part=0"]).len(), 1);
    // What cannot be read is told, and hides nothing that is recorded.
    manifest("broken", "machineTagg: tier1");
    let ran = lab.run(&["status", "--no-refresh"]);
    assert!(ran.code == Some(0) && ran.stderr.contains("the manifests have 1 error"), "{}", ran.text());
    assert!(ran.stdout.contains("fin-ws-1  "), "{}", ran.stdout);
}

#[test]
fn the_whole_story_says_who_asked_and_who_fetched() {
    let lab = named(&["fin-ws-1.contoso.com"]);
    lab.fetch(0);
    let ran = lab.run(&["status", "--no-refresh", "-v", "--format", "json", "fin-ws-1"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let story = document["stories"]["InvestigationPackage/p0"].as_array().unwrap();
    let codes: Vec<&str> = story.iter().map(|s| s["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["asked", "accepted", "finished", "fetched"], "{story:#?}");
    for step in [&story[0], &story[3]] {
        assert!(step["by"].as_str().unwrap().starts_with("ann@"), "{step}");
    }
    assert!(story[0]["plan"].as_str().unwrap().starts_with("sha256:"));
    let text = lab.run(&["status", "--no-refresh", "-v"]).stdout;
    for words in ["asked for, by ann@", "accepted: ", "over: Succeeded", "fetched: ", "plan sha256:"] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[test]
fn the_log_is_the_journal_from_its_end() {
    let lab = named(&["fin-ws-1.contoso.com", "fin-ws-2.contoso.com"]);
    lab.fetch(0);
    let log = |args: &[&str]| {
        let ran = lab.run(&[&["log", "--format", "json"], args].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.text());
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let journal = std::fs::read_to_string(lab.path(".casefile/journal.jsonl")).unwrap();
    let lines: Vec<Value> = journal.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let all = log(&[]);
    let records = all["records"].as_array().unwrap();
    assert_eq!(records.len(), lines.len());
    for (record, line) in records.iter().zip(lines.iter().rev()) {
        assert_eq!((&record["seq"], &record["at"]), (&line["seq"], &line["at"]));
        assert_eq!(record["hash"], format!("sha256:{}", line["hash"].as_str().unwrap()));
        assert!(line["record"].get(record["kind"].as_str().unwrap()).is_some(), "{record}");
    }
    assert_eq!(all["head"], records[0]["hash"]);
    assert_eq!(log(&["-n", "2"])["records"].as_array().unwrap()[..], records[..2]);
    let of = |args: &[&str]| {
        let log = log(args);
        let records = log["records"].as_array().unwrap().clone();
        records.into_iter().map(|r| r["machine"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for args in [&["fin-ws-2"][..], &["InvestigationPackage/p1"], &["-l", "part=1"]] {
        let machines = of(args);
        assert!(machines.len() > 3 && machines.iter().all(|m| m == "fin-ws-2"), "{machines:?}");
    }
    // Another address takes what was recorded along.
    let before = of(&["fin-ws-2"]).len();
    assert_eq!(lab.run(&["state", "mv", "fin-ws-2", "InvestigationPackage/other"]).code, Some(0));
    assert_eq!(of(&["InvestigationPackage/other"]).len(), before + 1);
    let text = lab.run(&["log", "-n", "1"]).stdout;
    assert!(text.contains("was named p1 before"), "{text}");
}

#[test]
fn a_damaged_journal_is_shown_up_to_its_damage() {
    let lab = named(&["fin-ws-1.contoso.com"]);
    let path = lab.path(".casefile/journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let last = text.trim_end().rfind('\n').unwrap();
    std::fs::write(
        &path,
        format!("{}{}", &text[..last + 1], text[last + 1..].replacen("Succeeded", "Succeedet", 1)),
    )
    .unwrap();
    let ran = lab.run(&["log"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("asked for"), "{}", ran.text());
    assert!(ran.stderr.contains("the journal is damaged behind that") && ran.stderr.contains(" verify"));
}

#[test]
fn a_bare_name_is_that_of_a_machine() {
    let lab = named(&["fin-ws-1.contoso.com", "hr-1.contoso.com", "hr-1.fabrikam.com"]);
    let id = machine(0);
    for name in ["fin-ws-1", "FIN-WS-1", "fin-ws-1.contoso.com", &id, "p0", "InvestigationPackage/p0"] {
        assert_eq!(
            stages(&lab, &[name]),
            [("InvestigationPackage/p0".to_owned(), "done".to_owned())],
            "{name}"
        );
        assert_eq!(lab.run(&["state", "show", name]).code, Some(0), "{name}");
    }
    for command in [
        &["status", "--no-refresh"][..],
        &["log"],
        &["fetch"],
        &["export", "--bagit", "bag"],
        &["state", "show"],
    ] {
        let ran = lab.run(&[command, &["hr-1"]].concat());
        assert_eq!(ran.code, Some(64), "{}", ran.text());
        let fits = "hr-1 is ambiguous: it can be InvestigationPackage/p1 or InvestigationPackage/p2";
        assert!(ran.stderr.contains(fits), "{}", ran.text());
        let ran = lab.run(&[command, &["nobody"]].concat());
        assert!(ran.code == Some(1) && ran.stderr.contains("no machine and no resource of the name nobody"));
    }
    assert_eq!(stages(&lab, &["hr-1.fabrikam.com"])[0].0, "InvestigationPackage/p2");
    // Of a machine with several resources, what shows takes all, and what changes one asks which.
    let alert = format!(
        "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: a }}\nspec:\n  machineId: \"{id}\"\n  severity: Low\n  title: t\n  \
         description: d\n  recommendedAction: r\n  eventTime: 2026-03-01T08:00:00Z\n  reportId: \"1\"\n  category: Exploit\n"
    );
    std::fs::write(lab.path("manifests/alert.yaml"), alert).unwrap();
    lab.apply();
    assert_eq!(stages(&lab, &["fin-ws-1"]).len(), 2);
    assert_eq!(lab.run(&["state", "rm", "fin-ws-1"]).code, Some(64));
    // Only collections are fetched.
    let ran = lab.run(&["fetch", "fin-ws-1"]);
    assert!(ran.code == Some(0) && ran.text().contains("1 package fetched"), "{}", ran.text());
    assert_eq!(lab.run(&["state", "rm", "hr-1.fabrikam.com"]).code, Some(0));
}

#[test]
fn a_state_in_a_repository_is_shown_and_exported_as_one_in_a_folder() {
    let lab = named(&["fin-ws-1.contoso.com"]);
    lab.fetch(0);
    let git = lab.path("state.git");
    let made = lab.command("git").args(["init", "--quiet", "--bare"]).arg(&git).status().unwrap();
    assert!(made.success());
    let run = |args: &[&str]| {
        let mut command = lab.command(crate::sandbox::BIN);
        command.arg("-C").arg(lab.path("")).args(args).env("CASEFILE_CACHE_DIR", lab.path("cache"));
        let ran = Lab::ran(command);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.text());
        ran.stdout
    };
    let before = run(&["log", "--format", "json"]);
    let url = format!("git:file://{}?ref=refs/casefile/lab", git.display());
    run(&["state", "migrate", "--to", &url]);
    let project = std::fs::read_to_string(lab.path("casefile.yaml")).unwrap();
    std::fs::write(lab.path("casefile.yaml"), format!("{project}  state: {{ url: \"{url}\" }}\n")).unwrap();
    std::fs::remove_dir_all(lab.path(".casefile")).unwrap();
    let records =
        |text: &str| serde_json::from_str::<Value>(text).unwrap()["records"].as_array().unwrap().clone();
    let (after, before) = (records(&run(&["log", "--format", "json"])), records(&before));
    // The move is recorded on both sides of it.
    assert_eq!(after[after.len() - before.len()..], before[..]);
    assert!(after.len() > before.len() && after[0]["kind"] == "arrived", "{:?}", after[0]);
    assert_eq!(stages_of(&run(&["status", "--no-refresh", "--format", "json", "-v"])), ["fetched"]);
    let told = run(&["export", "--bagit", "bag", "fin-ws-1"]);
    assert!(told.contains("1 package"), "{told}");
    assert!(lab.path("bag/bagit.txt").exists());
}

fn stages_of(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap();
    let rows = document["rows"].as_array().unwrap();
    rows.iter().map(|row| row["stage"].as_str().unwrap().to_owned()).collect()
}
