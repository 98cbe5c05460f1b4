//! Incident actions as code for Microsoft Defender for Endpoint.
#![warn(missing_docs)]

pub mod apply;
pub mod defender;
pub mod manifest;
pub mod model;
pub mod observe;
pub mod plan;
pub mod render;
pub mod sandbox;
pub mod state;
