//! The transport over the network.
//!
//! Redirects are not followed (the token would travel along), nothing is repeated, bodies are read up to
//! a limit. A call counts as not sent only if no connection came about. This is the one place where a token is put on
//! a request, and it asks whether the request's host may have it.

use std::error::Error as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{self, HeaderMap, HeaderValue};
use tracing::trace;
use url::Url;

use super::authorities::Authorities;
use super::cloud::Service;
use super::hosts::place;
use super::transport::{ERROR_BODY_LIMIT, HttpAnswer, HttpCall, Transport, TransportError};
use super::wire::bounded;
use crate::model::Hindrance;

/// Settings of the way to services. The proxy itself is the HTTP client's business, which reads its variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The certificate authorities that are trusted beside those of this computer.
    pub authorities: Authorities,
    /// True where no proxy is used whatever its variables say: see [`is_direct`].
    pub direct: bool,
}

/// Settings of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// How long a connection may take, name look-up and TLS included.
    pub connect_timeout: Duration,
    /// How long a whole call may take, until the last byte of its answer.
    pub timeout: Duration,
    /// The way there.
    pub network: Network,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            network: Network::default(),
        }
    }
}

/// The HTTP client cannot be made: no usable TLS set-up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client: {0}")]
pub struct BuildError(String);

/// Calls a service over HTTP. The client is made for the first call: many a plan needs none, and the machine's
/// certificates take a while to read.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: OnceLock<reqwest::Client>,
    options: HttpOptions,
    service: Service,
    /// The proxy on the way, for messages.
    proxy: Option<String>,
    /// Whether the service is on this machine, and whether over http.
    local: bool,
    plain: bool,
    /// The base's own path.
    prefix: String,
}

impl HttpTransport {
    /// A transport to one service. Plain http only if the service is on loopback.
    pub fn new(service: &Service, options: HttpOptions) -> Self {
        HttpTransport {
            client: OnceLock::new(),
            options,
            service: service.clone(),
            proxy: None,
            local: service.is_loopback(),
            plain: service.base().scheme() == "http",
            prefix: service.base().path().trim_end_matches('/').to_owned(),
        }
    }

    /// The same, with the proxy that is on its way: a failed connection is told with it.
    pub fn through(self, proxy: Option<String>) -> Self {
        HttpTransport { proxy, ..self }
    }

