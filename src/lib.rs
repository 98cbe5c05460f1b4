//! Incident actions as code for Microsoft Defender for Endpoint.
#![warn(missing_docs)]

pub mod model;
pub mod sandbox;
