//! Requests fit the service's own metadata in names, types and casing: those of the tool, and those of the foreign
//! clients whose calls are known to work.

use casefile::defender::{ActionFilter, Read};
use casefile::model::{
    AlertStatuses, Call, Classifications, Determinations, MachineName, Method, Mutation, Request, Severities,
    Vocabulary, same_word,
};
use serde_json::Value;

use super::calls::{alert, triage};
use super::clients::List;
use super::metadata::{Member, described, entity, fits, operation, words};
use super::{Lab, MACHINE};

fn document() -> String {
    let response = Lab::new("").send(&casefile::sandbox::HttpRequest::new("GET", "/api/$metadata", ""));
    String::from_utf8(response.body).unwrap()
}

/// Lists what is wrong with a request; none if it is about nothing that the metadata describes.
fn differences(document: &str, method: &str, target: &str, body: Option<&Value>) -> Option<Vec<String>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts: Vec<&str> = path.strip_prefix("/api/")?.trim_end_matches('/').split('/').collect();
    let set = entity(document, parts[0])?;
    let name = match parts[1..] {
        [] | [_] if method == "GET" => {
            let properties = described(document, "EntityType", &set);
            // A name in place of a key: a function of the whole set.
            let function = parts.get(1).and_then(|name| operation(document, name.split('(').next()?));
            return Some(if function.is_some() {
                Vec::new()
            } else {
                of_query(document, &properties, query)
            });
        }
        // An update of an alert takes what the update of several takes.
        [_] if method == "PATCH" => "BatchUpdate",
        [name] | [_, name] => name,
        _ => return None,
    };
    let parameters = operation(document, name)?;
    let empty = Value::Object(Default::default());
    let body = body.unwrap_or(&empty).as_object()?;
    let of_field = |(field, value): (&String, &Value)| match parameters.iter().find(|p| p.0 == *field) {
        None => Some(format!("{field} is no parameter of {name}")),
        Some((_, _, true)) if value.is_null() => None,
        Some((_, kind, _)) if fits(document, kind, value) => None,
        Some((_, kind, _)) => Some(format!("{field}: {value} is no {kind}")),
    };
    Some(body.iter().filter_map(of_field).collect())
}

/// Lists what is wrong with `$filter`, `$orderby` and `$expand` of a list.
fn of_query(document: &str, properties: &[Member], query: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let kind = |name: &str| properties.iter().find(|p| p.0 == name).map(|p| p.1.clone());
    for option in query.split('&').filter(|o| !o.is_empty()) {
        let option = percent_encoding::percent_decode_str(option).decode_utf8().unwrap().replace('+', " ");
        let (name, value) = option.split_once('=').unwrap();
        let named: Vec<&str> = match name {
            "$filter" => {
                let comparisons = comparisons(value);
                for (name, literal) in &comparisons {
                    if kind(name).is_some_and(|kind| !is_literal(document, &kind, literal)) {
                        wrong.push(format!("{name}: {literal}"));
                    }
                }
                comparisons.into_iter().map(|(name, _)| name).collect()
            }
            "$orderby" => vec![value.split(' ').next().unwrap()],
            "$expand" => vec![value],
            "$top" | "$skip" => Vec::new(),
            _ => vec![name],
        };
        wrong.extend(named.iter().filter(|n| kind(n).is_none()).map(|n| format!("{n} is no property")));
    }
    wrong
}

/// The comparisons of a filter: `name eq 'x'`, and `startswith(name,'x')`.
fn comparisons(filter: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (at, _) in filter.match_indices(' ') {
        let rest = &filter[at..];
        let operator =
            [" eq ", " ne ", " gt ", " ge ", " lt ", " le "].into_iter().find(|o| rest.starts_with(o));
        if let Some(operator) = operator {
            let name = filter[..at].rsplit([' ', '(']).next().unwrap();
            found.push((name, literal(&rest[operator.len()..])));
        }
    }
    for (at, begin) in filter.match_indices("startswith(") {
        let (name, rest) = filter[at + begin.len()..].split_once(',').unwrap();
        found.push((name, literal(rest)));
    }
    found
}

/// The literal at the beginning of a text.
fn literal(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(quoted) => &text[..quoted.find('\'').unwrap() + 2],
        None => text.split([' ', ')']).next().unwrap(),
    }
}

fn is_literal(document: &str, kind: &str, literal: &str) -> bool {
    let quoted = literal.strip_prefix('\'').and_then(|l| l.strip_suffix('\''));
    match (kind, quoted) {
        // Times are not quoted; ids are.
        ("Edm.DateTimeOffset", quoted) => quoted.is_none() && fits(document, kind, &literal.into()),
        ("Edm.Guid", quoted) => quoted.is_some(),
        (kind, Some(quoted)) => fits(document, kind, &quoted.into()),
        (_, None) => false,
    }
}

