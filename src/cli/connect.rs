//! From the project file and the environment to a client: which service, which token, whose state.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::exit::{Error, sign_in};
use super::patience::waiting;
use super::project;
use super::trace;
use crate::defender::auth::{
    AuthError, AuthMethod, Credential, Environment, Identity, StorageCredential, Tokens,
};
use crate::defender::{
    Api, Client, Clock, Cloud, Endpoint, HttpOptions, HttpTransport, Hunter, HuntingApi, RateLimit,
    RateLimiter, Service, ServiceError, proxy_for,
};
use crate::manifest::Project;
use crate::model::Advice;
use crate::plan::Destination;
use crate::render::unread;
use crate::sandbox::{self, Scenario, ServeOptions, Server};
use crate::state::Binding;

/// The tenant that the sandbox plays.
const SANDBOX_TENANT: &str = "00000000-0000-0000-0000-000000000000";

/// A client and, for `cloud: sandbox`, the simulated service that it talks to.
pub struct Connection {
    /// The client.
    pub client: Client,
    /// Whose state this run may use.
    pub binding: Binding,
    /// Where its calls go.
    pub destination: Destination,
    server: Option<Server>,
}

impl Connection {
    /// Ends the simulated service, its world written.
    pub async fn close(self) {
        if let Some(server) = self.server
            && let Err(e) = server.shutdown().await
        {
            tracing::warn!("the sandbox did not end well: {e}");
        }
    }
}

/// Returns the binding of the state that a run without a token may read, and the destination of its calls.
pub fn offline(ctx: &Context, project: &Project) -> Result<(Binding, Destination), Error> {
    let services = Services::of(ctx, project, None)?;
    let destination = services.destination(ctx, project, None);
    Ok((binding(ctx, project, &services.defender, None), destination))
}

/// The service that calls go to. That of `cloud: sandbox` is inside the tool, at a port of its own.
pub fn service(ctx: &Context, project: &Project) -> Result<Service, Error> {
    Ok(Services::of(ctx, project, None)?.defender)
}

/// Returns whether the project's service is a simulated one: inside the tool, or on this machine. A host that may have no
/// token is none.
pub fn is_simulated(ctx: &Context, project: &Project) -> bool {
    Services::of(ctx, project, None).is_ok_and(|services| services.defender.is_loopback())
}

/// The services that a project's runs call. There are none of them at hosts that may not have their tokens.
struct Services {
    defender: Service,
    /// Microsoft Graph, where it runs the queries.
    graph: Option<Service>,
}

impl Services {
    fn of(ctx: &Context, project: &Project, server: Option<&Server>) -> Result<Self, Error> {
        let d = &project.spec.defender;
        let (cloud, region) = (d.cloud, d.region);
        let own = server.map(|s| format!("http://{}", s.addr()));
        let allowed = &ctx.allowed_hosts;
        let (setting, given) = endpoint(ctx, project).unzip();
        let defender = Service::of(Api::Defender, cloud, region, own.as_deref().or(given), allowed)
            .map_err(|e| refused(e, setting))?;
        let defender = match &d.audience {
            Some(audience) => defender.with_audience(audience),
            None => defender,
        };
        if d.hunting == HuntingApi::Defender {
            return Ok(Services { defender, graph: None });
        }
        let (setting, given) = graph_endpoint(ctx, project).unzip();
        // A service on this machine is a simulated one, and simulates Graph too.
        let simulated = defender.is_loopback() || cloud == Cloud::Sandbox;
        let own = simulated.then(|| defender.base_text());
        let graph =
            Service::of(Api::Graph, cloud, None, given.or(own), allowed).map_err(|e| refused(e, setting))?;
        Ok(Services { defender, graph: Some(graph) })
    }

