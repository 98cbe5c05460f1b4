//! Each credential: the exact requests, in the public cloud and in a sovereign one, and what follows when a token is
//! refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::document::{self, shown};
use crate::lab::{BY_SECRET, CLIENT, Lab};
use crate::server::{Reply, Request, Server, TENANT, everybody, tls};

/// Cloud, sign-in host, and scope in a form.
const CLOUDS: [(&str, &str, &str); 2] = [
    ("public", "login.microsoftonline.com", "https%3A%2F%2Fapi.securitycenter.microsoft.com%2F.default"),
    ("gcc-high", "login.microsoftonline.us", "https%3A%2F%2Fapi-gov.securitycenter.microsoft.us%2F.default"),
];

const FORM: [&str; 1] = ["content-type"];

fn spec(cloud: &str, method: &str) -> String {
    format!(
        "{{ defender: {{ cloud: {cloud} }}, auth: {{ method: {method}, tenantId: {TENANT}, clientId: {CLIENT} }} }}"
    )
}

/// The text of a request in the public cloud, as another one has it.
fn in_cloud(text: &str, login: &str, scope: &str) -> String {
    text.replace(CLOUDS[0].1, login).replace(CLOUDS[0].2, scope)
}

/// Runs a plan in both clouds by a method; gives what was sent before the first call of the API, in the public cloud.
#[track_caller]
fn signs_in(method: &str, env: &[(&str, &str)], names: &[(&str, &str)]) -> Vec<Request> {
    let mut first = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    for (cloud, login, scope) in CLOUDS {
        let lab = Lab::new();
        lab.run(&spec(cloud, method), &["plan"], env).succeeds();
        let mut seen = lab.server.seen();
        seen.retain(|r| !r.line.contains(" /api/"));
        let shown: Vec<String> = seen.iter().map(|r| shown(r, headers(r), &names_of(&seen, names))).collect();
        if texts.is_empty() {
            (texts, first) = (shown, seen);
        } else {
            let expected: Vec<String> = texts.iter().map(|t| in_cloud(t, login, scope)).collect();
            assert_eq!(shown, expected, "the same in {cloud}, but for sign-in host and scope");
        }
    }
    document::holds(&texts.concat().replace("\nPOST /TENANT", "\n\nPOST /TENANT"));
    first
}

fn headers(request: &Request) -> &'static [&'static str] {
    match request.header("authorization") {
        "" => &FORM,
        _ if request.line.starts_with("POST ") => {
            &["authorization", "x-tfs-fedauthredirect", "content-length"]
        }
        _ => &["authorization"],
    }
}

/// Assertions are signed anew each time.
fn names_of<'a>(seen: &'a [Request], names: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let of_form = |r: &'a Request| {
        r.body.split('&').find_map(|f| f.strip_prefix("client_assertion=")).map(|a| (a, "ASSERTION"))
    };
    seen.iter().filter_map(of_form).chain(names.iter().copied()).collect()
}

#[test]
fn a_client_secret() {
    let [token] = signs_in("client-secret", &BY_SECRET, &[]).try_into().unwrap();
    assert!(token.is_for_token());
}

#[test]
fn a_client_certificate_signs_an_assertion() {
    let path = tls("client-rsa.pem");
    let [token] =
        signs_in("client-certificate", &[("AZURE_CLIENT_CERTIFICATE_PATH", &path)], &[]).try_into().unwrap();
    let assertion = token.field("client_assertion").unwrap();
    let parts: Vec<serde_json::Value> = assertion
        .split('.')
        .take(2)
        .map(|p| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(p).unwrap()).unwrap())
        .collect();
    let (header, claims) = (&parts[0], &parts[1]);
    assert_eq!(header["alg"], "PS256");
    let audience = format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token");
    assert_eq!(
        [&claims["aud"], &claims["iss"], &claims["sub"]],
        [&json!(audience), &json!(CLIENT), &json!(CLIENT)]
    );
    let life = claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap();
    assert_eq!(life, 600);
}

