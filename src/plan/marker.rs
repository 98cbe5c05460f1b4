//! `recovery.marker`: a mark in the comment, or an id beside it, so that a look-up is beyond doubt.
//!
//! Either is a function of the lineage, the address and the digest: the plan shows the very bytes that will be sent, and a
//! repetition of a lost call sends them again.

use crate::model::{Address, Call, Desired, MachineAction, Marker, Sha256Hex};

const MARK: &str = " [casefile ";
const DIGITS: usize = 10;

/// Every id of ours begins so, whichever project sent it.
const EXTERNAL_ID: &str = "casefile-";
const ID_DIGITS: usize = 32;

/// A comment without the mark at its end, whichever it is.
pub fn unmarked(comment: &str) -> &str {
    let mark = |text: &str| {
        text.strip_suffix(']').is_some_and(|t| t.len() == DIGITS && t.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    match comment.rsplit_once(MARK) {
        Some((text, rest)) if mark(rest) => text,
        _ => comment,
    }
}

/// Returns whether an action shows an id that a run of this tool has sent, of whichever project.
pub fn has_external_id(action: &MachineAction) -> bool {
    action.external_id.as_deref().is_some_and(is_external_id)
}

fn is_external_id(id: &str) -> bool {
    id.trim()
        .strip_prefix(EXTERNAL_ID)
        .is_some_and(|rest| rest.len() == ID_DIGITS && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The call with what `marker` adds to it, and the text that it appended to the comment. An alert has neither a comment
/// nor such a field and stays as it is.
pub fn marked(d: &Desired, lineage: &str, address: &Address, marker: Marker) -> (Call, Option<String>) {
    let mut call = d.call.clone();
    let Call::Collect { comment, external_id, .. } = &mut call else { return (call, None) };
    let name = || Sha256Hex::of(format!("{lineage}\n{address}\n{}", d.digest).as_bytes()).to_string();
    let text = match marker {
        Marker::Off => None,
        Marker::Comment => {
            let text = format!("{MARK}{}]", &name()[..DIGITS]);
            comment.push_str(&text);
            Some(text)
        }
        Marker::ExternalId => {
            *external_id = Some(format!("{EXTERNAL_ID}{}", &name()[..ID_DIGITS]).into());
            None
        }
    };
    (call, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;

    #[test]
    fn a_mark_is_taken_off_and_nothing_else() {
        for (comment, text) in [
            ("why [casefile 0123456789]", "why"),
            ("why", "why"),
            ("why [casefile 012345678]", "why [casefile 012345678]"),
            ("why [casefile 0123456789] not", "why [casefile 0123456789] not"),
            (" [casefile 0123456789]", ""),
        ] {
            assert_eq!(unmarked(comment), text);
        }
    }

    #[test]
    fn an_id_leaves_the_comment_and_belongs_to_one_request_of_one_state() {
        let of = |lineage: &str, name: &str, comment: &str| {
            let address: Address = format!("InvestigationPackage/{name}").parse().unwrap();
            let call = Call::collect("ab".repeat(20).parse().unwrap(), comment);
            let d = Desired::new(address.clone(), Source { file: "a.yaml".into(), line: 1 }, call, 1);
            let (call, text) = marked(&d, lineage, &address, Marker::ExternalId);
            assert!(text.is_none() && matches!(&call, Call::Collect { comment: c, .. } if c == comment));
            call.external_id().unwrap().to_owned()
        };
        let one = of("l", "a", "why");
        assert!(is_external_id(&one), "{one}");
        assert_eq!(one, of("l", "a", "why"));
        for other in [of("m", "a", "why"), of("l", "b", "why"), of("l", "a", "other")] {
            assert_ne!(one, other);
        }
        for none in ["", "casefile-", "casefile-xyz", "case-7", &one[1..]] {
            assert!(!is_external_id(none), "{none}");
        }
    }
}
