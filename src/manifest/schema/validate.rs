//! A schema's verdicts in words: one finding per mistake, at the place where it is to be put right.
//!
//! A validator reports by rule; people make mistakes by line. So a misspelt required field is one
//! finding and not two, a field in the wrong mapping is told where it belongs, and of several rules that
//! one value breaks only the one that says most is reported.

use std::collections::BTreeMap;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Broken};
use serde_json::Value;

use super::fast_validate;
use super::field::{Field, locate};
use super::json;
use super::misplaced;
use super::rules;
use super::shape::{Shape, Verdict, joined, names, odd_indent};
use super::{Compiled, Target, compiled};
use crate::manifest::diagnostic::Finding;
use crate::manifest::nearest::nearest;
use crate::manifest::yaml::reader::{Document, Id, NodeKind};
use crate::manifest::yaml::scalar::{quoted, written};
use crate::manifest::yaml::syntax::shown;
use crate::model::MachineId;

/// Validates a document's value as `target`.
pub(in crate::manifest) fn validate(doc: &Document<'_>, root: Id, target: Target) -> Verdict {
    if fast_validate::is_valid(doc, root, target) {
        return Verdict::default();
    }
    validate_by(doc, Field { doc, key: None, value: root }, compiled(target), target.word())
}

/// Validates a value by a schema; `word` is what the value is called if it stands behind no key.
pub(in crate::manifest) fn validate_by(
    doc: &Document<'_>,
    at: Field<'_>,
    compiled: &Compiled,
    word: &str,
) -> Verdict {
    let root = at.value;
    let (value, fractions) = (json::value(doc, root), json::with_fractions(doc, root));
    let mut verdict = Verdict::default();
    if compiled.validator.is_valid(&value)
        && fractions.as_ref().is_none_or(|f| compiled.validator.is_valid(f))
    {
        return verdict;
    }
    // Whether an error says that a number like `1.0` is no integer: all that is asked about those.
    let no_integer = |error: &ValidationError<'_>| {
        matches!(error.kind(), Broken::Type { .. })
            && locate(at, error.instance_path()).is_some_and(|f| json::is_whole_decimal(f.node()))
    };
    let of_fractions = fractions.iter().flat_map(|f| compiled.validator.iter_errors(f)).filter(no_integer);
    let mut shapes: BTreeMap<Id, Shape<'_>> = BTreeMap::new();
    let mut leaves: BTreeMap<Id, (u8, Finding)> = BTreeMap::new();
    for error in compiled.validator.iter_errors(&value).chain(of_fractions) {
        let Some(field) = locate(at, error.instance_path()) else { continue };
        if field.node().kind == NodeKind::Poison {
            continue;
        }
        let rule = error.schema_path().as_str();
        let owner = rule.rsplit_once('/').map_or("", |(owner, _)| owner);
        // What an alert without a query needs, told with the fields of its `spec`.
        let owner = owner.strip_suffix("/else").unwrap_or(owner);
        let schema = compiled.schema.pointer(owner).unwrap_or(&Value::Null);
        let fresh = || Shape { key: field.key, schema, missing: Vec::new(), unknown: Vec::new() };
        match error.kind() {
            Broken::Required { property: Value::String(name) } => {
                shapes.entry(field.value).or_insert_with(fresh).missing.push(name.clone());
            }
            // None of the fields that say which machine is meant, or several of them.
            Broken::OneOfNotValid { .. } => {
                shapes.entry(field.value).or_insert_with(fresh).missing.insert(0, MACHINE_ID.to_owned());
            }
            // An approval of nothing is told by the rule that knows the words.
            Broken::AnyOf { .. } if field.name() == "approve" => {}
            Broken::FalseSchema => verdict.findings.extend(beside_event(field)),
            Broken::OneOfMultipleValid { .. } => {
                verdict.findings.extend(several_machines(field, schema));
            }
            Broken::AdditionalProperties { unexpected } => {
                let unknown = |key| unexpected.iter().any(|name| *name == doc.node(key).text);
                let fields = doc.fields(field.value).filter(|(key, _)| unknown(*key));
                shapes.entry(field.value).or_insert_with(fresh).unknown.extend(fields);
            }
            _ => {
                let (rank, finding) = leaf(field, &error, schema, word);
                match leaves.get(&field.value) {
                    // Of several about one value the first in the text, though JSON's fields are sorted.
                    Some((known, first)) if (*known, first.start) <= (rank, finding.start) => {}
                    _ => drop(leaves.insert(field.value, (rank, finding))),
                }
            }
        }
    }
    misplaced::report(doc, root, &compiled.schema, &mut shapes, &mut leaves, &mut verdict);
    for (value, (_, finding)) in leaves {
        verdict.settled.insert(value);
        verdict.findings.push(finding);
    }
    for (value, shape) in shapes {
        report_shape(doc, value, shape, word, &mut verdict);
    }
    verdict
}

