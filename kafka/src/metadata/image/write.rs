//! The records that an image is made of, in the order of Kafka's own snapshots (`MetadataImage.write`, K§5.6).

use super::*;

impl MetadataImage {
    /// The records that add up to this image, each in the version that it was read with (or a later one that a change brought
    /// along), so the finalized `metadata.version` allows them.
    ///
    /// `metadata.version` comes first, because it decides how the rest is read. Records of an open transaction are not among them.
    pub fn to_records(&self) -> impl Iterator<Item = MetadataRecord> {
        let metadata_version = self.features.get(METADATA_VERSION);
        let other_features = self.features.values().filter(|record| record.name != METADATA_VERSION);
        metadata_version
            .into_iter()
            .chain(other_features)
            .cloned()
            .map(MetadataRecord::from)
            .chain(self.zk_migration_state.iter().cloned().map(MetadataRecord::from))
            .chain(self.brokers.values().cloned().map(MetadataRecord::from))
            .chain(self.controllers.values().cloned().map(MetadataRecord::from))
            .chain(self.topics().flat_map(topic_records))
            .chain(self.configs().cloned().map(MetadataRecord::from))
            .chain(self.quotas().cloned().map(MetadataRecord::from))
            .chain(self.producer_ids.iter().map(producer_ids_record))
            .chain(self.acls.values().cloned().map(MetadataRecord::from))
            .chain(self.scram_credentials.values().cloned().map(MetadataRecord::from))
            .chain(self.delegation_tokens.values().cloned().map(MetadataRecord::from))
            .chain(self.unknown_records.iter().cloned())
    }
}

fn topic_records(topic: &Topic) -> impl Iterator<Item = MetadataRecord> {
    let partitions = topic.partitions.values().cloned().map(MetadataRecord::from);
    std::iter::once(MetadataRecord::from(topic.record.clone())).chain(partitions)
}

/// A snapshot does not say which broker got the last block (Kafka's `ProducerIdsImage.write`).
fn producer_ids_record(record: &ProducerIdsRecord) -> MetadataRecord {
    let nobody = ProducerIdsRecord::default();
    ProducerIdsRecord {
        broker_id: NodeId(-1),
        broker_epoch: nobody.broker_epoch,
        ..record.clone()
    }
    .into()
}
