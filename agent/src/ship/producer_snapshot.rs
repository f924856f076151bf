//! The newest producer snapshot at or below the cut that is whole: Kafka writes them in place, a reader can see half of one
//! (K§1.2).

use std::fs::File;
use std::io::Read as _;

use maxbrod_kafka::{Offset, SegmentFile, parse_producer_snapshot};

use super::reader::Draft;
use super::source::Source;

/// 46 bytes for each of a million producers; a larger one is left out, a restore makes its own from the log.
const LIMIT: u64 = 64 << 20;

/// A producer snapshot as a chunk; its "batches" are the file.
pub(crate) fn newest(source: &Source, cut: i64) -> Option<(Draft, Vec<u8>)> {
    let mut candidates = source.pinned_snapshots();
    if let Some(replica) = &source.replica {
        let listing = crate::log_dir::Listing::take(&replica.directory).ok();
        let offsets = listing.map(|listing| listing.snapshots.to_vec()).unwrap_or_default();
        let below = offsets.into_iter().rev().filter(|offset| *offset <= cut).take(2);
        let open = |offset: i64| {
            Some((
                offset,
                replica
                    .directory
                    .file(&SegmentFile::Snapshot.name(Offset(offset)))
                    .ok()?,
            ))
        };
        candidates.extend(below.filter_map(open));
    }
    candidates.sort_by_key(|(offset, _)| std::cmp::Reverse(*offset));
    candidates
        .into_iter()
        .filter(|(offset, _)| *offset <= cut)
        .find_map(|(offset, file)| {
            let bytes = read(file)?;
            match parse_producer_snapshot(&bytes) {
                Ok(_) => Some((Draft::of_file(offset), bytes)),
                Err(error) => {
                    let (partition, file) = (source.name(), SegmentFile::Snapshot.name(Offset(offset)));
                    tracing::warn!(
                        partition, file, %error,
                        "a producer snapshot is damaged, or just being written; an older one is taken, or a restore makes its own"
                    );
                    None
                }
            }
        })
}

fn read(file: File) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LIMIT).then_some(bytes)
}
