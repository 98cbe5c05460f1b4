//! The names of expressions and their values: `with`, `incident`, `item`, `index`, `resources`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use serde_json::Value as Json;

use super::ids::{self, Missed, Resources};
use super::work::{Meter, Size, Sizes, Step};

/// The work that the expressions of one text of a manifest may do.
const MANIFEST_WORK: u64 = 1 << 24;

/// How deep the values of a list may be nested that `forEach` goes through.
const MAX_DEPTH: usize = 64;

/// A mapping that remembers what was asked of it in vain. The engine takes a missing field for `undefined`,
/// which it lets pass in comparisons and lists.
#[derive(Debug)]
struct Fields {
    path: String,
    fields: BTreeMap<Arc<str>, Value>,
    missed: Arc<Missed>,
}

impl Object for Fields {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let found = self.fields.get(key);
        if found.is_none() {
            self.missed.note(match self.path.as_str() {
                "" => key.to_owned(),
                path => format!("{path}.{key}"),
            });
        }
        found.cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.fields.keys().map(|k| Value::from(k.clone())).collect())
    }
}

/// What an incident gives to every expression of its runbook.
pub(super) struct Names {
    with: Value,
    incident: Value,
    missed: Arc<Missed>,
    sizes: Rc<Sizes>,
    meter: Rc<Meter>,
}

impl Names {
    /// `with` holds the defaults of what the incident leaves out already; `work` is what all expressions together may do.
    pub fn new(name: &str, labels: &BTreeMap<String, String>, with: &Json, work: u64) -> Names {
        let sizes = Sizes::new(with, Size::of_json(&serde_json::json!([name, labels])));
        let missed = Arc::new(Missed::default());
        let labels = labels.iter().map(|(k, v)| (k.as_str().into(), Value::from(v.as_str()))).collect();
        let labels = fields("incident.labels", labels, &missed);
        let incident = [("name".into(), Value::from(name)), ("labels".into(), labels)].into();
        Names {
            with: value(with, "with", &missed),
            incident: fields("incident", incident, &missed),
            missed,
            sizes: Rc::new(sizes),
            meter: Rc::new(Meter::new(work)),
        }
    }

    /// The work that is left.
    pub fn work_left(&self) -> u64 {
        self.meter.left()
    }

    /// The items of a list; `None` if it is none.
    pub fn items(&self, json: &Json) -> Option<Vec<Value>> {
        json.as_array().map(|items| items.iter().map(|item| value(item, "item", &self.missed)).collect())
    }

    /// The scope of a template, or of one item of it and its number from 0.
    pub fn scope(&self, item: Option<(Value, usize)>) -> Scope {
        let mut names: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        names.insert("with".into(), self.with.clone());
        names.insert("incident".into(), self.incident.clone());
        let mut size = Size::default();
        if let Some((item, index)) = item {
            // What is nested too deep to be measured is no value of a field, and too large for all else.
            size = Size::of_value(&item, MAX_DEPTH).unwrap_or(Size::MAX);
            names.insert("item".into(), item);
            names.insert("index".into(), Value::from(index));
        }
        Scope::new(names, size, self.missed.clone(), self.sizes.clone(), self.meter.clone())
    }
}

/// What one evaluation sees.
pub(super) struct Scope {
    root: Value,
    missed: Arc<Missed>,
    item: Size,
    sizes: Rc<Sizes>,
    meter: Rc<Meter>,
}

impl Scope {
    fn new(
        mut names: BTreeMap<Arc<str>, Value>,
        item: Size,
        missed: Arc<Missed>,
        sizes: Rc<Sizes>,
        meter: Rc<Meter>,
    ) -> Scope {
        names.insert(ids::NAME.into(), Value::from_object(Resources(missed.clone())));
        Scope { root: fields("", names, &missed), missed, item, sizes, meter }
    }

    /// What a manifest's own texts see.
    pub fn of_manifest() -> Scope {
        let meter = Rc::new(Meter::new(MANIFEST_WORK));
        Scope::new(BTreeMap::new(), Size::default(), Arc::default(), Rc::default(), meter)
    }

    /// Takes the work of an evaluation; `None` if that is too much.
    #[must_use]
    pub fn take(&self, steps: &Step) -> Option<()> {
        self.meter.take(steps, &self.sizes, self.item)
    }

    /// Whether an id was asked for since [`forget_missed`](Self::forget_missed).
    pub fn asked_for_id(&self) -> bool {
        self.missed.asked_for_id()
    }

    pub fn root(&self) -> Value {
        self.root.clone()
    }

    /// The names that were asked for in vain since [`forget_missed`](Self::forget_missed).
    pub fn missed(&self) -> Vec<String> {
        self.missed.names().clone()
    }

    pub fn forget_missed(&self) {
        self.missed.forget();
    }
}

fn fields(path: &str, fields: BTreeMap<Arc<str>, Value>, missed: &Arc<Missed>) -> Value {
    Value::from_object(Fields { path: path.to_owned(), fields, missed: missed.clone() })
}

fn value(json: &Json, path: &str, missed: &Arc<Missed>) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => Value::from(n),
            (None, n) => Value::from(n.unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            let path = format!("{path}[]");
            Value::from(items.iter().map(|item| value(item, &path, missed)).collect::<Vec<_>>())
        }
        Json::Object(map) => {
            let named =
                map.iter().map(|(k, v)| (k.as_str().into(), value(v, &format!("{path}.{k}"), missed)));
            fields(path, named.collect(), missed)
        }
    }
}
