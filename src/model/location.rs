//! Where a state is kept, by its URL. Pure: nothing is looked up.

/// Where a state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder on this machine, relative to the project's.
    Folder(String),
    /// A place that several machines reach.
    Shared(SharedPlace),
}

/// A place that several machines reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedPlace {
    /// A ref of a git repository.
    Git {
        /// The repository.
        repository: Repository,
        /// The whole name of the ref.
        reference: String,
    },
    /// Objects below a prefix of a bucket.
    Objects(Bucket),
}

/// A service that keeps objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objects {
    /// Amazon S3, and whatever speaks its language.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage.
    Google,
}

impl Objects {
    const ALL: [Objects; 3] = [Objects::S3, Objects::Azure, Objects::Google];

    /// The scheme of its URLs.
    pub const fn scheme(self) -> &'static str {
        match self {
            Objects::S3 => "s3",
            Objects::Azure => "az",
            Objects::Google => "gs",
        }
    }
}

/// A place in object storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The service.
    pub service: Objects,
    /// The bucket, or the container.
    pub name: String,
    /// The beginning of the names of the journal's objects, without a slash at its end; may be empty.
    pub prefix: String,
    /// The same for the snapshot.
    pub snapshot: String,
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Bucket { service, name, prefix, .. } = self;
        let slash = if prefix.is_empty() { "" } else { "/" };
        write!(f, "{}://{name}{slash}{prefix}", service.scheme())
    }
}

/// A git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repository {
    /// A remote of the repository that the project folder lies in.
    Remote(String),
    /// Any repository.
    Url(String),
}

/// Why a URL names no place for a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// A scheme that is not known.
    #[error(
        "a state cannot be kept at `{0}:`: write file:FOLDER, git:refs/casefile/NAME, git:URL?ref=refs/casefile/NAME, \
         s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or gs://BUCKET/PREFIX"
    )]
    Scheme(String),
    /// A ref that could be a branch of people.
    #[error("the ref `{0}` is not taken: a state is kept under refs/casefile/ or refs/heads/casefile/ alone")]
    Reference(String),
    /// A remote that git could take for an option.
    #[error("`{0}` is no name of a remote")]
    Remote(String),
    /// A repository's address with a user and a password, or a token, in it.
    #[error(
        "the address of the state holds a user or a password: take it out; git's credential helpers have it, and \
         object storage finds it in the environment"
    )]
    UserInfo,
    /// A bucket or a prefix that cannot be.
    #[error(
        "`{0}` is no place in object storage: write SCHEME://BUCKET/PREFIX, of letters, digits and any of -_.=+"
    )]
    Bucket(String),
    /// A repository whose address git could take for a command, or that is reached by a way that is not safe.
    #[error("`{0}` is no repository's address: https, ssh, file, or plain http on this machine")]
    Address(String),
    /// A parameter that is not known.
    #[error("`{0}` is no parameter of a state's address")]
    Parameter(String),
}

impl Location {
    /// Reads a URL of a state. `project` names the ref where the URL names none.
    ///
    /// # Errors
    /// Whatever the URL names that is no place for a state.
    pub fn parse(url: &str, project: &str) -> Result<Self, LocationError> {
        if let Some(path) = url.strip_prefix("file:") {
            // `file:///srv/state` names a host, an empty one, before the path.
            let path = path.strip_prefix("//").filter(|p| p.starts_with('/')).unwrap_or(path);
            return Ok(Location::Folder(path.to_owned()));
        }
        let Some(rest) = url.strip_prefix("git:") else {
            let of =
                |service: Objects| Some((service, url.strip_prefix(service.scheme())?.strip_prefix("://")?));
            let found = Objects::ALL.into_iter().find_map(of);
            let (service, rest) = found.ok_or_else(|| LocationError::Scheme(scheme(url)))?;
            return Ok(Location::Shared(SharedPlace::Objects(bucket(service, rest)?)));
        };
        let (body, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut reference, mut remote) = (None, None);
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            match pair.split_once('=') {
                Some(("ref", value)) => reference = Some(value.to_owned()),
                Some(("remote", value)) => remote = Some(value.to_owned()),
                _ => return Err(LocationError::Parameter(pair.to_owned())),
            }
        }
        let usual = || format!("refs/casefile/{project}");
        if body.is_empty() || body.starts_with("refs/") {
            if reference.is_some() {
                return Err(LocationError::Parameter("ref".to_owned()));
            }
            let reference = if body.is_empty() { usual() } else { body.to_owned() };
            let remote = remote.unwrap_or_else(|| "origin".to_owned());
            if !is_remote(&remote) {
                return Err(LocationError::Remote(remote));
            }
            let repository = Repository::Remote(remote);
            return Ok(git(repository, checked(reference)?));
        }
        if let Some(remote) = remote {
            return Err(LocationError::Parameter(format!("remote={remote}")));
        }
        let reference = checked(reference.unwrap_or_else(usual))?;
        Ok(git(Repository::Url(address(body)?), reference))
    }
}

