//! High watermarks as the broker wrote them down last. Every few seconds it writes those of all replicas of a log dir anew,
//! into another file of the same name (K§1.4): a leader's is what its followers had by then.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use maxbrod_kafka::{PartitionId, parse_offset_checkpoint};

use crate::directory::read_small;
use crate::log_dir::Replica;

const NAME: &str = "replication-offset-checkpoint";
/// A million partitions with the longest names.
const LIMIT: u64 = 300 << 20;

/// What a checkpoint file says of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpointed {
    /// The high watermark.
    pub(crate) offset: i64,
    /// How long ago the file was written.
    pub(crate) age: Duration,
}

#[derive(Debug, Default)]
struct Content {
    offsets: HashMap<String, HashMap<PartitionId, i64>>,
}

/// Which version of the file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    written: SystemTime,
}

/// The file as it was last read: each version of it is read once.
#[derive(Debug, Default)]
pub(crate) struct HighWatermarks {
    read: Mutex<Option<(Version, Arc<Content>)>>,
}

impl HighWatermarks {
    /// What the checkpoint in the replica's log dir says of it. `None`: nothing, or there is none that can be read.
    pub(crate) fn of(replica: &Replica, now: SystemTime) -> Option<Checkpointed> {
        let (version, content) = replica.log_dir.high_watermarks.newest(replica).ok().flatten()?;
        let offset = *content.offsets.get(&*replica.topic)?.get(&replica.key.partition)?;
        // Written in the future: the clock was set back since.
        let age = now.duration_since(version.written).unwrap_or_default();
        Some(Checkpointed { offset, age })
    }

    fn newest(&self, replica: &Replica) -> io::Result<Option<(Version, Arc<Content>)>> {
        use std::os::unix::fs::MetadataExt as _;
        let file = match replica.log_dir.directory.file(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let facts = file.metadata()?;
        let version = Version {
            inode: facts.ino(),
            written: facts.modified()?,
        };
        // Held while it is read: others want the same.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, content)) = &*read
            && *known == version
        {
            return Ok(Some((version, Arc::clone(content))));
        }
        let bytes = read_small(file, NAME, LIMIT)?;
        // A file that cannot be parsed says nothing.
        let mut content = Content::default();
        for entry in parse_offset_checkpoint(&bytes).unwrap_or_default() {
            let of_topic = content.offsets.entry(entry.topic).or_default();
            of_topic.insert(entry.partition, entry.offset.0);
        }
        let content = Arc::new(content);
        *read = Some((version, Arc::clone(&content)));
        Ok(Some((version, content)))
    }
}
