//! A state in a ref of a git repository: one commit an append, pushed without force onto the tip that was read.
//!
//! Everything happens in a bare repository of our own, in the cache: the user's repository is read for the address of its
//! remote and for the settings that reach it, and never changed.
//!
//! The tip's tree holds `README.md`, `state.json` and `journal.jsonl`: the snapshot, and the records since. Older records
//! are in the ref's history.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::command::{CommandError, Git, Output};
use super::reading::{extend, extend_over_gap};
use super::remote::{GATHER, Now};
use super::{Pace, Put, Remote, Segment, StoreError, Tip};

/// How long a fetch or a push usually may take.
pub const BOUND: Duration = Duration::from_secs(30);

/// How long a fetch of the whole history may take.
const WHOLE: Duration = Duration::from_secs(300);

/// How long everything else may take.
pub const LOCAL: Duration = Duration::from_secs(20);

/// The ref in the cache that holds what was fetched.
const FETCHED: &str = "refs/casefile/fetched";

/// The words of git where objects are named by another hash than here.
const OTHER_NAMES: &str = "hash algorithm";

const README: &str = "# The state of a casefile project

Written by `casefile`; nothing here is edited by hand. `state.json` is what was asked of Microsoft Defender and what
became of it, `journal.jsonl` the records since. Older records are in this ref's history.

    git fetch origin REF && git show FETCH_HEAD:state.json
";

/// Where a ref lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The repository, as git takes it.
    pub url: String,
    /// The repository that is pushed to, if it is another one.
    pub push_url: Option<String>,
    /// The whole name of the ref.
    pub reference: String,
    /// The least time between two pushes.
    pub interval: Duration,
    /// How long a fetch or a push may take.
    pub bound: Duration,
}

/// The author of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// A name.
    pub name: String,
    /// An address of mail, or what looks like one.
    pub email: String,
}

/// A ref of a repository.
#[derive(Clone)]
pub struct GitRemote {
    git: Git,
    place: Place,
    author: Author,
    cache: PathBuf,
    now: Now,
    /// The commit that was read or pushed last.
    tip: Option<String>,
    /// `README.md` and `state.json` as they are in the tip: their ids.
    readme: Option<String>,
    snapshot: Option<String>,
    last_push: Option<Timestamp>,
    /// How many pushes this run has made: the first two may be closer.
    pushes: u32,
}

impl GitRemote {
    /// Takes a ref. `cache` is a folder of our own, in which a bare repository is made if there is none.
    pub fn new(git: Git, place: Place, author: Author, cache: PathBuf, now: Now) -> Self {
        GitRemote {
            git,
            place,
            author,
            cache,
            now,
            tip: None,
            readme: None,
            snapshot: None,
            last_push: None,
            pushes: 0,
        }
    }

    /// Runs git on the repository in the cache, which is named: git takes no bare one that it finds by itself.
    async fn run(&self, words: &[&str], input: &[u8], bound: Duration) -> Result<Output, CommandError> {
        self.git.run(&self.cache, &[&["--git-dir=."], words].concat(), input, bound).await
    }

    /// Fetches the ref into the cache, as much of it as `depth` says.
    async fn fetch_by(&self, depth: &[&str], bound: Duration) -> Result<Output, StoreError> {
        let refspec = format!("+{}:{FETCHED}", self.place.reference);
        let usual = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"];
        let words = [&usual[..], depth, &["--end-of-options", &self.place.url, &refspec]].concat();
        self.run(&words, b"", bound).await.map_err(|e| match e {
            CommandError::Start(_) => self.unfit(&e.to_string()),
            CommandError::Late(_) => self.unreachable(e.to_string()),
        })
    }

    /// Pushes a commit to a ref.
    async fn push(&self, how: &[&str], commit: &str, reference: &str) -> Result<Output, CommandError> {
        let refspec = format!("{commit}:{reference}");
        let url = self.place.push_url.as_ref().unwrap_or(&self.place.url);
        let usual = ["push", "--porcelain", "--no-verify", "--no-recurse-submodules", "--no-signed"];
        self.run(&[&usual[..], how, &["--end-of-options", url, &refspec]].concat(), b"", self.place.bound)
            .await
    }

    /// Runs git on what is in the cache, and returns what it prints.
    async fn git(&self, words: &[&str], input: &[u8]) -> Result<Vec<u8>, StoreError> {
        let output = self.run(words, input, LOCAL).await.map_err(|e| self.unfit(&e.to_string()))?;
        if !output.status.success() {
            return Err(self.unfit(&words_of(&output.stderr)));
        }
        Ok(output.stdout)
    }

