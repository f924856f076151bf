//! Carries out one node's part of a plan.
//!
//! Order: refuse early; partitions; the log dirs' own files; the controller's checkpoint; everything synced; `meta.properties`
//! last. Until then no node can start from the directories. Running it again goes on where it broke off: partitions whose files
//! still have their recorded hashes are kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::TryStreamExt;
use maxbrod_kafka::metadata::{MetadataImage, TopicConfig};
use maxbrod_kafka::{
    BrokerEpoch, NodeId, Offset, ProducerEntry, SegmentLimits, TopicPartition, parse_producer_snapshot,
};
use maxbrod_repository::{ChunkReader, Cluster, Hash, Partition, PartitionSlot, Tree};
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::image::directory;
use crate::log_dir::{META_PROPERTIES, Restored, sync_file_system, write_broker_files, write_cluster_metadata, write_meta_properties};
use crate::partition_writer::{PartitionWriter, SegmentSettings};
use crate::plan::{LogDirPlan, NodePlan, Plan};
use crate::planning::{Source, rewritten_checkpoint};
use crate::progress_file::{FinishedPartition, ProgressFile};

/// Partitions written at the same time.
const PARALLEL: usize = 4;
/// Requests under way for each of them.
const AHEAD: usize = 2;
/// Indexes and small files, on top of the logs: one part in so many.
const OVERHEAD: u64 = 100;

/// What is to be applied, and how.
pub struct Apply<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The node.
    pub node: NodeId,
    /// Who shall own the files; otherwise whoever runs this.
    pub owner: Option<Owner>,
    /// Told of every partition that is done.
    pub progress: Arc<dyn Fn(Progress) + Send + Sync>,
}

/// An owner of files, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: Option<u32>,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Partitions done.
    pub partitions: u64,
    /// Bytes of log done.
    pub bytes: u64,
    /// Bytes of log in all.
    pub total_bytes: u64,
}

/// What a finished restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Partitions that the node now holds.
    pub partitions: u64,
    /// Those of them that an earlier attempt had finished.
    pub kept: u64,
    /// Bytes of log written by this attempt.
    pub bytes: u64,
    /// The plan's name.
    pub plan: Hash,
}

/// One partition's work.
struct Job {
    name: TopicPartition,
    slot: PartitionSlot,
    directory: usize,
}

/// What the workers share.
struct Shared {
    tree: Tree,
    reader: ChunkReader,
    settings: BTreeMap<String, SegmentSettings>,
}

/// Restores one node on this host.
pub async fn apply(cluster: &Cluster, order: Apply<'_>) -> Result<Applied> {
    let plan = order.plan;
    check_repository(cluster, plan)?;
    let node = plan.node(order.node)?;
    let tree = Tree::open(cluster, &plan.root).await?;
    let source = Source::read(&tree).await?;
    let (checkpoint, _) = rewritten_checkpoint(&source, plan)?;
    if Hash::of(&checkpoint) != plan.checkpoint.blake3 {
        let reason = "the KRaft checkpoint made here is not the planned one; use the maxbrod version that made the plan".to_owned();
        return Err(Error::Plan { reason });
    }
    let hash = plan.hash();
    let mut directories = prepare(node, plan, hash)?;
    let done = |kept, partitions, bytes| Applied { partitions, kept, bytes, plan: hash };
    if directories.iter().all(|(dir, progress)| progress.applied && dir.path.join(META_PROPERTIES).exists()) {
        let partitions = node.log_dirs.iter().map(|dir| dir.partitions).sum();
        return Ok(done(partitions, partitions, 0));
    }

    let jobs = jobs(&tree, &source, node).await?;
    let settings = settings(&tree, &source.checkpoint.image, node.node_id, &jobs);
    let shared = Arc::new(Shared { reader: ChunkReader::new(cluster), tree, settings });
    let outcome = write_partitions(shared, jobs, &mut directories, &order, node).await?;

    for (index, (dir, _)) in directories.iter().enumerate() {
        let partitions = outcome.restored.get(&index).map(Vec::as_slice).unwrap_or_default();
        if node.is_broker() {
            write_broker_files(&dir.path, partitions, node.broker_epoch.map(BrokerEpoch))?;
        }
        if node.is_controller() && dir.path == node.metadata_log_dir {
            write_cluster_metadata(&dir.path, &plan.checkpoint, &checkpoint)?;
        }
        if let Some(owner) = order.owner {
            give_to(owner, &dir.path)?;
        }
        sync_file_system(&dir.path)?;
    }
    for (_, progress) in &mut directories {
        progress.applied()?;
    }
    for (dir, _) in &directories {
        write_meta_properties(&dir.path, dir, &plan.cluster_id, node.node_id)?;
        if let Some(owner) = order.owner {
            give_to(owner, &dir.path.join(META_PROPERTIES))?;
        }
    }
    Ok(done(outcome.kept, outcome.partitions, outcome.bytes))
}

