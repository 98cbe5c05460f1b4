//! Requests as values. Pure: what goes into a URL, quoted and encoded.
//!
//! Calls that change something are not made here: they come as [`Request`](crate::model::Request) values and go out
//! byte for byte.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::endpoint::Endpoint;
use super::transport;
use crate::model::{Call, HuntingApi, HuntingQuery, MachineAction, MachineName, Mutation, Timespan, segment};

/// The service's largest page.
pub const PAGE: usize = 10_000;

/// How many bytes of a list's page are read.
const LIST_LIMIT: usize = 64 << 20;

/// How many bytes of a single object are read.
pub(super) const OBJECT_LIMIT: usize = 4 << 20;

/// How many bytes of a hunting result are read. The service ends at 124 MB.
const TABLE_LIMIT: usize = 128 << 20;

/// Longer URLs are refused by some gateways.
const URL_BUDGET: usize = 2_000;

/// OData services commonly refuse filters of more than 100 nodes; `id eq '..' or` has five, and so has
/// `startswith(name,'..') or`.
const IDS_PER_FILTER: usize = 20;

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same for query values, where these three need no encoding.
const QUERY: &AsciiSet = &ENCODED.remove(b':').remove(b',').remove(b'/');

fn query(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// An OData string literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An OData time literal: not quoted; the service counts in 100 ns.
fn time(at: Timestamp) -> String {
    format!("{at:.7}")
}

/// A request that changes nothing and may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Whose quota it uses.
    pub endpoint: Endpoint,
    /// Path and query.
    pub target: String,
    /// The JSON body of a read that is a POST; none for a GET.
    pub body: Option<String>,
    /// How many bytes of the answer are read.
    pub limit: usize,
}

/// Which machine actions to list. The default is: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionFilter {
    /// Of this type.
    pub action_type: Option<String>,
    /// Of this machine.
    pub machine_id: Option<String>,
    /// Created then or later, by the service's clock.
    pub since: Option<Timestamp>,
}

impl ActionFilter {
    /// Package collections that began at `since` or later.
    pub fn collections_since(since: Timestamp) -> Self {
        ActionFilter {
            action_type: Some(MachineAction::COLLECT.into()),
            machine_id: None,
            since: Some(since),
        }
    }

    fn text(&self) -> Option<String> {
        let mut terms = Vec::new();
        terms.extend(self.machine_id.as_deref().map(|m| format!("machineId eq {}", literal(m))));
        terms.extend(self.action_type.as_deref().map(|t| format!("type eq {}", literal(t))));
        terms.extend(self.since.map(|t| format!("creationDateTimeUtc ge {}", time(t))));
        (!terms.is_empty()).then(|| terms.join(" and "))
    }
}

fn list(endpoint: Endpoint, path: &str, filter: Option<&str>, order: Option<&str>, skip: usize) -> Read {
    let mut target = format!("{path}?$top={PAGE}&$skip={skip}");
    if let Some(filter) = filter {
        target.push_str("&$filter=");
        target.push_str(&query(filter));
    }
    if let Some(order) = order {
        target.push_str("&$orderby=");
        target.push_str(&query(order));
    }
    Read { endpoint, target, body: None, limit: LIST_LIMIT }
}

fn one(endpoint: Endpoint, target: String) -> Read {
    Read { endpoint, target, body: None, limit: OBJECT_LIMIT }
}

impl Read {
    /// A page of machine actions, oldest first: what is created while pages are read comes behind them,
    /// so no entry moves to a page already read.
    pub fn actions(filter: &ActionFilter, skip: usize) -> Self {
        let text = filter.text();
        let order = Some("creationDateTimeUtc asc");
        list(Endpoint::ListActions, "/api/machineactions", text.as_deref(), order, skip)
    }

    /// The same in no order that we ask for. New entries at the front can only make an entry be read twice.
    pub fn unsorted_actions(filter: &ActionFilter, skip: usize) -> Self {
        list(Endpoint::ListActions, "/api/machineactions", filter.text().as_deref(), None, skip)
    }

    /// One machine action.
    pub fn action(id: &str) -> Self {
        one(Endpoint::GetAction, format!("/api/machineactions/{}", segment(id)))
    }

    /// A link to a finished package. The tightest quota of all: ask only for `Succeeded` actions.
    pub fn package_uri(action_id: &str) -> Self {
        one(Endpoint::PackageUri, format!("/api/machineactions/{}/getPackageUri", segment(action_id)))
    }

