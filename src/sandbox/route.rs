//! From a path to an endpoint: which ones exist, which method they take, what the path names.

use std::fmt;

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The simulated endpoints, as scenarios and counts name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Endpoint {
    /// `POST /api/machines/{id}/collectInvestigationPackage`
    Collect,
    /// `GET /api/machineactions`
    ListActions,
    /// `GET /api/machineactions/{id}`
    GetAction,
    /// `POST /api/machineactions/{id}/cancel`
    CancelAction,
    /// `GET /api/machineactions/{id}/getPackageUri`
    PackageUri,
    /// `GET` of the link that getPackageUri gives; takes no token.
    Download,
    /// `POST /api/alerts/CreateAlertByReference`
    CreateAlert,
    /// `GET /api/alerts`
    ListAlerts,
    /// `GET /api/alerts/{id}`
    GetAlert,
    /// `PATCH /api/alerts/{id}`
    UpdateAlert,
    /// `GET /api/machines/{id}/alerts`
    MachineAlerts,
    /// `GET /api/machines`
    ListMachines,
    /// `GET /api/machines/{id}`
    GetMachine,
    /// `GET /api/machines/findbytag`
    FindByTag,
    /// `POST /api/advancedqueries/run`
    Hunt,
    /// `POST /v1.0/security/runHuntingQuery` of Microsoft Graph
    GraphHunt,
}

impl Endpoint {
    /// The name that scenarios use.
    pub fn as_str(self) -> &'static str {
        match self {
            Endpoint::Collect => "collect",
            Endpoint::ListActions => "listActions",
            Endpoint::GetAction => "getAction",
            Endpoint::CancelAction => "cancelAction",
            Endpoint::PackageUri => "packageUri",
            Endpoint::Download => "download",
            Endpoint::CreateAlert => "createAlert",
            Endpoint::ListAlerts => "listAlerts",
            Endpoint::GetAlert => "getAlert",
            Endpoint::UpdateAlert => "updateAlert",
            Endpoint::MachineAlerts => "machineAlerts",
            Endpoint::ListMachines => "listMachines",
            Endpoint::GetMachine => "getMachine",
            Endpoint::FindByTag => "findByTag",
            Endpoint::Hunt => "hunt",
            Endpoint::GraphHunt => "graphHunt",
        }
    }

    /// Returns whether it answers with a list.
    pub fn is_list(self) -> bool {
        use Endpoint::*;
        matches!(self, ListActions | ListAlerts | MachineAlerts | ListMachines | FindByTag)
    }

    /// Whether a call can change the service's objects.
    pub fn is_mutating(self) -> bool {
        matches!(
            self,
            Endpoint::Collect | Endpoint::CancelAction | Endpoint::CreateAlert | Endpoint::UpdateAlert
        )
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An endpoint and the id in its path (decoded; empty where there is none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub endpoint: Endpoint,
    pub id: String,
}

/// Why a path and method lead nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// No such path.
    Path,
    /// The path exists and takes these methods.
    Method(&'static str),
}

/// The path of the download link.
pub(super) const DOWNLOAD: &str = "/safedownload/WDATP_Investigation_Package.zip";

/// Finds the endpoint. Path segments are compared without regard to case; a version may stand behind
/// `/api`.
pub(super) fn route(method: &str, path: &str) -> Result<Route, NoRoute> {
    use Endpoint::*;

    if path.eq_ignore_ascii_case(DOWNLOAD) {
        return match method {
            "GET" | "HEAD" => Ok(Route { endpoint: Download, id: String::new() }),
            _ => Err(NoRoute::Method("GET, HEAD")),
        };
    }
    let segments: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(|s| percent_decode_str(s).decode_utf8_lossy().into_owned())
        .collect();
    let lower: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let mut names: Vec<&str> = lower.iter().map(String::as_str).collect();
    let mut skipped = 1;
    if names == ["v1.0", "security", "runhuntingquery"] {
        return match method {
            "POST" => Ok(Route { endpoint: GraphHunt, id: String::new() }),
            _ => Err(NoRoute::Method("POST")),
        };
    }
    if names.first() != Some(&"api") {
        return Err(NoRoute::Path);
    }
    names.remove(0);
    if names.first() == Some(&"v1.0") {
        names.remove(0);
        skipped = 2;
    }
    let choices: &[(&str, Endpoint)] = match names.as_slice() {
        ["machineactions"] => &[("GET", ListActions)],
        ["machineactions", _] => &[("GET", GetAction)],
        ["machineactions", _, "cancel"] => &[("POST", CancelAction)],
        ["machineactions", _, "getpackageuri"] => &[("GET", PackageUri)],
        ["machines"] => &[("GET", ListMachines)],
        ["machines", "findbytag"] => &[("GET", FindByTag)],
        ["machines", _] => &[("GET", GetMachine)],
        ["machines", _, "collectinvestigationpackage"] => &[("POST", Collect)],
        ["machines", _, "alerts"] => &[("GET", MachineAlerts)],
        ["alerts"] => &[("GET", ListAlerts)],
        ["alerts", "createalertbyreference"] => &[("POST", CreateAlert)],
        ["advancedqueries", "run"] => &[("POST", Hunt)],
        ["alerts", _] => &[("GET", GetAlert), ("PATCH", UpdateAlert)],
        _ => return Err(NoRoute::Path),
    };
    let Some((_, endpoint)) = choices.iter().find(|(m, _)| *m == method) else {
        return Err(NoRoute::Method(match choices {
            [("GET", _)] => "GET",
            [("POST", _)] => "POST",
            _ => "GET, PATCH",
        }));
    };
    let id = segments.get(skipped + 1).cloned().unwrap_or_default();
    Ok(Route { endpoint: *endpoint, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_ignore_case_and_version() {
        for path in [
            "/api/machines/AB12/collectInvestigationPackage",
            "/api/v1.0/machines/AB12/collectInvestigationPackage",
            "/API/Machines/AB12/CollectInvestigationPackage",
        ] {
            assert_eq!(route("POST", path), Ok(Route { endpoint: Endpoint::Collect, id: "AB12".into() }));
        }
        assert_eq!(
            route("GET", "/api/alerts/da1%5F-2").map(|r| r.id),
            Ok("da1_-2".to_owned()),
            "ids come percent-encoded"
        );
        assert_eq!(
            route("POST", "/api/alerts/createAlertByReference").map(|r| r.endpoint),
            Ok(Endpoint::CreateAlert)
        );
    }

    #[test]
    fn wrong_methods_and_paths() {
        assert_eq!(
            route("GET", "/api/machines/ab/collectInvestigationPackage"),
            Err(NoRoute::Method("POST"))
        );
        assert_eq!(route("DELETE", "/api/alerts/x"), Err(NoRoute::Method("GET, PATCH")));
        for path in ["/", "/api", "/machines", "/api/machines/x/isolate", "/api/v2.0/machines"] {
            assert_eq!(route("GET", path), Err(NoRoute::Path), "{path}");
        }
    }
}
