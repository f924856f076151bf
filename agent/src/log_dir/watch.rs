//! Tells of new files in partitions' directories, so that closed segments are read while they are still in the page cache.
//!
//! inotify directly, asked for new names only: Kafka appends to its logs thousands of times a second, and the usual watcher
//! crates would wake the agent at each. Events can get lost and watches can be refused; the periodic walk makes up for both.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use maxbrod_kafka::SegmentFile;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

use super::Replica;
use crate::partition::PartitionKey;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A segment was added to a watched partition: all its earlier segments are closed (K§2.1).
    NewSegment(PartitionKey),
    /// Events were lost: anything may have happened.
    Anything,
}

/// Watches partitions' directories.
#[derive(Debug)]
pub(crate) struct Watch {
    fd: OwnedFd,
    partitions: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    by_descriptor: HashMap<i32, PartitionKey>,
    by_key: HashMap<PartitionKey, i32>,
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn new() -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self {
            fd,
            partitions: Mutex::default(),
        })
    }

    /// Watches a partition, too.
    pub(crate) fn add(&self, replica: &Replica) -> io::Result<()> {
        let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let descriptor = inotify::add_watch(&self.fd, replica.directory.proc_path(), flags)?;
        let mut watched = self.watched();
        watched.by_descriptor.insert(descriptor, replica.key);
        watched.by_key.insert(replica.key, descriptor);
        Ok(())
    }

    /// Watches these partitions only.
    pub(crate) fn retain(&self, keep: impl Fn(&PartitionKey) -> bool) {
        let mut watched = self.watched();
        let gone: Vec<(PartitionKey, i32)> = watched
            .by_key
            .iter()
            .filter(|(key, _)| !keep(key))
            .map(|(key, descriptor)| (*key, *descriptor))
            .collect();
        for (key, descriptor) in gone {
            watched.by_key.remove(&key);
            watched.by_descriptor.remove(&descriptor);
            // The directory may be gone, and its watch with it.
            let _ = inotify::remove_watch(&self.fd, descriptor);
        }
    }

    /// Whether the partition is watched.
    pub(crate) fn has(&self, key: &PartitionKey) -> bool {
        self.watched().by_key.contains_key(key)
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened since the last time. Does not wait: a closed segment that is read half a second later is as hot.
    pub(crate) fn changes(&self) -> io::Result<Vec<Change>> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&self.fd, &mut buffer);
        let mut changes = Vec::new();
        loop {
            let event = match reader.next() {
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(changes),
                other => other?,
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                changes.push(Change::Anything);
            } else if event.events().contains(ReadFlags::IGNORED) {
                let mut watched = self.watched();
                if let Some(key) = watched.by_descriptor.remove(&event.wd()) {
                    watched.by_key.remove(&key);
                }
            } else if event
                .file_name()
                .is_some_and(|name| is_segment(&name.to_string_lossy()))
                && let Some(key) = self.watched().by_descriptor.get(&event.wd())
                && changes.last() != Some(&Change::NewSegment(*key))
            {
                changes.push(Change::NewSegment(*key));
            }
        }
    }
}

fn is_segment(name: &str) -> bool {
    matches!(SegmentFile::parse(name), Some((_, SegmentFile::Log)))
}
