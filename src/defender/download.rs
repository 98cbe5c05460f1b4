//! Downloads of packages: by the link alone, without a token, whatever host it leads to.
//!
//! The link is a secret that stands in for one. It is in no error here: the library's own words would hold it.

use std::fmt;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use futures::{Stream, StreamExt as _};
use reqwest::header::{self, HeaderMap};

use super::answer;
use super::hosts::is_loopback;
use super::http::{BuildError, HttpOptions, Network, builder, built, describe, plain, text};
use super::wire::PackageLink;

/// The part of a package that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume<'a> {
    /// How many bytes.
    pub from: u64,
    /// The strong validator that came with them.
    pub etag: &'a str,
}

/// The bytes of a body as they come, or why no more do.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Vec<u8>, String>> + Send>>;

/// The answer to a download.
pub struct Download {
    /// The status.
    pub status: u16,
    /// The validator, if it is a strong one: no other says that two parts belong together.
    pub etag: Option<String>,
    /// The length of the whole package, if the answer says so.
    pub total: Option<u64>,
    /// Where the body begins in it.
    pub from: u64,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Chunks,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Download({}, from {}, of {:?})", self.status, self.from, self.total)
    }
}

/// Gets packages by their links.
#[async_trait]
pub trait Downloads: Send + Sync {
    /// Asks for a package, or for what is missing of it.
    ///
    /// # Errors
    /// Why there is no answer, without the link.
    async fn get(&self, link: &PackageLink, resume: Option<Resume<'_>>) -> Result<Download, String>;
}

/// Downloads over the network.
#[derive(Debug)]
pub struct HttpDownloads {
    /// True if the service is on this machine: then its links may be plain http.
    local: bool,
    network: Network,
    secure: OnceLock<reqwest::Client>,
    plain: OnceLock<reqwest::Client>,
}

/// A download as a whole has no limit: large packages over slow lines take hours. Who reads it looks for stalls.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

impl HttpDownloads {
    /// Downloads of a service's packages. `local`: it is on this machine.
    pub fn new(local: bool) -> Self {
        let (secure, plain) = (OnceLock::new(), OnceLock::new());
        HttpDownloads { local, network: Network::default(), secure, plain }
    }

    /// The same, with what has been set about the way.
    #[must_use]
    pub fn through(self, network: Network) -> Self {
        HttpDownloads { network, ..self }
    }

    fn client(&self, is_plain: bool) -> Result<&reqwest::Client, BuildError> {
        let slot = if is_plain { &self.plain } else { &self.secure };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        // What is hashed are the bytes of the package, as they are sent.
        let network = self.network.clone();
        let options = HttpOptions { timeout: LIMIT, network, ..HttpOptions::default() };
        let builder = builder(&options).no_gzip();
        let client = built(if is_plain { plain(builder) } else { builder.https_only(true) })?;
        Ok(slot.get_or_init(|| client))
    }
}

#[async_trait]
impl Downloads for HttpDownloads {
    async fn get(&self, link: &PackageLink, resume: Option<Resume<'_>>) -> Result<Download, String> {
        let url = link.url();
        let is_plain = url.scheme() == "http";
        if is_plain && !(self.local && is_loopback(url)) {
            return Err("the service gave a link without encryption, which is not followed".to_owned());
        }
        let client = self.client(is_plain).map_err(|e| e.to_string())?;
        let mut request = client.get(url.clone()).header(header::ACCEPT, "application/zip, */*;q=0.1");
        if let Some(resume) = resume {
            request = request.header(header::RANGE, format!("bytes={}-", resume.from));
            request = request.header(header::IF_RANGE, resume.etag);
        }
        let response = request.send().await.map_err(|e| describe(&e.without_url()))?;
        let headers = response.headers();
        let status = response.status().as_u16();
        let (from, total) = match status {
            206 => content_range(headers).ok_or("the server sent a part and does not say which one")?,
            416 => (0, length_of_whole(headers)),
            _ => (0, response.content_length()),
        };
        Ok(Download {
            status,
            etag: text(headers, "etag").filter(|tag| tag.starts_with('"')),
            total,
            from,
            retry_after: text(headers, "retry-after")
                .and_then(|t| answer::wait_of(&t, text(headers, "date").as_deref())),
            body: response
                .bytes_stream()
                .map(|chunk| match chunk {
                    Ok(bytes) => Ok(bytes.to_vec()),
                    Err(e) => Err(describe(&e.without_url())),
                })
                .boxed(),
        })
    }
}

/// Reads `Content-Range: bytes */10`: the length of a whole of which no such part exists.
fn length_of_whole(headers: &HeaderMap) -> Option<u64> {
    text(headers, "content-range")?.strip_prefix("bytes */")?.trim().parse().ok()
}

/// Reads `Content-Range: bytes 4-9/10`: where the part begins, and the length of the whole.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = text(headers, "content-range")?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}
