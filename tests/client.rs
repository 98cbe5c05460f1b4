//! The client against a service that runs in this process, on a clock that stands still until it waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use casefile::defender::auth::{AccessToken, AuthError, Token, TokenSource, Tokens};
use casefile::defender::{
    Answer, Client, Clock, Cloud, Endpoint, HttpAnswer, HttpCall, NotSent, RateLimit, RateLimiter, ReadError,
    RetryPolicy, Service, Transport, TransportError,
};
use casefile::model::{Call, Hindrance, Method, Request};
use jiff::Timestamp;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, TransportError>;
type Script = dyn FnMut(usize, &HttpCall) -> Result<HttpAnswer> + Send;

/// What was called, and when on the test's clock.
#[derive(Clone, Debug)]
struct Seen {
    at: Duration,
    target: String,
    bearer: AccessToken,
    body: Option<String>,
}

struct Fake {
    script: Mutex<Box<Script>>,
    seen: Mutex<Vec<Seen>>,
    start: Instant,
}

#[async_trait]
impl Transport for Fake {
    async fn send(&self, call: HttpCall) -> Result<HttpAnswer> {
        let n = {
            let mut seen = self.seen.lock().unwrap();
            let (target, bearer, body) = (call.target.clone(), call.bearer.clone(), call.body.clone());
            seen.push(Seen { at: self.start.elapsed(), target, bearer, body });
            seen.len() - 1
        };
        (self.script.lock().unwrap())(n, &call)
    }
}

#[derive(Debug)]
struct Renewing(Mutex<u32>);