fn git(repository: Repository, reference: String) -> Location {
    Location::Shared(SharedPlace::Git { repository, reference })
}

/// Returns what stands before the first colon: the rest may hold a secret.
fn scheme(url: &str) -> String {
    url.split_once(':').map_or(url, |(scheme, _)| scheme).chars().take(40).collect()
}

fn bucket(service: Objects, rest: &str) -> Result<Bucket, LocationError> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
    if name.contains('@') {
        return Err(LocationError::UserInfo);
    }
    let bad = || LocationError::Bucket(format!("{}://{place}", service.scheme()));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.=+".contains(c);
    let part = |p: &str| !p.is_empty() && p.chars().all(plain) && p.chars().any(|c| c != '.');
    let checked = |prefix: &str| {
        let prefix = prefix.trim_end_matches('/');
        let fine = prefix.is_empty() || prefix.split('/').all(part);
        fine.then(|| prefix.to_owned()).ok_or_else(bad)
    };
    if !part(name) {
        return Err(bad());
    }
    let prefix = checked(prefix)?;
    let mut snapshot = prefix.clone();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        match pair.split_once('=') {
            Some(("snapshot", value)) => snapshot = checked(value)?,
            Some((name, _)) => return Err(LocationError::Parameter(name.to_owned())),
            None => return Err(LocationError::Parameter(pair.to_owned())),
        }
    }
    Ok(Bucket { service, name: name.to_owned(), prefix, snapshot })
}

fn is_remote(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    !name.is_empty() && !name.starts_with(['-', '.', '/']) && name.chars().all(plain)
}

/// Checks the name of a ref: under the two prefixes, and as git writes names.
fn checked(reference: String) -> Result<String, LocationError> {
    let name =
        reference.strip_prefix("refs/casefile/").or_else(|| reference.strip_prefix("refs/heads/casefile/"));
    let part = |p: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !p.is_empty()
            && !p.starts_with(['.', '-'])
            && !p.ends_with('.')
            && !p.ends_with(".lock")
            && !p.contains("..")
            && p.chars().all(plain)
    };
    match name {
        Some(name) if name.split('/').all(part) => Ok(reference),
        _ => Err(LocationError::Reference(reference)),
    }
}

/// Checks the address of a repository. `host:path` is what people write for ssh.
fn address(text: &str) -> Result<String, LocationError> {
    let bad = || LocationError::Address(scheme(text));
    if text.starts_with('-')
        || text.chars().any(|c| c.is_control() || c.is_whitespace())
        || text.contains("::")
    {
        return Err(bad());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        // `git@host:path`: the user is part of how ssh is used, and no secret.
        let ssh = text.split_once(':').is_some_and(|(host, path)| {
            !path.is_empty() && host.rsplit_once('@').map_or(host, |(_, h)| h).chars().all(is_host)
        });
        return if ssh || text.starts_with('/') { Ok(text.to_owned()) } else { Err(bad()) };
    };
    let host = rest.split('/').next().unwrap_or_default();
    let user = host.rsplit_once('@').map(|(user, _)| user);
    match scheme {
        "file" if host.is_empty() => Ok(text.to_owned()),
        "ssh" if user.is_none_or(|u| !u.contains(':')) => Ok(text.to_owned()),
        "https" | "http" | "ssh" if user.is_some() => Err(LocationError::UserInfo),
        "https" => Ok(text.to_owned()),
        "http" if is_loopback(host) => Ok(text.to_owned()),
        _ => Err(bad()),
    }
}

