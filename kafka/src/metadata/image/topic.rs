//! A topic and its partitions.

use std::collections::BTreeMap;

use super::*;

/// A topic with its partitions.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    pub(super) record: TopicRecord,
    pub(super) partitions: BTreeMap<PartitionId, PartitionRecord>,
}

impl Topic {
    /// Its id.
    pub fn id(&self) -> TopicId {
        self.record.topic_id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Its partitions, by number.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = &PartitionRecord> {
        self.partitions.values()
    }

    /// One partition.
    pub fn partition(&self, partition: PartitionId) -> Option<&PartitionRecord> {
        self.partitions.get(&partition)
    }
}
