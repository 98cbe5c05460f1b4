//! `spec.parameters` of a runbook: the schema is checked where it stands, values where they are given.
//!
//! Defaults are those of properties: at the top, and inside mappings that are given or have a default
//! themselves. Nothing outside of the runbook is read: `$ref` leads into `$defs` alone, and never in circles.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::PatternOptions;
use serde_json::{Value as Json, json};

use super::typed::{MAX_TEXT, OPEN};
use super::weight::{self, DEFS, Weight};
use crate::manifest::diagnostic::{Finding, Level, Related};
use crate::manifest::nearest::nearest;
use crate::manifest::schema::Compiled;
use crate::manifest::schema::field::{Field, locate};
use crate::manifest::schema::json;
use crate::manifest::schema::rules;
use crate::manifest::schema::validate;
use crate::manifest::yaml::reader::{Document, Id, NodeKind};
use crate::manifest::yaml::syntax::shown;

/// Keywords that lead out of the schema, or rename places in it.
const REFUSED: [&str; 7] =
    ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"];
/// The only `$schema`.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A runbook's parameters, compiled.
pub(super) struct Parameters {
    compiled: Compiled,
    /// Where each property is declared: byte offsets in the runbook's file.
    places: BTreeMap<String, usize>,
    /// `None`: other names than the declared ones may be given.
    names: Option<BTreeSet<String>>,
    /// How much work one value is at most.
    weight: u64,
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Parameters").field(&self.compiled.schema).finish()
    }
}

impl Parameters {
    /// Compiles the schema at `field`; no field: there are no parameters.
    pub fn compile(
        doc: &Document<'_>,
        field: Option<Field<'_>>,
        findings: &mut Vec<Finding>,
    ) -> Option<Parameters> {
        let known = errors(findings);
        let mut schema = field.map_or_else(|| json!({"type": "object"}), |f| json::value(doc, f.value));
        if let Some(field) = field {
            check_schema(field, &schema, findings);
        }
        if errors(findings) > known {
            return None;
        }
        let weight = Weight::of(&schema).rules;
        let closed = schema.get("additionalProperties").is_none_or(|a| *a == Json::Bool(false));
        let object = schema.as_object_mut()?;
        object.entry("additionalProperties").or_insert(Json::Bool(false));
        object.entry("properties").or_insert_with(|| json!({}));
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(weight::LARGEST_PATTERN))
            .build(&schema);
        let validator = match (validator, field) {
            (Ok(validator), _) => validator,
            (Err(e), Some(field)) => {
                let at = locate(field, e.instance_path()).unwrap_or(field);
                let message = match at.name() {
                    "pattern" => format!("`{}` is no usable regular expression", shown(&at.node().text)),
                    _ => format!("this is no usable JSON Schema: {}", shown(&e.to_string())),
                };
                findings.push(bad(at, message));
                return None;
            }
            (Err(_), None) => return None,
        };
        let properties = field.and_then(|f| doc.get(f.value, "properties")).map(|p| p.1);
        let places: BTreeMap<String, usize> = properties
            .into_iter()
            .flat_map(|p| doc.fields(p))
            .map(|(key, _)| (doc.node(key).text.to_string(), doc.node(key).start as usize))
            .collect();
        let names = closed.then(|| places.keys().cloned().collect());
        Some(Parameters { compiled: Compiled { schema, validator }, places, names, weight })
    }

    /// The schema, with what compiling adds to it.
    pub fn schema(&self) -> &Json {
        &self.compiled.schema
    }

    /// The names that `with` can have; `None` if any.
    pub fn names(&self) -> Option<&BTreeSet<String>> {
        self.names.as_ref()
    }

    /// How much work it is at most to check what an incident gives: each of its values by each rule.
    pub fn work(&self, with: &Json) -> u64 {
        self.weight.saturating_mul(weight::of_value(with))
    }

    /// Checks what an incident gives; `declared` makes a place of the runbook of an offset in its file.
    pub fn check(
        &self,
        doc: &Document<'_>,
        with: Field<'_>,
        declared: &dyn Fn(usize, String) -> Related,
        findings: &mut Vec<Finding>,
    ) {
        let verdict = validate::validate_by(doc, with, &self.compiled, "`with`");
        for finding in verdict.findings {
            let given = doc.fields(with.value).find(|&(key, value)| {
                let (from, to) = (doc.node(key).start as usize, doc.node(value).end as usize);
                (from..=to).contains(&finding.start)
            });
            let name = given.map(|(key, _)| &*doc.node(key).text);
            findings.push(match name.and_then(|n| Some((n, *self.places.get(n)?))) {
                Some((name, at)) => finding.elsewhere(declared(at, format!("`{name}` is declared here"))),
                None => finding,
            });
        }
    }

    /// What is given, with the defaults of what is not.
    pub fn filled(&self, with: &Json) -> Json {
        fill(with, &self.compiled.schema)
    }
}

