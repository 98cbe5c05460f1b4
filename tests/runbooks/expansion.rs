//! Expansion is a function of what is written, not of the order in which it is found; and what `render` prints
//! plans to the same digest.

use casefile::manifest::{Loaded, Project, load, parse_manifests};
use casefile::model::{Desired, DigestedCall, PlanDigest};
use casefile::render::manifests::manifests;
use proptest::prelude::*;
use serde_json::{Value, json};

pub const RUNBOOK: &str = r#"
apiVersion: casefile/v1
kind: Runbook
metadata: { name: triage }
spec:
  parameters:
    type: object
    required: [ticket, machines]
    properties:
      ticket: { type: string }
      machines: { type: array, items: { type: string } }
      severity: { enum: [Low, Medium, High], default: Medium }
      revision: { type: integer, minimum: 1, default: 1 }
      alert: { type: boolean, default: false }
      collected: { type: boolean, default: false }
      notes: { type: object, additionalProperties: { type: string }, properties: { who: { type: string, default: soc } } }
  resources:
    - kind: InvestigationPackage
      metadata: { name: "collect-${{ item | slug }}", labels: { step: collect } }
      forEach: ${{ with.machines }}
      spec:
        machineId: ${{ (item | sha256)[:40] }}
        comment: "${{ with.ticket }} by ${{ with.notes.who if with.notes is defined else 'nobody' }}: ${{ index }}"
        revision: ${{ with.revision }}
    - kind: Alert
      metadata: { name: found }
      when: ${{ with.alert }}
      spec:
        machineId: ${{ ("m" | sha256)[:40] }}
        severity: ${{ with.severity }}
        title: ${{ with.ticket }}
        description: |
          Ticket ${{ with.ticket }} of ${{ incident.name }},
          as a query: Title == ${{ with.ticket | kql }}
        recommendedAction: nothing
        eventTime: 2026-03-01T09:12:44.1234567Z
        reportId: ${{ with.revision ~ "" }}
        category: Malware
      lifecycle: { onRemove: Resolve }
    - kind: Alert
      metadata: { name: "collected-${{ item | slug }}" }
      forEach: ${{ with.machines }}
      when: ${{ with.alert and with.collected }}
      spec:
        machineId: ${{ (item | sha256)[:40] }}
        severity: Low
        title: A package was collected
        description: "${{ with.ticket }}$${{ resources['collect-' ~ (item | slug)].id }}{{"
        recommendedAction: "${{ resources.found.id }}${{ resources.found.id }}"
        eventTime: 2026-03-01T09:12:44.1234567Z
        reportId: "1"
        category: Malware
"#;

/// A project of these files, read.
pub fn read(files: &[(String, String)]) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    let mut project = Project::new("test");
    project.spec.manifests = vec![".".into()];
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    load(dir.path(), &project)
}

pub fn incident(name: &str, labels: &Value, with: &Value) -> String {
    // JSON is YAML.
    let spec = json!({"runbook": "triage", "with": with});
    let metadata = json!({"name": name, "labels": labels});
    json!({"apiVersion": "casefile/v1", "kind": "Incident", "metadata": metadata, "spec": spec}).to_string()
}

fn digest(resources: &[Desired]) -> PlanDigest {
    let requests: Vec<_> = resources.iter().map(Desired::request).collect();
    PlanDigest::of(resources.iter().zip(&requests).map(|(d, request)| DigestedCall::new(&d.address, request)))
}

fn text() -> impl Strategy<Value = String> {
    "[ -~é東\u{202e}\n]{0,20}[a-zA-Z0-9][ -~]{0,8}".prop_filter("an expression", |t| !t.contains("${{"))
}

