//! What can be typed, as clap types. Nothing here leaves `cli`: commands turn it into the library's
//! own requests.
//!
//! The doc comments are the help texts. `docs/cli.md` holds the same tables; `tests/cli_docs.rs`
//! compares the two.

mod draft;
mod drill;
mod evidence;
mod new;
mod state;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use draft::DraftArgs;
pub use drill::DrillArgs;
pub use evidence::{ExportArgs, FetchArgs, ReportArgs, ReportFormat};
pub use new::{Label, NewCommand, NewIncidentArgs, NewPackageArgs, Placing};
pub use state::{
    StateCommand, StateListArgs, StateMigrateArgs, StateMvArgs, StatePullArgs, StateRebuildArgs,
    StateRenameProjectArgs, StateRmArgs, StateShowArgs,
};

use crate::model::{Cloud, PlanDigest, Sha256Hex, Span, Timespan};
use crate::plan::names::Named;

/// Incident actions as code for Microsoft Defender for Endpoint: declare, review, apply
#[derive(Debug, Parser)]
#[command(name = "casefile", version, about, propagate_version = false, max_term_width = 100)]
#[command(after_help = "Start with `casefile init my-cases`; the project it writes needs no account.\n\
    Read `casefile help topics` for what is told beside the commands: manifests, runbooks, exit codes.")]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Work in DIR, the project folder, instead of the current one
    #[arg(short = 'C', value_name = "DIR", global = true, help_heading = "Global options")]
    pub project: Option<PathBuf>,
    /// Show more: unchanged rows and progress (-v), decisions (-vv), everything (-vvv)
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Global options")]
    pub verbose: u8,
    /// Show results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub quiet: bool,
    /// When to colour; `auto` asks the terminal and NO_COLOR
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, help_heading = "Global options")]
    pub color: Color,
    /// How log lines on stderr are written
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        global = true,
        help_heading = "Global options"
    )]
    pub log_format: LogFormat,
    /// Send tokens to this host too, which no known cloud has; repeatable
    #[arg(long, value_name = "HOST", global = true, help_heading = "Global options")]
    pub allow_host: Vec<String>,
    /// Trust the certificate authorities in FILE too, such as a proxy's own
    #[arg(long, value_name = "FILE", global = true, help_heading = "Global options")]
    pub ca_file: Option<PathBuf>,
    /// Write exchanges with the service into this HAR file, without tokens
    #[arg(long, value_name = "FILE", global = true, help_heading = "Global options")]
    pub trace_http: Option<PathBuf>,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// If the stream is a terminal and NO_COLOR is not set.
    #[value(help = None)]
    Auto,
    /// Also into files and pipes.
    #[value(help = None)]
    Always,
    /// Not at all.
    #[value(help = None)]
    Never,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[value(help = None)]
    Text,
    /// One JSON object a line.
    #[value(help = None)]
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a new project
    Init(InitArgs),
    /// Check the manifests offline and show every problem at once
    Validate(ValidateArgs),
    /// Show what would be called, and why; change nothing
    Plan(PlanArgs),
    /// Show a plan that was saved
    Show(ShowArgs),
    /// Send the missing calls and record what came of them
    Apply(ApplyArgs),
    /// Write the reviewed calls beside the manifests
    Seal(SealArgs),
    /// Print the manifests that runbooks and incidents come to
    Render(RenderArgs),
    /// Run the cases of runbooks, offline
    Test(TestArgs),
    /// Show where every resource stands
    Status(StatusArgs),
    /// Show what was recorded, newest first
    Log(LogArgs),
    /// Fetch the packages of collections that are done
    Fetch(FetchArgs),
    /// Write one page that shows an incident: what was asked, by whom, and what became of it
    Report(ReportArgs),
    /// Cancel collections that still run
    Cancel(CancelArgs),
    /// Run a hunting query: show its rows, or write manifests of them
    Hunt(HuntArgs),
    /// Write a manifest
    #[command(subcommand)]
    New(NewCommand),
    /// Write manifests for what the service shows: an alert, or collections that nobody declared
    Draft(DraftArgs),
    /// Take over an existing action or alert; nothing is sent
    Import(ImportArgs),
    /// Play the project against made-up machines in virtual time: what would happen when, and what would fail
    Drill(DrillArgs),
    /// Look into the recorded state, or change it by hand
    #[command(subcommand)]
    State(StateCommand),
    /// Check the journal's chain, the state and the packages that are held
    Verify(VerifyArgs),
    /// Look at what a run will need: project, sign-in, permissions, state, evidence
    Doctor(DoctorArgs),
    /// Write packages and their records into a bag, to be handed on
    Export(ExportArgs),
    /// Print a JSON Schema, or list what there is
    Schema(SchemaArgs),
    /// Serve the simulated Defender API on this machine
    Sandbox(SandboxArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man(ManArgs),
}

