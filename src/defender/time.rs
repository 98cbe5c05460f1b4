//! Our own clocks.
//!
//! A wall clock may be set at any moment: by a time service, after a boot, when a virtual machine wakes up. So
//! nothing inside a process is measured by it. It tells the moment at which the process began, and a steady clock
//! carries that on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Both clocks of this computer, read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time of day, which may be set.
    pub wall: Timestamp,
    /// The time since some fixed moment, by a clock that nobody can set and that goes on while the computer
    /// sleeps.
    pub steady: Duration,
}

impl From<Timestamp> for Reading {
    /// A wall clock that is never set.
    fn from(wall: Timestamp) -> Self {
        let steady = wall.duration_since(Timestamp::UNIX_EPOCH);
        Reading { wall, steady: Duration::try_from(steady).unwrap_or_default() }
    }
}

/// Our time within one process; clones tell the same.
#[derive(Clone)]
pub struct Clock {
    read: Arc<dyn Fn() -> Reading + Send + Sync>,
    origin: Reading,
}

impl Clock {
    /// Begins to tell the time, by what reads the computer's clocks.
    pub fn new<R: Into<Reading>>(read: impl Fn() -> R + Send + Sync + 'static) -> Self {
        let origin = read().into();
        Clock { read: Arc::new(move || read().into()), origin }
    }

    /// Now: the wall clock as it stood in the beginning, carried on by the steady one.
    pub fn now(&self) -> Timestamp {
        self.carried_on((self.read)())
    }

    /// Now by the wall clock, as a witness against the steady one: a virtual machine that was held up has lost
    /// time by the one and found it again by the other.
    pub fn wall(&self) -> Timestamp {
        (self.read)().wall
    }

    /// How far ahead of [`Clock::now`] the wall clock is: it changes when that clock is set.
    pub fn stepped(&self) -> SignedDuration {
        let reading = (self.read)();
        reading.wall.duration_since(self.carried_on(reading))
    }

    fn carried_on(&self, reading: Reading) -> Timestamp {
        let since = reading.steady.saturating_sub(self.origin.steady);
        self.origin.wall.saturating_add(since).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_moves_nothing() {
        let second = |s| Timestamp::from_second(1_800_000_000 + s).unwrap();
        let reading = Arc::new(Mutex::new(Reading { wall: second(0), steady: Duration::from_secs(7) }));
        let clock = Clock::new({
            let reading = reading.clone();
            move || *reading.lock().unwrap()
        });
        for wall in [3, 3 + 86_400, -600] {
            *reading.lock().unwrap() = Reading { wall: second(wall), steady: Duration::from_secs(10) };
            assert_eq!((clock.now(), clock.wall()), (second(3), second(wall)));
            assert_eq!(clock.stepped(), SignedDuration::from_secs(wall - 3));
        }
    }
}
