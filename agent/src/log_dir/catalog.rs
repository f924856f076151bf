//! Which replica is in which log dir, and what is remembered of each between two looks at it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use maxbrod_kafka::{LogDirEntry, PartitionId, TopicPartition, parse_partition_metadata};
use rustix::fs::FileType;
use thiserror::Error;

use super::LogDir;
use super::listing::Listing;
use crate::directory::{Directory, DirectoryFacts};
use crate::partition::{PartitionKey, directory_name};

/// Longer than any `partition.metadata`.
const METADATA_LIMIT: u64 = 4096;

/// A swap is some renames: it takes milliseconds.
const SWAP_PAUSE: Duration = Duration::from_millis(5);
const SWAP_LOOKS: u32 = 100;

/// Why a replica cannot be opened or read.
#[derive(Debug, Error)]
pub(crate) enum ReplicaError {
    /// It is not on this node.
    #[error("open {partition}: no log dir of this node holds it with that topic id")]
    Missing {
        /// The partition.
        partition: String,
    },
    /// The operating system refuses.
    #[error("read {file} of {partition}: {reason}")]
    Unreadable {
        /// The partition.
        partition: String,
        /// The file.
        file: String,
        /// Why not.
        reason: io::Error,
    },
    /// What is there is not what Kafka wrote.
    #[error("read {file} of {partition}: {reason}; let Kafka replace this replica from another one")]
    Corrupt {
        /// The partition.
        partition: String,
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
}

/// The last batches of an active segment, as they were found: what a later look need not read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Base offset of the segment.
    pub(crate) base: i64,
    /// The file.
    pub(crate) inode: u64,
    /// The last batches, ascending; positions and offsets have no gaps.
    pub(crate) batches: Box<[CursorBatch]>,
}

/// A batch where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CursorBatch {
    /// Where it starts. Segments are smaller than 2 GiB.
    pub(crate) position: u32,
    /// Its leader epoch.
    pub(crate) epoch: i32,
    /// Its CRC.
    pub(crate) crc: u32,
    /// The offset after its last.
    pub(crate) next: i64,
}

/// A replica's directory, opened.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) key: PartitionKey,
    pub(crate) topic: Arc<str>,
    pub(crate) log_dir: Arc<LogDir>,
    pub(crate) directory: Directory,
    pub(crate) facts: DirectoryFacts,
}

impl Replica {
    /// As people know it.
    pub(crate) fn name(&self) -> String {
        directory_name(&self.topic, self.key.partition)
    }

    pub(crate) fn unreadable(&self, file: &str, reason: io::Error) -> ReplicaError {
        ReplicaError::Unreadable {
            partition: self.name(),
            file: file.to_owned(),
            reason,
        }
    }

