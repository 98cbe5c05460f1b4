//! The rows of a saved plan's file, and what they come to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use super::error::SavedError;
use super::execution::{CallExecution, PlanExecution, RowExecution};
use crate::model::{
    Address, Dependency, Desired, Kind, Mutation, PlanDigest, Policy, Request, Source, Surgery, Timestamp,
    Triage, reference,
};
use crate::plan::action::Action;
use crate::plan::change::{Change, PlannedCall};
use crate::plan::comparison::View;
use crate::plan::forecast::MachineFacts;
use crate::plan::passes::guard;
use crate::plan::reason::Reason;
use crate::plan::table::Row;
use crate::plan::warning::Warning;
use crate::state::{Record, Sent, Seq};

/// The file as it is read: what execution needs, and what is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) format_version: u64,
    pub(super) lineage: String,
    pub(super) digest: PlanDigest,
    pub(super) created_at: jiff::Timestamp,
    pub(super) changes: Vec<FileRow>,
    #[serde(default)]
    pub(super) execution: Option<PlanExecution>,
    #[serde(default)]
    pub(super) estimate: FileEstimate,
}

#[derive(Default, Deserialize)]
pub(super) struct FileEstimate {
    pub(super) seconds: u64,
    pub(super) calls: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileRow {
    pub(super) address: Address,
    pub(super) action: Action,
    pub(super) row: u8,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) source: Option<Source>,
    #[serde(default)]
    pub(super) template: Option<Source>,
    #[serde(default)]
    pub(super) machine: Option<FileMachine>,
    #[serde(default)]
    pub(super) request: Option<Request>,
    #[serde(default)]
    pub(super) objects: u32,
    #[serde(default)]
    pub(super) follow_up: Option<Request>,
    #[serde(default)]
    pub(super) look_alikes: Vec<String>,
    #[serde(default)]
    pub(super) depends_on: Vec<Dependency>,
    #[serde(default)]
    pub(super) before: Option<Fields>,
    #[serde(default)]
    pub(super) after: Option<Fields>,
    #[serde(default)]
    pub(super) warnings: Vec<FileWarning>,
    pub(super) basis: Seq,
    #[serde(default)]
    pub(super) execution: Option<RowExecution>,
}

/// The facts of a machine, as the service said them, for a reader.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileMachine {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    os_platform: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    health_status: Option<String>,
    #[serde(default)]
    last_seen: Option<Timestamp>,
    #[serde(default)]
    agent_version: Option<String>,
    #[serde(default)]
    answers_now: bool,
}

impl From<FileMachine> for MachineFacts {
    fn from(m: FileMachine) -> Self {
        MachineFacts {
            name: m.name,
            os: m.os_platform,
            version: m.version,
            health: m.health_status,
            last_seen: m.last_seen,
            agent: m.agent_version,
            answers: m.answers_now,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct FileWarning {
    #[serde(default)]
    code: String,
    message: String,
}

/// A map whose order is kept.
pub(super) struct Fields(View);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut view = View::new();
                while let Some(entry) = map.next_entry()? {
                    view.push(entry);
                }
                Ok(Fields(view))
            }
        }
        d.deserialize_map(Visitor)
    }
}

/// The requests of a row, and what their intents need besides.
struct Requests {
    first: Option<Request>,
    follow_up: Option<Request>,
    execution: Option<CallExecution>,
    objects: u32,
}

/// Makes the call of a row; an error is why its parts do not belong together.
fn planned(
    address: &Address,
    action: Action,
    requests: Requests,
) -> Result<Option<Box<PlannedCall>>, &'static str> {
    let Requests { first, follow_up, execution, objects } = requests;
    let creates = action.creates();
    let follows = |request: &Request| {
        let id = reference(&address.to_string());
        creates
            && address.kind() == Kind::Alert
            && matches!(Mutation::of(request), Some(Mutation::Update { alert_id, .. }) if alert_id == id)
    };
    if follow_up.as_ref().is_some_and(|request| !follows(request)) {
        return Err("its second request does not follow from its first");
    }
    let (request, x) = match (first, execution, action.call()) {
        (None, None, None) if follow_up.is_none() => return Ok(None),
        (Some(request), Some(x), Some(_)) => (request, x),
        _ => return Err("its action and its request do not belong together"),
    };
    let mutation = Mutation::of(&request).filter(|mutation| match mutation {
        Mutation::Update { .. } => matches!(action, Action::Update | Action::Resolve),
        Mutation::Cancel { .. } => action == Action::Cancel,
        Mutation::Create(call) => creates && call.kind() == address.kind() && *call.machine() == x.machine,
    });
    let mutation = mutation.ok_or("its request is none that its action makes")?;
    let sent = Sent {
        request,
        revision: x.revision,
        digest: x.digest,
        marker: x.marker.into(),
        machine_name: x.machine_name.into(),
        query_digest: x.query_digest.into(),
    };
    Ok(Some(Box::new(PlannedCall {
        labels: x.labels,
        on_remove: x.on_remove,
        on_in_progress: x.on_in_progress,
        adopt_within: x.adopt_within,
        ids: x.ids,
        replaces: x.replaces,
        objects,
        follow_up: follow_up.map(Box::new),
        enforce: x.enforce,
        ..PlannedCall::new(mutation, sent, x.machine)
    })))
}

