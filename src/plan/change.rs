//! The plan as an immutable value: execution only carries it out.

use std::collections::BTreeMap;

use super::action::Action;
use super::comparison::View;
use super::destination::Destination;
use super::forecast::{Forecast, MachineFacts};
use super::reason::Reason;
use super::table::Row;
use super::targets::Group;
use super::unread::Unread;
use super::warning::{PlanWarning, Warning};
use crate::model::{
    Address, Approval, Call, Dependency, DigestedCall, MachineId, Mutation, OnInProgress, OnRemove,
    PlanDigest, Policy, Request, Source, Span, Sparse, reference,
};
use crate::state::{Record, Sent, Seq};

/// One row of a plan. Most rows of most plans have nothing to do, so what these lack is kept apart.
#[derive(Clone, Debug)]
pub struct Change {
    /// The resource.
    pub address: Address,
    /// The address as people see it, where that is another: `Kind/group[name]` for `Kind/group[machine id]`.
    pub shown: Sparse<Option<String>>,
    /// What happens.
    pub action: Action,
    /// The row of the decision table that fitted first; none for a call that a command asked for by itself.
    pub row: Option<Row>,
    /// Why, as typed data; renderers make words of it.
    pub reason: Reason,
    /// Where it is declared; none for resources whose manifest is gone.
    pub source: Option<Source>,
    /// The template that it comes from, if it is expanded from a runbook.
    pub template: Sparse<Option<Source>>,
    /// The machine that the resource is about; none if a person edited the state beyond reading.
    pub machine: Option<MachineId>,
    /// The name of that machine, as far as it is known; none in rows that have nothing to do.
    pub machine_name: Sparse<Option<String>>,
    /// The incident that the resource belongs to, by its label or by the one that it is expanded for; none in rows that
    /// have nothing to do.
    pub incident: Sparse<Option<String>>,
    /// What the service says of that machine, in rows with a call that creates; none if it was not looked up.
    pub facts: Option<Box<MachineFacts>>,
    /// The call, if the row has one.
    pub call: Option<Box<PlannedCall>>,
    /// What the state says, for a reader: flat, by field name.
    pub before: Sparse<Option<View>>,
    /// What it will be, for a reader.
    pub after: Sparse<Option<View>>,
    /// What the call depends on; none in rows without a call that creates.
    pub depends_on: Sparse<Vec<Dependency>>,
    /// What of it is not there yet: the call is sent after these.
    pub waits_for: Sparse<Vec<Dependency>>,
    /// What a reader should know.
    pub warnings: Sparse<Vec<Warning>>,
    /// Objects at the service that are what the row asks for and that no record knows: in a row that waits for a
    /// person because of them, and in a `replace`, which counts for these alone.
    pub look_alikes: Sparse<Vec<String>>,
    /// What the manifest approves; none in rows without a call that creates.
    pub approve: Sparse<Option<Approval>>,
    /// Journal records that carry the row out as far as it needs no call; appended before the call.
    pub records: Sparse<Vec<Record>>,
    /// Journal records to append once the call was accepted.
    pub then: Sparse<Vec<Record>>,
    /// The resource's revision in the state that the row was made from; 0 for none.
    pub basis: Seq,
}

impl Change {
    /// A row that nothing more is known of.
    pub fn new(address: Address, action: Action, row: Option<Row>, reason: Reason) -> Self {
        Change {
            address,
            shown: Sparse::default(),
            action,
            row,
            reason,
            source: None,
            template: Sparse::default(),
            machine: None,
            machine_name: Sparse::default(),
            incident: Sparse::default(),
            facts: None,
            call: None,
            before: Sparse::default(),
            after: Sparse::default(),
            depends_on: Sparse::default(),
            waits_for: Sparse::default(),
            warnings: Sparse::default(),
            look_alikes: Sparse::default(),
            approve: Sparse::default(),
            records: Sparse::default(),
            then: Sparse::default(),
            basis: 0,
        }
    }

