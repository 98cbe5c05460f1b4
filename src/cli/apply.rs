//! `apply`: plan, ask, send, record.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::args::{ApplyArgs, Locking, Planning};
use super::connect::{auth_error, connect};
use super::context::{Context, runtime};
use super::engine;
use super::evidence;
use super::exit::{Code, Error};
use super::git;
use super::patience::{READING, waiting};
use super::preflight;
use super::progress::Display;
use super::project;
use super::saved;
use super::selected::as_typed;
use super::signals;
use super::store;
use super::stream;
use crate::defender::auth::Claims;
use crate::engine::{Control, Fetching, Locked, Lookups, Options, Report, Run, RunError, Scope};
use crate::manifest::{Defender, Project};
use crate::model::{Address, Advice, Span, Template};
use crate::plan::{self, Destination, Deviating, Plan, SavedPlan};
use crate::render::surgery;
use crate::render::ways_out::shell;
use crate::seal::{self, Seals, Unsealed};

/// What was approved before this run.
enum Reviewed {
    /// A plan, as a file.
    Saved(Box<SavedPlan>),
    /// The project's seals.
    Sealed {
        service: Option<Box<Defender>>,
        templates: Vec<Template>,
        seals: Seals,
        deviating: Vec<Deviating>,
    },
}

/// Applies. Without a terminal and without an approval nothing is looked at but the project file.
pub fn run(ctx: &Context, args: &ApplyArgs) -> Result<Code, Error> {
    ctx.detach()?;
    let file = saved::typed(args)?;
    // Where there is no project nothing else is worth saying.
    let project = project::load(ctx)?;
    if !ctx.interactive && !args.auto_approve && args.expect.is_none() && !args.sealed && file.is_none() {
        return Err(Error::NoApproval);
    }
    let saved = file.map(|f| saved::read(ctx, f)).transpose()?;
    let (scope, reviewed) = match saved {
        Some(saved) => {
            saved::expected(ctx, args, &saved)?;
            (engine::scope_of(ctx, &project, &saved), Some(Reviewed::Saved(Box::new(saved))))
        }
        None => {
            let mut scope = engine::scope(ctx, &project, &args.planning)?;
            // Somebody is going to be asked, or watches which machines answer.
            let asks = !args.auto_approve && args.expect.is_none() && !args.sealed;
            scope.forecast = asks || ctx.interactive && args.wait;
            let reviewed = match args.sealed {
                true => {
                    let seals = project::seals(ctx, &project)?;
                    let templates = scope.lookups.take();
                    let machines = seal::machines(&templates, &seals);
                    let skip_unresolved = scope.lookups.skip_unresolved;
                    scope.lookups = Lookups::sealed(templates.clone(), machines);
                    scope.lookups.skip_unresolved = skip_unresolved;
                    Some(Reviewed::Sealed {
                        service: project.service().map(Box::new),
                        templates,
                        seals,
                        deviating: scope.settings.incidents.deviating.clone(),
                    })
                }
                false => None,
            };
            (scope, reviewed)
        }
    };
    let job = Job { ctx, args, project: &project, reviewed: reviewed.as_ref() };
    runtime()?.block_on(async {
        let display = Arc::new(Display::new(ctx, args.format));
        let deadline = tokio::time::Instant::now() + args.locking.lock_timeout.get();
        let mut stop = None;
        let ended = loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            match job.attempt(scope.clone(), &display, &mut stop, left).await {
                Ok(Ended::Overtaken(e)) if tokio::time::Instant::now() < deadline => {
                    ctx.note(&format!("nothing was sent yet, and {e}; this run plans again after it"));
                }
                Ok(Ended::Overtaken(e)) => break Err(e),
                Ok(Ended::Code(code)) => break Ok(code),
                Err(e) => break Err(e),
            }
        };
        display.finish();
        ended
    })
}

/// How a try ended.
enum Ended {
    /// With this exit code.
    Code(Code),
    /// Another run marked itself first on a shared state. Nothing was sent: all that was planned is to be planned again.
    Overtaken(Error),
}

/// The parts that every try of one command shares.
struct Job<'a> {
    ctx: &'a Context,
    args: &'a ApplyArgs,
    project: &'a Project,
    reviewed: Option<&'a Reviewed>,
}

