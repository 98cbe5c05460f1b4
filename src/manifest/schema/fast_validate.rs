//! Documents without a mistake, told by the committed schemas and without a validator.
//!
//! Nearly every document is right. To see that takes a walk along a table. To compile a schema takes longer than to
//! read a hundred manifests, and its validator three times as long for each. So this module only ever says *yes*, and
//! has no words: a document without a yes is validated by its schema.
//!
//! The table is read from the files under `schemas/` when it is first asked for (0.3 ms), so no field is written down
//! here. What a keyword means is written down, for the keywords that those files use. A pattern that cannot be told by
//! hand is never matched, and a schema with a keyword that is not known here gives no table at all: both cost time,
//! and no answer. A yes must be the schema's own; tests compare the two on documents with all kinds of values in all
//! kinds of places.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Target;
use super::pattern::{self, FastPattern};
use crate::manifest::yaml::reader::{Document, Id, NodeKind};
use crate::model::Kind;

const MANIFEST: &str = include_str!("../../../schemas/manifest.schema.json");
const PROJECT: &str = include_str!("../../../schemas/project.schema.json");

/// Returns whether the target's schema certainly accepts a value. Without a yes that has still to be asked.
pub(in crate::manifest) fn is_valid(doc: &Document<'_>, value: Id, target: Target) -> bool {
    rule(target).is_some_and(|rule| rule.fits(doc, value))
}

fn rule(target: Target) -> Option<&'static Rule> {
    #[derive(Deserialize)]
    #[serde(bound(deserialize = "Rule: Deserialize<'de>"))]
    struct Manifest {
        #[serde(rename = "$defs")]
        kinds: Kinds,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", bound(deserialize = "Rule: Deserialize<'de>"))]
    struct Kinds {
        alert: Rule,
        investigation_package: Rule,
        incident: Rule,
    }

    static KINDS: OnceLock<Option<Kinds>> = OnceLock::new();
    static FILE: OnceLock<Option<Rule>> = OnceLock::new();
    let kinds =
        || KINDS.get_or_init(|| serde_json::from_str(MANIFEST).ok().map(|m: Manifest| m.kinds)).as_ref();
    match target {
        Target::Resource(Kind::Alert) => Some(&kinds()?.alert),
        Target::Resource(Kind::InvestigationPackage) => Some(&kinds()?.investigation_package),
        Target::Incident => Some(&kinds()?.incident),
        Target::Project => FILE.get_or_init(|| serde_json::from_str(PROJECT).ok()).as_ref(),
        // Their schemas are those of few documents, or not what editors are given.
        Target::Runbook | Target::Case => None,
    }
}

/// A schema. Its fields are those of [`Keywords`].
#[derive(Debug, Default)]
struct Rule {
    /// It accepts nothing, or cannot be told by hand.
    never: bool,
    /// The kinds of value that it accepts; any if there are none.
    kinds: Vec<NodeKind>,
    words: Option<Vec<&'static str>>,
    pattern: Option<FastPattern>,
    /// A text that fits is refused.
    not: Option<FastPattern>,
    length: Bounds,
    number: Bounds,
    fields: Vec<(&'static str, Rule)>,
    other_fields: Option<Box<Rule>>,
    names: Option<Box<Rule>>,
    required: Required,
    /// Exactly one of these sets of fields is there.
    one_of: Vec<Required>,
    least_fields: usize,
    items: Option<Box<Rule>>,
    least_items: usize,
    any_of: Vec<Rule>,
    condition: Option<Box<Condition>>,
}

/// Names of fields that have to be there.
#[derive(Debug, Default)]
struct Required {
    /// Those in `Rule::fields`, a bit for each place.
    known: u64,
    other: Vec<&'static str>,
}

#[derive(Debug)]
struct Condition {
    when: Required,
    then: Branch,
    otherwise: Branch,
}

/// The rules that a schema adds under a condition. Its fields are mostly those of that schema, so they are looked for there.
#[derive(Debug)]
struct Branch {
    required: Required,
    other: Rule,
}

#[derive(Debug, Default)]
struct Bounds {
    least: Option<u64>,
    most: Option<u64>,
}

impl Bounds {
    fn hold(&self, n: u64) -> bool {
        self.least.is_none_or(|least| n >= least) && self.most.is_none_or(|most| n <= most)
    }
}

impl Rule {
    fn fits(&self, doc: &Document<'_>, value: Id) -> bool {
        let node = doc.node(value);
        !self.never
            && (self.kinds.is_empty() || self.kinds.contains(&node.kind))
            && match node.kind {
                NodeKind::Text => self.fits_text(&node.text),
                NodeKind::Number => self.words.is_none() && self.fits_number(&node.text),
                NodeKind::Mapping => self.words.is_none() && self.fits_fields(doc, value),
                NodeKind::Sequence => {
                    let items = doc.children(value);
                    self.words.is_none()
                        && items.len() >= self.least_items
                        && self.items.as_ref().is_none_or(|rule| items.iter().all(|id| rule.fits(doc, *id)))
                }
                NodeKind::Null | NodeKind::Bool | NodeKind::Poison => self.words.is_none(),
            }
            && (self.any_of.is_empty() || self.any_of.iter().any(|rule| rule.fits(doc, value)))
    }