impl Command {
    /// Returns whether the command is about a project, which it finds above the current folder too.
    pub fn is_of_project(&self) -> bool {
        let of_none = matches!(self, Command::Init(_) | Command::Schema(_) | Command::Sandbox(_))
            || matches!(self, Command::Completions(_) | Command::Man(_));
        !of_none
    }

    /// Whether values of a query's rows may be shown in errors.
    pub fn shows_rows(&self) -> bool {
        match self {
            Command::Plan(args) => args.planning.show_rows,
            Command::Apply(args) => args.planning.show_rows,
            Command::Seal(args) => args.show_rows,
            _ => false,
        }
    }
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder to write into; made if it is missing
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Write the pipelines of this forge, `github` without it; with `--state git` those that apply what is merged too. To a
    /// project that is there they are added
    #[arg(long, value_name = "FORGE")]
    pub pipeline: Option<Forge>,
    /// Keep the state in a folder of the project, or in a ref of the repository's remote
    #[arg(long, value_name = "PLACE", default_value = "folder")]
    pub state: StatePlace,
}

/// A forge whose pipelines `init` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Forge {
    /// GitHub Actions.
    #[value(help = None)]
    Github,
    /// GitLab CI/CD.
    #[value(help = None)]
    Gitlab,
    /// Azure Pipelines.
    #[value(help = None)]
    Azure,
}

/// Where the state of a new project is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatePlace {
    /// In `.casefile`, which is committed.
    #[value(help = None)]
    Folder,
    /// In a ref of the remote `origin`.
    #[value(help = None)]
    Git,
}

/// `validate`
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Show problems in these files or folders only
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Check the seals too: each there, current and as it was written
    #[arg(long)]
    pub sealed: bool,
    /// Take seals of incidents as reviewed that are as in this git revision, whatever their runbooks make now
    #[arg(long, value_name = "REF", requires = "sealed")]
    pub since: Option<String>,
    /// What the findings are written for
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: FindingsFormat,
}

/// `seal`
#[derive(Debug, Args)]
pub struct SealArgs {
    /// Seal what these files or folders declare only
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Show the rows of a query that names no event; without it, errors name columns and count rows
    #[arg(long)]
    pub show_rows: bool,
}

/// `render`
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Print what these files or folders declare only
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print only what carries these labels, such as incident=INC-2042
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
}

/// `test`
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Run the cases of these runbooks only: names, or files or folders
    #[arg(value_name = "RUNBOOK")]
    pub runbooks: Vec<String>,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FindingsFormat {
    /// With the line and a caret.
    #[value(help = None)]
    Human,
    /// One document.
    #[value(help = None)]
    Json,
    /// Annotations of a GitHub Actions run.
    #[value(help = None)]
    Github,
    /// SARIF 2.1.0, for code scanning.
    #[value(help = None)]
    Sarif,
}

