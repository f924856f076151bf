//! The files of a log dir beside its partitions (K§1.1, K§4.2).

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use maxbrod_kafka::{
    BrokerEpoch, ClusterId, LeaderEpochEntry, MetaProperties, NodeId, Offset, OffsetEntry, PartitionId, TopicId,
    write_clean_shutdown, write_leader_epochs, write_offset_checkpoint, write_partition_metadata,
};

use crate::error::{Error, Result};
use crate::plan::{CheckpointPlan, LogDirPlan};

/// The file without which no node starts: written last.
pub(crate) const META_PROPERTIES: &str = "meta.properties";

/// A partition that a log dir now holds.
#[derive(Clone, Debug)]
pub(crate) struct Restored {
    pub(crate) topic: String,
    pub(crate) partition: PartitionId,
    pub(crate) log_start: Offset,
    pub(crate) first_base: Offset,
    pub(crate) end: Offset,
}

/// Writes the offset checkpoints and the clean-shutdown marker.
pub(crate) fn write_broker_files(directory: &Path, partitions: &[Restored], epoch: Option<BrokerEpoch>) -> Result<()> {
    let entries = |offset: &dyn Fn(&Restored) -> Option<Offset>| -> Vec<OffsetEntry> {
        partitions
            .iter()
            .filter_map(|restored| {
                Some(OffsetEntry {
                    topic: restored.topic.clone(),
                    partition: restored.partition,
                    offset: offset(restored)?,
                })
            })
            .collect()
    };
    let ends = write_offset_checkpoint(&entries(&|restored| Some(restored.end)));
    // Everything is synced before the marker, and every replica holds everything: recovery point and high watermark are the end.
    write(directory, "recovery-point-offset-checkpoint", &ends)?;
    write(directory, "replication-offset-checkpoint", &ends)?;
    let starts = entries(&|restored| (restored.log_start > restored.first_base).then_some(restored.log_start));
    write(directory, "log-start-offset-checkpoint", &write_offset_checkpoint(&starts))?;
    // The registration's own epoch makes its end a clean one to the controller: its replicas stay electable (K§4.4).
    match epoch {
        Some(epoch) => write(directory, ".kafka_cleanshutdown", &write_clean_shutdown(epoch)),
        None => Ok(()),
    }
}

/// Writes `__cluster_metadata-0` with the one checkpoint: no log, no `quorum-state` (K§4.6).
pub(crate) fn write_cluster_metadata(directory: &Path, plan: &CheckpointPlan, checkpoint: &[u8]) -> Result<()> {
    let directory = directory.join("__cluster_metadata-0");
    match fs::create_dir(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(Error::io("making", &directory)(error)),
        _ => {}
    }
    write(&directory, "partition.metadata", &write_partition_metadata(TopicId::METADATA))?;
    let no_epochs: [LeaderEpochEntry; 0] = [];
    write(&directory, "leader-epoch-checkpoint", &write_leader_epochs(&no_epochs))?;
    write_bytes(&directory, &plan.name, checkpoint)?;
    sync_directory(&directory)
}

/// Makes the directory startable.
pub(crate) fn write_meta_properties(directory: &Path, plan: &LogDirPlan, cluster: &str, node: i32) -> Result<()> {
    let meta = MetaProperties {
        cluster_id: ClusterId(cluster.to_owned()),
        node_id: NodeId(node),
        directory_id: Some(plan.id()?),
    };
    write(directory, META_PROPERTIES, &meta.render())?;
    sync_directory(directory)
}

/// Brings everything that was written to this file system onto its disk.
pub(crate) fn sync_file_system(directory: &Path) -> Result<()> {
    let file = File::open(directory).map_err(Error::io("opening", directory))?;
    nix::unistd::syncfs(file.as_fd()).map_err(|errno| Error::io("syncing", directory)(errno.into()))
}

fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(Error::io("syncing", directory))
}

fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    write_bytes(directory, name, text.as_bytes())
}

/// Writes a file whole or not at all.
fn write_bytes(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let (path, temporary) = (directory.join(name), directory.join(format!("{name}.tmp")));
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().map_err(Error::io("writing", &path))
}