    fn fits_text(&self, text: &str) -> bool {
        let fits_length = || match self.length {
            Bounds { least: None, most: None } => true,
            // Bytes are no fewer than characters.
            Bounds { least: None | Some(0 | 1), most } => {
                (!text.is_empty() || self.length.least != Some(1))
                    && most.is_none_or(|most| text.len() as u64 <= most)
            }
            _ => self.length.hold(text.chars().count() as u64),
        };
        !self.never
            && self.words.as_ref().is_none_or(|words| words.iter().any(|word| is_same(word, text)))
            && self.pattern.is_none_or(|fast| fast.certainly_fits(text))
            && self.not.is_none_or(|fast| fast.certainly_misses(text))
            && fits_length()
    }

    /// Plain digits, so that there is no doubt about the number. Only integers have bounds.
    fn fits_number(&self, text: &str) -> bool {
        let Bounds { least: None, most: None } = self.number else {
            return is_integer(text).is_some_and(|n| self.number.hold(n));
        };
        self.kinds.is_empty() || is_integer(text).is_some()
    }

    fn fits_fields(&self, doc: &Document<'_>, value: Id) -> bool {
        let mut seen: u64 = 0;
        let silent = self.fields.is_empty() && self.other_fields.is_none() && self.names.is_none();
        let fit = silent
            || doc.fields(value).all(|(key, value)| {
                let name = &*doc.node(key).text;
                self.names.as_ref().is_none_or(|rule| rule.fits_text(name))
                    && match self.fields.iter().position(|(known, _)| is_same(known, name)) {
                        Some(place) => {
                            seen |= 1 << place;
                            self.fields[place].1.fits(doc, value)
                        }
                        None => self.other_fields.as_ref().is_none_or(|rule| rule.fits(doc, value)),
                    }
            });
        let has = |required: &Required| {
            seen & required.known == required.known
                && required.other.iter().all(|name| doc.get(value, name).is_some())
        };
        // No key stands twice in a mapping.
        fit && doc.node(value).child_count() / 2 >= self.least_fields
            && has(&self.required)
            && (self.one_of.is_empty() || self.one_of.iter().filter(|set| has(set)).count() == 1)
            && self.condition.as_ref().is_none_or(|condition| {
                let branch = if has(&condition.when) { &condition.then } else { &condition.otherwise };
                has(&branch.required) && branch.other.fits(doc, value)
            })
    }
}

/// Most names differ in length or in the first letter, and are told apart without a call.
fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.as_bytes().first() == b.as_bytes().first() && a == b
}

fn is_integer(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The keywords of the committed schemas.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Keywords {
    #[serde(rename = "type", default)]
    kinds: Types,
    #[serde(rename = "enum", borrow)]
    words: Option<Vec<&'static str>>,
    pattern: Option<String>,
    not: Option<NoText>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    minimum: Option<u64>,
    maximum: Option<u64>,
    #[serde(borrow, default)]
    properties: BTreeMap<&'static str, Rule>,
    additional_properties: Option<Box<Rule>>,
    property_names: Option<Box<Rule>>,
    #[serde(borrow, default)]
    required: Vec<&'static str>,
    #[serde(default)]
    one_of: Vec<Fields>,
    #[serde(default)]
    min_properties: usize,
    items: Option<Box<Rule>>,
    #[serde(default)]
    min_items: usize,
    #[serde(default)]
    any_of: Vec<Rule>,
    #[serde(rename = "if")]
    when: Option<Fields>,
    then: Option<Rule>,
    #[serde(rename = "else")]
    otherwise: Option<Rule>,
    /// The rules for such documents say it too: the schema that is compiled does not hold it.
    #[serde(rename = "dependentSchemas")]
    _dependent: Option<IgnoredAny>,
    // For people and for editors.
    #[serde(rename = "$schema")]
    _schema: Option<IgnoredAny>,
    #[serde(rename = "title")]
    _title: Option<IgnoredAny>,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "examples")]
    _examples: Option<IgnoredAny>,
    #[serde(rename = "default")]
    _default: Option<IgnoredAny>,
}

