//! Values in queries: none may say more than a literal says.
//!
//! A query is code of the runbook, and the values of an incident come from somebody else: a user's name, a command line
//! that an attacker chose. The filter `kql` makes a literal of a value, with quotes of its own. So the text around an
//! expression is read as far as is needed to know that it stands outside of quotes.

use std::collections::BTreeSet;
use std::ops::Range;

use super::analysis::Flow;
use super::expression::{Expression, Part, Scalar};
use super::typed::OPEN;
use crate::manifest::yaml::syntax::shown;

/// A value that could change a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsafe {
    /// Where its expression stands in the scalar's text.
    pub at: Range<usize>,
    pub message: &'static str,
    pub help: String,
}

/// The expressions of a query whose values could change it.
pub(super) fn unsafe_values(text: &str, query: &Scalar) -> Vec<Unsafe> {
    let mut found = Vec::new();
    let mut places = BTreeSet::from([Place::default()]);
    for part in query.parts() {
        let (expression, at) = match part {
            Part::Text(fixed) => {
                places = places.into_iter().map(|place| place.behind(fixed)).collect();
                continue;
            }
            Part::Expression(expression, at) => (expression, *at..at + expression.length),
        };
        let mut worst = None;
        places = through(&expression.analysis.flow, places, &mut worst);
        let Some(misuse) = worst else { continue };
        let filtered = filtered(expression, text.get(at.clone()).unwrap_or_default());
        let (message, help) = match misuse {
            Misuse::QuotedValue => (
                "this value could end the quotes that it stands in, and change what the query asks",
                format!("remove the quotes and write {filtered}: the filter `kql` makes a quoted literal"),
            ),
            Misuse::Value => (
                "this value goes into the query as it is, and could change what it asks",
                format!("write {filtered}: the filter `kql` makes a literal of it"),
            ),
            Misuse::QuotedLiteral => (
                "this literal stands inside quotes, and the filter `kql` writes its own: it would end them",
                "remove the quotes around it".to_owned(),
            ),
            // In `@"..."` a backslash escapes nothing.
            Misuse::Verbatim => (
                "`@` before a literal of `kql` changes how it is read: its value could end it",
                "remove the `@`".to_owned(),
            ),
        };
        found.push(Unsafe { at, message, help });
    }
    found
}

/// A way in which a value in a query can be wrong; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Misuse {
    Verbatim,
    QuotedLiteral,
    Value,
    QuotedValue,
}

/// Where a query can be behind what an expression puts into it.
fn through(flow: &Flow, places: BTreeSet<Place>, worst: &mut Option<Misuse>) -> BTreeSet<Place> {
    let mut misused = |misuse: Option<Misuse>| *worst = (*worst).max(misuse);
    match flow {
        Flow::Text(text) => places.into_iter().map(|place| place.behind(text)).collect(),
        Flow::Literal | Flow::Value => {
            for place in &places {
                let quoted = matches!(place.state, State::Quoted { .. } | State::Fence(_));
                misused(match (flow, quoted) {
                    (Flow::Value, true) => Some(Misuse::QuotedValue),
                    (Flow::Value, false) => Some(Misuse::Value),
                    (_, true) => Some(Misuse::QuotedLiteral),
                    (_, false) => place.verbatim_next.then_some(Misuse::Verbatim),
                });
            }
            places.into_iter().map(|place| Place { verbatim_next: false, ..place }).collect()
        }
        Flow::Sequence(all) => all.iter().fold(places, |places, flow| through(flow, places, worst)),
        Flow::Either(all) => all.iter().flat_map(|flow| through(flow, places.clone(), worst)).collect(),
    }
}

/// The expression with the filter at its end.
fn filtered(expression: &Expression, source: &str) -> String {
    let is_name = matches!(expression.analysis.names.as_slice(), [name] if name.at.len() == source.len());
    match is_name {
        true => format!("{OPEN} {} | kql }}}}", shown(source)),
        false => format!("{OPEN} ({}) | kql }}}}", shown(source)),
    }
}

/// A place of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    state: State,
    /// Whether quotes that begin here are those of a verbatim text.
    verbatim_next: bool,
}

/// The part of a query that a place lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    #[default]
    Code,
    /// A text in `'` or `"`; in a verbatim one a backslash is a character like any other.
    Quoted { quote: char, verbatim: bool },
    /// A text between three backquotes or tildes.
    Fence(&'static str),
    /// Up to the end of the line.
    Comment,
}

