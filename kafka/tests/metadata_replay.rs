//! Replaying a metadata log gives what Kafka's own classes made of the same log (fixtures/java/Replay.java).

use maxbrod_kafka::metadata::record::{FeatureLevelRecord, PartitionRecord, RegisterBrokerRecord};
use maxbrod_kafka::metadata::{Checkpoint, METADATA_VERSION, MetadataImage, MetadataRecord, Position, SegmentEnd};
use maxbrod_kafka::{DirectoryId, Offset};

const LOG: &[u8] = include_bytes!("fixtures/replay/00000000000000000000.log");
const NAME: &str = "00000000000000001500-0000000004.checkpoint";
const CHECKPOINT: &[u8] = include_bytes!("fixtures/replay/00000000000000001500-0000000004.checkpoint");

/// What Kafka's snapshot says of the same state: newest versions, no empty lists, directories always.
fn as_kafka_writes(record: MetadataRecord) -> MetadataRecord {
    match record {
        MetadataRecord::Partition(mut partition) => {
            partition.version = PartitionRecord::default().version;
            partition.set_elr(
                partition.elr().to_vec(),
                partition.last_known_elr.clone().unwrap_or_default(),
            );
            if partition.directories.is_empty() {
                partition.directories = vec![DirectoryId::MIGRATING; partition.replicas.len()];
            }
            partition.into()
        }
        MetadataRecord::RegisterBroker(mut broker) => {
            broker.version = RegisterBrokerRecord::default().version;
            broker.log_dirs.sort();
            broker.into()
        }
        other => other,
    }
}

fn state(image: &MetadataImage) -> Vec<MetadataRecord> {
    image.to_records().map(as_kafka_writes).collect()
}

#[test]
fn replaying_a_log_gives_what_kafka_makes_of_it() {
    let kafkas = Checkpoint::decode(Position::of_checkpoint_name(NAME).unwrap(), CHECKPOINT).unwrap();
    let mut image = MetadataImage::new();
    assert_eq!(image.apply_segment(LOG, Offset(i64::MAX)).unwrap(), SegmentEnd::Whole);
    assert_eq!(image.position(), kafkas.image.position());
    assert!(image.partition_count() > 20, "the log is worth replaying");
    for (ours, theirs) in state(&image).into_iter().zip(state(&kafkas.image)) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(state(&image).len(), state(&kafkas.image).len());
}

#[test]
fn a_checkpoint_followed_by_the_rest_of_the_log_is_the_whole_log() {
    let mut whole = MetadataImage::new();
    whole.apply_segment(LOG, Offset(i64::MAX)).unwrap();
    for until in [0, 1, 100, 777, 1499] {
        let mut first = MetadataImage::new();
        first.apply_segment(LOG, Offset(until)).unwrap();
        let mut image = MetadataImage::from_snapshot(first.position(), first.to_records()).unwrap();
        image.apply_segment(LOG, Offset(i64::MAX)).unwrap();
        assert_eq!(
            state(&image),
            state(&whole),
            "a checkpoint at {}",
            first.position().end_offset
        );
    }
}

#[test]
fn the_metadata_version_comes_first() {
    let mut image = MetadataImage::new();
    image.apply_segment(LOG, Offset(i64::MAX)).unwrap();
    let first = image.to_records().next();
    assert!(
        matches!(&first, Some(MetadataRecord::FeatureLevel(FeatureLevelRecord { name, .. })) if name == METADATA_VERSION),
        "{first:?}"
    );
}
