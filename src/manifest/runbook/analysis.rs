//! The analysis of an expression before anything is given: the names that it uses, and the faults that no incident can
//! mend.
//!
//! The engine looks filters and tests up when it needs them, so an expression with a misspelt one is fine to it until
//! an incident takes that branch. Here the syntax tree is walked once, when the runbook is read.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Filter, GetItem, UnaryOpKind};

use super::filters::{FILTERS, TESTS};
use super::ids;
use super::types::{Gives, gives, path};
use crate::manifest::nearest::nearest;
use crate::manifest::yaml::syntax::shown;

/// A name with the fields that are spelled out: `with.ticket`, `resources['collect'].id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// `with`, `ticket`.
    pub path: Vec<String>,
    /// Where it stands in the expression.
    pub at: Range<usize>,
}

impl Name {
    /// The name without its fields.
    pub fn first(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// A field of it; empty if there is none.
    pub fn field(&self, index: usize) -> &str {
        self.path.get(index).map_or("", String::as_str)
    }
}

/// A fault of an expression, whatever an incident gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The code of its diagnostic.
    pub code: &'static str,
    /// Where it stands in the expression.
    pub at: Range<usize>,
    /// The description of what is wrong.
    pub message: String,
    /// How to put it right.
    pub help: String,
}

/// The content that an expression puts into a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// A text that the expression spells out, or one that says nothing: a number, true or false.
    Text(String),
    /// A literal that the filter `kql` makes.
    Literal,
    /// A value as it is.
    Value,
    /// One behind the other.
    Sequence(Vec<Flow>),
    /// One of them.
    Either(Vec<Flow>),
}

/// The result of looking at one expression.
#[derive(Clone, Debug)]
pub(super) struct Analysis {
    /// In the order in which they stand.
    pub names: Vec<Name>,
    /// In the order in which they stand.
    pub faults: Vec<Fault>,
    pub flow: Flow,
    /// The kinds of value that it gives.
    pub gives: Gives,
}

/// Looks at an expression.
pub(super) fn analyse(expr: &Expr<'_>) -> Analysis {
    let mut walk = Walk { names: Vec::new(), faults: Vec::new() };
    walk.expr(expr);
    let Walk { mut names, mut faults } = walk;
    names.sort_by_key(|n| n.at.start);
    faults.sort_by_key(|f| f.at.start);
    Analysis { names, faults, flow: flow(expr), gives: gives(expr) }
}

/// Where an expression stands. The engine's own spans of fields begin at the last dot.
fn place(expr: &Expr<'_>) -> Range<usize> {
    let span = expr.span();
    let start = match expr {
        Expr::GetAttr(get) => place(&get.expr).start,
        Expr::GetItem(get) => place(&get.expr).start,
        Expr::Call(call) => place(&call.expr).start,
        _ => span.start_offset as usize,
    };
    start..span.end_offset as usize
}

/// `resources[...]`.
fn of_resources<'e, 'a>(expr: &'e Expr<'a>) -> Option<&'e GetItem<'a>> {
    match expr {
        Expr::GetItem(get) if matches!(&get.expr, Expr::Var(var) if var.id == ids::NAME) => Some(get),
        _ => None,
    }
}

struct Walk {
    names: Vec<Name>,
    faults: Vec<Fault>,
}

impl Walk {
    fn fault(&mut self, at: Range<usize>, code: &'static str, message: String, help: impl Into<String>) {
        self.faults.push(Fault { code, at, message, help: help.into() });
    }