#[test]
fn a_certificate_comes_as_pem_or_pfx_with_a_password_or_without() {
    let mut thumbprints = Vec::new();
    for (file, password) in [
        ("client-rsa.pem", ""),
        ("client-locked.pem", "geheim"),
        ("client.pfx", "geheim"),
        ("client-windows.pfx", "geheim"),
        ("client-chain.pfx", "gehéim€"),
        ("client-open-windows.pfx", ""),
        ("client-no-mac.pfx", "geheim"),
    ] {
        let lab = Lab::new();
        let path = tls(file);
        let env =
            [("AZURE_CLIENT_CERTIFICATE_PATH", &*path), ("AZURE_CLIENT_CERTIFICATE_PASSWORD", password)];
        lab.run(&spec("public", "client-certificate"), &["plan"], &env).succeeds();
        let [token] = lab.server.token_requests().try_into().unwrap();
        let header = token.field("client_assertion").unwrap();
        let header = URL_SAFE_NO_PAD.decode(header.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        thumbprints.push(header["x5t#S256"].clone());
    }
    thumbprints.dedup();
    assert_eq!(thumbprints.len(), 1, "one certificate, however it is written: {thumbprints:?}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_with_what_to_do() {
    let lab = Lab::new();
    let spec = spec("public", "client-certificate");
    for (file, password, part) in [
        ("client.pfx", "", "it has a password, and AZURE_CLIENT_CERTIFICATE_PASSWORD is not set"),
        ("client.pfx", "s3cret", "AZURE_CLIENT_CERTIFICATE_PASSWORD is not its password"),
        ("client-no-mac.pfx", "s3cret", "AZURE_CLIENT_CERTIFICATE_PASSWORD is not its password"),
        ("client-rc4.pfx", "geheim", "openssl pkcs12 -legacy -in"),
        ("client-ec.pem", "", "Entra ID takes certificates with RSA keys only"),
        ("client-locked.pem", "", "its key has a password"),
    ] {
        let path = tls(file);
        let env =
            [("AZURE_CLIENT_CERTIFICATE_PATH", &*path), ("AZURE_CLIENT_CERTIFICATE_PASSWORD", password)];
        lab.run(&spec, &["plan"], &env).fails_with(&["`client-certificate` failed", file, part]);
    }
    lab.run(&spec, &["plan"], &[]).fails_with(&["`client-certificate` needs AZURE_CLIENT_CERTIFICATE_PATH"]);
    assert!(lab.server.seen().is_empty() && lab.proxy.heads().is_empty(), "nobody was asked");
}

#[test]
fn a_workload_identity_sends_the_token_of_its_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "assertion-of-the-cluster").unwrap();
    let path = file.path().to_str().unwrap();
    let [token] =
        signs_in("workload-identity", &[("AZURE_FEDERATED_TOKEN_FILE", path)], &[]).try_into().unwrap();
    assert_eq!(token.field("client_assertion").unwrap(), "assertion-of-the-cluster");
}

const GITHUB: [(&str, &str); 2] = [
    (
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "https://pipelines.actions.githubusercontent.com/J0B/idtoken?api-version=2.0",
    ),
    ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "eyJ-of-the-job"),
];

#[test]
fn a_job_of_github_asks_for_its_assertion_first() {
    let [job, token] =
        signs_in("github-oidc", &GITHUB, &[("eyJ-of-the-job", "JOB-TOKEN")]).try_into().unwrap();
    assert_eq!(job.header("authorization"), "Bearer eyJ-of-the-job");
    assert_eq!(token.field("client_assertion").unwrap(), "assertion-0");
}

const PIPELINE: [(&str, &str); 3] = [
    (
        "SYSTEM_OIDCREQUESTURI",
        "https://dev.azure.com/contoso/_apis/distributedtask/hubs/build/plans/PLAN/jobs/JOB/oidctoken",
    ),
    ("SYSTEM_ACCESSTOKEN", "eyJ-of-the-job"),
    ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "CONNECTION"),
];

#[test]
fn a_job_of_azure_pipelines_asks_for_its_assertion_first() {
    let [job, token] =
        signs_in("azure-pipelines", &PIPELINE, &[("eyJ-of-the-job", "JOB-TOKEN")]).try_into().unwrap();
    assert_eq!(job.header("authorization"), "Bearer eyJ-of-the-job");
    assert_eq!(token.field("client_assertion").unwrap(), "assertion-0");
}

