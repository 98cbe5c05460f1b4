//! Which credential is used: an explicit choice, or `auto`, which tries what is configured.

use std::path::PathBuf;
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
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use tracing::debug;

use super::oidc::{GithubAssertion, IdentityHttp};
use super::tokens::{Token, TokenSource, patiently};
use super::words::{unreachable, words};
use super::{AccessToken, AuthError, Secret};
use crate::defender::cloud::Service;
use crate::defender::hosts::{AllowedHosts, Api};
use crate::defender::http::proxy_for;
use crate::model::{AuthMethod, Cloud};

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
    pub access_token: Option<AccessToken>,
    /// `CASEFILE_GRAPH_TOKEN`
    pub graph_token: Option<AccessToken>,
    /// `AZURE_TENANT_ID`
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`
    pub client_secret: Option<Secret>,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`
    pub client_certificate: Option<PathBuf>,
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
    /// The proxy on the way to the sign-in service, for messages: `HTTPS_PROXY` and its like.
    pub proxy: Option<String>,
}

impl Environment {
    /// Looks the values up by the names that stand at the fields.
    pub fn read(look_up: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| look_up(name).filter(|v| !v.trim().is_empty());
        Environment {
            access_token: get(Api::Defender.token_variable()).map(|t| AccessToken::new(&t)),
            graph_token: get(Api::Graph.token_variable()).map(|t| AccessToken::new(&t)),
            tenant_id: get("AZURE_TENANT_ID"),
            client_id: get("AZURE_CLIENT_ID"),
            client_secret: get("AZURE_CLIENT_SECRET").map(Secret::new),
            client_certificate: get("AZURE_CLIENT_CERTIFICATE_PATH").map(PathBuf::from),
            federated_token_file: get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            github_request_url: get("ACTIONS_ID_TOKEN_REQUEST_URL"),
            github_request_token: get("ACTIONS_ID_TOKEN_REQUEST_TOKEN").map(Secret::new),
            pipelines_connection: get("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"),
            pipelines_token: get("SYSTEM_ACCESSTOKEN").map(Secret::new),
            proxy: proxy_for(LOGIN, get),
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

/// How long `auto` waits for the metadata service of this machine.
const NEXT_DOOR: Duration = Duration::from_secs(5);

const CERTIFICATE_INSTEAD: &str =
    "use workload-identity, github-oidc or managed-identity, which need no stored secret, or client-secret";

impl Credential {
    /// Checks that the method has what it needs; nothing is asked from anybody yet.
    pub fn new(
        method: AuthMethod,
        identity: &Identity,
        environment: Environment,
        service: &Service,
    ) -> Result<Self, AuthError> {
        let remote = IdentityHttp::remote(service.allowed().clone()).through(environment.proxy.clone());
        let remote = Arc::new(remote);
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
        let remote = Arc::new(IdentityHttp::remote(allowed.clone()).through(environment.proxy.clone()));
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
        };
        let mut methods = Vec::new();
        let mut skipped = Vec::new();
        match method {
            AuthMethod::Auto if shared.audience.sandbox => methods.push(AuthMethod::Token),
            AuthMethod::Auto => {
                let certificate = shared.environment.client_certificate.is_some();
                for m in AUTO.into_iter().filter(|m| certificate || *m != AuthMethod::ClientCertificate) {
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

    /// The method in use; `None` while `auto` has not found one.
    pub fn method(&self) -> Option<AuthMethod> {
        match self.methods.as_slice() {
            [one] => Some(*one),
            _ => self.chosen.get().copied(),
        }
    }
}

#[async_trait]
impl TokenSource for Credential {
    async fn fetch(&self) -> Result<Token, AuthError> {
        if let Some(method) = self.method() {
            return self.shared.fetch(method).await;
        }
        let mut tried = Vec::new();
        for method in &self.methods {
            let fetched = match method {
                // On most machines there is none, and some networks let it look as if there were.
                AuthMethod::ManagedIdentity => {
                    let fetch = self.shared.fetch(*method);
                    tokio::time::timeout(NEXT_DOOR, fetch).await.unwrap_or_else(|_| {
                        let why = "no metadata service of this machine answers".to_owned();
                        Err(AuthError::Failed { method: *method, why })
                    })
                }
                method => self.shared.fetch(*method).await,
            };
            match fetched {
                Err(e @ AuthError::NoToken { .. }) => return Err(e),
                Ok(token) => {
                    debug!(%method, "signed in");
                    // Somebody else may have chosen meanwhile; then both work.
                    self.chosen.get_or_init(|| *method);
                    return Ok(token);
                }
                Err(e) => tried.push(e),
            }
        }
        tried.extend(self.skipped.iter().cloned());
        Err(AuthError::NoneWorked { tried })
    }

    fn renewable(&self) -> bool {
        self.method() != Some(AuthMethod::Token)
    }
}

impl Shared {
    /// The ready-made token for this API.
    fn given(&self) -> Option<&AccessToken> {
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
                return Err(AuthError::Unsupported { method, instead: CERTIFICATE_INSTEAD });
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

    async fn fetch(&self, method: AuthMethod) -> Result<Token, AuthError> {
        self.missing(method)?;
        let failed = |why: String| AuthError::Failed { method, why: words(&why) };
        if method == AuthMethod::Token {
            let access = self.given().cloned();
            let access = access.unwrap_or_else(|| AccessToken::new("sandbox"));
            if let Some(why) = access.flaw() {
                return Err(AuthError::NoToken { variable: self.audience.api.token_variable(), why });
            }
            let expires = access.claims().and_then(|c| c.expires);
            return Ok(Token { access, expires });
        }
        // Made anew each time: these keep tokens of their own, and a refused one must not come back.
        let credential = self.credential(method).map_err(|e| failed(e.to_string()))?;
        let scopes = [self.audience.scope.as_str()];
        let token = patiently(credential.get_token(&scopes, None))
            .await
            .ok_or_else(|| failed("no answer in time".into()))?
            .map_err(|e| match unreachable(&e) {
                Some(why) => AuthError::Unreachable { method, why: words(&why) },
                None => failed(e.to_string()),
            })?;
        Ok(Token {
            access: AccessToken::new(token.token.secret()),
            expires: jiff::Timestamp::from_second(token.expires_on.unix_timestamp()).ok(),
        })
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
                ..AzureCliCredentialOptions::default()
            }))?,
            AuthMethod::ManagedIdentity => {
                ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                    user_assigned_id: self.client_id.clone().map(UserAssignedId::ClientId),
                    client_options: ClientOptions {
                        transport: Some(AzureTransport::new(self.local.clone())),
                        retry: RetryOptions::none(),
                        ..ClientOptions::default()
                    },
                }))?
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
mod tests {
    use std::fmt;

    use super::*;
    use crate::defender::AllowedHosts;
    use azure_core::Bytes;
    use azure_core::http::headers::Headers;
    use azure_core::http::request::{Body, Request};
    use azure_core::http::{AsyncRawResponse, StatusCode};
    use std::sync::Mutex;

    /// Answers from a list and keeps what it was asked.
    struct Fake {
        asked: Mutex<Vec<(String, String)>>,
        answers: Mutex<Vec<(u16, &'static str)>>,
    }

    impl fmt::Debug for Fake {
        /// What it was asked holds the secret, and is no matter of the credential's.
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Fake")
        }
    }

    impl Fake {
        fn new(answers: &[(u16, &'static str)]) -> Arc<Self> {
            Arc::new(Fake { asked: Mutex::default(), answers: Mutex::new(answers.to_vec()) })
        }

        fn asked(&self) -> Vec<(String, String)> {
            self.asked.lock().unwrap().clone()
        }
    }

    #[async_trait]
    impl HttpClient for Fake {
        async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
            let body = match request.body() {
                Body::Bytes(b) => String::from_utf8_lossy(b).into_owned(),
                Body::SeekableStream(_) => unreachable!("token requests are short"),
            };
            self.asked.lock().unwrap().push((request.url().to_string(), body));
            let (status, text) = self.answers.lock().unwrap().remove(0);
            Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), Headers::new(), Bytes::from(text)))
        }
    }

    const REPLY: &str =
        r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":0,"access_token":"TOKEN-1"}"#;
    const AGAIN: &str =
        r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":0,"access_token":"TOKEN-2"}"#;

    fn environment(set: &[(&str, &str)]) -> Environment {
        let set: Vec<(String, String)> = set.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Environment::read(|name| set.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
    }

    fn credential(
        http: &Arc<Fake>,
        cloud: Cloud,
        method: AuthMethod,
        set: &[(&str, &str)],
    ) -> Result<Credential, AuthError> {
        let service = Service::new(cloud, None, None).unwrap();
        let (identity, environment) = (Identity::default(), environment(set));
        Credential::over(http.clone(), http.clone(), method, &identity, environment, (&service).into())
    }

    const SECRET: [(&str, &str); 3] =
        [("AZURE_TENANT_ID", "t-1"), ("AZURE_CLIENT_ID", "c-1"), ("AZURE_CLIENT_SECRET", "geheim")];

    #[tokio::test]
    async fn a_client_secret_asks_the_clouds_own_authority_each_time() {
        let http = Fake::new(&[(200, REPLY), (200, AGAIN)]);
        let c = credential(&http, Cloud::GccHigh, AuthMethod::ClientSecret, &SECRET).unwrap();
        assert_eq!(c.fetch().await.unwrap().access.expose(), "TOKEN-1");
        assert_eq!(c.fetch().await.unwrap().access.expose(), "TOKEN-2", "no cache below ours");
        let (url, body) = http.asked().remove(0);
        assert_eq!(url, "https://login.microsoftonline.us/t-1/oauth2/v2.0/token");
        assert!(
            body.contains("scope=https%3A%2F%2Fapi-gov.securitycenter.microsoft.us%2F.default"),
            "{body}"
        );
        assert!(body.contains("client_id=c-1"));
        assert!(!format!("{c:?}").contains("geheim"));
    }

    #[tokio::test]
    async fn a_refusal_names_the_method_and_not_the_secret() {
        let refusal = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}"#;
        let http = Fake::new(&[(401, refusal)]);
        let c = credential(&http, Cloud::Public, AuthMethod::ClientSecret, &SECRET).unwrap();
        let error = c.fetch().await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("client-secret") && text.contains("AADSTS7000215"), "{text}");
        assert!(!text.contains("geheim"));
    }

    #[tokio::test]
    async fn github_first_then_entra() {
        let http = Fake::new(&[(200, r#"{"value":"JOB-TOKEN"}"#), (200, REPLY)]);
        let set = [
            ("AZURE_TENANT_ID", "t-1"),
            ("AZURE_CLIENT_ID", "c-1"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://runner.example/token?v=1"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "geheim"),
        ];
        let c = credential(&http, Cloud::Public, AuthMethod::GithubOidc, &set).unwrap();
        assert_eq!(c.fetch().await.unwrap().access.expose(), "TOKEN-1");
        let asked = http.asked();
        assert_eq!(asked[0].0, "https://runner.example/token?v=1&audience=api%3A%2F%2FAzureADTokenExchange");
        assert!(asked[1].1.contains("client_assertion=JOB-TOKEN"));
    }

    #[tokio::test]
    async fn a_given_token_goes_first_and_is_all_there_is() {
        let http = Fake::new(&[]);
        let set: Vec<_> = SECRET.into_iter().chain([("CASEFILE_ACCESS_TOKEN", " abc\n")]).collect();
        let c = credential(&http, Cloud::Public, AuthMethod::Auto, &set).unwrap();
        assert_eq!(c.fetch().await.unwrap().access.expose(), "abc");
        assert_eq!(c.method(), Some(AuthMethod::Token));
        assert!(!c.renewable());
        assert!(!format!("{c:?}").contains("abc"));
    }

    /// A metadata service that takes every request and answers none.
    #[derive(Debug, Default)]
    struct Silent {
        asked: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl HttpClient for Silent {
        async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
            self.asked.lock().unwrap().push(request.url().to_string());
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn auto_waits_five_seconds_for_a_metadata_service_that_never_answers() {
        let (http, silent) = (Fake::new(&[]), Arc::new(Silent::default()));
        let service = Service::new(Cloud::Public, None, None).unwrap();
        let (identity, environment) = (Identity::default(), Environment::default());
        let auto = AuthMethod::Auto;
        let mut c =
            Credential::over(http, silent.clone(), auto, &identity, environment, (&service).into()).unwrap();
        // No program is started here. A method that lacks something fails at once.
        c.methods = vec![AuthMethod::ClientSecret, AuthMethod::ManagedIdentity];
        let began = tokio::time::Instant::now();
        let AuthError::NoneWorked { tried } = c.fetch().await.unwrap_err() else { panic!("signed in") };
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        assert_eq!(silent.asked.lock().unwrap().len(), 1);
        let told: Vec<String> = tried.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|e| e.contains("no metadata service of this machine answers")), "{told:?}");
        assert_eq!(c.method(), None, "what did not work is not stayed with");
    }

    #[tokio::test]
    async fn a_token_for_one_api_is_never_shown_to_the_other() {
        let graph = Service::graph(Cloud::Public, None).unwrap();
        let over = |http: &Arc<Fake>, method, set: &[(&str, &str)]| {
            let identity = Identity::default();
            Credential::over(http.clone(), http.clone(), method, &identity, environment(set), (&graph).into())
        };
        let http = Fake::new(&[(200, REPLY)]);
        let given = ("CASEFILE_ACCESS_TOKEN", "for-defender");
        let error = over(&http, AuthMethod::Token, &[given]).unwrap_err();
        assert_eq!(error.to_string(), "auth method `token` needs CASEFILE_GRAPH_TOKEN");
        let set: Vec<_> = SECRET.into_iter().chain([given]).collect();
        let c = over(&http, AuthMethod::Auto, &set).unwrap();
        assert_eq!(
            c.fetch().await.unwrap().access.expose(),
            "TOKEN-1",
            "the next method, with Graph's scope"
        );
        assert!(http.asked()[0].1.contains("scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"));
        let set = [given, ("CASEFILE_GRAPH_TOKEN", "for-graph")];
        let c = over(&http, AuthMethod::Auto, &set).unwrap();
        assert_eq!(c.fetch().await.unwrap().access.expose(), "for-graph");
        assert!(!format!("{c:?}").contains("for-"));
        let c = credential(&http, Cloud::Public, AuthMethod::Token, &set).unwrap();
        assert_eq!(c.fetch().await.unwrap().access.expose(), "for-defender");
    }

    #[tokio::test]
    async fn the_sandbox_needs_no_sign_in_but_only_on_loopback() {
        let http = Fake::new(&[]);
        let c = credential(&http, Cloud::Sandbox, AuthMethod::Auto, &[]).unwrap();
        assert_eq!(c.fetch().await.unwrap().access.expose(), "sandbox");
        let mut hosts = AllowedHosts::default();
        hosts.add("h.example").unwrap();
        let elsewhere =
            Service::of(Api::Defender, Cloud::Sandbox, None, Some("https://h.example"), &hosts).unwrap();
        let c = Credential::over(
            http.clone(),
            http,
            AuthMethod::Token,
            &Identity::default(),
            Environment::default(),
            (&elsewhere).into(),
        );
        assert!(matches!(c, Err(AuthError::Missing { .. })));
    }

    #[test]
    fn what_is_missing_is_named() {
        let http = Fake::new(&[]);
        let missing = |method, set: &[(&str, &str)]| {
            credential(&http, Cloud::Public, method, set).unwrap_err().to_string()
        };
        let text =
            missing(AuthMethod::ClientSecret, &[("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", " ")]);
        assert!(text.contains("AZURE_TENANT_ID") && text.contains("AZURE_CLIENT_SECRET"), "{text}");
        assert!(!text.contains("AZURE_CLIENT_ID"), "{text}");
        assert!(missing(AuthMethod::Token, &[]).contains("CASEFILE_ACCESS_TOKEN"));
        assert!(missing(AuthMethod::ClientCertificate, &[]).contains("workload-identity"));
    }

    #[test]
    fn auto_remembers_why_the_others_were_not_tried() {
        let http = Fake::new(&[]);
        let c = credential(&http, Cloud::Public, AuthMethod::Auto, &SECRET).unwrap();
        let expected = [AuthMethod::ClientSecret, AuthMethod::AzureCli, AuthMethod::ManagedIdentity];
        assert_eq!(c.methods, expected);
        assert_eq!(c.skipped.len(), 4);
        let text = AuthError::NoneWorked { tried: c.skipped }.to_string();
        for name in ["`token`", "`workload-identity`", "`github-oidc`", "`azure-pipelines`"] {
            assert!(text.contains(name), "{text}");
        }
    }
}