impl Place {
    /// The place behind a piece of a query.
    fn behind(self, text: &str) -> Place {
        let Place { mut state, mut verbatim_next } = self;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            state = match state {
                State::Code if rest.starts_with("//") => State::Comment,
                State::Code if rest.starts_with("```") || rest.starts_with("~~~") => {
                    length = 3;
                    State::Fence(if c == '`' { "```" } else { "~~~" })
                }
                State::Code if matches!(c, '\'' | '"') => State::Quoted { quote: c, verbatim: verbatim_next },
                State::Comment if c == '\n' => State::Code,
                State::Fence(end) if rest.starts_with(end) => {
                    length = end.len();
                    State::Code
                }
                State::Quoted { verbatim: false, .. } if c == '\\' => {
                    length += rest.chars().nth(1).map_or(0, char::len_utf8);
                    state
                }
                // A doubled quote in a verbatim text ends it and begins it again.
                State::Quoted { quote, verbatim: true } if c == quote && rest[1..].starts_with(quote) => {
                    length = 2;
                    state
                }
                State::Quoted { quote, .. } if c == quote => State::Code,
                other => other,
            };
            verbatim_next = state == State::Code && c == '@';
            rest = rest.get(length..).unwrap_or_default();
        }
        Place { state, verbatim_next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages and helps, by what they mark.
    fn found(query: &str) -> Vec<(String, String)> {
        let Some(scalar) = Scalar::compile(query).unwrap() else { return Vec::new() };
        let all = unsafe_values(query, &scalar).into_iter();
        all.map(|f| (query[f.at].to_owned(), format!("{}; {}", f.message, f.help))).collect()
    }

    #[test]
    fn values_need_the_filter_and_no_quotes() {
        for (query, expression, says) in [
            ("T | where A == ${{ with.a }}", "with.a", "write ${{ with.a | kql }}"),
            ("${{ with.query }}", "with.query", "write ${{ with.query | kql }}"),
            ("T | where A == \"${{ with.a }}\"", "with.a", "remove the quotes and write ${{ with.a | kql }}"),
            ("T | where A == \"${{ with.a | kql }}\"", "with.a | kql", "remove the quotes around it"),
            ("T | where A == '${{ with.a | kql }}'", "with.a | kql", "remove the quotes around it"),
            ("T | where A == @'x\\${{ with.a | kql }}'", "with.a | kql", "remove the quotes around it"),
            ("T | where A == ```${{ with.a | kql }}```", "with.a | kql", "remove the quotes around it"),
            ("T | where A == \"\\\"${{ with.a | kql }}", "with.a | kql", "remove the quotes around it"),
            ("T | where A == @'''${{ with.a | kql }}", "with.a | kql", "remove the quotes around it"),
            ("T | where A == @${{ with.a | kql }}", "with.a | kql", "remove the `@`"),
            ("T // \n| where A == ${{ item | lower }}", "item | lower", "write ${{ (item | lower) | kql }}"),
            ("T // ${{ with.a }}", "with.a", "write ${{ with.a | kql }}"),
            ("T | take ${{ index }}", "index", "write ${{ index | kql }}"),
            ("T | where ${{ 'A' if with.a else with.b }}", "'A' if with.a else with.b", "| kql"),
            ("T | where A == ${{ with.a | kql | upper }}", "with.a | kql | upper", "| kql"),
            (
                "T | where A == ${{ '\"' ~ (with.a | kql) ~ '\"' }}",
                "'\"' ~ (with.a | kql) ~ '\"'",
                "remove the quotes",
            ),
            ("T | where A == ${{ with.a | default('x') }}", "with.a | default('x')", "| kql"),
            ("T | where A == ${{ with.a | kql or with.b }}", "with.a | kql or with.b", "| kql"),
            ("T | where A in (${{ [with.a] }})", "[with.a]", "| kql"),
            (
                "T | where A == ${{ '\"' if with.b else '' }}${{ with.a | kql }}",
                "with.a | kql",
                "remove the quotes",
            ),
            ("T | where A == ${{ '@' }}${{ with.a | kql }}", "with.a | kql", "remove the `@`"),
            ("T | where A == ${{ 'x' ~ with.a }}", "'x' ~ with.a", "| kql"),
            ("T | where A == ${{ -index }}", "-index", "| kql"),
            ("T | where A == ${{ incident.name }}", "incident.name", "write ${{ incident.name | kql }}"),
        ] {
            let all = found(query);
            let [(at, said)] = all.as_slice() else { panic!("{query}: {all:?}") };
            assert!(at == expression && said.contains("kql") && said.contains(says), "{query}: {at}: {said}");
        }
    }

    #[test]
    fn literals_pass() {
        for query in [
            "T | where A == ${{ with.a | kql }} and B in ${{ with.list | kql }}",
            "T | where A == ${{ 'x' }} and B == '${{ 'y' }}' | take ${{ 1 + 2 }}",
            "T | where A == ${{ with.a | kql if with.a is defined else '\"none\"' }}",
            "T | where A == ${{ with.a | default('x') | kql }}",
            "T | where A == ${{ with.a | kql | default('\"none\"') }}",
            "T | where ${{ 'A' if with.on else 'B' }} == 1",
            "T | where ${{ \"A == \" ~ (with.a | kql) if with.a is defined else \"B =~ \" ~ (with.b | kql) }}",
            "T | where A == 1${{ ' or (B == ' ~ (with.a | kql) ~ ')' if with.a is defined else '' }}",
            "T | take ${{ 1 - 2 }} ${{ -1 }} ${{ with.a in with.list }} ${{ not with.a }}",
            "T | where A == ${{ with.on == 'x' }}",
            "T | where A == \"it's\" and B == ${{ with.a | kql }}",
            "T | where A == 'a\\'b' and B == ${{ with.a | kql }}",
            "T | where A == @'a\\' and B == ${{ with.a | kql }}",
            "T // don't\n| where B == ${{ with.a | kql }}",
            "T | where A == ```it's``` and B == ${{ with.a | kql }}",
            "T | where A == 'x'${{ with.a | kql }}",
            "T // ${{ with.a | kql }}",
        ] {
            assert_eq!(found(query), [], "{query}");
        }
    }
}
