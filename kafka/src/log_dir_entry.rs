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
    /// A replica about to be deleted. Kafka cuts a long topic's name short here, so it is not always whole.
    Delete(TopicPartition),
    /// A replica that the metadata did not know when the broker started. Its topic's name can be cut short too.
    Stray(TopicPartition),
    /// `remote-log-index-cache`, which tiered storage keeps in the first log dir and log loading passes over.
    RemoteLogIndexCache,
    /// None of Kafka's. A broker refuses to start with such a directory in a log dir (but for other partitions of
    /// `__cluster_metadata`, which it passes over).
    Foreign,
}

impl LogDirEntry {
    /// Tells what the directory with this name is.
    pub fn of(name: &str) -> Self {
        if name == "remote-log-index-cache" {
            return Self::RemoteLogIndexCache;
        }
        let renamed = |suffix| name.strip_suffix(suffix).map(parse_renamed);
        if let Some(partition) = renamed("-delete") {
            return partition.map_or(Self::Foreign, Self::Delete);
        }
        if let Some(partition) = renamed("-future") {
            return partition.map_or(Self::Foreign, Self::Future);
        }
        if let Some(partition) = renamed("-stray") {
            return partition.map_or(Self::Foreign, Self::Stray);
        }
        match parse(name) {
            Some(partition) if partition.topic != "__cluster_metadata" => Self::Partition(partition),
            Some(partition) if partition.partition == PartitionId(0) => Self::ClusterMetadata,
            _ => Self::Foreign,
        }
    }
}

/// `<topic>-<n>.<unique id>`; the topic's name can itself contain dots.
fn parse_renamed(stem: &str) -> Option<TopicPartition> {
    let (partition, unique) = stem.rsplit_once('.')?;
    if unique.is_empty() || stem.contains(char::is_whitespace) {
        return None;
    }
    parse(partition)
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
