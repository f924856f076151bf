//! One segment's batches, found from its end backwards or from an offset forwards.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use maxbrod_kafka::{
    Batch, BatchError, ControlRecord, HEADER_LENGTH, LeaderEpoch, Offset, OffsetIndexEntry, Outcome, SegmentFile,
    check_crc, records,
};

use super::index::Index;
use super::window::Window;
use crate::directory::{Directory, FileFacts, file_facts};
use crate::frame::Frame;
use crate::throttle::Throttle;

/// No batch is larger: Kafka counts in 31 bits.
const MAX_BATCH: u64 = i32::MAX as u64;

/// A segment, open.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: i64,
    pub(crate) facts: FileFacts,
    log: File,
    index: Option<File>,
}

/// A transaction's end, as its marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) outcome: Outcome,
    pub(super) coordinator_epoch: LeaderEpoch,
}

/// A batch that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) frame: Frame,
    pub(super) marker: Option<Marker>,
}

/// How much of a batch is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Its header, and the body of a transaction marker.
    Header,
    /// All of it, against its CRC.
    Whole,
}

/// Why a walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At the place asked for, or at the end of the file.
    End,
    /// At a batch that is not complete, or at zeros: normal in an active segment.
    Unfinished,
    /// At something that is no batch.
    Damage(BatchError),
}

/// How a walk over whole batches went.
#[derive(Debug)]
pub(crate) struct Walked<B> {
    /// Why it ended, unless it was broken off.
    pub(crate) stop: Stop,
    /// What it was broken off with.
    pub(crate) broke: Option<B>,
    /// How long to wait before reading on.
    pub(crate) owed: Duration,
}

impl Segment {
    /// Opens a segment. Its index is only a help and may be missing.
    pub(crate) fn open(directory: &Directory, base: i64) -> io::Result<Self> {
        let log = directory.file(&SegmentFile::Log.name(Offset(base)))?;
        let index = directory.file(&SegmentFile::Index.name(Offset(base))).ok();
        Ok(Self {
            base,
            facts: file_facts(&log)?,
            log,
            index,
        })
    }

