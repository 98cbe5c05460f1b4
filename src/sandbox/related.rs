//! The parts of an alert or a device: users, files, domains, addresses, the device itself.
//!
//! An alert that is created by reference has no such thing but its device. Users are those that the scenario lists.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::message::{HttpRequest, HttpResponse, Refusal, wire_time};
use super::odata::{Field, Query, Row, Value};
use super::wire;
use super::world::World;

/// A user on the wire.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserBody {
    id: String,
    account_name: String,
    account_domain: Option<String>,
    account_sid: Option<String>,
    first_seen: String,
    last_seen: String,
    most_prevalent_machine_id: Option<String>,
    least_prevalent_machine_id: Option<String>,
    logon_types: &'static str,
    log_on_machines_count: Option<i64>,
    is_domain_admin: bool,
    is_only_network_user: bool,
}

/// Nothing here can be filtered by: the documentation lists no such property.
static FIELDS: &[Field] = &[];

impl Row for UserBody {
    fn value(&self, _: &str) -> Value<'_> {
        Value::Null
    }
}

impl World {
    /// `GET /api/alerts/{id}/user`: no alert that is created by reference has one.
    pub(super) fn alert_user(&self, now: Timestamp, id: &str) -> Result<HttpResponse, Refusal> {
        self.alert_machine_id(now, id)?;
        Err(Refusal::not_found(format!("There is no User related to alert {id}")))
    }

    /// `GET /api/alerts/{id}/files` and its siblings: `set` and `kind` are what the metadata calls them.
    pub(super) fn alert_relations(
        &self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
        (set, kind): (&str, &str),
    ) -> Result<HttpResponse, Refusal> {
        self.alert_machine_id(now, id)?;
        let query = Query::of(request, FIELDS, kind)?;
        let none = std::iter::empty::<UserBody>();
        Ok(wire::list(request, set, &query, self.scenario.lists.page_size, none, Clone::clone))
    }

    /// `GET /api/machines/{id}/logonusers`.
    pub(super) fn log_on_users(
        &self,
        now: Timestamp,
        id: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Refusal> {
        let spec = self.machine(id)?;
        let query = Query::of(request, FIELDS, "User")?;
        let back = |hours| now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now);
        let rows = spec.users.iter().map(|id| {
            let (domain, name) = match id.split_once('\\') {
                Some((domain, name)) => (Some(domain.to_owned()), name),
                None => (None, id.as_str()),
            };
            UserBody {
                id: id.clone(),
                account_name: name.to_owned(),
                account_domain: domain,
                account_sid: None,
                first_seen: wire_time(back(90 * 24)),
                last_seen: wire_time(back(1)),
                most_prevalent_machine_id: None,
                least_prevalent_machine_id: None,
                logon_types: "Interactive",
                log_on_machines_count: None,
                is_domain_admin: false,
                is_only_network_user: false,
            }
        });
        Ok(wire::list(request, "Users", &query, self.scenario.lists.page_size, rows, Clone::clone))
    }
}
