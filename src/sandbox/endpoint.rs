//! The simulated endpoints: their names, what kind of call they are, and which permissions they need.

use std::fmt;

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
    /// `POST /api/advancedhunting/run` of Defender XDR
    XdrHunt,
    /// `POST /api/alerts/batchUpdate`
    BatchUpdate,
    /// `GET /api/alerts/{id}/machine`
    AlertMachine,
    /// `GET /api/alerts/{id}/user`
    AlertUser,
    /// `GET /api/alerts/{id}/files`
    AlertFiles,
    /// `GET /api/alerts/{id}/domains`
    AlertDomains,
    /// `GET /api/alerts/{id}/ips`
    AlertIps,
    /// `GET /api/machines/{id}/logonusers`
    LogOnUsers,
    /// `GET /api/machines/findbyip(ip='...',timestamp=...)`
    FindByIp,
    /// `GET /api/machines/{id}/machineactions`
    MachineActions,
    /// `POST /api/machines/{id}/isolate`
    Isolate,
    /// `POST /api/machines/{id}/unisolate`
    Unisolate,
    /// `POST /api/machines/{id}/restrictCodeExecution`
    Restrict,
    /// `POST /api/machines/{id}/unrestrictCodeExecution`
    Unrestrict,
    /// `POST /api/machines/{id}/runAntiVirusScan`
    Scan,
    /// `POST /api/machines/{id}/StopAndQuarantineFile`
    Quarantine,
    /// `POST /api/machines/{id}/offboard`
    Offboard,
    /// `GET /api/$metadata`
    Metadata,
}

/// Where a token has to be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// Defender for Endpoint.
    Defender,
    /// Defender XDR.
    Xdr,
    /// Microsoft Graph.
    Graph,
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
            Endpoint::XdrHunt => "xdrHunt",
            Endpoint::BatchUpdate => "batchUpdate",
            Endpoint::AlertMachine => "alertMachine",
            Endpoint::AlertUser => "alertUser",
            Endpoint::AlertFiles => "alertFiles",
            Endpoint::AlertDomains => "alertDomains",
            Endpoint::AlertIps => "alertIps",
            Endpoint::LogOnUsers => "logOnUsers",
            Endpoint::FindByIp => "findByIp",
            Endpoint::MachineActions => "machineActions",
            Endpoint::Isolate => "isolate",
            Endpoint::Unisolate => "unisolate",
            Endpoint::Restrict => "restrict",
            Endpoint::Unrestrict => "unrestrict",
            Endpoint::Scan => "scan",
            Endpoint::Quarantine => "quarantine",
            Endpoint::Offboard => "offboard",
            Endpoint::Metadata => "metadata",
        }
    }

    /// Returns whether it answers with a list.
    pub fn is_list(self) -> bool {
        use Endpoint::*;
        matches!(
            self,
            ListActions
                | ListAlerts
                | MachineAlerts
                | MachineActions
                | ListMachines
                | FindByTag
                | FindByIp
                | LogOnUsers
                | AlertFiles
                | AlertDomains
                | AlertIps
        )
    }

    /// Returns whether a call can change the service's objects.
    pub fn is_mutating(self) -> bool {
        use Endpoint::*;
        matches!(self, Collect | CancelAction | CreateAlert | UpdateAlert | BatchUpdate) || self.is_response()
    }

    /// Returns whether it starts a machine action that is no collection.
    pub(super) fn is_response(self) -> bool {
        use Endpoint::*;
        matches!(self, Isolate | Unisolate | Restrict | Unrestrict | Scan | Quarantine | Offboard)
    }

    /// Where a token for it has to be for.
    pub(super) fn api(self) -> Api {
        match self {
            Endpoint::GraphHunt => Api::Graph,
            Endpoint::XdrHunt => Api::Xdr,
            _ => Api::Defender,
        }
    }

    /// The application permissions one of which is needed, as the endpoints' documentation pages list them; none
    /// where any token will do.
    pub(super) fn roles(self) -> &'static [&'static str] {
        use Endpoint::*;
        match self {
            Collect => &["Machine.CollectForensics"],
            // The permission of the action that is cancelled; a refusal lists all.
            CancelAction => &[
                "Machine.Isolate",
                "Machine.CollectForensics",
                "Machine.Scan",
                "Machine.RestrictExecution",
                "Machine.StopAndQuarantine",
                "Machine.Offboard",
                "Machine.LiveResponse",
            ],
            ListActions | GetAction | PackageUri | MachineActions => {
                &["Machine.Read.All", "Machine.ReadWrite.All"]
            }
            ListMachines | GetMachine | FindByTag | FindByIp | AlertMachine => {
                &["Machine.Read.All", "Machine.ReadWrite.All"]
            }
            ListAlerts | GetAlert | MachineAlerts => &["Alert.Read.All", "Alert.ReadWrite.All"],
            CreateAlert | UpdateAlert | BatchUpdate => &["Alert.ReadWrite.All"],
            AlertUser | LogOnUsers => &["User.Read.All"],
            AlertFiles => &["File.Read.All"],
            AlertDomains => &["URL.Read.All"],
            AlertIps => &["Ip.Read.All"],
            Isolate | Unisolate => &["Machine.Isolate"],
            Restrict | Unrestrict => &["Machine.RestrictExecution"],
            Scan => &["Machine.Scan"],
            Quarantine => &["Machine.StopAndQuarantine"],
            Offboard => &["Machine.Offboard"],
            Hunt => &["AdvancedQuery.Read.All"],
            XdrHunt => &["AdvancedHunting.Read.All"],
            GraphHunt => &["ThreatHunting.Read.All"],
            Download | Metadata => &[],
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
