//! Values and runbooks that try to become something else than values, or never to end.

use serde_json::{Value, json};

use super::expansion::{RUNBOOK, incident, read};

fn codes(files: &[(String, String)]) -> Vec<&'static str> {
    read(files).diagnostics.iter().map(|d| d.code).collect()
}

fn with(ticket: &str) -> Vec<(String, String)> {
    let with = json!({"ticket": ticket, "machines": ["a"], "alert": true});
    vec![("r.yaml".into(), RUNBOOK.into()), ("i.yaml".into(), incident("inc-1", &json!({}), &with))]
}

#[test]
fn a_value_stays_the_text_that_it_is() {
    for ticket in [
        "x\n  revision: 99\n  machineId: ffff",
        "\"}, \"machineId\": \"ffff",
        "}}: {a: b}",
        "{{ item }} {% for x in y %} }}",
        "$ {{ item }}",
        "# comment\n---\nkind: Alert",
        "*alias &anchor !tag",
        "\\u0022, \\n",
        "'; drop table //",
        "null",
        "1e999",
        "yes",
        "\u{202e}evil\u{200b}",
        "{\"a\": [1, 2]}",
    ] {
        let loaded = read(&with(ticket));
        assert!(loaded.diagnostics.is_empty(), "{ticket:?}: {:?}", loaded.diagnostics);
        assert_eq!(loaded.resources.len(), 2, "{ticket:?}");
        let body: Value = serde_json::from_str(loaded.resources[0].request().body.as_str()).unwrap();
        assert_eq!(body["title"], ticket);
        assert_eq!(body.as_object().unwrap().len(), 8, "{ticket:?}: {body}");
        let body: Value = serde_json::from_str(loaded.resources[1].request().body.as_str()).unwrap();
        assert_eq!(body, json!({"Comment": format!("{ticket} by nobody: 0")}));
        assert_eq!(loaded.resources[1].revision, 1);
    }
}

