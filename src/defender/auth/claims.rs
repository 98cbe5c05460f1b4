//! What a token says about itself: for the state's binding and for diagnostics, never for trust.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::defender::secret::AccessToken;

/// The claims that matter here, unvalidated; anything may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `tid`: the tenant.
    pub tenant: Option<String>,
    /// `aud`: whom the token is for; the first one if there are several. Several values are accepted by the
    /// service: show it, do not compare it.
    pub audience: Option<String>,
    /// `exp`.
    pub expires: Option<jiff::Timestamp>,
    /// `roles`: application permissions.
    pub roles: Vec<String>,
    /// `scp`: delegated permissions.
    pub scopes: Vec<String>,
    /// `appid` or `azp`: the application.
    pub application: Option<String>,
}

impl Claims {
    /// Reads the middle part of a JWT; `None` if the text is none.
    pub(super) fn read(token: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Payload {
            #[serde(default)]
            tid: Value,
            #[serde(default)]
            aud: Value,
            #[serde(default)]
            exp: Value,
            #[serde(default)]
            roles: Value,
            #[serde(default)]
            scp: Value,
            #[serde(default)]
            appid: Value,
            #[serde(default)]
            azp: Value,
        }
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        // A derived reader would take an array for a struct.
        let payload: serde_json::Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
        let p: Payload = serde_json::from_value(payload.into()).ok()?;
        let seconds = p.exp.as_i64().or_else(|| p.exp.as_str()?.parse().ok());
        Some(Claims {
            tenant: texts(&p.tid).into_iter().next(),
            audience: texts(&p.aud).into_iter().next(),
            expires: seconds.and_then(|s| jiff::Timestamp::from_second(s).ok()),
            roles: texts(&p.roles),
            scopes: texts(&p.scp).iter().flat_map(|s| s.split_whitespace()).map(str::to_owned).collect(),
            application: texts(&p.appid).into_iter().chain(texts(&p.azp)).next(),
        })
    }
}

/// A string, or the strings of an array.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(s) => vec![s.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

impl AccessToken {
    /// Reads what the token says about itself; none if it is no readable JWT. Nothing is validated.
    pub fn claims(&self) -> Option<Claims> {
        Claims::read(self.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn an_application_token() {
        let c = Claims::read(&jwt(
            r#"{"tid":"t1","aud":"https://api.securitycenter.microsoft.com","exp":1700000000,"roles":["Machine.Read.All","Machine.CollectForensics"],"appid":"a1"}"#,
        ))
        .unwrap();
        assert_eq!(c.tenant.as_deref(), Some("t1"));
        assert_eq!(c.audience.as_deref(), Some("https://api.securitycenter.microsoft.com"));
        assert_eq!(c.expires.unwrap().as_second(), 1_700_000_000);
        assert_eq!(c.roles, ["Machine.Read.All", "Machine.CollectForensics"]);
        assert!(c.scopes.is_empty());
        assert_eq!(c.application.as_deref(), Some("a1"));
    }

    #[test]
    fn a_delegated_token_and_odd_types() {
        let c = Claims::read(&jwt(
            r#"{"tid":7,"aud":["x","y"],"exp":"1700000000","scp":"Machine.Read Alert.Read","azp":"a2"}"#,
        ))
        .unwrap();
        assert_eq!(c.tenant, None);
        assert_eq!(c.audience.as_deref(), Some("x"));
        assert_eq!(c.scopes, ["Machine.Read", "Alert.Read"]);
        assert_eq!(c.expires.unwrap().as_second(), 1_700_000_000);
        assert_eq!(c.application.as_deref(), Some("a2"));
    }

    #[test]
    fn texts_that_are_no_jwt() {
        for bad in ["", "opaque", "a.b", "a.b.c", "a.b.c.d", &jwt("[1]"), &jwt("{")] {
            assert_eq!(Claims::read(bad), None, "{bad}");
        }
    }
}
