//! `.casefile/state.json` and its schema.

use casefile::state::snapshot::{self, SnapshotError};
use casefile::state::{CallAction, Outcome, Record, State};
use serde_json::Value;

use crate::build::*;

/// A state in which every field of a resource is set somewhere.
fn rich() -> State {
    let a = "InvestigationPackage/a";
    let mut full = object("x", "Cancelled");
    full.requestor = Some("ana@contoso.com".into());
    full.cancelled_by = Some("bob@contoso.com".into());
    full.computer_dns_name = Some("fin-ws-042".into());
    full.created_at = Some("2026-03-01T08:00:00.1234567Z".parse().unwrap());
    full.updated_at = full.created_at.clone();
    let noted = Record::Noted {
        address: addr(a),
        labels: [("incident".to_owned(), "INC-2042".to_owned())].into(),
        on_remove: Default::default(),
    };
    let busy = Outcome::Busy { error: refusal(400, "ActiveRequestAlreadyExists") };
    fold(&[
        open(),
        intent(a, CallAction::Create),
        outcome(a, 2, unknown()),
        intent(a, CallAction::Create),
        outcome(a, 4, Outcome::Made { object: full }),
        intent(a, CallAction::Cancel),
        noted,
        Record::Missing { address: addr(a), id: "x".into() },
        Record::Released { address: addr(a) },
        intent("InvestigationPackage/b", CallAction::Create),
        outcome("InvestigationPackage/b", 10, busy),
        intent("InvestigationPackage/b", CallAction::Create),
        intent(a, CallAction::Replace),
    ])
}

fn text(state: &State) -> String {
    String::from_utf8(snapshot::write(state, 1, 1).unwrap()).unwrap()
}

#[test]
fn one_resource_is_one_place_in_a_diff() {
    let state = fold(&story());
    insta::assert_snapshot!(text(&state));
    let mut next = story();
    next.push(Record::Observed { address: addr("InvestigationPackage/a"), object: object("id-a", "Failed") });
    let (old, new) = (text(&state), text(&fold(&next)));
    let diff = similar::TextDiff::from_lines(&old, &new);
    let changed = diff.iter_all_changes().filter(|c| c.tag() == similar::ChangeTag::Insert);
    let changed: Vec<&str> =
        changed.map(|c| c.value().trim().split('"').nth(1).unwrap_or_default()).collect();
    assert_eq!(changed, ["seq", "digest", "phase", "status", "attempts", "changed", "since"]);
}

#[test]
fn it_reads_what_it_wrote() {
    let state = rich();
    let bytes = snapshot::write(&state, 7, 2731).unwrap();
    let read = snapshot::read(&bytes).unwrap();
    assert_eq!((read.serial, read.mark.bytes, &read.state), (7, 2731, &state));
    assert_eq!(snapshot::write(&read.state, 7, 2731).unwrap(), bytes);
}

#[test]
fn what_is_no_snapshot_is_told_apart() {
    let good = text(&fold(&story()));
    assert_eq!(snapshot::read(b""), Err(SnapshotError::Empty));
    for bad in ["{", "[]", "{}", "null", "\0\0", &good[..good.len() / 2], "{\"formatVersion\":1}"] {
        assert!(matches!(snapshot::read(bad.as_bytes()), Err(SnapshotError::Unreadable { .. })), "{bad}");
    }
    for newer in
        [good.replace("\"formatVersion\": 1", "\"formatVersion\": 2"), "{\"formatVersion\":2}".into()]
    {
        assert_eq!(snapshot::read(newer.as_bytes()), Err(SnapshotError::Newer { version: 2 }));
    }
    let zero = good.replace("\"formatVersion\": 1", "\"formatVersion\": 0");
    assert!(matches!(snapshot::read(zero.as_bytes()), Err(SnapshotError::Unreadable { .. })));
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/state.schema.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert!(
        committed == snapshot::state_schema(),
        "schemas/state.schema.json is out of date: casefile schema state > schemas/state.schema.json"
    );
}

#[test]
fn the_schema_fits_what_is_written() {
    let schema = jsonschema::validator_for(&snapshot::state_schema()).unwrap();
    for state in [fold(&story()), rich()] {
        let document: Value = serde_json::from_str(&text(&state)).unwrap();
        let errors: Vec<String> =
            schema.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(errors, [] as [String; 0]);
    }
    let mut document: Value = serde_json::from_str(&text(&rich())).unwrap();
    document["resources"]["InvestigationPackage/a"]["colour"] = "red".into();
    assert!(!schema.is_valid(&document));
}

/// Every property of every object in a schema, with its path.
fn properties<'a>(schema: &'a Value, path: &str, out: &mut Vec<(String, &'a Value)>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                let here = format!("{path}/{key}");
                if key == "properties" {
                    for (name, property) in value.as_object().into_iter().flatten() {
                        out.push((format!("{here}/{name}"), property));
                    }
                }
                if key != "examples" {
                    properties(value, &here, out);
                }
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                properties(item, &format!("{path}/{i}"), out);
            }
        }
        _ => {}
    }
}

#[test]
fn every_field_is_described_and_shown_by_valid_examples() {
    let schema = snapshot::state_schema();
    let mut all = Vec::new();
    properties(&schema, "", &mut all);
    assert!(all.len() > 60, "{}", all.len());
    for (path, property) in all {
        let described = property["description"].as_str().is_some_and(|d| !d.is_empty());
        assert!(described, "{path} has no description");
        let examples = property["examples"].as_array().filter(|e| !e.is_empty());
        let examples = examples.unwrap_or_else(|| panic!("{path} has no example"));
        let mut alone = property.clone();
        alone["$defs"] = schema["$defs"].clone();
        let validator = jsonschema::validator_for(&alone).unwrap();
        for example in examples {
            let errors: Vec<String> = validator.iter_errors(example).map(|e| e.to_string()).collect();
            assert_eq!(errors, [] as [String; 0], "{path}: {example}");
        }
    }
}
