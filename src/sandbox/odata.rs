//! The query options that clients send: `$filter`, `$top`, `$skip`, `$orderby`, `$count`, `$expand`.
//!
//! `$filter` knows `eq ne gt ge lt le`, `and`, `or`, parentheses and `startswith(property,'text')`.
//! Text is quoted with `'` (doubled inside), points in time are not quoted.

use std::cmp::Ordering;

use super::message::{Envelope, Refusal};

/// A property that can be filtered and ordered by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: &'static str,
    pub kind: FieldKind,
}

/// The type of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    Text,
    /// Text that may also stand without quotes.
    Guid,
    Time,
    Number,
}

/// A property of a row.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) enum Value<'a> {
    Null,
    Text(&'a str),
    Time(jiff::Timestamp),
    Number(i64),
}

/// Something that can be filtered.
pub(super) trait Row {
    /// The value of a property that is in the table of this kind of row.
    fn value(&self, field: &str) -> Value<'_>;
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

/// What a property is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Text(String),
    Time(jiff::Timestamp),
    Number(i64),
}

impl Literal {
    fn value(&self) -> Value<'_> {
        match self {
            Literal::Null => Value::Null,
            Literal::Text(t) => Value::Text(t),
            Literal::Time(t) => Value::Time(*t),
            Literal::Number(n) => Value::Number(*n),
        }
    }
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Compare(&'static Field, Op, Literal),
    StartsWith(&'static Field, String),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

impl Expr {
    pub fn matches(&self, row: &impl Row) -> bool {
        match self {
            Expr::And(parts) => parts.iter().all(|p| p.matches(row)),
            Expr::Or(parts) => parts.iter().any(|p| p.matches(row)),
            Expr::StartsWith(field, prefix) => {
                matches!(row.value(field.name), Value::Text(t) if t.starts_with(prefix.as_str()))
            }
            Expr::Compare(field, op, literal) => {
                let (value, literal) = (row.value(field.name), literal.value());
                // OData: null equals null only, and is neither more nor less than anything.
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
        }
    }

    /// The texts one of which `field` must equal in every matching row, if the filter says so: a way
    /// to look rows up in place of going through all.
    pub fn candidates(&self, field: &str) -> Option<Vec<&str>> {
        match self {
            Expr::Compare(f, Op::Eq, Literal::Text(t)) if f.name == field => Some(vec![t]),
            Expr::Compare(..) | Expr::StartsWith(..) => None,
            Expr::And(parts) => parts.iter().find_map(|p| p.candidates(field)),
            Expr::Or(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(|p| p.candidates(field)).collect();
                all.map(|texts| texts.concat())
            }
        }
    }

    /// The texts that rows are asked for by: those that `field` equals or begins with somewhere in the filter.
    pub fn looked_for(&self, field: &str) -> Vec<&str> {
        match self {
            Expr::Compare(f, Op::Eq, Literal::Text(t)) | Expr::StartsWith(f, t) if f.name == field => vec![t],
            Expr::Compare(..) | Expr::StartsWith(..) => Vec::new(),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().flat_map(|p| p.looked_for(field)).collect(),
        }
    }
}

/// The options of one query.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub filter: Option<Expr>,
    pub top: Option<usize>,
    pub skip: usize,
    /// Property and whether descending.
    pub order: Vec<(&'static Field, bool)>,
    pub count: bool,
}

/// `$top` and a page hold at most this many rows.
pub(super) const MAX_ROWS: usize = 10_000;

impl Query {
    /// Reads a percent-encoded query string. Options without `$` are none of OData's business.
    pub fn parse(query: &str, fields: &'static [Field]) -> Result<Self, Refusal> {
        let mut result = Query { filter: None, top: None, skip: 0, order: Vec::new(), count: false };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "$filter" => result.filter = Some(parse_filter(&value, fields).map_err(bad_query)?),
                "$top" => {
                    let top = number("$top", &value)?;
                    if top > MAX_ROWS {
                        return Err(bad_query(format!(
                            "The limit of '{MAX_ROWS}' for Top query has been exceeded. The value from the incoming request is '{top}'."
                        )));
                    }
                    result.top = Some(top);
                }
                "$skip" => result.skip = number("$skip", &value)?,
                "$orderby" => result.order = order(&value, fields)?,
                "$count" => result.count = value.eq_ignore_ascii_case("true"),
                "$expand" => {}
                other if other.starts_with('$') => {
                    return Err(Refusal {
                        form: Envelope::ODataLayer,
                        ..Refusal::new(400, "", format!("The query parameter '{other}' is not supported."))
                    });
                }
                _ => {}
            }
        }
        Ok(result)
    }

    /// Orders two rows as `$orderby` says; null comes first.
    pub fn compare(&self, a: &impl Row, b: &impl Row) -> Ordering {
        self.order
            .iter()
            .map(|(field, descending)| {
                let (a, b) = (a.value(field.name), b.value(field.name));
                let ascending = match (a, b) {
                    (Value::Null, Value::Null) => Ordering::Equal,
                    (Value::Null, _) => Ordering::Less,
                    (_, Value::Null) => Ordering::Greater,
                    (a, b) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
                };
                if *descending { ascending.reverse() } else { ascending }
            })
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

fn bad_query(why: String) -> Refusal {
    Refusal::new(400, "ODataError", format!("The query specified in the URI is not valid. {why}"))
}

fn number(option: &str, text: &str) -> Result<usize, Refusal> {
    text.parse::<u32>()
        .map(|n| n as usize)
        .map_err(|_| bad_query(format!("Invalid value '{text}' for {option} query option found.")))
}

fn field(name: &str, fields: &'static [Field]) -> Result<&'static Field, String> {
    fields.iter().find(|f| f.name == name).ok_or_else(|| {
        format!("The property '{name}' cannot be used in the $filter or $orderby query option.")
    })
}

fn order(text: &str, fields: &'static [Field]) -> Result<Vec<(&'static Field, bool)>, Refusal> {
    text.split(',')
        .map(|part| {
            let words: Vec<&str> = part.split_whitespace().collect();
            let (name, descending) = match words.as_slice() {
                [name] | [name, "asc"] => (name, false),
                [name, "desc"] => (name, true),
                _ => return Err(bad_query(format!("Syntax error in '$orderby={text}'."))),
            };
            Ok((field(name, fields).map_err(bad_query)?, descending))
        })
        .collect()
}

/// Reads a filter, or says why it is none.
pub(super) fn parse_filter(text: &str, fields: &'static [Field]) -> Result<Expr, String> {
    let mut parser = Parser { text, at: 0, fields };
    let expr = parser.any_of(0)?;
    match parser.next()? {
        None => Ok(expr),
        Some(_) => Err(parser.error()),
    }
}

/// Deeper parentheses are refused, so that a query cannot exhaust the stack.
const MAX_DEPTH: usize = 32;

struct Parser<'t> {
    text: &'t str,
    at: usize,
    fields: &'static [Field],
}

#[derive(Clone, Debug, PartialEq)]
enum Token<'t> {
    Open,
    Close,
    Comma,
    Quoted(String),
    Word(&'t str),
}

impl<'t> Parser<'t> {
    fn error(&self) -> String {
        format!("Syntax error at position {} in '{}'.", self.at, self.text)
    }

    fn next(&mut self) -> Result<Option<Token<'t>>, String> {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        let Some(first) = trimmed.chars().next() else { return Ok(None) };
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '\'' => {
                let (mut value, mut length, mut chars) = (String::new(), 1, trimmed[1..].chars().peekable());
                loop {
                    match chars.next() {
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            value.push('\'');
                            length += 2;
                        }
                        Some('\'') => break (Token::Quoted(value), length + 1),
                        Some(c) => {
                            value.push(c);
                            length += c.len_utf8();
                        }
                        None => {
                            return Err(format!(
                                "There is an unterminated string literal at position {} in '{}'.",
                                self.at, self.text
                            ));
                        }
                    }
                }
            }
            _ => {
                let end = trimmed.find(|c: char| c.is_whitespace() || "(),'".contains(c));
                let word = &trimmed[..end.unwrap_or(trimmed.len())];
                (Token::Word(word), word.len())
            }
        };
        self.at += length;
        Ok(Some(token))
    }

    fn peek(&mut self) -> Result<Option<Token<'t>>, String> {
        let at = self.at;
        let token = self.next();
        self.at = at;
        token
    }

    fn expect(&mut self, token: Token<'t>) -> Result<(), String> {
        if self.next()? == Some(token) { Ok(()) } else { Err(self.error()) }
    }

    fn any_of(&mut self, depth: usize) -> Result<Expr, String> {
        self.chain(depth, "or", Self::all_of, Expr::Or)
    }

    fn all_of(&mut self, depth: usize) -> Result<Expr, String> {
        self.chain(depth, "and", Self::term, Expr::And)
    }

    /// Long chains stay flat: clients send hundreds of `id eq '...' or ...`.
    fn chain(
        &mut self,
        depth: usize,
        word: &'static str,
        part: fn(&mut Self, usize) -> Result<Expr, String>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, String> {
        let first = part(self, depth)?;
        let mut parts = vec![first];
        while self.peek()? == Some(Token::Word(word)) {
            self.next()?;
            parts.push(part(self, depth)?);
        }
        Ok(match parts.pop() {
            Some(only) if parts.is_empty() => only,
            Some(last) => {
                parts.push(last);
                join(parts)
            }
            None => join(parts),
        })
    }

    fn term(&mut self, depth: usize) -> Result<Expr, String> {
        match self.next()? {
            Some(Token::Open) if depth < MAX_DEPTH => {
                let inner = self.any_of(depth + 1)?;
                self.expect(Token::Close)?;
                Ok(inner)
            }
            Some(Token::Word("startswith")) => {
                self.expect(Token::Open)?;
                let name = self.word()?;
                let field = field(name, self.fields)?;
                self.expect(Token::Comma)?;
                let Some(Token::Quoted(prefix)) = self.next()? else { return Err(self.error()) };
                self.expect(Token::Close)?;
                Ok(Expr::StartsWith(field, prefix))
            }
            Some(Token::Word(name)) => {
                let field = field(name, self.fields)?;
                let op = match self.word()? {
                    "eq" => Op::Eq,
                    "ne" => Op::Ne,
                    "gt" => Op::Gt,
                    "ge" => Op::Ge,
                    "lt" => Op::Lt,
                    "le" => Op::Le,
                    _ => return Err(self.error()),
                };
                let literal = self.literal(field)?;
                Ok(Expr::Compare(field, op, literal))
            }
            _ => Err(self.error()),
        }
    }

    fn word(&mut self) -> Result<&'t str, String> {
        match self.next()? {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.error()),
        }
    }

    fn literal(&mut self, field: &Field) -> Result<Literal, String> {
        let token = self.next()?;
        let literal = match (&token, field.kind) {
            (Some(Token::Word("null")), _) => Some(Literal::Null),
            (Some(Token::Quoted(text)), FieldKind::Text) => Some(Literal::Text(text.clone())),
            (Some(Token::Quoted(text)), FieldKind::Guid) => Some(Literal::Text(text.to_ascii_lowercase())),
            (Some(Token::Word(word)), FieldKind::Guid) if uuid::Uuid::try_parse(word).is_ok() => {
                Some(Literal::Text(word.to_ascii_lowercase()))
            }
            (Some(Token::Word(word)), FieldKind::Time) => word.parse().ok().map(Literal::Time),
            (Some(Token::Word(word)), FieldKind::Number) => word.parse().ok().map(Literal::Number),
            _ => None,
        };
        match (literal, token) {
            (Some(literal), _) => Ok(literal),
            (None, None) => Err(self.error()),
            (None, Some(_)) => Err(format!(
                "A binary operator with incompatible types was detected: '{}' cannot be compared with what stands before position {}.",
                field.name, self.at
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    static FIELDS: &[Field] = &[
        Field { name: "status", kind: FieldKind::Text },
        Field { name: "id", kind: FieldKind::Guid },
        Field { name: "at", kind: FieldKind::Time },
        Field { name: "n", kind: FieldKind::Number },
    ];

    struct Map(HashMap<&'static str, Literal>);
    impl Row for Map {
        fn value(&self, field: &str) -> Value<'_> {
            self.0.get(field).map_or(Value::Null, Literal::value)
        }
    }

    fn row(status: &str, n: i64) -> Map {
        Map([("status", Literal::Text(status.into())), ("n", Literal::Number(n))].into())
    }

    fn matches(filter: &str, row: &Map) -> bool {
        parse_filter(filter, FIELDS).unwrap().matches(row)
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let r = row("A", 1);
        assert!(matches("status eq 'A' or status eq 'B' and n eq 2", &r));
        assert!(!matches("(status eq 'A' or status eq 'B') and n eq 2", &r));
        assert!(matches("status eq 'it''s'", &row("it's", 0)));
        assert!(matches("startswith(status,'it')", &row("it's", 0)));
        assert!(matches("at eq null and status ne null", &r));
        assert!(!matches("at lt 2024-01-01T00:00:00Z", &r), "null is less than nothing");
    }

    #[test]
    fn what_is_no_filter() {
        for bad in [
            "",
            "status",
            "status eq",
            "status eq Pending",
            "status = 'x'",
            "status eq 'x",
            "status eq 'x' and",
            "(status eq 'x'",
            "status eq 'x')",
            "Status eq 'x'",
            "title eq 'x'",
            "at ge '2024-01-01T00:00:00Z'",
            "at ge yesterday",
            "n eq 1.5",
            "not (n eq 1)",
        ] {
            assert!(parse_filter(bad, FIELDS).is_err(), "{bad}");
        }
        let deep = format!("{}n eq 1{}", "(".repeat(5000), ")".repeat(5000));
        assert!(parse_filter(&deep, FIELDS).is_err());
        let long = vec!["n eq 1"; 5000].join(" or ");
        assert!(parse_filter(&long, FIELDS).is_ok());
    }

    #[test]
    fn options() {
        let q =
            Query::parse("%24top=5&$skip=2&$orderby=at+desc,n&$filter=n%20eq%201&$expand=evidence", FIELDS)
                .unwrap();
        assert_eq!((q.top, q.skip), (Some(5), 2));
        assert_eq!(q.order, [(&FIELDS[2], true), (&FIELDS[3], false)]);
        let stop = Query::parse("$stop=2", FIELDS).unwrap_err();
        assert_eq!((stop.status, stop.code, stop.form), (400, "", Envelope::ODataLayer));
        for bad in ["$top=10001", "$top=-1", "$skip=x", "$orderby=title", "$orderby=n down", "$filter=x"] {
            let refusal = Query::parse(bad, FIELDS).unwrap_err();
            assert_eq!((refusal.status, refusal.code), (400, "ODataError"), "{bad}");
        }
    }

    #[test]
    fn look_ups() {
        let candidates = |text: &str| {
            parse_filter(text, FIELDS)
                .unwrap()
                .candidates("status")
                .map(|c| c.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(candidates("n eq 1 and (status eq 'a' or status eq 'b')").unwrap(), ["a", "b"]);
        assert_eq!(candidates("status eq 'a' or n eq 1"), None);
        assert_eq!(candidates("status ne 'a'"), None);
    }

    /// A filter as a tree of its own, printed with all parentheses or with the fewest.
    #[derive(Clone, Debug)]
    enum Tree {
        Leaf(&'static str, &'static str, Literal),
        And(Box<Tree>, Box<Tree>),
        Or(Box<Tree>, Box<Tree>),
    }

    impl Tree {
        fn print(&self, bare: bool) -> String {
            let inside = |t: &Tree| match t {
                Tree::Leaf(..) => t.print(bare),
                Tree::And(..) if bare => t.print(bare),
                Tree::Or(..) if bare && matches!(self, Tree::Or(..)) => t.print(bare),
                _ => format!("({})", t.print(bare)),
            };
            match self {
                Tree::And(a, b) => format!("{} and {}", inside(a), inside(b)),
                Tree::Or(a, b) => format!("{} or {}", inside(a), inside(b)),
                Tree::Leaf(f, op, literal) => {
                    let literal = match literal {
                        Literal::Null => "null".to_owned(),
                        Literal::Text(t) => format!("'{}'", t.replace('\'', "''")),
                        Literal::Time(t) => t.to_string(),
                        Literal::Number(n) => n.to_string(),
                    };
                    format!("{f} {op} {literal}")
                }
            }
        }

        fn oracle(&self, row: &Map) -> bool {
            match self {
                Tree::And(a, b) => a.oracle(row) && b.oracle(row),
                Tree::Or(a, b) => a.oracle(row) || b.oracle(row),
                Tree::Leaf(f, op, literal) => {
                    let found = row.0.get(f);
                    let order = match (found, literal) {
                        (None, Literal::Null) => Some(Ordering::Equal),
                        (None, _) | (_, Literal::Null) => None,
                        (Some(Literal::Text(a)), Literal::Text(b)) => Some(a.cmp(b)),
                        (Some(Literal::Time(a)), Literal::Time(b)) => Some(a.cmp(b)),
                        (Some(Literal::Number(a)), Literal::Number(b)) => Some(a.cmp(b)),
                        _ => unreachable!("the generator gives a field its own type"),
                    };
                    let null = found.is_none();
                    match *op {
                        "eq" => order == Some(Ordering::Equal),
                        "ne" => order != Some(Ordering::Equal),
                        "gt" => order == Some(Ordering::Greater),
                        "lt" => order == Some(Ordering::Less),
                        "ge" => !null && matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                        _ => !null && matches!(order, Some(Ordering::Less | Ordering::Equal)),
                    }
                }
            }
        }
    }

    fn literal(field: &'static str) -> BoxedStrategy<Literal> {
        match field {
            "status" => "[ab' é]{0,3}".prop_map(Literal::Text).boxed(),
            "at" => (0i64..4).prop_map(|s| Literal::Time(jiff::Timestamp::from_second(s).unwrap())).boxed(),
            _ => (-2i64..3).prop_map(Literal::Number).boxed(),
        }
    }

    fn tree() -> impl Strategy<Value = Tree> {
        let leaf = (
            prop::sample::select(vec!["status", "at", "n"]),
            prop::sample::select(vec!["eq", "ne", "gt", "ge", "lt", "le"]),
        )
            .prop_flat_map(|(field, op)| {
                prop_oneof![4 => literal(field), 1 => Just(Literal::Null)]
                    .prop_map(move |l| Tree::Leaf(field, op, l))
            });
        leaf.prop_recursive(4, 24, 2, |inner| {
            (inner.clone(), inner, any::<bool>()).prop_map(|(a, b, and)| {
                if and { Tree::And(a.into(), b.into()) } else { Tree::Or(a.into(), b.into()) }
            })
        })
    }

    fn any_row() -> impl Strategy<Value = Map> {
        let field = |name| prop::option::of(literal(name)).prop_map(move |l| l.map(|l| (name, l)));
        (field("status"), field("at"), field("n"))
            .prop_map(|(a, b, c)| Map([a, b, c].into_iter().flatten().collect()))
    }

    impl std::fmt::Debug for Map {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }

    proptest! {
        #[test]
        fn evaluation_equals_the_oracle(tree in tree(), rows in prop::collection::vec(any_row(), 1..8)) {
            for bare in [false, true] {
                let text = tree.print(bare);
                let expr = parse_filter(&text, FIELDS).map_err(TestCaseError::fail)?;
                for row in &rows {
                    prop_assert_eq!(expr.matches(row), tree.oracle(row), "{} on {:?}", text, row);
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-z0-9 ()',éZ:-]{0,40}") {
            let _ = parse_filter(&text, FIELDS);
        }
    }
}
