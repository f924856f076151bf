//! What would make Kafka's controller fail on an image.

use thiserror::Error;

use super::*;

/// Something in an image that Kafka would not start with, or would lose data by.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImageFlaw {
    /// Kafka reads nothing without it.
    #[error("no metadata.version is set")]
    NoMetadataVersion,
    /// `InvalidReplicaDirectoriesException` kills the controller (experiments.md).
    #[error("partition {topic}-{partition}: {replicas} replicas have {directories} directories")]
    Directories {
        /// The topic's name.
        topic: String,
        /// The partition.
        partition: PartitionId,
        /// How many replicas.
        replicas: usize,
        /// How many directories.
        directories: usize,
    },
    /// A broker that holds no replica cannot be in sync, eligible, or lead.
    #[error("partition {topic}-{partition}: broker {node} is its {role} but holds no replica")]
    NotAReplica {
        /// The topic's name.
        topic: String,
        /// The partition.
        partition: PartitionId,
        /// The broker.
        node: NodeId,
        /// What the broker is said to be.
        role: &'static str,
    },
    /// A broker that is neither in sync nor eligible may lack acknowledged records.
    #[error("partition {topic}-{partition}: its leader, broker {node}, is not in sync")]
    LeaderNotInSync {
        /// The topic's name.
        topic: String,
        /// The partition.
        partition: PartitionId,
        /// The leader.
        node: NodeId,
    },
}

impl ImageFlaw {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoMetadataVersion => "image-no-metadata-version",
            Self::Directories { .. } => "image-directories",
            Self::NotAReplica { .. } => "image-not-a-replica",
            Self::LeaderNotInSync { .. } => "image-leader-not-in-sync",
        }
    }
}

impl MetadataImage {
    /// What would make Kafka's controller fail, or elect a leader that lacks records.
    pub fn flaws(&self) -> impl Iterator<Item = ImageFlaw> {
        let version = self
            .feature_level(METADATA_VERSION)
            .is_none()
            .then_some(ImageFlaw::NoMetadataVersion);
        let topics = self.topics.values();
        version
            .into_iter()
            .chain(topics.flat_map(|topic| topic.partitions().flat_map(|p| partition_flaws(topic, p))))
    }
}

fn partition_flaws(topic: &Topic, partition: &PartitionRecord) -> Vec<ImageFlaw> {
    let name = || topic.name().to_owned();
    let id = partition.partition_id;
    let mut flaws = Vec::new();
    let (replicas, directories) = (partition.replicas.len(), partition.directories.len());
    if directories != 0 && directories != replicas {
        flaws.push(ImageFlaw::Directories {
            topic: name(),
            partition: id,
            replicas,
            directories,
        });
    }
    let roles = [
        ("in-sync replica", partition.isr.as_slice()),
        ("eligible leader", partition.elr()),
    ];
    let leader = partition.current_leader();
    let named = roles
        .into_iter()
        .flat_map(|(role, nodes)| nodes.iter().map(move |node| (role, *node)));
    for (role, node) in named.chain(leader.map(|node| ("leader", node))) {
        if !partition.replicas.contains(&node) {
            flaws.push(ImageFlaw::NotAReplica {
                topic: name(),
                partition: id,
                node,
                role,
            });
        }
    }
    if let Some(node) = leader.filter(|node| !partition.isr.contains(node)) {
        flaws.push(ImageFlaw::LeaderNotInSync {
            topic: name(),
            partition: id,
            node,
        });
    }
    flaws
}
