//! Where a plan leads: the service and the tenant that its calls go to.

/// The service that a plan was made for. Its settings stand in a project file, which a pull request can change, so
/// whoever reviews a plan is told where it is not the service that every project has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `defender.cloud`.
    pub cloud: String,
    /// The host that is called, and its port if that is not the usual one; none for the service that is simulated
    /// inside the process.
    pub host: Option<String>,
    /// The host of Microsoft Graph, where it is not the cloud's own.
    pub graph_host: Option<String>,
    /// The tenant: the token's, as far as that is known, or the one that the project names.
    pub tenant: Option<String>,
    /// Whether the project names neither cloud nor host nor tenant, or the ones that are the default.
    pub is_default: bool,
}
