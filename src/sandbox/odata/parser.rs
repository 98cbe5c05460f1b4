//! Reads the text of a filter.

use super::filter::{Expr, Field, FieldKind, Fold, ITEM, Literal, Op, Operand, Part};

/// Finds a property by its name, in any spelling.
pub(super) fn field(name: &str, fields: &'static [Field]) -> Result<&'static Field, String> {
    fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        format!("The property '{name}' cannot be used in the $filter or $orderby query option.")
    })
}

/// Reads a filter, or says why it is none.
pub(super) fn parse_filter(text: &str, fields: &'static [Field]) -> Result<Expr, String> {
    let mut parser = Parser { text, at: 0, fields, variable: None };
    let expr = parser.any_of(0)?;
    match parser.next()? {
        None => Ok(expr),
        Some(_) => Err(parser.error()),
    }
}

/// Reads a point in time, or a date, which means its first moment in UTC: the documentation writes `2018-08-01Z`.
pub(in crate::sandbox) fn instant(word: &str) -> Option<jiff::Timestamp> {
    let date = || {
        let date: jiff::civil::Date = word.strip_suffix('Z').unwrap_or(word).parse().ok()?;
        date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp())
    };
    // A date of ten characters, so that no other form of a time is taken for one.
    if word.trim_end_matches('Z').len() == 10 { date() } else { word.parse().ok() }
}

/// Deeper parentheses are refused, so that a query cannot exhaust the stack.
const MAX_DEPTH: usize = 32;

