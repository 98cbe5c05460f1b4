//! `doctor`: looks at what a run will need, one thing after the other, and says what to do about each that is missing.

use std::time::Duration;

use jiff::Timestamp;

use super::args::{DoctorArgs, Format};
use super::connect::{self, Connection};
use super::context::{Context, runtime};
use super::evidence;
use super::exit::{Code, Error};
use super::nearby::Nearby;
use super::patience::waiting;
use super::project;
use super::store;
use crate::defender::auth::Claims;
use crate::defender::{Clock, Endpoint, HuntError, ReadError, Service, api_of_host, http_client, proxy_for};
use crate::doctor::{Check, Needs, Probe, Verdict, audience, clock, permission, proxy, region, tls, token};
use crate::manifest::{self, Project};
use crate::model::{Advice, Cloud, Hindrance, HuntingApi, HuntingQuery, Kind, Region, Target};
use crate::render::doctor::{DoctorDocument, checks};
use crate::render::messages;

/// How long a host may take to say anything.
const BOUND: Duration = Duration::from_secs(5);

/// A machine that no tenant has.
const NO_MACHINE: &str = "0000000000000000000000000000000000000000";

/// A query that reads nothing.
const NO_QUERY: &str = "print probe = 1";

/// Shows every check; exits 1 if something that the project needs is missing.
pub fn run(ctx: &Context, args: &DoctorArgs) -> Result<Code, Error> {
    let list = examine(ctx, args)?;
    match args.format {
        Format::Human => ctx.out(&checks(&list, project::style_out(ctx)))?,
        Format::Json => {
            ctx.document(&DoctorDocument::new(&list).to_text().map_err(|e| Error::Stdout(e.into()))?)?;
        }
    }
    let failed = list.iter().any(|c| c.verdict == Verdict::Failed);
    Ok(if failed { Code::Failed } else { Code::Done })
}

fn examine(ctx: &Context, args: &DoctorArgs) -> Result<Vec<Check>, Error> {
    let mut list = Vec::new();
    let (project, needs) = match args.cloud {
        Some(cloud) => {
            let mut project = Project::new("doctor");
            project.spec.defender.cloud = cloud;
            (project, Needs::default())
        }
        None => match declared(ctx, &mut list)? {
            Some(declared) => declared,
            None => return Ok(list),
        },
    };
    let alone = args.cloud.is_some();
    let _looking = waiting(ctx, "Looking at what a run needs");
    runtime()?.block_on(async {
        service(ctx, &project, needs, &mut list).await;
        if !alone {
            list.push(of(state(ctx, &project).await, "state"));
            list.push(of(held(ctx, &project).await, "evidence"));
        }
    });
    Ok(list)
}

/// A check that came to its end, or what kept it from that.
fn of(result: Result<Check, Error>, name: &'static str) -> Check {
    result.unwrap_or_else(|e| {
        let (_, Advice { words, command }) = e.row();
        let rows = e.rows().join("; ");
        let between = if rows.is_empty() { "" } else { ": " };
        let check = Check::failed(name, format!("{e}{between}{rows}"));
        words.into_iter().chain(command).fold(check, Check::fix)
    })
}

