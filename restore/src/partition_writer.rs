//! One partition's directory, written from its chunks in one pass.
//!
//! Segments are cut at the topic's segment size, wherever the source had cut its own; what a broker keeps beside them is
//! regenerated as the batches go by (K§1.6, K§4.2).

mod end;
mod segment;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxbrod_kafka::{Batch, Batches, LeaderEpoch, Offset, ProducerEntry, Rebuild, SegmentLimits};
use maxbrod_repository::{ChunkRef, End, Hash, PartitionRecord};

use crate::disk::Disk;
use crate::endings::LogEnding;
use crate::error::{Error, Result};
use crate::progress_file::FinishedPartition;
use segment::{Files, OpenSegment};

#[cfg(test)]
mod tests;

/// How a topic's segments are cut and indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentSettings {
    pub(crate) limits: SegmentLimits,
    pub(crate) index_interval_bytes: u64,
}

/// What a partition's log must become.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogPlan {
    /// The partition, as its directory is called.
    pub(crate) name: String,
    pub(crate) record: PartitionRecord,
    pub(crate) settings: SegmentSettings,
    /// A broker's own producer state, to be taken over at its offset: it knows producers whose batches are gone.
    pub(crate) producers: Option<(Offset, Vec<ProducerEntry>)>,
    /// What follows the cut.
    pub(crate) ending: LogEnding,
}

/// A partition on its way to disk.
pub(crate) struct PartitionWriter {
    plan: LogPlan,
    files: Files,
    rebuild: Rebuild,
    segment: Option<OpenSegment>,
    /// Base of the first segment.
    first_base: Option<Offset>,
    last: LastBatch,
    digest: blake3::Hasher,
}

/// The last batch written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastBatch {
    None,
    /// Magic 0 and 1 have no epoch.
    Old {
        end_offset: Offset,
    },
    New {
        end_offset: Offset,
        leader_epoch: LeaderEpoch,
        crc: u32,
    },
}

impl PartitionWriter {
    /// Makes the directory, in which nothing may be.
    pub(crate) fn create(disk: Arc<dyn Disk>, plan: LogPlan, directory: &Path) -> Result<Self> {
        disk.create_dir_all(directory).map_err(Error::io("making", directory))?;
        let rebuild = Rebuild::new(plan.record.log_start, plan.settings.index_interval_bytes);
        Ok(Self {
            plan,
            files: Files::new(disk, directory.to_owned()),
            rebuild,
            segment: None,
            first_base: None,
            last: LastBatch::None,
            digest: blake3::Hasher::new(),
        })
    }

    /// Writes the batches of the next chunk that are below the cut.
    pub(crate) fn append(&mut self, chunk: &ChunkRef, body: &[u8]) -> Result<()> {
        self.digest.update(&chunk.id.0);
        let cut = self.plan.record.end.offset();
        let mut next = chunk.base_offset;
        // Batches that follow each other in one segment are written at once.
        let mut pending = 0..0;
        for batch in Batches::new(body, 0) {
            let at = chunk.base_offset;
            let batch = batch.map_err(|error| self.damaged(format!("in the chunk at offset {at}: {error}")))?;
            next = batch.next_offset();
            if batch.base_offset() >= cut {
                continue;
            }
            self.check_place(&batch, batch.position == 0)?;
            if self.needs_segment(&batch) {
                self.write(body, &mut pending)?;
                self.next_segment(&batch)?;
            }
            self.take_producers(batch.base_offset());
            self.rebuild
                .append(&batch)
                .map_err(|error| self.damaged(error.to_string()))?;
            self.last = LastBatch::of(&batch);
            let start = usize::try_from(batch.position).unwrap_or(usize::MAX);
            let end = start.saturating_add(batch.bytes.len());
            pending = if pending.is_empty() {
                start..end
            } else {
                pending.start..end
            };
        }
        self.write(body, &mut pending)?;
        if next != chunk.next_offset {
            return Err(self.damaged(format!(
                "the chunk at offset {} ends at {next} instead of {}",
                chunk.base_offset, chunk.next_offset
            )));
        }
        Ok(())
    }

    /// A log may start inside its first batch, and compaction leaves gaps; nothing else does. Within a chunk, which is checked
    /// as a whole, there can be gaps too in a topic that is not compacted any more.
    fn check_place(&self, batch: &Batch<'_>, first_of_chunk: bool) -> Result<()> {
        let (base, next, expected) = (batch.base_offset(), batch.next_offset(), self.rebuild.log_end());
        let cut = self.plan.record.end.offset();
        let first = self.segment.is_none();
        // An old compressed message carries the offset of its last record.
        let gap = first_of_chunk && base > expected && !self.plan.record.compacted && batch.header.is_some();
        // The segment that holds the log start begins below it, by whole batches too.
        let overlap = !first && base < expected;
        if gap || overlap {
            return Err(self.damaged(format!("a batch starts at offset {base} where {expected} should")));
        }
        if next > cut {
            return Err(self.damaged(format!("a batch ends at offset {next}, behind the cut at {cut}")));
        }
        Ok(())
    }

    fn needs_segment(&self, batch: &Batch<'_>) -> bool {
        self.segment.is_none() || self.rebuild.should_roll(self.plan.settings.limits, batch)
    }

    fn next_segment(&mut self, batch: &Batch<'_>) -> Result<()> {
        let base = batch.base_offset();
        if self.segment.is_some() {
            return self.roll(base);
        }
        let first_base = base.min(self.plan.record.log_start);
        if first_base < self.plan.record.log_start {
            self.rebuild = Rebuild::new(first_base, self.plan.settings.index_interval_bytes);
        }
        self.open_segment(first_base)
    }

    fn write(&mut self, body: &[u8], pending: &mut std::ops::Range<usize>) -> Result<()> {
        let bytes = body.get(std::mem::take(pending)).unwrap_or_default();
        match &mut self.segment {
            Some(segment) if !bytes.is_empty() => segment.write(bytes),
            _ => Ok(()),
        }
    }

    fn take_producers(&mut self, at: Offset) {
        if let Some((_, entries)) = self.plan.producers.take_if(|(offset, _)| *offset <= at) {
            self.rebuild.load_producers(entries);
        }
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Partition {
            partition: self.plan.name.clone(),
            reason,
        }
    }
}

impl LastBatch {
    fn of(batch: &Batch<'_>) -> Self {
        let end_offset = batch.next_offset();
        batch.header.map_or(Self::Old { end_offset }, |header| Self::New {
            end_offset,
            leader_epoch: header.leader_epoch,
            crc: header.crc,
        })
    }
}
