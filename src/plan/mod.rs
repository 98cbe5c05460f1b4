//! The pure core: which calls are missing, and why.
//!
//! Responsible for the decision table of `docs/reconciliation.md` as one total function, for matching
//! unknown outcomes with what the service shows, for warnings, guard rails and the plan digest. A function of
//! values: it never sees YAML, HTTP, a clock or a terminal, and execution makes no choices of its own.
//!
//! A run asks [`need`] what to look at, folds [`absorb`]'s records into the state, and calls [`plan`].

mod alike;
mod asked;
mod build;
mod calls;
mod change;
mod decide;
mod destination;
mod differing;
mod estimate;
pub mod foresight;
pub mod guard;
mod incidents;
mod lookup;
mod machines;
mod mark;
pub mod names;
mod observed;
mod order;
mod references;
mod refresh;
mod rename;
pub mod saved;
mod see;
mod selector;
mod settings;
pub mod targets;
mod triage;
mod view;
mod warn;
mod why;

pub use alike::{LookAlike, asks_by_itself, look_alikes, unexpected};
pub use asked::cancel;
pub use build::{Input, plan};
pub use change::{
    Action, Change, Estimate, Plan, PlanWarning, PlannedCall, PlannedId, Reason, TriageLeft, View, Warning,
    digest_of, origin_of,
};
pub use decide::{Busy, Facts, Lookup, OnUnknown, Removal, Rename, Row, Running, TriageStanding, decide};
pub use destination::Destination;
pub use differing::{Difference, differing};
pub use estimate::last_call;
pub use foresight::{MachineFacts, Outlook, Share, Typical};
pub use guard::{Allowed, Guards, Held, LimitApproval, NameGap, held, over_limits, removals, unnamed};
pub use incidents::{Deviating, HeldBack, Incidents};
pub use lookup::{KnownIds, still_absent};
pub use machines::{Machines, Named};
pub use observed::{Actions, Observed, Unread};
pub use order::{Obstacle, is_met};
pub use references::id_of;
pub use refresh::{Need, absorb, need};
pub use saved::{SavedError, SavedPlan, Stale};
pub use selector::{Selector, SelectorError};
pub use settings::{CLOCK_TOLERANCE, LOOK_BACK, Limits, Quota, Quotas, Recovery, Settings};
pub use targets::{
    Candidate, Drift, EventGap, Group, Inventory, Left, NotListed, Resolved, SealedMachine, TargetError,
    Targets, Templates, Unresolved, Wanted,
};
pub use triage::undoes_nothing;
