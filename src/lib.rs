//! Incident actions as code for Microsoft Defender for Endpoint.
#![warn(missing_docs)]

pub mod apply;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod render;
pub mod state;
