//! The words of manifests about what is there already: `import`, `moved` and `replace`, each until it is done.
//!
//! These fields stand in files, so every later plan reads them again. What they ask for must happen once:
//!
//! - `import` is done when the resource holds the object or has held it. The record that takes it over says both.
//! - `moved` is done when nothing is recorded under the old address, or what is was released.
//! - `replace` is done when the resource was asked for in spite of the object. The intent says so, in the very record
//!   that has to be on disk before the call leaves, and a call that never left takes it back. That the resource holds
//!   another object by now is no substitute: a call can be refused, and the service merges alerts, so that the same
//!   object is the answer to the second call too.

use super::identity::{Candidate, IdIndex};
use super::input::{Input, find};
use super::observed::Observed;
use crate::model::{Address, Alert, Desired, Kind, Likeness, MachineAction, Sparse, is_of_machine};
use crate::state::{Object, Phase, Record, Resource, Sent};

/// Why an object is not taken over for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportRefusal {
    /// The service does not know it.
    NotFound,
    /// It is an action of another type.
    OtherType {
        /// Its type.
        found: String,
    },
    /// It is about another machine.
    OtherMachine {
        /// Its machine.
        found: String,
        /// The manifest's.
        declared: String,
    },
    /// A call of another resource made it.
    MadeBy {
        /// The resource.
        by: Address,
    },
}

/// Why a resource cannot have the record of the address that it was moved from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveRefusal {
    /// It has a record of its own.
    Taken,
    /// A manifest still declares the old address.
    StillDeclared,
}

/// Returns the id of the object that a manifest wants taken over and that its resource never held.
pub(super) fn to_import<'d>(d: &'d Desired, r: Option<&Resource>) -> Option<&'d str> {
    d.import().filter(|id| r.is_none_or(|r| !r.has_held(id)))
}

/// Returns the object that an action is, if it can be that of a resource; `None` is what a read of an unknown id gives.
///
/// # Errors
/// It cannot, and why.
pub fn import_of_action(d: &Desired, action: Option<&MachineAction>) -> Result<Object, ImportRefusal> {
    let action = action.ok_or(ImportRefusal::NotFound)?;
    if !action.is_collection() {
        return Err(ImportRefusal::OtherType { found: action.action_type.clone() });
    }
    is_of(d, action.machine_id.as_deref())?;
    Ok(Object::from(action))
}

/// Returns the object that an alert is, if it can be that of a resource; `None` is what a read of an unknown id gives.
///
/// # Errors
/// It cannot, and why.
pub fn import_of_alert(d: &Desired, alert: Option<&Alert>) -> Result<Object, ImportRefusal> {
    let alert = alert.ok_or(ImportRefusal::NotFound)?;
    is_of(d, alert.machine_id.as_deref())?;
    Ok(Object::from(alert))
}

