//! Every fault at every point of every story, and random handfuls of them.

use crate::driver::{Played, Step, Story, package, play};
use crate::fault::{Call, Fault, Point, Random, STEPS};
use crate::site::Planned;
use crate::stories;

/// What a story's points are when nothing goes wrong.
fn dry(story: &Story) -> Played {
    let played = play(story, &[]);
    judge(story, &[], &played);
    played
}

fn judge(story: &Story, faults: &[Planned], played: &Played) {
    if let Some(complaint) = complaint(story, faults, played) {
        panic!("{complaint}");
    }
}

/// Says what is wrong with what was played, each once, in the order in which it was found; then what the story is about.
pub fn complaint(story: &Story, faults: &[Planned], played: &Played) -> Option<String> {
    let mut wrong: Vec<&str> = Vec::new();
    for one in &played.wrong {
        if !wrong.contains(&one.as_str()) {
            wrong.push(one);
        }
    }
    if wrong.is_empty() {
        return None;
    }
    let about = if story.about.is_empty() { String::new() } else { format!("{}\n", story.about) };
    Some(format!(
        "{}: {}\n{about}faults: {faults:?}\n{}\n",
        story.name,
        wrong.join("\n"),
        played.log.join("\n")
    ))
}

/// How much is played.
pub fn whole() -> bool {
    match std::env::var("FAULTS").as_deref() {
        Ok("whole") => true,
        Ok("") | Err(_) => false,
        Ok(other) => panic!("FAULTS is `whole` or not set, not {other}"),
    }
}

