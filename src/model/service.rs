//! The service and the way to sign in to it, as a project names them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The national cloud of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// the commercial cloud. The default.
    #[default]
    Public,
    /// US Government GCC.
    Gcc,
    /// US Government GCC High.
    GccHigh,
    /// US Department of Defense.
    Dod,
    /// the simulated service that `casefile sandbox` starts; nothing leaves this computer.
    Sandbox,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Cloud; 5] = [Cloud::Public, Cloud::Gcc, Cloud::GccHigh, Cloud::Dod, Cloud::Sandbox];

    /// As the project file spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cloud::Public => "public",
            Cloud::Gcc => "gcc",
            Cloud::GccHigh => "gcc-high",
            Cloud::Dod => "dod",
            Cloud::Sandbox => "sandbox",
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A region of the commercial cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the service's own words, nothing to add")]
pub enum Region {
    Us,
    Eu,
    Uk,
    Au,
    Swa,
    Ina,
    Aea,
}

impl Region {
    /// Every region.
    pub const ALL: [Region; 7] =
        [Region::Us, Region::Eu, Region::Uk, Region::Au, Region::Swa, Region::Ina, Region::Aea];

    /// The host's first label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Region::Us => "us",
            Region::Eu => "eu",
            Region::Uk => "uk",
            Region::Au => "au",
            Region::Swa => "swa",
            Region::Ina => "ina",
            Region::Aea => "aea",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The API that runs hunting queries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Hunting")]
pub enum HuntingApi {
    /// Microsoft Graph's `runHuntingQuery`, with a token of its own. The default.
    #[default]
    Graph,
    /// Defender for Endpoint's older one, which Microsoft is retiring.
    Defender,
}

impl HuntingApi {
    /// The day from which on the older one gives no data any more.
    pub const OLDER_ENDS: &str = "1 February 2027";
}

/// How a token is obtained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMethod {
    /// the first of the others that the environment is set up for. The default.
    #[default]
    Auto,
    /// `AZURE_CLIENT_SECRET`.
    ClientSecret,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`.
    ClientCertificate,
    /// a Kubernetes service account (`AZURE_FEDERATED_TOKEN_FILE`).
    WorkloadIdentity,
    /// the identity of the Azure host it runs on.
    ManagedIdentity,
    /// who is signed in with `az login`.
    AzureCli,
    /// the identity of a GitHub Actions job.
    GithubOidc,
    /// the service connection of an Azure Pipelines job.
    AzurePipelines,
    /// the token in `CASEFILE_ACCESS_TOKEN`.
    Token,
}

impl AuthMethod {
    /// Every method.
    pub const ALL: [AuthMethod; 9] = [
        AuthMethod::Auto,
        AuthMethod::ClientSecret,
        AuthMethod::ClientCertificate,
        AuthMethod::WorkloadIdentity,
        AuthMethod::ManagedIdentity,
        AuthMethod::AzureCli,
        AuthMethod::GithubOidc,
        AuthMethod::AzurePipelines,
        AuthMethod::Token,
    ];

    /// As the project file spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            AuthMethod::Auto => "auto",
            AuthMethod::ClientSecret => "client-secret",
            AuthMethod::ClientCertificate => "client-certificate",
            AuthMethod::WorkloadIdentity => "workload-identity",
            AuthMethod::ManagedIdentity => "managed-identity",
            AuthMethod::AzureCli => "azure-cli",
            AuthMethod::GithubOidc => "github-oidc",
            AuthMethod::AzurePipelines => "azure-pipelines",
            AuthMethod::Token => "token",
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
