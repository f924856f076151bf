//! Pins: what keeps the bytes of a snapshot when Kafka removes or replaces their files.
//!
//! A pin is a hard link to an open descriptor, in `.maxbrod-pins/<directory id>` beside the log dir and on its mount; where
//! links are impossible the descriptor itself. It holds the inode, not the content: a truncation reaches through it, so what
//! is read through a pin is checked like anything else (K§2.3). Index files are never pinned.
//!
//! Pins are taken at a phase of an attempt and belong to it. They go when their bytes are stored, when the attempt or the run
//! ends, when space gets scarce, at start, at stop, and when no coordinator has been heard of for a while.

mod directory;
mod partition;
#[cfg(feature = "measure")]
mod rehearsal;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use maxbrod_kafka::DirectoryId;

pub(crate) use directory::{PinDirectory, PinMethod};
pub(crate) use partition::{PinnedFile, PinnedKind, PinnedPartition, take};
#[cfg(feature = "measure")]
pub use rehearsal::PinRehearsal;

use crate::partition::PartitionKey;

#[cfg(test)]
mod tests;

/// All pins of this agent.
#[derive(Debug)]
pub(crate) struct Pins {
    directories: BTreeMap<DirectoryId, PinDirectory>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    partitions: BTreeMap<PartitionKey, PinnedPartition>,
    /// Partitions whose pins were dropped for want of space, by attempt.
    given_up: BTreeMap<PartitionKey, (u64, u32)>,
}

/// How much is pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PinnedTotal {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Pins {
    /// Finds out for each log dir how to pin, and removes the links that an earlier process left.
    pub(crate) fn new(directories: Vec<PinDirectory>) -> io::Result<Self> {
        for directory in &directories {
            let removed = directory.clear()?;
            if removed > 0 {
                tracing::warn!(log_dir = %directory.log_dir().display(), removed, "dropped the pins that an earlier agent left");
            }
        }
        let directories = directories
            .into_iter()
            .map(|directory| (directory.id(), directory))
            .collect();
        Ok(Self {
            directories,
            held: Mutex::default(),
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place for pins of a log dir.
    pub(crate) fn directory(&self, id: &DirectoryId) -> Option<&PinDirectory> {
        self.directories.get(id)
    }

    /// Holds a partition's pins; earlier ones of the partition go, unless they are the same files.
    pub(crate) fn hold(&self, key: PartitionKey, pinned: PinnedPartition) {
        let mut held = self.held();
        held.given_up.remove(&key);
        if let Some(mut before) = held.partitions.insert(key, pinned.clone()) {
            drop(held);
            // A repeated query pins the same names again.
            let names: BTreeSet<String> = pinned.files.iter().map(|file| pinned.name_of(&key, file)).collect();
            let mut gone = std::mem::take(&mut before.files);
            gone.retain(|file| !names.contains(&before.name_of(&key, file)));
            before.files = gone;
            self.unlink(&key, &before);
        }
    }

    /// A partition's pins of an attempt.
    pub(crate) fn get(&self, key: &PartitionKey, run: u64, attempt: u32) -> Option<PinnedPartition> {
        self.held()
            .partitions
            .get(key)
            .filter(|pinned| (pinned.run, pinned.attempt) == (run, attempt))
            .cloned()
    }

    /// Whether the partition's pins of that attempt were dropped for want of space.
    pub(crate) fn was_given_up(&self, key: &PartitionKey, run: u64, attempt: u32) -> bool {
        self.held().given_up.get(key) == Some(&(run, attempt))
    }

    /// Lets go of what lies wholly below an offset: its bytes are stored.
    pub(crate) fn release_below(&self, key: &PartitionKey, offset: i64) {
        let gone = {
            let mut held = self.held();
            let Some(pinned) = held.partitions.get_mut(key) else {
                return;
            };
            pinned.split_below(offset)
        };
        self.unlink(key, &gone);
    }

    /// Lets go of a partition.
    pub(crate) fn release(&self, key: &PartitionKey) {
        let gone = self.held().partitions.remove(key);
        if let Some(gone) = gone {
            self.unlink(key, &gone);
        }
    }

    /// Lets go of everything that an attempt pinned; `None`: all attempts of the run.
    pub(crate) fn release_attempt(&self, run: u64, attempt: Option<u32>) {
        self.release_where(
            |_, pinned| pinned.run == run && attempt.is_none_or(|attempt| pinned.attempt == attempt),
            false,
        );
    }

    /// Lets go of what other attempts pinned: a new one has begun.
    pub(crate) fn keep_only_attempt(&self, run: u64, attempt: u32) {
        self.release_where(|_, pinned| (pinned.run, pinned.attempt) != (run, attempt), false);
    }

    /// Lets go of everything, the links of earlier processes included.
    pub(crate) fn release_all(&self) {
        self.release_where(|_, _| true, false);
        for directory in self.directories.values() {
            if let Err(error) = directory.clear() {
                tracing::warn!(log_dir = %directory.log_dir().display(), %error, "some pins cannot be dropped");
            }
        }
    }

    /// Lets go of everything in a log dir, because its file system is nearly full. Returns how many partitions were pinned.
    pub(crate) fn give_up(&self, log_dir: &DirectoryId) -> usize {
        self.release_where(|_, pinned| pinned.log_dir == *log_dir, true)
    }

    fn release_where(&self, goes: impl Fn(&PartitionKey, &PinnedPartition) -> bool, given_up: bool) -> usize {
        let gone: Vec<(PartitionKey, PinnedPartition)> = {
            let mut held = self.held();
            let keys: Vec<PartitionKey> = held
                .partitions
                .iter()
                .filter(|(key, pinned)| goes(key, pinned))
                .map(|(key, _)| *key)
                .collect();
            keys.into_iter()
                .filter_map(|key| held.partitions.remove(&key).map(|pinned| (key, pinned)))
                .collect()
        };
        for (key, pinned) in &gone {
            self.unlink(key, pinned);
            if given_up {
                self.held().given_up.insert(*key, (pinned.run, pinned.attempt));
            }
        }
        gone.len()
    }

    fn unlink(&self, key: &PartitionKey, pinned: &PinnedPartition) {
        let Some(directory) = self.directories.get(&pinned.log_dir) else {
            return;
        };
        for file in &pinned.files {
            if let Err(error) = directory.drop_pin(&pinned.name_of(key, file), file) {
                tracing::warn!(partition = %key, %error, "a pin cannot be dropped");
            }
        }
    }

    /// How much is pinned.
    pub(crate) fn total(&self) -> PinnedTotal {
        self.held()
            .partitions
            .values()
            .flat_map(|pinned| &pinned.files)
            .fold(PinnedTotal::default(), |total, file| PinnedTotal {
                files: total.files + 1,
                bytes: total.bytes + file.facts.size,
            })
    }

    /// Whether one of the partition's files has no name left but its pin's: only the agent keeps its blocks.
    pub(crate) fn is_only_holder(&self, key: &PartitionKey) -> bool {
        let Some(pinned) = self.held().partitions.get(key).cloned() else {
            return false;
        };
        let Some(directory) = self.directories.get(&pinned.log_dir) else {
            return false;
        };
        pinned
            .files
            .iter()
            .any(|file| directory.is_only_holder(&pinned.name_of(key, file), file))
    }
}
