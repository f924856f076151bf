//! `.maxbrod-restore`: which plan a directory is restored by, and how far. It stays, so that hosts restored by different plans can
//! be told apart. Kafka ignores plain files whose names it does not know (K§3).
//!
//! A partition is noted only after it was brought onto the disk: what is noted survives a power failure, and need not be read
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use maxbrod_repository::Hash;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, write_whole};
use crate::error::{Error, Result};

#[cfg(test)]
mod tests;

pub(crate) const NAME: &str = ".maxbrod-restore";

/// A finished partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FinishedPartition {
    /// As its directory is called.
    pub(crate) partition: String,
    pub(crate) log_start: i64,
    /// Base of its first segment: a log start above it must be in the log dir's checkpoint.
    pub(crate) first_base: i64,
    pub(crate) end: i64,
    /// Lengths of its files.
    pub(crate) files: BTreeMap<String, u64>,
    /// BLAKE3 over the ids of its chunks, and names, lengths and content of its other files.
    pub(crate) digest: Hash,
}

/// Which restore a directory belongs to: the file's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) plan: Hash,
    pub(crate) snapshot: String,
    pub(crate) node: i32,
    /// BLAKE3 of the KRaft checkpoint: nodes belong together only if it is the same.
    pub(crate) checkpoint: Hash,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// The first one.
    Restore(Head),
    Partition(FinishedPartition),
    /// The last one: nothing is left to do but `meta.properties`.
    Applied,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) head: Head,
    /// Finished partitions by name.
    pub(crate) finished: BTreeMap<String, FinishedPartition>,
    pub(crate) applied: bool,
}

/// The file of one directory.
#[derive(Clone, Debug)]
pub(crate) struct ProgressFile {
    directory: PathBuf,
    pub(crate) record: Record,
}

impl ProgressFile {
    /// Reads the file of a directory; `None`: there is none.
    pub(crate) fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(NAME);
        let Some(bytes) = disk.read(&path).map_err(Error::io("reading", &path))? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes);
        // A torn line at the end is one that was never written.
        let mut lines = text.lines().map_while(|line| serde_json::from_str::<Line>(line).ok());
        let Some(Line::Restore(head)) = lines.next() else {
            return Err(Error::Occupied {
                path: directory.to_owned(),
                reason: format!("its {NAME} cannot be read"),
                remedy: "empty the directory and apply again",
            });
        };
        let mut record = Record {
            head,
            finished: BTreeMap::new(),
            applied: false,
        };
        for line in lines {
            match line {
                Line::Partition(partition) => {
                    record.finished.insert(partition.partition.clone(), partition);
                }
                Line::Applied => record.applied = true,
                Line::Restore(_) => {}
            }
        }
        let directory = directory.to_owned();
        Ok(Some(Self { directory, record }))
    }

    /// Begins the file, or goes on with it, torn end and partitions that are no more intact left out.
    pub(crate) fn open(disk: &dyn Disk, directory: &Path, record: Record) -> Result<Self> {
        let file = Self {
            directory: directory.to_owned(),
            record,
        };
        file.rewrite(disk)?;
        Ok(file)
    }

    /// Notes partitions that are on the disk.
    pub(crate) fn note(&mut self, disk: &dyn Disk, partitions: Vec<FinishedPartition>) -> Result<()> {
        let path = self.directory.join(NAME);
        let mut text = String::new();
        for partition in partitions {
            text.push_str(&line(&Line::Partition(partition.clone())));
            self.record.finished.insert(partition.partition.clone(), partition);
        }
        let append = || {
            let mut file = disk.append(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync()
        };
        append().map_err(Error::io("writing", &path))
    }

    /// Notes that all is done.
    pub(crate) fn applied(&mut self, disk: &dyn Disk) -> Result<()> {
        self.record.applied = true;
        // Written anew: the order in which partitions were finished says nothing any more.
        self.rewrite(disk)
    }

    fn rewrite(&self, disk: &dyn Disk) -> Result<()> {
        let mut text = line(&Line::Restore(self.record.head.clone()));
        for partition in self.record.finished.values() {
            text.push_str(&line(&Line::Partition(partition.clone())));
        }
        if self.record.applied {
            text.push_str(&line(&Line::Applied));
        }
        let path = self.directory.join(NAME);
        write_whole(disk, &path, text.as_bytes()).map_err(Error::io("writing", &path))
    }
}

impl FinishedPartition {
    /// Whether the directory still has the files that were written, at their lengths.
    pub(crate) fn is_intact(&self, disk: &dyn Disk, directory: &Path) -> Result<bool> {
        let Some(entries) = disk.list(directory).map_err(Error::io("reading", directory))? else {
            return Ok(false);
        };
        let found: BTreeSet<(&str, u64)> = entries
            .iter()
            .filter(|entry| !entry.is_dir)
            .map(|entry| (entry.name.as_str(), entry.length))
            .collect();
        let written: BTreeSet<(&str, u64)> = self
            .files
            .iter()
            .map(|(name, length)| (name.as_str(), *length))
            .collect();
        Ok(found == written && found.len() == entries.len())
    }
}

fn line(line: &Line) -> String {
    // Texts and numbers always have a JSON form.
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}
