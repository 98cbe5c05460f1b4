//! Expressions inside scalars: `${{ ... }}`, compiled once and evaluated to typed values.
//!
//! Nothing here is text templating: an expression stands for one value, and a value never becomes part of
//! the YAML. A scalar that is one expression keeps the type of its value; one with text around it is text.

use std::ops::Range;
use std::sync::OnceLock;

use minijinja::machinery::parse_expr;
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior};

use super::analysis::{Analysis, analyse};
use super::filters;
use super::ids::IdOf;
use super::scope::Scope;
use super::typed::{EvalError, MAX_TEXT, OPEN, Typed, typed};
use super::work::Step;
use crate::manifest::yaml::reader::NodeKind;
use crate::model::replaced;

/// The text that ends one.
const CLOSE: &str = "}}";
/// The longest expression, in bytes.
const MAX_EXPRESSION: usize = 1_024;
/// Steps that one evaluation may take; an expression of the allowed length takes a few hundred.
const FUEL: u64 = 10_000;

/// Why a scalar's expression cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SyntaxError {
    #[error("this expression is never closed")]
    Unclosed,
    #[error("this expression is empty")]
    Empty,
    #[error("the expression is longer than {MAX_EXPRESSION} bytes")]
    TooLong,
    #[error("`*` is not known: it could repeat a list without end")]
    Repetition,
    #[error("no expression: {0}")]
    Grammar(String),
}

/// A scalar's text that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub why: SyntaxError,
    /// Where in the text.
    pub at: Range<usize>,
}

/// One compiled expression.
#[derive(Debug)]
pub(super) struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
    /// Its text without spaces, if it asks whether something has a value; empty else.
    asks: String,
    pub analysis: Box<Analysis>,
    /// How long its text is, in bytes.
    pub length: usize,
    steps: Step,
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut env = Environment::empty();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_fuel(Some(FUEL));
        filters::install(&mut env);
        env
    })
}

impl Expression {
    pub fn compile(text: &str) -> Result<Expression, SyntaxError> {
        if text.trim().is_empty() {
            return Err(SyntaxError::Empty);
        }
        if text.len() > MAX_EXPRESSION {
            return Err(SyntaxError::TooLong);
        }
        if repeats(text) {
            return Err(SyntaxError::Repetition);
        }
        let grammar =
            |e: minijinja::Error| SyntaxError::Grammar(e.detail().unwrap_or("it cannot be read").to_owned());
        let tree = parse_expr(text).map_err(grammar)?;
        let (analysis, steps) = (Box::new(analyse(&tree)), Step::of(&tree));
        let compiled = environment().compile_expression_owned(text.to_owned()).map_err(grammar)?;
        let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let asks = if bare.contains("defined") || bare.contains("|default") { bare } else { String::new() };
        Ok(Expression { compiled, asks, analysis, steps, length: text.len() })
    }

    /// Whether it asks if the field has a value before it needs one.
    fn asks_for(&self, field: &str) -> bool {
        let name = field.rsplit('.').next().unwrap_or(field);
        ["isdefined", "isundefined", "isnotdefined", "isnotundefined", "|default"]
            .into_iter()
            .any(|question| self.asks.contains(&format!(".{name}{question}")))
    }

    /// The value; never an undefined one.
    pub fn eval(&self, scope: &Scope) -> Result<Value, EvalError> {
        scope.take(&self.steps).ok_or(EvalError::Work)?;
        scope.forget_missed();
        let value = self.compiled.eval(scope.root());
        let missed = scope.missed();
        let first = missed.iter().find(|name| !self.asks_for(name));
        let value = value.map_err(|e| match first.or(missed.first()) {
            Some(name) if e.kind() == minijinja::ErrorKind::UndefinedError => {
                EvalError::Undefined(name.clone())
            }
            _ if scope.asked_for_id() => EvalError::Derived,
            _ => EvalError::Failed(e.detail().map_or_else(|| e.kind().to_string(), str::to_owned)),
        })?;
        match (first, missed.first()) {
            (Some(name), _) => Err(EvalError::Undefined(name.clone())),
            (None, Some(name)) if value.is_undefined() => Err(EvalError::Undefined(name.clone())),
            (None, None) if value.is_undefined() => Err(EvalError::Nothing),
            _ if scope.asked_for_id() && value.downcast_object_ref::<IdOf>().is_none() => {
                Err(EvalError::Derived)
            }
            _ => Ok(value),
        }
    }
}

