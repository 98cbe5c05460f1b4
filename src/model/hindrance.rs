//! Why the service cannot be asked, in terms of what a person can do about it.

use jiff::Timestamp;

/// The cause of a read that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hindrance {
    /// The token is refused (401), or cannot be sent at all.
    SignIn,
    /// 403: the application lacks this permission.
    Permission(&'static str),
    /// The tenant has no licence for it, or has the feature off.
    Licence,
    /// 407: the proxy asks for a sign-in of its own.
    Proxy,
    /// A web page came in place of an answer: a proxy or a network shows its sign-in page.
    WebPage,
    /// The TLS connection failed: mostly a certificate whose issuer is not trusted.
    Tls,
    /// The host's name is not known.
    UnknownHost,
    /// No connection comes about.
    NoConnection,
    /// A quota is used up, until about then by our clock.
    Quota(Timestamp),
    /// 5xx, or an answer that cannot be read. The service may have said until when, by our clock.
    Unavailable(Option<Timestamp>),
    /// No answer in time.
    NoAnswer,
    /// A limit of time that a person gave was over first.
    TimeLimit,
    /// A list that does not come to its end.
    Endless,
    /// Another definite refusal.
    Refused,
}

impl Hindrance {
    /// Returns whether asking again within the same run is of no use.
    pub fn is_lasting(self) -> bool {
        use Hindrance::*;
        matches!(self, SignIn | Permission(_) | Licence | Proxy | WebPage | Tls | UnknownHost | Refused)
    }

    /// Returns whether every call to this service meets it, whatever is asked.
    pub fn is_of_every_call(self) -> bool {
        use Hindrance::*;
        matches!(self, Proxy | WebPage | Tls | UnknownHost | NoConnection)
    }

    /// The cause's stable name in documents for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Hindrance::SignIn => "sign-in",
            Hindrance::Permission(_) => "permission",
            Hindrance::Licence => "licence",
            Hindrance::Proxy => "proxy",
            Hindrance::WebPage => "web-page",
            Hindrance::Tls => "tls",
            Hindrance::UnknownHost => "unknown-host",
            Hindrance::NoConnection => "no-connection",
            Hindrance::Quota(_) => "quota",
            Hindrance::Unavailable(_) => "unavailable",
            Hindrance::NoAnswer => "no-answer",
            Hindrance::TimeLimit => "time-limit",
            Hindrance::Endless => "endless-list",
            Hindrance::Refused => "refused",
        }
    }
}
