//! How much work an evaluation is at most, told before it is done.
//!
//! The engine counts its steps, and one step can be long: joining two texts copies both, and an expression of a thousand
//! bytes can do that two hundred times. So each expression is compiled to what its steps do with their operands, and
//! before each evaluation the sizes of the values at hand give a bound: of the bytes that are looked at or copied, and
//! of the largest value on the way. It never depends on a clock, so that the same project is refused everywhere or
//! nowhere.

use std::cell::Cell;
use std::collections::BTreeMap;

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, UnaryOpKind};
use minijinja::value::{Value, ValueKind};
use serde_json::Value as Json;

use super::typed::MAX_TEXT;

/// The largest value that may come up inside an expression, in bytes.
const LARGEST: u64 = 16 << 20;

/// The cost of a list's item besides its bytes.
const ITEM: u64 = 8;

/// The size of a number as text, exponents aside.
const NUMBER: u64 = 40;

/// How much larger a list may be as text than its texts: quotes, commas, escapes.
const RENDERED: u64 = 8;

/// The cost of comparing a list's item besides its bytes.
const COMPARED: u64 = 96;

/// The cost of reading and writing character by character, compared with copying.
const BY_CHARACTER: u64 = 8;

/// The cost of reading character by character for a digest, compared with copying.
const DIGESTED: u64 = 32;

/// The size of a value, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// The size of all its texts together.
    bytes: u64,
    /// The size of its largest text.
    text: u64,
    /// How many values it holds, itself included.
    items: u64,
    /// How many lists it is put together from on demand: each item passes through all of them.
    layers: u64,
    /// Whether it is a text, a number, true or false.
    scalar: bool,
}

impl Size {
    /// More than any work allows.
    pub const MAX: Size = Size { bytes: u64::MAX, text: u64::MAX, items: u64::MAX, layers: 0, scalar: false };

    fn of_text(bytes: u64) -> Size {
        Size { bytes, text: bytes, items: 1, layers: 0, scalar: true }
    }

    fn plus(self, other: Size) -> Size {
        Size {
            bytes: self.bytes.saturating_add(other.bytes),
            text: self.text.max(other.text),
            items: self.items.saturating_add(other.items),
            layers: self.layers.max(other.layers),
            scalar: false,
        }
    }

    /// The larger one in each respect.
    fn or(self, other: Size) -> Size {
        Size {
            bytes: self.bytes.max(other.bytes),
            text: self.text.max(other.text),
            items: self.items.max(other.items),
            layers: self.layers.max(other.layers),
            scalar: self.scalar && other.scalar,
        }
    }

    /// The size of a value that an incident gives.
    pub fn of_json(json: &Json) -> Size {
        match json {
            Json::Null | Json::Bool(_) | Json::Number(_) => Size::of_text(NUMBER),
            Json::String(text) => Size::of_text(text.len() as u64),
            Json::Array(items) => items.iter().map(Size::of_json).fold(Size::empty(), Size::plus),
            Json::Object(fields) => fields.iter().fold(Size::empty(), |size, (name, value)| {
                size.plus(Size::of_text(name.len() as u64)).plus(Size::of_json(value))
            }),
        }
    }

    /// The size of a value that an expression gave; `None` if it is nested deeper than values may be.
    pub fn of_value(value: &Value, depth: usize) -> Option<Size> {
        match value.kind() {
            ValueKind::String => Some(Size::of_text(value.as_str().map_or(0, str::len) as u64)),
            ValueKind::Seq | ValueKind::Iterable => {
                let depth = depth.checked_sub(1)?;
                let mut items = value.try_iter().ok()?;
                items.try_fold(Size::empty(), |size, item| Some(size.plus(Size::of_value(&item, depth)?)))
            }
            ValueKind::Map => {
                let depth = depth.checked_sub(1)?;
                let mut keys = value.try_iter().ok()?;
                keys.try_fold(Size::empty(), |size, key| {
                    let item = Size::of_value(&value.get_item(&key).ok()?, depth)?;
                    Some(size.plus(Size::of_value(&key, depth)?).plus(item))
                })
            }
            _ => Some(Size::of_text(NUMBER)),
        }
    }

    fn empty() -> Size {
        Size { items: 1, ..Size::default() }
    }

    /// Its size as a text.
    fn rendered(self) -> u64 {
        match self.scalar {
            true => self.bytes.max(NUMBER),
            false => self.bytes.saturating_add(self.items.saturating_mul(NUMBER)).saturating_mul(RENDERED),
        }
    }

