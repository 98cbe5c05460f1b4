//! The timeline, drawn to scale: where each moment stands between the first and the last one, in SVG.
//!
//! Each row is a picture of its own whose places are percentages, so that it fits any screen and breaks between pages. What
//! the marks say stands beside them in words.

use jiff::Timestamp;

use super::markup::Html;
use crate::model::Kind;
use crate::report::{Attempt, Report, ResourceFacts, Standing};

/// How high the middle of a row lies.
const MIDDLE: &str = "50%";

/// The scale: from the first to the last moment.
pub struct Scale {
    from: Timestamp,
    to: Timestamp,
}

impl Scale {
    /// The scale of all that a report tells; none if it tells of no moment.
    pub fn of(report: &Report) -> Option<Scale> {
        let moments = || report.resources.iter().flat_map(|r| r.attempts.iter().flat_map(moments_of));
        let (from, mut to) = (moments().min()?, moments().max()?);
        let goes_on = |r: &ResourceFacts| matches!(r.standing, Standing::Running | Standing::Waiting);
        if report.resources.iter().any(goes_on) {
            to = to.max(report.created_at);
        }
        // A single moment has a scale too.
        let to =
            if to.duration_since(from).as_secs() < 1 { from.checked_add(SECOND).unwrap_or(to) } else { to };
        Some(Scale { from, to })
    }

    /// The first moment.
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// The last moment.
    pub fn to(&self) -> Timestamp {
        self.to
    }

    /// Where a moment stands, in hundredths of a percent.
    fn place(&self, at: Timestamp) -> u64 {
        let whole = self.to.duration_since(self.from).as_millis().max(1);
        let part = at.duration_since(self.from).as_millis().clamp(0, whole);
        u64::try_from(part * 10_000 / whole).unwrap_or_default()
    }

    fn percent(&self, at: Timestamp) -> String {
        percent(self.place(at))
    }

    /// Round moments of the scale, and how each is written.
    fn ticks(&self) -> Vec<(Timestamp, String)> {
        let length = self.to.duration_since(self.from).as_secs().max(1);
        let step = STEPS.into_iter().find(|step| length / step <= MOST_TICKS).unwrap_or(length / MOST_TICKS);
        let format = match step {
            0..60 => "%H:%M:%S",
            60..86_400 if length < 86_400 => "%H:%M",
            60..86_400 => "%b %-d %H:%M",
            _ => "%b %-d",
        };
        let first = self.from.as_second().div_euclid(step) * step;
        let moments = (0..).map_while(|i| Timestamp::from_second(first + i * step).ok());
        let within = moments.skip_while(|t| *t < self.from).take_while(|t| *t <= self.to);
        within.map(|t| (t, t.strftime(format).to_string())).collect()
    }
}

const SECOND: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// No more ticks than fit a small screen.
const MOST_TICKS: i64 = 5;

/// Steps between ticks, in seconds.
const STEPS: [i64; 18] = [
    1,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1_800,
    3_600,
    2 * 3_600,
    6 * 3_600,
    12 * 3_600,
    86_400,
    7 * 86_400,
    30 * 86_400,
];

fn percent(hundredths: u64) -> String {
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole}%"),
        (whole, part) => format!("{whole}.{part:02}%"),
    }
}

/// The first moment of an attempt.
pub fn begin(a: &Attempt) -> Option<Timestamp> {
    a.waited_since.or(a.asked).or(a.accepted)
}

fn moments_of(a: &Attempt) -> impl Iterator<Item = Timestamp> {
    let all =
        [a.waited_since, a.asked, a.accepted, a.running, a.finished, a.fetched, a.ended, a.blocked_until];
    all.into_iter().flatten()
}

/// The axis, with the lines that all rows take up.
pub fn axis(h: &mut Html, scale: &Scale) {
    let ticks = scale.ticks();
    h.element("svg", &[("role", "presentation"), ("aria-hidden", "true")], |h| {
        h.element("g", &[("id", "g")], |h| {
            for (at, _) in &ticks {
                let x = scale.percent(*at);
                h.shape("line", &[("class", "g"), ("x1", &x), ("x2", &x), ("y1", "-6"), ("y2", "220%")]);
            }
        });
        for (at, label) in &ticks {
            let anchor = match scale.place(*at) {
                0..700 => "start",
                700..9_300 => "middle",
                _ => "end",
            };
            let x = scale.percent(*at);
            h.element("text", &[("x", &x), ("y", "12"), ("text-anchor", anchor)], |h| h.text(label));
        }
    });
}

/// The row of a resource.
pub fn row(h: &mut Html, scale: &Scale, r: &ResourceFacts, now: Timestamp) {
    h.element("svg", &[("role", "presentation"), ("aria-hidden", "true")], |h| {
        h.shape("use", &[("href", "#g")]);
        for (i, attempt) in r.attempts.iter().enumerate() {
            let last = i + 1 == r.attempts.len();
            let goes_on = last && matches!(r.standing, Standing::Running | Standing::Waiting);
            course(h, scale, r.kind, attempt, goes_on.then_some(now));
        }
    });
}

