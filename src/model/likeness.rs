//! How much an object of the service looks like what a call asks for: the one place where the two are compared.
//!
//! The service does not give everything back as it was sent, and what it gives back may be missing altogether. Every
//! rule about "our object" and "a look-alike" would be wrong in its own way if it compared fields by itself:
//!
//! - A comment comes back with white space at its ends, with other line ends, or with `&` and `<` written as HTML does.
//! - `category` has been seen as the text `null`; a severity can be `UnSpecified`. Such a word tells nothing.
//! - `recommendedAction` is not given back at all, `requestor` is a name here and an id there, `computerDnsName` is
//!   often null: none of them is compared.
//! - `machineId` may be null, and is spelled in either case. **Null is unknown, not another machine.**
//! - `externalId` is given back or not; where a call carried one and an object shows one, they tell for sure.
//!
//! So the comparison of a field has more answers than yes and no, and so has the comparison of an object.

use super::word::{Vocabulary, Word, is_unset};
use super::{Alert, Call, CreateAlert, MachineAction, MachineId, as_meant, gives};

/// The outcome of comparing an object with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Another machine, another event or another text.
    Different,
    /// The object has no comment or title; nothing else differs.
    Bare,
    /// The text differs in case and white space alone, or severity or category are others.
    Near,
    /// The text is as sent; the machine or the event is not told.
    Unplaced,
    /// Machine, event and text are as sent.
    Same,
}

/// The outcome of comparing one field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Same,
    Near,
    Missing,
    Other,
}

/// Returns whether an object is of this machine; none if it does not say.
pub fn is_of_machine(machine: &str, found: Option<&str>) -> Option<bool> {
    let found = found.map(str::trim).filter(|m| !m.is_empty())?;
    Some(found.eq_ignore_ascii_case(machine))
}

fn machine(sent: &MachineId, found: Option<&str>) -> Field {
    match is_of_machine(sent.as_str(), found) {
        Some(true) => Field::Same,
        Some(false) => Field::Other,
        None => Field::Missing,
    }
}

fn text(sent: &str, found: Option<&str>) -> Field {
    let Some(found) = found.map(as_meant).filter(|t| !t.is_empty()) else { return Field::Missing };
    let sent = as_meant(sent);
    // Whatever id stands where a declared text refers to another resource.
    if gives(&sent, &found, &|_| Vec::new()) {
        return Field::Same;
    }
    let fold = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if fold(&sent) == fold(&found) { Field::Near } else { Field::Other }
}

/// Compares a word of an enumeration of the service's. A word that stands for "not known" is no other word.
fn word<V: Vocabulary>(sent: &Word<V>, found: Option<&str>) -> Field {
    match found {
        Some(found) if sent.means(found) => Field::Same,
        Some(found) if !is_unset::<V>(found) => Field::Other,
        _ => Field::Missing,
    }
}

impl CreateAlert {
    fn event(&self, alert: &Alert) -> Field {
        let times = [&alert.first_event_time, &alert.last_event_time];
        if times.iter().any(|t| t.as_ref() == Some(&self.event_time)) {
            Field::Same
        } else if times.iter().any(|t| t.is_none()) {
            Field::Missing
        } else {
            Field::Other
        }
    }

    /// Returns whether an alert has this title and shows this event: the service has merged the two, or would.
    pub fn is_shown_by(&self, alert: &Alert) -> bool {
        machine(&self.machine_id, alert.machine_id.as_deref()) != Field::Other
            && self.event(alert) == Field::Same
            && text(&self.title, alert.title.as_deref()) == Field::Same
    }
}

impl Call {
    /// Compares a collection with this call, by the comment that the collection shows.
    pub fn likeness_of_collection(&self, found: &MachineAction, comment: Option<&str>) -> Likeness {
        let Call::Collect { machine_id: asked, comment: sent, .. } = self else { return Likeness::Different };
        // The cheap one first: lists are long.
        let machine = machine(asked, found.machine_id.as_deref());
        if machine == Field::Other {
            return Likeness::Different;
        }
        let text = match self.external_id_of(found) {
            // Nobody else sends it, so the comment need not be asked.
            Some(true) => Field::Same,
            Some(false) => Field::Other,
            None => text(sent, comment),
        };
        likeness(text, &[machine], &[])
    }

