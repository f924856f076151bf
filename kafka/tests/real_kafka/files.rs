//! The small files of log dirs and partitions.

use std::collections::BTreeMap;
use std::fs;

use maxbrod_kafka::{
    LeaderEpoch, LogDirEntry, MetaProperties, NodeId, Offset, Properties, TopicId, parse_clean_shutdown,
    parse_leader_epochs, parse_offset_checkpoint, parse_partition_metadata, write_clean_shutdown, write_leader_epochs,
    write_offset_checkpoint, write_partition_metadata,
};

use crate::{Partition, Tally, log_dirs};

#[test]
fn checkpoints_are_written_byte_for_byte() {
    let mut tally = Tally::default();
    for dir in log_dirs() {
        for name in [
            "replication-offset-checkpoint",
            "recovery-point-offset-checkpoint",
            "log-start-offset-checkpoint",
            "cleaner-offset-checkpoint",
        ] {
            let bytes = fs::read(dir.join(name)).unwrap();
            if bytes.is_empty() {
                // Made with the log dir, and never written since.
                assert_eq!(name, "cleaner-offset-checkpoint");
                continue;
            }
            let entries = parse_offset_checkpoint(&bytes).unwrap();
            assert_eq!(write_offset_checkpoint(&entries).as_bytes(), bytes, "{name}");
            tally.count("offsets", entries.len());
        }
    }
    for partition in Partition::all() {
        let bytes = fs::read(partition.dir.join("leader-epoch-checkpoint")).unwrap();
        let entries = parse_leader_epochs(&bytes).unwrap();
        assert_eq!(write_leader_epochs(&entries).as_bytes(), bytes, "{}", partition.name);
        assert_eq!(entries.last().unwrap().epoch, LeaderEpoch(2), "{}", partition.name);
        tally.count("leader epochs", entries.len());
    }
    tally.at_least("offsets", 20);
    tally.at_least("leader epochs", 20);
}

#[test]
fn a_clean_stop_leaves_every_high_watermark_at_the_logs_end() {
    for dir in log_dirs() {
        let bytes = fs::read(dir.join("replication-offset-checkpoint")).unwrap();
        for entry in parse_offset_checkpoint(&bytes).unwrap() {
            let partition = Partition::named(&format!("{}-{}", entry.topic, entry.partition));
            let last = partition.segments().into_iter().flat_map(|(_, log)| {
                let batches = maxbrod_kafka::Batches::new(&log, 0);
                batches.last().map(|batch| batch.unwrap().next_offset())
            });
            assert_eq!(last.max().unwrap_or(Offset(0)), entry.offset, "{}", partition.name);
        }
    }
}

#[test]
fn both_log_dirs_belong_to_the_node_and_have_ids_of_their_own() {
    let metas = log_dirs().map(|dir| {
        let bytes = fs::read(dir.join("meta.properties")).unwrap();
        let meta = MetaProperties::parse(std::str::from_utf8(&bytes).unwrap()).unwrap();
        assert_eq!(Properties::parse(&meta.render()), Properties::from_bytes(&bytes));
        meta
    });
    for meta in &metas {
        assert_eq!(meta.cluster_id.to_string(), "bWF4YnJvZC1maXh0dXJlMQ");
        assert_eq!(meta.node_id, NodeId(1));
        assert!(!meta.directory_id.unwrap().is_reserved());
    }
    assert_ne!(metas[0].directory_id, metas[1].directory_id);
}

#[test]
fn the_clean_stop_is_written_byte_for_byte() {
    let epochs = log_dirs().map(|dir| {
        let bytes = fs::read(dir.join(".kafka_cleanshutdown")).unwrap();
        let epoch = parse_clean_shutdown(&bytes).unwrap();
        assert_eq!(write_clean_shutdown(epoch).as_bytes(), bytes);
        epoch
    });
    assert_eq!(epochs[0], epochs[1]);
}

#[test]
fn all_partitions_of_a_topic_have_its_id() {
    let mut topics: BTreeMap<String, TopicId> = BTreeMap::new();
    for partition in Partition::all() {
        let bytes = fs::read(partition.dir.join("partition.metadata")).unwrap();
        let id = parse_partition_metadata(&bytes).unwrap();
        assert_eq!(write_partition_metadata(id).as_bytes(), bytes, "{}", partition.name);
        if let LogDirEntry::Partition(found) = LogDirEntry::of(&partition.name) {
            assert_eq!(*topics.entry(found.topic).or_insert(id), id, "{}", partition.name);
        } else {
            assert_eq!(id, TopicId::METADATA);
        }
    }
    assert_eq!(topics.len(), 8);
}
