//! The values of an incident that is made up to try a runbook with.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::fleet::id_of;
use crate::model::{MachineId, MachineName};

/// A parameter for which no value can be made up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no value can be made up for the parameter {0}")]
pub struct NoSample(pub String);

/// How many references lead to each other at the most.
const DEEPEST: usize = 32;

/// Texts that parameters are often about. The first that a pattern takes is the sample.
const TEXTS: [&str; 14] = [
    "drill-001",
    "INC-1",
    "INC-0001",
    "1",
    "drill",
    "drill@example.com",
    "2026-01-05T08:00:00Z",
    "192.0.2.4",
    ".drill",
    "drill.exe",
    "drill.example.com",
    "https://drill.example.com/",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// Makes up what a runbook needs by the schema of its parameters: by `examples`, `const`, `enum` or `default` of each,
/// else a text or a number that it takes.
///
/// # Errors
/// A parameter that nothing fits that is known here.
pub fn samples(schema: &Value) -> Result<Map<String, Value>, NoSample> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let mut with = Map::new();
    for key in required.into_iter().flatten().filter_map(Value::as_str) {
        let Some(property) = properties.and_then(|p| p.get(key)) else {
            return Err(NoSample(key.to_owned()));
        };
        if property.get("default").is_none() {
            let value = sample(property, schema, 0).ok_or_else(|| NoSample(key.to_owned()))?;
            with.insert(key.to_owned(), value);
        }
    }
    Ok(with)
}

fn sample(wanted: &Value, schema: &Value, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    if let Some(name) = wanted.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/")) {
        return sample(schema.get("$defs")?.get(name)?, schema, depth + 1);
    }
    let first = |key: &str| wanted.get(key).and_then(Value::as_array).and_then(|list| list.first());
    let said = first("examples").or_else(|| wanted.get("const")).or_else(|| first("enum"));
    if let Some(value) = said.or_else(|| wanted.get("default")) {
        return Some(value.clone());
    }
    let kind = wanted.get("type").and_then(Value::as_str).or_else(|| first("type").and_then(Value::as_str));
    match kind {
        Some("boolean") => Some(json!(true)),
        Some("integer" | "number") => Some(wanted.get("minimum").cloned().unwrap_or(json!(1))),
        Some("array") => {
            let item =
                wanted.get("items").map_or(Some(json!("drill-001")), |of| sample(of, schema, depth + 1))?;
            Some(json!([item]))
        }
        Some("object") => {
            let properties = wanted.get("properties").and_then(Value::as_object);
            let required = wanted.get("required").and_then(Value::as_array);
            let mut out = Map::new();
            for key in required.into_iter().flatten().filter_map(Value::as_str) {
                out.insert(key.to_owned(), sample(properties?.get(key)?, schema, depth + 1)?);
            }
            Some(Value::Object(out))
        }
        _ => text(wanted).map(Value::from),
    }
}

fn text(wanted: &Value) -> Option<String> {
    let pattern = wanted.get("pattern").and_then(Value::as_str).unwrap_or_default();
    let pattern = regex::Regex::new(pattern).ok()?;
    let length = |key: &str| wanted.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let (least, most) = (length("minLength").unwrap_or(0), length("maxLength").unwrap_or(usize::MAX));
    let fits = |text: &&&str| (least..=most).contains(&text.len()) && pattern.is_match(text);
    TEXTS.iter().find(fits).map(|text| (*text).to_owned())
}

/// Returns the values with `wanted` devices in the place of those that a list names; `known` are the names and ids of the
/// devices of what they came to. None if no list names devices.
pub fn multiplied(
    with: &Map<String, Value>,
    known: &BTreeSet<String>,
    wanted: usize,
) -> Option<Map<String, Value>> {
    let is_machine =
        |value: &Value| value.as_str().is_some_and(|text| known.contains(&text.to_ascii_lowercase()));
    let names_one = |item: &Value| match item {
        Value::Object(fields) => fields.values().any(is_machine),
        item => is_machine(item),
    };
    let mut out = with.clone();
    let mut found = false;
    for value in out.values_mut() {
        let Value::Array(items) = value else { continue };
        if items.is_empty() || !items.iter().all(names_one) {
            continue;
        }
        found = true;
        let models = std::mem::take(items);
        let Some(first) = models.first() else { continue };
        let pattern = match first {
            Value::Object(fields) => fields.values().find(|v| is_machine(v)).and_then(Value::as_str),
            item => item.as_str(),
        };
        let pattern = pattern.unwrap_or("drill-001").to_owned();
        let made = models.iter().cycle().take(wanted).enumerate().map(|(n, model)| {
            let machine = Value::from(machine_like(&pattern, n + 1, wanted));
            match model {
                Value::Object(fields) => {
                    let swap = |(key, value): (&String, &Value)| {
                        (key.clone(), if is_machine(value) { machine.clone() } else { value.clone() })
                    };
                    Value::Object(fields.iter().map(swap).collect())
                }
                _ => machine,
            }
        });
        *items = made.collect();
    }
    found.then_some(out)
}

