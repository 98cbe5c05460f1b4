//! A refresh: the fewest calls that answer what the planner needs to see.
//!
//! One filtered list per kind and page, never one read per resource. A list that cannot be read to its
//! end counts as not looked; the reason is kept for the plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::defender::auth::AuthError;
use crate::defender::{ActionFilter, Client, Clock, HuntError, ReadError};
use crate::model::{Alert, Machine, MachineName};
use crate::plan::targets::{Inventory, Wanted};
use crate::plan::{Actions, Machines, Need, Observed};

/// Looks at the service. Only a missing token is an error: without one nothing can be looked at, and a
/// plan that waits for everything would hide why.
pub async fn observe(client: &Client, clock: &Clock, need: &Need) -> Result<Observed, AuthError> {
    let at = clock.now();
    let mut seen = Observed { at, server_at: client.server_time(at), ..Observed::default() };
    if need.is_nothing() {
        return Ok(seen);
    }
    if let Some(since) = need.actions_since {
        let mut filter = ActionFilter::collections_since(since);
        if need.all_types {
            filter.action_type = None;
        }
        let mut list = Vec::new();
        let visit = |a| {
            if need.concerns(&a) {
                list.push(a);
            }
        };
        if keep(client.visit_actions(&filter, visit).await, "machine actions", &mut seen)?.is_some() {
            seen.actions = Some(Actions::new(since, list));
        }
        let unlisted: Vec<&String> = match &seen.actions {
            Some(list) => need.running.iter().filter(|id| list.get(id).is_none()).collect(),
            None => Vec::new(),
        };
        for id in unlisted {
            match keep(client.get_action(id).await, "a machine action", &mut seen)? {
                Some(Some(action)) => {
                    if let Some(list) = &mut seen.actions {
                        list.insert(action);
                    }
                }
                Some(None) => {
                    seen.not_found.insert(id.clone());
                }
                None => break,
            }
        }
    }
    if let Some(since) = need.recent_alerts_since {
        seen.recent_alerts = keep(client.alerts_since(since).await, "alerts", &mut seen)?;
    }
    for machine in &need.machine_alerts {
        if let Some(list) = keep(client.machine_alerts(machine).await, "a machine's alerts", &mut seen)? {
            // A machine that the service does not know has no alerts.
            seen.machine_alerts.insert(machine.clone(), list.unwrap_or_default());
        }
    }
    if !need.alerts.is_empty() {
        let ids: Vec<String> = need.alerts.iter().cloned().collect();
        if let Some(list) = keep(client.alerts_by_ids(&ids).await, "alerts", &mut seen)? {
            seen.alerts_asked = ids.into_iter().collect::<BTreeSet<_>>();
            seen.alerts = list.into_iter().map(|a| (a.id.clone(), a)).collect();
        }
    }
    seen.server_at = client.server_time(at);
    Ok(seen)
}

/// So many machines are asked for in batches of ids; of more of them the whole list is shorter.
const BATCHED: usize = 100;

/// Machines that the list leaves out (it shows recent ones only) are read one by one, so many at most.
const SINGLY: usize = 100;

/// Looks machines up by their ids, as far as they are not known yet. What cannot be read stays unknown, and
/// why is kept: only a missing token is an error.
pub async fn observe_machines(
    client: &Client,
    ids: &BTreeSet<String>,
    machines: &mut Machines,
) -> Result<(), AuthError> {
    let listed = list_by_ids(client, ids, machines).await;
    if machines_or_why(listed, machines)?.is_none() {
        return Ok(());
    }
    let left: Vec<&String> = ids.iter().filter(|id| machines.get(id).is_none()).collect();
    for (n, id) in left.into_iter().enumerate() {
        let machine = match n {
            0..SINGLY => match machines_or_why(client.get_machine(id).await, machines)? {
                Some(machine) => machine,
                None => return Ok(()),
            },
            _ => None,
        };
        machines.insert(id, machine);
    }
    Ok(())
}

