//! The token in use: fetched when needed, kept until shortly before it ends, renewed once when refused.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tracing::warn;

use super::{AccessToken, AuthError};

/// So long before its end a token is renewed.
const EARLY: SignedDuration = SignedDuration::from_secs(100);

/// So long after a failed renewal it is tried again, while the token is good.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// So long a token is used that does not say when it ends.
const ASSUMED_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The longest wait for an identity service or a sign-in tool.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A token and its end.
#[derive(Clone, Debug)]
pub struct Token {
    /// The bearer token.
    pub access: AccessToken,
    /// When it ends, by the identity service's clock.
    pub expires: Option<Timestamp>,
}

/// Where tokens come from.
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// Asks for a new token; never answers from a cache. `now` is the time by our clock, for what has to be dated.
    async fn fetch(&self, now: Timestamp) -> Result<Token, AuthError>;

    /// Whether asking again can give another token.
    fn renewable(&self) -> bool {
        true
    }
}

/// The token in use, shared by all calls of a run.
#[derive(Debug)]
pub struct Tokens {
    source: Arc<dyn TokenSource>,
    current: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    token: Token,
    until: Timestamp,
}

impl Tokens {
    /// Nothing is fetched before the first call.
    pub fn new(source: Arc<dyn TokenSource>) -> Self {
        Tokens { source, current: Mutex::new(None) }
    }

    /// A token good for `now`; callers that come while one is fetched wait for it. One that ends soon goes on being used
    /// while its renewal fails.
    pub async fn get(&self, now: Timestamp) -> Result<AccessToken, AuthError> {
        let mut current = self.current.lock().await;
        if let Some(held) = &*current
            && (now < held.until || !self.source.renewable())
        {
            return Ok(held.token.access.clone());
        }
        let fetched = self.fetch(&mut current, now).await;
        let Err(e) = fetched else { return fetched };
        match &mut *current {
            Some(held) if held.token.expires.is_some_and(|end| now < end) => {
                warn!("the token is not renewed yet: {e}");
                let again = now.saturating_add(AGAIN).unwrap_or(now);
                held.until = held.token.expires.map_or(again, |end| end.min(again));
                Ok(held.token.access.clone())
            }
            _ => Err(e),
        }
    }

    /// Another token than the one that was just refused with 401; `None` if there is no other.
    ///
    /// Several calls refused with one token cause one renewal.
    pub async fn renew(
        &self,
        refused: &AccessToken,
        now: Timestamp,
    ) -> Result<Option<AccessToken>, AuthError> {
        if !self.source.renewable() {
            return Ok(None);
        }
        let mut current = self.current.lock().await;
        match &*current {
            Some(held) if held.token.access != *refused => Ok(Some(held.token.access.clone())),
            _ => self.fetch(&mut current, now).await.map(|t| (t != *refused).then_some(t)),
        }
    }

    async fn fetch(&self, current: &mut Option<Held>, now: Timestamp) -> Result<AccessToken, AuthError> {
        let token = self.source.fetch(now).await?;
        let until = match token.expires {
            Some(end) => end.saturating_sub(EARLY),
            None => now.saturating_add(ASSUMED_LIFE),
        };
        let access = token.access.clone();
        *current = Some(Held { token, until: until.unwrap_or(now) });
        Ok(access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AuthMethod, Hindrance};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    #[derive(Debug)]
    struct Counting {
        fetched: AtomicUsize,
        life: Option<i64>,
        renewable: bool,
        down: AtomicBool,
    }

    #[async_trait]
    impl TokenSource for Counting {
        async fn fetch(&self, _: Timestamp) -> Result<Token, AuthError> {
            if self.down.load(Ordering::SeqCst) {
                let (method, why) = (AuthMethod::ClientSecret, "down".to_owned());
                return Err(AuthError::Unreachable { method, cause: Hindrance::NoConnection, why });
            }
            let n = self.fetched.fetch_add(1, Ordering::SeqCst);
            let expires = self.life.map(|s| Timestamp::from_second(s * (n as i64 + 1)).unwrap());
            Ok(Token { access: AccessToken::new(&format!("t{n}")), expires })
        }

        fn renewable(&self) -> bool {
            self.renewable
        }
    }

    fn tokens(life: Option<i64>, renewable: bool) -> (Arc<Counting>, Tokens) {
        let source = Arc::new(Counting {
            fetched: AtomicUsize::new(0),
            life,
            renewable,
            down: AtomicBool::new(false),
        });
        (source.clone(), Tokens::new(source))
    }

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).unwrap()
    }

    #[tokio::test]
    async fn renewed_a_hundred_seconds_early() {
        let (source, tokens) = tokens(Some(3600), true);
        assert_eq!(tokens.get(at(0)).await.unwrap().expose(), "t0");
        assert_eq!(tokens.get(at(3499)).await.unwrap().expose(), "t0");
        assert_eq!(tokens.get(at(3500)).await.unwrap().expose(), "t1");
        assert_eq!(source.fetched.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_token_is_used_to_its_end_while_its_renewal_fails() {
        let (source, tokens) = tokens(Some(3600), true);
        tokens.get(at(0)).await.unwrap();
        source.down.store(true, Ordering::SeqCst);
        assert_eq!(tokens.get(at(3500)).await.unwrap().expose(), "t0");
        assert_eq!(tokens.get(at(3599)).await.unwrap().expose(), "t0");
        let error = tokens.get(at(3600)).await.unwrap_err();
        assert_eq!(error.to_string(), "auth method `client-secret` failed: down");
        source.down.store(false, Ordering::SeqCst);
        assert_eq!(tokens.get(at(3601)).await.unwrap().expose(), "t1");
    }

    #[tokio::test]
    async fn many_refusals_of_one_token_are_one_renewal() {
        let (source, tokens) = tokens(None, true);
        let first = tokens.get(at(0)).await.unwrap();
        let one = tokens.renew(&first, at(1)).await.unwrap().unwrap();
        let two = tokens.renew(&first, at(1)).await.unwrap().unwrap();
        assert_eq!(one, two);
        assert_eq!(source.fetched.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_given_token_is_all_there_is() {
        let (source, tokens) = tokens(Some(10), false);
        let given = tokens.get(at(0)).await.unwrap();
        assert_eq!(tokens.get(at(1000)).await.unwrap(), given);
        assert_eq!(tokens.renew(&given, at(1000)).await.unwrap(), None);
        assert_eq!(source.fetched.load(Ordering::SeqCst), 1);
    }
}
