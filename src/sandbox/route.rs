//! From a path to an endpoint: which ones exist, which method they take, what the path names.

use percent_encoding::percent_decode_str;

use super::endpoint::Endpoint;

/// An endpoint, and what the path names (decoded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub endpoint: Endpoint,
    /// Empty where there is none.
    pub id: String,
    /// Between the parentheses of a function: `findbyip(ip='192.0.2.4',timestamp=2026-03-01T09:15:42Z)`.
    pub arguments: Vec<(String, String)>,
}

impl Route {
    fn new(endpoint: Endpoint, id: &str) -> Self {
        Route { endpoint, id: id.to_owned(), arguments: Vec::new() }
    }
}

/// Why a path and method lead nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// No such path.
    Path,
    /// The path exists and takes these methods.
    Method(&'static str),
    /// A function of OData, which is no path for any method but `GET`.
    Function,
}

/// The path of the download link.
pub(super) const DOWNLOAD: &str = "/safedownload/WDATP_Investigation_Package.zip";

/// Finds the endpoint. Path segments are compared without regard to case; a version may stand behind
/// `/api`.
pub(super) fn route(method: &str, path: &str) -> Result<Route, NoRoute> {
    if path.eq_ignore_ascii_case(DOWNLOAD) {
        return match method {
            "GET" | "HEAD" => Ok(Route::new(Endpoint::Download, "")),
            _ => Err(NoRoute::Method("GET, HEAD")),
        };
    }
    let decoded = |s: &str| percent_decode_str(s).decode_utf8_lossy().into_owned();
    let mut segments: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
    let arguments = match segments.last_mut().map(|last| (arguments(last), last)) {
        Some((Some((name, arguments)), last)) => {
            *last = name;
            arguments
        }
        _ => Vec::new(),
    };
    let lower: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let names: Vec<&str> = lower.iter().map(String::as_str).collect();
    let (names, skipped) = match names.as_slice() {
        ["v1.0", "security", "runhuntingquery"] => {
            return match method {
                "POST" => Ok(Route::new(Endpoint::GraphHunt, "")),
                _ => Err(NoRoute::Method("POST")),
            };
        }
        ["api", "v1.0" | "v1", rest @ ..] => (rest, 2),
        ["api", rest @ ..] => (rest, 1),
        _ => return Err(NoRoute::Path),
    };
    let (names, counted) = match names {
        [list @ .., "$count"] => (list, true),
        names => (names, false),
    };
    let choices = choices(names).ok_or(NoRoute::Path)?;
    if counted && !choices.iter().any(|(_, endpoint)| endpoint.is_list()) {
        return Err(NoRoute::Path);
    }
    let Some((_, endpoint)) = choices.iter().find(|(m, _)| *m == method) else {
        return Err(match choices {
            [("GET", Endpoint::PackageUri)] => NoRoute::Function,
            [("GET", _)] => NoRoute::Method("GET"),
            [("POST", _)] => NoRoute::Method("POST"),
            _ => NoRoute::Method("GET, PATCH"),
        });
    };
    let id = segments.get(skipped + 1).map_or("", String::as_str);
    Ok(Route { arguments, ..Route::new(*endpoint, id) })
}

/// The endpoints of a path, by method.
fn choices(names: &[&str]) -> Option<&'static [(&'static str, Endpoint)]> {
    use Endpoint::*;
    Some(match names {
        ["$metadata"] => &[("GET", Metadata)],
        ["machineactions"] => &[("GET", ListActions)],
        ["machineactions", _] => &[("GET", GetAction)],
        ["machineactions", _, "cancel"] => &[("POST", CancelAction)],
        ["machineactions", _, "getpackageuri"] => &[("GET", PackageUri)],
        ["machines"] => &[("GET", ListMachines)],
        ["machines", "findbytag"] => &[("GET", FindByTag)],
        ["machines", "findbyip"] => &[("GET", FindByIp)],
        ["machines", _] => &[("GET", GetMachine)],
        ["machines", _, "collectinvestigationpackage"] => &[("POST", Collect)],
        ["machines", _, "isolate"] => &[("POST", Isolate)],
        ["machines", _, "unisolate"] => &[("POST", Unisolate)],
        ["machines", _, "restrictcodeexecution"] => &[("POST", Restrict)],
        ["machines", _, "unrestrictcodeexecution"] => &[("POST", Unrestrict)],
        ["machines", _, "runantivirusscan"] => &[("POST", Scan)],
        ["machines", _, "stopandquarantinefile"] => &[("POST", Quarantine)],
        ["machines", _, "offboard"] => &[("POST", Offboard)],
        ["machines", _, "alerts"] => &[("GET", MachineAlerts)],
        ["machines", _, "logonusers"] => &[("GET", LogOnUsers)],
        ["machines", _, "machineactions"] => &[("GET", MachineActions)],
        ["alerts"] => &[("GET", ListAlerts)],
        ["alerts", "createalertbyreference"] => &[("POST", CreateAlert)],
        ["alerts", "batchupdate"] => &[("POST", BatchUpdate)],
        ["alerts", _] => &[("GET", GetAlert), ("PATCH", UpdateAlert)],
        ["alerts", _, "machine"] => &[("GET", AlertMachine)],
        ["alerts", _, "user"] => &[("GET", AlertUser)],
        ["alerts", _, "files"] => &[("GET", AlertFiles)],
        ["alerts", _, "domains"] => &[("GET", AlertDomains)],
        ["alerts", _, "ips"] => &[("GET", AlertIps)],
        ["advancedqueries", "run"] => &[("POST", Hunt)],
        ["advancedhunting", "run"] => &[("POST", XdrHunt)],
        _ => return None,
    })
}

