//! Obstacles between here and a sign-in service, told apart from what the service says.

use azure_core::error::{Error, ErrorKind};

use super::words::words;
use crate::defender::wire::is_web_page;
use crate::model::Hindrance;

/// Why a sign-in service gave no answer of its own. It travels inside the errors of the identity library.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub(super) struct Obstacle {
    /// The cause that a person can do something about.
    pub(super) cause: Hindrance,
    /// Host, proxy and cause in words.
    pub(super) words: String,
}

impl Obstacle {
    /// The error that carries it. The library asks again after an error of the connection, and after no other.
    pub(super) fn into_error(self) -> Error {
        let kind = if self.cause.is_lasting() { ErrorKind::Credential } else { ErrorKind::Connection };
        let words = self.words.clone();
        Error::with_error(kind, self, words)
    }

    /// Looks at an answer to a request for a token or an assertion. `way` is host and proxy, `of_entra` tells that it was
    /// asked of a token endpoint, which answers in JSON whatever happens.
    pub(super) fn in_place_of_json(way: &str, status: u16, body: &[u8], of_entra: bool) -> Option<Self> {
        let told = |cause, what: String| Some(Obstacle { cause, words: format!("{way}: {what}") });
        let is_json = body.trim_ascii_start().starts_with(b"{");
        let in_place =
            "where a sign-in service answers in JSON: a proxy or this network answers in its place";
        match status {
            300..=399 => told(Hindrance::WebPage, format!("status {status} leads elsewhere, {in_place}")),
            407 => told(Hindrance::Proxy, "the proxy asks for a sign-in (status 407)".to_owned()),
            _ if is_json => None,
            500.. => told(Hindrance::Unavailable(None), format!("status {status}, and no JSON")),
            400..=499 if !of_entra => None,
            _ if is_web_page(body) => {
                told(Hindrance::WebPage, format!("a web page (status {status}) {in_place}"))
            }
            _ => told(Hindrance::Unavailable(None), format!("status {status}, and no JSON")),
        }
    }

    /// Finds what stood in the way of a fetch, if that is why it failed: the library wraps it into words of its own.
    /// `way` is for what the service itself says about being out of order.
    pub(super) fn of(error: &Error, way: &str) -> Option<Self> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(this) = cause {
            if let Some(obstacle) = this.downcast_ref::<Obstacle>() {
                return Some(obstacle.clone());
            }
            let status = this.downcast_ref::<Error>().and_then(Error::http_status).map(u16::from);
            if let Some(status) = status.filter(|s| matches!(s, 408 | 429 | 500..)) {
                let words = format!("{way}: status {status}: {}", words(&this.to_string()));
                return Some(Obstacle { cause: Hindrance::Unavailable(None), words });
            }
            cause = this.source();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_in_the_place_of_a_sign_in_service() {
        let seen = |status, body: &str, of_entra| {
            Obstacle::in_place_of_json("h", status, body.as_bytes(), of_entra).map(|o| o.cause)
        };
        let page = "\n<!DOCTYPE html><title>Sign in</title>";
        let out_of_order = Some(Hindrance::Unavailable(None));
        for (status, body, entra, others) in [
            (200, "{\"access_token\":\"\"}", None, None),
            (400, " {\"error\":\"invalid_client\"}", None, None),
            (503, "{\"error\":\"temporarily_unavailable\"}", None, None),
            (200, page, Some(Hindrance::WebPage), Some(Hindrance::WebPage)),
            (302, "", Some(Hindrance::WebPage), Some(Hindrance::WebPage)),
            (403, page, Some(Hindrance::WebPage), None),
            (407, page, Some(Hindrance::Proxy), Some(Hindrance::Proxy)),
            (503, page, out_of_order, out_of_order),
            (200, "OK", out_of_order, out_of_order),
            (200, "", out_of_order, out_of_order),
        ] {
            assert_eq!(
                (seen(status, body, true), seen(status, body, false)),
                (entra, others),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn it_is_found_below_the_librarys_words_and_asked_again_only_where_that_helps() {
        let obstacle = |cause| Obstacle { cause, words: "h, through the proxy p: w".to_owned() };
        for (cause, kind) in [
            (Hindrance::Tls, ErrorKind::Credential),
            (Hindrance::WebPage, ErrorKind::Credential),
            (Hindrance::NoConnection, ErrorKind::Connection),
            (Hindrance::Unavailable(None), ErrorKind::Connection),
        ] {
            let error = obstacle(cause).into_error();
            assert_eq!(error.kind(), &kind);
            let wrapped = Error::with_error(ErrorKind::Credential, error.with_context("retried"), "failed");
            assert_eq!(Obstacle::of(&wrapped, "h"), Some(obstacle(cause)));
        }
        assert_eq!(Obstacle::of(&Error::with_message(ErrorKind::Credential, "AADSTS7000215"), "h"), None);
    }
}
