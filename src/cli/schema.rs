//! `schema [KIND]`

use std::fmt::Write;

use clap::ValueEnum;

use super::args::{SchemaArgs, SchemaKind};
use super::context::Context;
use super::exit::{Code, Error};

/// Prints one schema, or the list of them.
pub fn run(ctx: &Context, args: &SchemaArgs) -> Result<Code, Error> {
    match args.kind {
        Some(kind) => ctx.out(&text(kind))?,
        None => ctx.out(&list())?,
    }
    Ok(Code::Done)
}

/// A schema as it is committed under `schemas/`.
pub fn text(kind: SchemaKind) -> String {
    format!("{}\n", about(kind))
}

fn list() -> String {
    let mut out = String::new();
    for kind in SchemaKind::value_variants() {
        let name = kind.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:<10}{}", about(*kind));
    }
    out
}

fn about(kind: SchemaKind) -> &'static str {
    match kind {
        SchemaKind::Manifest => "manifests: InvestigationPackage, Alert",
        SchemaKind::Project => "casefile.yaml",
        SchemaKind::State => ".casefile/state.json",
        SchemaKind::Plan => "plan --format json",
        SchemaKind::Event => "a line of apply --format json",
    }
}
