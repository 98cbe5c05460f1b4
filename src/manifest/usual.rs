//! Documents of the usual shape, told without a validator.
//!
//! Nearly every document holds the same few fields, all of them right. To see that takes a walk along a table. To
//! compile a schema takes longer than to read a hundred manifests, and its validator three times as long for each.
//! So the schema is compiled when a document is of another shape, or when something is wrong with it: this module
//! only ever says *yes*, and has no words.
//!
//! A yes must be the schema's own. Tests hold the tables against the schemas field by field, and compare the verdicts
//! on documents with all kinds of values in all kinds of places.

use super::kinds::API_VERSION;
use super::pattern::{
    DURATION, GUID, LABEL_KEY, MACHINE_ID, MACHINE_NAME, NAME, Quick, STATE_URL, TEXT, TIME, UNBROKEN, WEB,
};
use super::reader::{Document, Id, NodeKind};
use super::schema::Target;
use crate::model::{Categories, Kind, Severities, Vocabulary as _};

/// What a value may be.
enum Shape {
    /// One of some words.
    Word(&'static [&'static str]),
    /// One of the words that an enumeration of the service is known to have. Others are right too.
    Known(&'static [&'static str]),
    /// A text of a pattern and of so many characters at most.
    Text(Quick, usize),
    /// Any text that is not empty, of so many characters at most.
    Any(usize),
    /// A whole number, no less.
    Count(u32),
    /// A whole number from 1, or `unlimited`.
    Rate,
    Flag,
    /// One or more.
    List(&'static Shape),
    Labels,
    Fields(Fields),
}

struct Fields {
    required: &'static [(&'static str, Shape)],
    optional: &'static [(&'static str, Shape)],
    /// Exactly one of them is there; nothing is said if there are none.
    one_of: &'static [(&'static str, Shape)],
}

const ALL: usize = usize::MAX;

const fn fields(
    required: &'static [(&'static str, Shape)],
    optional: &'static [(&'static str, Shape)],
) -> Shape {
    Shape::Fields(Fields { required, optional, one_of: &[] })
}

const VERSION: Shape = Shape::Word(&[API_VERSION]);
const METADATA: Shape = fields(&[("name", Shape::Text(NAME, 253))], &[("labels", Shape::Labels)]);
const DEPENDS_ON: Shape = Shape::List(&Shape::Any(300));

const ALERT: Shape = fields(
    &[
        ("apiVersion", VERSION),
        ("kind", Shape::Word(&["Alert"])),
        ("metadata", METADATA),
        (
            "spec",
            Shape::Fields(Fields {
                required: &[
                    ("severity", Shape::Known(Severities::KNOWN)),
                    ("title", Shape::Text(TEXT, ALL)),
                    ("description", Shape::Text(TEXT, ALL)),
                    ("recommendedAction", Shape::Text(TEXT, ALL)),
                    ("eventTime", Shape::Text(TIME, ALL)),
                    ("reportId", Shape::Text(UNBROKEN, ALL)),
                    ("category", Shape::Known(Categories::KNOWN)),
                ],
                optional: &[("revision", Shape::Count(1)), ("maxAttempts", Shape::Count(1))],
                one_of: &[
                    ("machineId", Shape::Text(MACHINE_ID, ALL)),
                    ("machineName", Shape::Text(MACHINE_NAME, 253)),
                ],
            }),
        ),
    ],
    &[
        ("lifecycle", fields(&[("onRemove", Shape::Word(&["Retain", "Resolve"]))], &[])),
        ("dependsOn", DEPENDS_ON),
    ],
);

