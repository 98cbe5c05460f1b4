//! `validate`

use super::args::ValidateArgs;
use super::context::Context;
use super::exit::{Code, Error};

/// Not there yet.
pub fn run(_: &Context, _: &ValidateArgs) -> Result<Code, Error> {
    Err(Error::NotBuilt("validate"))
}
