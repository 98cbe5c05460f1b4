//! Everything that touches the process: environment, terminal, current folder, clock.
//!
//! Read once when a command starts; the library gets values. Results go to stdout, everything else
//! (progress, logs, questions, errors) to stderr; both by way of `stream`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use super::args::{Color, Global};
use super::clock;
use super::exit::{Error, from_here};
use super::nearby::project_above;
use super::runtime::no_threads;
pub use super::runtime::{reading_runtime, runtime, virtual_runtime};
use super::stream;
pub use super::stream::complain;
use super::trace::Trace;
use crate::defender::auth::AccessToken;
use crate::defender::{AllowedHosts, Authorities, Clock, Network, is_direct};
use crate::files::{self, Links};
use crate::manifest::{self, PROJECT_FILE, Project};
use crate::model::Advice;
use crate::platform;
use crate::render::escape;

/// Columns and lines of the terminal that stderr is; those of an old one where it is none.
pub fn terminal() -> (usize, usize) {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or((80, 24), |(w, h)| (usize::from(w.0), usize::from(h.0)))
}

/// What a command knows of the process that it runs in.
#[derive(Debug)]
pub struct Context {
    /// The project folder: `-C DIR`, the current one, or the one above it that holds the project.
    pub dir: PathBuf,
    /// The current folder relative to the project folder, where the project was found above it; else empty.
    below: PathBuf,
    /// The project folder as `-C` named it, where that is another than the current one.
    pub typed_dir: Option<String>,
    /// A person sees results as well as questions: stdout is a terminal too.
    pub converses: bool,
    /// The variables that the tool reads.
    pub env: Environment,
    /// Whether a person can be asked: stdin and stderr are terminals and `CI` is not set. Without it
    /// there are no prompts and no bars.
    pub interactive: bool,
    /// Whether results may hold colour.
    pub color_out: bool,
    /// Whether what goes to stderr may hold colour.
    pub color_err: bool,
    /// Columns that results are laid out for: the terminal's, or 80 where stdout is none.
    pub width: usize,
    /// Columns of what goes to stderr: the terminal's. In a log nothing is wrapped: one line an event.
    pub width_err: usize,
    /// How often `-v` was given.
    pub verbose: u8,
    /// `-q`
    pub quiet: bool,
    /// Hosts that tokens may be sent to beside the known ones: `--allow-host` and `CASEFILE_ALLOW_HOST`. No file of
    /// a project is a source.
    pub allowed_hosts: AllowedHosts,
    /// The file of certificate authorities, with the name of its setting: `--ca-file` or `CASEFILE_CA_FILE`.
    ca_file: Option<(&'static str, PathBuf)>,
    /// The token on stdin, once it was read.
    token_on_stdin: OnceLock<AccessToken>,
    /// `--trace-http`, or `CASEFILE_TRACE_HTTP`: the file that exchanges with the service are written to.
    pub trace_http: Option<PathBuf>,
    /// That file, once it is open.
    pub trace: OnceLock<Arc<Trace>>,
    /// The environment of programs that a command runs.
    pub child_environment: Vec<(&'static str, OsString)>,
    inherited: Inherited,
    clock: Clock,
}

impl Context {
    /// Looks around once.
    pub fn new(global: &Global) -> Result<Self, Error> {
        let env = environment()?;
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let able = platform::shows_colors();
        let (color_out, color_err) =
            (colored(global.color, stdout && able, &env), colored(global.color, stderr && able, &env));
        stream::paint(color_out, color_err);
        Ok(Context {
            dir: global.project.clone().unwrap_or_else(|| PathBuf::from(".")),
            below: PathBuf::new(),
            typed_dir: typed_dir(global),
            converses: stdout && io::stdin().is_terminal() && stderr && !env.is_set("CI"),
            interactive: io::stdin().is_terminal() && stderr && !env.is_set("CI"),
            color_out,
            color_err,
            width: terminal_size::terminal_size_of(io::stdout()).map_or(80, |(w, _)| usize::from(w.0)),
            width_err: terminal_size::terminal_size_of(io::stderr())
                .map_or(usize::MAX, |(w, _)| usize::from(w.0)),
            verbose: global.verbose,
            quiet: global.quiet,
            allowed_hosts: allowed_hosts(&env, &global.allow_host)?,
            ca_file: ca_file(&env, global.ca_file.as_deref()),
            token_on_stdin: OnceLock::new(),
            trace_http: global
                .trace_http
                .clone()
                .or_else(|| env.get("CASEFILE_TRACE_HTTP").map(PathBuf::from)),
            trace: OnceLock::new(),
            child_environment: child_environment(),
            inherited: inherited(),
            clock: clock::begin(),
            env,
        })
    }

    /// Goes to the project above the current folder, where neither it nor `-C` names one.
    pub fn in_project_above(mut self, global: &Global) -> Self {
        if global.project.is_none()
            && let Some((dir, below)) = project_above(&self.dir)
        {
            self.note(&format!("Project: {}", dir.join(PROJECT_FILE).display()));
            (self.dir, self.below) = (dir, below);
        }
        self
    }

    /// A path as typed, relative to the project folder. Where the project was found above, people type paths from the
    /// folder that they are in.
    pub fn typed(&self, path: &Path) -> PathBuf {
        if path.is_absolute() || self.below.as_os_str().is_empty() {
            return path.to_owned();
        }
        let mut out = self.below.clone();
        for part in path.components() {
            match part {
                Component::ParentDir if out.file_name().is_some() => drop(out.pop()),
                Component::CurDir => {}
                part => out.push(part),
            }
        }
        if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
    }

    /// A path relative to the project folder, as the process finds it.
    pub fn path(&self, typed: &Path) -> PathBuf {
        if self.dir == Path::new(".") { typed.to_owned() } else { self.dir.join(typed) }
    }

    /// Writes a result for people to stdout. A reader that has gone away is [`Error::Closed`], a quiet end.
    pub fn out(&self, text: &str) -> Result<(), Error> {
        stream::show(text).map_err(unwritten)
    }

    /// Writes a result for programs to stdout, as it is.
    pub fn document(&self, text: &str) -> Result<(), Error> {
        stream::document(text).map_err(unwritten)
    }

    /// From now on output holds up nothing: for commands that calls may be under way in.
    pub fn detach(&self) -> Result<(), Error> {
        stream::detach().map_err(no_threads)
    }

    /// The project's folder as commands have to name it; none for the current one.
    pub fn named(&self) -> Option<std::borrow::Cow<'_, str>> {
        (self.dir != Path::new(".")).then(|| self.dir.to_string_lossy())
    }

    /// Tells something by the way, in one line on stderr; `-q` silences it.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            let line = from_here(line.trim_end(), self.named().as_deref());
            complain(&format!("{}\n", escape::one_line(&line)));
        }
    }

    /// Reads what is set about the way to services.
    pub fn network(&self, project: &Project) -> Result<Network, Error> {
        let direct = is_direct(|name| self.env.get(name).map(str::to_owned));
        Ok(Network { authorities: self.authorities(project)?, direct })
    }

    /// Reads the certificate authorities that are trusted beside those of this computer: those of `--ca-file` or
    /// `CASEFILE_CA_FILE`, else those of `defender.caFile`, whose file is none that a change of the project can bring.
    /// Commands that call nobody never do.
    fn authorities(&self, project: &Project) -> Result<Authorities, Error> {
        let named = project.spec.defender.ca_file.as_deref();
        let (setting, path) = match (&self.ca_file, named) {
            (Some((setting, path)), _) => (*setting, path.clone()),
            (None, Some(named)) => ("defender.caFile", self.dir.join(named)),
            (None, None) => return Ok(Authorities::default()),
        };
        let bad = |why: String, words| Error::Service {
            message: format!("{setting} names {}: {why}", path.display()),
            next: Advice::then(words, "casefile doctor"),
        };
        let unfit = |why| bad(why, "name a file with certificates in PEM, or leave the setting out");
        if self.ca_file.is_none()
            && manifest::is_in_repository(&self.dir, &path).map_err(|e| unfit(e.to_string()))?
        {
            return Err(bad(
                "it lies in the repository, and who may change that does not say whom this computer trusts"
                    .into(),
                "keep the file outside of the repository, or name it by CASEFILE_CA_FILE or --ca-file",
            ));
        }
        let bytes = files::read(&path, Links::Followed, LONGEST_CA_FILE).map_err(|e| unfit(e.to_string()))?;
        Authorities::read(&bytes).map_err(|e| unfit(e.to_string()))
    }

    /// Reads the token on stdin to its end, once; `variable` asks for it by `-`.
    pub fn token_on_stdin(&self, variable: &'static str) -> Result<AccessToken, Error> {
        let refused = |why: &str| Error::Environment { name: variable, why: format!("is -, and {why}") };
        if let Some(token) = self.token_on_stdin.get() {
            return Ok(token.clone());
        }
        if io::stdin().is_terminal() {
            return Err(refused("stdin is a terminal: send the token by a pipe, or name its file, @FILE"));
        }
        let mut text = Zeroizing::new(String::new());
        io::stdin()
            .take(LONGEST_TOKEN + 1)
            .read_to_string(&mut text)
            .map_err(|e| refused(&format!("stdin cannot be read: {e}")))?;
        match text.trim() {
            "" => Err(refused("stdin holds nothing")),
            _ if text.len() as u64 > LONGEST_TOKEN => Err(refused("stdin holds more than a token")),
            token => Ok(self.token_on_stdin.get_or_init(|| AccessToken::new(token)).clone()),
        }
    }

    /// The environment for a git that reaches a remote: what it finds itself, its user's settings and its credentials in,
    /// without our own secrets.
    pub fn git_environment(&self) -> impl Iterator<Item = (OsString, OsString)> + '_ {
        let own = |name: &OsString| {
            name.to_str().is_some_and(|name| Environment::is_ours(&platform::variable(name)))
        };
        self.inherited.0.iter().filter(move |(name, _)| !own(name)).cloned()
    }

    /// The environment for a program of the user's choice: all of it but our credentials, those for object storage
    /// included.
    pub fn environment_of_others(&self) -> impl Iterator<Item = (OsString, OsString)> + '_ {
        let ours = |name: &OsString| {
            let Some(name) = name.to_str().map(platform::variable) else { return false };
            let families = Environment::FAMILIES.iter().any(|begin| name.starts_with(begin));
            families || Environment::is_ours(&name) || Environment::IDENTITY.contains(&&*name)
        };
        self.inherited.0.iter().filter(move |(name, _)| !ours(name)).cloned()
    }

    /// A variable that a library reads by itself.
    pub fn inherited(&self, name: &str) -> Option<&str> {
        self.inherited_family(name).find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The variables whose names begin with something: the settings of a library, by the names that it documents. Empty
    /// ones count as not set.
    pub fn inherited_family(&self, begin: &str) -> impl Iterator<Item = (&str, &str)> {
        let texts =
            self.inherited.0.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        texts.filter(move |(name, value)| name.starts_with(begin) && !value.trim().is_empty())
    }

    /// Our clock, for the library.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// What the lock's file says of this process.
    pub fn holder(&self, command: &str, since: jiff::Timestamp) -> crate::state::Holder {
        crate::state::Holder {
            user: self.env.get("USER").or(self.env.get("USERNAME")).unwrap_or("unknown").to_owned(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pid: std::process::id(),
            since,
            command: command.to_owned(),
            job: self.env.job(),
        }
    }

    /// Returns the user, the computer and the pipeline's job that the tool works for.
    pub fn operator(&self) -> crate::state::Operator {
        self.holder("", self.now()).into()
    }

    /// Now, by our clock.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }
}

/// The project folder as `-C` named it, where that is another than the current one.
pub fn typed_dir(global: &Global) -> Option<String> {
    let dir = global.project.as_deref().filter(|dir| *dir != Path::new("."));
    dir.map(|dir| dir.to_string_lossy().into_owned())
}

/// The variables that the tool reads.
#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
pub fn environment() -> Result<Environment, Error> {
    Environment::read(|name| std::env::var_os(name))
}

/// Why a result was not written.
/// The error of a result that cannot be written to stdout.
pub fn unwritten(e: io::Error) -> Error {
    match e.kind() {
        ErrorKind::BrokenPipe => Error::Closed,
        // The stream was given up after a signal.
        ErrorKind::Interrupted => Error::Interrupted,
        _ => Error::Stdout(e),
    }
}

/// The variables of the process' environment that a command gives to the programs that it runs: where they find
/// themselves and their user's settings. Secrets are not among them, nor any variable that would change what they do.
const CHILD_ENVIRONMENT: [&str; 15] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "TMPDIR",
    "USERPROFILE",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "PATHEXT",
    "TEMP",
    "TMP",
];

