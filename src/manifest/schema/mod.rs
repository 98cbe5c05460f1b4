//! JSON Schemas of what users write: generated from the types, printed for editors, compiled to validate.
//!
//! [`fast_validate`] says yes to nearly every document. [`validate`] asks the schema about all others, and says in words
//! what is wrong; [`rules`] holds what a schema cannot say.

pub(super) mod fast_validate;
pub(super) mod field;
pub(super) mod json;
mod misplaced;
mod pattern;
pub(super) mod rules;
mod shape;
pub(super) mod validate;
#[cfg(test)]
mod verdicts;

use std::str::FromStr;
use std::sync::OnceLock;

use jsonschema::{PatternOptions, Validator};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::kinds::{
    ALERT_ADDRESS, API_VERSION, AlertManifest, CONTROL, CaseFile, IncidentManifest, PACKAGE_ADDRESS, PLAIN,
    PackageManifest, RunbookManifest,
};
use super::project::ProjectFile;
use crate::manifest::surgery;
use crate::model::Kind;

/// The schemas of what users write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaKind {
    /// Any manifest: what an editor is pointed at.
    Manifest,
    /// One kind of manifest.
    Resource(Kind),
    /// Templates and their parameters.
    Runbook,
    /// A runbook's use.
    Incident,
    /// `casefile.yaml`.
    Project,
    /// A case of a runbook, for `casefile test`.
    Case,
}

/// A word that names no schema of this module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no schema: there are manifest, Alert, InvestigationPackage, Incident, Runbook, project and \
     case"
)]
pub struct SchemaKindError(String);

impl SchemaKind {
    /// Every schema.
    pub const ALL: [SchemaKind; 7] = [
        SchemaKind::Manifest,
        SchemaKind::Resource(Kind::Alert),
        SchemaKind::Resource(Kind::InvestigationPackage),
        SchemaKind::Incident,
        SchemaKind::Runbook,
        SchemaKind::Project,
        SchemaKind::Case,
    ];

    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            SchemaKind::Manifest => "manifest",
            SchemaKind::Resource(kind) => kind.as_str(),
            SchemaKind::Incident => "Incident",
            SchemaKind::Runbook => "Runbook",
            SchemaKind::Project => "project",
            SchemaKind::Case => "case",
        }
    }
}

impl FromStr for SchemaKind {
    type Err = SchemaKindError;

    fn from_str(text: &str) -> Result<Self, SchemaKindError> {
        let same = |kind: &SchemaKind| kind.as_str().eq_ignore_ascii_case(text);
        SchemaKind::ALL.into_iter().find(same).ok_or_else(|| SchemaKindError(text.to_owned()))
    }
}

/// The JSON Schema (draft 2020-12) of what users write.
pub fn schema(kind: SchemaKind) -> Value {
    match kind {
        SchemaKind::Manifest => any_manifest(),
        SchemaKind::Resource(kind) => resource(kind),
        SchemaKind::Incident => compiled(Target::Incident).schema.clone(),
        SchemaKind::Runbook => runbook(),
        SchemaKind::Project => compiled(Target::Project).schema.clone(),
        SchemaKind::Case => compiled(Target::Case).schema.clone(),
    }
}

/// What a document is validated as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::manifest) enum Target {
    Resource(Kind),
    Runbook,
    Incident,
    Project,
    /// A case of a runbook: what `casefile test` reads.
    Case,
}

impl Target {
    /// What a manifest can be.
    pub const MANIFESTS: [Target; 4] = [
        Target::Resource(Kind::Alert),
        Target::Resource(Kind::InvestigationPackage),
        Target::Incident,
        Target::Runbook,
    ];

    /// The word its `kind` holds.
    pub fn word(self) -> &'static str {
        match self {
            Target::Resource(kind) => kind.as_str(),
            Target::Runbook => "Runbook",
            Target::Incident => "Incident",
            Target::Case => "case",
            Target::Project => "Project",
        }
    }
}

