//! Samples of what `status`, `log` and `export` write, and their goldens at 80 and 120 columns.

use std::collections::BTreeMap;

use super::bag::{self, Contents, ExportDocument, ProjectFile};
use super::log::{self, Entry, LogDocument};
use super::samples::{address, ago, full_resource, now, object, refusal, resource, service, state};
use super::state::StateDocument;
use super::status::{self, Row, Unsent};
use super::{Style, records};
use crate::evidence::Held;
use crate::evidence::{Absent, BagSize, WhyAbsent};
use crate::model::{Address, PlanDigest, Sha256Hex};
use crate::state::{
    Asked, CallAction, Course, Custody, Extract, HeldPackage, Operator, Origin, Outcome, Phase, Record,
    Recorded, State, Story,
};

const ID: &str = "5382f7ea-7557-4ab7-9782-d50480024a4e";

fn operator(t: &str) -> Operator {
    Operator { user: format!("alice{t}"), host: format!("ir-box{t}"), job: None }
}

fn custody(t: &str) -> Custody {
    Custody {
        address: address("InvestigationPackage/fin-ws-042"),
        action_id: ID.into(),
        machine_id: None,
        machine_name: None,
        requestor: None,
        comment: None,
        requested_at: None,
        finished_at: None,
        download_began: ago(700),
        download_ended: ago(690),
        store: format!("file:evidence{t}"),
        file: format!("InvestigationPackage/fin-ws-042/{ID}{t}.zip"),
        size: 1_234_567,
        sha256: Sha256Hex::of(b"test"),
        entries: Vec::new(),
        unchecked: 0,
        tool: "casefile/0".into(),
        by: operator(t),
        request: resource(Phase::Succeeded, "").digest,
        plan: None,
        manifest: None,
        commit: Some(format!("0123abc{t}")),
    }
}

/// A state with a resource at every stage.
fn stages(t: &str) -> State {
    let mut state = state(t);
    let mut put = |name: &str, phase: Phase, change: &dyn Fn(&mut crate::state::Resource)| {
        let mut r = resource(phase, "");
        r.computer_dns_name = Some(format!("{name}.contoso.com{t}"));
        r.labels = BTreeMap::from([("incident".to_owned(), format!("INC-2042{t}"))]).into();
        (r.created_at, r.updated_at) = (service(900), service(720));
        change(&mut r);
        state.resources.insert(address(&format!("InvestigationPackage/{name}")), r);
    };
    let held = |file: &str| HeldPackage {
        id: ID.into(),
        store: "file:evidence".into(),
        file: file.into(),
        size: 1,
        sha256: Sha256Hex::of(b"test"),
        record: 9,
    };
    put("fin-ws-001", Phase::Requested, &|_| {});
    put("fin-ws-002", Phase::Pending, &|_| {});
    put("fin-ws-003", Phase::InProgress, &|r| r.status = Some("Pending".into()));
    put("fin-ws-004", Phase::InProgress, &|r| r.status = Some("InProgress".into()));
    put("fin-ws-005", Phase::Succeeded, &|r| r.id = Some(ID.into()));
    for (name, file) in [("fin-ws-006", "there"), ("fin-ws-007", "missing"), ("fin-ws-008", "other")] {
        put(name, Phase::Succeeded, &|r| {
            r.id = Some(ID.into());
            r.packages = vec![held(file)].into();
        });
    }
    put("fin-ws-009", Phase::Failed, &|r| r.status = Some("TimeOut".into()));
    put("fin-ws-010", Phase::Rejected, &|r| {
        r.error = Some(Box::new(refusal(400, &format!("OsPlatformNotSupported{t}"), "no")));
    });
    put("fin-ws-011", Phase::Released, &|r| r.released_from = Some(Phase::Cancelled));
    state
}

fn unsent(t: &str) -> Vec<Unsent> {
    vec![Unsent {
        address: address("InvestigationPackage/lt-007"),
        machine: Some(format!("tag tier1{t}")),
        incident: Some(format!("inc-2080{t}")),
        place: format!("manifests/a.yaml{t}:3"),
    }]
}

