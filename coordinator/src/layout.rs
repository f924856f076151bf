//! The cluster as the metadata describes it, reduced to what sequencing needs.

use std::collections::{BTreeMap, BTreeSet};

use maxbrod_cut::{PartitionKey, PartitionKind};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset, PartitionId, TopicId};

pub use maxbrod_proto::agent::RetentionClass;

/// Topics, partitions and nodes at one offset of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The offset after the last record that is in it.
    pub offset: Offset,
    /// The epoch of the last batch that is in it.
    pub epoch: LeaderEpoch,
    /// The topics.
    pub topics: BTreeMap<TopicId, Topic>,
    /// The registered brokers.
    pub brokers: BTreeSet<NodeId>,
    /// The registered controllers, or the voters.
    pub controllers: BTreeSet<NodeId>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Whether its cleanup.policy names compaction.
    pub compacted: bool,
    /// For how long its records live.
    pub class: RetentionClass,
    /// Its partitions.
    pub partitions: BTreeMap<PartitionId, Partition>,
}

impl Topic {
    /// What its partitions are to the cut.
    pub fn kind(&self) -> PartitionKind {
        PartitionKind::of_topic(&self.name)
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The leader, if it has one.
    pub leader: Option<NodeId>,
    /// Grows with each election.
    pub leader_epoch: LeaderEpoch,
    /// ISR ∪ ELR, ascending: the replicas that hold everything that was acknowledged (DESIGN §3.4).
    pub members: Vec<NodeId>,
}

impl Layout {
    /// A partition, with its topic.
    pub fn partition(&self, key: &PartitionKey) -> Option<(&Topic, &Partition)> {
        let topic = self.topics.get(&key.topic_id)?;
        Some((topic, topic.partitions.get(&key.partition)?))
    }

    /// Every partition, in order of its key.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionKey, &Topic, &Partition)> {
        self.topics.iter().flat_map(|(topic_id, topic)| {
            topic.partitions.iter().map(move |(partition, state)| {
                (PartitionKey { topic_id: *topic_id, partition: *partition }, topic, state)
            })
        })
    }

    /// How operators call a partition: `orders-3`, or by the topic's id when it is gone.
    pub fn name_of(&self, key: &PartitionKey) -> String {
        match self.topics.get(&key.topic_id) {
            Some(topic) => format!("{}-{}", topic.name, key.partition),
            None => format!("{}-{}", key.topic_id, key.partition),
        }
    }
}
