//! Why the records of a partition can't be told.

use thiserror::Error;

use crate::log_dir::ReplicaError;

/// Why the records of a partition can't be told.
#[derive(Debug, Error)]
pub(crate) enum RecordsError {
    /// The replica is gone or can't be read.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// A batch whose records nobody here understands.
    #[error("read the records of {partition} at offset {offset}: {reason}")]
    Batch {
        /// The partition.
        partition: String,
        /// The batch's first offset.
        offset: i64,
        /// What is wrong.
        reason: String,
    },
    /// Elections, compaction or moves came in between again and again.
    #[error("read the records of {partition}: the log is changed whenever it is read; try again")]
    Changing {
        /// The partition.
        partition: String,
    },
    /// What was compacted since can't be told from this log any more.
    #[error(
        "tell the records of {partition} as they were at offset {offset}: the log may have been compacted since, its active \
         segment starts at {active} only; try again"
    )]
    Compacted {
        /// The partition.
        partition: String,
        /// The offset that was asked for.
        offset: i64,
        /// Base offset of the active segment.
        active: i64,
    },
    /// Too much for a report.
    #[error("read the records of {partition} from offset {from} on: they are more than {limit} bytes")]
    TooMany {
        /// The partition.
        partition: String,
        /// The offset from which on they were asked for.
        from: i64,
        /// The most that is reported.
        limit: usize,
    },
}
