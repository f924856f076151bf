//! From a snapshot to a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use maxbrod_kafka::metadata::{Checkpoint, MetadataImage, Position, encode_checkpoint};
use maxbrod_kafka::{DirectoryId, NodeId, PartitionId, ProducerId, TopicId, Uuid};
use maxbrod_proto::manifest::{Node, Root};
use maxbrod_repository::{ChunkReader, Hash, Journal, RootRef, Tree};

use crate::error::{Error, Result};
use crate::image::{Rewrite, directory, rewrite};
use crate::options::PlanOptions;
use crate::plan::{CheckpointPlan, HeldConfig, LogDirPlan, NodePlan, Plan, VERSION};

#[cfg(test)]
mod tests;

/// How far leader epochs are raised above the highest that was ever used.
const EPOCH_MARGIN: i32 = 1_000;

/// How far the next producer id is raised. The image is newer than every record in the snapshot, and a block of producer ids is
/// in the image before the first of them is handed out: the image's own next id is above all ids in the data. One block more
/// keeps restored brokers apart from what the lost cluster handed out after the snapshot's last phase began.
const PRODUCER_ID_MARGIN: i64 = 1_000_000;

/// What a snapshot's manifest tells about one partition's size.
#[derive(Clone, Copy, Debug)]
struct Held {
    log_bytes: u64,
}

/// A snapshot's metadata, as it was, and everything that its rewriting depends on.
pub(crate) struct Source {
    pub(crate) checkpoint: Checkpoint,
    /// The brokers that were backed up, with their directories. The others' replicas are not in sync after the restore.
    pub(crate) brokers: BTreeMap<NodeId, Vec<DirectoryId>>,
    held: BTreeMap<(TopicId, PartitionId), Held>,
}

/// Plans the restore of a snapshot by its id, or `latest`.
pub async fn plan(journal: &Journal, snapshot: &str, options: &PlanOptions) -> Result<Plan> {
    let committed = &journal.snapshot(snapshot)?.committed;
    let tree = Tree::open(journal.cluster(), &committed.root).await?;
    let source = Source::read(&tree).await?;
    let highest = journal.state().highest_leader_epoch.max(committed.highest_leader_epoch);
    decide(tree.root(), committed.root, highest, source, options)
}

impl Source {
    /// Reads the metadata and what is held of each partition.
    pub(crate) async fn read(tree: &Tree) -> Result<Self> {
        let snapshot = &tree.root().snapshot_id;
        let image = tree.metadata()?.ok_or_else(|| Error::NoMetadata { snapshot: snapshot.clone() })?;
        let reader = ChunkReader::new(tree.cluster());
        let mut bytes = Vec::with_capacity(usize::try_from(image.length).unwrap_or_default());
        for chunk in &image.chunks {
            bytes.extend_from_slice(&reader.read(chunk).await?);
        }
        let position = Position { end_offset: image.offset, epoch: image.epoch };
        let checkpoint = Checkpoint::decode(position, &bytes)
            .map_err(|error| Error::Metadata { snapshot: snapshot.clone(), reason: error.to_string() })?;
        let mut held = BTreeMap::new();
        let mut topics = tree.topics();
        while let Some(topic) = topics.next().await? {
            for slot in &topic.partitions {
                let partition = tree.partition(slot).await?;
                held.insert((topic.id, slot.partition), Held { log_bytes: partition.logical_bytes() });
            }
        }
        let brokers = checkpoint
            .image
            .brokers()
            .filter(|broker| tree.root().nodes.iter().any(|node| node.node_id == broker.broker_id.0))
            .map(|broker| (broker.broker_id, broker.log_dirs.clone()))
            .collect();
        Ok(Self { checkpoint, brokers, held })
    }
}

/// Decides everything, given what the snapshot says.
fn decide(root: &Root, reference: RootRef, highest: i32, source: Source, options: &PlanOptions) -> Result<Plan> {
    let image = &source.checkpoint.image;
    let mut nodes = Vec::new();
    for node in &root.nodes {
        nodes.push(node_plan(node, image, options)?);
    }
    check_nodes(&nodes, options)?;
    let next_producer_id = image.next_producer_id().unwrap_or(ProducerId(0)).0.saturating_add(PRODUCER_ID_MARGIN);
    let mut plan = Plan {
        version: VERSION,
        repository_id: root.repository_id.clone(),
        cluster_id: root.cluster_id.clone(),
        snapshot: root.snapshot_id.clone(),
        root: reference,
        leader_epoch: highest.max(0).saturating_add(EPOCH_MARGIN),
        next_producer_id,
        hold_retention: options.hold_retention,
        checkpoint: CheckpointPlan {
            name: String::new(),
            end_offset: image.position().end_offset.0,
            epoch: image.position().epoch.0.saturating_add(1),
            blake3: Hash::of(&[]),
        },
        nodes,
        held: Vec::new(),
        warnings: warnings(root),
    };
    let (rewritten, held) = rewritten_checkpoint(&source, &plan)?;
    plan.held = held;
    plan.checkpoint.name = plan.checkpoint.end().checkpoint_name();
    plan.checkpoint.blake3 = Hash::of(&rewritten);
    place_partitions(&source, &mut plan)?;
    if !options.nodes.is_empty() {
        plan.nodes.retain(|node| options.nodes.contains(&NodeId(node.node_id)));
    }
    Ok(plan)
}

