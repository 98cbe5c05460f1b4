//! Where the service is: clouds, regions, hosts, sign-in authorities and token scopes.
//!
//! A [`Service`] exists only for a host that may have its tokens, and no token travels in the clear.

use url::Url;

use super::hosts::{self, AllowedHosts, Api, is_loopback};
use crate::model::{Cloud, Region};

impl Cloud {
    /// The base of an API in this cloud. The sandbox simulates both at one address.
    fn base(self, api: Api, region: Option<Region>) -> String {
        match hosts::usual(api, self, region) {
            Some(host) => format!("https://{host}"),
            None => "http://127.0.0.1:8400".to_owned(),
        }
    }

    /// Where tokens are asked for.
    pub(super) fn authority(self) -> String {
        format!("https://{}", hosts::sign_in(self))
    }

    /// The resource that tokens for an API are asked for. For Defender the commercial one keeps its older name
    /// whatever host is called; in the government clouds, and for Graph, it is the API's host.
    pub(super) fn resource(self, api: Api) -> String {
        match (api, self) {
            // One audience for all clouds.
            (Api::Storage, _) => "https://storage.azure.com".to_owned(),
            (Api::Defender, Cloud::Public | Cloud::Sandbox) => {
                "https://api.securitycenter.microsoft.com".to_owned()
            }
            (Api::Graph, Cloud::Sandbox) => Cloud::Public.base(api, None),
            _ => self.base(api, None),
        }
    }
}

/// Why there is no such service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Regions exist in the commercial cloud only.
    #[error("region `{region}` exists only in cloud `public`, not in `{cloud}`")]
    RegionElsewhere {
        /// The region.
        region: Region,
        /// The cloud.
        cloud: Cloud,
    },
    /// The override is no absolute http(s) URL.
    #[error("the endpoint is no URL of the form https://host: {why}")]
    NotAUrl {
        /// What is wrong with it.
        why: String,
    },
    /// Plain http would show the token to the network.
    #[error("the endpoint must be https: plain http is for loopback addresses only")]
    NotHttps,
    /// A host that no token is sent to.
    #[error("no token is sent to `{host}`: {}", match cloud {
        Cloud::Sandbox => "cloud `sandbox` is a service on this computer",
        _ => "it is no host of this API in any cloud",
    })]
    Stranger {
        /// The host, and its port if it is not the usual one; ASCII.
        host: String,
        /// The cloud that the project names.
        cloud: Cloud,
    },
}

/// One service: where calls go, where tokens come from, what they are asked for. Its host may have its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    cloud: Cloud,
    api: Api,
    base: Url,
    authority: Url,
    scope: String,
    allowed: AllowedHosts,
}

impl Service {
    /// Puts Defender's service together; `endpoint` overrides the host that cloud and region name.
    pub fn new(cloud: Cloud, region: Option<Region>, endpoint: Option<&str>) -> Result<Self, ServiceError> {
        Self::of(Api::Defender, cloud, region, endpoint, &AllowedHosts::default())
    }

    /// Microsoft Graph of a cloud; `endpoint` overrides its host, not the audience of its tokens.
    pub fn graph(cloud: Cloud, endpoint: Option<&str>) -> Result<Self, ServiceError> {
        Self::of(Api::Graph, cloud, None, endpoint, &AllowedHosts::default())
    }

    /// The service of an API, at a host of a known cloud, at this machine or at one of the allowed hosts.
    ///
    /// # Errors
    /// Among others [`ServiceError::Stranger`], before anybody was asked for a token.
    pub fn of(
        api: Api,
        cloud: Cloud,
        region: Option<Region>,
        endpoint: Option<&str>,
        allowed: &AllowedHosts,
    ) -> Result<Self, ServiceError> {
        if let (Some(region), true) = (region, cloud != Cloud::Public) {
            return Err(ServiceError::RegionElsewhere { region, cloud });
        }
        let base = base_url(endpoint.unwrap_or(&cloud.base(api, region)))?;
        let authority =
            Url::parse(&cloud.authority()).map_err(|e| ServiceError::NotAUrl { why: e.to_string() })?;
        let scope = format!("{}/.default", cloud.resource(api));
        let service = Service { cloud, api, base, authority, scope, allowed: allowed.clone() };
        if service.may_receive_token(&service.base) {
            Ok(service)
        } else {
            Err(ServiceError::Stranger { host: hosts::place(&service.base), cloud })
        }
    }

    /// The same service, whose tokens are asked for another audience. They go to the same hosts.
    #[must_use]
    pub fn with_audience(self, audience: &str) -> Self {
        Service { scope: format!("{}/.default", audience.trim_end_matches('/')), ..self }
    }