    async fn line(&self, words: &[&str], input: &[u8]) -> Result<String, StoreError> {
        Ok(String::from_utf8_lossy(&self.git(words, input).await?).trim().to_owned())
    }

    fn unfit(&self, why: &str) -> StoreError {
        StoreError::Unfit {
            place: self.place(),
            why: why.to_owned(),
            next: "git 2.30 or newer has to be installed, and the cache folder has to be writable",
        }
    }

    fn unreachable(&self, why: String) -> StoreError {
        StoreError::Unreachable { place: self.place(), why }
    }

    /// Makes the bare repository if there is none.
    async fn ready(&self) -> Result<(), StoreError> {
        if self.cache.join("HEAD").exists() { Ok(()) } else { self.prepare("sha1").await }
    }

    /// Makes a bare repository.
    async fn prepare(&self, format: &str) -> Result<(), StoreError> {
        let words = ["init", "--quiet", "--bare", &format!("--object-format={format}")];
        self.git(&words, b"").await.map(drop)
    }

    /// Fetches the ref as [`FETCHED`]; false if there is no such ref.
    async fn fetch(&mut self) -> Result<bool, StoreError> {
        self.ready().await?;
        let mut made_anew = false;
        loop {
            // With a depth git asks for a pack even where it has everything.
            let is_cold = self.tip.is_none() && !self.cache.join(FETCHED).exists();
            let depth: &[&str] = if is_cold { &["--depth=1"] } else { &[] };
            let output = self.fetch_by(depth, self.place.bound).await?;
            if output.status.success() {
                return Ok(true);
            }
            let stderr = String::from_utf8_lossy(&output.stderr);
            if stderr.contains("couldn't find remote ref") {
                return Ok(false);
            }
            if !made_anew && stderr.contains("mismatched algorithms") {
                made_anew = true;
                self.make_anew("sha256").await?;
                continue;
            }
            return Err(self.unreachable(words_of(&output.stderr)));
        }
    }

    /// Makes the bare repository again, for a remote whose objects have other names.
    async fn make_anew(&self, format: &str) -> Result<(), StoreError> {
        std::fs::remove_dir_all(&self.cache)
            .and_then(|()| std::fs::create_dir(&self.cache))
            .map_err(|e| self.unfit(&e.to_string()))?;
        self.prepare(format).await
    }

    /// Reads objects, each by a name that git knows; `None` for what is not there.
    async fn objects(&self, names: &[&str]) -> Result<Vec<Option<Object>>, StoreError> {
        let read = self.git(&["cat-file", "--batch"], names.join("\n").as_bytes()).await?;
        let (mut objects, mut rest) = (Vec::new(), &read[..]);
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let header = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            let Some(length) = header.rsplit(' ').next().and_then(|n| n.parse::<usize>().ok()) else {
                objects.push(None);
                continue;
            };
            let id = header.split(' ').next().unwrap_or_default().to_owned();
            let bytes = rest.get(..length).ok_or_else(|| self.unfit("an object of the cache is cut off"))?;
            objects.push(Some(Object { id, bytes: bytes.to_vec() }));
            rest = rest.get(length + 1..).unwrap_or_default();
        }
        match objects.len() == names.len() {
            true => Ok(objects),
            false => Err(self.unfit("git names other objects than it was asked for")),
        }
    }

    async fn blob(&self, bytes: &[u8]) -> Result<String, StoreError> {
        self.line(&["hash-object", "-w", "--stdin"], bytes).await
    }

    /// Returns the journal from its first record on. Lines leave the tip together with a new snapshot, so the commits that
    /// write one, and those before them, hold all that the tip does not. A line is read as it was written first.
    async fn whole_journal(&self, tip: &str) -> Result<Vec<u8>, StoreError> {
        let words = ["log", "--first-parent", "--reverse", "--format=%H %P", tip, "--", "state.json"];
        let listed = self.line(&words, b"").await?;
        let mut names = Vec::new();
        for line in listed.lines() {
            let (commit, parent) = line.split_once(' ').unwrap_or((line, ""));
            for id in [parent, commit].into_iter().filter(|id| !id.is_empty()) {
                names.push(format!("{id}:journal.jsonl"));
            }
        }
        names.push(format!("{tip}:journal.jsonl"));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (mut journal, mut next, mut at_tip) = (Vec::new(), 1, Vec::new());
        for (object, name) in self.objects(&names).await?.into_iter().zip(&names) {
            let lacks = || self.unfit(&format!("the history lacks a part: {name}"));
            at_tip = object.ok_or_else(lacks)?.bytes;
            next = extend(&mut journal, &at_tip, next);
        }
        extend_over_gap(&mut journal, &at_tip, next);
        Ok(journal)
    }

    /// Writes the commit of a segment.
    async fn commit(&mut self, segment: &Segment<'_>) -> Result<String, StoreError> {
        if self.readme.is_none() {
            let text = README.replace("REF", &self.place.reference);
            self.readme = Some(self.blob(text.as_bytes()).await?);
        }
        if let Some(snapshot) = segment.snapshot {
            self.snapshot = Some(self.blob(snapshot).await?);
        }
        let journal = self.blob(segment.journal).await?;
        let mut tree = String::new();
        let files =
            [("README.md", &self.readme), ("journal.jsonl", &Some(journal)), ("state.json", &self.snapshot)];
        for (name, id) in files {
            if let Some(id) = id {
                tree.push_str(&format!("100644 blob {id}\t{name}\n"));
            }
        }
        let tree = self.line(&["mktree"], tree.as_bytes()).await?;
        let branch = self.place.reference.starts_with("refs/heads/");
        let message = format!("{}{}\n", segment.message, if branch { " [skip ci]" } else { "" });
        let (name, email) =
            (format!("user.name={}", self.author.name), format!("user.email={}", self.author.email));
        let mut words = vec!["-c", &name, "-c", &email, "-c", "commit.gpgSign=false", "commit-tree", &tree];
        if let Some(tip) = &self.tip {
            words.extend(["-p", tip]);
        }
        self.line(&words, message.as_bytes()).await
    }
}

