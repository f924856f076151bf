//! Where a partition's bytes are read: pinned files, and those in its directory.

use std::fs::File;
use std::io;
use std::sync::Arc;

use maxbrod_kafka::{Offset, SegmentFile};

use super::error::ShipError;
use crate::directory::{FileFacts, file_facts};
use crate::frame::Frame;
use crate::log_dir::{Catalog, LogDir, Replica};
use crate::partition::directory_name;
use crate::pin::{PinnedFile, PinnedPartition, Pins};
use crate::replica::{End, locate, log_start};
use crate::ship::SourcePartition;

/// A partition's segments, as they were at one moment.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) partition: SourcePartition,
    pub(crate) log_start: i64,
    pub(crate) log_dir: Arc<LogDir>,
    /// Its directory; `None`: gone, only pins are left.
    pub(crate) replica: Option<Replica>,
    pub(crate) segments: Vec<SourceSegment>,
    pins: Option<(Arc<Pins>, PinnedPartition)>,
}

/// A segment to read.
#[derive(Debug)]
pub(crate) struct SourceSegment {
    pub(crate) base: i64,
    /// `None`: in the partition's directory.
    pinned: Option<PinnedFile>,
}

/// Where a batch is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// Which of the source's segments.
    pub(crate) segment: usize,
    pub(crate) frame: Frame,
}

impl Source {
    /// What is in the partition's directory now.
    pub(crate) fn live(catalog: &Catalog, partition: &SourcePartition) -> Result<Self, ShipError> {
        let replica = catalog.open(partition.key, Some(&partition.topic))?;
        let listing = catalog.listing(&replica)?;
        let log_start = log_start(&replica, &listing)?;
        let segments = listing
            .bases
            .iter()
            .map(|base| SourceSegment {
                base: *base,
                pinned: None,
            })
            .collect();
        let log_dir = Arc::clone(&replica.log_dir);
        Ok(Self {
            partition: partition.clone(),
            log_start,
            log_dir,
            replica: Some(replica),
            segments,
            pins: None,
        })
    }

    /// What was pinned, and earlier segments as far as they are still there.
    pub(crate) fn pinned(
        catalog: &Catalog,
        pins: &Arc<Pins>,
        partition: &SourcePartition,
        pinned: PinnedPartition,
    ) -> Result<Self, ShipError> {
        let name = directory_name(&partition.topic, partition.key.partition);
        let log_dir = catalog.log_dirs().iter().find(|log_dir| log_dir.id == pinned.log_dir);
        let log_dir = Arc::clone(log_dir.ok_or(ShipError::CalledOff { partition: name })?);
        let replica = catalog.open(partition.key, Some(&partition.topic)).ok();
        let first = pinned.segments().next().map_or(i64::MAX, |file| file.offset);
        let earlier = match &replica {
            Some(replica) => catalog
                .listing(replica)
                .map(|listing| listing.bases.to_vec())
                .unwrap_or_default(),
            None => Vec::new(),
        };
        let earlier = earlier
            .into_iter()
            .filter(|base| *base < first)
            .map(|base| SourceSegment { base, pinned: None });
        let segments = pinned.segments().map(|file| SourceSegment {
            base: file.offset,
            pinned: Some(file.clone()),
        });
        let segments = earlier.chain(segments).collect();
        let log_start = pinned.log_start;
        let pins = Some((Arc::clone(pins), pinned));
        Ok(Self {
            partition: partition.clone(),
            log_start,
            log_dir,
            replica,
            segments,
            pins,
        })
    }

    /// As people know it.
    pub(crate) fn name(&self) -> String {
        self.partition.name()
    }

    pub(super) fn unreadable(&self, base: i64, reason: io::Error) -> ShipError {
        let (partition, segment) = (self.name(), segment_name(base));
        if reason.kind() == io::ErrorKind::NotFound {
            ShipError::Vanished { partition, segment }
        } else {
            ShipError::Unreadable {
                partition,
                segment,
                reason,
            }
        }
    }

