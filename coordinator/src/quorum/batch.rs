//! Batches of the metadata log, and what they do to the image.

use std::sync::Arc;

use bytes::Bytes;
use maxbrod_cut::BatchEnd;
use maxbrod_kafka::metadata::{
    BatchContent, Checkpoint, MetadataBatches, MetadataImage, MetadataRecord, Position, Quorum as Voting,
};
use maxbrod_kafka::{Batches, ControlRecord, LeaderEpoch, NodeId, Offset};

use super::Metadata;

/// A partition's state while its uncleanly elected leader has not said yet that it goes on (KIP-704). The controller sets it with
/// every unclean election, and only then.
const RECOVERING: i8 = 1;

/// One batch of the metadata log.
#[derive(Debug)]
pub(super) struct LogBatch {
    pub(super) base_offset: Offset,
    pub(super) end: BatchEnd,
    bytes: Bytes,
}

impl LogBatch {
    /// Whether it is the batch so named.
    pub(super) fn is(&self, name: (Offset, LeaderEpoch, u32)) -> bool {
        (self.end.end_offset, self.end.leader_epoch, self.end.crc) == name
    }
}

/// Splits a stretch of log into its batches, CRCs checked.
pub(super) fn read_batches(bytes: &Bytes) -> Result<Vec<LogBatch>, String> {
    let mut found = Vec::new();
    for batch in Batches::new(bytes, 0) {
        let batch = batch.map_err(|error| error.to_string())?;
        let header = batch
            .header
            .ok_or_else(|| format!("the batch at byte {} is of an old format", batch.position))?;
        let end = BatchEnd {
            end_offset: header.next_offset(),
            leader_epoch: header.leader_epoch,
            crc: header.crc,
        };
        found.push(LogBatch {
            base_offset: header.base_offset,
            end,
            bytes: bytes.slice_ref(batch.bytes),
        });
    }
    Ok(found)
}

impl Metadata {
    /// Before the first record.
    pub fn of_nothing() -> Self {
        Self {
            at: Position::default(),
            image: Arc::new(MetadataImage::new()),
            voting: Voting::Static,
            timestamp: 0,
            unclean_elections: Arc::default(),
        }
    }

    /// What a checkpoint file holds.
    pub(super) fn of_checkpoint(at: Position, bytes: &[u8]) -> Result<Self, String> {
        let checkpoint = Checkpoint::decode(at, bytes).map_err(|error| error.to_string())?;
        Ok(Self {
            at,
            image: Arc::new(checkpoint.image),
            voting: checkpoint.quorum,
            timestamp: checkpoint.last_contained_log_timestamp,
            unclean_elections: Arc::default(),
        })
    }

    /// Replays a batch. After an error the image is neither here nor there.
    pub(super) fn replay(&mut self, batch: &LogBatch) -> Result<(), String> {
        let image = Arc::make_mut(&mut self.image);
        for read in MetadataBatches::new(&batch.bytes, 0) {
            let read = read.map_err(|error| error.to_string())?;
            match &read.content {
                BatchContent::Control(records) => {
                    for (_, record) in records {
                        if let ControlRecord::KRaftVoters(voters) = record {
                            self.voting = Voting::Dynamic(voters.clone());
                        }
                    }
                }
                BatchContent::Data(records) => {
                    for (offset, record) in records {
                        if let MetadataRecord::PartitionChange(change) = record
                            && change.leader_recovery_state == RECOVERING
                        {
                            let key = (change.topic_id, change.partition_id);
                            Arc::make_mut(&mut self.unclean_elections).insert(key, (*offset, change.leader));
                        }
                    }
                }
            }
            self.timestamp = self.timestamp.max(read.timestamp);
            image.apply_batch(read).map_err(|error| error.to_string())?;
        }
        self.at = Position {
            end_offset: batch.end.end_offset,
            epoch: batch.end.leader_epoch,
        };
        Ok(())
    }

    /// The voters that the log names; `None`: they are in the configuration.
    pub fn voters(&self) -> Option<impl Iterator<Item = NodeId>> {
        match &self.voting {
            Voting::Static => None,
            Voting::Dynamic(voters) => Some(voters.voters.iter().map(|voter| voter.voter_id)),
        }
    }
}