/// An object of git.
struct Object {
    id: String,
    bytes: Vec<u8>,
}

/// Returns when a commit was made, by the clock of whoever made it.
fn committed(commit: &[u8]) -> Option<Timestamp> {
    let header = commit.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"committer "))?;
    let seconds = std::str::from_utf8(header).ok()?.rsplit(' ').nth(1)?;
    Timestamp::from_second(seconds.parse().ok()?).ok()
}

/// Returns what git said, in one line.
fn words_of(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).take(4).collect();
    if lines.is_empty() { "git failed without a word".to_owned() } else { lines.join("; ") }
}

/// The words of git when whoever pushes may not, and nothing was sent: to try it again is of no use.
const DENIED: [&str; 8] = [
    "The requested URL returned error: 401",
    "The requested URL returned error: 403",
    "The requested URL returned error: 404",
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "Permission denied",
    "not found",
];

/// Tells how a push ended, by git's words for programs.
fn pushed(porcelain: &str, stderr: &str) -> Result<Put, String> {
    let Some(line) = porcelain.lines().find(|l| l.starts_with(['!', '=', '*', ' ', '+', '-'])) else {
        let words = words_of(stderr.as_bytes());
        // Once the pack is on its way a refusal may be that of a proxy, and the push be in.
        let denied = !stderr.contains("RPC failed") && DENIED.iter().any(|d| stderr.contains(d));
        return if denied { Err(words) } else { Ok(Put::Unknown(words)) };
    };
    if !line.starts_with('!') {
        return Ok(Put::Done);
    }
    let raced = [
        "stale info",
        "fetch first",
        "non-fast-forward",
        "cannot lock ref",
        "failed to update ref",
        "reference already exists",
    ];
    if raced.iter().any(|words| line.contains(words)) {
        return Ok(Put::Raced);
    }
    if line.contains("[remote rejected]") || line.contains("[rejected]") {
        let remote = stderr.lines().filter_map(|l| l.trim().strip_prefix("remote:")).map(str::trim);
        let remote: Vec<&str> = remote.filter(|l| !l.is_empty()).take(3).collect();
        let reason = line.rsplit_once('(').map_or("", |(_, r)| r.trim_end_matches(')'));
        return Err([&[reason][..], &remote].concat().join("; "));
    }
    Ok(Put::Unknown(words_of(stderr.as_bytes())))
}

#[async_trait]
impl Remote for GitRemote {
    fn place(&self) -> String {
        format!("{} of {}", self.place.reference, shown(&self.place.url))
    }

