//! Incident actions as code for Microsoft Defender for Endpoint.
#![warn(missing_docs)]

pub mod manifest;
pub mod model;