const PACKAGE: Shape = fields(
    &[
        ("apiVersion", VERSION),
        ("kind", Shape::Word(&["InvestigationPackage"])),
        ("metadata", METADATA),
        (
            "spec",
            Shape::Fields(Fields {
                required: &[("comment", Shape::Text(TEXT, ALL))],
                optional: &[
                    ("revision", Shape::Count(1)),
                    ("maxAttempts", Shape::Count(1)),
                    ("retryAfter", Shape::Text(DURATION, ALL)),
                    ("onInProgress", Shape::Word(&["adopt", "wait", "fail"])),
                    ("adoptWithin", Shape::Text(DURATION, ALL)),
                ],
                one_of: &[
                    ("machineId", Shape::Text(MACHINE_ID, ALL)),
                    ("machineName", Shape::Text(MACHINE_NAME, 253)),
                    ("machineTag", Shape::Text(TEXT, 200)),
                    (
                        "machines",
                        fields(
                            &[("fromFile", Shape::Text(TEXT, ALL))],
                            &[("column", Shape::Text(TEXT, ALL))],
                        ),
                    ),
                ],
            }),
        ),
    ],
    &[
        ("lifecycle", fields(&[("onRemove", Shape::Word(&["Retain", "Cancel"]))], &[])),
        ("dependsOn", DEPENDS_ON),
    ],
);

const RATES: Shape = fields(&[], &[("perMinute", Shape::Rate), ("perHour", Shape::Rate)]);

const PROJECT: Shape = fields(
    &[
        ("apiVersion", VERSION),
        ("kind", Shape::Word(&["Project"])),
        ("metadata", fields(&[("name", Shape::Text(NAME, 253))], &[])),
    ],
    &[(
        "spec",
        fields(
            &[],
            &[
                ("manifests", Shape::List(&Shape::Text(TEXT, ALL))),
                (
                    "defender",
                    fields(
                        &[],
                        &[
                            ("cloud", Shape::Word(&["public", "gcc", "gcc-high", "dod", "sandbox"])),
                            ("region", Shape::Word(&["us", "eu", "uk", "au", "swa", "ina", "aea"])),
                            ("endpoint", Shape::Text(WEB, ALL)),
                            ("graphEndpoint", Shape::Text(WEB, ALL)),
                            ("hunting", Shape::Word(&["graph", "defender"])),
                            ("tenantId", Shape::Text(GUID, ALL)),
                        ],
                    ),
                ),
                (
                    "auth",
                    fields(
                        &[],
                        &[
                            (
                                "method",
                                Shape::Word(&[
                                    "auto",
                                    "client-secret",
                                    "client-certificate",
                                    "workload-identity",
                                    "managed-identity",
                                    "azure-cli",
                                    "github-oidc",
                                    "azure-pipelines",
                                    "token",
                                ]),
                            ),
                            ("tenantId", Shape::Text(GUID, ALL)),
                            ("clientId", Shape::Text(GUID, ALL)),
                        ],
                    ),
                ),
                ("quotas", fields(&[], &[("collect", RATES), ("alert", RATES), ("hunting", RATES)])),
                (
                    "limits",
                    fields(&[], &[("newCollections", Shape::Count(0)), ("newAlerts", Shape::Count(0))]),
                ),
                (
                    "recovery",
                    fields(
                        &[],
                        &[
                            ("settle", Shape::Text(DURATION, ALL)),
                            ("onUnknown", Shape::Word(&["resend", "ask"])),
                            ("marker", Shape::Flag),
                        ],
                    ),
                ),
                ("state", fields(&[], &[("url", Shape::Text(STATE_URL, ALL))])),
                ("evidence", fields(&[], &[("dir", Shape::Text(TEXT, ALL))])),
                ("protected", Shape::List(&Shape::Any(253))),
                ("requireComment", Shape::Any(500)),
            ],
        ),
    )],
);

fn shape(target: Target) -> Option<&'static Shape> {
    match target {
        Target::Resource(Kind::Alert) => Some(&ALERT),
        Target::Resource(Kind::InvestigationPackage) => Some(&PACKAGE),
        Target::Project => Some(&PROJECT),
        Target::Runbook | Target::Incident | Target::Case => None,
    }
}

/// Whether the target's schema certainly accepts a value; without a yes that has still to be asked.
pub(super) fn is_right(doc: &Document<'_>, value: Id, target: Target) -> bool {
    shape(target).is_some_and(|shape| fits(doc, value, shape))
}

