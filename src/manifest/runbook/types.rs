//! What kinds of value an expression can give, as far as that is certain before an incident gives anything.
//!
//! The engine is dynamic: it tells that a text has no field, or that a condition is no condition, when an incident takes
//! that branch. Here the schema of the parameters tells the kinds, and an expression is at fault if no value that the
//! schema lets pass could make it right. Whatever is not certain passes.

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, UnaryOpKind};
use minijinja::value::{Value, ValueKind};
use serde_json::Value as Json;

use super::weight::DEFS;

/// How many references are followed in a row.
const MAX_REFERENCES: usize = 32;

/// A set of kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub const TEXT: Kinds = Kinds(1);
    pub const NUMBER: Kinds = Kinds(2);
    pub const BOOL: Kinds = Kinds(4);
    pub const LIST: Kinds = Kinds(8);
    pub const MAPPING: Kinds = Kinds(16);
    pub const NULL: Kinds = Kinds(32);
    pub const ANY: Kinds = Kinds(63);

    /// The kinds with their words.
    const WORDS: [(Kinds, &'static str); 6] = [
        (Kinds::TEXT, "a text"),
        (Kinds::NUMBER, "a number"),
        (Kinds::BOOL, "true or false"),
        (Kinds::LIST, "a list"),
        (Kinds::MAPPING, "a mapping"),
        (Kinds::NULL, "nothing"),
    ];

    fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// Returns whether a value of these kinds can be one of those.
    pub fn can_be(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the kinds in words.
    pub fn words(self) -> String {
        let words = Kinds::WORDS.iter().filter(|(kind, _)| self.can_be(*kind)).map(|(_, word)| *word);
        words.collect::<Vec<_>>().join(" or ")
    }

    fn of_json(value: &Json) -> Kinds {
        match value {
            Json::Null => Kinds::NULL,
            Json::Bool(_) => Kinds::BOOL,
            Json::Number(_) => Kinds::NUMBER,
            Json::String(_) => Kinds::TEXT,
            Json::Array(_) => Kinds::LIST,
            Json::Object(_) => Kinds::MAPPING,
        }
    }

    fn of_value(value: &Value) -> Kinds {
        match value.kind() {
            ValueKind::None => Kinds::NULL,
            ValueKind::Bool => Kinds::BOOL,
            ValueKind::Number => Kinds::NUMBER,
            ValueKind::String => Kinds::TEXT,
            ValueKind::Seq => Kinds::LIST,
            ValueKind::Map => Kinds::MAPPING,
            _ => Kinds::ANY,
        }
    }

    /// The kinds that a schema lets pass; `root` holds the definitions.
    fn of_schema(schema: &Json, root: &Json) -> Kinds {
        let mut kinds = Kinds::ANY;
        for schema in chain(schema, root) {
            let own = match (schema.get("type"), schema.get("const"), schema.get("enum")) {
                (Some(Json::String(word)), ..) => Kinds::of_word(word),
                (Some(Json::Array(words)), ..) => {
                    words.iter().filter_map(Json::as_str).map(Kinds::of_word).fold(Kinds(0), Kinds::or)
                }
                (_, Some(value), _) => Kinds::of_json(value),
                (.., Some(Json::Array(values))) => {
                    values.iter().map(Kinds::of_json).fold(Kinds(0), Kinds::or)
                }
                _ => Kinds::ANY,
            };
            kinds = Kinds(kinds.0 & own.0);
        }
        // A schema that lets nothing pass says nothing of the expression.
        if kinds == Kinds(0) { Kinds::ANY } else { kinds }
    }

    /// The kind that a schema's `type` names.
    fn of_word(word: &str) -> Kinds {
        match word {
            "string" => Kinds::TEXT,
            "number" | "integer" => Kinds::NUMBER,
            "boolean" => Kinds::BOOL,
            "array" => Kinds::LIST,
            "object" => Kinds::MAPPING,
            "null" => Kinds::NULL,
            _ => Kinds::ANY,
        }
    }
}

/// A name and its fields, if all of them are spelled out.
pub(super) fn path(expr: &Expr<'_>) -> Option<Vec<String>> {
    match expr {
        Expr::Var(var) => Some(vec![var.id.to_owned()]),
        Expr::GetAttr(get) => {
            let mut path = path(&get.expr)?;
            path.push(get.name.to_owned());
            Some(path)
        }
        Expr::GetItem(get) => {
            let Expr::Const(key) = &get.subscript_expr else { return None };
            let mut path = path(&get.expr)?;
            path.push(key.value.as_str()?.to_owned());
            Some(path)
        }
        _ => None,
    }
}

/// The result of an expression, before the names in it have a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    /// A value of one of these kinds.
    Kinds(Kinds),
    /// The value of a name.
    Name(Vec<String>),
    /// One of them.
    Either(Vec<Gives>),
}

