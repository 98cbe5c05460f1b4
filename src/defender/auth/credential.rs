//! Which credential is used: an explicit choice, or `auto`, which tries what is configured.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::TokenCredential;
use azure_core::http::{
    ClientOptions, ExponentialRetryOptions, HttpClient, RetryOptions, Transport as AzureTransport,
};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzurePipelinesCredential, AzurePipelinesCredentialOptions,
    ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, Executor, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use futures::future::{Either, select};
use jiff::Timestamp;
use tracing::debug;

use super::certificate::{self, Certificate, CertificateAssertion};
use super::given::GivenToken;
use super::obstacle::Obstacle;
use super::oidc::{GithubAssertion, IdentityHttp};
use super::sign_in_tool::{Programs, has_account};
use super::tokens::{PATIENCE, Token, TokenSource};
use super::words::words;
use super::{AccessToken, AuthError, Secret};
use crate::defender::cloud::Service;
use crate::defender::hosts::{AllowedHosts, Api};
use crate::defender::http::{Network, proxy_for, way};
use crate::model::{AuthMethod, Cloud, Hindrance};

/// Who signs in, from `spec.auth` of the project file; the environment goes before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The tenant.
    pub tenant_id: Option<String>,
    /// The application.
    pub client_id: Option<String>,
}

/// The environment's values that matter for signing in. Empty ones count as not set.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `CASEFILE_ACCESS_TOKEN`
    pub access_token: Option<GivenToken>,
    /// `CASEFILE_GRAPH_TOKEN`
    pub graph_token: Option<GivenToken>,
    /// `AZURE_TENANT_ID`
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`
    pub client_secret: Option<Secret>,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`
    pub client_certificate: Option<PathBuf>,
    /// `AZURE_CLIENT_CERTIFICATE_PASSWORD`
    pub client_certificate_password: Option<Secret>,
    /// `AZURE_FEDERATED_TOKEN_FILE`
    pub federated_token_file: Option<PathBuf>,
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`
    pub github_request_url: Option<String>,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`
    pub github_request_token: Option<Secret>,
    /// `AZURESUBSCRIPTION_SERVICE_CONNECTION_ID`
    pub pipelines_connection: Option<String>,
    /// `SYSTEM_ACCESSTOKEN`
    pub pipelines_token: Option<Secret>,
    /// The folder of the Azure CLI's settings: `AZURE_CONFIG_DIR`, or else `.azure` in `HOME` or `USERPROFILE`
    pub azure_cli_settings: Option<PathBuf>,
    /// The proxy on the way to the sign-in service, for messages: `HTTPS_PROXY` and its like.
    pub proxy: Option<String>,
    /// The way to the sign-in service. Who calls sets it: the file of certificate authorities is to be read.
    pub network: Network,
}

impl Environment {
    /// Looks the values up by the names that stand at the fields.
    pub fn read(look_up: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| look_up(name).filter(|v| !v.trim().is_empty());
        Environment {
            access_token: get(Api::Defender.token_variable()).map(|t| GivenToken::new(&t)),
            graph_token: get(Api::Graph.token_variable()).map(|t| GivenToken::new(&t)),
            tenant_id: get("AZURE_TENANT_ID"),
            client_id: get("AZURE_CLIENT_ID"),
            client_secret: get("AZURE_CLIENT_SECRET").map(Secret::new),
            client_certificate: get("AZURE_CLIENT_CERTIFICATE_PATH").map(PathBuf::from),
            client_certificate_password: get(certificate::PASSWORD).map(Secret::new),
            federated_token_file: get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            github_request_url: get("ACTIONS_ID_TOKEN_REQUEST_URL"),
            github_request_token: get("ACTIONS_ID_TOKEN_REQUEST_TOKEN").map(Secret::new),
            pipelines_connection: get("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"),
            pipelines_token: get("SYSTEM_ACCESSTOKEN").map(Secret::new),
            azure_cli_settings: get("AZURE_CONFIG_DIR").map(PathBuf::from).or_else(|| {
                let home = get("HOME").or_else(|| get("USERPROFILE"))?;
                Some(Path::new(&home).join(".azure"))
            }),
            proxy: proxy_for(LOGIN, get),
            network: Network::default(),
        }
    }
}