impl Job<'_> {
    /// Opens the state, plans, has the plan approved and carries it out. `left` is how long another run is waited for;
    /// `stop` is there from the first try on.
    async fn attempt(
        &self,
        scope: Scope,
        display: &Arc<Display>,
        stop: &mut Option<watch::Receiver<bool>>,
        left: Duration,
    ) -> Result<Ended, Error> {
        let Job { ctx, args, project, .. } = *self;
        let clock = engine::clock(ctx);
        let world = store::world(ctx, project)?;
        let locking =
            Locking { lock_timeout: Span::from_secs(u32::try_from(left.as_secs()).unwrap_or(u32::MAX)) };
        let open = store::open(ctx, project, locking, "casefile apply", &clock);
        let store = match stop {
            // A signal before the first try ends the process by itself.
            None => open.await?,
            Some(stop) => tokio::select! {
                biased;
                _ = stop.wait_for(|s| *s) => return Err(Error::Interrupted),
                store = open => store?,
            },
        };
        let opened_at = clock.now();
        let connection = connect(ctx, project, &clock, Some(&world)).await?;
        let claims = match args.no_preflight {
            true => None,
            false => connection.client.token().await.map_err(auth_error)?.claims(),
        };
        if let Err(e) = preflight::audience(claims.as_ref()) {
            connection.close().await;
            return Err(e);
        }
        // Who waits for hours waits for a service that is down for minutes.
        let client = match args.wait {
            true => connection.client.through_outages(),
            false => connection.client.clone(),
        };
        let options = Options {
            parallelism: usize::from(args.parallelism),
            wait: args.wait.then(|| args.timeout.get()),
            strict: args.planning.strict,
            by: Some(ctx.operator()),
            commit: git::checked_out(ctx),
            ..Options::new(uuid::Uuid::new_v4().to_string(), connection.binding.clone())
        };
        let sink = {
            let display = display.clone();
            Arc::new(move |p| display.show(&p))
        };
        let stop = stop.get_or_insert_with(|| signals::stop(signals::PLANNING)).clone();
        let locked = Locked { store, opened_at };
        let control = Control { sink, stop };
        let ended = {
            let mut run =
                Run::new(&client, &clock, scope, options, locked, control).map_err(engine::run_error)?;
            let ended = async {
                let fetching = match args.fetch {
                    true => Some(Arc::new(evidence::fetching(ctx, project, &client)?)),
                    false => None,
                };
                if let Some(fetching) = &fetching {
                    run.fetch_meanwhile(fetching.clone());
                }
                let destination = &connection.destination;
                self.carry_out(&mut run, destination, display, left, fetching.as_deref(), claims.as_ref())
                    .await
            };
            let ended = ended.await;
            if let Ok(Ended::Code(_)) = ended {
                store::tell_head(ctx, project, &run);
            }
            ended
        };
        connection.close().await;
        ended
    }

    async fn carry_out(
        &self,
        run: &mut Run<'_>,
        destination: &Destination,
        display: &Display,
        left: Duration,
        fetching: Option<&Fetching>,
        claims: Option<&Claims>,
    ) -> Result<Ended, Error> {
        let Job { ctx, args, reviewed, .. } = *self;
        let reading = waiting(ctx, READING);
        let prepared = match reviewed {
            Some(Reviewed::Saved(saved)) => run.resume(saved).await,
            _ => run.prepare().await,
        };
        drop(reading);
        let plan = match prepared {
            Ok(plan) => Plan { destination: Some(destination.clone()), ..plan },
            Err(e) => {
                let e = end_early(run, e).await;
                let e = engine::named(ctx, e, |text| surgery::in_words(text, run.state()));
                return Err(match reviewed {
                    Some(Reviewed::Saved(saved)) => {
                        engine::named(ctx, e, |text| engine::by_names(text, &saved.plan))
                    }
                    _ => e,
                });
            }
        };
        if let Err(e) = approve(ctx, args, &plan, reviewed, run, display, claims).await {
            // What was observed is recorded even when nothing is sent.
            run.commit().await.map_err(project::store_error)?;
            return Err(e);
        }
        match run.carry_out(&plan).await {
            Ok(mut report) => {
                if let Some(fetching) = fetching.filter(|_| !report.interrupted) {
                    // What was held once and is gone is for `casefile fetch`: on a fresh machine that is everything.
                    let planned: BTreeSet<&Address> = plan.changes.iter().map(|c| &c.address).collect();
                    match run.fetch(fetching, &|address, _| planned.contains(address)).await {
                        Ok(fetched) => report.add(&fetched, run.counts()),
                        Err(e) => {
                            let e = end_early(run, e).await;
                            run.abort(&plan, e.code().as_u8());
                            return Err(e);
                        }
                    }
                }
                run.close(&report).await.map_err(project::store_error)?;
                match stream::failure() {
                    Some(source) => Err(Error::Unread { source, left: report.left }),
                    None => Ok(Ended::Code(code(&report))),
                }
            }
            // Who waits is told no end: the run goes on.
            Err(e) if e.is_overtaken() && !left.is_zero() => Ok(Ended::Overtaken(engine::run_error(e))),
            Err(e) => {
                let e = end_early(run, e).await;
                run.abort(&plan, e.code().as_u8());
                Err(e)
            }
        }
    }
}

