//! The quota that a recorded call counts against.

use crate::defender::{Endpoint, RateLimiter};
use crate::model::Kind;
use crate::state::{CallAction, QuotaUsage};

/// Returns the endpoint of a call by its action and the kind of its resource.
pub fn endpoint_of(action: CallAction, kind: Kind) -> Endpoint {
    match (action, kind) {
        (CallAction::Cancel, _) => Endpoint::CancelAction,
        (CallAction::Update | CallAction::Resolve, _) => Endpoint::PatchAlert,
        (_, Kind::InvestigationPackage) => Endpoint::Collect,
        (_, Kind::Alert) => Endpoint::CreateAlert,
    }
}

/// Counts the calls of earlier runs: they share the service's hour.
pub fn seed(limiter: &RateLimiter, spent: &[QuotaUsage]) {
    for s in spent {
        let endpoint = if s.is_link { Endpoint::PackageUri } else { endpoint_of(s.action, s.kind) };
        limiter.seed(endpoint, s.at, s.blocked_until);
    }
}
