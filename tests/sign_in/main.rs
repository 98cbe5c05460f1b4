//! The binary signs in and calls as it does against the real clouds: by the names of the real hosts and over TLS. A proxy
//! on loopback leads every host to a server of the test, whose certificate is trusted by a setting alone.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests write their own files, serve on loopback and start the binary"
)]

#[expect(dead_code, reason = "most of it is for states in object storage")]
#[path = "../objects/server.rs"]
mod bucket;
mod clouds;
mod credentials;
mod document;
mod lab;
mod networks;
mod proxy;
#[path = "../cli/sandbox.rs"]
mod sandbox;
mod server;