/// Refuses the first token that the API is shown, and takes every other.
fn refusing_the_first(n: usize, request: &Request) -> Reply {
    static FIRST: std::sync::Mutex<Option<String>> = std::sync::Mutex::new(None);
    if request.line.contains(" /api/") {
        let mut first = FIRST.lock().unwrap();
        let bearer = request.header("authorization").to_owned();
        if *first.get_or_insert_with(|| bearer.clone()) == bearer {
            return Reply("401 Unauthorized", "application/json", "{}".to_owned());
        }
    }
    everybody(n, request)
}

#[test]
fn a_refused_token_is_renewed_once_with_an_assertion_that_is_minted_anew() {
    let lab = Lab::over(Server::start("127.0.0.1:0", rustls::DEFAULT_VERSIONS, refusing_the_first));
    lab.run(&spec("dod", "azure-pipelines"), &["plan"], &PIPELINE).succeeds();
    let assertions: Vec<_> =
        lab.server.token_requests().iter().map(|r| r.field("client_assertion").unwrap()).collect();
    assert_eq!(assertions.len(), 2, "one renewal");
    assert_ne!(assertions[0], assertions[1]);
}

#[test]
fn a_managed_identity_of_app_service_is_asked_on_this_machine() {
    for (cloud, resource) in [
        ("public", "https%3A%2F%2Fapi.securitycenter.microsoft.com"),
        ("gcc", "https%3A%2F%2Fapi-gcc.securitycenter.microsoft.us"),
    ] {
        let host = Server::plain(|_, _| {
            Reply::json(&json!({
                "access_token": crate::server::token("of-the-host", "x"), "expires_on": "4000000000",
                "token_type": "Bearer", "resource": "x",
            }))
        });
        let lab = Lab::new();
        let endpoint = format!("http://{}/msi/token", host.address);
        let env = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "eyJ-of-the-host")];
        lab.run(&spec(cloud, "managed-identity"), &["plan"], &env).succeeds();
        let [request] = host.seen().try_into().unwrap();
        assert_eq!(
            request.line,
            format!("GET /msi/token?api-version=2019-08-01&resource={resource}&client_id={CLIENT} HTTP/1.1")
        );
        assert_eq!(request.header("x-identity-header"), "eyJ-of-the-host");
        assert!(lab.server.token_requests().is_empty());
        if cloud == "public" {
            document::holds(&shown(
                &request,
                &["metadata", "x-identity-header"],
                &[(&host.address.to_string(), "127.0.0.1:PORT"), ("eyJ-of-the-host", "IDENTITY_HEADER")],
            ));
        }
    }
}

#[test]
fn a_host_whose_identity_cannot_be_asked_is_named() {
    let lab = Lab::new();
    for (name, env) in [
        (
            "Azure Arc",
            &[("IDENTITY_ENDPOINT", "http://127.0.0.1:1/x"), ("IMDS_ENDPOINT", "http://127.0.0.1:1")][..],
        ),
        ("CloudShell", &[("MSI_ENDPOINT", "http://127.0.0.1:1/x")]),
    ] {
        lab.run(&spec("public", "managed-identity"), &["plan"], env).fails_with(&[
            &format!("{name} managed identity isn't supported"),
            "sign in with client-certificate or workload-identity there",
        ]);
    }
}

#[test]
fn the_azure_cli_is_asked_for_the_scope_of_the_cloud() {
    let mut commands = Vec::new();
    for (cloud, _, scope) in CLOUDS {
        let lab = Lab::new();
        lab.azure_cli();
        lab.run(&spec(cloud, "azure-cli"), &["plan"], &[]).succeeds();
        assert!(lab.server.token_requests().is_empty());
        assert_eq!(lab.server.seen()[0].header("authorization"), "Bearer of-az");
        let scope = scope.replace("%3A", ":").replace("%2F", "/");
        let command = format!("az account get-access-token -o json --scope {scope} --tenant {TENANT}\n");
        assert_eq!(lab.read("az.txt"), command);
        commands.push(command);
    }
    document::holds(&commands[0].replace(TENANT, "TENANT"));
}