/// Splits `name(a='x',b=y)` into the name and its arguments; text may be quoted with `'`, doubled inside.
fn arguments(segment: &str) -> Option<(String, Vec<(String, String)>)> {
    let (name, mut rest) = segment.strip_suffix(')')?.split_once('(')?;
    let mut arguments = Vec::new();
    while !rest.trim().is_empty() {
        let (key, value) = rest.split_once('=')?;
        let (value, behind) = match value.trim_start().strip_prefix('\'') {
            Some(quoted) => quoted_text(quoted)?,
            None => {
                let end = value.find(',').unwrap_or(value.len());
                let (word, behind) = value.split_at(end);
                (word.trim().to_owned(), behind)
            }
        };
        arguments.push((key.trim().to_ascii_lowercase(), value));
        rest = match behind.trim_start() {
            "" => "",
            behind => behind.strip_prefix(',')?,
        };
    }
    Some((name.to_owned(), arguments))
}

/// Reads a text behind its first quote; returns it and what is behind its last one.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let (mut value, mut rest) = (String::new(), text);
    loop {
        let (part, behind) = rest.split_once('\'')?;
        value.push_str(part);
        match behind.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_ignore_case_and_version() {
        for path in [
            "/api/machines/AB12/collectInvestigationPackage",
            "/api/v1.0/machines/AB12/collectInvestigationPackage",
            "/api/v1/machines/AB12/collectInvestigationPackage/",
            "/API/Machines/AB12/CollectInvestigationPackage",
        ] {
            assert_eq!(route("POST", path), Ok(Route::new(Endpoint::Collect, "AB12")));
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
        for path in [
            "/",
            "/api",
            "/machines",
            "/api/machines/x/software",
            "/api/v2.0/machines",
            "/api/machines/x/$count",
        ] {
            assert_eq!(route("GET", path), Err(NoRoute::Path), "{path}");
        }
    }

    #[test]
    fn functions_take_arguments_in_the_path() {
        let arguments = |path: &str| route("GET", path).map(|r| (r.endpoint, r.arguments));
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(
            arguments("/api/machines/findbyip(ip='10.248.240.38',timestamp=2019-09-22T08:44:05Z)"),
            Ok((
                Endpoint::FindByIp,
                vec![pair("ip", "10.248.240.38"), pair("timestamp", "2019-09-22T08:44:05Z")]
            ))
        );
        assert_eq!(
            arguments("/api/machines/FindByTag(Tag='it%27%27s, here', useStartsWithFilter=true)"),
            Ok((Endpoint::FindByTag, vec![pair("tag", "it's, here"), pair("usestartswithfilter", "true")]))
        );
        assert_eq!(arguments("/api/machines/findbytag()"), Ok((Endpoint::FindByTag, Vec::new())));
        for broken in ["findbyip(ip='1", "findbyip(ip)", "findbyip(ip='1'x)"] {
            assert_eq!(
                arguments(&format!("/api/machines/{broken}")).map(|(e, _)| e),
                Ok(Endpoint::GetMachine),
                "{broken}"
            );
        }
        assert_eq!(route("POST", "/api/machineactions/x/getPackageUri"), Err(NoRoute::Function));
    }

    #[test]
    fn lists_can_be_counted() {
        for path in ["/api/machines/$count", "/api/machines/x/alerts/%24count", "/api/alerts/$COUNT"] {
            assert!(route("GET", path).is_ok_and(|r| r.endpoint.is_list()), "{path}");
        }
        assert_eq!(route("GET", "/api/machines/x/alerts/$count").map(|r| r.id), Ok("x".to_owned()));
    }
}
