//! `state list`, `state show`

use super::args::StateShowArgs;
use super::context::Context;
use super::exit::{Code, Error};

/// Not there yet.
pub fn list(_: &Context) -> Result<Code, Error> {
    Err(Error::NotBuilt("state list"))
}

/// Not there yet.
pub fn show(_: &Context, _: &StateShowArgs) -> Result<Code, Error> {
    Err(Error::NotBuilt("state show"))
}
