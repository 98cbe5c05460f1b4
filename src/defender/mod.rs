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
mod authorities;
mod client;
mod clock;
mod cloud;
mod download;
mod endpoint;
mod hosts;
mod http;
mod hunter;
mod hunting;
mod limiter;
mod portal;
mod quota;
mod read_error;
mod request;
mod retry;
mod secret;
mod time;
mod trace;
mod transport;
mod wire;

pub use crate::model::{Cloud, HuntingApi, RateLimit, Region};
pub use answer::{Accepted, Answer, ApiError, NotSent, Period, classify};
pub use authorities::{Authorities, AuthorityError};
pub use client::Client;
pub use clock::ClockOffset;
pub use cloud::{Service, ServiceError};
pub use download::{Chunks, Download, Downloads, HttpDownloads, Resume};
pub use endpoint::Endpoint;
pub use hosts::{AllowedHosts, Api, HostError, api_of_host, is_loopback};
pub use http::{BuildError, HttpOptions, HttpTransport, Network, http_client, is_direct, proxy_for};
pub use hunter::Hunter;
pub use hunting::{HuntError, Hunting};
pub use limiter::{LONGEST_NAP, RateLimiter, Slot};
pub use portal::{Portal, PortalLink};
pub use quota::{Next, Window};
pub use read_error::ReadError;
pub use request::{ActionFilter, PAGE, Read};
pub use retry::{LONGEST_RETRY, RetryPolicy};
pub use time::{Clock, Reading};
pub use trace::{LONGEST_BODY, TraceSink, Traced, TracedDownloads};
pub use transport::{ERROR_BODY_LIMIT, HttpAnswer, HttpCall, Stage, Transport, TransportError};
pub use wire::{Entity, PackageLink, Page, WireError, object};
