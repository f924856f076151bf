//! Which captured partition a transaction or a group means by a topic's name and a number.

use std::collections::HashMap;

use maxbrod_kafka::PartitionId;

use crate::capture::{Absence, Capture, PartitionKey, PartitionKind};

/// Where a partition that somebody names is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// It was captured, as this one of the capture's partitions.
    Captured(usize),
    /// It is in the cluster, but not in the capture.
    Unvouched,
    /// It was deleted, or was never to be captured.
    Outside,
}

/// The partitions of a capture, by name.
#[derive(Debug)]
pub(super) struct Participants<'a> {
    captured: HashMap<&'a str, HashMap<PartitionId, usize>>,
    absent: HashMap<&'a str, HashMap<PartitionId, Absence>>,
    by_key: HashMap<PartitionKey, usize>,
}

impl<'a> Participants<'a> {
    pub(super) fn of(capture: &'a Capture) -> Self {
        let mut captured: HashMap<&str, HashMap<PartitionId, usize>> = HashMap::new();
        for (index, partition) in capture.partitions.iter().enumerate() {
            let topic = captured.entry(&partition.topic).or_default();
            topic.insert(partition.key.partition, index);
        }
        let mut absent: HashMap<&str, HashMap<PartitionId, Absence>> = HashMap::new();
        for partition in &capture.absent {
            let topic = absent.entry(&partition.topic).or_default();
            topic.insert(partition.partition, partition.reason);
        }
        let mut by_key = HashMap::new();
        // Only share groups name partitions by their topic's id.
        if capture
            .partitions
            .iter()
            .any(|of| of.kind == PartitionKind::ShareGroupState)
        {
            by_key.extend(capture.partitions.iter().enumerate().map(|(index, of)| (of.key, index)));
        }
        Self {
            captured,
            absent,
            by_key,
        }
    }

    /// Where a partition is. A name means the topic that has it now: of one that was deleted nothing is left to be torn.
    pub(super) fn find(&self, topic: &str, partition: PartitionId) -> Whereabouts {
        if let Some(index) = self.captured.get(topic).and_then(|of| of.get(&partition)) {
            return Whereabouts::Captured(*index);
        }
        match self.absent.get(topic).and_then(|of| of.get(&partition)) {
            Some(Absence::Unvouched) => Whereabouts::Unvouched,
            Some(Absence::Deleted) | None => Whereabouts::Outside,
        }
    }

    /// Whether a topic of this name was deleted while the snapshot was taken.
    pub(super) fn was_deleted(&self, topic: &str) -> bool {
        let absent = self.absent.get(topic);
        absent.is_some_and(|of| of.values().any(|reason| *reason == Absence::Deleted))
    }

    /// The captured partition of a topic's id.
    pub(super) fn find_by_key(&self, key: &PartitionKey) -> Option<usize> {
        self.by_key.get(key).copied()
    }
}
