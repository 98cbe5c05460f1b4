//! A drill: what a project would do, played against the simulated service on a clock that stands still until somebody
//! waits. Hours of quotas and pauses take seconds.
//!
//! ```text
//! manifests ── fleet ──▶ Scenario ── fault ──▶ Course ─┐
//! runbook ──── incident ──▶ values of an incident      ├── play ──▶ Played: moments, calls, state
//! project's settings ──────────────────────────────────┘
//! ```
//!
//! Planner, executor, journal and fetching are the real ones; the service, its devices and the time are made up. A drill
//! begins with an empty state, keeps it in memory, and asks nothing outside of this process. Not responsible for reading a
//! project (`session`, `manifest`) and for words (`render`).

mod fault;
mod fleet;
mod incident;
mod play;
mod sequence;
mod service;
mod step;

pub use fault::{Course, course};
pub use fleet::{Fleet, fleet};
pub use incident::{NoSample, multiplied, samples};
pub use play::{Drill, Played, play, without_takeovers};
pub use step::{Moment, Step};