#[expect(clippy::disallowed_methods, reason = "the one file where the environment is read")]
fn child_environment() -> Vec<(&'static str, OsString)> {
    CHILD_ENVIRONMENT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect()
}

/// The whole environment, for git and for the stores' libraries. Values may be secrets: `Debug` shows none.
struct Inherited(Vec<(OsString, OsString)>);

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn inherited() -> Inherited {
    Inherited(std::env::vars_os().collect())
}

/// The longest file of certificate authorities, and the longest token on stdin, in bytes.
const LONGEST_CA_FILE: u64 = 8 << 20;
const LONGEST_TOKEN: u64 = 1 << 20;

/// The file of certificate authorities, and the setting that named it.
fn ca_file(env: &Environment, typed: Option<&Path>) -> Option<(&'static str, PathBuf)> {
    const NAME: &str = "CASEFILE_CA_FILE";
    let named = || env.get(NAME).map(|path| (NAME, PathBuf::from(path)));
    typed.map(|path| ("--ca-file", path.to_owned())).or_else(named)
}

fn allowed_hosts(env: &Environment, typed: &[String]) -> Result<AllowedHosts, Error> {
    const NAME: &str = "CASEFILE_ALLOW_HOST";
    let mut hosts = AllowedHosts::default();
    if let Some(list) = env.get(NAME) {
        hosts
            .add(list)
            .map_err(|e| Error::Environment { name: NAME, why: format!("is no list of hosts: {e}") })?;
    }
    for list in typed {
        hosts.add(list).map_err(|e| Error::Usage(format!("--allow-host: {e}")))?;
    }
    Ok(hosts)
}

