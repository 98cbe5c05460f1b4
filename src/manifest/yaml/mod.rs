//! YAML: text to an arena of nodes that keep their place, quoting style and raw text.
//!
//! Responsible for syntax: [`text`] makes text of bytes, [`reader`] reads every text and has all messages,
//! [`fast_reader`] reads the plain ones that manifests nearly always are, with the same result. Not responsible for
//! what fields mean.

pub(super) mod fast_reader;
pub(super) mod reader;
pub(super) mod scalar;
pub(super) mod syntax;
pub(super) mod text;
