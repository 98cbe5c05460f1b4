//! Advanced hunting: results from the scenario, at both endpoints.
//!
//! No query is run: its text is looked up. What looks like no query at all is refused as the service does.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::alerts::Alert;
use super::endpoint::Endpoint;
use super::message::{HttpRequest, HttpResponse, Refusal};
use super::wire;
use super::world::World;
use crate::model::MachineName;

/// What a query answers with. The first rule that fits counts; a query that no rule fits finds nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CannedQuery {
    /// The whole text of the query; white space at its ends and the kind of line ends do not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// A part of the text, in place of `query`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// The rows: values by column.
    pub rows: Vec<Map<String, Value>>,
    /// The columns, in their order; told from the rows when empty.
    pub schema: Vec<CannedColumn>,
    /// The query is refused as a bad one, with these words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CannedColumn {
    /// Its name.
    pub name: String,
    /// Its type: `DateTime`, `String`, `Int64` and so on.
    #[serde(rename = "type", default = "string")]
    pub kind: String,
}

fn string() -> String {
    "String".into()
}

impl CannedQuery {
    fn fits(&self, text: &str) -> bool {
        let exact = self.query.as_deref().is_some_and(|q| plain(q) == plain(text));
        exact || self.contains.as_deref().is_some_and(|part| text.contains(part))
    }
}

/// Line ends as one, without white space at the ends.
fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

/// The columns that every event has; a result that nobody described has them in front.
const EVENT: [&str; 3] = ["Timestamp", "DeviceId", "ReportId"];

/// The processes that a world without `hunting` in its scenario has seen: queries that begin with this
/// table and look for this file find them.
const DEMO_TABLE: &str = "DeviceProcessEvents";
const DEMO_FILE: &str = "powershell.exe";

/// The devices that they ran on, by id, and their names.
const DEMO_DEVICES: [(&str, &str); 2] = [
    ("1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "fin-ws-042.contoso.com"),
    ("fb9ab6be3965095a09c057be7c90f0a2b84d0cc0", "hr-ws-007.contoso.com"),
];

/// The device of the made-up events that a name means: whoever asks for one of them by name gets the one that
/// hunting shows.
pub(super) fn demo_device(hunting: &[CannedQuery], name: &str) -> Option<(&'static str, String)> {
    let name: MachineName = name.parse().ok()?;
    let found = DEMO_DEVICES.iter().find(|(_, dns)| hunting.is_empty() && name.means(dns));
    found.map(|(id, dns)| (*id, (*dns).to_owned()))
}

fn demo() -> Vec<Map<String, Value>> {
    let [fin, hr] = DEMO_DEVICES;
    let rows = [
        ("2026-03-01T09:15:42.1830907Z", fin, 20776, "-enc SQBFAFgA"),
        ("2026-03-01T09:17:03.4471125Z", fin, 20791, "-nop -w hidden"),
        ("2026-03-01T10:02:55.0000410Z", hr, 641555, "-enc SQBFAFgA"),
    ];
    let row = |(at, (device, name), report, arguments): (&str, (&str, &str), u32, &str)| {
        let row = json!({
            "Timestamp": at, "DeviceId": device, "ReportId": report, "DeviceName": name,
            "FileName": DEMO_FILE, "ProcessCommandLine": format!("{DEMO_FILE} {arguments}"),
        });
        row.as_object().cloned().unwrap_or_default()
    };
    rows.map(row).into()
}

/// How many rows a query asks for at most: the last `take`, `limit` or `top`.
fn at_most(text: &str) -> Option<usize> {
    text.split('|').rev().find_map(|step| {
        let mut words = step.split_whitespace();
        matches!(words.next()?, "take" | "limit" | "top").then(|| words.next()?.parse().ok()).flatten()
    })
}

/// Why a text is no query, as far as a look at its form tells.
fn complaint(text: &str) -> Option<&'static str> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut outside = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(rest.next()),
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => open.push(c),
            (None, ')' | ']' | '}') => match (open.pop(), c) {
                (Some('('), ')') | (Some('['), ']') | (Some('{'), '}') => {}
                _ => return Some("Unbalanced brackets. Fix syntax errors in your query."),
            },
            (None, c) => outside.push(c),
        }
    }
    let begins = text.trim_start().starts_with(|c: char| c.is_alphabetic() || "_[(/".contains(c));
    // Texts and brackets are gone from here, and each step begins with the name of an operator.
    let empty_step = outside.split('|').skip(1).any(|step| step.trim().is_empty());
    if quote.is_some() || !open.is_empty() || !begins || empty_step {
        return Some("A recognition error occurred. Fix syntax errors in your query.");
    }
    None
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::String(text) if text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok() => "DateTime",
        Value::String(_) | Value::Null => "String",
        Value::Number(n) if n.is_f64() => "Double",
        Value::Number(_) => "Int64",
        Value::Bool(_) => "SByte",
        Value::Array(_) | Value::Object(_) => "Object",
    }
}

