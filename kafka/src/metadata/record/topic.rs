//! Topics and partitions.

use crate::ids::{DirectoryId, LeaderEpoch, NodeId, PartitionId, TopicId};

message! {
    /// A topic was created.
    pub struct TopicRecord: versions 0..=0, flexible 0 {
        /// Its name.
        name: String;
        /// Its id.
        topic_id: TopicId;
    }

    /// A partition was created, with all of its state.
    pub struct PartitionRecord: versions 0..=2, flexible 0 {
        /// Its number.
        partition_id: PartitionId = PartitionId(-1);
        /// Its topic.
        topic_id: TopicId;
        /// The brokers that hold it, the preferred leader first.
        replicas: Vec<NodeId>;
        /// Those in sync with the leader.
        isr: Vec<NodeId>;
        /// Those that a reassignment will take away.
        removing_replicas: Vec<NodeId>;
        /// Those that a reassignment adds.
        adding_replicas: Vec<NodeId>;
        /// The leader; -1 is none.
        leader: NodeId = NodeId(-1);
        /// 1 while the leader recovers from an unclean election, else 0.
        leader_recovery_state: i8 [tag 0];
        /// Grows by one with each change of leader.
        leader_epoch: LeaderEpoch = LeaderEpoch(-1);
        /// Grows by one with each change of anything.
        partition_epoch: i32 = -1;
        /// The log directory of each of `replicas`, in the same order (KIP-858).
        directories: Vec<DirectoryId> [since 1];
        /// Replicas outside the ISR that hold everything below the high watermark (KIP-966).
        eligible_leader_replicas: Option<Vec<NodeId>> [since 2, tag 1];
        /// The last leader of a partition that has neither ISR nor ELR (KIP-966).
        last_known_elr: Option<Vec<NodeId>> [since 2, tag 2];
    }

    /// What changed about a partition.
    pub struct PartitionChangeRecord: versions 0..=2, flexible 0 {
        /// Its number.
        partition_id: PartitionId = PartitionId(-1);
        /// Its topic.
        topic_id: TopicId;
        /// The new ISR.
        isr: Option<Vec<NodeId>> [tag 0];
        /// The new leader, -1 none, -2 no change. The same leader again means: only a new leader epoch.
        leader: NodeId [tag 1] = PartitionChangeRecord::NO_LEADER_CHANGE;
        /// The new replicas.
        replicas: Option<Vec<NodeId>> [tag 2];
        /// The new removing replicas.
        removing_replicas: Option<Vec<NodeId>> [tag 3];
        /// The new adding replicas.
        adding_replicas: Option<Vec<NodeId>> [tag 4];
        /// 0 or 1 as in [`PartitionRecord`], -1 no change.
        leader_recovery_state: i8 [tag 5] = -1;
        /// The new directories.
        directories: Option<Vec<DirectoryId>> [since 1, tag 8];
        /// The new eligible leader replicas.
        eligible_leader_replicas: Option<Vec<NodeId>> [since 2, tag 6];
        /// The new last known ELR.
        last_known_elr: Option<Vec<NodeId>> [since 2, tag 7];
    }

    /// A topic was deleted, with its partitions and configs.
    pub struct RemoveTopicRecord: versions 0..=0, flexible 0 {
        /// Its id.
        topic_id: TopicId;
    }

    /// The ELRs of a topic were cleared, or of all topics (KIP-966, Kafka 4.1).
    pub struct ClearElrRecord: versions 0..=0, flexible 0 {
        /// The topic's name, or empty for all.
        topic_name: String;
    }
}

impl PartitionChangeRecord {
    /// The leader that says that the leader did not change.
    pub const NO_LEADER_CHANGE: NodeId = NodeId(-2);
}