/// A schema and its validator.
pub(in crate::manifest) struct Compiled {
    pub schema: Value,
    pub validator: Validator,
}

/// Compiled at its first use, once per process.
pub(in crate::manifest) fn compiled(target: Target) -> &'static Compiled {
    static ALERT: OnceLock<Compiled> = OnceLock::new();
    static PACKAGE: OnceLock<Compiled> = OnceLock::new();
    static PROJECT: OnceLock<Compiled> = OnceLock::new();
    static RUNBOOK: OnceLock<Compiled> = OnceLock::new();
    static INCIDENT: OnceLock<Compiled> = OnceLock::new();
    static CASE: OnceLock<Compiled> = OnceLock::new();
    match target {
        Target::Resource(Kind::Alert) => {
            ALERT.get_or_init(|| {
                let mut schema = titled::<AlertManifest>(target, "An alert to be raised on an event.");
                // Kinds share the type of their envelope, and with it a package's name as an example.
                if let Some(moved) = schema.pointer_mut("/properties/moved") {
                    let example = "Alert/fin-ws-042-exploit";
                    moved["examples"] = json!([{ "from": example }]);
                    moved["properties"]["from"]["examples"] = json!([example]);
                }
                built(schema)
            })
        }
        Target::Resource(Kind::InvestigationPackage) => PACKAGE.get_or_init(|| {
            compile::<PackageManifest>(target, "An investigation package to be collected from a device.")
        }),
        Target::Runbook => RUNBOOK.get_or_init(|| {
            let mut schema = titled::<RunbookManifest>(target, RUNBOOK_WORDS);
            if let Some(list) = schema.pointer_mut("/properties/spec/properties/resources") {
                list["items"] = true.into();
            }
            built(schema)
        }),
        Target::Incident => INCIDENT.get_or_init(|| {
            compile::<IncidentManifest>(target, "An incident: a runbook, and the values of its parameters.")
        }),
        Target::Case => CASE.get_or_init(|| {
            compile::<CaseFile>(target, "An incident to try a runbook with, and what it shall expand to.")
        }),
        Target::Project => PROJECT.get_or_init(|| {
            compile::<ProjectFile>(target, "A project: where manifests are, and which service they are for.")
        }),
    }
}

/// What a runbook is.
const RUNBOOK_WORDS: &str = "Templates of resources, and the parameters that they take.";

fn compile<T: JsonSchema>(target: Target, description: &str) -> Compiled {
    built(titled::<T>(target, description))
}

fn titled<T: JsonSchema>(target: Target, description: &str) -> Value {
    let mut schema = generate::<T>();
    // Kinds share the type of their envelope, and with it the type's words.
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), target.word().into());
        object.insert("description".into(), description.into());
    }
    schema
}

fn built(schema: Value) -> Compiled {
    // A linear-time engine, so that no text can make validation slow.
    let validator = jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .with_keyword("pattern", pattern::keyword)
        .build(&schema)
        // The schema comes from our own types and every one of them is compiled by a test.
        .unwrap_or_else(|e| unreachable!("the schemas are valid: {e}"));
    Compiled { schema, validator }
}

fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12()
        // One tree without references: a field's own description is what an editor shows.
        .with(|s| s.inline_subschemas = true)
        .with_transform(RecursiveTransform(as_written));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of any manifest. It tells kinds apart by `kind`, so that an editor reports what is wrong
