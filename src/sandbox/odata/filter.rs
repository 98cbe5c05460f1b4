//! Filters as values, and which rows they let through.

/// A property that can be filtered and ordered by.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Field {
    pub name: &'static str,
    pub kind: FieldKind,
}

/// The type of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum FieldKind {
    Text,
    /// Text that may also stand without quotes.
    Guid,
    Time,
    Number,
    /// A list of texts, which only `any` looks into.
    Texts,
}

/// A property of a row.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(in crate::sandbox) enum Value<'a> {
    Null,
    Text(&'a str),
    Time(jiff::Timestamp),
    Number(i64),
    Texts(&'a [String]),
}

/// Something that can be filtered.
pub(in crate::sandbox) trait Row {
    /// The value of a property that is in the table of this kind of row.
    fn value(&self, field: &str) -> Value<'_>;
}

/// The name that `any` gives to the entries of a list.
pub(super) static ITEM: Field = Field { name: "", kind: FieldKind::Text };

/// One text of a list, seen as a row.
struct Item<'a>(&'a str);

impl Row for Item<'_> {
    fn value(&self, _: &str) -> Value<'_> {
        Value::Text(self.0)
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// The value that a property is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Text(String),
    Time(jiff::Timestamp),
    Number(i64),
}

impl Literal {
    pub fn value(&self) -> Value<'_> {
        match self {
            Literal::Null => Value::Null,
            Literal::Text(t) => Value::Text(t),
            Literal::Time(t) => Value::Time(*t),
            Literal::Number(n) => Value::Number(*n),
        }
    }
}

/// The change of case before a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// It stays.
    Kept,
    /// `tolower`
    Lower,
    /// `toupper`
    Upper,
}

impl Fold {
    /// Returns the text in this case.
    pub fn apply(self, text: &str) -> String {
        match self {
            Fold::Kept => text.to_owned(),
            Fold::Lower => text.to_lowercase(),
            Fold::Upper => text.to_uppercase(),
        }
    }
}

/// The side of a comparison that stands for a property.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Operand {
    pub field: &'static Field,
    pub fold: Fold,
}

impl Operand {
    fn read<T>(self, row: &impl Row, then: impl FnOnce(Value<'_>) -> T) -> T {
        match (self.fold, row.value(self.field.name)) {
            (fold @ (Fold::Lower | Fold::Upper), Value::Text(text)) => then(Value::Text(&fold.apply(text))),
            (_, value) => then(value),
        }
    }

    /// Returns whether it is this property, as it is.
    fn is(self, field: &str) -> bool {
        self.field.name == field && self.fold == Fold::Kept
    }
}

/// A question about a part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Starts,
    Ends,
    Contains,
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Compare(Operand, Op, Literal),
    In(Operand, Vec<Literal>),
    Part(Part, Operand, String),
    /// Some entry of a list passes; without a filter, there is some entry.
    Any(&'static Field, Option<Box<Expr>>),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

/// OData: null equals null only, and is neither more nor less than anything.
fn compare(value: Value<'_>, op: Op, literal: Value<'_>) -> bool {
    match (value, literal, op) {
        (a, b, Op::Eq) => a == b,
        (a, b, Op::Ne) => a != b,
        (Value::Null, _, _) | (_, Value::Null, _) => false,
        (a, b, op) => a.partial_cmp(&b).is_some_and(|o| match op {
            Op::Gt => o.is_gt(),
            Op::Ge => o.is_ge(),
            Op::Lt => o.is_lt(),
            _ => o.is_le(),
        }),
    }
}

impl Expr {
    pub fn matches(&self, row: &impl Row) -> bool {
        match self {
            Expr::And(parts) => parts.iter().all(|p| p.matches(row)),
            Expr::Or(parts) => parts.iter().any(|p| p.matches(row)),
            Expr::Not(inner) => !inner.matches(row),
            Expr::Part(part, operand, text) => operand.read(row, |value| {
                let Value::Text(value) = value else { return false };
                match part {
                    Part::Starts => value.starts_with(text.as_str()),
                    Part::Ends => value.ends_with(text.as_str()),
                    Part::Contains => value.contains(text.as_str()),
                }
            }),
            Expr::Any(field, inner) => match (row.value(field.name), inner) {
                (Value::Texts(texts), Some(inner)) => texts.iter().any(|t| inner.matches(&Item(t))),
                (Value::Texts(texts), None) => !texts.is_empty(),
                _ => false,
            },
            Expr::In(operand, literals) => {
                operand.read(row, |value| literals.iter().any(|l| compare(value, Op::Eq, l.value())))
            }
            Expr::Compare(operand, op, literal) => {
                operand.read(row, |value| compare(value, *op, literal.value()))
            }
        }
    }

    /// The texts one of which `field` must equal in every matching row, if the filter says so: a way
    /// to look rows up in place of going through all.
    pub fn candidates(&self, field: &str) -> Option<Vec<&str>> {
        match self {
            Expr::Compare(o, Op::Eq, Literal::Text(t)) if o.is(field) => Some(vec![t]),
            Expr::In(o, literals) if o.is(field) => texts(literals),
            Expr::And(parts) => parts.iter().find_map(|p| p.candidates(field)),
            Expr::Or(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(|p| p.candidates(field)).collect();
                all.map(|texts| texts.concat())
            }
            _ => None,
        }
    }

    /// The texts that rows are asked for by: those that `field` equals or begins with somewhere in the filter.
    pub fn looked_for(&self, field: &str) -> Vec<&str> {
        match self {
            Expr::Compare(o, Op::Eq, Literal::Text(t)) | Expr::Part(Part::Starts, o, t)
                if o.field.name == field =>
            {
                vec![t]
            }
            Expr::In(o, literals) if o.field.name == field => texts(literals).unwrap_or_default(),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().flat_map(|p| p.looked_for(field)).collect(),
            _ => Vec::new(),
        }
    }
}

/// The literals as texts, if that is what they are.
fn texts(literals: &[Literal]) -> Option<Vec<&str>> {
    literals
        .iter()
        .map(|l| match l {
            Literal::Text(t) => Some(t.as_str()),
            _ => None,
        })
        .collect()
}
