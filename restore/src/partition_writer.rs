//! One partition's directory, written from its chunks in one pass.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use maxbrod_kafka::{
    Batch, Batches, LeaderEpochEntry, Offset, ProducerEntry, Rebuild, SegmentFile, SegmentIndexes, SegmentLimits,
    write_leader_epochs, write_partition_metadata, write_producer_snapshot,
};
use maxbrod_repository::{ChunkRef, End, Hash, PartitionRecord};

use crate::error::{Error, Result};
use crate::progress_file::WrittenFile;

#[cfg(test)]
mod tests;

/// How a topic's segments are cut and indexed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentSettings {
    pub(crate) limits: SegmentLimits,
    pub(crate) index_interval_bytes: u64,
}

/// A partition on its way to disk.
pub(crate) struct PartitionWriter<'a> {
    name: String,
    record: &'a PartitionRecord,
    directory: PathBuf,
    limits: SegmentLimits,
    rebuild: Rebuild,
    segment: Option<OpenSegment>,
    /// Base of the first segment.
    first_base: Option<Offset>,
    /// A broker's own producer state, to be taken over at its offset.
    producers: Option<(Offset, Vec<ProducerEntry>)>,
    /// Producer state at the base of the last segment.
    state_at_base: Option<(Offset, Vec<ProducerEntry>)>,
    /// The last batch written.
    last: Option<(Offset, maxbrod_kafka::LeaderEpoch, u32)>,
    files: Vec<WrittenFile>,
}

struct OpenSegment {
    base: Offset,
    file: HashedFile,
}

/// What became of a partition.
pub(crate) struct WrittenPartition {
    pub(crate) files: Vec<WrittenFile>,
    /// Base of its first segment: a log start above it must be in the log dir's checkpoint.
    pub(crate) first_base: Offset,
}

impl<'a> PartitionWriter<'a> {
    /// Makes the directory, which must not exist.
    pub(crate) fn create(
        name: &str,
        record: &'a PartitionRecord,
        directory: &Path,
        settings: SegmentSettings,
        producers: Option<(Offset, Vec<ProducerEntry>)>,
    ) -> Result<Self> {
        fs::create_dir(directory).map_err(Error::io("making", directory))?;
        Ok(Self {
            name: name.to_owned(),
            record,
            directory: directory.to_owned(),
            limits: settings.limits,
            rebuild: Rebuild::new(record.log_start, settings.index_interval_bytes),
            segment: None,
            first_base: None,
            producers,
            state_at_base: None,
            last: None,
            files: Vec::new(),
        })
    }

    /// Writes the batches of the next chunk.
    pub(crate) fn append(&mut self, chunk: &ChunkRef, body: &[u8]) -> Result<()> {
        let mut end = chunk.base_offset;
        for batch in Batches::new(body, 0) {
            let batch = batch.map_err(|error| self.damaged(format!("in the chunk at offset {}: {error}", chunk.base_offset)))?;
            end = batch.next_offset();
            self.append_batch(&batch)?;
        }
        if end != chunk.next_offset {
            return Err(self.damaged(format!("the chunk at offset {} ends at {end} instead of {}", chunk.base_offset, chunk.next_offset)));
        }
        Ok(())
    }

    fn append_batch(&mut self, batch: &Batch<'_>) -> Result<()> {
        let (base, next, expected) = (batch.base_offset(), batch.next_offset(), self.rebuild.log_end());
        let first = self.segment.is_none();
        // The log may start inside its first batch, and compaction leaves gaps; nothing else does.
        let follows = if first { next > self.record.log_start } else { base >= expected };
        let gapless = self.record.compacted || first && base <= expected || base == expected;
        if !follows || !gapless && batch.header.is_some() {
            return Err(self.damaged(format!("a batch starts at offset {base} where {expected} should")));
        }
        if next > self.record.end.offset() {
            return Err(self.damaged(format!("a batch ends at offset {next}, behind the cut at {}", self.record.end.offset())));
        }
        if first {
            let first_base = base.min(self.record.log_start);
            self.rebuild.roll(first_base);
            self.open_segment(first_base)?;
        } else if self.rebuild.should_roll(self.limits, batch) {
            self.roll(base)?;
        }
        self.take_producers(base);
        self.rebuild.append(batch).map_err(|error| self.damaged(error.to_string()))?;
        if let Some(segment) = &mut self.segment {
            segment.file.write(batch.bytes)?;
        }
        self.last = batch.header.map(|header| (next, header.leader_epoch, header.crc));
        Ok(())
    }

