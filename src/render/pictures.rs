//! Golden output of an incident as people meet it: a plan of 25 calls, its run and its end, at 80 and at 120 columns, with
//! and without colour.

use std::collections::BTreeMap;

use super::board::Board;
use super::samples::*;
use super::{Style, event, plan as human};
use crate::engine::{Event, Progress};
use crate::model::{Address, Kind, Source};
use crate::plan::{Action, Change, Forecast, MachineFacts, Plan, Reason, Typical, Warning};
use crate::state::Object;

const TRIAGE: &str = "INC-2042: ransomware triage (LockBit 3), before the device is rebuilt";
const SWEEP: &str = "INC-2071: lateral movement, logged on to by svc-backup";

fn of(mut c: Change, incident: &str, file: &str, t: &str, facts: Option<MachineFacts>) -> Change {
    c.incident = Some(format!("{incident}{t}")).into();
    c.source = Some(Source { file: format!("incidents/{file}.yaml").into(), line: 5 });
    c.machine_name = facts.as_ref().and_then(|f| f.name.clone()).into();
    c.facts = facts.map(Box::new);
    c
}

fn machine(name: &str, os: &str, seen: i64) -> Option<MachineFacts> {
    Some(MachineFacts {
        name: Some(format!("{name}.contoso.com")),
        os: Some(os.into()),
        health: Some("Active".into()),
        last_seen: service(seen),
        answers: seen < 172_800,
        ..MachineFacts::default()
    })
}

/// Two incidents: one with what is odd, one with many machines that are alike.
fn incidents(t: &str) -> Plan {
    let mut rows = Vec::new();
    let package = |name: &str, comment: &str| {
        let mut c = change(&format!("InvestigationPackage/{name}"), Action::Create, Reason::New);
        c.call = Some(planned(collect(&format!("{comment}{t}")).request()));
        // What is asked for first has nothing to be compared with.
        c.after = view(&[("machineId", name), ("comment", comment)]).into();
        c
    };
    for (name, os, seen) in [
        ("fin-fs-01", "WindowsServer2022", 1_800),
        ("fin-ws-042", "Windows11", 1_800),
        ("fin-ws-051", "Windows11", 864_000),
        ("hq-dc-01", "WindowsServer2019", 600),
    ] {
        rows.push(of(package(name, TRIAGE), "inc-2042", "inc-2042-ransomware", t, machine(name, os, seen)));
    }
    rows[3].warnings =
        vec![Warning::Protected { entry: "*-dc-*".into(), name: Some("hq-dc-01".into()), approved: None }]
            .into();
    for n in 1..=8 {
        let mut c = change(&format!("Alert/first-{n}"), Action::Create, Reason::New);
        c.call = Some(planned(alert(&format!("First encrypted file{t}")).request()));
        c.warnings = vec![Warning::AutomatedInvestigation].into();
        let name = format!("fin-ws-{n:03}");
        rows.push(of(c, "inc-2042", "inc-2042-ransomware", t, machine(&name, "Windows11", 1_800)));
    }
    for n in 1..=13 {
        let name = format!("eng-ws-{n:03}");
        let os = if n % 2 == 0 { "Windows11" } else { "Windows10" };
        rows.push(of(package(&name, SWEEP), "inc-2071", "inc-2071-lateral", t, machine(&name, os, 1_800)));
    }
    let ids = vec![ID.to_owned(), ID.to_owned()];
    let needy = change("InvestigationPackage/hr-ws-019", Action::Unresolved, Reason::LookAlikes { ids });
    rows.push(of(needy, "inc-2071", "inc-2071-lateral", t, None));
    for n in 0..3 {
        let reason = Reason::Running { status: "InProgress".into(), looked: true };
        let c = change(&format!("InvestigationPackage/app-{n}"), Action::Wait, reason);
        rows.push(of(c, "inc-2071", "inc-2071-lateral", t, None));
    }
    for n in 0..12 {
        let mut c = change(&format!("InvestigationPackage/done-{n:02}"), Action::NoOp, Reason::Done);
        c.source = Some(Source { file: "incidents/inc-2071-lateral.yaml".into(), line: 5 });
        rows.push(c);
    }
    let mut plan = plan(rows);
    plan.forecast = Some(Forecast {
        machines: 25,
        listed: 25,
        answering: 24,
        typical: Some(Typical { seconds: 240, of: 12 }),
        finish_seconds: Some(360),
        shares: Vec::new(),
    });
    plan
}

fn found(status: &str, took: i64) -> Object {
    Object { status: status.into(), created_at: service(took), updated_at: service(0), ..object("") }
}

