//! Values for a runbook's parameters, as far as an alert tells them.

use serde_json::{Map, Value, json};

use super::text::plain;
use crate::model::AlertInFull;

/// How long a value may be, in characters.
const LONGEST: usize = 1_000;

/// The facts of an alert, under the names that parameters have.
#[derive(Clone, Debug, Default)]
pub struct Facts(Vec<(&'static [&'static str], Vec<Value>)>);

impl Facts {
    /// Reads an alert. `machine` is the name of its device, if it is known, or its id; `ticket` the incident's label.
    pub fn of(alert: &AlertInFull, machine: &str, ticket: Option<&str>) -> Self {
        let a = &alert.alert;
        let text = |text: &Option<String>| -> Vec<Value> {
            let text = text.as_deref().map(|t| plain(t, LONGEST)).filter(|t| !t.is_empty());
            text.into_iter().map(Value::from).collect()
        };
        let evidence =
            |kinds: &[&str], of: fn(&crate::model::AlertEvidence) -> &Option<String>| -> Vec<Value> {
                let fits = |kind: &str| kinds.iter().any(|k| k.eq_ignore_ascii_case(kind));
                let those = alert.evidence.iter().filter(|e| e.entity_type.as_deref().is_some_and(fits));
                those.flat_map(|e| text(of(e))).collect()
            };
        let mut tickets: Vec<Value> = ticket.map(|t| json!(plain(t, LONGEST))).into_iter().collect();
        tickets.extend(alert.incident_id.map(|id| json!(format!("INC-{id}"))));
        let at = a.first_event_time.as_ref().map(|t| json!(t.to_string())).into_iter().collect();
        let files = ["File", "Process"];
        let machine = json!(plain(machine, LONGEST));
        Facts(vec![
            (&["ticket", "incident", "case"], tickets),
            (&["hosts", "machines", "devices", "computers"], vec![json!([machine])]),
            (&["host", "machine", "device", "computer", "origin", "patientzero"], vec![machine]),
            (&["alert", "alertid"], text(&Some(a.id.clone()))),
            (&["title"], text(&a.title)),
            (&["description"], text(&a.description)),
            (&["severity"], text(&a.severity)),
            (&["category"], text(&a.category)),
            (&["file", "filename", "payload"], evidence(&files, |e| &e.file_name)),
            (&["sha256"], evidence(&files, |e| &e.sha256)),
            (&["sha1"], evidence(&files, |e| &e.sha1)),
            (&["address", "ip", "ipaddress"], evidence(&["Ip"], |e| &e.ip_address)),
            (&["account", "accountname"], evidence(&["User"], |e| &e.account_name)),
            (&["user", "upn"], evidence(&["User"], |e| &e.user_principal_name)),
            (&["since", "at", "eventtime", "firstevent", "received", "signedin"], at),
        ])
    }

    /// The first value that the alert has for a parameter and that its schema takes.
    fn value(&self, key: &str, property: &Value, schema: &Value) -> Option<Value> {
        let key: String =
            key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let (_, values) = self.0.iter().find(|(names, _)| names.contains(&key.as_str()))?;
        values.iter().find(|value| takes(property, schema, value, 0)).cloned()
    }
}

/// Returns the values that an alert has for a runbook's parameters, and the names of those that are needed and are not
/// there.
pub fn filled(facts: &Facts, schema: &Value) -> (Map<String, Value>, Vec<String>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut with = Map::new();
    for (key, property) in properties.into_iter().flatten() {
        if let Some(value) = facts.value(key, property, schema) {
            with.insert(key.clone(), value);
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let has_default =
        |key: &str| properties.is_some_and(|p| p.get(key).is_some_and(|p| p.get("default").is_some()));
    let lacking =
        required.filter_map(Value::as_str).filter(|key| !with.contains_key(*key) && !has_default(key));
    let lacking = lacking.map(str::to_owned).collect();
    (with, lacking)
}

/// How many references lead to each other at the most.
const DEEPEST: usize = 32;

/// Returns whether a schema takes a value, by its type, its words and its pattern. The rest is checked when the manifest
/// is read back.
fn takes(property: &Value, schema: &Value, value: &Value, depth: usize) -> bool {
    if let Some(name) = property.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"))
    {
        let named = schema.get("$defs").and_then(|defs| defs.get(name));
        return depth < DEEPEST && named.is_some_and(|named| takes(named, schema, value, depth + 1));
    }
    let words = property.get("enum").and_then(Value::as_array);
    if words.is_some_and(|words| !words.contains(value)) {
        return false;
    }
    let is_of = |kind: &str| match kind {
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => false,
    };
    let typed = match property.get("type") {
        Some(Value::String(kind)) => is_of(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(is_of),
        _ => true,
    };
    let pattern = property.get("pattern").and_then(Value::as_str);
    let matches = |text: &str| {
        pattern.is_none_or(|pattern| regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text)))
    };
    typed
        && match value {
            Value::String(text) => matches(text),
            Value::Array(items) => {
                let of = property.get("items").unwrap_or(&Value::Null);
                items.iter().all(|item| takes(of, schema, item, depth + 1))
            }
            _ => true,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_filled_by_their_names_as_far_as_their_schema_takes_it() {
        let alert: AlertInFull = serde_json::from_value(json!({
            "id": "da1_2", "incidentId": 7, "title": "t",
            "evidence": [{ "entityType": "User", "accountName": "k.brandt", "userPrincipalName": "no address" }],
        }))
        .unwrap();
        let schema = json!({
            "required": ["ticket", "hosts", "user", "lead", "family"],
            "properties": {
                "ticket": { "type": "string", "pattern": "^INC-[0-9]+$" },
                "hosts": { "type": "array", "items": { "$ref": "#/$defs/host" } },
                "user": { "type": "string", "pattern": "@" },
                "account": { "type": "string" },
                "lead": { "type": "string" },
                "family": { "type": "string", "default": "x" },
                "severity": { "enum": ["high"] },
            },
            "$defs": { "host": { "type": "string", "pattern": "^[a-z0-9.-]+$" } },
        });
        let facts = Facts::of(&alert, "fin-ws-042", Some("7"));
        let (with, lacking) = filled(&facts, &schema);
        let wanted = json!({ "ticket": "INC-7", "hosts": ["fin-ws-042"], "account": "k.brandt" });
        assert_eq!(Value::Object(with), wanted);
        assert_eq!(lacking, ["user", "lead"]);
    }
}
