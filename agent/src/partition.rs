//! Which partition.

use std::fmt;

use maxbrod_kafka::{PartitionId, TopicId, Uuid};

/// A partition, named so that a topic deleted and created again is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionKey {
    pub(crate) topic_id: TopicId,
    pub(crate) partition: PartitionId,
}

impl PartitionKey {
    /// As messages name it; `None` unless the topic id has 16 bytes.
    pub(crate) fn from_wire(topic_id: &[u8], partition: i32) -> Option<Self> {
        Some(Self {
            topic_id: TopicId(Uuid(topic_id.try_into().ok()?)),
            partition: PartitionId(partition),
        })
    }

    /// The topic id's bytes.
    pub(crate) fn topic_bytes(&self) -> [u8; 16] {
        self.topic_id.0.0
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic_id, self.partition)
    }
}

/// The name of a partition's directory, and of the partition in messages to people.
pub(crate) fn directory_name(topic: &str, partition: PartitionId) -> String {
    format!("{topic}-{partition}")
}
