//! What one replica looks like at this moment.

use std::io;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use maxbrod_kafka::{LeaderEpoch, LeaderEpochEntry, Offset, Outcome, parse_leader_epochs};

use super::log_start::log_start;
use super::segment::{Seen, Segment, Stop};
use crate::log_dir::{Catalog, Cursor, CursorBatch, Listing, Replica, ReplicaError};

/// How often files may vanish between listing and opening before that is an error.
const RESCANS: u32 = 5;
/// How often a damaged last batch is read again: in a preallocated file it can be one that is just being written.
const REREADS: u32 = 3;
const REREAD_PAUSE: Duration = Duration::from_millis(10);
/// Batches of an active segment that are remembered.
const REMEMBERED: usize = 32;
const EPOCHS: &str = "leader-epoch-checkpoint";
const EPOCHS_LIMIT: u64 = 16 << 20;

/// What is to be found out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ask {
    /// Every batch that ends above this offset; and the transactions among them.
    pub(crate) since: Option<i64>,
    /// That many batches before them; without `since`, the last ones.
    pub(crate) depth: usize,
    /// The leader epochs.
    pub(crate) leader_epochs: bool,
}

/// Where a batch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) next: i64,
    pub(crate) epoch: i32,
    pub(crate) crc: u32,
}

/// What a stretch of transactional records is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunKind {
    /// Records.
    Data,
    /// A marker; the coordinator's epoch.
    Marker(Outcome, LeaderEpoch),
}

/// Neighbouring batches of one transaction, or a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) kind: RunKind,
}

/// A replica as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) log_start: i64,
    pub(crate) log_end: i64,
    /// Ascending.
    pub(crate) ends: Vec<End>,
    /// `ends` goes back to the log's first batch.
    pub(crate) whole: bool,
    pub(crate) leader_epochs: Vec<LeaderEpochEntry>,
    pub(crate) transactional: Vec<Run>,
}

enum Failure {
    /// A name was gone: the directory is to be listed again.
    Vanished,
    Error(ReplicaError),
}

impl From<ReplicaError> for Failure {
    fn from(error: ReplicaError) -> Self {
        Self::Error(error)
    }
}

/// Looks at a replica.
pub(crate) fn observe(catalog: &Catalog, replica: &Replica, ask: &Ask) -> Result<Observed, ReplicaError> {
    let mut listing = catalog.settled_listing(replica)?;
    for _ in 0..RESCANS {
        let look = Look {
            catalog,
            replica,
            listing: &listing,
            ask,
        };
        match look.take() {
            Ok(observed) => return Ok(observed),
            Err(Failure::Error(error)) => return Err(error),
            Err(Failure::Vanished) => {
                catalog.list_again(replica)?;
                listing = catalog.settled_listing(replica)?;
            }
        }
    }
    Err(replica.unreadable(
        "its segments",
        io::Error::other("they keep vanishing while they are read"),
    ))
}

struct Look<'a> {
    catalog: &'a Catalog,
    replica: &'a Replica,
    listing: &'a Arc<Listing>,
    ask: &'a Ask,
}

