//! What the sequencer is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use maxbrod_cut::{BatchEnd, CoordinatorRecord, Level, PartitionKey, TransactionalRun};
use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, Offset};

use super::{CommitResult, Failure};
use crate::harvest::{HookResult, ShippedPiece};
use crate::layout::Layout;
use crate::quorum::Metadata;
use crate::source_plan::Precedent;

/// A point in time, as the time since the coordinator started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Duration);

impl Moment {
    /// The moment so much later.
    pub fn after(self, pause: Duration) -> Self {
        Self(self.0.saturating_add(pause))
    }

    /// The time that has passed since an earlier moment.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A run is open, at the start.
    RunOpened(OpenRun),
    /// An agent's session was opened. A node that was there already starts over.
    AgentJoined {
        /// Its node.
        node: NodeId,
    },
    /// An agent's session ended.
    AgentLeft {
        /// Its node.
        node: NodeId,
    },
    /// The answer to [`super::Command::ReadMetadata`].
    Metadata {
        /// The number of the question.
        reading: u64,
        /// What was found.
        view: View,
    },
    /// [`super::Command::ReadMetadata`] found nothing that could be used.
    NoMetadata {
        /// The number of the question.
        reading: u64,
        /// Why.
        why: String,
    },
    /// An agent says how far it is.
    Status {
        /// The agent's node.
        node: NodeId,
        /// The run that the figures are about.
        run: u64,
        /// Bytes assigned, closed and not shipped yet.
        backlog: u64,
        /// Bytes shipped in the run.
        shipped: u64,
    },
    /// An agent has shipped every closed segment of its assignment.
    CaughtUp {
        /// The agent's node.
        node: NodeId,
        /// The run.
        run: u64,
        /// The assignment.
        generation: u64,
    },
    /// What an agent saw of the partitions that it was asked for.
    Reports {
        /// The agent's node.
        node: NodeId,
        /// The reports.
        reports: Reports,
    },
    /// An agent shipped a partition, or a part of it.
    Shipped {
        /// The agent's node.
        node: NodeId,
        /// The part.
        piece: ShippedPiece,
    },
    /// An agent cannot ship a partition.
    ShipFailed {
        /// The agent's node.
        node: NodeId,
        /// What it says.
        failure: ShipFailure,
    },
    /// An operator or the schedule wants a snapshot.
    Create {
        /// What it is to be called.
        label: String,
        /// The level that it must reach; `None`: what the policy says.
        consistency: Option<Level>,
    },
    /// The answer to [`super::Command::RunHooks`].
    HooksEnded {
        /// The attempt that they were run for.
        attempt: u32,
        /// What each said, in order.
        results: Vec<HookResult>,
    },
    /// An operator wants the running snapshot to end.
    Cancel,
    /// The commit is in the journal.
    Committed {
        /// The snapshot.
        result: CommitResult,
        /// The run that is open now; `None`: none could be opened, and the coordinator is about to end.
        next: Option<OpenRun>,
    },
    /// The open run was given up, and another one is open.
    RunClosed {
        /// The run that is open now.
        next: OpenRun,
    },
    /// The commit did not come about.
    CommitFailed(Failure),
    /// Time has passed.
    Tick,
}

/// The open run.
#[derive(Clone, Debug)]
pub struct OpenRun {
    /// Its number.
    pub run: u64,
    /// What the base snapshot holds, by partition; empty without a base.
    pub base: Arc<BTreeMap<PartitionKey, BaseSummary>>,
}

/// What sequencing must know of a partition of the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseSummary {
    /// The node that was read and how much.
    pub precedent: Precedent,
    /// Where the base ends.
    pub end: Offset,
    /// Whether it was read as a compacted log.
    pub compacted: bool,
}

/// The metadata as the quorum's logs have it.
#[derive(Clone, Debug)]
pub struct View {
    /// The layout.
    pub layout: Arc<Layout>,
    /// All of it, for the snapshot.
    pub metadata: Metadata,
    /// How far it can be trusted.
    pub standing: Standing,
}