/// What both `plan` and `apply` take.
#[derive(Clone, Debug, Args)]
pub struct Planning {
    /// Plan only what these files or folders declare
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Plan only what carries these labels, such as incident=INC-2042
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Plan only what files declare that have changed since this git revision
    #[arg(long, value_name = "REF")]
    pub since: Option<String>,
    /// Ask again for this resource, whatever became of it: its address, or its machine's name; repeatable
    #[arg(long, value_name = "ADDRESS")]
    pub replace: Vec<Named>,
    /// Decide by the recorded state; do not read the service first
    #[arg(long)]
    pub no_refresh: bool,
    /// Go on without the machines and events that names, tags, files and queries cannot be resolved to; exits 1
    #[arg(long)]
    pub skip_unresolved: bool,
    /// Take an empty state for a new project, although the service shows look-alikes
    #[arg(long)]
    pub fresh: bool,
    /// Fail on `differs` and `exhausted` rows too
    #[arg(long)]
    pub strict: bool,
    /// Allow more calls than the project's `limits`
    #[arg(long)]
    pub allow_over_limits: bool,
    /// Allow calls to the project's `protected` machines
    #[arg(long)]
    pub allow_protected: bool,
    /// Show the rows of a query that names no event; without it, errors name columns and count rows
    #[arg(long)]
    pub show_rows: bool,
    /// Allow to cancel and resolve more than half of all resources
    #[arg(long)]
    pub allow_removals: bool,
}

impl Planning {
    /// The arguments that decide which calls a plan has, as they were typed.
    pub fn selection(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut option = |name: &str, value: &str| words.push(format!("{name}={value}"));
        if let Some(selector) = &self.selector {
            option("--selector", selector);
        }
        if let Some(revision) = &self.since {
            option("--since", revision);
        }
        for address in &self.replace {
            option("--replace", &address.to_string());
        }
        words.extend(self.no_refresh.then(|| "--no-refresh".to_owned()));
        words.extend(self.skip_unresolved.then(|| "--skip-unresolved".to_owned()));
        words.extend(self.fresh.then(|| "--fresh".to_owned()));
        words.extend(self.paths.iter().map(|path| match path.to_string_lossy() {
            // A name with a dash in front is no option.
            name if name.starts_with('-') => format!("./{name}"),
            name => name.into_owned(),
        }));
        words
    }
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// What to plan.
    #[command(flatten)]
    pub planning: Planning,
    /// How the plan is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: PlanFormat,
    /// Save the plan, for `casefile apply FILE`; the name ends in .json
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 2 when there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `apply`
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// What to plan.
    #[command(flatten)]
    pub planning: Planning,
    /// Send without asking
    #[arg(long)]
    pub auto_approve: bool,
    /// Send without asking, but only the plan with this digest
    #[arg(long, value_name = "DIGEST", conflicts_with = "auto_approve")]
    pub expect: Option<PlanDigest>,
    /// Send without asking, but only what current seals hold
    #[arg(long, conflicts_with = "auto_approve")]
    pub sealed: bool,
    /// Stay until the collections are over
    #[arg(long)]
    pub wait: bool,
    /// How long `--wait` stays
    #[arg(long, value_name = "DURATION", default_value = "30m", requires = "wait")]
    pub timeout: Span,
    /// Fetch the packages of those that are done, while others run and at the end
    #[arg(long, requires = "wait")]
    pub fetch: bool,
    /// Start even if the token says that the run must fail
    #[arg(long)]
    pub no_preflight: bool,
    /// The lock.
    #[command(flatten)]
    pub locking: Locking,
    /// How many calls may be under way at once
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallelism: u16,
    /// How the run is told: text, or one JSON event a line
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For a terminal.
    #[value(help = None)]
    Human,
    /// For programs.
    #[value(help = None)]
    Json,
    /// For the comment of a pull request.
    #[value(help = None)]
    Markdown,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[value(help = None)]
    Human,
    /// For programs.
    #[value(help = None)]
    Json,
}

/// `show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The file that `plan --out` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Show these resources only
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<Named>,
    /// Show only what carries these labels, such as incident=INC-2042
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Look again and again, until nothing runs any more
    #[arg(short = 'w', long, conflicts_with = "no_refresh")]
    pub watch: bool,
    /// Show the recorded state; do not read the service first
    #[arg(long)]
    pub no_refresh: bool,
    /// How the table is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}

/// `log`
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Show what is about these resources only
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<Named>,
    /// Show only what is about resources that carry these labels, such as incident=INC-2042
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Show so many records at the most
    #[arg(short = 'n', long = "max-count", value_name = "N")]
    pub most: Option<usize>,
    /// How the records are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}