/// The columns of rows that nobody described.
fn columns(rows: &[Map<String, Value>]) -> Vec<CannedColumn> {
    let mut columns: Vec<CannedColumn> = Vec::new();
    let known = EVENT.into_iter().filter(|n| rows.is_empty() || rows.iter().any(|r| r.contains_key(*n)));
    for name in known.chain(rows.iter().flat_map(|r| r.keys().map(String::as_str))) {
        if columns.iter().all(|c| c.name != name) {
            let value = rows.iter().filter_map(|r| r.get(name)).find(|v| !v.is_null());
            let kind = match (name, value) {
                (_, Some(value)) => type_of(value),
                ("Timestamp", None) => "DateTime",
                ("ReportId", None) => "Int64",
                _ => "String",
            };
            columns.push(CannedColumn { name: name.to_owned(), kind: kind.to_owned() });
        }
    }
    columns
}

/// Returns whether a query of the scenario finds the event: its rows hold the key of it.
pub(super) fn shows(hunting: &[CannedQuery], fits: impl Fn(&str, &str, &str) -> bool) -> bool {
    let made_up = if hunting.is_empty() { demo() } else { Vec::new() };
    let mut rows = hunting.iter().flat_map(|q| &q.rows).chain(&made_up);
    rows.any(|row| {
        let text = |name: &str| match row.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let [at, device, report] = EVENT.map(text);
        matches!((at, device, report), (Some(at), Some(device), Some(report)) if fits(&device, &report, &at))
    })
}

/// The devices of the made-up events.
pub(super) fn demo_machines() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEMO_DEVICES.into_iter()
}

/// Returns the texts that stand in a query between `before` and `after`.
fn named<'q>(text: &'q str, before: &str, after: char) -> Vec<&'q str> {
    text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0)).collect()
}

impl World {
    /// The events that alerts were made for, as far as a query names their device and holds their time between two of its
    /// own: it is how a follow-up of an alert finds its event.
    fn events_of_alerts(&self, text: &str) -> Vec<Map<String, Value>> {
        let devices = named(text, "DeviceId =~ \"", '"');
        let times: Vec<Timestamp> =
            named(text, "datetime(", ')').into_iter().filter_map(|t| t.parse().ok()).collect();
        let [from, to] = times.as_slice() else { return Vec::new() };
        let of_query = |a: &&Alert| {
            let at = a.first_event.instant();
            !a.report.is_empty() && devices.contains(&a.machine.as_str()) && (*from..=*to).contains(&at)
        };
        let row = |a: &Alert| {
            let row = json!({ "Timestamp": a.first_event, "DeviceId": a.machine, "ReportId": a.report });
            row.as_object().cloned().unwrap_or_default()
        };
        let found = self.alerts.all().iter().filter(of_query).map(row);
        found.take(at_most(text).unwrap_or(usize::MAX)).collect()
    }

