//! What can go wrong, and where: the points of a run at which something observable happens.

use casefile::defender::HttpCall;
use casefile::model::Method;
use casefile::state::FileName;
use casefile::state::memory::{Operation, Unsynced};

/// A place in a run, counted from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Before an operation that changes or syncs something.
    Disk(Operation, Option<FileName>),
    /// Before a call leaves.
    Send(Call),
    /// After the service worked on a call, before its answer arrives.
    Answer(Call),
}

/// Kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    Create,
    Change,
}

impl Call {
    pub fn of(call: &HttpCall) -> Call {
        let cancels = call.target.ends_with("/cancel");
        match call.method {
            Method::Get => Call::Read,
            Method::Post if !cancels => Call::Create,
            _ => Call::Change,
        }
    }
}

/// Something that goes wrong, or that somebody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies here.
    Crash,
    /// The process dies with its call on the way, which takes effect so many seconds later.
    Orphaned(u64),
    /// The machine loses power here; what became of unsynced bytes and names.
    PowerLoss(Unsynced, Unsynced),
    /// The disk refuses this operation.
    Refused,
    /// The disk refuses this operation and all later ones of the run.
    Broken,
    /// The disk writes so many bytes and fails.
    Partial(usize),
    /// The machine sleeps for so many seconds: its clocks go on, timers do not.
    Stall(u64),
    /// A virtual machine is held up for so many seconds: nothing in it goes on, and its wall clock is set when it
    /// wakes up.
    Frozen(u64),
    /// The wall clock is set, by so many seconds.
    Step(i64),
    /// A person interrupts the run.
    Stop,
    /// No connection.
    Unconnected,
    /// No connection for so many seconds.
    Outage(u64),
    /// The call is lost on its way.
    Dropped,
    /// The answer is lost on its way.
    Lost,
    /// The connection breaks at once; the call takes effect so many seconds later.
    Late(u64),
    /// The call is held up for so many seconds; the client waits as long as it is patient.
    Held(u64),
    /// The answer is held up for so many seconds.
    Slow(u64),
    /// The answer is cut to something that is no JSON.
    Garbled,
    /// An answer with this status in place of the real one; whether the call takes effect.
    Status(u16, bool),
    /// Every call is answered with 429 for so many seconds.
    Throttled(u64),
    /// The token is refused once.
    Unauthorized,
    /// Something on the way sends the call twice; which answer arrives, the first or the second.
    Doubled(bool),
    /// Somebody at the portal does something.
    Analyst(Deed),
    /// A second run tries to begin.
    Rival,
}

/// What an analyst does on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Starts a collection with a comment of their own.
    Start,
    /// Starts a collection with the comment that the first resource has.
    StartAlike,
    /// The active collection ends well.
    Finish,
    /// It fails.
    Fail,
    /// It times out.
    TimeOut,
    /// They cancel it.
    Cancel,
    /// They resolve every open alert of the machine.
    Resolve,
    /// They judge every alert of the machine anew, the resolved ones too.
    Judge,
    /// Another program raises an alert on the event of the stories' first alert.
    Raise,
}

/// How far a clock is set. Ten minutes either way, an hour and days are what is seen after a boot and when a laptop
/// wakes up.
pub const STEPS: [i64; 6] = [150, 600, -600, 3600, 3 * 86_400, -3 * 86_400];

/// The wall clock is set, by each of these steps: at every point but a read's answer.
const CLOCK: [Fault; STEPS.len()] = {
    let mut all = [Fault::Step(0); STEPS.len()];
    let mut n = 0;
    while n < STEPS.len() {
        all[n] = Fault::Step(STEPS[n]);
        n += 1;
    }
    all
};

const DISK: &[Fault] = &[
    Fault::Crash,
    Fault::PowerLoss(Unsynced::Lost, Unsynced::Lost),
    Fault::PowerLoss(Unsynced::Kept, Unsynced::Kept),
    Fault::PowerLoss(Unsynced::Bytes(50), Unsynced::Kept),
    Fault::PowerLoss(Unsynced::Zeros(70), Unsynced::Lost),
    Fault::Refused,
    Fault::Broken,
    Fault::Partial(25),
    Fault::Stall(13),
    Fault::Stall(20),
    Fault::Stall(40),
    Fault::Stop,
    Fault::Frozen(600),
];