    /// A page of the alerts created at `since` or later.
    ///
    /// `$orderby` is not documented for alerts and left out: new entries at the front can only make an
    /// entry be read twice, never be missed.
    pub fn alerts_since(since: Timestamp, skip: usize) -> Self {
        let filter = format!("alertCreationTime ge {}", time(since));
        list(Endpoint::ListAlerts, "/api/alerts", Some(&filter), None, skip)
    }

    /// The alerts with these ids, in as few requests as URL length and filter size allow.
    pub fn alerts_by_ids<S: AsRef<str>>(ids: &[S]) -> Vec<Self> {
        Read::by_ids(Endpoint::ListAlerts, "/api/alerts", ids)
    }

    fn by_ids<S: AsRef<str>>(endpoint: Endpoint, path: &str, ids: &[S]) -> Vec<Self> {
        let read = |filter: &str| list(endpoint, path, Some(filter), None, 0);
        let terms = ids.iter().map(|id| format!("id eq {}", literal(id.as_ref())));
        batches(terms, |filter| read(filter).target.len()).iter().map(|f| read(f)).collect()
    }

    /// One alert.
    pub fn alert(id: &str) -> Self {
        one(Endpoint::GetAlert, format!("/api/alerts/{}", segment(id)))
    }

    /// All alerts of one machine.
    pub fn machine_alerts(machine_id: &str) -> Self {
        let target = format!("/api/machines/{}/alerts", segment(machine_id));
        Read { endpoint: Endpoint::MachineAlerts, target, body: None, limit: LIST_LIMIT }
    }

    /// A page of machines.
    pub fn machines(skip: usize) -> Self {
        list(Endpoint::ListMachines, "/api/machines", None, None, skip)
    }

    /// The machines with these ids, in as few requests as URL length and filter size allow.
    pub fn machines_by_ids<S: AsRef<str>>(ids: &[S]) -> Vec<Self> {
        Read::by_ids(Endpoint::ListMachines, "/api/machines", ids)
    }

    /// Filters that hold for every machine with one of these names, and for some others: as few as URL length
    /// and filter size allow. A name of one label is searched as the beginning of a DNS name. Names are in lower
    /// case at the service.
    pub fn name_filters<'n>(names: impl IntoIterator<Item = &'n MachineName>) -> Vec<String> {
        let term = |name: &MachineName| match name.is_short() {
            true => format!("startswith(computerDnsName,{})", literal(&name.key())),
            false => format!("computerDnsName eq {}", literal(&name.key())),
        };
        batches(names.into_iter().map(term), |filter| Read::machines_where(filter, 0).target.len())
    }

    /// A page of the machines that a filter lets through.
    pub fn machines_where(filter: &str, skip: usize) -> Self {
        list(Endpoint::ListMachines, "/api/machines", Some(filter), None, skip)
    }

    /// The machines that carry exactly this tag. Paging options are not documented here and left out.
    pub fn machines_tagged(tag: &str) -> Self {
        let target = format!("/api/machines/findbytag?tag={}&useStartsWithFilter=false", query(tag));
        Read { endpoint: Endpoint::FindByTag, target, body: None, limit: LIST_LIMIT }
    }

    /// One machine, by id or by computer name.
    pub fn machine(id_or_name: &str) -> Self {
        one(Endpoint::GetMachine, format!("/api/machines/{}", segment(id_or_name)))
    }

    /// Runs a hunting query. A POST that changes nothing: it may be repeated.
    ///
    /// # Errors
    /// None that a text can cause.
    pub fn hunt(api: HuntingApi, query: &HuntingQuery) -> Result<Self, serde_json::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            query: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            timespan: Option<&'a Timespan>,
        }
        let (endpoint, path) = match api {
            HuntingApi::Graph => (Endpoint::GraphHunt, "/v1.0/security/runHuntingQuery"),
            HuntingApi::Defender => (Endpoint::Hunt, "/api/advancedqueries/run"),
        };
        let body = Body { query: &query.text, timespan: query.timespan.as_ref() };
        let body = Some(serde_json::to_string(&body)?);
        Ok(Read { endpoint, target: path.to_owned(), body, limit: TABLE_LIMIT })
    }

    /// The path alone: queries are kept out of logs and messages.
    pub fn path(&self) -> &str {
        transport::path(&self.target)
    }

    /// The next page of a list, by a target that was checked to stay at the service.
    pub(super) fn follow(&self, target: String) -> Self {
        Read { target, body: None, ..*self }
    }
}

