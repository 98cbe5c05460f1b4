//! A plan that was written to a file, and whether it may still be carried out.
//!
//! The file is the document of `plan --format json` with what execution needs beside it. Reading it gives
//! back a [`Plan`] whose calls are those that were reviewed, byte for byte. Pure: bytes in, values out.

mod stale;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use stale::{Moved, Stale};

use super::action::Action;
use super::change::{Change, Estimate, Plan, PlannedCall, PlannedId};
use super::comparison::View;
use super::forecast::MachineFacts;
use super::names::shown_in;
use super::passes::guard;
use super::passes::references::id_of;
use super::reason::Reason;
use super::table::Row;
use super::warning::Warning;
use crate::model::{
    Address, Approval, Dependency, Desired, DigestedCall, Kind, MachineId, Mutation, OnInProgress, OnRemove,
    PlanDigest, Policy, Request, RequestDigest, Sha256Hex, Source, Span, Surgery, Timestamp, Triage,
    reference,
};
use crate::state::{Binding, Record, Resource, Sent, Seq, State};

/// The format that is written, and the latest one that is read.
pub const FORMAT_VERSION: u64 = 1;

/// What carrying out a saved plan needs to know of the plan as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanExecution {
    /// The cloud or endpoint and the tenant that were looked at.
    #[schemars(example = Binding { cloud: Some("public".into()), ..Binding::default() })]
    pub binding: Binding,
    /// There was no state: the lineage is the one that a new state gets.
    #[schemars(example = false)]
    pub new_state: bool,
    /// `--fresh`: an empty state is meant, although the service shows look-alikes.
    #[schemars(example = false)]
    pub fresh: bool,
    /// The hash of the last record that the plan was made on: a state whose history does not hold it is another one. None
    /// without a state, and in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = Sha256Hex::of(b"test"))]
    pub head: Option<Sha256Hex>,
}

/// What carrying out a row needs beside its request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RowExecution {
    /// What the intent says besides the request; none for a row without a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = call_example())]
    pub call: Option<CallExecution>,
    /// What the manifest approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = Approval { over_limits: Some(60), protected: false, reason: "INC-2042".into() })]
    pub approve: Option<Approval>,
    /// Journal records to append before the call: what the plan's refresh saw, what the row records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<BTreeMap<String, serde_json::Value>>", example = records_example())]
    pub records: Vec<Record>,
    /// Journal records to append once the call was accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<BTreeMap<String, serde_json::Value>>", example = records_example())]
    pub then: Vec<Record>,
}

/// What an intent says besides the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallExecution {
    /// `spec.revision`.
    #[schemars(example = 1)]
    pub revision: u32,
    /// The request digest, computed without the marker.
    #[schemars(example = RequestDigest(crate::model::Sha256Hex::of(b"test")))]
    pub digest: RequestDigest,
    /// The text that `recovery.marker` appended to the comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &" [casefile 3f0c2b6c00]")]
    pub marker: Option<String>,
    /// The machine that the call is about.
    pub machine: MachineId,
    /// The name under which it is asked, where the manifest names no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"fin-ws-042")]
    pub machine_name: Option<String>,
    /// Of the query that found the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = crate::model::Sha256Hex::of(b"test"))]
    pub query_digest: Option<Sha256Hex>,
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({ "incident": "INC-2042" }))]
    pub labels: BTreeMap<String, String>,
    /// `lifecycle.onRemove`.
    #[schemars(example = OnRemove::Retain)]
    pub on_remove: OnRemove,
    /// `spec.onInProgress`.
    #[schemars(example = OnInProgress::Adopt)]
    pub on_in_progress: OnInProgress,
    /// `spec.adoptWithin`.
    pub adopt_within: Span,
    /// Whose ids stand in the text, where the request has references.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([]))]
    pub ids: Vec<PlannedId>,
    /// The objects in spite of which the manifest asks, by `replace`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!(["5382f7ea-7557-4ab7-9782-d50480024a4e"]))]
    pub replaces: Vec<String>,
    /// `spec.triage.mode: enforce`: the update is sent whatever somebody else has done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub enforce: bool,
}