const MACHINE_ID: &str = "machineId";

/// The fields of a mapping one of which says which machine is meant, as its schema lists them.
fn machine_fields(schema: &Value) -> impl Iterator<Item = &str> {
    let branches = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    branches.filter_map(|b| b.get("required")?.get(0)?.as_str())
}

/// What a query finds is not written.
fn beside_event(field: Field<'_>) -> Option<Finding> {
    let name = &field.doc.node(field.key?).text;
    let message = format!("`event` and `{name}` exclude each other");
    let finding = Finding::new("several-targets", field.doc.node(field.key?).span(), message);
    Some(finding.help("remove it: the query finds machine, time and report id"))
}

fn several_machines(field: Field<'_>, schema: &Value) -> Option<Finding> {
    let Field { doc, value, .. } = field;
    let set: Vec<&str> = machine_fields(schema).collect();
    let mut keys = doc.fields(value).map(|(key, _)| key).filter(|key| set.contains(&&*doc.node(*key).text));
    let (first, second) = (doc.node(keys.next()?), doc.node(keys.next()?));
    let message = format!("`{}` and `{}` exclude each other", first.text, second.text);
    let finding = Finding::new("several-targets", second.span(), message);
    let related = format!("`{}` is set here", first.text);
    Some(finding.help("keep the one that says which machine is meant").related(first.start as usize, related))
}

fn report_shape(doc: &Document<'_>, value: Id, mut shape: Shape<'_>, word: &str, verdict: &mut Verdict) {
    for &(key, of_key) in &shape.unknown {
        verdict.settled.insert(key);
        let node = doc.node(key);
        let name: &str = &node.text;
        if name == "<<" {
            let finding = Finding::new("merge-key", node.span(), "merge keys (`<<`) are not supported");
            verdict.findings.push(finding.help("write the fields out"));
            continue;
        }
        if let Some(finding) = odd_indent(name, node.span()) {
            verdict.findings.push(finding);
            continue;
        }
        if let Some((known, rest)) =
            name.split_once(':').filter(|(k, _)| names(shape.schema).any(|n| n == *k))
        {
            shape.missing.retain(|m| m != known);
            let finding = Finding::new("missing-space", node.span(), "a space is missing behind the colon");
            verdict.findings.push(finding.help(format!("write {known}: {}", shown(rest))));
            continue;
        }
        if matches!(name, "machineTag" | "machines") && names(shape.schema).any(|n| n == "eventTime") {
            shape.missing.retain(|m| m != MACHINE_ID);
            let message = format!("`{name}` stands for many machines, and an event happens on one");
            let finding = Finding::new("unknown-field", node.span(), message);
            verdict.findings.push(finding.help("write machineId or machineName"));
            continue;
        }
        let absent = |n: &&str| doc.get(value, n).is_none();
        let fields = || names(shape.schema).filter(absent);
        let meant = other_word(doc, name, of_key, fields()).or_else(|| nearest(name, fields()));
        let finding = Finding::new("unknown-field", node.span(), format!("unknown field `{}`", shown(name)));
        verdict.findings.push(if let Some(meant) = meant {
            let machine = machine_fields(shape.schema).any(|f| f == meant);
            shape.missing.retain(|m| m != meant && !(machine && m == MACHINE_ID));
            finding.help(format!("did you mean `{meant}`?"))
        } else if let Some(set) = nearest(name, names(shape.schema)) {
            let at = doc.get(value, set).map_or(node.start, |(k, _)| doc.node(k).start);
            finding
                .help(format!("remove it: `{set}` is already set"))
                .related(at as usize, format!("`{set}` is set here"))
        } else {
            let known: Vec<&str> = names(shape.schema).collect();
            finding.help(format!("known fields here: {}", known.join(", ")))
        });
    }
    if shape.missing.is_empty() {
        return;
    }
    let list: Vec<String> = shape.missing.iter().map(|name| format!("`{name}`")).collect();
    let examples: Vec<String> = shape
        .missing
        .iter()
        .map(|name| match shape.schema.pointer(&format!("/properties/{name}")).and_then(example) {
            Some(text) => format!("`{name}: {text}`"),
            None => format!("`{name}:`"),
        })
        .collect();
    let (span, place) = match shape.key {
        Some(key) => (doc.node(key).span(), format!("`{}`", doc.node(key).text)),
        None => (first_key(doc, value), format!("this {word}")),
    };
    let message = format!("{place} lacks {}", joined(&list));
    let others: Vec<String> = match shape.missing.iter().any(|m| m == MACHINE_ID) {
        true => machine_fields(shape.schema).filter(|f| *f != MACHINE_ID).map(|f| format!("`{f}`")).collect(),
        false => Vec::new(),
    };
    let instead = if others.is_empty() {
        String::new()
    } else {
        format!("; in place of `{MACHINE_ID}` also {}", others.join(", "))
    };
    let help = format!("add, for example, {}{instead}", joined(&examples));
    verdict.findings.push(Finding::new("missing-field", span, message).help(help));
}

