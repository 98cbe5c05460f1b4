//! The client: reads that are repeated where that is safe, mutating calls that are sent once.
//!
//! What asking again cannot change is not asked again: a denial, a certificate that is not trusted, a name that does
//! not exist. Everything else is bounded: in tries, and a list in time, rows and bytes.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex as Turn;
use tokio::time::Instant;
use tracing::{Instrument, debug, debug_span, warn};

use super::answer::{self, Answer, ApiError, NotSent, ReadAnswer};
use super::auth::{AccessToken, AuthError, Tokens};
use super::clock::{ClockOffset, ServerClock};
use super::cloud::Service;
use super::endpoint::Endpoint;
use super::hunting::{HuntError, Hunting, table};
use super::limiter::{RateLimiter, Slot};
use super::quota::Next;
use super::read_error::ReadError;
use super::request::{self, ActionFilter, Read};
use super::retry::{LONGEST_RETRY, RetryPolicy};
use super::time::Clock;
use super::transport::{HttpAnswer, HttpCall, Stage, Transport, TransportError};
use super::wire::{self, Entity, PackageLink, Page, WireError};
use crate::model::{
    Alert, AlertInFull, Hindrance, HuntingApi, HuntingQuery, HuntingTable, IdKey, Machine, MachineAction,
    MachineName, Method, Mutation, Request,
};

/// Calls one service; clones share token, quotas and clock.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    patience: RetryPolicy,
    hunter: Option<Arc<dyn Hunting>>,
}

struct Inner {
    service: Service,
    transport: Arc<dyn Transport>,
    tokens: Arc<Tokens>,
    quotas: RateLimiter,
    clock: Clock,
    server: ServerClock,
    /// Held by whoever asks for the service's time; how far the wall clock was set when that was in vain.
    asking: Turn<Option<SignedDuration>>,
    /// The service refuses to sort lists of actions.
    unsorted: AtomicBool,
    /// The service has answered before: if it does not now, it is down.
    answered: AtomicBool,
}

/// A failed attempt at a read.
enum Fail {
    Final(ReadError),
    NotFound(ApiError),
    /// At most so many tries may follow. With a pause that the service asked for, the slot waits for it.
    Again {
        error: ReadError,
        retries: usize,
        pause: Option<Duration>,
    },
}

impl From<AuthError> for Fail {
    fn from(e: AuthError) -> Self {
        Fail::Final(e.into())
    }
}

/// More pages than any tenant has.
const MOST_PAGES: usize = 1_000;

/// How long a list may take from its first page to its last.
const LONGEST_LIST: Duration = Duration::from_secs(600);

impl Client {
    /// A client of one service.
    pub fn new(
        service: Service,
        transport: Arc<dyn Transport>,
        tokens: Tokens,
        quotas: RateLimiter,
        clock: Clock,
    ) -> Self {
        let inner = Inner {
            service,
            transport,
            tokens: Arc::new(tokens),
            quotas,
            clock,
            server: ServerClock::default(),
            asking: Turn::default(),
            unsorted: false.into(),
            answered: false.into(),
        };
        Client { inner: Arc::new(inner), patience: RetryPolicy::default(), hunter: None }
    }

    /// The same client with another patience for reads.
    #[must_use]
    pub fn with_patience(self, patience: RetryPolicy) -> Self {
        Client { patience, ..self }
    }

    /// The same client, whose hunting queries this hunter runs.
    #[must_use]
    pub fn with_hunter(self, hunter: impl Hunting + 'static) -> Self {
        Client { hunter: Some(Arc::new(hunter)), ..self }
    }

    /// Runs a hunting query. Nothing is asked from anybody before: neither a token nor a connection.
    pub async fn hunt(&self, query: &HuntingQuery) -> Result<HuntingTable, HuntError> {
        match &self.hunter {
            Some(hunter) => hunter.run(query).await,
            None => Err(HuntError::NoHunter),
        }
    }

    /// Returns the endpoint whose calls hunting queries are.
    pub fn hunting_endpoint(&self) -> Endpoint {
        match self.hunter.as_ref().map(|h| h.api()) {
            Some(HuntingApi::Defender) => Endpoint::Hunt,
            Some(HuntingApi::Graph) | None => Endpoint::GraphHunt,
        }
    }

