//! The values of a runbook's parameters as a person types them: read by their types, asked for one by one, and told by
//! their names where they are wrong.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::context::complain;
use super::exit::Error;
use crate::manifest::{Diagnostic, Level, look_through};
use crate::render::escape::one_line;

/// The names of the parameters that have to be given.
pub fn required(schema: &Value) -> Vec<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The schema of a parameter.
pub fn property<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(key)
}

/// Describes a parameter in a sentence: its purpose, and the values that it takes.
pub fn about(property: &Value, schema: &Value) -> String {
    let text = |key: &str| resolved(property, schema).get(key).and_then(Value::as_str);
    let described = property.get("description").and_then(Value::as_str).or_else(|| text("description"));
    let words = resolved(property, schema).get("enum").and_then(Value::as_array).map(|words| {
        let words: Vec<String> =
            words.iter().map(|w| w.as_str().map_or_else(|| w.to_string(), str::to_owned)).collect();
        format!("one of {}", words.join(", "))
    });
    let kind = match text("type") {
        Some("array") => Some("a list".to_owned()),
        Some("boolean") => Some("true or false".to_owned()),
        Some("integer" | "number") => Some("a number".to_owned()),
        _ => None,
    };
    let described = described.map(|d| d.split_whitespace().collect::<Vec<_>>().join(" "));
    match (described, words.or(kind)) {
        (Some(described), Some(takes)) => format!("{} ({takes})", described.trim_end_matches('.')),
        (Some(described), None) => described,
        (None, takes) => takes.unwrap_or_default(),
    }
}

/// Returns whether a parameter has to be given by whoever uses the runbook.
pub fn is_needed(key: &str, property: &Value, schema: &Value) -> bool {
    required(schema).contains(&key) && property.get("default").is_none()
}

/// The parameters in the order in which people fill them in: those that are needed first.
pub fn in_order(schema: &Value) -> Vec<(&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut all: Vec<(&String, &Value)> = properties.into_iter().flatten().collect();
    all.sort_by_key(|(key, property)| !is_needed(key, property, schema));
    all
}

/// Asks for the value of each parameter, one question each. An empty answer leaves out what is not needed. A value that
/// `wrong` says something about is asked for again.
///
/// # Errors
/// The answers end: Ctrl-D, or a terminal that goes away.
pub fn ask(
    schema: &Value,
    answers: &mut dyn BufRead,
    wrong: impl Fn(&Map<String, Value>, &str) -> Option<String>,
) -> Result<Map<String, Value>, Error> {
    let mut with = Map::new();
    for (key, property) in in_order(schema) {
        let is_needed = is_needed(key, property, schema);
        complain(&question(key, property, schema));
        loop {
            complain("> ");
            let mut answer = String::new();
            let read = answers.read_line(&mut answer);
            if !read.is_ok_and(|bytes| bytes > 0) {
                complain("\n");
                return Err(Error::Unanswered);
            }
            match answer.trim() {
                "" if is_needed => {
                    complain("a value is needed; Ctrl-D ends the questions, and nothing is written\n")
                }
                "" => break,
                text => {
                    let why = match typed(text, property, schema) {
                        Ok(value) => {
                            let mut more = with.clone();
                            more.insert(key.clone(), value);
                            let why = wrong(&more, key);
                            if why.is_none() {
                                with = more;
                                break;
                            }
                            why
                        }
                        Err(why) => Some(why),
                    };
                    complain(&format!("{}\n", one_line(&why.unwrap_or_default())));
                }
            }
        }
    }
    Ok(with)
}

/// The question for a parameter: its name, what it is for, and what an empty answer means.
fn question(key: &str, property: &Value, schema: &Value) -> String {
    let mut parts: Vec<String> =
        Some(about(property, schema)).filter(|a| !a.is_empty()).into_iter().collect();
    if resolved(property, schema).get("type").is_some_and(|t| t == "array") {
        parts.push("with commas between items".to_owned());
    }
    parts.extend(match property.get("default") {
        Some(default) => Some(format!("Enter keeps {default}")),
        None if is_needed(key, property, schema) => None,
        None => Some("Enter leaves it out".to_owned()),
    });
    let parts: String = parts.iter().map(|part| format!("; {part}")).collect();
    let parts = parts.replacen("; ", ": ", 1);
    format!("{}\n", one_line(&format!("{key}{parts}")))
}

