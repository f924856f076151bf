//! The cluster as the metadata describes it, reduced to what sequencing needs.

use std::collections::{BTreeMap, BTreeSet};

use maxbrod_cut::{PartitionKey, PartitionKind};
use maxbrod_kafka::metadata::TopicConfig;
use maxbrod_kafka::metadata::record::PartitionRecord;
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset, PartitionId, TopicId};

pub use maxbrod_proto::agent::RetentionClass;

use crate::quorum::Metadata;

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
    /// Whether old segments move to remote storage (KIP-405), where no agent sees them.
    pub tiered: bool,
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
                (
                    PartitionKey {
                        topic_id: *topic_id,
                        partition: *partition,
                    },
                    topic,
                    state,
                )
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

impl Layout {
    /// Reduces an image; `defaults` are the brokers' settings for topics that have none of their own.
    pub fn of(metadata: &Metadata, defaults: &TopicConfig) -> Self {
        let image = &metadata.image;
        let topics = image.topics().map(|topic| {
            let config = image.topic_config(topic.name(), defaults);
            let partitions = topic
                .partitions()
                .map(|record| (record.partition_id, Partition::of(record)))
                .collect();
            let layout = Topic {
                name: topic.name().to_owned(),
                compacted: config.cleanup_policy.compact,
                tiered: config.remote_storage_enable,
                class: class_of(&config),
                partitions,
            };
            (topic.id(), layout)
        });
        let registered = image.controllers().map(|controller| controller.controller_id);
        Self {
            offset: metadata.at.end_offset,
            epoch: metadata.at.epoch,
            topics: topics.collect(),
            brokers: image.brokers().map(|broker| broker.broker_id).collect(),
            controllers: registered.chain(metadata.voters().into_iter().flatten()).collect(),
        }
    }
}

impl Partition {
    fn of(record: &PartitionRecord) -> Self {
        // Which replicas hold everything that was acknowledged: those in sync, and those that were when the ISR shrank below
        // min.insync.replicas (KIP-966).
        let eligible = record.eligible_leader_replicas.iter().flatten();
        let members: BTreeSet<NodeId> = record.isr.iter().chain(eligible).copied().collect();
        Self {
            leader: Some(record.leader).filter(|leader| leader.0 >= 0),
            leader_epoch: record.leader_epoch,
            members: members.into_iter().collect(),
        }
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const MONTH_MS: i64 = 30 * DAY_MS;

fn class_of(config: &TopicConfig) -> RetentionClass {
    let retention = config.retention_ms;
    if config.cleanup_policy.compact {
        RetentionClass::Compacted
    } else if !config.cleanup_policy.delete || !(0..=MONTH_MS).contains(&retention) {
        RetentionClass::Long
    } else if retention > DAY_MS {
        RetentionClass::Month
    } else {
        RetentionClass::Day
    }
}