    /// The same service, token and quotas over another transport.
    #[must_use]
    pub fn with_transport(&self, transport: Arc<dyn Transport>) -> Self {
        let Inner { service, tokens, quotas, clock, .. } = &*self.inner;
        let inner = Inner {
            service: service.clone(),
            transport,
            tokens: tokens.clone(),
            quotas: quotas.clone(),
            clock: clock.clone(),
            server: ServerClock::default(),
            asking: Turn::default(),
            unsorted: false.into(),
            answered: false.into(),
        };
        Client { inner: Arc::new(inner), patience: self.patience, hunter: None }
    }

    /// The service.
    pub fn service(&self) -> &Service {
        &self.inner.service
    }

    /// The quotas that all calls of this client share.
    pub fn quotas(&self) -> &RateLimiter {
        &self.inner.quotas
    }

    /// How far the service's clock is ahead of ours; `None` before the first `Date` header.
    pub fn server_offset(&self) -> Option<ClockOffset> {
        self.inner.server.offset()
    }

    /// A moment of our clock by the service's; our own as long as the service's is not known.
    pub fn server_time(&self, ours: Timestamp) -> Timestamp {
        let offset = self.server_offset().map_or_else(Default::default, |o| o.offset);
        ours.saturating_add(offset).unwrap_or(ours)
    }

    /// The least that the service's time can be now; `None` before the first `Date` header.
    pub fn earliest_server_time(&self) -> Option<Timestamp> {
        let Inner { clock, server, .. } = &*self.inner;
        server.earliest(clock.now(), clock.stepped())
    }

    /// Makes sure of the service's time, for an intent. Where no answer has told it closely, or our wall clock was
    /// set since, one harmless read comes first. It is not repeated if it is in vain.
    pub async fn learn_server_time(&self) {
        let Inner { clock, server, asking, .. } = &*self.inner;
        if server.is_sure(clock.stepped()) {
            return;
        }
        let mut in_vain = asking.lock().await;
        let stepped = clock.stepped();
        if server.is_sure(stepped) || *in_vain == Some(stepped) {
            return;
        }
        if let Err(e) = self.list_actions(clock.now()).await {
            debug!("a read for the service's time: {e}");
        }
        *in_vain = (!server.is_sure(clock.stepped())).then_some(stepped);
    }

    /// The same client, which waits an outage out.
    #[must_use]
    pub fn through_outages(&self) -> Self {
        Client { patience: self.patience.through_outages(), ..self.clone() }
    }

    /// How it repeats reads.
    pub fn patience(&self) -> RetryPolicy {
        self.patience
    }

    /// Returns whether what fails since then is waited out, because it has worked before.
    pub fn outlasts(&self, since: Timestamp) -> bool {
        self.inner.outlasts(since, self.patience)
    }

    /// The token in use, fetched if there is none: for its claims.
    pub async fn token(&self) -> Result<AccessToken, AuthError> {
        self.inner.token(self.patience).await
    }

