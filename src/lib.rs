//! Incident actions as code for Microsoft Defender for Endpoint.
#![warn(missing_docs)]

pub mod apply;
pub mod cli;
pub mod model;
pub mod plan;
pub mod state;