    /// Returns whether a collection shows the id of ours that this call carries; none if the call carries none, or the
    /// collection shows none. What the service does not give back is unknown, not another one.
    pub fn external_id_of(&self, found: &MachineAction) -> Option<bool> {
        let shown = found.external_id.as_deref().map(str::trim).filter(|id| !id.is_empty())?;
        Some(self.external_id()?.eq_ignore_ascii_case(shown))
    }

    /// Compares an alert with this call.
    pub fn likeness_of_alert(&self, alert: &Alert) -> Likeness {
        let Call::Alert(sent) = self else { return Likeness::Different };
        // Without `..`: whether a field tells anything is decided here. The event is compared below, by itself.
        let CreateAlert {
            machine_id,
            severity,
            title,
            category,
            description: _,
            recommended_action: _,
            event_time: _,
            report_id: _,
        } = sent;
        let machine = machine(machine_id, alert.machine_id.as_deref());
        if machine == Field::Other {
            return Likeness::Different;
        }
        let event = sent.event(alert);
        if event == Field::Other {
            return Likeness::Different;
        }
        let severity = word(severity, alert.severity.as_deref());
        let category = word(category, alert.category.as_deref());
        likeness(text(title, alert.title.as_deref()), &[machine, event], &[severity, category])
    }
}