/// A credential: the source of a run's tokens.
#[derive(Debug)]
pub struct Credential {
    shared: Arc<Shared>,
    /// More than one only for `auto`.
    methods: Vec<AuthMethod>,
    /// What `auto` skipped and why.
    skipped: Vec<AuthError>,
    /// The method that worked first: a run does not change its identity.
    chosen: OnceLock<AuthMethod>,
}

/// The API that tokens are for: a token for one is never shown to another.
#[derive(Debug)]
struct Audience {
    api: Api,
    authority: String,
    scope: String,
    sandbox: bool,
}

impl From<&Service> for Audience {
    fn from(service: &Service) -> Self {
        Audience {
            api: service.api(),
            authority: service.authority().as_str().trim_end_matches('/').to_owned(),
            scope: service.scope().to_owned(),
            sandbox: service.cloud() == Cloud::Sandbox && service.is_loopback(),
        }
    }
}

#[derive(Debug)]
struct Shared {
    environment: Environment,
    audience: Audience,
    tenant_id: Option<String>,
    client_id: Option<String>,
    remote: Arc<dyn HttpClient>,
    local: Arc<dyn HttpClient>,
    programs: Arc<dyn Executor>,
}

impl Audience {
    /// The sign-in host.
    fn host(&self) -> &str {
        self.authority.strip_prefix("https://").unwrap_or(&self.authority)
    }
}

/// What `auto` tries, in this order.
const AUTO: [AuthMethod; 8] = [
    AuthMethod::Token,
    AuthMethod::ClientSecret,
    AuthMethod::ClientCertificate,
    AuthMethod::WorkloadIdentity,
    AuthMethod::GithubOidc,
    AuthMethod::AzurePipelines,
    AuthMethod::AzureCli,
    AuthMethod::ManagedIdentity,
];

/// The sign-in host of most clouds.
const LOGIN: &str = "login.microsoftonline.com";

/// How long `auto` waits for the metadata service of this machine, and for an Azure CLI that nobody has signed in by. Both are
/// asked at once: whoever has set up nothing is told so within three seconds.
const NEXT_DOOR: Duration = Duration::from_millis(2_500);

impl Credential {
    /// Checks that the method has what it needs; nothing is asked from anybody yet.
    pub fn new(
        method: AuthMethod,
        identity: &Identity,
        environment: Environment,
        service: &Service,
    ) -> Result<Self, AuthError> {
        let remote = remote(service.allowed(), &environment);
        let local = Arc::new(IdentityHttp::local());
        Self::over(remote, local, method, identity, environment, service.into())
    }

    /// As [`Credential::new`], for Azure Blob Storage: nothing of a project says where its tokens go.
    ///
    /// # Errors
    /// The method lacks something.
    pub fn for_storage(
        method: AuthMethod,
        identity: &Identity,
        environment: Environment,
        cloud: Cloud,
        allowed: &AllowedHosts,
    ) -> Result<Self, AuthError> {
        let remote = remote(allowed, &environment);
        let local = Arc::new(IdentityHttp::local());
        let audience = Audience {
            api: Api::Storage,
            authority: cloud.authority(),
            scope: format!("{}/.default", cloud.resource(Api::Storage)),
            sandbox: false,
        };
        Self::over(remote, local, method, identity, environment, audience)
    }

    fn over(
        remote: Arc<dyn HttpClient>,
        local: Arc<dyn HttpClient>,
        method: AuthMethod,
        identity: &Identity,
        environment: Environment,
        audience: Audience,
    ) -> Result<Self, AuthError> {
        let shared = Shared {
            tenant_id: environment.tenant_id.clone().or_else(|| identity.tenant_id.clone()),
            client_id: environment.client_id.clone().or_else(|| identity.client_id.clone()),
            environment,
            audience,
            remote,
            local,
            programs: Arc::new(Programs),
        };
        let mut methods = Vec::new();
        let mut skipped = Vec::new();
        match method {
            AuthMethod::Auto if shared.audience.sandbox => methods.push(AuthMethod::Token),
            AuthMethod::Auto => {
                for m in AUTO {
                    match shared.missing(m) {
                        Ok(()) => methods.push(m),
                        Err(e) => skipped.push(e),
                    }
                }
            }
            one => {
                shared.missing(one)?;
                methods.push(one);
            }
        }
        Ok(Credential { shared: Arc::new(shared), methods, skipped, chosen: OnceLock::new() })
    }