const CREATE: &[Fault] = &[
    Fault::Crash,
    Fault::Orphaned(8),
    Fault::Orphaned(20),
    Fault::Orphaned(60),
    Fault::Orphaned(100),
    Fault::Orphaned(700),
    Fault::PowerLoss(Unsynced::Lost, Unsynced::Lost),
    Fault::Stop,
    Fault::Stall(20),
    Fault::Unconnected,
    Fault::Outage(90),
    Fault::Dropped,
    Fault::Lost,
    Fault::Late(3),
    Fault::Late(4),
    Fault::Late(15),
    Fault::Late(17),
    Fault::Late(20),
    Fault::Late(50),
    Fault::Late(60),
    Fault::Late(100),
    Fault::Late(300),
    Fault::Late(700),
    Fault::Held(20),
    Fault::Held(45),
    Fault::Held(70),
    Fault::Held(130),
    Fault::Slow(50),
    Fault::Slow(80),
    Fault::Garbled,
    Fault::Status(503, true),
    Fault::Status(500, false),
    Fault::Status(500, true),
    Fault::Status(408, true),
    Fault::Status(409, false),
    Fault::Status(403, false),
    Fault::Throttled(150),
    Fault::Unauthorized,
    Fault::Doubled(false),
    Fault::Doubled(true),
    Fault::Analyst(Deed::Start),
    Fault::Analyst(Deed::StartAlike),
    Fault::Rival,
];

const CHANGE: &[Fault] = &[
    Fault::Crash,
    Fault::Orphaned(20),
    Fault::PowerLoss(Unsynced::Lost, Unsynced::Lost),
    Fault::Stop,
    Fault::Unconnected,
    Fault::Dropped,
    Fault::Lost,
    Fault::Late(17),
    Fault::Garbled,
    Fault::Status(503, true),
    Fault::Status(403, false),
    Fault::Throttled(90),
    Fault::Doubled(true),
    Fault::Analyst(Deed::Finish),
    Fault::Analyst(Deed::Judge),
];

const READ: &[Fault] = &[
    Fault::Crash,
    Fault::Stop,
    Fault::Outage(35),
    Fault::Outage(90),
    Fault::Dropped,
    Fault::Garbled,
    Fault::Status(503, false),
    Fault::Status(403, false),
    Fault::Throttled(200),
    Fault::Unauthorized,
    Fault::Stall(40),
    Fault::Analyst(Deed::Start),
    Fault::Analyst(Deed::Finish),
    Fault::Analyst(Deed::Fail),
    Fault::Analyst(Deed::TimeOut),
    Fault::Analyst(Deed::StartAlike),
    Fault::Analyst(Deed::Cancel),
    Fault::Analyst(Deed::Resolve),
    Fault::Frozen(600),
    Fault::Analyst(Deed::Judge),
];

/// Once a call that changes something has taken effect.
const ANSWER: &[Fault] = &[
    Fault::Crash,
    Fault::PowerLoss(Unsynced::Lost, Unsynced::Lost),
    Fault::Stop,
    Fault::Stall(45),
    Fault::Analyst(Deed::Finish),
    Fault::Analyst(Deed::TimeOut),
    Fault::Analyst(Deed::Cancel),
    Fault::Analyst(Deed::Resolve),
    Fault::Frozen(600),
    Fault::Analyst(Deed::Judge),
];

impl Point {
    /// What can go wrong here.
    pub fn faults(self) -> Vec<Fault> {
        let own = match self {
            Point::Disk(..) => DISK,
            Point::Send(Call::Create) => CREATE,
            Point::Send(Call::Change) => CHANGE,
            Point::Send(Call::Read) => READ,
            Point::Answer(Call::Read) => return vec![Fault::Crash],
            Point::Answer(Call::Create | Call::Change) => ANSWER,
        };
        [own, &CLOCK].concat()
    }
}

/// A small generator of numbers that look random (splitmix64): the same seed gives the same schedules.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}
