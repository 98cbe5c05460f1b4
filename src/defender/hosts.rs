//! The hosts that tokens may be sent to.
//!
//! `endpoint` and `graphEndpoint` are text in a project file, and a pull request can change a project file. A token
//! therefore leaves only for the hosts of the service's clouds, which stand in one table here, and for this machine
//! itself. Every other host has to be allowed outside the project: [`AllowedHosts`].
//!
//! Hosts are compared as the URL parser writes them: in lower case, international names in their ASCII form,
//! addresses in their usual notation, without the port 443. They are compared as a whole, so a host that merely looks
//! like a known one is another host.

use std::collections::BTreeSet;
use std::net::IpAddr;

use url::{Host, Url};

use crate::model::{Cloud, Region};

/// A host of a cloud.
struct Known {
    api: Api,
    clouds: &'static [Cloud],
    region: Option<Region>,
    host: &'static str,
}

const fn known(api: Api, clouds: &'static [Cloud], region: Option<Region>, host: &'static str) -> Known {
    Known { api, clouds, region, host }
}

const PUBLIC: &[Cloud] = &[Cloud::Public];
const GCC: &[Cloud] = &[Cloud::Gcc];
const GOV: &[Cloud] = &[Cloud::GccHigh, Cloud::Dod];

/// Every host of every cloud, all generations of names. The first one of an API, a cloud and a region is the one
/// that is called; the others are taken as `endpoint`.
const KNOWN: [Known; 22] = [
    known(Api::Defender, PUBLIC, None, "api.security.microsoft.com"),
    known(Api::Defender, PUBLIC, None, "api.securitycenter.microsoft.com"),
    known(Api::Defender, PUBLIC, None, "api.securitycenter.windows.com"),
    known(Api::Defender, PUBLIC, Some(Region::Us), "us.api.security.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Us), "api-us.securitycenter.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Us), "api-us.securitycenter.windows.com"),
    known(Api::Defender, PUBLIC, Some(Region::Eu), "eu.api.security.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Eu), "api-eu.securitycenter.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Eu), "api-eu.securitycenter.windows.com"),
    known(Api::Defender, PUBLIC, Some(Region::Uk), "uk.api.security.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Uk), "api-uk.securitycenter.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Uk), "api-uk.securitycenter.windows.com"),
    known(Api::Defender, PUBLIC, Some(Region::Au), "au.api.security.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Au), "api-au.securitycenter.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Swa), "swa.api.security.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Ina), "ina.api.security.microsoft.com"),
    known(Api::Defender, PUBLIC, Some(Region::Aea), "aea.api.security.microsoft.com"),
    known(Api::Defender, GCC, None, "api-gcc.securitycenter.microsoft.us"),
    known(Api::Defender, GOV, None, "api-gov.securitycenter.microsoft.us"),
    known(Api::Graph, &[Cloud::Public, Cloud::Gcc], None, "graph.microsoft.com"),
    known(Api::Graph, &[Cloud::GccHigh], None, "graph.microsoft.us"),
    known(Api::Graph, &[Cloud::Dod], None, "dod-graph.microsoft.us"),
];

/// An API of a cloud: each has a host, an audience and a token of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// Microsoft Defender for Endpoint.
    Defender,
    /// Microsoft Graph.
    Graph,
    /// Azure Blob Storage, where a state can be kept.
    Storage,
}

impl Api {
    /// The application that permissions of the API belong to, the same in every tenant.
    pub const fn application_id(self) -> &'static str {
        match self {
            Api::Defender => "fc780465-2017-40d4-a0c5-307022471b92",
            Api::Graph => "00000003-0000-0000-c000-000000000000",
            Api::Storage => "e406a681-f3d4-42a8-90b6-c2b029497af1",
        }
    }

    /// The environment variable that a ready-made token comes in.
    pub const fn token_variable(self) -> &'static str {
        match self {
            Api::Defender => "CASEFILE_ACCESS_TOKEN",
            Api::Graph => "CASEFILE_GRAPH_TOKEN",
            Api::Storage => "AZURE_STORAGE_TOKEN",
        }
    }
}

/// The sign-in host of a cloud: client secrets and assertions go there.
pub(super) const fn sign_in(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Public | Cloud::Gcc | Cloud::Sandbox => "login.microsoftonline.com",
        Cloud::GccHigh | Cloud::Dod => "login.microsoftonline.us",
    }
}