    /// Sends a mutating call, once, in a slot taken for its endpoint.
    ///
    /// `last_check` is called as the last thing before the bytes leave, after any token was fetched; an
    /// error is the reason why the call is withheld. The only repetition is the one after a 401 with a
    /// renewed token, and it is checked again.
    ///
    /// Dropping the future once the check has passed leaves the outcome unknown.
    pub async fn mutate(
        &self,
        request: &Request,
        mut slot: Slot,
        last_check: impl Fn() -> Result<(), String>,
    ) -> Answer {
        let endpoint = match Mutation::of(request).map(|call| Endpoint::of(&call)) {
            Some(endpoint) if endpoint == slot.endpoint() => endpoint,
            _ => return Answer::NotExecuted(NotSent::Withheld("the slot is for another endpoint".into())),
        };
        let inner = &*self.inner;
        let mut token = match inner.token(self.patience).await {
            Ok(token) => token,
            Err(e) => return Answer::NotExecuted(NotSent::Token(e)),
        };
        let mut renewed = false;
        loop {
            let call = HttpCall {
                method: request.method,
                target: request.path.to_string(),
                body: Some(request.body.as_str().to_owned()),
                bearer: token.clone(),
                limit: request::OBJECT_LIMIT,
            };
            if let Err(why) = last_check() {
                return Answer::NotExecuted(NotSent::Withheld(why));
            }
            if renewed {
                inner.quotas.record(endpoint);
            }
            slot.sending();
            let result = inner.send(call).await;
            let answer = answer::classify(request, &result);
            match &answer {
                Answer::NotExecuted(_) if !renewed => slot.not_sent(),
                Answer::Throttled { retry_after, period, maximum, hourly, .. } => {
                    inner.quotas.throttled(endpoint, *retry_after, *period, *maximum, *hourly);
                }
                Answer::Unknown { retry_after: Some(wait), .. } => inner.quotas.pause(endpoint, *wait),
                Answer::Unauthorized(_) if !renewed => {
                    match inner.tokens.renew(&token, inner.clock.now()).await {
                        Ok(Some(other)) => {
                            token = other;
                            renewed = true;
                            continue;
                        }
                        Ok(None) => {}
                        Err(e) => debug!(error = %e, "the token could not be renewed"),
                    }
                }
                _ => {}
            }
            match &answer {
                Answer::Unauthorized(e) => inner.quotas.note_denial(endpoint, Some(e)),
                Answer::Rejected(e) => {
                    let denial = e.is_denied() || e.refuses_external_id();
                    inner.quotas.note_denial(endpoint, denial.then_some(e));
                }
                Answer::Accepted { .. } | Answer::Busy(_) => inner.quotas.note_denial(endpoint, None),
                Answer::Throttled { .. } | Answer::NotExecuted(_) | Answer::Unknown { .. } => {}
            }
            return answer;
        }
    }

    /// Package collections that began at `since` or later, oldest first: all of them, or an error.
    pub async fn list_actions(&self, since: Timestamp) -> Result<Vec<MachineAction>, ReadError> {
        let mut list = Vec::new();
        self.visit_actions(&ActionFilter::collections_since(since), |a| list.push(a)).await?;
        keep_latest(&mut list);
        list.sort_by(|a: &MachineAction, b| {
            (&a.creation_date_time_utc, &a.id).cmp(&(&b.creation_date_time_utc, &b.id))
        });
        Ok(list)
    }

    /// Machine actions one by one, as they come, for lists too long to keep. An entry may come twice. What
    /// was visited before an error is not the whole list.
    ///
    /// Returns how many entries had no readable id.
    pub async fn visit_actions(
        &self,
        filter: &ActionFilter,
        mut visit: impl FnMut(MachineAction),
    ) -> Result<usize, ReadError> {
        let unsorted = &self.inner.unsorted;
        if !unsorted.load(Ordering::Relaxed) {
            match self.visit(|skip| Read::actions(filter, skip), &mut visit).await {
                // Whether lists of actions can be sorted is not documented.
                Err(ReadError::Refused(e)) if e.status == 400 => {
                    debug!("machine actions are read without an order: {e}");
                    unsorted.store(true, Ordering::Relaxed);
                }
                read => return read,
            }
        }
        self.visit(|skip| Read::unsorted_actions(filter, skip), visit).await
    }

    /// One machine action; `None` if the service does not know it (yet: a new one may need seconds).
    pub async fn get_action(&self, id: &str) -> Result<Option<MachineAction>, ReadError> {
        self.get(&Read::action(id)).await
    }

    /// The link to a finished package; `None` if there is none (yet).
    pub async fn package_link(&self, action_id: &str) -> Result<Option<PackageLink>, ReadError> {
        let parse = |body: &[u8]| PackageLink::read(body).map_err(|e| e.to_string());
        self.read(&Read::package_uri(action_id), parse).await.map(Result::ok)
    }

    /// The alerts with these ids, as far as the service knows them.
    pub async fn alerts_by_ids(&self, ids: &[String]) -> Result<Vec<Alert>, ReadError> {
        let mut list = Vec::new();
        for read in Read::alerts_by_ids(ids) {
            self.visit_from(read, None, &mut |a| list.push(a)).await?;
        }
        keep_latest(&mut list);
        Ok(list)
    }

    /// Alerts created at `since` or later, oldest first: all of them, or an error.
    pub async fn alerts_since(&self, since: Timestamp) -> Result<Vec<Alert>, ReadError> {
        let mut list: Vec<Alert> = Vec::new();
        self.visit(|skip| Read::alerts_since(since, skip), |a| list.push(a)).await?;
        keep_latest(&mut list);
        list.sort_by(|a, b| (&a.alert_creation_time, &a.id).cmp(&(&b.alert_creation_time, &b.id)));
        Ok(list)
    }

