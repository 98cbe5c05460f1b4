//! What users see: the diagnostics of every broken example, and what no input may do.

use std::fmt::Write;
use std::path::Path;

use super::*;

/// A diagnostic as text, each part on a line of its own.
fn told(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in diagnostics {
        let level = if d.severity == Level::Error { "error" } else { "warning" };
        writeln!(out, "{}:{}:{}: {level}[{}]: {}", d.file, d.line, d.column, d.code, d.message).unwrap();
        if !d.source_line.is_empty() {
            let before = (d.column - 1 - d.source_offset) as usize;
            let width = (d.end_column - d.column).max(1) as usize;
            writeln!(out, "  | {}\n  | {}{}", d.source_line, " ".repeat(before), "^".repeat(width)).unwrap();
        }
        for r in &d.related {
            writeln!(out, "  see {}:{}:{}: {}", r.file, r.line, r.column, r.message).unwrap();
        }
        if let Some(help) = &d.help {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    out
}

fn examples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/invalid")
}

#[test]
fn every_invalid_example() {
    let mut names: Vec<String> = std::fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 35, "{}", names.len());
    for name in names {
        let mut project = Project::new("examples");
        project.spec.manifests = vec![name.clone()];
        let loaded = load(&examples(), &project);
        assert!(!loaded.diagnostics.is_empty(), "{name} is fine");
        insta::assert_snapshot!(name, told(&loaded.diagnostics));
    }
}

fn package(spec: &str) -> String {
    format!("apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata: {{ name: a }}\nspec:\n{spec}")
}

const GOOD: &str = "  machineId: fb9ab6be3965095a09c057be7c90f0a2\n  comment: Collect forensics\n";

fn codes(bytes: &[u8]) -> Vec<(&'static str, u32, u32)> {
    parse_manifests("x.yaml", bytes).1.iter().map(|d| (d.code, d.line, d.column)).collect()
}