fn fill(given: &Json, schema: &Json) -> Json {
    let (Json::Object(given), Some(Json::Object(properties))) = (given, schema.get("properties")) else {
        return given.clone();
    };
    let mut out = given.clone();
    for (name, property) in properties {
        if let Some(value) = out.get(name).or_else(|| property.get("default")) {
            let value = fill(value, property);
            out.insert(name.clone(), value);
        }
    }
    Json::Object(out)
}

/// Warnings stop nothing.
pub(super) fn errors(findings: &[Finding]) -> usize {
    findings.iter().filter(|f| f.level == Level::Error).count()
}

/// The code of a schema that is none.
const BAD: &str = "bad-parameters";

fn bad(field: Field<'_>, message: impl Into<String>) -> Finding {
    Finding::new(BAD, field.span(), message)
}

fn check_schema(field: Field<'_>, schema: &Json, findings: &mut Vec<Finding>) {
    if field.node().kind != NodeKind::Mapping {
        // The runbook's own schema says so.
        return;
    }
    if schema.get("type") != Some(&json!("object")) {
        let (doc, place) = (field.doc, field.doc.get(field.value, "type"));
        let at = place.map_or(field, |(key, value)| Field { doc, key: Some(key), value });
        let finding = bad(at, "the parameters of a runbook are a mapping: their schema's `type` is `object`");
        findings.push(finding.help("write type: object"));
        return;
    }
    let known = errors(findings);
    rules::check_values(field, findings);
    plain(field, findings);
    references(field, findings);
    keywords(field, findings);
    if errors(findings) > known {
        return;
    }
    // One mistake breaks many rules of the schema of schemas: the deepest place says most.
    let metaschema = jsonschema::draft202012::meta::validator();
    let mut places: BTreeMap<Id, Finding> = BTreeMap::new();
    for error in metaschema.iter_errors(schema) {
        let Some(at) = locate(field, error.instance_path()) else { continue };
        let finding = || Finding { code: BAD, ..validate::of_schema(at, &error) };
        places.entry(at.value).or_insert_with(finding);
    }
    findings.extend(places.into_values());
    if errors(findings) > known {
        return;
    }
    if too_large(field, schema, findings) {
        return;
    }
    defaults(field, schema, schema.get("$defs").unwrap_or(&json!({})), &mut { MAX_DEFAULTS }, findings);
}

/// Defaults of one schema: each is checked by itself.
const MAX_DEFAULTS: usize = 200;

/// Returns whether no value could be checked to its end, or not with a reasonable amount of work.
fn too_large(field: Field<'_>, schema: &Json, findings: &mut Vec<Finding>) -> bool {
    let known = errors(findings);
    let weight = Weight::of(schema);
    for name in &weight.circles {
        if let Some((_, defs)) = field.doc.get(field.value, "$defs")
            && let Some((key, value)) = field.doc.get(defs, name)
        {
            let at = Field { doc: field.doc, key: Some(key), value };
            findings.push(bad(at, format!("`{name}` refers to itself")).help("write the schema out"));
        }
    }
    for missing in &weight.missing {
        findings.push(bad(field, format!("`$defs` holds no `{}`", shown(missing))));
    }
    if let Some(pattern) = &weight.large_pattern {
        let message = format!("the pattern `{}` grows too large: repeat less in it", shown(pattern));
        findings.push(bad(field, message));
    } else if errors(findings) == known && weight.rules > weight::MOST_RULES {
        let message = format!(
            "the schema comes to more than {} rules; references count as what they refer to, and patterns for \
             more than one",
            weight::MOST_RULES
        );
        findings.push(bad(field, message).help("let it say less, or split the runbook"));
    }
    errors(findings) > known
}

/// Walks the schema for references and for keywords that are not supported.
fn references(field: Field<'_>, findings: &mut Vec<Finding>) {
    let doc = field.doc;
    for (key, value) in doc.fields(field.value) {
        let (name, at) = (&*doc.node(key).text, Field { doc, key: Some(key), value });
        let node = doc.node(value);
        match (name, node.kind) {
            ("default" | "const" | "enum" | "examples", _) => {}
            ("$ref", NodeKind::Text)
                if !node.text.starts_with(DEFS) || node.text[DEFS.len()..].contains('/') =>
            {
                let message = format!("`{}` leads out of the schema's `$defs`", shown(&node.text));
                findings.push(bad(at, message).help("write, for example, $ref: \"#/$defs/machine\""));
            }
            ("$schema", NodeKind::Text) if node.text != DRAFT => {
                findings
                    .push(bad(at, "another version of JSON Schema").help(format!("write $schema: {DRAFT}")));
            }
            (name, NodeKind::Text | NodeKind::Mapping | NodeKind::Bool) if REFUSED.contains(&name) => {
                findings.push(bad(at, format!("`{name}` is not supported here")).help("remove it"));
            }
            (_, NodeKind::Mapping) => references(at, findings),
            (_, NodeKind::Sequence) => {
                for &item in doc.children(value) {
                    references(Field { doc, key: Some(key), value: item }, findings);
                }
            }
            _ => {}
        }
    }
}

