//! A report for people and programs: one page of HTML, or one document of JSON with the same facts.
//!
//! The page needs nothing else: no script, no style and no picture from elsewhere, which its own policy (CSP) holds too. It
//! is written with `markup::Html`, which escapes by construction: names of tags and attributes are fixed texts,
//! and what comes from outside can only become text, the value of an attribute, or a link that is one of a known portal.

mod document;
mod markup;
mod page;
mod problems;
mod style;
mod timeline;
mod words;

pub use document::{ReportDocument, report_schema};
pub use page::{MARK, html};