    /// Its size as a text in other characters, so many times as large at most.
    fn changed(self, times: u64) -> Size {
        // The filters take no longer text, and `join` makes none.
        let most = (MAX_TEXT as u64).saturating_mul(times.clamp(2, 8));
        let bytes = self.bytes.saturating_add(self.items.saturating_mul(NUMBER));
        Size::of_text(bytes.saturating_mul(times).min(most))
    }

    /// Returns what it costs to look at all of it.
    fn whole(self) -> u64 {
        self.bytes.saturating_add(self.items.saturating_mul(ITEM).saturating_mul(self.layers + 1))
    }
}

/// The sizes of what an incident gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Sizes {
    with: BTreeMap<String, Size>,
    /// The size of all of `with`.
    all: Size,
    incident: Size,
}

impl Sizes {
    pub fn new(with: &Json, incident: Size) -> Sizes {
        let fields = with.as_object().into_iter().flatten();
        let with: BTreeMap<String, Size> = fields.map(|(n, v)| (n.clone(), Size::of_json(v))).collect();
        let all = with.values().copied().fold(Size::empty(), Size::plus);
        Sizes { with, all, incident }
    }
}

/// The rest of the work that evaluations may do.
#[derive(Debug)]
pub(super) struct Meter(Cell<u64>);

impl Meter {
    pub fn new(work: u64) -> Meter {
        Meter(Cell::new(work))
    }

    pub fn left(&self) -> u64 {
        self.0.get()
    }

    /// Takes an evaluation's work; `None` if that is more than is left, or if one of its values could be too large.
    #[must_use]
    pub fn take(&self, steps: &Step, sizes: &Sizes, item: Size) -> Option<()> {
        let mut sum = Sum { sizes, item, work: 0, largest: 0 };
        sum.step(steps);
        self.0.set(self.0.get().checked_sub(sum.work)?);
        (sum.largest <= LARGEST).then_some(())
    }
}

/// A step of an evaluation.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A value that the expression spells out.
    Fixed(Size),
    /// A name, and the first field of it.
    Name(String, Option<String>),
    /// A part of a value.
    Part(Vec<Step>),
    /// A part of a list, made on demand, or of a text.
    Slice(Vec<Step>),
    /// A look at all of its operands for a small answer.
    Look(Vec<Step>),
    /// Comparisons: each with the next, and whether the next holds it.
    Chain(Vec<Step>),
    /// Two texts as one.
    Text(Box<(Step, Step)>),
    /// Values put together.
    All(Vec<Step>),
    /// One of its operands.
    Any(Vec<Step>),
    /// A text in other characters: so many times as large at most.
    Changed(u64, Vec<Step>),
    /// A text for which a digest is made.
    Digest(Vec<Step>),
}

impl Step {
    pub fn of(expr: &Expr<'_>) -> Step {
        let of_args = |args: &[CallArg<'_>]| {
            args.iter()
                .map(|arg| match arg {
                    CallArg::Pos(e)
                    | CallArg::Kwarg(_, e)
                    | CallArg::PosSplat(e)
                    | CallArg::KwargSplat(e) => Step::of(e),
                })
                .collect::<Vec<_>>()
        };
        match expr {
            Expr::Var(var) => Step::Name(var.id.to_owned(), None),
            Expr::GetAttr(get) => match &get.expr {
                Expr::Var(var) => Step::Name(var.id.to_owned(), Some(get.name.to_owned())),
                inner => Step::Part(vec![Step::of(inner)]),
            },
            Expr::Const(value) => Step::Fixed(Size::of_value(&value.value, 16).unwrap_or_default()),
            Expr::GetItem(get) => Step::Part(vec![Step::of(&get.expr), Step::of(&get.subscript_expr)]),
            Expr::Slice(slice) => {
                let ends = [&slice.start, &slice.stop, &slice.step].into_iter().flatten();
                Step::Slice([&slice.expr].into_iter().chain(ends).map(Step::of).collect())
            }
            Expr::UnaryOp(op) => match op.op {
                UnaryOpKind::Not | UnaryOpKind::Neg => Step::Look(vec![Step::of(&op.expr)]),
            },
            Expr::BinOp(op) => {
                let both = || Box::new((Step::of(&op.left), Step::of(&op.right)));
                let list = || vec![Step::of(&op.left), Step::of(&op.right)];
                match op.op {
                    BinOpKind::Concat => Step::Text(both()),
                    BinOpKind::In => Step::Chain(list()),
                    BinOpKind::ScAnd | BinOpKind::ScOr => Step::Any(list()),
                    // `+` joins texts and lists too.
                    BinOpKind::Add => Step::All(list()),
                    _ => Step::Look(list()),
                }
            }
            Expr::Compare(compare) => {
                let others = compare.ops.iter().map(|op| &op.expr);
                Step::Chain([&compare.expr].into_iter().chain(others).map(Step::of).collect())
            }
            Expr::IfExpr(branch) => {
                let other = branch.false_expr.iter();
                Step::Any(
                    [&branch.test_expr, &branch.true_expr].into_iter().chain(other).map(Step::of).collect(),
                )
            }
            Expr::Test(test) => Step::Any(vec![Step::of(&test.expr), Step::Fixed(Size::of_text(0))]),
            Expr::Filter(filter) => {
                let mut steps: Vec<Step> = filter.expr.iter().map(Step::of).collect();
                steps.extend(of_args(&filter.args));
                match filter.name {
                    "first" | "last" => Step::Part(steps),
                    "default" => Step::Any(steps),
                    "length" => Step::Look(steps),
                    "date" | "trim" => Step::Changed(1, steps),
                    "sha256" | "slug" => Step::Digest(steps),
                    // A letter can be up to three in the other case.
                    "lower" | "upper" => Step::Changed(3, steps),
                    // As many texts as there are items stand between them.
                    "join" => Step::Changed(u64::MAX, steps),
                    // A character can become an escape of six, and every item of a list has a comma.
                    _ => Step::Changed(8, steps),
                }
            }
            Expr::Call(call) => Step::All(of_args(&call.args)),
            Expr::List(list) => Step::All(list.items.iter().map(Step::of).collect()),
            Expr::Map(map) => Step::All(map.keys.iter().chain(&map.values).map(Step::of).collect()),
        }
    }
}