/// Looks machines up by their ids in lists alone: for a reader, so that what is not listed, or cannot be read, simply
/// stays unknown. Only a missing token is an error.
pub async fn observe_listed(
    client: &Client,
    ids: &BTreeSet<String>,
    machines: &mut Machines,
) -> Result<(), AuthError> {
    match list_by_ids(client, ids, machines).await {
        Err(ReadError::Auth(e)) => Err(e),
        Err(e) => {
            tracing::debug!("machines could not be listed: {e}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Lists the machines that are neither known nor known to be in no list.
async fn list_by_ids(
    client: &Client,
    ids: &BTreeSet<String>,
    machines: &mut Machines,
) -> Result<(), ReadError> {
    let ids: Vec<String> =
        ids.iter().filter(|id| machines.get(id).is_none() && !machines.is_unlisted(id)).cloned().collect();
    let list = match ids.len() {
        0 => return Ok(()),
        1..=BATCHED => client.machines_by_ids(&ids).await?,
        _ => client.list_machines().await?,
    };
    let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    for machine in list {
        let id = machine.id.to_ascii_lowercase();
        if wanted.contains(id.as_str()) {
            machines.insert(&id, Some(machine));
        }
    }
    let unlisted = |id: &String| machines.get(id).is_none();
    let unlisted: Vec<String> = ids.into_iter().filter(unlisted).collect();
    machines.note_unlisted(unlisted);
    Ok(())
}

/// Alerts that a new one could be merged into, for a reader: none if they cannot be listed. Only a missing token is an
/// error.
pub async fn observe_open_alerts(
    client: &Client,
    since: jiff::Timestamp,
) -> Result<Option<Vec<Alert>>, AuthError> {
    match client.alerts_since(since).await {
        Ok(list) => Ok(Some(list)),
        Err(ReadError::Auth(e)) => Err(e),
        Err(e) => {
            tracing::debug!("alerts could not be listed: {e}");
            Ok(None)
        }
    }
}

/// So many names are asked for in batches; of more of them the whole list is shorter.
const NAMED: usize = 100;

/// Lists the machines that templates name, and runs the queries that they hold, in as few calls as possible. A list that cannot be read to its end is
/// kept as the reason why; only a missing token is an error.
pub async fn observe_inventory(client: &Client, wanted: &Wanted) -> Result<Inventory, AuthError> {
    let mut tagged = BTreeMap::new();
    for tag in &wanted.tags {
        tagged.insert(tag.clone(), listed(client.machines_tagged(tag).await)?);
    }
    let mut hunted = BTreeMap::new();
    for query in &wanted.queries {
        let found = match client.hunt(query).await {
            Ok(table) => Ok(table),
            Err(HuntError::Read(ReadError::Auth(e))) => return Err(e),
            Err(e) => Err(e.to_string()),
        };
        hunted.insert(query.clone(), found);
    }
    Ok(Inventory { named: listed(named(client, wanted).await)?, tagged, hunted })
}

async fn named(client: &Client, wanted: &Wanted) -> Result<Vec<Machine>, ReadError> {
    let names: Vec<&MachineName> = wanted.names.values().collect();
    match names.len() {
        0 => return Ok(Vec::new()),
        1..=NAMED => {}
        _ => return client.every_machine().await,
    }
    let found = match client.machines_named(&names).await {
        Ok(found) => found,
        // A filter that the service does not take is no reason to know nothing.
        Err(ReadError::Refused(e)) if e.status == 400 => {
            tracing::warn!("machines could not be filtered by name, the whole list is read: {e}");
            return client.every_machine().await;
        }
        Err(e) => return Err(e),
    };
    let is_found = |n: &&MachineName| {
        found.iter().any(|m| m.computer_dns_name.as_deref().is_some_and(|dns| n.means(dns)))
    };
    // The filter may mind upper and lower case: before a name is called unknown, the whole list says so.
    if names.iter().all(is_found) { Ok(found) } else { client.every_machine().await }
}

fn listed(read: Result<Vec<Machine>, ReadError>) -> Result<Result<Vec<Machine>, String>, AuthError> {
    match read {
        Ok(list) => Ok(Ok(list)),
        Err(ReadError::Auth(e)) => Err(e),
        Err(e) => Ok(Err(format!("machines could not be listed: {e}"))),
    }
}

fn machines_or_why<T>(read: Result<T, ReadError>, machines: &mut Machines) -> Result<Option<T>, AuthError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Auth(e)) => Err(e),
        Err(e) => {
            tracing::warn!("machines could not be looked up: {e}");
            machines.fail(e.to_string());
            Ok(None)
        }
    }
}

fn keep<T>(result: Result<T, ReadError>, what: &str, seen: &mut Observed) -> Result<Option<T>, AuthError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Auth(e)) => Err(e),
        Err(e) => {
            let why = format!("{what} could not be listed: {e}");
            tracing::warn!("{why}");
            if !seen.failures.contains(&why) {
                seen.failures.push(why);
            }
            Ok(None)
        }
    }
}
