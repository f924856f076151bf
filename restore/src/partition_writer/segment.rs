//! Segments and the files beside them.

use std::collections::BTreeMap;

use maxbrod_kafka::{SegmentFile, SegmentIndexes, write_producer_snapshot};

use super::*;
use crate::disk::DiskFile;

/// A segment being written.
pub(super) struct OpenSegment {
    base: Offset,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    length: u64,
}

/// The files of the directory.
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    /// Lengths by name.
    pub(super) written: BTreeMap<String, u64>,
}

impl OpenSegment {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(Error::io("writing", &self.path))
    }
}

impl Files {
    pub(super) fn new(disk: Arc<dyn Disk>, directory: PathBuf) -> Self {
        Self {
            disk,
            directory,
            written: BTreeMap::new(),
        }
    }

    fn segment(&self, base: Offset) -> Result<OpenSegment> {
        let path = self.directory.join(SegmentFile::Log.name(base));
        let file = self.disk.create(&path).map_err(Error::io("creating", &path))?;
        Ok(OpenSegment {
            base,
            path,
            file,
            length: 0,
        })
    }

    /// Writes a small file.
    pub(super) fn write(&mut self, name: String, bytes: &[u8]) -> Result<()> {
        let path = self.directory.join(&name);
        let mut file = self.disk.create(&path).map_err(Error::io("creating", &path))?;
        // An empty index is a file all the same: a missing one makes the broker recover the segment.
        if !bytes.is_empty() {
            file.write_all(bytes).map_err(Error::io("writing", &path))?;
        }
        self.written.insert(name, bytes.len() as u64);
        Ok(())
    }
}

impl PartitionWriter {
    pub(super) fn open_segment(&mut self, base: Offset) -> Result<()> {
        self.first_base.get_or_insert(base);
        self.segment = Some(self.files.segment(base)?);
        Ok(())
    }

    /// Ends the segment and begins the next one. The producers' state goes between them, as after Kafka's own roll: truncation
    /// reads it, and so does tiered storage.
    pub(super) fn roll(&mut self, base: Offset) -> Result<()> {
        self.take_producers(base);
        let indexes = self.rebuild.roll(base);
        self.close_segment(&indexes)?;
        self.snapshot(base)?;
        self.open_segment(base)
    }

    pub(super) fn close_segment(&mut self, indexes: &SegmentIndexes) -> Result<()> {
        let Some(segment) = self.segment.take() else {
            return Ok(());
        };
        let name = SegmentFile::Log.name(segment.base);
        self.digest.update(name.as_bytes());
        self.files.written.insert(name, segment.length);
        let mut indexes = vec![
            (SegmentFile::Index, &indexes.offset_index),
            (SegmentFile::TimeIndex, &indexes.time_index),
            (SegmentFile::TxnIndex, &indexes.txn_index),
        ];
        // Without an abort there is no such file.
        indexes.retain(|(kind, bytes)| *kind != SegmentFile::TxnIndex || !bytes.is_empty());
        for (kind, bytes) in indexes {
            self.small_file(kind.name(segment.base), bytes)?;
        }
        Ok(())
    }

    /// Writes the producers' state at an offset. At or below the log start Kafka would delete it right away.
    pub(super) fn snapshot(&mut self, offset: Offset) -> Result<()> {
        if offset <= self.plan.record.log_start {
            return Ok(());
        }
        let producers = write_producer_snapshot(&self.rebuild.producers());
        self.small_file(SegmentFile::Snapshot.name(offset), &producers)
    }

    pub(super) fn small_file(&mut self, name: String, bytes: &[u8]) -> Result<()> {
        self.digest.update(name.as_bytes());
        self.digest.update(&(bytes.len() as u64).to_be_bytes());
        self.digest.update(bytes);
        self.files.write(name, bytes)
    }
}