fn rows<'a>(state: &'a State, unsent: &'a [Unsent]) -> Vec<Row<'a>> {
    let held = |p: &HeldPackage| match &*p.file {
        "there" => Held::There,
        "missing" => Held::Missing,
        _ => Held::OtherLength,
    };
    status::rows(state, unsent, &|_, _| true, &|_| None, &held)
}

fn stories(t: &str) -> BTreeMap<Address, Story> {
    let at = |seconds: i64| ago(seconds);
    let course = Course {
        asked: Some(Asked {
            attempt: 2,
            action: CallAction::Create,
            at: at(900),
            server_at: at(900),
            run_began: at(900),
            plan: PlanDigest(Sha256Hex::of(b"plan")),
            request: resource(Phase::Succeeded, "").digest,
            by: Some(operator(t)),
            commit: Some(format!("0123abc{t}")),
        }),
        ended: Some((at(899), Outcome::Unknown { why: format!("no answer within 30 s{t}"), other: None })),
        object: Some(object(t)),
        origin: Some(Origin::Made),
        accepted: Some(at(890)),
        running: Some(at(880)),
        // A clock that is behind.
        finished: Some(at(885)),
        missing: Some(at(100)),
        links: vec![at(701)],
        fetched: vec![(9, custody(t))],
    };
    let story = Story { courses: vec![course], ..Story::default() };
    BTreeMap::from([(address("InvestigationPackage/fin-ws-006"), story)])
}

/// Records whose words quote texts from outside.
fn recorded(t: &str) -> Vec<Recorded> {
    let a = || address("InvestigationPackage/fin-ws-042");
    let outcome = |result| Record::Outcome { attempt: 2, address: a(), result, server_at: None };
    let records = [
        outcome(Outcome::Made { object: object(t) }),
        outcome(Outcome::Adopted { object: object(t) }),
        outcome(Outcome::Rejected { error: refusal(400, "OsPlatformNotSupported", &format!("not here{t}")) }),
        outcome(Outcome::Unknown { why: format!("no answer within 30 s{t}"), other: None }),
        Record::Observed { address: a(), object: object(t) },
        Record::Found { address: a(), attempt: None, origin: Origin::Adopted, object: object(t) },
        Record::Missing { address: a(), id: format!("{ID}{t}") },
        Record::Moved { from: address("InvestigationPackage/old"), to: a() },
        Record::Imported {
            address: a(),
            object: object(t),
            sent: full_resource("").sent,
            labels: BTreeMap::new(),
            on_remove: crate::model::OnRemove::Retain,
        },
        Record::LinkRequested { address: a(), id: ID.into() },
        Record::Fetched(Box::new(custody(t))),
        Record::Removed { address: a() },
        Record::Departed { to: format!("git:refs/casefile/a{t}") },
    ];
    let one = |(n, record): (i64, Record)| Recorded {
        seq: n.unsigned_abs(),
        at: ago(n * 20_000),
        hash: Sha256Hex::of(n.to_string().as_bytes()),
        record,
    };
    (1..).zip(records).map(one).collect()
}

fn entries<'a>(recorded: &'a [Recorded], machine: &'a str) -> Vec<Entry<'a>> {
    let of = |r: &'a Recorded| {
        let address = r.record.addresses().last();
        Entry { recorded: r, address, machine: address.map(|_| machine) }
    };
    recorded.iter().map(of).collect()
}

fn contents(t: &str) -> Contents {
    let absent = |name: &str, why| Absent { address: address(name), id: Some(format!("{ID}{t}")), why };
    let file = ProjectFile {
        name: "project/manifests/a.yaml".into(),
        sha256: Sha256Hex::of(b"file"),
        changed_since: vec![address("InvestigationPackage/fin-ws-042")],
    };
    Contents {
        project: format!("ir{t}"),
        lineage: Some(format!("lineage{t}")),
        resources: 3,
        incidents: [format!("INC-2042{t}")].into(),
        packages: [(custody(t).file, custody(t))].into(),
        absent: vec![
            absent("InvestigationPackage/fin-ws-001", WhyAbsent::NotFetched),
            absent("InvestigationPackage/fin-ws-002", WhyAbsent::Running),
            absent("InvestigationPackage/fin-ws-003", WhyAbsent::Elsewhere(format!("file:old{t}"))),
        ],
        files: [(format!("manifests/a.yaml{t}"), file)].into(),
        unread: 1,
        journal: Extract {
            lines: String::new(),
            records: 12,
            hashes: String::new(),
            of: 340,
            head: Sha256Hex::of(b"head"),
            custody: Vec::new(),
        },
        by: Operator { job: Some(format!("https://ci.example.org/1{t}")), ..operator(t) },
    }
}

