//! Changing an image on its way into another cluster: what a restore rewrites (K§10).
//!
//! Records are changed in place, so they keep their versions and unknown tagged fields. Nothing here checks that the whole still
//! makes sense: [`MetadataImage::flaws`] does, and a checkpoint of an image with flaws is not written.

use super::*;
use crate::ids::BrokerEpoch;

impl MetadataImage {
    /// Says where the image stands: the name of the checkpoint that it becomes.
    pub fn set_position(&mut self, end: Position) {
        self.end = end;
        self.seen = end;
    }

    /// A broker's registration, to be changed.
    pub fn broker_mut(&mut self, node: NodeId) -> Option<&mut RegisterBrokerRecord> {
        self.brokers.get_mut(&node)
    }

    /// All brokers' registrations, to be changed.
    pub fn brokers_mut(&mut self) -> impl Iterator<Item = &mut RegisterBrokerRecord> {
        self.brokers.values_mut()
    }

    /// Puts a registration in place of the one with its node id.
    pub fn put_broker(&mut self, record: RegisterBrokerRecord) {
        self.brokers.insert(record.broker_id, record);
    }

    /// Removes a broker's registration; its replicas stay.
    pub fn remove_broker(&mut self, node: NodeId) -> Option<RegisterBrokerRecord> {
        self.brokers.remove(&node)
    }

    /// A controller's registration, to be changed.
    pub fn controller_mut(&mut self, node: NodeId) -> Option<&mut RegisterControllerRecord> {
        self.controllers.get_mut(&node)
    }

    /// Removes a controller's registration.
    pub fn remove_controller(&mut self, node: NodeId) -> Option<RegisterControllerRecord> {
        self.controllers.remove(&node)
    }

    /// A partition, to be changed.
    pub fn partition_mut(&mut self, topic: TopicId, partition: PartitionId) -> Option<&mut PartitionRecord> {
        Arc::make_mut(self.topics.get_mut(&topic)?)
            .partitions
            .get_mut(&partition)
    }

    /// All partitions, to be changed.
    pub fn partitions_mut(&mut self) -> impl Iterator<Item = &mut PartitionRecord> {
        self.topics
            .values_mut()
            .flat_map(|topic| Arc::make_mut(topic).partitions.values_mut())
    }

    /// Removes a partition, say one that the backup does not hold.
    pub fn remove_partition(&mut self, topic: TopicId, partition: PartitionId) -> Option<PartitionRecord> {
        Arc::make_mut(self.topics.get_mut(&topic)?)
            .partitions
            .remove(&partition)
    }

    /// Removes a topic with its partitions and configs.
    pub fn remove_topic(&mut self, id: TopicId) -> Option<Topic> {
        let topic = self.topics.remove(&id)?;
        // The name may belong to a younger topic by now.
        if self.topic_ids.get(topic.name()) == Some(&id) {
            self.topic_ids.remove(topic.name());
            self.configs.remove(&ConfigResource::topic(topic.name()));
        }
        Some(Arc::unwrap_or_clone(topic))
    }

    /// Removes the topics that `keep` says no to, with their partitions and configs.
    pub fn retain_topics(&mut self, mut keep: impl FnMut(&Topic) -> bool) {
        let gone: Vec<TopicId> = self.topics().filter(|topic| !keep(topic)).map(Topic::id).collect();
        for id in gone {
            self.remove_topic(id);
        }
    }

    /// Sets a config.
    pub fn set_config(&mut self, resource: ConfigResource, key: impl Into<String>, value: impl Into<String>) {
        let name = key.into();
        let record = ConfigRecord {
            resource_type: resource.kind.0,
            resource_name: resource.name.clone(),
            name: name.clone(),
            value: Some(value.into()),
            ..ConfigRecord::default()
        };
        self.configs.entry(resource).or_default().insert(name, record);
    }

    /// Removes a config, so that the default applies again.
    pub fn remove_config(&mut self, resource: &ConfigResource, key: &str) -> Option<ConfigRecord> {
        let configs = self.configs.get_mut(resource)?;
        let removed = configs.remove(key);
        if configs.is_empty() {
            self.configs.remove(resource);
        }
        removed
    }

    /// Removes all configs of a resource.
    pub fn remove_configs(&mut self, resource: &ConfigResource) {
        self.configs.remove(resource);
    }

    /// Removes a quota.
    pub fn remove_quota(&mut self, target: &QuotaTarget, key: &str) -> Option<ClientQuotaRecord> {
        let quotas = self.quotas.get_mut(target)?;
        let removed = quotas.remove(key);
        if quotas.is_empty() {
            self.quotas.remove(target);
        }
        removed
    }

    /// Makes sure that no producer id below `next` is given out again.
    pub fn raise_next_producer_id(&mut self, next: ProducerId) {
        let record = self.producer_ids.get_or_insert_with(|| ProducerIdsRecord {
            broker_id: NodeId(-1),
            broker_epoch: BrokerEpoch(-1),
            ..ProducerIdsRecord::default()
        });
        record.next_producer_id = record.next_producer_id.max(next);
    }

    /// Removes an ACL.
    pub fn remove_acl(&mut self, id: Uuid) -> Option<AccessControlEntryRecord> {
        self.acls.remove(&id)
    }

    /// Removes a user's SCRAM credential of a mechanism.
    pub fn remove_scram_credential(&mut self, user: &str, mechanism: i8) -> Option<UserScramCredentialRecord> {
        self.scram_credentials.remove(&(mechanism, user.to_owned()))
    }

    /// Removes a delegation token.
    pub fn remove_delegation_token(&mut self, token_id: &str) -> Option<DelegationTokenRecord> {
        self.delegation_tokens.remove(token_id)
    }
}
