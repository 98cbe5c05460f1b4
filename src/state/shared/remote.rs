//! A place with a compare-and-swap, as the protocol needs it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::state::exchange::Seq;
use crate::state::store::{Pace, StoreError};

/// Our clock.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Records of about as much time go into one append, so that the answers to calls which left together are one.
pub(super) const GATHER: Duration = Duration::from_millis(200);

/// The bytes that lie at a shared place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// `state.json`.
    pub snapshot: Option<Vec<u8>>,
    /// Whole lines of the journal: those behind the snapshot, and as many before it as are kept at hand.
    pub journal: Vec<u8>,
}

/// Records to append.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// The number of the first one.
    pub first: Seq,
    /// Their lines.
    pub lines: &'a [u8],
    /// The lines that are to be at hand afterwards, theirs included.
    pub journal: &'a [u8],
    /// A new `state.json`.
    pub snapshot: Option<&'a [u8]>,
    /// A line that says what happens.
    pub message: &'a str,
}

/// How an append ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is in.
    Done,
    /// The head is not the expected one any more.
    Raced,
    /// No telling.
    Unknown(String),
}

/// A place with a compare-and-swap.
#[async_trait]
pub trait Remote: Send {
    /// The place in words, without anything secret.
    fn place(&self) -> String;

    /// Reads what is there, and takes it for the head that the next append follows; `None` if nothing is.
    async fn read(&mut self) -> Result<Option<Tip>, StoreError>;

    /// Reads what is there, with the journal from its first record on. The head that the next append follows stays the one
    /// that it was.
    async fn history(&mut self) -> Result<Option<Tip>, StoreError>;

    /// Appends behind the head that was read or appended last, in one step.
    async fn append(&mut self, segment: &Segment<'_>) -> Result<Put, StoreError>;

    /// Asks whether records may be written, without writing one.
    async fn probe(&mut self) -> Result<(), StoreError>;

    /// How fast it takes records.
    fn pace(&self) -> Pace;

    /// When the next append should be made at the earliest.
    fn next_append(&self) -> Option<Timestamp>;
}

#[async_trait]
impl Remote for Box<dyn Remote> {
    fn place(&self) -> String {
        (**self).place()
    }

    async fn read(&mut self) -> Result<Option<Tip>, StoreError> {
        (**self).read().await
    }

    async fn history(&mut self) -> Result<Option<Tip>, StoreError> {
        (**self).history().await
    }

    async fn append(&mut self, segment: &Segment<'_>) -> Result<Put, StoreError> {
        (**self).append(segment).await
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        (**self).probe().await
    }

    fn pace(&self) -> Pace {
        (**self).pace()
    }

    fn next_append(&self) -> Option<Timestamp> {
        (**self).next_append()
    }
}

/// How often an append whose answer is lost is repeated, and how often a read is, with pauses that double from half a
/// second: half a minute in all.
pub(super) const REPEATS: u32 = 6;

/// Waits before the try that follows the `n`th.
pub(super) async fn pause(n: u32) {
    tokio::time::sleep(Duration::from_millis(500 << n.min(5))).await;
}
