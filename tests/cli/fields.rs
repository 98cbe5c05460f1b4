//! No field of a manifest is lost on its way: all that the schema knows is in what `render` prints and in a seal.

use serde_json::{Value, json};

use crate::case::Case;

/// A value for a field of a schema, and not the one that it has by default: its example. For a mapping all of its fields,
/// but for those that stand in place of the first one of which one has to be there.
fn filled(schema: &Value) -> Value {
    let Some(fields) = schema["properties"].as_object() else {
        let example = &schema["examples"][0];
        return match example {
            _ if *example != schema["default"] => example.clone(),
            Value::Number(n) => json!(n.as_u64().unwrap() + 1),
            // One digit more: a span of time.
            _ => json!(format!("1{}", example.as_str().expect("a field has an example"))),
        };
    };
    let others: Vec<&Value> =
        schema["oneOf"].as_array().into_iter().flatten().skip(1).map(|way| &way["required"][0]).collect();
    let stands = |name: &str| !others.iter().any(|other| other.as_str() == Some(name));
    fields
        .iter()
        .filter(|(name, _)| stands(name))
        .map(|(name, field)| (name.clone(), filled(field)))
        .collect()
}

#[test]
fn every_field_of_a_manifest_is_rendered_and_sealed() {
    let case = Case::new("{}", "{}");
    let (schema, _) = case.exits(0, &["schema", "manifest"]);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for kind in ["InvestigationPackage", "Alert"] {
        let spec = filled(&schema["$defs"][kind]["properties"]["spec"]);
        let manifest =
            json!({ "apiVersion": "casefile/v1", "kind": kind, "metadata": { "name": "a" }, "spec": spec });
        case.write("manifests/a.yaml", &manifest.to_string());
        let (rendered, _) = case.exits(0, &["render"]);
        let rendered: Value = serde_yaml::from_str(&rendered).unwrap();
        assert_eq!(rendered["spec"], spec, "what render prints of {kind}");
        case.exits(0, &["seal"]);
        let seal: Value = serde_yaml::from_str(&case.read("manifests/a.sealed.yaml")).unwrap();
        let sealed = &seal["resources"][0];
        for (name, value) in spec.as_object().unwrap() {
            let of_spec = &sealed["spec"][name];
            let held = if of_spec.is_null() { &sealed[name] } else { of_spec };
            assert_eq!(held, value, "what the seal of {kind} holds of {name}");
        }
        std::fs::remove_file(case.path("manifests/a.sealed.yaml")).unwrap();
    }
}