    fn expr(&mut self, expr: &Expr<'_>) {
        if let Some(path) = path(expr) {
            self.named(path, place(expr));
            return;
        }
        match expr {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expr(&slice.expr);
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|e| self.expr(e));
            }
            Expr::UnaryOp(op) => self.expr(&op.expr),
            Expr::BinOp(op) => {
                self.expr(&op.left);
                self.expr(&op.right);
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr);
                compare.ops.iter().for_each(|op| self.expr(&op.expr));
            }
            Expr::IfExpr(branch) => {
                self.expr(&branch.test_expr);
                self.expr(&branch.true_expr);
                branch.false_expr.iter().for_each(|e| self.expr(e));
            }
            Expr::Filter(filter) => {
                filter.expr.iter().for_each(|e| self.expr(e));
                self.filter(filter, filter.expr.as_ref().map_or(0, |e| place(e).end), place(expr).end);
            }
            Expr::Test(test) => {
                self.expr(&test.expr);
                self.args(&test.args);
                let at = place(&test.expr).end..place(expr).end;
                if !TESTS.contains(&test.name) {
                    let message = format!("there is no test `is {}`", shown(test.name));
                    let help = match nearest(test.name, TESTS.into_iter()) {
                        Some(meant) => format!("did you mean `is {meant}`?"),
                        None => "the tests are `is defined` and `is undefined`; compare with ==".to_owned(),
                    };
                    self.fault(at, "unknown-test", message, help);
                } else if !test.args.is_empty() {
                    let message = format!("`is {}` takes no value", test.name);
                    self.fault(at, "bad-expression", message, "remove the parentheses");
                }
            }
            Expr::GetAttr(get) => match of_resources(&get.expr) {
                Some(item) if get.name == ids::ID => {
                    self.names.push(Name { path: vec![ids::NAME.to_owned()], at: place(expr) });
                    self.expr(&item.subscript_expr);
                }
                Some(item) => {
                    self.only_id(get.name, place(expr));
                    self.expr(&item.subscript_expr);
                }
                None => self.expr(&get.expr),
            },
            Expr::GetItem(get) => {
                self.expr(&get.expr);
                self.expr(&get.subscript_expr);
            }
            Expr::Call(call) => {
                let name = path(&call.expr).map(|path| path.join(".")).unwrap_or_default();
                let message = format!("there are no functions, so `{}` cannot be called", shown(&name));
                let help = match FILTERS.iter().map(|f| f.name).find(|f| name.rsplit('.').next() == Some(f)) {
                    Some(filter) => format!("it is a filter: value | {filter}"),
                    None => "use a filter, or give the value as a parameter".to_owned(),
                };
                self.fault(place(expr), "unknown-function", message, help);
                self.args(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.expr(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|e| self.expr(e)),
        }
    }

    fn named(&mut self, path: Vec<String>, at: Range<usize>) {
        if path.first().is_some_and(|first| first == ids::NAME) {
            match path.as_slice() {
                [_, _, id] if id == ids::ID => {}
                [_, _, other] => return self.only_id(other, at),
                _ => {
                    let message = "of another resource only the id can be had".to_owned();
                    return self.fault(at, "unknown-name", message, "write resources.NAME.id");
                }
            }
        }
        self.names.push(Name { path, at });
    }

    fn only_id(&mut self, field: &str, at: Range<usize>) {
        let message = format!("a resource has no `{}`: only its id can be had", shown(field));
        self.fault(at, "unknown-name", message, "write resources.NAME.id");
    }

    fn args(&mut self, args: &[CallArg<'_>]) {
        for arg in args {
            match arg {
                CallArg::Pos(e) | CallArg::Kwarg(_, e) | CallArg::PosSplat(e) | CallArg::KwargSplat(e) => {
                    self.expr(e);
                }
            }
        }
    }

    /// `bar` is where the filtered value ends, `end` where the filter does.
    fn filter(&mut self, filter: &Filter<'_>, bar: usize, end: usize) {
        self.args(&filter.args);
        let name = filter.name;
        let Some(known) = FILTERS.iter().find(|f| f.name == name) else {
            let message = format!("there is no filter `{}`", shown(name));
            let names = FILTERS.map(|f| f.name);
            let help = match nearest(name, names.into_iter()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the filters are {}", names.join(", ")),
            };
            return self.fault(bar..end, "unknown-filter", message, help);
        };
        let values = filter.args.iter().filter(|arg| matches!(arg, CallArg::Pos(_))).count();
        if values != filter.args.len() || !known.values.contains(&values) {
            let message = match (*known.values.start(), *known.values.end()) {
                (_, 0) => format!("the filter `{name}` takes no value"),
                (1, _) => format!("the filter `{name}` takes one value"),
                _ => format!("the filter `{name}` takes one value at most"),
            };
            self.fault(bar..end, "bad-expression", message, format!("write, for example, {}", known.example));
        }
    }
}

/// Returns what an expression lets through. What stands behind `kql` could change the literal, so it has to come last.
fn flow(expr: &Expr<'_>) -> Flow {
    let truth = || Flow::Text(String::new());
    match expr {
        Expr::Const(value) => Flow::Text(value.value.as_str().unwrap_or_default().to_owned()),
        Expr::Compare(_) | Expr::Test(_) => truth(),
        Expr::UnaryOp(op) => match (&op.op, &op.expr) {
            (UnaryOpKind::Not, _) | (UnaryOpKind::Neg, Expr::Const(_)) => truth(),
            _ => Flow::Value,
        },
        Expr::BinOp(op) => match (op.op, &op.left, &op.right) {
            (BinOpKind::Eq | BinOpKind::Ne | BinOpKind::In, ..)
            | (BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte, ..)
            | (_, Expr::Const(_), Expr::Const(_))
                if !matches!(
                    op.op,
                    BinOpKind::Concat | BinOpKind::Add | BinOpKind::ScAnd | BinOpKind::ScOr
                ) =>
            {
                truth()
            }
            (BinOpKind::ScAnd | BinOpKind::ScOr, left, right) => Flow::Either(vec![flow(left), flow(right)]),
            (BinOpKind::Concat | BinOpKind::Add, left, right) => {
                Flow::Sequence(vec![flow(left), flow(right)])
            }
            _ => Flow::Value,
        },
        Expr::IfExpr(branch) => {
            let other = branch.false_expr.as_ref().map_or_else(truth, flow);
            Flow::Either(vec![flow(&branch.true_expr), other])
        }
        Expr::Filter(filter) => match (filter.name, filter.args.as_slice(), &filter.expr) {
            ("kql", ..) => Flow::Literal,
            ("default", [CallArg::Pos(other)], Some(value)) => Flow::Either(vec![flow(value), flow(other)]),
            _ => Flow::Value,
        },
        _ => Flow::Value,
    }
}
