//! The API's endpoints as far as throttling tells them apart, and the limits the documentation gives.

use std::fmt;

use crate::model::RateLimit;

/// An endpoint with a quota of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// `POST /api/alerts/CreateAlertByReference`
    CreateAlert,
    /// `GET /api/alerts`
    ListAlerts,
    /// `GET /api/alerts/{id}`
    GetAlert,
    /// `PATCH /api/alerts/{id}`
    PatchAlert,
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
    /// The permission of an application that its calls need; of several the one that allows least.
    pub fn permission(self) -> &'static str {
        self.roles()[0]
    }

    /// The permissions of an application of which its calls need one, the one that allows least first.
    pub const fn roles(self) -> &'static [&'static str] {
        match self {
            Endpoint::Collect | Endpoint::CancelAction => &["Machine.CollectForensics"],
            Endpoint::CreateAlert | Endpoint::PatchAlert => &["Alert.ReadWrite.All"],
            Endpoint::ListAlerts | Endpoint::GetAlert | Endpoint::MachineAlerts => {
                &["Alert.Read.All", "Alert.ReadWrite.All"]
            }
            Endpoint::Hunt => &["AdvancedQuery.Read.All"],
            Endpoint::GraphHunt => &["ThreatHunting.Read.All"],
            Endpoint::ListActions
            | Endpoint::GetAction
            | Endpoint::PackageUri
            | Endpoint::ListMachines
            | Endpoint::GetMachine
            | Endpoint::FindByTag => &["Machine.Read.All", "Machine.ReadWrite.All"],
        }
    }

    /// The permissions of a user of which its calls need one, the one that allows least first.
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            // The link to a package is what the collection was for.
            Endpoint::Collect | Endpoint::CancelAction | Endpoint::PackageUri => {
                &["Machine.CollectForensics"]
            }
            Endpoint::CreateAlert | Endpoint::PatchAlert => &["Alert.ReadWrite"],
            Endpoint::ListAlerts | Endpoint::GetAlert | Endpoint::MachineAlerts => {
                &["Alert.Read", "Alert.ReadWrite"]
            }
            Endpoint::Hunt => &["AdvancedQuery.Read"],
            Endpoint::GraphHunt => &["ThreatHunting.Read.All"],
            Endpoint::ListActions
            | Endpoint::GetAction
            | Endpoint::ListMachines
            | Endpoint::GetMachine
            | Endpoint::FindByTag => &["Machine.Read", "Machine.ReadWrite"],
        }
    }

    /// Returns whether its calls change something.
    pub const fn is_mutating(self) -> bool {
        matches!(
            self,
            Endpoint::Collect | Endpoint::CancelAction | Endpoint::CreateAlert | Endpoint::PatchAlert
        )
    }

    /// Every endpoint.
    pub const ALL: [Endpoint; 15] = [
        Endpoint::Collect,
        Endpoint::ListActions,
        Endpoint::GetAction,
        Endpoint::CancelAction,
        Endpoint::PackageUri,
        Endpoint::CreateAlert,
        Endpoint::ListAlerts,
        Endpoint::GetAlert,
        Endpoint::PatchAlert,
        Endpoint::MachineAlerts,
        Endpoint::ListMachines,
        Endpoint::GetMachine,
        Endpoint::FindByTag,
        Endpoint::Hunt,
        Endpoint::GraphHunt,
    ];

    /// Its name under `spec.quotas` of the project file.
    pub const fn quota_name(self) -> &'static str {
        match self {
            Endpoint::Collect => "collect",
            Endpoint::ListActions => "listActions",
            Endpoint::GetAction => "getAction",
            Endpoint::CancelAction => "cancelAction",
            Endpoint::PackageUri => "package",
            Endpoint::CreateAlert => "alert",
            Endpoint::ListAlerts => "listAlerts",
            Endpoint::GetAlert => "getAlert",
            Endpoint::PatchAlert => "patchAlert",
            Endpoint::MachineAlerts => "machineAlerts",
            Endpoint::ListMachines => "listMachines",
            Endpoint::GetMachine => "getMachine",
            Endpoint::FindByTag => "findByTag",
            Endpoint::Hunt => "hunting",
            Endpoint::GraphHunt => "graphHunting",
        }
    }

    /// What the documentation's pages say, per application and tenant.
    ///
    /// `CreateAlertByReference` has no published hourly figure. Hunting is counted per tenant, and limited in
    /// run time too, which only the service can count. Microsoft Graph publishes the same 45 a minute.
    pub const fn documented_limits(self) -> RateLimit {
        match self {
            Endpoint::PackageUri => RateLimit::new(2, 120),
            Endpoint::CreateAlert => RateLimit { per_minute: Some(15), per_hour: None },
            Endpoint::Hunt | Endpoint::GraphHunt => RateLimit::new(45, 1500),
            _ => RateLimit::new(100, 1500),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.quota_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_have_words() {
        let mut names = std::collections::BTreeSet::new();
        for e in Endpoint::ALL {
            assert!(names.insert(e.quota_name()), "{e:?}");
            assert_ne!(crate::model::quota_calls(e.quota_name()), e.quota_name());
        }
    }

    #[test]
    fn the_tight_ones() {
        assert_eq!(Endpoint::PackageUri.documented_limits(), RateLimit::new(2, 120));
        assert_eq!(Endpoint::CreateAlert.documented_limits().per_minute, Some(15));
        assert_eq!(Endpoint::CreateAlert.documented_limits().per_hour, None);
        assert_eq!(Endpoint::Collect.documented_limits(), RateLimit::new(100, 1500));
        assert_eq!(Endpoint::GraphHunt.documented_limits(), RateLimit::new(45, 1500));
    }
}