/// How far a metadata image can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A majority of the voters holds it, and nothing newer was seen.
    Committed,
    /// A majority holds it, but newer records were seen that no majority took over in time.
    Unsettled,
    /// Fewer than a majority of the voters have an agent that answers; these don't.
    NoMajority {
        /// The voters without an answering agent.
        silent: Vec<NodeId>,
    },
}

/// A phase of the capture (K§6.4), in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// `__transaction_state`, before anything else.
    A,
    /// E\[p\] of every other partition, and leader-epoch lists.
    M,
    /// `__transaction_state`.
    Q,
    /// `__consumer_offsets` and `__share_group_state`.
    G,
    /// Every other partition that is not compacted.
    P,
    /// Every other partition that is compacted. Such topics hold what records elsewhere refer to (schemas, reference data),
    /// and what is referred to was there first: read later, it is in the snapshot too.
    C,
    /// `__transaction_state` once more, where older clients are at work: what comes later tells what their markers meant.
    Z,
}

/// One message of reports.
#[derive(Clone, Debug)]
pub struct Reports {
    /// The run asked about.
    pub run: u64,
    /// The attempt asked in.
    pub attempt: u32,
    /// The phase asked in.
    pub phase: Phase,
    /// The request answered.
    pub request: u64,
    /// The reports.
    pub reports: Vec<Report>,
}

/// What one replica's log looks like.
#[derive(Clone, Debug)]
pub struct Report {
    /// The partition.
    pub key: PartitionKey,
    /// The log, or why it could not be read.
    pub seen: Result<Seen, String>,
}

/// A replica's log as its agent saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The log's first offset.
    pub log_start: Offset,
    /// The offset after its last record.
    pub log_end: Offset,
    /// Its last batches, ascending.
    pub batches: Vec<BatchEnd>,
    /// Whether these are all.
    pub whole: bool,
    /// Leader epochs and where they start, ascending; empty unless asked for.
    pub leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// Transactional and control batches above the offset asked from.
    pub transactional: Vec<TransactionalRun>,
    /// The log dir that holds it.
    pub directory: DirectoryId,
    /// Set when the files could not be pinned.
    pub pin_failure: Option<String>,
    /// Records of a coordinator's partition above the offset asked from, if they were asked for.
    pub records: Vec<CoordinatorRecord>,
    /// The last record of every transactional id below that offset.
    pub states: Vec<CoordinatorRecord>,
    /// Why these are not complete, if they are not.
    pub records_error: Option<String>,
    /// The high watermark that the broker wrote to its checkpoint last, and how long ago it did so.
    pub checkpointed: Option<(Offset, Duration)>,
    /// The first offset of the active segment: the log cleaner looks only at what is below.
    pub active_base: Option<Offset>,
    /// Whether the rest of it comes in another report.
    pub more: bool,
}

impl Seen {
    /// Puts a report together that came in pieces.
    pub(super) fn append(&mut self, piece: Self) {
        let Self {
            mut batches,
            mut leader_epochs,
            mut transactional,
            mut records,
            mut states,
            records_error,
            more,
            ..
        } = piece;
        self.batches.append(&mut batches);
        self.leader_epochs.append(&mut leader_epochs);
        self.transactional.append(&mut transactional);
        self.records.append(&mut records);
        self.states.append(&mut states);
        self.records_error = self.records_error.take().or(records_error);
        self.more = more;
    }
}

/// Why an agent cannot ship a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShipFailure {
    /// The run.
    pub run: u64,
    /// The attempt.
    pub attempt: u32,
    /// The partition.
    pub key: PartitionKey,
    /// The agent's stable code.
    pub code: String,
    /// What it says.
    pub message: String,
    /// Whether just this replica is to blame; otherwise the agent as a whole is in trouble.
    pub try_elsewhere: bool,
}