    /// Where calls go, for people. `tenant` is the token's.
    fn destination(&self, ctx: &Context, project: &Project, tenant: Option<String>) -> Destination {
        let spec = &project.spec;
        let inside = spec.defender.cloud == Cloud::Sandbox && endpoint(ctx, project).is_none();
        let host = self.defender.host();
        let other = self.graph.as_ref().filter(|g| !g.is_usual_host() && g.host() != host);
        let named = spec.defender.tenant_id.as_ref().or(spec.auth.tenant_id.as_ref());
        let public = spec.defender.cloud == Cloud::Public && self.defender.is_usual_host();
        Destination {
            cloud: self.defender.cloud().to_string(),
            graph_host: other.map(Service::host),
            is_default: public && other.is_none() && named.is_none(),
            host: (!inside).then_some(host),
            tenant: tenant.or_else(|| named.cloned()),
        }
    }
}

/// Connects. `keep` is the file of the simulated world; without it, the world ends with the run.
pub async fn connect(
    ctx: &Context,
    project: &Project,
    clock: &Clock,
    keep: Option<&Path>,
) -> Result<Connection, Error> {
    // Before anybody is asked for a token, and before a simulated world is begun.
    let trace = trace::sink(ctx, project)?;
    let mut services = Services::of(ctx, project, None)?;
    let mut server = None;
    if project.spec.defender.cloud == Cloud::Sandbox && endpoint(ctx, project).is_none() {
        server = Some(serve(keep, scenario(ctx, project)?).await?);
        services = Services::of(ctx, project, server.as_ref())?;
    }
    let Services { defender: service, graph } = &services;
    let options = HttpOptions { network: ctx.network(project)?, ..HttpOptions::default() };
    let transport = HttpTransport::new(service, options).through(proxy(ctx, &service.host()));
    let transport = trace::transport(trace.as_ref(), clock, service.base_text(), Arc::new(transport));
    let quotas = RateLimiter::new(clock.clone(), limits(project));
    let tokens = tokens(ctx, project, service)?.map_err(auth_error)?;
    let client = Client::new(service.clone(), transport, tokens, quotas, clock.clone());
    let signing_in = waiting(ctx, "Signing in");
    let claims = client.token().await.map_err(auth_error)?.claims();
    drop(signing_in);
    let tenant = claims.and_then(|c| c.tenant);
    if let (Some(wanted), Some(got)) = (&project.spec.defender.tenant_id, &tenant)
        && !wanted.eq_ignore_ascii_case(got)
    {
        return Err(Error::OtherTenant(format!(
            "the token belongs to tenant {got}, the project to {wanted}"
        )));
    }
    if project.spec.defender.tenant_id.is_some() && tenant.is_none() && server.is_none() {
        return Err(Error::OtherTenant(
            "the token does not say which tenant it belongs to, and the project names one".into(),
        ));
    }
    let wanted = project.spec.defender.tenant_id.clone().or_else(|| tenant.clone());
    let hunter = hunter(ctx, project, &client, graph.clone(), clock, wanted)?;
    let client = client.with_hunter(hunter);
    let destination = services.destination(ctx, project, tenant.clone());
    Ok(Connection { binding: binding(ctx, project, service, tenant), destination, client, server })
}

/// Where tokens for a service come from. The inner error is that of a credential that lacks something.
fn tokens(ctx: &Context, project: &Project, service: &Service) -> Result<Result<Tokens, AuthError>, Error> {
    let (identity, environment) = signing_in(ctx, project, service.api())?;
    let credential = Credential::new(project.spec.auth.method, &identity, environment, service);
    Ok(credential.map(|credential| Tokens::new(Arc::new(credential))))
}

/// The project's own credential, for Azure Blob Storage.
pub fn storage_credential(ctx: &Context, project: &Project) -> Result<StorageCredential, Error> {
    let (identity, environment) = signing_in(ctx, project, Api::Storage)?;
    let (method, cloud) = (project.spec.auth.method, project.spec.defender.cloud);
    let credential = Credential::for_storage(method, &identity, environment, cloud, &ctx.allowed_hosts);
    let tokens = Tokens::new(Arc::new(credential.map_err(auth_error)?));
    Ok(StorageCredential::new(tokens, ctx.clock()))
}

