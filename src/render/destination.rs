//! Where a plan leads, in words.

use crate::plan::Destination;

/// Cloud, hosts and tenant, in one line; none if they are those that every project has.
pub fn destination(to: &Destination) -> Option<String> {
    if to.is_default {
        return None;
    }
    let mut parts = vec![match &to.host {
        None => format!("cloud {}, simulated on this computer", to.cloud),
        Some(host) => format!("cloud {}, host {host}", to.cloud),
    }];
    parts.extend(to.graph_host.as_ref().map(|host| format!("Microsoft Graph at {host}")));
    parts.extend(to.tenant.as_ref().map(|tenant| format!("tenant {tenant}")));
    Some(parts.join(", "))
}
