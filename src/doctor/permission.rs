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
    /// The tenant has no licence for it, or has the feature off, in the service's words.
    Unlicensed(String),
    /// It gave no answer that says anything about permissions.
    Failed(String),
    /// It would be a call that does something, or costs something: it was not made.
    NotMade,
}

/// Judges whether the caller may call an endpoint.
pub fn permission(endpoint: Endpoint, claims: Option<&Claims>, probe: &Probe, simulated: bool) -> Check {
    let name = name(endpoint);
    let of_user = is_of_user(claims);
    let needed = if of_user { endpoint.scopes()[0] } else { endpoint.permission() };
    let held = claims.map(|c| {
        let role = endpoint.roles().iter().find(|r| c.roles.iter().any(|held| held == *r));
        let scope = endpoint.scopes().iter().find(|s| c.scopes.iter().any(|held| held == *s));
        role.or(scope).copied()
    });
    match (probe, held) {
        (Probe::Answers, Some(Some(held))) => Check::ok(name, format!("{held}: the service answers")),
        (Probe::Answers, _) => Check::ok(name, "the service answers"),
        (Probe::Denied(words), Some(Some(held))) => {
            let all = if of_user { endpoint.scopes() } else { endpoint.roles() };
            let more = all.last().filter(|more| **more != held);
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
        (Probe::Unlicensed(words), _) => Check::failed(name, format!("the service denies it: {words}"))
            .fix("have the licence, or the feature of the tenant, put right: no permission helps here"),
        (Probe::Failed(why), _) => Check::failed(name, format!("it cannot be asked: {why}")),
        (Probe::NotMade, None) if simulated => {
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

/// Returns whether a token is that of a user's session, and not that of an application.
fn is_of_user(claims: Option<&Claims>) -> bool {
    claims.is_some_and(|c| c.roles.is_empty() && !c.scopes.is_empty())
}

/// The application that people sign in by with the Azure CLI: nobody can give it permissions.
const AZURE_CLI: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// The commands that grant a permission to the application, and have an administrator consent. Ids of permissions are looked
/// up by their names. The session of a user has other ones than an application, by the same endpoint.
fn granted(check: Check, endpoint: Endpoint, needed: &str, claims: Option<&Claims>) -> Check {
    let api = match endpoint {
        Endpoint::GraphHunt => Api::Graph.application_id(),
        _ => Api::Defender.application_id(),
    };
    let application = claims.and_then(|c| c.application.as_deref()).unwrap_or("APPLICATION_ID");
    if application == AZURE_CLI {
        return check.fix(format!(
            "sign in as an application of your own that holds {needed} (auth.method: client-secret, or the identity of a \
             pipeline): the Azure CLI's own cannot be given permissions"
        ));
    }
    let (list, kind) =
        if is_of_user(claims) { ("oauth2PermissionScopes", "Scope") } else { ("appRoles", "Role") };
    check
        .fix(format!(
            "az ad app permission add --id {application} --api {api} --api-permissions \"$(az ad sp show --id {api} \
             --query \"{list}[?value=='{needed}'].id\" -o tsv)={kind}\""
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
        assert_eq!(permission(Endpoint::Collect, None, &Probe::NotMade, true).verdict, Verdict::Ok);
        let scope = Claims { scopes: vec!["Machine.CollectForensics".into()], ..Claims::default() };
        assert_eq!(of(Some(&scope)).verdict, Verdict::Ok);
    }

    #[test]
    fn the_commands_are_those_that_az_takes() {
        let denied = Probe::Denied("403".into());
        let of = |endpoint, claims: &Claims| permission(endpoint, Some(claims), &denied, false).fix;
        assert_eq!(
            of(Endpoint::ListAlerts, &with(&[])),
            [
                "az ad app permission add --id app-1 --api fc780465-2017-40d4-a0c5-307022471b92 --api-permissions \"$(az ad \
                 sp show --id fc780465-2017-40d4-a0c5-307022471b92 --query \"appRoles[?value=='Alert.Read.All'].id\" -o \
                 tsv)=Role\"",
                "az ad app permission admin-consent --id app-1",
            ]
        );
        let graph = of(Endpoint::GraphHunt, &with(&[]));
        assert!(graph[0].contains("--api 00000003-0000-0000-c000-000000000000 "), "{graph:?}");
        assert!(graph[0].contains("[?value=='ThreatHunting.Read.All']"), "{graph:?}");
        let user = |application: &str| Claims {
            scopes: vec!["Machine.Read".into()],
            application: Some(application.into()),
            ..Claims::default()
        };
        let scope = of(Endpoint::ListAlerts, &user("app-2"));
        assert!(
            scope[0].contains("\"oauth2PermissionScopes[?value=='Alert.Read'].id\" -o tsv)=Scope\""),
            "{scope:?}"
        );
        // What is held and not enough: the larger one.
        let more = of(Endpoint::ListActions, &user("app-2"));
        assert!(more[0].contains("[?value=='Machine.ReadWrite']"), "{more:?}");
        let cli = of(Endpoint::ListAlerts, &user(AZURE_CLI));
        assert!(cli.len() == 1 && cli[0].starts_with("sign in as an application of your own"), "{cli:?}");
        let off = Probe::Unlicensed("403 DisabledFeature".into());
        let off = permission(Endpoint::ListActions, None, &off, false);
        assert!(off.verdict == Verdict::Failed && !off.fix[0].contains("az "), "{off:?}");
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
