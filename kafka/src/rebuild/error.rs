//! Why a log's state could not be regenerated.

use thiserror::Error;

use crate::ids::Offset;
use crate::message::MessageError;

/// Why a log's state could not be regenerated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RebuildError {
    /// A batch that starts before the end of the one before it.
    #[error("append the batch at offset {offset}: the log already reaches {log_end}")]
    Order {
        /// The batch's base offset.
        offset: Offset,
        /// The log's end.
        log_end: Offset,
    },
    /// A batch that the segment's indexes cannot point at: offsets and positions in them have 31 bits.
    #[error("append the batch at offset {offset}: it is too far into the segment that starts at {base_offset}")]
    SegmentFull {
        /// The batch's base offset.
        offset: Offset,
        /// The segment's.
        base_offset: Offset,
    },
    /// A transaction marker that cannot be read.
    #[error("read the transaction marker at offset {offset}: {source}")]
    Marker {
        /// Where it is.
        offset: Offset,
        /// What is wrong with it.
        source: MessageError,
    },
    /// A control batch without a record that can be read as it is: Kafka never compresses them.
    #[error("read the transaction marker at offset {offset}: it is compressed, or not there")]
    MarkerHidden {
        /// Where it is.
        offset: Offset,
    },
}

impl RebuildError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Order { .. } => "batch-out-of-order",
            Self::SegmentFull { .. } => "segment-full",
            Self::Marker { .. } => "marker-unreadable",
            Self::MarkerHidden { .. } => "marker-hidden",
        }
    }
}