/// Splits the problems of a draft into those of the values in its `with`, by their parameters, and the others.
pub fn of_values(
    problems: Vec<Diagnostic>,
    draft: &str,
    file: &str,
) -> (Vec<(String, String)>, Vec<Diagnostic>) {
    let (mut values, mut others) = (Vec::new(), Vec::new());
    for problem in problems {
        let key = Some(&problem).filter(|p| *p.file == *file && p.severity == Level::Error);
        match key.and_then(|p| parameter_at(draft, p.line)) {
            Some(key) => {
                // The help shows a line of the manifest.
                let help = problem
                    .help
                    .map(|help| help.replacen(&format!("write {key}: "), &format!("write --set {key}="), 1));
                let help = help.map(|help| format!("; {help}")).unwrap_or_default();
                values.push((key, format!("{}{help}", problem.message)));
            }
            None => others.push(problem),
        }
    }
    (values, others)
}

/// The parameter whose value stands in a line of a draft that this tool wrote; lines count from 1.
fn parameter_at(draft: &str, line: u32) -> Option<String> {
    let lines: Vec<&str> = draft.lines().collect();
    let with = lines.iter().position(|line| *line == "  with:")?;
    let at = usize::try_from(line).ok()?.checked_sub(1).filter(|at| *at > with)?;
    let of_key =
        |line: &&&str| line.strip_prefix("    ").is_some_and(|rest| !rest.starts_with([' ', '-', '#']));
    let line = lines.get(with + 1..=at)?.iter().rev().find(of_key)?;
    let (key, _) = line.trim_start().split_once(':')?;
    Some(key.trim_matches(['"', '\'']).to_owned())
}

/// Follows a reference into `$defs`.
fn resolved<'a>(wanted: &'a Value, schema: &'a Value) -> &'a Value {
    let name = wanted.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
    name.and_then(|name| schema.get("$defs")?.get(name)).unwrap_or(wanted)
}

/// The schema of a list's items.
pub fn items<'a>(wanted: &'a Value, schema: &'a Value) -> &'a Value {
    resolved(wanted, schema).get("items").unwrap_or(&Value::Null)
}

