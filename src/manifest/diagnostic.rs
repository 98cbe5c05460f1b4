//! What is wrong with a text, where, and what to write instead.
//!
//! A [`Diagnostic`] is complete: a renderer needs neither the file nor the reader to print it with a
//! caret. Texts are quoted as they were written; renderers escape what a terminal must not see.

use std::sync::Arc;

use serde::Serialize;

use crate::model;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is planned or sent.
    Error,
    /// Most likely a mistake, but the meaning is clear.
    Warning,
}

/// One problem, at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// A stable id in kebab case, such as `unknown-field`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Level,
    /// Relative to the project folder, with `/`.
    pub file: Arc<str>,
    /// 1-based. Line 1, column 1 and an empty [`source_line`](Self::source_line) when the problem is
    /// the file itself.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// Where the marked text ends on the same line, exclusive; never before `column`.
    pub end_column: u32,
    /// The line, without its line break; a window around the marked text if the line is very long.
    pub source_line: String,
    /// How many characters of the line are left out before `source_line`; nearly always 0.
    pub source_offset: u32,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// How to put it right: the exact text to write wherever that is known.
    pub help: Option<String>,
    /// Other places that belong to it, such as the first of two equal keys.
    pub related: Vec<Related>,
}

/// Another place that belongs to a [`Diagnostic`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Relative to the project folder, with `/`.
    pub file: Arc<str>,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// What is there.
    pub message: String,
}

impl Diagnostic {
    /// A problem with a file or folder as a whole.
    pub fn of_file(code: &'static str, file: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Level::Error,
            file: file.into(),
            line: 1,
            column: 1,
            end_column: 1,
            source_line: String::new(),
            source_offset: 0,
            message: message.into(),
            help: None,
            related: Vec::new(),
        }
    }

    /// The same, with a way out.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, as a warning.
    pub fn as_warning(mut self) -> Self {
        self.severity = Level::Warning;
        self
    }

    /// A problem with what stands at a place.
    pub fn of_place(code: &'static str, place: &model::Place, message: impl Into<String>) -> Self {
        let mut problem = Diagnostic::of_file(code, place.file.clone(), message);
        (problem.line, problem.column) = (place.line, place.column);
        (problem.end_column, problem.source_offset) = (place.end_column, place.source_offset);
        problem.source_line = place.source_line.to_string();
        problem
    }

    /// The same, at another place.
    pub(super) fn at(mut self, place: &Place) -> Self {
        self.line = place.line;
        self.column = place.column;
        self.end_column = place.end_column;
        self.source_line.clone_from(&place.source_line);
        self.source_offset = place.source_offset;
        self
    }
}

/// A stretch of one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub line: u32,
    pub column: u32,
    pub end_column: u32,
    pub source_line: String,
    pub source_offset: u32,
}

impl Place {
    /// In a file.
    pub fn of(self, file: Arc<str>) -> model::Place {
        model::Place {
            file,
            line: self.line,
            column: self.column,
            end_column: self.end_column,
            source_line: self.source_line.into(),
            source_offset: self.source_offset,
        }
    }
}

/// A problem in terms of byte offsets, before lines and columns are counted.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub code: &'static str,
    pub level: Level,
    pub start: usize,
    pub end: usize,
    pub message: String,
    pub help: Option<String>,
    pub related: Vec<(usize, String)>,
    /// Places in other files.
    pub elsewhere: Vec<Related>,
}

impl Finding {
    pub fn new(code: &'static str, span: std::ops::Range<usize>, message: impl Into<String>) -> Self {
        Finding {
            code,
            level: Level::Error,
            start: span.start,
            end: span.end,
            message: message.into(),
            help: None,
            related: Vec::new(),
            elsewhere: Vec::new(),
        }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn related(mut self, at: usize, message: impl Into<String>) -> Self {
        self.related.push((at, message.into()));
        self
    }

    pub fn elsewhere(mut self, place: Related) -> Self {
        self.elsewhere.push(place);
        self
    }
}
