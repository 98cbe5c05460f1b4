//! A resource as the manifest that declares it: what `render` prints and what cases compare.

use serde_json::{Value as Json, json};

use super::depends::DependsOn;
use super::kinds::Named;
use crate::model::{Address, Desired, HuntingQuery, Kind, OnRemove, Policy, Target, Template};

/// The field that a query stands in.
const EVENT: &str = "event";

/// A resource's manifest, field for field in the order of its type.
#[derive(Clone, Debug)]
pub struct Written {
    /// `kind` and `metadata.name`.
    pub address: Address,
    /// `metadata.labels`, by key.
    pub labels: Vec<(String, String)>,
    /// `spec`.
    pub spec: Vec<WrittenField>,
    /// `lifecycle.onRemove`.
    pub on_remove: WrittenField,
    /// `dependsOn`, with addresses for names.
    pub depends_on: Vec<DependsOn>,
    /// `import`, `moved` and `replace`, as far as they are there.
    pub surgery: Vec<WrittenField>,
}

/// One field.
#[derive(Clone, Debug)]
pub struct WrittenField {
    /// Its name.
    pub name: &'static str,
    /// Text, a number, or a mapping of these.
    pub value: Json,
    /// Left out, it would have this value.
    pub is_default: bool,
}

impl Written {
    /// Of a resource that stands for machines.
    pub fn of_template(t: &Template) -> Written {
        Written::of(t.declared()).on(match &t.target {
            Target::Name(name) => ("machineName", name.as_str().into()),
            Target::Tag(tag) => ("machineTag", (**tag).into()),
            Target::File(file) => ("machines", from_file(&file.file, file.column.as_deref())),
            Target::Event(query) => (EVENT, from_query(query)),
        })
    }

    pub(super) fn of_named(d: &Desired, named: Option<&Named>) -> Written {
        let written = Written::of(d);
        match named {
            None => written,
            Some(Named::Name(name)) => written.on(("machineName", name.as_str().into())),
            Some(Named::Tag(tag)) => written.on(("machineTag", tag.as_str().into())),
            Some(Named::Event(query)) => written.on((EVENT, from_query(query))),
            Some(Named::File(spec)) => {
                written.on(("machines", from_file(&spec.from_file, spec.column.as_deref())))
            }
        }
    }

    /// With another field in place of `machineId`; a query stands for the rest of the event too.
    fn on(mut self, (name, value): (&'static str, Json)) -> Written {
        if name == EVENT {
            self.spec.retain(|f| !["eventTime", "reportId"].contains(&f.name));
        }
        if let Some(field) = self.spec.iter_mut().find(|f| f.name == "machineId") {
            *field = WrittenField { name, value, is_default: false };
        }
        self
    }

    /// Of a resource whose machine is known.
    pub fn of(d: &Desired) -> Written {
        let mut spec = Vec::new();
        let mut field = |name, value: Json, is_default| spec.push(WrittenField { name, value, is_default });
        let usual = Policy::default();
        for (name, value) in d.call.fields() {
            field(name, value.into(), false);
        }
        field("revision", d.revision.into(), d.revision == 1);
        let attempts = &d.policy;
        let as_usual = attempts.max_attempts == usual.max_attempts && !attempts.attempts_written;
        field("maxAttempts", attempts.max_attempts.into(), as_usual);
        if d.address.kind() == Kind::InvestigationPackage {
            let p = &d.policy;
            field("retryAfter", p.retry_after.to_string().into(), p.retry_after == usual.retry_after);
            field("onInProgress", json!(p.on_in_progress), p.on_in_progress == usual.on_in_progress);
            field("adoptWithin", p.adopt_within.to_string().into(), p.adopt_within == usual.adopt_within);
        }
        if let Some(triage) = &*d.triage {
            field("triage", json!(triage), false);
        }
        if let Some(approve) = &*d.approve {
            field("approve", json!(approve), false);
        }
        let one = |name, key: &str, value: Option<String>| {
            value.map(|value| WrittenField { name, value: json!({ key: value }), is_default: false })
        };
        let surgery = [
            one("import", "id", d.import().map(str::to_owned)),
            one("moved", "from", d.moved_from().map(Address::to_string)),
            one("replace", "id", d.replace().map(str::to_owned)),
        ];
        Written {
            address: d.address.clone(),
            labels: d.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            spec,
            on_remove: WrittenField {
                name: "onRemove",
                value: json!(d.on_remove),
                is_default: d.on_remove == OnRemove::default(),
            },
            depends_on: d.depends_on.iter().map(DependsOn::from).collect(),
            surgery: surgery.into_iter().flatten().collect(),
        }
    }
}

fn from_query(query: &HuntingQuery) -> Json {
    match &query.timespan {
        Some(timespan) => json!({ "query": *query.text, "timespan": timespan }),
        None => json!({ "query": *query.text }),
    }
}

fn from_file(file: &str, column: Option<&str>) -> Json {
    match column {
        Some(column) => json!({ "fromFile": file, "column": column }),
        None => json!({ "fromFile": file }),
    }
}