    /// Returns whether a token of this service may be sent to a URL: the last question before one leaves.
    pub(super) fn may_receive_token(&self, url: &Url) -> bool {
        hosts::may_receive_token(self.api, self.cloud, url, &self.allowed)
    }

    /// The hosts that a person has allowed.
    pub(super) fn allowed(&self) -> &AllowedHosts {
        &self.allowed
    }

    /// The host that is called, and its port if that is not the scheme's own.
    pub fn host(&self) -> String {
        hosts::place(&self.base)
    }

    /// Returns whether that is the host that the cloud has for everybody.
    pub fn is_usual_host(&self) -> bool {
        hosts::usual(self.api, self.cloud, None).is_some_and(|usual| usual == self.host())
    }

    /// Which API it is.
    pub fn api(&self) -> Api {
        self.api
    }

    /// The cloud.
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// The base URL: scheme, host, port, and a path prefix if the override has one. No slash at the end
    /// of a prefix, no query.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The sign-in host, always https.
    pub fn authority(&self) -> &Url {
        &self.authority
    }

    /// The one v2 scope to ask a token for, ending in `/.default`.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Whether calls stay on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.base)
    }

    /// The base as it is written into a state's binding: no slash at the end.
    pub fn base_text(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Path and query below the base of a link that the service sent, if it leads to the same origin.
    ///
    /// Anything else must not be followed: the token would go there.
    pub(crate) fn target_of(&self, link: &str) -> Option<String> {
        let url = self.base.join(link).ok()?;
        if url.origin() != self.base.origin() || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let path = url.path().strip_prefix(self.base.path().trim_end_matches('/'))?;
        if !path.starts_with('/') {
            return None;
        }
        Some(match url.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        })
    }
}