    fn index(&self) -> Option<Index<'_>> {
        // An index that cannot be read costs time, nothing else.
        Index::open(self.index.as_ref()?).ok()
    }

    /// The batch that starts at a position, if one does.
    pub(crate) fn batch_at(&self, position: u64) -> io::Result<Option<Frame>> {
        let mut window = Window::new(&self.log);
        Ok(Frame::parse(window.at(position, HEADER_LENGTH)?, position)
            .ok()
            .flatten())
    }

    /// The first batch that ends above an offset. With `hint`, a position where a batch may start, and does not start above
    /// the offset.
    pub(crate) fn first_above(&self, offset: i64, hint: Option<u64>) -> io::Result<Option<Frame>> {
        let start = match hint {
            Some(position) if self.batch_at(position)?.is_some_and(|frame| frame.base <= offset) => position,
            _ => self.indexed_before(offset)?,
        };
        let mut window = Window::new(&self.log);
        let mut position = start;
        loop {
            match Frame::parse(window.at(position, HEADER_LENGTH)?, position) {
                Ok(Some(frame)) if frame.next > offset => return Ok(Some(frame)),
                Ok(Some(frame)) => position = frame.end(),
                _ => return Ok(None),
            }
        }
    }

    /// A position at or before the batch that holds an offset, as the index says.
    fn indexed_before(&self, offset: i64) -> io::Result<u64> {
        let Some(index) = self.index() else { return Ok(0) };
        let relative = offset.saturating_sub(self.base);
        let mut before = index.count_before(|entry| i64::from(entry.relative_offset) > relative)?;
        while let Some(number) = before.checked_sub(1) {
            match index.entry(number)? {
                Some(entry) if self.confirms(&entry)? => return Ok(entry.position as u64),
                _ => before /= 2,
            }
        }
        Ok(0)
    }

    /// The last batches, whole and with their CRC: from the last index entry that can be trusted to the end of the data.
    pub(super) fn tail(&self) -> io::Result<(Vec<Seen>, Stop)> {
        self.tail_from(self.anchor()?)
    }

    /// All batches from a position on, whole and with their CRC.
    pub(super) fn tail_from(&self, position: u64) -> io::Result<(Vec<Seen>, Stop)> {
        let mut seen = Vec::new();
        let stop = self.walk(position, u64::MAX, Look::Whole, |batch| seen.push(batch))?;
        Ok((seen, stop))
    }

    /// The headers of the batches between two positions where batches start. `None` when the walk does not come out at
    /// the second.
    pub(super) fn headers(&self, from: u64, to: u64) -> io::Result<Option<Vec<Seen>>> {
        let mut seen: Vec<Seen> = Vec::new();
        self.walk(from, to, Look::Header, |batch| seen.push(batch))?;
        let end = seen.last().map_or(from, |batch| batch.frame.end());
        Ok((end == to).then_some(seen))
    }

    /// Where to start so that some batches before `position` are found, the more the larger `reach` is.
    pub(super) fn step_back(&self, position: u64, reach: u64) -> io::Result<u64> {
        let Some(index) = self.index() else { return Ok(0) };
        let before = index.count_before(|entry| entry.position as u64 >= position)?;
        match before.checked_sub(reach) {
            Some(number) => Ok(index.entry(number)?.map_or(0, |entry| entry.position as u64)),
            None => Ok(0),
        }
    }

    /// The position of the last index entry that points at a whole batch of the offsets that it says.
    fn anchor(&self) -> io::Result<u64> {
        let Some(index) = self.index() else { return Ok(0) };
        let (mut back, mut left) = (1, index.len());
        while let Some(number) = left.checked_sub(1) {
            if let Some(entry) = index.entry(number)?
                && self.confirms(&entry)?
            {
                return Ok(entry.position as u64);
            }
            left = index.len().saturating_sub(back + 1);
            back *= 2;
        }
        Ok(0)
    }

    /// An entry holds the last offset of what was appended at its position, which may have been several batches.
    fn confirms(&self, entry: &OffsetIndexEntry) -> io::Result<bool> {
        let position = entry.position as u64;
        let last = self.base.saturating_add(i64::from(entry.relative_offset));
        let Some(frame) = self.batch_at(position)? else {
            return Ok(false);
        };
        if frame.base < self.base || frame.next.saturating_sub(1) > last {
            return Ok(false);
        }
        let mut whole = false;
        self.walk(position, frame.end(), Look::Whole, |_| whole = true)?;
        Ok(whole)
    }

    /// Shows the whole batches from a position on, checked against their CRCs, until `show` breaks.
    pub(crate) fn each_batch<B>(
        &self,
        from: u64,
        throttle: Option<&Throttle>,
        mut show: impl FnMut(&Frame, &Batch<'_>) -> ControlFlow<B>,
    ) -> io::Result<Walked<B>> {
        if let Some(throttle) = throttle {
            throttle.prepare(&self.log);
        }
        let mut window = Window::new(&self.log).throttled(throttle);
        let mut broke = None;
        let stop = self.walk_through(&mut window, from, u64::MAX, Look::Whole, |seen, bytes| {
            let batch = Batch {
                position: seen.frame.position,
                bytes,
                header: seen.frame.header,
            };
            let flow = show(&seen.frame, &batch);
            broke = flow.break_value();
            broke.is_none()
        })?;
        Ok(Walked {
            stop,
            broke,
            owed: window.owed(),
        })
    }

    fn walk(&self, from: u64, to: u64, look: Look, mut show: impl FnMut(Seen)) -> io::Result<Stop> {
        let mut window = Window::new(&self.log);
        self.walk_through(&mut window, from, to, look, |seen, _| {
            show(seen);
            true
        })
    }

    /// Walks until `show` says no. What it is shown are the batch's bytes, if it was looked at whole.
    fn walk_through(
        &self,
        window: &mut Window<'_>,
        from: u64,
        to: u64,
        look: Look,
        mut show: impl FnMut(Seen, &[u8]) -> bool,
    ) -> io::Result<Stop> {
        let mut position = from;
        while position < to {
            let bytes = window.at(position, HEADER_LENGTH)?;
            if bytes.is_empty() {
                return Ok(Stop::End);
            }
            let frame = match Frame::parse(bytes, position) {
                Ok(Some(frame)) if frame.length <= MAX_BATCH => frame,
                Ok(_) => return Ok(Stop::Unfinished),
                Err(BatchError::Corrupt { position, reason }) => {
                    // Fewer bytes than a header: whatever they say, the batch is still being written.
                    let torn = bytes.len() < HEADER_LENGTH;
                    return Ok(if torn {
                        Stop::Unfinished
                    } else {
                        Stop::Damage(BatchError::Corrupt { position, reason })
                    });
                }
                Err(_) => return Ok(Stop::Unfinished),
            };
            let is_control = frame.header.is_some_and(|header| header.attributes.is_control());
            let mut marker = None;
            let mut whole: &[u8] = &[];
            if look == Look::Whole || is_control {
                // A length that was never written asks for no memory: the file ends before.
                if frame.end() > self.facts.size {
                    return Ok(Stop::Unfinished);
                }
                let bytes = window.at(position, frame.length as usize)?;
                let Some(bytes) = bytes.get(..frame.length as usize) else {
                    return Ok(Stop::Unfinished);
                };
                whole = bytes;
                if let Some(header) = &frame.header {
                    if !check_crc(header, bytes) {
                        let reason = "its CRC does not match".to_owned();
                        return Ok(Stop::Damage(BatchError::Corrupt { position, reason }));
                    }
                    marker = marker_of(&Batch {
                        position,
                        bytes,
                        header: frame.header,
                    });
                }
            }
            position = frame.end();
            if !show(Seen { frame, marker }, whole) {
                return Ok(Stop::End);
            }
        }
        Ok(Stop::End)
    }
}

/// What a transaction marker says. A control batch that compaction emptied says nothing.
fn marker_of(batch: &Batch<'_>) -> Option<Marker> {
    let header = batch
        .header
        .filter(|header| header.attributes.is_control() && header.attributes.is_transactional())?;
    debug_assert!(header.attributes.is_control());
    match ControlRecord::decode(&records(batch)?.next()?.ok()?).ok()? {
        ControlRecord::EndTransaction {
            outcome,
            coordinator_epoch,
        } => Some(Marker {
            outcome,
            coordinator_epoch,
        }),
        _ => None,
    }
}

/// The first batch that ends above an offset. With `hint`, a position where a batch may start, and does not start above the
/// offset.
pub(crate) fn locate(
    log: &File,
    directory: Option<&Directory>,
    base: i64,
    offset: i64,
    hint: Option<u64>,
) -> io::Result<Option<Frame>> {
    let index = directory.and_then(|directory| directory.file(&SegmentFile::Index.name(Offset(base))).ok());
    let segment = Segment {
        base,
        facts: file_facts(log)?,
        log: log.try_clone()?,
        index,
    };
    segment.first_above(offset, hint)
}