    /// All alerts of one machine; `None` if the service does not know the machine.
    pub async fn machine_alerts(&self, machine_id: &str) -> Result<Option<Vec<Alert>>, ReadError> {
        let mut list = Vec::new();
        let found = self.visit_found(Read::machine_alerts(machine_id), None, &mut |a| list.push(a)).await?;
        keep_latest(&mut list);
        Ok(found.is_ok().then_some(list))
    }

    /// One alert; `None` if the service does not know it.
    pub async fn get_alert(&self, id: &str) -> Result<Option<Alert>, ReadError> {
        self.get(&Read::alert(id)).await
    }

    /// One alert with its evidence; `None` if the service does not know it.
    pub async fn get_alert_in_full(&self, id: &str) -> Result<Option<AlertInFull>, ReadError> {
        self.get(&Read::alert(id)).await
    }

    /// All machines. The service answers 404 where there is no recent one.
    pub async fn list_machines(&self) -> Result<Vec<Machine>, ReadError> {
        let mut list: Vec<Machine> = Vec::new();
        let _none = self.visit_found(Read::machines(0), Some(&Read::machines), &mut |m| list.push(m)).await?;
        keep_latest(&mut list);
        Ok(list)
    }

    /// The machines with these ids, as far as the service's list shows them. The service answers 404 where
    /// there is no recent one.
    pub async fn machines_by_ids(&self, ids: &[&str]) -> Result<Vec<Machine>, ReadError> {
        let mut list: Vec<Machine> = Vec::new();
        for read in Read::machines_by_ids(ids) {
            let _none = self.visit_found(read, None, &mut |m| list.push(m)).await?;
        }
        keep_latest(&mut list);
        Ok(list)
    }

    /// Every machine with one of these names, and some others: all pages, or an error. Names are matched as the
    /// service does, which may mind upper and lower case.
    pub async fn machines_named(&self, names: &[&MachineName]) -> Result<Vec<Machine>, ReadError> {
        let mut list: Vec<Machine> = Vec::new();
        for filter in Read::name_filters(names.iter().copied()) {
            let page = |skip| Read::machines_where(&filter, skip);
            whole(self.visit_found(page(0), Some(&page), &mut |m| list.push(m)).await?)?;
        }
        keep_latest(&mut list);
        Ok(list)
    }

    /// All machines; unlike [`Client::list_machines`], an entry that cannot be read is an error.
    pub async fn every_machine(&self) -> Result<Vec<Machine>, ReadError> {
        let mut list: Vec<Machine> = Vec::new();
        whole(self.visit_found(Read::machines(0), Some(&Read::machines), &mut |m| list.push(m)).await?)?;
        keep_latest(&mut list);
        Ok(list)
    }

    /// The machines that carry a tag: all of them, or an error.
    pub async fn machines_tagged(&self, tag: &str) -> Result<Vec<Machine>, ReadError> {
        let mut list: Vec<Machine> = Vec::new();
        whole(self.visit_found(Read::machines_tagged(tag), None, &mut |m| list.push(m)).await?)?;
        // The service has larger pages nowhere: one that is full and links to no other may have been cut.
        if list.len() == request::PAGE {
            let why = format!("it has {} entries and no link to more", request::PAGE);
            return Err(ReadError::Incomplete { why });
        }
        keep_latest(&mut list);
        Ok(list)
    }

    /// One machine by id or computer name; `None` if the service does not know it.
    pub async fn get_machine(&self, id_or_name: &str) -> Result<Option<Machine>, ReadError> {
        self.get(&Read::machine(id_or_name)).await
    }

    /// Runs a hunting query at this service itself.
    pub(super) async fn run_query(
        &self,
        api: HuntingApi,
        query: &HuntingQuery,
    ) -> Result<HuntingTable, ReadError> {
        let read = Read::hunt(api, query)
            .map_err(|e| ReadError::Unavailable { why: e.to_string(), cause: Hindrance::Refused })?;
        let read = self.read(&read, |body| table(body).map_err(|e| e.to_string())).await;
        // Microsoft's support asks for it.
        let named = |mut error: ApiError| {
            if api == HuntingApi::Graph
                && let Some(id) = error.target.take().or(error.correlation.take())
            {
                error.message = format!("{} (request id {id})", error.message);
            }
            ReadError::Refused(error)
        };
        match read {
            Ok(table) => table.map_err(named),
            Err(ReadError::Refused(error)) => Err(named(error)),
            Err(e) => Err(e),
        }
    }

