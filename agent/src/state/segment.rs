//! Rows of compacted partitions' segments: which file it was, and of which chunks it consists.
//!
//! Whether the base still holds these chunks is asked of the coordinator each time; a row alone proves nothing.

use maxbrod_repository::ContentId;
use rusqlite::params;

use super::{State, StateError};
use crate::partition::PartitionKey;

/// A chunk of a compacted partition's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentChunk {
    pub(crate) id: ContentId,
    pub(crate) base: i64,
    pub(crate) next: i64,
    /// Where in the file its last batch starts: it is looked at again to see that the file is what it was.
    pub(crate) last_batch: u64,
    /// Where in the file it ends.
    pub(crate) end: u64,
    pub(crate) epoch: i32,
    pub(crate) crc: u32,
    pub(crate) length: u64,
    pub(crate) closed: bool,
}

/// A segment as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRow {
    pub(crate) base: i64,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) birth: i64,
    pub(crate) chunks: Vec<SegmentChunk>,
}

const ENCODED: usize = 32 + 8 * 5 + 4 * 2 + 1;

impl State {
    /// The segments of a partition, ascending.
    pub(crate) fn segments(&self, key: &PartitionKey) -> Result<Vec<SegmentRow>, StateError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT base, device, inode, birth, chunks FROM segments WHERE topic = ?1 AND partition = ?2 ORDER BY base",
        )?;
        let rows = statement.query_map(params![key.topic_bytes().as_slice(), key.partition.0], |row| {
            Ok(SegmentRow {
                base: row.get(0)?,
                device: row.get::<_, i64>(1)? as u64,
                inode: row.get::<_, i64>(2)? as u64,
                birth: row.get(3)?,
                chunks: decode(&row.get::<_, Vec<u8>>(4)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Remembers a segment.
    pub(crate) fn put_segment(&self, key: &PartitionKey, row: &SegmentRow) -> Result<(), StateError> {
        let sql = "INSERT OR REPLACE INTO segments (topic, partition, base, device, inode, birth, chunks)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.lock().prepare_cached(sql)?.execute(params![
            key.topic_bytes().as_slice(),
            key.partition.0,
            row.base,
            row.device as i64,
            row.inode as i64,
            row.birth,
            encode(&row.chunks),
        ])?;
        Ok(())
    }

    /// Forgets the segments of a partition that are not among these, ascending.
    pub(crate) fn retain_segments(&self, key: &PartitionKey, bases: &[i64]) -> Result<(), StateError> {
        for row in self.segments(key)? {
            if bases.binary_search(&row.base).is_err() {
                let sql = "DELETE FROM segments WHERE topic = ?1 AND partition = ?2 AND base = ?3";
                self.lock().prepare_cached(sql)?.execute(params![
                    key.topic_bytes().as_slice(),
                    key.partition.0,
                    row.base
                ])?;
            }
        }
        Ok(())
    }
}

fn encode(chunks: &[SegmentChunk]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(chunks.len() * ENCODED);
    for chunk in chunks {
        bytes.extend_from_slice(&chunk.id.0);
        bytes.extend_from_slice(&chunk.base.to_be_bytes());
        bytes.extend_from_slice(&chunk.next.to_be_bytes());
        bytes.extend_from_slice(&chunk.last_batch.to_be_bytes());
        bytes.extend_from_slice(&chunk.end.to_be_bytes());
        bytes.extend_from_slice(&chunk.length.to_be_bytes());
        bytes.extend_from_slice(&chunk.epoch.to_be_bytes());
        bytes.extend_from_slice(&chunk.crc.to_be_bytes());
        bytes.push(u8::from(chunk.closed));
    }
    bytes
}

fn decode(bytes: &[u8]) -> Vec<SegmentChunk> {
    bytes.chunks_exact(ENCODED).filter_map(decode_one).collect()
}

fn decode_one(mut bytes: &[u8]) -> Option<SegmentChunk> {
    fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
        let (head, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*head)
    }
    let bytes = &mut bytes;
    Some(SegmentChunk {
        id: ContentId(take(bytes)?),
        base: i64::from_be_bytes(take(bytes)?),
        next: i64::from_be_bytes(take(bytes)?),
        last_batch: u64::from_be_bytes(take(bytes)?),
        end: u64::from_be_bytes(take(bytes)?),
        length: u64::from_be_bytes(take(bytes)?),
        epoch: i32::from_be_bytes(take(bytes)?),
        crc: u32::from_be_bytes(take(bytes)?),
        closed: take::<1>(bytes)? == [1],
    })
}