/// with the kind that was meant.
fn any_manifest() -> Value {
    let mut definitions = Map::new();
    let mut branches = Vec::new();
    let mut words = Vec::new();
    for target in Target::MANIFESTS {
        let word = target.word();
        let mut body = match target {
            Target::Runbook => runbook(),
            Target::Resource(kind) => resource(kind),
            target => compiled(target).schema.clone(),
        };
        if let Some(body) = body.as_object_mut() {
            body.remove("$schema");
        }
        definitions.insert(word.to_owned(), body);
        branches.push(json!({
            "if": {"properties": {"kind": {"const": word}}, "required": ["kind"]},
            "then": {"$ref": format!("#/$defs/{word}")}
        }));
        words.push(word);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Manifest",
        "description": "A resource of casefile: an investigation package to collect, an alert to raise, or a runbook and its incidents.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {
                "description": format!("The version of the manifest format: always `{API_VERSION}`."),
                "const": API_VERSION
            },
            "kind": {
                "description": "What this document declares. `InvestigationPackage` collects a forensic package from a device, `Alert` raises an alert on an event, `Runbook` holds templates of both, `Incident` makes resources of a runbook.",
                "enum": words
            }
        },
        "allOf": branches,
        "$defs": definitions
    })
}

/// The schema of a kind of resource for editors: it says of surgery what `manifest::surgery` says in better words, so that
/// what is compiled leaves it out.
fn resource(kind: Kind) -> Value {
    let mut schema = compiled(Target::Resource(kind)).schema.clone();
    let from = schema.pointer_mut("/properties/moved/properties/from/pattern");
    if let Some(pattern) = from {
        *pattern = match kind {
            Kind::Alert => ALERT_ADDRESS.into(),
            Kind::InvestigationPackage => PACKAGE_ADDRESS.into(),
        };
    }
    if kind == Kind::InvestigationPackage {
        let of_one = json!({
            "properties": {"spec": {"properties": {"machineTag": false, "machines": false}}}
        });
        let fields = surgery::FIELDS.map(|field| (field.to_owned(), of_one.clone()));
        schema["dependentSchemas"] = Value::Object(fields.into_iter().collect());
    }
    schema
}

/// The schema of a runbook for editors: its templates are manifests without `apiVersion`, in which an
/// expression can stand for every value. What is compiled says nothing of them: they are judged one by one.
fn runbook() -> Value {
    let mut schema = titled::<RunbookManifest>(Target::Runbook, RUNBOOK_WORDS);
    let mut branches = Vec::new();
    for kind in Kind::ALL {
        let mut fields = compiled(Target::Resource(kind)).schema["properties"].clone();
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("apiVersion");
            fields.remove("kind");
            for field in surgery::FIELDS {
                fields.remove(field);
            }
            fields.values_mut().for_each(or_expression);
        }
        branches.push(json!({
            "if": {"properties": {"kind": {"const": kind.as_str()}}, "required": ["kind"]},
            "then": {"properties": fields}
        }));
    }
    if let Some(parameters) = schema.pointer_mut("/properties/spec/properties/parameters") {
        parameters["required"] = json!(["type"]);
        parameters["properties"] = json!({
            "type": {
                "description": "What an incident gives is a mapping: always `object`.",
                "const": "object",
                "examples": ["object"]
            }
        });
    }
    if let Some(items) = schema.pointer_mut("/properties/spec/properties/resources/items") {
        items["allOf"] = branches.into();
        // Names that are misspelt would pass else: a branch may only add to what stands beside it.
        let known = items.get("properties").and_then(Value::as_object);
        let known: Vec<String> = known.into_iter().flat_map(|p| p.keys().cloned()).collect();
        items["propertyNames"] = json!({ "enum": known });
    }
    schema
}