    async fn get<T: Entity>(&self, read: &Read) -> Result<Option<T>, ReadError> {
        self.read(read, |body| wire::object(body).map_err(|e| e.to_string())).await.map(Result::ok)
    }

    async fn visit<T: Entity>(
        &self,
        page: impl Fn(usize) -> Read + Send + Sync,
        mut visit: impl FnMut(T),
    ) -> Result<usize, ReadError> {
        self.visit_from(page(0), Some(&page), &mut visit).await
    }

    async fn visit_from<T: Entity>(
        &self,
        first: Read,
        page: Option<&(dyn Fn(usize) -> Read + Send + Sync)>,
        visit: &mut impl FnMut(T),
    ) -> Result<usize, ReadError> {
        self.visit_found(first, page, visit).await?.map_err(ReadError::Refused)
    }

    /// Reads a list to its end: `$skip` until a short page, `@odata.nextLink` where there is one. 404 on
    /// the first page is the inner error.
    async fn visit_found<T: Entity>(
        &self,
        first: Read,
        page: Option<&(dyn Fn(usize) -> Read + Send + Sync)>,
        visit: &mut impl FnMut(T),
    ) -> Result<Result<usize, ApiError>, ReadError> {
        let incomplete = |why: String| ReadError::Incomplete { why };
        let end = Instant::now() + LONGEST_LIST + self.patience.outage;
        let (mut read, mut rows, mut bytes, mut odd) = (first, 0, 0, 0);
        // Ids alone would fill the memory that the entries do not.
        let (hasher, mut ids) = (RandomState::new(), HashSet::new());
        for n in 0..MOST_PAGES {
            let parse = |b: &[u8]| Page::<T>::read(b).map(|p| (p, b.len())).map_err(|e| e.to_string());
            let answer = tokio::time::timeout_at(end, self.read(&read, parse)).await.map_err(|_| {
                incomplete(format!("it takes longer than {} min", LONGEST_LIST.as_secs() / 60))
            })?;
            let (this, length) = match answer? {
                Ok(answer) => answer,
                Err(error) if n == 0 => return Ok(Err(error)),
                Err(error) => return Err(incomplete(error.to_string())),
            };
            let len = this.len();
            rows += len;
            bytes += length;
            odd += this.odd;
            let mut news = false;
            for entry in this.entries {
                news |= ids.insert(hasher.hash_one(IdKey::of(entry.id())));
                visit(entry);
            }
            let link = this.next_link.as_deref();
            let next = match (link.and_then(|l| self.inner.service.target_of(l)), page) {
                (Some(target), _) => read.follow(target),
                // The service says that there is more, but at a host that must not see the token.
                (None, Some(page)) if link.is_some() && len > 0 => page(rows),
                (None, Some(page)) if len >= request::PAGE => page(rows),
                (None, _) if link.is_some() => {
                    return Err(incomplete("the link to the next page leads to another host".into()));
                }
                (None, _) => {
                    if odd > 0 {
                        debug!(odd, "entries without a readable id were passed over");
                    }
                    return Ok(Ok(odd));
                }
            };
            if !news {
                return Err(incomplete("a page that brings nothing new leads to a further one".into()));
            }
            let most = self.patience;
            if rows >= most.rows || bytes >= most.bytes {
                let most = format!("{} rows or {} MiB", most.rows, most.bytes >> 20);
                return Err(incomplete(format!("it goes on behind {most}")));
            }
            read = next;
        }
        Err(incomplete(format!("it has more than {MOST_PAGES} pages")))
    }

