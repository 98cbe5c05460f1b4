//! A token by its own words, unvalidated, and the clock.

use jiff::{SignedDuration, Timestamp};

use super::Check;
use super::preflight::other_service;
use crate::defender::Api;
use crate::defender::auth::Claims;

/// A token that ends sooner is told.
const SOON: SignedDuration = SignedDuration::from_mins(5);

/// A clock that is wrong by less is right: the service's own time counts in every rule.
const CLOSE: SignedDuration = SignedDuration::from_secs(60);

/// The token: whose it is, and how long it is good. `simulated` services take any token.
pub fn token(claims: Option<&Claims>, simulated: bool, now: Timestamp) -> Check {
    const NAME: &str = "token";
    let Some(claims) = claims else {
        let seen = "it says nothing of itself that can be read";
        return match simulated {
            true => Check::ok(NAME, "the simulated service takes any"),
            false => Check::warning(NAME, seen)
                .fix("get one from the sign-in service of your cloud: az login, then auth.method: azure-cli"),
        };
    };
    let kind = match (claims.roles.is_empty(), claims.scopes.is_empty()) {
        (false, _) => "of an application",
        (true, false) => "of a user",
        (true, true) => "without any permission",
    };
    let tenant = claims.tenant.as_deref().unwrap_or("unknown");
    let mut seen = format!("{kind}, tenant {tenant}");
    if let Some(application) = &claims.application {
        seen.push_str(&format!(", application {application}"));
    }
    seen.push_str(&permissions(claims));
    let Some(expires) = claims.expires else {
        return Check::warning(NAME, format!("{seen}; it names no end"));
    };
    let left = expires.duration_since(now);
    if left <= SignedDuration::ZERO {
        return Check::failed(NAME, format!("{seen}; it ended at {expires}")).fix("get a new token");
    }
    seen.push_str(&format!("; good for {}", rounded(left)));
    match left < SOON {
        true => Check::warning(NAME, seen).fix("get a new token, if this one is not renewed by itself"),
        false => Check::ok(NAME, seen),
    }
}

/// So many permissions of a token are named.
const NAMED: usize = 6;

/// The permissions that a token names: the roles of an application, or the scopes of a user's session.
fn permissions(claims: &Claims) -> String {
    let held: Vec<&str> = claims.roles.iter().chain(&claims.scopes).map(String::as_str).collect();
    match (&*held, held.len().saturating_sub(NAMED)) {
        ([], _) => String::new(),
        (_, 0) => format!(", with {}", held.join(", ")),
        (_, more) => format!(", with {} and {more} more", held[..NAMED].join(", ")),
    }
}

/// A length of time as a person says it.
fn rounded(time: SignedDuration) -> String {
    match (time.as_mins(), time.as_hours()) {
        (minutes, _) if minutes < 120 => format!("{minutes} min"),
        (_, hours) if hours < 48 => format!("{hours} h"),
        (_, hours) => format!("{} days", hours / 24),
    }
}

/// For whom the token is, beside whom it was asked for (`scope`, ending in `/.default`). Other audiences are taken by some
/// endpoints, and earn a 403 at others.
pub fn audience(claims: Option<&Claims>, scope: &str, simulated: bool) -> Check {
    const NAME: &str = "audience";
    let asked = scope.trim_end_matches("/.default");
    let Some(found) = claims.and_then(|c| c.audience.as_deref()) else {
        return match simulated {
            true => Check::ok(NAME, "the simulated service takes any"),
            false => Check::warning(NAME, format!("asked for {asked}; the token does not say its own")),
        };
    };
    // Tokens of the second version name the application in place of its address.
    let same = [asked, Api::Defender.application_id()];
    if same.iter().any(|s| found.trim_end_matches('/').eq_ignore_ascii_case(s)) {
        return Check::ok(NAME, asked);
    }
    if let Some(of) = other_service(found) {
        return Check::failed(NAME, format!("the token is for {of} ({found})"))
            .fix(format!("ask for a token with the scope {scope}"));
    }
    Check::warning(NAME, format!("the token is for {found}; the service documents {asked}"))
        .fix(format!("ask for a token with the scope {scope}"))
}