/// A piece of a scalar's text.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    /// An expression, and where in the scalar's text its own begins.
    Expression(Expression, usize),
}

/// A scalar that holds at least one expression.
#[derive(Debug)]
pub(super) struct Scalar {
    parts: Vec<Part>,
}

impl Scalar {
    /// Compiles a text; `None` if it holds no expression.
    pub fn compile(text: &str) -> Result<Option<Scalar>, Broken> {
        let mut parts = Vec::new();
        let mut end = 0;
        while let Some(open) = text.get(end..).and_then(|rest| rest.find(OPEN)).map(|at| end + at) {
            if open > end {
                parts.push(Part::Text(text[end..open].to_owned()));
            }
            let inside = open + OPEN.len();
            let unclosed = || Broken { why: SyntaxError::Unclosed, at: open..text.len() };
            let close = inside + closing(&text[inside..]).ok_or_else(unclosed)?;
            let bare = text[inside..close].trim();
            let start = inside + (text[inside..close].len() - text[inside..close].trim_start().len());
            end = close + CLOSE.len();
            let expression = Expression::compile(bare).map_err(|why| Broken {
                at: if bare.is_empty() { open..end } else { start..start + bare.len() },
                why,
            })?;
            parts.push(Part::Expression(expression, start));
        }
        if parts.is_empty() {
            return Ok(None);
        }
        if end < text.len() {
            parts.push(Part::Text(text[end..].to_owned()));
        }
        Ok(Some(Scalar { parts }))
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(e, _) => Some(e),
            Part::Text(_) => None,
        })
    }

    /// The one expression that it is, if there is no text around it.
    pub fn only(&self) -> Option<&Expression> {
        match self.parts.as_slice() {
            [Part::Expression(e, _)] => Some(e),
            _ => None,
        }
    }

    /// The same, for good.
    pub fn into_only(self) -> Option<Expression> {
        match <[Part; 1]>::try_from(self.parts) {
            Ok([Part::Expression(e, _)]) => Some(e),
            _ => None,
        }
    }

    /// Its value in a scope: of the expression's type, or text.
    pub fn eval(&self, scope: &Scope) -> Result<Typed, EvalError> {
        if let Some(only) = self.only() {
            return typed(&only.eval(scope)?, 0);
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::Expression(e, _) => match typed(&e.eval(scope)?, 0)? {
                    Typed::Scalar(piece, _) => text.push_str(&piece),
                    Typed::List(_) => return Err(EvalError::ListInText),
                },
            }
            if text.len() > MAX_TEXT {
                return Err(EvalError::TooLong);
            }
        }
        // Two values side by side could spell what neither of them holds.
        if replaced(&text, |_| Some(" ".to_owned())).contains(OPEN) {
            return Err(EvalError::Nested);
        }
        Ok(Typed::Scalar(text, NodeKind::Text))
    }
}

/// Whether an operator `*` stands in an expression, outside of its texts.
fn repeats(text: &str) -> bool {
    let (mut quote, mut escaped) = (None, false);
    text.bytes().any(|b| {
        match (quote, b) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(q), b) if b == q => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(b),
            (None, b'*') => return true,
            _ => {}
        }
        false
    })
}

