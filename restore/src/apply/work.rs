//! The partitions of a node, written a few at a time.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use maxbrod_kafka::SegmentLimits;
use maxbrod_kafka::metadata::TopicConfig;
use maxbrod_repository::PartitionSlot;

use super::notes::Notes;
use super::partition::{Shared, restore_partition};
use super::{Apply, Progress};
use crate::error::{Error, Result};
use crate::partition_writer::SegmentSettings;
use crate::plan::{NodePlan, Plan};
use crate::planning::{Contents, brokers, place_of};
use crate::progress_file::{FinishedPartition, ProgressFile};
use crate::source::{PartitionKey, Source};

/// Partitions written at the same time. With the requests ahead of each, memory stays below 4 × 3 × 48 MiB.
const PARALLEL: usize = 4;
/// How often bytes are told while partitions are under way.
const TICK: Duration = Duration::from_millis(200);

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
    for key in Contents::of(source)?.restored {
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
    let finished = directories
        .iter()
        .flat_map(|progress| progress.record.finished.values());
    shared.written.store(finished.map(log_bytes).sum(), Ordering::Relaxed);
    let tell = |partitions| {
        (order.progress)(Progress {
            partitions,
            bytes: shared.written.load(Ordering::Relaxed).min(total_bytes),
            total_bytes,
        });
    };
    let mut done = outcome.kept;
    tell(done);

    let paths: Vec<PathBuf> = node.log_dirs.iter().map(|dir| dir.path.clone()).collect();
    let mut notes = Notes::new(Arc::clone(&shared.disk), paths.clone());
    let work = futures::stream::iter(jobs).map(|job| {
        let path = paths.get(job.directory).cloned().unwrap_or_default();
        async move {
            let restored = restore_partition(shared, &job, &path).await?;
            Ok::<_, Error>((job.directory, restored))
        }
    });
    let mut work = std::pin::pin!(work.buffer_unordered(PARALLEL));
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            finished = work.next() => {
                let Some(finished) = finished else { break };
                let (directory, restored) = finished?;
                done += 1;
                outcome.bytes += log_bytes(&restored.partition);
                outcome.warnings.extend(restored.warning);
                notes.add(directory, restored.partition);
                tell(done);
            }
            synced = notes.next() => notes.write(synced?, directories)?,
            _ = ticks.tick() => tell(done),
        }
    }
    notes.finish(directories).await?;
    Ok(outcome)
}

fn is_finished(job: &Job, directories: &[ProgressFile]) -> bool {
    let progress = directories.get(job.directory);
    progress.is_some_and(|progress| progress.record.finished.contains_key(&job.name))
}

/// Puts the directories' jobs in turns, so that all disks are at work.
fn take_turns(jobs: &mut Vec<Job>) {
    let mut queues: BTreeMap<usize, VecDeque<Job>> = BTreeMap::new();
    for job in jobs.drain(..) {
        queues.entry(job.directory).or_default().push_back(job);
    }
    while !queues.is_empty() {
        jobs.extend(queues.values_mut().filter_map(VecDeque::pop_front));
        queues.retain(|_, queue| !queue.is_empty());
    }
}

pub(super) fn log_bytes(partition: &FinishedPartition) -> u64 {
    let logs = partition.files.iter().filter(|(name, _)| name.ends_with(".log"));
    logs.map(|(_, length)| *length).sum()
}
