//! Bearer tokens: whether a call may be made with the one that it brings.
//!
//! A token that is no JWT, such as `sandbox-token`, stands for an application with all permissions. The claims of a
//! JWT count, and its signature does not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

use super::endpoint::{Api, Endpoint};
use super::message::Refusal;

/// The claims that are looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    exp: Option<i64>,
    aud: Audience,
    /// The permissions of an application.
    roles: Vec<String>,
    /// The permissions of a user's session.
    scp: Option<String>,
}

/// The audience of a token.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Audience::Many(Vec::new())
    }
}

/// The audiences of Defender for Endpoint: three generations of names, those of the US government, and the id of the
/// application `WindowsDefenderATP`.
const DEFENDER: [&str; 7] = [
    "https://api.securitycenter.microsoft.com",
    "https://api.securitycenter.windows.com",
    "https://api.security.microsoft.com",
    "https://securitycenter.onmicrosoft.com/windowsatpservice",
    "https://api-gcc.securitycenter.microsoft.us",
    "https://api-gov.securitycenter.microsoft.us",
    "fc780465-2017-40d4-a0c5-307022471b92",
];

/// The audiences of Defender XDR.
const XDR: [&str; 3] = [
    "https://api.security.microsoft.com",
    "https://api-gcc.security.microsoft.us",
    "https://api-gov.security.microsoft.us",
];

/// The audiences of Microsoft Graph.
const GRAPH: [&str; 4] = [
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "00000003-0000-0000-c000-000000000000",
];

/// Checks a token. `claims` says whether those of a JWT beside its expiry count.
pub(super) fn check(
    now: Timestamp,
    endpoint: Endpoint,
    authorization: Option<&str>,
    claims: bool,
) -> Result<(), Refusal> {
    let unauthorized =
        || Refusal::new(401, "Unauthorized", "Unauthorized (invalid or expired authorization header).");
    let bearer = authorization.and_then(|a| a.split_once(' '));
    let token = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer")).map(|(_, t)| t.trim());
    let token = token.filter(|t| !t.is_empty()).ok_or_else(unauthorized)?;
    let Some(found) = read(token) else { return Ok(()) };
    if found.exp.is_some_and(|exp| exp <= now.as_second()) {
        return Err(unauthorized());
    }
    if claims { permitted(&found, endpoint) } else { Ok(()) }
}

/// Reads the claims of a JWT; none from anything else.
fn read(token: &str) -> Option<Claims> {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, claims, _] = parts.as_slice() else { return None };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn permitted(claims: &Claims, endpoint: Endpoint) -> Result<(), Refusal> {
    let forbidden = |message: String| Err(Refusal::new(403, "Forbidden", message));
    let known: &[&str] = match endpoint.api() {
        Api::Defender => &DEFENDER,
        Api::Xdr => &XDR,
        Api::Graph => &GRAPH,
    };
    let meant =
        |audience: &String| known.iter().any(|k| k.eq_ignore_ascii_case(audience.trim_end_matches('/')));
    let for_us = match &claims.aud {
        Audience::One(audience) => meant(audience),
        Audience::Many(audiences) => audiences.iter().any(meant),
    };
    if !for_us {
        // That it is a 403 is known from the field; its words are those of the documentation for all of them.
        return forbidden("Forbidden (valid token but insufficient permission for the action).".to_owned());
    }
    let required = endpoint.roles();
    let (word, given): (_, Vec<&str>) = match &claims.scp {
        Some(scopes) => ("scopes", scopes.split_whitespace().collect()),
        None => ("roles", claims.roles.iter().map(String::as_str).collect()),
    };
    let needed: Vec<&str> = required.iter().map(|r| if word == "scopes" { scope(r) } else { r }).collect();
    if required.is_empty() || needed.iter().any(|n| given.contains(n)) {
        return Ok(());
    }
    forbidden(format!(
        "Missing application {word}. API required {word}: {}, application {word}: {}.",
        needed.join(","),
        given.join(",")
    ))
}

/// The delegated permission for what an application needs `role` for.
fn scope(role: &str) -> &str {
    match role.split_once('.') {
        Some(("Machine" | "Alert" | "AdvancedQuery" | "AdvancedHunting", _)) => {
            role.strip_suffix(".All").unwrap_or(role)
        }
        _ => role,
    }
}
