//! The Defender for Endpoint service, simulated: try the tool without an account, and test it against
//! real HTTP.
//!
//! [`World`] is a pure state machine: requests and points in time go in, answers come out, the same
//! inputs give the same bytes. [`serve`] puts it behind a loopback port and keeps it in a file.
//! Only `model` is used here, and of it only the nouns: no request is built, no plan made, no reply
//! read by the code under test, so its mistakes cannot hide behind the same mistakes here.
//!
//! Rules come from Microsoft's documentation and from replies seen in the field. Where neither says
//! anything, the choice is named in a comment, and a [`Scenario`] can often change it. Not simulated:
//! signatures of tokens, the language of hunting queries (results are looked up by the query's text), indicators,
//! software and vulnerabilities, live response, incidents.

mod actions;
mod alerts;
mod control;
mod effect;
mod endpoint;
mod faults;
mod fleet;
mod gzip;
mod http;
mod hunting;
mod machines;
mod message;
mod metadata;
mod odata;
mod package;
mod quota;
mod related;
mod replay;
mod respond;
mod route;
mod scenario;
mod store;
mod token;
mod triage;
mod wire;
mod world;

pub use effect::{Effect, EffectKind, Origin};
pub use endpoint::Endpoint;
pub use http::{Clock, ServeOptions, Server, serve, serve_replay};
pub use hunting::{CannedColumn, CannedQuery};
pub use message::{Delivery, HttpRequest, HttpResponse};
pub use quota::{Limit, Throttling};
pub use replay::{Replay, ReplayError};
pub use scenario::{
    ActionReplies, Collection, Delays, Event, Events, ExternalIds, FaultRule, Foreign, Lists, MachineSpec,
    Machines, Packages, Scenario, ScenarioError, Seconds, Then,
};
pub use world::{World, WorldError};