fn of_ours() -> Vec<(&'static str, String, Option<Value>)> {
    let time = || "2018-08-03T16:45:21.7115183Z".parse().unwrap();
    let action = "5382f7ea-7557-4ab7-9782-d50480024a4e".to_owned();
    let sent: [Request; 4] = [
        Call::Collect { machine_id: MACHINE.parse().unwrap(), comment: "c".into(), external_id: None }
            .request(),
        Call::Alert(alert(MACHINE)).request(),
        Mutation::Cancel { action_id: action.clone(), comment: "c".into() }.request(),
        Mutation::Update { alert_id: "da1_-2".into(), update: Box::new(triage()) }.request(),
    ];
    let names: [MachineName; 2] = ["fin-ws-042", "fin-ws-042.contoso.com"].map(|n| n.parse().unwrap());
    let by_name = Read::name_filters(&names);
    let filter = ActionFilter { machine_id: Some(MACHINE.into()), ..ActionFilter::collections_since(time()) };
    let mut reads = vec![
        Read::actions(&filter, 0),
        Read::unsorted_actions(&filter, 10_000),
        Read::action(&action),
        Read::package_uri(&action),
        Read::alerts_since(time(), 0),
        Read::alert("da1_-2"),
        Read::machine_alerts(MACHINE),
        Read::machines(0),
        Read::machines_where(&by_name[0], 0),
        Read::machines_tagged("tier 1"),
        Read::machine(MACHINE),
    ];
    reads.extend(Read::alerts_by_ids(&["da1_-2", "da2_3"]));
    reads.extend(Read::machines_by_ids(&[MACHINE]));
    let method = |m: Method| m.as_str();
    let body = |r: &Request| Some(serde_json::from_str(r.body.as_str()).unwrap());
    let sent = sent.iter().map(|r| (method(r.method), r.path.to_string(), body(r)));
    sent.chain(reads.into_iter().map(|r| ("GET", r.target, None))).collect()
}

#[test]
fn our_own_requests_fit_the_metadata() {
    let document = document();
    for (method, target, body) in of_ours() {
        let wrong = differences(&document, method, &target, body.as_ref());
        assert_eq!(wrong, Some(Vec::new()), "{method} {target} {body:?}");
    }
}

#[test]
fn the_requests_of_foreign_clients_fit_it_too() {
    let document = document();
    let mut compared = 0;
    for client in ["cortex.json", "rapid7.json", "sekoia.json"] {
        for call in List::of(client).calls {
            let target = call.target.replace("%24", "$");
            match differences(&document, &call.method, &target, call.body.as_ref()) {
                Some(wrong) => {
                    assert_eq!(wrong, [""; 0], "{client}: {} {target}", call.method);
                    compared += 1;
                }
                // What is not described is not simulated either, but for hunting.
                None => assert!(call.answer == 404 || target.contains("advancedqueries"), "{target}"),
            }
        }
    }
    assert!(compared > 45, "{compared}");
}

#[test]
fn another_name_type_or_casing_is_noticed() {
    let document = document();
    let of = |method, target: &str, body: Value| differences(&document, method, target, Some(&body)).unwrap();
    let collect = format!("/api/machines/{MACHINE}/collectInvestigationPackage");
    let alert = "/api/alerts/CreateAlertByReference";
    for (method, target, body) in [
        ("POST", &*collect, serde_json::json!({ "comment": "c" })),
        ("POST", &collect, serde_json::json!({ "Comment": 7 })),
        ("POST", alert, serde_json::json!({ "ReportId": "1" })),
        ("POST", alert, serde_json::json!({ "reportId": 1 })),
        ("POST", alert, serde_json::json!({ "severity": "low" })),
        ("PATCH", "/api/alerts/da1", serde_json::json!({ "Status": "New" })),
        ("PATCH", "/api/alerts/da1", serde_json::json!({ "status": "Closed" })),
        ("GET", "/api/machineactions?$filter=MachineId%20eq%20'x'", Value::Null),
        ("GET", "/api/machineactions?$filter=type%20eq%20'Collect'", Value::Null),
        ("GET", "/api/machineactions?$filter=creationDateTimeUtc%20ge%20'2024-01-01T00:00:00Z'", Value::Null),
        ("GET", "/api/alerts?$orderby=AlertCreationTime%20desc", Value::Null),
        ("GET", "/api/alerts?$stop=1", Value::Null),
    ] {
        assert_eq!(of(method, target, body).len(), 1, "{method} {target}");
    }
}

#[test]
fn the_words_that_we_know_are_those_of_the_metadata_or_mean_one_of_them() {
    fn compare<V: Vocabulary>(document: &str, name: &str, others: &[&str]) {
        let there = words(document, name).unwrap();
        for word in V::KNOWN {
            let is_there = there.iter().any(|w| w == word);
            let synonym = || there.iter().any(|w| same_word::<V>(word, w));
            assert_eq!(!is_there, others.contains(word), "{name}: {word}");
            assert!(is_there || synonym(), "{name}: {word} means none of {there:?}");
        }
    }
    let document = document();
    compare::<Severities>(&document, "AlertSeverity", &[]);
    compare::<AlertStatuses>(&document, "AlertStatus", &[]);
    compare::<Classifications>(&document, "AlertClassification", &["Informational, expected activity"]);
    // The pages print these; which ones a tenant takes is not verified.
    let pages =
        ["CompromisedUser", "ConfirmedUserActivity", "Clean", "InsufficientData", "NotEnoughDataToValidate"];
    compare::<Determinations>(&document, "AlertDetermination", &pages);
}