/// Returns whether a stream may hold colour.
pub fn colored(when: Color, terminal: bool, env: &Environment) -> bool {
    match when {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !env.is_set("NO_COLOR") && env.get("TERM") != Some("dumb"),
    }
}

/// The environment variables that the tool reads, taken once. An empty one counts as not set.
///
/// Values may be secrets: `Debug` shows names alone.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<&'static str, String>);

impl Environment {
    /// Every name that is read, here or by a credential that is handed the value.
    pub const NAMES: [&'static str; 44] = [
        "CASEFILE_ENDPOINT",
        "CASEFILE_ACCESS_TOKEN",
        "CASEFILE_ALLOW_HOST",
        "CASEFILE_CA_FILE",
        "CASEFILE_GRAPH_ENDPOINT",
        "CASEFILE_GRAPH_TOKEN",
        "CASEFILE_STATE_URL",
        "CASEFILE_TRACE_HTTP",
        "CASEFILE_ALLOW_STORE",
        "CASEFILE_CACHE_DIR",
        "XDG_CACHE_HOME",
        "LOCALAPPDATA",
        "HOME",
        "USERPROFILE",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "CI_JOB_URL",
        "GITHUB_SERVER_URL",
        "GITHUB_REPOSITORY",
        "GITHUB_RUN_ID",
        "SYSTEM_COLLECTIONURI",
        "SYSTEM_TEAMPROJECT",
        "BUILD_BUILDID",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_CONFIG_DIR",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_TENANT_ID",
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "SYSTEM_ACCESSTOKEN",
        "CI",
        "NO_COLOR",
        "RUST_LOG",
        "TERM",
        "USER",
        "USERNAME",
    ];

