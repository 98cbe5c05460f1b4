//! Values of every shape for the tests of this module.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::manifest::{Diagnostic, Level, Related};
use crate::model::{
    Address, Body, Call, CreateAlert, Dependency, Hindrance, MachineFile, Method, Mutation, OnRemove, Place,
    Request, RequestDigest, Source, Span, Target, TriageField, Until,
};
use crate::plan::{
    Action, Candidate, Change, Destination, Drift, Estimate, Forecast, Group, ImportRefusal, Left,
    LimitApproval, MachineFacts, MoveRefusal, NameGap, Obstacle, Plan, PlanWarning, PlannedCall, Reason, Row,
    Share, TargetError, TriageLeft, Typical, Unread, Unresolved, View, Warning, digest_of,
};
use crate::state::{
    Attempt, CallAction, Object, Open, Origin, PastObject, PendingUpdate, Phase, Refusal, RefusedChange,
    Resource, Sent, State, TriageChange, TriageRecord,
};

pub const ID: &str = "5382f7ea-7557-4ab7-9782-d50480024a4e";
pub const ALERT_ID: &str = "da637472900382838869_1364969609";
pub const MACHINE: &str = "fb9ab6be3965095a09c057be7c90f0a2fb9ab6be";

pub fn now() -> Timestamp {
    "2026-03-01T09:30:00Z".parse().unwrap()
}

pub fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

pub fn service(seconds: i64) -> Option<crate::model::Timestamp> {
    Some(ago(seconds).into())
}