/// Words that people write for a field, in lower case, and the field.
const OTHER_WORDS: [(&str, &str); 19] = [
    ("machine", MACHINE_NAME),
    ("host", MACHINE_NAME),
    ("hostname", MACHINE_NAME),
    ("device", MACHINE_NAME),
    ("devicename", MACHINE_NAME),
    ("computer", MACHINE_NAME),
    ("computername", MACHINE_NAME),
    ("computerdnsname", MACHINE_NAME),
    ("deviceid", MACHINE_ID),
    ("tag", "machineTag"),
    ("devicetag", "machineTag"),
    ("hosts", "machines"),
    ("devices", "machines"),
    ("timestamp", "eventTime"),
    ("recommendation", "recommendedAction"),
    ("assignee", "assignedTo"),
    ("owner", "assignedTo"),
    ("parameters", "with"),
    ("values", "with"),
];

const MACHINE_NAME: &str = "machineName";

/// Returns the field that a word stands for which other tools use. What has the form of an id is no name.
fn other_word<'s>(
    doc: &Document<'_>,
    word: &str,
    value: Id,
    mut fields: impl Iterator<Item = &'s str>,
) -> Option<&'s str> {
    let word = word.to_ascii_lowercase();
    let (_, field) = OTHER_WORDS.into_iter().find(|(other, _)| *other == word)?;
    let is_id = field == MACHINE_NAME && doc.node(value).text.parse::<MachineId>().is_ok();
    let field = if is_id { MACHINE_ID } else { field };
    fields.find(|name| *name == field)
}

/// Where a finding about a whole document points.
pub(in crate::manifest) fn first_key(doc: &Document<'_>, root: Id) -> std::ops::Range<usize> {
    let id = doc.children(root).first().copied().unwrap_or(root);
    doc.node(id).span()
}

/// A value that a schema shows, as it would be written.
fn example(schema: &Value) -> Option<String> {
    let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|a| a.first());
    first("examples").or_else(|| schema.get("const")).or_else(|| first("enum")).map(written)
}

