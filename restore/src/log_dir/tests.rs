use std::collections::BTreeMap;
use std::fs;

use maxbrod_kafka::{Uuid, parse_offset_checkpoint};
use maxbrod_repository::Hash;

use super::*;
use crate::disk::HostDisk;

fn done(partition: &str, log_start: i64, first_base: i64, end: i64) -> FinishedPartition {
    FinishedPartition {
        partition: partition.to_owned(),
        log_start,
        first_base,
        end,
        files: BTreeMap::new(),
        digest: Hash::of(b""),
    }
}

fn offsets(directory: &Path, name: &str) -> Vec<(String, i64)> {
    let entries = parse_offset_checkpoint(&fs::read(directory.join(name)).unwrap()).unwrap();
    entries
        .into_iter()
        .map(|entry| (format!("{}/{}", entry.topic, entry.partition), entry.offset.0))
        .collect()
}

#[test]
fn a_log_dir_tells_the_broker_that_all_is_flushed_replicated_and_clean() {
    let folder = tempfile::tempdir().unwrap();
    let partitions = [
        done("a.b-c-0", 0, 0, 100),
        done("orders-11", 25, 20, 70),
        done("quiet-0", 5, 5, 5),
    ];
    write_broker_files(&HostDisk, folder.path(), partitions.iter(), Some(BrokerEpoch(123))).unwrap();
    let ends = [
        ("a.b-c/0".to_owned(), 100),
        ("orders/11".to_owned(), 70),
        ("quiet/0".to_owned(), 5),
    ];
    assert_eq!(offsets(folder.path(), RECOVERY_POINT), ends);
    assert_eq!(offsets(folder.path(), HIGH_WATERMARK), ends);
    assert_eq!(
        offsets(folder.path(), LOG_START),
        [("orders/11".to_owned(), 25)],
        "only where it is above the first segment"
    );
    let marker = fs::read_to_string(folder.path().join(CLEAN_SHUTDOWN)).unwrap();
    assert_eq!(marker, r#"{"version":0,"brokerEpoch":123}"#);
}

#[test]
fn a_controller_gets_one_checkpoint_and_neither_log_nor_quorum_state() {
    let folder = tempfile::tempdir().unwrap();
    let name = "00000000000000000500-0000001009.checkpoint";
    write_cluster_metadata(&HostDisk, folder.path(), name, b"bytes").unwrap();
    let mut names: Vec<String> = HostDisk
        .list(&folder.path().join(CLUSTER_METADATA))
        .unwrap()
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    names.sort();
    assert_eq!(names, [name, "partition.metadata"]);
}

#[test]
fn the_identity_is_that_of_the_lost_directory() {
    let folder = tempfile::tempdir().unwrap();
    let id = DirectoryId(Uuid([9; 16]));
    write_meta_properties(&HostDisk, folder.path(), "cluster", NodeId(3), Some(id)).unwrap();
    let meta = MetaProperties::parse(&fs::read_to_string(folder.path().join(META_PROPERTIES)).unwrap()).unwrap();
    assert_eq!(
        (meta.cluster_id.0.as_str(), meta.node_id, meta.directory_id),
        ("cluster", NodeId(3), Some(id))
    );
}