struct Parser<'t> {
    text: &'t str,
    at: usize,
    fields: &'static [Field],
    /// The name of the entries of the list inside of `any`.
    variable: Option<&'t str>,
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
        if depth >= MAX_DEPTH {
            return Err(self.error());
        }
        let start = self.at;
        let word = match self.next()? {
            Some(Token::Open) => {
                let inner = self.any_of(depth + 1)?;
                self.expect(Token::Close)?;
                return Ok(inner);
            }
            Some(Token::Word(word)) => word,
            _ => return Err(self.error()),
        };
        let call = self.peek()? == Some(Token::Open);
        match word {
            "not" => return self.negated(depth),
            "startswith" if call => return self.part(Part::Starts),
            "endswith" if call => return self.part(Part::Ends),
            "contains" if call => return self.part(Part::Contains),
            _ => {}
        }
        if let Some(list) = word.strip_suffix("/any").filter(|_| call) {
            let list = self.field(list)?;
            return if list.kind == FieldKind::Texts { self.any(list, depth) } else { Err(self.error()) };
        }
        self.at = start;
        self.comparison()
    }

    /// Reads the operand of `not`: parentheses or a function. `not` binds tighter than a comparison does.
    fn negated(&mut self, depth: usize) -> Result<Expr, String> {
        let at = self.at;
        let negatable = match self.next()? {
            Some(Token::Open) => true,
            Some(Token::Word(word)) => {
                let known = matches!(word, "startswith" | "endswith" | "contains") || word.ends_with("/any");
                known && self.peek()? == Some(Token::Open)
            }
            _ => false,
        };
        if !negatable {
            return Err(self.error());
        }
        self.at = at;
        Ok(Expr::Not(Box::new(self.term(depth + 1)?)))
    }

    /// The arguments of a function that looks for a part of a text, and `eq true` or `eq false` behind them.
    fn part(&mut self, part: Part) -> Result<Expr, String> {
        self.expect(Token::Open)?;
        let operand = self.operand()?;
        self.expect(Token::Comma)?;
        let text = self.text()?;
        self.expect(Token::Close)?;
        let found = Expr::Part(part, operand, text);
        let expected = match self.peek()? {
            Some(Token::Word("eq")) => true,
            Some(Token::Word("ne")) => false,
            _ => return Ok(found),
        };
        self.next()?;
        match self.word()? {
            "true" if expected => Ok(found),
            "false" if !expected => Ok(found),
            "true" | "false" => Ok(Expr::Not(Box::new(found))),
            _ => Err(self.error()),
        }
    }

    /// A text, also inside of `tolower` or `toupper`.
    fn text(&mut self) -> Result<String, String> {
        match self.next()? {
            Some(Token::Quoted(text)) => Ok(text),
            Some(Token::Word(word)) => {
                let fold = fold(word).ok_or_else(|| self.error())?;
                self.expect(Token::Open)?;
                let Some(Token::Quoted(text)) = self.next()? else { return Err(self.error()) };
                self.expect(Token::Close)?;
                Ok(fold.apply(&text))
            }
            _ => Err(self.error()),
        }
    }

    fn any(&mut self, list: &'static Field, depth: usize) -> Result<Expr, String> {
        self.expect(Token::Open)?;
        if self.peek()? == Some(Token::Close) {
            self.next()?;
            return Ok(Expr::Any(list, None));
        }
        let rest = &self.text[self.at..];
        let (name, _) = rest.split_once(':').ok_or_else(|| self.error())?;
        let variable = name.trim();
        if variable.is_empty() || !variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(self.error());
        }
        self.at += name.len() + 1;
        // Lists hold texts, so no `any` stands inside of another one.
        self.variable = Some(variable);
        let inner = self.any_of(depth + 1)?;
        self.variable = None;
        self.expect(Token::Close)?;
        Ok(Expr::Any(list, Some(Box::new(inner))))
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let operand = self.operand()?;
        let op = match self.word()? {
            "eq" => Op::Eq,
            "ne" => Op::Ne,
            "gt" => Op::Gt,
            "ge" => Op::Ge,
            "lt" => Op::Lt,
            "le" => Op::Le,
            "in" => return self.members(operand),
            _ => return Err(self.error()),
        };
        Ok(Expr::Compare(operand, op, self.literal(operand.field)?))
    }

    /// The list behind `in`.
    fn members(&mut self, operand: Operand) -> Result<Expr, String> {
        self.expect(Token::Open)?;
        let mut literals = vec![self.literal(operand.field)?];
        loop {
            match self.next()? {
                Some(Token::Comma) => literals.push(self.literal(operand.field)?),
                Some(Token::Close) => return Ok(Expr::In(operand, literals)),
                _ => return Err(self.error()),
            }
        }
    }

    /// A property, also inside of `tolower` or `toupper`.
    fn operand(&mut self) -> Result<Operand, String> {
        let word = self.word()?;
        let Some(fold) = fold(word).filter(|_| matches!(self.peek(), Ok(Some(Token::Open)))) else {
            return Ok(Operand { field: self.field(word)?, fold: Fold::Kept });
        };
        self.expect(Token::Open)?;
        let name = self.word()?;
        let field = self.field(name)?;
        self.expect(Token::Close)?;
        Ok(Operand { field, fold })
    }

    fn field(&self, name: &str) -> Result<&'static Field, String> {
        match self.variable {
            None => field(name, self.fields),
            Some(variable) if variable == name => Ok(&ITEM),
            Some(_) => Err(self.error()),
        }
    }

    fn word(&mut self) -> Result<&'t str, String> {
        match self.next()? {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.error()),
        }
    }

    fn literal(&mut self, field: &Field) -> Result<Literal, String> {
        let at = self.at;
        let token = self.next()?;
        let literal = match (&token, field.kind) {
            (Some(Token::Word("null")), _) => Some(Literal::Null),
            (Some(Token::Quoted(text)), FieldKind::Text) => Some(Literal::Text(text.clone())),
            (Some(Token::Quoted(text)), FieldKind::Guid) => Some(Literal::Text(text.to_ascii_lowercase())),
            (Some(Token::Word(word)), FieldKind::Guid) if uuid::Uuid::try_parse(word).is_ok() => {
                Some(Literal::Text(word.to_ascii_lowercase()))
            }
            (Some(Token::Word(word)), FieldKind::Text) if fold(word).is_some() => {
                self.at = at;
                Some(Literal::Text(self.text()?))
            }
            (Some(Token::Word(word)), FieldKind::Time) => instant(word).map(Literal::Time),
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

fn fold(word: &str) -> Option<Fold> {
    match word {
        "tolower" => Some(Fold::Lower),
        "toupper" => Some(Fold::Upper),
        _ => None,
    }
}
