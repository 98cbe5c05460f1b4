//! How many calls a quota allows, and the words for the calls that have one of their own.

/// How many calls may be made; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Calls in any 60 seconds.
    pub per_minute: Option<u32>,
    /// Calls in any 3,600 seconds.
    pub per_hour: Option<u32>,
}

impl RateLimit {
    /// No limit at all.
    pub const UNLIMITED: RateLimit = RateLimit { per_minute: None, per_hour: None };

    /// So many a minute and an hour.
    pub const fn new(per_minute: u32, per_hour: u32) -> Self {
        RateLimit { per_minute: Some(per_minute), per_hour: Some(per_hour) }
    }
}

/// Returns what the calls of a quota are called, by its name in the project file; a name that is not known is itself.
pub fn quota_calls(name: &str) -> &str {
    match name {
        "collect" => "collections",
        "listActions" => "lists of machine actions",
        "getAction" => "reads of machine actions",
        "cancelAction" => "cancels of collections",
        "package" => "links to packages",
        "alert" => "new alerts",
        "listAlerts" => "lists of alerts",
        "getAlert" => "reads of alerts",
        "patchAlert" => "updates of alerts",
        "machineAlerts" => "lists of a machine's alerts",
        "listMachines" => "lists of machines",
        "getMachine" => "reads of machines",
        "findByTag" => "searches for a tag",
        "hunting" | "graphHunting" => "hunting queries",
        other => other,
    }
}
