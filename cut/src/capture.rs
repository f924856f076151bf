//! What the phases of a snapshot captured, as the solver takes it.

use maxbrod_kafka::{LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId};

use crate::prefix::BatchEnd;

/// Names a partition across topics that were deleted and created again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's number.
    pub partition: PartitionId,
}

/// What a partition is to the cut, and so in which phase it is captured (K§6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionKind {
    /// `__transaction_state`: phase q.
    TransactionState,
    /// `__consumer_offsets`: phase g.
    ConsumerOffsets,
    /// Everything else: phase p.
    Data,
}

impl PartitionKind {
    /// The kind that a topic's name says.
    pub fn of_topic(name: &str) -> Self {
        match name {
            "__transaction_state" => Self::TransactionState,
            "__consumer_offsets" => Self::ConsumerOffsets,
            _ => Self::Data,
        }
    }
}

/// Where a partition is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Right after this batch.
    After(BatchEnd),
    /// At the log's start: there is no record to keep.
    Empty(Offset),
}

impl Cut {
    /// The offset at which the restored log ends.
    pub fn offset(&self) -> Offset {
        match self {
            Self::After(batch) => batch.end_offset,
            Self::Empty(offset) => *offset,
        }
    }
}

/// Neighbouring batches of one producer's transaction, or one marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionalRun {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset after the last record.
    pub next_offset: Offset,
    /// The producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// Data or marker.
    pub kind: TransactionalRunKind,
}

/// What a [`TransactionalRun`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionalRunKind {
    /// Records of a transaction.
    Data,
    /// A COMMIT marker.
    Commit {
        /// Leader epoch of the coordinator's partition.
        coordinator_epoch: LeaderEpoch,
    },
    /// An ABORT marker.
    Abort {
        /// Leader epoch of the coordinator's partition.
        coordinator_epoch: LeaderEpoch,
    },
}

/// One partition as the phases saw it.
#[derive(Clone, Debug)]
pub struct CapturedPartition {
    /// Which partition.
    pub key: PartitionKey,
    /// Its topic's name.
    pub topic: String,
    /// What it is to the cut.
    pub kind: PartitionKind,
    /// E\[p\]: the replicated prefix at phase M. Everything below was there before the snapshot began. `None` for
    /// `__transaction_state`, which phase M leaves out.
    pub start: Option<Cut>,
    /// The replicated prefix at the partition's own phase: the highest cut that is possible.
    pub end: Cut,
    /// The source's transactional and control batches between `start` and `end`.
    pub tail: Vec<TransactionalRun>,
}

/// Everything that the solver looks at.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// The partitions.
    pub partitions: Vec<CapturedPartition>,
}