impl Look<'_> {
    fn take(&self) -> Result<Observed, Failure> {
        let Some(active) = self.listing.active() else {
            // The directory of a replica that is just being made, or of one that is just being removed.
            return Err(ReplicaError::Missing {
                partition: self.replica.name(),
            }
            .into());
        };
        let log_start = log_start(self.replica, self.listing)?;
        let mut leader_epochs = if self.ask.leader_epochs {
            self.leader_epochs()?
        } else {
            Vec::new()
        };
        let segment = self.open(active)?;
        let mut batches = self.tail_of_active(&segment)?;
        let mut in_active = batches.len();
        let inode = segment.facts.inode;
        let reached_start = self.go_back(&mut batches, &mut in_active, segment, log_start, leader_epochs.last())?;
        self.remember(active, inode, &batches, in_active);

        let log_end = batches
            .last()
            .map_or(active, |last| last.frame.next.max(active))
            .max(log_start);
        let deleted = batches.iter().take_while(|batch| batch.frame.next <= log_start).count();
        batches.drain(..deleted);
        add_epochs(&mut leader_epochs, &batches, self.ask.leader_epochs);
        let surplus = self.surplus(&batches);
        batches.drain(..surplus);
        let since = self.ask.since.unwrap_or(i64::MAX);
        let transactional = runs(batches.iter().filter(|batch| batch.frame.next > since));
        let end = |batch: &Seen| End {
            next: batch.frame.next,
            epoch: batch.frame.epoch,
            crc: batch.frame.crc,
        };
        Ok(Observed {
            log_start,
            log_end,
            ends: batches.iter().map(end).collect(),
            whole: reached_start && surplus == 0,
            leader_epochs,
            transactional,
        })
    }

    fn open(&self, base: i64) -> Result<Segment, Failure> {
        match Segment::open(&self.replica.directory, base) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::Vanished),
            other => other.map_err(|error| self.unreadable(base, error)),
        }
    }

    fn unreadable(&self, base: i64, error: io::Error) -> Failure {
        self.replica.unreadable(&segment_name(base), error).into()
    }

    /// The active segment's last batches: those remembered, and what was appended since; or what its index leads to.
    fn tail_of_active(&self, segment: &Segment) -> Result<Vec<Seen>, Failure> {
        let io = |error| self.unreadable(segment.base, error);
        for attempt in 1.. {
            let (seen, stop) = match self.known(segment).map_err(io)? {
                Some((mut known, end)) => {
                    let (new, stop) = segment.tail_from(end).map_err(io)?;
                    known.extend(new);
                    (known, stop)
                }
                None => segment.tail().map_err(io)?,
            };
            match stop {
                Stop::End | Stop::Unfinished => return Ok(seen),
                Stop::Damage(_) if attempt < REREADS => sleep(REREAD_PAUSE),
                Stop::Damage(error) => return Err(self.replica.corrupt(&segment_name(segment.base), error).into()),
            }
        }
        Ok(Vec::new())
    }

    /// The remembered batches that are wanted, if the last of them is still where it was; and where it ends.
    fn known(&self, segment: &Segment) -> io::Result<Option<(Vec<Seen>, u64)>> {
        let Some(cursor) = self.catalog.cursor(&self.replica.key) else {
            return Ok(None);
        };
        let Some(last) = cursor.batches.last() else {
            return Ok(None);
        };
        if cursor.base != segment.base || cursor.inode != segment.facts.inode {
            return Ok(None);
        }
        let Some(frame) = segment.batch_at(u64::from(last.position))? else {
            return Ok(None);
        };
        if (frame.next, frame.epoch, frame.crc) != (last.next, last.epoch, last.crc) {
            return Ok(None);
        }
        let above = match self.ask.since {
            Some(since) => cursor.batches.partition_point(|batch| batch.next <= since),
            None => cursor.batches.len(),
        };
        let first = above
            .saturating_sub(self.ask.depth.max(1))
            .min(cursor.batches.len() - 1);
        let Some(first) = cursor.batches.get(first) else {
            return Ok(None);
        };
        let seen = segment.headers(u64::from(first.position), frame.end())?;
        Ok(seen.map(|seen| (seen, frame.end())))
    }

    /// Puts earlier batches in front until there are enough. Says whether the log's start was reached.
    fn go_back(
        &self,
        batches: &mut Vec<Seen>,
        in_active: &mut usize,
        mut segment: Segment,
        log_start: i64,
        last_epoch: Option<&LeaderEpochEntry>,
    ) -> Result<bool, Failure> {
        let mut reach = 1;
        // Where the earliest batch in `batches` starts in `segment`.
        let mut start = batches.first().map_or(0, |batch| batch.frame.position);
        loop {
            if batches.first().is_some_and(|first| first.frame.base <= log_start) {
                return Ok(true);
            }
            if self.has_enough(batches, last_epoch) {
                return Ok(false);
            }
            let damaged = |base, what: &str| Failure::from(self.replica.corrupt(&segment_name(base), what));
            if start == 0 {
                let Some(before) = self.listing.before(segment.base) else {
                    return Ok(true);
                };
                segment = self.open(before)?;
                let (seen, stop) = segment.tail().map_err(|error| self.unreadable(before, error))?;
                if let Stop::Damage(error) = stop {
                    return Err(damaged(before, &error.to_string()));
                }
                start = seen.first().map_or(0, |batch| batch.frame.position);
                batches.splice(0..0, seen);
                reach = 1;
                continue;
            }
            let from = segment
                .step_back(start, reach)
                .map_err(|error| self.unreadable(segment.base, error))?;
            reach *= 2;
            match segment
                .headers(from, start)
                .map_err(|error| self.unreadable(segment.base, error))?
            {
                Some(seen) => {
                    if Some(segment.base) == self.listing.active() {
                        *in_active += seen.len();
                    }
                    batches.splice(0..0, seen);
                    start = from;
                }
                // The entry was a stale one; from the start of the file there is no doubt.
                None if from == 0 => return Err(damaged(segment.base, "its batches do not follow each other")),
                None => {}
            }
        }
    }

    fn has_enough(&self, batches: &[Seen], last_epoch: Option<&LeaderEpochEntry>) -> bool {
        let Some(first) = batches.first() else { return false };
        // Kafka may not have written down the newest epochs yet: then the batches must tell where each starts.
        if last_epoch.is_some_and(|last| first.frame.epoch > last.epoch.0) {
            return false;
        }
        match self.ask.since {
            Some(since) if self.ask.depth == 0 => first.frame.base <= since,
            Some(since) => batches.partition_point(|batch| batch.frame.next <= since) >= self.ask.depth,
            None => batches.len() >= self.ask.depth.max(1),
        }
    }

    /// How many batches at the front nobody asked for.
    fn surplus(&self, batches: &[Seen]) -> usize {
        let above = match self.ask.since {
            Some(since) => batches.partition_point(|batch| batch.frame.next <= since),
            None => batches.len(),
        };
        above.saturating_sub(self.ask.depth)
    }

    fn leader_epochs(&self) -> Result<Vec<LeaderEpochEntry>, Failure> {
        let bytes = self
            .replica
            .directory
            .read(EPOCHS, EPOCHS_LIMIT)
            .map_err(|error| self.replica.unreadable(EPOCHS, error))?;
        match bytes {
            // A zero-byte file is what a crash can leave; Kafka rebuilds it from the log.
            None => Ok(Vec::new()),
            Some(bytes) if bytes.is_empty() => Ok(Vec::new()),
            Some(bytes) => parse_leader_epochs(&bytes).map_err(|error| self.replica.corrupt(EPOCHS, error).into()),
        }
    }

    fn remember(&self, active: i64, inode: u64, batches: &[Seen], in_active: usize) {
        let here = batches
            .get(batches.len().saturating_sub(in_active.min(REMEMBERED))..)
            .unwrap_or_default();
        let remembered = here.iter().map(|batch| {
            let position = u32::try_from(batch.frame.position).ok()?;
            Some(CursorBatch {
                position,
                epoch: batch.frame.epoch,
                crc: batch.frame.crc,
                next: batch.frame.next,
            })
        });
        let cursor = remembered
            .collect::<Option<Box<[CursorBatch]>>>()
            .map(|batches| Cursor {
                base: active,
                inode,
                batches,
            });
        self.catalog.remember(&self.replica.key, cursor);
    }
}