/// How far the service's clock is ahead of ours, if it has told.
pub fn clock(ahead: Option<SignedDuration>) -> Check {
    const NAME: &str = "clock";
    match ahead {
        None => Check::not_seen(NAME, "the service has not told its time"),
        Some(ahead) if ahead.abs() < CLOSE => Check::ok(NAME, "within a minute of the service's"),
        Some(ahead) => {
            let way = if ahead.is_negative() { "ahead of" } else { "behind" };
            Check::warning(NAME, format!("{} s {way} the service's", ahead.abs().as_secs()))
                .fix("set this computer's clock by a time server: sign-in refuses tokens after five minutes")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn now() -> Timestamp {
        "2026-03-01T08:00:00Z".parse().unwrap()
    }

    fn claims(minutes: i64) -> Claims {
        Claims {
            tenant: Some("t1".into()),
            expires: Some(now() + SignedDuration::from_mins(minutes)),
            roles: vec!["Machine.Read.All".into()],
            ..Claims::default()
        }
    }

    #[test]
    fn a_token_is_told_by_its_own_words() {
        let check = token(Some(&claims(59)), false, now());
        let words = "of an application, tenant t1, with Machine.Read.All; good for 59 min";
        assert_eq!(check, Check::ok("token", words));
        let many = Claims { roles: (0..9).map(|n| format!("Role.{n}")).collect(), ..claims(59) };
        let seen = token(Some(&many), false, now()).seen;
        assert!(seen.contains("Role.5 and 3 more; good for"), "{seen}");
        assert!(token(Some(&claims(60 * 24)), false, now()).seen.ends_with("good for 24 h"));
        assert!(token(Some(&claims(60 * 24 * 90)), false, now()).seen.ends_with("good for 90 days"));
        assert_eq!(token(Some(&claims(2)), false, now()).verdict, Verdict::Warning);
        assert_eq!(token(Some(&claims(-1)), false, now()).verdict, Verdict::Failed);
        assert_eq!(token(None, false, now()).verdict, Verdict::Warning);
        assert_eq!(token(None, true, now()).verdict, Verdict::Ok);
        let none = Claims { roles: Vec::new(), ..claims(59) };
        assert!(token(Some(&none), false, now()).seen.starts_with("without any permission"));
    }

    #[test]
    fn another_audience_is_told_and_refused_only_if_it_is_certainly_wrong() {
        let scope = "https://api.securitycenter.microsoft.com/.default";
        let of = |aud: &str| Claims { audience: Some(aud.into()), ..Claims::default() };
        let good = of("https://api.securitycenter.microsoft.com/");
        assert_eq!(audience(Some(&good), scope, false).verdict, Verdict::Ok);
        let by_id = of("fc780465-2017-40d4-a0c5-307022471b92");
        assert_eq!(audience(Some(&by_id), scope, false).verdict, Verdict::Ok);
        let other = audience(Some(&of("https://api.security.microsoft.com")), scope, false);
        assert!(other.verdict == Verdict::Warning && other.fix[0].ends_with(scope), "{other:?}");
        let wrong = audience(Some(&of("https://graph.microsoft.com")), scope, false);
        assert!(wrong.verdict == Verdict::Failed && wrong.seen.contains("Microsoft Graph"), "{wrong:?}");
        assert_eq!(audience(None, scope, false).verdict, Verdict::Warning);
    }

    #[test]
    fn a_clock_that_is_wrong_by_minutes_is_told() {
        let by = |seconds| clock(Some(SignedDuration::from_secs(seconds)));
        assert_eq!((by(30).verdict, by(-59).verdict), (Verdict::Ok, Verdict::Ok));
        assert_eq!(by(300).seen, "300 s behind the service's");
        assert_eq!(by(-300).seen, "300 s ahead of the service's");
        assert_eq!(clock(None).verdict, Verdict::Warning);
    }
}