    /// Asks for a token as one of several methods. What may not be there at all is not waited for as one that is named is: on
    /// most machines there is no metadata service, and some networks let it look as if there were one.
    async fn attempt(&self, method: AuthMethod, now: Timestamp) -> Result<(AuthMethod, Token), AuthError> {
        let patience = match method {
            AuthMethod::ManagedIdentity => NEXT_DOOR,
            AuthMethod::AzureCli if !self.shared.has_cli_account() => NEXT_DOOR,
            _ => PATIENCE,
        };
        Ok((method, self.shared.fetch(method, now, patience).await?))
    }

    /// The method in use; `None` while `auto` has not found one.
    pub fn method(&self) -> Option<AuthMethod> {
        match self.methods.as_slice() {
            [one] => Some(*one),
            _ => self.chosen.get().copied(),
        }
    }
}

/// The token of the first of two, or else that of the second. Both are asked at once.
async fn either(
    first: impl Future<Output = Result<(AuthMethod, Token), AuthError>>,
    second: impl Future<Output = Result<(AuthMethod, Token), AuthError>>,
) -> Result<(AuthMethod, Token), Vec<AuthError>> {
    let (first, second) = (std::pin::pin!(first), std::pin::pin!(second));
    let (error, second) = match select(first, second).await {
        Either::Left((Ok(token), _)) => return Ok(token),
        Either::Left((Err(e), second)) => (e, second.await),
        Either::Right((second, first)) => match first.await {
            Ok(token) => return Ok(token),
            Err(e) => (e, second),
        },
    };
    second.map_err(|second| vec![error, second])
}

/// The way to sign-in services.
fn remote(allowed: &AllowedHosts, environment: &Environment) -> Arc<IdentityHttp> {
    let (proxy, network) = (environment.proxy.clone(), environment.network.clone());
    Arc::new(IdentityHttp::remote(allowed.clone()).through(proxy, network))
}

#[async_trait]
impl TokenSource for Credential {
    async fn fetch(&self, now: Timestamp) -> Result<Token, AuthError> {
        if let Some(method) = self.method() {
            return self.shared.fetch(method, now, PATIENCE).await;
        }
        let mut tried = Vec::new();
        let mut methods = &self.methods[..];
        while let Some((method, rest)) = methods.split_first() {
            let found = match rest {
                [next] if *method == AuthMethod::AzureCli && !self.shared.has_cli_account() => {
                    methods = &[];
                    either(self.attempt(*method, now), self.attempt(*next, now)).await
                }
                rest => {
                    methods = rest;
                    self.attempt(*method, now).await.map_err(|e| vec![e])
                }
            };
            match found {
                Ok((method, token)) => {
                    debug!(%method, "signed in");
                    // Somebody else may have chosen meanwhile; then both work.
                    self.chosen.get_or_init(|| method);
                    return Ok(token);
                }
                Err(errors) => match &errors[..] {
                    [e @ AuthError::NoToken { .. }] => return Err(e.clone()),
                    _ => tried.extend(errors),
                },
            }
        }
        tried.extend(self.skipped.iter().cloned());
        Err(AuthError::NoneWorked { tried })
    }

    fn renewable(&self) -> bool {
        self.method() != Some(AuthMethod::Token) || self.shared.given().is_some_and(GivenToken::is_renewed)
    }
}

impl Shared {
    /// The ready-made token for this API.
    fn given(&self) -> Option<&GivenToken> {
        match self.audience.api {
            Api::Defender => self.environment.access_token.as_ref(),
            Api::Graph => self.environment.graph_token.as_ref(),
            // Object storage takes its ready-made token from the environment by itself.
            Api::Storage => None,
        }
    }