/// The texts that a schema refuses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoText {
    pattern: String,
}

/// A schema that asks for fields and for nothing else, so that a no can be told, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(borrow)]
    required: Vec<&'static str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Types {
    One(Type),
    Several(Vec<Type>),
}

impl Default for Types {
    fn default() -> Self {
        Types::Several(Vec::new())
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    String,
    Integer,
    Boolean,
    Array,
    Object,
}

impl Type {
    fn kind(self) -> NodeKind {
        match self {
            Type::String => NodeKind::Text,
            Type::Integer => NodeKind::Number,
            Type::Boolean => NodeKind::Bool,
            Type::Array => NodeKind::Sequence,
            Type::Object => NodeKind::Mapping,
        }
    }
}

impl From<Keywords> for Rule {
    fn from(says: Keywords) -> Rule {
        let fields: Vec<(&str, Rule)> = says.properties.into_iter().collect();
        let place = |name: &str| fields.iter().position(|(known, _)| *known == name);
        let required = |names: Vec<&'static str>| {
            let mut required = Required::default();
            for name in names {
                match place(name) {
                    Some(place) => required.known |= 1 << place,
                    None => required.other.push(name),
                }
            }
            required
        };
        let branch = |rule: Option<Rule>| {
            let mut other = rule.unwrap_or_default();
            Branch { required: required(std::mem::take(&mut other.required.other)), other }
        };
        let mut any_of = says.any_of;
        // Branches without a list of words are told sooner.
        any_of.sort_by_key(|rule| rule.words.is_some());
        let pattern = says.pattern.as_deref().map(pattern::fast);
        let not = says.not.map(|not| pattern::fast(&not.pattern));
        let condition = says.when.map(|when| Condition {
            when: required(when.required),
            then: branch(says.then),
            otherwise: branch(says.otherwise),
        });
        Rule {
            never: matches!(pattern, Some(None))
                || matches!(not, Some(None))
                || fields.len() > u64::BITS as usize,
            kinds: match says.kinds {
                Types::One(one) => vec![one.kind()],
                Types::Several(all) => all.into_iter().map(Type::kind).collect(),
            },
            words: says.words,
            pattern: pattern.flatten(),
            not: not.flatten(),
            length: Bounds { least: says.min_length, most: says.max_length },
            number: Bounds { least: says.minimum, most: says.maximum },
            required: required(says.required),
            one_of: says.one_of.into_iter().map(|set| required(set.required)).collect(),
            other_fields: says.additional_properties,
            names: says.property_names,
            least_fields: says.min_properties,
            items: says.items,
            least_items: says.min_items,
            any_of,
            condition: condition.map(Box::new),
            fields,
        }
    }
}