fn check_repository(cluster: &Cluster, plan: &Plan) -> Result<()> {
    let wrong = |reason: String| Err(Error::Plan { reason });
    let repository = cluster.repository().id().to_string();
    if plan.repository_id != repository {
        return wrong(format!("it is for the repository {}, this is {repository}", plan.repository_id));
    }
    if plan.cluster_id != cluster.id().0 {
        return wrong(format!("it is for the cluster {}, not for {}", plan.cluster_id, cluster.id()));
    }
    Ok(())
}

/// Makes the directories and their progress files; refuses what is in the way before anything is written.
fn prepare<'a>(node: &'a NodePlan, plan: &Plan, hash: Hash) -> Result<Vec<(&'a LogDirPlan, ProgressFile)>> {
    let mut needed: BTreeMap<u64, (u64, u64, PathBuf)> = BTreeMap::new();
    let mut directories = Vec::new();
    for dir in &node.log_dirs {
        fs::create_dir_all(&dir.path).map_err(Error::io("making", &dir.path))?;
        let progress = ProgressFile::open(&dir.path, hash, &plan.snapshot, node.node_id)?;
        let device = fs::metadata(&dir.path).map_err(Error::io("reading", &dir.path)).map(|meta| std::os::unix::fs::MetadataExt::dev(&meta))?;
        let free = free_bytes(&dir.path)?;
        let written: u64 = progress.finished.values().flat_map(|done| &done.files).map(|file| file.length).sum();
        let bytes = dir.log_bytes.saturating_add(dir.log_bytes / OVERHEAD).saturating_sub(written);
        let entry = needed.entry(device).or_insert((0, free, dir.path.clone()));
        entry.0 = entry.0.saturating_add(bytes);
        directories.push((dir, progress));
    }
    if let Some((needed, free, path)) = needed.into_values().find(|(needed, free, _)| needed > free) {
        return Err(Error::NoSpace { path, needed, free });
    }
    Ok(directories)
}

fn free_bytes(path: &Path) -> Result<u64> {
    let stats = nix::sys::statvfs::statvfs(path).map_err(|errno| Error::io("reading the free space of", path)(errno.into()))?;
    Ok(stats.blocks_available().saturating_mul(stats.fragment_size()))
}

/// Everything that the node's brokers hold of the snapshot, by the metadata.
async fn jobs(tree: &Tree, source: &Source, node: &NodePlan) -> Result<Vec<Job>> {
    let image = &source.checkpoint.image;
    let mut jobs = Vec::new();
    let mut topics = tree.topics();
    while let Some(topic) = topics.next().await? {
        for slot in &topic.partitions {
            let Some(record) = image.partition(topic.id, slot.partition) else { continue };
            if !record.replicas.contains(&NodeId(node.node_id)) {
                continue;
            }
            let id = directory(record, NodeId(node.node_id), &source.brokers).to_string();
            let directory = node.log_dirs.iter().position(|dir| dir.directory_id == id).ok_or_else(|| Error::Plan {
                reason: format!("node {} has no directory {id} for {}-{}", node.node_id, topic.name, slot.partition),
            })?;
            let name = TopicPartition { topic: topic.name.clone(), partition: slot.partition };
            jobs.push(Job { name, slot: *slot, directory });
        }
    }
    Ok(jobs)
}

/// The segment settings of every topic, by its configs and the node's `server.properties`.
fn settings(tree: &Tree, image: &MetadataImage, node: i32, jobs: &[Job]) -> BTreeMap<String, SegmentSettings> {
    let configured = tree.root().nodes.iter().find(|known| known.node_id == node).map(|known| &known.settings);
    let defaults = TopicConfig::of_broker(|key| configured?.get(key).map(String::as_str));
    jobs.iter()
        .map(|job| {
            let config = image.topic_config(&job.name.topic, &defaults);
            let limits = SegmentLimits {
                segment_bytes: u64::from(config.segment_bytes),
                index_bytes: u64::from(config.segment_index_bytes),
            };
            let settings = SegmentSettings { limits, index_interval_bytes: u64::from(config.index_interval_bytes) };
            (job.name.topic.clone(), settings)
        })
        .collect()
}

#[derive(Default)]
struct Outcome {
    /// By directory.
    restored: BTreeMap<usize, Vec<Restored>>,
    partitions: u64,
    kept: u64,
    bytes: u64,
}

/// A worker's report.
struct Done {
    directory: usize,
    restored: Restored,
    /// To be noted; none where an earlier attempt did it.
    finished: Option<FinishedPartition>,
    bytes: u64,
}

