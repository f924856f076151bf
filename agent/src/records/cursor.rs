//! A place in a replica's log, from which reading goes on later, as long as the log below it is what was read.
//!
//! The place is a segment's file and the last batch read from it. A batch with the same end, epoch and CRC at the same position
//! of the same file has the same log below it (log matching); a file that was made when the segment began is gone as soon as the
//! log is truncated below it (K§2.2). Compaction puts other files in the place of closed segments, which may lack what was
//! there: whatever was read in between counts only if the closed segments read are still the same files afterwards.

use std::io;
use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::Duration;

use maxbrod_kafka::{Batch, Offset, SegmentFile};

use super::error::RecordsError;
use crate::directory::FileFacts;
use crate::frame::Frame;
use crate::log_dir::{Catalog, Replica};
use crate::replica::{End, Segment, Stop};
use crate::throttle::Throttle;

/// How often a damaged last batch is read again: in a preallocated file it can be one that is just being written.
const REREADS: u32 = 3;
const REREAD_PAUSE: Duration = Duration::from_millis(10);

/// Reads a replica's log from front to back, batch by batch.
#[derive(Debug)]
pub(super) struct Cursor {
    place: Option<Place>,
    /// Closed segments that were read and not verified since.
    unverified: Vec<(i64, FileFacts)>,
    /// The offset that the next batch has at least.
    next: i64,
}

#[derive(Debug)]
struct Place {
    base: i64,
    /// `None`: not opened yet.
    file: Option<FileFacts>,
    position: u64,
    /// The last batch read from this segment, and where it starts.
    last: Option<(u64, End)>,
}

/// How far reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// The log's end.
    End {
        /// Base offset of the active segment.
        active: i64,
    },
    /// What was asked for, or as much as was allowed; and how long to wait before reading on.
    Enough(Duration),
}

/// Why reading can't go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// The log below the place may be another one by now: begin again.
    Changed,
    /// It can't be read.
    Error(RecordsError),
}

impl<E: Into<RecordsError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// What to do after a batch.
pub(super) enum After {
    GoOn,
    Stop,
}

impl Cursor {
    /// At the log's start.
    pub(super) fn at_start() -> Self {
        Self {
            place: None,
            unverified: Vec::new(),
            next: i64::MIN,
        }
    }

    /// In a segment, at a position where a batch starts.
    pub(super) fn at(base: i64, position: u64) -> Self {
        Self {
            place: Some(Place {
                base,
                file: None,
                position,
                last: None,
            }),
            unverified: Vec::new(),
            next: i64::MIN,
        }
    }

    /// Base offset of the segment that it is in.
    pub(super) fn segment(&self) -> i64 {
        self.place.as_ref().map_or(i64::MIN, |place| place.base)
    }