fn call_example() -> serde_json::Value {
    serde_json::json!({
        "revision": 1,
        "digest": RequestDigest(crate::model::Sha256Hex::of(b"test")),
        "machine": "fb9ab6be3965095a09c057be7c90f0a2",
        "onRemove": "Retain",
        "onInProgress": "adopt",
        "adoptWithin": "1h"
    })
}

fn records_example() -> serde_json::Value {
    serde_json::json!([{ "released": { "address": "InvestigationPackage/fin-ws-042" } }])
}

impl RowExecution {
    /// Of a row; none if there is nothing to carry out.
    pub fn of(change: &Change) -> Option<RowExecution> {
        if change.call.is_none() && change.records.is_empty() {
            return None;
        }
        let call = change.call.as_ref().map(|c| CallExecution {
            revision: c.sent.revision,
            digest: c.sent.digest,
            marker: c.sent.marker.to_inner(),
            machine: c.machine.clone(),
            machine_name: c.sent.machine_name.to_inner(),
            query_digest: *c.sent.query_digest,
            labels: c.labels.clone(),
            on_remove: c.on_remove,
            on_in_progress: c.on_in_progress,
            adopt_within: c.adopt_within,
            ids: c.ids.clone(),
            replaces: c.replaces.clone(),
            enforce: c.enforce,
        });
        Some(RowExecution {
            call,
            approve: change.approve.to_inner(),
            records: change.records.to_inner(),
            then: change.then.to_inner(),
        })
    }
}