    fn missing(&self, method: AuthMethod) -> Result<(), AuthError> {
        const TENANT: &str = "AZURE_TENANT_ID (or spec.auth.tenantId)";
        const CLIENT: &str = "AZURE_CLIENT_ID (or spec.auth.clientId)";
        let e = &self.environment;
        let tenant = (self.tenant_id.is_some(), TENANT);
        let client = (self.client_id.is_some(), CLIENT);
        let needed: Vec<(bool, &'static str)> = match method {
            AuthMethod::Auto | AuthMethod::AzureCli | AuthMethod::ManagedIdentity => Vec::new(),
            AuthMethod::Token => {
                vec![(self.given().is_some() || self.audience.sandbox, self.audience.api.token_variable())]
            }
            AuthMethod::ClientSecret => {
                vec![tenant, client, (e.client_secret.is_some(), "AZURE_CLIENT_SECRET")]
            }
            AuthMethod::ClientCertificate => {
                vec![tenant, client, (e.client_certificate.is_some(), "AZURE_CLIENT_CERTIFICATE_PATH")]
            }
            AuthMethod::WorkloadIdentity => {
                vec![tenant, client, (e.federated_token_file.is_some(), "AZURE_FEDERATED_TOKEN_FILE")]
            }
            AuthMethod::GithubOidc => vec![
                tenant,
                client,
                (
                    e.github_request_url.is_some(),
                    "ACTIONS_ID_TOKEN_REQUEST_URL (permissions: id-token: write)",
                ),
                (e.github_request_token.is_some(), "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
            ],
            AuthMethod::AzurePipelines => vec![
                tenant,
                client,
                (e.pipelines_connection.is_some(), "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"),
                (e.pipelines_token.is_some(), "SYSTEM_ACCESSTOKEN"),
            ],
        };
        let missing: Vec<&'static str> =
            needed.into_iter().filter(|(there, _)| !there).map(|(_, name)| name).collect();
        if missing.is_empty() { Ok(()) } else { Err(AuthError::Missing { method, missing }) }
    }

    /// Returns whether somebody has signed in by the Azure CLI of this computer, by what its settings say.
    fn has_cli_account(&self) -> bool {
        self.environment.azure_cli_settings.as_deref().is_some_and(has_account)
    }

    async fn fetch(
        &self,
        method: AuthMethod,
        now: Timestamp,
        patience: Duration,
    ) -> Result<Token, AuthError> {
        self.missing(method)?;
        if method == AuthMethod::Token {
            let variable = self.audience.api.token_variable();
            let access = self.given().map(|given| given.read(variable)).transpose()?;
            let access = access.unwrap_or_else(|| AccessToken::new("sandbox"));
            let expires = access.claims().and_then(|c| c.expires);
            return Ok(Token { access, expires });
        }
        let failed = |why: &str| AuthError::Failed { method, why: words(why) };
        // Made anew each time: these keep tokens of their own, and a refused one must not come back.
        let credential = match method {
            AuthMethod::ClientCertificate => self.certificate(now)?,
            method => self.credential(method).map_err(|e| failed(&e.to_string()))?,
        };
        let scopes = [self.audience.scope.as_str()];
        let way = way(self.audience.host(), self.environment.proxy.as_deref());
        let fetched = tokio::time::timeout(patience, credential.get_token(&scopes, None)).await;
        let token = match (fetched, method) {
            (Ok(Ok(token)), _) => token,
            (Ok(Err(e)), _) => {
                return Err(match Obstacle::of(&e, &way) {
                    Some(Obstacle { cause, words }) => AuthError::Unreachable { method, cause, why: words },
                    None => failed(&e.to_string()),
                });
            }
            (Err(_), AuthMethod::AzureCli) => {
                let hint =
                    if patience < PATIENCE { "; auth.method: azure-cli waits for a minute" } else { "" };
                let waited = patience.as_secs_f32();
                return Err(failed(&format!("az did not answer in {waited} s and was ended{hint}")));
            }
            (Err(_), AuthMethod::ManagedIdentity) => {
                let waited = patience.as_secs_f32();
                return Err(failed(&format!("no metadata service of this machine answers in {waited} s")));
            }
            (Err(_), _) => {
                let why = format!("{way}: no answer in time");
                return Err(AuthError::Unreachable { method, cause: Hindrance::NoAnswer, why });
            }
        };
        if token.token.secret().is_empty() {
            return Err(failed("the answer of the sign-in service holds no access_token"));
        }
        Ok(Token {
            access: AccessToken::new(token.token.secret()),
            expires: Timestamp::from_second(token.expires_on.unix_timestamp()).ok(),
        })
    }

    /// The application, by its certificate. The file is read for each token: somebody else may have renewed it.
    fn certificate(&self, now: Timestamp) -> Result<Arc<dyn TokenCredential>, AuthError> {
        let method = AuthMethod::ClientCertificate;
        let failed = |why| AuthError::Failed { method, why };
        let path = self.environment.client_certificate.as_deref().unwrap_or(Path::new(""));
        let certificate = Certificate::read(path, self.environment.client_certificate_password.as_ref());
        let certificate = certificate.map_err(failed)?;
        let tenant = self.tenant_id.clone().unwrap_or_default();
        let client = self.client_id.clone().unwrap_or_default();
        let audience = format!("{}/{tenant}/oauth2/v2.0/token", self.audience.authority);
        let assertion = CertificateAssertion { certificate, client: client.clone(), audience, now };
        let options = ClientAssertionCredentialOptions { client_options: self.options() };
        let credential = ClientAssertionCredential::new(tenant, client, assertion, Some(options));
        credential.map(|c| c as Arc<dyn TokenCredential>).map_err(|e| failed(words(&e.to_string())))
    }

    fn credential(&self, method: AuthMethod) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let e = &self.environment;
        let tenant = self.tenant_id.clone().unwrap_or_default();
        let client = self.client_id.clone().unwrap_or_default();
        let azure = |s: &Option<Secret>| {
            azure_core::credentials::Secret::new(
                s.as_ref().map(|s| s.expose().to_owned()).unwrap_or_default(),
            )
        };
        let assertion_options = || ClientAssertionCredentialOptions { client_options: self.options() };
        Ok(match method {
            AuthMethod::ClientSecret => ClientSecretCredential::new(
                &tenant,
                client,
                azure(&e.client_secret),
                Some(ClientSecretCredentialOptions { client_options: self.options() }),
            )?,
            AuthMethod::WorkloadIdentity => {
                WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                    credential_options: assertion_options(),
                    client_id: Some(client),
                    tenant_id: Some(tenant),
                    token_file_path: e.federated_token_file.clone(),
                }))?
            }
            AuthMethod::GithubOidc => ClientAssertionCredential::new(
                tenant,
                client,
                GithubAssertion::new(
                    self.remote.clone(),
                    e.github_request_url.clone().unwrap_or_default(),
                    e.github_request_token.clone(),
                ),
                Some(assertion_options()),
            )?,
            AuthMethod::AzurePipelines => AzurePipelinesCredential::new(
                tenant,
                client,
                e.pipelines_connection.as_deref().unwrap_or_default(),
                azure(&e.pipelines_token),
                Some(AzurePipelinesCredentialOptions { credential_options: assertion_options() }),
            )?,
            AuthMethod::AzureCli => AzureCliCredential::new(Some(AzureCliCredentialOptions {
                tenant_id: self.tenant_id.clone(),
                executor: Some(self.programs.clone()),
                ..AzureCliCredentialOptions::default()
            }))?,
            AuthMethod::ManagedIdentity => {
                let credential = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                    user_assigned_id: self.client_id.clone().map(UserAssignedId::ClientId),
                    client_options: ClientOptions {
                        transport: Some(AzureTransport::new(self.local.clone())),
                        retry: RetryOptions::none(),
                        ..ClientOptions::default()
                    },
                }));
                // The library names what it is: Azure Arc, for one.
                credential.map_err(|e| {
                    let told = format!("{e}; sign in with client-certificate or workload-identity there");
                    e.with_context(told)
                })?
            }
            AuthMethod::Auto | AuthMethod::ClientCertificate | AuthMethod::Token => {
                return Err(azure_core::Error::with_message(
                    azure_core::error::ErrorKind::Credential,
                    "no sign-in belongs to this method",
                ));
            }
        })
    }

    fn options(&self) -> ClientOptions {
        // Named even where it is the default: otherwise the process environment would be asked.
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host.clone_from(&self.audience.authority);
        ClientOptions {
            transport: Some(AzureTransport::new(self.remote.clone())),
            cloud: Some(Arc::new(cloud.into())),
            // A person waits for it, and is told why it fails.
            retry: RetryOptions::exponential(ExponentialRetryOptions {
                max_retries: 2,
                max_total_elapsed: azure_core::time::Duration::seconds(15),
                ..ExponentialRetryOptions::default()
            }),
            ..ClientOptions::default()
        }
    }
}

#[cfg(test)]
mod tests;
