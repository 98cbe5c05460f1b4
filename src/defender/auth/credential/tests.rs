//! The requests that each credential makes, by a network that answers from a list.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::process::{ExitStatus, Output};

use super::*;
use crate::defender::AllowedHosts;
use crate::defender::auth::Tokens;
use azure_core::Bytes;
use azure_core::http::headers::Headers;
use azure_core::http::request::{Body, Request};
use azure_core::http::{AsyncRawResponse, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Mutex;

/// Answers from a list and keeps what it was asked.
struct Fake {
    asked: Mutex<Vec<(String, String)>>,
    answers: Mutex<Vec<(u16, &'static str)>>,
}

impl fmt::Debug for Fake {
    /// The requests hold the secret, and are no matter of the credential's.
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

fn at() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
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
    assert_eq!(c.fetch(at()).await.unwrap().access.expose(), "TOKEN-1");
    assert_eq!(c.fetch(at()).await.unwrap().access.expose(), "TOKEN-2", "no cache below ours");
    let (url, body) = http.asked().remove(0);
    assert_eq!(url, "https://login.microsoftonline.us/t-1/oauth2/v2.0/token");
    assert!(body.contains("scope=https%3A%2F%2Fapi-gov.securitycenter.microsoft.us%2F.default"), "{body}");
    assert!(body.contains("client_id=c-1"));
    assert!(!format!("{c:?}").contains("geheim"));
}

#[tokio::test]
async fn a_refusal_names_the_method_and_not_the_secret() {
    let refusal = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}"#;
    let http = Fake::new(&[(401, refusal)]);
    let c = credential(&http, Cloud::Public, AuthMethod::ClientSecret, &SECRET).unwrap();
    let error = c.fetch(at()).await.unwrap_err();
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
    assert_eq!(c.fetch(at()).await.unwrap().access.expose(), "TOKEN-1");
    let asked = http.asked();
    assert_eq!(asked[0].0, "https://runner.example/token?v=1&audience=api%3A%2F%2FAzureADTokenExchange");
    assert!(asked[1].1.contains("client_assertion=JOB-TOKEN"));
}

#[tokio::test]
async fn a_given_token_goes_first_and_is_all_there_is() {
    let http = Fake::new(&[]);
    let set: Vec<_> = SECRET.into_iter().chain([("CASEFILE_ACCESS_TOKEN", " abc\n")]).collect();
    let c = credential(&http, Cloud::Public, AuthMethod::Auto, &set).unwrap();
    assert_eq!(c.fetch(at()).await.unwrap().access.expose(), "abc");
    assert_eq!(c.method(), Some(AuthMethod::Token));
    assert!(!c.renewable());
    assert!(!format!("{c:?}").contains("abc"));
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
        c.fetch(at()).await.unwrap().access.expose(),
        "TOKEN-1",
        "the next method, with Graph's scope"
    );
    assert!(http.asked()[0].1.contains("scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"));
    let set = [given, ("CASEFILE_GRAPH_TOKEN", "for-graph")];
    let c = over(&http, AuthMethod::Auto, &set).unwrap();
    assert_eq!(c.fetch(at()).await.unwrap().access.expose(), "for-graph");
    assert!(!format!("{c:?}").contains("for-"));
    let c = credential(&http, Cloud::Public, AuthMethod::Token, &set).unwrap();
    assert_eq!(c.fetch(at()).await.unwrap().access.expose(), "for-defender");
}

#[tokio::test]
async fn the_sandbox_needs_no_sign_in_but_only_on_loopback() {
    let http = Fake::new(&[]);
    let c = credential(&http, Cloud::Sandbox, AuthMethod::Auto, &[]).unwrap();
    assert_eq!(c.fetch(at()).await.unwrap().access.expose(), "sandbox");
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
    let missing =
        |method, set: &[(&str, &str)]| credential(&http, Cloud::Public, method, set).unwrap_err().to_string();
    let text = missing(AuthMethod::ClientSecret, &[("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", " ")]);
    assert!(text.contains("AZURE_TENANT_ID") && text.contains("AZURE_CLIENT_SECRET"), "{text}");
    assert!(!text.contains("AZURE_CLIENT_ID"), "{text}");
    assert!(missing(AuthMethod::Token, &[]).contains("CASEFILE_ACCESS_TOKEN"));
    assert!(missing(AuthMethod::ClientCertificate, &[]).contains("AZURE_CLIENT_CERTIFICATE_PATH"));
}

