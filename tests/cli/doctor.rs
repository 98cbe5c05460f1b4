//! `doctor`: each of its lines as it should be, and failing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use serde_json::Value;

use crate::case::Case;

const PACKAGE: &str = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: { name: p }\n\
                       spec: { machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, comment: INC-2042 }\n";

const ALERT: &str = "---\napiVersion: casefile/v1\nkind: Alert\nmetadata: { name: a }\n\
                     spec: { machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07, severity: Low, title: t, description: d, \
                     recommendedAction: r, eventTime: 2026-03-01T00:00:00Z, reportId: \"1\", category: Malware }\n";

/// A token whose claims are these; nobody signs it.
pub fn token(claims: &str) -> String {
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part("{}"), part(claims), part("s"))
}

/// The claims of an application that may do everything, until 2100.
const ALL: &str = r#"{"tid":"t1","appid":"app-1","aud":"https://api.securitycenter.microsoft.com","exp":4102444800,
    "roles":["Machine.Read.All","Machine.CollectForensics","Alert.ReadWrite.All"]}"#;

fn case(scenario: &str, spec: &str) -> Case {
    let mut case = Case::new(scenario, spec);
    case.write("manifests/a.yaml", &format!("{PACKAGE}{ALERT}"));
    case.env.push(("CASEFILE_ACCESS_TOKEN", token(ALL)));
    case
}

/// The checks as (name, verdict, what was seen and what to do).
fn checks(case: &Case, code: i32) -> Vec<(String, String, String)> {
    let (stdout, _) = case.exits(code, &["doctor", "--format", "json"]);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let row = |c: &Value| (text(&c["name"]), text(&c["verdict"]), format!("{} {}", c["seen"], c["fix"]));
    document["checks"].as_array().unwrap().iter().map(row).collect()
}

#[track_caller]
fn has(case: &Case, code: i32, name: &str, verdict: &str, words: &str) {
    holds(&checks(case, code), name, verdict, words);
}

#[track_caller]
fn holds(checks: &[(String, String, String)], name: &str, verdict: &str, words: &str) {
    let found = checks.iter().find(|c| c.0 == name && c.1 == verdict);
    assert!(found.is_some_and(|c| c.2.contains(words)), "{name} {verdict} `{words}` in {checks:#?}");
}

/// A server that gives one answer to every request, and tells the heads of what it was asked; it ends with the test.
fn server(answer: &'static str) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let _ = stream.write_all(answer.as_bytes());
            if tell.send(String::from_utf8_lossy(&head).into_owned()).is_err() {
                return;
            }
        }
    });
    (place, told)
}

#[test]
fn a_project_that_lacks_nothing_is_told_so() {
    let case = case("", "{}");
    let (stdout, _) = case.exits(0, &["doctor"]);
    let names: Vec<&str> =
        stdout.lines().filter(|l| l.starts_with("ok ")).map(|l| l[9..24].trim_end()).collect();
    let all = [
        "project",
        "manifests",
        "proxy",
        "tls",
        "token",
        "audience",
        "host",
        "machines",
        "actions",
        "collect",
        "package links",
        "alerts",
        "raise alerts",
        "clock",
        "state",
        "evidence",
    ];
    assert_eq!(names, all, "{stdout}");
    assert!(stdout.ends_with("Everything that was looked at is as it should be.\n"), "{stdout}");
    // Nothing was written, and nothing was asked for.
    assert!(!case.path(".casefile").exists() && !case.path("evidence").exists());
    case.exits(0, &["apply", "--auto-approve"]);
    has(&case, 0, "state", "ok", "sound, ");
}