/// The run of that plan until some are done, and what is told of it.
fn played(t: &str) -> (Board, Vec<Event>) {
    let plan = incidents(t);
    let mut board = Board::new(&plan, Some(100), now());
    let mut events = vec![Event::Planned { at: ago(38), digest: plan.digest, summary: plan.summary() }];
    for (c, _) in plan.calls() {
        let (address, action) = (c.address.clone(), c.action);
        events.push(Event::Intent { at: ago(38), address: address.clone(), action, attempt: 1 });
        let pending = if address.kind() == Kind::Alert { "New" } else { "Pending" };
        events.push(Event::Accepted { at: ago(37), address, action, object: found(pending, 0) });
    }
    let a = |name: &str| -> Address { address(&format!("InvestigationPackage/{name}")) };
    let error = refusal(400, "OsPlatformNotSupported", &format!("This platform is not supported{t}"));
    let busy = refusal(400, "ActiveRequestAlreadyExists", &format!("Action is already in progress{t}"));
    events.extend([
        Event::Rejected { at: ago(36), address: a("eng-ws-005"), action: Action::Create, error },
        Event::Busy { at: ago(36), address: a("eng-ws-006"), error: busy },
        Event::Observed { at: ago(30), address: a("fin-fs-01"), object: found("InProgress", 0) },
        Event::Observed { at: ago(6), address: a("fin-ws-042"), object: found("Succeeded", 31) },
        Event::Observed { at: ago(6), address: a("eng-ws-007"), object: found("TimeOut", 31) },
    ]);
    for event in &events {
        board.note(&Progress::Event(event.clone()));
    }
    (board, events)
}

/// The pictures of that run, with `t` wherever text from outside can stand.
pub fn run(t: &str, style: Style) -> String {
    let (mut board, events) = played(t);
    board.note(&Progress::Following { running: 18, next: ago(-5), until: ago(-1_800) });
    let lines: String = events.iter().map(|e| event::human(e, &board, style)).collect();
    let end = Event::Summary {
        at: now(),
        counts: BTreeMap::new(),
        attention: vec![address("InvestigationPackage/eng-ws-005")],
        left: 0,
        exit_code: 1,
    };
    human::plan(&incidents(t), style, now())
        + &board.draw(style, 40, now())
        + &board.draw(style, 12, now())
        + &lines
        + &event::human(&end, &board, style)
}

#[test]
fn an_incident_is_read_in_one_screen() {
    for width in [80, 120] {
        let plain = Style { width, color: false, verbose: 0 };
        let plan = human::plan(&incidents(""), plain, now());
        assert!(plan.lines().count() <= 40, "{plan}");
        insta::assert_snapshot!(format!("incident_at_{width}"), plan);
        let colour = human::plan(&incidents(""), Style { color: true, ..plain }, now());
        insta::assert_snapshot!(format!("incident_in_colour_at_{width}"), colour.replace('\u{1b}', "␛"));
    }
}

#[test]
fn a_run_is_a_line_a_host_and_what_does_not_fit_is_counted() {
    for width in [80, 120] {
        let plain = Style { width, color: false, verbose: 0 };
        let (mut board, _) = played("");
        board.note(&Progress::Following { running: 18, next: ago(-5), until: ago(-1_800) });
        let whole = board.draw(plain, 40, now());
        let small = board.draw(plain, 12, now());
        assert!(small.lines().count() <= 12, "{small}");
        assert!(small.contains("refused: OS not supported"), "what went wrong has a line: {small}");
        insta::assert_snapshot!(format!("run_at_{width}"), format!("{whole}\n{small}"));
        let colour = board.draw(Style { color: true, ..plain }, 40, now());
        insta::assert_snapshot!(format!("run_in_colour_at_{width}"), colour.replace('\u{1b}', "␛"));
        if width == 80 {
            let some = board.draw(Style { color: true, ..plain }, 20, now());
            insta::assert_snapshot!("run_in_colour_in_20_lines", some.replace('\u{1b}', "␛"));
        }
    }
}

#[test]
fn an_event_is_a_line_and_never_three() {
    let (board, events) = played("");
    let style = Style { width: 80, color: false, verbose: 0 };
    let lines: Vec<String> = events.iter().map(|e| event::human(e, &board, style)).collect();
    assert!(lines.iter().all(|l| l.lines().count() <= 2), "{lines:?}");
    insta::assert_snapshot!("run_lines_at_80", lines.concat());
}

#[test]
fn the_end_says_what_came_of_it_and_what_is_next() {
    let style = Style { width: 80, color: false, verbose: 0 };
    let mut out = String::new();
    let mut end = |board: &Board, left, exit_code| {
        let (counts, attention) = (BTreeMap::new(), Vec::new());
        let summary = Event::Summary { at: now(), counts, attention, left, exit_code };
        out.push_str(&event::human(&summary, board, style));
        out.push('\n');
    };
    end(&Board::default(), 0, 0);
    let (mut board, _) = played("");
    end(&board, 0, 1);
    end(&board, 0, 3);
    end(&board, 36, 130);
    let all: Vec<Address> = incidents("").calls().map(|(c, _)| c.address.clone()).collect();
    for address in all.into_iter().filter(|a| a.kind() == Kind::InvestigationPackage) {
        let object = found("Succeeded", 31);
        board.note(&Progress::Event(Event::Observed { at: ago(1), address, object }));
    }
    end(&board, 0, 0);
    insta::assert_snapshot!("ends", out);
}

#[test]
fn a_forgotten_resource_is_told_at_the_end() {
    let mut plan = incidents("");
    plan.changes = vec![change("InvestigationPackage/a", Action::Forget, Reason::ManifestGone)];
    let board = Board::new(&plan, None, now());
    assert_eq!(board.outcome(now()), ["1 forgotten"]);
}