fn is_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

/// Says whether a host, with or without a port, is this machine.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    matches!(name, "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(repository: Repository, reference: &str) -> Result<Location, LocationError> {
        Ok(super::git(repository, reference.to_owned()))
    }

    #[test]
    fn places_are_read() {
        let parse = |url: &str| Location::parse(url, "ir");
        assert_eq!(parse("file:.casefile"), Ok(Location::Folder(".casefile".into())));
        assert_eq!(parse("file:///srv/state"), Ok(Location::Folder("/srv/state".into())));
        let origin = || Repository::Remote("origin".into());
        assert_eq!(parse("git:"), git(origin(), "refs/casefile/ir"));
        assert_eq!(parse("git:refs/casefile/a/b"), git(origin(), "refs/casefile/a/b"));
        assert_eq!(parse("git:refs/heads/casefile/a"), git(origin(), "refs/heads/casefile/a"));
        let upstream = Repository::Remote("upstream".into());
        assert_eq!(parse("git:refs/casefile/a?remote=upstream"), git(upstream, "refs/casefile/a"));
        for url in [
            "https://h/o/r.git",
            "ssh://git@h/o/r",
            "git@h:o/r.git",
            "file:///srv/r.git",
            "http://127.0.0.1:80/r",
            "/srv/r",
        ] {
            let place = git(Repository::Url(url.into()), "refs/casefile/s");
            assert_eq!(parse(&format!("git:{url}?ref=refs/casefile/s")), place);
        }
    }

    #[test]
    fn buckets_are_read() {
        let of = |service, prefix: &str, snapshot: &str| {
            let [prefix, snapshot] = [prefix, snapshot].map(str::to_owned);
            let bucket = Bucket { service, name: "b-1".into(), prefix, snapshot };
            Ok(Location::Shared(SharedPlace::Objects(bucket)))
        };
        let parse = |url: &str| Location::parse(url, "ir");
        assert_eq!(parse("s3://b-1/ir/prod"), of(Objects::S3, "ir/prod", "ir/prod"));
        assert_eq!(parse("az://b-1/ir/"), of(Objects::Azure, "ir", "ir"));
        assert_eq!(parse("gs://b-1"), of(Objects::Google, "", ""));
        assert_eq!(parse("s3://b-1/ir?snapshot=fresh/ir"), of(Objects::S3, "ir", "fresh/ir"));
        assert_eq!(parse("s3://k:secret@b-1/ir"), Err(LocationError::UserInfo));
        for url in
            ["s3://", "s3:///ir", "s3://b//ir", "s3://b/../ir", "s3://b/a b", "s3://b/a%2fb", "s3://b/x#y"]
        {
            assert!(matches!(parse(url), Err(LocationError::Bucket(_))), "{url}");
        }
        assert_eq!(parse("s3://b/ir?sig=secret"), Err(LocationError::Parameter("sig".into())));
        assert_eq!(parse("s3:b/ir"), Err(LocationError::Scheme("s3".into())));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let parse = |url: &str| Location::parse(url, "ir").unwrap_err();
        assert_eq!(parse("ftp://h/secret"), LocationError::Scheme("ftp".into()));
        for reference in [
            "refs/heads/main",
            "refs/casefile/",
            "refs/casefile/a..b",
            "refs/casefile/-x",
            "refs/casefile/a.lock",
            "refs/tags/x",
        ] {
            assert_eq!(parse(&format!("git:{reference}")), LocationError::Reference(reference.into()));
        }
        assert_eq!(parse("git:refs/casefile/a?remote=-x"), LocationError::Remote("-x".into()));
        for url in ["https://u:p@h/r", "https://t@h/r", "ssh://u:p@h/r"] {
            assert_eq!(parse(&format!("git:{url}")), LocationError::UserInfo);
        }
        for url in ["ext::sh -c x", "http://example.org/r", "-oProxy", "ftp://h/r", "file://h/r"] {
            assert!(matches!(parse(&format!("git:{url}")), LocationError::Address(_)), "{url}");
        }
        assert!(matches!(parse("git:refs/casefile/a?x=1"), LocationError::Parameter(_)));
    }
}