fn with() -> impl Strategy<Value = Value> {
    let machines = prop::collection::btree_set("[a-zA-Z][a-zA-Z0-9-]{0,8}[a-z0-9]", 0..6)
        .prop_map(|set| {
            let mut seen = std::collections::BTreeSet::new();
            let slug = |m: &String| {
                let mut dashed = m.to_lowercase();
                while dashed.contains("--") {
                    dashed = dashed.replace("--", "-");
                }
                dashed
            };
            set.into_iter().filter(|m| seen.insert(slug(m))).collect::<Vec<_>>()
        })
        .prop_shuffle();
    (text(), machines, prop::option::of(1u32..9), any::<(bool, bool)>(), prop::option::of(text())).prop_map(
        |(ticket, machines, revision, (alert, collected), who)| {
            let mut with =
                json!({"ticket": ticket, "machines": machines, "alert": alert, "collected": collected});
            if let Some(revision) = revision {
                with["revision"] = revision.into();
            }
            if let Some(who) = who {
                with["notes"] = json!({ "who": who });
            }
            with
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_rendered_plans_to_the_same_digest(all in prop::collection::vec((with(), text()), 1..4)) {
        let mut files = vec![("r.yaml".to_owned(), RUNBOOK.to_owned())];
        for (i, (with, label)) in all.iter().enumerate() {
            files.push((format!("i{i}.yaml"), incident(&format!("inc-{i}"), &json!({"note": label}), with)));
        }
        let loaded = read(&files);
        prop_assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        let rendered = manifests(&loaded.resources, &loaded.templates);
        let (written, problems) = parse_manifests("rendered.yaml", rendered.as_bytes());
        prop_assert!(problems.iter().all(|p| p.code == "no-documents"), "{problems:?}\n{rendered}");
        prop_assert_eq!(digest(&written), digest(&loaded.resources));
        for (a, b) in written.iter().zip(&loaded.resources) {
            prop_assert_eq!((&a.address, a.digest, &a.labels), (&b.address, b.digest, &b.labels));
            prop_assert_eq!((a.on_remove, a.policy), (b.on_remove, b.policy));
            prop_assert_eq!(&a.depends_on, &b.depends_on);
            prop_assert_eq!(a.call.references(), b.call.references());
        }
    }

    #[test]
    fn neither_files_nor_items_have_an_order(
        all in prop::collection::vec(with(), 1..4),
        names in Just(["a", "b", "c", "d", "e"]).prop_shuffle(),
    ) {
        let texts = |all: &[Value]| -> Vec<String> {
            let incidents = all.iter().enumerate().map(|(i, w)| incident(&format!("inc-{i}"), &json!({}), w));
            std::iter::once(RUNBOOK.to_owned()).chain(incidents).collect()
        };
        let files = |texts: Vec<String>, names: &[&str]| -> Vec<(String, String)> {
            texts.into_iter().zip(names).map(|(text, name)| (format!("{name}.yaml"), text)).collect()
        };
        let first = read(&files(texts(&all), &["a", "b", "c", "d", "e"]));
        let other = read(&files(texts(&all), &names));
        prop_assert_eq!(digest(&first.resources), digest(&other.resources));
        // Another order of the items changes what the index says, and no name.
        let mut turned = all.clone();
        for with in &mut turned {
            with["machines"].as_array_mut().unwrap().reverse();
        }
        let turned = read(&files(texts(&turned), &names));
        let addresses = |l: &Loaded| l.resources.iter().map(|d| d.address.to_string()).collect::<Vec<_>>();
        prop_assert_eq!(addresses(&first), addresses(&turned));
    }
}

#[test]
fn types_labels_places_and_defaults() {
    let with = json!({"ticket": "INC-1", "machines": ["A", "b"], "alert": true, "revision": 3});
    let labels = json!({"severity": "high", "step": "none"});
    let loaded = read(&[
        ("r.yaml".into(), RUNBOOK.into()),
        ("i.yaml".into(), format!("# one\n# two\n{}", incident("inc-1", &labels, &with))),
    ]);
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let names: Vec<String> = loaded.resources.iter().map(|d| d.address.to_string()).collect();
    assert_eq!(
        names,
        ["Alert/inc-1.found", "InvestigationPackage/inc-1.collect-a", "InvestigationPackage/inc-1.collect-b"]
    );
    let [alert, a, _] = loaded.resources.as_slice() else { panic!() };
    assert_eq!((a.revision, alert.revision), (3, 1));
    // The template's own label wins.
    assert_eq!((a.labels["step"].as_str(), a.labels["severity"].as_str()), ("collect", "high"));
    assert_eq!(alert.labels["step"], "none");
    assert_eq!((&*a.source.file, a.source.line), ("i.yaml", 3));
    let template = a.expanded.as_ref().unwrap();
    let source = template.source.as_ref().unwrap();
    assert_eq!((&*template.incident, &*source.file, source.line), ("inc-1", "r.yaml", 19));
    assert!(alert.request().body.as_str().contains(r#""severity":"Medium""#), "{:?}", alert.request());
    assert!(alert.request().body.as_str().contains(r#""reportId":"3""#), "{:?}", alert.request());
    assert!(a.request().body.as_str().contains("INC-1 by nobody: 0"), "{:?}", a.request());
}

#[test]
fn a_closed_incident_is_neither_expanded_nor_checked() {
    let text = incident("inc-1", &json!({}), &json!({"nothing": "fits"}))
        .replace("\"with\"", "\"closed\":true,\"with\"");
    let loaded = read(&[("r.yaml".into(), RUNBOOK.into()), ("i.yaml".into(), text)]);
    assert!(loaded.diagnostics.is_empty() && loaded.resources.is_empty(), "{:?}", loaded.diagnostics);
}

#[test]
fn cases_beside_a_runbook_are_no_manifests() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("r/triage.yaml", RUNBOOK);
    write("r/triage/cases/a.yaml", "not: a manifest\n");
    write("r/other/runbook.yaml", &RUNBOOK.replace("name: triage", "name: other"));
    write("r/other/cases/a.yaml", "not: a manifest\n");
    let mut project = Project::new("test");
    project.spec.manifests = vec!["r".into()];
    let loaded = load(dir.path(), &project);
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    // A folder of that name elsewhere holds manifests like any other.
    write("r/phish/cases/a.yaml", "not: a manifest\n");
    assert_eq!(load(dir.path(), &project).diagnostics.len(), 1);
}