/// Keeps what can be kept and passes the first error on.
pub(super) async fn end_early(run: &mut Run<'_>, e: RunError) -> Error {
    if let Err(second) = run.commit().await {
        tracing::warn!("the snapshot was not written: {second}");
    }
    engine::run_error(e)
}

pub(super) fn code(report: &Report) -> Code {
    match report.exit_code() {
        0 => Code::Done,
        3 => Code::TimedOut,
        130 => Code::Interrupted,
        _ => Code::Failed,
    }
}

/// How many manifests a command to seal them names.
const NAMED: usize = 5;

/// Returns what to do about calls that no current seal holds. Where all that is missing is a seal, that is to write it: of
/// the paths that were typed, or of the manifests that labels and changes have selected.
fn to_seal(ctx: &Context, args: &ApplyArgs, open: &[Unsealed]) -> Advice {
    let files: Option<BTreeSet<&str>> = open.iter().map(|row| row.without_seal.as_deref()).collect();
    let Some(files) = files else {
        return Advice::then(
            "seal them with casefile seal, and have it reviewed",
            "casefile validate --sealed",
        );
    };
    let Planning { paths, selector, since, .. } = &args.planning;
    let narrowed = (selector.is_some() || since.is_some()) && files.len() <= NAMED;
    let words: Vec<String> = match narrowed {
        true => files.iter().map(|file| shell(&as_typed(ctx, file)).into_owned()).collect(),
        false => paths.iter().map(|path| shell(&path.to_string_lossy()).into_owned()).collect(),
    };
    let command = ["casefile", "seal"].into_iter().chain(words.iter().map(String::as_str));
    Advice::then("write the seals, and have them reviewed", command.collect::<Vec<_>>().join(" "))
}

/// Shows the plan and gets a person's word for it, unless the command line holds it already.
async fn approve(
    ctx: &Context,
    args: &ApplyArgs,
    plan: &Plan,
    reviewed: Option<&Reviewed>,
    run: &Run<'_>,
    display: &Display,
    claims: Option<&Claims>,
) -> Result<(), Error> {
    engine::refuse_blind(plan, ctx.verbose)?;
    // A plan that nobody reviewed is not shown in place of the one that was: its digest would be pasted unread.
    if let Some(expected) = args.expect.filter(|expected| *expected != plan.digest) {
        let rows = engine::differing(&plan::differing(plan, expected, run.desired(), run.state()));
        let names = |text: &str| surgery::in_words(&engine::by_names(text, plan), run.state());
        return Err(engine::named(ctx, Error::OtherDigest { expected, rows }, names));
    }
    let changes = plan.changes.iter().any(|c| c.action.is_change());
    let approved = args.auto_approve || args.expect.is_some() || reviewed.is_some();
    let asks = changes && !approved && plan.unread().is_empty();
    let per_minute = run.settings().quotas.collect.per_minute;
    display.plan(ctx, plan, per_minute, asks)?;
    engine::refuse_unread(plan)?;
    // A digest, a seal or a saved plan names each call, and so does the question with its number.
    let reviewed_as_it_is = args.expect.is_some() || reviewed.is_some() || asks;
    engine::refuse_held(plan, &args.planning, reviewed_as_it_is)?;
    if let Some(Reviewed::Sealed { service, templates, seals, deviating }) = reviewed {
        let open = seal::unsealed(plan, service.as_deref(), run.desired(), templates, seals, deviating);
        if !open.is_empty() {
            let next = to_seal(ctx, args, &open);
            let rows = engine::listed(open.iter().map(ToString::to_string));
            let open = Error::NotSealed { rows, next };
            return Err(engine::named(ctx, open, |text| engine::by_names(text, plan)));
        }
    }
    preflight::calls(claims, plan)?;
    if !asks {
        return Ok(());
    }
    let calls = plan.requests().count();
    let what = if calls == 1 { "this call".to_owned() } else { format!("these {calls} calls") };
    let question = if calls == 0 { "Record these changes?".to_owned() } else { format!("Send {what}?") };
    let question = match plan.removals() {
        Some((calls, resources)) => format!(
            "No manifest declares {calls} of {resources} resources any more: what they asked for is cancelled or \
             resolved. {question}"
        ),
        None => question,
    };
    engine::ask(&question, run.stopping()).await
}
