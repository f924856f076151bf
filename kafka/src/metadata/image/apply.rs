//! Replaying records, after Kafka's `MetadataBatchLoader` (transactions) and `*Delta` classes (everything else).

use super::*;
use crate::ids::BrokerEpoch;

impl MetadataImage {
    /// Replays the record at `offset`. One that the image has already is passed over, so that a log may overlap the checkpoint
    /// it continues; a gap is an error.
    pub fn apply(&mut self, offset: Offset, epoch: LeaderEpoch, record: MetadataRecord) -> Result<(), ReplayError> {
        if offset < self.seen.end_offset {
            return Ok(());
        }
        let name = MetadataRecord::name_of(record.api_key()).unwrap_or("an unknown record");
        let error = |reason| ReplayError {
            offset,
            record: name,
            reason,
        };
        if offset > self.seen.end_offset {
            return Err(error(ReplayReason::Gap {
                expected: self.seen.end_offset,
            }));
        }
        self.seen = Position {
            end_offset: Offset(offset.0.saturating_add(1)),
            epoch,
        };
        match (record, &mut self.open_transaction) {
            (MetadataRecord::BeginTransaction(_), Some(_)) => return Err(error(ReplayReason::TransactionOpen)),
            (MetadataRecord::BeginTransaction(_), open @ None) => *open = Some(Vec::new()),
            (MetadataRecord::EndTransaction(_), open) => {
                for (offset, record) in open.take().ok_or_else(|| error(ReplayReason::NoTransaction))? {
                    self.replay(offset, record)?;
                }
            }
            (MetadataRecord::AbortTransaction(_), open) => {
                open.take().ok_or_else(|| error(ReplayReason::NoTransaction))?;
            }
            (record, Some(open)) => open.push((offset, record)),
            (record, None) => self.replay(offset, record)?,
        }
        self.catch_up();
        Ok(())
    }

    /// Moves on behind `end_offset` without a record: what control records (a new leader, voters) take up.
    pub fn advance(&mut self, end_offset: Offset, epoch: LeaderEpoch) {
        if end_offset > self.seen.end_offset {
            self.seen = Position { end_offset, epoch };
            self.catch_up();
        }
    }

    /// Without an open transaction all that was read is in effect.
    fn catch_up(&mut self) {
        if self.open_transaction.is_none() {
            self.end = self.seen;
        }
    }

    /// Forgets a transaction that did not end. The image stands before its beginning.
    pub fn drop_open_transaction(&mut self) {
        if self.open_transaction.take().is_some() {
            self.seen = self.end;
        }
    }

    fn replay(&mut self, offset: Offset, record: MetadataRecord) -> Result<(), ReplayError> {
        let name = MetadataRecord::name_of(record.api_key()).unwrap_or("an unknown record");
        self.replay_record(record).map_err(|reason| ReplayError {
            offset,
            record: name,
            reason,
        })
    }

    fn replay_record(&mut self, record: MetadataRecord) -> Result<(), ReplayReason> {
        match record {
            MetadataRecord::RegisterBroker(record) => {
                self.brokers.insert(record.broker_id, record);
            }
            MetadataRecord::UnregisterBroker(record) => {
                self.brokers.remove(&record.broker_id);
            }
            MetadataRecord::FenceBroker(record) => self.registered(record.id, record.epoch)?.set_fenced(true),
            MetadataRecord::UnfenceBroker(record) => self.registered(record.id, record.epoch)?.set_fenced(false),
            MetadataRecord::BrokerRegistrationChange(record) => {
                self.note_tags("BrokerRegistrationChangeRecord", &record.unknown_tags);
                self.registered(record.broker_id, record.broker_epoch)?.merge(record)?;
            }
            MetadataRecord::RegisterController(record) => {
                self.controllers.insert(record.controller_id, record);
            }
            MetadataRecord::UnregisterController(record) => {
                self.controllers.remove(&record.controller_id);
            }
            MetadataRecord::Topic(record) => self.insert_topic(record),
            MetadataRecord::RemoveTopic(record) => {
                self.remove_topic(record.topic_id)
                    .ok_or(ReplayReason::NoTopic(record.topic_id))?;
            }
            MetadataRecord::Partition(record) => self.insert_partition(record)?,
            MetadataRecord::PartitionChange(record) => self.change_partition(record)?,
            MetadataRecord::ClearElr(record) => self.clear_elr(&record.topic_name)?,
            MetadataRecord::Config(record) => self.replay_config(record),
            MetadataRecord::ClientQuota(record) => self.replay_quota(record),
            MetadataRecord::FeatureLevel(record) => self.replay_feature(record),
            MetadataRecord::ProducerIds(record) => self.producer_ids = Some(record),
            MetadataRecord::ZkMigrationState(record) => self.zk_migration_state = Some(record),
            MetadataRecord::AccessControlEntry(record) => {
                self.acls.insert(record.id, record);
            }
            MetadataRecord::RemoveAccessControlEntry(record) => {
                self.acls.remove(&record.id).ok_or(ReplayReason::NoAcl(record.id))?;
            }
            MetadataRecord::UserScramCredential(record) => {
                self.scram_credentials
                    .insert((record.mechanism, record.name.clone()), record);
            }
            MetadataRecord::RemoveUserScramCredential(record) => {
                self.scram_credentials.remove(&(record.mechanism, record.name));
            }
            MetadataRecord::DelegationToken(record) => {
                self.delegation_tokens.insert(record.token_id.clone(), record);
            }
            MetadataRecord::RemoveDelegationToken(record) => {
                self.delegation_tokens.remove(&record.token_id);
            }
            MetadataRecord::NoOp(_)
            | MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => {}
            // A newer version of a known record changes state in a way that cannot be guessed; a new type of record at least
            // leaves the rest of the image right.
            MetadataRecord::Unknown { api_key, version, .. } if MetadataRecord::name_of(api_key).is_some() => {
                return Err(ReplayReason::NewerVersion { version });
            }
            record @ MetadataRecord::Unknown { .. } => {
                self.not_understood
                    .insert(format!("metadata record type {}", record.api_key()));
                self.unknown_records.push(record);
            }
        }
        Ok(())
    }

