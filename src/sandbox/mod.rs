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
//! tokens (any non-empty bearer will do, an expired JWT will not), the language of hunting queries (results
//! are looked up by the query's text), batch updates, roles.

mod actions;
mod alerts;
mod control;
mod effect;
mod faults;
mod fleet;
mod http;
mod hunting;
mod machines;
mod message;
mod odata;
mod package;
mod quota;
mod route;
mod scenario;
mod store;
mod wire;
mod world;

pub use effect::{Effect, EffectKind, Origin};
pub use http::{Clock, ServeOptions, Server, serve};
pub use hunting::{CannedColumn, CannedQuery};
pub use message::{Delivery, HttpRequest, HttpResponse};
pub use quota::{Limit, Throttling};
pub use route::Endpoint;
pub use scenario::{
    Collection, Delays, Event, Events, FaultRule, Foreign, Lists, MachineSpec, Machines, Packages, Scenario,
    ScenarioError, Seconds, Then,
};
pub use world::{World, WorldError};
