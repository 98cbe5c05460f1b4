//! A refresh: the fewest calls that answer what the planner needs to see.
//!
//! One filtered list per kind and page, never one read per resource. A list that cannot be read to its
//! end counts as not looked; the reason is kept for the plan. What a plan needs is what [`Need`] asks for; what is
//! listed for a reader alone may be missing.

use std::collections::{BTreeMap, BTreeSet};

use crate::defender::auth::AuthError;
use crate::defender::{ActionFilter, Client, Clock, Endpoint, HuntError, ReadError};
use crate::model::{Alert, Hindrance, IdKey, Machine, MachineAction, MachineName};
use crate::plan::targets::{Inventory, NotListed, Wanted};
use crate::plan::{Actions, Machines, Need, Observed, Unread, has_external_id};

/// Looks at the service. Only a missing token is an error: what else cannot be read is kept beside what was seen,
/// each reason once.
pub async fn observe(client: &Client, clock: &Clock, need: &Need) -> Result<Observed, AuthError> {
    let at = clock.now();
    let mut seen = Observed { at, server_at: client.server_time(at), ..Observed::default() };
    if need.is_nothing() {
        return Ok(seen);
    }
    let mut reader = Reader::new(clock);
    if let Some(since) = need.actions_since {
        let mut filter = ActionFilter::collections_since(since);
        if need.all_types {
            filter.action_type = None;
        }
        let (mut list, mut gives_external_ids) = (Vec::new(), false);
        let visit = |a: MachineAction| {
            gives_external_ids |= has_external_id(&a);
            if need.concerns(&a) {
                list.push(a);
            }
        };
        let read = client.visit_actions(&filter, visit);
        if reader.read("machine actions", Endpoint::ListActions, read).await?.is_some() {
            let mut actions = Actions::new(since, list);
            actions.gives_external_ids |= gives_external_ids;
            seen.actions = Some(actions);
        }
        let unlisted: Vec<&String> = match &seen.actions {
            Some(list) => need.running.iter().filter(|id| list.get(id).is_none()).collect(),
            None => Vec::new(),
        };
        for id in unlisted {
            let read = client.get_action(id);
            match reader.read("single machine actions", Endpoint::GetAction, read).await? {
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
        let read = client.alerts_since(since);
        seen.recent_alerts = reader.read("alerts", Endpoint::ListAlerts, read).await?;
    }
    for machine in &need.machine_alerts {
        let read = client.machine_alerts(machine.as_str());
        match reader.read("alerts of single machines", Endpoint::MachineAlerts, read).await? {
            Some(list) => {
                // A machine that the service does not know has no alerts. Each of the list is of this machine.
                let mut list = list.unwrap_or_default();
                for alert in &mut list {
                    alert.machine_id.get_or_insert_with(|| machine.as_str().to_owned());
                }
                seen.machine_alerts.insert(machine.clone(), list);
            }
            None if reader.may_differ_by_object() => {}
            None => break,
        }
    }
    if !need.alerts.is_empty() {
        let ids: Vec<String> = need.alerts.iter().cloned().collect();
        let read = client.alerts_by_ids(&ids);
        if let Some(list) = reader.read("alerts", Endpoint::ListAlerts, read).await? {
            seen.alerts_asked = ids.into_iter().collect::<BTreeSet<_>>();
            seen.alerts = list.into_iter().map(|a| (a.id.clone(), a)).collect();
        }
    }
    seen.unread = reader.unread;
    seen.server_at = client.server_time(at);
    Ok(seen)
}

/// Reads what a plan needs, and keeps why something cannot be read.
struct Reader<'a> {
    clock: &'a Clock,
    unread: Vec<Unread>,
    last: Option<Unread>,
}

impl<'a> Reader<'a> {
    fn new(clock: &'a Clock) -> Self {
        Reader { clock, unread: Vec::new(), last: None }
    }

    /// Reads one thing; `None` if it cannot be read.
    async fn read<T>(
        &mut self,
        what: &'static str,
        endpoint: Endpoint,
        read: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<Option<T>, AuthError> {
        match self.try_read(what, endpoint, read).await? {
            Ok(value) => Ok(Some(value)),
            Err(unread) => {
                unread.add_to(&mut self.unread);
                Ok(None)
            }
        }
    }

    /// Reads one thing, or gives the reason why not. What every call would meet is met once.
    async fn try_read<T>(
        &mut self,
        what: &'static str,
        endpoint: Endpoint,
        read: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<Result<T, Unread>, AuthError> {
        let unread = match self.last.as_ref().filter(|u| u.cause.is_of_every_call()) {
            Some(down) => Unread::new(what, down.cause, &*down.why),
            None => match read.await {
                Ok(value) => return Ok(Ok(value)),
                Err(ReadError::Auth(e)) => return Err(e),
                Err(e) => {
                    tracing::debug!("{what} could not be read: {e}");
                    let cause = e.cause(endpoint, self.clock.now());
                    Unread::new(what, cause, e.to_string()).quoting(e.support_id())
                }
            },
        };
        self.last = Some(unread.clone());
        Ok(Err(unread))
    }

    /// Returns whether another object of the same kind might be answered better than the last one.
    fn may_differ_by_object(&self) -> bool {
        let cause = self.last.as_ref().map(|u| u.cause);
        matches!(cause, Some(Hindrance::Permission(_) | Hindrance::Licence | Hindrance::Refused))
    }
}

/// So many machines are asked for in batches of ids; of more of them the whole list is shorter.
const BATCHED: usize = 100;

/// Machines that the list leaves out (it shows recent ones only) are read one by one, so many at most.
const SINGLY: usize = 100;

/// Looks machines up by their ids, as far as they are not known yet. What cannot be read stays unknown, and
/// why is kept: only a missing token is an error.
pub async fn observe_machines(
    client: &Client,
    ids: &BTreeSet<IdKey>,
    machines: &mut Machines,
) -> Result<(), AuthError> {
    let listed = list_by_ids(client, ids, machines).await;
    if machines_or_why(listed, machines)?.is_none() {
        return Ok(());
    }
    let left: Vec<&IdKey> = ids.iter().filter(|id| machines.get(id.as_str()).is_none()).collect();
    for (n, id) in left.into_iter().enumerate() {
        let machine = match n {
            0..SINGLY => match machines_or_why(client.get_machine(id.as_str()).await, machines)? {
                Some(machine) => machine,
                None => return Ok(()),
            },
            _ => None,
        };
        machines.insert(id.as_str(), machine);
    }
    Ok(())
}

/// Looks machines up by their ids in lists alone: for a reader, so that what is not listed, or cannot be read, simply
/// stays unknown. Only a missing token is an error.
pub async fn observe_listed(
    client: &Client,
    ids: &BTreeSet<IdKey>,
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

/// Unlisted machines that are asked for by themselves before a plan is shown, at most.
const DOUBTED: usize = 10;

/// Asks for the first of the machines that a list left out by themselves: it shows recent ones only, and a reader is to know
/// which ids nobody has. Only a missing token is an error.
pub async fn observe_absent(
    client: &Client,
    ids: &BTreeSet<IdKey>,
    machines: &mut Machines,
) -> Result<(), AuthError> {
    let doubted: Vec<IdKey> =
        machines.unlisted().filter(|id| ids.contains(*id)).take(DOUBTED).cloned().collect();
    for id in doubted {
        match client.get_machine(id.as_str()).await {
            Ok(None) => machines.note_absent(&id),
            Ok(Some(_)) => {}
            Err(ReadError::Auth(e)) => return Err(e),
            Err(e) => {
                tracing::debug!("a machine could not be read: {e}");
                break;
            }
        }
    }
    Ok(())
}

/// Lists the machines that are neither known nor known to be in no list.
async fn list_by_ids(
    client: &Client,
    ids: &BTreeSet<IdKey>,
    machines: &mut Machines,
) -> Result<(), ReadError> {
    let unknown = |id: &&IdKey| machines.get(id.as_str()).is_none();
    let ids: Vec<&str> =
        ids.iter().filter(unknown).map(IdKey::as_str).filter(|id| !machines.is_unlisted(id)).collect();
    let list = match ids.len() {
        0 => return Ok(()),
        1..=BATCHED => client.machines_by_ids(&ids).await?,
        _ => client.list_machines().await?,
    };
    let wanted: BTreeSet<IdKey> = ids.iter().map(IdKey::of).collect();
    for machine in list {
        if wanted.contains(&IdKey::of(&machine.id)) {
            let id = machine.id.clone();
            machines.insert(&id, Some(machine));
        }
    }
    let unlisted = wanted.into_iter().filter(|id| machines.get(id.as_str()).is_none()).collect();
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

/// Lists the machines that templates name, and runs the queries that they hold, in as few calls as possible. A list
/// that cannot be read to its end is kept as the reason why; only a missing token is an error.
pub async fn observe_inventory(
    client: &Client,
    clock: &Clock,
    wanted: &Wanted,
) -> Result<Inventory, AuthError> {
    let mut reader = Reader::new(clock);
    let mut tagged = BTreeMap::new();
    for tag in &wanted.tags {
        let read = client.machines_tagged(tag);
        let listed = reader.try_read("machines with a tag", Endpoint::FindByTag, read).await?;
        tagged.insert(tag.clone(), listed.map_err(NotListed::Unread));
    }
    let named = reader.try_read("machines", Endpoint::ListMachines, named(client, wanted)).await?;
    let mut hunted = BTreeMap::new();
    // Queries may go to another service.
    let mut reader = Reader::new(clock);
    for query in &wanted.queries {
        let mut fault = None;
        let read = async {
            client.hunt(query).await.map(Some).or_else(|e| match e {
                // The query itself is wrong, and so is the place that holds it.
                HuntError::Read(ReadError::Refused(e)) if e.status == 400 => {
                    fault = Some(e.to_string());
                    Ok(None)
                }
                HuntError::Read(e) => Err(e),
                e @ (HuntError::NoHunter | HuntError::NoTimespan) => {
                    fault = Some(e.to_string());
                    Ok(None)
                }
            })
        };
        let found = match reader.try_read("what queries find", client.hunting_endpoint(), read).await? {
            Ok(Some(table)) => Ok(table),
            Ok(None) => Err(NotListed::Unusable(fault.unwrap_or_default())),
            Err(unread) => Err(NotListed::Unread(unread)),
        };
        hunted.insert(query.clone(), found);
    }
    Ok(Inventory { named: named.map_err(NotListed::Unread), tagged, hunted })
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
