//! HTTP for the identity services, and the assertion that a GitHub Actions job gets for itself.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::Bytes;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{AUTHORIZATION, Headers};
use azure_core::http::request::{Body, Request};
use azure_core::http::{AsyncRawResponse, ClientMethodOptions, HttpClient, Method};
use azure_identity::ClientAssertion;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::Url;

use super::Secret;
use super::obstacle::Obstacle;
use crate::defender::hosts::{AllowedHosts, is_next_door, may_receive_secret, place};
use crate::defender::http::{HttpOptions, Network, builder, built, connection, describe, plain, way};
use crate::model::Hindrance;

/// A token reply is a few kilobytes.
const LIMIT: usize = 1 << 20;

/// The identity library's way to the network: same TLS, no redirects, bounded bodies. Most runs have a token
/// already, so the client, which reads the machine's certificates, is made when it is first used.
///
/// Secrets leave through here, so it asks whether a request's host may have them: the settings of a project, and
/// variables of the environment that a library reads by itself, lead nowhere else.
#[derive(Clone, Debug)]
pub(super) struct IdentityHttp {
    /// Whether it leads to the metadata service of the machine we run on.
    local: bool,
    /// The hosts that a person has allowed.
    allowed: AllowedHosts,
    /// The proxy on the way, for messages.
    proxy: Option<String>,
    network: Network,
    client: OnceLock<reqwest::Client>,
}

const TIMEOUT: Duration = Duration::from_secs(30);

impl IdentityHttp {
    /// To a sign-in service.
    pub(super) fn remote(allowed: AllowedHosts) -> Self {
        let network = Network::default();
        IdentityHttp { local: false, allowed, proxy: None, network, client: OnceLock::new() }
    }

    /// The same, with the proxy that is on its way, for messages, and with what has been set about that way.
    pub(super) fn through(self, proxy: Option<String>, network: Network) -> Self {
        IdentityHttp { proxy, network, ..self }
    }

    /// To the metadata service of the machine we run on: plain http, next door or not there at all, and
    /// never behind a proxy.
    pub(super) fn local() -> Self {
        IdentityHttp { local: true, ..Self::remote(AllowedHosts::default()) }
    }

    fn check(&self, url: &Url) -> azure_core::Result<()> {
        let fine = if self.local { is_next_door(url) } else { may_receive_secret(url, &self.allowed) };
        if fine {
            return Ok(());
        }
        let host = place(url);
        let why = match self.local {
            true => format!("`{host}` is no metadata service of this machine; it was asked for nothing"),
            false => format!(
                "no secret is sent to `{host}`, which is no sign-in host; if it is yours, set CASEFILE_ALLOW_HOST={host}"
            ),
        };
        Err(Error::with_message(ErrorKind::Credential, why))
    }

    /// No answer. A metadata service that is not there is not asked again: the identity library would, for a minute.
    fn unanswered(&self, url: &Url, error: &reqwest::Error) -> Error {
        let words = format!("{}: {}", way(&place(url), self.proxy.as_deref()), describe(error));
        if self.local {
            return Error::with_message(ErrorKind::Credential, words);
        }
        let cause = match error {
            e if e.is_connect() => connection(e),
            e if e.is_timeout() => Hindrance::NoAnswer,
            _ => Hindrance::Unavailable(None),
        };
        Obstacle { cause, words }.into_error()
    }

    /// Takes an answer for one of the service's own, unless it cannot be.
    fn answered(&self, url: &Url, status: u16, body: &[u8]) -> azure_core::Result<()> {
        let way = way(&place(url), self.proxy.as_deref());
        let of_entra = url.path().ends_with("/oauth2/v2.0/token");
        match Obstacle::in_place_of_json(&way, status, body, of_entra) {
            Some(obstacle) if !self.local => Err(obstacle.into_error()),
            _ => Ok(()),
        }
    }