impl Deserialize<'static> for Rule {
    fn deserialize<D: Deserializer<'static>>(d: D) -> Result<Rule, D::Error> {
        struct Schema;

        impl Visitor<'static> for Schema {
            type Value = Rule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a schema")
            }

            fn visit_bool<E>(self, all: bool) -> Result<Rule, E> {
                Ok(Rule { never: !all, ..Rule::default() })
            }

            fn visit_map<A: MapAccess<'static>>(self, map: A) -> Result<Rule, A::Error> {
                Keywords::deserialize(MapAccessDeserializer::new(map)).map(Rule::from)
            }
        }

        d.deserialize_any(Schema)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::manifest::schema::compiled;
    use crate::manifest::schema::json;
    use crate::manifest::yaml::reader::Reader;

    const TARGETS: [Target; 4] = [
        Target::Resource(Kind::Alert),
        Target::Resource(Kind::InvestigationPackage),
        Target::Incident,
        Target::Project,
    ];

    /// Returns whether the table says yes; panics if the schema says no to that.
    fn both(text: &str, target: Target) -> bool {
        let Some(doc) = Reader::new(text).next() else { return false };
        let Some(root) = doc.root else { return false };
        let right = is_valid(&doc, root, target);
        let valid = compiled(target).validator.is_valid(&json::value(&doc, root))
            && json::with_fractions(&doc, root).is_none_or(|v| compiled(target).validator.is_valid(&v));
        assert!(valid || !right, "{text}");
        right
    }

    fn words(value: &Value) -> Vec<&str> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Writes a value of a schema in YAML, or something else in its place: `odd` says for each value what.
    fn written(schema: &Value, odd: &mut impl FnMut() -> u8, out: &mut String) {
        let other =
            ["x", "''", "' '", "7", "0", "-1", "1.0", "true", "null", "[]", "[a]", "{}", "{a: b}", "é", "+1"];
        let choice = odd();
        if let Some(other) = other.get(usize::from(choice).wrapping_sub(1)) {
            out.push_str(other);
            return;
        }
        let kind = schema["type"].as_str().or(schema["type"][0].as_str()).unwrap();
        let known = words(schema.get("enum").unwrap_or(&schema["anyOf"][0]["enum"]));
        match kind {
            _ if !known.is_empty() => write!(out, "{:?}", known[usize::from(choice) % known.len()]).unwrap(),
            "string" => write!(out, "{}", schema["examples"].get(0).unwrap_or(&"fin-ws-042".into())).unwrap(),
            "integer" => out.push('3'),
            "boolean" => out.push_str("false"),
            "array" => {
                out.push('[');
                written(&schema["items"], odd, out);
                out.push(']');
            }
            "object" if schema["properties"].is_null() => out.push_str("{ a/b: c }"),
            "object" => {
                let mut needed = words(&schema["required"]);
                needed.extend(words(&schema["else"]["required"]));
                let branches = schema["oneOf"].as_array().into_iter().flatten();
                let one_of: Vec<&str> = branches.flat_map(|b| words(&b["required"])).collect();
                out.push('{');
                for (name, field) in schema["properties"].as_object().unwrap() {
                    // Fields that may be left out often are, others seldom; of several one is there, mostly.
                    let name = name.as_str();
                    let left_out = match odd() {
                        n if needed.contains(&name) || one_of.first() == Some(&name) => n == 40,
                        n if one_of.contains(&name) => n % 32 != 7,
                        n => n % 3 == 0,
                    };
                    if !left_out {
                        write!(out, " {name}: ").unwrap();
                        written(field, odd, out);
                        out.push(',');
                    }
                }
                if odd() == 41 {
                    out.push_str(" more: x,");
                }
                out.push('}');
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_right_is_told_at_once() {
        for target in TARGETS {
            // The needed fields, and then all that go together.
            for n in [0, 61] {
                let mut text = String::new();
                written(&compiled(target).schema, &mut || n, &mut text);
                assert!(both(&text, target), "{text}");
            }
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
        let project = std::fs::read_to_string(path.join("casefile.yaml")).unwrap();
        assert!(both(&project, Target::Project), "{project}");
    }

    #[test]
    fn an_event_takes_the_place_of_a_machine_and_a_time() {
        let alert = |fields: &str| {
            let text = format!(
                "{{apiVersion: casefile/v1, kind: Alert, metadata: {{name: a}}, spec: {{severity: Low, title: t, \
                 description: d, recommendedAction: r, category: Exploit, {fields}}}}}"
            );
            both(&text, Target::Resource(Kind::Alert))
        };
        let (event, id) = ("event: {query: q}", "machineId: fb9ab6be3965095a09c057be7c90f0a2");
        let time = "eventTime: 2018-08-03T16:45:21Z, reportId: '1'";
        assert!(alert(event) && alert(&format!("{id}, {time}")));
        for wrong in [id.to_owned(), format!("{event}, {time}"), format!("{event}, {id}"), time.to_owned()] {
            assert!(!alert(&wrong), "{wrong}");
        }
    }

    #[test]
    fn only_one_pattern_is_not_told_by_hand() {
        fn untold(schema: &Value, out: &mut Vec<String>) {
            match schema {
                Value::Object(fields) => {
                    let pattern = fields.get("pattern").and_then(Value::as_str);
                    out.extend(pattern.filter(|p| pattern::fast(p).is_none()).map(str::to_owned));
                    fields.values().for_each(|v| untold(v, out));
                }
                Value::Array(items) => items.iter().for_each(|v| untold(v, out)),
                _ => {}
            }
        }
        let mut all = Vec::new();
        TARGETS.iter().for_each(|target| untold(&compiled(*target).schema, &mut all));
        all.sort();
        all.dedup();
        // The durations of ISO 8601.
        assert_eq!(all.len(), 1, "{all:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(800))]

        #[test]
        fn a_yes_is_the_schemas_own(which in 0..4_usize, odd in prop::collection::vec(prop_oneof![9 => Just(0_u8), 2 => 16..60_u8, 1 => 0..16_u8], 60)) {
            let mut odd = odd.into_iter().cycle();
            let mut text = String::new();
            written(&compiled(TARGETS[which]).schema, &mut || odd.next().unwrap_or(0), &mut text);
            both(&text, TARGETS[which]);
        }
    }
}
