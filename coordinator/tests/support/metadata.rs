//! A metadata log, written like a controller writes it.

use bytes::Bytes;
use maxbrod_kafka::metadata::MetadataRecord;
use maxbrod_kafka::metadata::record::{
    FeatureLevelRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};
use maxbrod_kafka::{BatchBuilder, BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, Uuid};

use super::{end_of, topic_id};

/// The log of all controllers, which are never apart here.
#[derive(Debug, Default)]
pub struct Metadata {
    pub batches: Vec<Bytes>,
}

impl Metadata {
    pub fn of_cluster(nodes: &[i32]) -> Self {
        let mut metadata = Self::default();
        let feature = FeatureLevelRecord {
            name: "metadata.version".to_owned(),
            feature_level: 25,
            ..FeatureLevelRecord::default()
        };
        metadata.append([feature.into()]);
        for node in nodes {
            let broker = RegisterBrokerRecord {
                broker_id: NodeId(*node),
                broker_epoch: BrokerEpoch(i64::from(*node)),
                log_dirs: vec![DirectoryId(Uuid([*node as u8; 16]))],
                fenced: false,
                version: 3,
                ..RegisterBrokerRecord::default()
            };
            metadata.append([broker.into()]);
        }
        metadata
    }

    pub fn create_topic(&mut self, number: u8, name: &str, partitions: &[&[i32]]) {
        let mut records: Vec<MetadataRecord> = vec![
            TopicRecord {
                name: name.to_owned(),
                topic_id: topic_id(number),
                ..TopicRecord::default()
            }
            .into(),
        ];
        for (index, replicas) in partitions.iter().enumerate() {
            let replicas: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
            let partition = PartitionRecord {
                partition_id: PartitionId(index as i32),
                topic_id: topic_id(number),
                isr: replicas.clone(),
                leader: replicas[0],
                leader_epoch: LeaderEpoch(0),
                partition_epoch: 0,
                directories: replicas
                    .iter()
                    .map(|node| DirectoryId(Uuid([node.0 as u8; 16])))
                    .collect(),
                replicas,
                version: 1,
                ..PartitionRecord::default()
            };
            records.push(partition.into());
        }
        self.append(records);
    }

    pub fn remove_topic(&mut self, number: u8) {
        self.append([RemoveTopicRecord {
            topic_id: topic_id(number),
            ..RemoveTopicRecord::default()
        }
        .into()]);
    }

    pub fn shrink_isr(&mut self, number: u8, partition: i32, isr: &[i32]) {
        let change = PartitionChangeRecord {
            partition_id: PartitionId(partition),
            topic_id: topic_id(number),
            isr: Some(isr.iter().copied().map(NodeId).collect()),
            ..PartitionChangeRecord::default()
        };
        self.append([change.into()]);
    }

    fn append(&mut self, records: impl IntoIterator<Item = MetadataRecord>) {
        let base = self.batches.last().map_or(0, |batch| end_of(batch).0);
        let mut builder = BatchBuilder::new(Offset(base), LeaderEpoch(1));
        for record in records {
            builder = builder.record(1_700_000_000_000, None, Some(&record.encode().unwrap()));
        }
        self.batches.push(builder.build().into());
    }
}