/// A file that holds no plan that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// Cut short, edited beyond reading, or something else entirely.
    #[error("the file is no saved plan: {why}")]
    Unreadable {
        /// The parser's words.
        why: String,
    },
    /// The output of `plan --format json`: it lacks what execution needs.
    #[error("the file is a plan to read; only `casefile plan --out FILE` writes one to apply")]
    NotToApply,
    /// Of a later format.
    #[error(
        "the plan was saved by a newer casefile: format {version}, this one reads up to {FORMAT_VERSION}"
    )]
    Newer {
        /// Its format.
        version: u64,
    },
    /// The calls are not those that the digest names.
    #[error("the file is damaged: its calls have the digest {actual}, the plan says {stated}")]
    OtherCalls {
        /// As written in the file.
        stated: PlanDigest,
        /// Of the calls in it.
        actual: PlanDigest,
    },
    /// It does not say which service it was made for.
    #[error("the file is damaged: it does not say which service it was made for")]
    NoService,
    /// A row contradicts itself.
    #[error("the file is damaged: {address}: {why}")]
    BadRow {
        /// The row.
        address: Address,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A plan read from a file.
#[derive(Clone, Debug)]
pub struct SavedPlan {
    /// Rows, calls, lineage and digest, as they were saved.
    pub plan: Plan,
    /// What concerns the plan as a whole.
    pub execution: PlanExecution,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    format_version: u64,
    lineage: String,
    digest: PlanDigest,
    created_at: jiff::Timestamp,
    changes: Vec<FileRow>,
    #[serde(default)]
    execution: Option<PlanExecution>,
    #[serde(default)]
    estimate: FileEstimate,
}

#[derive(Default, Deserialize)]
struct FileEstimate {
    seconds: u64,
    calls: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileRow {
    address: Address,
    action: Action,
    row: u8,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    template: Option<Source>,
    #[serde(default)]
    machine: Option<FileMachine>,
    #[serde(default)]
    request: Option<Request>,
    #[serde(default)]
    objects: u32,
    #[serde(default)]
    follow_up: Option<Request>,
    #[serde(default)]
    look_alikes: Vec<String>,
    #[serde(default)]
    depends_on: Vec<Dependency>,
    #[serde(default)]
    before: Option<Fields>,
    #[serde(default)]
    after: Option<Fields>,
    #[serde(default)]
    warnings: Vec<FileWarning>,
    basis: Seq,
    #[serde(default)]
    execution: Option<RowExecution>,
}

/// What the service said of a machine, for a reader.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileMachine {
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
struct FileWarning {
    #[serde(default)]
    code: String,
    message: String,
}

/// A map whose order is kept.
struct Fields(View);

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

impl SavedPlan {
    /// Reads a file and checks that its calls are those that its digest names.
    ///
    /// # Errors
    /// Everything that keeps the plan from being carried out, whatever the state.
    pub fn read(bytes: &[u8]) -> Result<SavedPlan, SavedError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            format_version: u64,
        }
        let newer = |version: u64| version > FORMAT_VERSION;
        let file: File = serde_json::from_slice(bytes).map_err(|e| {
            // A later format may be anything; only its version is promised.
            match serde_json::from_slice::<Version>(bytes) {
                Ok(v) if newer(v.format_version) => SavedError::Newer { version: v.format_version },
                _ => SavedError::Unreadable { why: e.to_string() },
            }
        })?;
        if newer(file.format_version) {
            return Err(SavedError::Newer { version: file.format_version });
        }
        let execution = file.execution.ok_or(SavedError::NotToApply)?;
        if execution.binding.cloud.is_none() && execution.binding.endpoint.is_none() {
            return Err(SavedError::NoService);
        }
        let calls = file.changes.iter().flat_map(|c| {
            let call = |request| DigestedCall {
                objects: c.objects,
                look_alikes: &c.look_alikes,
                ..DigestedCall::new(&c.address, request)
            };
            c.request.iter().chain(&c.follow_up).map(call)
        });
        let actual = PlanDigest::of(calls);
        if actual != file.digest {
            return Err(SavedError::OtherCalls { stated: file.digest, actual });
        }
        let mut changes = Vec::with_capacity(file.changes.len());
        let mut last: Option<Address> = None;
        for row in file.changes {
            if last.as_ref().is_some_and(|l| *l >= row.address) {
                return Err(SavedError::BadRow { address: row.address, why: "the rows are out of order" });
            }
            last = Some(row.address.clone());
            changes.push(change(row)?);
        }
        let plan = Plan {
            lineage: file.lineage,
            digest: file.digest,
            created_at: file.created_at,
            changes,
            warnings: Vec::new(),
            estimate: Estimate { seconds: file.estimate.seconds, calls: file.estimate.calls },
            groups: Vec::new(),
            forecast: None,
            destination: None,
        };
        Ok(SavedPlan { plan, execution })
    }

    /// The resources that the plan creates, as their calls declare them, by address: what looking up an
    /// unknown outcome needs. Nothing else of the manifests is needed to carry a plan out.
    pub fn desired(&self) -> Vec<Desired> {
        self.plan.changes.iter().filter_map(desired).collect()
    }

    /// Whether the comments carry marks.
    pub fn is_marked(&self) -> bool {
        self.plan.calls().any(|(_, c)| c.sent.marker.is_some())
    }

    /// What is left to do on a state: the plan without the rows whose call was sent under it before, and
    /// without rows that have no call and have moved since, for the next plan decides those anew.
    ///
    /// # Errors
    /// The plan is refused as a whole.
    pub fn remaining(&self, state: &State) -> Result<Plan, Stale> {
        match &state.lineage {
            Some(lineage) if *lineage == self.plan.lineage => {}
            Some(_) if self.execution.new_state => return Err(Stale::StateAppeared),
            Some(lineage) => {
                return Err(Stale::OtherLineage { plan: self.plan.lineage.clone(), state: lineage.clone() });
            }
            None if self.execution.new_state => {}
            None => return Err(Stale::NoState { plan: self.plan.lineage.clone() }),
        }
        // What the rows record must fit; tried out before anything is written.
        let mut folded = state.clone();
        let mut fits = |records: &[Record]| {
            records.iter().all(|r| folded.apply(folded.seq + 1, self.plan.created_at, r).is_ok())
        };
        let mut plan = self.plan.clone();
        let (mut moved, mut sent) = (Vec::new(), 0);
        plan.changes.retain_mut(|c| {
            let now = state.resources.get(subject(c));
            let standing = Standing::of(c, now, self.plan.digest);
            if standing == Standing::Unsent {
                // They were appended with the intent of the call that did not leave, and what that led back to is what
                // the row stands on.
                c.records.clear();
                c.basis = now.map_or(0, |r| r.changed);
            }
            let unmoved = matches!(standing, Standing::Same | Standing::Unsent);
            match (c.call.is_some(), standing) {
                (true, Standing::Sent) => {
                    sent += 1;
                    false
                }
                (true, _) if unmoved && fits(&c.records) => true,
                (true, _) => {
                    moved.push(Moved {
                        address: c.address.clone(),
                        planned_from: c.basis,
                        now: now.map(|r| (r.changed, r.phase, r.since)),
                    });
                    true
                }
                (false, _) => unmoved && fits(&c.records),
            }
        });
        if !moved.is_empty() {
            return Err(Stale::Moved(moved));
        }
        let mut shown = shown_in(state);
        for c in &mut plan.changes {
            // Names come from the state: those in a file are the file's word.
            c.shown = shown.remove(&c.address).into();
            let Some(call) = c.call.as_ref().filter(|_| c.action.call().is_some_and(|a| !a.creates())) else {
                continue;
            };
            let id = folded.resources.get(&c.address).and_then(|r| r.id.as_deref());
            if id.is_none() || id != call.mutation.object_id() {
                return Err(Stale::OtherObject { address: c.address.clone() });
            }
        }
        // What was shown with an id is not sent with another one.
        for (c, call) in plan.calls() {
            for planned in call.ids.iter().filter(|p| p.id.is_some()) {
                let now = folded.resources.get(&planned.of).and_then(id_of);
                if now != planned.id.as_deref() {
                    return Err(Stale::OtherId {
                        address: c.address.clone(),
                        planned: planned.clone(),
                        now: now.map(str::to_owned),
                    });
                }
            }
        }
        if sent > 0 && plan.calls().next().is_none() {
            return Err(Stale::Finished { digest: self.plan.digest, calls: sent });
        }
        Ok(plan)
    }
}

