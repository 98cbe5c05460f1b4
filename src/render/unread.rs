//! The words for what a run could not read: what it is, why, and what to do about the cause.

use jiff::Timestamp;

use super::age::clock;
use crate::model::{Advice, Hindrance};
use crate::plan::Unread;

/// `machine actions, alerts`
pub fn what(unread: &Unread) -> String {
    unread.what.iter().copied().collect::<Vec<_>>().join(", ")
}

/// Says what could not be read, and why.
pub fn unread(unread: &Unread) -> String {
    let id = unread.support_id.as_ref().map(|id| format!(" (correlation id {id})")).unwrap_or_default();
    format!("{}: {}{id}", what(unread), unread.why)
}

/// Says what to do about the causes, the first of them that a person can remove first.
pub fn next(unread: &[Unread]) -> Advice {
    let lasting = unread.iter().find(|u| u.cause.is_lasting());
    lasting.or(unread.first()).map(|u| remedy(u.cause)).unwrap_or_default()
}

/// Says what to do about a cause. Errors are read in logs of other days: times have their day.
pub fn remedy(cause: Hindrance) -> Advice {
    const PLAN: &str = "casefile plan";
    match cause {
        Hindrance::SignIn => {
            Advice::then("sign in anew, or set another CASEFILE_ACCESS_TOKEN, and plan again", "az login")
        }
        Hindrance::Permission(permission) => {
            Advice::then(format!("grant the application {permission}, with admin consent"), PLAN)
        }
        Hindrance::Licence => Advice::then(
            "the tenant has no licence for this, or the feature is off: its administrator can tell",
            "casefile doctor",
        ),
        Hindrance::Proxy => Advice::then(
            "the proxy asks for a sign-in: name user and password in HTTPS_PROXY, or the service's host in NO_PROXY",
            PLAN,
        ),
        Hindrance::WebPage => Advice::then(
            "a sign-in page of a proxy or of this network answers in the service's place: sign in there with a browser, \
             or name the service's host in NO_PROXY",
            PLAN,
        ),
        Hindrance::Tls => Advice::then(
            "check the endpoint, and if its certificate's issuer (CA) is that of your own proxy, name the CA's file by \
             CASEFILE_CA_FILE or --ca-file",
            PLAN,
        ),
        Hindrance::UnknownHost => Advice::then("check the endpoint's name and this machine's DNS", PLAN),
        Hindrance::NoConnection => Advice::then("check endpoint, network and proxy", PLAN),
        Hindrance::Quota(until) | Hindrance::Unavailable(Some(until)) => {
            Advice::then(format!("wait until {}", clock(Timestamp::MIN, until)), PLAN)
        }
        Hindrance::Unavailable(None) | Hindrance::NoAnswer => {
            Advice::then("the service does not answer now, ask it again later", PLAN)
        }
        Hindrance::TimeLimit => Advice::then("give it longer, by --timeout", "casefile status"),
        Hindrance::Endless => Advice::then("plan a part of it, by a path or a selector", "casefile plan -v"),
        Hindrance::Refused => Advice::then("the call is shown by -vv", "casefile plan -vv"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_a_person_can_remove_comes_first() {
        let until = "2026-11-27T14:57:06Z".parse().unwrap();
        let quota = Unread::new("alerts", Hindrance::Quota(until), "429");
        let denied = Unread::new("machine actions", Hindrance::Permission("Machine.Read.All"), "403");
        assert_eq!(
            next(std::slice::from_ref(&quota)).to_string(),
            "wait until 2026-11-27 14:57:06Z; then casefile plan"
        );
        assert!(next(&[quota, denied]).to_string().contains("Machine.Read.All"));
        assert!(next(&[]).is_none());
    }

    #[test]
    fn no_cause_is_a_reason_to_take_the_state_for_new() {
        let now = Timestamp::UNIX_EPOCH;
        use Hindrance::*;
        let all = [
            SignIn,
            Permission("P"),
            Licence,
            Proxy,
            WebPage,
            Tls,
            UnknownHost,
            NoConnection,
            Quota(now),
            Unavailable(None),
            Unavailable(Some(now)),
            NoAnswer,
            TimeLimit,
            Endless,
            Refused,
        ];
        for cause in all {
            let next = remedy(cause);
            assert!(next.words.is_some() && next.command.is_some(), "{next}");
            assert!(!next.to_string().contains("--fresh"), "{next}");
        }
    }
}