fn signing_in(ctx: &Context, project: &Project, api: Api) -> Result<(Identity, Environment), Error> {
    let auth = &project.spec.auth;
    let identity = Identity {
        tenant_id: auth.tenant_id.clone().or_else(|| project.spec.defender.tenant_id.clone()),
        client_id: auth.client_id.clone(),
    };
    let mut environment =
        Environment::read(|name| ctx.env.get(name).filter(|v| *v != STDIN).map(str::to_owned));
    environment.network = ctx.network(project)?;
    if matches!(auth.method, AuthMethod::Auto | AuthMethod::Token) {
        let on_stdin = |api: Api| ctx.env.get(api.token_variable()) == Some(STDIN);
        match api {
            Api::Defender | Api::Graph if on_stdin(Api::Defender) && on_stdin(Api::Graph) => {
                return Err(Error::Environment {
                    name: Api::Graph.token_variable(),
                    why: format!("is - like {}, and stdin holds one token", Api::Defender.token_variable()),
                });
            }
            Api::Defender if on_stdin(api) => {
                environment.access_token = Some(ctx.token_on_stdin(api.token_variable())?.into());
            }
            Api::Graph if on_stdin(api) => {
                environment.graph_token = Some(ctx.token_on_stdin(api.token_variable())?.into());
            }
            Api::Defender | Api::Graph | Api::Storage => {}
        }
    }
    Ok((identity, environment))
}

/// The value of a variable whose token is sent by a pipe.
pub const STDIN: &str = "-";

/// A query may run for 200 seconds, and its answer is long.
const HUNTING: Duration = Duration::from_secs(300);

fn hunter(
    ctx: &Context,
    project: &Project,
    client: &Client,
    graph: Option<Service>,
    clock: &Clock,
    tenant: Option<String>,
) -> Result<Hunter, Error> {
    let network = ctx.network(project)?;
    let options = HttpOptions { timeout: HUNTING, network, ..HttpOptions::default() };
    let trace = trace::sink(ctx, project)?;
    let transport = |service: &Service| {
        let over_http = HttpTransport::new(service, options.clone()).through(proxy(ctx, &service.host()));
        trace::transport(trace.as_ref(), clock, service.base_text(), Arc::new(over_http))
    };
    let Some(service) = graph else {
        let client = client.with_transport(transport(client.service()));
        return Ok(Hunter::new(Ok(client), HuntingApi::Defender, tenant));
    };
    let transport = transport(&service);
    let quotas = client.quotas().clone();
    let client = tokens(ctx, project, &service)?
        .map(|tokens| Client::new(service, transport, tokens, quotas, clock.clone()));
    Ok(Hunter::new(client, HuntingApi::Graph, tenant))
}

/// The proxy between here and a host.
fn proxy(ctx: &Context, host: &str) -> Option<String> {
    proxy_for(host, |name| ctx.env.get(name).map(str::to_owned))
}

fn bad_service(e: ServiceError) -> Error {
    Error::Usage(e.to_string())
}

/// A service that cannot be, by the setting that named its host.
fn refused(e: ServiceError, setting: Option<&str>) -> Error {
    let ServiceError::Stranger { host, .. } = &e else { return bad_service(e) };
    let next = Advice::say(format!(
        "correct the address; if this host is yours, allow it outside the project: --allow-host {host}, or \
         CASEFILE_ALLOW_HOST={host}"
    ));
    let message = format!("{}: {e}; nothing was sent", setting.unwrap_or("defender.cloud"));
    Error::Service { message, next }
}

/// `CASEFILE_ENDPOINT`, or `defender.endpoint`: the setting's name and its value.
fn endpoint<'a>(ctx: &'a Context, project: &'a Project) -> Option<(&'static str, &'a str)> {
    let file = project.spec.defender.endpoint.as_deref().map(|url| ("defender.endpoint", url));
    ctx.env.get("CASEFILE_ENDPOINT").map(|url| ("CASEFILE_ENDPOINT", url)).or(file)
}