#[test]
fn the_documented_manifests() {
    let text = std::fs::read_to_string(examples().join("duplicate-address/first.yaml")).unwrap();
    let (resources, diagnostics) = parse_manifests("first.yaml", text.as_bytes());
    assert_eq!(told(&diagnostics), "");
    let [alert, package] = resources.as_slice() else { panic!("{resources:?}") };
    assert_eq!(alert.address.to_string(), "Alert/fin-ws-042-exploit");
    assert_eq!((&*alert.source.file, alert.source.line), ("first.yaml", 10));
    assert_eq!(
        alert.request().body.as_str(),
        r#"{"machineId":"1e5bc9d7e413ddd7902c2932e418702b84d0cc07","severity":"Low","title":"example","description":"example alert","recommendedAction":"nothing","eventTime":"2018-08-03T16:45:21.7115183Z","reportId":"20776","category":"Exploit"}"#
    );
    assert_eq!(package.request().body.as_str(), r#"{"Comment":"Collect forensics due to alert 1234"}"#);
    assert_eq!((package.revision, package.source.line), (1, 3));
}

#[test]
fn bytes_that_are_no_text_cost_only_their_document() {
    let mut bytes = package(GOOD).into_bytes();
    bytes.extend_from_slice(b"---\n# caf\xe9\n");
    bytes.extend_from_slice(package("  comment: café\n").as_bytes());
    bytes.extend_from_slice(b"---\n");
    bytes.extend_from_slice(package("  comment: x\n").as_bytes());
    assert_eq!(codes(&bytes), [("not-utf-8", 8, 6), ("missing-field", 18, 1)]);
    assert_eq!(parse_manifests("x", &bytes).0.len(), 1);
    assert_eq!(codes(b"\xff\xfea\0"), [("not-utf-8", 1, 1)]);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let text = package("  machineId: fb9ab6be3965095a09c057be7c90f0a2\n  comment: |\n    one\n    two\n");
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let (a, none) = parse_manifests("x", text.as_bytes());
    assert_eq!(told(&none), "");
    let (b, none) = parse_manifests("x", windows.as_bytes());
    assert_eq!(told(&none), "");
    assert_eq!(a[0].call, b[0].call);
    assert_eq!(a[0].source, b[0].source);
    assert_eq!(a[0].request().body.as_str(), r#"{"Comment":"one\ntwo\n"}"#);
}

#[test]
fn invisible_characters_are_text_and_control_characters_are_not() {
    let spec = |c: &str| package(&GOOD.replace("forensics", &format!("\"a{c}b\"")).replace("Collect ", ""));
    for fine in ["\u{200b}", "\u{202e}", "\u{feff}", "é", "\\n"] {
        assert_eq!(codes(spec(fine).as_bytes()), [], "{fine:?}");
    }
    for bad in ["\u{7}", "\u{0}", "\u{1b}", "\u{7f}", "\u{85}", "\u{9b}", "\\e", "\\0", "\\x9b", "\\r", "\t"]
    {
        let found = codes(spec(bad).as_bytes());
        assert!(matches!(found.as_slice(), [("control-character", 6, _)]), "{bad:?}: {found:?}");
    }
}

#[test]
fn many_problems_are_counted() {
    let text: String = (0..140).map(|i| format!("kind: Nothing{i}\n---\n")).collect();
    let (_, diagnostics) = parse_manifests("x.yaml", text.as_bytes());
    assert_eq!(diagnostics.len(), 101);
    assert_eq!(diagnostics[100].message, "40 more problems in this file");
    // Equal names are counted with the rest.
    let text = format!("{}---\n", package(GOOD)).repeat(140);
    let (resources, diagnostics) = parse_manifests("x.yaml", text.as_bytes());
    assert_eq!((resources.len(), diagnostics.len()), (1, 101));
    assert_eq!(diagnostics[100].message, "39 more problems in this file");
}

#[test]
fn a_number_with_a_point_is_no_integer() {
    assert_eq!(codes(package(&format!("{GOOD}  revision: 1.0\n")).as_bytes()), [("wrong-type", 7, 13)]);
    let text = "apiVersion: casefile/v1\nkind: Runbook\nmetadata: { name: r }\nspec:\n  parameters:\n    type: object\n    \
                properties: { whole: { type: integer }, any: { type: number, maximum: 2, multipleOf: 1 } }\n  \
                resources:\n  - kind: InvestigationPackage\n    metadata: { name: p }\n    spec: { machineName: h, \
                comment: c }\n---\napiVersion: casefile/v1\nkind: Incident\nmetadata: { name: i }\nspec: { runbook: r, \
                with: { whole: 2.0, any: 2.0 } }\n";
    assert_eq!(codes(text.as_bytes()), [("wrong-type", 16, 36)]);
    assert_eq!(codes(text.replace("whole: 2.0", "whole: 2").as_bytes()), []);
}

#[test]
fn a_field_whose_name_is_a_number_is_told_by_its_name() {
    let text = package(GOOD).replace("name: a }", "name: a, labels: { b: x, \"1\": true } }");
    let messages: Vec<_> =
        parse_manifests("x.yaml", text.as_bytes()).1.into_iter().map(|d| d.message).collect();
    assert_eq!(messages, ["`1` must be text, but true without quotes is a boolean"]);
}

#[test]
fn lines_are_those_of_the_names_even_through_aliases() {
    let one = "apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata:\n  labels: { x: &n aliased }\n  name: *n\nspec:\n";
    let text =
        format!("{}---\n{one}{GOOD}---\n{}", package(GOOD), package(GOOD).replace("name: a", "name: c"));
    let (resources, diagnostics) = parse_manifests("x.yaml", text.as_bytes());
    assert_eq!(told(&diagnostics), "");
    let lines: Vec<(&str, u32)> = resources.iter().map(|r| (r.address.name(), r.source.line)).collect();
    assert_eq!(lines, [("a", 3), ("aliased", 11), ("c", 19)]);
}

#[test]
fn all_that_is_optional() {
    let text = package(&format!(
        "{GOOD}  revision: 4294967295\n  maxAttempts: 1\n  retryAfter: 5m\n  onInProgress: fail\n  adoptWithin: 2h\nlifecycle: {{ onRemove: Cancel }}\n"
    ));
    let (resources, diagnostics) = parse_manifests("x.yaml", text.as_bytes());
    assert_eq!(told(&diagnostics), "");
    let it = &resources[0];
    assert_eq!((it.revision, it.policy.max_attempts), (u32::MAX, 1));
    assert_eq!(
        (it.policy.retry_after.to_string(), it.policy.adopt_within.to_string()),
        ("5m".into(), "2h".into())
    );
    assert_eq!(it.policy.on_in_progress, crate::model::OnInProgress::Fail);
    assert_eq!(it.on_remove, crate::model::OnRemove::Cancel);
    let too_much = text.replace("4294967295", "4294967296");
    assert_eq!(codes(too_much.as_bytes()), [("out-of-range", 7, 13)]);
    assert_eq!(codes(text.replace("4294967295", "1.5").as_bytes()), [("wrong-type", 7, 13)]);
}

#[test]
fn folders_that_cannot_be_walked() {
    let Some(unix) = crate::platform::testing::unix() else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("manifests/a")).unwrap();
    unix.link("..", dir.path().join("manifests/a/up"));
    std::fs::create_dir(dir.path().join("bare")).unwrap();
    std::fs::write(
        dir.path().join("casefile.yaml"),
        "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: x }\nspec:\n  manifests: [manifests, bare, nowhere, self]\n",
    )
    .unwrap();
    unix.link("self", dir.path().join("self"));
    let project = load_project(dir.path()).unwrap();
    let loaded = load(dir.path(), &project);
    insta::assert_snapshot!(told(&loaded.diagnostics));
    assert!(loaded.has_errors());
}

#[test]
fn a_file_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let problem = discover::read(&dir.path().join("gone.yaml"), "gone.yaml").unwrap_err();
    assert_eq!(
        (problem.code, problem.message.as_str()),
        ("unreadable-file", "the file cannot be read: it does not exist")
    );
}

