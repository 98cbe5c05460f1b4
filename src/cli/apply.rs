//! `apply`

use super::args::ApplyArgs;
use super::context::Context;
use super::exit::{Code, Error};

/// Not there yet.
pub fn run(_: &Context, _: &ApplyArgs) -> Result<Code, Error> {
    Err(Error::NotBuilt("apply"))
}
