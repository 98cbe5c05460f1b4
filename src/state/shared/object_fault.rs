//! The meaning of failures of object storage, and which of them pass: for the state, and for evidence.

use futures::future::BoxFuture;

use super::remote::pause;

/// How often a request is tried that fails on the way.
const TRIES: u32 = 3;

/// Why a request failed.
pub enum Fault {
    /// The object, or the bucket, is not there.
    Absent(String),
    /// An object is there, or is not the expected one any more.
    Taken,
    /// Asking again changes nothing.
    Refused {
        /// The service's words.
        why: String,
        /// The step that helps.
        next: &'static str,
    },
    /// On the way, or the service is in trouble.
    Passing(String),
}

/// Does something that may be done twice, again while the service is in trouble.
pub async fn patiently<'a, T>(
    request: impl Fn() -> BoxFuture<'a, Result<T, object_store::Error>>,
) -> Result<T, Fault> {
    let mut n = 1;
    loop {
        match request().await.map_err(|e| fault(&e)) {
            Err(Fault::Passing(_)) if n < TRIES => pause(n - 1).await,
            result => return result,
        }
        n += 1;
    }
}

const CREDENTIALS: &str =
    "give credentials in the environment; docs/shared-state.md lists their names and rights";
/// The advice about a store that does not do what is needed.
pub const ANOTHER_STORE: &str = "name another store, one with conditional writes and ETags";

/// Says what a failure means. Neither addresses nor anything that signs a request get into the words.
pub fn fault(e: &object_store::Error) -> Fault {
    use object_store::Error;
    let mut deepest: &dyn std::error::Error = e;
    let mut identity = false;
    while let Some(source) = deepest.source() {
        let words = source.to_string();
        let services = ["169.254.", "metadata.google.internal", "metadata/instance"];
        identity |= services.iter().any(|host| words.contains(host));
        deepest = source;
    }
    let text = deepest.to_string();
    let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok());
    let refused = |why: &str, next: &'static str| Fault::Refused { why: why.to_owned(), next };
    match (e, status) {
        _ if identity => refused(
            "no credentials are in the environment, and this machine has no identity service",
            CREDENTIALS,
        ),
        (Error::NotFound { .. }, _) | (_, Some(404)) => Fault::Absent(said(&text)),
        (Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. }, _) => {
            Fault::Taken
        }
        (Error::NotImplemented { .. } | Error::NotSupported { .. }, _) | (_, Some(501)) => {
            refused(&said(&text), ANOTHER_STORE)
        }
        _ if text.contains("ETag Header missing") => refused("it answers without an ETag", ANOTHER_STORE),
        _ if text.contains("without LOCATION") || matches!(status, Some(301 | 307 | 308)) => {
            refused("the bucket is in another region", "set AWS_REGION, or the endpoint, to the bucket's")
        }
        // Too slow, or too fast: later it may be taken.
        (_, Some(408 | 425 | 429)) => Fault::Passing(said(&text)),
        (_, Some(400..=499)) => refused(&said(&text), CREDENTIALS),
        (Error::Unauthenticated { .. } | Error::PermissionDenied { .. }, _) => {
            refused(&said(&text), CREDENTIALS)
        }
        _ => Fault::Passing(said(&text)),
    }
}

/// Returns the service's own words in an answer's text: its code and its sentence.
fn said(text: &str) -> String {
    let tag = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0)
    };
    let parts: Vec<&str> = [tag("Code"), tag("Message")].into_iter().flatten().collect();
    let said = if parts.is_empty() { text.to_owned() } else { parts.join(": ") };
    let line: Vec<&str> = said.split_whitespace().collect();
    line.join(" ").chars().take(300).collect()
}
