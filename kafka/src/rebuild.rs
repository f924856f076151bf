//! Regenerates from batches what a broker keeps beside its segments: indexes, producer state, leader epochs (K§1.6).
//!
//! Follows `LogSegment.recover`, `ProducerAppendInfo` and `ProducerStateManager`, so that a restored directory holds what a
//! clean shutdown leaves and the broker that opens it has nothing to recover. Producers are never expired here: the broker does
//! that by its own clock when it loads the snapshot.

use crate::batch::Batch;
use crate::checkpoint::LeaderEpochEntry;
use crate::ids::{LeaderEpoch, Offset, ProducerId};
use crate::index::{OffsetIndexEntry, TimeIndexEntry};
use crate::producer_snapshot::ProducerEntry;

mod error;
mod producers;
#[cfg(test)]
mod tests;

pub use error::RebuildError;
use producers::Producers;

/// The index files of a finished segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentIndexes {
    /// Content of `.index`; may be empty, and the file must exist all the same.
    pub offset_index: Vec<u8>,
    /// Content of `.timeindex`; may be empty, and the file must exist all the same.
    pub time_index: Vec<u8>,
    /// Content of `.txnindex`; empty: no transaction was aborted in the segment, and there is no such file.
    pub txn_index: Vec<u8>,
}

/// When a segment is full (`LogSegment.shouldRoll`, but for time: a restored log is rolled by size only).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.index.bytes`.
    pub index_bytes: u64,
}

/// The state of a partition's log as its batches go by.
#[derive(Clone, Debug)]
pub struct Rebuild {
    index_interval_bytes: u64,
    base_offset: Offset,
    position: u64,
    last_indexed_position: u64,
    max_timestamp: i64,
    max_timestamp_offset: Offset,
    last_time_entry: i64,
    indexes: SegmentIndexes,
    producers: Producers,
    leader_epochs: Vec<LeaderEpochEntry>,
    log_end: Offset,
}

impl Rebuild {
    /// An empty log whose first segment has this base offset: at or below the base offset of the first batch, even where the
    /// log starts within that batch.
    pub fn new(base_offset: Offset, index_interval_bytes: u64) -> Self {
        Self {
            index_interval_bytes,
            base_offset,
            position: 0,
            last_indexed_position: 0,
            max_timestamp: -1,
            max_timestamp_offset: Offset(-1),
            last_time_entry: -1,
            indexes: SegmentIndexes::default(),
            producers: Producers::default(),
            leader_epochs: Vec::new(),
            log_end: base_offset,
        }
    }

    /// Whether the next batch belongs into a new segment.
    pub fn should_roll(&self, limits: SegmentLimits, batch: &Batch<'_>) -> bool {
        if self.position == 0 {
            return false;
        }
        let relative = batch
            .next_offset()
            .0
            .saturating_sub(1)
            .saturating_sub(self.base_offset.0);
        let entries = |bytes: &[u8], length: usize| (bytes.len() / length) as u64;
        self.position.saturating_add(batch.bytes.len() as u64) > limits.segment_bytes
            || relative > i64::from(i32::MAX)
            || entries(&self.indexes.offset_index, OffsetIndexEntry::LENGTH)
                >= limits.index_bytes / OffsetIndexEntry::LENGTH as u64
            || entries(&self.indexes.time_index, TimeIndexEntry::LENGTH) + 1
                >= limits.index_bytes / TimeIndexEntry::LENGTH as u64
    }

    /// Finishes the segment and starts the next one at `base_offset`.
    pub fn roll(&mut self, base_offset: Offset) -> SegmentIndexes {
        self.append_time_entry();
        self.base_offset = base_offset;
        self.log_end = self.log_end.max(base_offset);
        self.position = 0;
        self.last_indexed_position = 0;
        self.max_timestamp = -1;
        self.max_timestamp_offset = Offset(-1);
        self.last_time_entry = -1;
        std::mem::take(&mut self.indexes)
    }

    /// Finishes the last segment.
    pub fn finish(&mut self) -> SegmentIndexes {
        self.roll(self.log_end)
    }

