//! A resource's fields for a reader: what was sent, what is declared, what differs.

use crate::model::{Address, Call, CreateAlert, Desired, gives};
use crate::state::Resource;

/// Fields for a reader, in display order.
pub type View = Vec<(String, String)>;

/// The fields of a call, in the order of the API's documentation, with the revision at the end.
pub fn of_call(call: &Call, revision: u32) -> View {
    let mut view: View = call.fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    view.push(("revision".into(), revision.to_string()));
    view
}

/// What is declared.
pub fn of_desired(d: &Desired) -> View {
    of_call(&d.call, d.revision)
}

/// The view of what is declared, with the id of ours that its call carries beside it.
pub fn of_creating(d: &Desired, created: Option<&Call>) -> View {
    match created.filter(|call| call.external_id().is_some()) {
        Some(call) => of_call(call, d.revision),
        None => of_desired(d),
    }
}

/// What was sent, without the marker.
pub fn of_resource(r: &Resource) -> Option<View> {
    r.sent.declared().map(|call| of_call(&call, r.sent.revision))
}

/// The names of the text fields that differ. `ids` tells the ids that a resource has had: one of them stands where
/// a declared text refers to it.
pub fn edited(sent: &Call, declared: &Call, ids: &dyn Fn(&Address) -> Vec<String>) -> Vec<&'static str> {
    match (sent, declared) {
        (Call::Collect { comment: a, .. }, Call::Collect { comment: b, .. }) if !gives(b, a, ids) => {
            vec!["comment"]
        }
        (Call::Alert(a), Call::Alert(b)) => {
            // A text that is missing here would never count as edited, and a manifest with another one as renamed.
            let CreateAlert {
                severity,
                title,
                description,
                recommended_action,
                category,
                machine_id: _,
                event_time: _,
                report_id: _,
            } = b;
            let mut fields = Vec::new();
            let mut field = |name, differs: bool| {
                if differs {
                    fields.push(name);
                }
            };
            field("severity", !a.severity.means(severity.as_str()));
            field("title", a.title != *title);
            field("description", !gives(description, &a.description, ids));
            field("recommendedAction", !gives(recommended_action, &a.recommended_action, ids));
            field("category", !a.category.means(category.as_str()));
            fields
        }
        _ => Vec::new(),
    }
}