/// Lets an expression stand for every scalar below.
fn or_expression(schema: &mut Value) {
    if let Some(Value::Object(fields)) = schema.get_mut("properties") {
        fields.values_mut().for_each(or_expression);
    } else if let Some(object) = schema.as_object_mut()
        && object.get("type").is_none_or(|t| t != "object" && t != "array")
    {
        let shown = ["description", "examples"].map(|key| (key, object.remove(key)));
        object.remove("default");
        let plain = std::mem::take(object);
        let expression = json!({"type": "string", "pattern": "\\$\\{\\{"});
        object.insert("anyOf".into(), json!([plain, expression]));
        object.extend(shown.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
}

/// From what a type can hold to what a user may write: `null` leaves nothing out, enumerations are plain
/// lists of words, widths of integers are bounds.
fn as_written(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    drop_null(object);
    flatten_words(object);
    refuse_control_characters(object);
    if let Some(format) = object.remove("format") {
        if format == "uint32" {
            object.entry("maximum").or_insert_with(|| u32::MAX.into());
        } else if format != "uint64" {
            object.insert("format".into(), format);
        }
    }
    if object.get("examples").is_some_and(|e| e.as_array().is_some_and(Vec::is_empty)) {
        object.remove("examples");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = unwrapped(text);
    }
}

/// Control characters are refused in every text. Patterns that match none by themselves stay as they are.
fn refuse_control_characters(object: &mut Map<String, Value>) {
    let is_text = match object.get("type") {
        Some(Value::String(only)) => only == "string",
        Some(Value::Array(several)) => several.iter().any(|t| t == "string"),
        _ => false,
    };
    if !is_text || object.contains_key("enum") || object.contains_key("const") {
        return;
    }
    match object.get("pattern").and_then(Value::as_str) {
        None => {
            object.insert("pattern".into(), PLAIN.into());
        }
        Some(pattern) if !pattern.ends_with('$') && !object.contains_key("not") => {
            object.insert("not".into(), json!({ "pattern": CONTROL }));
        }
        Some(_) => {}
    }
}

fn drop_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|t| t != "null");
        if types.len() == 1 {
            let only = types.remove(0);
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|w| !w.is_null());
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    let inner = match object.get_mut("anyOf") {
        Some(Value::Array(branches)) => {
            branches.retain(|b| b.get("type").is_none_or(|t| t != "null"));
            if branches.len() == 1 { branches.pop() } else { None }
        }
        _ => None,
    };
    if let Some(Value::Object(inner)) = inner {
        object.remove("anyOf");
        for (key, value) in inner {
            object.entry(key).or_insert(value);
        }
    }
}

/// `oneOf` documented constants to one `enum`, the documentation moved into the description.
fn flatten_words(object: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = object.get("oneOf") else { return };
    let mut words = Vec::new();
    let mut notes = String::new();
    for branch in branches {
        let Some(Value::String(word)) = branch.get("const") else { return };
        words.push(Value::from(word.as_str()));
        if let Some(Value::String(text)) = branch.get("description")
            && text.trim_matches('`') != word
        {
            notes.push_str(&format!("\n- `{word}`: {}", unwrapped(text)));
        }
    }
    object.remove("oneOf");
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), words.into());
    if !notes.is_empty() {
        let text = object.get("description").and_then(Value::as_str).map(unwrapped).unwrap_or_default();
        object.insert("description".into(), format!("{text}\n{notes}").into());
    }
}

