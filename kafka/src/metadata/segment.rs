//! The batches of the metadata log: segments of `__cluster_metadata-0`, and checkpoints, which are made alike (K§1.5, K§5.6).

use thiserror::Error;

use super::{MetadataImage, MetadataRecord, Position, RecordError, ReplayError};
use crate::batch::{Batch, BatchError, Batches};
use crate::control::ControlRecord;
use crate::ids::Offset;
use crate::message::MessageError;
use crate::record::records;

/// Why a stretch of the metadata log cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SegmentError {
    /// The bytes are no batch. At the end of a growing file that is normal.
    #[error("read the metadata log: {0}")]
    Batch(#[from] BatchError),
    /// A batch that Kafka does not write to this log: compressed, or of an old magic.
    #[error("read the metadata log: the batch at byte {position} is compressed or older than Kafka's metadata log")]
    Foreign {
        /// Where the batch starts.
        position: u64,
    },
    /// A batch does not hold what its header says.
    #[error("read the metadata log: the batch at byte {position} is malformed: {source}")]
    Malformed {
        /// Where the batch starts.
        position: u64,
        /// What is wrong.
        source: MessageError,
    },
    /// A record cannot be read.
    #[error("read metadata offset {offset}: {source}")]
    Record {
        /// Where the record is.
        offset: Offset,
        /// What is wrong.
        source: RecordError,
    },
    /// A record does not fit what came before.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl SegmentError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Batch(source) => source.code(),
            Self::Foreign { .. } => "metadata-foreign-batch",
            Self::Malformed { .. } => "metadata-malformed-batch",
            Self::Record { source, .. } => source.code(),
            Self::Replay(source) => source.code(),
        }
    }
}

/// A batch of the metadata log.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataBatch {
    /// Where it starts in its file.
    pub position: u64,
    /// Its first offset.
    pub base_offset: Offset,
    /// Where the log stands behind it.
    pub end: Position,
    /// When its leader appended it, in milliseconds since the epoch.
    pub timestamp: i64,
    /// What it holds.
    pub content: BatchContent,
}

/// What a batch of the metadata log holds, with the offset of each record.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchContent {
    /// Metadata.
    Data(Vec<(Offset, MetadataRecord)>),
    /// What the quorum says about itself.
    Control(Vec<(Offset, ControlRecord)>),
}

/// Walks over the batches of a segment, checking their CRCs. Ends after the first error.
#[derive(Debug, Clone)]
pub struct MetadataBatches<'a> {
    batches: Batches<'a>,
    failed: bool,
}

impl<'a> MetadataBatches<'a> {
    /// Walks over `bytes`, which start at byte `position` of their file.
    pub fn new(bytes: &'a [u8], position: u64) -> Self {
        Self {
            batches: Batches::new(bytes, position),
            failed: false,
        }
    }
}

impl Iterator for MetadataBatches<'_> {
    type Item = Result<MetadataBatch, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self
            .batches
            .next()?
            .map_err(SegmentError::from)
            .and_then(|batch| read(&batch));
        self.failed = item.is_err();
        Some(item)
    }
}

fn read(batch: &Batch<'_>) -> Result<MetadataBatch, SegmentError> {
    let position = batch.position;
    let foreign = SegmentError::Foreign { position };
    let (header, records) = batch.header.zip(records(batch)).ok_or(foreign)?;
    let malformed = |source| SegmentError::Malformed { position, source };
    let base = header.base_offset.0;
    let mut data = Vec::new();
    let mut control = Vec::new();
    for record in records {
        let record = record.map_err(malformed)?;
        let offset = Offset(base.saturating_add(record.offset_delta.into()));
        if header.attributes.is_control() {
            control.push((offset, ControlRecord::decode(&record).map_err(malformed)?));
        } else {
            let value = record.value.unwrap_or_default();
            let record = MetadataRecord::decode(value).map_err(|source| SegmentError::Record { offset, source })?;
            data.push((offset, record));
        }
    }
    Ok(MetadataBatch {
        position,
        base_offset: header.base_offset,
        end: Position {
            end_offset: header.next_offset(),
            epoch: header.leader_epoch,
        },
        timestamp: header.max_timestamp,
        content: match header.attributes.is_control() {
            true => BatchContent::Control(control),
            false => BatchContent::Data(data),
        },
    })
}

impl MetadataImage {
    /// Replays a batch of the metadata log; what the image has already is passed over.
    pub fn apply_batch(&mut self, batch: MetadataBatch) -> Result<(), ReplayError> {
        if let BatchContent::Data(records) = batch.content {
            for (offset, record) in records {
                self.apply(offset, batch.end.epoch, record)?;
            }
        }
        self.advance(batch.end.end_offset, batch.end.epoch);
        Ok(())
    }

    /// Replays the batches of a segment (or of a stretch of it) that end at or before `until`, the end of what a majority of voters
    /// holds. Says how the reading ended.
    ///
    /// The image may stand before the end of what was read: at the beginning of a transaction that is open there.
    pub fn apply_segment(&mut self, bytes: &[u8], until: Offset) -> Result<SegmentEnd, SegmentError> {
        for batch in MetadataBatches::new(bytes, 0) {
            match batch {
                Ok(batch) if batch.end.end_offset > until => return Ok(SegmentEnd::Reached),
                Ok(batch) => self.apply_batch(batch)?,
                Err(SegmentError::Batch(BatchError::Truncated { .. } | BatchError::Padding { .. })) => {
                    return Ok(SegmentEnd::Torn);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(SegmentEnd::Whole)
    }
}

/// How reading a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentEnd {
    /// At a batch that ends behind the offset asked for.
    Reached,
    /// At the end of the bytes.
    Whole,
    /// At a batch that is not all there, or at the zeros of a preallocated file: what a growing segment ends with.
    Torn,
}

#[cfg(test)]
mod tests;