async fn write_partitions(
    shared: Arc<Shared>,
    jobs: Vec<Job>,
    directories: &mut [(&LogDirPlan, ProgressFile)],
    order: &Apply<'_>,
    node: &NodePlan,
) -> Result<Outcome> {
    let total_bytes = node.log_dirs.iter().map(|dir| dir.log_bytes).sum();
    let written = Arc::new(AtomicU64::new(0));
    let mut outcome = Outcome::default();
    let mut workers: JoinSet<Result<Done>> = JoinSet::new();
    let mut jobs = jobs.into_iter();
    loop {
        while workers.len() < PARALLEL {
            let Some(job) = jobs.next() else { break };
            let Some((dir, progress)) = directories.get_mut(job.directory) else { continue };
            let earlier = progress.finished.remove(&job.name.to_string());
            let (shared, written, path) = (Arc::clone(&shared), Arc::clone(&written), dir.path.clone());
            workers.spawn(async move { restore_partition(&shared, &job, &path, earlier, &written).await });
        }
        let Some(joined) = workers.join_next().await else { break };
        let done = joined.map_err(|error| Error::Worker(error.to_string()))??;
        outcome.partitions += 1;
        outcome.bytes += done.bytes;
        match (done.finished, directories.get_mut(done.directory)) {
            (Some(finished), Some((_, progress))) => progress.partition(finished)?,
            _ => outcome.kept += 1,
        }
        outcome.restored.entry(done.directory).or_default().push(done.restored);
        (order.progress)(Progress { partitions: outcome.partitions, bytes: written.load(Ordering::Relaxed), total_bytes });
    }
    for partitions in outcome.restored.values_mut() {
        partitions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    }
    Ok(outcome)
}

async fn restore_partition(
    shared: &Shared,
    job: &Job,
    log_dir: &Path,
    earlier: Option<FinishedPartition>,
    written: &AtomicU64,
) -> Result<Done> {
    let partition = shared.tree.partition(&job.slot).await?;
    let record = partition.record();
    let restored = |first_base| Restored {
        topic: job.name.topic.clone(),
        partition: job.name.partition,
        log_start: record.log_start,
        first_base,
        end: record.end.offset(),
    };
    let directory = log_dir.join(job.name.to_string());
    if let Some(earlier) = earlier
        && tokio::task::block_in_place(|| earlier.is_intact(&directory))?
    {
        written.fetch_add(partition.logical_bytes(), Ordering::Relaxed);
        let restored = restored(Offset(earlier.first_base));
        return Ok(Done { directory: job.directory, restored, finished: None, bytes: 0 });
    }
    remove_partial(&directory)?;
    let settings = shared.settings.get(&job.name.topic).copied().ok_or_else(|| Error::Worker("a topic without settings".to_owned()))?;
    let producers = producers(shared, &partition).await?;
    let mut writer = PartitionWriter::create(&job.name.to_string(), record, &directory, settings, producers)?;
    let mut chunks = std::pin::pin!(shared.reader.stream(shared.tree.chunks(&partition), AHEAD));
    while let Some((chunk, body)) = chunks.try_next().await? {
        tokio::task::block_in_place(|| writer.append(&chunk, &body))?;
        written.fetch_add(body.len() as u64, Ordering::Relaxed);
    }
    let done = tokio::task::block_in_place(|| writer.finish())?;
    let finished =
        FinishedPartition { partition: job.name.to_string(), first_base: done.first_base.0, files: done.files };
    Ok(Done {
        directory: job.directory,
        restored: restored(done.first_base),
        finished: Some(finished),
        bytes: partition.logical_bytes(),
    })
}

/// The source broker's own producer state, which knows producers whose batches retention has deleted.
async fn producers(shared: &Shared, partition: &Partition) -> Result<Option<(Offset, Vec<ProducerEntry>)>> {
    let Some(snapshot) = &partition.record().producer_snapshot else { return Ok(None) };
    let bytes = shared.reader.read(&snapshot.chunk).await?;
    let entries = parse_producer_snapshot(&bytes).map_err(|error| Error::Partition {
        partition: format!("{}-{}", partition.record().topic_id, partition.record().partition),
        reason: format!("the producer snapshot at offset {}: {error}", snapshot.offset),
    })?;
    Ok(Some((snapshot.offset, entries)))
}

fn remove_partial(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing the unfinished", directory)(error)),
        _ => Ok(()),
    }
}

fn give_to(owner: Owner, path: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(path) {
        let entry = entry.map_err(|error| Error::io("walking", path)(error.into()))?;
        std::os::unix::fs::chown(entry.path(), Some(owner.user), owner.group).map_err(Error::io("changing the owner of", entry.path()))?;
    }
    Ok(())
}
