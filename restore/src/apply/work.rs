//! The partitions of a node, written a few at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use maxbrod_kafka::SegmentLimits;
use maxbrod_kafka::metadata::TopicConfig;
use maxbrod_repository::PartitionSlot;

use super::partition::{Shared, restore_partition};
use super::{Apply, Progress, note};
use crate::error::{Error, Result};
use crate::partition_writer::SegmentSettings;
use crate::plan::{NodePlan, Plan};
use crate::planning::{Contents, brokers, place_of};
use crate::progress_file::{FinishedPartition, ProgressFile};
use crate::source::{PartitionKey, Source};

/// Partitions written at the same time.
const PARALLEL: usize = 4;
/// After so many bytes in a directory they are brought onto its disk, and the partitions noted…
const NOTED_BYTES: u64 = 256 << 20;
/// …or after so many partitions.
const NOTED_PARTITIONS: usize = 128;

/// One partition's work.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// As its directory is called.
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) key: PartitionKey,
    /// Absent: it is restored empty.
    pub(super) slot: Option<PartitionSlot>,
    /// The place of its directory in the node's plan.
    pub(super) directory: usize,
}

/// Everything that the node's broker holds, by the metadata.
pub(super) fn jobs(source: &Source, node: &NodePlan, plan: &Plan) -> Result<Vec<Job>> {
    if !node.is_broker() {
        return Ok(Vec::new());
    }
    let image = &source.checkpoint.image;
    let brokers = brokers(plan)?;
    let mut jobs = Vec::new();
    for key in Contents::of(source).restored {
        let Some((topic, record)) = image.topic(key.0).zip(image.partition(key.0, key.1)) else {
            continue;
        };
        let Some(directory) = place_of(record, node, &brokers) else {
            continue;
        };
        jobs.push(Job {
            name: format!("{}-{}", topic.name(), key.1),
            topic: topic.name().to_owned(),
            key,
            slot: source.partitions.get(&key).copied(),
            directory,
        });
    }
    Ok(jobs)
}

/// The segment settings of every topic, by its configs and the broker's `server.properties`.
pub(super) fn settings(source: &Source, node: &NodePlan) -> BTreeMap<String, SegmentSettings> {
    let known = source.nodes.iter().find(|known| known.node_id == node.node_id);
    let defaults = TopicConfig::of_broker(|key| known?.settings.get(key).map(String::as_str));
    let image = &source.checkpoint.image;
    let of_topic = |name: &str| {
        let config = image.topic_config(name, &defaults);
        SegmentSettings {
            limits: SegmentLimits {
                segment_bytes: u64::from(config.segment_bytes),
                index_bytes: u64::from(config.segment_index_bytes),
            },
            index_interval_bytes: u64::from(config.index_interval_bytes),
        }
    };
    image
        .topics()
        .map(|topic| (topic.name().to_owned(), of_topic(topic.name())))
        .collect()
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) partitions: u64,
    pub(super) kept: u64,
    pub(super) bytes: u64,
    pub(super) warnings: Vec<String>,
}

/// Finished partitions of a directory that are not noted yet.
#[derive(Debug, Default)]
struct Pending {
    partitions: Vec<FinishedPartition>,
    bytes: u64,
}

/// Writes all partitions that an earlier attempt did not finish.
pub(super) async fn write_partitions(
    shared: &Arc<Shared>,
    mut jobs: Vec<Job>,
    directories: &mut [ProgressFile],
    order: &Apply<'_>,
    node: &NodePlan,
) -> Result<Outcome> {
    let mut outcome = Outcome {
        partitions: jobs.len() as u64,
        ..Outcome::default()
    };
    jobs.retain(|job| !is_finished(job, directories));
    outcome.kept = outcome.partitions - jobs.len() as u64;
    take_turns(&mut jobs);
    let total_bytes: u64 = node.log_dirs.iter().map(|dir| dir.log_bytes).sum();
    let kept_bytes: u64 = directories
        .iter()
        .flat_map(|progress| progress.record.finished.values())
        .map(log_bytes)
        .sum();
    shared.written.store(kept_bytes, Ordering::Relaxed);
    let tell = |partitions| {
        (order.progress)(Progress {
            partitions,
            bytes: shared.written.load(Ordering::Relaxed),
            total_bytes,
        });
    };
    tell(outcome.kept);

    let mut done = outcome.kept;
    let mut pending: BTreeMap<usize, Pending> = BTreeMap::new();
    let paths: Vec<_> = node.log_dirs.iter().map(|dir| dir.path.clone()).collect();
    let path_of = |directory: usize| {
        let unknown = || Error::Worker(format!("there is no directory {directory}"));
        paths.get(directory).ok_or_else(unknown)
    };
    let work = futures::stream::iter(jobs).map(|job| {
        let path = path_of(job.directory).cloned();
        async move {
            let restored = restore_partition(shared, &job, &path?).await?;
            Ok::<_, Error>((job.directory, restored))
        }
    });
    let mut work = std::pin::pin!(work.buffer_unordered(PARALLEL));
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(200));
    loop {
        let finished = tokio::select! {
            finished = work.next() => finished,
            _ = ticks.tick() => {
                tell(done);
                continue;
            }
        };
        let Some(finished) = finished else { break };
        let (directory, restored) = finished?;
        done += 1;
        let bytes = log_bytes(&restored.partition);
        outcome.bytes += bytes;
        outcome.warnings.extend(restored.warning);
        let waiting = pending.entry(directory).or_default();
        waiting.partitions.push(restored.partition);
        waiting.bytes += bytes;
        if waiting.bytes >= NOTED_BYTES || waiting.partitions.len() >= NOTED_PARTITIONS {
            let Pending { partitions, .. } = std::mem::take(waiting);
            if let Some(progress) = directories.get_mut(directory) {
                note(shared.disk.as_ref(), progress, path_of(directory)?, partitions)?;
            }
        }
        tell(done);
    }
    for (directory, Pending { partitions, .. }) in pending {
        if let Some(progress) = directories.get_mut(directory)
            && !partitions.is_empty()
        {
            note(shared.disk.as_ref(), progress, path_of(directory)?, partitions)?;
        }
    }
    Ok(outcome)
}

fn is_finished(job: &Job, directories: &[ProgressFile]) -> bool {
    let progress = directories.get(job.directory);
    progress.is_some_and(|progress| progress.record.finished.contains_key(&job.name))
}

/// Puts the directories' jobs in turns, so that all disks are at work.
fn take_turns(jobs: &mut Vec<Job>) {
    let mut queues: BTreeMap<usize, std::collections::VecDeque<Job>> = BTreeMap::new();
    for job in jobs.drain(..) {
        queues.entry(job.directory).or_default().push_back(job);
    }
    while !queues.is_empty() {
        jobs.extend(queues.values_mut().filter_map(std::collections::VecDeque::pop_front));
        queues.retain(|_, queue| !queue.is_empty());
    }
}

fn log_bytes(partition: &FinishedPartition) -> u64 {
    let logs = partition.files.iter().filter(|(name, _)| name.ends_with(".log"));
    logs.map(|(_, length)| *length).sum()
}
