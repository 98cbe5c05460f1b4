//! Alerts on the event that a query finds, through the binary and the simulated service: how often queries are run,
//! when not, and what is sent.

use serde_json::Value;

use crate::case::Case;

const DEVICE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";

/// What the queries of these tests find.
const QUERIES: &str = "hunting:
  - query: one
    rows: [{ Timestamp: '2026-03-01T09:15:42.1830900Z', DeviceId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, ReportId: 20776, X: 1 }]
  - query: two
    rows:
      - { Timestamp: '2026-03-01T09:15:42Z', DeviceId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, ReportId: 1 }
      - { Timestamp: '2026-03-01T09:15:43Z', DeviceId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, ReportId: 2 }
  - { query: bare, rows: [{ Timestamp: '2026-03-01T09:15:42Z', FileName: \"c\\emd.exe\" }] }
  - { query: odd, rows: [{ Timestamp: yesterday, DeviceId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, ReportId: 1 }] }
";

fn hunting(more: &str) -> Case {
    Case::new(&format!("{QUERIES}{more}"), "{}")
}

impl Case {
    /// What the service has answered to: queries at Graph, queries at Defender, new alerts.
    fn calls(&self) -> [u64; 3] {
        self.asked(["graphHunt", "hunt", "createAlert"])
    }

    /// The rows of a plan.
    #[track_caller]
    fn changes(&self, args: &[&str]) -> Vec<Value> {
        self.plan(args)["changes"].as_array().unwrap().clone()
    }
}

fn alert(name: &str, event: &str, more: &str) -> String {
    format!(
        "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: {name} }}\nspec:\n  event: {event}\n  \
         severity: Low\n  title: {name}\n  description: d\n  recommendedAction: r\n  category: Exploit\n{more}---\n"
    )
}

#[test]
fn each_query_is_run_once_and_its_values_are_sent_verbatim() {
    let case = hunting("");
    case.write("manifests/a.yaml", &(alert("a", "{ query: one }", "") + &alert("b", "{ query: one }", "")));
    let rows = case.changes(&[]);
    assert_eq!(case.calls(), [1, 0, 0], "two resources, one query");
    let body = &rows[0]["request"]["body"];
    assert_eq!(body["machineId"], DEVICE);
    assert_eq!(body["eventTime"], "2026-03-01T09:15:42.1830900Z");
    assert_eq!(body["reportId"], "20776");
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.calls(), [2, 0, 2]);
    let journal = case.read(".casefile/journal.jsonl");
    assert!(
        journal.contains(r#""eventTime":"2026-03-01T09:15:42.1830900Z","reportId":"20776""#),
        "{journal}"
    );
}

#[test]
fn what_was_sent_never_runs_its_query_again() {
    let case = hunting("");
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(case.calls(), [1, 0, 1]);
    case.exits(0, &["apply", "--auto-approve"]);
    case.exits(0, &["plan", "--no-refresh"]);
    case.exits(0, &["status"]);
    // Not even a query that finds something else, or nothing.
    case.write("manifests/a.yaml", &alert("a", "{ query: two }", ""));
    assert_eq!(case.changes(&[])[0]["action"], "none");
    assert_eq!(case.calls(), [1, 0, 1]);
    // A new revision asks again.
    case.write("manifests/a.yaml", &alert("a", "{ query: one, timespan: P7D }", "  revision: 2\n"));
    assert_eq!(case.changes(&[])[0]["action"], "replace");
    assert_eq!(case.calls(), [2, 0, 1]);
    case.exits(1, &["plan", "--no-refresh"]);
}

#[test]
fn a_query_that_was_edited_is_told() {
    let case = hunting("");
    let edited = |args: &[&str]| {
        let rows = case.changes(args);
        let told = rows[0]["warnings"].as_array().unwrap().iter().any(|w| w["code"] == "query-changed");
        (rows[0]["action"].as_str().unwrap().to_owned(), told)
    };
    let sent = |told: bool| ("none".to_owned(), told);
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    assert_eq!(edited(&[]), ("create".to_owned(), false));
    let first = case.plan(&[]);
    let (digest, request) = (first["digest"].clone(), first["changes"][0]["request"].clone());
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(edited(&[]), sent(false));
    for edit in ["{ query: two }", "{ query: one, timespan: P7D }", "{ query: \"T | where (\" }"] {
        case.write("manifests/a.yaml", &alert("a", edit, ""));
        assert_eq!(edited(&[]), sent(true), "{edit}");
        assert_eq!(edited(&["--no-refresh"]), sent(true), "{edit}");
        // Applied, it is still not the query whose event was sent.
        case.exits(0, &["apply", "--auto-approve", "--strict"]);
        assert_eq!(edited(&[]), sent(true), "{edit}");
    }
    // Undone, also with white space around it.
    case.write("manifests/a.yaml", &alert("a", "{ query: \"one\\n\" }", ""));
    assert_eq!(edited(&[]), sent(false));
    assert_eq!(case.calls(), [3, 0, 1]);
    // People see a row that there is nothing to do about, too.
    case.write("manifests/a.yaml", &alert("a", "{ query: two }", ""));
    let (out, _) = case.exits(0, &["plan"]);
    assert!(out.contains("  = alert  a  done  [1]\n") && out.contains("was edited after"), "{out}");
    let (out, _) = case.exits(0, &["plan", "--format", "markdown"]);
    assert!(out.contains("was edited after"), "{out}");
    // A new revision runs it; from then on it is the one that counts. No digest knows of it.
    case.write("manifests/a.yaml", &alert("a", "{ query: \" one\", timespan: P7D }", "  revision: 2\n"));
    assert_eq!(edited(&[]), ("replace".to_owned(), false));
    let plan = case.plan(&[]);
    let row = &plan["changes"][0];
    assert_eq!(row["request"], request, "the same request");
    // The approval of the first call is none of the second one.
    assert_eq!(row["objects"], 1);
    assert_ne!(plan["digest"], digest);
    case.exits(0, &["apply", "--auto-approve"]);
    assert_eq!(edited(&[]), sent(false));
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", "  revision: 2\n"));
    assert_eq!(edited(&[]), sent(true));
}

#[test]
fn which_query_it_was_is_kept_by_every_way_to_the_record() {
    let case = hunting("");
    let is_edited = |query: &str, more: &str| {
        case.write("manifests/a.yaml", &alert("a", query, more));
        let rows = case.changes(&["--no-refresh"]);
        rows[0]["warnings"].as_array().unwrap().iter().any(|w| w["code"] == "query-changed")
    };
    // By a saved plan, with a triage that is sent later.
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    case.exits(0, &["plan", "--out", "plan.json"]);
    case.exits(0, &["apply", "plan.json"]);
    let triage = "  triage: { status: InProgress }\n";
    case.write("manifests/a.yaml", &alert("a", "{ query: two }", triage));
    case.exits(0, &["apply", "--auto-approve"]);
    assert!(is_edited("{ query: two }", triage) && !is_edited("{ query: one }", triage));
    // By a seal.
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", "  revision: 2\n"));
    case.exits(0, &["seal"]);
    case.exits(0, &["apply", "--sealed"]);
    assert!(
        is_edited("{ query: two }", "  revision: 2\n") && !is_edited("{ query: one }", "  revision: 2\n")
    );
    // By an import.
    let id = case.world()["alerts"][0]["id"].as_str().unwrap().to_owned();
    case.exits(0, &["state", "rm", "Alert/a"]);
    case.exits(0, &["import", "Alert/a", &id]);
    assert!(
        is_edited("{ query: two }", "  revision: 2\n") && !is_edited("{ query: one }", "  revision: 2\n")
    );
    // Under another name.
    case.write("manifests/a.yaml", &alert("b", "{ query: one }", "  revision: 2\n"));
    case.exits(0, &["state", "mv", "Alert/a", "Alert/b"]);
    case.write("manifests/a.yaml", &alert("b", "{ query: two }", "  revision: 2\n"));
    assert_eq!(case.changes(&["--no-refresh"])[0]["warnings"][0]["code"], "query-changed");
}

#[test]
fn a_record_that_knows_no_query_tells_no_edit() {
    let case = hunting("");
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    let (out, _) = case.exits(0, &["plan", "--format", "json"]);
    let body = serde_json::from_str::<Value>(&out).unwrap()["changes"][0]["request"]["body"].clone();
    // As it was declared before, by reference: no query found its event.
    let field = |name: &str| body[name].as_str().unwrap().to_owned();
    let by_reference = format!(
        "apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: a }}\nspec:\n  machineId: {}\n  eventTime: {}\n  \
         reportId: \"{}\"\n  severity: Low\n  title: a\n  description: d\n  recommendedAction: r\n  category: Exploit\n",
        field("machineId"),
        field("eventTime"),
        field("reportId")
    );
    case.write("manifests/a.yaml", &by_reference);
    case.exits(0, &["apply", "--auto-approve"]);
    assert!(!case.read(".casefile/journal.jsonl").contains("queryDigest"));
    case.write("manifests/a.yaml", &alert("a", "{ query: two }", ""));
    assert_eq!(case.changes(&[])[0]["warnings"], Value::Array(Vec::new()));
}

#[test]
fn a_name_that_was_released_is_free() {
    let case = hunting("");
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    case.exits(0, &["apply", "--auto-approve"]);
    case.write("manifests/a.yaml", "");
    case.exits(0, &["apply", "--auto-approve"]);
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    assert_eq!(case.changes(&[])[0]["action"], "none", "the very same event");
    assert_eq!(case.calls(), [2, 0, 1]);
    case.write("manifests/a.yaml", &alert("a", "{ query: two }", ""));
    case.exits(1, &["plan"]);
}

#[test]
fn a_sealed_event_stays() {
    let case = hunting("");
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    case.exits(0, &["seal"]);
    assert_eq!(case.calls(), [1, 0, 0]);
    let seal = case.read("manifests/a.sealed.yaml");
    assert!(seal.contains("eventQuery: one") && seal.contains("2026-03-01T09:15:42.1830900Z"), "{seal}");
    case.exits(0, &["seal"]);
    case.exits(0, &["validate", "--sealed"]);
    assert_eq!(case.changes(&["--no-refresh"])[0]["request"]["body"]["reportId"], "20776");
    assert_eq!(case.changes(&[])[0]["action"], "create");
    case.exits(0, &["apply", "--sealed"]);
    assert_eq!(case.calls(), [1, 0, 1], "the query was run for the seal alone");
    // Another query is another alert: it has to be reviewed again.
    case.write("manifests/a.yaml", &alert("a", "{ query: one, timespan: P7D }", "  revision: 2\n"));
    let (out, _) = case.exits(1, &["validate", "--sealed"]);
    assert!(out.contains("has another query"), "{out}");
    case.exits(4, &["apply", "--sealed"]);
    assert_eq!(case.calls(), [2, 0, 1]);
}

#[test]
fn what_is_no_event_is_an_error_at_the_query() {
    let case = hunting("");
    for (query, code, words) in [
        ("two", "event-ambiguous", "found 2 rows (Timestamp, DeviceId, ReportId), not one"),
        ("nothing", "event-not-found", "found no rows (Timestamp, DeviceId, ReportId)"),
        ("bare", "event-columns", "no column DeviceId, ReportId; the query found 1 row"),
        (
            "odd",
            "event-value",
            "Timestamp of row 1 is of no use; the query found 1 row (Timestamp, DeviceId, ReportId)",
        ),
        ("\"T | where (\"", "query-not-run", "400 BadRequest: A recognition error occurred."),
    ] {
        case.write("manifests/a.yaml", &alert("a", &format!("{{ query: {query} }}"), ""));
        for command in [&["plan"][..], &["apply", "--auto-approve"], &["seal"]] {
            let (_, err) = case.exits(1, command);
            assert!(err.contains(code) && err.contains("manifests/a.yaml:5:19"), "{query}\n{err}");
            let flat: String = err.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(words), "{query}\n{err}");
            assert!(!err.contains('\u{1b}') && err.contains("nothing was sent"), "{err}");
            // Whose rows they are is not known: a log or a comment may be public.
            for value in ["yesterday", "09:15:42", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"] {
                assert!(!flat.contains(value), "{query}\n{err}");
            }
        }
    }
    assert_eq!(case.calls()[2], 0);
    assert!(!case.path("manifests/a.sealed.yaml").exists());
}

#[test]
fn values_are_shown_to_who_asks_for_them() {
    let case = hunting("");
    for (query, value) in [("two", "{Timestamp: 2026-03-01T09:15:42Z"), ("odd", "{Timestamp: yesterday")] {
        case.write("manifests/a.yaml", &alert("a", &format!("{{ query: {query} }}"), ""));
        for command in [
            &["plan", "--show-rows"][..],
            &["apply", "--auto-approve", "--show-rows"],
            &["seal", "--show-rows"],
        ] {
            let (_, err) = case.exits(1, command);
            let flat: String = err.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(value), "{query}\n{err}");
        }
    }
}

#[test]
fn without_a_look_what_is_not_pinned_is_an_error() {
    let case = hunting("");
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    let (_, err) = case.exits(1, &["plan", "--no-refresh"]);
    assert!(err.contains("query-not-run") && err.contains("--no-refresh"), "{err}");
    // What is not planned does not matter.
    case.write("manifests/b.yaml", &alert("b", "{ query: one }", ""));
    case.exits(0, &["apply", "--auto-approve", "manifests/b.yaml"]);
    assert_eq!(case.calls(), [1, 0, 1]);
}

#[test]
fn the_older_api_and_its_limits() {
    let case = hunting("");
    case.project("{ defender: { hunting: defender } }");
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    let (_, err) = case.exits(0, &["plan"]);
    assert!(err.contains("1 February 2027") && err.contains("hunting: graph"), "{err}");
    assert_eq!(case.calls(), [0, 1, 0]);
    case.write("manifests/a.yaml", &alert("a", "{ query: one, timespan: P7D }", ""));
    let (_, err) = case.exits(1, &["plan"]);
    assert!(err.contains("hunting: defender takes no"), "{err}");
}

#[test]
fn a_quota_that_is_used_up_for_long_is_told() {
    let case = hunting("quotas: { limits: { graphHunt: { perHour: 1 } } }\n");
    case.write("manifests/a.yaml", &alert("a", "{ query: one }", ""));
    case.exits(0, &["plan"]);
    let (_, err) = case.exits(1, &["plan"]);
    assert!(err.contains("maximum allowed 1 per 01:00:00"), "{err}");
}

#[test]
fn an_incident_raises_alerts_on_what_queries_find() {
    let case = hunting("");
    let runbook = "apiVersion: casefile/v1
kind: Runbook
metadata: { name: triage }
spec:
  parameters: { type: object, properties: { query: { type: string } } }
  resources:
    - kind: Alert
      metadata: { name: a }
      spec:
        event: { query: \"${{ 'one' if with.query == 'one' else 'two' }}\" }
        severity: Low
        title: t
        description: d
        recommendedAction: r
        category: Exploit
---
apiVersion: casefile/v1
kind: Incident
metadata: { name: inc-1 }
spec: { runbook: triage, with: { query: one } }
";
    case.write("manifests/a.yaml", runbook);
    let rows = case.changes(&[]);
    assert_eq!(rows[0]["address"], "Alert/inc-1.a");
    assert_eq!(rows[0]["request"]["body"]["reportId"], "20776");
    let (out, _) = case.exits(0, &["render"]);
    assert!(out.contains("query: one") && !out.contains("eventTime"), "{out}");
    case.exits(0, &["seal"]);
    assert_eq!(case.changes(&["--no-refresh"])[0]["action"], "create");
    case.exits(0, &["apply", "--sealed"]);
    assert_eq!(case.calls(), [2, 0, 1]);
    assert!(case.read(".casefile/journal.jsonl").contains("queryDigest"));
    // Sealed, it does not change with its runbook: nothing was edited in it.
    case.write("manifests/a.yaml", &runbook.replace("title: t", "title: u"));
    assert_eq!(case.changes(&[])[0]["warnings"], Value::Array(Vec::new()));
}