/// Makes the row of a plan from that of a file, if its parts belong together.
pub(super) fn change(row: FileRow) -> Result<Change, SavedError> {
    let FileRow { address, action, request, follow_up, execution, .. } = row;
    let bad = |why| SavedError::BadRow { address: address.clone(), why };
    let execution = execution.unwrap_or_default();
    let requests = Requests { first: request, follow_up, execution: execution.call, objects: row.objects };
    let call = planned(&address, action, requests).map_err(bad)?;
    if !execution.records.iter().chain(&execution.then).all(|r| is_of_row(r, &execution.records, &address)) {
        return Err(bad("it records something of another resource, or what no plan records"));
    }
    // The guard rails are those of the project when the plan is carried out.
    let kept = row.warnings.into_iter().filter(|w| !guard::CODES.contains(&w.code.as_str()));
    let sent_to = call.as_ref().and_then(|c| c.sent.machine_name.to_inner());
    let facts = row.machine.map(|m| Box::new(MachineFacts::from(m)));
    let change = Change {
        machine: call.as_ref().map(|c| c.machine.clone()),
        machine_name: sent_to.or_else(|| facts.as_ref()?.name.clone()).into(),
        incident: call.as_ref().and_then(|c| c.labels.get("incident").cloned()).into(),
        facts,
        source: row.source,
        template: row.template.into(),
        call,
        before: row.before.map(|f| f.0).into(),
        after: row.after.map(|f| f.0).into(),
        look_alikes: row.look_alikes.into(),
        depends_on: row.depends_on.into(),
        warnings: kept.map(|w| Warning::Saved { words: w.message }).collect(),
        approve: execution.approve.into(),
        records: execution.records.into(),
        then: execution.then.into(),
        basis: row.basis,
        ..Change::new(address, action, Row::from_number(row.row), Reason::Saved { words: row.reason })
    };
    if action.creates()
        && desired(&change).is_none_or(|d| Some(d.digest) != change.call.as_ref().map(|c| c.sent.digest))
    {
        return Err(SavedError::BadRow {
            address: change.address,
            why: "its digest is not that of its request",
        });
    }
    Ok(change)
}

/// Returns whether a row of that address can record this: what a look showed of its resource, and what needs no call. A
/// renamed one begins with what is recorded under its old address.
fn is_of_row(record: &Record, records: &[Record], address: &Address) -> bool {
    let renamed = |from: &Address| {
        records.iter().any(|r| matches!(r, Record::Moved { from: f, to } if f == from && to == address))
    };
    match record {
        Record::Moved { to, .. } => to == address,
        Record::Found { address: of, .. }
        | Record::Late { address: of, .. }
        | Record::Observed { address: of, .. }
        | Record::Triaged { address: of, .. }
        | Record::Missing { address: of, .. }
        | Record::Released { address: of }
        | Record::Restored { address: of }
        | Record::Noted { address: of, .. } => of == address || renamed(of),
        // Its manifest says so; no call follows from it that the next plan does not show.
        Record::Imported { address: of, .. } => of == address,
        Record::Open { .. }
        | Record::Bound { .. }
        | Record::Intent(_)
        | Record::Outcome { .. }
        | Record::Answered { .. }
        | Record::Begun { .. }
        | Record::Ended { .. }
        | Record::Departed { .. }
        | Record::Arrived
        | Record::Removed { .. }
        | Record::LinkRequested { .. }
        | Record::Fetched(_)
        | Record::Lost { .. }
        | Record::Recovered { .. }
        | Record::Cut { .. } => false,
    }
}

/// Returns the resource that a creating row declares.
pub(super) fn desired(c: &Change) -> Option<Desired> {
    let call = c.call.as_ref().filter(|_| c.action.creates())?;
    let declared = call.sent.declared()?;
    let source = c.source.clone().unwrap_or(Source { file: "".into(), line: 1 });
    let mut d = Desired::new(c.address.clone(), source, declared, call.sent.revision);
    d.labels = call.labels.clone().into();
    d.machine_name = call.sent.machine_name.as_deref().map(Arc::from).into();
    d.query = call.sent.query_digest.clone();
    d.on_remove = call.on_remove;
    d.depends_on.clone_from(&c.depends_on);
    // The object that the manifest named stands behind those that were there before it.
    d.surgery =
        call.replaces.last().map(|id| Surgery { replace: Some(id.clone()), ..Surgery::default() }).into();
    d.triage = call.follow_up.as_ref().and_then(|r| Triage::sent(r.body.as_str())).into();
    d.policy =
        Policy { on_in_progress: call.on_in_progress, adopt_within: call.adopt_within, ..Policy::default() };
    Some(d)
}