    /// Names by which the service behind a machine's or a pipeline's identity is found, and what it is shown.
    const IDENTITY: [&'static str; 5] =
        ["SYSTEM_ACCESSTOKEN", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET"];

    /// Returns whether a variable is one of ours, or one of those that sign us in.
    fn is_ours(name: &str) -> bool {
        ["CASEFILE_", "AZURE_", "ACTIONS_ID_TOKEN_"].iter().any(|begin| name.starts_with(begin))
    }

    /// Names that object storage is found by begin like this; what follows is the business of its library.
    pub const FAMILIES: [&'static str; 3] = ["AWS_", "AZURE_STORAGE_", "GOOGLE_"];

    /// Returns the address of the pipeline's job that this is, on the forges that tell it.
    pub fn job(&self) -> Option<String> {
        let github = || {
            let (server, repository) = (self.get("GITHUB_SERVER_URL")?, self.get("GITHUB_REPOSITORY")?);
            Some(format!("{server}/{repository}/actions/runs/{}", self.get("GITHUB_RUN_ID")?))
        };
        let azure = || {
            let (collection, project) = (self.get("SYSTEM_COLLECTIONURI")?, self.get("SYSTEM_TEAMPROJECT")?);
            let collection = collection.trim_end_matches('/');
            Some(format!("{collection}/{project}/_build/results?buildId={}", self.get("BUILD_BUILDID")?))
        };
        self.get("CI_JOB_URL").map(str::to_owned).or_else(github).or_else(azure)
    }

    /// Takes the known names from `get`. A value that is no UTF-8 is an error that names the variable.
    pub fn read(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let mut vars = BTreeMap::new();
        for name in Self::NAMES {
            let Some(value) = get(name) else { continue };
            let value = value
                .into_string()
                .map_err(|_| Error::Environment { name, why: "is not valid UTF-8".into() })?;
            if !value.trim().is_empty() {
                vars.insert(name, value);
            }
        }
        Ok(Environment(vars))
    }

    /// One value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether it has a value.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Environment {
        Environment::read(|n| pairs.iter().find(|(k, _)| *k == n).map(|(_, v)| v.into())).unwrap()
    }

    #[test]
    fn debug_shows_no_value() {
        let e = env(&[("CASEFILE_ACCESS_TOKEN", "s3cret"), ("AZURE_CLIENT_SECRET", "s3cret")]);
        let shown = format!("{e:?}");
        assert!(shown.contains("CASEFILE_ACCESS_TOKEN") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_signs_in_gets_its_values() {
        let all: Vec<(&str, &str)> = Environment::NAMES.map(|n| (n, "s3cret")).to_vec();
        let e = env(&all);
        let c = crate::defender::auth::Environment::read(|name| e.get(name).map(str::to_owned));
        assert!(c.access_token.is_some() && c.graph_token.is_some());
        assert!(c.tenant_id.is_some() && c.client_id.is_some());
        assert!(c.client_secret.is_some() && c.client_certificate.is_some());
        assert!(c.client_certificate_password.is_some() && c.azure_cli_settings.is_some());
        assert!(c.federated_token_file.is_some() && c.pipelines_connection.is_some());
        assert!(c.github_request_url.is_some() && c.github_request_token.is_some());
        assert!(c.pipelines_token.is_some());
    }

    #[test]
    fn empty_is_not_set_and_other_names_are_not_read() {
        let e = env(&[("CI", " "), ("SHELL", "/root")]);
        assert!(!e.is_set("CI") && !e.is_set("SHELL"));
    }

    #[test]
    fn an_unreadable_value_names_its_variable_only() {
        let Some(unix) = platform::testing::unix() else { return };
        let bad = || unix.name(b"s\xff");
        let e = Environment::read(|n| (n == "AZURE_CLIENT_SECRET").then(bad)).unwrap_err();
        assert_eq!(e.to_string(), "the environment variable AZURE_CLIENT_SECRET is not valid UTF-8");
    }

    #[test]
    fn who_decides_on_colour() {
        let plain = env(&[]);
        let no = env(&[("NO_COLOR", "1")]);
        assert!(colored(Color::Auto, true, &plain) && !colored(Color::Auto, false, &plain));
        assert!(!colored(Color::Auto, true, &no) && colored(Color::Always, false, &no));
        assert!(!colored(Color::Auto, true, &env(&[("TERM", "dumb")])));
    }
}