    fn client(&self) -> azure_core::Result<reqwest::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let seconds = if self.local { 2 } else { 10 };
        let network = self.network.clone();
        let connect_timeout = Duration::from_secs(seconds);
        let builder = builder(&HttpOptions { connect_timeout, timeout: TIMEOUT, network });
        let builder = if self.local { plain(builder) } else { builder.https_only(true) };
        let client =
            built(builder).map_err(|e| Error::with_message(ErrorKind::Other, format!("signing in: {e}")))?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

fn failed(what: &'static str, error: reqwest::Error) -> Error {
    // Without the URL: it may hold a token request's parameters.
    Error::with_error(ErrorKind::Io, error.without_url(), what)
}

async fn bounded_body(mut response: reqwest::Response) -> azure_core::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| failed("the answer broke off", e))? {
        if body.len() + chunk.len() > LIMIT {
            return Err(Error::with_message(ErrorKind::Io, "the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[async_trait]
impl HttpClient for IdentityHttp {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let method = match request.method() {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            _ => return Err(Error::with_message(ErrorKind::Other, "signing in needs GET and POST only")),
        };
        self.check(request.url())?;
        let mut out = self.client()?.request(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            let mut value = HeaderValue::try_from(value.as_str())
                .map_err(|_| Error::with_message(ErrorKind::Other, "a header that cannot be sent"))?;
            value.set_sensitive(true);
            out = out.header(name.as_str(), value);
        }
        if let Body::Bytes(bytes) = request.body() {
            out = out.body(Vec::from(bytes.as_ref()));
        }
        let response = out.send().await.map_err(|e| self.unanswered(request.url(), &e))?;
        let status = response.status().as_u16();
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        let body = bounded_body(response).await?;
        self.answered(request.url(), status, &body)?;
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, Bytes::from(body)))
    }
}

/// Asks GitHub for the job's OIDC token, which Entra takes in place of a secret.
#[derive(Debug)]
pub(super) struct GithubAssertion {
    http: Arc<dyn HttpClient>,
    request_url: String,
    request_token: Option<Secret>,
}

/// The audience that federated credentials of Entra expect.
const AUDIENCE: &str = "api://AzureADTokenExchange";

impl GithubAssertion {
    pub(super) fn new(http: Arc<dyn HttpClient>, request_url: String, request_token: Option<Secret>) -> Self {
        GithubAssertion { http, request_url, request_token }
    }
}

#[async_trait]
impl ClientAssertion for GithubAssertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        #[derive(Deserialize)]
        struct Reply {
            value: String,
        }
        let wrong = |what: &'static str| Error::with_message(ErrorKind::Credential, what);
        let mut url = Url::parse(&self.request_url)
            .ok()
            .filter(|u| u.scheme() == "https")
            .ok_or_else(|| wrong("ACTIONS_ID_TOKEN_REQUEST_URL is no https URL"))?;
        url.query_pairs_mut().append_pair("audience", AUDIENCE);
        let token = self.request_token.as_ref().map(Secret::expose).unwrap_or_default();
        let mut request = Request::new(url, Method::Get);
        request.insert_header(AUTHORIZATION, format!("Bearer {token}"));
        let reply = self.http.execute_request(&request).await?.try_into_raw_response().await?;
        if !reply.status().is_success() {
            return Err(wrong(
                "GitHub refused an OIDC token: does the job have `permissions: id-token: write`?",
            ));
        }
        serde_json::from_slice::<Reply>(reply.body())
            .map(|r| r.value)
            .map_err(|_| wrong("GitHub's answer holds no OIDC token"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refused before a connection is tried: no such host could be reached from here.
    #[tokio::test]
    async fn no_secret_leaves_for_a_stranger() {
        let remote = Arc::new(IdentityHttp::remote(AllowedHosts::default()));
        let url = "https://pipelines.actions.githubusercontent.com.evil.example/x".to_owned();
        let assertion = GithubAssertion::new(remote.clone(), url, Some(Secret::new("REQUEST-TOKEN")));
        let error = assertion.secret(None).await.unwrap_err().to_string();
        assert!(
            error.contains("no secret is sent to `pipelines.actions.githubusercontent.com.evil.example`")
        );
        assert!(!error.contains("REQUEST-TOKEN"), "{error}");

        let local = IdentityHttp::local();
        let request = Request::new("http://evil.example/msi/token".parse().unwrap(), Method::Get);
        let error = local.execute_request(&request).await.unwrap_err().to_string();
        assert!(error.contains("`evil.example` is no metadata service of this machine"), "{error}");
    }
}