/// Puts the fields together: the text, what places the object, and what the service is free to change.
fn likeness(text: Field, place: &[Field], loose: &[Field]) -> Likeness {
    match text {
        Field::Other => Likeness::Different,
        Field::Missing => Likeness::Bare,
        Field::Near => Likeness::Near,
        Field::Same if loose.contains(&Field::Other) => Likeness::Near,
        Field::Same if place.contains(&Field::Missing) => Likeness::Unplaced,
        Field::Same => Likeness::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Category, Severity};

    const M: &str = "ABababababababababababababababababababab";

    fn collect(comment: &str) -> Call {
        Call::collect(M.to_lowercase().parse().unwrap(), comment)
    }

    fn action(machine: Option<&str>, external_id: Option<&str>) -> MachineAction {
        let fields = serde_json::json!({ "id": "1", "machineId": machine, "externalId": external_id });
        serde_json::from_value(fields).unwrap()
    }

    fn compared(call: &Call, machine: Option<&str>, comment: Option<&str>) -> Likeness {
        call.likeness_of_collection(&action(machine, None), comment)
    }

    #[test]
    fn an_id_of_ours_tells_for_sure_and_where_none_is_shown_the_comment_does() {
        let Call::Collect { machine_id, comment, .. } = collect("why") else { unreachable!() };
        let marked = Call::Collect { machine_id, comment, external_id: Some("casefile-1".into()) };
        let of = |shown: Option<&str>, comment: &str| {
            marked.likeness_of_collection(&action(Some(M), shown), Some(comment))
        };
        assert_eq!(of(Some("casefile-1"), "why"), Likeness::Same);
        assert_eq!(of(Some(" CASEFILE-1"), "something else"), Likeness::Same);
        assert_eq!(of(Some("casefile-2"), "why"), Likeness::Different);
        for none in [None, Some(""), Some(" ")] {
            assert_eq!(of(none, "why"), Likeness::Same);
            assert_eq!(of(none, "something else"), Likeness::Different);
        }
        let unplaced = marked.likeness_of_collection(&action(None, Some("casefile-1")), None);
        assert_eq!(unplaced, Likeness::Unplaced);
        let elsewhere = marked.likeness_of_collection(&action(Some("0123"), Some("casefile-1")), Some("why"));
        assert_eq!(elsewhere, Likeness::Different, "another machine is another machine");
        let plain = collect("why").likeness_of_collection(&action(Some(M), Some("case-7")), Some("why"));
        assert_eq!(plain, Likeness::Same, "ids of others say nothing of a call without one");
    }

    #[test]
    fn comments_in_every_form_that_the_service_gives_them_back_in() {
        let sent = "R&D said: \"a < b\"\nand 'so on'";
        for found in [
            sent,
            " R&D said: \"a < b\"\nand 'so on' \n",
            "R&D said: \"a < b\"\r\nand 'so on'",
            "R&D said: \"a < b\"\rand 'so on'",
            "R&amp;D said: &quot;a &lt; b&quot;\nand &#39;so on&#39;",
            "R&amp;D said: &quot;a &lt; b&quot;&#13;&#10;and &#x27;so on&apos;",
        ] {
            assert_eq!(compared(&collect(sent), Some(M), Some(found)), Likeness::Same, "{found:?}");
        }
        let of = |found: Option<&str>| compared(&collect("one & two"), Some(M), found);
        assert_eq!(of(Some("One  & TWO")), Likeness::Near);
        assert_eq!(of(Some("one & three")), Likeness::Different);
        for none in [None, Some(""), Some(" \n")] {
            assert_eq!(of(none), Likeness::Bare);
        }
    }

    #[test]
    fn no_machine_is_an_unknown_one() {
        let of = |machine: Option<&str>| compared(&collect("why"), machine, Some("why"));
        assert_eq!(of(Some(M)), Likeness::Same);
        assert_eq!(of(Some(&format!(" {M}"))), Likeness::Same);
        assert_eq!((of(None), of(Some(""))), (Likeness::Unplaced, Likeness::Unplaced));
        assert_eq!(of(Some("null")), Likeness::Different, "a word is a name");
        assert_eq!(of(Some("0123")), Likeness::Different);
        assert_eq!(is_of_machine(M, None), None);
    }

    #[test]
    fn alerts_field_by_field() {
        let call = Call::Alert(CreateAlert {
            machine_id: M.parse().unwrap(),
            severity: Severity::from("Low"),
            title: "R&D".into(),
            description: "d".into(),
            recommended_action: "r".into(),
            event_time: "2026-02-28T10:00:00.1234567Z".parse().unwrap(),
            report_id: serde_json::from_str("\"77\"").unwrap(),
            category: Category::from("SuspiciousActivity"),
        });
        let of = |change: serde_json::Value| {
            let mut fields = serde_json::json!({
                "id": "da1_1", "machineId": M.to_lowercase(), "severity": "Low", "title": "R&amp;D",
                "category": "SuspiciousActivity",
                "firstEventTime": "2026-02-28T10:00:00.1234567Z", "lastEventTime": "2026-02-28T11:00:00Z",
            });
            fields.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let alert: Alert = serde_json::from_value(fields).unwrap();
            call.likeness_of_alert(&alert)
        };
        use serde_json::json;
        for same in [
            json!({}),
            json!({ "category": "null" }),
            json!({ "category": null }),
            json!({ "category": "Suspicious activity" }),
            json!({ "severity": "UnSpecified" }),
            json!({ "severity": "low", "category": "None" }),
            json!({ "description": "another", "computerDnsName": null, "status": "Resolved" }),
            json!({ "firstEventTime": null, "lastEventTime": "2026-02-28T10:00:00.12345670Z" }),
        ] {
            assert_eq!(of(same.clone()), Likeness::Same, "{same}");
        }
        assert_eq!(of(json!({ "severity": "High" })), Likeness::Near);
        assert_eq!(of(json!({ "category": "Malware" })), Likeness::Near);
        assert_eq!(of(json!({ "title": "r&d" })), Likeness::Near);
        assert_eq!(of(json!({ "title": null })), Likeness::Bare);
        assert_eq!(of(json!({ "machineId": null })), Likeness::Unplaced);
        assert_eq!(of(json!({ "firstEventTime": null })), Likeness::Unplaced, "the last one is a later one");
        assert_eq!(of(json!({ "firstEventTime": null, "lastEventTime": null })), Likeness::Unplaced);
        assert_eq!(of(json!({ "firstEventTime": "2026-02-28T09:00:00Z" })), Likeness::Different);
        assert_eq!(of(json!({ "machineId": "0123" })), Likeness::Different);
    }

    #[test]
    fn calls_of_one_kind_are_no_objects_of_the_other() {
        let alert: Alert = serde_json::from_str(r#"{"id":"a","title":"why"}"#).unwrap();
        assert_eq!(collect("why").likeness_of_alert(&alert), Likeness::Different);
    }
}