    /// Reads, and repeats what may help. 404 is the inner error.
    async fn read<T>(
        &self,
        read: &Read,
        parse: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<Result<T, ApiError>, ReadError> {
        let (mut failed, mut backoff) = (0, self.patience.first);
        let begun = self.inner.clock.now();
        loop {
            match self.inner.attempt(read, self.patience, &parse).await {
                Ok(found) => return Ok(Ok(found)),
                Err(Fail::NotFound(error)) => return Ok(Err(error)),
                Err(Fail::Again { error, retries, pause })
                    if failed < retries || self.waits_out(read, &error, begun) =>
                {
                    failed += 1;
                    let wait = pause.unwrap_or(backoff);
                    let (path, seconds) = (read.path(), wait.as_secs());
                    let of =
                        if failed > retries { String::new() } else { format!(" ({failed} of {retries})") };
                    warn!("{path}: {error}; asks again in {seconds} s{of}");
                    if pause.is_none() {
                        tokio::time::sleep(wait).await;
                    }
                    backoff = (backoff * 2).min(LONGEST_RETRY);
                }
                Err(Fail::Final(error) | Fail::Again { error, .. }) => return Err(error),
            }
        }
    }

    /// Returns whether a read that fails since then is asked again, as often as it takes.
    fn waits_out(&self, read: &Read, error: &ReadError, since: Timestamp) -> bool {
        let cause = error.cause(read.endpoint, self.inner.clock.now());
        self.patience.retries > 0 && !cause.is_lasting() && self.outlasts(since)
    }
}

/// Checks that a list of machines is one: 404 says that there are none, an entry that cannot be read that one is
/// missing.
fn whole(found: Result<usize, ApiError>) -> Result<(), ReadError> {
    match found {
        Ok(odd) if odd > 0 => {
            Err(ReadError::Incomplete { why: format!("{odd} of its entries cannot be read") })
        }
        _ => Ok(()),
    }
}

/// Returns whether a sign-in that has worked before may work again: it was tried, and nothing is missing.
fn may_pass(e: &AuthError) -> bool {
    matches!(e, AuthError::Failed { .. } | AuthError::Unreachable { .. } | AuthError::NoneWorked { .. })
}

impl Inner {
    fn outlasts(&self, since: Timestamp, patience: RetryPolicy) -> bool {
        let end = since.saturating_add(patience.outage).unwrap_or(Timestamp::MAX);
        self.answered.load(Ordering::Relaxed) && self.clock.now() < end
    }

    /// The token in use. One that cannot be renewed is asked for again as long as an outage is waited out.
    async fn token(&self, patience: RetryPolicy) -> Result<AccessToken, AuthError> {
        let (since, mut pause) = (self.clock.now(), patience.first);
        loop {
            match self.tokens.get(self.clock.now()).await {
                Err(e) if may_pass(&e) && self.outlasts(since, patience) => {
                    warn!("{e}; asks again in {} s", pause.as_secs());
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_RETRY);
                }
                token => return token,
            }
        }
    }

    /// Refuses a read that the service would refuse, or that would wait for too long.
    fn may_ask(&self, read: &Read, patience: RetryPolicy) -> Result<(), ReadError> {
        if let Some(error) = self.quotas.closed(read.endpoint) {
            return Err(ReadError::Refused(error));
        }
        if let Next::At(at) = self.quotas.next(read.endpoint) {
            let wait = Duration::try_from(at.duration_since(self.quotas.now())).unwrap_or_default();
            if wait > patience.throttled {
                return Err(if self.quotas.is_paused(read.endpoint) {
                    let why = format!("the service asked for a pause of {} more", answer::told(wait));
                    ReadError::Unavailable { why, cause: Hindrance::Unavailable(Some(at)) }
                } else {
                    ReadError::OverQuota { endpoint: read.endpoint, wait }
                });
            }
        }
        Ok(())
    }

