//! The log dirs of the Kafka node: which replicas are where, and what their files are called.

mod catalog;
mod listing;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxbrod_kafka::DirectoryId;

use crate::directory::{Directory, Space};
use crate::replica::{HighWatermarks, LogStarts};

pub(crate) use catalog::{Catalog, Cursor, CursorBatch, Replica, ReplicaError};
pub(crate) use listing::Listing;
pub(crate) use watch::{Change, Watch};

#[cfg(test)]
mod tests;

/// One entry of `log.dirs`.
#[derive(Debug)]
pub(crate) struct LogDir {
    pub(crate) path: PathBuf,
    pub(crate) id: DirectoryId,
    pub(crate) directory: Directory,
    pub(crate) log_starts: LogStarts,
    pub(crate) high_watermarks: HighWatermarks,
}

impl LogDir {
    pub(crate) fn open(path: &Path, id: DirectoryId) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            path: path.to_owned(),
            id,
            directory: Directory::open(path)?,
            log_starts: LogStarts::default(),
            high_watermarks: HighWatermarks::default(),
        }))
    }

    pub(crate) fn space(&self) -> std::io::Result<Space> {
        self.directory.space()
    }
}
