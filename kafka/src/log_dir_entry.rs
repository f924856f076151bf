//! What the directories in a log dir are (K§3, `LocalLog.parseTopicPartitionName`, `LogManager.loadLogs`).

use std::fmt;

use crate::ids::PartitionId;

#[cfg(test)]
mod tests;

/// A partition of a topic, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionId,
}

impl fmt::Display for TopicPartition {
    /// Writes the name of the partition's directory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What a directory in a log dir is, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogDirEntry {
    /// A replica.
    Partition(TopicPartition),
    /// `__cluster_metadata-0`.
    ClusterMetadata,
    /// A replica on its way into this log dir.
    Future(TopicPartition),
    /// A replica about to be deleted.
    Delete,
    /// A replica that the metadata did not know when the broker started.
    Stray,
    /// `remote-log-index-cache` and whatever else is none of Kafka's replicas.
    Other,
}

impl LogDirEntry {
    /// Tells what the directory with this name is.
    pub fn of(name: &str) -> Self {
        if let Some((stem, suffix)) = ["delete", "future", "stray"].iter().find_map(|suffix| {
            name.strip_suffix(suffix)
                .and_then(|stem| stem.strip_suffix('-'))
                .map(|stem| (stem, *suffix))
        }) {
            // <topic>-<n>.<uuid>: a topic's name can itself contain dots.
            let partition = stem.rsplit_once('.').and_then(|(partition, _)| parse(partition));
            return match (partition, suffix) {
                (Some(partition), "future") => Self::Future(partition),
                (Some(_), "delete") => Self::Delete,
                (Some(_), "stray") => Self::Stray,
                _ => Self::Other,
            };
        }
        match parse(name) {
            Some(partition) if partition.topic == "__cluster_metadata" => {
                if partition.partition == PartitionId(0) {
                    Self::ClusterMetadata
                } else {
                    Self::Other
                }
            }
            Some(partition) => Self::Partition(partition),
            None => Self::Other,
        }
    }
}

fn parse(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    if topic.is_empty() || !digits {
        return None;
    }
    Some(TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionId(partition.parse().ok()?),
    })
}
