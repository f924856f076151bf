//! The name of a partition.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A topic's partition, written `topic-0` as Kafka names its directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }

    /// Tells whether the topic is one of Kafka's own, whose records coordinators write.
    pub fn is_internal(&self) -> bool {
        self.topic.starts_with("__")
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl FromStr for TopicPartition {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let (topic, partition) = name
            .rsplit_once('-')
            .ok_or_else(|| format!("{name}: no partition number"))?;
        let partition = partition.parse().map_err(|_| format!("{name}: no partition number"))?;
        Ok(Self::new(topic, partition))
    }
}