    fn registered(&mut self, node: NodeId, given: BrokerEpoch) -> Result<&mut RegisterBrokerRecord, ReplayReason> {
        let broker = self.brokers.get_mut(&node).ok_or(ReplayReason::NoBroker(node))?;
        if broker.broker_epoch != given {
            return Err(ReplayReason::BrokerEpoch {
                node,
                registered: broker.broker_epoch,
                given,
            });
        }
        Ok(broker)
    }

    fn insert_topic(&mut self, record: TopicRecord) {
        self.topic_ids.insert(record.name.clone(), record.topic_id);
        self.topics.insert(
            record.topic_id,
            Arc::new(Topic {
                record,
                partitions: BTreeMap::new(),
            }),
        );
    }

    fn insert_partition(&mut self, record: PartitionRecord) -> Result<(), ReplayReason> {
        record.check_directories()?;
        let topic = self
            .topics
            .get_mut(&record.topic_id)
            .ok_or(ReplayReason::NoTopic(record.topic_id))?;
        Arc::make_mut(topic).partitions.insert(record.partition_id, record);
        Ok(())
    }

    fn change_partition(&mut self, record: PartitionChangeRecord) -> Result<(), ReplayReason> {
        self.note_tags("PartitionChangeRecord", &record.unknown_tags);
        let (topic, partition) = (record.topic_id, record.partition_id);
        self.partition_mut(topic, partition)
            .ok_or(ReplayReason::NoPartition(topic, partition))?
            .merge(record)
    }

    fn clear_elr(&mut self, topic_name: &str) -> Result<(), ReplayReason> {
        if topic_name.is_empty() {
            self.topics.values_mut().for_each(clear_elr);
            return Ok(());
        }
        let id = self.topic_ids.get(topic_name);
        let topic = id.and_then(|id| self.topics.get_mut(id));
        let topic = topic.ok_or_else(|| ReplayReason::NoTopicNamed(topic_name.to_owned()))?;
        clear_elr(topic);
        Ok(())
    }

    fn replay_config(&mut self, record: ConfigRecord) {
        let resource = ConfigResource::of(&record);
        if record.value.is_some() {
            self.configs
                .entry(resource)
                .or_default()
                .insert(record.name.clone(), record);
        } else {
            self.remove_config(&resource, &record.name);
        }
    }

    fn replay_quota(&mut self, record: ClientQuotaRecord) {
        let target = QuotaTarget::of(&record);
        if record.remove {
            self.remove_quota(&target, &record.key);
        } else {
            self.quotas
                .entry(target)
                .or_default()
                .insert(record.key.clone(), record);
        }
    }

    fn replay_feature(&mut self, record: FeatureLevelRecord) {
        if record.feature_level == 0 && record.name != METADATA_VERSION {
            self.features.remove(&record.name);
        } else {
            self.features.insert(record.name.clone(), record);
        }
    }

    fn note_tags(&mut self, record: &str, tags: &crate::message::UnknownTags) {
        self.not_understood
            .extend(tags.iter().map(|(tag, _)| format!("tagged field {tag} of {record}")));
    }
}

/// Kafka's `TopicDelta.maybeClearElr`: a partition that has neither stays as it is.
fn clear_elr(topic: &mut Arc<Topic>) {
    let has_any = |partition: &PartitionRecord| {
        !partition.elr().is_empty() || partition.last_known_elr.as_ref().is_some_and(|last| !last.is_empty())
    };
    if topic.partitions().any(has_any) {
        for partition in Arc::make_mut(topic)
            .partitions
            .values_mut()
            .filter(|partition| has_any(partition))
        {
            partition.set_elr(Vec::new(), Vec::new());
            partition.partition_epoch = partition.partition_epoch.wrapping_add(1);
        }
    }
}
