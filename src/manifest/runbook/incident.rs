//! An incident's manifest, kept until its runbook is known.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::json;

use super::parameters::plain;
use crate::manifest::diagnostic::{Diagnostic, Finding, Related};
use crate::manifest::schema::field::Field;
use crate::manifest::schema::json;
use crate::manifest::schema::rules;
use crate::manifest::yaml::reader::{Document, Id, NodeKind};
use crate::manifest::yaml::text::SourceText;
use crate::model::{Place, Sha256Hex, Source};

/// Where a manifest's text is.
#[derive(Clone, Debug)]
pub(in crate::manifest) struct Origin {
    pub file: Arc<str>,
    pub text: Arc<str>,
}

impl Origin {
    pub fn diagnose(&self, findings: impl IntoIterator<Item = Finding>) -> Vec<Diagnostic> {
        let source = SourceText::new(self.file.clone(), &self.text);
        findings.into_iter().map(|finding| source.diagnose(finding)).collect()
    }

    /// A place in this file.
    pub fn place(&self, at: Range<usize>) -> Place {
        SourceText::new(self.file.clone(), &self.text).place(at).of(self.file.clone())
    }

    pub fn related(&self, at: usize, message: String) -> Related {
        let (line, column) = SourceText::new(self.file.clone(), &self.text).line_column(at);
        Related { file: self.file.clone(), line, column, message }
    }
}

/// One incident as it is written.
#[derive(Debug)]
pub(in crate::manifest) struct Incident {
    pub name: Arc<str>,
    pub labels: BTreeMap<String, String>,
    /// Its name's place.
    pub at: Range<usize>,
    pub source: Source,
    pub column: u32,
    pub origin: Origin,
    /// `spec.runbook`.
    pub runbook: Id,
    /// `spec.closed`.
    pub closed: bool,
    pub doc: Document<'static>,
    /// Key and value of `spec.with`; made up if it is left out.
    pub with: (Id, Id),
    /// Of everything that the incident itself says: name, labels, runbook, `with`.
    pub inputs: Sha256Hex,
}

impl Incident {
    /// Reads a document that its schema has accepted.
    pub fn read(doc: &Document<'_>, root: Id, origin: Origin, place: (u32, u32)) -> Option<Incident> {
        let get = |names: &[&str]| {
            names.iter().try_fold(root, |id, name| doc.get(id, name).map(|(_, value)| value))
        };
        let (name_id, runbook) = (get(&["metadata", "name"])?, get(&["spec", "runbook"])?);
        let labels = get(&["metadata", "labels"]).into_iter().flat_map(|id| doc.fields(id));
        let labels: BTreeMap<String, String> =
            labels.map(|(k, v)| (doc.node(k).text.to_string(), doc.node(v).text.to_string())).collect();
        let closed = get(&["spec", "closed"]).is_some_and(|id| doc.node(id).text == "true");
        let with = doc.get(get(&["spec"])?, "with");
        Some(Incident::new(doc, name_id, labels, (runbook, with), closed, origin, place))
    }

    fn new(
        doc: &Document<'_>,
        name_id: Id,
        labels: BTreeMap<String, String>,
        (runbook, with): (Id, Option<(Id, Id)>),
        closed: bool,
        origin: Origin,
        place: (u32, u32),
    ) -> Incident {
        let given = with.map_or_else(|| json!({}), |(_, id)| json::value(doc, id));
        let name: Arc<str> = (&*doc.node(name_id).text).into();
        let said = json!([&*name, labels, &*doc.node(runbook).text, given]);
        let at = doc.node(name_id).span();
        let mut doc = doc.detached();
        let with = with.unwrap_or_else(|| {
            let span = doc.node(runbook).span();
            let key = doc.add_scalar("with".into(), NodeKind::Text, span.clone());
            (key, doc.add_collection(NodeKind::Mapping, &[], span))
        });
        Incident {
            source: Source { file: origin.file.clone(), line: place.0 },
            column: place.1,
            inputs: Sha256Hex::of(format!("casefile incident v1\n{said}").as_bytes()),
            name,
            labels,
            at,
            origin,
            runbook,
            closed,
            doc,
            with,
        }
    }

    /// The incident of a case: `incident` is its mapping, `name` the name in it.
    pub fn of_case(
        doc: &Document<'_>,
        incident: Id,
        name: Id,
        origin: Origin,
        place: (u32, u32),
    ) -> Incident {
        let labels = doc.get(incident, "labels").into_iter().flat_map(|(_, id)| doc.fields(id));
        let labels = labels.map(|(k, v)| (doc.node(k).text.to_string(), doc.node(v).text.to_string()));
        let with = doc.get(incident, "with");
        let labels = labels.collect();
        Incident::new(doc, name, labels, (name, with), false, origin, place)
    }

    /// `spec.with`.
    pub fn given(&self) -> Field<'_> {
        Field { doc: &self.doc, key: Some(self.with.0), value: self.with.1 }
    }

    /// The place that everything which is expanded names.
    pub fn related(&self) -> Related {
        let message = format!("expanded for Incident/{}", self.name);
        Related { file: self.source.file.clone(), line: self.source.line, column: self.column, message }
    }
}

/// What can be said of the values of an incident before its runbook is known. `with` and `labels` are the
/// values of these fields.
pub(in crate::manifest) fn check(
    doc: &Document<'_>,
    with: Option<Id>,
    labels: Option<Id>,
    out: &mut Vec<Finding>,
) {
    if let Some(value) = with {
        let field = Field { doc, key: None, value };
        rules::check_values(field, out);
        plain(field, out);
    }
    if let Some(value) = labels {
        plain(Field { doc, key: None, value }, out);
    }
}
