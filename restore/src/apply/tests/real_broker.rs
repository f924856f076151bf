//! What a real broker left after a clean stop (kafka/tests/fixtures), backed up and restored.

use std::collections::BTreeSet;

use maxbrod_kafka::metadata::Checkpoint;
use maxbrod_kafka::{
    AbortedTransaction, Batches, LogDirEntry, MetaProperties, Offset, SegmentFile, parse_leader_epochs,
    parse_offset_checkpoint, parse_producer_snapshot,
};
use maxbrod_proto::manifest;
use maxbrod_repository::{BatchEnd, End};

use super::*;
use crate::options::PathMap;
use crate::sample::HeldLog;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kafka/tests/fixtures/broker");

/// A partition's directory, as a log in chunks, with the newest producer snapshot that is not its last one.
fn log(directory: &Path, topic: TopicId, partition: i32) -> HeldLog {
    let files = tree(directory);
    let of_kind = |kind: SegmentFile| {
        let named = files.iter().filter_map(move |(path, bytes)| {
            let (offset, found) = SegmentFile::parse(path.to_str()?)?;
            (found == kind).then(|| (offset.0, bytes.clone()))
        });
        named.collect::<Vec<_>>()
    };
    let segments = of_kind(SegmentFile::Log);
    let mut log = LogBuilder::at(segments[0].0).log(topic, partition, 1);
    log.chunks = segments
        .into_iter()
        .map(|(_, bytes)| bytes)
        .filter(|bytes| !bytes.is_empty())
        .collect();
    if let Some(chunk) = log.chunks.last() {
        let header = Batches::new(chunk, 0).last().unwrap().unwrap().header.unwrap();
        log.record.end = End::After(BatchEnd {
            end_offset: header.next_offset(),
            leader_epoch: header.leader_epoch,
            crc: header.crc,
        });
    }
    let epochs = parse_leader_epochs(&files[Path::new("leader-epoch-checkpoint")]).unwrap();
    log.record.leader_epochs = epochs.iter().map(|entry| (entry.epoch, entry.start_offset)).collect();
    let mut snapshots = of_kind(SegmentFile::Snapshot);
    snapshots.pop();
    HeldLog {
        log,
        producers: snapshots.pop(),
    }
}

/// The fixture in a repository, and the plan that restores it into `folder/first` and `folder/second`.
async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let metadata = Path::new(FIXTURE).join("first/__cluster_metadata-0");
    let newest = fs::read_dir(&metadata)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let newest = newest.filter_map(|name| CheckpointId::parse(&name)).max().unwrap();
    let position = maxbrod_kafka::metadata::Position {
        end_offset: newest.end_offset,
        epoch: newest.epoch,
    };
    let checkpoint = Checkpoint::decode(position, &fs::read(metadata.join(newest.file_name())).unwrap()).unwrap();
    let mut snapshot = SampleSnapshot::new(folder.path(), Vec::new());
    let mut node = manifest::Node {
        node_id: 1,
        roles: vec!["broker".to_owned(), "controller".to_owned()],
        metadata_log_dir: "/kafka/first".to_owned(),
        ..manifest::Node::default()
    };
    let mut held: BTreeMap<TopicId, Held> = BTreeMap::new();
    for name in ["first", "second"] {
        let directory = Path::new(FIXTURE).join(name);
        let meta = MetaProperties::parse(&fs::read_to_string(directory.join("meta.properties")).unwrap()).unwrap();
        snapshot.cluster = meta.cluster_id.0;
        node.log_dirs.push(manifest::LogDir {
            path: format!("/kafka/{name}"),
            directory_id: meta.directory_id.unwrap().0.0.to_vec().into(),
        });
        let starts =
            parse_offset_checkpoint(&fs::read(directory.join("log-start-offset-checkpoint")).unwrap()).unwrap();
        for entry in HostDisk
            .list(&directory)
            .unwrap()
            .unwrap()
            .into_iter()
            .filter(|entry| entry.is_dir)
        {
            let LogDirEntry::Partition(partition) = LogDirEntry::of(&entry.name) else {
                continue;
            };
            let path = directory.join(&entry.name);
            let topic = parse_partition_metadata(&fs::read(path.join("partition.metadata")).unwrap()).unwrap();
            let mut held_log = log(&path, topic, partition.partition.0);
            let start = starts
                .iter()
                .find(|start| start.topic == partition.topic && start.partition == partition.partition);
            if let Some(start) = start {
                held_log.log.record.log_start = start.offset;
            }
            held_log.log.record.compacted = partition.topic == "compacted" || partition.topic.starts_with("__");
            let topic = held
                .entry(topic)
                .or_insert_with(|| Held::of(topic, &partition.topic, []));
            topic.logs.push(held_log);
        }
    }
    for topic in held.values_mut() {
        topic.logs.sort_by_key(|held| held.log.record.partition);
    }
    snapshot.image = checkpoint.image;
    snapshot.quorum = checkpoint.quorum;
    snapshot.nodes = vec![node];
    snapshot.held = held.into_values().collect();
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

fn of_kind(files: &BTreeMap<PathBuf, Vec<u8>>, kind: SegmentFile) -> BTreeMap<Offset, Vec<u8>> {
    let named = files.iter().filter_map(|(path, bytes)| {
        let (offset, found) = SegmentFile::parse(path.to_str()?)?;
        (found == kind).then(|| (offset, bytes.clone()))
    });
    named.collect()
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
