//! The pure core: which calls are missing, and why.
//!
//! Responsible for the decision table of `docs/reconciliation.md` as one total function, for matching
//! unknown outcomes with what the service shows, for warnings, limits and the plan digest. A function of
//! values: it never sees YAML, HTTP, a clock or a terminal, and execution makes no choices of its own.

mod change;
mod observed;

pub use change::{
    Action, Change, Estimate, Plan, PlanWarning, PlannedCall, Reason, View, Warning, origin_of,
};
pub use observed::{Actions, Observed};