/// A finding about one value, and how little it says compared to others about the same value.
fn leaf(field: Field<'_>, error: &ValidationError<'_>, schema: &Value, word: &str) -> (u8, Finding) {
    let name = shown(field.name());
    match error.kind() {
        Broken::Type { .. } => {
            let scalar = matches!(field.node().kind, NodeKind::Bool | NodeKind::Number | NodeKind::Text);
            let rank = if scalar && schema.get("enum").is_some() { 2 } else { 0 };
            (rank, wrong_type(field, schema))
        }
        Broken::Enum { options } => {
            let words: Vec<&str> =
                options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            (1, wrong_word(field, &words, word))
        }
        Broken::Constant { expected_value } => {
            let expected = expected_value.as_str().unwrap_or_default();
            (1, wrong_word(field, &[expected], word))
        }
        Broken::PropertyNames { error } => {
            let text = error.instance().as_str().unwrap_or_default();
            let span =
                field.doc.get(field.value, text).map_or(field.span(), |(key, _)| field.doc.node(key).span());
            let finding = Finding::new("bad-label", span, format!("`{}` is no key of a label", shown(text)))
                .help("use letters, digits, dots, dashes, underscores and slashes, 253 characters at most");
            (3, finding)
        }
        Broken::Minimum { limit } => {
            let finding =
                Finding::new("out-of-range", field.span(), format!("`{name}` must be at least {limit}"));
            (3, finding.help(field.written(&limit.to_string())))
        }
        Broken::Maximum { limit } => {
            let message = format!("`{name}` must be at most {limit}");
            (3, Finding::new("out-of-range", field.span(), message).help(field.written(&limit.to_string())))
        }
        Broken::MinProperties { .. } | Broken::MinItems { .. } => {
            let finding = Finding::new("empty", field.span(), format!("`{name}` holds nothing"));
            (3, finding.help("fill it, or remove it"))
        }
        // Patterns of our own schemas are a keyword of ours.
        Broken::MinLength { .. }
        | Broken::MaxLength { .. }
        | Broken::Pattern { .. }
        | Broken::Not { .. }
        | Broken::Custom { .. } => (3, rules::bad_text(field, schema, example(schema).as_deref())),
        other => {
            let what = match other {
                Broken::MaxItems { limit } => format!("holds more than {limit} items"),
                Broken::MaxProperties { limit } => format!("holds more than {limit} fields"),
                Broken::UniqueItems => "holds an item twice".to_owned(),
                Broken::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
                Broken::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
                Broken::AnyOf { .. } | Broken::OneOfNotValid { .. } => {
                    "is none of what its schema allows".to_owned()
                }
                _ => "is not valid".to_owned(),
            };
            (4, Finding::new("invalid-value", field.span(), format!("`{name}` {what}")))
        }
    }
}

/// The mistakes of a schema that a runbook holds, as the schema of schemas sees it.
pub(in crate::manifest) fn of_schema(field: Field<'_>, error: &ValidationError<'_>) -> Finding {
    if field.name() == "type" {
        let doc = field.doc;
        let is_type = |id: Id| TYPES.contains(&&*doc.node(id).text);
        // Of a list of types the first that is none.
        let word = match field.node().kind {
            NodeKind::Sequence => doc.children(field.value).iter().copied().find(|&id| !is_type(id)),
            _ => None,
        };
        return wrong_word(Field { value: word.unwrap_or(field.value), ..field }, &TYPES, "schema");
    }
    let schema = match error.kind() {
        Broken::Type { kind: TypeKind::Single(only) } => json!({ "type": only.to_string() }),
        Broken::Type { kind: TypeKind::Multiple(all) } => {
            json!({ "type": all.iter().map(|t| t.to_string()).collect::<Vec<_>>() })
        }
        _ => Value::Null,
    };
    leaf(field, error, &schema, "schema").1
}

/// The types of JSON Schema that a value of YAML can have.
const TYPES: [&str; 6] = ["string", "boolean", "integer", "number", "array", "object"];