/// Where a row's resource stands, compared with the plan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// As it was.
    Same,
    /// This plan's call was tried and did not leave; nothing else happened.
    Unsent,
    /// This plan's call was sent.
    Sent,
    /// Something else happened.
    Moved,
}

impl Standing {
    fn of(c: &Change, now: Option<&Resource>, digest: PlanDigest) -> Standing {
        // An earlier plan may have had the same calls: only what was asked after this one was made counts.
        let asked = now.and_then(|r| r.asked.as_ref());
        let asked = asked.filter(|a| a.plan == digest && a.intent > c.basis);
        match (asked, now) {
            (Some(a), _) if a.unsent.is_none() => Standing::Sent,
            (Some(a), Some(r)) if a.unsent == Some(r.changed) => Standing::Unsent,
            _ if now.map_or(0, |r| r.changed) == c.basis => Standing::Same,
            _ => Standing::Moved,
        }
    }
}

/// The resource whose revision a row was made from: a renamed one is still recorded under its old address.
pub fn subject(c: &Change) -> &Address {
    let from = c.records.iter().find_map(|r| match r {
        Record::Moved { from, .. } => Some(from),
        _ => None,
    });
    from.unwrap_or(&c.address)
}

/// Makes rows that a refresh in memory led to rows of the recorded state: their revision is the recorded
/// one, and what the refresh saw is recorded before the call. `recorded` holds the revisions, before the
/// refresh, of the resources that `seen` speaks of.
pub fn rebase(changes: &mut [Change], recorded: &BTreeMap<Address, Seq>, seen: &[Record]) {
    for c in changes {
        let subject = subject(c).clone();
        let Some(basis) = recorded.get(&subject) else { continue };
        c.basis = *basis;
        let own = seen.iter().filter(|r| r.address() == Some(&subject)).cloned();
        c.records = own.chain(c.records.take()).collect();
    }
}

