//! What the phases of a snapshot captured, as the solver takes it.

use bytes::Bytes;
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
    /// `__share_group_state`: phase g.
    ShareGroupState,
    /// Everything else: phase p.
    Data,
}

impl PartitionKind {
    /// The kind that a topic's name says.
    pub fn of_topic(name: &str) -> Self {
        match name {
            "__transaction_state" => Self::TransactionState,
            "__consumer_offsets" => Self::ConsumerOffsets,
            "__share_group_state" => Self::ShareGroupState,
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

/// A record of a coordinator's partition as it lies in the log; what its bytes mean is for the solver to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRecord {
    /// Its offset.
    pub offset: Offset,
    /// Its key.
    pub key: Bytes,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
}

/// One partition as the phases saw it.
///
/// The phases are A (`__transaction_state`), M (everything else), q, g, p, in this order; where older clients need it, M and q
/// are repeated before g (K§6.7), and q is read once more after p.
#[derive(Clone, Debug)]
pub struct CapturedPartition {
    /// Which partition.
    pub key: PartitionKey,
    /// Its topic's name.
    pub topic: String,
    /// What it is to the cut.
    pub kind: PartitionKind,
    /// The replicated prefix when it was first looked at: E\[p\] at the first phase M, for `__transaction_state` at phase A.
    /// Everything below was there before the snapshot began. `None`: nothing could be vouched for then.
    pub start: Option<Cut>,
    /// The replicated prefix at each phase M, ascending; for `__transaction_state` at phase A and at each repeated q but the
    /// last. So `sweeps[k]` of a data partition was read between `sweeps[k]` and `sweeps[k + 1]` (or `end`) of
    /// `__transaction_state`.
    pub sweeps: Vec<Offset>,
    /// The replicated prefix at the partition's own phase (the last q): the highest cut that is possible.
    pub end: Cut,
    /// The source's batches, ascending: those that end above `start`, the one that ends there if the log has one, and maybe
    /// some before or above `end`. A cut can only be at one of these ends.
    pub batches: Vec<BatchEnd>,
    /// The source's transactional and control batches above `start`, maybe beyond `end`.
    pub tail: Vec<TransactionalRun>,
    /// `__transaction_state` only: the last record of every transactional id below `start`.
    pub states: Vec<CoordinatorRecord>,
    /// `__transaction_state`: every record above `start`, beyond `end` those that were replicated when it was read once more
    /// after phase p. `__consumer_offsets` and `__share_group_state`: every record above `start` but those that are about
    /// neither offsets nor share state.
    pub records: Vec<CoordinatorRecord>,
    /// The transactions that were open at `start`; `None` where nobody knows. It tells whether the first marker in `tail`
    /// ends a transaction or is a repeated one.
    pub open_at_start: Option<Vec<OpenTransaction>>,
    /// How far the log cleaner can have got in the source when it was pinned.
    pub cleaning: Cleaning,
    /// What the source could not read of its records (an unknown compression, say), as a sentence.
    pub unreadable: Option<String>,
}

/// A transaction that has records in a partition and no marker yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// Offset of its first record.
    pub first_offset: Offset,
}

/// How far a log's cleaner can have got.
///
/// Where a compacted log is cut back, a key's older value is missing if the cleaner had removed it in favour of one above the
/// cut. It only ever looks at closed segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cleaning {
    /// The log is append-only, or was pinned before anything above `start` could be cleaned.
    #[default]
    Never,
    /// Nothing from this offset on, the base of the active segment, was looked at by the cleaner.
    Below(Offset),
    /// Nobody knows.
    Unknown,
}

/// A partition of the cluster that was not captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsentPartition {
    /// Its topic's name.
    pub topic: String,
    /// Its number.
    pub partition: PartitionId,
    /// Why.
    pub reason: Absence,
}

/// Why a partition was not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It was deleted while the snapshot was taken: it is not in the restored cluster either.
    Deleted,
    /// It is there, and nobody could vouch for it or read it.
    Unvouched,
}

/// Everything that the solver looks at.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// The partitions.
    pub partitions: Vec<CapturedPartition>,
    /// Those that are missing.
    pub absent: Vec<AbsentPartition>,
    /// Whether `__transaction_state` was read once more after phase p (Z): what it does not name then, no coordinator knows.
    pub read_again: bool,
}