    /// The address as people see it.
    pub fn shown(&self) -> String {
        self.shown.as_ref().map_or_else(|| self.address.to_string(), String::clone)
    }
}

/// A call with all that its intent needs.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCall {
    /// The request and, for creating calls, its revision and digest.
    pub sent: Sent,
    /// The call that the request is.
    pub mutation: Mutation,
    /// The machine it goes to; calls to one machine go one after another.
    pub machine: MachineId,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `lifecycle.onRemove`.
    pub on_remove: OnRemove,
    /// What a busy machine's or another's object means for this resource.
    pub on_in_progress: OnInProgress,
    /// How old another's collection may be to be taken.
    pub adopt_within: Span,
    /// Whose ids stand in its text. The request names them as references.
    pub ids: Vec<PlannedId>,
    /// How many objects the resource has had; 0 for a call that creates none.
    pub objects: u32,
    /// The update that sets the triage of the alert that the call creates, sent once it is created. Its path holds a
    /// reference in place of the alert's id.
    pub follow_up: Option<Box<Request>>,
    /// The objects in spite of which the manifest asks, by `replace`; empty for any other reason.
    pub replaces: Vec<String>,
    /// An update that sets what is declared, whatever somebody else has done.
    pub enforce: bool,
}

impl PlannedCall {
    /// Returns a call that is sent as a request says; what follows from manifest and state has its defaults.
    pub fn new(mutation: Mutation, sent: Sent, machine: MachineId) -> Self {
        PlannedCall {
            sent,
            mutation,
            machine,
            labels: BTreeMap::new(),
            on_remove: OnRemove::default(),
            on_in_progress: OnInProgress::default(),
            adopt_within: Policy::default().adopt_within,
            ids: Vec::new(),
            objects: 0,
            follow_up: None,
            replaces: Vec::new(),
            enforce: false,
        }
    }

    /// Method, path and body. Where the text holds ids of other resources, these are references: what is sent
    /// holds the ids.
    pub fn request(&self) -> &Request {
        &self.sent.request
    }

    /// Every request that it sends, in order.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        std::iter::once(self.request()).chain(self.follow_up.as_deref())
    }

    /// Returns what a creating call makes, as its request says it.
    pub fn created(&self) -> Option<&Call> {
        match &self.mutation {
            Mutation::Create(call) => Some(call),
            Mutation::Cancel { .. } | Mutation::Update { .. } => None,
        }
    }

    /// What a creating call does, for a reader: ids that are known, and words for others.
    pub fn shown(&self, by: &Address) -> Option<Call> {
        let call = self.created()?;
        let id = |name: &str| self.ids.iter().find(|p| p.of.to_string() == name);
        Some(call.with_references(|name| id(name).map(|p| p.shown(by))))
    }
}

/// Returns the calls among rows as a digest names them.
pub(super) fn digested<'a>(
    rows: impl IntoIterator<Item = &'a Change>,
) -> impl Iterator<Item = DigestedCall<'a>> {
    let calls = rows.into_iter().filter_map(|c| Some((c, c.call.as_deref()?)));
    calls.flat_map(|(c, planned)| {
        planned.requests().map(|request| DigestedCall {
            objects: planned.objects,
            look_alikes: &c.look_alikes,
            ..DigestedCall::new(&c.address, request)
        })
    })
}

/// Returns the digest of the calls among rows that stand in the order of their addresses.
pub fn digest_of<'a>(rows: impl Iterator<Item = &'a Change>) -> PlanDigest {
    PlanDigest::of(digested(rows))
}

/// The id of another resource in the text of a call.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedId {
    /// The resource.
    pub of: Address,
    /// Its id, if that was known when the plan was made; else it is known after the resource's own call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2e9da30d-27f6-4208-81f2-9cd3d67893ba")]
    pub id: Option<String>,
}

