//! The part of `doctor` that an apply begins with: what the token says of itself, before anything is sent.

use std::collections::BTreeMap;

use super::exit::Error;
use crate::defender::Endpoint;
use crate::defender::auth::Claims;
use crate::doctor::{Hopeless, lacking, wrong_audience};
use crate::model::{Mutation, quota_calls};
use crate::plan::Plan;
use crate::render::messages::plural;

/// Refuses a token that is for something else, before anything is read with it.
pub fn audience(claims: Option<&Claims>) -> Result<(), Error> {
    refused(claims.and_then(wrong_audience).into_iter().collect())
}

/// Refuses a plan whose calls need a permission that the token does not hold.
pub fn calls(claims: Option<&Claims>, plan: &Plan) -> Result<(), Error> {
    let Some(claims) = claims else { return Ok(()) };
    let mut calls: BTreeMap<Endpoint, usize> = BTreeMap::new();
    for mutation in plan.requests().filter_map(|(_, request)| Mutation::of(request)) {
        *calls.entry(Endpoint::of(&mutation)).or_default() += 1;
    }
    refused(lacking(claims, &calls.into_iter().collect::<Vec<_>>()))
}

fn refused(reasons: Vec<Hopeless>) -> Result<(), Error> {
    let row = |reason: &Hopeless| match reason {
        Hopeless::Audience { found, of } => format!("the token is for {of} ({found}), not for Defender"),
        Hopeless::Permission { endpoint, calls, permission } => format!(
            "the token does not hold {permission}, needed for {} ({})",
            quota_calls(endpoint.quota_name()),
            plural(*calls, "call")
        ),
    };
    match &*reasons {
        [] => Ok(()),
        reasons => Err(Error::Hopeless(reasons.iter().map(row).collect())),
    }
}