    /// Writes everything that a clean shutdown leaves beside the segments.
    pub(crate) fn finish(mut self) -> Result<WrittenPartition> {
        let cut = self.record.end.offset();
        self.check_end()?;
        self.take_producers(cut);
        let empty = self.segment.is_none();
        if empty {
            self.rebuild.roll(cut);
            self.open_segment(cut)?;
        } else if self.rebuild.log_end() < cut {
            // What ended there was compacted away: an empty segment keeps the end where it was.
            self.roll(cut)?;
        }
        let producers = self.rebuild.producers();
        let indexes = self.rebuild.finish();
        self.close_segment(&indexes)?;
        if !empty {
            if let Some((offset, state)) = self.state_at_base.take().filter(|(offset, _)| *offset < cut) {
                self.write_file(&SegmentFile::Snapshot.name(offset), &write_producer_snapshot(&state))?;
            }
            self.write_file(&SegmentFile::Snapshot.name(cut), &write_producer_snapshot(&producers))?;
        }
        let recorded: Vec<LeaderEpochEntry> = self
            .record
            .leader_epochs
            .iter()
            .map(|(epoch, start_offset)| LeaderEpochEntry { epoch: *epoch, start_offset: *start_offset })
            .collect();
        let epochs = if recorded.is_empty() { self.rebuild.leader_epochs().to_vec() } else { recorded };
        self.write_file("leader-epoch-checkpoint", write_leader_epochs(&epochs).as_bytes())?;
        self.write_file("partition.metadata", write_partition_metadata(self.record.topic_id).as_bytes())?;
        Ok(WrittenPartition { files: self.files, first_base: self.first_base.unwrap_or(cut) })
    }

    /// The batch that ends at the cut is the one that the snapshot's members agreed on.
    fn check_end(&self) -> Result<()> {
        let End::After(end) = &self.record.end else {
            return match &self.last {
                None => Ok(()),
                Some((offset, ..)) => Err(self.damaged(format!("there are batches up to offset {offset} where none should be"))),
            };
        };
        if self.record.compacted {
            return Ok(());
        }
        match self.last {
            Some((offset, epoch, crc)) if offset == end.end_offset && epoch == end.leader_epoch && crc == end.crc => Ok(()),
            // Batches of magic 0 and 1 have no such fingerprint.
            None if self.segment.is_some() && self.rebuild.log_end() == end.end_offset => Ok(()),
            _ => Err(self.damaged(format!(
                "its last batch is not the one that ended at offset {} when the snapshot was taken",
                end.end_offset
            ))),
        }
    }

    fn take_producers(&mut self, at: Offset) {
        if let Some((_, entries)) = self.producers.take_if(|(offset, _)| *offset <= at) {
            self.rebuild.load_producers(entries);
        }
    }

    fn roll(&mut self, base: Offset) -> Result<()> {
        self.take_producers(base);
        let indexes = self.rebuild.roll(base);
        self.close_segment(&indexes)?;
        self.state_at_base = Some((base, self.rebuild.producers()));
        self.open_segment(base)
    }

    fn open_segment(&mut self, base: Offset) -> Result<()> {
        self.first_base.get_or_insert(base);
        let file = HashedFile::create(&self.directory, &SegmentFile::Log.name(base))?;
        self.segment = Some(OpenSegment { base, file });
        Ok(())
    }

    fn close_segment(&mut self, indexes: &SegmentIndexes) -> Result<()> {
        let Some(segment) = self.segment.take() else { return Ok(()) };
        self.files.push(segment.file.finish()?);
        self.write_file(&SegmentFile::Index.name(segment.base), &indexes.offset_index)?;
        self.write_file(&SegmentFile::TimeIndex.name(segment.base), &indexes.time_index)?;
        if !indexes.txn_index.is_empty() {
            self.write_file(&SegmentFile::TxnIndex.name(segment.base), &indexes.txn_index)?;
        }
        Ok(())
    }

    fn write_file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut file = HashedFile::create(&self.directory, name)?;
        file.write(bytes)?;
        self.files.push(file.finish()?);
        Ok(())
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Partition { partition: self.name.clone(), reason }
    }
}

/// A file that knows its hash when it is done.
struct HashedFile {
    name: String,
    path: PathBuf,
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    length: u64,
}

impl HashedFile {
    fn create(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(name);
        let file = File::create_new(&path).map_err(Error::io("creating", &path))?;
        Ok(Self { name: name.to_owned(), path, file: BufWriter::with_capacity(1 << 18, file), hasher: blake3::Hasher::new(), length: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(Error::io("writing", &self.path))
    }

    fn finish(mut self) -> Result<WrittenFile> {
        self.file.flush().map_err(Error::io("writing", &self.path))?;
        Ok(WrittenFile { name: self.name, length: self.length, blake3: Hash(*self.hasher.finalize().as_bytes()) })
    }
}
