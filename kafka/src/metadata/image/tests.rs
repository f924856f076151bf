mod cluster;
mod partitions;
mod reading;
mod restoring;
mod topics;

use proptest::prelude::*;

use super::*;
use crate::ids::{BrokerEpoch, DirectoryId};
use crate::message::UnknownTags;
use crate::message::sample::Dice;
use crate::metadata::record::tests::record;
use bytes::Bytes;

const ORDERS: TopicId = TopicId(Uuid([1; 16]));
const ROOM: DirectoryId = DirectoryId(Uuid([7; 16]));
const HALL: DirectoryId = DirectoryId(Uuid([8; 16]));

fn nodes<const N: usize>(ids: [i32; N]) -> Vec<NodeId> {
    ids.map(NodeId).to_vec()
}

fn replay(records: impl IntoIterator<Item = MetadataRecord>) -> MetadataImage {
    let mut image = MetadataImage::new();
    more(&mut image, records);
    image
}

fn more(image: &mut MetadataImage, records: impl IntoIterator<Item = MetadataRecord>) {
    for record in records {
        let next = image.seen.end_offset;
        image.apply(next, LeaderEpoch(3), record).unwrap();
    }
}

fn refuse(image: &mut MetadataImage, record: impl Into<MetadataRecord>) -> ReplayError {
    image
        .apply(image.seen.end_offset, LeaderEpoch(3), record.into())
        .unwrap_err()
}

fn topic(name: &str, topic_id: TopicId) -> MetadataRecord {
    TopicRecord {
        name: name.into(),
        topic_id,
        ..TopicRecord::default()
    }
    .into()
}

fn partition(number: i32) -> PartitionRecord {
    PartitionRecord {
        version: 1,
        partition_id: PartitionId(number),
        topic_id: ORDERS,
        replicas: nodes([1, 2, 3]),
        isr: nodes([1, 2, 3]),
        leader: NodeId(1),
        leader_epoch: LeaderEpoch(5),
        partition_epoch: 9,
        directories: vec![ROOM, ROOM, HALL],
        ..PartitionRecord::default()
    }
}

fn change() -> PartitionChangeRecord {
    PartitionChangeRecord {
        partition_id: PartitionId(0),
        topic_id: ORDERS,
        ..PartitionChangeRecord::default()
    }
}

fn orders() -> MetadataImage {
    replay([topic("orders", ORDERS), partition(0).into(), partition(1).into()])
}

fn first(image: &MetadataImage) -> &PartitionRecord {
    image.partition(ORDERS, PartitionId(0)).unwrap()
}

fn broker(id: i32) -> RegisterBrokerRecord {
    RegisterBrokerRecord {
        version: 1,
        broker_id: NodeId(id),
        broker_epoch: BrokerEpoch(40),
        ..RegisterBrokerRecord::default()
    }
}

fn broker_change() -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord {
        broker_id: NodeId(1),
        broker_epoch: BrokerEpoch(40),
        ..BrokerRegistrationChangeRecord::default()
    }
}

fn config(resource: ConfigResource, key: &str, value: Option<&str>) -> MetadataRecord {
    ConfigRecord {
        resource_type: resource.kind.0,
        resource_name: resource.name,
        name: key.into(),
        value: value.map(Into::into),
        ..ConfigRecord::default()
    }
    .into()
}

fn feature(name: &str, feature_level: i16) -> MetadataRecord {
    FeatureLevelRecord {
        name: name.into(),
        feature_level,
        ..FeatureLevelRecord::default()
    }
    .into()
}

proptest! {
    /// Whatever records come in whatever order: those that fit add up to an image whose records add up to it again.
    #[test]
    fn an_images_records_add_up_to_the_image(seed: u64) {
        let mut dice = Dice(seed);
        let mut image = MetadataImage::new();
        for _ in 0..200 {
            let mut record = record(&mut dice);
            // Let partitions find their topics, brokers and directories.
            match &mut record {
                MetadataRecord::Partition(partition) => partition.directories.clear(),
                MetadataRecord::PartitionChange(change) => change.directories = None,
                MetadataRecord::ProducerIds(block) => (block.broker_id, block.broker_epoch) = (NodeId(-1), BrokerEpoch(-1)),
                _ => {}
            }
            let before = image.clone();
            if image.apply(image.seen.end_offset, LeaderEpoch(1), record).is_err() {
                image = before;
            }
        }
        image.drop_open_transaction();
        let records: Vec<_> = image.to_records().collect();
        let again = MetadataImage::from_snapshot(image.position(), records.iter().cloned()).unwrap();
        prop_assert_eq!(&again.to_records().collect::<Vec<_>>(), &records);
        // What was not understood of changes is history; all the rest is the same.
        image.not_understood.clone_from(&again.not_understood);
        // A name given to two topic ids, which Kafka never does, can come back to the other one.
        image.topic_ids.clone_from(&again.topic_ids);
        prop_assert_eq!(again, image);
    }
}
