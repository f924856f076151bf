//! What a real broker left after a clean stop (kafka/tests/fixtures), backed up and restored.

use std::collections::BTreeSet;

use maxbrod_kafka::{
    AbortedTransaction, MetaProperties, SegmentFile, parse_offset_checkpoint, parse_producer_snapshot,
};

use super::broker_files::{NodeFiles, of_kind, snapshot_of};
use super::*;
use crate::options::PathMap;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kafka/tests/fixtures/broker");

/// The fixture in a repository, and the plan that restores it into `folder/first` and `folder/second`.
async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let node = NodeFiles {
        id: 1,
        roles: &["broker", "controller"],
        dirs: ["first", "second"].map(|name| Path::new(FIXTURE).join(name)).into(),
        original: ["/kafka/first", "/kafka/second"].map(str::to_owned).into(),
        voters: String::new(),
    };
    let snapshot = snapshot_of(&[node], folder.path());
    let journal = snapshot.commit(&folder.path().join("repository")).await;
    let map = |name: &str| PathMap {
        node: NodeId(1),
        old: Path::new("/kafka").join(name),
        new: folder.path().join(name),
    };
    let options = PlanOptions {
        maps: vec![map("first"), map("second")],
        ..PlanOptions::default()
    };
    let plan = plan(&journal, "latest", &options).await.unwrap();
    Scene {
        cluster: journal.cluster().clone(),
        folder,
        plan,
    }
}

fn partitions(name: &str) -> Vec<String> {
    let entries = HostDisk.list(&Path::new(FIXTURE).join(name)).unwrap().unwrap();
    let directories = entries
        .into_iter()
        .filter(|entry| entry.is_dir && !entry.name.starts_with("__cluster"));
    directories.map(|entry| entry.name).collect()
}

#[tokio::test]
async fn logs_epochs_aborts_and_producers_come_back_as_the_broker_had_them() {
    let scene = scene().await;
    let applied = scene.apply_on(HostDisk, 1).await.unwrap();
    assert_eq!(
        applied.partitions as usize,
        partitions("first").len() + partitions("second").len()
    );
    for name in ["first", "second"] {
        for partition in partitions(name) {
            let kafka = tree(&Path::new(FIXTURE).join(name).join(&partition));
            let restored = tree(&scene.folder.path().join(name).join(&partition));
            let logs = |files| {
                of_kind(files, SegmentFile::Log)
                    .into_values()
                    .collect::<Vec<_>>()
                    .concat()
            };
            assert!(logs(&kafka) == logs(&restored), "{partition}");
            let same = |file: &str| assert_eq!(kafka[Path::new(file)], restored[Path::new(file)], "{partition}/{file}");
            // An epoch that starts at the very end has no batch, and a broker drops it as it loads the log.
            if partition != "empty-0" {
                same("leader-epoch-checkpoint");
            }
            same("partition.metadata");
            // Segments are cut elsewhere, but the transactions are the same ones.
            let aborts = |files| {
                let indexes = of_kind(files, SegmentFile::TxnIndex).into_values();
                indexes
                    .flat_map(|bytes| AbortedTransaction::parse_all(&bytes).unwrap())
                    .collect::<Vec<_>>()
            };
            assert_eq!(aborts(&kafka), aborts(&restored), "{partition}");
            let at_end = |files| {
                let newest = of_kind(files, SegmentFile::Snapshot).pop_last();
                let entries = newest.map(|(offset, bytes)| (offset, parse_producer_snapshot(&bytes).unwrap()));
                entries.map(|(offset, mut entries)| {
                    entries.sort_by_key(|entry| entry.producer_id);
                    (offset, entries)
                })
            };
            assert_eq!(at_end(&kafka), at_end(&restored), "{partition}");
        }
    }
}

#[tokio::test]
async fn log_dirs_and_identities_come_back_as_the_broker_had_them() {
    let scene = scene().await;
    scene.apply(1).await.unwrap();
    for name in ["first", "second"] {
        let (kafka, restored) = (Path::new(FIXTURE).join(name), scene.folder.path().join(name));
        let entries = |directory: &Path, file: &str| {
            let entries = parse_offset_checkpoint(&fs::read(directory.join(file)).unwrap()).unwrap();
            entries
                .into_iter()
                .map(|entry| (entry.topic, entry.partition, entry.offset))
                .collect::<BTreeSet<_>>()
        };
        for file in [
            "recovery-point-offset-checkpoint",
            "replication-offset-checkpoint",
            "log-start-offset-checkpoint",
        ] {
            assert_eq!(entries(&kafka, file), entries(&restored, file), "{name}/{file}");
        }
        let read = |directory: &Path, file: &str| fs::read_to_string(directory.join(file)).unwrap();
        assert_eq!(
            read(&kafka, ".kafka_cleanshutdown"),
            read(&restored, ".kafka_cleanshutdown")
        );
        let meta = |directory: &Path| MetaProperties::parse(&read(directory, "meta.properties")).unwrap();
        assert_eq!(meta(&kafka), meta(&restored));
    }
}
