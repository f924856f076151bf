//! The KRaft image as a restored cluster starts with it (K§4.4, K§10).

use std::collections::BTreeMap;

use maxbrod_kafka::metadata::record::PartitionRecord;
use maxbrod_kafka::metadata::{ConfigResource, MetadataImage, Position, TopicConfig};
use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, PartitionId, ProducerId, TopicId};

use crate::plan::HeldConfig;

#[cfg(test)]
mod tests;

/// What the image is rewritten by.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite<'a> {
    /// Partitions to be dropped.
    pub(crate) left_out: &'a [(TopicId, PartitionId)],
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
    for (topic, partition) in choices.left_out {
        image.remove_partition(*topic, *partition);
    }
    image.retain_topics(|topic| topic.partitions().len() > 0);
    for broker in image.brokers_mut() {
        // The epoch stays: the clean-shutdown markers carry it. A registration that is not fenced would be defended against its
        // own broker for a session's length.
        broker.set_fenced(true);
        broker.set_in_controlled_shutdown(false);
    }
    for partition in image.partitions_mut() {
        rewrite_partition(partition, choices);
    }
    image.raise_next_producer_id(choices.next_producer_id);
    image.set_position(choices.end);
    if choices.hold_retention {
        hold_retention(image)
    } else {
        Vec::new()
    }
}

/// All replicas of a partition hold the same prefix, so each restored one is in sync (K§4.4).
///
/// As brokers register, the controller takes each out of the ISR (with ELR: into it) and makes the partition leaderless; the
/// last to register, or the first of the ELR to come up, is elected: a clean election in both cases. So any leader would do here.
/// It is one of the ISR rather than none because with ELR the controller notes the last leader when the ISR becomes empty, and
/// elects it where nobody else is eligible: a partition with one replica whose broker crashes in its first start has no other
/// way back (`PartitionChangeBuilder.maybeUpdateLastKnownLeader`).
fn rewrite_partition(partition: &mut PartitionRecord, choices: &Rewrite<'_>) {
    let replicas: Vec<(NodeId, DirectoryId)> = partition
        .replicas
        .iter()
        .map(|node| (*node, directory(partition, *node, choices.brokers)))
        .collect();
    partition.isr = partition
        .replicas
        .iter()
        .copied()
        .filter(|node| choices.brokers.contains_key(node))
        .collect();
    let former = partition
        .current_leader()
        .filter(|leader| partition.isr.contains(leader));
    partition.leader = former.or(partition.isr.first().copied()).unwrap_or(NO_LEADER);
    // A reassignment under way is not taken up again. All its replicas stay, old and new: they are written alike, and whoever
    // asked for it asks again.
    if partition.directories.is_empty() {
        // Before metadata.version 3.7-IV2 there are none, and there must not be any.
        partition.adding_replicas.clear();
        partition.removing_replicas.clear();
    } else {
        partition.set_replicas(replicas);
    }
    partition.set_elr(Vec::new(), Vec::new());
    partition.leader_recovery_state = 0;
    partition.leader_epoch = choices.leader_epoch.max(partition.leader_epoch);
    partition.partition_epoch = partition.partition_epoch.saturating_add(1);
}

const NO_LEADER: NodeId = NodeId(-1);

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
    let mut topics: Vec<String> = image
        .topics()
        .map(|topic| topic.name().to_owned())
        .filter(|name| image.topic_config(name, &defaults).cleanup_policy.delete)
        .collect();
    topics.sort();
    let mut held = Vec::new();
    for topic in topics {
        let resource = ConfigResource::topic(topic.as_str());
        for key in ["retention.ms", "retention.bytes"] {
            let former = image.config(&resource, key).map(str::to_owned);
            if former.as_deref() == Some("-1") {
                continue;
            }
            image.set_config(resource.clone(), key, "-1");
            held.push(HeldConfig {
                topic: topic.clone(),
                key: key.to_owned(),
                former,
            });
        }
    }
    held
}
