//! The metadata log, checkpoints, `quorum-state` and coordinators' topics that a real broker left behind (fixtures/broker.sh).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what helpers of tests cannot do, the test cannot do"
)]

use std::fs;
use std::path::{Path, PathBuf};

use maxbrod_kafka::consumer_offsets::GroupRecord;
use maxbrod_kafka::metadata::record::{PartitionRecord, RegisterBrokerRecord};
use maxbrod_kafka::metadata::{
    Checkpoint, METADATA_VERSION, MetadataImage, MetadataRecord, Position, Quorum, encode_checkpoint,
};
use maxbrod_kafka::transaction_state::TransactionRecord;
use maxbrod_kafka::{Batches, NodeId, Offset, PartitionId, QuorumState, coordinator_partition, records};

/// The files of a kind in the directories of the broker whose names begin with `topic`, in the order of their names.
fn files(topic: &str, suffix: &str) -> Vec<PathBuf> {
    let broker = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broker");
    let inside = |dir: &Path| {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut files = Vec::new();
    for log_dir in inside(&broker) {
        for dir in inside(&log_dir)
            .into_iter()
            .filter(|dir| dir.is_dir() && name(dir).starts_with(topic))
        {
            files.extend(inside(&dir).into_iter().filter(|file| name(file).ends_with(suffix)));
        }
    }
    files.sort();
    assert!(!files.is_empty(), "the broker left no {topic}*/*{suffix}");
    files
}

type KeyValue = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The records of a file: key and value.
fn key_values(file: &Path) -> Vec<KeyValue> {
    let bytes = fs::read(file).unwrap();
    let mut pairs = Vec::new();
    for batch in Batches::new(&bytes, 0) {
        let batch = batch.unwrap();
        if batch.header.unwrap().attributes.is_control() {
            continue;
        }
        for record in records(&batch).unwrap() {
            let record = record.unwrap();
            pairs.push((record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec)));
        }
    }
    pairs
}

fn checkpoint(file: &Path) -> Checkpoint {
    let position = Position::of_checkpoint_name(file.file_name().unwrap().to_str().unwrap()).unwrap();
    Checkpoint::decode(position, &fs::read(file).unwrap()).unwrap()
}

/// What a snapshot says of the same state: newest versions, no empty lists.
fn state(image: &MetadataImage) -> Vec<MetadataRecord> {
    let as_kafka_writes = |record| match record {
        MetadataRecord::Partition(mut partition) => {
            partition.version = PartitionRecord::default().version;
            partition.set_elr(
                partition.elr().to_vec(),
                partition.last_known_elr.clone().unwrap_or_default(),
            );
            partition.into()
        }
        MetadataRecord::RegisterBroker(mut broker) => {
            broker.version = RegisterBrokerRecord::default().version;
            broker.log_dirs.sort();
            broker.end_points.sort_by(|a, b| a.name.cmp(&b.name));
            broker.features.sort_by(|a, b| a.name.cmp(&b.name));
            broker.into()
        }
        MetadataRecord::RegisterController(mut controller) => {
            controller.end_points.sort_by(|a, b| a.name.cmp(&b.name));
            controller.features.sort_by(|a, b| a.name.cmp(&b.name));
            controller.into()
        }
        other => other,
    };
    image.to_records().map(as_kafka_writes).collect()
}

/// The image at the end of the log, from the oldest checkpoint on; on the way every newer checkpoint is met.
fn replay_log() -> MetadataImage {
    let checkpoints = files("__cluster_metadata-0", ".checkpoint");
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for file in files("__cluster_metadata-0", ".log") {
        segments.push(fs::read(file).unwrap());
    }
    let mut image = checkpoint(&checkpoints[0]).image;
    for file in &checkpoints[1..] {
        let kafkas = checkpoint(file).image;
        for segment in &segments {
            image.apply_segment(segment, kafkas.position().end_offset).unwrap();
        }
        assert_eq!(image.position(), kafkas.position());
        assert_eq!(state(&image), state(&kafkas), "at {}", file.display());
    }
    for segment in &segments {
        image.apply_segment(segment, Offset(i64::MAX)).unwrap();
    }
    image
}

