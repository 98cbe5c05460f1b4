//! The words for the calls that have a quota of their own.

/// Returns what the calls of a quota are called, by its name in the project file; a name that is not known is itself.
pub fn quota_calls(name: &str) -> &str {
    match name {
        "collect" => "collections",
        "listActions" => "lists of machine actions",
        "getAction" => "reads of machine actions",
        "cancelAction" => "cancels of collections",
        "packageUri" => "links to packages",
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
