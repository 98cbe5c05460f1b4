//! Short inputs that would be a lot of work: each ends in an error, told by a count of what is done, never by a clock.

use serde_json::{Map, Value, json};

use super::*;

const SOUND: &str = r#"{"machineId": "fb9ab6be3965095a09c057be7c90f0a2", "comment": "x"}"#;

/// A runbook of one template, and an incident of it.
fn files(parameters: &Value, template: &Value, with: &Value) -> String {
    let mut resource = json!({
        "kind": "InvestigationPackage", "metadata": { "name": "a" }, "spec": serde_json::from_str::<Value>(SOUND).unwrap()
    });
    for (name, value) in template.as_object().unwrap() {
        resource[name] = value.clone();
    }
    let runbook = json!({
        "apiVersion": "casefile/v1", "kind": "Runbook", "metadata": { "name": "bomb" },
        "spec": { "parameters": parameters, "resources": [resource] }
    });
    let incident = json!({
        "apiVersion": "casefile/v1", "kind": "Incident", "metadata": { "name": "inc-1" },
        "spec": { "runbook": "bomb", "with": with }
    });
    format!("{runbook}\n---\n{incident}\n")
}

/// The codes and messages of the errors.
fn errors(text: &str) -> Vec<(&'static str, String)> {
    let (_, diagnostics) = parse_manifests("bomb.yaml", text.as_bytes());
    let errors = diagnostics.into_iter().filter(|d| d.severity == Level::Error);
    errors.map(|d| (d.code, d.message)).collect()
}

#[track_caller]
fn refused(text: &str, code: &str, message: &str) {
    let errors = errors(text);
    let fits = |(c, m): &(&str, String)| *c == code && m.contains(message);
    assert!(errors.iter().any(fits), "{code}: {message}: {errors:?}");
}

fn schema(properties: &Value, defs: &Value) -> Value {
    json!({ "type": "object", "properties": properties, "$defs": defs })
}

/// `forEach` over so many devices, each with a name of its own.
fn each(mut template: Value, when: &str) -> Value {
    template["forEach"] = "${{ with.items }}".into();
    template["metadata"] = json!({ "name": "a-${{ item | slug }}" });
    template["when"] = format!("${{{{ {when} }}}}").into();
    template
}

fn items(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("ws-{n}")).collect()
}

const ANY: fn() -> Value = || json!({ "type": "object", "additionalProperties": true });

#[test]
fn a_schema_that_doubles_with_each_definition() {
    for keyword in ["anyOf", "allOf", "oneOf"] {
        let mut defs: Map<String, Value> =
            [("d0".to_owned(), json!({ "type": "string" }))].into_iter().collect();
        for n in 1..=30 {
            let to = json!({ "$ref": format!("#/$defs/d{}", n - 1) });
            defs.insert(format!("d{n}"), json!({ keyword: [to, to] }));
        }
        let parameters = schema(&json!({ "a": { "$ref": "#/$defs/d30" } }), &defs.into());
        refused(&files(&parameters, &json!({}), &json!({ "a": "x" })), "bad-parameters", "10000 rules");
    }
}

#[test]
fn a_schema_that_refers_on_and_on() {
    let mut defs: Map<String, Value> = [("d0".to_owned(), json!({}))].into_iter().collect();
    for n in 1..=2_000 {
        defs.insert(format!("d{n}"), json!({ "items": { "$ref": format!("#/$defs/d{}", n - 1) } }));
    }
    let parameters = schema(&json!({ "a": { "$ref": "#/$defs/d2000" } }), &defs.into());
    refused(&files(&parameters, &json!({}), &json!({})), "bad-parameters", "10000 rules");
}

#[test]
fn patterns_that_are_large_or_many() {
    let of = |patterns: Vec<String>| {
        let fields = patterns.into_iter().enumerate();
        let fields: Map<String, Value> =
            fields.map(|(n, p)| (format!("p{n}"), json!({ "pattern": p }))).collect();
        files(&schema(&fields.into(), &json!({})), &json!({}), &json!({}))
    };
    let nested = (0..3_000).map(|n| format!("^((a{{1,9}}){{1,9}}b{n}){{1,9}}$")).collect();
    refused(&of(nested), "bad-parameters", "10000 rules");
    refused(&of(vec!["((a{1,100}){1,100}){1,100}".to_owned()]), "bad-parameters", "grows too large");
}

