//! `resources.NAME.id` in expressions: a value that nothing can be made of, because it is not known yet.
//!
//! An expression gives the id itself or something that has nothing to do with it. So a text holds whole references
//! only, and what is reviewed says where an id will stand.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value};

use super::expression::{EvalError, Scalar, Typed};
use super::scope::{Missed, Scope};
use crate::manifest::diagnostic::Finding;
use crate::manifest::yaml::syntax::shown;
use crate::model::can_be_named;

/// The name of them all.
pub(super) const NAME: &str = "resources";
/// The only thing of theirs that can be had.
pub(super) const ID: &str = "id";

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
        self.missed.ask_for_id();
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

/// A manifest's text, its expressions in the form that calls keep. In a manifest they can give ids, and nothing
/// else. What is wrong is told at `span`.
pub(in crate::manifest) fn ids_in(text: &str, span: Range<usize>) -> Result<String, Box<Finding>> {
    let problem = |code, message: String, help: &str| Box::new(Finding::new(code, span, message).help(help));
    let help = "write the id of another resource as ${{ resources['Kind/name'].id }}";
    let scalar = match Scalar::compile(text) {
        Ok(Some(scalar)) => scalar,
        Ok(None) => return Ok(text.to_owned()),
        Err(e) => return Err(problem("bad-expression", e.why.to_string(), help)),
    };
    let names = scalar.expressions().flat_map(|e| &e.analysis.names);
    if let Some(other) = names.into_iter().find(|name| name.first() != NAME) {
        let help = "beside ids of resources, expressions belong into runbooks";
        let message = format!("`{}` has no value in a manifest", shown(&other.path.join(".")));
        return Err(problem("unknown-name", message, help));
    }
    if let Some(fault) = scalar.expressions().flat_map(|e| &e.analysis.faults).next() {
        return Err(problem(fault.code, fault.message.clone(), &fault.help));
    }
    match scalar.eval(&Scope::of_manifest()) {
        Ok(Typed::Scalar(text, _)) => Ok(text),
        Ok(Typed::List(_)) => Err(problem("expression-failed", EvalError::ListInText.to_string(), help)),
        Err(e @ EvalError::Undefined(_)) => Err(problem("unknown-name", e.to_string(), help)),
        Err(e) => Err(problem("expression-failed", e.to_string(), help)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(text: &str) -> Result<String, &'static str> {
        ids_in(text, 0..0).map_err(|f| f.code)
    }

    #[test]
    fn an_id_stands_alone() {
        let kept = "see ${{ resources['collect'].id }}!";
        assert_eq!(settled("see ${{resources.collect.id}}!").unwrap(), kept);
        assert_eq!(settled(kept).unwrap(), kept);
        assert_eq!(settled("see ${{ resources['col' ~ \"lect\"].id if true else 'x' }}!").unwrap(), kept);
        assert_eq!(settled("see ${{ 'none' if true else resources.collect.id }}").unwrap(), "see none");
        for derived in [
            "${{ resources.collect.id ~ 'x' }}",
            "${{ resources.collect.id | sha256 }}",
            "${{ resources.collect.id == 'x' }}",
            "${{ 'x' if resources.collect.id else 'y' }}",
            "${{ [resources.collect.id] }}",
            "${{ [resources.collect.id] | first | upper }}",
        ] {
            assert_eq!(settled(derived), Err("expression-failed"), "{derived}");
        }
        assert_eq!(settled("${{ resources.collect }}"), Err("unknown-name"));
        assert_eq!(settled("${{ resources }}"), Err("unknown-name"));
        assert_eq!(settled("${{ resources.collect.id | slgu }}"), Err("unknown-filter"));
        assert_eq!(settled("${{ resources.collect.status }}"), Err("unknown-name"));
        assert_eq!(settled("${{ resources[\"a'b\"].id }}"), Err("unknown-name"));
        assert_eq!(settled("${{ with.x }} ${{ resources.a.id }}"), Err("unknown-name"));
        assert_eq!(settled("${{ resources.a.id"), Err("bad-expression"));
    }

    #[test]
    fn no_value_can_spell_a_reference() {
        for text in ["$${{ resources.a.id }}{{", "${${{ resources.a.id }}", "${{ resources.a.id }}${{"] {
            let settled = settled(text);
            assert!(
                settled.as_deref().is_err() || settled.as_deref().unwrap().matches("${{").count() == 1,
                "{text}"
            );
        }
    }
}
