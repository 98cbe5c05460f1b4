//! Advanced hunting: queries, the tables that they answer with, and the events that alerts are made from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Call, MachineId, ReportId, Sha256Hex, Timestamp};

/// A query of advanced hunting, and how far it looks back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HuntingQuery {
    /// KQL, verbatim.
    pub text: Arc<str>,
    /// Microsoft Graph's `Timespan`; it looks back 30 days without.
    pub timespan: Option<Timespan>,
}

impl HuntingQuery {
    /// Names the query and its time span: what a record says of the query that found an event. White space at the
    /// ends asks for nothing else, so that another style of quoting in YAML is no edit.
    pub fn digest(&self) -> Sha256Hex {
        let timespan = self.timespan.as_ref().map_or("", Timespan::as_str);
        // A time span holds no line break, so the joined text is unambiguous.
        Sha256Hex::of(format!("casefile query v1\n{timespan}\n{}", self.text.trim()).as_bytes())
    }
}

/// An ISO 8601 duration such as `P7D` or `PT12H`, kept as written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timespan(Arc<str>);

/// A text that is no ISO 8601 duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write an ISO 8601 duration such as P7D or PT12H")]
pub struct TimespanError;

impl Timespan {
    /// The form, as a regular expression: at least one number, in the standard's order.
    pub const PATTERN: &str = "^P([0-9]{1,6}W\
        |([0-9]{1,6}Y([0-9]{1,6}M)?([0-9]{1,6}D)?|[0-9]{1,6}M([0-9]{1,6}D)?|[0-9]{1,6}D)\
        (T([0-9]{1,6}H([0-9]{1,6}M)?([0-9]{1,6}S)?|[0-9]{1,6}M([0-9]{1,6}S)?|[0-9]{1,6}S))?\
        |T([0-9]{1,6}H([0-9]{1,6}M)?([0-9]{1,6}S)?|[0-9]{1,6}M([0-9]{1,6}S)?|[0-9]{1,6}S))$";

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Timespan {
    type Err = TimespanError;

    fn from_str(text: &str) -> Result<Self, TimespanError> {
        static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(Timespan::PATTERN).ok());
        let fits = FORM.as_ref().is_some_and(|form| form.is_match(text));
        if fits { Ok(Timespan(text.into())) } else { Err(TimespanError) }
    }
}
impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Serialize for Timespan {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Timespan {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for Timespan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timespan".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An ISO 8601 duration.",
            "pattern": Timespan::PATTERN,
            "examples": ["P7D", "PT12H"]
        })
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HuntingColumn {
    /// Its name; the language minds upper and lower case.
    pub name: String,
    /// Its type in the service's words; empty where the service did not give one.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One value, as the service wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `null`, or no value at all.
    Empty,
    /// A text, which is what times are.
    Text(String),
    /// Anything else, as JSON: numbers keep every digit.
    Json(String),
}

impl Cell {
    /// Reads a JSON value.
    pub fn of(json: &RawValue) -> Self {
        match json.get() {
            "null" => Cell::Empty,
            text if text.starts_with('"') => match serde_json::from_str(text) {
                Ok(text) => Cell::Text(text),
                // A lone surrogate is JSON and no text.
                Err(_) => Cell::Json(text.to_owned()),
            },
            other => Cell::Json(other.to_owned()),
        }
    }

    /// Without quotation marks; empty for none.
    pub fn as_str(&self) -> &str {
        match self {
            Cell::Empty => "",
            Cell::Text(text) | Cell::Json(text) => text,
        }
    }
}

/// What a query answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HuntingTable {
    /// In the service's order.
    pub columns: Vec<HuntingColumn>,
    /// As many cells a row as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// An event that an alert can be raised on, verbatim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HuntedEvent {
    /// `DeviceId`.
    pub machine_id: MachineId,
    /// `Timestamp`.
    pub event_time: Timestamp,
    /// `ReportId`.
    pub report_id: ReportId,
}

impl HuntedEvent {
    /// The event that an alert is raised on; none for another call.
    pub fn of(call: &Call) -> Option<Self> {
        match call {
            Call::Collect { .. } => None,
            Call::Alert(a) => Some(HuntedEvent {
                machine_id: a.machine_id.clone(),
                event_time: a.event_time.clone(),
                report_id: a.report_id.clone(),
            }),
        }
    }
}

/// The columns that name an event.
pub const EVENT_COLUMNS: [&str; 3] = ["Timestamp", "DeviceId", "ReportId"];

/// Why a row names no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEvent {
    /// The table lacks columns.
    #[error("the result has no column {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// A value cannot be what its column says. It is not told: a query can find what nobody should read here.
    #[error("{column} of row {row} is {}", if *.empty { "empty" } else { "of no use" })]
    Value {
        /// Which column.
        column: &'static str,
        /// 1-based.
        row: usize,
        /// Whether there is no value at all.
        empty: bool,
    },
}

impl HuntingTable {
    /// Puts rows of named values into the order of the columns; a value without a column makes one.
    pub fn new(mut columns: Vec<HuntingColumn>, rows: Vec<BTreeMap<String, Box<RawValue>>>) -> Self {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (i, c) in columns.iter().enumerate() {
            places.entry(c.name.clone()).or_insert(i);
        }
        for name in rows.iter().flat_map(BTreeMap::keys) {
            if !places.contains_key(name) {
                places.insert(name.clone(), columns.len());
                columns.push(HuntingColumn { name: name.clone(), kind: String::new() });
            }
        }
        let rows = rows.iter().map(|row| {
            let mut cells = vec![Cell::Empty; columns.len()];
            for (name, value) in row {
                if let Some(cell) = places.get(name).and_then(|i| cells.get_mut(*i)) {
                    *cell = Cell::of(value);
                }
            }
            cells
        });
        HuntingTable { rows: rows.collect(), columns }
    }