struct Sum<'a> {
    sizes: &'a Sizes,
    item: Size,
    work: u64,
    largest: u64,
}

impl Sum<'_> {
    fn work(&mut self, work: u64) {
        self.work = self.work.saturating_add(work);
    }

    fn all(&mut self, steps: &[Step]) -> Size {
        steps.iter().map(|step| self.step(step)).fold(Size::empty(), Size::plus)
    }

    /// The size of what a step gives; its work is added.
    fn step(&mut self, step: &Step) -> Size {
        self.work(1);
        let size = match step {
            Step::Fixed(size) => *size,
            Step::Name(name, field) => match (name.as_str(), field) {
                ("with", Some(field)) => self.sizes.with.get(field).copied().unwrap_or_default(),
                ("with", None) => self.sizes.all,
                ("incident", _) => self.sizes.incident,
                ("item", _) => self.item,
                // A number or an id; what else it may be has no value.
                _ => Size::of_text(NUMBER),
            },
            Step::Part(steps) => {
                let whole = steps.first().map_or(Size::default(), |first| self.step(first));
                let rest = self.all(steps.get(1..).unwrap_or_default());
                self.work(rest.bytes);
                // The nth of a text is counted for, and so is that of a list made on demand.
                self.work(whole.text.saturating_add(whole.items.saturating_mul(ITEM * whole.layers)));
                Size { scalar: false, ..whole }
            }
            Step::Slice(steps) => {
                let size = self.all(steps);
                self.work(size.whole().saturating_mul(BY_CHARACTER));
                Size { layers: size.layers + 1, ..size }
            }
            Step::Look(steps) => {
                let size = self.all(steps);
                self.work(size.whole());
                Size::of_text(NUMBER)
            }
            Step::Chain(steps) => {
                let sizes: Vec<Size> = steps.iter().map(|step| self.step(step)).collect();
                for (what, list) in sizes.iter().zip(sizes.iter().skip(1)) {
                    let texts = what.text.min(list.text).saturating_mul(list.items).min(list.bytes);
                    self.work(what.whole().saturating_add(texts));
                    let compared = if list.scalar { 0 } else { COMPARED };
                    let item = ITEM.saturating_mul(list.layers + 1).saturating_add(compared);
                    self.work(list.items.saturating_mul(item));
                    // A text is searched, and what is no text is written as one first.
                    let searched = list.bytes.saturating_mul(BY_CHARACTER).saturating_add(what.rendered());
                    self.work(if list.scalar { searched } else { 0 });
                }
                Size::of_text(NUMBER)
            }
            Step::Text(both) => {
                let (a, b) = (self.step(&both.0), self.step(&both.1));
                let bytes = a.rendered().saturating_add(b.rendered());
                self.work(bytes);
                self.work(a.whole().saturating_add(b.whole()));
                Size::of_text(bytes)
            }
            Step::All(steps) => {
                let size = self.all(steps);
                self.work(size.bytes);
                Size { layers: size.layers + 1, text: size.bytes, ..size }
            }
            Step::Any(steps) => {
                let sizes = steps.iter().map(|step| self.step(step));
                sizes.reduce(Size::or).unwrap_or_default()
            }
            Step::Changed(times, steps) => {
                let size = self.all(steps);
                self.work(size.whole().saturating_mul(BY_CHARACTER));
                size.changed(*times)
            }
            Step::Digest(steps) => {
                let size = self.all(steps);
                self.work(size.whole().saturating_mul(DIGESTED));
                size.changed(1)
            }
        };
        self.largest = self.largest.max(size.bytes);
        size
    }
}