/// How long a command waits for its turn.
#[derive(Clone, Copy, Debug, Args)]
pub struct Locking {
    /// How long to wait for another run's lock
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub lock_timeout: Span,
}

/// `cancel`
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// Kind/name, for example InvestigationPackage/fin-ws-042; the name of a machine, or of a whole group
    #[arg(value_name = "ADDRESS", required_unless_present = "selector")]
    pub addresses: Vec<Named>,
    /// Cancel only what carries these labels, such as incident=INC-2042
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Why; the service keeps it with the action
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub comment: String,
    /// Send without asking
    #[arg(long)]
    pub auto_approve: bool,
    /// The lock.
    #[command(flatten)]
    pub locking: Locking,
}

/// `hunt`
#[derive(Debug, Args)]
pub struct HuntArgs {
    /// The query, in KQL; `-` reads it from stdin, 1 MiB at most
    #[arg(value_name = "QUERY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub query: String,
    /// How far to look back, such as P7D or PT12H; Microsoft Graph looks back 30 days
    #[arg(long, value_name = "DURATION")]
    pub timespan: Option<Timespan>,
    /// How the rows are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: RowFormat,
    /// Write values in CSV byte for byte: hidden characters, and what a spreadsheet takes for a formula
    #[arg(long, requires = "format", conflicts_with = "kind")]
    pub raw: bool,
    /// Write manifests in place of rows: one for each row
    #[arg(long = "as", value_name = "KIND", conflicts_with = "format")]
    pub kind: Option<HuntedKind>,
    /// Write the manifests into this file; without it, to stdout
    #[arg(long, value_name = "FILE", requires = "kind")]
    pub out: Option<PathBuf>,
    /// A label of the manifests; repeatable
    #[arg(long, value_name = "KEY=VALUE", requires = "kind")]
    pub label: Vec<Label>,
    /// Write a package of each machine too
    #[arg(long, requires = "kind")]
    pub with_package: bool,
    /// The name of the manifests; several are numbered
    #[arg(long, value_name = "NAME", default_value = "hunt", requires = "kind")]
    pub name: String,
    /// The severity of the alerts
    #[arg(long, value_name = "SEVERITY", default_value = "Medium", requires = "kind")]
    pub severity: SeverityArg,
    /// The title of the alerts
    #[arg(long, value_name = "TEXT", default_value = "Found by advanced hunting", requires = "kind",
        value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub title: String,
    /// The description of the alerts; the query, if it is left out
    #[arg(long, value_name = "TEXT", requires = "kind",
        value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub description: Option<String>,
    /// The comment of the packages; the alerts' title, if it is left out
    #[arg(long, value_name = "TEXT", requires = "with_package",
        value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub comment: Option<String>,
}

/// What rows become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HuntedKind {
    /// `kind: Alert`
    #[value(help = None)]
    Alert,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// A table.
    #[value(help = None)]
    Human,
    /// One document.
    #[value(help = None)]
    Json,
    /// Comma-separated, with a line of names.
    #[value(help = None)]
    Csv,
}

/// The API's severities, as it spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum SeverityArg {
    /// `Low`
    #[value(help = None)]
    Low,
    /// `Medium`
    #[value(help = None)]
    Medium,
    /// `High`
    #[value(help = None)]
    High,
}

impl SeverityArg {
    /// The service's word for it.
    pub fn word(self) -> &'static str {
        match self {
            SeverityArg::Low => "Low",
            SeverityArg::Medium => "Medium",
            SeverityArg::High => "High",
        }
    }
}

/// `import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The declared resource: Kind/name, for example InvestigationPackage/fin-ws-042; or a machine's name
    #[arg(value_name = "ADDRESS", required_unless_present = "discover", requires = "id")]
    pub address: Option<Named>,
    /// The id of the action or alert at the service
    #[arg(value_name = "ID", required_unless_present = "discover")]
    pub id: Option<String>,
    /// Search the service for what matches manifests that the state does not know
    #[arg(long, conflicts_with_all = ["address", "id"])]
    pub discover: bool,
    /// Record what `--discover` found without asking
    #[arg(long, requires = "discover", conflicts_with_all = ["address", "id"])]
    pub auto_approve: bool,
    /// The lock.
    #[command(flatten)]
    pub locking: Locking,
}

