//! The API client for Microsoft Defender for Endpoint, and for hunting through Microsoft Graph.
//!
//! Responsible for hosts and tokens, for requests and answers as values, for quotas, for repeating reads,
//! and for saying exactly what the answer to a mutating call means. Not responsible for deciding which
//! call to make or for recording it: plans, journals and states are unknown here.
//!
//! A mutating call is sent once. It is repeated only after a 401, with a renewed token: everything else
//! that is repeated has to be in the caller's journal first.

mod answer;
pub mod auth;
mod client;
mod clock;
mod cloud;
mod endpoint;
mod gate;
mod hosts;
mod http;
mod hunting;
mod quota;
mod request;
mod time;
mod transport;
mod wire;

pub use answer::{Accepted, Answer, ApiError, NotSent, Period, classify};
pub use client::{Client, Patience, ReadError};
pub use clock::ClockOffset;
pub use cloud::{Api, Cloud, Region, Service, ServiceError};
pub use endpoint::{Endpoint, Limits};
pub use gate::{LONGEST_NAP, Quotas, Slot};
pub use hosts::{AllowedHosts, HostError};
pub use http::{HttpOptions, HttpTransport};
pub use hunting::{HuntError, Hunter, HuntingApi};
pub use quota::{Next, Window};
pub use request::{ActionFilter, PAGE, Read};
pub use time::{Clock, Reading};
pub use transport::{ERROR_BODY_LIMIT, HttpAnswer, HttpCall, Stage, Transport, TransportError};
pub use wire::{Entity, PackageLink, Page, WireError, object};