/// A number that is asked for in the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// Spreads work over the processors; the first complaints come back.
pub fn spread<T: Sync>(work: &[T], play: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let complaints = std::sync::Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(one) = work.get(n) else { return };
                    if let Some(text) = play(one) {
                        complaints.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    complaints.into_inner().unwrap()
}

pub fn fail_with(complaints: &[String], of: usize) {
    let most = number("FAULTS_SHOW").unwrap_or(3) as usize;
    let shown: Vec<&String> = complaints.iter().take(most).collect();
    let heads: std::collections::BTreeMap<String, usize> =
        complaints.iter().fold(Default::default(), |mut all, c| {
            let head = c.lines().next().unwrap_or_default();
            let head: String = head.split(": ").take(3).collect::<Vec<_>>().join(": ");
            *all.entry(head).or_default() += 1;
            all
        });
    assert!(
        complaints.is_empty(),
        "{} of {of} schedules failed\n{heads:#?}\n{}",
        complaints.len(),
        shown.iter().map(|s| s.as_str()).collect::<Vec<_>>().join("\n\n")
    );
}

#[test]
fn stories_without_faults() {
    for story in stories::all() {
        let played = dry(&story);
        if std::env::var_os("FAULTS_TELL").is_some() {
            eprintln!("== {}\n{}\n", story.name, played.log.join("\n"));
        }
    }
}

#[test]
fn every_single_fault() {
    let stories = stories::all();
    let mut work = Vec::new();
    let mut counter = 0;
    for (n, story) in stories.iter().enumerate() {
        let points = dry(story).points;
        for (run, points) in points.iter().enumerate().take(story.steps.len()) {
            for (point, kind) in points.iter().enumerate() {
                for fault in kind.faults() {
                    counter += 1;
                    if whole() || counter % 40 == 0 {
                        work.push((n, Planned { run, point, fault }));
                    }
                }
            }
        }
    }
    let began = std::time::Instant::now();
    let complaints = spread(&work, |(n, planned)| {
        let played = play(&stories[*n], &[*planned]);
        complaint(&stories[*n], &[*planned], &played)
    });
    eprintln!("{} schedules with one fault in {:?}", work.len(), began.elapsed());
    fail_with(&complaints, work.len());
}

/// The wall clock is set at each point, and each call that comes later gets no answer, or none in time.
#[test]
fn every_step_of_the_clock_and_a_lost_answer() {
    const LOSING: [Fault; 4] = [Fault::Lost, Fault::Garbled, Fault::Slow(80), Fault::Crash];
    // Collections end before they are listed: an active one would absorb a second call.
    let stories: Vec<Story> =
        stories::all().into_iter().map(|s| Story { runs: s.runs.min(4), lag: 8, ..s }).collect();
    let mut work = Vec::new();
    for (n, story) in stories.iter().enumerate() {
        let points = dry(story).points;
        for (run, points) in points.iter().enumerate().take(story.steps.len()) {
            let is_call = |point: &usize| matches!(points[*point], Point::Send(Call::Create | Call::Change));
            for call in (0..points.len()).filter(is_call) {
                for (step, fault) in STEPS.iter().flat_map(|s| LOSING.map(|f| (*s, f))) {
                    let lost = Planned { run, point: call, fault };
                    // Set between two runs, and wrong from the first read on.
                    work.push((n, step, vec![lost]));
                    let set = |point| Planned { run, point, fault: Fault::Step(step) };
                    work.extend((0..call).map(|point| (n, 0, vec![set(point), lost])));
                }
            }
        }
    }
    // An odd stride meets every step and every fault.
    let stride = (work.len() / if whole() { 15_000 } else { 150 }) | 1;
    let work: Vec<_> = work.into_iter().step_by(stride).collect();
    let began = std::time::Instant::now();
    let complaints = spread(&work, |(n, set, faults)| {
        let mut story = stories[*n].clone();
        let run = faults[0].run;
        if *set != 0 {
            // The clock is wrong in the run that gets no answer; what follows sees the right time.
            story.steps[run].skew += 1000 * set;
            let after =
                Step { after: 5, skew: 0, deeds: vec![], replace: vec![], ..story.steps[run].clone() };
            story.steps.insert(run + 1, after);
        }
        let played = play(&story, faults);
        complaint(&story, faults, &played).map(|c| format!("{c}\nset between runs: {set}"))
    });
    eprintln!("{} schedules with a step of the clock in {:?}", work.len(), began.elapsed());
    fail_with(&complaints, work.len());
}

/// Our clock is wrong by an hour, reads bring no answer, and what leaves then is lost.
#[test]
fn no_call_leaves_before_the_service_has_told_its_time() {
    let p = package("r0", 0, "why");
    let first = Step { skew: 3_600_000, ..Step::new(vec![p.clone()]) };
    let story = Story { runs: 4, lag: 8, ..Story::new("time-unknown", vec![first, Step::new(vec![p])]) };
    let outage = Planned { run: 0, point: 0, fault: Fault::Outage(35) };
    let lost = (1..80).map(|point| Planned { run: 0, point, fault: Fault::Lost });
    let faults: Vec<Planned> = [outage].into_iter().chain(lost).collect();
    let played = play(&story, &faults);
    judge(&story, &faults, &played);
    assert_eq!(played.made.len(), 1, "{}", played.log.join("\n"));
}

/// A random schedule: a story, up to three faults, an odd clock, another lag.
fn random(seed: u64, stories: &[Story], points: &[Vec<Vec<crate::fault::Point>>]) -> (Story, Vec<Planned>) {
    let mut r = Random(seed);
    let n = r.below(2 * stories.len());
    // Half of them are stories of their own, whose points are those of their first play.
    let (mut story, points) = match (stories.get(n), points.get(n)) {
        (Some(story), Some(points)) => (story.clone(), points.clone()),
        _ => {
            let story = stories::random(&mut r);
            let points = play(&story, &[]).points;
            (story, points)
        }
    };
    if r.below(3) == 0 {
        story.lag = [0, 2, 9][r.below(3)];
    }
    for step in &mut story.steps {
        match r.below(6) {
            0 if r.below(2) == 0 => step.skew = 1000 * *r.pick(&STEPS),
            0 => step.skew = r.below(100_000) as i64 - 50_000,
            1 => step.after = [1, 8, 25, 45, 130, 800][r.below(6)],
            2 => step.approval = [0, 15, 70][r.below(3)],
            _ => {}
        }
    }
    let mut faults: Vec<Planned> = Vec::new();
    for _ in 0..1 + r.below(3) {
        // The runs at the end are left alone.
        let run = r.below(story.steps.len());
        let count = points.get(run).map_or(1, Vec::len);
        let point = r.below(count + count / 4 + 1);
        let kind = points.get(run).and_then(|p| p.get(point));
        let fault = match kind {
            Some(kind) => *r.pick(&kind.faults()),
            None => *r.pick(&[Fault::Crash, Fault::Lost, Fault::Late(10), Fault::Stop, Fault::Refused]),
        };
        faults.push(Planned { run, point, fault });
    }
    (story, faults)
}

#[test]
fn random_handfuls() {
    let stories = stories::all();
    let points: Vec<_> = stories.iter().map(|s| dry(s).points).collect();
    let count = if whole() { 20_000 } else { 300 };
    let one = number("FAULTS_SEED");
    let seeds: Vec<u64> = one.map_or_else(|| (1..=count).collect(), |s| vec![s]);
    let began = std::time::Instant::now();
    let complaints = spread(&seeds, |seed| {
        let (story, faults) = random(*seed, &stories, &points);
        let played = play(&story, &faults);
        if one.is_some() {
            eprintln!("{}\n{faults:?}\n{}", story.name, played.log.join("\n"));
        }
        complaint(&story, &faults, &played).map(|c| format!("FAULTS_SEED={seed} {c}\n{:?}", story.steps))
    });
    eprintln!("{} random schedules in {:?}", seeds.len(), began.elapsed());
    fail_with(&complaints, seeds.len());
}
