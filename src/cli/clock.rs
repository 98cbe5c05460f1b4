//! The computer's clocks: the one place where they are read.

use crate::defender::{Clock, Reading};
use crate::platform::steady;

/// Our clock, which begins now.
#[expect(clippy::disallowed_methods, reason = "the one place; everybody else is handed the value")]
pub fn begin() -> Clock {
    Clock::new(|| Reading { wall: jiff::Timestamp::now(), steady: steady() })
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