    /// `POST /api/advancedqueries/run`, `POST /api/advancedhunting/run` of Defender XDR, and `POST /v1.0/security/runHuntingQuery` of Microsoft Graph.
    pub(super) fn hunt(&self, endpoint: Endpoint, request: &HttpRequest) -> Result<HttpResponse, Refusal> {
        let graph = endpoint == Endpoint::GraphHunt;
        let body: Map<String, Value> =
            serde_json::from_slice(&request.body).map_err(|_| Refusal::bad_body())?;
        // Names in bodies of Defender are case-sensitive. Graph's documentation shows both spellings.
        let field = |name: &str, lower: &str| body.get(name).or_else(|| body.get(lower).filter(|_| graph));
        let text = match field("Query", "query") {
            Some(Value::String(text)) if !text.trim().is_empty() => text,
            _ => return Err(Refusal::bad_body()),
        };
        match field("Timespan", "timespan") {
            None | Some(Value::Null) => {}
            Some(Value::String(span)) if graph && span.starts_with('P') => {}
            _ => return Err(Refusal::bad_body()),
        }
        if let Some(why) = complaint(text) {
            return Err(Refusal::new(400, "BadRequest", why));
        }
        let canned = self.scenario.hunting.iter().find(|c| c.fits(text));
        if let Some(why) = canned.and_then(|c| c.error.as_deref()) {
            return Err(Refusal::new(400, "BadRequest", why));
        }
        let rows = match canned {
            Some(canned) => canned.rows.clone(),
            None if self.scenario.hunting.is_empty()
                && text.trim_start().starts_with(DEMO_TABLE)
                && text.contains(DEMO_FILE) =>
            {
                demo().into_iter().take(at_most(text).unwrap_or(usize::MAX)).collect()
            }
            None if self.scenario.hunting.is_empty() => self.events_of_alerts(text),
            None => Vec::new(),
        };
        let schema = match canned.map(|c| &c.schema).filter(|s| !s.is_empty()) {
            Some(schema) => schema.clone(),
            None => columns(&rows),
        };
        let schema = |name: &str, kind: &str| -> Vec<Value> {
            schema.iter().map(|c| json!({ name: c.name, kind: c.kind })).collect()
        };
        Ok(if graph {
            let context = format!(
                "{}/v1.0/$metadata#microsoft.graph.security.huntingQueryResults",
                wire::base(request)
            );
            wire::json(
                200,
                &json!({ "@odata.context": context, "schema": schema("name", "type"), "results": rows }),
            )
        } else {
            let stats = json!({
                "ExecutionTime": 0.25,
                "resource_usage": {
                    "cache": { "memory": null, "disk": null },
                    "cpu": { "user": "00:00:00", "kernel": "00:00:00", "total cpu": "00:00:00" },
                    "memory": { "peak_per_node": 2_097_152 },
                },
                "dataset_statistics": [{ "table_row_count": rows.len(), "table_size": 0 }],
            });
            wire::json(200, &json!({ "Stats": stats, "Schema": schema("Name", "Type"), "Results": rows }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Scenario;

    fn ask(world: &mut World, path: &str, body: &Value) -> (u16, Value) {
        let now = "2026-03-02T00:00:00Z".parse().unwrap();
        let r = world.handle(now, &HttpRequest::new("POST", path, body.to_string()));
        (r.status, serde_json::from_slice(&r.body).unwrap_or_default())
    }

    const GRAPH: &str = "/v1.0/security/runHuntingQuery";
    const DEFENDER: &str = "/api/advancedqueries/run";

    #[test]
    fn canned_results_at_both_endpoints() {
        let scenario = Scenario::from_yaml(
            "hunting:
  - { query: 'DeviceEvents | take 1', rows: [{ ReportId: 7, Timestamp: '2026-03-01T00:00:00.1234567Z', X: a }] }
  - { contains: mimikatz, rows: [], schema: [{ name: A, type: Int64 }] }
  - { contains: DeviceBad, error: no such table }
",
        )
        .unwrap();
        let mut world = World::new(scenario);
        let (status, body) = ask(&mut world, GRAPH, &json!({ "Query": " DeviceEvents | take 1\n" }));
        assert_eq!(status, 200);
        let names: Vec<&Value> = body["schema"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
        assert_eq!(names, ["Timestamp", "ReportId", "X"]);
        assert_eq!(body["results"][0]["Timestamp"], "2026-03-01T00:00:00.1234567Z");
        let (_, body) = ask(&mut world, DEFENDER, &json!({ "Query": "T | where a == 'mimikatz'" }));
        assert_eq!(body["Schema"], json!([{ "Name": "A", "Type": "Int64" }]));
        let (status, body) = ask(&mut world, DEFENDER, &json!({ "Query": "DeviceBad" }));
        assert_eq!((status, &body["error"]["message"]), (400, &json!("no such table")));
        let (_, body) = ask(&mut world, GRAPH, &json!({ "Query": "Other", "Timespan": "P7D" }));
        assert_eq!(body["results"], json!([]));
        assert_eq!(body["schema"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn what_is_no_query() {
        let mut world = World::new(Scenario::default());
        for text in ["T |", "T | where (a", "T | where a == \"b", "| take 1", "T | where a)", "1 + 2 |"] {
            let (status, body) = ask(&mut world, GRAPH, &json!({ "Query": text }));
            assert_eq!((status, &body["error"]["code"]), (400, &json!("BadRequest")), "{text}");
        }
        for body in [json!({}), json!({ "query": "T" }), json!({ "Query": "T", "Timespan": "P1D" })] {
            assert_eq!(ask(&mut world, DEFENDER, &body).0, 400, "{body}");
        }
        for text in ["T | where a == \"(|\" | take 1", "let x = 1; T", "search 'a'", "// c\nT"] {
            assert_eq!(ask(&mut world, GRAPH, &json!({ "query": text })).0, 200, "{text}");
        }
    }

    #[test]
    fn the_demonstration() {
        let mut world = World::new(Scenario::default());
        let query = "DeviceProcessEvents | where FileName =~ \"powershell.exe\"";
        let (_, body) = ask(&mut world, GRAPH, &json!({ "Query": query }));
        assert_eq!(body["results"].as_array().unwrap().len(), 3);
        let one = format!("{query} | top 1 by Timestamp asc");
        let (_, body) = ask(&mut world, GRAPH, &json!({ "Query": one }));
        assert_eq!(body["results"][0]["ReportId"], 20776);
        assert_eq!(body["results"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn forty_five_a_minute() {
        let mut world = World::new(Scenario::default());
        for _ in 0..45 {
            assert_eq!(ask(&mut world, GRAPH, &json!({ "Query": "T" })).0, 200);
        }
        let (status, body) = ask(&mut world, GRAPH, &json!({ "Query": "T" }));
        assert_eq!(status, 429);
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains("maximum allowed 45 per 00:01:00"), "{message}");
        assert_eq!(ask(&mut world, DEFENDER, &json!({ "Query": "T" })).0, 200, "counted by endpoint");
    }
}