impl PlannedId {
    /// What a reader sees in a text of `by` in place of the reference.
    pub fn shown(&self, by: &Address) -> String {
        match &self.id {
            Some(id) => id.clone(),
            None => format!("(known after {})", self.called(by)),
        }
    }

    /// The reference that stands for it in the request, and what it is, for a reader.
    pub fn told(&self, by: &Address) -> String {
        let what = match &self.id {
            Some(id) => id.clone(),
            None => format!("known after {}", self.called(by)),
        };
        format!("{}: {what}", reference(&self.of.to_string()))
    }

    /// The name of the resource; without that of the incident that the two have in common.
    fn called(&self, by: &Address) -> String {
        let same = self.of.name().bytes().zip(by.name().bytes()).take_while(|(a, b)| a == b).count();
        match self.of.name().get(..same).and_then(|common| common.rfind('.')) {
            Some(dot) => self.of.name()[dot + 1..].to_owned(),
            None => self.of.to_string(),
        }
    }
}

/// The plan of a project or of a selection of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The state's lineage, or the one that the apply of this plan will give it.
    pub lineage: String,
    /// Of exactly the calls.
    pub digest: PlanDigest,
    /// When it was made, by our clock.
    pub created_at: jiff::Timestamp,
    /// One row per resource, by address. Rows of action `none` are included.
    pub changes: Vec<Change>,
    /// What concerns the plan as a whole.
    pub warnings: Vec<PlanWarning>,
    /// What the quotas will make of it.
    pub estimate: Estimate,
    /// Manifests that stand for several machines, by address.
    pub groups: Vec<Group>,
    /// The calls that create, seen as a whole; none if there are none.
    pub forecast: Option<Forecast>,
    /// Where it leads, if that was told to whoever is going to show it.
    pub destination: Option<Destination>,
}

impl Plan {
    /// How many rows of each action there are; actions without rows are left out.
    pub fn summary(&self) -> BTreeMap<Action, usize> {
        let mut counts = BTreeMap::new();
        for c in &self.changes {
            *counts.entry(c.action).or_default() += 1;
        }
        counts
    }

    /// How many resources it is about.
    pub fn resources(&self) -> usize {
        self.changes.len()
    }

    /// Every request that is sent, by resource; an alert that is created and triaged has two.
    pub fn requests(&self) -> impl Iterator<Item = (&Address, &Request)> {
        self.calls().flat_map(|(c, call)| call.requests().map(move |r| (&c.address, r)))
    }

    /// Returns what the plan needed to see and could not read. What it shows is not to be relied upon then.
    pub fn unread(&self) -> Vec<Unread> {
        let unread = |w: &PlanWarning| match w {
            PlanWarning::NotLooked { unread } => Some(unread.clone()),
            _ => None,
        };
        self.warnings.iter().filter_map(unread).collect()
    }

    /// Returns whether something was left out because it cannot be resolved: whoever asked for all of it has not got it.
    pub fn skips_unresolved(&self) -> bool {
        self.warnings.iter().any(|w| matches!(w, PlanWarning::Unresolved { .. }))
    }

    /// Rows with a call.
    pub fn calls(&self) -> impl Iterator<Item = (&Change, &PlannedCall)> {
        self.changes.iter().filter_map(|c| Some((c, c.call.as_deref()?)))
    }
}

/// The least time the quotas need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Whole seconds until the last call may leave, the service answering at once.
    pub seconds: u64,
    /// Calls per endpoint, by the quota's name in the project file.
    pub calls: BTreeMap<String, u64>,
}

impl Plan {
    /// Returns how many calls end what resources asked for, and how many resources there are, if these are most of them.
    pub fn removals(&self) -> Option<(usize, usize)> {
        self.warnings.iter().find_map(|w| match w {
            PlanWarning::Removals { calls, resources } => Some((*calls, *resources)),
            _ => None,
        })
    }
}