    /// Takes the next batch of the current segment. After an error nothing of the batch has been taken.
    pub fn append(&mut self, batch: &Batch<'_>) -> Result<(), RebuildError> {
        let (relative, position) = self.place(batch)?;
        let aborted = match &batch.header {
            Some(header) if header.has_producer_id() => self.producers.append(header, batch)?,
            _ => None,
        };
        let last_offset = batch.last_offset();
        if batch.max_timestamp() > self.max_timestamp {
            self.max_timestamp = batch.max_timestamp();
            self.max_timestamp_offset = last_offset;
        }
        if self.position.saturating_sub(self.last_indexed_position) > self.index_interval_bytes {
            let entry = OffsetIndexEntry {
                relative_offset: relative,
                position,
            };
            entry.write(&mut self.indexes.offset_index);
            self.append_time_entry();
            self.last_indexed_position = self.position;
        }
        if let Some(aborted) = aborted {
            aborted.write(&mut self.indexes.txn_index);
        }
        if let Some(header) = &batch.header
            && header.leader_epoch > self.latest_epoch()
        {
            self.leader_epochs.push(LeaderEpochEntry {
                epoch: header.leader_epoch,
                start_offset: header.base_offset,
            });
        }
        self.position = self.position.saturating_add(batch.bytes.len() as u64);
        self.log_end = batch.next_offset();
        Ok(())
    }

    /// The batch's last offset in the segment and its position, as indexes can hold them.
    fn place(&self, batch: &Batch<'_>) -> Result<(i32, i32), RebuildError> {
        if batch.base_offset() < self.log_end {
            return Err(RebuildError::Order {
                offset: batch.base_offset(),
                log_end: self.log_end,
            });
        }
        let end = self.position.saturating_add(batch.bytes.len() as u64);
        let full = RebuildError::SegmentFull {
            offset: batch.base_offset(),
            base_offset: self.base_offset,
        };
        let relative = i32::try_from(batch.last_offset().0.saturating_sub(self.base_offset.0));
        match (relative, i32::try_from(self.position), i32::try_from(end)) {
            (Ok(relative), Ok(position), Ok(_)) => Ok((relative, position)),
            _ => Err(full),
        }
    }

    /// Takes the producers' state at the current end of the log from a broker's own snapshot: it knows producers whose batches
    /// are gone, and has forgotten those that expired.
    pub fn load_producers(&mut self, entries: Vec<ProducerEntry>) {
        self.producers = Producers::from_entries(entries);
    }

    /// The producers' state at the current end of the log, as a `.snapshot` holds it.
    pub fn producers(&self) -> Vec<ProducerEntry> {
        self.producers.entries()
    }

    /// Where each leader epoch starts.
    pub fn leader_epochs(&self) -> &[LeaderEpochEntry] {
        &self.leader_epochs
    }

    /// The transactions that are still open: their first offsets, ascending, and whose they are.
    pub fn open_transactions(&self) -> impl Iterator<Item = (Offset, ProducerId)> {
        self.producers.open()
    }

    /// First offset of the earliest transaction that is still open.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.open_transactions().next().map(|(offset, _)| offset)
    }

    /// Up to where a reader of committed records sees the log once it is replicated.
    pub fn last_stable_offset(&self) -> Offset {
        self.first_unstable_offset().unwrap_or(self.log_end)
    }

    /// The offset after the last batch.
    pub fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Bytes in the current segment.
    pub fn segment_size(&self) -> u64 {
        self.position
    }

    fn latest_epoch(&self) -> LeaderEpoch {
        self.leader_epochs.last().map_or(LeaderEpoch(-1), |entry| entry.epoch)
    }

    fn append_time_entry(&mut self) {
        if self.max_timestamp > self.last_time_entry {
            let entry = TimeIndexEntry {
                timestamp: self.max_timestamp,
                relative_offset: self.relative(self.max_timestamp_offset),
            };
            entry.write(&mut self.indexes.time_index);
            self.last_time_entry = self.max_timestamp;
        }
    }

    fn relative(&self, offset: Offset) -> i32 {
        i32::try_from(offset.0.saturating_sub(self.base_offset.0)).unwrap_or(i32::MAX)
    }
}
