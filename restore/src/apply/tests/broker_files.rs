//! The directories of brokers after a clean stop, taken for a snapshot.

use maxbrod_kafka::metadata::{BatchContent, Checkpoint, MetadataBatches, MetadataImage, Position, Quorum};
use maxbrod_kafka::{
    Batches, ControlRecord, LogDirEntry, MetaProperties, SegmentFile, parse_leader_epochs, parse_offset_checkpoint,
};
use maxbrod_proto::manifest;
use maxbrod_repository::{BatchEnd, End};

use super::*;
use crate::sample::HeldLog;

/// A node's directories; the first holds the metadata. `original` is where the node had them.
pub(super) struct NodeFiles {
    pub(super) id: i32,
    pub(super) roles: &'static [&'static str],
    pub(super) dirs: Vec<PathBuf>,
    pub(super) original: Vec<String>,
    pub(super) voters: String,
}

/// A snapshot of everything in the nodes' directories.
pub(super) fn snapshot_of(nodes: &[NodeFiles], root: &Path) -> SampleSnapshot {
    let mut snapshot = SampleSnapshot::new(root, Vec::new());
    let images = nodes.iter().filter(|node| node.roles.contains(&"controller"));
    let images = images.map(|node| metadata(&node.dirs[0].join("__cluster_metadata-0")));
    // After a clean stop the controllers' logs end at different offsets.
    (snapshot.image, snapshot.quorum) = images.max_by_key(|(image, _)| image.position()).unwrap();
    snapshot.nodes.clear();
    let mut logs: BTreeMap<(TopicId, PartitionId), (String, HeldLog)> = BTreeMap::new();
    for node in nodes {
        let mut known = manifest::Node {
            node_id: node.id,
            roles: node.roles.iter().map(|role| (*role).to_owned()).collect(),
            metadata_log_dir: node.original[0].clone(),
            controller_quorum_voters: node.voters.clone(),
            ..manifest::Node::default()
        };
        for (directory, original) in node.dirs.iter().zip(&node.original) {
            let meta = MetaProperties::parse(&fs::read_to_string(directory.join("meta.properties")).unwrap()).unwrap();
            snapshot.cluster = meta.cluster_id.0;
            known.log_dirs.push(manifest::LogDir {
                path: original.clone(),
                directory_id: meta.directory_id.unwrap().0.0.to_vec().into(),
            });
            for (name, log) in partitions(directory) {
                let record = &log.log.record;
                let key = (record.topic_id, record.partition);
                if snapshot.image.partition(key.0, key.1).is_none() {
                    continue;
                }
                let longer = logs.get(&key).is_none_or(|(_, other)| other.log.end() < log.log.end());
                if longer {
                    logs.insert(key, (name, log));
                }
            }
        }
        snapshot.nodes.push(known);
    }
    for ((topic, _), (name, log)) in logs {
        match snapshot.held.last_mut() {
            Some(held) if held.topic == topic => held.logs.push(log),
            _ => {
                let mut held = Held::of(topic, &name, []);
                held.logs.push(log);
                snapshot.held.push(held);
            }
        }
    }
    snapshot
}

/// What the newest checkpoint and the log behind it add up to.
fn metadata(directory: &Path) -> (MetadataImage, Quorum) {
    let files = tree(directory);
    let checkpoints = files.iter().filter_map(|(path, bytes)| {
        let id = CheckpointId::parse(path.to_str()?)?;
        Some((id, bytes))
    });
    let (mut image, mut quorum) = match checkpoints.max_by_key(|(id, _)| *id) {
        Some((id, bytes)) => {
            let position = Position {
                end_offset: id.end_offset,
                epoch: id.epoch,
            };
            let checkpoint = Checkpoint::decode(position, bytes).unwrap();
            (checkpoint.image, checkpoint.quorum)
        }
        None => (MetadataImage::new(), Quorum::Static),
    };
    let logs = files
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "log"));
    for (_, bytes) in logs {
        for batch in MetadataBatches::new(bytes, 0) {
            let batch = batch.unwrap();
            if batch.base_offset < image.position().end_offset {
                continue;
            }
            match batch.content {
                BatchContent::Data(records) => {
                    for (offset, record) in records {
                        image.apply(offset, batch.end.epoch, record).unwrap();
                    }
                }
                BatchContent::Control(records) => {
                    for (_, record) in records {
                        if let ControlRecord::KRaftVoters(voters) = record {
                            quorum = Quorum::Dynamic(voters);
                        }
                    }
                    image.set_position(batch.end);
                }
            }
        }
    }
    (image, quorum)
}

/// The partitions in a log dir, by their topics' names.
fn partitions(directory: &Path) -> Vec<(String, HeldLog)> {
    let starts = fs::read(directory.join("log-start-offset-checkpoint")).unwrap_or_default();
    let starts = parse_offset_checkpoint(&starts).unwrap_or_default();
    let mut partitions = Vec::new();
    for entry in HostDisk.list(directory).unwrap().unwrap() {
        let LogDirEntry::Partition(name) = LogDirEntry::of(&entry.name) else {
            continue;
        };
        let path = directory.join(&entry.name);
        if !entry.is_dir || !path.join("partition.metadata").exists() {
            continue;
        }
        let topic = parse_partition_metadata(&fs::read(path.join("partition.metadata")).unwrap()).unwrap();
        let mut held = log(&path, topic, name.partition.0);
        let start = starts
            .iter()
            .find(|start| start.topic == name.topic && start.partition == name.partition);
        if let Some(start) = start {
            held.log.record.log_start = start.offset;
        }
        held.log.record.compacted = name.topic.contains("compacted") || name.topic.starts_with("__");
        partitions.push((name.topic, held));
    }
    partitions
}

/// A partition's directory as a log in chunks, a segment each, with the newest producer snapshot that is not the last one.
fn log(directory: &Path, topic: TopicId, partition: i32) -> HeldLog {
    let files = tree(directory);
    let segments = of_kind(&files, SegmentFile::Log);
    let mut log = LogBuilder::at(segments.first_key_value().unwrap().0.0).log(topic, partition, 1);
    log.chunks = segments.into_values().filter(|bytes| !bytes.is_empty()).collect();
    if let Some(chunk) = log.chunks.last() {
        let header = Batches::new(chunk, 0).last().unwrap().unwrap().header.unwrap();
        log.record.end = End::After(BatchEnd {
            end_offset: header.next_offset(),
            leader_epoch: header.leader_epoch,
            crc: header.crc,
        });
    }
    // Before its first use the file is empty.
    let epochs = parse_leader_epochs(&files[Path::new("leader-epoch-checkpoint")]).unwrap_or_default();
    log.record.leader_epochs = epochs.iter().map(|entry| (entry.epoch, entry.start_offset)).collect();
    let mut snapshots = of_kind(&files, SegmentFile::Snapshot);
    snapshots.pop_last();
    let producers = snapshots.pop_last().map(|(offset, bytes)| (offset.0, bytes));
    HeldLog { log, producers }
}

/// The files of a kind by the offsets in their names.
pub(super) fn of_kind(
    files: &BTreeMap<PathBuf, Vec<u8>>,
    kind: SegmentFile,
) -> BTreeMap<maxbrod_kafka::Offset, Vec<u8>> {
    let named = files.iter().filter_map(|(path, bytes)| {
        let (offset, found) = SegmentFile::parse(path.to_str()?)?;
        (found == kind).then(|| (offset, bytes.clone()))
    });
    named.collect()
}