    pub(super) fn different(&self, base: i64, reason: String) -> ShipError {
        ShipError::Different {
            partition: self.name(),
            segment: segment_name(base),
            reason,
        }
    }

    pub(super) fn damaged(&self, base: i64, reason: String) -> ShipError {
        ShipError::Damaged {
            partition: self.name(),
            segment: segment_name(base),
            reason,
        }
    }

    /// Opens a segment.
    pub(crate) fn open(&self, segment: usize) -> Result<(File, FileFacts), ShipError> {
        let Some(segment) = self.segments.get(segment) else {
            return Err(self.different(self.log_start, "the log ends before the cut".to_owned()));
        };
        let failed = |reason| self.unreadable(segment.base, reason);
        let file = match (&segment.pinned, &self.pins, &self.replica) {
            (Some(file), Some((pins, pinned)), _) => {
                let directory = pins
                    .directory(&pinned.log_dir)
                    .ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
                directory
                    .open(&pinned.name_of(&self.partition.key, file), file)
                    .map_err(failed)?
            }
            (_, _, Some(replica)) => replica.directory.file(&segment_name(segment.base)).map_err(failed)?,
            _ => return Err(failed(io::ErrorKind::NotFound.into())),
        };
        let facts = file_facts(&file).map_err(failed)?;
        Ok((file, facts))
    }

    /// The segment that holds an offset.
    pub(crate) fn segment_of(&self, offset: i64) -> Option<usize> {
        self.segments
            .partition_point(|segment| segment.base <= offset)
            .checked_sub(1)
    }

    /// Base offset of the active segment.
    pub(crate) fn active(&self) -> i64 {
        self.segments.last().map_or(self.log_start, |segment| segment.base)
    }

    /// The first batch that ends above an offset.
    pub(crate) fn locate(&self, offset: i64) -> Result<Option<Spot>, ShipError> {
        let first = self.segment_of(offset).unwrap_or(0);
        for (segment, at) in self.segments.iter().enumerate().skip(first) {
            let (file, _) = self.open(segment)?;
            // The live index may be of another file of that name by now; its entries are confirmed by batches.
            let directory = self.replica.as_ref().map(|replica| &replica.directory);
            let found =
                locate(&file, directory, at.base, offset, None).map_err(|error| self.unreadable(at.base, error))?;
            if let Some(frame) = found {
                return Ok(Some(Spot { segment, frame }));
            }
        }
        Ok(None)
    }

    /// Whether the batch that ends at an offset is there, with this epoch and CRC.
    pub(crate) fn has(&self, end: &End) -> Result<bool, ShipError> {
        let found = self.locate(end.next.saturating_sub(1))?;
        Ok(found.is_some_and(|spot| {
            spot.frame.next == end.next && (spot.frame.epoch, spot.frame.crc) == (end.epoch, end.crc)
        }))
    }

    /// Bytes between two batches.
    pub(crate) fn bytes_between(&self, from: &Spot, to: &Spot) -> Result<u64, ShipError> {
        let mut bytes = to.frame.position;
        for segment in from.segment..to.segment {
            bytes += self.open(segment)?.1.size;
        }
        Ok(bytes.saturating_sub(from.frame.position))
    }

    /// The pinned producer snapshots, the newest first.
    pub(crate) fn pinned_snapshots(&self) -> Vec<(i64, File)> {
        let Some((pins, pinned)) = &self.pins else {
            return Vec::new();
        };
        let Some(directory) = pins.directory(&pinned.log_dir) else {
            return Vec::new();
        };
        let snapshots = pinned
            .files
            .iter()
            .rev()
            .filter(|file| file.kind == crate::pin::PinnedKind::Snapshot);
        snapshots
            .filter_map(|file| {
                Some((
                    file.offset,
                    directory.open(&pinned.name_of(&self.partition.key, file), file).ok()?,
                ))
            })
            .collect()
    }
}

/// A segment's file.
pub(super) fn segment_name(base: i64) -> String {
    SegmentFile::Log.name(Offset(base))
}