/// The id or name of the device with a number: an id for an id, and a name with another number for a name.
fn machine_like(model: &str, number: usize, of: usize) -> String {
    if model.parse::<MachineId>().is_ok() {
        return id_of(&format!("incident/{number}"));
    }
    let (label, domain) =
        model.split_once('.').map_or((model, None), |(label, domain)| (label, Some(domain)));
    let stem = label.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = (label.len() - stem.len()).max(of.to_string().len()).max(3);
    let dash = if stem.len() == label.len() && !stem.ends_with('-') { "-" } else { "" };
    let name = format!("{stem}{dash}{number:0digits$}");
    let whole = domain.map_or(name.clone(), |domain| format!("{name}.{domain}"));
    // A label that is as long as labels can be has no room for a number.
    if whole.parse::<MachineName>().is_ok() { whole } else { format!("drill-{number:0digits$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_names_devices_names_as_many_as_are_wanted() {
        let with = json!({
            "ticket": "INC-1", "hosts": ["fin-ws-042", "FIN-FS-01.contoso.com"],
            "hops": [{ "host": "app-srv-05", "how": "RDP" }], "users": ["a"], "none": [],
        });
        let known = ["fin-ws-042", "fin-fs-01.contoso.com", "app-srv-05"].map(str::to_owned).into();
        let out = multiplied(with.as_object().unwrap(), &known, 3).unwrap();
        assert_eq!(out["hosts"], json!(["fin-ws-001", "fin-ws-002", "fin-ws-003"]));
        assert_eq!(out["hops"][2], json!({ "host": "app-srv-003", "how": "RDP" }));
        assert_eq!(
            (&out["users"], &out["ticket"], &out["none"]),
            (&json!(["a"]), &json!("INC-1"), &json!([]))
        );
        assert_eq!(multiplied(with.as_object().unwrap(), &BTreeSet::new(), 3), None);
        let id = "ab".repeat(20);
        let with = json!({ "machines": [id] });
        let out = multiplied(with.as_object().unwrap(), &[id].into(), 2).unwrap();
        let ids = out["machines"].as_array().unwrap();
        assert!(ids.iter().all(|id| id.as_str().unwrap().parse::<MachineId>().is_ok()) && ids[0] != ids[1]);
    }

    #[test]
    fn names_that_have_no_room_for_a_number_are_others() {
        assert_eq!(machine_like("dc", 1, 2), "dc-001");
        assert_eq!(machine_like("x-1.corp", 12, 2000), "x-0012.corp");
        assert_eq!(machine_like(&"x".repeat(63), 1, 2), "drill-001");
    }

    #[test]
    fn parameters_have_samples_that_their_schema_takes() {
        let schema = json!({
            "required": ["ticket", "at", "who", "hosts", "n", "word", "deep", "given"],
            "properties": {
                "ticket": { "type": "string", "pattern": "^INC-[0-9]+$" },
                "at": { "type": "string", "pattern": "^[0-9]{4}-" },
                "who": { "type": "string", "pattern": "^[^@ ]+@[^@ ]+$" },
                "hosts": { "type": "array", "items": { "$ref": "#/$defs/host" } },
                "n": { "type": "integer", "minimum": 3 },
                "word": { "enum": ["RDP", "SMB"] },
                "deep": { "type": "object", "required": ["a"], "properties": { "a": { "examples": ["x"] } } },
                "given": { "type": "string", "default": "y" },
                "more": { "type": "string" },
            },
            "$defs": { "host": { "type": "string", "pattern": "^[A-Za-z0-9-]+$" } },
        });
        let with = Value::Object(samples(&schema).unwrap());
        let wanted = json!({
            "ticket": "INC-1", "at": "2026-01-05T08:00:00Z", "who": "drill@example.com", "hosts": ["drill-001"],
            "n": 3, "word": "RDP", "deep": { "a": "x" },
        });
        assert_eq!(with, wanted);
        let odd =
            json!({ "required": ["x"], "properties": { "x": { "type": "string", "pattern": "^never$" } } });
        assert_eq!(samples(&odd), Err(NoSample("x".to_owned())));
        let circle = json!({ "required": ["x"], "properties": { "x": { "$ref": "#/$defs/x" } }, "$defs": { "x": { "$ref": "#/$defs/x" } } });
        assert_eq!(samples(&circle), Err(NoSample("x".to_owned())));
    }
}
