//! Refusals of the service in words: what it said, and what that means.
//!
//! Texts from outside are quoted raw, as in [`messages`](super::messages).

use crate::model::{RefusalCause, required_permissions};
use crate::state::Refusal;

/// The service's words about a call that it did not carry out, with the id to quote to its support.
pub fn refusal(error: &Refusal) -> String {
    match &error.target {
        Some(target) => format!("{} (correlation id {target})", refusal_words(error)),
        None => refusal_words(error),
    }
}

/// The service's words alone, where nothing has failed for good.
pub fn refusal_words(error: &Refusal) -> String {
    let mut out = error.status.to_string();
    if !error.code.is_empty() {
        out.push(' ');
        out.push_str(&error.code);
    }
    if !error.message.is_empty() {
        out.push_str(": ");
        out.push_str(error.message.trim_end_matches('.'));
    }
    out
}

/// Returns the meaning of the service's words, and what they leave open; none where they say it all.
pub fn explained(error: &Refusal) -> Option<String> {
    Some(match error.cause()? {
        RefusalCause::SignIn => "the token is over, or for another audience or cloud".into(),
        RefusalCause::Licence => "the tenant has no licence for it".into(),
        RefusalCause::FeatureOff => {
            "the feature is off in this tenant, or not in its plan: Plan 1 has no collections".into()
        }
        RefusalCause::Permission => match &*required_permissions(&error.message) {
            [] => "the caller lacks a permission".into(),
            names => format!("the caller lacks {}", names.join(" or ")),
        },
        RefusalCause::Device => "no reason is given: the device may be in a device group that is not the caller's, or a \
                                 high-value device that refuses such actions (selective response), or the token is for \
                                 another audience"
            .into(),
        RefusalCause::NotFound => {
            "the service knows no such thing, or it is in a device group that is not the caller's".into()
        }
    })
}

/// A refusal with what it means, where it is told once.
pub fn refusal_explained(error: &Refusal) -> String {
    match explained(error) {
        Some(means) => format!("{}; {means}", refusal(error)),
        None => refusal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_words_is_its_status() {
        assert_eq!(refusal(&Refusal { status: 400, ..Refusal::default() }), "400");
    }
}