#[async_trait]
impl TokenSource for Renewing {
    async fn fetch(&self, _: Timestamp) -> std::result::Result<Token, AuthError> {
        let mut n = self.0.lock().unwrap();
        *n += 1;
        Ok(Token { access: AccessToken::new(&format!("token-{n}")), expires: None })
    }
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn client(
    limits: &[(Endpoint, RateLimit)],
    script: impl FnMut(usize, &HttpCall) -> Result<HttpAnswer> + Send + 'static,
) -> (Client, Arc<Fake>) {
    let start = Instant::now();
    let fake = Arc::new(Fake { script: Mutex::new(Box::new(script)), seen: Mutex::default(), start });
    let service = Service::new(Cloud::Public, None, None).unwrap();
    let tokens = Tokens::new(Arc::new(Renewing(Mutex::new(0))));
    let clock = Clock::new(move || now() + start.elapsed());
    let quotas = RateLimiter::new(clock.clone(), limits.iter().copied());
    (Client::new(service, fake.clone(), tokens, quotas, clock), fake)
}

fn answers(list: Vec<Result<HttpAnswer>>) -> impl FnMut(usize, &HttpCall) -> Result<HttpAnswer> + Send {
    let mut list: VecDeque<_> = list.into();
    move |_, _| list.pop_front().expect("one call too many")
}

fn reset() -> TransportError {
    TransportError::after_send(Hindrance::Unavailable(None), "connection reset")
}

const M: &str = "fb9ab6be3965095a09c057be7c90f0a2";

fn collect() -> Request {
    Call::collect(M.parse().unwrap(), "c").request()
}

fn created() -> HttpAnswer {
    let body = format!(r#"{{"id":"a-1","type":"CollectInvestigationPackage","machineId":"{M}"}}"#);
    HttpAnswer::new(201, body)
}

fn page(ids: std::ops::Range<usize>, more: &str) -> HttpAnswer {
    let entries: Vec<String> = ids.map(|n| format!(r#"{{"id":"a-{n}","status":"Pending"}}"#)).collect();
    HttpAnswer::new(200, format!(r#"{{"value":[{}]{more}}}"#, entries.join(",")))
}

async fn mutate(client: &Client) -> Answer {
    let slot = client.quotas().take(Endpoint::Collect).await;
    client.mutate(&collect(), slot, || Ok(())).await
}

#[tokio::test(start_paused = true)]
async fn a_mutating_call_goes_out_once_byte_for_byte() {
    for answer in [Err(reset()), Ok(HttpAnswer::new(503, "")), Ok(HttpAnswer::new(429, "")), Ok(created())] {
        let (client, fake) = client(&[], answers(vec![answer]));
        let _class = mutate(&client).await;
        let seen = fake.seen.lock().unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].target, collect().path);
        assert_eq!(seen[0].body.as_deref(), Some(collect().body.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn one_renewal_after_401() {
    let refused = || Ok(HttpAnswer::new(401, ""));
    let (one, fake) = client(&[], answers(vec![refused(), Ok(created())]));
    assert!(matches!(mutate(&one).await, Answer::Accepted { .. }));
    {
        let seen = fake.seen.lock().unwrap();
        assert_ne!(seen[0].bearer, seen[1].bearer);
        assert_eq!(seen[0].body, seen[1].body);
    }

    let (two, fake) = client(&[], answers(vec![refused(), refused()]));
    assert!(matches!(mutate(&two).await, Answer::Unauthorized(_)));
    assert_eq!(fake.seen.lock().unwrap().len(), 2);

    let (read, fake) = client(&[], answers(vec![refused(), Ok(page(0..1, ""))]));
    assert_eq!(read.list_actions(now()).await.unwrap().len(), 1);
    assert_eq!(fake.seen.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_check_withholds_a_call_and_frees_its_slot() {
    let one = [(Endpoint::Collect, RateLimit::new(1, 1))];
    let (client, fake) = client(&one, answers(vec![Ok(created())]));
    let slot = client.quotas().take(Endpoint::Collect).await;
    let answer = client.mutate(&collect(), slot, || Err("too late".into())).await;
    assert!(matches!(answer, Answer::NotExecuted(NotSent::Withheld(why)) if why == "too late"));
    assert!(fake.seen.lock().unwrap().is_empty());
    assert!(matches!(mutate(&client).await, Answer::Accepted { .. }));
    assert_eq!(fake.seen.lock().unwrap()[0].at, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_last_check_also_stands_before_the_call_with_a_new_token() {
    let (client, fake) = client(&[], answers(vec![Ok(HttpAnswer::new(401, ""))]));
    let slot = client.quotas().take(Endpoint::Collect).await;
    let asked = std::cell::Cell::new(0);
    let check = || {
        asked.set(asked.get() + 1);
        if asked.get() == 1 { Ok(()) } else { Err("too late".to_owned()) }
    };
    let answer = client.mutate(&collect(), slot, check).await;
    assert!(matches!(answer, Answer::NotExecuted(NotSent::Withheld(_))));
    assert_eq!(fake.seen.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slot_of_another_endpoint_sends_nothing() {
    let (client, fake) = client(&[], answers(vec![]));
    let slot = client.quotas().take(Endpoint::CreateAlert).await;
    let answer = client.mutate(&collect(), slot, || Ok(())).await;
    assert!(matches!(answer, Answer::NotExecuted(NotSent::Withheld(_))));
    assert!(fake.seen.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn sending_keeps_to_the_quota() {
    let limits = [(Endpoint::Collect, RateLimit::new(3, 7))];
    let (client, fake) = client(&limits, |_, _| Ok(created()));
    for _ in 0..8 {
        mutate(&client).await;
    }
    let times: Vec<u64> = fake.seen.lock().unwrap().iter().map(|s| s.at.as_secs()).collect();
    assert_eq!(times, [0, 0, 0, 60, 60, 60, 120, 3600]);
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_leave_in_the_order_they_came() {
    let limits = [(Endpoint::Collect, RateLimit::new(1, 100))];
    let (client, _) = client(&limits, |_, _| Ok(created()));
    let order = Arc::new(Mutex::new(Vec::new()));
    let calls = (0..5).map(|n| {
        let (client, order) = (client.clone(), order.clone());
        async move {
            mutate(&client).await;
            order.lock().unwrap().push(n);
        }
    });
    futures::future::join_all(calls).await;
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_blocks_the_endpoint() {
    let throttled = HttpAnswer { retry_after: Some("45".into()), ..HttpAnswer::new(429, "") };
    let (client, fake) = client(&[], answers(vec![Ok(throttled), Ok(created())]));
    let first = mutate(&client).await;
    assert!(matches!(first, Answer::Throttled { retry_after, .. } if retry_after.as_secs() == 45));
    assert_eq!(client.quotas().limits(Endpoint::Collect).per_minute, Some(50));
    mutate(&client).await;
    assert_eq!(fake.seen.lock().unwrap()[1].at, Duration::from_secs(45));
}

#[tokio::test(start_paused = true)]
async fn calls_of_an_earlier_run_count() {
    let limits = [(Endpoint::Collect, RateLimit::new(1, 100))];
    let (client, fake) = client(&limits, answers(vec![Ok(created())]));
    client.quotas().seed(Endpoint::Collect, Some(now() - Duration::from_secs(20)), None);
    mutate(&client).await;
    assert_eq!(fake.seen.lock().unwrap()[0].at, Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn reads_are_repeated() {
    let list = vec![
        Err(reset()),
        Ok(HttpAnswer::new(500, "")),
        Ok(HttpAnswer::new(200, "{\"value\":[")),
        Ok(HttpAnswer { retry_after: Some("30".into()), ..HttpAnswer::new(429, "") }),
        Ok(page(0..2, "")),
    ];
    let (client, fake) = client(&[], answers(list));
    assert_eq!(client.list_actions(now()).await.unwrap().len(), 2);
    let times: Vec<u64> = fake.seen.lock().unwrap().iter().map(|s| s.at.as_secs()).collect();
    assert_eq!(times, [0, 1, 3, 7, 37]);
}

#[tokio::test(start_paused = true)]
async fn reads_give_up() {
    let (down, fake) = client(&[], |_, _| Ok(HttpAnswer::new(502, "<html>bad gateway</html>")));
    let error = down.list_actions(now()).await.unwrap_err();
    assert!(matches!(&error, ReadError::Unavailable { why, .. } if why.contains("502")), "{error:?}");
    assert_eq!(fake.seen.lock().unwrap().len(), 5);

    let (forbidden, fake) = client(&[], |_, _| Ok(HttpAnswer::new(403, "")));
    assert!(matches!(forbidden.list_actions(now()).await, Err(ReadError::Refused(e)) if e.status == 403));
    assert_eq!(fake.seen.lock().unwrap().len(), 1);

    let hour = HttpAnswer { retry_after: Some("1800".into()), ..HttpAnswer::new(429, "") };
    let (throttled, fake) = client(&[], move |_, _| Ok(hour.clone()));
    let error = throttled.list_actions(now()).await.unwrap_err();
    assert!(matches!(error, ReadError::Throttled { retry_after, .. } if retry_after.as_secs() == 1800));
    let again = throttled.list_actions(now()).await.unwrap_err();
    assert!(matches!(again, ReadError::OverQuota { wait, .. } if wait.as_secs() == 1800), "{again:?}");
    assert_eq!(fake.seen.lock().unwrap().len(), 1);
    assert_eq!(fake.start.elapsed(), Duration::ZERO, "nobody sleeps an hourly block out");
}

#[tokio::test(start_paused = true)]
async fn lists_go_on_until_a_short_page() {
    let (client, fake) =
        client(&[], |n, _| Ok(if n == 0 { page(0..10_000, "") } else { page(9_999..10_003, "") }));
    let list = client.list_actions(now()).await.unwrap();
    assert_eq!(list.len(), 10_003, "the entry read twice is kept once");
    let seen = fake.seen.lock().unwrap();
    assert!(seen[0].target.contains("$skip=0&") && seen[1].target.contains("$skip=10000&"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_later_page_is_no_list() {
    let (client, _) =
        client(&[], |n, _| Ok(if n == 0 { page(0..10_000, "") } else { HttpAnswer::new(500, "") }));
    assert!(client.list_actions(now()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn links_to_the_next_page() {
    let home = r#","@odata.nextLink":"https://api.security.microsoft.com/api/machineactions?$skiptoken=x""#;
    let (one, fake) = client(&[], move |n, _| Ok(if n == 0 { page(0..2, home) } else { page(2..3, "") }));
    assert_eq!(one.list_actions(now()).await.unwrap().len(), 3);
    assert_eq!(fake.seen.lock().unwrap()[1].target, "/api/machineactions?$skiptoken=x");

    let away = r#","@odata.nextLink":"https://evil.example/api/machineactions?$skiptoken=x""#;
    let (two, fake) = client(&[], move |n, _| Ok(if n == 0 { page(0..2, away) } else { page(2..3, "") }));
    assert_eq!(two.list_actions(now()).await.unwrap().len(), 3);
    assert!(fake.seen.lock().unwrap()[1].target.contains("$skip=2&"), "told that there is more, not by whom");

    let (three, _) = client(&[], move |_, _| Ok(page(0..2, home)));
    assert!(matches!(three.list_actions(now()).await, Err(ReadError::Incomplete { .. })), "a circle");

    let (four, _) = client(&[], move |_, _| Ok(page(0..2, away)));
    assert!(matches!(four.machine_alerts(M).await, Err(ReadError::Incomplete { .. })));

    // Behind an empty page with a link there may be anything.
    let (five, _) = client(&[], move |_, _| Ok(page(0..0, away)));
    assert!(matches!(five.list_actions(now()).await, Err(ReadError::Incomplete { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_list_ends_however_long_the_service_goes_on() {
    let link = |n: usize| {
        format!(
            r#","@odata.nextLink":"https://api.security.microsoft.com/api/machineactions?$skiptoken={n}""#
        )
    };
    let incomplete = |error: ReadError, part: &str| match error {
        ReadError::Incomplete { why } => assert!(why.contains(part), "{why}"),
        other => panic!("{other:?}"),
    };
    // Links that circle, over more than one page.
    let (circle, fake) = client(&[], move |n, _| Ok(page(n % 3..n % 3 + 1, &link(n))));
    incomplete(circle.list_actions(now()).await.unwrap_err(), "nothing new");
    assert_eq!(fake.seen.lock().unwrap().len(), 4);
    // Empty pages that lead on.
    let (empty, fake) = client(&[], move |n, _| Ok(page(0..0, &link(n))));
    incomplete(empty.list_actions(now()).await.unwrap_err(), "nothing new");
    assert_eq!(fake.seen.lock().unwrap().len(), 1);
    // Ever new rows. The service's largest pages, without links: the same page for ever has nothing new.
    let (full, fake) = client(&[], |_, _| Ok(page(0..10_000, "")));
    incomplete(full.list_actions(now()).await.unwrap_err(), "nothing new");
    assert_eq!(fake.seen.lock().unwrap().len(), 2);
    let few = RetryPolicy { rows: 50, bytes: 1 << 20, ..RetryPolicy::default() };
    let (new, fake) = client(&[], move |n, _| Ok(page(n * 10..(n + 1) * 10, &link(n))));
    incomplete(new.with_patience(few).list_actions(now()).await.unwrap_err(), "50 rows");
    assert_eq!(fake.seen.lock().unwrap().len(), 5);
    // Few rows of many bytes.
    let long = "x".repeat(100_000);
    let (large, fake) = client(&[], move |n, _| {
        let link = link(n);
        Ok(HttpAnswer::new(200, format!(r#"{{"value":[{{"id":"a-{n}","text":"{long}"}}]{link}}}"#)))
    });
    incomplete(large.with_patience(few).list_actions(now()).await.unwrap_err(), "1 MiB");
    assert_eq!(fake.seen.lock().unwrap().len(), 11);
    // A page a minute.
    let (slow, fake) =
        client(&[(Endpoint::ListActions, RateLimit { per_minute: Some(1), per_hour: None })], move |n, _| {
            Ok(page(n..n + 1, &link(n)))
        });
    incomplete(slow.list_actions(now()).await.unwrap_err(), "10 min");
    assert_eq!(fake.start.elapsed(), Duration::from_secs(600));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_sort_is_asked_without_an_order() {
    let (client, fake) = client(&[], |_, call| {
        Ok(if call.target.contains("$orderby") { HttpAnswer::new(400, "") } else { page(0..2, "") })
    });
    assert_eq!(client.list_actions(now()).await.unwrap().len(), 2);
    assert_eq!(client.list_actions(now()).await.unwrap().len(), 2);
    assert_eq!(fake.seen.lock().unwrap().len(), 3, "it is asked to sort once");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_get_better_is_not_repeated() {
    use Hindrance::*;
    for (cause, calls, took) in [
        (Tls, 1, 0),
        (UnknownHost, 1, 0),
        (Proxy, 1, 0),
        (SignIn, 1, 0),
        (NoConnection, 3, 3),
        (NoAnswer, 2, 1),
        (Unavailable(None), 5, 15),
    ] {
        let (client, fake) = client(&[], move |_, _| Err(TransportError::before_send(cause, "no")));
        let error = client.list_actions(now()).await.unwrap_err();
        assert_eq!(error.cause(Endpoint::ListActions, now()), cause);
        assert_eq!(fake.seen.lock().unwrap().len(), calls, "{cause:?}");
        assert_eq!(fake.start.elapsed().as_secs(), took, "{cause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_as_long_as_a_503_asks() {
    let busy = |wait: &str| HttpAnswer { retry_after: Some(wait.into()), ..HttpAnswer::new(503, "") };
    let (short, fake) = client(&[], answers(vec![Ok(busy("40")), Ok(page(0..1, ""))]));
    assert_eq!(short.list_actions(now()).await.unwrap().len(), 1);
    assert_eq!(fake.start.elapsed().as_secs(), 40);
    let (long, fake) = client(&[], answers(vec![Ok(busy("4000"))]));
    let error = long.list_actions(now()).await.unwrap_err();
    let until = now() + Duration::from_secs(4000);
    assert_eq!(error.cause(Endpoint::ListActions, now()), Hindrance::Unavailable(Some(until)));
    assert_eq!(fake.start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_told_as_one_and_not_as_a_quota() {
    let busy = HttpAnswer { retry_after: Some("4000".into()), ..HttpAnswer::new(503, "") };
    let (client, fake) = client(&[], answers(vec![Ok(busy)]));
    let until = now() + Duration::from_secs(4000);
    for _ in 0..2 {
        let error = client.list_actions(now()).await.unwrap_err();
        assert_eq!(error.cause(Endpoint::ListActions, now()), Hindrance::Unavailable(Some(until)));
        assert!(!error.to_string().contains("quota"), "{error}");
    }
    assert_eq!(fake.seen.lock().unwrap().len(), 1);
    let error = client.list_actions(now()).await.unwrap_err();
    assert_eq!(error.to_string(), "the service asked for a pause of 4000 s more");
    // A quota that is used up for longer is told as such.
    client.quotas().throttled(Endpoint::ListActions, Duration::from_secs(5000), None, None, false);
    let error = client.list_actions(now()).await.unwrap_err();
    assert_eq!(error.to_string(), "the quota of lists of machine actions is used up for 5000 s");
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_more_than_a_day_is_told_as_one() {
    let asked = |seconds: &str| HttpAnswer { retry_after: Some(seconds.into()), ..HttpAnswer::new(429, "") };
    for (seconds, told) in [("4000", "asks to wait 4000 s"), ("1000000000", "asks to wait a day or longer")] {
        let (client, _) = client(&[], answers(vec![Ok(asked(seconds))]));
        let error = client.list_actions(now()).await.unwrap_err().to_string();
        assert!(error.ends_with(told), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_page_is_no_answer_that_gets_better() {
    for page in ["<!DOCTYPE html><html><body>Sign in</body></html>", "\u{feff}\n <html>"] {
        let (client, fake) = client(&[], move |_, _| Ok(HttpAnswer::new(200, page)));
        let error = client.list_actions(now()).await.unwrap_err();
        assert_eq!(error.cause(Endpoint::ListActions, now()), Hindrance::WebPage);
        assert!(Hindrance::WebPage.is_lasting());
        assert!(client.get_alert("a").await.is_err());
        assert_eq!(fake.seen.lock().unwrap().len(), 2);
        assert!(matches!(mutate(&client).await, Answer::Unknown { why, .. } if why.contains("a web page")));
    }
    // What is no JSON otherwise may be an answer that was torn.
    let (client, fake) = client(&[], |_, _| Ok(HttpAnswer::new(200, "{\"value\":[")));
    assert!(client.list_actions(now()).await.is_err());
    assert_eq!(fake.seen.lock().unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_denied_list_is_not_asked_for_again() {
    let denied = r#"{"error":{"code":"Forbidden","message":"Missing application roles"}}"#;
    let (client, fake) = client(&[], move |_, _| Ok(HttpAnswer::new(403, denied)));
    for _ in 0..3 {
        let error = client.list_actions(now()).await.unwrap_err();
        assert_eq!(error.cause(Endpoint::ListActions, now()), Hindrance::Permission("Machine.Read.All"));
    }
    assert_eq!(fake.seen.lock().unwrap().len(), 1);
    assert!(client.alerts_since(now()).await.is_err());
    assert_eq!(fake.seen.lock().unwrap().len(), 2, "other lists are asked for");
}

#[tokio::test(start_paused = true)]
async fn not_found_is_an_answer() {
    let (client, _) = client(&[], |_, _| Ok(HttpAnswer::new(404, "")));
    assert_eq!(client.get_action("a").await.unwrap(), None);
    assert_eq!(client.get_alert("a").await.unwrap(), None);
    assert_eq!(client.get_machine("m").await.unwrap(), None);
    assert_eq!(client.package_link("a").await.unwrap(), None);
    assert_eq!(client.machine_alerts("m").await.unwrap(), None);
    assert!(client.list_machines().await.unwrap().is_empty());
    // No machine action at all would be an empty list: a 404 here is something else.
    assert!(client.list_actions(now()).await.is_err());
    assert!(client.alerts_since(now()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn alerts_by_ids_ask_in_batches() {
    let (client, fake) =
        client(&[], |n, _| Ok(HttpAnswer::new(200, format!(r#"{{"value":[{{"id":"da{n}"}}]}}"#))));
    let ids: Vec<String> = (0..45).map(|n| format!("da{n}")).collect();
    assert_eq!(client.alerts_by_ids(&ids).await.unwrap().len(), 3);
    assert_eq!(fake.seen.lock().unwrap().len(), 3);
    assert!(client.alerts_by_ids(&[]).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_too_long_is_not_asked_for_again() {
    let (client, fake) = client(&[], |_, _| Ok(HttpAnswer { cut: true, ..HttpAnswer::new(200, "{") }));
    assert!(matches!(client.list_actions(now()).await, Err(ReadError::Unavailable { .. })));
    assert_eq!(fake.seen.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_services_clock_is_learnt_from_any_answer() {
    let date = |status| HttpAnswer {
        date: Some("Thu, 01 Jan 2026 00:05:00 GMT".into()),
        ..HttpAnswer::new(status, "")
    };
    let (client, _) = client(&[], move |_, call| {
        assert_eq!(call.method, Method::Get);
        Ok(date(404))
    });
    let client = client.with_patience(RetryPolicy::default());
    assert_eq!(client.server_offset(), None);
    client.get_action("a").await.unwrap();
    let o = client.server_offset().unwrap();
    assert_eq!(o.offset.as_millis(), 300_500);
    assert_eq!(o.error.as_millis(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_still_counts() {
    struct Never;
    #[async_trait]
    impl Transport for Never {
        async fn send(&self, _: HttpCall) -> Result<HttpAnswer> {
            std::future::pending().await
        }
    }
    let service = Service::new(Cloud::Public, None, None).unwrap();
    let tokens = Tokens::new(Arc::new(Renewing(Mutex::new(0))));
    let start = Instant::now();
    let clock = Clock::new(move || now() + start.elapsed());
    let quotas = RateLimiter::new(clock.clone(), [(Endpoint::Collect, RateLimit::new(1, 10))]);
    let client = Client::new(service, Arc::new(Never), tokens, quotas, clock);
    let gone = tokio::time::timeout(Duration::from_secs(5), mutate(&client)).await;
    assert!(gone.is_err());
    let start = Instant::now();
    let _slot = client.quotas().take(Endpoint::Collect).await;
    assert_eq!(start.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn calls_can_be_spawned() {
    let (client, fake) = client(&[], |n, _| Ok(if n == 0 { created() } else { page(0..1, "") }));
    let spawned = client.clone();
    let answer = tokio::spawn(async move {
        let slot = spawned.quotas().take(Endpoint::Collect).await;
        spawned.mutate(&collect(), slot, || Ok(())).await
    });
    assert!(matches!(answer.await.unwrap(), Answer::Accepted { .. }));
    let list = tokio::spawn(async move {
        let machines = client.list_machines().await?.len();
        Ok::<_, ReadError>(
            machines + client.alerts_since(now()).await?.len() + client.list_actions(now()).await?.len(),
        )
    });
    assert_eq!(list.await.unwrap(), Ok(3));
    assert_eq!(fake.seen.lock().unwrap().len(), 4);
}