#[test]
fn auto_remembers_why_the_others_were_not_tried() {
    let http = Fake::new(&[]);
    let c = credential(&http, Cloud::Public, AuthMethod::Auto, &SECRET).unwrap();
    let expected = [AuthMethod::ClientSecret, AuthMethod::AzureCli, AuthMethod::ManagedIdentity];
    assert_eq!(c.methods, expected);
    assert_eq!(c.skipped.len(), 5);
    let text = AuthError::NoneWorked { tried: c.skipped }.to_string();
    for name in
        ["`token`", "`client-certificate`", "`workload-identity`", "`github-oidc`", "`azure-pipelines`"]
    {
        assert!(text.contains(name), "{text}");
    }
}

/// The fields of a form.
fn form(body: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn claims(jwt: &str) -> serde_json::Value {
    let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn a_certificate_signs_each_assertion_for_the_clouds_own_authority() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/client-rsa.pem");
    let set =
        [("AZURE_TENANT_ID", "t-1"), ("AZURE_CLIENT_ID", "c-1"), ("AZURE_CLIENT_CERTIFICATE_PATH", path)];
    for (cloud, url, scope) in [
        (
            Cloud::Public,
            "https://login.microsoftonline.com/t-1/oauth2/v2.0/token",
            "https://api.securitycenter.microsoft.com/.default",
        ),
        (
            Cloud::Dod,
            "https://login.microsoftonline.us/t-1/oauth2/v2.0/token",
            "https://api-gov.securitycenter.microsoft.us/.default",
        ),
    ] {
        let http = Fake::new(&[(200, REPLY), (200, AGAIN)]);
        let c = credential(&http, cloud, AuthMethod::Auto, &set).unwrap();
        let later = at() + jiff::SignedDuration::from_hours(1);
        assert_eq!(c.fetch(at()).await.unwrap().access.expose(), "TOKEN-1");
        assert_eq!(c.fetch(later).await.unwrap().access.expose(), "TOKEN-2");
        assert_eq!(c.method(), Some(AuthMethod::ClientCertificate));
        let asked = http.asked();
        let forms = [form(&asked[0].1), form(&asked[1].1)];
        assert_eq!((asked[0].0.as_str(), forms[0]["scope"].as_str()), (url, scope));
        assert_eq!(
            forms[0]["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        let signed = forms.each_ref().map(|f| claims(&f["client_assertion"]));
        assert_eq!(signed[0]["aud"], url);
        assert_eq!([&signed[0]["iat"], &signed[1]["iat"]], [at().as_second(), later.as_second()]);
        assert_ne!(signed[0]["jti"], signed[1]["jti"]);
        assert!(!format!("{c:?}").contains("BEGIN"), "{c:?}");
    }
}

#[tokio::test]
async fn an_assertion_is_minted_anew_for_each_renewal() {
    let http = Fake::new(&[
        (200, r#"{"value":"JOB-1"}"#),
        (200, REPLY),
        (200, r#"{"value":"JOB-2"}"#),
        (200, AGAIN),
    ]);
    let set = [
        ("AZURE_TENANT_ID", "t-1"),
        ("AZURE_CLIENT_ID", "c-1"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://runner.example/token?v=1"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "geheim"),
    ];
    let c = credential(&http, Cloud::GccHigh, AuthMethod::GithubOidc, &set).unwrap();
    let tokens = Tokens::new(Arc::new(c));
    let first = tokens.get(at()).await.unwrap();
    // The library dates the end of a token by the computer's clock, so it is the refusal that renews it here.
    let second = tokens.renew(&first, at()).await.unwrap().unwrap();
    assert_eq!((first.expose(), second.expose()), ("TOKEN-1", "TOKEN-2"));
    let asked = http.asked();
    let assertions = [1, 3].map(|n: usize| form(&asked[n].1)["client_assertion"].clone());
    assert_eq!(assertions, ["JOB-1", "JOB-2"]);
    assert!(asked[3].0.starts_with("https://login.microsoftonline.us/"));
}

#[tokio::test]
async fn a_metadata_service_is_asked_for_the_resource_of_the_cloud() {
    const ANSWER: &str =
        r#"{"access_token":"TOKEN-1","expires_on":"1800000000","token_type":"Bearer","resource":"r"}"#;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sign-in.md")).unwrap();
    for (cloud, client, query) in [
        (Cloud::Public, &[][..], "resource=https%3A%2F%2Fapi.securitycenter.microsoft.com"),
        (
            Cloud::GccHigh,
            &[("AZURE_CLIENT_ID", "CLIENT")][..],
            "resource=https%3A%2F%2Fapi-gov.securitycenter.microsoft.us&client_id=CLIENT",
        ),
    ] {
        let http = Fake::new(&[(200, ANSWER)]);
        let c = credential(&http, cloud, AuthMethod::ManagedIdentity, client).unwrap();
        let token = c.fetch(at()).await.unwrap();
        assert_eq!(token.expires.unwrap().as_second(), 1_800_000_000);
        let url =
            format!("http://169.254.169.254/metadata/identity/oauth2/token?api-version=2019-08-01&{query}");
        assert_eq!(http.asked(), [(url.clone(), String::new())]);
        let path = url.strip_prefix("http://169.254.169.254").unwrap();
        assert!(page.contains(&format!("GET {path}\n")), "docs/sign-in.md lacks {path}");
    }
}

/// A network in which nobody answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl HttpClient for Silent {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        std::future::pending().await
    }
}

fn silent(method: AuthMethod, set: &[(&str, &str)]) -> Credential {
    let service = Service::new(Cloud::Public, None, None).unwrap();
    let (identity, environment) = (Identity::default(), environment(set));
    let http = Arc::new(Silent);
    Credential::over(http.clone(), http, method, &identity, environment, (&service).into()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_service_that_is_silent_is_told_with_host_and_proxy() {
    let set: Vec<_> =
        SECRET.into_iter().chain([("HTTPS_PROXY", "http://u:geheim@proxy.corp:3128")]).collect();
    let error = silent(AuthMethod::ClientSecret, &set).fetch(at()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "auth method `client-secret` failed: login.microsoftonline.com, through the proxy proxy.corp:3128 of \
         HTTPS_PROXY: no answer in time"
    );
    assert!(matches!(error, AuthError::Unreachable { cause: Hindrance::NoAnswer, .. }));
}

/// An Azure CLI that gives a token after so long, by the clock of the test.
#[derive(Debug)]
struct SlowCli(Duration);

#[async_trait]
impl Executor for SlowCli {
    async fn run(&self, _: &OsStr, _: &[&OsStr]) -> std::io::Result<Output> {
        tokio::time::sleep(self.0).await;
        let reply = r#"{"accessToken":"OF-AZ","expires_on":32503680000,"tokenType":"Bearer"}"#;
        Ok(Output { status: ExitStatus::default(), stdout: reply.into(), stderr: Vec::new() })
    }
}

/// The same credential on a computer whose Azure CLI takes so many seconds.
fn with_cli(mut credential: Credential, seconds: u64) -> Credential {
    let cli = Arc::new(SlowCli(Duration::from_secs(seconds)));
    Arc::get_mut(&mut credential.shared).unwrap().programs = cli;
    credential
}

#[tokio::test(start_paused = true)]
async fn nothing_set_up_is_told_within_three_seconds() {
    let c = with_cli(silent(AuthMethod::Auto, &[]), 3600);
    let began = tokio::time::Instant::now();
    let error = c.fetch(at()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let text = error.to_string();
    for name in
        ["azure-cli", "managed-identity", "workload-identity", "client-secret", "client-certificate", "token"]
    {
        assert!(text.contains(&format!("`{name}`")), "{name}: {text}");
    }
    let cli = "az did not answer in 2.5 s and was ended; auth.method: azure-cli waits for a minute";
    assert!(text.contains(cli), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_azure_cli_is_waited_for_where_somebody_has_signed_in_by_it_or_names_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("azureProfile.json"), r#"{"subscriptions":[{"id":"s"}]}"#).unwrap();
    let signed_in = [("AZURE_CONFIG_DIR", dir.path().to_str().unwrap())];
    for (method, set, seconds, answers) in [
        (AuthMethod::Auto, &[][..], 2, true),
        (AuthMethod::Auto, &[], 3, false),
        (AuthMethod::Auto, &signed_in, 50, true),
        (AuthMethod::Auto, &signed_in, 61, false),
        (AuthMethod::AzureCli, &[], 50, true),
        (AuthMethod::AzureCli, &[], 61, false),
    ] {
        let c = with_cli(silent(method, set), seconds);
        match c.fetch(at()).await {
            Ok(token) => {
                assert!(answers && token.access.expose() == "OF-AZ", "{method} {seconds}");
                assert_eq!(c.method(), Some(AuthMethod::AzureCli));
            }
            Err(e) => {
                assert!(!answers, "{method} {seconds}: {e}");
                let waited = if seconds == 3 { "in 2.5 s" } else { "in 60 s" };
                assert!(e.to_string().contains(&format!("az did not answer {waited}")), "{e}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_azure_cli_counts_before_the_metadata_service_whichever_answers_first() {
    const ANSWER: &str =
        r#"{"access_token":"OF-THE-HOST","expires_on":"1800000000","token_type":"Bearer","resource":"r"}"#;
    for (seconds, method, token) in
        [(1, AuthMethod::AzureCli, "OF-AZ"), (3600, AuthMethod::ManagedIdentity, "OF-THE-HOST")]
    {
        let http = Fake::new(&[(200, ANSWER)]);
        let c = with_cli(credential(&http, Cloud::Public, AuthMethod::Auto, &[]).unwrap(), seconds);
        assert_eq!(c.fetch(at()).await.unwrap().access.expose(), token);
        assert_eq!(c.method(), Some(method));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_service_says_about_itself_is_no_refusal() {
    let trouble =
        r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033: A transient error"}"#;
    let http = Fake::new(&[(503, trouble), (503, trouble), (503, trouble)]);
    let c = credential(&http, Cloud::Public, AuthMethod::ClientSecret, &SECRET).unwrap();
    let error = c.fetch(at()).await.unwrap_err();
    assert!(matches!(error, AuthError::Unreachable { cause: Hindrance::Unavailable(None), .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("login.microsoftonline.com: status 503: AADSTS90033"), "{text}");
    let http = Fake::new(&[(200, "{}")]);
    let c = credential(&http, Cloud::Public, AuthMethod::ClientSecret, &SECRET).unwrap();
    let text = c.fetch(at()).await.unwrap_err().to_string();
    assert!(text.ends_with("holds no access_token"), "{text}");
}

#[tokio::test]
async fn a_token_in_a_file_is_another_one_once_the_file_is() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "one").unwrap();
    let named = format!("@{}", file.path().display());
    let http = Fake::new(&[]);
    let c = credential(&http, Cloud::Dod, AuthMethod::Token, &[("CASEFILE_ACCESS_TOKEN", &named)]).unwrap();
    let tokens = Tokens::new(Arc::new(c));
    let first = tokens.get(at()).await.unwrap();
    assert_eq!(tokens.renew(&first, at()).await.unwrap(), None, "the file holds the refused one");
    std::fs::write(file.path(), "two").unwrap();
    let second = tokens.renew(&first, at()).await.unwrap().unwrap();
    assert_eq!((first.expose(), second.expose()), ("one", "two"));
}