    /// The event that each row names.
    ///
    /// # Errors
    /// Columns are missing, whether there are rows or not; or a value is of no use.
    pub fn events(&self) -> Result<Vec<HuntedEvent>, NoEvent> {
        let place = |name: &str| self.columns.iter().position(|c| c.name == name);
        let missing: Vec<&str> = EVENT_COLUMNS.into_iter().filter(|n| place(n).is_none()).collect();
        if !missing.is_empty() {
            return Err(NoEvent::Missing(missing));
        }
        (1..).zip(&self.rows).map(|(row, cells)| event(row, |name| cells.get(place(name)?))).collect()
    }
}

/// Returns whether a text is a number or a GUID.
fn is_report_id(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = text.split('-').collect();
    let guid = parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|p| hex(p));
    text.len() <= 40 && (digits(text) || guid)
}

fn event<'a>(row: usize, cell: impl Fn(&'static str) -> Option<&'a Cell>) -> Result<HuntedEvent, NoEvent> {
    let text = |name| cell(name).map_or("", Cell::as_str);
    let bad = |column| NoEvent::Value { column, row, empty: text(column).is_empty() };
    let [timestamp, device, report] = EVENT_COLUMNS;
    let number = text(report);
    let sound = match cell(report) {
        Some(Cell::Json(json)) => json.bytes().all(|b| b.is_ascii_digit()),
        // Some tables type the number as a text, or have GUIDs. Anything else is no event's, and might be what a
        // query wants to bring into a plan: a user's name, an address.
        _ => is_report_id(number),
    };
    if !sound {
        return Err(bad(report));
    }
    Ok(HuntedEvent {
        event_time: text(timestamp).parse().map_err(|_| bad(timestamp))?,
        machine_id: text(device).parse().map_err(|_| bad(device))?,
        report_id: ReportId(number.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str], rows: &str) -> HuntingTable {
        let columns = columns.iter().map(|n| HuntingColumn { name: (*n).into(), kind: String::new() });
        HuntingTable::new(columns.collect(), serde_json::from_str(rows).unwrap())
    }

    #[test]
    fn values_stay_as_the_service_wrote_them() {
        let device = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
        let rows = format!(
            r#"[{{"ReportId": 9007199254740993, "DeviceId": "{device}", "Timestamp": "2018-08-03T16:45:21.7115180Z"}}]"#
        );
        let t = table(&["Timestamp", "DeviceId", "ReportId"], &rows);
        let [event] = t.events().unwrap().try_into().unwrap();
        assert_eq!(event.event_time.to_string(), "2018-08-03T16:45:21.7115180Z");
        assert_eq!(&*event.report_id.0, "9007199254740993", "beyond what a float can hold");
        assert_eq!(event.machine_id.as_str(), device);
    }

    #[test]
    fn what_is_missing_is_named() {
        let t = table(&["Timestamp", "deviceid"], "[]");
        assert_eq!(t.events(), Err(NoEvent::Missing(vec!["DeviceId", "ReportId"])));
        let t = table(&EVENT_COLUMNS, r#"[{"Timestamp": "2018-08-03T16:45:21Z", "DeviceId": null}]"#);
        let error = t.events().unwrap_err();
        assert_eq!(error.to_string(), "ReportId of row 1 is empty");
        assert_eq!(table(&EVENT_COLUMNS, "[]").events(), Ok(vec![]));
    }

    #[test]
    fn an_id_that_is_no_number_brings_nothing_along() {
        let device = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
        let event = |id: &str| {
            let id = serde_json::to_string(id).unwrap();
            let row = format!(
                r#"[{{"ReportId": {id}, "DeviceId": "{device}", "Timestamp": "2018-08-03T16:45:21Z"}}]"#
            );
            table(&EVENT_COLUMNS, &row).events().is_ok()
        };
        for fine in ["641555", "0", "0f8fad5b-d9cb-469f-a165-70867728950e"] {
            assert!(event(fine), "{fine}");
        }
        for other in
            ["", "ann@contoso.com", "10.0.0.1", "ann", "CONTOSO\\ann", "1,2", "6415 55", &"1".repeat(41)]
        {
            assert!(!event(other), "{other}");
        }
    }

    #[test]
    fn a_value_without_a_column_is_kept() {
        let t = table(&["A"], r#"[{"B": [1, 2.50], "A": "x"}, {"A": "\ud800"}]"#);
        assert_eq!(t.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(t.rows[0], [Cell::Text("x".into()), Cell::Json("[1, 2.50]".into())]);
        assert_eq!(t.rows[1], [Cell::Json(r#""\ud800""#.into()), Cell::Empty]);
    }

    #[test]
    fn a_digest_is_of_text_and_time_span() {
        let query = |text: &str, timespan: Option<&str>| {
            let timespan = timespan.map(|t| t.parse().unwrap());
            HuntingQuery { text: text.into(), timespan }.digest()
        };
        assert_eq!(query("T\n| take 1", None), query("T\n| take 1\n", None));
        let all = [query("T", None), query("T", Some("P1D")), query("T", Some("P2D")), query("t", None)];
        assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
    }

    #[test]
    fn durations() {
        for good in ["P30D", "P1W", "PT12H", "P1DT30M", "P1Y2M3DT4H5M6S", "PT1S"] {
            assert!(good.parse::<Timespan>().is_ok(), "{good}");
        }
        for bad in ["", "P", "PT", "P1DT", "30d", "P1H", "p1d", "P1D ", "P1D/P2D", "-P1D", "P1.5D"] {
            assert_eq!(bad.parse::<Timespan>(), Err(TimespanError), "{bad}");
        }
    }
}
