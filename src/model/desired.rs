//! What the manifests ask for, after validation: one value per resource.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Approval, Call, Dependency, Request, RequestDigest, Sha256Hex, Span, Sparse, Triage};

/// A declared resource, ready to be planned.
#[derive(Clone, Debug)]
pub struct Desired {
    /// `Kind/metadata.name`.
    pub address: Address,
    /// `metadata.labels`.
    pub labels: Sparse<BTreeMap<String, String>>,
    /// Where it stands: its own manifest, or the incident that it is expanded for.
    pub source: Source,
    /// The 1-based column of its name in that line; 1 if it is expanded.
    pub column: u32,
    /// The runbook's template that it comes from, if it is expanded for an incident.
    pub expanded: Sparse<Option<Expansion>>,
    /// Target and text.
    pub call: Call,
    /// Of [`request`](Self::request) and `revision`.
    pub digest: RequestDigest,
    /// `spec.revision`: a new one asks again.
    pub revision: u32,
    /// How to go on after a failure, a busy machine.
    pub policy: Policy,
    /// `spec.triage` of an alert.
    pub triage: Sparse<Option<Triage>>,
    /// `lifecycle.onRemove`.
    pub on_remove: OnRemove,
    /// `spec.approve`.
    pub approve: Sparse<Option<Approval>>,
    /// `dependsOn`: whose calls come first, by address.
    pub depends_on: Sparse<Vec<Dependency>>,
    /// The name under which the machine is asked, where the manifest names no id.
    pub machine_name: Sparse<Option<Arc<str>>>,
    /// [`super::HuntingQuery::digest`] of the query that found the event; none if there was no query, or if which one
    /// it was is not known.
    pub query: Sparse<Option<Sha256Hex>>,
    /// `import`, `moved` and `replace`. No part of any request, so they can be removed once they are done.
    pub surgery: Sparse<Option<Surgery>>,
}

/// The word of a manifest about what is there already: an object at the service, or a record under an old name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surgery {
    /// `import.id`: the object that the resource takes over.
    pub import: Option<String>,
    /// `moved.from`: the address that the resource had before.
    pub moved_from: Option<Address>,
    /// `replace.id`: the object that keeps the resource from being asked for no longer.
    pub replace: Option<String>,
}

impl Desired {
    /// A resource with the defaults for all that is optional.
    pub fn new(address: Address, source: Source, call: Call, revision: u32) -> Self {
        Desired {
            address,
            labels: Sparse::default(),
            source,
            column: 1,
            expanded: Sparse::default(),
            digest: call.digest(revision),
            call,
            revision,
            policy: Policy::default(),
            triage: Sparse::default(),
            on_remove: OnRemove::default(),
            approve: Sparse::default(),
            depends_on: Sparse::default(),
            machine_name: Sparse::default(),
            query: Sparse::default(),
            surgery: Sparse::default(),
        }
    }

    /// Returns the id of `import`.
    pub fn import(&self) -> Option<&str> {
        self.surgery.as_ref()?.import.as_deref()
    }

    /// Returns the address of `moved`.
    pub fn moved_from(&self) -> Option<&Address> {
        self.surgery.as_ref()?.moved_from.as_ref()
    }

    /// Returns the id of `replace`.
    pub fn replace(&self) -> Option<&str> {
        self.surgery.as_ref()?.replace.as_deref()
    }

    /// The creating request, byte for byte. Made when it is asked for: most resources of most plans are done.
    pub fn request(&self) -> Request {
        self.call.request()
    }

    /// Puts another call in place of its own.
    pub fn set_call(&mut self, call: Call) {
        self.digest = call.digest(self.revision);
        self.call = call;
    }
}

/// A place in a project: the file relative to the project folder, and the 1-based line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Relative to the project folder, with `/`.
    pub file: Arc<str>,
    /// 1-based.
    pub line: u32,
}

/// Where an expanded resource comes from, besides its incident's manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expansion {
    /// `metadata.name` of the incident.
    pub incident: Arc<str>,
    /// The template's place in its runbook; none if the resource comes from a seal and the runbook has no such
    /// template any more.
    pub source: Option<Source>,
}

/// How often and when a failed call may be repeated, and what a busy machine means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many of our own attempts may fail. Default 3.
    pub max_attempts: u32,
    /// The manifest says how many. Where it does not, a collection that has timed out twice is not repeated:
    /// what makes it time out does not go away by itself.
    pub attempts_written: bool,
    /// How long after a failure the next attempt waits. Default 10 minutes.
    pub retry_after: Span,
    /// What to do with a collection of somebody else on that machine.
    pub on_in_progress: OnInProgress,
    /// How old such a collection may be to be adopted. Default 1 hour.
    pub adopt_within: Span,
}

impl Policy {
    /// Returns whether a collection may be asked for once more, after so many failed attempts, of which so many timed out.
    pub fn allows(&self, attempts: u32, time_outs: u32) -> bool {
        attempts < self.max_attempts && (self.attempts_written || time_outs < TIME_OUTS)
    }
}

/// So many time-outs of one resource say that another attempt will time out too.
const TIME_OUTS: u32 = 2;

impl Default for Policy {
    fn default() -> Self {
        Policy {
            max_attempts: 3,
            attempts_written: false,
            retry_after: Span::from_secs(600),
            on_in_progress: OnInProgress::Adopt,
            adopt_within: Span::from_secs(3600),
        }
    }
}

/// What to do when somebody else's collection is running on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnInProgress {
    /// Take the running collection as this resource's own, if it is recent enough.
    #[default]
    Adopt,
    /// Wait for it to end, then ask.
    Wait,
    /// Report it as an unresolved row.
    Fail,
}

/// What happens at the service when a manifest is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnRemove {
    /// Nothing: the object stays, the state remembers it.
    #[default]
    Retain,
    /// An active collection is cancelled.
    Cancel,
    /// An alert is resolved.
    Resolve,
}
