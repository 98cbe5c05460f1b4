//! One package from its link to a whole file: broken downloads go on, dead links are renewed, and what is no package is
//! told apart.
//!
//! | what comes | what is done |
//! |---|---|
//! | the connection breaks, no byte for a minute, a 5xx | a pause, then on from what is there |
//! | 429, or any of these with `Retry-After` | that pause, if it is bearable |
//! | 401, 403, 404, 410, or `Expired token` as JSON | the link is dead: another one is asked for |
//! | another validator, the whole in place of a part, 416 | what is there is thrown away, unless it is the whole |
//! | a redirect | an error: a link is followed to where it leads, and no further |
//! | a web page, JSON, anything that does not begin as a zip | an error: it is no package |
//!
//! Everything is bounded: tries without a new byte, links, starts from the beginning.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;

use super::folder::Unfinished;
use crate::defender::{Download, Downloads, PackageLink, Resume};

/// How patient a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// No byte for so long is a broken connection.
    pub stall: Duration,
    /// How often it is tried in a row without a new byte.
    pub tries: u32,
    /// How many links are asked for.
    pub links: u32,
    /// How often it is begun anew.
    pub restarts: u32,
    /// The first pause; each further one is twice as long.
    pub pause: Duration,
    /// The longest pause, one that the server asks for included.
    pub longest_pause: Duration,
    /// The largest package.
    pub size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            stall: Duration::from_secs(60),
            tries: 6,
            links: 4,
            restarts: 3,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
            size: 1 << 40,
        }
    }
}

impl Limits {
    /// The same for a host that has given packages before, and is down: a quarter of an hour of tries.
    #[must_use]
    pub fn through_outages(self) -> Self {
        Limits { tries: self.tries.max(12), ..self }
    }
}

/// The progress of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How many bytes are there.
    pub done: u64,
    /// The length of the whole, if it is known.
    pub total: Option<u64>,
}

/// Gives links to a package, within their quota.
#[async_trait]
pub trait Links<E>: Send + Sync {
    /// Returns a new link.
    async fn link(&self) -> Result<PackageLink, E>;
}