/// Lines that were broken for the source code become one; paragraphs and lists stay.
fn unwrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let fresh = out.is_empty() || line.is_empty() || line.starts_with("- ") || out.ends_with('\n');
        if !fresh {
            out.push(' ');
        } else if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(kind: SchemaKind) -> (String, String) {
        let path = format!("{}/schemas/{}.schema.json", env!("CARGO_MANIFEST_DIR"), kind.as_str());
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        (path, text)
    }

    #[test]
    fn committed_schemas_are_the_generated_ones() {
        for kind in [SchemaKind::Manifest, SchemaKind::Project, SchemaKind::Case] {
            let (path, text) = committed(kind);
            let fresh = format!("{:#}\n", schema(kind));
            if std::env::var_os("UPDATE_SCHEMAS").is_some() {
                std::fs::write(&path, &fresh).unwrap();
                continue;
            }
            assert!(
                text == fresh,
                "{path} is out of date: run `casefile schema {0} > schemas/{0}.schema.json`, or this test \
                 with UPDATE_SCHEMAS=1",
                kind.as_str()
            );
        }
    }

    /// Calls `visit` for each property of each object, with its path.
    fn properties(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
        if let Some(Value::Object(fields)) = schema.get("properties") {
            for (name, field) in fields {
                let path = format!("{path}.{name}");
                visit(&path, field);
                properties(field, &path, visit);
            }
        }
    }

    #[test]
    fn every_field_explains_itself() {
        for kind in SchemaKind::ALL {
            properties(&schema(kind), kind.as_str(), &mut |path, field| {
                assert!(
                    field.get("description").is_some_and(|d| d.as_str().is_some_and(|d| d.len() > 10)),
                    "{path}"
                );
                let shown =
                    ["examples", "enum", "const", "properties"].iter().any(|k| field.get(k).is_some());
                assert!(shown, "{path} has no example");
            });
        }
    }

    #[test]
    fn examples_and_defaults_are_valid() {
        for kind in SchemaKind::ALL {
            properties(&schema(kind), kind.as_str(), &mut |path, field| {
                let validator = jsonschema::options().build(field).unwrap();
                let examples = field.get("examples").and_then(Value::as_array).into_iter().flatten();
                for value in examples.chain(field.get("default")) {
                    assert!(validator.is_valid(value), "{path}: {value}");
                }
            });
        }
    }

    #[test]
    fn null_is_never_legal() {
        for kind in SchemaKind::ALL {
            let text = schema(kind).to_string();
            assert!(!text.contains("null"), "{}", kind.as_str());
        }
    }

    #[test]
    fn editors_are_told_what_validate_would_say() {
        let validator = jsonschema::options().build(&schema(SchemaKind::Manifest)).unwrap();
        let document = |kind: &str, spec: Value| json!({ "apiVersion": "casefile/v1", "kind": kind, "metadata": { "name": "a" }, "spec": spec });
        let runbook = |parameters: &str, loops: &str| {
            let template = json!({
                "kind": "InvestigationPackage", "metadata": { "name": "x" }, loops: ["a"],
                "spec": { "machineName": "${{ item }}", "comment": "x" }
            });
            document("Runbook", json!({ "parameters": { "type": parameters }, "resources": [template] }))
        };
        let named = |name: &str, approve: Value| {
            document(
                "InvestigationPackage",
                json!({ "machineName": name, "comment": "x", "approve": approve }),
            )
        };
        let all = json!({ "overLimits": 60, "reason": "x" });
        for fine in [runbook("object", "forEach"), named("ws-1", all.clone())] {
            assert!(validator.is_valid(&fine), "{fine}");
        }
        for wrong in [
            runbook("array", "forEach"),
            runbook("object", "foreach"),
            named(&"ab".repeat(20), all.clone()),
            named(&"a".repeat(39), all),
            named("ws-1", json!({ "reason": "x" })),
        ] {
            assert!(!validator.is_valid(&wrong), "{wrong}");
        }
    }

    #[test]
    fn the_combined_schema_judges_by_kind() {
        let validator = jsonschema::options().build(&schema(SchemaKind::Manifest)).unwrap();
        let package = json!({
            "apiVersion": "casefile/v1", "kind": "InvestigationPackage", "metadata": {"name": "a"},
            "spec": {"machineId": "fb9ab6be3965095a09c057be7c90f0a2", "comment": "x"}
        });
        assert!(validator.is_valid(&package));
        let mut alert = package.clone();
        alert["kind"] = "Alert".into();
        let places: Vec<String> =
            validator.iter_errors(&alert).map(|e| e.instance_path().to_string()).collect();
        assert!(!places.is_empty() && places.iter().all(|p| p == "/spec"), "{places:?}");
        alert["kind"] = "alert".into();
        let places: Vec<String> =
            validator.iter_errors(&alert).map(|e| e.instance_path().to_string()).collect();
        assert_eq!(places, ["/kind"]);
    }
}