    /// Reads on to the log's end; at most some `most` bytes, or until `take` has enough. After an error the cursor is of no
    /// use any more.
    pub(super) fn read_on(
        &mut self,
        catalog: &Catalog,
        replica: &Replica,
        throttle: Option<&Throttle>,
        most: u64,
        mut take: impl FnMut(End, &Batch<'_>) -> Result<After, RecordsError>,
    ) -> Result<Reached, Halt> {
        let listing = catalog.settled_listing(replica)?;
        let (Some(first), Some(active)) = (listing.bases.first().copied(), listing.active()) else {
            return Err(Halt::Changed);
        };
        let mut place = self.place.take().unwrap_or_else(|| Place::begin(first));
        let mut left = most;
        loop {
            if listing.bases.binary_search(&place.base).is_err() {
                return Err(Halt::Changed);
            }
            let segment = open(replica, place.base)?;
            place
                .check(&segment)
                .map_err(|error| failed(replica, place.base, error))??;
            let walked = self.walk(replica, &segment, &mut place, throttle, &mut left, &mut take)?;
            let is_active = place.base == active;
            let damaged = |reason: String| Halt::from(replica.corrupt(&name(place.base), reason));
            match walked {
                Walk::Enough(owed) => {
                    self.place = Some(place);
                    return Ok(Reached::Enough(owed));
                }
                Walk::Ended(Stop::Damage(error)) => return Err(damaged(error.to_string())),
                Walk::Ended(_) if is_active => {
                    self.place = Some(place);
                    self.verify(replica)?;
                    return Ok(Reached::End { active });
                }
                Walk::Ended(Stop::Unfinished) => {
                    // It was closed when it was listed. Truncated since, it is active again.
                    let now = catalog.list_again(replica)?;
                    if now.active().is_none_or(|active| active <= place.base) {
                        return Err(Halt::Changed);
                    }
                    return Err(damaged(format!("the bytes at {} are no whole batch", place.position)));
                }
                Walk::Ended(Stop::End) => {
                    self.unverified.push((place.base, segment.facts));
                    let after = listing.bases.partition_point(|base| *base <= place.base);
                    let Some(base) = listing.bases.get(after) else {
                        return Err(Halt::Changed);
                    };
                    place = Place::begin(*base);
                }
            }
        }
    }

    /// Reads one segment to its end.
    fn walk(
        &mut self,
        replica: &Replica,
        segment: &Segment,
        place: &mut Place,
        throttle: Option<&Throttle>,
        left: &mut u64,
        take: &mut impl FnMut(End, &Batch<'_>) -> Result<After, RecordsError>,
    ) -> Result<Walk, Halt> {
        let base = place.base;
        for attempt in 1.. {
            let (next, from) = (&mut self.next, place.position);
            let show = |frame: &Frame, batch: &Batch<'_>| {
                // Below magic 2 the first offset of a compressed message is inside it.
                if frame.next <= *next || (frame.header.is_some() && frame.base < *next) {
                    let reason = format!("the batch at byte {} has offsets that came before", frame.position);
                    return ControlFlow::Break(Err(Halt::from(replica.corrupt(&name(base), reason))));
                }
                let end = End {
                    next: frame.next,
                    epoch: frame.epoch,
                    crc: frame.crc,
                };
                let taken = take(end, batch);
                *next = frame.next;
                (place.position, place.last) = (frame.end(), Some((frame.position, end)));
                *left = left.saturating_sub(frame.length);
                match taken {
                    Ok(After::GoOn) if *left > 0 => ControlFlow::Continue(()),
                    Ok(_) => ControlFlow::Break(Ok(())),
                    Err(error) => ControlFlow::Break(Err(error.into())),
                }
            };
            let walked = segment
                .each_batch(from, throttle, show)
                .map_err(|error| failed(replica, base, error))?;
            match (walked.broke, walked.stop) {
                (Some(Err(halt)), _) => return Err(halt),
                (Some(Ok(())), _) => return Ok(Walk::Enough(walked.owed)),
                (None, Stop::Damage(_)) if attempt < REREADS => sleep(REREAD_PAUSE),
                (None, stop) => return Ok(Walk::Ended(stop)),
            }
        }
        Ok(Walk::Ended(Stop::End))
    }

    /// Makes sure that the closed segments read are still the same files. At the log's end that is done.
    pub(super) fn verify(&mut self, replica: &Replica) -> Result<(), Halt> {
        for (base, facts) in std::mem::take(&mut self.unverified) {
            let now = open(replica, base)?.facts;
            if !now.same_file(&facts) {
                return Err(Halt::Changed);
            }
        }
        Ok(())
    }
}

/// How the walk through a segment ended.
enum Walk {
    Ended(Stop),
    Enough(Duration),
}

impl Place {
    fn begin(base: i64) -> Self {
        Self {
            base,
            file: None,
            position: 0,
            last: None,
        }
    }

    /// Whether the segment is the one of the place, and what was read of it is there still.
    fn check(&mut self, segment: &Segment) -> io::Result<Result<(), Halt>> {
        let Some(file) = self.file.replace(segment.facts) else {
            return Ok(Ok(()));
        };
        let is_same = file.same_file(&segment.facts)
            && match self.last {
                // Without birth times a file is known by what was read from it alone.
                None => file.birth.is_some(),
                Some((position, end)) => segment
                    .batch_at(position)?
                    .is_some_and(|frame| (frame.next, frame.epoch, frame.crc) == (end.next, end.epoch, end.crc)),
            };
        Ok(if is_same { Ok(()) } else { Err(Halt::Changed) })
    }
}

fn open(replica: &Replica, base: i64) -> Result<Segment, Halt> {
    match Segment::open(&replica.directory, base) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Halt::Changed),
        other => other.map_err(|error| failed(replica, base, error)),
    }
}

fn failed(replica: &Replica, base: i64, error: io::Error) -> Halt {
    replica.unreadable(&name(base), error).into()
}

fn name(base: i64) -> String {
    SegmentFile::Log.name(Offset(base))
}
