//! KRaft snapshots, the `.checkpoint` files beside the metadata log (K§5.6).
//!
//! Batches of the log's kind, numbered from 0 within the file: a control batch with the header and, in a dynamic quorum, its version
//! and voters; the records of an image; a control batch with the footer.

mod write;

use thiserror::Error;

pub use write::{CheckpointWriter, encode_checkpoint};

use super::segment::{BatchContent, MetadataBatches};
use super::{ImageFlaw, MetadataImage, Position, ReplayError, SegmentError};
use crate::control::{ControlRecord, KRaftVoters};
use crate::message::MessageError;
use crate::segment::CheckpointId;

/// How the quorum knows its voters.
#[derive(Debug, Clone, PartialEq)]
pub enum Quorum {
    /// kraft.version 0: from `controller.quorum.voters`.
    Static,
    /// kraft.version 1: from the log itself.
    Dynamic(KRaftVoters),
}

/// A KRaft snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The metadata, standing at the position in the file's name.
    pub image: MetadataImage,
    /// The quorum.
    pub quorum: Quorum,
    /// When the last record that it contains was appended, in milliseconds since the epoch.
    pub last_contained_log_timestamp: i64,
}

/// Why a checkpoint cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Its batches or records cannot be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// It does not begin with a snapshot's header.
    #[error("read the checkpoint: it does not begin with a snapshot header")]
    NoHeader,
    /// It ends without a snapshot's footer, so it is not whole.
    #[error("read the checkpoint: it ends without a snapshot footer; it is cut short")]
    NoFooter,
    /// Something follows its footer.
    #[error("read the checkpoint: a batch follows the snapshot footer")]
    BehindFooter,
    /// Brokers die of a dynamic quorum without voters.
    #[error("{0} a checkpoint of kraft.version 1: it has no voters")]
    NoVoters(&'static str),
    /// The image would make Kafka fail, or lose data.
    #[error("write the checkpoint: {0}")]
    Flaw(#[from] ImageFlaw),
    /// A record cannot be written.
    #[error("write the checkpoint: {0}")]
    Message(#[from] MessageError),
    /// A record is larger than a batch may be.
    #[error("write the checkpoint: {record} takes {size} bytes, more than a batch may have")]
    TooLarge {
        /// Kafka's name of the record.
        record: &'static str,
        /// Its size in bytes.
        size: usize,
    },
}

impl From<ReplayError> for CheckpointError {
    fn from(error: ReplayError) -> Self {
        Self::Segment(error.into())
    }
}

impl CheckpointError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Segment(source) => source.code(),
            Self::NoHeader => "checkpoint-no-header",
            Self::NoFooter => "checkpoint-no-footer",
            Self::BehindFooter => "checkpoint-behind-footer",
            Self::NoVoters(_) => "checkpoint-no-voters",
            Self::Flaw(source) => source.code(),
            Self::Message(source) => source.code(),
            Self::TooLarge { .. } => "checkpoint-record-too-large",
        }
    }
}

impl Checkpoint {
    /// Reads a checkpoint of this name (`Position::default()` for `bootstrap.checkpoint`), checking every CRC.
    ///
    /// Kafka itself does without the footer. Here its absence is an error: a checkpoint has one as soon as it has its name, so it
    /// was cut short.
    pub fn decode(end: Position, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let mut header = None;
        let mut kraft_version = 0;
        let mut voters = None;
        let mut footer = false;
        let mut records = Vec::new();
        for batch in MetadataBatches::new(bytes, 0) {
            let batch = batch?;
            if footer {
                return Err(CheckpointError::BehindFooter);
            }
            let control = match batch.content {
                BatchContent::Data(data) => {
                    records.extend(data.into_iter().map(|(_, record)| record));
                    Vec::new()
                }
                BatchContent::Control(control) => control,
            };
            for (_, record) in control {
                match record {
                    ControlRecord::SnapshotHeader(record) => header = Some(record.last_contained_log_timestamp),
                    ControlRecord::KRaftVersion(record) => kraft_version = record.kraft_version,
                    ControlRecord::KRaftVoters(record) => voters = Some(record),
                    ControlRecord::SnapshotFooter(_) => footer = true,
                    _ => {}
                }
            }
            if header.is_none() {
                return Err(CheckpointError::NoHeader);
            }
        }
        let last_contained_log_timestamp = header.ok_or(CheckpointError::NoHeader)?;
        if !footer {
            return Err(CheckpointError::NoFooter);
        }
        let quorum = match (kraft_version, voters) {
            (0, _) => Quorum::Static,
            (_, Some(voters)) => Quorum::Dynamic(voters),
            (_, None) => return Err(CheckpointError::NoVoters("read")),
        };
        Ok(Self {
            image: MetadataImage::from_snapshot(end, records)?,
            quorum,
            last_contained_log_timestamp,
        })
    }
}

impl Position {
    /// The file name of the checkpoint of an image that stands here.
    pub fn checkpoint_name(&self) -> String {
        let Self { end_offset, epoch } = *self;
        CheckpointId { end_offset, epoch }.file_name()
    }

    /// The position in a checkpoint's file name; `None` for any other name (`.part`, `.deleted`, `bootstrap.checkpoint`).
    pub fn of_checkpoint_name(name: &str) -> Option<Self> {
        let CheckpointId { end_offset, epoch } = CheckpointId::parse(name)?;
        Some(Self { end_offset, epoch })
    }
}

#[cfg(test)]
mod tests;
