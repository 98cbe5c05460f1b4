//! `status`

use super::args::StatusArgs;
use super::context::Context;
use super::exit::{Code, Error};

/// Not there yet.
pub fn run(_: &Context, _: &StatusArgs) -> Result<Code, Error> {
    Err(Error::NotBuilt("status"))
}