/// The bytes of the checkpoint that every controller gets, and the configs that hold retention back.
pub(crate) fn rewritten_checkpoint(source: &Source, plan: &Plan) -> Result<(bytes::Bytes, Vec<HeldConfig>)> {
    let mut image = source.checkpoint.image.clone();
    let held: BTreeSet<(TopicId, PartitionId)> = source.held.keys().copied().collect();
    let choices = Rewrite {
        held: &held,
        brokers: &source.brokers,
        leader_epoch: plan.raised_leader_epoch(),
        next_producer_id: plan.raised_producer_id(),
        hold_retention: plan.hold_retention,
        end: plan.checkpoint.end(),
    };
    let configs = rewrite(&mut image, &choices);
    let bytes = encode_checkpoint(&image, &source.checkpoint.quorum, source.checkpoint.last_contained_log_timestamp)
        .map_err(|error| Error::Metadata { snapshot: plan.snapshot.clone(), reason: error.to_string() })?;
    Ok((bytes, configs))
}

fn node_plan(node: &Node, image: &MetadataImage, options: &PlanOptions) -> Result<NodePlan> {
    let id = NodeId(node.node_id);
    let place = |original: &str| {
        let original = PathBuf::from(original);
        let mapped = options.maps.iter().find(|map| map.node == id && map.old == original);
        mapped.map_or(original, |map| map.new.clone())
    };
    let mut log_dirs = Vec::new();
    for dir in &node.log_dirs {
        let bytes: [u8; 16] = dir.directory_id.as_ref().try_into().map_err(|_| Error::Metadata {
            snapshot: String::new(),
            reason: format!("the directory id of {} on node {id} is malformed", dir.path),
        })?;
        log_dirs.push(LogDirPlan {
            original: PathBuf::from(&dir.path),
            path: place(&dir.path),
            directory_id: DirectoryId(Uuid(bytes)).to_string(),
            partitions: 0,
            log_bytes: 0,
        });
    }
    Ok(NodePlan {
        node_id: node.node_id,
        roles: node.roles.clone(),
        broker_epoch: image.broker(id).map(|broker| broker.broker_epoch.0),
        metadata_log_dir: place(&node.metadata_log_dir),
        log_dirs,
    })
}

fn check_nodes(nodes: &[NodePlan], options: &PlanOptions) -> Result<()> {
    let known = || nodes.iter().map(|node| node.node_id.to_string()).collect::<Vec<_>>().join(", ");
    if let Some(node) = options.nodes.iter().find(|id| !nodes.iter().any(|node| node.node_id == id.0)) {
        return Err(Error::UnknownNode { node: node.0, known: known() });
    }
    for map in &options.maps {
        let text = || format!("{}:{}={}", map.node, map.old.display(), map.new.display());
        let Some(node) = nodes.iter().find(|node| node.node_id == map.node.0) else {
            return Err(Error::UnknownNode { node: map.node.0, known: known() });
        };
        if !node.log_dirs.iter().any(|dir| dir.original == map.old) {
            let dirs: Vec<String> = node.log_dirs.iter().map(|dir| dir.original.display().to_string()).collect();
            let reason = format!("node {} has the directories {}", map.node, dirs.join(", "));
            return Err(Error::Map { map: text(), reason });
        }
    }
    for node in nodes {
        let mut paths = BTreeSet::new();
        if let Some(twice) = node.log_dirs.iter().find(|dir| !paths.insert(&dir.path)) {
            let reason = format!("two directories of node {} would go there", node.node_id);
            return Err(Error::Map { map: twice.path.display().to_string(), reason });
        }
    }
    Ok(())
}

/// Counts what goes into each directory.
fn place_partitions(source: &Source, plan: &mut Plan) -> Result<()> {
    let image = &source.checkpoint.image;
    for ((topic, partition), held) in &source.held {
        let record = image.partition(*topic, *partition).ok_or_else(|| Error::Metadata {
            snapshot: plan.snapshot.clone(),
            reason: format!("partition {partition} of topic {topic} is in the manifest and not in the metadata"),
        })?;
        for node in &record.replicas {
            let directory = directory(record, *node, &source.brokers).to_string();
            let Some(node) = plan.nodes.iter_mut().find(|plan| plan.node_id == node.0) else { continue };
            let Some(dir) = node.log_dirs.iter_mut().find(|dir| dir.directory_id == directory) else {
                let reason = format!("the metadata puts a replica into directory {directory} of node {}, which its agent did not report", node.node_id);
                return Err(Error::Metadata { snapshot: plan.snapshot.clone(), reason });
            };
            dir.partitions += 1;
            dir.log_bytes += held.log_bytes;
        }
    }
    Ok(())
}

fn warnings(root: &Root) -> Vec<String> {
    let mut warnings: Vec<String> =
        root.gaps.iter().map(|gap| format!("the snapshot does not hold {}: {}", gap.what, gap.why)).collect();
    if root.consistency != "transactional" {
        warnings.push(format!(
            "the snapshot is {}: a transaction or a group offset may be torn between partitions",
            root.consistency
        ));
    }
    warnings.push(
        "offsets of groups without members expire by offsets.retention.minutes (7 days by default) from their commit on, \
         transactional ids by transactional.id.expiration.ms; raise them in server.properties before the first start if the \
         snapshot is older"
            .to_owned(),
    );
    warnings
}
