//! The KRaft image as a restored cluster starts with it (K§4.4, K§10).

use std::collections::{BTreeMap, BTreeSet};

use maxbrod_kafka::metadata::record::PartitionRecord;
use maxbrod_kafka::metadata::{ConfigResource, MetadataImage, Position, TopicConfig};
use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, PartitionId, ProducerId, TopicId};

use crate::plan::HeldConfig;

#[cfg(test)]
mod tests;

/// No leader: the controller elects one as soon as a member of the ISR is there.
const NO_LEADER: NodeId = NodeId(-1);

/// What the image is rewritten by.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite<'a> {
    /// The partitions that the snapshot holds. All others are dropped: a leader without the data would make its followers
    /// forget theirs.
    pub(crate) held: &'a BTreeSet<(TopicId, PartitionId)>,
    /// The brokers that are restored, with their directories. Only they are in sync.
    pub(crate) brokers: &'a BTreeMap<NodeId, Vec<DirectoryId>>,
    /// Every partition's leader epoch.
    pub(crate) leader_epoch: LeaderEpoch,
    /// No producer id below is handed out again.
    pub(crate) next_producer_id: ProducerId,
    /// Whether retention is held back.
    pub(crate) hold_retention: bool,
    /// The checkpoint's position.
    pub(crate) end: Position,
}

/// Rewrites the image; returns the topic configs that hold retention back.
///
/// The same image and the same choices give the same image on every host.
pub(crate) fn rewrite(image: &mut MetadataImage, choices: &Rewrite<'_>) -> Vec<HeldConfig> {
    let gone: Vec<(TopicId, PartitionId)> = image
        .topics()
        .flat_map(|topic| topic.partitions().map(|partition| (topic.id(), partition.partition_id)))
        .filter(|key| !choices.held.contains(key))
        .collect();
    for (topic, partition) in gone {
        image.remove_partition(topic, partition);
    }
    image.retain_topics(|topic| topic.partitions().len() > 0);
    for broker in image.brokers_mut() {
        // A registration that is unfenced would be defended against its own broker for a session's length.
        broker.set_fenced(true);
        broker.set_in_controlled_shutdown(false);
    }
    for partition in image.partitions_mut() {
        rewrite_partition(partition, choices);
    }
    image.raise_next_producer_id(choices.next_producer_id);
    image.set_position(choices.end);
    if choices.hold_retention { hold_retention(image) } else { Vec::new() }
}

fn rewrite_partition(partition: &mut PartitionRecord, choices: &Rewrite<'_>) {
    let replicas: Vec<(NodeId, DirectoryId)> = partition
        .replicas
        .iter()
        .map(|node| (*node, directory(partition, *node, choices.brokers)))
        .collect();
    partition.isr = replicas.iter().map(|(node, _)| *node).filter(|node| choices.brokers.contains_key(node)).collect();
    // A reassignment under way is not taken up again: all its replicas stay, old and new.
    partition.set_replicas(replicas);
    partition.set_elr(Vec::new(), Vec::new());
    partition.leader = NO_LEADER;
    partition.leader_recovery_state = 0;
    partition.leader_epoch = choices.leader_epoch.max(partition.leader_epoch);
    partition.partition_epoch = partition.partition_epoch.saturating_add(1);
}

/// The directory that a replica is restored into: its own, or the node's first one when the metadata does not name one that
/// the node has (a move between directories under way, a directory that was offline).
pub(crate) fn directory(
    partition: &PartitionRecord,
    node: NodeId,
    brokers: &BTreeMap<NodeId, Vec<DirectoryId>>,
) -> DirectoryId {
    let recorded = partition.directory_of(node).unwrap_or(DirectoryId::UNASSIGNED);
    match brokers.get(&node) {
        Some(directories) if directories.contains(&recorded) => recorded,
        Some(directories) => directories.first().copied().unwrap_or(recorded),
        None => recorded,
    }
}

/// Sets `retention.ms` and `retention.bytes` to "no limit" on every topic that retention could delete from: an old backup's
/// records are past their time the moment that a broker starts (K§4.3).
fn hold_retention(image: &mut MetadataImage) -> Vec<HeldConfig> {
    let defaults = TopicConfig::default();
    let topics: Vec<String> = image
        .topics()
        .map(|topic| topic.name().to_owned())
        .filter(|name| image.topic_config(name, &defaults).cleanup_policy.delete)
        .collect();
    let mut held = Vec::new();
    for topic in topics {
        let resource = ConfigResource::topic(topic.as_str());
        for key in ["retention.ms", "retention.bytes"] {
            let former = image.config(&resource, key).map(str::to_owned);
            image.set_config(resource.clone(), key, "-1");
            held.push(HeldConfig { topic: topic.clone(), key: key.to_owned(), former });
        }
    }
    held
}