/// The ends of the names of hosts that exchange a pipeline's own token for an assertion.
const PIPELINES: [&str; 3] = [".actions.githubusercontent.com", ".dev.azure.com", ".visualstudio.com"];

/// The host that an API of a cloud is called at; none for the sandbox.
pub(super) fn usual(api: Api, cloud: Cloud, region: Option<Region>) -> Option<&'static str> {
    let fits = |k: &&Known| k.api == api && k.region == region && k.clouds.contains(&cloud);
    KNOWN.iter().find(fits).map(|k| k.host)
}

/// Returns the API that a host of a cloud belongs to; none for a host that is in no cloud.
pub fn api_of_host(host: &str) -> Option<Api> {
    KNOWN.iter().find(|k| k.host == host).map(|k| k.api)
}

/// Hosts that a person has allowed beside the known ones. No project file can add to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(BTreeSet<String>);

/// An entry that names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{entry}` is no host: write a name such as gateway.example, with `:PORT` behind it unless that is 443"
)]
pub struct HostError {
    /// As it was written.
    pub entry: String,
}

impl AllowedHosts {
    /// Reads a list of hosts, with commas between them: `gateway.example,10.0.0.7:8443`.
    ///
    /// # Errors
    /// The first entry that is no host.
    pub fn add(&mut self, list: &str) -> Result<(), HostError> {
        for entry in list.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            let url = Some(entry)
                // A wildcard would be taken for a name of its own.
                .filter(|e| !e.contains(|c: char| "/\\@?#%*".contains(c) || c.is_whitespace()))
                .and_then(|e| Url::parse(&format!("https://{e}")).ok())
                .ok_or_else(|| HostError { entry: entry.to_owned() })?;
            self.0.insert(place(&url));
        }
        Ok(())
    }

    fn holds(&self, url: &Url) -> bool {
        url.scheme() == "https" && self.0.contains(&place(url))
    }
}

/// Returns whether a token for an API may be sent to a URL.
///
/// In the sandbox's cloud no host of the service counts as known: what is meant to be simulated is not sent to the
/// real one.
pub(super) fn may_receive_token(api: Api, cloud: Cloud, url: &Url, allowed: &AllowedHosts) -> bool {
    let known = |host: &str| cloud != Cloud::Sandbox && KNOWN.iter().any(|k| k.api == api && k.host == host);
    is_clean(url) && (is_loopback(url) || url.scheme() == "https" && known(&place(url)) || allowed.holds(url))
}

/// Returns whether a secret, an assertion or a pipeline's own token may be sent to a URL to sign in.
pub(super) fn may_receive_secret(url: &Url, allowed: &AllowedHosts) -> bool {
    let known = |host: &str| {
        Cloud::ALL.iter().any(|c| sign_in(*c) == host) || host == "dev.azure.com" || of_pipelines(host)
    };
    is_clean(url) && (url.scheme() == "https" && known(&place(url)) || allowed.holds(url))
}

fn of_pipelines(host: &str) -> bool {
    PIPELINES.iter().any(|end| host.strip_suffix(end).is_some_and(|name| !name.is_empty()))
}

/// Returns whether a URL leads to the metadata service of the machine that we run on: at its loopback, or at an address
/// that no router passes on.
pub(super) fn is_next_door(url: &Url) -> bool {
    let link_local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_unicast_link_local(),
        Some(Host::Domain(_)) | None => false,
    };
    is_clean(url) && (link_local || is_loopback(url))
}

/// Returns whether a URL leads to this machine itself. An IPv4 address in the clothes of an IPv6 one does not count,
/// nor does `0.0.0.0`: what they reach differs between systems.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

