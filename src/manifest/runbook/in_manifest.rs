//! Expressions in manifests, where there is nothing to give but ids of other resources.

use std::ops::Range;

use super::expression::Scalar;
use super::ids::NAME;
use super::scope::Scope;
use super::typed::{EvalError, Typed};
use crate::manifest::diagnostic::Finding;
use crate::manifest::yaml::syntax::shown;

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
