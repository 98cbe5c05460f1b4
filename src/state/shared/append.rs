//! One append until it is known to be in, or never to come.

use super::reading::{Reading, first_mark};
use super::remote::{Put, REPEATS, Remote, Segment, pause};
use crate::model::Sha256Hex;
use crate::state::fold::State;
use crate::state::journal::{self, Reader};
use crate::state::store::{self, Damage, StoreError};

/// The records since the known head, and whether our own batch is among them.
struct Successors {
    news: store::News,
    ours: bool,
}

/// How an append ended, for good.
pub(super) enum Outcome {
    /// It is in.
    In,
    /// It is in, and others have built on it.
    InWithMore(Reading, store::News),
    /// Others were faster; their records are folded into the base.
    Overtaken(Reading, store::News),
}

/// Appends a segment until it is known to be in, or never to come.
pub(super) async fn put<R: Remote>(
    remote: &mut R,
    segment: &Segment<'_>,
    base: &mut State,
    head: Sha256Hex,
) -> Result<Outcome, StoreError> {
    let mut why = String::new();
    for n in 0..=REPEATS {
        match remote.append(segment).await? {
            Put::Done => return Ok(Outcome::In),
            Put::Raced => {}
            Put::Unknown(what) => {
                why = what;
                pause(n).await;
            }
        }
        let reading = look(remote).await?;
        let Successors { news, ours } = catch_up(base, &reading, head, &remote.place())?;
        if ours {
            return Ok(Outcome::InWithMore(reading, news));
        }
        if news.more || !news.records.is_empty() {
            return Ok(Outcome::Overtaken(reading, news));
        }
        // The head is the expected one still: the same append is repeated.
        if why.is_empty() {
            pause(n).await;
        }
    }
    if why.is_empty() {
        why = "it refuses every append, and shows nobody else's".to_owned();
    }
    Err(StoreError::Unreachable { place: remote.place(), why })
}

/// Reads a place after an append, again while it cannot be reached.
async fn look<R: Remote>(remote: &mut R) -> Result<Reading, StoreError> {
    let mut n = 0;
    loop {
        match remote.read().await {
            Ok(tip) => return tip.map_or_else(|| Ok(Reading::default()), Reading::of),
            Err(StoreError::Unreachable { .. }) if n < REPEATS => {
                pause(n).await;
                n += 1;
            }
            Err(e) => return Err(e),
        }
    }
}

/// Folds what others have recorded into what is known. A read that shows less than is known is stale, and no news.
fn catch_up(
    base: &mut State,
    reading: &Reading,
    head: Sha256Hex,
    place: &str,
) -> Result<Successors, StoreError> {
    let mut news = store::News::default();
    let mut ours = false;
    if reading.state.seq < base.seq || reading.state.seq == 0 {
        return Ok(Successors { news, ours });
    }
    let rewritten = |why: String| StoreError::Rewritten { place: place.to_owned(), why };
    if reading.state.lineage != base.lineage && base.lineage.is_some() {
        let found = reading.state.lineage.clone().unwrap_or_default();
        return Err(rewritten(format!("it is of lineage {found}")));
    }
    let begin = first_mark(&reading.journal)?;
    let known = (base.seq, base.head);
    if begin.seq > base.seq {
        // What lies between is not at hand: the snapshot knows what came of it.
        *base = reading.state.clone();
        news.more = true;
        return Ok(Successors { news, ours });
    }
    let mut met = base.seq == 0 || (begin.seq, begin.head) == known;
    for entry in Reader::resume(&reading.journal, begin) {
        let entry = entry.map_err(Damage::from)?;
        met |= (entry.seq, entry.hash) == known;
        if entry.seq <= known.0 {
            continue;
        }
        if !met {
            break;
        }
        ours |= entry.hash == head;
        journal::fold_entry(&entry, base).map_err(Damage::from)?;
        news.records.push(entry.record);
    }
    if !met {
        return Err(rewritten(format!("record {} is another one there", known.0)));
    }
    Ok(Successors { news, ours })
}
