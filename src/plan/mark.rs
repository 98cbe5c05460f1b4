//! `recovery.marker`: a short mark in the comment, so that a look-up is beyond doubt.

use crate::model::{Address, Call, Desired, Request, Sha256Hex};

/// The request with its mark, and the mark; an alert has no comment and stays as it is.
///
/// The mark is a function of the lineage, the address and the digest: the plan shows the very bytes that
/// will be sent, and a repetition of a lost call sends them again.
pub fn marked(d: &Desired, lineage: &str, address: &Address) -> (Request, Option<String>) {
    let Call::Collect { machine_id, comment } = &d.call else {
        return (d.request.clone(), None);
    };
    let name = Sha256Hex::of(format!("{lineage}\n{address}\n{}", d.digest).as_bytes()).to_string();
    let marker = format!(" [casefile {}]", &name[..10]);
    let call = Call::Collect { machine_id: machine_id.clone(), comment: format!("{comment}{marker}") };
    (call.request(), Some(marker))
}
