//! The computer's clocks: the one place where they are read.

use std::time::Duration;

use crate::defender::{Clock, Reading};

/// Our clock, which begins now.
#[expect(clippy::disallowed_methods, reason = "the one place; everybody else is handed the value")]
pub fn begin() -> Clock {
    Clock::new(|| Reading { wall: jiff::Timestamp::now(), steady: steady() })
}

/// The time since some fixed moment. Nobody can set it, and it goes on while the computer sleeps.
#[cfg(unix)]
fn steady() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    // The monotonic clock stands still while Linux sleeps; on macOS it goes on.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let id = ClockId::Monotonic;
    Duration::try_from(clock_gettime(id)).unwrap_or_default()
}

/// The time since the first call: the performance counter of Windows goes on while it sleeps.
#[cfg(not(unix))]
fn steady() -> Duration {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on() {
        let (clock, first) = (begin(), steady());
        let began = clock.now();
        while steady() == first {}
        assert!(clock.now() > began && steady() > first);
        // Nobody sets the clock of a computer that runs tests by more than that.
        assert!(clock.stepped().abs() < jiff::SignedDuration::from_hours(24));
    }
}