    async fn read(&mut self) -> Result<Option<Tip>, StoreError> {
        if !self.fetch().await? {
            self.tip = None;
            return Ok(None);
        }
        let names = ["README.md", "journal.jsonl", "state.json"].map(|name| format!("{FETCHED}:{name}"));
        let read = self.objects(&[FETCHED, &names[0], &names[1], &names[2]]).await?;
        let Ok([Some(commit), readme, journal, snapshot]) = <[Option<Object>; 4]>::try_from(read) else {
            return Err(self.unfit("what was fetched is not in the cache"));
        };
        let Some(journal) = journal else {
            return Err(StoreError::Unfit {
                place: self.place(),
                why: "its tip holds no journal.jsonl: it is no state of casefile".to_owned(),
                next: "name another ref in state.url",
            });
        };
        (self.readme, self.snapshot) = (readme.map(|o| o.id), snapshot.as_ref().map(|o| o.id.clone()));
        let committed = committed(&commit.bytes);
        // Whose clock was ahead would hold everybody back.
        self.last_push = committed.map(|t| t.min((self.now)())).max(self.last_push);
        self.tip = Some(commit.id);
        Ok(Some(Tip { snapshot: snapshot.map(|o| o.bytes), journal: journal.bytes }))
    }

    async fn history(&mut self) -> Result<Option<Tip>, StoreError> {
        let followed = (self.tip.clone(), self.readme.clone(), self.snapshot.clone());
        let read = self.read().await;
        let commit = self.tip.clone();
        (self.tip, self.readme, self.snapshot) = followed;
        let (Some(tip), Some(commit)) = (read?, commit) else { return Ok(None) };
        if self.line(&["rev-parse", "--is-shallow-repository"], b"").await? == "true" {
            let output = self.fetch_by(&["--unshallow"], WHOLE).await?;
            if !output.status.success() {
                return Err(self.unreachable(words_of(&output.stderr)));
            }
        }
        Ok(Some(Tip { journal: self.whole_journal(&commit).await?, ..tip }))
    }

    async fn append(&mut self, segment: &Segment<'_>) -> Result<Put, StoreError> {
        let before = self.snapshot.clone();
        let commit = self.commit(segment).await?;
        let lease = format!(
            "--force-with-lease={}:{}",
            self.place.reference,
            self.tip.as_deref().unwrap_or_default()
        );
        let result = match self.push(&[&lease], &commit, &self.place.reference).await {
            Ok(output) => {
                let (stdout, stderr) =
                    (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                pushed(&stdout, &stderr).map_err(|why| StoreError::Unfit {
                    place: self.place(),
                    why: format!("the push is refused: {why}"),
                    next: "let this pipeline or user push to that ref, without force; or name another one in state.url",
                })
            }
            Err(e @ CommandError::Late(_)) => Ok(Put::Unknown(e.to_string())),
            Err(e) => Err(self.unfit(&e.to_string())),
        };
        if let Ok(Put::Unknown(why)) = &result
            && why.contains(OTHER_NAMES)
        {
            // The repository names its objects otherwise than the cache does: the same is pushed from a cache like it.
            self.make_anew("sha256").await?;
            (self.readme, self.snapshot, self.tip) = (None, None, None);
            return Ok(Put::Raced);
        }
        match &result {
            Ok(Put::Done) => {
                self.tip = Some(commit);
                self.last_push = Some((self.now)());
                self.pushes += 1;
            }
            _ => self.snapshot = before,
        }
        result
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        self.ready().await?;
        let probe = Segment { first: 1, lines: b"", journal: b"", snapshot: None, message: "a probe" };
        let commit = self.commit(&probe).await?;
        // Beside the ref: what is on it already is no obstacle to a right.
        let output = self.push(&["--dry-run"], &commit, &format!("{}.probe", self.place.reference)).await;
        let output = output.map_err(|e| self.unreachable(e.to_string()))?;
        let why = words_of(&output.stderr);
        // Then the cache is made anew once something is written.
        if output.status.success() || why.contains(OTHER_NAMES) { Ok(()) } else { Err(self.unreachable(why)) }
    }

    fn pace(&self) -> Pace {
        Pace { interval: self.place.interval, bound: self.place.bound }
    }

    fn next_append(&self) -> Option<Timestamp> {
        let now = (self.now)();
        let gathered = now.saturating_add(GATHER).unwrap_or(now);
        let spaced = self.last_push.filter(|_| self.pushes >= 2);
        let spaced = spaced.map(|t| t.saturating_add(self.place.interval).unwrap_or(t));
        Some(spaced.map_or(gathered, |t| t.max(gathered)))
    }
}

/// An address without what could be a secret.
pub fn shown(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}/{}", path.split(['?', '#']).next().unwrap_or_default())
        }
        None => url.to_owned(),
    }
}