/// The project, and what its manifests need; none if there is none that can be read.
fn declared(ctx: &Context, list: &mut Vec<Check>) -> Result<Option<(Project, Needs)>, Error> {
    let project = match project::read(ctx) {
        Ok(Ok(project)) => project,
        Ok(Err(problems)) => {
            let problems = messages::plural(project::errors(&problems), "error");
            list.push(
                Check::failed("project", format!("casefile.yaml has {problems}")).fix("casefile validate"),
            );
            return Ok(None);
        }
        Err(Error::NoProject { dir, near }) => {
            let what = match near {
                Nearby::Nothing | Nearby::Above(_) | Nearby::Below(_) => {
                    "there is no casefile.yaml here".to_owned()
                }
                Nearby::NoFolder(_) | Nearby::File(_) => near.told(&dir),
            };
            let check = Check::failed("project", what);
            let check = match (near.advice(), near) {
                (_, Nearby::Nothing) => check.fix("casefile init my-cases"),
                (Advice { words, command }, _) => {
                    words.into_iter().chain(command).fold(check, |check, way| check.fix(way))
                }
            };
            list.push(check.fix("casefile doctor --cloud public, for the sign-in alone"));
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    list.push(Check::ok("project", project.name.clone()));
    let loaded = manifest::load(&ctx.dir, &project);
    let problems = project::errors(&loaded.diagnostics);
    let kinds = loaded.resources.iter().map(|d| d.address.kind());
    let kinds: Vec<Kind> =
        kinds.chain(loaded.templates.iter().map(|t| t.declared().address.kind())).collect();
    list.push(match problems {
        0 => Check::ok("manifests", messages::resources(kinds.len())),
        n => Check::failed("manifests", format!("they have {}", messages::plural(n, "error")))
            .fix("casefile validate"),
    });
    let needs = Needs {
        packages: kinds.contains(&Kind::InvestigationPackage),
        alerts: kinds.contains(&Kind::Alert),
        queries: loaded.templates.iter().any(|t| matches!(t.target, Target::Event(_))),
    };
    Ok(Some((project, needs)))
}

/// Everything that takes a connection to the service.
async fn service(ctx: &Context, project: &Project, needs: Needs, list: &mut Vec<Check>) {
    // Refuses strange hosts before anybody is asked for a token.
    match connect::service(ctx, project) {
        Ok(service) => list.extend(network(ctx, &service)),
        Err(e) => {
            list.extend(broken_proxy(ctx).map(|name| proxy(None, Some(name))));
            list.push(of(Err(e), "host"));
            return list.push(Check::not_seen("token", "no token is asked for"));
        }
    }
    let now = ctx.clock();
    let world = store::world(ctx, project).ok().filter(|w| w.exists());
    let connection = match connect::connect(ctx, project, &now, world.as_deref()).await {
        Ok(connection) => connection,
        Err(e) => {
            list.push(of(Err(e), "token"));
            return list.push(Check::not_seen("permissions", "there is no token"));
        }
    };
    let simulated = connect::is_simulated(ctx, project);
    let client = &connection.client;
    let claims = client.token().await.ok().and_then(|t| t.claims());
    list.push(token(claims.as_ref(), simulated, now.now()));
    list.push(audience(claims.as_ref(), client.service().scope(), simulated));
    permissions(&connection, needs, claims.as_ref(), simulated, &now, list).await;
    list.push(clock(client.server_offset().map(|o| o.offset)));
    if needs.queries && project.spec.defender.hunting == HuntingApi::Defender {
        let seen = format!("hunting: defender gives no data any more from {} on", HuntingApi::OLDER_ENDS);
        list.push(Check::warning("hunting API", seen).fix("write hunting: graph under spec.defender"));
    }
    let is_public = client.service().cloud() == Cloud::Public;
    if is_public && api_of_host(&client.service().host()).is_some() {
        list.push(region(project.spec.defender.region, &answering(ctx, project).await));
    }
    connection.close().await;
}

/// The proxy and the TLS that calls to a service go through.
fn network(ctx: &Context, service: &Service) -> [Check; 2] {
    const ISSUERS: &str = "SSL_CERT_FILE";
    let way = proxy_for(&service.host(), |name| ctx.inherited(name).map(str::to_owned));
    let issuers = ctx.inherited(ISSUERS).map(|path| (ISSUERS, std::fs::File::open(path).is_ok()));
    [proxy(way.as_deref(), broken_proxy(ctx)), tls(service.base().scheme() == "http", issuers)]
}

/// The variable that should name a proxy, and holds no address.
fn broken_proxy(ctx: &Context) -> Option<&'static str> {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let (name, value) = names.iter().find_map(|n| Some((*n, ctx.inherited(n)?)))?;
    let text = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    url::Url::parse(&text).ok().filter(url::Url::has_host).is_none().then_some(name)
}

/// A harmless read of each endpoint that is needed; the first one tells whether the host is reached, and how fast.
async fn permissions(
    connection: &Connection,
    needs: Needs,
    claims: Option<&Claims>,
    simulated: bool,
    now: &Clock,
    list: &mut Vec<Check>,
) {
    let client = &connection.client;
    let mut first = true;
    for endpoint in needs.endpoints(client.hunting_endpoint()) {
        let began = tokio::time::Instant::now();
        let answer = match endpoint {
            Endpoint::ListMachines => client.machines_by_ids(&[NO_MACHINE]).await.map(drop),
            Endpoint::ListActions => client.list_actions(now.now()).await.map(drop),
            Endpoint::ListAlerts => client.alerts_since(now.now()).await.map(drop),
            Endpoint::Hunt | Endpoint::GraphHunt => {
                let query = HuntingQuery { text: NO_QUERY.into(), timespan: None };
                match client.hunt(&query).await {
                    Ok(_) => Ok(()),
                    Err(HuntError::Read(e)) => Err(e),
                    Err(e) => {
                        list.push(permission(endpoint, claims, &Probe::Failed(e.to_string()), simulated));
                        continue;
                    }
                }
            }
            _ => {
                list.push(permission(endpoint, claims, &Probe::NotMade, simulated));
                continue;
            }
        };
        let probe = probe(endpoint, answer, now.now());
        if std::mem::take(&mut first) {
            list.push(host(client.service(), &probe, began.elapsed()));
        }
        list.push(permission(endpoint, claims, &probe, simulated));
    }
}

fn probe(endpoint: Endpoint, answer: Result<(), ReadError>, now: Timestamp) -> Probe {
    match answer {
        Ok(()) => Probe::Answers,
        Err(e) => match e.cause(endpoint, now) {
            Hindrance::Permission(_) => Probe::Denied(e.in_full()),
            Hindrance::Licence => Probe::Unlicensed(e.in_full()),
            _ => Probe::Failed(e.in_full()),
        },
    }
}

fn host(service: &Service, probe: &Probe, took: Duration) -> Check {
    let place = service.host();
    match probe {
        Probe::Failed(why) => Check::failed("host", format!("{place}: {why}"))
            .fix("look at the network and its proxy, and at defender.cloud and defender.endpoint"),
        _ => Check::ok("host", format!("{place} answers in {} ms", took.as_millis())),
    }
}

/// The regional hosts of the public cloud that answer, and how fast. No token goes there.
async fn answering(ctx: &Context, project: &Project) -> Vec<(Region, Duration)> {
    let network = ctx.network(project).unwrap_or_default();
    let Ok(http) = http_client(BOUND, false, network) else { return Vec::new() };
    let hosts =
        Region::ALL.map(|region| Service::new(Cloud::Public, Some(region), None).map(|s| (region, s)));
    let asked = hosts.into_iter().flatten().map(|(region, service)| {
        let http = http.clone();
        async move {
            let began = tokio::time::Instant::now();
            http.get(service.base().clone()).send().await.ok()?;
            Some((region, began.elapsed()))
        }
    });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

/// The place of the state: reached, its rules held to, and its chain sound.
async fn state(ctx: &Context, project: &Project) -> Result<Check, Error> {
    let place = store::probe(ctx, project).await?;
    Ok(Check::ok("state", place))
}

/// The place of the evidence: something can be written there and read again.
async fn held(ctx: &Context, project: &Project) -> Result<Check, Error> {
    let store = evidence::store(ctx, project)?;
    match store.probe().await {
        Ok(()) => Ok(Check::ok("evidence", format!("{} can be written and read", store.name()))),
        Err(e) => Ok(Check::failed("evidence", format!("{}: {e}", store.name()))
            .fix("docs/evidence.md says what the place of evidence needs")),
    }
}