fn change(row: FileRow) -> Result<Change, SavedError> {
    let FileRow { address, action, request, follow_up, execution, .. } = row;
    let bad = |why| Err(SavedError::BadRow { address: address.clone(), why });
    let execution = execution.unwrap_or_default();
    let creates = action.creates();
    let follows = |request: &Request| {
        let id = reference(&address.to_string());
        creates
            && address.kind() == Kind::Alert
            && matches!(Mutation::of(request), Some(Mutation::Update { alert_id, .. }) if alert_id == id)
    };
    if follow_up.as_ref().is_some_and(|request| !follows(request)) {
        return bad("its second request does not follow from its first");
    }
    let call = match (request, execution.call, action.call()) {
        (None, None, None) if follow_up.is_none() => None,
        (Some(request), Some(x), Some(_)) => {
            let mutation = Mutation::of(&request).filter(|mutation| match mutation {
                Mutation::Update { .. } => matches!(action, Action::Update | Action::Resolve),
                Mutation::Cancel { .. } => action == Action::Cancel,
                Mutation::Create(call) => {
                    creates && call.kind() == address.kind() && *call.machine() == x.machine
                }
            });
            let Some(mutation) = mutation else {
                return bad("its request is none that its action makes");
            };
            let sent = Sent {
                request,
                revision: x.revision,
                digest: x.digest,
                marker: x.marker.into(),
                machine_name: x.machine_name.into(),
                query_digest: x.query_digest.into(),
            };
            Some(Box::new(PlannedCall {
                labels: x.labels,
                on_remove: x.on_remove,
                on_in_progress: x.on_in_progress,
                adopt_within: x.adopt_within,
                ids: x.ids,
                replaces: x.replaces,
                objects: row.objects,
                follow_up: follow_up.map(Box::new),
                enforce: x.enforce,
                ..PlannedCall::new(mutation, sent, x.machine)
            }))
        }
        _ => return bad("its action and its request do not belong together"),
    };
    if !execution.records.iter().chain(&execution.then).all(|r| is_of_row(r, &execution.records, &address)) {
        return bad("it records something of another resource, or what no plan records");
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
    if creates
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

/// What a creating row declares.
fn desired(c: &Change) -> Option<Desired> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Call;
    use crate::state::{CallAction, Intent, Object, Outcome, Refusal};

    const A: &str = "InvestigationPackage/a";

    fn at(second: u64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_800_000_000 + second as i64).unwrap()
    }

    fn declared() -> Desired {
        let call = Call::Collect { machine_id: "ab".repeat(20).parse().unwrap(), comment: "c".into() };
        Desired::new(A.parse().unwrap(), Source { file: "a.yaml".into(), line: 1 }, call, 1)
    }

    fn saved(basis: Seq, records: Vec<Record>) -> SavedPlan {
        let d = declared();
        let reason = Reason::Saved { words: String::new() };
        let row = Change {
            call: Some(Box::new(PlannedCall::new(
                Mutation::Create(d.call.clone()),
                Sent::new(d.request(), 1, d.digest),
                d.call.machine().clone(),
            ))),
            records: records.into(),
            basis,
            ..Change::new(d.address.clone(), Action::Retry, Some(Row::Failed), reason)
        };
        let plan = Plan {
            lineage: "l".into(),
            digest: PlanDigest::of([DigestedCall::new(&d.address, &d.request())]),
            created_at: at(0),
            changes: vec![row],
            warnings: Vec::new(),
            estimate: Estimate::default(),
            groups: Vec::new(),
            forecast: None,
            destination: None,
        };
        let execution =
            PlanExecution { binding: Binding::default(), new_state: false, fresh: false, head: None };
        SavedPlan { plan, execution }
    }

    fn fold(records: &[Record]) -> State {
        let mut state = State::default();
        let open =
            Record::Open { lineage: "l".into(), binding: Binding::default(), tool: "casefile/0".into() };
        for (n, r) in std::iter::once(&open).chain(records).enumerate() {
            let seq = n as u64 + 1;
            state.apply(seq, at(seq), r).unwrap();
        }
        state
    }

    fn intent() -> Record {
        let d = declared();
        Record::Intent(Box::new(Intent {
            plan: PlanDigest::of([DigestedCall::new(&d.address, &d.request())]),
            address: d.address.clone(),
            action: CallAction::Retry,
            sent: Sent::new(d.request(), 1, d.digest),
            runner: "r".into(),
            send_by: at(10),
            server_at: at(0).into(),
            timeout_seconds: None,
            labels: BTreeMap::new(),
            on_remove: OnRemove::Retain,
            ids: BTreeMap::new(),
            replaces: Vec::new(),
            over: None,
            by: None,
            commit: None,
        }))
    }

    fn object(status: &str) -> Object {
        Object {
            id: "x".into(),
            status: status.into(),
            requestor: None,
            created_at: None,
            updated_at: None,
            cancelled_by: None,
            computer_dns_name: None,
        }
    }

    fn outcome(attempt: Seq, result: Outcome) -> Record {
        Record::Outcome { attempt, address: A.parse().unwrap(), result, server_at: None }
    }

    fn observed(status: &str) -> Record {
        Record::Observed { address: A.parse().unwrap(), object: object(status) }
    }

    #[test]
    fn an_earlier_plan_with_the_same_calls_does_not_finish_a_later_one() {
        // Created by a plan of the very same call, failed, and planned anew: the digest is the same.
        let base = [intent(), outcome(2, Outcome::Made { object: object("Failed") })];
        let plan = saved(3, Vec::new());
        assert_eq!(plan.remaining(&fold(&base)).unwrap().calls().count(), 1);
        let sent = fold(&[&base[..], &[intent()]].concat());
        assert!(matches!(plan.remaining(&sent), Err(Stale::Finished { calls: 1, .. })));
    }

    #[test]
    fn a_call_that_did_not_leave_is_sent_by_the_same_plan() {
        let base = [intent(), outcome(2, Outcome::Made { object: object("InProgress") })];
        // The plan's refresh saw the failure; the state did not know it yet.
        let plan = saved(3, vec![observed("Failed")]);
        assert_eq!(plan.remaining(&fold(&base)).unwrap().changes[0].records.len(), 1);
        let throttled = Outcome::Throttled { error: Refusal::default(), retry_after_seconds: 60 };
        let tried = [&base[..], &[observed("Failed"), intent(), outcome(5, throttled)]].concat();
        let rest = plan.remaining(&fold(&tried)).unwrap();
        assert_eq!((rest.calls().count(), rest.changes[0].records.len()), (1, 0));
        // Something else happened after that.
        let moved = fold(&[&tried[..], &[observed("Cancelled")]].concat());
        assert!(matches!(plan.remaining(&moved), Err(Stale::Moved(rows)) if rows[0].planned_from == 3));
    }

    #[test]
    fn a_row_without_a_call_that_moved_is_left_to_the_next_plan() {
        let base = [intent(), outcome(2, Outcome::Made { object: object("Failed") })];
        let mut plan = saved(3, vec![Record::Released { address: A.parse().unwrap() }]);
        plan.plan.changes[0].call = None;
        assert_eq!(plan.remaining(&fold(&base)).unwrap().changes.len(), 1);
        let moved = fold(&[&base[..], &[observed("Succeeded")]].concat());
        assert_eq!(plan.remaining(&moved).unwrap().changes.len(), 0);
    }
}