/// The settings of a repository that are about one of its remotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// The addresses.
    pub url: Option<String>,
    /// The address that is pushed to, if it is another one.
    pub push_url: Option<String>,
    /// The settings that reach it: headers, certificates, proxies, rewritten addresses. None of them starts a program: a
    /// folder from an archive can bring settings, too.
    pub settings: Vec<(String, String)>,
    /// The root of the work tree.
    pub root: Option<PathBuf>,
    /// The words of git where it takes the folder for no repository, or does not trust it.
    pub refusal: String,
}

/// The settings of a repository that reach a remote.
const CARRIED: &str = r"^(http|url)\..*$";

/// The setting among them that is not carried: for one address it would count before the tool's own, which follows no
/// redirect.
const REDIRECTS: &str = ".followredirects";

/// Reads what the repository around a folder says of a remote.
///
/// # Errors
/// git cannot be started.
pub async fn configured(git: &Git, folder: &Path, remote: &str) -> Result<Configured, CommandError> {
    let root = git.run(folder, &["rev-parse", "--show-toplevel"], b"", LOCAL).await?;
    if !root.status.success() {
        return Ok(Configured { refusal: words_of(&root.stderr), ..Configured::default() });
    }
    let root = PathBuf::from(String::from_utf8_lossy(&root.stdout).trim_end_matches(['\n', '\r']));
    let get = async |name: &str| {
        let words = ["config", "--get", &format!("remote.{remote}.{name}")];
        let output = git.run(folder, &words, b"", LOCAL).await?;
        let value = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        // A path is relative to the root of the work tree.
        let value =
            (!value.is_empty()).then(|| match value.contains(':') || Path::new(&value).is_absolute() {
                true => value,
                false => root.join(value).to_string_lossy().into_owned(),
            });
        Ok::<_, CommandError>(value)
    };
    let (url, push_url) = (get("url").await?, get("pushurl").await?);
    let words = ["config", "--includes", "--show-scope", "-z", "--get-regexp", CARRIED];
    let output = git.run(folder, &words, b"", LOCAL).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut fields = text.split('\0');
    let mut settings = Vec::new();
    while let (Some(scope), Some(entry)) = (fields.next(), fields.next()) {
        // git finds those of its user and of the machine by itself.
        let Some((key, value)) = entry.split_once('\n').filter(|_| matches!(scope, "local" | "worktree"))
        else {
            continue;
        };
        if !key.ends_with(REDIRECTS) {
            settings.push((key.to_owned(), value.to_owned()));
        }
    }
    Ok(Configured { url, push_url, settings, root: Some(root), refusal: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_told_by_its_porcelain() {
        let of = |line: &str| pushed(&format!("To /srv/x.git\n{line}\nDone\n"), "remote: why\n");
        for line in [
            "*\ta:refs/casefile/x\t[new reference]",
            " \ta:refs/casefile/x\t1..2",
            "=\ta:refs/casefile/x\t[up to date]",
        ] {
            assert_eq!(of(line), Ok(Put::Done), "{line}");
        }
        for why in [
            "[rejected] (stale info)",
            "[rejected] (fetch first)",
            "[rejected] (non-fast-forward)",
            "[remote rejected] (cannot lock ref 'refs/casefile/x': is at 1 but expected 2)",
            "[remote rejected] (failed to update ref)",
        ] {
            assert_eq!(of(&format!("!\ta:refs/casefile/x\t{why}")), Ok(Put::Raced), "{why}");
        }
        let refused = of("!\ta:refs/casefile/x\t[remote rejected] (pre-receive hook declined)");
        assert_eq!(refused, Err("pre-receive hook declined; why".to_owned()));
        assert!(matches!(pushed("", "fatal: the remote end hung up"), Ok(Put::Unknown(_))));
        let denied = "fatal: unable to access 'http://h/': The requested URL returned error: 403";
        assert_eq!(pushed("", denied), Err(denied.to_owned()));
        let late =
            format!("error: RPC failed; HTTP 403 curl 22 The requested URL returned error: 403\n{denied}");
        assert!(matches!(pushed("", &late), Ok(Put::Unknown(_))), "the pack was on its way");
    }

    #[test]
    fn an_address_is_shown_without_secrets() {
        assert_eq!(shown("https://user:token@host/a.git?x=1"), "https://host/a.git");
        assert_eq!(shown("git@github.com:o/r.git"), "git@github.com:o/r.git");
        assert_eq!(shown("/srv/a.git"), "/srv/a.git");
    }
}