/// Words of other languages for types.
const OTHER_TYPES: [(&str, &str); 10] = [
    ("str", "string"),
    ("text", "string"),
    ("bool", "boolean"),
    ("int", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("list", "array"),
    ("map", "object"),
    ("dict", "object"),
    ("mapping", "object"),
];

fn wrong_type(field: Field<'_>, schema: &Value) -> Finding {
    let name = shown(field.name());
    let node = field.node();
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let example = example(schema);
    let new = |code, message: String| Finding::new(code, field.span(), message);
    let with_example = |finding: Finding| match &example {
        Some(text) => finding.help(field.such_as(text)),
        None => finding,
    };
    if node.kind == NodeKind::Null {
        let finding = if node.text.is_empty() {
            new("missing-value", format!("`{name}` has no value"))
        } else {
            new("missing-value", format!("`{name}` is `{}`, which is no value", node.text))
        };
        return if types.contains(&"object") {
            finding.help("indent its fields below it, or remove it if it is optional")
        } else {
            with_example(finding)
        };
    }
    let expected = match types.as_slice() {
        ["string"] => rules::expected(field.name()),
        ["integer"] => "a whole number",
        ["number"] => "a number",
        ["boolean"] => "`true` or `false`",
        ["object"] => "a mapping (`key: value` lines)",
        ["array"] => "a list",
        ["integer", "string"] => "a whole number or `unlimited`",
        ["boolean", "string"] => "`true`, `false` or `external-id`",
        ["boolean", "object"] | ["object", "boolean"] => "a schema: a mapping, `true` or `false`",
        ["string", "object"] => "a name, or a mapping with `name` and `until`",
        _ => "something else",
    };
    let text = shown(&node.text);
    let found = match node.kind {
        NodeKind::Bool => format!("{text} without quotes is a boolean"),
        NodeKind::Number if types == ["string"] => format!("{text} without quotes is a number"),
        NodeKind::Number => format!("{text} is a number"),
        NodeKind::Sequence => "this is a list".to_owned(),
        NodeKind::Mapping => "this is a mapping".to_owned(),
        _ if node.plain => format!("{text} is text"),
        _ => format!("{} is text", quoted(&text)),
    };
    let finding = new("wrong-type", format!("`{name}` must be {expected}, but {found}"));
    match (types.as_slice(), node.kind) {
        (["string"], NodeKind::Bool | NodeKind::Number) => match rules::replacement(field.name(), &node.text)
        {
            rules::Replacement::Text(text) => finding.help(field.written(&text)),
            rules::Replacement::Example => with_example(finding),
        },
        (["integer"], NodeKind::Text) => match plain_integer(&node.text) {
            Some(n) => finding.help(field.written(&n.to_string())),
            None => with_example(finding),
        },
        (["boolean"], NodeKind::Text) => {
            let yes = ["true", "yes", "on", "y"].iter().any(|w| node.text.eq_ignore_ascii_case(w));
            finding.help(field.written(if yes { "true" } else { "false" }))
        }
        (["object"], NodeKind::Sequence) => {
            finding.help("write its fields as `key: value` lines without a dash before them")
        }
        (["array"], NodeKind::Text) => finding.help(field.written(&format!("[{}]", quoted(&node.text)))),
        _ => with_example(finding),
    }
}

/// The number that a text most likely stands for.
fn plain_integer(text: &str) -> Option<u64> {
    let text: String = text.chars().filter(|c| *c != '_').collect();
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    if let Some((digits, exponent)) = text.split_once(['e', 'E']) {
        let digits: u64 = digits.parse().ok()?;
        return digits.checked_mul(10u64.checked_pow(exponent.parse().ok()?)?);
    }
    text.parse().ok()
}

fn wrong_word(field: Field<'_>, words: &[&str], word: &str) -> Finding {
    let node = field.node();
    let name = shown(field.name());
    let text = match node.kind {
        NodeKind::Sequence => "a list".to_owned(),
        NodeKind::Mapping => "a mapping".to_owned(),
        _ => format!("`{}`", shown(&node.text)),
    };
    let code = match field.name() {
        "apiVersion" => "wrong-api-version",
        "kind" => "unknown-kind",
        _ => "wrong-value",
    };
    let span = field.span();
    if field.name() == "onRemove" && matches!(&*node.text, "Cancel" | "Resolve") {
        let (owner, fit) =
            if node.text == "Cancel" { ("collections", "Resolve") } else { ("alerts", "Cancel") };
        let message = format!("{text} is for {owner}, and this is an {word}");
        return Finding::new(code, span, message).help(format!("{}, or {fit}", field.written("Retain")));
    }
    let finding = Finding::new(code, span, format!("`{name}` cannot be {text}"));
    let other = OTHER_TYPES.into_iter().find(|(other, _)| *other == node.text).map(|(_, word)| word);
    let other = other.filter(|word| words.contains(word));
    match (words, other.or_else(|| nearest(&node.text, words.iter().copied()))) {
        ([only], _) => finding.help(field.written(only)),
        (_, Some(meant)) => finding.help(format!("{} (one of {})", field.written(meant), words.join(", "))),
        (_, None) => finding.help(format!("write one of {}", words.join(", "))),
    }
}
