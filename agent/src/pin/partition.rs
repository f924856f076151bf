//! The pinned files of one partition.

use std::fs::File;
use std::io;
use std::sync::Arc;

use maxbrod_kafka::{DirectoryId, Offset, SegmentFile};

use super::directory::PinDirectory;
use crate::directory::{FileFacts, file_facts};
use crate::log_dir::{Catalog, Listing, Replica, ReplicaError};
use crate::partition::PartitionKey;

/// How often the set of files may change while it is pinned.
const RETRIES: u32 = 10;
/// Producer snapshots that are pinned: the newest can turn out to lie above the cut, or to be torn.
const SNAPSHOTS: usize = 2;

/// What a pinned file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinnedKind {
    /// A segment.
    Log,
    /// A producer snapshot.
    Snapshot,
}

/// One pinned file. Its link's name is made of what is here, so that a hundred thousand pins stay small.
#[derive(Clone, Debug)]
pub(crate) struct PinnedFile {
    pub(crate) kind: PinnedKind,
    /// Base offset of the segment, or the snapshot's offset.
    pub(crate) offset: i64,
    /// As it was when it was pinned.
    pub(crate) facts: FileFacts,
    /// Set where the descriptor is the pin.
    pub(crate) descriptor: Option<Arc<File>>,
}

/// The pinned files of a partition.
#[derive(Clone, Debug)]
pub(crate) struct PinnedPartition {
    pub(crate) run: u64,
    pub(crate) attempt: u32,
    pub(crate) log_dir: DirectoryId,
    /// Log start offset when the pins were taken.
    pub(crate) log_start: i64,
    /// Segments ascending, then snapshots.
    pub(crate) files: Vec<PinnedFile>,
}

impl PinnedPartition {
    /// The name of a file's link: run, attempt, partition, offset, kind.
    pub(crate) fn name_of(&self, key: &PartitionKey, file: &PinnedFile) -> String {
        pin_name(self.run, self.attempt, key, file.kind, file.offset)
    }

    /// The pinned segments, ascending.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &PinnedFile> {
        self.files.iter().filter(|file| file.kind == PinnedKind::Log)
    }

    /// Takes out the segments that end at or below an offset.
    pub(super) fn split_below(&mut self, offset: i64) -> Self {
        let bases: Vec<i64> = self.segments().map(|file| file.offset).collect();
        let ends_below = |base: i64| {
            let next = bases.get(bases.partition_point(|other| *other <= base));
            next.is_some_and(|next| *next <= offset)
        };
        let (gone, kept) = std::mem::take(&mut self.files)
            .into_iter()
            .partition(|file| file.kind == PinnedKind::Log && ends_below(file.offset));
        self.files = kept;
        Self {
            files: gone,
            ..self.clone()
        }
    }
}

fn pin_name(run: u64, attempt: u32, key: &PartitionKey, kind: PinnedKind, offset: i64) -> String {
    let file = match kind {
        PinnedKind::Log => SegmentFile::Log,
        PinnedKind::Snapshot => SegmentFile::Snapshot,
    };
    format!(
        "{run}_{attempt}_{}_{}_{}",
        key.topic_id,
        key.partition,
        file.name(Offset(offset))
    )
}

/// Pins the segments that hold offsets from `from` on, and the newest producer snapshots.
///
/// The set is that of one moment: while it was pinned, no file was added, replaced or removed (K§2.4).
pub(crate) fn take(
    catalog: &Catalog,
    replica: &Replica,
    directory: &PinDirectory,
    run: u64,
    attempt: u32,
    from: i64,
    log_start: i64,
) -> Result<PinnedPartition, ReplicaError> {
    let mut listing = catalog.settled_listing(replica)?;
    let mut pinned = PinnedPartition {
        run,
        attempt,
        log_dir: directory.id(),
        log_start,
        files: Vec::new(),
    };
    for _ in 0..RETRIES {
        pinned.files.clear();
        let complete = pin_all(replica, directory, &listing, from, &mut pinned)?;
        let after = catalog.settled_listing(replica)?;
        if complete && (Arc::ptr_eq(&after, &listing) || same_files(replica, &after, from, &pinned)?) {
            return Ok(pinned);
        }
        for file in &pinned.files {
            let _ = directory.drop_pin(&pinned.name_of(&replica.key, file), file);
        }
        listing = catalog.settled_listing(replica)?;
    }
    Err(replica.unreadable(
        "its segments",
        io::Error::other("they keep changing while they are pinned"),
    ))
}

fn wanted(listing: &Listing, from: i64) -> impl Iterator<Item = (PinnedKind, i64)> {
    let logs = listing.covering(from).iter().map(|base| (PinnedKind::Log, *base));
    let newest = listing.snapshots.len().saturating_sub(SNAPSHOTS);
    let snapshots = listing
        .snapshots
        .iter()
        .skip(newest)
        .map(|offset| (PinnedKind::Snapshot, *offset));
    logs.chain(snapshots)
}

/// Says whether all were there.
fn pin_all(
    replica: &Replica,
    directory: &PinDirectory,
    listing: &Listing,
    from: i64,
    pinned: &mut PinnedPartition,
) -> Result<bool, ReplicaError> {
    for (kind, offset) in wanted(listing, from) {
        let name = file_name(kind, offset);
        let file = match replica.directory.file(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|error| replica.unreadable(&name, error))?,
        };
        let facts = file_facts(&file).map_err(|error| replica.unreadable(&name, error))?;
        let link = pin_name(pinned.run, pinned.attempt, &replica.key, kind, offset);
        let descriptor = directory
            .pin(file, &link)
            .map_err(|error| replica.unreadable(&name, error))?;
        pinned.files.push(PinnedFile {
            kind,
            offset,
            facts,
            descriptor,
        });
    }
    Ok(true)
}

/// Whether the segments now in the directory are those that were pinned. A new active segment besides does no harm.
fn same_files(replica: &Replica, listing: &Listing, from: i64, pinned: &PinnedPartition) -> Result<bool, ReplicaError> {
    let bases: Vec<i64> = listing.covering(from).to_vec();
    let mut pinned_bases = pinned.segments().map(|file| file.offset);
    if !bases.starts_with(&pinned_bases.by_ref().collect::<Vec<_>>()) {
        return Ok(false);
    }
    for file in pinned.segments() {
        let name = file_name(file.kind, file.offset);
        let now = match replica.directory.file(&name).and_then(|file| file_facts(&file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|error| replica.unreadable(&name, error))?,
        };
        if !now.same_file(&file.facts) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn file_name(kind: PinnedKind, offset: i64) -> String {
    match kind {
        PinnedKind::Log => SegmentFile::Log.name(Offset(offset)),
        PinnedKind::Snapshot => SegmentFile::Snapshot.name(Offset(offset)),
    }
}
