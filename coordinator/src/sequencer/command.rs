//! What the sequencer wants done.

use maxbrod_cut::{Cut, PartitionKey};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset, PartitionId};

use super::{Outcome, Phase, Progress};
use crate::config::HookMoment;
use crate::harvest::Harvest;
use crate::layout::RetentionClass;

/// An order to the outside.
#[derive(Clone, Debug)]
pub enum Command {
    /// Bring the metadata up to date and answer with `Event::Metadata` or `Event::NoMetadata`.
    /// A later question replaces this one.
    ReadMetadata {
        /// The number that the answer carries.
        reading: u64,
    },
    /// Tell an agent of which partitions it is the source.
    Assign(Assign),
    /// Ask an agent for reports.
    Query(Query),
    /// Have an agent ship partitions up to their cuts.
    Ship(Ship),
    /// Run the applications' commands for a moment and answer with `Event::HooksEnded`.
    RunHooks(RunHooks),
    /// Tell all agents that an attempt is over and its pins can go.
    Release {
        /// The run, which stays open.
        run: u64,
        /// The attempt.
        attempt: u32,
    },
    /// Commit the snapshot; answer with `Event::Committed` or `Event::CommitFailed`.
    Commit(Box<Harvest>),
    /// Tell all agents that a run ended and which one is open now.
    EndRun {
        /// The run that ended.
        run: u64,
        /// The run that is open now.
        open_run: u64,
        /// Whether it became a snapshot; otherwise what was stored for it is void.
        committed: bool,
    },
    /// Tell operators how far it is.
    Progress(Progress),
    /// Tell operators how it ended.
    Finished(Outcome),
}

/// The partitions that one agent is the source of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assign {
    /// The agent's node.
    pub node: NodeId,
    /// The open run.
    pub run: u64,
    /// Grows with each assignment.
    pub generation: u64,
    /// The partitions.
    pub partitions: Vec<SourceOrder>,
}

/// A partition that an agent is the source of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceOrder {
    /// The partition.
    pub key: PartitionKey,
    /// Its topic's name.
    pub topic: String,
    /// Whether it is read as a compacted log: chunks are matched by id, not by offset.
    pub compacted: bool,
    /// For how long its records live.
    pub class: RetentionClass,
}

/// A question to one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The agent's node.
    pub node: NodeId,
    /// The open run.
    pub run: u64,
    /// The attempt.
    pub attempt: u32,
    /// The phase.
    pub phase: Phase,
    /// The number that the answer carries.
    pub request: u64,
    /// How many batches to report, at least.
    pub depth: u32,
    /// The partitions.
    pub partitions: Vec<QueryPartition>,
}

/// What is asked about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryPartition {
    /// The partition.
    pub key: PartitionKey,
    /// Its topic's name.
    pub topic: String,
    /// Whether it is compacted.
    pub compacted: bool,
    /// Report every batch that ends above this offset.
    pub since: Option<Offset>,
    /// Pin the files from this offset on.
    pub pin_from: Option<Offset>,
    /// Report the leader epochs.
    pub leader_epochs: bool,
    /// Report the records of a coordinator's partition.
    pub records: bool,
}

/// Applications are to checkpoint their own state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunHooks {
    /// The open run.
    pub run: u64,
    /// The attempt.
    pub attempt: u32,
    /// The snapshot's label.
    pub label: String,
    /// Why now.
    pub moment: HookMoment,
    /// Topic, partition and the offset at which it is cut; empty at the start.
    pub cuts: Vec<(String, PartitionId, Offset)>,
}

/// An order to one agent to ship partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ship {
    /// The agent's node.
    pub node: NodeId,
    /// The open run.
    pub run: u64,
    /// The attempt.
    pub attempt: u32,
    /// The partitions.
    pub cuts: Vec<CutOrder>,
}

/// Up to where a partition is shipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOrder {
    /// The partition.
    pub key: PartitionKey,
    /// Where it is cut.
    pub cut: Cut,
    /// The leader epochs as captured, up to the cut.
    pub leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// Set when the agent was not the source before.
    pub source: Option<SourceOrder>,
}