/// Returns whether a URL names nobody in front of its host.
fn is_clean(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

/// Host, and port where it is not the scheme's own: `gateway.example`, `gateway.example:8443`.
pub(super) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that a pull request may write in place of a host of the service, one a line.
    const STRANGERS: &str = include_str!("../../tests/hostile/endpoints.txt");

    fn strangers() -> impl Iterator<Item = &'static str> {
        STRANGERS.lines().filter(|l| !l.is_empty() && !l.starts_with('#'))
    }

    fn allowed(list: &str) -> AllowedHosts {
        let mut hosts = AllowedHosts::default();
        hosts.add(list).unwrap();
        hosts
    }

    #[test]
    fn every_known_host_is_taken_for_its_api_alone() {
        let none = AllowedHosts::default();
        for k in &KNOWN {
            let other = if k.api == Api::Graph { Api::Defender } else { Api::Graph };
            for spelled in [format!("https://{}", k.host), format!("HTTPS://{}:443/x", k.host.to_uppercase())]
            {
                let url = Url::parse(&spelled).unwrap();
                for cloud in [Cloud::Public, Cloud::Gcc, Cloud::GccHigh, Cloud::Dod] {
                    assert!(may_receive_token(k.api, cloud, &url, &none), "{spelled}");
                    assert!(!may_receive_token(other, cloud, &url, &none), "{spelled}");
                }
                assert!(!may_receive_token(k.api, Cloud::Sandbox, &url, &none), "{spelled}");
                assert!(!may_receive_secret(&url, &none), "{spelled}");
            }
        }
    }

    #[test]
    fn strangers_get_nothing() {
        let none = AllowedHosts::default();
        assert!(strangers().count() > 30);
        for stranger in strangers() {
            // What is no URL at all is refused before.
            let Ok(url) = Url::parse(stranger) else { continue };
            for api in [Api::Defender, Api::Graph] {
                for cloud in Cloud::ALL {
                    assert!(!may_receive_token(api, cloud, &url, &none), "{stranger}");
                }
            }
            assert!(!may_receive_secret(&url, &none), "{stranger}");
        }
    }

    #[test]
    fn this_machine_is_no_stranger() {
        for here in [
            "http://127.0.0.1:8400",
            "http://127.1",
            "http://0x7f.1:8400",
            "http://2130706433",
            "http://127.8.9.10",
            "http://[::1]:8400",
            "https://LOCALHOST",
        ] {
            let url = Url::parse(here).unwrap();
            assert!(
                may_receive_token(Api::Defender, Cloud::Public, &url, &AllowedHosts::default()),
                "{here}"
            );
        }
    }

    #[test]
    fn what_a_person_allows() {
        let hosts = allowed("Gateway.example, bücher.example,10.0.0.7:8443,[fd00::7]");
        for (url, fine) in [
            ("https://gateway.example/mde", true),
            ("https://GATEWAY.example:443", true),
            ("https://gateway.example:8443", false),
            ("http://gateway.example", false),
            ("https://gateway.example.", false),
            ("https://x.gateway.example", false),
            ("https://u@gateway.example", false),
            ("https://xn--bcher-kva.example", true),
            ("https://10.0.0.7:8443", true),
            ("https://10.0.0.7", false),
            ("https://[fd00:0::7]", true),
        ] {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(may_receive_token(Api::Graph, Cloud::Dod, &parsed, &hosts), fine, "{url}");
            assert_eq!(may_receive_secret(&parsed, &hosts), fine, "{url}");
        }
        for no_host in
            ["https://gateway.example", "u@gateway.example", "*.example", "a b", "h/x", ":443", "h:x"]
        {
            assert!(AllowedHosts::default().add(no_host).is_err(), "{no_host}");
        }
        assert_eq!(allowed(" , "), AllowedHosts::default());
    }

    #[test]
    fn secrets_go_to_sign_in_hosts_and_to_the_hosts_of_pipelines() {
        for (url, fine) in [
            ("https://login.microsoftonline.com/t/oauth2/v2.0/token", true),
            ("https://login.microsoftonline.us/t", true),
            ("https://login.microsoftonline.com:8443/t", false),
            ("http://login.microsoftonline.com/t", false),
            ("https://login.microsoftonline.com.evil.example", false),
            ("https://run-actions-1-azure-eastus.actions.githubusercontent.com/x", true),
            ("https://actions.githubusercontent.com.evil.example", false),
            ("https://evilactions.githubusercontent.com", false),
            ("https://.actions.githubusercontent.com", false),
            ("https://raw.githubusercontent.com", false),
            ("https://dev.azure.com/org/_apis/oidctoken", true),
            ("https://contoso.visualstudio.com/_apis/oidctoken", true),
            ("https://127.0.0.1/x", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(may_receive_secret(&url, &AllowedHosts::default()), fine, "{url}");
        }
    }

    #[test]
    fn a_metadata_service_is_next_door() {
        for (url, fine) in [
            ("http://169.254.169.254/metadata/identity/oauth2/token", true),
            ("http://127.0.0.1:41741/msi/token", true),
            ("http://localhost:42356/msi/token", true),
            ("http://[fe80::1]/x", true),
            ("http://evil.example/metadata", false),
            ("http://8.8.8.8/metadata", false),
            ("http://u@169.254.169.254/x", false),
        ] {
            assert_eq!(is_next_door(&Url::parse(url).unwrap()), fine, "{url}");
        }
    }
}