pub fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub fn view(fields: &[(&str, &str)]) -> Option<View> {
    Some(fields.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
}

pub fn collect(comment: &str) -> Call {
    Call::collect(MACHINE.parse().unwrap(), comment)
}

pub fn alert(title: &str) -> Call {
    Call::Alert(CreateAlert {
        machine_id: MACHINE.parse().unwrap(),
        severity: "Low".into(),
        title: title.into(),
        description: "example alert".into(),
        recommended_action: "nothing".into(),
        event_time: "2018-08-03T16:45:21.7115183Z".parse().unwrap(),
        report_id: crate::model::ReportId("20776".into()),
        category: "Exploit".into(),
    })
}

pub fn sent(request: Request) -> Sent {
    Sent::new(request.clone(), 1, RequestDigest::of(&request, 1))
}

pub fn planned(request: Request) -> Box<PlannedCall> {
    let mutation = Mutation::of(&request).expect("samples are calls of ours");
    Box::new(PlannedCall::new(mutation, sent(request), MACHINE.parse().expect("an id")))
}

pub fn refusal(status: u16, code: &str, message: &str) -> Refusal {
    Refusal {
        status,
        code: code.into(),
        message: message.into(),
        target: Some("c3e0a8d5-0f6b-4a11-a4ad-4f8b6a2f9d70".into()),
    }
}

/// A row with a plausible call for its action.
pub fn change(name: &str, action: Action, reason: Reason) -> Change {
    let address = address(name);
    let call = match address.kind() {
        crate::model::Kind::Alert => alert("Suspicious PowerShell on fin-ws-042"),
        crate::model::Kind::InvestigationPackage => collect("Collect forensics due to alert 1234"),
    };
    let patch = |body: &str| Request {
        method: Method::Patch,
        path: format!("/api/alerts/{ALERT_ID}").into(),
        body: Body::from_json(body.into()).unwrap(),
    };
    let request = match action {
        Action::Create | Action::Retry | Action::Replace => Some(call.request()),
        Action::Update => Some(patch(r#"{"status":"InProgress","assignedTo":"soc@contoso.com"}"#)),
        Action::Resolve => Some(patch(r#"{"status":"Resolved"}"#)),
        Action::Cancel => Some(Request {
            method: Method::Post,
            path: format!("/api/machineactions/{ID}/cancel").into(),
            body: Body::from_json(r#"{"Comment":"manifest removed"}"#.into()).unwrap(),
        }),
        _ => None,
    };
    let gone = matches!(action, Action::Forget | Action::Cancel | Action::Resolve);
    Change {
        source: (!gone).then(|| Source { file: "incidents/inc-2042.yaml".into(), line: 3 }),
        machine: Some(MACHINE.parse().unwrap()),
        call: request.map(planned),
        ..Change::new(address, action, Some(Row::New), reason)
    }
}

pub fn plan(mut changes: Vec<Change>) -> Plan {
    changes.sort_by(|a, b| a.address.cmp(&b.address));
    let digest = digest_of(changes.iter());
    let calls = changes.iter().filter(|c| c.call.is_some()).count() as u64;
    Plan {
        lineage: "0b7c2f5e-6a53-4c1e-9a2f-2f1d3c9f1b11".into(),
        digest,
        created_at: now(),
        changes,
        warnings: Vec::new(),
        estimate: Estimate { seconds: calls / 2, calls: BTreeMap::from([("collect".into(), calls)]) },
        groups: Vec::new(),
        forecast: None,
        destination: None,
    }
}

/// A service that no project has by default.
pub fn elsewhere(t: &str) -> Destination {
    Destination {
        cloud: "dod".into(),
        host: Some(format!("gateway.example{t}")),
        graph_host: Some(format!("graph.example{t}")),
        tenant: Some(format!("00000000-0000-0000-0000-00000000000a{t}")),
        is_default: false,
    }
}

/// One row of every reason, with the text `t` wherever text from outside can stand.
pub fn every_reason(t: &str) -> Vec<Change> {
    let id = || format!("{ID}{t}");
    let who = || Some(format!("analyst{t}@contoso.com"));
    let error = |status, code: &str| refusal(status, code, &format!("Machine is not eligible{t}."));
    let p = |name: &str| format!("InvestigationPackage/{name}");
    let mut n = 0;
    let mut row = |action, reason| {
        n += 1;
        change(&p(&format!("fin-ws-{n:03}")), action, reason)
    };
    let mut rows = vec![
        row(Action::Create, Reason::New),
        row(Action::Create, Reason::DeclaredAgain),
        row(Action::Replace, Reason::AskedByName),
        row(Action::Replace, Reason::NewRevision { from: 1, to: 2 }),
        row(Action::Replace, Reason::NewTarget),
        row(Action::Adopt, Reason::FoundOurs { id: id() }),
        row(Action::Adopt, Reason::FoundWatched { id: id() }),
        row(Action::Unresolved, Reason::LookAlikes { ids: vec![id(), id()] }),
        row(Action::Unresolved, Reason::IntentTooOld),
        row(Action::Wait, Reason::OutcomeNotLooked),
        row(Action::Wait, Reason::Settling { until: ago(-8) }),
        row(Action::Unresolved, Reason::AskBeforeResend),
        row(Action::Create, Reason::LostCall),
        row(Action::NoOp, Reason::KnownFromBefore { phase: Phase::Succeeded }),
        row(Action::Move, Reason::RenamedFrom { from: address("InvestigationPackage/old-name") }),
        row(Action::Wait, Reason::RenamedWhileOpen { from: address("InvestigationPackage/old-name") }),
        row(Action::Exhausted, Reason::RefusedForGood { error: error(400, "OsPlatformNotSupported") }),
        row(Action::Exhausted, Reason::NoAttemptsLeft { attempts: 3, max: 3, error: None }),
        row(
            Action::Exhausted,
            Reason::NoAttemptsLeft { attempts: 3, max: 3, error: Some(error(404, "ResourceNotFound")) },
        ),
        row(
            Action::Create,
            Reason::RefusedBefore { error: error(404, "ResourceNotFound"), attempt: 2, max: 3 },
        ),
        row(Action::Wait, Reason::BusyNotLooked),
        row(Action::Wait, Reason::BusyWithOwn { id: id() }),
        row(Action::Adopt, Reason::AdoptRunning { id: id(), requestor: who(), created_at: service(720) }),
        row(
            Action::Wait,
            Reason::RunningTooOld { id: id(), created_at: service(11_000), within: Span::from_secs(3600) },
        ),
        row(Action::Wait, Reason::WaitForRunning { id: id(), requestor: who() }),
        row(Action::Unresolved, Reason::FailOnRunning { id: id(), requestor: who() }),
        row(Action::Adopt, Reason::AdoptFinished { id: id(), requestor: None }),
        row(Action::Create, Reason::FreeNow),
        row(Action::Create, Reason::BusyWithOtherType { action_type: format!("Isolate{t}") }),
        row(Action::Unresolved, Reason::Gone { id: id() }),
        row(Action::Differs, Reason::RunningTextDiffers { fields: vec!["comment"] }),
        row(Action::Wait, Reason::Running { status: format!("InProgress{t}"), looked: true }),
        row(Action::Wait, Reason::Running { status: "Pending".into(), looked: false }),
        row(Action::Wait, Reason::OldStillRuns { id: id() }),
        row(Action::Wait, Reason::RetryLater { at: Some(ago(-480)) }),
        row(Action::Wait, Reason::RetryLater { at: None }),
        row(Action::Retry, Reason::RetryNow { status: "TimeOut".into(), attempt: 2, max: 3 }),
        row(Action::NoOp, Reason::Cancelled { by: who() }),
        row(Action::NoOp, Reason::Done),
        row(Action::NoOp, Reason::DoneAndGone),
        row(Action::Forget, Reason::ManifestGone),
        row(Action::Cancel, Reason::CancelOnRemove),
        row(Action::Cancel, Reason::CancelAsked { comment: format!("wrong machine{t}") }),
        row(Action::Wait, Reason::SideCallOpen { action: CallAction::Cancel }),
        row(
            Action::Wait,
            Reason::HeldBy { by: address("InvestigationPackage/first"), why: Obstacle::Refused },
        ),
        row(Action::Create, Reason::Saved { words: format!("new{t}") }),
        row(Action::NoOp, Reason::LeftGroup { left: Left::File(format!("hosts{t}.txt")) }),
        row(
            Action::Unresolved,
            Reason::AlreadyThere { id: id(), requestor: who(), created_at: service(259_200), others: 1 },
        ),
        row(
            Action::Unresolved,
            Reason::AnsweredOtherwise { why: format!("201, but it names {ID}{t}, which is of type Isolate") },
        ),
        row(Action::Replace, Reason::ReplaceDeclared { id: id() }),
        row(
            Action::Adopt,
            Reason::ImportDeclared {
                id: id(),
                status: format!("Succeeded{t}"),
                requestor: who(),
                created_at: service(720),
            },
        ),
        row(Action::Wait, Reason::ImportNotLooked { id: id() }),
        row(
            Action::Unresolved,
            Reason::ImportRefused {
                id: id(),
                why: ImportRefusal::OtherType { found: format!("Isolate{t}") },
            },
        ),
        row(
            Action::Unresolved,
            Reason::ImportRefused {
                id: id(),
                why: ImportRefusal::OtherMachine { found: format!("x{t}"), declared: MACHINE.into() },
            },
        ),
        row(
            Action::Unresolved,
            Reason::ImportRefused {
                id: id(),
                why: ImportRefusal::MadeBy { by: address("InvestigationPackage/other") },
            },
        ),
        row(Action::Move, Reason::MoveDeclared { from: address("InvestigationPackage/old-name") }),
        row(
            Action::Unresolved,
            Reason::MoveRefused { from: address("InvestigationPackage/old-name"), why: MoveRefusal::Taken },
        ),
        row(Action::Exhausted, Reason::TimedOutAgain { times: 2 }),
    ];
    rows.extend([
        change("Alert/phish-1", Action::Adopt, Reason::AlertShowsEvent { id: format!("{ALERT_ID}{t}") }),
        change("Alert/phish-2", Action::Create, Reason::New),
        change(
            "Alert/phish-3",
            Action::Update,
            Reason::TriageDiffers { fields: vec!["status", "assignedTo"] },
        ),
        change("Alert/phish-6", Action::Differs, Reason::TriageLeft { fields: triage_left(t) }),
        change("Alert/phish-7", Action::Wait, Reason::ResolveNotLooked),
        change("Alert/phish-9", Action::Wait, Reason::AlertNotShown { id: format!("{ALERT_ID}{t}") }),
        change(
            "Alert/phish-10",
            Action::Exhausted,
            Reason::ChangeRefused { action: CallAction::Update, error: error(400, "InvalidInput") },
        ),
        change(
            "InvestigationPackage/stuck",
            Action::Exhausted,
            Reason::ChangeRefused { action: CallAction::Cancel, error: error(400, "InvalidInput") },
        ),
        change("Alert/phish-8", Action::Forget, Reason::JudgedByPeople),
        change("Alert/phish-4", Action::Differs, Reason::TextDiffers { fields: vec!["description"] }),
        change("Alert/phish-5", Action::Resolve, Reason::ResolveOnRemove),
    ]);
    let warnings = every_warning(t);
    if let Some(left) = rows.iter_mut().find(|r| matches!(r.reason, Reason::LeftGroup { .. })) {
        left.address = address(&format!("InvestigationPackage/sweep[{MACHINE}]"));
        left.shown = Some("InvestigationPackage/sweep[fin-ws-042]".into()).into();
    }
    for row in &mut rows {
        let text = |s: &str| format!("{s}{t}");
        match (row.action, &row.reason) {
            (Action::Create, Reason::New) if row.address.kind() == crate::model::Kind::Alert => {
                row.depends_on = [Until::Accepted, Until::Succeeded]
                    .map(|until| Dependency { address: address("InvestigationPackage/first"), until })
                    .to_vec()
                    .into();
                row.waits_for.clone_from(&row.depends_on);
                row.warnings = warnings[1..3].to_vec().into();
                row.call = Some(planned(alert(&text("Suspicious PowerShell")).request()));
            }
            (Action::Create, Reason::New) => {
                row.facts = Some(Box::new(facts(t)));
                row.call = Some(planned(collect(&text("Collect forensics due to alert 1234")).request()));
                row.warnings = vec![warnings[0].clone(), warnings[3].clone(), warnings[4].clone()].into();
            }
            (Action::Create, Reason::LostCall) => row.warnings = warnings[6..9].to_vec().into(),
            (Action::Adopt, Reason::AdoptRunning { .. }) => row.warnings = vec![warnings[5].clone()].into(),
            (_, Reason::NewRevision { .. }) => {
                row.before = view(&[("revision", "1"), ("comment", &text("Collect forensics"))]).into();
                row.after = view(&[("revision", "2"), ("comment", &text("Collect forensics"))]).into();
            }
            (_, Reason::NewTarget) => {
                row.before = view(&[("machineId", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07")]).into();
                row.after = view(&[("machineId", MACHINE)]).into();
            }
            (_, Reason::TriageDiffers { .. }) => {
                row.before = view(&[("status", "New")]).into();
                row.after =
                    view(&[("status", "InProgress"), ("assignedTo", &text("soc@contoso.com"))]).into();
            }
            (Action::Differs, Reason::TriageLeft { .. }) => {
                row.before = view(&[("status", &text("New"))]).into();
                row.after = view(&[("status", "Resolved")]).into();
            }
            (Action::Differs, Reason::TextDiffers { .. }) => {
                row.before = view(&[("description", &text("example alert\nsecond line\nthird"))]).into();
                row.after =
                    view(&[("description", &text("example alert\nsecond line, edited\nthird"))]).into();
            }
            (Action::Differs, _) => {
                row.before = view(&[("comment", "Collect forensics due to alert 1234")]).into();
                row.after =
                    view(&[("comment", &text("Collect forensics due to alerts 1234 and 1235"))]).into();
            }
            _ => {}
        }
    }
    rows
}

pub fn every_warning(t: &str) -> Vec<Warning> {
    let id = || format!("{ID}{t}");
    let who = || Some(format!("analyst{t}@contoso.com"));
    vec![
        Warning::ActiveCollection { id: id(), requestor: who(), created_at: service(720) },
        Warning::MergesIntoOpenAlert { id: id() },
        Warning::SameTitle { other: address("Alert/other") },
        Warning::SecondCollection { other: address("InvestigationPackage/other") },
        Warning::AddedToRunningIncident { incident: "inc-2042".into() },
        Warning::AutomatedInvestigation,
        Warning::AdoptsForeign { requestor: who(), created_at: service(720) },
        Warning::Watched { attempts: 1 },
        Warning::Watched { attempts: 2 },
        Warning::LateArrival { id: id() },
        Warning::Saved { words: format!("an analyst's collection is running{t}") },
        Warning::Protected { entry: "*-dc-*".into(), name: Some(format!("hq-dc-01{t}")), approved: None },
        Warning::Protected { entry: MACHINE.into(), name: None, approved: Some(format!("INC-2042{t}")) },
        Warning::NameUnknown { why: NameGap::Failed { why: format!("403 Forbidden{t}") }, approved: None },
        Warning::NameUnknown { why: NameGap::NotFound, approved: Some(format!("INC-2042{t}")) },
        Warning::CommentRule { pattern: format!("^INC-[0-9]+{t}") },
        Warning::TooOld { system: format!("Windows10 1607{t}") },
        Warning::UnknownMachine { machine: MACHINE.into() },
        Warning::OtherRecords { name: format!("fin-ws-042{t}"), others: vec![candidate(t)] },
        Warning::QueryChanged,
        Warning::AlreadyThere { ids: vec![id(), id()] },
        Warning::TriageLeft { fields: triage_left(t) },
        Warning::ImportWaits { id: id() },
        Warning::ImportOtherText,
        Warning::ReplaceWaits { id: id() },
        Warning::ReplaceUnknown { id: id() },
    ]
}

fn triage_left(t: &str) -> Vec<TriageLeft> {
    vec![
        TriageLeft { field: TriageField::Status, now: format!("New{t}"), set: true },
        TriageLeft { field: TriageField::Classification, now: format!("TruePositive{t}"), set: false },
        TriageLeft { field: TriageField::AssignedTo, now: String::new(), set: true },
    ]
}

pub fn facts(t: &str) -> MachineFacts {
    MachineFacts {
        name: Some(format!("fin-ws-042{t}")),
        os: Some(format!("Windows11{t}")),
        version: Some(format!("23H2{t}")),
        health: Some(format!("Active{t}")),
        last_seen: service(1_800),
        agent: Some(format!("10.8470.22631.3007{t}")),
        answers: true,
    }
}

pub fn forecast() -> Forecast {
    Forecast {
        machines: 40,
        listed: 38,
        answering: 36,
        typical: Some(Typical { seconds: 600, of: 12 }),
        finish_seconds: Some(850),
        shares: vec![Share { quota: "collect", calls: 40, made: 12, per_hour: 1_500 }],
    }
}

pub fn candidate(t: &str) -> Candidate {
    Candidate {
        id: MACHINE.into(),
        name: Some(format!("fin-ws-042{t}")),
        health: Some(format!("Inactive{t}")),
        onboarding: Some("CanBeOnboarded".into()),
        last_seen: service(86_400),
        merged_into: Some(format!("{MACHINE}{t}")),
    }
}

/// A manifest for each way to stand for several machines.
pub fn groups(t: &str) -> Vec<Group> {
    let file = MachineFile {
        file: format!("hosts{t}.csv").into(),
        column: Some(format!("host{t}").into()),
        digest: crate::model::Sha256Hex::of(b"test"),
        entries: Vec::new(),
    };
    [Target::Tag(format!("tier1{t}").into()), Target::File(file)]
        .into_iter()
        .map(|target| Group {
            address: address("InvestigationPackage/sweep"),
            target,
            machines: 40,
            left: 2,
            skipped: Vec::new(),
            sealed: Some(Drift::default()),
        })
        .collect()
}

fn unresolved(t: &str) -> TargetError {
    let place = Place {
        file: format!("manifests/a.yaml{t}").into(),
        line: 9,
        column: 16,
        end_column: 25,
        source_line: "  machineName: fin-ws-99".into(),
        source_offset: 0,
    };
    let why = Unresolved::NotFound { name: "fin-ws-99".into() };
    TargetError { address: address("InvestigationPackage/fin-ws-99"), place, why }
}

pub fn every_plan_warning(t: &str) -> Vec<PlanWarning> {
    vec![
        PlanWarning::OverLimit { limit: "newCollections", planned: 61, allowed: 50, approved: None },
        PlanWarning::NotLooked {
            unread: Unread::new(
                "machine actions",
                Hindrance::Unavailable(None),
                format!("503 Service Unavailable{t}"),
            ),
        },
        PlanWarning::LookAlikes {
            found: (1..=8)
                .map(|n| (address(&format!("InvestigationPackage/fin-ws-{n:03}")), format!("{ID}{t}")))
                .collect(),
        },
        PlanWarning::NotCompared { new: 12 },
        PlanWarning::HeldBack {
            incident: "inc-2042".into(),
            file: format!("incidents/inc 2042{t}.yaml"),
            addresses: vec![address("Alert/inc-2042.late")],
        },
        PlanWarning::Narrowed { shown: 48, declared: 5000 },
        PlanWarning::Beside { folders: vec![format!("../shared{t}"), "../other".into()] },
        PlanWarning::Left {
            address: address("InvestigationPackage/sweep"),
            left: Left::Tag(format!("tier1{t}")),
            rows: vec![format!("InvestigationPackage/sweep[fin-ws-042]{t}")],
        },
        PlanWarning::EmptyGroup { address: address("InvestigationPackage/sweep"), tag: format!("tier1{t}") },
        PlanWarning::Skipped { address: address("InvestigationPackage/sweep"), records: vec![candidate(t)] },
        PlanWarning::Unresolved { places: vec![unresolved(t)] },
        PlanWarning::SealDrift {
            address: address("InvestigationPackage/sweep"),
            drift: Drift {
                joined: vec![format!("fin-ws-043{t}")],
                gone: vec![format!("fin-ws-044{t}")],
                unknown: None,
            },
        },
        PlanWarning::SealDrift {
            address: address("InvestigationPackage/sweep"),
            drift: Drift { unknown: Some(format!("403 Forbidden{t}")), ..Drift::default() },
        },
        PlanWarning::OverLimit {
            limit: "newAlerts",
            planned: 31,
            allowed: 25,
            approved: Some(LimitApproval {
                by: address("Alert/phish-1"),
                up_to: 40,
                reason: format!("INC-2042: one alert for each mailbox{t}"),
            }),
        },
        PlanWarning::Removals { calls: 12, resources: 20 },
    ]
}

pub fn object(t: &str) -> Object {
    Object {
        id: format!("{ID}{t}"),
        status: "Pending".into(),
        requestor: Some(format!("analyst{t}@contoso.com")),
        created_at: service(60),
        updated_at: None,
        cancelled_by: None,
        computer_dns_name: Some(format!("fin-ws-042{t}.contoso.com")),
    }
}

pub fn resource(phase: Phase, t: &str) -> Resource {
    let sent = sent(collect(&format!("Collect forensics due to alert 1234{t}")).request());
    Resource {
        phase,
        id: Some(format!("{ID}{t}")),
        origin: Some(Origin::Made),
        digest: sent.digest,
        status: Some(format!("Succeeded{t}").into()),
        attempts: 0,
        time_outs: 0,
        sent,
        changed: 17,
        requestor: Some(format!("casefile-prod{t}")).into(),
        computer_dns_name: Some(format!("fin-ws-042{t}.contoso.com")),
        created_at: service(4_000),
        updated_at: service(600),
        cancelled_by: Default::default(),
        since: ago(600),
        busy_at: Default::default(),
        error: None,
        missing_since: Default::default(),
        missing_last: Default::default(),
        open: None,
        side: None,
        triage: Default::default(),
        refused: Default::default(),
        asked: None,
        watched: Default::default(),
        past: Default::default(),
        replaced: Default::default(),
        packages: Default::default(),
        released_from: None,
        labels: Default::default(),
        on_remove: OnRemove::Retain,
    }
}

/// A resource with every optional part.
pub fn full_resource(t: &str) -> Resource {
    let mut r = resource(Phase::Requested, t);
    let attempt = Attempt {
        attempt: 16,
        sent: r.sent.clone(),
        runner: "host-1-4242".into(),
        at: ago(90),
        server_at: ago(90).into(),
        timeout_seconds: None,
        send_by: ago(80),
        failed_at: Some(ago(60)),
        why: Some(format!("connection reset{t}")),
        other: None,
    };
    r.open = Some(Box::new(Open { attempt: attempt.clone(), prior: None }));
    r.watched = vec![attempt].into();
    r.side = Some(Box::new(PendingUpdate {
        attempt: 15,
        action: CallAction::Cancel,
        send_by: ago(70),
        server_send_by: None,
        timeout_seconds: None,
        runner: "host".into(),
        updated_at: service(700),
        request: Some(r.digest),
        triage: Some(TriageChange {
            set: [(TriageField::Status, format!("New{t}"))].into(),
            ..Default::default()
        })
        .into(),
    }));
    r.triage = Some(TriageRecord {
        set: [(TriageField::Status, format!("New{t}"))].into(),
        given: [(TriageField::AssignedTo, format!("ann{t}"))].into(),
        ..TriageRecord::default()
    })
    .into();
    r.refused = Some(RefusedChange {
        request: r.digest,
        attempts: 1,
        error: refusal(400, "BadRequest", &format!("no such status{t}")),
    })
    .into();
    r.past = vec![
        PastObject { id: format!("past{t}"), origin: Origin::Made, late: true },
        PastObject { id: "past-2".into(), origin: Origin::Adopted, late: false },
    ]
    .into();
    r.error = Some(Box::new(refusal(403, "Forbidden", &format!("Missing application roles{t}"))));
    r.cancelled_by = Some(format!("analyst{t}")).into();
    r.busy_at = service(5_000).into();
    r.missing_since = Some(ago(500)).into();
    r.released_from = Some(Phase::Succeeded);
    r.labels = BTreeMap::from([("incident".into(), format!("INC-2042{t}"))]).into();
    r.on_remove = OnRemove::Cancel;
    r.attempts = 2;
    r
}

pub fn state(t: &str) -> State {
    let mut state = State { lineage: Some("0b7c2f5e".into()), seq: 17, ..State::default() };
    for (n, phase) in Phase::ALL.into_iter().enumerate() {
        state.resources.insert(address(&format!("InvestigationPackage/fin-ws-{n:03}")), resource(phase, t));
    }
    let mut pending = resource(Phase::Pending, t);
    (pending.id, pending.status, pending.created_at) = (None, None, None);
    pending.requestor = Default::default();
    state.resources.insert(address("InvestigationPackage/hq-dc-01"), pending);
    let mut raised = resource(Phase::Succeeded, t);
    raised.sent = sent(alert(&format!("Suspicious PowerShell{t}")).request());
    raised.id = Some(ALERT_ID.into());
    raised.status = Some("New".into());
    raised.requestor = Default::default();
    state.resources.insert(address("Alert/fin-ws-042-exploit"), raised);
    state
}

pub fn diagnostics(t: &str) -> Vec<Diagnostic> {
    let at = |mut d: Diagnostic, line, columns: (u32, u32), source: &str| {
        (d.line, d.column, d.end_column) = (line, columns.0, columns.1);
        d.source_line = source.into();
        d
    };
    let unknown = at(
        Diagnostic::of_file("unknown-field", "incidents/inc-2042.yaml", "unknown field `commment`")
            .with_help("did you mean `comment`?"),
        7,
        (3, 11),
        "  commment: Collect forensics due to alert 1234",
    );
    let mut duplicate = at(
        Diagnostic::of_file(
            "duplicate-name",
            "incidents/inc-2043.yaml",
            format!(
                "InvestigationPackage/fin-ws-042{t} is declared twice; a name is unique per kind in a project"
            ),
        ),
        12,
        (19, 29),
        "metadata: { name: fin-ws-042 }",
    );
    duplicate.related = vec![Related {
        file: "incidents/inc-2042.yaml".into(),
        line: 3,
        column: 19,
        message: format!("declared here first{t}"),
    }];
    let mut hidden = at(
        Diagnostic::of_file(
            "control-character",
            "incidents/inc-2043.yaml",
            "control character U+0007 in a text",
        )
        .with_help(format!("remove it{t}")),
        14,
        (14, 15),
        "  comment: 東京\u{7} and more",
    );
    hidden.severity = Level::Warning;
    vec![
        unknown,
        duplicate,
        hidden,
        Diagnostic::of_file("not-utf-8", "runbooks/old.yaml", "the file is not UTF-8")
            .with_help("save it as UTF-8 without a byte order mark"),
    ]
}