    fn client(&self) -> Result<&reqwest::Client, BuildError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut builder = builder(&self.options).https_only(!self.local);
        if self.local {
            // Whatever a resolver says of that name, it means this machine.
            let here = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            builder = builder.resolve_to_addrs("localhost", &here.map(|ip| SocketAddr::new(ip, 0)));
        }
        if self.plain {
            builder = plain(builder);
        } else if self.local {
            builder = builder.no_proxy();
        }
        let client = built(builder)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// The one way HTTP clients are made here.
pub(super) fn builder(options: &HttpOptions) -> reqwest::ClientBuilder {
    // The first one counts; a second install is refused and changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder()
        .user_agent(concat!("casefile/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // The default repeats calls that HTTP/2 servers refuse; every repetition has to be ours.
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        // Shorter than the idle limits of usual front ends: a connection closed while a call is being
        // written would leave an unknown outcome.
        .pool_idle_timeout(Duration::from_secs(30));
    let Network { authorities, direct } = &options.network;
    let builder = if *direct { builder.no_proxy() } else { builder };
    // Where none is added the system's own verifier is left as it is.
    if authorities.is_empty() {
        return builder;
    }
    builder.tls_certs_merge(authorities.certificates())
}

/// Returns a client for another service than Defender: no redirects and no repetitions either. `plain` is for this machine and
/// the metadata services next door.
///
/// # Errors
/// No usable TLS set-up on this machine.
pub fn http_client(
    timeout: Duration,
    plain_http: bool,
    network: Network,
) -> Result<reqwest::Client, BuildError> {
    let connect_timeout = Duration::from_secs(if plain_http { 2 } else { 10 });
    let builder = builder(&HttpOptions { connect_timeout, timeout, network });
    built(if plain_http { plain(builder) } else { builder.https_only(true) })
}

/// For plain http to this machine: no proxy reaches its loopback, and no certificate need be read.
pub(super) fn plain(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.no_proxy().tls_certs_only([])
}

pub(super) fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, BuildError> {
    builder.build().map_err(|e| BuildError(describe(&e)))
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, TransportError> {
        let before = |why: &str| TransportError::before_send(Hindrance::Refused, why);
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", call.bearer.expose())).map_err(|_| {
            TransportError::before_send(
                Hindrance::SignIn,
                "the token holds characters that no header can carry",
            )
        })?;
        bearer.set_sensitive(true);
        let path = call.path().to_owned();
        // Anything else could change the host.
        if !path.starts_with('/') {
            return Err(before("the request's path does not begin with a slash"));
        }
        let method = match call.method {
            crate::model::Method::Get => reqwest::Method::GET,
            crate::model::Method::Post => reqwest::Method::POST,
            crate::model::Method::Patch => reqwest::Method::PATCH,
        };
        let client = self.client().map_err(|e| before(&e.to_string()))?;
        let mut request = client
            .request(method, format!("{}{}", self.service.base_text(), call.target))
            .header(header::ACCEPT, "application/json");
        if let Some(body) = call.body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        let mut request = request.build().map_err(|_| before("the request has no valid URL"))?;
        // URL parsers resolve `..` even where it is encoded: what was reviewed goes out, or nothing.
        if request.url().path() != format!("{}{path}", self.prefix) {
            return Err(before("the request's path does not survive as a URL"));
        }
        if !self.service.may_receive_token(request.url()) {
            return Err(before("the request leads to a host that gets no token"));
        }
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        let mut response = client.execute(request).await.map_err(|e| self.failed(&e))?;

        let headers = response.headers();
        let mut answer = HttpAnswer {
            status: response.status().as_u16(),
            date: text(headers, header::DATE.as_str()),
            retry_after: text(headers, header::RETRY_AFTER.as_str()),
            // Microsoft Graph has a name of its own for it.
            correlation: text(headers, "mise-correlation-id").or_else(|| text(headers, "request-id")),
            body: Vec::new(),
            cut: false,
        };
        let limit = if answer.is_success() { call.limit } else { ERROR_BODY_LIMIT };
        while let Some(chunk) = response.chunk().await.map_err(|e| self.failed(&e))? {
            let room = limit - answer.body.len();
            if chunk.len() > room {
                answer.body.extend_from_slice(&chunk[..room]);
                answer.cut = true;
                break;
            }
            answer.body.extend_from_slice(&chunk);
        }
        trace!(status = answer.status, bytes = answer.body.len(), "body read");
        Ok(answer)
    }
}

pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

impl HttpTransport {
    fn failed(&self, error: &reqwest::Error) -> TransportError {
        let why = describe(error);
        // Only this one is certain: whatever else fails may have failed after the first byte.
        if error.is_connect() {
            let way = way(&self.service.host(), self.proxy.as_deref());
            TransportError::before_send(connection(error), format!("{way}: {why}"))
        } else if error.is_timeout() {
            TransportError::after_send(Hindrance::NoAnswer, why)
        } else {
            TransportError::after_send(Hindrance::Unavailable(None), why)
        }
    }
}

/// A host and the proxy on the way to it, for messages.
pub(super) fn way(host: &str, proxy: Option<&str>) -> String {
    proxy.map_or_else(|| host.to_owned(), |proxy| format!("{host}, through {proxy}"))
}

/// The hosts that the environment wants asked directly.
fn exceptions(look_up: impl Fn(&str) -> Option<String>) -> String {
    ["NO_PROXY", "no_proxy"].iter().find_map(|name| look_up(name)).unwrap_or_default()
}

/// Returns whether the environment wants every host asked directly, by a `*` in `NO_PROXY`. The HTTP client takes that for
/// hosts with a name alone, and people mean those with an address too.
pub fn is_direct(look_up: impl Fn(&str) -> Option<String>) -> bool {
    exceptions(look_up).split(',').any(|entry| entry.trim() == "*")
}

/// Returns whether an entry of `NO_PROXY` leaves this host out, as the HTTP client has it: a host and those below it, an
/// address, or a network of them (`10.0.0.0/8`).
fn leaves_out(entry: &str, host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let Ok(address) = address else {
        let entry = entry.trim_start_matches('.').to_ascii_lowercase();
        return entry == "*" || host == entry || !entry.is_empty() && host.ends_with(&format!(".{entry}"));
    };
    let (network, length) = entry.split_once('/').map_or((entry, None), |(n, length)| (n, Some(length)));
    let bits = |address| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let Ok((network, size)) = network.parse().map(bits) else { return entry == "*" };
    let ((address, own), length) = (bits(address), length.map_or(Ok(size), str::parse));
    let same = |length: u32| (address ^ network).checked_shr(size - length).unwrap_or(0) == 0;
    own == size && length.is_ok_and(|length| length <= size && same(length))
}

/// Returns the proxy that the environment names for an https host, in words: its host, and the variable. What stands in
/// it beside host and port may be a password.
pub fn proxy_for(host: &str, look_up: impl Fn(&str) -> Option<String>) -> Option<String> {
    let name = |url: &Url| url.host_str().map(str::to_owned);
    let host = Url::parse(&format!("https://{host}")).ok().as_ref().and_then(name)?;
    if matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") {
        return None;
    }
    if exceptions(&look_up).split(',').any(|entry| leaves_out(entry.trim(), &host)) {
        return None;
    }
    let variables = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let (variable, value) = variables.iter().find_map(|name| Some((name, look_up(name)?)))?;
    let text = if value.contains("://") { value } else { format!("http://{value}") };
    let proxy = Url::parse(&text).ok().filter(Url::has_host).map(|url| place(&url));
    Some(match proxy {
        Some(proxy) => format!("the proxy {proxy} of {variable}"),
        None => format!("the proxy of {variable}"),
    })
}

