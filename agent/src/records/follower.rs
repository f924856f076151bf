//! One replica of `__transaction_state`, followed.

use std::time::{Duration, Instant};

use super::cursor::{After, Cursor, Halt, Reached};
use super::entry::Entry;
use super::error::RecordsError;
use super::fold::{Fold, Moment};
use crate::log_dir::{Catalog, Replica};
use crate::replica::{End, Observed};
use crate::throttle::Throttle;

/// How often reading begins again at the log's start before it is given up.
const RESTARTS: u32 = 3;
/// Records that wait at the end of the log, in bytes: a phase asks for the states as they were a second ago.
const TRAILING: usize = 512 << 10;
/// The same, from the offset on for which a phase asked last: its attempt may ask again.
const ASKED: usize = 4 << 20;
/// The most that is kept of one log, and that a report tells, in bytes.
pub(super) const LARGEST: usize = 64 << 20;

/// Follows a log.
#[derive(Debug)]
pub(super) struct Follower {
    cursor: Cursor,
    fold: Fold,
    /// The log was read to its end once.
    is_whole: bool,
    /// The offset below which states were asked for last.
    asked: Option<i64>,
    /// Nobody reads ahead before that time.
    rests_until: Option<Instant>,
}

impl Default for Follower {
    fn default() -> Self {
        Self {
            cursor: Cursor::at_start(),
            fold: Fold::new(0),
            is_whole: false,
            asked: None,
            rests_until: None,
        }
    }
}

impl Follower {
    /// Forgets what it read.
    pub(super) fn begin_again(&mut self) {
        (self.cursor, self.fold, self.is_whole) = (Cursor::at_start(), Fold::new(0), false);
    }

    /// Forgets what it read, and is not to read ahead for a while.
    pub(super) fn rest(&mut self, until: Instant) {
        self.begin_again();
        self.rests_until = Some(until);
    }

    pub(super) fn is_resting(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// Folds all but nothing.
    pub(super) fn shrink(&mut self) {
        self.fold.shrink_window(0, i64::MAX);
    }

    pub(super) fn bytes(&self) -> usize {
        self.fold.bytes()
    }

    /// Reads what is new, at most some `most` bytes. Says how long to wait before there is more to read; `None`: there isn't.
    pub(super) fn read_ahead(
        &mut self,
        catalog: &Catalog,
        replica: &Replica,
        throttle: &Throttle,
        most: u64,
    ) -> Result<Option<Duration>, RecordsError> {
        match self.read(catalog, replica, Some(throttle), most, None) {
            Ok(Reached::End { .. }) => Ok(None),
            Ok(Reached::Enough(wait)) => Ok(Some(wait)),
            // From the start, when it is this one's turn again.
            Err(Halt::Changed) => Ok(None),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    /// The states below `since` and the records from there to the log's end as it was observed; `None`: that log is not there
    /// any more.
    pub(super) fn moment(
        &mut self,
        catalog: &Catalog,
        replica: &Replica,
        since: i64,
        observed: &Observed,
    ) -> Result<Option<Moment<'_>>, RecordsError> {
        self.asked = Some(since);
        if since < self.fold.folded_to() {
            tracing::debug!(partition = replica.name(), since, "reading a log again from its start");
            self.begin_again();
        }
        self.read_to_end(catalog, replica, since)?;
        // Compaction gives the last batch of a closed segment another CRC, whenever it was read.
        let active = self.cursor.segment();
        let is_observed = |seen: &End| {
            let known = self.fold.end_at(seen.next);
            known.is_some_and(|end| end.epoch == seen.epoch && (end.crc == seen.crc || seen.next <= active))
        };
        if observed.ends.last().is_some_and(|last| !is_observed(last)) {
            return Ok(None);
        }
        Ok(self.fold.at(since, observed.log_end))
    }

    /// Nothing from `keep` on is folded.
    fn read_to_end(&mut self, catalog: &Catalog, replica: &Replica, keep: i64) -> Result<(), RecordsError> {
        for _ in 0..RESTARTS {
            match self.read(catalog, replica, None, u64::MAX, Some(keep)) {
                Ok(_) => return Ok(()),
                Err(Halt::Changed) => {}
                Err(Halt::Error(error)) => return Err(error),
            }
        }
        Err(RecordsError::Changing {
            partition: replica.name(),
        })
    }

    fn read(
        &mut self,
        catalog: &Catalog,
        replica: &Replica,
        throttle: Option<&Throttle>,
        most: u64,
        keep: Option<i64>,
    ) -> Result<Reached, Halt> {
        let (fold, asked) = (&mut self.fold, self.asked);
        let reached = self.cursor.read_on(catalog, replica, throttle, most, |end, batch| {
            let entries = Entry::all_of(batch).map_err(|reason| RecordsError::Batch {
                partition: replica.name(),
                offset: batch.base_offset().0,
                reason,
            })?;
            fold.push(end, entries);
            let limit = match (keep, asked) {
                (None, Some(asked)) if asked >= fold.folded_to() => ASKED,
                _ => TRAILING,
            };
            fold.shrink_window(limit, keep.unwrap_or(i64::MAX));
            if fold.bytes() > LARGEST {
                return Err(RecordsError::TooMany {
                    partition: replica.name(),
                    from: keep.unwrap_or_default(),
                    limit: LARGEST,
                });
            }
            Ok(After::GoOn)
        });
        let reached = reached.and_then(|reached| self.note_end(replica, reached, keep));
        if reached.is_err() {
            self.begin_again();
        }
        reached
    }

    /// What was compacted before the first reading can be told apart from the active segment's start on only.
    fn note_end(&mut self, replica: &Replica, reached: Reached, keep: Option<i64>) -> Result<Reached, Halt> {
        if let Reached::End { active } = reached
            && !self.is_whole
        {
            if let Some(offset) = keep.filter(|since| *since < active) {
                let partition = replica.name();
                return Err(Halt::Error(RecordsError::Compacted {
                    partition,
                    offset,
                    active,
                }));
            }
            self.fold.fold_to(active);
            self.is_whole = true;
        }
        Ok(reached)
    }
}
