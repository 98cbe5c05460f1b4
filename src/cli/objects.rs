//! The way to object storage: names and secrets of the environment, and the client that carries requests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::MultipartStore;
use object_store::{ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use reqwest::Method;
use reqwest::header::{HeaderValue, IF_NONE_MATCH};
use url::Url;

use super::connect;
use super::context::{Context, Environment};
use super::exit::Error;
use crate::defender::{Network, http_client, is_loopback};
use crate::evidence::{Completion, Objects};
use crate::manifest::Project;
use crate::model::Advice;
use crate::model::location::{Bucket, Objects as Service};

/// A bucket that can be asked.
pub struct Connected {
    /// The store. Nothing is repeated by its client: every repetition has to be the protocol's.
    pub objects: Objects,
    /// Where requests go, if the environment says so.
    pub endpoint: String,
    /// True if requests stay on this machine.
    pub near: bool,
}

/// Finds the way to a bucket, for requests that take no longer than `bound`. Nothing is asked yet.
pub fn connect(
    ctx: &Context,
    project: &Project,
    bucket: &Bucket,
    bound: Duration,
) -> Result<Connected, Error> {
    let connector = Connector { bound, network: ctx.network(project)? };
    match bucket.service {
        Service::S3 => s3(ctx, bucket, connector),
        Service::Azure => azure(ctx, project, bucket, connector),
        Service::Google => google(ctx, bucket, connector),
    }
}

/// Every repetition has to be the protocol's.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn bad(bucket: &Bucket) -> impl Fn(object_store::Error) -> Error {
    move |e| Error::State {
        message: format!("{bucket} cannot be used: {e}"),
        next: Advice::say("correct the environment; docs/shared-state.md lists the names"),
    }
}

fn s3(ctx: &Context, bucket: &Bucket, connector: Connector) -> Result<Connected, Error> {
    let [family, _, _] = Environment::FAMILIES;
    let mut builder = AmazonS3Builder::new();
    for (key, value) in settings::<AmazonS3ConfigKey>(ctx, family) {
        builder = builder.with_config(key, value);
    }
    let named = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    let endpoint = named.iter().find_map(|key| builder.get_config_value(key));
    let (endpoint, near) = checked(endpoint)?;
    let store = builder
        .with_bucket_name(&bucket.name)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_allow_http(near)
        .with_http_connector(connector)
        .with_retry(no_retries())
        .build()
        .map_err(bad(bucket))?;
    Ok(Connected { objects: ways(store, Completion::Conditional), endpoint, near })
}

fn azure(
    ctx: &Context,
    project: &Project,
    bucket: &Bucket,
    connector: Connector,
) -> Result<Connected, Error> {
    let [_, family, _] = Environment::FAMILIES;
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in settings::<AzureConfigKey>(ctx, family) {
        builder = builder.with_config(key, value);
    }
    let emulator = builder.get_config_value(&AzureConfigKey::UseEmulator).is_some_and(|v| v == "true");
    let endpoint = match emulator {
        true => Some(ctx.inherited("AZURITE_BLOB_STORAGE_URL").unwrap_or("http://127.0.0.1:10000").into()),
        false => builder.get_config_value(&AzureConfigKey::Endpoint),
    };
    let own = [
        AzureConfigKey::AccessKey,
        AzureConfigKey::SasKey,
        AzureConfigKey::Token,
        AzureConfigKey::ClientSecret,
    ];
    if !emulator && own.iter().all(|key| builder.get_config_value(key).is_none()) {
        builder = builder.with_credentials(Arc::new(connect::storage_credential(ctx, project)?));
    }
    let account = builder.get_config_value(&AzureConfigKey::AccountName).unwrap_or_default();
    let (endpoint, near) = checked(endpoint)?;
    let store = builder
        .with_container_name(&bucket.name)
        .with_allow_http(near)
        .with_http_connector(connector)
        .with_retry(no_retries())
        .build()
        .map_err(bad(bucket))?;
    Ok(Connected {
        objects: ways(store, Completion::Copied),
        endpoint: format!("{endpoint} {account}"),
        near,
    })
}

fn google(ctx: &Context, bucket: &Bucket, connector: Connector) -> Result<Connected, Error> {
    let [_, _, family] = Environment::FAMILIES;
    let mut builder = GoogleCloudStorageBuilder::new();
    for (key, value) in settings::<GoogleConfigKey>(ctx, family) {
        builder = builder.with_config(key, value);
    }
    let (endpoint, near) = checked(builder.get_config_value(&GoogleConfigKey::BaseUrl))?;
    let options = ClientOptions::new().with_allow_http(near);
    let store = builder
        .with_bucket_name(&bucket.name)
        .with_client_options(options)
        .with_http_connector(connector)
        .with_retry(no_retries())
        .build()
        .map_err(bad(bucket))?;
    Ok(Connected { objects: ways(store, Completion::Copied), endpoint, near })
}

/// Both ways to one store.
fn ways(store: impl ObjectStore + MultipartStore, completion: Completion) -> Objects {
    let store = Arc::new(store);
    Objects { store: store.clone(), pieces: store, completion }
}

/// The variables of the environment that are settings of a store.
fn settings<'a, K: std::str::FromStr>(
    ctx: &'a Context,
    family: &'static str,
) -> impl Iterator<Item = (K, &'a str)> {
    let family = ctx.inherited_family(family);
    family.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
}

/// Returns an endpoint, and whether it is on this machine. Plain http goes nowhere else.
fn checked(endpoint: Option<String>) -> Result<(String, bool), Error> {
    let Some(endpoint) = endpoint else { return Ok((String::new(), false)) };
    let url = Url::parse(&endpoint).ok().filter(|u| u.username().is_empty() && u.password().is_none());
    let near = url.as_ref().is_some_and(is_loopback);
    match url {
        Some(url) if url.scheme() == "https" || near => Ok((endpoint, near)),
        _ => Err(Error::State {
            message: "the endpoint of the object storage is no https address".into(),
            next: Advice::say(
                "correct it in the environment: https://HOST, or http on this machine; without a user in it",
            ),
        }),
    }
}

/// Our HTTP client instead of the library's: no redirects, no repetitions, bounded in time, plain http where it was allowed.
#[derive(Clone, Debug)]
struct Connector {
    bound: Duration,
    network: Network,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|v| v == "true");
        let client = http_client(self.bound, plain, self.network.clone());
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Generic {
            store: "object storage",
            source: e,
        };
        let client = HttpClient::new(client.map_err(|e| failed(e.into()))?);
        Ok(HttpClient::new(CreateOnly(client)))
    }
}

/// Adds to the request that puts the pieces of an upload together the condition that nothing lies there yet. The library
/// sends it with its own copies alone. As there, it is no part of what is signed, which S3 asks of other headers.
#[derive(Debug)]
struct CreateOnly(HttpClient);

#[async_trait]
impl HttpService for CreateOnly {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        if request.method() == Method::POST && query.split('&').any(|pair| pair.starts_with("uploadId=")) {
            request.headers_mut().insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        self.0.execute(request).await
    }
}
