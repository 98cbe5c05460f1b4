//! Fetched packages, and the records of them.

use crate::lab::{Lab, machine};

#[test]
fn what_is_done_is_fetched_once_and_recorded() {
    let lab = Lab::applied(3, "packages: { elsewhere: true }");
    let ran = lab.fetch(0);
    for (kind, n) in [("fetching", 3), ("fetched", 3), ("fetch_failed", 0), ("summary", 1)] {
        assert_eq!(ran.events(kind).len(), n, "{kind} {}", ran.text());
    }
    assert_eq!(ran.events("summary")[0]["counts"]["fetched"], 3);
    lab.holds(3);
    let records = lab.records("fetched");
    let record = records.iter().find(|r| r["address"] == "InvestigationPackage/p0").unwrap();
    assert_eq!(record["machineId"], machine(0));
    assert_eq!((&record["comment"], &record["by"]["user"]), (&"INC-2042".into(), &"ann".into()));
    for field in
        ["requestor", "requestedAt", "finishedAt", "downloadBegan", "downloadEnded", "plan", "manifest"]
    {
        assert!(record[field].is_string(), "{field}");
    }
    let entries = record["entries"].as_array().unwrap();
    assert!(entries.iter().any(|e| e["name"] == "Processes/Processes.csv"));
    assert!(entries.iter().all(|e| e["crc32"].as_str().unwrap().len() == 8));
    assert_eq!(lab.records("linkRequested").len(), 3);
    // Nothing is left to fetch, and nothing is asked for again.
    let ran = lab.fetch(0);
    assert_eq!(ran.events("summary")[0]["counts"]["alreadyHeld"], 3);
    assert_eq!(lab.records("linkRequested").len(), 3);
    let state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(lab.path(".casefile/state.json")).unwrap()).unwrap();
    let held = &state["resources"]["InvestigationPackage/p0"]["packages"][0];
    assert_eq!((&held["sha256"], &held["store"]), (&record["sha256"], &"file:evidence".into()));
}

#[test]
fn apply_waits_and_fetches() {
    let lab = Lab::new(2, "");
    let ran = lab.run(&["apply", "--auto-approve", "--wait", "--fetch"]);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    assert!(ran.text().contains("Result: 2 packages succeeded, 2 packages fetched, in "), "{}", ran.text());
    lab.holds(2);
    // A deleted manifest takes nothing with it.
    std::fs::remove_file(lab.path("manifests/a.yaml")).unwrap();
    lab.holds(2);
    assert_eq!(lab.run(&["fetch", "InvestigationPackage/p1"]).code, Some(0));
    assert_eq!(lab.run(&["apply", "--auto-approve", "--fetch"]).code, Some(64), "it belongs to --wait");
}

#[test]
fn some_are_chosen_by_address_and_label() {
    let lab = Lab::applied(3, "");
    assert_eq!(lab.run(&["fetch", "InvestigationPackage/p2"]).code, Some(0));
    assert_eq!(lab.run(&["fetch", "-l", "part=0"]).code, Some(0));
    let held: Vec<_> = lab.records("fetched").iter().map(|r| r["address"].clone()).collect();
    assert_eq!(held, ["InvestigationPackage/p2", "InvestigationPackage/p0"]);
    assert_eq!(lab.run(&["fetch", "InvestigationPackage/none"]).code, Some(1));
    assert_eq!(lab.run(&["fetch", "Alert/a"]).code, Some(64));
}

#[test]
fn a_collection_that_runs_is_not_ready() {
    let scenario = "quotas: { enabled: false }\ndelays: { pending: 1000, running: 1000 }";
    let lab = Lab::with(1, scenario, "recovery: { settle: 1s }");
    lab.apply();
    let ran = lab.run(&["fetch"]);
    assert!(ran.code == Some(0) && ran.text().contains("1 collection still runs"), "{}", ran.text());
    let ran = lab.run(&["fetch", "InvestigationPackage/p0"]);
    assert!(ran.code == Some(3) && ran.text().contains("1 package not ready"), "{}", ran.text());
    assert!(lab.records("linkRequested").is_empty(), "the quota is spared");
}

#[test]
fn names_of_machines_lead_nowhere_else() {
    let names = ["../../../outside", "a/b\\\\c:d", "con", "..", "x.*?<>|", "\\u202egpj.exe"];
    let list: String = names
        .iter()
        .enumerate()
        .map(|(n, name)| format!("{{ id: \"{}\", name: \"{name}\" }}, ", machine(n)))
        .collect();
    let long = format!("{{ id: \"{}\", name: {} }}", machine(names.len()), "a".repeat(400));
    let lab = Lab::applied(names.len() + 1, &format!("machines: {{ list: [{list}{long}] }}"));
    lab.fetch(0);
    lab.holds(names.len() + 1);
    for path in lab.evidence() {
        let inside = path.strip_prefix(lab.path("evidence")).unwrap().to_str().unwrap().to_owned();
        assert_eq!(inside.split('/').count(), 3, "{inside}");
        assert!(inside.split('/').all(|p| p.len() <= 120 && !p.starts_with('.')), "{inside}");
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-%/".contains(c);
        assert!(inside.chars().all(plain), "{inside}");
    }
}

#[test]
#[ignore = "a link is waited for a minute"]
fn the_quota_of_links_is_shared_by_runs() {
    let scenario = "delays: { pending: 0, running: 0 }";
    let lab = Lab::with(3, scenario, "recovery: { settle: 1s }");
    lab.apply();
    assert_eq!(lab.run(&["fetch", "InvestigationPackage/p0"]).code, Some(0));
    assert_eq!(lab.run(&["fetch", "InvestigationPackage/p1"]).code, Some(0));
    let began = std::time::Instant::now();
    let ran = lab.run(&["fetch"]);
    assert!(ran.code == Some(0) && ran.text().contains("links to packages go on"), "{}", ran.text());
    assert!(began.elapsed().as_secs() > 30, "the third link in a minute is waited for");
    assert!(!ran.text().contains("429"), "{}", ran.text());
    lab.holds(3);
}