#[cfg(test)]
mod tests {
    use minijinja::machinery::parse_expr;
    use serde_json::json;

    use super::*;

    /// The work of an expression.
    fn work(text: &str, with: &Json) -> Option<u64> {
        let meter = Meter::new(u64::MAX);
        let sizes = Sizes::new(with, Size::of_text(5));
        meter.take(&Step::of(&parse_expr(text).unwrap()), &sizes, Size::of_text(40))?;
        Some(u64::MAX - meter.left())
    }

    #[test]
    fn what_people_write_is_little_work() {
        let ids: Vec<String> = (0..5_000).map(|n| format!("{n:040}")).collect();
        let with = json!({ "ticket": "INC-2042", "machines": ids, "on": true, "who": { "name": "soc" } });
        for (text, most) in [
            ("with.ticket", 10),
            ("with.ticket ~ ': ' ~ item", 500),
            ("item | slug", 3_000),
            ("with.who.name | upper", 1_000),
            ("with.on and with.ticket != ''", 100),
            ("with.machines | length > 0", 300_000),
            ("with.machines[0]", 200),
            ("item in with.machines", 900_000),
        ] {
            let work = work(text, &with).unwrap();
            assert!(work <= most, "{text}: {work}");
        }
    }

    #[test]
    fn work_grows_with_what_is_done() {
        let with = json!({ "a": "x".repeat(1 << 16), "list": vec!["x".repeat(1_000); 1_000] });
        let times = |part: &str, between: &str, n: usize| vec![part; n].join(between);
        for (text, least) in [
            (times("with.a", " ~ ", 100), 100 * 100 / 2 * (1 << 16)),
            (format!("with.a{}", " | upper".repeat(40)), 40 * 8 * (1 << 16)),
            (times("with.a in with.a", " and ", 50), 50 * (1 << 16)),
            (times("with.list", " + ", 30), 30 * 1_000_000),
            (format!("with.list{}", "[1:]".repeat(30)), 30 * 1_000_000),
            (times("'x' in with.list", " and ", 50), 50 * 1_000 * 100),
            (times("'x' in with.a", " and ", 50), 50 * 8 * (1 << 16)),
            ("with.a | slug".to_owned(), 32 * (1 << 16)),
            ("with.a | sha256".to_owned(), 32 * (1 << 16)),
            (times("with.list == with.list", " and ", 20), 20 * 1_000_000),
        ] {
            match work(&text, &with) {
                Some(work) => assert!(work >= least, "{text}: {work}"),
                // Refused for its size.
                None => assert!(text.contains("list"), "{text}"),
            }
        }
        assert_eq!(work("with.list ~ with.list ~ with.list", &with), None, "a list as text is large");
    }

    proptest::proptest! {
        /// No value is larger than it is taken for.
        #[test]
        fn sizes_are_bounds(
            text in proptest::sample::select(vec![
                "with.a ~ with.b", "with.b ~ with.list", "with.list + with.list", "with.a | upper | kql", "with.list | join(with.b)",
                "with.list[1:] + [with.a]", "with.list | kql", "with.a if with.b else with.list", "{'x': with.list}", "with.list[0]",
                "with.a[1:] ~ 1", "with.list | first | lower", "with.b | default(with.a)", "with.n / 3 ~ with.n", "[with.list, with.b] ~ ''",
            ]),
            a in "\\PC{0,20}", b in "[ -~]{0,20}", list in proptest::collection::vec("\\PC{0,9}", 0..6), n in -99..99i64,
        ) {
            let with = json!({ "a": a, "b": b, "list": list, "n": n });
            let mut env = minijinja::Environment::empty();
            super::super::filters::install(&mut env);
            let value = env.compile_expression(text).unwrap().eval(json!({ "with": with }));
            let sizes = Sizes::new(&with, Size::default());
            let mut sum = Sum { sizes: &sizes, item: Size::default(), work: 0, largest: 0 };
            let bound = sum.step(&Step::of(&parse_expr(text).unwrap()));
            if let Ok(value) = value
                && let Some(size) = Size::of_value(&value, 9)
            {
                proptest::prop_assert!(size.bytes <= bound.bytes.max(NUMBER), "{size:?} {bound:?}");
                proptest::prop_assert!(size.items <= bound.items.max(1), "{size:?} {bound:?}");
                proptest::prop_assert!(size.text <= bound.text.max(NUMBER), "{size:?} {bound:?}");
            }
        }
    }
}
