//! `recovery.marker`: a short mark in the comment, so that a look-up is beyond doubt.

use crate::model::{Address, Call, Desired, Sha256Hex};

const MARK: &str = " [casefile ";
const DIGITS: usize = 10;

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

/// The call with its mark, and the mark; an alert has no comment and stays as it is.
///
/// The mark is a function of the lineage, the address and the digest: the plan shows the very bytes that
/// will be sent, and a repetition of a lost call sends them again.
pub fn marked(d: &Desired, lineage: &str, address: &Address) -> (Call, Option<String>) {
    let Call::Collect { machine_id, comment } = &d.call else {
        return (d.call.clone(), None);
    };
    let name = Sha256Hex::of(format!("{lineage}\n{address}\n{}", d.digest).as_bytes()).to_string();
    let marker = format!("{MARK}{}]", &name[..DIGITS]);
    let call = Call::Collect { machine_id: machine_id.clone(), comment: format!("{comment}{marker}") };
    (call, Some(marker))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