/// Returns what an expression gives.
pub(super) fn gives(expr: &Expr<'_>) -> Gives {
    if let Some(path) = path(expr) {
        return Gives::Name(path);
    }
    Gives::Kinds(match expr {
        Expr::Const(value) => Kinds::of_value(&value.value),
        Expr::Compare(_) | Expr::Test(_) => Kinds::BOOL,
        Expr::UnaryOp(op) => match op.op {
            UnaryOpKind::Not => Kinds::BOOL,
            UnaryOpKind::Neg => Kinds::NUMBER,
        },
        Expr::BinOp(op) => match op.op {
            BinOpKind::Eq | BinOpKind::Ne | BinOpKind::In => Kinds::BOOL,
            BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte => Kinds::BOOL,
            // The operand that decides it is the value.
            BinOpKind::ScAnd | BinOpKind::ScOr => {
                return Gives::Either(vec![gives(&op.left), gives(&op.right)]);
            }
            BinOpKind::Concat => Kinds::TEXT,
            BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => {
                Kinds::NUMBER
            }
            BinOpKind::Add | BinOpKind::Mul => Kinds::ANY,
        },
        Expr::IfExpr(branch) => {
            // Without the other branch there is no value, which is another error.
            let other = branch.false_expr.as_ref().map(gives);
            return Gives::Either([gives(&branch.true_expr)].into_iter().chain(other).collect());
        }
        Expr::Filter(filter) => match (filter.name, filter.args.as_slice(), &filter.expr) {
            ("date" | "join" | "kql" | "lower" | "sha256" | "slug" | "trim" | "upper", ..) => Kinds::TEXT,
            ("length", ..) => Kinds::NUMBER,
            ("default", [CallArg::Pos(other)], Some(value)) => {
                return Gives::Either(vec![gives(value), gives(other)]);
            }
            _ => Kinds::ANY,
        },
        Expr::List(_) => Kinds::LIST,
        Expr::Map(_) => Kinds::MAPPING,
        _ => Kinds::ANY,
    })
}

/// The schemas of the names in a template's expressions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Types<'s> {
    /// That of `with`, with the definitions.
    pub with: Option<&'s Json>,
    /// That of `item`, if `forEach` is a parameter.
    pub item: Option<&'s Json>,
}

/// A field that no value can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoField {
    /// The name before the field.
    pub of: String,
    /// The kinds that it can be of.
    pub kinds: Kinds,
    /// The field.
    pub field: String,
}

impl<'s> Types<'s> {
    /// Returns the kinds of value that an expression can give.
    pub fn kinds(&self, gives: &Gives) -> Kinds {
        match gives {
            Gives::Kinds(kinds) => *kinds,
            Gives::Either(all) => all.iter().map(|gives| self.kinds(gives)).fold(Kinds(0), Kinds::or),
            Gives::Name(path) => match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["incident", "name"] | ["incident", "labels", _] => Kinds::TEXT,
                ["incident"] | ["incident", "labels"] => Kinds::MAPPING,
                ["index"] => Kinds::NUMBER,
                _ => match (self.schema(path), self.with) {
                    (Ok(Some(schema)), Some(root)) => Kinds::of_schema(schema, root),
                    _ => Kinds::ANY,
                },
            },
        }
    }

    /// Returns the schema of a name, if it can be told.
    ///
    /// # Errors
    /// A field of it that no value can have.
    pub fn schema(&self, path: &[String]) -> Result<Option<&'s Json>, NoField> {
        let start = match path.first().map(String::as_str) {
            Some("with") => self.with.and_then(|with| Some((property(with, with, path.get(1)?)?, 2))),
            Some("item") => self.item.map(|item| (item, 1)),
            _ => None,
        };
        let (Some((mut schema, from)), Some(root)) = (start, self.with) else { return Ok(None) };
        for (at, field) in path.iter().enumerate().skip(from) {
            let kinds = Kinds::of_schema(schema, root);
            if !kinds.can_be(Kinds::MAPPING) {
                let of = path.get(..at).unwrap_or_default().join(".");
                return Err(NoField { of, kinds, field: field.clone() });
            }
            match property(schema, root, field) {
                Some(inner) => schema = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(schema))
    }

    /// Returns the schema of the items of a list that a name stands for.
    pub fn items(&self, path: &[String]) -> Option<&'s Json> {
        let (schema, root) = (self.schema(path).ok()??, self.with?);
        // The first items may be others.
        if chain(schema, root).any(|s| s.get("prefixItems").is_some()) {
            return None;
        }
        chain(schema, root).find_map(|s| s.get("items"))
    }
}