#[test]
fn defaults_without_end() {
    let fields: Map<String, Value> = (0..300).map(|n| (format!("p{n}"), json!({ "default": n }))).collect();
    let text = files(&schema(&fields.into(), &json!({})), &json!({}), &json!({}));
    refused(&text, "bad-parameters", "more than 200 defaults");
}

#[test]
fn many_rules_for_many_values() {
    let rules: Vec<Value> = (0..2_000).map(|n| json!({ "not": { "const": n } })).collect();
    let parameters = schema(&json!({ "a": { "type": "array", "items": { "allOf": rules } } }), &json!({}));
    let with = json!({ "a": vec!["x"; 15_000] });
    refused(&files(&parameters, &json!({}), &with), "expansion-too-large", "too much work to check");
}

#[test]
fn texts_that_are_joined_and_changed_again_and_again() {
    let long = json!({ "a": "x".repeat(1 << 20), "items": ["a"] });
    refused(&files(&ANY(), &json!({}), &long), "text-too-long", "64 KiB");
    let with = json!({ "a": "x".repeat(60_000), "items": items(4_900) });
    let joined = format!("({}) == ''", vec!["with.a"; 120].join("~"));
    let changed = format!("with.a{} == ''", "|upper|lower".repeat(20));
    let held = vec!["item in with.items"; 40].join(" or ");
    for when in [&joined, &changed, &format!("{held} and false")] {
        let template = each(json!({}), when);
        refused(&files(&ANY(), &template, &with), "expansion-too-large", "too much work");
    }
}

#[test]
fn one_value_that_is_large_on_the_way() {
    let with = json!({ "list": vec!["x".repeat(60_000); 200], "items": ["a"] });
    let template = each(json!({}), "(with.list ~ '') == ''");
    refused(&files(&ANY(), &template, &with), "expansion-too-large", "too large a value");
}

#[test]
fn a_template_that_is_large_itself() {
    let with = json!({ "items": items(4_900) });
    let spec = json!({ "machineId": "fb9ab6be3965095a09c057be7c90f0a2", "comment": "x".repeat(1 << 20) });
    let template = each(json!({ "spec": spec }), "true");
    refused(&files(&ANY(), &template, &with), "expansion-too-large", "64 MiB");
    let mut template = each(json!({}), "true");
    let labels: Map<String, Value> = (0..4_000).map(|n| (format!("k{n}"), "x".into())).collect();
    template["metadata"]["labels"] = labels.into();
    refused(&files(&ANY(), &template, &with), "expansion-too-large", "64 MiB");
}

#[test]
fn names_that_are_unknown_in_all_places() {
    let names: Map<String, Value> = (0..500).map(|n| (format!("parameter-{n}"), json!({}))).collect();
    let texts: Vec<Value> =
        (0..100).map(|n| vec![format!("${{{{ with.p{n} }}}}"); 4].join(" ").into()).collect();
    let mut template = json!({ "spec": { "comment": texts } });
    template["spec"]["machineId"] = "fb9ab6be3965095a09c057be7c90f0a2".into();
    let text = files(&schema(&names.into(), &json!({})), &template, &json!({}));
    refused(&text, "unknown-name", "no parameter `p0`");
    assert!(errors(&text).len() <= 102);
    let manifest = |n: usize| {
        let wanted: Vec<String> = (0..50).map(|i| format!("nowhere-{n}-{i}")).collect();
        let one = json!({
            "apiVersion": "casefile/v1", "kind": "InvestigationPackage", "metadata": { "name": format!("a-{n}") },
            "spec": serde_json::from_str::<Value>(SOUND).unwrap(), "dependsOn": wanted
        });
        format!("{one}\n---\n")
    };
    refused(&(0..20).map(manifest).collect::<String>(), "unknown-dependency", "nowhere-0-0");
}

#[test]
fn patterns_of_names_without_end() {
    let of = |n: usize| {
        let patterns: Vec<String> = (0..n).map(|n| format!("*a*b*{n}*")).collect();
        let project = json!({
            "apiVersion": "casefile/v1", "kind": "Project", "metadata": { "name": "x" },
            "spec": { "protected": patterns }
        });
        parse_project(project.to_string().as_bytes())
    };
    assert!(of(500).is_ok());
    assert_eq!(of(5_000).unwrap_err()[0].code, "too-many-patterns");
}
