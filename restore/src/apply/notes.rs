//! Notes which partitions are done, but only once they are on the disk: many at a time, while others are being written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::partition::blocking;
use super::sync_file_system;
use super::work::log_bytes;
use crate::disk::Disk;
use crate::error::Result;
use crate::progress_file::{FinishedPartition, ProgressFile};

/// After so many bytes in a directory they are brought onto its disk…
const BYTES: u64 = 256 << 20;
/// …or after so many partitions.
const PARTITIONS: usize = 128;

/// Partitions of one directory that are on its disk.
pub(super) struct Synced {
    directory: usize,
    partitions: Vec<FinishedPartition>,
}

/// Partitions that are written and not noted.
pub(super) struct Notes {
    disk: Arc<dyn Disk>,
    paths: Vec<PathBuf>,
    waiting: BTreeMap<usize, Waiting>,
    syncing: FuturesUnordered<BoxFuture<'static, Result<Synced>>>,
}

#[derive(Default)]
struct Waiting {
    partitions: Vec<FinishedPartition>,
    bytes: u64,
}

impl Notes {
    /// For the directories at these paths.
    pub(super) fn new(disk: Arc<dyn Disk>, paths: Vec<PathBuf>) -> Self {
        Self {
            disk,
            paths,
            waiting: BTreeMap::new(),
            syncing: FuturesUnordered::new(),
        }
    }

    /// Takes a partition that was just written.
    pub(super) fn add(&mut self, directory: usize, partition: FinishedPartition) {
        let waiting = self.waiting.entry(directory).or_default();
        waiting.bytes += log_bytes(&partition);
        waiting.partitions.push(partition);
        if waiting.bytes >= BYTES || waiting.partitions.len() >= PARTITIONS {
            let Waiting { partitions, .. } = std::mem::take(waiting);
            self.sync(directory, partitions);
        }
    }

    /// Waits until some of them are on the disk; for ever if none is on its way there.
    pub(super) async fn next(&mut self) -> Result<Synced> {
        match self.syncing.next().await {
            Some(synced) => synced,
            None => std::future::pending().await,
        }
    }

    /// Notes them.
    pub(super) fn write(&self, synced: Synced, directories: &mut [ProgressFile]) -> Result<()> {
        match directories.get_mut(synced.directory) {
            Some(progress) => progress.note(self.disk.as_ref(), synced.partitions),
            None => Ok(()),
        }
    }

    /// Brings all that is left onto the disk and notes it.
    pub(super) async fn finish(mut self, directories: &mut [ProgressFile]) -> Result<()> {
        for (directory, Waiting { partitions, .. }) in std::mem::take(&mut self.waiting) {
            if !partitions.is_empty() {
                self.sync(directory, partitions);
            }
        }
        while let Some(synced) = self.syncing.next().await {
            self.write(synced?, directories)?;
        }
        Ok(())
    }

    fn sync(&mut self, directory: usize, partitions: Vec<FinishedPartition>) {
        let (disk, path) = (
            Arc::clone(&self.disk),
            self.paths.get(directory).cloned().unwrap_or_default(),
        );
        let synced = blocking(move || {
            sync_file_system(disk.as_ref(), &path)?;
            Ok(Synced { directory, partitions })
        });
        self.syncing.push(Box::pin(synced));
    }
}
