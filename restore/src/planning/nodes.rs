//! Nodes and their directories.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use maxbrod_kafka::metadata::Quorum;
use maxbrod_kafka::{DirectoryId, NodeId, Uuid};
use maxbrod_proto::manifest;

use super::{Contents, Known, brokers, first, place_of};
use crate::error::{Error, Result};
use crate::options::{PathMap, PlanOptions};
use crate::plan::{LogDirPlan, NodePlan, Plan};
use crate::source::Source;

/// Of a partition's directory besides its log, whatever its size: small files, each of which takes a block.
const SPACE_PER_PARTITION: u64 = 32 << 10;
/// Indexes take up to 20 bytes for each `index.interval.bytes`, 4 KiB by default; with some reserve: one part in so many.
const INDEXES: u64 = 100;
/// Checkpoints, and the metadata.
const SPACE_PER_DIRECTORY: u64 = 16 << 20;

/// The nodes to be restored, their directories still empty.
pub(super) fn nodes(source: &Source, options: &PlanOptions) -> Result<Vec<NodePlan>> {
    let known = || {
        let ids: Vec<String> = source.nodes.iter().map(|node| node.node_id.to_string()).collect();
        ids.join(", ")
    };
    let asked = options.nodes.iter().chain(options.maps.iter().map(|map| &map.node));
    for id in asked {
        if !source.nodes.iter().any(|node| node.node_id == id.0) {
            return Err(Error::UnknownNode {
                node: id.0,
                known: known(),
            });
        }
    }
    let mut nodes = Vec::new();
    for node in &source.nodes {
        if options.nodes.is_empty() || options.nodes.contains(&NodeId(node.node_id)) {
            nodes.push(plan_of(node, source, &options.maps)?);
        }
    }
    nodes.sort_by_key(|node| node.node_id);
    Ok(nodes)
}

fn plan_of(node: &manifest::Node, source: &Source, maps: &[PathMap]) -> Result<NodePlan> {
    let id = NodeId(node.node_id);
    let mut log_dirs = Vec::new();
    for dir in &node.log_dirs {
        log_dirs.push(log_dir(
            Path::new(&dir.path),
            directory_id(&dir.directory_id, node, source)?,
        ));
    }
    let metadata = Path::new(&node.metadata_log_dir);
    if !node.metadata_log_dir.is_empty() && !log_dirs.iter().any(|dir| dir.original == metadata) {
        log_dirs.push(log_dir(metadata, voter_directory(id, source)));
    }
    if log_dirs.is_empty() {
        return Err(Error::Metadata {
            snapshot: source.snapshot.clone(),
            reason: format!("node {id} is in it without any directory"),
        });
    }
    for map in maps.iter().filter(|map| map.node == id) {
        apply_map(map, &mut log_dirs)?;
    }
    let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
    // Components without `.` and doubled slashes: two spellings of one path are one.
    if let Some(twice) = log_dirs
        .iter()
        .find(|dir| !paths.insert(dir.path.components().collect()))
    {
        return Err(Error::Map {
            map: format!("{id}:{}={}", twice.original.display(), twice.path.display()),
            reason: format!("two directories of node {id} would go there"),
        });
    }
    if let Some(relative) = log_dirs.iter().find(|dir| !dir.path.is_absolute()) {
        return Err(Error::Map {
            map: format!("{id}:{}", relative.original.display()),
            reason: "the node's directory is a relative path".to_owned(),
        });
    }
    let metadata_log_dir = log_dirs
        .iter()
        .find(|dir| dir.original == metadata)
        .map_or_else(PathBuf::new, |dir| dir.path.clone());
    let plan = NodePlan {
        node_id: node.node_id,
        roles: node.roles.clone(),
        broker_epoch: source.checkpoint.image.broker(id).map(|broker| broker.broker_epoch.0),
        metadata_log_dir,
        log_dirs,
    };
    if plan.is_controller() && plan.metadata_log_dir.as_os_str().is_empty() {
        return Err(Error::Metadata {
            snapshot: source.snapshot.clone(),
            reason: format!("the controller {id} is in it without its metadata directory"),
        });
    }
    Ok(plan)
}

fn log_dir(original: &Path, id: Option<DirectoryId>) -> LogDirPlan {
    LogDirPlan {
        original: original.to_owned(),
        path: original.to_owned(),
        directory_id: id.map(|id| id.to_string()),
        partitions: 0,
        log_bytes: 0,
        space_bytes: 0,
    }
}