/// A machine that is not told is not another one: the person who names the object knows.
fn is_of(d: &Desired, machine: Option<&str>) -> Result<(), ImportRefusal> {
    let declared = d.call.machine().as_str();
    match is_of_machine(declared, machine) {
        Some(false) => Err(ImportRefusal::OtherMachine {
            found: machine.unwrap_or_default().to_owned(),
            declared: declared.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// An object that a manifest wants taken over.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Import {
    /// Nobody looked.
    NotLooked,
    /// It can be taken.
    Fits {
        object: Box<Object>,
        /// The service shows another text than the manifest's.
        other_text: bool,
    },
    /// It cannot.
    Refused(ImportRefusal),
}

impl Import {
    /// Returns what is known of the object with this id.
    pub(super) fn of(d: &Desired, id: &str, ids: &IdIndex, observed: &Observed) -> Import {
        if let Some(by) = ids.maker(id).filter(|by| **by != d.address) {
            return Import::Refused(ImportRefusal::MadeBy { by: by.clone() });
        }
        let (read, candidate) = match d.address.kind() {
            Kind::InvestigationPackage => {
                let action = observed.actions.as_ref().and_then(|list| list.get(id));
                if action.is_none() && !observed.not_found.contains(id) {
                    return Import::NotLooked;
                }
                (import_of_action(d, action), action.map(Candidate::Action))
            }
            Kind::Alert => {
                let alert = observed.alerts.get(id).or_else(|| {
                    let mut others = observed.alerts.iter();
                    others.find(|(other, _)| other.eq_ignore_ascii_case(id)).map(|(_, alert)| alert)
                });
                if alert.is_none() && !observed.alerts_asked.contains(id) {
                    return Import::NotLooked;
                }
                (import_of_alert(d, alert), alert.map(Candidate::Alert))
            }
        };
        match read {
            Err(why) => Import::Refused(why),
            Ok(object) => Import::Fits {
                object: Box::new(object),
                other_text: candidate.is_some_and(|c| {
                    matches!(c.likeness_but_for_mark(&d.call), Likeness::Near | Likeness::Different)
                }),
            },
        }
    }
}

/// Returns the record that takes an object over. The manifest's body counts as the body as sent.
pub fn imported(d: &Desired, object: &Object) -> Record {
    Record::Imported {
        address: d.address.clone(),
        object: object.clone(),
        sent: Sent {
            request: d.request(),
            revision: d.revision,
            digest: d.digest,
            marker: Sparse::default(),
            machine_name: d.machine_name.as_deref().map(str::to_owned).into(),
            query_digest: d.query.clone(),
        },
        labels: d.labels.to_inner(),
        on_remove: d.on_remove,
    }
}

/// A resource whose manifest says from where it was moved, as long as something is recorded there.
#[derive(Clone, Copy)]
pub(super) struct DeclaredMove<'a> {
    pub(super) from: &'a Address,
    pub(super) old: &'a Resource,
    pub(super) refused: Option<MoveRefusal>,
}

impl<'a> DeclaredMove<'a> {
    pub(super) fn of(input: &Input<'a>, d: &'a Desired) -> Option<Self> {
        let from = d.moved_from()?;
        let resources = &input.state.resources;
        let old = resources.get(from).filter(|old| old.phase != Phase::Released)?;
        let declared = find(input.desired, from).is_some() || input.observed.targets.left.contains_key(from);
        let taken = resources.get(&d.address).is_some_and(|r| r.phase != Phase::Released);
        let refused = match (declared, taken) {
            (true, _) => Some(MoveRefusal::StillDeclared),
            (_, true) => Some(MoveRefusal::Taken),
            (false, false) => None,
        };
        Some(DeclaredMove { from, old, refused })
    }
}

/// The effect of `replace` of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    /// It was asked for in spite of the object already, or something newer is known.
    Done,
    /// It is asked for in spite of these objects: the one that is named, and those that were there before it.
    Counts(Vec<String>),
    /// The object is neither the resource's nor in its way.
    Unknown,
}

impl Replace {
    /// Decides by the record, the objects that look like what would be asked for, oldest first, and those that a call
    /// without an answer may have made, oldest first.
    pub(super) fn of(id: &str, r: Option<&Resource>, alike: &[Object], unclear: &[String]) -> Replace {
        if r.is_some_and(|r| r.has_replaced(id)) {
            return Replace::Done;
        }
        if r.is_some_and(|r| r.holds(id)) {
            return Replace::Counts(vec![id.to_owned()]);
        }
        if r.is_some_and(|r| r.past.iter().any(|p| p.id.eq_ignore_ascii_case(id))) {
            return Replace::Done;
        }
        // A person who names the latest has seen how many more there are. What was made since was not seen.
        if unclear.last().is_some_and(|last| last.eq_ignore_ascii_case(id)) {
            return Replace::Counts(unclear.to_vec());
        }
        match alike.split_last() {
            Some((last, before))
                if last.id.eq_ignore_ascii_case(id) && before.iter().all(|o| o.created_at.is_some()) =>
            {
                Replace::Counts(alike.iter().map(|o| o.id.clone()).collect())
            }
            _ => Replace::Unknown,
        }
    }
}
