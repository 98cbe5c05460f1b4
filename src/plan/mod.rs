//! The pure core: which calls are missing, and why.
//!
//! Responsible for the decision table of `docs/reconciliation.md` as one total function, for matching
//! unknown outcomes with what the service shows, for warnings, guard rails and the plan digest. A function of
//! values: it never sees YAML, HTTP, a clock or a terminal, and execution makes no choices of its own.
//!
//! A run asks [`need`] what to look at, folds [`absorb`]'s records into the state, and calls [`plan`].

mod action;
mod build;
mod calls;
mod cancel;
mod change;
mod comparison;
mod destination;
mod differing;
mod explain;
mod facts;
mod forecast;
mod gather;
mod identity;
mod incidents;
mod input;
mod machines;
mod marker;
pub mod names;
mod observed;
mod passes;
mod planner;
mod reason;
mod refresh;
pub mod saved;
mod selector;
mod settings;
mod surgery;
mod table;
pub mod targets;
mod triage;
mod unread;
mod warn;
mod warning;

pub use action::Action;
pub use build::plan;
pub use cancel::cancel;
pub use change::{Change, Estimate, Plan, PlannedCall, PlannedId, digest_of};
pub use comparison::View;
pub use destination::Destination;
pub use differing::{Difference, differing};
pub use facts::{
    Busy, Facts, Importing, Lookup, Moving, OnUnknown, Removal, Rename, Running, TriageStanding,
};
pub use forecast::{Forecast, MachineFacts, RECENT, Share, Typical};
pub use identity::IdIndex;
pub use identity::look_alike::{LookAlike, asks_by_itself, look_alikes, unexpected};
pub use identity::recheck::still_absent;
pub use incidents::{Deviating, HeldBack, Incidents};
pub use input::Input;
pub use machines::{Machines, NameGap, Named};
pub use marker::has_external_id;
pub use observed::{Actions, Observed};
pub use passes::estimate::last_call;
pub use passes::forecast::machines as machines_of_calls;
pub use passes::guard::{self, Allowed, Held, held, over_limits, removals, unnamed};
pub use passes::order::is_met;
pub use passes::references::id_of;
pub use reason::{Obstacle, Reason, TriageLeft};
pub use refresh::{Need, absorb, need};
pub use saved::{SavedError, SavedPlan, Stale};
pub use selector::{Miss, Selector, SelectorError};
pub use settings::{CLOCK_TOLERANCE, Guards, LOOK_BACK, PlanLimits, RateLimits, Recovery, Settings};
pub use surgery::{ImportRefusal, MoveRefusal, import_of_action, import_of_alert, imported};
pub use table::{Row, decide};
pub use targets::{
    Candidate, Drift, EventGap, Group, Inventory, Left, NotListed, Resolved, SealedMachine, TargetError,
    Targets, Templates, Unresolved, Wanted,
};
pub use triage::undoes_nothing;
pub use unread::Unread;
pub use warning::{LimitApproval, PlanWarning, Warning};