/// One attempt: what it waited, ran and was fetched for, and its moments on top.
fn course(h: &mut Html, scale: &Scale, kind: Kind, a: &Attempt, now: Option<Timestamp>) {
    let line = |h: &mut Html, class: &str, from: Option<Timestamp>, to: Option<Timestamp>| {
        if let (Some(from), Some(to)) = (from, to) {
            let (x1, x2) = (scale.percent(from), scale.percent(to));
            h.shape("line", &[("class", class), ("x1", &x1), ("x2", &x2), ("y1", MIDDLE), ("y2", MIDDLE)]);
        }
    };
    let bar = |h: &mut Html, class: &str, from: Option<Timestamp>, to: Option<Timestamp>| {
        if let (Some(from), Some(to)) = (from, to) {
            let (x, end) = (scale.place(from), scale.place(to));
            let width = percent(end.saturating_sub(x).max(20));
            let (y, height) = if class == "q" { ("38%", "24%") } else { ("25%", "50%") };
            let x = percent(x);
            h.shape("rect", &[("class", class), ("x", &x), ("width", &width), ("y", y), ("height", height)]);
        }
    };
    let until = a.finished.or(now);
    line(h, "w", a.waited_since, a.asked);
    line(h, "w", a.ended, a.blocked_until.or(now.filter(|_| a.id.is_none())));
    if kind == Kind::InvestigationPackage {
        bar(h, "q", a.accepted, a.running.or(until));
        bar(h, "r", a.running, until);
        line(h, "f", a.finished, a.fetched);
    }
    if let Some(at) = a.asked {
        let x = scale.percent(at);
        h.shape("line", &[("class", "a"), ("x1", &x), ("x2", &x), ("y1", "15%"), ("y2", "85%")]);
    }
    let failed = a.status.as_deref().is_some_and(|s| !s.eq_ignore_ascii_case("Succeeded"));
    let over = |at: Option<Timestamp>| at.map(|at| scale.percent(at));
    match (kind, over(a.finished), over(a.ended)) {
        (_, Some(x), _) if failed => mark(h, "x", &x, CROSS),
        (_, Some(x), _) => mark(h, "e", &x, DISC),
        (_, None, Some(x)) if a.blocked_until.is_none() => mark(h, "x", &x, CROSS),
        _ => {}
    }
    if let Some(x) = over(a.accepted.filter(|_| kind == Kind::Alert)) {
        mark(h, "d", &x, DISC);
    }
    if let Some(x) = over(a.fetched) {
        mark(h, "d", &x, DIAMOND);
    }
}

const DISC: &str = "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z";
const DIAMOND: &str = "M0-6L6 0L0 6L-6 0z";
const CROSS: &str = "M-4-4L4 4M4-4L-4 4";

/// A shape around a place: a picture of its own, whose corner lies there.
fn mark(h: &mut Html, class: &str, x: &str, shape: &str) {
    h.element("svg", &[("x", x), ("y", MIDDLE), ("width", "1"), ("height", "1"), ("class", "m")], |h| {
        h.shape("path", &[("class", class), ("d", shape)]);
    });
}

/// Writes the meaning of the marks.
pub fn key(h: &mut Html) {
    let entry = |h: &mut Html, words: &str, draw: &dyn Fn(&mut Html)| {
        h.element("li", &[], |h| {
            h.element("svg", &[("role", "presentation"), ("aria-hidden", "true")], draw);
            h.leaf("span", &[], words);
        });
    };
    let line = |class: &'static str| {
        move |h: &mut Html| {
            h.shape("line", &[("class", class), ("x1", "0"), ("x2", "100%"), ("y1", MIDDLE), ("y2", MIDDLE)]);
        }
    };
    let bar = |class: &'static str, y: &'static str, height: &'static str| {
        move |h: &mut Html| {
            h.shape("rect", &[("class", class), ("x", "1"), ("width", "92%"), ("y", y), ("height", height)]);
        }
    };
    h.element("ul", &[("class", "key")], |h| {
        entry(h, "waited for a quota or its turn", &line("w"));
        entry(h, "asked", &|h| {
            h.shape("line", &[("class", "a"), ("x1", "50%"), ("x2", "50%"), ("y1", "15%"), ("y2", "85%")]);
        });
        entry(h, "accepted", &bar("q", "38%", "24%"));
        entry(h, "seen running", &bar("r", "25%", "50%"));
        entry(h, "finished", &|h| mark(h, "e", "50%", DISC));
        entry(h, "failed or refused", &|h| mark(h, "x", "50%", CROSS));
        entry(h, "on its way to the case", &line("f"));
        entry(h, "package held", &|h| mark(h, "d", "50%", DIAMOND));
        entry(h, "alert raised", &|h| mark(h, "d", "50%", DISC));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_to_scale() {
        let scale = Scale { from: at("2026-03-01T08:00:00Z"), to: at("2026-03-01T09:00:00Z") };
        assert_eq!(scale.percent(at("2026-03-01T08:00:00Z")), "0%");
        assert_eq!(scale.percent(at("2026-03-01T08:15:00Z")), "25%");
        assert_eq!(scale.percent(at("2026-03-01T08:00:01Z")), "0.02%");
        assert_eq!(scale.percent(at("2026-03-01T10:00:00Z")), "100%");
        assert_eq!(scale.percent(at("2020-01-01T00:00:00Z")), "0%");
    }

    #[test]
    fn ticks_are_round_and_few_whatever_the_length() {
        for (to, first, second) in [
            ("2026-03-01T08:00:03Z", "08:00:01", "08:00:02"),
            ("2026-03-01T08:58:00Z", "08:10", "08:20"),
            ("2026-03-03T08:00:00Z", "Mar 1 12:00", "Mar 2 00:00"),
            ("2026-12-01T08:00:00Z", "", ""),
        ] {
            let scale = Scale { from: at("2026-03-01T08:00:01Z"), to: at(to) };
            let ticks = scale.ticks();
            assert!((1..=10).contains(&ticks.len()), "{to}: {ticks:?}");
            if !first.is_empty() {
                assert_eq!((&*ticks[0].1, &*ticks[1].1), (first, second), "{to}");
            }
        }
    }
}
