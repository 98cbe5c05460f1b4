//! Values of a document as JSON: what schemas are asked about, and what expressions of runbooks work with.

use serde_json::{Number, Value};

use crate::manifest::yaml::reader::{Document, Id, Node, NodeKind};

/// Returns a value as JSON. What could not be made out is null.
pub(in crate::manifest) fn value(doc: &Document<'_>, id: Id) -> Value {
    built(doc, id, &|node| number(&node.text))
}

/// Returns the same, with 0.5 in the place of every number like `1.0`; none if there is no such number.
///
/// For JSON Schema `1.0` is an integer. Here it is none, as an integer is written without a point: this is the
/// value that a schema is asked about a second time.
pub(in crate::manifest) fn with_fractions(doc: &Document<'_>, id: Id) -> Option<Value> {
    // Any may stand in another document's part of this one: to look at all nodes is cheaper than to walk twice.
    let any = (0..doc.len() as Id).any(|id| is_whole_decimal(doc.node(id)));
    let half = |node: &Node<'_>| {
        if is_whole_decimal(node) { Number::from_f64(0.5) } else { None }
            .unwrap_or_else(|| number(&node.text))
    };
    any.then(|| built(doc, id, &half))
}

/// Returns whether a node is a number with a decimal point whose value is an integer.
pub(in crate::manifest) fn is_whole_decimal(node: &Node<'_>) -> bool {
    let fraction = || node.text.split_once('.').map(|(_, fraction)| fraction);
    node.kind == NodeKind::Number && fraction().is_some_and(|digits| digits.bytes().all(|b| b == b'0'))
}

fn built(doc: &Document<'_>, id: Id, number: &dyn Fn(&Node<'_>) -> Number) -> Value {
    let node = doc.node(id);
    match node.kind {
        NodeKind::Bool => Value::Bool(node.text == "true"),
        NodeKind::Number => Value::Number(number(node)),
        NodeKind::Text => Value::String(node.text.clone().into_owned()),
        NodeKind::Null | NodeKind::Poison => Value::Null,
        NodeKind::Sequence => doc.children(id).iter().map(|&item| built(doc, item, number)).collect(),
        NodeKind::Mapping => {
            let name = |key| doc.node(key).text.clone().into_owned();
            Value::Object(doc.fields(id).map(|(k, v)| (name(k), built(doc, v, number))).collect())
        }
    }
}

/// The nearest JSON number; exact for integers of 64 bits.
fn number(text: &str) -> Number {
    if let Ok(n) = text.parse::<i64>() {
        return n.into();
    }
    // A decimal of limited length is finite.
    text.parse::<f64>().ok().and_then(Number::from_f64).unwrap_or_else(|| 0.into())
}