/// Why a package did not come.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError<E> {
    /// There is no link.
    #[error("{0}")]
    Link(E),
    /// The links that the service gives do not work.
    #[error("the service gave {links} links, and none of them works: {why}")]
    DeadLinks {
        /// How many.
        links: u32,
        /// The answer to the last one.
        why: String,
    },
    /// It broke off too often.
    #[error("{why}; tried {tries} times without a new byte")]
    Broken {
        /// The last reason.
        why: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The bytes that are there do not fit those that come, again and again.
    #[error(
        "it was begun anew {0} times, because the package changed on the way or the server gives no parts of it"
    )]
    Restarts(u32),
    /// The link leads elsewhere.
    #[error("the link leads to another address (HTTP {0}), which is not followed")]
    Redirect(u16),
    /// An answer that is no package.
    #[error("what came is no package: {0}")]
    NoPackage(&'static str),
    /// It is too large.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// The server asks to wait for longer than a run does.
    #[error("the server asks to come back in {} s", .0.as_secs())]
    Later(Duration),
    /// It cannot be written.
    #[error("it cannot be written: {0}")]
    Disk(#[from] io::Error),
}

/// The end of one try.
enum Try {
    Whole,
    Dead(String),
    Broken { why: String, wait: Option<Duration> },
    Again,
}

/// How much of an answer that is no package is looked at.
const GLANCE: usize = 4096;

/// Fetches what is missing of a package.
///
/// # Errors
/// Why it did not come. What is there of it then is synced, and the next try goes on with it, but for what is no package.
pub async fn download<E>(
    unfinished: &mut Unfinished,
    links: &dyn Links<E>,
    downloads: &dyn Downloads,
    limits: Limits,
    tell: &(dyn Fn(Asked) + Send + Sync),
) -> Result<(), DownloadError<E>> {
    let mut link: Option<PackageLink> = None;
    let (mut asked, mut tries, mut pause) = (0, 0, limits.pause);
    loop {
        let current = match link.take() {
            Some(link) => link,
            None => {
                asked += 1;
                links.link().await.map_err(DownloadError::Link)?
            }
        };
        let before = unfinished.length();
        let tried = try_once(unfinished, &current, downloads, limits, tell).await;
        // However it ended: what came is kept.
        unfinished.sync()?;
        let (why, wait) = match tried? {
            Try::Whole => return Ok(()),
            Try::Again => {
                if unfinished.restarts() > limits.restarts {
                    return Err(DownloadError::Restarts(limits.restarts));
                }
                link = Some(current);
                continue;
            }
            Try::Dead(why) if asked >= limits.links => {
                return Err(DownloadError::DeadLinks { links: asked, why });
            }
            Try::Dead(why) => {
                tracing::debug!("the link does not work any more: {why}");
                continue;
            }
            Try::Broken { why, wait } => (why, wait),
        };
        if unfinished.length() > before {
            (tries, pause) = (0, limits.pause);
        }
        tries += 1;
        if tries >= limits.tries {
            return Err(DownloadError::Broken { why, tries });
        }
        let wait = wait.unwrap_or(pause);
        if wait > limits.longest_pause {
            return Err(DownloadError::Later(wait));
        }
        tracing::debug!("{why}; goes on in {} s", wait.as_secs());
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(limits.longest_pause);
        link = Some(current);
    }
}

async fn try_once<E>(
    unfinished: &mut Unfinished,
    link: &PackageLink,
    downloads: &dyn Downloads,
    limits: Limits,
    tell: &(dyn Fn(Asked) + Send + Sync),
) -> Result<Try, DownloadError<E>> {
    if unfinished.length() > 0 && unfinished.etag().is_none() {
        // Nothing says that more of it would belong to it.
        begin_anew(unfinished, limits)?;
    }
    let resume = unfinished.etag().map(|etag| Resume { from: unfinished.length(), etag });
    let resumed = resume.is_some();
    let answer = match tokio::time::timeout(limits.stall, downloads.get(link, resume)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => return Ok(Try::Broken { why, wait: None }),
        Err(_) => return Ok(stalled(limits)),
    };
    if let Some(end) = end_by_status(unfinished, &answer, resumed)? {
        return Ok(end);
    }
    receive(unfinished, answer, limits, tell).await
}

/// Throws away what is there, unless that was done too often.
fn begin_anew<E>(unfinished: &mut Unfinished, limits: Limits) -> Result<(), DownloadError<E>> {
    unfinished.restart(None)?;
    match unfinished.restarts() > limits.restarts {
        true => Err(DownloadError::Restarts(limits.restarts)),
        false => Ok(()),
    }
}

fn stalled(limits: Limits) -> Try {
    Try::Broken { why: format!("no byte came for {} s", limits.stall.as_secs()), wait: None }
}

/// Returns how a try ends by its answer alone; none if the body is to be received. `resumed`: a part was asked for.
fn end_by_status<E>(
    unfinished: &mut Unfinished,
    answer: &Download,
    resumed: bool,
) -> Result<Option<Try>, DownloadError<E>> {
    let status = answer.status;
    Ok(Some(match status {
        200 => return Ok(None),
        206 if resumed => {
            let same = answer.from == unfinished.length()
                && answer.etag.as_deref().is_none_or(|tag| Some(tag) == unfinished.etag());
            if same {
                return Ok(None);
            }
            unfinished.restart(None)?;
            Try::Again
        }
        206 => return Err(DownloadError::NoPackage("a part of something, although the whole was asked for")),
        // An earlier run had all of it, and ended before it gave it its name.
        416 if resumed && answer.total == Some(unfinished.length()) => Try::Whole,
        416 if resumed => {
            unfinished.restart(None)?;
            Try::Again
        }
        300..=399 => return Err(DownloadError::Redirect(status)),
        401 | 403 | 404 | 410 => Try::Dead(format!("HTTP {status}")),
        _ => Try::Broken { why: format!("HTTP {status}"), wait: answer.retry_after },
    }))
}

/// Receives the body of an answer: the whole, or the part that was asked for.
async fn receive<E>(
    unfinished: &mut Unfinished,
    answer: Download,
    limits: Limits,
    tell: &(dyn Fn(Asked) + Send + Sync),
) -> Result<Try, DownloadError<E>> {
    let Download { status, etag, total, mut body, .. } = answer;
    let mut begun = status == 206;
    if !begun && unfinished.length() > 0 {
        begin_anew(unfinished, limits)?;
    }
    if total.is_some_and(|total| total > limits.size) {
        return Err(DownloadError::TooLarge(limits.size));
    }
    // The beginning tells a package from an error page. It may come in pieces.
    let mut beginning: Vec<u8> = Vec::new();
    loop {
        let chunk = match tokio::time::timeout(limits.stall, body.next()).await {
            Err(_) => return Ok(stalled(limits)),
            Ok(Some(Err(why))) => return Ok(Try::Broken { why, wait: None }),
            Ok(Some(Ok(chunk))) => Some(chunk),
            Ok(None) => None,
        };
        let over = chunk.is_none();
        let mut chunk = chunk.unwrap_or_default();
        if !begun {
            beginning.append(&mut chunk);
            if !over && beginning.len() < 4 {
                continue;
            }
            if !beginning.starts_with(b"PK\x03\x04") {
                if !over && beginning.len() < GLANCE {
                    continue;
                }
                return what_else(&beginning);
            }
            begun = true;
            unfinished.restart(etag.clone())?;
            chunk = std::mem::take(&mut beginning);
        }
        if unfinished.length() + chunk.len() as u64 > limits.size {
            return Err(DownloadError::TooLarge(limits.size));
        }
        if !chunk.is_empty() {
            // Here and not on another thread: a piece is hashed and copied in less time than handing it over takes, and
            // the sync every few MiB holds the connection up, which is what a slow disk has to do.
            unfinished.add(&chunk)?;
            tell(Asked { done: unfinished.length(), total });
        }
        if over {
            return end_by_length(unfinished, total);
        }
    }
}

/// Returns how a try ends whose body is over.
fn end_by_length<E>(unfinished: &mut Unfinished, total: Option<u64>) -> Result<Try, DownloadError<E>> {
    Ok(match total {
        Some(total) if unfinished.length() < total => {
            Try::Broken { why: format!("{} of {total} bytes came", unfinished.length()), wait: None }
        }
        Some(total) if unfinished.length() > total => {
            unfinished.restart(None)?;
            Try::Again
        }
        _ => Try::Whole,
    })
}

/// Tells apart answers of status 200 that do not begin as a zip does.
fn what_else<E>(beginning: &[u8]) -> Result<Try, DownloadError<E>> {
    let text = String::from_utf8_lossy(beginning).to_ascii_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.contains("expired token") {
        return Ok(Try::Dead("Expired token".to_owned()));
    }
    Err(DownloadError::NoPackage(match text.chars().next() {
        None => "nothing at all",
        Some('<') => "a web page, as a proxy or a network's sign-in sends it",
        Some('{' | '[' | '"') => "JSON, and not the error of a link that is over",
        Some(_) => "it does not begin as a zip does",
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::stream;

    use super::*;
    use crate::evidence::{Folder, PackageName};
    use crate::model::Sha256Hex;

    /// The end of a body.
    enum End {
        Whole,
        Breaks,
        Stalls,
    }

    /// One answer: status, validator, the part of the package, and its end.
    struct Answer(u16, Option<&'static str>, std::ops::Range<usize>, Option<usize>, End);

    #[derive(Default)]
    struct Server {
        package: Vec<u8>,
        answers: Mutex<VecDeque<Answer>>,
        asked: Mutex<Vec<Option<(u64, String)>>>,
        links: AtomicU32,
    }

    #[async_trait]
    impl Links<String> for Server {
        async fn link(&self) -> Result<PackageLink, String> {
            self.links.fetch_add(1, Ordering::Relaxed);
            Ok(PackageLink::read(br#"{"value":"https://h.example/p?token=t"}"#).unwrap())
        }
    }

    #[async_trait]
    impl Downloads for Server {
        async fn get(&self, _: &PackageLink, resume: Option<Resume<'_>>) -> Result<Download, String> {
            self.asked.lock().unwrap().push(resume.map(|r| (r.from, r.etag.to_owned())));
            let Answer(status, etag, range, total, end) = self.answers.lock().unwrap().pop_front().unwrap();
            let from = range.start as u64;
            let chunks: Vec<Result<Vec<u8>, String>> =
                self.package[range].chunks(3).map(|c| Ok(c.to_vec())).collect();
            let rest = match end {
                End::Whole => stream::empty().boxed(),
                End::Breaks => stream::iter([Err("it broke off".to_owned())]).boxed(),
                End::Stalls => stream::pending().boxed(),
            };
            Ok(Download {
                status,
                etag: etag.map(str::to_owned),
                total: total.map(|t| t as u64),
                from,
                retry_after: None,
                body: stream::iter(chunks).chain(rest).boxed(),
            })
        }
    }

    fn package() -> Vec<u8> {
        [b"PK\x03\x04".to_vec(), (0..96).collect()].concat()
    }

    async fn run(package: Vec<u8>, answers: Vec<Answer>) -> (Server, Result<Sha256Hex, String>) {
        run_on(None, package, answers).await
    }

    /// As [`run`], where an earlier run has fetched the whole package, with that validator.
    async fn run_on(
        there: Option<Option<&str>>,
        package: Vec<u8>,
        answers: Vec<Answer>,
    ) -> (Server, Result<Sha256Hex, String>) {
        let dir = tempfile::tempdir().unwrap();
        let id = "5382f7ea-7557-4ab7-9782-d50480024a4e";
        let name = PackageName::new(&"InvestigationPackage/a".parse().unwrap(), "m", None, id).unwrap();
        let mut part = Folder::new(dir.path()).unfinished(&name).unwrap();
        if let Some(etag) = there {
            part.restart(etag.map(str::to_owned)).unwrap();
            part.add(&package).unwrap();
        }
        let server = Server { package, answers: Mutex::new(answers.into()), ..Server::default() };
        let ended = download(&mut part, &server, &server, Limits::default(), &|_| {}).await;
        let ended = ended.map(|()| part.sha256()).map_err(|e| e.to_string());
        (server, ended)
    }

    const A: Option<&str> = Some("\"a\"");
    const B: Option<&str> = Some("\"b\"");

    #[tokio::test(start_paused = true)]
    async fn a_download_that_breaks_or_stalls_goes_on() {
        let answers = vec![
            Answer(200, A, 0..40, Some(100), End::Breaks),
            Answer(206, A, 40..70, Some(100), End::Stalls),
            Answer(503, None, 0..0, None, End::Whole),
            Answer(206, A, 70..90, Some(100), End::Whole),
            Answer(206, A, 90..100, Some(100), End::Whole),
        ];
        let (server, ended) = run(package(), answers).await;
        assert_eq!(ended, Ok(Sha256Hex::of(&package())));
        let asked: Vec<Option<u64>> =
            server.asked.into_inner().unwrap().into_iter().map(|r| r.map(|r| r.0)).collect();
        assert_eq!(asked, [None, Some(40), Some(70), Some(70), Some(90)]);
        assert_eq!(server.links.into_inner(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn another_package_under_the_link_starts_anew() {
        for answers in [
            // The server minds If-Range, sends another part, has no parts, or has another validator in a part.
            vec![
                Answer(200, A, 0..40, Some(100), End::Breaks),
                Answer(200, B, 0..100, Some(100), End::Whole),
            ],
            vec![
                Answer(200, A, 0..40, Some(100), End::Breaks),
                Answer(206, A, 20..100, Some(100), End::Whole),
                Answer(200, B, 0..100, Some(100), End::Whole),
            ],
            vec![
                Answer(200, None, 0..40, Some(100), End::Breaks),
                Answer(200, None, 0..100, Some(100), End::Whole),
            ],
            vec![
                Answer(200, A, 0..40, Some(100), End::Breaks),
                Answer(206, B, 40..100, Some(100), End::Whole),
                Answer(200, B, 0..100, Some(100), End::Whole),
            ],
            vec![
                Answer(200, A, 0..40, Some(100), End::Breaks),
                Answer(416, None, 0..0, None, End::Whole),
                Answer(200, B, 0..100, None, End::Whole),
            ],
        ] {
            let (_, ended) = run(package(), answers).await;
            assert_eq!(ended, Ok(Sha256Hex::of(&package())));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_run_has_fetched_whole_is_not_fetched_again() {
        for (total, asked) in [(Some(100), 1), (Some(99), 2), (None, 2)] {
            let answers = vec![
                Answer(416, None, 0..0, total, End::Whole),
                Answer(200, B, 0..100, Some(100), End::Whole),
            ];
            let (server, ended) = run_on(Some(A), package(), answers).await;
            assert_eq!(ended, Ok(Sha256Hex::of(&package())));
            assert_eq!(server.asked.into_inner().unwrap().len(), asked, "{total:?}");
        }
        // Of a server that answers so to everything there is an end.
        let never = || Answer(416, None, 0..0, None, End::Whole);
        let (_, ended) = run(package(), (0..6).map(|_| never()).collect()).await;
        assert_eq!(ended.unwrap_err(), "HTTP 416; tried 6 times without a new byte");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_link_is_renewed() {
        for status in [401, 403, 404, 410] {
            let answers = vec![
                Answer(200, A, 0..40, Some(100), End::Breaks),
                Answer(status, None, 0..0, None, End::Whole),
                Answer(206, A, 40..100, Some(100), End::Whole),
            ];
            let (server, ended) = run(package(), answers).await;
            assert_eq!((ended, server.links.into_inner()), (Ok(Sha256Hex::of(&package())), 2));
        }
        let dead = || Answer(403, None, 0..0, None, End::Whole);
        let (_, ended) = run(package(), vec![dead(), dead(), dead(), dead()]).await;
        assert!(ended.unwrap_err().contains("4 links"));
        let expired = br#"{"error":{"message":"Expired token"}}"#.to_vec();
        let all = || Answer(200, None, 0..37, Some(37), End::Whole);
        let (server, ended) = run(expired, vec![all(), all(), all(), all()]).await;
        assert!(ended.unwrap_err().contains("Expired token"));
        assert_eq!(server.links.into_inner(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_package_is_told_apart() {
        for (body, said) in [
            ("<!DOCTYPE html><title>Sign in</title>", "a web page"),
            ("{\"error\":\"x\"}", "JSON"),
            ("", "nothing at all"),
            ("MZ\u{1}\u{2} program", "does not begin as a zip"),
        ] {
            let n = body.len();
            let answers = vec![Answer(200, A, 0..n, Some(n), End::Whole)];
            let (_, ended) = run(body.as_bytes().to_vec(), answers).await;
            assert!(ended.clone().unwrap_err().contains(said), "{ended:?}");
        }
        let (_, ended) = run(package(), vec![Answer(302, None, 0..0, None, End::Whole)]).await;
        assert!(ended.unwrap_err().contains("not followed"));
    }

    #[tokio::test(start_paused = true)]
    async fn tries_are_bounded() {
        let broken = || Answer(503, None, 0..0, None, End::Whole);
        let (server, ended) = run(package(), (0..6).map(|_| broken()).collect()).await;
        assert_eq!(ended.unwrap_err(), "HTTP 503; tried 6 times without a new byte");
        assert_eq!(server.asked.into_inner().unwrap().len(), 6);
        let part = || Answer(200, None, 0..40, Some(100), End::Breaks);
        let (_, ended) = run(package(), (0..9).map(|_| part()).collect()).await;
        assert!(ended.unwrap_err().contains("begun anew 3 times"));
    }
}