fn fits(doc: &Document<'_>, value: Id, shape: &Shape) -> bool {
    let node = doc.node(value);
    let text = &*node.text;
    let is_text = node.kind == NodeKind::Text;
    match shape {
        Shape::Word(words) | Shape::Known(words) => is_text && words.contains(&text),
        // Characters are no more than bytes.
        Shape::Text(quick, most) => is_text && text.len() <= *most && tells(quick, text),
        Shape::Any(most) => is_text && (1..=*most).contains(&text.len()),
        Shape::Count(least) => node.kind == NodeKind::Number && counts(text, *least),
        Shape::Rate => match node.kind {
            NodeKind::Number => counts(text, 1),
            _ => is_text && text == "unlimited",
        },
        Shape::Flag => node.kind == NodeKind::Bool,
        Shape::List(item) => {
            let items = doc.children(value);
            node.kind == NodeKind::Sequence
                && !items.is_empty()
                && items.iter().all(|id| fits(doc, *id, item))
        }
        Shape::Labels => {
            let is_label = |(key, value): (Id, Id)| {
                let key = doc.node(key);
                let named = key.text.len() <= 253 && key.text.is_ascii();
                named && (LABEL_KEY.fits)(key.text.as_bytes()) && doc.node(value).kind == NodeKind::Text
            };
            node.kind == NodeKind::Mapping && doc.fields(value).all(is_label)
        }
        Shape::Fields(Fields { required, optional, one_of }) => {
            let (mut needed, mut one) = (0, 0);
            let known = doc.fields(value).all(|(key, value)| {
                let name = &*doc.node(key).text;
                let named = |(known, _): &&(&str, Shape)| *known == name;
                let shape = if let Some((_, shape)) = required.iter().find(named) {
                    needed += 1;
                    shape
                } else if let Some((_, shape)) = one_of.iter().find(named) {
                    one += 1;
                    shape
                } else if let Some((_, shape)) = optional.iter().find(named) {
                    shape
                } else {
                    return false;
                };
                fits(doc, value, shape)
            });
            // No key stands twice in a mapping.
            node.kind == NodeKind::Mapping
                && known
                && needed == required.len()
                && one == usize::from(!one_of.is_empty())
        }
    }
}

/// Whether a pattern certainly matches. One visible character of ASCII is enough for a text that says something.
fn tells(quick: &Quick, text: &str) -> bool {
    match text.is_ascii() {
        true => (quick.fits)(text.as_bytes()),
        false => quick.pattern == TEXT.pattern && text.bytes().any(|b| b.is_ascii_graphic()),
    }
}