/// Terms joined by `or`, in as few filters as their number and the length of their URL allow.
fn batches(terms: impl Iterator<Item = String>, url_length: impl Fn(&str) -> usize) -> Vec<String> {
    let mut filters = Vec::new();
    let mut batch: Vec<String> = Vec::new();
    for term in terms {
        batch.push(term);
        let full = batch.len() > IDS_PER_FILTER || url_length(&batch.join(" or ")) > URL_BUDGET;
        if full
            && let [whole @ .., last] = batch.as_slice()
            && !whole.is_empty()
        {
            filters.push(whole.join(" or "));
            batch = vec![last.clone()];
        }
    }
    if !batch.is_empty() {
        filters.push(batch.join(" or "));
    }
    filters
}

impl Endpoint {
    /// Returns the endpoint whose quota a call uses.
    pub fn of(mutation: &Mutation) -> Self {
        match mutation {
            Mutation::Create(Call::Collect { .. }) => Endpoint::Collect,
            Mutation::Create(Call::Alert(_)) => Endpoint::CreateAlert,
            Mutation::Cancel { .. } => Endpoint::CancelAction,
            Mutation::Update { .. } => Endpoint::PatchAlert,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_page_of_actions() {
        let r = Read::actions(&ActionFilter::collections_since(at("2024-01-01T00:00:00.12345678Z")), 10_000);
        assert_eq!(
            r.target,
            "/api/machineactions?$top=10000&$skip=10000&$filter=type%20eq%20%27CollectInvestigationPackage%27%20and%20creationDateTimeUtc%20ge%202024-01-01T00:00:00.1234567Z&$orderby=creationDateTimeUtc%20asc"
        );
        let all = Read::actions(&ActionFilter::default(), 0).target;
        assert_eq!(all, "/api/machineactions?$top=10000&$skip=0&$orderby=creationDateTimeUtc%20asc");
    }

    #[test]
    fn quotes_cannot_leave_a_literal() {
        let filter =
            ActionFilter { machine_id: Some("x' or 'a' eq 'a&$top=1#".into()), ..Default::default() };
        let target = Read::actions(&filter, 0).target;
        assert!(
            target.contains(
                "machineId eq 'x'' or ''a'' eq ''a%26%24top%3D1%23'"
                    .replace(' ', "%20")
                    .replace('\'', "%27")
                    .as_str()
            ),
            "{target}"
        );
    }

    #[test]
    fn ids_are_one_segment() {
        assert_eq!(
            Read::alert("da637308392288907382_-880718168").target,
            "/api/alerts/da637308392288907382_-880718168"
        );
        assert_eq!(Read::alert("../machines?x=1#y").target, "/api/alerts/..%2Fmachines%3Fx%3D1%23y");
        assert_eq!(Read::machine("pc é").target, "/api/machines/pc%20%C3%A9");
        for odd in ["", ".", "..", "...", "a/../b", "%2e%2e", ".%2E", "\\..\\x", "a?b", "a#b", "\n"] {
            let base = url::Url::parse("https://api.security.microsoft.com").unwrap();
            let url = base.join(&Read::alert(odd).target).unwrap();
            let segments: Vec<&str> = url.path_segments().unwrap().collect();
            assert!(matches!(&segments[..], ["api", "alerts", id] if !id.is_empty()), "{odd:?}: {url}");
            assert_eq!((url.query(), url.fragment()), (None, None), "{odd:?}");
        }
    }

    #[test]
    fn batches_of_ids_lose_none_and_stay_short() {
        let ids: Vec<String> = (0..137).map(|n| format!("da63730839228890{n:04}_-880718168")).collect();
        let reads = Read::alerts_by_ids(&ids);
        assert!(reads.iter().all(|r| r.target.len() <= URL_BUDGET));
        assert!(reads.iter().all(|r| r.target.matches("id%20eq").count() <= IDS_PER_FILTER));
        assert_eq!(reads.len(), 137_usize.div_ceil(IDS_PER_FILTER));
        for id in &ids {
            assert_eq!(reads.iter().filter(|r| r.target.contains(id.as_str())).count(), 1, "{id}");
        }
        assert!(Read::alerts_by_ids::<String>(&[]).is_empty());
        let machines = Read::machines_by_ids(&ids);
        assert_eq!(machines.len(), reads.len());
        assert!(machines.iter().all(|r| r.endpoint == Endpoint::ListMachines));
        assert!(machines[0].target.starts_with("/api/machines?") && machines[0].target.contains(&ids[0]));
        let huge = ["a".repeat(3_000), "b".into()];
        assert_eq!(Read::alerts_by_ids(&huge).len(), 2, "an oversized id goes alone");
    }
}
