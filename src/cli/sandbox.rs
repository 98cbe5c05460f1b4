//! `sandbox`

use super::args::SandboxArgs;
use super::context::Context;
use super::exit::{Code, Error};

/// Not there yet.
pub fn run(_: &Context, _: &SandboxArgs) -> Result<Code, Error> {
    Err(Error::NotBuilt("sandbox"))
}
