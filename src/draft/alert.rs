//! From an alert to a package of its device and an alert that follows it up.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::text::{literal, plain, slug};
use crate::model::{AlertEvidence, AlertInFull, Category, HuntingQuery, MachineId, Severity};

/// How much of the title and of the description of an alert is quoted, in characters.
const QUOTED: [usize; 2] = [120, 600];

/// How much of a value of the evidence goes into a query, in characters.
const VALUE: usize = 260;

/// A package, and an alert on the event that the alert of the service tells of.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowUp {
    /// The name of both.
    pub name: String,
    /// The labels of both.
    pub labels: BTreeMap<String, String>,
    /// The device.
    pub machine: MachineId,
    /// Why the package is collected.
    pub comment: String,
    /// How severe the new alert is.
    pub severity: Severity,
    /// Its category.
    pub category: Category,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
    /// The steps that it recommends.
    pub recommended_action: String,
    /// Finds the event.
    pub query: HuntingQuery,
}

/// Why nothing can be drafted of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDraft {
    /// It names no device.
    #[error("the alert names no device, so there is nothing to collect from")]
    NoMachine,
}

/// Drafts what follows an alert up. `labels` count before what the alert says, and `comment` stands for its own words.
///
/// # Errors
/// The alert is about no device.
pub fn follow_up(
    alert: &AlertInFull,
    labels: &BTreeMap<String, String>,
    comment: Option<&str>,
) -> Result<FollowUp, NoDraft> {
    let a = &alert.alert;
    let machine: MachineId = a
        .machine_id
        .as_deref()
        .and_then(|id| id.parse().ok())
        .filter(MachineId::is_whole)
        .ok_or(NoDraft::NoMachine)?;
    let mut all = BTreeMap::new();
    if let Some(id) = alert.incident_id {
        all.insert("incident".to_owned(), id.to_string());
    }
    all.insert("alert".to_owned(), plain(&a.id, QUOTED[0]));
    all.extend(labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    let title = plain(a.title.as_deref().unwrap_or("no title"), QUOTED[0]);
    let ticket = all.get("incident").cloned();
    let ticket = ticket.map(|ticket| format!("{ticket}: ")).unwrap_or_default();
    let id = plain(&a.id, QUOTED[0]);
    let comment = comment.map_or_else(|| format!("{ticket}package for alert {id}, {title}"), str::to_owned);
    let told = plain(a.description.as_deref().unwrap_or_default(), QUOTED[1]);
    let severity = known_severity(a.severity.as_deref());
    let category = a.category.as_deref().map(Category::from).filter(Category::is_known);
    Ok(FollowUp {
        name: match slug(&a.id) {
            slug if slug.is_empty() => "alert".to_owned(),
            slug => slug,
        },
        labels: all,
        machine,
        comment,
        severity,
        category: category.unwrap_or_else(|| "SuspiciousActivity".into()),
        title: format!("{ticket}follow-up of {title}"),
        description: format!("Follows alert {id} up. {told}").trim_end().to_owned(),
        recommended_action: format!("Review alert {id}, and the package of its device."),
        query: HuntingQuery { text: query(alert).into(), timespan: None },
    })
}

/// The severity of the new alert: one that the service takes.
fn known_severity(word: Option<&str>) -> Severity {
    word.map(Severity::from).filter(Severity::is_known).unwrap_or_else(|| "Medium".into())
}

/// A query for the first event of an alert, by the most telling part of its evidence.
fn query(alert: &AlertInFull) -> String {
    let a = &alert.alert;
    let (table, condition) = alert
        .evidence
        .iter()
        .filter_map(found_by)
        .min_by_key(|(rank, ..)| *rank)
        .map_or(("DeviceEvents", None), |(_, table, condition)| (table, Some(condition)));
    let mut steps = vec![table.to_owned()];
    steps.push(format!("where DeviceId =~ {}", literal(a.machine_id.as_deref().unwrap_or_default())));
    let first = a.first_event_time.as_ref().or(a.alert_creation_time.as_ref());
    let last = a.last_event_time.as_ref().or(first);
    if let (Some(first), Some(last)) = (first, last) {
        let around = SignedDuration::from_mins(1);
        let from = first.instant().saturating_sub(around).unwrap_or(first.instant());
        let to = last.instant().saturating_add(around).unwrap_or(last.instant());
        steps.push(format!("where Timestamp between (datetime({from}) .. datetime({to}))"));
    }
    steps.extend(condition.map(|condition| format!("where {condition}")));
    steps.push("top 1 by Timestamp asc".to_owned());
    steps.push("project Timestamp, DeviceId, ReportId".to_owned());
    format!("{}\n", steps.join("\n| "))
}

/// Where a piece of evidence is found, and by what; with its rank, the most telling first.
fn found_by(evidence: &AlertEvidence) -> Option<(u8, &'static str, String)> {
    let value = |text: &Option<String>| text.as_deref().map(|t| plain(t, VALUE)).filter(|t| !t.is_empty());
    let is = |column: &str, text: String| format!("{column} =~ {}", literal(&text));
    match evidence.entity_type.as_deref()?.to_ascii_lowercase().as_str() {
        "process" => Some((0, "DeviceProcessEvents", is("FileName", value(&evidence.file_name)?))),
        "file" => match value(&evidence.sha256) {
            Some(sha256) => Some((1, "DeviceFileEvents", is("SHA256", sha256))),
            None => Some((1, "DeviceFileEvents", is("FileName", value(&evidence.file_name)?))),
        },
        "ip" => Some((2, "DeviceNetworkEvents", is("RemoteIP", value(&evidence.ip_address)?))),
        "url" => Some((3, "DeviceNetworkEvents", is("RemoteUrl", value(&evidence.url)?))),
        "user" => Some((4, "DeviceLogonEvents", is("AccountName", value(&evidence.account_name)?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alert(more: serde_json::Value) -> AlertInFull {
        let mut value = json!({
            "id": "da637472900382838869_1364969609", "incidentId": 1126093, "severity": "Low", "category": "Execution",
            "title": "Odd\u{1b}[2J \"thing\" ${{ resources.x.id }}", "description": "two\nlines",
            "machineId": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "computerDnsName": "fin-ws-042.contoso.com",
            "firstEventTime": "2026-03-01T09:15:42.1830907Z", "lastEventTime": "2026-03-01T09:20:00Z",
        });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_alert_becomes_a_package_and_a_query_for_its_event() {
        let alert = alert(json!({ "evidence": [
            { "entityType": "User", "accountName": "k.brandt" },
            { "entityType": "Process", "fileName": "a\" | union *.exe", "processId": 7 },
            { "entityType": "Process", "fileName": null },
        ] }));
        let draft = follow_up(&alert, &BTreeMap::new(), None).unwrap();
        assert_eq!(draft.name, "da637472900382838869-1364969609");
        assert_eq!(draft.labels["incident"], "1126093");
        let title = "Odd [2J \"thing\" $ {{ resources.x.id }}";
        assert_eq!(draft.comment, format!("1126093: package for alert {}, {title}", alert.alert.id));
        assert_eq!((draft.severity.as_str(), draft.category.as_str()), ("Low", "Execution"));
        assert_eq!(
            &*draft.query.text,
            "DeviceProcessEvents\n\
             | where DeviceId =~ \"1e5bc9d7e413ddd7902c2932e418702b84d0cc07\"\n\
             | where Timestamp between (datetime(2026-03-01T09:14:42.1830907Z) .. datetime(2026-03-01T09:21:00Z))\n\
             | where FileName =~ \"a\\\" | union *.exe\"\n\
             | top 1 by Timestamp asc\n\
             | project Timestamp, DeviceId, ReportId\n"
        );
    }

    #[test]
    fn what_the_service_takes_no_alert_with_is_another_word() {
        let alert = alert(
            json!({ "severity": "Informational", "category": "null", "incidentId": null, "evidence": null }),
        );
        let labels = BTreeMap::from([("incident".to_owned(), "INC-7".to_owned())]);
        let draft = follow_up(&alert, &labels, None).unwrap();
        assert_eq!((draft.severity.as_str(), draft.category.as_str()), ("Medium", "SuspiciousActivity"));
        assert!(draft.comment.starts_with("INC-7: package for alert ") && draft.title.starts_with("INC-7: "));
        assert!(draft.query.text.starts_with("DeviceEvents\n"));
    }

    #[test]
    fn an_alert_without_a_device_is_refused() {
        for machine in [json!(null), json!("abc")] {
            let alert = alert(json!({ "machineId": machine }));
            assert_eq!(follow_up(&alert, &BTreeMap::new(), None), Err(NoDraft::NoMachine));
        }
    }
}