/// A schema and those that it refers to: all of them have to let a value pass.
fn chain<'s>(schema: &'s Json, root: &'s Json) -> impl Iterator<Item = &'s Json> {
    let next = move |schema: &&'s Json| {
        let name = schema.get("$ref")?.as_str()?.strip_prefix(DEFS)?;
        root.get("$defs")?.get(name)
    };
    std::iter::successors(Some(schema), next).take(MAX_REFERENCES)
}

fn property<'s>(schema: &'s Json, root: &'s Json, name: &str) -> Option<&'s Json> {
    chain(schema, root).find_map(|schema| schema.get("properties")?.get(name))
}

#[cfg(test)]
mod tests {
    use minijinja::machinery::parse_expr;
    use serde_json::json;

    use super::*;

    fn schema() -> Json {
        json!({
            "type": "object",
            "properties": {
                "ticket": { "type": "string" },
                "count": { "type": ["integer", "null"] },
                "on": { "type": "boolean" },
                "either": { "type": ["boolean", "string"] },
                "any": {},
                "level": { "enum": ["low", "high"] },
                "hosts": { "type": "array", "items": { "$ref": "#/$defs/host" } },
                "who": { "type": "object", "properties": { "name": { "$ref": "#/$defs/name" } } },
                "loose": { "anyOf": [{ "type": "object" }, { "type": "string" }] },
            },
            "$defs": { "name": { "type": "string" }, "host": { "$ref": "#/$defs/name" } },
        })
    }

    #[test]
    fn kinds_are_told_where_they_are_certain() {
        let schema = schema();
        let types = Types { with: Some(&schema), item: schema.pointer("/properties/hosts/items") };
        let kinds = |text: &str| types.kinds(&gives(&parse_expr(text).unwrap())).words();
        for (text, expected) in [
            ("'yes'", "a text"),
            ("3", "a number"),
            ("with.ticket", "a text"),
            ("with['ticket']", "a text"),
            ("with.count", "a number or nothing"),
            ("with.on", "true or false"),
            ("with.level", "a text"),
            ("with.hosts", "a list"),
            ("with.who", "a mapping"),
            ("with.who.name", "a text"),
            ("item", "a text"),
            ("index - 1", "a number"),
            ("with.ticket ~ 1", "a text"),
            ("with.hosts | length", "a number"),
            ("with.hosts | join", "a text"),
            ("with.ticket == 'x' and with.on", "true or false"),
            ("with.on and with.ticket", "a text or true or false"),
            ("not with.ticket", "true or false"),
            ("with.ticket is defined", "true or false"),
            ("with.ticket if with.on else with.hosts", "a text or a list"),
            ("with.on | default(false)", "true or false"),
            ("incident.labels.severity", "a text"),
            ("[1]", "a list"),
        ] {
            assert_eq!(kinds(text), expected, "{text}");
        }
        for unknown in
            ["with.any", "with.any.x", "with.loose", "with.hosts[0]", "with.hosts | first", "1 + 1"]
        {
            assert_eq!(kinds(unknown), Kinds::ANY.words(), "{unknown}");
        }
        // Without a schema nothing is certain.
        assert_eq!(Types::default().kinds(&gives(&parse_expr("with.ticket").unwrap())), Kinds::ANY);
    }

    #[test]
    fn fields_that_no_value_has() {
        let schema = schema();
        let types = Types { with: Some(&schema), item: None };
        let of = |text: &str| {
            let names: Vec<String> = text.split('.').map(str::to_owned).collect();
            types.schema(&names).map_err(|no| format!("{} {}", no.of, no.field))
        };
        assert_eq!(of("with.ticket.sub").unwrap_err(), "with.ticket sub");
        assert_eq!(of("with.hosts.first").unwrap_err(), "with.hosts first");
        assert_eq!(of("with.who.name.x").unwrap_err(), "with.who.name x");
        for fine in ["with.any.x", "with.loose.x", "with.who.other", "with.nope.x", "incident.name.x", "with"]
        {
            assert!(of(fine).is_ok(), "{fine}");
        }
        let hosts = ["with".to_owned(), "hosts".to_owned()];
        assert_eq!(types.items(&hosts), schema.pointer("/properties/hosts/items"));
    }
}