/// Arguments of `casefile doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Look at the sign-in for this cloud alone; needs no project
    #[arg(long, value_name = "CLOUD", value_parser = cloud)]
    pub cloud: Option<Cloud>,
    /// How the checks are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A head that somebody kept: it has to be in the history
    #[arg(long, value_name = "sha256:HEX", value_parser = head)]
    pub head: Option<Sha256Hex>,
    /// Leave out the packages that are held
    #[arg(long)]
    pub no_evidence: bool,
    /// How the findings are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}

/// A cloud, as the project file spells it.
fn cloud(text: &str) -> Result<Cloud, String> {
    let found = Cloud::ALL.into_iter().find(|cloud| cloud.as_str() == text);
    found.ok_or_else(|| format!("there are {}", Cloud::ALL.map(Cloud::as_str).join(", ")))
}

fn head(text: &str) -> Result<Sha256Hex, String> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    hex.parse().map_err(|_| {
        "write the 64 hex digits that `apply` and `verify` print, with sha256: before them".into()
    })
}

/// `schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which schema; without it, the list of them
    #[arg(value_name = "KIND")]
    pub kind: Option<SchemaKind>,
}

/// What there is a schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// Manifests.
    #[value(help = None)]
    Manifest,
    /// `casefile.yaml`.
    #[value(help = None)]
    Project,
    /// A case of a runbook.
    #[value(help = None)]
    Case,
    /// `.casefile/state.json`.
    #[value(help = None)]
    State,
    /// `plan --format json`.
    #[value(help = None)]
    Plan,
    /// A line of `apply --format json`.
    #[value(help = None)]
    Event,
    /// `*.sealed.yaml`.
    #[value(help = None)]
    Seal,
    /// `status --format json`.
    #[value(help = None)]
    Status,
    /// `report --format json`.
    #[value(help = None)]
    Report,
    /// The file of `sandbox --scenario`.
    #[value(help = None)]
    Scenario,
}

/// `sandbox`
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Where to listen; loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8400")]
    pub listen: SocketAddr,
    /// Devices, delays and faults of the simulated world, as YAML
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Check tokens, machines and events as the service does
    #[arg(long)]
    pub strict: bool,
    /// Keep the world in this file; without it, it ends with the server
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// Answer what a HAR file of `--trace-http` holds, in place of a world
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "strict", "world"])]
    pub replay: Option<PathBuf>,
}

/// `completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder to write into; made if it is missing
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn approvals_exclude_each_other() {
        let digest = format!("sha256:{}", "0".repeat(64));
        assert!(parse(&format!("casefile apply --expect {digest}")).is_ok());
        assert!(parse(&format!("casefile apply --expect {digest} --auto-approve")).is_err());
        assert!(parse("casefile apply --expect latest").is_err());
    }

    #[test]
    fn a_timeout_belongs_to_wait() {
        assert!(parse("casefile apply --wait --timeout 5m").is_ok());
        assert!(parse("casefile apply --timeout 5m").is_err());
        assert!(parse("casefile apply --wait --timeout soon").is_err());
    }

    #[test]
    fn global_options_stand_anywhere() {
        let a = parse("casefile -C x -vv plan").unwrap().global;
        let b = parse("casefile plan -C x -v -v").unwrap().global;
        assert_eq!((a.project, a.verbose), (b.project, b.verbose));
        assert!(parse("casefile -q -v plan").is_err());
    }

    #[test]
    fn replace_takes_addresses() {
        let Command::Plan(p) = parse("casefile plan --replace Alert/a --replace Alert/b").unwrap().command
        else {
            panic!("not a plan")
        };
        assert_eq!(p.planning.replace.len(), 2);
        assert!(parse("casefile plan --replace fin-ws-042").is_ok());
        assert!(parse("casefile plan --replace a/b/c").is_err());
    }
}
