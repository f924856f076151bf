//! Where a log starts: the first segment's base, unless records below were deleted or moved to tiered storage (K§1.1).

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use maxbrod_kafka::{PartitionId, parse_offset_checkpoint};

use crate::directory::file_facts;
use crate::log_dir::{Listing, LogDir, Replica, ReplicaError};

const NAME: &str = "log-start-offset-checkpoint";
/// A million partitions with the longest names.
const LIMIT: u64 = 300 << 20;

type Starts = HashMap<(String, PartitionId), i64>;

/// The file as it was last read; Kafka replaces it, so that another content is another inode.
#[derive(Debug, Default)]
pub(crate) struct LogStarts {
    read: Mutex<Option<(u64, i128, Arc<Starts>)>>,
}

impl LogStarts {
    fn of(&self, log_dir: &LogDir) -> io::Result<Arc<Starts>> {
        let file = match log_dir.directory.file(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Arc::default()),
            other => other?,
        };
        let facts = file_facts(&file)?;
        let stamp = (facts.inode, facts.birth.unwrap_or(0));
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // Without birth times an inode number that is used again cannot be told apart: read again.
        if let Some((inode, birth, starts)) = &*read
            && (*inode, *birth) == stamp
            && facts.birth.is_some()
        {
            return Ok(Arc::clone(starts));
        }
        let bytes = log_dir.directory.read(NAME, LIMIT)?.unwrap_or_default();
        // Like Kafka: a file that cannot be parsed says nothing (K§1.4).
        let entries = parse_offset_checkpoint(&bytes).unwrap_or_default();
        let starts: Starts = entries
            .into_iter()
            .map(|entry| ((entry.topic, entry.partition), entry.offset.0))
            .collect();
        let starts = Arc::new(starts);
        *read = Some((stamp.0, stamp.1, Arc::clone(&starts)));
        Ok(starts)
    }
}

/// The log start offset of a replica. Up to a minute behind what Kafka knows: it writes the file that often.
pub(crate) fn log_start(replica: &Replica, listing: &Listing) -> Result<i64, ReplicaError> {
    let first = listing.bases.first().copied().unwrap_or(0);
    let starts = replica
        .log_dir
        .log_starts
        .of(&replica.log_dir)
        .map_err(|error| replica.unreadable(NAME, error))?;
    if starts.is_empty() {
        return Ok(first);
    }
    let key = (replica.topic.to_string(), replica.key.partition);
    Ok(starts.get(&key).copied().unwrap_or(first).max(first))
}