    pub(crate) fn corrupt(&self, file: &str, reason: impl ToString) -> ReplicaError {
        ReplicaError::Corrupt {
            partition: self.name(),
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    topic: Arc<str>,
    log_dir: u16,
    inode: u64,
    listing: Option<Arc<Listing>>,
    cursor: Option<Arc<Cursor>>,
}

/// All replicas of the node.
#[derive(Debug)]
pub(crate) struct Catalog {
    log_dirs: Vec<Arc<LogDir>>,
    entries: Mutex<HashMap<PartitionKey, Entry>>,
}

impl Catalog {
    pub(crate) fn new(log_dirs: Vec<Arc<LogDir>>) -> Self {
        Self {
            log_dirs,
            entries: Mutex::default(),
        }
    }

    pub(crate) fn log_dirs(&self) -> &[Arc<LogDir>] {
        &self.log_dirs
    }

    /// All replicas that are known, in order.
    #[cfg(feature = "measure")]
    pub(crate) fn keys(&self) -> Vec<PartitionKey> {
        let mut keys: Vec<PartitionKey> = self.entries().keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// How many replicas are known.
    pub(crate) fn len(&self) -> usize {
        self.entries().len()
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<PartitionKey, Entry>> {
        // Nothing between lock and unlock leaves an entry half-changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Walks all log dirs and brings the catalogue up to date. Returns the log dirs that cannot be listed, with the reason;
    /// what was known of them stays.
    pub(crate) fn walk(&self) -> Vec<(Arc<LogDir>, io::Error)> {
        let mut failed = Vec::new();
        for (index, log_dir) in self.log_dirs.iter().enumerate() {
            if let Err(error) = self.walk_one(index as u16, log_dir) {
                failed.push((Arc::clone(log_dir), error));
            }
        }
        failed
    }

    fn walk_one(&self, index: u16, log_dir: &LogDir) -> io::Result<()> {
        let mut found: Vec<(TopicPartition, u64)> = Vec::new();
        log_dir.directory.each(|name, inode, kind| {
            if matches!(kind, FileType::Directory | FileType::Symlink | FileType::Unknown)
                && let LogDirEntry::Partition(partition) = LogDirEntry::of(&name.to_string_lossy())
            {
                found.push((partition, inode));
            }
        })?;
        let known: HashMap<(Arc<str>, PartitionId), (u64, PartitionKey)> = self
            .entries()
            .iter()
            .filter(|(_, entry)| entry.log_dir == index)
            .map(|(key, entry)| ((Arc::clone(&entry.topic), key.partition), (entry.inode, *key)))
            .collect();
        let mut topics: HashMap<String, Arc<str>> = HashMap::new();
        let mut here: HashMap<PartitionKey, ()> = HashMap::with_capacity(found.len());
        for (entry, inode) in found {
            let name = entry.to_string();
            let TopicPartition { topic, partition } = entry;
            let shared = topic.as_str().into();
            let topic = Arc::clone(topics.entry(topic).or_insert(shared));
            if let Some((_, key)) = known
                .get(&(Arc::clone(&topic), partition))
                .filter(|(known, _)| *known == inode)
            {
                here.insert(*key, ());
                continue;
            }
            // A directory that is not finished, or is gone again, is found at the next walk.
            let Some(key) = log_dir
                .directory
                .subdirectory(&name)
                .ok()
                .and_then(|directory| key_of(&directory, partition))
            else {
                continue;
            };
            here.insert(key, ());
            self.entries().insert(
                key,
                Entry {
                    topic,
                    log_dir: index,
                    inode,
                    listing: None,
                    cursor: None,
                },
            );
        }
        self.entries()
            .retain(|key, entry| entry.log_dir != index || here.contains_key(key));
        Ok(())
    }

    /// The partitions of a topic that are here, as far as they were seen; of all topics with that name, if it was deleted and
    /// created again.
    pub(crate) fn partitions_of(&self, topic: &str) -> Vec<PartitionKey> {
        let entries = self.entries();
        let of_topic = entries.iter().filter(|(_, entry)| &*entry.topic == topic);
        of_topic.map(|(key, _)| *key).collect()
    }

    /// Opens a replica. `topic` is needed for partitions that no walk has seen yet.
    pub(crate) fn open(&self, key: PartitionKey, topic: Option<&str>) -> Result<Replica, ReplicaError> {
        let known = self
            .entries()
            .get(&key)
            .map(|entry| (Arc::clone(&entry.topic), entry.log_dir, entry.inode));
        let topic: Arc<str> = match (&known, topic) {
            (Some((topic, ..)), _) => Arc::clone(topic),
            (None, Some(topic)) => topic.into(),
            (None, None) => {
                return Err(ReplicaError::Missing {
                    partition: key.to_string(),
                });
            }
        };
        let name = directory_name(&topic, key.partition);
        let unreadable = |reason| ReplicaError::Unreadable {
            partition: name.clone(),
            file: "its directory".to_owned(),
            reason,
        };
        let hint = known.as_ref().map_or(0, |(_, log_dir, _)| usize::from(*log_dir));
        let rest = (0..self.log_dirs.len()).filter(|index| *index != hint);
        for index in std::iter::once(hint).chain(rest) {
            let Some(log_dir) = self.log_dirs.get(index) else {
                continue;
            };
            let directory = match log_dir.directory.subdirectory(&name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(unreadable)?,
            };
            let facts = directory.facts().map_err(unreadable)?;
            let as_known = known
                .as_ref()
                .is_some_and(|(_, at, inode)| usize::from(*at) == index && *inode == facts.inode);
            if !as_known {
                if key_of(&directory, key.partition) != Some(key) {
                    continue;
                }
                let entry = Entry {
                    topic: Arc::clone(&topic),
                    log_dir: index as u16,
                    inode: facts.inode,
                    listing: None,
                    cursor: None,
                };
                self.entries().insert(key, entry);
            }
            return Ok(Replica {
                key,
                topic,
                log_dir: Arc::clone(log_dir),
                directory,
                facts,
            });
        }
        self.entries().remove(&key);
        Err(ReplicaError::Missing { partition: name })
    }

    /// The replica's segments: as remembered if nothing can have changed, else listed now.
    pub(crate) fn listing(&self, replica: &Replica) -> Result<Arc<Listing>, ReplicaError> {
        let known = self
            .entries()
            .get(&replica.key)
            .filter(|entry| entry.inode == replica.facts.inode)
            .and_then(|entry| entry.listing.clone());
        if let Some(listing) = known {
            let facts = replica
                .directory
                .facts()
                .map_err(|error| replica.unreadable("its directory", error))?;
            if listing.is_fresh(&facts) {
                return Ok(listing);
            }
        }
        self.list_again(replica)
    }

    /// The replica's segments, listed now.
    pub(crate) fn list_again(&self, replica: &Replica) -> Result<Arc<Listing>, ReplicaError> {
        let listing = Listing::take(&replica.directory).map_err(|error| replica.unreadable("its directory", error))?;
        let listing = Arc::new(listing);
        if let Some(entry) = self.entries().get_mut(&replica.key) {
            entry.listing = Some(Arc::clone(&listing));
        }
        Ok(listing)
    }

    /// The replica's segments while none is being swapped for another one. Waits for a moment.
    pub(crate) fn settled_listing(&self, replica: &Replica) -> Result<Arc<Listing>, ReplicaError> {
        let mut listing = self.listing(replica)?;
        for _ in 0..SWAP_LOOKS {
            if !listing.is_swapping {
                return Ok(listing);
            }
            sleep(SWAP_PAUSE);
            listing = self.list_again(replica)?;
        }
        Err(replica.unreadable(
            "its segments",
            io::Error::other("compaction is putting new ones in their place and does not end"),
        ))
    }

    /// What is remembered of the replica's active segment.
    pub(crate) fn cursor(&self, key: &PartitionKey) -> Option<Arc<Cursor>> {
        self.entries().get(key)?.cursor.clone()
    }

    /// Remembers it.
    pub(crate) fn remember(&self, key: &PartitionKey, cursor: Option<Cursor>) {
        if let Some(entry) = self.entries().get_mut(key) {
            entry.cursor = cursor.map(Arc::new);
        }
    }
}

/// The key of the partition whose directory this is, as its `partition.metadata` says.
fn key_of(directory: &Directory, partition: PartitionId) -> Option<PartitionKey> {
    let bytes = directory.read("partition.metadata", METADATA_LIMIT).ok()??;
    Some(PartitionKey {
        topic_id: parse_partition_metadata(&bytes)?,
        partition,
    })
}