#[test]
fn a_ready_made_token_comes_in_a_variable_a_file_or_a_pipe() {
    for cloud in ["public", "dod"] {
        let spec = spec(cloud, "token");
        let lab = Lab::new();
        lab.write("token", "of-the-file\n");
        let file = format!("@{}", lab.path("token").display());
        for (value, stdin, bearer) in [
            ("of-the-variable", "", "of-the-variable"),
            (&file, "", "of-the-file"),
            ("-", "of-the-pipe\n", "of-the-pipe"),
        ] {
            let before = lab.server.seen().len();
            lab.piped(&spec, &["plan"], &[("CASEFILE_ACCESS_TOKEN", value)], stdin).succeeds();
            let call = &lab.server.seen()[before];
            assert_eq!(call.header("authorization"), format!("Bearer {bearer}"));
        }
        assert!(lab.server.token_requests().is_empty());
    }
}

#[test]
fn a_token_in_a_file_is_read_again_when_it_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "used-up").unwrap();
    let path = file.path().to_owned();
    let lab = Lab::over(Server::start("127.0.0.1:0", rustls::DEFAULT_VERSIONS, move |n, request| {
        if request.header("authorization") == "Bearer used-up" {
            // Somebody else renews it.
            std::fs::write(&path, "renewed").unwrap();
            return Reply("401 Unauthorized", "application/json", "{}".to_owned());
        }
        everybody(n, request)
    }));
    let named = format!("@{}", file.path().display());
    lab.run(&spec("public", "token"), &["plan"], &[("CASEFILE_ACCESS_TOKEN", &named)]).succeeds();
    assert_eq!(lab.server.seen().last().unwrap().header("authorization"), "Bearer renewed");
}

#[test]
fn a_pipe_holds_one_token_or_a_query() {
    let lab = Lab::new();
    let spec = spec("public", "token");
    let name = "CASEFILE_ACCESS_TOKEN";
    lab.piped(&spec, &["plan"], &[(name, "-")], " \n").fails_with(&[name, "is -, and stdin holds nothing"]);
    lab.piped(&spec, &["plan"], &[(name, "-"), ("CASEFILE_GRAPH_TOKEN", "-")], "t")
        .fails_with(&["CASEFILE_GRAPH_TOKEN", "is - like CASEFILE_ACCESS_TOKEN, and stdin holds one token"]);
    lab.piped(&spec, &["hunt", "-"], &[(name, "-")], "t").fails_with(&[name, "stdin holds the query"]);
    let missing = lab.path("nothing").display().to_string();
    lab.run(&spec, &["plan"], &[(name, &format!("@{missing}"))])
        .fails_with(&[&format!("{name} names the file {missing}, which cannot be read")]);
    assert!(lab.server.seen().is_empty());
}

#[test]
fn where_nothing_is_set_up_what_was_tried_is_named() {
    let host = Server::plain(|_, _| Reply("404 Not Found", "text/plain", String::new()));
    let endpoint = format!("http://{}/msi/token", host.address);
    let env = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "x")];
    let lab = Lab::new();
    lab.run("{}", &["plan"], &env).fails_with(&[
        "nobody is signed in",
        "tried azure-cli, managed-identity; not set up: token, client-secret, client-certificate, workload-identity, \
         github-oidc, azure-pipelines",
        "next: az login",
    ]);
    assert!(lab.server.seen().is_empty());
}

#[test]
fn an_azure_cli_that_does_not_answer_is_ended_and_named() {
    let host = Server::plain(|_, _| Reply("404 Not Found", "text/plain", String::new()));
    let endpoint = format!("http://{}/msi/token", host.address);
    let env = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "x")];
    let lab = Lab::new();
    let (alive, never) = (lab.path("alive"), lab.path("never"));
    for pipe in [&alive, &never] {
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    }
    // It holds one pipe for as long as it is there, and waits for somebody who never comes at the other one.
    lab.program("az", &format!("exec 3>'{}'\nread -r word <'{}'\n", alive.display(), never.display()));
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let run = lab.run("{}", &["plan"], &env);
            // Where it was ended before it came to its first line, nobody else has opened the pipe.
            drop(std::fs::OpenOptions::new().read(true).write(true).open(&alive));
            run
        });
        // This ends with the last program that holds the pipe.
        std::fs::read(&alive).unwrap();
        run.join().unwrap()
    });
    run.fails_with(&[
        "nobody is signed in",
        "az did not answer in 2.5 s and was ended; auth.method: azure-cli waits for a minute",
        "tried azure-cli, managed-identity; not set up: token, ",
    ]);
}