fn apply_map(map: &PathMap, log_dirs: &mut [LogDirPlan]) -> Result<()> {
    let error = |reason: String| Error::Map {
        map: format!("{}:{}={}", map.node, map.old.display(), map.new.display()),
        reason,
    };
    let known: Vec<String> = log_dirs.iter().map(|dir| dir.original.display().to_string()).collect();
    let dir = log_dirs
        .iter_mut()
        .find(|dir| dir.original == map.old)
        .ok_or_else(|| error(format!("node {} has the directories {}", map.node, known.join(", "))))?;
    if dir.path != dir.original {
        return Err(error(format!("it is mapped to {} already", dir.path.display())));
    }
    dir.path.clone_from(&map.new);
    Ok(())
}

/// A directory's id; none where its agent did not tell one.
fn directory_id(bytes: &[u8], node: &manifest::Node, source: &Source) -> Result<Option<DirectoryId>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes = bytes.try_into().map_err(|_| Error::Metadata {
        snapshot: source.snapshot.clone(),
        reason: format!("a directory id of node {} is malformed", node.node_id),
    })?;
    Ok(Some(DirectoryId(Uuid(bytes))))
}

/// The id of a metadata directory that is not among the log dirs. A static quorum does not care; in a dynamic one a node whose
/// directory has another id is no voter (K§4.6).
fn voter_directory(node: NodeId, source: &Source) -> Option<DirectoryId> {
    let Quorum::Dynamic(voters) = &source.checkpoint.quorum else {
        return None;
    };
    let voter = voters.voters.iter().find(|voter| voter.voter_id == node)?;
    Some(voter.voter_directory_id)
}

/// Counts what goes into each directory.
pub(super) fn place(known: &Known<'_>, source: &Source, contents: &Contents, plan: &mut Plan) -> Result<()> {
    let image = &source.checkpoint.image;
    let brokers = brokers(plan)?;
    let mut orphans = Vec::new();
    let mut holders: BTreeSet<NodeId> = BTreeSet::new();
    for key in &contents.restored {
        let Some(record) = image.partition(key.0, key.1) else {
            continue;
        };
        let bytes = known.sizes.get(key).map_or(0, |size| size.log_bytes);
        let mut replicas = 0;
        for node in plan.nodes.iter_mut().filter(|node| node.is_broker()) {
            let place = place_of(record, node, &brokers);
            if let Some(dir) = place.and_then(|place| node.log_dirs.get_mut(place)) {
                replicas += 1;
                dir.partitions += 1;
                dir.log_bytes = dir.log_bytes.saturating_add(bytes);
            }
        }
        if replicas == 0 {
            let topic = image
                .topic(key.0)
                .map_or_else(|| key.0.to_string(), |topic| topic.name().to_owned());
            orphans.push(format!("{topic}-{}", key.1));
            holders.extend(&record.replicas);
        }
    }
    if !orphans.is_empty() {
        return Err(Error::NoReplica {
            count: orphans.len(),
            partitions: first(&orphans),
            nodes: holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        });
    }
    for dir in plan.nodes.iter_mut().flat_map(|node| &mut node.log_dirs) {
        dir.space_bytes = dir
            .log_bytes
            .saturating_add(dir.log_bytes / INDEXES)
            .saturating_add(dir.partitions.saturating_mul(SPACE_PER_PARTITION))
            .saturating_add(SPACE_PER_DIRECTORY);
    }
    Ok(())
}

/// Says which replicas must be filled from the others.
pub(super) fn warnings(source: &Source, plan: &Plan) -> Option<String> {
    let image = &source.checkpoint.image;
    let elsewhere: BTreeSet<NodeId> = image
        .topics()
        .flat_map(|topic| topic.partitions())
        .flat_map(|partition| partition.replicas.iter().copied())
        .filter(|node| !plan.nodes.iter().any(|plan| plan.node_id == node.0))
        .collect();
    let nodes: Vec<String> = elsewhere.iter().map(ToString::to_string).collect();
    (!nodes.is_empty()).then(|| {
        format!(
            "the brokers {} are not restored; their replicas are out of sync until they have fetched everything from the \
             others. Empty their directories before they are started",
            nodes.join(", ")
        )
    })
}