fn segment_name(base: i64) -> String {
    maxbrod_kafka::SegmentFile::Log.name(Offset(base))
}

/// Adds the epochs that Kafka has not written down yet.
fn add_epochs(entries: &mut Vec<LeaderEpochEntry>, batches: &[Seen], asked: bool) {
    if !asked {
        return;
    }
    for batch in batches {
        if batch.frame.epoch >= 0 && entries.last().is_none_or(|last| last.epoch.0 < batch.frame.epoch) {
            entries.push(LeaderEpochEntry {
                epoch: LeaderEpoch(batch.frame.epoch),
                start_offset: Offset(batch.frame.base),
            });
        }
    }
}

/// The transactional batches and markers; neighbours of one producer and epoch are one run.
fn runs<'a>(batches: impl Iterator<Item = &'a Seen>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // Whether the last run may go on: nothing else came after it.
    let mut open = false;
    for batch in batches {
        let Some(header) = batch.frame.header.filter(|header| header.attributes.is_transactional()) else {
            open = false;
            continue;
        };
        let (producer_id, producer_epoch) = (header.producer_id.0, header.producer_epoch.0);
        let kind = match (batch.marker, header.attributes.is_control()) {
            (Some(marker), _) => RunKind::Marker(marker.outcome, marker.coordinator_epoch),
            (None, false) => RunKind::Data,
            (None, true) => {
                open = false;
                continue;
            }
        };
        let run = Run {
            base: batch.frame.base,
            next: batch.frame.next,
            producer_id,
            producer_epoch,
            kind,
        };
        match runs.last_mut().filter(|_| open && kind == RunKind::Data) {
            Some(last)
                if last.kind == kind && (last.producer_id, last.producer_epoch) == (producer_id, producer_epoch) =>
            {
                last.next = run.next;
            }
            _ => runs.push(run),
        }
        open = true;
    }
    runs
}