/// Plain digits, so that there is no doubt about the number.
fn counts(text: &str, least: u32) -> bool {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits && text.parse::<u32>().is_ok_and(|n| n >= least)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::manifest::instance::Instance;
    use crate::manifest::reader::Reader;
    use crate::manifest::schema::compiled;

    const TARGETS: [Target; 3] =
        [Target::Resource(Kind::Alert), Target::Resource(Kind::InvestigationPackage), Target::Project];

    /// What a schema says besides words for people; `oneOf`, `if` and the like are said by `one_of`.
    fn says(schema: &Value) -> BTreeSet<&str> {
        let silent =
            ["description", "examples", "default", "title", "$schema", "oneOf", "if", "then", "else"];
        schema.as_object().unwrap().keys().map(String::as_str).filter(|k| !silent.contains(k)).collect()
    }

    fn words(value: &Value) -> BTreeSet<&str> {
        value.as_array().into_iter().flatten().map(|w| w.as_str().unwrap()).collect()
    }

    /// The table allows nothing that its schema does not allow.
    fn same(shape: &Shape, schema: &Value, path: &str) {
        let at = |keys: &[&str], kind: Value| {
            assert_eq!(says(schema), keys.iter().copied().collect(), "{path}");
            assert_eq!(schema["type"], kind, "{path}");
        };
        let most = |n: usize| if n == ALL { Value::Null } else { n.into() };
        match shape {
            Shape::Word(all) => {
                at(&["enum", "type"], json!("string"));
                assert_eq!(words(&schema["enum"]), all.iter().copied().collect(), "{path}");
            }
            Shape::Known(all) => {
                at(&["anyOf", "maxLength", "pattern", "type"], json!("string"));
                assert_eq!(words(&schema["anyOf"][0]["enum"]), all.iter().copied().collect(), "{path}");
            }
            Shape::Text(quick, length) => {
                assert_eq!(schema["type"], "string", "{path}");
                assert_eq!(schema["pattern"], quick.pattern, "{path}");
                assert_eq!(schema["maxLength"], most(*length), "{path}");
                assert!(schema["minLength"].is_null() || schema["minLength"] == 1, "{path}");
                let known = ["type", "pattern", "maxLength", "minLength"];
                assert!(says(schema).iter().all(|k| known.contains(k)), "{path}");
                assert!(!(quick.fits)(b""), "{path}");
            }
            Shape::Any(length) if path.ends_with("dependsOn[]") => {
                assert_eq!(schema["type"], json!(["string", "object"]), "{path}");
                assert_eq!(
                    (&schema["minLength"], &schema["maxLength"]),
                    (&json!(1), &json!(length)),
                    "{path}"
                );
            }
            Shape::Any(length) => {
                at(&["maxLength", "minLength", "type"], json!("string"));
                assert_eq!(
                    (&schema["minLength"], &schema["maxLength"]),
                    (&json!(1), &json!(length)),
                    "{path}"
                );
            }
            Shape::Count(least) => {
                at(&["maximum", "minimum", "type"], json!("integer"));
                assert_eq!(
                    (&schema["minimum"], &schema["maximum"]),
                    (&json!(least), &json!(u32::MAX)),
                    "{path}"
                );
            }
            Shape::Rate => {
                at(&["maximum", "minimum", "pattern", "type"], json!(["integer", "string"]));
                assert_eq!((&schema["minimum"], &schema["maximum"]), (&json!(1), &json!(u32::MAX)), "{path}");
                assert_eq!(schema["pattern"], "^unlimited$", "{path}");
            }
            Shape::Flag => at(&["type"], json!("boolean")),
            Shape::List(item) => {
                assert_eq!(schema["type"], "array", "{path}");
                assert!(schema["minItems"].is_null() || schema["minItems"] == 1, "{path}");
                assert!(says(schema).iter().all(|k| ["type", "items", "minItems"].contains(k)), "{path}");
                same(item, &schema["items"], &format!("{path}[]"));
            }
            Shape::Labels => {
                at(&["additionalProperties", "propertyNames", "type"], json!("object"));
                assert_eq!(schema["additionalProperties"], json!({"type": "string"}), "{path}");
                assert_eq!(
                    schema["propertyNames"],
                    json!({"maxLength": 253, "pattern": LABEL_KEY.pattern}),
                    "{path}"
                );
            }
            Shape::Fields(Fields { required, optional, one_of }) => {
                assert_eq!(schema["type"], "object", "{path}");
                assert_eq!(schema["additionalProperties"], false, "{path}");
                let known = ["type", "additionalProperties", "properties", "required"];
                assert!(says(schema).iter().all(|k| known.contains(k)), "{path}");
                let needed: BTreeSet<&str> = required.iter().map(|(name, _)| *name).collect();
                // An event that no query finds has its time and report id.
                let needed: BTreeSet<&str> = match &schema["else"]["required"] {
                    Value::Null => needed,
                    more => {
                        let more = words(more);
                        assert!(needed.is_superset(&more), "{path}");
                        needed.difference(&more).copied().collect()
                    }
                };
                assert_eq!(words(&schema["required"]), needed, "{path}");
                let branches = schema["oneOf"].as_array().into_iter().flatten();
                let one: BTreeSet<&str> = branches.flat_map(|b| words(&b["required"])).collect();
                assert!(one.is_superset(&one_of.iter().map(|(name, _)| *name).collect()), "{path}");
                assert_eq!(one.is_empty(), one_of.is_empty(), "{path}");
                for (name, field) in required.iter().chain(*optional).chain(*one_of) {
                    same(field, &schema["properties"][name], &format!("{path}.{name}"));
                }
            }
        }
    }

    #[test]
    fn the_tables_are_those_of_the_schemas() {
        for target in TARGETS {
            same(shape(target).unwrap(), &compiled(target).schema, target.word());
        }
    }

    /// Whether the table says yes; panics if the schema says no to that.
    fn both(text: &str, target: Target) -> bool {
        let Some(doc) = Reader::new(text).next() else { return false };
        let Some(root) = doc.root else { return false };
        let right = is_right(&doc, root, target);
        let valid = compiled(target).validator.is_valid(Instance::At(&doc, root));
        assert!(valid || !right, "{text}");
        right
    }

    /// A value of a shape in YAML, or something else in its place: `odd` says for each value what.
    fn written(shape: &Shape, odd: &mut impl FnMut() -> u8, out: &mut String) {
        let other =
            ["x", "''", "' '", "7", "0", "-1", "1.0", "true", "null", "[]", "[a]", "{}", "{a: b}", "é", "+1"];
        let choice = odd();
        if let Some(other) = other.get(usize::from(choice).wrapping_sub(1)) {
            out.push_str(other);
            return;
        }
        match shape {
            Shape::Word(all) | Shape::Known(all) => {
                out.push_str(all[usize::from(choice) % all.len()]);
            }
            Shape::Text(quick, _) => {
                let all = [
                    "a",
                    "fin-ws-042",
                    "'1'",
                    "fb9ab6be3965095a09c057be7c90f0a2",
                    "2018-08-03T16:45:21.7115183Z",
                    "10m",
                    "0d3c5f0e-6a53-4c1e-9f0e-3f0c2b6c9a11",
                    "https://x",
                    "file:.casefile",
                ];
                let fit = all.iter().find(|text| (quick.fits)(text.trim_matches('\'').as_bytes()));
                out.push_str(fit.unwrap());
            }
            Shape::Any(_) => out.push_str("any"),
            Shape::Count(_) | Shape::Rate => out.push('3'),
            Shape::Flag => out.push_str("false"),
            Shape::List(item) => {
                out.push('[');
                written(item, odd, out);
                out.push(']');
            }
            Shape::Labels => out.push_str("{ a/b: c }"),
            Shape::Fields(Fields { required, optional, one_of }) => {
                out.push('{');
                for (index, (name, field)) in required.iter().chain(*one_of).chain(*optional).enumerate() {
                    // Fields that may be left out often are, others seldom; of several one is there, mostly.
                    let first_of_one = index == required.len();
                    let left_out = match odd() {
                        n if index < required.len() || first_of_one => n == 40,
                        n if index < required.len() + one_of.len() => n % 32 != 7,
                        n => n % 3 == 0,
                    };
                    if !left_out {
                        let _ = write!(out, " {name}: ");
                        written(field, odd, out);
                        out.push(',');
                    }
                }
                if odd() == 41 {
                    out.push_str(" more: x,");
                }
                out.push('}');
            }
        }
    }

    #[test]
    fn what_is_usual_is_told_at_once() {
        for target in TARGETS {
            let mut text = String::new();
            written(shape(target).unwrap(), &mut || 0, &mut text);
            assert!(both(&text, target), "{text}");
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
        let project = std::fs::read_to_string(path.join("casefile.yaml")).unwrap();
        assert!(both(&project, Target::Project), "{project}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn a_yes_is_the_schemas_own(which in 0..3_usize, odd in prop::collection::vec(prop_oneof![9 => Just(0_u8), 2 => 16..60_u8, 1 => 0..16_u8], 60)) {
            let mut odd = odd.into_iter().cycle();
            let mut text = String::new();
            written(shape(TARGETS[which]).unwrap(), &mut || odd.next().unwrap_or(0), &mut text);
            both(&text, TARGETS[which]);
        }
    }
}
