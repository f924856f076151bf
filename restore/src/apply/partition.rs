//! One partition, from the repository to its directory.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt};
use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, Offset, ProducerEntry, parse_producer_snapshot};
use maxbrod_repository::{ChunkReader, ChunkRef, Cluster, End, Partition, PartitionKind, PartitionRecord, Tree};

use super::work::Job;
use crate::disk::Disk;
use crate::endings::Endings;
use crate::error::{Error, Result};
use crate::partition_writer::{LogPlan, PartitionWriter, SegmentSettings};
use crate::progress_file::FinishedPartition;

/// Requests under way for each partition.
const AHEAD: usize = 2;

/// What the workers share.
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    /// Bytes of log written so far.
    pub(super) written: AtomicU64,
    cluster: Cluster,
    tree: Tree,
    reader: ChunkReader,
    settings: BTreeMap<String, SegmentSettings>,
    endings: Endings,
    /// The restored cluster's leader epoch, and the moment that it is of.
    beginning: (LeaderEpoch, i64),
}

/// A restored partition.
pub(super) struct RestoredPartition {
    pub(super) partition: FinishedPartition,
    pub(super) warning: Option<String>,
}

impl Shared {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        cluster: &Cluster,
        tree: Tree,
        settings: BTreeMap<String, SegmentSettings>,
        endings: Endings,
        beginning: (LeaderEpoch, i64),
    ) -> Self {
        Self {
            disk,
            written: AtomicU64::new(0),
            cluster: cluster.clone(),
            reader: ChunkReader::new(cluster),
            tree,
            settings,
            endings,
            beginning,
        }
    }
}

/// Writes a partition's directory anew.
pub(super) async fn restore_partition(shared: &Shared, job: &Job, log_dir: &Path) -> Result<RestoredPartition> {
    let settings = shared.settings.get(&job.topic).copied();
    let settings = settings.ok_or_else(|| Error::Worker(format!("the topic {} has no settings", job.topic)))?;
    let partition = match &job.slot {
        Some(slot) => Some(shared.tree.partition(slot).await?),
        None => None,
    };
    let record = partition
        .as_ref()
        .map_or_else(|| empty(job), |partition| partition.record().clone());
    let (producers, warning) = producers(shared, &record, job).await?;
    let plan = LogPlan {
        name: job.name.clone(),
        record,
        settings,
        producers,
        ending: shared
            .endings
            .of(&job.topic, job.key, shared.beginning.0, shared.beginning.1),
    };
    let (disk, directory) = (Arc::clone(&shared.disk), log_dir.join(&job.name));
    let mut writer = blocking(move || {
        remove_partial(disk.as_ref(), &directory)?;
        PartitionWriter::create(disk, plan, &directory)
    })
    .await?;
    if let Some(partition) = &partition {
        writer = write_chunks(shared, job, partition, writer).await?;
    }
    let partition = blocking(move || writer.finish()).await?;
    Ok(RestoredPartition { partition, warning })
}

async fn write_chunks(
    shared: &Shared,
    job: &Job,
    partition: &Partition,
    mut writer: PartitionWriter,
) -> Result<PartitionWriter> {
    // Chunks that were asked for and have not come yet: if one cannot be read, it is among them.
    let asked: Mutex<VecDeque<ChunkRef>> = Mutex::default();
    let lock = || asked.lock().unwrap_or_else(PoisonError::into_inner);
    let references = shared
        .tree
        .chunks(partition)
        .inspect_ok(|chunk| lock().push_back(*chunk));
    let mut chunks = std::pin::pin!(shared.reader.stream(references, AHEAD));
    while let Some(read) = chunks.next().await {
        let (chunk, body) = match read {
            Ok(read) => read,
            Err(error) => {
                let asked = std::mem::take(&mut *lock());
                return Err(culprit(shared, job, asked, error).await);
            }
        };
        lock().pop_front();
        let length = body.len() as u64;
        writer = blocking(move || {
            writer.append(&chunk, &body)?;
            Ok(writer)
        })
        .await?;
        shared.written.fetch_add(length, Ordering::Relaxed);
    }
    Ok(writer)
}

/// Finds out which chunk cannot be read: they are read in spans.
async fn culprit(shared: &Shared, job: &Job, asked: VecDeque<ChunkRef>, error: maxbrod_repository::Error) -> Error {
    for chunk in asked {
        if let Err(source) = shared.reader.read(&chunk).await {
            return Error::Chunk {
                partition: job.name.clone(),
                from: chunk.base_offset.0,
                to: chunk.next_offset.0.saturating_sub(1),
                pack: shared.cluster.names().pack(chunk.pack),
                source: Box::new(source),
            };
        }
    }
    error.into()
}

/// The source broker's own producer state. One that cannot be understood is regenerated from the log, and that is said: only
/// producers whose batches are all gone are forgotten then.
async fn producers(
    shared: &Shared,
    record: &PartitionRecord,
    job: &Job,
) -> Result<(Option<(Offset, Vec<ProducerEntry>)>, Option<String>)> {
    let Some(snapshot) = &record.producer_snapshot else {
        return Ok((None, None));
    };
    let bytes = match shared.reader.read(&snapshot.chunk).await {
        Ok(bytes) => bytes,
        Err(error) => return Err(culprit(shared, job, VecDeque::from([snapshot.chunk]), error).await),
    };
    match parse_producer_snapshot(&bytes) {
        Ok(entries) => Ok((Some((snapshot.offset, entries)), None)),
        Err(error) => Ok((
            None,
            Some(format!(
                "{}: the producer snapshot at offset {} is left out ({error}); the producers' state is rebuilt from the log",
                job.name, snapshot.offset
            )),
        )),
    }
}

/// A partition without any record.
fn empty(job: &Job) -> PartitionRecord {
    PartitionRecord {
        topic_id: job.key.0,
        partition: job.key.1,
        kind: PartitionKind::Data,
        source: NodeId(-1),
        source_directory: DirectoryId::default(),
        log_start: Offset(0),
        end: End::Empty(Offset(0)),
        leader_epochs: Vec::new(),
        compacted: false,
        producer_snapshot: None,
        partition_metadata: String::new(),
        vouched: false,
    }
}

fn remove_partial(disk: &dyn Disk, directory: &Path) -> Result<()> {
    match disk.remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("removing the unfinished", directory)(error))
        }
        _ => Ok(()),
    }
}

/// Runs what reads and writes files where it holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::Worker(error.to_string()))?
}
