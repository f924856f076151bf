//! What the metadata log adds up to.

mod apply;
mod broker;
mod check;
mod config;
mod error;
mod partition;
mod quota;
mod restore;
mod topic;
mod topic_config;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use check::ImageFlaw;
pub use config::{ConfigResource, ResourceKind};
pub use error::{ReplayError, ReplayReason};
pub use quota::QuotaTarget;
pub use topic::Topic;
pub use topic_config::{CleanupPolicy, TopicConfig};

use super::record::*;
use crate::ids::{LeaderEpoch, NodeId, Offset, PartitionId, ProducerId, TopicId, Uuid};

/// The feature whose level decides which records and versions a cluster may write.
pub const METADATA_VERSION: &str = "metadata.version";

/// The state of a cluster at one offset of its metadata log: everything that a KRaft snapshot holds.
///
/// It keeps whole records (with their versions and unknown tagged fields) instead of translating them, so that
/// [`to_records`](Self::to_records) gives back what a newer Kafka wrote. Records of a metadata transaction (KIP-868) take effect
/// together with its end; one that is still open when reading stops has no effect.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetadataImage {
    /// Behind the last record in effect.
    end: Position,
    /// Behind the last record read; further on only while a transaction is open.
    seen: Position,
    open_transaction: Option<Vec<(Offset, MetadataRecord)>>,
    features: BTreeMap<String, FeatureLevelRecord>,
    zk_migration_state: Option<ZkMigrationStateRecord>,
    brokers: BTreeMap<NodeId, RegisterBrokerRecord>,
    controllers: BTreeMap<NodeId, RegisterControllerRecord>,
    /// Shared between the clones of an image until one changes: of a million partitions few differ from one cut to the next.
    topics: BTreeMap<TopicId, Arc<Topic>>,
    topic_ids: BTreeMap<String, TopicId>,
    configs: BTreeMap<ConfigResource, BTreeMap<String, ConfigRecord>>,
    quotas: BTreeMap<QuotaTarget, BTreeMap<String, ClientQuotaRecord>>,
    producer_ids: Option<ProducerIdsRecord>,
    acls: BTreeMap<Uuid, AccessControlEntryRecord>,
    scram_credentials: BTreeMap<(i8, String), UserScramCredentialRecord>,
    delegation_tokens: BTreeMap<String, DelegationTokenRecord>,
    unknown_records: Vec<MetadataRecord>,
    not_understood: BTreeSet<String>,
}

/// Where an image stands in the metadata log, and the name of a checkpoint of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The offset behind the last record that the image contains.
    pub end_offset: Offset,
    /// The epoch of that record.
    pub epoch: LeaderEpoch,
}

impl MetadataImage {
    /// The image before the first record.
    pub fn new() -> Self {
        Self::default()
    }

    /// The image that a snapshot's records are, at the position of its name.
    pub fn from_snapshot(
        end: Position,
        records: impl IntoIterator<Item = MetadataRecord>,
    ) -> Result<Self, ReplayError> {
        let mut image = Self::default();
        for (offset, record) in (0..).map(Offset).zip(records) {
            image.apply(offset, end.epoch, record)?;
        }
        image.drop_open_transaction();
        image.set_position(end);
        Ok(image)
    }

    /// Where the image stands: behind the last record in effect.
    pub fn position(&self) -> Position {
        self.end
    }

    /// Whether a metadata transaction has begun and not ended; its records so far are not in effect.
    pub fn in_transaction(&self) -> bool {
        self.open_transaction.is_some()
    }

    /// The finalized features, by name, `metadata.version` among them.
    pub fn features(&self) -> impl Iterator<Item = (&str, i16)> {
        self.features
            .iter()
            .map(|(name, record)| (name.as_str(), record.feature_level))
    }

    /// The finalized level of a feature.
    pub fn feature_level(&self, name: &str) -> Option<i16> {
        self.features.get(name).map(|record| record.feature_level)
    }

    /// The registered brokers, by node id.
    pub fn brokers(&self) -> impl Iterator<Item = &RegisterBrokerRecord> {
        self.brokers.values()
    }

    /// The registration of one broker.
    pub fn broker(&self, node: NodeId) -> Option<&RegisterBrokerRecord> {
        self.brokers.get(&node)
    }

    /// The registered controllers, by node id. Clusters before 3.7 have none.
    pub fn controllers(&self) -> impl Iterator<Item = &RegisterControllerRecord> {
        self.controllers.values()
    }

    /// The topics, by id.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values().map(Arc::as_ref)
    }

    /// How many partitions all topics have.
    pub fn partition_count(&self) -> usize {
        self.topics.values().map(|topic| topic.partitions().len()).sum()
    }

    /// One topic.
    pub fn topic(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(&id).map(Arc::as_ref)
    }

    /// One topic by its name.
    pub fn topic_named(&self, name: &str) -> Option<&Topic> {
        self.topic_ids.get(name).and_then(|id| self.topic(*id))
    }

    /// One partition.
    pub fn partition(&self, topic: TopicId, partition: PartitionId) -> Option<&PartitionRecord> {
        self.topics.get(&topic)?.partition(partition)
    }

    /// The highest leader epoch of any partition.
    pub fn highest_leader_epoch(&self) -> Option<LeaderEpoch> {
        self.topics()
            .flat_map(Topic::partitions)
            .map(|partition| partition.leader_epoch)
            .max()
    }

    /// All configs, by resource and key.
    pub fn configs(&self) -> impl Iterator<Item = &ConfigRecord> {
        self.configs.values().flat_map(BTreeMap::values)
    }

    /// The value of one config, as set on that very resource.
    pub fn config(&self, resource: &ConfigResource, key: &str) -> Option<&str> {
        self.configs.get(resource)?.get(key)?.value.as_deref()
    }

    /// All quotas, by target and key.
    pub fn quotas(&self) -> impl Iterator<Item = &ClientQuotaRecord> {
        self.quotas.values().flat_map(BTreeMap::values)
    }

    /// The first producer id that was not given to any broker yet.
    pub fn next_producer_id(&self) -> Option<ProducerId> {
        self.producer_ids.as_ref().map(|record| record.next_producer_id)
    }

    /// The ACLs, by id.
    pub fn acls(&self) -> impl Iterator<Item = &AccessControlEntryRecord> {
        self.acls.values()
    }

    /// The SCRAM credentials, by mechanism and user.
    pub fn scram_credentials(&self) -> impl Iterator<Item = &UserScramCredentialRecord> {
        self.scram_credentials.values()
    }

    /// The delegation tokens, by id.
    pub fn delegation_tokens(&self) -> impl Iterator<Item = &DelegationTokenRecord> {
        self.delegation_tokens.values()
    }

    /// Records of types that this code does not know, in the order they were read.
    pub fn unknown_records(&self) -> &[MetadataRecord] {
        &self.unknown_records
    }

    /// What was read of a newer Kafka without its meaning being known: record types, and tagged fields of changes. To be told to
    /// the operator before such an image is restored.
    pub fn not_understood(&self) -> impl Iterator<Item = &str> {
        self.not_understood.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
