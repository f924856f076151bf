//! Where benchmarks work, and what they are told.

use std::path::{Path, PathBuf};

use maxbrod_lab::Distribution;
use tempfile::TempDir;

use crate::error::{BenchError, Result};

/// What all benchmarks are told.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// Everything is written below it, and removed again.
    pub(crate) directory: PathBuf,
    /// Where `maxbrod`, `maxbrod-agent` and `maxbrod-coordinator` are.
    pub(crate) bin: PathBuf,
    /// Interleaved repetitions; each benchmark has its own number without.
    pub(crate) repeat: Option<usize>,
    /// Segments on the node of many segments.
    pub(crate) segments: u32,
    /// Partitions of the live cluster.
    pub(crate) partitions: i32,
    /// MiB of the topics that are backed up and restored.
    pub(crate) mebibytes: u64,
    /// Where Kafka is.
    pub(crate) kafka: Option<PathBuf>,
}

impl Scene {
    /// A directory that is removed in the end.
    pub(crate) fn directory(&self, name: &str) -> Result<TempDir> {
        let made = std::fs::create_dir_all(&self.directory).and_then(|()| {
            tempfile::Builder::new()
                .prefix(&format!("{name}-"))
                .tempdir_in(&self.directory)
        });
        made.map_err(|source| BenchError::io("making a directory in", &self.directory, source))
    }

    /// Kafka's jars.
    pub(crate) fn distribution(&self) -> Result<Distribution> {
        let target = self.bin.parent().unwrap_or(Path::new("target"));
        Ok(Distribution::obtain(self.kafka.as_deref(), target)?)
    }

    /// How often to measure, where nothing else was asked for.
    pub(crate) fn repeat(&self, usually: usize) -> usize {
        self.repeat.unwrap_or(usually)
    }
}
