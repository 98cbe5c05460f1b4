//! Hunting through the binary and the simulated service: rows, manifests made of rows, alerts on events that a
//! query finds; how often queries are run, and when not.

use serde_json::Value;

use crate::case::Case;

const DEVICE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
const OTHER: &str = "fb9ab6be3965095a09c057be7c90f0a2b84d0cc0";

/// One query finds one event, one two; one lacks a column, one finds nothing, one is no query.
fn scenario(more: &str) -> String {
    format!(
        "hunting:
  - query: one
    rows: [{{ Timestamp: '2026-03-01T09:15:42.1830900Z', DeviceId: {DEVICE}, ReportId: 20776, Note: \"a\\eb\" }}]
  - query: two
    rows:
      - {{ Timestamp: '2026-03-01T09:15:42.1830900Z', DeviceId: {DEVICE}, ReportId: 20776 }}
      - {{ Timestamp: '2026-03-01T10:15:42Z', DeviceId: {OTHER}, ReportId: '641555' }}
      - {{ Timestamp: '2026-03-01T10:15:42Z', DeviceId: {OTHER}, ReportId: '641555' }}
  - {{ query: bare, rows: [{{ Timestamp: '2026-03-01T09:15:42Z', FileName: cmd.exe }}] }}
{more}"
    )
}

fn hunting(more: &str, spec: &str) -> Case {
    Case::new(&scenario(more), spec)
}

impl Case {
    /// What the service has answered to queries, at Graph and at Defender.
    fn queries(&self) -> [u64; 2] {
        self.asked(["graphHunt", "hunt"])
    }
}

mod rows {
    use super::*;

    #[test]
    fn a_table_a_document_and_csv() {
        let case = hunting("", "{}");
        let (out, _) = case.exits(0, &["hunt", "one"]);
        assert!(out.contains("20776") && out.contains("a\\u{1b}b") && !out.contains('\u{1b}'), "{out}");
        assert!(out.lines().all(|l| l.chars().count() <= 80), "{out}");
        let (out, _) = case.exits(0, &["hunt", "one", "--format", "json"]);
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(document["rows"][0]["Timestamp"], "2026-03-01T09:15:42.1830900Z");
        assert_eq!(document["rows"][0]["ReportId"], 20776);
        let (out, _) = case.exits(0, &["hunt", "one", "--format", "csv", "--timespan", "P7D"]);
        assert!(out.starts_with("Timestamp,DeviceId,ReportId,Note\n2026-03-01T09:15:42.1830900Z,"), "{out}");
        let (out, _) = case.exits(0, &["hunt", "nothing"]);
        assert_eq!(out, "No rows.\n");
        assert_eq!(case.queries(), [4, 0]);
    }

    #[test]
    fn the_older_api() {
        let case = hunting("", "{ defender: { hunting: defender } }");
        case.exits(0, &["hunt", "one"]);
        assert_eq!(case.queries(), [0, 1]);
        let (_, err) = case.exits(64, &["hunt", "one", "--timespan", "P7D"]);
        assert!(err.contains("no timespan"), "{err}");
        assert_eq!(case.queries(), [0, 1]);
    }

    #[test]
    fn what_the_service_refuses() {
        let case = hunting("  - { query: odd, error: \"no \\e table\" }\n", "{}");
        let (_, err) = case.exits(1, &["hunt", "T | where ("]);
        assert!(err.contains("400 BadRequest: A recognition error occurred."), "{err}");
        let (_, err) = case.exits(1, &["hunt", "odd"]);
        assert!(!err.contains('\u{1b}'), "{err}");
        let (_, err) = case.exits(64, &["hunt", "one", "--timespan", "7d"]);
        assert!(err.contains("ISO 8601"), "{err}");
    }

    #[test]
    fn a_token_of_its_own() {
        let mut case = hunting("", "{ auth: { method: token } }");
        case.env.clear();
        case.env.push(("CASEFILE_GRAPH_TOKEN", String::new()));
        let (_, err) = case.exits(1, &["hunt", "one"]);
        assert!(err.contains("needs CASEFILE_GRAPH_TOKEN") && !err.contains("a-token"), "{err}");
        assert_eq!(case.queries(), [0, 0]);
        // Somebody else's token.
        let claims = |tenant: &str| {
            use base64::Engine as _;
            let part = |json: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json);
            format!("{}.{}.c2ln", part("{}".into()), part(format!("{{\"tid\":\"{tenant}\"}}")))
        };
        let (ours, theirs) = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222");
        case.env = vec![("CASEFILE_ACCESS_TOKEN", claims(ours)), ("CASEFILE_GRAPH_TOKEN", claims(theirs))];
        let (_, err) = case.exits(4, &["hunt", "one"]);
        assert!(err.contains(theirs) && err.contains(ours), "{err}");
        assert_eq!(case.queries(), [0, 0]);
    }

    #[test]
    fn an_address_of_its_own() {
        let (case, graph) = (hunting("", "{}"), hunting("", "{}"));
        let mut case = case;
        case.env.push(("CASEFILE_GRAPH_ENDPOINT", graph.sandbox.url.clone()));
        case.exits(0, &["hunt", "one"]);
        assert_eq!((case.queries(), graph.queries()), ([0, 0], [1, 0]));
        case.env.pop();
        case.project(&format!("{{ defender: {{ graphEndpoint: \"{}\" }} }}", graph.sandbox.url));
        case.exits(0, &["hunt", "one"]);
        assert_eq!((case.queries(), graph.queries()), ([0, 0], [2, 0]));
        case.env.push(("CASEFILE_GRAPH_ENDPOINT", "http://graph.example".into()));
        let (_, err) = case.exits(64, &["hunt", "one"]);
        assert!(err.contains("https"), "{err}");
    }
}

mod manifests {
    use super::*;

    #[test]
    fn one_alert_an_event_and_one_package_a_machine() {
        let case = hunting("", "{}");
        let args =
            ["hunt", "two", "--as", "alert", "--with-package", "--name", "inc-1", "--severity", "High"];
        let (out, _) = case.exits(0, &args);
        assert_eq!(out.matches("kind: Alert").count(), 2, "{out}");
        assert_eq!(out.matches("kind: InvestigationPackage").count(), 2);
        for line in [
            "  name: inc-1-2\n".to_owned(),
            format!("  machineId: \"{DEVICE}\"\n"),
            "  eventTime: \"2026-03-01T09:15:42.1830900Z\"\n".to_owned(),
            "  reportId: \"641555\"\n".to_owned(),
            "  severity: High\n".to_owned(),
        ] {
            assert!(out.contains(&line), "{line:?}\n{out}");
        }
        case.write("manifests/found.yaml", &out);
        case.exits(0, &["validate"]);
        let (_, err) = case.exits(1, &args);
        assert!(err.contains("declared twice"), "{err}");
    }

    #[test]
    fn rows_that_name_no_event() {
        let case = hunting("", "{}");
        let (out, err) = case.exits(1, &["hunt", "bare", "--as", "alert"]);
        assert_eq!(out, "");
        assert!(err.contains("no column DeviceId, ReportId; it has Timestamp, FileName"), "{err}");
        assert!(err.contains("cmd.exe") && err.contains("| project Timestamp, DeviceId, ReportId"), "{err}");
        let (out, _) = case.exits(0, &["hunt", "nothing", "--as", "alert"]);
        assert_eq!(out, "");
        case.project("{ requireComment: ^INC }");
        let (_, err) = case.exits(1, &["hunt", "one", "--as", "alert"]);
        assert!(err.contains("comment-rule"), "{err}");
        case.exits(0, &["hunt", "one", "--as", "alert", "--title", "INC-1"]);
    }
}

mod new {
    use super::*;

    #[test]
    fn a_package_is_written_once() {
        let case = hunting("", "{}");
        let args = ["new", "package", DEVICE, "--comment", "INC-1: \"odd\"\nlines", "--name", "fin-ws-042"];
        let (out, _) = case.exits(0, &args);
        assert_eq!(out, "Wrote manifests/fin-ws-042.yaml\n");
        let text = case.read("manifests/fin-ws-042.yaml");
        case.exits(0, &["validate"]);
        let (_, err) = case.exits(1, &args);
        assert!(err.contains("manifests/fin-ws-042.yaml exists already"), "{err}");
        assert_eq!(case.read("manifests/fin-ws-042.yaml"), text);
        let (_, err) = case.exits(1, &[&args[..], &["--dry-run"]].concat());
        assert!(err.contains("declared twice"), "{err}");
        let (out, _) = case.exits(0, &["new", "package", "FIN_WS.contoso.com", "--comment", "x"]);
        assert_eq!(out, "Wrote manifests/fin-ws.contoso.com.yaml\n");
        assert!(
            case.read("manifests/fin-ws.contoso.com.yaml").contains("  machineName: FIN_WS.contoso.com\n")
        );
        case.exits(1, &["new", "package", "two words", "--comment", "x"]);
        let (out, _) = case.exits(0, &["new", "package", OTHER, "--comment", "x", "--out", "-"]);
        assert!(out.contains(&format!("machineId: \"{OTHER}\"")), "{out}");
        case.exits(0, &["new", "package", OTHER, "--comment", "x", "--out", "manifests/deep/a.yaml"]);
        assert!(case.read("manifests/deep/a.yaml").contains(OTHER));
    }

    #[test]
    fn what_a_project_refuses_is_not_written() {
        let case = hunting("", "{ requireComment: ^INC }");
        for args in [
            &["new", "package", DEVICE, "--comment", "other"][..],
            &["new", "package", DEVICE, "--comment", "INC-1 \u{7}"],
            &["new", "package", DEVICE, "--comment", "INC-1", "--name", "Bad Name"],
        ] {
            case.exits(1, args);
        }
        assert_eq!(std::fs::read_dir(case.path("manifests")).unwrap().count(), 0);
    }

    const RUNBOOK: &str = "apiVersion: casefile/v1
kind: Runbook
metadata: { name: triage }
spec:
  parameters:
    type: object
    required: [ticket, machines]
    properties:
      ticket: { type: string }
      machines: { type: array, items: { type: string } }
      urgent: { type: boolean, default: false }
  resources:
    - kind: InvestigationPackage
      forEach: ${{ with.machines }}
      metadata: { name: \"${{ item }}\" }
      spec:
        machineId: ${{ item }}
        comment: ${{ with.ticket }}
";

    #[test]
    fn an_incident_of_values_and_lists() {
        let case = hunting("", "{ manifests: [incidents, runbooks] }");
        std::fs::create_dir(case.path("runbooks")).unwrap();
        std::fs::create_dir(case.path("incidents")).unwrap();
        case.write("runbooks/triage.yaml", RUNBOOK);
        case.write("hosts.txt", &format!("# two\n{DEVICE}\r\n\n  {OTHER}\n"));
        let args = ["new", "incident", "inc-1", "--runbook", "triage", "--set", "ticket=0042"];
        let (_, err) = case.exits(1, &args);
        assert!(err.contains("machines"), "{err}");
        let rest = ["--set", "machines=@hosts.txt", "--set", "urgent=true"];
        let (out, _) = case.exits(0, &[&args[..], &rest].concat());
        assert_eq!(out, "Wrote incidents/inc-1.yaml\n");
        let text = case.read("incidents/inc-1.yaml");
        assert!(text.contains("ticket: \"0042\"") && text.contains("urgent: true"), "{text}");
        let (out, _) = case.exits(0, &["plan", "--no-refresh", "--format", "json"]);
        let plan: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(plan["changes"].as_array().unwrap().len(), 2);
        let twice = ["new", "incident", "inc-2", "--runbook", "triage", "--set", "urgent={\"a\":1,\"a\":2}"];
        let (_, err) = case.exits(64, &twice);
        assert!(err.contains("--set urgent: `a` is set twice"), "{err}");
        case.write("twice.txt", "{ b: 1, b: 2 }\n");
        let twice = ["new", "incident", "inc-2", "--runbook", "triage", "--set", "urgent=@twice.txt"];
        let (_, err) = case.exits(64, &twice);
        assert!(err.contains("--set urgent: `b` is set twice"), "{err}");
        let (_, err) = case.exits(1, &["new", "incident", "inc-2", "--runbook", "triag"]);
        assert!(err.contains("did you mean `triage`"), "{err}");
        case.exits(64, &["new", "incident", "inc-2", "--runbook", "triage", "--set", "ticket"]);
    }
}
