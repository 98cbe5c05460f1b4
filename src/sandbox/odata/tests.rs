//! Filters are read, and let through what an oracle of its own kind lets through.

use std::cmp::Ordering;
use std::collections::HashMap;

use proptest::prelude::*;

use super::filter::{Field, FieldKind, Literal, Row, Value};
use super::parser::{instant, parse_filter};
use super::query::Query;
use crate::sandbox::message::Envelope;

static FIELDS: &[Field] = &[
    Field { name: "status", kind: FieldKind::Text },
    Field { name: "id", kind: FieldKind::Guid },
    Field { name: "at", kind: FieldKind::Time },
    Field { name: "n", kind: FieldKind::Number },
    Field { name: "tags", kind: FieldKind::Texts },
];

struct Map(HashMap<&'static str, Literal>, Vec<String>);
impl Row for Map {
    fn value(&self, field: &str) -> Value<'_> {
        match field {
            "tags" => Value::Texts(&self.1),
            field => self.0.get(field).map_or(Value::Null, Literal::value),
        }
    }
}

fn row(status: &str, n: i64) -> Map {
    let texts = [("status", Literal::Text(status.into())), ("n", Literal::Number(n))];
    Map(texts.into(), vec!["tier1".to_owned(), "EU".to_owned()])
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
        "title eq 'x'",
        "at ge '2024-01-01T00:00:00Z'",
        "at ge yesterday",
        "n eq 1.5",
        "not n eq 1",
        "not",
        "status in ()",
        "status in ('a'",
        "n in ('a')",
        "contains(n)",
        "contains(status,x)",
        "startswith(status,'a') eq 1",
        "tolower(status)",
        "tolower status eq 'a'",
        "tags eq 'a'",
        "tags/any(t: u eq 'a')",
        "tags/any(t: status eq 'a')",
        "tags/any(t t eq 'a')",
        "status/any(t: t eq 'a')",
        "tags/all(t: t eq 'a')",
        "at ge 2024-13-01",
    ] {
        assert!(parse_filter(bad, FIELDS).is_err(), "{bad}");
    }
    let deep = format!("{}n eq 1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(parse_filter(&deep, FIELDS).is_err());
    let long = vec!["n eq 1"; 5000].join(" or ");
    assert!(parse_filter(&long, FIELDS).is_ok());
}

/// Each of them lets the row of `A`, 1, `tier1` and `EU` through; its opposite does not.
#[test]
fn what_a_filter_can_say() {
    let r = row("Abc", 1);
    for passes in [
        "STATUS eq 'Abc'",
        "status in ('x','Abc')",
        "n in (3, 1)",
        "not (n eq 2)",
        "not contains(status,'x')",
        "contains(status,'b')",
        "endswith(Status,'bc')",
        "startswith(status,'A') eq true",
        "startswith(status,'b') eq false",
        "contains(status,'x') ne true",
        "tolower(status) eq 'abc'",
        "tolower(status) eq tolower('ABC')",
        "contains(toupper(status), 'BC')",
        "contains(tolower(status), tolower('BC'))",
        "tags/any(t: t eq 'tier1')",
        "Tags/any(tag:tag eq 'x' or startswith(tag,'tier'))",
        "tags/any(t: tolower(t) eq 'eu')",
        "tags/any()",
        "not tags/any(t: t eq 'tier2')",
        "status eq 'Abc'and n eq 1",
    ] {
        assert!(matches(passes, &r), "{passes}");
        assert!(!matches(&format!("not ({passes})"), &r), "{passes}");
    }
}

#[test]
fn dates_are_their_first_moment() {
    for (word, time) in [
        ("2018-08-01Z", "2018-08-01T00:00:00Z"),
        ("2018-08-01", "2018-08-01T00:00:00Z"),
        ("2018-08-01T00:00:01.5Z", "2018-08-01T00:00:01.5Z"),
    ] {
        assert_eq!(instant(word), Some(time.parse().unwrap()), "{word}");
    }
    for word in ["2018-08-01ZZ", "2018-02-30", "yesterday", "2018", ""] {
        assert_eq!(instant(word), None, "{word}");
    }
}

#[test]
fn options() {
    let q = Query::parse("%24top=5&$skip=2&$orderby=at+desc,n&$filter=n%20eq%201&$expand=evidence", FIELDS)
        .unwrap();
    assert_eq!((q.top, q.skip), (Some(5), 2));
    assert_eq!(Query::parse("$filter=&$orderby=%20", FIELDS).unwrap(), Query::default());
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
    assert_eq!(candidates("Status in ('a','b')").unwrap(), ["a", "b"]);
    for none in ["tolower(status) eq 'a'", "not (status eq 'a')", "contains(status,'a')"] {
        assert_eq!(candidates(none), None, "{none}");
    }
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
        .prop_map(|(a, b, c)| Map([a, b, c].into_iter().flatten().collect(), Vec::new()))
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
