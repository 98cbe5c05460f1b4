//! Incident actions as code for Microsoft Defender for Endpoint.
//!
//! A project declares packages to collect and alerts to raise. The state says what was asked for, the service what
//! became of it; a plan is the difference, and the engine carries it out.
//!
//! ```text
//! YAML ───────── manifest ──▶ Desired ──┐
//! state, journal ── state ──▶ State ────┼── plan ──▶ Plan ──▶ render, seal
//! service ──── defender ────▶ Observed ─┘              │
//!                                                      ▼
//!               engine: intent ▶ journal ▶ call ▶ outcome ▶ journal ▶ State ▶ snapshot
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`model`] | nouns as types, each enumeration once; every call that changes something, built and read back |
//! | [`manifest`] | from YAML to desired resources, with places for every message |
//! | [`state`] | the journal, and the state as its fold |
//! | [`plan`] | the pure core: the decision table, and passes over its rows |
//! | [`defender`] | the API as a client |
//! | [`evidence`] | packages as files: fetched, hashed, looked into, held |
//! | [`engine`] | looks at the service, carries plans out, and fetches packages |
//! | [`report`] | what there is to show for an incident, as facts |
//! | [`doctor`] | whether a project can do its work against its service, as rules |
//! | [`render`] | plans, events, reports and diagnostics as text, JSON, HTML and Markdown |
//! | [`seal`] | reviewed calls as files |
//! | [`draft`] | drafts of manifests for what the service shows |
//! | [`drill`] | a project against the simulated service, on virtual time |
//! | [`session`] | a project as a program uses it: planned, and applied as it was planned |
//! | [`sandbox`] | the simulated service |
//! | [`files`] | files that somebody may have planted |
//! | `platform` | what operating systems do differently |
//! | [`cli`] | arguments, environment, terminal and exit codes |
//!
//! Who may use whom stands in `docs/architecture.md`, and a test holds it. `examples/embed.rs` plans and applies a
//! project. A plan is a function of values:
//!
//! ```
//! use casefile::model::{Address, Call, Desired, Kind, Source};
//! use casefile::plan::{Action, Input, Observed, Settings, plan};
//! use casefile::state::State;
//!
//! let machine_id = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07".parse()?;
//! let call = Call::collect(machine_id, "INC-2042");
//! let source = Source { file: "manifests/fin-ws-042.yaml".into(), line: 1 };
//! let address = Address::new(Kind::InvestigationPackage, "fin-ws-042");
//! let plan = plan(&Input {
//!     desired: &[Desired::new(address, source, call, 1)],
//!     selected: None,
//!     replace: &Default::default(),
//!     state: &State::default(),
//!     observed: &Observed::default(),
//!     settings: &Settings::at("2026-03-01T08:00:00Z".parse()?),
//! });
//! assert_eq!(plan.changes[0].action, Action::Create);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests write their own files and read the clock")
)]

pub mod cli;
pub mod defender;
pub mod doctor;
pub mod draft;
pub mod drill;
pub mod engine;
pub mod evidence;
pub mod files;
pub mod manifest;
pub mod model;
pub mod plan;
pub(crate) mod platform;
pub mod render;
pub mod report;
pub mod sandbox;
pub mod seal;
pub mod session;
pub mod state;

/// The stack of every thread that is started, in bytes: RUST_MIN_STACK could ask for one that is too small.
pub(crate) const THREAD_STACK: usize = 2 * 1024 * 1024;
