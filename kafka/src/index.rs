//! Offset, time and transaction indexes (K§1.6).
//!
//! A file's length says how many entries an index has. An active segment's is preallocated and zero behind its last entry, so
//! parsing stops where entries stop ascending.

use crate::ids::{Offset, ProducerId};

#[cfg(test)]
mod tests;

/// An entry of an offset index: the batch that ends with `offset` starts at or after `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetIndexEntry {
    /// Last offset of what was appended at `position`, less the segment's base offset.
    pub relative_offset: i32,
    /// Position in the segment, in bytes.
    pub position: i32,
}

/// An entry of a time index: no record up to `relative_offset` has a larger timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// Milliseconds.
    pub timestamp: i64,
    /// Offset, less the segment's base offset.
    pub relative_offset: i32,
}

/// An aborted transaction, in the index of the segment that has its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Its producer.
    pub producer_id: ProducerId,
    /// Its first offset in the partition.
    pub first_offset: Offset,
    /// Offset of the ABORT marker.
    pub last_offset: Offset,
    /// Last stable offset right after the marker.
    pub last_stable_offset: Offset,
}

impl OffsetIndexEntry {
    /// Length of an entry, in bytes.
    pub const LENGTH: usize = 8;

    /// Reads the entries of an index file, up to its zero tail if it has one.
    pub fn parse_all(bytes: &[u8]) -> Vec<Self> {
        let mut entries: Vec<Self> = Vec::new();
        for raw in bytes.chunks_exact(Self::LENGTH) {
            let Some((relative_offset, position)) = split(raw, i32::from_be_bytes, i32::from_be_bytes) else {
                break;
            };
            // Offsets ascend strictly, so a zero behind the first entry is preallocated space.
            let ascends = entries
                .last()
                .is_none_or(|last| last.relative_offset < relative_offset && last.position < position);
            let padding = relative_offset == 0 && position == 0;
            if !ascends || padding || relative_offset < 0 || position < 0 {
                break;
            }
            entries.push(Self {
                relative_offset,
                position,
            });
        }
        entries
    }

    /// Appends the entry to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    /// The entry with the greatest offset that is not above `target`.
    pub fn lookup(entries: &[Self], target: i32) -> Option<Self> {
        let after = entries.partition_point(|entry| entry.relative_offset <= target);
        entries.get(after.checked_sub(1)?).copied()
    }
}

impl TimeIndexEntry {
    /// Length of an entry, in bytes.
    pub const LENGTH: usize = 12;

    /// Reads the entries of an index file, up to its zero tail if it has one.
    pub fn parse_all(bytes: &[u8]) -> Vec<Self> {
        let mut entries: Vec<Self> = Vec::new();
        for raw in bytes.chunks_exact(Self::LENGTH) {
            let Some((timestamp, relative_offset)) = split(raw, i64::from_be_bytes, i32::from_be_bytes) else {
                break;
            };
            let ascends = entries
                .last()
                .is_none_or(|last| last.timestamp < timestamp && last.relative_offset <= relative_offset);
            let padding = timestamp == 0 && relative_offset == 0;
            if !ascends || padding || relative_offset < 0 {
                break;
            }
            entries.push(Self {
                timestamp,
                relative_offset,
            });
        }
        entries
    }

    /// The last entry whose timestamp is not above `target`: records with larger timestamps come after its offset.
    pub fn lookup(entries: &[Self], target: i64) -> Option<Self> {
        let after = entries.partition_point(|entry| entry.timestamp <= target);
        entries.get(after.checked_sub(1)?).copied()
    }

    /// Appends the entry to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }
}

impl AbortedTransaction {
    /// Length of an entry, in bytes.
    pub const LENGTH: usize = 34;

    /// Reads the entries of an index file; `None` when it is torn or has another version.
    pub fn parse_all(bytes: &[u8]) -> Option<Vec<Self>> {
        if !bytes.len().is_multiple_of(Self::LENGTH) {
            return None;
        }
        bytes
            .chunks_exact(Self::LENGTH)
            .map(|raw| {
                let (version, numbers) = raw.split_first_chunk::<2>()?;
                let number = |index: usize| {
                    numbers
                        .get(index * 8..index * 8 + 8)
                        .and_then(|raw| raw.try_into().ok())
                        .map(i64::from_be_bytes)
                };
                (*version == [0, 0]).then_some(())?;
                Some(Self {
                    producer_id: ProducerId(number(0)?),
                    first_offset: Offset(number(1)?),
                    last_offset: Offset(number(2)?),
                    last_stable_offset: Offset(number(3)?),
                })
            })
            .collect()
    }

    /// The transactions that a reader of the records `from` to `until` (exclusive) must leave out, and whether the answer is
    /// complete: if not, the index of the next segment has to be asked too (`TransactionIndex.collectAbortedTxns`).
    pub fn overlapping(entries: &[Self], from: Offset, until: Offset) -> (Vec<Self>, bool) {
        let mut found = Vec::new();
        for entry in entries {
            if entry.last_offset >= from && entry.first_offset < until {
                found.push(*entry);
            }
            // Nothing below this entry's last stable offset can be aborted by a later marker.
            if entry.last_stable_offset >= until {
                return (found, true);
            }
        }
        (found, false)
    }

    /// Appends the entry to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 0]);
        for number in [
            self.producer_id.0,
            self.first_offset.0,
            self.last_offset.0,
            self.last_stable_offset.0,
        ] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn split<const A: usize, const B: usize, X, Y>(
    raw: &[u8],
    first: fn([u8; A]) -> X,
    second: fn([u8; B]) -> Y,
) -> Option<(X, Y)> {
    let (head, tail) = raw.split_first_chunk::<A>()?;
    Some((first(*head), second(tail.try_into().ok()?)))
}