#[test]
fn no_value_ends_a_literal_of_a_query() {
    for (ticket, literal) in [
        ("a\" or 1==1 //", r#""a\" or 1==1 //""#),
        ("a\\", r#""a\\""#),
        ("a\\\" | take 1", r#""a\\\" | take 1""#),
        ("a\n| project x", r#""a\n| project x""#),
        ("\u{2028}x\u{202e}", r#""\u2028x\u202e""#),
        ("' or '1'='1", r#""' or '1'='1""#),
        ("h@'x'", r#""h@'x'""#),
    ] {
        let loaded = read(&with(ticket));
        let body: Value = serde_json::from_str(loaded.resources[0].request().body.as_str()).unwrap();
        let description = body["description"].as_str().unwrap();
        assert!(description.ends_with(&format!("as a query: Title == {literal}\n")), "{description}");
    }
}

#[test]
fn values_are_refused_where_they_look_like_expressions_or_control_a_terminal() {
    for (ticket, code) in [
        ("${{ item }}", "expression-in-value"),
        ("a${{", "expression-in-value"),
        ("\u{1b}[31m", "control-character"),
        ("a\u{0}", "control-character"),
    ] {
        assert_eq!(codes(&with(ticket)), [code], "{ticket:?}");
    }
    for with in [
        json!({"ticket": "t", "machines": ["${{ with.ticket }}"]}),
        json!({"ticket": "t", "machines": [], "notes": {"who": "${{ x }}"}}),
        json!({"ticket": "t", "machines": [], "notes": {"${{ x }}": "who"}}),
    ] {
        let files =
            [("r.yaml".into(), RUNBOOK.into()), ("i.yaml".into(), incident("inc-1", &json!({}), &with))];
        assert_eq!(codes(&files), ["expression-in-value"], "{with}");
    }
    let files = [
        ("r.yaml".into(), RUNBOOK.into()),
        (
            "i.yaml".into(),
            incident("inc-1", &json!({"a": "${{ x }}"}), &json!({"ticket": "t", "machines": []})),
        ),
    ];
    assert_eq!(codes(&files), ["expression-in-value"]);
}

#[test]
fn names_that_are_none_are_refused_after_expansion() {
    let given = |machines: Value| {
        let with = json!({"ticket": "t", "machines": machines});
        codes(&[("r.yaml".into(), RUNBOOK.into()), ("i.yaml".into(), incident("inc-1", &json!({}), &with))])
    };
    assert_eq!(given(json!(["../../etc", "b"])), Vec::<&str>::new());
    assert_eq!(given(json!(["!!!"])), ["expression-failed"]);
    assert_eq!(given(json!(["a b", "a-b"])), ["duplicate-address"]);
    assert_eq!(given(json!(["x".repeat(60_000)])), Vec::<&str>::new());
    assert_eq!(given(json!(["x".repeat(100_000)])), ["text-too-long"]);
    assert_eq!(given(json!([["nested"]])), ["wrong-type"]);
}

#[test]
fn huge_lists_and_long_texts_end_in_a_diagnostic() {
    let many: Vec<String> = (0..6_000).map(|i| format!("m{i}")).collect();
    let with = json!({"ticket": "t", "machines": many});
    let files = [("r.yaml".into(), RUNBOOK.into()), ("i.yaml".into(), incident("inc-1", &json!({}), &with))];
    assert_eq!(codes(&files), ["expansion-too-large"]);
    let some: Vec<String> = (0..1_200).map(|i| format!("m{i}")).collect();
    let with = json!({"ticket": "x".repeat(60_000), "machines": some});
    let files = [("r.yaml".into(), RUNBOOK.into()), ("i.yaml".into(), incident("inc-1", &json!({}), &with))];
    assert_eq!(codes(&files), ["expansion-too-large"]);
    assert_eq!(codes(&self::with(&"x".repeat(65_530))), ["expression-failed", "expression-failed"]);
    assert_eq!(codes(&self::with(&"x".repeat(70_000))), ["text-too-long"]);
}

/// The same runbook with other expressions.
fn runbook(expression: &str, parameters: &str) -> Vec<(String, String)> {
    let text = format!(
        "apiVersion: casefile/v1\nkind: Runbook\nmetadata: {{ name: triage }}\nspec:\n  parameters: {parameters}\n  \
         resources:\n    - kind: InvestigationPackage\n      metadata: {{ name: a }}\n      spec:\n        machineId: \
         fb9ab6be3965095a09c057be7c90f0a2\n        comment: {}\n",
        serde_json::to_string(expression).unwrap()
    );
    vec![("r.yaml".into(), text), ("i.yaml".into(), incident("inc-1", &json!({}), &json!({})))]
}

#[test]
fn expressions_have_bounds() {
    let none = "{ type: object }";
    for (expression, code) in [
        ("${{ 'x' * 1000000000 }}".to_owned(), "bad-expression"),
        ("${{ 2 ** 2 ** 2 ** 2 ** 2 }}".to_owned(), "bad-expression"),
        (format!("${{{{ {}1{} }}}}", "(".repeat(400), ")".repeat(400)), "bad-expression"),
        (format!("${{{{ {}'' }}}}", "'a' ~ ".repeat(300)), "bad-expression"),
        ("${{ range(1000000000) | join }}".to_owned(), "unknown-function"),
        ("${{ self }}".to_owned(), "unknown-name"),
        ("${{ loop.index }}".to_owned(), "unknown-name"),
        ("${{ incident.__class__ }}".to_owned(), "unknown-name"),
        ("${{ incident.name.upper() }}".to_owned(), "unknown-function"),
        ("${{ 1 / 0 }}".to_owned(), "expression-failed"),
        ("${{ incident.name | nothing }}".to_owned(), "unknown-filter"),
        ("${{ {'a': 1} }}".to_owned(), "expression-failed"),
        ("${{ '$' ~ '{{' }}".to_owned(), "expression-in-value"),
    ] {
        assert_eq!(codes(&runbook(&expression, none)), [code], "{expression}");
    }
}

#[test]
fn schemas_stay_inside_and_end() {
    for schema in [
        "{ type: object, properties: { a: { $ref: \"https://example.com/x\" } } }",
        "{ type: object, properties: { a: { $ref: \"file:///etc/passwd\" } } }",
        "{ type: object, properties: { a: { $ref: \"#\" } } }",
        "{ type: object, $defs: { a: { $ref: \"#/$defs/b\" }, b: { allOf: [{ $ref: \"#/$defs/a\" }] } } }",
        "{ type: object, $id: \"https://example.com/\" }",
        "{ type: object, properties: { a: { pattern: \"(\" } } }",
        "{ type: object, properties: { a: { $dynamicRef: \"#x\" } } }",
        "{ type: string }",
        "{}",
    ] {
        let found = codes(&runbook("x", schema));
        assert!(!found.is_empty() && found.iter().all(|c| *c == "bad-parameters"), "{schema}: {found:?}");
    }
    // A pattern that ruins backtracking engines.
    let slow = "{ type: object, properties: { a: { type: string, pattern: \"^(a+)+$\", default: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa } } }";
    assert_eq!(codes(&runbook("x", slow)), Vec::<&str>::new());
}

#[test]
fn a_runbook_makes_no_runbooks() {
    let text = RUNBOOK.replace("kind: Alert", "kind: Incident");
    let files = vec![("r.yaml".to_owned(), text), with("t").remove(1)];
    assert!(codes(&files).contains(&"unknown-kind"));
}
