//! JSON Schemas (draft 2020-12) of the documents that this module writes.
//!
//! Generated from the Rust types; the files under `schemas/` are committed copies and a test keeps them
//! equal. The schema of the state file belongs to `state`.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::plan_json::PlanDocument;
use super::state::StateDocument;
use crate::engine::Event;

/// Of the document of `plan --format json`.
pub fn plan_schema() -> Value {
    schema::<PlanDocument>("casefile plan")
}

/// Of one line of `apply --format json`.
pub fn event_schema() -> Value {
    schema::<Event>("casefile apply event")
}

/// Returns the schema of the document of `status --format json`.
pub fn status_schema() -> Value {
    schema::<StateDocument<'static>>("casefile status")
}

pub(super) fn schema<T: JsonSchema>(title: &str) -> Value {
    // What is written, not what could be read: a field that is always there is required.
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(Examples);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    schema.to_value()
}

/// Gives every field without an example the one of its name.
#[derive(Clone, Debug)]
struct Examples;

impl Transform for Examples {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::Object(fields)) = schema.get_mut("properties") {
            for (name, field) in fields {
                let Some(field) = field.as_object_mut() else { continue };
                let known = ["examples", "const", "enum"].iter().any(|k| field.contains_key(*k));
                if !known && let Some(example) = example(name, field.get("type")) {
                    field.insert("examples".into(), json!([example]));
                }
            }
        }
        transform_subschemas(self, schema);
    }
}

fn example(field: &str, kind: Option<&Value>) -> Option<Value> {
    let address = "InvestigationPackage/fin-ws-042";
    let machine = "fb9ab6be3965095a09c057be7c90f0a2";
    let digest = format!("sha256:{}", "9f86d081884c7d65".repeat(4));
    let comment = "Collect forensics due to alert 1234";
    let request = json!({
        "method": "POST",
        "path": format!("/api/machines/{machine}/collectInvestigationPackage"),
        "body": { "Comment": comment }
    });
    let object = json!({ "id": "5382f7ea-7557-4ab7-9782-d50480024a4e", "status": "Pending" });
    let error = json!({
        "status": 400,
        "code": "ActiveRequestAlreadyExists",
        "message": "Action is already in progress"
    });
    let warning = json!({
        "code": "second-collection",
        "message": "InvestigationPackage/other collects from the same machine: one runs, the other will \
                    find it busy"
    });
    let change = json!({
        "address": address, "action": "create", "row": 11, "reason": "new", "reasonCode": "new",
        "source": { "file": "incidents/inc-2042.yaml", "line": 3 }, "request": request.clone(),
        "before": null, "after": { "comment": comment }, "warnings": [], "basis": 0
    });
    Some(match field {
        "action" => json!("create"),
        "address" => json!(address),
        "after" => json!({ "comment": comment }),
        "at" | "createdAt" => json!("2026-03-01T09:30:00Z"),
        "attempt" => json!(17),
        "attention" => json!([address]),
        "basis" => json!(17),
        "before" => json!({ "comment": "Collect forensics" }),
        "body" => json!({ "Comment": comment }),
        "calls" => json!({ "collect": 2 }),
        "cancelledBy" | "requestor" => json!("analyst@contoso.com"),
        "changes" => json!([change]),
        "code" => json!("ActiveRequestAlreadyExists"),
        "computerDnsName" => json!("fin-ws-042.contoso.com"),
        "counts" => json!({ "accepted": 2, "busy": 1 }),
        "digest" => json!(digest),
        "error" => error,
        "estimate" => json!({ "seconds": 0, "calls": { "collect": 2 } }),
        "left" => json!(36),
        "exitCode" => json!(0),
        "file" => json!("incidents/inc-2042.yaml"),
        "formatVersion" => json!(1),
        "id" => json!("5382f7ea-7557-4ab7-9782-d50480024a4e"),
        "line" => json!(3),
        "lineage" => json!("0b7c2f5e-6a53-4c1e-9a2f-2f1d3c9f1b11"),
        "message" => json!("Action is already in progress"),
        "method" => json!("POST"),
        "object" => object,
        "ours" => json!(true),
        "path" => json!(format!("/api/machines/{machine}/collectInvestigationPackage")),
        "reason" => json!("new"),
        "request" => request,
        "row" => json!(11),
        "seconds" => json!(0),
        "source" => json!({ "file": "incidents/inc-2042.yaml", "line": 3 }),
        // An HTTP status of a refusal, the service's word of an object.
        "status" if kind.is_some_and(|k| k == "integer") => json!(400),
        "status" => json!("Pending"),
        "summary" => json!({ "create": 1, "none": 40 }),
        "target" => json!("c3e0a8d5-0f6b-4a11-a4ad-4f8b6a2f9d70"),
        "until" => json!("2026-03-01T09:31:00Z"),
        "updatedAt" => json!("2026-03-01T09:42:00Z"),
        "warnings" => json!([warning]),
        "why" => json!("connection reset while the answer was read"),
        _ => return None,
    })
}
