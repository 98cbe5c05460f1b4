//! Tests: the event of what was sent stays, and an edit of its query is known.

use super::*;
use crate::model::{Call, CreateAlert, Desired, HuntingTable, OnRemove, PlanDigest, ReportId, Source};
use crate::state::{CallAction, Intent, Record, Sent};

/// What a plan learns of an alert whose event was sent under this record, and is declared with the query `new`.
fn hunted(revision: u32, query: Option<&str>, found: bool) -> Resolved {
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
    let declared = Desired::new("Alert/a".parse().unwrap(), source, call, 1);
    let t = Template::new(declared, Target::Event(asks("new")), place);
    let sent = t.on_event(&event("1"), query.map(|q| asks(q).digest()));
    let intent = Record::Intent(Box::new(Intent {
        address: sent.address.clone(),
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
        labels: BTreeMap::new(),
        on_remove: OnRemove::Retain,
        ids: BTreeMap::new(),
        replaces: Vec::new(),
    }));
    let mut state = State::default();
    state.apply(1, jiff::Timestamp::UNIX_EPOCH, &intent).unwrap();
    let templates = [t];
    let selected = |_: &Address| true;
    let input = Templates {
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
