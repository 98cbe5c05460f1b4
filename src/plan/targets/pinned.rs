//! Tests: the event of what was sent stays, and an edit of its query is known.

use super::*;
use crate::model::{
    Call, CreateAlert, Desired, HuntingTable, OnRemove, PlanDigest, ReportId, Source, Surgery,
};
use crate::state::{CallAction, Intent, Record, Sent};

/// What a plan learns of an alert whose event was sent under this record, and is declared with the query `new`.
fn hunted(revision: u32, query: Option<&str>, found: bool) -> Resolved {
    hunted_as("Alert/a", None, revision, query, found)
}

/// The same, declared under this address, with `moved`. The record is that of `Alert/a`.
fn hunted_as(
    address: &str,
    moved_from: Option<Address>,
    revision: u32,
    query: Option<&str>,
    found: bool,
) -> Resolved {
    let event = |report: &str| HuntedEvent {
        machine_id: "ab".repeat(20).parse().unwrap(),
        event_time: "2026-03-01T09:15:42.1830907Z".parse().unwrap(),
        report_id: ReportId(report.into()),
    };
    let asks = |text: &str| HuntingQuery { text: text.into(), timespan: None };
    let call = Call::Alert(CreateAlert {
        machine_id: MachineId::unknown(),
        severity: "Low".into(),
        title: "t".into(),
        description: "d".into(),
        recommended_action: "r".into(),
        event_time: jiff::Timestamp::UNIX_EPOCH.into(),
        report_id: ReportId("".into()),
        category: "Exploit".into(),
    });
    let source = Source { file: "a.yaml".into(), line: 1 };
    let place = Place {
        file: "a.yaml".into(),
        line: 1,
        column: 1,
        end_column: 2,
        source_line: "".into(),
        source_offset: 0,
    };
    let mut declared = Desired::new(address.parse().unwrap(), source, call, 1);
    declared.surgery = moved_from.map(|from| Surgery { moved_from: Some(from), ..Surgery::default() }).into();
    let t = Template::new(declared, Target::Event(asks("new")), place);
    let sent = t.on_event(&event("1"), query.map(|q| asks(q).digest()));
    let intent = Record::Intent(Box::new(Intent {
        address: "Alert/a".parse().unwrap(),
        action: CallAction::Create,
        sent: Sent {
            request: sent.request(),
            revision,
            digest: sent.digest,
            marker: Default::default(),
            machine_name: Default::default(),
            query_digest: sent.query,
        },
        plan: PlanDigest(Sha256Hex::ZERO),
        runner: "r".into(),
        send_by: jiff::Timestamp::UNIX_EPOCH,
        server_at: jiff::Timestamp::UNIX_EPOCH.into(),
        timeout_seconds: None,
        labels: BTreeMap::new(),
        on_remove: OnRemove::Retain,
        ids: BTreeMap::new(),
        replaces: Vec::new(),
        over: None,
        by: None,
        commit: None,
    }));
    let mut state = State::default();
    state.apply(1, jiff::Timestamp::UNIX_EPOCH, &intent).unwrap();
    let templates = [t];
    let selected = |_: &Address| true;
    let input = Templates {
        skip_unresolved: false,
        templates: &templates,
        declared: &[],
        state: &state,
        sealed: &BTreeMap::new(),
        selected: &selected,
    };
    let rows = serde_json::json!([{ "Timestamp": "2026-03-02T00:00:00Z", "DeviceId": "cd".repeat(20), "ReportId": 2 }]);
    let table = HuntingTable::new(Vec::new(), serde_json::from_value(rows).unwrap());
    let hunted = found.then(|| (asks("new"), Ok(table))).into_iter().collect();
    resolve(&input, &Inventory { hunted, ..Inventory::not_looked("") })
}

#[test]
fn an_event_stays_and_an_edited_query_is_known() {
    let report = |r: &Resolved| match &r.desired[0].call {
        Call::Alert(a) => a.report_id.0.to_string(),
        Call::Collect { .. } => String::new(),
    };
    let digest = |text: &str| Some(HuntingQuery { text: text.into(), timespan: None }.digest());
    for (query, edited) in [(Some("old"), 1), (Some("new"), 0), (None, 0)] {
        let r = hunted(1, query, false);
        assert_eq!((report(&r).as_str(), r.targets.edited.len()), ("1", edited), "{query:?}");
        // What is sent again for this event says which query found it, not which one stands there now.
        assert_eq!(r.desired[0].query, query.and_then(digest).into());
    }
    let r = hunted(2, Some("old"), true);
    assert_eq!((report(&r).as_str(), r.targets.edited.len()), ("2", 0), "another revision asks anew");
    assert_eq!(r.desired[0].query, digest("new").into());
}

#[test]
fn a_moved_manifest_keeps_the_event_of_the_record_that_it_names() {
    let moved = |from: &str| {
        hunted_as("Alert/b", Some(from.parse().unwrap()), 1, Some("old"), true)
            .desired
            .iter()
            .find(|d| d.address.name() == "b")
            .map(|d| d.query.clone())
    };
    let digest = |text: &str| HuntingQuery { text: text.into(), timespan: None }.digest();
    assert_eq!(moved("Alert/a"), Some(Some(digest("old")).into()), "the query is not run again");
    assert_eq!(moved("Alert/c"), Some(Some(digest("new")).into()), "nothing is recorded there");
}