/// `CASEFILE_GRAPH_ENDPOINT`, or `defender.graphEndpoint`.
fn graph_endpoint<'a>(ctx: &'a Context, project: &'a Project) -> Option<(&'static str, &'a str)> {
    let file = project.spec.defender.graph_endpoint.as_deref().map(|url| ("defender.graphEndpoint", url));
    ctx.env.get("CASEFILE_GRAPH_ENDPOINT").map(|url| ("CASEFILE_GRAPH_ENDPOINT", url)).or(file)
}

/// The sandbox inside the process has another port each time, so its state is bound to the cloud's name.
fn binding(ctx: &Context, project: &Project, service: &Service, tenant: Option<String>) -> Binding {
    let name = Some(project.name.clone());
    if endpoint(ctx, project).is_some() {
        let endpoint = Some(service.base_text().to_owned());
        return Binding { cloud: None, endpoint, tenant, project: name };
    }
    let sandbox = project.spec.defender.cloud == Cloud::Sandbox;
    Binding {
        cloud: Some(service.cloud().to_string()),
        endpoint: None,
        tenant: if sandbox { Some(SANDBOX_TENANT.to_owned()) } else { tenant },
        project: name,
    }
}

/// The scenario that the project names for its simulated service.
pub fn scenario(ctx: &Context, project: &Project) -> Result<Option<Scenario>, Error> {
    let Some(sandbox) = &project.spec.defender.sandbox else { return Ok(None) };
    let typed = Path::new(&sandbox.scenario);
    let bad = |why: String| Error::BadFile { path: typed.to_owned(), why };
    if project::inside(&ctx.dir, typed).is_none() {
        return Err(bad("defender.sandbox.scenario leads out of the project folder".to_owned()));
    }
    project::stays_inside(ctx, typed).map_err(|e| bad(e.to_string()))?;
    super::sandbox::scenario(&ctx.path(typed)).map(Some)
}

async fn serve(keep: Option<&Path>, scenario: Option<Scenario>) -> Result<Server, Error> {
    if let Some(folder) = keep.and_then(Path::parent) {
        std::fs::create_dir_all(folder).map_err(|source| Error::Io {
            what: "create",
            path: folder.to_owned(),
            source,
        })?;
    }
    let options = ServeOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        world_file: keep.map(Path::to_owned),
        scenario,
        effects: None,
        clock: sandbox::Clock::System,
    };
    sandbox::serve(options).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::WouldBlock => {
            Error::Locked("it serves this project's sandbox, which one run at a time can use".into())
        }
        _ => failed(format!("the sandbox: {e}")),
    })
}

/// What the project file says about quotas.
pub fn limits(project: &Project) -> Vec<(Endpoint, RateLimit)> {
    let quotas = &project.spec.quotas;
    vec![
        (Endpoint::Hunt, quotas.of_hunting()),
        (Endpoint::GraphHunt, quotas.of_hunting()),
        (Endpoint::PackageUri, quotas.of_package_links()),
        (Endpoint::Collect, quotas.of_collections()),
        (Endpoint::CreateAlert, quotas.of_alerts()),
    ]
}

fn failed(message: String) -> Error {
    Error::Service { message, next: Advice::none() }
}

/// A sign-in that did not work, with what to do about it.
pub fn auth_error(e: AuthError) -> Error {
    if matches!(e, AuthError::OtherTenant { .. }) {
        return Error::OtherTenant(e.to_string());
    }
    match e {
        AuthError::NoneWorked { tried } => none_worked(&tried),
        AuthError::NoToken { .. } => {
            Error::Service { message: e.to_string(), next: Advice::run("casefile plan") }
        }
        AuthError::Unreachable { cause, .. } => {
            Error::Service { message: e.to_string(), next: unread::remedy(cause) }
        }
        e => Error::Service { message: e.to_string(), next: sign_in() },
    }
}

