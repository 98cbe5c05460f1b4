//! `plan`

use super::args::PlanArgs;
use super::context::Context;
use super::exit::{Code, Error};

/// Not there yet.
pub fn run(_: &Context, _: &PlanArgs) -> Result<Code, Error> {
    Err(Error::NotBuilt("plan"))
}
