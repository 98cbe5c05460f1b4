//! Advanced hunting: which API runs a query, and what stands in its answer.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::read_error::ReadError;
use super::wire::WireError;
use crate::model::{HuntingApi, HuntingColumn, HuntingQuery, HuntingTable};

/// Why a query gave no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HuntError {
    /// The service did not run it, or its answer is of no use.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The client was made without a [`Hunter`](super::Hunter).
    #[error("no hunting is set up")]
    NoHunter,
    /// Only Microsoft Graph takes a time span.
    #[error("hunting: defender takes no timespan: filter by Timestamp in the query, or use hunting: graph")]
    NoTimespan,
}

/// Runs hunting queries.
#[async_trait]
pub trait Hunting: Send + Sync {
    /// The API that runs them.
    fn api(&self) -> HuntingApi;

    /// Runs one query. Nothing is asked from anybody before.
    async fn run(&self, query: &HuntingQuery) -> Result<HuntingTable, HuntError>;
}

/// Reads an answer. Both APIs are read the same way: older answers of Graph spell names as Defender does.
pub(super) fn table(body: &[u8]) -> Result<HuntingTable, WireError> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(alias = "Schema", default)]
        schema: Option<Vec<Column>>,
        #[serde(alias = "Results")]
        results: Option<Vec<BTreeMap<String, Box<RawValue>>>>,
    }
    #[derive(Deserialize)]
    struct Column {
        #[serde(alias = "Name")]
        name: String,
        #[serde(alias = "Type", default)]
        r#type: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body)?;
    let rows = answer.results.ok_or(WireError::NoResults)?;
    let column = |c: Column| HuntingColumn { name: c.name, kind: c.r#type.unwrap_or_default() };
    let columns = answer.schema.unwrap_or_default().into_iter().map(column).collect();
    // Graph marks rows of open types; that is no column.
    let annotated = |name: &str| name.contains("@odata.");
    let rows = rows.into_iter().map(|mut row| {
        row.retain(|name, _| !annotated(name));
        row
    });
    Ok(HuntingTable::new(columns, rows.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cell;

    #[test]
    fn both_spellings() {
        let graph = br##"{"@odata.context": "x", "schema": [{"name": "Timestamp", "type": "DateTime"}],
            "results": [{"@odata.type": "#dynamic", "Timestamp": "2024-03-26T09:39:50.7688641Z"}]}"##;
        let defender = br#"{"Stats": {"cpu": 99}, "Schema": [{"Name": "Timestamp", "Type": "DateTime"}],
            "Results": [{"Timestamp": "2024-03-26T09:39:50.7688641Z"}]}"#;
        let t = table(graph).unwrap();
        assert_eq!(t, table(defender).unwrap());
        assert_eq!(t.columns, [HuntingColumn { name: "Timestamp".into(), kind: "DateTime".into() }]);
        assert_eq!(t.rows, [[Cell::Text("2024-03-26T09:39:50.7688641Z".into())]]);
    }

    #[test]
    fn no_table() {
        for bad in ["", "[]", "{}", r#"{"schema": []}"#, r#"{"results": [1]}"#] {
            assert!(table(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(table(br#"{"results": []}"#).unwrap(), HuntingTable::default());
    }
}
