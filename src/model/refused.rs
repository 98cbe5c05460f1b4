//! The meaning of the service's refusals: the table of its error codes, and the causes that its words name.
//!
//! One home for runs, plans, cancels and `doctor`; `docs/api-contract.md` shows the table.
//! Messages are free text that may change at any time: a word in one may make a cause clearer, and never makes a call
//! that was refused one that was not.

/// An error code of the service, as its documentation lists it or as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// `error.code`; compared without case.
    pub code: &'static str,
    /// The HTTP status that it comes with.
    pub status: u16,
    /// The tool's reading of it.
    pub meaning: Meaning,
}

/// The tool's reading of an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// No repetition cures it.
    Permanent,
    /// Refused; another attempt may be made, and counts.
    Refused,
    /// The machine has such an action already.
    Busy,
    /// The token is not taken, or there is no licence: the message tells.
    SignIn,
    /// The token is taken, and the caller may not do this: the message tells why.
    Denied,
    /// The tenant has the feature off, or its plan lacks it.
    FeatureOff,
    /// There is no such object, or the caller may not see it.
    NotFound,
    /// A quota is used up; not carried out.
    TooMany,
    /// A failure of the service; whether the call was carried out is not known.
    Unknown,
}

const fn code(code: &'static str, status: u16, meaning: Meaning) -> ErrorCode {
    ErrorCode { code, status, meaning }
}

/// The codes that are known. A code that is not here is decided by its status alone.
pub const ERROR_CODES: [ErrorCode; 21] = [
    code("BadRequest", 400, Meaning::Refused),
    code("ODataError", 400, Meaning::Refused),
    code("InvalidInput", 400, Meaning::Permanent),
    code("InvalidRequestBody", 400, Meaning::Permanent),
    code("InvalidHashValue", 400, Meaning::Refused),
    code("InvalidDomainName", 400, Meaning::Refused),
    code("InvalidIpAddress", 400, Meaning::Refused),
    code("InvalidUrl", 400, Meaning::Refused),
    code("MaximumBatchSizeExceeded", 400, Meaning::Refused),
    code("MissingRequiredParameter", 400, Meaning::Permanent),
    code("OsPlatformNotSupported", 400, Meaning::Permanent),
    code("ClientVersionNotSupported", 400, Meaning::Permanent),
    code("ActiveRequestAlreadyExists", 400, Meaning::Busy),
    code("Unauthorized", 401, Meaning::SignIn),
    code("Forbidden", 403, Meaning::Denied),
    code("DisabledFeature", 403, Meaning::FeatureOff),
    code("DisallowedOperation", 403, Meaning::FeatureOff),
    code("NotFound", 404, Meaning::NotFound),
    code("ResourceNotFound", 404, Meaning::NotFound),
    code("TooManyRequests", 429, Meaning::TooMany),
    code("InternalServerError", 500, Meaning::Unknown),
];

/// Returns what is known of a code.
pub fn meaning(code: &str) -> Option<Meaning> {
    ERROR_CODES.iter().find(|known| known.code.eq_ignore_ascii_case(code)).map(|known| known.meaning)
}

/// The cause of a refusal that a person can do something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCause {
    /// The token is over, or for another audience or cloud.
    SignIn,
    /// The tenant has no licence for it.
    Licence,
    /// The tenant has the feature off, or its plan lacks it.
    FeatureOff,
    /// The caller lacks a permission.
    Permission,
    /// Denied without a reason. It may be about the one device: its device group, or selective response actions on a
    /// high-value device, whose code nobody has published.
    Device,
    /// The service does not know it, or the caller may not see it.
    NotFound,
}

impl RefusalCause {
    /// Returns the cause of a refusal, by its status and the service's words.
    pub fn of(status: u16, code: &str, message: &str) -> Option<RefusalCause> {
        const PERMISSION: [&str; 6] = [
            "application roles",
            "application permissions",
            "required roles",
            "required permissions",
            "required scopes",
            "missing scopes",
        ];
        const LICENCE: [&str; 2] = ["licen", "account mode"];
        let message = message.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|w| message.contains(w));
        Some(match status {
            401 if says(&LICENCE) => RefusalCause::Licence,
            401 => RefusalCause::SignIn,
            403 if meaning(code) == Some(Meaning::FeatureOff) => RefusalCause::FeatureOff,
            403 if says(&PERMISSION) => RefusalCause::Permission,
            403 if says(&LICENCE) => RefusalCause::Licence,
            403 if says(&["feature"]) => RefusalCause::FeatureOff,
            403 => RefusalCause::Device,
            404 => RefusalCause::NotFound,
            // The code of a refused action on a high-value device is not known: it is none of the documented ones.
            400 if !code.is_empty() && meaning(code).is_none() => RefusalCause::Device,
            _ => return None,
        })
    }

    /// Returns whether it is about this kind of call as a whole, and not about the one device or object.
    pub fn is_of_kind(self) -> bool {
        !matches!(self, RefusalCause::Device | RefusalCause::NotFound)
    }
}

/// Reads the permissions that a message names as required, of which the caller needs one: `API required roles: A,B, application
/// roles: C.`
pub fn required_permissions(message: &str) -> Vec<&str> {
    let lower = message.to_ascii_lowercase();
    let begins = ["required roles:", "required scopes:"].iter().find_map(|w| Some(lower.find(w)? + w.len()));
    // Lower case of ASCII letters alone keeps every place where it is.
    let Some(rest) = begins.and_then(|at| message.get(at..)) else { return Vec::new() };
    let end = rest.to_ascii_lowercase().find(", application").unwrap_or(rest.len());
    let names = rest[..end].split(',').map(|name| name.trim().trim_end_matches('.'));
    let is_name = |name: &&str| {
        name.contains('.') && name.len() <= 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
    };
    names.filter(is_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read_from_the_services_words() {
        for (message, names) in [
            (
                "Missing application roles. API required roles: Machine.Isolate, application roles: .",
                &["Machine.Isolate"][..],
            ),
            (
                "Missing application roles. API required roles: Machine.Read.All,Machine.ReadWrite.All, application roles: \
                 Alert.Read.All.",
                &["Machine.Read.All", "Machine.ReadWrite.All"],
            ),
            ("missing application scopes. api Required Scopes: Alert.Read", &["Alert.Read"]),
            ("API required roles: Machine.CollectForensics.", &["Machine.CollectForensics"]),
            ("Missing application roles", &[]),
            ("API required roles: ; rm -rf ., é, application roles: .", &[]),
            ("", &[]),
        ] {
            assert_eq!(required_permissions(message), names, "{message}");
        }
    }

    #[test]
    fn a_code_stands_in_the_table_once() {
        for (n, known) in ERROR_CODES.iter().enumerate() {
            assert!(ERROR_CODES[..n].iter().all(|other| !other.code.eq_ignore_ascii_case(known.code)));
            assert_eq!(meaning(&known.code.to_uppercase()), Some(known.meaning));
        }
        assert_eq!(meaning("Conflict"), None);
    }
}
