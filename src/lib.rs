//! Incident actions as code for Microsoft Defender for Endpoint.
#![warn(missing_docs)]

pub mod apply;
pub mod defender;
pub mod model;
pub mod plan;
pub mod state;
