//! Where people look at what the API shows: the portal of each cloud.
//!
//! The hosts are those of Microsoft's page for US Government customers (`defender-endpoint/gov.md` of the public
//! documentation), the path of an alert is that of `alertWebUrl` in Microsoft Graph's `alerts_v2`. A link is made of
//! nothing else than these, an id of a known form and a tenant's id: no text of the service becomes a URL as it is.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Cloud;

/// The portal of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portal(&'static str);

impl Portal {
    /// Every portal there is.
    pub const ALL: [Portal; 3] =
        [Portal("security.microsoft.com"), Portal("security.microsoft.us"), Portal("security.apps.mil")];

    /// Returns the portal of a cloud; the simulated one has none.
    pub fn of(cloud: Cloud) -> Option<Portal> {
        let [commercial, gcc_high, dod] = Portal::ALL;
        match cloud {
            Cloud::Public | Cloud::Gcc => Some(commercial),
            Cloud::GccHigh => Some(gcc_high),
            Cloud::Dod => Some(dod),
            Cloud::Sandbox => None,
        }
    }

    /// The host.
    pub fn host(self) -> &'static str {
        self.0
    }

    /// Returns the page of an alert, opened in a tenant if one is given; none if the id is of no known form.
    pub fn alert(self, id: &str, tenant: Option<&str>) -> Option<PortalLink> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if id.is_empty() || id.len() > 128 || !id.chars().all(plain) {
            return None;
        }
        let tenant = tenant.and_then(|t| t.parse::<uuid::Uuid>().ok());
        let tenant = tenant.map(|t| format!("?tid={t}")).unwrap_or_default();
        Some(PortalLink(format!("https://{}/alerts/{id}{tenant}", self.0)))
    }
}

/// The address of a page of a known portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct PortalLink(String);

impl PortalLink {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_portal_and_the_simulated_one_none() {
        let host = |cloud| Portal::of(cloud).map(Portal::host);
        assert_eq!(host(Cloud::Public), Some("security.microsoft.com"));
        assert_eq!(host(Cloud::Gcc), Some("security.microsoft.com"));
        assert_eq!(host(Cloud::GccHigh), Some("security.microsoft.us"));
        assert_eq!(host(Cloud::Dod), Some("security.apps.mil"));
        assert_eq!(host(Cloud::Sandbox), None);
    }

    #[test]
    fn a_link_holds_an_id_and_a_tenant_of_known_forms_and_nothing_else() {
        let portal = Portal::ALL[0];
        let tenant = "b3c1b5fc-828c-45fa-a1e1-10d74f6d6e9c";
        assert_eq!(
            portal.alert("da637551227677560813_-961444813", Some(tenant)).as_ref().map(PortalLink::as_str),
            Some(
                "https://security.microsoft.com/alerts/da637551227677560813_-961444813\
                 ?tid=b3c1b5fc-828c-45fa-a1e1-10d74f6d6e9c"
            )
        );
        assert_eq!(
            portal.alert("ra1", Some("x&a=javascript:")).as_ref().map(PortalLink::as_str),
            Some("https://security.microsoft.com/alerts/ra1")
        );
        for hostile in ["", "../x", "a?b", "a\"onclick=", "a b", "é", &"a".repeat(129)] {
            assert_eq!(portal.alert(hostile, None), None, "{hostile:?}");
        }
    }
}
