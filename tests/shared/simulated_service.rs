//! The simulated service behind the client's transport: what three harnesses need of it that have clocks and troubles of
//! their own.

use async_trait::async_trait;
use casefile::defender::auth::{AccessToken, AuthError, Token, TokenSource};
use casefile::defender::{HttpAnswer, HttpCall};
use casefile::sandbox::{HttpRequest, HttpResponse};
use jiff::Timestamp;

/// A credential that gives a token which the simulated service takes.
#[derive(Debug)]
pub struct AnyToken;

#[async_trait]
impl TokenSource for AnyToken {
    async fn fetch(&self, _: Timestamp) -> Result<Token, AuthError> {
        Ok(Token { access: AccessToken::new("any"), expires: None })
    }
}

/// The request that a call is.
pub fn request(call: &HttpCall) -> HttpRequest {
    let body = call.body.clone().unwrap_or_default().into_bytes();
    HttpRequest::new(call.method.as_str(), &call.target, body)
}

/// The answer that a response is.
pub fn answer(response: &HttpResponse) -> HttpAnswer {
    let header = |name| response.header(name).map(str::to_owned);
    HttpAnswer {
        status: response.status,
        date: header("Date"),
        retry_after: header("Retry-After"),
        correlation: header("mise-correlation-id"),
        body: response.body.clone(),
        cut: false,
    }
}