/// A typed value: a text where the schema takes texts only, else what the value is in YAML.
///
/// # Errors
/// A key of it is set twice.
pub fn typed(value: &str, wanted: &Value, schema: &Value) -> Result<Value, String> {
    let wanted = resolved(wanted, schema);
    let types: Vec<&str> = match wanted.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words =
        || wanted.get("enum").and_then(Value::as_array).is_some_and(|e| e.iter().all(Value::is_string));
    if types == ["string"] || types.is_empty() && words() {
        // A text in JSON's quotes is meant to be read.
        let quoted = if value.starts_with('"') { serde_json::from_str(value).ok() } else { None };
        return Ok(Value::String(quoted.unwrap_or_else(|| value.to_owned())));
    }
    Ok(match read(value)? {
        Some(list @ Value::Array(_)) => list,
        _ if types == ["array"] => {
            let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
            let values = parts.map(|part| typed(part, items(wanted, schema), schema));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        Some(value) if !value.is_null() || types.contains(&"null") => value,
        _ => Value::String(value.to_owned()),
    })
}

/// Reads a text as JSON or as YAML; none if it is neither.
///
/// # Errors
/// A key of it is set twice.
fn read(text: &str) -> Result<Option<Value>, String> {
    let json = serde_json::from_str::<Value>(text).ok();
    match look_through(text) {
        Ok(()) => Ok(json.or_else(|| serde_yaml::from_str::<Value>(text).ok())),
        Err(e) if e.is_duplicate => Err(e.why),
        Err(_) => Ok(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_follow_the_schema() {
        let schema = json!({ "$defs": { "port": { "type": "integer" } } });
        for (wanted, text, value) in [
            (json!({ "type": "string" }), "0123", json!("0123")),
            (json!({ "type": "string" }), "no", json!("no")),
            (json!({ "type": "string" }), "\"a\\n\"", json!("a\n")),
            (json!({ "enum": ["1", "2"] }), "1", json!("1")),
            (json!({ "type": "integer" }), "3", json!(3)),
            (json!({ "type": "integer" }), "three", json!("three")),
            (json!({ "type": "boolean" }), "true", json!(true)),
            (json!({ "type": "array", "items": { "type": "string" } }), "007", json!(["007"])),
            (json!({ "type": "array" }), "[a, b]", json!(["a", "b"])),
            (
                json!({ "type": "array", "items": { "type": "string" } }),
                "fin-ws-1, 007,",
                json!(["fin-ws-1", "007"]),
            ),
            (json!({ "type": "array" }), "[\"a\", 1]", json!(["a", 1])),
            (json!({ "type": "object" }), "{\"a\": 1}", json!({ "a": 1 })),
            (json!({ "$ref": "#/$defs/port" }), "443", json!(443)),
            (json!({ "type": ["string", "null"] }), "null", json!(null)),
            (json!(null), "a: b", json!({ "a": "b" })),
            (json!(null), "", json!("")),
        ] {
            assert_eq!(typed(text, &wanted, &schema), Ok(value), "{wanted} {text}");
        }
        for twice in [r#"{"a":1,"b":{"a":2},"a":3}"#, "{ a: 1, a: 2 }", r#"[{"a":1},{"x":0,"a":1,"a":2}]"#] {
            for wanted in [json!(null), json!({ "type": "object" }), json!({ "type": "array" })] {
                assert_eq!(typed(twice, &wanted, &schema), Err("`a` is set twice".to_owned()), "{twice}");
            }
        }
    }

    #[test]
    fn each_parameter_is_asked_for_until_its_value_fits() {
        let schema = json!({
            "required": ["ticket", "lead"],
            "properties": {
                "deep": { "type": "boolean", "default": false },
                "lead": { "type": "integer", "description": "Whose shift it is." },
                "machines": { "type": "array", "items": { "type": "string" } },
                "ticket": { "type": "string" }
            }
        });
        let wrong = |with: &Map<String, Value>, key: &str| {
            (key == "lead" && !with[key].is_number()).then(|| "a number".to_owned())
        };
        let asked = |text: &str| ask(&schema, &mut text.as_bytes(), wrong);
        let with = asked("seven\n7\n\n0042\n\na, b\n").unwrap();
        assert_eq!(Value::from(with), json!({ "lead": 7, "ticket": "0042", "machines": ["a", "b"] }));
        for ended in ["", "7\n", "7\nINC-1\n\n"] {
            assert!(matches!(asked(ended), Err(Error::Unanswered)), "{ended:?}");
        }
        let question = |key: &str| question(key, property(&schema, key).unwrap(), &schema);
        assert_eq!(question("lead"), "lead: Whose shift it is (a number)\n");
        assert_eq!(question("deep"), "deep: true or false; Enter keeps false\n");
        assert_eq!(
            question("machines"),
            "machines: a list; with commas between items; Enter leaves it out\n"
        );
        assert_eq!(question("ticket"), "ticket\n");
    }

    #[test]
    fn a_line_of_a_draft_belongs_to_a_parameter() {
        let draft = "spec:\n  runbook: a\n  with:\n    lead: x\n    \"on\":\n      - 1\n    t: 2\n";
        let keys: Vec<Option<String>> = (1..=8).map(|line| parameter_at(draft, line)).collect();
        let keys: Vec<Option<&str>> = keys.iter().map(Option::as_deref).collect();
        assert_eq!(keys, [None, None, None, Some("lead"), Some("on"), Some("on"), Some("t"), None]);
    }
}