/// Where `}}` ends the expression: not inside a text of it, nor inside braces of its own.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut quote, mut i) = (0usize, None, 0);
    while let Some(&b) = bytes.get(i) {
        match (quote, b) {
            (Some(_), b'\\') => i += 1,
            (Some(q), b) if b == q => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(b),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(i + 1) == Some(&b'}') => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::runbook::scope::Names;

    fn scope() -> Scope {
        let labels = [("severity".to_owned(), "high".to_owned())].into();
        let with = json!({
            "ticket": "INC-1", "machines": ["FIN-WS-042", "b"], "n": 3, "half": 1.5, "yes": true,
            "evil": "a${{ item }}", "map": {"a": 1}, "quote": "a\"b'c\\d\ne", "empty": "", "at": "2018-08-03T16:45:21.7115183Z", "big": "x".repeat(2_000)
        });
        let names = Names::new("inc-1", &labels, &with, 1 << 32);
        names.scope(Some((Value::from("FIN-WS-042"), 4)))
    }

    fn eval(text: &str) -> Result<Typed, EvalError> {
        Scalar::compile(text).unwrap().unwrap().eval(&scope())
    }

    fn text(text: &str) -> Typed {
        Typed::Scalar(text.to_owned(), NodeKind::Text)
    }

    #[test]
    fn one_expression_keeps_its_type_and_text_around_it_makes_text() {
        assert_eq!(eval("${{ with.n }}"), Ok(Typed::Scalar("3".into(), NodeKind::Number)));
        assert_eq!(eval("${{ with.half + 1.5 }}"), Ok(Typed::Scalar("3".into(), NodeKind::Number)));
        assert_eq!(eval("${{ with.n - 5 }}"), Ok(Typed::Scalar("-2".into(), NodeKind::Number)));
        assert_eq!(eval("${{ with.half }}"), Ok(Typed::Scalar("1.5".into(), NodeKind::Number)));
        assert_eq!(eval("${{ with.yes }}"), Ok(Typed::Scalar("true".into(), NodeKind::Bool)));
        assert_eq!(eval("n ${{ with.n }}"), Ok(text("n 3")));
        assert_eq!(
            eval("${{incident.name}}/${{ incident.labels.severity }}${{index}}"),
            Ok(text("inc-1/high4"))
        );
        assert_eq!(eval("${{ \"}}\" ~ '}}' }}"), Ok(text("}}}}")));
        assert_eq!(eval("${{ {\"a\": {\"b\": 1}}.a.b }}"), Ok(Typed::Scalar("1".into(), NodeKind::Number)));
        assert_eq!(eval("${{ with.machines }}"), Ok(Typed::List(vec![text("FIN-WS-042"), text("b")])));
    }

    #[test]
    fn a_name_without_a_value_is_an_error_wherever_it_stands() {
        let undefined = |name: &str| Err(EvalError::Undefined(name.to_owned()));
        assert_eq!(eval("${{ with.nope }}"), undefined("with.nope"));
        assert_eq!(eval("${{ with.nope == 1 }}"), undefined("with.nope"));
        assert_eq!(eval("${{ with.nope or 1 }}"), undefined("with.nope"));
        assert_eq!(eval("${{ [with.nope] }}"), undefined("with.nope"));
        assert_eq!(eval("${{ 'x' ~ incident.labels.nope }}"), undefined("incident.labels.nope"));
        assert_eq!(eval("${{ with.map.nope }}"), undefined("with.map.nope"));
        assert_eq!(eval("${{ with.nope is defined }}"), Ok(Typed::Scalar("false".into(), NodeKind::Bool)));
        assert_eq!(eval("${{ with.nope | default('d') }}"), Ok(text("d")));
        assert_eq!(eval("${{ 1 if false }}"), Err(EvalError::Nothing));
        // Asking for one name does not excuse another.
        assert_eq!(eval("${{ with.nope is defined or with.gone == 1 }}"), undefined("with.gone"));
        assert_eq!(
            eval("${{ with.nope is defined or with.nope_default == 1 }}"),
            undefined("with.nope_default")
        );
        assert_eq!(
            eval("${{ with.nope if with.nope is defined else 'none' }}"),
            Ok(Typed::Scalar("none".into(), NodeKind::Text))
        );
    }

    #[test]
    fn values_are_never_read_as_expressions_nor_as_structure() {
        assert_eq!(eval("${{ with.evil }}"), Err(EvalError::Nested));
        assert_eq!(eval("$${{ '{{' }}"), Err(EvalError::Nested));
        assert_eq!(eval("${{ with.map }}"), Err(EvalError::Mapping));
        assert_eq!(eval("x ${{ with.machines }}"), Err(EvalError::ListInText));
    }

    #[test]
    fn nothing_grows_without_bound() {
        for repeated in ["${{ 'x' * 10000000000 }}", "${{ [1]*10000000000 }}", "${{ 10 ** 10000 }}"] {
            assert_eq!(Scalar::compile(repeated).unwrap_err().why, SyntaxError::Repetition, "{repeated}");
        }
        assert_eq!(eval("${{ 'a \\' * b' ~ \"*\" }}"), Ok(text("a ' * b*")));
        let fourfold = |name: &str| format!("({name} ~ {name} ~ {name} ~ {name})");
        let big = format!("${{{{ {} }}}}", fourfold(&fourfold(&fourfold("with.big"))));
        assert_eq!(eval(&big), Err(EvalError::TooLong));
        assert!(matches!(eval("${{ (with.big ~ with.big) | upper | lower | kql }}"), Ok(Typed::Scalar(..))));
        let sixty = vec!["with.big ~ with.big ~ with.big"; 30].join(" ~ ");
        assert!(matches!(eval(&format!("${{{{ ({sixty}) | upper }}}}")), Err(EvalError::Failed(_))));
        assert_eq!(eval("${{ [[[[[[[[[[1]]]]]]]]]] }}"), Err(EvalError::TooDeep));
        let long = format!("${{{{ {} }}}}", "1 + ".repeat(400));
        assert_eq!(Scalar::compile(&long).unwrap_err().why, SyntaxError::TooLong);
        let deep = format!("${{{{ {}1{} }}}}", "(".repeat(500), ")".repeat(500));
        assert!(Scalar::compile(&deep).is_err());
    }

    #[test]
    fn what_is_no_expression() {
        assert!(Scalar::compile("plain {{ x }} $ { {").unwrap().is_none());
        for (bad, error) in [("${{ a", SyntaxError::Unclosed), ("${{ }}", SyntaxError::Empty)] {
            assert_eq!(Scalar::compile(bad).unwrap_err().why, error);
        }
        for bad in ["${{ a b }}", "${{ + }}", "${{ a }} ${{ b c }}", "${{ item | nosuch( }}"] {
            assert!(matches!(Scalar::compile(bad).unwrap_err().why, SyntaxError::Grammar(_)), "{bad}");
        }
        assert!(matches!(eval("${{ item | nosuch }}"), Err(EvalError::Failed(_))));
        assert!(matches!(eval("${{ range(3) }}"), Err(EvalError::Undefined(_) | EvalError::Failed(_))));
    }

    #[test]
    fn names_are_known_before_anything_is_given() {
        let scalar = Scalar::compile("${{ with.a.b ~ item }} ${{ with['c'] if index[0] }}").unwrap().unwrap();
        let names = scalar.expressions().flat_map(|e| &e.analysis.names);
        let names: Vec<(String, usize)> = names.map(|n| (n.path.join("."), n.at.start)).collect();
        assert_eq!(
            names,
            [("with.a.b".into(), 0), ("item".into(), 11), ("with.c".into(), 0), ("index".into(), 13)]
        );
    }

    #[test]
    fn what_no_incident_can_mend_is_known_too() {
        for (text, code, at, help) in [
            ("item | slgu", "unknown-filter", " | slgu", "did you mean `slug`?"),
            ("1 if false else 'a' | uper", "unknown-filter", " | uper", "did you mean `upper`?"),
            ("item | round", "unknown-filter", " | round", "the filters are"),
            ("item is definde", "unknown-test", " is definde", "did you mean `is defined`?"),
            ("item is odd", "unknown-test", " is odd", "compare with =="),
            ("item | slug('x')", "bad-expression", " | slug('x')", "item | slug"),
            ("item | default", "bad-expression", " | default", "default('none')"),
            ("item | join(d=', ')", "bad-expression", " | join(d=', ')", "join(', ')"),
            ("length(item)", "unknown-function", "length(item)", "value | length"),
            ("range(3)", "unknown-function", "range(3)", "parameter"),
            ("item.upper()", "unknown-function", "item.upper()", "value | upper"),
            ("resources.collect.status", "unknown-name", "resources.collect.status", "resources.NAME.id"),
            ("resources['a' ~ item].ip", "unknown-name", "resources['a' ~ item].ip", "resources.NAME.id"),
            ("resources.collect", "unknown-name", "resources.collect", "resources.NAME.id"),
            ("[{'a': item | slgu}][0]", "unknown-filter", " | slgu", "did you mean `slug`?"),
        ] {
            let analysis = Expression::compile(text).unwrap().analysis;
            let [fault] = analysis.faults.as_slice() else { panic!("{text}: {analysis:?}") };
            assert_eq!((fault.code, &text[fault.at.clone()]), (code, at), "{text}");
            assert!(fault.help.contains(help), "{text}: {}", fault.help);
        }
        for fine in ["resources['a' ~ item].id", "item | date", "item | date('%H')", "not item is defined"] {
            assert_eq!(Expression::compile(fine).unwrap().analysis.faults, [], "{fine}");
        }
    }

    #[test]
    fn the_filters() {
        assert_eq!(eval("${{ item | slug }}"), Ok(text("fin-ws-042")));
        assert_eq!(eval("${{ ' Ä b__c. ' | slug }}"), Ok(text("b-c")));
        assert!(matches!(eval("${{ '!!!' | slug }}"), Err(EvalError::Failed(_))));
        assert_eq!(
            eval("${{ '' | sha256 }}"),
            Ok(text("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"))
        );
        assert_eq!(eval("${{ with.at | date }}"), Ok(text("2018-08-03")));
        assert_eq!(eval("${{ with.at | date('%H:%M') }}"), Ok(text("16:45")));
        assert!(matches!(eval("${{ 'soon' | date }}"), Err(EvalError::Failed(_))));
        assert_eq!(eval("${{ with.quote | kql }}"), Ok(text(r#""a\"b'c\\d\ne""#)));
        assert_eq!(eval("${{ with.machines | kql }}"), Ok(text(r#"("FIN-WS-042", "b")"#)));
        assert_eq!(eval("${{ with.n | kql }}"), Ok(text("3")));
        assert_eq!(eval("${{ with.yes | kql }}"), Ok(text("true")));
        for none in ["with.map", "1/0", "-1/0", "0/0", "[1/0]", "[[1]]"] {
            let literal = eval(&format!("${{{{ ({none}) | kql }}}}"));
            assert!(matches!(literal, Err(EvalError::Failed(_))), "{none}: {literal:?}");
        }
        assert_eq!(eval("${{ (with.n - 5) | kql }} ${{ with.half | kql }}"), Ok(text("-2 1.5")));
        assert_eq!(eval("${{ with.machines | join(', ') | lower }}"), Ok(text("fin-ws-042, b")));
        assert_eq!(eval("${{ with.machines | length }}"), Ok(Typed::Scalar("2".into(), NodeKind::Number)));
    }

    #[test]
    fn a_long_slug_stays_a_label_and_stays_unique() {
        let slugs: Vec<String> =
            ["a", "b"].map(|end| filters::slug(&format!("{}{end}", "x".repeat(100))).unwrap()).into();
        assert!(slugs.iter().all(|s| s.len() <= 40) && slugs[0] != slugs[1], "{slugs:?}");
    }
}
