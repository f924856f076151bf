//! The files of a log dir beside its partitions (K§1.1, K§4.2).

use std::path::Path;

use maxbrod_kafka::{
    BrokerEpoch, ClusterId, DirectoryId, LogDirEntry, MetaProperties, NodeId, Offset, OffsetEntry, TopicId,
    write_clean_shutdown, write_offset_checkpoint, write_partition_metadata,
};

use crate::disk::{Disk, write_whole};
use crate::error::{Error, Result};
use crate::progress_file::FinishedPartition;

#[cfg(test)]
mod tests;

/// The file without which no node starts: written last.
pub(crate) const META_PROPERTIES: &str = "meta.properties";
/// The directory of the metadata.
pub(crate) const CLUSTER_METADATA: &str = "__cluster_metadata-0";
const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
const HIGH_WATERMARK: &str = "replication-offset-checkpoint";
const LOG_START: &str = "log-start-offset-checkpoint";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// The files that are written into a log dir before `meta.properties`.
pub(crate) const FILES: [&str; 4] = [RECOVERY_POINT, HIGH_WATERMARK, LOG_START, CLEAN_SHUTDOWN];

/// Writes the offset checkpoints and the clean-shutdown marker. There is no `cleaner-offset-checkpoint`: without one the whole
/// log is dirty, which costs a cleaning and can never be wrong.
pub(crate) fn write_broker_files<'a>(
    disk: &dyn Disk,
    directory: &Path,
    partitions: impl Iterator<Item = &'a FinishedPartition> + Clone,
    epoch: Option<BrokerEpoch>,
) -> Result<()> {
    // Everything is synced before the marker, and every replica holds everything: recovery point and high watermark are the end.
    let ends: Vec<_> = partitions.clone().filter_map(|done| entry(done, done.end)).collect();
    // Elsewhere Kafka takes the first segment's base.
    let starts: Vec<_> = partitions
        .filter(|done| done.log_start > done.first_base)
        .filter_map(|done| entry(done, done.log_start))
        .collect();
    write(disk, directory, RECOVERY_POINT, &write_offset_checkpoint(&ends))?;
    write(disk, directory, HIGH_WATERMARK, &write_offset_checkpoint(&ends))?;
    write(disk, directory, LOG_START, &write_offset_checkpoint(&starts))?;
    // The registration's own epoch makes its end a clean one to the controller: its replicas stay electable. A broker that is not
    // registered is clean by the epoch that stands for "unknown" (K§4.4).
    let marker = write_clean_shutdown(epoch.unwrap_or(BrokerEpoch(-2)));
    write(disk, directory, CLEAN_SHUTDOWN, &marker)
}

fn entry(done: &FinishedPartition, offset: i64) -> Option<OffsetEntry> {
    let LogDirEntry::Partition(name) = LogDirEntry::of(&done.partition) else {
        return None;
    };
    Some(OffsetEntry {
        topic: name.topic,
        partition: name.partition,
        offset: Offset(offset),
    })
}

/// Writes `__cluster_metadata-0` with the one checkpoint: no log, no `quorum-state` (K§4.6).
pub(crate) fn write_cluster_metadata(disk: &dyn Disk, directory: &Path, name: &str, checkpoint: &[u8]) -> Result<()> {
    let directory = directory.join(CLUSTER_METADATA);
    disk.create_dir_all(&directory)
        .map_err(Error::io("making", &directory))?;
    let metadata = write_partition_metadata(TopicId::METADATA);
    write(disk, &directory, "partition.metadata", &metadata)?;
    let path = directory.join(name);
    write_whole(disk, &path, checkpoint).map_err(Error::io("writing", &path))
}

/// Makes the directory startable.
pub(crate) fn write_meta_properties(
    disk: &dyn Disk,
    directory: &Path,
    cluster: &str,
    node: NodeId,
    id: Option<DirectoryId>,
) -> Result<()> {
    let meta = MetaProperties {
        cluster_id: ClusterId(cluster.to_owned()),
        node_id: node,
        directory_id: id,
    };
    write(disk, directory, META_PROPERTIES, &meta.render())?;
    disk.sync_dir(directory).map_err(Error::io("syncing", directory))
}

fn write(disk: &dyn Disk, directory: &Path, name: &str, text: &str) -> Result<()> {
    let path = directory.join(name);
    write_whole(disk, &path, text.as_bytes()).map_err(Error::io("writing", &path))
}
