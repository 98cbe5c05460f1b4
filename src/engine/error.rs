//! Why a run cannot go on.

use std::sync::Arc;

use crate::defender::auth::AuthError;
use crate::model::Address;
use crate::plan::targets::TargetError;
use crate::plan::{Stale, Unread, names};
use crate::state::StoreError;

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No token: nothing can be looked at or sent.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The journal cannot be written: nothing more is sent.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// The state belongs to another cloud or tenant.
    #[error("the state belongs to {state}, this run to {run}")]
    OtherTenant {
        /// The owner of the state.
        state: String,
        /// The owner of the run.
        run: String,
    },
    /// The state belongs to a project of another name.
    #[error("the state belongs to the project {state}, this run is of {project}")]
    OtherProject {
        /// The name that the state remembers.
        state: String,
        /// The name of the run's project.
        project: String,
    },
    /// An empty state, and the list that would show whether it was lost cannot be read.
    #[error("the state is empty, and what would show earlier actions cannot be read: {}", reasons(.0))]
    Blind(Vec<Unread>),
    /// The run has to see something that cannot be read.
    #[error("what has to be seen cannot be read: {}", reasons(.0))]
    Unread(Vec<Unread>),
    /// A refresh contradicted the state.
    #[error("the refresh does not fit the state: {0}")]
    Fold(#[from] crate::state::FoldError),
    /// A saved plan does not fit the state any more, or never did.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// A saved plan was made for another cloud or tenant.
    #[error("the plan was made for {plan}, this run is for {run}")]
    OtherPlace {
        /// The place that the plan looked at.
        plan: String,
        /// The owner of the run.
        run: String,
    },
    /// Names and tags of manifests that mean no machine or several, or could not be looked up.
    #[error("{}", unresolved(.0))]
    Unresolved(Vec<TargetError>),
    /// The typed address means no resource.
    #[error(transparent)]
    Mistyped(#[from] Mistyped),
    /// A person asked the run to stop before anything was sent.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// Returns whether another run has marked itself on a shared state first: nothing was sent, and nothing recorded.
    pub fn is_overtaken(&self) -> bool {
        matches!(self, RunError::Store(e) if matches!(**e, StoreError::Locked { .. }))
    }
}

/// Reasons in one line.
fn reasons(unread: &[Unread]) -> String {
    let one = |u: &Unread| {
        let what: Vec<&str> = u.what.iter().copied().collect();
        format!("{}: {}", what.join(", "), u.why)
    };
    unread.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Why what a person typed means no resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistyped {
    /// It fits several.
    #[error(transparent)]
    Ambiguous(#[from] names::Ambiguous),
    /// A bare word is no name of anything.
    #[error("the state holds no machine and no resource of the name {0}")]
    Unknown(String),
    /// The manifest stands for several machines.
    #[error("{0} stands for several machines: name one of them as {0}[NAME]")]
    Group(Address),
    /// No machine of the group has this name or id.
    #[error("no manifest declares {0}")]
    NotDeclared(Address),
}

impl From<names::NameError> for Mistyped {
    fn from(e: names::NameError) -> Self {
        match e {
            names::NameError::Ambiguous(e) => Mistyped::Ambiguous(e),
            names::NameError::Unknown(word) => Mistyped::Unknown(word),
        }
    }
}

/// The sentence that a run ends with when names cannot be resolved.
fn unresolved(errors: &[TargetError]) -> String {
    match errors.len() {
        1 => "the machine of 1 place cannot be told".to_owned(),
        n => format!("the machines of {n} places cannot be told"),
    }
}
