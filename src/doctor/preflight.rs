//! A look at the token before a run starts: a run that must fail half-way is not begun.
//!
//! Only what is certain counts. Permissions of calls that change something are documented without doubt; those of
//! reads are not, and what the service does is believed there. A token that cannot be read says nothing.

use crate::defender::auth::Claims;
use crate::defender::{Api, Endpoint, api_of_host};

/// A reason for which a run must fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hopeless {
    /// The token is for something else.
    Audience {
        /// Its audience, as it says.
        found: String,
        /// The name of what that is.
        of: &'static str,
    },
    /// The token holds no permission that these calls need.
    Permission {
        /// The calls.
        endpoint: Endpoint,
        /// How many there are.
        calls: usize,
        /// The permission, by the name that an application or a user has for it.
        permission: &'static str,
    },
}

/// Audiences of other services that tokens are taken for by mistake. A scope or host of Defender is none of them, nor is
/// what nobody knows.
const OTHERS: [(&str, &str); 8] = [
    ("management.azure.com", "Azure Resource Manager"),
    ("management.core.windows.net", "Azure Resource Manager"),
    ("management.usgovcloudapi.net", "Azure Resource Manager"),
    ("management.core.usgovcloudapi.net", "Azure Resource Manager"),
    ("graph.windows.net", "the older Azure AD Graph"),
    ("00000002-0000-0000-c000-000000000000", "the older Azure AD Graph"),
    ("storage.azure.com", "Azure Storage"),
    ("userrequestsgraphapi-prd.trafficmanager.net", "the portal"),
];

/// Returns the service that an audience belongs to, if that is certainly not Defender.
pub fn other_service(audience: &str) -> Option<&'static str> {
    let place = audience.strip_prefix("https://").unwrap_or(audience);
    let place = place.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
    let api = [Api::Defender, Api::Graph, Api::Storage].into_iter().find(|api| api.application_id() == place);
    match api.or_else(|| api_of_host(&place)) {
        Some(Api::Defender) => None,
        Some(Api::Graph) => Some("Microsoft Graph"),
        Some(Api::Storage) => Some("Azure Storage"),
        None => OTHERS.iter().find(|(other, _)| *other == place).map(|(_, name)| *name),
    }
}

/// Judges a token by its audience, before anything is read with it.
pub fn wrong_audience(claims: &Claims) -> Option<Hopeless> {
    let found = claims.audience.as_deref()?;
    other_service(found).map(|of| Hopeless::Audience { found: found.to_owned(), of })
}

/// Judges a token by the calls that a plan has for each endpoint.
pub fn lacking(claims: &Claims, calls: &[(Endpoint, usize)]) -> Vec<Hopeless> {
    // A scope that is not one of the API's own, such as `user_impersonation`, does not say what the user may do.
    if claims.scopes.iter().any(|scope| !scope.contains('.')) {
        return Vec::new();
    }
    let of_user = claims.roles.is_empty() && !claims.scopes.is_empty();
    let held = |names: &[&str], held: &[String]| names.iter().any(|n| held.iter().any(|h| h == n));
    let lacks = calls.iter().filter(|(endpoint, calls)| {
        *calls > 0
            && endpoint.is_mutating()
            && !held(endpoint.roles(), &claims.roles)
            && !held(endpoint.scopes(), &claims.scopes)
    });
    let hopeless = lacks.map(|(endpoint, calls)| Hopeless::Permission {
        endpoint: *endpoint,
        calls: *calls,
        permission: if of_user { endpoint.scopes()[0] } else { endpoint.permission() },
    });
    hopeless.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_an_audience_that_is_certainly_another_one_counts() {
        for fine in [
            "https://api.securitycenter.microsoft.com",
            "https://api.security.microsoft.com/",
            "https://securitycenter.onmicrosoft.com/windowsatpservice",
            "https://api-gcc.securitycenter.microsoft.us",
            "fc780465-2017-40d4-a0c5-307022471b92",
            "https://gateway.example",
            "",
        ] {
            assert_eq!(other_service(fine), None, "{fine}");
        }
        for (other, of) in [
            ("https://graph.microsoft.com", "Microsoft Graph"),
            ("https://GRAPH.microsoft.us/", "Microsoft Graph"),
            ("00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
            ("https://management.core.windows.net/", "Azure Resource Manager"),
            ("https://storage.azure.com", "Azure Storage"),
            ("https://userrequestsgraphapi-prd.trafficmanager.net", "the portal"),
        ] {
            assert_eq!(other_service(other), Some(of), "{other}");
            let claims = Claims { audience: Some(other.into()), ..Claims::default() };
            let found = other.to_owned();
            assert_eq!(wrong_audience(&claims), Some(Hopeless::Audience { found, of }));
        }
        assert_eq!(wrong_audience(&Claims::default()), None);
    }

    #[test]
    fn calls_need_their_permission_and_reads_are_tried() {
        let plan = [
            (Endpoint::Collect, 3),
            (Endpoint::CreateAlert, 1),
            (Endpoint::PatchAlert, 0),
            (Endpoint::ListActions, 9),
        ];
        let of = |roles: &[&str], scopes: &[&str]| {
            let claims = Claims { roles: texts(roles), scopes: texts(scopes), ..Claims::default() };
            lacking(&claims, &plan)
        };
        let missing = |endpoint, calls, permission| Hopeless::Permission { endpoint, calls, permission };
        assert_eq!(of(&["Machine.CollectForensics", "Alert.ReadWrite.All"], &[]), []);
        let alert = missing(Endpoint::CreateAlert, 1, "Alert.ReadWrite.All");
        assert_eq!(of(&["Machine.CollectForensics"], &[]), [alert]);
        let alert = missing(Endpoint::CreateAlert, 1, "Alert.ReadWrite");
        assert_eq!(of(&[], &["Machine.CollectForensics"]), [alert]);
        assert_eq!(of(&[], &["user_impersonation"]), [], "it does not say what the user may do");
        assert_eq!(of(&[], &[]).len(), 2, "no permission was granted at all");
    }
}