/// The keywords of JSON Schema that check something.
const KEYWORDS: [&str; 41] = [
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "items",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "minProperties",
    "maxProperties",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "$ref",
    "$defs",
    "format",
    "default",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keywords that only tell something.
const NOTES: [&str; 9] = [
    "title",
    "description",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "$schema",
    "contentEncoding",
];

/// Warns of words that are nearly keywords: JSON Schema passes over what it does not know, and nothing would be checked.
fn keywords(schema: Field<'_>, findings: &mut Vec<Finding>) {
    let doc = schema.doc;
    for (key, value) in doc.fields(schema.value) {
        let (name, node) = (&*doc.node(key).text, doc.node(value));
        let below = Field { doc, key: Some(key), value };
        match (name, node.kind) {
            ("properties" | "$defs" | "patternProperties" | "dependentSchemas", NodeKind::Mapping) => {
                for (key, value) in doc.fields(value) {
                    keywords(Field { doc, key: Some(key), value }, findings);
                }
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", NodeKind::Sequence) => {
                for &value in doc.children(value) {
                    keywords(Field { doc, key: Some(key), value }, findings);
                }
            }
            (
                "items"
                | "additionalProperties"
                | "propertyNames"
                | "contains"
                | "not"
                | "if"
                | "then"
                | "else",
                NodeKind::Mapping,
            ) => keywords(below, findings),
            _ if KEYWORDS.contains(&name) || NOTES.contains(&name) || name.starts_with('$') => {}
            _ => {
                let Some(meant) = nearest(name, KEYWORDS.into_iter()) else { continue };
                let message = format!("`{}` is no keyword of JSON Schema, and checks nothing", shown(name));
                let mut finding = Finding::new("unknown-keyword", doc.node(key).span(), message);
                finding.level = Level::Warning;
                findings.push(finding.help(format!("did you mean `{meant}`?")));
            }
        }
    }
}

/// Every default that can be taken is a value of its own schema.
fn defaults(field: Field<'_>, schema: &Json, defs: &Json, left: &mut usize, findings: &mut Vec<Finding>) {
    let doc = field.doc;
    let Some((_, properties)) = doc.get(field.value, "properties") else { return };
    for (key, value) in doc.fields(properties) {
        let Some(property) = schema.pointer("/properties").and_then(|p| p.get(&*doc.node(key).text)) else {
            continue;
        };
        let inner = Field { doc, key: Some(key), value };
        if let (Some(default), Some((key, value))) = (property.get("default"), doc.get(value, "default")) {
            if *left == 0 {
                let at = Field { doc, key: Some(key), value };
                let message = format!("the schema has more than {MAX_DEFAULTS} defaults");
                return findings.push(bad(at, message).help("let incidents give some of these values"));
            }
            *left -= 1;
            let whole = json!({"$defs": defs, "allOf": [property]});
            let patterns = PatternOptions::regex().size_limit(weight::LARGEST_PATTERN);
            let options = jsonschema::options().with_pattern_options(patterns);
            let fits = options.build(&whole).is_ok_and(|v| v.is_valid(&fill(default, property)));
            if !fits {
                let at = Field { doc, key: Some(key), value };
                findings.push(bad(at, "the default does not fit its own schema"));
            }
        }
        defaults(inner, property, defs, left, findings);
    }
}

/// Refuses values that look like expressions: they are never read as such, so somebody expects too much.
pub(super) fn plain(field: Field<'_>, findings: &mut Vec<Finding>) {
    let (doc, node) = (field.doc, field.node());
    match node.kind {
        NodeKind::Text if node.text.contains(OPEN) => {
            let message = format!("a value cannot hold `{OPEN}`: expressions belong into runbooks");
            findings.push(
                Finding::new("expression-in-value", field.span(), message).help("write the value itself"),
            );
        }
        NodeKind::Text if node.text.len() > MAX_TEXT => {
            let message = format!("a text of a runbook or an incident has {} KiB at most", MAX_TEXT >> 10);
            findings.push(Finding::new("text-too-long", field.span(), message).help("shorten it"));
        }
        NodeKind::Mapping => {
            for (key, value) in doc.fields(field.value) {
                plain(Field { doc, key: None, value: key }, findings);
                plain(Field { doc, key: Some(key), value }, findings);
            }
        }
        NodeKind::Sequence => {
            for &value in doc.children(field.value) {
                plain(Field { doc, key: field.key, value }, findings);
            }
        }
        _ => {}
    }
}