/// Returns the error of TLS that an error is, wrapped as often as the layers between like to.
fn of_tls<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = || error.downcast_ref::<std::io::Error>()?.get_ref().and_then(|inner| of_tls(inner));
    error.downcast_ref::<rustls::Error>().or_else(wrapped)
}

/// Says what is wrong with the certificate that somebody showed, and what it looks like. Who opens TLS on the way shows
/// one that an authority of theirs has issued.
fn of_certificate(error: &rustls::Error) -> Option<&'static str> {
    use rustls::CertificateError::*;
    let rustls::Error::InvalidCertificate(why) = error else { return None };
    Some(match why {
        UnknownIssuer => {
            "an authority that this computer does not trust has issued the certificate (UnknownIssuer): a proxy that opens \
             TLS shows such a one"
        }
        Expired | ExpiredContext { .. } => "the certificate has expired, or this computer's clock is wrong",
        NotValidYet | NotValidYetContext { .. } => {
            "the certificate is not valid yet, or this computer's clock is wrong"
        }
        NotValidForName | NotValidForNameContext { .. } => "the certificate is that of another host",
        _ => return None,
    })
}

/// Why no connection came about. The libraries tell some causes by their words alone.
pub(super) fn connection(error: &reqwest::Error) -> Hindrance {
    let (mut words, mut tls) = (String::new(), false);
    let mut source = error.source();
    while let Some(cause) = source {
        tls |= of_tls(cause).is_some();
        words.push_str(&cause.to_string().to_ascii_lowercase());
        words.push(' ');
        source = cause.source();
    }
    // A resolver that is not there at this moment may be there at the next one.
    let passing = ["temporary failure", "try again", "timed out"];
    if tls {
        Hindrance::Tls
    } else if words.contains("proxy authorization required") {
        Hindrance::Proxy
    } else if words.contains("dns error") && !passing.iter().any(|w| words.contains(w)) {
        Hindrance::UnknownHost
    } else {
        Hindrance::NoConnection
    }
}

/// The error and its causes without URL: that may hold ids and filters.
pub(super) fn describe(error: &reqwest::Error) -> String {
    let mut text = match error {
        e if e.is_connect() && e.is_timeout() => "no connection in time".to_owned(),
        e if e.is_connect() => "no connection".to_owned(),
        e if e.is_timeout() => "no answer in time".to_owned(),
        e if e.is_body() || e.is_decode() => "the answer broke off or cannot be decoded".to_owned(),
        _ => "the connection failed".to_owned(),
    };
    let mut source = error.source();
    let mut last = String::new();
    while let Some(cause) = source {
        if let Some(told) = of_tls(cause).and_then(of_certificate) {
            return format!("{text}: {told}");
        }
        last = cause.to_string();
        source = cause.source();
    }
    if !last.is_empty() {
        text.push_str(": ");
        text.push_str(&bounded(&last, 200));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let set = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        let of = |host: &str, pairs| proxy_for(host, set(pairs));
        let host = "api.securitycenter.microsoft.com";
        assert_eq!(
            of(host, &[("https_proxy", "http://user:s3cret@proxy.corp:3128/")]).unwrap(),
            "the proxy proxy.corp:3128 of https_proxy"
        );
        assert_eq!(
            of(host, &[("ALL_PROXY", "proxy.corp:8080")]).unwrap(),
            "the proxy proxy.corp:8080 of ALL_PROXY"
        );
        assert_eq!(of(host, &[("HTTPS_PROXY", "s3cret@@")]).unwrap(), "the proxy of HTTPS_PROXY");
        assert_eq!(of(host, &[("HTTP_PROXY", "http://proxy.corp")]), None);
        assert_eq!(of(host, &[("HTTPS_PROXY", "http://p"), ("NO_PROXY", "a, .microsoft.com")]), None);
        assert_eq!(of("127.0.0.1:8080", &[("HTTPS_PROXY", "http://p")]), None);
        assert_eq!(way("h", None), "h");
    }

    #[test]
    fn what_no_proxy_leaves_out() {
        for (entry, host, expected) in [
            ("*", "a.example", true),
            ("*", "10.1.2.3", true),
            ("*", "[fd00::1]", true),
            ("Example", "a.example", true),
            (".example", "example", true),
            ("a.example", "ba.example", false),
            ("*.example", "a.example", false),
            ("", "a.example", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.30", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.1.2.2/31", "10.1.2.3", true),
            ("10.1.2.2/32", "10.1.2.3", false),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("10.0.0.0/33", "10.1.2.3", false),
            ("10.0.0.0/x", "10.1.2.3", false),
            ("::/0", "10.1.2.3", false),
            ("::/0", "[fd00::1]", true),
            ("fd00::/8", "[fd00::1]", true),
            ("fd00::/8", "[fe00::1]", false),
            ("2.3", "10.1.2.3", false),
        ] {
            assert_eq!(leaves_out(entry, host), expected, "{entry} {host}");
        }
        let direct = |list: &str| is_direct(|name| (name == "no_proxy").then(|| list.to_owned()));
        assert!(direct("*") && direct("a.example, *") && !direct("*.example") && !direct(""));
    }
}