    async fn attempt<T>(
        &self,
        read: &Read,
        patience: RetryPolicy,
        parse: &impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, Fail> {
        self.may_ask(read, patience).map_err(Fail::Final)?;
        let mut slot = self.quotas.take(read.endpoint).await;
        let mut token = self.token(patience).await?;
        let mut renewed = false;
        loop {
            let call = HttpCall {
                method: if read.body.is_some() { Method::Post } else { Method::Get },
                target: read.target.clone(),
                body: read.body.clone(),
                bearer: token.clone(),
                limit: read.limit,
            };
            if renewed {
                self.quotas.record(read.endpoint);
            }
            slot.sending();
            let result = self.send(call).await;
            if !renewed && matches!(&result, Err(TransportError { stage: Stage::BeforeSend, .. })) {
                slot.not_sent();
            }
            let answer = match answer::classify_read(result) {
                ReadAnswer::Unauthorized(error) if !renewed => {
                    match self.tokens.renew(&token, self.clock.now()).await? {
                        Some(other) => {
                            (token, renewed) = (other, true);
                            continue;
                        }
                        None => ReadAnswer::Unauthorized(error),
                    }
                }
                answer => answer,
            };
            return self.outcome(read, patience, answer, parse).map_err(|fail| *fail);
        }
    }

    /// The outcome of the answer to a read, and what it says of its quota.
    fn outcome<T>(
        &self,
        read: &Read,
        patience: RetryPolicy,
        answer: ReadAnswer,
        parse: &impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, Box<Fail>> {
        let unavailable = |why, cause| ReadError::Unavailable { why, cause };
        let refused = |error| Fail::Final(ReadError::Refused(error));
        match &answer {
            ReadAnswer::Refused(e) => self.quotas.note_denial(read.endpoint, e.is_denied().then_some(e)),
            ReadAnswer::Unauthorized(e) => self.quotas.note_denial(read.endpoint, Some(e)),
            ReadAnswer::Body(_) | ReadAnswer::NotFound(_) => self.quotas.note_denial(read.endpoint, None),
            ReadAnswer::Throttled(_) | ReadAnswer::Transient { .. } => {}
        }
        Err(Box::new(match answer {
            ReadAnswer::Body(HttpAnswer { cut: true, .. }) => {
                let why = format!("the answer is longer than {} MiB", read.limit >> 20);
                Fail::Final(unavailable(why, Hindrance::Endless))
            }
            ReadAnswer::Body(body) => match parse(&body.body) {
                Ok(found) => return Ok(found),
                Err(_) if wire::is_web_page(&body.body) => {
                    Fail::Final(unavailable(WireError::WebPage.to_string(), Hindrance::WebPage))
                }
                Err(why) => {
                    let error = unavailable(why, Hindrance::Unavailable(None));
                    Fail::Again { error, retries: patience.retries, pause: None }
                }
            },
            ReadAnswer::NotFound(error) => Fail::NotFound(error),
            ReadAnswer::Unauthorized(error) | ReadAnswer::Refused(error) => refused(error),
            ReadAnswer::Throttled(t) => {
                self.quotas.throttled(read.endpoint, t.retry_after, t.period, t.maximum, t.hourly);
                let bearable = t.retry_after <= patience.throttled;
                let (pause, retries) = (Some(t.retry_after), patience.retries);
                let error = ReadError::Throttled { error: t.error, retry_after: t.retry_after };
                if bearable { Fail::Again { error, retries, pause } } else { Fail::Final(error) }
            }
            ReadAnswer::Transient { why, retry_after: Some(wait), .. } => {
                self.quotas.pause(read.endpoint, wait);
                let until = self.quotas.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
                let error = unavailable(why, Hindrance::Unavailable(Some(until)));
                let (pause, retries) = (Some(wait), patience.retries);
                let bearable = wait <= patience.throttled;
                if bearable { Fail::Again { error, retries, pause } } else { Fail::Final(error) }
            }
            ReadAnswer::Transient { why, cause, retry_after: None } => {
                let retries = patience.retries_after(cause);
                Fail::Again { error: unavailable(why, cause), retries, pause: None }
            }
        }))
    }

    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, TransportError> {
        let span = debug_span!("call", method = %call.method, path = call.path());
        async {
            let (sent, stepped) = (self.clock.now(), self.clock.stepped());
            let result = self.transport.send(call).await;
            let answered = self.clock.now();
            let ms = answered.duration_since(sent).as_millis();
            match &result {
                Ok(answer) => {
                    self.answered.store(true, Ordering::Relaxed);
                    let correlation = answer.correlation.as_deref().unwrap_or_default();
                    debug!(status = answer.status, ms, correlation, bytes = answer.body.len(), "answered");
                    if let Some(date) = &answer.date {
                        self.server.learn(date, sent, answered, stepped);
                    }
                }
                Err(error) => debug!(stage = ?error.stage, why = error.why, ms, "no answer"),
            }
            result
        }
        .instrument(span)
        .await
    }
}

/// Of entries read twice while pages shifted, the later reading counts.
fn keep_latest<T: Entity>(list: &mut Vec<T>) {
    let mut seen = HashSet::new();
    list.reverse();
    list.retain(|entry| seen.insert(IdKey::of(entry.id())));
    list.reverse();
}
