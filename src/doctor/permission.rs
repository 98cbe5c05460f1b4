//! Permissions that a project needs: by the token's own words, and by a harmless read of each endpoint.

use super::Check;
use crate::defender::auth::Claims;
use crate::defender::{Api, Endpoint};

/// The needs of a project's manifests at the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Packages are collected, and fetched.
    pub packages: bool,
    /// Alerts are raised.
    pub alerts: bool,
    /// Events are looked for by queries.
    pub queries: bool,
}

impl Needs {
    /// The endpoints that are needed; `hunting` is the one that queries are run by.
    pub fn endpoints(self, hunting: Endpoint) -> Vec<Endpoint> {
        let mut out = vec![Endpoint::ListMachines];
        if self.packages {
            out.extend([Endpoint::ListActions, Endpoint::Collect, Endpoint::PackageUri]);
        }
        if self.alerts {
            out.extend([Endpoint::ListAlerts, Endpoint::CreateAlert]);
        }
        if self.queries {
            out.push(hunting);
        }
        out
    }
}

/// The result of a harmless read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It was answered.
    Answers,
    /// It is denied, in the service's words.
    Denied(String),
    /// It gave no answer that says anything about permissions.
    Failed(String),
    /// It would be a call that does something, or costs something: it was not made.
    NotMade,
}

/// Judges whether the caller may call an endpoint.
pub fn permission(endpoint: Endpoint, claims: Option<&Claims>, probe: &Probe, simulated: bool) -> Check {
    let name = name(endpoint);
    let needed = endpoint.permission();
    let held = claims.map(|c| {
        let role = endpoint.roles().iter().find(|r| c.roles.iter().any(|held| held == *r));
        let scope = endpoint.scopes().iter().find(|s| c.scopes.iter().any(|held| held == *s));
        role.or(scope).copied()
    });
    match (probe, held) {
        (Probe::Answers, Some(Some(held))) => Check::ok(name, format!("{held}: the service answers")),
        (Probe::Answers, _) => Check::ok(name, "the service answers"),
        (Probe::Denied(words), Some(Some(held))) => {
            let more = endpoint.roles().last().filter(|more| **more != held);
            let check =
                Check::failed(name, format!("the token holds {held}, and the service denies it: {words}"));
            match more {
                // Since late 2025 the documentation names that one alone.
                Some(more) => granted(check, endpoint, more, claims),
                None => check
                    .fix("look at the device groups and the roles of this user or application in Defender"),
            }
        }
        (Probe::Denied(words), _) => {
            granted(Check::failed(name, format!("the service denies it: {words}")), endpoint, needed, claims)
        }
        (Probe::Failed(why), _) => Check::failed(name, format!("it cannot be asked: {why}")),
        (Probe::NotMade, _) if simulated => {
            Check::ok(name, "the simulated service; not tried, it would be a call")
        }
        (Probe::NotMade, Some(Some(held))) => {
            Check::ok(name, format!("{held} is in the token; not tried, it would be a call"))
        }
        (Probe::NotMade, Some(None)) => {
            granted(Check::failed(name, format!("{needed} is not in the token")), endpoint, needed, claims)
        }
        (Probe::NotMade, None) => Check::warning(
            name,
            format!("needs {needed}: the token cannot be read, and it is not tried, it would be a call"),
        ),
    }
}

/// The short name of an endpoint's purpose.
fn name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Collect => "collect",
        Endpoint::ListActions | Endpoint::GetAction => "actions",
        Endpoint::CancelAction => "cancel",
        Endpoint::PackageUri => "package links",
        Endpoint::CreateAlert | Endpoint::PatchAlert => "raise alerts",
        Endpoint::ListAlerts | Endpoint::GetAlert | Endpoint::MachineAlerts => "alerts",
        Endpoint::ListMachines | Endpoint::GetMachine | Endpoint::FindByTag => "machines",
        Endpoint::Hunt | Endpoint::GraphHunt => "hunting",
    }
}

/// The commands that grant a permission to the application, and have an administrator consent. Ids of permissions are looked
/// up by their names.
fn granted(check: Check, endpoint: Endpoint, needed: &str, claims: Option<&Claims>) -> Check {
    let api = match endpoint {
        Endpoint::GraphHunt => Api::Graph.application_id(),
        _ => Api::Defender.application_id(),
    };
    let application = claims.and_then(|c| c.application.as_deref()).unwrap_or("APPLICATION_ID");
    check
        .fix(format!(
            "az ad app permission add --id {application} --api {api} --api-permissions \"$(az ad sp show --id {api} \
             --query \"appRoles[?value=='{needed}'].id\" -o tsv)=Role\""
        ))
        .fix(format!("az ad app permission admin-consent --id {application}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn with(roles: &[&str]) -> Claims {
        Claims {
            roles: roles.iter().map(ToString::to_string).collect(),
            application: Some("app-1".into()),
            ..Claims::default()
        }
    }

    #[test]
    fn what_the_service_does_counts_more_than_what_the_token_says() {
        let token = with(&["Machine.Read.All"]);
        let of = |probe| permission(Endpoint::ListActions, Some(&token), &probe, false);
        assert_eq!(of(Probe::Answers).verdict, Verdict::Ok);
        let denied = of(Probe::Denied("403 Forbidden".into()));
        assert!(
            denied.verdict == Verdict::Failed && denied.fix[0].contains("Machine.ReadWrite.All"),
            "{denied:?}"
        );
        let without = permission(Endpoint::ListActions, Some(&with(&[])), &Probe::Answers, false);
        assert_eq!(without.verdict, Verdict::Ok);
        assert_eq!(of(Probe::Failed("no connection".into())).verdict, Verdict::Failed);
    }

    #[test]
    fn a_call_that_does_something_is_judged_by_the_token_alone() {
        let of = |claims: Option<&Claims>| permission(Endpoint::Collect, claims, &Probe::NotMade, false);
        assert_eq!(of(Some(&with(&["Machine.CollectForensics"]))).verdict, Verdict::Ok);
        let missing = of(Some(&with(&["Machine.Read.All"])));
        assert_eq!(missing.verdict, Verdict::Failed);
        assert!(
            missing.fix[0].contains("--id app-1") && missing.fix[1].contains("admin-consent"),
            "{missing:?}"
        );
        assert_eq!(of(None).verdict, Verdict::Warning, "what cannot be seen is not fine");
        let scope = Claims { scopes: vec!["Machine.CollectForensics".into()], ..Claims::default() };
        assert_eq!(of(Some(&scope)).verdict, Verdict::Ok);
    }

    #[test]
    fn queries_need_hunting_and_nothing_else_does() {
        let all = Needs { packages: true, alerts: true, queries: false };
        assert!(!all.endpoints(Endpoint::GraphHunt).contains(&Endpoint::GraphHunt));
        let queries = Needs { queries: true, ..Needs::default() };
        assert_eq!(queries.endpoints(Endpoint::Hunt), [Endpoint::ListMachines, Endpoint::Hunt]);
        assert_eq!(Needs::default().endpoints(Endpoint::Hunt), [Endpoint::ListMachines]);
    }
}