/// The one sign-in that was set up and failed, or else what persons and services do to sign in.
fn none_worked(tried: &[AuthError]) -> Error {
    use AuthMethod::{AzureCli, ClientSecret, ManagedIdentity};
    for e in tried {
        tracing::debug!("{e}");
    }
    let failed = |m: AuthMethod| {
        tried.iter().find_map(|e| match e {
            AuthError::Failed { method, why } if *method == m => Some(why),
            _ => None,
        })
    };
    let set_up = |e: &&AuthError| {
        matches!(e, AuthError::Failed { method, .. } | AuthError::Unreachable { method, .. }
            if !matches!(method, AzureCli | ManagedIdentity))
    };
    if let Some(e) = tried.iter().find(set_up) {
        return auth_error(e.clone());
    }
    let person = match failed(AzureCli) {
        Some(why) if why.contains("not found") => "; the Azure CLI is not installed here".to_owned(),
        Some(why) if why.starts_with("az did not answer") => format!("; {why}"),
        Some(why) if !why.contains("az login") => format!("; az says: {why}"),
        Some(_) | None => String::new(),
    };
    let nearly = tried.iter().find_map(|e| match e {
        AuthError::Missing { method: ClientSecret, missing } if missing.len() == 1 => missing.first(),
        _ => None,
    });
    let service = nearly.map_or_else(
        || "sets AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or has an identity of its platform".into(),
        |missing| format!("needs {missing} too"),
    );
    Error::NoCredential {
        ways: vec![
            format!("a person signs in with az login{person}"),
            format!("a service {service}"),
            format!("tried {}; docs/sign-in.md says what each needs", told(tried)),
        ],
    }
}

/// The methods that were asked, and those that are not set up.
fn told(tried: &[AuthError]) -> String {
    let asked = tried.iter().filter_map(|e| match e {
        AuthError::Failed { method, .. } | AuthError::Unreachable { method, .. } => Some(method.to_string()),
        _ => None,
    });
    let lacking = tried.iter().filter_map(|e| match e {
        AuthError::Missing { method, .. } => Some(method.to_string()),
        _ => None,
    });
    let (asked, lacking): (Vec<_>, Vec<_>) = (asked.collect(), lacking.collect());
    format!("{}; not set up: {}", asked.join(", "), lacking.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use AuthMethod::{AzureCli, ClientSecret, ManagedIdentity};

    fn failed(method: AuthMethod, why: &str) -> AuthError {
        AuthError::Failed { method, why: why.to_owned() }
    }

    fn lines(tried: Vec<AuthError>) -> String {
        auth_error(AuthError::NoneWorked { tried }).lines(None)
    }

    #[test]
    fn nobody_signed_in_is_three_lines_and_az_login() {
        let next_door = failed(ManagedIdentity, "169.254.169.254: no connection in time");
        let missing = vec!["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"];
        let secret = AuthError::Missing { method: ClientSecret, missing };
        let text = lines(vec![failed(AzureCli, "az not found on PATH"), next_door, secret]);
        assert_eq!(
            text,
            "error: nobody is signed in: no credential was found:\n  \
               a person signs in with az login; the Azure CLI is not installed here\n  \
               a service sets AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or has an identity of its \
             platform\n  tried azure-cli, managed-identity; not set up: client-secret; docs/sign-in.md says what each \
             needs\nnext: az login\n"
        );
        let slow = "az did not answer in 2.5 s and was ended; auth.method: azure-cli waits for a minute";
        let text = lines(vec![failed(AzureCli, slow)]);
        assert!(text.contains(&format!("a person signs in with az login; {slow}\n")), "{text}");
        let one = AuthError::Missing { method: ClientSecret, missing: vec!["AZURE_CLIENT_SECRET"] };
        let text = lines(vec![failed(AzureCli, "Please run 'az login' to setup account."), one]);
        assert!(
            text.contains("az login\n") && text.contains("a service needs AZURE_CLIENT_SECRET too"),
            "{text}"
        );
    }

    #[test]
    fn the_sign_in_that_was_set_up_is_the_one_that_is_told() {
        let text =
            lines(vec![failed(ClientSecret, "AADSTS7000215: Invalid client secret."), failed(AzureCli, "x")]);
        assert!(text.starts_with("error: auth method `client-secret` failed: AADSTS7000215"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
