//! The verdict of an editor on a value, by the published schemas, beside that of `validate`.

use serde_json::Value;

use super::{SchemaKind, schema};
use crate::manifest::{Level, parse_manifests, parse_project};

/// Fields of a package or an alert that are written otherwise: the place, the value in YAML, and whether it is right.
const VALUES: [(&str, &str, bool); 42] = [
    ("spec.comment", r#""a\nb""#, true),
    ("spec.comment", r#""a\tb""#, false),
    ("spec.comment", r#""a\x07b""#, false),
    ("spec.comment", r#""a\x7F""#, false),
    ("spec.comment", r#""a\u0085b""#, false),
    ("spec.comment", r#"" \n ""#, false),
    ("spec.comment", r#""a\u202Eb""#, true),
    ("metadata.labels", r#"{ incident: "INC-1" }"#, true),
    ("metadata.labels", r#"{ incident: "INC\r1" }"#, false),
    ("metadata.labels", r#"{ "a\tb": c }"#, false),
    ("spec.retryAfter", "10m", true),
    ("spec.retryAfter", "0s", true),
    ("spec.retryAfter", "31622400s", true),
    ("spec.retryAfter", "31622401s", false),
    ("spec.retryAfter", "527040m", true),
    ("spec.retryAfter", "527041m", false),
    ("spec.adoptWithin", "8784h", true),
    ("spec.adoptWithin", "8785h", false),
    ("spec.adoptWithin", "99999999h", false),
    ("spec.adoptWithin", "000000000001h", true),
    ("spec.adoptWithin", "1d", false),
    ("dependsOn", r#"["InvestigationPackage/b\tc"]"#, false),
    ("moved", "{ from: InvestigationPackage/b }", true),
    ("moved", "{ from: InvestigationPackage/inc-1.b }", true),
    ("moved", "{ from: Alert/b }", false),
    ("moved", "{ from: InvestigationPackage/B }", false),
    ("moved", "{ from: InvestigationPackage/b_c }", false),
    ("moved", "{ from: 'InvestigationPackage/b[0a]' }", false),
    ("moved", "{ from: InvestigationPackage/b. }", false),
    ("moved", "{ from: b }", false),
    ("import", "{ id: a-b }", true),
    ("import", r#"{ id: "a\x01" }"#, false),
    ("spec.machineTag", "tier1", true),
    ("spec.machineTag", r#""tier\t1""#, false),
    ("spec.eventTime", "2024-02-29T23:59:59.9999999Z", true),
    ("spec.eventTime", "2023-02-29T00:00:00Z", false),
    ("spec.eventTime", "1900-02-29T00:00:00Z", false),
    ("spec.eventTime", "2024-04-31T00:00:00Z", false),
    ("spec.eventTime", "2024-13-01T00:00:00Z", false),
    ("spec.eventTime", "2024-01-01T24:00:00Z", false),
    ("spec.eventTime", "2024-01-01T23:59:60Z", false),
    ("spec.reportId", r#""1\x012""#, false),
];

/// Manifests that stand for several machines, and surgery beside their `spec`.
const GROUPS: [(&str, &str); 4] = [
    ("machineTag: tier1", "import: { id: a }"),
    ("machineTag: tier1", "moved: { from: InvestigationPackage/b }"),
    ("machineTag: tier1", "replace: { id: a }"),
    ("machines: { fromFile: a.txt }", "replace: { id: a }"),
];

/// The whole of a manifest in which one field has that value.
fn with_value(place: &str, value: &str) -> String {
    let alert = matches!(place, "spec.eventTime" | "spec.reportId");
    let mut spec: Vec<(&str, &str)> = match alert {
        true => vec![
            ("machineId", "fb9ab6be3965095a09c057be7c90f0a2"),
            ("severity", "Low"),
            ("title", "t"),
            ("description", "d"),
            ("recommendedAction", "r"),
            ("eventTime", "2024-01-01T00:00:00Z"),
            ("reportId", "'1'"),
            ("category", "Exploit"),
        ],
        false if place == "spec.machineTag" => vec![("comment", "c")],
        false => vec![("machineId", "fb9ab6be3965095a09c057be7c90f0a2"), ("comment", "c")],
    };
    let (mut labels, mut more) = ("{}", String::new());
    match place.split_once('.') {
        Some(("spec", name)) => {
            spec.retain(|(field, _)| *field != name);
            spec.push((name, value));
        }
        Some(_) => labels = value,
        None => more = format!(", {place}: {value}"),
    }
    let fields: Vec<String> = spec.iter().map(|(field, value)| format!("{field}: {value}")).collect();
    let kind = if alert { "Alert" } else { "InvestigationPackage" };
    format!(
        "{{apiVersion: casefile/v1, kind: {kind}, metadata: {{name: a, labels: {labels}}}, spec: {{{}}}{more}}}\n",
        fields.join(", ")
    )
}

#[test]
fn an_editor_says_no_where_validate_does() {
    let validator = jsonschema::options().build(&schema(SchemaKind::Manifest)).unwrap();
    for (place, value, right) in VALUES {
        let text = with_value(place, value);
        let document: Value = serde_yaml::from_str(&text).unwrap();
        let (_, problems) = parse_manifests("a.yaml", text.as_bytes());
        // A warning is no refusal.
        let problems: Vec<&str> =
            problems.iter().filter(|p| p.severity == Level::Error).map(|p| p.code).collect();
        assert_eq!(
            (problems.is_empty(), validator.is_valid(&document)),
            (right, right),
            "{text}{problems:?}"
        );
    }
    for (machines, surgery) in GROUPS {
        let of = |beside: &str| {
            format!(
                "{{apiVersion: casefile/v1, kind: InvestigationPackage, metadata: {{name: a}}, spec: {{{machines}, \
                 comment: c}}{beside}}}\n"
            )
        };
        for (text, right) in [(of(""), true), (of(&format!(", {surgery}")), false)] {
            let document: Value = serde_yaml::from_str(&text).unwrap();
            let (_, problems) = parse_manifests("a.yaml", text.as_bytes());
            let misplaced = problems.iter().any(|p| p.code == "misplaced-field");
            assert_eq!((misplaced, validator.is_valid(&document)), (!right, right), "{text}");
        }
    }
    let project = jsonschema::options().build(&schema(SchemaKind::Project)).unwrap();
    for (spec, right) in [
        ("recovery: { settle: 30s }", true),
        ("recovery: { settle: 8785h }", false),
        ("state: { url: 'file:.casefile', pushInterval: 9999h }", false),
        (r#"state: { url: "file:a\tb" }"#, false),
        (r#"defender: { endpoint: "https://api.security.microsoft.com/\x01" }"#, false),
        (r#"protected: ["a\x01"]"#, false),
        (r#"requireComment: "a\tb""#, false),
    ] {
        let text =
            format!("{{apiVersion: casefile/v1, kind: Project, metadata: {{name: a}}, spec: {{{spec}}}}}\n");
        let document: Value = serde_yaml::from_str(&text).unwrap();
        let read = parse_project(text.as_bytes()).is_ok();
        assert_eq!((read, project.is_valid(&document)), (right, right), "{text}");
    }
}
