//! `.maxbrod-restore`: which plan a directory is restored by, and how far. It stays, so that hosts restored by different plans can
//! be told apart. Kafka ignores plain files whose names it does not know (K§3).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use maxbrod_repository::Hash;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub(crate) const NAME: &str = ".maxbrod-restore";

/// A file of a finished partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WrittenFile {
    pub(crate) name: String,
    pub(crate) length: u64,
    pub(crate) blake3: Hash,
}

/// A finished partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FinishedPartition {
    pub(crate) partition: String,
    pub(crate) first_base: i64,
    pub(crate) files: Vec<WrittenFile>,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// The first one.
    Restore { plan: Hash, snapshot: String, node: i32 },
    Partition(FinishedPartition),
    /// The last one: nothing is left to do but `meta.properties`.
    Applied,
}

/// The file of one directory.
#[derive(Debug)]
pub(crate) struct ProgressFile {
    path: PathBuf,
    file: File,
    /// Partitions that an earlier attempt finished.
    pub(crate) finished: BTreeMap<String, FinishedPartition>,
    pub(crate) applied: bool,
}

impl ProgressFile {
    /// Begins, or goes on where an attempt by the same plan broke off. Anything else in the directory is refused.
    pub(crate) fn open(directory: &Path, plan: Hash, snapshot: &str, node: i32) -> Result<Self> {
        let path = directory.join(NAME);
        let head = Line::Restore { plan, snapshot: snapshot.to_owned(), node };
        let occupied = |reason: String| Error::Occupied { path: directory.to_owned(), reason };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let mut lines = text.lines();
                let first = lines.next().and_then(|line| serde_json::from_str::<Line>(line).ok());
                if first.as_ref() != Some(&head) {
                    return Err(occupied(match first {
                        Some(Line::Restore { plan, snapshot, node }) => format!(
                            "it belongs to a restore of node {node} from snapshot {snapshot} by plan {plan}; apply that plan, or empty the directory"
                        ),
                        _ => format!("its {NAME} cannot be read; empty the directory"),
                    }));
                }
                let mut finished = BTreeMap::new();
                let mut applied = false;
                // A torn last line is one that was never written.
                for line in lines.map_while(|line| serde_json::from_str::<Line>(line).ok()) {
                    match line {
                        Line::Partition(partition) => {
                            finished.insert(partition.partition.clone(), partition);
                        }
                        Line::Applied => applied = true,
                        Line::Restore { .. } => {}
                    }
                }
                let mut file = OpenOptions::new().append(true).open(&path).map_err(Error::io("opening", &path))?;
                if !text.ends_with('\n') {
                    file.write_all(b"\n").map_err(Error::io("writing", &path))?;
                }
                Ok(Self { path, file, finished, applied })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if let Some(found) = first_entry(directory)? {
                    return Err(occupied(format!("{found} is in it; a restore needs empty directories, and never writes over a broker's")));
                }
                let file = File::create_new(&path).map_err(Error::io("creating", &path))?;
                let mut progress = Self { path, file, finished: BTreeMap::new(), applied: false };
                progress.append(&head)?;
                Ok(progress)
            }
            Err(error) => Err(Error::io("reading", &path)(error)),
        }
    }

    /// Notes a finished partition.
    pub(crate) fn partition(&mut self, partition: FinishedPartition) -> Result<()> {
        self.append(&Line::Partition(partition))
    }

    /// Notes that all is done.
    pub(crate) fn applied(&mut self) -> Result<()> {
        self.append(&Line::Applied)?;
        self.applied = true;
        self.file.sync_all().map_err(Error::io("syncing", &self.path))
    }

    fn append(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line).unwrap_or_default();
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(Error::io("writing", &self.path))
    }
}

impl FinishedPartition {
    /// Whether the directory still holds exactly what was written.
    pub(crate) fn is_intact(&self, directory: &Path) -> Result<bool> {
        let Ok(entries) = fs::read_dir(directory) else { return Ok(false) };
        if entries.count() != self.files.len() {
            return Ok(false);
        }
        for file in &self.files {
            let path = directory.join(&file.name);
            let Ok(mut opened) = File::open(&path) else { return Ok(false) };
            let mut hasher = blake3::Hasher::new();
            let mut buffer = vec![0; 1 << 20];
            let mut length = 0;
            loop {
                let read = opened.read(&mut buffer).map_err(Error::io("reading", &path))?;
                let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
                hasher.update(bytes);
                length += read as u64;
            }
            if length != file.length || hasher.finalize().as_bytes() != &file.blake3.0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Some entry of a directory that is not empty; `lost+found` does not count.
fn first_entry(directory: &Path) -> Result<Option<String>> {
    for entry in fs::read_dir(directory).map_err(Error::io("reading", directory))? {
        let name = entry.map_err(Error::io("reading", directory))?.file_name();
        if name != "lost+found" {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}