#[test]
fn a_project_that_cannot_be_read_is_the_first_thing_to_mend() {
    let case = case("", "{ defender: { clod: public } }");
    has(&case, 1, "project", "failed", "casefile validate");
    case.project("{}");
    case.write("manifests/a.yaml", "kind: Nothing\n");
    has(&case, 1, "manifests", "failed", "casefile validate");
    std::fs::remove_file(case.path("casefile.yaml")).unwrap();
    has(&case, 1, "project", "failed", "casefile doctor --cloud public");
    let (stdout, _) = case.exits(0, &["doctor", "--cloud", "sandbox"]);
    assert!(!stdout.contains("project") && !stdout.contains("evidence"), "{stdout}");
    case.exits(64, &["doctor", "--cloud", "azure"]);
}

#[test]
fn a_token_is_looked_at_before_it_is_used() {
    let mut case = case("", "{ defender: { tenantId: 11111111-1111-1111-1111-111111111111 } }");
    has(&case, 1, "token", "failed", "belongs to tenant t1");
    has(&case, 1, "permissions", "warning", "there is no token");
    case.project("{}");
    let mut with = |claims: &str| case.env.push(("CASEFILE_ACCESS_TOKEN", token(claims)));
    with(r#"{"tid":"t1","exp":1000,"roles":["Machine.Read.All"]}"#);
    assert!(checks(&case, 1).iter().any(|c| c.0 == "token" && c.1 == "failed"));
    case.env.push((
        "CASEFILE_ACCESS_TOKEN",
        token(&ALL.replace("api.securitycenter.microsoft.com", "graph.microsoft.com")),
    ));
    let list = checks(&case, 1);
    holds(&list, "audience", "failed", "/.default");
    holds(&list, "machines", "failed", "the service denies it");
    let other = ALL.replace("api.securitycenter", "api.security");
    case.env.push(("CASEFILE_ACCESS_TOKEN", token(&other)));
    has(&case, 0, "audience", "warning", "/.default");
    case.env.push(("CASEFILE_ACCESS_TOKEN", String::new()));
    case.project("{ auth: { method: token } }");
    has(&case, 1, "token", "failed", "CASEFILE_ACCESS_TOKEN");
}

#[test]
fn a_missing_permission_comes_with_the_commands_that_grant_it() {
    let denied = "faults: [{ on: listActions, then: error, status: 403 }]";
    let case = case(denied, "{}");
    has(&case, 1, "actions", "failed", "Machine.ReadWrite.All");
    has(&case, 1, "actions", "failed", "az ad app permission admin-consent --id app-1");
    has(&case, 1, "machines", "ok", "the service answers");
}

#[test]
fn each_call_that_is_not_tried_is_judged_by_the_token() {
    let mut case = case("", "{}");
    let claims = ALL.replace("\"Machine.CollectForensics\",\"Alert.ReadWrite.All\"", "\"Alert.Read.All\"");
    case.env.push(("CASEFILE_ACCESS_TOKEN", token(&claims)));
    let list = checks(&case, 1);
    holds(&list, "collect", "failed", "Machine.CollectForensics is not in the token");
    holds(&list, "raise alerts", "failed", "az ad app permission add --id app-1 --api fc780465-");
    holds(&list, "package links", "ok", "Machine.Read.All is in the token");
    case.env.push(("CASEFILE_ACCESS_TOKEN", token(&claims.replace("Machine.Read.All", "Machine.Isolate"))));
    let list = checks(&case, 1);
    holds(&list, "package links", "failed", "Machine.Read.All is not in the token");
    holds(&list, "machines", "failed", "correlation id");
    let denied = "faults: [{ on: listAlerts, then: error, status: 403, message: 'No Tvm license' }]";
    let case = self::case(denied, "{}");
    has(&case, 1, "alerts", "failed", "no permission helps here");
}

#[test]
fn hunting_is_looked_at_if_a_query_needs_it() {
    let denied = "faults: [{ on: graphHunt, then: error, status: 403 }]";
    let case = case(denied, "{}");
    assert!(checks(&case, 0).iter().all(|c| c.0 != "hunting"));
    let spec = "event: { query: DeviceInfo }, severity: Low, title: t, description: d, recommendedAction: r, category: Malware";
    let alert =
        format!("apiVersion: casefile/v1\nkind: Alert\nmetadata: {{ name: q }}\nspec: {{ {spec} }}\n");
    case.write("manifests/q.yaml", &alert);
    let list = checks(&case, 1);
    holds(&list, "hunting", "failed", "--api 00000003-0000-0000-c000-000000000000");
    assert!(list.iter().all(|c| c.0 != "hunting API"), "{list:#?}");
    case.project("{ defender: { hunting: defender } }");
    let list = checks(&case, 1);
    holds(&list, "hunting", "failed", "[?value=='AdvancedQuery.Read.All'].id");
    holds(&list, "hunting API", "warning", "2027");
}

#[test]
fn a_clock_that_is_years_off_is_told() {
    let (place, _asked) = server(
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\nContent-Length: \
         12\r\nConnection: close\r\n\r\n{\"value\":[]}",
    );
    let mut case = case("", "{}");
    case.env.push(("CASEFILE_ENDPOINT", format!("http://{place}")));
    let list = checks(&case, 0);
    holds(&list, "clock", "warning", "s ahead of the service's");
    holds(&list, "tls", "ok", "plain http");
}

#[test]
fn proxy_and_tls_on_the_way_to_the_real_service_are_told() {
    let refused = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (place, asked) = server(refused);
    let mut case = case("", "{}");
    // The service is the real one, and nothing gets past the proxy.
    for name in ["CASEFILE_ENDPOINT", "NO_PROXY", "no_proxy", "SSL_CERT_FILE"] {
        case.env.push((name, String::new()));
    }
    case.env.push(("HTTPS_PROXY", format!("http://user:s3cret@{place}")));
    let list = checks(&case, 1);
    holds(&list, "proxy", "ok", &format!("through the proxy {place} of HTTPS_PROXY"));
    holds(&list, "tls", "ok", "TLS 1.2 or 1.3");
    holds(&list, "host", "failed", &format!("api.security.microsoft.com, through the proxy {place}"));
    holds(&list, "region", "warning", "no regional host answers");
    assert!(!format!("{list:?}").contains("s3cret"), "{list:#?}");
    let heads: Vec<String> = asked.try_iter().collect();
    for region in ["us", "eu", "uk", "au", "swa", "ina", "aea"] {
        let connect = format!("CONNECT {region}.api.security.microsoft.com:443 ");
        assert!(heads.iter().any(|h| h.starts_with(&connect)), "{region}: {heads:#?}");
    }
    let is_bearer = |h: &String| h.to_ascii_lowercase().contains("bearer");
    assert!(!heads.iter().any(is_bearer), "{heads:#?}");
    case.env.push(("SSL_CERT_FILE", "no-such-file.pem".into()));
    has(&case, 1, "tls", "failed", "SSL_CERT_FILE");
}

#[test]
fn a_host_that_is_not_there_or_may_have_no_token_is_told() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut case = case("", "{}");
    case.env.push(("CASEFILE_ENDPOINT", place));
    has(&case, 1, "host", "failed", "defender.endpoint");
    has(&case, 1, "clock", "warning", "has not told its time");
    case.env.push(("CASEFILE_ENDPOINT", "https://stranger.example".into()));
    has(&case, 1, "host", "failed", "--allow-host stranger.example");
    case.env.push(("HTTPS_PROXY", "://nonsense".into()));
    has(&case, 1, "proxy", "failed", "HTTPS_PROXY");
}

#[test]
fn the_places_of_state_and_evidence_are_tried() {
    let case = case("", "{}");
    case.exits(0, &["apply", "--auto-approve"]);
    let journal = case.read(".casefile/journal.jsonl").replacen("INC-2042", "INC-2043", 1);
    case.write(".casefile/journal.jsonl", &journal);
    has(&case, 1, "state", "failed", "does not match its hash");
    case.write("evidence", "no folder");
    has(&case, 1, "evidence", "failed", "docs/evidence.md");
}
