//! Regenerates from batches what a broker keeps beside its segments: indexes, producer state, leader epochs (K§1.6).
//!
//! Follows `LogSegment.recover`, `ProducerAppendInfo` and `ProducerStateManager`, so that a restored directory holds what a
//! clean shutdown leaves and the broker that opens it has nothing to recover. Producers are never expired here: the broker does
//! that by its own clock when it loads the snapshot.

use crate::batch::Batch;
use crate::checkpoint::LeaderEpochEntry;
use crate::ids::{LeaderEpoch, Offset};
use crate::index::{OffsetIndexEntry, TimeIndexEntry};

mod producers;
#[cfg(test)]
mod tests;

use producers::Producers;
pub use producers::RebuildError;

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
    /// An empty log that starts with a segment at `log_start`.
    pub fn new(log_start: Offset, index_interval_bytes: u64) -> Self {
        Self {
            index_interval_bytes,
            base_offset: log_start,
            position: 0,
            last_indexed_position: 0,
            max_timestamp: -1,
            max_timestamp_offset: Offset(-1),
            last_time_entry: -1,
            indexes: SegmentIndexes::default(),
            producers: Producers::default(),
            leader_epochs: Vec::new(),
            log_end: log_start,
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

    /// Takes the next batch of the current segment.
    pub fn append(&mut self, batch: &Batch<'_>) -> Result<(), RebuildError> {
        let last_offset = Offset(batch.next_offset().0.saturating_sub(1));
        if let Some(header) = &batch.header
            && header.max_timestamp > self.max_timestamp
        {
            self.max_timestamp = header.max_timestamp;
            self.max_timestamp_offset = last_offset;
        }
        if self.position.saturating_sub(self.last_indexed_position) > self.index_interval_bytes {
            let entry = OffsetIndexEntry {
                relative_offset: self.relative(last_offset),
                position: self.position as i32,
            };
            entry.write(&mut self.indexes.offset_index);
            self.append_time_entry();
            self.last_indexed_position = self.position;
        }
        self.position += batch.bytes.len() as u64;
        self.log_end = batch.next_offset();
        let Some(header) = &batch.header else { return Ok(()) };
        if header.leader_epoch > self.latest_epoch() {
            self.leader_epochs.push(LeaderEpochEntry {
                epoch: header.leader_epoch,
                start_offset: header.base_offset,
            });
        }
        if header.has_producer_id()
            && let Some(aborted) = self.producers.append(header, batch)?
        {
            aborted.write(&mut self.indexes.txn_index);
        }
        Ok(())
    }

    /// Takes the producers' state at the current end of the log from a broker's own snapshot: it knows producers whose batches
    /// are gone, and has forgotten those that expired.
    pub fn load_producers(&mut self, entries: Vec<crate::producer_snapshot::ProducerEntry>) {
        self.producers = Producers::from_entries(entries);
    }

    /// The producers' state at the current end of the log, as a `.snapshot` holds it.
    pub fn producers(&self) -> Vec<crate::producer_snapshot::ProducerEntry> {
        self.producers.entries()
    }

    /// Where each leader epoch starts.
    pub fn leader_epochs(&self) -> &[LeaderEpochEntry] {
        &self.leader_epochs
    }

    /// First offset of the earliest transaction that is still open.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.producers.first_unstable_offset()
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