mod bombs;

mod project {
    use super::*;
    use crate::model::{AuthMethod, Cloud, Region};

    const HEAD: &str = "apiVersion: casefile/v1\nkind: Project\nmetadata: { name: contoso-ir }\n";

    #[test]
    fn every_setting() {
        let text = format!(
            "{HEAD}spec:
  manifests: [incidents, runbooks]
  defender:
    cloud: public
    region: eu
    endpoint: https://api.security.microsoft.com
    tenantId: 00000000-0000-0000-0000-000000000000
  auth: {{ method: workload-identity, clientId: 00000000-0000-0000-0000-000000000001 }}
  state: {{ url: \"git:refs/casefile/state\" }}
  evidence: {{ dir: vault }}
  recovery: {{ settle: 45s, onUnknown: ask, marker: true }}
  quotas: {{ collect: {{ perMinute: 10, perHour: unlimited }}, alert: {{ perMinute: 5 }} }}
  limits: {{ newCollections: 5, newAlerts: 0 }}
"
        );
        let project = parse_project(text.as_bytes()).map_err(|d| told(&d)).unwrap();
        assert_eq!(project.name, "contoso-ir");
        let spec = project.spec;
        assert_eq!(spec.manifests, ["incidents", "runbooks"]);
        assert_eq!((spec.defender.cloud, spec.defender.region), (Cloud::Public, Some(Region::Eu)));
        assert_eq!(spec.auth.method, AuthMethod::WorkloadIdentity);
        assert_eq!(spec.quotas.collect.per_hour, Rate::Unlimited);
        assert_eq!(spec.quotas.alert, AlertQuota { per_minute: Rate::AtMost(5), per_hour: Rate::Unlimited });
        assert_eq!(spec.recovery.on_unknown, OnUnknown::Ask);
        assert_eq!((spec.limits.new_collections, spec.limits.new_alerts), (5, 0));
    }

    #[test]
    fn only_a_name_is_needed() {
        for text in [HEAD.to_owned(), format!("{HEAD}spec: {{}}\n"), format!("{HEAD}---\n")] {
            let project = parse_project(text.as_bytes()).map_err(|d| told(&d)).unwrap();
            assert_eq!(project.spec, ProjectSpec::default());
        }
    }

    #[test]
    fn what_can_be_wrong() {
        let text = format!(
            "{HEAD}spec:
  manifest: incidents
  defender:
    cloud: gcc_high
    region: eu
    endpoint: http://example.com
    tenantId: contoso
  auth: {{ method: secret, clientSecret: abc }}
  state: {{ url: \"ftp://x\" }}
  recovery: {{ settle: 30, marker: yes }}
  quotas: {{ collect: {{ perMinute: none, perHour: 0 }} }}
  limits: {{ newAlerts: -1 }}
---
kind: x
"
        );
        insta::assert_snapshot!(told(&parse_project(text.as_bytes()).unwrap_err()));
    }

    #[test]
    fn a_state_is_kept_nowhere_else() {
        let wrong = |url: &str| {
            let text = format!("{HEAD}spec:\n  state: {{ url: '{url}' }}\n");
            parse_project(text.as_bytes()).err().map(|found| told(&found)).unwrap_or_default()
        };
        insta::assert_snapshot!(
            ["git:refs/heads/main", "git:refs/casefile/x?remote=-x", "s3://b//x"].map(wrong).join("\n")
        );
        // A finding shows its line, and these may hold secrets.
        for url in ["git:https://user:word@host.example/r", "s3://b/x?sig=word", "git:", "az://b"] {
            assert_eq!(wrong(url), "", "{url}");
        }
    }

    #[test]
    fn guard_rails() {
        let text = format!(
            "{HEAD}spec:
  requireComment: '^INC-[0-9]+'
  protected: [fb9ab6be3965095a09c057be7c90f0a2, '*-dc-*']
"
        );
        let spec = parse_project(text.as_bytes()).map_err(|d| told(&d)).unwrap().spec;
        assert_eq!(spec.require_comment.map(|r| r.pattern().to_owned()).as_deref(), Some("^INC-[0-9]+"));
        let protected: Vec<&str> = spec.protected.iter().map(|p| p.as_str()).collect();
        assert_eq!(protected, ["fb9ab6be3965095a09c057be7c90f0a2", "*-dc-*"]);
    }

    #[test]
    fn guard_rails_that_guard_nothing() {
        let text = format!(
            "{HEAD}spec:
  requireComment: '^INC-[0-9'
  protected:
    - fb9ab6be3965095a09c057be7c90
    - hq-dc-[0-9]
    - \"\"
    - 20776
"
        );
        let wrong = told(&parse_project(text.as_bytes()).unwrap_err());
        let huge = text.replace("^INC-[0-9", "(a{1000}){1000}");
        let empty = text.replace("'^INC-[0-9'", "''");
        let first = |text: &str| told(&parse_project(text.as_bytes()).unwrap_err()[..1]);
        insta::assert_snapshot!(format!("{wrong}\n{}\n{}", first(&huge), first(&empty)));
    }

    #[test]
    fn texts_that_the_project_does_not_allow() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        std::fs::copy(
            examples().join("duplicate-address/first.yaml"),
            dir.path().join("manifests/incident.yaml"),
        )
        .unwrap();
        let block =
            package(&GOOD.replace("comment: Collect forensics", "comment: |\n    several\n    lines"));
        std::fs::write(dir.path().join("manifests/block.yaml"), block).unwrap();
        let mut project = Project::new("x");
        assert!(load(dir.path(), &project).unruly.is_empty());
        project.spec.require_comment = "^INC-[0-9]+".parse().ok();
        let loaded = load(dir.path(), &project);
        assert_eq!(told(&loaded.diagnostics), "");
        let found: Vec<Diagnostic> = loaded.unruly.into_iter().map(|u| u.diagnostic).collect();
        insta::assert_snapshot!(told(&found));
        project.spec.require_comment = "(?s)example|Collect|several".parse().ok();
        assert!(load(dir.path(), &project).unruly.is_empty());
    }

    #[test]
    fn clouds_without_regions() {
        let text = format!("{HEAD}spec: {{ defender: {{ cloud: dod, region: us }} }}\n");
        insta::assert_snapshot!(told(&parse_project(text.as_bytes()).unwrap_err()));
    }

    #[test]
    fn no_project() {
        let dir = tempfile::tempdir().unwrap();
        let problems = load_project(dir.path()).unwrap_err();
        assert_eq!(problems[0].code, "no-project");
        assert!(problems[0].help.as_deref().is_some_and(|h| h.contains("casefile init")));
        assert_eq!(parse_project(b"# nothing\n").unwrap_err()[0].code, "no-documents");
        assert_eq!(parse_project(b"- a\n").unwrap_err()[0].code, "not-a-mapping");
        assert_eq!(parse_project(b"\xfe\xff").unwrap_err()[0].code, "not-utf-8");
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::yaml::scalar;
    use crate::model::{Call, Kind, OnInProgress, OnRemove};

    /// Pieces that manifests, good and bad, are made of.
    fn piece() -> impl Strategy<Value = String> {
        let known = [
            "apiVersion: casefile/v1\n",
            "kind: Alert\n",
            "kind: InvestigationPackage\n",
            "metadata: { name: a }\n",
            "spec:\n",
            "  machineId: fb9ab6be3965095a09c057be7c90f0a2\n",
            "  comment: x\n",
            "---\n",
            "...\n",
            "  eventTime: 2018-08-03 1\n",
            "\t",
            "  ",
            "- ",
            ": ",
            "\"",
            "'",
            "{",
            "}",
            "[",
            "]",
            ",",
            "&a ",
            "*a",
            "!x ",
            "|\n",
            ">-\n",
            "# c\n",
            "\n",
            "\r\n",
            "? ",
            "%YAML 1.2\n",
            "\u{feff}",
            "\\x",
            "<<: ",
            "é",
            "\u{85}",
            "  triage: {status: New}\n",
            "null",
            "~",
            "1e3",
            "{{ x }}",
            "@",
            "`",
            "\0",
        ];
        prop_oneof![
            8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
            1 => any::<String>(),
        ]
    }

    fn sound(text: &[u8]) {
        let (resources, diagnostics) = parse_manifests("x.yaml", text);
        for d in &diagnostics {
            assert!(d.line >= 1 && d.column >= 1 && d.end_column >= d.column && d.source_offset < d.column);
            assert!(d.source_line.chars().count() <= 200 && !d.source_line.contains('\n'));
            assert!(!d.message.is_empty());
        }
        let places: Vec<(u32, u32)> = diagnostics.iter().map(|d| (d.line, d.column)).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert!(resources.windows(2).all(|w| w[0].address < w[1].address));
        assert!(!resources.is_empty() || !diagnostics.is_empty());
        let _ = parse_project(text);
    }

    #[derive(Clone, Debug)]
    struct Package {
        name: String,
        machine: String,
        comment: String,
        labels: std::collections::BTreeMap<String, String>,
        revision: u32,
        attempts: Option<u32>,
        busy: Option<(&'static str, OnInProgress)>,
        cancel: bool,
    }

    fn text() -> impl Strategy<Value = String> {
        // Any text that is not blank and holds no control character but line breaks.
        "[^\\pC]*[\\pL\\pN\\pP][^\\pC]*(\n[^\\pC]*)?".prop_filter("blank", |s| !s.trim().is_empty())
    }

    fn one_package() -> impl Strategy<Value = Package> {
        let busy = prop::sample::select(vec![
            ("adopt", OnInProgress::Adopt),
            ("wait", OnInProgress::Wait),
            ("fail", OnInProgress::Fail),
        ]);
        (
            "[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?(\\.[a-z0-9]{1,4})?",
            "[0-9a-fA-F]{32}([0-9a-fA-F]{8})?",
            text(),
            prop::collection::btree_map("[A-Za-z0-9]([A-Za-z0-9._/-]{0,5}[A-Za-z0-9])?", text(), 0..4),
            1..=u32::MAX,
            prop::option::of(1..=u32::MAX),
            prop::option::of(busy),
            any::<bool>(),
        )
            .prop_map(|(name, machine, comment, labels, revision, attempts, busy, cancel)| Package {
                name,
                machine,
                comment,
                labels,
                revision,
                attempts,
                busy,
                cancel,
            })
    }

    impl Package {
        fn json(&self) -> serde_json::Value {
            let mut spec = serde_json::json!({
                "machineId": self.machine, "comment": self.comment, "revision": self.revision,
            });
            if let Some(n) = self.attempts {
                spec["maxAttempts"] = n.into();
            }
            if let Some((word, _)) = self.busy {
                spec["onInProgress"] = word.into();
            }
            let mut all = serde_json::json!({
                "apiVersion": "casefile/v1", "kind": "InvestigationPackage",
                "metadata": {"name": self.name, "labels": self.labels}, "spec": spec,
            });
            if self.cancel {
                all["lifecycle"] = serde_json::json!({"onRemove": "Cancel"});
            }
            all
        }

        fn check(&self, written: &str) {
            let (resources, diagnostics) = parse_manifests("x.yaml", written.as_bytes());
            assert_eq!(told(&diagnostics), "", "{written}");
            let [read] = resources.as_slice() else { panic!("{resources:?}") };
            assert_eq!((read.address.kind(), read.address.name()), (Kind::InvestigationPackage, &*self.name));
            let Call::Collect { machine_id, comment, .. } = &read.call else { panic!("{read:?}") };
            assert_eq!((machine_id.as_str(), comment), (&*self.machine, &self.comment));
            assert_eq!((&*read.labels, read.revision), (&self.labels, self.revision));
            assert_eq!(read.policy.max_attempts, self.attempts.unwrap_or(3));
            assert_eq!(read.policy.on_in_progress, self.busy.map_or(OnInProgress::Adopt, |b| b.1));
            assert_eq!(read.on_remove, if self.cancel { OnRemove::Cancel } else { OnRemove::Retain });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(400), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            sound(&bytes);
        }

        #[test]
        fn no_pieces_of_manifests_panic(pieces in prop::collection::vec(piece(), 0..40)) {
            sound(pieces.concat().as_bytes());
        }

        #[test]
        fn a_torn_manifest_does_not_panic(at in 0usize..400, cut in 0usize..40) {
            let mut bytes = package(&format!("{GOOD}lifecycle: {{ onRemove: \"Retain\" }}\n")).repeat(2).into_bytes();
            let at = at.min(bytes.len());
            bytes.drain(at..(at + cut).min(bytes.len()));
            sound(&bytes);
        }

        #[test]
        fn what_is_written_is_what_is_read(package in one_package()) {
            // JSON is YAML; written on one line it exercises flow style, pretty printed the line counting.
            package.check(&package.json().to_string());
            package.check(&format!("{:#}", package.json()));
            // Block style, as a person would write it, with quotes wherever they may be needed.
            let json = package.json();
            let mut block = String::from("apiVersion: casefile/v1\nkind: InvestigationPackage\nmetadata:\n");
            let value = |v: &serde_json::Value| scalar::written(v);
            block.push_str(&format!("  name: {}\n", quoted_if_ambiguous(&package.name)));
            if !package.labels.is_empty() {
                block.push_str("  labels:\n");
                for (key, label) in &package.labels {
                    block.push_str(&format!("    {}: {}\n", scalar::quoted(key), scalar::quoted(label)));
                }
            }
            block.push_str("spec:\n");
            for (key, field) in json["spec"].as_object().unwrap() {
                let field = if key == "comment" { scalar::quoted(&package.comment) } else { value(field) };
                block.push_str(&format!("  {key}: {field}\n"));
            }
            if package.cancel {
                block.push_str("lifecycle:\n  onRemove: Cancel\n");
            }
            package.check(&block);
        }
    }

    fn quoted_if_ambiguous(text: &str) -> String {
        if scalar::retyped(text).is_some() { scalar::quoted(text) } else { text.to_owned() }
    }
}
