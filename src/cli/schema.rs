//! `schema [KIND]`

use clap::ValueEnum;

use super::args::{SchemaArgs, SchemaKind};
use super::context::Context;
use super::exit::{Code, Error};
use crate::manifest;
use crate::render::report::report_schema;
use crate::render::schema::{event_schema, plan_schema, status_schema};
use crate::sandbox::Scenario;
use crate::seal::seal_schema;
use crate::state::snapshot::state_schema;

/// Prints one schema, or the list of them.
pub fn run(ctx: &Context, args: &SchemaArgs) -> Result<Code, Error> {
    match args.kind {
        Some(kind) => ctx.document(&text(kind))?,
        None => ctx.out(&list())?,
    }
    Ok(Code::Done)
}

/// A schema as it is committed under `schemas/`.
pub fn text(kind: SchemaKind) -> String {
    let schema = match kind {
        SchemaKind::Manifest => manifest::schema(manifest::SchemaKind::Manifest),
        SchemaKind::Project => manifest::schema(manifest::SchemaKind::Project),
        SchemaKind::Case => manifest::schema(manifest::SchemaKind::Case),
        SchemaKind::State => state_schema(),
        SchemaKind::Plan => plan_schema(),
        SchemaKind::Event => event_schema(),
        SchemaKind::Seal => seal_schema(),
        SchemaKind::Report => report_schema(),
        SchemaKind::Status => status_schema(),
        SchemaKind::Scenario => serde_json::to_value(Scenario::json_schema()).unwrap_or_default(),
    };
    format!("{schema:#}\n")
}

fn list() -> String {
    let row = |kind: &SchemaKind| {
        let name = kind.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
        format!("{name:<10}{}\n", about(*kind))
    };
    SchemaKind::value_variants().iter().map(row).collect()
}

fn about(kind: SchemaKind) -> &'static str {
    match kind {
        SchemaKind::Manifest => "manifests: InvestigationPackage, Alert, Runbook, Incident",
        SchemaKind::Project => "casefile.yaml",
        SchemaKind::Case => "cases/*.yaml of a runbook",
        SchemaKind::State => ".casefile/state.json",
        SchemaKind::Plan => "plan --format json",
        SchemaKind::Seal => "*.sealed.yaml",
        SchemaKind::Report => "report --format json",
        SchemaKind::Event => "a line of apply --format json",
        SchemaKind::Status => "status --format json",
        SchemaKind::Scenario => {
            "the scenario of a simulated service: sandbox --scenario, defender.sandbox.scenario"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_of_scenarios_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/scenario.schema.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            committed,
            text(SchemaKind::Scenario),
            "run casefile schema scenario > schemas/scenario.schema.json"
        );
    }
}
