//! The segments of one replica, as its directory was when it was listed.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use maxbrod_kafka::SegmentFile;

use crate::directory::{ChangeTime, Directory, DirectoryFacts};

/// How long after a directory's last change a listing must have been taken to be known to contain it. File systems stamp
/// with the kernel's coarse clock: two changes within one tick (10 ms at 100 Hz) carry one time.
const SETTLED: i128 = 50_000_000;

/// Segments and producer snapshots of a replica. Compact: an agent may hold a hundred thousand segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Base offsets of the segments, ascending. The last one is the active segment.
    pub(crate) bases: Box<[i64]>,
    /// Offsets of the producer snapshots, ascending.
    pub(crate) snapshots: Box<[i64]>,
    /// The cleaner was putting new segments in place of old ones: some may have been there under neither name (K§2.4).
    pub(crate) is_swapping: bool,
    changed: ChangeTime,
    taken: i128,
}

impl Listing {
    /// Lists a partition's directory.
    pub(crate) fn take(directory: &Directory) -> io::Result<Self> {
        let taken = now();
        // Looked at first: a change during the listing makes it stale, never fresh.
        let changed = directory.facts()?.changed;
        let (mut bases, mut snapshots, mut is_swapping) = (Vec::new(), Vec::new(), false);
        directory.each(|name, _, _| {
            let name = name.to_string_lossy();
            match SegmentFile::parse(&name) {
                Some((base, SegmentFile::Log)) => bases.push(base.0),
                Some((offset, SegmentFile::Snapshot)) => snapshots.push(offset.0),
                Some(_) => {}
                None => is_swapping |= name.ends_with(".log.swap"),
            }
        })?;
        bases.sort_unstable();
        snapshots.sort_unstable();
        Ok(Self {
            bases: bases.into(),
            snapshots: snapshots.into(),
            is_swapping,
            changed,
            taken,
        })
    }

    /// Whether the directory surely still has these files.
    pub(crate) fn is_fresh(&self, facts: &DirectoryFacts) -> bool {
        facts.changed == self.changed && self.changed.0 + SETTLED < self.taken
    }

    /// Base offset of the active segment.
    pub(crate) fn active(&self) -> Option<i64> {
        self.bases.last().copied()
    }

    /// Base offset of the segment that holds an offset, if any does.
    pub(crate) fn containing(&self, offset: i64) -> Option<i64> {
        let after = self.bases.partition_point(|base| *base <= offset);
        self.bases.get(after.checked_sub(1)?).copied()
    }

    /// The segments that hold offsets from `from` on.
    pub(crate) fn covering(&self, from: i64) -> &[i64] {
        let after = self.bases.partition_point(|base| *base <= from);
        self.bases.get(after.saturating_sub(1)..).unwrap_or_default()
    }

    /// Base offset of the segment before this one.
    pub(crate) fn before(&self, base: i64) -> Option<i64> {
        self.bases
            .get(self.bases.partition_point(|other| *other < base).checked_sub(1)?)
            .copied()
    }
}

fn now() -> i128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as i128)
}
