//! Writing a checkpoint that a controller boots from.

use bytes::Bytes;

use super::{CheckpointError, Quorum};
use crate::batch::{Attributes, BatchBuilder};
use crate::control::{ControlRecord, KRaftVersion, SnapshotFooter, SnapshotHeader};
use crate::ids::Offset;
use crate::metadata::{MetadataImage, MetadataRecord, Position};

/// A batch is closed when it has so many bytes.
const FULL: usize = 1 << 20;
/// Kafka's `KafkaRaftClient.MAX_BATCH_SIZE_BYTES`: readers refuse larger batches.
const LARGEST: usize = 8 << 20;
/// What a record costs beside its value, at most.
const RECORD_OVERHEAD: usize = 64;

/// Writes a checkpoint record by record.
#[derive(Debug)]
pub struct CheckpointWriter {
    end: Position,
    timestamp: i64,
    out: Vec<u8>,
    next_offset: Offset,
    open: BatchBuilder,
}

impl CheckpointWriter {
    /// Begins a checkpoint that will have the name of `end`. All its batches are dated `last_contained_log_timestamp` (milliseconds
    /// since the epoch), so the same image gives the same bytes.
    ///
    /// A static quorum is said by silence, as Kafka's `RecordsSnapshotWriter` does with kraft.version 0.
    pub fn new(end: Position, quorum: &Quorum, last_contained_log_timestamp: i64) -> Result<Self, CheckpointError> {
        let header = SnapshotHeader {
            last_contained_log_timestamp,
            ..SnapshotHeader::default()
        };
        let mut control = vec![ControlRecord::SnapshotHeader(header)];
        if let Quorum::Dynamic(voters) = quorum {
            if voters.voters.is_empty() {
                return Err(CheckpointError::NoVoters("write"));
            }
            let version = KRaftVersion {
                kraft_version: 1,
                ..KRaftVersion::default()
            };
            control.extend([
                ControlRecord::KRaftVersion(version),
                ControlRecord::KRaftVoters(voters.clone()),
            ]);
        }
        let mut writer = Self {
            end,
            timestamp: last_contained_log_timestamp,
            out: Vec::new(),
            next_offset: Offset(0),
            open: BatchBuilder::new(Offset(0), end.epoch),
        };
        writer.control_batch(&control)?;
        Ok(writer)
    }

    /// Adds a record.
    pub fn push(&mut self, record: &MetadataRecord) -> Result<(), CheckpointError> {
        let value = record.encode()?;
        let size = value.len() + RECORD_OVERHEAD;
        if self.open.size_in_bytes() + size > FULL {
            self.close_batch();
        }
        if self.open.size_in_bytes() + size > LARGEST {
            return Err(CheckpointError::TooLarge {
                record: record.name(),
                size: value.len(),
            });
        }
        let empty = self.empty_batch();
        let open = std::mem::replace(&mut self.open, empty);
        self.open = open.record(self.timestamp, None, Some(&value));
        Ok(())
    }

    /// Ends the checkpoint and gives its bytes.
    pub fn finish(mut self) -> Result<Bytes, CheckpointError> {
        self.close_batch();
        self.control_batch(&[ControlRecord::SnapshotFooter(SnapshotFooter::default())])?;
        Ok(self.out.into())
    }

    fn empty_batch(&self) -> BatchBuilder {
        BatchBuilder::new(self.next_offset, self.end.epoch)
    }

    fn control_batch(&mut self, records: &[ControlRecord]) -> Result<(), CheckpointError> {
        let mut batch = self.empty_batch().attributes(Attributes::CONTROL_BATCH);
        for record in records {
            let (key, value) = record.encode()?;
            batch = batch.record(self.timestamp, Some(&key), Some(&value));
        }
        self.open = batch;
        self.close_batch();
        Ok(())
    }

    fn close_batch(&mut self) {
        let records = self.open.records_count();
        if records > 0 {
            self.next_offset = Offset(self.next_offset.0 + i64::from(records));
            let empty = self.empty_batch();
            let full = std::mem::replace(&mut self.open, empty);
            self.out.extend_from_slice(&full.build());
        }
    }
}

/// The checkpoint of an image, to be stored under the name of its position. An image with [flaws](MetadataImage::flaws) is refused.
pub fn encode_checkpoint(
    image: &MetadataImage,
    quorum: &Quorum,
    last_contained_log_timestamp: i64,
) -> Result<Bytes, CheckpointError> {
    if let Some(flaw) = image.flaws().next() {
        return Err(flaw.into());
    }
    let mut writer = CheckpointWriter::new(image.position(), quorum, last_contained_log_timestamp)?;
    for record in image.to_records() {
        writer.push(&record)?;
    }
    writer.finish()
}