#[test]
fn the_metadata_log_leads_from_each_checkpoint_to_the_next() {
    assert!(files("__cluster_metadata-0", ".checkpoint").len() > 1);
    let image = replay_log();
    assert!(image.feature_level(METADATA_VERSION).unwrap() >= 25);
    assert_eq!(image.not_understood().count(), 0);
    for topic in ["plain", "bank", "stamped", "indexed", "empty", "compacted"] {
        let topic = image.topic_named(topic).unwrap();
        assert_eq!(topic.partition(PartitionId(0)).unwrap().members(), [NodeId(1)]);
    }
    assert_eq!(image.broker(NodeId(1)).unwrap().log_dirs.len(), 2);
    let defaults = maxbrod_kafka::metadata::TopicConfig::default();
    let compacted = image.topic_config("compacted", &defaults);
    assert!(compacted.cleanup_policy.compact && !compacted.cleanup_policy.delete);
    assert_eq!(image.topic_config("indexed", &defaults).index_interval_bytes, 300);
}

#[test]
fn every_metadata_record_comes_back_byte_for_byte() {
    for suffix in [".log", ".checkpoint"] {
        for file in files("__cluster_metadata-0", suffix) {
            for (_, value) in key_values(&file) {
                let value = value.unwrap();
                let record = MetadataRecord::decode(&value).unwrap();
                assert!(!matches!(record, MetadataRecord::Unknown { .. }), "{record:?}");
                assert_eq!(record.encode().unwrap(), value, "{record:?}");
            }
        }
    }
}

#[test]
fn the_end_of_the_log_survives_a_checkpoint_of_ours() {
    let image = replay_log();
    let quorum = checkpoint(files("__cluster_metadata-0", ".checkpoint").last().unwrap()).quorum;
    let Quorum::Dynamic(voters) = &quorum else {
        panic!("{quorum:?}")
    };
    assert_eq!(
        voters.voters.iter().map(|voter| voter.voter_id).collect::<Vec<_>>(),
        [NodeId(1)]
    );
    let bytes = encode_checkpoint(&image, &quorum, 1_750_000_000_000).unwrap();
    let read = Checkpoint::decode(image.position(), &bytes).unwrap();
    assert_eq!(read.quorum, quorum);
    assert_eq!(state(&read.image), state(&image));
}

#[test]
fn what_the_format_tool_leaves_behind_is_read() {
    let first = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broker/first/bootstrap.checkpoint");
    let checkpoint = Checkpoint::decode(Position::default(), &fs::read(first).unwrap()).unwrap();
    assert!(checkpoint.image.feature_level(METADATA_VERSION).unwrap() >= 25);
    assert_eq!(checkpoint.image.topics().count(), 0);
}

#[test]
fn the_quorum_state_names_the_leader() {
    for file in files("__cluster_metadata-0", "quorum-state") {
        let state = QuorumState::parse(&fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!((state.leader, state.data_version), (Some(NodeId(1)), 1));
    }
}

#[test]
fn every_transactional_id_is_in_its_partition_and_comes_back_byte_for_byte() {
    let mut last = std::collections::BTreeMap::new();
    for partition in 0..2 {
        for file in files(&format!("__transaction_state-{partition}"), ".log") {
            for (key, value) in key_values(&file) {
                let key = key.unwrap();
                let record = TransactionRecord::decode(&key, value.as_deref()).unwrap();
                assert_eq!(record.encode_key().unwrap(), key);
                assert_eq!(
                    record.encode_value().unwrap().as_deref(),
                    value.as_deref(),
                    "{record:?}"
                );
                assert_eq!(
                    coordinator_partition(&record.transactional_id, 2),
                    Some(PartitionId(partition))
                );
                last.insert(record.transactional_id, record.value);
            }
        }
    }
    assert!(
        last.contains_key("compactor") && last.contains_key("teller-0"),
        "{last:?}"
    );
    assert!(last.values().flatten().all(|value| value.status().is_some()));
    assert!(
        last.values()
            .flatten()
            .any(|value| value.client_transaction_version == 2)
    );
}

#[test]
fn every_group_is_in_its_partition_and_comes_back_byte_for_byte() {
    let mut commits = 0;
    for partition in 0..2 {
        for file in files(&format!("__consumer_offsets-{partition}"), ".log") {
            for (key, value) in key_values(&file) {
                let key = key.unwrap();
                let record = GroupRecord::decode(&key, value.as_deref()).unwrap();
                assert_eq!(record.encode_key().unwrap(), key);
                assert_eq!(
                    record.encode_value().unwrap().as_deref(),
                    value.as_deref(),
                    "{record:?}"
                );
                assert!(record.kind().name().is_some(), "{record:?}");
                assert_eq!(
                    coordinator_partition(record.group().unwrap(), 2),
                    Some(PartitionId(partition))
                );
                commits += usize::from(matches!(record, GroupRecord::OffsetCommit { value: Some(_), .. }));
            }
        }
    }
    assert!(commits > 4, "{commits}");
}