const SIZE: BagSize = BagSize { bytes: 1_240_000, files: 7 };

fn status_of(t: &str, style: Style, with_stories: bool) -> String {
    let (state, unsent, stories) = (stages(t), unsent(t), stories(t));
    status::table(&rows(&state, &unsent), with_stories.then_some(&stories), style, now())
}

fn log_of(t: &str, style: Style) -> String {
    log::log(&entries(&recorded(t), &format!("fin-ws-042{t}")), style, now())
}

/// All of it for people, with `t` wherever text from outside can stand.
pub fn for_people(t: &str, style: Style) -> String {
    let whole = Style { verbose: 1, ..style };
    status_of(t, style, false)
        + &status_of(t, style, true)
        + &log_of(t, style)
        + &log_of(t, whole)
        + &bag::exported(&format!("bag{t}"), &contents(t), SIZE, style)
}

/// The document of `status -v --format json`.
pub fn status_document(t: &str) -> String {
    let (state, unsent, stories) = (stages(t), unsent(t), stories(t));
    let rows = rows(&state, &unsent);
    StateDocument::new(&state, |_, _| true).with_status(&rows, 1, Some(&stories)).to_text().unwrap()
}

/// All of it for programs.
pub fn documents(t: &str) -> String {
    let recorded = recorded(t);
    let machine = format!("fin-ws-042{t}");
    let log = LogDocument::new(13, Sha256Hex::of(b"head"), &entries(&recorded, &machine));
    let (place, contents) = (format!("bag{t}"), contents(t));
    let export = ExportDocument::new(&place, &contents, SIZE);
    status_document(t) + &log.to_text().unwrap() + &export.to_text().unwrap()
}

#[test]
fn status_log_and_export_at_80_and_120_columns() {
    for width in [80, 120] {
        let style = Style { width, color: false, verbose: 0 };
        insta::assert_snapshot!(format!("status_at_{width}"), status_of("", style, false));
        insta::assert_snapshot!(format!("status_with_stories_at_{width}"), status_of("", style, true));
        insta::assert_snapshot!(format!("log_at_{width}"), log_of("", style));
        insta::assert_snapshot!(
            format!("export_at_{width}"),
            bag::exported("bag", &contents(""), SIZE, style)
        );
    }
    insta::assert_snapshot!("log_verbose", log_of("", Style { width: 80, color: false, verbose: 1 }));
    insta::assert_snapshot!("bag_info", bag::info(&contents("")));
}

#[test]
fn a_value_of_bag_info_begins_no_other_line() {
    let lines = bag::info(&contents("")).lines().count();
    let hostile = bag::info(&contents("\r\nBagging-Date: 1999-01-01\u{202e}"));
    assert_eq!(hostile.lines().count(), lines);
    assert!(!hostile.contains('\r') && !hostile.contains('\u{202e}'), "{hostile}");
}

#[test]
fn many_that_say_the_same_are_one_line() {
    let mut state = State::default();
    for n in 0..12 {
        let mut r = resource(Phase::InProgress, "");
        r.status = Some("InProgress".into());
        r.computer_dns_name = Some(format!("ws-{n:02}.contoso.com"));
        r.created_at = service(60 * (20 - n));
        state.resources.insert(address(&format!("InvestigationPackage/p{n:02}")), r);
    }
    let style = Style { width: 80, color: false, verbose: 0 };
    let rows = rows(&state, &[]);
    let table = status::table(&rows, None, style, now());
    assert!(table.contains("ws-00 and 11 more  packages") && table.contains("20 min"), "{table}");
    assert!(table.contains("12 resources: 12 running."), "{table}");
    assert_eq!(status::table(&rows, Some(&BTreeMap::new()), style, now()).matches("ws-").count(), 12);
}

#[test]
fn a_brief_record_names_no_id() {
    for r in recorded("") {
        let brief = records::brief(&r.record);
        assert!(!brief.contains(ID) && brief.len() < 90, "{brief}");
    }
}