fn base_url(text: &str) -> Result<Url, ServiceError> {
    let not = |why: &str| ServiceError::NotAUrl { why: why.into() };
    let mut url = Url::parse(text).map_err(|e| ServiceError::NotAUrl { why: e.to_string() })?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(ServiceError::NotHttps),
        _ => return Err(not("neither https nor http")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(not("it must not hold a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(not("it must not hold a query or fragment"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(cloud: &str, region: Option<&str>, endpoint: Option<&str>) -> Result<Service, ServiceError> {
        let region = region.map(|word| Region::ALL.into_iter().find(|r| r.as_str() == word).unwrap());
        Service::new(named(cloud), region, endpoint)
    }

    fn named(cloud: &str) -> Cloud {
        Cloud::ALL.into_iter().find(|c| c.as_str() == cloud).unwrap()
    }

    #[test]
    fn another_audience_changes_the_scope_alone() {
        let service = Service::new(Cloud::GccHigh, None, None).unwrap();
        let other = service.clone().with_audience("https://securitycenter.onmicrosoft.us/");
        assert_eq!(other.scope(), "https://securitycenter.onmicrosoft.us/.default");
        assert_eq!((other.base(), other.authority()), (service.base(), service.authority()));
    }

    #[test]
    fn the_documented_hosts() {
        for (cloud, region, base, authority, scope) in [
            (
                "public",
                None,
                "https://api.security.microsoft.com",
                "https://login.microsoftonline.com/",
                "https://api.securitycenter.microsoft.com/.default",
            ),
            (
                "public",
                Some("eu"),
                "https://eu.api.security.microsoft.com",
                "https://login.microsoftonline.com/",
                "https://api.securitycenter.microsoft.com/.default",
            ),
            (
                "gcc",
                None,
                "https://api-gcc.securitycenter.microsoft.us",
                "https://login.microsoftonline.com/",
                "https://api-gcc.securitycenter.microsoft.us/.default",
            ),
            (
                "gcc-high",
                None,
                "https://api-gov.securitycenter.microsoft.us",
                "https://login.microsoftonline.us/",
                "https://api-gov.securitycenter.microsoft.us/.default",
            ),
            (
                "dod",
                None,
                "https://api-gov.securitycenter.microsoft.us",
                "https://login.microsoftonline.us/",
                "https://api-gov.securitycenter.microsoft.us/.default",
            ),
        ] {
            let s = service(cloud, region, None).unwrap();
            assert_eq!(s.base_text(), base);
            assert_eq!(s.authority().as_str(), authority);
            assert_eq!(s.scope(), scope);
        }
        assert_eq!(service("sandbox", None, None).unwrap().base_text(), "http://127.0.0.1:8400");
    }

    #[test]
    fn graph_has_a_host_and_an_audience_of_its_own() {
        for (cloud, base, authority) in [
            ("public", "https://graph.microsoft.com", "https://login.microsoftonline.com/"),
            ("gcc", "https://graph.microsoft.com", "https://login.microsoftonline.com/"),
            ("gcc-high", "https://graph.microsoft.us", "https://login.microsoftonline.us/"),
            ("dod", "https://dod-graph.microsoft.us", "https://login.microsoftonline.us/"),
        ] {
            let s = Service::graph(named(cloud), None).unwrap();
            assert_eq!((s.base_text(), s.authority().as_str()), (base, authority), "{cloud}");
            assert_eq!(s.scope(), format!("{base}/.default"));
            assert_eq!(s.api(), Api::Graph);
        }
        let moved = Service::graph(Cloud::Public, Some("https://localhost:8443")).unwrap();
        assert_eq!(moved.scope(), "https://graph.microsoft.com/.default");
        assert_eq!(Service::graph(Cloud::Sandbox, None).unwrap().base_text(), "http://127.0.0.1:8400");
        let plain = Service::graph(Cloud::Public, Some("http://gateway.example"));
        assert_eq!(plain, Err(ServiceError::NotHttps));
    }

    #[test]
    fn every_region_has_a_host() {
        for region in Region::ALL {
            let s = Service::new(Cloud::Public, Some(region), None).unwrap();
            assert_eq!(s.base().host_str(), Some(format!("{region}.api.security.microsoft.com").as_str()));
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(
            service("gcc", Some("eu"), None),
            Err(ServiceError::RegionElsewhere { region: Region::Eu, cloud: Cloud::Gcc })
        );
        for plain in ["http://api.security.microsoft.com", "http://10.0.0.1", "http://localhost.example"] {
            assert_eq!(service("public", None, Some(plain)), Err(ServiceError::NotHttps), "{plain}");
        }
        for bad in ["", "api.security.microsoft.com", "ftp://127.0.0.1", "https://u:p@h", "https://h/?q=1"] {
            assert!(matches!(service("public", None, Some(bad)), Err(ServiceError::NotAUrl { .. })), "{bad}");
        }
    }

    /// Returns the service at a host that a person has allowed.
    fn allowed(endpoint: &str) -> Result<Service, ServiceError> {
        let mut hosts = AllowedHosts::default();
        hosts.add("gateway.example,h.example").unwrap();
        Service::of(Api::Defender, Cloud::Public, None, Some(endpoint), &hosts)
    }

    #[test]
    fn known_hosts_loopback_and_what_is_allowed() {
        for fine in [
            "https://api-us.securitycenter.windows.com",
            "http://127.0.0.1:1",
            "http://[::1]:8400",
            "http://localhost:8400/",
        ] {
            assert!(service("public", None, Some(fine)).is_ok(), "{fine}");
        }
        let stranger = ServiceError::Stranger { host: "gateway.example".into(), cloud: Cloud::Public };
        assert_eq!(service("public", None, Some("https://gateway.example/mde")), Err(stranger));
        assert_eq!(
            allowed("https://gateway.example/mde/").unwrap().base_text(),
            "https://gateway.example/mde"
        );
        let real = service("sandbox", None, Some("https://api.security.microsoft.com"));
        assert!(matches!(real, Err(ServiceError::Stranger { cloud: Cloud::Sandbox, .. })), "{real:?}");
    }

    #[test]
    fn a_host_is_told_where_it_is_not_the_usual_one() {
        let unusual = |cloud, region, endpoint| {
            let s = service(cloud, region, endpoint).unwrap();
            (!s.is_usual_host()).then(|| s.host())
        };
        assert_eq!(unusual("public", None, None), None);
        assert_eq!(unusual("dod", None, None), None);
        assert_eq!(unusual("public", None, Some("https://API.security.microsoft.com:443/")), None);
        assert_eq!(unusual("public", Some("eu"), None).as_deref(), Some("eu.api.security.microsoft.com"));
        let other = unusual("public", None, Some("https://api-gov.securitycenter.microsoft.us"));
        assert_eq!(other.as_deref(), Some("api-gov.securitycenter.microsoft.us"));
    }

    #[test]
    fn links_are_followed_only_at_home() {
        let s = allowed("https://h.example/mde").unwrap();
        let target = |l: &str| s.target_of(l);
        assert_eq!(
            target("https://h.example/mde/api/alerts?$skip=1").as_deref(),
            Some("/api/alerts?$skip=1")
        );
        assert_eq!(target("https://h.example:443/mde/api/x").as_deref(), Some("/api/x"));
        for elsewhere in [
            "https://evil.example/mde/api/alerts",
            "http://h.example/mde/api/alerts",
            "https://h.example:8443/mde/api/alerts",
            "https://h.example/api/alerts",
            "https://h.example/mdex/api/alerts",
            "//evil.example/mde/api",
            "https://u@h.example/mde/api",
        ] {
            assert_eq!(target(elsewhere), None, "{elsewhere}");
        }
    }
}
