//! `resources.NAME.id` in expressions: a value that nothing can be made of, because it is not known yet.
//!
//! An expression gives the id itself or something that has nothing to do with it. So a text holds whole references
//! only, and what is reviewed says where an id will stand.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Object, ObjectRepr, Value};

use crate::model::can_be_named;

/// The name of them all.
pub(super) const NAME: &str = "resources";
/// The only thing of theirs that can be had.
pub(super) const ID: &str = "id";

/// How many names without a value are remembered; an expression is too short for many more.
const MAX_MISSED: usize = 64;

/// The names that an evaluation asked for and that had no value, and whether it asked for an id.
#[derive(Debug, Default)]
pub(super) struct Missed {
    names: Mutex<Vec<String>>,
    id: AtomicBool,
}

impl Missed {
    pub fn names(&self) -> MutexGuard<'_, Vec<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn asked_for_id(&self) -> bool {
        self.id.load(Ordering::Relaxed)
    }

    pub fn forget(&self) {
        self.names().clear();
        self.id.store(false, Ordering::Relaxed);
    }

    pub fn note(&self, name: String) {
        let mut names = self.names();
        if names.len() < MAX_MISSED {
            names.push(name);
        }
    }
}

/// `resources`.
#[derive(Debug)]
pub(super) struct Resources(pub Arc<Missed>);

/// `resources.NAME`.
#[derive(Debug)]
struct One {
    name: String,
    missed: Arc<Missed>,
}

/// `resources.NAME.id`.
#[derive(Debug)]
pub(super) struct IdOf(pub String);

impl Object for Resources {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        // Whether there is one is told once all of them are known.
        if !can_be_named(key) {
            self.0.note(format!("{NAME}.{key}"));
            return None;
        }
        Some(Value::from_object(One { name: key.to_owned(), missed: self.0.clone() }))
    }
}

impl Object for One {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if key != ID {
            self.missed.note(format!("{NAME}.{}.{key}", self.name));
            return None;
        }
        self.missed.id.store(true, Ordering::Relaxed);
        Some(Value::from_object(IdOf(self.name.clone())))
    }
}

impl Object for IdOf {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(the id of {})", self.0)
    }
}
